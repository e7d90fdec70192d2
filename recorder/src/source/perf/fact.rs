//! What the kernel's tracepoints say, in plain values.

use tidline::model::{Name, Task, Tid, Time};

use super::registers::Registers;
use crate::syscall::abi::Creation;

/// Something that a task did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    pub(crate) time: Time,
    /// Who did it.
    pub(crate) task: Task,
    pub(crate) what: Saw,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Saw {
    /// It entered fork(2) or vfork(2), of which the registers say nothing.
    Enters(Creation),
    /// It made a task. The flags are the kernel's, which has taken the exit signal off.
    Made {
        child: Tid,
        flags: u64,
        registers: Option<Registers>,
    },
    /// It ends; whether its whole thread group has now, if the kernel says so (Linux 6.16).
    Ends { group: Option<bool> },
    /// It executes a program: it has its leader's TID by now.
    Executes { former: Tid, file: Name },
    /// A task of its process, most often itself, has another name.
    Renames { tid: Tid, name: Name },
    /// The kernel did not make what it asked for.
    Refused {
        call: Creation,
        errno: u16,
        registers: Option<Registers>,
    },
}

/// Registers and stack of a task that was about to make another, or could not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) time: Time,
    pub(crate) task: Task,
    pub(crate) of: SiteOf,
    pub(crate) registers: Option<Registers>,
}

/// What a [`Site`] belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SiteOf {
    /// The birth of this task.
    Birth(Tid),
    /// A refusal that this task got.
    Refusal(Tid),
}
