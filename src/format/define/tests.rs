//! Definitions from the writer to the reader: in order, in each file of a recording, in a stretch of
//! it, and where some are damaged.

use std::io::Cursor;

use super::*;
use crate::format::chunk::{self, ChunkHeader, HEADER_LEN};
use crate::format::{
    Header, Segment, Sink, Stretch, Writer, extract, read_segments, read_trace, scan,
};
use crate::model::{
    Anchor, Damage, Frame, Function, Live, StackEnd, StackNode, Symbol, SymbolSource, Time, Trace,
    Trust,
};
use crate::synth::{self, Plan};

/// A thousand events or so of a few places, and what their numbers stand for.
fn storm() -> (Vec<Event>, Stacks) {
    let mut events = synth::events(Plan {
        events: 2_000,
        width: 30,
        seed: 9,
    });
    let interner = synth::with_stacks(&mut events, 60, 12);
    (events, interner.stacks().clone())
}

/// The files of a recording, fifty events in a chunk. If symbols come late, all of them stand at the
/// end of the last file.
fn recording(events: &[Event], stacks: &Stacks, files: usize, late: bool) -> Vec<Vec<u8>> {
    let mut live = Live::default();
    let mut symbols = Vec::new();
    let each = events.len().div_ceil(files);
    let parts = events.chunks(each).enumerate();
    parts
        .map(|(number, part)| {
            let header = Header {
                segment: number as u32,
                options: vec![("max-disk".into(), "1G".into())],
                ..synth::header()
            };
            let mut writer = Writer::start(Vec::new(), &header).unwrap();
            let (mut defined, mut needed) = (Defined::default(), Vec::new());
            let mut define = |needed: &mut Vec<Definition>, writer: &mut Writer<Vec<u8>>| {
                for definition in needed.drain(..) {
                    if late && matches!(definition, Definition::Symbol(..)) {
                        symbols.push(definition);
                    } else {
                        writer.define(&definition).unwrap();
                    }
                }
            };
            if number > 0 {
                let carried = live.checkpoint();
                defined.for_checkpoint(&carried, stacks, &mut needed);
                define(&mut needed, &mut writer);
                let anchor = Anchor {
                    time: part[0].time,
                    wall_ns: 0,
                    utc_offset_s: 0,
                };
                writer.checkpoint(&carried, anchor).unwrap();
            }
            for chunk in part.chunks(50) {
                for event in chunk {
                    defined.for_event(event, stacks, &mut needed);
                    define(&mut needed, &mut writer);
                    writer.push(event).unwrap();
                    live.follow(event);
                }
                writer.flush(chunk[chunk.len() - 1].time).unwrap();
            }
            if number == files - 1 {
                for symbol in symbols.drain(..) {
                    writer.define(&symbol).unwrap();
                }
            }
            let now = part[part.len() - 1].time;
            writer.finish(now, "done", &[]).unwrap()
        })
        .collect()
}

fn opened(files: &[Vec<u8>]) -> Vec<Segment<Cursor<&Vec<u8>>>> {
    let opened = files.iter().map(|file| Segment::open(Cursor::new(file)));
    opened.map(Result::unwrap).collect()
}

fn whole(files: &[Vec<u8>]) -> Vec<u8> {
    let header = synth::header();
    let (out, _) = extract(opened(files), Stretch::WHOLE, &header, Vec::new()).unwrap();
    out
}

/// Where each chunk begins, with its kind.
fn chunks(file: &[u8]) -> Vec<(usize, u8)> {
    let length = u32::from_le_bytes(file[12..16].try_into().unwrap());
    let mut at = 20 + length as usize;
    let mut out = Vec::new();
    while at < file.len() {
        let header = file[at..at + HEADER_LEN].try_into().unwrap();
        let header = ChunkHeader::decode(header).unwrap();
        out.push((at, header.kind));
        at += HEADER_LEN + header.stored_len as usize;
    }
    out
}

/// What an event or a carried task needs.
fn uses(event: &Event) -> (Option<StackId>, Option<FrameId>) {
    match &event.body {
        EventBody::Birth(birth) => (birth.stack, birth.start),
        EventBody::CreateFailed { stack, .. } => (*stack, None),
        _ => (None, None),
    }
}

/// A sink that wants each thing defined before it is used, and all of it in the end.
#[derive(Default)]
struct Strict {
    stacks: Stacks,
    all: Vec<Definition>,
    used: usize,
}

impl Strict {
    fn wants(&mut self, stack: Option<StackId>, start: Option<FrameId>) {
        if let Some(stack) = stack {
            self.used += 1;
            assert_eq!(self.stacks.end(stack), Some(StackEnd::Bottom), "{stack:?}");
        }
        assert!(start.is_none_or(|start| self.stacks.frame(start).is_some()));
    }
}

impl Sink for Strict {
    fn event(&mut self, event: Event) {
        let (stack, start) = uses(&event);
        self.wants(stack, start);
    }
    fn checkpoint(&mut self, carried: &[Carried], _: Time) {
        for task in carried {
            self.wants(task.stack, task.start);
        }
    }
    fn define(&mut self, definition: Definition) {
        match &definition {
            Definition::Frame(_, frame) => {
                let known = |id| self.stacks.module(id).is_some();
                assert!(frame.module.is_none_or(known));
            }
            Definition::Stack(_, node) => {
                assert!(self.stacks.frame(node.frame).is_some());
                assert!(node.up.is_none_or(|up| self.stacks.node(up).is_some()));
            }
            Definition::Symbol(id, _) => assert!(self.stacks.frame(*id).is_some()),
            Definition::Module(..) => {}
        }
        self.stacks.define(definition.clone());
        self.all.push(definition);
    }
    fn anchor(&mut self, _: Anchor) {}
    fn counter(&mut self, _: String, _: u64) {}
    fn reached(&mut self, _: Time) {}
    fn damaged(&mut self, damage: &Damage) {
        panic!("{damage:?}");
    }
}

fn strict(file: &Vec<u8>) -> Strict {
    let mut strict = Strict::default();
    scan(opened(std::slice::from_ref(file)), &mut strict).unwrap();
    strict
}

/// All that stacks and starts stand for, in any order, each once.
fn needed_by(uses: &[(Option<StackId>, Option<FrameId>)], stacks: &Stacks) -> Vec<String> {
    let (mut out, mut frames) = (Vec::new(), Vec::new());
    for (stack, start) in uses {
        frames.extend(*start);
        for (id, node) in stack.iter().flat_map(|stack| stacks.walk(*stack)) {
            out.push(format!("{:?}", Definition::Stack(id, *node)));
            frames.push(node.frame);
        }
    }
    for id in frames {
        let frame = *stacks.frame(id).unwrap();
        out.push(format!("{:?}", Definition::Frame(id, frame)));
        let module = frame.module.unwrap();
        let definition = Definition::Module(module, stacks.module(module).unwrap().clone());
        out.push(format!("{definition:?}"));
        let symbol = stacks.symbol(id).unwrap().clone();
        out.push(format!("{:?}", Definition::Symbol(id, symbol)));
    }
    out.sort();
    out.dedup();
    out
}

fn sorted(definitions: &[Definition]) -> Vec<String> {
    let mut out: Vec<_> = definitions.iter().map(|it| format!("{it:?}")).collect();
    out.sort();
    out
}

/// A stack as a person sees it: of each frame from the innermost out the module, the frame and the
/// symbol, as far as they are known; and how it ends.
type Seen = (Vec<[Option<String>; 3]>, Option<StackEnd>);

fn seen(trace: &Trace, id: StackId) -> Seen {
    let stacks = trace.stacks();
    let frames = stacks.walk(id).map(|(_, node)| {
        let frame = stacks.frame(node.frame);
        let module = frame.and_then(|frame| stacks.module(frame.module?));
        let symbol = stacks.symbol(node.frame);
        [
            module.map(|module| format!("{module:?}")),
            frame.map(|frame| format!("{frame:?}")),
            symbol.map(|symbol| format!("{symbol:?}")),
        ]
    });
    (frames.collect(), stacks.end(id))
}

fn all_seen(trace: &Trace) -> Vec<Option<Seen>> {
    let events = trace.events().iter();
    let events = events.filter(|event| !matches!(event.body, EventBody::Gap { .. }));
    events
        .map(|event| uses(event).0.map(|id| seen(trace, id)))
        .collect()
}

#[test]
fn each_file_of_a_recording_opens_alone_and_together_they_say_the_same() {
    let (events, stacks) = storm();
    let files = recording(&events, &stacks, 3, false);
    let mut found = 0;
    for file in &files {
        let alone = strict(file);
        assert!(alone.used > 200, "{}", alone.used);
        let kinds: Vec<u8> = chunks(file).iter().map(|(_, kind)| *kind).collect();
        assert_eq!(kinds[0], chunk::kind::DEFINITIONS);
        found += usize::from(kinds[1] == chunk::kind::CHECKPOINT);
        // Each number is defined once.
        let mut once = sorted(&alone.all);
        once.dedup();
        assert_eq!(once.len(), alone.all.len());
    }
    assert_eq!(found, 2);
    let together = read_segments(opened(&files)).unwrap();
    let one = read_trace(Cursor::new(&recording(&events, &stacks, 1, false)[0])).unwrap();
    assert!(together.is_complete(), "{:?}", together.integrity());
    assert_eq!(together.events(), events);
    assert_eq!(all_seen(&together), all_seen(&one));
}

#[test]
fn a_stretch_keeps_the_definitions_that_it_needs_and_symbols_that_come_later() {
    let (events, stacks) = storm();
    let files = recording(&events, &stacks, 3, true);
    // A few events, so that not all places are among them, and nobody who lived before.
    let stretch = Stretch {
        from: events[700].time,
        to: events[703].time,
    };
    let header = synth::header();
    let (out, _) = extract(opened(&files), stretch, &header, Vec::new()).unwrap();
    let strict = strict(&out);
    let mut live = Live::default();
    events[..700].iter().for_each(|event| live.follow(event));
    let mut used: Vec<_> = events[700..=703].iter().map(uses).collect();
    let carried = live.checkpoint();
    used.extend(carried.iter().map(|task| (task.stack, task.start)));
    assert_eq!(sorted(&strict.all), needed_by(&used, &stacks));
    let trace = read_trace(Cursor::new(&out)).unwrap();
    let lived = trace
        .tasks()
        .iter()
        .map(|task| (task.task, task.stack, task.start));
    let before = carried
        .iter()
        .map(|task| (task.task, task.stack, task.start));
    assert_eq!(
        lived.take(carried.len()).collect::<Vec<_>>(),
        before.collect::<Vec<_>>()
    );
}

#[test]
fn damaged_definitions_cost_no_event_and_nothing_is_made_up_for_them() {
    let (events, stacks) = storm();
    let file = recording(&events, &stacks, 1, false).remove(0);
    let sound = read_trace(Cursor::new(&file)).unwrap();
    let starts = chunks(&file);
    let damaged: Vec<usize> = starts
        .iter()
        .filter(|(_, kind)| *kind == chunk::kind::DEFINITIONS)
        .map(|(at, _)| *at)
        .collect();
    assert!(!damaged.is_empty());
    let mut missing = 0;
    for at in damaged {
        let mut broken = file.clone();
        broken[at + HEADER_LEN + 5] ^= 1;
        let trace = read_trace(Cursor::new(&broken)).unwrap();
        assert_eq!(trace.events(), events);
        let [damage] = &trace.integrity().damage[..] else {
            panic!("{:?}", trace.integrity());
        };
        assert_eq!(damage.offset, at as u64);
        assert!(damage.problem.contains("stacks are missing"), "{damage:?}");
        for (theirs, ours) in all_seen(&trace).iter().zip(all_seen(&sound)) {
            let (Some(theirs), Some(ours)) = (theirs, &ours) else {
                assert_eq!(*theirs, ours);
                continue;
            };
            missing += usize::from(theirs != ours);
            // What is there is the beginning of what was, and of that a part.
            let whole = theirs.0.len() == ours.0.len();
            assert_eq!(theirs.1, ours.1.filter(|_| whole));
            let parts = theirs.0.iter().flatten().zip(ours.0.iter().flatten());
            for (theirs, ours) in parts {
                assert!(theirs.is_none() || theirs == ours);
            }
        }
        let mended = whole(&[broken]);
        let mended = read_trace(Cursor::new(&mended)).unwrap();
        let gap = |event: &&Event| matches!(event.body, EventBody::Gap { .. });
        let gaps: Vec<_> = mended.events().iter().filter(gap).collect();
        assert_eq!(gaps.len(), 1);
        assert!(format!("{gaps:?}").contains("stacks are missing"));
        assert_eq!(all_seen(&mended), all_seen(&trace));
    }
    assert!(missing > 500, "{missing}");
}

#[test]
fn what_a_later_file_defines_again_mends_an_earlier_one() {
    let (events, stacks) = storm();
    let mut files = recording(&events, &stacks, 2, false);
    let sound = read_segments(opened(&files)).unwrap();
    let first = chunks(&files[0])[0].0;
    files[0][first + HEADER_LEN] ^= 1;
    let alone = read_trace(Cursor::new(&files[0])).unwrap();
    assert_ne!(all_seen(&alone), all_seen(&sound)[..events.len() / 2]);
    let both = read_segments(opened(&files)).unwrap();
    assert_eq!(all_seen(&both), all_seen(&sound));

    // Also where no event behind it needs it: the second file ends with its checkpoint.
    let checkpoint = chunks(&files[1])[2].0;
    files[1].truncate(checkpoint);
    let both = read_segments(opened(&files)).unwrap();
    assert_ne!(all_seen(&both), all_seen(&alone));
    let one = read_trace(Cursor::new(whole(&files))).unwrap();
    assert_eq!(all_seen(&one), all_seen(&both));
}

#[test]
fn a_file_that_is_missing_lasts_to_the_checkpoint_behind_it() {
    let (events, stacks) = storm();
    let files = recording(&events, &stacks, 4, false);
    let some = [files[0].clone(), files[1].clone(), files[3].clone()];
    let trace = read_segments(opened(&some)).unwrap();
    let [damage] = &trace.integrity().damage[..] else {
        panic!("{:?}", trace.integrity());
    };
    let each = events.len().div_ceil(4);
    assert_eq!(damage.after, events[2 * each - 1].time);
    assert_eq!(damage.before, Some(events[3 * each].time));
}

#[test]
fn definitions_behind_damage_neither_end_it_nor_explain_what_is_missing_later() {
    let (events, stacks) = storm();
    let file = recording(&events, &stacks, 1, false).remove(0);
    let starts = chunks(&file);
    // A chunk of events that stands before definitions, which stand before others.
    let at = starts
        .windows(2)
        .position(|pair| pair[0].1 == chunk::kind::EVENTS && pair[1].1 == chunk::kind::DEFINITIONS);
    let at = at.expect("definitions in the middle");
    let mut broken = file.clone();
    broken[starts[at].0 + HEADER_LEN + 3] ^= 1;
    let without = starts[at + 2].0..starts[at + 3].0;
    broken.drain(without.clone());
    let trace = read_trace(Cursor::new(&broken)).unwrap();
    let damage: Vec<_> = trace
        .integrity()
        .damage
        .iter()
        .map(|it| (it.offset, it.bytes > 0))
        .collect();
    assert_eq!(
        damage,
        [(starts[at].0 as u64, true), (without.start as u64, false)]
    );
    let header_at = |at: usize| {
        let header = file[at..at + HEADER_LEN].try_into().unwrap();
        ChunkHeader::decode(header).unwrap()
    };
    let mut behind = starts[at + 3..].iter();
    let next = behind.find(|(_, kind)| *kind == chunk::kind::EVENTS);
    let next = header_at(next.unwrap().0).first;
    assert!(
        trace
            .integrity()
            .damage
            .iter()
            .all(|it| it.before == Some(next))
    );
}

#[test]
fn of_two_meanings_the_later_counts_in_a_copy_too() {
    let module = |path: &str| crate::model::Module {
        path: path.into(),
        build_id: Box::default(),
        seen: (crate::model::Pid(1), 0, 1),
    };
    let frame = |address| Frame {
        module: Some(ModuleId(0)),
        address,
        trust: Trust::Cfi,
    };
    let node = |up, frame| StackNode {
        up,
        frame: FrameId(frame),
        end: StackEnd::Bottom,
    };
    let symbol = |name: &str| Symbol {
        source: SymbolSource::SymbolTable,
        functions: vec![Function {
            name: name.into(),
            file: b"".into(),
            line: None,
        }],
    };
    let first = [
        Definition::Module(ModuleId(0), module("/a")),
        Definition::Frame(FrameId(0), frame(1)),
        Definition::Symbol(FrameId(0), symbol("a")),
        Definition::Stack(StackId(5), node(None, 0)),
    ];
    let later = [
        Definition::Module(ModuleId(0), module("/b")),
        Definition::Frame(FrameId(0), frame(2)),
        Definition::Symbol(FrameId(0), symbol("b")),
        Definition::Stack(StackId(1), node(None, 1)),
        Definition::Frame(FrameId(1), frame(3)),
        Definition::Stack(StackId(5), node(Some(StackId(1)), 0)),
    ];
    let event = |time| Event {
        time: Time(time),
        body: EventBody::CreateFailed {
            task: crate::model::Task::new(1, 1),
            call: b"fork".into(),
            errno: 11,
            flags: None,
            pc: None,
            stack: Some(StackId(5)),
        },
    };
    let mut writer = Writer::start(Vec::new(), &synth::header()).unwrap();
    for (time, definitions) in [(1, &first[..]), (2, &later[..])] {
        for definition in definitions {
            writer.define(definition).unwrap();
        }
        writer.push(&event(time)).unwrap();
        writer.flush(Time(time)).unwrap();
    }
    let file = writer.finish(Time(3), "done", &[]).unwrap();
    let trace = read_trace(Cursor::new(&file)).unwrap();
    let copy = read_trace(Cursor::new(whole(&[file]))).unwrap();
    assert_eq!(all_seen(&copy), all_seen(&trace));
    let (frames, end) = seen(&trace, StackId(5));
    assert_eq!((frames.len(), end), (2, Some(StackEnd::Bottom)));
    let [module, frame, symbol] = frames[0].clone().map(Option::unwrap);
    assert!(module.contains("/b") && frame.contains("address: 2") && symbol.contains("\"b\""));
}
