//! `--on-trigger`: the command of the user's that is told of each snapshot.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::say::say;
use crate::source::ptrace::sys;
use crate::thread;

/// At the end of the recording the commands may take so long.
const LIMIT: Duration = Duration::from_secs(5);

/// How a command for sh ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    /// In words: another one behind them belongs to them.
    Words,
    /// With `;` or `&`, or nothing: a word behind it would be a command.
    Separator,
    /// In a comment, which would hide a word behind it.
    Comment,
}

/// What was typed, if sh can be given a path behind it.
pub(crate) fn parse_command(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("there is no command".into());
    }
    match tail(text) {
        Tail::Comment => Err(format!(
            "{text:?} ends in a comment, which would hide the snapshot's path: leave it out, or quote the #"
        )),
        Tail::Words | Tail::Separator => Ok(text.into()),
    }
}

/// How a command ends, as far as quotes and comments go.
fn tail(command: &str) -> Tail {
    let (mut tail, mut quote) = (Tail::Separator, None);
    let mut begins_word = true;
    let mut letters = command.chars();
    while let Some(letter) = letters.next() {
        if tail == Tail::Comment {
            if letter == '\n' {
                (tail, begins_word) = (Tail::Separator, true);
            }
            continue;
        }
        match (quote, letter) {
            (Some(open), _) if open == letter => quote = None,
            (Some('\''), _) => {}
            (_, '\\') => drop(letters.next()),
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(letter),
            (None, '#') if begins_word => {
                tail = Tail::Comment;
                continue;
            }
            (None, ';' | '&' | '\n') => {
                (tail, begins_word) = (Tail::Separator, true);
                continue;
            }
            (None, _) if letter.is_whitespace() => {
                begins_word = true;
                continue;
            }
            (None, _) => {}
        }
        (tail, begins_word) = (Tail::Words, false);
    }
    tail
}

/// Commands that were started. None holds the next snapshot, and at the end none is waited for long.
#[derive(Clone, Debug, Default)]
pub(super) struct Commands(Arc<Mutex<Vec<JoinHandle<Option<()>>>>>);

impl Commands {
    /// Runs a command in a thread of its own.
    pub(super) fn start(&self, command: String, path: PathBuf, reason: String) {
        let work = move || run(&command, &path, &reason);
        match thread::start("tidrec-trigger", work) {
            Ok(thread) => {
                let mut commands = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                commands.retain(|command| !command.is_finished());
                commands.push(thread);
            }
            Err(error) => say(format_args!("--on-trigger cannot be run: {error}")),
        }
    }

    /// Waits until all have ended, within limits.
    pub(super) fn wait(&self) {
        let since = Instant::now();
        let running = || {
            let commands = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            commands.iter().any(|command| !command.is_finished())
        };
        while running() && since.elapsed() < LIMIT {
            std::thread::sleep(Duration::from_millis(2));
        }
        if running() {
            say(format_args!(
                "the command of --on-trigger goes on by itself"
            ));
        }
    }
}

/// Runs a command by sh, with the path behind it, and waits for it. What it prints goes to stderr: stdout
/// is the recorded command's.
fn run(command: &str, path: &Path, reason: &str) {
    let line = match tail(command) {
        Tail::Words => format!("{command} \"$@\""),
        Tail::Separator | Tail::Comment => command.into(),
    };
    let stderr = io::stderr().as_fd().try_clone_to_owned();
    let mut shell = Command::new("/bin/sh");
    let ran = sys::with_own_file_limit(&mut shell)
        .arg("-c")
        .arg(line)
        .arg("tidrec")
        .arg(path)
        .env("TIDREC_TRIGGER", reason)
        .stdin(Stdio::null())
        .stdout(stderr.map_or_else(|_| Stdio::null(), Stdio::from))
        .status();
    match ran {
        Ok(status) if status.success() => {}
        Ok(status) => say(format_args!("--on-trigger: {status}")),
        Err(error) => say(format_args!("--on-trigger cannot be run: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_commands_end() {
        for words in [
            "cp -t x", "a; b", "a & b", "echo x#y", "echo '#'", "a \\;", "a \"x;\"", "a #b\nc",
        ] {
            assert_eq!(tail(words), Tail::Words, "{words}");
        }
        for separator in ["exit 3;", "cp \"$1\" x & ", "", "a #b\n", "echo 'a' ;"] {
            assert_eq!(tail(separator), Tail::Separator, "{separator}");
        }
        for comment in ["# all", "cp -t x # there", "a;#", "a & #\"b"] {
            assert_eq!(tail(comment), Tail::Comment, "{comment}");
            assert!(parse_command(comment).is_err(), "{comment}");
        }
        assert!(parse_command(" ").is_err());
        assert_eq!(parse_command("exit 3;"), Ok("exit 3;".into()));
    }
}
