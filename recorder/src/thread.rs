//! Threads of our own, on a machine that may have no room for one more just then.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// A machine short of TIDs or memory is what a recorder is called to. Others give theirs back all
/// the time, so it waits so long for one.
const PATIENCE: Duration = Duration::from_secs(1);
const BETWEEN_TRIES: Duration = Duration::from_millis(2);

/// Ours do little, and nothing deep.
const STACK: usize = 256 << 10;

/// Starts a thread. It gives what `work` gives: always `Some`.
///
/// # Errors
/// If the kernel refuses, for as long as our patience lasts (`EAGAIN`: pthread_create(3)).
pub(crate) fn start<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<Option<T>>> {
    let since = Instant::now();
    // A start that fails drops what it was to run. So that is kept here, for the one that succeeds.
    let work = Arc::new(Mutex::new(Some(work)));
    loop {
        let its = Arc::clone(&work);
        let started = Builder::new()
            .name(name.into())
            .stack_size(STACK)
            .spawn(move || {
                let work = its.lock().unwrap_or_else(PoisonError::into_inner).take();
                work.map(|work| work())
            });
        match started {
            Err(error)
                if error.kind() == io::ErrorKind::WouldBlock && since.elapsed() < PATIENCE =>
            {
                std::thread::sleep(BETWEEN_TRIES);
            }
            started => return started,
        }
    }
}
