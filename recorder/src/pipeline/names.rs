//! Thread names, watched without stopping anyone.
//!
//! A newborn has its creator's name: the kernel copies it. The name that a person knows comes
//! later (Rust, Java, Python and C programs name their threads from inside), at no stop of ours.
//! So `/proc/TID/comm` is read soon after the birth, and again ever more rarely. A thread that
//! has ended before its turn costs nothing.
//!
//! The kernel renames a process amid an exec, before the exec is told. So a leader's new name is
//! believed when it was read twice, or when its task ends first; an exec that is told meanwhile
//! has said it all.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use tidline::model::{Event, EventBody, Name, Task, Tid, Time};

/// When a name is looked at again, after the look before, ns. The last one repeats.
const INTERVALS_NS: [u64; 4] = [0, 400_000_000, 4_000_000_000, 60_000_000_000];
/// As after so many looks is the interval before a new name is believed.
const LOOKS_BEFORE_BELIEF: usize = 1;
/// The most looks at a time, so that ten thousand new threads make no burst of work.
const LOOKS_AT_A_TIME: usize = 2_000;

/// Reads a task's name; `None` if it is gone.
pub(super) trait ReadName {
    fn read(&mut self, tid: Tid) -> Option<Name>;
}

impl<F: FnMut(Tid) -> Option<Name>> ReadName for F {
    fn read(&mut self, tid: Tid) -> Option<Name> {
        self(tid)
    }
}

#[derive(Default)]
pub(super) struct Names {
    known: HashMap<Tid, Known>,
    due: BinaryHeap<Reverse<(Time, Tid, u32)>>,
    /// Tells tasks with one TID apart.
    generation: u32,
    /// Every new name is an event: nothing is to be looked at.
    are_told: bool,
}

struct Known {
    task: Task,
    name: Name,
    generation: u32,
    looks: usize,
    /// A name that was read and has not been told.
    seen: Option<Name>,
}

impl Names {
    /// Names that events tell, every one (`are_told`), or that are looked at.
    pub(super) fn new(are_told: bool) -> Self {
        Names {
            are_told,
            ..Names::default()
        }
    }

    /// Follows the events, and fills in the names of tasks that were there before. Whether the
    /// event says anything new: a name that was read again and is the same does not.
    pub(super) fn follow(&mut self, event: &mut Event, read: &mut impl ReadName) -> bool {
        let now = event.time;
        match &mut event.body {
            EventBody::Existing { task, name, .. } => {
                if name.is_empty() {
                    *name = read.read(task.tid).unwrap_or_default();
                }
                self.insert(*task, name.clone(), now, 1);
            }
            EventBody::Birth(birth) => {
                let creator = birth.parent.and_then(|parent| self.known.get(&parent.tid));
                let name = creator.map(|known| known.name.clone()).unwrap_or_default();
                self.insert(birth.child, name, now, 0);
            }
            EventBody::Exec {
                task,
                former_tid,
                name,
                ..
            } => {
                self.known.remove(former_tid);
                self.insert(*task, name.clone(), now, 1);
            }
            EventBody::Rename { task, name } => {
                if self
                    .known
                    .get(&task.tid)
                    .is_some_and(|known| known.name == *name)
                {
                    return false;
                }
                self.insert(*task, name.clone(), now, 1);
            }
            EventBody::Exit { task, .. } | EventBody::Detach { task, .. } => {
                self.known.remove(&task.tid);
            }
            EventBody::CreateFailed { .. }
            | EventBody::SyscallEnter { .. }
            | EventBody::SyscallExit { .. }
            | EventBody::Gap { .. }
            | EventBody::Lost { .. }
            | EventBody::Mark { .. } => {}
        }
        true
    }

    /// Whether a rename that was found is still to be told: not if its task has ended since, or
    /// an event has told its name.
    pub(super) fn concern(&mut self, event: &Event) -> bool {
        let EventBody::Rename { task, name } = &event.body else {
            return false;
        };
        let known = self.known.get_mut(&task.tid);
        let Some(known) = known.filter(|known| known.task == *task) else {
            return false;
        };
        let is_news = known.seen.as_ref() == Some(name);
        if is_news {
            known.seen = None;
            known.name = name.clone();
        }
        is_news
    }

    /// A new name that is not told yet of a task that an event says to have gone.
    pub(super) fn last_rename(&mut self, event: &Event) -> Option<Event> {
        let (EventBody::Exit { task, .. } | EventBody::Detach { task, .. }) = event.body else {
            return None;
        };
        let known = self.known.get_mut(&task.tid)?;
        if known.task != task {
            return None;
        }
        let name = known.seen.take()?;
        let body = EventBody::Rename { task, name };
        Some(Event {
            time: event.time,
            body,
        })
    }

    fn insert(&mut self, task: Task, name: Name, now: Time, looks: usize) {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        self.known.insert(
            task.tid,
            Known {
                task,
                name,
                generation,
                looks,
                seen: None,
            },
        );
        if !self.are_told {
            self.schedule(now, task.tid, generation, looks);
        }
    }

    fn schedule(&mut self, now: Time, tid: Tid, generation: u32, looks: usize) {
        let interval = INTERVALS_NS[looks.min(INTERVALS_NS.len() - 1)];
        self.due
            .push(Reverse((Time(now.0 + interval), tid, generation)));
    }

    /// Looks at the names whose time has come, and gives those that changed.
    pub(super) fn look(&mut self, now: Time, read: &mut impl ReadName, renames: &mut Vec<Event>) {
        for _ in 0..LOOKS_AT_A_TIME {
            let Some(&Reverse((due, tid, generation))) = self.due.peek() else {
                return;
            };
            if due > now {
                return;
            }
            self.due.pop();
            let Some(known) = self.known.get_mut(&tid) else {
                continue;
            };
            if known.generation != generation {
                continue;
            }
            // A task that is gone will be told so by the events.
            let Some(name) = read.read(tid) else { continue };
            known.looks += 1;
            let mut looks = known.looks;
            if name == known.name {
                known.seen = None;
            } else if known.task.is_leader() && known.seen.as_ref() != Some(&name) {
                known.seen = Some(name);
                looks = looks.min(LOOKS_BEFORE_BELIEF);
            } else {
                known.seen = Some(name.clone());
                let body = EventBody::Rename {
                    task: known.task,
                    name,
                };
                renames.push(Event { time: now, body });
            }
            self.schedule(now, tid, generation, looks);
        }
    }

    /// When the next look is due.
    pub(super) fn next(&self) -> Option<Time> {
        self.due.peek().map(|Reverse((due, ..))| *due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidline::model::{Birth, End, Via, What};

    fn birth(time: u64, parent: u32, child: u32) -> Event {
        let body = EventBody::Birth(Birth {
            via: Via::Clone,
            what: What::Thread,
            parent: Some(Task::new(1, parent)),
            child: Task::new(1, child),
            flags: None,
            pc: None,
            inner: None,
            stack: None,
            start: None,
        });
        event(time, body)
    }

    /// Feeds events, looks, and gives what was found to have changed.
    fn run(names: &mut Names, events: &mut [Event], now: u64, comm: &str) -> Vec<(u32, String)> {
        let mut read = |_: Tid| Some(Name::from(comm));
        for event in events {
            names.follow(event, &mut read);
        }
        let mut renames = Vec::new();
        names.look(Time(now), &mut read, &mut renames);
        renames.retain(|rename| names.concern(rename));
        renames.into_iter().map(renamed).collect()
    }

    fn renamed(event: Event) -> (u32, String) {
        match event.body {
            EventBody::Rename { task, name } => (task.tid.0, name.to_string()),
            other => panic!("{other:?}"),
        }
    }

    fn event(time: u64, body: EventBody) -> Event {
        let time = Time(time);
        Event { time, body }
    }

    fn exec(time: u64, pid: u32, name: &str) -> Event {
        let body = EventBody::Exec {
            task: Task::new(pid, pid),
            former_tid: Tid(pid),
            exe: Name::from("/bin/true"),
            name: name.into(),
        };
        event(time, body)
    }

    fn exit(time: u64, task: Task) -> Event {
        let end = End::Code(0);
        event(time, EventBody::Exit { task, end })
    }

    #[test]
    fn existing_tasks_get_their_name_and_newborns_inherit_it() {
        let mut names = Names::default();
        let body = EventBody::Existing {
            task: Task::new(1, 1),
            parent_pid: None,
            name: Name::default(),
            pc: None,
            inner: None,
        };
        let mut first = [Event {
            time: Time(0),
            body,
        }];
        assert_eq!(run(&mut names, &mut first, 1, "main"), []);
        let EventBody::Existing { name, .. } = &first[0].body else {
            panic!()
        };
        assert_eq!(*name, Name::from("main"));
        // The newborn still has its creator's name: nothing to tell. Later it has its own.
        assert_eq!(run(&mut names, &mut [birth(2, 1, 2)], 3, "main"), []);
        let told = run(&mut names, &mut [], 400_000_003, "w-1");
        assert_eq!(told, [(2, "w-1".to_string())]);
        // The leader's is believed when it was read twice.
        let told = run(&mut names, &mut [], 800_000_003, "w-1");
        assert_eq!(told, [(1, "w-1".to_string())]);
        assert_eq!(run(&mut names, &mut [], 800_000_004, "w-2"), []);
    }

    #[test]
    fn a_name_that_comes_of_an_exec_is_no_rename() {
        let mut names = Names::default();
        let mut fork = birth(1, 1, 2);
        if let EventBody::Birth(birth) = &mut fork.body {
            birth.child = Task::new(2, 2);
        }
        // Read before the exec is told,
        assert_eq!(run(&mut names, &mut [fork], 2, "true"), []);
        assert_eq!(
            run(&mut names, &mut [exec(3, 2, "true")], 500_000_000, "true"),
            []
        );
        // or believed, and not told yet.
        let mut read = |_: Tid| Some(Name::from("sleep"));
        let mut renames = Vec::new();
        names.look(Time(5_000_000_000), &mut read, &mut renames);
        names.look(Time(6_000_000_000), &mut read, &mut renames);
        assert_eq!(renames.len(), 1);
        names.follow(&mut exec(4_000_000_000, 2, "sleep"), &mut read);
        renames.retain(|rename| names.concern(rename));
        assert_eq!(renames, []);
    }

    #[test]
    fn a_new_name_is_told_before_the_end() {
        for task in [Task::new(1, 2), Task::new(2, 2)] {
            let mut names = Names::default();
            let mut born = birth(1, 1, 2);
            if let EventBody::Birth(birth) = &mut born.body {
                birth.child = task;
            }
            let mut read = |_: Tid| Some(Name::from("new"));
            names.follow(&mut born, &mut read);
            let mut renames = Vec::new();
            names.look(Time(4), &mut read, &mut renames);
            let mut exit = exit(3, task);
            let told = names.last_rename(&exit).map(renamed);
            assert_eq!(told, Some((2, "new".to_string())));
            names.follow(&mut exit, &mut read);
            // What was found and comes after it says nothing more.
            assert_eq!(renames.len(), usize::from(!task.is_leader()));
            renames.retain(|rename| names.concern(rename));
            assert_eq!(renames, []);
        }
    }

    #[test]
    fn a_name_read_again_is_news_only_if_it_changed() {
        let mut names = Names::default();
        let mut read = |_: Tid| None;
        names.follow(&mut birth(1, 1, 2), &mut read);
        let mut rename = |name: &str| {
            let (task, name) = (Task::new(1, 2), Name::from(name));
            let body = EventBody::Rename { task, name };
            names.follow(
                &mut Event {
                    time: Time(2),
                    body,
                },
                &mut read,
            )
        };
        assert_eq!([rename("a"), rename("a"), rename("b")], [true, false, true]);
    }

    #[test]
    fn a_task_that_ended_is_not_looked_at_and_neither_is_its_name_given_to_the_next() {
        let mut names = Names::default();
        let ended = exit(2, Task::new(1, 2));
        let mut events = [birth(1, 1, 2), ended, birth(3, 1, 2)];
        assert_eq!(
            run(&mut names, &mut events, 4, "new"),
            [(2, "new".to_string())]
        );
        assert_eq!(names.due.len(), 1);
    }
}
