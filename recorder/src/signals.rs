//! What tidrec does with signals to itself: those that end a recording wait until it is ready for
//! them, and none may leave the target standing.

use nix::sys::signal::{SigSet, SigmaskHow, Signal};

use crate::doorbell;
use crate::source::ptrace::sys;

/// The signals that the recording takes from a queue of its own instead of being interrupted.
pub(crate) struct Signals {
    /// The mask as it was: a launched command gets it.
    pub(crate) before: SigSet,
    /// Those that end a recording.
    pub(crate) waited: SigSet,
    /// What we ignore, and was not ignored before: a launched command gets the default.
    pub(crate) ignored_by_us: Vec<Signal>,
}

impl Signals {
    /// Blocks them, in every thread that is started from here on.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(crate) fn block(attaching: bool) -> nix::Result<Self> {
        sys::hear_of_children();
        let mut waited = stop_signals();
        if sys::is_ignored(libc::SIGHUP) {
            waited.remove(Signal::SIGHUP); // nohup(1): the end of the terminal is not ours.
        }
        let mut blocked = waited;
        blocked.add(Signal::SIGCHLD);
        blocked.add(Signal::SIGALRM);
        blocked.add(doorbell::SNAPSHOT);
        blocked.add(doorbell::MARK);
        let before = blocked.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        // A background process that writes to its terminal, and a file over `ulimit -f`, get an
        // error instead of a signal that stops or ends us.
        let mut ignored_by_us = vec![Signal::SIGTTIN, Signal::SIGTTOU, Signal::SIGXFSZ];
        if attaching {
            // A stopped tracer would leave the target standing at its next creation. (A launched
            // command is in our process group: Ctrl-Z stops both, and fg continues both.)
            ignored_by_us.push(Signal::SIGTSTP);
        }
        ignored_by_us.retain(|signal| sys::ignore(*signal));
        if !sys::pipe_was_ignored() {
            ignored_by_us.push(Signal::SIGPIPE); // Rust's runtime ignores it.
        }
        Ok(Signals {
            before,
            waited,
            ignored_by_us,
        })
    }
}

/// The signals that end a recording.
fn stop_signals() -> SigSet {
    [
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGQUIT,
    ]
    .into_iter()
    .collect()
}
