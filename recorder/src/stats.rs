//! What the recording cost its target: counted, and written into the file.

/// Counters of one recording. Times in ns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stats {
    /// Stops of the target's threads that were handled.
    pub(crate) stops: u64,
    /// From taking a report of a creation to its creator's running on.
    pub(crate) creations: Histogram,
    /// The same for every report.
    pub(crate) reports: Histogram,
    /// The longest that a process was held while it was attached.
    pub(crate) attach_pause_ns: u64,
    /// From the wish to end to the last thread's being let go.
    pub(crate) detach_ns: u64,
    /// Threads that did not stop in time and were left to the kernel, which lets them go at exit.
    pub(crate) left_to_kernel: u64,
    pub(crate) unknown_stops: u64,
}

impl Stats {
    /// Names and values, as the file keeps them.
    pub(crate) fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("stops", self.stops),
            ("creation_stop_median_ns", self.creations.quantile(0.5)),
            ("creation_stop_p99_ns", self.creations.quantile(0.99)),
            ("creation_stop_max_ns", self.creations.max),
            ("stop_total_ns", self.reports.total),
            ("stop_max_ns", self.reports.max),
            ("attach_pause_ns", self.attach_pause_ns),
            ("detach_ns", self.detach_ns),
            ("left_to_kernel", self.left_to_kernel),
            ("unknown_stops", self.unknown_stops),
        ]
    }
}

/// Durations by size, in steps of an eighth: no allocation, a few ns to add one.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    counts: [u64; Self::BUCKETS],
    count: u64,
    total: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram {
            counts: [0; Self::BUCKETS],
            count: 0,
            total: 0,
            max: 0,
        }
    }
}

impl Histogram {
    /// Eight for each power of two.
    const BUCKETS: usize = 64 * 8;

    pub(crate) fn add(&mut self, ns: u64) {
        self.counts[Self::bucket(ns)] += 1;
        self.count += 1;
        self.total += ns;
        self.max = self.max.max(ns);
    }

    /// The value below which a share of the durations lies, at most an eighth too high; 0 where
    /// there are none.
    pub(crate) fn quantile(&self, share: f64) -> u64 {
        let wanted = (self.count as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return Self::upper_bound(index).min(self.max);
            }
        }
        0
    }

    /// Below 8 each value has its own; above, the three bits behind the highest choose.
    fn bucket(ns: u64) -> usize {
        match ns.checked_ilog2() {
            Some(power @ 3..) => {
                let eighth = (ns >> (power - 3)) as usize & 7;
                (power as usize - 2) * 8 + eighth
            }
            _ => ns as usize,
        }
    }

    fn upper_bound(bucket: usize) -> u64 {
        match bucket / 8 {
            0 => bucket as u64,
            group => {
                let next = u128::from(8 + (bucket % 8) as u64 + 1) << (group - 1);
                u64::try_from(next - 1).unwrap_or(u64::MAX)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_at_most_an_eighth_too_high() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), 0);
        (1..=10_000).for_each(|ns| histogram.add(ns));
        for (share, exact) in [(0.5, 5_000), (0.99, 9_900), (1.0, 10_000)] {
            let found = histogram.quantile(share);
            assert!((exact..=exact * 9 / 8).contains(&found), "{share}: {found}");
        }
        assert_eq!(histogram.total, 50_005_000);
    }

    #[test]
    fn every_value_has_a_bucket_that_bounds_it() {
        for ns in (0..64)
            .map(|power| 1u64 << power)
            .flat_map(|ns| [ns - 1, ns, ns + ns / 3])
        {
            let bucket = Histogram::bucket(ns);
            assert!(Histogram::upper_bound(bucket) >= ns, "{ns}");
            assert!(
                bucket == 0 || Histogram::upper_bound(bucket - 1) < ns,
                "{ns}"
            );
        }
        assert!(Histogram::bucket(u64::MAX) < Histogram::BUCKETS);
    }
}
