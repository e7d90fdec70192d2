//! How long a slow output is waited for when all that is left to do is to give it the rest.

use tidline::model::Time;

/// For so long it may take nothing, ns.
pub(super) const PATIENCE_NS: u64 = 2_000_000_000;

/// It is waited for as long as it gets on: fewer facts are left, or of the events that it took, which are
/// a queue full, more are written. On a busy machine these alone may take it seconds.
#[derive(Debug)]
pub(super) struct Patience {
    left: usize,
    done: u64,
    since: Time,
}

impl Patience {
    pub(super) fn new(now: Time) -> Self {
        Patience {
            left: usize::MAX,
            done: 0,
            since: now,
        }
    }

    /// Whether it is over now. So many facts are left, and so many events the output is done with.
    pub(super) fn is_over(&mut self, now: Time, left: usize, done: u64) -> bool {
        if left < self.left || done > self.done {
            self.since = now;
        }
        (self.left, self.done) = (left, done);
        now.0 > self.since.0 + PATIENCE_NS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_that_gets_on_is_waited_for_and_one_that_hangs_is_not() {
        let mut patience = Patience::new(Time(0));
        let mut is_over = |ms: u64, left, done| patience.is_over(Time(ms * 1_000_000), left, done);
        assert!(!is_over(1_000, 9, 0));
        // It takes some; it writes what it took; it does neither.
        assert!(!is_over(2_900, 5, 0));
        assert!(!is_over(4_800, 5, 1));
        assert!(!is_over(6_700, 5, 2));
        assert!(!is_over(8_700, 5, 2));
        assert!(is_over(8_701, 5, 2));
        // More that comes in is nothing that it took.
        assert!(is_over(8_702, 6, 2));
    }
}
