//! One recording of those that are merged: read by a thread of its own, a little ahead, so that all
//! can be followed in order of time.

use std::collections::{HashMap, VecDeque};
use std::{io, thread};

use tidline::format::{Error, GIVEN_UP_EARLY, Header, Sink, renumber, scan};
use tidline::model::{
    Anchor, Carried, Damage, Definition, Event, EventBody, Integrity, Live, Pid, Task, Time,
};

use super::clocks::Shift;
use super::places::Ranges;
use crate::ahead::{Giver, Taker, channel};
use crate::load::{LeftOut, Recording};

/// What a recording holds. Times, TIDs and pids are the merged file's.
pub(super) enum Item {
    Event(Event),
    Checkpoint(Vec<Carried>, Time),
    Define(Definition),
    Anchor(Anchor),
    Reached(Time),
    Damaged(Damage),
    /// So many files that a full disk made its recorder give up.
    GivenUp(u64),
    End(Box<Result<Integrity, Error>>),
}

/// A recording that is being read.
pub(super) struct Source {
    /// The recording's id.
    pub(super) id: u128,
    pub(super) left_out: LeftOut,
    /// What its wall clock said last.
    anchor: Anchor,
    items: Taker<Item>,
    /// What was read ahead.
    heads: VecDeque<Item>,
    now: Time,
    /// From when on it knows anything.
    pub(super) begins: Time,
    /// The numbers of its hosts.
    hosts: Vec<usize>,
    ended: bool,
    live: Live,
    /// Whether the task of the last event lived before it, as far as this recording knows.
    pub(super) had: bool,
    /// Whether the last event gave a task another name than it had, as far as this recording knows.
    pub(super) renamed: bool,
    /// What its first checkpoint carries, until it is reached.
    carries: HashMap<Task, Time>,
}

/// What a recording leaves.
pub(super) struct Left {
    pub(super) time: Time,
    pub(super) alive: Vec<(Task, Time)>,
}

impl Source {
    /// Begins to read. Where the merged file's times are no monotonic clock's, `wall` is its header:
    /// what the clock says follows from that. An error is that there is no thread to be had.
    pub(super) fn start(
        recording: Recording,
        (shift, ranges): (Shift, Ranges),
        wall: Option<&Header>,
    ) -> io::Result<Source> {
        let header = recording.header();
        let now = shift.time(Time(0));
        let id = header.trace_id;
        let hosts = ranges.hosts().to_vec();
        let (time, header) = match wall {
            Some(merged) => (Time(0), merged),
            None => (now, header),
        };
        let anchor = Anchor {
            time,
            wall_ns: header.start_wall_ns,
            utc_offset_s: header.utc_offset_s,
        };
        let anchors = wall.is_none();
        let (segments, left_out) = recording.into_segments();
        let (giver, items) = channel();
        thread::Builder::new().spawn(move || {
            let mut sink = Ahead {
                giver,
                shift,
                ranges,
                anchors,
            };
            if anchors {
                sink.giver.give(Item::Anchor(anchor));
            }
            let integrity = scan(segments, &mut sink);
            sink.giver.give(Item::End(Box::new(integrity)));
        })?;
        Ok(Source {
            id,
            left_out,
            anchor,
            items,
            heads: VecDeque::new(),
            now,
            begins: now,
            hosts,
            ended: false,
            live: Live::default(),
            had: false,
            renamed: false,
            carries: HashMap::new(),
        })
    }

    /// Looks ahead to where it begins: with a checkpoint, if its beginning is not here.
    pub(super) fn prime(&mut self) {
        for item in self.items.by_ref() {
            let found = !matches!(item, Item::Define(_) | Item::Anchor(_) | Item::Reached(_));
            if let Item::Checkpoint(carried, time) = &item {
                let living = carried.iter().filter(|task| task.ended.is_none());
                self.carries = living.map(|task| (task.task, task.born)).collect();
                self.now = *time;
                self.begins = *time;
            }
            self.heads.push_back(item);
            if found {
                break;
            }
        }
    }

    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Whether its end is what comes next.
    pub(super) fn is_at_its_end(&self) -> bool {
        matches!(self.heads.front(), Some(Item::End(_)))
    }

    /// The time of the next thing, as far as it is known.
    pub(super) fn now(&self) -> Time {
        match self.heads.front() {
            Some(Item::Event(event)) => event.time.max(self.now),
            Some(Item::Checkpoint(_, time) | Item::Reached(time)) => (*time).max(self.now),
            _ => self.now,
        }
    }

    /// The next thing; `None` if there was none at hand, and it is asked again.
    pub(super) fn take(&mut self) -> Option<Item> {
        let item = self.heads.pop_front();
        if self.heads.is_empty() {
            match self.items.next() {
                Some(next) => self.heads.push_back(next),
                // The reader's thread is gone without a word.
                None if item.is_none() => self.ended = true,
                None => {}
            }
        }
        let item = item?;
        match &item {
            Item::Event(event) => {
                self.now = self.now.max(event.time);
                let task = event.body.task();
                self.had = task.is_some_and(|task| self.live.task(task.tid) == Some(task));
                self.renamed = match &event.body {
                    EventBody::Rename { task, name } => self.live.name(task.tid) != Some(name),
                    _ => false,
                };
                self.live.follow(event);
            }
            Item::Checkpoint(carried, time) => {
                self.now = self.now.max(*time);
                self.live = Live::restored(carried, *time);
                self.carries.clear();
            }
            Item::Reached(time) => self.now = self.now.max(*time),
            Item::End(_) => self.ended = true,
            Item::Anchor(anchor) => self.anchor = *anchor,
            Item::Define(_) | Item::Damaged(_) | Item::GivenUp(_) => {}
        }
        Some(item)
    }

    /// What it leaves alive at its end.
    pub(super) fn end(&mut self) -> Left {
        let left = std::mem::take(&mut self.live).checkpoint();
        let alive = left.into_iter().filter(|task| task.ended.is_none());
        Left {
            time: self.now,
            alive: alive.map(|task| (task.task, task.born)).collect(),
        }
    }

    /// Whether it tells of a host that another tells of.
    pub(super) fn is_of_host_of(&self, other: &Source) -> bool {
        self.hosts.iter().any(|host| other.hosts.contains(host))
    }

    /// Whether it goes on with a task that another recording leaves.
    pub(super) fn goes_on_with(&self, task: Task, born: Time) -> bool {
        self.carries.get(&task) == Some(&born) || self.live.task(task.tid) == Some(task)
    }

    /// What its wall clock said last, carried on to a time.
    pub(super) fn clock_at(&self, time: Time) -> Anchor {
        let since = time.0.saturating_sub(self.anchor.time.0);
        Anchor {
            time,
            wall_ns: self.anchor.wall_ns.saturating_add_unsigned(since),
            ..self.anchor
        }
    }
}

/// Sends what is read, its times and numbers changed.
struct Ahead {
    giver: Giver<Item>,
    shift: Shift,
    ranges: Ranges,
    /// Whether readings of the wall clock are told.
    anchors: bool,
}

impl Ahead {
    fn move_on(&self, time: &mut Time) {
        *time = self.shift.time(*time);
    }
}

impl Sink for Ahead {
    fn event(&mut self, mut event: Event) {
        self.move_on(&mut event.time);
        if let EventBody::Gap { since, .. } | EventBody::Lost { since, .. } = &mut event.body {
            self.move_on(since);
        }
        renumber(&mut event, |number| self.ranges.number(number));
        self.giver.give(Item::Event(event));
    }

    fn checkpoint(&mut self, carried: &[Carried], mut time: Time) {
        self.move_on(&mut time);
        let mut carried = carried.to_vec();
        for task in &mut carried {
            task.task = self.ranges.task(task.task);
            self.move_on(&mut task.born);
            if let Some((ended, _)) = &mut task.ended {
                self.move_on(ended);
            }
        }
        self.giver.give(Item::Checkpoint(carried, time));
        self.giver.hand_on();
    }

    fn define(&mut self, mut definition: Definition) {
        if let Definition::Module(_, module) = &mut definition {
            let pid = &mut module.seen.0;
            *pid = Pid(self.ranges.number(pid.0));
        }
        self.giver.give(Item::Define(definition));
    }

    fn anchor(&mut self, mut anchor: Anchor) {
        if self.anchors {
            self.move_on(&mut anchor.time);
            self.giver.give(Item::Anchor(anchor));
        }
    }

    fn counter(&mut self, name: String, value: u64) {
        if name == GIVEN_UP_EARLY {
            self.giver.give(Item::GivenUp(value));
        }
    }

    fn reached(&mut self, mut time: Time) {
        self.move_on(&mut time);
        self.giver.give(Item::Reached(time));
    }

    fn damaged(&mut self, damage: &Damage) {
        let mut damage = damage.clone();
        self.move_on(&mut damage.after);
        self.giver.give(Item::Damaged(damage));
    }
}
