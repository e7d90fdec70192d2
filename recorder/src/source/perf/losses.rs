//! What the kernel could not write, and where nobody listened: each told once, from when on.
//!
//! A ring tells of a loss with the next event of its processor, which may come late or never; so the
//! kernel is asked for its count as well, now and then:
//!
//! ```text
//!   ring:     a b ──── 3 lost ───────────────────── "3 lost" c      nothing is left to tell
//!   count:         0 ──────── 3: told, some time before ──── 3
//! ```

use std::collections::{HashMap, HashSet};

use tidline::model::{Event, EventBody, GapReason, Name, Time};

use super::events::Renewed;

const WHY: &str = "the kernel's events came faster than they were read: some of all tasks of the system \
                   (a larger --ring-kb holds more)";

#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// How many were lost, ever.
    pub(crate) total: u64,
    /// Losses that were counted before their ring told of them.
    told_ahead: u64,
    /// When the kernel was last asked how many it lost.
    last_count: Time,
    /// For each processor's ring of facts, the time of the last record that was read from it.
    read_until: HashMap<u32, Time>,
    /// Processors of which it was told that they cannot be watched.
    unwatched: HashSet<u32>,
}

impl Losses {
    /// Something was read from a processor's ring.
    pub(crate) fn read(&mut self, cpu: u32, time: Time) {
        self.read_until.insert(cpu, time);
    }

    /// A processor's ring tells of a loss. Nothing had been on before `start`.
    pub(crate) fn told(&mut self, cpu: u32, start: Time, time: Time, count: u64) -> Option<Event> {
        let since = self.read_until.get(&cpu).copied().unwrap_or(start);
        let known = count.min(self.told_ahead);
        self.told_ahead -= known;
        self.lost(since, time, count - known)
    }

    /// When the kernel was last asked for its count.
    pub(crate) fn last_count(&self) -> Time {
        self.last_count
    }

    /// The kernel has lost so many in all, if it says that.
    pub(crate) fn counted(&mut self, now: Time, total: Option<u64>) -> Option<Event> {
        let since = std::mem::replace(&mut self.last_count, now).min(now);
        let new = total?.saturating_sub(self.total);
        self.told_ahead += new;
        self.lost(since, now, new)
    }

    fn lost(&mut self, since: Time, time: Time, count: u64) -> Option<Event> {
        self.total += count;
        let body = EventBody::Lost {
            count,
            since,
            reason: Name::from(WHY),
        };
        (count > 0).then_some(Event { time, body })
    }

    /// Processors are watched that were not, or cannot be: what there is to say of it.
    pub(crate) fn renewed(&mut self, renewed: &Renewed) -> Option<String> {
        let numbers: Vec<String> = renewed.opened.iter().map(u32::to_string).collect();
        let numbers = numbers.join(", ");
        let mut words = match renewed.opened.len() {
            0 => Vec::new(), // They are off, and nothing happens there.
            1 => vec![format!(
                "processor {numbers} was switched on: what happened there is not known"
            )],
            _ => vec![format!(
                "processors {numbers} were switched on: what happened there is not known"
            )],
        };
        let refused = renewed.refused.iter();
        let before = std::mem::replace(
            &mut self.unwatched,
            refused.clone().map(|(cpu, _)| *cpu).collect(),
        );
        let news = refused.filter(|(cpu, _)| !before.contains(cpu));
        words.extend(news.map(|(cpu, error)| {
            format!("processor {cpu} was switched on and cannot be watched: {error:#}")
        }));
        (!words.is_empty()).then(|| words.join("; "))
    }
}

/// Nobody saw what happened from a time on, nor can say how much that was.
pub(crate) fn gap(since: Time, time: Time, why: &str) -> Event {
    let body = EventBody::Gap {
        reason: GapReason::Untraced,
        count: 0,
        since,
        detail: Name::from(why),
    };
    Event { time, body }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Since when, until when, how many.
    fn words(event: Option<Event>) -> Option<(u64, u64, u64)> {
        let Event { time, body } = event?;
        let EventBody::Lost { count, since, .. } = body else {
            panic!("{body:?}")
        };
        Some((since.0, time.0, count))
    }

    #[test]
    fn a_ring_that_tells_of_what_was_counted_says_nothing_new() {
        let mut losses = Losses::default();
        losses.read(0, Time(5));
        assert_eq!(words(losses.counted(Time(10), Some(0))), None);
        assert_eq!(words(losses.counted(Time(20), Some(3))), Some((10, 20, 3)));
        assert_eq!(words(losses.counted(Time(30), Some(3))), None);
        // Its ring tells of these, and of two more.
        let told = losses.told(0, Time(1), Time(31), 5);
        assert_eq!(words(told), Some((5, 31, 2)));
        assert_eq!(words(losses.counted(Time(40), Some(5))), None);
        // Of one of which nothing was read all is in doubt from the start on.
        let told = losses.told(1, Time(1), Time(41), 1);
        assert_eq!((words(told), losses.total), (Some((1, 41, 1)), 6));
        // An older kernel does not count.
        assert_eq!(words(losses.counted(Time(50), None)), None);
        assert_eq!(losses.last_count(), Time(50));
    }

    #[test]
    fn each_processor_that_came_on_is_named_and_the_same_refusal_only_once() {
        let mut losses = Losses::default();
        let renewed = |opened: &[u32], refused: &[u32]| Renewed {
            opened: opened.to_vec(),
            refused: refused
                .iter()
                .map(|cpu| (*cpu, anyhow::anyhow!("no memory")))
                .collect(),
        };
        let mut say = |opened: &[u32], refused: &[u32]| losses.renewed(&renewed(opened, refused));
        assert_eq!(say(&[], &[]), None);
        let on = "switched on: what happened there is not known";
        assert_eq!(
            say(&[1, 3], &[2]),
            Some(format!(
                "processors 1, 3 were {on}; \
                 processor 2 was switched on and cannot be watched: no memory"
            ))
        );
        assert_eq!(say(&[], &[2]), None);
        assert_eq!(say(&[2], &[]), Some(format!("processor 2 was {on}")));
        assert!(say(&[], &[2]).is_some_and(|words| words.contains("cannot be watched")));
    }
}
