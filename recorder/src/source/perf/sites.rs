//! Stacks of those that created, from the moment they are read until the birth that they belong to is
//! told.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use tidline::model::Time;

use super::fact::{Site, SiteOf};
use super::pop_if;
use super::record::Stack;
use super::registers::Arguments;
use crate::capture::{Capture, Room};
use crate::tracker::TidHasher;

/// Buffers differ by so much in length, bytes: one that is given back serves the next of its length.
const STEP: usize = 4096;

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

    /// Takes a site of a task that is recorded.
    pub(crate) fn add(&mut self, site: &Site, stack: Stack<'_>) {
        let Some(registers) = site.registers else {
            return;
        };
        let taken = Taken {
            time: site.time,
            arguments: registers.arguments(stack.bytes),
            capture: self.capture(site, stack),
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
            // What is there by the time that this is read may be another thread's.
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

fn give_back(room: &Room, taken: Taken) {
    if let Some(capture) = taken.capture {
        room.give_back(*capture);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::perf::registers;
    use tidline::model::{Task, Tid};

    fn site(time: u64, child: u32) -> Site {
        Site {
            time: Time(time),
            task: Task::new(1, 1),
            of: SiteOf::Birth(Tid(child)),
            registers: Some(registers::decode(2, [0, 88, 0, 0, 0x7000, 0x1234, 0])),
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
        sites.add(&site(10, 5), stack(&large));
        assert!(room.is_half_full());
        // The TID came again, and the birth before was lost.
        sites.forget(Time(20));
        sites.add(&site(20, 5), stack(&[4, 5]));
        assert!(!room.is_half_full());
        assert!(sites.take(SiteOf::Refusal(Tid(5)), Time(15)).is_none());
        let taken = sites.take(SiteOf::Birth(Tid(5)), Time(15)).unwrap();
        let capture = taken.capture.unwrap();
        assert_eq!(capture.stack(), [4, 5]);
        assert_eq!((capture.registers.ip, capture.is_cut), (0x1234, false));
        assert_eq!(capture.buffer.len(), STEP);
        room.give_back(*capture);
        assert_eq!(room.dropped(), 1);
        sites.add(&site(30, 5), stack(&[]));
        assert!(sites.take(SiteOf::Birth(Tid(5)), Time(31)).is_none());
        assert!(sites.taken.is_empty());
        let all = room.take(tidline::model::Pid(1), 4 << 20);
        assert!(all.is_some(), "all room was given back");
    }
}
