//! What the trace says about itself: its header, and the name of its file.

use std::path::PathBuf;

use anyhow::{Context, Result};
use chrono::Local;
use tidline::format::{Header, Target};

use crate::cli::Cli;
use crate::clock::Clock;
use crate::proc;

/// The header of a trace that begins now.
///
/// # Errors
/// If the kernel does not say what machine this is.
pub(crate) fn header(cli: &Cli, clock: Clock, targets: Vec<Target>) -> Result<Header> {
    let machine = nix::sys::utsname::uname().context("uname")?;
    let mut options = vec![
        (
            "new-threads".to_string(),
            cli.new_threads.as_str().to_string(),
        ),
        (
            "follow-fork".to_string(),
            cli.follow_fork.as_str().to_string(),
        ),
        ("failures".to_string(), cli.failures().as_str().to_string()),
        (
            "follow-exec".to_string(),
            cli.follow_exec.as_str().to_string(),
        ),
    ];
    options.extend(cli.keep.told());
    if !cli.syscalls.is_empty() {
        options.push(("syscalls".to_string(), cli.syscalls.join(",")));
    }
    Ok(Header {
        trace_id: random_id(),
        segment: 0,
        host: machine.nodename().to_string_lossy().into_owned(),
        kernel: machine.release().to_string_lossy().into_owned(),
        arch: machine.machine().to_string_lossy().into_owned(),
        boot_id: proc::kernel_setting("random/boot_id"),
        recorder: concat!("tidrec ", env!("CARGO_PKG_VERSION")).to_string(),
        backend: "ptrace".to_string(),
        options,
        launched: !cli.command.is_empty(),
        targets,
        start_monotonic_ns: clock.start_monotonic_ns,
        start_wall_ns: clock.start_wall_ns,
        utc_offset_s: clock.utc_offset_s,
    })
}

/// The kernel's random uuid; should it not be there, time and pid tell recordings apart.
pub(crate) fn random_id() -> u128 {
    let text = proc::kernel_setting("random/uuid").replace('-', "");
    u128::from_str_radix(&text, 16).unwrap_or_else(|_| {
        (Clock::start().start_wall_ns as u128) << 32 | u128::from(std::process::id())
    })
}

/// `tidline-<name>-<pid>-<yyyymmdd-hhmmss>.tid`; the name is the target's, so only plain
/// characters of it are taken.
pub(crate) fn default_name(name: &[u8], pid: u32) -> PathBuf {
    let plain: String = name
        .iter()
        .take(32)
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(*byte)
            } else {
                '_'
            }
        })
        .collect();
    let now = Local::now().format("%Y%m%d-%H%M%S");
    PathBuf::from(format!("tidline-{plain}-{pid}-{now}.tid"))
}
