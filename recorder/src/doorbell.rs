//! The doorbell: wakes the tracer for whatever is not a report about a tracee.
//!
//! The tracer sleeps in `waitid(2)`, for a reason: the kernel wakes a sleeper there with the hint
//! that the stopping thread is about to give up its processor, so the tracer takes it over. A
//! tracer that sleeps for the `SIGCHLD` instead is woken on another, idle processor, which made
//! each creation 14 us slower in a virtual machine (Linux 6.18). But `waitid` cannot wait for
//! Ctrl-C, a timer, or an answer at the same time. So a thread of its own takes the signals that
//! end a recording and keeps the time, and rings: it sends the tracer a signal with an empty
//! handler, which makes `waitid` return. A ring that comes just before the tracer falls asleep
//! would be lost; so it rings again until the tracer has come.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use tidline::model::Time;

use crate::clock::Clock;
use crate::pipeline::queue::Desk;
use crate::source::ptrace::sys::{self, Arrived, ThreadId};
use crate::thread;

/// Between two rings.
const AGAIN: Duration = Duration::from_millis(1);

/// The tracer's end.
#[derive(Clone)]
pub(crate) struct Doorbell(Arc<Shared>);

struct Shared {
    clock: Clock,
    tracer: ThreadId,
    desk: Desk,
    state: Mutex<State>,
    /// Whether there is anything for the tracer to come for: what it looks at in between.
    rung: AtomicBool,
}

#[derive(Default)]
struct State {
    arrived: VecDeque<Arrived>,
    /// Why the recording is to end, if somebody asked for that.
    stop: Option<String>,
    /// Whether the tracer has yet to take that up.
    stop_is_new: bool,
    alarm: Option<Time>,
    /// The thread that rings, to be told of a new alarm.
    ringer: Option<ThreadId>,
    /// It is to end.
    closed: bool,
}

impl Doorbell {
    /// Starts the thread. Must be called by the tracer; `signals` must be blocked everywhere.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub(crate) fn start(signals: SigSet, clock: Clock, desk: Desk) -> io::Result<Self> {
        sys::make_ring_harmless();
        let tracer = sys::this_thread();
        let shared = Arc::new(Shared {
            clock,
            tracer,
            desk,
            state: Mutex::default(),
            rung: AtomicBool::default(),
        });
        let its = Arc::clone(&shared);
        thread::start("tidrec-signals", move || its.watch(signals))?;
        Ok(Doorbell(shared))
    }

    /// A signal that arrived.
    pub(crate) fn take(&self) -> Option<Arrived> {
        self.0.lock().arrived.pop_front()
    }

    /// Asks for the end of the recording: why.
    pub(crate) fn ask_to_stop(&self, why: String) {
        let mut state = self.0.lock();
        state.stop.get_or_insert(why);
        state.stop_is_new = true;
        drop(state);
        self.ring();
    }

    /// Whether somebody asked for the end since the last look.
    pub(crate) fn take_stop(&self) -> bool {
        std::mem::take(&mut self.0.lock().stop_is_new)
    }

    /// Why the recording is to end, if somebody asked for that.
    pub(crate) fn stop_asked(&self) -> Option<String> {
        self.0.lock().stop.clone()
    }

    /// Rings at a time, unless it is replaced before. `None`: not at all.
    pub(crate) fn set_alarm(&self, at: Option<Time>) {
        let mut state = self.0.lock();
        if state.alarm != at {
            state.alarm = at;
            if let Some(ringer) = state.ringer
                && at.is_some()
            {
                sys::nudge(ringer, ALARM_CHANGED);
            }
        }
    }

    /// Rings now.
    pub(crate) fn ring(&self) {
        self.0.rung.store(true, Ordering::SeqCst);
        if let Some(ringer) = self.0.lock().ringer {
            sys::nudge(ringer, ALARM_CHANGED);
        }
    }

    /// Ends the thread: from here on signals wait for the tracer itself, those that arrived and
    /// were not taken too.
    pub(crate) fn close(&self) {
        let mut state = self.0.lock();
        state.closed = true;
        for arrived in std::mem::take(&mut state.arrived) {
            self.0.pass_on(arrived);
        }
        drop(state);
        self.ring();
    }

    /// Whether it rang. From here on what rang before needs no further ring.
    pub(crate) fn answer(&self) -> bool {
        self.0.rung.load(Ordering::Relaxed) && self.0.rung.swap(false, Ordering::SeqCst)
    }
}

/// Makes the ringing thread look at its state again. It is one of those that it waits for.
const ALARM_CHANGED: Signal = Signal::SIGALRM;
/// Asks for a snapshot.
pub(crate) const SNAPSHOT: Signal = Signal::SIGUSR1;
/// Puts a note into the recording.
pub(crate) const MARK: Signal = Signal::SIGUSR2;

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self, mut signals: SigSet) {
        signals.add(ALARM_CHANGED);
        signals.add(SNAPSHOT);
        signals.add(MARK);
        self.lock().ringer = Some(sys::this_thread());
        loop {
            let arrived = sys::take_signal(&signals, self.time_to_sleep());
            let number = arrived.as_ref().map_or(0, |arrived| arrived.number);
            if number == SNAPSHOT as i32 {
                self.desk.snapshot("SIGUSR1".into());
            } else if number == MARK as i32 {
                self.desk.mark(b"SIGUSR2", || self.clock.now());
            }
            let mut state = self.lock();
            if state.closed {
                if let Some(arrived) = arrived {
                    self.pass_on(arrived);
                }
                return;
            }
            if let Some(arrived) = arrived
                && ![ALARM_CHANGED, SNAPSHOT, MARK]
                    .map(|signal| signal as i32)
                    .contains(&number)
            {
                state.arrived.push_back(arrived);
                self.rung.store(true, Ordering::SeqCst);
            }
            let due = state.alarm.is_some_and(|alarm| alarm <= self.clock.now());
            if due {
                self.rung.store(true, Ordering::SeqCst);
            }
            if self.rung.load(Ordering::SeqCst) {
                sys::ring(self.tracer);
            }
        }
    }

    fn pass_on(&self, arrived: Arrived) {
        if let Ok(signal) = Signal::try_from(arrived.number)
            && signal != ALARM_CHANGED
        {
            sys::nudge(self.tracer, signal);
        }
    }

    fn time_to_sleep(&self) -> Duration {
        let state = self.lock();
        if self.rung.load(Ordering::SeqCst) {
            return AGAIN;
        }
        match state.alarm {
            Some(alarm) => {
                Duration::from_nanos(alarm.0.saturating_sub(self.clock.now().0)).max(AGAIN)
            }
            // Long enough to cost nothing.
            None => Duration::from_secs(3600),
        }
    }
}
