//! What is read of a thread while it stands at a creation, for its call stack to be found later.
//!
//! One `process_vm_readv(2)`: nothing is looked up while the thread stands.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tidline::model::{Event, EventBody, Pid, Tid, Time, What};

/// From here on a thread's descriptor is captured, bytes from where its thread pointer points.
/// (Its first kilobyte is the thread's own; what libc keeps of a start routine comes later.)
pub(crate) const DESCRIPTOR_FROM: u64 = 0x400;
/// So much of it.
pub(crate) const DESCRIPTOR_LEN: usize = 0x300;

/// Registers and memory of a thread that stands in a creating system call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Capture {
    /// What unwinding begins with.
    pub(crate) registers: StackRegisters,
    /// The stack from `registers.sp` on; only the first `stack_len` bytes of it could be read.
    pub(crate) buffer: Vec<u8>,
    /// How many bytes of the stack could be read.
    pub(crate) stack_len: usize,
    /// Whether the stack goes on behind what was captured.
    pub(crate) is_cut: bool,
    /// The new thread's descriptor, from [`DESCRIPTOR_FROM`] on: memory behind the thread pointer that
    /// `CLONE_SETTLS` sets. Empty without that flag, or where it could not be read.
    pub(crate) descriptor: Vec<u8>,
    /// `/proc/TID/maps` as it was then, in some captures: a program that ends a millisecond later could
    /// not be asked any more.
    pub(crate) maps: Vec<u8>,
    /// The thread that it was read of.
    pub(crate) tid: Tid,
}

impl Capture {
    /// The stack from `registers.sp` on, as far as it could be read.
    pub(crate) fn stack(&self) -> &[u8] {
        &self.buffer[..self.stack_len]
    }
}

/// Registers that unwinding needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StackRegisters {
    /// The instruction pointer.
    pub(crate) ip: u64,
    /// The stack pointer.
    pub(crate) sp: u64,
    /// The frame pointer: rbp, x29.
    pub(crate) fp: u64,
    /// The link register, x30; 0 where there is none.
    pub(crate) lr: u64,
    /// The register in which Go's `runtime.clone` keeps the new thread's function: r12 on x86-64
    /// (runtime/sys_linux_amd64.s, Go 1.19); 0 elsewhere.
    pub(crate) kept: u64,
    /// The register in which glibc's `vfork` keeps its return address, which the child would overwrite on
    /// the stack that both share: rdi on x86-64; 0 elsewhere, or where it was not read.
    pub(crate) vfork: u64,
}

/// Whose memory map is read while one of its threads stands: at the first creation of a program, and
/// then as often as costs it at most a fiftieth of its time. A program that ends soon, or replaces a
/// library, could not be asked later.
#[derive(Debug, Default)]
pub(crate) struct Maps {
    /// Not before.
    next: HashMap<Pid, Time>,
}

/// The part of the time that reading maps may take: one of so many.
const SHARE: u64 = 50;

impl Maps {
    /// Whether it is time to, at a creation by this process.
    pub(crate) fn are_wanted(&self, pid: Pid, now: Time) -> bool {
        self.next.get(&pid).is_none_or(|next| *next <= now)
    }

    /// They were read, in so many nanoseconds.
    pub(crate) fn were_read(&mut self, pid: Pid, now: Time, took_ns: u64) {
        let next = now.0.saturating_add(took_ns.saturating_mul(SHARE));
        self.next.insert(pid, Time(next));
    }

    /// A new process has its creator's memory; one that executes a program has its own.
    pub(crate) fn follow(&mut self, events: &[Event]) {
        for event in events {
            match &event.body {
                EventBody::Birth(birth) if birth.what == What::Process => {
                    let creator = birth.parent.and_then(|it| self.next.get(&it.pid));
                    if let Some(next) = creator.copied() {
                        self.next.insert(birth.child.pid, next);
                    }
                }
                EventBody::Exec { task, .. } => {
                    self.next.remove(&task.pid);
                }
                EventBody::Exit { task, .. } | EventBody::Detach { task, .. }
                    if task.is_leader() =>
                {
                    self.next.remove(&task.pid);
                }
                _ => {}
            }
        }
    }
}

/// What captures on their way to the writer may take in all, bytes. Beyond it stacks are dropped, and
/// nothing else.
const LIMIT: usize = 4 << 20;
/// So much of a stack is captured where less was too little, bytes.
const DEEP: usize = 64 << 10;
/// So many buffers are kept for the next captures.
const SPARE: usize = 64;

/// The room that captures on their way share, and what the writer learned for the next ones.
#[derive(Debug, Default)]
pub(crate) struct Room {
    used: AtomicUsize,
    spare: Mutex<Vec<Vec<u8>>>,
    /// Processes whose stacks were longer than what was captured.
    deep: Mutex<HashSet<Pid>>,
    any_deep: AtomicBool,
    dropped: AtomicU64,
}

impl Room {
    /// A buffer for a stack of a process; `None` if there is no room: then the stack is counted as
    /// dropped.
    pub(crate) fn take(&self, pid: Pid, usual: usize) -> Option<Vec<u8>> {
        let is_deep = self.any_deep.load(Ordering::Relaxed) && lock(&self.deep).contains(&pid);
        let wanted = if is_deep { usual.max(DEEP) } else { usual };
        if self.used.fetch_add(wanted, Ordering::Relaxed) + wanted > LIMIT {
            self.used.fetch_sub(wanted, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let spare = lock(&self.spare)
            .pop()
            .filter(|spare| spare.len() == wanted);
        Some(spare.unwrap_or_else(|| vec![0; wanted]))
    }

    /// Whether there is room for something more that a capture takes with it.
    pub(crate) fn add(&self, bytes: usize) -> bool {
        let fits = self.used.fetch_add(bytes, Ordering::Relaxed) + bytes <= LIMIT;
        if !fits {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        }
        fits
    }

    /// Takes back what a capture took.
    pub(crate) fn give_back(&self, capture: Capture) {
        self.used.fetch_sub(capture.maps.len(), Ordering::Relaxed);
        self.give(capture.buffer);
    }

    /// Takes a buffer back.
    pub(crate) fn give(&self, buffer: Vec<u8>) {
        self.used.fetch_sub(buffer.len(), Ordering::Relaxed);
        let mut spare = lock(&self.spare);
        if spare.len() < SPARE && buffer.len() < DEEP {
            spare.push(buffer);
        }
    }

    /// Whether half of it is in use: time for the writer to empty it.
    pub(crate) fn is_half_full(&self) -> bool {
        self.used.load(Ordering::Relaxed) > LIMIT / 2
    }

    /// Has more captured of this process from now on.
    pub(crate) fn deepen(&self, pid: Pid) {
        lock(&self.deep).insert(pid);
        self.any_deep.store(true, Ordering::Relaxed);
    }

    /// The process has ended, or replaced its program.
    pub(crate) fn forget(&self, pid: Pid) {
        if self.any_deep.load(Ordering::Relaxed) {
            lock(&self.deep).remove(&pid);
        }
    }

    /// A stack was dropped before there was anything to put into a buffer.
    pub(crate) fn note_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// Stacks that were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_bounded_and_given_back() {
        let room = Room::default();
        let taken: Vec<_> = std::iter::from_fn(|| room.take(Pid(1), 16 << 10)).collect();
        assert_eq!(taken.len(), LIMIT / (16 << 10));
        assert!(room.is_half_full());
        assert_eq!(room.dropped(), 1);
        for buffer in taken {
            room.give(buffer);
        }
        assert!(!room.is_half_full());
        assert_eq!(
            room.take(Pid(1), 16 << 10).map(|buffer| buffer.len()),
            Some(16 << 10)
        );
    }

    #[test]
    fn maps_are_read_at_first_and_then_for_a_part_of_the_time() {
        let mut maps = Maps::default();
        assert!(maps.are_wanted(Pid(1), Time(5)));
        maps.were_read(Pid(1), Time(5), 100);
        let wanted = |maps: &Maps, now| maps.are_wanted(Pid(1), Time(now));
        assert!(!wanted(&maps, 5004) && wanted(&maps, 5005));
        let exec = EventBody::Exec {
            task: tidline::model::Task::new(1, 1),
            former_tid: Tid(1),
            exe: "".into(),
            name: "".into(),
        };
        let time = Time(6);
        maps.follow(&[Event { time, body: exec }]);
        assert!(wanted(&maps, 6));
    }

    #[test]
    fn a_process_with_deep_stacks_gets_more() {
        let room = Room::default();
        room.deepen(Pid(7));
        let len = |pid| room.take(Pid(pid), 16 << 10).map(|buffer| buffer.len());
        assert_eq!((len(7), len(8)), (Some(DEEP), Some(16 << 10)));
        room.forget(Pid(7));
        assert_eq!(len(7), Some(16 << 10));
    }
}
