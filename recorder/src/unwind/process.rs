//! What is known of a process: where its code is, as of when, and which program it runs.
//!
//! Events are handled some time after they happened, and by then the process may have ended or execute
//! another program. So a table is used only if the process still runs the program that the events
//! say it ran, and if the table has the code that the thread stood in.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tidline::model::{ModuleId, Name, Pid, Tid, Time};

use super::loader::Ticket;
use super::maps::{FileKey, Table, without_mark};
use crate::proc;

/// A table this old is read again before a stack is told by it.
const STALE: u64 = 1_000_000_000;
/// For an address that is in none of its places it is read again, but only so often.
const PAUSE: u64 = 10_000_000;
/// A process with ten thousands of mappings: reading takes at most this part of the time.
const SHARE: u64 = 50;

/// A process.
#[derive(Debug, Default)]
pub(super) struct Process {
    table: Option<Arc<Table>>,
    /// What became of each file of the table.
    files: Vec<File>,
    pub(super) vdso: File,
    pub(super) jit: Jit,
    /// A thread by which its files are reached: the main thread may have ended.
    via: Tid,
    read: Option<Time>,
    tried: Option<Time>,
    /// How long the last reading took, nanoseconds.
    took: u64,
    /// What was given last, hashed; `None` if something else came after it.
    given: Option<u64>,
    /// The program, as far as it is known.
    exe: Option<Name>,
    /// Its file: a program that was renamed is the same.
    exe_key: Option<FileKey>,
    /// Threads that live, as far as events say.
    pub(super) threads: usize,
    /// A stack of it was cut by what was captured.
    pub(super) wants_more: bool,
}

/// What became of a mapped file.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum File {
    /// No code of it was met.
    #[default]
    Unmet,
    /// The loader was asked.
    Asked(Ticket),
    /// A module, and its number in the recording once it has one.
    Module(u32, Option<ModuleId>),
    /// It is none.
    NoElf,
    /// It is for another architecture.
    Foreign,
    /// It cannot be opened.
    Closed,
}

/// What is known of a JIT compiler's list.
#[derive(Clone, Debug, Default)]
pub(super) enum Jit {
    #[default]
    Unmet,
    Asked(Ticket),
    /// There was none then.
    None(Time),
    /// Its path as the process sees it.
    List(Name),
}

/// What was read of a process.
struct Snapshot {
    via: Tid,
    exe: Name,
    text: Vec<u8>,
}

impl Process {
    /// A new process: it begins as a copy of the one that made it.
    pub(super) fn child(&self) -> Process {
        let forget = |file: &File| match file {
            File::Asked(_) => File::Unmet, // The answer is for one of them.
            known => *known,
        };
        Process {
            table: self.table.clone(),
            files: self.files.iter().map(forget).collect(),
            vdso: forget(&self.vdso),
            jit: Jit::Unmet,
            via: self.via,
            exe: self.exe.clone(),
            exe_key: self.exe_key,
            threads: 1,
            wants_more: self.wants_more,
            ..Process::default()
        }
    }

    /// A process after an exec; the path may be empty if it is not known.
    pub(super) fn after_exec(exe: &Name) -> Process {
        Process {
            exe: (!exe.is_empty()).then(|| Name::from(without_mark(exe.as_bytes()))),
            threads: 1,
            ..Process::default()
        }
    }

    pub(super) fn table(&self) -> Option<&Arc<Table>> {
        self.table.as_ref()
    }

    pub(super) fn via(&self) -> Tid {
        self.via
    }

    pub(super) fn file(&self, index: usize) -> File {
        self.files.get(index).copied().unwrap_or(File::Closed)
    }

    pub(super) fn set_file(&mut self, index: usize, file: File) {
        if let Some(place) = self.files.get_mut(index) {
            *place = file;
        }
    }

    /// Takes what was read of the process while a thread of it stood.
    pub(super) fn given(&mut self, now: Time, tid: Tid, text: &[u8]) {
        (self.read, self.tried) = (Some(now), Some(now));
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        if self.given.replace(hasher.finish()) == Some(hasher.finish()) {
            return;
        }
        let table = Table::parse(text);
        let exe = self.exe.as_ref();
        let file = table.files().iter().find(|file| Some(&file.path) == exe);
        self.exe_key = file.map(|file| file.key);
        self.via = tid;
        if self.table.as_deref() != Some(&table) {
            self.replace(table);
        }
    }

    fn may_try(&self, now: Time) -> bool {
        let pause = PAUSE.max(self.took.saturating_mul(SHARE));
        self.tried
            .is_none_or(|tried| now.0.saturating_sub(tried.0) >= pause)
    }

    /// Makes the table fit for a stack that begins at `ip`.
    pub(super) fn freshen(&mut self, now: Time, pid: Pid, ip: u64) {
        let knows = self.knows(ip);
        let is_fresh = self
            .read
            .is_some_and(|read| now.0.saturating_sub(read.0) < STALE);
        if !(knows && is_fresh) && self.may_try(now) {
            self.read(now, pid, ip);
        }
    }

    /// Reads the table again, because an address is nowhere; whether there is another now.
    pub(super) fn refresh(&mut self, now: Time, pid: Pid, ip: u64) -> bool {
        if !self.may_try(now) {
            return false;
        }
        let before = self.table.clone();
        self.read(now, pid, ip);
        match (&before, &self.table) {
            (Some(before), Some(table)) => !Arc::ptr_eq(before, table),
            (before, table) => before.is_some() != table.is_some(),
        }
    }

    /// Whether an address is in executable memory.
    pub(super) fn knows(&self, address: u64) -> bool {
        let table = self.table.as_ref();
        table.is_some_and(|table| table.region(address).is_some())
    }

    fn read(&mut self, now: Time, pid: Pid, ip: u64) {
        let since = Instant::now();
        self.tried = Some(now);
        if let Some(snapshot) = Snapshot::take(pid) {
            self.take(now, &snapshot, ip);
        }
        self.took = nanos(since.elapsed());
    }

    /// Takes a table, if it is of the program that the process ran then.
    fn take(&mut self, now: Time, snapshot: &Snapshot, ip: u64) {
        let table = Table::parse(&snapshot.text);
        let exe = Name::from(without_mark(snapshot.exe.as_bytes()));
        let key = table
            .files()
            .iter()
            .find(|file| file.path == exe)
            .map(|file| file.key);
        let is_same = match &self.exe {
            None => true,
            Some(known) => *known == exe || key.is_some() && key == self.exe_key,
        };
        if !is_same || table.region(ip).is_none() {
            return;
        }
        self.given = None;
        self.exe = Some(exe);
        self.exe_key = key;
        self.via = snapshot.via;
        self.read = Some(now);
        if self.table.as_deref() != Some(&table) {
            self.replace(table);
        }
    }

    /// Puts a table in the other's place. What is known of files that are in both stays known.
    fn replace(&mut self, table: Table) {
        let old = self.table.take();
        let before = |index: usize| {
            let file = &table.files()[index];
            let old = old.as_ref()?.files().iter();
            old.zip(&self.files)
                .find(|(old, _)| {
                    old.key == file.key && old.extent == file.extent && old.path == file.path
                })
                .map(|(_, file)| *file)
        };
        self.files = (0..table.files().len())
            .map(|index| match before(index) {
                Some(File::Closed) | None => File::Unmet,
                Some(known) => known,
            })
            .collect();
        if !self
            .files
            .iter()
            .any(|file| matches!(file, File::Module(..)))
        {
            self.vdso = File::Unmet;
        }
        self.table = Some(Arc::new(table));
    }
}

impl Snapshot {
    fn take(pid: Pid) -> Option<Snapshot> {
        let main = Tid(pid.0);
        Snapshot::take_by(main).or_else(|| {
            // A main thread that has ended has no memory any more, though others run on.
            let others = proc::threads(pid).filter(|tid| *tid != main);
            others.take(MOST_TRIED).find_map(Snapshot::take_by)
        })
    }

    fn take_by(tid: Tid) -> Option<Snapshot> {
        let exe = exe(tid)?;
        let text = fs::read(format!("/proc/{tid}/maps")).ok()?;
        // With the same program before and behind, no other's memory was read in between.
        let is_whole = !text.is_empty() && self::exe(tid).as_ref() == Some(&exe);
        is_whole.then_some(Snapshot {
            via: tid,
            exe,
            text,
        })
    }
}

/// One that lives is found among the first, but for those that end just now.
const MOST_TRIED: usize = 16;

fn exe(tid: Tid) -> Option<Name> {
    let path = fs::read_link(format!("/proc/{tid}/exe")).ok()?;
    Some(Name::from(path.as_os_str().as_bytes()))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
