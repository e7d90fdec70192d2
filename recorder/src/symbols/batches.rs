//! Frames that wait for their symbols, by module. Pure.

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::sync::Arc;

use tidline::model::{FrameId, Module, Name, Symbol, SymbolSource, Trust};
use tidline::symbolize::is_jit_map;
use tidline::symbolize::protocol::MAX_PLACES;

/// A frame, its address, and how it was found.
pub(super) type Place = (FrameId, u64, Trust);

/// A module's path and build-id.
pub(super) type Key = (Name, Box<[u8]>);

/// Frames of one module that are looked up together.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) module: Key,
    pub(super) file: Option<Arc<File>>,
    pub(super) places: Vec<Place>,
    /// It is a JIT compiler's list. That grows: what is not in it is looked for once more at the end.
    pub(super) jit: bool,
    /// How often it was tried in vain.
    pub(super) tries: u32,
}

/// What waits, and what was found.
#[derive(Debug, Default)]
pub(super) struct State {
    batches: VecDeque<Batch>,
    /// To be asked for at the end.
    later: Vec<Batch>,
    /// Frames that are being looked up.
    under_way: usize,
    pub(super) found: Vec<(FrameId, Symbol)>,
    /// Modules whose files cannot be read without harm.
    harmful: HashSet<Key>,
    failed: u64,
    closing: bool,
    given_up: bool,
}

impl State {
    pub(super) fn want(&mut self, place: Place, module: &Module, file: Option<Arc<File>>) {
        let key = (module.path.clone(), module.build_id.clone());
        if self.given_up || self.harmful.contains(&key) {
            self.failed += 1;
            return;
        }
        let jit = is_jit_map(module.path.as_bytes());
        // Without the file, whatever else has that path would give wrong names.
        let can_be_found = file.is_some()
            || module.path.as_bytes().starts_with(b"/") && (jit || !module.build_id.is_empty());
        if !can_be_found {
            self.found.push((place.0, nothing()));
            return;
        }
        let fits = |batch: &&mut Batch| batch.module == key && batch.places.len() < MAX_PLACES;
        match self.batches.iter_mut().find(fits) {
            Some(batch) => {
                batch.places.push(place);
                if batch.file.is_none() {
                    batch.file = file;
                }
            }
            None => self.batches.push_back(Batch {
                module: key,
                file,
                places: vec![place],
                jit,
                tries: 0,
            }),
        }
    }

    /// The next to look up.
    pub(super) fn next(&mut self) -> Option<Batch> {
        let batch = self.batches.pop_front()?;
        self.under_way += batch.places.len();
        Some(batch)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// A batch's symbols, in its order.
    pub(super) fn resolved(&mut self, mut batch: Batch, symbols: Vec<Symbol>) {
        self.under_way -= batch.places.len();
        let mut missing = Vec::new();
        for (place, symbol) in batch.places.drain(..).zip(symbols) {
            if batch.jit && !self.closing && symbol.source == SymbolSource::Nothing {
                missing.push(place);
            } else {
                self.found.push((place.0, symbol));
            }
        }
        if !missing.is_empty() {
            batch.places = missing;
            self.later.push(batch);
        }
    }

    /// A batch whose module has no symbols.
    pub(super) fn has_nothing(&mut self, batch: Batch) {
        let symbols = vec![nothing(); batch.places.len()];
        self.resolved(batch, symbols);
    }

    /// A batch that was not looked up after all.
    pub(super) fn put_back(&mut self, batch: Batch) {
        self.under_way -= batch.places.len();
        if self.given_up {
            self.failed += batch.places.len() as u64;
        } else {
            self.batches.push_front(batch);
        }
    }

    /// A batch that the child did not survive: nothing more of its module is looked up.
    pub(super) fn harmed(&mut self, batch: Batch) {
        self.under_way -= batch.places.len();
        self.failed += batch.places.len() as u64;
        let of_it = |other: &Batch| other.module == batch.module;
        self.failed += self
            .batches
            .iter()
            .filter(|other| of_it(other))
            .map(|other| other.places.len() as u64)
            .sum::<u64>();
        self.batches.retain(|other| !of_it(other));
        self.harmful.insert(batch.module);
    }

    /// Nothing more will be wanted.
    pub(super) fn close(&mut self) {
        self.closing = true;
        self.batches.extend(std::mem::take(&mut self.later));
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing || self.given_up
    }

    /// Nothing more is looked up.
    pub(super) fn give_up(&mut self) {
        self.given_up = true;
        let left = self.batches.drain(..).chain(self.later.drain(..));
        self.failed += left.map(|batch| batch.places.len() as u64).sum::<u64>();
    }

    /// Frames that may still get a symbol.
    pub(super) fn waiting(&self) -> usize {
        let waiting = self.batches.iter().map(|batch| batch.places.len());
        self.under_way + waiting.sum::<usize>()
    }

    /// Frames of which it is not known whether they have one.
    pub(super) fn unresolved(&self) -> u64 {
        self.failed + self.waiting() as u64
    }
}

fn nothing() -> Symbol {
    Symbol {
        source: SymbolSource::Nothing,
        functions: Vec::new(),
    }
}
