//! The process that reads debug information: how it is started, asked, and what it does.
//!
//! It is tidrec itself with a word that no help tells of, and a socket for its stdin by which
//! requests and open files come, and answers go back. The lowest priority, two gigabytes of memory at
//! most, no core file; the first to go when memory runs out. Ctrl-C at the terminal is not for it: it
//! ends with its socket, and at the latest with the thread that started it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use tidline::model::signal_name;
use tidline::symbolize::Symbolizer;
use tidline::symbolize::protocol::{self, Answer, Request};

use crate::source::ptrace::sys;

/// The word by which tidrec is that process.
const WORD: &str = "__symbolize";
/// It need not stand back: nothing is recorded any more.
const IN_HASTE: &str = "now";
/// Its memory, bytes.
const MOST_MEMORY: u64 = 2 << 30;
/// A child whose socket is closed ends at once, unless it is at work.
const PATIENCE: Duration = Duration::from_millis(200);
/// Whether its answer is still wanted is looked at so often.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Whether these arguments are the child's.
pub(crate) fn is_child(mut arguments: impl Iterator<Item = OsString>) -> bool {
    arguments.nth(1).is_some_and(|word| word == WORD)
}

/// What is started.
#[derive(Clone, Debug)]
pub(super) struct Program {
    path: OsString,
    arguments: Vec<OsString>,
}

impl Program {
    /// This very program, wherever its file is by now.
    pub(super) fn tidrec() -> Program {
        Program {
            path: "/proc/self/exe".into(),
            arguments: vec![WORD.into()],
        }
    }

    #[cfg(test)]
    pub(super) fn of(path: &OsStr, arguments: &[&str]) -> Program {
        Program {
            path: path.into(),
            arguments: arguments.iter().map(Into::into).collect(),
        }
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It came to harm; how, in words.
    Harm(String),
    /// It was stopped: the answer is not wanted, or is wanted faster.
    NoTime,
}

/// A running child. Dropped, it ends.
#[derive(Debug)]
pub(super) struct Child {
    process: std::process::Child,
    socket: Option<UnixStream>,
    /// It has the lowest priority.
    pub(super) is_idle: bool,
}

impl Child {
    pub(super) fn start(program: &Program, is_idle: bool) -> Result<Child, Trouble> {
        let start = || {
            let (ours, its) = UnixStream::pair()?;
            let mut command = Command::new(&program.path);
            command.arg0("tidrec").args(&program.arguments);
            if !is_idle {
                command.arg(IN_HASTE);
            }
            // What it says of a file that it cannot read is nothing to anyone.
            command
                .env_clear()
                .current_dir("/")
                .stdin(OwnedFd::from(its))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .process_group(0);
            let process = command.spawn()?;
            Ok(Child {
                process,
                socket: Some(ours),
                is_idle,
            })
        };
        start().map_err(|error: io::Error| Trouble::Harm(format!("cannot be started ({error})")))
    }

    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// The answer to a request about an open file, within a time, and only as long as `stop` says no.
    pub(super) fn ask(
        &mut self,
        request: &Request,
        file: Option<&File>,
        limit: Duration,
        stop: &dyn Fn() -> bool,
    ) -> Result<Answer, Trouble> {
        let Some(socket) = &self.socket else {
            return Err(Trouble::NoTime);
        };
        let until = Instant::now() + limit;
        let mut talk = Talk {
            socket,
            until,
            stop,
        };
        let answer = talk
            .send(request, file)
            .and_then(|()| protocol::read::<Answer>(&mut talk));
        match answer {
            Ok(Some(answer)) => Ok(answer),
            _ if stop() => Err(Trouble::NoTime),
            _ if Instant::now() >= until => {
                Err(Trouble::Harm(format!("did not answer for {limit:?}")))
            }
            _ => Err(Trouble::Harm(self.end())),
        }
    }

    /// How it ended, in words.
    fn end(&mut self) -> String {
        self.socket = None;
        match self.wait() {
            Some(status) => match status.signal() {
                Some(signal) => format!("was ended by {}", signal_name(signal as u8)),
                None => "ended".into(),
            },
            None => "did not answer".into(),
        }
    }

    /// Its exit status, if it ends soon.
    fn wait(&mut self) -> Option<std::process::ExitStatus> {
        let since = Instant::now();
        loop {
            match self.process.try_wait() {
                Ok(None) if since.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(2));
                }
                Ok(status) => return status,
                Err(_) => return None,
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.socket = None;
        if self.wait().is_none() {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

/// The socket, as long as somebody waits.
struct Talk<'a> {
    socket: &'a UnixStream,
    until: Instant,
    stop: &'a dyn Fn() -> bool,
}

impl Talk<'_> {
    fn send(&mut self, request: &Request, file: Option<&File>) -> io::Result<()> {
        let bytes = protocol::encode(request)?;
        self.socket.set_write_timeout(Some(LOOK_EVERY))?;
        let mut file = file;
        let mut sent = 0;
        while sent < bytes.len() {
            sent += self.patiently(|socket| sys::send_with_file(socket, &bytes[sent..], file))?;
            file = None; // It went with the first of them.
        }
        Ok(())
    }

    fn patiently(
        &self,
        mut work: impl FnMut(&UnixStream) -> io::Result<usize>,
    ) -> io::Result<usize> {
        loop {
            match work(self.socket) {
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::WouldBlock
                            | io::ErrorKind::TimedOut
                            | io::ErrorKind::Interrupted
                    ) =>
                {
                    if Instant::now() >= self.until || (self.stop)() {
                        return Err(io::ErrorKind::TimedOut.into());
                    }
                }
                done => return done,
            }
        }
    }
}

impl Read for Talk<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(LOOK_EVERY))?;
        self.patiently(|mut socket| socket.read(bytes))
    }
}

/// The child's whole life.
pub(crate) fn run_child() -> ExitCode {
    let in_haste = std::env::args_os().nth(2).as_deref() == Some(OsStr::new(IN_HASTE));
    sys::stand_back(!in_haste, MOST_MEMORY);
    // Where that is not allowed, others go first.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let Ok(socket) = io::stdin().as_fd().try_clone_to_owned() else {
        return ExitCode::FAILURE;
    };
    match serve(&UnixStream::from(socket)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Answers until the socket is closed.
pub(super) fn serve(mut socket: &UnixStream) -> io::Result<()> {
    let mut symbolizer = Symbolizer::new(&[]);
    while let Some((length, file)) = receive(socket)? {
        let mut request: Request = protocol::read_body(length, &mut socket)?;
        if let Some(file) = &file {
            let number = std::os::fd::AsRawFd::as_raw_fd(file);
            request.path = format!("/proc/self/fd/{number}");
        }
        let answer = request.answer(&mut symbolizer);
        socket.write_all(&protocol::encode(&answer)?)?;
    }
    Ok(())
}

/// A message's length, and the file that came with it.
fn receive(socket: &UnixStream) -> io::Result<Option<([u8; 4], Option<OwnedFd>)>> {
    let (mut length, mut got, mut file) = ([0; 4], 0, None);
    while got < length.len() {
        let (count, with_it) = sys::receive_with_file(socket, &mut length[got..])?;
        if count == 0 {
            return Ok(None);
        }
        got += count;
        file = with_it.or(file);
    }
    Ok(Some((length, file)))
}
