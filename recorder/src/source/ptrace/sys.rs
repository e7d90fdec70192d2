//! Raw system calls: those of tracing, and what is of use everywhere. Together with the perf source's
//! `sys.rs` this is all of the recorder's `unsafe`.
//!
//! nix serves where it can. These cannot go through it: its wait functions refuse real-time
//! signals *after* consuming the status (the tracee then stays stopped), its `cont` and
//! `detach` cannot carry one, and it has neither `sigtimedwait` nor a register read that tells
//! a 32-bit tracee from a 64-bit one.
#![allow(unsafe_code)]

use std::ffi::{CString, c_void};
use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal};
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use nix::unistd::ForkResult;
use tidline::model::Tid;

use super::wait::{self, Report};

/// What to wait for: `waitid(2)`'s flags in words.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Take {
    /// Look at the next stop or exit and leave it there.
    ///
    /// A stop that may hold a signal is never consumed: were tidrec killed between taking the
    /// status and resuming the thread, the signal would be lost, since the kernel forgets its
    /// number when the status is taken (`wait_task_stopped`, Linux 6.18). A thread that is
    /// resumed or listening is not reported again.
    Peek,
    /// The same, of what is the calling thread's alone: whoever looks for any report does not see those
    /// of processes that another thread has started and waits for.
    PeekOwn,
    /// Take a stop that holds no signal: of a thread that stays stopped, which else would be
    /// reported for ever, and of an exec, after which the kernel demands it.
    ConsumeStop,
    /// Take an exit: the zombie goes to its real parent, or away. Only for a TID that is known
    /// to have ended: stops of tracees are reported, and consumed, whether `WSTOPPED` is asked
    /// for or not (`wait_task_stopped`, Linux 6.18).
    Reap,
}

const PEEK: i32 = libc::WEXITED | libc::WSTOPPED | libc::WNOWAIT;

/// `waitid(2)` without blocking: on one thread, or on any tracee or child (`None`).
pub(crate) fn wait(on: Option<Tid>, take: Take) -> io::Result<Option<Report>> {
    let on = match on {
        Some(tid) => (libc::P_PID, tid.0),
        None => (libc::P_ALL, 0),
    };
    let flags = match take {
        Take::Peek => PEEK,
        Take::PeekOwn => PEEK | libc::__WNOTHREAD,
        Take::ConsumeStop => libc::WSTOPPED,
        Take::Reap => libc::WEXITED,
    };
    loop {
        match wait_id(on, flags | libc::WNOHANG) {
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => {}
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => return Ok(None),
            result => return result,
        }
    }
}

/// Looks at the next report about any tracee or child, and sleeps until there is one.
///
/// # Errors
/// `EINTR` when the [doorbell](crate::doorbell) rang, `ECHILD` when there is nothing to wait for.
pub(crate) fn wait_for_any() -> io::Result<Option<Report>> {
    // Tracees are the calling thread's: no other has any to be looked at.
    wait_id((libc::P_ALL, 0), PEEK | libc::__WNOTHREAD)
}

fn wait_id((idtype, id): (libc::idtype_t, u32), flags: i32) -> io::Result<Option<Report>> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let flags = flags | libc::__WALL;
    let no_usage = ptr::null_mut::<libc::rusage>();
    // Not by the C library, whose waitid is a cancellation point: in a program with threads that
    // costs more than the call.
    // SAFETY: `info` is valid for the write of one siginfo_t; the null pointer is allowed.
    let result = unsafe {
        libc::syscall(
            libc::SYS_waitid,
            idtype,
            id,
            info.as_mut_ptr(),
            flags,
            no_usage,
        )
    };
    if result == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zeroed, and written by the kernel where it had something to report; an all-zero
    // siginfo_t is valid, and means that there was nothing (waitid(2)).
    let info = unsafe { info.assume_init() };
    // SAFETY: waitid fills the SIGCHLD members; reading them in a zeroed one gives 0.
    let (tid, status) = unsafe { (info.si_pid(), info.si_status()) };
    Ok((tid != 0).then(|| wait::decode(tid as u32, info.si_code, status)))
}

fn request(request: libc::c_uint, tid: Tid, address: usize, data: usize) -> io::Result<()> {
    // SAFETY: the requests used here take no pointers into our memory except those that
    // `register_set` and `syscall_info` pass, which are valid for the call.
    let result = unsafe {
        libc::ptrace(
            request,
            tid.0 as libc::pid_t,
            address as *mut c_void,
            data as *mut c_void,
        )
    };
    if result == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Resumes a stopped tracee; `signal` (any number, 0 for none) is delivered to it.
pub(crate) fn resume(tid: Tid, signal: i32) -> io::Result<()> {
    request(libc::PTRACE_CONT, tid, 0, signal as usize)
}

/// The same, until its next entry into a system call or its next exit from one.
pub(crate) fn resume_to_call(tid: Tid, signal: i32) -> io::Result<()> {
    request(libc::PTRACE_SYSCALL, tid, 0, signal as usize)
}

/// What a tracee does that stopped at a system call: `struct ptrace_syscall_info` (Linux 5.3).
pub(crate) fn syscall_info(tid: Tid, buffer: &mut [u8]) -> io::Result<()> {
    const PTRACE_GET_SYSCALL_INFO: libc::c_uint = 0x420e;
    request(
        PTRACE_GET_SYSCALL_INFO,
        tid,
        buffer.len(),
        buffer.as_mut_ptr() as usize,
    )
}

/// Lets a stopped tracee go; `signal` (any number, 0 for none) is delivered to it.
pub(crate) fn detach(tid: Tid, signal: i32) -> io::Result<()> {
    request(libc::PTRACE_DETACH, tid, 0, signal as usize)
}

/// Keeps a tracee in its group-stop, so that `SIGCONT` ends it as it would without us.
pub(crate) fn listen(tid: Tid) -> io::Result<()> {
    request(libc::PTRACE_LISTEN, tid, 0, 0)
}

/// The general registers (`NT_PRSTATUS`) as the kernel lays them out for the tracee's own
/// architecture: the length tells a 32-bit tracee from a 64-bit one.
pub(crate) fn register_set(tid: Tid, buffer: &mut [u8]) -> io::Result<usize> {
    const NT_PRSTATUS: usize = 1;
    let mut io_vector = libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    };
    request(
        libc::PTRACE_GETREGSET,
        tid,
        NT_PRSTATUS,
        ptr::from_mut(&mut io_vector) as usize,
    )?;
    Ok(io_vector.iov_len.min(buffer.len()))
}

/// A signal taken from those that wait for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) number: i32,
    /// The sender's TID, or for `SIGCHLD` the task that changed. 0 where the kernel sent it.
    pub(crate) from: u32,
    /// The kernel sent it, as it does for Ctrl-C at a terminal: the terminal's whole foreground
    /// process group got it.
    pub(crate) by_kernel: bool,
}

/// Takes one of the blocked signals in `set`, waiting at most `limit`.
pub(crate) fn take_signal(set: &SigSet, limit: Duration) -> Option<Arrived> {
    let limit = libc::timespec {
        tv_sec: limit.as_secs() as libc::time_t,
        tv_nsec: limit.subsec_nanos() as libc::c_long,
    };
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    // SAFETY: all three point to valid values for the call.
    let number = unsafe { libc::sigtimedwait(set.as_ref(), info.as_mut_ptr(), &raw const limit) };
    if number <= 0 {
        return None;
    }
    // SAFETY: a signal arrived, so the kernel filled `info`; zeroed before.
    let info = unsafe { info.assume_init() };
    // SAFETY: si_pid is filled for kill, tgkill, sigqueue and SIGCHLD, and else reads as 0 or as
    // a value that only serves as a hint.
    let from = unsafe { info.si_pid() } as u32;
    let by_kernel = info.si_code == libc::SI_KERNEL;
    Some(Arrived {
        number,
        from,
        by_kernel,
    })
}

/// Lets other threads go first (setpriority(2), which on Linux is about one thread).
pub(crate) fn be_nice() {
    // SAFETY: no memory is involved; 0 is the calling thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 10) };
}

/// Makes this process one that is in nobody's way: the lowest priority, no core file, bounded memory,
/// signals as they come, and an end when the thread that started it ends. For one that is alone.
pub(crate) fn stand_back(idle: bool, most_memory: u64) {
    for signal in 1..=libc::SIGRTMAX() {
        // Rust's runtime ignores SIGPIPE, so that a write to a closed pipe is an error.
        if signal != libc::SIGPIPE {
            // SAFETY: a default disposition; no handler of ours is replaced.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
    }
    let limit = |resource, most: u64| {
        let limit = libc::rlimit {
            rlim_cur: most as libc::rlim_t,
            rlim_max: most as libc::rlim_t,
        };
        // SAFETY: `limit` is valid for the read.
        unsafe { libc::setrlimit(resource, &raw const limit) };
    };
    limit(libc::RLIMIT_CORE, 0);
    limit(libc::RLIMIT_AS, most_memory);
    let none = libc::sched_param { sched_priority: 0 };
    // SAFETY: system calls on plain numbers, on a valid `none`, and on a string that ends with NUL.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, if idle { 19 } else { 10 });
        if idle {
            libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const none);
        }
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::prctl(libc::PR_SET_NAME, c"tidrec-symbols".as_ptr());
    }
}

/// Sends bytes, and a file with the first of them; how many were sent.
pub(crate) fn send_with_file(
    socket: &UnixStream,
    bytes: &[u8],
    file: Option<&File>,
) -> io::Result<usize> {
    let files: Vec<RawFd> = file.iter().map(|file| file.as_raw_fd()).collect();
    let rights = [ControlMessage::ScmRights(&files)];
    let controls = if files.is_empty() { &[] } else { &rights[..] };
    let parts = [IoSlice::new(bytes)];
    let flags = MsgFlags::MSG_NOSIGNAL;
    Ok(sendmsg::<()>(
        socket.as_raw_fd(),
        &parts,
        controls,
        flags,
        None,
    )?)
}

/// Receives some bytes, and the file that was sent with them; 0 at the end.
pub(crate) fn receive_with_file(
    socket: &UnixStream,
    bytes: &mut [u8],
) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = nix::cmsg_space!(RawFd);
    let mut parts = [IoSliceMut::new(bytes)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let got = recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags)?;
    let mut file = None;
    for control in got.cmsgs()? {
        if let ControlMessageOwned::ScmRights(numbers) = control {
            for number in numbers {
                // SAFETY: the kernel has just opened it for us, and nobody else knows of it.
                file = Some(unsafe { OwnedFd::from_raw_fd(number) });
            }
        }
    }
    Ok((got.bytes, file))
}

/// Lets the calling thread go first, where that is permitted.
pub(crate) fn hurry() {
    // SAFETY: no memory is involved; 0 is the calling thread.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, -15) };
}

/// Ignores a signal; whether that is new.
pub(crate) fn ignore(signal: Signal) -> bool {
    // SAFETY: no handler of ours is installed or replaced.
    let before = unsafe { nix::sys::signal::signal(signal, SigHandler::SigIgn) };
    !matches!(before, Ok(SigHandler::SigIgn))
}

/// Whether a signal is ignored, as nohup(1) and `trap ''` in a shell arrange it.
pub(crate) fn is_ignored(signal: libc::c_int) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: changes nothing; `action` is valid for the write, and zeroed for the case of none.
    unsafe {
        libc::sigaction(signal, ptr::null(), action.as_mut_ptr());
        action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}

/// Whether `SIGPIPE` was ignored when we were started. Rust's runtime ignores it before `main`.
pub(crate) fn pipe_was_ignored() -> bool {
    PIPE_WAS_IGNORED.load(Ordering::Relaxed)
}

static PIPE_WAS_IGNORED: AtomicBool = AtomicBool::new(false);

static CHLD_WAS_IGNORED: AtomicBool = AtomicBool::new(false);

/// Makes the kernel send `SIGCHLD` again, if it was ignored when we were started (as exec leaves it):
/// without it nobody says that a tracee has stopped. A launched command gets it ignored.
pub(crate) fn hear_of_children() {
    let ignored = is_ignored(libc::SIGCHLD);
    CHLD_WAS_IGNORED.store(ignored, Ordering::Relaxed);
    if ignored {
        // SAFETY: a default disposition; no handler of ours is replaced.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    }
}

extern "C" fn look_at_sigpipe() {
    PIPE_WAS_IGNORED.store(is_ignored(libc::SIGPIPE), Ordering::Relaxed);
}

/// Runs before Rust's runtime, as a C constructor does.
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK_AT_SIGPIPE: extern "C" fn() = look_at_sigpipe;

/// Takes a variable out of the environment, so that a command does not inherit it. Only for a
/// program that has no other thread yet.
pub(crate) fn take_variable(name: &str) -> Option<std::ffi::OsString> {
    let value = std::env::var_os(name)?;
    // SAFETY: there is one thread, so nobody reads the environment meanwhile.
    unsafe { std::env::remove_var(name) };
    Some(value)
}

/// The limit on open files that we were started with.
static FILES_BEFORE: OnceLock<libc::rlimit> = OnceLock::new();

/// Raises the limit on our open files as far as we may: a snapshot keeps its files open while it is
/// written. What we start gets back what we were started with.
pub(crate) fn raise_file_limit() {
    if let Some(limit) = file_limit()
        && limit.rlim_cur < limit.rlim_max
    {
        let _ = FILES_BEFORE.set(limit);
        let raised = libc::rlimit {
            rlim_cur: limit.rlim_max,
            ..limit
        };
        // SAFETY: reads a valid limit. A refusal leaves what there is.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raised) };
    }
}

/// How many files we may have open.
pub(crate) fn most_open_files() -> u64 {
    file_limit().map_or(u64::MAX, |limit| limit.rlim_cur)
}

fn file_limit() -> Option<libc::rlimit> {
    let mut limit = MaybeUninit::<libc::rlimit>::zeroed();
    // SAFETY: `limit` is valid for the write of one limit.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, limit.as_mut_ptr()) };
    // SAFETY: zeroed, and written by the kernel where it succeeded; all zeros are valid.
    (result == 0).then(|| unsafe { limit.assume_init() })
}

/// Gives a process, which is about to become a command, the limit that we were started with.
fn restore_file_limit() {
    if let Some(limit) = FILES_BEFORE.get() {
        // SAFETY: reads a valid limit; async-signal-safe.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, limit) };
    }
}

/// Has a command get the limit on open files that we were started with.
pub(crate) fn with_own_file_limit(
    command: &mut std::process::Command,
) -> &mut std::process::Command {
    let restore = || {
        restore_file_limit();
        Ok(())
    };
    // SAFETY: it makes one system call, and allocates nothing.
    unsafe { command.pre_exec(restore) }
}

/// The columns of the terminal that stderr is; `None` where it does not know.
pub(crate) fn terminal_width() -> Option<usize> {
    let mut size = MaybeUninit::<libc::winsize>::zeroed();
    // SAFETY: `size` is valid for the write of one winsize.
    let result = unsafe { libc::ioctl(libc::STDERR_FILENO, libc::TIOCGWINSZ, size.as_mut_ptr()) };
    // SAFETY: zeroed, and written by the kernel where it succeeded; all zeros are valid.
    let columns = unsafe { size.assume_init() }.ws_col;
    (result == 0 && columns > 0).then_some(usize::from(columns))
}

/// One thread of this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadId(libc::pid_t);

/// The calling thread.
pub(crate) fn this_thread() -> ThreadId {
    ThreadId(nix::unistd::gettid().as_raw())
}

/// The ring of the [doorbell](crate::doorbell): ignored by default, so one too many does nothing.
const RING: libc::c_int = libc::SIGURG;

/// Gives the ring an empty handler, so that it interrupts `waitid(2)` and does nothing else.
pub(crate) fn make_ring_harmless() {
    extern "C" fn nothing(_: libc::c_int) {}
    let handler = SigHandler::Handler(nothing);
    // No SA_RESTART: the call that it interrupts has to return.
    let action = SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // SAFETY: the handler does nothing, so it is async-signal-safe.
    let _ = unsafe { nix::sys::signal::sigaction(Signal::SIGURG, &action) };
    let mut ring = SigSet::empty();
    ring.add(Signal::SIGURG);
    let _ = ring.thread_unblock();
}

/// Interrupts a thread's `waitid(2)`.
pub(crate) fn ring(thread: ThreadId) {
    send(thread, RING);
}

/// Sends a thread a signal that it waits for.
pub(crate) fn nudge(thread: ThreadId, signal: Signal) {
    send(thread, signal as libc::c_int);
}

fn send(thread: ThreadId, signal: libc::c_int) {
    // SAFETY: a system call on plain numbers. The thread is one of ours, or has ended: then it
    // fails.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread.0, signal) };
}

/// Waits for a `SIGCHLD`, at most `limit`.
pub(crate) fn take_chld(limit: Duration) -> Option<Arrived> {
    take_signal(&std::iter::once(Signal::SIGCHLD).collect(), limit)
}

/// A command about to run: everything that the child needs, made before the fork, since a
/// child of a program with threads may only call async-signal-safe functions.
pub(crate) struct Command<'a> {
    pub(crate) path_candidates: &'a [CString],
    pub(crate) arguments: &'a [CString],
    pub(crate) signals_before: SigSet,
    /// What we ignore and the command must not.
    pub(crate) ignored_by_us: &'a [Signal],
    /// A seccomp filter that the command gets.
    pub(crate) filter: &'a [libc::sock_filter],
    /// Ends when the child may go on: reads one byte, or exits at end of file.
    pub(crate) go: OwnedFd,
    /// Closed by a successful exec, else gets the error's number, negated if the filter's.
    pub(crate) trouble: OwnedFd,
    /// The parent's ends, which the child closes: while it holds one, it waits for itself.
    pub(crate) parents: [RawFd; 2],
}

/// Forks a child that waits for its byte on `go` and then becomes the command.
pub(crate) fn spawn(command: &Command<'_>) -> io::Result<u32> {
    let mut arguments: Vec<*const libc::c_char> = command
        .arguments
        .iter()
        .map(|argument| argument.as_ptr())
        .collect();
    arguments.push(ptr::null());
    // What a script without a first line `#!` is run by, as execvp(3) does: its path comes second.
    let mut by_shell = vec![c"/bin/sh".as_ptr(), ptr::null()];
    by_shell.extend(&arguments[1..]);
    let (go, trouble) = (command.go.as_raw_fd(), command.trouble.as_raw_fd());
    // SAFETY: the child calls only async-signal-safe functions until it execs or exits.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(child.as_raw() as u32),
        ForkResult::Child => run_child(command, &arguments, &mut by_shell, go, trouble),
    }
}

fn run_child(
    command: &Command<'_>,
    arguments: &[*const libc::c_char],
    by_shell: &mut [*const libc::c_char],
    go: RawFd,
    trouble: RawFd,
) -> ! {
    // What we ignore must not be the command's; handlers of ours end with the exec.
    for signal in command.ignored_by_us {
        // SAFETY: restoring a default disposition; async-signal-safe.
        unsafe { libc::signal(*signal as libc::c_int, libc::SIG_DFL) };
    }
    if CHLD_WAS_IGNORED.load(Ordering::Relaxed) {
        // SAFETY: as above.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    }
    let _ =
        nix::sys::signal::sigprocmask(SigmaskHow::SIG_SETMASK, Some(&command.signals_before), None);
    restore_file_limit();
    for end in command.parents {
        // SAFETY: the child's copies of descriptors that it does not use.
        unsafe { libc::close(end) };
    }
    let mut byte = 0u8;
    // SAFETY: reads one byte into a valid place, from a descriptor that is ours.
    let got = unsafe { libc::read(go, ptr::from_mut(&mut byte).cast(), 1) };
    if got == 1 {
        let mut error = install(command.filter);
        let paths = match error {
            0 => command.path_candidates,
            _ => &[],
        };
        if error == 0 {
            error = libc::ENOENT;
        }
        for path in paths {
            // SAFETY: both are NUL-terminated, and `arguments` ends with a null pointer.
            unsafe { libc::execv(path.as_ptr(), arguments.as_ptr()) };
            let this = nix::errno::Errno::last_raw();
            if this == libc::ENOEXEC {
                by_shell[1] = path.as_ptr();
                // SAFETY: as above.
                unsafe { libc::execv(by_shell[0], by_shell.as_ptr()) };
            }
            // As execvp does: a file that may not be run is remembered, and the search goes on.
            if this == libc::EACCES || !matches!(this, libc::ENOENT | libc::ENOTDIR) {
                error = this;
            }
            if !matches!(this, libc::ENOENT | libc::ENOTDIR | libc::EACCES) {
                break;
            }
        }
        let bytes = error.to_ne_bytes();
        // SAFETY: writes from a valid place to a descriptor that is ours.
        unsafe { libc::write(trouble, bytes.as_ptr().cast(), bytes.len()) };
    }
    // SAFETY: ends the child without running anything of the parent's.
    unsafe { libc::_exit(127) }
}

/// Installs a seccomp filter, if there are any steps: 0, or the error's number, negated.
/// Async-signal-safe.
fn install(filter: &[libc::sock_filter]) -> i32 {
    if filter.is_empty() {
        return 0;
    }
    let program = libc::sock_fprog {
        len: filter.len() as libc::c_ushort,
        filter: filter.as_ptr().cast_mut(),
    };
    let set = || {
        // SAFETY: `program` points to as many steps as it says; the kernel only reads them.
        let result = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                0,
                &raw const program,
            )
        };
        match result {
            -1 => nix::errno::Errno::last_raw(),
            _ => 0,
        }
    };
    let mut error = set();
    if error == libc::EACCES {
        // Without CAP_SYS_ADMIN the kernel wants the promise that no program that is executed gets
        // more rights by it.
        // SAFETY: a system call on plain numbers.
        unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
        error = set();
    }
    -error
}
