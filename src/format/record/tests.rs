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

/// A number that a writer gives: any but the highest.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![0..300u32, 0..u32::MAX]
}

fn stack() -> impl Strategy<Value = Option<StackId>> {
    proptest::option::of(number().prop_map(StackId))
}

fn start() -> impl Strategy<Value = Option<FrameId>> {
    proptest::option::of(number().prop_map(FrameId))
}

fn birth() -> impl Strategy<Value = Birth> {
    let via = prop_oneof![Just(Via::Clone), Just(Via::Fork), Just(Via::Vfork)];
    let ids = (proptest::option::of(task()), task(), any::<bool>());
    let site = (
        proptest::option::of(any::<u64>()),
        proptest::option::of(any::<u64>()),
        inner(),
        stack(),
        start(),
    );
    (via, ids, site).prop_map(|(via, (parent, child, process), site)| {
        let (pc, flags, inner, stack, start) = site;
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
            stack,
            start,
        }
    })
}

fn carried_task() -> impl Strategy<Value = Carried> {
    let origin = prop_oneof![
        Just(Origin::Existing),
        Just(Origin::Birth),
        Just(Origin::Inferred)
    ];
    let how = prop_oneof![
        end().prop_map(Ended::Exit),
        Just(Ended::BecameLeader),
        Just(Ended::Missing),
        any::<u8>().prop_map(|reason| Ended::Detached(number_to_detach(reason))),
    ];
    let ended = proptest::option::of((any::<u64>().prop_map(Time), how));
    let names = (
        name(),
        proptest::option::of(name()),
        proptest::option::of(name()),
    );
    let place = proptest::option::of(any::<u32>());
    let lived = (any::<u64>(), ended);
    (
        task(),
        inner(),
        origin,
        names,
        place,
        lived,
        stack(),
        start(),
    )
        .prop_map(
            |(task, inner, origin, names, place, (born, ended), stack, start)| Carried {
                task,
                inner,
                origin,
                stack,
                start,
                parent: place.map(|place| place as usize),
                creator_name: names.2,
                born: Time(born),
                name: names.0,
                exe: names.1,
                ended,
            },
        )
}

fn definition() -> impl Strategy<Value = Definition> {
    let module = (name(), name(), any::<(u32, u64, u64)>());
    let frame = (
        proptest::option::of(number().prop_map(ModuleId)),
        any::<u64>(),
    );
    let function = (name(), name(), any::<u32>()).prop_map(|(name, file, line)| Function {
        name,
        file,
        line: (line > 0).then_some(line),
    });
    let symbol = (any::<u8>(), proptest::collection::vec(function, 0..5));
    prop_oneof![
        (number(), module).prop_map(|(id, (path, build_id, (pid, start, end)))| {
            let build_id = build_id.as_bytes().into();
            let seen = (Pid(pid), start, end);
            let module = Module {
                path,
                build_id,
                seen,
            };
            Definition::Module(ModuleId(id), module)
        }),
        (number(), frame, any::<u8>()).prop_map(|(id, (module, address), trust)| {
            let trust = number_to_trust(trust);
            let frame = Frame {
                module,
                address,
                trust,
            };
            Definition::Frame(FrameId(id), frame)
        }),
        (number(), any::<u32>(), number(), any::<u8>()).prop_map(|(id, up, frame, end)| {
            let node = StackNode {
                // A lower number, or none.
                up: up.checked_rem(id).map(StackId),
                frame: FrameId(frame),
                end: number_to_stack_end(end),
            };
            Definition::Stack(StackId(id), node)
        }),
        (number(), symbol).prop_map(|(id, (source, functions))| {
            let source = number_to_symbol_source(source);
            Definition::Symbol(FrameId(id), Symbol { source, functions })
        }),
    ]
}

/// All that a decoder gives of a payload.
fn decoded(payload: &[u8], chunk: u8) -> (Vec<Result<Record, String>>, u64, u64) {
    let mut decoder = Decoder::new(payload, chunk);
    let records = std::iter::from_fn(|| decoder.next()).collect();
    (records, decoder.unknown, decoder.longer)
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
        (
            task(),
            any::<u16>(),
            name(),
            any::<Option<(u64, u64)>>(),
            stack()
        )
            .prop_map(|(task, errno, call, site, stack)| EventBody::CreateFailed {
                task,
                call,
                errno,
                flags: site.map(|(flags, _)| flags),
                pc: site.map(|(_, pc)| pc),
                stack,
            }),
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
    fn every_definition_comes_back(definitions in proptest::collection::vec(definition(), 0..30)) {
        let (mut out, mut encoder) = (Vec::new(), Encoder::default());
        for definition in &definitions {
            encoder.definition(definition, Time(1 << 40), &mut out);
        }
        let (back, unknown, longer) = decoded(&out, chunk::kind::DEFINITIONS);
        let expected: Vec<_> = definitions.into_iter().map(Record::Definition).map(Ok).collect();
        prop_assert_eq!(back, expected);
        prop_assert_eq!((unknown, longer), (0, 0));
    }

    #[test]
    fn every_carried_task_comes_back(tasks in proptest::collection::vec(carried_task(), 0..30)) {
        let (mut out, mut encoder) = (Vec::new(), Encoder::default());
        for task in &tasks {
            encoder.carried(task, Time(1 << 40), &mut out);
        }
        let (back, unknown, longer) = decoded(&out, chunk::kind::CHECKPOINT);
        let expected: Vec<_> = tasks.into_iter().map(Record::Carried).map(Ok).collect();
        prop_assert_eq!(back, expected);
        prop_assert_eq!((unknown, longer), (0, 0));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for kind in 0..8 {
            decoded(&bytes, kind);
        }
    }

    /// Right kinds and lengths, so that the bodies get through to their fields.
    #[test]
    fn arbitrary_definitions_never_panic(bodies in proptest::collection::vec(
        (5..9u8, proptest::collection::vec(prop_oneof![0..4u8, any::<u8>()], 0..40)), 0..10
    )) {
        let mut payload = Vec::new();
        for (kind, body) in &bodies {
            payload.extend([*kind, 0, body.len() as u8]);
            payload.extend(body);
        }
        let (records, ..) = decoded(&payload, chunk::kind::DEFINITIONS);
        for record in records.into_iter().flatten() {
            let Record::Definition(definition) = record else {
                panic!("{record:?} in a chunk of definitions");
            };
            if let Definition::Stack(id, node) = definition {
                prop_assert!(node.up.is_none_or(|up| up < id));
            }
        }
    }
}

#[test]
fn the_highest_number_counts_as_none() {
    let body = EventBody::CreateFailed {
        task: Task::new(5, 6),
        call: b"fork".into(),
        errno: 11,
        flags: None,
        pc: None,
        stack: Some(StackId(u32::MAX)),
    };
    let (mut out, mut encoder) = (Vec::new(), Encoder::default());
    let event = Event {
        time: Time(0),
        body,
    };
    encoder.event(&event, &mut out);
    let (back, ..) = decoded(&out, chunk::kind::EVENTS);
    let [Ok(Record::Event(event))] = &back[..] else {
        panic!("{back:?}");
    };
    assert!(matches!(
        event.body,
        EventBody::CreateFailed { stack: None, .. }
    ));
}

#[test]
fn a_stack_whose_caller_comes_later_is_damage() {
    // STACK 3 with the callers 2, 3 and 4, each one higher.
    for (up, fine) in [(3, true), (4, false), (5, false)] {
        let payload = [kind::STACK, 0, 4, 3, up, 9, 1];
        let (records, ..) = decoded(&payload, chunk::kind::DEFINITIONS);
        assert_eq!(records[0].is_ok(), fine, "{records:?}");
    }
}

#[test]
fn of_many_functions_the_last_stays_and_long_names_are_cut() {
    let function = |number: u32| Function {
        name: format!("{number}{}", "x".repeat(100_000)).as_str().into(),
        file: Name::default(),
        line: Some(number),
    };
    let symbol = Symbol {
        source: SymbolSource::DebugInfo,
        functions: (1..=1000).map(function).collect(),
    };
    let (mut out, mut encoder) = (Vec::new(), Encoder::default());
    let definition = Definition::Symbol(FrameId(1), symbol);
    encoder.definition(&definition, Time(0), &mut out);
    assert!(out.len() < 2 << 20, "{} bytes", out.len());
    let (records, ..) = decoded(&out, chunk::kind::DEFINITIONS);
    let [Ok(Record::Definition(Definition::Symbol(_, symbol)))] = &records[..] else {
        panic!("one symbol");
    };
    let lines: Vec<_> = symbol.functions.iter().map(|it| it.line.unwrap()).collect();
    assert_eq!(lines, (1..=255).chain([1000]).collect::<Vec<_>>());
    let all_cut = symbol
        .functions
        .iter()
        .all(|it| it.name.as_bytes().len() == 4096);
    assert!(all_cut);
}

#[test]
fn definitions_elsewhere_and_events_among_them_are_unknown() {
    let stack = [kind::STACK, 0, 4, 3, 0, 9, 1];
    for kind in [
        chunk::kind::EVENTS,
        chunk::kind::END,
        chunk::kind::CHECKPOINT,
    ] {
        assert_eq!(decoded(&stack, kind), (vec![], 1, 0));
    }
    let mark = [kind::MARK, 0, 1, 0];
    let anchor = [kind::ANCHOR, 0, 2, 0, 0];
    let payload = [&mark[..], &anchor].concat();
    assert_eq!(decoded(&payload, chunk::kind::DEFINITIONS), (vec![], 2, 0));
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
