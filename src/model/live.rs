//! What is alive at one moment: a trace's past, in as few words as what follows it needs.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::event::{Birth, Event, EventBody};
use super::ids::{Name, Pid, Task, Tid, Time};
use super::stack::{FrameId, StackId};
use super::task::{Ended, Origin};
use super::totals::{Tally, Totals, add};

/// A task as a checkpoint carries it on, from a past that need not be at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// Its pid and TID.
    pub task: Task,
    /// Its TID as it knows itself; see [`Birth::inner`].
    pub inner: Option<Tid>,
    /// How the trace came to know of it.
    pub origin: Origin,
    /// Its creator's call stack; see [`Birth::stack`].
    pub stack: Option<StackId>,
    /// The function that it began with; see [`Birth::start`].
    pub start: Option<FrameId>,
    /// Who made it: the place of an earlier task in the same checkpoint.
    pub parent: Option<usize>,
    /// Of one that lives its creator's name when it was made, where that has another in this checkpoint.
    pub creator_name: Option<Name>,
    /// When it was made, or first seen.
    pub born: Time,
    /// Its last name.
    pub name: Name,
    /// The last executable that it became by exec.
    pub exe: Option<Name>,
    /// When and how it ended, for one that is carried on only because a child of it lives.
    pub ended: Option<(Time, Ended)>,
}

/// Follows events, and knows at any moment who lives, and who made them.
///
/// It reads contradictory events as [`TraceBuilder`](super::TraceBuilder) does. Its memory grows
/// with the number of tasks that live, not with that of events: of those that ended it keeps the
/// creators of those that live, and not the creators' creators.
#[derive(Clone, Debug, Default)]
pub struct Live {
    now: Time,
    next: u64,
    /// By serial number, so in order of birth.
    tasks: BTreeMap<u64, Entry>,
    alive: HashMap<Tid, u64>,
    groups: HashMap<Pid, HashSet<Tid>>,
    totals: Totals,
    /// Stacks that events have, and those of them that no tally told of yet.
    stacks: HashSet<StackId>,
    untold: Vec<StackId>,
    /// Tasks that have children and got another name at `now`.
    renamed: HashSet<u64>,
}

#[derive(Clone, Debug)]
struct Entry {
    task: Task,
    inner: Option<Tid>,
    origin: Origin,
    stack: Option<StackId>,
    start: Option<FrameId>,
    parent: Option<u64>,
    /// The creator's name at the end of the moment `born`; empty without a creator.
    creator_name: Name,
    born: Time,
    name: Name,
    exe: Option<Name>,
    ended: Option<(Time, Ended)>,
    /// How many of its children live.
    children: u32,
}

impl Live {
    /// How many tasks live.
    #[must_use]
    pub fn len(&self) -> usize {
        self.alive.len()
    }

    /// Whether none lives.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.alive.is_empty()
    }

    /// The latest time of an event so far.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// Notes that nothing that comes happened before this.
    pub fn reached(&mut self, time: Time) {
        if time > self.now {
            self.settle_names();
            self.now = time;
        }
    }

    /// What there was so far. After [`Live::restored`] it is what came since.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// What there was so far, for a checkpoint. Of stacks it tells once.
    pub fn tally(&mut self) -> Tally {
        Tally {
            totals: self.totals.clone(),
            stacks: std::mem::take(&mut self.untold),
            tells_creators: true,
        }
    }

    /// Goes on counting from what there was up to a checkpoint; these stacks are known.
    pub fn count_on(&mut self, totals: Totals, stacks: HashSet<StackId>) {
        (self.totals, self.stacks) = (totals, stacks);
    }

    /// The stacks that events have.
    #[must_use]
    pub fn stacks(&self) -> &HashSet<StackId> {
        &self.stacks
    }

    /// The live task of a TID.
    #[must_use]
    pub fn task(&self, tid: Tid) -> Option<Task> {
        let serial = self.alive.get(&tid)?;
        Some(self.tasks.get(serial)?.task)
    }

    /// The name of a live task.
    #[must_use]
    pub fn name(&self, tid: Tid) -> Option<&Name> {
        let serial = self.alive.get(&tid)?;
        Some(&self.tasks.get(serial)?.name)
    }

    /// The state that a checkpoint carries.
    #[must_use]
    pub fn restored(checkpoint: &[Carried], now: Time) -> Self {
        let mut live = Live {
            now,
            ..Live::default()
        };
        for carried in checkpoint {
            // Places become serial numbers.
            let (serial, parent) = (live.next, carried.parent.map(|place| place as u64));
            live.next += 1;
            let creator = parent.and_then(|parent| live.tasks.get(&parent));
            let now = creator.map(|creator| &creator.name);
            let creator_name = carried.creator_name.as_ref().or(now).cloned();
            if carried.ended.is_none() {
                live.enter(carried.task, serial);
                if let Some(parent) = parent.and_then(|parent| live.tasks.get_mut(&parent)) {
                    parent.children += 1;
                }
            }
            let entry = Entry {
                task: carried.task,
                inner: carried.inner,
                origin: carried.origin,
                stack: carried.stack,
                start: carried.start,
                parent,
                creator_name: creator_name.unwrap_or_default(),
                born: carried.born,
                name: carried.name.clone(),
                exe: carried.exe.clone(),
                ended: carried.ended,
                children: 0,
            };
            live.tasks.insert(serial, entry);
        }
        live
    }

    /// Who lives, and their creators, in order of birth.
    #[must_use]
    pub fn checkpoint(&self) -> Vec<Carried> {
        let places: HashMap<u64, usize> = self
            .tasks
            .keys()
            .enumerate()
            .map(|(place, serial)| (*serial, place))
            .collect();
        let carried = self.tasks.values().map(|entry| Carried {
            task: entry.task,
            inner: entry.inner,
            origin: entry.origin,
            stack: entry.stack,
            start: entry.start,
            parent: entry.parent.and_then(|parent| places.get(&parent)).copied(),
            creator_name: self.creator_name(entry).cloned(),
            born: entry.born,
            name: entry.name.clone(),
            exe: entry.exe.clone(),
            ended: entry.ended,
        });
        carried.collect()
    }

    /// The name of a living task's creator when it was made, if that is known and has another now.
    fn creator_name<'a>(&'a self, entry: &'a Entry) -> Option<&'a Name> {
        let creator = self.tasks.get(&entry.parent?)?;
        let is_of_now = entry.born == self.now && self.renamed.contains(&entry.parent?);
        let differs = !is_of_now && creator.name != entry.creator_name;
        (differs && entry.ended.is_none()).then_some(&entry.creator_name)
    }

    /// A moment is over. The names that creators have then are those that they had in it.
    fn settle_names(&mut self) {
        if self.renamed.is_empty() {
            return;
        }
        let names: HashMap<u64, Name> = self
            .renamed
            .drain()
            .filter_map(|serial| Some((serial, self.tasks.get(&serial)?.name.clone())))
            .collect();
        let made = self.tasks.values_mut().rev();
        for task in made.take_while(|task| task.born == self.now) {
            if let Some(name) = task.parent.and_then(|parent| names.get(&parent)) {
                task.creator_name = name.clone();
            }
        }
    }

    /// Follows the next event.
    pub fn follow(&mut self, event: &Event) {
        self.reached(event.time);
        if let Some(stack) = self.totals.count(event)
            && self.stacks.insert(stack)
        {
            self.untold.push(stack);
        }
        match &event.body {
            EventBody::Existing {
                task,
                parent_pid,
                name,
                inner,
                ..
            } => {
                let parent = parent_pid.and_then(|pid| self.serial(Task::leader(pid)));
                let serial = self.insert(*task, parent, Origin::Existing, self.now, name.clone());
                self.set_inner(serial, *inner);
            }
            EventBody::Birth(birth) => self.birth(birth),
            EventBody::Exec {
                task,
                former_tid,
                exe,
                name,
            } => self.exec(*task, *former_tid, exe, name),
            EventBody::Exit { task, end } => self.end(*task, Ended::Exit(*end)),
            EventBody::Detach { task, reason } => self.end(*task, Ended::Detached(*reason)),
            EventBody::Rename { task, name } => {
                let serial = self.serial_or_inferred(*task);
                self.rename(serial, name);
            }
            EventBody::CreateFailed { task, .. }
            | EventBody::SyscallEnter { task, .. }
            | EventBody::SyscallExit { task, .. } => {
                self.serial_or_inferred(*task);
            }
            EventBody::Gap { .. } | EventBody::Lost { .. } | EventBody::Mark { .. } => {}
        }
    }

    fn birth(&mut self, birth: &Birth) {
        let parent = birth.parent.map(|task| self.serial_or_inferred(task));
        let name = parent.and_then(|serial| self.tasks.get(&serial));
        let name = name.map(|entry| entry.name.clone()).unwrap_or_default();
        let serial = self.insert(birth.child, parent, Origin::Birth, self.now, name);
        self.set_inner(serial, birth.inner);
        if let Some(entry) = self.tasks.get_mut(&serial) {
            (entry.stack, entry.start) = (birth.stack, birth.start);
        }
    }

    fn exec(&mut self, task: Task, former: Tid, exe: &Name, name: &Name) {
        let caller = Task {
            tid: former,
            ..task
        };
        let caller = self.serial(caller).filter(|_| former != task.tid);
        // They never live at the same time.
        if caller.is_some() {
            self.leave(Task {
                tid: former,
                ..task
            });
        }
        // The leader may have ended; the caller's end must not take away who made the new one.
        let leader = self.serial(task).unwrap_or_else(|| {
            self.insert(task, caller, Origin::Inferred, self.now, Name::default())
        });
        if let Some(serial) = caller {
            self.close(serial, self.now, Ended::BecameLeader);
        }
        let others = self.groups.get(&task.pid).cloned().unwrap_or_default();
        for tid in others {
            let other = Task { tid, ..task };
            if tid != task.tid
                && let Some(serial) = self.serial(other)
            {
                self.close(serial, self.now, Ended::Missing);
            }
        }
        if !name.is_empty() {
            self.rename(leader, name);
        }
        if let Some(entry) = self.tasks.get_mut(&leader) {
            entry.exe = Some(exe.clone());
        }
    }

    fn rename(&mut self, serial: u64, name: &Name) {
        if let Some(entry) = self.tasks.get_mut(&serial) {
            entry.name = name.clone();
            if entry.children > 0 {
                self.renamed.insert(serial);
            }
        }
    }

    fn end(&mut self, task: Task, how: Ended) {
        let serial = self.serial_or_inferred(task);
        self.close(serial, self.now, how);
    }

    fn set_inner(&mut self, serial: u64, inner: Option<Tid>) {
        if let Some(entry) = self.tasks.get_mut(&serial) {
            entry.inner = inner;
        }
    }

    fn serial(&self, task: Task) -> Option<u64> {
        let serial = *self.alive.get(&task.tid)?;
        (self.tasks.get(&serial)?.task == task).then_some(serial)
    }

    fn serial_or_inferred(&mut self, task: Task) -> u64 {
        self.serial(task)
            .unwrap_or_else(|| self.insert(task, None, Origin::Inferred, self.now, Name::default()))
    }

    fn insert(
        &mut self,
        task: Task,
        parent: Option<u64>,
        origin: Origin,
        born: Time,
        name: Name,
    ) -> u64 {
        let serial = self.next;
        self.next += 1;
        let mut creator_name = Name::default();
        if let Some(parent) = parent.and_then(|parent| self.tasks.get_mut(&parent)) {
            parent.children += 1;
            creator_name = parent.name.clone();
        }
        // It may be the creator, which its child needs: so only now.
        if let Some(&former) = self.alive.get(&task.tid) {
            self.close(former, born, Ended::Missing);
        }
        match origin {
            Origin::Existing => add(&mut self.totals.existing, 1),
            Origin::Inferred => add(&mut self.totals.inferred, 1),
            Origin::Birth => {} // Counted with its event.
        }
        self.tasks.insert(
            serial,
            Entry {
                task,
                inner: None,
                origin,
                stack: None,
                start: None,
                parent,
                creator_name,
                born,
                name,
                exe: None,
                ended: None,
                children: 0,
            },
        );
        self.enter(task, serial);
        self.totals.peak_alive = self.totals.peak_alive.max(self.alive.len() as u64);
        serial
    }

    fn enter(&mut self, task: Task, serial: u64) {
        self.alive.insert(task.tid, serial);
        self.groups.entry(task.pid).or_default().insert(task.tid);
    }

    /// A live task is no more.
    fn leave(&mut self, task: Task) {
        self.alive.remove(&task.tid);
        if let Some(group) = self.groups.get_mut(&task.pid) {
            group.remove(&task.tid);
            if group.is_empty() {
                self.groups.remove(&task.pid);
            }
        }
    }

    fn close(&mut self, serial: u64, time: Time, how: Ended) {
        let Some(entry) = self.tasks.get_mut(&serial) else {
            return;
        };
        entry.ended = Some((time, how));
        let (task, parent, children) = (entry.task, entry.parent, entry.children);
        match how {
            Ended::Exit(_) => add(&mut self.totals.exited, 1),
            Ended::Detached(_) => add(&mut self.totals.let_go, 1),
            Ended::Missing => add(&mut self.totals.end_missing, 1),
            Ended::BecameLeader => add(&mut self.totals.became_leader, 1),
            Ended::Alive => {}
        }
        if self.alive.get(&task.tid) == Some(&serial) {
            self.leave(task);
        }
        if children == 0 {
            self.tasks.remove(&serial);
        }
        if let Some(number) = parent
            && let Some(parent) = self.tasks.get_mut(&number)
        {
            parent.children = parent.children.saturating_sub(1);
            if parent.children == 0 && parent.ended.is_some() {
                self.tasks.remove(&number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{End, Ending, Integrity, Trace, TraceBuilder};
    use proptest::prelude::*;

    /// The live tasks of a trace, with all that a checkpoint carries of them.
    fn alive(trace: &Trace) -> Vec<impl Ord + std::fmt::Debug + use<>> {
        let live = trace.tasks().iter().filter(|task| task.ended.is_none());
        let mut live: Vec<_> = live
            .map(|task| {
                let parent = task.parent.map(|parent| trace.task(parent));
                let parent = parent.map(|parent| (parent.task, parent.born));
                let name = task.name().clone();
                let stacked = (task.stack, task.start);
                (
                    (task.task, task.born, task.origin, name),
                    (task.inner, parent, stacked),
                )
            })
            .collect();
        live.sort();
        live
    }

    /// What a whole trace has, by its events and its tasks.
    fn counted(trace: &Trace) -> Totals {
        let mut totals = Totals {
            peak_alive: trace.peak_alive() as u64,
            ..Totals::default()
        };
        for event in trace.events() {
            totals.count(event);
        }
        for task in trace.tasks() {
            match task.origin {
                Origin::Existing => totals.existing += 1,
                Origin::Inferred => totals.inferred += 1,
                Origin::Birth => {}
            }
            match task.how {
                Ended::Exit(_) => totals.exited += 1,
                Ended::Detached(_) => totals.let_go += 1,
                Ended::Missing => totals.end_missing += 1,
                Ended::BecameLeader => totals.became_leader += 1,
                Ended::Alive => {}
            }
        }
        assert_eq!(totals.tasks(), trace.tasks().len() as u64);
        let alive = trace.tasks().iter().filter(|task| task.ended.is_none());
        assert_eq!(totals.alive(), alive.count() as u64);
        totals
    }

    /// What the creators of a checkpoint's living tasks were called when they made them.
    fn creators(checkpoint: &[Carried]) -> Vec<(Task, Name)> {
        let live = checkpoint.iter().filter(|task| task.ended.is_none());
        let named = live.filter_map(|task| {
            let now = &checkpoint[task.parent?].name;
            Some((task.task, task.creator_name.as_ref().unwrap_or(now).clone()))
        });
        named.collect()
    }

    /// The same, of a trace whose tasks all had names at once.
    fn creators_of(trace: &Trace) -> Vec<(Task, Name)> {
        let live = trace.tasks().iter().filter(|task| task.ended.is_none());
        let named = live.filter_map(|task| {
            let parent = trace.task(task.parent?);
            Some((task.task, parent.name_at(task.born).clone()))
        });
        named.collect()
    }

    fn built(checkpoint: Option<(&[Carried], Time)>, events: &[Event]) -> Trace {
        let mut builder = TraceBuilder::new(crate::format::Header::default());
        if let Some((checkpoint, now)) = checkpoint {
            builder.restore(checkpoint, now);
        }
        for event in events {
            builder.push(event.clone());
        }
        builder.finish(Integrity::new(Ending::CutShort))
    }

    /// Few ids, so that they meet again and contradict each other.
    fn event() -> impl Strategy<Value = EventBody> {
        let task = || (1..4u32, 0..3u32).prop_map(|(pid, more)| Task::new(pid, pid + 10 * more));
        let name = || (0..4u8).prop_map(|letter| Name::from(&[b'a' + letter][..]));
        let inner = || proptest::option::of((1..9u32).prop_map(Tid));
        let stacked = (
            proptest::option::of((0..4u32).prop_map(StackId)),
            proptest::option::of((0..4u32).prop_map(FrameId)),
        );
        prop_oneof![
            (task(), proptest::option::of(1..4u32), name(), inner()).prop_map(
                |(task, parent, name, inner)| EventBody::Existing {
                    task,
                    parent_pid: parent.map(Pid),
                    name,
                    pc: None,
                    inner,
                }
            ),
            (proptest::option::of(task()), task(), inner(), stacked).prop_map(
                |(parent, child, inner, (stack, start))| {
                    EventBody::Birth(Birth {
                        via: crate::model::Via::Clone,
                        what: crate::model::What::Thread,
                        parent,
                        child,
                        flags: None,
                        pc: None,
                        inner,
                        stack,
                        start,
                    })
                }
            ),
            (1..4u32, 0..3u32, name(), name()).prop_map(|(pid, more, exe, name)| {
                EventBody::Exec {
                    task: Task::leader(Pid(pid)),
                    former_tid: Tid(pid + 10 * more),
                    exe,
                    name,
                }
            }),
            task().prop_map(|task| EventBody::Exit {
                task,
                end: End::Code(0)
            }),
            (task(), name()).prop_map(|(task, name)| EventBody::Rename { task, name }),
            task().prop_map(|task| EventBody::Detach {
                task,
                reason: crate::model::DetachReason::LeftOut,
            }),
            (
                task(),
                0..3u16,
                proptest::option::of((0..4u32).prop_map(StackId))
            )
                .prop_map(|(task, errno, stack)| EventBody::CreateFailed {
                    task,
                    call: b"clone".into(),
                    errno,
                    flags: None,
                    pc: None,
                    stack,
                }),
            (0..3u64).prop_map(|count| EventBody::Lost {
                count,
                since: Time(0),
                reason: b"".into(),
            }),
            (0..3u64).prop_map(|count| EventBody::Gap {
                reason: crate::model::GapReason::Untraced,
                count,
                since: Time(0),
                detail: b"".into(),
            }),
        ]
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        proptest::collection::vec(event(), 1..60).prop_map(|bodies| {
            let timed = (1..).map(Time).zip(bodies);
            timed.map(|(time, body)| Event { time, body }).collect()
        })
    }

    proptest! {
        /// A trace that begins with a checkpoint ends with the same tasks as the whole one.
        #[test]
        fn a_checkpoint_carries_all_that_follows_needs(events in events(), at in 0..60usize) {
            let at = at.min(events.len());
            let whole = built(None, &events);
            let mut live = Live::default();
            for event in &events[..at] {
                live.follow(event);
            }
            let checkpoint = live.checkpoint();
            let tally = live.tally();
            let before = built(None, &events[..at]);
            prop_assert_eq!(&tally.totals, &counted(&before));
            if before.tasks().iter().all(|task| task.origin != Origin::Inferred) {
                prop_assert_eq!(creators(&checkpoint), creators_of(&before));
            }
            let part = built(Some((&checkpoint, live.now())), &events[at..]);
            prop_assert_eq!(alive(&part), alive(&whole));
            // And one that was carried on carries on the same.
            let mut restored = Live::restored(&checkpoint, live.now());
            prop_assert_eq!(restored.checkpoint(), checkpoint.clone());
            restored.count_on(tally.totals, tally.stacks.into_iter().collect());
            for event in &events[at..] {
                live.follow(event);
                restored.follow(event);
            }
            prop_assert_eq!(restored.checkpoint(), live.checkpoint());
            prop_assert_eq!(live.totals(), &counted(&whole));
            prop_assert_eq!(restored.totals(), live.totals());
            prop_assert_eq!(restored.stacks(), live.stacks());
            // Seen twice, in the events and in the checkpoint, nothing changes.
            let mut builder = TraceBuilder::new(crate::format::Header::default());
            for event in &events[..at] {
                builder.push(event.clone());
            }
            builder.restore(&checkpoint, events.get(at.wrapping_sub(1)).map_or(Time(0), |event| event.time));
            for event in &events[at..] {
                builder.push(event.clone());
            }
            let twice = builder.finish(Integrity::new(Ending::CutShort));
            prop_assert_eq!(twice.tasks().len(), whole.tasks().len());
            prop_assert_eq!(alive(&twice), alive(&whole));
        }
    }

    /// What a view says of each event of a trace, and of whom it is about.
    fn told(trace: &Trace) -> Vec<String> {
        let events = trace.events().iter().enumerate();
        let told = events.map(|(index, event)| {
            let task = trace.subject(index).map(|task| {
                let parent = task.parent.map(|id| trace.task(id));
                let parent = parent.map(|it| (it.task, it.name_at(event.time).clone()));
                let before = task.names.partition_point(|(since, _)| *since < event.time);
                let former = before
                    .checked_sub(1)
                    .map(|index| task.names[index].1.clone());
                let is_end = matches!(event.body, EventBody::Exit { .. });
                let end = is_end.then_some((task.ended, task.how, task.born));
                (
                    (task.task, task.inner, task.origin, task.what(), task.stack),
                    (task.name_at(event.time).clone(), former, parent, end),
                    task.id.0 == 0,
                )
            });
            format!("{event:?} {task:?}")
        });
        told.collect()
    }

    proptest! {
        /// A trace in parts tells of its events what the whole one does.
        #[test]
        fn parts_tell_what_the_whole_does(
            events in events(),
            cuts in proptest::collection::vec(proptest::bool::ANY, 60),
            at in 0..60usize,
            lost in 0..60usize,
        ) {
            let mut live = Live::default();
            let mut whole = TraceBuilder::new(crate::format::Header::default());
            let mut parts = TraceBuilder::new(crate::format::Header::default());
            let mut of_parts = Vec::new();
            let span = (Time(0), Time(100));
            for (index, event) in events.iter().enumerate() {
                live.follow(event);
                // Events before a checkpoint that are missing, as where a file is damaged.
                if !(at.saturating_sub(lost % 5)..at).contains(&index) {
                    if cuts[index] && event.time > parts.now() {
                        parts.part(span, |part| of_parts.extend(told(part)));
                    }
                    whole.push(event.clone());
                    parts.push(event.clone());
                }
                if index == at {
                    let carried = live.checkpoint();
                    whole.restore(&carried, live.now());
                    parts.restore(&carried, live.now());
                }
            }
            parts.part(span, |part| of_parts.extend(told(part)));
            let named_late = parts.named_late();
            let (whole, rest) = (
                whole.finish(Integrity::new(Ending::CutShort)),
                parts.finish(Integrity::new(Ending::CutShort)),
            );
            if !named_late {
                prop_assert_eq!(of_parts, told(&whole));
            }
            prop_assert_eq!(alive(&rest), alive(&whole));
            prop_assert_eq!((rest.begin(), rest.end()), (whole.begin(), whole.end()));
        }
    }

    #[test]
    fn of_the_dead_only_the_creators_of_the_living_are_kept() {
        let chain = |number: u32| {
            let (parent, child) = (Task::new(1, number), Task::new(1, number + 1));
            let birth = EventBody::Birth(Birth {
                via: super::super::Via::Clone,
                what: super::super::What::Thread,
                parent: Some(parent),
                child,
                flags: None,
                pc: None,
                inner: None,
                stack: None,
                start: None,
            });
            let exit = EventBody::Exit {
                task: parent,
                end: End::Code(0),
            };
            [birth, exit].map(|body| Event {
                time: Time(u64::from(number)),
                body,
            })
        };
        let mut live = Live::default();
        for event in (1..1000).flat_map(chain) {
            live.follow(&event);
        }
        assert_eq!(live.len(), 1);
        let carried = live.checkpoint();
        assert_eq!(carried.len(), 2);
        assert_eq!(carried[1].task, Task::new(1, 1000));
        assert_eq!(carried[1].parent, Some(0));
        let exit = Ended::Exit(End::Code(0));
        assert_eq!(carried[0].ended, Some((Time(999), exit)));
    }
}
