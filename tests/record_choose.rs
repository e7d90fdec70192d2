//! What is kept of what is seen: tasks by their names, programs that are executed, command lines;
//! and options from a file.

#![cfg(target_os = "linux")]

mod support;
#[path = "support/trace.rs"]
mod trace;

use std::path::Path;
use std::process::Command;

use support::{Child, Made, TempDir, made, program, send, tracers};
use tidline::model::{DetachReason, End, Ended, Ending, EventBody, Name, Origin, Task, Trace};
use trace::{
    SOON, attach, births, check, execs, existing, exits, launch, may_trace, open, ready, tidrec,
    wait_until,
};

fn left_out(trace: &Trace) -> Option<u64> {
    let mut counters = trace.counters().iter();
    let found = counters.find(|(name, _)| name == "left_out");
    found.map(|(_, count)| *count)
}

/// The events in short: kind, TID, and the name or the reason where it has one.
fn told(trace: &Trace) -> Vec<(&'static str, u32, String)> {
    let events = trace.events().iter();
    let told = events.map(|event| {
        let tid = event.body.task().map_or(0, |task| task.tid.0);
        let what = match &event.body {
            EventBody::Existing { name, .. }
            | EventBody::Rename { name, .. }
            | EventBody::Exec { name, .. } => name.to_string(),
            EventBody::Detach { reason, .. } => reason.as_str().to_owned(),
            EventBody::Exit { end, .. } => format!("{end:?}"),
            _ => String::new(),
        };
        (event.body.kind(), tid, what)
    });
    told.collect()
}

/// Looks at a file that is being written until it has an event of this kind.
fn wait_for_kind(file: &Path, kind: &str) {
    wait_until("an event of that kind", SOON, || {
        let trace = open(file);
        trace.events().iter().any(|event| event.body.kind() == kind)
    });
}

/// tidrec, attached to a process whose names it has read. That it does a moment after the attach; so a
/// sleeper, which must be kept, is attached after the process, and has come into the file.
fn attach_with_witness(file: &Path, pid: u32, options: &[&str]) -> (Child, Child) {
    let mut witness = Child::run(program("sleeper"), ["0"]);
    let other = ready(&mut witness);
    let recorder = attach(file, &[pid, other], options);
    wait_until("the witness is in the file", SOON, || {
        existing(&open(file)).contains(&Task::new(other, other))
    });
    (recorder, witness)
}

/// A renamer that is attached with these options, and calls itself `third`; without the events of a
/// sleeper that is attached after it.
fn renamed(options: &[&str], kind_in_the_file: &str) -> (u32, Trace) {
    let dir = TempDir::new();
    let file = dir.join("t");
    let mut child = Child::run(program("renamer"), [""; 0]);
    let pid = ready(&mut child);
    let (mut recorder, _witness) = attach_with_witness(&file, pid, options);
    for name in ["second", "third"] {
        child.signal("USR1");
        child.wait_line(&format!("named {name}"), SOON);
    }
    wait_for_kind(&file, kind_in_the_file);
    child.signal("TERM");
    child.expect_exit(0, SOON);
    recorder.signal("TERM");
    recorder.expect_exit(0, SOON);
    (pid, open(&file))
}

#[test]
fn a_task_that_takes_an_excluded_name_ends_there() {
    if !may_trace() {
        return;
    }
    let (pid, trace) = renamed(&["--exclude", "th?rd", "--exclude", "x*"], "detach");
    // Names are looked at now and then: `second` may have come and gone between two looks.
    let mut events = told(&trace);
    events.retain(|(_, tid, name)| *tid == pid && name != "second");
    let reason = DetachReason::LeftOut.as_str().to_owned();
    assert_eq!(
        events,
        [
            ("existing", pid, "renamer".into()),
            ("rename", pid, "third".into()),
            ("detach", pid, reason)
        ]
    );
    assert_eq!(left_out(&trace), Some(1), "its exit");
    assert_eq!(trace.header().option("exclude"), Some("th?rd x*"));
    assert_eq!(trace.tasks()[0].how, Ended::Detached(DetachReason::LeftOut));
    check(&trace);
}

#[test]
fn a_task_that_takes_an_included_name_begins_there() {
    if !may_trace() {
        return;
    }
    let (pid, trace) = renamed(&["--include", "[st]*d", "--include", "sleeper"], "rename");
    let mut events = told(&trace);
    events.retain(|(_, tid, _)| *tid == pid);
    assert_eq!(events[0], ("existing", pid, "renamer".into()));
    assert_eq!(events[1].0, "rename");
    assert_eq!(
        events.last(),
        Some(&("exit", pid, format!("{:?}", End::Code(0))))
    );
    assert_eq!(left_out(&trace), Some(1), "that it was there");
    let parents = trace.events().iter().filter_map(|event| match event.body {
        EventBody::Existing { parent_pid, .. } => parent_pid.map(|pid| pid.0),
        _ => None,
    });
    assert_eq!(parents.collect::<Vec<_>>(), [std::process::id(); 2]);
    check(&trace);
}

#[test]
fn what_is_kept_and_what_is_left_out_is_all_there_is() {
    if !may_trace() {
        return;
    }
    // A shell makes two children, which become other programs by an exec.
    let script = "/bin/true; /bin/false; exit 3";
    let all = launch(&[], "sh", ["-c", script]);
    let kept = launch(
        &["--exclude", "sh", "--exclude", "f*"],
        "sh",
        ["-c", script],
    );
    assert_eq!((all.status.code(), kept.status.code()), (Some(3), Some(3)));
    assert_eq!(check(&kept.trace), []);
    let child = kept.trace.events()[0].body.task().expect("a task").tid.0;
    assert_eq!(
        told(&kept.trace),
        [
            ("existing", child, "sh".into()),
            ("exec", child, "true".into()),
            ("exit", child, format!("{:?}", End::Code(0)))
        ]
    );
    // The birth became an EXISTING: it was left out, and something else came in its place.
    let whole = all.trace.events().len() as u64;
    let here = kept.trace.events().len() as u64;
    let left_out_here = whole - (here - 1);
    assert_eq!(left_out(&kept.trace), Some(left_out_here));
    let said = format!("; {left_out_here} left out by name\n");
    assert!(kept.stderr.ends_with(&said), "{}", kept.stderr);
    assert_eq!(left_out(&all.trace), None);
}

#[test]
fn a_process_s_name_chooses_for_its_threads() {
    if !may_trace() {
        return;
    }
    // All here are called `forker`.
    let kept = launch(&["--include", "forker"], program("forker"), ["1", "2", "2"]);
    assert_eq!(kept.status.code(), Some(0), "{}", kept.stderr);
    assert_eq!(births(&kept.trace), made(&kept.log));
    assert_eq!(check(&kept.trace), []);
    let none = launch(&["--exclude", "fork*"], program("forker"), ["1", "2", "2"]);
    // It was a tidrec until its first exec, which made it a forker: it came and went.
    assert_eq!(none.status.code(), Some(0));
    assert_eq!(told(&none.trace), []);
    let made = made(&none.log).len() as u64;
    // A birth and an end of each, and the first one's beginning, exec and end.
    let least = 2 * made + 3;
    assert!(
        left_out(&none.trace) >= Some(least),
        "{:?}",
        left_out(&none.trace)
    );
}

#[test]
fn a_creator_that_is_left_out_is_named_by_the_birth() {
    if !may_trace() {
        return;
    }
    // The thread of an excluded process forks: its child has the thread's own name.
    let script = "import ctypes, os, threading\n\
        libc = ctypes.CDLL(None)\n\
        def run():\n\
        \x20   libc.prctl(15, b'inner', 0, 0, 0)\n\
        \x20   input()\n\
        \x20   pid = os.fork()\n\
        \x20   if pid == 0: os._exit(7)\n\
        \x20   os.waitpid(pid, 0)\n\
        \x20   print('child', pid, 'of', threading.get_native_id(), flush=True)\n\
        thread = threading.Thread(target=run)\n\
        thread.start()\n\
        print('ready', os.getpid(), flush=True)\n\
        thread.join()\n";
    let python = Command::new("python3").arg("--version").output();
    if support::need(python.map_err(|error| format!("python3: {error}"))).is_none() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("t");
    let (mut child, mut stdin) = Child::talk(Command::new("python3").args(["-c", script]));
    let pid = ready(&mut child);
    wait_until("the thread has its name", SOON, || {
        support::thread_states(pid)
            .iter()
            .any(|(tid, _)| support::comm(*tid).as_deref() == Some(b"inner"))
    });
    let (mut recorder, witness) = attach_with_witness(&file, pid, &["--exclude", "python3*"]);
    std::io::Write::write_all(&mut stdin, b"\n").expect("write");
    let line = child.wait_line("child ", SOON);
    let numbers: Vec<u32> = line
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .collect();
    child.expect_exit(0, SOON);
    recorder.signal("TERM");
    recorder.expect_exit(0, SOON);
    let trace = open(&file);
    let [born, thread] = numbers[..] else {
        panic!("{line}");
    };
    assert_eq!(
        births(&trace),
        [Made::new("process", thread, born)],
        "{:?}",
        told(&trace)
    );
    assert_eq!(
        exits(&trace),
        [
            (Task::new(born, born), End::Code(7)),
            (Task::new(pid, thread), End::Code(0))
        ]
    );
    let others = trace.tasks().iter();
    let others = others.filter(|task| task.task.pid.0 != witness.pid());
    let origins: Vec<_> = others.map(|task| task.origin).collect();
    assert_eq!(origins, [Origin::Inferred, Origin::Birth]);
}

#[test]
fn a_process_is_let_go_where_it_executes_a_program() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("t");
    let mut child = Child::run(program("execwait"), ["2"]);
    let pid = ready(&mut child);
    let mut recorder = attach(&file, &[pid], &["--follow-exec", "no"]);
    child.signal("USR1");
    child.wait_line("after pid ", SOON);
    // It goes on, and the recording is over.
    child.expect_exit(7, SOON);
    recorder.expect_exit(0, SOON);
    let trace = open(&file);
    assert_eq!(check(&trace), []);
    let task = Task::new(pid, pid);
    let exec = execs(&trace);
    assert_eq!((exec.len(), exec[0].0), (1, task));
    assert_ne!(exec[0].1, task.tid, "by another thread than the leader");
    let last = &trace.events().last().expect("events").body;
    let reason = DetachReason::FollowExec;
    assert_eq!(*last, EventBody::Detach { task, reason });
    assert_eq!(
        trace.integrity().ending,
        Ending::Finished("all that was followed ended".into())
    );
    assert_eq!(trace.header().option("follow-exec"), Some("no"));
}

#[test]
fn a_launched_command_is_followed_and_not_into_what_it_executes() {
    if !may_trace() {
        return;
    }
    let recording = launch(
        &["--follow-exec", "no"],
        "sh",
        ["-c", "/bin/true; exec sh -c 'exit 5'"],
    );
    // The command was let go at its own second exec, and its exit code is still the one that counts.
    assert_eq!(recording.status.code(), Some(5), "{}", recording.stderr);
    assert_eq!(check(&recording.trace), []);
    let pid = recording.pid();
    let born = births(&recording.trace);
    assert_eq!(born.len(), 1);
    let child = born[0].child;
    let reason = || DetachReason::FollowExec.as_str().to_owned();
    let mut events = told(&recording.trace);
    events.retain(|(kind, ..)| *kind != "rename");
    assert_eq!(events[0], ("existing", pid, "sh".into()));
    assert_eq!(events[1], ("exec", pid, "sh".into()));
    assert_eq!(
        events[3..],
        [
            ("exec", child, "true".into()),
            ("detach", child, reason()),
            ("exec", pid, "sh".into()),
            ("detach", pid, reason())
        ]
    );
}

#[test]
fn command_lines_are_kept_without_their_arguments() {
    if !may_trace() {
        return;
    }
    let recording = launch(&["--no-args"], "sh", ["-c", "exit 0", "secret"]);
    let command = &recording.trace.header().targets[0].command;
    assert_eq!(*command, [b"sh"]);
    assert_eq!(recording.trace.header().option("no-args"), Some("yes"));

    let dir = TempDir::new();
    let file = dir.join("t");
    let mut child = Child::run(program("sleeper"), ["1", "secret"]);
    let pid = ready(&mut child);
    let mut recorder = attach(&file, &[pid], &["--no-args"]);
    recorder.signal("TERM");
    recorder.expect_exit(0, SOON);
    let bytes = std::fs::read(&file).expect("the file");
    assert!(!bytes.windows(6).any(|window| window == b"secret"));
    let trace = open(&file);
    let command = trace.header().targets[0].command.concat();
    assert!(
        command.ends_with(b"/sleeper"),
        "{}",
        Name::from(&command[..])
    );
    assert_eq!(existing(&trace).len(), 2);
}

#[test]
fn options_come_from_a_file_and_the_command_line_wins() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let (config, file) = (dir.join("c.toml"), dir.join("t"));
    let mut children = [(); 2].map(|()| Child::run(program("sleeper"), ["1"]));
    let pids = children.each_mut().map(ready);
    let text = format!(
        "pid = [{}]\noutput = \"{}\"\nexclude = [\"a*\", \"b*\"]\nno-args = true\nquiet = false\n",
        pids[0],
        file.display()
    );
    std::fs::write(&config, text).expect("write");
    let run = |options: &[String]| {
        let mut command = tidrec();
        command.arg("--config").arg(&config).args(options);
        let mut recorder = Child::spawn(&mut command);
        recorder.wait_stderr("tidrec: recording ", SOON);
        recorder.signal("TERM");
        recorder.expect_exit(0, SOON);
    };
    run(&[]);
    let trace = open(&file);
    assert_eq!(trace.header().targets[0].pid, pids[0]);
    assert_eq!(trace.header().option("exclude"), Some("a* b*"));
    assert_eq!(trace.header().option("no-args"), Some("yes"));
    let other = dir.join("u");
    let words = ["--exclude", "c", "-o", &other.display().to_string(), "-p"];
    let mut words = words.map(str::to_owned).to_vec();
    words.push(pids[1].to_string());
    run(&words);
    let trace = open(&other);
    assert_eq!(trace.header().targets.len(), 1);
    assert_eq!(trace.header().targets[0].pid, pids[1]);
    assert_eq!(trace.header().option("exclude"), Some("c"));

    std::fs::write(&config, "\n\nduratoin = \"5s\"\n").expect("write");
    let mut wrong = Child::spawn(tidrec().arg("--config").arg(&config).args(["-p", "1"]));
    wrong.expect_exit(2, SOON);
    let start = format!(
        "tidrec: {}:3: there is no option duratoin; known are output, force, pid, ",
        config.display()
    );
    assert!(wrong.stderr().starts_with(&start), "{}", wrong.stderr());
    let mut missing = Child::spawn(tidrec().args(["--config", "/no/such/file", "-p", "1"]));
    missing.expect_exit(2, SOON);
    assert!(
        missing
            .stderr()
            .contains("cannot read /no/such/file: No such file"),
        "{}",
        missing.stderr()
    );
    for pid in pids {
        assert!(tracers(pid).iter().all(|(.., tracer)| *tracer == 0));
        send("TERM", &[pid]);
    }
}

trace::also_by_perf! {
    a_task_that_takes_an_excluded_name_ends_there
    a_task_that_takes_an_included_name_begins_there
    a_process_s_name_chooses_for_its_threads
    a_creator_that_is_left_out_is_named_by_the_birth
    command_lines_are_kept_without_their_arguments
    options_come_from_a_file_and_the_command_line_wins
}
