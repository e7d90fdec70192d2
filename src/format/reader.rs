//! Reading a trace: whatever the file went through, all that is readable, and what is not.

use std::borrow::Cow;
use std::io::{Read, Seek};

use super::chunk::{self, ChunkHeader, HEADER_LEN};
use super::error::Error;
use super::header;
use super::input::{Found, Input};
use super::record::{Decoder, Record};
use crate::model::{Damage, Ending, Integrity, Trace, TraceBuilder};

/// How many bytes chunks may unpack to in all: this, and so many times the file's length. Real
/// traces unpack to a few times their length; LZ4 could give 255 times it, and an event in memory
/// takes twenty times its record, so that a hostile megabyte could fill any machine.
const UNPACKED: (u64, u64) = (32 << 20, 32);

/// Whether a file's first bytes are those of a trace (or of a damaged one that says so itself).
#[must_use]
pub fn looks_like_trace(start: &[u8]) -> bool {
    start.starts_with(&header::MAGIC)
}

/// Reads a whole trace: the file as long as it is now.
///
/// Memory is bounded by what the file holds, never by what it claims. Chunks that unpack to far
/// more than real ones do are left out, as damage, once they have unpacked to 32 MiB and to 32
/// times the file's length.
///
/// # Errors
/// If the file cannot be read, is no trace, or its header is damaged. Anything wrong behind the
/// header is in the trace's [`Integrity`].
pub fn read_trace<R: Read + Seek>(file: R) -> Result<Trace, Error> {
    let mut input = Input::new(file)?;
    let (header, behind) = input.header()?;
    let mut scan = Scan::new(TraceBuilder::new(header), behind, input.len());
    while scan.step(&mut input)? {}
    Ok(scan.finish(input.len()))
}

/// The state of a scan over the chunks.
struct Scan {
    builder: TraceBuilder,
    integrity: Integrity,
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
}

impl Scan {
    fn new(builder: TraceBuilder, offset: u64, file_bytes: u64) -> Self {
        let integrity = Integrity {
            ending: Ending::CutShort,
            damage: Vec::new(),
            unknown_records: 0,
            longer_records: 0,
            trailing_bytes: 0,
            chunks: 0,
            file_bytes: 0,
        };
        Scan {
            builder,
            integrity,
            offset,
            good: offset,
            next_number: 0,
            events: 0,
            claimed_events: None,
            room: file_bytes
                .saturating_mul(UNPACKED.1)
                .saturating_add(UNPACKED.0),
            open: Vec::new(),
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
            return self.pass_over_broken(input, end);
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

    fn unpack<'a>(
        &mut self,
        header: &ChunkHeader,
        stored: &'a [u8],
    ) -> Result<Cow<'a, [u8]>, String> {
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
        end: u64,
    ) -> Result<bool, Error> {
        let start = self.offset;
        // Keeps the payload at hand while the next header is looked at.
        input.peek(start, (end - start) as usize + HEADER_LEN)?;
        let certain = end >= input.len() || input.chunk_header(end)?.is_some();
        let mut behind = end.min(input.len());
        let mut problem = "a damaged chunk: its checksum does not match";
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
        let after = self.builder.now();
        self.open.push(Damage {
            offset,
            bytes,
            after,
            before: None,
            problem,
        });
    }

    fn note_missing_chunks(&mut self, header: &ChunkHeader, start: u64) {
        // Damage just before explains a jump in the numbers by itself.
        if u64::from(header.number) != self.next_number && self.open.is_empty() {
            let problem = format!(
                "chunk {} follows where chunk {} should",
                header.number, self.next_number
            );
            self.damaged(start, 0, problem);
        }
    }

    fn chunk(&mut self, header: &ChunkHeader, payload: &[u8], start: u64) {
        for mut damage in self.open.drain(..) {
            damage.before = Some(header.first.max(damage.after));
            self.integrity.damage.push(damage);
        }
        self.integrity.chunks += 1;
        if header.kind != chunk::kind::EVENTS && header.kind != chunk::kind::END {
            self.integrity.unknown_records += u64::from(header.records).max(1);
            return;
        }
        let mut decoder = Decoder::new(payload);
        if let Err(problem) = self.records(&mut decoder, header.records) {
            let bytes = HEADER_LEN as u64 + u64::from(header.stored_len);
            self.damaged(start, bytes, problem);
        }
        self.events += decoder.events;
        self.integrity.unknown_records += decoder.unknown;
        self.integrity.longer_records += decoder.longer;
        self.builder.reached(header.last);
    }

    /// Takes a chunk's records, up to the first that does not decode.
    fn records(&mut self, decoder: &mut Decoder<'_>, expected: u32) -> Result<(), String> {
        while let Some(record) = decoder.next() {
            match record.map_err(|problem| format!("a record does not decode: {problem}"))? {
                Record::Event(event) => self.builder.push(event),
                Record::Counter { name, value } => self.builder.count(name, value),
                Record::End { events, reason } => {
                    self.claimed_events = Some(events);
                    self.integrity.ending = Ending::Finished(reason);
                }
            }
        }
        if decoder.records == u64::from(expected) {
            return Ok(());
        }
        let found = decoder.records;
        Err(format!(
            "a chunk of {expected} records that has {found} of them"
        ))
    }

    fn finish(mut self, file_bytes: u64) -> Trace {
        self.integrity.damage.append(&mut self.open);
        self.integrity.file_bytes = file_bytes;
        self.integrity.trailing_bytes = file_bytes.saturating_sub(self.good);
        if let Some(claimed) = self.claimed_events
            && claimed != self.events
            && self.integrity.damage.is_empty()
        {
            let after = self.builder.now();
            let problem = format!(
                "the end mark counts {claimed} events, the file has {}",
                self.events
            );
            self.integrity.damage.push(Damage {
                offset: self.good,
                bytes: 0,
                after,
                before: None,
                problem,
            });
        }
        self.builder.finish(self.integrity)
    }
}
