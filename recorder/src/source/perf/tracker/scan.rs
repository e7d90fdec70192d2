//! What a look at `/proc` found, held against what happened meanwhile.
//!
//! A look takes its time, and what it found may have been born, or have ended, during it. What was
//! seen to happen from the look's beginning on decides: a task whose birth is among that was not there
//! before, and is told by its birth; any other was, and existed when it was seen, or when it was first
//! heard of.
//!
//! ```text
//!              look begins                      look ends
//!   A  ─────────────┼────── seen ───────────────────┼───►   existing, when it was seen
//!   B  ─────────────┼──── ends       ○ seen         ┼       existing before its end (a zombie is seen)
//!   C               ┼   born ─────── seen ──────────┼───►   its birth
//!   D  ──── (its end was lost)                      ┼       known before, not there: it has ended
//! ```

use std::collections::{HashMap, HashSet};

use tidline::model::{Event, EventBody, Name, Pid, Task, Tid, Time};

use super::Tracker;
use crate::source::perf::fact::{Fact, Saw};

/// A task that was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// When it was looked at, at the latest.
    pub(crate) seen: Time,
    pub(crate) task: Task,
    /// Its process's parent, if it leads one.
    pub(crate) parent_pid: Option<Pid>,
    pub(crate) name: Name,
    pub(crate) inner: Option<Tid>,
}

/// One look at `/proc`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scan {
    pub(crate) begin: Time,
    pub(crate) end: Time,
    /// Tasks of processes that are to be recorded.
    pub(crate) listed: Vec<Listed>,
    /// Tasks of these that were about to end: that is told, if it was not yet.
    pub(crate) ending: HashSet<Task>,
    /// The processes whose tasks were all listed.
    pub(crate) pids: HashSet<Pid>,
    /// Tasks that are there and not to be recorded, where everyone is.
    pub(crate) strangers: Vec<Tid>,
}

impl Tracker {
    /// Takes up a look. `meanwhile` is what happened from its beginning to its end and was not given to
    /// [`Tracker::step`], in order; it is to be given afterwards, each with what is returned for it:
    /// events that come before it.
    ///
    /// Tasks that are known and were not there have ended before the look began.
    pub(crate) fn take_up(
        &mut self,
        scan: &Scan,
        meanwhile: &[Fact],
        out: &mut Vec<Event>,
    ) -> Vec<Event> {
        let first = first_words(meanwhile);
        let is_new = |tid: &Tid| first.get(tid).is_some_and(|first| first.is_birth);
        let living = scan.listed.iter().map(|listed| listed.task);
        let there: HashSet<Task> = living.chain(scan.ending.iter().copied()).collect();
        let processes: HashSet<Pid> = there.iter().map(|task| task.pid).collect();
        let tids: HashSet<Tid> = there.iter().map(|task| task.tid).collect();
        let executing = self.executing(scan, meanwhile);
        let is_gone = |tid: &Tid| !tids.contains(tid) && !first.contains_key(tid) || is_new(tid);
        let known = self.tasks.iter();
        let mut gone: Vec<Tid> = known
            .filter(|(tid, known)| scan.pids.contains(&known.pid) && is_gone(tid))
            .filter(|(_, known)| !(known.has_ended && processes.contains(&known.pid)))
            .filter(|(_, known)| !executing.contains(&known.pid))
            .map(|(tid, _)| *tid)
            .collect();
        gone.sort_unstable();
        for tid in gone {
            self.close(scan.begin, tid, out);
        }
        // A process that has lost all its tasks is no more. (One that is there has them listed.)
        for pid in scan.pids.iter().filter(|pid| !processes.contains(pid)) {
            if self.groups.get(pid) == Some(&0) {
                self.groups.remove(pid);
            }
        }
        for tid in &scan.strangers {
            if !is_new(tid) {
                self.leave_out(*tid);
            }
        }
        let mut existing = Vec::new();
        for listed in &scan.listed {
            let task = listed.task;
            // Its process was there before the look, unless that is a new one with an old one's TID. All that is
            // listed of it may be a thread that was born meanwhile, and ends the leader to execute a program.
            if !is_new(&Tid(task.pid.0)) {
                self.track(task.pid);
            }
            if is_new(&task.tid) {
                continue;
            }
            if self.tasks.contains_key(&task.tid) || !self.tracks(task.pid) {
                continue;
            }
            let time = first
                .get(&task.tid)
                .map_or(listed.seen, |first| listed.seen.min(first.time));
            self.insert(task, Some(listed.name.clone()));
            let body = EventBody::Existing {
                task,
                parent_pid: listed.parent_pid,
                name: listed.name.clone(),
                pc: None,
                inner: listed.inner,
            };
            existing.push(Event { time, body });
        }
        // A creator stands before what it made, as far as times let it.
        existing.sort_by_key(|event| event.time);
        existing
    }
}

impl Tracker {
    /// Processes whose leader has ended and lives: another thread, whose TID is gone, has taken its place to
    /// execute a program, and that is about to be told.
    fn executing(&self, scan: &Scan, meanwhile: &[Fact]) -> HashSet<Pid> {
        let ended = meanwhile.iter().filter_map(|fact| match fact.what {
            Saw::Ends { .. } => Some(fact.task.tid),
            _ => None,
        });
        let ended: HashSet<Tid> = ended.collect();
        let living = scan.listed.iter().map(|listed| listed.task);
        let leaders = living.filter(|task| task.is_leader());
        let has_ended = |task: &Task| {
            let known = self.tasks.get(&task.tid);
            ended.contains(&task.tid) || known.is_some_and(|known| known.has_ended)
        };
        leaders.filter(has_ended).map(|task| task.pid).collect()
    }
}

struct First {
    time: Time,
    is_birth: bool,
}

/// The first that was heard of each task.
fn first_words(facts: &[Fact]) -> HashMap<Tid, First> {
    let mut first = HashMap::new();
    for fact in facts {
        let mut hear = |tid: Tid, is_birth| {
            let time = fact.time;
            first.entry(tid).or_insert(First { time, is_birth });
        };
        match &fact.what {
            // It was another thread until then, which took the leader's place.
            Saw::Executes { former, .. } => {
                hear(*former, false);
                hear(fact.task.tid, false);
            }
            Saw::Renames { tid, .. } => {
                hear(*tid, false);
                hear(fact.task.tid, false);
            }
            _ => hear(fact.task.tid, false),
        }
        if let Saw::Made { child, .. } = fact.what {
            hear(child, true);
        }
    }
    first
}
