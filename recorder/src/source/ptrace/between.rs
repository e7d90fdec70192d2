//! What the engine does between two attaches, where a recording has many targets.

use tidline::model::{Event, EventBody, GapReason, Name, Pid, Tid};

use super::engine::Engine;
use super::sys::{self, Take};
use crate::proc;

/// So many reports in a row may keep the next process waiting.
const AT_MOST: usize = 1_000;

impl Engine {
    /// Handles what the processes that are traced already have reported: none of their threads may
    /// stand until the last process is attached.
    pub(crate) fn serve(&mut self) {
        for _ in 0..AT_MOST {
            match sys::wait(None, Take::PeekOwn) {
                Ok(Some(report)) => self.handle(report),
                _ => return,
            }
        }
    }

    /// Whether a process is traced by us, its birth reported or not.
    pub(crate) fn traces(&self, pid: Pid) -> bool {
        let leader = Tid(pid.0);
        let is_ours = |status: proc::Status| status.tracer.0 == std::process::id();
        self.tracker.knows(leader) || proc::status(leader).is_some_and(is_ours)
    }

    /// Records that a process was asked for and cannot be traced.
    pub(crate) fn note_refused(&mut self, pid: Pid, why: &str) {
        let time = self.clock.now();
        let body = EventBody::Gap {
            reason: GapReason::Untraced,
            count: proc::num_threads(pid).unwrap_or(1) as u64,
            since: time,
            detail: Name::from(why),
        };
        self.out.events.push(Event { time, body });
        self.carry_out();
    }
}
