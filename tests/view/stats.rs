//! Numbers of a trace: against a plain count of its events, and as they are shown.

use serde_json::{Value, json};
use tidline::model::{Event, EventBody, Task};
use unicode_width::UnicodeWidthStr;

use crate::made::{at, everything, existing, header, rename, thread, with_losses};
use crate::select::{END, MS, World};
use crate::support::{File, finished, prints, tidview};

fn stats(path: &str, args: &[&str]) -> Value {
    let all = [&["stats", path, "--format", "json"][..], args].concat();
    serde_json::from_str(&tidview(&all).out).unwrap_or_else(|error| panic!("{args:?}: {error}"))
}

#[test]
fn numbers_are_those_of_the_events() {
    let world = World::new();
    let file = File::trace(&header(), &world.events, END);
    for (args, from, to, is) in [
        (&[][..], 0, END, (|_, _| true) as fn(&World, usize) -> bool),
        (&["--since", "100ms+150ms"], 100 * MS, 250 * MS, |_, _| true),
        (&["--what", "process"], 0, END, |world, task| {
            world.lives[task].what == "process"
        }),
        (
            &["--parent", "100", "--until", "200ms"],
            0,
            200 * MS,
            |world, task| world.lives[task].parent == Some(0),
        ),
        (&["--where", "signal == SIGKILL"], 0, END, |world, task| {
            world.lives[task].signal
        }),
    ] {
        let found = stats(&file.path(), &[args, &["--bucket", "10ms"]].concat());
        let lives: Vec<_> = (0..world.lives.len())
            .filter(|task| is(&world, *task))
            .map(|task| &world.lives[task])
            .filter(|life| life.born <= to && life.ended.is_none_or(|ended| ended >= from))
            .collect();
        let within = |time: u64, from, to| (from..=to).contains(&time);
        let created = |from, to| {
            let born = |life: &&&crate::select::Life| {
                life.kind != "existing" && within(life.born, from, to)
            };
            lives.iter().filter(born).count()
        };
        let exited = |from, to| {
            let ended = |life: &&&crate::select::Life| {
                life.ended.is_some_and(|ended| within(ended, from, to))
            };
            lives.iter().filter(ended).count()
        };
        assert_eq!(found["tasks"], lives.len(), "{args:?}");
        assert_eq!(found["creations"], created(from, to), "{args:?}");
        assert_eq!(found["exits"], exited(from, to), "{args:?}");
        let alive = |time: u64| {
            let lived = |life: &&&crate::select::Life| {
                life.born <= time && life.ended.is_none_or(|ended| ended > time)
            };
            lives.iter().filter(lived).count()
        };
        let moments = (from / MS..=to / MS).map(|ms| ms * MS);
        let peak = moments.clone().map(alive).max().unwrap();
        assert_eq!(found["peak_alive"], peak, "{args:?}");
        let when = moments.clone().find(|time| alive(*time) == peak).unwrap();
        assert_eq!(found["peak_ns"], when, "{args:?}");
        assert_eq!(found["alive_at_end"], alive(to), "{args:?}");
        let mut ended: Vec<u64> = lives
            .iter()
            .filter(|life| life.kind != "existing" && life.ended.is_some_and(|it| it <= to))
            .map(|life| life.ended.unwrap() - life.born)
            .collect();
        ended.sort_unstable();
        let rank = |percent: usize| ended.get((ended.len() * percent).div_ceil(100).max(1) - 1);
        let life = json!({
            "count": ended.len(), "p50_ns": rank(50), "p90_ns": rank(90), "p99_ns": rank(99),
            "max_ns": ended.last(),
        });
        assert_eq!(found["life"], life, "{args:?}");
        let killed = lives
            .iter()
            .filter(|life| life.signal && life.ended.is_some_and(|ended| within(ended, from, to)));
        let signals: u64 = found["signals"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["count"].as_u64().unwrap())
            .sum();
        assert_eq!(signals, killed.count() as u64, "{args:?}");

        let parts = found["buckets"].as_array().unwrap();
        assert_eq!(parts.len() as u64, (to - from + 1).div_ceil(10 * MS));
        for (number, part) in parts.iter().enumerate() {
            let begin = from + number as u64 * 10 * MS;
            let last = (begin + 10 * MS - 1).min(to);
            assert_eq!(part["from_ns"], begin);
            assert_eq!(part["creations"], created(begin, last), "{args:?} {begin}");
            assert_eq!(part["exits"], exited(begin, last), "{args:?} {begin}");
            let most = (begin / MS..=last / MS).map(|ms| alive(ms * MS)).max();
            assert_eq!(part["alive"], most.unwrap(), "{args:?} {begin}");
        }
        let mut by = std::collections::BTreeMap::<u32, u64>::new();
        for life in lives
            .iter()
            .filter(|life| life.kind != "existing" && within(life.born, from, to))
        {
            *by.entry(world.lives[life.parent.unwrap()].task.tid.0)
                .or_default() += 1;
        }
        let most = by.values().max().copied().unwrap_or(0);
        let first = &found["creators"][0];
        assert_eq!(first["created"].as_u64().unwrap_or(0), most, "{args:?}");
        if let Some(tid) = first["tid"].as_u64() {
            assert_eq!(by[&(tid as u32)], most, "{args:?}");
        }
    }
}

#[test]
fn a_page_of_numbers() {
    let bytes = finished(
        &header(),
        &with_losses(),
        100 * MS,
        &[("stops", 5), ("stop_total_ns", 7_000)],
    );
    let file = File::new("t.tid", &bytes);
    assert_eq!(
        prints(&["stats", &file.path(), "--width", "70", "--bucket", "10ms"]),
        r#"! 1,234 events lost while recording: tasks may be missing, and ends
  too
! 1 gap: there were tasks that the recorder could not see; `tidview
  check` says why

                   │0s                      │50ms
created  max 100/s █████████████████████████████████     ████
exited   max 200/s                    █████▄▄▄▄     █████    ▄▄▄▄▄
alive    max 7     ▄▄▄▄▄▅▅▅▅▅▆▆▆▆▇▇▇▇▇█████▆▆▆▆▇▇▇▇▇▆▆▆▆▆▆▆▆▆▅▅▅▅▅▄▄▄▄

time      from +0.000000s for 100 ms, in parts of 10ms
created   8, 80.0 a second: 5 threads and 3 processes
exited    6, 60.0 a second
alive     7 at most, at +0.040000s (16:13:20.040000 +02:00); 3 at the
          end
lives     p50 20.0 ms, p90 35.0 ms, p99 35.0 ms, max 35.0 ms, of 5
          that ended
execs     2
killed    SIGSEGV x 1
losses    1,234 events, 1 gap: `tidview check` says more
recorder  stop total 7.00 µs, stops 5

CREATED  BY
      4  pool[110]
      3  server[100]
      1  (not known)

TASKS  NAME
    4  worker-#
    2  server
    1  gc
    1  ls
    1  pool
    1  sh
"#
    );
    assert_eq!(
        prints(&[
            "stats",
            &file.path(),
            "--ascii",
            "--width",
            "70",
            "--bucket",
            "10ms"
        ])
        .lines()
        .find(|line| line.starts_with("alive")),
        Some("alive    max 7     =====+++++****#####@@@@@****#####*********+++++====")
    );
    let csv = prints_csv(&file.path());
    assert_eq!(
        csv,
        "from_ns,creations,exits,failures,alive\r\n0,3,0,0,3\r\n30000000,2,3,0,5\r\n60000000,0,0,0,2\r\n90000000,0,0,0,2\r\n"
    );
}

fn prints_csv(path: &str) -> String {
    let run = tidview(&[
        "stats", path, "--format", "csv", "--bucket", "30ms", "--tid", "110",
    ]);
    assert!(
        run.err
            .ends_with("tidview: 5 of 10 tasks; 5 hidden by --tid 110\n"),
        "{}",
        run.err
    );
    run.out
}

#[test]
fn refused_creations_are_counted_by_error_and_place() {
    let mut events = everything();
    for ms in 96..99 {
        let errno = if ms == 98 { 12 } else { 11 };
        events.push(at(
            ms,
            EventBody::CreateFailed {
                task: Task::new(100, 110),
                call: b"clone3".into(),
                errno,
                flags: None,
                pc: None,
                stack: None,
            },
        ));
    }
    let file = File::trace(&header(), &events, 100 * MS);
    let found = stats(&file.path(), &[]);
    assert_eq!(found["failures"], 3);
    assert_eq!(
        found["errors"],
        json!([{"value": "EAGAIN", "count": 2}, {"value": "ENOMEM", "count": 1}])
    );
    assert_eq!(
        found["failed_sites"],
        json!([{"value": "(no stack)", "count": 3}])
    );
    assert_eq!(found["execs"], 2);
    let page = prints(&["stats", &file.path()]);
    assert!(
        page.contains("refused  3 creations: EAGAIN x 2, ENOMEM x 1; at (no stack) x 3\n"),
        "{page}"
    );
    assert_eq!(stats(&file.path(), &["--tid", "120"])["failures"], 0);
}

#[test]
fn bursts_are_when_how_many_and_by_whom() {
    let [main, pool] = [100, 101].map(|tid| Task::new(100, tid));
    let mut events = vec![
        existing(0, main, b"main"),
        thread(1, main, pool),
        rename(1, pool, b"pool"),
    ];
    let mut tid = 1_000;
    let mut born = |ms: u64, parent: Task, number: u32, events: &mut Vec<Event>| {
        for _ in 0..number {
            tid += 1;
            events.push(thread(ms, parent, Task::new(100, tid)));
        }
    };
    for second in 1..10 {
        born(second * 1_000, main, 1, &mut events);
        if second == 4 {
            born(4_500, pool, 30, &mut events);
            born(4_501, main, 10, &mut events);
        }
    }
    let file = File::trace(&header(), &events, 10_000 * MS);
    assert_eq!(
        stats(&file.path(), &[])["bursts"],
        json!([{
            "from_ns": 4_500 * MS, "to_ns": 4_501 * MS, "created": 40,
            "by": [{"value": "pool[101]", "count": 30}, {"value": "main[100]", "count": 10}],
        }])
    );
    assert_eq!(stats(&file.path(), &["--until", "4s"])["bursts"], json!([]));
}

#[test]
fn it_fits_every_width_whatever_the_names() {
    let main = Task::new(100, 100);
    let mut events = vec![existing(0, main, b"\x1b[2J\xff\xe2\x80\xaeabc")];
    for number in 0..30 {
        let task = Task::new(100, 200 + number);
        let name = match number % 3 {
            0 => "スレッド".repeat(40),
            1 => format!("worker-{number}"),
            _ => "a b\n\t".repeat(20),
        };
        events.push(thread(u64::from(number), main, task));
        events.push(rename(u64::from(number), task, name.as_bytes()));
    }
    let file = File::trace(&header(), &events, 100 * MS);
    let path = file.path();
    for width in [60, 80, 100, 120, 160, 200] {
        for more in [&[][..], &["--ascii"], &["--name", "w*"], &["--tid", "5"]] {
            let number = width.to_string();
            let args = [&["stats", &path, "--width", &number][..], more].concat();
            let page = prints(&args);
            assert!(
                !page.contains('\x1b') && !page.contains('\u{202e}'),
                "{page}"
            );
            for line in page.lines() {
                assert!(line.width() <= width, "{width}: {line}");
            }
            assert!(more != ["--ascii"] || page.is_ascii(), "{page}");
        }
    }
}

#[test]
fn a_trace_of_nothing_has_numbers_too() {
    let file = File::trace(&header(), &[], 0);
    let found = stats(&file.path(), &[]);
    assert_eq!(
        (&found["tasks"], &found["creations"], &found["peak_alive"]),
        (&json!(0), &json!(0), &json!(0))
    );
    assert_eq!(found["life"]["p50_ns"], Value::Null);
    assert!(prints(&["stats", &file.path()]).contains("none was seen from birth to end\n"));
    for (bucket, problem) in [
        ("1ns", "--bucket: "),
        ("0s", "--bucket: a part has some length, such as 100ms\n"),
        (
            "long",
            "--bucket long: it is no length of time: 500ms, 10s or 1h30m are\n",
        ),
    ] {
        let file = File::trace(&header(), &everything(), u64::MAX / 4);
        let run = tidview(&["stats", &file.path(), "--bucket", bucket]);
        assert_eq!(run.code, Some(2), "{bucket}");
        assert!(
            run.err.starts_with(&format!("tidview: {problem}")),
            "{}",
            run.err
        );
    }
    let long = File::trace(&header(), &everything(), u64::MAX);
    assert!(prints(&["stats", &long.path()]).contains("8, 0 a second: 5 threads and 3 processes"));
    assert_eq!(stats(&long.path(), &[])["creations"], 8);
}
