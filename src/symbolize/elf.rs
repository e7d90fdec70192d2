//! An ELF file's own tables (elf(5)): sections, the build-id, the link to a debug file.
//!
//! Everything is read by position, with bounds, and nothing is mapped: the file may be hostile, and
//! may be cut short while it is read.

use std::io::{Read, Seek, SeekFrom};

/// No file has more sections than this.
const MAX_SECTIONS: u64 = 1 << 17;
/// Section names and notes are read whole up to so many bytes.
const MAX_SMALL: u64 = 16 << 20;
/// Names are read up to so many bytes.
pub(super) const MAX_NAME: usize = 4096;
/// What is decompressed is at most so many times as long: zlib's own limit.
const MAX_RATIO: u64 = 1032;
/// No debug information is larger, decompressed, bytes.
const MAX_DECOMPRESSED: u64 = 4 << 30;

const SHT_NOTE: u32 = 7;
pub(super) const SHT_NOBITS: u32 = 8;
const SHF_COMPRESSED: u64 = 0x800;
const PT_NOTE: u32 = 4;
const NT_GNU_BUILD_ID: u32 = 3;

/// A file's layout.
pub(super) struct Elf<R> {
    pub(super) source: R,
    /// 64 bits.
    pub(super) wide: bool,
    /// Its first byte is the highest.
    pub(super) big: bool,
    pub(super) machine: u16,
    pub(super) sections: Vec<Section>,
    segments: (u64, u64, u64),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Section {
    pub(super) name: Vec<u8>,
    pub(super) kind: u32,
    pub(super) flags: u64,
    pub(super) address: u64,
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) link: u32,
    pub(super) entry_size: u64,
}

/// What is wrong with a file.
pub(super) type Problem = String;

impl<R: Read + Seek> Elf<R> {
    /// Reads the headers.
    pub(super) fn open(mut source: R) -> Result<Self, Problem> {
        let mut start = [0; 64];
        let got = read_some(&mut source, 0, &mut start)?;
        if got < 52 || !start.starts_with(b"\x7fELF") {
            return Err("it is no ELF file".into());
        }
        let wide = match start[4] {
            1 => false,
            2 => true,
            class => return Err(format!("ELF class {class} is not known")),
        };
        let big = match start[5] {
            1 => false,
            2 => true,
            order => return Err(format!("ELF byte order {order} is not known")),
        };
        let mut elf = Elf {
            source,
            wide,
            big,
            machine: 0,
            sections: Vec::new(),
            segments: (0, 0, 0),
        };
        if got < elf.pick(52, 64) {
            return Err("its header is cut short".into());
        }
        let half = |elf: &Self, at: usize| u64::from(elf.u16(&start, at));
        elf.machine = elf.u16(&start, 18);
        let (segments, sections) = match wide {
            true => (elf.u64(&start, 32), elf.u64(&start, 40)),
            false => (elf.u32(&start, 28).into(), u64::from(elf.u32(&start, 32))),
        };
        let at = elf.pick(42, 54);
        elf.segments = (segments, half(&elf, at), half(&elf, at + 2));
        let (each, count, names) = (half(&elf, at + 4), half(&elf, at + 6), half(&elf, at + 8));
        elf.read_sections(sections, each, count, names)?;
        Ok(elf)
    }

    fn read_sections(
        &mut self,
        offset: u64,
        each: u64,
        count: u64,
        names: u64,
    ) -> Result<(), Problem> {
        if offset == 0 {
            return Ok(());
        }
        let size = self.pick(40, 64);
        if each < size as u64 {
            return Err(format!("its section headers are of {each} bytes"));
        }
        // More sections than fit into 16 bits: the first one's header has the number (elf(5)).
        let first = self.section(offset)?;
        let count = if count == 0 { first.size } else { count };
        let names = match names {
            0xffff => u64::from(first.link),
            names => names,
        };
        if count > MAX_SECTIONS {
            return Err(format!("it says that it has {count} sections"));
        }
        for index in 0..count {
            let at = offset
                .checked_add(index * each)
                .ok_or("its sections are nowhere")?;
            let section = self.section(at)?;
            self.sections.push(section);
        }
        let names = self.sections.get(names as usize).cloned();
        let names = names.map_or(Ok(Vec::new()), |names| self.content(&names))?;
        for section in &mut self.sections {
            // Its place in the names was kept there.
            let at = usize::from_str_radix(std::str::from_utf8(&section.name).unwrap_or(""), 16);
            let name = at.ok().and_then(|at| names.get(at..)).unwrap_or(&[]);
            let end = name.iter().position(|byte| *byte == 0).unwrap_or(0);
            section.name = name[..end.min(MAX_NAME)].to_vec();
        }
        Ok(())
    }

    fn section(&mut self, at: u64) -> Result<Section, Problem> {
        let mut bytes = [0; 64];
        let size = self.pick(40, 64);
        self.exact(at, &mut bytes[..size])?;
        let word = |at: usize| self.u32(&bytes, at);
        let long = |wide_at: usize, at: usize| match self.wide {
            true => self.u64(&bytes, wide_at),
            false => u64::from(self.u32(&bytes, at)),
        };
        Ok(Section {
            name: format!("{:x}", word(0)).into_bytes(),
            kind: word(4),
            flags: long(8, 8),
            address: long(16, 12),
            offset: long(24, 16),
            size: long(32, 20),
            link: word(self.pick(24, 40)),
            entry_size: long(56, 36),
        })
    }

    /// A section's bytes, if they are not too many.
    fn content(&mut self, section: &Section) -> Result<Vec<u8>, Problem> {
        if section.kind == SHT_NOBITS {
            return Ok(Vec::new());
        }
        self.bytes(section.offset, section.size)
    }

    fn bytes(&mut self, offset: u64, size: u64) -> Result<Vec<u8>, Problem> {
        if size > MAX_SMALL {
            return Err(format!("a table of {size} bytes is too large"));
        }
        // Not all at once: the file may be shorter than it says.
        let mut bytes = Vec::new();
        self.source
            .seek(SeekFrom::Start(offset))
            .and_then(|_| (&mut self.source).take(size).read_to_end(&mut bytes))
            .map_err(|error| error.to_string())?;
        if bytes.len() as u64 != size {
            return Err("it is cut short".into());
        }
        Ok(bytes)
    }

    /// Whether it has a section of that name with bytes in it.
    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    fn find(&self, name: &str) -> Option<&Section> {
        let mut sections = self.sections.iter();
        sections.find(|section| {
            section.name == name.as_bytes() && section.kind != SHT_NOBITS && section.size > 0
        })
    }

    /// Its build-id (`NT_GNU_BUILD_ID`); empty if it has none.
    pub(super) fn build_id(&mut self) -> Vec<u8> {
        let mut places: Vec<(u64, u64)> = self
            .sections
            .iter()
            .filter(|section| section.kind == SHT_NOTE)
            .map(|section| (section.offset, section.size))
            .collect();
        places.extend(self.note_segments());
        for (offset, size) in places {
            let notes = self.bytes(offset, size).unwrap_or_default();
            if let Some(build_id) = self.build_id_in(&notes) {
                return build_id;
            }
        }
        Vec::new()
    }

    fn note_segments(&mut self) -> Vec<(u64, u64)> {
        let (offset, each, count) = self.segments;
        let size = self.pick(32, 56);
        let mut found = Vec::new();
        for index in 0..count {
            let mut bytes = [0; 56];
            let at = offset.saturating_add(index * each);
            if offset == 0 || self.exact(at, &mut bytes[..size]).is_err() {
                break;
            }
            if self.u32(&bytes, 0) == PT_NOTE {
                found.push(match self.wide {
                    true => (self.u64(&bytes, 8), self.u64(&bytes, 32)),
                    false => (self.u32(&bytes, 4).into(), self.u32(&bytes, 16).into()),
                });
            }
        }
        found
    }

    fn build_id_in(&self, mut notes: &[u8]) -> Option<Vec<u8>> {
        let padded = |length: u32| (length as usize).checked_next_multiple_of(4);
        while notes.len() >= 12 {
            let [name_size, size, kind] = [0, 4, 8].map(|at| self.u32(notes, at));
            let name = notes[12..].get(..name_size as usize)?;
            let rest = notes[12..].get(padded(name_size)?..)?;
            let content = rest.get(..size as usize)?;
            if kind == NT_GNU_BUILD_ID && name == b"GNU\0" {
                // None is longer than a SHA-512 sum.
                return (1..=64).contains(&size).then(|| content.to_vec());
            }
            notes = rest.get(padded(size)?..)?;
        }
        None
    }

    /// The debug file that it names (`.gnu_debuglink`), and the CRC of that file's bytes.
    pub(super) fn debug_link(&mut self) -> Option<(String, u32)> {
        let section = self.find(".gnu_debuglink")?.clone();
        let bytes = self.content(&section).ok()?;
        let end = bytes.iter().position(|byte| *byte == 0)?;
        let crc_at = (end + 1).next_multiple_of(4);
        bytes.get(crc_at..crc_at + 4)?;
        let name = String::from_utf8(bytes[..end].to_vec()).ok()?;
        // The name of a file, not a way to one.
        let plain = !name.is_empty() && !name.contains(['/', '\\']) && name != "..";
        plain.then(|| (name, self.u32(&bytes, crc_at)))
    }

    /// Whether its debug information can be unpacked within bounds.
    pub(super) fn unpacks(&mut self) -> Result<(), Problem> {
        let mut sum = 0u64;
        for index in 0..self.sections.len() {
            let section = &self.sections[index];
            if section.flags & SHF_COMPRESSED == 0 {
                continue;
            }
            let (offset, packed) = (section.offset, section.size);
            let mut header = [0; 16];
            self.exact(offset, &mut header[..self.pick(12, 16)])?;
            let size = match self.wide {
                true => self.u64(&header, 8),
                false => self.u32(&header, 4).into(),
            };
            if self.u32(&header, 0) != 1 {
                return Err("its debug information is packed in another way than by zlib".into());
            }
            sum = sum.saturating_add(size);
            if size / MAX_RATIO > packed || sum > MAX_DECOMPRESSED {
                return Err(format!(
                    "it says that {packed} bytes of it unpack to {size}"
                ));
            }
        }
        Ok(())
    }

    pub(super) fn pick<T>(&self, narrow: T, wide: T) -> T {
        if self.wide { wide } else { narrow }
    }

    pub(super) fn exact(&mut self, at: u64, bytes: &mut [u8]) -> Result<(), Problem> {
        match read_some(&mut self.source, at, bytes)? {
            got if got == bytes.len() => Ok(()),
            _ => Err("it is cut short".into()),
        }
    }

    pub(super) fn u16(&self, bytes: &[u8], at: usize) -> u16 {
        let it = [bytes[at], bytes[at + 1]];
        if self.big {
            u16::from_be_bytes(it)
        } else {
            u16::from_le_bytes(it)
        }
    }

    pub(super) fn u32(&self, bytes: &[u8], at: usize) -> u32 {
        let mut it = [0; 4];
        it.copy_from_slice(&bytes[at..at + 4]);
        if self.big {
            u32::from_be_bytes(it)
        } else {
            u32::from_le_bytes(it)
        }
    }

    pub(super) fn u64(&self, bytes: &[u8], at: usize) -> u64 {
        let mut it = [0; 8];
        it.copy_from_slice(&bytes[at..at + 8]);
        if self.big {
            u64::from_be_bytes(it)
        } else {
            u64::from_le_bytes(it)
        }
    }
}

/// Reads at a place, as much as there is.
pub(super) fn read_some<R: Read + Seek>(
    source: &mut R,
    at: u64,
    bytes: &mut [u8],
) -> Result<usize, Problem> {
    let mut read = || {
        source.seek(SeekFrom::Start(at))?;
        let mut got = 0;
        while got < bytes.len() {
            match source.read(&mut bytes[got..]) {
                Ok(0) => break,
                Ok(count) => got += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(got)
    };
    read().map_err(|error: std::io::Error| error.to_string())
}
