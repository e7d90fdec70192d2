//! How far the reading is, for whoever waits at a terminal: a line on stderr, after a second, that is
//! gone without a trace before anything else is said.
//!
//! What is read is counted where it is read, whoever reads; a thread looks at the counts now and then.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Seek, SeekFrom, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::words::shorten;

/// What is over sooner needs no line.
const PATIENCE: Duration = Duration::from_secs(1);
const REFRESH: Duration = Duration::from_millis(100);
/// Columns of the bar.
const BAR: usize = 24;
/// Back to the line's start, and all of it away.
const CLEAR: &str = "\r\x1b[K";

/// Bytes of the current files that were read, and that there are.
static READ: AtomicU64 = AtomicU64::new(0);
static ALL: AtomicU64 = AtomicU64::new(0);
static STATE: Mutex<State> = Mutex::new(State {
    name: String::new(),
    ended: false,
    thread: None,
});
static ENDS: Condvar = Condvar::new();

struct State {
    /// What is being read.
    name: String,
    ended: bool,
    /// Who draws.
    thread: Option<JoinHandle<()>>,
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Begins to watch, if stderr is a terminal that can take a line away again.
pub(crate) fn start() {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    if !dumb && io::stderr().is_terminal() {
        state().thread = thread::Builder::new().spawn(draw).ok();
    }
}

/// Takes the line away, for good.
pub(crate) fn end() {
    let thread = {
        let mut state = state();
        state.ended = true;
        state.thread.take()
    };
    if let Some(thread) = thread {
        ENDS.notify_all();
        // It has nothing to say.
        let _ = thread.join();
    }
}

/// Files of this name and of so many bytes are read next, or beside those that are being read.
pub(crate) fn expect(name: &str, bytes: u64) {
    if READ.load(Ordering::Relaxed) >= ALL.load(Ordering::Relaxed) {
        READ.store(0, Ordering::Relaxed);
        ALL.store(0, Ordering::Relaxed);
    }
    ALL.fetch_add(bytes, Ordering::Relaxed);
    state().name = name.into();
}

/// Draws until it is over.
fn draw() {
    let (begun, mut drawn) = (Instant::now(), false);
    let mut state = state();
    while !state.ended {
        let wait = PATIENCE.saturating_sub(begun.elapsed()).max(REFRESH);
        let waited = ENDS.wait_timeout(state, wait);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let all = ALL.load(Ordering::Relaxed);
        if state.ended || all == 0 || begun.elapsed() < PATIENCE {
            continue;
        }
        let columns = terminal_size::terminal_size_of(io::stderr());
        let columns = columns.map_or(80, |(width, _)| usize::from(width.0));
        let line = line(&state.name, READ.load(Ordering::Relaxed), all, columns);
        drawn = true;
        // Whoever cannot be told misses nothing.
        let _ = write!(io::stderr(), "{CLEAR}{line}");
    }
    if drawn {
        let _ = write!(io::stderr(), "{CLEAR}");
    }
}

/// What is said of so many bytes of so many, in less than so many columns: a full line would wrap.
fn line(name: &str, read: u64, all: u64, columns: usize) -> String {
    let share = u128::from(read.min(all)) * 100 / u128::from(all.max(1));
    let words = match read >= all {
        true => "read, working it out".into(),
        false => {
            let full = share as usize * BAR / 100;
            format!(
                "{share:3} % [{}{}]",
                "#".repeat(full),
                ".".repeat(BAR - full)
            )
        }
    };
    let room = columns.saturating_sub(words.len() + 2);
    let name = shorten(name, room);
    let line = format!("{name} {words}");
    // On a tiny terminal the name gives way first.
    let line = if room < 4 { words } else { line };
    line.chars().take(columns.saturating_sub(1)).collect()
}

/// A file whose reading is counted.
#[derive(Debug)]
pub(crate) struct Watched(pub(crate) File);

impl Read for Watched {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(into)?;
        READ.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl Seek for Watched {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.0.seek(to)
    }
}

/// Takes the line away before the first output, unless that goes into a file: then it disturbs nobody.
pub(crate) struct Output<W> {
    out: W,
    /// Whether nothing is there that the first output must not meet.
    clear: bool,
}

impl<W: Write> Output<W> {
    pub(crate) fn new(out: W) -> Self {
        let clear = into_file();
        Output { out, clear }
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !std::mem::replace(&mut self.clear, true) {
            end();
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Whether stdout is a file: neither a terminal, nor a pipe to a program that may use one.
fn into_file() -> bool {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        let file = io::stdout().as_fd().try_clone_to_owned().map(File::from);
        file.and_then(|file| file.metadata())
            .is_ok_and(|metadata| metadata.is_file())
    }
    #[cfg(not(unix))]
    false
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::*;

    #[test]
    fn the_line_says_what_how_much_and_fits() {
        let of = |read, columns| line("server.tid", read, 1_000, columns);
        assert_eq!(of(0, 80), "server.tid   0 % [........................]");
        assert_eq!(of(430, 80), "server.tid  43 % [##########..............]");
        assert_eq!(of(999, 80), "server.tid  99 % [#######################.]");
        assert_eq!(of(1_000, 80), "server.tid read, working it out");
        assert_eq!(of(2_000, 24), "read, working it out");
        assert_eq!(line("a", 0, 0, 80), "a read, working it out");
        let long = "スレッド".repeat(40);
        for columns in 0..100 {
            for read in [0, 500, 1_000] {
                let width = line(&long, read, 1_000, columns).width();
                assert!(width < columns.max(1), "{columns}: {width}");
            }
        }
    }
}
