//! `/proc` read into values. The text is parsed from bytes (proc(5)): names in it are hostile.

mod parse;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use tidline::model::{Name, Pid, Tid};

pub(crate) use parse::{Stat, Status};

/// `/proc/TID/status`, or `None` if the task is gone. Works for any thread's TID.
pub(crate) fn status(tid: Tid) -> Option<Status> {
    parse::status(&fs::read(format!("/proc/{tid}/status")).ok()?)
}

/// Whether a task is there, and we are its tracer.
pub(crate) fn is_traced_by_us(tid: Tid) -> bool {
    status(tid).is_some_and(|status| status.is_traced_by_us())
}

/// `/proc/PID/stat`, or `None` if the process is gone.
pub(crate) fn stat(tid: Tid) -> Option<Stat> {
    parse::stat(&fs::read(format!("/proc/{tid}/stat")).ok()?)
}

/// The same of a process's leader, which another thread takes the place of when it executes a program.
/// Who looks at that moment may see the old one, ended and without a parent: then it is looked at again.
pub(crate) fn stat_of_leader(pid: Pid) -> Option<Stat> {
    of_leader(pid, stat, |stat| !stat.has_ended() || stat.parent.0 != 0)
}

/// [`status`] of a process's leader.
pub(crate) fn status_of_leader(pid: Pid) -> Option<Status> {
    of_leader(pid, status, |_| true)
}

/// How long a task has waited for a processor since it began, ns (`/proc/TID/schedstat`, where the kernel
/// keeps it); `None` if the task is gone.
pub(crate) fn waited_for_a_processor_ns(tid: Tid) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{tid}/schedstat")).ok()?;
    text.split_whitespace().nth(1)?.parse().ok()
}

/// Looks at a process's leader, and again if that saw somebody else or, amid an exec, nobody.
fn of_leader<T>(
    pid: Pid,
    look: impl Fn(Tid) -> Option<T>,
    is_right: impl Fn(&T) -> bool,
) -> Option<T> {
    const LOOKS: usize = 20;
    for _ in 1..LOOKS {
        match look(Tid(pid.0)) {
            Some(found) if is_right(&found) => return Some(found),
            None if !is_there(pid) => return None,
            _ => std::thread::sleep(Duration::from_millis(1)),
        }
    }
    look(Tid(pid.0))
}

/// Whether there is such a process. kill(2) sees one amid an exec, too (`kill_pid_info`, Linux 6.18).
fn is_there(pid: Pid) -> bool {
    let pid = nix::unistd::Pid::from_raw(pid.0 as i32);
    nix::sys::signal::kill(pid, None) != Err(nix::errno::Errno::ESRCH)
}

/// The state letter of one thread (proc_pid_stat(5)), or `None` if it is gone. Unlike [`stat`] this
/// does not sum over all threads of the process, which would make a look at each of them quadratic.
pub(crate) fn thread_state(pid: Pid, tid: Tid) -> Option<u8> {
    let path = format!("/proc/{pid}/task/{tid}/stat");
    parse::stat(&fs::read(path).ok()?).map(|stat| stat.state)
}

/// One thread's `stat` and its name in it, or `None` if it is gone. It is cheap, as is [`thread_state`].
pub(crate) fn thread_stat(pid: Pid, tid: Tid) -> Option<(Stat, Name)> {
    let bytes = fs::read(format!("/proc/{pid}/task/{tid}/stat")).ok()?;
    Some((parse::stat(&bytes)?, Name::from(parse::stat_name(&bytes)?)))
}

/// Whether the `/proc` that is mounted is that of our own pid namespace.
pub(crate) fn is_ours() -> bool {
    let own = std::process::id().to_string();
    fs::read_link("/proc/self").is_ok_and(|pid| pid.as_os_str() == own.as_str())
}

/// The kernel's count of a process's threads, zombies that were not reaped included.
pub(crate) fn num_threads(pid: Pid) -> Option<usize> {
    stat(Tid(pid.0)).map(|stat| stat.num_threads)
}

/// The parent process; `None` if there is none that we can see.
pub(crate) fn parent(pid: Pid) -> Option<Pid> {
    stat(Tid(pid.0))
        .map(|stat| stat.parent)
        .filter(|parent| parent.0 != 0)
}

/// The threads of a process, as listed now.
pub(crate) fn threads(pid: Pid) -> impl Iterator<Item = Tid> {
    fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok().map(Tid))
}

/// The processes, as listed now; with kernel threads and zombies.
pub(crate) fn processes() -> impl Iterator<Item = Pid> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok().map(Pid))
}

/// A task's name, without the line's end.
pub(crate) fn comm(tid: Tid) -> Option<Name> {
    let bytes = fs::read(format!("/proc/{tid}/comm")).ok()?;
    Some(Name::from(bytes.strip_suffix(b"\n").unwrap_or(&bytes)))
}

/// A task's memory map, `/proc/TID/maps`.
pub(crate) fn maps(tid: Tid) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{tid}/maps")).ok()
}

/// The executable of a task's process.
pub(crate) fn exe(tid: Tid) -> Option<Name> {
    let path = fs::read_link(format!("/proc/{tid}/exe")).ok()?;
    Some(Name::from(path.as_os_str().as_bytes()))
}

/// A process's command line; empty for a kernel thread and for a zombie.
pub(crate) fn command_line(pid: Pid) -> Vec<Vec<u8>> {
    parse::command_line(&fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default())
}

/// A line of `/proc/sys/kernel`, such as `hostname`; empty where it cannot be read.
pub(crate) fn kernel_setting(name: &str) -> String {
    let bytes = fs::read(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim_end().to_string()
}
