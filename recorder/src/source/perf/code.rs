//! Where each process has code, as the kernel tells it when that is mapped.
//!
//! A program that ends before anybody has looked cannot be asked for its memory map any more; so of
//! programs that were seen to begin the map goes with their stacks.
//!
//! ```text
//!   exec(2):   the old program's memory goes   (nothing is told)
//!              the task takes its new name     ──► rename
//!              the program is mapped           ──► mapped, mapped
//!              it begins                       ──► exec: what was mapped before the rename is gone
//!   ld.so:     each library is mapped          ──► mapped …
//!   fork(2):   the child has the same          ──► made
//! ```
//!
//! Only executable memory is told of, and not that it is unmapped: what comes to stand there is told.

use std::collections::HashMap;

use tidline::model::{Pid, Time};

/// Executable memory that a process has mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapped {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Where in the file it begins.
    pub(crate) offset: u64,
    /// The device's major and minor number.
    pub(crate) device: (u32, u32),
    pub(crate) inode: u64,
    pub(crate) path: Vec<u8>,
}

/// What is known of a process.
#[derive(Clone, Debug, Default)]
struct Code {
    /// What was told and has not been taken up.
    waiting: Vec<(Time, Mapped)>,
    mapped: Vec<(Time, Mapped)>,
    /// It was seen to begin its program, and nothing was lost since.
    is_whole: bool,
    is_new: bool,
    renamed: Time,
}

#[derive(Debug, Default)]
pub(crate) struct AllCode {
    of: HashMap<Pid, Code>,
}

impl AllCode {
    /// A process has mapped something. It counts for what is told later of later moments.
    pub(crate) fn add(&mut self, pid: Pid, time: Time, mapped: Mapped) {
        let code = self.of.entry(pid).or_default();
        code.waiting.push((time, mapped));
    }

    /// A task of a process has another name.
    pub(crate) fn renamed(&mut self, pid: Pid, time: Time) {
        self.of.entry(pid).or_default().renamed = time;
    }

    pub(crate) fn executed(&mut self, pid: Pid, time: Time) {
        let code = self.of.entry(pid).or_default();
        code.advance(time);
        let renamed = code.renamed;
        code.mapped.retain(|(mapped, _)| *mapped >= renamed);
        code.is_whole = true;
        code.is_new = true;
    }

    /// A process was made, with its creator's memory.
    pub(crate) fn made(&mut self, creator: Pid, child: Pid, time: Time) {
        let waiting = match self.of.remove(&child) {
            Some(known) => known.waiting,
            None => Vec::new(),
        };
        let Some(code) = self.of.get_mut(&creator) else {
            return;
        };
        code.advance(time);
        let code = Code {
            waiting: waiting.into_iter().filter(|(at, _)| *at >= time).collect(),
            is_new: true,
            ..code.clone()
        };
        self.of.insert(child, code);
    }

    pub(crate) fn ended(&mut self, pid: Pid) {
        self.of.remove(&pid);
    }

    /// A process's memory map at a moment, in the form of `/proc/PID/maps`; `None` if it is the same as
    /// before, or not known as a whole.
    pub(crate) fn map(&mut self, pid: Pid, time: Time) -> Option<Vec<u8>> {
        let code = self.of.get_mut(&pid)?;
        code.advance(time);
        (code.is_whole && std::mem::take(&mut code.is_new)).then(|| code.text())
    }

    /// There was no room for the map: the next one is news, too.
    pub(crate) fn was_not_told(&mut self, pid: Pid) {
        if let Some(code) = self.of.get_mut(&pid) {
            code.is_new = true;
        }
    }

    /// Forgets what processes that are not recorded had mapped before.
    pub(crate) fn forget(&mut self, before: Time, is_recorded: impl Fn(Pid) -> bool) {
        let is_young = |code: &Code| code.waiting.iter().any(|(time, _)| *time >= before);
        self.of
            .retain(|pid, code| is_recorded(*pid) || is_young(code));
    }

    /// Something was lost that may have been of any process.
    pub(crate) fn distrust(&mut self) {
        let all = self.of.values_mut();
        all.for_each(|code| code.is_whole = false);
    }
}

impl Code {
    fn advance(&mut self, until: Time) {
        if self.waiting.is_empty() {
            return;
        }
        self.waiting.sort_by_key(|(time, _)| *time);
        let due = self.waiting.partition_point(|(time, _)| *time <= until);
        let later = self.waiting.split_off(due);
        for (time, mapped) in std::mem::replace(&mut self.waiting, later) {
            self.is_new = true;
            self.make_room(mapped.start, mapped.end);
            self.mapped.push((time, mapped));
        }
    }

    /// What stood there stands there no more.
    fn make_room(&mut self, start: u64, end: u64) {
        let mut left = Vec::with_capacity(self.mapped.len() + 1);
        for (time, old) in self.mapped.drain(..) {
            if old.end <= start || old.start >= end {
                left.push((time, old));
                continue;
            }
            if old.start < start {
                let end = start;
                left.push((time, Mapped { end, ..old.clone() }));
            }
            if old.end > end {
                let offset = old.offset.wrapping_add(end - old.start);
                let start = end;
                left.push((
                    time,
                    Mapped {
                        start,
                        offset,
                        ..old
                    },
                ));
            }
        }
        self.mapped = left;
    }

    fn text(&self) -> Vec<u8> {
        let mut all: Vec<&Mapped> = self.mapped.iter().map(|(_, mapped)| mapped).collect();
        all.sort_by_key(|mapped| mapped.start);
        let mut text = Vec::new();
        for it in all {
            let (major, minor) = it.device;
            let (start, end, offset, inode) = (it.start, it.end, it.offset, it.inode);
            let line =
                format!("{start:x}-{end:x} r-xp {offset:08x} {major:02x}:{minor:02x} {inode} ");
            text.extend(line.as_bytes());
            for byte in &it.path {
                match byte {
                    b'\n' => text.extend(br"\012"),
                    byte => text.push(*byte),
                }
            }
            text.push(b'\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PID: Pid = Pid(7);

    fn mapped(start: u64, end: u64, path: &str) -> Mapped {
        Mapped {
            start,
            end,
            offset: 0x1000,
            device: (0xfe, 1),
            inode: 77,
            path: path.as_bytes().to_vec(),
        }
    }

    fn text(map: Option<Vec<u8>>) -> String {
        String::from_utf8(map.expect("a map")).unwrap()
    }

    #[test]
    fn an_exec_leaves_what_was_mapped_since_the_new_name() {
        let mut all = AllCode::default();
        all.add(PID, Time(5), mapped(0x1000, 0x2000, "/old"));
        assert_eq!(all.map(PID, Time(6)), None, "nobody knows what was before");
        // In the rings' order.
        all.add(PID, Time(12), mapped(0x9000, 0xa000, "/ld.so"));
        all.add(PID, Time(11), mapped(0x4000, 0x5000, "/new\n"));
        all.add(PID, Time(20), mapped(0x7000, 0x8000, "/lib"));
        all.renamed(PID, Time(10));
        all.executed(PID, Time(13));
        let first = "4000-5000 r-xp 00001000 fe:01 77 /new\\012\n\
                     9000-a000 r-xp 00001000 fe:01 77 /ld.so\n";
        assert_eq!(text(all.map(PID, Time(14))), first);
        assert_eq!(all.map(PID, Time(15)), None, "it is the same");
        all.was_not_told(PID);
        assert_eq!(text(all.map(PID, Time(16))), first);
        assert!(text(all.map(PID, Time(20))).contains("/lib"));
        all.add(PID, Time(21), mapped(0x1000, 0x2000, "/more"));
        all.distrust();
        assert_eq!(all.map(PID, Time(30)), None);
    }

    #[test]
    fn what_is_mapped_anew_takes_the_place_of_what_was_there() {
        let mut all = AllCode::default();
        all.executed(PID, Time(1));
        all.add(PID, Time(2), mapped(0x1000, 0x5000, "/a"));
        all.add(PID, Time(3), mapped(0x2000, 0x3000, "/b"));
        let expected = "1000-2000 r-xp 00001000 fe:01 77 /a\n\
                        2000-3000 r-xp 00001000 fe:01 77 /b\n\
                        3000-5000 r-xp 00003000 fe:01 77 /a\n";
        assert_eq!(text(all.map(PID, Time(4))), expected);
        all.add(PID, Time(5), mapped(0x0, 0x6000, "/c"));
        let expected = "0-6000 r-xp 00001000 fe:01 77 /c\n";
        assert_eq!(text(all.map(PID, Time(5))), expected);
    }

    #[test]
    fn a_child_has_what_its_creator_had() {
        let (child, mut all) = (Pid(8), AllCode::default());
        all.executed(PID, Time(1));
        all.add(PID, Time(2), mapped(0x1000, 0x2000, "/a"));
        all.add(PID, Time(9), mapped(0x3000, 0x4000, "/later"));
        // Of one that had the same PID.
        all.add(child, Time(3), mapped(0x5000, 0x6000, "/other"));
        all.add(child, Time(8), mapped(0x7000, 0x8000, "/own"));
        all.made(PID, child, Time(5));
        let a = "1000-2000 r-xp 00001000 fe:01 77 /a\n";
        assert_eq!(text(all.map(child, Time(6))), a);
        let both = format!("{a}7000-8000 r-xp 00001000 fe:01 77 /own\n");
        assert_eq!(text(all.map(child, Time(10))), both);
        assert_eq!(text(all.map(PID, Time(6))), a);
        all.add(Pid(9), Time(15), mapped(0x1000, 0x2000, "/stranger"));
        all.forget(Time(15), |pid| pid == PID || pid == child);
        assert_eq!(all.of.len(), 3);
        all.forget(Time(16), |pid| pid == PID || pid == child);
        assert_eq!(all.of.len(), 2);
        all.ended(child);
        all.made(Pid(99), PID, Time(20));
        assert!(
            all.of.is_empty(),
            "of a creator that is not known, nothing is"
        );
    }
}
