//! The thread that opens and reads files. A disk may be slow, and a network file system may hang: who
//! unwinds waits for an answer only a little while, once, and goes on without it. While the thread works,
//! or would if it had a processor, it is given longer: that comes to an end.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use tidline::model::{Name, Pid, Tid};

use super::elf::{Layout, NoUse};
use super::maps::{MappedFile, without_mark};
use super::tables::{NoTables, Tables};
use crate::{proc, thread};

/// The longest wait for one answer, and for all in one call.
const FOR_ONE: Duration = Duration::from_millis(50);
const FOR_ALL: Duration = Duration::from_millis(100);
/// The same while the thread works.
const AT_WORK: Duration = Duration::from_millis(500);
/// Whether it does is looked at so often.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// The most answers that are kept for those who asked; there are more only if they lost interest.
const MOST_KEPT: usize = 1000;
/// The most questions that may wait: with a file system that hangs, no more are asked.
const MOST_ASKED: u64 = 10_000;

/// A question, and its answer's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// What the loader is asked.
#[derive(Debug)]
pub(super) enum Question {
    /// A mapped file, and its tables if they take at most so many bytes. `via` is a TID of the process.
    Module {
        via: Tid,
        file: MappedFile,
        known: Option<Stamp>,
        limit: usize,
    },
    /// The tables of a file again.
    Tables { module: Opened, limit: usize },
    /// The kernel's own code, in the memory of a thread.
    Vdso { via: Tid, range: (u64, u64) },
    /// Where libc keeps a thread's start routine in its descriptor.
    Routine { module: Opened },
    /// The list of a JIT compiler.
    JitMap { via: Tid, pid: Pid },
    /// Nothing, until a slow disk is done.
    #[cfg(test)]
    Pause(Receiver<()>),
}

/// What it answers.
#[derive(Debug)]
pub(super) enum Answer {
    /// `Ok(None)`: it is the one that is known.
    Module(Result<Option<Loaded>, NoModule>),
    Tables(Result<Tables, NoTables>),
    Routine(Option<u64>),
    /// Its path as the process sees it.
    JitMap(Option<Name>),
}

/// A file of code.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) opened: Opened,
    pub(super) tables: Result<Tables, NoTables>,
}

/// A file of code, without its tables.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    /// `None` for the kernel's own code.
    pub(super) file: Option<Arc<File>>,
    pub(super) stamp: Stamp,
    pub(super) layout: Arc<Layout>,
}

/// Tells two contents of a file apart: its size and when it was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Stamp {
    size: u64,
    modified: (i64, i64),
}

/// Why there is no module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoModule {
    NoUse(NoUse),
    /// It cannot be opened, or it is not sure that it is the one.
    Closed,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Stamp {
        Stamp {
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// The thread, and what it has answered.
#[derive(Debug, Default)]
pub(super) struct Loader {
    thread: Option<Thread>,
    asked: u64,
    answered: u64,
    answers: BTreeMap<Ticket, Answer>,
    /// It did not answer in time, and has answered nothing since.
    is_stuck: bool,
}

#[derive(Debug)]
struct Thread {
    questions: Sender<(Ticket, Question)>,
    answers: Receiver<(Ticket, Answer)>,
    /// Its TID; 0 until it runs.
    tid: Arc<AtomicU32>,
}

impl Thread {
    /// Whether it works, or waits for a processor and for nothing else.
    fn is_at_work(&self) -> bool {
        match self.tid.load(Ordering::Relaxed) {
            0 => true,
            tid => proc::stat(Tid(tid)).is_some_and(|stat| stat.state == b'R'),
        }
    }
}

/// Since when one call has waited.
#[derive(Debug, Default)]
pub(super) struct Patience(Option<Instant>);

impl Loader {
    /// With its thread, if the machine has room for one.
    pub(super) fn start() -> Self {
        let (questions, its_questions) = channel();
        let (its_answers, answers) = channel();
        let tid = Arc::new(AtomicU32::new(0));
        let its_tid = Arc::clone(&tid);
        let serve = move || {
            let own = nix::unistd::gettid().as_raw().cast_unsigned();
            its_tid.store(own, Ordering::Relaxed);
            serve(&its_questions, &its_answers);
        };
        let thread = thread::start("tidrec-unwind", serve);
        Loader {
            thread: thread.ok().map(|_| Thread {
                questions,
                answers,
                tid,
            }),
            ..Loader::default()
        }
    }

    /// Asks. `None` if there is no thread, or too much is asked.
    pub(super) fn ask(&mut self, question: Question) -> Option<Ticket> {
        if self.asked - self.answered >= MOST_ASKED {
            return None;
        }
        let ticket = Ticket(self.asked);
        let thread = self.thread.as_ref()?;
        thread.questions.send((ticket, question)).ok()?;
        self.asked += 1;
        Some(ticket)
    }

    /// The answer, if it is there.
    pub(super) fn look(&mut self, ticket: Ticket) -> Option<Answer> {
        while let Some(thread) = &self.thread
            && let Ok(answer) = thread.answers.try_recv()
        {
            self.keep(answer);
        }
        self.answers.remove(&ticket)
    }

    /// The answer, if it comes soon.
    pub(super) fn wait(&mut self, ticket: Ticket, patience: &mut Patience) -> Option<Answer> {
        let found = self.look(ticket);
        if found.is_some() || self.is_stuck {
            return found;
        }
        let now = Instant::now();
        let first = *patience.0.get_or_insert(now);
        let until = (first + FOR_ALL).min(now + FOR_ONE);
        loop {
            let thread = self.thread.as_ref()?;
            let now = Instant::now();
            let left = match until.saturating_duration_since(now) {
                Duration::ZERO if now < first + AT_WORK && thread.is_at_work() => LOOK_EVERY,
                left => left,
            };
            match thread.answers.recv_timeout(left) {
                Ok((its, answer)) if its == ticket => {
                    self.arrived();
                    return Some(answer);
                }
                Ok(other) => self.keep(other),
                // It may have ended its work just now, or begun it.
                Err(RecvTimeoutError::Timeout) if !left.is_zero() => {}
                Err(RecvTimeoutError::Timeout) => {
                    self.is_stuck = true;
                    return None;
                }
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    fn arrived(&mut self) {
        self.answered += 1;
        self.is_stuck = false;
    }

    fn keep(&mut self, (ticket, answer): (Ticket, Answer)) {
        self.arrived();
        self.answers.insert(ticket, answer);
        if self.answers.len() > MOST_KEPT {
            self.answers.pop_first();
        }
    }
}

fn serve(questions: &Receiver<(Ticket, Question)>, answers: &Sender<(Ticket, Answer)>) {
    while let Ok((ticket, question)) = questions.recv() {
        if answers.send((ticket, answer(question))).is_err() {
            return;
        }
    }
}

fn answer(question: Question) -> Answer {
    match question {
        Question::Module {
            via,
            file,
            known,
            limit,
        } => Answer::Module(load(via, &file, known, limit)),
        Question::Tables { module, limit } => Answer::Tables(match &module.file {
            Some(file) => Tables::read(&(&**file, module.stamp.size), &module.layout, limit),
            None => Err(NoTables::Missing),
        }),
        Question::Vdso { via, range } => Answer::Module(vdso(via, range).map(Some)),
        Question::Routine { module } => Answer::Routine(routine(&module)),
        Question::JitMap { via, pid } => Answer::JitMap(jit_map(via, pid)),
        #[cfg(test)]
        Question::Pause(disk) => {
            let _ = disk.recv();
            Answer::JitMap(None)
        }
    }
}

fn load(
    via: Tid,
    mapped: &MappedFile,
    known: Option<Stamp>,
    limit: usize,
) -> Result<Option<Loaded>, NoModule> {
    let (file, stamp) = open(via, mapped).ok_or(NoModule::Closed)?;
    if known == Some(stamp) {
        return Ok(None);
    }
    let source = (&file, stamp.size);
    let layout = Layout::read(&source).map_err(NoModule::NoUse)?;
    let tables = Tables::read(&source, &layout, limit);
    Ok(Some(Loaded {
        opened: Opened {
            file: Some(Arc::new(file)),
            stamp,
            layout: Arc::new(layout),
        },
        tables,
    }))
}

/// The mapped file itself, which `map_files` leads to even if it is deleted or lives in another mount
/// namespace (for root: proc_pid_map_files(5)); else what is at its path, if that is the same.
fn open(via: Tid, mapped: &MappedFile) -> Option<(File, Stamp)> {
    let (start, end) = mapped.code;
    let link = PathBuf::from(format!("/proc/{via}/map_files/{start:x}-{end:x}"));
    // The process may have mapped something else there since, or be another one.
    let is_same =
        |target: PathBuf| without_mark(target.as_os_str().as_bytes()) == mapped.path.as_bytes();
    if fs::read_link(&link).is_ok_and(is_same)
        && let Some(opened) = open_file(&link, |_| true)
    {
        return Some(opened);
    }
    let path = |root: &[u8]| {
        let path = [root, mapped.path.as_bytes()].concat();
        PathBuf::from(std::ffi::OsStr::from_bytes(&path))
    };
    let inside = path(format!("/proc/{via}/root").as_bytes());
    open_file(&inside, |found| mapped.is(found, true))
        .or_else(|| open_file(&path(b""), |found| mapped.is(found, false)))
}

/// Opens a regular file: to open a device can do something.
fn open_file(path: &Path, is_it: impl Fn(&Metadata) -> bool) -> Option<(File, Stamp)> {
    let is_right = |found: &Metadata| found.is_file() && is_it(found);
    fs::metadata(path).ok().filter(is_right)?;
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)
        .ok()?;
    let metadata = file.metadata().ok().filter(is_right)?;
    Some((file, Stamp::of(&metadata)))
}

impl MappedFile {
    /// Whether a file that was found by its path is this one. Some file systems (overlayfs, btrfs) give
    /// other numbers in `maps` than in stat(2); `trusting` believes the path there.
    fn is(&self, found: &Metadata, trusting: bool) -> bool {
        let device = found.dev();
        let (major, minor) = (libc::major(device), libc::minor(device));
        let same_device = u64::from(major) << 32 | u64::from(minor) == self.key.device;
        let has_other_numbers = self.key.device >> 32 == 0 && !self.is_deleted;
        same_device && found.ino() == self.key.inode || trusting && has_other_numbers
    }
}

/// It is at most some pages (Linux 6.18: four).
const LONGEST_VDSO: u64 = 256 << 10;

fn vdso(via: Tid, (start, end): (u64, u64)) -> Result<Loaded, NoModule> {
    let read = || {
        let len = end.checked_sub(start).filter(|len| *len <= LONGEST_VDSO)?;
        let mut bytes = vec![0; len as usize];
        let memory = File::open(format!("/proc/{via}/mem")).ok()?;
        memory.read_exact_at(&mut bytes, start).ok()?;
        Some(bytes)
    };
    let bytes: Vec<u8> = read().ok_or(NoModule::Closed)?;
    let layout = Layout::read(&bytes[..]).map_err(NoModule::NoUse)?;
    let tables = Tables::read(&bytes[..], &layout, bytes.len() * 2);
    Ok(Loaded {
        opened: Opened {
            file: None,
            stamp: Stamp {
                size: bytes.len() as u64,
                ..Stamp::default()
            },
            layout: Arc::new(layout),
        },
        tables,
    })
}

/// glibc tells libthread_db by variables where the fields of its descriptor are (nptl_db/structs.def):
/// three words, of which the first is a field's size in bits, and the last its offset.
fn routine(module: &Opened) -> Option<u64> {
    let file = module.file.as_ref()?;
    let source = (&**file, module.stamp.size);
    let name = b"_thread_db_pthread_start_routine";
    let bytes: [u8; 12] = module.layout.variable(&source, name)?;
    let words = bytes.as_chunks::<4>().0;
    let word = |index: usize| u32::from_le_bytes(words[index]);
    (word(0) == 64).then(|| word(2).into())
}

fn jit_map(via: Tid, pid: Pid) -> Option<Name> {
    let inner = proc::status(Tid(pid.0)).and_then(|status| status.inner);
    let inside = format!("/tmp/perf-{}.map", inner.map_or(pid.0, |tid| tid.0));
    let path = format!("/proc/{via}/root{inside}");
    let is_file = fs::metadata(path).is_ok_and(|found| found.is_file());
    is_file.then(|| Name::from(&inside[..]))
}
