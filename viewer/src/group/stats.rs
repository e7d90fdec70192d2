//! What the tasks of one class did: how many there were, how many at a time, how long they lived.

use std::collections::HashMap;
use std::hash::Hash;

use tidline::model::{Ended, Name, Origin, TaskRecord, Time, Trace};

use crate::fold::with_class;
use crate::site::SiteId;

/// The moments that statistics are made between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moments {
    /// Where the trace begins.
    pub(crate) begin: Time,
    /// What lives at this time counts as alive.
    pub(crate) end: Time,
}

impl Moments {
    /// A trace's beginning and end.
    pub(crate) fn of(trace: &Trace) -> Self {
        Moments {
            begin: trace.begin(),
            end: trace.end(),
        }
    }

    /// How long that is, ns.
    pub(crate) fn length(self) -> u64 {
        self.end.0.saturating_sub(self.begin.0)
    }

    /// Whether a task is alive at the end: it did not end, or later.
    pub(crate) fn outlived_by(self, task: &TaskRecord) -> bool {
        match task.how {
            Ended::Alive => true,
            Ended::Exit(_) | Ended::BecameLeader | Ended::Missing => {
                task.ended.is_some_and(|ended| ended > self.end)
            }
            Ended::Detached(_) => false,
        }
    }

    /// When a task ended, if it is not alive at the end.
    fn end_of(self, task: &TaskRecord) -> Option<Time> {
        task.ended.filter(|_| !self.outlived_by(task))
    }
}

/// How often each of some values was met.
#[derive(Clone, Debug)]
pub(crate) struct Tally<T>(HashMap<T, u64>);

impl<T> Default for Tally<T> {
    fn default() -> Self {
        Tally(HashMap::new())
    }
}

impl<T: Eq + Hash + Ord> Tally<T> {
    pub(crate) fn add(&mut self, value: T) {
        *self.0.entry(value).or_default() += 1;
    }

    /// The most frequent first.
    pub(crate) fn sorted(&self) -> Vec<(&T, u64)> {
        let mut all: Vec<(&T, u64)> = self.0.iter().map(|(value, n)| (value, *n)).collect();
        all.sort_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
        all
    }
}

impl Tally<Name> {
    /// Adds the class of a name.
    fn add_class(&mut self, name: &Name) {
        with_class(name, |class| match self.0.get_mut(class) {
            Some(count) => *count += 1,
            None => self.add(class.into()),
        });
    }
}

/// What the tasks of one class did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stats {
    /// Tasks whose birth is in the trace.
    pub(crate) created: u64,
    /// Alive at the end.
    pub(crate) alive: u64,
    /// Let go by the recorder, so that nobody knows how long they lived.
    pub(crate) let_go: u64,
    /// When each came to be, in order.
    pub(crate) births: Vec<Time>,
    /// When each that ended did, or was let go, in order.
    pub(crate) ends: Vec<Time>,
    /// How long those lived whose birth and end were seen, ns, in order.
    pub(crate) lives: Vec<u64>,
    /// Births and ends of each task, in the tasks' order; no end for those alive at the end. Only those that
    /// [`Stats::add_span`] was told of.
    pub(crate) spans: Vec<(Time, Option<Time>)>,
    pub(crate) names: Tally<Name>,
    pub(crate) routines: Tally<SiteId>,
}

impl Stats {
    /// Adds a task. Its times come into order with [`Stats::sort`].
    pub(super) fn add(&mut self, task: &TaskRecord, start: Option<SiteId>, moments: Moments) {
        let born = task.origin == Origin::Birth && task.born >= moments.begin;
        self.created += u64::from(born);
        self.births.push(task.born);
        let alive = moments.outlived_by(task);
        let ended = moments.end_of(task);
        self.alive += u64::from(alive);
        self.let_go += u64::from(matches!(task.how, Ended::Detached(_)));
        self.ends.extend(ended);
        if task.origin == Origin::Birth && matches!(task.how, Ended::Exit(_) | Ended::BecameLeader)
        {
            self.lives
                .extend(ended.map(|ended| ended.0.saturating_sub(task.born.0)));
        }
        self.names.add_class(task.name());
        if let Some(start) = start {
            self.routines.add(start);
        }
    }

    /// Adds when a task lived.
    pub(super) fn add_span(&mut self, task: &TaskRecord, moments: Moments) {
        self.spans.push((task.born, moments.end_of(task)));
    }

    pub(super) fn sort(&mut self) {
        self.births.sort_unstable();
        self.ends.sort_unstable();
        self.lives.sort_unstable();
    }

    /// When the first of them was seen.
    pub(crate) fn first(&self) -> Time {
        self.births.first().copied().unwrap_or_default()
    }

    /// When the last of them was seen.
    pub(crate) fn last(&self) -> Time {
        self.births.last().copied().unwrap_or_default()
    }

    /// How many lived at a time.
    pub(crate) fn alive_at(&self, time: Time) -> u64 {
        let born = self.births.partition_point(|birth| *birth <= time);
        let ended = self.ends.partition_point(|end| *end <= time);
        born.saturating_sub(ended) as u64
    }

    /// The most that lived at a time.
    pub(crate) fn peak(&self) -> u64 {
        self.peak_and_when().0
    }

    /// The most that lived at a time, and when that was first so.
    pub(crate) fn peak_and_when(&self) -> (u64, Time) {
        let (mut peak, mut when, mut ended) = (0, Time(0), 0);
        for (index, birth) in self.births.iter().enumerate() {
            while self.ends.get(ended).is_some_and(|end| end <= birth) {
                ended += 1;
            }
            // One that ends when it is born lived, however short.
            let alive = (index + 1).saturating_sub(ended).max(1);
            if alive > peak {
                (peak, when) = (alive, *birth);
            }
        }
        (peak as u64, when)
    }
}

/// The value that so many of a hundred do not exceed, of values in order.
pub(crate) fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_there() {
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!(percentile(&hundred, 50), Some(50));
        assert_eq!(percentile(&hundred, 99), Some(99));
        assert_eq!(percentile(&[7], 50), Some(7));
        assert_eq!(percentile(&[1, 2], 99), Some(2));
        assert_eq!(percentile(&[], 50), None);
    }

    #[test]
    fn peaks_count_ends_before_births_of_the_same_moment() {
        let stats = Stats {
            births: vec![Time(1), Time(2), Time(3)],
            ends: vec![Time(2), Time(3), Time(3)],
            ..Stats::default()
        };
        assert_eq!(stats.peak_and_when(), (1, Time(1)));
        assert_eq!([1, 2, 3].map(|time| stats.alive_at(Time(time))), [1, 1, 0]);
        let together = Stats {
            births: vec![Time(1), Time(1), Time(9)],
            ends: vec![Time(5), Time(5)],
            ..Stats::default()
        };
        assert_eq!(together.peak_and_when(), (2, Time(1)));
    }

    #[test]
    fn tallies_are_sorted_by_number_then_by_value() {
        let mut tally = Tally::default();
        for value in ["b", "a", "c", "c"] {
            tally.add(value);
        }
        assert_eq!(tally.sorted(), [(&"c", 2), (&"a", 1), (&"b", 1)]);
    }
}
