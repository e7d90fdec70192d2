//! The model: events as they happened, and the trace that indexes them.
//!
//! One [`Event`] type serves the recorder, the file and the views. A [`Trace`] is built from
//! events by [`TraceBuilder`], which gives every task a serial [`TaskId`], so that a TID the
//! kernel used twice still means two tasks.
//!
//! ```
//! use tidline::format::Header;
//! use tidline::model::{Birth, End, Ending, Event, EventBody, Integrity, Task, Time, TraceBuilder};
//! use tidline::model::{Via, What};
//!
//! let (main, thread) = (Task::new(100, 100), Task::new(100, 101));
//! let birth = || EventBody::Birth(Birth {
//!     via: Via::Clone,
//!     what: What::Thread,
//!     parent: Some(main),
//!     child: thread,
//!     flags: None,
//!     pc: None,
//!     inner: None,
//!     stack: None,
//!     start: None,
//! });
//! let exit = EventBody::Exit { task: thread, end: End::Code(0) };
//!
//! let mut builder = TraceBuilder::new(Header::default());
//! for (time, body) in [(10, birth()), (20, exit), (30, birth())] {
//!     builder.push(Event { time: Time(time), body });
//! }
//! let trace = builder.finish(Integrity::new(Ending::CutShort));
//!
//! // TID 101 was two threads.
//! let threads: Vec<_> = trace.tasks().iter().filter(|record| record.task == thread).collect();
//! assert_eq!(threads.len(), 2);
//! assert_eq!((threads[0].ended, threads[1].ended), (Some(Time(20)), None));
//! assert_eq!(trace.peak_alive(), 2);
//! ```

mod errno;
mod event;
mod history;
mod ids;
mod intern;
mod live;
mod numbers;
mod signal;
mod stack;
mod task;
mod totals;
mod trace;

pub use errno::errno_name;
pub use event::{Birth, DetachReason, End, Event, EventBody, GapReason, Via, What};
pub use history::{Entries, History};
pub use ids::{Name, Pid, Task, TaskId, Tid, Time};
pub use intern::Interner;
pub use live::{Carried, Live};
pub use signal::signal_name;
pub use stack::{
    Definition, Frame, FrameId, Function, MAX_FRAMES, Module, ModuleId, StackEnd, StackId,
    StackNode, Stacks, Symbol, SymbolSource, Trust,
};
pub use task::{Ended, Origin, TaskRecord};
pub use totals::{Part, Tally, Totals};
pub use trace::{Anchor, Damage, Ending, Integrity, Trace, TraceBuilder};
