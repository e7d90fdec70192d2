//! A process under a test's control: read with deadlines, and never left behind.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::proc::thread_states;
use super::temp::unique;

/// The environment variable by which a child's descendants are found, whatever session or process
/// group they moved to. Process ids alone would not do: they are used again.
const MARK: &str = "TIDLINE_TEST_CHILD";

/// A running command. Dropped, it and all its descendants are killed.
///
/// Its stdout is read line by line by [`wait_line`](Child::wait_line), its stderr is kept for the
/// messages of failures, and its stdin is empty. Nothing here waits without a deadline: a test
/// that would hang panics and shows what the command had printed.
#[derive(Debug)]
pub(crate) struct Child {
    inner: std::process::Child,
    name: String,
    mark: String,
    lines: Receiver<String>,
    stdout: Arc<Mutex<Vec<u8>>>,
    stderr: Arc<Mutex<Vec<u8>>>,
    readers: Vec<JoinHandle<()>>,
    status: Option<ExitStatus>,
}

impl Child {
    /// Starts a command.
    pub(crate) fn spawn(command: &mut Command) -> Child {
        Child::start(command, Stdio::null())
    }

    /// Starts a command that reads what is written to the pipe's end returned.
    pub(crate) fn talk(command: &mut Command) -> (Child, ChildStdin) {
        let mut child = Child::start(command, Stdio::piped());
        let stdin = child.inner.stdin.take().expect("stdin is piped");
        (child, stdin)
    }

    fn start(command: &mut Command, stdin: Stdio) -> Child {
        let name = format!("{command:?}");
        let mark = unique("child");
        let mut inner = command
            .env(MARK, &mark)
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        let (stdout, stderr) = <(Arc<Mutex<Vec<u8>>>, Arc<Mutex<Vec<u8>>>)>::default();
        let (sender, lines) = channel();
        let out = inner.stdout.take().expect("stdout is piped");
        let err = inner.stderr.take().expect("stderr is piped");
        let readers = vec![
            read_lines(out, Arc::clone(&stdout), move |line| {
                let _ = sender.send(line); // Nobody may be listening any more.
            }),
            read_lines(err, Arc::clone(&stderr), |_| ()),
        ];
        Child {
            inner,
            name,
            mark,
            lines,
            stdout,
            stderr,
            readers,
            status: None,
        }
    }

    /// Starts a program with arguments.
    pub(crate) fn run<S: AsRef<OsStr>>(
        program: impl AsRef<OsStr>,
        args: impl IntoIterator<Item = S>,
    ) -> Child {
        Child::spawn(Command::new(program).args(args))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.inner.id()
    }

    /// The next line of stdout that begins with `prefix`; lines before it are passed over.
    pub(crate) fn wait_line(&mut self, prefix: &str, timeout: Duration) -> String {
        let deadline = Instant::now() + timeout;
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(rest) {
                Ok(line) if line.starts_with(prefix) => return line,
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout) => {
                    self.fail(&format!("no line {prefix:?}… within {timeout:?}"))
                }
                Err(RecvTimeoutError::Disconnected) => {
                    self.fail(&format!("stdout ended without a line {prefix:?}…"))
                }
            }
        }
    }

    /// Waits until stderr holds a text.
    pub(crate) fn wait_stderr(&mut self, text: &str, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        while !self.stderr().contains(text) {
            let ended = self.readers.iter().all(JoinHandle::is_finished);
            if ended && !self.stderr().contains(text) {
                self.fail(&format!("ended without {text:?} on stderr"));
            }
            if Instant::now() >= deadline {
                self.fail(&format!("no {text:?} on stderr within {timeout:?}"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The lines of stdout that have come and were not asked for yet.
    pub(crate) fn new_lines(&mut self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// Its exit status, when it ends within the time.
    pub(crate) fn wait_exit(&mut self, timeout: Duration) -> ExitStatus {
        let deadline = Instant::now() + timeout;
        loop {
            if let Some(status) = self.try_exit() {
                return status;
            }
            if Instant::now() >= deadline {
                self.fail(&format!("still running after {timeout:?}"));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Its exit status, if it has ended.
    pub(crate) fn try_exit(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.inner.try_wait().expect("wait for a child");
        }
        self.status
    }

    /// Waits for its end and for all it printed, which descendants may go on to do. Panics unless
    /// the exit code is `code`. Returns stdout.
    pub(crate) fn expect_exit(&mut self, code: i32, timeout: Duration) -> String {
        let status = self.wait_exit(timeout);
        if status.code() != Some(code) {
            self.fail(&format!("{status}, not code {code}"));
        }
        self.wait_output(timeout);
        self.stdout()
    }

    /// Waits until nothing more can come out of it: all that hold its stdout and stderr are gone.
    pub(crate) fn wait_output(&mut self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        while !self.readers.iter().all(JoinHandle::is_finished) {
            if Instant::now() >= deadline {
                self.fail(&format!("its output is still held open after {timeout:?}"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// All of stdout so far, lines that [`wait_line`](Child::wait_line) returned included.
    pub(crate) fn stdout(&self) -> String {
        text(&self.stdout)
    }

    /// All of stderr so far.
    pub(crate) fn stderr(&self) -> String {
        text(&self.stderr)
    }

    /// Sends a signal to it alone, by name: `TERM`, `STOP`, `CONT`, `KILL`.
    pub(crate) fn signal(&mut self, signal: &str) {
        if self.try_exit().is_some() {
            self.fail(&format!("has ended before SIG{signal} could be sent"));
        }
        // Not reaped, so the id is still its own.
        send(signal, &[self.pid()]);
    }

    fn fail(&self, problem: &str) -> ! {
        panic!(
            "{} (pid {}): {problem}\n--- stdout\n{}\n--- stderr\n{}",
            self.name,
            self.pid(),
            tail(&self.stdout()),
            tail(&self.stderr())
        )
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.status.is_none() {
            // An error means that it has ended already.
            let _ = self.inner.kill();
            let _ = self.inner.wait();
        }
        // What it started may go on to fork while this looks: until a look finds none.
        let deadline = Instant::now() + Duration::from_secs(10);
        let mut killed = vec![self.pid()];
        loop {
            let left = marked(&self.mark);
            if left.is_empty() && !killed.iter().any(|pid| is_ending(*pid)) {
                break;
            }
            if Instant::now() >= deadline {
                eprintln!("{} left processes behind: {left:?}", self.name);
                break;
            }
            if !left.is_empty() {
                send("KILL", &left);
                killed.extend(left);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Whether a process's leader has ended and other threads of it have yet to.
fn is_ending(pid: u32) -> bool {
    let states = thread_states(pid);
    let has_ended = |state| matches!(state, 'Z' | 'X');
    states
        .iter()
        .any(|(tid, state)| *tid == pid && has_ended(*state))
        && states.iter().any(|(_, state)| !has_ended(*state))
}

fn read_lines(
    source: impl Read + Send + 'static,
    all: Arc<Mutex<Vec<u8>>>,
    mut each: impl FnMut(String) + Send + 'static,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut source = BufReader::new(source);
        let mut line = Vec::new();
        while matches!(source.read_until(b'\n', &mut line), Ok(1..)) {
            all.lock().expect("no reader panics").extend(&line);
            each(String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(&line)).into_owned());
            line.clear();
        }
    })
}

fn text(bytes: &Mutex<Vec<u8>>) -> String {
    String::from_utf8_lossy(&bytes.lock().expect("no reader panics")).into_owned()
}

/// The last lines: enough to see what went wrong.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// Processes whose environment has the mark. One whose leader has ended shows none.
fn marked(mark: &str) -> Vec<u32> {
    let wanted = format!("{MARK}={mark}");
    let is_marked = |pid: &u32| {
        std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|all| {
            all.split(|byte| *byte == 0)
                .any(|one| one == wanted.as_bytes())
        })
    };
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(is_marked)
        .collect()
}

/// Sends a signal with the shell's own `kill`: the standard library has no other than SIGKILL.
pub(crate) fn send(signal: &str, pids: &[u32]) {
    let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
    let script = format!("kill -{signal} {}", pids.join(" "));
    let _ = Command::new("sh")
        .args(["-c", &script])
        .stderr(Stdio::null()) // One that has ended meanwhile.
        .status();
}
