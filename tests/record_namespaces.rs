//! Pid namespaces, as containers have them: tidrec outside of one, and inside.

use std::process::Command;

mod support;

#[path = "support/trace.rs"]
mod trace;

use support::{Child, Made, TempDir, made, need, program, send};
use tidline::model::{Tid, Trace};
use trace::{
    SOON, attach, birth_events, births, check, existing, launch, may_trace, open, tidrec, try_open,
    wait_until,
};

/// Whether a pid namespace can be made here.
fn may_unshare() -> bool {
    let unshare = Command::new("unshare")
        .args([&UNSHARE[..], &["true"]].concat())
        .output();
    let may = match unshare {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(format!("unshare: {error}")),
    };
    need(may).is_some()
}

const UNSHARE: [&str; 4] = ["--pid", "--fork", "--mount-proc", "--kill-child"];

/// What was made in a pid namespace, in its own numbers, sorted.
fn births_inside(trace: &Trace) -> Vec<Made> {
    let inner = |tid: Tid| {
        let of_task = |task: &&tidline::model::TaskRecord| task.task.tid == tid;
        let task = trace.tasks().iter().find(of_task).expect("the task");
        task.inner.map(|inner| inner.0)
    };
    let mut all: Vec<Made> = birth_events(trace)
        .filter_map(|birth| {
            let parent = inner(birth.parent.expect("the creator").tid)?;
            let child = birth.inner.expect("a child of one inside is inside").0;
            Some(Made::new(birth.what.as_str(), parent, child))
        })
        .collect();
    all.sort();
    all
}

/// The only child of unshare is the first process inside.
fn only_child(pid: u32) -> u32 {
    let children = format!("/proc/{pid}/task/{pid}/children");
    let children = std::fs::read_to_string(children).expect("the children");
    children.trim().parse().expect("one child")
}

#[test]
fn seen_from_outside_each_task_has_two_tids() {
    if !may_trace() || !may_unshare() {
        return;
    }
    let program = program("forker")
        .into_os_string()
        .into_string()
        .expect("a path");
    let command = [&UNSHARE[..], &[&program, "2", "2", "3"]].concat();
    let recording = launch(&[], "unshare", command);
    assert_eq!(recording.status.code(), Some(0), "{}", recording.stderr);
    assert_eq!(check(&recording.trace), []);
    let inside = births_inside(&recording.trace);
    assert_eq!(inside, made(&recording.log));
    assert!(inside.len() > 20, "{inside:?}");
    // The first process inside was made by one outside, which knows itself as we know it.
    let first = birth_events(&recording.trace).next().expect("a birth");
    assert_eq!(first.inner, Some(Tid(1)));
    assert_eq!(first.parent.map(|task| task.pid.0), Some(recording.pid()));
    let outer: Vec<u32> = births(&recording.trace)
        .iter()
        .map(|made| made.child)
        .collect();
    assert!(outer.iter().all(|tid| *tid != 1), "{outer:?}");
}

#[test]
fn tasks_that_an_attach_finds_in_a_namespace_have_two_tids() {
    if !may_trace() || !may_unshare() {
        return;
    }
    let dir = TempDir::new();
    let (file, log) = (dir.join("trace"), dir.join("log"));
    let mut command = Command::new("unshare");
    command
        .args(UNSHARE)
        .arg(program("deadleader"))
        .args(["1500", "3"]);
    let mut target = Child::spawn(command.env("LOG", &log));
    target.wait_line("ready ", SOON);
    let mut recorder = attach(&file, &[only_child(target.pid())], &[]);
    target.expect_exit(0, SOON);
    recorder.expect_exit(0, SOON);
    let trace = open(&file);
    assert_eq!(check(&trace), []);
    let found = existing(&trace);
    assert!(!found.is_empty());
    assert!(trace.tasks().iter().all(|task| task.inner.is_some()));
    let inside = births_inside(&trace);
    let logged = made(&std::fs::read_to_string(&log).expect("the log"));
    assert!(!inside.is_empty());
    for made in inside {
        assert!(logged.contains(&made), "{made:?}\n{logged:?}");
    }
}

#[test]
fn inside_a_namespace_its_own_tids_are_the_only_ones() {
    if !may_trace() || !may_unshare() {
        return;
    }
    let dir = TempDir::new();
    let (file, log) = (dir.join("trace"), dir.join("log"));
    let recorder = tidrec().get_program().to_owned();
    let mut command = Command::new("unshare");
    command.args(UNSHARE).arg(recorder).arg("-o").arg(&file);
    command
        .arg("--")
        .arg(program("forker"))
        .args(["2", "2", "3"]);
    let mut inside = Child::spawn(command.env("LOG", &log));
    inside.expect_exit(0, SOON);
    let trace = open(&file);
    assert_eq!(check(&trace), []);
    let log = std::fs::read_to_string(log).expect("the log");
    assert_eq!(births(&trace), made(&log));
    assert!(trace.tasks().iter().all(|task| task.inner.is_none()));
}

/// By perf: each task that lives until it was looked at has two TIDs. (That others have no wrong ones is
/// shown where TIDs come again inside.)
fn tasks_that_live_in_a_namespace_have_two_tids() {
    if !may_unshare() {
        return;
    }
    let dir = TempDir::new();
    let (file, log) = (dir.join("trace"), dir.join("log"));
    let mut recorder = tidrec();
    recorder.arg("-o").arg(&file).arg("--").arg("unshare");
    recorder.args(UNSHARE).arg(program("sleeper")).arg("5");
    let mut recorder = Child::spawn(recorder.env("LOG", &log));
    recorder.wait_line("ready 1", SOON);
    let logged = || made(&std::fs::read_to_string(&log).expect("the log"));
    wait_until("all have two TIDs in the file", SOON, || {
        try_open(&file).is_ok_and(|trace| births_inside(&trace).len() == 5)
    });
    let trace = open(&file);
    assert_eq!(births_inside(&trace), logged());
    let (first, pid) = {
        let first = birth_events(&trace).next().expect("a birth");
        (first.inner, first.child.pid.0)
    };
    assert_eq!(first, Some(Tid(1)));
    // Whoever comes later finds the same.
    let found = dir.join("found");
    let mut second = attach(&found, &[pid], &[]);
    second.signal("INT");
    second.expect_exit(0, SOON);
    let trace = open(&found);
    let mut inside: Vec<u32> = trace
        .tasks()
        .iter()
        .map(|task| task.inner.expect("a TID inside").0)
        .collect();
    inside.sort_unstable();
    let mut expected: Vec<u32> = logged().iter().map(|made| made.child).collect();
    expected.push(1);
    expected.sort_unstable();
    assert_eq!(inside, expected);
    send("TERM", &[pid]);
    recorder.wait_exit(SOON);
    assert_eq!(check(&open(&file)), []);
}

/// By perf: tracepoints name tasks by the host's TIDs.
fn inside_a_namespace_there_is_no_perf() {
    if !may_unshare() {
        return;
    }
    let tidrec = tidrec();
    let mut command = Command::new("unshare");
    command.args(UNSHARE).arg(tidrec.get_program());
    command.args(tidrec.get_args()).args(["--", "true"]);
    let mut inside = Child::spawn(&mut command);
    inside.expect_exit(2, SOON);
    let said = inside.stderr();
    assert!(
        said.contains("tidrec is in a pid namespace") && said.contains("--backend ptrace"),
        "{said}"
    );
}

trace::also_by_perf! {
    tasks_that_live_in_a_namespace_have_two_tids
    inside_a_namespace_there_is_no_perf
}
