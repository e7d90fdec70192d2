//! Figures over time: the stretch in equal parts, and what happened in each.

use serde::Serialize;
use tidline::model::Time;

use crate::time::{self, SECOND};

/// Parts that there are at most, chosen or not.
const MOST: u64 = 1_000_000;
/// Parts that are chosen at most where nothing is asked for.
const CHOSEN: u64 = 100;

/// A part of the stretch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Bucket {
    pub(crate) from_ns: u64,
    pub(crate) creations: u64,
    pub(crate) exits: u64,
    pub(crate) failures: u64,
    /// The most that lived at a moment of it.
    pub(crate) alive: u64,
}

/// The parts of a stretch, each of one length; the last may be cut short.
pub(crate) struct Buckets {
    from: u64,
    to: u64,
    pub(crate) length: u64,
    pub(crate) all: Vec<Bucket>,
}

impl Buckets {
    /// Parts of the length that is asked for, else of a round one; an error says which would do.
    pub(crate) fn new(from: u64, to: u64, asked: Option<u64>) -> Result<Buckets, String> {
        let span = to.saturating_sub(from).saturating_add(1);
        let length = asked.unwrap_or_else(|| round(span));
        if length == 0 {
            return Err("a part has some length, such as 100ms".into());
        }
        let number = span.div_ceil(length);
        if number > MOST {
            return Err(format!(
                "it makes more than a million parts of {}: {} or more does",
                time::exact(span),
                time::exact(round(span))
            ));
        }
        let part = |number: u64| Bucket {
            from_ns: from.saturating_add(number.saturating_mul(length)),
            ..Bucket::default()
        };
        Ok(Buckets {
            from,
            to,
            length,
            all: (0..number).map(part).collect(),
        })
    }

    /// The part that a time of the stretch is in.
    pub(crate) fn at(&mut self, time: u64) -> Option<&mut Bucket> {
        if !(self.from..=self.to).contains(&time) {
            return None;
        }
        let number = (time - self.from) / self.length;
        self.all.get_mut(usize::try_from(number).ok()?)
    }

    /// Notes how many lived, from births and ends in order; returns the most, and when it was
    /// first so. Ends come before births of the same moment, but what has no length lived.
    pub(crate) fn live(&mut self, births: &[Time], ends: &[Time]) -> (u64, u64) {
        let alive = |born: usize, ended: usize| born.saturating_sub(ended) as u64;
        let mut born = births.partition_point(|birth| birth.0 <= self.from);
        let mut ended = ends.partition_point(|end| end.0 <= self.from);
        let mut peak = (alive(born, ended), self.from);
        for number in 0..self.all.len() {
            let begin = self.all[number].from_ns;
            let behind = begin.saturating_add(self.length);
            while ends.get(ended).is_some_and(|end| end.0 <= begin) {
                ended += 1;
            }
            let mut most = alive(born, ended);
            while let Some(birth) = births
                .get(born)
                .filter(|birth| birth.0 < behind && birth.0 <= self.to)
            {
                while ends.get(ended).is_some_and(|end| end <= birth) {
                    ended += 1;
                }
                born += 1;
                let now = alive(born, ended).max(1);
                most = most.max(now);
                if now > peak.0 {
                    peak = (now, birth.0);
                }
            }
            self.all[number].alive = most;
        }
        peak
    }
}

/// The least round length that makes few enough parts.
fn round(span: u64) -> u64 {
    let decimals = (0..10).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u64.pow(power)));
    let clock = [
        10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200,
    ];
    let clock = clock.map(|seconds| seconds * SECOND);
    let days = (0..5).map(|power| 10_u64.pow(power).saturating_mul(86_400 * SECOND));
    let mut lengths = decimals.chain(clock).chain(days);
    let found = lengths.find(|length| span.div_ceil(*length) <= CHOSEN);
    found.unwrap_or(u64::MAX)
}

/// Numbers of parts in so many columns: the most of those that share one.
pub(crate) fn columns(numbers: &[u64], columns: usize) -> Vec<u64> {
    let of = |column: usize| {
        let first = column * numbers.len() / columns;
        let behind = ((column + 1) * numbers.len() / columns).max(first + 1);
        let part = numbers.get(first..behind.min(numbers.len()));
        part.unwrap_or_default().iter().copied().max().unwrap_or(0)
    };
    (0..columns).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_round_and_not_too_many() {
        for (span, length) in [
            (1, 1),
            (2_000_000_000, 20_000_000),
            (7 * SECOND, 100_000_000),
            (600 * SECOND, 10 * SECOND),
            (86_400 * SECOND, 900 * SECOND),
            (u64::MAX, 10_000 * 86_400 * SECOND),
        ] {
            assert_eq!(round(span), length, "{span}");
        }
        assert!(Buckets::new(0, 10 * SECOND, Some(1)).is_err());
        assert!(Buckets::new(0, 10, Some(0)).is_err());
        assert_eq!(Buckets::new(5, 5, None).unwrap().all.len(), 1);
    }

    #[test]
    fn parts_have_the_most_that_lived_in_them() {
        let mut buckets = Buckets::new(10, 39, Some(10)).unwrap();
        let (births, ends) = ([0, 5, 12, 14, 25, 50].map(Time), [13, 14, 30, 50].map(Time));
        let peak = buckets.live(&births, &ends);
        let alive: Vec<u64> = buckets.all.iter().map(|part| part.alive).collect();
        assert_eq!(alive, [3, 3, 2]);
        assert_eq!(peak, (3, 12));
        let mut buckets = Buckets::new(0, 9, Some(5)).unwrap();
        assert_eq!(buckets.live(&[Time(7)], &[Time(7)]), (1, 7));
        assert_eq!(buckets.all[0].alive, 0);
        assert_eq!(buckets.all[1].alive, 1);
    }

    #[test]
    fn columns_have_the_most_of_their_parts() {
        assert_eq!(columns(&[1, 5, 2, 0], 2), [5, 2]);
        assert_eq!(columns(&[1, 2], 4), [1, 1, 2, 2]);
        assert_eq!(columns(&[], 2), [0, 0]);
    }
}
