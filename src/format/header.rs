//! The file's header: what was recorded, where, and how its clock maps to wall time.

use super::codec::{self, Decode, Encode};
use super::error::Error;

/// `\x89 T I D \r \n \x1a \n`: a text-mode copy changes it visibly, as it does PNG's.
pub(super) const MAGIC: [u8; 8] = *b"\x89TID\r\n\x1a\n";
/// What becomes of [`MAGIC`] in a text-mode copy.
const TEXT_MODE: [&[u8]; 6] = [
    b"\x89TID\n",           // CRLF to LF
    b"\x89TID\r\r\n",       // LF to CRLF
    b"\x89TID\r\n\x1a\r\n", // LF to CRLF where it stands alone
    b"\x09TID",             // the high bit cut off
    b"\xc2\x89TID",         // taken for Latin-1
    b"\xef\xbf\xbdTID",     // taken for UTF-8: U+FFFD
];
/// The format version that this library writes.
pub const VERSION: u16 = 1;
/// Magic, version, reserved, body length, body CRC.
pub(super) const FIXED_LEN: usize = 8 + 2 + 2 + 4 + 4;
/// Command lines of all targets together are cut to this, bytes: a `cc *.o` of megabytes is no
/// reason not to record.
const MAX_COMMANDS: usize = 256 << 10;
/// What an argument counts towards that, beside its bytes: about what it costs a reader.
const ARGUMENT_OVERHEAD: usize = 32;

/// What the recorder wrote at the start of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Header {
    /// Tells recordings apart: random, the same in all segments of one recording.
    pub trace_id: u128,
    /// Number of this file within its recording, from 0.
    pub segment: u32,
    /// The recording host's name.
    pub host: String,
    /// Its kernel's release, as `uname -r` prints it.
    pub kernel: String,
    /// Its architecture, as `uname -m` prints it.
    pub arch: String,
    /// `/proc/sys/kernel/random/boot_id`: monotonic times compare within one boot.
    pub boot_id: String,
    /// The recorder's name and version.
    pub recorder: String,
    /// How events were gathered: `ptrace` or `perf`.
    pub backend: String,
    /// Options in force, by name, such as `new-threads` = `follow`.
    pub options: Vec<(String, String)>,
    /// Whether the recorder launched the command; else it attached.
    pub launched: bool,
    /// The processes that were asked for.
    pub targets: Vec<Target>,
    /// The monotonic clock when the recording began, ns: time 0 of the trace.
    pub start_monotonic_ns: u64,
    /// The wall clock at that moment, ns since 1970-01-01 UTC.
    pub start_wall_ns: i64,
    /// The host's local time minus UTC at that moment, seconds.
    pub utc_offset_s: i32,
}

/// A process that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Target {
    /// Its pid.
    pub pid: u32,
    /// Its command line; raw bytes, as the program has them.
    pub command: Vec<Vec<u8>>,
}

/// The option of a file, and the counter of one that was finished, by which a recorder tells how many
/// of its oldest files it gave up because its disk was full.
pub const GIVEN_UP_EARLY: &str = "files_given_up_early";

impl Header {
    /// The value of an option.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether the recorder was to give up its oldest files, or had to when this one began: those that
    /// are not here before the first are then no damage.
    #[must_use]
    pub fn gives_up_files(&self) -> bool {
        let mut options = ["ring", "max-disk", GIVEN_UP_EARLY].into_iter();
        options.any(|name| self.option(name).is_some())
    }

    /// The file's first bytes.
    pub(super) fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        let header = self.with_commands_cut();
        // A reader counts what decoding allocates, so that fewer bytes may be too many for it.
        let fits = codec::encode(&header, &mut body) && codec::decode::<Header>(&body).is_ok();
        if !fits {
            return Err(Error::TooLarge {
                what: "the header (host, options and command lines)",
                size: codec::MAX_BODY + 1,
                limit: codec::MAX_BODY,
            });
        }
        let mut out = Vec::with_capacity(FIXED_LEN + body.len());
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend([0, 0]);
        out.extend((body.len() as u32).to_le_bytes());
        out.extend(crc32fast::hash(&body).to_le_bytes());
        out.extend(body);
        Ok(out)
    }

    /// The same, with command lines cut to [`MAX_COMMANDS`] in all. A cut one ends with `…`.
    fn with_commands_cut(&self) -> Header {
        let mut header = self.clone();
        let mut room = MAX_COMMANDS;
        for target in &mut header.targets {
            let arguments = target.command.iter();
            let kept = arguments
                .take_while(|argument| take_room(&mut room, argument.len()))
                .count();
            if kept < target.command.len() {
                target.command.truncate(kept);
                target.command.push("…".into());
            }
        }
        header
    }

    /// Checks the fixed part; returns the body's length.
    pub(super) fn decode_fixed(fixed: &[u8]) -> Result<usize, Error> {
        check_magic(fixed)?;
        if fixed.len() < FIXED_LEN {
            return Err(cut(fixed.len()));
        }
        let version = u16::from_le_bytes([fixed[8], fixed[9]]);
        if version > VERSION {
            return Err(Error::TooNew {
                found: version,
                known: VERSION,
            });
        }
        if version == 0 {
            return Err(Error::Header {
                offset: 8,
                problem: "has version 0".into(),
            });
        }
        let length = u32::from_le_bytes([fixed[12], fixed[13], fixed[14], fixed[15]]) as usize;
        if length > codec::MAX_BODY {
            return Err(Error::Header {
                offset: 12,
                problem: format!(
                    "claims {length} bytes, over the limit of {}",
                    codec::MAX_BODY
                ),
            });
        }
        Ok(length)
    }

    /// Decodes the body, checked against the fixed part's CRC. Fields behind the known ones
    /// are a later version's and are passed over.
    pub(super) fn decode_body(fixed: &[u8], body: &[u8]) -> Result<Header, Error> {
        let crc = u32::from_le_bytes([fixed[16], fixed[17], fixed[18], fixed[19]]);
        if crc32fast::hash(body) != crc {
            return Err(Error::Header {
                offset: FIXED_LEN as u64,
                problem: "is damaged (its checksum does not match)".into(),
            });
        }
        match codec::decode::<Header>(body) {
            Ok((header, _)) => Ok(header),
            Err(problem) => Err(Error::Header {
                offset: FIXED_LEN as u64,
                problem: format!("does not decode ({problem})"),
            }),
        }
    }
}

/// Takes an argument's bytes and overhead from what is left; `false` if they do not fit.
fn take_room(room: &mut usize, argument_len: usize) -> bool {
    let rest = room.checked_sub(argument_len + ARGUMENT_OVERHEAD);
    *room = rest.unwrap_or(0);
    rest.is_some()
}

/// A header that ends before its length says.
pub(super) fn cut(at: usize) -> Error {
    Error::Header {
        offset: at as u64,
        problem: "ends here, in its middle".into(),
    }
}

fn check_magic(start: &[u8]) -> Result<(), Error> {
    if start.is_empty() {
        return Err(Error::Empty);
    }
    let head = &start[..start.len().min(MAGIC.len())];
    if head == &MAGIC[..head.len()] {
        return Ok(());
    }
    if TEXT_MODE.iter().any(|changed| start.starts_with(changed)) {
        return Err(Error::TextModeCopy);
    }
    Err(Error::NotATrace {
        found: hex(head),
        expected: hex(&MAGIC),
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(bytes: &[u8]) -> Result<Header, Error> {
        let length = Header::decode_fixed(&bytes[..bytes.len().min(FIXED_LEN)])?;
        let body = bytes
            .get(FIXED_LEN..FIXED_LEN + length)
            .ok_or_else(|| cut(bytes.len()))?;
        Header::decode_body(bytes, body)
    }

    #[test]
    fn survives_the_round_trip() {
        let header = Header {
            trace_id: 7,
            host: "h".into(),
            options: vec![("new-threads".into(), "follow".into())],
            targets: vec![Target {
                pid: 9,
                command: vec![b"a\xff".to_vec()],
            }],
            start_wall_ns: -1,
            utc_offset_s: -3600,
            ..Header::default()
        };
        assert_eq!(open(&header.encode().unwrap()).unwrap(), header);
        assert_eq!(header.option("new-threads"), Some("follow"));
    }

    #[test]
    fn each_kind_of_wrong_start_has_its_own_error() {
        let good = Header::default().encode().unwrap();
        let text_mode: Vec<u8> = good.iter().copied().filter(|byte| *byte != b'\r').collect();
        assert!(matches!(open(&text_mode), Err(Error::TextModeCopy)));
        let to_crlf = b"\x89TID\r\r\n\x1a\r\n";
        assert!(matches!(open(to_crlf), Err(Error::TextModeCopy)));
        assert!(matches!(
            open(b"\x89TID\r\nX\n"),
            Err(Error::NotATrace { .. })
        ));
        assert!(matches!(open(b""), Err(Error::Empty)));
        assert!(matches!(open(b"\x7fELF...."), Err(Error::NotATrace { .. })));
        assert!(matches!(open(&good[..10]), Err(Error::Header { .. })));
        let mut newer = good.clone();
        newer[8] = 2;
        assert!(matches!(
            open(&newer),
            Err(Error::TooNew { found: 2, known: 1 })
        ));
        let mut damaged = good;
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        assert!(matches!(open(&damaged), Err(Error::Header { .. })));
    }

    #[test]
    fn a_command_line_of_megabytes_is_cut_and_not_refused() {
        for argument in [&b"x"[..], &[b'y'; 5000]] {
            let command = vec![argument.to_vec(); 200_000 / argument.len() * 10];
            let target = Target { pid: 1, command };
            let header = Header {
                targets: vec![target.clone(), target.clone()],
                ..Header::default()
            };
            let back = open(&header.encode().unwrap()).unwrap();
            let first = &back.targets[0].command;
            assert!(first.len() > MAX_COMMANDS / (argument.len() + ARGUMENT_OVERHEAD) - 1);
            assert_eq!(first[0], argument);
            assert_eq!(first.last().unwrap(), "…".as_bytes());
            assert_eq!(back.targets[1].command, ["…".as_bytes()]);
        }
    }
}
