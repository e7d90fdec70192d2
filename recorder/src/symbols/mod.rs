//! Symbols: what the frames of stacks mean, looked up while the recording goes on.
//!
//! Debug information is large, and the files that it is in are the recorded program's: they may be
//! hostile. So it is neither read by the tracer's thread nor in this process's memory, but by a child of
//! the lowest priority that may end ([`child`]). A thread of its own talks to it:
//!
//! ```text
//! writer ── want(frame) ──► batches by module ──► thread ══ requests, open files ══► child
//!        ◄── take() ─────── symbols ◄───────────────────═══ answers ═════════════════
//! ```
//!
//! The child is started by that thread, so that the tracer, who waits for what is its own alone, does
//! not hear of it ([`Take::PeekOwn`](crate::source::ptrace::sys::Take)).

mod batches;
mod child;
mod lookup;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tidline::model::{Frame, FrameId, Module, Symbol};

use crate::cli::SymbolMode;
use crate::say::say;
use crate::thread;
use batches::State;
pub(crate) use child::{is_child, run_child};
use lookup::{Program, Shared};

/// So often the end of a recording looks whether it is to wait no longer.
const SLICE: Duration = Duration::from_millis(50);

/// The look-up of a recording's symbols.
#[derive(Debug)]
pub(crate) struct Symbols {
    mode: SymbolMode,
    program: Program,
    shared: Arc<Shared>,
    started: bool,
}

impl Symbols {
    /// Starts nothing until something is wanted.
    pub(crate) fn new(mode: SymbolMode) -> Self {
        Symbols::with(mode, Program::tidrec())
    }

    fn with(mode: SymbolMode, program: Program) -> Self {
        Symbols {
            mode,
            program,
            shared: Arc::default(),
            started: false,
        }
    }

    /// Asks for a frame's symbol, once. `file` is the module's file, or that of a JIT compiler's list
    /// (`/tmp/perf-PID.map`); without it the module is looked for by its path, if its build-id
    /// can tell that it is the same.
    pub(crate) fn want(
        &mut self,
        frame: FrameId,
        frame_data: Frame,
        module: &Module,
        file: Option<Arc<File>>,
    ) {
        if self.mode == SymbolMode::None {
            return;
        }
        self.state()
            .want((frame, frame_data.address, frame_data.trust), module, file);
        if self.mode == SymbolMode::Record {
            self.start();
        }
    }

    /// The symbols that were found since this was last asked.
    pub(crate) fn take(&mut self) -> Vec<(FrameId, Symbol)> {
        std::mem::take(&mut self.state().found)
    }

    /// Looks the rest up, with all haste: nothing is recorded any more. It ends at the limit, and when
    /// `hurries` says so; where there is no processor to be had, which does not count, at the second
    /// limit. The symbols that were not
    /// taken; and of how many frames none was found out, because time was over or their module's
    /// file could not be read without harm.
    pub(crate) fn finish(
        mut self,
        (limit, at_most): (Duration, Duration),
        hurries: impl Fn() -> bool,
    ) -> (Vec<(FrameId, Symbol)>, u64) {
        let since = Instant::now();
        self.state().close();
        self.shared.hurry.store(true, Ordering::SeqCst);
        if self.state().waiting() > 0 {
            self.start();
        }
        let mut state = self.state();
        while state.waiting() > 0 {
            let limit = (limit + self.shared.starved()).min(at_most);
            let left = limit.saturating_sub(since.elapsed());
            if left.is_zero() || hurries() {
                break;
            }
            let waited = self.shared.changed.wait_timeout(state, left.min(SLICE));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        (std::mem::take(&mut state.found), state.unresolved())
    }

    fn start(&mut self) {
        self.shared.wake.notify_all();
        if self.started {
            return;
        }
        self.started = true;
        let (shared, program) = (Arc::clone(&self.shared), self.program.clone());
        let work = move || lookup::run(&shared, program);
        if let Err(error) = thread::start("tidrec-symbols", work) {
            say(format_args!("symbols cannot be looked up: {error}"));
            self.state().give_up();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl Drop for Symbols {
    fn drop(&mut self) {
        self.state().give_up();
        self.shared.give_up.store(true, Ordering::SeqCst);
        self.shared.wake.notify_all();
    }
}
