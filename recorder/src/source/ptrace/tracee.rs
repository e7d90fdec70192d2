//! What can be asked of a stopped tracee, and how it is seized.

use std::io::{self, IoSliceMut};

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid as NixPid;
use tidline::model::{Name, Tid};

use super::syscall_info::{self, SyscallInfo};
use super::{regs, sys};
use crate::proc;
use crate::syscall::abi::Abi;
use crate::syscall::{Stops, Watch};
use crate::tracker::{Creating, Entry, Listed, Stop};

fn pid_of(tid: Tid) -> NixPid {
    NixPid::from_raw(tid.0 as i32)
}

/// Seizes a thread: from now on its creations and execs stop it, and its newborns are ours.
///
/// Never `PTRACE_ATTACH`, which leaves the target stopped if we are killed. No
/// `PTRACE_O_TRACEEXIT`: it would cost a stop for each thread's end, which `waitpid` reports
/// anyway, and with it a thread that we seized could not be reaped while we wait for an exec
/// (see [`super::reaper`]). No `PTRACE_O_EXITKILL`, ever.
pub(super) fn seize(tid: Tid, stops: Stops) -> Result<(), Errno> {
    let options = Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC
        | match stops {
            Stops::None => Options::empty(),
            Stops::All => Options::PTRACE_O_TRACESYSGOOD,
            Stops::Creations => Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACESECCOMP,
        };
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

/// What a thread does that stopped at a system call.
pub(super) fn call(tid: Tid, watch: &Watch) -> Stop {
    let mut bytes = [0; syscall_info::LEN];
    if sys::syscall_info(tid, &mut bytes).is_err() {
        return Stop::Enters(None); // It was killed meanwhile.
    }
    match syscall_info::decode(&bytes) {
        SyscallInfo::Entry(entry) => Stop::Enters(of_interest(tid, entry, watch)),
        SyscallInfo::Exit { result } => Stop::Leaves { result },
        SyscallInfo::Elsewhere => Stop::Unknown,
    }
}

/// The shortest `struct clone_args` that clone3(2) takes, bytes.
const CLONE_ARGS_LEAST: u64 = 64;

fn of_interest(tid: Tid, entry: syscall_info::Entry, watch: &Watch) -> Option<Box<Entry>> {
    let syscall_info::Entry {
        audit_arch,
        pc,
        number,
        args,
    } = entry;
    let abi = Abi::from_audit_arch(audit_arch)?;
    let creation = abi.creation(number).map(|call| Creating {
        call,
        // Now: by the exit the program may have changed what clone3 pointed at. Of a struct that is
        // too short the kernel reads nothing (CLONE_ARGS_SIZE_VER0), and what is behind it is none.
        flags: regs::Call::new(call, args[0]).flags(|address, out| {
            args[1] >= CLONE_ARGS_LEAST && read_memory(tid, address, out).is_ok()
        }),
        pc,
    });
    let listed = watch
        .listed
        .name(abi, number)
        .map(|name| Listed { name, number, args });
    (creation.is_some() || listed.is_some()).then(|| Box::new(Entry { creation, listed }))
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
