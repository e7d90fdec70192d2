//! Signals that end the program or stop it: before they do, the terminal is given back.
//!
//! Most are noted. The loop of replay sees it, gives the terminal back, and the program ends by the
//! very signal that came. Those that tell of a crash wait for no loop: they give the terminal back
//! where they strike, by nothing but what signal-safety(7) allows, and end the program there.
//!
//! SIGSEGV is left to Rust, which has a stack of its own for it, and aborts when a thread's stack has
//! overflowed. Who sends one gets what every program in Rust does with it.

#[cfg(unix)]
pub(crate) use unix::Signals;

#[cfg(not(unix))]
pub(crate) use elsewhere::Signals;

#[cfg(unix)]
mod unix {
    use std::io;
    use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

    use rustix::stdio::{stdin, stdout};
    use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
    use signal_hook::consts::{
        SIGABRT, SIGALRM, SIGFPE, SIGHUP, SIGILL, SIGINT, SIGPROF, SIGQUIT, SIGSTOP, SIGSYS,
        SIGTERM, SIGTRAP, SIGTSTP, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU, SIGXFSZ,
    };
    use signal_hook::low_level::{emulate_default_handler, exit};
    use signal_hook_registry::register_signal_unchecked;

    use crate::replay::term;

    /// The first signal that is to end the program; 0 until there is one.
    static END: AtomicI32 = AtomicI32::new(0);
    /// Whether the program is to stop.
    static STOP: AtomicBool = AtomicBool::new(false);

    /// Signals that end a program which does not care for them. (Programs in Rust ignore SIGPIPE.)
    const ENDS: [i32; 11] = [
        SIGALRM, SIGHUP, SIGINT, SIGPROF, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGVTALRM, SIGXCPU,
        SIGXFSZ,
    ];
    /// Those that tell of a crash.
    const CRASHES: [i32; 5] = [SIGABRT, SIGFPE, SIGILL, SIGSYS, SIGTRAP];

    /// Those that Linux has beside them: SIGSTKFLT, SIGIO, SIGPWR and the real-time signals. See
    /// signal(7); the C library keeps the first two of these for itself.
    #[cfg(target_os = "linux")]
    fn others() -> impl Iterator<Item = i32> {
        [16, 29, 30].into_iter().chain(34..=64)
    }
    #[cfg(not(target_os = "linux"))]
    fn others() -> impl Iterator<Item = i32> {
        std::iter::empty()
    }

    /// A bus error is a crash; elsewhere it is how a stack overflows, as SIGSEGV is.
    #[cfg(target_os = "linux")]
    const BUS: Option<i32> = Some(signal_hook::consts::SIGBUS);
    #[cfg(not(target_os = "linux"))]
    const BUS: Option<i32> = None;

    /// Signals that want the terminal given back first. There is one set of them in a program.
    #[derive(Clone, Debug)]
    pub(crate) struct Signals(());

    impl Signals {
        /// From here on they are handled. The terminal is not taken yet, and `leave` is what is
        /// written to it to give it back.
        pub(crate) fn note(leave: Vec<u8>) -> io::Result<Signals> {
            let modes = tcgetattr(stdin())?;
            for signal in ENDS {
                at(signal, move || come(signal))?;
            }
            for signal in others() {
                // Not every C library leaves the same ones.
                let _ = at(signal, move || come(signal));
            }
            for signal in CRASHES.into_iter().chain(BUS) {
                let (leave, modes) = (leave.clone(), modes.clone());
                at(signal, move || {
                    // A terminal that takes nothing does not keep it from ending: see `term::watch`.
                    come(signal);
                    if term::gives_back() {
                        give_back(&leave, &modes);
                    }
                    end_by(signal);
                })?;
            }
            at(SIGTSTP, || STOP.store(true, Ordering::SeqCst))?;
            Ok(Signals(()))
        }

        /// Whether one has come that is to end the program.
        pub(crate) fn has_come(&self) -> bool {
            END.load(Ordering::SeqCst) > 0
        }

        /// Whether the program was to stop since this was asked last.
        pub(crate) fn is_to_stop(&self) -> bool {
            STOP.swap(false, Ordering::SeqCst)
        }

        /// Ends the program as the signal ends any; where none has come, as if the terminal's end
        /// had been told.
        pub(crate) fn end(&self) -> ! {
            match END.load(Ordering::SeqCst) {
                0 => end_by(SIGHUP),
                signal => end_by(signal),
            }
        }

        /// Stops the program, as Ctrl-Z does.
        pub(crate) fn suspend(&self) {
            let _ = emulate_default_handler(SIGSTOP);
        }
    }

    #[allow(unsafe_code, reason = "signals cannot be handled without")]
    fn at(signal: i32, action: impl Fn() + Send + Sync + 'static) -> io::Result<()> {
        // SAFETY: all actions above do only what signal-safety(7) allows: they read and write
        // atomics, call tcsetattr, write, sigaction, raise and _exit, and take no lock nor memory.
        unsafe { register_signal_unchecked(signal, action) }.map(drop)
    }

    fn come(signal: i32) {
        let _ = END.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// What goes wrong is left: there is nobody to tell.
    fn give_back(leave: &[u8], modes: &Termios) {
        let _ = tcsetattr(stdin(), OptionalActions::Now, modes);
        let _ = rustix::io::write(stdout(), leave);
    }

    /// Ends the program as a signal does that nobody handles, or with a shell's status of one that is
    /// too rare to be known.
    fn end_by(signal: i32) -> ! {
        let _ = emulate_default_handler(signal);
        exit(128 + signal)
    }
}

#[cfg(not(unix))]
mod elsewhere {
    use std::{io, process};

    /// There are none.
    #[derive(Clone, Debug)]
    pub(crate) struct Signals;

    impl Signals {
        pub(crate) fn note(_leave: Vec<u8>) -> io::Result<Signals> {
            Ok(Signals)
        }

        pub(crate) fn has_come(&self) -> bool {
            false
        }

        pub(crate) fn is_to_stop(&self) -> bool {
            false
        }

        pub(crate) fn end(&self) -> ! {
            process::exit(2)
        }

        pub(crate) fn suspend(&self) {}
    }
}
