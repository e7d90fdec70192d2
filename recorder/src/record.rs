//! The one place that wires the source, the tracker, the pipeline and the writer.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tidline::format::{Target, Writer};
use tidline::model::{End, Pid, Tid, Time};

use crate::about;
use crate::ask::{Asker, Terminal};
use crate::cli::{Cli, FollowFork, NewThreads};
use crate::clock::Clock;
use crate::doorbell::Doorbell;
use crate::pipeline::queue::queue;
use crate::pipeline::{Output, Summary, WriterThread, shown};
use crate::preflight;
use crate::proc;
use crate::say::say;
use crate::signals::Signals;
use crate::source::ptrace::attach::Attached;
use crate::source::ptrace::engine::{Engine, Reason};
use crate::source::ptrace::launch::Launched;
use crate::source::ptrace::sys::{self, Take};
use crate::source::ptrace::wait::Change;
use crate::tracker::{self, Choice, ForkMode, Policy};

/// How long the output may take for the last events before tidrec says what it waits for, ns.
const PATIENCE_NS: u64 = 2_000_000_000;

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
    let target = |pid: &Pid| Target {
        pid: pid.0,
        command: proc::command_line(*pid),
    };
    let targets = pids.iter().map(target).collect();
    let name = proc::comm(Tid(pids[0].0)).unwrap_or_default();
    let mut recording = Recording::start(cli, name.as_bytes(), targets, signals, terminal)?;
    for pid in &pids {
        let problem = match recording.engine.attach(*pid, cli.attach_timeout)? {
            Attached::All => continue,
            Attached::Partly => {
                say(format_args!(
                    "process {pid}: not every thread could be reached within {:?} \
                     (--attach-timeout); the file says which",
                    cli.attach_timeout
                ));
                continue;
            }
            Attached::Gone => format!("process {pid} ended before it was attached"),
            Attached::Refused(error) => preflight::explain(*pid, error),
        };
        recording.engine.let_all_go();
        recording.discard();
        bail!(problem);
    }
    if !cli.quiet {
        let (tasks, path) = (recording.engine.tracees(), recording.path.shown());
        let names: Vec<String> = pids.iter().map(|pid| describe(*pid)).collect();
        let s = if tasks == 1 { "" } else { "s" };
        say(format_args!(
            "recording {} ({tasks} thread{s}) into {path}; Ctrl-C ends the recording",
            names.join(", ")
        ));
    }
    let reason = recording.run(cli.duration);
    let whole = recording.finish(reason, cli.quiet)?;
    Ok(if whole { FINISHED } else { INCOMPLETE })
}

fn launch_and_record(cli: &Cli, signals: &Signals, terminal: Option<Terminal>) -> Result<u8> {
    let launched = Launched::fork(&cli.command, signals.before, &signals.ignored_by_us)
        .context("cannot fork")?;
    let pid = launched.pid;
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
    let mut recording = Recording::start(cli, name.as_bytes(), targets, signals, terminal)?;
    if let Err(error) = recording.engine.launch(pid) {
        recording.discard();
        bail!("{}", preflight::explain(pid, error));
    }
    let trouble = launched.go().context("cannot start the command")?;
    let reason = recording.run(cli.duration);
    let end = recording.engine.launched_end();
    if end.is_some()
        && let Some(error) = trouble.error()
    {
        recording.discard();
        return Ok(cannot_run(&cli.command[0], &error));
    }
    let doorbell = recording.doorbell.clone();
    recording.finish(reason, cli.quiet)?;
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

/// Everything that a recording is made of, from the open file on.
struct Recording {
    clock: Clock,
    engine: Engine,
    writer: WriterThread,
    doorbell: Doorbell,
    path: OutputPath,
}

impl Recording {
    fn start(
        cli: &Cli,
        name: &[u8],
        targets: Vec<Target>,
        signals: &Signals,
        terminal: Option<Terminal>,
    ) -> Result<Self> {
        let clock = Clock::start();
        let path = match &cli.output {
            Some(path) => path.clone(),
            None => about::default_name(name, targets[0].pid),
        };
        let header = about::header(cli, clock, targets)?;
        let output = Output::create(&path, cli.force)?;
        let path = OutputPath {
            path,
            removable: output.is_regular(),
        };
        let file = Writer::start(output, &header).map_err(|error| {
            path.discard();
            anyhow::Error::from(error).context(format!("cannot write {}", path.shown()))
        })?;
        let (sender, receiver) = queue();
        let doorbell = Doorbell::start(signals.waited, clock)?;
        let asker = terminal
            .map(|terminal| Asker::start(terminal, doorbell.clone()))
            .transpose()?;
        let engine = Engine::new(policy(cli), clock, doorbell.clone(), sender, asker);
        let writer = WriterThread::start(file, receiver, clock)?;
        Ok(Recording {
            clock,
            engine,
            writer,
            doorbell,
            path,
        })
    }

    fn run(&mut self, duration: Option<Duration>) -> Reason {
        let now = self.clock.now();
        self.engine
            .run(duration.map(|duration| Time(now.0 + duration.as_nanos() as u64)))
    }

    /// Ends without a file: nothing was recorded.
    fn discard(self) {
        drop(self.engine);
        let _ = self.writer.join();
        self.path.discard();
    }

    /// Waits until all is written, and says what was recorded; whether all of it is in the file.
    fn finish(self, reason: Reason, quiet: bool) -> Result<bool> {
        let counters = self.engine.counters();
        // This closes the queue. The target is free by now: only the output can hold us.
        drop(self.engine);
        let (writer, path) = (self.writer, self.path.shown());
        let started = self.clock.now();
        let mut patient = true;
        while !writer.is_done() {
            std::thread::sleep(Duration::from_millis(5));
            let waited = self.clock.now().0 - started.0;
            if self.doorbell.take().is_some() && !patient {
                bail!("{path} did not take the last events: they are lost");
            }
            if patient && waited > PATIENCE_NS {
                patient = false;
                say(format_args!(
                    "the target is free; {path} is slow to take the last events (Ctrl-C gives up)"
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
        let (summary, result) = writer.join()?.finish(&reason, &counters);
        let written = result.map_err(anyhow::Error::from);
        if let Err(error) = &written {
            say(format_args!("{path}: {error:#}; the file has no end mark"));
        }
        if !quiet {
            say(format_args!(
                "{reason}; {}",
                describe_summary(&summary, &path)
            ));
        }
        Ok(written.is_ok() && summary.lost == 0)
    }
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

fn describe_summary(summary: &Summary, path: &str) -> String {
    let Summary {
        events,
        threads,
        processes,
        exits,
        lost,
        gaps,
    } = summary;
    let mut words = format!(
        "{events} events ({threads} threads and {processes} processes created, {exits} ended) in {path}"
    );
    if *lost > 0 {
        words += &format!("; {lost} EVENTS LOST");
    }
    if *gaps > 0 {
        words += &format!("; {gaps} GAPS");
    }
    words
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
