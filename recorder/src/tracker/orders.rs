//! The tracker's words: what it is told, and what it asks to be done.

use tidline::model::{End, Event, Name, Pid, Tid, Via, What};

use crate::syscall::abi::Creation;

/// One report about a thread, with all that had to be read while it stood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It made a task.
    Created {
        via: Via,
        what: What,
        child: Tid,
        flags: Option<u64>,
        pc: Option<u64>,
    },
    /// It replaced its program. The report comes from the leader's TID.
    Exec {
        former_tid: Tid,
        exe: Name,
        name: Name,
    },
    /// It enters a system call; `None` where that is of no interest.
    Enters(Option<Box<Entry>>),
    /// It comes back from a system call.
    Leaves { result: i64 },
    /// A signal is about to be delivered.
    Signal { number: i32, pc: Option<u64> },
    /// Its thread group was stopped by a signal.
    Group { pc: Option<u64> },
    /// A first stop, an answer to an interrupt, or the end of a group-stop.
    Trap { pc: Option<u64> },
    /// It is gone.
    Ended { end: End },
    /// A stop that nobody asked for.
    Unknown,
}

impl Stop {
    /// Where the thread stood, where that was asked for.
    pub(super) fn pc(&self) -> Option<u64> {
        match *self {
            Stop::Created { pc, .. }
            | Stop::Signal { pc, .. }
            | Stop::Group { pc }
            | Stop::Trap { pc } => pc,
            Stop::Exec { .. }
            | Stop::Ended { .. }
            | Stop::Enters(_)
            | Stop::Leaves { .. }
            | Stop::Unknown => None,
        }
    }
}

/// A system call that a thread enters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// It is to make a task.
    pub(crate) creation: Option<Creating>,
    /// It is one of those that were asked for.
    pub(crate) listed: Option<Listed>,
}

/// A creation that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Creating {
    pub(crate) call: Creation,
    pub(crate) flags: Option<u64>,
    pub(crate) pc: u64,
}

/// A system call that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) name: Name,
    pub(crate) number: u64,
    pub(crate) args: [u64; 6],
}

/// What can be said of a task that reported before its creator did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Its thread group, from `/proc/TID/status`.
    pub(crate) pid: Option<Pid>,
    /// Its parent process, from there too.
    pub(crate) parent_pid: Option<Pid>,
    /// The clone flags: its registers are its creator's.
    pub(crate) flags: Option<u64>,
    pub(crate) pc: Option<u64>,
}

impl Identity {
    /// The process that its creator is a thread of, where that is certain.
    pub(super) fn creators_process(&self, tid: Tid) -> Option<Pid> {
        const CLONE_PARENT: u64 = 0x8000;
        match self.what(tid) {
            What::Thread => self.pid,
            // Its parent is its creator's parent, then.
            What::Process if self.flags? & CLONE_PARENT != 0 => None,
            What::Process => self.parent_pid,
        }
    }

    pub(super) fn what(&self, tid: Tid) -> What {
        const CLONE_THREAD: u64 = 0x1_0000;
        match (self.pid, self.flags) {
            (Some(pid), _) if pid.0 != tid.0 => What::Thread,
            (Some(_), _) => What::Process,
            (None, Some(flags)) if flags & CLONE_THREAD != 0 => What::Thread,
            (None, _) => What::Process,
        }
    }
}

/// What to do with a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Let it run, with this signal delivered (0: none).
    Resume { tid: Tid, signal: i32 },
    /// Keep it in its group-stop.
    Listen(Tid),
    /// Let it go for good, with this signal delivered (0: none).
    Detach { tid: Tid, signal: i32 },
    /// Leave it stopped, and take its report, so that it is not made again.
    Hold(Tid),
    /// Ask it to stop.
    Interrupt(Tid),
    /// Ask the user which side of a fork to follow; both wait for [`super::Tracker::answer`].
    Ask { creator: Tid, child: Tid },
}

/// What a step gives: events in order, and orders to carry out in order.
#[derive(Debug, Default)]
pub(crate) struct Output {
    pub(crate) events: Vec<Event>,
    pub(crate) orders: Vec<Order>,
    /// Stops that the tracker had no word for.
    pub(crate) unknown_stops: u64,
}

/// What to follow.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) new_threads: NewThreads,
    pub(crate) fork: ForkMode,
    /// Whether a process is followed into the programs that it executes.
    pub(crate) follow_exec: bool,
}

/// What becomes of new threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NewThreads {
    Follow,
    Detach,
}

/// Which side of a fork is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForkMode {
    Fixed(Choice),
    Ask,
}

/// A side of a fork, in gdb's words for `follow-fork-mode`, and both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Parent,
    Child,
    Both,
}
