//! System calls: whose number means what, and which of them are watched.

pub(crate) mod abi;
pub(crate) mod selection;
mod watch;

pub(crate) use watch::{Stops, Watch};
