//! `tidrec ctl`: talks to a tidrec that is recording, over a Unix socket that only its owner opens.
//!
//! One request a connection: the client writes it and closes its side, the recorder answers and
//! closes. An answer's first line is `ok` or `error`; the rest is for the user.

use std::fs::{self, DirBuilder};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tidline::model::Tid;

use crate::cli::Request;
use crate::clock::Clock;
use crate::doorbell::Doorbell;
use crate::pipeline::queue::Desk;
use crate::{proc, thread};

/// The longest request, bytes.
const LONGEST: u64 = 64 << 10;
/// Nobody holds the line for longer.
const PATIENCE: Duration = Duration::from_secs(1);
/// A recorder that is busy may take so long to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// The recorder's end; its socket goes with it.
pub(crate) struct Control {
    socket: PathBuf,
}

/// What requests are about.
pub(crate) struct Recorder {
    pub(crate) clock: Clock,
    pub(crate) doorbell: Doorbell,
    pub(crate) desk: Desk,
    /// How the recording goes, in words.
    pub(crate) status: Box<dyn Fn() -> String + Send>,
}

impl Control {
    /// Listens, if that is possible: a recording goes on without.
    pub(crate) fn start(recorder: Recorder) -> Option<Control> {
        let folder = own_folder()?;
        remove_stale(&folder);
        let socket = folder.join(format!("{}.sock", std::process::id()));
        // One that an earlier process with this pid left: the folder is ours alone.
        let _ = fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).ok()?;
        let control = Control { socket };
        let owner_only = fs::Permissions::from_mode(0o600);
        fs::set_permissions(&control.socket, owner_only).ok()?;
        let serve = move || {
            for stream in listener.incoming() {
                match stream {
                    Ok(stream) => drop(recorder.serve(stream)),
                    // Such as too many open files: not for ever.
                    Err(_) => std::thread::sleep(PATIENCE),
                }
            }
        };
        thread::start("tidrec-ctl", serve).ok()?;
        Some(control)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.socket);
    }
}

impl Recorder {
    fn serve(&self, mut stream: UnixStream) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut request = Vec::new();
        (&stream).take(LONGEST + 1).read_to_end(&mut request)?;
        let answer = match split(&request) {
            // What is cut is not what was asked.
            _ if request.len() as u64 > LONGEST => {
                format!("error\na request has at most {LONGEST} bytes\n")
            }
            (b"mark", text) => {
                self.desk.mark(text, || self.clock.now());
                "ok\n".to_string()
            }
            (b"snapshot", _) => {
                self.desk.snapshot("tidrec ctl".into());
                "ok\n".to_string()
            }
            (b"status", _) => format!("ok\n{}", (self.status)()),
            (b"stop", _) => {
                self.doorbell.ask_to_stop("tidrec ctl stop".into());
                "ok\n".to_string()
            }
            _ => "error\nthis tidrec does not know that request\n".to_string(),
        };
        stream.write_all(answer.as_bytes())
    }
}

/// The word, and what follows the space behind it.
fn split(request: &[u8]) -> (&[u8], &[u8]) {
    match request.iter().position(|byte| *byte == b' ') {
        Some(space) => (&request[..space], &request[space + 1..]),
        None => (request, b""),
    }
}

/// Asks the recorder with this pid, and prints its answer.
///
/// # Errors
/// If there is none, or it is another user's, or it refuses.
pub(crate) fn ask(pid: u32, request: &Request) -> Result<()> {
    let line = match request {
        Request::Mark { text } => format!("mark {text}"),
        Request::Snapshot => "snapshot".into(),
        Request::Status => "status".into(),
        Request::Stop => "stop".into(),
    };
    if line.len() as u64 > LONGEST {
        let room = LONGEST - (line.len() - text_len(request)) as u64;
        bail!("the note is longer than {room} bytes");
    }
    let mut stream = connect(pid)?;
    let mut answer = Vec::new();
    stream
        .write_all(line.as_bytes())
        .and_then(|()| stream.shutdown(Shutdown::Write))
        .and_then(|()| read_answer(&mut stream, &mut answer))
        .with_context(|| format!("tidrec {pid} does not answer in time: it may do so later"))?;
    // Whoever answers may be another than we think: nothing of it drives a terminal.
    let lines = answer
        .split(|byte| *byte == b'\n')
        .map(tidline::text::escape);
    let answer = lines.collect::<Vec<_>>().join("\n");
    match answer.split_once('\n') {
        Some(("ok", words)) => {
            // Whoever reads this may be gone.
            let _ = io::stdout().write_all(words.as_bytes());
            Ok(())
        }
        Some((_, words)) => bail!("{}", words.trim_end()),
        None => bail!("tidrec {pid} does not answer: it may have just ended"),
    }
}

fn text_len(request: &Request) -> usize {
    match request {
        Request::Mark { text } => text.len(),
        Request::Snapshot | Request::Status | Request::Stop => 0,
    }
}

/// Reads to the end, within the limits of time and length.
fn read_answer(stream: &mut UnixStream, answer: &mut Vec<u8>) -> io::Result<()> {
    let until = Instant::now() + ANSWER_LIMIT;
    let mut bytes = [0; 4096];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut bytes)? {
            0 => return Ok(()),
            got if answer.len() + got > LONGEST as usize => {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            got => answer.extend(&bytes[..got]),
        }
    }
}

fn connect(pid: u32) -> Result<UnixStream> {
    let Some(status) = proc::status(Tid(pid)) else {
        bail!("there is no process {pid}: tidrec has ended, or its pid is another");
    };
    let uid = status.uids[1];
    let mut refused = None;
    // In `/tmp` another user may have made a folder of that name, to listen.
    let owns = |folder: &PathBuf| {
        fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir() && found.uid() == uid)
    };
    for folder in folders(uid).into_iter().filter(owns) {
        match UnixStream::connect(folder.join(format!("{pid}.sock"))) {
            Ok(stream) => return Ok(stream),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                refused = Some(error);
            }
            Err(_) => {}
        }
    }
    match refused {
        Some(_) => bail!("tidrec {pid} belongs to user {uid}: only that user and root may ask it"),
        None => bail!("process {pid} is no tidrec that is recording"),
    }
}

/// Where the sockets of a user are: the first that can be had is taken.
fn folders(uid: u32) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if uid == 0 {
        folders.push(PathBuf::from("/run/tidline"));
    } else {
        folders.push(PathBuf::from(format!("/run/user/{uid}/tidline")));
    }
    folders.push(PathBuf::from(format!("/tmp/tidline-{uid}")));
    folders
}

/// Our own folder for sockets. In `/tmp` anybody may have made one with its name, so one that
/// others may enter is not taken.
fn own_folder() -> Option<PathBuf> {
    let uid = proc::status(Tid(std::process::id()))?.uids[1];
    folders(uid).into_iter().find(|folder| {
        let _ = DirBuilder::new().mode(0o700).create(folder);
        is_ours_alone(folder, uid)
    })
}

/// Removes the sockets of recorders that were killed. The folder is ours alone.
fn remove_stale(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_socket = entry.file_type().is_ok_and(|kind| kind.is_socket());
        let pid = entry.file_name().to_str().and_then(|name| {
            let pid = name.strip_suffix(".sock")?;
            pid.parse().ok()
        });
        let Some(pid) = pid.filter(|_| is_socket) else {
            continue;
        };
        // A recorder that has not got as far as listening refuses, too. And one of another pid
        // namespace that shares the folder listens all the same.
        let gone = proc::comm(Tid(pid)).is_none_or(|name| name.as_bytes() != b"tidrec");
        let refuses = || {
            let answer = UnixStream::connect(&path);
            answer.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
        };
        if gone && refuses() {
            let _ = fs::remove_file(&path);
        }
    }
}

fn is_ours_alone(folder: &Path, uid: u32) -> bool {
    fs::symlink_metadata(folder)
        .is_ok_and(|found| found.is_dir() && found.uid() == uid && found.mode() & 0o077 == 0)
}
