//! The code of one process, while one of its stacks is walked: from an address to the module that it is
//! in, and to that module's rules. What is not loaded yet is asked for here.

use std::sync::Arc;

use tidline::model::{Frame, Interner, Module, ModuleId, Name, Pid, StackEnd, Time};

use super::elf::NoUse;
use super::loader::{Answer, NoModule, Patience, Question};
use super::maps::{FileKey, Of, Region, Table};
use super::process::{File, Jit, Process};
use super::tables::Rule;
use super::walk::{self, Code, Found, Place};
use super::{DESCRIPTOR_FROM, Shared, arch};
use crate::capture::Capture;

/// A process, and what is shared by all.
pub(super) struct Space<'a> {
    pub(super) now: Time,
    pub(super) pid: Pid,
    pub(super) table: Arc<Table>,
    pub(super) process: &'a mut Process,
    pub(super) shared: &'a mut Shared,
    pub(super) patience: Patience,
}

/// The kernel's own code has no file. All processes of an architecture have the same.
const VDSO: FileKey = FileKey {
    device: 0,
    inode: 0,
};

/// A list that was not there may have come.
const JIT_AGAIN: u64 = 1_000_000_000;

impl Code for Space<'_> {
    fn place(&mut self, address: u64) -> Option<Place> {
        let region = *self.table.region(address)?;
        let module = self.module(&region).and_then(|number| {
            let layout = &self.shared.modules.opened(number).layout;
            Some((number, layout.address(region.file_offset(address))?))
        });
        Some(Place {
            memory: address,
            module,
        })
    }

    fn rule(&mut self, module: u32, address: u64) -> Option<&Rule> {
        let Shared {
            modules, loader, ..
        } = &mut *self.shared;
        modules.rule(module, address, loader, &mut self.patience)
    }
}

impl Space<'_> {
    pub(super) fn walk(
        &mut self,
        capture: &Capture,
        limit: usize,
        found: &mut Vec<Found>,
    ) -> StackEnd {
        let end = walk::walk(capture, limit, self, found);
        let region = self.table.region(capture.registers.ip);
        let is_foreign = region.is_some_and(|region| match region.of {
            Of::File(index) => matches!(self.process.file(index), File::Foreign),
            _ => false,
        });
        if is_foreign {
            found.truncate(1);
            return StackEnd::Foreign;
        }
        end
    }

    /// The module of executable memory, loaded if it comes soon.
    fn module(&mut self, region: &Region) -> Option<u32> {
        let known = self.file(region);
        match known {
            File::Module(number, _) => return Some(number),
            File::Unmet | File::Asked(_) => {}
            File::NoElf | File::Foreign | File::Closed => return None,
        }
        let key = self.key(region)?;
        let answer = match known {
            File::Asked(ticket) => self.shared.loader.look(ticket),
            _ => {
                let question = self.question(region, key)?;
                let ticket = self.shared.loader.ask(question)?;
                self.set_file(region, File::Asked(ticket));
                self.shared.loader.wait(ticket, &mut self.patience)
            }
        };
        let Some(Answer::Module(answer)) = answer else {
            return None;
        };
        let file = match self.shared.modules.adopt(key, answer) {
            Ok(number) => File::Module(number, None),
            Err(NoModule::NoUse(NoUse::NoElf)) => File::NoElf,
            Err(NoModule::NoUse(NoUse::Foreign)) => File::Foreign,
            Err(NoModule::Closed) => File::Closed,
        };
        self.set_file(region, file);
        match file {
            File::Module(number, _) => Some(number),
            _ => None,
        }
    }

    fn file(&self, region: &Region) -> File {
        match region.of {
            Of::File(index) => self.process.file(index),
            Of::Vdso => self.process.vdso,
            Of::Nothing => File::NoElf,
        }
    }

    fn set_file(&mut self, region: &Region, file: File) {
        match region.of {
            Of::File(index) => self.process.set_file(index, file),
            Of::Vdso => self.process.vdso = file,
            Of::Nothing => {}
        }
    }

    fn key(&self, region: &Region) -> Option<FileKey> {
        match region.of {
            Of::File(index) => Some(self.table.files()[index].key),
            Of::Vdso => Some(VDSO),
            Of::Nothing => None,
        }
    }

    fn question(&self, region: &Region, key: FileKey) -> Option<Question> {
        let via = self.process.via();
        match region.of {
            Of::File(index) => Some(Question::Module {
                via,
                file: self.table.files()[index].clone(),
                known: self.shared.modules.stamp(key),
                limit: self.shared.modules.limit(),
            }),
            Of::Vdso => Some(Question::Vdso {
                via,
                range: (region.start, region.end),
            }),
            Of::Nothing => None,
        }
    }

    /// A frame as it is recorded. Of all but the innermost, and a start routine, the address is one behind
    /// the instruction: a return address, or what stands for one where a signal interrupted.
    pub(super) fn frame(
        &mut self,
        found: &Found,
        is_exact: bool,
        interner: &mut Interner,
    ) -> Frame {
        let behind = u64::from(!is_exact);
        let region = self.table.region(found.place.memory).copied();
        let known = match (found.place.module, &region) {
            (Some((number, address)), Some(region)) => {
                Some((self.recorded(number, region, interner), address))
            }
            (None, Some(region)) if matches!(self.file(region), File::NoElf) => self
                .jit_list(region, interner)
                .map(|module| (module, found.place.memory)),
            _ => None,
        };
        let (module, address) = match known {
            Some((module, address)) => (Some(module), address),
            None => (None, found.place.memory),
        };
        Frame {
            module,
            address: address.wrapping_add(behind),
            trust: found.trust,
        }
    }

    /// A module's number in the recording.
    fn recorded(&mut self, number: u32, region: &Region, interner: &mut Interner) -> ModuleId {
        if let File::Module(_, Some(id)) = self.file(region) {
            return id;
        }
        let (path, extent) = match region.of {
            Of::File(index) => {
                let file = &self.table.files()[index];
                (file.path.clone(), file.extent)
            }
            _ => (Name::from("[vdso]"), (region.start, region.end)),
        };
        let id = interner.module(Module {
            path,
            build_id: self.shared.modules.opened(number).layout.build_id.clone(),
            seen: (self.pid, extent.0, extent.1),
        });
        self.shared.numbers.insert(id, number);
        self.set_file(region, File::Module(number, Some(id)));
        id
    }

    /// The module that stands for code of a JIT compiler that writes a list.
    fn jit_list(&mut self, region: &Region, interner: &mut Interner) -> Option<ModuleId> {
        let answer = match self.process.jit {
            Jit::List(ref path) => {
                return Some(interner.module(Module {
                    path: path.clone(),
                    build_id: Box::default(),
                    seen: (self.pid, region.start, region.end),
                }));
            }
            Jit::None(since) if self.now.0.saturating_sub(since.0) < JIT_AGAIN => return None,
            Jit::Asked(ticket) => self.shared.loader.look(ticket),
            Jit::Unmet | Jit::None(_) => {
                let ticket = self.shared.loader.ask(Question::JitMap {
                    via: self.process.via(),
                    pid: self.pid,
                })?;
                self.process.jit = Jit::Asked(ticket);
                self.shared.loader.wait(ticket, &mut self.patience)
            }
        };
        let Some(Answer::JitMap(path)) = answer else {
            return None;
        };
        self.process.jit = match path {
            Some(path) => Jit::List(path),
            None => Jit::None(self.now),
        };
        match self.process.jit {
            Jit::List(_) => self.jit_list(region, interner),
            _ => None,
        }
    }

    /// The start routine in glibc's descriptor of the new thread. What `CLONE_SETTLS` points at is one only if
    /// libc itself has called its `clone`, so the caller has to be in the module that knows the field.
    pub(super) fn by_libc(&mut self, capture: &Capture, found: &[Found]) -> Option<u64> {
        if !arch::DESCRIPTOR_AT_THREAD_POINTER {
            return None;
        }
        let (caller, _) = found.get(1)?.place.module?;
        let Shared {
            modules, loader, ..
        } = &mut *self.shared;
        let offset = modules.routine(caller, loader, &mut self.patience)?;
        let at = usize::try_from(offset.checked_sub(DESCRIPTOR_FROM)?).ok()?;
        let bytes = capture.descriptor.get(at..at.checked_add(8)?)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }

    /// The start function in the register in which Go's `runtime.clone` keeps it. A program with C code in
    /// it, which has `.eh_frame`, leaves the creation of threads to libc (cmd/cgo). What `CLONE_SETTLS`
    /// points at is Go's own here.
    pub(super) fn by_go(&mut self, capture: &Capture, found: &[Found]) -> Option<u64> {
        let (module, _) = found.first()?.place.module?;
        let layout = &self.shared.modules.opened(module).layout;
        (layout.is_go && layout.eh_frame.is_none()).then_some(capture.registers.kept)
    }
}
