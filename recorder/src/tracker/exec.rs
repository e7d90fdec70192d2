//! Exec: a process replaces its program, and all its threads but one go.
//!
//! When a thread other than the leader calls execve(2), the kernel ends all others, drops the old
//! leader without a report, and gives the caller the leader's TID (`de_thread`, Linux 6.18):
//!
//! ```text
//!   leader 100  ────────────────┐ dropped          100 ──► new program
//!   caller 101  ──── execve ────┴─ becomes ────────┘
//!   other  102  ── ends, reported
//! ```

use tidline::model::{DetachReason, End, Event, EventBody, Name, Pid, Task, Tid, Time};

use super::orders::Output;
use super::{State, Tracee, Tracker, existing, existing_named};

impl Tracker {
    /// A process's leader, which was traced, was replaced by an exec that nobody reported, because
    /// its caller was not traced yet. The new one is, now; its first stop is to come.
    pub(crate) fn replaced(
        &mut self,
        now: Time,
        task: Task,
        (exe, name): (Name, Name),
        out: &mut Output,
    ) {
        let Some(tracee) = self.tracees.get_mut(&task.tid) else {
            return;
        };
        if let State::Attaching { .. } = tracee.state {
            return; // Nothing was told of the old one.
        }
        tracee.state = State::Newborn;
        if !self.policy.follow_exec {
            tracee.leave.get_or_insert(DetachReason::FollowExec);
        }
        let body = EventBody::Exec {
            task,
            former_tid: task.tid,
            exe,
            name,
        };
        out.events.push(Event { time: now, body });
    }

    pub(super) fn exec(
        &mut self,
        now: Time,
        tid: Tid,
        former: Tid,
        (exe, name): (Name, Name),
        out: &mut Output,
    ) {
        let task = Task::leader(Pid(tid.0));
        let known = self.tracees.get(&tid).copied();
        let caller = self.tracees.get(&former).copied();
        // The other threads have ended and were reaped, or the exec would not have got here
        // (de_thread, Linux 6.18). Should one's exit be missing, it ends here.
        let others: Vec<Tid> = self
            .members(task.pid)
            .filter(|other| *other != tid && *other != former)
            .collect();
        for other in others {
            self.ended(now, other, End::Unknown, out);
        }
        self.calls.rename(former, tid);
        if former != tid {
            self.tracees.remove(&former);
            self.drop_questions_about(now, former, out);
        }
        if self.ending {
            // Siblings may have been let go already, and then their end was not seen: an exec that
            // has no beginning. It is not recorded any more.
            self.insert(task, State::Running);
            self.go_on(now, tid, 0, out);
            return;
        }
        // Of an attached one the caller may be the first that is heard of, or the leader, which may
        // have ended before (pthread_exit in main) and now lives again.
        let told = caller.is_some_and(|caller| !matches!(caller.state, State::Attaching { .. }));
        if former != tid && !told {
            let caller = Task {
                tid: former,
                ..task
            };
            out.events.push(existing(now, caller, None, None));
        }
        match known.map(|tracee| tracee.state) {
            Some(State::Launched) => out.events.push(existing_named(now, task, name.clone())),
            Some(State::Attaching { parent_pid }) => {
                out.events.push(existing(now, task, parent_pid, None));
            }
            None => out.events.push(existing(now, task, None, None)),
            _ => {}
        }
        let mut leave = caller.or(known).and_then(|tracee| tracee.leave);
        // The exec by which a launched command begins is no program that it executes.
        let begins = known.is_some_and(|tracee| tracee.state == State::Launched);
        if !self.policy.follow_exec && !begins {
            leave.get_or_insert(DetachReason::FollowExec);
        }
        self.tracees.insert(
            tid,
            Tracee {
                pid: task.pid,
                state: State::Running,
                leave,
            },
        );
        let body = EventBody::Exec {
            task,
            former_tid: former,
            exe,
            name,
        };
        out.events.push(Event { time: now, body });
        self.go_on(now, tid, 0, out);
    }
}
