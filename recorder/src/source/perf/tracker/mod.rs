//! The tracker: what all tasks of the system did goes in, events of those that are recorded come out.
//!
//! It is a pure state machine. Nobody is stopped here, so what it is told is past: a task that it
//! hears of may be gone, and its TID another's. What it goes by is the order of what happened.
//!
//! A process is recorded if it was meant, or if one that is recorded made it. Each task of it that does
//! something is one of ours, whether it was heard of before or not:
//!
//! ```text
//!  usual:     parent ──Made(child)──► birth       child ──Ends──► exit
//!  listed:    (the list of /proc has it) ──► existing
//!  missed:    stranger in our process ──Ends──► existing, exit
//!  leader:    leader ──Ends──► (nothing)     the last of its threads ──Ends──► both exits
//!  lost end:  parent ──Made(child), a TID that we have──► exit, nobody knows how; birth
//! ```

mod scan;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use tidline::model::{Birth, End, Event, EventBody, Name, Pid, Task, Tid, Time, What};

use super::fact::{Fact, Saw};
use crate::tracker::{TidMap, via_of_flags};

pub(crate) use scan::{Listed, Scan};

const CLONE_THREAD: u64 = 0x1_0000;
const CLONE_VFORK: u64 = 0x4000;

#[derive(Debug, Default)]
pub(crate) struct Tracker {
    /// Every process is recorded, but for strangers.
    everyone: bool,
    /// Tasks of processes that are recorded.
    tasks: TidMap<Known>,
    /// Processes that are recorded, and how many of their tasks are known.
    groups: HashMap<Pid, usize>,
    /// With everyone: tasks that are not recorded all the same, those of the kernel and our own.
    strangers: HashSet<Tid>,
    /// Names that tasks took which are not known: an exec takes its leader's name first.
    names: HashMap<Tid, Name>,
}

#[derive(Clone, Debug)]
struct Known {
    pid: Pid,
    /// The last one that it took.
    name: Option<Name>,
    /// A leader that has ended while its threads go on. Its process ends with the last of them; or one of
    /// them executes a program and takes the leader's place.
    has_ended: bool,
}

/// What is known beside what the kernel said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Details {
    /// Of a creation: the flags with the exit signal, where that is known.
    pub(crate) flags: Option<u64>,
    /// Of an exec: the file that the process runs now.
    pub(crate) program: Option<Name>,
}

impl Details {
    pub(crate) fn of_flags(flags: Option<u64>) -> Self {
        Details {
            flags,
            ..Details::default()
        }
    }
}

impl Tracker {
    /// One that records everyone.
    pub(crate) fn of_everyone() -> Self {
        Tracker {
            everyone: true,
            ..Tracker::default()
        }
    }

    /// Records a process, from what it does next.
    pub(crate) fn track(&mut self, pid: Pid) {
        self.groups.entry(pid).or_default();
    }

    /// Does not record a task, and what it makes.
    pub(crate) fn leave_out(&mut self, tid: Tid) {
        self.strangers.insert(tid);
    }

    /// Whether a process is recorded.
    pub(crate) fn tracks(&self, pid: Pid) -> bool {
        self.groups.contains_key(&pid)
    }

    /// Whether what a task does is recorded.
    pub(crate) fn concerns(&self, task: Task) -> bool {
        self.groups.contains_key(&task.pid)
            || (self.everyone && !self.strangers.contains(&task.tid))
    }

    /// How many tasks are known.
    pub(crate) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether nothing is left to record.
    pub(crate) fn is_empty(&self) -> bool {
        self.groups.is_empty() && !self.everyone
    }

    /// The processes that are recorded.
    pub(crate) fn pids(&self) -> impl Iterator<Item = Pid> {
        self.groups.keys().copied()
    }

    /// Takes what happened next.
    pub(crate) fn step(&mut self, fact: &Fact, details: Details, out: &mut Vec<Event>) {
        let (time, task) = (fact.time, fact.task);
        match &fact.what {
            Saw::Enters(_) => {}
            Saw::Made { child, flags, .. } => {
                self.made(time, task, (*child, *flags), details, out);
            }
            Saw::Ends { group } => self.ends(time, task, *group, out),
            Saw::Executes { former, file } => {
                let program = details.program.as_ref().unwrap_or(file);
                self.executes(time, task, *former, program, out);
            }
            Saw::Renames { tid, name } => self.renames(time, task, *tid, name, out),
            Saw::Refused {
                call,
                errno,
                registers,
            } => {
                if self.concerns(task) {
                    self.know(time, task, None, out);
                    let body = EventBody::CreateFailed {
                        task,
                        call: call.as_str().into(),
                        errno: *errno,
                        flags: details.flags,
                        pc: registers.map(|registers| registers.stack.ip),
                        stack: None,
                    };
                    out.push(Event { time, body });
                }
            }
        }
    }

    fn made(
        &mut self,
        time: Time,
        creator: Task,
        (child, flags): (Tid, u64),
        details: Details,
        out: &mut Vec<Event>,
    ) {
        // The TID is free, whatever we thought.
        self.close(time, child, out);
        self.strangers.remove(&child);
        let what = match flags & CLONE_THREAD {
            0 => What::Process,
            _ => What::Thread,
        };
        if what == What::Process {
            self.close_group(time, Pid(child.0), out);
        }
        if !self.concerns(creator) {
            if self.everyone {
                self.strangers.insert(child);
            }
            return;
        }
        self.know(time, creator, None, out);
        let child = match what {
            What::Thread => Task {
                pid: creator.pid,
                tid: child,
            },
            What::Process => Task::leader(Pid(child.0)),
        };
        let birth = Birth {
            // What is not known of the signal does not change that.
            via: match flags & CLONE_VFORK {
                0 => via_of_flags(details.flags, what),
                _ => tidline::model::Via::Vfork,
            },
            what,
            parent: Some(creator),
            child,
            flags: details.flags,
            pc: None,
            inner: None,
            stack: None,
            start: None,
        };
        self.insert(child, None);
        let body = EventBody::Birth(birth);
        out.push(Event { time, body });
    }

    fn ends(&mut self, time: Time, task: Task, group: Option<bool>, out: &mut Vec<Event>) {
        if !self.concerns(task) {
            self.strangers.remove(&task.tid);
            return;
        }
        self.know(time, task, None, out);
        // An older kernel leaves it to us to count.
        let is_last = group.unwrap_or_else(|| self.is_last(task));
        if task.is_leader() && !is_last {
            if let Some(leader) = self.tasks.get_mut(&task.tid) {
                leader.has_ended = true;
            }
            return;
        }
        self.close(time, task.tid, out);
        if is_last {
            self.close_group(time, task.pid, out);
        }
    }

    /// Whether no other task of a process is known to live.
    fn is_last(&self, task: Task) -> bool {
        let leader = self.tasks.get(&Tid(task.pid.0));
        let ended = leader.is_some_and(|leader| leader.has_ended && leader.pid == task.pid);
        let left = self.groups.get(&task.pid).copied().unwrap_or(0);
        left <= 1 + usize::from(ended)
    }

    /// The caller's former TID is another than the leader's, which it has now, where it was another
    /// thread. All others have ended.
    fn executes(&mut self, time: Time, task: Task, former: Tid, file: &Name, out: &mut Vec<Event>) {
        if !self.concerns(task) {
            // A thread of the kernel that becomes a program is one that others can see.
            if !self.everyone {
                return;
            }
            self.strangers.remove(&task.tid);
        }
        let caller = Task {
            tid: former,
            ..task
        };
        let name = self.names.remove(&task.tid);
        let is_leader = former == task.tid;
        self.know(time, caller, name.clone().filter(|_| is_leader), out);
        self.know(time, task, None, out);
        let known = self
            .tasks
            .get(&task.tid)
            .and_then(|known| known.name.clone());
        let name = name.or(known);
        self.remove(former);
        self.remove(task.tid);
        let others = self.tasks.iter().filter(|(_, known)| known.pid == task.pid);
        let mut others: Vec<Tid> = match self.groups.get(&task.pid) {
            None | Some(0) => Vec::new(),
            Some(_) => others.map(|(tid, _)| *tid).collect(),
        };
        others.sort_unstable();
        for other in others {
            self.close(time, other, out);
        }
        self.insert(task, name.clone());
        let body = EventBody::Exec {
            task,
            former_tid: former,
            exe: file.clone(),
            name: name.unwrap_or_default(),
        };
        out.push(Event { time, body });
    }

    fn renames(&mut self, time: Time, by: Task, tid: Tid, name: &Name, out: &mut Vec<Event>) {
        let is_ours = self.everyone || self.concerns(by);
        match self.tasks.get_mut(&tid) {
            Some(known) => {
                known.name = Some(name.clone());
                let task = Task {
                    pid: known.pid,
                    tid,
                };
                let body = EventBody::Rename {
                    task,
                    name: name.clone(),
                };
                out.push(Event { time, body });
            }
            // The leader has ended, and is about to be replaced; or a launched command begins.
            None if is_ours => {
                self.names.insert(tid, name.clone());
            }
            None => {}
        }
    }

    /// A task of ours does something: if it was not known, it is from here on.
    fn know(&mut self, time: Time, task: Task, name: Option<Name>, out: &mut Vec<Event>) {
        if self.tasks.contains_key(&task.tid) {
            return;
        }
        let name = name.or_else(|| self.names.remove(&task.tid));
        let body = EventBody::Existing {
            task,
            parent_pid: None,
            name: name.clone().unwrap_or_default(),
            pc: None,
            inner: None,
        };
        out.push(Event { time, body });
        self.insert(task, name);
    }

    fn insert(&mut self, task: Task, name: Option<Name>) {
        let pid = task.pid;
        let known = Known {
            pid,
            name,
            has_ended: false,
        };
        if self.tasks.insert(task.tid, known).is_none() {
            *self.groups.entry(pid).or_default() += 1;
        }
    }

    fn remove(&mut self, tid: Tid) -> Option<Task> {
        let Known { pid, .. } = self.tasks.remove(&tid)?;
        if let Some(count) = self.groups.get_mut(&pid) {
            *count = count.saturating_sub(1);
        }
        Some(Task { pid, tid })
    }

    /// A task has ended, if it is there.
    fn close(&mut self, time: Time, tid: Tid, out: &mut Vec<Event>) {
        self.names.remove(&tid);
        if let Some(task) = self.remove(tid) {
            let end = End::Unknown;
            let body = EventBody::Exit { task, end };
            out.push(Event { time, body });
        }
    }

    /// A process is no more, and so are those of its tasks whose end nobody has heard of.
    fn close_group(&mut self, time: Time, pid: Pid, out: &mut Vec<Event>) {
        if self.groups.get(&pid).is_some_and(|count| *count > 0) {
            let left = self.tasks.iter().filter(|(_, known)| known.pid == pid);
            let mut left: Vec<Tid> = left.map(|(tid, _)| *tid).collect();
            left.sort_unstable();
            for tid in left {
                self.close(time, tid, out);
            }
        }
        self.groups.remove(&pid);
    }
}
