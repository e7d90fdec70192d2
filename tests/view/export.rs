//! `export`: what other programs are given, read back by code that shares nothing with what wrote
//! it. tests/consumers/run.sh has the programs themselves read it.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use tidline::format::Writer;
use tidline::model::{
    Birth, Definition, Event, EventBody, Frame, FrameId, Function, Module, ModuleId, Pid, StackId,
    Symbol, SymbolSource, Task, Time, Trust, Via, What,
};

use crate::made::{at, everything, existing, header, process, rename, thread, with_losses};
use crate::support::{File, Folder, command, link, prints, tidview};

const HOSTILE: [&[u8]; 6] = [
    b"\x1b[2J\x1b]0;owned\x07",
    b"\"]; evil [label=\"\\N\\",
    b"\xff\xfe bad utf-8 \xf0\x9f",
    "\u{202e}txt.exe\u{200b}".as_bytes(),
    b"<script>#quot;&amp;`*_",
    b"=cmd|' /C calc'!A1,\r\n",
];

fn hostile() -> Vec<Event> {
    let main = Task::new(100, 100);
    let mut events = vec![existing(0, main, HOSTILE[0])];
    for (number, name) in (1..).zip(HOSTILE) {
        let task = Task::new(100, 100 + number);
        events.push(thread(u64::from(number), main, task));
        events.push(rename(u64::from(number), task, name));
    }
    let text = HOSTILE[1].into();
    events.push(at(50, EventBody::Mark { text }));
    events
}

/// A trace of which one thread's creator's stack is known: `main` > `serve` (inlined `spawn`) > clone.
fn with_stack() -> File {
    let main = Task::new(100, 100);
    let mut writer = Writer::start(Vec::new(), &header()).unwrap();
    writer.push(&existing(0, main, b"main")).unwrap();
    let modules = [(0u32, "/opt/app/server"), (1, "/lib/libc.so.6")];
    for (id, path) in modules {
        let module = Module {
            path: path.into(),
            build_id: [id as u8; 4].into(),
            seen: (Pid(100), 0x1000, 0x2000),
        };
        let definition = Definition::Module(ModuleId(id), module);
        writer.define(&definition).unwrap();
    }
    let function = |name: &str, line| Function {
        name: name.into(),
        file: "src/\"a\".c".into(),
        line,
    };
    let frames = [
        (0u32, 0, vec![function("main", Some(3))]),
        (
            1,
            0,
            vec![function("spawn", Some(9)), function("serve", Some(7))],
        ),
        (2, 1, vec![]),
    ];
    for (id, module, functions) in frames {
        let frame = Frame {
            module: Some(ModuleId(module)),
            address: 0x10 + u64::from(id),
            trust: Trust::Cfi,
        };
        let node = link(id);
        let symbol = Symbol {
            source: SymbolSource::DebugInfo,
            functions,
        };
        for definition in [
            Definition::Frame(FrameId(id), frame),
            Definition::Stack(StackId(id), node),
            Definition::Symbol(FrameId(id), symbol),
        ] {
            writer.define(&definition).unwrap();
        }
    }
    for number in 1..=2 {
        let body = EventBody::Birth(Birth {
            via: Via::Clone,
            what: What::Thread,
            parent: Some(main),
            child: Task::new(100, 100 + number),
            flags: None,
            pc: None,
            inner: None,
            stack: Some(StackId(2)),
            start: Some(FrameId(1)),
        });
        writer.push(&at(u64::from(number), body)).unwrap();
    }
    for ms in [5, 6] {
        let body = EventBody::CreateFailed {
            task: main,
            call: b"clone3".into(),
            errno: 11,
            flags: None,
            pc: None,
            stack: Some(StackId(2)),
        };
        writer.push(&at(ms, body)).unwrap();
    }
    let bytes = writer
        .finish(Time(9_000_000), "the target ended", &[])
        .unwrap();
    File::new("t.tid", &bytes)
}

/// What is exported of a sound trace; whatever its format, there is nothing to say beside it.
fn exported(file: &File, to: &str) -> String {
    prints(&["export", &file.path(), "--to", to])
}

fn bytes(file: &File, to: &str) -> Vec<u8> {
    let output = command(&["export", &file.path(), "--to", to])
        .output()
        .unwrap();
    assert_eq!(
        (&output.stderr[..], output.status.code()),
        (&b""[..], Some(0))
    );
    output.stdout
}

#[test]
fn csv_and_ndjson_are_the_timeline_s() {
    let file = File::trace(&header(), &everything(), 100_000_000);
    for format in ["csv", "ndjson"] {
        let timeline = prints(&["timeline", &file.path(), "--format", format]);
        assert_eq!(exported(&file, format), timeline);
        let utc = ["timeline", &file.path(), "--utc", "--format", format];
        let export = ["export", &file.path(), "--utc", "--to", format];
        assert_eq!(prints(&export), prints(&utc));
    }
}

#[test]
fn the_traces_for_the_consumers_are_these() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/export");
    for (name, file) in [
        ("hostile", File::trace(&header(), &hostile(), 60_000_000)),
        ("creations", with_stack()),
    ] {
        let committed = folder.join(name).with_extension("tid");
        let committed = tidline::format::read_trace(fs::File::open(committed).unwrap()).unwrap();
        let made = tidline::format::read_trace(fs::File::open(file.path()).unwrap()).unwrap();
        assert_eq!(committed.events(), made.events(), "{name}");
    }
}

#[test]
fn dot_draws_who_created_whom() {
    let file = File::trace(&header(), &everything(), 100_000_000);
    assert_eq!(
        exported(&file, "dot"),
        r#"digraph tidline {
  rankdir=LR;
  node [fontname="sans-serif", fontsize=10];
  n0 [shape=box, label="server[100]\nalive"];
  n1 [shape=box, label="ls[201]\nexit 2"];
  n2 [shape=ellipse, label="gc[101]\nexit 0"];
  n0 -> n2;
  n3 [shape=ellipse, label="pool[110]\nalive"];
  n0 -> n3;
  n4 [shape=box, label="sh[200]\nended (not known how)"];
  n0 -> n4;
  n5 [shape=box, label="server[300]\nlet go at a fork"];
  n0 -> n5;
  n6 [shape=ellipse, label="worker-0[120]\nexit 0"];
  n3 -> n6;
  n7 [shape=ellipse, label="worker-1[121]\nexit 0"];
  n3 -> n7;
  n8 [shape=ellipse, label="worker-2[122]\nkilled by SIGSEGV (core)"];
  n3 -> n8;
  n9 [shape=ellipse, label="worker-3[123]\nalive"];
  n3 -> n9;
}
"#
    );
}

#[test]
fn what_is_too_much_becomes_few_boxes_and_a_number() {
    let file = File::trace(&header(), &everything(), 100_000_000);
    let dot = |most: &str| prints(&["export", &file.path(), "--to", "dot", "--max-nodes", most]);
    // A process that forked a copy of itself is one box with it.
    let head = r#"digraph tidline {
  rankdir=LR;
  node [fontname="sans-serif", fontsize=10];
  n0 [shape=box, label="server\n2 processes\n1 alive"];
  n0 -> n0;
  n1 [shape=box, label="ls[201]\nexit 2"];
  n2 [shape=ellipse, label="gc[101]\nexit 0"];
  n0 -> n2;
"#;
    let three = r#"  n3 [shape=plaintext, label="… 6 more tasks"];
  n0 -> n3;
}
"#;
    assert_eq!(dot("3"), format!("{head}{three}"));
    let nine = r#"  n3 [shape=ellipse, label="pool[110]\nalive"];
  n0 -> n3;
  n4 [shape=box, label="sh[200]\nended (not known how)"];
  n0 -> n4;
  n5 [shape=ellipse, label="worker-#\n4 threads\n1 alive"];
  n3 -> n5;
}
"#;
    assert_eq!(dot("9"), format!("{head}{nine}"));
}

/// Exports what is selected; returns it, and what is said beside it.
fn of_selected(file: &File, to: &str, more: &[&str]) -> (String, String) {
    let run = tidview(&[&["export", &file.path(), "--to", to], more].concat());
    assert_eq!(run.code, Some(0), "{}", run.err);
    (run.out, run.err)
}

#[test]
fn pictures_draw_the_ancestors_of_what_is_selected_faintly() {
    let file = File::trace(&header(), &everything(), 100_000_000);
    let selected = ["--name", "worker-*", "--since", "48ms"];
    let said = "2 of 10 tasks; 8 hidden by --since 48ms --name worker-*";
    let (dot, err) = of_selected(&file, "dot", &selected);
    assert_eq!(err, format!("tidview: {said}\n"));
    assert_eq!(
        dot,
        r#"digraph tidline {
  rankdir=LR;
  node [fontname="sans-serif", fontsize=10];
  label="2 of 10 tasks; 8 hidden by --since 48ms --name worker-*\lin parentheses: ancestors of those that are shown\l";
  n0 [shape=box, label="(server[100])\nalive", style=dashed, color=gray50, fontcolor=gray50];
  n1 [shape=ellipse, label="(pool[110])\nalive", style=dashed, color=gray50, fontcolor=gray50];
  n0 -> n1;
  n2 [shape=ellipse, label="worker-2[122]\nkilled by SIGSEGV (core)"];
  n1 -> n2;
  n3 [shape=ellipse, label="worker-3[123]\nalive"];
  n1 -> n3;
}
"#
    );
    let (mermaid, err) = of_selected(&file, "mermaid", &selected);
    assert_eq!(err, format!("tidview: {said}\n"));
    assert_eq!(
        mermaid,
        r#"flowchart LR
  classDef faint stroke-dasharray:4 4,color:#777
  beside0["2 of 10 tasks#59; 8 hidden by --since 48ms --name worker-#42;"]
  beside1["in parentheses: ancestors of those that are shown"]
  n0["(server[100])<br/>alive"]:::faint
  n1("(pool[110])<br/>alive"):::faint
  n0 --> n1
  n2("worker-2[122]<br/>killed by SIGSEGV (core)")
  n1 --> n2
  n3("worker-3[123]<br/>alive")
  n1 --> n3
"#
    );
}

/// A server that forks servers, one of which forks, and each of which makes threads.
fn servers() -> Vec<Event> {
    let main = Task::new(100, 100);
    let mut events = vec![existing(0, main, b"server")];
    let forks = [(100, 200), (100, 300), (300, 400)];
    for (parent, child) in forks {
        let [parent, child] = [parent, child].map(|pid| Task::new(pid, pid));
        events.push(process(u64::from(child.pid.0) / 100, parent, child));
    }
    for pid in [100, 200, 300, 400] {
        for number in 1..=3 {
            let worker = Task::new(pid, pid + number);
            let ms = u64::from(pid / 10 + number);
            events.push(thread(ms, Task::new(pid, pid), worker));
            let name = format!("worker-{number}");
            events.push(rename(ms, worker, name.as_bytes()));
        }
    }
    events
}

#[test]
fn a_box_has_either_selected_tasks_or_others_and_counts_no_more() {
    let file = File::trace(&header(), &servers(), 100_000_000);
    let boxes = |most: &str, condition: &str| {
        let more = ["--max-nodes", most, "--where", condition];
        let (dot, _) = of_selected(&file, "dot", &more);
        let (_, boxes) = dot.split_once("shown\\l\";\n").unwrap();
        boxes.to_owned()
    };
    // The first server and the third are above what is asked for: two more are asked for themselves.
    let condition = "name == worker-2 || tid == 200 || tid == 400";
    assert_eq!(
        boxes("4", condition),
        r#"  n0 [shape=box, label="(server)\n2 processes\n2 alive", style=dashed, color=gray50, fontcolor=gray50];
  n0 -> n0;
  n1 [shape=box, label="server\n2 processes\n2 alive"];
  n0 -> n1;
  n2 [shape=ellipse, label="worker-#\n2 threads\n2 alive"];
  n0 -> n2;
  n3 [shape=ellipse, label="worker-#\n2 threads\n2 alive"];
  n1 -> n3;
}
"#
    );
    // What is not drawn is counted without the servers that it is under.
    assert_eq!(
        boxes("1", "name == worker-2 && pid != 100"),
        r#"  n0 [shape=box, label="(server)\n4 processes\n4 alive", style=dashed, color=gray50, fontcolor=gray50];
  n0 -> n0;
  n1 [shape=plaintext, label="… 3 more tasks"];
  n0 -> n1;
}
"#
    );
    assert_eq!(
        boxes("1", "name == worker-2 && pid == 400 || tid == 200"),
        r#"  n0 [shape=box, label="(server)\n3 processes\n3 alive", style=dashed, color=gray50, fontcolor=gray50];
  n0 -> n0;
  n1 [shape=plaintext, label="… 2 more tasks"];
  n0 -> n1;
}
"#
    );
}

#[test]
fn what_is_typed_is_text_in_a_picture_and_nothing_selected_is_one_without_boxes() {
    let file = File::trace(&header(), &everything(), 100_000_000);
    let evil = ["--name", "\"];<b>\\N\x1b"];
    let (dot, err) = of_selected(&file, "dot", &evil);
    let said = r#"0 of 10 tasks; 10 hidden by --name "];<b>\\N\x1b"#;
    assert_eq!(err, format!("tidview: {said}\n"));
    assert_eq!(
        dot,
        r#"digraph tidline {
  rankdir=LR;
  node [fontname="sans-serif", fontsize=10];
  label="0 of 10 tasks; 10 hidden by --name \"];<b>\\\\N\\x1b\l";
}
"#
    );
    let (mermaid, _) = of_selected(&file, "mermaid", &evil);
    assert_eq!(
        mermaid,
        "flowchart LR\n  beside0[\"0 of 10 tasks#59; 10 hidden by --name \
         #34;]#59;#60;b#62;#92;#92;N#92;x1b\"]\n"
    );
}

#[test]
fn a_box_has_a_loop_only_where_one_of_its_tasks_made_another_of_them() {
    let [first, second] = [100, 200].map(|pid| Task::new(pid, pid));
    let made = Task::new(100, 103);
    // Two servers, one of which has a thread of which nobody knows who made it, and makes one more.
    let mut events = vec![
        existing(0, first, b"server"),
        existing(0, second, b"server"),
        existing(0, Task::new(100, 102), b"server"),
        thread(1, first, made),
    ];
    let boxes = |events: &[Event]| {
        let file = File::trace(&header(), events, 100_000_000);
        let run = prints(&[
            "export",
            &file.path(),
            "--to",
            "mermaid",
            "--max-nodes",
            "2",
        ]);
        run.strip_prefix("flowchart LR\n").unwrap().to_owned()
    };
    assert_eq!(
        boxes(&events),
        r#"  n0["server<br/>2 processes<br/>2 alive"]
  n1("server<br/>2 threads<br/>2 alive")
  n0 --> n1
"#
    );
    events.push(thread(2, made, Task::new(100, 104)));
    let of_threads = r#"  n0["server<br/>2 processes<br/>2 alive"]
  n1("server<br/>3 threads<br/>3 alive")
  n0 --> n1
  n1 --> n1
"#;
    assert_eq!(boxes(&events), of_threads);
    events.push(process(3, second, Task::new(300, 300)));
    assert_eq!(
        boxes(&events),
        r#"  n0["server<br/>3 processes<br/>3 alive"]
  n0 --> n0
  n1("server<br/>3 threads<br/>3 alive")
  n0 --> n1
  n1 --> n1
"#
    );
}

#[test]
fn hostile_names_are_text_in_mermaid_and_dot() {
    let file = File::trace(&header(), &hostile(), 60_000_000);
    let expected = r##"flowchart LR
  n0["#92;x1b[2J#92;x1b]0#59;owned#92;x07[100]<br/>alive"]
  n1("#92;x1b[2J#92;x1b]0#59;owned#92;x07[101]<br/>alive")
  n0 --> n1
  n2("#34;]#59; evil [label=#34;#92;#92;N#92;#92;[102]<br/>alive")
  n0 --> n2
  n3("#92;xff#92;xfe bad utf-8 #92;xf0#92;x9f[103]<br/>alive")
  n0 --> n3
  n4("#92;u{202e}txt.exe#92;u{200b}[104]<br/>alive")
  n0 --> n4
  n5("#60;script#62;#35;quot#59;#38;amp#59;#96;#42;#95;[105]<br/>alive")
  n0 --> n5
  n6("=cmd#124;#39; /C calc#39;#33;A1,#92;r#92;n[106]<br/>alive")
  n0 --> n6
"##;
    assert_eq!(exported(&file, "mermaid"), expected);
    let dot = exported(&file, "dot");
    let expected = r#"n2 [shape=ellipse, label="\"]; evil [label=\"\\\\N\\\\[102]\nalive"];"#;
    assert!(dot.contains(expected), "{dot}");
}

#[test]
fn chrome_has_lives_flows_and_moments() {
    let file = File::trace(&header(), &everything(), 100_000_000);
    let trace: Value = serde_json::from_str(&exported(&file, "chrome")).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let of = |phase: &str| -> Vec<String> {
        let events = events.iter().filter(|event| event["ph"] == phase);
        let told = |event: &Value| match phase {
            "s" | "f" => format!("{} {} {}", event["tid"], event["ts"], event["id"]),
            "M" => format!("{} {}", event["tid"], event["args"]["name"]),
            _ => format!(
                "{} {} {} {}",
                event["tid"], event["ts"], event["dur"], event["name"]
            ),
        };
        events.map(told).collect()
    };
    assert_eq!(
        of("X"),
        [
            "101 0 95000 \"gc\"",
            "120 10000 35000 \"worker-0\"",
            "121 20000 26000 \"worker-1\"",
            "122 30000 20000 \"worker-2\"",
            "200 55000 20000 \"sh\"",
            "201 60000 10000 \"ls\"",
            "300 80000 1000 \"server\"",
        ]
    );
    let open = [
        "100 0 null \"server\"",
        "110 5000 null \"pool\"",
        "123 40000 null \"worker-3\"",
    ];
    assert_eq!(of("B"), open);
    let from = [
        "100 5000 2",
        "110 10000 3",
        "110 20000 4",
        "110 30000 5",
        "110 40000 6",
    ];
    // Readers sort them by time.
    let by_time = |phase| {
        let mut told = of(phase);
        told.sort_by_key(|line| line.split(' ').nth(1).unwrap().parse::<u64>().unwrap());
        told
    };
    assert_eq!(by_time("s")[..5], from);
    let to = [
        "110 5000 2",
        "120 10000 3",
        "121 20000 4",
        "122 30000 5",
        "123 40000 6",
    ];
    assert_eq!(by_time("f")[..5], to);
    assert_eq!((of("s").len(), of("f").len()), (7, 7));
    for moment in [
        "200 56000 null \"exec /x/dash\"",
        "110 6000 null \"renamed pool\"",
        "0 90000 null \"deploy, \\\"v2\\\"\"",
    ] {
        assert!(of("i").iter().any(|it| it == moment), "{moment}");
    }
    assert_eq!(trace["otherData"]["host"], "web-3");
    assert_eq!(trace["otherData"]["missing"], "");
}

#[test]
fn chrome_says_what_is_missing() {
    let file = File::trace(&header(), &with_losses(), 100_000_000);
    let run = tidview(&["export", &file.path(), "--to", "chrome"]);
    assert!(
        run.err.contains("1,234 events lost while recording"),
        "{}",
        run.err
    );
    let trace: Value = serde_json::from_str(&run.out).unwrap();
    let missing = trace["otherData"]["missing"].as_str().unwrap();
    assert!(missing.starts_with("1,234 events lost"), "{missing}");
    let events = trace["traceEvents"].as_array().unwrap();
    let lost = events.iter().find(|event| event["cat"] == "lost").unwrap();
    assert_eq!((&lost["ts"], &lost["dur"]), (&96_000.into(), &2_000.into()));
    assert_eq!(
        lost["name"],
        "1,234 events lost: writing failed: no space left on device"
    );
}

#[test]
fn firefox_has_samples_of_creations_and_few_tracks() {
    let profile: Value = serde_json::from_str(&exported(&with_stack(), "firefox")).unwrap();
    let main = &profile["threads"][1];
    assert_eq!(main["name"], "main");
    let function = |stack: &Value| {
        let frame = &main["stackTable"]["frame"][stack.as_u64().unwrap() as usize];
        let func = &main["frameTable"]["func"][frame.as_u64().unwrap() as usize];
        let name = &main["funcTable"]["name"][func.as_u64().unwrap() as usize];
        main["stringArray"][name.as_u64().unwrap() as usize].clone()
    };
    let mut names = Vec::new();
    let mut stack = main["samples"]["stack"][1].clone();
    while !stack.is_null() {
        names.push(function(&stack));
        stack = main["stackTable"]["prefix"][stack.as_u64().unwrap() as usize].clone();
    }
    assert_eq!(
        names,
        [
            "libc.so.6+0x12",
            "spawn (src/\"a\".c:9)",
            "serve (src/\"a\".c:7)",
            "main (src/\"a\".c:3)",
        ]
    );
    assert_eq!(main["samples"]["length"], 2);

    let file = File::trace(&header(), &everything(), 100_000_000);
    let tracks = |most: &str| {
        let args = [
            "export",
            &file.path(),
            "--to",
            "firefox",
            "--max-nodes",
            most,
        ];
        let profile: Value = serde_json::from_str(&prints(&args)).unwrap();
        let threads = profile["threads"].as_array().unwrap().iter();
        let told = |thread: &Value| {
            let (name, markers) = (thread["name"].as_str().unwrap(), &thread["markers"]);
            format!("{name} {}", markers["length"])
        };
        threads.map(told).collect::<Vec<_>>()
    };
    // The same 10 lives, 7 creations, 7 renames and execs, a detach and a mark.
    let few = [
        "the recording 1",
        "server 4",
        "gc 1",
        "pool 6",
        "worker-# 8",
        "sh 2",
        "ls 2",
        "server 2",
    ];
    assert_eq!(tracks("9"), few);
    assert_eq!(
        tracks("3"),
        ["the recording 1", "server 6", "all other tasks 19"]
    );
}

/// A message's fields: numbers, and bytes.
fn fields(mut bytes: &[u8]) -> Vec<(u64, u64, Vec<u8>)> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            value |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return value;
            }
        }
    }
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let (number, content) = match key & 7 {
            0 => (varint(&mut bytes), vec![]),
            wire => {
                let length = match wire {
                    1 => 8,
                    2 => varint(&mut bytes) as usize,
                    wire => panic!("wire type {wire}"),
                };
                let (content, rest) = bytes.split_at(length);
                bytes = rest;
                (0, content.to_vec())
            }
        };
        fields.push((key >> 3, number, content));
    }
    fields
}

#[test]
fn perfetto_has_tracks_slices_and_flows() {
    let mut moments = header();
    moments.start_monotonic_ns = 5_000;
    let file = File::trace(&moments, &everything(), 100_000_000);
    let get = |message: &[(u64, u64, Vec<u8>)], field| {
        let found = message.iter().find(|(number, ..)| *number == field);
        found.cloned().unwrap_or((0, 0, vec![]))
    };
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut names: BTreeMap<u64, String> = BTreeMap::new();
    let mut told = Vec::new();
    for (_, _, packet) in fields(&bytes(&file, "perfetto")) {
        let packet = fields(&packet);
        let track = fields(&get(&packet, 60).2);
        if !track.is_empty() {
            let thread = fields(&get(&track, 4).2);
            let process = fields(&get(&track, 3).2);
            let name = text(&[get(&thread, 5).2, get(&process, 6).2, get(&track, 2).2].concat());
            // One that is needed before its name is known is described again.
            let former = names.insert(get(&track, 1).1, name).unwrap_or_default();
            assert_eq!(former, "");
        }
        let event = fields(&get(&packet, 11).2);
        if !event.is_empty() {
            let flow = |field| {
                let bytes = get(&event, field).2;
                bytes
                    .first()
                    .map_or(String::new(), |byte| format!(" {field}:{byte}"))
            };
            let track = get(&event, 11).1;
            assert!(names.contains_key(&track));
            let (time, kind) = (get(&packet, 8).1, get(&event, 9).1);
            let what = text(&get(&event, 23).2) + &flow(47) + &flow(48);
            told.push((time, kind, track, what));
        }
    }
    // Readers sort them by time.
    told.sort_by_key(|(time, ..)| *time);
    let told = told.iter().map(|(time, kind, track, what)| {
        let name = &names[track];
        format!("{time} {kind} {name} {what}")
    });
    let told: Vec<String> = told.collect();
    assert_eq!(
        told[..8],
        [
            "5000 1 gc gc",
            "5000 1 server server",
            "5005000 3 server clone pool 47:3",
            "5005000 1 pool pool 48:3",
            "6005000 3 pool renamed pool",
            "10005000 3 pool clone worker-0 47:4",
            "10005000 1 worker-0 worker-0 48:4",
            "11005000 3 worker-0 renamed worker-0",
        ]
    );
    let ends = told
        .iter()
        .filter(|line| line.split(' ').nth(1) == Some("2"));
    assert_eq!(
        ends.collect::<Vec<_>>(),
        [
            "45005000 2 worker-0 ",
            "46005000 2 worker-1 ",
            "50005000 2 worker-2 ",
            "70005000 2 ls ",
            "75005000 2 sh ",
            "81005000 2 server ",
            "95005000 2 gc ",
        ]
    );
}

#[test]
fn tracks_are_of_what_is_selected_and_of_who_made_it() {
    let file = File::trace(&header(), &everything(), 100_000_000);
    let select = ["--name", "worker-*", "--until", "0.025s"];
    let hidden = "2 of 10 tasks; 8 hidden by --until 0.025s --name worker-*";
    let export = |to: &str| {
        let (out, err) = of_selected(&file, to, &select);
        assert_eq!(err, format!("tidview: {hidden}\n"));
        out
    };
    let trace: Value = serde_json::from_str(&export("chrome")).unwrap();
    let told = trace["traceEvents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| {
            let name = match &event["args"]["name"] {
                Value::Null => &event["name"],
                name => name,
            };
            format!("{} {} {} {}", event["ph"], event["tid"], event["ts"], name)
        });
    let told: Vec<String> = told.map(|line| line.replace('"', "")).collect();
    let expected = [
        "i 120 11000 renamed worker-0",
        "i 121 21000 renamed worker-1",
        "M 120 0 worker-0",
        "X 120 10000 worker-0",
        "i 110 10000 clone worker-0",
        "s 110 10000 creates",
        "f 120 10000 creates",
        "M 121 0 worker-1",
        "X 121 20000 worker-1",
        "i 110 20000 clone worker-1",
        "s 110 20000 creates",
        "f 121 20000 creates",
        "M 110 0 (pool)",
        "M 100 0 server",
    ];
    assert_eq!(told, expected);
    assert_eq!(trace["otherData"]["selected"], hidden);
    // A process has its name, whoever tells it.
    let (of_pool, _) = of_selected(&file, "chrome", &["--name", "pool"]);
    let trace: Value = serde_json::from_str(&of_pool).unwrap();
    let names = trace["traceEvents"].as_array().unwrap().iter();
    let names = names.filter(|event| event["ph"] == "M");
    let names: Vec<String> = names
        .map(|it| format!("{} {} {}", it["name"], it["tid"], it["args"]["name"]))
        .map(|line| line.replace('"', ""))
        .collect();
    let expected = [
        "thread_name 110 pool",
        "thread_name 100 (server)",
        "process_name 100 server",
    ];
    assert_eq!(names, expected);
    let profile: Value = serde_json::from_str(&export("firefox")).unwrap();
    let tracks = profile["threads"].as_array().unwrap().iter();
    let tracks: Vec<&str> = tracks
        .map(|track| track["name"].as_str().unwrap())
        .collect();
    let expected = ["the recording", "(pool)", "worker-0", "worker-1"];
    assert_eq!(tracks, expected);
    assert!(profile.to_string().contains(hidden));

    let mut trace = command(&[&["export", &file.path(), "--to", "perfetto"][..], &select].concat());
    let names = fields(&trace.output().unwrap().stdout)
        .into_iter()
        .flat_map(|(_, _, packet)| {
            let tracks = fields(&packet)
                .into_iter()
                .filter(|(field, ..)| *field == 60);
            let named = tracks.flat_map(|(_, _, track)| fields(&track));
            let of_thread = named.flat_map(|(field, _, content)| match field {
                2 => vec![content],
                4 => {
                    let names = fields(&content)
                        .into_iter()
                        .filter(|(field, ..)| *field == 5);
                    names.map(|(_, _, name)| name).collect()
                }
                _ => Vec::new(),
            });
            of_thread.collect::<Vec<_>>()
        });
    let names: Vec<String> = names.map(|name| String::from_utf8(name).unwrap()).collect();
    let recording = format!("the recording, on web-3: {hidden}");
    assert_eq!(names, [&recording, "worker-0", "worker-1", "(pool)"]);
}

#[test]
fn hostile_names_are_safe_in_every_format_of_text() {
    let file = File::trace(&header(), &hostile(), 60_000_000);
    for to in ["chrome", "firefox", "dot", "mermaid", "csv", "ndjson"] {
        let text = exported(&file, to).replace("\r\n", "\n");
        let hidden = ['\u{200b}', '\u{202e}'];
        let safe = |c: char| c == '\n' || (!c.is_control() && !hidden.contains(&c));
        assert!(text.chars().all(safe), "{to}: {text:?}");
    }
}

#[test]
fn nothing_is_replaced_or_left_half_done() {
    let file = File::trace(&header(), &everything(), 100_000_000);
    let folder = Folder::new();
    let there = folder.put("there.dot", b"precious");
    let export = |args: &[&str]| tidview(&[&["export", &file.path()], args].concat());
    let run = export(&["--to", "dot", "-o", &there]);
    assert_eq!(
        (run.err.as_str(), run.code),
        (
            format!("tidview: {there} is there already: --force replaces it\n").as_str(),
            Some(2)
        )
    );
    assert_eq!(fs::read(&there).unwrap(), b"precious");
    let run = export(&["--to", "dot", "-o", &there, "--force"]);
    assert_eq!(
        (run.out.as_str(), run.err.as_str(), run.code),
        ("", "", Some(0))
    );
    assert_eq!(fs::read_to_string(&there).unwrap(), exported(&file, "dot"));
    let run = export(&["--to", "dot", "-o", &file.path(), "--force"]);
    assert!(run.err.contains("is what is read"), "{}", run.err);
    assert_eq!(export(&["--to", "word"]).code, Some(2));
}

#[cfg(feature = "parquet")]
mod parquet {
    use ::parquet::file::reader::{FileReader, SerializedFileReader};
    use ::parquet::record::Row;

    use super::*;

    fn rows(path: &str) -> Vec<Row> {
        let reader = SerializedFileReader::new(fs::File::open(path).unwrap()).unwrap();
        let rows = reader.get_row_iter(None).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// The columns of a row that are not null, but for those that every row has.
    fn told(row: &Row) -> String {
        let columns = row.get_column_iter();
        let usual = ["trace", "seq", "wall", "born", "ended"];
        let columns = columns.filter(|(name, _)| !usual.contains(&name.as_str()));
        let columns = columns.map(|(name, value)| format!("{name}={value}"));
        let columns = columns.filter(|column| !column.ends_with("=null"));
        columns.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn two_tables_hold_events_and_tasks() {
        let file = File::trace(&header(), &everything(), 100_000_000);
        let folder = Folder::new();
        let out = folder.path("fleet");
        assert_eq!(
            prints(&["export", &file.path(), "--to", "parquet", "-o", &out]),
            ""
        );
        let place = |table: &str| {
            let id = "0000000000000000000000000000feed";
            format!("{out}/{table}/host=web-3/date=2026-09-21/{id}.parquet")
        };
        let events = rows(&place("events"));
        assert_eq!(events.len(), 25);
        assert_eq!(
            told(&events[2]),
            r#"time_ns=5000000 kind="clone" task=2 pid=100 tid=110 name="server" parent_pid=100 parent_tid=100 what="thread" pc="0x7f000010a3b1" flags="0x3d0f00""#
        );
        let tasks = rows(&place("tasks"));
        assert_eq!(tasks.len(), 10);
        // One that has ended comes before those that live.
        let number = |row: &Row| told(row).split(' ').next().unwrap()["task=".len()..].parse();
        let numbers: Vec<usize> = tasks.iter().map(|row| number(row).unwrap()).collect();
        assert_eq!(numbers, [1, 3, 4, 5, 7, 8, 9, 0, 2, 6]);
        let mut by_number: Vec<usize> = (0..10).collect();
        by_number.sort_by_key(|place| numbers[*place]);
        assert_eq!(
            told(&tasks[by_number[5]]),
            r##"task=5 pid=100 tid=122 parent=2 what="thread" name="worker-2" class="worker-#" origin="birth" born_ns=30000000 ended_ns=50000000 lifetime_ns=20000000 how="killed by SIGSEGV (core)" signal="SIGSEGV" core=true children=0"##
        );
        let born = tasks[by_number[5]]
            .get_column_iter()
            .find(|(name, _)| *name == "born");
        assert_eq!(
            born.unwrap().1.to_string(),
            "2026-09-21 14:13:20.030000 +00:00"
        );

        let run = tidview(&["export", &file.path(), "--to", "parquet", "-o", &out]);
        assert!(run.err.contains("is there already: --force"), "{}", run.err);
        let run = tidview(&["export", &file.path(), "--to", "parquet"]);
        let expected = "tidview: parquet is written into a folder: name it with -o\n";
        assert_eq!((run.err.as_str(), run.code), (expected, Some(2)));
    }

    #[test]
    fn what_is_selected_is_in_both_tables() {
        let file = File::trace(&header(), &everything(), 100_000_000);
        let folder = Folder::new();
        let out = folder.path("fleet");
        let select = ["--name", "worker-*", "--until", "0.025s"];
        let export = ["export", &file.path(), "--to", "parquet", "-o", &out];
        let run = tidview(&[&export[..], &select].concat());
        let hidden = "2 of 10 tasks; 8 hidden by --until 0.025s --name worker-*";
        let events = "4 of 25 events; 21 hidden by --until 0.025s --name worker-*";
        assert_eq!(run.err, format!("tidview: {hidden}\ntidview: {events}\n"));
        let column = |table: &str, wanted: &str| {
            let id = "0000000000000000000000000000feed";
            let path = format!("{out}/{table}/host=web-3/date=2026-09-21/{id}.parquet");
            let of_row = |row: &Row| {
                let cell = row.get_column_iter().find(|(name, _)| *name == wanted);
                cell.unwrap().1.to_string()
            };
            rows(&path).iter().map(of_row).collect::<Vec<_>>()
        };
        assert_eq!(column("tasks", "tid"), ["120", "121"]);
        assert_eq!(column("tasks", "parent"), ["2", "2"]);
        assert_eq!(column("events", "seq"), ["4", "5", "6", "7"]);

        // What was not seen could be anybody's.
        let file = File::trace(&header(), &with_losses(), 100_000_000);
        let export = [
            "export",
            &file.path(),
            "--to",
            "parquet",
            "-o",
            &out,
            "--force",
        ];
        let run = tidview(&[&export[..], &["--max-life", "0s"]].concat());
        assert!(
            run.err
                .ends_with("2 of 27 events; 25 hidden by --max-life 0s\n"),
            "{}",
            run.err
        );
        assert_eq!(column("events", "kind"), ["\"gap\"", "\"lost\""]);
        for to in ["chrome", "firefox"] {
            let args = ["export", &file.path(), "--to", to, "--until", "50ms"];
            assert!(tidview(&args).out.contains("gap: "), "{to}");
        }
    }

    #[test]
    fn sites_are_functions_of_the_program() {
        let (file, folder) = (with_stack(), Folder::new());
        let out = folder.path("fleet");
        prints(&["export", &file.path(), "--to", "parquet", "-o", &out]);
        let id = "0000000000000000000000000000feed";
        let tasks = rows(&format!(
            "{out}/tasks/host=web-3/date=2026-09-21/{id}.parquet"
        ));
        let site = |row: &Row| {
            let columns = row.get_column_iter();
            let columns = columns.filter(|(name, _)| ["site", "start"].contains(&name.as_str()));
            columns
                .map(|(_, value)| value.to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(site(&tasks[0]), ["null", "null"]);
        assert_eq!(site(&tasks[1]), [r#""spawn""#, r#""serve""#]);
    }
}
