//! Where events come from: ptrace, which stops each thread that creates, and perf, which stops nobody.

pub(crate) mod perf;
pub(crate) mod ptrace;

use anyhow::{Result, bail};
use tidline::model::{End, Pid, Time};

use crate::preflight;

/// Why a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    TargetEnded,
    /// All that was traced ended or was let go, and a process was.
    FollowedEnded,
    Signal(i32),
    Duration,
    /// Somebody asked for it: [`Doorbell::stop_asked`](crate::doorbell::Doorbell::stop_asked) says why.
    Asked,
}

/// One of them, at work.
pub(crate) enum Source {
    Ptrace(Box<ptrace::engine::Engine>),
    Perf(Box<perf::engine::Engine>),
}

impl Source {
    /// How many tasks are watched.
    pub(crate) fn tasks(&self) -> usize {
        match self {
            Source::Ptrace(engine) => engine.tracees(),
            Source::Perf(engine) => engine.tasks(),
        }
    }

    /// Takes up a command that was forked and is about to exec.
    ///
    /// # Errors
    /// With the reason, in words.
    pub(crate) fn launch(&mut self, pid: Pid) -> Result<()> {
        match self {
            Source::Ptrace(engine) => match engine.launch(pid) {
                Ok(()) => Ok(()),
                Err(error) => bail!("{}", preflight::explain(pid, error)),
            },
            Source::Perf(engine) => engine.launch(pid),
        }
    }

    /// Records until the target ends, a signal comes, or `until` is reached; lets all go.
    pub(crate) fn run(&mut self, until: Option<Time>) -> Reason {
        match self {
            Source::Ptrace(engine) => engine.run(until),
            Source::Perf(engine) => engine.run(until),
        }
    }

    /// Ends without having run.
    pub(crate) fn let_all_go(&mut self) {
        match self {
            Source::Ptrace(engine) => engine.let_all_go(),
            Source::Perf(_) => {}
        }
    }

    /// Ends the queue, and with it the trace: why, and what the recording cost.
    pub(crate) fn end_with(&mut self, reason: String) {
        match self {
            Source::Ptrace(engine) => engine.end_with(reason),
            Source::Perf(engine) => engine.end_with(reason),
        }
    }

    /// Whether the target could create nothing any more if it were let go.
    pub(crate) fn is_needed(&self) -> bool {
        match self {
            Source::Ptrace(engine) => engine.is_needed(),
            Source::Perf(_) => false,
        }
    }

    /// Goes on after the recording's end for a target that needs it.
    pub(crate) fn stay(&mut self) {
        match self {
            Source::Ptrace(engine) => engine.stay(),
            Source::Perf(_) => {}
        }
    }

    /// How the launched command ended, if it has.
    pub(crate) fn launched_end(&mut self) -> Option<End> {
        match self {
            Source::Ptrace(engine) => engine.launched_end(),
            Source::Perf(engine) => engine.launched_end(),
        }
    }
}
