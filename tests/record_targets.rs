//! Which running processes are recorded: by name, as soon as there is one, with their descendants.

#![cfg(target_os = "linux")]

mod support;
#[path = "support/trace.rs"]
mod trace;

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use support::{
    Child, Made, TempDir, copy_program, made, program, send, thread_states, tracers, yardstick,
};
use tidline::model::{EventBody, GapReason, Task, Trace};
use trace::{
    SOON, births, check, differences, existing, may_trace, open, ready, tidrec, wait_until,
};

/// A copy of a program under a name that nothing else has. (At most 15 bytes: it is the comm.)
struct Named {
    dir: TempDir,
    name: String,
}

impl Named {
    fn new(letter: char) -> Named {
        let dir = TempDir::new();
        let name = format!("{letter}{}{letter}", std::process::id());
        copy_program(program("sleeper"), dir.join(&name));
        Named { dir, name }
    }

    fn path(&self) -> PathBuf {
        self.dir.join(&self.name)
    }

    fn start(&self, threads: &str) -> Child {
        Child::run(self.path(), [threads])
    }

    fn regex(&self) -> String {
        format!("^{}$", self.name)
    }
}

/// tidrec with these options, not started.
fn recorder(file: &Path, options: &[&str]) -> Command {
    let mut command = tidrec();
    command.args(["--attach-timeout", "25s", "-o"]).arg(file);
    command.args(options);
    command
}

fn start(file: &Path, options: &[&str]) -> Child {
    let mut child = Child::spawn(&mut recorder(file, options));
    child.wait_stderr("tidrec: recording ", SOON);
    child
}

/// Ends a recording, which must be whole.
fn stop(mut recorder: Child, file: &Path) -> Trace {
    recorder.signal("TERM");
    recorder.expect_exit(0, SOON);
    let trace = open(file);
    check(&trace);
    trace
}

/// What it said when it could not record; no file is left.
fn refused(file: &Path, options: &[&str]) -> String {
    let mut child = Child::spawn(&mut recorder(file, options));
    child.expect_exit(2, SOON);
    assert!(!file.exists(), "an output is left");
    child.stderr()
}

fn threads_of(pids: &[u32]) -> Vec<Task> {
    let threads = |pid: &u32| {
        let states = thread_states(*pid).into_iter();
        states
            .map(|(tid, _)| Task::new(*pid, tid))
            .collect::<Vec<_>>()
    };
    let mut all: Vec<Task> = pids.iter().flat_map(threads).collect();
    all.sort();
    all
}

fn targets(trace: &Trace) -> Vec<u32> {
    let mut pids: Vec<u32> = trace.header().targets.iter().map(|t| t.pid).collect();
    pids.sort_unstable();
    pids
}

fn sorted<const N: usize>(mut pids: [u32; N]) -> [u32; N] {
    pids.sort_unstable();
    pids
}

#[test]
fn all_processes_of_a_name_and_no_others() {
    if !may_trace() {
        return;
    }
    let (named, other) = (Named::new('a'), Named::new('b'));
    let mut children = [named.start("2"), named.start("0"), other.start("1")];
    let [one, two, bystander] = children.each_mut().map(ready);
    let file = named.dir.join("t");
    let recorder = start(&file, &["--name", &named.regex()]);
    assert!(tracers(bystander).iter().all(|(.., tracer)| *tracer == 0));
    let trace = stop(recorder, &file);
    assert_eq!(targets(&trace), sorted([one, two]));
    assert_eq!(existing(&trace), threads_of(&[one, two]));
    assert_eq!(trace.header().option("name"), Some(&*named.regex()));
}

#[test]
fn a_name_is_the_comm_or_the_file_name_of_argv_0_or_of_the_program() {
    if !may_trace() {
        return;
    }
    let (file_name, argv_0) = (Named::new('c'), Named::new('d'));
    let mut called = Command::new(program("sleeper"));
    called.arg0(format!("/x/y/{}", argv_0.name)).arg("1");
    let mut called = Child::spawn(&mut called);
    // A renamer under another file name, which then calls itself `second`.
    copy_program(program("renamer"), file_name.path());
    let mut renamed = Command::new(file_name.path());
    let mut renamed = Child::spawn(renamed.arg0("z"));
    let pids = [ready(&mut called), ready(&mut renamed)];
    renamed.signal("USR1");
    renamed.wait_line("named second", SOON);
    let file = file_name.dir.join("t");
    let options = ["--name", &file_name.regex(), "--name", &argv_0.regex()];
    let trace = stop(start(&file, &options), &file);
    assert_eq!(targets(&trace), sorted(pids));
}

#[test]
fn a_number_and_a_name_may_mean_the_same_process() {
    if !may_trace() {
        return;
    }
    let (named, other) = (Named::new('e'), Named::new('f'));
    let mut children = [named.start("1"), named.start("1"), other.start("1")];
    let pids = children.each_mut().map(ready);
    let file = named.dir.join("t");
    let numbers = pids.map(|pid| pid.to_string());
    let recorder = start(
        &file,
        &["-p", &numbers[2], "-p", &numbers[0], "--name", &named.name],
    );
    let trace = stop(recorder, &file);
    assert_eq!(targets(&trace), sorted(pids));
    assert_eq!(existing(&trace), threads_of(&pids));
}

#[test]
fn no_process_of_that_name() {
    let dir = TempDir::new();
    let said = refused(&dir.join("t"), &["--name", "no such process"]);
    assert_eq!(
        said,
        "tidrec: no process that can be recorded is called no such process: look with ps -e, or \
         have tidrec wait for one with --wait\n"
    );
    // tidrec itself has that name, and never records itself. (Others may run beside this test.)
    let copy = dir.join("tr-itself");
    copy_program(env!("CARGO_BIN_EXE_tidrec"), &copy);
    let mut itself = Command::new(copy);
    itself
        .args(["--name", "^tr-itself$", "-o"])
        .arg(dir.join("t"));
    let mut itself = Child::spawn(&mut itself);
    itself.expect_exit(2, SOON);
    assert!(itself.stderr().contains("no process that can be recorded"));
    assert!(!itself.stderr().contains("started tidrec"));
    // Neither does it record what started it, and says so.
    let shell = dir.join("tr-shell");
    copy_program("/bin/sh", &shell);
    let script = format!(
        "{} --name '^tr-shell$' -o {}; exit $?",
        env!("CARGO_BIN_EXE_tidrec"),
        dir.join("t").display()
    );
    let mut shell = Child::run(shell, ["-c", &script]);
    shell.expect_exit(2, SOON);
    let said = format!(
        "tidrec: process {} (tr-shell) started tidrec, and is not recorded\n",
        shell.pid()
    );
    assert!(shell.stderr().starts_with(&said), "{}", shell.stderr());
}

#[test]
fn one_that_is_refused_is_a_gap_and_the_others_are_recorded() {
    if !may_trace() {
        return;
    }
    let named = Named::new('g');
    let mut tracer = Command::new(yardstick());
    let mut tracer = Child::spawn(tracer.arg("follow").arg(named.path()).arg("2"));
    let taken = ready(&mut tracer);
    let file = named.dir.join("t");
    let said = refused(&file, &["--name", &named.regex()]);
    let why = format!(
        "process {taken} ({}) is traced already, by process {} (smallest_tracer)",
        named.name,
        tracer.pid()
    );
    assert!(said.starts_with(&format!("tidrec: {why}")), "{said}");

    let mut free = named.start("1");
    let pid = ready(&mut free);
    let mut recorder = start(&file, &["--name", &named.regex()]);
    recorder.signal("TERM");
    recorder.expect_exit(3, SOON);
    let said = recorder.stderr();
    assert!(
        said.contains(&format!("tidrec: not everything can be recorded: {why}")),
        "{said}"
    );
    let trace = open(&file);
    assert_eq!(existing(&trace), threads_of(&[pid]));
    let gaps: Vec<_> = trace
        .events()
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::Gap {
                reason,
                count,
                detail,
                ..
            } => Some((*reason, *count, detail.to_string())),
            _ => None,
        })
        .collect();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!((gaps[0].0, gaps[0].1), (GapReason::Untraced, 3));
    assert!(gaps[0].2.starts_with(&why), "{gaps:?}");
    assert!(tracers(taken).iter().all(|(.., by)| *by == tracer.pid()));
}

/// By perf: nobody is refused for having a tracer.
fn one_that_is_traced_is_recorded_with_the_others() {
    let named = Named::new('k');
    let mut tracer = Command::new(yardstick());
    let mut tracer = Child::spawn(tracer.arg("follow").arg(named.path()).arg("2"));
    let taken = ready(&mut tracer);
    let mut free = named.start("1");
    let pid = ready(&mut free);
    let file = named.dir.join("t");
    let trace = stop(start(&file, &["--name", &named.regex()]), &file);
    assert_eq!(existing(&trace), threads_of(&sorted([taken, pid])));
    assert!(tracers(taken).iter().all(|(.., by)| *by == tracer.pid()));
}

/// By perf, which may come and go while a family forks: whoever is recorded was there, or was made by one
/// that was, and ends.
fn a_family_that_forks_is_recorded_from_its_middle_on() {
    for round in 0..4 {
        let named = Named::new('l');
        let (file, log) = (named.dir.join("t"), named.dir.join("log"));
        // Two families, one below the other, of which each logs what it makes.
        let script = "echo ready $$; (while [ ! -e \"$1\" ]; do \"$0\" 2 2 2; done) & \
                      while [ ! -e \"$1\" ]; do \"$0\" 1 3 2; done; wait";
        let (forker, stop) = (program("forker"), named.dir.join("stop"));
        let mut root = Command::new("sh");
        root.args(["-c", script])
            .arg(forker)
            .arg(&stop)
            .env("LOG", &log);
        let mut root = Child::spawn(&mut root);
        let pid = ready(&mut root);
        wait_until("it has begun", SOON, || log.exists());
        let mut recorder = start(&file, &["-p", &pid.to_string(), "--tree"]);
        let size = || log.metadata().map_or(0, |log| log.len());
        let before = size();
        wait_until("it goes on", SOON, || size() > before + 1000);
        std::fs::write(&stop, "").expect("a file");
        root.expect_exit(0, SOON);
        recorder.expect_exit(0, SOON);
        let trace = open(&file);
        assert_eq!(check(&trace), [], "round {round}");
        let logged = std::fs::read_to_string(&log).expect("the log");
        // The shells' own processes are not in the log.
        let tasks = trace.tasks().iter();
        let shells: Vec<u32> = tasks
            .filter(|task| task.names.iter().any(|(_, name)| name.as_bytes() == b"sh"))
            .map(|task| task.task.tid.0)
            .collect();
        let seen = births(&trace).into_iter();
        let seen: Vec<Made> = seen.filter(|made| !shells.contains(&made.parent)).collect();
        let (missing, added) = differences(&made(&logged), &seen);
        assert_eq!(added, [], "round {round}");
        assert!(seen.len() > 20, "round {round}: {seen:?}");
        // What is missing was made before the recording: nothing that was made by one that is recorded
        // from its birth on.
        let born: Vec<u32> = seen.iter().map(|made| made.child).collect();
        let lost = missing.iter().find(|made| born.contains(&made.parent));
        assert_eq!(lost, None, "round {round}");
    }
}

#[test]
fn waits_for_a_process_of_that_name() {
    if !may_trace() {
        return;
    }
    let named = Named::new('h');
    let file = named.dir.join("t");
    let mut recorder = Child::spawn(&mut recorder(&file, &["--name", &named.regex(), "--wait"]));
    recorder.wait_stderr("tidrec: waiting for a process called ", SOON);
    assert!(!file.exists(), "nothing is recorded yet");
    std::thread::sleep(Duration::from_millis(300));
    // It has another name at first.
    let script = "sleep 0.3; exec \"$0\" 3";
    let mut late = Child::run("sh", [Path::new("-c"), Path::new(script), &named.path()]);
    let pid = ready(&mut late);
    recorder.wait_stderr("tidrec: recording ", SOON);
    wait_until("all its threads are traced", SOON, || {
        let tracers = tracers(pid);
        tracers.len() == 4 && tracers.iter().all(|(.., by)| *by == recorder.pid())
    });
    late.signal("TERM");
    late.expect_exit(0, SOON);
    recorder.expect_exit(0, SOON);
    let trace = open(&file);
    assert_eq!(check(&trace), []);
    assert_eq!(targets(&trace), [pid]);
}

#[test]
fn a_wait_that_is_ended_is_no_recording() {
    let dir = TempDir::new();
    let file = dir.join("t");
    let options = ["--name", "no such process", "--wait"];
    for signal in ["INT", "TERM"] {
        let mut recorder = Child::spawn(&mut recorder(&file, &options));
        recorder.wait_stderr("Ctrl-C ends the wait", SOON);
        recorder.signal(signal);
        recorder.expect_exit(2, SOON);
        let said = format!(
            "tidrec: got SIG{signal} while waiting for a process called no such process: nothing is \
             recorded\n"
        );
        assert!(recorder.stderr().ends_with(&said), "{}", recorder.stderr());
        assert!(!file.exists());
    }
    // That there is no place for the recording is said before the wait.
    std::fs::write(&file, "precious").expect("write");
    let mut late = Child::spawn(&mut recorder(&file, &options));
    late.expect_exit(2, SOON);
    assert!(late.stderr().contains("exists, and is kept"));
    assert_eq!(std::fs::read(&file).expect("the file"), b"precious");
}

#[test]
fn one_that_matches_while_there_is_nothing_to_wait_for() {
    if !may_trace() {
        return;
    }
    let named = Named::new('i');
    let mut child = named.start("0");
    let pid = ready(&mut child);
    let file = named.dir.join("t");
    let recorder = start(&file, &["--name", &named.regex(), "--wait"]);
    assert!(!recorder.stderr().contains("waiting"));
    assert_eq!(targets(&stop(recorder, &file)), [pid]);
}

/// The living descendants of a process, itself included.
fn family(root: u32) -> Vec<u32> {
    let mut all = vec![root];
    let mut next = 0;
    while let Some(pid) = all.get(next).copied() {
        next += 1;
        for (tid, _) in thread_states(pid) {
            let path = format!("/proc/{pid}/task/{tid}/children");
            let children = std::fs::read_to_string(path).unwrap_or_default();
            all.extend(
                children
                    .split_whitespace()
                    .map(|pid| -> u32 { pid.parse().expect("a pid") }),
            );
        }
    }
    all.sort_unstable();
    all.dedup();
    all
}

#[test]
fn a_family_is_recorded_with_its_parents_first() {
    if !may_trace() {
        return;
    }
    let named = Named::new('j');
    let script = "\"$0\" 2 & (\"$0\" 1 & \"$0\" 0 & wait) & wait";
    let mut root = Child::run("sh", [Path::new("-c"), Path::new(script), &named.path()]);
    for _ in 0..3 {
        ready(&mut root);
    }
    let pids = family(root.pid());
    assert_eq!(pids.len(), 5);
    let file = named.dir.join("t");
    let number = root.pid().to_string();
    // The name means members of the family, which are attached once.
    let recorder = start(&file, &["-p", &number, "--tree", "--name", &named.regex()]);
    let trace = stop(recorder, &file);
    assert_eq!(existing(&trace), threads_of(&pids));
    assert_eq!(trace.header().option("tree"), Some("yes"));

    let file = named.dir.join("u");
    let trace = stop(start(&file, &["-p", &number, "--tree"]), &file);
    assert_eq!(targets(&trace), [root.pid()]);
    assert_eq!(existing(&trace), threads_of(&pids));
    // Parents were there first, so each child's parent is known.
    for task in trace.tasks().iter().filter(|task| task.task.is_leader()) {
        assert_eq!(task.parent.is_none(), task.task.pid.0 == root.pid());
    }
    // Without --tree it is one process.
    let file = named.dir.join("v");
    let trace = stop(start(&file, &["-p", &number]), &file);
    assert_eq!(existing(&trace), threads_of(&[root.pid()]));
}

#[test]
fn no_member_is_missed_while_the_family_forks() {
    if !may_trace() {
        return;
    }
    // Four loops that fork and wait; each subshell forks one more.
    let script =
        "for i in 1 2 3 4; do (while :; do (true; (true; true)); done) & done; echo ready $$; wait";
    for round in 0..8 {
        let dir = TempDir::new();
        let file = dir.join("t");
        let mut root = Child::run("sh", ["-c", script]);
        let pid = ready(&mut root);
        std::thread::sleep(Duration::from_millis(20));
        let mut recorder = start(&file, &["-p", &pid.to_string(), "--tree"]);
        for _ in 0..20 {
            for member in family(pid) {
                let untraced = tracers(member)
                    .into_iter()
                    .find(|(.., by)| *by != recorder.pid());
                // What has just been born is traced from its first moment.
                assert_eq!(untraced, None, "round {round}: {member} of {pid}");
            }
        }
        recorder.signal("TERM");
        recorder.expect_exit(0, SOON);
        let trace = open(&file);
        check(&trace);
        send("KILL", &[pid]);
    }
}

trace::also_by_perf! {
    all_processes_of_a_name_and_no_others
    a_name_is_the_comm_or_the_file_name_of_argv_0_or_of_the_program
    a_number_and_a_name_may_mean_the_same_process
    no_process_of_that_name
    a_wait_that_is_ended_is_no_recording
    one_that_matches_while_there_is_nothing_to_wait_for
    a_family_is_recorded_with_its_parents_first
    one_that_is_traced_is_recorded_with_the_others
    a_family_that_forks_is_recorded_from_its_middle_on
}
