//! Which tasks are kept, by name: `--include` and `--exclude`.
//!
//! All tasks are traced: only so is it seen when one that is left out makes another that is not, or
//! takes another name. What is left out here is left out of the file, and counted.
//!
//! A name may change, and with it whether its task is kept:
//!
//! ```text
//!   born "main", left out ──► renamed "worker": EXISTING "main", RENAME "worker" … ──► its end
//!   born "worker", kept   ──► renamed "gc":     RENAME "gc", DETACH (left out by its name)
//! ```
//!
//! A leader's name counts for all its threads, so its new name may do this to each of them.

use std::collections::HashMap;

use glob::Pattern;
use tidline::model::{Birth, DetachReason, Event, EventBody, Name, Pid, Task, Tid, Time, What};

/// What `--include` and `--exclude` ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Globs {
    /// A task is kept if one of these matches, or if there are none,
    pub(crate) include: Vec<Pattern>,
    /// and none of these does.
    pub(crate) exclude: Vec<Pattern>,
}

impl Globs {
    fn keep(&self, own: &Name, leaders: Option<&Name>) -> bool {
        let names = [Some(own), leaders];
        let names = names.map(|name| name.map(|name| String::from_utf8_lossy(name.as_bytes())));
        let matches = |pattern: &Pattern| names.iter().flatten().any(|name| pattern.matches(name));
        let included = self.include.is_empty() || self.include.iter().any(matches);
        included && !self.exclude.iter().any(matches)
    }
}

/// Knows the name of every task, and passes on the events of those that are kept.
pub(super) struct Choose {
    globs: Globs,
    known: HashMap<Tid, Known>,
    /// Reads a task's name: a thread that is attached may be told of before its leader.
    read: fn(Tid) -> Option<Name>,
    /// Names of such leaders, until they are told of.
    leaders: HashMap<Pid, Name>,
    left_out: u64,
    live: usize,
}

struct Known {
    task: Task,
    name: Name,
    kept: bool,
    /// Left out, but the file names it: it made one that is kept.
    mentioned: bool,
    parent: Option<Pid>,
    inner: Option<Tid>,
}

impl Choose {
    /// `None` where everything is kept.
    pub(super) fn new(globs: Globs, read: fn(Tid) -> Option<Name>) -> Option<Self> {
        let any = !globs.include.is_empty() || !globs.exclude.is_empty();
        any.then(|| Choose {
            globs,
            known: HashMap::new(),
            read,
            leaders: HashMap::new(),
            left_out: 0,
            live: 0,
        })
    }

    /// Events that were left out so far.
    pub(super) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// How many tasks that are kept live.
    #[cfg(test)]
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// What the file gets for an event, in order.
    pub(super) fn pass(&mut self, event: Event, out: &mut Vec<Event>) {
        match &event.body {
            EventBody::Existing {
                task,
                parent_pid,
                name,
                inner,
                ..
            } => {
                self.know_leader(*task);
                let (time, task, name) = (event.time, *task, name.clone());
                let read = match task.is_leader() {
                    true => self.leaders.remove(&task.pid),
                    false => None,
                };
                let is_renamed = read.is_some_and(|read| read != name);
                let kept = self.insert(task, name, *parent_pid, *inner);
                self.put(event, kept, out);
                if is_renamed {
                    self.rejudge_threads(time, task.pid, out);
                }
            }
            EventBody::Birth(birth) => {
                let kept = self.birth(birth);
                if let (true, Some(parent)) = (kept, birth.parent) {
                    self.mention(parent);
                }
                self.put(event, kept, out);
            }
            EventBody::Exec {
                task,
                former_tid,
                name,
                ..
            } => {
                let (task, former, name) = (*task, *former_tid, name.clone());
                self.exec(event, task, former, name, out);
            }
            EventBody::Rename { task, name } => {
                let (task, name) = (*task, name.clone());
                self.rename(event, task, name, out);
            }
            EventBody::Exit { task, .. } | EventBody::Detach { task, .. } => {
                // One that the file names must not seem to live on.
                let told = self.is_kept(*task) || self.is_mentioned(*task);
                self.remove(task.tid);
                self.put(event, told, out);
            }
            EventBody::CreateFailed { task, .. }
            | EventBody::SyscallEnter { task, .. }
            | EventBody::SyscallExit { task, .. } => {
                let kept = self.is_kept(*task);
                self.put(event, kept, out);
            }
            EventBody::Gap { .. } | EventBody::Lost { .. } | EventBody::Mark { .. } => {
                out.push(event);
            }
        }
    }

    fn put(&mut self, event: Event, kept: bool, out: &mut Vec<Event>) {
        if kept {
            out.push(event);
        } else {
            self.left_out += 1;
        }
    }

    fn known(&self, task: Task) -> Option<&Known> {
        self.known.get(&task.tid).filter(|known| known.task == task)
    }

    /// One whose birth was lost is judged like one without a name.
    fn is_kept(&self, task: Task) -> bool {
        match self.known(task) {
            Some(known) => known.kept,
            None => self.judge(task, &Name::default()),
        }
    }

    fn is_mentioned(&self, task: Task) -> bool {
        self.known(task).is_some_and(|known| known.mentioned)
    }

    fn judge(&self, task: Task, name: &Name) -> bool {
        let leader = self.known(Task::leader(task.pid));
        let leaders = leader.map(|leader| &leader.name);
        let leaders = leaders.or(self.leaders.get(&task.pid));
        self.globs.keep(name, leaders.filter(|_| !task.is_leader()))
    }

    /// Reads the name of a leader of whom nothing was told before its thread.
    fn know_leader(&mut self, thread: Task) {
        let leader = Task::leader(thread.pid);
        if thread != leader
            && self.known(leader).is_none()
            && !self.leaders.contains_key(&thread.pid)
            && let Some(name) = (self.read)(leader.tid)
        {
            self.leaders.insert(thread.pid, name);
        }
    }

    /// Takes a task up, and gives whether it is kept.
    fn insert(&mut self, task: Task, name: Name, parent: Option<Pid>, inner: Option<Tid>) -> bool {
        self.remove(task.tid);
        let kept = self.judge(task, &name);
        self.live += usize::from(kept);
        let known = Known {
            task,
            name,
            kept,
            mentioned: false,
            parent,
            inner,
        };
        self.known.insert(task.tid, known);
        kept
    }

    fn remove(&mut self, tid: Tid) {
        if let Some(known) = self.known.remove(&tid) {
            self.live -= usize::from(known.kept);
        }
    }

    /// A newborn has its creator's name: the kernel copies it.
    fn birth(&mut self, birth: &Birth) -> bool {
        const CLONE_PARENT: u64 = 0x8000;
        let creator = birth.parent.and_then(|parent| self.known(parent));
        let name = creator.map(|known| known.name.clone()).unwrap_or_default();
        let is_parent = birth.what == What::Process
            && birth.flags.is_some_and(|flags| flags & CLONE_PARENT == 0);
        let parent = birth.parent.filter(|_| is_parent).map(|task| task.pid);
        self.insert(birth.child, name, parent, birth.inner)
    }

    /// A creator that is left out is named by the birth of one that is kept.
    fn mention(&mut self, creator: Task) {
        if let Some(known) = self.known.get_mut(&creator.tid)
            && known.task == creator
            && !known.kept
        {
            known.mentioned = true;
        }
    }

    fn exec(&mut self, event: Event, task: Task, former: Tid, name: Name, out: &mut Vec<Event>) {
        let time = event.time;
        let caller = Task {
            tid: former,
            ..task
        };
        let caller_told = former != task.tid && (self.is_kept(caller) || self.is_mentioned(caller));
        if former != task.tid {
            self.remove(former);
        }
        let before = self.is_kept(task);
        if self.known(task).is_none() {
            // The leader had ended, and lives again. (Its caller's record says so in the file.)
            self.insert(task, name.clone(), None, None);
        }
        let name = if name.is_empty() {
            self.name_of(task)
        } else {
            name
        };
        let after = self.judge(task, &name);
        match (before, after) {
            (true, _) => out.push(event),
            (false, true) => {
                self.bring_in(time, task, out);
                out.push(event);
            }
            (false, false) => {
                self.left_out += 1;
                if caller_told {
                    out.push(left_out(time, caller));
                }
            }
        }
        self.settle(time, task, name, after, before, out);
    }

    fn rename(&mut self, event: Event, task: Task, name: Name, out: &mut Vec<Event>) {
        let time = event.time;
        let before = self.is_kept(task);
        if self.known(task).is_none() {
            self.insert(task, Name::default(), None, None);
        }
        let after = self.judge(task, &name);
        if after && !before {
            self.bring_in(time, task, out);
        }
        self.put(event, before || after, out);
        self.settle(time, task, name.clone(), after, before, out);
        if task.is_leader() {
            self.rejudge_threads(time, task.pid, out);
        }
    }

    fn name_of(&self, task: Task) -> Name {
        let known = self.known(task);
        known.map(|known| known.name.clone()).unwrap_or_default()
    }

    /// A task has a new name, and with it is kept from here on, or not.
    fn settle(
        &mut self,
        time: Time,
        task: Task,
        name: Name,
        after: bool,
        before: bool,
        out: &mut Vec<Event>,
    ) {
        if before && !after {
            out.push(left_out(time, task));
        }
        if let Some(known) = self.known.get_mut(&task.tid) {
            self.live = self.live + usize::from(after) - usize::from(known.kept);
            known.name = name;
            known.kept = after;
        }
    }

    /// The leader's name counts for all threads of its process.
    fn rejudge_threads(&mut self, time: Time, pid: Pid, out: &mut Vec<Event>) {
        let threads = self.known.values().map(|known| known.task);
        let mut threads: Vec<Task> = threads
            .filter(|task| task.pid == pid && !task.is_leader())
            .collect();
        threads.sort_unstable();
        for task in threads {
            let (name, before) = (self.name_of(task), self.is_kept(task));
            let after = self.judge(task, &name);
            if after && !before {
                self.bring_in(time, task, out);
            }
            self.settle(time, task, name, after, before, out);
        }
    }

    /// Tells of a task that was left out until now.
    fn bring_in(&mut self, time: Time, task: Task, out: &mut Vec<Event>) {
        let Some(known) = self.known.get_mut(&task.tid) else {
            return;
        };
        if std::mem::take(&mut known.mentioned) {
            out.push(left_out(time, task)); // What was known of it until now ends here.
        }
        let body = EventBody::Existing {
            task,
            parent_pid: known.parent.filter(|_| task.is_leader()),
            name: known.name.clone(),
            pc: None,
            inner: known.inner,
        };
        out.push(Event { time, body });
    }
}

fn left_out(time: Time, task: Task) -> Event {
    let reason = DetachReason::LeftOut;
    let body = EventBody::Detach { task, reason };
    Event { time, body }
}

#[cfg(test)]
mod tests;
