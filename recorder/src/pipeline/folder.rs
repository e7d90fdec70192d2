//! A recording in a folder: file after file, each of which opens alone, and the oldest given up.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use tidline::format::{Error, GIVEN_UP_EARLY, GOES_ON, Header, Writer};
use tidline::model::{Anchor, Carried, Definition, Time};

use super::output::{Output, looks_like_ours, shown, unwritable};
use super::place;
use crate::keep::{Compress, Limits};
use crate::say::say;

/// After a file could not be begun the next try waits so long, ns.
const TRY_AGAIN_NS: u64 = 1_000_000_000;
/// A file's name until the one before it is finished; and until then it is no trace, as it would say
/// that the one before was cut short.
const NEXT: &str = "next.tid.part";
/// What a write may add beside the records that it is for, bytes: headers, the count of a loss.
const BESIDE: u64 = 2 << 10;
/// A file takes whole blocks of the disk, bytes.
const BLOCK: u64 = 4 << 10;
/// What a living task takes in a checkpoint where nothing is known of others, bytes: most take less.
const TASK_BYTES: u64 = 48;

/// The folder, and what is in it.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    header: Header,
    limits: Limits,
    compress: Compress,
    /// The number of the file that is being written.
    number: u32,
    /// When that was begun.
    begun: Time,
    /// How long it was when its checkpoint was written, bytes, and of how many tasks that is.
    head: (u64, u64),
    /// That the limit cannot be kept was said.
    complained: bool,
    not_before: Time,
    shelf: Arc<Shelf>,
    /// Held as long as the recording goes on.
    _lock: Option<Flock<File>>,
}

/// The finished files, the oldest first. The one that is being written has them at hand, too, to
/// make room for itself on a full disk.
#[derive(Debug)]
pub(super) struct Shelf {
    /// The folder itself: its path may be another's by now.
    folder: File,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    kept: VecDeque<Kept>,
    /// Events in files that were given up.
    events_given_up: u64,
    /// Files that were given up because the disk was full.
    given_up_early: u64,
    /// Finished files that somebody else did something to, as far as that was noticed: what, and
    /// their numbers.
    touched: Vec<(&'static str, u32)>,
}

/// A finished file.
#[derive(Clone, Copy, Debug)]
struct Kept {
    number: u32,
    bytes: u64,
    events: u64,
    last: Time,
    /// Which file it is: another may have its name by now.
    identity: Option<Identity>,
}

/// Device and inode.
type Identity = (u64, u64);

impl Shelf {
    #[cfg(test)]
    pub(super) fn of(folder: &Path) -> Self {
        Shelf {
            folder: File::open(folder).expect("a folder"),
            books: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The path of a file in the folder, wherever that has been moved to.
    fn path_of(&self, name: &str) -> PathBuf {
        let folder = format!("/proc/self/fd/{}", self.folder.as_raw_fd());
        PathBuf::from(folder).join(name)
    }

    fn oldest(&self) -> Option<Kept> {
        self.lock().kept.front().copied()
    }

    fn bytes_on_disk(&self) -> u64 {
        let books = self.lock();
        books.kept.iter().map(|kept| on_disk(kept.bytes)).sum()
    }

    /// Gives up the oldest file; whether there was one.
    fn evict_one(&self) -> bool {
        let mut books = self.lock();
        let Some(oldest) = books.kept.pop_front() else {
            return false;
        };
        books.events_given_up += oldest.events;
        let path = self.path_of(&file_name(oldest.number));
        match touched(&path, &oldest) {
            Some(what) => books.touched.push((what, oldest.number)),
            None => drop(fs::remove_file(path)),
        }
        true
    }

    /// What somebody else did to finished files, in words.
    fn problem(&self) -> Option<String> {
        let books = self.lock();
        let now = books.kept.iter().filter_map(|kept| {
            let what = touched(&self.path_of(&file_name(kept.number)), kept)?;
            Some((what, kept.number))
        });
        let all: Vec<_> = books.touched.iter().copied().chain(now).collect();
        let (what, number) = all.first()?;
        let more = match all.len() - 1 {
            0 => String::new(),
            1 => ", and did something to 1 other file of it".into(),
            more => format!(", and did something to {more} other files of it"),
        };
        let name = file_name(*number);
        Some(format!(
            "somebody {what} {name} while it was recorded{more}"
        ))
    }

    /// The same, because the disk is full.
    pub(super) fn evict_early(&self) -> bool {
        let evicted = self.evict_one();
        self.lock().given_up_early += u64::from(evicted);
        evicted
    }
}

/// What somebody else did to a finished file.
fn touched(path: &Path, kept: &Kept) -> Option<&'static str> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Some("removed"),
        // Nobody can tell.
        Err(_) => return None,
    };
    let identity = (found.dev(), found.ino());
    if kept.identity.is_some_and(|its| its != identity) {
        Some("replaced")
    } else {
        (found.len() < kept.bytes).then_some("cut")
    }
}

/// A folder that can be written, and was not touched yet.
#[derive(Debug)]
pub(crate) struct ReadyFolder {
    path: PathBuf,
    folder: File,
    lock: Option<Flock<File>>,
    created: bool,
    /// Files of an earlier recording.
    old: Vec<PathBuf>,
}

impl ReadyFolder {
    /// Makes the folder, or finds it empty, or with a recording that may be overwritten.
    ///
    /// # Errors
    /// If it holds something that is to be kept, if another tidrec writes it, or if it cannot be
    /// written.
    pub(crate) fn open(path: &Path, force: bool) -> Result<Self> {
        let shown = shown(path);
        let mut old = Vec::new();
        let created = match fs::metadata(path) {
            Ok(found) if !found.is_dir() => bail!(
                "{shown} is no folder, and this recording is several files: choose another name \
                 with -o"
            ),
            Ok(_) => {
                old = files_of_ours(path).with_context(|| format!("cannot read {shown}"))?;
                if !old.is_empty() && !force {
                    bail!(
                        "{shown} holds a recording, which is kept: choose another name with -o, or \
                         overwrite it with --force"
                    );
                }
                false
            }
            Err(_) => {
                let mut builder = fs::DirBuilder::new();
                let made = builder.mode(0o700).create(path);
                made.map_err(|error| unwritable(path, error))?;
                true
            }
        };
        let folder = File::open(path).with_context(|| format!("cannot open {shown}"))?;
        let to_lock = folder
            .try_clone()
            .with_context(|| format!("cannot open {shown}"))?;
        let lock = match Flock::lock(to_lock, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Some(lock),
            Err((_, Errno::EWOULDBLOCK)) => bail!("{shown} is being written by another tidrec"),
            Err(_) => None, // A file system without locks.
        };
        Ok(ReadyFolder {
            path: path.into(),
            folder,
            lock,
            created,
            old,
        })
    }

    /// Looks whether the limits leave room for a recording.
    ///
    /// # Errors
    /// If the snapshots of earlier ones, which count, fill them.
    pub(crate) fn has_room(self, limits: Limits) -> Result<Self> {
        let Some(max) = limits.max_bytes else {
            return Ok(self);
        };
        let snapshots = place::earlier(&self.path);
        let bytes: u64 = snapshots.iter().map(|(_, bytes)| on_disk(*bytes)).sum();
        if max < bytes.saturating_add(2 * limits.segment_bytes) {
            let most = snapshots.iter().max_by_key(|(_, bytes)| *bytes);
            let such_as = most.map_or(String::new(), |(path, _)| shown(path));
            bail!(
                "snapshots of earlier recordings, such as {such_as}, have {bytes} bytes of a limit of \
                 {max}: move them elsewhere, or give a higher --max-disk (or --ring)"
            );
        }
        Ok(self)
    }

    /// Whether there is something in it that beginning would destroy.
    pub(crate) fn holds_something(&self) -> bool {
        !self.old.is_empty()
    }

    /// What to remove if nothing is recorded: the first file, and the folder if it was made.
    pub(crate) fn made(&self) -> Vec<PathBuf> {
        if self.holds_something() {
            return Vec::new();
        }
        let mut made = vec![self.path.join(file_name(0))];
        made.extend(self.created.then(|| self.path.clone()));
        made
    }

    /// Removes the earlier recording, and begins the first file of this one.
    ///
    /// # Errors
    /// If that is not possible.
    pub(crate) fn begin(
        self,
        header: Header,
        limits: Limits,
        compress: Compress,
    ) -> Result<(Folder, Writer<Output>)> {
        for path in &self.old {
            fs::remove_file(path).with_context(|| format!("cannot remove {}", shown(path)))?;
        }
        let shelf = Arc::new(Shelf {
            folder: self.folder,
            books: Mutex::default(),
        });
        let folder = Folder {
            path: self.path,
            header,
            limits,
            compress,
            number: 0,
            begun: Time(0),
            head: (0, 0),
            complained: false,
            not_before: Time(0),
            shelf,
            _lock: self.lock,
        };
        let path = folder.path.join(file_name(0));
        let writer = folder
            .start(&path, 0, false)
            .map_err(|error| unwritable(&path, error))?;
        Ok((folder, writer))
    }
}

impl Folder {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The files that have something of a time or later, the oldest first, and how long they are:
    /// of those the last ones that together have no more bytes than that.
    pub(super) fn files_since(
        &self,
        time: Time,
        writer: &Writer<Output>,
        room: u64,
    ) -> (Vec<PathBuf>, u64) {
        let books = self.shelf.lock();
        let later = books.kept.iter().rev().take_while(|kept| kept.last >= time);
        let last = std::iter::once((self.number, writer.offset()));
        let (mut files, mut total) = (Vec::new(), 0u64);
        for (number, bytes) in last.chain(later.map(|kept| (kept.number, kept.bytes))) {
            if total + bytes > room {
                break;
            }
            total += bytes;
            files.push(self.shelf.path_of(&file_name(number)));
        }
        files.reverse();
        (files, total)
    }

    /// Gives up the oldest files, so that `adding` more bytes are within the limits. `others` are bytes
    /// beside the files that count, too.
    pub(super) fn evict(
        &self,
        writer: &Writer<Output>,
        adding: u64,
        others: u64,
        needed: Option<Time>,
        now: Time,
    ) {
        let room = self.limits.max_bytes.unwrap_or(u64::MAX);
        while let Some(oldest) = self.shelf.oldest() {
            let written = on_disk(writer.offset() + adding);
            let full = self.shelf.bytes_on_disk() + written + others > room;
            let old = self
                .limits
                .keep_ns
                .is_some_and(|keep| oldest.last.0.saturating_add(keep) < now.0);
            let needed = needed.is_some_and(|since| oldest.last >= since);
            if !full && (!old || needed) {
                return;
            }
            self.shelf.evict_one();
        }
    }

    /// What writing a batch adds at most, bytes.
    pub(super) fn batch(writer: &Writer<Output>) -> u64 {
        writer.pending_bytes() as u64 + BESIDE
    }

    /// Whether what waits is to be written now.
    pub(super) fn is_batch_full(&self, writer: &Writer<Output>) -> bool {
        writer.pending_bytes() >= self.limits.batch_bytes
    }

    /// Events in files that were given up.
    pub(super) fn events_given_up(&self) -> u64 {
        self.shelf.lock().events_given_up
    }

    /// Files that were given up because the disk was full.
    pub(super) fn given_up_early(&self) -> u64 {
        self.shelf.lock().given_up_early
    }

    /// What somebody else did to finished files, as far as that was noticed, in words.
    pub(super) fn problem(&self) -> Option<String> {
        self.shelf.problem()
    }

    /// Whether any was noticed when it was given up.
    pub(super) fn was_touched(&self) -> bool {
        !self.shelf.lock().touched.is_empty()
    }

    /// What the files' end marks tell of those that are gone.
    pub(super) fn counters(&self) -> Vec<(&'static str, u64)> {
        let early = self.given_up_early();
        let counter = (early > 0).then_some((GIVEN_UP_EARLY, early));
        counter.into_iter().collect()
    }

    /// The number of the file that is being written.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// How many bytes all files may have.
    pub(super) fn max_bytes(&self) -> Option<u64> {
        self.limits.max_bytes
    }

    /// Whether it is time for the next file, which will begin with so many tasks. `others` are bytes
    /// beside the files that count, too.
    pub(super) fn is_due(
        &mut self,
        writer: &Writer<Output>,
        now: Time,
        live: u64,
        others: u64,
    ) -> bool {
        if writer.events() == 0 || writer.is_behind() || now < self.not_before {
            return false;
        }
        let old = now.0.saturating_sub(self.begun.0) >= self.limits.segment_ns;
        old || writer.offset() >= self.fill(live, others)
    }

    /// How long a file grows, bytes: at least so long that it is half events, however many tasks live;
    /// and so long at most that there is room for the next one's beginning beside it.
    fn fill(&mut self, live: u64, others: u64) -> u64 {
        let (head, tasks) = self.head;
        let fill = self.limits.segment_bytes.max(2 * head);
        let Some(max) = self.limits.max_bytes else {
            return fill;
        };
        let next = match tasks {
            0 => live * TASK_BYTES,
            tasks => head * live.max(1) / tasks * 5 / 4,
        };
        // It is seen to be full one batch later.
        let batch = self.limits.batch_bytes as u64;
        let room = max.saturating_sub(others + next + batch + 2 * BLOCK);
        if room >= head + batch {
            return fill.min(room);
        }
        if !std::mem::replace(&mut self.complained, true) {
            let beside = if others > 0 {
                " (and the snapshots beside it)"
            } else {
                ""
            };
            say(format_args!(
                "{}: {live} tasks live, and each file begins with all of them: a limit of {max} bytes has no \
                 room for two such files{beside}, and is not kept; give a --max-disk (or --ring) of {} or more",
                shown(&self.path),
                others + 4 * (next + self.limits.segment_bytes),
            ));
        }
        fill
    }

    /// Begins the next file, and finishes the one before: the other way round a full disk would
    /// leave nothing to go on with. How many events could not be written, of the one before.
    ///
    /// # Errors
    /// If the next file cannot be begun; the recording goes on in the one before.
    pub(super) fn rotate(
        &mut self,
        writer: &mut Writer<Output>,
        head: (&[Definition], &[Carried]),
        anchor: Anchor,
        others: u64,
    ) -> Result<u64, Error> {
        let (now, number) = (anchor.time, self.number + 1);
        let part = self.shelf.path_of(NEXT);
        let path = self.shelf.path_of(&file_name(number));
        if path.symlink_metadata().is_ok() {
            self.not_before = Time(now.0.saturating_add(TRY_AGAIN_NS));
            return Err(Error::Io {
                doing: "beginning the next file",
                offset: 0,
                source: io::ErrorKind::AlreadyExists.into(),
            });
        }
        // One that an earlier try left.
        let _ = fs::remove_file(&part);
        let bytes = self.head_bytes(number, head, anchor)?;
        // Both are there for a moment, and the one before gets its end mark.
        let adding = on_disk(bytes) + BESIDE;
        self.evict(writer, adding, others, None, now);
        let next = self.start(&part, number, true).and_then(|mut next| {
            begin(&mut next, head, anchor)?;
            Ok(next)
        });
        let next = match next {
            Ok(next) => next,
            Err(error) => {
                let _ = fs::remove_file(&part);
                self.not_before = Time(now.0.saturating_add(TRY_AGAIN_NS));
                return Err(error);
            }
        };
        let before = std::mem::replace(writer, next);
        let (lost, offset, events) = (before.lost(), before.offset(), before.events());
        // Its events are written. Should its end mark not be, a reader says so.
        let mut kept = Kept {
            number: self.number,
            bytes: offset,
            events,
            last: now,
            identity: None,
        };
        if let Ok(output) = before.finish(now, GOES_ON, &self.counters()) {
            if let Ok(found) = output.metadata() {
                kept.bytes = found.len();
                kept.identity = Some((found.dev(), found.ino()));
            }
            self.sync_aside(output);
        }
        self.shelf.lock().kept.push_back(kept);
        let revealed = writer.get_mut().reveal();
        let renamed = revealed.and(fs::rename(&part, &path));
        writer.get_mut().set_path(self.path.join(file_name(number)));
        (self.number, self.begun) = (number, now);
        self.head = (bytes, head.1.len() as u64);
        match renamed {
            Ok(()) => Ok(lost),
            Err(source) => Err(Error::Io {
                doing: "naming the next file",
                offset: 0,
                source,
            }),
        }
    }

    /// Brings a finished file to the disk, in a thread of its own: a slow disk may take longer than
    /// the queue has room for.
    fn sync_aside(&self, output: Output) {
        let folder = self.shelf.folder.try_clone();
        let sync = move || {
            let _ = output.sync();
            let _ = folder.and_then(|folder| folder.sync_all());
        };
        // Without a thread the kernel does it in its own time.
        let _ = std::thread::Builder::new()
            .name("tidrec-sync".into())
            .spawn(sync);
    }

    fn start(&self, path: &Path, number: u32, hidden: bool) -> Result<Writer<Output>, Error> {
        let output = Output::create(path, Arc::clone(&self.shelf), hidden);
        let output = output.map_err(|source| Error::Io {
            doing: "beginning the next file",
            offset: 0,
            source,
        })?;
        self.start_on(output, number)
    }

    fn start_on<W: io::Write>(&self, output: W, number: u32) -> Result<Writer<W>, Error> {
        let mut header = Header {
            segment: number,
            ..self.header.clone()
        };
        let early = self.counters().into_iter();
        header
            .options
            .extend(early.map(|(name, files)| (name.into(), files.to_string())));
        let mut writer = Writer::start(output, &header)?;
        writer.pack(self.compress == Compress::Lz4);
        Ok(writer)
    }

    /// How long a file is that has only its checkpoint yet, bytes.
    fn head_bytes(
        &self,
        number: u32,
        head: (&[Definition], &[Carried]),
        anchor: Anchor,
    ) -> Result<u64, Error> {
        let mut writer = self.start_on(io::sink(), number)?;
        begin(&mut writer, head, anchor)?;
        Ok(writer.offset())
    }
}

/// Writes what a file begins with: what its checkpoint needs, and that.
fn begin<W: io::Write>(
    writer: &mut Writer<W>,
    (definitions, carried): (&[Definition], &[Carried]),
    anchor: Anchor,
) -> Result<(), Error> {
    for definition in definitions {
        writer.define(definition)?;
    }
    writer.checkpoint(carried, anchor)
}

/// What a file of so many bytes takes of the disk.
pub(super) fn on_disk(bytes: u64) -> u64 {
    bytes.next_multiple_of(BLOCK)
}

fn file_name(number: u32) -> String {
    format!("{number:06}.tid")
}

/// The files of a recording in a folder.
///
/// # Errors
/// If there is something else in it, or it cannot be read.
fn files_of_ours(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !has_name_of_ours(&path) {
            bail!(
                "{} is in it: a recording of several files needs a folder of its own",
                shown(&path)
            );
        }
        if !begins_as_trace(&path)? {
            bail!(
                "{} is in it, and no trace: it is not for tidrec to remove",
                shown(&path)
            );
        }
        files.push(path);
    }
    Ok(files)
}

fn has_name_of_ours(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| {
        let number = name.strip_suffix(".tid");
        let plain = |number: &str| number.len() >= 6 && number.bytes().all(|b| b.is_ascii_digit());
        name == NEXT || number.is_some_and(plain)
    })
}

/// Whether a file is a trace, by its first bytes, or one that its recorder did not get to begin.
fn begins_as_trace(path: &Path) -> io::Result<bool> {
    // To open anything else, such as a pipe, could wait for ever.
    let found = fs::symlink_metadata(path)?;
    if !found.is_file() || found.len() == 0 {
        return Ok(found.is_file());
    }
    let mut start = Vec::new();
    File::open(path)?.take(16).read_to_end(&mut start)?;
    Ok(looks_like_ours(&start))
}
