//! What `waitid(2)` reported, from plain numbers to words.

use tidline::model::{End, Tid};

/// One report about one task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) tid: Tid,
    pub(crate) what: Change,
}

/// How the task changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Ended(End),
    /// `PTRACE_EVENT_CLONE`, `_FORK` or `_VFORK`.
    Created(tidline::model::Via),
    /// `PTRACE_EVENT_EXEC`.
    Exec,
    /// `PTRACE_EVENT_STOP` with a stopping signal: the whole thread group was stopped.
    GroupStop,
    /// `PTRACE_EVENT_STOP` otherwise: a newborn's first stop, an answer to `PTRACE_INTERRUPT`,
    /// or the end of a group-stop.
    Trap,
    /// At a system call's entry or exit: a syscall-stop, with the bit that `PTRACE_O_TRACESYSGOOD` sets,
    /// or `PTRACE_EVENT_SECCOMP`.
    Call,
    /// Signal-delivery-stop: the number, real-time signals included.
    Signal(i32),
    /// A stop that nobody asked for; it is counted, and resumed.
    Unknown(i32),
}

const CLD_EXITED: i32 = 1;
const CLD_KILLED: i32 = 2;
const CLD_DUMPED: i32 = 3;

const SIGTRAP: i32 = 5;
/// `SIGTRAP` with `PTRACE_O_TRACESYSGOOD`'s bit. As a signal's number it is none, so the thread
/// of a tracer that died at its stop runs on without one (`ptrace_report_syscall`, Linux 6.18).
const SYSCALL_STOP: i32 = SIGTRAP | 0x80;
/// SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU: the signals that stop a thread group.
const STOPPING: [i32; 4] = [19, 20, 21, 22];

/// From `si_code` and `si_status`. For a tracee's stop `si_status` is the whole exit code: the
/// signal, with the event's number above it (`wait_task_stopped`, Linux 6.18).
pub(crate) fn decode(tid: u32, code: i32, status: i32) -> Report {
    let what = match code {
        CLD_EXITED => Change::Ended(End::Code((status & 0xff) as u8)),
        CLD_KILLED | CLD_DUMPED => Change::Ended(End::Signal {
            number: (status & 0x7f) as u8,
            core: code == CLD_DUMPED,
        }),
        _ => stop(status),
    };
    Report {
        tid: Tid(tid),
        what,
    }
}

fn stop(status: i32) -> Change {
    use tidline::model::Via;
    let signal = status & 0xff;
    match (status >> 8, signal) {
        (0, SYSCALL_STOP) | (7, SIGTRAP) => Change::Call,
        (0, signal) => Change::Signal(signal),
        (1, SIGTRAP) => Change::Created(Via::Fork),
        (2, SIGTRAP) => Change::Created(Via::Vfork),
        (3, SIGTRAP) => Change::Created(Via::Clone),
        (4, SIGTRAP) => Change::Exec,
        (128, signal) if STOPPING.contains(&signal) => Change::GroupStop,
        (128, _) => Change::Trap,
        _ => Change::Unknown(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidline::model::Via;

    fn change(code: i32, status: i32) -> Change {
        decode(7, code, status).what
    }

    #[test]
    fn every_status_the_kernel_can_give() {
        assert_eq!(change(1, 3), Change::Ended(End::Code(3)));
        assert_eq!(
            change(2, 9),
            Change::Ended(End::Signal {
                number: 9,
                core: false
            })
        );
        assert_eq!(
            change(3, 6),
            Change::Ended(End::Signal {
                number: 6,
                core: true
            })
        );
        assert_eq!(change(4, 5 | 1 << 8), Change::Created(Via::Fork));
        assert_eq!(change(4, 5 | 2 << 8), Change::Created(Via::Vfork));
        assert_eq!(change(4, 5 | 3 << 8), Change::Created(Via::Clone));
        assert_eq!(change(4, 5 | 4 << 8), Change::Exec);
        assert_eq!(change(4, 19 | 128 << 8), Change::GroupStop);
        assert_eq!(change(4, 5 | 128 << 8), Change::Trap);
        // A real SIGTRAP is a signal, not an event.
        assert_eq!(change(4, 5), Change::Signal(5));
        assert_eq!(change(4, 34), Change::Signal(34));
        assert_eq!(change(4, 64), Change::Signal(64));
        assert_eq!(change(4, 5 | 0x80), Change::Call);
        assert_eq!(change(4, 5 | 7 << 8), Change::Call);
        assert_eq!(change(4, 5 | 6 << 8), Change::Unknown(5 | 6 << 8));
    }
}
