//! The modules of all processes, each once: its layout, its tables while there is room for them, and the
//! rules that were looked up.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use gimli::UnwindContext;

use super::loader::{Answer, Loaded, Loader, NoModule, Opened, Patience, Question, Stamp, Ticket};
use super::maps::FileKey;
use super::tables::{NoTables, Rule, Tables};

/// More modules than this are not taken: some hundred bytes each.
const MOST_MODULES: usize = 1 << 16;
/// Files that are kept open, well below what a process may (RLIMIT_NOFILE: often 1024).
const MOST_FILES: usize = 256;
/// Rules that are kept, some hundred bytes each; all are forgotten when there are more.
const MOST_RULES: usize = 1 << 14;

/// All modules, by number.
#[derive(Debug)]
pub(super) struct Modules {
    all: Vec<Module>,
    by_stamp: HashMap<(FileKey, Stamp), u32>,
    /// The one that was met last of a file.
    latest: HashMap<FileKey, u32>,
    rules: HashMap<(u32, u64), Option<Rule>, BuildHasherDefault<Mix>>,
    context: UnwindContext<usize>,
    /// Bytes that tables may take, and do.
    memory: usize,
    used: usize,
    open: usize,
    clock: u64,
    /// How often tables were given up for others'.
    pub(super) evicted: u64,
}

#[derive(Debug)]
struct Module {
    opened: Opened,
    tables: Held,
    routine: Routine,
    last_used: u64,
}

#[derive(Debug)]
enum Held {
    Here(Tables),
    /// There are none, or too large ones.
    Never,
    /// Given up for others'.
    Away,
    /// Asked for again.
    Asked(Ticket),
}

/// Where libc keeps a start routine.
#[derive(Clone, Copy, Debug)]
enum Routine {
    Unknown,
    Asked(Ticket),
    Known(Option<u64>),
}

impl Modules {
    pub(super) fn new(memory: usize) -> Self {
        Modules {
            all: Vec::new(),
            by_stamp: HashMap::new(),
            latest: HashMap::new(),
            rules: HashMap::default(),
            context: UnwindContext::new(),
            memory,
            used: 0,
            open: 0,
            clock: 0,
            evicted: 0,
        }
    }

    /// The bytes that the tables of one file may take.
    pub(super) fn limit(&self) -> usize {
        self.memory
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    /// Bytes that tables take.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    pub(super) fn opened(&self, number: u32) -> &Opened {
        &self.all[number as usize].opened
    }

    pub(super) fn file(&self, number: u32) -> Option<Arc<File>> {
        self.all.get(number as usize)?.opened.file.clone()
    }

    /// What a file was when it was met last.
    pub(super) fn stamp(&self, key: FileKey) -> Option<Stamp> {
        let number = *self.latest.get(&key)?;
        Some(self.opened(number).stamp)
    }

    /// Takes up what the loader found of a file.
    pub(super) fn adopt(
        &mut self,
        key: FileKey,
        answer: Result<Option<Loaded>, NoModule>,
    ) -> Result<u32, NoModule> {
        let Some(loaded) = answer? else {
            return self.latest.get(&key).copied().ok_or(NoModule::Closed);
        };
        let stamp = loaded.opened.stamp;
        let number = match self.by_stamp.get(&(key, stamp)) {
            Some(number) => *number,
            None if self.all.len() >= MOST_MODULES => return Err(NoModule::Closed),
            None => self.add(loaded),
        };
        self.by_stamp.insert((key, stamp), number);
        self.latest.insert(key, number);
        Ok(number)
    }

    fn add(&mut self, loaded: Loaded) -> u32 {
        let number = self.all.len() as u32;
        self.clock += 1;
        self.all.push(Module {
            opened: loaded.opened,
            tables: Held::Never,
            routine: Routine::Unknown,
            last_used: self.clock,
        });
        self.hold(number, loaded.tables);
        self.open += usize::from(self.all[number as usize].opened.file.is_some());
        if self.open > MOST_FILES {
            self.close_one();
        }
        number
    }

    /// Keeps tables, and gives up others' for them: those that were not needed for the longest time.
    fn hold(&mut self, number: u32, tables: Result<Tables, NoTables>) {
        let Ok(tables) = tables else {
            self.all[number as usize].tables = Held::Never;
            return;
        };
        let size = tables.size();
        while self.used + size > self.memory {
            let held = self
                .all
                .iter_mut()
                .filter_map(|module| match &module.tables {
                    Held::Here(tables) => {
                        Some((module.last_used, tables.size(), &mut module.tables))
                    }
                    _ => None,
                });
            let Some((_, freed, oldest)) = held.min_by_key(|(used, ..)| *used) else {
                break; // Larger than all that there is: the loader lets none such through.
            };
            *oldest = Held::Away;
            self.used -= freed;
            self.evicted += 1;
        }
        self.used += size;
        self.all[number as usize].tables = Held::Here(tables);
    }

    fn close_one(&mut self) {
        let open = self.all.iter_mut().filter(|it| it.opened.file.is_some());
        if let Some(oldest) = open.min_by_key(|it| it.last_used) {
            oldest.opened.file = None;
            self.open -= 1;
        }
    }

    /// The rule for an address of a module, if its tables have one and are here or come soon.
    pub(super) fn rule(
        &mut self,
        number: u32,
        address: u64,
        loader: &mut Loader,
        patience: &mut Patience,
    ) -> Option<&Rule> {
        let key = (number, address);
        if !self.rules.contains_key(&key) {
            self.fetch(number, loader, patience);
            let module = &mut self.all[number as usize];
            self.clock += 1;
            module.last_used = self.clock;
            let rule = match &module.tables {
                Held::Here(tables) => tables.rule(address, &mut self.context),
                Held::Never => None,
                Held::Away | Held::Asked(_) => return None,
            };
            if self.rules.len() >= MOST_RULES {
                self.rules.clear();
            }
            self.rules.insert(key, rule);
        }
        self.rules.get(&key)?.as_ref()
    }

    #[cfg(test)]
    pub(super) fn forget_rules(&mut self) {
        self.rules.clear();
    }

    fn fetch(&mut self, number: u32, loader: &mut Loader, patience: &mut Patience) {
        let answer = match self.all[number as usize].tables {
            Held::Here(_) | Held::Never => return,
            Held::Asked(ticket) => loader.look(ticket),
            Held::Away => {
                let module = self.all[number as usize].opened.clone();
                let limit = self.memory;
                let Some(ticket) = loader.ask(Question::Tables { module, limit }) else {
                    return;
                };
                self.all[number as usize].tables = Held::Asked(ticket);
                loader.wait(ticket, patience)
            }
        };
        if let Some(Answer::Tables(tables)) = answer {
            self.hold(number, tables);
        }
    }

    /// Where libc keeps a thread's start routine, if that is said in this module.
    pub(super) fn routine(
        &mut self,
        number: u32,
        loader: &mut Loader,
        patience: &mut Patience,
    ) -> Option<u64> {
        let module = &mut self.all[number as usize];
        let answer = match module.routine {
            Routine::Known(offset) => return offset,
            Routine::Asked(ticket) => loader.look(ticket),
            Routine::Unknown => {
                let ticket = loader.ask(Question::Routine {
                    module: module.opened.clone(),
                })?;
                module.routine = Routine::Asked(ticket);
                loader.wait(ticket, patience)
            }
        };
        let Some(Answer::Routine(offset)) = answer else {
            return None;
        };
        module.routine = Routine::Known(offset);
        offset
    }
}

/// A quick hash for a module's number and an address: the standard one takes longer than the rest of
/// a step. Whoever makes collisions slows down only the look-up of his own stacks' rules.
#[derive(Clone, Copy, Debug, Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        let mixed =
            u128::from(self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        self.0 = (mixed >> 64) as u64 ^ mixed as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
