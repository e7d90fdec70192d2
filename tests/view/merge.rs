//! `merge`: several recordings, of one host or of several, as one trace, and what is refused.

use std::fs;

use tidline::format::{GIVEN_UP_EARLY, Header, Writer, read_trace};
use tidline::model::{
    Anchor, Birth, Definition, DetachReason, Ended, Event, EventBody, Frame, FrameId, Function,
    StackEnd, StackId, StackNode, Symbol, SymbolSource, Task, Tid, Time, Trace, Trust, Via, What,
};

use crate::made::{at, everything, existing, exit, header, process, rename, thread};
use crate::support::{File, Folder, command, finished, link, prints, several, tidview};

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

/// The gaps: from when to when, ms, and why.
fn gaps(trace: &Trace) -> Vec<String> {
    let told = trace.events().iter().filter_map(|event| match &event.body {
        EventBody::Gap { since, detail, .. } => {
            let (since, until) = (since.0 / MS, event.time.0 / MS);
            Some(format!("{since}..{until} {detail}"))
        }
        _ => None,
    });
    told.collect()
}

/// Merges files in every order: all make the same file.
fn merged_in_any_order(files: [&str; 3]) -> Trace {
    let folder = Folder::new();
    let out = folder.path("out");
    let merged = |order: [usize; 3]| {
        let files = order.map(|index| files[index]);
        prints(&[&["merge"], &files[..], &["-o", &out, "--force"]].concat());
        fs::read(&out).unwrap()
    };
    let first = merged([0, 1, 2]);
    for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        assert_eq!(merged(order), first, "{order:?}");
    }
    read(&out)
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
        if since == "56ms" {
            // What is between them is not there, and that is said.
            assert_eq!(gaps(&merged), ["40..56 no file covers this time"]);
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

#[test]
fn where_no_thread_is_to_be_had_it_is_said_and_nothing_is_left() {
    let [first, second] = [(1, 0), (2, 50)].map(|(id, ms)| recorded(id, ms, &everything(), 95));
    let folder = Folder::new();
    let out = folder.path("out");
    let mut merge = command(&["merge", &first.path(), &second.path(), "-o", &out]);
    // No memory is large enough for a thread's stack.
    let output = merge.env("RUST_MIN_STACK", (1_u64 << 62).to_string());
    let output = output.output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    let expected = format!(
        "tidview: cannot make {out}: cannot read {}: cannot start a thread that reads: ",
        first.path()
    );
    assert!(err.starts_with(&expected), "{err}");
    assert_eq!((err.lines().count(), output.status.code()), (1, Some(2)));
    assert_eq!(fs::read_dir(folder.path("")).unwrap().count(), 0);
}

#[test]
fn the_order_of_the_files_does_not_matter() {
    let whole = File::trace(&header(), &everything(), 95 * MS);
    let whole = whole.path();
    let folder = Folder::new();
    let part = |name: &str, stretch: &[&str]| {
        let part = folder.path(name);
        prints(&[&["split", &whole], stretch, &["-o", &part]].concat());
        part
    };
    let front = part("front", &["--until", "30ms"]);
    let middle = part("middle", &["--since", "30000001ns", "--until", "50ms"]);
    let back = part("back", &["--since", "50000001ns"]);
    let merged = merged_in_any_order([&front, &middle, &back]);
    assert_eq!(merged.events(), everything());
    // With a hole.
    let late = part("late", &["--since", "56ms"]);
    let merged = merged_in_any_order([&front, &middle, &late]);
    assert_eq!(gaps(&merged), ["50..56 no file covers this time"]);
    // What one file ends with, another has only begun with.
    let shared = part("shared", &["--since", "30ms", "--until", "60ms"]);
    let rest = part("rest", &["--since", "60ms"]);
    let merged = merged_in_any_order([&front, &shared, &rest]);
    assert_eq!(merged.events(), everything());
    // Of two hosts: which begins first has its own numbers.
    let events = [existing(1, Task::new(100, 100), b"x")];
    let [one, other, third] = [("b", 0), ("a", 5), ("c", 5)]
        .map(|(host, wall)| of_host(host, (1_000, wall), &events, &[]));
    let merged = merged_in_any_order([&one.path(), &other.path(), &third.path()]);
    let hosts = merged.header().hosts().into_iter().map(|host| host.name);
    assert_eq!(hosts.collect::<Vec<_>>(), ["b", "a", "c"]);
}

#[test]
fn what_no_recording_covers_is_a_gap() {
    let recorded = |id: u128, begin: u64, end: u64| {
        let main = Task::new(id as u32 * 100, id as u32 * 100);
        recorded(id, begin, &[existing(0, main, b"main")], end - begin)
    };
    let merged = |files: [&File; 3]| {
        let files = files.map(File::path);
        gaps(&merged_in_any_order(files.each_ref().map(String::as_str)))
    };
    let (first, last) = (recorded(1, 1_000, 1_020), recorded(2, 1_050, 1_060));
    let holes = merged([&first, &recorded(3, 1_030, 1_035), &last]);
    assert_eq!(
        holes,
        [
            "20..30 no file covers this time",
            "35..50 no file covers this time"
        ]
    );
    // Some is covered by one, some by another.
    let holes = merged([&first, &recorded(3, 1_010, 1_050), &last]);
    assert_eq!(holes, Vec::<String>::new());
    // Another host's recording says nothing of this one.
    let events = [20, 70].map(|ms| existing(ms, Task::new(ms as u32, ms as u32), b"x"));
    let other = of_host("elsewhere", (1_000, 990), &events, &[]);
    assert_eq!(
        merged([&first, &other, &last]),
        ["30..60 no file of a host covers this time"]
    );
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
fn who_learns_of_things_late_makes_no_task_of_them() {
    let main = Task::new(100, 100);
    let [late, long] = [101, 102].map(|tid| Task::new(100, tid));
    let [child, grandchild] = [200, 300].map(|pid| Task::new(pid, pid));
    let exec = |ms: u64, exe: &str| {
        let body = EventBody::Exec {
            task: child,
            former_tid: child.tid,
            exe: exe.into(),
            name: b"echo".into(),
        };
        at(ms, body)
    };
    let one = [
        existing(0, main, b"main"),
        process(10, main, child),
        exec(12, "/bin/echo"),
        thread(20, main, late),
        thread(20, main, long),
        rename(21, late, b"pool"),
        rename(21, long, b"work"),
        exit(30, late, 0),
        exit(40, child, 0),
        rename(50, long, b"work"),
        exit(60, long, 0),
    ];
    // It calls the file by another name, looks for names now and then, and learns of some things when
    // they are over.
    let other = [
        existing(0, main, b"main"),
        process(10, main, child),
        exec(13, "/usr/bin/echo"),
        exec(14, "/bin/second"),
        thread(20, main, late),
        thread(20, main, long),
        process(31, late, grandchild),
        rename(31, late, b"other"),
        exit(32, late, 0),
        exit(35, grandchild, 0),
        rename(39, long, b"work"),
        exit(41, child, 0),
        exit(61, long, 0),
    ];
    let [one, other] = [recorded(1, 1_000, &one, 70), recorded(2, 1_000, &other, 70)];
    let folder = Folder::new();
    let out = folder.path("out.tid");
    prints(&["merge", &one.path(), &other.path(), "-o", &out]);
    let merged = read(&out);
    assert_eq!(
        tasks(&merged),
        [
            "100 main None 0..None Alive",
            "101 pool Some(100) 20..Some(30) Exit(Code(0))",
            "102 work Some(100) 20..Some(60) Exit(Code(0))",
            "200 echo Some(100) 10..Some(40) Exit(Code(0))",
            "300  None 31..Some(35) Exit(Code(0))",
        ]
    );
    let told = merged
        .events()
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::Exec { exe, .. } => Some(format!("{} {exe}", event.time.0 / MS)),
            EventBody::Rename { name, .. } => Some(format!("{} {name}", event.time.0 / MS)),
            _ => None,
        });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            "12 /bin/echo",
            "14 /bin/second",
            "21 pool",
            "21 work",
            "50 work"
        ]
    );
}

/// A thread that was created at this stack, and starts at frame 0.
fn created(ms: u64, parent: Task, child: Task, stack: u32) -> Event {
    let body = EventBody::Birth(Birth {
        via: Via::Clone,
        what: What::Thread,
        parent: Some(parent),
        child,
        flags: None,
        pc: None,
        inner: None,
        stack: Some(StackId(stack)),
        start: Some(FrameId(0)),
    });
    at(ms, body)
}

#[test]
fn what_functions_are_called_is_kept() {
    let main = Task::new(100, 100);
    // Recorders tell of functions behind their frames, and some at the end.
    let file = |id: u128, names: [&str; 2]| {
        let mut writer = Writer::start(Vec::new(), &recorder(id, 1_000)).unwrap();
        writer.push(&existing(0, main, b"main")).unwrap();
        for number in 0..2u32 {
            let frame = Frame {
                module: None,
                address: u64::from(number),
                trust: Trust::Cfi,
            };
            let node = StackNode {
                up: None,
                frame: FrameId(number),
                end: StackEnd::Bottom,
            };
            let symbol = Symbol {
                source: SymbolSource::DebugInfo,
                functions: vec![Function {
                    name: names[number as usize].into(),
                    file: "a.c".into(),
                    line: Some(number + 1),
                }],
            };
            for definition in [
                Definition::Frame(FrameId(number), frame),
                Definition::Stack(StackId(number), node),
            ] {
                writer.define(&definition).unwrap();
            }
            let child = Task::new(100, 100 + 10 * id as u32 + number);
            writer.push(&created(10, main, child, number)).unwrap();
            // What is behind that is written behind it.
            writer.flush(Time(10 * MS)).unwrap();
            let symbol = Definition::Symbol(FrameId(number), symbol);
            writer.define(&symbol).unwrap();
        }
        File::new("t.tid", &writer.finish(Time(20 * MS), "done", &[]).unwrap())
    };
    let (one, other) = (file(1, ["a", "b"]), file(2, ["c", "d"]));
    let folder = Folder::new();
    let out = folder.path("out.tid");
    prints(&["merge", &one.path(), &other.path(), "-o", &out]);
    let merged = read(&out);
    let stacks = merged.stacks();
    let sites = merged.tasks().iter().filter_map(|task| {
        let (_, node) = stacks.walk(task.stack?).next()?;
        let function = stacks.symbol(node.frame)?.functions.first()?;
        let (name, line) = (&function.name, function.line?);
        Some(format!("{} {name} {}:{line}", task.task.tid, function.file))
    });
    let mut sites: Vec<String> = sites.collect();
    sites.sort();
    assert_eq!(
        sites,
        ["110 a a.c:1", "111 b a.c:2", "120 c a.c:1", "121 d a.c:2"]
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
            let node = link(number);
            for definition in [
                Definition::Frame(FrameId(number), frame),
                Definition::Stack(StackId(number), node),
            ] {
                writer.define(&definition).unwrap();
            }
        }
        let birth = created(u64::from(child), main, Task::new(100, child), 1);
        writer.push(&birth).unwrap();
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

/// A recording of a host whose monotonic clock is `ms` when its wall clock is `wall` ms after the
/// header's, with events, and readings of the wall clock: when, and how far ahead of the start's it is.
fn of_host(host: &str, (ms, wall): (u64, i64), events: &[Event], anchors: &[(u64, i64)]) -> File {
    let start = header().start_wall_ns + wall * MS as i64;
    let header = Header {
        host: host.into(),
        boot_id: format!("boot of {host}"),
        trace_id: host.bytes().map(u128::from).sum(),
        start_wall_ns: start,
        ..recorder(1, ms)
    };
    let mut writer = Writer::start(Vec::new(), &header).unwrap();
    let mut anchors = anchors.iter().peekable();
    for event in events {
        while let Some((ms, ahead)) = anchors.next_if(|(ms, _)| ms * MS <= event.time.0) {
            let anchor = Anchor {
                time: Time(ms * MS),
                wall_ns: start + (*ms as i64 + ahead) * MS as i64,
                utc_offset_s: 7_200,
            };
            writer.anchor(anchor).unwrap();
        }
        writer.push(event).unwrap();
    }
    let end = events.last().map_or(Time(0), |event| event.time);
    File::new("t.tid", &writer.finish(end, "done", &[]).unwrap())
}

#[test]
fn recordings_of_several_hosts_are_one_by_their_wall_clocks() {
    let main = Task::new(100, 100);
    let lives = |name: &[u8]| {
        let exec = EventBody::Exec {
            task: Task::new(102, 102),
            former_tid: Tid(103),
            exe: b"/bin/x".into(),
            name: b"x".into(),
        };
        [
            existing(0, main, name),
            thread(10, main, Task::new(100, 101)),
            process(15, main, Task::new(102, 102)),
            at(16, exec),
            exit(20, Task::new(100, 101), 0),
        ]
    };
    // The same TIDs at the same time. One has been up for a second when the other has for an hour;
    // the other begins 5 ms later.
    let one = of_host("web-3", (1_000, 0), &lives(b"front"), &[]);
    let other = of_host("web-\u{1b}4", (3_600_000, 5), &lives(b"back"), &[]);
    let folder = Folder::new();
    let out = folder.path("out.tid");
    let said = prints(&["merge", &one.path(), &other.path(), "-o", &out]);
    assert_eq!(
        said,
        format!(
            "{out}: 12 events of 2 recordings, from +0.000000s to +0.025000s\n\
             web-3: pids and TIDs as they were there\n\
             web-\\x1b4: pids and TIDs are 10,000,000 more than there\n"
        )
    );
    let merged = read(&out);
    let told: Vec<String> = tasks(&merged);
    assert_eq!(
        told,
        [
            "100 front None 0..Some(20) Detached(RecordingEnded)",
            "10000100 back None 5..None Alive",
            "10000101 back Some(10000100) 15..Some(25) Exit(Code(0))",
            "10000102 x Some(10000100) 20..None Alive",
            "101 front Some(100) 10..Some(20) Exit(Code(0))",
            "102 x Some(100) 15..Some(20) Detached(RecordingEnded)",
        ]
    );
    let header = merged.header();
    let named: Vec<(String, String)> = header
        .hosts()
        .into_iter()
        .map(|host| (host.name, host.boot_id))
        .collect();
    let expected = ["web-3", "web-\u{1b}4"].map(|it| (it.to_string(), format!("boot of {it}")));
    assert_eq!(named, expected);
    assert_eq!(header.host, "web-3, web-\u{1b}4");
    assert_eq!(
        (header.boot_id.as_str(), header.start_monotonic_ns),
        ("", 0)
    );
    let pids: Vec<u32> = header.targets.iter().map(|target| target.pid).collect();
    assert_eq!(pids, [100, 10_000_100]);
    // The wall times are those of the recordings.
    let wall = |file: &str, tid: &str| {
        let ends = ["--format", "ndjson", "--kind", "exit", "--tid", tid];
        let lines = tidview(&[&["timeline", file], &ends[..]].concat()).out;
        let event: serde_json::Value = serde_json::from_str(lines.lines().next().unwrap()).unwrap();
        event["wall"].clone()
    };
    assert_eq!(wall(&out, "10000101"), wall(&other.path(), "101"));
    assert_eq!(wall(&out, "101"), wall(&one.path(), "101"));
    // Every view says what the numbers are, and how sure the order is.
    for view in ["info", "timeline", "tree", "threads", "stats"] {
        let shown = prints(&[view, &out]);
        assert!(
            shown.starts_with(
                "! merged from 2 hosts, each with its own numbers: web-3 from 0 on, web-\\x1b4 from \
                 10,000,000 on; what came first of two hosts is as sure as their wall clocks"
            ),
            "{shown}"
        );
    }
    // One host alone.
    let listed = |more: &[&str]| {
        let all = [&["threads", &out, "--all", "--format", "json"], more].concat();
        let tasks: serde_json::Value = serde_json::from_str(&tidview(&all).out).unwrap();
        let tasks = tasks.as_array().unwrap().iter();
        tasks
            .map(|task| task["tid"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(listed(&["--host", "web-3"]), [100, 101, 102]);
    let second = [10_000_100, 10_000_101, 10_000_102];
    assert_eq!(listed(&["--host", "*4"]), second);
    assert_eq!(listed(&["--where", "host != 'web-3'"]), second);
    assert_eq!(listed(&["--host", "*4", "--host", "web-3"]).len(), 6);
    let none = tidview(&["timeline", &out, "--format", "ndjson", "--host", "db"]);
    let (out_of_none, said) = (none.out.as_str(), none.err.as_str());
    assert_eq!(out_of_none, "");
    assert!(
        said.contains("--host: no such host is in this recording; there is web-3, web-\\x1b4\n"),
        "{said}"
    );
    assert_eq!(tidview(&["check", &out]).code, Some(0));
    // Merged once more, with another file of a host that is in it, a host stays itself.
    let third = of_host(
        "web-\u{1b}4",
        (3_600_100, 105),
        &[existing(0, Task::new(7, 7), b"late")],
        &[],
    );
    let again = folder.path("again.tid");
    prints(&["merge", &out, &third.path(), "-o", &again]);
    let again = read(&again);
    assert_eq!(again.header().hosts(), header.hosts());
    assert!(tasks(&again).contains(&"10000007 late None 105..None Alive".to_string()));
    assert!(tasks(&again).contains(&told[0]));
}

#[test]
fn a_clock_that_was_set_is_honoured_and_told() {
    let main = Task::new(100, 100);
    let events = [
        existing(0, main, b"main"),
        thread(10, main, Task::new(100, 101)),
        thread(50, main, Task::new(100, 102)),
    ];
    // Set back by 2 s between 10 and 40 ms; forward by 3 s in another run.
    let steady = of_host("a", (1_000, -5_000), &[existing(0, main, b"x")], &[]);
    let back = of_host("b", (1_000, 0), &events, &[(40, -2_000)]);
    let forward = of_host("c", (1_000, 0), &events, &[(40, 3_000)]);
    let folder = Folder::new();
    let out = folder.path("out.tid");
    let files = [&steady, &back, &forward].map(File::path);
    let said = prints(&["merge", &files[0], &files[1], &files[2], "-o", &out]);
    assert!(
        said.ends_with(
            "b: pids and TIDs are 10,000,000 more than there; its clock was set, or it slept: what \
             it said differs by 2.00 s\n\
             c: pids and TIDs are 20,000,000 more than there; its clock was set, or it slept: what \
             it said differs by 3.00 s\n"
        ),
        "{said}"
    );
    let merged = read(&out);
    let born = |tid: u32| {
        let task = merged.tasks().iter().find(|it| it.task.tid.0 == tid);
        task.unwrap().born.0 / MS
    };
    // What was before the clock was set back was as much earlier; what was before it was set forward,
    // or slept, is where it was.
    assert_eq!([10_000_101, 10_000_102].map(born), [3_010, 3_050]);
    assert_eq!([20_000_101, 20_000_102].map(born), [5_010, 8_050]);
}

#[test]
fn containers_of_one_boot_share_its_clock_and_not_their_pids() {
    let events = [existing(5, Task::new(1, 1), b"init")];
    let file = |host: &str, wall: i64| {
        let header = Header {
            host: host.into(),
            trace_id: wall as u128,
            ..recorder(1, 1_000)
        };
        // Whatever the wall clocks say.
        let start_wall_ns = header.start_wall_ns + wall * MS as i64;
        let header = Header {
            start_wall_ns,
            ..header
        };
        File::new("t.tid", &finished(&header, &events, 10 * MS, &[]))
    };
    let folder = Folder::new();
    let out = folder.path("out.tid");
    prints(&[
        "merge",
        &file("c1", 0).path(),
        &file("c2", 700).path(),
        "-o",
        &out,
    ]);
    let merged = read(&out);
    assert_eq!(
        tasks(&merged),
        [
            "1 init None 5..Some(10) Detached(RecordingEnded)",
            "10000001 init None 5..None Alive"
        ]
    );
    assert_eq!(merged.header().boot_id, "b007");
    let shown = prints(&["info", &out]);
    assert!(!shown.contains("wall clocks"), "{shown}");
}

#[test]
fn hosts_are_scrubbed_too() {
    let events = [existing(0, Task::new(100, 100), b"main")];
    let [one, other] = [("secret-a", 0), ("secret-b", 5)]
        .map(|(host, wall)| of_host(host, (1_000, wall), &events, &[]));
    let folder = Folder::new();
    let [out, scrubbed] = ["out.tid", "scrubbed.tid"].map(|it| folder.path(it));
    prints(&["merge", &one.path(), &other.path(), "-o", &out]);
    prints(&["scrub", &out, "-o", &scrubbed, "--key", "a key of tests"]);
    let bytes = fs::read(&scrubbed).unwrap();
    assert!(!bytes.windows(6).any(|window| window == b"secret"));
    let hosts = read(&scrubbed).header().hosts();
    assert_eq!(hosts.len(), 2);
    // The same words as those of each alone.
    let alone = folder.path("alone.tid");
    prints(&[
        "scrub",
        &other.path(),
        "-o",
        &alone,
        "--key",
        "a key of tests",
    ]);
    let alone = read(&alone);
    assert_eq!(
        (hosts[1].name.as_str(), hosts[1].boot_id.as_str()),
        (
            alone.header().host.as_str(),
            alone.header().boot_id.as_str()
        )
    );
}

#[test]
fn what_cannot_be_kept_apart_is_refused() {
    let events = [existing(0, Task::new(100, 100), b"main")];
    let one = of_host("a", (1_000, 0), &events, &[]);
    let large = of_host(
        "b",
        (1_000, 0),
        &[existing(0, Task::new(100, 10_000_000), b"x")],
        &[],
    );
    let folder = Folder::new();
    let out = folder.path("out.tid");
    let refused = |other: &str| {
        let run = tidview(&["merge", &one.path(), other, "-o", &out]);
        assert_eq!((run.out.as_str(), run.code), ("", Some(2)));
        assert!(!std::path::Path::new(&out).exists());
        run.err
    };
    let name = large.path();
    assert_eq!(
        refused(&name),
        format!(
            "tidview: {name} has a TID that Linux gives nobody (10000000): its tasks cannot be kept \
             apart from another host's\n"
        )
    );
    let nameless = |id: u128| {
        let header = Header {
            boot_id: String::new(),
            host: "web-\u{1b}4".into(),
            ..recorder(id, 1_000)
        };
        File::new("t.tid", &finished(&header, &events, MS, &[]))
    };
    assert_eq!(
        refused(&nameless(2).path()),
        "tidview: a recording of web-\\x1b4 does not say which boot of the host it is of: it cannot be \
         merged with others\n"
    );
    let [nameless, same] = [nameless(2), nameless(2)];
    let run = tidview(&["merge", &nameless.path(), &same.path(), "-o", &out]);
    assert_eq!(
        run.code,
        Some(0),
        "files of one recording need no boot: {}",
        run.err
    );
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_each_recorder_was_told_is_told() {
    let folder = Folder::new();
    let recorded = |id: u128, backend: &str, options: &[(&str, &str)]| {
        let options = options.iter();
        let options = options.map(|(name, value)| (name.to_string(), value.to_string()));
        let header = Header {
            backend: backend.into(),
            options: options.collect(),
            launched: id == 1,
            ..recorder(id, 1_000)
        };
        let events = [existing(0, Task::new(100, 100), b"x")];
        folder.put(
            &format!("{id}.tid"),
            &finished(&header, &events, 10 * MS, &[]),
        )
    };
    let one = [
        ("failures", "syscalls"),
        ("follow-fork", "both"),
        ("trigger", "a"),
        ("trigger", "b"),
        ("part", "yes"),
        ("no-args", "yes"),
    ];
    let other = [
        ("failures", "tracepoints"),
        ("follow-fork", "both"),
        ("trigger", "a"),
        ("trigger", "b"),
        ("ring-kb", "4096"),
    ];
    let (one, other) = (recorded(1, "ptrace", &one), recorded(2, "perf", &other));
    let [out, again] = ["out", "again"].map(|it| folder.path(it));
    prints(&["merge", &one, &other, "-o", &out]);
    let expected = [
        ("failures", "syscalls and tracepoints"),
        ("follow-fork", "both"),
        ("trigger", "a"),
        ("trigger", "b"),
        ("no-args", "yes and not given"),
        ("ring-kb", "not given and 4096"),
        ("merged", "2"),
    ];
    let expected = expected.map(|(name, value)| (name.to_string(), value.to_string()));
    let header = read(&out).header().clone();
    assert_eq!(header.options, expected);
    assert_eq!(
        (header.backend.as_str(), header.launched),
        ("perf and ptrace", false)
    );
    let shown = on_one_line(&prints(&["info", &out]));
    assert!(
        shown.contains("in some of the recordings of command lines only the program was recorded"),
        "{shown}"
    );
    assert!(!shown.contains("refused creations were not"), "{shown}");
    // With one that did not look for refused creations; and a merged file's values are each their own.
    let off = recorded(3, "ptrace", &[("failures", "off")]);
    prints(&["merge", &out, &off, "-o", &again]);
    let header = read(&again).header().clone();
    assert_eq!(
        header.option("failures"),
        Some("syscalls and tracepoints and off")
    );
    assert_eq!(
        (header.backend.as_str(), header.option("merged")),
        ("perf and ptrace", Some("2"))
    );
    let shown = on_one_line(&prints(&["info", &again]));
    assert!(
        shown.contains("in some of the recordings refused creations were not watched for"),
        "{shown}"
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
    assert_eq!(gaps(&merged).len(), 1);
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
