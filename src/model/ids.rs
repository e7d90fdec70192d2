//! Identifiers, times and names: small values with one meaning each.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use crate::text;

/// A thread's id, as the recorder's pid namespace numbers it. The kernel uses it again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tid(pub u32);

/// A thread group's id: the TID of its leader, which `getpid(2)` returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(pub u32);

/// Nanoseconds since the recording began, on the recording host's monotonic clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

/// A task's serial number inside one trace, from 0, in order of first appearance.
///
/// Unlike a TID it is never used again, so views and comparisons key on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub u32);

/// A task as the kernel names it at one moment: its thread group and its TID.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Task {
    /// The thread group.
    pub pid: Pid,
    /// The thread.
    pub tid: Tid,
}

impl Task {
    /// A task from raw numbers.
    #[must_use]
    pub fn new(pid: u32, tid: u32) -> Self {
        Task {
            pid: Pid(pid),
            tid: Tid(tid),
        }
    }

    /// The leader of a thread group: its TID is the group's id.
    #[must_use]
    pub fn leader(pid: Pid) -> Self {
        Task {
            pid,
            tid: Tid(pid.0),
        }
    }

    /// Whether this task leads its thread group.
    #[must_use]
    pub fn is_leader(self) -> bool {
        self.pid.0 == self.tid.0
    }
}

impl fmt::Display for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Bytes that a recorded program chose: a thread name, a path, an argument.
///
/// They may hold anything, terminal escapes included. `Display` escapes them; the raw bytes
/// are there for comparison and for writing back to a file. Clones share one allocation, and so do
/// all that are empty.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Arc<[u8]>);

impl Name {
    /// The bytes as recorded.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Maps by names can be asked for bytes: they hash as a name does.
impl Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl From<&[u8]> for Name {
    fn from(bytes: &[u8]) -> Self {
        if bytes.is_empty() {
            return Name::default();
        }
        Name(Arc::from(bytes))
    }
}

impl<const N: usize> From<&[u8; N]> for Name {
    fn from(bytes: &[u8; N]) -> Self {
        Name::from(&bytes[..])
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Name::from(text.as_bytes())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&text::escape(&self.0))
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", text::escape(&self.0))
    }
}
