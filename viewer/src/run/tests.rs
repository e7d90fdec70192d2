//! What is had without reading every event is, byte for byte, what reading all of it gives.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use proptest::prelude::*;
use tidline::format::Writer;
use tidline::model::Event;
use tidline::synth::{self, Plan};

use super::*;

/// What a command prints, and says beside it; or why it fails.
type Printed = Result<(String, Vec<String>), String>;

fn printed(show: impl FnOnce(&mut Vec<u8>, &mut Report) -> Result<()>) -> Printed {
    let (mut out, mut report) = (Vec::new(), Report::default());
    match show(&mut out, &mut report) {
        Ok(()) => Ok((String::from_utf8_lossy(&out).into_owned(), report.asides)),
        Err(error) => Err(format!("{error:#}")),
    }
}

/// Compares the two ways to run a command.
fn compare(words: &[&str]) {
    let typed = [&["tidview"], words].concat();
    let cli = cli::Cli::try_parse_from(typed).unwrap_or_else(|error| panic!("{error}"));
    let (quick, full) = match &cli.command {
        Command::Info(args) => (
            printed(|out, report| info(args, out, report)),
            printed(|out, report| show_info(&open(&args.common, None)?, args, out, report)),
        ),
        Command::Timeline(args) => (
            printed(|out, report| timeline::run(args, out, report)),
            printed(|out, report| {
                let rules = load::rules(args.frames.runtime_frames.as_deref())?;
                let opened = open(&args.common, args.width)?;
                timeline::loaded(args, opened, &rules, out, report)
            }),
        ),
        Command::Threads(args) => (
            printed(|out, report| threads(args, out, report)),
            printed(|out, report| {
                let opened = open_with_sites(&args.common, &args.frames, None)?;
                show_threads(args, &opened, out, report)
            }),
        ),
        other => panic!("{other:?}"),
    };
    assert_eq!(quick, full, "{words:?}");
}

fn compare_all(file: &Path, since: &str, until: &str) {
    let file = file.to_str().expect("a name of letters");
    compare(&["info", file]);
    compare(&["info", file, "--modules", "--format", "json"]);
    let stretch = ["timeline", file, "--since", since, "--until", until];
    for more in [
        &["--width", "200", "--stack", "--limit", "7"][..],
        &[
            "--width",
            "60",
            "--limit",
            "0",
            "--kind",
            "clone,fork,rename",
        ],
        &["--format", "ndjson", "--limit", "0"],
        &["--format", "csv", "--limit", "50"],
    ] {
        compare(&[&stretch[..], more].concat());
    }
    compare(&["threads", file]);
    for at in [since, until] {
        let moment = ["threads", file, "--at", at];
        compare(&[&moment[..], &["--limit", "0"]].concat());
        compare(&[&moment[..], &["--format", "json", "--limit", "7"]].concat());
    }
}

/// A server's life that a recorder kept, with a checkpoint behind each so many events.
fn recording(events: usize, seed: u64, spacing: u64, stacks: bool) -> Vec<u8> {
    let plan = Plan {
        events,
        width: 20,
        seed,
    };
    let mut events: Vec<Event> = synth::events(plan);
    let mut header = synth::header();
    header.launched = seed.is_multiple_of(2);
    header.options.push(("stacks".into(), "on".into()));
    let mut writer = Writer::start(Vec::new(), &header).expect("a header that fits");
    if stacks {
        let interner = synth::with_stacks(&mut events, 5, 8);
        for definition in synth::definitions(&interner) {
            writer.define(&definition).expect("a vector takes it");
        }
    }
    let is_due =
        |writer: &Writer<Vec<u8>>| (writer.events() + writer.pending()).is_multiple_of(spacing);
    synth::record(writer, events, is_due).expect("a vector takes it")
}

/// Whether a file can be had without its events.
fn is_quick(file: &Path) -> bool {
    let files = [file.to_owned()];
    let all = |extent: &Trace| Some((extent.begin(), extent.end()));
    let stretch = load::stretch(&files, all).expect("a trace");
    let moment = load::moment(&files, |extent| Some(extent.end())).expect("a trace");
    assert_eq!(stretch.is_some(), moment.is_some());
    stretch.is_some()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_stretch_and_the_whole_are_shown_alike(
        seed in 0..100u64,
        spacing in 40..700u64,
        (from, length) in (0..30_000u64, 0..9_000u64),
        stacks in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("trace.tid");
        fs::write(&file, recording(1_500, seed, spacing, stacks)).expect("a temporary file");
        prop_assert!(is_quick(&file));
        let (since, until) = (format!("{from}us"), format!("{}us", from + length));
        compare_all(&file, &since, &until);
    }
}

#[test]
fn other_ways_to_say_when_are_understood_alike() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("trace.tid");
    fs::write(&file, recording(1_500, 7, 200, true)).expect("a temporary file");
    let file = file.to_str().expect("a name of letters");
    for words in [
        &["--since", "5ms+2ms"][..],
        &["--until", "3ms"],
        &["--since", "20ms"],
        &["--since", "16:13:20"],
        &["--since", "2026-09-21T14:13:20.005Z", "--utc"],
        &["--since", "mark:deploy"],
        &["--since", "1h"],
        &["--since", "9ms", "--until", "3ms"],
        &["--since", "soon"],
        &["--since", "5ms", "--pid", "1000"],
        &["--since", "5ms", "--kind", "create-failed"],
        &[
            "--since",
            "5ms",
            "--name",
            "worker-*",
            "--where",
            "life > 1ms",
        ],
    ] {
        compare(&[&["timeline", file, "--limit", "30"], words].concat());
    }
}

#[test]
fn selected_tasks_of_a_moment_are_shown_alike() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("trace.tid");
    fs::write(&file, recording(1_500, 7, 200, true)).expect("a temporary file");
    let file = file.to_str().expect("a name of letters");
    for words in [
        &["--pid", "1000"][..],
        &["--pid", "7"],
        &["--tid", "1400"],
        &["--parent", "1000"],
        &["--under", "1000"],
        &["--what", "process"],
        &["--host", "synthetic"],
        &["--host", "other"],
        &["--name", "worker-*"],
        &["--kind", "fork"],
        &["--site", "add_worker_3*"],
        &["--since", "14ms", "--until", "16ms"],
        &["--since", "mark:deploy"],
        &["--alive-at", "14ms"],
        &["--alive-at", "soon"],
        &["--min-life", "200us", "--max-life", "1ms"],
        &["--where", "life > 300us && code == 0 && !alive"],
        &["--where", "start =~ 'worker_[12]' || site =~ 'worker_3'"],
        &["--where", "name =~ 'worker.*'"],
        &["--where", "time > 13ms && parent == 1000 && thread"],
        &["--where", "children > 3"],
        &["--where", "errno == EAGAIN"],
        &["--where", "text == deploy"],
        &["--where", "flags == 0"],
        &["--where", "what =="],
        &["--utc", "--limit", "3"],
    ] {
        for at in [
            &["--at", "15ms"][..],
            &["--at", "mark:deploy"],
            &[],
            &["--all"],
        ] {
            let words = [&["threads", file], at, words].concat();
            compare(&words);
            compare(&[&words[..], &["--format", "json"]].concat());
        }
    }
    for at in ["16:13:20", "2026-09-21T14:13:20.005Z", "1h", "soon", "0s"] {
        compare(&["threads", file, "--at", at]);
    }
}

#[test]
fn golden_and_damaged_files_are_shown_alike() {
    let data = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata"));
    let mut files = 0;
    for folder in ["traces/v1", "corrupt", "export", "diff"] {
        for entry in fs::read_dir(data.join(folder)).expect("it is there") {
            let path = entry.expect("it can be read").path();
            if path.extension().is_some_and(|end| end == "tid") {
                files += 1;
                compare_all(&path, "0s", "2ms");
                compare_all(&path, "1ms", "1s");
            }
        }
    }
    assert_eq!(files, 28);
}

#[test]
fn damage_is_told_of_wherever_it_is() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("trace.tid");
    let whole = recording(1_500, 4, 300, false);
    for place in 1..40 {
        let mut damaged = whole.clone();
        let at = whole.len() * place / 40;
        damaged[at] ^= 0x40;
        fs::write(&path, damaged).expect("a temporary file");
        assert!(!is_quick(&path), "damaged at {at}");
        compare_all(&path, "5ms", "9ms");
    }
    fs::write(&path, &whole[..whole.len() / 2]).expect("a temporary file");
    compare_all(&path, "5ms", "9ms");
}
