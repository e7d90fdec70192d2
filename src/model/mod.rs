//! The model: events as they happened, and the trace that indexes them.
//!
//! One [`Event`] type serves the recorder, the file and the views. A [`Trace`] is built from
//! events by [`TraceBuilder`], which gives every task a serial [`TaskId`], so that a TID the
//! kernel used twice still means two tasks.

mod event;
mod ids;
mod signal;
mod task;
mod trace;

pub use event::{Birth, DetachReason, End, Event, EventBody, GapReason, Via, What};
pub use ids::{Name, Pid, Task, TaskId, Tid, Time};
pub use signal::signal_name;
pub use task::{Ended, Origin, TaskRecord};
pub use trace::{Damage, Ending, Integrity, Trace, TraceBuilder};
