//! What is watched beside births and ends: refused creations, and system calls by name.

use anyhow::{Context, Result, bail};

use super::selection::Selection;
use crate::cli::{Cli, Failures, FollowExec, FollowFork, NewThreads};

/// Which system calls stop the threads that make them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stops {
    #[default]
    None,
    /// Every one, at its entry and at its exit: `PTRACE_SYSCALL`.
    All,
    /// Creations, by a filter that the launched program carries for good: seccomp(2).
    Creations,
}

/// What is watched.
#[derive(Clone, Debug, Default)]
pub(crate) struct Watch {
    pub(crate) stops: Stops,
    /// The calls whose entry and exit are recorded.
    pub(crate) listed: Selection,
}

impl Watch {
    /// From the command line.
    ///
    /// # Errors
    /// If the options exclude each other.
    pub(crate) fn new(cli: &Cli) -> Result<Self> {
        let stops = match cli.failures() {
            Failures::Off => Stops::None,
            Failures::Syscalls => Stops::All,
            Failures::Seccomp => Stops::Creations,
            Failures::Tracepoints => bail!("--failures tracepoints needs --backend perf"),
        };
        if stops == Stops::Creations {
            check_seccomp(cli)?;
        }
        if stops != Stops::None {
            let machine = nix::sys::utsname::uname().context("uname")?;
            check_machine(&machine.release().to_string_lossy())?;
        }
        Ok(Watch {
            stops,
            listed: Selection::new(&cli.syscalls),
        })
    }
}

/// What cannot be seen must not be promised.
fn check_machine(kernel: &str) -> Result<()> {
    if !cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
        bail!("--failures and --syscalls know the system calls of x86-64 and aarch64 only");
    }
    if is_older_than_5_3(kernel) {
        bail!(
            "--failures and --syscalls need Linux 5.3 (PTRACE_GET_SYSCALL_INFO), and this is {kernel}"
        );
    }
    Ok(())
}

/// By `uname -r`; what is no version is taken for a new one.
fn is_older_than_5_3(kernel: &str) -> bool {
    let mut numbers = kernel
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|number| number.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), minor) => (major, minor.unwrap_or(0)) < (5, 3),
        (None, _) => false,
    }
}

/// With the filter each creation of the program needs its tracer: without one it fails, with `ENOSYS`.
fn check_seccomp(cli: &Cli) -> Result<()> {
    if cli.command.is_empty() {
        bail!(
            "--failures seccomp is only for a command that tidrec launches (tidrec -- CMD): nobody can \
             put a filter into a running process; use --failures syscalls"
        );
    }
    if !cli.syscalls.is_empty() {
        bail!(
            "--failures seccomp sees creations only; for --syscalls use --failures syscalls, or \
             leave --failures out"
        );
    }
    if cli.new_threads == NewThreads::Detach
        || cli.follow_fork != FollowFork::Both
        || cli.follow_exec == FollowExec::No
    {
        bail!(
            "--failures seccomp cannot go with --new-threads detach, --follow-fork or --follow-exec: what \
             is let go could create no thread and no process any more; use --failures syscalls"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn watch(line: &str) -> Result<(Stops, bool), String> {
        let cli = Cli::try_parse_from(line.split(' ')).map_err(|error| error.to_string())?;
        Watch::new(&cli)
            .map(|watch| (watch.stops, watch.listed.is_empty()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_goes_together() {
        assert_eq!(watch("t -p 1"), Ok((Stops::None, true)));
        assert_eq!(watch("t --failures off -- a"), Ok((Stops::None, true)));
        assert_eq!(watch("t --failures syscalls -p 1"), Ok((Stops::All, true)));
        assert_eq!(
            watch("t --syscalls futex,openat -p 1"),
            Ok((Stops::All, false))
        );
        assert_eq!(
            watch("t --failures off --syscalls all -p 1"),
            Ok((Stops::All, false))
        );
        assert_eq!(
            watch("t --failures seccomp -- a"),
            Ok((Stops::Creations, true))
        );
    }

    #[test]
    fn kernels_that_cannot_say_what_a_call_is() {
        for (kernel, older) in [
            ("4.19.0-27-amd64", true),
            ("5.2.21", true),
            ("5.3.0", false),
            ("5.10.0-28", false),
            ("6.18.44", false),
            ("7", false),
            ("next", false),
        ] {
            assert_eq!(is_older_than_5_3(kernel), older, "{kernel}");
        }
    }

    #[test]
    fn what_does_not() {
        for (line, word) in [
            ("t --failures seccomp -p 1", "use --failures syscalls"),
            (
                "t --failures seccomp --syscalls futex -- a",
                "for --syscalls use",
            ),
            ("t --failures seccomp --new-threads detach -- a", "let go"),
            ("t --failures seccomp --follow-fork child -- a", "let go"),
            ("t --syscalls futx -- a", "near it: futex"),
        ] {
            assert!(
                watch(line).is_err_and(|words| words.contains(word)),
                "{line}"
            );
        }
    }
}
