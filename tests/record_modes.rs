//! What is followed: new threads or not, one side of a fork or both.

#![cfg(target_os = "linux")]

mod support;
#[path = "support/trace.rs"]
mod trace;

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use support::{Child, Made, TempDir, made, need, program, send, tracer_of, tracers};
use tidline::model::{DetachReason, Ended, EventBody, Task, Trace};
use trace::{
    SOON, birth_events, births, check, launch, may_trace, open, ready, tidrec, wait_until,
};

/// The tasks that were let go, with the reason, sorted by TID.
fn detached(trace: &Trace) -> Vec<(u32, DetachReason)> {
    let mut all: Vec<_> = trace
        .events()
        .iter()
        .filter_map(|event| match event.body {
            EventBody::Detach { task, reason } => Some((task.tid.0, reason)),
            _ => None,
        })
        .collect();
    all.sort();
    all
}

fn parse_tid(line: &str) -> u32 {
    let word = line.rsplit_once(' ').expect("words").1;
    word.parse().expect("a number")
}

#[test]
fn new_threads_are_told_and_let_go() {
    if !may_trace() {
        return;
    }
    // Threads here fork, and what they make is not seen; what main threads make is.
    let recording = launch(
        &["--new-threads", "detach"],
        program("forker"),
        ["2", "2", "2"],
    );
    assert_eq!(recording.status.code(), Some(0), "{}", recording.stderr);
    assert_eq!(check(&recording.trace), []);
    let log = made(&recording.log);
    let mut followed = HashSet::from([recording.pid()]);
    let mut expected: Vec<Made> = Vec::new();
    while let Some(made) = log
        .iter()
        .find(|made| followed.contains(&made.parent) && !expected.contains(made))
    {
        if made.kind == "process" {
            followed.insert(made.child);
        }
        expected.push(made.clone());
    }
    expected.sort();
    assert!(expected.len() < log.len(), "something is out of sight");
    assert_eq!(births(&recording.trace), expected);
    let threads: Vec<_> = expected
        .iter()
        .filter(|made| made.kind == "thread")
        .map(|made| (made.child, DetachReason::NewThread))
        .collect();
    let mut seen = detached(&recording.trace);
    seen.sort_by_key(|(tid, _)| *tid);
    let mut threads = threads;
    threads.sort_by_key(|(tid, _)| *tid);
    assert_eq!(seen, threads);
}

#[test]
fn threads_that_are_let_go_are_not_traced() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("trace");
    let mut command = tidrec();
    command.args(["--new-threads", "detach", "-o"]).arg(&file);
    command.arg("--").arg(program("sleeper")).arg("20");
    let mut recorder = Child::spawn(&mut command);
    let pid = ready(&mut recorder);
    wait_until("the threads are let go", SOON, || {
        let tracers = tracers(pid);
        tracers.len() == 21
            && tracers
                .iter()
                .all(|(tid, _, tracer)| (*tracer != 0) == (*tid == pid))
    });
    send("TERM", &[pid]);
    recorder.expect_exit(0, SOON);
    let trace = open(&file);
    assert_eq!(check(&trace), []);
    assert_eq!(birth_events(&trace).count(), 20);
    for record in trace.tasks() {
        let expected = record.task.is_leader();
        assert_eq!(matches!(record.how, Ended::Exit(_)), expected, "{record:?}");
    }
}

/// A `pair` under tidrec that has forked: parent and child.
struct Pair {
    recorder: Child,
    parent: u32,
    child: u32,
}

impl Pair {
    fn start(file: &Path, side: &str) -> Pair {
        let mut command = tidrec();
        command.args(["--follow-fork", side, "-o"]).arg(file);
        command.arg("--").arg(program("pair")).arg("2");
        let mut recorder = Child::spawn(&mut command);
        let parent = ready(&mut recorder);
        send("USR1", &[parent]);
        let child = parse_tid(&recorder.wait_line("forked ", SOON));
        Pair {
            recorder,
            parent,
            child,
        }
    }

    /// Whether each side is traced, all of its threads alike, as soon as it is as expected.
    fn wait_traced(&self, parent: bool, child: bool) {
        let tracer = self.recorder.pid();
        wait_until("the right side is traced", SOON, || {
            [(self.parent, parent), (self.child, child)]
                .iter()
                .all(|(pid, traced)| {
                    let expected = if *traced { tracer } else { 0 };
                    let threads = tracers(*pid);
                    !threads.is_empty() && threads.iter().all(|(.., tracer)| *tracer == expected)
                })
        });
    }

    /// Each side makes a thread, and both end.
    fn finish(&mut self) {
        for pid in [self.parent, self.child] {
            send("USR1", &[pid]);
            self.recorder.wait_line(&format!("threaded {pid}"), SOON);
        }
        send("TERM", &[self.child]);
        send("TERM", &[self.parent]);
        self.recorder.wait_line("child ended with 3", SOON);
        self.recorder.wait_exit(SOON);
    }

    /// Who made threads after the fork, and who was let go.
    fn seen(&self, file: &Path) -> (Vec<u32>, Vec<u32>) {
        let trace = open(file);
        assert_eq!(check(&trace), []);
        let fork = trace
            .events()
            .iter()
            .position(|event| event.body.task() == Some(Task::new(self.child, self.child)))
            .expect("the fork");
        let mut later: Vec<u32> = trace.events()[fork + 1..]
            .iter()
            .filter_map(|event| match &event.body {
                EventBody::Birth(birth) => birth.parent.map(|parent| parent.tid.0),
                _ => None,
            })
            .collect();
        later.sort_unstable();
        let let_go = detached(&trace);
        assert!(
            let_go
                .iter()
                .all(|(_, reason)| *reason == DetachReason::FollowFork)
        );
        let pids: HashSet<u32> = trace
            .tasks()
            .iter()
            .filter(|record| matches!(record.how, Ended::Detached(_)))
            .map(|record| record.task.pid.0)
            .collect();
        let mut pids: Vec<u32> = pids.into_iter().collect();
        pids.sort_unstable();
        (later, pids)
    }
}

#[test]
fn both_sides_of_a_fork() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("trace");
    let mut pair = Pair::start(&file, "both");
    pair.wait_traced(true, true);
    pair.finish();
    pair.recorder.expect_exit(5, SOON);
    let mut both = [pair.parent, pair.child];
    both.sort_unstable();
    assert_eq!(pair.seen(&file), (both.to_vec(), vec![]));
}

#[test]
fn the_parents_side_of_a_fork() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("trace");
    let mut pair = Pair::start(&file, "parent");
    pair.wait_traced(true, false);
    pair.finish();
    pair.recorder.expect_exit(5, SOON);
    assert_eq!(pair.seen(&file), (vec![pair.parent], vec![pair.child]));
}

#[test]
fn the_childs_side_of_a_fork() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("trace");
    let mut pair = Pair::start(&file, "child");
    pair.wait_traced(false, true);
    pair.finish();
    // The command was let go, and still its exit code is the one that counts.
    pair.recorder.expect_exit(5, SOON);
    assert_eq!(pair.seen(&file), (vec![pair.child], vec![pair.parent]));
    let trace = open(&file);
    assert_eq!(detached(&trace).len(), 3, "all threads of the parent");
}

#[test]
fn a_family_in_which_each_follows_its_child() {
    if !may_trace() {
        return;
    }
    let recording = launch(
        &["--follow-fork", "child"],
        program("forker"),
        ["4", "1", "0"],
    );
    assert_eq!(recording.status.code(), Some(0), "{}", recording.stderr);
    assert_eq!(check(&recording.trace), []);
    assert_eq!(births(&recording.trace), made(&recording.log));
    assert_eq!(detached(&recording.trace).len(), 4);
    let recording = launch(
        &["--follow-fork", "parent"],
        program("forker"),
        ["4", "1", "0"],
    );
    assert_eq!(recording.status.code(), Some(0), "{}", recording.stderr);
    let first: Vec<Made> = made(&recording.log)
        .into_iter()
        .filter(|made| made.parent == recording.pid())
        .collect();
    assert_eq!(births(&recording.trace), first);
}

#[test]
fn asking_needs_a_terminal() {
    let dir = TempDir::new();
    let mut command = Command::new("setsid");
    command.args([
        "--wait",
        env!("CARGO_BIN_EXE_tidrec"),
        "--follow-fork",
        "ask",
        "-o",
    ]);
    command.arg(dir.join("t")).args(["--", "true"]);
    let mut child = Child::spawn(&mut command);
    child.wait_exit(SOON);
    child.wait_output(SOON);
    assert_eq!(child.try_exit().and_then(|status| status.code()), Some(2));
    let said = child.stderr();
    assert!(said.contains("needs a terminal to ask at"), "{said}");
    assert!(said.contains("choose parent, child or both"), "{said}");
    assert!(!dir.join("t").exists());
}

/// A `pair` asked about at a terminal of its own (script(1) makes one), with these answers.
fn ask(answers: &str, parent_traced: bool, child_traced: bool, questions: usize) {
    if !may_trace() {
        return;
    }
    let has_script = Command::new("script").arg("--version").output();
    if need(has_script.map_err(|error| format!("script(1): {error}"))).is_none() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("trace");
    let line = format!(
        "exec {} --follow-fork ask -o {} -- {} 2",
        env!("CARGO_BIN_EXE_tidrec"),
        file.display(),
        program("pair").display()
    );
    let (mut terminal, mut keyboard) =
        Child::talk(Command::new("script").args(["-qec", &line, "/dev/null"]));
    let parent: u32 = parse_tid(terminal.wait_line("ready ", SOON).trim_end());
    let recorder = tracer_of(parent).expect("the recorder");
    // Not before the question: what is typed ahead of it would be echoed elsewhere.
    send("USR1", &[parent]);
    wait_until("both sides wait for the answer", SOON, || {
        tracers(parent).iter().any(|(_, state, _)| *state == 't')
    });
    assert_eq!(tracers(parent).len(), 3);
    keyboard.write_all(answers.as_bytes()).expect("type");
    let child = {
        let children = format!("/proc/{parent}/task/{parent}/children");
        wait_until("a child", SOON, || {
            std::fs::read_to_string(&children).is_ok_and(|pids| !pids.trim().is_empty())
        });
        let pids = std::fs::read_to_string(&children).expect("the child's pid");
        pids.trim().parse().expect("a pid")
    };
    let expected = |traced: bool| if traced { recorder } else { 0 };
    wait_until("the chosen side is traced", SOON, || {
        [(parent, parent_traced), (child, child_traced)]
            .iter()
            .all(|(pid, traced)| {
                let threads = tracers(*pid);
                !threads.is_empty()
                    && threads
                        .iter()
                        .all(|(_, state, tracer)| *state != 't' && *tracer == expected(*traced))
            })
    });
    for pid in [parent, child] {
        send("USR1", &[pid]);
    }
    wait_until("both made a thread", SOON, || {
        let out = terminal.stdout();
        [parent, child]
            .iter()
            .all(|pid| out.contains(&format!("threaded {pid}")))
    });
    send("TERM", &[child]);
    send("TERM", &[parent]);
    terminal.expect_exit(5, SOON);
    let out = terminal.stdout();
    let question =
        format!("tidrec: pair[{parent}] made process {child}. Follow (p)arent, (c)hild or (b)oth?");
    assert_eq!(out.matches(&question).count(), questions, "{out}");

    let trace = open(&file);
    assert_eq!(check(&trace), []);
    let mut makers: Vec<u32> = births(&trace)
        .iter()
        .filter(|made| made.kind == "thread")
        .map(|made| made.parent)
        .collect();
    makers.sort_unstable();
    let mut expected = vec![parent, parent]; // those before the fork
    expected.extend(
        [(parent, parent_traced), (child, child_traced)]
            .iter()
            .filter(|one| one.1)
            .map(|one| one.0),
    );
    expected.sort_unstable();
    assert_eq!(makers, expected);
}

#[test]
fn asked_and_answered_parent() {
    ask("p\n", true, false, 1);
}

#[test]
fn asked_and_answered_child() {
    ask("c\n", false, true, 1);
}

#[test]
fn asked_and_answered_both() {
    ask("b\n", true, true, 1);
}

#[test]
fn asked_and_answered_nonsense_first() {
    ask("what?\n\nchild\n", false, true, 3);
}
