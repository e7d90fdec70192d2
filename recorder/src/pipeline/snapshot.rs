//! Snapshots: the stretch around a trigger, in a file of its own.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tidline::format::{Header, Segment, Stretch, extract};
use tidline::model::Time;

use super::folder::on_disk;
use super::output::shown;
use super::writer::ON_ITS_WAY_NS;
use crate::keep::Keep;
use crate::say::say;
use crate::source::ptrace::sys;
use crate::{about, thread};

/// At the end of the recording the commands of triggers may take so long.
const COMMAND_LIMIT: Duration = Duration::from_secs(5);
/// Reasons that one snapshot names.
const MOST_REASONS: usize = 4;
/// Whether snapshots are still where they were written is looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The snapshots of a recording: those that are asked for, and the one that is being written.
#[derive(Debug)]
pub(super) struct Snapshots {
    before_ns: u64,
    after_ns: u64,
    on_trigger: Option<String>,
    commands: Commands,
    pending: Option<Pending>,
    running: Option<Running>,
    /// Those that were written, and were there when last looked for, with their bytes.
    there: Vec<(PathBuf, u64)>,
    looked: Option<Instant>,
    written: u64,
}

/// One that was asked for, and waits for what comes after.
#[derive(Debug)]
struct Pending {
    at: Time,
    due: Time,
    reasons: Vec<String>,
}

/// One that is being written.
#[derive(Debug)]
struct Running {
    thread: JoinHandle<Option<Option<(PathBuf, u64)>>>,
    /// It will have at most about so many bytes.
    bytes: u64,
}

/// All that the writing thread needs.
struct Job {
    files: Vec<File>,
    header: Header,
    stretch: Stretch,
    /// What the snapshots' names begin with.
    stem: PathBuf,
    reason: String,
    on_trigger: Option<String>,
    commands: Commands,
}

/// Commands that were started. None holds the next snapshot, and at the end none is waited for
/// longer than [`COMMAND_LIMIT`].
type Commands = Arc<Mutex<Vec<JoinHandle<Option<()>>>>>;

impl Snapshots {
    /// `earlier` are there already, and count, too.
    pub(super) fn new(keep: &Keep, earlier: Vec<(PathBuf, u64)>) -> Self {
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Snapshots {
            before_ns: keep.before.map_or(u64::MAX, ns),
            after_ns: ns(keep.after),
            on_trigger: keep.on_trigger.clone(),
            commands: Commands::default(),
            pending: None,
            running: None,
            there: earlier,
            looked: None,
            written: 0,
        }
    }

    /// Bytes of all that are there, and of the one that is being written. Whoever moves one away
    /// makes room.
    pub(super) fn bytes(&mut self) -> u64 {
        if self.looked.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
            self.looked = Some(Instant::now());
            self.there.retain(|(path, _)| path.exists());
        }
        let running = self.running.as_ref().map(|running| running.bytes);
        let there = self.there.iter().map(|(_, bytes)| *bytes);
        there.chain(running).map(on_disk).sum()
    }

    /// How many were written.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Notes that one is wanted. What comes while another waits is in that one.
    pub(super) fn ask(&mut self, at: Time, reason: String) {
        let pending = self.pending.get_or_insert_with(|| Pending {
            at,
            due: Time(at.0.saturating_add(self.after_ns)),
            reasons: Vec::new(),
        });
        if pending.reasons.len() < MOST_REASONS {
            pending.reasons.push(reason);
        }
    }

    /// When there is something to do.
    pub(super) fn next(&self) -> Option<Time> {
        let due = self.pending.as_ref().map(|pending| pending.due);
        due.map(|due| Time(due.0.saturating_add(ON_ITS_WAY_NS)))
    }

    /// Whether one is to be begun now. At the end of the recording none waits longer.
    pub(super) fn is_due(&mut self, now: Time, ending: bool) -> bool {
        self.collect(ending);
        let due = self
            .pending
            .as_ref()
            .is_some_and(|pending| pending.due.0.saturating_add(ON_ITS_WAY_NS) < now.0 || ending);
        due && self.running.is_none()
    }

    /// From when on the files are needed by one that waits.
    pub(super) fn needed(&self) -> Option<Time> {
        // One that reaches back as far as there is anything takes what there is.
        let bounded = self.before_ns != u64::MAX;
        (bounded && self.pending.is_some()).then(|| self.begins())
    }

    /// From when on the files are needed.
    pub(super) fn begins(&self) -> Time {
        let at = self.pending.as_ref().map_or(Time(0), |pending| pending.at);
        Time(at.0.saturating_sub(self.before_ns))
    }

    /// Begins to write the one that is due, from these files of so many bytes, which vouch for all
    /// before `vouched`. They are opened here: the oldest may be gone soon.
    pub(super) fn begin(
        &mut self,
        files: &[PathBuf],
        bytes: u64,
        header: &Header,
        output: &Path,
        vouched: Time,
    ) {
        let from = self.begins();
        let Some(pending) = self.pending.take() else {
            return;
        };
        let reason = pending.reasons.join("; ");
        let mut header = Header {
            trace_id: about::random_id(),
            segment: 0,
            ..header.clone()
        };
        header.options.push(("snapshot".into(), reason.clone()));
        let job = Job {
            files: open_latest(files),
            header,
            stretch: Stretch {
                from,
                to: Time(pending.due.0.min(vouched.0.saturating_sub(1))),
            },
            stem: output.with_extension(""),
            reason,
            on_trigger: self.on_trigger.clone(),
            commands: Arc::clone(&self.commands),
        };
        match thread::start("tidrec-snapshot", move || job.run()) {
            Ok(thread) => self.running = Some(Running { thread, bytes }),
            Err(error) => say(format_args!("no snapshot could be written: {error}")),
        }
    }

    /// Says why there is none.
    pub(super) fn refuse(&mut self, why: &str) {
        if let Some(pending) = self.pending.take() {
            say(format_args!(
                "no snapshot ({}): {why}",
                pending.reasons.join("; ")
            ));
        }
    }

    fn collect(&mut self, wait: bool) {
        if let Some(running) = self
            .running
            .take_if(|running| wait || running.thread.is_finished())
            && let Ok(Some(Some(written))) = running.thread.join()
        {
            self.there.push(written);
            self.looked = None;
            self.written += 1;
        }
    }
}

impl Drop for Snapshots {
    fn drop(&mut self) {
        self.collect(true);
        let since = Instant::now();
        let running = || {
            let commands = self.commands.lock().unwrap_or_else(PoisonError::into_inner);
            commands.iter().any(|command| !command.is_finished())
        };
        while running() && since.elapsed() < COMMAND_LIMIT {
            std::thread::sleep(Duration::from_millis(2));
        }
        if running() {
            say(format_args!(
                "the command of --on-trigger goes on by itself"
            ));
        }
    }
}

impl Job {
    /// Writes the snapshot, says so, and runs what is to be run; the file, and how long it is.
    fn run(self) -> Option<(PathBuf, u64)> {
        // The recording comes first.
        sys::be_nice();
        let (reason, on_trigger) = (self.reason.clone(), self.on_trigger.clone());
        let commands = Arc::clone(&self.commands);
        match self.write() {
            Ok((path, events, bytes)) => {
                say(format_args!(
                    "snapshot {} ({events} events; {reason})",
                    shown(&path)
                ));
                if let Some(command) = on_trigger {
                    start_command(&commands, command, path.clone(), reason);
                }
                Some((path, bytes))
            }
            Err(error) => {
                say(format_args!(
                    "no snapshot could be written ({reason}): {error:#}"
                ));
                None
            }
        }
    }

    fn write(self) -> Result<(PathBuf, u64, u64)> {
        let segments: Result<Vec<_>> = self.files.into_iter().map(segment).collect();
        let segments = segments.context("cannot read the recording")?;
        let (path, file) = new_file(&self.stem)?;
        let part = Part(&path);
        let out = BufWriter::with_capacity(1 << 20, file);
        let (mut out, extracted) = extract(segments, self.stretch, &self.header, out)
            .with_context(|| format!("cannot write {}", shown(&path)))?;
        out.flush()?;
        let file = out.get_ref();
        file.sync_all()?;
        let bytes = file.metadata()?.len();
        part.keep();
        Ok((path, extracted.events, bytes))
    }
}

/// Opens files, the latest first, and gives them in their order. Where that would take more open
/// files than we may have, or half of that, the earliest are left out: the recording needs some,
/// too.
fn open_latest(files: &[PathBuf]) -> Vec<File> {
    let room = usize::try_from(sys::most_open_files() / 2).unwrap_or(usize::MAX);
    let mut opened = Vec::new();
    let mut why =
        "ulimit -Hn is the limit on open files, larger files by --segment-size need fewer";
    for path in files.iter().rev().take(room) {
        match File::open(path) {
            Ok(file) => opened.push(file),
            Err(error) => {
                if error.kind() == io::ErrorKind::NotFound {
                    why = "somebody removed the one before them";
                }
                break;
            }
        }
    }
    if opened.len() < files.len() {
        say(format_args!(
            "a snapshot reaches back less far than it should: of {} files tidrec could open {}; {why}",
            files.len(),
            opened.len()
        ));
    }
    opened.reverse();
    opened
}

/// A file of the recording. Buffers for it are made when its turn comes.
fn segment(file: File) -> Result<Segment<BufReader<File>>> {
    let segment = Segment::open(BufReader::new(file.try_clone()?))?;
    Ok(segment.closed(move || Ok(BufReader::new(file))))
}

/// A file that is removed unless it is whole.
struct Part<'a>(&'a Path);

impl Part<'_> {
    fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0);
    }
}

/// Snapshots that earlier recordings into this output have left beside it, with their bytes.
pub(crate) fn earlier(output: &Path) -> Vec<(PathBuf, u64)> {
    let stem = output.with_extension("");
    let folder = match stem.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut begin = stem.file_name().unwrap_or_default().as_bytes().to_vec();
    begin.extend(b"-snapshot-");
    let is_one = |name: &OsStr| {
        let name = name.as_bytes();
        name.starts_with(&begin) && (name.ends_with(b".tid") || name.ends_with(b".tid.part"))
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let found = entries.filter(|entry| is_one(&entry.file_name()));
    found
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?.len())))
        .collect()
}

/// A new file `STEM-snapshot-DATE-TIME.tid`, with a number where there is one of that second.
fn new_file(stem: &Path) -> Result<(PathBuf, File)> {
    let now = chrono::Local::now().format("%Y%m%d-%H%M%S");
    for number in 1..1_000 {
        let more = if number == 1 {
            String::new()
        } else {
            format!("-{number}")
        };
        let mut name = stem.as_os_str().to_owned();
        name.push(format!("-snapshot-{now}{more}.tid"));
        let path = PathBuf::from(name);
        let mut options = OpenOptions::new();
        match options.write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot write {}", shown(&path)));
            }
        }
    }
    anyhow::bail!("a thousand snapshots in one second")
}

/// Runs a command of the user's in a thread of its own.
fn start_command(commands: &Commands, command: String, path: PathBuf, reason: String) {
    let work = move || run(&command, &path, &reason);
    match thread::start("tidrec-trigger", work) {
        Ok(thread) => {
            let mut commands = commands.lock().unwrap_or_else(PoisonError::into_inner);
            commands.retain(|command| !command.is_finished());
            commands.push(thread);
        }
        Err(error) => say(format_args!("--on-trigger cannot be run: {error}")),
    }
}

/// Runs a command of the user's by sh, with the path behind it, and waits for it. What it prints goes
/// to stderr: stdout is the recorded command's.
fn run(command: &str, path: &Path, reason: &str) {
    let line = format!("{command} \"$@\"");
    let stderr = io::stderr().as_fd().try_clone_to_owned();
    let mut shell = Command::new("/bin/sh");
    let ran = sys::with_own_file_limit(&mut shell)
        .arg("-c")
        .arg(line)
        .arg("tidrec")
        .arg(path)
        .env("TIDREC_TRIGGER", reason)
        .stdin(Stdio::null())
        .stdout(stderr.map_or_else(|_| Stdio::null(), Stdio::from))
        .status();
    match ran {
        Ok(status) if status.success() => {}
        Ok(status) => say(format_args!("--on-trigger: {status}")),
        Err(error) => say(format_args!("--on-trigger cannot be run: {error}")),
    }
}
