//! The perf source: the kernel's tracepoints, for the whole system, read from rings in memory. It stops
//! nobody, needs rights that ptrace does not, and learns of things some milliseconds later.
//!
//! ```text
//!   rings ─► record ─► fact ──► order ─► tracker ─► events
//!                  └─► site ──► sites ───────┘ stacks
//! ```

mod cgroup;
mod code;
mod ends;
pub(crate) mod engine;
pub(crate) mod events;
mod fact;
mod format;
mod look;
mod looks;
mod losses;
mod may;
mod order;
mod outcomes;
mod patience;
mod programs;
mod record;
mod registers;
mod sites;
mod sys;
mod tracefs;
mod tracker;

pub(crate) use cgroup::Cgroup;
pub(crate) use looks::Targets;

use std::collections::VecDeque;

/// Takes the first of a queue, if it is of a kind.
fn pop_if<T>(queue: &mut VecDeque<T>, is_of_kind: impl FnOnce(&T) -> bool) -> Option<T> {
    match queue.front().is_some_and(is_of_kind) {
        true => queue.pop_front(),
        false => None,
    }
}
