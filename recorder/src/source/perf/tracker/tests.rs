//! The orders in which things can happen, and be found, as timelines.

use super::*;
use tidline::model::Via;

const THREAD: u64 = 0x3d_0f00;

/// Facts, told in order: time, pid, tid, what.
fn made(child: u32, flags: u64) -> Saw {
    Saw::Made {
        child: Tid(child),
        flags: flags & !0xff,
        registers: None,
    }
}

fn ends(group: Option<bool>) -> Saw {
    Saw::Ends { group }
}

fn executes(former: u32) -> Saw {
    Saw::Executes {
        former: Tid(former),
        file: "/b/new".into(),
    }
}

fn renames(tid: u32, name: &str) -> Saw {
    Saw::Renames {
        tid: Tid(tid),
        name: name.into(),
    }
}

fn fact(time: u64, pid: u32, tid: u32, what: Saw) -> Fact {
    Fact {
        time: Time(time),
        task: Task::new(pid, tid),
        what,
    }
}

/// An event in a few words.
fn word(event: &Event) -> String {
    let words = match &event.body {
        EventBody::Existing { task, name, .. } => format!("existing {} {name}", task.tid),
        EventBody::Birth(birth) => {
            let parent = birth.parent.expect("one that acted");
            let (via, what) = (birth.via.as_str(), birth.what.as_str());
            let child = birth.child;
            format!("{via} {what} {}.{} by {}", child.pid, child.tid, parent.tid)
        }
        EventBody::Exec {
            task,
            former_tid,
            name,
            ..
        } => format!("exec {former_tid} to {} {name}", task.tid),
        EventBody::Exit { task, .. } => format!("exit {}", task.tid),
        EventBody::Rename { task, name } => format!("rename {} {name}", task.tid),
        EventBody::CreateFailed { task, call, .. } => format!("refused {call} {}", task.tid),
        other => panic!("{other:?}"),
    };
    format!("{} {}", event.time.0, words.trim_end())
}

fn words(events: &[Event]) -> Vec<String> {
    events.iter().map(word).collect()
}

fn step(tracker: &mut Tracker, facts: impl IntoIterator<Item = Fact>) -> Vec<String> {
    let mut out = Vec::new();
    for fact in facts {
        let flags = match fact.what {
            Saw::Made { flags, .. } if flags & CLONE_THREAD == 0 => Some(flags | 17),
            Saw::Made { flags, .. } => Some(flags),
            _ => None,
        };
        tracker.step(&fact, Details::of_flags(flags), &mut out);
    }
    words(&out)
}

/// A tracker that has found process 10 with these threads.
fn tracking(tids: &[u32]) -> Tracker {
    let mut tracker = Tracker::default();
    let tids = tids.iter().map(|tid| (1, 10, *tid));
    let found = take_up(&mut tracker, &scan(tids), &[]);
    assert!(found.iter().all(|word| word.contains("existing")));
    tracker
}

fn scan(listed: impl IntoIterator<Item = (u64, u32, u32)>) -> Scan {
    let listed = listed.into_iter().map(|(seen, pid, tid)| Listed {
        seen: Time(seen),
        task: Task::new(pid, tid),
        parent_pid: None,
        name: "n".into(),
        inner: None,
    });
    let listed: Vec<Listed> = listed.collect();
    Scan {
        begin: Time(0),
        end: Time(50),
        pids: listed.iter().map(|listed| listed.task.pid).collect(),
        listed,
        ..Scan::default()
    }
}

/// Takes a look up, and what happened meanwhile, as the engine does.
fn take_up(tracker: &mut Tracker, scan: &Scan, meanwhile: &[Fact]) -> Vec<String> {
    let mut all = Vec::new();
    let found = tracker.take_up(scan, meanwhile, &mut all);
    let mut found = found.into_iter().peekable();
    for fact in meanwhile {
        while let Some(event) = found.next_if(|event| event.time <= fact.time) {
            all.push(event);
        }
        tracker.step(fact, Details::default(), &mut all);
    }
    all.extend(found);
    words(&all)
}

#[test]
fn births_and_ends_of_a_process_and_its_descendants() {
    let mut tracker = tracking(&[10]);
    let told = step(
        &mut tracker,
        [
            fact(2, 10, 10, made(11, THREAD)),
            fact(3, 10, 11, made(20, 17)),
            fact(4, 20, 20, made(21, 0x4100)),
            fact(5, 99, 99, made(98, 17)),
            fact(6, 99, 99, ends(Some(true))),
            fact(7, 10, 11, ends(Some(false))),
            fact(8, 10, 10, ends(Some(true))),
            fact(9, 20, 20, ends(Some(true))),
        ],
    );
    assert_eq!(
        told,
        [
            "2 clone thread 10.11 by 10",
            "3 fork process 20.20 by 11",
            "4 vfork process 21.21 by 20",
            "7 exit 11",
            "8 exit 10",
            "9 exit 20",
        ]
    );
    assert!(!tracker.is_empty());
    step(&mut tracker, [fact(10, 21, 21, ends(None))]);
    assert!(tracker.is_empty());
}

#[test]
fn the_kind_of_a_creation_is_told_where_its_signal_is_not_known() {
    let mut tracker = tracking(&[10]);
    let mut out = Vec::new();
    for (child, flags) in [(20, 0x4100), (21, 0), (22, THREAD)] {
        let fact = fact(2, 10, 10, made(child, flags));
        tracker.step(&fact, Details::default(), &mut out);
    }
    let vias: Vec<Via> = out
        .iter()
        .map(|event| match &event.body {
            EventBody::Birth(birth) => birth.via,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(vias, [Via::Vfork, Via::Fork, Via::Clone]);
}

#[test]
fn a_leader_ends_with_the_last_of_its_threads() {
    for last in [Some(true), None] {
        let first = last.map(|_| false);
        let mut tracker = tracking(&[10, 11, 12]);
        let facts = [
            fact(2, 10, 10, ends(first)),
            fact(3, 10, 11, ends(first)),
            fact(4, 10, 12, ends(last)),
        ];
        assert_eq!(
            step(&mut tracker, facts),
            ["3 exit 11", "4 exit 12", "4 exit 10"]
        );
        assert!(tracker.is_empty(), "{last:?}");
    }
}

#[test]
fn an_exec_off_the_leader_leaves_one_task_with_the_leaders_tid() {
    let mut tracker = tracking(&[10, 11, 12]);
    let told = step(
        &mut tracker,
        [
            fact(2, 10, 12, ends(Some(false))),
            fact(3, 10, 10, ends(Some(false))),
            fact(4, 10, 10, renames(10, "new")),
            fact(5, 10, 10, executes(11)),
            fact(6, 10, 10, ends(Some(true))),
        ],
    );
    assert_eq!(
        told,
        [
            "2 exit 12",
            "4 rename 10 new",
            "5 exec 11 to 10 new",
            "6 exit 10"
        ]
    );
    assert!(tracker.is_empty());
}

#[test]
fn a_sibling_whose_end_was_lost_ends_with_the_exec_or_the_process() {
    let mut tracker = tracking(&[10, 11, 12]);
    let told = step(&mut tracker, [fact(5, 10, 10, executes(10))]);
    assert_eq!(told, ["5 exit 11", "5 exit 12", "5 exec 10 to 10 n"]);
    let mut tracker = tracking(&[10, 11]);
    let told = step(&mut tracker, [fact(5, 10, 11, ends(Some(true)))]);
    assert_eq!(told, ["5 exit 11", "5 exit 10"]);
}

#[test]
fn a_launched_command_begins_with_its_exec() {
    let mut tracker = Tracker::default();
    tracker.track(Pid(10));
    let told = step(
        &mut tracker,
        [
            fact(2, 10, 10, renames(10, "make")),
            fact(3, 10, 10, executes(10)),
            fact(4, 10, 10, renames(10, "other")),
        ],
    );
    assert_eq!(
        told,
        [
            "3 existing 10 make",
            "3 exec 10 to 10 make",
            "4 rename 10 other"
        ]
    );
}

#[test]
fn a_tid_that_comes_again_is_another_task() {
    let mut tracker = tracking(&[10]);
    let told = step(
        &mut tracker,
        [
            fact(2, 10, 10, made(11, THREAD)),
            fact(3, 10, 11, ends(Some(false))),
            fact(4, 10, 10, made(11, THREAD)),
            // The end was lost: this is another one, all the same.
            fact(5, 10, 10, made(11, THREAD)),
            // And this one is a stranger's.
            fact(6, 99, 99, made(11, 17)),
            fact(7, 11, 11, made(12, THREAD)),
        ],
    );
    assert_eq!(
        told,
        [
            "2 clone thread 10.11 by 10",
            "3 exit 11",
            "4 clone thread 10.11 by 10",
            "5 exit 11",
            "5 clone thread 10.11 by 10",
            "6 exit 11",
        ]
    );
}

#[test]
fn a_process_whose_end_was_lost_does_not_make_its_pid_ours() {
    let mut tracker = tracking(&[10, 11]);
    let told = step(
        &mut tracker,
        [
            fact(2, 99, 99, made(10, 17)),
            fact(3, 10, 10, made(12, THREAD)),
        ],
    );
    assert_eq!(told, ["2 exit 10", "2 exit 11"]);
    assert!(tracker.is_empty());
}

#[test]
fn whoever_acts_in_a_process_of_ours_is_ours() {
    let mut tracker = tracking(&[10]);
    let told = step(
        &mut tracker,
        [
            fact(2, 10, 15, made(16, THREAD)),
            fact(3, 10, 17, ends(Some(false))),
            fact(
                4,
                10,
                18,
                Saw::Refused {
                    call: crate::syscall::abi::Creation::Clone3,
                    errno: 11,
                    registers: None,
                },
            ),
        ],
    );
    assert_eq!(
        told,
        [
            "2 existing 15",
            "2 clone thread 10.16 by 15",
            "3 existing 17",
            "3 exit 17",
            "4 existing 18",
            "4 refused clone3 18",
        ]
    );
}

#[test]
fn what_begins_or_ends_during_a_look_is_told_once() {
    let mut tracker = Tracker::default();
    // 10 and 11 were there; 11 ended, and was listed before; 12 was born and listed, 13 was born of it
    // and was not; 14 was there, ended unlisted, and its TID came again, and was listed.
    let listed = [(4, 10, 10), (5, 10, 11), (30, 10, 12), (31, 10, 14)];
    let meanwhile = [
        fact(10, 10, 10, made(12, THREAD)),
        fact(11, 10, 12, made(13, THREAD)),
        fact(12, 10, 11, ends(Some(false))),
        fact(13, 10, 14, ends(Some(false))),
        fact(14, 10, 10, made(14, THREAD)),
    ];
    let told = take_up(&mut tracker, &scan(listed), &meanwhile);
    assert_eq!(
        told,
        [
            "4 existing 10 n",
            "5 existing 11 n",
            "10 clone thread 10.12 by 10",
            "11 clone thread 10.13 by 12",
            "12 exit 11",
            "13 existing 14 n",
            "13 exit 14",
            "14 clone thread 10.14 by 10",
        ]
    );
    assert_eq!(tracker.len(), 4);
}

#[test]
fn one_that_was_seen_late_existed_before_what_it_did() {
    let mut tracker = Tracker::default();
    let meanwhile = [
        fact(5, 10, 10, renames(10, "x")),
        fact(6, 10, 10, made(11, THREAD)),
        // The TID of a process that ended is another's, which is born, and not ours.
        fact(7, 99, 99, made(30, 17)),
    ];
    let listed = [(20, 10, 10), (21, 10, 11), (22, 30, 30)];
    let told = take_up(&mut tracker, &scan(listed), &meanwhile);
    assert_eq!(
        told,
        [
            "5 existing 10 n",
            "5 rename 10 x",
            "6 clone thread 10.11 by 10"
        ]
    );
    assert!(!tracker.tracks(Pid(30)));
}

#[test]
fn an_exec_during_a_look_is_one_process() {
    let mut tracker = Tracker::default();
    let meanwhile = [
        fact(5, 10, 10, ends(Some(false))),
        fact(7, 10, 10, executes(11)),
    ];
    // Listed under its former TID, and then under the leader's.
    let listed = [(3, 10, 11), (20, 10, 10)];
    let told = take_up(&mut tracker, &scan(listed), &meanwhile);
    assert_eq!(
        told,
        ["3 existing 11 n", "5 existing 10 n", "7 exec 11 to 10 n"]
    );
    assert_eq!(tracker.len(), 1);
}

#[test]
fn a_process_is_found_by_a_thread_that_was_born_during_the_look() {
    // It ends the leader to take its place, and the others: nobody is listed but itself.
    let mut tracker = Tracker::default();
    let meanwhile = [
        fact(12, 10, 10, made(12, THREAD)),
        fact(13, 10, 10, ends(Some(false))),
        fact(15, 10, 10, executes(12)),
    ];
    let told = take_up(&mut tracker, &scan([(14, 10, 12)]), &meanwhile);
    assert_eq!(
        told,
        [
            "12 existing 10",
            "12 clone thread 10.12 by 10",
            "15 exec 12 to 10"
        ]
    );
    assert!(tracker.tracks(Pid(10)));
}

#[test]
fn after_a_loss_a_look_finds_what_is_missing() {
    let mut tracker = tracking(&[10, 11, 12]);
    step(&mut tracker, [fact(2, 10, 10, made(20, 17))]);
    // 11's end and 20's were lost, as was 15's birth, and that of 10's child 40; 12 ends just now.
    let mut look = scan([(3, 10, 10), (4, 10, 15), (5, 40, 40)]);
    look.begin = Time(3);
    look.pids.insert(Pid(20));
    tracker.track(Pid(50));
    look.pids.insert(Pid(50));
    let told = take_up(&mut tracker, &look, &[fact(8, 10, 12, ends(Some(false)))]);
    assert_eq!(
        told,
        [
            "3 exit 11",
            "3 exit 20",
            "4 existing 15 n",
            "5 existing 40 n",
            "8 exit 12"
        ]
    );
    let tracked = [10, 20, 40, 50].map(|pid| tracker.tracks(Pid(pid)));
    assert_eq!(tracked, [true, false, true, false]);
}

#[test]
fn a_look_does_not_end_what_was_not_looked_at_nor_a_leader_of_others() {
    let mut tracker = tracking(&[10, 11]);
    step(
        &mut tracker,
        [
            fact(2, 10, 10, made(20, 17)),
            fact(3, 10, 10, ends(Some(false))),
        ],
    );
    // 20 was made too late for the list; the leader is a zombie, which is not listed.
    let told = take_up(&mut tracker, &scan([(5, 10, 11)]), &[]);
    assert_eq!(told, [""; 0]);
    assert_eq!(tracker.len(), 3);
}

#[test]
fn a_look_amid_an_exec_or_an_end_takes_nobody_for_gone() {
    let mut tracker = tracking(&[10, 11]);
    // 11 has the leader's TID by now, and its exec is told after the look.
    let meanwhile = [fact(5, 10, 10, ends(Some(false)))];
    assert_eq!(
        take_up(&mut tracker, &scan([(20, 10, 10)]), &meanwhile),
        [""; 0]
    );
    let told = step(&mut tracker, [fact(60, 10, 10, executes(11))]);
    assert_eq!(told, ["60 exec 11 to 10 n"]);

    // The last thread, beside a leader that went before, is about to end.
    let mut tracker = tracking(&[10, 11]);
    step(&mut tracker, [fact(2, 10, 10, ends(Some(false)))]);
    let mut look = scan([]);
    look.pids.insert(Pid(10));
    look.ending.insert(Task::new(10, 11));
    assert_eq!(take_up(&mut tracker, &look, &[]), [""; 0]);
    let told = step(&mut tracker, [fact(60, 10, 11, ends(Some(true)))]);
    assert_eq!(told, ["60 exit 11", "60 exit 10"]);
}

#[test]
fn everyone_but_the_kernels_threads_and_ourselves() {
    let mut tracker = Tracker::of_everyone();
    let mut look = scan([(1, 10, 10)]);
    look.strangers = vec![Tid(2), Tid(5)];
    let meanwhile = [
        fact(3, 2, 2, made(30, 0)),
        fact(4, 5, 5, made(31, THREAD)),
        fact(5, 30, 30, ends(Some(true))),
        // A helper that a thread of the kernel starts becomes a program like any other.
        fact(6, 2, 2, made(32, 0)),
        fact(7, 32, 32, renames(32, "modprobe")),
        fact(8, 32, 32, executes(32)),
        fact(9, 10, 10, made(33, 17)),
        fact(10, 40, 40, made(41, 17)),
    ];
    let told = take_up(&mut tracker, &look, &meanwhile);
    assert_eq!(
        told,
        [
            "1 existing 10 n",
            "8 existing 32 modprobe",
            "8 exec 32 to 32 modprobe",
            "9 fork process 33.33 by 10",
            "10 existing 40",
            "10 fork process 41.41 by 40",
        ]
    );
    assert!(!tracker.is_empty());
}
