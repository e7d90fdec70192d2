//! The perf source: the kernel's tracepoints, for the whole system, read from rings in memory. It stops
//! nobody, needs rights that ptrace does not, and learns of things some milliseconds later.
//!
//! ```text
//!   rings ─► record ─► fact ──► order ─► tracker ─► events
//!                  └─► site ──► sites ───────┘ stacks
//! ```

mod cgroup;
mod ends;
pub(crate) mod engine;
pub(crate) mod events;
mod fact;
mod format;
mod look;
mod may;
mod order;
mod record;
mod registers;
mod sites;
mod sys;
mod tracefs;
mod tracker;

pub(crate) use cgroup::Cgroup;
