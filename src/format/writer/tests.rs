//! The writer on good and on full disks, and how large what it writes is.

use std::io::{self, Cursor, Write};

use super::*;
use crate::format::{Defined, read_trace};
use crate::model::{
    Ending, Frame, FrameId, Function, Name, StackEnd, StackId, Stacks, Symbol, SymbolSource, Task,
    Trace, Trust,
};
use crate::synth::{self, Plan};

fn mark(time: u64) -> Event {
    Event {
        time: Time(time),
        body: EventBody::Mark { text: b"m".into() },
    }
}

/// A disk that is full between two moments.
#[derive(Default)]
struct Disk {
    kept: Vec<u8>,
    full: bool,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.kept.extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_a_full_disk_cost_is_in_the_file_when_it_has_room_again() {
    let mut writer = Writer::start(Disk::default(), &Header::default()).unwrap();
    writer.push(&mark(1)).unwrap();
    writer.flush(Time(2)).unwrap();
    writer.get_mut().full = true;
    for time in [3, 4] {
        writer.push(&mark(time)).unwrap();
    }
    assert!(writer.flush(Time(5)).is_err());
    writer.push(&mark(6)).unwrap();
    assert!(writer.flush(Time(7)).is_err());
    writer.get_mut().full = false;
    writer.push(&mark(8)).unwrap();
    let disk = writer.finish(Time(9), "done", &[("stops", 4)]).unwrap();

    let trace = read_trace(Cursor::new(disk.kept)).unwrap();
    assert!(trace.is_complete(), "{:?}", trace.integrity());
    let reason = Name::from(format!("writing failed: {}", io::ErrorKind::StorageFull).as_str());
    let lost = EventBody::Lost {
        count: 3,
        since: Time(3),
        reason,
    };
    assert_eq!(
        trace.events(),
        [
            mark(1),
            Event {
                time: Time(8),
                body: lost
            },
            mark(8)
        ]
    );
    assert_eq!(trace.counters(), [("stops".to_string(), 4)]);
    assert_eq!(trace.integrity().ending, Ending::Finished("done".into()));
}

#[test]
fn a_flush_without_events_says_how_far_the_recording_got() {
    let mut writer = Writer::start(Vec::new(), &Header::default()).unwrap();
    writer.push(&mark(1)).unwrap();
    writer.flush(Time(2)).unwrap();
    writer.flush(Time(60)).unwrap();
    let trace = read_trace(Cursor::new(writer.get_mut().clone())).unwrap();
    assert_eq!(trace.end(), Time(60));
    assert_eq!(trace.integrity().ending, Ending::CutShort);
}

#[test]
fn a_million_exits_take_few_bytes_each() {
    let mut writer = Writer::start(Vec::new(), &Header::default()).unwrap();
    for number in 0..100_000u32 {
        let body = EventBody::Exit {
            task: Task::new(1000, 1000 + number % 30_000),
            end: crate::model::End::Code(0),
        };
        let time = Time(u64::from(number) * 20_011);
        writer.push(&Event { time, body }).unwrap();
    }
    let bytes = writer
        .finish(Time(u64::MAX / 2), "done", &[])
        .unwrap()
        .len();
    assert!(bytes <= 100_000 * 10, "{bytes}");
}

#[test]
fn long_words_of_the_recorder_are_cut_between_two_characters() {
    let long = "ß".repeat(40_000);
    let writer = Writer::start(Vec::new(), &Header::default()).unwrap();
    let file = writer.finish(Time(1), &long, &[(&long, 7)]).unwrap();
    let trace = read_trace(Cursor::new(file)).unwrap();
    let kept = "ß".repeat(32_768);
    assert_eq!(trace.integrity().ending, Ending::Finished(kept.clone()));
    assert_eq!(trace.counters(), [(kept, 7)]);
}

/// A disk that has no room for what is larger than this.
#[derive(Debug, Default)]
struct Narrow {
    kept: Vec<u8>,
    most: usize,
}

impl Write for Narrow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.most {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.kept.extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A failed creation whose stack is the innermost of a chain of frames, all with long names.
fn refused(time: u64) -> (Event, Stacks) {
    let mut interner = crate::model::Interner::new(1000);
    let frame = |address| Frame {
        module: None,
        address,
        trust: Trust::Cfi,
    };
    let frames: Vec<Frame> = (0..20).map(frame).collect();
    let stack = interner.stack(&frames, StackEnd::Bottom);
    for (number, id) in (0..20).map(FrameId).enumerate() {
        let letter = [b'a' + number as u8];
        let function = Function {
            name: Name::from(&letter.repeat(100)[..]),
            file: Name::default(),
            line: None,
        };
        let symbol = Symbol {
            source: SymbolSource::SymbolTable,
            functions: vec![function],
        };
        interner.symbol(id, symbol);
    }
    let body = EventBody::CreateFailed {
        task: Task::new(1, 1),
        call: b"fork".into(),
        errno: 11,
        flags: None,
        pc: None,
        stack,
    };
    let time = Time(time);
    (Event { time, body }, interner.stacks().clone())
}

/// Defines what an event needs, and pushes it.
fn push<W: Write>(
    writer: &mut Writer<W>,
    event: &Event,
    stacks: &Stacks,
    defined: &mut Defined,
) -> Result<(), Error> {
    let mut needed = Vec::new();
    defined.for_event(event, stacks, &mut needed);
    for definition in &needed {
        writer.define(definition)?;
    }
    writer.push(event)
}

/// How each stack of a trace's failed creations ends; `None` where it is missing.
fn ends(trace: &Trace) -> Vec<Option<StackEnd>> {
    let stacks = trace.events().iter().filter_map(|event| match event.body {
        EventBody::CreateFailed { stack, .. } => stack,
        _ => None,
    });
    stacks.map(|id| trace.stacks().end(id)).collect()
}

#[test]
fn definitions_that_a_full_disk_cost_are_written_again_when_they_are_forgotten() {
    let (event, stacks) = refused(1);
    for forgets in [false, true] {
        let mut writer = Writer::start(Disk::default(), &Header::default()).unwrap();
        let mut defined = Defined::default();
        writer.get_mut().full = true;
        push(&mut writer, &event, &stacks, &mut defined).unwrap();
        assert!(writer.flush(Time(1)).is_err());
        assert_eq!(writer.lost(), 1);
        if forgets {
            defined.clear();
        }
        writer.get_mut().full = false;
        push(&mut writer, &event, &stacks, &mut defined).unwrap();
        let disk = writer.finish(Time(2), "done", &[]).unwrap();
        let trace = read_trace(Cursor::new(disk.kept)).unwrap();
        // The events are there and the loss is told, either way.
        let kinds: Vec<_> = trace.events().iter().map(|it| it.body.kind()).collect();
        assert_eq!(kinds, ["lost", "create-failed"]);
        assert_eq!(trace.events()[1], event);
        assert_eq!(ends(&trace), [forgets.then_some(StackEnd::Bottom)]);
        assert!(trace.is_complete(), "{:?}", trace.integrity());
    }
}

#[test]
fn where_only_definitions_find_no_room_no_event_is_lost() {
    let (event, stacks) = refused(1);
    let most = 300;
    let mut disk = Narrow {
        most,
        ..Narrow::default()
    };
    let mut writer = Writer::start(&mut disk, &Header::default()).unwrap();
    writer.pack(false);
    let mut defined = Defined::default();
    push(&mut writer, &event, &stacks, &mut defined).unwrap();
    let error = writer.flush(Time(1)).unwrap_err();
    assert!(error.to_string().contains("definitions"), "{error}");
    assert_eq!(
        (writer.lost(), writer.events(), writer.pending()),
        (0, 1, 0)
    );
    defined.clear();
    push(&mut writer, &event, &stacks, &mut defined).unwrap();
    // Nor is the end mark.
    let error = writer.finish(Time(2), "done", &[]).unwrap_err();
    assert!(error.to_string().contains("definitions"), "{error}");
    let trace = read_trace(Cursor::new(disk.kept)).unwrap();
    assert_eq!(trace.events(), [event.clone(), event]);
    assert_eq!(ends(&trace), [None, None]);
    assert!(trace.is_complete(), "{:?}", trace.integrity());
}

/// Each chunk's kind, first and last.
fn chunks(file: &[u8]) -> Vec<(u8, u64, u64)> {
    let length = u32::from_le_bytes(file[12..16].try_into().unwrap());
    let mut at = 20 + length as usize;
    let mut out = Vec::new();
    while at < file.len() {
        let header = file[at..at + HEADER_LEN].try_into().unwrap();
        let header = ChunkHeader::decode(header).unwrap();
        out.push((header.kind, header.first.0, header.last.0));
        at += HEADER_LEN + header.stored_len as usize;
    }
    out
}

#[test]
fn definitions_stand_before_what_needs_them_also_in_batches_that_grow_large_by_themselves() {
    use chunk::kind::{CHECKPOINT, DEFINITIONS, END, EVENTS};
    let (event, stacks) = refused(7);
    let mut writer = Writer::start(Vec::new(), &Header::default()).unwrap();
    let mut defined = Defined::default();
    push(&mut writer, &event, &stacks, &mut defined).unwrap();
    // A batch of events that is written without a flush.
    let long = |time| Event {
        time: Time(time),
        body: EventBody::Mark {
            text: "x".repeat(60_000).as_str().into(),
        },
    };
    for time in 10..15 {
        writer.push(&long(time)).unwrap();
    }
    assert_eq!(writer.pending(), 0);
    // Definitions that are written without an event.
    let module = |number: u32| {
        let module = crate::model::Module {
            path: "y".repeat(60_000).as_str().into(),
            build_id: Box::default(),
            seen: (crate::model::Pid(1), 0, 1),
        };
        Definition::Module(crate::model::ModuleId(number), module)
    };
    for number in 0..6 {
        writer.define(&module(number)).unwrap();
    }
    // And those of a checkpoint.
    writer.define(&module(6)).unwrap();
    let anchor = Anchor {
        time: Time(20),
        wall_ns: 0,
        utc_offset_s: 0,
    };
    writer.checkpoint(&[], anchor).unwrap();
    let file = writer.finish(Time(30), "done", &[]).unwrap();
    assert_eq!(
        chunks(&file),
        [
            (DEFINITIONS, 0, 0),
            (EVENTS, 7, 14),
            (DEFINITIONS, 14, 14),
            (DEFINITIONS, 14, 14),
            (CHECKPOINT, 20, 20),
            (END, 30, 30),
        ]
    );
    let trace = read_trace(Cursor::new(file)).unwrap();
    assert!(trace.is_complete(), "{:?}", trace.integrity());
    assert_eq!(ends(&trace), [Some(StackEnd::Bottom)]);
    assert_eq!(trace.stacks().modules().len(), 7);
    assert_eq!(trace.events().len(), 6);
}

#[test]
fn a_storm_of_creations_with_stacks_takes_few_bytes_each() {
    let mut events = synth::events(Plan {
        events: 30_000,
        width: 64,
        seed: 5,
    });
    let interner = synth::with_stacks(&mut events, 20, 15);
    for (per_chunk, most) in [(100, 12), (3_000, 9)] {
        let mut writer = Writer::start(Vec::new(), &Header::default()).unwrap();
        let mut defined = Defined::default();
        for chunk in events.chunks(per_chunk) {
            for event in chunk {
                push(&mut writer, event, interner.stacks(), &mut defined).unwrap();
            }
            writer.flush(chunk[chunk.len() - 1].time).unwrap();
        }
        let file = writer.finish(Time(u64::MAX / 2), "done", &[]).unwrap();
        let trace = read_trace(Cursor::new(&file)).unwrap();
        assert_eq!(trace.events(), events);
        assert_eq!(trace.stacks().frames().len(), 20 * 12 + 4);
        let whole = |id: StackId| trace.stacks().walk(id).count() == 15;
        let births = trace.events().iter().filter_map(|event| match &event.body {
            EventBody::Birth(birth) => birth.stack,
            _ => None,
        });
        assert!(births.clone().all(whole));
        assert!(births.count() > 10_000);
        let bytes = file.len();
        println!(
            "{per_chunk} events in a chunk: {bytes} bytes of {}",
            events.len()
        );
        assert!(bytes <= events.len() * most, "{bytes}");
    }
}

#[test]
fn checkpoints_between_events_cost_little() {
    for (width, least) in [(1_000, 2), (20_000, 1)] {
        let plan = synth::Plan {
            events: 300_000,
            width,
            seed: 11,
        };
        let file = |is_due: fn(&Writer<Vec<u8>>) -> bool| {
            let writer = Writer::start(Vec::new(), &Header::default()).unwrap();
            synth::record(writer, synth::events(plan), is_due).unwrap()
        };
        let (with, without) = (file(Writer::is_checkpoint_due), file(|_| false));
        let mut at = Header::default().encode().unwrap().len();
        let (mut events, mut checkpoints, mut number) = (0, 0, 0);
        while let Some(bytes) = with.get(at..).and_then(|rest| rest.first_chunk()) {
            let chunk = ChunkHeader::decode(bytes).unwrap();
            match chunk.kind {
                chunk::kind::EVENTS => events += chunk.raw_len,
                chunk::kind::CHECKPOINT => {
                    number += 1;
                    checkpoints += chunk.raw_len;
                }
                _ => {}
            }
            at += HEADER_LEN + chunk.stored_len as usize;
        }
        println!("{width}: {number} of {checkpoints} bytes, {events} of events");
        println!("  {} bytes, {} without", with.len(), without.len());
        assert!(number >= least, "{number}");
        // But for the first one, which may come when much lives already.
        assert!(checkpoints <= events / 8, "{checkpoints} of {events}");
        assert!(with.len() <= without.len() * 108 / 100);
    }
}
