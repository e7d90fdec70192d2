//! Functions by address, from an ELF file's symbol tables.
//!
//! A table is looked through once, from the first entry to the last, for all the addresses that are
//! wanted: memory does not grow with the file, and only names that are told are read.

use std::io::{Read, Seek};

use super::elf::{Elf, MAX_NAME, Problem, SHT_NOBITS, Section, read_some};
use super::names;

/// Functions at one address have at most so many names that are looked at.
const MAX_ALIASES: usize = 16;

const SHT_SYMTAB: u32 = 2;
const SHT_DYNSYM: u32 = 11;
const SHF_EXECINSTR: u64 = 0x4;
const STT_NOTYPE: u8 = 0;
const STT_FUNC: u8 = 2;
const STT_GNU_IFUNC: u8 = 10;
const EM_ARM: u16 = 40;

/// One of the names that a function has in a symbol table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Alias {
    /// The [plain](names::plain) name.
    pub(super) name: String,
    /// Others may link to it.
    pub(super) public: bool,
}

/// A function that covers an address: where it starts, and its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Covering {
    pub(super) start: u64,
    pub(super) aliases: Vec<Alias>,
}

impl Covering {
    /// Adds what another table says of the same address: of two functions the nearer one is it.
    pub(super) fn merge(one: &mut Option<Covering>, other: Option<Covering>) {
        let Some(other) = other else { return };
        let Some(one) = one.as_mut().filter(|one| one.start >= other.start) else {
            *one = Some(other);
            return;
        };
        if one.start > other.start {
            return;
        }
        for alias in other.aliases {
            match one
                .aliases
                .iter_mut()
                .find(|known| known.name == alias.name)
            {
                Some(known) => known.public |= alias.public,
                None => one.aliases.push(alias),
            }
        }
    }
}

/// A symbol's entry, as far as it matters.
#[derive(Clone, Copy, Debug)]
struct Entry {
    name: u32,
    start: u64,
    public: bool,
}

/// What was found so far for one address.
#[derive(Clone, Debug, Default)]
struct Best {
    /// The nearest function that covers it, by all its names.
    sized: Option<(u64, Vec<Entry>)>,
    /// The nearest label before it that has no size, as hand-written code has them, and the end of its
    /// section.
    bare: Option<(u64, Vec<Entry>, u64)>,
    /// Where the last function before it ends.
    reached: u64,
}

impl Best {
    /// The entries of the function that covers the address.
    fn covering(self, address: u64) -> Option<(u64, Vec<Entry>)> {
        let bare = self
            .bare
            .filter(|(start, _, end)| *start >= self.reached && address < *end);
        self.sized
            .or(bare.map(|(start, entries, _)| (start, entries)))
    }
}

/// Takes an entry that is as near as those that are there, or nearer.
fn take(entries: &mut Vec<Entry>, start: &mut u64, entry: Entry) {
    if entry.start > *start {
        entries.clear();
        *start = entry.start;
    }
    if entry.start == *start && entries.len() < MAX_ALIASES {
        entries.push(entry);
    }
}

impl<R: Read + Seek> Elf<R> {
    /// The functions of its symbol tables that cover these addresses, in their order.
    pub(super) fn functions(&mut self, addresses: &[u64]) -> Vec<Option<Covering>> {
        let mut order: Vec<usize> = (0..addresses.len()).collect();
        order.sort_unstable_by_key(|index| addresses[*index]);
        let sorted: Vec<u64> = order.iter().map(|index| addresses[*index]).collect();
        let mut found: Vec<Option<Covering>> = vec![None; addresses.len()];
        for kind in [SHT_SYMTAB, SHT_DYNSYM] {
            let Some(table) = self.sections.iter().find(|section| section.kind == kind) else {
                continue;
            };
            let table = table.clone();
            let mut best = vec![Best::default(); sorted.len()];
            // What is wrong with the end of a table does not take its beginning away.
            let _ = self.look_through(&table, &sorted, &mut best);
            Self::hand_on(&mut best);
            let Some(names) = self.sections.get(table.link as usize).cloned() else {
                continue;
            };
            for (place, best) in order.iter().zip(best) {
                if let Some(covering) = best.covering(addresses[*place]) {
                    Covering::merge(&mut found[*place], self.named(&names, covering));
                }
            }
        }
        found
    }

    fn named(&mut self, names: &Section, (start, entries): (u64, Vec<Entry>)) -> Option<Covering> {
        let mut aliases = Vec::new();
        for entry in entries {
            let public = entry.public;
            let name = self.name(names, entry.name);
            aliases.extend(name.map(|name| Alias { name, public }));
        }
        (!aliases.is_empty()).then_some(Covering { start, aliases })
    }

    fn look_through(
        &mut self,
        table: &Section,
        sorted: &[u64],
        best: &mut [Best],
    ) -> Result<(), Problem> {
        const AT_ONCE: usize = 4096;
        let each = self.pick(16, 24);
        if table.entry_size != each as u64 || table.kind == SHT_NOBITS {
            return Err("its symbols are of an unknown size".into());
        }
        let count = table.size / each as u64;
        let mut bytes = vec![0; AT_ONCE * each];
        let mut index = 0;
        while index < count {
            let now = (count - index).min(AT_ONCE as u64) as usize;
            let at = table.offset.saturating_add(index * each as u64);
            self.exact(at, &mut bytes[..now * each])?;
            for symbol in bytes[..now * each].chunks_exact(each) {
                self.consider(symbol, sorted, best);
            }
            index += now as u64;
        }
        Ok(())
    }

    /// What was noted at the first address behind it holds for those behind that one, too.
    fn hand_on(best: &mut [Best]) {
        for index in 1..best.len() {
            let (before, after) = best.split_at_mut(index);
            let (before, after) = (&before[index - 1], &mut after[0]);
            after.reached = after.reached.max(before.reached);
            if let Some(bare) = &before.bare
                && after.bare.as_ref().is_none_or(|its| its.0 < bare.0)
            {
                after.bare = Some(bare.clone());
            }
        }
    }

    fn consider(&self, symbol: &[u8], sorted: &[u64], best: &mut [Best]) {
        let (info, section, mut start, size) = match self.wide {
            true => (
                symbol[4],
                self.u16(symbol, 6),
                self.u64(symbol, 8),
                self.u64(symbol, 16),
            ),
            false => (
                symbol[12],
                self.u16(symbol, 14),
                self.u32(symbol, 4).into(),
                self.u32(symbol, 8).into(),
            ),
        };
        let kind = info & 0xf;
        if section == 0 || !matches!(kind, STT_NOTYPE | STT_FUNC | STT_GNU_IFUNC) {
            return;
        }
        let home = self.sections.get(usize::from(section));
        if kind == STT_NOTYPE && home.is_none_or(|home| home.flags & SHF_EXECINSTR == 0) {
            return;
        }
        if self.machine == EM_ARM {
            start &= !1; // It says that the code is Thumb's.
        }
        let entry = Entry {
            name: self.u32(symbol, 0),
            start,
            public: info >> 4 != 0,
        };
        let from = sorted.partition_point(|address| *address < start);
        if size == 0 {
            let (Some(best), Some(home)) = (best.get_mut(from), home) else {
                return;
            };
            let end = home.address.saturating_add(home.size);
            let (nearest, entries, its_end) = best.bare.get_or_insert((start, Vec::new(), end));
            take(entries, nearest, entry);
            if *nearest == start {
                *its_end = end;
            }
            return;
        }
        let end = start.saturating_add(size);
        let to = sorted.partition_point(|address| *address < end);
        for best in &mut best[from..to] {
            let (nearest, entries) = best.sized.get_or_insert((start, Vec::new()));
            take(entries, nearest, entry);
        }
        if let Some(best) = best.get_mut(to) {
            best.reached = best.reached.max(end);
        }
    }

    fn name(&mut self, strings: &Section, at: u32) -> Option<String> {
        if u64::from(at) >= strings.size || strings.kind == SHT_NOBITS {
            return None;
        }
        let offset = strings.offset.checked_add(at.into())?;
        let most = (strings.size - u64::from(at)).min(MAX_NAME as u64) as usize;
        let mut bytes = vec![0; most];
        let got = read_some(&mut self.source, offset, &mut bytes).ok()?;
        let end = bytes[..got].iter().position(|byte| *byte == 0)?;
        let name = String::from_utf8(bytes[..end].to_vec()).ok()?;
        let plain = names::plain(&name);
        // `$x` and the like mark what the bytes are, on some machines.
        (!plain.is_empty() && !plain.starts_with('$')).then(|| plain.to_owned())
    }
}
