//! From what was captured of a thread at a creation to its call stack, off the thread.
//!
//! | part | what it does |
//! |---|---|
//! | [`maps`] | `/proc/PID/maps` to the places where code can be |
//! | [`process`] | which of those hold for a process, through forks and execs |
//! | [`loader`] | the thread that opens and reads files |
//! | [`elf`], [`tables`] | a file's layout, its call frame information as rules |
//! | [`modules`] | all files, each once, within a limit of memory |
//! | [`walk`] | from frame to frame |
//!
//! Nothing here stops a program: it has gone on long since. What cannot be known any more (the process
//! has ended, a file is gone) is said by the stack's end, and never made up.

mod arch;
mod elf;
mod loader;
mod maps;
mod modules;
mod process;
mod space;
mod tables;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use tidline::model::{
    Event, EventBody, Frame, FrameId, Interner, ModuleId, Pid, StackEnd, StackId, Time, Trust, What,
};

use crate::capture::{Capture, DESCRIPTOR_FROM};
use loader::{Loader, Patience};
use modules::Modules;
use process::Process;
use space::Space;
use walk::{Code, Found};

/// The most frames of a stack, and the default.
pub(crate) const MOST_FRAMES: usize = 512;
pub(crate) const DEFAULT_FRAMES: usize = 64;
/// The default for the memory that tables may take.
pub(crate) const DEFAULT_MEMORY: usize = 24 << 20;

/// More processes than this are not remembered: those that are forgotten are looked at again when one
/// of their stacks is asked for.
const MOST_PROCESSES: usize = 1 << 14;

/// Finds call stacks. One interner is used with it for all of its life.
#[derive(Debug)]
pub(crate) struct Unwinder {
    shared: Shared,
    processes: HashMap<Pid, Process>,
    frames: usize,
    found: Vec<Found>,
    counts: Counts,
}

/// What does not belong to one process.
#[derive(Debug)]
struct Shared {
    modules: Modules,
    loader: Loader,
    /// The modules' numbers in the recording, and here.
    numbers: HashMap<ModuleId, u32>,
}

/// What was done, for the recorder's own account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Stacks that were asked for.
    pub(crate) stacks: u64,
    /// Those that end for want of captured memory.
    pub(crate) cut: u64,
    /// Those of processes whose memory map could not be had.
    pub(crate) without_map: u64,
    /// Modules that were loaded.
    pub(crate) modules: u64,
    /// Bytes of memory that their tables take now.
    pub(crate) table_bytes: u64,
    /// How often tables were given up for others'.
    pub(crate) evicted: u64,
}

impl Unwinder {
    /// `frames`: at most so many of a stack, up to [`MOST_FRAMES`]. `memory`: bytes that the tables of all
    /// modules may take, besides those that are just being read.
    pub(crate) fn new(frames: usize, memory: usize) -> Self {
        Unwinder {
            shared: Shared {
                modules: Modules::new(memory),
                loader: Loader::start(),
                numbers: HashMap::new(),
            },
            processes: HashMap::new(),
            frames: frames.clamp(1, MOST_FRAMES),
            found: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// The stack of a creation, interned. `None` if there is none to be told (the registers could not
    /// be read), or if the interner is full.
    pub(crate) fn stack(
        &mut self,
        now: Time,
        pid: Pid,
        capture: &Capture,
        interner: &mut Interner,
    ) -> Option<StackId> {
        if capture.registers.ip == 0 {
            return None;
        }
        self.counts.stacks += 1;
        if !capture.maps.is_empty() {
            self.process(pid).given(now, capture.tid, &capture.maps);
        }
        let end = self.walk(now, pid, capture, self.frames);
        if end == StackEnd::Captured {
            self.counts.cut += 1;
            self.process(pid).wants_more = true;
        }
        self.counts.without_map += u64::from(end == StackEnd::NoMap);
        let mut found = std::mem::take(&mut self.found);
        let mut space = self.space(now, pid);
        let frames: Vec<Frame> = (found.iter().enumerate())
            .map(|(index, it)| space.frame(it, index == 0, interner))
            .collect();
        found.clear();
        self.found = found;
        interner.stack(&frames, end)
    }

    /// The routine that the new thread begins with, where the ABI lets it be known.
    pub(crate) fn start_routine(
        &mut self,
        now: Time,
        pid: Pid,
        capture: &Capture,
        interner: &mut Interner,
    ) -> Option<FrameId> {
        if capture.registers.ip == 0 {
            return None;
        }
        self.walk(now, pid, capture, 2);
        let found = std::mem::take(&mut self.found);
        let mut space = self.space(now, pid);
        let by_go = space.by_go(capture, &found);
        let address = by_go.or_else(|| space.by_libc(capture, &found));
        let place = address.and_then(|address| space.place(address));
        let frame = place.map(|place| {
            let routine = Found {
                place,
                trust: Trust::Argument,
            };
            space.frame(&routine, true, interner)
        });
        self.found = found;
        interner.frame(frame?)
    }

    /// Takes note of what became of processes.
    pub(crate) fn follow(&mut self, event: &Event) {
        match &event.body {
            EventBody::Birth(birth) if birth.what == What::Process => {
                let parent = birth.parent.and_then(|it| self.processes.get(&it.pid));
                let child = parent.map(Process::child).unwrap_or_default();
                self.insert(birth.child.pid, child);
            }
            EventBody::Birth(birth) => self.process(birth.child.pid).threads += 1,
            EventBody::Existing { task, .. } => self.process(task.pid).threads += 1,
            EventBody::Exec { task, exe, .. } => {
                self.insert(task.pid, Process::after_exec(exe));
            }
            EventBody::Exit { task, .. } | EventBody::Detach { task, .. } => {
                if let Some(process) = self.processes.get_mut(&task.pid) {
                    process.threads = process.threads.saturating_sub(1);
                    if process.threads == 0 {
                        self.processes.remove(&task.pid);
                    }
                }
            }
            _ => {}
        }
    }

    /// The open file of a module. `None` for the kernel's own code, and for those that were met so long
    /// ago that their files had to be closed.
    pub(crate) fn file(&self, module: ModuleId) -> Option<Arc<File>> {
        let number = self.shared.numbers.get(&module)?;
        self.shared.modules.file(*number)
    }

    /// Whether a stack of this process was cut by what was captured: more is wanted from now on.
    pub(crate) fn wants_more(&self, pid: Pid) -> bool {
        self.processes.get(&pid).is_some_and(|it| it.wants_more)
    }

    /// What was done so far.
    pub(crate) fn counts(&self) -> Counts {
        Counts {
            modules: self.shared.modules.count() as u64,
            table_bytes: self.shared.modules.used() as u64,
            evicted: self.shared.modules.evicted,
            ..self.counts
        }
    }

    fn insert(&mut self, pid: Pid, process: Process) {
        if self.processes.len() >= MOST_PROCESSES {
            self.processes.clear();
        }
        self.processes.insert(pid, process);
    }

    fn process(&mut self, pid: Pid) -> &mut Process {
        if !self.processes.contains_key(&pid) {
            self.insert(pid, Process::default());
        }
        self.processes.entry(pid).or_default()
    }

    fn space(&mut self, now: Time, pid: Pid) -> Space<'_> {
        let table = self.process(pid).table().cloned().unwrap_or_default();
        Space {
            now,
            pid,
            table,
            process: self.processes.entry(pid).or_default(),
            shared: &mut self.shared,
            patience: Patience::default(),
        }
    }

    /// Finds the frames, and why there are no more. They are in `self.found`.
    fn walk(&mut self, now: Time, pid: Pid, capture: &Capture, limit: usize) -> StackEnd {
        let ip = capture.registers.ip;
        self.process(pid).freshen(now, pid, ip);
        let mut found = std::mem::take(&mut self.found);
        let mut end = self.space(now, pid).walk(capture, limit, &mut found);
        // It may have mapped more code since the table was read.
        if end == StackEnd::NoCode && self.process(pid).refresh(now, pid, ip) {
            end = self.space(now, pid).walk(capture, limit, &mut found);
        }
        if !self.process(pid).knows(ip) {
            end = StackEnd::NoMap;
        }
        self.found = found;
        end
    }
}
