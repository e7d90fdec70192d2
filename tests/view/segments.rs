//! Recordings that are several files: some given up, some missing, one still being written.

use std::fs;

use tidline::format::Header;

use crate::made::{everything, header, with_losses};
use crate::support::{File, Folder, finished, prints, several, tidview};

/// 25 events in five files, and the wall clock as it was.
fn files() -> Vec<Vec<u8>> {
    several(&limited(header()), &everything(), 5, 0)
}

/// The header of a recorder that was to give up its oldest files.
fn limited(mut header: Header) -> Header {
    let option = ("max-disk".to_string(), "1M".to_string());
    header.options.push(option);
    header
}

const EVICTED: &str = "begins at +0.040000s: files 0 and 1 of the recording are not here; of what was \
                       before, only what still lived then is known";

fn json(args: &[&str]) -> serde_json::Value {
    let run = tidview(args);
    serde_json::from_str(&run.out).unwrap_or_else(|error| panic!("{args:?}: {error}: {run:?}"))
}

#[test]
fn several_files_are_shown_as_one_in_any_order() {
    let whole = File::trace(&header(), &everything(), 95_000_000);
    let folder = Folder::of(&files(), &[0, 1, 2, 3, 4]);
    let named = [3, 0, 4, 2, 1].map(|number| folder.path(&format!("{number:06}.tid")));
    let (dir, one) = (folder.path(""), whole.path());
    for args in [
        &["timeline"][..],
        &["timeline", "--format", "ndjson"],
        &["timeline", "--format", "csv"],
        &["timeline", "--lanes"],
        &["tree"],
        &["tree", "--format", "json"],
        &["threads", "--all"],
        &["threads", "--at", "40ms"],
        &["check"],
    ] {
        let expected = prints(&[args, &[one.as_str()]].concat());
        assert_eq!(
            prints(&[args, &[dir.as_str()]].concat()),
            expected,
            "{args:?}"
        );
        let named: Vec<&str> = named.iter().map(String::as_str).collect();
        assert_eq!(prints(&[args, &named[..]].concat()), expected, "{args:?}");
    }
    let bytes = files().iter().map(Vec::len).sum::<usize>();
    let info = prints(&["info", &dir]);
    assert!(info.contains("tasks     2 at first, 5 threads and 3 processes created, 6 exited"));
    let line = format!(
        "files     5 (numbers 0 to 4), {}.{:02} kB, 25 events, ",
        bytes / 1_000,
        bytes % 1_000 / 10
    );
    assert!(info.contains(&line), "{line}: {info}");
    let info = json(&["info", &dir, "--format", "json"]);
    assert_eq!(info["segments"], serde_json::json!([0, 1, 2, 3, 4]));
    assert_eq!(info["begin_ns"], 0);
    assert_eq!(info["file_bytes"], bytes);
}

#[test]
fn what_was_given_up_is_said_first_by_every_view() {
    let folder = Folder::of(&files(), &[2, 3, 4]);
    let dir = folder.path("");
    for args in [
        &["info"][..],
        &["timeline"],
        &["timeline", "--lanes"],
        &["tree"],
        &["threads"],
        &["check"],
    ] {
        let printed = prints(&[args, &[dir.as_str()]].concat());
        assert!(
            printed.starts_with(&format!("! {EVICTED}\n\n")),
            "{printed}"
        );
    }
    for command in ["info", "timeline", "tree", "threads", "check"] {
        let run = tidview(&[command, &dir, "--format", "json"]);
        let told = format!("tidview: {EVICTED}\n");
        assert_eq!((run.err, run.code), (told, Some(0)), "{command}");
    }
    let one = Folder::of(&files(), &[1]);
    let printed = tidview(&["check", &one.path("000001.tid")]);
    assert!(
        printed.out.starts_with(
            "! begins at +0.011000s: file 0 of the recording is not here; of what was before, only \
             what still lived then is known\n\nnot complete: 5 events readable, 1 problem\n"
        ),
        "{printed:?}"
    );
    assert_eq!(printed.code, Some(1));
}

#[test]
fn what_a_full_disk_made_the_recorder_give_up_is_said() {
    let counters = [("files_given_up_early", 3), ("stops", 7)];
    let bytes = finished(&header(), &everything(), 95_000_000, &counters);
    let file = File::new("t.tid", &bytes);
    let said = "the disk was full while it was recorded: 3 files given up before their time";
    for command in ["info", "timeline", "tree", "threads"] {
        let printed = prints(&[command, &file.path()]);
        assert!(printed.starts_with(&format!("! {said}\n")), "{printed}");
    }
    let info = prints(&["info", &file.path()]);
    assert!(info.contains("overhead  stops 7\n"), "{info}");
}

#[test]
fn a_trace_without_its_first_files_counts_and_draws_what_is_here() {
    let folder = Folder::of(&files(), &[2, 3, 4]);
    let dir = folder.path("");
    let after = |printed: String| printed.split_once("\n\n").unwrap().1.to_string();
    let info = after(prints(&["info", &dir]));
    let lines: Vec<&str> = info.lines().collect();
    assert_eq!(
        lines[2..6],
        [
            "recorded  2026-09-21 16:13:20.000 +02:00, for 95.0 ms, of which the last 55.0 ms are here",
            "how       ptrace by tidrec 0.1.0, attached, follow-fork both, new-threads follow, max-disk 1M",
            "tasks     6 at first, carried on from before, 1 thread and 3 processes created, 6 exited, 3 alive at",
            "          the end, 7 at most at a time, 1 let go",
        ]
    );
    assert!(
        lines[7].starts_with("files     3 (numbers 2 to 4), "),
        "{info}"
    );
    let found = json(&["info", &dir, "--format", "json"]);
    assert_eq!(found["segments"], serde_json::json!([2, 3, 4]));
    assert_eq!(found["begin_ns"], 40_000_000);
    assert_eq!(found["tasks"]["carried"], 6);
    assert_eq!(found["tasks"]["existing"], 0);
    assert_eq!(found["tasks"]["created_threads"], 1);

    let lanes = after(prints(&["timeline", &dir, "--lanes", "--width", "70"]));
    assert_eq!(
        lanes,
        r#"                │40ms              │60ms              │80ms
server[100]     ←────────────────────────────────────────────────────→
  gc[101]       ←────────────────────────────────────────────────────┤
  pool[110]     ←────────────────────────────────────────────────────→
  worker-0[120] ←───┤
  worker-1[121] ←────┤
  worker-2[122] ←────────╳
  worker-3[123] ├────────────────────────────────────────────────────→
sh[200]                       ├──────────────────?
ls[201]                            ├────────!
server[300]                                           ├»

← there before   ├ birth   ┤ exit 0   ! other exit code   ╳ killed
» let go   ? end not known   → alive at the end
"#
    );
    // The time of a birth that is not here is known all the same.
    let threads = prints(&["threads", &dir]);
    assert!(
        threads.contains("110  100  pool      +0.005000s   90.0 ms  server[100]  alive"),
        "{threads}"
    );
    let outside = tidview(&["threads", &dir, "--at", "5ms"]);
    assert_eq!(outside.code, Some(2));
    assert!(
        outside
            .err
            .contains("the trace, which runs from 40ms to 95ms"),
        "{outside:?}"
    );
}

#[test]
fn files_missing_in_the_middle_are_damage_and_named() {
    let folder = Folder::of(&files(), &[0, 3, 4]);
    let dir = folder.path("");
    let run = tidview(&["check", &dir]);
    assert_eq!(run.code, Some(1));
    assert_eq!(
        run.out,
        r#"not complete: 15 events readable, 2 problems

PROBLEM  FILE  COUNT  FROM                 TO                   DETAIL
missing     1         +0.010000s 16:13:20  +0.055000s 16:13:20  this file of the recording and 1 more are missing
no end             1  +0.000000s 16:13:20  +0.095000s 16:13:20  tasks whose TID or process was used again without an end
"#
    );
    let info = prints(&["info", &dir]);
    assert!(
        info.starts_with(
            "! missing: files 1 and 2 of the recording; `tidview check` says from when to when\n"
        ),
        "{info}"
    );
    let found = json(&["check", &dir, "--format", "json"]);
    assert_eq!(found["problems"][0]["file"], 1);
    assert_eq!(found["problems"][0]["bytes"], serde_json::Value::Null);
}

#[test]
fn first_files_that_nobody_gave_up_are_missing() {
    let folder = Folder::of(&several(&header(), &everything(), 5, 0), &[2, 3, 4]);
    let dir = folder.path("");
    let run = tidview(&["check", &dir]);
    assert_eq!(run.code, Some(1));
    assert_eq!(
        run.out,
        r#"! begins at +0.040000s: of what was before, only what still lived then is known

not complete: 15 events readable, 1 problem

PROBLEM  FILE  FROM                 TO                   DETAIL
missing     0  +0.000000s 16:13:20  +0.040000s 16:13:20  this file of the recording and 1 more are missing
"#
    );
    let info = prints(&["info", &dir]);
    assert!(
        info.starts_with(
            "! begins at +0.040000s: of what was before, only what still lived then is known\n\
             ! missing: files 0 and 1 of the recording; `tidview check` says from when to when\n"
        ),
        "{info}"
    );
    let to = Folder::new();
    let mended = to.path("mended.tid");
    let run = tidview(&["repair", &dir, "-o", &mended]);
    assert_eq!(run.code, Some(1));
    assert!(
        run.out.contains("15 events, ") && run.out.contains("and 1 gap for what is missing"),
        "{run:?}"
    );
    assert!(
        prints(&["timeline", &mended])
            .contains("this file of the recording and 1 more are missing")
    );
}

#[test]
fn of_files_without_the_last_the_end_is_not_said_to_be_lost() {
    let folder = Folder::of(&files(), &[0, 1, 2]);
    let run = tidview(&["check", &folder.path("")]);
    assert_eq!(run.code, Some(1));
    let detail = "the recording went on in a file that is not here\n";
    assert!(run.out.ends_with(detail), "{}", run.out);
    let info = prints(&["info", &folder.path("")]);
    let said = "! cut short: after +0.050000s the recording went on in a file that is not here\n";
    assert!(info.starts_with(said), "{info}");
    // One that was cut in its middle is another matter.
    let mut files = files();
    let half = files[2].len() / 2;
    files[2].truncate(half);
    let run = tidview(&["check", &Folder::of(&files, &[0, 1, 2]).path("")]);
    assert!(run.out.contains("no end mark"), "{}", run.out);
}

#[test]
fn damage_is_told_with_its_file() {
    let mut files = files();
    let middle = files[3].len() - 60;
    files[3][middle] ^= 1;
    let last = files[4].len() - 3;
    files[4].truncate(last);
    let folder = Folder::of(&files, &[0, 1, 2, 3, 4]);
    let run = tidview(&["check", &folder.path("")]);
    assert_eq!(run.code, Some(1));
    let lines: Vec<&str> = run.out.lines().collect();
    assert!(lines[3].starts_with("damage         3  "), "{}", run.out);
    assert!(lines[4].starts_with("cut short      4  "), "{}", run.out);
    assert!(lines[5].starts_with("unfinished     4  "), "{}", run.out);
    let bytes = last.to_string();
    assert!(lines[4].contains(&bytes), "{}", run.out);
    let info = prints(&["info", &folder.path("")]);
    assert!(info.contains("! damaged: 1 part of file 3 ("), "{info}");
    assert!(info.contains("1 damaged part (file 3): "), "{info}");
}

#[test]
fn a_file_whose_header_is_damaged_costs_only_itself_and_is_named() {
    for (broken, from) in [(0, "+0.000000s"), (2, "+0.031000s"), (4, "+0.070000s")] {
        let mut files = files();
        files[broken][25] ^= 1;
        let folder = Folder::of(&files, &[0, 1, 2, 3, 4]);
        let run = tidview(&["check", &folder.path("")]);
        assert_eq!(run.code, Some(1), "{run:?}");
        let name = format!("{broken:06}.tid: the file's header is damaged");
        let line = run.out.lines().find(|line| line.contains(&name));
        let line = line.unwrap_or_else(|| panic!("{}", run.out));
        let number = broken.to_string();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(words[..3], ["damage", &number, "0"]);
        assert_eq!(words[4], from, "{line}");
        let info = prints(&["info", &folder.path("")]);
        let notice = format!("! damaged: 1 part of file {broken} (");
        assert!(info.contains(&notice), "{info}");
    }
}

#[test]
fn other_files_in_a_folder_are_passed_over() {
    let folder = Folder::of(&files(), &[0, 1, 2, 3, 4]);
    let expected = prints(&["timeline", &folder.path("")]);
    folder.put("notes.txt", b"not a trace");
    folder.put("empty.tid", b"");
    fs::create_dir(folder.path("more")).unwrap();
    fs::write(folder.path("more/000005.tid"), &files()[0]).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("nowhere", folder.path("000009.tid")).unwrap();
    assert_eq!(prints(&["timeline", &folder.path("")]), expected);
    // A file that is named twice is one file.
    let (dir, first) = (folder.path(""), folder.path("000000.tid"));
    assert_eq!(prints(&["timeline", &dir, &first, &dir]), expected);
}

#[test]
fn files_of_several_recordings_are_told_apart() {
    let other = Header {
        trace_id: 0xabcd_0123_4567_89ab_cdef_0123_4567_89ab,
        host: "db-1\x1b[2J".into(),
        start_wall_ns: 1_790_086_400_000_000_000,
        ..header()
    };
    let folder = Folder::of(&files(), &[1, 2, 4]);
    let dir = folder.path("");
    let one = folder.put("b.tid", &several(&other, &everything(), 100, 0)[0]);
    for what in ["repaired", "symbolized", "part", "scrubbed", "merged"] {
        let copied = Header {
            options: vec![(what.into(), "yes".into())],
            ..header()
        };
        let copy = folder.put("c.tid", &several(&copied, &everything(), 100, 0)[0]);
        let run = tidview(&["info", &dir]);
        assert_eq!((run.out.as_str(), run.code), ("", Some(2)));
        assert_eq!(
            run.err,
            format!(
                "tidview: these are files of 3 recordings: name the files of one\n  \
                 00000000, on web-3, begun 2026-09-21 16:13:20.000 +02:00: 3 files (numbers 1, 2 and \
                 4), from {dir}/000001.tid on\n  \
                 00000000, on web-3, begun 2026-09-21 16:13:20.000 +02:00: a copy of a part, {copy}\n  \
                 abcd0123, on db-1\\x1b[2J, begun 2026-09-22 16:13:20.000 +02:00: 1 file, {one}\n"
            )
        );
    }
    // The files of one can be named.
    prints(&["info", &one]);
}

#[test]
fn two_files_of_one_number_are_refused() {
    let folder = Folder::of(&files(), &[0, 1]);
    let again = folder.put("again\n.tid", &files()[1]);
    let run = tidview(&["tree", &folder.path("")]);
    let (first, again) = (folder.path("000001.tid"), again.replace('\n', "\\n"));
    let either = [[&again, &first], [&first, &again]].map(|[one, other]| {
        format!("tidview: {one} and {other} are both file 1 of one recording: name one of them\n")
    });
    assert!(either.contains(&run.err) && run.code == Some(2), "{run:?}");
}

#[test]
fn the_wall_clock_is_the_last_one_that_was_read() {
    // An hour forward before each file.
    let hour = 3_600_000_000_000;
    let folder = Folder::of(
        &several(&header(), &everything(), 5, hour),
        &[0, 1, 2, 3, 4],
    );
    let dir = folder.path("");
    let timeline = prints(&["timeline", &dir]);
    for line in [
        "+0.010000s  16:13:20.010000  clone ",
        "+0.011000s  17:13:20.011000  rename ",
        "+0.095000s  20:13:20.095000  exit ",
    ] {
        assert!(timeline.contains(line), "{timeline}");
    }
    let at = |text: &str| prints(&["threads", &dir, "--format", "json", "--at", text]);
    assert_eq!(at("20:13:20.080"), at("80ms"));
    assert_eq!(at("2026-09-21T18:13:20.045+02:00"), at("45ms"));
    assert_eq!(at("16:13:20.008"), at("8ms"));
    // Skipped when the clock was set before the fifth file.
    assert_eq!(at("19:40"), at("75ms"));
    // And back.
    let folder = Folder::of(
        &several(&header(), &everything(), 5, -hour),
        &[0, 1, 2, 3, 4],
    );
    let dir = folder.path("");
    let at = |text: &str| prints(&["threads", &dir, "--format", "json", "--at", text]);
    assert_eq!(at("12:13:20.080"), at("80ms"));
    assert_eq!(at("16:13:20.008"), at("8ms"));
}

#[test]
fn losses_that_the_recorder_noted_are_told_as_ever() {
    let folder = Folder::of(&several(&limited(header()), &with_losses(), 5, 0), &[4, 5]);
    let run = tidview(&["check", &folder.path("")]);
    assert_eq!(run.code, Some(1));
    assert!(
        run.out
            .contains("\nnot complete: 7 events readable, 2 problems\n"),
        "{}",
        run.out
    );
}

/// A recorder goes on to new files and gives up old ones while its folder is read.
#[test]
fn a_folder_that_changes_while_it_is_read_is_read_as_it_was_at_a_moment() {
    let events: Vec<_> = tidline::synth::events(tidline::synth::Plan {
        events: 4_000,
        width: 20,
        seed: 3,
    });
    let files = several(&limited(tidline::synth::header()), &events, 10, 0);
    let folder = Folder::of(&files, &[0, 1, 2, 3]);
    let dir = folder.path("");
    let readers = std::thread::scope(|scope| {
        let recorder = scope.spawn(|| {
            for (number, file) in files.iter().enumerate().skip(4) {
                folder.put(&format!("{number:06}.tid"), file);
                fs::remove_file(folder.path(&format!("{:06}.tid", number - 4))).unwrap();
                // Much faster than any recorder may.
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
        });
        let mut readings = 0;
        while !recorder.is_finished() || readings == 0 {
            let found = json(&["info", &dir, "--format", "json"]);
            assert_eq!(found["damaged_chunks"], 0, "{found}");
            let segments = found["segments"].as_array().unwrap();
            assert!((3..=5).contains(&segments.len()), "{found}");
            readings += 1;
        }
        readings
    });
    assert!(readers > 0);
}

/// More files than a process may have open.
#[cfg(unix)]
#[test]
fn more_files_than_may_be_open_at_a_time() {
    let events: Vec<_> = tidline::synth::events(tidline::synth::Plan {
        events: 2_000,
        width: 20,
        seed: 3,
    });
    let files = several(&tidline::synth::header(), &events, events.len() / 200, 0);
    assert!(files.len() >= 200);
    let numbers: Vec<usize> = (0..files.len()).collect();
    let folder = Folder::of(&files, &numbers);
    let out = tempfile::TempDir::new().unwrap();
    let mended = out.path().join("mended.tid").to_str().unwrap().to_string();
    let limited = |words: &str| {
        let line = format!("ulimit -n 64; exec \"$0\" {words}");
        let mut command = std::process::Command::new("/bin/sh");
        command.args(["-c", &line, env!("CARGO_BIN_EXE_tidview"), &folder.path("")]);
        let output = command.arg(&mended).output().unwrap();
        assert!(output.status.success(), "{words}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let whole = prints(&["timeline", &folder.path(""), "--format", "ndjson"]);
    assert_eq!(whole.lines().count(), events.len());
    assert_eq!(limited("timeline \"$1\" --format ndjson"), whole);
    assert_eq!(limited("timeline \"$1\"/*.tid --format ndjson"), whole);
    assert!(limited("check \"$1\"").starts_with("complete: "));
    let made = limited("repair \"$1\" -o \"$2\"");
    assert!(made.contains("nothing is missing"), "{made}");
    let again = prints(&["timeline", &mended, "--format", "ndjson"]);
    assert_eq!(again.lines().count(), events.len());
}
