//! Launched commands: what tidrec recorded equals what the tracees themselves say they made, and
//! they run as they would have without it.

#![cfg(target_os = "linux")]

mod support;
#[path = "support/trace.rs"]
mod trace;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use support::{Case, Child, Made, TempDir, cases, made, need, program, program_with, scale, send};
use tidline::model::{End, Ended, Ending, EventBody, Origin, Task, Via, What};
use trace::{
    Recording, SOON, birth_events, births, check, check_prefix, differences, execs, exits, launch,
    may_trace, only_file, open, patience, ready, tidrec, try_open, wait_until,
};

/// Records one of the tracees. What holds of every recording is checked here: it is whole, all
/// that was born has ended, once, and the births are those of the tracee's own log.
fn record(name: &str, args: &[&str], code: Option<i32>) -> Recording {
    let recording = launch(&[], program(name), args);
    assert_eq!(
        recording.status.code(),
        code,
        "{name}: {}",
        recording.stderr
    );
    let trace = &recording.trace;
    assert_eq!(check(trace), [], "{name}: alive at the end");
    assert_eq!(
        trace.integrity().ending,
        Ending::Finished("the target ended".into())
    );
    let (missed, invented) = differences(&made(&recording.log), &births(trace));
    assert_eq!((missed, invented), (vec![], vec![]), "{name}");
    begins_with_the_launch(&recording, &program(name));
    for record in trace.tasks() {
        assert_ne!(record.how, Ended::Missing, "{record:?}");
    }
    recording
}

fn begins_with_the_launch(recording: &Recording, program: &Path) {
    let root = Task::new(recording.pid(), recording.pid());
    let EventBody::Existing { task, .. } = recording.trace.events()[0].body else {
        panic!("{:?}", recording.trace.events()[0]);
    };
    assert_eq!(task, root);
    let EventBody::Exec {
        task,
        former_tid,
        ref exe,
        ..
    } = recording.trace.events()[1].body
    else {
        panic!("{:?}", recording.trace.events()[1]);
    };
    assert_eq!((task, former_tid), (root, root.tid));
    let program = program.canonicalize().expect("a path");
    assert_eq!(exe.as_bytes(), program.as_os_str().as_encoded_bytes());
    let others = recording
        .trace
        .tasks()
        .iter()
        .filter(|record| record.origin != Origin::Birth)
        .count();
    assert_eq!(others, 1, "only the command itself was there before");
}

#[test]
fn trees_of_processes_and_threads() {
    if may_trace() {
        record("forker", &["3", "2", "3"], Some(0));
        record("forker", &["2", "3", "0"], Some(0));
    }
}

#[test]
fn children_by_vfork_and_spawn() {
    if !may_trace() {
        return;
    }
    let recording = record("vforker", &["5"], Some(0));
    // Each child execs; the launch itself is the first exec.
    let mut execed: Vec<u32> = execs(&recording.trace)[1..]
        .iter()
        .map(|(task, ..)| task.tid.0)
        .collect();
    let mut children: Vec<u32> = made(&recording.log).iter().map(|made| made.child).collect();
    execed.sort_unstable();
    children.sort_unstable();
    assert_eq!(execed, children);
    for birth in birth_events(&recording.trace) {
        // A newer C library's posix_spawn has the child's signal handlers cleared, too.
        const CLONE_CLEAR_SIGHAND: u64 = 1 << 32;
        let flags = birth.flags.map(|flags| flags & !CLONE_CLEAR_SIGHAND);
        assert_eq!(
            (birth.via, birth.what, flags),
            (Via::Vfork, What::Process, Some(VFORK_FLAGS)),
            "{birth:?}"
        );
    }
}

/// `CLONE_VM | CLONE_VFORK | SIGCHLD`.
const VFORK_FLAGS: u64 = 0x4111;

/// The event that the kernel reports for these flags (`kernel_clone`, Linux 6.18).
fn via_of(flags: u64) -> Via {
    const CLONE_VFORK: u64 = 0x4000;
    const SIGCHLD: u64 = 17;
    if flags & CLONE_VFORK != 0 {
        Via::Vfork
    } else if flags & 0xff == SIGCHLD {
        Via::Fork
    } else {
        Via::Clone
    }
}

#[test]
fn every_kind_of_creation_with_its_flags() {
    if !may_trace() {
        return;
    }
    let recording = record("kinds", &[], Some(0));
    let cases = assert_cases(&recording);
    assert!(cases.len() >= 20, "{}", recording.log);
}

/// Each creation of `kinds` has the kernel's word for it, is a thread or a process, by its creator,
/// and has the flags that were passed.
fn assert_cases(recording: &Recording) -> Vec<Case> {
    let cases = cases(&recording.log);
    for case in &cases {
        let seen: Vec<_> = birth_events(&recording.trace)
            .filter(|birth| birth.child.tid.0 == case.made.child)
            .map(|birth| {
                let parent = birth.parent.map(|parent| parent.tid.0);
                (birth.via, birth.what.as_str(), birth.flags, parent)
            })
            .collect();
        assert_eq!(
            seen,
            [(
                via_of(case.flags),
                &*case.made.kind,
                Some(case.flags),
                Some(case.made.parent)
            )],
            "{}",
            case.name
        );
    }
    cases
}

/// Whether this test may make pid namespaces.
fn may_make_pid_namespaces() -> bool {
    let output = Command::new("unshare")
        .args(["--pid", "--fork", "true"])
        .output();
    need(match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(format!("unshare(1): {error}")),
    })
    .is_some()
}

#[test]
fn pid_namespaces_and_what_is_made_in_them() {
    if !may_trace() || !may_make_pid_namespaces() {
        return;
    }
    let recording = record("kinds", &["newpid"], Some(0));
    let cases = assert_cases(&recording);
    assert_eq!(cases.len(), 9, "{}", recording.log);
    // What the namespace's first process left behind was killed with it, and the rest ended.
    let ends: BTreeMap<u32, End> = exits(&recording.trace)
        .into_iter()
        .map(|(task, end)| (task.tid.0, end))
        .collect();
    for case in cases {
        let expected = match &*case.name {
            "newpid-killed-process" => End::Signal {
                number: 9,
                core: false,
            },
            _ => End::Code(0),
        };
        assert_eq!(ends[&case.made.child], expected, "{}", case.name);
    }
}

#[test]
fn what_no_tracer_hears_of_is_absent_and_all_else_is_right() {
    if !may_trace() {
        return;
    }
    let recording = record("kinds", &["untraced"], Some(0));
    let names: Vec<String> = assert_cases(&recording)
        .into_iter()
        .map(|case| case.name)
        .collect();
    assert_eq!(names, ["before", "between", "after"]);
    let unseen: Vec<u32> = recording
        .stdout
        .lines()
        .filter(|line| line.starts_with("unseen "))
        .map(|line| {
            let tid = line.rsplit_once(' ').expect("words").1;
            tid.parse().expect("a TID")
        })
        .collect();
    assert_eq!(unseen.len(), 4, "{}", recording.stdout);
    for record in recording.trace.tasks() {
        assert!(!unseen.contains(&record.task.tid.0), "{record:?}");
    }
}

#[test]
fn every_creation_exactly_once_with_its_creator() {
    if !may_trace() {
        return;
    }
    // Hundreds of processes at a time, whose threads fork beside their leaders.
    let depth = scale(3, 4);
    let recording = record("forker", &[&depth.to_string(), "10", "10"], Some(0));
    let count = |what| {
        let births = birth_events(&recording.trace);
        births.filter(|birth| birth.what == what).count()
    };
    let processes: usize = (1..=depth).map(|level| 10usize.pow(level)).sum();
    assert_eq!(
        (count(What::Process), count(What::Thread)),
        (processes, (processes + 1) * 10)
    );
}

#[test]
fn the_place_in_the_program_that_created() {
    if !may_trace() {
        return;
    }
    let recording = record("joiner", &["20", "5"], Some(0));
    let mut places: Vec<u64> = birth_events(&recording.trace)
        .map(|birth| birth.pc.expect("a place"))
        .collect();
    places.dedup();
    assert_eq!(places.len(), 1, "the C library has one clone for threads");
}

#[test]
fn thousands_of_threads_one_after_the_other() {
    if may_trace() {
        record("joiner", &["4000", "2"], Some(0));
    }
}

#[test]
fn many_threads_at_once() {
    if may_trace() {
        record("joiner", &["50", "1000"], Some(0));
    }
}

#[test]
fn chains_while_tids_are_used_again() {
    if may_trace() {
        record("chains", &["8", "30", "600"], Some(0));
    }
}

#[test]
fn the_lessons_program() {
    if may_trace() {
        record("interval", &["5", "10"], Some(0));
    }
}

#[test]
fn an_exec_from_another_thread_than_the_leader() {
    if !may_trace() {
        return;
    }
    let recording = record("execer", &["3"], Some(7));
    let before = recording.stdout.lines().next().expect("a line");
    let caller: u32 = before
        .rsplit_once(' ')
        .expect("words")
        .1
        .parse()
        .expect("a TID");
    let pid = recording.pid();
    let execs = execs(&recording.trace);
    assert_eq!(execs.len(), 2, "{execs:?}");
    assert_eq!(
        (execs[1].0, execs[1].1.0),
        (Task::new(pid, pid), caller),
        "{before}"
    );
    assert_eq!(execs[1].2, execs[0].2, "the same program");

    // The siblings ended before, each once; the caller went on as the leader.
    let at = |wanted: &dyn Fn(&EventBody) -> bool| {
        let mut all = recording.trace.events().iter();
        all.position(|event| wanted(&event.body))
    };
    let exec =
        at(&|body| matches!(body, EventBody::Exec { former_tid, .. } if former_tid.0 == caller));
    for made in made(&recording.log) {
        let exit = at(
            &|body| matches!(body, EventBody::Exit { task, end } if task.tid.0 == made.child && *end != End::Unknown),
        );
        if made.child == caller {
            assert_eq!(exit, None);
        } else {
            assert!(exit.is_some_and(|exit| Some(exit) < exec), "{made:?}");
        }
    }
    let hows: Vec<_> = recording
        .trace
        .tasks()
        .iter()
        .filter(|record| [pid, caller].contains(&record.task.tid.0))
        .map(|record| (record.task.tid.0, record.how))
        .collect();
    assert_eq!(
        hows,
        [
            (pid, Ended::Exit(End::Code(7))),
            (caller, Ended::BecameLeader)
        ]
    );
}

#[test]
fn execs_again_and_again() {
    if !may_trace() {
        return;
    }
    let recording = record("execstorm", &["30", "3"], Some(0));
    let from_leader: Vec<bool> = execs(&recording.trace)[1..]
        .iter()
        .map(|(task, former, _)| task.tid == *former)
        .collect();
    let expected: Vec<bool> = (1..=30).rev().map(|left| left % 2 == 0).collect();
    assert_eq!(from_leader, expected);
}

#[test]
fn every_way_to_end() {
    if !may_trace() {
        return;
    }
    for threads in [3, 100] {
        every_way_to_end_beside(threads);
    }
}

/// A process ends while so many threads of it are alive.
fn every_way_to_end_beside(threads: usize) {
    let signal = |number| End::Signal {
        number,
        core: false,
    };
    let cases = [
        // The case, its code, how the process ends, how its sleeping threads end.
        ("return", "5", End::Code(5), End::Code(5)),
        ("leader-first", "0", End::Code(0), End::Code(0)),
        ("group-from-thread", "9", End::Code(9), End::Code(9)),
        ("thread-exit", "6", End::Code(0), End::Code(0)),
        ("abort", "0", signal(6), signal(6)),
        ("term", "0", signal(15), signal(15)),
        ("segv", "0", signal(11), signal(11)),
        ("kill", "0", signal(9), signal(9)),
    ];
    for (case, code, leader, others) in cases {
        let shown = match leader {
            End::Code(code) => i32::from(code),
            End::Signal { number, .. } => 128 + i32::from(number),
            End::Unknown => unreachable!("not in the table"),
        };
        let recording = record("exits", &[case, &threads.to_string(), code], Some(shown));
        let pid = recording.pid();
        let mut expected = vec![(Task::new(pid, pid), leader)];
        let children = made(&recording.log).into_iter().map(|made| made.child);
        expected.extend(children.map(|child| (Task::new(pid, child), others)));
        let mut seen: Vec<_> = exits(&recording.trace)
            .into_iter()
            .map(|(task, end)| (task, without_core(end)))
            .collect();
        // One thread ends alone, with a code of its own. Reaped after the process began to end, it
        // has the process's (`wait_task_zombie`, Linux 6.18).
        if case == "thread-exit" {
            for (_, end) in &mut seen {
                if *end == End::Code(6) {
                    *end = others;
                }
            }
        }
        expected.sort();
        seen.sort();
        assert_eq!(seen, expected, "{case} beside {threads} threads");
    }
}

/// Whether a core is dumped is for the host's settings to say.
fn without_core(end: End) -> End {
    match end {
        End::Signal { number, .. } => End::Signal {
            number,
            core: false,
        },
        end => end,
    }
}

#[test]
fn a_leader_that_ends_before_its_threads() {
    if !may_trace() {
        return;
    }
    let recording = record("deadleader", &["200", "3"], Some(0));
    let pid = recording.pid();
    let exits = exits(&recording.trace);
    assert_eq!(
        exits.last(),
        Some(&(Task::new(pid, pid), End::Code(0))),
        "the process ends with its last thread"
    );
}

#[test]
fn signals_arrive_as_they_do_without_a_recorder() {
    if !may_trace() {
        return;
    }
    // So many of each of the six kinds.
    let count = scale("1000", "20000");
    let recording = record("signals", &[count], Some(0));
    let mut alone = Child::run(program("signals"), [count]);
    assert_eq!(recording.stdout, alone.expect_exit(0, patience()));
    assert!(recording.stdout.contains(&format!("count {count} ")));
}

/// The names that a `named` log tells, as bytes.
fn named(stdout: &str) -> Vec<(u32, Vec<u8>)> {
    let name = |hex: &str| {
        let digits = hex.trim_start_matches('-').as_bytes();
        let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair));
        pairs
            .map(|pair| u8::from_str_radix(pair.expect("hex"), 16).expect("hex"))
            .collect()
    };
    stdout
        .lines()
        .filter_map(|line| {
            let mut words = line.strip_prefix("named ")?.split(' ');
            Some((words.next()?.parse().ok()?, name(words.next()?)))
        })
        .collect()
}

#[test]
fn names_are_kept_verbatim_whatever_is_in_them() {
    if !may_trace() {
        return;
    }
    // A newborn's name is looked at soon after its birth, and again 0.4 s later.
    let recording = record("names", &["6000"], Some(0));
    let renamed: Vec<(u32, Vec<u8>)> = recording
        .trace
        .events()
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::Rename { task, name } => Some((task.tid.0, name.as_bytes().to_vec())),
            _ => None,
        })
        .collect();
    let told = named(&recording.stdout);
    assert!(told.len() > 12, "{}", recording.stdout);
    for one in told.iter().filter(|(_, name)| name != b"second") {
        assert!(renamed.contains(one), "{one:?} is not in {renamed:?}");
    }
    for one in &renamed {
        assert!(told.contains(one), "{one:?} is not in {told:?}");
    }
}

/// Compiles for i386, if this machine can.
#[cfg(target_arch = "x86_64")]
fn compiles_for_i386() -> Result<(), String> {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "echo 'int main(void){return 0;}' | cc -m32 -static -x c - -o /dev/null",
    ]);
    let output = command
        .output()
        .map_err(|error| format!("cc -m32: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "cc -m32 -static: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_32_bit_program_has_right_flags_and_pcs() {
    if !may_trace() || need(compiles_for_i386()).is_none() {
        return;
    }
    let program = program_with("forker", &["-m32", "-static"]);
    let recording = launch(&[], &program, ["2", "2", "2"]);
    assert_eq!(recording.status.code(), Some(0), "{}", recording.stderr);
    assert_eq!(check(&recording.trace), []);
    assert_eq!(
        differences(&made(&recording.log), &births(&recording.trace)),
        (vec![], vec![])
    );
    let flags: BTreeSet<(What, Option<u64>)> = birth_events(&recording.trace)
        .map(|birth| (birth.what, birth.flags))
        .collect();
    // What glibc passes: pthread_create's flags, and CLONE_CHILD_SETTID|CLONE_CHILD_CLEARTID|SIGCHLD.
    let expected = [
        (What::Thread, Some(0x3d_0f00)),
        (What::Process, Some(0x120_0011)),
    ];
    assert_eq!(flags, BTreeSet::from(expected));
    // A static i386 program lies below 256 MiB. Threads are made there, by `int $0x80`; processes by
    // way of the vdso, below the 4 GiB's end.
    for birth in birth_events(&recording.trace) {
        let range = match birth.what {
            What::Thread => 0x804_8000..0x1000_0000,
            What::Process => 0x8000_0000..0x1_0000_0000,
        };
        assert!(birth.pc.is_some_and(|pc| range.contains(&pc)), "{birth:?}");
    }
}

#[test]
fn a_thread_that_ends_at_once_has_the_name_that_it_had_last() {
    if !may_trace() {
        return;
    }
    let recording = record("names", &["0"], Some(0));
    let told = named(&recording.stdout);
    let last: BTreeMap<u32, Vec<u8>> = told.into_iter().collect();
    let tasks = recording.trace.tasks().iter();
    let recorded: BTreeMap<u32, Vec<u8>> = tasks
        .filter(|task| !task.task.is_leader())
        .map(|task| (task.task.tid.0, task.name().as_bytes().to_vec()))
        .collect();
    assert_eq!(recorded, last);
}

#[test]
fn a_rename_is_noticed_sooner_or_later_and_the_file_can_be_read_meanwhile() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("trace");
    let mut command = tidrec();
    command
        .arg("-o")
        .arg(&file)
        .arg("--")
        .arg(program("renamer"));
    let mut child = Child::spawn(&mut command);
    let pid = ready(&mut child);
    // The name is looked at 0.4, 4 and 60 s after the look before.
    for name in ["second", "third"] {
        send("USR1", &[pid]);
        child.wait_line(&format!("named {name}"), SOON);
        wait_until(name, 4 * SOON, || {
            try_open(&file).is_ok_and(|trace| {
                assert_eq!(trace.integrity().ending, Ending::CutShort);
                check_prefix(&trace);
                let last = trace.tasks().last();
                last.is_some_and(|record| record.name().as_bytes() == name.as_bytes())
            })
        });
        if name == "second" && std::env::var_os("CI").is_none() {
            break; // The next look is a minute away.
        }
    }
    send("TERM", &[pid]);
    child.expect_exit(0, SOON);
    assert_eq!(check(&open(&file)), []);
}

/// Runs a command under tidrec in a folder of its own.
fn tidrec_in(dir: &Path, args: &[&str]) -> Output {
    tidrec()
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .expect("run tidrec")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

#[test]
fn the_exit_code_is_the_commands() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    for code in [0, 1, 2, 3, 7, 126, 127, 255] {
        let exit = format!("exit {code}");
        let output = tidrec_in(dir.path(), &["--force", "-o", "t", "--", "sh", "-c", &exit]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
    for (signal, number) in [
        ("TERM", 15),
        ("KILL", 9),
        ("USR2", 12),
        ("35", 35),
        ("64", 64),
    ] {
        let kill = format!("kill -{signal} $$");
        let output = tidrec_in(dir.path(), &["--force", "-o", "t", "--", "sh", "-c", &kill]);
        assert_eq!(output.status.code(), Some(128 + number), "{output:?}");
        assert_eq!(output.status.signal(), None);
        let last = exits(&open(&dir.join("t"))).pop().map(|(_, end)| end);
        let end = End::Signal {
            number: number as u8,
            core: false,
        };
        assert_eq!(last, Some(end));
    }
}

#[test]
fn a_command_that_cannot_be_run() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let plain = dir.join("plain");
    std::fs::write(&plain, "no program\n").expect("write a file");
    let cases = [
        ("tidline-no-such-command", 127, "No such file or directory"),
        ("/nonexistent/command", 127, "No such file or directory"),
        ("./plain", 126, "Permission denied"),
        ("./", 126, "Permission denied"),
    ];
    for (command, code, why) in cases {
        let output = tidrec_in(dir.path(), &["-o", "t", "--", command]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{command}: {said}");
        assert!(
            said.starts_with(&format!("tidrec: cannot run {command}: {why}")),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
        assert_eq!(text(&output.stdout), "");
        assert_eq!(only_file(dir.path()), plain, "no output is left");
    }
}

#[test]
fn stdin_stdout_and_stderr_are_the_commands_own() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    // Longer than a pipe holds, and every byte in it.
    let input: Vec<u8> = (0..300_000u32).map(|i| (i % 257 % 256) as u8).collect();
    let script = "cat; echo from the command >&2";
    let mut child = tidrec()
        .arg("-o")
        .arg(dir.join("t"))
        // A slow look-up of names would be told, too.
        .args(["--symbols", "none", "--", "sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run tidrec");
    let mut stdin = child.stdin.take().expect("stdin");
    let copy = input.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&copy));
    let output = child.wait_with_output().expect("wait for tidrec");
    writer.join().expect("the writer").expect("all is read");
    assert!(output.stdout == input, "{} bytes came", output.stdout.len());
    let said: Vec<&str> = text(&output.stderr).lines().collect();
    let [theirs, ours] = said[..] else {
        panic!("{said:?}")
    };
    assert_eq!(theirs, "from the command");
    assert!(ours.starts_with("tidrec: the target ended; "), "{ours}");

    let quiet = tidrec_in(
        dir.path(),
        &["-q", "-o", "q", "--", "sh", "-c", "echo out; echo err >&2"],
    );
    assert_eq!(
        (text(&quiet.stdout), text(&quiet.stderr)),
        ("out\n", "err\n")
    );
}

#[test]
fn a_closed_stdout_ends_the_command_and_not_the_recording() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let mut child = tidrec()
        .args(["-q", "-o"])
        .arg(dir.join("t"))
        .args(["--", "yes"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("run tidrec");
    drop(child.stdout.take());
    let status = child.wait().expect("wait for tidrec");
    assert_eq!(status.code(), Some(128 + 13), "yes is ended by SIGPIPE");
    check(&open(&dir.join("t")));
}

#[test]
fn an_output_without_a_name_gets_one() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let output = tidrec_in(dir.path(), &["--", "true"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let file = only_file(dir.path());
    let trace = open(&file);
    check(&trace);
    let pid = trace.header().targets[0].pid;
    let name = file.file_name().expect("a name").to_str().expect("text");
    let stamp = name
        .strip_prefix(&format!("tidline-true-{pid}-"))
        .and_then(|rest| rest.strip_suffix(".tid"))
        .unwrap_or_else(|| panic!("{name}"));
    let shape: String = stamp
        .chars()
        .map(|c| if c.is_ascii_digit() { '9' } else { c })
        .collect();
    assert_eq!(shape, "99999999-999999", "{name}");
    assert!(text(&output.stderr).contains(name), "{output:?}");
}

fn mode(path: &Path) -> u32 {
    path.metadata().expect("a file").permissions().mode() & 0o7777
}

#[test]
fn an_existing_file_is_kept_unless_forced() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("t");
    std::fs::write(&file, "precious").expect("write a file");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).expect("chmod");
    let output = tidrec_in(dir.path(), &["-o", "t", "--", "touch", "started"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("t exists") && said.contains("--force"),
        "{said}"
    );
    assert_eq!(std::fs::read(&file).expect("the file"), b"precious");
    assert_eq!(only_file(dir.path()), file, "the command did not run");

    let output = tidrec_in(dir.path(), &["--force", "-o", "t", "--", "true"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    check(&open(&file));
    assert_eq!(mode(&file), 0o600);
}

#[test]
fn a_trace_is_its_owners_alone() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let script = "umask 0; exec \"$0\" \"$@\"";
    let status = Command::new("sh")
        .args(["-c", script])
        .arg(env!("CARGO_BIN_EXE_tidrec"))
        .args(["-q", "-o"])
        .arg(dir.join("t"))
        .args(["--", "true"])
        .status()
        .expect("run sh");
    assert!(status.success());
    assert_eq!(mode(&dir.join("t")), 0o600);
}

/// Runs a command with and without tidrec in front, each behind the same prefix.
fn with_and_without(prefix: &[&str], command: &[&str]) -> [String; 2] {
    let dir = TempDir::new();
    let file = dir.join("t");
    let run = |words: Vec<&str>| {
        let output = Command::new(words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{words:?}: {error}"));
        assert!(output.status.success(), "{words:?}: {output:?}");
        text(&output.stdout).to_owned()
    };
    let recorder = [
        env!("CARGO_BIN_EXE_tidrec"),
        "-q",
        "-o",
        file.to_str().expect("a path"),
        "--",
    ];
    [
        run([prefix, &recorder, command].concat()),
        run([prefix, command].concat()),
    ]
}

#[test]
fn the_environment_and_the_folder_are_the_commands_own() {
    if !may_trace() {
        return;
    }
    let [with, without] = with_and_without(&["env", "SPECIAL=a b=c"], &["env"]);
    assert_eq!(with, without);
    let [with, without] = with_and_without(&["env"], &["sh", "-c", "pwd; umask; ulimit -a"]);
    assert_eq!(with, without);
}

#[test]
fn no_descriptor_leaks_into_the_command() {
    if !may_trace() {
        return;
    }
    let [with, without] = with_and_without(&["env"], &["ls", "/proc/self/fd"]);
    assert_eq!(with, without);
}

const SIGNALS: [&str; 3] = [
    "grep",
    "^\\(Sig[BIC]\\|[SigShd]*Pnd\\)",
    "/proc/self/status",
];

#[test]
fn signal_mask_and_dispositions_are_the_commands_own() {
    if !may_trace() {
        return;
    }
    let [with, without] = with_and_without(&["env"], &SIGNALS);
    assert_eq!(with, without);
    let blocked = ["env", "--block-signal=USR1,CHLD,TERM,35"];
    let [with, without] = with_and_without(&blocked, &SIGNALS);
    assert_eq!(with, without);
}

#[test]
fn signals_that_were_ignored_stay_ignored() {
    if !may_trace() {
        return;
    }
    for signals in ["HUP", "INT,QUIT", "PIPE", "TSTP,TTIN,TTOU", "CHLD"] {
        let ignored = ["env", &format!("--ignore-signal={signals}")];
        let [with, without] = with_and_without(&ignored, &SIGNALS);
        assert_eq!(with, without, "{signals}");
    }
}

#[test]
fn what_outlives_the_command_is_recorded_too() {
    if !may_trace() {
        return;
    }
    let script = "(sleep 0.3; exit 4) >/dev/null 2>&1 & exit 6";
    let recording = launch(&[], "sh", ["-c", script]);
    assert_eq!(recording.status.code(), Some(6), "the command's own code");
    assert_eq!(check(&recording.trace), []);
    let ends: Vec<End> = exits(&recording.trace)
        .iter()
        .map(|(_, end)| *end)
        .collect();
    assert_eq!(ends.first(), Some(&End::Code(6)), "{ends:?}");
    assert_eq!(ends.last(), Some(&End::Code(4)), "{ends:?}");
}

#[test]
fn the_header_tells_what_was_recorded() {
    if !may_trace() {
        return;
    }
    let recording = record("interval", &["1", "2"], Some(0));
    let header = recording.trace.header();
    assert!(header.launched);
    let program = program("interval");
    let command = [program.as_os_str().as_encoded_bytes(), b"1", b"2"];
    assert_eq!(header.targets[0].command, command);
    assert_eq!(header.option("follow-fork"), Some("both"));
    assert_eq!(header.option("new-threads"), Some("follow"));
    let threads: Vec<Made> = births(&recording.trace);
    assert!(threads.iter().all(|made| made.parent == recording.pid()));
    let whats: Vec<What> = birth_events(&recording.trace)
        .map(|birth| birth.what)
        .collect();
    assert_eq!(whats, [What::Thread, What::Thread]);
    assert!(
        recording
            .stderr
            .contains("(2 threads and 0 processes created, 3 ended)"),
        "{}",
        recording.stderr
    );
}

#[test]
fn a_recorder_that_is_started_with_sigchld_ignored_hears_of_its_tracees_all_the_same() {
    if !may_trace() {
        return;
    }
    // More than 256 tracees are waited for by that signal. The ignored one is the command's own.
    let dir = TempDir::new();
    let file = dir.join("trace");
    let started = || {
        let mut command = Command::new("env");
        let recorder = env!("CARGO_BIN_EXE_tidrec");
        command.arg("--ignore-signal=CHLD").arg(recorder);
        command
    };
    let mut command = started();
    command.arg("-o").arg(&file).arg("--");
    command.arg(program("joiner")).args(["200", "300"]);
    let mut child = Child::spawn(&mut command);
    child.expect_exit(0, SOON);
    // Its idle threads end with it.
    assert_eq!(check(&open(&file)), []);
    let mut command = started();
    command.arg("-q").arg("-o").arg(dir.join("mask"));
    command.args(["--", "grep", "SigIgn", "/proc/self/status"]);
    let mut child = Child::spawn(&mut command);
    let ignored = child.expect_exit(0, SOON);
    let mask = ignored.split_whitespace().last().expect("a mask");
    let mask = u64::from_str_radix(mask, 16).expect("a mask");
    assert_ne!(mask & 1 << 16, 0, "SIGCHLD: {ignored}");
}

#[test]
fn a_child_that_is_no_tracee_may_stop_and_go_on() {
    if !may_trace() {
        return;
    }
    // tidrec inherits a child with exec; it is stopped while a command is recorded.
    let dir = TempDir::new();
    let file = dir.join("trace");
    let script = "sleep 60 >/dev/null 2>&1 & echo \"kid $!\"; exec \"$@\"";
    let mut command = Command::new("sh");
    command
        .args(["-c", script, "sh"])
        .arg(env!("CARGO_BIN_EXE_tidrec"));
    command
        .arg("-o")
        .arg(&file)
        .args(["--", "sh", "-c", "echo runs; read line; exit 3"]);
    let (mut child, stdin) = Child::talk(&mut command);
    let kid = child.wait_line("kid ", SOON);
    let kid: u32 = kid["kid ".len()..].parse().expect("a pid");
    child.wait_line("runs", SOON);
    support::send("STOP", &[kid]);
    wait_until("the stop", SOON, || {
        support::thread_states(kid)
            .iter()
            .all(|(_, state)| *state == 'T')
    });
    drop(stdin);
    child.expect_exit(3, SOON);
    let trace = open(&file);
    assert_eq!(check(&trace), []);
    assert!(trace.tasks().iter().all(|task| task.task.tid.0 != kid));
    support::send("KILL", &[kid]);
}

trace::also_by_perf! {
    trees_of_processes_and_threads
    children_by_vfork_and_spawn
    every_kind_of_creation_with_its_flags
    pid_namespaces_and_what_is_made_in_them
    every_creation_exactly_once_with_its_creator
    the_place_in_the_program_that_created
    thousands_of_threads_one_after_the_other
    many_threads_at_once
    chains_while_tids_are_used_again
    the_lessons_program
    an_exec_from_another_thread_than_the_leader
    execs_again_and_again
    every_way_to_end
    a_leader_that_ends_before_its_threads
    signals_arrive_as_they_do_without_a_recorder
    names_are_kept_verbatim_whatever_is_in_them
    a_32_bit_program_has_right_flags_and_pcs
    a_thread_that_ends_at_once_has_the_name_that_it_had_last
    a_rename_is_noticed_sooner_or_later_and_the_file_can_be_read_meanwhile
    the_exit_code_is_the_commands
    a_command_that_cannot_be_run
    stdin_stdout_and_stderr_are_the_commands_own
    a_closed_stdout_ends_the_command_and_not_the_recording
    an_output_without_a_name_gets_one
    an_existing_file_is_kept_unless_forced
    what_outlives_the_command_is_recorded_too
    the_header_tells_what_was_recorded
}
