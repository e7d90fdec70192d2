//! Facts of all processors, in the order of time.
//!
//! Each ring is in order; between two of them nothing is. What was seen is kept back until every ring
//! was read at a moment well behind it:
//!
//! ```text
//!   time ────────────────────────────────────────────►
//!   cpu 0        a         c            │        ┊
//!   cpu 1             b         d       │   e    ┊
//!                                  given ◄─┘     └─ a look at the rings began
//!                                       one window
//! ```

use tidline::model::Time;

use super::fact::Fact;

/// A processor that has taken the time of an event has written it so much later at the most, ns.
/// (A virtual one may be taken away from the machine in between.)
pub(crate) const WINDOW_NS: u64 = 10_000_000;

#[derive(Debug, Default)]
pub(crate) struct Order {
    waiting: Vec<Fact>,
    /// How many of the waiting ones, from the first on, are in order.
    sorted: usize,
    given: Time,
    /// Facts that came later than they may.
    pub(crate) late: u64,
}

impl Order {
    pub(crate) fn add(&mut self, mut fact: Fact) {
        if fact.time < self.given {
            self.late += 1;
            fact.time = self.given;
        }
        self.waiting.push(fact);
    }

    /// Until when all were taken.
    pub(crate) fn given(&self) -> Time {
        self.given
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Those that wait, in order.
    pub(crate) fn waiting(&mut self) -> &[Fact] {
        if self.sorted < self.waiting.len() {
            // Stable: what is of one time stays as it came, and a ring is in order.
            self.waiting.sort_by_key(|fact| fact.time);
            self.sorted = self.waiting.len();
        }
        &self.waiting
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Takes those that are not later than a time, so many at the most; and up to when all were taken.
    pub(crate) fn take(&mut self, until: Time, most: usize) -> (Vec<Fact>, Time) {
        let due = self.waiting().partition_point(|fact| fact.time <= until);
        let count = due.min(most);
        let until = match count < due {
            // One of the same time may be left.
            true => Time(self.waiting[count].time.0.saturating_sub(1)),
            false => until,
        };
        self.given = self.given.max(until);
        let rest = self.waiting.split_off(count);
        self.sorted = rest.len();
        (std::mem::replace(&mut self.waiting, rest), self.given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::perf::fact::Saw;
    use tidline::model::Task;

    fn fact(time: u64, tid: u32) -> Fact {
        Fact {
            time: Time(time),
            task: Task::new(1, tid),
            what: Saw::Ends { group: None },
        }
    }

    fn told(facts: &[Fact]) -> Vec<(u64, u32)> {
        let told = facts.iter().map(|fact| (fact.time.0, fact.task.tid.0));
        told.collect()
    }

    #[test]
    fn two_processors_are_merged_and_what_may_be_incomplete_waits() {
        let mut order = Order::default();
        let all = [(1, 10), (5, 11), (9, 12), (2, 20), (5, 21), (8, 22)];
        all.into_iter()
            .for_each(|(time, tid)| order.add(fact(time, tid)));
        let all = [(1, 10), (2, 20), (5, 11), (5, 21)];
        let (some, until) = order.take(Time(5), 3);
        assert_eq!((told(&some), until), (all[..3].to_vec(), Time(4)));
        let (others, until) = order.take(Time(5), 3);
        assert_eq!((told(&others), until), (all[3..].to_vec(), Time(5)));
        order.add(fact(7, 13));
        assert_eq!(told(order.waiting()), [(7, 13), (8, 22), (9, 12)]);
        assert_eq!(told(&order.take(Time(8), 9).0), [(7, 13), (8, 22)]);
        assert_eq!(order.late, 0);
    }

    #[test]
    fn time_does_not_go_back_for_one_that_is_late() {
        let mut order = Order::default();
        order.add(fact(5, 1));
        order.take(Time(6), 9);
        order.add(fact(4, 2));
        assert_eq!(told(&order.take(Time(7), 9).0), [(6, 2)]);
        assert_eq!(order.late, 1);
    }
}
