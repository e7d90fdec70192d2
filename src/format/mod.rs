//! The trace file, format version 1: how events are kept, and read back whatever happened.
//!
//! The writer ([`Writer`]) appends self-contained chunks; the reader ([`read_trace`]) opens any
//! prefix of a file and any file with damaged parts, and says what is missing.
//!
#![doc = include_str!("format.md")]

mod chunk;
mod codec;
mod error;
mod header;
mod reader;
mod record;
mod writer;

pub use error::Error;
pub use header::{Header, Target, VERSION};
pub use reader::{looks_like_trace, read_trace};
pub use writer::{MAX_BATCH_BYTES, Writer};
