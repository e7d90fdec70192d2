//! A program that is held where it stopped itself, and captured there as the engine does it.

use std::cell::Cell;
use std::collections::HashMap;
use std::io::IoSliceMut;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::ptrace::{self, Options};
use nix::sys::signal::Signal;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid as NixPid;
use object::read::elf::ElfFile64;
use object::{Object, ObjectSymbol};
use tidline::model::{FrameId, Interner, Pid, StackEnd, StackId, Tid, Trust};

use crate::capture::{Capture, DESCRIPTOR_FROM, DESCRIPTOR_LEN, StackRegisters};
use crate::proc;

/// So much of a stack is captured by default.
pub(super) const ENOUGH: usize = 16 << 10;

/// A traced program; it is killed in the end.
pub(super) struct Stopped {
    child: Child,
    pub(super) pid: Pid,
    /// The thread that stands.
    tid: Cell<Tid>,
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // Its main thread is reported when all others have been waited for.
        let others: Vec<_> = proc::threads(self.pid).collect();
        let _ = self.child.kill();
        for tid in others.iter().filter(|tid| tid.0 != self.pid.0) {
            let tid = NixPid::from_raw(tid.0 as i32);
            while matches!(waitpid(tid, Some(WaitPidFlag::__WALL)), Ok(it) if !is_end(it)) {}
        }
        let _ = self.child.wait();
    }
}

fn is_end(status: WaitStatus) -> bool {
    matches!(status, WaitStatus::Exited(..) | WaitStatus::Signaled(..))
}

fn seize(tid: Tid) {
    let options = Options::PTRACE_O_TRACECLONE
        | Options::PTRACE_O_TRACEFORK
        | Options::PTRACE_O_TRACEVFORK
        | Options::PTRACE_O_TRACEEXEC
        | Options::PTRACE_O_EXITKILL;
    ptrace::seize(thread(tid), options).unwrap();
    waitpid(thread(tid), Some(WaitPidFlag::__WALL)).unwrap();
}

fn thread(tid: Tid) -> NixPid {
    NixPid::from_raw(tid.0 as i32)
}

fn nix(pid: Pid) -> NixPid {
    NixPid::from_raw(pid.0 as i32)
}

impl Stopped {
    /// Runs a program until it stops itself.
    pub(super) fn run(program: &Path, arguments: &[&str]) -> Stopped {
        let mut command = Command::new(program);
        let child = command.args(arguments).stdin(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let pid = Pid(child.id());
        let tid = Cell::new(Tid(pid.0));
        let stopped = Stopped { child, pid, tid };
        let status = waitpid(nix(pid), Some(WaitPidFlag::WUNTRACED)).unwrap();
        assert!(
            matches!(status, WaitStatus::Stopped(_, Signal::SIGSTOP)),
            "{} did not stop itself: {status:?}",
            program.display()
        );
        seize(Tid(pid.0));
        stopped
    }

    /// Lets all threads of a program that has stopped itself go on until one of them creates something.
    pub(super) fn all_to_event(&self) -> i32 {
        let main = Tid(self.pid.0);
        let all: Vec<Tid> = proc::threads(self.pid).collect();
        let others = all.iter().filter(|tid| **tid != main);
        others.for_each(|tid| seize(*tid));
        let mut standing: Vec<_> = all.into_iter().map(|tid| (tid, None)).collect();
        nix::sys::signal::kill(nix(self.pid), Signal::SIGCONT).unwrap();
        loop {
            for (tid, signal) in standing.drain(..) {
                // One that has ended meanwhile is reported.
                let _ = ptrace::cont(thread(tid), signal);
            }
            // The children and tracees of this thread, and of no other test's.
            let ours = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
            let status = waitpid(None, Some(ours)).unwrap();
            match status {
                WaitStatus::PtraceEvent(tid, _, event) if event != libc::PTRACE_EVENT_STOP => {
                    self.tid.set(Tid(tid.as_raw().cast_unsigned()));
                    return event;
                }
                WaitStatus::PtraceEvent(tid, ..) => {
                    standing.push((Tid(tid.as_raw().cast_unsigned()), None));
                }
                WaitStatus::Stopped(tid, signal) => {
                    standing.push((Tid(tid.as_raw().cast_unsigned()), Some(signal)));
                }
                _ if status.pid() == Some(nix(self.pid)) => {
                    panic!("{status:?} before anything was created")
                }
                _ => {}
            }
        }
    }

    /// Lets it go on until it creates something, or executes another program.
    pub(super) fn to_event(&self) -> i32 {
        nix::sys::signal::kill(nix(self.pid), Signal::SIGCONT).unwrap();
        ptrace::cont(nix(self.pid), None).unwrap();
        loop {
            match waitpid(nix(self.pid), Some(WaitPidFlag::__WALL)).unwrap() {
                WaitStatus::PtraceEvent(_, _, event) if event != libc::PTRACE_EVENT_STOP => {
                    return event;
                }
                WaitStatus::PtraceEvent(..) => ptrace::cont(nix(self.pid), None).unwrap(),
                WaitStatus::Stopped(_, signal) => {
                    ptrace::cont(nix(self.pid), Some(signal)).unwrap();
                }
                other => panic!("{other:?} before anything was created"),
            }
        }
    }

    /// Lets it go on until it stops itself again.
    pub(super) fn to_stop(&self) {
        nix::sys::signal::kill(nix(self.pid), Signal::SIGCONT).unwrap();
        ptrace::cont(nix(self.pid), None).unwrap();
        loop {
            match waitpid(nix(self.pid), Some(WaitPidFlag::__WALL)).unwrap() {
                WaitStatus::Stopped(_, Signal::SIGSTOP) => return,
                WaitStatus::Stopped(_, signal) if signal != Signal::SIGTRAP => {
                    ptrace::cont(nix(self.pid), Some(signal)).unwrap();
                }
                WaitStatus::Stopped(..) | WaitStatus::PtraceEvent(..) => {
                    ptrace::cont(nix(self.pid), None).unwrap();
                }
                other => panic!("{other:?} before it stopped"),
            }
        }
    }

    pub(super) fn read(&self, address: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        // Page by page, so that a part can be had.
        let mut remote = Vec::new();
        let (mut at, end) = (address as usize, address as usize + len);
        while at < end {
            let next = (at + 1).next_multiple_of(4096).min(end);
            let len = next - at;
            remote.push(RemoteIoVec { base: at, len });
            at = next;
        }
        let mut local = [IoSliceMut::new(&mut bytes)];
        let got = process_vm_readv(nix(self.pid), &mut local, &remote).unwrap_or(0);
        bytes.truncate(got);
        bytes
    }

    pub(super) fn capture(&self, len: usize) -> Capture {
        let registers = ptrace::getregs(thread(self.tid.get())).unwrap();
        let stack = self.read(registers.rsp, len);
        let is_cut = stack.len() == len;
        let tls = match registers.orig_rax {
            435 => {
                let args = self.read(registers.rdi, 64);
                let word = |at: usize| u64::from_le_bytes(args[at..at + 8].try_into().unwrap());
                (word(0) & libc::CLONE_SETTLS as u64 != 0).then(|| word(56))
            }
            56 => (registers.rdi & libc::CLONE_SETTLS as u64 != 0).then_some(registers.r8),
            _ => None,
        };
        let descriptor = tls.map(|tls| self.read(tls + DESCRIPTOR_FROM, DESCRIPTOR_LEN));
        Capture {
            registers: StackRegisters {
                ip: registers.rip,
                sp: registers.rsp,
                fp: registers.rbp,
                lr: 0,
                kept: registers.r12,
                vfork: registers.rdi,
            },
            stack_len: stack.len(),
            buffer: stack,
            is_cut,
            descriptor: descriptor.unwrap_or_default(),
            ..Capture::default()
        }
    }
}

/// A stack in words.
#[derive(Debug)]
pub(super) struct Told {
    /// The functions, from the innermost out; `?` where no symbol has the address.
    pub(super) names: Vec<String>,
    pub(super) trust: Vec<Trust>,
    /// The paths of the modules, empty for none.
    pub(super) modules: Vec<String>,
    pub(super) end: StackEnd,
}

impl Told {
    /// The names between two of them, both included.
    #[track_caller]
    pub(super) fn between(&self, from: &str, to: &str) -> Vec<&str> {
        let at = |name| self.names.iter().position(|it| it == name);
        let (Some(from), Some(to)) = (at(from), at(to)) else {
            panic!("{from} and {to} are not both in {self:?}");
        };
        self.names[from..=to].iter().map(String::as_str).collect()
    }
}

/// Looks addresses up.
#[derive(Default)]
pub(super) struct Names {
    /// Symbols of these are looked up in other files.
    pub(super) instead: HashMap<PathBuf, PathBuf>,
}

impl Names {
    pub(super) fn tell(&self, interner: &Interner, stack: StackId) -> Told {
        let stacks = interner.stacks();
        let mut told = Told {
            names: Vec::new(),
            trust: Vec::new(),
            modules: Vec::new(),
            end: stacks.end(stack).unwrap(),
        };
        for (index, (_, node)) in stacks.walk(stack).enumerate() {
            let (name, module) = self.frame(interner, node.frame, index > 0);
            told.names.push(name);
            told.modules.push(module);
            told.trust.push(stacks.frame(node.frame).unwrap().trust);
        }
        told
    }

    pub(super) fn frame(
        &self,
        interner: &Interner,
        frame: FrameId,
        is_return: bool,
    ) -> (String, String) {
        let frame = interner.stacks().frame(frame).unwrap();
        let Some(module) = frame.module else {
            return ("?".into(), String::new());
        };
        let module = interner.stacks().module(module).unwrap();
        let path = String::from_utf8_lossy(module.path.as_bytes()).into_owned();
        let address = frame.address - u64::from(is_return);
        (self.symbol(Path::new(&path), address), path)
    }

    fn symbol(&self, path: &Path, address: u64) -> String {
        let path = self.instead.get(path).map_or(path, PathBuf::as_path);
        let Ok(bytes) = std::fs::read(path) else {
            return "?".into();
        };
        let Ok(file) = ElfFile64::<object::LittleEndian>::parse(&bytes[..]) else {
            return "?".into();
        };
        let mut symbols = file.symbols().chain(file.dynamic_symbols());
        let found = symbols.find(|it| {
            it.address() <= address
                && address - it.address() < it.size()
                && it.kind() == object::SymbolKind::Text
        });
        let name = found.and_then(|it| it.name().ok());
        name.unwrap_or("?").to_owned()
    }
}
