//! What can be known to go wrong before anything is touched, each with its mend.

use std::collections::HashSet;
use std::fs::File;
use std::io;

use anyhow::{Result, bail};
use nix::errno::Errno;
use tidline::model::{Pid, Tid};

use crate::proc::{self, Status};

/// Checks that a process can be attached to. Touches nothing.
///
/// # Errors
/// With the reason, and what to do about it.
pub(crate) fn check(pid: Pid) -> Result<()> {
    let leader = Tid(pid.0);
    let (Some(stat), Some(status)) = (proc::stat(leader), proc::status(leader)) else {
        bail!("no process {pid}: it has ended, or the number is wrong (look with ps or pgrep)");
    };
    if status.pid != pid {
        bail!(
            "{pid} is a thread of process {0}: record that with -p {0}",
            status.pid
        );
    }
    if stat.is_kernel_thread() {
        bail!(
            "process {pid} {} is a kernel thread: the kernel lets nobody trace it",
            name(pid)
        );
    }
    if ancestors().contains(&pid) {
        bail!(
            "process {pid} {} is tidrec itself or started it: it would wait for itself; record it \
             from another terminal that it did not start",
            name(pid)
        );
    }
    if matches!(stat.state, b'Z' | b'X') && stat.num_threads <= 1 {
        bail!(
            "process {pid} {} has ended already: it is a zombie that its parent {} {} has not \
             collected",
            name(pid),
            stat.parent,
            name(stat.parent)
        );
    }
    if status.tracer.0 != 0 {
        bail!("{}", traced_already(pid, status.tracer));
    }
    // The kernel's own check for ptrace, without its consequences (ptrace(2), "access mode
    // checking": PTRACE_MODE_ATTACH_FSCREDS).
    match File::open(format!("/proc/{pid}/mem")) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            bail!("{}", denied(pid, &status))
        }
        _ => Ok(()),
    }
}

/// Why the kernel refused a seize that the checks had let pass.
pub(crate) fn explain(pid: Pid, error: Errno) -> String {
    let status = proc::status(Tid(pid.0));
    match (error, status) {
        (Errno::EPERM | Errno::EACCES, Some(status)) if status.tracer.0 != 0 => {
            traced_already(pid, status.tracer)
        }
        (Errno::EPERM | Errno::EACCES, Some(status)) => denied(pid, &status),
        (error, _) => format!(
            "cannot attach to process {pid} {}: {}",
            name(pid),
            error.desc()
        ),
    }
}

/// Why the kernel refused to have one thread of a process seized.
pub(crate) fn explain_thread(tid: Tid, error: Errno) -> String {
    match proc::status(tid).map(|status| status.tracer) {
        Some(tracer) if tracer.0 != 0 => {
            format!(
                "thread {tid} is traced by process {tracer} {}",
                name(tracer)
            )
        }
        _ => format!("thread {tid}: {}", error.desc()),
    }
}

fn traced_already(pid: Pid, tracer: Pid) -> String {
    format!(
        "process {pid} {} is traced already, by process {tracer} {}: only one tracer can be; end \
         that one, or detach it, first",
        name(pid),
        name(tracer)
    )
}

fn denied(pid: Pid, target: &Status) -> String {
    let who = format!("not permitted to trace process {pid} {}", name(pid));
    let own = proc::status(Tid(std::process::id())).unwrap_or_default();
    let capable = own.may_ptrace_others();
    let scope = proc::kernel_setting("yama/ptrace_scope");
    let same_user = target.uids[..3].iter().all(|uid| *uid == own.uids[0]);
    let why = match scope.as_str() {
        "3" => "Yama forbids all tracing on this host (kernel.yama.ptrace_scope is 3), until it \
                is rebooted with another setting"
            .to_string(),
        "2" if !capable => "Yama lets only CAP_SYS_PTRACE trace (kernel.yama.ptrace_scope is 2): \
                            run tidrec as root or with that capability"
            .to_string(),
        _ if !same_user && !capable => format!(
            "it belongs to uid {}, and tidrec runs as uid {}: run tidrec as that user, as root, \
             or with CAP_SYS_PTRACE (sudo tidrec …)",
            target.uids[1], own.uids[1]
        ),
        "1" if !capable => "Yama lets only ancestors trace (kernel.yama.ptrace_scope is 1): run \
                            tidrec as root or with CAP_SYS_PTRACE, launch the program with \
                            tidrec -- CMD, or set kernel.yama.ptrace_scope to 0"
            .to_string(),
        _ if capable => "tidrec has CAP_SYS_PTRACE, so something else forbids it: a user \
                         namespace that is not the target's, a seccomp filter or a security \
                         module (in a container: --cap-add SYS_PTRACE and a seccomp profile that \
                         allows ptrace, or run tidrec on the host)"
            .to_string(),
        _ => {
            "it is protected: it changed its user or has capabilities (prctl(2), PR_SET_DUMPABLE); \
              run tidrec as root or with CAP_SYS_PTRACE"
                .to_string()
        }
    };
    format!("{who}: {why}")
}

/// tidrec and everything that started it.
fn ancestors() -> HashSet<Pid> {
    let mut found = HashSet::new();
    let mut pid = Some(Pid(std::process::id()));
    while let Some(this) = pid
        && found.insert(this)
    {
        pid = proc::parent(this);
    }
    found
}

/// A process's name in parentheses, safe to print.
fn name(pid: Pid) -> String {
    match proc::comm(Tid(pid.0)) {
        Some(name) => format!("({name})"),
        None => "(gone)".into(),
    }
}
