//! The recording's clock: time 0 is when it began.

use chrono::Local;
use nix::time::{ClockId, clock_gettime};
use tidline::model::{Anchor, Time};

/// Maps the host's monotonic clock to the trace's time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) start_monotonic_ns: u64,
    pub(crate) start_wall_ns: i64,
    pub(crate) utc_offset_s: i32,
}

impl Clock {
    /// A clock that starts now.
    pub(crate) fn start() -> Self {
        // The monotonic clock is read on both sides of the wall clock, and the middle taken.
        let before = monotonic_ns();
        let wall = Local::now();
        let after = monotonic_ns();
        Clock {
            start_monotonic_ns: before + (after - before) / 2,
            start_wall_ns: wall.timestamp_nanos_opt().unwrap_or(0),
            utc_offset_s: wall.offset().local_minus_utc(),
        }
    }

    /// What the wall clock, as it stands now, says of a moment ago: it may have been set since the
    /// start, or the host suspended.
    pub(crate) fn anchor_at(&self, time: Time) -> Anchor {
        let now = Clock::start();
        let since_start = now
            .start_monotonic_ns
            .saturating_sub(self.start_monotonic_ns);
        let ago = i64::try_from(since_start.saturating_sub(time.0)).unwrap_or(0);
        Anchor {
            time,
            wall_ns: now.start_wall_ns.saturating_sub(ago),
            utc_offset_s: now.utc_offset_s,
        }
    }

    /// Nanoseconds since the start.
    pub(crate) fn now(&self) -> Time {
        Time(monotonic_ns().saturating_sub(self.start_monotonic_ns))
    }
}

/// `CLOCK_MONOTONIC`, which perf's `-k mono` shows too; the vdso answers, without a system call.
fn monotonic_ns() -> u64 {
    match clock_gettime(ClockId::CLOCK_MONOTONIC) {
        Ok(time) => time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64,
        Err(_) => 0,
    }
}
