//! Whether perf events can be had here, and if not, what would help.

use std::io;

use anyhow::{Result, anyhow, bail};
use tidline::model::Tid;

use super::record::Wanted;
use crate::proc;

const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;

/// The inode of the host's own pid namespace (`PROC_PID_INIT_INO`).
const HOST: &str = "pid:[4026531836]";

/// What can be known before anything is opened.
///
/// # Errors
/// With the reason, and what would help.
pub(crate) fn check() -> Result<()> {
    let here = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    if here.as_os_str() != HOST && !here.as_os_str().is_empty() {
        bail!(
            "tidrec is in a pid namespace (a container's), and tracepoints name tasks by the host's \
             TIDs: run tidrec on the host, where it sees the container's tasks too, or with --backend \
             ptrace"
        );
    }
    let own = proc::status(Tid(std::process::id())).unwrap_or_default();
    let has = |capability: u32| own.capabilities & 1 << capability != 0;
    let paranoid: i32 = proc::kernel_setting("perf_event_paranoid")
        .parse()
        .unwrap_or(2);
    if !has(CAP_SYS_ADMIN) && !has(CAP_PERFMON) && paranoid >= 0 {
        bail!(
            "watching all processors needs CAP_PERFMON (Linux 5.8) or root, or kernel.perf_event_paranoid \
             at -1 (it is {paranoid}): sudo tidrec …, or --backend ptrace"
        );
    }
    Ok(())
}

/// Why an event could not be opened.
pub(crate) fn explain_open(error: &io::Error, of: Wanted) -> anyhow::Error {
    let tracepoint = of.tracepoint();
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EPERM) => anyhow!(
            "the kernel does not let tidrec watch {tracepoint} ({error}): a seccomp filter or a security \
             module forbids perf_event_open(2) (in a container: --cap-add PERFMON and a seccomp profile \
             that allows it), or tidrec has too few rights (kernel.perf_event_paranoid is {})",
            proc::kernel_setting("perf_event_paranoid")
        ),
        Some(libc::EMFILE | libc::ENFILE) => anyhow!(
            "too many open files: perf events take a dozen for each processor (ulimit -n, fs.file-max)"
        ),
        Some(libc::ENOSYS) => anyhow!("this kernel has no perf events (CONFIG_PERF_EVENTS)"),
        _ => anyhow!("cannot watch {tracepoint}: {error}"),
    }
}

/// Why a ring could not be mapped.
pub(crate) fn explain_ring(error: &io::Error, bytes: usize) -> anyhow::Error {
    match error.raw_os_error() {
        Some(libc::EPERM) => anyhow!(
            "rings of {} KiB for each processor are more memory than tidrec may lock: a smaller \
             --ring-kb, a larger kernel.perf_event_mlock_kb or ulimit -l, or CAP_IPC_LOCK",
            bytes >> 10
        ),
        Some(libc::ENOMEM) => anyhow!(
            "the kernel has no memory for a ring of {} KiB: a smaller --ring-kb",
            bytes >> 10
        ),
        _ => anyhow!("cannot map a ring of {} KiB: {error}", bytes >> 10),
    }
}
