//! A whole trace: its events in order, and the tasks they tell of.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use super::event::{Birth, Event, EventBody};
use super::history::{Entries, History};
use super::ids::{Name, Pid, Task, TaskId, Tid, Time};
use super::live::Carried;
use super::numbers::ByNumber;
use super::stack::{Definition, Stacks};
use super::task::{Ended, Origin, TaskRecord};
use super::totals::Part;
use crate::format::Header;

/// A trace, read and indexed. It does not change.
#[derive(Debug)]
pub struct Trace {
    header: Header,
    events: Vec<Event>,
    /// For each event the task it is about, `NO_TASK` where there is none.
    subjects: Vec<u32>,
    tasks: Vec<TaskRecord>,
    numbers: Numbers,
    /// Made when they are first asked for: many views do not.
    children: OnceLock<Children>,
    peak_alive: usize,
    counters: Vec<(String, u64)>,
    anchors: Vec<Anchor>,
    stacks: Stacks,
    integrity: Integrity,
    begin: Time,
    end: Time,
    part: Option<Part>,
}

/// What number each task of a part has among all tasks.
#[derive(Debug, Default)]
struct Numbers {
    /// Of tasks of earlier parts that are in it, the first of it.
    kept: Vec<u32>,
    /// How many tasks there were in earlier parts.
    before: u32,
}

impl Numbers {
    fn of(&self, id: TaskId) -> u32 {
        match self.kept.get(id.0 as usize) {
            Some(number) => *number,
            None => (self.before + id.0).saturating_sub(self.kept.len() as u32),
        }
    }
}

/// The tasks that each task made, one task's behind the other's.
#[derive(Debug)]
struct Children {
    all: Vec<TaskId>,
    /// For each task where its own begin in `all`, and where the last one's end.
    begins: Vec<u32>,
}

impl Children {
    fn of(tasks: &[TaskRecord]) -> Self {
        // How many each has, one place further; then where they begin, and while they are put there
        // where the next is to be: at the end, where they end, which is where those of the next begin.
        let mut begins = vec![0; tasks.len() + 2];
        let made = || {
            tasks
                .iter()
                .filter_map(|task| Some((task.id, task.parent?)))
        };
        for (_, parent) in made() {
            begins[parent.0 as usize + 2] += 1;
        }
        let mut sum = 0;
        for begin in &mut begins {
            sum += *begin;
            *begin = sum;
        }
        let mut all = vec![TaskId(NO_TASK); sum as usize];
        for (id, parent) in made() {
            let next = &mut begins[parent.0 as usize + 1];
            all[*next as usize] = id;
            *next += 1;
        }
        begins.truncate(tasks.len() + 1);
        Children { all, begins }
    }

    fn of_task(&self, id: TaskId) -> &[TaskId] {
        let place = id.0 as usize;
        &self.all[self.begins[place] as usize..self.begins[place + 1] as usize]
    }
}

/// What the wall clock said at a moment of the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The moment.
    pub time: Time,
    /// The wall clock then, ns since 1970-01-01 UTC.
    pub wall_ns: i64,
    /// The host's local time minus UTC then, seconds.
    pub utc_offset_s: i32,
}

const NO_TASK: u32 = u32::MAX;

/// How the file ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With an end mark, which says why the recording ended.
    Finished(String),
    /// Without: the recording was cut short, or is still going on.
    CutShort,
}

/// What is wrong with a file, and how much of it could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integrity {
    /// How it ended.
    pub ending: Ending,
    /// Whether the recording went on behind what was read, in a file that is not here, or not yet:
    /// the last file has its end mark, and that says so. It is [`Ending::CutShort`] then.
    pub goes_on: bool,
    /// Parts that could not be read.
    pub damage: Vec<Damage>,
    /// Records and chunks of kinds that this version does not know; they were skipped.
    pub unknown_records: u64,
    /// Records of known kinds with more fields than this version knows; those were ignored.
    pub longer_records: u64,
    /// Bytes after the last readable chunk.
    pub trailing_bytes: u64,
    /// Chunks that were read.
    pub chunks: u64,
    /// The length of the file, or of all of them, bytes.
    pub file_bytes: u64,
    /// The length of the last file alone, bytes.
    pub last_file_bytes: u64,
    /// The numbers of the files that were read, in order. A recording that is one file is number 0.
    pub segments: Vec<u32>,
}

impl Integrity {
    /// Nothing wrong, nothing read.
    #[must_use]
    pub fn new(ending: Ending) -> Self {
        Integrity {
            ending,
            goes_on: false,
            damage: Vec::new(),
            unknown_records: 0,
            longer_records: 0,
            trailing_bytes: 0,
            chunks: 0,
            file_bytes: 0,
            last_file_bytes: 0,
            segments: Vec::new(),
        }
    }
}

/// A part of a file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The number of the file that it is in, or that is missing.
    pub segment: u32,
    /// Where it begins, bytes from the start of the file.
    pub offset: u64,
    /// How long it is.
    pub bytes: u64,
    /// The last time known before it.
    pub after: Time,
    /// The first time known behind it; `None` where nothing readable follows.
    pub before: Option<Time>,
    /// What is wrong, in words.
    pub problem: String,
}

impl Trace {
    /// What the recorder wrote at the start.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// All events, in order of time.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The task that the `index`-th event is about, if it is about one.
    #[must_use]
    pub fn subject(&self, index: usize) -> Option<&TaskRecord> {
        self.subjects
            .get(index)
            .and_then(|id| self.tasks.get(*id as usize))
    }

    /// All tasks, in order of first appearance: `tasks()[id.0]` has the id `id`.
    #[must_use]
    pub fn tasks(&self) -> &[TaskRecord] {
        &self.tasks
    }

    /// A task by its id.
    ///
    /// # Panics
    /// If the id is another trace's.
    #[must_use]
    pub fn task(&self, id: TaskId) -> &TaskRecord {
        &self.tasks[id.0 as usize]
    }

    /// A task's number among all tasks of the recording: its id, but for those of a part that is given
    /// by [`TraceBuilder::part`].
    #[must_use]
    pub fn number(&self, id: TaskId) -> u32 {
        self.numbers.of(id)
    }

    /// The tasks that a task made, oldest first.
    #[must_use]
    pub fn children(&self, id: TaskId) -> &[TaskId] {
        let children = self.children.get_or_init(|| Children::of(&self.tasks));
        children.of_task(id)
    }

    /// The most tasks alive at once.
    #[must_use]
    pub fn peak_alive(&self) -> usize {
        match &self.part {
            Some(part) => part.totals.peak_alive as usize,
            None => self.peak_alive,
        }
    }

    /// What the whole recording has, where only a part of it was read: events and tasks are then
    /// those of that part.
    #[must_use]
    pub fn part(&self) -> Option<&Part> {
        self.part.as_ref()
    }

    /// How many events the recording has.
    #[must_use]
    pub fn event_count(&self) -> usize {
        match &self.part {
            Some(part) => part.totals.events as usize,
            None => self.events.len(),
        }
    }

    /// How many tasks the recording knows of.
    #[must_use]
    pub fn task_count(&self) -> usize {
        match &self.part {
            Some(part) => part.totals.tasks() as usize,
            None => self.tasks.len(),
        }
    }

    /// What the recorder counted about itself: names and values.
    #[must_use]
    pub fn counters(&self) -> &[(String, u64)] {
        &self.counters
    }

    /// What is missing from the file.
    #[must_use]
    pub fn integrity(&self) -> &Integrity {
        &self.integrity
    }

    /// Whether the file has its end mark and no damage. Losses that the recorder itself wrote
    /// down are events (`Gap`, `Lost`) and do not count here.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self.integrity.ending, Ending::Finished(_)) && self.integrity.damage.is_empty()
    }

    /// What the wall clock said, in order of time; the first is of the recording's start.
    #[must_use]
    pub fn anchors(&self) -> &[Anchor] {
        &self.anchors
    }

    /// What the numbers of stacks and frames stand for.
    #[must_use]
    pub fn stacks(&self) -> &Stacks {
        &self.stacks
    }

    /// The first moment that the trace knows of by its events: 0, or where the first of the
    /// files that are left begins. Of what was before, only what still lived then is known.
    #[must_use]
    pub fn begin(&self) -> Time {
        self.begin
    }

    /// The last moment that the trace knows of.
    #[must_use]
    pub fn end(&self) -> Time {
        self.end
    }
}

/// Builds a [`Trace`] from events in order.
///
/// At any moment a TID means at most one live task. An event that contradicts this (a birth of
/// a TID that still lives, an exit of one never seen) tells of a loss: the older task is closed
/// as [`Ended::Missing`], the unseen one is added as [`Origin::Inferred`]. Nothing is dropped.
#[derive(Debug)]
pub struct TraceBuilder {
    header: Header,
    events: Vec<Event>,
    subjects: Vec<u32>,
    tasks: Vec<TaskRecord>,
    live: ByNumber<Tid, TaskId>,
    /// The tasks of each thread group since its last exec, ended ones too.
    members: ByNumber<Pid, Vec<TaskId>>,
    peak_alive: usize,
    anchors: Vec<Anchor>,
    stacks: Stacks,
    begin: Time,
    /// When the first event was.
    first: Option<Time>,
    /// Events about no task that were given as parts.
    kept: Vec<Event>,
    /// So many tasks are of parts that were given: those that are kept have numbers.
    numbers: Numbers,
    named_late: bool,
    carried_again: bool,
    counters: Vec<(String, u64)>,
    /// Where in `counters` a name is.
    counter_places: HashMap<String, usize>,
    end: Time,
    part: Option<Part>,
}

impl TraceBuilder {
    /// A builder that reads a recording again, of which all that was defined is known: it takes that from
    /// what the first one made.
    #[must_use]
    pub fn again(whole: &mut Trace) -> Self {
        let mut builder = TraceBuilder::new(whole.header.clone());
        builder.stacks = std::mem::take(&mut whole.stacks);
        builder
    }

    /// An empty trace.
    #[must_use]
    pub fn new(header: Header) -> Self {
        let anchor = Anchor {
            time: Time(0),
            wall_ns: header.start_wall_ns,
            utc_offset_s: header.utc_offset_s,
        };
        TraceBuilder {
            header,
            anchors: vec![anchor],
            stacks: Stacks::default(),
            begin: Time(0),
            first: None,
            kept: Vec::new(),
            numbers: Numbers::default(),
            named_late: false,
            carried_again: false,
            events: Vec::new(),
            subjects: Vec::new(),
            tasks: Vec::new(),
            live: ByNumber::default(),
            members: ByNumber::default(),
            peak_alive: 0,
            counters: Vec::new(),
            counter_places: HashMap::new(),
            end: Time(0),
            part: None,
        }
    }

    /// Adds the next event. A time before the last one's is raised to it.
    pub fn push(&mut self, mut event: Event) {
        event.time = event.time.max(self.end);
        self.end = event.time;
        self.first.get_or_insert(event.time);
        let subject = self.apply(&event);
        self.subjects.push(subject.map_or(NO_TASK, |id| id.0));
        self.events.push(event);
    }

    /// Takes up the next event as [`TraceBuilder::push`] does, without keeping it: for those who need
    /// the tasks alone, in less than half the memory.
    pub fn follow(&mut self, mut event: Event) {
        event.time = event.time.max(self.end);
        self.end = event.time;
        self.apply(&event);
    }

    /// Notes what the recorder counted about itself. A later value of a name replaces an earlier.
    pub fn count(&mut self, name: String, value: u64) {
        match self.counter_places.entry(name) {
            Entry::Occupied(place) => self.counters[*place.get()].1 = value,
            Entry::Vacant(place) => {
                self.counters.push((place.key().clone(), value));
                place.insert(self.counters.len() - 1);
            }
        }
    }

    /// Takes up a checkpoint: what lived at a time. Where nothing was lost before it, it says
    /// nothing new. Else what it does not have has ended unseen, and what is new was born unseen.
    pub fn restore(&mut self, checkpoint: &[Carried], time: Time) {
        if self.tasks.is_empty() && self.first.is_none() {
            self.begin = time;
        }
        let time = time.max(self.end);
        self.end = time;
        let mut ids: Vec<TaskId> = Vec::with_capacity(checkpoint.len());
        let mut index = None;
        let mut carried_on: HashSet<TaskId> = HashSet::new();
        for carried in checkpoint {
            let known = self.live.get(&carried.task.tid).copied().filter(|id| {
                let record = &self.tasks[id.0 as usize];
                record.task == carried.task && record.born == carried.born
            });
            let id = match (known, carried.ended) {
                (Some(id), _) => id,
                // A creator that has ended may be known, too; it is looked for when a child of it
                // is new here.
                (None, Some(_)) => {
                    ids.push(TaskId(NO_TASK));
                    continue;
                }
                (None, None) => {
                    let parent = carried.parent.and_then(|place| {
                        self.carried_parent(checkpoint, place, &mut ids, &mut index)
                    });
                    self.carry(carried, parent)
                }
            };
            self.catch_up(id, carried, time);
            carried_on.insert(id);
            ids.push(id);
        }
        let gone: Vec<TaskId> = self.live.values().copied().collect();
        for id in gone {
            if !carried_on.contains(&id) {
                self.close(id, time, Ended::Missing);
            }
        }
    }

    /// The id of a task that an earlier place of a checkpoint carries.
    fn carried_parent(
        &mut self,
        checkpoint: &[Carried],
        place: usize,
        ids: &mut [TaskId],
        index: &mut Option<HashMap<(Task, Time), TaskId>>,
    ) -> Option<TaskId> {
        let (carried, id) = (checkpoint.get(place)?, *ids.get(place)?);
        if id.0 != NO_TASK {
            return Some(id);
        }
        let index = index.get_or_insert_with(|| {
            let tasks = self.tasks.iter();
            tasks
                .map(|record| ((record.task, record.born), record.id))
                .collect()
        });
        let id = match index.get(&(carried.task, carried.born)) {
            Some(id) => *id,
            None => {
                self.carried_again |= self.numbers.before > 0;
                self.carry(carried, None)
            }
        };
        ids[place] = id;
        Some(id)
    }

    fn carry(&mut self, carried: &Carried, parent: Option<TaskId>) -> TaskId {
        let (task, name) = (carried.task, carried.name.clone());
        let id = match carried.ended {
            None => self.add(task, parent, carried.origin, carried.born, name),
            // Its TID may be another's by now.
            Some(_) => self.new_record(task, parent, carried.origin, carried.born, name),
        };
        let record = &mut self.tasks[id.0 as usize];
        if let Some((time, how)) = carried.ended {
            (record.ended, record.how) = (Some(time), how);
        }
        record.inner = carried.inner;
        (record.stack, record.start) = (carried.stack, carried.start);
        if let Some(exe) = &carried.exe {
            record.execs.push((carried.born, exe.clone()));
        }
        id
    }

    /// What a checkpoint says of a known task, and events did not.
    fn catch_up(&mut self, id: TaskId, carried: &Carried, time: Time) {
        if self.tasks[id.0 as usize].name() != &carried.name {
            self.rename(id, time, carried.name.clone());
        }
        let execs = &mut self.tasks[id.0 as usize].execs;
        if let Some(exe) = &carried.exe
            && execs.last().map(|(_, last)| last) != Some(exe)
        {
            execs.push((time, exe.clone()));
        }
    }

    /// Notes what the wall clock said.
    pub fn anchor(&mut self, anchor: Anchor) {
        if self
            .anchors
            .last()
            .is_some_and(|last| last.time <= anchor.time)
        {
            self.anchors.push(anchor);
        }
    }

    /// Takes up what a number of a stack, a frame or a module stands for.
    pub fn define(&mut self, definition: Definition) {
        self.stacks.define(definition);
    }

    /// Notes that the recording was still going on at a time.
    pub fn reached(&mut self, time: Time) {
        self.end = self.end.max(time);
    }

    /// The first moment known by events; see [`Trace::begin`].
    #[must_use]
    pub fn begin(&self) -> Time {
        self.begin
    }

    /// The last moment known so far.
    #[must_use]
    pub fn now(&self) -> Time {
        self.end
    }

    /// How many events it has that were not given as a part.
    #[must_use]
    pub fn held(&self) -> usize {
        self.events.len()
    }

    /// Gives the events since the last part as a trace of its own, and forgets them: for traces that are
    /// larger than memory. It has the tasks that these events are about, as far as they were told of, and
    /// who made them; its beginning and its end are those that are given. Between two parts must be no
    /// two events of the same time, since the names of a time are those that it ends with.
    ///
    /// What [`TraceBuilder::finish`] gives then has the events that are about no task, and the tasks that
    /// live at the end.
    pub fn part<T>(&mut self, (begin, end): (Time, Time), look: impl FnOnce(&Trace) -> T) -> T {
        let mut part = Trace {
            header: std::mem::take(&mut self.header),
            events: std::mem::take(&mut self.events),
            subjects: std::mem::take(&mut self.subjects),
            children: OnceLock::new(),
            tasks: std::mem::take(&mut self.tasks),
            numbers: std::mem::take(&mut self.numbers),
            peak_alive: self.peak_alive,
            counters: std::mem::take(&mut self.counters),
            anchors: std::mem::take(&mut self.anchors),
            stacks: std::mem::take(&mut self.stacks),
            integrity: Integrity::new(Ending::CutShort),
            begin,
            end,
            part: None,
        };
        let seen = look(&part);
        self.header = part.header;
        (self.counters, self.anchors, self.stacks) = (part.counters, part.anchors, part.stacks);
        let of_none = part.events.drain(..).filter(|it| it.body.task().is_none());
        self.kept.extend(of_none);
        part.subjects.clear();
        (self.events, self.subjects) = (part.events, part.subjects);
        (self.tasks, self.numbers) = (part.tasks, part.numbers);
        self.forget_the_dead();
        seen
    }

    /// Whether a task of an earlier part had no name then, and has one now: a whole trace gives it that
    /// from the beginning.
    #[must_use]
    pub fn named_late(&self) -> bool {
        self.named_late
    }

    /// Whether a checkpoint carried a creator that had ended, and may be a task of an earlier part: it
    /// has two numbers then.
    #[must_use]
    pub fn carried_again(&self) -> bool {
        self.carried_again
    }

    /// Keeps of the tasks the first, those that live, and who made them.
    fn forget_the_dead(&mut self) {
        let mut places = vec![NO_TASK; self.tasks.len()];
        let living = self.live.values().flat_map(|id| {
            let parent = self.tasks[id.0 as usize].parent;
            [Some(*id), parent].into_iter().flatten()
        });
        for id in living.chain([TaskId(0)]) {
            if let Some(place) = places.get_mut(id.0 as usize) {
                *place = 0;
            }
        }
        let kept = places.iter_mut().filter(|place| **place != NO_TASK);
        for (place, next) in kept.zip(0..) {
            *place = next;
        }
        let place = |id: TaskId| Some(places[id.0 as usize]).filter(|place| *place != NO_TASK);
        let new = self.tasks.len() - self.numbers.kept.len();
        let kept = self.tasks.iter().map(|task| task.id);
        let kept = kept.filter(|id| place(*id).is_some());
        self.numbers = Numbers {
            kept: kept.map(|id| self.numbers.of(id)).collect(),
            before: self.numbers.before.saturating_add(new as u32),
        };
        self.tasks.retain_mut(|task| {
            let Some(id) = place(task.id) else {
                return false;
            };
            task.id = TaskId(id);
            task.parent = task.parent.and_then(place).map(TaskId);
            // Whether the first name was the only one is asked when the next one comes.
            task.names.keep_last(2);
            task.execs.keep_last(1);
            true
        });
        for id in self.live.values_mut() {
            *id = place(*id).map_or(*id, TaskId);
        }
        let tasks = &self.tasks;
        self.members.retain(|_, ids| {
            let known = ids.iter().filter_map(|id| place(*id)).map(TaskId);
            *ids = known
                .filter(|id| tasks[id.0 as usize].ended.is_none())
                .collect();
            !ids.is_empty()
        });
    }

    /// The finished trace.
    #[must_use]
    pub fn finish(mut self, integrity: Integrity) -> Trace {
        if !self.kept.is_empty() {
            let mut subjects = vec![NO_TASK; self.kept.len()];
            subjects.append(&mut self.subjects);
            self.kept.append(&mut self.events);
            (self.events, self.subjects) = (self.kept, subjects);
        }
        // Its checkpoint is damaged.
        if self.header.segment > 0 && self.begin == Time(0) {
            self.begin = self.first.unwrap_or(self.end);
        }
        Trace {
            header: self.header,
            events: self.events,
            subjects: self.subjects,
            children: OnceLock::new(),
            tasks: self.tasks,
            numbers: self.numbers,
            peak_alive: self.peak_alive,
            counters: self.counters,
            anchors: self.anchors,
            stacks: self.stacks,
            integrity,
            begin: self.begin,
            end: self.end,
            part: self.part,
        }
    }

    /// Takes up a checkpoint of a recording whose beginning is known, and of which nothing before was
    /// read.
    pub(crate) fn resume(&mut self, checkpoint: &[Carried], time: Time) {
        self.end = self.end.max(time);
        let mut ids: Vec<TaskId> = Vec::with_capacity(checkpoint.len());
        for carried in checkpoint {
            let parent = carried.parent.and_then(|place| ids.get(place)).copied();
            ids.push(self.carry(carried, parent));
        }
        for (place, names) in names_of_creators(checkpoint, time) {
            if let Some(id) = ids.get(place) {
                self.tasks[id.0 as usize].names = names;
            }
        }
    }

    /// Keeps the first place for the first task of all, unless the checkpoint that comes has it there:
    /// then it has ended, at a time that nobody asks for.
    pub(crate) fn know_first(&mut self, first: &TaskRecord, checkpoint: &[Carried]) {
        // Another of its TID may have been born at the moment at which it was born and ended.
        let lived = first.ended.is_none_or(|ended| ended > first.born);
        let is_first = |task: &Carried| {
            let alike = (task.task, task.born) == (first.task, first.born);
            alike && (lived || task.ended.is_some())
        };
        if !checkpoint.first().is_some_and(is_first) {
            let name = first.name().clone();
            let id = self.new_record(first.task, None, first.origin, first.born, name);
            self.close(id, first.born, Ended::Missing);
        }
    }

    /// Notes when and how a task ended, of which no event told.
    pub(crate) fn know_end(&mut self, id: TaskId, ended: Time, how: Ended) {
        self.close(id, ended, how);
    }

    pub(crate) fn tasks(&self) -> &[TaskRecord] {
        &self.tasks
    }

    /// Whether a task has no name so far, or had none when it made another.
    pub(crate) fn has_nameless_tasks(&self) -> bool {
        let mut names = self.tasks.iter().flat_map(|task| task.names.iter());
        names.any(|(_, name)| name.is_empty())
    }

    /// Only a part of the recording is read: this is what all of it has.
    pub(crate) fn take_part(&mut self, part: Part) {
        self.end = self.end.max(part.end);
        self.part = Some(part);
    }

    /// Takes up what all numbers of stacks, frames and modules stand for.
    pub(crate) fn take_stacks(&mut self, stacks: Stacks) {
        self.stacks = stacks;
    }

    /// Updates the tasks; returns the task that the event is about.
    fn apply(&mut self, event: &Event) -> Option<TaskId> {
        let time = event.time;
        match &event.body {
            EventBody::Existing {
                task,
                parent_pid,
                name,
                inner,
                ..
            } => {
                let parent = parent_pid.and_then(|pid| self.live_id(Task::leader(pid)));
                let id = self.add(*task, parent, Origin::Existing, time, name.clone());
                self.tasks[id.0 as usize].inner = *inner;
                Some(id)
            }
            EventBody::Birth(birth) => Some(self.birth(birth, time)),
            EventBody::Exec {
                task,
                former_tid,
                exe,
                name,
            } => Some(self.exec(*task, *former_tid, exe, name, time)),
            EventBody::Exit { task, end } => {
                let id = self.live_or_inferred(*task, time);
                self.close(id, time, Ended::Exit(*end));
                Some(id)
            }
            EventBody::Rename { task, name } => {
                let id = self.live_or_inferred(*task, time);
                self.rename(id, time, name.clone());
                Some(id)
            }
            EventBody::Detach { task, reason } => {
                let id = self.live_or_inferred(*task, time);
                self.close(id, time, Ended::Detached(*reason));
                Some(id)
            }
            EventBody::CreateFailed { task, .. }
            | EventBody::SyscallEnter { task, .. }
            | EventBody::SyscallExit { task, .. } => Some(self.live_or_inferred(*task, time)),
            EventBody::Gap { .. } | EventBody::Lost { .. } | EventBody::Mark { .. } => None,
        }
    }

    fn birth(&mut self, birth: &Birth, time: Time) -> TaskId {
        let parent = birth.parent.map(|task| self.live_or_inferred(task, time));
        let name = parent
            .map(|id| self.tasks[id.0 as usize].name().clone())
            .unwrap_or_default();
        let id = self.add(birth.child, parent, Origin::Birth, time, name);
        let record = &mut self.tasks[id.0 as usize];
        record.inner = birth.inner;
        (record.stack, record.start) = (birth.stack, birth.start);
        id
    }

    fn exec(&mut self, task: Task, former: Tid, exe: &Name, name: &Name, time: Time) -> TaskId {
        let caller = Task {
            tid: former,
            ..task
        };
        let caller = self.live_id(caller).filter(|_| former != task.tid);
        if let Some(id) = caller {
            self.close(id, time, Ended::BecameLeader);
        }
        // A leader may have exited before its threads, as main() does with pthread_exit(3). The
        // thread that calls exec then brings it back to life.
        let leader = self
            .live_id(task)
            .unwrap_or_else(|| self.add(task, caller, Origin::Inferred, time, Name::default()));
        // An exec leaves one thread. Any other that is still here has lost its exit record.
        let others = self.members.insert(task.pid, vec![leader]);
        for id in others.unwrap_or_default() {
            if id != leader && self.tasks[id.0 as usize].ended.is_none() {
                self.close(id, time, Ended::Missing);
            }
        }
        if !name.is_empty() {
            self.rename(leader, time, name.clone());
        }
        self.tasks[leader.0 as usize]
            .execs
            .push((time, exe.clone()));
        leader
    }

    fn live_id(&self, task: Task) -> Option<TaskId> {
        let id = *self.live.get(&task.tid)?;
        (self.tasks[id.0 as usize].task == task).then_some(id)
    }

    fn live_or_inferred(&mut self, task: Task, time: Time) -> TaskId {
        self.live_id(task)
            .unwrap_or_else(|| self.add(task, None, Origin::Inferred, time, Name::default()))
    }

    fn add(
        &mut self,
        task: Task,
        parent: Option<TaskId>,
        origin: Origin,
        time: Time,
        name: Name,
    ) -> TaskId {
        if let Some(&former) = self.live.get(&task.tid) {
            self.close(former, time, Ended::Missing);
        }
        let id = self.new_record(task, parent, origin, time, name);
        self.live.insert(task.tid, id);
        self.members.entry(task.pid).or_default().push(id);
        self.peak_alive = self.peak_alive.max(self.live.len());
        id
    }

    fn new_record(
        &mut self,
        task: Task,
        parent: Option<TaskId>,
        origin: Origin,
        time: Time,
        name: Name,
    ) -> TaskId {
        let id = TaskId(u32::try_from(self.tasks.len()).unwrap_or(NO_TASK - 1));
        self.tasks.push(TaskRecord {
            id,
            task,
            inner: None,
            parent,
            origin,
            stack: None,
            start: None,
            born: time,
            ended: None,
            how: Ended::Alive,
            names: (time, name).into(),
            execs: Entries::default(),
        });
        id
    }

    fn close(&mut self, id: TaskId, time: Time, how: Ended) {
        let record = &mut self.tasks[id.0 as usize];
        // A checkpoint may carry on a task of the same TID that is older, where times are damaged.
        record.ended = Some(time.max(record.born));
        record.how = how;
        let tid = record.task.tid;
        if self.live.get(&tid) == Some(&id) {
            self.live.remove(&tid);
        }
    }

    fn rename(&mut self, id: TaskId, time: Time, name: Name) {
        let names = &mut self.tasks[id.0 as usize].names;
        if names.len() == 1 && names[0].1.is_empty() {
            self.named_late |= (id.0 as usize) < self.numbers.kept.len() && !name.is_empty();
            *names = (names[0].0, name).into();
        } else if names[names.len() - 1].1 != name {
            names.push((time, name));
        }
    }
}

/// What creators were called at the births of those that live, as far as a checkpoint tells that they
/// were called otherwise than now: by their places.
fn names_of_creators(checkpoint: &[Carried], time: Time) -> HashMap<usize, History> {
    let renamed = checkpoint.iter().filter(|task| task.creator_name.is_some());
    let renamed = renamed.filter_map(|task| Some((task.parent?, History::default())));
    let mut all: HashMap<usize, History> = renamed.collect();
    if all.is_empty() {
        return all;
    }
    let now = |place: usize| checkpoint.get(place).map(|creator| &creator.name);
    for task in checkpoint.iter().filter(|task| task.ended.is_none()) {
        if let Some(place) = task.parent
            && let Some(names) = all.get_mut(&place)
            && let Some(name) = task.creator_name.as_ref().or(now(place))
        {
            add_name(names, task.born, name);
        }
    }
    for (place, names) in &mut all {
        if let Some(name) = now(*place) {
            add_name(names, time, name);
        }
    }
    all
}

/// Adds a name, if it is another than the last. A time before the last one's is raised to it.
fn add_name(names: &mut History, time: Time, name: &Name) {
    match names.last() {
        Some((_, last)) if last == name => {}
        last => {
            let time = last.map_or(time, |(last, _)| time.max(*last));
            names.push((time, name.clone()));
        }
    }
}

#[cfg(test)]
mod tests;
