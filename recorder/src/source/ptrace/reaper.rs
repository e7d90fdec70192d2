//! Reaping while seizing: the way out of the exec deadlock.
//!
//! `PTRACE_SEIZE` waits for the target's `cred_guard_mutex`. A thread of the target that is in
//! execve(2) holds it, and waits there until all its siblings have ended *and been reaped*: by
//! us, if we have seized them. The one thread that may seize is then asleep in the kernel, and no
//! signal wakes it. Reaping needs no tracer's thread, though: any thread of the tracer's process
//! may call `waitid(2)`. So while an attach goes on, this helper watches for a seize that takes
//! long, and reaps what has ended.
//!
//! Example: target with threads A (leader), B and C; we seized A and B, then C execs. Our seize of
//! C sleeps; C sleeps until B is reaped. (Linux 6.18; the kernel's `vmaccess` ptrace selftest.)

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tidline::model::Tid;

use super::sys::{self, Take};
use super::wait::{Change, Report};
use crate::thread;

/// A seize that takes longer than this is thought to wait for an exec, ms. It takes 3 us else.
const PATIENCE_MS: u64 = 10;

/// The helper of one attach.
pub(super) struct Reaper {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Option<()>>>,
}

#[derive(Default)]
struct Shared {
    /// Counts seizes; odd while one is under way.
    seizes: AtomicU64,
    done: AtomicBool,
    seized: Mutex<Vec<Tid>>,
    reaped: Mutex<Vec<Report>>,
}

impl Reaper {
    pub(super) fn start() -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let its = Arc::clone(&shared);
        let thread = thread::start("tidrec-reaper", move || its.watch())?;
        Ok(Reaper {
            shared,
            thread: Some(thread),
        })
    }

    /// Runs a seize under the helper's eyes.
    pub(super) fn guard<T>(&self, seize: impl FnOnce() -> T) -> T {
        self.shared.seizes.fetch_add(1, Ordering::SeqCst);
        let result = seize();
        // Waits for a reaping that has begun, so that what it took is there for `reaped`.
        let _none_begins = lock(&self.shared.seized);
        self.shared.seizes.fetch_add(1, Ordering::SeqCst);
        result
    }

    /// A thread was seized: it may have to be reaped.
    pub(super) fn watch_over(&self, tid: Tid) {
        lock(&self.shared.seized).push(tid);
    }

    /// The ends that the helper took, for the tracker to hear of.
    pub(super) fn reaped(&self) -> Vec<Report> {
        std::mem::take(
            &mut *self
                .shared
                .reaped
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        self.shared.done.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn watch(&self) {
        let mut seen = 0;
        while !self.done.load(Ordering::SeqCst) {
            std::thread::park_timeout(Duration::from_millis(PATIENCE_MS));
            let now = self.seizes.load(Ordering::SeqCst);
            if now % 2 == 1 && now == seen {
                self.reap(now);
            }
            seen = now;
        }
    }

    /// Reaps by TID: a wait for any tracee would take stops too, and with them their signals.
    fn reap(&self, seize: u64) {
        let mut seized = lock(&self.seized);
        if self.seizes.load(Ordering::SeqCst) != seize {
            return; // It is over: the tracer reaps for itself.
        }
        seized.retain(|tid| match sys::wait(Some(*tid), Take::Peek) {
            Ok(Some(
                report @ Report {
                    what: Change::Ended(_),
                    ..
                },
            )) => {
                let _ = sys::wait(Some(*tid), Take::Reap);
                lock(&self.reaped).push(report);
                false
            }
            _ => true,
        });
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
