//! Are the judges right? What tracees say they made equals what the kernel says it made, before
//! either is held against a recorder. No recorder runs here.

#![cfg(target_os = "linux")]

mod support;

use std::process::Command;
use std::time::Duration;

use support::{
    CLONE_THREAD, Child, Fork, Made, PerfOracle, TempDir, cases, check_losses, descendants,
    descendants_of_existing, made, need, num_threads, parse_script, program, thread_states,
    tracer_of, wait_until, yardstick,
};

const SOON: Duration = Duration::from_secs(120);

/// A program, its arguments, and the code that it ends with; `None` for a signal.
type Tracee<'a> = (&'a str, &'a [&'a str], Option<i32>);

/// Runs programs beside the oracle, one after the other, and compares what each logged with what
/// the kernel saw below it. Returns the logs; `None` where the oracle cannot run.
fn compare(tracees: &[Tracee<'_>]) -> Option<Vec<Vec<Made>>> {
    let dir = TempDir::new();
    let programs: Vec<_> = tracees.iter().map(|(name, ..)| program(name)).collect();
    let oracle = need(PerfOracle::start(dir.path()))?;
    let mut ran = Vec::new();
    for ((name, args, code), program) in tracees.iter().zip(programs) {
        let log = dir.join(&format!("log{}", ran.len()));
        let mut child = Child::spawn(Command::new(program).args(*args).env("LOG", &log));
        let status = child.wait_exit(SOON);
        assert_eq!(status.code(), *code, "{name}: {status}: {}", child.stderr());
        let log = std::fs::read_to_string(log).expect("the tracee's log");
        let logged = made(&log);
        assert!(!logged.is_empty(), "{name} logged nothing");
        ran.push((format!("{name} {args:?}"), child.pid(), logged));
    }
    let forks = oracle.stop().expect("a whole recording");
    for (name, pid, logged) in &ran {
        assert_eq!(*logged, descendants(&forks, *pid), "{name}");
    }
    Some(ran.into_iter().map(|(_, _, logged)| logged).collect())
}

#[test]
fn tracees_log_what_the_kernel_saw() {
    compare(&[
        ("interval", &["5", "4"], Some(0)),
        ("joiner", &["100", "5"], Some(0)),
        ("forker", &["3", "2", "3"], Some(0)),
        ("vforker", &["5"], Some(0)),
        ("kinds", &[], Some(0)),
        ("execer", &["3"], Some(7)),
        ("execstorm", &["9", "2"], Some(0)),
        ("deadleader", &["100"], Some(0)),
        ("exits", &["group-from-thread", "3", "9"], Some(9)),
        ("exits", &["kill", "3"], None),
        ("names", &["20"], Some(0)),
        ("spin", &["2", "20"], Some(0)),
        ("signals", &["50"], Some(0)),
    ]);
}

#[test]
fn pid_namespaces_are_logged_as_the_kernel_saw_them() {
    let mut attempt = Child::run("unshare", ["--pid", "--fork", "true"]);
    let may = match attempt.wait_exit(SOON).success() {
        true => Ok(()),
        false => Err("no pid namespace can be made".to_owned()),
    };
    if need(may).is_some() {
        compare(&[("kinds", &["newpid"], Some(0)), ("turns", &["20"], Some(0))]);
    }
}

#[test]
fn a_forker_makes_the_tree_it_promises() {
    let Some(logs) = compare(&[("forker", &["2", "3", "2"], Some(0))]) else {
        return;
    };
    let count = |kind| logs[0].iter().filter(|made| made.kind == kind).count();
    assert_eq!((count("process"), count("thread")), (3 + 9, 13 * 2));
}

#[test]
fn chains_agree_while_tids_are_used_again() {
    compare(&[("chains", &["8", "2"], Some(0))]);
}

#[test]
fn an_existing_process_is_followed_from_the_recording_on() {
    let dir = TempDir::new();
    let (log, go) = (dir.join("log"), dir.join("go"));
    let made_fifo = Command::new("mkfifo").arg(&go).status().expect("mkfifo");
    assert!(made_fifo.success());
    let script = r#"true & wait; echo ready; read -r _ <"$GO"; "$FORKER" 2 2 2; exit 5"#;
    let mut shell = Child::spawn(
        Command::new("sh")
            .args(["-c", script])
            .env("FORKER", program("forker"))
            .env("GO", &go)
            .env("LOG", &log),
    );
    shell.wait_line("ready", SOON);
    let Some(oracle) = need(PerfOracle::start(dir.path())) else {
        return;
    };
    std::fs::write(go, "\n").expect("let the shell go on");
    shell.expect_exit(5, SOON);
    let forks = oracle.stop().expect("a whole recording");
    let mut seen = descendants_of_existing(&forks, shell.pid());
    let logged = made(&std::fs::read_to_string(log).expect("the tracee's log"));
    // Besides the tree that the forker logs there is the forker itself.
    let by_shell = seen.iter().position(|made| made.parent == shell.pid());
    let forker = seen.remove(by_shell.expect("the shell starts the forker"));
    assert_eq!(forker.kind, "process");
    assert_eq!(seen, logged);
}

#[test]
fn kinds_have_the_flags_that_the_kernel_saw() {
    let dir = TempDir::new();
    let program = program("kinds");
    let Some(oracle) = need(PerfOracle::start(dir.path())) else {
        return;
    };
    let mut child = Child::run(program, [""; 0]);
    let log = child.expect_exit(0, SOON);
    let forks = oracle.stop().expect("a whole recording");
    let cases = cases(&log);
    assert!(cases.len() >= 20, "{log}");
    for case in cases {
        let seen: Vec<_> = forks
            .iter()
            .filter(|fork| fork.made() == case.made)
            .map(|fork| fork.flags)
            .collect();
        // The kernel splits the exit signal off.
        assert_eq!(seen, [Some(case.flags & !0xff)], "{}", case.name);
    }
}

/// The yardstick's records, as its source lays them out, with the flags.
fn yardstick_records(bytes: &[u8]) -> Vec<(Made, u64)> {
    let word = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
    let half = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("4 bytes"));
    let mut records: Vec<_> = (0..bytes.len())
        .step_by(32)
        .map(|at| {
            let flags = word(at + 16);
            let is_thread = flags & CLONE_THREAD != 0;
            let kind = if is_thread { "thread" } else { "process" };
            (Made::new(kind, half(at + 8), half(at + 12)), flags)
        })
        .collect();
    records.sort();
    records
}

/// Runs a program under the yardstick: its log, and the yardstick's records.
fn under_yardstick(mode: &str, name: &str, args: &[&str]) -> Option<(String, Vec<(Made, u64)>)> {
    let dir = TempDir::new();
    let (log, out) = (dir.join("log"), dir.join("out"));
    let mut command = Command::new(yardstick());
    command.arg(mode).arg(program(name)).args(args);
    let mut child = Child::spawn(command.env("LOG", &log).env("OUT", &out));
    let status = child.wait_exit(SOON);
    let said = child.stderr();
    need(if said.contains("PTRACE_SEIZE") {
        Err(said.clone())
    } else {
        Ok(())
    })?;
    assert_eq!(status.code(), Some(0), "{name}: {said}");
    let records = yardstick_records(&std::fs::read(out).expect("the yardstick's records"));
    Some((std::fs::read_to_string(log).expect("the log"), records))
}

#[test]
fn the_yardstick_misses_nothing() {
    let tracees: [(&str, &[&str]); 4] = [
        ("joiner", &["300", "5"]),
        ("forker", &["3", "2", "3"]),
        ("chains", &["4", "1"]),
        ("execstorm", &["9", "2"]),
    ];
    for (name, args) in tracees {
        let Some((log, records)) = under_yardstick("follow", name, args) else {
            return;
        };
        let recorded: Vec<Made> = records.into_iter().map(|(made, _)| made).collect();
        assert_eq!(made(&log), recorded, "{name}");
    }
    // Only what the first thread makes is seen where newborns are let go: all, of this program.
    let Some((log, records)) = under_yardstick("detach", "joiner", &["300", "5"]) else {
        return;
    };
    let recorded: Vec<Made> = records.into_iter().map(|(made, _)| made).collect();
    assert_eq!(made(&log), recorded);
}

#[test]
fn the_yardstick_reads_the_flags_that_were_passed() {
    let Some((log, recorded)) = under_yardstick("follow", "kinds", &[]) else {
        return;
    };
    let mut logged: Vec<_> = cases(&log)
        .into_iter()
        .map(|case| (case.made, case.flags))
        .collect();
    logged.sort();
    assert_eq!(logged, recorded);
}

#[test]
fn a_dropped_child_takes_its_descendants_along() {
    let sleeper = program("sleeper");
    let script = format!("setsid {} 3 & wait", sleeper.display());
    let mut shell = Child::run("sh", ["-c", &script]);
    let ready = shell.wait_line("ready ", SOON);
    let pid: u32 = ready["ready ".len()..].parse().expect("a pid");
    assert_eq!(num_threads(pid), Some(4));
    assert_eq!(tracer_of(pid), Some(0));
    // It says that it is ready before it sleeps.
    wait_until("all its threads sleep", SOON, || {
        let states = thread_states(pid);
        states.iter().map(|(_, state)| *state).eq(['S'; 4])
    });
    drop(shell);
    // Killed, and a zombie at most until its new parent reaps it.
    let states = thread_states(pid);
    assert!(
        states.iter().all(|(_, state)| matches!(state, 'Z' | 'X')),
        "{states:?}"
    );
}

#[test]
#[should_panic(expected = "no line \"never\"… within 100ms")]
fn a_missing_line_is_a_failure_not_a_hang() {
    Child::run(program("jobctl"), [""; 0]).wait_line("never", Duration::from_millis(100));
}

fn fork(parent_pid: u32, parent_tid: u32, child_tid: u32, flags: u64) -> Fork {
    Fork {
        parent_pid,
        parent_tid,
        parent_comm: "x".to_owned(),
        child_tid,
        flags: Some(flags),
        time_ns: 0,
    }
}

#[test]
fn a_tid_that_others_got_is_no_descendant() {
    let forks = [
        fork(7, 7, 10, 0),         // the process in question
        fork(10, 10, 11, 0x10000), // its thread,
        fork(10, 11, 12, 0),       // which forks
        fork(7, 7, 12, 0),         // 12 has ended; someone else's
        fork(12, 12, 13, 0),       // and what that makes
        fork(10, 10, 11, 0x10000), // its next thread, with the same TID
    ];
    assert_eq!(
        descendants(&forks, 10),
        [
            Made::new("process", 11, 12),
            Made::new("thread", 10, 11),
            Made::new("thread", 10, 11),
        ]
    );
    // An existing process has threads whose births nobody saw.
    assert_eq!(
        descendants_of_existing(&[fork(10, 11, 12, 0)], 10),
        [Made::new("process", 11, 12)]
    );
}

#[test]
fn names_that_look_like_fields_are_read_as_names() {
    let script = "\
  70/71    12.000000001:        task:task_newtask: pid=90 comm=a pid=1 comm=b clone_flags=10f00 oom_score_adj=0
  70/71    12.000000002: sched:sched_process_fork: comm=a pid=1 comm=b pid=71 child_comm=a pid=1 comm=b child_pid=90
  70/70    13.500000000:        task:task_newtask: pid=91 comm=two
lines clone_flags=0 oom_score_adj=-17
  70/70    13.500000001: sched:sched_process_fork: comm=two
lines pid=70 child_comm=two
lines child_pid=91
";
    let forks = parse_script(script).expect("readable");
    assert_eq!(
        forks,
        [
            Fork {
                parent_pid: 70,
                parent_tid: 71,
                parent_comm: "a pid=1 comm=b".to_owned(),
                child_tid: 90,
                flags: Some(0x10f00),
                time_ns: 12_000_000_002,
            },
            Fork {
                parent_pid: 70,
                parent_tid: 70,
                parent_comm: "two\nlines".to_owned(),
                child_tid: 91,
                flags: Some(0),
                time_ns: 13_500_000_001,
            },
        ]
    );
}

#[test]
fn losses_are_errors() {
    let whole = "Aggregated stats:\n  FORK events:  78\nsched:sched_process_fork stats:\n  SAMPLE events:  3\n";
    assert_eq!(
        check_losses("[ perf record: Woken up 1 times ]", whole),
        Ok(())
    );
    let lossy = format!("{whole}  LOST_SAMPLES events:        395\n");
    assert_eq!(
        check_losses("", &lossy),
        Err("perf lost events: LOST_SAMPLES events:        395".to_owned())
    );
}
