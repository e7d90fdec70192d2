//! A budget: so many a second, and a few at once.

use tidline::model::Time;

/// Allows something at most once per `interval_ns` in the long run, `burst` times at once.
#[derive(Debug)]
pub(crate) struct Budget {
    interval_ns: u64,
    burst: u64,
    /// When all that was allowed will have been earned.
    spent_until: u64,
}

impl Budget {
    pub(crate) fn new(interval_ns: u64, burst: u64) -> Self {
        Budget {
            interval_ns,
            burst,
            spent_until: 0,
        }
    }

    /// Whether one more is allowed now; if so, it is spent.
    pub(crate) fn spend(&mut self, now: Time) -> bool {
        let after = self.spent_until.max(now.0) + self.interval_ns;
        let allowed = after <= now.0 + self.interval_ns * self.burst;
        if allowed {
            self.spent_until = after;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_one_per_interval() {
        let mut budget = Budget::new(10, 3);
        let allowed: Vec<u64> = (0..50).filter(|now| budget.spend(Time(*now))).collect();
        assert_eq!(allowed, [0, 1, 2, 10, 20, 30, 40]);
    }
}
