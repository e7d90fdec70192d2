//! Tracepoints' `format` files: where the fields of their records are. Offsets and sizes differ between
//! kernels, so nothing of it is assumed.
//!
//! ```text
//! name: sched_process_exec
//! ID: 365
//! format:
//!         field:unsigned short common_type;       offset:0;  size:2; signed:0;
//!
//!         field:__data_loc char[] filename;       offset:8;  size:4; signed:0;
//!         field:pid_t pid;                        offset:12; size:4; signed:1;
//! ```

use std::collections::HashMap;

/// A tracepoint's number, and its fields by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) id: u64,
    fields: HashMap<String, Field>,
}

/// Where a field is in a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    offset: usize,
    size: usize,
    place: Place,
}

/// Where what a field says stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Here {
        signed: bool,
    },
    /// `__data_loc`: the field holds an offset from the record's start, and in the upper half a length.
    Elsewhere,
    /// `__rel_loc`: the same, from the field's end (Linux 5.17).
    Behind,
}

impl Format {
    /// From the file's text; `None` if it is none.
    pub(crate) fn parse(text: &[u8]) -> Option<Format> {
        let text = std::str::from_utf8(text).ok()?;
        let mut format = Format::default();
        let mut id = None;
        for line in text.lines().map(str::trim) {
            if let Some(number) = line.strip_prefix("ID:") {
                id = number.trim().parse().ok();
            } else if line.starts_with("field:") {
                let (name, field) = parse_field(line)?;
                format.fields.insert(name, field);
            }
        }
        format.id = id?;
        Some(format)
    }

    /// A field.
    ///
    /// # Errors
    /// With its name, if there is none.
    pub(crate) fn field(&self, name: &'static str) -> Result<Field, &'static str> {
        self.fields.get(name).copied().ok_or(name)
    }
}

/// A line that begins with `field:`.
fn parse_field(line: &str) -> Option<(String, Field)> {
    let mut parts = line.split(';').map(str::trim);
    let declaration = parts.next()?.strip_prefix("field:")?;
    let (mut offset, mut size, mut signed) = (None, None, false);
    for part in parts {
        match part.split_once(':') {
            Some(("offset", value)) => offset = value.parse().ok(),
            Some(("size", value)) => size = value.parse().ok(),
            Some(("signed", value)) => signed = value != "0",
            _ => {}
        }
    }
    // An array's length stands behind its name: `char comm[16]`.
    let name = declaration.rsplit([' ', '*']).next()?;
    let name = name.split('[').next()?;
    let place = match declaration.split(' ').next() {
        Some("__data_loc") => Place::Elsewhere,
        Some("__rel_loc") => Place::Behind,
        _ => Place::Here { signed },
    };
    let field = Field {
        offset: offset?,
        size: size?,
        place,
    };
    Some((name.to_string(), field))
}

impl Field {
    fn bytes(self, record: &[u8]) -> Option<&[u8]> {
        record.get(self.offset..self.offset.checked_add(self.size)?)
    }

    /// A number, whatever its size.
    pub(crate) fn number(self, record: &[u8]) -> Option<u64> {
        let bytes = self.bytes(record)?;
        let signed = self.place == Place::Here { signed: true };
        Some(match *bytes {
            [a] if signed => i64::from(a as i8) as u64,
            [a] => u64::from(a),
            [a, b] if signed => i64::from(i16::from_ne_bytes([a, b])) as u64,
            [a, b] => u64::from(u16::from_ne_bytes([a, b])),
            [a, b, c, d] if signed => i64::from(i32::from_ne_bytes([a, b, c, d])) as u64,
            [a, b, c, d] => u64::from(u32::from_ne_bytes([a, b, c, d])),
            _ => u64::from_ne_bytes(bytes.try_into().ok()?),
        })
    }

    /// A text, up to its NUL.
    pub(crate) fn text(self, record: &[u8]) -> Option<&[u8]> {
        let bytes = match self.place {
            Place::Here { .. } => self.bytes(record)?,
            Place::Elsewhere | Place::Behind => {
                let told = u32::from_ne_bytes(self.bytes(record)?.try_into().ok()?);
                let (mut from, len) = ((told & 0xffff) as usize, (told >> 16) as usize);
                if self.place == Place::Behind {
                    from += self.offset + self.size;
                }
                record.get(from..from + len)?
            }
        };
        let end = bytes.iter().position(|byte| *byte == 0);
        Some(&bytes[..end.unwrap_or(bytes.len())])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXEC: &[u8] = b"name: sched_process_exec
ID: 365
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:__data_loc char[] filename;\toffset:8;\tsize:4;\tsigned:0;
\tfield:pid_t pid;\toffset:12;\tsize:4;\tsigned:1;
\tfield:pid_t old_pid;\toffset:16;\tsize:4;\tsigned:1;

print fmt: \"filename=%s pid=%d old_pid=%d\", __get_str(filename), REC->pid, REC->old_pid
";

    #[test]
    fn fields_are_found_by_name_and_texts_where_they_are_said_to_be() {
        let format = Format::parse(EXEC).unwrap();
        assert_eq!(format.id, 365);
        let mut record = vec![0; 20];
        record[8..12].copy_from_slice(&(20u32 | 6 << 16).to_ne_bytes());
        record[12..16].copy_from_slice(&77i32.to_ne_bytes());
        record[16..20].copy_from_slice(&(-1i32).to_ne_bytes());
        record.extend(b"/b/sh\0\0\0");
        let [file, pid, old] =
            ["filename", "pid", "old_pid"].map(|name| format.field(name).unwrap());
        assert_eq!(file.text(&record), Some(&b"/b/sh"[..]));
        assert_eq!(pid.number(&record), Some(77));
        assert_eq!(old.number(&record), Some(u64::MAX));
        assert_eq!(format.field("group_dead"), Err("group_dead"));
        // A record that is too short, or whose text is said to lie outside of it.
        assert_eq!(old.number(&record[..18]), None);
        assert_eq!(file.text(&record[..24]), None);
        record[8..12].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert_eq!(file.text(&record), None);
    }

    #[test]
    fn arrays_pointers_and_relative_places() {
        let format = Format::parse(
            b"ID: 7\n field:char comm[16];\toffset:8;\tsize:16;\tsigned:0;\n \
              field:struct clone_args * uargs;\toffset:24;\tsize:8;\tsigned:0;\n \
              field:__rel_loc char[] path;\toffset:0;\tsize:4;\tsigned:0;\n \
              field:bool group_dead;\toffset:4;\tsize:1;\tsigned:0;\n",
        )
        .unwrap();
        let mut record = vec![0; 32];
        record[8..24].copy_from_slice(b"sixteen-letters!");
        record[24..32].copy_from_slice(&9u64.to_ne_bytes());
        record[0..4].copy_from_slice(&(4u32 | 3 << 16).to_ne_bytes());
        record[4] = 1;
        let field = |name| format.field(name).unwrap();
        assert_eq!(field("comm").text(&record), Some(&b"sixteen-letters!"[..]));
        assert_eq!(field("uargs").number(&record), Some(9));
        assert_eq!(field("path").text(&record), Some(&b"six"[..]));
        assert_eq!(field("group_dead").number(&record), Some(1));
    }

    #[test]
    fn what_is_no_format_is_none() {
        for text in [
            &b""[..],
            b"\xff",
            b"ID: x",
            b"field:int a; offset:0; size:4;",
            b"ID: 1\nfield:int a; offset:b; size:4;",
            b"ID: 1\nfield:",
        ] {
            assert_eq!(Format::parse(text), None, "{text:?}");
        }
    }
}
