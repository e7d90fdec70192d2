//! Running tidrec, and its traces in the words of the judges.
//!
//! Included by the recorder's tests alone, with `#[path]`: unlike the rest of this folder it
//! knows the recorder and reads its files with the library.

#![allow(dead_code)] // Each test uses a part.

use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::OnceLock;
use std::time::Duration;

use tidline::format::read_trace;
use tidline::model::{
    Birth, End, Ended, Ending, Event, EventBody, Name, Origin, Pid, Task, Tid, Trace, What,
};

#[allow(unused_imports)] // Not every test waits.
pub(crate) use crate::support::wait_until;
use crate::support::{Child, Made, TempDir, need, scale};

/// No test depends on how fast anything is: a deadline is for what hangs.
pub(crate) const SOON: Duration = Duration::from_secs(120);

/// The same for a whole run of a tracee.
pub(crate) fn patience() -> Duration {
    scale(2, 20) * SOON
}

thread_local! {
    /// Whether this thread's test records by perf, and how often it has so far.
    static BY_PERF: Cell<Option<usize>> = const { Cell::new(None) };
}

/// A test once more, by perf. (The rings are larger than usual: the rushes of other tests are in them.)
const BY_PERF_OPTIONS: [&str; 4] = ["--backend", "perf", "--ring-kb", "32768"];

/// Runs a test of the ptrace backend with [`tidrec`] recording by perf.
pub(crate) fn run_by_perf(test: fn()) {
    if !may_watch() {
        return;
    }
    BY_PERF.set(Some(0));
    test();
    let recorded = BY_PERF.take();
    assert!(
        recorded.is_some_and(|count| count > 0),
        "nothing was recorded by perf: what runs tidrec is in another thread, or the test was skipped"
    );
}

/// The tests of a file that do not depend on ptrace, by perf: tests of the same names in `by_perf`.
#[allow(unused_macros)] // Some files have none.
macro_rules! also_by_perf {
    ($($test:ident)+) => {
        mod by_perf {
            $(
                #[test]
                fn $test() {
                    crate::trace::run_by_perf(super::$test);
                }
            )+
        }
    };
}
#[allow(unused_imports)]
pub(crate) use also_by_perf;

/// Whether perf events can be had here; see [`need`].
#[must_use]
pub(crate) fn may_watch() -> bool {
    static MAY: OnceLock<Result<(), String>> = OnceLock::new();
    let may = MAY.get_or_init(|| {
        let dir = TempDir::new();
        let mut command = tidrec_alone();
        command.args(["--backend", "perf", "-o"]).arg(dir.join("t"));
        let mut child = Child::spawn(command.args(["--", "true"]));
        match child.wait_exit(SOON).code() {
            Some(0) => Ok(()),
            _ => {
                child.wait_output(SOON);
                Err(child.stderr())
            }
        }
    });
    need(may.clone()).is_some()
}

/// The recorder, without options.
pub(crate) fn tidrec_alone() -> Command {
    Command::new(env!("CARGO_BIN_EXE_tidrec"))
}

/// The recorder. Options in `TIDREC_OPTIONS` are its first, so that whole test files can be run
/// with, for example, `--failures syscalls`.
pub(crate) fn tidrec() -> Command {
    let mut command = tidrec_alone();
    if let Some(count) = BY_PERF.get() {
        BY_PERF.set(Some(count + 1));
        command.args(BY_PERF_OPTIONS);
    }
    if let Ok(options) = std::env::var("TIDREC_OPTIONS") {
        command.args(options.split_ascii_whitespace());
    }
    command
}

/// Whether processes may be traced here at all; see [`need`].
#[must_use]
pub(crate) fn may_trace() -> bool {
    if BY_PERF.get().is_some() {
        return true; // Nothing is traced.
    }
    static MAY: OnceLock<Result<(), String>> = OnceLock::new();
    let may = MAY.get_or_init(|| {
        let dir = TempDir::new();
        let mut child = Child::spawn(tidrec().arg("-o").arg(dir.join("t")).args(["--", "true"]));
        match child.wait_exit(SOON).code() {
            Some(2) => {
                child.wait_output(SOON);
                Err(child.stderr())
            }
            _ => Ok(()),
        }
    });
    need(may.clone()).is_some()
}

/// A finished run of tidrec with a command.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) trace: Trace,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// What the tracee wrote to `LOG`.
    pub(crate) log: String,
}

impl Recording {
    /// The launched command's pid.
    pub(crate) fn pid(&self) -> u32 {
        self.trace.header().targets[0].pid
    }
}

/// Records a command from its first instruction, until all that it made has ended too.
pub(crate) fn launch<S: AsRef<OsStr>>(
    options: &[&str],
    program: impl AsRef<OsStr>,
    args: impl IntoIterator<Item = S>,
) -> Recording {
    let dir = TempDir::new();
    let (file, log) = (dir.join("trace"), dir.join("log"));
    let mut command = tidrec();
    command.args(options).arg("-o").arg(&file).env("LOG", &log);
    command.arg("--").arg(program).args(args);
    let mut child = Child::spawn(&mut command);
    let status = child.wait_exit(patience());
    child.wait_output(SOON);
    let stderr = child.stderr();
    assert!(file.exists(), "{command:?}: {status}: {stderr}");
    Recording {
        trace: open(&file),
        status,
        stdout: child.stdout(),
        stderr,
        log: std::fs::read_to_string(log).unwrap_or_default(),
    }
}

/// tidrec, attached: it has said that it is recording.
pub(crate) fn attach(file: &Path, pids: &[u32], options: &[&str]) -> Child {
    let mut child = start_attach(file, pids, options);
    child.wait_stderr("tidrec: recording ", SOON);
    child
}

/// tidrec, about to attach. How long that may take is for the machine to say.
pub(crate) fn start_attach(file: &Path, pids: &[u32], options: &[&str]) -> Child {
    let mut command = tidrec();
    command.args(["--attach-timeout", "25s"]);
    command.args(options).arg("-o").arg(file);
    for pid in pids {
        command.args(["-p", &pid.to_string()]);
    }
    Child::spawn(&mut command)
}

/// Reads a trace.
pub(crate) fn open(file: &Path) -> Trace {
    try_open(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Reads a trace that may be anything.
pub(crate) fn try_open(file: &Path) -> Result<Trace, String> {
    let file = File::open(file).map_err(|error| error.to_string())?;
    read_trace(file).map_err(|error| error.to_string())
}

/// The births of a trace, sorted.
pub(crate) fn births(trace: &Trace) -> Vec<Made> {
    let mut all = births_in_order(trace);
    all.sort();
    all
}

/// The births of a trace in its order.
pub(crate) fn births_in_order(trace: &Trace) -> Vec<Made> {
    birth_events(trace).map(made_of).collect()
}

pub(crate) fn birth_events(trace: &Trace) -> impl Iterator<Item = &Birth> {
    trace.events().iter().filter_map(|event| match &event.body {
        EventBody::Birth(birth) => Some(birth),
        _ => None,
    })
}

fn made_of(birth: &Birth) -> Made {
    let parent = birth.parent.expect("the creator is known");
    Made::new(birth.what.as_str(), parent.tid.0, birth.child.tid.0)
}

/// The tasks that were there when the recording began, by TID.
pub(crate) fn existing(trace: &Trace) -> Vec<Task> {
    let mut all: Vec<Task> = trace
        .events()
        .iter()
        .filter_map(|event| match event.body {
            EventBody::Existing { task, .. } => Some(task),
            _ => None,
        })
        .collect();
    all.sort();
    all
}

/// The ends of a trace in its order.
pub(crate) fn exits(trace: &Trace) -> Vec<(Task, End)> {
    let body = |event: &Event| match event.body {
        EventBody::Exit { task, end } => Some((task, end)),
        _ => None,
    };
    trace.events().iter().filter_map(body).collect()
}

/// The execs of a trace in its order: task, former TID, executable.
pub(crate) fn execs(trace: &Trace) -> Vec<(Task, Tid, Name)> {
    let body = |event: &Event| match &event.body {
        EventBody::Exec {
            task,
            former_tid,
            exe,
            ..
        } => Some((*task, *former_tid, exe.clone())),
        _ => None,
    };
    trace.events().iter().filter_map(body).collect()
}

/// Checks that a trace is whole and does not contradict itself; returns the tasks alive at its end.
///
/// The library's index mends contradictions, so the events are gone through here once more: a
/// task is born once, before anything else is told of it, by one that lives, and ends once.
pub(crate) fn check(trace: &Trace) -> Vec<Task> {
    let integrity = trace.integrity();
    assert!(
        matches!(integrity.ending, Ending::Finished(_)),
        "no end mark: {integrity:?}"
    );
    check_prefix(trace)
}

/// The same for a trace that may have been cut short.
pub(crate) fn check_prefix(trace: &Trace) -> Vec<Task> {
    let integrity = trace.integrity();
    assert!(integrity.damage.is_empty(), "{integrity:?}");
    assert_eq!(integrity.unknown_records, 0);
    assert_eq!(integrity.longer_records, 0);
    let mut alive: HashMap<Tid, Pid> = HashMap::new();
    for (index, Event { time, body }) in trace.events().iter().enumerate() {
        let told = || {
            let before: Vec<String> = trace.events()[index.saturating_sub(40)..index]
                .iter()
                .map(|event| format!("{event:?}"))
                .collect();
            let before = before.join("\n");
            format!("event {index} at {} ns: {body:?}; after\n{before}", time.0)
        };
        let lives = |alive: &HashMap<Tid, Pid>, task: Task| {
            assert_eq!(alive.get(&task.tid), Some(&task.pid), "{}", told());
        };
        let begins = |alive: &mut HashMap<Tid, Pid>, task: Task| {
            let before = alive.insert(task.tid, task.pid);
            assert_eq!(before, None, "lives already: {}", told());
        };
        match body {
            EventBody::Existing { task, .. } => begins(&mut alive, *task),
            EventBody::Birth(birth) => {
                let parent = birth.parent.unwrap_or_else(|| panic!("{}", told()));
                lives(&alive, parent);
                match birth.what {
                    What::Thread => assert_eq!(birth.child.pid, parent.pid, "{}", told()),
                    What::Process => assert!(birth.child.is_leader(), "{}", told()),
                }
                begins(&mut alive, birth.child);
            }
            EventBody::Exec {
                task, former_tid, ..
            } => {
                assert!(task.is_leader(), "{}", told());
                let former = Task {
                    tid: *former_tid,
                    ..*task
                };
                lives(&alive, former);
                alive.remove(former_tid);
                let left: Vec<_> = alive
                    .iter()
                    .filter(|(tid, pid)| **pid == task.pid && **tid != task.tid)
                    .collect();
                assert!(left.is_empty(), "{left:?} outlive {}", told());
                alive.insert(task.tid, task.pid);
            }
            EventBody::Exit { task, .. } | EventBody::Detach { task, .. } => {
                lives(&alive, *task);
                alive.remove(&task.tid);
            }
            // Names are looked at beside: one may be told of a task that has just ended.
            EventBody::Rename { .. } | EventBody::Mark { .. } => {}
            EventBody::CreateFailed { task, .. }
            | EventBody::SyscallEnter { task, .. }
            | EventBody::SyscallExit { task, .. } => lives(&alive, *task),
            EventBody::Gap { .. } | EventBody::Lost { .. } => panic!("{}", told()),
        }
    }
    let inferred: Vec<_> = trace
        .tasks()
        .iter()
        .filter(|record| record.origin == Origin::Inferred)
        .collect();
    assert!(inferred.is_empty(), "{inferred:?}");
    let mut left: Vec<Task> = alive
        .into_iter()
        .map(|(tid, pid)| Task { pid, tid })
        .collect();
    left.sort();
    left
}

/// What is in `all` and not in `part`, as multisets, and the other way round.
pub(crate) fn differences<T: Ord + Clone>(all: &[T], part: &[T]) -> (Vec<T>, Vec<T>) {
    let (mut missing, mut added) = (Vec::new(), part.to_vec());
    added.sort();
    for one in all {
        match added.binary_search(one) {
            Ok(at) => drop(added.remove(at)),
            Err(_) => missing.push(one.clone()),
        }
    }
    (missing, added)
}

/// The TIDs in a log that an `interval` printed.
pub(crate) fn printed_tids<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<u32> {
    let mut all: Vec<u32> = lines
        .into_iter()
        .filter_map(|line| line.split_once("thread: ")?.1.trim().parse().ok())
        .collect();
    all.sort_unstable();
    all
}

/// A program's pid from its `ready` line.
pub(crate) fn ready(child: &mut Child) -> u32 {
    let line = child.wait_line("ready ", SOON);
    line["ready ".len()..].parse().expect("a pid")
}

/// The only entry of a folder.
pub(crate) fn only_file(dir: &Path) -> PathBuf {
    let entries: Vec<PathBuf> = std::fs::read_dir(dir)
        .expect("read a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries.into_iter().next().expect("one")
}

/// In chains each thread but the last has one successor, so a missed one shows as a second end.
pub(crate) fn assert_unbroken(trace: &Trace, chains: usize) {
    let alive = trace
        .tasks()
        .iter()
        .filter(|record| !record.task.is_leader() && record.how == Ended::Alive)
        .count();
    let mut ends = 0;
    for record in trace.tasks() {
        if record.task.is_leader() {
            continue;
        }
        let successors = trace.children(record.id).len();
        assert!(successors <= 1, "{record:?}");
        // One that was there at the attach may have had its successor before.
        if successors == 0 && record.origin == Origin::Birth && record.how != Ended::Alive {
            ends += 1;
        }
    }
    assert_eq!(
        ends, 0,
        "chains broke off; {alive} alive of {chains} chains"
    );
}

/// Delays that look random, and are the same each time.
pub(crate) fn moments() -> impl Iterator<Item = Duration> {
    let mut state = 12345u64;
    std::iter::repeat_with(move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        Duration::from_micros((state >> 33) % 250_000)
    })
}
