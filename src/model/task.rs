//! A task of a trace: one thread's or process's life, however often its TID was used.

use super::event::{DetachReason, End, What};
use super::history::{Entries, History};
use super::ids::{Name, Task, TaskId, Tid, Time};
use super::stack::{FrameId, StackId};

/// One task of a trace.
#[derive(Clone, Debug)]
pub struct TaskRecord {
    /// Its serial number.
    pub id: TaskId,
    /// Its pid and TID. They hold for its whole life: a thread that execs ends, and its
    /// group's leader lives on.
    pub task: Task,
    /// Its TID as it knows itself, where that is another: in a pid namespace below the
    /// recorder's.
    pub inner: Option<Tid>,
    /// Who made it, where that is known.
    pub parent: Option<TaskId>,
    /// How the trace came to know of it.
    pub origin: Origin,
    /// Its creator's call stack at its birth, where it was taken.
    pub stack: Option<StackId>,
    /// The function that it began with, where it is known.
    pub start: Option<FrameId>,
    /// When it was made, or first seen.
    pub born: Time,
    /// When it ended; `None` if it was alive at the end of the trace.
    pub ended: Option<Time>,
    /// How it ended.
    pub how: Ended,
    /// Its names, oldest first; at least one. A newborn has its creator's (the kernel copies it).
    pub names: History,
    /// Executables it became by exec, oldest first.
    pub execs: Entries,
}

/// How the trace came to know of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// It was there when the recording reached its process.
    Existing,
    /// Its birth is in the trace.
    Birth,
    /// Only later events name it: its birth is missing, because of a loss.
    Inferred,
}

/// How a task ended, as far as the trace goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ended {
    /// It did not, while it was watched.
    Alive,
    /// It exited or was killed.
    Exit(End),
    /// It called exec and took its leader's TID: its life goes on as the leader.
    BecameLeader,
    /// The recorder let it go.
    Detached(DetachReason),
    /// Its end is missing: its TID was used again, or its process replaced its program.
    Missing,
}

impl TaskRecord {
    /// Thread, or process (the leader of its group).
    #[must_use]
    pub fn what(&self) -> What {
        match self.task.is_leader() {
            true => What::Process,
            false => What::Thread,
        }
    }

    /// The name at a time: the last one that is not later, else the first.
    #[must_use]
    pub fn name_at(&self, time: Time) -> &Name {
        let later = self.names.partition_point(|(since, _)| *since <= time);
        &self.names[later.saturating_sub(1)].1
    }

    /// The last name: the one a person knows.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.names[self.names.len() - 1].1
    }

    /// Whether it lived at a time.
    #[must_use]
    pub fn alive_at(&self, time: Time) -> bool {
        self.born <= time && self.ended.is_none_or(|ended| ended > time)
    }

    /// Nanoseconds it lived, up to `now` if it has not ended.
    #[must_use]
    pub fn lifetime_ns(&self, now: Time) -> u64 {
        self.ended.unwrap_or(now).0.saturating_sub(self.born.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Traces have millions of them, and most of what a view takes is these.
    #[test]
    fn a_record_is_small() {
        assert!(size_of::<TaskRecord>() <= 104);
    }
}
