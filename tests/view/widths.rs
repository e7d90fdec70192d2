//! Every view on terminals of 60 to 250 columns, of a trace whose names, numbers and paths are as wide as
//! they get: no line is wider than the terminal, and what is left out is said.

use std::process::{Command, Stdio};

use tidline::format::{Header, Host};
use tidline::model::{
    Birth, DetachReason, End, Event, EventBody, GapReason, StackEnd, Task, Tid, Via, What,
};
use tidline::synth::Code;
use unicode_width::UnicodeWidthStr;

use crate::made::{at, existing, exit, header, rename};
use crate::support::{Folder, with_stacks};

const NAMES: [&[u8]; 7] = [
    b"a-name-that-is-longer-than-any-that-a-kernel-gives-17",
    "スレッドプールの番号九十九".as_bytes(),
    b"\x1b[2J\x1b]0;owned\x07",
    "\u{202e}txt.exe\u{200b}".as_bytes(),
    b"\xff\xfe\xf0\x9f",
    b"worker-4000000000",
    "é́́́combining".as_bytes(),
];
const PATH: &[u8] = b"/srv/releases/2026-11-30T07:55:11Z/lib/x86_64-linux-gnu/server.so/bin/server";

/// As if the last of two hundred hosts: numbers of ten digits.
fn wide_header(id: u128) -> Header {
    let mut header = header();
    header.trace_id = id;
    header.targets[0].pid = 1_990_000_100;
    header.targets[0].command = vec![PATH.to_vec(), b"--listen=0.0.0.0:8443".repeat(9)];
    header.host = "a-host.with-a-long-name.in-a-long-domain.example".into();
    let host = |name: &str| Host {
        name: name.into(),
        boot_id: "0f3cc65f-d751-4a36-9bd9-db877e0ca3f5".into(),
        clock_apart_ns: 1_234_567_890,
    };
    header.set_hosts(&[host("ホスト一番"), host("a-host.with-a-long-name.example")]);
    header
}

/// A run in which all that can be wide is; of the second there are more.
fn wide(id: u128, more: u32) -> Vec<u8> {
    let mut code = Code::default();
    let long = format!(
        "{}::start_pool src/{}.c:1234",
        "deeply::nested".repeat(9),
        "pool".repeat(20)
    );
    let frames = [
        long.as_str(),
        "プールを始める src/プール.c:7",
        "main src/main.c:5",
    ];
    let stack = code.creator(
        "/usr/lib/x86_64-linux-gnu/libserver-of-long-name.so.6.0.1",
        &frames,
    );
    let start = code.start("/usr/bin/server", &long);
    let bare = code.frame("/usr/lib/x86_64-linux-gnu/libc.so.6", "");
    let broken = code.stack(&[bare], StackEnd::NoUnwindInfo);
    let main = Task::new(1_990_000_100, 1_990_000_100);
    let mut events = vec![existing(0, main, NAMES[0])];
    let mut parent = main;
    for number in 0..(20 + more) {
        let ms = 86_390_000 + 1_000 * u64::from(number);
        let is_process = number % 9 == 8;
        let tid = Tid(4_294_900_000 + number);
        let child = match is_process {
            true => Task::new(tid.0, tid.0),
            false => Task::new(main.pid.0, tid.0),
        };
        events.push(birth(
            ms,
            parent,
            child,
            (number % 3 > 0).then_some(stack),
            start,
        ));
        let name = NAMES[number as usize % NAMES.len()];
        events.push(rename(ms + 1, child, name));
        let exe = EventBody::Exec {
            task: child,
            former_tid: child.tid,
            exe: PATH.into(),
            name: name.into(),
        };
        if is_process {
            events.push(at(ms + 2, exe));
        }
        if number % 4 == 1 {
            events.push(exit(ms + 500, child, 255));
        }
        if number < 5 {
            parent = child;
        }
    }
    let end = 86_390_000 + 1_000 * u64::from(20 + more);
    for (task, call) in [
        (main, "clone3"),
        (main, "a_call_of_a_very_long_name_that_no_kernel_has"),
    ] {
        events.push(at(
            end,
            EventBody::CreateFailed {
                task,
                call: call.into(),
                errno: 11,
                flags: Some(u64::MAX),
                pc: Some(u64::MAX),
                stack: Some(broken),
            },
        ));
    }
    let [signal, gap, lost] = [
        EventBody::Exit {
            task: parent,
            end: End::Signal {
                number: 11,
                core: true,
            },
        },
        EventBody::Gap {
            reason: GapReason::Untraced,
            count: 4_000_000_000,
            since: tidline::model::Time(5),
            detail: "詳細".repeat(40).as_str().into(),
        },
        EventBody::Lost {
            count: u64::MAX,
            since: tidline::model::Time(5),
            reason: "reason".repeat(40).as_str().into(),
        },
    ]
    .map(|body| at(end + 1, body));
    let last = [
        EventBody::Detach {
            task: main,
            reason: DetachReason::RecordingEnded,
        },
        EventBody::Mark {
            text: "mark スレッド ".repeat(30).as_str().into(),
        },
    ]
    .map(|body| at(end + 2, body));
    events.extend([signal, gap, lost]);
    events.extend(last);
    with_stacks(
        &wide_header(id),
        &code,
        &events,
        (end + 9) * 1_000_000,
        &[("stops", u64::MAX)],
    )
}

fn birth(
    ms: u64,
    parent: Task,
    child: Task,
    stack: Option<tidline::model::StackId>,
    start: tidline::model::FrameId,
) -> Event {
    let is_process = child.is_leader();
    let birth = Birth {
        via: if is_process { Via::Fork } else { Via::Clone },
        what: if is_process {
            What::Process
        } else {
            What::Thread
        },
        parent: Some(parent),
        child,
        flags: Some(u64::MAX),
        pc: Some(u64::MAX),
        inner: Some(Tid(4_194_303)),
        stack,
        start: Some(start),
    };
    at(ms, EventBody::Birth(birth))
}

/// What each command prints on a terminal of so many columns.
fn printed(folder: &Folder, commands: &[String], columns: usize) -> Option<Vec<String>> {
    const BETWEEN: &str = "=-=-=";
    let program = env!("CARGO_BIN_EXE_tidview");
    let mut lines = format!("stty cols {columns} rows 50\n");
    for command in commands {
        lines += &format!("{program} {command} --no-pager < /dev/null\necho; echo {BETWEEN}\n");
    }
    let script = folder.put("run.sh", lines.as_bytes());
    let mut shell = Command::new("script");
    shell.args(["-qec", &format!("sh {script}"), "/dev/null"]);
    shell
        .env("TERM", "xterm")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null());
    let output = shell.output().ok()?;
    let text = String::from_utf8(output.stdout).expect("tidview prints UTF-8");
    let text = text.replace('\r', "");
    let mut parts: Vec<String> = text.split(BETWEEN).map(String::from).collect();
    parts.pop();
    assert_eq!(parts.len(), commands.len(), "{text}");
    Some(parts)
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    let folder = Folder::new();
    let old = folder.put("an-old-recording-of-the-server.tid", &wide(7, 0));
    let new = folder.put("a-new-recording-of-the-server.tid", &wide(8, 30));
    let mut commands: Vec<String> = [
        "threads",
        "threads --all",
        "threads --at 5s",
        "threads --all --what process --limit 3",
        "timeline",
        "timeline --stack",
        "timeline --kind exit,gap,lost,mark,create-failed",
        "timeline --lanes",
        "tree",
        "tree --no-fold",
        "tree --name 'worker-*'",
        "stats",
        "stats --ascii",
        "sites",
        "sites --by stack",
        "sites --by name",
        "sites --by parent",
        "sites --by lineage",
        "sites --by module",
        "sites --by routine",
        "sites --by pc",
        "sites --failed",
        "leaks",
        "leaks --by name",
        "info",
        "info --modules",
        "check",
    ]
    .map(|view| format!("{view} {new}"))
    .to_vec();
    for more in ["", "--all", "--pairs", "--tree", "--per-second"] {
        commands.push(format!("diff {old} {new} {more}"));
    }
    let mut wrong = String::new();
    for columns in [60, 80, 100, 160, 250] {
        let Some(parts) = printed(&folder, &commands, columns) else {
            assert!(
                std::env::var_os("CI").is_none(),
                "there is no script(1), and in CI it must be"
            );
            eprintln!("SKIPPED: there is no script(1)");
            return;
        };
        for (command, text) in commands.iter().zip(parts) {
            let command = command.split(' ').filter(|it| !it.starts_with('/'));
            let command = command.collect::<Vec<_>>().join(" ");
            assert!(text.lines().count() > 3, "{columns} {command}: {text}");
            assert!(!text.contains("unexpected argument"), "{command}: {text}");
            // The line that says how far the reading is was taken away.
            let lines = text.lines().filter_map(|line| line.rsplit("\x1b[K").next());
            for line in lines.filter(|line| line.width() > columns) {
                wrong += &format!("{columns} {command}: {}: {line}\n", line.width());
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
