//! What unwinding needs of an ELF file: where its code is loaded, which tables it has and where they are
//! in the file, its build-id. It is read piece by piece into memory, never mapped: whoever shortens
//! a mapped file kills its reader. No number in a file is believed: each piece has a limit.

use std::fs::File;
use std::os::unix::fs::FileExt;

use object::LittleEndian as LE;
use object::elf;
use object::pod;

/// Something to read bytes of.
pub(super) trait Source {
    /// All of `len` bytes, or nothing.
    fn read(&self, offset: u64, len: usize) -> Option<Vec<u8>>;
}

/// An open file, with the size that it had.
impl Source for (&File, u64) {
    fn read(&self, offset: u64, len: usize) -> Option<Vec<u8>> {
        if offset.checked_add(len as u64)? > self.1 {
            return None;
        }
        let mut bytes = vec![0; len];
        self.0.read_exact_at(&mut bytes, offset).ok()?;
        Some(bytes)
    }
}

impl Source for [u8] {
    fn read(&self, offset: u64, len: usize) -> Option<Vec<u8>> {
        let offset = usize::try_from(offset).ok()?;
        Some(self.get(offset..offset.checked_add(len)?)?.to_vec())
    }
}

/// Why a file is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoUse {
    /// It is no ELF file, or a damaged one.
    NoElf,
    /// It is for another machine, or for 32 bits.
    Foreign,
}

/// The layout of an ELF file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    segments: Box<[Segment]>,
    /// The GNU build-id, empty if it has none.
    pub(super) build_id: Box<[u8]>,
    /// Whether Go's linker made it.
    pub(super) is_go: bool,
    pub(super) eh_frame: Option<Section>,
    pub(super) eh_frame_hdr: Option<Section>,
    pub(super) debug_frame: Option<Section>,
    /// What pointers in the tables may be relative to.
    pub(super) text: u64,
    pub(super) got: u64,
    /// Tables of symbols, the dynamic one first, each with its names.
    symbols: Vec<(Section, Section)>,
}

/// A loaded part of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    offset: u64,
    size: u64,
    address: u64,
}

/// A section that has bytes in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) address: u64,
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) packing: Packing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    Plain,
    /// `SHF_COMPRESSED`: a header, then a zlib stream.
    Compressed,
    /// `.zdebug_frame`: `ZLIB`, the size, then a zlib stream. Go's linker wrote it until 1.18.
    Gnu,
}

/// More than any file has, and little enough to be read.
const MOST_SEGMENTS: usize = 4096;
const MOST_SECTIONS: usize = 1 << 16;
const MOST_NAMES: usize = 4 << 20;
const MOST_NOTES: u64 = 64 << 10;

#[cfg(target_arch = "aarch64")]
const OWN_MACHINE: elf::Machine = elf::EM_AARCH64;
#[cfg(not(target_arch = "aarch64"))]
const OWN_MACHINE: elf::Machine = elf::EM_X86_64;

impl Layout {
    pub(super) fn read<S: Source + ?Sized>(source: &S) -> Result<Layout, NoUse> {
        let start = source.read(0, 20).ok_or(NoUse::NoElf)?;
        if start[..4] != elf::ELFMAG {
            return Err(NoUse::NoElf);
        }
        let machine = u16::from_le_bytes([start[18], start[19]]);
        if start[4] != 2 || start[5] != 1 || machine != OWN_MACHINE.0 {
            return Err(NoUse::Foreign);
        }
        Layout::read_own(source).ok_or(NoUse::NoElf)
    }

    pub(super) fn empty() -> Layout {
        Layout {
            segments: Box::default(),
            build_id: Box::default(),
            is_go: false,
            eh_frame: None,
            eh_frame_hdr: None,
            debug_frame: None,
            text: 0,
            got: 0,
            symbols: Vec::new(),
        }
    }

    fn read_own<S: Source + ?Sized>(source: &S) -> Option<Layout> {
        let bytes = source.read(0, size_of::<elf::FileHeader64<LE>>())?;
        let (header, _) = pod::from_bytes::<elf::FileHeader64<LE>>(&bytes).ok()?;
        let mut layout = Layout::empty();
        layout.read_segments(source, header)?;
        // A file without sections, or with damaged ones, still runs.
        let _ = layout.read_sections(source, header);
        Some(layout)
    }

    fn read_segments<S: Source + ?Sized>(
        &mut self,
        source: &S,
        header: &elf::FileHeader64<LE>,
    ) -> Option<()> {
        let count = usize::from(header.e_phnum.get(LE));
        let entry = size_of::<elf::ProgramHeader64<LE>>();
        if count > MOST_SEGMENTS || usize::from(header.e_phentsize.get(LE)) != entry {
            return None;
        }
        let bytes = source.read(header.e_phoff.get(LE), count * entry)?;
        let (headers, _) = pod::slice_from_bytes::<elf::ProgramHeader64<LE>>(&bytes, count).ok()?;
        let mut segments = Vec::new();
        for it in headers {
            let (offset, size) = (it.p_offset.get(LE), it.p_filesz.get(LE));
            let address = it.p_vaddr.get(LE);
            match it.p_type.get(LE) {
                elf::PT_LOAD => segments.push(Segment {
                    offset,
                    size,
                    address,
                }),
                elf::PT_NOTE if self.build_id.is_empty() && size <= MOST_NOTES => {
                    let notes = source.read(offset, size as usize);
                    let align = it.p_align.get(LE);
                    self.build_id = notes
                        .and_then(|notes| build_id(&notes, align))
                        .unwrap_or_default();
                }
                elf::PT_GNU_EH_FRAME => {
                    self.eh_frame_hdr = Some(Section {
                        address,
                        offset,
                        size,
                        packing: Packing::Plain,
                    });
                }
                _ => {}
            }
        }
        self.segments = segments.into();
        Some(())
    }

    fn read_sections<S: Source + ?Sized>(
        &mut self,
        source: &S,
        header: &elf::FileHeader64<LE>,
    ) -> Option<()> {
        let count = usize::from(header.e_shnum.get(LE));
        let entry = size_of::<elf::SectionHeader64<LE>>();
        if count > MOST_SECTIONS || usize::from(header.e_shentsize.get(LE)) != entry {
            return None;
        }
        let bytes = source.read(header.e_shoff.get(LE), count * entry)?;
        let (headers, _) = pod::slice_from_bytes::<elf::SectionHeader64<LE>>(&bytes, count).ok()?;
        let names = headers.get(usize::from(header.e_shstrndx.get(LE).0))?;
        let names_len = usize::try_from(names.sh_size.get(LE)).ok()?;
        if names_len > MOST_NAMES {
            return None;
        }
        let names = source.read(names.sh_offset.get(LE), names_len)?;
        for it in headers {
            let name = names.get(it.sh_name.get(LE) as usize..).unwrap_or_default();
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            self.take_section(name, it, headers);
        }
        // The dynamic table is the smaller one: it is searched first.
        self.symbols.sort_by_key(|(symbols, _)| symbols.size);
        Some(())
    }

    fn take_section(
        &mut self,
        name: &[u8],
        it: &elf::SectionHeader64<LE>,
        all: &[elf::SectionHeader64<LE>],
    ) {
        match name {
            b".text" => self.text = it.sh_addr.get(LE),
            b".got" => self.got = it.sh_addr.get(LE),
            b".go.buildinfo" | b".note.go.buildid" => self.is_go = true,
            b".eh_frame" => self.eh_frame = section(it),
            b".eh_frame_hdr" => self.eh_frame_hdr = section(it),
            b".debug_frame" => self.debug_frame = section(it),
            b".zdebug_frame" => {
                self.debug_frame = section(it).map(|it| Section {
                    packing: Packing::Gnu,
                    ..it
                });
            }
            _ => {}
        }
        if matches!(it.sh_type.get(LE), elf::SHT_DYNSYM | elf::SHT_SYMTAB) {
            let names = all.get(it.sh_link.get(LE) as usize).and_then(section);
            self.symbols.extend(section(it).zip(names));
        }
    }

    /// The address, in the file's own terms, of a byte of the file that is loaded.
    pub(super) fn address(&self, offset: u64) -> Option<u64> {
        let holds = |it: &&Segment| offset >= it.offset && offset - it.offset < it.size;
        let segment = self.segments.iter().find(holds)?;
        segment.address.checked_add(offset - segment.offset)
    }

    /// Where an address is in the file, and how many bytes of its segment follow.
    pub(super) fn rest(&self, address: u64) -> Option<(u64, u64)> {
        let holds = |it: &&Segment| address >= it.address && address - it.address < it.size;
        let segment = self.segments.iter().find(holds)?;
        let into = address - segment.address;
        Some((segment.offset.checked_add(into)?, segment.size - into))
    }

    /// What a variable holds in the file: one of that name, with as many bytes.
    pub(super) fn variable<S: Source + ?Sized, const N: usize>(
        &self,
        source: &S,
        name: &[u8],
    ) -> Option<[u8; N]> {
        let mut tables = self.symbols.iter();
        let address = tables
            .find_map(|(symbols, names)| find_symbol(source, symbols, names, name, N as u64))?;
        let bytes = source.read(self.rest(address)?.0, N)?;
        bytes.try_into().ok()
    }
}

fn section(it: &elf::SectionHeader64<LE>) -> Option<Section> {
    if it.sh_type.get(LE) == elf::SHT_NOBITS {
        return None; // As in a file that holds debug information only.
    }
    let is_compressed = it.sh_flags.get(LE).0 & elf::SHF_COMPRESSED.0 != 0;
    Some(Section {
        address: it.sh_addr.get(LE),
        offset: it.sh_offset.get(LE),
        size: it.sh_size.get(LE),
        packing: if is_compressed {
            Packing::Compressed
        } else {
            Packing::Plain
        },
    })
}

/// The address of a symbol with that name and size. The table is read in pieces, and of the names only
/// those of symbols that have the size: a static program's table may be large.
fn find_symbol<S: Source + ?Sized>(
    source: &S,
    symbols: &Section,
    names: &Section,
    name: &[u8],
    size: u64,
) -> Option<u64> {
    const ENTRY: u64 = size_of::<elf::Sym64<LE>>() as u64;
    const AT_ONCE: u64 = 4096;
    let count = symbols.size / ENTRY;
    for first in (0..count).step_by(AT_ONCE as usize) {
        let piece = (count - first).min(AT_ONCE);
        let offset = symbols.offset.checked_add(first * ENTRY)?;
        let bytes = source.read(offset, (piece * ENTRY) as usize)?;
        let (entries, _) = pod::slice_from_bytes::<elf::Sym64<LE>>(&bytes, piece as usize).ok()?;
        for it in entries.iter().filter(|it| it.st_size.get(LE) == size) {
            let at = names.offset.checked_add(it.st_name.get(LE).into())?;
            let found = source.read(at, name.len() + 1);
            let is_it = found.is_some_and(|found| found.strip_suffix(&[0]) == Some(name));
            if is_it && it.st_value.get(LE) != 0 {
                return Some(it.st_value.get(LE));
            }
        }
    }
    None
}

/// Notes are a header of three words, a name and a description, each filled up to the alignment.
fn build_id(mut notes: &[u8], align: u64) -> Option<Box<[u8]>> {
    let align = if align == 8 { 8 } else { 4 };
    let word = |bytes: &[u8], at: usize| {
        let bytes = bytes.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
    };
    loop {
        let (name, description) = (word(notes, 0)?, word(notes, 4)?);
        let kind = word(notes, 8)?;
        let name_end = 12usize.checked_add(name)?;
        let start = name_end.checked_next_multiple_of(align)?;
        let end = start.checked_add(description)?;
        if kind == 3 && notes.get(12..name_end)? == b"GNU\0" {
            return Some(notes.get(start..end)?.into());
        }
        notes = notes.get(end.checked_next_multiple_of(align)?..)?;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    /// A small program with all that a program has.
    fn small() -> Vec<u8> {
        std::fs::read("/bin/true").unwrap()
    }

    fn own() -> Vec<u8> {
        std::fs::read("/proc/self/exe").unwrap()
    }

    #[test]
    fn the_layout_of_this_program() {
        let bytes = own();
        let layout = Layout::read(&bytes[..]).unwrap();
        assert!(!layout.is_go);
        let hdr = layout.eh_frame_hdr.unwrap();
        assert_eq!(
            bytes[hdr.offset as usize], 1,
            "the version of .eh_frame_hdr"
        );
        assert_eq!(layout.address(hdr.offset), Some(hdr.address));
        assert_eq!(layout.rest(hdr.address).map(|it| it.0), Some(hdr.offset));
        assert!(layout.eh_frame.is_some_and(|it| it.size > 1000));
        assert_eq!(layout.address(u64::MAX), None);
    }

    #[test]
    fn a_build_id_behind_another_note() {
        let note = |kind: u32, name: &[u8], description: &[u8]| {
            let mut note = Vec::new();
            for word in [name.len() as u32, description.len() as u32, kind] {
                note.extend(word.to_le_bytes());
            }
            for part in [name, description] {
                note.extend(part);
                note.resize(note.len().next_multiple_of(4), 0);
            }
            note
        };
        let abi = note(1, b"GNU\0", &[7; 16]);
        let other = note(3, b"Go\0", &[9; 5]);
        let id = note(3, b"GNU\0", &[1, 2, 3, 4, 5]);
        let all = [abi, other, id].concat();
        assert_eq!(build_id(&all, 4).as_deref(), Some(&[1, 2, 3, 4, 5][..]));
        assert_eq!(build_id(&all[..30], 4), None);
    }

    #[test]
    fn what_is_no_elf_file_or_for_another_machine_is_told() {
        assert_eq!(
            Layout::read(&b"#!/bin/sh\n echo and more\n"[..]),
            Err(NoUse::NoElf)
        );
        assert_eq!(Layout::read(&b""[..]), Err(NoUse::NoElf));
        let mut bytes = own();
        bytes[4] = 1;
        assert_eq!(Layout::read(&bytes[..]), Err(NoUse::Foreign));
        (bytes[4], bytes[18]) = (2, 243);
        assert_eq!(Layout::read(&bytes[..]), Err(NoUse::Foreign));
    }

    #[test]
    fn a_file_without_sections_has_what_its_segments_say() {
        let mut bytes = own();
        let whole = Layout::read(&bytes[..]).unwrap();
        bytes[0x28..0x30].fill(0xff); // e_shoff
        let layout = Layout::read(&bytes[..]).unwrap();
        assert_eq!(layout.segments, whole.segments);
        assert_eq!(layout.build_id, whole.build_id);
        let places = [layout, whole].map(|it| it.eh_frame_hdr.unwrap().address);
        assert_eq!(places[0], places[1]);
    }

    proptest! {
        #[test]
        fn a_file_cut_anywhere_or_with_damaged_headers_does_no_harm(
            cut in 0usize..40_000,
            damage in proptest::collection::vec((0usize..2000, any::<u8>()), 0..30),
        ) {
            static OWN: LazyLock<Vec<u8>> = LazyLock::new(small);
            let mut bytes = OWN.clone();
            for (at, byte) in damage {
                bytes[at] = byte;
            }
            bytes.truncate(bytes.len().saturating_sub(cut));
            if let Ok(layout) = Layout::read(&bytes[..]) {
                layout.variable::<_, 12>(&bytes[..], b"x");
                layout.address(0x1000);
            }
        }
    }
}
