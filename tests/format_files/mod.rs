//! Files for the tests of the format: small whole ones, and the parts to make broken ones from.
//!
//! Chunks are taken apart and put together here without the library, so that a wrong layout cannot
//! agree with itself.
#![allow(dead_code, reason = "each test uses a part")]

use std::io::Cursor;

use tidline::format::{Defined, Header, Writer, read_trace};
use tidline::model::{
    Anchor, Birth, Carried, Definition, DetachReason, End, Event, EventBody, Frame, FrameId,
    Function, GapReason, Live, Module, ModuleId, Name, Pid, StackEnd, StackId, StackNode, Stacks,
    Symbol, SymbolSource, Task, Tid, Time, Trace, Trust, Via, What,
};

pub(crate) const CHUNK_HEADER: usize = 48;

/// [`every_kind`], births and existing tasks in a pid namespace, and births with call stacks (see
/// [`stacks`]). (The files in `testdata/corrupt` were made before there were any.)
pub(crate) fn every_shape() -> Vec<Event> {
    let mut events = every_kind();
    let inside = events.iter().filter_map(|event| {
        let mut event = event.clone();
        match &mut event.body {
            EventBody::Existing { task, inner, .. } => *inner = Some(Tid(task.tid.0 % 300)),
            EventBody::Birth(birth) => birth.inner = Some(Tid(birth.child.tid.0 % 300)),
            _ => return None,
        }
        Some(event)
    });
    let inside: Vec<Event> = inside.collect();
    events.extend(inside);
    let births = every_kind()
        .into_iter()
        .filter_map(|event| match event.body {
            EventBody::Birth(birth) => Some((event.time, birth)),
            _ => None,
        });
    // Each of them with stacks of all lengths, one that is not defined, and none.
    let numbers =
        [None, Some(0), Some(8), Some(300), Some(70_000), Some(5)].map(|it| it.map(StackId));
    let starts = [None, Some(0), Some(70_001), Some(9)].map(|it| it.map(FrameId));
    for (place, (time, birth)) in births.enumerate() {
        for (turn, &stack) in numbers.iter().enumerate() {
            let birth = Birth {
                stack,
                start: starts[(place + turn) % starts.len()],
                inner: (turn == 3).then_some(Tid(7)),
                ..birth.clone()
            };
            events.push(Event {
                time,
                body: EventBody::Birth(birth),
            });
        }
    }
    let task = Task::new(100, 101);
    let (name, number) = (Name::from("futex"), 202);
    let detach = |task, reason| EventBody::Detach { task, reason };
    let others = [
        EventBody::CreateFailed {
            task,
            call: "clone3".into(),
            errno: 11,
            flags: Some(0x3d_0f00),
            pc: Some(1),
            stack: None,
        },
        EventBody::CreateFailed {
            task,
            call: "fork".into(),
            errno: 12,
            flags: None,
            pc: None,
            stack: Some(StackId(301)),
        },
        EventBody::SyscallEnter {
            task,
            name: name.clone(),
            number,
            args: Box::new([0, 250, 251, u64::MAX, 1 << 32, 6]),
        },
        EventBody::SyscallExit {
            task,
            name,
            number,
            result: -11,
        },
        detach(Task::new(5, 8), DetachReason::LeftOut),
        detach(Task::new(9, 9), DetachReason::FollowExec),
        detach(Task::new(9, 10), DetachReason::SlippedAway),
        detach(Task::new(9, 11), DetachReason::RecordingEnded),
    ];
    events.extend(others.map(|body| Event {
        time: Time(1 << 40),
        body,
    }));
    events
}

/// What numbers in [`every_shape`] stand for, in each shape that a definition has. The stack 5 and
/// the frame 9 are missing.
pub(crate) fn stacks() -> Stacks {
    let mut stacks = Stacks::default();
    let module = |path: &[u8], build_id: &[u8], start| Module {
        path: path.into(),
        build_id: build_id.into(),
        seen: (Pid(100), start, u64::MAX),
    };
    let name = b"\x1b[2J \xff";
    let modules = [
        (0, module(b"/bin/sh", &[0xab; 20], 0)),
        (300, module(name, b"", 1 << 40)),
    ];
    for (id, module) in modules {
        stacks.define(Definition::Module(ModuleId(id), module));
    }
    let trusts = [
        Trust::Register,
        Trust::Cfi,
        Trust::FramePointer,
        Trust::Argument,
        Trust::Other(99),
    ];
    let frames = [0, 1, 250, 300, 70_000].into_iter().zip(trusts);
    for (number, (id, trust)) in frames.chain([(70_001, Trust::Argument)]).enumerate() {
        let frame = Frame {
            module: [None, Some(ModuleId(0)), Some(ModuleId(300))][number % 3],
            address: [0, 251, u64::MAX][number % 3],
            trust,
        };
        stacks.define(Definition::Frame(FrameId(id), frame));
    }
    let function = |name: &[u8], file: &[u8], line| Function {
        name: name.into(),
        file: file.into(),
        line,
    };
    let symbols = [
        (0, SymbolSource::Nothing, vec![]),
        (
            1,
            SymbolSource::DebugInfo,
            vec![
                function(b"inner", b"a.c", Some(1)),
                function(b"outer", b"b.c", Some(u32::MAX)),
            ],
        ),
        (
            250,
            SymbolSource::SymbolTable,
            vec![function(name, b"", None)],
        ),
        (300, SymbolSource::JitMap, vec![function(b"", b"", None)]),
        (70_000, SymbolSource::Other(77), vec![]),
    ];
    for (id, source, functions) in symbols {
        stacks.define(Definition::Symbol(
            FrameId(id),
            Symbol { source, functions },
        ));
    }
    let ends = [
        StackEnd::Bottom,
        StackEnd::Captured,
        StackEnd::Limit,
        StackEnd::NoUnwindInfo,
        StackEnd::NoCode,
        StackEnd::NoMap,
        StackEnd::Unreadable,
        StackEnd::Foreign,
        StackEnd::Other(200),
    ];
    let node = |up: Option<u32>, frame, end| StackNode {
        up: up.map(StackId),
        frame: FrameId(frame),
        end,
    };
    let mut nodes = vec![
        (0, node(None, 0, StackEnd::Bottom)),
        (8, node(Some(0), 1, StackEnd::Bottom)),
        (300, node(Some(8), 300, StackEnd::Bottom)),
        (301, node(Some(5), 9, StackEnd::Bottom)),
        (70_000, node(Some(300), 70_000, StackEnd::Bottom)),
    ];
    // One for each reason why a stack ends.
    let ended = (1000..)
        .zip(ends)
        .map(|(id, end)| (id, node(None, 250, end)));
    nodes.extend(ended);
    for (id, node) in nodes {
        stacks.define(Definition::Stack(StackId(id), node));
    }
    stacks
}

/// An event of each kind, and of each shape that a kind has.
pub(crate) fn every_kind() -> Vec<Event> {
    let (main, thread, child) = (Task::new(100, 100), Task::new(100, 101), Task::new(7, 7));
    let birth = |via, what, parent, child, flags, pc| {
        EventBody::Birth(Birth {
            via,
            what,
            parent,
            child,
            flags,
            pc,
            inner: None,
            stack: None,
            start: None,
        })
    };
    let existing = |task, parent_pid, pc| EventBody::Existing {
        task,
        parent_pid,
        name: b"sh".into(),
        pc,
        inner: None,
    };
    let exit = |task, end| EventBody::Exit { task, end };
    let signal = |number, core| End::Signal { number, core };
    let detach = |task, reason| EventBody::Detach { task, reason };
    let gap = |reason, count| EventBody::Gap {
        reason,
        count,
        since: Time(3),
        detail: b"101 102".into(),
    };
    let bodies = [
        existing(main, Some(Pid(1)), Some(0x40_1000)),
        existing(Task::new(100, 4_194_303), None, None),
        birth(
            Via::Clone,
            What::Thread,
            Some(main),
            thread,
            Some(0x3d_0f00),
            Some(u64::MAX),
        ),
        birth(
            Via::Fork,
            What::Process,
            Some(thread),
            child,
            Some(0x120_0011),
            Some(1),
        ),
        birth(
            Via::Vfork,
            What::Thread,
            Some(main),
            Task::new(100, 300),
            None,
            None,
        ),
        birth(
            Via::Vfork,
            What::Process,
            None,
            Task::new(301, 301),
            Some(0),
            Some(0),
        ),
        birth(
            Via::Clone,
            What::Thread,
            None,
            Task::new(301, 302),
            Some(0x3d_0f00),
            Some(u64::MAX),
        ),
        EventBody::Rename {
            task: thread,
            name: b"\x1b[2J\xff".into(),
        },
        EventBody::Exec {
            task: main,
            former_tid: Tid(101),
            exe: b"/bin/true".into(),
            name: b"true".into(),
        },
        EventBody::Exec {
            task: child,
            former_tid: Tid(7),
            exe: b"".into(),
            name: b"".into(),
        },
        exit(Task::new(301, 302), End::Code(255)),
        exit(Task::new(301, 301), signal(9, false)),
        exit(child, signal(11, true)),
        exit(Task::new(u32::MAX, u32::MAX), End::Unknown),
        detach(Task::new(0, 0), DetachReason::NewThread),
        detach(Task::new(5, 6), DetachReason::FollowFork),
        detach(Task::new(5, 7), DetachReason::Other(200)),
        gap(GapReason::AttachIncomplete, 0),
        gap(GapReason::Untraced, 2),
        gap(GapReason::TraceeLost, 251),
        gap(GapReason::Other(9), u64::MAX),
        EventBody::Lost {
            count: 70_000,
            since: Time(1 << 40),
            reason: b"a full queue".into(),
        },
        EventBody::Mark {
            text: "here \u{202e}".into(),
        },
        exit(main, End::Code(0)),
    ];
    let times = (0u64..).map(|n| Time(n * n * 1000));
    let events = times.zip(bodies).map(|(time, body)| Event { time, body });
    events.collect()
}

/// A header with something in every field.
pub(crate) fn header() -> Header {
    Header {
        trace_id: u128::MAX - 5,
        segment: 3,
        boot_id: "00000000-1111-2222-3333-444444444444".into(),
        options: vec![
            ("follow-fork".into(), "both".into()),
            (String::new(), "x".into()),
        ],
        launched: true,
        start_monotonic_ns: 1 << 50,
        utc_offset_s: -5400,
        ..tidline::synth::header()
    }
}

/// What a file has of [`stacks`].
#[derive(Default)]
pub(crate) struct Definitions {
    defined: Defined,
    needed: Vec<Definition>,
}

impl Definitions {
    /// Defines what an event needs, and pushes it.
    pub(crate) fn push(&mut self, writer: &mut Writer<Vec<u8>>, event: &Event, stacks: &Stacks) {
        self.defined.for_event(event, stacks, &mut self.needed);
        self.write(writer);
        writer.push(event).unwrap();
    }

    /// Defines what a checkpoint needs, and writes it.
    pub(crate) fn checkpoint(
        &mut self,
        writer: &mut Writer<Vec<u8>>,
        (carried, anchor): (&[Carried], Anchor),
        stacks: &Stacks,
    ) {
        self.defined
            .for_checkpoint(carried, stacks, &mut self.needed);
        self.write(writer);
        writer.checkpoint(carried, anchor).unwrap();
    }

    fn write(&mut self, writer: &mut Writer<Vec<u8>>) {
        for definition in self.needed.drain(..) {
            writer.define(&definition).unwrap();
        }
    }
}

/// A finished file whose chunks hold so many events each.
pub(crate) fn file_of(header: &Header, events: &[Event], per_chunk: usize) -> Vec<u8> {
    let mut writer = Writer::start(Vec::new(), header).unwrap();
    let (mut definitions, stacks) = (Definitions::default(), stacks());
    for batch in events.chunks(per_chunk) {
        for event in batch {
            definitions.push(&mut writer, event, &stacks);
        }
        writer.flush(batch[batch.len() - 1].time).unwrap();
    }
    let now = Time(events.last().map_or(0, |event| event.time.0) + 10);
    let counters = [("stops", 4), ("bytes", 1 << 33), ("stops", 5)];
    writer.finish(now, "target ended", &counters).unwrap()
}

/// The files of a recording, so many events in each, and so many in a chunk.
pub(crate) fn several(events: &[Event], per_file: usize, per_chunk: usize) -> Vec<Vec<u8>> {
    let (mut live, stacks) = (Live::default(), stacks());
    let parts = events.chunks(per_file).zip(0..).map(|(part, segment)| {
        let header = Header {
            segment,
            ..tidline::synth::header()
        };
        let mut writer = Writer::start(Vec::new(), &header).unwrap();
        let mut definitions = Definitions::default();
        if segment > 0 {
            let time = part[0].time;
            let anchor = Anchor {
                time,
                wall_ns: header.start_wall_ns + time.0 as i64,
                utc_offset_s: header.utc_offset_s,
            };
            let carried = live.checkpoint();
            definitions.checkpoint(&mut writer, (&carried, anchor), &stacks);
        }
        for batch in part.chunks(per_chunk) {
            for event in batch {
                definitions.push(&mut writer, event, &stacks);
                live.follow(event);
            }
            writer.flush(batch[batch.len() - 1].time).unwrap();
        }
        let now = part[part.len() - 1].time;
        writer.finish(now, "target ended", &[]).unwrap()
    });
    parts.collect()
}

/// A small file of six chunks, and its events.
pub(crate) fn small() -> (Vec<u8>, Vec<Event>) {
    let events = every_kind();
    let file = file_of(&Header::default(), &events, 5);
    (file, events)
}

pub(crate) fn read(file: impl AsRef<[u8]>) -> Trace {
    read_trace(Cursor::new(file)).expect("the header is whole")
}

/// Where each chunk of a good file begins, and the file's length behind them.
pub(crate) fn boundaries(file: &[u8]) -> Vec<usize> {
    let u32_at = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    let mut at = 20 + u32_at(12);
    let mut out = vec![at];
    while at < file.len() {
        assert_eq!(file[at..at + 4], *b"\xf5TDC");
        at += CHUNK_HEADER + u32_at(at + 12);
        out.push(at);
    }
    out
}

/// The header and the chunks of a good file, apart.
pub(crate) fn parts(file: &[u8]) -> Vec<Vec<u8>> {
    let ends = boundaries(file);
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let ranges = starts.zip(ends.iter().copied());
    ranges
        .map(|(start, end)| file[start..end].to_vec())
        .collect()
}

/// A chunk's fixed part. What it says need not be true.
pub(crate) struct Claim {
    pub(crate) kind: u8,
    pub(crate) codec: u8,
    pub(crate) number: u32,
    pub(crate) stored: u32,
    pub(crate) raw: u32,
    pub(crate) records: u32,
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) crc: u32,
}

impl Claim {
    /// The truth about a raw payload.
    pub(crate) fn of(payload: &[u8], records: u32) -> Self {
        Claim {
            kind: 1,
            codec: 0,
            number: 0,
            stored: payload.len() as u32,
            raw: payload.len() as u32,
            records,
            first: 0,
            last: 0,
            crc: crc32fast::hash(payload),
        }
    }

    pub(crate) fn followed_by(&self, payload: &[u8]) -> Vec<u8> {
        let mut out = b"\xf5TDC".to_vec();
        out.extend([self.kind, self.codec, 0, 0]);
        for value in [self.number, self.stored, self.raw, self.records] {
            out.extend(value.to_le_bytes());
        }
        for value in [self.first, self.last] {
            out.extend(value.to_le_bytes());
        }
        out.extend(self.crc.to_le_bytes());
        out.extend(crc32fast::hash(&out).to_le_bytes());
        out.extend(payload);
        out
    }
}

/// The bytes of a file's header, by the library's writer.
pub(crate) fn header_bytes() -> Vec<u8> {
    Writer::start(Vec::new(), &Header::default())
        .unwrap()
        .get_mut()
        .clone()
}

/// Files that only an adversary writes: so many bytes of what costs a careless reader most.
pub(crate) fn hostile(len: usize) -> Vec<(&'static str, Vec<u8>)> {
    let claim = |stored: u32| Claim {
        stored,
        raw: stored,
        crc: 1,
        ..Claim::of(b"", 1)
    };
    let too_long = claim(16 << 20).followed_by(b"");
    let wrong = claim((len / 2).min(16 << 20) as u32).followed_by(b"");
    let small_wrong = claim(1000).followed_by(b"");
    let mut trace = b"\x89TID\r\n\x1a\n".to_vec();
    trace.extend([1, 0, 0, 0]);
    trace.extend((1u32 << 20).to_le_bytes());
    let empty = Claim::of(b"", 0).followed_by(b"");
    let mut empty_and_garbage = empty.clone();
    empty_and_garbage.push(0);
    let filled = |pattern: &[u8]| {
        let mut file = header_bytes();
        file.extend(pattern.iter().copied().cycle().take(len));
        file
    };
    vec![
        (
            "headers that claim more than the file has",
            filled(&too_long),
        ),
        ("headers of half the file, wrong checksums", filled(&wrong)),
        (
            "headers of a thousand bytes, wrong checksums",
            filled(&small_wrong),
        ),
        ("heads of other traces", filled(&trace)),
        ("markers", filled(b"\xf5TDC")),
        ("first bytes of markers", filled(b"\xf5")),
        ("the same empty chunk", filled(&empty)),
        ("empty chunks and garbage", filled(&empty_and_garbage)),
        ("zeros", filled(b"\0")),
        ("counters of many names", many_counters(len)),
        ("modules", many_definitions(len, false, &many_modules)),
        ("frames", many_definitions(len, false, &many_frames)),
        (
            "a stack without an end",
            many_definitions(len, false, &one_long_stack),
        ),
        ("symbols", many_definitions(len, false, &|n| symbol(n, 0))),
    ]
}

/// Of as many bytes, definitions that are packed, and that unpack to far more.
pub(crate) fn hostile_and_packed(len: usize) -> Vec<(&'static str, Vec<u8>)> {
    let packed = |record: &dyn Fn(u32) -> Vec<u8>| many_definitions(len, true, record);
    vec![
        ("packed modules", packed(&many_modules)),
        ("packed frames", packed(&many_frames)),
        ("a packed stack without an end", packed(&one_long_stack)),
        ("packed symbols", packed(&|n| symbol(n, 0))),
        ("packed symbols of a function", packed(&|n| symbol(n, 1))),
        ("packed symbols of 80 functions", packed(&|n| symbol(n, 80))),
        (
            "packed symbols of short names",
            packed(&|n| short_names(n, 40)),
        ),
    ]
}

/// A record of a definition: its time is that of the one before.
fn definition(kind: u8, body: &[&[u8]]) -> Vec<u8> {
    let body = body.concat();
    let length = u8::try_from(body.len()).unwrap();
    assert!(length <= 250);
    [&[kind, 0, length], &body[..]].concat()
}

/// As a varint of four bytes, whatever its value.
fn wide(number: u32) -> [u8; 5] {
    let [a, b, c, d] = number.to_le_bytes();
    [252, a, b, c, d]
}

fn many_modules(number: u32) -> Vec<u8> {
    definition(5, &[&wide(number), &[1, b'x', 0, 0, 0, 0]])
}

fn many_frames(number: u32) -> Vec<u8> {
    definition(6, &[&wide(number), &[0, 0, 0]])
}

fn one_long_stack(number: u32) -> Vec<u8> {
    // Plus 1, so the number itself is that of the one before.
    definition(7, &[&wide(number), &wide(number), &[0, 1]])
}

/// Functions without a name.
fn symbol(number: u32, functions: u8) -> Vec<u8> {
    let none = vec![0; 3 * usize::from(functions)];
    definition(8, &[&wide(number), &[0, functions], &none])
}

/// Functions whose names and files are one byte, and never the one before.
fn short_names(number: u32, functions: u8) -> Vec<u8> {
    let named = (0..functions).flat_map(|place| [1, b'a', 1, b'a' + place % 2, 0]);
    let named: Vec<u8> = named.collect();
    definition(8, &[&wide(number), &[0, functions], &named])
}

fn many_definitions(len: usize, packed: bool, record: &dyn Fn(u32) -> Vec<u8>) -> Vec<u8> {
    let mut file = header_bytes();
    let mut numbers = 0..u32::MAX;
    for chunk in 0.. {
        let (mut payload, mut records) = (Vec::new(), 0);
        while payload.len() < 1 << 20 {
            payload.extend(record(numbers.next().unwrap()));
            records += 1;
        }
        let mut claim = Claim {
            kind: 5,
            number: chunk,
            ..Claim::of(&payload, records)
        };
        if packed {
            payload = lz4_flex::block::compress(&payload);
            claim.codec = 1;
            claim.stored = payload.len() as u32;
            claim.crc = crc32fast::hash(&payload);
        }
        file.extend(claim.followed_by(&payload));
        if file.len() >= len {
            return file;
        }
    }
    file
}

fn many_counters(len: usize) -> Vec<u8> {
    let mut writer = Writer::start(Vec::new(), &Header::default()).unwrap();
    writer.flush(Time(0)).unwrap();
    let mut file = writer.get_mut().clone();
    let mut number = 0u32;
    let mut chunk = 1;
    while file.len() < len {
        let mut payload = Vec::new();
        for _ in 0..10_000 {
            number += 1;
            payload.extend([64, 0, 10, 8]);
            payload.extend(format!("{number:08}").into_bytes());
            payload.push(1);
        }
        let claim = Claim {
            number: chunk,
            ..Claim::of(&payload, 10_000)
        };
        file.extend(claim.followed_by(&payload));
        chunk += 1;
    }
    file
}
