//! Facts from `/proc`. `None` and an empty list mean that the task is gone.

use std::fs;

/// The TID and state letter (proc_pid_stat(5)) of each thread of a process, by TID.
pub(crate) fn thread_states(pid: u32) -> Vec<(u32, char)> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let mut states: Vec<(u32, char)> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|tid: u32| {
            let state = stat_field(&format!("/proc/{pid}/task/{tid}/stat"), 3)?;
            Some((tid, state.chars().next()?))
        })
        .collect();
    states.sort_unstable();
    states
}

/// The pid of the process that traces a thread; 0 where none does.
pub(crate) fn tracer_of(tid: u32) -> Option<u32> {
    let status = fs::read(format!("/proc/{tid}/status")).ok()?;
    String::from_utf8_lossy(&status)
        .lines()
        .find_map(|line| line.strip_prefix("TracerPid:"))?
        .trim()
        .parse()
        .ok()
}

/// For each living thread of a process its state letter and its tracer's pid, 0 for none.
///
/// Both are of one moment: a thread that its tracer has just reaped has no tracer any more, but
/// then its state tells that it has ended (`task_state` of fs/proc/array.c, Linux 6.18).
pub(crate) fn tracers(pid: u32) -> Vec<(u32, char, u32)> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|tid: u32| {
            let status = fs::read(format!("/proc/{pid}/task/{tid}/status")).ok()?;
            let status = String::from_utf8_lossy(&status);
            let field = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name))?;
                Some(line.trim())
            };
            let state = field("State:")?.chars().next()?;
            let tracer = field("TracerPid:")?.parse().ok()?;
            (!matches!(state, 'Z' | 'X')).then_some((tid, state, tracer))
        })
        .collect()
}

/// How many threads the kernel counts in a process. It counts those it does not list, too.
pub(crate) fn num_threads(pid: u32) -> Option<u32> {
    stat_field(&format!("/proc/{pid}/stat"), 20)?.parse().ok()
}

/// A thread's name, as bytes.
pub(crate) fn comm(tid: u32) -> Option<Vec<u8>> {
    let mut name = fs::read(format!("/proc/{tid}/comm")).ok()?;
    name.pop(); // the newline that the kernel adds
    Some(name)
}

/// A field of a `stat` file, counted from 1 as the manual does, from the third on. The name before
/// it may hold anything, `)` too, but nothing behind it does.
fn stat_field(path: &str, number: usize) -> Option<String> {
    let stat = fs::read(path).ok()?;
    let behind_name = stat.iter().rposition(|byte| *byte == b')')? + 2;
    String::from_utf8_lossy(stat.get(behind_name..)?)
        .split_ascii_whitespace()
        .nth(number - 3)
        .map(str::to_owned)
}
