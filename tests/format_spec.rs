//! The specification's worked example is a real file: the bytes in `format.md` are those that the
//! writer writes, and the reader gives back what the text says of them.

use std::io::Cursor;

use tidline::format::{Header, Target, Writer, read_trace};
use tidline::model::{Birth, End, Ending, Event, EventBody, Task, Time, Via, What};

const SPEC: &str = include_str!("../src/format/format.md");

/// A shell that starts one thread, which is killed.
fn events() -> [Event; 3] {
    let (main, thread) = (Task::new(100, 100), Task::new(100, 101));
    let existing = EventBody::Existing {
        task: main,
        parent_pid: None,
        name: b"sh".into(),
        pc: None,
        inner: None,
    };
    let birth = EventBody::Birth(Birth {
        via: Via::Clone,
        what: What::Thread,
        parent: Some(main),
        child: thread,
        flags: Some(0x3d_0f00),
        pc: Some(0x40_1000),
        inner: None,
        stack: None,
        start: None,
    });
    let exit = EventBody::Exit {
        task: thread,
        end: End::Signal {
            number: 9,
            core: false,
        },
    };
    [(5, existing), (1000, birth), (1_001_000, exit)].map(|(time, body)| Event {
        time: Time(time),
        body,
    })
}

fn header() -> Header {
    Header {
        trace_id: 0x0102,
        host: "box".into(),
        kernel: "6.18.0".into(),
        arch: "x86_64".into(),
        recorder: "tidrec 0.1.0".into(),
        backend: "ptrace".into(),
        options: vec![("follow-fork".into(), "both".into())],
        launched: true,
        targets: vec![Target {
            pid: 100,
            command: vec![b"sh".to_vec()],
        }],
        start_monotonic_ns: 1_000_000_000,
        start_wall_ns: 1_790_000_000_000_000_000,
        utc_offset_s: 7200,
        ..Header::default()
    }
}

fn file() -> Vec<u8> {
    let mut writer = Writer::start(Vec::new(), &header()).unwrap();
    for event in events() {
        writer.push(&event).unwrap();
    }
    let counters = [("stops", 4)];
    writer
        .finish(Time(2_000_000), "target ended", &counters)
        .unwrap()
}

/// The bytes of the dump: lines that begin with four hex digits, two blanks, and bytes up to the
/// next two blanks. Each line's offset must be where the lines before it end.
fn dump_in(spec: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in spec.lines() {
        let Some((offset, rest)) = line.split_once("  ") else {
            continue;
        };
        if offset.len() != 4 || !offset.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            continue;
        }
        let offset = usize::from_str_radix(offset, 16).unwrap();
        assert_eq!(offset, bytes.len(), "the offset of the line {line:?}");
        let hex = rest.split("  ").next().unwrap();
        bytes.extend(
            hex.split(' ')
                .map(|byte| u8::from_str_radix(byte, 16).unwrap()),
        );
    }
    bytes
}

#[test]
fn the_dump_in_the_specification_is_what_the_writer_writes() {
    let (written, dumped) = (file(), dump_in(SPEC));
    if std::env::var_os("SHOW").is_some() {
        for (i, row) in written.chunks(16).enumerate() {
            let row: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
            println!("{:04x}  {}", i * 16, row.join(" "));
        }
    }
    let differs = written.iter().zip(&dumped).position(|(a, b)| a != b);
    assert_eq!(differs, None, "the first byte that differs");
    assert_eq!(written.len(), dumped.len());
}

#[test]
fn the_dump_in_the_specification_reads_as_its_text_says() {
    let trace = read_trace(Cursor::new(dump_in(SPEC))).unwrap();
    assert_eq!(*trace.header(), header());
    assert_eq!(trace.events(), events());
    assert_eq!(trace.counters(), [("stops".to_string(), 4)]);
    let ending = Ending::Finished("target ended".into());
    assert_eq!(trace.integrity().ending, ending);
    assert!(trace.is_complete());
}
