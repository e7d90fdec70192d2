//! Running tidview, and the files to run it on.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use tidline::format::{Header, Writer};
use tidline::model::{Event, Time};

/// What a run of tidview gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) code: Option<i32>,
}

/// Runs tidview. It is no terminal that it writes to, whatever the tests run in.
pub(crate) fn tidview(args: &[&str]) -> Run {
    let mut command = command(args);
    let output = command.output().expect("tidview starts");
    Run {
        out: String::from_utf8(output.stdout).expect("tidview prints UTF-8"),
        err: String::from_utf8(output.stderr).expect("tidview prints UTF-8"),
        code: output.status.code(),
    }
}

/// tidview, not yet running.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidview"));
    command.args(args);
    for variable in ["NO_COLOR", "COLUMNS", "TERM"] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null());
    command
}

/// What a run prints that has nothing to say on stderr and ends with 0.
pub(crate) fn prints(args: &[&str]) -> String {
    let run = tidview(args);
    assert_eq!((run.err.as_str(), run.code), ("", Some(0)), "{args:?}");
    run.out
}

/// A file that is removed with its folder.
pub(crate) struct File {
    dir: TempDir,
    name: &'static str,
}

impl File {
    /// A file with these bytes.
    pub(crate) fn new(name: &'static str, bytes: &[u8]) -> File {
        let dir = TempDir::new().expect("a temporary folder");
        fs::write(dir.path().join(name), bytes).expect("a temporary file");
        File { dir, name }
    }

    /// A trace that was finished at a time.
    pub(crate) fn trace(header: &Header, events: &[Event], end: u64) -> File {
        File::new("t.tid", &finished(header, events, end, &[]))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> String {
        let path: PathBuf = self.dir.path().join(self.name);
        path.to_str().expect("a path of UTF-8").into()
    }
}

/// The bytes of a trace with its end mark.
pub(crate) fn finished(
    header: &Header,
    events: &[Event],
    end: u64,
    counters: &[(&str, u64)],
) -> Vec<u8> {
    let mut writer = Writer::start(Vec::new(), header).expect("a header that fits");
    for event in events {
        writer.push(event).expect("a vector takes it");
    }
    let finished = writer.finish(Time(end), "the target ended", counters);
    finished.expect("a vector takes it")
}

/// The bytes of a trace of one chunk for each event, without an end mark; and where each chunk
/// ends, the header's end first.
pub(crate) fn chunks(header: &Header, events: &[Event]) -> (Vec<u8>, Vec<usize>) {
    let mut writer = Writer::start(Vec::new(), header).expect("a header that fits");
    let mut ends = vec![writer.offset() as usize];
    for event in events {
        writer.push(event).expect("a vector takes it");
        writer.flush(event.time).expect("a vector takes it");
        ends.push(writer.offset() as usize);
    }
    (std::mem::take(writer.get_mut()), ends)
}
