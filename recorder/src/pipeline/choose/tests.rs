//! Scripts of events, and what the file gets of them.

use super::*;
use tidline::model::{End, Via};

/// `include` and `exclude`, each several with spaces between.
struct Script {
    choose: Choose,
    now: u64,
}

impl Script {
    fn new(include: &str, exclude: &str) -> Self {
        let patterns = |text: &str| {
            let words = text.split_whitespace();
            words.map(|word| Pattern::new(word).unwrap()).collect()
        };
        let globs = Globs {
            include: patterns(include),
            exclude: patterns(exclude),
        };
        Script {
            choose: Choose::new(globs, |tid| (tid == Tid(700)).then(|| Name::from("server")))
                .unwrap(),
            now: 0,
        }
    }

    fn pass(&mut self, body: EventBody) -> Vec<EventBody> {
        self.now += 1;
        let time = Time(self.now);
        let mut out = Vec::new();
        self.choose.pass(Event { time, body }, &mut out);
        assert!(out.iter().all(|event| event.time == time));
        out.into_iter().map(|event| event.body).collect()
    }

    /// The same for an event that is kept as it is.
    fn keeps(&mut self, body: EventBody) {
        assert_eq!(self.pass(body.clone()), [body]);
    }

    fn leaves_out(&mut self, body: EventBody) {
        let before = self.choose.left_out();
        assert_eq!(self.pass(body), []);
        assert_eq!(self.choose.left_out(), before + 1);
    }
}

fn existing(task: Task, parent: Option<u32>, name: &str) -> EventBody {
    EventBody::Existing {
        task,
        parent_pid: parent.map(Pid),
        name: Name::from(name),
        pc: None,
        inner: None,
    }
}

fn birth(parent: Task, child: Task) -> EventBody {
    let (what, flags) = match child.pid == parent.pid {
        true => (What::Thread, 0x3d_0f00),
        false => (What::Process, 17),
    };
    EventBody::Birth(Birth {
        via: Via::Clone,
        what,
        parent: Some(parent),
        child,
        flags: Some(flags),
        pc: None,
        inner: None,
        stack: None,
        start: None,
    })
}

fn rename(task: Task, name: &str) -> EventBody {
    let name = Name::from(name);
    EventBody::Rename { task, name }
}

fn exec(task: Task, former: u32, name: &str) -> EventBody {
    EventBody::Exec {
        task,
        former_tid: Tid(former),
        exe: Name::from("/x"),
        name: Name::from(name),
    }
}

fn exit(task: Task) -> EventBody {
    let end = End::Code(0);
    EventBody::Exit { task, end }
}

fn gone(task: Task) -> EventBody {
    let reason = DetachReason::LeftOut;
    EventBody::Detach { task, reason }
}

const MAIN: Task = Task {
    pid: Pid(100),
    tid: Tid(100),
};
const THREAD: Task = Task {
    pid: Pid(100),
    tid: Tid(101),
};
const OTHER: Task = Task {
    pid: Pid(100),
    tid: Tid(102),
};
const CHILD: Task = Task {
    pid: Pid(200),
    tid: Tid(200),
};

#[test]
fn what_is_excluded_is_left_out_with_all_its_events() {
    let mut script = Script::new("", "gc*");
    script.keeps(existing(MAIN, Some(1), "java"));
    script.leaves_out(existing(THREAD, None, "gc-1"));
    script.leaves_out(birth(THREAD, OTHER));
    script.leaves_out(EventBody::CreateFailed {
        task: THREAD,
        call: Name::from("clone3"),
        errno: 11,
        flags: None,
        pc: None,
        stack: None,
    });
    script.leaves_out(exit(OTHER));
    script.leaves_out(exit(THREAD));
    // The next with that TID is another task.
    script.keeps(birth(MAIN, THREAD));
    script.keeps(exit(THREAD));
    assert_eq!((script.choose.left_out(), script.choose.live()), (5, 1));
}

#[test]
fn only_what_is_included_and_not_excluded_is_kept() {
    let mut script = Script::new("w-? [ab]", "w-2");
    script.leaves_out(existing(MAIN, None, "main"));
    for (tid, name, kept) in [
        (1, "w-1", true),
        (2, "w-2", false),
        (3, "w-10", false),
        (4, "b", true),
        (5, "c", false),
    ] {
        let event = existing(Task::new(100, 200 + tid), None, name);
        if kept {
            script.keeps(event);
        } else {
            script.leaves_out(event);
        }
    }
}

#[test]
fn a_process_s_name_counts_for_all_its_threads() {
    let mut script = Script::new("java", "");
    script.keeps(existing(MAIN, None, "java"));
    script.keeps(existing(THREAD, None, "gc/1"));
    let mut script = Script::new("", "java");
    script.leaves_out(existing(MAIN, None, "java"));
    script.leaves_out(existing(THREAD, None, "worker"));
}

#[test]
fn a_star_takes_slashes_and_bytes_that_are_no_text() {
    let mut script = Script::new("", "k*1 ?x");
    script.leaves_out(existing(MAIN, None, "kworker/0:1"));
    let name = Name::from(b"\xffx");
    let mut event = existing(Task::new(7, 7), None, "");
    if let EventBody::Existing { name: place, .. } = &mut event {
        *place = name;
    }
    script.leaves_out(event);
}

#[test]
fn a_name_that_is_left_out_ends_a_task_here() {
    let mut script = Script::new("", "gc*");
    script.keeps(existing(MAIN, None, "java"));
    script.keeps(birth(MAIN, THREAD));
    script.keeps(rename(THREAD, "w"));
    assert_eq!(
        script.pass(rename(THREAD, "gc-1")),
        [rename(THREAD, "gc-1"), gone(THREAD)]
    );
    script.leaves_out(rename(THREAD, "gc-2"));
    script.leaves_out(exit(THREAD));
    assert_eq!(script.choose.live(), 1);
}

#[test]
fn a_name_may_bring_a_task_in_and_out_and_in_again() {
    let mut script = Script::new("w*", "");
    script.leaves_out(existing(MAIN, Some(7), "main"));
    script.leaves_out(birth(MAIN, THREAD));
    assert_eq!(
        script.pass(rename(THREAD, "w-1")),
        [existing(THREAD, None, "main"), rename(THREAD, "w-1")]
    );
    assert_eq!(
        script.pass(rename(THREAD, "idle")),
        [rename(THREAD, "idle"), gone(THREAD)]
    );
    assert_eq!(
        script.pass(rename(THREAD, "w-2")),
        [existing(THREAD, None, "idle"), rename(THREAD, "w-2")]
    );
    script.keeps(exit(THREAD));
    assert_eq!(script.choose.live(), 0);
}

#[test]
fn a_leaders_new_name_brings_its_threads_in_and_out() {
    let mut script = Script::new("java", "");
    script.leaves_out(existing(MAIN, Some(7), "sh"));
    script.leaves_out(birth(MAIN, THREAD));
    script.leaves_out(birth(MAIN, OTHER));
    script.leaves_out(rename(OTHER, "own"));
    let told = [
        existing(MAIN, Some(7), "sh"),
        rename(MAIN, "java"),
        existing(THREAD, None, "sh"),
        existing(OTHER, None, "own"),
    ];
    assert_eq!(script.pass(rename(MAIN, "java")), told);
    assert_eq!(script.choose.live(), 3);
    let told = [rename(MAIN, "sh"), gone(MAIN), gone(THREAD), gone(OTHER)];
    assert_eq!(script.pass(rename(MAIN, "sh")), told);
    assert_eq!(script.choose.live(), 0);
}

#[test]
fn an_exec_brings_a_process_in_and_out() {
    let mut script = Script::new("", "sh");
    script.leaves_out(existing(MAIN, Some(7), "sh"));
    script.leaves_out(birth(MAIN, CHILD));
    let told = [existing(CHILD, Some(100), "sh"), exec(CHILD, 200, "cc")];
    assert_eq!(script.pass(exec(CHILD, 200, "cc")), told);
    let told = [exec(CHILD, 200, "sh"), gone(CHILD)];
    assert_eq!(script.pass(exec(CHILD, 200, "sh")), told);
    script.leaves_out(exec(CHILD, 200, "sh"));
    script.leaves_out(exit(CHILD));
}

#[test]
fn an_exec_off_the_leader_by_a_thread_that_was_kept_or_not() {
    // The thread is kept, its leader is not, and neither is the new program.
    let mut script = Script::new("w", "");
    script.leaves_out(existing(MAIN, None, "main"));
    script.keeps(existing(THREAD, None, "w"));
    assert_eq!(script.pass(exec(MAIN, 101, "x")), [gone(THREAD)]);
    script.leaves_out(exit(MAIN));
    // The other way round.
    let mut script = Script::new("", "gc");
    script.keeps(existing(MAIN, None, "main"));
    script.leaves_out(existing(THREAD, None, "gc"));
    script.keeps(exec(MAIN, 101, "x"));
    script.keeps(exit(MAIN));
    // The leader had ended: the thread's record becomes the leader's.
    let mut script = Script::new("", "gc");
    script.keeps(existing(MAIN, None, "main"));
    script.keeps(existing(THREAD, None, "w"));
    script.keeps(exit(MAIN));
    script.keeps(exec(MAIN, 101, "x"));
    assert_eq!(script.choose.live(), 1);
}

#[test]
fn a_birth_by_one_that_is_left_out_names_its_creator_which_then_has_an_end() {
    let mut script = Script::new("", "java");
    script.leaves_out(existing(MAIN, None, "java"));
    script.leaves_out(existing(THREAD, None, "w"));
    script.keeps(birth(THREAD, CHILD)); // A child called "w", by a thread of java.
    script.keeps(exit(THREAD));
    script.keeps(exit(CHILD));
    script.leaves_out(exit(MAIN));
    // One that comes in begins anew.
    script.leaves_out(existing(MAIN, None, "java"));
    script.leaves_out(existing(THREAD, None, "w"));
    script.keeps(birth(THREAD, CHILD));
    let told = [
        existing(MAIN, None, "java"),
        rename(MAIN, "x"),
        gone(THREAD),
        existing(THREAD, None, "w"),
    ];
    assert_eq!(script.pass(rename(MAIN, "x")), told);
}

#[test]
fn one_whose_birth_was_lost_is_judged_without_a_name_until_it_has_one() {
    let mut script = Script::new("w*", "");
    script.leaves_out(exit(THREAD));
    let told = [existing(THREAD, None, ""), rename(THREAD, "w")];
    assert_eq!(script.pass(rename(THREAD, "w")), told);
    let mut script = Script::new("", "w*");
    script.keeps(exit(THREAD));
    let told = [rename(THREAD, "w"), gone(THREAD)];
    assert_eq!(script.pass(rename(THREAD, "w")), told);
    script.keeps(exec(CHILD, 201, ""));
    assert_eq!(
        script.pass(exec(CHILD, 200, "w")),
        [exec(CHILD, 200, "w"), gone(CHILD)]
    );
    assert_eq!(script.choose.live(), 0);
}

#[test]
fn what_is_about_no_task_is_kept() {
    let mut script = Script::new("none", "");
    let text = Name::from("here");
    script.keeps(EventBody::Mark { text });
    assert_eq!(script.choose.left_out(), 0);
}

#[test]
fn without_globs_there_is_nothing_to_choose() {
    assert!(Choose::new(Globs::default(), |_| None).is_none());
}

#[test]
fn a_thread_that_is_told_of_before_its_leader_is_judged_by_its_leaders_name_too() {
    let (leader, thread) = (Task::new(700, 700), Task::new(700, 701));
    let mut script = Script::new("", "server");
    script.leaves_out(existing(thread, None, "worker"));
    script.leaves_out(existing(leader, None, "server"));
    let mut script = Script::new("server", "");
    script.keeps(existing(thread, None, "worker"));
    script.keeps(existing(leader, None, "server"));
    // Its name is another by the time that it is told of.
    let mut script = Script::new("", "server");
    script.leaves_out(existing(thread, None, "worker"));
    assert_eq!(
        script.pass(existing(leader, None, "other")),
        [
            existing(leader, None, "other"),
            existing(thread, None, "worker")
        ]
    );
    // Of this one nothing can be read.
    let mut script = Script::new("", "server");
    script.keeps(existing(Task::new(800, 801), None, "worker"));
}
