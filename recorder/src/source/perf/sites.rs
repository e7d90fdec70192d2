//! Stacks of those that created, from the moment they are read until the birth that they belong to is
//! told.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;
use std::io::IoSliceMut;
use std::sync::Arc;

use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use tidline::model::{Tid, Time};

use super::fact::{Site, SiteOf};
use super::pop_if;
use super::record::Stack;
use super::registers::{Arguments, NewThread};
use crate::capture::{Capture, DESCRIPTOR_FROM, DESCRIPTOR_LEN, Room};
use crate::proc;
use crate::tracker::TidHasher;

/// Buffers differ by so much in length, bytes: one that is given back serves the next of its length.
const STEP: usize = 4096;
/// In so short a time no TID comes again, ns: there are 32,768 of them at least.
const SAME_TID_NS: u64 = 250_000_000;

/// What was taken of one.
#[derive(Debug)]
pub(crate) struct Taken {
    time: Time,
    /// The struct that clone3 was given.
    pub(crate) arguments: Option<Arguments>,
    pub(crate) capture: Option<Box<Capture>>,
}

pub(crate) struct Sites {
    room: Arc<Room>,
    /// How much of a stack is wanted, bytes; `None` for nothing.
    stack_bytes: Option<usize>,
    taken: HashMap<SiteOf, VecDeque<Taken>, BuildHasherDefault<TidHasher>>,
}

impl Sites {
    pub(crate) fn new(room: Arc<Room>, stack_bytes: Option<usize>) -> Self {
        Sites {
            room,
            stack_bytes,
            taken: HashMap::default(),
        }
    }

    /// Takes a site of a task that is recorded. It is `now` since a moment.
    pub(crate) fn add(&mut self, site: &Site, stack: Stack<'_>, now: Time) {
        let Some(registers) = site.registers else {
            return;
        };
        let arguments = registers.arguments(stack.bytes);
        let mut capture = self.capture(site, stack);
        if let Some(capture) = &mut capture
            && let SiteOf::Birth(child) = site.of
            && now.0 < site.time.0 + SAME_TID_NS
            && let Some(new) = registers.new_thread(arguments)
        {
            capture.descriptor = descriptor(child, new).unwrap_or_default();
        }
        let taken = Taken {
            time: site.time,
            arguments,
            capture,
        };
        self.taken.entry(site.of).or_default().push_back(taken);
    }

    fn capture(&self, site: &Site, stack: Stack<'_>) -> Option<Box<Capture>> {
        let registers = site.registers?.stack;
        self.stack_bytes?;
        // Most stacks are shorter than what may be captured: only what there is takes room.
        let wanted = stack.bytes.len().next_multiple_of(STEP).max(STEP);
        let mut buffer = self.room.take(site.task.pid, wanted)?;
        let stack_len = stack.bytes.len().min(buffer.len());
        buffer[..stack_len].copy_from_slice(&stack.bytes[..stack_len]);
        Some(Box::new(Capture {
            registers,
            is_cut: stack.is_cut || stack_len < stack.bytes.len(),
            stack_len,
            buffer,
            descriptor: Vec::new(),
            maps: Vec::new(),
            tid: site.task.tid,
        }))
    }

    /// The site of what happened at a time: the first that was taken from then on. A birth has none
    /// where its creator's stack found no room; then that is counted.
    pub(crate) fn take(&mut self, of: SiteOf, time: Time) -> Option<Taken> {
        let mut found = None;
        if let Some(taken) = self.taken.get_mut(&of) {
            while let Some(this) = taken.pop_front() {
                if this.time >= time {
                    found = Some(this);
                    break;
                }
                give_back(&self.room, this);
            }
            if taken.is_empty() {
                self.taken.remove(&of);
            }
        }
        if found.is_none() && self.stack_bytes.is_some() {
            self.room.note_dropped();
        }
        found
    }

    /// Forgets what is older, whose birth was lost.
    pub(crate) fn forget(&mut self, before: Time) {
        let room = &self.room;
        self.taken.retain(|_, taken| {
            while let Some(old) = pop_if(taken, |taken| taken.time < before) {
                give_back(room, old);
            }
            !taken.is_empty()
        });
    }
}

/// A thread's descriptor, if it still has it. The kernel has written the thread's TID into it before it ran
/// (`CLONE_PARENT_SETTID`), and libc has the kernel clear that when it ends (`CLONE_CHILD_CLEARTID`), before
/// another thread gets the memory. So what is read while the TID stands there is of this thread.
fn descriptor(tid: Tid, new: NewThread) -> Option<Vec<u8>> {
    let mut bytes = vec![0; DESCRIPTOR_LEN];
    let (mut before, mut after) = ([0; 4], [0; 4]);
    let place = |base: u64, len| RemoteIoVec {
        base: base as usize,
        len,
    };
    let remote = [
        place(new.tid_at, before.len()),
        place(new.tls.wrapping_add(DESCRIPTOR_FROM), bytes.len()),
        place(new.tid_at, after.len()),
    ];
    let local = &mut [&mut before[..], &mut bytes, &mut after].map(IoSliceMut::new);
    // They are read one after the other.
    let read = process_vm_readv(nix::unistd::Pid::from_raw(tid.0 as i32), local, &remote).ok()?;
    let is_whole = read == DESCRIPTOR_LEN + 8 && before == after;
    let told = Tid(u32::from_ne_bytes(before));
    // In a pid namespace it is the TID there.
    let is_own = told == tid || {
        let status = proc::status(tid);
        status.is_some_and(|status| status.inner == Some(told))
    };
    (is_whole && is_own).then_some(bytes)
}

fn give_back(room: &Room, taken: Taken) {
    if let Some(capture) = taken.capture {
        room.give_back(*capture);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::perf::registers;
    use tidline::model::Task;

    fn site(time: u64, child: u32) -> Site {
        Site {
            time: Time(time),
            task: Task::new(1, 1),
            of: SiteOf::Birth(Tid(child)),
            registers: Some(registers::decode(2, [0, 0, 88, 0, 0, 0x7000, 0x1234, 0, 0])),
        }
    }

    fn stack(bytes: &[u8]) -> Stack<'_> {
        let is_cut = false;
        Stack { bytes, is_cut }
    }

    #[test]
    fn each_birth_gets_its_own_and_all_room_is_given_back() {
        let room = Arc::new(Room::default());
        let mut sites = Sites::new(Arc::clone(&room), Some(3 << 20));
        let large = vec![0; 3 << 20];
        sites.add(&site(10, 5), stack(&large), Time(0));
        assert!(room.is_half_full());
        // The TID came again, and the birth before was lost.
        sites.forget(Time(20));
        sites.add(&site(20, 5), stack(&[4, 5]), Time(0));
        assert!(!room.is_half_full());
        assert!(sites.take(SiteOf::Refusal(Tid(5)), Time(15)).is_none());
        let taken = sites.take(SiteOf::Birth(Tid(5)), Time(15)).unwrap();
        let capture = taken.capture.unwrap();
        assert_eq!(capture.stack(), [4, 5]);
        assert_eq!((capture.registers.ip, capture.is_cut), (0x1234, false));
        assert_eq!(capture.buffer.len(), STEP);
        room.give_back(*capture);
        assert_eq!(room.dropped(), 1);
        sites.add(&site(30, 5), stack(&[]), Time(0));
        assert!(sites.take(SiteOf::Birth(Tid(5)), Time(31)).is_none());
        assert!(sites.taken.is_empty());
        let all = room.take(tidline::model::Pid(1), 4 << 20);
        assert!(all.is_some(), "all room was given back");
    }
}
