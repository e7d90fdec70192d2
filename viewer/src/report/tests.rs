//! What a page's data says of traces made by hand, decoded again.

use std::collections::HashMap;

use serde_json::Value;
use tidline::format::Header;
use tidline::model::{
    Anchor, Birth, End, Ending, Event, EventBody, GapReason, Integrity, StackEnd, Task, Tid, Time,
    Trace, TraceBuilder, Via, What,
};
use tidline::synth::{self, Code, Plan};

use super::both;
use super::columns::decode;
use super::data::{Asking, MOST_TASKS, pack};
use crate::compare::Compared;
use crate::diff::change::Comparison;
use crate::diff::pair::pair;
use crate::diff::reduce::{Reading, reduce};
use crate::diff::roles::Book;
use crate::diff::side::Person;
use crate::diff::words::Renames;
use crate::select::{Selector, Selectors};
use crate::site::{Rules, Sites};
use crate::time::Clock;
use crate::view::diff::about::About;

const SECOND: u64 = 1_000_000_000;
const LIBC: &str = "/usr/lib/libc.so.6";

/// A page's data as the page decodes it.
struct Decoded {
    head: Value,
    columns: HashMap<String, Vec<u64>>,
    asides: Vec<String>,
}

impl Decoded {
    fn of(trace: &Trace, most: usize) -> Decoded {
        Decoded::selected(trace, most, &Selectors::default())
    }

    fn selected(trace: &Trace, most: usize, args: &Selectors) -> Decoded {
        Decoded::with(trace, most, args, &[])
    }

    fn with(trace: &Trace, most: usize, args: &Selectors, people: &[Person]) -> Decoded {
        let sites = Sites::of(trace, &Rules::new(None).unwrap());
        let asking = Asking {
            title: None,
            utc: false,
            most,
            people,
        };
        let clock = Clock::new(trace.anchors(), false);
        let selector = Selector::new(args, trace, &sites, &clock).unwrap();
        let packed = pack(trace, &sites, &selector, &asking);
        let length = u32::from_le_bytes(packed.bytes[..4].try_into().unwrap()) as usize;
        let head: Value = serde_json::from_slice(&packed.bytes[4..4 + length]).unwrap();
        Decoded {
            columns: decode::columns(&head["columns"], &packed.bytes[4 + length..]),
            head,
            asides: packed.asides,
        }
    }

    /// A column; one that is left out is of zeros.
    fn column(&self, name: &str) -> Vec<u64> {
        let zeros = vec![0; self.head["rows"].as_u64().unwrap() as usize];
        self.columns.get(name).cloned().unwrap_or(zeros)
    }

    fn text(&self, number: u64) -> &str {
        self.head["strings"][number as usize].as_str().unwrap()
    }

    fn texts(&self, column: &str) -> Vec<&str> {
        let numbers = self.column(column);
        numbers.iter().map(|number| self.text(*number)).collect()
    }
}

fn header() -> Header {
    Header {
        start_wall_ns: 1_790_000_000_000_000_007,
        utc_offset_s: 7_200,
        ..synth::header()
    }
}

fn trace(code: &Code, events: Vec<Event>, end: u64) -> Trace {
    trace_of(header(), code, events, end)
}

fn trace_of(header: Header, code: &Code, events: Vec<Event>, end: u64) -> Trace {
    let mut builder = TraceBuilder::new(header);
    for definition in code.definitions() {
        builder.define(definition);
    }
    for event in events {
        builder.push(event);
    }
    builder.reached(Time(end));
    builder.finish(Integrity::new(Ending::Finished("the target ended".into())))
}

fn at(time: u64, body: EventBody) -> Event {
    Event {
        time: Time(time),
        body,
    }
}

fn existing(task: Task, name: &[u8]) -> Event {
    let name = name.into();
    at(
        0,
        EventBody::Existing {
            task,
            parent_pid: None,
            name,
            pc: None,
            inner: None,
        },
    )
}

fn birth(time: u64, parent: Task, child: Task, stack: Option<tidline::model::StackId>) -> Event {
    at(
        time,
        EventBody::Birth(Birth {
            via: Via::Clone,
            what: What::Thread,
            parent: Some(parent),
            child,
            flags: None,
            pc: None,
            inner: Some(Tid(7)),
            stack,
            start: None,
        }),
    )
}

fn exit(time: u64, task: Task, code: u8) -> Event {
    let end = End::Code(code);
    at(time, EventBody::Exit { task, end })
}

fn rename(time: u64, task: Task, name: &[u8]) -> Event {
    let name = name.into();
    at(time, EventBody::Rename { task, name })
}

#[test]
fn each_task_is_a_row_with_all_that_is_known_of_it() {
    let (main, one, two) = (
        Task::new(100, 100),
        Task::new(100, 101),
        Task::new(100, 102),
    );
    let mut code = Code::default();
    let inner = code.frame(LIBC, "clone3");
    let pool = code.frame("/bin/app", "grow inline.c:3 | add_worker src/pool.c:12");
    let outer = code.frame("/bin/app", "main src/main.c:5");
    let stack = code.stack(&[inner, pool, outer], StackEnd::Limit);
    let events = vec![
        existing(main, b"main"),
        birth(10, main, one, Some(stack)),
        rename(12, one, b"worker"),
        birth(20, one, two, None),
        exit(35, one, 3),
    ];
    let decoded = Decoded::of(&trace(&code, events, 50), MOST_TASKS);
    assert_eq!(decoded.head["tasks"], 3);
    assert_eq!(decoded.column("tid"), [100, 101, 102]);
    assert_eq!(decoded.column("pid"), [100, 100, 100]);
    assert_eq!(decoded.column("inner"), [0, 7, 7]);
    assert_eq!(decoded.column("parent"), [0, 1, 2]);
    assert_eq!(decoded.column("kind"), [3, 0, 0]);
    assert_eq!(decoded.column("born"), [0, 10, 20]);
    assert_eq!(decoded.column("life"), [0, 26, 0]);
    // A newborn has its creator's name.
    assert_eq!(decoded.texts("name"), ["main", "worker", "worker"]);
    assert_eq!(decoded.texts("how"), ["alive", "exit 3", "alive"]);
    assert_eq!(decoded.column("named.row"), [1, 1]);
    assert_eq!(decoded.column("named.time"), [10, 12]);
    assert_eq!(decoded.texts("named.name"), ["main", "worker"]);
    // The wall clock to the nanosecond, which a double does not hold.
    assert_eq!(
        decoded.head["anchors"][0],
        serde_json::json!([0, 1_790_000_000_000_i64, 7, 7_200])
    );

    let site = decoded.column("site")[1] as usize;
    let label = |site: usize| decoded.head["sites"]["rows"][site - 1]["label"].clone();
    assert_eq!(label(site), "grow (inline.c:3)");
    assert_eq!(decoded.column("site")[0], 0, "nobody saw who created it");

    // The stack, the innermost first, up to its reason.
    let mut node = decoded.column("stack")[1];
    let mut names = Vec::new();
    let end = decoded.columns["node.end"][node as usize - 1];
    while node > 0 {
        let frame = decoded.columns["node.frame"][node as usize - 1] as usize;
        let frame = &decoded.head["frames"][frame];
        names.push(decoded.text(frame[0].as_u64().unwrap()).to_string());
        node = decoded.columns["node.up"][node as usize - 1];
    }
    assert_eq!(names, ["clone3", "grow", "add_worker", "main"]);
    assert_eq!(decoded.text(end), "more frames than were asked for");
}

#[test]
fn marks_gaps_losses_and_refusals_are_told() {
    let main = Task::new(1, 1);
    let events = vec![
        existing(main, b"main"),
        at(
            5,
            EventBody::Mark {
                text: b"\x1b[31mred".into(),
            },
        ),
        at(
            8,
            EventBody::Gap {
                reason: GapReason::Untraced,
                count: 2,
                since: Time(6),
                detail: b"tid 9".into(),
            },
        ),
        at(
            9,
            EventBody::Lost {
                count: 40,
                since: Time(9),
                reason: b"a full queue".into(),
            },
        ),
        at(
            10,
            EventBody::CreateFailed {
                task: main,
                call: b"clone3".into(),
                errno: 11,
                flags: None,
                pc: None,
                stack: None,
            },
        ),
    ];
    let decoded = Decoded::of(&trace(&Code::default(), events, 20), MOST_TASKS);
    assert_eq!(
        decoded.head["points"],
        serde_json::json!([
            { "kind": "mark", "time": 5, "since": 5, "text": "\\x1b[31mred" },
            { "kind": "gap", "time": 8, "since": 6, "text": "untraced threads, 2 tasks: tid 9" },
            { "kind": "lost", "time": 9, "since": 9, "text": "40 events lost: a full queue" },
        ])
    );
    assert_eq!(decoded.column("refused.time"), [10]);
    assert_eq!(decoded.column("refused.row"), [1]);
    assert_eq!(decoded.texts("refused.why"), ["clone3: EAGAIN"]);
    let notices = decoded.head["notices"].to_string();
    assert!(
        notices.contains("40 events lost") && notices.contains("1 gap"),
        "{notices}"
    );
}

#[test]
fn of_too_many_tasks_those_that_are_alike_share_rows_and_all_are_counted() {
    let (main, other) = (Task::new(1, 1), Task::new(2, 2));
    let mut events = vec![existing(main, b"main"), existing(other, b"other")];
    for number in 0..1_000u32 {
        let parent = if number % 2 == 0 { main } else { other };
        let task = Task::new(parent.pid.0, 10 + number);
        let time = u64::from(number) * 1_000 + 1;
        events.push(birth(time, parent, task, None));
        events.push(rename(time, task, format!("w-{number}").as_bytes()));
        events.push(exit(time + 10, task, u8::from(number == 500)));
    }
    let trace = trace(&Code::default(), events, 1_000_000);
    let whole = Decoded::of(&trace, MOST_TASKS);
    assert_eq!(
        (&whole.head["rows"], &whole.head["folded"]),
        (&Value::from(1_002), &Value::from(false))
    );
    assert_eq!(whole.asides, [""; 0]);

    let decoded = Decoded::of(&trace, 100);
    let rows = decoded.head["rows"].as_u64().unwrap();
    assert!(rows <= 100, "{rows}");
    let many: u64 = decoded.column("many").iter().map(|more| more + 1).sum();
    assert_eq!((many, &decoded.head["tasks"]), (1_002, &Value::from(1_002)));
    // Neither of two creators nor of two ends are they mixed.
    let failed = decoded
        .texts("how")
        .iter()
        .filter(|how| **how == "exit 1")
        .count();
    assert_eq!(failed, 1);
    for (parent, tid) in decoded
        .column("parent")
        .iter()
        .zip(decoded.column("tid"))
        .skip(2)
    {
        assert_eq!(*parent, if tid % 2 == 0 { 1 } else { 2 }, "{tid}");
    }
    let created: u64 = decoded.columns["curve.created"].iter().sum();
    let most = decoded.columns["curve.most"].iter().max();
    assert_eq!((created, most), (1_000, Some(&(trace.peak_alive() as u64))));
    assert!(
        decoded.asides[0].starts_with("more than 100 tasks: "),
        "{:?}",
        decoded.asides
    );
}

/// Ten workers of a pool, one after the other, and a thread beside it.
fn pool() -> Trace {
    let [main, pool, beside] = [1, 2, 3].map(|tid| Task::new(1, tid));
    let mut events = vec![
        existing(main, b"main"),
        birth(1, main, pool, None),
        rename(1, pool, b"pool"),
        birth(2, main, beside, None),
        rename(2, beside, b"beside"),
    ];
    for number in 0..10 {
        let task = Task::new(1, 10 + number);
        let time = u64::from(number) * 10 + 10;
        events.push(birth(time, pool, task, None));
        events.push(rename(time, task, format!("w-{number}").as_bytes()));
        events.push(exit(time + 15, task, 0));
    }
    events.push(at(
        45,
        EventBody::Mark {
            text: b"mid".into(),
        },
    ));
    events.sort_by_key(|event| event.time);
    trace(&Code::default(), events, 200)
}

#[test]
fn of_selected_tasks_those_who_led_to_them_are_there_and_not_counted() {
    let asked = Selectors {
        name: vec!["w-*".into()],
        ..Selectors::default()
    };
    let decoded = Decoded::selected(&pool(), MOST_TASKS, &asked);
    assert_eq!(decoded.texts("name")[..4], ["main", "pool", "w-0", "w-1"]);
    assert_eq!(decoded.column("parent")[..4], [0, 1, 2, 2]);
    let above = decoded.column("kind").into_iter().map(|kind| kind & 8);
    assert_eq!(above.collect::<Vec<_>>()[..4], [8, 8, 0, 0]);
    let head = &decoded.head;
    assert_eq!((&head["rows"], &head["tasks"]), (&12.into(), &10.into()));
    assert_eq!(
        decoded.asides,
        ["10 of 13 tasks; 3 hidden by --name w-*"],
        "said on stderr, and on the page"
    );
    assert_eq!(head["asides"][0], decoded.asides[0]);

    let nothing = Selectors {
        tid: Some(77),
        ..Selectors::default()
    };
    let decoded = Decoded::selected(&pool(), MOST_TASKS, &nothing);
    assert_eq!(decoded.head["rows"], 0);
    let notices = decoded.head["notices"].to_string();
    assert!(notices.contains("no thread 77"), "{notices}");
}

#[test]
fn a_page_of_a_stretch_begins_and_ends_with_it() {
    let asked = |since: &str, until: &str| Selectors {
        since: Some(since.into()),
        until: Some(until.into()),
        ..Selectors::default()
    };
    let decoded = Decoded::selected(&pool(), MOST_TASKS, &asked("40ns", "60ns"));
    let head = &decoded.head;
    let times = ["begin", "end", "last"].map(|name| head[name].as_u64().unwrap());
    assert_eq!(times, [40, 60, 200]);
    assert_eq!(head["points"][0]["text"], "mid");
    // Those that lived then, and main, pool and the one beside it, which do.
    let names = decoded.texts("name");
    assert_eq!(
        names,
        ["main", "pool", "beside", "w-2", "w-3", "w-4", "w-5"]
    );
    // Its curves, too, where rows do not tell each.
    let folded = Decoded::selected(&pool(), 5, &asked("40ns", "60ns"));
    assert!(folded.asides[1].starts_with("more than 5 tasks"));
    let created: u64 = folded.columns["curve.created"].iter().sum();
    let most = folded.columns["curve.most"].iter().max();
    assert_eq!((created, most), (3, Some(&5)));
    let decoded = Decoded::selected(&pool(), MOST_TASKS, &asked("50ns", "60ns"));
    assert_eq!(decoded.head["points"], serde_json::json!([]));
}

/// Two runs of a program, compared.
fn two_runs(old: &Trace, new: &Trace) -> Compared {
    let mut book = Book::default();
    let mut sides = [old, new].map(|trace| {
        let reading = Reading {
            sites: None,
            renames: &Renames::default(),
            between: None,
            people: true,
        };
        let side = reduce(trace, &reading, &mut book).unwrap();
        (About::of(trace, &Sites::default(), "t.tid".into()), side)
    });
    let [(about_old, old), (about_new, new)] = sides.each_mut().map(std::mem::take);
    let pairs = pair(&old, &new, &book);
    Compared {
        comparison: Comparison::new(old, new, pairs, &book, false),
        book,
        old: vec![about_old],
        new: about_new,
        sites: false,
    }
}

/// Workers that end, and how many that stay; and one more, of a name.
fn run_of(stay: u32, other: &[u8], end: u64) -> Trace {
    let main = Task::new(1, 1);
    let mut events = vec![existing(main, b"main")];
    for number in 0..10 {
        let task = Task::new(1, 10 + number);
        let time = u64::from(number) * SECOND + 1;
        events.push(birth(time, main, task, None));
        events.push(rename(time + 1, task, format!("w-{number}").as_bytes()));
        if number >= stay {
            events.push(exit(time + SECOND / 2, task, 0));
        }
    }
    let task = Task::new(1, 99);
    events.push(birth(10 * SECOND, main, task, None));
    events.push(rename(10 * SECOND + 1, task, other));
    trace(&Code::default(), events, end)
}

#[test]
fn of_two_runs_a_page_has_each_class_and_which_tasks_are_of_it() {
    let name = b"</script><b>log\x1b[2J";
    let (old, new) = (
        run_of(0, name, 12 * SECOND),
        run_of(4, b"monitor", 24 * SECOND),
    );
    let compared = two_runs(&old, &new);
    let page: Value = serde_json::from_slice(&both::compared(&compared, Vec::new())).unwrap();
    let rows = page["rows"].as_array().unwrap();
    let told =
        |row: &Value| [&row["kind"], &row["label"]].map(|it| it.as_str().unwrap().to_string());
    let told: Vec<[String; 2]> = rows.iter().map(told).collect();
    assert_eq!(
        told,
        [
            ["grown", "w-#"],
            ["new", "monitor"],
            ["gone", "</script><b>log\\x1b[#J"],
            ["same", "main"],
        ]
    );
    assert_eq!(rows[0]["changes"][0], "alive +4");
    assert_eq!(
        (&rows[1]["old"], &rows[2]["new"]),
        (&Value::Null, &Value::Null)
    );
    // The old run is half as long as the new one: so is its curve.
    let curve = |row: usize, side: usize| rows[row]["curves"][side].as_array().unwrap().clone();
    assert_eq!((curve(0, 0).len(), curve(0, 1).len()), (24, 48));
    assert_eq!(*curve(0, 1).last().unwrap(), 4);
    assert_eq!(rows[1]["curves"][0], Value::Null);
    assert_eq!(page["curves"][0].as_array().unwrap().len(), 128);
    assert_eq!(
        page["verdict"],
        "3 of 4 classes changed: 1 new, 1 gone, 1 otherwise"
    );

    for (trace, side, which) in [
        (&old, &compared.comparison.old, 0),
        (&new, &compared.comparison.new, 1),
    ] {
        let decoded = Decoded::with(trace, MOST_TASKS, &Selectors::default(), &side.people);
        for (class, tid) in decoded.column("compared").iter().zip(decoded.column("tid")) {
            let row = rows
                .iter()
                .find(|row| row["places"][which] == *class)
                .unwrap();
            let expected = match (tid, which) {
                (1, _) => "main",
                (99, 0) => "</script><b>log\\x1b[#J",
                (99, _) => "monitor",
                _ => "w-#",
            };
            assert_eq!(row["label"], expected, "{tid}");
        }
    }
    let mut compared = compared;
    let marks = ("a".into(), "\u{1b}".into());
    compared.new.cut(&marks, &compared.comparison.new);
    let part: Value = serde_json::from_slice(&both::compared(&compared, both::part(true))).unwrap();
    let foot = part["foot"].to_string();
    assert!(foot.contains("all tasks of both recordings"), "{foot}");
    assert_eq!(
        part["notices"][0],
        r"only what is between two marks is compared: --between mark:a..mark:\x1b"
    );
}

#[test]
fn what_grows_at_an_interpreter_s_one_place_is_judged_by_name() {
    let grows = |module: &str| {
        let mut code = Code::default();
        let frame = code.frame(module, "os::begin src/threads.cpp:7");
        let stack = code.stack(&[frame], StackEnd::Bottom);
        let main = Task::new(1, 1);
        let mut events = vec![existing(main, b"reaper-7")];
        for number in 0..400 {
            let task = Task::new(1, 1_000 + number);
            let time = u64::from(number) * SECOND / 100;
            events.push(birth(time, main, task, Some(stack)));
            let name = if number % 4 == 0 { "reaper" } else { "tick" };
            events.push(rename(
                time + 1,
                task,
                format!("{name}-{number}").as_bytes(),
            ));
            if number % 4 != 0 {
                events.push(exit(time + 1_000_000, task, 0));
            }
        }
        let header = Header {
            launched: true,
            ..header()
        };
        let trace = trace_of(header, &code, events, 4 * SECOND);
        let decoded = Decoded::of(&trace, MOST_TASKS);
        let leaks = &decoded.head["leaks"];
        let first = &leaks["rows"][0];
        assert_eq!(first["verdict"], "leak");
        // What a class highlights is what it counts.
        let of_class = decoded
            .column("class")
            .into_iter()
            .filter(|class| *class == 1);
        assert_eq!(of_class.count() as u64, first["created"]);
        let told = [&leaks["by"], &first["label"]].map(|it| it.as_str().unwrap().to_string());
        (told, decoded.head["doubts"].to_string())
    };
    let (told, doubts) = grows("/usr/lib/jvm/lib/server/libjvm.so");
    assert_eq!(told, ["name", "reaper-#"]);
    assert!(doubts.contains("judged by name"), "{doubts}");
    let (told, doubts) = grows("/bin/server");
    assert_eq!(told, ["site", "os::begin (threads.cpp:7)"]);
    assert!(!doubts.contains("judged by name"), "{doubts}");
}

#[test]
fn times_of_centuries_are_counted_in_larger_units() {
    let (main, one) = (Task::new(1, 1), Task::new(1, 2));
    let far = u64::MAX - 1;
    let events = vec![
        existing(main, b"m"),
        birth(far / 2, main, one, None),
        exit(far, one, 0),
    ];
    let decoded = Decoded::of(&trace(&Code::default(), events, far), MOST_TASKS);
    let unit = decoded.head["unit"].as_u64().unwrap();
    assert_eq!(unit, 10_000);
    assert_eq!(decoded.column("born"), [0, far / 2 / unit]);
    assert!(decoded.head["end"].as_u64().unwrap() < 1 << 53);
}

#[test]
fn nothing_that_a_program_called_itself_comes_out_as_it_is() {
    let main = Task::new(1, 1);
    let long = "x".repeat(10_000);
    let names: [&[u8]; 4] = [
        b"</script><img src=x>",
        b"\x1b[2J\x07",
        "\u{202e}gpj.exe".as_bytes(),
        long.as_bytes(),
    ];
    let mut events = vec![existing(main, names[0])];
    for (number, name) in (1..).zip(&names[1..]) {
        events.push(rename(number, main, name));
    }
    let decoded = Decoded::of(&trace(&Code::default(), events, 9), MOST_TASKS);
    let expected = [
        "</script><img src=x>",
        "\\x1b[2J\\x07",
        "\\u{202e}gpj.exe",
        &long,
    ];
    assert_eq!(decoded.texts("named.name"), expected);
    let strings = decoded.head["strings"].as_array().unwrap();
    let controls = |text: &Value| text.as_str().unwrap().chars().any(char::is_control);
    assert!(!strings.iter().any(controls));
}

#[test]
fn a_trace_of_nothing_has_a_page() {
    let decoded = Decoded::of(&trace(&Code::default(), Vec::new(), 0), MOST_TASKS);
    assert_eq!(
        (&decoded.head["rows"], &decoded.head["tasks"]),
        (&Value::from(0), &Value::from(0))
    );
    assert_eq!(decoded.head["title"], "server on synthetic");
}

#[test]
fn a_hundred_thousand_tasks_are_few_megabytes() {
    let events = synth::events(Plan {
        events: 225_000,
        width: 500,
        seed: 3,
    });
    let mut builder = TraceBuilder::new(header());
    for event in events {
        builder.push(event);
    }
    builder.anchor(Anchor {
        time: Time(SECOND),
        wall_ns: 1_790_000_001_000_000_000,
        utc_offset_s: 0,
    });
    let trace = builder.finish(Integrity::new(Ending::CutShort));
    let tasks = trace.tasks().len();
    assert!(tasks > 90_000, "{tasks}");
    let sites = Sites::of(&trace, &Rules::new(None).unwrap());
    let asking = Asking {
        title: Some("<b>".into()),
        utc: true,
        most: MOST_TASKS,
        people: &[],
    };
    let all = Selector::everything(&trace, &sites);
    let page = super::html::page(&pack(&trace, &sites, &all, &asking), None);
    assert!(page.len() < 3_000_000, "{}", page.len());
}
