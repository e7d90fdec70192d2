//! Which way events are gathered: what was asked for, what is possible, and why.

use anyhow::{Result, bail};

use crate::cli::{Cli, Failures, FollowExec, FollowFork, Gathering, NewThreads};
use crate::say::say;
use crate::source::perf::events::{Events, Options};

/// The way that was chosen. What perf needs is open already, so that nothing can go wrong later.
pub(crate) enum Backend {
    Ptrace,
    Perf(Box<Events>),
}

impl Backend {
    /// Chooses.
    ///
    /// # Errors
    /// If what was asked for cannot be had.
    pub(crate) fn choose(cli: &Cli) -> Result<Backend> {
        match cli.gathering() {
            Gathering::Ptrace if cli.is_broad() => {
                bail!("--all and --cgroup need --backend perf: ptrace attaches to single processes")
            }
            Gathering::Ptrace => Ok(Backend::Ptrace),
            Gathering::Perf => match needs_ptrace(cli) {
                Some(option) => bail!("{option} needs --backend ptrace: perf stops nobody"),
                None => open(cli),
            },
            Gathering::Auto => Backend::choose_best(cli),
        }
    }

    fn choose_best(cli: &Cli) -> Result<Backend> {
        let opened = match needs_ptrace(cli) {
            Some(option) => Err(format!("{option} needs it")),
            None => open(cli).map_err(|error| format!("{error:#}")),
        };
        match opened {
            Ok(backend) => {
                if !cli.quiet {
                    say(format_args!("by perf, which stops nobody"));
                }
                Ok(backend)
            }
            Err(why) if cli.is_broad() => bail!("{why}"),
            Err(why) => {
                if !cli.quiet {
                    say(format_args!("by ptrace, and not by perf: {why}"));
                }
                Ok(Backend::Ptrace)
            }
        }
    }

    /// The word in the file's header.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Backend::Ptrace => "ptrace",
            Backend::Perf(_) => "perf",
        }
    }

    /// How refused creations are watched for.
    pub(crate) fn failures(&self, cli: &Cli) -> Failures {
        match self {
            Backend::Ptrace => cli.failures(),
            Backend::Perf(events) if events.options.failures => Failures::Tracepoints,
            Backend::Perf(_) => Failures::Off,
        }
    }
}

fn open(cli: &Cli) -> Result<Backend> {
    let options = Options {
        ring_kib: cli.ring_kb.unwrap_or(0),
        stack_bytes: cli.stacks.captured(),
        failures: cli.failures != Some(Failures::Off),
    };
    Ok(Backend::Perf(Box::new(Events::open(options)?)))
}

/// The option that only ptrace can fulfil, if there is one.
fn needs_ptrace(cli: &Cli) -> Option<&'static str> {
    if !cli.syscalls.is_empty() {
        return Some("--syscalls");
    }
    match cli.failures {
        Some(Failures::Syscalls) => return Some("--failures syscalls"),
        Some(Failures::Seccomp) => return Some("--failures seccomp"),
        None | Some(Failures::Off | Failures::Tracepoints) => {}
    }
    if cli.new_threads == NewThreads::Detach {
        return Some("--new-threads detach");
    }
    if cli.follow_fork != FollowFork::Both {
        return Some("--follow-fork");
    }
    (cli.follow_exec == FollowExec::No).then_some("--follow-exec no")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn what_stops_or_lets_go_is_for_ptrace() {
        let needs = |options: &str| {
            let line = format!("tidrec -p 1 {options}");
            needs_ptrace(&Cli::parse_from(line.split_ascii_whitespace()))
        };
        assert_eq!(needs(""), None);
        assert_eq!(needs("--failures tracepoints --backend perf"), None);
        for option in [
            "--syscalls futex",
            "--failures syscalls",
            "--failures seccomp",
            "--new-threads detach",
            "--follow-fork child",
            "--follow-exec no",
        ] {
            let said = needs(option).unwrap();
            assert!(option.starts_with(said), "{option}: {said}");
        }
    }

    #[test]
    fn ptrace_unless_something_else_is_said_or_needed() {
        let gathering = |line: &str| Cli::parse_from(line.split(' ')).gathering();
        assert_eq!(gathering("tidrec -p 1"), Gathering::Ptrace);
        assert_eq!(gathering("tidrec --all"), Gathering::Perf);
        assert_eq!(gathering("tidrec --cgroup x"), Gathering::Perf);
        assert_eq!(gathering("tidrec -p 1 --backend auto"), Gathering::Auto);
        let ptrace = Cli::parse_from(["tidrec", "--all", "--backend", "ptrace"]);
        let error = Backend::choose(&ptrace).err().unwrap().to_string();
        assert!(error.contains("--backend perf"), "{error}");
    }
}
