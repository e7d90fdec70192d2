//! The one place that knows bincode: struct bodies to bytes and back.
//!
//! The wire form is bincode 2's standard configuration: little-endian, integers as varints
//! (zigzag where signed), lengths as varints. format.md spells it out, so that another codec
//! that writes the same bytes can take its place; the golden traces prove it.

use bincode::config::{self, Configuration, Limit, LittleEndian, Varint};
pub(super) use bincode::{BorrowDecode, Decode, Encode};

/// No body is larger than this, bytes. It also bounds what decoding may allocate.
pub(super) const MAX_BODY: usize = 1 << 20;

const CONFIG: Configuration<LittleEndian, Varint, Limit<MAX_BODY>> =
    config::standard().with_limit::<MAX_BODY>();

/// Appends a value's bytes; `false`, with nothing appended, if it is over [`MAX_BODY`].
pub(super) fn encode<T: Encode>(value: &T, out: &mut Vec<u8>) -> bool {
    let before = out.len();
    let fine = bincode::encode_into_std_write(value, out, config::standard()).is_ok()
        && out.len() - before <= MAX_BODY;
    if !fine {
        out.truncate(before);
    }
    fine
}

/// Reads a value from the front of `bytes`, borrowing from them; the value and its length.
pub(super) fn decode<'a, T: BorrowDecode<'a, ()>>(bytes: &'a [u8]) -> Result<(T, usize), String> {
    bincode::borrow_decode_from_slice(bytes, CONFIG).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{decode, encode};

    /// The wire form, byte for byte: a codec that replaces bincode must write the same.
    #[test]
    fn golden_bytes() {
        let mut out = Vec::new();
        assert!(encode(
            &(
                250u32,
                251u32,
                65_536u64,
                -1i64,
                &b"ab"[..],
                true,
                None::<u8>
            ),
            &mut out
        ));
        assert_eq!(
            out,
            [250, 251, 251, 0, 252, 0, 0, 1, 0, 1, 2, b'a', b'b', 1, 0],
        );
    }

    #[test]
    fn a_claimed_length_beyond_the_bytes_is_an_error_and_not_an_allocation() {
        let hostile = [253, 255, 255, 255, 255, 255, 255, 255, 255];
        assert!(decode::<&[u8]>(&hostile).is_err());
        assert!(decode::<Vec<u8>>(&hostile).is_err());
    }
}
