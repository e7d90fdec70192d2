//! Signal names by their Linux numbers (signal(7)), the same on x86-64 and aarch64.

use std::borrow::Cow;

const NAMES: [&str; 32] = [
    "SIG0",
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
];

/// A signal's name: `SIGKILL`, or `SIGRT3` for the kernel's third real-time signal (32 is
/// `SIGRT0`; a C library keeps the first few for itself, so its `SIGRTMIN` is higher).
///
/// ```
/// assert_eq!(tidline::model::signal_name(9), "SIGKILL");
/// assert_eq!(tidline::model::signal_name(34), "SIGRT2");
/// ```
#[must_use]
pub fn signal_name(number: u8) -> Cow<'static, str> {
    match NAMES.get(usize::from(number)) {
        Some(name) => Cow::Borrowed(name),
        None => Cow::Owned(format!("SIGRT{}", number - 32)),
    }
}
