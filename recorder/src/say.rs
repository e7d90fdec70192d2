//! tidrec's words, on stderr only: stdout is the target's.

use std::fmt::Arguments;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

/// Whether a line that is to be rewritten stands on the terminal.
static SHOWN: Mutex<bool> = Mutex::new(false);

/// To the line's start, and what stands there goes.
const CLEAR: &str = "\r\x1b[K";

/// Says one line. A terminal that was closed, or a pipe that nobody reads, must not end the
/// recording: what cannot be said is not.
pub(crate) fn say(words: Arguments<'_>) {
    let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let clear = if std::mem::take(&mut *shown) {
        CLEAR
    } else {
        ""
    };
    // In one piece: the target may write to the same terminal.
    let line = format!("{clear}tidrec: {words}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Shows a line in place of the one before, until something is [said](say). `line` is asked when
/// nothing else is being said; it may choose to show nothing.
#[cfg(target_os = "linux")]
pub(crate) fn show(line: impl FnOnce() -> Option<String>) {
    let mut shown = SHOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(line) = line() {
        *shown = true;
        let line = format!("{CLEAR}{line}");
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}
