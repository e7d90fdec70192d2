//! From the tracer's thread to the file: everything that may be slow happens behind the queue.

mod choose;
pub(crate) mod command;
pub(crate) mod folder;
mod names;
mod output;
mod place;
pub(crate) mod progress;
pub(crate) mod queue;
mod snapshot;
mod stacks;
pub(crate) mod trigger;
mod writer;

pub(crate) use choose::Globs;
pub(crate) use output::{Output, Ready, shown, unwritable};
pub(crate) use writer::{Opened, Setup, Summary, WriterThread};
