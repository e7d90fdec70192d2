//! Records there and back, and bytes that no writer wrote.

use super::*;
use crate::model::Name;
use proptest::prelude::*;

fn task() -> impl Strategy<Value = Task> {
    (any::<u32>(), any::<u32>()).prop_map(|(pid, tid)| Task::new(pid, tid))
}

fn name() -> impl Strategy<Value = Name> {
    proptest::collection::vec(any::<u8>(), 0..40).prop_map(|bytes| Name::from(&bytes[..]))
}

fn inner() -> impl Strategy<Value = Option<Tid>> {
    proptest::option::of(any::<u32>().prop_map(Tid))
}

fn birth() -> impl Strategy<Value = Birth> {
    let via = prop_oneof![Just(Via::Clone), Just(Via::Fork), Just(Via::Vfork)];
    let ids = (proptest::option::of(task()), task(), any::<bool>());
    let site = (
        proptest::option::of(any::<u64>()),
        proptest::option::of(any::<u64>()),
        inner(),
    );
    (via, ids, site).prop_map(|(via, (parent, child, process), (pc, flags, inner))| {
        let (what, child) = match (process, parent) {
            (true, _) => (What::Process, Task::new(child.tid.0, child.tid.0)),
            (false, Some(parent)) => (What::Thread, Task::new(parent.pid.0, child.tid.0)),
            (false, None) => (What::Thread, child),
        };
        Birth {
            via,
            what,
            parent,
            child,
            flags,
            pc,
            inner,
            stack: None,
            start: None,
        }
    })
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        any::<u8>().prop_map(End::Code),
        (any::<u8>(), any::<bool>()).prop_map(|(number, core)| End::Signal { number, core }),
        Just(End::Unknown),
    ]
}

fn body() -> impl Strategy<Value = EventBody> {
    prop_oneof![
        (
            task(),
            proptest::option::of(any::<u32>()),
            name(),
            proptest::option::of(any::<u64>()),
            inner()
        )
            .prop_map(|(task, parent, name, pc, inner)| EventBody::Existing {
                task,
                parent_pid: parent.map(Pid),
                name,
                pc,
                inner
            }),
        birth().prop_map(EventBody::Birth),
        (task(), any::<u32>(), name(), name()).prop_map(|(task, former, exe, name)| {
            EventBody::Exec {
                task,
                former_tid: Tid(former),
                exe,
                name,
            }
        }),
        (task(), end()).prop_map(|(task, end)| EventBody::Exit { task, end }),
        (task(), name()).prop_map(|(task, name)| EventBody::Rename { task, name }),
        task().prop_map(|task| EventBody::Detach {
            task,
            reason: DetachReason::NewThread
        }),
        (any::<u64>(), any::<u64>(), name()).prop_map(|(count, since, detail)| {
            EventBody::Gap {
                reason: GapReason::Untraced,
                count,
                since: Time(since),
                detail,
            }
        }),
        (any::<u64>(), any::<u64>(), name()).prop_map(|(count, since, reason)| {
            EventBody::Lost {
                count,
                since: Time(since),
                reason,
            }
        }),
        (task(), any::<u16>(), name(), any::<Option<(u64, u64)>>()).prop_map(
            |(task, errno, call, site)| EventBody::CreateFailed {
                task,
                call,
                errno,
                flags: site.map(|(flags, _)| flags),
                pc: site.map(|(_, pc)| pc),
                stack: None,
            }
        ),
        (task(), any::<u64>(), name(), any::<[u64; 6]>()).prop_map(|(task, number, name, args)| {
            EventBody::SyscallEnter {
                task,
                name,
                number,
                args: Box::new(args),
            }
        }),
        (task(), any::<u64>(), name(), any::<i64>()).prop_map(|(task, number, name, result)| {
            EventBody::SyscallExit {
                task,
                name,
                number,
                result,
            }
        }),
        name().prop_map(|text| EventBody::Mark { text }),
    ]
}

proptest! {
    #[test]
    fn every_event_comes_back(mut events in proptest::collection::vec(
        (0..u64::MAX / 64, body()), 0..40
    )) {
        events.sort_by_key(|(time, _)| *time);
        let events: Vec<Event> =
            events.into_iter().map(|(time, body)| Event { time: Time(time), body }).collect();
        let mut out = Vec::new();
        let mut encoder = Encoder::default();
        for event in &events {
            encoder.event(event, &mut out);
        }
        let mut decoder = Decoder::new(&out, chunk::kind::EVENTS);
        let mut back = Vec::new();
        while let Some(record) = decoder.next() {
            match record {
                Ok(Record::Event(event)) => back.push(event),
                other => panic!("{other:?}"),
            }
        }
        prop_assert_eq!(back, events);
        prop_assert_eq!((decoder.unknown, decoder.longer), (0, 0));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut decoder = Decoder::new(&bytes, chunk::kind::EVENTS);
        while decoder.next().is_some() {}
    }
}

#[test]
fn unknown_kinds_and_longer_bodies_are_passed_over_and_counted() {
    let exit = |tid| Event {
        time: Time(u64::from(tid)),
        body: EventBody::Exit {
            task: Task::new(5, tid),
            end: End::Code(0),
        },
    };
    let mut out = Vec::new();
    let mut encoder = Encoder::default();
    encoder.event(&exit(7), &mut out);
    // A later version's kind 200, and a longer body of a known kind.
    encoder.body = vec![1, 2, 3];
    encoder.frame(200, Time(8), &mut out);
    encoder.body.clear();
    encoder.put(&ExitBody {
        tid: 2,
        pid: 0,
        how: 1,
    });
    encoder.body.extend([9, 9]);
    encoder.frame(kind::EXIT, Time(9), &mut out);

    let mut decoder = Decoder::new(&out, chunk::kind::EVENTS);
    assert_eq!(decoder.next(), Some(Ok(Record::Event(exit(7)))));
    let last = EventBody::Exit {
        task: Task::new(5, 9),
        end: End::Code(1),
    };
    assert_eq!(
        decoder.next(),
        Some(Ok(Record::Event(Event {
            time: Time(9),
            body: last
        })))
    );
    assert_eq!(decoder.next(), None);
    assert_eq!((decoder.unknown, decoder.longer), (1, 1));
}
