use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::format::{Writer, read_trace};
use crate::model::{Birth, End, EventBody, Name, Pid, Task, TaskRecord, Tid, Via, What};
use crate::synth::{self, Plan};

fn skim(file: &[u8]) -> Option<Skim<Cursor<&[u8]>>> {
    Skim::of(Segment::open(Cursor::new(file)).unwrap()).unwrap()
}

/// A file with a checkpoint behind each so many events.
fn file(events: &[Event], header: &Header, spacing: u64) -> Vec<u8> {
    let writer = Writer::start(Vec::new(), header).unwrap();
    let is_due =
        |writer: &Writer<Vec<u8>>| (writer.events() + writer.pending()).is_multiple_of(spacing);
    synth::record(writer, events.to_vec(), is_due).unwrap()
}

fn synthetic(events: usize, width: usize, seed: u64) -> Vec<Event> {
    synth::events(Plan {
        events,
        width,
        seed,
    })
}

/// What can be known of an event's task at its time, and of who made it.
fn told(trace: &Trace, place: usize) -> Option<impl PartialEq + std::fmt::Debug + use<>> {
    let time = trace.events()[place].time;
    let one = |task: &TaskRecord| {
        let ended = task.ended.filter(|ended| *ended <= time);
        let name = task.name_at(time).clone();
        (task.task, task.born, task.origin, name, task.inner, ended)
    };
    let task = trace.subject(place)?;
    let parent = task.parent.map(|parent| one(trace.task(parent)));
    let is_first = is_launched(trace, task);
    Some((one(task), parent, task.stack, task.start, is_first))
}

/// The first task of all is asked for only where a command was launched.
fn is_launched(trace: &Trace, task: &TaskRecord) -> bool {
    trace.header().launched && task.id.0 == 0
}

/// Compares a stretch with the same of the whole; whether it could be had alone.
fn compare(file: &[u8], from: Time, to: Time) -> bool {
    let whole = read_trace(Cursor::new(file)).unwrap();
    let Some(skim) = skim(file) else { return false };
    let Some(part) = skim.stretch(from, to).unwrap() else {
        return false;
    };
    let events = whole.events();
    let first = events.partition_point(|event| event.time < from);
    let behind = events.partition_point(|event| event.time <= to).max(first);
    assert_eq!(part.events(), &events[first..behind], "{from:?} to {to:?}");
    assert_eq!(part.part().unwrap().first, first as u64);
    for place in first..behind {
        assert_eq!(told(&part, place - first), told(&whole, place), "{place}");
    }
    assert_eq!(part.event_count(), whole.event_count());
    assert_eq!((part.begin(), part.end()), (whole.begin(), whole.end()));
    assert_eq!(part.anchors(), whole.anchors());
    assert_eq!(part.counters(), whole.counters());
    assert_eq!(part.integrity(), whole.integrity());
    assert_eq!(part.peak_alive(), whole.peak_alive());
    let totals = &part.part().unwrap().totals;
    assert_eq!(totals.tasks(), whole.tasks().len() as u64);
    let alive = whole.tasks().iter().filter(|task| task.ended.is_none());
    assert_eq!(totals.alive(), alive.count() as u64);
    true
}

/// The tasks that lived at a moment, with all that is told of them.
fn alive(trace: &Trace, at: Time) -> Vec<impl PartialEq + std::fmt::Debug + use<>> {
    let tasks = trace.tasks().iter().filter(|task| task.alive_at(at));
    let told = tasks.map(|task| {
        let parent = task.parent.map(|parent| trace.task(parent));
        let parent = parent.map(|it| (it.task, it.name_at(task.born).clone()));
        let life = (task.born, task.ended, task.how);
        let is_first = is_launched(trace, task);
        let is = (task.task, task.inner, task.origin, task.what(), is_first);
        let name = task.name_at(at).clone();
        (is, life, name, parent, (task.stack, task.start))
    });
    told.collect()
}

/// Compares a moment with the same of the whole; whether it could be had alone.
fn compare_moment(file: &[u8], at: Time) -> bool {
    let whole = read_trace(Cursor::new(file)).unwrap();
    let Some(skim) = skim(file) else { return false };
    let Some(part) = skim.moment(at).unwrap() else {
        return false;
    };
    assert_eq!(alive(&part, at), alive(&whole, at), "{at:?}");
    assert_eq!(part.task_count(), whole.tasks().len());
    assert_eq!(part.event_count(), whole.event_count());
    assert_eq!((part.begin(), part.end()), (whole.begin(), whole.end()));
    assert_eq!(part.anchors(), whole.anchors());
    assert_eq!(part.integrity(), whole.integrity());
    true
}

/// Few ids, so that they meet again and contradict each other.
fn contradictory() -> impl Strategy<Value = Vec<Event>> {
    let task = || (1..4u32, 0..3u32).prop_map(|(pid, more)| Task::new(pid, pid + 10 * more));
    let name = || (0..4u8).prop_map(|letter| Name::from(&[b'a' + letter][..]));
    let body = prop_oneof![
        (task(), proptest::option::of(1..4u32), name()).prop_map(|(task, parent, name)| {
            EventBody::Existing {
                task,
                parent_pid: parent.map(Pid),
                name,
                pc: None,
                inner: None,
            }
        }),
        (task(), task(), any::<bool>()).prop_map(|(parent, child, process)| {
            let (what, pid) = match process {
                true => (What::Process, child.tid.0),
                false => (What::Thread, parent.pid.0),
            };
            EventBody::Birth(Birth {
                via: Via::Clone,
                what,
                parent: Some(parent),
                child: Task::new(pid, child.tid.0),
                flags: None,
                pc: None,
                inner: None,
                stack: None,
                start: None,
            })
        }),
        (1..4u32, 0..3u32, name()).prop_map(|(pid, more, name)| EventBody::Exec {
            task: Task::leader(Pid(pid)),
            former_tid: Tid(pid + 10 * more),
            exe: name.clone(),
            name,
        }),
        task().prop_map(|task| EventBody::Exit {
            task,
            end: End::Code(0)
        }),
        (task(), name()).prop_map(|(task, name)| EventBody::Rename { task, name }),
        (0..3u64).prop_map(|count| EventBody::Lost {
            count,
            since: Time(0),
            reason: b"full".into(),
        }),
    ];
    proptest::collection::vec((body, 0..3u64), 1..80).prop_map(|bodies| {
        let mut time = 0;
        let timed = bodies.into_iter().map(|(body, step)| {
            time += step;
            let time = Time(time);
            Event { time, body }
        });
        timed.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_stretch_is_as_the_whole_has_it(
        seed in 0..1000u64,
        (width, spacing) in (1..60usize, 1..500u64),
        (from, length) in (0..25_000_000u64, 0..10_000_000u64),
        launched in any::<bool>(),
    ) {
        let header = Header { launched, ..synth::header() };
        let file = file(&synthetic(1_000, width, seed), &header, spacing);
        prop_assert!(compare(&file, Time(from), Time(from + length)));
    }

    #[test]
    fn contradictions_are_as_the_whole_has_them_or_make_it_none(
        events in contradictory(),
        spacing in 1..40u64,
        (from, length) in (0..100u64, 0..60u64),
        launched in any::<bool>(),
    ) {
        let header = Header { launched, ..synth::header() };
        compare(&file(&events, &header, spacing), Time(from), Time(from + length));
    }

    #[test]
    fn a_moment_is_as_the_whole_has_it(
        seed in 0..1000u64,
        (width, spacing) in (1..60usize, 1..500u64),
        at in 0..30_000_000u64,
        launched in any::<bool>(),
    ) {
        let header = Header { launched, ..synth::header() };
        let events = with_names(synthetic(1_000, width, seed));
        let file = file(&events, &header, spacing);
        prop_assert!(compare_moment(&file, Time(at)));
    }

    #[test]
    fn a_moment_of_contradictions_is_as_the_whole_has_it_or_none(
        events in contradictory(),
        spacing in 1..40u64,
        at in 0..120u64,
        launched in any::<bool>(),
    ) {
        let header = Header { launched, ..synth::header() };
        compare_moment(&file(&events, &header, spacing), Time(at));
    }
}

/// With other names of whoever makes tasks, now and then.
fn with_names(events: Vec<Event>) -> Vec<Event> {
    let mut made = 0;
    let mut all = Vec::new();
    for event in events {
        let creator = match &event.body {
            EventBody::Birth(birth) => birth.parent,
            _ => None,
        };
        let time = event.time;
        all.push(event);
        let Some(task) = creator else { continue };
        made += 1;
        if made % 9 == 0 {
            let name = Name::from(format!("then-{}", made / 27).as_str());
            let body = EventBody::Rename { task, name };
            all.push(Event { time, body });
        }
    }
    all.sort_by_key(|event| event.time);
    all
}

/// Made while its creator had one name and another, and lives on while it has a third.
#[test]
fn a_creator_has_the_name_that_it_had_then() {
    let main = Task::new(100, 100);
    let at = |time, body| Event {
        time: Time(time),
        body,
    };
    let rename = |name: &str| EventBody::Rename {
        task: main,
        name: name.into(),
    };
    let birth = |tid| {
        EventBody::Birth(Birth {
            via: Via::Clone,
            what: What::Thread,
            parent: Some(main),
            child: Task::new(100, tid),
            flags: None,
            pc: None,
            inner: None,
            stack: None,
            start: None,
        })
    };
    let events = [
        at(
            0,
            EventBody::Existing {
                task: main,
                parent_pid: None,
                name: "first".into(),
                pc: None,
                inner: None,
            },
        ),
        at(10, birth(101)),
        at(20, rename("second")),
        at(30, birth(102)),
        // Of one moment, the last name counts.
        at(40, birth(103)),
        at(40, rename("third")),
        at(40, rename("fourth")),
        at(50, birth(104)),
        at(60, rename("fifth")),
    ];
    let creators = |trace: &Trace| -> Vec<String> {
        let made = trace.tasks().iter().filter(|task| task.parent.is_some());
        let names = made.map(|task| trace.task(task.parent.unwrap()).name_at(task.born));
        names.map(ToString::to_string).collect()
    };
    for spacing in 1..10 {
        let file = file(&events, &synth::header(), spacing);
        let trace = skim(&file).unwrap().moment(Time(70)).unwrap();
        let trace = trace.expect("a checkpoint that tells of creators");
        assert_eq!(creators(&trace), ["first", "second", "fourth", "fourth"]);
        for time in 0..65 {
            assert!(compare_moment(&file, Time(time)), "{time}");
        }
    }
}

/// The first task of a launched command is told from another of its TID, even if that was born at the
/// same moment.
#[test]
fn the_first_task_is_not_another_of_its_tid() {
    let task = Task::new(100, 100);
    let at = |time, body| Event {
        time: Time(time),
        body,
    };
    let existing = || EventBody::Existing {
        task,
        parent_pid: None,
        name: "x".into(),
        pc: None,
        inner: None,
    };
    let exit = EventBody::Exit {
        task,
        end: End::Code(0),
    };
    let rename = |name: &str| EventBody::Rename {
        task,
        name: name.into(),
    };
    let events = [
        at(1, existing()),
        at(1, exit),
        at(1, existing()),
        at(5, rename("y")),
        at(9, rename("z")),
    ];
    let header = Header {
        launched: true,
        ..synth::header()
    };
    for spacing in 1..5 {
        let file = file(&events, &header, spacing);
        for time in [1, 5, 7, 9] {
            assert!(compare_moment(&file, Time(time)));
            assert!(compare(&file, Time(time), Time(9)));
        }
    }
}

/// A recorder of before did not tell by what names creators made tasks.
#[test]
fn a_moment_needs_a_checkpoint_that_tells_of_creators() {
    let mut writer = Writer::start(Vec::new(), &synth::header()).unwrap();
    let mut live = Live::default();
    for event in synthetic(400, 10, 5) {
        writer.push(&event).unwrap();
        live.follow(&event);
        if (writer.events() + writer.pending()).is_multiple_of(90) {
            let anchor = Anchor {
                time: live.now(),
                wall_ns: 5,
                utc_offset_s: 0,
            };
            let tally = crate::model::Tally {
                tells_creators: false,
                ..live.tally()
            };
            let carried = live.checkpoint();
            writer.checkpoint_with(&carried, &tally, anchor).unwrap();
        }
    }
    let file = writer.finish(live.now(), "done", &[]).unwrap();
    assert!(compare_moment(&file, Time(1_000)));
    assert!(!compare_moment(&file, live.now()));
    assert!(compare(&file, Time(1_000_000), live.now()));
}

#[test]
fn stacks_are_counted_and_known() {
    let mut events = synthetic(3_000, 30, 3);
    let interner = synth::with_stacks(&mut events, 20, 9);
    let mut writer = Writer::start(Vec::new(), &synth::header()).unwrap();
    for definition in synth::definitions(&interner) {
        writer.define(&definition).unwrap();
    }
    let is_due =
        |writer: &Writer<Vec<u8>>| (writer.events() + writer.pending()).is_multiple_of(700);
    let file = synth::record(writer, events, is_due).unwrap();
    assert!(compare(&file, Time(20_000_000), Time(30_000_000)));
    let part = skim(&file).unwrap().outline().part().cloned().unwrap();
    let whole = read_trace(Cursor::new(&file)).unwrap();
    let used = whole.tasks().iter().filter_map(|task| task.stack);
    assert_eq!(part.stacks, used.collect());
    let births = whole.events().iter();
    let births =
        births.filter(|event| matches!(&event.body, EventBody::Birth(it) if it.stack.is_some()));
    assert_eq!(part.totals.with_stack, births.count() as u64);
}

#[test]
fn whatever_is_wrong_makes_it_none() {
    let whole = file(&synthetic(300, 10, 5), &synth::header(), 70);
    assert!(skim(&whole).is_some());
    let behind = Segment::open(Cursor::new(&whole[..])).unwrap().behind() as usize;
    for end in behind..whole.len() {
        assert!(skim(&whole[..end]).is_none(), "cut at {end}");
    }
    for at in behind..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        assert!(skim(&damaged).is_none(), "damaged at {at}");
    }
    let more = [&whole[..], b"more"].concat();
    assert!(skim(&more).is_none());
}

/// The chunks of a file: where each begins, and its header.
fn chunks(file: &[u8]) -> Vec<(usize, ChunkHeader)> {
    let mut at = Segment::open(Cursor::new(file)).unwrap().behind() as usize;
    let mut chunks = Vec::new();
    while let Some(bytes) = file[at..].first_chunk() {
        let header = ChunkHeader::decode(bytes).unwrap();
        chunks.push((at, header));
        at += HEADER_LEN + header.stored_len as usize;
    }
    chunks
}

#[test]
fn headers_that_lie_do_no_harm() {
    let whole = file(&synthetic(400, 10, 5), &synth::header(), 90);
    let lies: [fn(&mut ChunkHeader, u64); 6] = [
        |chunk, value| chunk.first = Time(value),
        |chunk, value| chunk.last = Time(value),
        |chunk, value| chunk.number = value as u32,
        |chunk, value| chunk.stored_len = value as u32,
        |chunk, value| chunk.raw_len = value as u32,
        |chunk, value| chunk.records = value as u32,
    ];
    for (at, header) in chunks(&whole) {
        for lie in lies {
            for value in [0, 1, 5_000_000, u64::MAX / 2, u64::MAX] {
                let mut lying = header;
                lie(&mut lying, value);
                let mut file = whole.clone();
                file[at..at + HEADER_LEN].copy_from_slice(&lying.encode());
                // A chunk that is read must keep what its header says.
                for (from, to) in [(0, 3_000_000), (4_000_000, 6_000_000), (0, u64::MAX)] {
                    if let Some(skim) = skim(&file) {
                        let _ = skim.stretch(Time(from), Time(to)).unwrap();
                    }
                    if let Some(skim) = skim(&file) {
                        let _ = skim.moment(Time(to)).unwrap();
                    }
                }
            }
        }
    }
}

/// A recorder that has only symbols to write says how far it is certain that nothing happened.
#[test]
fn an_empty_chunk_may_be_of_a_time_that_is_known() {
    let mut writer = Writer::start(Vec::new(), &synth::header()).unwrap();
    let mut live = Live::default();
    for event in synthetic(400, 10, 5) {
        writer.push(&event).unwrap();
        live.follow(&event);
        if (writer.events() + writer.pending()).is_multiple_of(90) {
            writer.flush(Time(0)).unwrap();
            writer.flush(Time(event.time.0 / 2)).unwrap();
        }
        if (writer.events() + writer.pending()).is_multiple_of(150) {
            let anchor = Anchor {
                time: event.time,
                wall_ns: 5,
                utc_offset_s: 0,
            };
            let (carried, tally) = (live.checkpoint(), live.tally());
            writer.checkpoint_with(&carried, &tally, anchor).unwrap();
        }
    }
    let file = writer.finish(live.now(), "done", &[]).unwrap();
    assert!(compare(&file, Time(1_000_000), Time(9_000_000)));
}

#[test]
fn a_file_that_lacks_events_or_a_tally_is_read_as_a_whole() {
    let events = synthetic(400, 10, 5);
    let anchor = crate::model::Anchor {
        time: Time(0),
        wall_ns: 0,
        utc_offset_s: 0,
    };
    // A checkpoint that does not tell, anchors among the events, and another file that goes on.
    let with = |anchors: bool, tells: bool, reason: &str| {
        let mut writer = Writer::start(Vec::new(), &synth::header()).unwrap();
        let mut live = Live::default();
        for event in &events {
            writer.push(event).unwrap();
            live.follow(event);
        }
        let anchor = Anchor {
            time: live.now(),
            ..anchor
        };
        if anchors {
            writer.anchor(anchor).unwrap();
        }
        let (carried, tally) = (live.checkpoint(), live.tally());
        match tells {
            true => writer.checkpoint_with(&carried, &tally, anchor).unwrap(),
            false => writer.checkpoint(&carried, anchor).unwrap(),
        }
        writer.finish(live.now(), reason, &[]).unwrap()
    };
    assert!(skim(&with(false, true, "done")).is_some());
    assert!(skim(&with(true, true, "done")).is_none());
    assert!(skim(&with(false, false, "done")).is_none());
    assert!(skim(&with(false, true, GOES_ON)).is_none());
    let none = Writer::start(Vec::new(), &synth::header()).unwrap();
    assert!(skim(&synth::record(none, events, |_| false).unwrap()).is_none());
}
