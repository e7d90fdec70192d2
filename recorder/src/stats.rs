//! What the recording cost its target: counted, and written into the file.

/// Counters of one recording. Times in ns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stats {
    /// Stops of the target's threads that were handled.
    pub(crate) stops: u64,
    /// Reports that made an event, and the time from taking one to the thread's running on.
    pub(crate) handled: u64,
    pub(crate) handling_ns_total: u64,
    pub(crate) handling_ns_max: u64,
    /// The longest that a process was held while it was attached.
    pub(crate) attach_pause_ns: u64,
    /// From the wish to end to the last thread's being let go.
    pub(crate) detach_ns: u64,
    /// Threads that did not stop in time and were left to the kernel, which lets them go at exit.
    pub(crate) left_to_kernel: u64,
    pub(crate) detach_failures: u64,
    pub(crate) unknown_stops: u64,
}

impl Stats {
    pub(crate) fn handled(&mut self, took_ns: u64) {
        self.handled += 1;
        self.handling_ns_total += took_ns;
        self.handling_ns_max = self.handling_ns_max.max(took_ns);
    }

    /// Names and values, as the file keeps them.
    pub(crate) fn counters(&self) -> Vec<(&'static str, u64)> {
        let mean = self
            .handling_ns_total
            .checked_div(self.handled)
            .unwrap_or(0);
        vec![
            ("stops", self.stops),
            ("handling_mean_ns", mean),
            ("handling_max_ns", self.handling_ns_max),
            ("attach_pause_ns", self.attach_pause_ns),
            ("detach_ns", self.detach_ns),
            ("left_to_kernel", self.left_to_kernel),
            ("unknown_stops", self.unknown_stops),
        ]
    }
}
