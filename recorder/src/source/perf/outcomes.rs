//! How tasks of ours ended, and the launched command among them. A process ends with the last of its
//! threads, and how it did is said by its leader, which may have gone long before.

use std::collections::HashMap;
use std::time::Duration;

use tidline::model::{End, Event, EventBody, Pid, Task, Tid, Time};

use super::ends::Ends;
use crate::clock::Clock;
use crate::proc;
use crate::source::ptrace::sys::{self as processes, Take};
use crate::source::ptrace::wait::Change;

/// What the launched command's parent, tidrec, is told of its end is waited for so long.
const END_LIMIT: Duration = Duration::from_millis(50);

pub(crate) struct Outcomes {
    clock: Clock,
    /// What the kernel said.
    pub(crate) ends: Ends,
    /// How leaders ended whose processes live on.
    of_leaders: HashMap<Pid, End>,
    launched: Option<Launched>,
    /// Ends of which nobody knows how they were.
    pub(crate) unknown: u64,
}

impl Outcomes {
    pub(crate) fn listen(clock: Clock) -> Self {
        Outcomes {
            clock,
            ends: Ends::listen(clock.start_monotonic_ns),
            of_leaders: HashMap::new(),
            launched: None,
            unknown: 0,
        }
    }

    /// There is a command that was launched.
    pub(crate) fn launch(&mut self, pid: Pid) {
        self.launched = Some(Launched { pid, end: None });
    }

    pub(crate) fn has_launched(&self) -> bool {
        self.launched.is_some()
    }

    /// How the launched command ended, if it has; waits a moment for one that is about to.
    pub(crate) fn of_launched(&mut self) -> Option<End> {
        self.launched.as_mut()?.await_end(self.clock)
    }

    /// Takes the launched command's end, if it has ended. Nobody else can: it is our child.
    pub(crate) fn reap(&mut self) {
        if let Some(launched) = &mut self.launched {
            launched.reap();
        }
    }

    /// A task has ended, and its process may live on. Says how the tasks ended whose ends were told for
    /// that.
    pub(crate) fn complete(&mut self, task: Task, time: Time, lives_on: bool, told: &mut [Event]) {
        let end = self.ends.take(task.tid, time);
        let ends = told.iter_mut().filter_map(|event| match &mut event.body {
            EventBody::Exit { task, end } => Some((*task, end)),
            _ => None,
        });
        let mut none = true;
        for (whose, how) in ends {
            none = false;
            *how = self.of(whose, (task, end));
            self.unknown += u64::from(*how == End::Unknown);
        }
        if none && task.is_leader() && lives_on {
            self.of_leaders.insert(task.pid, end);
        }
    }

    /// How a task ended that did with the end of another, or is that one.
    fn of(&mut self, whose: Task, (last, end): (Task, End)) -> End {
        let leader = match whose.is_leader() {
            true => self.of_leaders.remove(&whose.pid),
            false => None,
        };
        let how = if whose == last {
            end
        } else if whose.is_leader() {
            // Its process has ended now, after all.
            of_process(leader.unwrap_or(End::Unknown), end)
        } else {
            End::Unknown
        };
        match &mut self.launched {
            Some(launched)
                if how == End::Unknown
                    && whose == Task::leader(launched.pid)
                    && last.pid == launched.pid =>
            {
                launched.await_end(self.clock).unwrap_or(End::Unknown)
            }
            _ => how,
        }
    }
}

/// How a process ended, from how its leader did, and later the last of its threads. It is what the
/// leader said, unless the last one spoke for all (`wait_task_zombie`, Linux 6.18): a signal does, and
/// so does exit_group(2), which looks like exit(2) of that thread alone.
fn of_process(leader: End, last: End) -> End {
    match (leader, last) {
        (_, End::Signal { .. }) => last,
        (leader, last) if leader == last => leader,
        _ => End::Unknown,
    }
}

/// The command that was launched. As its parent tidrec is told how it ended.
struct Launched {
    pid: Pid,
    end: Option<End>,
}

impl Launched {
    fn reap(&mut self) {
        if self.end.is_none()
            && let Ok(Some(report)) = processes::wait(Some(Tid(self.pid.0)), Take::Reap)
            && let Change::Ended(end) = report.what
        {
            self.end = Some(end);
        }
    }

    fn await_end(&mut self, clock: Clock) -> Option<End> {
        let until = clock.now().0 + END_LIMIT.as_nanos() as u64;
        loop {
            self.reap();
            let lives = proc::stat(Tid(self.pid.0)).is_some_and(|stat| !stat.is_ending());
            if self.end.is_some() || lives || clock.now().0 >= until {
                return self.end;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_ends_as_its_leader_did_unless_the_last_thread_spoke_for_all() {
        let killed = End::Signal {
            number: 9,
            core: false,
        };
        assert_eq!(of_process(End::Code(0), End::Code(0)), End::Code(0));
        assert_eq!(of_process(End::Code(0), killed), killed);
        // exit(2) of the last one, or exit_group(2): the process's code is the one or the other.
        assert_eq!(of_process(End::Code(0), End::Code(1)), End::Unknown);
    }
}
