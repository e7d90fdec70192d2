//! The heart of tidline: what a thread's birth and death are, and the file that keeps them.
//!
//! * [`model`] holds the one [`Event`](model::Event) type, the ids, and [`Trace`](model::Trace),
//!   the indexed whole that every view reads.
//! * [`mod@format`] is the trace file: its specification, the writer and the reader.
//! * `symbolize` (a feature) says what an address in an ELF file means. It alone opens files.
//!
//! This crate is pure: no operating system, no clock, no environment. A trace recorded on
//! Linux opens on any system.
//!
//! ```
//! use std::io::Cursor;
//! use tidline::format::{Header, Writer, read_trace};
//! use tidline::model::{End, Event, EventBody, Task, Time};
//!
//! let mut writer = Writer::start(Vec::new(), &Header::default())?;
//! let task = Task::new(100, 100);
//! writer.push(&Event {
//!     time: Time(5),
//!     body: EventBody::Existing { task, parent_pid: None, name: b"main".into(), pc: None, inner: None },
//! });
//! writer.push(&Event { time: Time(9), body: EventBody::Exit { task, end: End::Code(0) } });
//! let file = writer.finish(Time(9), "target ended", &[])?;
//!
//! let trace = read_trace(Cursor::new(file))?;
//! assert_eq!(trace.events().len(), 2);
//! assert!(trace.is_complete());
//! # Ok::<(), tidline::format::Error>(())
//! ```
#![forbid(unsafe_code)]

pub mod format;
pub mod model;
#[cfg(feature = "symbolize")]
pub mod symbolize;
#[cfg(feature = "synth")]
pub mod synth;
pub mod text;
