//! Traces made by hand, small enough to know what must be shown of them.

use tidline::format::{Header, Target};
use tidline::model::{
    Birth, DetachReason, End, Event, EventBody, GapReason, Task, Tid, Time, Via, What,
};

const MS: u64 = 1_000_000;

/// The header of a recording that was attached on 2026-09-21 at 16:13:20 in +02:00.
pub(crate) fn header() -> Header {
    Header {
        trace_id: 0xfeed,
        host: "web-3".into(),
        kernel: "6.18.0".into(),
        arch: "x86_64".into(),
        recorder: "tidrec 0.1.0".into(),
        backend: "ptrace".into(),
        options: vec![
            ("follow-fork".into(), "both".into()),
            ("new-threads".into(), "follow".into()),
        ],
        targets: vec![Target {
            pid: 100,
            command: vec![b"server".to_vec(), b"--name=my server".to_vec()],
        }],
        start_wall_ns: 1_790_000_000_000_000_000,
        utc_offset_s: 7_200,
        ..Header::default()
    }
}

/// An event at a time in milliseconds.
pub(crate) fn at(ms: u64, body: EventBody) -> Event {
    Event {
        time: Time(ms * MS),
        body,
    }
}

pub(crate) fn existing(ms: u64, task: Task, name: &[u8]) -> Event {
    let (parent_pid, pc) = (None, task.is_leader().then_some(0x40_1000));
    let name = name.into();
    at(
        ms,
        EventBody::Existing {
            task,
            parent_pid,
            name,
            pc,
            inner: None,
        },
    )
}

pub(crate) fn thread(ms: u64, parent: Task, child: Task) -> Event {
    let (flags, pc) = (Some(0x3d_0f00), Some(0x7f00_0010_a3b1));
    birth(ms, Via::Clone, What::Thread, Some(parent), child, flags, pc)
}

pub(crate) fn process(ms: u64, parent: Task, child: Task) -> Event {
    let (flags, pc) = (Some(0x120_0011), Some(0x7f00_0010_a3b1));
    birth(ms, Via::Fork, What::Process, Some(parent), child, flags, pc)
}

fn birth(
    ms: u64,
    via: Via,
    what: What,
    parent: Option<Task>,
    child: Task,
    flags: Option<u64>,
    pc: Option<u64>,
) -> Event {
    at(
        ms,
        EventBody::Birth(Birth {
            via,
            what,
            parent,
            child,
            flags,
            pc,
            inner: None,
            stack: None,
            start: None,
        }),
    )
}

pub(crate) fn exit(ms: u64, task: Task, code: u8) -> Event {
    let end = End::Code(code);
    at(ms, EventBody::Exit { task, end })
}

pub(crate) fn rename(ms: u64, task: Task, name: &[u8]) -> Event {
    let name = name.into();
    at(ms, EventBody::Rename { task, name })
}

/// A little of everything, nothing lost: 25 events in 100 ms.
pub(crate) fn everything() -> Vec<Event> {
    let [main, gc, pool] = [100, 101, 110].map(|tid| Task::new(100, tid));
    let [sh, ls, helper] = [200, 201, 300].map(|pid| Task::new(pid, pid));
    let worker = |number: u32| Task::new(100, 120 + number);
    let mut events = vec![
        existing(0, main, b"server"),
        existing(0, gc, b"gc"),
        thread(5, main, pool),
        rename(6, pool, b"pool"),
    ];
    for number in 0..4 {
        let ms = 10 + 10 * u64::from(number);
        events.push(thread(ms, pool, worker(number)));
        let name = format!("worker-{number}");
        events.push(rename(ms + 1, worker(number), name.as_bytes()));
    }
    let killed = End::Signal {
        number: 11,
        core: true,
    };
    let exec = |task, former_tid, exe: &[u8; 7], name: &[u8; 2]| EventBody::Exec {
        task,
        former_tid: Tid(former_tid),
        exe: exe.into(),
        name: name.into(),
    };
    let let_go = EventBody::Detach {
        task: helper,
        reason: DetachReason::FollowFork,
    };
    events.extend([
        exit(45, worker(0), 0),
        exit(46, worker(1), 0),
        at(
            50,
            EventBody::Exit {
                task: worker(2),
                end: killed,
            },
        ),
        process(55, main, sh),
        at(56, exec(sh, 200, b"/x/dash", b"sh")),
        birth(60, Via::Vfork, What::Process, None, ls, None, None),
        at(61, exec(ls, 209, b"/bin/ls", b"ls")),
        exit(70, ls, 2),
        at(
            75,
            EventBody::Exit {
                task: sh,
                end: End::Unknown,
            },
        ),
        process(80, main, helper),
        at(81, let_go),
        at(
            90,
            EventBody::Mark {
                text: b"deploy, \"v2\"".into(),
            },
        ),
    ]);
    events.push(exit(95, gc, 0));
    events
}

/// The same, with what the recorder could not see or keep.
pub(crate) fn with_losses() -> Vec<Event> {
    let mut events = everything();
    events.extend([
        at(
            96,
            EventBody::Gap {
                reason: GapReason::TraceeLost,
                count: 1,
                since: Time(95 * MS),
                detail: b"tid 130".into(),
            },
        ),
        at(
            98,
            EventBody::Lost {
                count: 1_234,
                since: Time(96 * MS),
                reason: b"writing failed: no space left on device".into(),
            },
        ),
    ]);
    events
}
