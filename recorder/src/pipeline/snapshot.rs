//! Snapshots: the stretch around a trigger, in a file of its own.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tidline::format::{Header, Segment, Stretch, extract};
use tidline::model::Time;

use super::command::Commands;
use super::folder::on_disk;
use super::output::shown;
use super::place::Places;
use super::writer::ON_ITS_WAY_NS;
use crate::keep::Keep;
use crate::say::say;
use crate::source::ptrace::sys;
use crate::{about, thread};

/// Reasons that one snapshot names; of more it tells how many.
const MOST_REASONS: usize = 64;
/// So many times `--after`, or so long, what triggers again has a snapshot wait for it, ns.
const EXTENDED: u64 = 4;
const EXTENDED_NS: u64 = 1_000_000_000;
/// Snapshots that wait.
const MOST_PENDING: usize = 8;
/// Whether snapshots are still where they were written is looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The snapshots of a recording: those that are asked for, and the one that is being written.
#[derive(Debug)]
pub(super) struct Snapshots {
    before_ns: u64,
    after_ns: u64,
    on_trigger: Option<String>,
    quiet: bool,
    commands: Commands,
    places: Places,
    /// In order of their times.
    pending: VecDeque<Pending>,
    running: Option<Running>,
    /// Those that were written, and were there when last looked for, with their bytes.
    there: Vec<(PathBuf, u64)>,
    looked: Option<Instant>,
    written: u64,
}

/// One that was asked for, and waits for what comes after.
#[derive(Debug)]
struct Pending {
    /// When the first trigger was.
    at: Time,
    /// How far it reaches behind the last one.
    due: Time,
    reasons: Vec<String>,
    /// How many there are beside those.
    more: u64,
}

impl Pending {
    fn reason(&self) -> String {
        let mut reason = self.reasons.join("; ");
        if self.more > 0 {
            reason += &format!("; and {} more", self.more);
        }
        reason
    }
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
    quiet: bool,
    commands: Commands,
    places: Places,
}

impl Snapshots {
    /// `earlier` are there already, and count, too.
    pub(super) fn new(keep: &Keep, earlier: Vec<(PathBuf, u64)>, quiet: bool) -> Self {
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Snapshots {
            before_ns: keep.before.map_or(u64::MAX, ns),
            after_ns: ns(keep.after),
            on_trigger: keep.on_trigger.clone(),
            quiet,
            commands: Commands::default(),
            places: Places::default(),
            pending: VecDeque::new(),
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

    /// The next count of bytes is of what is there then.
    pub(super) fn look_again(&mut self) {
        self.looked = None;
    }

    /// How many were written.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Notes that one is wanted. What comes while another waits is in that one, which then reaches as far
    /// behind this as behind the first; within reason, or it would wait for ever.
    pub(super) fn ask(&mut self, at: Time, reason: String) {
        let due = Time(at.0.saturating_add(self.after_ns));
        let extended = self.after_ns.saturating_mul(EXTENDED).max(EXTENDED_NS);
        let full = self.pending.len() >= MOST_PENDING;
        match self.pending.back_mut() {
            Some(last) if full || due.0 <= last.at.0.saturating_add(extended) => {
                last.due = last.due.max(due);
                if last.reasons.len() < MOST_REASONS {
                    last.reasons.push(reason);
                } else {
                    last.more += 1;
                }
            }
            _ => self.pending.push_back(Pending {
                at,
                due,
                reasons: vec![reason],
                more: 0,
            }),
        }
    }

    /// When there is something to do.
    pub(super) fn next(&self) -> Option<Time> {
        let due = self.pending.front().map(|pending| pending.due);
        due.map(|due| Time(due.0.saturating_add(ON_ITS_WAY_NS)))
    }

    /// Whether one is to be begun now. At the end of the recording none waits longer.
    pub(super) fn is_due(&mut self, now: Time, ending: bool) -> bool {
        self.collect(ending);
        let due = self
            .pending
            .front()
            .is_some_and(|pending| pending.due.0.saturating_add(ON_ITS_WAY_NS) < now.0 || ending);
        due && self.running.is_none()
    }

    /// From when on the files are needed by one that waits.
    pub(super) fn needed(&self) -> Option<Time> {
        // One that reaches back as far as there is anything takes what there is.
        let bounded = self.before_ns != u64::MAX;
        (bounded && !self.pending.is_empty()).then(|| self.begins())
    }

    /// From when on the files are needed.
    pub(super) fn begins(&self) -> Time {
        let at = self.pending.front().map_or(Time(0), |pending| pending.at);
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
        let Some(pending) = self.pending.pop_front() else {
            return;
        };
        let reason = pending.reason();
        let files = match open_latest(files) {
            Ok(files) => files,
            Err(error) => {
                say(format_args!(
                    "no snapshot ({reason}): the recording cannot be opened: {error}"
                ));
                return;
            }
        };
        let mut header = Header {
            trace_id: about::random_id(),
            segment: 0,
            ..header.clone()
        };
        header.options.push(("snapshot".into(), reason.clone()));
        let job = Job {
            files,
            header,
            stretch: Stretch {
                from,
                to: Time(pending.due.0.min(vouched.0.saturating_sub(1))),
            },
            stem: output.with_extension(""),
            reason,
            on_trigger: self.on_trigger.clone(),
            quiet: self.quiet,
            commands: self.commands.clone(),
            places: self.places.clone(),
        };
        match thread::start("tidrec-snapshot", move || job.run()) {
            Ok(thread) => self.running = Some(Running { thread, bytes }),
            Err(error) => say(format_args!("no snapshot could be written: {error}")),
        }
    }

    /// Says why there is none.
    pub(super) fn refuse(&mut self, why: &str) {
        if let Some(pending) = self.pending.pop_front() {
            say(format_args!("no snapshot ({}): {why}", pending.reason()));
        }
    }

    fn collect(&mut self, wait: bool) {
        if let Some(running) = self
            .running
            .take_if(|running| wait || running.thread.is_finished())
            && let Ok(Some(Some(written))) = running.thread.join()
        {
            self.there.push(written);
            self.look_again();
            self.written += 1;
        }
    }
}

impl Drop for Snapshots {
    fn drop(&mut self) {
        self.collect(true);
        self.commands.wait();
    }
}

impl Job {
    /// Writes the snapshot, says so, and runs what is to be run; the file, and how long it is.
    fn run(self) -> Option<(PathBuf, u64)> {
        // The recording comes first.
        sys::be_nice();
        let (reason, on_trigger) = (self.reason.clone(), self.on_trigger.clone());
        let (commands, quiet) = (self.commands.clone(), self.quiet);
        match self.write() {
            Ok((path, events, bytes)) => {
                if !quiet {
                    say(format_args!(
                        "snapshot {} ({events} events; {reason})",
                        shown(&path)
                    ));
                }
                if let Some(command) = on_trigger {
                    commands.start(command, path.clone(), reason);
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
        let (place, file) = self.places.begin(&self.stem)?;
        let shown = shown(place.path());
        let out = BufWriter::with_capacity(1 << 20, file);
        let (mut out, extracted) = extract(segments, self.stretch, &self.header, out)
            .with_context(|| format!("cannot write {shown}"))?;
        out.flush()?;
        let file = out.get_ref();
        file.sync_all()?;
        let bytes = file.metadata()?.len();
        let path = place
            .finish()
            .with_context(|| format!("cannot write {shown}"))?;
        Ok((path, extracted.events, bytes))
    }
}

/// Opens files, the latest first, and gives them in their order. Where that would take more open
/// files than we may have, or half of that, the earliest are left out: the recording needs some,
/// too.
///
/// # Errors
/// If none can be opened.
fn open_latest(files: &[PathBuf]) -> io::Result<Vec<File>> {
    let room = usize::try_from(sys::most_open_files() / 2).unwrap_or(usize::MAX);
    let mut opened = Vec::new();
    let mut why =
        "ulimit -Hn is the limit on open files, larger files by --segment-size need fewer";
    for path in files.iter().rev().take(room) {
        match File::open(path) {
            Ok(file) => opened.push(file),
            Err(error) if opened.is_empty() => return Err(error),
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
    Ok(opened)
}

/// A file of the recording. Buffers for it are made when its turn comes.
fn segment(file: File) -> Result<Segment<BufReader<File>>> {
    let segment = Segment::open(BufReader::new(file.try_clone()?))?;
    Ok(segment.closed(move || Ok(BufReader::new(file))))
}
