//! Scripts of stops, and what must come of them.

use super::early::PARENT_WAIT_NS;
use super::*;
use crate::syscall::abi::Creation;

const MAIN: Tid = Tid(100);
const PID: Pid = Pid(100);
const PC: Option<u64> = Some(0x40);
const THREAD: Option<u64> = Some(0x3d_0f00);

fn policy(new_threads: NewThreads, fork: ForkMode) -> Policy {
    Policy {
        new_threads,
        fork,
        follow_exec: true,
    }
}

/// A tracker with one traced, running process, and a clock that ticks once a step.
struct Script {
    tracker: Tracker,
    now: u64,
}

impl Script {
    fn new() -> Self {
        Self::with(policy(NewThreads::Follow, ForkMode::Fixed(Choice::Both)))
    }

    fn with(policy: Policy) -> Self {
        let mut script = Script {
            tracker: Tracker::new(policy),
            now: 0,
        };
        script.tracker.adopt(Task::leader(PID), Some(Pid(1)));
        script.step(MAIN, Stop::Trap { pc: PC });
        script
    }

    fn step(&mut self, tid: Tid, stop: Stop) -> (Vec<EventBody>, Vec<Order>) {
        self.run(|tracker, now, out| tracker.step(now, tid, stop, None, out))
    }

    fn early(&mut self, tid: Tid, stop: Stop, pid: u32) -> (Vec<EventBody>, Vec<Order>) {
        let identity = Identity {
            pid: Some(Pid(pid)),
            parent_pid: Some(Pid(1)),
            flags: THREAD,
            pc: PC,
        };
        self.run(|tracker, now, out| tracker.step(now, tid, stop, Some(identity), out))
    }

    fn run(
        &mut self,
        act: impl FnOnce(&mut Tracker, Time, &mut Output),
    ) -> (Vec<EventBody>, Vec<Order>) {
        self.now += 1;
        let mut out = Output::default();
        act(&mut self.tracker, Time(self.now), &mut out);
        (
            out.events.into_iter().map(|event| event.body).collect(),
            out.orders,
        )
    }
}

fn thread(child: u32) -> Stop {
    Stop::Created {
        via: Via::Clone,
        what: What::Thread,
        child: Tid(child),
        flags: THREAD,
        pc: PC,
    }
}

fn fork(child: u32) -> Stop {
    let (via, what) = (Via::Fork, What::Process);
    Stop::Created {
        via,
        what,
        child: Tid(child),
        flags: Some(17),
        pc: PC,
    }
}

fn thread_born(parent: Option<u32>, child: u32) -> EventBody {
    EventBody::Birth(Birth {
        via: Via::Clone,
        what: What::Thread,
        parent: parent.map(|tid| Task {
            pid: PID,
            tid: Tid(tid),
        }),
        child: Task {
            pid: PID,
            tid: Tid(child),
        },
        flags: THREAD,
        pc: PC,
        inner: None,
        stack: None,
        start: None,
    })
}

fn forked(parent: u32, child: u32) -> EventBody {
    EventBody::Birth(Birth {
        via: Via::Fork,
        what: What::Process,
        parent: Some(Task {
            pid: PID,
            tid: Tid(parent),
        }),
        child: Task::new(child, child),
        flags: Some(17),
        pc: PC,
        inner: None,
        stack: None,
        start: None,
    })
}

fn exit(pid: u32, tid: u32, end: End) -> EventBody {
    EventBody::Exit {
        task: Task::new(pid, tid),
        end,
    }
}

fn detached(pid: u32, tid: u32, reason: DetachReason) -> EventBody {
    EventBody::Detach {
        task: Task::new(pid, tid),
        reason,
    }
}

fn resume(tid: u32) -> Order {
    Order::Resume {
        tid: Tid(tid),
        signal: 0,
    }
}

fn let_go(tid: u32) -> Order {
    Order::Detach {
        tid: Tid(tid),
        signal: 0,
    }
}

const TRAP: Stop = Stop::Trap { pc: None };

fn ended(code: u8) -> Stop {
    Stop::Ended {
        end: End::Code(code),
    }
}

#[test]
fn an_attached_thread_is_told_at_its_first_stop_with_its_pc() {
    let mut tracker = Tracker::new(policy(NewThreads::Follow, ForkMode::Fixed(Choice::Both)));
    tracker.adopt(Task::new(100, 101), Some(Pid(1)));
    assert!(tracker.wants_pc(Tid(101)) && tracker.awaits_first_stop(Tid(101)));
    let mut out = Output::default();
    tracker.step(
        Time(5),
        Tid(101),
        Stop::Signal { number: 34, pc: PC },
        None,
        &mut out,
    );
    let task = Task::new(100, 101);
    let body = EventBody::Existing {
        task,
        parent_pid: None,
        name: Name::default(),
        pc: PC,
        inner: None,
    };
    assert_eq!(
        out.events,
        [Event {
            time: Time(5),
            body
        }]
    );
    assert_eq!(
        out.orders,
        [Order::Resume {
            tid: Tid(101),
            signal: 34
        }]
    );
    assert!(!tracker.wants_pc(Tid(101)));
}

#[test]
fn creator_first() {
    let mut script = Script::new();
    assert_eq!(
        script.step(MAIN, thread(101)),
        (vec![thread_born(Some(100), 101)], vec![resume(100)])
    );
    assert_eq!(script.step(Tid(101), TRAP), (vec![], vec![resume(101)]));
    let end = End::Code(0);
    assert_eq!(
        script.step(Tid(101), ended(0)),
        (vec![exit(100, 101, end)], vec![])
    );
    assert_eq!(
        script.step(MAIN, ended(3)),
        (vec![exit(100, 100, End::Code(3))], vec![])
    );
    assert!(script.tracker.is_empty());
}

#[test]
fn child_first_is_held_until_its_creator_reports() {
    let mut script = Script::new();
    assert_eq!(
        script.early(Tid(101), TRAP, 100),
        (vec![], vec![Order::Hold(Tid(101))])
    );
    let both = vec![resume(101), resume(100)];
    assert_eq!(
        script.step(MAIN, thread(101)),
        (vec![thread_born(Some(100), 101)], both)
    );
    assert_eq!(script.tracker.deadline(), None);
}

#[test]
fn a_child_that_ended_before_its_creator_reported_has_a_birth_and_an_end() {
    let mut script = Script::new();
    let killed = Stop::Ended {
        end: End::Signal {
            number: 9,
            core: false,
        },
    };
    assert_eq!(script.early(Tid(101), killed, 100), (vec![], vec![]));
    let end = exit(
        100,
        101,
        End::Signal {
            number: 9,
            core: false,
        },
    );
    let told = vec![thread_born(Some(100), 101), end];
    assert_eq!(script.step(MAIN, thread(101)), (told, vec![resume(100)]));
    assert_eq!(script.tracker.len(), 1);
}

#[test]
fn a_child_whose_creator_never_reports_is_born_of_an_unknown_parent() {
    let mut script = Script::new();
    script.early(Tid(101), TRAP, 100);
    script.early(Tid(102), ended(0), 100);
    let tick = |tracker: &mut Tracker, now, out: &mut Output| tracker.tick(now, out);
    assert_eq!(script.run(tick), (vec![], vec![]));
    script.now += PARENT_WAIT_NS;
    let told = vec![
        thread_born(None, 101),
        thread_born(None, 102),
        exit(100, 102, End::Code(0)),
    ];
    assert_eq!(script.run(tick), (told, vec![resume(101)]));
    // Its creator was only slow: no second birth, and it goes on.
    assert_eq!(script.step(MAIN, thread(101)), (vec![], vec![resume(100)]));
}

#[test]
fn a_child_does_not_wait_for_a_creator_that_is_gone() {
    let mut script = Script::new();
    script.early(Tid(101), TRAP, 100);
    let killed = End::Signal {
        number: 9,
        core: false,
    };
    script.step(MAIN, Stop::Ended { end: killed });
    let tick = |tracker: &mut Tracker, now, out: &mut Output| tracker.tick(now, out);
    assert_eq!(
        script.run(tick),
        (vec![thread_born(None, 101)], vec![resume(101)])
    );
}

#[test]
fn who_can_have_made_a_task_follows_from_its_kind() {
    let identity = |pid: u32, flags| Identity {
        pid: Some(Pid(pid)),
        parent_pid: Some(Pid(7)),
        flags: Some(flags),
        pc: None,
    };
    assert_eq!(
        identity(100, 0x3d_0f00).creators_process(Tid(101)),
        Some(Pid(100))
    );
    assert_eq!(identity(101, 17).creators_process(Tid(101)), Some(Pid(7)));
    // CLONE_PARENT: its parent is its creator's parent.
    assert_eq!(identity(101, 0x8011).creators_process(Tid(101)), None);
}

#[test]
fn a_newborn_may_be_killed_before_its_first_stop() {
    let mut script = Script::new();
    script.step(MAIN, thread(101));
    assert_eq!(
        script.step(Tid(101), ended(0)),
        (vec![exit(100, 101, End::Code(0))], vec![])
    );
}

#[test]
fn signals_go_on_exactly_once_real_time_ones_too() {
    let mut script = Script::new();
    for number in [11, 5, 34, 64] {
        let orders = vec![Order::Resume {
            tid: MAIN,
            signal: number,
        }];
        assert_eq!(
            script.step(MAIN, Stop::Signal { number, pc: None }),
            (vec![], orders)
        );
    }
}

#[test]
fn group_stops_are_kept_and_end_with_a_trap() {
    let mut script = Script::new();
    let stop = Stop::Group { pc: None };
    assert_eq!(script.step(MAIN, stop), (vec![], vec![Order::Listen(MAIN)]));
    assert_eq!(script.step(MAIN, TRAP), (vec![], vec![resume(100)]));
}

#[test]
fn an_unknown_stop_is_resumed_and_counted() {
    let mut script = Script::new();
    let mut out = Output::default();
    script
        .tracker
        .step(Time(9), MAIN, Stop::Unknown, None, &mut out);
    assert_eq!((out.orders, out.unknown_stops), (vec![resume(100)], 1));
}

#[test]
fn exec_off_the_leader_ends_the_others_and_takes_the_leaders_tid() {
    let mut script = Script::new();
    script.step(MAIN, thread(101));
    script.step(Tid(101), TRAP);
    script.step(MAIN, thread(102));
    script.step(Tid(102), TRAP);
    script.step(Tid(102), ended(0));
    let (exe, name) = (Name::from(b"/bin/x"), Name::from(b"x"));
    let stop = Stop::Exec {
        former_tid: Tid(101),
        exe: exe.clone(),
        name: name.clone(),
    };
    let body = EventBody::Exec {
        task: Task::leader(PID),
        former_tid: Tid(101),
        exe,
        name,
    };
    assert_eq!(script.step(MAIN, stop), (vec![body], vec![resume(100)]));
    assert_eq!(script.tracker.members(PID).collect::<Vec<_>>(), [MAIN]);
}

/// An exec by the leader, or by another thread that takes its TID.
fn exec_by(former: u32) -> Stop {
    Stop::Exec {
        former_tid: Tid(former),
        exe: Name::from(b"/bin/x"),
        name: Name::from(b"x"),
    }
}

fn execed(pid: u32, former: u32) -> EventBody {
    EventBody::Exec {
        task: Task::new(pid, pid),
        former_tid: Tid(former),
        exe: Name::from(b"/bin/x"),
        name: Name::from(b"x"),
    }
}

fn not_into_programs() -> Policy {
    Policy {
        follow_exec: false,
        ..policy(NewThreads::Follow, ForkMode::Fixed(Choice::Both))
    }
}

#[test]
fn a_process_that_execs_is_told_and_let_go() {
    let mut script = Script::with(not_into_programs());
    script.step(MAIN, thread(101));
    script.step(Tid(101), TRAP);
    script.step(MAIN, fork(200));
    script.step(Tid(200), TRAP);
    let told = |pid, former| {
        let let_go = detached(pid, pid, DetachReason::FollowExec);
        vec![execed(pid, former), let_go]
    };
    assert_eq!(
        script.step(Tid(200), exec_by(200)),
        (told(200, 200), vec![let_go(200)])
    );
    // Off the leader: the caller became the leader, and that is let go.
    assert_eq!(
        script.step(MAIN, exec_by(101)),
        (told(100, 101), vec![let_go(100)])
    );
    assert!(script.tracker.is_empty());
}

#[test]
fn the_exec_by_which_a_launched_command_begins_is_followed_and_its_next_is_not() {
    let mut tracker = Tracker::new(not_into_programs());
    tracker.launch(Task::leader(PID));
    let mut out = Output::default();
    tracker.step(Time(1), MAIN, exec_by(100), None, &mut out);
    assert_eq!(std::mem::take(&mut out.orders), [resume(100)]);
    tracker.step(Time(2), MAIN, exec_by(100), None, &mut out);
    assert_eq!(out.orders, [let_go(100)]);
    assert!(tracker.is_empty());
}

#[test]
fn an_exec_while_attaching_is_let_go_when_the_hold_ends() {
    let mut script = Script::with(not_into_programs());
    script.tracker.hold();
    assert_eq!(
        script.step(MAIN, exec_by(100)),
        (vec![execed(100, 100)], vec![])
    );
    let told = vec![detached(100, 100, DetachReason::FollowExec)];
    assert_eq!(script.run(Tracker::release), (told, vec![let_go(100)]));
}

#[test]
fn a_leader_that_was_replaced_unseen_is_let_go_too() {
    let mut script = Script::with(not_into_programs());
    script.run(|tracker, now, out| {
        let program = (Name::from(b"/bin/x"), Name::from(b"x"));
        tracker.replaced(now, Task::leader(PID), program, out);
    });
    let told = vec![detached(100, 100, DetachReason::FollowExec)];
    assert_eq!(script.step(MAIN, TRAP), (told, vec![let_go(100)]));
}

#[test]
fn exec_in_a_process_whose_leader_could_not_be_seized() {
    let mut tracker = Tracker::new(policy(NewThreads::Follow, ForkMode::Fixed(Choice::Both)));
    tracker.adopt(Task::new(100, 101), None);
    let mut out = Output::default();
    tracker.step(Time(1), Tid(101), TRAP, None, &mut out);
    let stop = Stop::Exec {
        former_tid: Tid(101),
        exe: Name::default(),
        name: Name::default(),
    };
    tracker.step(Time(2), MAIN, stop, None, &mut out);
    assert_eq!(tracker.members(PID).collect::<Vec<_>>(), [MAIN]);
}

#[test]
fn an_exec_by_a_thread_that_nothing_was_told_of_tells_of_it_first() {
    let mut tracker = Tracker::new(policy(NewThreads::Follow, ForkMode::Fixed(Choice::Both)));
    tracker.adopt(Task::new(100, 100), Some(Pid(1)));
    tracker.adopt(Task::new(100, 101), None);
    let mut out = Output::default();
    let stop = Stop::Exec {
        former_tid: Tid(101),
        exe: Name::default(),
        name: Name::default(),
    };
    tracker.step(Time(1), MAIN, stop, None, &mut out);
    let told: Vec<_> = out
        .events
        .iter()
        .map(|event| (event.body.kind(), event.body.task()))
        .collect();
    let (caller, leader) = (Some(Task::new(100, 101)), Some(Task::new(100, 100)));
    assert_eq!(
        told,
        [("existing", caller), ("existing", leader), ("exec", leader)]
    );
    assert_eq!(out.orders, [resume(100)]);
}

#[test]
fn a_leader_that_was_replaced_unseen_is_told_as_an_exec() {
    let mut script = Script::new();
    let (exe, name) = (Name::from(b"/bin/x"), Name::from(b"x"));
    let program = (exe.clone(), name.clone());
    let task = Task::leader(PID);
    let replaced = |tracker: &mut Tracker, now, out: &mut Output| {
        tracker.replaced(now, task, program, out);
    };
    let body = EventBody::Exec {
        task,
        former_tid: MAIN,
        exe,
        name,
    };
    assert_eq!(script.run(replaced), (vec![body], vec![]));
    assert!(script.tracker.awaits_first_stop(MAIN));
    assert_eq!(script.step(MAIN, TRAP), (vec![], vec![resume(100)]));
}

#[test]
fn an_exec_while_all_are_let_go_is_not_recorded() {
    let mut script = Script::new();
    script.run(|tracker, _, out| tracker.end(out));
    let stop = Stop::Exec {
        former_tid: MAIN,
        exe: Name::default(),
        name: Name::default(),
    };
    assert_eq!(script.step(MAIN, stop), (vec![], vec![let_go(100)]));
    assert!(script.tracker.is_empty());
}

#[test]
fn a_launched_command_exists_from_its_exec_on() {
    let mut tracker = Tracker::new(policy(NewThreads::Follow, ForkMode::Fixed(Choice::Both)));
    tracker.launch(Task::leader(PID));
    let mut out = Output::default();
    let name = Name::from(b"x");
    let stop = Stop::Exec {
        former_tid: MAIN,
        exe: Name::default(),
        name: name.clone(),
    };
    tracker.step(Time(1), MAIN, stop, None, &mut out);
    let kinds: Vec<_> = out.events.iter().map(|event| event.body.kind()).collect();
    assert_eq!(kinds, ["existing", "exec"]);
    assert_eq!(
        out.events[0],
        existing_named(Time(1), Task::leader(PID), name)
    );
}

#[test]
fn detached_new_threads_are_told_and_let_go() {
    let mut script = Script::with(policy(NewThreads::Detach, ForkMode::Fixed(Choice::Both)));
    script.step(MAIN, thread(101));
    let told = vec![detached(100, 101, DetachReason::NewThread)];
    assert_eq!(script.step(Tid(101), TRAP), (told, vec![let_go(101)]));
    // A child process is no thread: it is followed.
    script.step(MAIN, fork(102));
    assert_eq!(script.step(Tid(102), TRAP), (vec![], vec![resume(102)]));
}

#[test]
fn follow_fork_parent_lets_the_child_go() {
    let mut script = Script::with(policy(NewThreads::Follow, ForkMode::Fixed(Choice::Parent)));
    assert_eq!(
        script.step(MAIN, fork(200)),
        (vec![forked(100, 200)], vec![resume(100)])
    );
    let told = vec![detached(200, 200, DetachReason::FollowFork)];
    assert_eq!(script.step(Tid(200), TRAP), (told, vec![let_go(200)]));
}

#[test]
fn follow_fork_child_lets_the_whole_parent_process_go() {
    let mut script = Script::with(policy(NewThreads::Follow, ForkMode::Fixed(Choice::Child)));
    script.step(MAIN, thread(101));
    script.step(Tid(101), TRAP);
    let (told, orders) = script.step(MAIN, fork(200));
    assert_eq!(
        told,
        [
            forked(100, 200),
            detached(100, 100, DetachReason::FollowFork)
        ]
    );
    assert_eq!(orders, [Order::Interrupt(Tid(101)), let_go(100)]);
    let told = vec![detached(100, 101, DetachReason::FollowFork)];
    assert_eq!(script.step(Tid(101), TRAP), (told, vec![let_go(101)]));
    assert_eq!(script.step(Tid(200), TRAP), (vec![], vec![resume(200)]));
}

#[test]
fn asking_holds_both_sides_and_nothing_else() {
    let mut script = Script::with(policy(NewThreads::Follow, ForkMode::Ask));
    script.step(MAIN, thread(101));
    script.step(Tid(101), TRAP);
    let ask = Order::Ask {
        creator: MAIN,
        child: Tid(200),
    };
    let orders = vec![ask, Order::Hold(MAIN)];
    assert_eq!(
        script.step(MAIN, fork(200)),
        (vec![forked(100, 200)], orders)
    );
    assert_eq!(
        script.step(Tid(200), TRAP),
        (vec![], vec![Order::Hold(Tid(200))])
    );
    let signal = Stop::Signal {
        number: 10,
        pc: None,
    };
    let orders = vec![Order::Resume {
        tid: Tid(101),
        signal: 10,
    }];
    assert_eq!(script.step(Tid(101), signal), (vec![], orders));
    let answer = |tracker: &mut Tracker, now, out: &mut Output| {
        tracker.answer(now, Tid(200), Choice::Parent, out);
    };
    let told = vec![detached(200, 200, DetachReason::FollowFork)];
    assert_eq!(script.run(answer), (told, vec![resume(100), let_go(200)]));
}

#[test]
fn when_asking_ends_both_sides_go_on_and_later_forks_too() {
    let mut script = Script::with(policy(NewThreads::Follow, ForkMode::Ask));
    script.step(MAIN, fork(200));
    script.step(Tid(200), TRAP);
    let stop = |tracker: &mut Tracker, now, out: &mut Output| tracker.stop_asking(now, out);
    assert_eq!(script.run(stop), (vec![], vec![resume(100), resume(200)]));
    assert_eq!(
        script.step(MAIN, fork(201)),
        (vec![forked(100, 201)], vec![resume(100)])
    );
}

#[test]
fn a_killed_child_answers_the_question_about_itself() {
    let mut script = Script::with(policy(NewThreads::Follow, ForkMode::Ask));
    script.step(MAIN, fork(200));
    let (told, orders) = script.step(Tid(200), ended(0));
    assert_eq!(told, [exit(200, 200, End::Code(0))]);
    assert_eq!(orders, [resume(100)]);
    assert!(!script.tracker.is_asking(Tid(200)));
}

#[test]
fn while_attaching_nothing_is_resumed_and_the_signal_is_kept() {
    let mut script = Script::new();
    script.tracker.hold();
    let signal = Stop::Signal {
        number: 35,
        pc: None,
    };
    assert_eq!(script.step(MAIN, signal), (vec![], vec![]));
    let orders = vec![Order::Resume {
        tid: MAIN,
        signal: 35,
    }];
    assert_eq!(script.run(Tracker::release), (vec![], orders));
}

#[test]
fn the_end_detaches_what_stands_and_interrupts_what_runs() {
    let mut script = Script::new();
    script.step(MAIN, thread(101));
    script.step(Tid(101), TRAP);
    script.step(Tid(101), Stop::Group { pc: None });
    script.step(MAIN, thread(102));
    let (_, mut orders) = script.run(|tracker, _, out| tracker.end(out));
    orders.sort_by_key(|order| format!("{order:?}"));
    assert_eq!(orders, [Order::Interrupt(MAIN), Order::Interrupt(Tid(101))]);
    // The newborn stops by itself; a signal that arrives instead of the interrupt is passed on;
    // a thread in a group-stop stays in it; a creation that was under way is still told.
    assert_eq!(script.step(Tid(102), TRAP), (vec![], vec![let_go(102)]));
    assert_eq!(
        script.step(Tid(101), Stop::Group { pc: None }),
        (vec![], vec![let_go(101)])
    );
    assert_eq!(
        script.step(MAIN, thread(103)),
        (vec![thread_born(Some(100), 103)], vec![let_go(100)])
    );
    assert_eq!(script.step(Tid(103), TRAP), (vec![], vec![let_go(103)]));
    assert!(script.tracker.is_empty());
}

#[test]
fn the_end_passes_a_pending_signal_on() {
    let mut script = Script::new();
    script.run(|tracker, _, out| tracker.end(out));
    let orders = vec![Order::Detach {
        tid: MAIN,
        signal: 15,
    }];
    assert_eq!(
        script.step(
            MAIN,
            Stop::Signal {
                number: 15,
                pc: None
            }
        ),
        (vec![], orders)
    );
}

#[test]
fn threads_that_do_not_stop_in_time_are_named_and_run_on() {
    let mut script = Script::new();
    script.tracker.adopt(Task::new(100, 105), None);
    let mut out = Output::default();
    assert_eq!(
        script
            .tracker
            .give_up_waiting(Time(9), PID, |_| true, &mut out),
        [Tid(105)]
    );
    assert_eq!(
        out.events,
        [existing(Time(9), Task::new(100, 105), None, None)]
    );
    assert_eq!(script.step(Tid(105), TRAP), (vec![], vec![resume(105)]));
}

#[test]
fn a_creators_report_that_is_very_late_makes_no_second_birth() {
    let mut script = Script::new();
    script.early(Tid(101), Stop::Trap { pc: None }, 100);
    script.now += PARENT_WAIT_NS;
    let (told, _) = script.run(Tracker::tick);
    assert!(matches!(told[..], [EventBody::Birth(_)]), "{told:?}");
    // Ended and reaped; then the creator reports. Whether that is the same one is for the engine
    // to find out.
    script.step(Tid(101), ended(0));
    assert!(script.tracker.was_told(Tid(101)));
    script.tracker.forget_orphan(Tid(101));
    assert!(!script.tracker.was_told(Tid(101)));
    // While it lives there is no doubt.
    script.early(Tid(102), Stop::Trap { pc: None }, 100);
    script.now += PARENT_WAIT_NS;
    script.run(Tracker::tick);
    assert!(!script.tracker.was_told(Tid(102)));
    let (told, orders) = script.step(MAIN, thread(102));
    assert_eq!(told, []);
    assert_eq!(orders, [resume(MAIN.0)]);
}

#[test]
fn an_untraced_creator_is_not_waited_for() {
    let mut script = Script::new();
    let identity = Identity {
        pid: Some(PID),
        parent_pid: Some(Pid(1)),
        flags: Some(0x83_0f00),
        pc: PC,
    };
    script.run(|tracker, now, out| {
        tracker.step(now, Tid(101), Stop::Trap { pc: None }, Some(identity), out);
    });
    let (told, orders) = script.run(Tracker::tick);
    assert!(matches!(told[..], [EventBody::Birth(_)]), "{told:?}");
    assert_eq!(orders, [resume(101)]);
}

#[test]
fn one_that_is_killed_while_it_is_let_go_ends_as_any_other() {
    let mut script = Script::new();
    script.step(MAIN, thread(101));
    script.step(Tid(101), Stop::Trap { pc: None });
    script.run(|tracker, _, out| tracker.end(out));
    let (_, orders) = script.step(Tid(101), Stop::Trap { pc: None });
    assert!(matches!(orders[..], [Order::Detach { tid: Tid(101), .. }]));
    // The kernel answers ESRCH.
    script.tracker.detached(Tid(101), false);
    assert!(script.tracker.knows(Tid(101)));
    let (told, _) = script.step(Tid(101), ended(0));
    assert!(matches!(told[..], [EventBody::Exit { .. }]), "{told:?}");
    script.step(MAIN, Stop::Trap { pc: None });
    script.tracker.detached(MAIN, true);
    assert!(script.tracker.is_empty());
}

#[test]
fn one_that_was_told_to_be_let_go_does_not_end_as_well() {
    let mut script = Script::with(policy(NewThreads::Detach, ForkMode::Fixed(Choice::Both)));
    script.step(MAIN, thread(101));
    script.step(Tid(101), Stop::Trap { pc: None });
    script.tracker.detached(Tid(101), false);
    assert_eq!(script.step(Tid(101), ended(0)).0, []);
}

#[test]
fn tracees_that_slipped_away_are_told_as_a_gap() {
    let mut script = Script::new();
    let (told, _) = script.run(|tracker, now, out| tracker.slipped_away(now, &[MAIN], out));
    assert_eq!(told[0], detached(100, 100, DetachReason::SlippedAway));
    assert!(matches!(told[1], EventBody::Gap { count: 1, .. }));
    assert!(script.tracker.is_empty());
    // While all are let go, one that runs free already may exec, and so drop the leader.
    let mut script = Script::new();
    script.run(|tracker, _, out| tracker.end(out));
    let (told, _) = script.run(|tracker, now, out| tracker.slipped_away(now, &[MAIN], out));
    assert_eq!(told, []);
    assert!(script.tracker.is_empty());
}

/// A thread enters a creation; `listed` too if it was asked for.
fn enters(call: Creation, listed: bool) -> Stop {
    let creation = Some(Creating {
        call,
        flags: THREAD,
        pc: 0x40,
    });
    let listed = listed.then(|| Listed {
        name: Name::from(call.as_str()),
        number: 56,
        args: [1, 2, 3, 4, 5, 6],
    });
    Stop::Enters(Some(Box::new(Entry { creation, listed })))
}

fn leaves(result: i64) -> Stop {
    Stop::Leaves { result }
}

fn refused(tid: u32, call: &str, errno: u16) -> EventBody {
    EventBody::CreateFailed {
        task: Task::new(100, tid),
        call: Name::from(call),
        errno,
        flags: THREAD,
        pc: PC,
        stack: None,
    }
}

#[test]
fn a_creation_that_comes_back_with_an_error_was_refused_once() {
    let mut script = Script::new();
    let nothing = (vec![], vec![resume(100)]);
    assert_eq!(script.step(MAIN, enters(Creation::Clone3, false)), nothing);
    assert!(script.tracker.is_in_call(MAIN));
    assert_eq!(
        script.step(MAIN, leaves(-11)),
        (vec![refused(100, "clone3", 11)], vec![resume(100)])
    );
    assert!(!script.tracker.is_in_call(MAIN));
    // An exit whose entry was not seen says nothing.
    assert_eq!(script.step(MAIN, leaves(-11)), nothing);
}

#[test]
fn a_creation_that_a_signal_interrupts_begins_anew() {
    let mut script = Script::new();
    let nothing = (vec![], vec![resume(100)]);
    for result in [-512, -513, -514, -516] {
        assert_eq!(script.step(MAIN, enters(Creation::Fork, false)), nothing);
        assert_eq!(script.step(MAIN, leaves(result)), nothing);
    }
    let _ = script.step(
        MAIN,
        Stop::Signal {
            number: 34,
            pc: None,
        },
    );
    let _ = script.step(MAIN, enters(Creation::Fork, false));
    assert_eq!(script.step(MAIN, leaves(-12)).0, [refused(100, "fork", 12)]);
}

#[test]
fn a_creation_that_was_reported_has_succeeded() {
    let mut script = Script::new();
    let _ = script.step(MAIN, enters(Creation::Clone, false));
    let (events, _) = script.step(MAIN, thread(101));
    assert_eq!(events, [thread_born(Some(100), 101)]);
    // Nothing more is wanted of it: a filter's stop needs no second one.
    assert!(!script.tracker.is_in_call(MAIN));
    assert_eq!(script.step(MAIN, leaves(101)), (vec![], vec![resume(100)]));
}

#[test]
fn a_listed_call_is_told_at_its_entry_and_its_exit() {
    let mut script = Script::new();
    let task = Task::leader(PID);
    let entry = EventBody::SyscallEnter {
        task,
        name: Name::from("clone"),
        number: 56,
        args: Box::new([1, 2, 3, 4, 5, 6]),
    };
    let exit = |result| EventBody::SyscallExit {
        task,
        name: Name::from("clone"),
        number: 56,
        result,
    };
    let enters = || enters(Creation::Clone, true);
    assert_eq!(script.step(MAIN, enters()).0, [entry]);
    let _ = script.step(MAIN, thread(101));
    assert_eq!(script.step(MAIN, leaves(101)).0, [exit(101)]);
    let _ = script.step(MAIN, enters());
    let both = [refused(100, "clone", 11), exit(-11)];
    assert_eq!(script.step(MAIN, leaves(-11)).0, both);
    // A call of no interest ends whatever came before it.
    let _ = script.step(MAIN, enters());
    let _ = script.step(MAIN, Stop::Enters(None));
    assert_eq!(script.step(MAIN, leaves(-11)).0, []);
}

#[test]
fn an_exec_takes_the_callers_call_along_and_ends_the_others() {
    let mut script = Script::new();
    let _ = script.step(MAIN, thread(101));
    let _ = script.step(Tid(101), TRAP);
    let _ = script.step(MAIN, enters(Creation::Vfork, true));
    let execve = Stop::Enters(Some(Box::new(Entry {
        creation: None,
        listed: Some(Listed {
            name: Name::from("execve"),
            number: 59,
            args: [0; 6],
        }),
    })));
    let _ = script.step(Tid(101), execve);
    let exec = Stop::Exec {
        former_tid: Tid(101),
        exe: Name::default(),
        name: Name::default(),
    };
    let _ = script.step(MAIN, exec);
    assert!(!script.tracker.is_in_call(Tid(101)));
    let exit = EventBody::SyscallExit {
        task: Task::leader(PID),
        name: Name::from("execve"),
        number: 59,
        result: 0,
    };
    assert_eq!(
        script.step(MAIN, leaves(0)),
        (vec![exit], vec![resume(100)])
    );
}

#[test]
fn a_thread_that_ends_in_a_call_has_its_entry_alone() {
    let mut script = Script::new();
    let _ = script.step(MAIN, thread(101));
    let _ = script.step(Tid(101), TRAP);
    let _ = script.step(Tid(101), enters(Creation::Clone, true));
    let end = exit(100, 101, End::Code(0));
    assert_eq!(script.step(Tid(101), ended(0)), (vec![end], vec![]));
    assert!(!script.tracker.is_in_call(Tid(101)));
}
