//! Traces with very many tasks: very deep, or very wide. They stay readable, and quick.

use std::io::Read;
use std::process::Stdio;

use tidline::model::{Event, Task};
use tidline::synth::{self, Plan};

use crate::made::{existing, exit, header, process, rename, thread};
use crate::support::{File, command, prints};

const DEEP: u32 = 50_000;

/// Each thread creates the next, and ends.
fn chain() -> Vec<Event> {
    let mut last = Task::new(100, 100);
    let mut events = vec![existing(0, last, b"main")];
    for number in 0..DEEP {
        let next = Task::new(100, 1_000 + number);
        let ms = u64::from(number) + 1;
        events.push(thread(ms, last, next));
        events.push(rename(ms, next, format!("link-{number}").as_bytes()));
        if number > 0 {
            events.push(exit(ms, last, 0));
        }
        last = next;
    }
    events
}

#[test]
fn a_chain_of_fifty_thousand_folds_into_one_line() {
    let file = File::trace(&header(), &chain(), 60_000_000_000);
    assert_eq!(
        prints(&["tree", &file.path()]),
        r#"TASK                           WHAT                BORN                       LIVED  END
main[100]                      process           before                     >1m 00s  alive
└─ link-# x 50,000 in a chain  threads  +0.001..50.000s  1.00 ms / 1.00 ms / 10.0 s  1 alive, 49,999 exit 0

folded: first and last birth, shortest/median/longest life; --no-fold shows every task
"#
    );
    assert_eq!(
        prints(&["timeline", &file.path(), "--lanes", "--width", "60"]),
        r#"                      │0s         │20s        │40s
main[100]             ←────────────────────────────────────→
  link-# x 50,000, ≤2 ███████████████████████████████▄▄▄▄▄▄▄

← there before   → alive at the end
▁█ how many of alike tasks live (≤ the most at a time)
"#
    );
}

#[test]
fn a_chain_of_fifty_thousand_can_be_shown_link_by_link() {
    let file = File::trace(&header(), &chain(), 60_000_000_000);
    let text = prints(&["tree", &file.path(), "--no-fold"]);
    assert_eq!(text.lines().count(), 50_002);
    let last = text.lines().last().unwrap();
    assert!(
        last.starts_with("⋯50,000  ") && last.contains("└─ link-49999[50999]  "),
        "{last}"
    );
    let json = prints(&["tree", &file.path(), "--format", "json"]);
    assert_eq!(json.matches(r#""children":["#).count(), 50_001);
    assert!(json.ends_with(&("]}".repeat(50_001) + "]\n")));
    let cut = prints_cut(&file);
    let nested: serde_json::Value = serde_json::from_str(&cut.0).unwrap();
    assert_eq!(nested[0]["children"][0]["name"], "link-0");
    assert_eq!(nested[0]["children"][0]["children"], serde_json::json!([]));
    assert_eq!(cut.1, "tidview: … 49,999 more tasks; --limit 0 shows all\n");
}

/// The tree as JSON cut to two tasks: what was printed, and what was told.
fn prints_cut(file: &File) -> (String, String) {
    let run = crate::support::tidview(&["tree", &file.path(), "--format", "json", "--limit", "2"]);
    (run.out, run.err)
}

#[test]
fn ten_thousand_siblings_are_a_few_lines() {
    let main = Task::new(100, 100);
    let mut events = vec![existing(0, main, b"main")];
    for number in 0..10_000u32 {
        let (task, ms) = (Task::new(100, 1_000 + number), u64::from(number));
        events.push(thread(ms, main, task));
        events.push(rename(ms, task, format!("worker-{number}").as_bytes()));
        if number >= 5_000 {
            events.push(exit(ms, Task::new(100, number - 4_000), 0));
        }
    }
    let file = File::trace(&header(), &events, 12_000_000_000);
    assert_eq!(
        prints(&["tree", &file.path()]),
        r#"TASK                  WHAT               BORN                     LIVED  END
main[100]             process          before                   >12.0 s  alive
└─ worker-# x 10,000  threads  +0.000..9.999s  2.00 s / 5.00 s / 7.00 s  5,000 alive, 5,000 exit 0

folded: first and last birth, shortest/median/longest life; --no-fold shows every task
"#
    );
    assert_eq!(
        prints(&["timeline", &file.path(), "--lanes", "--width", "70"]),
        r#"                            │0s              │5s              │10s
main[100]                   ←────────────────────────────────────────→
  worker-# x 10,000, ≤5,001 ▁▁▂▂▃▃▄▄▅▅▆▆▇▇████████████████████████████

← there before   → alive at the end
▁█ how many of alike tasks live (≤ the most at a time)
"#
    );
    let rows = prints(&["threads", &file.path()]).lines().count();
    assert_eq!(rows, 1 + 5_001 + 2);
}

#[test]
fn siblings_with_children_fold_when_they_are_many() {
    let main = Task::new(100, 100);
    let mut events = vec![existing(0, main, b"main")];
    for number in 0..30u32 {
        let child = Task::new(1_000 + 10 * number, 1_000 + 10 * number);
        let ms = u64::from(number);
        events.push(process(ms, main, child));
        events.push(rename(ms, child, format!("job-{number}").as_bytes()));
        events.push(thread(ms, child, Task::new(child.pid.0, child.tid.0 + 1)));
    }
    let file = File::trace(&header(), &events, 100_000_000);
    assert_eq!(
        prints(&["tree", &file.path()]),
        r#"TASK                     WHAT                       BORN                       LIVED  END
main[100]                process                  before                     >100 ms  alive
└─ job-# x 30, 30 below  processes  +0.000000..0.029000s  71.0 ms / 86.0 ms / 100 ms  30 alive

folded: first and last birth, shortest/median/longest life; --no-fold shows every task
"#
    );
}

#[test]
fn who_reads_no_further_ends_it_quietly() {
    let plan = Plan {
        events: 50_000,
        width: 16,
        seed: 1,
    };
    let file = File::trace(&synth::header(), &synth::events(plan), u64::MAX / 4);
    for args in [
        &["timeline"][..],
        &["timeline", "--format", "ndjson"],
        &["timeline", "--format", "csv"],
        &["tree", "--no-fold"],
        &["tree", "--format", "json"],
        &["threads", "--all"],
        &["threads", "--all", "--format", "json"],
    ] {
        let path = file.path();
        let mut args = args.to_vec();
        args.insert(1, &path);
        let mut child = command(&args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0; 100];
        let mut out = child.stdout.take().unwrap();
        out.read_exact(&mut first).unwrap();
        drop(out);
        let ended = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&ended.stderr), "", "{args:?}");
        assert_eq!(ended.status.code(), Some(0), "{args:?}");
    }
}
