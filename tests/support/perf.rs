//! The kernel's own account of what was created: `perf record` on the scheduler's tracepoints,
//! for the whole system. It stops nothing and shares no code with any tracer.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::child::Child;
use super::made::Made;

/// `CLONE_THREAD` of linux/sched.h.
pub(crate) const CLONE_THREAD: u64 = 0x0001_0000;

const PATIENCE: Duration = Duration::from_secs(120);
const TRACEFS: &str = "/sys/kernel/tracing";
/// `O_NONBLOCK` of fcntl.h, on x86-64 and aarch64.
const O_NONBLOCK: i32 = 0o4000;

/// One creation, as the kernel saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fork {
    /// The thread group of the task that called.
    pub(crate) parent_pid: u32,
    /// The TID that called.
    pub(crate) parent_tid: u32,
    /// Its name then. Bytes that are not UTF-8 are replaced.
    pub(crate) parent_comm: String,
    /// The new TID.
    pub(crate) child_tid: u32,
    /// The clone flags, without the exit signal. `None` only for a creation that fell between the
    /// start of the one tracepoint and of the other, which [`PerfOracle::stop`] cuts off.
    pub(crate) flags: Option<u64>,
    /// When, on the monotonic clock.
    pub(crate) time_ns: u64,
}

impl Fork {
    pub(crate) fn is_thread(&self) -> bool {
        self.flags.is_some_and(|flags| flags & CLONE_THREAD != 0)
    }

    pub(crate) fn made(&self) -> Made {
        let kind = if self.is_thread() {
            "thread"
        } else {
            "process"
        };
        Made::new(kind, self.parent_tid, self.child_tid)
    }
}

/// A running `perf record`.
///
/// `perf` is told over a pipe to begin and to end, and answers when it has. So nothing that happens
/// between [`start`](PerfOracle::start) and [`stop`](PerfOracle::stop) is missed. A process is
/// made right after the one and right before the other, and must be in the recording.
#[derive(Debug)]
pub(crate) struct PerfOracle {
    perf: Child,
    data: PathBuf,
    control: File,
    answers: File,
    first_probe: u32,
}

impl PerfOracle {
    /// Begins to record into a folder. Says why, where that is not possible.
    pub(crate) fn start(dir: &Path) -> Result<PerfOracle, String> {
        output(Command::new("perf").arg("--version"))?;
        mount_tracefs()?;
        let data = dir.join("perf.data");
        let (control, answers) = (dir.join("perf.control"), dir.join("perf.answers"));
        output(Command::new("mkfifo").args([&control, &answers]))?;
        let channel = format!("fifo:{},{}", control.display(), answers.display());
        let mut oracle = PerfOracle {
            control: open_fifo(&control)?,
            answers: open_fifo(&answers)?,
            perf: Child::spawn(
                Command::new("perf")
                    .args(["record", "--all-cpus", "--clockid", "mono"])
                    .args(["--mmap-pages", "4M"])
                    .args(["-e", "sched:sched_process_fork", "-e", "task:task_newtask"])
                    .args(["--no-buildid", "--no-buildid-cache"])
                    .args(["--delay", "-1", "--control", &channel])
                    .arg("--output")
                    .arg(&data),
            ),
            data,
            first_probe: 0,
        };
        oracle.ask("enable")?;
        oracle.first_probe = probe()?;
        Ok(oracle)
    }

    /// Ends the recording. The creations from the first probe to the last, in the order of time; or
    /// what is missing from them.
    pub(crate) fn stop(mut self) -> Result<Vec<Fork>, String> {
        let last_probe = probe()?;
        self.ask("stop")?;
        let status = self.perf.wait_exit(PATIENCE);
        let said = self.perf.stderr();
        if !status.success() {
            return Err(format!("perf record: {status}: {said}"));
        }
        let stats = output(perf_on(&self.data, "report").args(["--stats", "--stdio"]))?;
        check_losses(&said, &stats)?;
        let script =
            output(perf_on(&self.data, "script").args(["--ns", "-F", "pid,tid,time,event,trace"]))?;
        between_probes(parse_script(&script)?, self.first_probe, last_probe)
    }

    /// Gives `perf` a command and waits until it has done it: it answers `ack`.
    fn ask(&mut self, command: &str) -> Result<(), String> {
        writeln!(self.control, "{command}").map_err(|error| format!("cannot ask perf: {error}"))?;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match self.answers.read(&mut [0; 64]) {
                Ok(1..) => return Ok(()),
                Err(error) if error.kind() != ErrorKind::WouldBlock => {
                    return Err(format!("cannot read perf's answer: {error}"));
                }
                _ => std::thread::sleep(Duration::from_millis(1)),
            }
            if let Some(status) = self.perf.try_exit() {
                self.perf.wait_output(PATIENCE);
                let said = self.perf.stderr();
                return Err(format!("perf record: {status}: {}", said.trim()));
            }
        }
        Err(format!("perf did not answer {command:?}"))
    }
}

/// What is certainly whole: outside, one tracepoint may have been on and the other not.
fn between_probes(forks: Vec<Fork>, first: u32, last: u32) -> Result<Vec<Fork>, String> {
    let is = |fork: &Fork, probe| fork.child_tid == probe && fork.parent_pid == std::process::id();
    let begin = forks.iter().position(|fork| is(fork, first));
    let end = forks.iter().rposition(|fork| is(fork, last));
    let (Some(begin), Some(end)) = (begin, end) else {
        return Err(format!(
            "perf missed a probe: {first} {begin:?}, {last} {end:?}"
        ));
    };
    let forks = forks[begin..=end].to_vec();
    match forks.iter().find(|fork| fork.flags.is_none()) {
        Some(fork) => Err(format!("no {NEWTASK} for {fork:?}")),
        None => Ok(forks),
    }
}

/// The creations below a process that was itself made during the recording: by it, by what it
/// made, and so on, sorted. TIDs are used again, so one may be in it twice.
///
/// # Panics
/// If the recording has no such process.
pub(crate) fn descendants(forks: &[Fork], root_pid: u32) -> Vec<Made> {
    let births = |ours: bool| {
        let family = family(forks, std::process::id());
        forks.iter().enumerate().position(|(index, fork)| {
            fork.child_tid == root_pid && !fork.is_thread() && (family[index] || !ours)
        })
    };
    // TIDs are used again: if this very test process or its descendants made one of that number,
    // that one is meant.
    let born = births(true)
        .or_else(|| births(false))
        .unwrap_or_else(|| panic!("the birth of process {root_pid} is not in the recording"));
    descendants_of_existing(&forks[born + 1..], root_pid)
}

/// The same for a process that was there when the recording began.
pub(crate) fn descendants_of_existing(forks: &[Fork], root_pid: u32) -> Vec<Made> {
    let is_in = family(forks, root_pid);
    let mut all: Vec<Made> = forks
        .iter()
        .zip(is_in)
        .filter(|(_, is_in)| *is_in)
        .map(|(fork, _)| fork.made())
        .collect();
    all.sort();
    all
}

/// For each creation, whether a process or one of its descendants made it.
///
/// When a task is made whose TID was a descendant's, the descendant has ended.
fn family(forks: &[Fork], root_pid: u32) -> Vec<bool> {
    let mut pids = HashSet::from([root_pid]);
    forks
        .iter()
        .map(|fork| {
            let is_in = pids.contains(&fork.parent_pid);
            if is_in && !fork.is_thread() {
                pids.insert(fork.child_tid);
            } else {
                pids.remove(&fork.child_tid);
            }
            is_in
        })
        .collect()
}

/// Reads the output of `perf script --ns -F pid,tid,time,event,trace`. Lines look like these, with
/// the creator's pid and TID in front; the name, which its program chose, may hold anything, a
/// newline too:
///
/// ```text
///  7031/7032  1168.446354068:        task:task_newtask: pid=7033 comm=sh clone_flags=1200000 oom_score_adj=0
///  7031/7032  1168.446358042: sched:sched_process_fork: comm=sh pid=7032 child_comm=sh child_pid=7033
/// ```
pub(crate) fn parse_script(script: &str) -> Result<Vec<Fork>, String> {
    let mut records: Vec<(Head<'_>, String)> = Vec::new();
    for line in script.split('\n') {
        match (parse_head(line), records.last_mut()) {
            (Some((head, text)), _) => records.push((head, text.to_owned())),
            (None, Some((_, text))) => {
                text.push('\n');
                text.push_str(line);
            }
            (None, None) if line.trim().is_empty() => {}
            (None, None) => return Err(format!("perf script begins with {line:?}")),
        }
    }
    // The flags come in an event of their own, just before, from the same task.
    let mut flags: HashMap<(u32, u32), u64> = HashMap::new();
    let mut forks = Vec::new();
    for (head, text) in &records {
        let bad = || format!("cannot read {}: {text:?}", head.event);
        if head.event == NEWTASK {
            let (child, value) = parse_newtask(text).ok_or_else(bad)?;
            flags.insert((head.tid, child), value);
            continue;
        }
        let (child_tid, comm) = parse_fork(head.tid, text).ok_or_else(bad)?;
        forks.push(Fork {
            parent_pid: head.pid,
            parent_tid: head.tid,
            parent_comm: comm.to_owned(),
            child_tid,
            flags: flags.remove(&(head.tid, child_tid)),
            time_ns: head.time_ns,
        });
    }
    Ok(forks)
}

const NEWTASK: &str = "task:task_newtask";
const FORK: &str = "sched:sched_process_fork";

/// What stands before the event's own text.
struct Head<'a> {
    pid: u32,
    tid: u32,
    time_ns: u64,
    event: &'a str,
}

fn parse_head(line: &str) -> Option<(Head<'_>, &str)> {
    let (ids, rest) = line.trim_start().split_once(char::is_whitespace)?;
    let (pid, tid) = ids.split_once('/')?;
    let (time, rest) = rest.trim_start().split_once(": ")?;
    let (seconds, ns) = time.split_once('.')?;
    let (event, text) = rest.trim_start().split_once(": ")?;
    let head = Head {
        pid: pid.parse().ok()?,
        tid: tid.parse().ok()?,
        time_ns: seconds.parse::<u64>().ok()? * 1_000_000_000 + ns.parse::<u64>().ok()?,
        event: [NEWTASK, FORK].into_iter().find(|known| *known == event)?,
    };
    Some((head, text))
}

/// The new TID and the flags of `pid=7033 comm=… clone_flags=1200000 oom_score_adj=0`.
fn parse_newtask(text: &str) -> Option<(u32, u64)> {
    let (child, _) = text.strip_prefix("pid=")?.split_once(' ')?;
    let (_, flags) = text.rsplit_once(" clone_flags=")?;
    let (flags, _) = flags.split_once(' ')?;
    Some((child.parse().ok()?, u64::from_str_radix(flags, 16).ok()?))
}

/// The new TID and the creator's name of `comm=… pid=7031 child_comm=… child_pid=7033`.
fn parse_fork(tid: u32, text: &str) -> Option<(u32, &str)> {
    let (rest, child) = text.rsplit_once(" child_pid=")?;
    let (comm, _) = rest
        .strip_prefix("comm=")?
        .split_once(&format!(" pid={tid} child_comm="))?;
    Some((child.trim().parse().ok()?, comm))
}

/// An error if `perf` lost events: it says so at the end, and in its statistics.
pub(crate) fn check_losses(said: &str, stats: &str) -> Result<(), String> {
    let lost = stats
        .lines()
        .chain(said.lines())
        .filter(|line| line.to_lowercase().contains("lost"))
        .filter(|line| !line.trim_end().ends_with(" 0"))
        .map(str::trim)
        .collect::<Vec<_>>()
        .join("; ");
    if lost.is_empty() {
        Ok(())
    } else {
        Err(format!("perf lost events: {lost}"))
    }
}

/// Tracepoints are described in tracefs, which is not mounted everywhere.
fn mount_tracefs() -> Result<(), String> {
    if Path::new(TRACEFS).join("events").exists() {
        return Ok(());
    }
    output(Command::new("mount").args(["-t", "tracefs", "tracefs", TRACEFS]))
        .map(drop)
        .map_err(|why| format!("{TRACEFS} is not readable and cannot be mounted (root can): {why}"))
}

/// Makes a process that does nothing; its id.
fn probe() -> Result<u32, String> {
    let mut child = Command::new("true")
        .spawn()
        .map_err(|error| format!("cannot start true: {error}"))?;
    child.wait().map_err(|error| error.to_string())?;
    Ok(child.id())
}

/// Opened for both, a FIFO does not wait for its other side (fifo(7)).
fn open_fifo(path: &Path) -> Result<File, String> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(O_NONBLOCK)
        .open(path)
        .map_err(|error| format!("cannot open {}: {error}", path.display()))
}

fn perf_on(data: &Path, command: &str) -> Command {
    let mut perf = Command::new("perf");
    perf.args([command, "--force", "--input"]).arg(data);
    perf
}

fn output(command: &mut Command) -> Result<String, String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run {command:?}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!(
            "{command:?}: {}: {}",
            output.status,
            text(&output.stderr).trim()
        ))
    }
}
