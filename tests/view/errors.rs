//! What is said when something cannot be done, and the exit code with it.

use crate::made::{everything, header};
use crate::support::{File, prints, tidview};

fn file() -> File {
    File::trace(&header(), &everything(), 2_000_000_000)
}

/// What a run says that cannot do what was asked.
fn fails(args: &[&str]) -> String {
    let run = tidview(args);
    assert_eq!((run.out.as_str(), run.code), ("", Some(2)), "{args:?}");
    run.err
}

#[test]
fn files_that_are_none_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    let missing = format!("{folder}/none.tid");
    let missing_error = fails(&["info", &missing]);
    assert!(
        missing_error.starts_with(&format!("tidview: cannot open {missing}: ")),
        "{missing_error}"
    );
    assert!(missing_error.ends_with(
        "; tidrec names its files tidline-NAME-PID-DATE-TIME.tid where it is not told otherwise\n"
    ));
    assert_eq!(
        fails(&["tree", folder]),
        format!("tidview: no file in the folder {folder} is a trace: name what tidrec wrote\n")
    );
    for (bytes, problem) in [
        (
            &b"hello"[..],
            "not a tidline trace: it begins with 68 65 6c 6c 6f, not with 89 54 49 44 0d 0a 1a 0a; \
             name a file that tidrec wrote",
        ),
        (
            b"",
            "the file is empty: the recorder did not get as far as writing its header; record again",
        ),
        (
            b"\x89TID\n\x1a\n",
            "a tidline trace that was copied in text mode: line ends were changed, and the data \
             with them; copy the file again in binary mode",
        ),
        (
            b"\x89TID\r\n\x1a\n\x09\0\0\0\0\0\0\0\0\0\0\0",
            "format version 9 is newer than this program knows (up to 1): update it",
        ),
        (
            b"\x89TID\r\n\x1a\n\x01\0\0\0",
            "the file's header ends here, in its middle: it cannot be read (byte 12)",
        ),
    ] {
        let file = File::new("x.tid", bytes);
        for command in ["info", "timeline", "tree", "threads", "check"] {
            assert_eq!(
                fails(&[command, &file.path()]),
                format!("tidview: cannot read {}: {problem}\n", file.path())
            );
        }
    }
}

#[test]
fn times_are_taken_in_every_form() {
    let file = file();
    let at = |time: &str| prints(&["threads", &file.path(), "--at", time, "--format", "json"]);
    let expected = at("48ms");
    for time in [
        "0.048s",
        "+0.048000s",
        "48000us",
        "2026-09-21T16:13:20.048+02:00",
        "2026-09-21T14:13:20.048Z",
        "2026-09-21 16:13:20.048",
        "16:13:20.048",
    ] {
        assert_eq!(at(time), expected, "{time}");
    }
    let utc = [
        "threads",
        &file.path(),
        "--format",
        "json",
        "--utc",
        "--at",
        "14:13:20.048",
    ];
    assert_eq!(prints(&utc), expected);
}

#[test]
fn wrong_times_show_the_forms_and_the_range() {
    let file = file();
    assert_eq!(
        fails(&["threads", &file.path(), "--at", "noon"]),
        "tidview: --at noon: it is no time: give the time since the start (1.5s, 200ms, 2m, \
         1h2m3s), a time of day (16:13:20), or a date and time (2026-09-21T16:13:20+02:00); the \
         trace runs from 0s to 2s, that is 2026-09-21 16:13:20.000000 to 2026-09-21 \
         16:13:22.000000 (+02:00)\n"
    );
    assert_eq!(
        fails(&["tree", &file.path(), "--at", "3s", "--utc"]),
        "tidview: --at 3s: it is outside the trace, which runs from 0s to 2s, that is 2026-09-21 \
         14:13:20.000000 to 2026-09-21 14:13:22.000000 (UTC)\n"
    );
}

#[test]
fn wrong_usage_exits_with_2() {
    let file = file();
    let path = file.path();
    for (args, problem) in [
        (
            &["timeline", &path, "--kind", "born"][..],
            "invalid value 'born' for '--kind <KIND>'",
        ),
        (
            &["timeline", &path, "--lanes", "--kind", "exit"],
            "cannot be used with",
        ),
        (&["timeline", &path, "--width", "80"], "--lanes"),
        (
            &["timeline", &path, "--lanes", "--format", "csv"],
            "tidview: --lanes draws for people: it does not go with --format\n",
        ),
        (
            &["threads", &path, "--all", "--at", "1s"],
            "cannot be used with",
        ),
        (
            &["tree", &path, "--format", "csv"],
            "[possible values: table, json]",
        ),
        (&["info"], "<FILE>..."),
        (&["repair", &path], "--output <OUT>"),
        (&["frob", &path], "unrecognized subcommand 'frob'"),
    ] {
        let error = fails(args);
        assert!(error.contains(problem), "{args:?}: {error}");
    }
}

#[test]
fn help_reads_like_this() {
    assert_eq!(
        prints(&["--help"]),
        r#"Shows traces of the births and deaths of threads and processes

Usage: tidview <COMMAND>

Commands:
  info         What was recorded, where, how, and whether all of it is there
  timeline     Every event in order, or every life as a bar
  tree         Processes and threads under who created them
  threads      The tasks alive at the end, or at a time
  sites        Where in the code tasks were created, how many, and how long they lived
  leaks        The tasks alive at the end by where they were created, and which of them pile up
  stats        How many were created and ended, when, by whom, and how long they lived
  diff         What changed from one recording to another
  report       One page of HTML to look through in a browser, without a network
  replay       The trace played on the terminal, forwards and backwards
  check        Whether the file is whole, and what is missing
  repair       One sound file of all that is readable, or of a part of it
  symbolize    A copy in which stacks have the names of functions, files and lines
  export       The trace in another program's format
  split        A stretch of a trace as a file of its own
  scrub        A trace without names, paths and arguments, to be given away
  merge        Several recordings, of one host or of several, as one trace
  completions  What a shell needs to complete tidview's commands and options
  man          The manual page of tidview, or of one of its commands
  help         Print this message or the help of the given subcommand(s)

Options:
  -h, --help     Print help
  -V, --version  Print version

Examples:
  tidview info server.tid                        what was recorded, and whether all of it is there
  tidview tree server.tid                        who created whom
  tidview threads server.tid --at 1.5s           which tasks lived at a moment
  tidview timeline server.tid --lanes            lives as bars on a time axis
  tidview timeline server.tid --format ndjson    one JSON object per event
  tidview sites server.tid                       where in the code tasks were created
  tidview leaks server.tid                       which of those become more and more
  tidview stats server.tid                       how many, when, by whom, for how long
  tidview report server.tid -o report.html       a page to look through in a browser
  tidview replay server.tid                      played on the terminal, back as well as on
  tidview diff server.tid later.tid              what changed from one run to another

A trace may be one file, a folder of files, or several files of one recording, in any order.

Exit codes: 0 fine, 1 `check` found damage or loss, `repair` or `symbolize` something missing, or a
`--fail-on` of `diff` holds, 2 wrong usage or unreadable file.
"#
    );
    assert_eq!(
        prints(&["timeline", "--help"]),
        r#"Every event in order, or every life as a bar

Usage: tidview timeline [OPTIONS] <FILE>...

Arguments:
  <FILE>...  The trace: a file, a folder of files, or several files of one recording

Options:
      --utc                    Show wall times in UTC, not in the recording host's zone
      --color <WHEN>           Use colours; auto: on a terminal, unless NO_COLOR is set [default:
                               auto] [possible values: auto, always, never]
      --ascii                  Draw tables with ASCII only; other characters of names are shown as ?
      --no-pager               Do not show what is longer than the screen through $TIDVIEW_PAGER,
                               $PAGER or less
      --limit <N>              Show at most N lines or objects; 0 shows all
      --runtime-frames <FILE>  More frames that are not where a task was created, but how: see
                               docs/sites.md
      --format <FORMAT>        For people, as a JSON array, as one JSON object per line, or for
                               spreadsheets [default: table] [possible values: table, json, ndjson,
                               csv]
      --stack                  Show the creator's call stack under each birth
      --lanes                  Draw one bar per task against a time axis; alike tasks fold into one
                               lane
      --width <N>              Columns that --lanes may use [default: the terminal's width, else
                               100]
  -h, --help                   Print help

Selectors:
      --since <TIME>     From this time on; 1s+9s: from 1 s for 9 s; mark:TEXT: from the first such
                         mark
      --until <TIME>     Up to this time
      --pid <N>          Only this process: events about its tasks, and births where one is the
                         creator
      --tid <N>          Only this thread: events about it, and births where it is the creator
      --host <GLOB>      Only tasks of this host, of those that were merged (*, ?, [a-z])
      --name <GLOB>      Only tasks whose last name matches (*, ?, [a-z]); several times: any of
                         them
      --kind <KIND>      Only these kinds of event, separated by commas; of tasks, by their birth's
                         [possible values: existing, clone, fork, vfork, exec, exit, rename,
                         create-failed, syscall-enter, syscall-exit, detach, gap, lost, mark]
      --what <WHAT>      Only threads, or only processes [possible values: thread, process]
      --parent <TID>     Only what this thread created
      --under <TID>      Only this thread and all that came of it
      --site <GLOB>      Only what was created there: a function, or the site as it is shown (*, ?)
      --alive-at <TIME>  Only tasks that lived at this time
      --min-life <SPAN>  Only tasks that lived at least so long (10s, 500ms)
      --max-life <SPAN>  Only tasks that lived at most so long
      --where <EXPR>     Only what this holds for: 'kind == clone && life > 10s'; see docs/select.md

Examples:
  tidview timeline server.tid
  tidview timeline server.tid --kind clone,exit --limit 20
  tidview timeline server.tid --tid 1000         one thread: its events, and what it created
  tidview timeline server.tid --since 1s+9s --name 'worker-*'
  tidview timeline server.tid --where 'kind == exit && life > 10s'
  tidview timeline server.tid --stack            with the call stacks that created
  tidview timeline server.tid --lanes --width 120
  tidview timeline server.tid --format ndjson
  tidview timeline server.tid --format csv --pid 1000

In CSV a cell that begins with = + - @ or a tab gets a ' in front, so that no spreadsheet takes
a thread's name for a formula; control characters are escaped as in the table.
"#
    );
    assert_eq!(prints(&["timeline", "-h"]), prints(&["timeline", "--help"]));
}
