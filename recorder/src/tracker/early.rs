//! Newborns that report before their creators do.
//!
//! Such a task stands still until its creator has reported: only the creator's report says who made
//! it. A creator that was killed in mid-clone never reports; then the task is recorded as born of an
//! unknown parent, and runs on.

use tidline::model::{Birth, End, Pid, Task, Tid, Time, Via, What};

use super::Tracker;
use super::orders::{Identity, Order, Output, Stop};

/// How long a newborn that reported first waits for its creator at most, ns. The creator's report
/// is only a scheduling delay away, unless it was killed in mid-clone. (Beside a hundred busy threads
/// on a loaded machine the delay was more than 200 ms.)
pub(crate) const PARENT_WAIT_NS: u64 = 2_000_000_000;

/// A task that reported before its creator.
#[derive(Clone, Debug)]
pub(super) struct Early {
    pub(super) since: Time,
    pub(super) identity: Identity,
    pub(super) end: Option<(Time, End)>,
    pub(super) group_stop: bool,
}

impl Tracker {
    /// When [`Tracker::tick`] has something to do next.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.early
            .iter()
            .map(|(tid, early)| match self.has_no_creator(*tid, early) {
                true => early.since,
                false => Time(early.since.0 + PARENT_WAIT_NS),
            })
            .min()
    }

    /// Whether every thread that could have made a task is gone: none will report it.
    fn has_no_creator(&self, tid: Tid, early: &Early) -> bool {
        // With CLONE_PTRACE beside it the newborn is traced, and nobody is told (clone(2)).
        const CLONE_UNTRACED: u64 = 0x80_0000;
        if early
            .identity
            .flags
            .is_some_and(|flags| flags & CLONE_UNTRACED != 0)
        {
            return true;
        }
        // Looking for members goes through all tracees, and this is asked at each report of each task
        // that waits: with hundreds of those and thousands of tracees nothing else would get done, the
        // creators' reports above all. Most leaders live.
        let process = early.identity.creators_process(tid);
        process.is_some_and(|pid| !self.knows(Tid(pid.0)) && self.members(pid).next().is_none())
    }

    /// Does what has become due.
    pub(crate) fn tick(&mut self, now: Time, out: &mut Output) {
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        let is_due = |tid: Tid, early: &Early| {
            early.since.0 + PARENT_WAIT_NS <= now.0 || self.has_no_creator(tid, early)
        };
        let due = self
            .early
            .iter()
            .filter(|(tid, early)| is_due(**tid, early));
        let mut due: Vec<(Time, Tid)> = due.map(|(tid, early)| (early.since, *tid)).collect();
        due.sort_unstable();
        for (_, tid) in due {
            let Some(early) = self.early.remove(&tid) else {
                continue;
            };
            let identity = &early.identity;
            let flags = identity.flags;
            let what = identity.what(tid);
            let birth = Birth {
                via: via_of_flags(flags, what),
                what,
                parent: None,
                child: Task {
                    pid: identity.pid.unwrap_or(Pid(tid.0)),
                    tid,
                },
                flags,
                pc: identity.pc,
                inner: None,
                stack: None,
                start: None,
            };
            self.orphans.insert(tid, ());
            self.born(now, birth, None, Some(early), out);
        }
    }

    pub(super) fn step_early(
        &mut self,
        now: Time,
        tid: Tid,
        stop: &Stop,
        identity: Identity,
        out: &mut Output,
    ) {
        let early = self.early.entry(tid).or_insert_with(|| Early {
            since: now,
            identity: identity.clone(),
            end: None,
            group_stop: false,
        });
        match stop {
            Stop::Ended { end } => early.end = Some((now, *end)),
            Stop::Group { .. } => {
                early.group_stop = true;
                out.orders.push(Order::Hold(tid));
            }
            // A newborn's first stop is a trap. Whatever else it may be, it waits likewise.
            Stop::Trap { .. } => out.orders.push(Order::Hold(tid)),
            _ => {
                out.unknown_stops += 1;
                out.orders.push(Order::Hold(tid));
            }
        }
    }
}

/// How the kernel would have reported a creation with these flags (kernel_clone, Linux 6.18).
pub(crate) fn via_of_flags(flags: Option<u64>, what: What) -> Via {
    const CLONE_VFORK: u64 = 0x4000;
    const SIGCHLD: u64 = 17;
    match flags {
        Some(flags) if flags & CLONE_VFORK != 0 => Via::Vfork,
        Some(flags) if flags & 0xff == SIGCHLD => Via::Fork,
        None if what == What::Process => Via::Fork,
        _ => Via::Clone,
    }
}
