//! What can be known to go wrong before anything is touched, each with its mend.

use std::collections::HashSet;
use std::fs::File;
use std::io;

use anyhow::{Result, bail};
use nix::errno::Errno;
use tidline::model::{Pid, Tid};

use crate::proc::{self, Status};

/// Checks that a process is one, and can be recorded at all. Touches nothing.
///
/// # Errors
/// With the reason, and what to do about it.
pub(crate) fn check_there(pid: Pid) -> Result<()> {
    look_at(pid).map(drop)
}

/// Checks that a process can be attached to. Touches nothing.
///
/// # Errors
/// With the reason, and what to do about it.
pub(crate) fn check(pid: Pid) -> Result<()> {
    let status = look_at(pid)?;
    if ancestors().contains(&pid) {
        bail!(
            "process {pid} {} is tidrec itself or started it: it would wait for itself; record it \
             from another terminal that it did not start, or with --backend perf",
            name(pid)
        );
    }
    if status.tracer.0 != 0 {
        bail!("{}", traced_already(pid, status.tracer));
    }
    // The kernel's own check for ptrace, without its consequences (ptrace(2), "access mode
    // checking": PTRACE_MODE_ATTACH_FSCREDS).
    match File::open(format!("/proc/{pid}/mem")) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            bail!("{}", denied(pid, &status, Seized::NotYet))
        }
        _ => Ok(()),
    }
}

/// What holds for every way to record a process.
fn look_at(pid: Pid) -> Result<Status> {
    let (Some(stat), Some(status)) = (proc::stat_of_leader(pid), proc::status_of_leader(pid))
    else {
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
            "process {pid} {} is a kernel thread: the kernel lets nobody trace it (perf(1) shows what \
             such threads do)",
            name(pid)
        );
    }
    if stat.has_ended() {
        bail!(
            "process {pid} {} has ended already: it is a zombie that its parent {} {} has not \
             collected, and nothing of it can be recorded (the next one can: tidrec -- CMD)",
            name(pid),
            stat.parent,
            name(stat.parent)
        );
    }
    Ok(status)
}

/// Whether a process that was not asked for by its number may be attached at all: it runs, is no
/// kernel thread, and is not tidrec itself. Those that started tidrec would wait for themselves.
pub(crate) fn is_candidate(pid: Pid) -> bool {
    proc::stat_of_leader(pid).is_some_and(|stat| !stat.is_kernel_thread() && !stat.has_ended())
        && !ancestors().contains(&pid)
}

/// Why the kernel refused a seize that the checks had let pass.
pub(crate) fn explain(pid: Pid, error: Errno) -> String {
    let status = proc::status(Tid(pid.0));
    match (error, status) {
        (Errno::EPERM | Errno::EACCES, Some(status)) if status.tracer.0 != 0 => {
            traced_already(pid, status.tracer)
        }
        (Errno::EPERM | Errno::EACCES, Some(status)) => denied(pid, &status, Seized::Tried),
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

/// Why the kernel's checks do not let us trace a process. `seized` tells that opening its memory was
/// allowed, and only the seize was not.
fn denied(pid: Pid, target: &Status, seized: Seized) -> String {
    let own = proc::status(Tid(std::process::id())).unwrap_or_default();
    let facts = Facts {
        scope: proc::kernel_setting("yama/ptrace_scope"),
        uid: own.uids[1],
        target_uid: target.uids[1],
        same_user: target.uids[..3].iter().all(|uid| *uid == own.uids[0]),
        capable: own.may_ptrace_others(),
        filtered: seized == Seized::Tried && is_filtered(),
        in_user_namespace: is_in_user_namespace(),
    };
    let who = if target.parent.0 == std::process::id() {
        "not permitted to trace even the command that it launches".to_string()
    } else {
        format!("not permitted to trace process {pid} {}", name(pid))
    };
    format!("{who}: {}", facts.reason())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seized {
    NotYet,
    Tried,
}

/// What decides whether a process may be traced (ptrace(2), "access mode checking").
#[derive(Clone, Debug, Default)]
struct Facts {
    /// Yama's `ptrace_scope`; empty where there is no Yama.
    scope: String,
    uid: u32,
    target_uid: u32,
    /// All of the target's user ids are ours.
    same_user: bool,
    /// We have `CAP_SYS_PTRACE`.
    capable: bool,
    /// We have a seccomp filter, and it may be that which said no.
    filtered: bool,
    in_user_namespace: bool,
}

impl Facts {
    /// The likeliest reason for a denial, and its mend.
    fn reason(&self) -> String {
        let capable = self.capable;
        match self.scope.as_str() {
            "3" => "Yama forbids all tracing on this host (kernel.yama.ptrace_scope is 3), until \
                    it is rebooted with another setting"
                .to_string(),
            _ if self.filtered => "a seccomp filter, which a container's runtime or a sandbox \
                                   sets up, forbids ptrace(2) to tidrec: run the container with a \
                                   seccomp profile that allows it (docker run --cap-add \
                                   SYS_PTRACE does, or --security-opt seccomp=…), or run tidrec \
                                   on the host"
                .to_string(),
            "2" if !capable => "Yama lets only CAP_SYS_PTRACE trace (kernel.yama.ptrace_scope is \
                                2): run tidrec as root or with that capability"
                .to_string(),
            _ if !self.same_user && !capable => format!(
                "it belongs to uid {}, and tidrec runs as uid {}: run tidrec as that user, as \
                 root, or with CAP_SYS_PTRACE (sudo tidrec …)",
                self.target_uid, self.uid
            ),
            "1" if !capable => "Yama lets only ancestors trace (kernel.yama.ptrace_scope is 1): \
                                run tidrec as root or with CAP_SYS_PTRACE, launch the program \
                                with tidrec -- CMD, or set kernel.yama.ptrace_scope to 0"
                .to_string(),
            _ if self.in_user_namespace => "tidrec is in a user namespace (a rootless container, \
                                            unshare -U), whose root may trace nothing outside of \
                                            it: run tidrec outside, as the target's user or as \
                                            root; or if the target is inside, a security module \
                                            or its being undumpable (prctl(2)) forbids it"
                .to_string(),
            _ if capable => "tidrec has CAP_SYS_PTRACE, so something else forbids it: a user \
                             namespace that is not the target's, a seccomp filter or a security \
                             module (in a container: --cap-add SYS_PTRACE and a seccomp profile \
                             that allows ptrace, or run tidrec on the host)"
                .to_string(),
            _ => "it is protected: it changed its user or has capabilities (prctl(2), \
                  PR_SET_DUMPABLE); run tidrec as root or with CAP_SYS_PTRACE"
                .to_string(),
        }
    }
}

/// Whether we run under a seccomp filter (proc_pid_status(5): 2 is `SECCOMP_MODE_FILTER`).
fn is_filtered() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mode = status
        .lines()
        .find_map(|line| line.strip_prefix("Seccomp:"));
    mode.is_some_and(|mode| mode.trim() == "2")
}

/// Whether our user namespace is another than the host's, which maps every id to itself. (A new one
/// maps none. Where there are no user namespaces, there is no such file.)
fn is_in_user_namespace() -> bool {
    std::fs::read_to_string("/proc/self/uid_map").is_ok_and(|map| {
        let words: Vec<&str> = map.split_ascii_whitespace().collect();
        words != ["0", "0", "4294967295"]
    })
}

/// tidrec and everything that started it.
pub(crate) fn ancestors() -> HashSet<Pid> {
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
pub(crate) fn name(pid: Pid) -> String {
    match proc::comm(Tid(pid.0)) {
        Some(name) => format!("({name})"),
        None => "(gone)".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One's own process, and nothing special.
    fn facts(scope: &str) -> Facts {
        Facts {
            scope: scope.into(),
            uid: 1000,
            target_uid: 1000,
            same_user: true,
            ..Facts::default()
        }
    }

    fn assert_says(facts: &Facts, parts: &[&str]) {
        let said = facts.reason();
        for part in parts {
            assert!(
                said.contains(part),
                "{facts:?}: {part:?} is not in {said:?}"
            );
        }
    }

    #[test]
    fn each_of_yamas_scopes_has_its_mend() {
        let one = [
            "ptrace_scope is 1",
            "only ancestors",
            "tidrec -- CMD",
            "to 0",
        ];
        assert_says(&facts("1"), &one);
        assert_says(&facts("2"), &["ptrace_scope is 2", "run tidrec as root"]);
        assert_says(&facts("3"), &["ptrace_scope is 3", "rebooted"]);
        // The strictest one binds even those whom the others let pass.
        let root = |scope| Facts {
            capable: true,
            ..facts(scope)
        };
        assert_says(&root("3"), &["ptrace_scope is 3"]);
        for scope in ["", "0", "1", "2"] {
            assert!(!root(scope).reason().contains("Yama"), "{scope}");
        }
        for scope in ["", "0"] {
            assert_says(&facts(scope), &["it is protected"]);
        }
    }

    #[test]
    fn yama_is_not_blamed_for_what_another_user_owns() {
        let foreign = |scope| Facts {
            target_uid: 0,
            same_user: false,
            ..facts(scope)
        };
        for scope in ["", "0", "1"] {
            let parts = ["belongs to uid 0", "runs as uid 1000", "sudo"];
            assert_says(&foreign(scope), &parts);
        }
        // Here being that user would not help.
        assert_says(&foreign("2"), &["ptrace_scope is 2"]);
    }

    #[test]
    fn a_filter_and_a_namespace_have_their_mends() {
        for capable in [false, true] {
            let filtered = Facts {
                capable,
                filtered: true,
                ..facts("1")
            };
            assert_says(&filtered, &["seccomp filter", "--cap-add", "on the host"]);
            let within = Facts {
                capable,
                in_user_namespace: true,
                ..facts("0")
            };
            assert_says(&within, &["in a user namespace", "run tidrec outside"]);
        }
    }
}
