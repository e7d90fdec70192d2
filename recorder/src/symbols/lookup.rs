//! The thread that has symbols looked up: it gathers what is wanted, asks the child, and starts another
//! one where that has ended.

use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tidline::model::{Symbol, Tid, Trust};
use tidline::symbolize::protocol::Request;
use tidline::text;

use super::batches::{Batch, State};
use super::child::{Child, Trouble};
use crate::proc;
use crate::say::say;
use crate::source::ptrace::sys;

pub(super) use super::child::Program;

/// What is wanted is gathered so long: a module is opened once for all of it.
const GATHER: Duration = Duration::from_millis(250);
/// A child that has nothing to do so long gives its memory back.
const IDLE: Duration = Duration::from_secs(5);
/// A sleep that only ends when something is wanted.
const FOR_LONG: Duration = Duration::from_secs(3600);
/// A child that takes longer than this for a batch is taken for one that never ends. It may get little
/// of a busy machine.
const LIMIT: Duration = Duration::from_secs(120);
/// The same when it need not stand back.
const HASTY_LIMIT: Duration = Duration::from_secs(60);
/// What a child did not survive is tried so often: it may have been killed for another reason.
const TRIES: u32 = 2;
/// So many children in all may come to harm.
const MOST_HARM: u32 = 20;

/// What the thread shares with those who ask.
#[derive(Debug, Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// Something is wanted, or the end is near.
    pub(super) wake: Condvar,
    /// Something was found.
    pub(super) changed: Condvar,
    /// The recording is over.
    pub(super) hurry: AtomicBool,
    /// Nobody waits any more.
    pub(super) give_up: AtomicBool,
    /// The process that is at work; 0 for none.
    child: AtomicU32,
    /// How long one of them has waited for a processor, ns: the most that was seen.
    starved_ns: AtomicU64,
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the process that is at work, or was, has waited for a processor.
    pub(super) fn starved(&self) -> Duration {
        let ns = match self.child.load(Ordering::SeqCst) {
            0 => 0,
            pid => proc::waited_for_a_processor_ns(Tid(pid)).unwrap_or(0),
        };
        let before = self.starved_ns.fetch_max(ns, Ordering::SeqCst);
        Duration::from_nanos(before.max(ns))
    }

    /// Waits until something is wanted; `false` where nothing came within the limit.
    fn wait_for_work(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut state = self.state();
        while state.is_empty() && !state.is_closing() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.wake.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Lets more come, unless all is there.
    fn gather(&self) {
        let until = Instant::now() + GATHER;
        let mut state = self.state();
        while !state.is_closing() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.wake.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Works until nothing more is wanted.
pub(super) fn run(shared: &Shared, program: Program) {
    sys::be_nice();
    let mut thread = Thread {
        shared,
        program,
        child: None,
        harm: 0,
        said: false,
    };
    loop {
        let limit = if thread.child.is_some() {
            IDLE
        } else {
            FOR_LONG
        };
        if !shared.wait_for_work(limit) {
            thread.child = None;
            continue;
        }
        shared.gather();
        let Some(batch) = shared.state().next() else {
            if shared.state().is_closing() {
                return;
            }
            continue;
        };
        thread.look_up(batch);
        shared.changed.notify_all();
    }
}

struct Thread<'a> {
    shared: &'a Shared,
    program: Program,
    child: Option<Child>,
    harm: u32,
    said: bool,
}

impl Thread<'_> {
    fn look_up(&mut self, mut batch: Batch) {
        let Some(request) = request(&batch) else {
            return self.shared.state().has_nothing(batch);
        };
        match self.ask(&request, batch.file.as_deref(), batch.places.len()) {
            Ok(Some(symbols)) => self.shared.state().resolved(batch, symbols),
            Ok(None) => self.shared.state().has_nothing(batch),
            Err(Trouble::NoTime) => {
                self.child = None;
                self.shared.state().put_back(batch);
            }
            Err(Trouble::Harm(what)) => {
                self.child = None;
                batch.tries += 1;
                self.harm += 1;
                if self.harm >= MOST_HARM {
                    self.say(&batch, &what);
                    self.shared.state().put_back(batch);
                    self.shared.state().give_up();
                } else if batch.tries < TRIES {
                    self.shared.state().put_back(batch);
                } else {
                    self.say(&batch, &what);
                    self.shared.state().harmed(batch);
                }
            }
        }
    }

    /// The symbols; `None` if the module has none.
    fn ask(
        &mut self,
        request: &Request,
        file: Option<&File>,
        count: usize,
    ) -> Result<Option<Vec<Symbol>>, Trouble> {
        let hurry = self.shared.hurry.load(Ordering::SeqCst);
        // One of low priority would not do when somebody waits.
        self.child.take_if(|child| child.is_idle == hurry);
        let child = match &mut self.child {
            Some(child) => child,
            none => none.insert(Child::start(&self.program, !hurry)?),
        };
        self.shared.child.store(child.id(), Ordering::SeqCst);
        let limit = if hurry { HASTY_LIMIT } else { LIMIT };
        let stop = || {
            let shared = self.shared;
            shared.give_up.load(Ordering::SeqCst) || !hurry && shared.hurry.load(Ordering::SeqCst)
        };
        let answer = child.ask(request, file, limit, &stop);
        self.shared.child.store(0, Ordering::SeqCst);
        let answer = answer?;
        // What it remarks is about files that are not here: those who want lines will ask tidview.
        match answer.symbols() {
            Ok(symbols) if symbols.len() == count => Ok(Some(symbols)),
            Ok(_) => Err(Trouble::Harm("answered something else".into())),
            Err(_) => Ok(None),
        }
    }

    fn say(&mut self, batch: &Batch, what: &str) {
        if !std::mem::replace(&mut self.said, true) {
            let path = text::escape(batch.module.0.as_bytes());
            say(format_args!(
                "symbols of {path}: the process that looks them up {what}. Its functions have no names in \
                 the file (tidview symbolize can try again); the recording goes on"
            ));
        }
    }
}

fn request(batch: &Batch) -> Option<Request> {
    let path = String::from_utf8(batch.module.0.as_bytes().to_vec());
    let path = match (path, &batch.file) {
        (Ok(path), _) => path,
        // The child goes by the file.
        (Err(_), Some(_)) => String::new(),
        (Err(_), None) => return None,
    };
    let place = |place: &(_, u64, Trust)| (place.1, place.2);
    let places: Vec<_> = batch.places.iter().map(place).collect();
    Some(Request::new(path, batch.jit, &batch.module.1, &places))
}
