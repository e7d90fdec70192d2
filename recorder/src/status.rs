//! How the recording goes, while it goes: a line on the terminal, rewritten once a second, and a word
//! to the service manager now and then. By a thread of its own, which reads counters and no more.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use tidline::model::Time;

use crate::notify::Notify;
use crate::pipeline::progress::{Counts, Progress};
use crate::say;
use crate::source::ptrace::sys;
use crate::thread;

/// Between two lines.
const EVERY: Duration = Duration::from_secs(1);
/// The service manager is told so much more rarely.
const TELL_EVERY: u32 = 10;
/// Of a terminal that does not know its own width.
const WIDTH: usize = 80;

/// The thread. Dropped, it says no more; the next word of tidrec takes its line away.
pub(crate) struct Status {
    wake: Sender<()>,
    over: Arc<AtomicBool>,
}

impl Status {
    /// Starts it, if there is anybody to tell. It waits for [`Status::begin`].
    pub(crate) fn start(
        on_terminal: bool,
        notify: &Arc<Notify>,
        progress: &Arc<Progress>,
    ) -> Option<Self> {
        let on_terminal = on_terminal && can_rewrite();
        if !on_terminal && !notify.is_wanted() {
            return None;
        }
        let (wake, woken) = mpsc::channel();
        let over = Arc::new(AtomicBool::new(false));
        let teller = Teller {
            woken,
            over: Arc::clone(&over),
            on_terminal,
            notify: Arc::clone(notify),
            progress: Arc::clone(progress),
        };
        // No room for a thread is no reason not to record.
        thread::start("tidrec-status", move || teller.run()).ok()?;
        Some(Status { wake, over })
    }

    /// The recording begins.
    pub(crate) fn begin(&self) {
        let _ = self.wake.send(());
    }
}

impl Drop for Status {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

/// Whether stderr is a terminal on which a line can be rewritten.
fn can_rewrite() -> bool {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    io::stderr().is_terminal() && !is_dumb
}

/// Whether the terminal is ours to write to: a job in the background leaves it to the foreground.
fn in_foreground() -> bool {
    // Where it is not our controlling terminal nobody can tell.
    nix::unistd::tcgetpgrp(io::stderr()).is_ok_and(|group| group == nix::unistd::getpgrp())
        || nix::unistd::tcgetpgrp(io::stderr()).is_err()
}

struct Teller {
    woken: Receiver<()>,
    over: Arc<AtomicBool>,
    on_terminal: bool,
    notify: Arc<Notify>,
    progress: Arc<Progress>,
}

impl Teller {
    fn run(self) {
        if self.woken.recv().is_err() {
            return;
        }
        let start = Instant::now();
        let mut before = (start, Counts::default());
        let every = if self.on_terminal {
            EVERY
        } else {
            EVERY * TELL_EVERY
        };
        for tick in 1u32.. {
            if self.woken.recv_timeout(every) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let (now, counts) = (Instant::now(), self.progress.read());
            let rate = rate(counts, before.1, now - before.0);
            before = (now, counts);
            let words = words(now - start, counts, rate);
            if self.on_terminal {
                say::show(|| self.line(&words));
            }
            if !self.on_terminal || tick.is_multiple_of(TELL_EVERY) {
                self.notify.send(&format!("STATUS={words}"));
            }
        }
    }

    fn line(&self, words: &str) -> Option<String> {
        if self.over.load(Ordering::SeqCst) || !in_foreground() {
            return None;
        }
        let width = sys::terminal_width().unwrap_or(WIDTH);
        Some(fit(&format!("tidrec: {words}"), width))
    }
}

/// Creations a second.
fn rate(now: Counts, before: Counts, time: Duration) -> u64 {
    let created = |counts: Counts| counts.threads + counts.processes;
    let new = created(now).saturating_sub(created(before));
    (new as f64 / time.as_secs_f64().max(0.001)).round() as u64
}

fn words(time: Duration, counts: Counts, rate: u64) -> String {
    let Counts {
        live, lost, bytes, ..
    } = counts;
    let created = counts.threads + counts.processes;
    let (time, size) = (elapsed(time.as_secs()), size(bytes));
    format!("{time}, {live} live, {created} created ({rate}/s), {lost} lost, {size}")
}

/// How the recording goes, for `tidrec ctl PID status`: a line for each fact.
pub(crate) fn in_words(path: &str, since: Time, counts: Counts) -> String {
    let Counts {
        events,
        live,
        threads,
        processes,
        exits,
        lost,
        gaps,
        bytes,
    } = counts;
    format!(
        "output     {path}\nelapsed    {}\nlive       {live}\ncreated    {threads} threads, \
         {processes} processes\nended      {exits}\nevents     {events}\nlost       {lost}\n\
         gaps       {gaps}\nwritten    {}\n",
        elapsed(since.0 / 1_000_000_000),
        size(bytes),
    )
}

fn elapsed(seconds: u64) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

fn size(bytes: u64) -> String {
    let tenths = |unit: u64| format!("{}.{}", bytes / unit, bytes % unit * 10 / unit);
    match bytes {
        0..10_000 => format!("{bytes} B"),
        10_000..1_000_000 => format!("{} kB", bytes / 1_000),
        1_000_000..1_000_000_000 => format!("{} MB", tenths(1_000_000)),
        _ => format!("{} GB", tenths(1_000_000_000)),
    }
}

/// Cuts a line (of plain characters) so that the cursor behind it stays on it.
fn fit(line: &str, width: usize) -> String {
    line.chars().take(width.saturating_sub(1)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words() {
        let counts = Counts {
            live: 34,
            threads: 1200,
            processes: 34,
            lost: 2,
            bytes: 1_234_567,
            ..Counts::default()
        };
        let line = words(Duration::from_secs(3_905), counts, 56);
        assert_eq!(
            line,
            "1:05:05, 34 live, 1234 created (56/s), 2 lost, 1.2 MB"
        );
        let line = words(Duration::from_secs(65), Counts::default(), 0);
        assert_eq!(line, "1:05, 0 live, 0 created (0/s), 0 lost, 0 B");
    }

    #[test]
    fn sizes() {
        let shown = [9_999, 10_000, 999_999, 1_000_000, 1_950_000_000].map(size);
        assert_eq!(shown, ["9999 B", "10 kB", "999 kB", "1.0 MB", "1.9 GB"]);
    }

    #[test]
    fn a_rate_is_of_the_time_that_passed() {
        let counts = |threads| Counts {
            threads,
            ..Counts::default()
        };
        assert_eq!(rate(counts(30), counts(10), Duration::from_secs(2)), 10);
        assert_eq!(rate(counts(5), counts(10), Duration::from_secs(1)), 0);
        assert_eq!(rate(counts(5), counts(0), Duration::ZERO), 5_000);
    }

    #[test]
    fn a_line_is_narrower_than_its_terminal() {
        assert_eq!(fit("tidrec: 0:01", 80), "tidrec: 0:01");
        assert_eq!(fit("tidrec: 0:01", 7), "tidrec");
        assert_eq!(fit("tidrec", 0), "");
    }
}
