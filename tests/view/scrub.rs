//! `scrub`: nothing that was said is left, and all that is alike still is. `split`: a part that is
//! whole by itself.

use std::fs;

use tidline::format::{GIVEN_UP_EARLY, Header, Target, Writer, read_trace};
use tidline::model::{
    Anchor, Birth, Carried, Definition, Event, EventBody, Frame, FrameId, Function, GapReason,
    Module, ModuleId, Origin, Pid, StackEnd, StackId, StackNode, Symbol, SymbolSource, Task, Tid,
    Time, Trace, Trust, Via, What,
};

use crate::made::{at, everything, existing, exit, header, rename};
use crate::support::{File, Folder, link, prints, several, tidview};

/// All words that anybody but tidline chose, each unlike any other.
const WORDS: [(&str, &[&str]); 8] = [
    ("arguments", &["argone", "argtwo", "70817"]),
    (
        "paths",
        &["execdir", "execfile", "moddir", "modfile", "olddir"],
    ),
    ("files", &["srcdir", "srcfile", "jitdir", "jitfile"]),
    (
        "names",
        &[
            "namefirst",
            "nameexec",
            "namelater",
            "namecarried",
            "namecreator",
        ],
    ),
    ("host", &["hostword", "bootword", "c0ffee"]),
    ("marks", &["markword", "90127"]),
    (
        "details",
        &[
            "gapword",
            "lostword",
            "patternword",
            "endword",
            "optionword",
            "cgroupword",
        ],
    ),
    ("functions", &["funcone", "functwo", "funcjit"]),
];

fn secret() -> File {
    let header = Header {
        host: "hostword-9".into(),
        boot_id: "bootword".into(),
        trace_id: 0xc0ffee,
        targets: vec![Target {
            pid: 100,
            command: vec![b"/argone/x".to_vec(), b"--argtwo=70817".to_vec()],
        }],
        options: vec![
            ("new-threads".into(), "follow".into()),
            ("include".into(), "patternword*".into()),
            ("optionword".into(), "yes".into()),
            ("cgroup".into(), "/a/cgroupword".into()),
            ("ring-kb".into(), "512".into()),
            (GIVEN_UP_EARLY.into(), "3".into()),
            ("symbolized".into(), "yes".into()),
        ],
        ..header()
    };
    let main = Task::new(100, 100);
    let mut writer = Writer::start(Vec::new(), &header).unwrap();
    let carried = Carried {
        task: main,
        inner: None,
        origin: Origin::Existing,
        stack: None,
        start: None,
        parent: None,
        creator_name: None,
        born: Time(0),
        name: b"namecarried-3".into(),
        exe: Some(b"/olddir/x".into()),
        ended: None,
    };
    let anchor = Anchor {
        time: Time(0),
        wall_ns: header.start_wall_ns,
        utc_offset_s: 7_200,
    };
    let child = Carried {
        task: Task::new(100, 109),
        origin: Origin::Birth,
        parent: Some(0),
        creator_name: Some(b"namecreator-4".into()),
        exe: None,
        ..carried.clone()
    };
    writer.checkpoint(&[carried, child], anchor).unwrap();
    let function = |name: &str| Function {
        name: name.into(),
        file: "/srcdir/srcfile.rs".into(),
        line: Some(7),
    };
    for definition in [
        Definition::Module(
            ModuleId(0),
            Module {
                path: b"/moddir/modfile.so".into(),
                build_id: [0xbb; 20].into(),
                seen: (Pid(100), 0x1000, 0x2000),
            },
        ),
        Definition::Frame(
            FrameId(0),
            Frame {
                module: Some(ModuleId(0)),
                address: 0x10,
                trust: Trust::Register,
            },
        ),
        Definition::Symbol(
            FrameId(0),
            Symbol {
                source: SymbolSource::DebugInfo,
                functions: vec![function("funcone"), function("functwo")],
            },
        ),
        Definition::Frame(
            FrameId(1),
            Frame {
                module: None,
                address: 0x20,
                trust: Trust::Register,
            },
        ),
        Definition::Symbol(
            FrameId(1),
            Symbol {
                source: SymbolSource::JitMap,
                functions: vec![Function {
                    name: "JS:~funcjit /jitdir/jitfile.js:2:21".into(),
                    file: "".into(),
                    line: None,
                }],
            },
        ),
        Definition::Stack(
            StackId(0),
            StackNode {
                up: None,
                frame: FrameId(0),
                end: StackEnd::Bottom,
            },
        ),
    ] {
        writer.define(&definition).unwrap();
    }
    let worker = |number: u32| Task::new(100, 110 + number);
    let birth = |number: u32| {
        EventBody::Birth(Birth {
            via: Via::Clone,
            what: What::Thread,
            parent: Some(main),
            child: worker(number),
            flags: None,
            pc: None,
            inner: None,
            stack: Some(StackId(0)),
            start: Some(FrameId(1)),
        })
    };
    let mut events: Vec<Event> = Vec::new();
    for number in 0..4 {
        events.push(at(10, birth(number)));
        let name = format!("namelater-{number}");
        events.push(rename(10, worker(number), name.as_bytes()));
    }
    events.extend([
        rename(11, main, b"namefirst"),
        at(
            20,
            EventBody::Exec {
                task: main,
                former_tid: Tid(100),
                exe: b"/execdir/execfile".into(),
                name: b"nameexec".into(),
            },
        ),
        at(
            30,
            EventBody::Mark {
                text: b"markword 90127".into(),
            },
        ),
        at(
            31,
            EventBody::Gap {
                reason: GapReason::TraceeLost,
                count: 1,
                since: Time(5),
                detail: b"gapword".into(),
            },
        ),
        at(
            32,
            EventBody::Lost {
                count: 1,
                since: Time(5),
                reason: b"lostword".into(),
            },
        ),
        exit(40, main, 0),
    ]);
    for event in &events {
        writer.push(event).unwrap();
    }
    let bytes = writer.finish(Time(50_000_000), "endword", &[("stops", 7)]);
    File::new("t.tid", &bytes.unwrap())
}

fn read(path: &str) -> Trace {
    read_trace(fs::File::open(path).unwrap()).unwrap()
}

/// All that a file holds, as text.
fn all(path: &str) -> String {
    let trace = format!("{:?}", read(path));
    let id = format!(" {:x}", read(path).header().trace_id);
    trace + &id + &String::from_utf8_lossy(&fs::read(path).unwrap())
}

#[test]
fn nothing_is_left_but_what_is_to_be_kept() {
    let (file, folder) = (secret(), Folder::new());
    let before = all(&file.path());
    for (_, words) in WORDS {
        for word in words {
            assert!(before.contains(word), "{word} is not there to be scrubbed");
        }
    }
    let out = folder.path("out.tid");
    let scrub = |more: &[&str]| {
        let args = [
            "scrub",
            &file.path(),
            "-o",
            &out,
            "--force",
            "--key",
            "a key of tests",
        ];
        let run = tidview(&[&args, more].concat());
        assert_eq!((run.err.as_str(), run.code), ("", Some(0)), "{more:?}");
        all(&out)
    };
    for kept in [
        "",
        "arguments",
        "paths",
        "files",
        "names",
        "host",
        "marks",
        "details",
    ] {
        let keep = format!("--keep={kept}");
        let more = match kept {
            "" => vec!["--also", "functions"],
            _ => vec!["--also", "functions", &keep],
        };
        let after = scrub(&more);
        for (what, words) in WORDS {
            for word in words {
                assert_eq!(after.contains(word), what == kept, "{word}, {kept} is kept");
            }
        }
        assert_eq!(after.contains("[187, 187,"), kept == "host", "the build-id");
    }
    // Functions are of use to whoever is to find a leak.
    assert!(scrub(&[]).contains("funcone"));
}

/// Threads that a program, or an interpreter for it, makes: in each module's code that has no name, but
/// for libc's.
fn of_runtime(modules: [&str; 3]) -> File {
    let main = Task::new(100, 100);
    let mut writer = Writer::start(Vec::new(), &header()).unwrap();
    for (number, path) in (0..).zip(modules) {
        let module = Module {
            path: path.into(),
            build_id: Box::default(),
            seen: (Pid(100), 0x1000 * u64::from(number + 1), 0x1000),
        };
        let frame = Frame {
            module: Some(ModuleId(number)),
            address: 0x10 + u64::from(number),
            trust: Trust::Cfi,
        };
        // The program calls what calls libc: the last frame is the innermost.
        let node = link(number);
        for definition in [
            Definition::Module(ModuleId(number), module),
            Definition::Frame(FrameId(number), frame),
            Definition::Stack(StackId(number), node),
        ] {
            writer.define(&definition).unwrap();
        }
    }
    writer.push(&existing(0, main, b"7")).unwrap();
    let birth = EventBody::Birth(Birth {
        via: Via::Clone,
        what: What::Thread,
        parent: Some(main),
        child: Task::new(100, 101),
        flags: None,
        pc: None,
        inner: None,
        stack: Some(StackId(2)),
        start: None,
    });
    writer.push(&at(1, birth)).unwrap();
    let bytes = writer.finish(Time(9_000_000), "the target ended", &[]);
    File::new("t.tid", &bytes.unwrap())
}

#[test]
fn sites_of_a_scrubbed_file_are_those_of_the_file() {
    let libc = "/usr/lib/x86_64-linux-gnu/libc.so.6";
    let (node, python) = ("/usr/bin/node", "/usr/bin/python3.11");
    for (modules, site, notes) in [
        (["/bin/ours", "/j/lib/libjvm.so", libc], "ours+0x10", 0),
        (["/bin/ours", python, libc], "ours+0x10", 0),
        ([python, python, libc], "python3.11+0x11", 1),
        ([node, "/x/libuv.so.1.0.0", libc], "libuv.so.1.0.0+0x11", 0),
    ] {
        let (file, folder) = (of_runtime(modules), Folder::new());
        let out = folder.path("out.tid");
        let sites = |path: &str| {
            let printed = prints(&["sites", path]);
            let notes = printed.matches("the interpreter's own native code").count();
            let shown = printed.lines().nth(1).unwrap_or_default().to_owned();
            let words = shown.split_whitespace().map(String::from);
            (words.collect::<Vec<_>>(), notes)
        };
        let (was, said) = sites(&file.path());
        assert_eq!((was[6].as_str(), said), (site, notes));
        prints(&["scrub", &file.path(), "-o", &out, "--key", "a key of tests"]);
        let (is, said) = sites(&out);
        let (name, offset) = is[6].split_once('+').unwrap();
        let word = |name: &str| name.len() == 9 && name.starts_with('n');
        match site.strip_prefix("ours+") {
            Some(expected) => assert!(offset == expected && word(name), "{}", is[6]),
            None => assert_eq!(is[6], site),
        }
        assert_eq!(said, notes, "{site}");
    }
}

#[test]
fn all_but_text_stays_and_alike_names_stay_alike() {
    let (file, folder) = (secret(), Folder::new());
    let out = folder.path("out.tid");
    let run = tidview(&["scrub", &file.path(), "-o", &out]);
    assert_eq!((run.err.as_str(), run.code), ("", Some(0)));
    let (was, is) = (read(&file.path()), read(&out));
    let told = |trace: &Trace| {
        let events = trace.events().iter();
        let events = events.map(|event| format!("{} {:?}", event.time.0, event.body.task()));
        events.collect::<Vec<_>>()
    };
    assert_eq!(told(&was), told(&is));
    assert_eq!((was.begin(), was.end()), (is.begin(), is.end()));
    assert_eq!(was.counters(), is.counters());
    assert_eq!(was.anchors(), is.anchors());
    for name in ["new-threads", "ring-kb", GIVEN_UP_EARLY, "symbolized"] {
        let (was, is) = (was.header().option(name), is.header().option(name));
        assert!(was.is_some() && was == is, "{name}: {is:?}");
    }
    let cgroup = is.header().option("cgroup").unwrap();
    assert!(!cgroup.contains('/'), "{cgroup}");
    assert_eq!(is.header().option("scrubbed"), Some("yes"));
    let tree = prints(&["tree", &out]);
    assert!(tree.contains("-# x 4"), "{tree}");
}

#[test]
fn the_same_key_gives_the_same_file_and_a_random_one_is_told() {
    let (file, folder) = (secret(), Folder::new());
    let scrub = |name: &str, key: &[&str]| {
        let out = folder.path(name);
        let args = ["scrub", &file.path(), "-o", &out];
        let said = prints(&[&args, key].concat());
        (fs::read(&out).unwrap(), said)
    };
    let (one, said) = scrub("a", &["--key", "a key of tests"]);
    assert!(!said.contains("--key"), "{said}");
    assert_eq!(one, scrub("b", &["--key", "a key of tests"]).0);
    assert_ne!(one, scrub("c", &["--key", "a key of others"]).0);
    let (random, said) = scrub("d", &[]);
    let key = said
        .split("--key ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    assert_eq!(key.len(), 32);
    assert_eq!(random, scrub("e", &["--key", key]).0);
}

#[test]
fn a_key_that_is_soon_guessed_is_refused() {
    let (file, folder) = (secret(), Folder::new());
    let out = folder.path("out.tid");
    for key in ["", "a", "eleven byte"] {
        let run = tidview(&["scrub", &file.path(), "-o", &out, "--key", key]);
        assert_eq!(
            (run.out.as_str(), run.err.as_str(), run.code),
            (
                "",
                "tidview: --key is too short: whoever guesses it can test which words stood in the file; \
                 take one of 12 bytes at least, as `openssl rand -hex 16` makes, or leave it out\n",
                Some(2)
            ),
            "{key}"
        );
        assert!(!std::path::Path::new(&out).exists(), "{key}");
    }
    prints(&["scrub", &file.path(), "-o", &out, "--key", "twelve bytes"]);
}

#[test]
fn a_split_part_is_the_whole_s_stretch() {
    let folder = Folder::of(&several(&header(), &everything(), 5, 0), &[0, 1, 2, 3, 4]);
    let (to, dir) = (Folder::new(), folder.path(""));
    let (front, back) = (to.path("front.tid"), to.path("back.tid"));
    prints(&["split", &dir, "--until", "40ms", "-o", &front]);
    prints(&["split", &dir, "--since", "40000001ns", "-o", &back]);
    let (front, back) = (read(&front), read(&back));
    assert_eq!([front.events(), back.events()].concat(), everything());
    assert_eq!(back.begin().0, 40_000_001);
    assert_eq!(back.header().option("part"), Some("yes"));
    assert_eq!(back.header().trace_id, header().trace_id);
    // What lived at the beginning is there, by name, creator and time of birth.
    let worker = back
        .tasks()
        .iter()
        .find(|task| task.task.tid.0 == 122)
        .unwrap();
    assert_eq!(
        (worker.name().to_string(), worker.born.0),
        ("worker-2".into(), 30_000_000)
    );
    let creator = back.task(worker.parent.unwrap());
    assert_eq!(
        (creator.name().to_string(), creator.born.0),
        ("pool".into(), 5_000_000)
    );
    let run = tidview(&["split", &dir, "-o", &to.path("x.tid")]);
    assert_eq!(run.code, Some(2));
    assert!(run.err.contains("--since"), "{}", run.err);
}
