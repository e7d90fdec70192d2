//! When `/proc` is looked at, and for whom: once at the beginning; again after a loss; and in a control
//! group every second, for those that have come into it.

use tidline::model::{Pid, Time};

use super::cgroup::Cgroup;
use super::look::{Whom, look};
use super::tracker::Scan;
use crate::clock::Clock;

/// Looks are at least so far apart, ns.
const EVERY_NS: u64 = 1_000_000_000;

/// Who is recorded.
#[derive(Clone, Debug)]
pub(crate) enum Targets {
    Everyone,
    Processes { pids: Vec<Pid>, with_family: bool },
    Cgroup(Cgroup),
}

#[derive(Debug, Default)]
pub(crate) struct Looks {
    whom: Later,
    /// One that is to be taken up when all that happened during it is known.
    pub(crate) taken: Option<Scan>,
    due: Option<Time>,
    last: Time,
}

/// For whom is looked later, beside those that are recorded already.
#[derive(Debug, Default)]
enum Later {
    Everyone,
    Cgroup(Cgroup),
    #[default]
    NobodyElse,
}

impl Looks {
    /// Looks for the targets.
    pub(crate) fn begin(&mut self, clock: Clock, targets: Targets) {
        match targets {
            Targets::Everyone => self.whom = Later::Everyone,
            Targets::Cgroup(cgroup) => self.whom = Later::Cgroup(cgroup),
            Targets::Processes { pids, with_family } => {
                let whom = match with_family {
                    true => Whom::Family(&pids),
                    false => Whom::Processes(&pids),
                };
                self.taken = Some(look(clock, whom));
                return;
            }
        }
        self.again(clock, std::iter::empty());
    }

    /// Something was missed: who is there is to be looked for.
    pub(crate) fn doubt(&mut self, now: Time) {
        let due = Time((self.last.0 + EVERY_NS).max(now.0));
        self.due.get_or_insert(due);
    }

    /// Whether the next look is due.
    pub(crate) fn is_due(&self, now: Time) -> bool {
        self.taken.is_none() && self.due.is_some_and(|due| due <= now)
    }

    /// Looks once more. These are recorded.
    pub(crate) fn again(&mut self, clock: Clock, recorded: impl Iterator<Item = Pid>) {
        self.last = clock.now();
        let mut pids: Vec<Pid> = recorded.collect();
        (self.taken, self.due) = match &self.whom {
            Later::Everyone => (Some(look(clock, Whom::Everyone)), None),
            Later::NobodyElse => (Some(look(clock, Whom::Family(&pids))), None),
            Later::Cgroup(cgroup) => {
                pids.extend(cgroup.pids());
                let next = Time(self.last.0 + EVERY_NS);
                (Some(look(clock, Whom::Family(&pids))), Some(next))
            }
        };
    }

    /// Does not look again.
    pub(crate) fn end(&mut self) {
        self.due = None;
    }

    /// Whether there may be somebody to record, though nobody is now.
    pub(crate) fn may_find_more(&self) -> bool {
        self.taken.is_some() || matches!(self.whom, Later::Cgroup(_))
    }
}
