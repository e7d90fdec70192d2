//! Running tidview, and the files to run it on.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use tidline::format::{GOES_ON, Header, Writer};
use tidline::model::{Anchor, Event, FrameId, Live, StackEnd, StackId, StackNode, Time};
use tidline::synth::Code;

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

/// The bytes of a trace with its end mark, whose events have stacks of this code.
pub(crate) fn with_stacks(
    header: &Header,
    code: &Code,
    events: &[Event],
    end: u64,
    counters: &[(&str, u64)],
) -> Vec<u8> {
    let mut writer = Writer::start(Vec::new(), header).expect("a header that fits");
    for definition in code.definitions() {
        writer.define(&definition).expect("a vector takes it");
    }
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

/// The bytes of a recording in several files of so many events each. `step` is what the wall
/// clock is set forward by before each file but the first, ns.
pub(crate) fn several(header: &Header, events: &[Event], each: usize, step: i64) -> Vec<Vec<u8>> {
    let mut live = Live::default();
    let count = events.len().div_ceil(each);
    let mut wall_ns = header.start_wall_ns;
    let parts = events.chunks(each).zip(0..).map(|(part, segment)| {
        let header = Header {
            segment,
            ..header.clone()
        };
        let mut writer = Writer::start(Vec::new(), &header).expect("a header that fits");
        if segment > 0 {
            wall_ns += step;
            let time = part[0].time;
            let anchor = Anchor {
                time,
                wall_ns: wall_ns + time.0 as i64,
                utc_offset_s: header.utc_offset_s,
            };
            let carried = live.checkpoint();
            writer
                .checkpoint(&carried, anchor)
                .expect("a vector takes it");
        }
        for event in part {
            writer.push(event).expect("a vector takes it");
            live.follow(event);
        }
        let now = part[part.len() - 1].time;
        let reason = match segment as usize + 1 == count {
            true => "the target ended",
            false => GOES_ON,
        };
        writer.finish(now, reason, &[]).expect("a vector takes it")
    });
    parts.collect()
}

/// A folder of files that is removed at the end.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Folder {
        Folder(TempDir::new().expect("a temporary folder"))
    }

    /// A folder of a recording's files, of which some are there.
    pub(crate) fn of(files: &[Vec<u8>], there: &[usize]) -> Folder {
        let folder = Folder::new();
        for &number in there {
            folder.put(&format!("{number:06}.tid"), &files[number]);
        }
        folder
    }

    /// Writes a file; returns its path.
    pub(crate) fn put(&self, name: &str, bytes: &[u8]) -> String {
        fs::write(self.0.path().join(name), bytes).expect("a temporary file");
        self.path(name)
    }

    /// The path of a file in it, or of itself with "".
    pub(crate) fn path(&self, name: &str) -> String {
        let path = match name {
            "" => self.0.path().to_path_buf(),
            name => self.0.path().join(name),
        };
        path.to_str().expect("a path of UTF-8").into()
    }
}

/// A stack of the frame of its number, which that of the number before called.
pub(crate) fn link(number: u32) -> StackNode {
    StackNode {
        up: number.checked_sub(1).map(StackId),
        frame: FrameId(number),
        end: StackEnd::Bottom,
    }
}
