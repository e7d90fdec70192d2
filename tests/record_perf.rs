//! Recording by perf events: what is recorded equals what the tracees say, and what ptrace records of the
//! same programs; nobody is stopped, and nothing is left behind.

#![cfg(target_os = "linux")]

mod support;
#[path = "support/trace.rs"]
mod trace;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use support::{
    Child, Made, TempDir, cases, made, need, num_threads, program, scale, send, tracer_of,
};
use tidline::model::{Birth, End, Ended, EventBody, FrameId, StackEnd, Task, Trace};
use trace::{
    Recording, SOON, birth_events, births, check, differences, execs, existing, exits, launch,
    may_watch, open, patience, printed_tids, ready, tidrec, try_open, wait_until,
};

const PERF: [&str; 2] = ["--backend", "perf"];

/// Where stacks are compared: other tests' rushes of creations are in the same rings.
const ROOMY: [&str; 4] = ["--backend", "perf", "--ring-kb", "32768"];

fn by_perf(options: &[&str], name: &str, args: &[&str]) -> Recording {
    launch(&[&PERF[..], options].concat(), program(name), args)
}

fn counter(trace: &Trace, name: &str) -> u64 {
    let mut all = trace.counters().iter();
    let found = all.find(|(known, _)| known == name);
    found.unwrap_or_else(|| panic!("no counter {name}")).1
}

/// tidrec by perf, attached: it has said that it is recording.
fn watch(file: &Path, options: &[&str]) -> Child {
    let mut command = tidrec();
    command.args(PERF).args(options).arg("-o").arg(file);
    let mut child = Child::spawn(&mut command);
    child.wait_stderr("tidrec: recording ", SOON);
    child
}

/// How tasks came to be: the kernel's word, thread or process, the flags, and who the creator was. Two runs
/// of one program have the same.
fn kinds(trace: &Trace) -> Vec<(String, Option<u64>, String)> {
    let mut all: Vec<_> = birth_events(trace)
        .map(|birth| {
            let parent = birth.parent.expect("the creator is known");
            let creator = if parent.is_leader() {
                "process"
            } else {
                "thread"
            };
            let words = format!(
                "{} {} by a {creator}",
                birth.via.as_str(),
                birth.what.as_str()
            );
            let parent = trace.tasks().iter().filter(|record| record.task == parent);
            let mut name = parent.map(|record| record.names[0].1.to_string());
            (words, birth.flags, name.next_back().unwrap_or_default())
        })
        .collect();
    all.sort();
    all
}

/// Programs with their arguments and exit codes. What they make is the same in every run.
const PROGRAMS: [(&str, &[&str], i32); 11] = [
    ("interval", &["5", "4"], 0),
    ("joiner", &["300", "5"], 0),
    ("forker", &["3", "2", "3"], 0),
    ("vforker", &["5"], 0),
    ("kinds", &[], 0),
    ("execer", &["3"], 7),
    ("execstorm", &["16", "3"], 0),
    ("deadleader", &["50", "3"], 0),
    ("turns", &["40"], 0),
    ("exits", &["group-from-thread", "3", "9"], 9),
    ("exits", &["kill", "3", "0"], 128 + 9),
];

#[test]
fn the_same_as_the_program_says_and_as_ptrace_records() {
    if !may_watch() {
        return;
    }
    for (name, args, code) in PROGRAMS {
        let perf = by_perf(&[], name, args);
        assert_eq!(perf.status.code(), Some(code), "{name}: {}", perf.stderr);
        assert_eq!(perf.trace.header().backend, "perf");
        assert_eq!(check(&perf.trace), [], "{name}");
        let logged = made(&perf.log);
        assert!(!logged.is_empty(), "{name}");
        let different = differences(&logged, &births(&perf.trace));
        assert_eq!(different, (vec![], vec![]), "{name}");
        let ptrace = launch(&["--backend", "ptrace"], program(name), args);
        // Which of its threads creates is a matter of chance in that one.
        if name != "deadleader" {
            assert_eq!(kinds(&perf.trace), kinds(&ptrace.trace), "{name}");
        }
        let of = |recording: &Recording| {
            let ends = exits(&recording.trace).into_iter();
            let mut ends: Vec<End> = ends.map(|(_, end)| end).collect();
            ends.sort();
            // How many threads it makes is a matter of time.
            if name == "deadleader" {
                ends.dedup();
            }
            ends
        };
        assert_eq!(of(&perf), of(&ptrace), "{name}: how they ended");
        let programs = |recording: &Recording| {
            let all = execs(&recording.trace).into_iter();
            let all = all.map(|(task, former, _)| task.tid == former);
            all.collect::<Vec<bool>>()
        };
        assert_eq!(programs(&perf), programs(&ptrace), "{name}: execs");
        assert_eq!(counter(&perf.trace, "ends_unknown"), 0, "{name}");
    }
}

#[test]
fn each_kind_of_creation_has_the_flags_that_were_passed() {
    if !may_watch() {
        return;
    }
    for options in [&[][..], &["--stacks", "off"]] {
        let recording = by_perf(options, "kinds", &[]);
        let flags: BTreeMap<u32, Option<u64>> = birth_events(&recording.trace)
            .map(|birth| (birth.child.tid.0, birth.flags))
            .collect();
        let all = cases(&recording.log);
        assert!(all.len() >= 20, "{}", recording.log);
        for case in all {
            let seen = flags.get(&case.made.child).copied();
            assert_eq!(seen, Some(Some(case.flags)), "{} {options:?}", case.name);
        }
        assert!(birth_events(&recording.trace).all(|birth| birth.pc.is_some()));
    }
}

#[test]
fn creations_that_no_tracer_hears_of_are_seen() {
    if !may_watch() {
        return;
    }
    let recording = by_perf(&[], "kinds", &["untraced"]);
    let said = [&*recording.log, &*recording.stdout].concat();
    let unseen: Vec<Made> = said
        .lines()
        .filter_map(|line| line.strip_prefix("unseen "))
        .map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
            [kind, "parent", parent, "child", child, ..] => {
                let number = |word: &str| word.parse().expect("a TID");
                Made::new(kind, number(parent), number(child))
            }
            _ => panic!("{line:?}"),
        })
        .collect();
    assert!(unseen.len() >= 3, "{said}");
    let mut expected = [made(&recording.log), unseen].concat();
    expected.sort();
    let different = differences(&expected, &births(&recording.trace));
    assert_eq!(different, (vec![], vec![]));
}

/// Records again where stacks were dropped: other tests' rushes of creations are in the same rings.
fn with_all_stacks<T>(mut record: impl FnMut() -> (T, u64)) -> T {
    let mut tries = (0..30).map(|_| record());
    let found = tries.find(|(_, dropped)| *dropped == 0);
    found.expect("stacks were dropped each time").0
}

/// The same of a program that is launched.
fn launch_with_all_stacks(program: impl AsRef<std::ffi::OsStr>, args: &[&str]) -> Recording {
    with_all_stacks(|| {
        let recording = launch(&ROOMY, &program, args);
        let dropped = counter(&recording.trace, "stacks_dropped");
        (recording, dropped)
    })
}

/// A place in a file: code is elsewhere in each run of a program.
type Place = (String, u64);

fn place(trace: &Trace, frame: FrameId) -> Place {
    let stacks = trace.stacks();
    let frame = stacks.frame(frame).expect("a frame that is defined");
    let module = frame.module.and_then(|module| stacks.module(module));
    let module = module.map(|module| module.path.to_string());
    (module.unwrap_or_default(), frame.address)
}

/// The whole call stack of a creation, innermost first.
fn site(trace: &Trace, birth: &Birth) -> Vec<Place> {
    let stack = birth.stack.unwrap_or_else(|| panic!("no stack: {birth:?}"));
    let stacks = trace.stacks();
    assert_eq!(stacks.end(stack), Some(StackEnd::Bottom), "{birth:?}");
    let nodes = stacks.walk(stack);
    nodes.map(|(_, node)| place(trace, node.frame)).collect()
}

/// From where things were made, and how many of each kind.
fn sites(trace: &Trace) -> Vec<(Vec<Place>, &'static str)> {
    let mut all: Vec<_> = birth_events(trace)
        .map(|birth| (site(trace, birth), birth.what.as_str()))
        .collect();
    all.sort();
    all
}

/// One birth by all that both ways to record know of it.
type Known = (u32, u32, &'static str, Option<u64>, Vec<Place>);

/// The births below a task, its own included.
fn known_below(trace: &Trace, pid: u32) -> Vec<Known> {
    let mut below = std::collections::HashSet::from([pid]);
    let mut all = Vec::new();
    for birth in birth_events(trace) {
        let parent = birth.parent.expect("the creator is known").tid.0;
        if below.contains(&parent) {
            let child = birth.child.tid.0;
            below.insert(child);
            let (what, site) = (birth.what.as_str(), site(trace, birth));
            all.push((parent, child, what, birth.flags, site));
        }
    }
    all.sort();
    all
}

#[test]
fn beside_ptrace_both_record_the_same() {
    if !may_watch() {
        return;
    }
    let programs: [(&str, &[&str]); 3] = [
        ("forker", &["3", "2", "3"]),
        ("joiner", &["200", "20"]),
        ("vforker", &["5"]),
    ];
    let both = |name: &str, args: &[&str]| {
        let dir = TempDir::new();
        let (inner, outer) = (dir.join("ptrace"), dir.join("perf"));
        let mut command = tidrec();
        command.args(ROOMY).arg("-o").arg(&outer).arg("--");
        command
            .arg(env!("CARGO_BIN_EXE_tidrec"))
            .args(["--backend", "ptrace", "-o"])
            .arg(&inner);
        command.arg("--").arg(program(name)).args(args);
        Child::spawn(&mut command).expect_exit(0, patience());
        let (inner, outer) = (open(&inner), open(&outer));
        let dropped = [&inner, &outer].map(|trace| counter(trace, "stacks_dropped"));
        ((inner, outer), dropped.iter().sum())
    };
    for (name, args) in programs {
        let (inner, outer) = with_all_stacks(|| both(name, args));
        let pid = inner.header().targets[0].pid;
        let by_ptrace = known_below(&inner, pid);
        assert_eq!(by_ptrace.len(), birth_events(&inner).count(), "{name}");
        let different = differences(&by_ptrace, &known_below(&outer, pid));
        assert_eq!(different, (vec![], vec![]), "{name}");
    }
}

#[test]
fn programs_that_end_before_anybody_has_looked_have_their_stacks() {
    if !may_watch() {
        return;
    }
    let programs: [(&str, &[&str]); 4] = [
        ("interval", &["1", "3"]),
        ("forker", &["2", "2", "2"]),
        ("vforker", &["3"]),
        ("execstorm", &["4", "2"]),
    ];
    for (name, args) in programs {
        let perf = launch_with_all_stacks(program(name), args);
        let ptrace = launch(&["--backend", "ptrace"], program(name), args);
        let (perf, ptrace) = (sites(&perf.trace), sites(&ptrace.trace));
        assert!(perf.len() >= 3, "{name}");
        assert_eq!(differences(&ptrace, &perf), (vec![], vec![]), "{name}");
    }
}

#[test]
fn threads_that_live_for_a_while_have_their_start_routines() {
    if !may_watch() {
        return;
    }
    // Each lives for so long that it is looked at; where the next ones take its memory it does not matter.
    let args = ["5", "20", "400"];
    let starts = |recording: Recording| {
        let starts = birth_events(&recording.trace).map(|birth| birth.start);
        let starts = starts.map(|start| start.map(|start| place(&recording.trace, start)));
        starts.collect::<Vec<_>>()
    };
    let by_ptrace = starts(launch(&["--backend", "ptrace"], program("interval"), args));
    assert_eq!(by_ptrace.len(), 20);
    assert!(by_ptrace.iter().all(Option::is_some), "{by_ptrace:?}");
    let by_perf = launch_with_all_stacks(program("interval"), &args);
    assert_eq!(starts(by_perf), by_ptrace);
    // One that has ended by then has none, or its own: its memory is the next one's.
    let short = ["0", "300", "0"];
    let recording = launch(&PERF, program("interval"), short);
    let known = birth_events(&recording.trace).filter_map(|birth| birth.start);
    for start in known {
        assert_eq!(Some(place(&recording.trace, start)), by_ptrace[0]);
    }
}

#[test]
fn an_exec_names_the_file_that_the_process_runs() {
    if !may_watch() {
        return;
    }
    let dir = TempDir::new();
    // A script, called by a relative name and through a link, that does the same with a program.
    let script = dir.join("script");
    fs::write(&script, "#!/bin/sh\nsleep 0.3\nexec ./program 100 3\n").expect("a script");
    let is_set = Command::new("chmod").arg("755").arg(&script).status();
    assert!(is_set.expect("chmod").success());
    std::os::unix::fs::symlink(&script, dir.join("link")).expect("a link");
    let interval = program("interval");
    std::os::unix::fs::symlink(&interval, dir.join("program")).expect("a link");
    let folder = dir.path().to_str().expect("a path");
    let args = ["-c", "sleep 0.3; cd \"$1\"; exec ./link", "sh", folder];
    let files = |recording: Recording| {
        assert_eq!(recording.status.code(), Some(0), "{}", recording.stderr);
        let files = execs(&recording.trace).into_iter();
        let files: Vec<String> = files.map(|(_, _, file)| file.to_string()).collect();
        assert_eq!(sites(&recording.trace).len(), 5);
        files
    };
    let by_ptrace = files(launch(&["--backend", "ptrace"], "sh", args));
    assert_eq!(by_ptrace.len(), 5, "{by_ptrace:?}");
    let real = fs::canonicalize(interval).expect("a file");
    assert_eq!(by_ptrace[4], real.to_str().expect("a path"));
    assert_eq!(files(launch_with_all_stacks("sh", &args)), by_ptrace);
}

#[test]
fn an_exec_off_the_leader_is_one_process_with_its_siblings_ends() {
    if !may_watch() {
        return;
    }
    let recording = by_perf(&[], "execer", &["3"]);
    let pid = recording.pid();
    let by: Vec<(u32, bool)> = execs(&recording.trace)
        .iter()
        .skip(1)
        .map(|(task, former, _)| (task.tid.0, task.tid == *former))
        .collect();
    assert_eq!(by, [(pid, false)], "{:?}", execs(&recording.trace));
    let became = |record: &&tidline::model::TaskRecord| record.how == Ended::BecameLeader;
    assert_eq!(recording.trace.tasks().iter().filter(became).count(), 1);
}

/// The refusals of a trace by thread and error; the C library chooses the call.
fn refusals(trace: &Trace) -> Vec<(u32, u16)> {
    let mut all: Vec<(u32, u16)> = trace
        .events()
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::CreateFailed {
                task, errno, pc, ..
            } => {
                assert!(pc.is_some(), "{event:?}");
                Some((task.tid.0, *errno))
            }
            _ => None,
        })
        .collect();
    all.sort_unstable();
    all
}

#[test]
fn refused_creations_are_recorded_without_an_option() {
    if !may_watch() {
        return;
    }
    for args in [&["limit", "12"][..], &["flags", "4", "20"]] {
        let recording = by_perf(&[], "refused", args);
        assert_eq!(recording.status.code(), Some(0), "{}", recording.stderr);
        assert_eq!(check(&recording.trace), []);
        let mut logged: Vec<(u32, u16)> = recording
            .log
            .lines()
            .filter(|line| line.starts_with("refused "))
            .map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                (
                    words[3].parse().expect("a TID"),
                    words[5].parse().expect("an error"),
                )
            })
            .collect();
        logged.sort_unstable();
        assert!(logged.len() >= 16, "{}", recording.log);
        let different = differences(&logged, &refusals(&recording.trace));
        assert_eq!(different, (vec![], vec![]), "{args:?}");
        let of_births = differences(&made(&recording.log), &births(&recording.trace));
        assert_eq!(of_births, (vec![], vec![]), "{args:?}");
    }
    let recording = by_perf(&["--failures", "off"], "refused", &["flags", "1", "2"]);
    assert_eq!(refusals(&recording.trace), []);
    assert_eq!(recording.trace.header().option("failures"), Some("off"));
}

#[test]
fn tids_that_come_again_are_other_tasks() {
    if !may_watch() {
        return;
    }
    // Every TID of the machine once, nearly: by chains, which use them up.
    let links = scale("400", "6000");
    let recording = by_perf(&[], "chains", &["8", "300", links]);
    assert_eq!(recording.status.code(), Some(0), "{}", recording.stderr);
    assert_eq!(check(&recording.trace), []);
    let different = differences(&made(&recording.log), &births(&recording.trace));
    assert_eq!(different, (vec![], vec![]));
}

#[test]
fn attached_while_chains_run_no_task_is_missed_or_told_twice() {
    if !may_watch() {
        return;
    }
    let dir = TempDir::new();
    for round in 0..scale(6, 100) {
        let (file, log) = (
            dir.join(&format!("t{round}")),
            dir.join(&format!("l{round}")),
        );
        let mut command = Command::new(program("chains"));
        let mut chains = Child::spawn(command.args(["12", "600"]).env("LOG", &log));
        let pid = ready(&mut chains);
        let options = ["-p", &pid.to_string(), "--ring-kb", "32768"];
        let mut recorder = watch(&file, &options);
        // However long that took, they go on for some hundred links.
        let logged = || fs::metadata(&log).expect("a log").len();
        let before = logged();
        wait_until("more links", SOON, || logged() > before + 20_000);
        chains.signal("USR1");
        chains.expect_exit(0, SOON);
        recorder.expect_exit(0, SOON);
        let trace = open(&file);
        assert_eq!(check(&trace), [], "none is left alive");
        // The log has all. What the recording has not was made before it began: what is in it is there
        // from some moment on, chain by chain.
        let (missing, added) = differences(
            &made(&fs::read_to_string(&log).expect("a log")),
            &births(&trace),
        );
        assert_eq!(added, []);
        let there = existing(&trace);
        assert!(there.contains(&Task::new(pid, pid)), "{there:?}");
        // Whoever existed and was not the leader was made before.
        for task in there.iter().filter(|task| !task.is_leader()) {
            assert!(
                missing.iter().any(|made| made.child == task.tid.0),
                "{task:?} was there, and its birth is recorded too"
            );
        }
    }
}

#[test]
fn five_thousand_idle_threads_are_found_and_nobody_is_stopped() {
    if !may_watch() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("trace");
    let mut sleeper = Child::run(program("sleeper"), ["5000"]);
    let pid = ready(&mut sleeper);
    let mut recorder = watch(&file, &["-p", &pid.to_string()]);
    assert!(
        recorder.stderr().contains("5001 threads"),
        "{}",
        recorder.stderr()
    );
    assert_eq!(tracer_of(pid), Some(0));
    recorder.signal("INT");
    recorder.expect_exit(0, SOON);
    let trace = open(&file);
    let alive = check(&trace);
    assert_eq!(alive.len(), 5001);
    assert_eq!(alive, existing(&trace));
    assert_eq!(num_threads(pid), Some(5001));
}

#[test]
fn at_full_speed_nothing_is_lost_or_the_loss_is_counted() {
    if !may_watch() {
        return;
    }
    let count = scale(40_000u64, 200_000);
    let recording = by_perf(&[], "joiner", &[&count.to_string()]);
    assert_eq!(recording.status.code(), Some(0), "{}", recording.stderr);
    let trace = &recording.trace;
    let lost: u64 = trace
        .events()
        .iter()
        .map(|event| match event.body {
            EventBody::Lost { count, .. } => count,
            _ => 0,
        })
        .sum();
    assert_eq!(lost, counter(trace, "kernel_lost"));
    let seen = birth_events(trace).count() as u64;
    if lost == 0 {
        assert_eq!(check(trace), []);
        assert_eq!(seen, count);
    } else {
        // Others' tasks are among what was lost.
        assert!(
            seen < count && seen + lost >= count,
            "{seen} seen, {lost} lost"
        );
    }
}

#[test]
fn what_is_lost_is_counted_to_the_number_and_then_looked_for() {
    if !may_watch() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("trace");
    // The smallest ring, and a recorder that is stopped for a while.
    let mut command = tidrec();
    command
        .args(PERF)
        .args(["--ring-kb", "64", "-o"])
        .arg(&file);
    let script = "echo started; sleep 0.2; \"$1\" 4000 >/dev/null; \"$2\" 3 & wait";
    command.args(["--", "sh", "-c", script, "sh"]);
    command.arg(program("joiner")).arg(program("sleeper"));
    let mut recorder = Child::spawn(&mut command);
    recorder.wait_line("started", SOON);
    recorder.signal("STOP");
    // All of this is over before the recorder goes on: it has to find the sleeper by looking.
    let pid = ready(&mut recorder);
    recorder.signal("CONT");
    wait_until("the sleeper to be found", SOON, || {
        try_open(&file).is_ok_and(|trace| {
            let found = trace.tasks().iter();
            found.filter(|record| record.task.pid.0 == pid).count() == 4
        })
    });
    send("TERM", &[pid]);
    recorder.wait_exit(SOON);
    recorder.wait_output(SOON);
    assert!(recorder.stderr().contains("LOST"), "{}", recorder.stderr());
    let trace = open(&file);
    let lost: u64 = trace
        .events()
        .iter()
        .map(|event| match event.body {
            EventBody::Lost { count, .. } => count,
            _ => 0,
        })
        .sum();
    assert_eq!(lost, counter(&trace, "kernel_lost"));
    let sleeper: Vec<_> = trace
        .tasks()
        .iter()
        .filter(|record| record.task.pid.0 == pid)
        .collect();
    assert_eq!(sleeper.len(), 4, "{sleeper:?}");
    let left = trace
        .tasks()
        .iter()
        .filter(|record| record.how == Ended::Alive);
    assert_eq!(left.count(), 0);
}

#[test]
fn the_whole_system_has_this_program_in_it() {
    if !may_watch() {
        return;
    }
    let dir = TempDir::new();
    let (file, log) = (dir.join("trace"), dir.join("log"));
    let mut recorder = watch(&file, &["--all"]);
    let mut command = Command::new(program("forker"));
    let mut child = Child::spawn(command.args(["2", "2", "2"]).env("LOG", &log));
    child.expect_exit(0, SOON);
    std::thread::sleep(Duration::from_millis(100));
    recorder.signal("INT");
    recorder.wait_exit(SOON);
    let trace = open(&file);
    let seen = births(&trace);
    let logged = made(&fs::read_to_string(log).expect("a log"));
    let (missing, _) = differences(&logged, &seen);
    assert_eq!(missing, []);
    let own = std::process::id();
    let is_born = seen
        .iter()
        .any(|made| made.child == child.pid() && made.kind == "process");
    assert!(is_born, "{}", child.pid());
    assert!(existing(&trace).contains(&Task::new(own, own)));
    assert!(
        !existing(&trace).contains(&Task::new(2, 2)),
        "a kernel thread"
    );
    assert!(trace.header().targets.is_empty());
}

/// A control group of ours, removed at the end.
struct Cgroup(PathBuf);

impl Cgroup {
    fn make() -> Result<Cgroup, String> {
        let name = format!("tidline-perf-{}", std::process::id());
        let roots = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"];
        for folder in roots.map(|root| Path::new(root).join(&name)) {
            if fs::create_dir_all(folder.join("below")).is_ok()
                && folder.join("cgroup.procs").exists()
            {
                return Ok(Cgroup(folder));
            }
        }
        Err("no control group can be made here".to_owned())
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for folder in [self.0.join("below"), self.0.clone()] {
            // It is busy until its last task is quite gone.
            for _ in 0..1000 {
                match fs::remove_dir(&folder) {
                    Err(error) if error.raw_os_error() == Some(16) => {
                        std::thread::sleep(Duration::from_millis(2));
                    }
                    _ => break,
                }
            }
        }
    }
}

#[test]
fn a_control_group_and_what_comes_into_it() {
    if !may_watch() {
        return;
    }
    let Some(group) = need(Cgroup::make()) else {
        return;
    };
    let dir = TempDir::new();
    let file = dir.join("trace");
    let mut sleepers: Vec<Child> = (0..3)
        .map(|_| Child::run(program("sleeper"), ["2"]))
        .collect();
    let pids: Vec<u32> = sleepers.iter_mut().map(ready).collect();
    let put = |pid: u32, folder: &Path| {
        fs::write(folder.join("cgroup.procs"), pid.to_string()).expect("move a process");
    };
    put(pids[0], &group.0);
    let mut recorder = watch(&file, &["--cgroup", group.0.to_str().expect("a path")]);
    put(pids[1], &group.0.join("below"));
    std::thread::sleep(Duration::from_millis(2500));
    sleepers[1].signal("TERM");
    sleepers[1].expect_exit(0, SOON);
    std::thread::sleep(Duration::from_millis(100));
    recorder.signal("INT");
    recorder.expect_exit(0, SOON);
    let trace = open(&file);
    let groups: Vec<u32> = existing(&trace).iter().map(|task| task.pid.0).collect();
    let count = |pid| groups.iter().filter(|group| **group == pid).count();
    assert_eq!(
        pids.iter().map(|pid| count(*pid)).collect::<Vec<_>>(),
        [3, 3, 0]
    );
    let ended: Vec<u32> = exits(&trace).iter().map(|(task, _)| task.pid.0).collect();
    assert_eq!(ended, [pids[1]; 3]);
}

#[test]
fn a_tree_is_recorded_and_how_its_processes_end() {
    if !may_watch() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("trace");
    let script = "\"$1\" 2 & sleep 300 & echo ready $$; wait -n; exit 3";
    let mut command = Command::new("bash");
    command.args(["-c", script, "bash"]).arg(program("sleeper"));
    let mut shell = Child::spawn(&mut command);
    let first = ready(&mut shell);
    let second = ready(&mut shell);
    let (pid, sleeper) = (
        shell.pid(),
        if first == shell.pid() { second } else { first },
    );
    let mut recorder = watch(&file, &["-p", &pid.to_string(), "--tree"]);
    assert!(
        recorder.stderr().contains("5 threads"),
        "{}",
        recorder.stderr()
    );
    send("KILL", &[sleeper]);
    assert_eq!(shell.wait_exit(SOON).code(), Some(3));
    std::thread::sleep(Duration::from_millis(200));
    recorder.signal("TERM");
    recorder.expect_exit(0, SOON);
    let trace = open(&file);
    let how = |tid: u32| {
        let end = exits(&trace)
            .into_iter()
            .find(|(task, _)| task.tid.0 == tid);
        end.map(|(_, end)| end)
    };
    let killed = End::Signal {
        number: 9,
        core: false,
    };
    assert_eq!((how(sleeper), how(pid)), (Some(killed), Some(End::Code(3))));
}

/// By hand, and alone: `cargo test -p tidline-recorder --test record_perf -- --ignored processor`.
#[test]
#[ignore = "switches a processor of the whole machine off and on"]
fn a_processor_that_was_off_is_watched_again_and_the_time_between_is_a_gap() {
    const SWITCH: &str = "/sys/devices/system/cpu/cpu1/online";
    let dir = TempDir::new();
    let file = dir.join("trace");
    let mut target = Child::run(program("interval"), ["10", "300"]);
    target.wait_line("process: ", SOON);
    let mut recorder = watch(&file, &["-p", &target.pid().to_string()]);
    fs::write(SWITCH, "0").expect("root may switch processors off");
    std::thread::sleep(Duration::from_millis(100));
    fs::write(SWITCH, "1").expect("and on");
    let stdout = target.expect_exit(0, SOON);
    // It ends when the target does, though an end may have been missed, and says that not all is there.
    recorder.expect_exit(3, SOON);

    let trace = open(&file);
    let told: Vec<String> = trace
        .events()
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::Gap { detail, .. } => Some(detail.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(
        told,
        ["processor 1 was switched on: what happened there is not known"]
    );
    let printed = printed_tids(stdout.lines());
    let known: Vec<u32> = trace.tasks().iter().map(|task| task.task.tid.0).collect();
    assert_eq!(differences(&printed, &known).1, [], "never invented");
    // Those that came when both processors were watched again.
    let last: Vec<u32> = printed_in_order(&stdout).split_off(100);
    assert!(
        last.iter().all(|tid| known.contains(tid)),
        "{last:?} {known:?}"
    );
}

/// The TIDs of the lesson's lines, in their order.
fn printed_in_order(stdout: &str) -> Vec<u32> {
    let lines = stdout.lines();
    let tids = lines.filter_map(|line| line.rsplit_once("thread: ")?.1.parse().ok());
    tids.collect()
}

#[test]
fn a_recorder_that_is_killed_leaves_nothing_behind() {
    if !may_watch() {
        return;
    }
    let dir = TempDir::new();
    let mounts = || fs::read_to_string("/proc/self/mounts").expect("mounts");
    let before = mounts();
    let mut sleeper = Child::run(program("sleeper"), ["20"]);
    let pid = ready(&mut sleeper);
    let mut recorder = watch(&dir.join("trace"), &["-p", &pid.to_string()]);
    let file = dir.join("trace");
    wait_until("all is in the file", SOON, || {
        trace::try_open(&file).is_ok_and(|trace| existing(&trace).len() == 21)
    });
    recorder.signal("KILL");
    recorder.wait_exit(SOON);
    assert_eq!(mounts(), before);
    // A second one finds everything as the first did.
    let again = dir.join("again");
    let mut recorder = watch(&again, &["-p", &pid.to_string()]);
    recorder.signal("INT");
    recorder.expect_exit(0, SOON);
    assert_eq!(existing(&open(&again)), existing(&open(&file)));
    sleeper.signal("TERM");
    sleeper.expect_exit(0, SOON);
}

#[test]
fn tracefs_that_is_not_mounted_is_mounted_for_us_alone() {
    if !may_watch() {
        return;
    }
    let dir = TempDir::new();
    let script = "umount -l /sys/kernel/tracing 2>/dev/null; umount -l /sys/kernel/debug 2>/dev/null; \
                  cat /proc/self/mounts > \"$1\"; shift; exec \"$@\"";
    let (mounts, file) = (dir.join("mounts"), dir.join("trace"));
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(&mounts);
    command.arg(env!("CARGO_BIN_EXE_tidrec")).args(PERF);
    command
        .arg("-o")
        .arg(&file)
        .args(["--", "cat", "/proc/self/mounts"]);
    let mut child = Child::spawn(&mut command);
    let after = child.expect_exit(0, SOON);
    let before = fs::read_to_string(mounts).expect("mounts");
    assert!(!before.contains("tracefs"), "{before}");
    assert_eq!(after, before);
    assert_eq!(check(&open(&file)), []);
}

#[test]
fn auto_takes_perf_and_says_so_and_ptrace_where_an_option_needs_it() {
    if !may_watch() {
        return;
    }
    let auto = launch(&["--backend", "auto"], "true", [""; 0]);
    assert_eq!(auto.trace.header().backend, "perf");
    assert!(auto.stderr.contains("by perf"), "{}", auto.stderr);
    let options = ["--backend", "auto", "--follow-fork", "parent"];
    let needed = launch(&options, "true", [""; 0]);
    assert_eq!(needed.trace.header().backend, "ptrace");
    let said = "by ptrace, and not by perf: --follow-fork";
    assert!(needed.stderr.contains(said), "{}", needed.stderr);
    let mut command = tidrec();
    command
        .args(PERF)
        .args(["--syscalls", "futex", "--", "true"]);
    let mut child = Child::spawn(&mut command);
    child.expect_exit(2, SOON);
    assert!(
        child.stderr().contains("--syscalls needs --backend ptrace"),
        "{}",
        child.stderr()
    );
}

#[test]
fn who_may_not_is_told_what_would_help() {
    if !may_watch() {
        return;
    }
    let dir = TempDir::new();
    let copy = dir.join("tidrec");
    support::copy_program(env!("CARGO_BIN_EXE_tidrec"), &copy);
    let open_to_all = Command::new("chmod").arg("755").arg(dir.path()).status();
    assert!(open_to_all.expect("chmod").success());
    let as_nobody = |backend: &str, file: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        command
            .arg(&copy)
            .args(["--backend", backend, "--force", "-o", file, "--", "true"]);
        let mut child = Child::spawn(&mut command);
        let status = child.wait_exit(SOON);
        child.wait_output(SOON);
        (status.code(), child.stderr())
    };
    let (code, said) = as_nobody("perf", "/dev/null");
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("CAP_PERFMON") && said.contains("--backend ptrace"),
        "{said}"
    );
    let (code, said) = as_nobody("auto", "/dev/null");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("by ptrace, and not by perf"), "{said}");
}
