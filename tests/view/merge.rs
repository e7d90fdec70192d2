//! `merge`: several recordings of one host as one trace, and what is refused.

use std::fs;

use tidline::format::{GIVEN_UP_EARLY, Header, Writer, read_trace};
use tidline::model::{
    Birth, Definition, DetachReason, Ended, Event, EventBody, Frame, FrameId, StackEnd, StackId,
    StackNode, Task, Time, Trace, Trust, Via, What,
};

use crate::made::{at, everything, existing, exit, header, process, rename, thread};
use crate::support::{File, Folder, finished, prints, several, tidview};

const MS: u64 = 1_000_000;

fn read(path: &str) -> Trace {
    read_trace(fs::File::open(path).unwrap()).unwrap()
}

/// A recorder's header: begun so many milliseconds after the boot.
fn recorder(id: u128, ms: u64) -> Header {
    let header = header();
    Header {
        trace_id: id,
        boot_id: "b007".into(),
        start_monotonic_ns: ms * MS,
        start_wall_ns: header.start_wall_ns + (ms * MS) as i64,
        ..header
    }
}

fn recorded(id: u128, ms: u64, events: &[Event], end: u64) -> File {
    File::new(
        "t.tid",
        &finished(&recorder(id, ms), events, end * MS, &[("stops", 3)]),
    )
}

fn tasks(trace: &Trace) -> Vec<String> {
    let told = trace.tasks().iter().map(|task| {
        let parent = task.parent.map(|parent| trace.task(parent).task.tid.0);
        format!(
            "{} {} {:?} {}..{:?} {:?}",
            task.task.tid,
            task.name(),
            parent,
            task.born.0 / MS,
            task.ended.map(|ended| ended.0 / MS),
            task.how
        )
    });
    let mut told: Vec<String> = told.collect();
    told.sort();
    told
}

#[test]
fn what_was_split_is_whole_again() {
    let folder = Folder::of(&several(&header(), &everything(), 5, 0), &[0, 1, 2, 3, 4]);
    let (to, dir) = (Folder::new(), folder.path(""));
    let [front, back, out] = ["front", "back", "out"].map(|name| to.path(name));
    for (until, since, gone) in [
        ("40ms", "40000001ns", 0),
        ("60ms", "30ms", 10),
        ("40ms", "56ms", 0),
    ] {
        prints(&["split", &dir, "--until", until, "-o", &front, "--force"]);
        prints(&["split", &dir, "--since", since, "-o", &back, "--force"]);
        let said = prints(&["merge", &back, &front, "-o", &out, "--force"]);
        let merged = read(&out);
        let holes: Vec<&Event> = merged
            .events()
            .iter()
            .filter(|event| matches!(event.body, EventBody::Gap { .. }))
            .collect();
        if since == "56ms" {
            // What is between them is not there, and that is said.
            let EventBody::Gap { since, .. } = &holes[0].body else {
                unreachable!()
            };
            assert_eq!((since.0, holes.len()), (40 * MS, 1));
            continue;
        }
        assert_eq!(merged.events(), everything(), "{since}: {said}");
        assert_eq!(tasks(&merged), tasks(&read_all(&everything())));
        assert_eq!(
            said.contains(&format!("; {gone} events told twice")),
            gone > 0,
            "{said}"
        );
        assert_eq!(merged.header().trace_id, header().trace_id);
        assert_eq!(merged.header().option("merged"), Some("2"));
    }
}

fn read_all(events: &[Event]) -> Trace {
    let file = File::trace(&header(), events, 95 * MS);
    read(&file.path())
}

#[test]
fn two_recorders_of_one_boot_are_one_trace() {
    let (server, client) = (Task::new(100, 100), Task::new(500, 500));
    let one = [
        existing(0, server, b"server"),
        thread(10, server, Task::new(100, 101)),
        rename(11, Task::new(100, 101), b"pool"),
        exit(30, Task::new(100, 101), 0),
    ];
    // Begun 5 ms later.
    let other = [
        existing(0, client, b"client"),
        process(10, client, Task::new(501, 501)),
        exit(40, Task::new(501, 501), 0),
    ];
    let [one, other] = [recorded(1, 1_000, &one, 35), recorded(2, 1_005, &other, 60)];
    let folder = Folder::new();
    let out = folder.path("out.tid");
    let said = prints(&["merge", &other.path(), &one.path(), "-o", &out]);
    let expected = format!("{out}: 8 events of 2 recordings, from +0.000000s to +0.065000s\n");
    assert_eq!(said, expected);
    let merged = read(&out);
    assert_eq!(
        tasks(&merged),
        [
            "100 server None 0..Some(35) Detached(RecordingEnded)",
            "101 pool Some(100) 10..Some(30) Exit(Code(0))",
            "500 client None 5..None Alive",
            "501 client Some(500) 15..Some(45) Exit(Code(0))",
        ]
    );
    assert_eq!(merged.header().start_monotonic_ns, 1_000 * MS);
    assert!(merged.is_complete());
    assert_eq!(merged.counters(), []);
    let walls: Vec<(u64, i64)> = merged
        .anchors()
        .iter()
        .map(|anchor| (anchor.time.0 / MS, anchor.wall_ns - header().start_wall_ns))
        .collect();
    assert_eq!(walls, [(0, 1_000_000_000), (5, 1_005_000_000)]);
    let timeline = prints(&["timeline", &out]);
    assert!(timeline.contains("its recording ended"), "{timeline}");
    // Merged again with a third, it is one recording.
    assert_eq!(tidview(&["check", &out]).code, Some(0));
}

#[test]
fn what_two_recorders_tell_of_one_task_is_taken_once() {
    let (main, child) = (Task::new(100, 100), Task::new(100, 101));
    let one = [
        existing(0, main, b"main"),
        thread(10, main, child),
        exit(20, child, 0),
        at(25, EventBody::Mark { text: b"x".into() }),
        thread(50, main, child),
    ];
    // The same, each a little later; and the TID once more, which is another task.
    let other = [
        existing(0, main, b"main"),
        thread(11, main, child),
        exit(21, child, 0),
        at(25, EventBody::Mark { text: b"x".into() }),
        thread(70, main, child),
    ];
    let [one, other] = [recorded(1, 1_000, &one, 60), recorded(2, 1_000, &other, 80)];
    let folder = Folder::new();
    let out = folder.path("out.tid");
    let said = prints(&["merge", &one.path(), &other.path(), "-o", &out]);
    assert!(said.contains("; 3 events told twice"), "{said}");
    assert_eq!(
        tasks(&read(&out)),
        [
            "100 main None 0..None Alive",
            "101 main Some(100) 10..Some(20) Exit(Code(0))",
            // The first recording left it, and the second met its TID again.
            "101 main Some(100) 50..Some(60) Detached(RecordingEnded)",
            "101 main Some(100) 70..None Alive",
        ]
    );
}

#[test]
fn each_recording_s_stacks_stay_its_own() {
    let main = Task::new(100, 100);
    let file = |id: u128, address: u64, child: u32| {
        let mut writer = Writer::start(Vec::new(), &recorder(id, 1_000)).unwrap();
        writer.push(&existing(0, main, b"main")).unwrap();
        for number in 0..2u32 {
            let frame = Frame {
                module: None,
                address: address + u64::from(number),
                trust: Trust::Cfi,
            };
            let node = StackNode {
                up: number.checked_sub(1).map(StackId),
                frame: FrameId(number),
                end: StackEnd::Bottom,
            };
            for definition in [
                Definition::Frame(FrameId(number), frame),
                Definition::Stack(StackId(number), node),
            ] {
                writer.define(&definition).unwrap();
            }
        }
        let body = EventBody::Birth(Birth {
            via: Via::Clone,
            what: What::Thread,
            parent: Some(main),
            child: Task::new(100, child),
            flags: None,
            pc: None,
            inner: None,
            stack: Some(StackId(1)),
            start: Some(FrameId(0)),
        });
        writer.push(&at(u64::from(child), body)).unwrap();
        File::new(
            "t.tid",
            &writer.finish(Time(900 * MS), "done", &[]).unwrap(),
        )
    };
    let [one, other] = [file(1, 0x10, 101), file(2, 0x20, 102)];
    let folder = Folder::new();
    let out = folder.path("out.tid");
    prints(&["merge", &one.path(), &other.path(), "-o", &out]);
    let merged = read(&out);
    let stacks = merged.stacks();
    let addresses = |tid: u32| {
        let task = merged
            .tasks()
            .iter()
            .find(|task| task.task.tid.0 == tid)
            .unwrap();
        let frames = stacks.walk(task.stack.unwrap()).map(|(_, node)| node.frame);
        let frames = frames.chain(task.start);
        frames
            .map(|id| stacks.frame(id).unwrap().address)
            .collect::<Vec<_>>()
    };
    assert_eq!(addresses(101), [0x11, 0x10, 0x10]);
    assert_eq!(addresses(102), [0x21, 0x20, 0x20]);
}

#[test]
fn what_has_no_clock_in_common_is_refused() {
    let events = [existing(0, Task::new(100, 100), b"main")];
    let file = |change: fn(&mut Header)| {
        let mut header = recorder(1, 1_000);
        change(&mut header);
        File::new("t.tid", &finished(&header, &events, MS, &[]))
    };
    let one = file(|_| {});
    let folder = Folder::new();
    let out = folder.path("out.tid");
    let refused = |other: &File| {
        let run = tidview(&["merge", &one.path(), &other.path(), "-o", &out]);
        assert_eq!((run.out.as_str(), run.code), ("", Some(2)));
        assert!(!std::path::Path::new(&out).exists());
        run.err
    };
    assert_eq!(
        refused(&file(|header| header.host = "web-\u{1b}4".into())),
        "tidview: these are recordings of 2 hosts (web-\\x1b4, web-3): their clocks and pids do not \
         compare; export each with --to parquet and ask them together\n"
    );
    assert_eq!(
        refused(&file(|header| header.boot_id = "other".into())),
        "tidview: these are recordings of 2 boots of one host: their clocks do not compare, and \
         their pids are others'; export each with --to parquet and ask them together\n"
    );
    let nameless = file(|header| {
        header.boot_id.clear();
        header.trace_id = 2;
    });
    let run = tidview(&["merge", &nameless.path(), &nameless.path(), "-o", &out]);
    assert_eq!(
        run.code,
        Some(0),
        "files of one recording need no boot: {}",
        run.err
    );
}

#[test]
fn what_is_missing_from_one_is_missing_from_the_whole() {
    let events = everything();
    let (mut bytes, ends) = crate::support::chunks(&recorder(1, 1_000), &events);
    bytes[ends[4] + 50] ^= 1;
    let folder = Folder::new();
    let damaged = folder.put("damaged.tid", &bytes);
    let whole = recorded(2, 1_000, &[existing(0, Task::new(900, 900), b"x")], 200);
    let out = folder.path("out");
    let run = tidview(&["merge", &damaged, &whole.path(), "-o", &out]);
    assert_eq!(run.code, Some(1));
    assert_eq!(
        run.err,
        format!(
            "tidview: {damaged} was cut short, or is still being recorded\ntidview: {damaged}: 1 part \
             of file 0 cannot be read; `tidview check` says which\n"
        )
    );
    let merged = read(&out);
    let gaps = merged.events().iter();
    let gaps = gaps.filter(|event| matches!(event.body, EventBody::Gap { .. }));
    assert_eq!(gaps.count(), 1);
    let let_go = merged.tasks().iter();
    let let_go = let_go.filter(|task| task.how == Ended::Detached(DetachReason::RecordingEnded));
    assert_eq!(let_go.count(), 3);
}

#[test]
fn what_a_full_disk_made_a_recorder_give_up_is_told_of_the_whole() {
    let folder = Folder::new();
    let recorded = |id: u128, tid: u32, counters: &[(&str, u64)]| {
        let events = [existing(0, Task::new(tid, tid), b"x")];
        let bytes = finished(&recorder(id, 1_000), &events, 10 * MS, counters);
        folder.put(&format!("{tid}.tid"), &bytes)
    };
    // Two files of one recording count the same files.
    let files = [
        recorded(1, 100, &[(GIVEN_UP_EARLY, 2), ("stops", 7)]),
        recorded(1, 200, &[(GIVEN_UP_EARLY, 3)]),
        recorded(2, 300, &[(GIVEN_UP_EARLY, 4)]),
        recorded(3, 400, &[("stops", 7)]),
    ];
    let out = folder.path("out");
    let files = files.each_ref().map(String::as_str);
    let [_, second, third, fourth] = files;
    prints(&[&["merge"], &files[..], &["-o", &out]].concat());
    assert_eq!(read(&out).counters(), [(GIVEN_UP_EARLY.to_string(), 7)]);
    prints(&["merge", fourth, third, "-o", &out, "--force"]);
    assert_eq!(read(&out).counters(), [(GIVEN_UP_EARLY.to_string(), 4)]);
    let again = folder.path("again");
    prints(&["split", second, "--until", "5ms", "-o", &again]);
    assert_eq!(read(&again).counters(), [(GIVEN_UP_EARLY.to_string(), 3)]);
}
