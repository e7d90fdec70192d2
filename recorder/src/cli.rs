//! What was typed.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{ArgGroup, Parser, Subcommand, ValueEnum};
use glob::Pattern;
use regex_lite::Regex;

use crate::keep::Keep;
use crate::stacks::Stacks;
use crate::syscall::selection::parse_name;

/// Record the births and deaths of threads and processes into a trace file.
///
/// tidrec watches running processes (-p, --name) or launches a command (--). It sees every clone, fork,
/// vfork, exec and exit, and leaves the target running as it was when it ends: on Ctrl-C,
/// SIGTERM, --duration, or when the target ends. Show the file with tidview.
#[derive(Debug, Parser)]
#[command(name = "tidrec", version, after_help = AFTER_HELP, max_term_width = 100)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
#[command(disable_help_subcommand = true)]
#[command(override_usage = "tidrec [OPTIONS] -p PID [-p PID]...\n       \
                      tidrec [OPTIONS] --name REGEX [--wait]\n       \
                      tidrec [OPTIONS] -- CMD [ARG]...\n       \
                      tidrec [OPTIONS] --all | --cgroup PATH\n       \
                      tidrec ctl PID mark TEXT | snapshot | status | stop")]
#[command(group = ArgGroup::new("target").args(["pids", "names", "all", "cgroup", "command"]).required(true).multiple(true))]
pub(crate) struct Cli {
    /// Write the trace to FILE [default: tidline-NAME-PID-YYYYMMDD-HHMMSS.tid]
    #[arg(short, long, value_name = "FILE",
          value_parser = PathBufValueParser::new().try_map(check_output))]
    pub(crate) output: Option<PathBuf>,

    /// Overwrite FILE if it exists
    #[arg(long)]
    pub(crate) force: bool,

    /// Attach to the running process PID, all its threads; may be given several times
    #[arg(short, long = "pid", value_name = "PID", conflicts_with = "command",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) pids: Vec<u32>,

    /// Attach to the running processes whose name (comm, or the program's file name) matches,
    /// anywhere in it unless REGEX says ^name$; may be given several times
    #[arg(long = "name", value_name = "REGEX", conflicts_with = "command",
          value_parser = parse_regex)]
    pub(crate) names: Vec<Regex>,

    /// Wait until a process matches --name: looks every 100 ms
    #[arg(long, requires = "names")]
    pub(crate) wait: bool,

    /// Attach to the processes that -p and --name mean, and to all their descendants
    #[arg(long, conflicts_with = "command")]
    pub(crate) tree: bool,

    /// Record all processes of the system (with perf only; the kernel's threads and tidrec are left out)
    #[arg(long, conflicts_with_all = ["pids", "names", "command", "tree"])]
    pub(crate) all: bool,

    /// Record the processes in a control group and below it, those that come into it (within a second)
    /// and their descendants (with perf only)
    #[arg(long, value_name = "PATH", conflicts_with_all = ["pids", "names", "command", "tree", "all"])]
    pub(crate) cgroup: Option<PathBuf>,

    /// How to gather events: ptrace, perf, or auto: perf where it may and can do it (below)
    /// [default: ptrace; perf with --all and --cgroup]
    #[arg(long, value_enum, value_name = "HOW")]
    pub(crate) backend: Option<Gathering>,

    /// With perf: memory for what the kernel tells, KiB, for each processor twice (stacks have their
    /// own); a power of two [default: 4096, less with more than 64 processors]
    #[arg(long, value_name = "N", value_parser = parse_ring)]
    pub(crate) ring_kb: Option<usize>,

    /// Keep only threads whose own or whose process's name matches; may be given several times
    #[arg(long, value_name = "GLOB", value_parser = parse_glob)]
    pub(crate) include: Vec<Pattern>,

    /// Leave out threads whose own or whose process's name matches; may be given several times
    #[arg(long, value_name = "GLOB", value_parser = parse_glob)]
    pub(crate) exclude: Vec<Pattern>,

    /// Keep only the program of each command line in the file, not its arguments
    #[arg(long)]
    pub(crate) no_args: bool,

    /// What becomes of new threads: traced, or let go at once (what they create is then not seen)
    #[arg(long, value_enum, default_value_t = NewThreads::Follow, value_name = "HOW")]
    pub(crate) new_threads: NewThreads,

    /// Which side of a fork to follow, as gdb's follow-fork-mode; ask: ask at the terminal
    #[arg(long, value_enum, default_value_t = FollowFork::Both, value_name = "SIDE")]
    pub(crate) follow_fork: FollowFork,

    /// Watch for refused creations, too: at each system call, or by a filter in the command (below)
    /// [default: off; with perf: tracepoints]
    #[arg(long, value_enum, value_name = "HOW")]
    pub(crate) failures: Option<Failures>,

    /// Record these system calls, such as futex,openat, or all (implies --failures syscalls)
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = parse_name)]
    pub(crate) syscalls: Vec<String>,

    /// Whether to follow a process into the programs that it executes; no: it is let go there
    #[arg(long, value_enum, default_value_t = FollowExec::Yes, value_name = "HOW")]
    pub(crate) follow_exec: FollowExec,

    /// When to look up functions, files and lines: record: meanwhile, by a process of the lowest
    /// priority; end: when the recording is over; none: never (tidview symbolize can do it later)
    #[arg(long, value_enum, default_value_t = SymbolMode::Record, value_name = "WHEN")]
    pub(crate) symbols: SymbolMode,

    /// End the recording after TIME (such as 500ms, 30s, 5m, 2h)
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) duration: Option<Duration>,

    /// Hold a process at most so long while attaching to its threads
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "2s")]
    pub(crate) attach_timeout: Duration,

    /// Take options from FILE (TOML: `duration = "30s"`); those given here come first
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Say nothing on stderr but errors
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// The command to launch, with its arguments
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,

    #[command(flatten)]
    pub(crate) stacks: Stacks,

    #[command(flatten)]
    pub(crate) keep: Keep,

    #[command(subcommand)]
    pub(crate) other: Option<Other>,
}

/// What is no recording.
#[derive(Debug, Subcommand)]
pub(crate) enum Other {
    /// Talk to a tidrec that is recording
    Ctl {
        /// The pid of that tidrec
        pid: u32,
        #[command(subcommand)]
        request: Request,
    },
    /// What a shell needs to complete tidrec's options
    #[command(hide = true)]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// The manual page of tidrec
    #[command(hide = true)]
    Man,
}

/// What a recording tidrec can be asked.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Request {
    /// Put a note into the recording
    Mark {
        /// The note
        text: String,
    },
    /// Write what was recorded lately into a file of its own
    Snapshot,
    /// Say how the recording goes
    Status,
    /// End the recording, and leave the target running
    Stop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NewThreads {
    Follow,
    Detach,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FollowFork {
    Parent,
    Child,
    Both,
    Ask,
}

/// How creations that the kernel refuses are found: they make no event of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Failures {
    Off,
    Syscalls,
    Seccomp,
    /// With perf only.
    Tracepoints,
}

/// How events are gathered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Gathering {
    Auto,
    Ptrace,
    Perf,
}

impl Cli {
    /// What `--failures` comes to with ptrace: with `--syscalls` each call stops anyway.
    pub(crate) fn failures(&self) -> Failures {
        match self.failures {
            None | Some(Failures::Off) if !self.syscalls.is_empty() => Failures::Syscalls,
            how => how.unwrap_or(Failures::Off),
        }
    }

    /// Whether what is recorded is no process that was named, but whatever is there.
    pub(crate) fn is_broad(&self) -> bool {
        self.all || self.cgroup.is_some()
    }

    /// What `--backend` comes to.
    pub(crate) fn gathering(&self) -> Gathering {
        match self.backend {
            None if self.is_broad() => Gathering::Perf,
            how => how.unwrap_or(Gathering::Ptrace),
        }
    }
}

impl Failures {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Failures::Off => "off",
            Failures::Syscalls => "syscalls",
            Failures::Seccomp => "seccomp",
            Failures::Tracepoints => "tracepoints",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SymbolMode {
    Record,
    End,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FollowExec {
    Yes,
    No,
}

impl FollowExec {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            FollowExec::Yes => "yes",
            FollowExec::No => "no",
        }
    }
}

impl SymbolMode {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            SymbolMode::Record => "record",
            SymbolMode::End => "end",
            SymbolMode::None => "none",
        }
    }
}

impl NewThreads {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            NewThreads::Follow => "follow",
            NewThreads::Detach => "detach",
        }
    }
}

impl FollowFork {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            FollowFork::Parent => "parent",
            FollowFork::Child => "child",
            FollowFork::Both => "both",
            FollowFork::Ask => "ask",
        }
    }
}

const AFTER_HELP: &str = "\
Backends (--backend):
  ptrace    stops each thread that creates, for microseconds; any user may, for own processes. The default
  perf      reads the kernel's tracepoints: stops nobody, sees CLONE_UNTRACED tasks and refused
            creations, works beside a debugger. Needs root or CAP_PERFMON, not within a container; no
            --syscalls, --follow-fork, --follow-exec, --new-threads detach; of what has ended within
            20 ms start functions are unknown, and an exec is named as it was called
  auto      perf where it may be had and no option needs ptrace; says which, and why

Refused creations (--failures): a clone, fork or vfork that fails makes no event of its own.
  tracepoints  with perf, where it is the default: costs each system call of the whole system 10 ns
  syscalls  every system call of the target stops twice. Costs: a program that does nothing but
            system calls takes about 50 times as long (as under strace -f), creating and joining
            threads 8 to 10 times
  seccomp   only with -- CMD: the command gets a filter by which only creations stop, so that all
            else runs at full speed. But the filter stays with the program and all that it starts:
            without tidrec, each creation fails with ENOSYS. So on Ctrl-C or --duration the recording
            ends, and tidrec stays until the program does; a second Ctrl-C, or kill -9, leaves it
            unable to create. Without CAP_SYS_ADMIN the command also gets no_new_privs:
            set-user-ID programs and file capabilities give it nothing

Exit status:
  with -- CMD the command's own (128 + n if signal n ended it; 127 not found, 126 cannot be run;
  0 if it was left running); otherwise
  0  the recording is finished
  2  wrong usage, or nothing could be recorded
  3  the recording is finished, and incomplete: events were lost, threads could not be reached, or
     something happened to the file

Examples:
  tidrec -o build.tid -- make -j2        record a command from its first instruction
  tidrec -o web.tid -p 4242              attach; Ctrl-C ends the recording, not the process
  tidrec --name '^nginx$' --wait --tree  the next nginx, with all its processes
  tidrec -p 4242 --duration 30s          thirty seconds of it, into a file with a made-up name
  tidview timeline build.tid             look at it

`tidrec completions bash|zsh|fish` prints completions for a shell, `tidrec man` the manual page.";

fn parse_ring(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(kib) if kib.is_power_of_two() && (64..=1 << 18).contains(&kib) => Ok(kib),
        _ => Err("write a power of two from 64 to 262144".into()),
    }
}

/// Elsewhere `-` is standard output, where a command's own words go.
fn check_output(path: PathBuf) -> Result<PathBuf, &'static str> {
    match path.as_os_str() == "-" {
        true => Err("name a file: /dev/stdout is standard output, ./- a file of this name"),
        false => Ok(path),
    }
}

fn parse_regex(text: &str) -> Result<Regex, String> {
    if text.is_empty() {
        return Err("it would match every process".into());
    }
    Regex::new(text).map_err(|error| error.to_string())
}

fn parse_glob(text: &str) -> Result<Pattern, String> {
    Pattern::new(text).map_err(|error| format!("{} at character {}", error.msg, error.pos + 1))
}

/// A number with `ms`, `s`, `m`, `h` or `d`; a bare number is seconds.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time: write 500ms, 30s, 1.5m or 2h");
    let unit_at = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    match Duration::try_from_secs_f64(number * seconds) {
        // A hundred years: far from what the arithmetic on times can hold.
        Ok(time) if time > Duration::ZERO && time.as_secs() < 3_200_000_000 => Ok(time),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("1.5m"), Ok(Duration::from_secs(90)));
        for wrong in ["", "s", "0s", "-1s", "5 parsecs", "nan", "infs", "1e300h"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_output_has_a_name_of_its_own() {
        let parse = |output: &str| Cli::try_parse_from(["tidrec", "-o", output, "--", "true"]);
        for name in ["./-", "/dev/stdout", "f"] {
            assert_eq!(parse(name).unwrap().output, Some(name.into()));
        }
        let error = parse("-").unwrap_err().to_string();
        assert!(error.contains("'-' for '--output <FILE>'"), "{error}");
        assert!(error.contains("/dev/stdout"), "{error}");
    }

    #[test]
    fn a_target_is_needed_and_only_one_kind_of_it() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        assert!(parse("tidrec -o f").is_err());
        assert!(parse("tidrec -p 1 -- true").is_err());
        assert!(parse("tidrec -p 0").is_err());
        assert!(parse("tidrec --name a -- true").is_err());
        assert!(parse("tidrec --tree -- true").is_err());
        assert!(parse("tidrec --wait -p 1").is_err());
        assert!(parse("tidrec --name (").is_err());
        assert!(parse("tidrec --exclude [a -p 1").is_err());
        let both = parse("tidrec --name a --name b -p 1 --tree --wait").unwrap();
        assert_eq!((both.names.len(), both.pids), (2, vec![1]));
        assert_eq!(parse("tidrec -p 1 -p 2").unwrap().pids, [1, 2]);
        assert_eq!(parse("tidrec -- a -p 5").unwrap().command, ["a", "-p", "5"]);
    }
}
