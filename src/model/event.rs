//! The one event type: what a recorder saw, at one moment.

use super::ids::{Name, Pid, Task, Tid, Time};
use super::stack::{FrameId, StackId};

/// Something that happened, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When the recorder learned of it.
    pub time: Time,
    /// What it was.
    pub body: EventBody,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventBody {
    /// A task that was already there when the recording reached its process, the first task of a
    /// launched command, or one that a new name brings into the recording.
    Existing {
        /// The task.
        task: Task,
        /// The parent process, for a thread group's leader, where `/proc/PID/stat` told it.
        parent_pid: Option<Pid>,
        /// Its name (`comm`) then.
        name: Name,
        /// Its instruction pointer at the attach stop; `None` where it was never stopped.
        pc: Option<u64>,
        /// Its TID as it knows itself, where it lives in a pid namespace below the recorder's.
        inner: Option<Tid>,
    },
    /// A task came to be.
    Birth(Birth),
    /// A task replaced its program. Its thread group has one thread from here on.
    Exec {
        /// The task after the exec: always its group's leader.
        task: Task,
        /// The TID that called `execve(2)`: another than the leader's when a thread other
        /// than the leader did, which then took the leader's TID.
        former_tid: Tid,
        /// The new executable's path, empty where it could not be read.
        exe: Name,
        /// The name the kernel gave it, empty where it could not be read.
        name: Name,
    },
    /// A task ended.
    Exit {
        /// The task.
        task: Task,
        /// How.
        end: End,
    },
    /// A task's name was seen to have changed.
    Rename {
        /// The task.
        task: Task,
        /// The new name.
        name: Name,
    },
    /// The recorder let a task go before its end, or leaves it out from here on: nothing later is
    /// known of it, unless an `Existing` brings it back.
    Detach {
        /// The task.
        task: Task,
        /// Why.
        reason: DetachReason,
    },
    /// Something could not be seen: tasks may exist that the trace does not have.
    Gap {
        /// Why.
        reason: GapReason,
        /// How many tasks are concerned, where that is known.
        count: u64,
        /// From when on nothing was seen.
        since: Time,
        /// Details in words, such as the TIDs.
        detail: Name,
    },
    /// Events that the recorder saw and could not keep.
    Lost {
        /// How many.
        count: u64,
        /// When the first of them happened.
        since: Time,
        /// Why, in words.
        reason: Name,
    },
    /// A task tried to make another, and the kernel refused.
    CreateFailed {
        /// The task that called.
        task: Task,
        /// The system call: `clone`, `clone3`, `fork` or `vfork`.
        call: Name,
        /// Why: an error's number on the recording host ([`errno_name`](super::errno_name)).
        errno: u16,
        /// The clone flags, as in [`Birth::flags`].
        flags: Option<u64>,
        /// The caller's instruction pointer.
        pc: Option<u64>,
        /// The caller's call stack, where it was taken.
        stack: Option<StackId>,
    },
    /// A task entered a system call that was asked for.
    SyscallEnter {
        /// The task.
        task: Task,
        /// The call's name, such as `futex`.
        name: Name,
        /// Its number on the recording host's architecture.
        number: u64,
        /// Its six arguments, as the registers have them.
        args: Box<[u64; 6]>,
    },
    /// A task came back from a system call that was asked for.
    SyscallExit {
        /// The task.
        task: Task,
        /// The call's name.
        name: Name,
        /// Its number.
        number: u64,
        /// What it returned: -1 to -4095 is an error's number, negated.
        result: i64,
    },
    /// A note that a person or a program put into the recording.
    Mark {
        /// The note.
        text: Name,
    },
}

/// The birth of a thread or a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Birth {
    /// The event by which the kernel reported it.
    pub via: Via,
    /// Whether a thread or a process was made: `CLONE_THREAD` in the flags.
    ///
    /// It does not follow from `via`: `CLONE_THREAD|CLONE_VFORK` is reported as a vfork, and a
    /// fork-like clone whose exit signal is not `SIGCHLD` as a clone (ptrace(2), Linux 6.18).
    pub what: What,
    /// The task that called; `None` where it never reported.
    pub parent: Option<Task>,
    /// The new task.
    pub child: Task,
    /// The clone flags, with the exit signal in the lowest byte as `clone(2)` has it; `None`
    /// where they could not be read.
    pub flags: Option<u64>,
    /// The creator's instruction pointer.
    pub pc: Option<u64>,
    /// The new task's TID as it knows itself (`gettid(2)`), where it lives in a pid namespace
    /// below the recorder's: the last number of `NSpid` in `/proc/TID/status` (Linux 4.1).
    pub inner: Option<Tid>,
    /// The creator's call stack, where it was taken.
    pub stack: Option<StackId>,
    /// The function that a new thread begins with, where it is known.
    pub start: Option<FrameId>,
}

/// The kernel's word for a creation (`PTRACE_EVENT_CLONE`, `_FORK`, `_VFORK`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Via {
    /// Neither of the two below.
    Clone,
    /// Not a vfork, and the exit signal is `SIGCHLD`.
    Fork,
    /// `CLONE_VFORK` was set: the creator waits until the new task execs or ends.
    Vfork,
}

impl Via {
    /// The word in tables and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Via::Clone => "clone",
            Via::Fork => "fork",
            Via::Vfork => "vfork",
        }
    }
}

/// What was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// A thread in its creator's thread group.
    Thread,
    /// The leader of a new thread group.
    Process,
}

impl What {
    /// The word in tables and in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            What::Thread => "thread",
            What::Process => "process",
        }
    }
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// It returned or called exit: 0 to 255.
    Code(u8),
    /// A signal ended it, by number.
    Signal {
        /// The signal's number on the recording host.
        number: u8,
        /// Whether a core was dumped.
        core: bool,
    },
    /// It is gone, and nothing said how.
    Unknown,
}

/// Why a task was let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DetachReason {
    /// New threads were asked to be let go (`--new-threads detach`).
    NewThread,
    /// The side of a fork that was not to be followed (`--follow-fork`).
    FollowFork,
    /// It has, or its process has, a name that was to be left out (`--include`, `--exclude`).
    LeftOut,
    /// Programs that a process executes were not to be followed (`--follow-exec no`).
    FollowExec,
    /// It was no longer traced, and nothing had said so.
    SlippedAway,
    /// Its recording ended, in a file that was merged from several.
    RecordingEnded,
    /// A reason that this version does not know, by its number in the file.
    Other(u8),
}

impl DetachReason {
    /// The reason in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DetachReason::NewThread => "new threads are not followed",
            DetachReason::FollowFork => "this side of the fork is not followed",
            DetachReason::LeftOut => "left out by its name",
            DetachReason::FollowExec => "programs it executes are not followed",
            DetachReason::SlippedAway => "it slipped away",
            DetachReason::RecordingEnded => "its recording ended",
            DetachReason::Other(_) => "unknown reason",
        }
    }
}

/// Why something could not be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GapReason {
    /// The attach's time limit passed before every thread of a process was traced.
    AttachIncomplete,
    /// Threads of a traced process, or a whole process that was asked for, are not traced, and
    /// cannot be.
    Untraced,
    /// A task could no longer be traced while the recording went on.
    TraceeLost,
    /// A part of the file that this one was made from could not be read.
    Damaged,
    /// A reason that this version does not know, by its number in the file.
    Other(u8),
}

impl GapReason {
    /// The reason in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            GapReason::AttachIncomplete => "attach incomplete",
            GapReason::Untraced => "untraced threads",
            GapReason::TraceeLost => "tracee lost",
            GapReason::Damaged => "damaged file",
            GapReason::Other(_) => "unknown reason",
        }
    }
}

impl EventBody {
    /// The word for this kind of event in tables and in JSON.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            EventBody::Existing { .. } => "existing",
            EventBody::Birth(birth) => birth.via.as_str(),
            EventBody::Exec { .. } => "exec",
            EventBody::Exit { .. } => "exit",
            EventBody::Rename { .. } => "rename",
            EventBody::Detach { .. } => "detach",
            EventBody::Gap { .. } => "gap",
            EventBody::Lost { .. } => "lost",
            EventBody::CreateFailed { .. } => "create-failed",
            EventBody::SyscallEnter { .. } => "syscall-enter",
            EventBody::SyscallExit { .. } => "syscall-exit",
            EventBody::Mark { .. } => "mark",
        }
    }

    /// The task that the event is about: for a birth, the new task.
    #[must_use]
    pub fn task(&self) -> Option<Task> {
        match *self {
            EventBody::Existing { task, .. }
            | EventBody::Exec { task, .. }
            | EventBody::Exit { task, .. }
            | EventBody::Rename { task, .. }
            | EventBody::Detach { task, .. }
            | EventBody::CreateFailed { task, .. }
            | EventBody::SyscallEnter { task, .. }
            | EventBody::SyscallExit { task, .. } => Some(task),
            EventBody::Birth(ref birth) => Some(birth.child),
            EventBody::Gap { .. } | EventBody::Lost { .. } | EventBody::Mark { .. } => None,
        }
    }
}
