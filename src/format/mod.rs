//! The trace file, format version 1: how events are kept, and read back whatever happened.
//!
//! The writer ([`Writer`]) appends self-contained chunks; the reader ([`read_trace`]) opens any
//! prefix of a file and any file with damaged parts, and says what is missing.
//!
//! ```
//! use std::io::Cursor;
//! use tidline::format::{Header, Writer, read_trace};
//! use tidline::model::{Ending, Event, EventBody, Time};
//!
//! let mut writer = Writer::start(Vec::new(), &Header::default())?;
//! writer.push(&Event { time: Time(5), body: EventBody::Mark { text: b"deploy".into() } })?;
//! writer.flush(Time(9))?;
//!
//! // The recorder is killed here, in the middle of its next write.
//! let mut file = writer.get_mut().clone();
//! file.extend(b"\xf5TD");
//!
//! let trace = read_trace(Cursor::new(file))?;
//! assert_eq!(trace.events().len(), 1);
//! assert_eq!(trace.end(), Time(9));
//! assert_eq!(trace.integrity().ending, Ending::CutShort);
//! assert_eq!(trace.integrity().trailing_bytes, 3);
//! # Ok::<(), tidline::format::Error>(())
//! ```
//!
#![doc = include_str!("format.md")]

mod chunk;
mod codec;
mod counts;
mod define;
mod error;
mod extract;
mod header;
mod hosts;
mod input;
mod reader;
mod record;
mod rewrite;
mod skim;
mod writer;

pub use define::Defined;
pub use error::Error;
pub use extract::{Extracted, Stretch, extract, extract_changed, extract_with_symbols};
pub use header::{GIVEN_UP_EARLY, Header, Target, VERSION};
pub use hosts::{HOST_RANGE, Host, MOST_HOSTS, host_of, is_of_a_host, renumber};
pub use reader::{Segment, Sink, looks_like_trace, read_segments, read_trace, scan, scan_counted};
pub use rewrite::{Rewrite, Unchanged};
pub use skim::Skim;
pub use writer::{GOES_ON, MAX_BATCH_BYTES, Writer};
