//! Signals that end the program or stop it: before they do, the terminal is given back.
//!
//! Most are noted. The loop of replay sees it, gives the terminal back, and the program ends by the
//! very signal that came. Those that tell of a crash wait for no loop: they give the terminal back
//! where they strike, by nothing but what signal-safety(7) allows, and end the program there.

#[cfg(unix)]
pub(crate) use unix::Signals;

#[cfg(not(unix))]
pub(crate) use elsewhere::Signals;

#[cfg(unix)]
#[allow(unsafe_code, reason = "signals cannot be handled without")]
mod unix {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
    use std::{io, mem, ptr};

    use libc::{c_int, c_void, siginfo_t};

    use crate::replay::term;

    /// The first signal that is to end the program; 0 until there is one.
    static END: AtomicI32 = AtomicI32::new(0);
    /// Whether the program is to stop.
    static STOP: AtomicBool = AtomicBool::new(false);
    /// What a crash puts back.
    static BEFORE: OnceLock<Before> = OnceLock::new();

    /// Signals that tell of a crash.
    const CRASHES: [c_int; 7] = [
        libc::SIGABRT,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGILL,
        libc::SIGSEGV,
        libc::SIGSYS,
        libc::SIGTRAP,
    ];
    /// Those whose instruction is tried again when the handler returns.
    const FAULTS: [c_int; 4] = [libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGSEGV];

    /// Signals that want the terminal given back first. There is one set of them in a program.
    #[derive(Clone, Debug)]
    pub(crate) struct Signals(());

    struct Before {
        /// What gives the terminal's screen back.
        leave: Vec<u8>,
        modes: libc::termios,
        handlers: Vec<(c_int, libc::sigaction)>,
    }

    impl Signals {
        /// From here on they are handled. The terminal is not taken yet, and `leave` is what is
        /// written to it to give it back.
        pub(crate) fn note(leave: Vec<u8>) -> io::Result<Signals> {
            // SAFETY: all of it is numbers, of which 0 is one.
            let mut modes: libc::termios = unsafe { mem::zeroed() };
            // SAFETY: `modes` is written to, and outlives the call.
            done(unsafe { libc::tcgetattr(libc::STDIN_FILENO, &raw mut modes) })?;
            let mut handlers = Vec::new();
            for signal in CRASHES {
                handlers.push((signal, handler(signal)?));
            }
            // Before the first of them can strike.
            BEFORE.get_or_init(|| Before {
                leave,
                modes,
                handlers,
            });
            for signal in signals().filter(|signal| *signal == libc::SIGTSTP || ends(*signal)) {
                // What is ignored ends nothing: of nohup, say, and SIGPIPE of each Rust program.
                if handler(signal)?.sa_sigaction != libc::SIG_IGN {
                    handle(signal)?;
                }
            }
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
                0 => end_by(libc::SIGHUP),
                signal => end_by(signal),
            }
        }

        /// Stops the program, as Ctrl-Z does.
        pub(crate) fn suspend(&self) {
            // SAFETY: it has no conditions.
            unsafe { libc::raise(libc::SIGSTOP) };
        }
    }

    fn done(result: c_int) -> io::Result<()> {
        match result {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// All that there are, but for those that the C library keeps for itself.
    fn signals() -> impl Iterator<Item = c_int> {
        #[cfg(target_os = "linux")]
        let more = libc::SIGRTMIN()..=libc::SIGRTMAX();
        #[cfg(not(target_os = "linux"))]
        let more = std::iter::empty();
        (1..32).chain(more)
    }

    /// Whether a signal ends a program that does not care for it, and may be cared for.
    fn ends(signal: c_int) -> bool {
        #[cfg(any(target_vendor = "apple", target_os = "freebsd", target_os = "netbsd"))]
        if signal == libc::SIGINFO {
            return false;
        }
        !matches!(
            signal,
            libc::SIGKILL
                | libc::SIGSTOP
                | libc::SIGTSTP
                | libc::SIGTTIN
                | libc::SIGTTOU
                | libc::SIGCHLD
                | libc::SIGCONT
                | libc::SIGURG
                | libc::SIGWINCH
        )
    }

    /// What is done at a signal by now.
    fn handler(signal: c_int) -> io::Result<libc::sigaction> {
        // SAFETY: all of it is numbers, and a pointer that may be null.
        let mut handler: libc::sigaction = unsafe { mem::zeroed() };
        // SAFETY: nothing is set, and `handler` is written to and outlives the call.
        done(unsafe { libc::sigaction(signal, ptr::null(), &raw mut handler) })?;
        Ok(handler)
    }

    fn handle(signal: c_int) -> io::Result<()> {
        let (handler, flags) = match CRASHES.contains(&signal) {
            true => {
                let handler = crashed as extern "C" fn(c_int, *mut siginfo_t, *mut c_void);
                // A stack that overflows has no room for it.
                (handler as usize, libc::SA_SIGINFO | libc::SA_ONSTACK)
            }
            false => (
                noted as extern "C" fn(c_int) as usize,
                libc::SA_RESTART | libc::SA_ONSTACK,
            ),
        };
        // SAFETY: all of it is numbers, and a pointer that may be null; an empty mask is zeros.
        let mut action: libc::sigaction = unsafe { mem::zeroed() };
        action.sa_sigaction = handler;
        action.sa_flags = flags;
        // SAFETY: both handlers are of the kind that their flags say, and do only what
        // signal-safety(7) allows.
        done(unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) })
    }

    extern "C" fn noted(signal: c_int) {
        if signal == libc::SIGTSTP {
            STOP.store(true, Ordering::SeqCst);
        } else {
            let _ = END.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
        }
    }

    extern "C" fn crashed(signal: c_int, info: *mut siginfo_t, _: *mut c_void) {
        // A terminal that takes nothing does not keep it from ending: see `term::watch`.
        noted(signal);
        let before = BEFORE.get();
        if let Some(before) = before.filter(|_| term::gives_back()) {
            before.give_back();
        }
        // SAFETY: the kernel gives it to every handler with SA_SIGINFO.
        let is_fault = unsafe { (*info).si_code } > 0 && FAULTS.contains(&signal);
        let mut former = before.iter().flat_map(|before| &before.handlers);
        match former.find(|(number, _)| *number == signal) {
            // It comes again as soon as this returns, to whoever was here before: Rust's own
            // handler says of a stack that overflowed that it did.
            Some((_, former)) if is_fault => {
                // SAFETY: this is what was set before.
                unsafe { libc::sigaction(signal, &raw const *former, ptr::null_mut()) };
            }
            // What somebody sent does not come again.
            _ => end_by(signal),
        }
    }

    impl Before {
        fn give_back(&self) {
            // What goes wrong is left: there is nobody to tell.
            // SAFETY: `modes` and `leave` outlive the calls.
            unsafe {
                libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, &raw const self.modes);
                libc::write(
                    libc::STDOUT_FILENO,
                    self.leave.as_ptr().cast(),
                    self.leave.len(),
                );
            }
        }
    }

    /// Ends the program as a signal does that nobody handles.
    fn end_by(signal: c_int) -> ! {
        // SAFETY: `set` is written to before it is read, and outlives the calls; all of them may be
        // called in a handler.
        unsafe {
            let mut set: libc::sigset_t = mem::zeroed();
            libc::sigemptyset(&raw mut set);
            libc::sigaddset(&raw mut set, signal);
            libc::signal(signal, libc::SIG_DFL);
            libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, ptr::null_mut());
            libc::raise(signal);
            // Not reached, if the signal ends anything.
            libc::_exit(128 + signal)
        }
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
