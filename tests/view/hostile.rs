//! Programs that call themselves what they like, and files that have been through something.

use tidline::model::{Event, EventBody, Task};

use crate::made::{at, everything, existing, exit, header, rename, thread};
use crate::support::{File, chunks, finished, prints, tidview};

const NAMES: [&[u8]; 8] = [
    b"\x1b[2J\x1b]0;owned\x07",
    b"two\nlines\r\n",
    "\u{202e}txt.exe".as_bytes(),
    "zero\u{200b}width\u{9b}31m".as_bytes(),
    b"\xff\xfe bad utf-8 \xf0\x9f",
    "スレッドプール".as_bytes(),
    b"=HYPERLINK(\"http://x\")",
    b"back\\slash,comma",
];

/// One process whose threads have these names.
fn named(names: &[&[u8]]) -> Vec<Event> {
    let main = Task::new(100, 100);
    let mut events = vec![existing(0, main, b"main")];
    for (name, number) in names.iter().zip(1..) {
        let task = Task::new(100, 100 + number);
        events.push(thread(u64::from(number), main, task));
        events.push(rename(u64::from(number), task, name));
    }
    events.push(at(
        50,
        EventBody::Mark {
            text: b"\x1b[31m".into(),
        },
    ));
    events
}

fn is_safe(text: &str) -> bool {
    let hidden = ['\u{200b}', '\u{202e}', '\u{feff}'];
    text.chars()
        .all(|c| c == '\n' || (!c.is_control() && !hidden.contains(&c)))
}

#[test]
fn no_name_reaches_a_terminal_as_it_is() {
    let file = File::trace(&header(), &named(&NAMES), 60_000_000);
    for (command, formats) in [
        ("info", &["table", "json"][..]),
        ("timeline", &["table", "json", "ndjson", "csv"]),
        ("tree", &["table", "json"]),
        ("threads", &["table", "json"]),
        ("check", &["table", "json"]),
    ] {
        for format in formats {
            let text = prints(&[command, &file.path(), "--format", format]);
            let text = text.replace("\r\n", "\n");
            assert!(is_safe(&text), "{command} {format}: {text:?}");
        }
    }
    let lanes = prints(&["timeline", &file.path(), "--lanes"]);
    assert!(is_safe(&lanes), "{lanes:?}");
}

#[test]
fn hostile_names_are_escaped_and_aligned() {
    let file = File::trace(&header(), &named(&NAMES), 60_000_000);
    assert_eq!(
        prints(&["threads", &file.path()]),
        r#"TID  PID  NAME                            BORN     LIVED  CREATOR    END
100  100  main                          before  >60.0 ms             alive
101  100  \x1b[2J\x1b]0;owned\x07   +0.001000s   59.0 ms  main[100]  alive
102  100  two\nlines\r\n            +0.002000s   58.0 ms  main[100]  alive
103  100  \u{202e}txt.exe           +0.003000s   57.0 ms  main[100]  alive
104  100  zero\u{200b}width\x9b31m  +0.004000s   56.0 ms  main[100]  alive
105  100  \xff\xfe bad…-8 \xf0\x9f  +0.005000s   55.0 ms  main[100]  alive
106  100  スレッドプール            +0.006000s   54.0 ms  main[100]  alive
107  100  =HYPERLINK("http://x")    +0.007000s   53.0 ms  main[100]  alive
108  100  back\\slash,comma         +0.008000s   52.0 ms  main[100]  alive

9 of 9 tasks alive at the end, +0.060000s (16:13:20.060000 +02:00); --all shows every task
"#
    );
}

#[test]
fn json_has_the_names_as_they_are() {
    let file = File::trace(&header(), &named(&NAMES), 60_000_000);
    let json = prints(&["threads", &file.path(), "--format", "json"]);
    let threads: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    let names: Vec<&str> = threads[1..]
        .iter()
        .map(|thread| thread["name"].as_str().unwrap())
        .collect();
    let expected: Vec<_> = NAMES
        .iter()
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect();
    assert_eq!(names, expected);
}

#[test]
fn a_spreadsheet_gets_no_formula() {
    let file = File::trace(&header(), &named(&[b"=1+1", b"@x,y", b"\t=1"]), 60_000_000);
    let path = file.path();
    let args = ["timeline", &path, "--format", "csv", "--kind", "rename"];
    let csv = tidview(&args).out;
    let names: Vec<&str> = csv
        .lines()
        .skip(1)
        .map(|line| line.split(",100,10").nth(1).unwrap())
        .map(|rest| rest[2..].trim_end_matches(','))
        .collect();
    assert_eq!(names, ["'=1+1", "\"'@x,y\"", "\\t=1"]);
}

#[test]
fn a_name_of_ten_kilobytes_is_cut_in_its_middle() {
    let long = "long-".repeat(2_000) + "end";
    let file = File::trace(&header(), &named(&[long.as_bytes()]), 60_000_000);
    for command in ["timeline", "tree", "threads"] {
        let text = prints(&[command, &file.path()]);
        assert!(text.contains("long-long-lo…ng-long-end"), "{text}");
        let widest = text.lines().map(str::len).max();
        assert!(widest < Some(160), "{text}");
    }
    let json = prints(&["threads", &file.path(), "--format", "json"]);
    assert!(json.contains(&long));
}

/// The notice of a trace that was cut after the event at this time.
fn cut_notice(elapsed: &str) -> String {
    format!(
        "cut short: the last record is at {elapsed}, nothing is known after that (or it is still \
         being recorded)"
    )
}

#[test]
fn a_file_cut_anywhere_shows_what_came_before() {
    let events = everything();
    let (bytes, ends) = chunks(&header(), &events);
    for (cut, kept) in [
        (ends[25], 25),
        (ends[25] - 1, 24),
        (ends[13] + 1, 13),
        (ends[13], 13),
        (ends[12] + 20, 12),
        (ends[1], 1),
        (ends[0] + 3, 0),
        (ends[0], 0),
    ] {
        let file = File::new("t.tid", &bytes[..cut]);
        let run = tidview(&["timeline", &file.path(), "--format", "ndjson"]);
        let shown: Vec<&str> = run.out.lines().collect();
        assert_eq!(shown.len(), kept, "cut at {cut}");
        let micros = kept
            .checked_sub(1)
            .map_or(0, |last| events[last].time.0 / 1_000);
        let notice = cut_notice(&format!("+0.{micros:06}s"));
        assert_eq!(run.err, format!("tidview: {notice}\n"));
        assert_eq!(run.code, Some(0));
        let text = prints(&["threads", &file.path()]);
        assert!(text.starts_with(&format!("! {notice}\n\n")), "{text}");
        assert_eq!(tidview(&["check", &file.path()]).code, Some(1));
    }
}

#[test]
fn check_says_what_a_cut_left() {
    let (bytes, ends) = chunks(&header(), &everything());
    let file = File::new("t.tid", &bytes[..ends[13] + 10]);
    let run = tidview(&["check", &file.path()]);
    assert_eq!(run.code, Some(1));
    assert_eq!(
        run.out,
        r#"not complete: 13 events readable, 2 problems

PROBLEM     AT BYTE  BYTES  FROM                 TO         DETAIL
cut short     1,057         +0.045000s 16:13:20  not known  no end mark: it was cut short, or is still being recorded
unfinished    1,047     10  +0.045000s 16:13:20  not known  bytes after the last readable chunk
"#
    );
}

#[test]
fn damage_costs_one_chunk_and_is_told() {
    let (mut bytes, ends) = chunks(&header(), &everything());
    let last = ends[8] - 1;
    bytes[last] ^= 0xff;
    let file = File::new("t.tid", &bytes);
    let run = tidview(&["timeline", &file.path(), "--format", "ndjson"]);
    assert_eq!(run.out.lines().count(), 24);
    assert!(
        run.err.contains("damaged: 1 part of the file ("),
        "{}",
        run.err
    );
    let run = tidview(&["check", &file.path(), "--format", "json"]);
    assert_eq!(run.code, Some(1));
    let report: serde_json::Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(report["ok"], false);
    assert_eq!(report["damaged_chunks"], 1);
    let damage = &report["problems"][0];
    assert_eq!(damage["problem"], "damage");
    assert_eq!(damage["offset"], ends[7]);
    assert_eq!(damage["bytes"], ends[8] - ends[7]);
    assert_eq!(damage["since_ns"], 20_000_000);
    assert_eq!(damage["until_ns"], 30_000_000);
}

#[test]
fn no_damaged_byte_makes_it_fail_or_panic() {
    let bytes = finished(&header(), &everything(), 100_000_000, &[("stops", 5)]);
    for place in (0..bytes.len()).step_by(7) {
        let mut bytes = bytes.clone();
        bytes[place] ^= 0x55;
        let file = File::new("t.tid", &bytes);
        for command in ["check", "tree"] {
            let run = tidview(&[command, &file.path()]);
            assert!(
                matches!(run.code, Some(0..=2)) && !run.err.contains("panicked"),
                "byte {place}: {run:?}"
            );
        }
    }
}

#[test]
fn contradictions_are_shown_and_checked() {
    let main = Task::new(100, 100);
    let events = [
        existing(0, main, b"main"),
        // A TID that is used again without an end, and an end without a birth.
        thread(1, main, Task::new(100, 101)),
        thread(2, main, Task::new(100, 101)),
        exit(3, Task::new(100, 140), 1),
    ];
    let file = File::trace(&header(), &events, 4_000_000);
    assert_eq!(
        prints(&["tree", &file.path()]),
        r#"TASK          WHAT                  BORN     LIVED  END
main[100]     process             before  >4.00 ms  alive
├─ main[101]  thread          +0.001000s   1.00 ms  end not seen at +0.002000s
├─ main[101]  thread          +0.002000s   2.00 ms  alive
└─ ?[140]     thread   before +0.003000s     >0 ns  exit 1 at +0.003000s
"#
    );
    let run = tidview(&["check", &file.path()]);
    assert_eq!(
        (run.out.as_str(), run.code),
        (
            r#"not complete: 4 events readable, 2 problems

PROBLEM   COUNT  FROM                 TO                   DETAIL
no birth      1  +0.000000s 16:13:20  +0.004000s 16:13:20  tasks that appear without a birth
no end        1  +0.000000s 16:13:20  +0.004000s 16:13:20  tasks whose TID or process was used again without an end
"#,
            Some(1)
        )
    );
}
