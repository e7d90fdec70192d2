//! Writing a trace: events in, self-contained chunks out.

use std::io::Write;

use super::chunk::{self, ChunkHeader, HEADER_LEN};
use super::error::{DEFINING, Error};
use super::header::Header;
use super::record::{Decoder, Encoder, Record};
use crate::model::{Anchor, Carried, Definition, Event, EventBody, Tally, Time};

/// A batch that has grown to this many bytes is written without waiting for a flush.
pub const MAX_BATCH_BYTES: usize = 256 << 10;

/// A checkpoint inside a file is due after so many bytes of events at least, before they are packed.
const LEAST_BETWEEN: u64 = 1 << 20;
/// And after so many times the bytes of the checkpoint before: what lives may be much.
const TIMES_BETWEEN: u64 = 16;

/// The end mark's reason in a file that is not its recording's last.
pub const GOES_ON: &str = "the recording goes on in the next file";

/// Appends a trace to `out`, each chunk whole and by one `write_all`.
///
/// A chunk that cannot be written is not kept for later: its events are counted, and the next
/// chunk that can be written begins with a `Lost` event that says how many and since when.
/// After such an error `out` must stand again where the last good chunk ended
/// ([`Writer::offset`]); where that cannot be, a reader finds the next chunk all the same. It
/// must not keep what it could not write, as a `BufWriter` does: a chunk that is written after it
/// was counted as lost takes the place of the next one.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    offset: u64,
    number: u32,
    events: u64,
    batch: Batch,
    /// Definitions that the batch needs.
    definitions: Batch,
    /// Up to here the file vouches that nothing is missing.
    vouched: Time,
    lost: Option<Loss>,
    lost_total: u64,
    packs: bool,
    /// Bytes of events since the last checkpoint, and of that, before they were packed.
    since_checkpoint: u64,
    last_checkpoint: u64,
    /// There is something in the file that no tally tells of: anchors among the events, or what one
    /// said that was not written.
    is_untold: bool,
}

#[derive(Debug, Default)]
struct Batch {
    encoder: Encoder,
    payload: Vec<u8>,
    records: u32,
    events: u64,
    first: Option<Time>,
    last: Time,
}

#[derive(Debug)]
struct Loss {
    count: u64,
    since: Time,
    reason: String,
}

impl<W: Write> Writer<W> {
    /// Writes the header.
    ///
    /// # Errors
    /// If the header is too large, or cannot be written.
    pub fn start(mut out: W, header: &Header) -> Result<Self, Error> {
        let bytes = header.encode()?;
        let io = |source| Error::Io {
            doing: "writing the header",
            offset: 0,
            source,
        };
        out.write_all(&bytes).map_err(io)?;
        out.flush().map_err(io)?;
        let offset = bytes.len() as u64;
        Ok(Writer {
            out,
            offset,
            number: 0,
            events: 0,
            batch: Batch::default(),
            definitions: Batch::default(),
            vouched: Time(0),
            lost: None,
            lost_total: 0,
            packs: true,
            since_checkpoint: 0,
            last_checkpoint: 0,
            is_untold: false,
        })
    }

    /// Adds an event to the batch, and writes the batch if it has grown large.
    ///
    /// # Errors
    /// If the batch cannot be written; see [`Writer::flush`].
    pub fn push(&mut self, event: &Event) -> Result<(), Error> {
        self.batch.push(event);
        if self.batch.payload.len() >= MAX_BATCH_BYTES {
            self.flush(event.time)
        } else {
            Ok(())
        }
    }

    /// Says what a number stands for, before an event that has it is pushed. It is written before
    /// the chunk of that event. If a call fails with an error, what was defined since the last
    /// that did not may be missing from the file: define it again.
    ///
    /// # Errors
    /// If it cannot be written; no event is lost by that.
    pub fn define(&mut self, definition: &Definition) -> Result<(), Error> {
        let (batch, time) = (&mut self.definitions, self.vouched);
        batch
            .encoder
            .definition(definition, time, &mut batch.payload);
        batch.records += 1;
        if batch.payload.len() >= MAX_BATCH_BYTES {
            return self.write_definitions();
        }
        Ok(())
    }

    fn write_definitions(&mut self) -> Result<(), Error> {
        if self.definitions.records == 0 {
            return Ok(());
        }
        let mut batch = std::mem::take(&mut self.definitions);
        let written = self.write_batch(&batch, chunk::kind::DEFINITIONS, self.vouched);
        batch.reset();
        self.definitions = batch;
        written.map_err(|source| Error::Io {
            doing: DEFINING,
            offset: self.offset,
            source,
        })
    }

    /// Writes the batch as one chunk that vouches for everything up to `now`: no event that comes
    /// later may be earlier than that. Without events it writes a chunk that says that nothing
    /// happened until then.
    ///
    /// # Errors
    /// If the chunk cannot be written. Its events are then lost, and counted.
    pub fn flush(&mut self, now: Time) -> Result<(), Error> {
        self.write_chunk(chunk::kind::EVENTS, now)
    }

    /// Adds what the wall clock said at a time to the batch.
    ///
    /// # Errors
    /// As [`Writer::push`].
    pub fn anchor(&mut self, anchor: Anchor) -> Result<(), Error> {
        self.batch.anchor(&anchor);
        self.is_untold = true;
        if self.batch.payload.len() >= MAX_BATCH_BYTES {
            self.flush(anchor.time)
        } else {
            Ok(())
        }
    }

    /// Writes a checkpoint, behind the batch: what lives, and what the wall clock says now.
    ///
    /// # Errors
    /// If it cannot be written, or the batch before it. Whatever the checkpoint could have
    /// explained stays unexplained; nothing else is lost by that.
    pub fn checkpoint(&mut self, carried: &[Carried], anchor: Anchor) -> Result<(), Error> {
        self.write_checkpoint(carried, None, anchor)
    }

    /// Whether there are so many events since the last checkpoint that one more costs little beside
    /// them: a reader that wants a moment begins at the one before it.
    #[must_use]
    pub fn is_checkpoint_due(&self) -> bool {
        let most = TIMES_BETWEEN.saturating_mul(self.last_checkpoint);
        let unwritten = self.batch.payload.len() as u64;
        self.since_checkpoint + unwritten >= most.max(LEAST_BETWEEN)
    }

    /// Writes a checkpoint as [`Writer::checkpoint`] does, which says what there was before it, too:
    /// in this file, which is the recording's first. Where the file lacks events, it does not.
    ///
    /// # Errors
    /// As [`Writer::checkpoint`].
    pub fn checkpoint_with(
        &mut self,
        carried: &[Carried],
        tally: &Tally,
        anchor: Anchor,
    ) -> Result<(), Error> {
        self.write_checkpoint(carried, Some(tally), anchor)
    }

    fn write_checkpoint(
        &mut self,
        carried: &[Carried],
        tally: Option<&Tally>,
        anchor: Anchor,
    ) -> Result<(), Error> {
        let now = anchor.time;
        if self.batch.records > 0 {
            self.flush(now)?;
        }
        let tally = tally.filter(|_| self.lost_total == 0 && !self.is_untold);
        // Until it is written.
        self.is_untold |= tally.is_some();
        let mut is_told = false;
        self.last_checkpoint = 0;
        let mut carried = carried.iter().peekable();
        for part in 0u32.. {
            let Batch {
                encoder,
                payload,
                records,
                ..
            } = &mut self.batch;
            encoder.anchor(&anchor, payload);
            *records += 2;
            while payload.len() < MAX_BATCH_BYTES
                && let Some(task) = carried.next()
            {
                encoder.carried(task, now, payload);
                *records += 1;
            }
            let last = carried.peek().is_none();
            if let Some(tally) = tally.filter(|_| last) {
                is_told = encoder.tally(tally, now, payload);
                *records += u32::from(is_told);
            }
            encoder.part(part, last, now, payload);
            self.write_chunk(chunk::kind::CHECKPOINT, now)?;
            if last {
                break;
            }
        }
        self.is_untold &= !is_told;
        Ok(())
    }

    /// Writes what is left, the recorder's counters and the end mark; gives `out` back.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn finish(mut self, now: Time, reason: &str, counters: &[(&str, u64)]) -> Result<W, Error> {
        // The file gets its end mark also where they do not fit into it.
        let defined = self.write_definitions();
        if self.batch.records > 0 || self.lost.is_some() {
            self.flush(now)?;
        }
        let batch = &mut self.batch;
        for (name, value) in counters {
            batch.encoder.counter(name, *value, now, &mut batch.payload);
        }
        batch
            .encoder
            .end(self.events, reason, now, &mut batch.payload);
        batch.records = counters.len() as u32 + 1;
        self.write_chunk(chunk::kind::END, now)?;
        let offset = self.offset;
        self.out.flush().map_err(|source| Error::Io {
            doing: "finishing the trace",
            offset,
            source,
        })?;
        defined.map(|()| self.out)
    }

    /// Events in the batch that is not yet written.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.batch.events
    }

    /// Bytes in the batch, and in the definitions that it needs, before they are packed.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.batch.payload.len() + self.definitions.payload.len()
    }

    /// Events written, in all.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Whether there is a loss that the file does not tell of yet.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.lost.is_some()
    }

    /// Whether chunks are packed where that pays; they are unless this says otherwise.
    pub fn pack(&mut self, yes: bool) {
        self.packs = yes;
    }

    /// Events that could not be written, in all.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost_total
    }

    /// Where the last good chunk ended, bytes from the start of the file.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What the trace is written to.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.out
    }

    fn lose(&mut self, count: u64, since: Time, reason: &str) {
        if count == 0 {
            return; // A chunk that only said how far the recording got.
        }
        self.lost_total += count;
        match &mut self.lost {
            Some(loss) => loss.count += count,
            None => {
                self.lost = Some(Loss {
                    count,
                    since,
                    reason: reason.into(),
                });
            }
        }
    }

    fn write_chunk(&mut self, kind: u8, now: Time) -> Result<(), Error> {
        // Without them events are still worth having.
        let defined = self.write_definitions();
        let mut batch = std::mem::take(&mut self.batch);
        // A checkpoint is no place for events; a loss waits for the next chunk of those.
        let takes_loss = kind != chunk::kind::CHECKPOINT;
        let (first, pushed) = (batch.first.unwrap_or(now), batch.events);
        if takes_loss && let Some(loss) = self.lost.take() {
            batch = batch.led_by(&loss, now);
            self.lost = Some(loss);
        }
        let written = self.write_batch(&batch, kind, now);
        let offset = self.offset;
        match written {
            Ok(()) => {
                self.events += batch.events;
                if takes_loss {
                    self.lost = None;
                }
                batch.reset();
                self.batch = batch;
                defined
            }
            Err(source) if !takes_loss => Err(Error::Io {
                doing: "writing a checkpoint",
                offset,
                source,
            }),
            Err(source) => {
                self.lose(pushed, first, &format!("writing failed: {source}"));
                Err(Error::Io {
                    doing: "writing a chunk",
                    offset,
                    source,
                })
            }
        }
    }

    /// Writes one chunk, which vouches for everything up to `now`.
    fn write_batch(&mut self, batch: &Batch, kind: u8, now: Time) -> std::io::Result<()> {
        let (codec, packed) = if self.packs {
            chunk::pack(&batch.payload)
        } else {
            (chunk::codec::RAW, None)
        };
        let payload = packed.as_deref().unwrap_or(&batch.payload);
        let header = ChunkHeader {
            kind,
            codec,
            number: self.number,
            stored_len: payload.len() as u32,
            raw_len: batch.payload.len() as u32,
            records: batch.records,
            first: batch.first.unwrap_or(now),
            last: batch.last.max(now),
            payload_crc: crc32fast::hash(payload),
        };
        let mut bytes = Vec::with_capacity(HEADER_LEN + payload.len());
        bytes.extend(header.encode());
        bytes.extend(payload);
        self.out.write_all(&bytes)?;
        self.out.flush()?;
        self.offset += bytes.len() as u64;
        self.number += 1;
        let raw = u64::from(header.raw_len);
        match kind {
            chunk::kind::EVENTS => self.since_checkpoint += raw,
            chunk::kind::CHECKPOINT => {
                self.last_checkpoint += raw;
                self.since_checkpoint = 0;
            }
            _ => {}
        }
        self.vouched = self.vouched.max(header.last);
        Ok(())
    }
}

impl Batch {
    fn push(&mut self, event: &Event) {
        self.records += self.encoder.event(event, &mut self.payload);
        self.events += 1;
        self.first.get_or_insert(event.time);
        self.last = self.last.max(event.time);
    }

    fn anchor(&mut self, anchor: &Anchor) {
        self.encoder.anchor(anchor, &mut self.payload);
        self.records += 1;
        self.last = self.last.max(anchor.time);
    }

    /// Empties the batch and keeps its memory.
    fn reset(&mut self) {
        self.payload.clear();
        *self = Batch {
            payload: std::mem::take(&mut self.payload),
            ..Batch::default()
        };
    }

    /// The same batch with the loss in front. Payloads are differences, so it is made anew.
    fn led_by(self, loss: &Loss, now: Time) -> Batch {
        let mut out = Batch::default();
        let time = self.first.unwrap_or(now);
        let (count, since) = (loss.count, loss.since);
        let body = EventBody::Lost {
            count,
            since,
            reason: loss.reason.as_str().into(),
        };
        out.push(&Event { time, body });
        let mut decoder = Decoder::new(&self.payload, chunk::kind::EVENTS);
        while let Some(Ok(record)) = decoder.next() {
            match record {
                Record::Event(event) => out.push(&event),
                Record::Anchor(anchor) => out.anchor(&anchor),
                // Nothing else is put into a batch of events.
                _ => {}
            }
        }
        out
    }
}

#[cfg(test)]
mod tests;
