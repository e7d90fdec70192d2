//! A finished recording of one file without most of its events: what a view of a moment or of the
//! whole needs, in a hundredth of the time that it takes to read every record.
//!
//! Every chunk is checked against its checksum, and those are read that are not of events. Then the
//! last checkpoint before a moment tells what lived, and its tally what there had been. All that is
//! irregular (damage, an unknown kind, a cut end, times that go back, a checkpoint without a tally)
//! makes it `None`: whoever asked then reads the file as any other, and finds what is wrong.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Seek};
use std::ops::Range;

use super::chunk::{self, ChunkHeader, HEADER_LEN};
use super::error::Error;
use super::header::Header;
use super::input::Input;
use super::reader::{Segment, put_in_order, unpacked_at_most};
use super::record::{Decoder, Record};
use super::writer::GOES_ON;
use crate::model::{
    Anchor, Carried, Ending, Event, Integrity, Live, Part, StackId, Stacks, Task, TaskId,
    TaskRecord, Time, Totals, Trace, TraceBuilder,
};

/// A finished file, all of whose chunks are what was written.
#[derive(Debug)]
pub struct Skim<R> {
    input: Input<R>,
    header: Header,
    walk: Walk,
    /// Who lives at the end.
    last: Live,
    /// Why the recording ended.
    reason: String,
}

/// Tasks that lived at a moment, and whose end is looked for.
type Sought = HashMap<(Task, Time), TaskId>;

/// Where a chunk stands.
#[derive(Clone, Copy, Debug)]
struct Place {
    at: u64,
    chunk: ChunkHeader,
}

#[derive(Debug)]
struct Checkpoint {
    parts: Vec<Place>,
    time: Time,
    /// How many events there were before it.
    events: u64,
    /// Which chunk of events is the first behind it.
    next: usize,
    /// Whether it tells by what names creators made tasks.
    tells_creators: bool,
}

/// What the chunks tell on the way from the first to the last.
#[derive(Debug, Default)]
struct Walk {
    number: u32,
    now: Time,
    room: u64,
    /// The chunks of events.
    places: Vec<Place>,
    /// Parts of a checkpoint of which more is to come.
    parts: Vec<Place>,
    checkpoints: Vec<Checkpoint>,
    anchors: Vec<Anchor>,
    counters: Vec<(String, u64)>,
    definitions: Stacks,
    /// As the last checkpoint tells, and then up to the end.
    totals: Totals,
    /// The stacks that events have.
    stacks: HashSet<StackId>,
    end: Option<(u64, String)>,
}

impl<R: Read + Seek> Skim<R> {
    /// Reads a file but for its events; `None` where only who reads everything tells the truth.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn of(segment: Segment<R>) -> Result<Option<Self>, Error> {
        let (header, mut at) = (segment.header().clone(), segment.behind());
        let mut input = segment.into_input()?;
        let mut walk = Walk {
            room: unpacked_at_most(input.len()),
            ..Walk::default()
        };
        if header.segment != 0 {
            return Ok(None);
        }
        while walk.end.is_none() {
            let Some(chunk) = input.chunk_header(at)? else {
                return Ok(None);
            };
            let stored = stored(&mut input, Place { at, chunk })?;
            if stored
                .and_then(|stored| walk.take(at, chunk, stored))
                .is_none()
            {
                return Ok(None);
            }
            at += HEADER_LEN as u64 + u64::from(chunk.stored_len);
        }
        let Some((events, reason)) = walk.end.take().filter(|_| at == input.len()) else {
            return Ok(None);
        };
        let mut skim = Skim {
            input,
            header,
            walk,
            last: Live::default(),
            reason,
        };
        let whole = skim.count_rest()?.is_some() && skim.walk.totals.events == events;
        Ok(Some(skim).filter(|_| whole))
    }

    /// The trace with all that is true of it as a whole, and no event: what it has is in its
    /// [`Part`].
    #[must_use]
    pub fn outline(mut self) -> Trace {
        let mut builder = self.builder();
        builder.take_part(self.part(0));
        builder.take_stacks(std::mem::take(&mut self.walk.definitions));
        builder.finish(self.integrity())
    }

    /// The same without stacks: when the trace begins and ends, and what the wall clock said.
    #[must_use]
    pub fn extent(&self) -> Trace {
        let mut builder = self.builder();
        builder.take_part(self.part(0));
        builder.finish(self.integrity())
    }

    /// The trace with the events of a stretch, both ends included, and the tasks that these tell of;
    /// the rest is in its [`Part`]. `None` as in [`Skim::of`].
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn stretch(mut self, from: Time, to: Time) -> Result<Option<Trace>, Error> {
        let mut checkpoints = self.walk.checkpoints.iter();
        let start = checkpoints.rposition(|checkpoint| checkpoint.time < from);
        let mut first = start.map_or(0, |start| self.walk.checkpoints[start].events);
        let next = self.behind(start).start;
        let mut builder = self.builder();
        if self.resume(start, &mut builder)?.is_none() {
            return Ok(None);
        }
        let behind = self.walk.places[next..].iter();
        let behind = next + behind.take_while(|place| place.chunk.first <= to).count();
        for place in next..behind {
            let read = self.each_event(place, |event| match event.time {
                time if time < from => {
                    first += 1;
                    builder.follow(event);
                }
                time if time <= to => builder.push(event),
                _ => {}
            });
            if read?.is_none() {
                return Ok(None);
            }
        }
        // Such a task is shown by the name that it gets later.
        if builder.has_nameless_tasks() {
            return Ok(None);
        }
        builder.take_part(self.part(first));
        builder.take_stacks(std::mem::take(&mut self.walk.definitions));
        Ok(Some(builder.finish(self.integrity())))
    }

    /// The trace with the tasks that lived at a moment, who made them, and when and how they ended; it
    /// has no event, and of other tasks only some. The rest is in its [`Part`]. `None` as in
    /// [`Skim::of`], and where the checkpoint before does not tell by what names creators made tasks.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn moment(mut self, at: Time) -> Result<Option<Trace>, Error> {
        let checkpoints = &self.walk.checkpoints;
        let start = checkpoints.iter().rposition(|it| it.time <= at);
        if start.is_some_and(|start| !checkpoints[start].tells_creators) {
            return Ok(None);
        }
        let mut builder = self.builder();
        if self.resume(start, &mut builder)?.is_none() {
            return Ok(None);
        }
        // Such a task is shown by the name that it gets later. That of others stays as it was.
        let mut has_nameless = None;
        let followed = self.follow(self.behind(start), |event| {
            if event.time > at {
                has_nameless.get_or_insert_with(|| builder.has_nameless_tasks());
            }
            builder.follow(event);
        });
        if followed?.is_none() || has_nameless.unwrap_or_else(|| builder.has_nameless_tasks()) {
            return Ok(None);
        }
        let next = start.map_or(0, |start| start + 1);
        if self.find_ends(at, next, &mut builder)?.is_none() {
            return Ok(None);
        }
        builder.take_part(self.part(0));
        builder.take_stacks(std::mem::take(&mut self.walk.definitions));
        Ok(Some(builder.finish(self.integrity())))
    }

    /// Finds the ends of those who lived at a moment, and still at a checkpoint. Where all of them live
    /// at the next one, too, what is between them tells nothing new.
    fn find_ends(
        &mut self,
        at: Time,
        from: usize,
        builder: &mut TraceBuilder,
    ) -> Result<Option<()>, Error> {
        let tasks = builder.tasks().iter();
        let still = tasks.filter(|task| task.alive_at(at) && task.ended.is_none());
        let mut sought: Sought = still
            .map(|task| ((task.task, task.born), task.id))
            .collect();
        // Those of the end have none.
        let last = living(&self.last.checkpoint());
        sought.retain(|who, _| !last.contains(who));
        let all = self.walk.checkpoints.len();
        let mut here = match from < all {
            true => self.carried(from)?,
            false => return Ok(sought.is_empty().then_some(())),
        };
        for checkpoint in from..all {
            if sought.is_empty() {
                break;
            }
            let there = match checkpoint + 1 < all {
                true => self.carried(checkpoint + 1)?,
                false => Some(self.last.checkpoint()),
            };
            let (Some(before), Some(after)) = (here, there) else {
                return Ok(None);
            };
            let alive = living(&after);
            if sought.keys().any(|who| !alive.contains(who)) {
                let mut between = self.builder();
                between.resume(&before, self.walk.checkpoints[checkpoint].time);
                let events = self.behind(Some(checkpoint));
                if self
                    .follow(events, |event| between.follow(event))?
                    .is_none()
                {
                    return Ok(None);
                }
                take_ends(at, between.tasks(), &mut sought, builder);
            }
            if sought.keys().any(|who| !alive.contains(who)) {
                return Ok(None);
            }
            here = Some(after);
        }
        Ok(Some(()))
    }

    /// Takes up what lived at a checkpoint; without one, nothing did.
    fn resume(
        &mut self,
        checkpoint: Option<usize>,
        builder: &mut TraceBuilder,
    ) -> Result<Option<()>, Error> {
        let Some(checkpoint) = checkpoint else {
            return Ok(Some(()));
        };
        let Some(carried) = self.carried(checkpoint)? else {
            return Ok(None);
        };
        if self.header.launched {
            let Some(task) = self.first_task()? else {
                return Ok(None);
            };
            builder.know_first(&task, &carried);
        }
        builder.resume(&carried, self.walk.checkpoints[checkpoint].time);
        Ok(Some(()))
    }

    /// The chunks of events between a checkpoint, or the front, and the next one.
    fn behind(&self, checkpoint: Option<usize>) -> Range<usize> {
        let checkpoints = &self.walk.checkpoints;
        let next = checkpoint.map_or(0, |checkpoint| checkpoint + 1);
        let first = checkpoint.map_or(0, |checkpoint| checkpoints[checkpoint].next);
        let behind = checkpoints.get(next).map(|checkpoint| checkpoint.next);
        first..behind.unwrap_or(self.walk.places.len())
    }

    /// A trace without events and tasks.
    fn builder(&self) -> TraceBuilder {
        let mut builder = TraceBuilder::new(self.header.clone());
        for anchor in &self.walk.anchors {
            builder.anchor(*anchor);
        }
        for (name, value) in &self.walk.counters {
            builder.count(name.clone(), *value);
        }
        builder
    }

    fn part(&self, first: u64) -> Part {
        Part {
            first,
            end: self.walk.now,
            totals: self.walk.totals.clone(),
            stacks: self.walk.stacks.clone(),
        }
    }

    fn integrity(&self) -> Integrity {
        let file_bytes = self.input.len();
        Integrity {
            chunks: u64::from(self.walk.number),
            file_bytes,
            last_file_bytes: file_bytes,
            segments: vec![0],
            ..Integrity::new(Ending::Finished(self.reason.clone()))
        }
    }

    /// Goes on counting from the last checkpoint to the end.
    fn count_rest(&mut self) -> Result<Option<()>, Error> {
        let Some(last) = self.walk.checkpoints.len().checked_sub(1) else {
            return Ok(None);
        };
        let Some(carried) = self.carried(last)? else {
            return Ok(None);
        };
        let mut live = Live::restored(&carried, self.walk.checkpoints[last].time);
        if live.len() != carried.iter().filter(|task| task.ended.is_none()).count() {
            return Ok(None);
        }
        let stacks = std::mem::take(&mut self.walk.stacks);
        live.count_on(self.walk.totals.clone(), stacks);
        let rest = self.behind(Some(last));
        if self.follow(rest, |event| live.follow(&event))?.is_none() {
            return Ok(None);
        }
        self.walk.totals = live.totals().clone();
        self.walk.stacks = live.stacks().clone();
        self.last = live;
        let defined = |stack: &StackId| self.walk.definitions.node(*stack).is_some();
        Ok(self.walk.stacks.iter().all(defined).then_some(()))
    }

    /// The tasks of a checkpoint.
    fn carried(&mut self, checkpoint: usize) -> Result<Option<Vec<Carried>>, Error> {
        let mut carried: Vec<Carried> = Vec::new();
        let Checkpoint { parts, time, .. } = &self.walk.checkpoints[checkpoint];
        for place in parts {
            let Some(stored) = stored(&mut self.input, *place)? else {
                return Ok(None);
            };
            let read = records(&place.chunk, stored, false, |record| {
                if let Record::Carried(task) = record {
                    if task.parent.is_some_and(|parent| parent >= carried.len()) {
                        return None;
                    }
                    carried.push(task);
                }
                Some(())
            });
            if read.is_none() {
                return Ok(None);
            }
        }
        put_in_order(&mut carried, *time);
        Ok(Some(carried))
    }

    /// The first task of all, as it was when the moment of its birth was over.
    fn first_task(&mut self) -> Result<Option<TaskRecord>, Error> {
        let mut builder = TraceBuilder::new(self.header.clone());
        for place in 0..self.walk.places.len() {
            let first = self.walk.places[place].chunk.first;
            if builder.tasks().first().is_some_and(|it| it.born < first) {
                break;
            }
            if self
                .each_event(place, |event| builder.follow(event))?
                .is_none()
            {
                return Ok(None);
            }
        }
        Ok(builder.tasks().first().cloned())
    }

    /// Gives the events of several chunks.
    fn follow(
        &mut self,
        places: Range<usize>,
        mut take: impl FnMut(Event),
    ) -> Result<Option<()>, Error> {
        for place in places {
            if self.each_event(place, &mut take)?.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(()))
    }

    /// Gives the events of a chunk, which must be within its times.
    fn each_event(
        &mut self,
        place: usize,
        mut take: impl FnMut(Event),
    ) -> Result<Option<()>, Error> {
        let place = self.walk.places[place];
        let Some(stored) = stored(&mut self.input, place)? else {
            return Ok(None);
        };
        let mut now = place.chunk.first;
        let read = records(&place.chunk, stored, false, |record| match record {
            Record::Event(event) if (now..=place.chunk.last).contains(&event.time) => {
                now = event.time;
                take(event);
                Some(())
            }
            _ => None,
        });
        Ok(read)
    }
}

impl Walk {
    /// Takes the next chunk.
    fn take(&mut self, at: u64, chunk: ChunkHeader, stored: &[u8]) -> Option<()> {
        let is_next = chunk.number == self.number;
        self.number = self.number.checked_add(1)?;
        self.room = self.room.checked_sub(u64::from(chunk.raw_len))?;
        let is_empty = chunk.records == 0 && chunk.raw_len == 0;
        let is_in_order = match chunk.kind {
            chunk::kind::DEFINITIONS => chunk.first <= self.now && chunk.last <= self.now,
            // It says that nothing happened, of a time that may be known already.
            chunk::kind::EVENTS if is_empty => chunk.first <= chunk.last,
            _ => self.now <= chunk.first && chunk.first <= chunk.last,
        };
        // The parts of a checkpoint stand together.
        let is_whole = chunk.kind == chunk::kind::CHECKPOINT || self.parts.is_empty();
        if !is_next || !is_in_order || !is_whole {
            return None;
        }
        self.now = self.now.max(chunk.last);
        let place = Place { at, chunk };
        match chunk.kind {
            chunk::kind::EVENTS if is_empty => records(&chunk, stored, false, |_| None),
            chunk::kind::EVENTS => {
                self.places.push(place);
                Some(())
            }
            chunk::kind::DEFINITIONS => records(&chunk, stored, false, |record| {
                if let Record::Definition(definition) = record {
                    self.definitions.define(definition);
                }
                Some(())
            }),
            chunk::kind::CHECKPOINT => self.part(place, stored),
            chunk::kind::END => self.ending(&chunk, stored),
            _ => None,
        }
    }

    fn part(&mut self, place: Place, stored: &[u8]) -> Option<()> {
        let (mut tally, mut end) = (None, None);
        records(&place.chunk, stored, true, |record| match record {
            Record::Anchor(anchor) => {
                self.anchors.push(anchor);
                Some(())
            }
            Record::Tally(told) if tally.is_none() => {
                tally = Some(told);
                Some(())
            }
            Record::Part { part, last } if end.is_none() && part as usize == self.parts.len() => {
                end = Some(last);
                Some(())
            }
            _ => None,
        })?;
        self.parts.push(place);
        if !end? {
            return Some(());
        }
        let tally = *tally?;
        // Before the first one there are events, so it is not where the trace begins.
        if self.places.is_empty() || tally.totals.events <= self.totals.events {
            return None;
        }
        self.checkpoints.push(Checkpoint {
            parts: std::mem::take(&mut self.parts),
            time: place.chunk.last,
            events: tally.totals.events,
            next: self.places.len(),
            tells_creators: tally.tells_creators,
        });
        self.totals = tally.totals;
        self.stacks.extend(tally.stacks);
        Some(())
    }

    fn ending(&mut self, chunk: &ChunkHeader, stored: &[u8]) -> Option<()> {
        records(chunk, stored, false, |record| {
            match record {
                Record::Anchor(anchor) => self.anchors.push(anchor),
                Record::Counter { name, value } => self.counters.push((name, value)),
                Record::End { events, reason } if self.end.is_none() && reason != GOES_ON => {
                    self.end = Some((events, reason));
                }
                _ => return None,
            }
            Some(())
        })?;
        self.end.as_ref().map(|_| ())
    }
}

/// Who lives at a checkpoint, and since when.
fn living(carried: &[Carried]) -> HashSet<(Task, Time)> {
    let alive = carried.iter().filter(|task| task.ended.is_none());
    alive.map(|task| (task.task, task.born)).collect()
}

/// Takes over the ends that these tasks have, of those that are sought.
fn take_ends(at: Time, tasks: &[TaskRecord], sought: &mut Sought, builder: &mut TraceBuilder) {
    for task in tasks {
        if let Some(ended) = task.ended.filter(|ended| *ended > at)
            && let Some(id) = sought.remove(&(task.task, task.born))
        {
            builder.know_end(id, ended, task.how);
        }
    }
}

/// A chunk's payload as it is stored; `None` if it is not what was written.
fn stored<R: Read + Seek>(input: &mut Input<R>, place: Place) -> Result<Option<&[u8]>, Error> {
    let len = HEADER_LEN + place.chunk.stored_len as usize;
    let bytes = input.peek(place.at, len)?;
    let stored = bytes.get(HEADER_LEN..);
    Ok(stored.filter(|stored| place.chunk.matches(stored)))
}

/// Gives a chunk's records, those of known kinds and with no more fields than are known: `None` if
/// there are others, if it does not decode, or if `take` does not want one.
fn records(
    chunk: &ChunkHeader,
    stored: &[u8],
    without_tasks: bool,
    mut take: impl FnMut(Record) -> Option<()>,
) -> Option<()> {
    let payload = chunk.unpack(stored).ok()?;
    let mut decoder = match without_tasks {
        true => Decoder::without_tasks(&payload, chunk.kind),
        false => Decoder::new(&payload, chunk.kind),
    };
    while let Some(record) = decoder.next() {
        take(record.ok()?)?;
    }
    let all = decoder.records == u64::from(chunk.records);
    (all && decoder.unknown == 0 && decoder.longer == 0).then_some(())
}

#[cfg(test)]
mod tests;
