//! A chunk: a batch of records with everything needed to check it and to skip it.

use std::borrow::Cow;

use crate::model::Time;

/// Begins every chunk. Not valid UTF-8, so that it is rare in names.
pub(super) const MARKER: [u8; 4] = [0xf5, b'T', b'D', b'C'];
/// Length of the fixed part in front of a chunk's payload, bytes.
pub(super) const HEADER_LEN: usize = 48;
/// No chunk's payload is larger than this when unpacked, bytes.
pub(super) const MAX_RAW: usize = 16 << 20;

/// Chunk kinds.
pub(super) mod kind {
    /// Records of events.
    pub(crate) const EVENTS: u8 = 1;
    /// The last chunk: counters and the end mark.
    pub(crate) const END: u8 = 2;
    /// What lives, for a reader that has nothing before it.
    pub(crate) const CHECKPOINT: u8 = 3;
    /// What numbers stand for that events in this and later chunks have.
    pub(crate) const DEFINITIONS: u8 = 5;
}

/// How a payload is packed.
pub(super) mod codec {
    /// As it is.
    pub(crate) const RAW: u8 = 0;
    /// One LZ4 block.
    pub(crate) const LZ4: u8 = 1;
}

/// A chunk's fixed part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChunkHeader {
    pub(super) kind: u8,
    pub(super) codec: u8,
    /// Consecutive from 0 within a file: a jump means that chunks are missing.
    pub(super) number: u32,
    pub(super) stored_len: u32,
    pub(super) raw_len: u32,
    pub(super) records: u32,
    pub(super) first: Time,
    pub(super) last: Time,
    pub(super) payload_crc: u32,
}

impl ChunkHeader {
    pub(super) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[0..4].copy_from_slice(&MARKER);
        out[4] = self.kind;
        out[5] = self.codec;
        out[8..12].copy_from_slice(&self.number.to_le_bytes());
        out[12..16].copy_from_slice(&self.stored_len.to_le_bytes());
        out[16..20].copy_from_slice(&self.raw_len.to_le_bytes());
        out[20..24].copy_from_slice(&self.records.to_le_bytes());
        out[24..32].copy_from_slice(&self.first.0.to_le_bytes());
        out[32..40].copy_from_slice(&self.last.0.to_le_bytes());
        out[40..44].copy_from_slice(&self.payload_crc.to_le_bytes());
        let crc = crc32fast::hash(&out[..44]);
        out[44..48].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// `None` unless marker and CRC are right, and the lengths possible.
    pub(super) fn decode(bytes: &[u8; HEADER_LEN]) -> Option<Self> {
        let u32_at = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
        let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
        if bytes[..4] != MARKER || crc32fast::hash(&bytes[..44]) != u32_at(44) {
            return None;
        }
        let header = ChunkHeader {
            kind: bytes[4],
            codec: bytes[5],
            number: u32_at(8),
            stored_len: u32_at(12),
            raw_len: u32_at(16),
            records: u32_at(20),
            first: Time(u64_at(24)),
            last: Time(u64_at(32)),
            payload_crc: u32_at(40),
        };
        (header.raw_len as usize <= MAX_RAW && header.stored_len as usize <= MAX_RAW)
            .then_some(header)
    }

    /// Whether a payload is the one that was written.
    pub(super) fn matches(&self, stored: &[u8]) -> bool {
        stored.len() == self.stored_len as usize && crc32fast::hash(stored) == self.payload_crc
    }

    /// Unpacks a payload that [`matches`](ChunkHeader::matches).
    pub(super) fn unpack<'a>(&self, stored: &'a [u8]) -> Result<Cow<'a, [u8]>, String> {
        match self.codec {
            codec::RAW if self.raw_len == self.stored_len => Ok(Cow::Borrowed(stored)),
            codec::RAW => Err("raw chunk with two lengths".into()),
            codec::LZ4 => self.unpack_lz4(stored).map(Cow::Owned),
            other => Err(format!(
                "packed in a way this version does not know ({other})"
            )),
        }
    }

    fn unpack_lz4(&self, stored: &[u8]) -> Result<Vec<u8>, String> {
        // An LZ4 block grows at most 255-fold: a claim beyond that is a lie, not a reason to
        // allocate.
        let raw_len = self.raw_len as usize;
        if raw_len > stored.len().saturating_mul(255) {
            return Err(format!(
                "claims to unpack {} bytes to {raw_len}",
                stored.len()
            ));
        }
        let raw =
            lz4_flex::block::decompress(stored, raw_len).map_err(|error| error.to_string())?;
        if raw.len() == raw_len {
            Ok(raw)
        } else {
            Err("unpacks to another length".into())
        }
    }
}

/// Packs a payload where that pays; the codec used and the bytes.
pub(super) fn pack(raw: &[u8]) -> (u8, Option<Vec<u8>>) {
    /// Below this, packing gains less than a header's worth.
    const WORTHWHILE: usize = 512;
    if raw.len() < WORTHWHILE {
        return (codec::RAW, None);
    }
    let packed = lz4_flex::block::compress(raw);
    if packed.len() < raw.len() / 8 * 7 {
        (codec::LZ4, Some(packed))
    } else {
        (codec::RAW, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> ChunkHeader {
        ChunkHeader {
            kind: kind::EVENTS,
            codec: codec::RAW,
            number: 3,
            stored_len: 5,
            raw_len: 5,
            records: 1,
            first: Time(10),
            last: Time(11),
            payload_crc: crc32fast::hash(b"hello"),
        }
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let bytes = header().encode();
        assert_eq!(ChunkHeader::decode(&bytes), Some(header()));
        for bit in 0..HEADER_LEN * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(ChunkHeader::decode(&flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn a_claimed_size_beyond_what_lz4_can_give_is_refused() {
        let header = ChunkHeader {
            codec: codec::LZ4,
            raw_len: 16 << 20,
            ..header()
        };
        assert!(header.unpack(b"hello").unwrap_err().contains("claims"));
    }

    #[test]
    fn packing_comes_back() {
        let raw = b"abcdefgh".repeat(200);
        let (codec, packed) = pack(&raw);
        let packed = packed.unwrap();
        let header = ChunkHeader {
            codec,
            stored_len: packed.len() as u32,
            raw_len: raw.len() as u32,
            payload_crc: crc32fast::hash(&packed),
            ..header()
        };
        assert_eq!(header.unpack(&packed).unwrap(), raw);
    }
}
