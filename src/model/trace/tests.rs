//! Small histories, and the tasks that a trace makes of them. Each is drawn: a line per task, time
//! from left to right, `+` a birth, `x` an end, `E` an exec.

use super::*;
use crate::model::{DetachReason, End, GapReason, Via, What};

fn existing(pid: u32, tid: u32, name: &str) -> EventBody {
    EventBody::Existing {
        task: Task::new(pid, tid),
        parent_pid: None,
        name: name.into(),
        pc: None,
        inner: None,
    }
}

fn birth(parent: Option<Task>, child: Task) -> EventBody {
    EventBody::Birth(Birth {
        via: Via::Clone,
        what: What::Thread,
        parent,
        child,
        flags: None,
        pc: None,
        inner: None,
        stack: None,
        start: None,
    })
}

/// A thread made by its group's leader.
fn thread(pid: u32, tid: u32) -> EventBody {
    birth(Some(Task::new(pid, pid)), Task::new(pid, tid))
}

fn exec(pid: u32, former_tid: u32, exe: &str, name: &str) -> EventBody {
    EventBody::Exec {
        task: Task::new(pid, pid),
        former_tid: Tid(former_tid),
        exe: exe.into(),
        name: name.into(),
    }
}

fn exit(pid: u32, tid: u32) -> EventBody {
    EventBody::Exit {
        task: Task::new(pid, tid),
        end: End::Code(0),
    }
}

fn rename(pid: u32, tid: u32, name: &str) -> EventBody {
    EventBody::Rename {
        task: Task::new(pid, tid),
        name: name.into(),
    }
}

const EXITED: Ended = Ended::Exit(End::Code(0));

fn whole() -> Integrity {
    Integrity::new(Ending::Finished("done".into()))
}

/// The trace of events at 10, 20, 30 ns and so on.
fn trace<const N: usize>(bodies: [EventBody; N]) -> Trace {
    let mut builder = TraceBuilder::new(Header::default());
    for (time, body) in (10..).step_by(10).map(Time).zip(bodies) {
        builder.push(Event { time, body });
    }
    builder.finish(whole())
}

/// A task's life in one line: TID, first and last moment, how it ended.
fn lives(trace: &Trace) -> Vec<(u32, u64, Option<u64>, Ended)> {
    let lives = trace.tasks().iter().map(|record| {
        let ended = record.ended.map(|time| time.0);
        (record.task.tid.0, record.born.0, ended, record.how)
    });
    lives.collect()
}

/// ```text
/// 1 ├──────────────
/// 2 │  +───x  +────      the same TID, two tasks
/// ```
#[test]
fn a_tid_that_is_used_again_is_another_task() {
    let trace = trace([existing(1, 1, "m"), thread(1, 2), exit(1, 2), thread(1, 2)]);
    let expected = [
        (1, 10, None, Ended::Alive),
        (2, 20, Some(30), EXITED),
        (2, 40, None, Ended::Alive),
    ];
    assert_eq!(lives(&trace), expected);
    assert_eq!(trace.children(TaskId(0)), [TaskId(1), TaskId(2)]);
    let subjects: Vec<u32> = (0..4)
        .map(|index| trace.subject(index).unwrap().id.0)
        .collect();
    assert_eq!(subjects, [0, 1, 1, 2]);
    assert_eq!(trace.peak_alive(), 2);
}

/// ```text
/// 1 ├──────────E──    the leader lives on, under its new name
/// 2 │  +───────x      it called exec, and took the leader's TID
/// 3 │    +─────?      its end was lost
/// 9 ├─────────────    another process: untouched
/// ```
#[test]
fn exec_by_another_thread_than_the_leader_leaves_the_leader() {
    let trace = trace([
        existing(1, 1, "old"),
        thread(1, 2),
        thread(1, 3),
        existing(9, 9, "other"),
        exec(1, 2, "/bin/new", "new"),
    ]);
    let expected = [
        (1, 10, None, Ended::Alive),
        (2, 20, Some(50), Ended::BecameLeader),
        (3, 30, Some(50), Ended::Missing),
        (9, 40, None, Ended::Alive),
    ];
    assert_eq!(lives(&trace), expected);
    let leader = trace.task(TaskId(0));
    assert_eq!(leader.name_at(Time(49)).to_string(), "old");
    assert_eq!(leader.name_at(Time(50)).to_string(), "new");
    assert_eq!(*leader.execs, [(Time(50), "/bin/new".into())]);
    assert_eq!(trace.subject(4).unwrap().id, TaskId(0));
}

/// ```text
/// 1 ├──x       E────    main() ended with pthread_exit, so a new task leads
/// 2 │  +───────x
/// ```
#[test]
fn exec_after_the_leader_exited_makes_a_leader_again() {
    let trace = trace([
        existing(1, 1, "m"),
        thread(1, 2),
        exit(1, 1),
        exec(1, 2, "/bin/new", "new"),
        exit(1, 1),
    ]);
    let expected = [
        (1, 10, Some(30), EXITED),
        (2, 20, Some(40), Ended::BecameLeader),
        (1, 40, Some(50), EXITED),
    ];
    assert_eq!(lives(&trace), expected);
    let again = trace.task(TaskId(2));
    assert_eq!(
        (again.origin, again.parent),
        (Origin::Inferred, Some(TaskId(1)))
    );
    assert_eq!(again.name().to_string(), "new");
}

/// ```text
/// 1 ├──E──E──    no other thread, and nothing said of the second program
/// ```
#[test]
fn exec_of_a_process_with_one_thread_changes_its_program_only() {
    let trace = trace([
        existing(1, 1, "a"),
        exec(1, 1, "/bin/b", "b"),
        exec(1, 1, "", ""),
    ]);
    assert_eq!(lives(&trace), [(1, 10, None, Ended::Alive)]);
    let record = trace.task(TaskId(0));
    assert_eq!(record.name().to_string(), "b");
    assert_eq!(
        *record.execs,
        [(Time(20), "/bin/b".into()), (Time(30), "".into())]
    );
}

#[test]
fn a_birth_may_have_no_known_parent() {
    let trace = trace([birth(None, Task::new(5, 6)), birth(None, Task::new(7, 7))]);
    let known = |record: &TaskRecord| (record.parent, record.origin, record.what());
    let known: Vec<_> = trace.tasks().iter().map(known).collect();
    let expected = [
        (None, Origin::Birth, What::Thread),
        (None, Origin::Birth, What::Process),
    ];
    assert_eq!(known, expected);
    assert!(trace.task(TaskId(0)).name().is_empty());
}

/// ```text
/// 5 ?  +──────    its birth is missing: it makes one
/// 6    +
/// ```
#[test]
fn a_parent_that_was_never_seen_is_inferred() {
    let trace = trace([thread(5, 6), exit(8, 9)]);
    let expected = [
        (5, 10, None, Ended::Alive),
        (6, 10, None, Ended::Alive),
        (9, 20, Some(20), EXITED),
    ];
    assert_eq!(lives(&trace), expected);
    let origins: Vec<Origin> = trace.tasks().iter().map(|record| record.origin).collect();
    assert_eq!(origins, [Origin::Inferred, Origin::Birth, Origin::Inferred]);
    assert_eq!(trace.task(TaskId(1)).parent, Some(TaskId(0)));
}

/// ```text
/// 2 +──────?
/// 2        +──    the same TID: the first one's end is missing
/// ```
#[test]
fn a_birth_of_a_living_tid_ends_the_task_that_had_it() {
    let trace = trace([thread(1, 2), thread(1, 2), existing(4, 2, "x")]);
    let expected = [
        (1, 10, None, Ended::Alive),
        (2, 10, Some(20), Ended::Missing),
        (2, 20, Some(30), Ended::Missing),
        (2, 30, None, Ended::Alive),
    ];
    assert_eq!(lives(&trace), expected);
}

/// A TID in another thread group than the living task's is another task, too.
#[test]
fn an_exit_in_another_group_is_of_another_task() {
    let trace = trace([existing(1, 2, "a"), exit(3, 2)]);
    let expected = [(2, 10, Some(20), Ended::Missing), (2, 20, Some(20), EXITED)];
    assert_eq!(lives(&trace), expected);
    assert_eq!(trace.peak_alive(), 1);
}

#[test]
fn a_task_that_was_let_go_is_not_alive() {
    let task = Task::new(1, 2);
    let reason = DetachReason::NewThread;
    let trace = trace([thread(1, 2), EventBody::Detach { task, reason }]);
    assert_eq!(lives(&trace)[1], (2, 10, Some(20), Ended::Detached(reason)));
    assert!(trace.task(TaskId(1)).alive_at(Time(19)));
    assert!(!trace.task(TaskId(1)).alive_at(Time(20)));
}

#[test]
fn losses_are_events_about_no_task() {
    let since = Time(1);
    let gap = EventBody::Gap {
        reason: GapReason::Untraced,
        count: 2,
        since,
        detail: "3 4".into(),
    };
    let lost = EventBody::Lost {
        count: 7,
        since,
        reason: "full".into(),
    };
    let trace = trace([gap, lost, EventBody::Mark { text: "x".into() }]);
    assert_eq!(trace.events().len(), 3);
    assert!((0..4).all(|index| trace.subject(index).is_none()));
    assert_eq!((trace.tasks().len(), trace.peak_alive()), (0, 0));
    assert!(
        trace.is_complete(),
        "what the recorder wrote down is no damage"
    );
}

/// ```text
/// 1 ├─────────────
/// 2 │ +──x
/// 3 │      +──x        never more than two of them with the first
/// 4 │        +──x
/// ```
#[test]
fn the_peak_counts_those_alive_at_once() {
    let trace = trace([
        existing(1, 1, "m"),
        thread(1, 2),
        exit(1, 2),
        thread(1, 3),
        thread(1, 4),
        exit(1, 3),
        exit(1, 4),
        thread(1, 5),
    ]);
    assert_eq!(trace.tasks().len(), 5);
    assert_eq!(trace.peak_alive(), 3);
}

#[test]
fn a_newborn_has_its_creators_name_of_that_moment() {
    let trace = trace([
        existing(1, 1, "main"),
        thread(1, 2),
        rename(1, 1, "renamed"),
        thread(1, 3),
        rename(1, 2, "worker"),
        birth(Some(Task::new(1, 2)), Task::new(1, 4)),
    ]);
    let names: Vec<String> = trace
        .tasks()
        .iter()
        .map(|task| task.names[0].1.to_string())
        .collect();
    assert_eq!(names, ["main", "main", "renamed", "worker"]);
}

#[test]
fn a_name_holds_from_its_moment_on() {
    let trace = trace([
        existing(1, 1, "a"),
        rename(1, 1, "b"),
        rename(1, 1, "b"),
        rename(1, 1, "c"),
    ]);
    let record = trace.task(TaskId(0));
    let at = |time| record.name_at(Time(time)).to_string();
    assert_eq!(
        [at(0), at(10), at(19), at(20), at(39), at(40), at(99)].concat(),
        "aaabbcc"
    );
    assert_eq!(record.names.len(), 3, "a rename to the same name is none");
}

/// The first name that is learned is taken for the one before it, too.
#[test]
fn a_task_without_a_name_takes_the_first_it_gets() {
    let trace = trace([birth(None, Task::new(5, 5)), rename(5, 5, "late")]);
    assert_eq!(*trace.task(TaskId(0)).names, [(Time(10), "late".into())]);
}

#[test]
fn a_leaders_parent_is_found_by_its_pid() {
    let task = Task::new(7, 7);
    let child = |parent_pid| EventBody::Existing {
        task,
        parent_pid: Some(Pid(parent_pid)),
        name: "c".into(),
        pc: None,
        inner: None,
    };
    let found = trace([existing(1, 1, "p"), existing(1, 2, "p"), child(1)]);
    assert_eq!(found.task(TaskId(2)).parent, Some(TaskId(0)));
    let unknown = trace([existing(1, 1, "p"), child(99)]);
    assert_eq!(unknown.task(TaskId(1)).parent, None);
}

#[test]
fn time_goes_on_and_never_back() {
    let mut builder = TraceBuilder::new(Header::default());
    let mark = |time| Event {
        time: Time(time),
        body: EventBody::Mark { text: "m".into() },
    };
    builder.push(mark(20));
    builder.push(mark(10));
    builder.reached(Time(15));
    assert_eq!(builder.now(), Time(20));
    builder.reached(Time(50));
    builder.push(mark(30));
    let trace = builder.finish(whole());
    let times: Vec<u64> = trace.events().iter().map(|event| event.time.0).collect();
    assert_eq!((times, trace.end()), (vec![20, 20, 50], Time(50)));
}

#[test]
fn a_later_count_of_the_same_name_replaces_the_earlier() {
    let mut builder = TraceBuilder::new(Header::default());
    for (name, value) in [("a", 1), ("b", 2), ("a", 3)] {
        builder.count(name.into(), value);
    }
    let trace = builder.finish(whole());
    assert_eq!(trace.counters(), [("a".into(), 3), ("b".into(), 2)]);
}

#[test]
fn tasks_of_parts_have_the_numbers_that_they_have_in_all() {
    // Each makes the next and ends; the first one and every fifth go on.
    let mut bodies = vec![existing(100, 100, "m")];
    for tid in 101..140 {
        bodies.push(birth(Some(Task::new(100, tid - 1)), Task::new(100, tid)));
        if (tid - 1) % 5 != 0 {
            bodies.push(exit(100, tid - 1));
        }
    }
    let events = bodies.into_iter().zip(1..).map(|(body, time)| Event {
        time: Time(time),
        body,
    });
    let events: Vec<Event> = events.collect();
    let mut all = TraceBuilder::new(Header::default());
    events.iter().for_each(|event| all.push(event.clone()));
    let all = all.finish(whole());
    for size in [1, 2, 7, 100] {
        let mut parts = TraceBuilder::new(Header::default());
        let mut ends: Vec<Option<(Task, Option<Time>)>> = vec![None; all.tasks().len()];
        let mut note = |trace: &Trace| {
            for task in trace.tasks() {
                let number = trace.number(task.id) as usize;
                ends[number] = Some((task.task, task.ended));
                assert_eq!(task.born, all.tasks()[number].born);
                if let Some(parent) = task.parent {
                    let parents = all.tasks()[number].parent.map(|id| id.0);
                    assert_eq!(Some(trace.number(parent)), parents);
                }
            }
        };
        for some in events.chunks(size) {
            some.iter().for_each(|event| parts.push(event.clone()));
            parts.part((Time(0), Time(0)), &mut note);
        }
        note(&parts.finish(whole()));
        let expected = all.tasks().iter().map(|task| Some((task.task, task.ended)));
        assert_eq!(ends, expected.collect::<Vec<_>>(), "by {size}");
    }
}
