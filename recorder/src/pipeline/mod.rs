//! From the tracer's thread to the file: everything that may be slow happens behind the queue.

mod inner;
mod names;
mod output;
pub(crate) mod queue;
mod writer;

pub(crate) use output::{Output, Ready, shown};
pub(crate) use writer::{Summary, WriterThread};
