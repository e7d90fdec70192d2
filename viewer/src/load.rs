//! Opening a recording: one file, or several, or a folder of them that may be written to just now;
//! and saying what is wrong and what to do when that fails.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use tidline::format::{Error, Header, Segment, Sink, Skim, looks_like_trace, scan};
use tidline::model::{
    Anchor, Carried, Damage, Definition, Event, EventBody, Integrity, Time, Trace, TraceBuilder,
};
use tidline::text;

use crate::progress::{self, Watched};
use crate::reading::{self, Tallies};
use crate::site::Rules;
use crate::time::Clock;
use crate::words::{counted, numbers};

/// A live recorder gives up its oldest file while a folder is being opened or read: then it is
/// listed again, so often. Files that are gone after that are found missing by their numbers.
const LISTINGS: usize = 10;
/// Digits of a recording's id that tell it from others.
const ID_DIGITS: usize = 8;

/// Options in the header of a copy, which is whole by itself.
const COPIES: [&str; 6] = [
    "repaired",
    "snapshot",
    "symbolized",
    "part",
    "scrubbed",
    "merged",
];

/// Reads the recording whose files are named, each as long as it is now.
pub(crate) fn load(named: &[PathBuf]) -> Result<Trace> {
    while_files_vanish(|| Recording::open(named)?.load(Tallies::Unread))
}

/// The same, and compares what its checkpoints count with its events.
pub(crate) fn load_compared(named: &[PathBuf]) -> Result<Trace> {
    while_files_vanish(|| Recording::open(named)?.load(Tallies::Compared))
}

/// Reads of the recording whose files are named what is true of it as a whole: its
/// [`Part`](tidline::model::Part). All of it is read where that is not told.
pub(crate) fn outline(named: &[PathBuf]) -> Result<Trace> {
    match skim(named)? {
        Some((skim, _)) => Ok(skim.outline()),
        None => load(named),
    }
}

/// Reads of the recording whose files are named the stretch that `asked` makes of its extent, a trace
/// without events. `None` where it cannot be had without the rest.
pub(crate) fn stretch(
    named: &[PathBuf],
    asked: impl Fn(&Trace) -> Option<(Time, Time)>,
) -> Result<Option<Trace>> {
    let Some((skim, shown)) = skim(named)? else {
        return Ok(None);
    };
    let Some((from, to)) = asked(&skim.extent()) else {
        return Ok(None);
    };
    skim.stretch(from, to)
        .with_context(|| format!("cannot read {shown}"))
}

/// Reads of the recording whose files are named the tasks of the moment that `asked` makes of its
/// extent. `None` where they cannot be had without the rest.
pub(crate) fn moment(
    named: &[PathBuf],
    asked: impl Fn(&Trace) -> Option<Time>,
) -> Result<Option<Trace>> {
    let Some((skim, shown)) = skim(named)? else {
        return Ok(None);
    };
    let Some(at) = asked(&skim.extent()) else {
        return Ok(None);
    };
    skim.moment(at)
        .with_context(|| format!("cannot read {shown}"))
}

/// What can be had of a recording without reading its events, and what was named, to be shown.
fn skim(named: &[PathBuf]) -> Result<Option<(Skim<BufReader<Watched>>, String)>> {
    while_files_vanish(|| {
        let recording = Recording::open(named)?;
        let shown = recording.shown.clone();
        let (mut segments, left_out) = recording.into_segments();
        let only = segments.pop();
        let Some(only) = only.filter(|_| segments.is_empty() && left_out.0.is_empty()) else {
            return Ok(None);
        };
        let skim = Skim::of(only).with_context(|| format!("cannot read {shown}"))?;
        Ok(skim.map(|skim| (skim, shown)))
    })
}

/// Reads the recording whose files are named for its tasks. Of its events only those are kept of which
/// a task's record does not tell, and which are few: marks, gaps, losses, execs and refused creations.
pub(crate) fn load_tasks(named: &[PathBuf]) -> Result<Trace> {
    while_files_vanish(|| {
        let recording = Recording::open(named)?;
        let mut tasks = Tasks {
            builder: TraceBuilder::new(recording.header().clone()),
            begun: false,
        };
        let shown = recording.shown.clone();
        let (segments, left_out) = recording.into_segments();
        let integrity = reading::scan_ahead(segments, Tallies::Unread, &mut tasks)
            .with_context(|| format!("cannot read {shown}"))?;
        let builder = tasks.builder;
        let integrity = left_out.added_to(integrity, builder.begin(), builder.now());
        Ok(builder.finish(integrity))
    })
}

/// Makes a trace without most of its events.
struct Tasks {
    builder: TraceBuilder,
    begun: bool,
}

impl Sink for Tasks {
    fn event(&mut self, event: Event) {
        // The first one tells where a trace begins.
        let first = !std::mem::replace(&mut self.begun, true);
        let is_kept = match event.body {
            EventBody::Exec { .. } | EventBody::CreateFailed { .. } => true,
            _ => event.body.task().is_none(),
        };
        match first || is_kept {
            true => self.builder.push(event),
            false => self.builder.follow(event),
        }
    }
    fn checkpoint(&mut self, carried: &[Carried], time: Time) {
        self.builder.restore(carried, time);
    }
    fn define(&mut self, definition: Definition) {
        self.builder.define(definition);
    }
    fn anchor(&mut self, anchor: Anchor) {
        self.builder.anchor(anchor);
    }
    fn counter(&mut self, name: String, value: u64) {
        self.builder.count(name, value);
    }
    fn reached(&mut self, time: Time) {
        self.builder.reached(time);
    }
    fn damaged(&mut self, _: &Damage) {}
}

/// Opens and reads a recording, and does so again if a file was given up before its turn came. The
/// next time it is not among them.
pub(crate) fn while_files_vanish<T>(mut read: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 1..LISTINGS {
        match read() {
            Err(error) if vanished(&error) => {}
            done => return done,
        }
    }
    read()
}

fn vanished(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<Error>() {
        Some(Error::Io { source, .. }) => source.kind() == io::ErrorKind::NotFound,
        _ => false,
    }
}

/// The files of one recording. Of each the header is read; none is open.
pub(crate) struct Recording {
    /// At least one, in the recording's order.
    files: Vec<Opened>,
    /// Files that say that they are traces, and cannot be read.
    unreadable: Vec<Unreadable>,
    /// What was named, for errors.
    shown: String,
}

struct Opened {
    path: PathBuf,
    segment: Segment<BufReader<Watched>>,
}

struct Unreadable {
    path: PathBuf,
    bytes: u64,
    error: Error,
}

impl Recording {
    /// Opens what is named: files, or folders of them.
    pub(crate) fn open(named: &[PathBuf]) -> Result<Recording> {
        let (mut files, mut unreadable) = (Vec::new(), Vec::new());
        let mut seen = HashSet::new();
        for path in named {
            let metadata = fs::metadata(path).map_err(|error| explain(error, path))?;
            let opened = if metadata.is_dir() {
                open_folder(path)?
            } else if metadata.is_file() {
                vec![(path.clone(), open_file(path)?)]
            } else {
                bail!(
                    "{} is not a regular file: write what comes from it to a file first",
                    shown(path)
                );
            };
            for (path, opened) in opened {
                if !seen.insert(fs::canonicalize(&path).unwrap_or_else(|_| path.clone())) {
                    continue;
                }
                match opened {
                    Ok(segment) => files.push(Opened { path, segment }),
                    Err((bytes, error)) => unreadable.push(Unreadable { path, bytes, error }),
                }
            }
        }
        if files.is_empty() {
            let broken = unreadable.pop().context("no file is named")?;
            return Err(cannot_read(broken.error, &broken.path));
        }
        one_recording(&files)?;
        files.sort_by_key(|file| file.segment.header().segment);
        numbered_once(&files)?;
        let shown: Vec<String> = named.iter().take(3).map(|path| shown(path)).collect();
        let more = if named.len() > shown.len() {
            ", …"
        } else {
            ""
        };
        Ok(Recording {
            files,
            unreadable,
            shown: shown.join(", ") + more,
        })
    }

    /// Reads all of it.
    fn load(self, tallies: Tallies) -> Result<Trace> {
        let mut builder = TraceBuilder::new(self.header().clone());
        let shown = self.shown.clone();
        let (segments, left_out) = self.into_segments();
        let integrity = reading::scan_ahead(segments, tallies, &mut builder)
            .with_context(|| format!("cannot read {shown}"))?;
        let integrity = left_out.added_to(integrity, builder.begin(), builder.now());
        Ok(builder.finish(integrity))
    }

    /// What was named, to be shown.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    /// The first file's header.
    pub(crate) fn header(&self) -> &Header {
        self.files[0].segment.header()
    }

    /// The files that are read.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        let unreadable = self.unreadable.iter().map(|file| file.path.as_path());
        self.files
            .iter()
            .map(|file| file.path.as_path())
            .chain(unreadable)
    }

    /// Where the files begin and end, and what the wall clock said.
    pub(crate) fn outline(self) -> Result<Outline> {
        let header = self.header();
        let mut outline = Outline {
            anchors: vec![Anchor {
                time: Time(0),
                wall_ns: header.start_wall_ns,
                utc_offset_s: header.utc_offset_s,
            }],
            begin: Time(0),
            end: Time(0),
            begun: false,
        };
        let shown = self.shown.clone();
        let (segments, _) = self.into_segments();
        scan(segments, &mut outline).with_context(|| format!("cannot read {shown}"))?;
        Ok(outline)
    }

    /// What the library reads, and what is wrong beside that.
    pub(crate) fn into_segments(self) -> (Vec<Segment<BufReader<Watched>>>, LeftOut) {
        let known = self
            .files
            .iter()
            .filter_map(|file| fs::metadata(&file.path).ok());
        progress::expect(&self.shown, known.map(|file| file.len()).sum());
        let segments = self.files.into_iter().map(|file| file.segment).collect();
        (segments, LeftOut(self.unreadable))
    }
}

/// A recording without its events.
pub(crate) struct Outline {
    pub(crate) begin: Time,
    pub(crate) end: Time,
    pub(crate) anchors: Vec<Anchor>,
    begun: bool,
}

impl Sink for Outline {
    fn event(&mut self, event: Event) {
        self.begun = true;
        self.reached(event.time);
    }
    fn checkpoint(&mut self, _: &[Carried], time: Time) {
        if !std::mem::replace(&mut self.begun, true) {
            self.begin = time;
        }
        self.reached(time);
    }
    fn define(&mut self, _: Definition) {}
    fn anchor(&mut self, anchor: Anchor) {
        let last = self.anchors.last();
        if last.is_none_or(|last| last.time <= anchor.time) {
            self.anchors.push(anchor);
        }
    }
    fn counter(&mut self, _: String, _: u64) {}
    fn reached(&mut self, time: Time) {
        self.end = self.end.max(time);
    }
    fn damaged(&mut self, _: &Damage) {}
}

/// Files that are left out, since they cannot be read.
pub(crate) struct LeftOut(Vec<Unreadable>);

impl LeftOut {
    /// Says of a recording that these files of it could not be read; of those that could, when
    /// they begin and end is known.
    pub(crate) fn added_to(self, mut integrity: Integrity, begin: Time, end: Time) -> Integrity {
        let first = integrity.segments.first().copied().unwrap_or(0);
        let last = integrity.segments.last().copied().unwrap_or(0);
        for file in self.0 {
            let problem = format!("{}: {}", shown(&file.path), file.error);
            // Its name is all that is known of it.
            let stem = file.path.file_stem().and_then(|stem| stem.to_str());
            let number = stem.and_then(|stem| stem.parse().ok());
            let number = number.filter(|number| !integrity.segments.contains(number));
            let number = number.unwrap_or(last.saturating_add(1));
            let mut known = integrity.damage.iter_mut();
            if let Some(missing) = known.find(|damage| damage.segment == number) {
                (missing.bytes, missing.problem) = (file.bytes, problem);
                continue;
            }
            let (after, before) = match number {
                number if number < first => (Time(0), Some(begin)),
                number if number > last => (end, None),
                _ => (Time(0), None),
            };
            integrity.damage.push(Damage {
                segment: number,
                offset: 0,
                bytes: file.bytes,
                after,
                before,
                problem,
            });
        }
        integrity
    }
}

/// A file, or its length and why its header cannot be read.
type Tried = Result<Segment<BufReader<Watched>>, (u64, Error)>;

fn open_file(path: &Path) -> Result<Tried> {
    let file = File::open(path).map_err(|error| explain(error, path))?;
    try_header(file, path)
}

/// Reads a file's header. It is opened again when its turn comes: there may be more files than a
/// process may have open.
fn try_header(file: File, path: &Path) -> Result<Tried> {
    let bytes = file.metadata().map_or(0, |metadata| metadata.len());
    match Segment::open(BufReader::new(Watched(file))) {
        Ok(segment) => {
            let path = path.to_owned();
            Ok(Ok(segment.closed(move || open_again(&path))))
        }
        // Of several files, the others may be read all the same.
        Err(error @ Error::Header { .. }) => Ok(Err((bytes, error))),
        Err(error) => Err(cannot_read(error, path)),
    }
}

fn open_again(path: &Path) -> io::Result<BufReader<Watched>> {
    let named = |error: io::Error| {
        let words = format!("{}: {error}", shown(path));
        io::Error::new(error.kind(), words)
    };
    let file = File::open(path).map_err(named)?;
    Ok(BufReader::new(Watched(file)))
}

/// Opens the traces in a folder.
fn open_folder(folder: &Path) -> Result<Vec<(PathBuf, Tried)>> {
    for last in (1..=LISTINGS).map(|listing| listing == LISTINGS) {
        let (mut opened, mut vanished) = (Vec::new(), false);
        for name in listed(folder)? {
            let path = folder.join(name);
            match open_if_trace(&path) {
                Ok(Some(file)) => opened.push((path.clone(), try_header(file, &path)?)),
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => vanished = true,
                Err(error) => return Err(explain(error, &path)),
            }
        }
        if vanished && !last {
            continue;
        }
        if opened.is_empty() {
            bail!(
                "no file in the folder {} is a trace: name what tidrec wrote",
                shown(folder)
            );
        }
        return Ok(opened);
    }
    Ok(Vec::new())
}

/// The names in a folder. The latest comes first: a recorder that begins a new file has finished
/// the one before it by the time that is opened.
fn listed(folder: &Path) -> Result<Vec<OsString>> {
    let entries = fs::read_dir(folder).map_err(|error| explain(error, folder))?;
    let names: io::Result<Vec<OsString>> = entries.map(|entry| Ok(entry?.file_name())).collect();
    let mut names = names.map_err(|error| explain(error, folder))?;
    names.sort_by(|a, b| b.cmp(a));
    Ok(names)
}

/// Opens a file if it is a regular one, and says itself that it is a trace.
fn open_if_trace(path: &Path) -> io::Result<Option<File>> {
    // To open anything else, such as a pipe, could wait for ever. A link may lead nowhere.
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_link(path) => return Ok(None),
        Err(error) => return Err(error),
        Ok(_) => return Ok(None),
    }
    let file = File::open(path)?;
    let mut start = Vec::new();
    (&file).take(16).read_to_end(&mut start)?;
    Ok(looks_like_trace(&start).then_some(file))
}

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

/// Refuses files of several recordings, and says which there are.
fn one_recording(files: &[Opened]) -> Result<()> {
    // Such a copy has its recording's id, and is whole by itself.
    let alone = |header: &Header| COPIES.map(|name| header.option(name).is_some());
    let mut recordings: BTreeMap<(u128, Option<&Path>), Vec<&Opened>> = BTreeMap::new();
    for file in files {
        let header = file.segment.header();
        let alone = alone(header).contains(&true).then_some(file.path.as_path());
        recordings
            .entry((header.trace_id, alone))
            .or_default()
            .push(file);
    }
    if recordings.len() < 2 {
        return Ok(());
    }
    let mut lines = format!(
        "these are files of {} recordings: name the files of one",
        recordings.len()
    );
    for ((id, alone), files) in &recordings {
        lines += &format!("\n  {}", recording_in_words(*id, alone.is_some(), files));
    }
    bail!(lines);
}

fn recording_in_words(id: u128, alone: bool, files: &[&Opened]) -> String {
    let header = files[0].segment.header();
    let anchor = Anchor {
        time: Time(0),
        wall_ns: header.start_wall_ns,
        utc_offset_s: header.utc_offset_s,
    };
    let start = Clock::new(&[anchor], false).date_time(Time(0));
    let mut segments: Vec<u32> = files
        .iter()
        .map(|file| file.segment.header().segment)
        .collect();
    segments.sort_unstable();
    let first = files
        .iter()
        .min_by_key(|file| file.segment.header().segment);
    let path = first.map_or(String::new(), |file| shown(&file.path));
    let what = match (alone, files.len()) {
        (true, _) => format!("a copy of a part, {path}"),
        (false, 1) => format!("1 file, {path}"),
        (false, several) => format!(
            "{} ({}), from {path} on",
            counted(several as u64, "file"),
            numbers(&segments, "number")
        ),
    };
    format!(
        "{}, on {}, begun {start}: {what}",
        &format!("{id:032x}")[..ID_DIGITS],
        text::escape(header.host.as_bytes()),
    )
}

/// Refuses two files of the same number: which of them is the recording's is not known.
fn numbered_once(files: &[Opened]) -> Result<()> {
    for pair in files.windows(2) {
        let [number, other] = [&pair[0], &pair[1]].map(|file| file.segment.header().segment);
        if number == other {
            bail!(
                "{} and {} are both file {number} of one recording: name one of them",
                shown(&pair[0].path),
                shown(&pair[1].path)
            );
        }
    }
    Ok(())
}

/// The frames that are a runtime's: our list, behind the user's if one is named.
pub(crate) fn rules(users: Option<&Path>) -> Result<Rules> {
    let Some(path) = users else {
        return Rules::new(None);
    };
    let list = fs::read(path)
        .map_err(|error| anyhow!("cannot read --runtime-frames {}: {error}", shown(path)))?;
    Rules::new(Some(&list)).with_context(|| format!("--runtime-frames {}", shown(path)))
}

/// A path that is safe to print.
pub(crate) fn shown(path: &Path) -> String {
    text::escape(path.to_string_lossy().as_bytes()).into_owned()
}

fn cannot_read(error: Error, path: &Path) -> anyhow::Error {
    let shown = shown(path);
    match error {
        error @ Error::NotATrace { .. } => {
            anyhow!("cannot read {shown}: {error}; name a file that tidrec wrote")
        }
        error @ Error::Empty => anyhow!("cannot read {shown}: {error}; record again"),
        error => anyhow::Error::from(error).context(format!("cannot read {shown}")),
    }
}

fn explain(error: io::Error, path: &Path) -> anyhow::Error {
    let mend = match error.kind() {
        io::ErrorKind::NotFound => {
            "; tidrec names its files tidline-NAME-PID-DATE-TIME.tid where it is not told otherwise"
        }
        io::ErrorKind::PermissionDenied => {
            "; it may belong to whoever recorded it: become its owner, or ask for a copy"
        }
        _ => "",
    };
    anyhow!("cannot open {}: {error}{mend}", shown(path))
}
