//! Asking at the terminal which side of a fork to follow.
//!
//! The tracer must not wait for a person: other threads go on meanwhile. So a thread of its own
//! asks on `/dev/tty`, one question after the other, and rings when there is an answer.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use tidline::model::{Name, Tid};

use crate::doorbell::Doorbell;
use crate::thread;
use crate::tracker::Choice;

/// One fork that waits for an answer.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) creator: Tid,
    pub(crate) child: Tid,
    pub(crate) name: Name,
}

/// The controlling terminal, whatever stdin and stdout are.
pub(crate) struct Terminal {
    read: BufReader<File>,
    write: File,
}

impl Terminal {
    /// Opens it.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn open() -> io::Result<Self> {
        let write = File::options().write(true).open("/dev/tty")?;
        let read = BufReader::new(File::open("/dev/tty")?);
        Ok(Terminal { read, write })
    }
}

/// The asking thread's other end. Dropping it ends the asking.
pub(crate) struct Asker {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    questions: VecDeque<Question>,
    answers: Vec<(Tid, Choice)>,
    closed: bool,
}

impl Asker {
    /// Starts to ask. Rings when there is an answer.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub(crate) fn start(terminal: Terminal, doorbell: Doorbell) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let its = Arc::clone(&shared);
        thread::start("tidrec-ask", move || {
            its.ask_on(terminal.read, terminal.write, &doorbell);
        })?;
        Ok(Asker { shared })
    }

    pub(crate) fn ask(&self, question: Question) {
        self.shared.lock().questions.push_back(question);
        self.shared.changed.notify_one();
    }

    /// The answers so far. Questions for which `still_open` is false are dropped unasked.
    pub(crate) fn answers(&self, still_open: impl Fn(Tid) -> bool) -> Vec<(Tid, Choice)> {
        let mut state = self.shared.lock();
        state
            .questions
            .retain(|question| still_open(question.child));
        std::mem::take(&mut state.answers)
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask_on(&self, mut read: impl BufRead, mut write: impl Write, doorbell: &Doorbell) {
        while let Some(question) = self.next() {
            let choice = ask(&question, &mut read, &mut write);
            self.lock().answers.push((question.child, choice));
            doorbell.ring();
        }
    }

    fn next(&self) -> Option<Question> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(question) = state.questions.pop_front() {
                return Some(question);
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Asks until there is an answer. A terminal that is gone answers "both".
fn ask(question: &Question, read: &mut impl BufRead, write: &mut impl Write) -> Choice {
    let Question {
        creator,
        child,
        name,
    } = question;
    loop {
        // In one piece, so that what is typed meanwhile is not echoed in its middle.
        let words = format!(
            "tidrec: {name}[{creator}] made process {child}. Follow (p)arent, (c)hild or (b)oth? "
        );
        let _ = write.write_all(words.as_bytes());
        let mut line = String::new();
        if !matches!(read.read_line(&mut line), Ok(1..)) {
            return Choice::Both;
        }
        if let Some(choice) = parse(&line) {
            return choice;
        }
    }
}

fn parse(line: &str) -> Option<Choice> {
    match line.trim().to_ascii_lowercase().as_str() {
        "p" | "parent" => Some(Choice::Parent),
        "c" | "child" => Some(Choice::Child),
        "b" | "both" => Some(Choice::Both),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_again_until_it_understands() {
        let question = Question {
            creator: Tid(5),
            child: Tid(6),
            name: Name::from(b"a\x1b[2J"),
        };
        let mut shown = Vec::new();
        let choice = ask(&question, &mut &b"what?\n Child \n"[..], &mut shown);
        assert_eq!(choice, Choice::Child);
        let line = r"tidrec: a\x1b[2J[5] made process 6. Follow (p)arent, (c)hild or (b)oth? ";
        assert_eq!(String::from_utf8(shown).unwrap(), line.repeat(2));
        assert_eq!(ask(&question, &mut &b""[..], &mut Vec::new()), Choice::Both);
    }
}
