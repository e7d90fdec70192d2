//! Refused creations and system calls: what is recorded equals what the tracees say, and they
//! run as they would have without it.

#![cfg(target_os = "linux")]

mod support;
#[path = "support/trace.rs"]
mod trace;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use support::{Child, TempDir, made, need, program, program_with, send, tracers};
use tidline::model::{Event, EventBody, Trace, errno_name};
use trace::{
    Recording, SOON, attach, births, check, check_prefix, differences, launch, may_trace, open,
    ready, start_attach, tidrec, wait_until,
};

const BOTH: [&str; 2] = ["syscalls", "seccomp"];

const ENOSYS: u16 = 38;

/// Who, which call, its error, its flags.
type Refusal = (u32, String, u16, Option<u64>);

/// The refusals of a trace, sorted.
fn recorded(trace: &Trace) -> Vec<Refusal> {
    let mut all: Vec<Refusal> = trace
        .events()
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::CreateFailed {
                task,
                call,
                errno,
                flags,
                pc,
                stack: _,
            } => {
                assert!(pc.is_some(), "{event:?}");
                Some((task.tid.0, call.to_string(), *errno, *flags))
            }
            _ => None,
        })
        .collect();
    all.sort();
    all
}

/// The refusals that a `refused` program logged, sorted. No flags, where the kernel read none.
fn logged(log: &str) -> Vec<Refusal> {
    let mut all: Vec<Refusal> = log
        .lines()
        .filter(|line| line.starts_with("refused "))
        .map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
            ["refused", call, "tid", tid, "errno", errno, "flags", flags] => {
                let flags = flags.strip_prefix("0x").expect("hex");
                let flags = u64::from_str_radix(flags, 16).expect("hex");
                let flags = (flags != 0).then_some(flags);
                let number = |word: &str| word.parse().expect("a number");
                (number(tid), call.to_owned(), number(errno) as u16, flags)
            }
            _ => panic!("{line:?}"),
        })
        .collect();
    all.sort();
    all
}

/// What the C library called is not the tracee's to say: those count by thread and error alone.
fn any_call(recorded: Vec<Refusal>, logged: &[Refusal]) -> Vec<Refusal> {
    let by_library = |flags| matches!(flags, Some(0x3d_0f00 | 0x120_0011));
    let has_any = logged.iter().any(|(_, call, ..)| call == "any");
    let mut all: Vec<Refusal> = recorded
        .into_iter()
        .map(
            |(tid, call, errno, flags)| match has_any && by_library(flags) {
                true => (tid, "any".to_owned(), errno, None),
                false => (tid, call, errno, flags),
            },
        )
        .collect();
    all.sort();
    all
}

/// Records a program, and compares births and refusals with its log. Returns how many refusals.
fn compare(how: &str, program: &Path, args: &[&str], code: i32) -> (Recording, usize) {
    let name = format!("{how}: {} {args:?}", program.display());
    let recording = launch(&["--failures", how], program, args);
    assert_eq!(
        recording.status.code(),
        Some(code),
        "{name}: {}",
        recording.stderr
    );
    assert_eq!(check(&recording.trace), [], "{name}: alive at the end");
    assert_eq!(recording.trace.header().option("failures"), Some(how));
    let of_births = differences(&made(&recording.log), &births(&recording.trace));
    assert_eq!(of_births, (vec![], vec![]), "{name}");
    let mut counters = recording.trace.counters().iter();
    let unknown = counters.find(|(counter, _)| counter == "unknown_stops");
    assert_eq!(unknown.map(|(_, value)| *value), Some(0), "{name}");
    let expected = logged(&recording.log);
    let seen = any_call(recorded(&recording.trace), &expected);
    assert_eq!(
        differences(&expected, &seen),
        (vec![], vec![]),
        "{name}: refused"
    );
    (recording, expected.len())
}

/// Whether a test may become another user.
fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    let uid = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    need(match uid {
        Ok(uid) if uid == "0" => Ok(()),
        _ => Err("only root can become another user".to_owned()),
    })
    .is_some()
}

#[test]
fn wrong_flags_sizes_and_addresses() {
    if !may_trace() || !is_root() {
        return;
    }
    for how in BOTH {
        let (_, refused) = compare(how, &program("refused"), &["flags", "4", "20"], 0);
        assert_eq!(refused, 4 * 20 * 6);
    }
}

#[test]
fn creations_that_signals_interrupt() {
    if !may_trace() || !is_root() {
        return;
    }
    for how in BOTH {
        let (_, refused) = compare(how, &program("refused"), &["signals", "300"], 0);
        assert_eq!(refused, 300 * 6);
    }
}

#[test]
fn a_users_limit_on_processes() {
    if !may_trace() || !is_root() {
        return;
    }
    for how in BOTH {
        let (recording, refused) = compare(how, &program("refused"), &["limit", "12"], 0);
        assert!(refused >= 16, "{}", recording.log);
        assert_eq!(births(&recording.trace).len(), 11);
        let errors = recorded(&recording.trace);
        assert!(errors.iter().all(|(.., errno, _)| *errno == 11), "EAGAIN");
    }
}

/// A cgroup for few tasks, removed at the end.
struct Cgroup(PathBuf);

impl Cgroup {
    fn with_room_for(tasks: u32) -> Result<Cgroup, String> {
        let name = format!("tidline-test-{}", std::process::id());
        let roots = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"];
        for folder in roots.map(|root| Path::new(root).join(&name)) {
            let _ = fs::create_dir(&folder);
            let made = Cgroup(folder);
            if fs::write(made.0.join("pids.max"), tasks.to_string()).is_ok() {
                return Ok(made);
            }
        }
        Err("no cgroup with a pids controller can be made here".to_owned())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // It is busy until its last task is quite gone.
        for _ in 0..1000 {
            match fs::remove_dir(&self.0) {
                Err(error) if error.raw_os_error() == Some(16) => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                _ => return,
            }
        }
    }
}

#[test]
fn a_cgroups_limit_on_tasks() {
    if !may_trace() {
        return;
    }
    let Some(cgroup) = need(Cgroup::with_room_for(8)) else {
        return;
    };
    let folder = cgroup.0.to_str().expect("a path");
    for how in BOTH {
        let (recording, refused) = compare(how, &program("refused"), &["cgroup", folder], 0);
        assert!(refused >= 16, "{}", recording.log);
        assert_eq!(births(&recording.trace).len(), 7);
    }
}

#[test]
fn a_thread_without_memory_for_its_stack_calls_no_clone() {
    if !may_trace() {
        return;
    }
    for how in BOTH {
        let (recording, refused) = compare(how, &program("refused"), &["space"], 0);
        assert!(
            recording.stdout.contains("errno 11"),
            "{}",
            recording.stdout
        );
        assert_eq!((refused, recorded(&recording.trace)), (0, vec![]));
    }
    // What it asked for, and did not get, is there for those who look.
    let recording = launch(&["--syscalls", "mmap"], program("refused"), ["space"]);
    let no_memory = |event: &&Event| matches!(&event.body, EventBody::SyscallExit { name, result: -12, .. } if name.as_bytes() == b"mmap");
    let events = recording.trace.events().iter();
    assert_eq!(events.filter(no_memory).count(), 1);
}

#[test]
fn without_the_option_nothing_is_told_of_refusals() {
    if !may_trace() || !is_root() {
        return;
    }
    let recording = launch(&[], program("refused"), ["flags", "2", "2"]);
    assert_eq!(recording.status.code(), Some(0), "{}", recording.stderr);
    assert_eq!(recorded(&recording.trace), []);
    assert_eq!(recording.trace.header().option("failures"), Some("off"));
}

#[test]
fn births_and_ends_are_as_without_it() {
    if !may_trace() {
        return;
    }
    for how in BOTH {
        for (name, args, code) in [
            ("kinds", &[][..], 0),
            ("forker", &["3", "2", "3"], 0),
            ("vforker", &["5"], 0),
            ("joiner", &["200", "3"], 0),
            ("chains", &["4", "20", "200"], 0),
            ("execer", &["3"], 7),
            ("execstorm", &["16", "3"], 0),
            ("deadleader", &["50", "3"], 0),
            ("signals", &["200"], 0),
            ("exits", &["return", "3", "5"], 5),
            ("exits", &["leader-first", "3", "0"], 0),
            ("exits", &["group-from-thread", "3", "9"], 9),
            ("exits", &["thread-exit", "3", "6"], 0),
            ("exits", &["abort", "3", "0"], 128 + 6),
            ("exits", &["term", "3", "0"], 128 + 15),
            ("exits", &["segv", "3", "0"], 128 + 11),
            ("exits", &["kill", "3", "0"], 128 + 9),
        ] {
            let (recording, refused) = compare(how, &program(name), args, code);
            assert_eq!(refused, 0, "{name}");
            if name == "signals" {
                let mut alone = Child::run(program(name), args);
                assert_eq!(recording.stdout, alone.expect_exit(0, SOON));
            }
        }
    }
}

/// Compiles for i386, if this machine can.
#[cfg(target_arch = "x86_64")]
fn compiles_for_i386() -> Result<(), String> {
    let line = "echo 'int main(void){return 0;}' | cc -m32 -static -x c - -o /dev/null";
    let output = Command::new("sh").args(["-c", line]).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        other => Err(format!("cc -m32 -static: {other:?}")),
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_32_bit_program_has_calls_of_its_own() {
    if !may_trace() || !is_root() || need(compiles_for_i386()).is_none() {
        return;
    }
    let refused = program_with("refused", &["-m32", "-static"]);
    let forker = program_with("forker", &["-m32", "-static"]);
    for how in BOTH {
        compare(how, &forker, &["2", "2", "2"], 0);
        let (_, number) = compare(how, &refused, &["flags", "2", "5"], 0);
        assert_eq!(number, 2 * 5 * 6);
        let (_, number) = compare(how, &refused, &["limit", "8"], 0);
        assert!(number >= 16);
    }
    // 4 is write there, and stat for 64-bit programs; waitpid is there alone.
    let recording = launch(&["--syscalls", "write,stat"], &refused, ["flags", "1", "1"]);
    let calls: Vec<(String, u64)> = calls(&recording.trace)
        .into_values()
        .flatten()
        .map(|call| (call.name, call.number))
        .collect();
    assert!(!calls.is_empty());
    assert!(
        calls.iter().all(|call| *call == ("write".to_owned(), 4)),
        "{calls:?}"
    );
}

/// `refused wait`, launched with a filter: the recorder, the file, the program's pid.
fn waiting(dir: &TempDir, options: &[&str]) -> (Child, PathBuf, u32) {
    let file = dir.join("trace");
    let mut command = tidrec();
    command.args(["--failures", "seccomp"]).args(options);
    command
        .arg("-o")
        .arg(&file)
        .arg("--")
        .arg(program("refused"))
        .arg("wait");
    let mut recorder = Child::spawn(&mut command);
    let pid = ready(&mut recorder);
    (recorder, file, pid)
}

/// The program tries to create a thread and a process; the errors.
fn tries(recorder: &mut Child, pid: u32) -> (u16, u16) {
    send("USR1", &[pid]);
    let line = recorder.wait_line("tried ", SOON);
    let mut words = line
        .split(' ')
        .skip(1)
        .map(|word| word.parse().expect("a number"));
    (words.next().expect("two"), words.next().expect("two"))
}

#[test]
fn a_program_with_a_filter_keeps_its_tracer_when_the_recording_ends() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let (mut recorder, file, pid) = waiting(&dir, &[]);
    assert_eq!(tries(&mut recorder, pid), (0, 0));
    recorder.signal("TERM");
    recorder.wait_stderr("tidrec stays until the program ends", SOON);
    // The file is whole from here on.
    wait_until("the file is finished", SOON, || {
        trace::try_open(&file).is_ok_and(|trace| trace.is_complete())
    });
    let before = births(&open(&file));
    assert_eq!(before.len(), 2);
    assert_eq!(tries(&mut recorder, pid), (0, 0));
    send("TERM", &[pid]);
    recorder.expect_exit(0, SOON);
    let trace = open(&file);
    assert_eq!(births(&trace), before, "nothing is recorded after the end");
    check_prefix(&trace);
}

#[test]
fn a_duration_ends_the_recording_of_a_program_with_a_filter_and_not_its_tracing() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let (mut recorder, file, pid) = waiting(&dir, &["--duration", "300ms"]);
    recorder.wait_stderr("tidrec stays until the program ends", SOON);
    assert_eq!(tries(&mut recorder, pid), (0, 0));
    send("TERM", &[pid]);
    recorder.expect_exit(0, SOON);
    assert!(open(&file).is_complete());
}

#[test]
fn a_second_signal_lets_a_program_with_a_filter_go_crippled() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let (mut recorder, file, pid) = waiting(&dir, &[]);
    recorder.signal("TERM");
    recorder.wait_stderr("tidrec stays until the program ends", SOON);
    recorder.signal("TERM");
    recorder.wait_exit(SOON);
    assert!(open(&file).is_complete());
    assert!(tracers(pid).iter().all(|(.., tracer)| *tracer == 0));
    // What the help says comes of it.
    assert_eq!(tries(&mut recorder, pid), (ENOSYS, ENOSYS));
    send("TERM", &[pid]);
}

#[test]
fn kill_9_leaves_a_program_with_a_filter_running_and_unable_to_create() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let (mut recorder, _, pid) = waiting(&dir, &[]);
    assert_eq!(tries(&mut recorder, pid), (0, 0));
    recorder.signal("KILL");
    recorder.wait_exit(SOON);
    assert_eq!(tries(&mut recorder, pid), (ENOSYS, ENOSYS));
    send("TERM", &[pid]);
}

#[test]
fn without_privilege_a_filter_needs_no_new_privs() {
    if !may_trace() || !is_root() {
        return;
    }
    let dir = TempDir::new();
    fs::set_permissions(
        dir.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o777),
    )
    .expect("let another user write");
    let status = |how: &str| {
        // A copy: another user may not be let into the folder where it was built.
        let binary = dir.join("tidrec");
        fs::copy(env!("CARGO_BIN_EXE_tidrec"), &binary).expect("copy");
        let file = dir.join(how);
        let mut command = Command::new("setpriv");
        command.args(["--reuid=54322", "--clear-groups"]);
        command
            .arg(binary)
            .args(["--failures", how, "-q", "-o"])
            .arg(&file);
        command.args([
            "--",
            "grep",
            "-E",
            "^(NoNewPrivs|Seccomp):",
            "/proc/self/status",
        ]);
        let out = Child::spawn(&mut command).expect_exit(0, SOON);
        out.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(status("off"), ["NoNewPrivs:", "0", "Seccomp:", "0"]);
    assert_eq!(status("syscalls"), ["NoNewPrivs:", "0", "Seccomp:", "0"]);
    assert_eq!(status("seccomp"), ["NoNewPrivs:", "1", "Seccomp:", "2"]);
}

/// A target that tells of its creations and refusals while tidrec comes and goes.
fn busy(log: &Path) -> Child {
    let mut command = Command::new(program("refused"));
    Child::spawn(command.args(["flags", "3", "4000"]).env("LOG", log))
}

/// Attaches, lets go by a signal, and again, until the target ends by itself, unharmed.
fn comes_and_goes(signal: &str) {
    if !may_trace() || !is_root() {
        return;
    }
    let dir = TempDir::new();
    let log = dir.join("log");
    let mut target = busy(&log);
    let mut rounds = 0;
    let mut traces = Vec::new();
    while rounds < 12 && target.try_exit().is_none() {
        let file = dir.join(&format!("trace{rounds}"));
        let mut recorder = start_attach(&file, &[target.pid()], &["--failures", "syscalls"]);
        let mut ended = false;
        wait_until("it records, or there is nobody left", SOON, || {
            ended = recorder.try_exit().is_some();
            ended || recorder.stderr().contains("tidrec: recording ")
        });
        if ended && target.try_exit().is_some() {
            break; // It ended meanwhile.
        }
        std::thread::sleep(Duration::from_micros(20_000 + 1_733 * rounds));
        // It ends by itself, too, if the target does.
        if recorder.try_exit().is_none() {
            send(signal, &[recorder.pid()]);
        }
        recorder.wait_exit(SOON);
        wait_until("all threads are free and run", SOON, || {
            tracers(target.pid())
                .iter()
                .all(|(_, state, tracer)| *tracer == 0 && !matches!(state, 't' | 'T'))
        });
        if signal == "INT" {
            traces.push(open(&file));
        }
        rounds += 1;
    }
    // It checks each call's result itself.
    target.expect_exit(0, 4 * SOON);
    assert!(rounds >= 3, "the target ended after {rounds} rounds");
    let log = fs::read_to_string(log).expect("the log");
    let all = logged(&log);
    assert_eq!(all.len(), 3 * 4000 * 6);
    for trace in &traces {
        check(trace);
        let seen = recorded(trace);
        let (_, invented) = differences(&all, &seen);
        assert_eq!(invented, [], "{} were seen", seen.len());
        let (_, invented) = differences(&made(&log), &births(trace));
        assert_eq!(invented, []);
    }
    let seen: usize = traces.iter().map(|trace| recorded(trace).len()).sum();
    assert!(seen > 0 || signal != "INT", "nothing was refused");
}

#[test]
fn kill_9_amid_system_calls_harms_nobody() {
    comes_and_goes("KILL");
}

#[test]
fn let_go_amid_system_calls() {
    comes_and_goes("INT");
}

#[test]
fn a_stopped_process_stays_stopped_and_goes_on() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("trace");
    let mut target = Child::spawn(&mut Command::new(program("jobctl")));
    target.wait_line("tick 2", SOON);
    let mut recorder = attach(&file, &[target.pid()], &["--failures", "syscalls"]);
    for _ in 0..3 {
        target.signal("STOP");
        wait_until("a group-stop", SOON, || {
            tracers(target.pid())
                .iter()
                .all(|(_, state, _)| *state == 't')
        });
        std::thread::sleep(Duration::from_millis(100));
        target.new_lines();
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(target.new_lines(), [""; 0]);
        target.signal("CONT");
        for thread in 0..3 {
            target.wait_line(&format!("tick {thread}"), SOON);
        }
    }
    recorder.signal("INT");
    recorder.expect_exit(0, SOON);
    check(&open(&file));
    target.new_lines();
    target.wait_line("tick 0", SOON);
    target.signal("TERM");
    target.expect_exit(0, SOON);
}

/// A recorded system call; no result where it did not return.
#[derive(Clone, Debug)]
struct Call {
    name: String,
    number: u64,
    result: Option<i64>,
}

/// The calls of each thread, in order.
fn calls(trace: &Trace) -> BTreeMap<u32, Vec<Call>> {
    let mut all: BTreeMap<u32, Vec<Call>> = BTreeMap::new();
    for event in trace.events() {
        match &event.body {
            EventBody::SyscallEnter {
                task, name, number, ..
            } => all.entry(task.tid.0).or_default().push(Call {
                name: name.to_string(),
                number: *number,
                result: None,
            }),
            EventBody::SyscallExit {
                task,
                name,
                number,
                result,
            } => {
                let calls = all.get_mut(&task.tid.0).expect("it was entered");
                let call = calls.last_mut().expect("it was entered");
                assert_eq!((&call.name, call.number), (&name.to_string(), *number));
                assert_eq!(call.result.replace(*result), None, "twice: {event:?}");
            }
            _ => {}
        }
    }
    all
}

/// A call's name, and what it returned in words: a number or an error's name.
type Returned = (String, String);

/// What each thread called, in order; threads by what they did, since their TIDs differ from run
/// to run. The `execve` of the launch is not among it.
fn by_strace(command: &[&str], names: &str, folder: &Path) -> Vec<Vec<Returned>> {
    let dir = TempDir::new();
    let mut strace = Command::new("strace");
    strace.current_dir(folder);
    strace
        .args(["-qq", "-ff", "-e"])
        .arg(format!("trace={names}"));
    strace.args(["-e", "signal=none", "-o"]).arg(dir.join("s"));
    Child::spawn(strace.args(command)).expect_exit(0, SOON);
    // execve("/bin/cat", ["cat"], 0x…) = -1 ENOENT (No such file or directory)
    let parse = |line: &str| -> Returned {
        let name = line.split('(').next().expect("a name");
        let result = line.rsplit(" = ").next().expect("a result");
        let words: Vec<&str> = result.split(' ').collect();
        let result = match words[..] {
            ["-1", error, ..] => error,
            _ => words[0],
        };
        (name.to_owned(), result.to_owned())
    };
    let mut all = Vec::new();
    for entry in fs::read_dir(dir.path()).expect("a folder") {
        let text = fs::read_to_string(entry.expect("an entry").path()).expect("text");
        let is_first = text.starts_with(&format!("execve(\"{}\"", command[0]));
        let lines = text.lines().skip(usize::from(is_first));
        all.push(lines.map(parse).collect());
    }
    all.retain(|calls: &Vec<_>| !calls.is_empty());
    all.sort();
    all
}

fn by_tidrec(command: &[&str], names: &str, folder: &Path) -> Vec<Vec<Returned>> {
    let dir = TempDir::new();
    let file = dir.join("trace");
    let mut tidrec = tidrec();
    tidrec.current_dir(folder);
    tidrec.args(["-q", "--syscalls", names, "-o"]).arg(&file);
    Child::spawn(tidrec.arg("--").args(command)).expect_exit(0, SOON);
    let trace = open(&file);
    assert_eq!(check(&trace), []);
    assert_eq!(trace.header().option("syscalls"), Some(names));
    assert_eq!(trace.header().option("failures"), Some("syscalls"));
    let returned = |call: Call| {
        let result = call.result.expect("it returned");
        let words = match u16::try_from(-result) {
            Ok(errno @ 1..=4095) => errno_name(errno).into_owned(),
            _ => result.to_string(),
        };
        (call.name, words)
    };
    let threads = calls(&trace).into_values();
    let mut all: Vec<Vec<Returned>> = threads
        .map(|calls| calls.into_iter().map(returned).collect())
        .collect();
    all.sort();
    all
}

/// What a shell command prints: a path. What is called by name may be a script.
fn path_from(line: &str) -> Option<String> {
    let output = Command::new("sh").args(["-c", line]).output();
    let path = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    need(match path {
        Ok(path) if path.starts_with('/') => Ok(path),
        _ => Err(format!("no path from {line:?}")),
    })
}

#[test]
fn system_calls_are_those_that_strace_sees() {
    let python = path_from("python3 -c 'import sys; print(sys.executable)'");
    let (Some(_), Some(python)) = (path_from("command -v strace"), python) else {
        return;
    };
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    for file in 0..20 {
        fs::write(dir.join(&format!("f{file}")), "7\n").expect("write");
    }
    let threads = "import threading\n\
                   def read(n):\n  [open(f'f{n}').read() for _ in range(9)]\n  open('f0').read()\n\
                   for n in range(5):\n  t=threading.Thread(target=read, args=(n,)); t.start(); t.join()\n\
                   try: open('missing')\n\
                   except OSError: pass";
    let pipeline = "cat f1 f2 | grep 7 | sort | head -n 1; (cat missing; true) 2>/dev/null";
    for command in [
        &[&*python, "-I", "-S", "-c", threads][..],
        &["/bin/sh", "-c", pipeline],
    ] {
        let names = "execve,openat";
        // Both find what a first run leaves in caches.
        by_tidrec(command, names, dir.path());
        let strace = by_strace(command, names, dir.path());
        let tidrec = by_tidrec(command, names, dir.path());
        assert!(strace.len() >= 5, "{strace:?}");
        let (missed, invented) = differences(&strace, &tidrec);
        assert_eq!((missed, invented), (vec![], vec![]), "{command:?}");
    }
}

#[test]
fn calls_that_do_not_return_have_an_entry_alone() {
    if !may_trace() {
        return;
    }
    let recording = launch(
        &["--syscalls", "exit,exit_group,clone,clone3"],
        program("joiner"),
        ["3", "1"],
    );
    assert_eq!(recording.status.code(), Some(0), "{}", recording.stderr);
    let births = births(&recording.trace);
    assert_eq!(births, made(&recording.log));
    let calls = calls(&recording.trace);
    let of = |tid: u32| {
        let calls = calls.get(&tid).into_iter().flatten();
        calls
            .map(|call| (call.name.clone(), call.result))
            .collect::<Vec<_>>()
    };
    let main = of(recording.pid());
    // The births, as a debugger that follows threads by system calls would learn of them.
    let mut children: Vec<i64> = main.iter().filter_map(|(_, result)| *result).collect();
    children.sort_unstable();
    let mut expected: Vec<i64> = births.iter().map(|made| i64::from(made.child)).collect();
    expected.sort_unstable();
    assert_eq!(children, expected);
    assert_eq!(main.last(), Some(&("exit_group".to_owned(), None)));
    for made in births.iter().take(3) {
        let ends = of(made.child);
        assert!(
            ends.is_empty() || ends == [("exit".to_owned(), None)],
            "{ends:?}"
        );
    }
}

#[test]
fn every_call_can_be_recorded_and_exec_by_another_thread_comes_back_to_the_leader() {
    if !may_trace() {
        return;
    }
    let recording = launch(&["--syscalls", "all"], program("execer"), ["3"]);
    assert_eq!(recording.status.code(), Some(7), "{}", recording.stderr);
    assert_eq!(check(&recording.trace), []);
    let events = recording.trace.events();
    let entered: Vec<u32> = events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::SyscallEnter { task, name, .. } if name.as_bytes() == b"execve" => {
                Some(task.tid.0)
            }
            _ => None,
        })
        .collect();
    let left: Vec<(u32, i64)> = events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::SyscallExit {
                task, name, result, ..
            } if name.as_bytes() == b"execve" => Some((task.tid.0, *result)),
            _ => None,
        })
        .collect();
    assert_eq!(left, [(recording.pid(), 0)]);
    assert_eq!(entered.len(), 1);
    assert_ne!(
        entered[0],
        recording.pid(),
        "by a thread that is not the leader"
    );
}

#[test]
fn what_cannot_be_is_said_and_nothing_is_recorded() {
    let dir = TempDir::new();
    let says = |args: &[&str], words: &[&str]| {
        let file = dir.join("t");
        let mut child = Child::spawn(tidrec().arg("-o").arg(&file).args(args));
        child.wait_exit(SOON);
        child.wait_output(SOON);
        assert_eq!(child.try_exit().and_then(|status| status.code()), Some(2));
        let said = child.stderr();
        for word in words {
            assert!(said.contains(word), "{said}");
        }
        assert!(!file.exists());
    };
    says(
        &["--failures", "seccomp", "-p", "1"],
        &[
            "only for a command that tidrec launches",
            "use --failures syscalls",
        ],
    );
    says(
        &["--syscalls", "futex,openta", "--", "true"],
        &[
            "\"openta\" is no system call that this machine knows",
            "openat",
        ],
    );
    says(
        &[
            "--failures",
            "seccomp",
            "--new-threads",
            "detach",
            "--",
            "true",
        ],
        &["could create no thread and no process any more"],
    );
}
