//! From captures to call stacks in the file: unwinds, interns, has frames looked up, and defines in
//! each file what its events have.
//!
//! All of this happens in the writer's thread, while the threads it is about run on.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidline::format::{Defined, Error, Writer};
use tidline::model::{Carried, Definition, Event, EventBody, FrameId, Interner, Time};

use super::output::Output;
use super::progress::Progress;
use super::queue::Told;
use crate::capture::{Capture, Room};
use crate::cli::SymbolMode;
use crate::symbols::Symbols;
use crate::unwind::{DEFAULT_MEMORY, Unwinder};

/// How many frames, and how many nodes of stacks, are told apart; some 200 bytes each. A program
/// with more has the rest of its stacks dropped.
const MOST: usize = 30_000;
/// How long answers are looked out for after the last question or answer, and how often, ns.
const AWAIT_NS: u64 = 5_000_000_000;
const LOOK_EVERY_NS: u64 = 250_000_000;
/// How long the end of a recording waits for symbols; and where they find no processor, unless somebody
/// wants the end.
const PATIENCE: Duration = Duration::from_secs(10);
const PATIENCE_WITHOUT_PROCESSOR: Duration = Duration::from_secs(60);

pub(super) struct Stacks {
    unwinder: Unwinder,
    interner: Interner,
    symbols: Symbols,
    /// Frames that were asked about.
    asked: u32,
    /// Until then an answer is expected.
    awaited: Time,
    /// What the current file has.
    defined: Defined,
    needed: Vec<Definition>,
    room: Arc<Room>,
    taken: u64,
    /// Captures from which no stack came: there were too many different ones.
    too_many: u64,
}

impl Stacks {
    pub(super) fn new(frames: usize, symbols: SymbolMode, room: Arc<Room>) -> Self {
        Stacks {
            unwinder: Unwinder::new(frames, DEFAULT_MEMORY),
            interner: Interner::new(MOST),
            symbols: Symbols::new(symbols),
            asked: 0,
            awaited: Time(0),
            defined: Defined::default(),
            needed: Vec::new(),
            room,
            taken: 0,
            too_many: 0,
        }
    }

    /// Follows an event, and gives it the stack that was captured for it.
    pub(super) fn follow(&mut self, told: Told) -> Event {
        let Told { mut event, capture } = told;
        if let Some(capture) = capture {
            self.unwind(&mut event, &capture);
            self.room.give_back(*capture);
        }
        match &event.body {
            EventBody::Exec { task, .. } => self.room.forget(task.pid),
            EventBody::Exit { task, .. } if task.is_leader() => self.room.forget(task.pid),
            _ => {}
        }
        self.unwinder.follow(&event);
        event
    }

    fn unwind(&mut self, event: &mut Event, capture: &Capture) {
        let now = event.time;
        let (pid, stack, start) = match &mut event.body {
            EventBody::Birth(birth) => {
                let creator = birth.parent.unwrap_or(birth.child);
                (creator.pid, &mut birth.stack, Some(&mut birth.start))
            }
            EventBody::CreateFailed { task, stack, .. } => (task.pid, stack, None),
            _ => return,
        };
        let interner = &mut self.interner;
        *stack = self.unwinder.stack(now, pid, capture, interner);
        if let Some(start) = start {
            *start = self.unwinder.start_routine(now, pid, capture, interner);
        }
        match stack {
            Some(_) => self.taken += 1,
            None => self.too_many += 1,
        }
        if self.unwinder.wants_more(pid) {
            self.room.deepen(pid);
        }
        self.ask(now);
    }

    /// When to look again whether something was found.
    pub(super) fn next(&self, now: Time) -> Option<Time> {
        (now < self.awaited).then_some(Time(now.0 + LOOK_EVERY_NS))
    }

    /// Has frames looked up that are new.
    fn ask(&mut self, now: Time) {
        let stacks = self.interner.stacks();
        while let Some(frame) = stacks.frame(FrameId(self.asked)) {
            let id = FrameId(self.asked);
            self.asked += 1;
            self.awaited = Time(now.0 + AWAIT_NS);
            if let Some(number) = frame.module
                && let Some(module) = stacks.module(number)
            {
                let file = self.unwinder.file(number);
                self.symbols.want(id, *frame, module, file);
            }
        }
    }

    /// Defines in the file what an event needs, before it is pushed.
    pub(super) fn define(
        &mut self,
        event: &Event,
        writer: &mut Writer<Output>,
    ) -> Result<(), Error> {
        self.defined
            .for_event(event, self.interner.stacks(), &mut self.needed);
        self.write(writer)
    }

    /// Takes up what was found of symbols, and defines it in the file. Whether there was anything.
    pub(super) fn define_symbols(
        &mut self,
        now: Time,
        writer: &mut Writer<Output>,
    ) -> Result<bool, Error> {
        let found = self.symbols.take();
        let any = !found.is_empty();
        if any {
            self.awaited = Time(now.0 + AWAIT_NS);
        }
        for (frame, symbol) in found {
            self.interner.symbol(frame, symbol);
            self.defined
                .for_symbol(frame, self.interner.stacks(), &mut self.needed);
        }
        self.write(writer)?;
        Ok(any)
    }

    /// What a new file has to define for the tasks that it begins with.
    pub(super) fn for_new_file(&self, carried: &[Carried]) -> (Defined, Vec<Definition>) {
        let (mut defined, mut needed) = (Defined::default(), Vec::new());
        defined.for_checkpoint(carried, self.interner.stacks(), &mut needed);
        (defined, needed)
    }

    /// The next file has taken the place of the one before.
    pub(super) fn new_file(&mut self, defined: Defined) {
        self.defined = defined;
    }

    /// Something could not be written, and it is not known what: all is defined again.
    pub(super) fn write_failed(&mut self) {
        self.defined.clear();
    }

    /// Waits for what is still to be found of symbols, and defines it. What it did, as counters.
    pub(super) fn finish(
        mut self,
        writer: &mut Writer<Output>,
        progress: &Progress,
    ) -> (Result<(), Error>, Vec<(&'static str, u64)>) {
        progress.looks_up.store(true, Ordering::SeqCst);
        let hurries = || progress.hurries.load(Ordering::SeqCst);
        let at_most = match progress.is_asked_to_end.load(Ordering::SeqCst) {
            true => PATIENCE,
            false => PATIENCE_WITHOUT_PROCESSOR,
        };
        let (found, unresolved) = self.symbols.finish((PATIENCE, at_most), hurries);
        progress.looks_up.store(false, Ordering::SeqCst);
        let mut needed = std::mem::take(&mut self.needed);
        for (frame, symbol) in found {
            self.interner.symbol(frame, symbol);
            self.defined
                .for_symbol(frame, self.interner.stacks(), &mut needed);
        }
        self.defined.for_end(self.interner.stacks(), &mut needed);
        let written = needed
            .iter()
            .try_for_each(|definition| writer.define(definition));
        let counts = self.unwinder.counts();
        let counters = vec![
            ("stacks_taken", self.taken),
            ("stacks_dropped", self.room.dropped() + self.too_many),
            ("stacks_cut", counts.cut),
            ("stacks_without_map", counts.without_map),
            ("stack_modules", counts.modules),
            ("stack_table_bytes", counts.table_bytes),
            ("stack_tables_evicted", counts.evicted),
            ("symbols_unresolved", unresolved),
        ];
        (written, counters)
    }

    fn write(&mut self, writer: &mut Writer<Output>) -> Result<(), Error> {
        let needed = self.needed.drain(..);
        let mut written = Ok(());
        for definition in needed {
            written = written.and(writer.define(&definition));
        }
        written
    }
}
