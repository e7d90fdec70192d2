//! Reading a trace: whatever the file went through, all that is readable, and what is not.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read, Seek};

use super::chunk::{self, ChunkHeader, HEADER_LEN};
use super::counts::Counts;
use super::error::Error;
use super::header;
use super::header::{GIVEN_UP_EARLY, Header};
use super::input::{Found, Input};
use super::record::{Decoder, Record};
use super::writer::GOES_ON;
use crate::model::{
    Anchor, Carried, Damage, Definition, Ending, Event, Integrity, Tally, Time, Trace, TraceBuilder,
};

/// How many bytes chunks may unpack to in all: this, and so many times the file's length. Real
/// traces unpack to a few times their length; LZ4 could give 255 times it, and an event or a
/// definition in memory takes twenty times its record, so that a hostile megabyte could fill any
/// machine.
const UNPACKED: (u64, u64) = (32 << 20, 32);

/// How many bytes the chunks of a file of this length may unpack to in all.
pub(super) fn unpacked_at_most(file_bytes: u64) -> u64 {
    let times = file_bytes.saturating_mul(UNPACKED.1);
    times.saturating_add(UNPACKED.0)
}

/// Whether a file's first bytes are those of a trace (or of a damaged one that says so itself).
#[must_use]
pub fn looks_like_trace(start: &[u8]) -> bool {
    start.starts_with(&header::MAGIC)
}

/// One file of a recording; its header is read.
#[derive(Debug)]
pub struct Segment<R> {
    input: Source<R>,
    header: Header,
    /// Where the first chunk begins.
    behind: u64,
}

/// Opens a file again.
type Opener<R> = Box<dyn FnOnce() -> io::Result<R> + Send>;

enum Source<R> {
    Open(Input<R>),
    /// To be opened when its turn comes, and read up to this length, bytes.
    Closed(Opener<R>, u64),
}

impl<R> fmt::Debug for Source<R> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Open(_) => out.write_str("Open"),
            Source::Closed(_, len) => write!(out, "Closed({len} bytes)"),
        }
    }
}

impl<R: Read + Seek> Segment<R> {
    /// Opens it, as long as it is now.
    ///
    /// # Errors
    /// If the file cannot be read, is no trace, or its header is damaged.
    pub fn open(file: R) -> Result<Self, Error> {
        let mut input = Input::new(file)?;
        let (header, behind) = input.header()?;
        Ok(Segment {
            input: Source::Open(input),
            header,
            behind,
        })
    }

    /// Closes it, until its turn to be read comes: a recording may have more files than a process
    /// may have open, or buffers for. Then `open` is to give the same file, which is read as long as
    /// it was when it was opened first.
    #[must_use]
    pub fn closed(mut self, open: impl FnOnce() -> io::Result<R> + Send + 'static) -> Self {
        self.input = Source::Closed(Box::new(open), self.bytes());
        self
    }

    /// How much of the file is read, bytes: as long as it was when it was opened first.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        match &self.input {
            Source::Open(input) => input.len(),
            Source::Closed(_, len) => *len,
        }
    }

    /// The file, open. One that was closed must have the header that it had.
    pub(super) fn into_input(self) -> Result<Input<R>, Error> {
        let (open, len) = match self.input {
            Source::Open(input) => return Ok(input),
            Source::Closed(open, len) => (open, len),
        };
        let file = open().map_err(|source| Error::Io {
            doing: "opening a file of the recording again",
            offset: 0,
            source,
        })?;
        let mut input = Input::new(file)?;
        input.shorten(len);
        if input.header()?.0 != self.header {
            return Err(Error::Header {
                offset: 0,
                problem: "is another than a moment ago".into(),
            });
        }
        Ok(input)
    }

    /// Where its first chunk begins.
    pub(super) fn behind(&self) -> u64 {
        self.behind
    }

    /// What the recorder wrote at its start.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }
}

/// Takes what files hold, in order.
pub trait Sink {
    /// The next event.
    fn event(&mut self, event: Event);
    /// A checkpoint: what lived at a time.
    fn checkpoint(&mut self, carried: &[Carried], time: Time);
    /// What a number stands for, before the events that have it; of a symbol it may come later.
    fn define(&mut self, definition: Definition);
    /// What the wall clock said.
    fn anchor(&mut self, anchor: Anchor);
    /// Something that the recorder counted about itself.
    fn counter(&mut self, name: String, value: u64);
    /// Up to here the files vouch that no event is missing but for the damage.
    fn reached(&mut self, time: Time);
    /// A part that could not be read, before what follows is given.
    fn damaged(&mut self, damage: &Damage);
}

/// Reads a whole trace that is one file: the file as long as it is now.
///
/// Memory is bounded by what the file holds, never by what it claims. Chunks that unpack to far
/// more than real ones do are left out, as damage, once they have unpacked to 32 MiB and to 32
/// times the file's length.
///
/// # Errors
/// If the file cannot be read, is no trace, or its header is damaged. Anything wrong behind the
/// header is in the trace's [`Integrity`].
pub fn read_trace<R: Read + Seek>(file: R) -> Result<Trace, Error> {
    read_segments(vec![Segment::open(file)?])
}

/// Reads the files of one recording, in any order, as one trace; see [`read_trace`]. Files that
/// are missing at the front were given up by the recorder, if it has to stay within its disk
/// ([`Header::gives_up_files`]): the trace begins where the first file does ([`Trace::begin`]). Others
/// that are missing are damage.
///
/// # Errors
/// If a file cannot be read, or they are not of one recording.
pub fn read_segments<R: Read + Seek>(mut segments: Vec<Segment<R>>) -> Result<Trace, Error> {
    segments.sort_by_key(|segment| segment.header.segment);
    let first = segments.first().ok_or(Error::Empty)?;
    let mut builder = TraceBuilder::new(first.header.clone());
    let integrity = scan(segments, &mut builder)?;
    Ok(builder.finish(integrity))
}

/// Gives what the files of one recording hold to a sink, in order, and says what is wrong with
/// them: for traces that are larger than memory.
///
/// # Errors
/// As [`read_segments`].
pub fn scan<R: Read + Seek>(
    segments: Vec<Segment<R>>,
    sink: &mut impl Sink,
) -> Result<Integrity, Error> {
    scan_with(segments, sink, None)
}

/// Does what [`scan`] does, and counts, too: what a checkpoint says of the events before it, and they do
/// not, is damage of no length. Behind other damage, or records of a later version, nothing can be
/// compared. Memory and time grow with what lives at once, and with the events.
///
/// # Errors
/// As [`read_segments`].
pub fn scan_counted<R: Read + Seek>(
    segments: Vec<Segment<R>>,
    sink: &mut impl Sink,
) -> Result<Integrity, Error> {
    scan_with(segments, sink, Some(Counts::default()))
}

fn scan_with<R: Read + Seek>(
    mut segments: Vec<Segment<R>>,
    sink: &mut impl Sink,
    mut counts: Option<Counts>,
) -> Result<Integrity, Error> {
    segments.sort_by_key(|segment| segment.header.segment);
    let mut whole = Integrity::new(Ending::CutShort);
    let mut now = Time(0);
    let mut open = Vec::new();
    let count = segments.len();
    let first = segments.first().map_or(0, |first| first.header.segment);
    if first > 0 && !segments.iter().any(|one| one.header.gives_up_files()) {
        open.push(damage(0, 0, 0, now, missing(first)));
    }
    let mut expected: Option<(u128, u32)> = None;
    let mut early = false;
    for (index, segment) in segments.into_iter().enumerate() {
        let (id, number) = (segment.header.trace_id, segment.header.segment);
        if let Some((expected_id, expected_number)) = expected {
            if id != expected_id || number < expected_number {
                return Err(Error::NotOneRecording {
                    first: expected_id,
                    other: id,
                    segment: number,
                });
            }
            if number > expected_number {
                let missing = missing(number - expected_number);
                open.push(damage(expected_number, 0, 0, now, missing));
            }
        }
        expected = Some((id, number.wrapping_add(1)));
        let behind = segment.behind;
        let mut input = segment.into_input()?;
        let mut scan = Scan::new(sink, number, behind, input.len(), now, open);
        // A tally counts from the front of the recording's first file.
        scan.counts = counts.take().filter(|_| number == 0);
        while scan.step(&mut input)? {}
        early |= scan.given_up_early;
        let last = index + 1 == count;
        (now, open) = scan.finish(input.len(), last, &mut whole);
    }
    for damage in open {
        sink.damaged(&damage);
        whole.damage.push(damage);
    }
    if early {
        whole.damage.retain(|damage| damage.segment >= first);
    }
    Ok(whole)
}

/// So many files are not here.
fn missing(files: u32) -> String {
    match files {
        1 => "this file of the recording is missing".into(),
        more => format!(
            "this file of the recording and {} more are missing",
            more - 1
        ),
    }
}

fn damage(segment: u32, offset: u64, bytes: u64, after: Time, problem: String) -> Damage {
    Damage {
        segment,
        offset,
        bytes,
        after,
        before: None,
        problem,
    }
}

/// The state of a scan over the chunks of one file.
struct Scan<'a, S> {
    sink: &'a mut S,
    integrity: Integrity,
    segment: u32,
    /// The last moment known so far.
    now: Time,
    /// The parts of a checkpoint, as far as they have come.
    carried: Vec<Carried>,
    next_part: u32,
    /// Where the scan is.
    offset: u64,
    /// End of the last chunk whose place is certain; what follows is the tail.
    good: u64,
    /// The number that the next chunk should have. Lower ones were read, or are gone for good.
    next_number: u64,
    /// Events in the chunks read, those of unknown kinds included.
    events: u64,
    claimed_events: Option<u64>,
    /// How many bytes chunks may still unpack to.
    room: u64,
    /// Damage that waits for the time of the next readable chunk.
    open: Vec<Damage>,
    /// The recorder tells that it gave up files for the sake of a full disk.
    given_up_early: bool,
    /// Whether what stands just before is damage, which explains a jump in the numbers by itself.
    explained: bool,
    /// What tallies are compared with, as long as all events are here and understood.
    counts: Option<Counts>,
}

impl<'a, S: Sink> Scan<'a, S> {
    fn new(
        sink: &'a mut S,
        segment: u32,
        offset: u64,
        file_bytes: u64,
        now: Time,
        open: Vec<Damage>,
    ) -> Self {
        Scan {
            sink,
            integrity: Integrity::new(Ending::CutShort),
            segment,
            now,
            carried: Vec::new(),
            next_part: 0,
            offset,
            good: offset,
            next_number: 0,
            events: 0,
            claimed_events: None,
            room: unpacked_at_most(file_bytes),
            explained: !open.is_empty(),
            open,
            given_up_early: false,
            counts: None,
        }
    }

    /// Reads one chunk, or notes damage and moves behind it; `false` at the end.
    fn step<R: Read + Seek>(&mut self, input: &mut Input<R>) -> Result<bool, Error> {
        let start = self.offset;
        let Some(header) = input.chunk_header(start)? else {
            return self.resume(input, start);
        };
        let len = HEADER_LEN + header.stored_len as usize;
        let end = start + len as u64;
        let stored = &input.peek(start, len)?[HEADER_LEN..];
        if !header.matches(stored) {
            return self.pass_over_broken(input, header.kind, end);
        }
        if u64::from(header.number) < self.next_number {
            let problem = format!("chunk {} again", header.number);
            self.damaged(start, len as u64, problem);
        } else {
            self.note_missing_chunks(&header, start);
            match self.unpack(&header, stored) {
                Ok(payload) => self.chunk(&header, &payload, start),
                Err(problem) => self.damaged(start, len as u64, problem),
            }
            self.next_number = u64::from(header.number) + 1;
        }
        self.offset = end;
        self.good = end;
        if self.integrity.ending == Ending::CutShort {
            return Ok(true);
        }
        self.note_other_trace(input, end)?;
        Ok(false)
    }

    fn unpack<'b>(
        &mut self,
        header: &ChunkHeader,
        stored: &'b [u8],
    ) -> Result<Cow<'b, [u8]>, String> {
        match self.room.checked_sub(u64::from(header.raw_len)) {
            Some(room) => self.room = room,
            None => return Err("unpacks to more than a file of this length may".into()),
        }
        header.unpack(stored)
    }

    /// Looks for the next chunk behind bytes that are none. What lies between is damage; at the
    /// end of the file it is the unfinished tail that a crash leaves.
    fn resume<R: Read + Seek>(&mut self, input: &mut Input<R>, start: u64) -> Result<bool, Error> {
        match input.find(start)? {
            Found::Nothing => Ok(false),
            Found::Chunk(next) => {
                self.damaged(start, next - start, "no chunk begins here".into());
                self.offset = next;
                Ok(true)
            }
            Found::OtherTrace(next) => {
                if next > start {
                    self.damaged(start, next - start, "no chunk begins here".into());
                }
                self.note_other_trace(input, next)?;
                Ok(false)
            }
        }
    }

    /// Moves behind a chunk whose payload is not what was written. If a chunk stands at its end
    /// it was damaged. Else its writer was probably cut in the middle, and the next chunk, if
    /// there is one, begins inside the length that this one claims.
    fn pass_over_broken<R: Read + Seek>(
        &mut self,
        input: &mut Input<R>,
        kind: u8,
        end: u64,
    ) -> Result<bool, Error> {
        let start = self.offset;
        // Keeps the payload at hand while the next header is looked at.
        input.peek(start, (end - start) as usize + HEADER_LEN)?;
        let certain = end >= input.len() || input.chunk_header(end)?.is_some();
        let mut behind = end.min(input.len());
        let mut problem = match kind {
            chunk::kind::DEFINITIONS => {
                "a damaged chunk of definitions, so that stacks are missing: its checksum does not match"
            }
            _ => "a damaged chunk: its checksum does not match",
        };
        if !certain && input.is_patient_for(end - start) {
            let next = input.find(start + HEADER_LEN as u64)?;
            if let Found::Chunk(next) | Found::OtherTrace(next) = next {
                behind = next;
                problem = "a chunk without its end";
            }
        }
        self.damaged(start, behind - start, problem.into());
        self.offset = behind;
        self.good = behind;
        Ok(true)
    }

    /// Another file's content, put behind this one's: its tasks are not this trace's.
    fn note_other_trace<R: Read + Seek>(
        &mut self,
        input: &mut Input<R>,
        at: u64,
    ) -> Result<(), Error> {
        if input.trace_begins(at)? {
            let problem = "another trace begins here; it is not read".into();
            self.damaged(at, input.len() - at, problem);
        }
        Ok(())
    }

    fn damaged(&mut self, offset: u64, bytes: u64, problem: String) {
        self.explained = true;
        self.counts = None;
        self.open
            .push(damage(self.segment, offset, bytes, self.now, problem));
    }

    fn note_missing_chunks(&mut self, header: &ChunkHeader, start: u64) {
        if u64::from(header.number) != self.next_number && !self.explained {
            let problem = format!(
                "chunk {} follows where chunk {} should",
                header.number, self.next_number
            );
            self.damaged(start, 0, problem);
        }
    }

    fn chunk(&mut self, header: &ChunkHeader, payload: &[u8], start: u64) {
        self.explained = false;
        // Definitions are of no time: what they are for comes behind them.
        if header.kind != chunk::kind::DEFINITIONS {
            for mut damage in self.open.drain(..) {
                damage.before = Some(header.first.max(damage.after));
                self.sink.damaged(&damage);
                self.integrity.damage.push(damage);
            }
        }
        self.integrity.chunks += 1;
        let known = [
            chunk::kind::EVENTS,
            chunk::kind::END,
            chunk::kind::CHECKPOINT,
            chunk::kind::DEFINITIONS,
        ];
        if !known.contains(&header.kind) {
            self.integrity.unknown_records += u64::from(header.records).max(1);
            self.counts = None;
            return;
        }
        let is_checkpoint = header.kind == chunk::kind::CHECKPOINT;
        let mut decoder = Decoder::new(payload, header.kind);
        let read = if is_checkpoint {
            self.checkpoint(&mut decoder, header)
        } else {
            self.records(&mut decoder, header.records).map(|()| None)
        };
        match read {
            Ok(Some(tally)) => self.compare(&tally, start),
            Ok(None) => {}
            Err(problem) => {
                let bytes = HEADER_LEN as u64 + u64::from(header.stored_len);
                self.damaged(start, bytes, problem);
            }
        }
        if decoder.unknown > 0 {
            self.counts = None;
        }
        self.events += decoder.events;
        self.integrity.unknown_records += decoder.unknown;
        self.integrity.longer_records += decoder.longer;
        self.now = self.now.max(header.last);
        self.sink.reached(self.now);
    }

    /// Takes a chunk's records, up to the first that does not decode.
    fn records(&mut self, decoder: &mut Decoder<'_>, expected: u32) -> Result<(), String> {
        while let Some(record) = decoder.next() {
            match record.map_err(|problem| format!("a record does not decode: {problem}"))? {
                Record::Event(mut event) => {
                    event.time = event.time.max(self.now);
                    self.now = event.time;
                    if let Some(counts) = &mut self.counts {
                        counts.event(&event);
                    }
                    self.sink.event(event);
                }
                Record::Counter { name, value } => {
                    self.given_up_early |= name == GIVEN_UP_EARLY;
                    self.sink.counter(name, value);
                }
                Record::Anchor(anchor) => self.sink.anchor(anchor),
                Record::Definition(definition) => self.sink.define(definition),
                // The decoder gives them of checkpoints only.
                Record::Part { .. } | Record::Carried(_) | Record::Tally(_) => {}
                Record::End { events, reason } => {
                    self.claimed_events = Some(events);
                    self.integrity.ending = Ending::Finished(reason);
                }
            }
        }
        has_all(decoder, expected)
    }

    /// Says where a tally and the events do not agree. Nothing of the trace is missing for that.
    fn compare(&mut self, tally: &Tally, start: u64) {
        let counts = self.counts.as_mut();
        if let Some(problem) = counts.and_then(|counts| counts.disagree(tally)) {
            self.integrity.damage.push(Damage {
                before: Some(self.now),
                ..damage(self.segment, start, 0, self.now, problem)
            });
        }
    }

    /// Takes a chunk that is a checkpoint, or a part of one. It counts when all parts are there: then its
    /// tally is given back, if it has one.
    fn checkpoint(
        &mut self,
        decoder: &mut Decoder<'_>,
        header: &ChunkHeader,
    ) -> Result<Option<Box<Tally>>, String> {
        let mut carried = std::mem::take(&mut self.carried);
        let next = std::mem::take(&mut self.next_part);
        let (before, mut end, mut tally) = (carried.len(), None, None);
        while let Some(record) = decoder.next() {
            match record.map_err(|problem| format!("a record does not decode: {problem}"))? {
                Record::Part { part, last } if part == next => end = Some((part, last)),
                // The one before was not written to its end.
                Record::Part { part: 0, last } => {
                    carried.drain(..before);
                    end = Some((0, last));
                }
                Record::Part { part, .. } => {
                    return Err(format!("part {part} of a checkpoint without those before"));
                }
                Record::Carried(task) if task.parent.is_none_or(|place| place < carried.len()) => {
                    carried.push(task);
                }
                Record::Carried(_) => {
                    return Err("a record does not decode: a parent that comes later".into());
                }
                Record::Anchor(anchor) => self.sink.anchor(anchor),
                Record::Tally(told) => tally = Some(told),
                // The decoder gives nothing else.
                _ => {}
            }
        }
        has_all(decoder, header.records)?;
        // Some places were counted from a part that turned out to be of another checkpoint.
        let mut places = carried.iter().enumerate();
        if places.any(|(place, task)| task.parent.is_some_and(|parent| parent >= place)) {
            return Err("a record does not decode: a parent that comes later".into());
        }
        match end {
            Some((_, true)) => {
                self.now = self.now.max(header.last);
                put_in_order(&mut carried, self.now);
                self.sink.checkpoint(&carried, self.now);
                Ok(tally)
            }
            Some((part, false)) => {
                (self.carried, self.next_part) = (carried, part + 1);
                Ok(None)
            }
            None => Err("a checkpoint that does not end".into()),
        }
    }

    /// Adds to what is wrong with the files before; how far they reach, and the damage that waits
    /// for the next file.
    fn finish(mut self, file_bytes: u64, last: bool, whole: &mut Integrity) -> (Time, Vec<Damage>) {
        let trailing = file_bytes.saturating_sub(self.good);
        let (good, now) = (self.good, self.now);
        if let Some(claimed) = self.claimed_events
            && claimed != self.events
            && self.integrity.damage.is_empty()
            && self.open.is_empty()
        {
            let found = self.events;
            let problem = format!("the end mark counts {claimed} events, the file has {found}");
            self.damaged(good, 0, problem);
        }
        if !last && self.integrity.ending == Ending::CutShort {
            let problem = "this file was cut short, and the recording went on in another";
            self.damaged(good, trailing, problem.into());
        }
        // The next file is not here, or not yet: what is here ends before the recording did.
        whole.goes_on =
            matches!(&self.integrity.ending, Ending::Finished(reason) if reason == GOES_ON);
        whole.ending = match self.integrity.ending {
            Ending::Finished(_) if last && whole.goes_on => Ending::CutShort,
            ending => ending,
        };
        whole.damage.append(&mut self.integrity.damage);
        whole.unknown_records += self.integrity.unknown_records;
        whole.longer_records += self.integrity.longer_records;
        whole.chunks += self.integrity.chunks;
        whole.file_bytes += file_bytes;
        whole.last_file_bytes = file_bytes;
        whole.trailing_bytes = trailing;
        whole.segments.push(self.segment);
        (now, self.open)
    }
}

/// Lives that a checkpoint tells of begin no earlier than their creators', end after they begin, and
/// do neither later than the checkpoint. Times that say otherwise count as the nearest that does not.
pub(super) fn put_in_order(carried: &mut [Carried], now: Time) {
    for place in 0..carried.len() {
        let parent = carried[place].parent.and_then(|parent| carried.get(parent));
        let earliest = parent.map_or(Time(0), |parent| parent.born);
        let task = &mut carried[place];
        task.born = task.born.min(now).max(earliest);
        if let Some((ended, _)) = &mut task.ended {
            *ended = (*ended).min(now).max(task.born);
        }
    }
}

/// Whether a chunk had as many records as it claims.
fn has_all(decoder: &Decoder<'_>, expected: u32) -> Result<(), String> {
    let found = decoder.records;
    if found == u64::from(expected) {
        return Ok(());
    }
    Err(format!(
        "a chunk of {expected} records that has {found} of them"
    ))
}

impl Sink for TraceBuilder {
    fn event(&mut self, event: Event) {
        self.push(event);
    }
    fn checkpoint(&mut self, carried: &[Carried], time: Time) {
        self.restore(carried, time);
    }
    fn define(&mut self, definition: Definition) {
        TraceBuilder::define(self, definition);
    }
    fn anchor(&mut self, anchor: Anchor) {
        TraceBuilder::anchor(self, anchor);
    }
    fn counter(&mut self, name: String, value: u64) {
        self.count(name, value);
    }
    fn reached(&mut self, time: Time) {
        TraceBuilder::reached(self, time);
    }
    fn damaged(&mut self, _: &Damage) {}
}
