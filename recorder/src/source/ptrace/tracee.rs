//! What can be asked of a stopped tracee, and how it is seized.

use std::io::{self, IoSliceMut};

use nix::errno::Errno;
use nix::sys::ptrace::{self, Options};
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid as NixPid;
use tidline::model::{Name, Tid};

use super::syscall_info::{self, SyscallInfo};
use super::{regs, sys};
use crate::capture::{Capture, DESCRIPTOR_FROM, DESCRIPTOR_LEN, StackRegisters};
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

/// What a thread's registers say while it stands in a creating call; each `None` where it cannot be
/// had.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Site {
    pub(super) pc: Option<u64>,
    pub(super) flags: Option<u64>,
    /// The new thread's thread pointer.
    tls: Option<u64>,
    /// Where its stack is.
    stack: Option<StackRegisters>,
}

pub(super) fn creation_site(tid: Tid) -> Site {
    let Some(registers) = registers(tid) else {
        return Site::default();
    };
    let wanted = registers.wanted(|address, out| read_memory(tid, address, out).is_ok());
    Site {
        pc: Some(registers.pc),
        flags: wanted.flags,
        tls: wanted.tls,
        stack: Some(registers.stack),
    }
}

impl Site {
    /// Takes the thread's stack into `buffer`, and the new thread's descriptor. `None` where the
    /// registers could not be read.
    pub(super) fn capture(self, tid: Tid, mut buffer: Vec<u8>) -> Result<Box<Capture>, Vec<u8>> {
        let Some(registers) = self.stack else {
            return Err(buffer);
        };
        let mut descriptor = vec![
            0;
            if self.tls.is_some() {
                DESCRIPTOR_LEN
            } else {
                0
            }
        ];
        let from = self.tls.unwrap_or(0).wrapping_add(DESCRIPTOR_FROM);
        let mut read = |descriptor: &mut [u8]| {
            let len = descriptor.len();
            let read = read_stack(tid, (from, descriptor), registers.sp, &mut buffer);
            read.checked_sub(len)
        };
        // The descriptor is read first. If it is none, nothing is.
        let stack_len = read(&mut descriptor).or_else(|| {
            descriptor.clear();
            read(&mut [])
        });
        let stack_len = stack_len.unwrap_or(0);
        Ok(Box::new(Capture {
            registers,
            is_cut: stack_len == buffer.len(),
            stack_len,
            buffer,
            descriptor,
            maps: Vec::new(),
            tid,
        }))
    }
}

/// How finely memory is mapped, bytes: a read that crosses into what is not there ends there.
const PAGE: u64 = 4096;

/// Reads a thing, and then a stack from `sp` on, as far as there is any. How many bytes in all.
fn read_stack(tid: Tid, thing: (u64, &mut [u8]), sp: u64, stack: &mut [u8]) -> usize {
    let mut remote = Vec::with_capacity(2 + stack.len() / PAGE as usize);
    let (base, bytes) = thing;
    if !bytes.is_empty() {
        remote.push(RemoteIoVec {
            base: base as usize,
            len: bytes.len(),
        });
    }
    let end = sp.saturating_add(stack.len() as u64);
    let mut at = sp;
    while at < end {
        let next = ((at | (PAGE - 1)).saturating_add(1)).min(end);
        remote.push(RemoteIoVec {
            base: at as usize,
            len: (next - at) as usize,
        });
        at = next;
    }
    let mut local = [IoSliceMut::new(bytes), IoSliceMut::new(stack)];
    process_vm_readv(pid_of(tid), &mut local, &remote).unwrap_or(0)
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
        flags: regs::Call::new(call, args[0])
            .wanted(0, |address, out| {
                args[1] >= CLONE_ARGS_LEAST && read_memory(tid, address, out).is_ok()
            })
            .flags,
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
