//! Attaching to what runs already: no thread is missed, and the target is left as it was,
//! however the recording ends.

#![cfg(target_os = "linux")]

mod support;
#[path = "support/trace.rs"]
mod trace;

use std::collections::HashSet;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use support::{Child, Made, TempDir, made, program, scale, thread_states, tracer_of, tracers};
use tidline::model::{DetachReason, End, Ended, Ending, EventBody, GapReason, Task, Tid, Trace};
use trace::{
    SOON, assert_unbroken, attach, birth_events, births, check, check_prefix, differences, execs,
    existing, exits, may_trace, moments, open, printed_tids, ready, start_attach, tidrec, try_open,
    wait_until,
};

/// Starts a tracee with a log.
fn tracee(name: &str, args: &[&str], log: &Path) -> Child {
    Child::spawn(Command::new(program(name)).args(args).env("LOG", log))
}

/// Ends a recording, which must be whole.
fn finish(mut recorder: Child, file: &Path) -> Trace {
    recorder.signal("INT");
    recorder.expect_exit(0, SOON);
    let trace = open(file);
    check(&trace);
    assert_eq!(
        trace.integrity().ending,
        Ending::Finished("tidrec got SIGINT".into())
    );
    trace
}

/// The TIDs that were there when the recording began.
fn existing_tids(trace: &Trace) -> Vec<u32> {
    existing(trace).iter().map(|task| task.tid.0).collect()
}

fn tids(pid: u32) -> Vec<u32> {
    thread_states(pid).into_iter().map(|(tid, _)| tid).collect()
}

/// Each thread is traced by nobody, and in one of these states.
fn assert_free(pid: u32, states: &str) {
    let threads = tracers(pid);
    assert!(!threads.is_empty(), "process {pid} is gone");
    for (tid, state, tracer) in threads {
        assert_eq!(tracer, 0, "thread {tid} of {pid}");
        assert!(states.contains(state), "thread {tid} of {pid}: {state}");
    }
}

fn wait_for_states(pid: u32, wanted: char) {
    wait_until(&format!("all threads of {pid} in {wanted}"), SOON, || {
        let states = thread_states(pid);
        !states.is_empty() && states.iter().all(|(_, state)| *state == wanted)
    });
}

#[test]
fn the_lessons_program() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("trace");
    // Its threads outlive the run, so that each one printed is either there at the attach, or is
    // born later.
    let args = ["20", "30", "1500"];
    let mut target = Child::run(program("interval"), args);
    target.wait_line("process: ", SOON);
    target.wait_line("process: ", SOON);
    let mut recorder = attach(&file, &[target.pid()], &[]);
    let stdout = target.expect_exit(0, SOON);
    recorder.expect_exit(0, SOON);

    let trace = open(&file);
    assert_eq!(check(&trace), []);
    let pid = target.pid();
    let (existing, births) = (existing_tids(&trace), births(&trace));
    let mut all: Vec<u32> = births.iter().map(|made| made.child).collect();
    assert!(!all.is_empty() && existing.len() >= 2, "{stdout}");
    all.extend(&existing);
    all.sort_unstable();
    assert_eq!(all, printed_tids(stdout.lines()));
    for made in births {
        assert_eq!(made, Made::new("thread", pid, made.child));
    }
    for (task, end) in exits(&trace) {
        assert_eq!((task.pid.0, end), (pid, End::Code(0)));
    }
    assert_eq!(
        trace.integrity().ending,
        Ending::Finished("the target ended".into())
    );
}

#[test]
fn threads_that_end_soon_are_recorded_too() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("trace");
    let mut target = Child::run(program("interval"), ["10", "60", "1"]);
    target.wait_line("process: ", SOON);
    target.wait_line("process: ", SOON);
    let mut recorder = attach(&file, &[target.pid()], &[]);
    let before = printed_tids(target.stdout().lines());
    let stdout = target.expect_exit(0, SOON);
    recorder.expect_exit(0, SOON);
    let trace = open(&file);
    check(&trace);
    let printed = printed_tids(stdout.lines());
    let (later, _) = differences(&printed, &before);
    let known: Vec<u32> = births(&trace)
        .iter()
        .map(|made| made.child)
        .chain(existing_tids(&trace))
        .collect();
    let (missed, _) = differences(&later, &known);
    assert_eq!(missed, [], "printed while recording");
    let (_, invented) = differences(&printed, &known);
    assert_eq!(invented, []);
}

/// Whether an address lies in code of a process.
fn is_code(maps: &str, address: u64) -> bool {
    maps.lines().any(|line| {
        let mut words = line.split(' ');
        let (Some(range), Some(rights)) = (words.next(), words.next()) else {
            return false;
        };
        let (from, to) = range.split_once('-').expect("a range");
        let [from, to] = [from, to].map(|hex| u64::from_str_radix(hex, 16).expect("hex"));
        rights.contains('x') && (from..to).contains(&address)
    })
}

#[test]
fn threads_that_were_there_and_where_they_stood() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("trace");
    let mut target = Child::run(program("sleeper"), ["200"]);
    let pid = ready(&mut target);
    let recorder = attach(&file, &[pid], &[]);
    assert!(
        recorder
            .stderr()
            .contains(&format!("sleeper[{pid}] (201 threads)"))
    );
    for (tid, _, tracer) in tracers(pid) {
        assert_eq!(tracer, recorder.pid(), "thread {tid}");
    }
    wait_for_states(pid, 'S');
    let trace = finish(recorder, &file);
    assert_free(pid, "RS");
    assert_eq!(existing_tids(&trace), tids(pid));
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("maps");
    for event in trace.events() {
        let EventBody::Existing {
            task,
            parent_pid,
            ref name,
            pc,
            inner,
        } = event.body
        else {
            panic!("{event:?}")
        };
        assert_eq!((task.pid.0, inner), (pid, None));
        assert_eq!(name.as_bytes(), b"sleeper");
        let parent = task.is_leader().then(std::process::id);
        assert_eq!(parent_pid.map(|pid| pid.0), parent);
        assert!(is_code(&maps, pc.expect("a PC")), "{event:?}\n{maps}");
    }
    target.signal("TERM");
    target.expect_exit(0, SOON);
}

#[test]
fn every_way_to_end_a_recording_leaves_the_target_as_it_was() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let mut target = Child::run(program("sleeper"), ["200"]);
    let pid = ready(&mut target);
    wait_for_states(pid, 'S');
    let before = thread_states(pid);
    for (signal, reason) in [
        ("INT", "tidrec got SIGINT"),
        ("TERM", "tidrec got SIGTERM"),
        ("HUP", "tidrec got SIGHUP"),
        ("QUIT", "tidrec got SIGQUIT"),
        ("", "the duration was over"),
    ] {
        let file = dir.join(&format!("trace{signal}"));
        let options: &[&str] = if signal.is_empty() {
            &["--duration", "200ms"]
        } else {
            &[]
        };
        let mut recorder = attach(&file, &[pid], options);
        if !signal.is_empty() {
            recorder.signal(signal);
        }
        recorder.expect_exit(0, SOON);
        assert_free(pid, "RS");
        wait_for_states(pid, 'S');
        assert_eq!(thread_states(pid), before, "{reason}");
        let trace = open(&file);
        assert_eq!(check(&trace).len(), 201);
        assert_eq!(trace.integrity().ending, Ending::Finished(reason.into()));
        assert!(recorder.stderr().contains(reason), "{}", recorder.stderr());
    }
    target.signal("TERM");
    target.expect_exit(0, SOON);
}

#[test]
fn a_recorder_under_nohup_outlives_the_terminal() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("trace");
    let mut target = Child::run(program("sleeper"), ["2"]);
    let pid = ready(&mut target);
    let mut command = Command::new("env");
    command.args(["--ignore-signal=HUP", env!("CARGO_BIN_EXE_tidrec"), "-o"]);
    command.arg(&file).args(["-p", &pid.to_string()]);
    let mut recorder = Child::spawn(&mut command);
    recorder.wait_stderr("tidrec: recording ", SOON);
    recorder.signal("HUP");
    recorder.signal("TERM");
    recorder.expect_exit(0, SOON);
    assert_eq!(
        open(&file).integrity().ending,
        Ending::Finished("tidrec got SIGTERM".into())
    );
}

#[test]
fn a_target_that_works_goes_on_working() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let mut target = Child::run(program("jobctl"), [""; 0]);
    target.wait_line("tick", SOON);
    for round in 0..5 {
        let file = dir.join(&format!("trace{round}"));
        let recorder = attach(&file, &[target.pid()], &[]);
        finish(recorder, &file);
        assert_free(target.pid(), "RS");
        target.new_lines();
        for thread in 0..3 {
            target.wait_line(&format!("tick {thread}"), SOON);
        }
    }
    target.signal("TERM");
    target.expect_exit(0, SOON);
}

/// Attaches again and again to threads that are about to be others, and looks for one untraced.
fn attach_to_chains(chains: usize, attaches: usize) {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let count = chains.to_string();
    let mut target = tracee("chains", &[&count, "3000"], Path::new("/dev/null"));
    let pid = ready(&mut target);
    for round in 0..attaches {
        let file = dir.join(&format!("trace{round}"));
        let recorder = attach(&file, &[pid], &[]);
        std::thread::sleep(Duration::from_millis(30));
        for (tid, state, tracer) in tracers(pid) {
            assert_eq!(tracer, recorder.pid(), "round {round}: {tid} in {state}");
        }
        let ended = target.try_exit();
        assert_eq!(ended, None, "{}", target.stderr());
        let trace = finish(recorder, &file);
        assert_free(pid, "RSD");
        assert_unbroken(&trace, chains);
        std::fs::remove_file(file).expect("remove a trace");
    }
}

#[test]
fn one_chain() {
    attach_to_chains(1, scale(10, 300));
}

#[test]
fn thirty_two_chains() {
    attach_to_chains(32, scale(5, 300));
}

#[test]
fn a_hundred_chains() {
    attach_to_chains(100, scale(3, 300));
}

/// What a target logged since the attach is in the trace, and what is in the trace it logged.
fn assert_logged(trace: &Trace, log: &str, logged_before: usize) {
    let births = births(trace);
    let (_, invented) = differences(&made(log), &births);
    assert_eq!(invented, []);
    let (missed, _) = differences(&made(&log[logged_before..]), &births);
    // One born just before the attach may have logged itself after it.
    let existing: HashSet<u32> = existing_tids(trace).into_iter().collect();
    let missed: Vec<Made> = missed
        .into_iter()
        .filter(|made| !existing.contains(&made.child))
        .collect();
    assert_eq!(missed, []);
}

#[test]
fn a_process_whose_leader_has_ended() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let (file, log) = (dir.join("trace"), dir.join("log"));
    let mut target = tracee("deadleader", &["1500", "3"], &log);
    let pid = ready(&mut target);
    let mut recorder = attach(&file, &[pid], &[]);
    let logged = std::fs::read(&log).expect("the log").len();
    for (tid, state, tracer) in tracers(pid) {
        assert_eq!(tracer, recorder.pid(), "{tid} in {state}");
    }
    target.expect_exit(0, SOON);
    recorder.expect_exit(0, SOON);
    let trace = open(&file);
    assert_eq!(check(&trace), []);
    assert!(existing(&trace).iter().all(|task| !task.is_leader()));
    assert!(!births(&trace).is_empty());
    assert_logged(
        &trace,
        &std::fs::read_to_string(log).expect("the log"),
        logged,
    );
}

#[test]
fn a_process_whose_leader_has_ended_goes_on_after_the_recording() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let (file, log) = (dir.join("trace"), dir.join("log"));
    let mut target = tracee("deadleader", &["300000", "3"], &log);
    let pid = ready(&mut target);
    let recorder = attach(&file, &[pid], &[]);
    finish(recorder, &file);
    assert_free(pid, "RSD");
    let length = || std::fs::metadata(&log).expect("the log").len();
    let before = length();
    wait_until("it makes more threads", SOON, || length() > before);
}

#[test]
fn several_processes_at_once() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("trace");
    let mut targets = [5, 9].map(|threads| Child::run(program("sleeper"), [threads.to_string()]));
    let pids = targets.each_mut().map(ready);
    let mut recorder = attach(&file, &[pids[0], pids[1], pids[0]], &[]);
    let mut all: Vec<u32> = pids.iter().flat_map(|pid| tids(*pid)).collect();
    all.sort_unstable();
    targets[0].signal("TERM");
    targets[0].expect_exit(0, SOON);
    assert_eq!(recorder.try_exit(), None, "the other one is there still");
    assert_eq!(tracer_of(pids[1]), Some(recorder.pid()));
    targets[1].signal("TERM");
    targets[1].expect_exit(0, SOON);
    recorder.expect_exit(0, SOON);
    let trace = open(&file);
    assert_eq!(check(&trace), []);
    let mut existing = existing_tids(&trace);
    existing.sort_unstable();
    assert_eq!(existing, all);
    let targets: Vec<u32> = trace.header().targets.iter().map(|one| one.pid).collect();
    assert_eq!(targets, pids);
}

/// The ticks that come while nothing should. Time can only make this pass.
fn ticks_in_a_while(target: &mut Child) -> Vec<String> {
    target.new_lines();
    std::thread::sleep(Duration::from_millis(200));
    target.new_lines()
}

fn assert_stopped(target: &mut Child, state: char) {
    wait_for_states(target.pid(), state);
    // What was printed before the stop may still be on its way.
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(ticks_in_a_while(target), [""; 0]);
    wait_for_states(target.pid(), state);
}

fn assert_ticks(target: &mut Child) {
    target.new_lines();
    for thread in 0..3 {
        target.wait_line(&format!("tick {thread}"), SOON);
    }
}

#[test]
fn a_stopped_process_stays_stopped_when_attached_and_continues_when_told() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("trace");
    let mut target = Child::run(program("jobctl"), [""; 0]);
    target.wait_line("tick 2", SOON);
    target.signal("STOP");
    assert_stopped(&mut target, 'T');
    let recorder = attach(&file, &[target.pid()], &[]);
    assert_stopped(&mut target, 't');
    target.signal("CONT");
    assert_ticks(&mut target);
    let trace = finish(recorder, &file);
    assert_eq!(existing(&trace).len(), 4);
    assert_free(target.pid(), "RS");
    assert_ticks(&mut target);
    target.signal("TERM");
    target.expect_exit(0, SOON);
}

#[test]
fn a_stop_while_recording_is_a_stop_and_outlasts_the_recording() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    // The kernel passes over SIGTSTP in an orphaned process group (setpgid(2)), which ours may be.
    // One of the target's own is not: we are its parent, in the same session.
    let mut target = Child::spawn(Command::new(program("jobctl")).process_group(0));
    target.wait_line("tick 2", SOON);
    for round in 0..3 {
        let file = dir.join(&format!("trace{round}"));
        let recorder = attach(&file, &[target.pid()], &[]);
        for signal in ["STOP", "TSTP"] {
            target.signal(signal);
            assert_stopped(&mut target, 't');
            target.signal("CONT");
            assert_ticks(&mut target);
        }
        target.signal("STOP");
        wait_for_states(target.pid(), 't');
        finish(recorder, &file);
        assert_stopped(&mut target, 'T');
        assert_free(target.pid(), "T");
        target.signal("CONT");
        assert_ticks(&mut target);
    }
    target.signal("TERM");
    target.expect_exit(0, SOON);
}

#[test]
fn a_stopped_process_that_is_killed_ends() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("trace");
    let mut target = Child::run(program("jobctl"), [""; 0]);
    target.wait_line("tick 2", SOON);
    let mut recorder = attach(&file, &[target.pid()], &[]);
    target.signal("STOP");
    wait_for_states(target.pid(), 't');
    target.signal("KILL");
    target.wait_exit(SOON);
    recorder.expect_exit(0, SOON);
    let trace = open(&file);
    assert_eq!(check(&trace), []);
    for (_, end) in exits(&trace) {
        let killed = End::Signal {
            number: 9,
            core: false,
        };
        assert_eq!(end, killed);
    }
}

#[test]
fn an_exec_by_another_thread_of_an_attached_process() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let (file, log) = (dir.join("trace"), dir.join("log"));
    let mut target = tracee("execwait", &["3"], &log);
    let pid = ready(&mut target);
    let threads = tids(pid);
    let mut recorder = attach(&file, &[pid], &[]);
    target.signal("USR1");
    let before = target.wait_line("before ", SOON);
    let caller: u32 = before
        .rsplit_once(' ')
        .expect("words")
        .1
        .parse()
        .expect("a TID");
    target.expect_exit(7, SOON);
    recorder.expect_exit(0, SOON);
    let trace = open(&file);
    assert_eq!(check(&trace), []);
    assert_eq!(existing_tids(&trace), threads);
    let execs: Vec<_> = execs(&trace)
        .into_iter()
        .map(|(task, former, _)| (task, former.0))
        .collect();
    assert_eq!(execs, [(Task::new(pid, pid), caller)]);
    let mut ended: Vec<u32> = exits(&trace).iter().map(|(task, _)| task.tid.0).collect();
    ended.push(caller);
    ended.sort_unstable();
    assert_eq!(ended, threads, "the caller ends as the leader");
}

/// Attaches again and again to a process that execs all the while from one of its threads. An
/// attach that waits for the exec, which waits for the attach, would never end.
fn attach_during_execs(target: &mut Child, pid: u32, attaches: usize) {
    let dir = TempDir::new();
    let mut longest = Duration::ZERO;
    for round in 0..attaches {
        let file = dir.join(&format!("trace{round}"));
        let start = Instant::now();
        let recorder = attach(&file, &[pid], &[]);
        longest = longest.max(start.elapsed());
        let trace = finish(recorder, &file);
        check(&trace);
        assert_eq!(target.try_exit(), None, "the target still runs");
    }
    eprintln!("the longest of {attaches} attaches: {longest:?}");
    wait_until("it goes on to exec", SOON, || {
        let threads = tracers(pid);
        !threads.is_empty()
            && threads
                .iter()
                .all(|(_, state, tracer)| *tracer == 0 && !"tT".contains(*state))
    });
}

#[test]
fn an_exec_among_many_threads_while_they_are_seized() {
    if !may_trace() {
        return;
    }
    let mut target = Child::run(program("execloop"), ["300000", "40"]);
    let pid = ready(&mut target);
    attach_during_execs(&mut target, pid, scale(10, 100));
}

#[test]
fn execs_in_quick_succession_while_they_are_seized() {
    if !may_trace() {
        return;
    }
    let mut target = tracee("execstorm", &["1000000", "3"], Path::new("/dev/null"));
    let pid = target.pid();
    wait_until("the first exec", SOON, || tids(pid).len() > 1);
    attach_during_execs(&mut target, pid, scale(10, 100));
}

/// What a run of a tracee prints and logs that is the same each time.
fn stable(name: &str, stdout: &str, log: &str) -> Vec<String> {
    let lines = stdout.lines().filter(|line| !line.starts_with("ready "));
    let mut lines: Vec<String> = lines.map(str::to_owned).collect();
    let count = |kind| made(log).iter().filter(|made| made.kind == kind).count();
    match name {
        // How many links there were is the log's to say.
        "chains" => assert_eq!(lines, [format!("links {}", made(log).len())]),
        _ => lines.push(format!(
            "{} threads, {} processes",
            count("thread"),
            count("process")
        )),
    }
    if name == "chains" {
        lines.clear();
    }
    lines
}

/// Kills tidrec at any moment: the target must not notice, and the file must be readable.
fn kill_recorder_of(name: &str, args: &[&str], rounds: usize) {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let log = dir.join("log");
    let mut alone = tracee(name, args, &log);
    let stdout = alone.expect_exit(0, 2 * SOON);
    let expected = stable(
        name,
        &stdout,
        &std::fs::read_to_string(&log).expect("a log"),
    );
    let mut cut = 0;
    let length = |file: &Path| std::fs::metadata(file).map_or(0, |file| file.len());
    for (round, mut moment) in moments().take(rounds).enumerate() {
        let file = dir.join(&format!("trace{round}"));
        std::fs::write(&log, "").expect("empty the log");
        // In turn attached and launched. A launched target's end is seen by its output alone.
        let (mut target, mut recorder) = if round % 2 == 0 {
            let mut target = tracee(name, args, &log);
            // A target may end before a slow attach is over. So every other one stands still until it is
            // recorded, and the first until tidrec is killed.
            let stands = round % 4 == 0;
            if stands {
                target.signal("STOP");
            }
            let mut recorder = start_attach(&file, &[target.pid()], &[]);
            if stands {
                recorder.wait_stderr("tidrec: recording ", SOON);
                wait_until("a header", SOON, || length(&file) > 0);
            }
            if stands && round > 0 {
                target.signal("CONT");
                moment /= 10;
            }
            (Some(target), recorder)
        } else {
            let mut command = tidrec();
            command.arg("-o").arg(&file).env("LOG", &log);
            command.arg("--").arg(program(name)).args(args);
            (None, Child::spawn(&mut command))
        };
        std::thread::sleep(moment);
        if recorder.try_exit().is_none() {
            recorder.signal("KILL");
        }
        let killed = recorder.wait_exit(SOON).code().is_none();
        if let Some(target) = &mut target {
            if round == 0 {
                target.signal("CONT");
            }
            for (tid, state, tracer) in tracers(target.pid()) {
                assert_eq!(tracer, 0, "{tid} after {moment:?}");
                assert!(
                    !"tT".contains(state),
                    "{tid} is in {state} after {moment:?}"
                );
            }
        }
        let stdout = match &mut target {
            Some(target) => target.expect_exit(0, 2 * SOON),
            None => {
                recorder.wait_output(2 * SOON);
                recorder.stdout()
            }
        };
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        if log.is_empty() && stdout.is_empty() {
            // Killed before the command was started: then there is none.
            assert!(killed && target.is_none(), "{name} did not run");
            continue;
        }
        assert_eq!(
            stable(name, &stdout, &log),
            expected,
            "killed after {moment:?}"
        );
        if recorder.stderr().contains("ended") && !file.exists() {
            continue; // The target was faster than the attach.
        }
        // Killed before it wrote the header, tidrec leaves an empty file or none.
        if !killed || length(&file) > 0 {
            let trace =
                try_open(&file).unwrap_or_else(|error| panic!("{error}: {}", recorder.stderr()));
            check_prefix(&trace);
            assert_eq!(
                trace.integrity().trailing_bytes,
                0,
                "chunks are written whole"
            );
            cut += usize::from(trace.integrity().ending == Ending::CutShort);
            assert!(killed || check(&trace).is_empty());
            let (_, invented) = differences(&made(&log), &births(&trace));
            assert_eq!(invented, []);
        }
    }
    assert!(cut > 0, "no moment was within a recording");
}

#[test]
fn a_recorder_killed_beside_chains() {
    kill_recorder_of("chains", &["8", "30", "250"], scale(12, 100));
}

#[test]
fn a_recorder_killed_beside_forks() {
    kill_recorder_of("forker", &["5", "2", "2"], scale(12, 100));
}

#[test]
fn a_recorder_killed_beside_signals() {
    kill_recorder_of("signals", &["1500"], scale(12, 100));
}

#[test]
fn a_process_that_slips_away_is_told() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("trace");
    let mut target = Child::run(program("slipaway"), ["60"]);
    let pid = ready(&mut target);
    let mut recorder = attach(&file, &[pid], &[]);
    target.signal("USR1");
    target.wait_line("slipped ", SOON);
    // There is nothing left to record.
    recorder.expect_exit(3, SOON);
    let trace = open(&file);
    let gap = trace.events().iter().find_map(|event| match event.body {
        EventBody::Gap { reason, count, .. } => Some((reason, count)),
        _ => None,
    });
    assert_eq!(gap, Some((GapReason::TraceeLost, 1)));
    let leader = &trace.tasks()[0];
    assert_eq!(leader.how, Ended::Detached(DetachReason::SlippedAway));
    target.signal("TERM");
    target.wait_exit(SOON);
}

/// By perf: nothing slips away. Who executes the program was made with `CLONE_UNTRACED`.
fn a_process_that_slips_away_from_tracers_is_followed() {
    let dir = TempDir::new();
    let file = dir.join("trace");
    let mut target = Child::run(program("slipaway"), ["60"]);
    let pid = ready(&mut target);
    let mut recorder = attach(&file, &[pid], &[]);
    target.signal("USR1");
    target.wait_line("slipped ", SOON);
    target.signal("TERM");
    target.wait_exit(SOON);
    recorder.expect_exit(0, SOON);
    let trace = open(&file);
    assert_eq!(check(&trace), []);
    let leader = Task::new(pid, pid);
    let made: Vec<Task> = birth_events(&trace).map(|birth| birth.child).collect();
    let [untraced] = made[..] else {
        panic!("{made:?}")
    };
    let execs: Vec<(Task, Tid)> = execs(&trace)
        .into_iter()
        .map(|(task, former, _)| (task, former))
        .collect();
    assert_eq!((untraced.pid.0, execs), (pid, vec![(leader, untraced.tid)]));
    let ended = End::Signal {
        number: 15,
        core: false,
    };
    assert_eq!(exits(&trace), [(leader, ended)]);
}

trace::also_by_perf! {
    the_lessons_program
    threads_that_end_soon_are_recorded_too
    every_way_to_end_a_recording_leaves_the_target_as_it_was
    a_target_that_works_goes_on_working
    a_process_whose_leader_has_ended_goes_on_after_the_recording
    an_exec_by_another_thread_of_an_attached_process
    execs_in_quick_succession_while_they_are_seized
    a_recorder_killed_beside_chains
    a_recorder_killed_beside_forks
    a_recorder_killed_beside_signals
    a_process_that_slips_away_from_tracers_is_followed
}
