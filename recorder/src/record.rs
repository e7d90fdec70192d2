//! The one place that wires the source, the tracker, the pipeline and the writer.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use chrono::Local;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use tidline::format::{Header, Target, Writer};
use tidline::model::{End, Pid, Tid, Time};

use crate::ask::{Asker, Terminal};
use crate::cli::{Cli, FollowFork, NewThreads};
use crate::clock::Clock;
use crate::doorbell::Doorbell;
use crate::pipeline::queue::queue;
use crate::pipeline::{Output, Summary, WriterThread, shown};
use crate::preflight;
use crate::proc;
use crate::say::say;
use crate::source::ptrace::attach::Attached;
use crate::source::ptrace::engine::{Engine, Reason, stop_signals};
use crate::source::ptrace::launch::Launched;
use crate::source::ptrace::sys::{self, Take};
use crate::source::ptrace::wait::Change;
use crate::tracker::{self, Choice, ForkMode, Policy};

/// How long the output may take for the last events before tidrec says what it waits for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Exit codes of our own.
const FINISHED: u8 = 0;
const INCOMPLETE: u8 = 3;

/// Records, from the command line to the exit code.
///
/// # Errors
/// If nothing could be recorded.
pub(crate) fn record(cli: &Cli) -> Result<u8> {
    let terminal = match cli.follow_fork {
        FollowFork::Ask => Some(Terminal::open().context(
            "--follow-fork ask needs a terminal to ask at, and there is none: choose parent, \
             child or both",
        )?),
        _ => None,
    };
    let signals = Signals::block(cli.command.is_empty())?;
    if cli.command.is_empty() {
        attach_and_record(cli, &signals, terminal)
    } else {
        launch_and_record(cli, &signals, terminal)
    }
}

fn attach_and_record(cli: &Cli, signals: &Signals, terminal: Option<Terminal>) -> Result<u8> {
    let mut pids: Vec<Pid> = Vec::new();
    for pid in cli.pids.iter().copied().map(Pid) {
        if !pids.contains(&pid) {
            preflight::check(pid)?;
            pids.push(pid);
        }
    }
    let clock = Clock::start();
    let targets: Vec<Target> = pids
        .iter()
        .map(|pid| Target {
            pid: pid.0,
            command: proc::command_line(*pid),
        })
        .collect();
    let name = proc::comm(Tid(pids[0].0)).unwrap_or_default();
    let session = Session::open(cli, clock, name.as_bytes(), targets)?;

    let (sender, receiver) = queue();
    let doorbell = Doorbell::start(signals.waited, clock)?;
    let asker = terminal
        .map(|terminal| Asker::start(terminal, doorbell.clone()))
        .transpose()?;
    let mut engine = Engine::new(policy(cli), clock, doorbell.clone(), &sender, asker);
    let writer = WriterThread::start(session.writer, receiver, clock)?;
    let mut refused = None;
    for pid in &pids {
        match engine.attach(*pid, cli.attach_timeout)? {
            Attached::All => {}
            Attached::Partly => say(format_args!(
                "process {pid}: not every thread could be reached within \
                 {:?} (--attach-timeout); the file says which",
                cli.attach_timeout
            )),
            Attached::Gone => refused = Some(format!("process {pid} ended before it was attached")),
            Attached::Refused(error) => refused = Some(preflight::explain(*pid, error)),
        }
        if refused.is_some() {
            break;
        }
    }
    if let Some(message) = refused {
        engine.let_all_go();
        drop(engine);
        drop(sender);
        let _ = writer.join();
        session.path.discard();
        bail!(message);
    }
    if !cli.quiet {
        let (tasks, path) = (engine.tracees(), session.path.shown());
        let names: Vec<String> = pids.iter().map(|pid| describe(*pid)).collect();
        let s = if tasks == 1 { "" } else { "s" };
        say(format_args!(
            "recording {} ({tasks} thread{s}) into {path}; Ctrl-C ends the recording",
            names.join(", ")
        ));
    }
    let until = cli
        .duration
        .map(|duration| Time(clock.now().0 + duration.as_nanos() as u64));
    let reason = engine.run(until);
    let counters = counters(&engine, sender.high_water());
    drop(engine);
    drop(sender);
    let finished = finish(
        writer,
        &doorbell,
        reason,
        &counters,
        &session.path,
        cli.quiet,
    )?;
    Ok(if finished { FINISHED } else { INCOMPLETE })
}

fn launch_and_record(cli: &Cli, signals: &Signals, terminal: Option<Terminal>) -> Result<u8> {
    let launched = Launched::fork(&cli.command, signals.before, &signals.ignored_by_us)
        .context("cannot fork")?;
    let pid = launched.pid;
    let clock = Clock::start();
    let command = cli
        .command
        .iter()
        .map(|word| word.as_bytes().to_vec())
        .collect();
    let name = Path::new(&cli.command[0]).file_name().unwrap_or_default();
    let targets = vec![Target {
        pid: pid.0,
        command,
    }];
    let session = Session::open(cli, clock, name.as_bytes(), targets)?;

    let (sender, receiver) = queue();
    let doorbell = Doorbell::start(signals.waited, clock)?;
    let asker = terminal
        .map(|terminal| Asker::start(terminal, doorbell.clone()))
        .transpose()?;
    let mut engine = Engine::new(policy(cli), clock, doorbell.clone(), &sender, asker);
    let writer = WriterThread::start(session.writer, receiver, clock)?;
    if let Err(error) = engine.launch(pid) {
        session.path.discard();
        bail!("{}", preflight::explain(pid, error));
    }
    let trouble = launched.go().context("cannot start the command")?;
    let until = cli
        .duration
        .map(|duration| Time(clock.now().0 + duration.as_nanos() as u64));
    let reason = engine.run(until);
    let end = engine.launched_end();
    let counters = counters(&engine, sender.high_water());
    drop(engine);
    drop(sender);
    if end.is_some()
        && let Some(error) = trouble.error()
    {
        let _ = writer.join();
        session.path.discard();
        return Ok(cannot_run(&cli.command[0], &error));
    }
    finish(
        writer,
        &doorbell,
        reason,
        &counters,
        &session.path,
        cli.quiet,
    )?;
    let end = match (end, reason) {
        // The command itself was let go (--follow-fork child) and still runs.
        (None, Reason::TargetEnded) => wait_for(pid, &doorbell),
        _ => end,
    };
    Ok(match end {
        Some(End::Code(code)) => code,
        Some(End::Signal { number, .. }) => 128u8.wrapping_add(number),
        Some(End::Unknown) | None => FINISHED,
    })
}

/// Waits for a child that is no tracee any more; `None` if a signal ends the wait first.
fn wait_for(pid: Pid, doorbell: &Doorbell) -> Option<End> {
    loop {
        if let Ok(Some(report)) = sys::wait(Some(Tid(pid.0)), Take::Peek) {
            return match report.what {
                Change::Ended(end) => Some(end),
                _ => None,
            };
        }
        if doorbell.take().is_some() {
            return None;
        }
        let _ = sys::take_chld(Duration::from_millis(100));
    }
}

/// As shells do: 127 where there is no such command, 126 where it cannot be run.
fn cannot_run(command: &OsString, error: &std::io::Error) -> u8 {
    say(format_args!(
        "cannot run {}: {error}",
        shown(Path::new(command))
    ));
    if error.kind() == std::io::ErrorKind::NotFound {
        127
    } else {
        126
    }
}

/// Waits until all is written, and says what was recorded; whether all of it is in the file.
fn finish(
    writer: WriterThread,
    doorbell: &Doorbell,
    reason: Reason,
    counters: &[(&str, u64)],
    path: &OutputPath,
    quiet: bool,
) -> Result<bool> {
    // The target is free by now: only the output can hold us.
    let mut waited = Duration::ZERO;
    while !writer.is_done() {
        const STEP: Duration = Duration::from_millis(5);
        std::thread::sleep(STEP);
        if doorbell.take().is_some() && waited > PATIENCE {
            bail!(
                "{} did not take the last events: they are lost",
                path.shown()
            );
        }
        let before = waited;
        waited += STEP;
        if before <= PATIENCE && waited > PATIENCE {
            say(format_args!(
                "the target is free; {} is slow to take the last events (Ctrl-C gives up)",
                path.shown()
            ));
        }
    }
    let reason = match reason {
        Reason::TargetEnded => "the target ended".to_string(),
        Reason::Duration => "the duration was over".to_string(),
        Reason::Signal(number) => {
            format!("tidrec got {}", tidline::model::signal_name(number as u8))
        }
    };
    let (summary, result) = writer.join()?.finish(&reason, counters);
    let written = result.map_err(anyhow::Error::from);
    if let Err(error) = &written {
        say(format_args!(
            "{}: {error:#}; the file has no end mark",
            path.shown()
        ));
    }
    if !quiet {
        say(format_args!(
            "{reason}; {}",
            describe_summary(&summary, path)
        ));
    }
    Ok(written.is_ok() && summary.lost == 0)
}

fn describe_summary(summary: &Summary, path: &OutputPath) -> String {
    let Summary {
        events,
        threads,
        processes,
        exits,
        lost,
        gaps,
    } = summary;
    let mut words = format!(
        "{events} events ({threads} threads and {processes} processes created, {exits} ended) in {}",
        path.shown()
    );
    if *lost > 0 {
        words += &format!("; {lost} EVENTS LOST");
    }
    if *gaps > 0 {
        words += &format!("; {gaps} GAPS");
    }
    words
}

fn counters(engine: &Engine<'_>, high_water: u64) -> Vec<(&'static str, u64)> {
    let mut counters = engine.stats().counters();
    counters.push(("queue_high_water", high_water));
    counters
}

fn describe(pid: Pid) -> String {
    format!("{}[{pid}]", proc::comm(Tid(pid.0)).unwrap_or_default())
}

fn policy(cli: &Cli) -> Policy {
    Policy {
        new_threads: match cli.new_threads {
            NewThreads::Follow => tracker::NewThreads::Follow,
            NewThreads::Detach => tracker::NewThreads::Detach,
        },
        fork: match cli.follow_fork {
            FollowFork::Parent => ForkMode::Fixed(Choice::Parent),
            FollowFork::Child => ForkMode::Fixed(Choice::Child),
            FollowFork::Both => ForkMode::Fixed(Choice::Both),
            FollowFork::Ask => ForkMode::Ask,
        },
    }
}

/// The signals that the recording takes from a queue of its own instead of being interrupted.
struct Signals {
    /// The mask as it was: a launched command gets it.
    before: SigSet,
    /// Those that end a recording.
    waited: SigSet,
    /// What we ignore, and was not ignored before: a launched command gets the default.
    ignored_by_us: Vec<Signal>,
}

impl Signals {
    /// Blocks them, in every thread that is started from here on.
    fn block(attaching: bool) -> Result<Self> {
        let mut waited = stop_signals();
        if sys::is_ignored(libc::SIGHUP) {
            waited.remove(Signal::SIGHUP); // nohup(1): the end of the terminal is not ours.
        }
        let mut blocked = waited;
        blocked.add(Signal::SIGCHLD);
        blocked.add(Signal::SIGALRM);
        let before = blocked.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let mut ignored_by_us = vec![Signal::SIGTTIN, Signal::SIGTTOU];
        if attaching {
            // A stopped tracer would leave the target standing at its next creation. (A launched
            // command is in our process group: Ctrl-Z stops both, and fg continues both.)
            ignored_by_us.push(Signal::SIGTSTP);
        }
        ignored_by_us.retain(|signal| sys::ignore(*signal));
        if !sys::pipe_was_ignored() {
            ignored_by_us.push(Signal::SIGPIPE); // Rust's runtime ignores it.
        }
        Ok(Signals {
            before,
            waited,
            ignored_by_us,
        })
    }
}

/// An output that is open, with the header in it.
struct Session {
    writer: Writer<Output>,
    path: OutputPath,
}

impl Session {
    fn open(cli: &Cli, clock: Clock, name: &[u8], targets: Vec<Target>) -> Result<Self> {
        let default;
        let path = match &cli.output {
            Some(path) => path,
            None => {
                default = default_name(name, targets[0].pid);
                &default
            }
        };
        let header = header(cli, clock, targets)?;
        let output = Output::create(path, cli.force)?;
        let removable = output.is_regular();
        let path = OutputPath {
            path: path.clone(),
            removable,
        };
        let writer = Writer::start(output, &header)
            .map_err(anyhow::Error::from)
            .with_context(|| format!("cannot write {}", path.shown()))?;
        Ok(Session { writer, path })
    }
}

/// Where the trace goes.
struct OutputPath {
    path: PathBuf,
    removable: bool,
}

impl OutputPath {
    fn shown(&self) -> String {
        shown(&self.path)
    }

    /// Removes a file in which nothing was recorded.
    fn discard(&self) {
        if self.removable {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn header(cli: &Cli, clock: Clock, targets: Vec<Target>) -> Result<Header> {
    let machine = nix::sys::utsname::uname().context("uname")?;
    let options = vec![
        (
            "new-threads".to_string(),
            cli.new_threads.as_str().to_string(),
        ),
        (
            "follow-fork".to_string(),
            cli.follow_fork.as_str().to_string(),
        ),
    ];
    Ok(Header {
        trace_id: random_id(clock),
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
fn random_id(clock: Clock) -> u128 {
    let text = proc::kernel_setting("random/uuid").replace('-', "");
    u128::from_str_radix(&text, 16)
        .unwrap_or((clock.start_wall_ns as u128) << 32 | u128::from(std::process::id()))
}

/// `tidline-<name>-<pid>-<yyyymmdd-hhmmss>.tid`; the name is the target's, so only plain
/// characters of it are taken.
fn default_name(name: &[u8], pid: u32) -> PathBuf {
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
