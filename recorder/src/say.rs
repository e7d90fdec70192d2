//! tidrec's words, on stderr only: stdout is the target's.

use std::fmt::Arguments;
use std::io::Write;

/// Says one line. A terminal that was closed, or a pipe that nobody reads, must not end the
/// recording: what cannot be said is not.
pub(crate) fn say(words: Arguments<'_>) {
    // In one piece: the target may write to the same terminal.
    let line = format!("tidrec: {words}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}
