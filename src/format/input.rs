//! The file under a reader: a window that moves over it, and the search for a chunk in it.
//!
//! Everything here stays linear in the file's length, however hostile the file: the window
//! only moves forward, so each byte is read once; and bytes may be checked a second time only
//! while [`Input::patience`] lasts.

use std::io::{Read, Seek, SeekFrom};

use super::chunk::{ChunkHeader, HEADER_LEN, MARKER};
use super::error::Error;
use super::header::{self, Header};

/// How much is read at once, at least, bytes.
const WINDOW: usize = 256 << 10;

/// The file, as long as it was when it was opened.
#[derive(Debug)]
pub(super) struct Input<R> {
    file: R,
    len: u64,
    /// Bytes of the file from `window_at` on. `file` stands at the window's end.
    window: Vec<u8>,
    window_at: u64,
    /// How many bytes may still be checked and then looked at again. A chunk that was cut and a
    /// hostile one look alike: its header is right, its payload is not. Behind the first a good
    /// chunk may begin inside the length that it claims, so that is searched; but a file full of
    /// such headers must not make the reader check the same bytes for each of them.
    patience: u64,
}

/// What a search for the next chunk came upon.
pub(super) enum Found {
    /// A chunk's header, at this offset.
    Chunk(u64),
    /// The header of another trace, at this offset.
    OtherTrace(u64),
    /// The end of the file.
    Nothing,
}

impl<R: Read + Seek> Input<R> {
    pub(super) fn new(mut file: R) -> Result<Self, Error> {
        let io = |source| Error::Io {
            doing: "finding the length of the file",
            offset: 0,
            source,
        };
        let len = file.seek(SeekFrom::End(0)).map_err(io)?;
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        Ok(Input {
            file,
            len,
            window: Vec::new(),
            window_at: 0,
            patience: len.saturating_mul(4),
        })
    }

    /// The file's length, bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Takes the file, of which nothing was read yet, for so long at most, bytes.
    pub(super) fn shorten(&mut self, len: u64) {
        self.len = self.len.min(len);
    }

    /// The file's header, and the offset behind it.
    pub(super) fn header(&mut self) -> Result<(Header, u64), Error> {
        let fixed = self.peek(0, header::FIXED_LEN)?.to_vec();
        let length = Header::decode_fixed(&fixed)?;
        let body = self.peek(header::FIXED_LEN as u64, length)?;
        if body.len() < length {
            return Err(header::cut(header::FIXED_LEN + body.len()));
        }
        let header = Header::decode_body(&fixed, body)?;
        Ok((header, (header::FIXED_LEN + length) as u64))
    }

    /// The `wanted` bytes at an offset, fewer at the end of the file. Cheap while offsets do not
    /// go back behind the window's start.
    pub(super) fn peek(&mut self, at: u64, wanted: usize) -> Result<&[u8], Error> {
        let bytes = self.peek_all(at, wanted)?;
        Ok(&bytes[..bytes.len().min(wanted)])
    }

    /// Like `peek`, and whatever else the window has behind them.
    fn peek_all(&mut self, at: u64, wanted: usize) -> Result<&[u8], Error> {
        let left = self.len.saturating_sub(at);
        if at < self.window_at || at + left.min(wanted as u64) > self.window_end() {
            self.move_window(at, left.min(wanted.max(WINDOW) as u64))?;
        }
        let start = (at - self.window_at).min(self.window.len() as u64) as usize;
        Ok(&self.window[start..])
    }

    fn window_end(&self) -> u64 {
        self.window_at + self.window.len() as u64
    }

    /// Makes the window `wanted` bytes from `at` on. What it already has of them stays.
    fn move_window(&mut self, at: u64, wanted: u64) -> Result<(), Error> {
        let io = |offset| {
            move |source| Error::Io {
                doing: "reading the trace",
                offset,
                source,
            }
        };
        if (self.window_at..=self.window_end()).contains(&at) {
            self.window.drain(..(at - self.window_at) as usize);
        } else {
            self.window.clear();
            self.file.seek(SeekFrom::Start(at)).map_err(io(at))?;
        }
        self.window_at = at;
        let missing = wanted.saturating_sub(self.window.len() as u64);
        self.window.reserve(missing as usize);
        let got = (&mut self.file)
            .take(missing)
            .read_to_end(&mut self.window)
            .map_err(io(self.window_end()))?;
        if (got as u64) < missing {
            // Someone cut the file while it was read.
            self.len = self.window_end();
        }
        Ok(())
    }

    /// The header of a chunk that begins at an offset; `None` if none does, or if it claims
    /// more than the file has.
    pub(super) fn chunk_header(&mut self, at: u64) -> Result<Option<ChunkHeader>, Error> {
        let left = self.len.saturating_sub(at);
        let bytes = self.peek(at, HEADER_LEN)?;
        Ok(fitting_header(bytes, left))
    }

    /// Where the next chunk or another trace begins, at or behind `from`.
    pub(super) fn find(&mut self, from: u64) -> Result<Found, Error> {
        let mut at = from;
        loop {
            let left = self.len.saturating_sub(at);
            let bytes = self.peek_all(at, HEADER_LEN)?;
            if bytes.is_empty() {
                return Ok(Found::Nothing);
            }
            let starts = |byte: &u8| *byte == MARKER[0] || *byte == header::MAGIC[0];
            let skipped = bytes.iter().position(starts).unwrap_or(bytes.len());
            let (bytes, left) = (&bytes[skipped..], left - skipped as u64);
            at += skipped as u64;
            if bytes.len() < HEADER_LEN && (bytes.len() as u64) < left {
                continue; // It may go on behind the window.
            }
            if fitting_header(bytes, left).is_some() {
                return Ok(Found::Chunk(at));
            }
            if bytes.starts_with(&header::MAGIC) && self.trace_begins(at)? {
                return Ok(Found::OtherTrace(at));
            }
            at += 1;
        }
    }

    /// Whether a trace's header, whole and undamaged, stands at an offset.
    pub(super) fn trace_begins(&mut self, at: u64) -> Result<bool, Error> {
        let fixed = self.peek(at, header::FIXED_LEN)?.to_vec();
        let Ok(length) = Header::decode_fixed(&fixed) else {
            return Ok(false);
        };
        if !self.is_patient_for(length as u64) {
            return Ok(false);
        }
        let bytes = self.peek(at, header::FIXED_LEN + length)?;
        Ok(Header::decode_body(&fixed, &bytes[header::FIXED_LEN..]).is_ok())
    }

    /// Whether `bytes` bytes that were checked, or will be, may be looked at again.
    pub(super) fn is_patient_for(&mut self, bytes: u64) -> bool {
        match self.patience.checked_sub(bytes) {
            Some(rest) => {
                self.patience = rest;
                true
            }
            None => false,
        }
    }
}

/// A chunk's header at the front of `bytes`, with `left` bytes up to the end of the file.
fn fitting_header(bytes: &[u8], left: u64) -> Option<ChunkHeader> {
    let header = ChunkHeader::decode(bytes.first_chunk()?)?;
    (HEADER_LEN as u64 + u64::from(header.stored_len) <= left).then_some(header)
}
