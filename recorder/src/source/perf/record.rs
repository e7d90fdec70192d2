//! The records in a ring: from bytes to facts and sites (perf_event_open(2), "MMAP layout").
//!
//! ```text
//!   sample:  header │ id │ pid tid │ time │ raw size, raw │ abi, registers │ size, stack, size read
//!   lost:    header │ id │ how many │ pid tid │ time │ id
//!   mapped:  header │ pid tid │ start, length, offset │ device, inode, … │ path │ pid tid │ time │ id
//! ```
//!
//! What an event's raw part holds, its tracepoint's format says.

use std::collections::HashMap;

use tidline::model::{Name, Pid, Task, Tid, Time};

use super::code::Mapped;
use super::fact::{Fact, Saw, Site, SiteOf};
use super::format::{Field, Format};
use super::registers::{self, Registers};
use crate::syscall::abi::Creation;

/// What a tracepoint is watched for, with its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    NewTask {
        child: Field,
        flags: Field,
    },
    Exit {
        group: Option<Field>,
    },
    Exec {
        file: Field,
        former: Field,
    },
    Rename {
        tid: Field,
        name: Field,
    },
    Enter(Creation),
    Return {
        call: Creation,
        result: Field,
    },
    /// The stack that belongs to a birth.
    ForkSite {
        child: Field,
    },
    /// The stack that belongs to a refusal.
    ReturnSite,
}

impl Point {
    /// Finds the fields that are needed.
    ///
    /// # Errors
    /// With the name of one that is not there.
    pub(crate) fn new(of: Wanted, format: &Format) -> Result<Point, &'static str> {
        let field = |name| format.field(name);
        Ok(match of {
            Wanted::NewTask => Point::NewTask {
                child: field("pid")?,
                flags: field("clone_flags")?,
            },
            Wanted::Exit => Point::Exit {
                group: field("group_dead").ok(),
            },
            Wanted::Exec => Point::Exec {
                file: field("filename")?,
                former: field("old_pid")?,
            },
            Wanted::Rename => Point::Rename {
                tid: field("pid")?,
                name: field("newcomm")?,
            },
            Wanted::Enter(call) => Point::Enter(call),
            Wanted::Return(call) => Point::Return {
                call,
                result: field("ret")?,
            },
            Wanted::ForkSite => Point::ForkSite {
                child: field("child_pid")?,
            },
            Wanted::ReturnSite(_) => Point::ReturnSite,
        })
    }
}

/// What is wanted of a tracepoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    NewTask,
    Exit,
    Exec,
    Rename,
    Enter(Creation),
    Return(Creation),
    ForkSite,
    ReturnSite(Creation),
}

impl Wanted {
    /// Its tracepoint.
    pub(crate) fn tracepoint(self) -> &'static str {
        use Creation::{Clone, Clone3, Fork, Vfork};
        match self {
            Wanted::NewTask => "task/task_newtask",
            Wanted::Exit => "sched/sched_process_exit",
            Wanted::Exec => "sched/sched_process_exec",
            Wanted::Rename => "task/task_rename",
            Wanted::ForkSite => "sched/sched_process_fork",
            Wanted::Enter(Clone) => "syscalls/sys_enter_clone",
            Wanted::Enter(Clone3) => "syscalls/sys_enter_clone3",
            Wanted::Enter(Fork) => "syscalls/sys_enter_fork",
            Wanted::Enter(Vfork) => "syscalls/sys_enter_vfork",
            Wanted::Return(Clone) | Wanted::ReturnSite(Clone) => "syscalls/sys_exit_clone",
            Wanted::Return(Clone3) | Wanted::ReturnSite(Clone3) => "syscalls/sys_exit_clone3",
            Wanted::Return(Fork) | Wanted::ReturnSite(Fork) => "syscalls/sys_exit_fork",
            Wanted::Return(Vfork) | Wanted::ReturnSite(Vfork) => "syscalls/sys_exit_vfork",
        }
    }

    /// Whether its records carry registers.
    pub(crate) fn with_registers(self) -> bool {
        matches!(self, Wanted::NewTask | Wanted::Return(_)) || self.with_stack()
    }

    /// Whether its records carry a stack.
    pub(crate) fn with_stack(self) -> bool {
        matches!(self, Wanted::ForkSite | Wanted::ReturnSite(_))
    }
}

pub(crate) const SAMPLE_TID: u64 = 1 << 1;
pub(crate) const SAMPLE_TIME: u64 = 1 << 2;
pub(crate) const SAMPLE_RAW: u64 = 1 << 10;
pub(crate) const SAMPLE_REGS_USER: u64 = 1 << 12;
pub(crate) const SAMPLE_STACK_USER: u64 = 1 << 13;
pub(crate) const SAMPLE_IDENTIFIER: u64 = 1 << 16;

/// What each sample has.
pub(crate) const SAMPLE: u64 = SAMPLE_IDENTIFIER | SAMPLE_TID | SAMPLE_TIME | SAMPLE_RAW;

/// A record of interest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    Fact(Fact),
    /// A site, and the stack from its stack pointer on.
    Site(Site, Stack<'a>),
    /// A process has mapped code.
    Mapped(Pid, Time, Mapped),
    /// So many records of a ring were not written, for want of room.
    Lost {
        time: Time,
        count: u64,
    },
}

/// A stack in a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stack<'a> {
    pub(crate) bytes: &'a [u8],
    /// Whether it may go on behind what was captured.
    pub(crate) is_cut: bool,
}

/// Knows what each event's records hold.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    points: HashMap<u64, (Point, Wanted)>,
    /// The monotonic clock at the recording's time 0, ns.
    start_ns: u64,
}

const PERF_RECORD_LOST: u32 = 2;
const PERF_RECORD_SAMPLE: u32 = 9;
const PERF_RECORD_MMAP2: u32 = 10;

/// Takes values off the front of a record.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_ne_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_ne_bytes(self.take(8)?.try_into().ok()?))
    }
}

impl Decoder {
    pub(crate) fn new(start_ns: u64) -> Self {
        Decoder {
            points: HashMap::new(),
            start_ns,
        }
    }

    /// The recording's time 0 is this, on the monotonic clock.
    pub(crate) fn begin_at(&mut self, start_ns: u64) {
        self.start_ns = start_ns;
    }

    /// An event has this number.
    pub(crate) fn add(&mut self, id: u64, wanted: Wanted, point: Point) {
        self.points.insert(id, (point, wanted));
    }

    /// Decodes one; `None` for what is of no interest, or in no known form.
    pub(crate) fn decode<'a>(&self, record: &'a [u8]) -> Option<Record<'a>> {
        let mut reader = Reader(record);
        let kind = reader.u32()?;
        reader.u32()?;
        match kind {
            PERF_RECORD_SAMPLE => self.sample(&mut reader),
            PERF_RECORD_LOST => {
                reader.u64()?;
                let count = reader.u64()?;
                // `sample_id_all`: pid and tid, time, id.
                reader.u64()?;
                let time = self.time(reader.u64()?);
                Some(Record::Lost { time, count })
            }
            PERF_RECORD_MMAP2 => self.mapped(&mut reader),
            _ => None,
        }
    }

    fn time(&self, ns: u64) -> Time {
        Time(ns.saturating_sub(self.start_ns))
    }

    fn mapped<'a>(&self, reader: &mut Reader<'_>) -> Option<Record<'a>> {
        let pid = Pid(reader.u32()?);
        reader.u32()?;
        let (start, len, offset) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let device = (reader.u32()?, reader.u32()?);
        let inode = reader.u64()?;
        // Its generation, protection and flags; all of it is executable.
        reader.take(16)?;
        // `sample_id_all`: pid and tid, time, id.
        let path = reader.take(reader.0.len().checked_sub(24)?)?;
        let path = path.split(|byte| *byte == 0).next()?.to_vec();
        reader.u64()?;
        let time = self.time(reader.u64()?);
        let end = start.checked_add(len)?;
        let mapped = Mapped {
            start,
            end,
            offset,
            device,
            inode,
            path,
        };
        Some(Record::Mapped(pid, time, mapped))
    }

    fn sample<'a>(&self, reader: &mut Reader<'a>) -> Option<Record<'a>> {
        let (point, wanted) = self.points.get(&reader.u64()?)?;
        let task = Task::new(reader.u32()?, reader.u32()?);
        let time = self.time(reader.u64()?);
        let raw_len = reader.u32()? as usize;
        let raw = reader.take(raw_len)?;
        let registers = match wanted.with_registers() {
            true => registers(reader)?,
            false => None,
        };
        let stack = match wanted.with_stack() {
            true => stack(reader)?,
            false => Stack::default(),
        };
        let number = |field: Field| field.number(raw);
        let tid = |field: Field| Some(Tid(number(field)? as u32));
        let site = |of| Site {
            time,
            task,
            of,
            registers,
        };
        let what = match *point {
            Point::NewTask { child, flags } => Saw::Made {
                child: tid(child)?,
                flags: number(flags)?,
                registers,
            },
            Point::Exit { group } => Saw::Ends {
                group: group.and_then(number).map(|dead| dead != 0),
            },
            Point::Exec { file, former } => Saw::Executes {
                former: tid(former)?,
                file: Name::from(file.text(raw)?),
            },
            Point::Rename { tid: whose, name } => Saw::Renames {
                tid: tid(whose)?,
                name: Name::from(name.text(raw)?),
            },
            Point::Enter(call) => Saw::Enters(call),
            Point::Return { call, result } => Saw::Refused {
                call,
                errno: errno(number(result)?)?,
                registers,
            },
            Point::ForkSite { child } => {
                return Some(Record::Site(site(SiteOf::Birth(tid(child)?)), stack));
            }
            Point::ReturnSite => {
                return Some(Record::Site(site(SiteOf::Refusal(task.tid)), stack));
            }
        };
        Some(Record::Fact(Fact { time, task, what }))
    }
}

/// The error that a system call's result is; `None` if it is none.
fn errno(result: u64) -> Option<u16> {
    let number = (result as i64).checked_neg()?;
    (1..4096).contains(&number).then_some(number as u16)
}

/// `Some(None)` for a task that is in no user space.
fn registers(reader: &mut Reader<'_>) -> Option<Option<Registers>> {
    let abi = reader.u64()?;
    if abi == 0 {
        return Some(None);
    }
    let mut words = [0; registers::COUNT];
    for word in &mut words {
        *word = reader.u64()?;
    }
    Some(Some(registers::decode(abi, words)))
}

fn stack<'a>(reader: &mut Reader<'a>) -> Option<Stack<'a>> {
    let size = reader.u64()? as usize;
    if size == 0 {
        return Some(Stack::default());
    }
    let bytes = reader.take(size)?;
    let read = reader.u64()? as usize;
    Some(Stack {
        bytes: bytes.get(..read)?,
        is_cut: read == size,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(fields: &str) -> Format {
        let lines: String = fields
            .split(' ')
            .map(|field| {
                let parts: Vec<&str> = field.split(':').collect();
                let (name, offset, size) = (parts[0], parts[1], parts[2]);
                format!("field:{name}; offset:{offset}; size:{size}; signed:1;\n")
                    .replace("loc_", "__data_loc char[] ")
            })
            .collect();
        Format::parse(format!("ID: 1\n{lines}").as_bytes()).unwrap()
    }

    fn decoder(wanted: Wanted, fields: &str) -> Decoder {
        let mut decoder = Decoder::new(1_000);
        let point = Point::new(wanted, &format(fields)).unwrap();
        decoder.add(42, wanted, point);
        decoder
    }

    /// A sample of process 7's thread 8 at 1,005 ns.
    fn sample(id: u64, raw: &[u8], rest: &[u64]) -> Vec<u8> {
        let mut record = vec![9, 0, 0, 0, 0, 0, 0, 0];
        record.extend(id.to_ne_bytes());
        record.extend(7u32.to_ne_bytes());
        record.extend(8u32.to_ne_bytes());
        record.extend(1_005u64.to_ne_bytes());
        let mut raw = raw.to_vec();
        while raw.len() % 8 != 4 {
            raw.push(0);
        }
        record.extend((raw.len() as u32).to_ne_bytes());
        record.extend(raw);
        rest.iter()
            .for_each(|word| record.extend(word.to_ne_bytes()));
        let len = record.len() as u16;
        record[6..8].copy_from_slice(&len.to_ne_bytes());
        record
    }

    fn fact(what: Saw) -> Option<Record<'static>> {
        Some(Record::Fact(Fact {
            time: Time(5),
            task: Task::new(7, 8),
            what,
        }))
    }

    #[test]
    fn a_birth_with_its_creators_registers() {
        let decoder = decoder(Wanted::NewTask, "pid:8:4 clone_flags:16:8");
        let mut raw = vec![0; 24];
        raw[8..12].copy_from_slice(&9u32.to_ne_bytes());
        raw[16..24].copy_from_slice(&0x3d_0f00u64.to_ne_bytes());
        let words = [2, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        let made = |registers| {
            fact(Saw::Made {
                child: Tid(9),
                flags: 0x3d_0f00,
                registers,
            })
        };
        let expected = registers::decode(2, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let record = sample(42, &raw, &words);
        assert_eq!(decoder.decode(&record), made(Some(expected)));
        // A task of the kernel's has none.
        assert_eq!(decoder.decode(&sample(42, &raw, &[0])), made(None));
        // Another event's, and every cut of it.
        assert_eq!(decoder.decode(&sample(43, &raw, &words)), None);
        for len in 0..record.len() {
            assert_eq!(decoder.decode(&record[..len]), None, "{len}");
        }
    }

    #[test]
    fn a_refusal_is_a_result_that_is_an_error() {
        let decoder = decoder(Wanted::Return(Creation::Clone3), "ret:8:8");
        let record = |result: i64| {
            let mut raw = vec![0; 8];
            raw.extend(result.to_ne_bytes());
            sample(42, &raw, &[0])
        };
        let refused = Saw::Refused {
            call: Creation::Clone3,
            errno: 11,
            registers: None,
        };
        assert_eq!(decoder.decode(&record(-11)), fact(refused));
        for result in [0, 5, -4096, i64::MIN] {
            assert_eq!(decoder.decode(&record(result)), None);
        }
    }

    #[test]
    fn ends_renames_and_programs() {
        let dead = decoder(Wanted::Exit, "pid:8:4 group_dead:12:1");
        let raw = [0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1];
        let group = |group| fact(Saw::Ends { group });
        assert_eq!(dead.decode(&sample(42, &raw, &[])), group(Some(true)));
        let unsaid = decoder(Wanted::Exit, "pid:8:4");
        assert_eq!(unsaid.decode(&sample(42, &raw, &[])), group(None));

        let exec = decoder(Wanted::Exec, "loc_filename:0:4 old_pid:4:4");
        let mut raw = (8u32 | 4 << 16).to_ne_bytes().to_vec();
        raw.extend(9u32.to_ne_bytes());
        raw.extend(b"/sh\0");
        let executes = Saw::Executes {
            former: Tid(9),
            file: "/sh".into(),
        };
        assert_eq!(exec.decode(&sample(42, &raw, &[])), fact(executes));

        let rename = decoder(Wanted::Rename, "pid:0:4 newcomm:4:16");
        let mut raw = 9u32.to_ne_bytes().to_vec();
        raw.extend(*b"new\0left-over!!!");
        let renames = Saw::Renames {
            tid: Tid(9),
            name: "new".into(),
        };
        assert_eq!(rename.decode(&sample(42, &raw, &[])), fact(renames));
        assert_eq!(
            Point::new(Wanted::NewTask, &format("pid:8:4")),
            Err("clone_flags")
        );
    }

    #[test]
    fn a_stack_is_as_long_as_what_could_be_read() {
        let decoder = decoder(Wanted::ForkSite, "child_pid:0:4");
        let raw = 9u32.to_ne_bytes();
        let site = Site {
            time: Time(5),
            task: Task::new(7, 8),
            of: SiteOf::Birth(Tid(9)),
            registers: None,
        };
        let bytes: Vec<u8> = [1u64, 2]
            .iter()
            .flat_map(|word| word.to_ne_bytes())
            .collect();
        let with = |len: usize, is_cut| {
            let bytes = &bytes[..len];
            Some(Record::Site(site.clone(), Stack { bytes, is_cut }))
        };
        let record = |rest: &[u64]| sample(42, &raw, rest);
        assert_eq!(decoder.decode(&record(&[0, 16, 1, 2, 16])), with(16, true));
        assert_eq!(decoder.decode(&record(&[0, 16, 1, 2, 8])), with(8, false));
        assert_eq!(decoder.decode(&record(&[0, 0])), with(0, false));
        assert_eq!(decoder.decode(&record(&[0, 16, 1, 2, 24])), None);
        assert_eq!(decoder.decode(&record(&[0, u64::MAX, 1, 2, 24])), None);
    }

    #[test]
    fn code_that_is_mapped_has_a_place_and_a_file() {
        let mut record = vec![10, 0, 0, 0, 2, 0, 112, 0];
        for word in [7u32, 8] {
            record.extend(word.to_ne_bytes());
        }
        for word in [0x1000u64, 0x2000, 0x3000] {
            record.extend(word.to_ne_bytes());
        }
        for word in [0xfeu32, 1, 77, 0, 5, 0, 5, 2] {
            record.extend(word.to_ne_bytes());
        }
        record.extend(b"/lib/c.so\0\0\0\0\0\0\0");
        for word in [0, 1_009u64, 42] {
            record.extend(word.to_ne_bytes());
        }
        let mapped = Mapped {
            start: 0x1000,
            end: 0x3000,
            offset: 0x3000,
            device: (0xfe, 1),
            inode: 77,
            path: b"/lib/c.so".to_vec(),
        };
        let decoder = Decoder::new(1_000);
        let expected = Record::Mapped(Pid(7), Time(9), mapped);
        assert_eq!(decoder.decode(&record), Some(expected));
        assert_eq!(decoder.decode(&record[..80]), None);
    }

    #[test]
    fn losses_have_a_count_and_a_time() {
        let mut record = vec![2, 0, 0, 0, 0, 0, 56, 0];
        for word in [42u64, 17, 0, 1_009, 42] {
            record.extend(word.to_ne_bytes());
        }
        let lost = Record::Lost {
            time: Time(9),
            count: 17,
        };
        assert_eq!(Decoder::new(1_000).decode(&record), Some(lost));
        assert_eq!(Decoder::new(1_000).decode(&record[..30]), None);
    }
}
