//! How far a recording is: what the writer's thread has counted, for others to read.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Counters of a running recording. The writer's thread stores them after each batch; readers may
/// see some of one batch and some of the next.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) events: AtomicU64,
    /// Tasks that live now.
    pub(crate) live: AtomicU64,
    /// Threads created.
    pub(crate) threads: AtomicU64,
    /// Processes created.
    pub(crate) processes: AtomicU64,
    pub(crate) exits: AtomicU64,
    pub(crate) lost: AtomicU64,
    pub(crate) gaps: AtomicU64,
    /// Bytes written.
    pub(crate) bytes: AtomicU64,
    /// All events are written, and names are looked up for their stacks.
    pub(crate) looks_up: AtomicBool,
    /// The rest of that is to be left out.
    pub(crate) hurries: AtomicBool,
    /// The recording did not end by itself.
    pub(crate) is_asked_to_end: AtomicBool,
}

/// What a [`Progress`] said at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) events: u64,
    pub(crate) live: u64,
    pub(crate) threads: u64,
    pub(crate) processes: u64,
    pub(crate) exits: u64,
    pub(crate) lost: u64,
    pub(crate) gaps: u64,
    pub(crate) bytes: u64,
}

impl Progress {
    pub(super) fn store(&self, counts: Counts) {
        for (place, value) in [
            (&self.events, counts.events),
            (&self.live, counts.live),
            (&self.threads, counts.threads),
            (&self.processes, counts.processes),
            (&self.exits, counts.exits),
            (&self.lost, counts.lost),
            (&self.gaps, counts.gaps),
            (&self.bytes, counts.bytes),
        ] {
            place.store(value, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self) -> Counts {
        let value = |place: &AtomicU64| place.load(Ordering::Relaxed);
        Counts {
            events: value(&self.events),
            live: value(&self.live),
            threads: value(&self.threads),
            processes: value(&self.processes),
            exits: value(&self.exits),
            lost: value(&self.lost),
            gaps: value(&self.gaps),
            bytes: value(&self.bytes),
        }
    }
}
