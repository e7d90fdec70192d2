//! Call frame information: from an address in a module to the rule by which its caller is found.
//!
//! A rule is what `.eh_frame` or `.debug_frame` say for one address, and stands alone: it holds
//! nothing of the tables, which may be given up while rules are kept.

use std::sync::Arc;

use gimli::{
    BaseAddresses, CfaRule, DebugFrame, EhFrame, EndianSlice, LittleEndian, Reader, Register,
    RegisterRule, UnwindContext, UnwindExpression, UnwindSection,
};

use super::arch;
use super::elf::{Layout, Packing, Section, Source};

/// How to find the caller of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// The value that the stack pointer had before the call.
    pub(super) cfa: Cfa,
    /// What the caller's frame pointer is.
    pub(super) fp: Saved,
    /// Where the caller goes on.
    pub(super) return_address: Saved,
    /// A frame that the kernel made for a signal: its "caller" was interrupted, and called nothing.
    pub(super) is_signal: bool,
}

/// The canonical frame address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cfa {
    /// A register (by its DWARF number) and an offset.
    Register(u16, i64),
    Expression(Arc<[u8]>),
}

/// What became of a register's value in the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Saved {
    /// Nothing is said of it.
    Unsaid,
    /// There is none: for a return address, that the function has no caller.
    Undefined,
    /// It is as it was.
    Same,
    /// In memory, so far from the CFA.
    At(i64),
    /// It is the CFA plus this.
    Value(i64),
    /// In another register.
    In(u16),
    /// In memory, at what an expression gives.
    AtExpression(Arc<[u8]>),
    /// It is what an expression gives.
    ValueExpression(Arc<[u8]>),
}

/// The tables of one file, in memory.
#[derive(Debug, Default)]
pub(super) struct Tables {
    eh: Option<Frames>,
    debug: Option<Frames>,
    bases: BaseAddresses,
}

/// A section of entries, and how to find one.
#[derive(Debug)]
struct Frames {
    bytes: Box<[u8]>,
    /// Where it is loaded.
    address: u64,
    find: Find,
}

#[derive(Debug)]
enum Find {
    /// `.eh_frame_hdr`, with its own address. It is known to be of the usual form.
    Header(Box<[u8]>, u64),
    /// Made here: each entry's first address and offset, by address.
    Index(Box<[(u64, u32)]>),
}

/// Why there are no tables in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTables {
    /// The file has none, or they cannot be read.
    Missing,
    /// They would take more memory than there is for all.
    TooLarge,
}

impl Tables {
    /// Reads them, if they take at most `limit` bytes.
    pub(super) fn read<S: Source + ?Sized>(
        source: &S,
        layout: &Layout,
        limit: usize,
    ) -> Result<Tables, NoTables> {
        let mut tables = Tables {
            bases: BaseAddresses::default()
                .set_text(layout.text)
                .set_got(layout.got),
            ..Tables::default()
        };
        if let Some(section) = eh_frame(source, layout) {
            tables.bases = tables.bases.set_eh_frame(section.address);
            let bytes = section_bytes(source, &section, limit)?;
            let header = layout.eh_frame_hdr.as_ref();
            tables.eh = Some(tables.eh_frames(source, bytes, &section, header, limit)?);
        }
        // Compilers of C write both only on demand; Go's linker writes this one alone.
        if let Some(section) = &layout.debug_frame
            && (tables.eh.is_none() || layout.is_go)
        {
            let left = limit.saturating_sub(tables.size());
            let bytes = section_bytes(source, section, left)?;
            let left = left.saturating_sub(bytes.len());
            let find = index(&debug_frame_of(&bytes), &tables.bases, left)?;
            tables.debug = Some(Frames {
                bytes: bytes.into(),
                address: 0,
                find,
            });
        }
        if tables.eh.is_none() && tables.debug.is_none() {
            return Err(NoTables::Missing);
        }
        Ok(tables)
    }

    fn eh_frames<S: Source + ?Sized>(
        &self,
        source: &S,
        bytes: Vec<u8>,
        section: &Section,
        header: Option<&Section>,
        limit: usize,
    ) -> Result<Frames, NoTables> {
        let left = limit.saturating_sub(bytes.len());
        // One that cannot be read, or is of another form, is made up for.
        let header = header.and_then(|header| {
            let bytes = section_bytes(source, header, left).ok()?;
            header_entries(&bytes)?;
            Some(Find::Header(bytes.into(), header.address))
        });
        let find = match header {
            Some(find) => find,
            None => index(&eh_frame_of(&bytes), &self.bases, left)?,
        };
        Ok(Frames {
            bytes: bytes.into(),
            address: section.address,
            find,
        })
    }

    /// The bytes of memory that they take.
    pub(super) fn size(&self) -> usize {
        let size = |frames: &Frames| {
            frames.bytes.len()
                + match &frames.find {
                    Find::Header(bytes, _) => bytes.len(),
                    Find::Index(entries) => size_of_val(&entries[..]),
                }
        };
        self.eh.as_ref().map_or(0, size) + self.debug.as_ref().map_or(0, size)
    }

    /// The rule for an address of the file; `None` where the tables say nothing.
    pub(super) fn rule(&self, address: u64, context: &mut UnwindContext<usize>) -> Option<Rule> {
        let by_eh = self.eh.as_ref().and_then(|frames| {
            let offset = frames.offset(address)?;
            let section = eh_frame_of(&frames.bytes);
            rule(&section, &self.bases, offset, address, context)
        });
        by_eh.or_else(|| {
            let frames = self.debug.as_ref()?;
            let offset = frames.offset(address)?;
            let section = debug_frame_of(&frames.bytes);
            rule(&section, &self.bases, offset, address, context)
        })
    }
}

impl Frames {
    /// Where the entry is that may hold an address.
    fn offset(&self, address: u64) -> Option<usize> {
        match &self.find {
            Find::Header(bytes, start) => {
                let entry = search_header(bytes, *start, address)?;
                usize::try_from(entry.checked_sub(self.address)?).ok()
            }
            Find::Index(entries) => {
                let behind = entries.partition_point(|(first, _)| *first <= address);
                Some(entries.get(behind.checked_sub(1)?)?.1 as usize)
            }
        }
    }
}

/// How many entries a `.eh_frame_hdr` has, if it is of the form that all linkers write.
fn header_entries(bytes: &[u8]) -> Option<usize> {
    /// Version 1; where `.eh_frame` is, from here; the number of entries, a word; entries of words
    /// that count from the header's address.
    const USUAL: [u8; 4] = [1, 0x1b, 0x03, 0x3b];
    if bytes.get(..4)? != USUAL {
        return None;
    }
    let count = u32::from_le_bytes(bytes.get(8..12)?.try_into().ok()?) as usize;
    let fits = count.checked_mul(8)?.checked_add(12)? <= bytes.len();
    (fits && count > 0).then_some(count)
}

/// The last entry of a `.eh_frame_hdr` that begins at `address` or before: where its FDE is loaded.
fn search_header(bytes: &[u8], start: u64, address: u64) -> Option<u64> {
    let word = |index: usize| {
        let at = 12 + index * 4;
        let word = i32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
        Some(start.wrapping_add_signed(word.into()))
    };
    // All before `low` begin at the address or before it, all from `high` on behind it.
    let (mut low, mut high) = (0, header_entries(bytes)?);
    while low < high {
        let middle = low + (high - low) / 2;
        if word(2 * middle)? <= address {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    word(2 * low.checked_sub(1)? + 1)
}

/// Where `.eh_frame` is: by its section, or else by what `.eh_frame_hdr` says of its place (a file without
/// sections). Then it ends with the segment that it is in, or before: with an entry of no length.
fn eh_frame<S: Source + ?Sized>(source: &S, layout: &Layout) -> Option<Section> {
    if layout.eh_frame.is_some() {
        return layout.eh_frame;
    }
    let header = layout.eh_frame_hdr?;
    let bytes = source.read(header.offset, 8)?;
    if bytes[..2] != [1, 0x1b] {
        return None;
    }
    let relative = i32::from_le_bytes(bytes[4..].try_into().ok()?);
    let address = header
        .address
        .wrapping_add(4)
        .wrapping_add_signed(relative.into());
    let (offset, size) = layout.rest(address)?;
    Some(Section {
        address,
        offset,
        size,
        packing: Packing::Plain,
    })
}

fn section_bytes<S: Source + ?Sized>(
    source: &S,
    section: &Section,
    limit: usize,
) -> Result<Vec<u8>, NoTables> {
    let size = usize::try_from(section.size).unwrap_or(usize::MAX);
    if size > limit {
        return Err(NoTables::TooLarge);
    }
    let bytes = source.read(section.offset, size);
    let bytes = bytes.ok_or(NoTables::Missing)?;
    let stream = match section.packing {
        Packing::Plain => return Ok(bytes),
        // Elf64_Chdr: a word for the form, one that is reserved, the size, the alignment.
        Packing::Compressed if bytes.starts_with(&[1, 0, 0, 0]) => bytes.get(24..),
        Packing::Gnu if bytes.starts_with(b"ZLIB") => bytes.get(12..),
        Packing::Compressed | Packing::Gnu => None,
    };
    let stream = stream.ok_or(NoTables::Missing)?;
    let plain = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(stream, limit);
    plain.map_err(|error| match error.status {
        miniz_oxide::inflate::TINFLStatus::HasMoreOutput => NoTables::TooLarge,
        _ => NoTables::Missing,
    })
}

fn eh_frame_of(bytes: &[u8]) -> EhFrame<Slice<'_>> {
    let mut section = EhFrame::new(bytes, LittleEndian);
    section.set_address_size(8);
    section
}

fn debug_frame_of(bytes: &[u8]) -> DebugFrame<Slice<'_>> {
    let mut section = DebugFrame::new(bytes, LittleEndian);
    section.set_address_size(8);
    section
}

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// Lists the entries. Behind one that cannot be read nothing is known.
fn index<'a, T: UnwindSection<Slice<'a>>>(
    section: &T,
    bases: &BaseAddresses,
    limit: usize,
) -> Result<Find, NoTables> {
    let most = limit / size_of::<(u64, u32)>();
    let mut found = Vec::new();
    let mut entries = section.entries(bases);
    while let Ok(Some(entry)) = entries.next() {
        let gimli::CieOrFde::Fde(entry) = entry else {
            continue;
        };
        let offset = entry.offset();
        let parsed = entry.parse(T::cie_from_offset);
        if let (Ok(entry), Ok(offset)) = (parsed, u32::try_from(offset)) {
            found.push((entry.initial_address(), offset));
        }
        if found.len() > most {
            return Err(NoTables::TooLarge);
        }
    }
    found.sort_unstable();
    Ok(Find::Index(found.into()))
}

/// An entry with more instructions than this is no compiler's: to run it would take a while.
const LONGEST_ENTRY: usize = 256 << 10;

fn rule<'a, T: UnwindSection<Slice<'a>>>(
    section: &T,
    bases: &BaseAddresses,
    offset: usize,
    address: u64,
    context: &mut UnwindContext<usize>,
) -> Option<Rule> {
    let entry = section.fde_from_offset(bases, T::Offset::from(offset), T::cie_from_offset);
    let entry = entry.ok()?;
    if entry.entry_len() > LONGEST_ENTRY || entry.cie().entry_len() > LONGEST_ENTRY {
        return None;
    }
    let row = entry.unwind_info_for_address(section, bases, context, address);
    let row = row.ok()?;
    let expression = |it: &UnwindExpression<usize>| -> Option<Arc<[u8]>> {
        let it = it.get(section).ok()?;
        (it.0.len() <= LONGEST_EXPRESSION).then(|| it.0.slice().into())
    };
    let saved = |register| {
        Some(match row.register(Register(register)) {
            None => Saved::Unsaid,
            Some(RegisterRule::Undefined) => Saved::Undefined,
            Some(RegisterRule::SameValue) => Saved::Same,
            Some(RegisterRule::Offset(offset)) => Saved::At(offset),
            Some(RegisterRule::ValOffset(offset)) => Saved::Value(offset),
            Some(RegisterRule::Register(other)) => Saved::In(other.0),
            Some(RegisterRule::Expression(it)) => Saved::AtExpression(expression(&it)?),
            Some(RegisterRule::ValExpression(it)) => Saved::ValueExpression(expression(&it)?),
            Some(_) => return None,
        })
    };
    Some(Rule {
        cfa: match row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => Cfa::Register(register.0, *offset),
            CfaRule::Expression(it) => Cfa::Expression(expression(it)?),
        },
        fp: saved(arch::FP)?,
        return_address: saved(entry.cie().return_address_register().0)?,
        is_signal: entry.is_signal_trampoline(),
    })
}

/// Compilers and C libraries write expressions of some ten bytes.
const LONGEST_EXPRESSION: usize = 1024;
