//! The process that reads debug information: tidview itself, with a word that no help tells of.
//!
//! A file may be made to crash its reader, or to keep it busy for ever. Then the worker ends, the file
//! has no symbols, and the next one is read by another worker.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use tidline::symbolize::DEBUG_DIRS;
use tidline::symbolize::protocol::{self, Answer, Request};

/// The word.
const WORD: &str = "__symbolize";
/// No file takes longer for a thousand places.
const LIMIT: Duration = Duration::from_secs(300);

/// Whether this process is one.
pub(crate) fn is_worker() -> bool {
    std::env::args_os().nth(1).is_some_and(|word| word == WORD)
}

/// A worker's whole life.
pub(crate) fn work() -> ExitCode {
    let dirs: Vec<PathBuf> = std::env::args_os().skip(2).map(PathBuf::from).collect();
    let (mut requests, answers) = (io::stdin().lock(), io::stdout().lock());
    match protocol::serve(&dirs, &mut requests, &mut BufWriter::new(answers)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Trouble {
    /// There is no worker.
    Start(io::Error),
    /// It came to harm; how, in words.
    Harm(String),
}

/// The worker, which is started when it is asked.
pub(super) struct Worker {
    dirs: Vec<PathBuf>,
    running: Option<Running>,
}

struct Running {
    process: Child,
    requests: Option<ChildStdin>,
    answers: Receiver<io::Result<Answer>>,
}

impl Worker {
    /// One that looks for debug information in these folders, and where it usually is.
    pub(super) fn new(dirs: &[PathBuf]) -> Self {
        let mut dirs = dirs.to_vec();
        dirs.extend(DEBUG_DIRS.map(PathBuf::from));
        Worker {
            dirs,
            running: None,
        }
    }

    /// The answer to a request.
    pub(super) fn ask(&mut self, request: &Request) -> Result<Answer, Trouble> {
        let running = match &mut self.running {
            Some(running) => running,
            none => none.insert(Running::start(&self.dirs).map_err(Trouble::Start)?),
        };
        let answer = running.ask(request);
        if answer.is_err() {
            self.running = None;
        }
        answer.map_err(Trouble::Harm)
    }
}

impl Running {
    fn start(dirs: &[PathBuf]) -> io::Result<Running> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(WORD).args(dirs);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // What it says of a file that it cannot read is nothing to anyone.
        command.stderr(Stdio::null());
        let mut process = command.spawn()?;
        let requests = process.stdin.take();
        let mut from = process.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let (sender, answers) = channel();
        let running = Running {
            process,
            requests,
            answers,
        };
        // It ends with the process, whose output it reads, and with whoever listens. Where no thread is
        // to be had the process is ended.
        std::thread::Builder::new().spawn(move || {
            while let Some(answer) = protocol::read::<Answer>(&mut from).transpose() {
                let failed = answer.is_err();
                if sender.send(answer).is_err() || failed {
                    break;
                }
            }
        })?;
        Ok(running)
    }

    fn ask(&mut self, request: &Request) -> Result<Answer, String> {
        let bytes = protocol::encode(request).map_err(|error| error.to_string())?;
        // Where it has ended, its status says more.
        if let Some(requests) = &mut self.requests {
            let _ = requests.write_all(&bytes).and_then(|()| requests.flush());
        }
        match self.answers.recv_timeout(LIMIT) {
            Ok(Ok(answer)) => Ok(answer),
            Err(RecvTimeoutError::Timeout) => Err(format!("did not answer for {LIMIT:?}")),
            Ok(Err(_)) | Err(RecvTimeoutError::Disconnected) => {
                self.requests = None;
                Err(self.end())
            }
        }
    }

    /// How it ended, in words.
    fn end(&mut self) -> String {
        for _ in 0..200 {
            match self.process.try_wait() {
                Ok(Some(status)) => return format!("ended ({status})"),
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                Err(error) => return format!("ended ({error})"),
            }
        }
        "answered nonsense".into()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.requests = None;
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
