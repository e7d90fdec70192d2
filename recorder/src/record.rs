//! The one place that wires the source, the tracker, the pipeline and the writer.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tidline::format::{Header, Target, Writer};
use tidline::model::{End, Pid, Tid, Time};

use crate::about;
use crate::ask::{Asker, Terminal};
use crate::backend::Backend;
use crate::cli::{Cli, Failures, FollowExec, FollowFork, NewThreads, Other};
use crate::clock::Clock;
use crate::control::{self, Control, Recorder};
use crate::doorbell::Doorbell;
use crate::gather::{self, Wanted};
use crate::keep::{Compress, Limits};
use crate::manual;
use crate::notify::Notify;
use crate::pipeline::folder::ReadyFolder;
use crate::pipeline::progress::Progress;
use crate::pipeline::queue::{Desk, queue};
use crate::pipeline::trigger::Trigger;
use crate::pipeline::{
    Globs, Opened, Output, Ready, Setup, Summary, WriterThread, shown, unwritable,
};
use crate::proc;
use crate::say::say;
use crate::signals::Signals;
use crate::source::perf;
use crate::source::ptrace::engine::Engine;
use crate::source::ptrace::launch::{Failure, Launched};
use crate::source::ptrace::sys::{self, Take};
use crate::source::ptrace::wait::Change;
use crate::source::{Reason, Source};
use crate::status::{self, Status};
use crate::syscall::Watch;
use crate::tracker::{self, Choice, ForkMode, Policy};

/// How long the output may take for the last events before tidrec says what it waits for, ns.
const PATIENCE_NS: u64 = 2_000_000_000;

/// How long an exec may take before it is taken for granted.
const EXEC_LIMIT: Duration = Duration::from_secs(1);

/// Exit codes of our own.
const FINISHED: u8 = 0;
const INCOMPLETE: u8 = 3;

/// Records, from the command line to the exit code.
///
/// # Errors
/// If nothing could be recorded.
pub(crate) fn record(cli: &Cli) -> Result<u8> {
    match &cli.other {
        None => {}
        Some(Other::Ctl { pid, request }) => {
            control::ask(*pid, request)?;
            return Ok(FINISHED);
        }
        Some(Other::Completions { shell }) => {
            manual::completions(*shell)?;
            return Ok(FINISHED);
        }
        Some(Other::Man) => {
            manual::man()?;
            return Ok(FINISHED);
        }
    }
    // Before there is a second thread.
    let notify = sys::take_variable("NOTIFY_SOCKET");
    let notify = Arc::new(Notify::new(notify.as_deref()));
    sys::raise_file_limit();
    open_terminal(cli)?;
    if !proc::is_ours() {
        bail!(
            "the /proc that is mounted here is missing or another pid namespace's, and would give \
             the names of strangers: mount one of its own (unshare --mount-proc, mount -t proc)"
        );
    }
    let backend = Backend::choose(cli)?;
    let watch = match backend {
        Backend::Ptrace => Watch::new(cli)?,
        Backend::Perf(_) => Watch::default(),
    };
    if cli.keep.triggers.contains(&Trigger::CreateFailed) && backend.failures(cli) == Failures::Off
    {
        bail!(
            "--trigger create-failed needs --failures: refused creations make no event that a tracer sees \
             otherwise"
        );
    }
    let signals = Signals::block(cli.command.is_empty())?;
    if cli.command.is_empty() {
        attach_and_record(cli, backend, watch, &signals, &notify)
    } else {
        launch_and_record(cli, backend, watch, &signals, &notify)
    }
}

/// The terminal to ask at, where that is asked for.
fn open_terminal(cli: &Cli) -> Result<Option<Terminal>> {
    match cli.follow_fork {
        FollowFork::Ask => Terminal::open().map(Some).context(
            "--follow-fork ask needs a terminal to ask at, and there is none: choose parent, \
             child or both",
        ),
        _ => Ok(None),
    }
}

fn attach_and_record(
    cli: &Cli,
    mut backend: Backend,
    watch: Watch,
    signals: &Signals,
    notify: &Arc<Notify>,
) -> Result<u8> {
    if cli.wait {
        try_output(cli)?;
    }
    loop {
        let wanted = Wanted::find(cli, &backend, &signals.waited, notify)?;
        if wanted.is_empty() && !cli.is_broad() {
            // What matched has ended since.
            if cli.wait {
                continue;
            }
            bail!("what matched ended before it was attached");
        }
        let target = |pid: Pid| Target {
            pid: pid.0,
            command: about::command_line(cli, proc::command_line(pid)),
        };
        let targets: Vec<Target> = wanted.pids().map(target).collect();
        let name = match targets.first() {
            Some(target) => proc::comm(Tid(target.pid)).unwrap_or_default(),
            None => wanted.name().as_str().into(),
        };
        let mut prepared = Prepared::new(
            cli,
            backend,
            &watch,
            name.as_bytes(),
            targets,
            (signals, notify),
        )?;
        let gathered = match gather::attach(&mut prepared.source, cli, &wanted) {
            Ok(gathered) => gathered,
            Err(error) => {
                prepared.discard();
                return Err(error);
            }
        };
        if gathered.attached.is_empty() && !cli.is_broad() {
            prepared.discard();
            match gathered.refused.into_iter().next() {
                Some(why) => bail!(why),
                None if cli.wait => {
                    backend = Backend::choose(cli)?;
                    continue;
                }
                None => bail!("what matched ended before it was attached"),
            }
        }
        let mut recording = prepared.begin();
        if !cli.quiet {
            let (tasks, path) = (recording.source.tasks(), &recording.path);
            let s = if tasks == 1 { "" } else { "s" };
            let whom = match cli.is_broad() {
                true => wanted.name(),
                false => describe(&gathered.attached),
            };
            say(format_args!(
                "recording {whom} ({tasks} thread{s}) into {path}; Ctrl-C ends the recording"
            ));
        }
        let reason = recording.run(cli.duration);
        let whole = recording.finish(reason, cli.quiet)?;
        return Ok(if whole { FINISHED } else { INCOMPLETE });
    }
}

/// Who waits for hours must not learn only then that there is no place for the recording.
fn try_output(cli: &Cli) -> Result<()> {
    // A pipe's reader would take the trial for the end.
    let is_stream = |path: &PathBuf| path.metadata().is_ok_and(|found| !found.is_file());
    if let Some(path) = &cli.output
        && !is_stream(path)
    {
        let made = if let Some(limits) = cli.keep.limits()? {
            open_folder(path, cli.force, limits)?.made()
        } else {
            let ready = Ready::open(path, cli.force)?;
            ready.made().into_iter().collect()
        };
        remove(&made);
    }
    Ok(())
}

fn launch_and_record(
    cli: &Cli,
    backend: Backend,
    watch: Watch,
    signals: &Signals,
    notify: &Arc<Notify>,
) -> Result<u8> {
    if cli.command[0].is_empty() {
        return Ok(cannot_run(
            &cli.command[0],
            &std::io::Error::from_raw_os_error(libc::ENOENT),
        ));
    }
    let (before, ignored) = (signals.before, &signals.ignored_by_us);
    let launched =
        Launched::fork(&cli.command, before, ignored, watch.stops).context("cannot fork")?;
    let pid = launched.pid;
    let command = cli
        .command
        .iter()
        .map(|word| word.as_bytes().to_vec())
        .collect();
    let name = Path::new(&cli.command[0]).file_name().unwrap_or_default();
    let targets = vec![Target {
        pid: pid.0,
        command: about::command_line(cli, command),
    }];
    let mut prepared = Prepared::new(
        cli,
        backend,
        &watch,
        name.as_bytes(),
        targets,
        (signals, notify),
    )?;
    if let Err(error) = prepared.source.launch(pid) {
        prepared.discard();
        return Err(error);
    }
    let trouble = launched.go().context("cannot start the command")?;
    if let Some(failure) = trouble.failure(EXEC_LIMIT) {
        prepared.discard();
        return match failure {
            Failure::Exec(error) => Ok(cannot_run(&cli.command[0], &error)),
            Failure::Filter(error) => {
                Err(error).context("the kernel takes no filter: use --failures syscalls")
            }
        };
    }
    let mut recording = prepared.begin();
    let reason = recording.run(cli.duration);
    recording.stay_if_needed(reason, cli.quiet);
    let end = recording.source.launched_end();
    let doorbell = recording.doorbell.clone();
    recording.finish(reason, cli.quiet)?;
    let end = match (end, reason) {
        // The command itself was let go (--follow-fork child, --follow-exec no) and still runs.
        (None, Reason::TargetEnded | Reason::FollowedEnded) => wait_for(pid, &doorbell),
        _ => end,
    };
    Ok(exit_code(end))
}

/// The command's own code, as shells give it; 0 if it was left running.
fn exit_code(end: Option<End>) -> u8 {
    match end {
        Some(End::Code(code)) => code,
        Some(End::Signal { number, .. }) => 128u8.wrapping_add(number),
        Some(End::Unknown) | None => FINISHED,
    }
}

/// A recording for which everything is ready but the target.
struct Prepared {
    clock: Clock,
    source: Source,
    /// It waits to be told to begin.
    writer: WriterThread,
    begin: mpsc::Sender<()>,
    desk: Desk,
    doorbell: Doorbell,
    path: String,
    /// The file that was made for it, or the file and its folder.
    made: Vec<PathBuf>,
    status: Option<Status>,
    notify: Arc<Notify>,
    progress: Arc<Progress>,
}

/// An output before anything is recorded.
enum Prospect {
    /// An old recording, untouched until there is something to put in its place.
    Old(Box<dyn FnOnce() -> Result<Opened> + Send>),
    /// A new file, or a stream: that it can be written was tried.
    New(Box<Opened>),
}

/// A folder with room for a recording.
fn open_folder(path: &Path, force: bool, limits: Limits) -> Result<ReadyFolder> {
    let ready = ReadyFolder::open(path, force)?;
    let made = ready.made();
    ready.has_room(limits).inspect_err(|_| remove(&made))
}

impl Prospect {
    fn open(cli: &Cli, path: &Path, header: &Header) -> Result<(Self, Vec<PathBuf>)> {
        let (header, compress) = (header.clone(), cli.keep.compress);
        let (keeps_old, made, begin): (_, _, Box<dyn FnOnce() -> Result<Opened> + Send>) =
            match cli.keep.limits()? {
                Some(limits) => {
                    let ready = open_folder(path, cli.force, limits)?;
                    let (keeps_old, made) = (ready.holds_something(), ready.made());
                    let begin = move || {
                        let (folder, writer) = ready.begin(header, limits, compress)?;
                        Ok(Opened {
                            writer,
                            folder: Some(folder),
                        })
                    };
                    (keeps_old, made, Box::new(begin))
                }
                None => {
                    let ready = Ready::open(path, cli.force)?;
                    let (keeps_old, made) = (ready.holds_something(), ready.made());
                    let begin = move || {
                        let mut writer = write_header(ready, &header)?;
                        writer.pack(compress == Compress::Lz4);
                        Ok(Opened {
                            writer,
                            folder: None,
                        })
                    };
                    (keeps_old, made.into_iter().collect(), Box::new(begin))
                }
            };
        if keeps_old {
            return Ok((Prospect::Old(begin), made));
        }
        let opened = begin().inspect_err(|_| remove(&made))?;
        Ok((Prospect::New(Box::new(opened)), made))
    }
}

impl Prepared {
    fn new(
        cli: &Cli,
        backend: Backend,
        watch: &Watch,
        name: &[u8],
        targets: Vec<Target>,
        (signals, notify): (&Signals, &Arc<Notify>),
    ) -> Result<Self> {
        let terminal = open_terminal(cli)?;
        let clock = Clock::start();
        let path = match &cli.output {
            Some(path) => path.clone(),
            None => about::default_name(name, targets.first().map(|target| target.pid)),
        };
        let header = about::header(cli, &backend, clock, targets)?;
        let (sender, receiver) = queue();
        let desk = sender.desk();
        let doorbell = Doorbell::start(signals.waited, clock, desk.clone()).context(NO_THREAD)?;
        let asker = terminal.map(|terminal| Asker::start(terminal, doorbell.clone()));
        let asker = asker.transpose().context(NO_THREAD)?;
        let (output, made) = Prospect::open(cli, &path, &header)?;
        let progress = Arc::new(Progress::default());
        let setup = Setup {
            clock,
            doorbell: doorbell.clone(),
            keep: cli.keep.clone(),
            quiet: cli.quiet,
            header,
            globs: Globs {
                include: cli.include.clone(),
                exclude: cli.exclude.clone(),
            },
            stacks: cli.stacks.clone(),
            symbols: cli.symbols,
            progress: Arc::clone(&progress),
            names_are_told: matches!(backend, Backend::Perf(_)),
        };
        let (begin, begins) = mpsc::channel();
        let open = move || {
            begins.recv().ok()?;
            Some(match output {
                Prospect::Old(begin) => begin(),
                Prospect::New(opened) => Ok(*opened),
            })
        };
        let writer = WriterThread::start(open, receiver, setup)
            .inspect_err(|_| remove(&made))
            .context(NO_THREAD)?;
        // A launched command writes to the same terminal: the line would be torn. So would a question.
        let is_alone = cli.command.is_empty() && cli.follow_fork != FollowFork::Ask;
        let status = Status::start(is_alone && !cli.quiet, notify, &progress);
        let source = match backend {
            Backend::Ptrace => {
                let mut engine = Engine::new(policy(cli), clock, doorbell.clone(), sender, asker);
                if let Some(bytes) = cli.stacks.captured() {
                    engine.capture_stacks(bytes);
                }
                engine.watch(watch.clone());
                Source::Ptrace(Box::new(engine))
            }
            Backend::Perf(events) => Source::Perf(Box::new(perf::engine::Engine::new(
                *events,
                clock,
                doorbell.clone(),
                sender,
            ))),
        };
        let path = shown(&path);
        Ok(Prepared {
            clock,
            source,
            writer,
            begin,
            desk,
            doorbell,
            path,
            made,
            status,
            notify: Arc::clone(notify),
            progress,
        })
    }

    /// Begins to write. Events have gathered in the queue since the target was reached.
    fn begin(self) -> Recording {
        // The thread waits for this; if it had failed, its end would be told by `finish`.
        let _ = self.begin.send(());
        self.notify.send("READY=1\nSTATUS=recording");
        if let Some(status) = &self.status {
            status.begin();
        }
        let (path, clock, progress) = (self.path.clone(), self.clock, self.progress);
        let shared = Arc::clone(&progress);
        let control = Control::start(Recorder {
            clock,
            doorbell: self.doorbell.clone(),
            desk: self.desk,
            status: Box::new(move || status::in_words(&path, clock.now(), progress.read())),
        });
        Recording {
            _control: control,
            clock: self.clock,
            source: self.source,
            writer: self.writer,
            doorbell: self.doorbell,
            path: self.path,
            status: self.status,
            notify: self.notify,
            progress: shared,
        }
    }

    /// Ends without a recording.
    fn discard(mut self) {
        self.source.let_all_go();
        self.doorbell.close();
        remove(&self.made);
    }
}

fn write_header(ready: Ready, header: &Header) -> Result<Writer<Output>> {
    let output = ready.begin()?;
    let path = output.path().to_owned();
    Writer::start(output, header).map_err(|error| unwritable(&path, error))
}

/// Removes what was made: files, and then the folder that they were in.
fn remove(made: &[PathBuf]) {
    for path in made {
        let _ = if path.is_dir() {
            std::fs::remove_dir(path)
        } else {
            std::fs::remove_file(path)
        };
    }
}

/// Everything that a running recording is made of.
struct Recording {
    clock: Clock,
    source: Source,
    writer: WriterThread,
    doorbell: Doorbell,
    path: String,
    /// Removes its socket at the end.
    _control: Option<Control>,
    status: Option<Status>,
    notify: Arc<Notify>,
    progress: Arc<Progress>,
}

impl Recording {
    fn run(&mut self, duration: Option<Duration>) -> Reason {
        let now = self.clock.now();
        self.source
            .run(duration.map(|duration| Time(now.0 + duration.as_nanos() as u64)))
    }

    /// Ends the recording, and goes on tracing a target that carries our filter: let go, it could
    /// create nothing any more.
    fn stay_if_needed(&mut self, reason: Reason, quiet: bool) {
        if reason == Reason::TargetEnded || !self.source.is_needed() {
            return;
        }
        let reason = in_words(reason, &self.doorbell);
        if !quiet {
            say(format_args!(
                "{reason}: the recording is over; tidrec stays until the program ends, which with \
                 --failures seccomp can create nothing without it (Ctrl-C lets it go all the same)"
            ));
        }
        self.source.end_with(reason);
        self.source.stay();
    }

    /// Waits until all is written, and says what was recorded; whether all of it is in the file.
    fn finish(self, reason: Reason, quiet: bool) -> Result<bool> {
        let Recording {
            clock,
            mut source,
            writer,
            doorbell,
            path,
            _control,
            status,
            notify,
            progress,
        } = self;
        drop(status);
        notify.send("STOPPING=1\nSTATUS=writing the last events");
        let is_asked = matches!(reason, Reason::Signal(_) | Reason::Asked);
        progress.is_asked_to_end.store(is_asked, Ordering::SeqCst);
        let reason = in_words(reason, &doorbell);
        // This closes the queue. The target is free by now: only the output can hold us.
        source.end_with(reason.clone());
        drop(source);
        let started = clock.now();
        let (mut patient, mut given_up) = (true, false);
        let (mut since, mut told) = (started, false);
        while !writer.is_done() {
            std::thread::sleep(Duration::from_millis(2));
            let interrupted = doorbell.take().is_some();
            if progress.looks_up.load(Ordering::SeqCst) {
                since = clock.now();
                progress.hurries.fetch_or(interrupted, Ordering::SeqCst);
                if !told && !quiet && since.0 > started.0 + PATIENCE_NS {
                    told = true;
                    say(format_args!(
                        "the target is free; names are looked up for its stacks (Ctrl-C ends that)"
                    ));
                }
                continue;
            }
            given_up |= interrupted;
            if given_up && !patient {
                say(format_args!(
                    "{path} did not take the last events: they are lost"
                ));
                return Ok(false);
            }
            if patient && clock.now().0 > since.0 + PATIENCE_NS {
                patient = false;
                say(format_args!(
                    "the target is free; {path} is slow to take the last events (Ctrl-C gives up)"
                ));
            }
        }
        let summary = writer.join()?;
        if let Some(problem) = &summary.problem {
            say(format_args!("{path}: {problem}"));
        }
        if !quiet {
            say(format_args!(
                "{reason}; {}",
                describe_summary(&summary, &path)
            ));
        }
        Ok(summary.problem.is_none() && summary.lost == 0 && summary.gaps == 0)
    }
}

fn in_words(reason: Reason, doorbell: &Doorbell) -> String {
    match reason {
        Reason::TargetEnded => "the target ended".to_string(),
        Reason::FollowedEnded => "all that was followed ended".to_string(),
        Reason::Duration => "the duration was over".to_string(),
        Reason::Asked => doorbell.stop_asked().unwrap_or_default(),
        Reason::Signal(number) => {
            format!("tidrec got {}", tidline::model::signal_name(number as u8))
        }
    }
}

/// What a process limit does to us, in words.
pub(crate) const NO_THREAD: &str =
    "cannot start a thread of its own (is a limit on processes reached?)";

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
    let command = match shown(Path::new(command)) {
        empty if empty.is_empty() => "''".to_string(),
        command => command,
    };
    say(format_args!("cannot run {command}: {error}"));
    if error.kind() == std::io::ErrorKind::NotFound {
        127
    } else {
        126
    }
}

fn describe_summary(summary: &Summary, path: &str) -> String {
    let many = |count: u64, one: &str, more: &str| match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {more}"),
    };
    let (older, in_all) = match summary.given_up {
        0 => (String::new(), ""),
        1 => (
            ", after 1 that was given up with its file".into(),
            "in all ",
        ),
        older => (
            format!(", after {older} that were given up with their files"),
            "in all ",
        ),
    };
    let mut words = format!(
        "{} in {path}{older} ({in_all}{} and {} created, {} ended)",
        many(summary.events, "event", "events"),
        many(summary.threads, "thread", "threads"),
        many(summary.processes, "process", "processes"),
        summary.exits,
    );
    if summary.left_out > 0 {
        words += &format!("; {} left out by name", summary.left_out);
    }
    if summary.lost > 0 {
        words += &format!("; {} LOST", many(summary.lost, "EVENT", "EVENTS"));
    }
    if summary.gaps > 0 {
        words += &format!(
            "; {} (tidview check says what)",
            many(summary.gaps, "GAP", "GAPS")
        );
    }
    words
}

fn describe(pids: &[Pid]) -> String {
    const SHOWN: usize = 8;
    let name = |pid: &Pid| format!("{}[{pid}]", proc::comm(Tid(pid.0)).unwrap_or_default());
    let mut names: Vec<String> = pids.iter().take(SHOWN).map(name).collect();
    if pids.len() > SHOWN {
        names.push(format!("and {} more", pids.len() - SHOWN));
    }
    names.join(", ")
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
        follow_exec: cli.follow_exec == FollowExec::Yes,
    }
}
