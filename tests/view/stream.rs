//! Events that are shown as they are read are the ones that are shown of a trace in memory.

use std::path::Path;

use tidline::model::{Event, EventBody};
use tidline::synth::{self, Plan, creations};

use crate::made::{at, everything, header};
use crate::support::{File, Folder, chunks, finished, several, tidview, with_stacks};

/// What selects all, and cannot be known before the end.
const LOADED: [&str; 2] = ["--where", "!(alive && !alive)"];
/// What selects all, and can.
const READ: [&str; 2] = ["--where", "!(thread && !thread)"];

/// What is compared.
const VIEWS: [&[&str]; 13] = [
    &["timeline", "--format", "ndjson"],
    &["timeline", "--format", "csv"],
    &["timeline", "--format", "json"],
    &["timeline"],
    &["timeline", "--stack"],
    &["timeline", "--limit", "5"],
    &[
        "timeline",
        "--kind",
        "exit,gap,mark",
        "--where",
        "time >= 5ms",
    ],
    &[
        "timeline", "--format", "ndjson", "--what", "thread", "--pid", "1000",
    ],
    &[
        "timeline", "--format", "ndjson", "--parent", "1000", "--site", "start_1",
    ],
    &[
        "timeline",
        "--format",
        "ndjson",
        "--where",
        "parent == 1000 && name =~ worker",
    ],
    &[
        "timeline",
        "--format",
        "ndjson",
        "--pid",
        "77",
        "--where",
        "text == x || start == y",
    ],
    &["export", "--to", "csv"],
    &["export", "--to", "ndjson", "--kind", "clone,exit"],
];
/// Of much only these: objects, a table, and some of the events.
const FEW: [&[&str]; 3] = [VIEWS[0], VIEWS[3], VIEWS[6]];

/// Says that both ways give the same of what is named.
#[track_caller]
fn same(named: &[&str]) {
    same_in(&VIEWS, named);
}

#[track_caller]
fn same_in(views: &[&[&str]], named: &[&str]) {
    for view in views {
        let run = |more: [&str; 2]| {
            let mut run = tidview(&[*view, named, &more].concat());
            // What is selected is said in the words that were typed.
            for words in [&mut run.out, &mut run.err] {
                *words = words.replace(more[1], "...");
            }
            run
        };
        let (read, loaded) = (run(READ), run(LOADED));
        assert_eq!(read.code, Some(0), "{view:?} {named:?}: {}", read.err);
        assert_eq!(read.err, loaded.err, "{view:?} {named:?}");
        if read.out != loaded.out {
            let lines = read.out.lines().zip(loaded.out.lines());
            let other = lines.enumerate().find(|(_, (read, loaded))| read != loaded);
            panic!("{view:?} {named:?}: {other:?}");
        }
    }
}

#[test]
fn of_every_trace_that_was_kept() {
    let folders = ["traces/v1", "corrupt", "export", "diff"];
    let mut seen = 0;
    for folder in folders {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../testdata")
            .join(folder);
        for entry in std::fs::read_dir(&folder).expect("test data") {
            let path = entry.expect("an entry").path();
            let shown = path.display().to_string();
            if shown.ends_with(".tid") && tidview(&["info", &shown]).code == Some(0) {
                same(&[&shown]);
                seen += 1;
            }
        }
    }
    assert!(seen >= 15, "{seen}");
}

#[test]
fn of_several_files_some_of_which_are_damaged_or_missing() {
    let files = several(&header(), &everything(), 5, 1_000_000);
    for there in [&[0, 1, 2, 3, 4][..], &[0, 2, 4], &[1, 2, 3], &[3]] {
        let folder = Folder::of(&files, there);
        same(&[&folder.path("")]);
    }
    let folder = Folder::of(&files, &[0, 2, 3, 4]);
    let mut damaged = files[1].clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0x55;
    folder.put("000001.tid", &damaged);
    same(&[&folder.path("")]);
    // Every event in a chunk of its own, one of them damaged at a time.
    let (whole, ends) = chunks(&header(), &everything());
    for end in ends.iter().skip(1).step_by(3) {
        let mut bytes = whole.clone();
        bytes[end - 2] ^= 0xff;
        same(&[&File::new("t.tid", &bytes).path()]);
    }
    // Nothing is in it.
    same(&[&File::trace(&header(), &[], 5).path()]);
}

#[test]
fn of_more_events_than_are_looked_at_together() {
    let plan = Plan {
        events: 36_000,
        width: 100,
        seed: 11,
    };
    let mut events = synth::events(plan);
    let end = events.last().map_or(0, |event| event.time.0);
    let file = File::trace(&synth::header(), &events, end);
    same(&[&file.path()]);
    // A part begins in another file than it ends, and one file is not there.
    let files = several(&synth::header(), &events, 4_000, 0);
    same_in(
        &FEW,
        &[&Folder::of(&files, &[0, 1, 3, 4, 5, 6, 7, 8]).path("")],
    );
    // All at once.
    for event in &mut events {
        event.time = tidline::model::Time(7);
    }
    same_in(&FEW, &[&File::trace(&synth::header(), &events, 9).path()]);
    let (code, events) = creations(18_000, 30, 5);
    let end = events.last().map_or(0, |event| event.time.0);
    let bytes = with_stacks(&synth::header(), &code, &events, end, &[]);
    same_in(&FEW, &[&File::new("stacks.tid", &bytes).path()]);
}

#[test]
fn a_name_that_came_late_is_the_task_s_from_the_beginning() {
    // Nobody saw its birth, and only long behind its first events is it named.
    let task = tidline::model::Task::new(500, 501);
    let call = |ms: u64| {
        at(
            ms,
            EventBody::SyscallEnter {
                task,
                name: b"read".into(),
                number: 0,
                args: Box::new([0; 6]),
            },
        )
    };
    let mut events: Vec<Event> = (0..40_000).map(call).collect();
    events.push(crate::made::rename(40_000, task, b"late"));
    let file = File::new("t.tid", &finished(&header(), &events, 50_000_000_000, &[]));
    same(&[&file.path()]);
    let first = tidview(&[
        "timeline",
        &file.path(),
        "--format",
        "ndjson",
        "--limit",
        "1",
    ])
    .out;
    assert!(first.contains(r#""name":"late""#), "{first}");
}

#[test]
fn who_has_seen_enough_does_not_wait_for_the_rest() {
    let events = synth::events(Plan {
        events: 60_000,
        width: 50,
        seed: 2,
    });
    let end = events.last().map_or(0, |event| event.time.0);
    let file = File::trace(&synth::header(), &events, end);
    let mut child = crate::support::command(&["timeline", &file.path(), "--format", "ndjson"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("tidview starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}
