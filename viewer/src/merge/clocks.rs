//! The times of several recordings as times of one.
//!
//! Recordings of one boot share its monotonic clock, and that is exact. Others have only their hosts'
//! wall clocks in common: a time becomes what its host's clock said then, by the last reading of it.

use std::sync::Arc;

use tidline::model::Time;

/// Readings of a clock that are less apart, ns, are apart by how they are taken.
const NOISE: i128 = 1_000_000;

/// What a host's monotonic times are on the clock that all share.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    /// From when on, ns on the monotonic clock, and what is to be added then. In order, and neither
    /// goes down.
    steps: Vec<(u64, i128)>,
    /// How far the readings are apart.
    pub(super) apart: u64,
}

impl Clock {
    /// The monotonic clock itself.
    pub(super) fn shared() -> Clock {
        Clock {
            steps: vec![(0, 0)],
            apart: 0,
        }
    }

    /// A wall clock, by readings of it: the monotonic clock's time, and its own.
    ///
    /// A clock that was set back was wrong before, and what was before is as much earlier: so times
    /// never go back. One that was set forward was wrong, too, or the host slept; that cannot be told
    /// apart, and nothing before is changed.
    pub(super) fn by(mut readings: Vec<(u64, i64)>) -> Clock {
        readings.sort_unstable();
        let added = |&(monotonic, wall): &(u64, i64)| i128::from(wall) - i128::from(monotonic);
        let all = || readings.iter().map(added);
        let apart = all().max().unwrap_or(0) - all().min().unwrap_or(0);
        let mut steps: Vec<(u64, i128)> = Vec::new();
        for reading in readings.iter().rev() {
            let added = added(reading);
            match steps.last_mut() {
                // As later, or later it was set back: what holds then, holds before.
                Some(later) if added > later.1 - NOISE => later.0 = reading.0,
                _ => steps.push((reading.0, added)),
            }
        }
        steps.reverse();
        Clock {
            steps,
            apart: match apart < NOISE {
                true => 0,
                false => u64::try_from(apart).unwrap_or(u64::MAX),
            },
        }
    }

    /// What it says at a monotonic time.
    pub(super) fn at(&self, monotonic: u64) -> i128 {
        let later = self.steps.partition_point(|step| step.0 <= monotonic);
        let step = self.steps.get(later.saturating_sub(1));
        i128::from(monotonic) + step.map_or(0, |step| step.1)
    }
}

/// Where a recording stands among the others.
#[derive(Clone, Debug)]
pub(super) struct Shift {
    pub(super) clock: Arc<Clock>,
    /// When it began, on its host's monotonic clock.
    pub(super) start: u64,
    /// The merged file's time 0.
    pub(super) zero: i128,
}

impl Shift {
    /// A time of the recording in the merged file.
    pub(super) fn time(&self, time: Time) -> Time {
        let at = self.clock.at(self.start.saturating_add(time.0)) - self.zero;
        Time(u64::try_from(at.max(0)).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// What the clock says, seconds, by readings in seconds.
    fn said<const N: usize>(readings: &[(u64, i64)], at: [u64; N]) -> [i128; N] {
        let readings = readings.iter();
        let readings = readings.map(|(time, wall)| (time * SECOND, wall * SECOND as i64));
        let clock = Clock::by(readings.collect());
        at.map(|at| clock.at(at * SECOND) / i128::from(SECOND))
    }

    #[test]
    fn a_clock_that_is_set_forward_jumps() {
        let readings = [(10, 100), (20, 160)];
        assert_eq!(
            said(&readings, [5, 10, 19, 20, 30]),
            [95, 100, 109, 160, 170]
        );
    }

    #[test]
    fn what_was_before_a_clock_is_set_back_is_earlier() {
        let readings = [(10, 160), (20, 100), (30, 110)];
        assert_eq!(said(&readings, [10, 19, 20, 30]), [90, 99, 100, 110]);
        // Forward, and half of it back: the first step is the smaller.
        let readings = [(10, 100), (20, 160), (30, 140)];
        assert_eq!(said(&readings, [10, 20, 30]), [100, 130, 140]);
    }

    #[test]
    fn readings_of_a_steady_clock_are_no_steps() {
        let jitter = [(0, 1_000_000), (SECOND, 1_000_999_000), (9, 1_000_500)];
        let clock = Clock::by(jitter.to_vec());
        assert_eq!((clock.steps.len(), clock.apart), (1, 0));
        assert_eq!(
            Clock::by(vec![(0, 0), (5, 3 * SECOND as i64)]).apart,
            3 * SECOND - 5
        );
    }
}
