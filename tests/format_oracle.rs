//! The library against a second reader, `format_reader.py`, that was written from the
//! specification alone: on a trace with every kind of record, and on that trace broken in every
//! way that one byte can break it, both say the same.

use std::fmt::Write as _;
use std::io::{Cursor, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use tidline::format::{Error, HOST_RANGE, Header, Host, Segment, Sink, Writer, read_trace, scan};
use tidline::model::{
    Anchor, Carried, Damage, Definition, DetachReason, End, Ended, Ending, Event, EventBody,
    FrameId, GapReason, Name, Origin, StackEnd, StackId, SymbolSource, Task, Tid, Time, Trace,
    Trust,
};
use tidline::synth::{self, Plan};

mod format_files;
use format_files::{
    Claim, Definitions, boundaries, every_shape, file_of, header, hostile, parts, small, stacks,
};

const READER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/format_reader.py");

/// What the second reader says of files; `None` if this host has no Python.
fn second_opinion(files: &[Vec<u8>]) -> Option<Vec<String>> {
    let mut python = Command::new("python3");
    // Many files go through one pipe: each behind its length.
    python.args([READER, "--framed"]);
    python.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut python = match python.spawn() {
        Ok(child) => child,
        Err(error) if std::env::var_os("CI").is_none() => {
            eprintln!("NOT TESTED: python3 does not start ({error}), so nothing was compared");
            return None;
        }
        Err(error) => panic!("python3, which this test needs, does not start: {error}"),
    };
    let mut input = Vec::new();
    for file in files {
        input.extend((file.len() as u32).to_le_bytes());
        input.extend(file);
    }
    let mut stdin = python.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || stdin.write_all(&input));
    let output = python.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let opinions: Vec<String> = text.split_terminator("--\n").map(String::from).collect();
    assert_eq!(opinions.len(), files.len());
    Some(opinions)
}

fn compare(files: &[Vec<u8>]) {
    let Some(opinions) = second_opinion(files) else {
        return;
    };
    for (index, (file, theirs)) in files.iter().zip(opinions).enumerate() {
        let ours = match read_trace(Cursor::new(file)) {
            Ok(trace) => json(file, &trace),
            Err(Error::Io { .. }) => panic!("reading from memory failed"),
            Err(_) => {
                let unreadable = theirs.starts_with("{\"unreadable\"");
                assert!(unreadable, "file {index}: only the library refuses it");
                continue;
            }
        };
        let differs = ours.lines().zip(theirs.lines()).find(|(a, b)| a != b);
        let short = differs.map(|(a, b)| (a.get(..300).unwrap_or(a), b.get(..300).unwrap_or(b)));
        assert_eq!(
            short, None,
            "file {index}: the library, and the second reader"
        );
        assert_eq!(ours.lines().count(), theirs.lines().count(), "file {index}");
    }
}

#[test]
fn both_read_every_shape_of_record() {
    let events = every_shape();
    let repeated: Vec<Event> = (0..40).flat_map(|_| events.clone()).collect();
    let synthetic = synth::events(Plan {
        events: 3000,
        width: 40,
        seed: 7,
    });
    compare(&[
        file_of(&header(), &events, 100),
        file_of(&header(), &events, 1),
        file_of(&Header::default(), &repeated, 400), // packed, and times that go back
        file_of(&Header::default(), &synthetic, 1000),
        file_of(&Header::default(), &[], 1),
    ]);
}

#[test]
fn both_know_the_hosts_of_a_merged_file() {
    let files = (0..5).map(|number| {
        let mut header = header();
        let hosts = (0..number).map(|number: u64| Host {
            name: format!("web-{number}"),
            boot_id: "b".repeat(number as usize),
            clock_apart_ns: number * 1_000,
        });
        header.set_hosts(&hosts.collect::<Vec<_>>());
        // What is no list of hosts: a hole, and no number.
        if number == 4 {
            header.options.retain(|(name, _)| name != "host-2");
            for (name, value) in &mut header.options {
                if name.starts_with("clock-apart") {
                    *value = "-1".into();
                }
            }
        }
        file_of(&header, &every_shape(), 100)
    });
    compare(&files.collect::<Vec<_>>());
}

/// A file that begins with a checkpoint, in several parts if there are many tasks.
fn carried_on(tasks: u32) -> Vec<u8> {
    let carried = (0..tasks).map(|number| Carried {
        task: Task::new(100, 100 + number),
        inner: (number % 3 == 0).then_some(Tid(number)),
        origin: [Origin::Existing, Origin::Birth, Origin::Inferred][number as usize % 3],
        parent: (number > 0).then_some(number as usize / 2),
        creator_name: (number % 6 == 1).then(|| "starter".into()),
        born: Time(u64::from(number) * 1_000),
        name: "worker".into(),
        exe: (number % 5 == 0).then(|| "/bin/sh".into()),
        ended: match number % 7 {
            0 => Some((Time(9), Ended::BecameLeader)),
            1 => Some((Time(9), Ended::Exit(End::Code(3)))),
            2 => Some((Time(9), Ended::Detached(DetachReason::FollowFork))),
            _ => None,
        },
        stack: (number % 4 > 1).then_some(StackId(number)),
        start: (number % 4 % 2 == 1).then_some(FrameId(number % 3)),
    });
    let carried: Vec<Carried> = carried.collect();
    let anchor = Anchor {
        time: Time(1 << 33),
        wall_ns: -5,
        utc_offset_s: -3600,
    };
    let mut writer = Writer::start(Vec::new(), &Header::default()).unwrap();
    let (mut definitions, stacks) = (Definitions::default(), stacks());
    definitions.checkpoint(&mut writer, (&carried, anchor), &stacks);
    for event in every_shape() {
        definitions.push(&mut writer, &event, &stacks);
    }
    let now = Time(1 << 41);
    writer.finish(now, "ok", &[]).unwrap()
}

#[test]
fn both_read_checkpoints() {
    let files = [carried_on(0), carried_on(1), carried_on(40_000)];
    assert!(boundaries(&files[2]).len() > 5, "several parts");
    let small = carried_on(9);
    let cut = (0..small.len()).map(|end| small[..end].to_vec());
    let parts = parts(&files[2]);
    let missing = [&parts[..2], &parts[3..]].concat().concat();
    let twice = [&parts[..3], &parts[2..]].concat().concat();
    let all: Vec<Vec<u8>> = files
        .iter()
        .cloned()
        .chain(cut)
        .chain([missing, twice])
        .collect();
    compare(&all);
}

#[test]
fn both_read_checkpoints_between_events() {
    let mut events = every_shape();
    events.retain(|event| !matches!(event.body, EventBody::Lost { .. }));
    let is_due = |writer: &Writer<Vec<u8>>| (writer.events() + writer.pending()).is_multiple_of(7);
    let writer = Writer::start(Vec::new(), &header()).unwrap();
    let file = synth::record(writer, events, is_due).unwrap();
    let cut = (0..file.len()).step_by(9).map(|end| file[..end].to_vec());
    compare(&cut.chain([file.clone()]).collect::<Vec<_>>());
}

#[test]
fn both_read_what_a_later_writer_may_write() {
    let (file, _) = small();
    let parts = parts(&file);
    // An unknown event, an unknown note, and an EXIT with two bytes more than it has here.
    let payload = [63, 1, 2, 9, 9, 200, 1, 0, 19, 1, 5, 20, 20, 3, 8, 8];
    let known_kind = Claim::of(&payload, 3).followed_by(&payload);
    let unknown_kind = Claim {
        kind: 77,
        ..Claim::of(&payload, 3)
    };
    let end = [65, 0, 5, 2, 2, b'o', b'k', 0];
    let end = Claim {
        kind: 2,
        number: 1,
        ..Claim::of(&end, 1)
    }
    .followed_by(&end);
    let header = &parts[0];
    compare(&[
        [header, &known_kind[..], &end].concat(),
        [header, &unknown_kind.followed_by(&payload)[..]].concat(),
    ]);
    let trace = format_files::read([header, &known_kind[..], &end].concat());
    assert!(trace.is_complete(), "{:?}", trace.integrity());
    assert_eq!(trace.integrity().unknown_records, 2);
    assert_eq!(trace.integrity().longer_records, 2);
}

/// As [`carried_on`] and [`every_shape`] write them, and as no writer does.
#[test]
fn both_read_definitions() {
    let whole = carried_on(9);
    let first = boundaries(&whole)[0];
    assert_eq!(whole[first + 4], 5, "a chunk of definitions");
    let header = &parts(&whole)[0];
    let chunk = |kind: u8, payload: &[u8], records| {
        let claim = Claim {
            kind,
            ..Claim::of(payload, records)
        };
        [header, &claim.followed_by(payload)[..]].concat()
    };
    // Small and unpacked, and each of its bytes changed with the right checksum.
    let small = [
        &[5, 0, 10, 0, 2, b'/', b'a', 1, 9, 7, 16, 250, 0][..],
        &[6, 0, 5, 0, 1, 99, 2, 77],
        &[6, 0, 4, 3, 0, 99, 200],
        &[7, 0, 4, 1, 0, 0, 1],
        &[7, 0, 4, 2, 2, 3, 99],
        &[8, 0, 12, 0, 1, 2, 1, b'f', 0, 7, 1, b'g', 1, b'c', 0],
        &[8, 0, 4, 3, 0, 0, 1],
    ];
    let count = small.len() as u32;
    let small = small.concat();
    let mut files = vec![chunk(5, &small, count)];
    for kind in 1..7 {
        files.push(chunk(kind, &small, count));
    }
    for at in 0..small.len() {
        for value in [0, 1, 2, 3, 4, 8, 9, 250, 251, 254, 255] {
            let mut changed = small.clone();
            changed[at] = value;
            files.push(chunk(5, &changed, count));
        }
        files.push(chunk(5, &small[..at], count));
    }
    let trace = format_files::read(&files[0]);
    assert_eq!(trace.integrity().damage, []);
    assert_eq!(trace.integrity().longer_records, 3);
    assert_eq!(trace.stacks().walk(StackId(2)).count(), 2);

    // Damage beside definitions: their time is none, and they explain no jump in the numbers.
    let chunks = parts(&file_of(&Header::default(), &every_shape(), 10));
    for gone in 1..chunks.len() {
        let mut broken = chunks.clone();
        let last = broken[gone].len() - 1;
        broken[gone][last] ^= 1;
        files.push(broken.concat());
        for other in gone + 1..chunks.len() {
            let mut fewer = broken.clone();
            fewer.remove(other);
            files.push(fewer.concat());
        }
    }
    compare(&files);
}

#[test]
fn both_say_the_same_of_a_file_with_any_byte_changed_or_its_end_cut_off() {
    let (file, _) = small();
    let mut files: Vec<Vec<u8>> = (0..file.len()).map(|end| file[..end].to_vec()).collect();
    for at in 0..file.len() {
        let mut flipped = file.clone();
        flipped[at] ^= 1 << (at % 8);
        files.push(flipped);
    }
    compare(&files);
}

#[test]
fn both_say_the_same_of_files_put_together_wrongly() {
    let (file, _) = small();
    let whole = parts(&file);
    let cut = &file[..boundaries(&file)[2] + 60];
    let mut files = vec![
        [&file[..], &file].concat(),
        [cut, &file].concat(),
        [&file[..], &[0; 5000]].concat(),
        [cut, &whole[3..].concat()].concat(),
    ];
    for index in 1..whole.len() {
        let without = [&whole[..index], &whole[index + 1..]].concat().concat();
        let twice = [&whole[..=index], &whole[index..]].concat().concat();
        let garbage = vec![b"\x89TID\xf5TDC\0\xf5".to_vec()];
        let between = [&whole[..index], &garbage, &whole[index..]].concat();
        files.extend([without, twice, between.concat()]);
    }
    let hostile = hostile(20_000).into_iter().map(|(_, file)| file);
    files.extend(hostile);
    compare(&files);
}

/// Made once, by the writer of the day when version 1 got its stacks.
const WITH_STACKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/traces/v1/stacks.tid");

#[test]
fn both_read_the_trace_with_stacks_as_it_was_read_when_it_was_made() {
    let file = std::fs::read(WITH_STACKS).unwrap();
    let said = std::fs::read_to_string(Path::new(WITH_STACKS).with_extension("json")).unwrap();
    let trace = format_files::read(&file);
    let now = json(&file, &trace);
    let differs = now.lines().zip(said.lines()).find(|(a, b)| a != b);
    assert_eq!(differs, None, "now, and then");
    assert_eq!(now.len(), said.len());
    assert!(trace.is_complete(), "{:?}", trace.integrity());
    compare(&[file]);
}

#[test]
#[ignore = "writes the trace with stacks, where it is not there"]
fn write_the_trace_with_stacks() {
    let file = file_of(&synth::header(), &every_shape(), 40);
    let mut made = std::fs::File::create_new(WITH_STACKS).expect("never made again");
    made.write_all(&file).unwrap();
    let said = json(&file, &format_files::read(&file));
    std::fs::write(Path::new(WITH_STACKS).with_extension("json"), said).unwrap();
}

// The library's view, in the second reader's words.

fn json(file: &[u8], trace: &Trace) -> String {
    let mut out = format!("{{\"header\":{}}}\n", header_json(trace.header()));
    let hosts = trace.header().hosts().into_iter().zip(0..);
    let hosts = hosts.map(|(host, number)| {
        let (name, boot, apart) = (host.name, host.boot_id, host.clock_apart_ns);
        format!("[{name:?},{boot:?},{apart},{}]", number * HOST_RANGE)
    });
    let hosts: Vec<String> = hosts.collect();
    if !hosts.is_empty() {
        let _ = writeln!(out, "{{\"hosts\":[{}]}}", hosts.join(","));
    }
    for event in trace.events() {
        let _ = writeln!(
            out,
            "{{\"time\":{},{}}}",
            event.time.0,
            body_json(&event.body)
        );
    }
    let file = Segment::open(Cursor::new(file)).expect("a trace");
    let mut seen = Checkpoints::default();
    scan(vec![file], &mut seen).expect("it can be read");
    out += &seen.definitions;
    out += &seen.checkpoints;
    let _ = writeln!(out, "{{\"anchors\":[{}]}}", seen.anchors.join(","));
    let counters = trace.counters().iter();
    let counters: Vec<String> = counters
        .map(|(name, value)| format!("[{name:?},{value}]"))
        .collect();
    let _ = writeln!(out, "{{\"counters\":[{}]}}", counters.join(","));
    let integrity = trace.integrity();
    for damage in &integrity.damage {
        let _ = writeln!(
            out,
            "{{\"damage\":{{\"offset\":{},\"bytes\":{},\"after\":{},\"before\":{}}}}}",
            damage.offset,
            damage.bytes,
            damage.after.0,
            optional(damage.before.map(|Time(time)| time)),
        );
    }
    let ending = match &integrity.ending {
        Ending::Finished(reason) => format!("{reason:?}"),
        Ending::CutShort => "null".into(),
    };
    let _ = writeln!(
        out,
        "{{\"ending\":{ending},\"unknown_records\":{},\"longer_records\":{},\"trailing_bytes\":{},\
         \"chunks\":{},\"end\":{}}}",
        integrity.unknown_records,
        integrity.longer_records,
        integrity.trailing_bytes,
        integrity.chunks,
        trace.end().0,
    );
    out
}

/// What only a sink hears of.
#[derive(Default)]
struct Checkpoints {
    definitions: String,
    checkpoints: String,
    anchors: Vec<String>,
}

impl Sink for Checkpoints {
    fn checkpoint(&mut self, carried: &[Carried], time: Time) {
        let carried: Vec<String> = carried.iter().map(carried_json).collect();
        let _ = writeln!(
            self.checkpoints,
            "{{\"time\":{},\"carried\":[{}]}}",
            time.0,
            carried.join(",")
        );
    }
    fn anchor(&mut self, anchor: Anchor) {
        self.anchors.push(format!(
            "{{\"time\":{},\"wall_ns\":{},\"utc_offset_s\":{}}}",
            anchor.time.0, anchor.wall_ns, anchor.utc_offset_s
        ));
    }
    fn event(&mut self, _: Event) {}
    fn define(&mut self, definition: Definition) {
        let _ = writeln!(self.definitions, "{}", definition_json(&definition));
    }
    fn counter(&mut self, _: String, _: u64) {}
    fn reached(&mut self, _: Time) {}
    fn damaged(&mut self, _: &Damage) {}
}

fn carried_json(carried: &Carried) -> String {
    let origin = match carried.origin {
        Origin::Existing => "existing",
        Origin::Birth => "birth",
        Origin::Inferred => "inferred",
    };
    let how = |how| match how {
        Ended::Exit(End::Code(code)) => u16::from(code),
        Ended::Exit(End::Signal { number, core }) => {
            u16::from(number) + if core { 512 } else { 256 }
        }
        Ended::Exit(End::Unknown) => 1024,
        Ended::BecameLeader => 1025,
        Ended::Alive | Ended::Missing => 1026,
        Ended::Detached(DetachReason::NewThread) => 1281,
        Ended::Detached(DetachReason::FollowFork) => 1282,
        Ended::Detached(DetachReason::LeftOut) => 1283,
        Ended::Detached(DetachReason::FollowExec) => 1284,
        Ended::Detached(DetachReason::SlippedAway) => 1285,
        Ended::Detached(DetachReason::RecordingEnded) => 1286,
        Ended::Detached(DetachReason::Other(number)) => 1280 + u16::from(number),
    };
    let ended = carried
        .ended
        .map(|(time, ended)| format!("[{},{}]", time.0, how(ended)));
    format!(
        "{{{},\"inner\":{},\"origin\":\"{origin}\",\"parent\":{},\"born\":{},\"name\":{},\"exe\":{},\
         \"ended\":{},\"stack\":{},\"start\":{},\"creator_name\":{}}}",
        task_json(carried.task),
        optional(carried.inner),
        optional(carried.parent),
        carried.born.0,
        name_json(&carried.name),
        optional(carried.exe.as_ref().map(name_json)),
        optional(ended),
        optional(carried.stack.map(|stack| stack.0)),
        optional(carried.start.map(|start| start.0)),
        optional(carried.creator_name.as_ref().map(name_json)),
    )
}

fn definition_json(definition: &Definition) -> String {
    match definition {
        Definition::Module(id, module) => {
            let (pid, start, end) = module.seen;
            format!(
                "{{\"module\":{},\"path\":{},\"build_id\":{},\"pid\":{pid},\"start\":{start},\
                 \"end\":{end}}}",
                id.0,
                name_json(&module.path),
                hex(&module.build_id),
            )
        }
        Definition::Frame(id, frame) => {
            let trust = match frame.trust {
                Trust::Register => 1,
                Trust::Cfi => 2,
                Trust::FramePointer => 3,
                Trust::Argument => 4,
                Trust::Other(number) => number,
            };
            format!(
                "{{\"frame\":{},\"module\":{},\"address\":{},\"trust\":{trust}}}",
                id.0,
                optional(frame.module.map(|module| module.0)),
                frame.address,
            )
        }
        Definition::Stack(id, node) => {
            let end = match node.end {
                StackEnd::Bottom => 1,
                StackEnd::Captured => 2,
                StackEnd::Limit => 3,
                StackEnd::NoUnwindInfo => 4,
                StackEnd::NoCode => 5,
                StackEnd::NoMap => 6,
                StackEnd::Unreadable => 7,
                StackEnd::Foreign => 8,
                StackEnd::Unsure => 9,
                StackEnd::Other(number) => number,
            };
            format!(
                "{{\"stack\":{},\"up\":{},\"frame\":{},\"end\":{end}}}",
                id.0,
                optional(node.up.map(|up| up.0)),
                node.frame.0,
            )
        }
        Definition::Symbol(id, symbol) => {
            let source = match symbol.source {
                SymbolSource::Nothing => 0,
                SymbolSource::DebugInfo => 1,
                SymbolSource::SymbolTable => 2,
                SymbolSource::JitMap => 3,
                SymbolSource::Other(number) => number,
            };
            let functions = symbol.functions.iter().map(|function| {
                let (name, file) = (name_json(&function.name), name_json(&function.file));
                format!("[{name},{file},{}]", function.line.unwrap_or(0))
            });
            let functions = functions.collect::<Vec<_>>().join(",");
            format!(
                "{{\"symbol\":{},\"source\":{source},\"functions\":[{functions}]}}",
                id.0,
            )
        }
    }
}

fn header_json(header: &Header) -> String {
    let options = header.options.iter();
    let options: Vec<String> = options
        .map(|(name, value)| format!("[{name:?},{value:?}]"))
        .collect();
    let targets = header.targets.iter().map(|target| {
        let command = target.command.iter();
        let command: Vec<String> = command.map(|argument| hex(argument)).collect();
        format!(
            "{{\"pid\":{},\"command\":[{}]}}",
            target.pid,
            command.join(",")
        )
    });
    let targets: Vec<String> = targets.collect();
    format!(
        "{{\"trace_id\":\"{:x}\",\"segment\":{},\"host\":{:?},\"kernel\":{:?},\"arch\":{:?},\
         \"boot_id\":{:?},\"recorder\":{:?},\"backend\":{:?},\"options\":[{}],\"launched\":{},\
         \"targets\":[{}],\"start_monotonic_ns\":{},\"start_wall_ns\":{},\"utc_offset_s\":{}}}",
        header.trace_id,
        header.segment,
        header.host,
        header.kernel,
        header.arch,
        header.boot_id,
        header.recorder,
        header.backend,
        options.join(","),
        header.launched,
        targets.join(","),
        header.start_monotonic_ns,
        header.start_wall_ns,
        header.utc_offset_s,
    )
}

fn body_json(body: &EventBody) -> String {
    let kind = format!("\"kind\":\"{}\"", body.kind());
    let rest = match body {
        EventBody::Existing {
            task,
            parent_pid,
            name,
            pc,
            inner,
        } => format!(
            "{},\"parent_pid\":{},\"pc\":{},\"name\":{},\"inner\":{}",
            task_json(*task),
            optional(parent_pid.map(|pid| pid.0)),
            optional(*pc),
            name_json(name),
            optional(*inner),
        ),
        EventBody::Birth(birth) => format!(
            "\"what\":\"{}\",\"parent_pid\":{},\"parent_tid\":{},\"pid\":{},\"tid\":{},\
             \"pc\":{},\"flags\":{},\"stack\":{},\"start\":{},\"inner\":{}",
            birth.what.as_str(),
            optional(birth.parent.map(|task| task.pid)),
            optional(birth.parent.map(|task| task.tid)),
            birth.child.pid,
            birth.child.tid,
            optional(birth.pc),
            optional(birth.flags),
            optional(birth.stack.map(|stack| stack.0)),
            optional(birth.start.map(|start| start.0)),
            optional(birth.inner),
        ),
        EventBody::Exec {
            task,
            former_tid,
            exe,
            name,
        } => format!(
            "{},\"former_tid\":{former_tid},\"exe\":{},\"name\":{}",
            task_json(*task),
            name_json(exe),
            name_json(name),
        ),
        EventBody::Exit { task, end } => {
            let end = match end {
                End::Code(code) => format!("\"code\":{code}"),
                End::Signal { number, core } => format!("\"signal\":{number},\"core\":{core}"),
                End::Unknown => "\"unknown\":true".into(),
            };
            format!("{},{end}", task_json(*task))
        }
        EventBody::Rename { task, name } => {
            format!("{},\"name\":{}", task_json(*task), name_json(name))
        }
        EventBody::Detach { task, reason } => {
            let reason = match reason {
                DetachReason::NewThread => 1,
                DetachReason::FollowFork => 2,
                DetachReason::LeftOut => 3,
                DetachReason::FollowExec => 4,
                DetachReason::SlippedAway => 5,
                DetachReason::RecordingEnded => 6,
                DetachReason::Other(number) => *number,
            };
            format!("{},\"reason\":{reason}", task_json(*task))
        }
        EventBody::Gap {
            reason,
            count,
            since,
            detail,
        } => {
            let reason = match reason {
                GapReason::AttachIncomplete => 1,
                GapReason::Untraced => 2,
                GapReason::TraceeLost => 3,
                GapReason::Damaged => 4,
                GapReason::Other(number) => *number,
            };
            let detail = name_json(detail);
            format!(
                "\"reason\":{reason},\"count\":{count},\"since\":{},\"detail\":{detail}",
                since.0
            )
        }
        EventBody::Lost {
            count,
            since,
            reason,
        } => format!(
            "\"count\":{count},\"since\":{},\"reason\":{}",
            since.0,
            name_json(reason)
        ),
        EventBody::CreateFailed {
            task,
            call,
            errno,
            flags,
            pc,
            stack,
        } => format!(
            "{},\"errno\":{errno},\"flags\":{},\"pc\":{},\"call\":{},\"stack\":{}",
            task_json(*task),
            optional(*flags),
            optional(*pc),
            name_json(call),
            optional(stack.map(|stack| stack.0)),
        ),
        EventBody::SyscallEnter {
            task,
            name,
            number,
            args,
        } => format!(
            "{},\"number\":{number},\"name\":{},\"args\":[{}]",
            task_json(*task),
            name_json(name),
            args.map(|arg| arg.to_string()).join(","),
        ),
        EventBody::SyscallExit {
            task,
            name,
            number,
            result,
        } => format!(
            "{},\"number\":{number},\"name\":{},\"result\":{result}",
            task_json(*task),
            name_json(name),
        ),
        EventBody::Mark { text } => format!("\"text\":{}", name_json(text)),
    };
    format!("{kind},{rest}")
}

fn task_json(task: Task) -> String {
    format!("\"tid\":{},\"pid\":{}", task.tid, task.pid)
}

fn name_json(name: &Name) -> String {
    hex(name.as_bytes())
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes
        .iter()
        .fold(String::new(), |out, byte| out + &format!("{byte:02x}"));
    format!("\"{digits}\"")
}

fn optional<T: ToString>(value: Option<T>) -> String {
    value.map_or("null".into(), |value| value.to_string())
}
