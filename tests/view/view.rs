//! tidview end to end: traces made by hand, the program run on them, and all that it prints.
//!
//! Files are written with the library's own writer into a folder that is removed afterwards.
//! What is expected stands in the tests as it must be printed, character by character.

mod about;
mod crash;
mod diff;
mod errors;
mod export;
mod golden;
mod help_examples;
mod hostile;
mod large;
mod made;
mod merge;
mod output;
mod pager;
mod progress;
mod repair;
mod replay;
mod report;
mod scrub;
mod segments;
mod select;
mod sites;
mod stats;
mod stream;
mod support;
#[cfg(target_os = "linux")]
mod symbolize;
mod terminal;
mod widths;
mod written;
