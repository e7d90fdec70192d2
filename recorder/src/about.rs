//! What the trace says about itself: its header, and the name of its file.

use std::path::PathBuf;

use anyhow::{Context, Result};
use chrono::Local;
use glob::Pattern;
use regex_lite::Regex;
use tidline::format::{Header, Target};

use crate::backend::Backend;
use crate::cli::Cli;
use crate::clock::Clock;
use crate::proc;

/// The header of a trace that begins now.
///
/// # Errors
/// If the kernel does not say what machine this is.
pub(crate) fn header(
    cli: &Cli,
    backend: &Backend,
    clock: Clock,
    targets: Vec<Target>,
) -> Result<Header> {
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
        (
            "failures".to_string(),
            backend.failures(cli).as_str().to_string(),
        ),
        (
            "follow-exec".to_string(),
            cli.follow_exec.as_str().to_string(),
        ),
    ];
    options.extend(cli.stacks.told());
    if cli.stacks.captured().is_some() {
        options.push(("symbols".to_string(), cli.symbols.as_str().to_string()));
    }
    options.extend(cli.keep.told());
    if !cli.syscalls.is_empty() {
        options.push(("syscalls".to_string(), cli.syscalls.join(",")));
    }
    let mut add = |name: &str, value: String| options.push((name.to_string(), value));
    if !cli.names.is_empty() {
        add("name", words(cli.names.iter().map(Regex::as_str)));
    }
    if cli.all {
        add("all", "yes".into());
    }
    if let Some(path) = &cli.cgroup {
        add("cgroup", path.to_string_lossy().into_owned());
    }
    if let Backend::Perf(events) = backend {
        add("ring-kb", events.options.ring_kib.to_string());
    }
    if cli.tree {
        add("tree", "yes".into());
    }
    for (name, globs) in [("include", &cli.include), ("exclude", &cli.exclude)] {
        if !globs.is_empty() {
            add(name, words(globs.iter().map(Pattern::as_str)));
        }
    }
    if cli.no_args {
        add("no-args", "yes".into());
    }
    Ok(Header {
        trace_id: random_id(),
        segment: 0,
        host: machine.nodename().to_string_lossy().into_owned(),
        kernel: machine.release().to_string_lossy().into_owned(),
        arch: machine.machine().to_string_lossy().into_owned(),
        boot_id: proc::kernel_setting("random/boot_id"),
        recorder: concat!("tidrec ", env!("CARGO_PKG_VERSION")).to_string(),
        backend: backend.as_str().to_string(),
        options,
        launched: !cli.command.is_empty(),
        targets,
        start_monotonic_ns: clock.start_monotonic_ns,
        start_wall_ns: clock.start_wall_ns,
        utc_offset_s: clock.utc_offset_s,
    })
}

/// Several values as one, as a shell would take them apart.
fn words<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let quoted = values.map(|value| {
        if value.is_empty() || value.contains(|c: char| c.is_whitespace() || "'\"\\".contains(c)) {
            format!("'{}'", value.replace('\'', r"'\''"))
        } else {
            value.to_string()
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

/// A command line as the file keeps it. With `--no-args` only the program: of a running one, what
/// stands before the first space, since programs write more than their name there (setproctitle(3)).
pub(crate) fn command_line(cli: &Cli, mut command: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    if cli.no_args {
        command.truncate(1);
        if let Some(program) = command.first_mut()
            && cli.command.is_empty()
        {
            let end = program.iter().position(|byte| *byte == b' ');
            program.truncate(end.unwrap_or(program.len()));
        }
    }
    command
}

/// The kernel's random uuid; should it not be there, time and pid tell recordings apart.
pub(crate) fn random_id() -> u128 {
    let text = proc::kernel_setting("random/uuid").replace('-', "");
    u128::from_str_radix(&text, 16).unwrap_or_else(|_| {
        (Clock::start().start_wall_ns as u128) << 32 | u128::from(std::process::id())
    })
}

/// `tidline-<name>-<pid>-<yyyymmdd-hhmmss>.tid`; the name is the target's, so only plain
/// characters of it are taken. No pid where it is no single process.
pub(crate) fn default_name(name: &[u8], pid: Option<u32>) -> PathBuf {
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
    let pid = pid.map(|pid| format!("-{pid}")).unwrap_or_default();
    PathBuf::from(format!("tidline-{plain}{pid}-{now}.tid"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn several_values_can_be_taken_apart_again() {
        assert_eq!(
            words(["a*", "b c", "it's"].into_iter()),
            r"a* 'b c' 'it'\''s'"
        );
    }

    #[test]
    fn without_arguments_only_the_program_is_kept() {
        let line = || vec![b"nginx: worker 10.0.0.1".to_vec(), b"secret".to_vec()];
        let cli = |line: &str| Cli::parse_from(line.split(' '));
        assert_eq!(command_line(&cli("tidrec -p 1"), line()), line());
        let attached = command_line(&cli("tidrec --no-args -p 1"), line());
        assert_eq!(attached, [b"nginx:"]);
        let launched = command_line(&cli("tidrec --no-args -- x"), line());
        assert_eq!(launched, [b"nginx: worker 10.0.0.1"]);
        assert!(command_line(&cli("tidrec --no-args -p 1"), vec![]).is_empty());
    }
}
