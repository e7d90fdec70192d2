//! What can be asked of a stopped tracee, and how it is seized.

use std::io::{self, IoSliceMut};

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid as NixPid;
use tidline::model::{Name, Tid};

use super::{regs, sys};
use crate::proc;

fn pid_of(tid: Tid) -> NixPid {
    NixPid::from_raw(tid.0 as i32)
}

/// Seizes a thread: from now on its creations and execs stop it, and its newborns are ours.
///
/// Never `PTRACE_ATTACH`, which leaves the target stopped if we are killed. No
/// `PTRACE_O_TRACEEXIT`: it would cost a stop for each thread's end, which `waitpid` reports
/// anyway, and with it a thread that we seized could not be reaped while we wait for an exec
/// (see [`super::reaper`]). No `PTRACE_O_EXITKILL`, ever.
pub(super) fn seize(tid: Tid) -> Result<(), Errno> {
    let options = Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC;
    ptrace::seize(pid_of(tid), options)
}

pub(super) fn interrupt(tid: Tid) -> Result<(), Errno> {
    ptrace::interrupt(pid_of(tid))
}

/// The new task's TID, or an exec's former TID.
pub(super) fn event_message(tid: Tid) -> Result<Tid, Errno> {
    ptrace::getevent(pid_of(tid)).map(|message| Tid(message as u32))
}

/// Instruction pointer and clone flags; each `None` where it cannot be had.
pub(super) fn creation_site(tid: Tid) -> (Option<u64>, Option<u64>) {
    match registers(tid) {
        Some(registers) => {
            let flags = registers.flags(|address, out| read_memory(tid, address, out).is_ok());
            (Some(registers.pc), flags)
        }
        None => (None, None),
    }
}

/// Where a stopped thread stands.
pub(super) fn pc(tid: Tid) -> Option<u64> {
    registers(tid).map(|registers| registers.pc)
}

fn registers(tid: Tid) -> Option<regs::Registers> {
    let mut buffer = [0; regs::MAX_LEN];
    let length = sys::register_set(tid, &mut buffer).ok()?;
    regs::decode(&buffer[..length])
}

/// Reads the tracee's memory, all of `out` or an error.
fn read_memory(tid: Tid, address: u64, out: &mut [u8]) -> io::Result<()> {
    let wanted = out.len();
    let remote = RemoteIoVec {
        base: address as usize,
        len: wanted,
    };
    let got = process_vm_readv(pid_of(tid), &mut [IoSliceMut::new(out)], &[remote])?;
    if got == wanted {
        Ok(())
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// The executable and the name that a task has at its exec stop.
pub(super) fn program(tid: Tid) -> (Name, Name) {
    let exe = proc::exe(tid).unwrap_or_default();
    let name = proc::comm(tid).unwrap_or_default();
    (exe, name)
}
