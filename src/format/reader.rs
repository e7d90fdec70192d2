//! Reading a trace: whatever the file went through, all that is readable, and what is not.

use std::io::{Read, Seek, SeekFrom};

use super::chunk::{self, ChunkHeader, HEADER_LEN, MARKER};
use super::error::Error;
use super::header::{self, Header};
use super::record::{Decoder, Record};
use crate::model::{Damage, Ending, Integrity, Time, Trace, TraceBuilder};

/// Whether a file's first bytes are those of a trace (or of a damaged one that says so itself).
#[must_use]
pub fn looks_like_trace(start: &[u8]) -> bool {
    start.starts_with(&header::MAGIC)
}

/// Reads a whole trace: the file as long as it is now.
///
/// Memory is bounded by what the file holds, never by what it claims.
///
/// # Errors
/// If the file cannot be read, is no trace, or its header is damaged. Anything wrong behind the
/// header is in the trace's [`Integrity`].
pub fn read_trace<R: Read + Seek>(file: R) -> Result<Trace, Error> {
    let mut input = Input::new(file)?;
    let header = input.header()?;
    let mut scan = Scan::new(header, input.offset);
    while scan.step(&mut input)? {}
    Ok(scan.finish(&input))
}

/// The file, and where in it we are.
struct Input<R> {
    file: R,
    offset: u64,
    len: u64,
}

impl<R: Read + Seek> Input<R> {
    fn new(mut file: R) -> Result<Self, Error> {
        let io = |source| Error::Io {
            doing: "finding the length of the file",
            offset: 0,
            source,
        };
        let len = file.seek(SeekFrom::End(0)).map_err(io)?;
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        Ok(Input {
            file,
            offset: 0,
            len,
        })
    }

    fn header(&mut self) -> Result<Header, Error> {
        let fixed = self.take(header::FIXED_LEN)?;
        let length = Header::decode_fixed(&fixed)?;
        let body = self.take(length)?;
        if body.len() < length {
            return Err(header::cut(header::FIXED_LEN + body.len()));
        }
        Header::decode_body(&fixed, &body)
    }

    fn left(&self) -> u64 {
        self.len.saturating_sub(self.offset)
    }

    /// The next `wanted` bytes, fewer at the end of the file.
    fn take(&mut self, wanted: usize) -> Result<Vec<u8>, Error> {
        let wanted = self.left().min(wanted as u64) as usize;
        let mut bytes = vec![0; wanted];
        let mut got = 0;
        while got < wanted {
            match self.file.read(&mut bytes[got..]) {
                Ok(0) => break,
                Ok(count) => got += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => {
                    let offset = self.offset + got as u64;
                    return Err(Error::Io {
                        doing: "reading the trace",
                        offset,
                        source,
                    });
                }
            }
        }
        if got < wanted {
            // Someone cut the file while it was read.
            self.len = self.offset + got as u64;
            bytes.truncate(got);
        }
        self.offset += got as u64;
        Ok(bytes)
    }

    fn seek(&mut self, offset: u64) -> Result<(), Error> {
        self.file
            .seek(SeekFrom::Start(offset))
            .map_err(|source| Error::Io {
                doing: "moving in the trace",
                offset,
                source,
            })?;
        self.offset = offset;
        Ok(())
    }

    /// The header of a chunk that begins here; `None` if none does. Moves behind it.
    fn chunk_header(&mut self) -> Result<Option<ChunkHeader>, Error> {
        let bytes = self.take(HEADER_LEN)?;
        Ok(bytes
            .as_slice()
            .try_into()
            .ok()
            .and_then(ChunkHeader::decode))
    }

    /// Moves to the next chunk at or behind `from`; `false` at the end of the file.
    fn find_chunk(&mut self, from: u64) -> Result<bool, Error> {
        const WINDOW: usize = 256 << 10;
        let mut at = from;
        loop {
            self.seek(at)?;
            let window = self.take(WINDOW)?;
            if window.len() < HEADER_LEN {
                self.seek(self.len)?;
                return Ok(false);
            }
            let last = window.len() - HEADER_LEN;
            for start in 0..=last {
                if window[start..start + 4] == MARKER
                    && let Ok(bytes) = window[start..start + HEADER_LEN].try_into()
                    && ChunkHeader::decode(bytes).is_some()
                {
                    self.seek(at + start as u64)?;
                    return Ok(true);
                }
            }
            at += last as u64 + 1;
        }
    }
}

/// The state of a scan over the chunks.
struct Scan {
    builder: TraceBuilder,
    integrity: Integrity,
    next_number: u32,
    events: u64,
    claimed_events: Option<u64>,
    /// End of the last chunk that was read whole.
    good: u64,
    /// Damage that waits for the time of the next readable chunk.
    open: Vec<Damage>,
}

impl Scan {
    fn new(header: Header, good: u64) -> Self {
        let integrity = Integrity {
            ending: Ending::CutShort,
            damage: Vec::new(),
            unknown_records: 0,
            longer_records: 0,
            trailing_bytes: 0,
            chunks: 0,
            file_bytes: 0,
        };
        let builder = TraceBuilder::new(header);
        Scan {
            builder,
            integrity,
            next_number: 0,
            events: 0,
            claimed_events: None,
            good,
            open: Vec::new(),
        }
    }

    /// Reads one chunk, or notes damage and moves behind it; `false` at the end.
    fn step<R: Read + Seek>(&mut self, input: &mut Input<R>) -> Result<bool, Error> {
        let start = input.offset;
        if input.left() == 0 {
            return Ok(false);
        }
        let Some(header) = input.chunk_header()? else {
            return self.resume_behind(input, start, start + 1, "no chunk begins here");
        };
        if input.left() < u64::from(header.stored_len) {
            // Cut in the middle, unless chunks follow that were appended later.
            return self.resume_behind(input, start, input.offset, "a chunk without its end");
        }
        let stored = input.take(header.stored_len as usize)?;
        self.note_missing_chunks(&header, start);
        match header.unpack(stored) {
            Ok(payload) => self.chunk(&header, &payload, start),
            Err(problem) => self.damaged(start, input.offset - start, problem),
        }
        self.next_number = header.number.wrapping_add(1);
        self.good = input.offset;
        Ok(true)
    }

    /// Looks for the next chunk from `from` on. What lies between is damage; at the end of the
    /// file it is the unfinished tail that a crash leaves.
    fn resume_behind<R: Read + Seek>(
        &mut self,
        input: &mut Input<R>,
        start: u64,
        from: u64,
        problem: &str,
    ) -> Result<bool, Error> {
        if !input.find_chunk(from)? {
            return Ok(false);
        }
        self.damaged(start, input.offset - start, problem.into());
        Ok(true)
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
        if header.number != self.next_number && self.open.is_empty() {
            let problem = format!(
                "chunk {} follows where chunk {} should",
                header.number, self.next_number
            );
            self.damaged(start, 0, problem);
        }
    }

    fn chunk(&mut self, header: &ChunkHeader, payload: &[u8], start: u64) {
        for mut damage in self.open.drain(..) {
            damage.before = Some(header.first);
            self.integrity.damage.push(damage);
        }
        self.integrity.chunks += 1;
        if header.kind != chunk::kind::EVENTS && header.kind != chunk::kind::END {
            self.integrity.unknown_records += u64::from(header.records).max(1);
            return;
        }
        let mut decoder = Decoder::new(payload);
        while let Some(record) = decoder.next() {
            match record {
                Ok(Record::Event(event)) => {
                    self.events += 1;
                    self.builder.push(event);
                }
                Ok(Record::Counter { name, value }) => self.builder.count(name, value),
                Ok(Record::End { events, reason }) => {
                    self.claimed_events = Some(events);
                    self.integrity.ending = Ending::Finished(reason);
                }
                Err(problem) => {
                    let bytes = HEADER_LEN as u64 + u64::from(header.stored_len);
                    self.damaged(start, bytes, format!("a record does not decode: {problem}"));
                }
            }
        }
        self.integrity.unknown_records += decoder.unknown;
        self.integrity.longer_records += decoder.longer;
        self.builder.reached(header.last);
    }

    fn finish<R>(mut self, input: &Input<R>) -> Trace {
        self.integrity.damage.append(&mut self.open);
        self.integrity.file_bytes = input.len;
        self.integrity.trailing_bytes = input.len.saturating_sub(self.good);
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
