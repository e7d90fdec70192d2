//! `tidview diff`: what it reports of two recordings, and that it reports nothing of two that are alike.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidline::format::{Header, Target};
use tidline::model::{Event, EventBody, GapReason, Task, Time};
use tidline::synth::{Code, Plan, events};

use crate::made::{at, everything, existing, exit, header, rename, thread};
use crate::support::{File, Folder, chunks, finished, prints, tidview, with_stacks};

const BIN: &str = "/usr/bin/server";

/// A server whose threads have stacks, and TIDs of this run.
struct Server {
    code: Code,
    events: Vec<Event>,
    main: Task,
    next: u32,
    module: &'static str,
}

impl Server {
    fn new(pid: u32) -> Self {
        let main = Task::new(pid, pid);
        Server {
            code: Code::default(),
            events: vec![existing(0, main, b"server")],
            main,
            next: pid + 1,
            module: BIN,
        }
    }

    /// A thread made by these functions, that begins with the one behind `|`; born and ended at a time in
    /// milliseconds. With an empty name it has its creator's for ever.
    fn thread(&mut self, name: &str, (born, ended): (u64, Option<u64>), place: &str) -> Task {
        self.made_by(self.main, name, (born, ended), place)
    }

    fn made_by(
        &mut self,
        creator: Task,
        name: &str,
        (born, ended): (u64, Option<u64>),
        place: &str,
    ) -> Task {
        let task = Task::new(self.main.pid.0, self.next);
        self.next += 1;
        let mut birth = thread(born, creator, task);
        if let (EventBody::Birth(birth), Some((frames, start))) =
            (&mut birth.body, place.split_once(" | "))
        {
            let frames: Vec<&str> = frames.split(" < ").collect();
            birth.stack = Some(self.code.creator(self.module, &frames));
            birth.start = (!start.is_empty()).then(|| self.code.start(self.module, start));
        }
        self.events.push(birth);
        if !name.is_empty() {
            self.events.push(rename(born, task, name.as_bytes()));
        }
        self.events.extend(ended.map(|ms| exit(ms, task, 0)));
        task
    }

    fn bytes(mut self, end: u64) -> Vec<u8> {
        self.events.sort_by_key(|event| event.time);
        with_stacks(&header(), &self.code, &self.events, end * 1_000_000, &[])
    }

    fn file(self, end: u64) -> File {
        File::new("t.tid", &self.bytes(end))
    }
}

const POOL: &str = "start_pool src/pool.c:12 < serve src/main.c:40 | pool_main src/pool.c:90";
const REQUEST: &str = "accept_one src/net.c:7 < serve src/main.c:44 | handle src/net.c:50";
const LOG: &str = "start_log src/log.c:3 | log_main src/log.c:9";
const MONITOR: &str = "start_monitor src/mon.c:3 | monitor src/mon.c:9";
const SESSION: &str = "open_session src/session.c:31 | session src/session.c:80";

/// Ten seconds of a server: a pool, requests, sessions, a log.
fn old() -> Server {
    let mut server = Server::new(100);
    for number in 0..4 {
        server.thread(&format!("pool-{number}"), (10 + number, None), POOL);
    }
    for number in 0..20 {
        server.thread("request", (100 * number, Some(100 * number + 25)), REQUEST);
        server.thread(
            "session",
            (100 * number + 7, Some(100 * number + 70)),
            SESSION,
        );
    }
    server.thread("logger", (5, None), LOG);
    server
}

/// The next version, as another process: one site is new, one gone, and sessions do not end. All else
/// is the same, in another order, with other numbers in names, at other lines.
fn new() -> Server {
    let mut server = Server::new(7_000);
    server.thread("monitor", (1, None), MONITOR);
    for number in 0..20 {
        let ended = (number % 2 == 0).then_some(90 * number + 60);
        server.thread(
            "session",
            (90 * number + 3, ended),
            &SESSION.replace(":31", ":35"),
        );
        let born = 95 * (19 - number);
        server.thread(
            "request",
            (born, Some(born + 31)),
            &REQUEST.replace(":44", ":48"),
        );
    }
    for number in 0..4 {
        server.thread(&format!("pool-{}", 93 - number), (300 + number, None), POOL);
    }
    server
}

/// The changed rows of a comparison: how it was matched, the name, and the changes.
fn changed(args: &[&str]) -> Vec<(String, String, Vec<String>)> {
    let json: Value =
        serde_json::from_str(&prints(&[args, &["--format", "json"]].concat())).unwrap();
    let rows = json["rows"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_string();
    rows.filter(|row| row["changed"] == true)
        .map(|row| {
            let changes = row["changes"].as_array().unwrap().iter().map(text);
            (text(&row["match"]), text(&row["name"]), changes.collect())
        })
        .collect()
}

fn row(how: &str, name: &str, changes: &[&str]) -> (String, String, Vec<String>) {
    let changes = changes.iter().map(ToString::to_string);
    (how.into(), name.into(), changes.collect())
}

#[test]
fn what_changed_and_nothing_else_is_reported() {
    let (old, new) = (old().file(10_000), new().file(10_000));
    assert_eq!(
        changed(&["diff", &old.path(), &new.path()]),
        [
            row("exact", "session", &["alive +10", "exited -10"]),
            row("new", "monitor", &["alive +1", "created +1"]),
            row("gone", "logger", &["alive -1", "created -1"]),
        ]
    );
    let page = prints(&["diff", &old.path(), &new.path()]);
    let from = page.find("CHANGE").unwrap();
    assert_eq!(
        &page[from..],
        "\
CHANGE     MATCH  CREATED   EXITED   ALIVE    PEAK      PER S                P50                P99  CLASS
alive +10  exact       20  20 → 10  0 → 10  1 → 10        2.0  63.0 ms → 57.0 ms  63.0 ms → 57.0 ms  session at open_session (server) begins session (server) < server
alive +1   new      - → 1    - → 0   - → 1   - → 1  - → 0.100                  -                  -  monitor at start_monitor (server) begins monitor (server) < server
alive -1   gone     1 → -    0 → -   1 → -   1 → -  0.100 → -                  -                  -  logger at start_log (server) begins log_main (server) < server

3 of 6 classes changed: 1 new, 1 gone, 1 otherwise
"
    );
}

#[test]
fn the_tree_stands_side_by_side() {
    let (old, new) = (old().file(10_000), new().file(10_000));
    let page = prints(&["diff", &old.path(), &new.path(), "--tree", "--all"]);
    let from = page.find("   OLD      NEW").unwrap();
    assert_eq!(
        &page[from..],
        "   OLD      NEW  CHANGE           CLASS
 0 / 1    0 / 1                   server
20 / 0   20 / 0                     request at accept_one (server) begins handle (server)
     -    1 / 1  alive +1 (new)     monitor at start_monitor (server) begins monitor (server)
20 / 0  20 / 10  alive +10          session at open_session (server) begins session (server)
 4 / 4    4 / 4                     pool-# at start_pool (server) begins pool_main (server)
 1 / 1        -  alive -1 (gone)    logger at start_log (server) begins log_main (server)

3 of 6 classes changed: 1 new, 1 gone, 1 otherwise
OLD and NEW: created, and behind / alive at the end
"
    );
}

#[test]
fn a_run_is_no_different_from_itself() {
    let (one, other) = (old().file(10_000), old().file(10_000));
    let page = prints(&["diff", &one.path(), &other.path()]);
    assert!(page.ends_with("\nno difference in 5 classes\n"), "{page}");
    assert!(!page.contains("CHANGE"), "{page}");
}

#[test]
fn names_that_come_late_or_never_are_no_change() {
    let run = |names: &[&str]| {
        let mut server = Server::new(100);
        for (number, name) in names.iter().enumerate() {
            let born = 10 * number as u64;
            server.thread(name, (born, Some(born + 5)), POOL);
        }
        server.file(1_000)
    };
    let all = run(&["a", "b", "b", "c"]);
    for names in [["a", "", "b", "c"], ["", "", "", ""], ["", "b", "b", "c"]] {
        assert_eq!(
            changed(&["diff", &all.path(), &run(&names).path()]),
            [],
            "{names:?}"
        );
        assert_eq!(
            changed(&["diff", &run(&names).path(), &all.path()]),
            [],
            "{names:?}"
        );
    }
    // One more than names explain.
    assert_eq!(
        changed(&["diff", &all.path(), &run(&["a", "", "b", "c", ""]).path()]),
        [row("new", "server", &["created +1", "exited +1"])]
    );
}

#[test]
fn stacks_that_could_not_be_taken_are_no_change() {
    let run = |places: [&str; 3]| {
        let mut server = Server::new(100);
        for (number, place) in places.iter().enumerate() {
            let born = 10 * number as u64;
            server.thread("worker", (born, Some(born + 5)), place);
        }
        server.thread("logger", (1, None), LOG);
        server.file(1_000)
    };
    let whole = run([POOL, POOL, REQUEST]);
    for places in [[POOL, "", REQUEST], ["", POOL, ""], ["", "", ""]] {
        let other = run(places);
        assert_eq!(
            changed(&["diff", &whole.path(), &other.path()]),
            [],
            "{places:?}"
        );
    }
    assert_eq!(
        changed(&["diff", &whole.path(), &run([POOL, LOG, REQUEST]).path()]),
        [
            row("exact", "worker", &["created -1", "exited -1"]),
            row("new", "worker", &["created +1", "exited +1"]),
        ]
    );
}

#[test]
fn what_ends_with_the_recording_may_as_well_be_alive() {
    let run = |ended: Option<u64>| {
        let mut server = Server::new(100);
        server.thread("late", (500, ended), POOL);
        server.file(1_000)
    };
    let (alive, ended, long_ago) = (run(None), run(Some(900)), run(Some(700)));
    assert_eq!(changed(&["diff", &alive.path(), &ended.path()]), []);
    assert_eq!(
        changed(&["diff", &alive.path(), &long_ago.path()]),
        [row("exact", "late", &["alive -1", "exited +1"])]
    );
}

#[test]
fn classes_are_found_again_under_other_names_creators_and_functions() {
    let mut before = Server::new(100);
    before.thread("fetch-1", (10, None), "start_a a.c:1 < serve | run_a");
    let master = before.thread("master", (20, None), "start_master m.c:1 | run_master");
    before.made_by(master, "slave", (30, None), "start_slave s.c:1 | run_slave");
    before.thread("cache", (40, None), "fill_cache c.c:1 < serve | run_cache");
    let mut after = Server::new(900);
    after.thread("get-1", (10, None), "start_a a.c:1 < serve | run_a");
    let boss = after.thread("boss", (20, None), "start_boss m.c:1 | run_boss");
    after.made_by(boss, "slave", (30, None), "start_slave s.c:1 | run_slave");
    after.thread("cache", (40, None), "warm_cache c.c:1 < serve | run_cache");
    let (before, after) = (before.file(1_000), after.file(1_000));
    let args = ["diff", &before.path(), &after.path()];
    let json: Value = serde_json::from_str(&prints(
        &[&args[..], &["--all", "--format", "json"]].concat(),
    ))
    .unwrap();
    let found: Vec<(&str, &str)> = json["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["match"].as_str().unwrap(),
                row["name"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("new", "boss"),
            ("gone", "master"),
            ("exact", "server"),
            ("no name", "get-#"),
            ("moved", "slave"),
            ("near", "cache")
        ]
    );
    let was = json["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| &row["was"]);
    assert_eq!(
        was.cloned().collect::<Vec<_>>(),
        [
            Value::Null,
            Value::Null,
            Value::Null,
            json!({"name": "fetch-#"}),
            json!({"lineage": ["start_master (server)", "server"]}),
            json!({"site": "fill_cache (server)"}),
        ]
    );
    for form in [&["--all"][..], &["--all", "--tree"], &["--all", "--pairs"]] {
        let page = prints(&[&args[..], form].concat());
        for was in [
            "(was fetch-#)",
            "(was < start_master (server) < server)",
            "(was at fill_cache (server))",
        ] {
            assert!(page.contains(was), "{form:?} {was}: {page}");
        }
        assert_eq!(page.matches("(was ").count(), 3, "{page}");
    }
    let markdown = prints(&[&args[..], &["--all", "--format", "markdown"]].concat());
    assert!(markdown.contains("(was fetch-\\#)"), "{markdown}");
    // With what was renamed, all is as it was.
    let folder = Folder::new();
    let renames = folder.put(
        "renames",
        b"# functions\nstart_master -> start_boss\nrun_master -> run_boss\n\nmaster -> boss\n",
    );
    assert_eq!(changed(&[&args[..], &["--renames", &renames]].concat()), []);
    let typo = folder.put("typo", b"start_a -> start_a\nstart_mastre -> start_boss\n");
    let run = tidview(&[&args[..], &["--renames", &typo]].concat());
    assert_eq!(
        (run.code, run.err.as_str()),
        (
            Some(0),
            "tidview: --renames: line 2: nothing in the old recording is called `start_mastre`\n"
        )
    );
    let wrong = folder.put("wrong", b"a -> b\nc\n");
    let run = tidview(&[&args[..], &["--renames", &wrong]].concat());
    assert_eq!(
        (run.code, run.err),
        (
            Some(2),
            format!(
                "tidview: --renames {wrong}: line 2: it has no ` -> ` between an old and a new name\n"
            )
        )
    );
}

#[test]
fn individuals_are_paired_by_order_under_creators_that_are_a_pair() {
    let run = |pid, swapped: bool| {
        let mut server = Server::new(pid);
        let first = server.thread("pool-1", (10, None), POOL);
        let second = server.thread("pool-2", (20, None), POOL);
        let creators = if swapped {
            [second, first]
        } else {
            [first, second]
        };
        for (creator, born) in creators.into_iter().zip([30, 40]) {
            server.made_by(
                creator,
                &format!("job-{}", creator.tid.0 - pid),
                (born, Some(born + 1)),
                REQUEST,
            );
        }
        server.file(1_000)
    };
    let (old, new) = (run(100, false), run(5_000, true));
    let json = prints(&[
        "diff",
        &old.path(),
        &new.path(),
        "--pairs",
        "--all",
        "--format",
        "json",
    ]);
    let json: Value = serde_json::from_str(&json).unwrap();
    let pairs = |name: &str| -> Vec<(u64, u64)> {
        let rows = json["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["name"] == name).unwrap();
        let tid = |side: &Value| side["tid"].as_u64().unwrap();
        row["pairs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (tid(&it["old"]), tid(&it["new"])))
            .collect()
    };
    assert_eq!(pairs("pool-#"), [(101, 5_001), (102, 5_002)]);
    // The job of the first is the job of the first, though the second's came before it.
    assert_eq!(pairs("job-#"), [(103, 5_004), (104, 5_003)]);
    let page = prints(&["diff", &old.path(), &new.path(), "--pairs", "--all"]);
    assert!(
        page.contains("job-1[103]  +0.030000s  1.00 ms  job-1[5004]  +0.040000s  1.00 ms\n"),
        "{page}"
    );
}

#[test]
fn a_baseline_is_a_range() {
    let run = |requests: u64, pool: u64| {
        let mut server = Server::new(100);
        for number in 0..requests {
            server.thread("request", (10 * number, Some(10 * number + 5)), REQUEST);
        }
        for number in 0..pool {
            server.thread("pool", (number, None), POOL);
        }
        server
    };
    let folder = Folder::new();
    for (number, requests) in [8, 12, 10].into_iter().enumerate() {
        let header = Header {
            trace_id: number as u128,
            ..header()
        };
        let server = run(requests, 4);
        let mut events = server.events;
        events.sort_by_key(|event| event.time);
        let bytes = with_stacks(&header, &server.code, &events, 1_000_000_000, &[]);
        folder.put(&format!("{number}.tid"), &bytes);
    }
    folder.put("notes.txt", b"none of ours");
    let baseline = folder.path("");
    let within = run(11, 4).file(1_000);
    assert_eq!(
        changed(&["diff", &within.path(), "--baseline", &baseline]),
        []
    );
    let beyond = run(14, 5).file(1_000);
    let args = ["diff", &beyond.path(), "--baseline", &baseline];
    assert_eq!(
        changed(&args),
        [
            row("exact", "request", &["created +2", "exited +2"]),
            row("exact", "pool", &["alive +1", "created +1"]),
        ]
    );
    let page = prints(&args);
    assert!(page.contains("8..12 → 14"), "{page}");
    let one = folder.path("0.tid");
    let run = tidview(&[
        "diff",
        &within.path(),
        "--baseline",
        &one,
        "--baseline",
        &one,
    ]);
    assert_eq!((run.out.as_str(), run.code), ("", Some(2)));
    assert!(
        run.err
            .starts_with("tidview: --baseline: 2 runs found, and a range needs 3 at least"),
        "{}",
        run.err
    );
    let damaged = Folder::new();
    damaged.put("x.tid", b"no trace");
    let run = tidview(&["diff", &within.path(), "--baseline", &damaged.path("")]);
    assert_eq!((run.out.as_str(), run.code), ("", Some(2)));
    assert!(run.err.contains("not a tidline trace"), "{}", run.err);
}

#[test]
fn conditions_decide_the_exit_code() {
    let (old, new) = (old().file(10_000), new().file(10_000));
    let (old, new) = (old.path(), new.path());
    let code = |conditions: &[&str]| {
        let mut args = vec!["diff", &old, &new];
        for condition in conditions {
            args.extend(["--fail-on", condition]);
        }
        let run = tidview(&args);
        assert_eq!(run.err, "", "{conditions:?}");
        let failed = run.out.lines().filter(|line| line.starts_with("failed: "));
        (run.code, failed.map(str::to_string).collect::<Vec<_>>())
    };
    assert_eq!(code(&[]), (Some(0), vec![]));
    assert_eq!(
        code(&["alive > +10", "new-sites > 1", "created > +1"]),
        (Some(0), vec![])
    );
    assert_eq!(
        code(&["alive >= +10", "new-sites > 0", "exited < -20%", "gone-sites >= 1"]),
        (
            Some(1),
            vec![
                "failed: 'alive >= +10' holds: +10 from 0 in session at open_session (server) begins session (server) < server".into(),
                "failed: 'new-sites > 0' holds: there is 1".into(),
                "failed: 'exited < -20%' holds: -10 from 20 in session at open_session (server) begins session (server) < server".into(),
                "failed: 'gone-sites >= 1' holds: there is 1".into(),
            ]
        )
    );
    let run = tidview(&["diff", &old, &new, "--fail-on", "alive > 10"]);
    assert_eq!(
        (run.out.as_str(), run.err.as_str(), run.code),
        (
            "",
            "tidview: --fail-on 'alive > 10': column 9: a change is expected, as +10, -5 or +20%\n",
            Some(2)
        )
    );
    let json = tidview(&[
        "diff",
        &old,
        &new,
        "--format",
        "json",
        "--fail-on",
        "new-sites > 0",
    ]);
    assert_eq!(
        (json.err.as_str(), json.code),
        (
            "tidview: --fail-on 'new-sites > 0' holds: there is 1\n",
            Some(1)
        )
    );
    for (args, problem) in [
        (
            &["diff", &old][..],
            "two recordings are compared: name the old one and the new one",
        ),
        (
            &["diff", &old, &new, "--baseline", &old],
            "with --baseline only the new recording is named beside it",
        ),
        (
            &["diff", &old, &new, "--tree", "--format", "json"],
            "--tree draws for people",
        ),
        (
            &["diff", &old, &new, "--between", "a..b"],
            "--between 'a..b': two marks are expected, as mark:warm..mark:done",
        ),
        (
            &["diff", &old, &new, "--renames", "/none"],
            "cannot read --renames /none: ",
        ),
        (&["diff", &old, "/none.tid"], "cannot open /none.tid: "),
    ] {
        let run = tidview(args);
        assert_eq!((run.out.as_str(), run.code), ("", Some(2)), "{args:?}");
        assert!(
            run.err.starts_with(&format!("tidview: {problem}")),
            "{args:?}: {}",
            run.err
        );
    }
}

#[test]
fn what_is_not_sure_fails_nothing() {
    let (mut old, mut new) = (Server::new(100), Server::new(100));
    for server in [&mut old, &mut new] {
        server.thread("logger", (5, None), LOG);
    }
    for number in 0..10 {
        // Seven are born so late that they may have ended as well.
        let born = if number < 3 { 100 } else { 9_900 };
        new.thread("worker", (born + number, None), POOL);
    }
    let (old, new) = (old.file(10_000), new.file(10_000));
    let run = |condition: &str| {
        let run = tidview(&["diff", &old.path(), &new.path(), "--fail-on", condition]);
        let failed = run.out.lines().find(|line| line.starts_with("failed: "));
        (run.code, failed.unwrap_or_default().to_string())
    };
    for condition in ["alive > +9", "alive > +3", "alive >= +4"] {
        assert_eq!(run(condition), (Some(0), String::new()), "{condition}");
    }
    for condition in ["alive > +2", "alive >= +3"] {
        let words = format!(
            "failed: '{condition}' holds: +10 from 0, +3 of it sure, in worker at start_pool (server) \
             begins pool_main (server) < server"
        );
        assert_eq!(run(condition), (Some(1), words));
    }
    assert_eq!(run("created > +9").0, Some(1));
}

#[test]
fn the_banner_says_how_far_they_can_be_compared() {
    let gap = at(
        9,
        EventBody::Gap {
            reason: GapReason::Other(0),
            count: 1,
            since: Time(0),
            detail: b"x".into(),
        },
    );
    let events = [everything(), vec![]].concat();
    let launched = Header {
        launched: true,
        backend: "perf".into(),
        targets: vec![Target::default()],
        ..header()
    };
    let mut with_gap = events.clone();
    with_gap.insert(2, gap);
    with_gap.sort_by_key(|event| event.time);
    let old = File::trace(&header(), &events, 1_000_000_000);
    let (cut, ends) = chunks(&launched, &with_gap);
    let new = File::new("t.tid", &cut[..ends[ends.len() - 1]]);
    let page = prints(&["diff", &old.path(), &new.path()]);
    let notices: Vec<&str> = page
        .lines()
        .take_while(|line| line.starts_with('!'))
        .collect();
    let file = new.path();
    assert_eq!(
        notices,
        [
            &*format!(
                "! NEW ({}) is not all there: 1 gap, cut short; what seems gone or new may be a hole",
                shorten(&file)
            ),
            "! OLD was attached, NEW launched: tasks that were there before an attach were not created, and have no place in the code",
            "! OLD was recorded by ptrace, NEW by perf: docs/backends.md has what each can see",
            "! they are of different lengths (95.0 ms and 1.00 s): more were created in the longer one; --per-second compares rates",
        ]
    );
    // Stacks of one side alone say nothing.
    let (with, without) = (
        self::old().file(1_000),
        File::trace(&header(), &events, 1_000_000_000),
    );
    let page = prints(&["diff", &with.path(), &without.path()]);
    assert!(
        page.starts_with(
            "! only one of them has stacks: classes are compared by names and lineage alone\n"
        ),
        "{page}"
    );
}

fn shorten(path: &str) -> String {
    let chars: Vec<char> = path.chars().collect();
    match chars.len() {
        0..=40 => path.into(),
        all => format!(
            "{}…{}",
            chars[..20].iter().collect::<String>(),
            chars[all - 19..].iter().collect::<String>()
        ),
    }
}

#[test]
fn only_what_is_between_marks_is_compared() {
    let mark = |ms, text: &str| at(ms, EventBody::Mark { text: text.into() });
    let run = |early: u64, late: u64| {
        let mut server = Server::new(100);
        server
            .events
            .extend([mark(1_000, "warm"), mark(2_000, "done")]);
        for number in 0..early {
            server.thread("request", (10 * number, Some(10 * number + 5)), REQUEST);
        }
        for number in 0..late {
            server.thread(
                "request",
                (1_100 + 10 * number, Some(1_105 + 10 * number)),
                REQUEST,
            );
        }
        server.file(3_000)
    };
    let (old, new) = (run(3, 5), run(9, 6));
    let (old, new) = (old.path(), new.path());
    let args = ["diff", &old, &new, "--between", "mark:warm..mark:done"];
    assert_eq!(
        changed(&args),
        [row("exact", "request", &["created +1", "exited +1"])]
    );
    // What is said of the recordings is said of that part.
    let json: Value =
        serde_json::from_str(&prints(&[&args[..], &["--format", "json"]].concat())).unwrap();
    for (which, tasks) in [("old", 6), ("new", 7)] {
        let about = match which {
            "old" => &json["old"][0],
            _ => &json["new"],
        };
        assert_eq!(about["length_ns"], 1_000_000_000, "{which}");
        assert_eq!(about["tasks"], tasks, "{which}");
        assert_eq!(about["between"], "mark:warm..mark:done", "{which}");
    }
    let page = prints(&args);
    let notice = "! only what is between two marks is compared: --between mark:warm..mark:done\n";
    assert!(page.starts_with(notice), "{page}");
    assert!(page.contains(" 1.00 s (--between), "), "{page}");
    let markdown = prints(&[&args[..], &["--format", "markdown"]].concat());
    assert!(markdown.contains("--between mark:warm"), "{markdown}");
    for (marks, problem) in [
        (
            "mark:cold..mark:done",
            "it has no mark `cold`; it has `warm`, `done`",
        ),
        (
            "mark:warm..mark:end",
            "it has no mark `end`; it has `warm`, `done`",
        ),
        (
            "mark:done..mark:warm",
            "its mark `warm` is not behind `done`",
        ),
    ] {
        let run = tidview(&["diff", &old, &new, "--between", marks]);
        assert_eq!(
            (run.out.as_str(), run.err, run.code),
            (
                "",
                format!("tidview: --between: {old}: {problem}\n"),
                Some(2)
            )
        );
    }
}

#[test]
fn code_of_a_jit_compiler_is_the_same_in_every_run() {
    let run = |module, dir: &str, [tier, other]: [&str; 2], line: u32| {
        let mut server = Server::new(100);
        server.module = module;
        for (number, tier) in [(0, tier), (1, other), (2, other)] {
            let place = format!(
                "JS:{tier}start {dir}/pool.js:{line}:7 none:1 < \
                 JS:~ node:internal/timers:{line}:9 none:1 | JS:{tier}run {dir}/pool.js:90:1 none:1"
            );
            server.thread("pool", (10 * number, Some(10 * number + 5)), &place);
        }
        server.file(1_000)
    };
    let old = run("/tmp/perf-100.map", "/srv/one", ["~", "^"], 12);
    let new = run("/tmp/perf-7000.map", "file:///srv/two", ["~", "*"], 14);
    let args = ["diff", &old.path(), &new.path(), "--all", "--tree"];
    let page = prints(&args);
    let class = "pool at JS:start pool.js (perf-#.map) begins JS:run pool.js (perf-#.map)\n";
    assert!(page.contains(class), "{page}");
    assert!(page.contains("\nno difference in 2 classes\n"), "{page}");
}

#[test]
fn parts_between_marks_are_warned_of_by_their_own_lengths() {
    let mark = |ms, text: &str| at(ms, EventBody::Mark { text: text.into() });
    let run = |done: u64, end: u64| {
        let mut server = Server::new(100);
        server
            .events
            .extend([mark(100, "warm"), mark(done, "done")]);
        server.file(end)
    };
    let (old, longer_part, longer_file) = (run(400, 3_000), run(2_100, 3_000), run(400, 9_000));
    let notices = |new: &File| {
        let marks = "mark:warm..mark:done";
        let page = prints(&["diff", &old.path(), &new.path(), "--between", marks]);
        let notices = page.lines().filter(|line| line.starts_with("! they are"));
        notices.map(str::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        notices(&longer_part),
        [
            "! they are of different lengths (300 ms and 2.00 s): more were created in the longer one; \
             --per-second compares rates"
        ]
    );
    assert_eq!(notices(&longer_file), [""; 0]);
}

#[test]
fn rates_are_compared_where_lengths_differ() {
    let run = |each_ms: u64, ms: u64| {
        let mut server = Server::new(100);
        for number in 0..ms / each_ms {
            server.thread(
                "request",
                (each_ms * number, Some(each_ms * number + 5)),
                REQUEST,
            );
        }
        server.file(ms)
    };
    let (old, longer, busier) = (run(10, 10_000), run(10, 30_000), run(5, 10_000));
    assert_eq!(
        changed(&["diff", &old.path(), &longer.path(), "--per-second"]),
        []
    );
    assert_eq!(
        changed(&["diff", &old.path(), &busier.path(), "--per-second"]),
        [row(
            "exact",
            "request",
            &["created +100/s", "exited +100/s"]
        )]
    );
}

#[test]
fn hostile_names_stay_text_in_every_form_and_width() {
    let evil = "\u{1b}[2J|<b>\n`x`\u{202e}スレッド";
    let mut server = old();
    for number in 0..3 {
        server.thread(
            evil,
            (200 + number, None),
            &format!("{}{number} e.c:1 | {evil}", "x".repeat(5_000)),
        );
    }
    let (old, new) = (old().file(10_000), server.file(10_000));
    let (old, new) = (old.path(), new.path());
    for form in [
        &["--all"][..],
        &["--tree"],
        &["--pairs"],
        &["--format", "markdown"],
        &["--format", "json"],
    ] {
        let out = prints(&[&["diff", &old, &new][..], form].concat());
        let bad = out
            .chars()
            .find(|c| (c.is_control() && *c != '\n') || *c == '\u{202e}');
        assert_eq!(bad, None, "{form:?}: {out}");
        assert!(
            !out.contains("<b>") || form == ["--format", "json"] || form[0] != "--format",
            "{out}"
        );
    }
    use unicode_width::UnicodeWidthStr;
    for width in [60, 79, 80, 100, 119, 120, 150, 200] {
        for form in ["--all", "--tree", "--pairs"] {
            let out = prints(&["diff", &old, &new, form, "--width", &width.to_string()]);
            let widest = out.lines().map(UnicodeWidthStr::width).max().unwrap();
            assert!(widest <= width, "{form} {width}: {widest}\n{out}");
        }
    }
}

#[test]
fn damaged_recordings_are_compared_as_far_as_they_go() {
    let sound = old().bytes(10_000);
    let other = File::new("t.tid", &sound);
    let corrupt = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/corrupt");
    let mut files = 0;
    for file in std::fs::read_dir(corrupt).unwrap() {
        let path = file.unwrap().path();
        for args in [
            [path.to_str().unwrap(), &other.path()],
            [&other.path(), path.to_str().unwrap()],
        ] {
            let run = tidview(&["diff", args[0], args[1]]);
            let told = run.code == Some(2) && run.out.is_empty() && run.err.contains("cannot read");
            let shown =
                run.code == Some(0) && run.err.is_empty() && run.out.contains("classes changed");
            assert!(told || shown, "{args:?}: {run:?}");
        }
        files += 1;
    }
    assert_eq!(files, 19);
    for cut in (0..sound.len()).step_by(7) {
        let file = File::new("t.tid", &sound[..cut]);
        let run = tidview(&["diff", &other.path(), &file.path()]);
        assert!(matches!(run.code, Some(0 | 2)), "{cut}: {run:?}");
    }
}

#[test]
fn chains_and_deep_lineages_are_compared() {
    let run = |pid: u32, depth: u32| {
        let mut server = Server::new(pid);
        let mut creator = server.main;
        for number in 0..depth {
            let name = ["left", "right"][number as usize % 2].to_string();
            creator = server.made_by(creator, &name, (u64::from(number), None), "");
        }
        server.file(10_000)
    };
    let (old, new) = (run(100, 3_000), run(9_000, 3_001));
    assert_eq!(
        changed(&["diff", &old.path(), &new.path()]),
        [row("exact", "left", &["alive +1", "created +1"])]
    );
}

#[test]
fn very_many_classes_are_compared() {
    let run = |first: u32| {
        let mut server = Server::new(100);
        for number in first..first + 20_000 {
            // Names without digits, no two alike.
            let digits = number.to_string().into_bytes();
            let name: Vec<u8> = digits.iter().map(|digit| digit + b'a' - b'0').collect();
            let name = String::from_utf8(name).unwrap();
            server.thread(&name, (u64::from(number % 9_000), None), POOL);
        }
        server.file(10_000)
    };
    let (old, new) = (run(100_000), run(200_000));
    let page = prints(&["diff", &old.path(), &new.path(), "--all", "--limit", "3"]);
    assert!(
        page.contains("no difference in 20,001 classes\nmatched 20,000 under another name"),
        "{page}"
    );
}

/// Two builds of one program, recorded by tidrec: see testdata/diff/README.md.
#[test]
fn two_real_builds() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/diff");
    let path = |name: &str| data.join(name).to_str().unwrap().to_string();
    assert_eq!(
        changed(&["diff", &path("old.tid"), &path("new.tid")]),
        [
            row("exact", "variant", &["alive +6", "exited -6"]),
            row("new", "monitor", &["alive +3", "created +3"]),
            row("gone", "logger", &["alive -1", "created -1"]),
        ]
    );
    assert_eq!(changed(&["diff", &path("old.tid"), &path("again.tid")]), []);
}

/// tidrec, where `cargo build` puts it beside tidview.
fn tidrec() -> PathBuf {
    let beside = Path::new(env!("CARGO_BIN_EXE_tidview")).with_file_name("tidrec");
    assert!(
        beside.exists(),
        "{} is missing: `cargo build -p tidline-recorder` first",
        beside.display()
    );
    beside
}

/// A program is no different from itself, however often it runs: of its own version 50 pairs report
/// nothing.
#[test]
#[ignore = "records for a minute; needs tidrec, a C compiler and the right to trace"]
fn fifty_runs_of_one_program_are_no_different() {
    let folder = Folder::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/programs/variant.c");
    let program = folder.path("variant");
    let built = Command::new("cc")
        .args(["-g", "-O1", "-pthread", "-DVARIANT=1", "-o", &program])
        .arg(source)
        .status();
    assert!(built.expect("cc starts").success());
    let mut before: Option<String> = None;
    let mut different = Vec::new();
    for number in 0..=50 {
        let file = folder.path(&format!("{number}.tid"));
        let run = Command::new(tidrec())
            .args(["-q", "-o", &file, "--", &program])
            .output()
            .expect("tidrec starts");
        assert!(run.status.success(), "{run:?}");
        if let Some(before) = before.replace(file.clone()) {
            let changed = changed(&["diff", &before, &file]);
            if !changed.is_empty() {
                different.push((number, changed));
            }
        }
    }
    assert_eq!(different, []);
}

/// How long it takes, and how much memory, to compare two large recordings.
#[test]
#[ignore = "ten million events each; writes a few hundred megabytes, and measures"]
fn large_recordings_take_seconds() {
    for count in [1_000_000, 10_000_000] {
        let files = [1, 3].map(|seed| {
            let plan = Plan {
                events: count,
                width: 200,
                seed,
            };
            File::new(
                "t.tid",
                &finished(&header(), &events(plan), 1_000_000_000_000, &[]),
            )
        });
        let begun = Instant::now();
        let mut child = crate::support::command(&["diff", &files[0].path(), &files[1].path()])
            .stdout(std::process::Stdio::null())
            .spawn()
            .expect("tidview starts");
        let mut peak = String::new();
        while child.try_wait().expect("it runs").is_none() {
            let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()));
            let line = status.unwrap_or_default();
            if let Some(line) = line.lines().find(|line| line.starts_with("VmHWM")) {
                peak = line.to_string();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        println!("{count} events each: {:?}, {peak}", begun.elapsed());
    }
}
