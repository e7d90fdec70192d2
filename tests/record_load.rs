//! Under load: crowds to let go, rare tasks beside busy ones, execs beside others' threads, TIDs that
//! come again within moments.

#![cfg(target_os = "linux")]

mod support;
#[path = "support/trace.rs"]
mod trace;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::process::Command;

use support::{
    Child, Made, TempDir, made, made_in_order, need_of_kernel, num_threads, program, scale, tracers,
};
use tidline::model::{End, Ended, Ending, Event, EventBody, Origin, Trace};
use trace::{
    Recording, SOON, attach, birth_events, births, births_in_order, check, differences, execs,
    launch, may_trace, open, patience, ready, tidrec, wait_until,
};

fn counter(trace: &Trace, name: &str) -> u64 {
    let mut all = trace.counters().iter();
    let found = all.find(|(known, _)| known == name);
    found.unwrap_or_else(|| panic!("no counter {name}")).1
}

const SLEEPING: u32 = 970;
const RUNNING: u32 = 10;
const VFORKING: u32 = 20;

/// The recorder is let end, and the crowd lives on.
fn let_the_crowd_go(mut recorder: Child, pid: u32, file: &Path) {
    recorder.signal("TERM");
    recorder.wait_exit(SOON);
    let trace = open(file);
    check(&trace);
    // A thread in vfork(2) wakes for nobody but its child: the kernel lets it go, when tidrec exits.
    assert_eq!(counter(&trace, "left_to_kernel"), u64::from(VFORKING));
    let detach_ns = counter(&trace, "detach_ns");
    assert!(detach_ns < 1_000_000_000, "{detach_ns} ns");
    wait_until("all run on, traced by nobody", SOON, || {
        let threads = tracers(pid);
        threads.len() as u32 == 1 + SLEEPING + RUNNING + VFORKING
            && threads
                .iter()
                .all(|(_, state, tracer)| *tracer == 0 && "RSD".contains(*state))
    });
}

fn crowd() -> Command {
    let mut command = Command::new(program("crowd"));
    command.args([SLEEPING, RUNNING, VFORKING].map(|count| count.to_string()));
    command
}

#[test]
fn a_thousand_attached_threads_are_let_go_within_a_second() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("trace");
    let mut target = Child::spawn(&mut crowd());
    let pid = ready(&mut target);
    let recorder = attach(&file, &[pid], &[]);
    let_the_crowd_go(recorder, pid, &file);
    target.signal("TERM");
    target.expect_exit(0, SOON);
}

#[test]
fn a_thousand_launched_threads_are_let_go_within_a_second() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("trace");
    let (mut command, crowd) = (tidrec(), crowd());
    command.arg("-o").arg(&file).arg("--");
    let mut recorder = Child::spawn(command.arg(crowd.get_program()).args(crowd.get_args()));
    let pid = ready(&mut recorder);
    assert_eq!(num_threads(pid), Some(1 + SLEEPING + RUNNING + VFORKING));
    let_the_crowd_go(recorder, pid, &file);
}

/// How much later than it happened something may be recorded, ns. On a busy machine with two
/// processors 120 ms were seen; one that starves is as late as the others are busy.
const LATE_NS: u64 = 1_000_000_000;

/// One line of `beats`.
struct Beat {
    tid: u32,
    asked: u64,
    made: u64,
    ending: u64,
    over: u64,
}

fn beat(line: &str) -> Option<Beat> {
    let words = line.strip_prefix("beat ")?.split(' ');
    let numbers: Vec<u64> = words.filter_map(|word| word.parse().ok()).collect();
    let [tid, asked, made, ending, over] = numbers[..] else {
        return None;
    };
    Some(Beat {
        tid: tid as u32,
        asked,
        made,
        ending,
        over,
    })
}

/// Records `beats` beside chains of threads, joined threads and a tree of processes, all of them
/// busy, and `idle` more threads that do nothing. What it made is recorded in time.
fn rare_tasks_beside_busy_ones(idle: &str) {
    if !may_trace() {
        return;
    }
    let script = r#"
        "$1" 6 3000 >/dev/null & busy=$!
        "$2" 100000000 >/dev/null & busy="$busy $!"
        (while :; do "$3" 2 3 2; done) >/dev/null 2>&1 & busy="$busy $!"
        "$4" "$5" >/dev/null & busy="$busy $!"
        "$6" 60 20
        kill $busy"#;
    let programs = ["chains", "joiner", "forker", "sleeper"].map(program);
    let [chains, joiner, forker, sleeper] = programs.each_ref().map(|path| path.as_os_str());
    let beats = program("beats");
    let dir = TempDir::new();
    let file = dir.join("trace");
    let mut command = tidrec();
    command
        .arg("-o")
        .arg(&file)
        .args(["--", "sh", "-c", script, "sh"]);
    command.args([chains, joiner, forker, sleeper]);
    command.arg(idle).arg(&beats);
    let mut recorder = Child::spawn(&mut command);
    recorder.wait_exit(patience());
    let trace = open(&file);
    // The busy ones are killed, in mid-clone too, so that not every birth has a creator.
    let integrity = trace.integrity();
    assert!(integrity.damage.is_empty(), "{integrity:?}");
    assert!(matches!(integrity.ending, Ending::Finished(_)));
    let missing =
        |event: &&Event| matches!(event.body, EventBody::Gap { .. } | EventBody::Lost { .. });
    assert_eq!(trace.events().iter().find(missing), None);

    let start = trace.header().start_monotonic_ns;
    let stdout = recorder.stdout();
    let beats: Vec<Beat> = stdout.lines().filter_map(beat).collect();
    assert_eq!(beats.len(), 60, "{stdout}");
    let (mut late_birth, mut late_end) = (0, 0);
    for beat in &beats {
        let mut alike = trace.tasks().iter().filter(|record| {
            let born = record.born.0 + start;
            record.task.tid.0 == beat.tid && (beat.asked..=beat.made).contains(&born)
        });
        // The creator stands until its creation is recorded.
        let record = alike.next().unwrap_or_else(|| panic!("no {}", beat.tid));
        assert!(alike.next().is_none(), "two of {}", beat.tid);
        let ended = record.ended.expect("an end").0 + start;
        assert!(ended >= beat.ending, "{record:?}");
        if record.task.is_leader() {
            assert!(ended <= beat.over, "reaped before its end: {record:?}");
        }
        late_birth = late_birth.max(beat.made - beat.asked);
        late_end = late_end.max(ended - beat.ending);
    }
    let all = beats[0].asked - start..beats[59].over - start;
    let meanwhile = trace
        .events()
        .iter()
        .filter(|event| all.contains(&event.time.0))
        .count();
    eprintln!(
        "{meanwhile} events meanwhile; births within {} us, ends within {} us",
        late_birth / 1000,
        late_end / 1000
    );
    assert!(meanwhile > 2000, "the others were not busy: {meanwhile}");
    assert!(late_birth < LATE_NS, "{late_birth} ns for a creation");
    assert!(late_end < LATE_NS, "an end is {late_end} ns late");
}

#[test]
fn busy_creators_do_not_starve_others() {
    rare_tasks_beside_busy_ones("0");
}

/// With many tracees the recorder waits in another way.
#[test]
fn busy_creators_do_not_starve_others_among_many() {
    rare_tasks_beside_busy_ones("600");
}

#[test]
fn execs_off_the_leader_beside_busy_creators() {
    if !may_trace() {
        return;
    }
    let (rounds, links) = scale((40, "400"), (400, "6000"));
    let script = r#""$1" 8 3000 "$2" & exec "$3" "$4" 20"#;
    let [chains, execstorm] = ["chains", "execstorm"].map(|name| program(name).into_os_string());
    let [links, count] = [links.to_owned(), rounds.to_string()].map(Into::into);
    let args = ["-c".into(), script.into(), "sh".into(), chains, links];
    let recording = launch(&[], "sh", args.into_iter().chain([execstorm, count]));
    let Recording { trace, stdout, .. } = &recording;
    assert_eq!(recording.status.code(), Some(0), "{}", recording.stderr);
    assert_eq!(check(trace), []);

    let pid = recording.pid();
    let ready = stdout.lines().find_map(|line| line.strip_prefix("ready "));
    let chains = ready.expect("the chains' pid").parse().expect("a pid");
    let mut expected = made(&recording.log);
    expected.push(Made::new("process", pid, chains));
    expected.sort();
    assert_eq!(differences(&expected, &births(trace)), (vec![], vec![]));

    // Before those, the shell's own and its exec of the storm.
    let by: Vec<(u32, bool)> = execs(trace)
        .iter()
        .filter(|(task, ..)| task.tid.0 == pid)
        .skip(2)
        .map(|(task, former, _)| (task.tid.0, task.tid == *former))
        .collect();
    let storm: Vec<(u32, bool)> = (1..=rounds)
        .rev()
        .map(|left| (pid, left % 2 == 0))
        .collect();
    assert_eq!(by, storm);
    for record in trace.tasks() {
        assert_ne!(record.how, Ended::Missing, "{record:?}");
    }
}

/// So few TIDs that each is used again after some dozen tasks. (The first 300 are given out once.)
const MAX_PID: &str = "340";

/// A command in a pid namespace that has so few TIDs.
fn with_few_tids() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
    let script = r#"echo "$0" >/proc/sys/kernel/pid_max && exec "$@""#;
    command.args(["sh", "-c", script, MAX_PID]);
    command
}

/// Whether a namespace can have a limit of its own. With an older kernel, the host would get it.
fn may_have_few_tids() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    let mut number = || numbers.next()?.parse::<u32>().ok();
    let is_new = (number(), number()) >= (Some(6), Some(14));
    let attempt = || {
        let output = with_few_tids().arg("true").output();
        let output = output.map_err(|error| format!("unshare(1): {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        output.status.success().then_some(()).ok_or(said)
    };
    need_of_kernel(if is_new {
        attempt()
    } else {
        Err("kernel.pid_max is the host's before Linux 6.14".to_owned())
    })
    .is_some()
}

/// Each creation of a log, in its order, is a task of its own, with its own end.
fn assert_never_merged(trace: &Trace, log: &[Made]) {
    assert_eq!(births_in_order(trace), log);
    let tasks: Vec<_> = trace
        .tasks()
        .iter()
        .filter(|record| record.origin == Origin::Birth)
        .collect();
    assert_eq!(tasks.len(), log.len());
    let mut last_ends: HashMap<u32, u64> = HashMap::new();
    for (record, made) in tasks.iter().zip(log) {
        assert_eq!(record.task.tid.0, made.child, "{record:?}");
        assert_eq!(record.what().as_str(), made.kind, "{record:?}");
        assert_eq!(record.how, Ended::Exit(End::Code(0)), "{record:?}");
        let ended = record.ended.expect("an end");
        assert!(record.born <= ended, "{record:?}");
        let parent = trace.task(record.parent.expect("a parent"));
        assert_eq!(parent.task.tid.0, made.parent, "{record:?}");
        assert!(parent.alive_at(record.born), "{parent:?} made {record:?}");
        let before = last_ends.insert(made.child, ended.0);
        assert!(before.is_none_or(|end| end <= record.born.0), "{record:?}");
    }
}

#[test]
fn tasks_that_have_the_same_tid_one_after_the_other_are_never_merged() {
    if !may_trace() || !may_have_few_tids() {
        return;
    }
    let dir = TempDir::new();
    let (file, log) = (dir.join("trace"), dir.join("log"));
    let count = scale(1000, 20_000);
    let mut command = with_few_tids();
    command
        .arg(env!("CARGO_BIN_EXE_tidrec"))
        .arg("-o")
        .arg(&file);
    command
        .arg("--")
        .arg(program("turns"))
        .arg(count.to_string());
    let mut recorder = Child::spawn(command.env("LOG", &log));
    recorder.expect_exit(0, patience());
    let trace = open(&file);
    assert_eq!(check(&trace), []);
    let log = made_in_order(&std::fs::read_to_string(&log).expect("a log"));
    assert_eq!(log.len(), count + count / 2);
    assert_never_merged(&trace, &log);
    let mut uses: HashMap<u32, (usize, usize)> = HashMap::new();
    for made in &log {
        let (threads, processes) = uses.entry(made.child).or_default();
        *if made.kind == "thread" {
            threads
        } else {
            processes
        } += 1;
    }
    // Those that are given out again are threads' and processes', one after the other. (How often each
    // is hangs on how many TIDs are free.)
    let often = |(threads, processes): &&(usize, usize)| {
        *threads >= 1 && *processes >= 1 && threads + processes >= 10
    };
    let often = uses.values().filter(often).count();
    assert!(often >= 10, "{uses:?}");
}

/// By perf, which runs outside: there each task has a TID of its own, and inside one that was another's.
fn tids_that_come_again_inside_are_other_tasks_outside() {
    if !may_have_few_tids() {
        return;
    }
    let count = scale(600, 6000).to_string();
    let inside = with_few_tids();
    let turns = program("turns");
    let args = inside.get_args().chain([turns.as_os_str(), count.as_ref()]);
    let recording = launch(&[], inside.get_program(), args);
    assert_eq!(recording.status.code(), Some(0), "{}", recording.stderr);
    let trace = &recording.trace;
    assert_eq!(check(trace), []);
    let log = made_in_order(&recording.log);
    let tids: HashSet<u32> = log.iter().map(|made| made.child).collect();
    assert!(log.len() > 2 * tids.len(), "{} TIDs", tids.len());
    // unshare(1) makes the first inside, which executes the program.
    let mut births = birth_events(trace);
    let first = births.next().expect("a birth").child.tid;
    let mut insides = HashMap::from([(first, 1)]);
    let mut known = 0;
    assert_eq!(birth_events(trace).count(), 1 + log.len());
    for (birth, made) in births.zip(&log) {
        let parent = birth.parent.expect("a creator").tid;
        let seen = (birth.what.as_str(), insides.get(&parent).copied());
        assert_eq!(seen, (&*made.kind, Some(made.parent)), "{birth:?}");
        let inner = birth.inner.map(|inner| inner.0);
        known += usize::from(inner.is_some());
        assert!(inner.is_none_or(|inner| inner == made.child), "{birth:?}");
        insides.insert(birth.child.tid, made.child);
    }
    eprintln!("of {known} of {} the TID inside is known", log.len());
    for record in trace.tasks() {
        assert_eq!(record.how, Ended::Exit(End::Code(0)), "{record:?}");
    }
}

#[test]
fn attaching_while_tids_come_again_at_once() {
    if !may_trace() || !may_have_few_tids() {
        return;
    }
    let dir = TempDir::new();
    let log = dir.join("log");
    let rounds = scale(20, 300);
    let script = r#"
        "$1" 100000000 >/dev/null & target=$!
        round=0
        while [ $round -lt "$3" ]; do
            "$2" -q --duration 50ms -o "$4/trace$round" -p $target || exit 9
            round=$((round + 1))
        done
        # The last that was recorded has logged itself when the log grows.
        size=$(wc -c <"$LOG")
        until [ $(wc -c <"$LOG") -gt $size ]; do :; done
        kill $target"#;
    let mut command = with_few_tids();
    command.args(["sh", "-c", script, "sh"]);
    command
        .arg(program("turns"))
        .arg(env!("CARGO_BIN_EXE_tidrec"));
    command.arg(rounds.to_string()).arg(dir.path());
    let mut child = Child::spawn(command.env("LOG", &log));
    child.expect_exit(0, patience());
    let log = made_in_order(&std::fs::read_to_string(&log).expect("a log"));
    let (mut behind, mut all) = (&log[..], 0);
    for round in 0..rounds {
        let trace = open(&dir.join(&format!("trace{round}")));
        check(&trace);
        // What was recorded is one stretch of what was made.
        let recorded = births_in_order(&trace);
        all += recorded.len();
        if recorded.is_empty() {
            continue; // The machine had other things to do.
        }
        let at = behind
            .windows(recorded.len())
            .position(|stretch| stretch == recorded);
        let at = at.unwrap_or_else(|| panic!("round {round}: not in the log: {recorded:?}"));
        behind = &behind[at + 1..];
    }
    eprintln!("{all} of {} creations in {rounds} recordings", log.len());
    assert!(all > 10 * rounds, "{all} creations recorded");
}

trace::also_by_perf! {
    busy_creators_do_not_starve_others
    busy_creators_do_not_starve_others_among_many
    execs_off_the_leader_beside_busy_creators
    tids_that_come_again_inside_are_other_tasks_outside
}
