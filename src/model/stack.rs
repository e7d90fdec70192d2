//! Where tasks were created: modules, frames, call stacks and the functions that they name.
//!
//! All of it is interned: an event has a [`StackId`], and what that means is defined once. A
//! stack is a list of frames from the innermost out, linked by [`StackNode::up`], so that stacks
//! which come from the same place share their outer part:
//!
//! ```text
//!  stack 4 ─► pthread_create ─► start_pool ┐
//!                                          ├─► serve ─► main ─► _start     (the bottom)
//!  stack 7 ─► pthread_create ─► add_worker ┘
//! ```

use std::collections::HashMap;

use super::ids::{Name, Pid};

/// No stack has more frames than this: a walk ends there.
pub const MAX_FRAMES: usize = 1024;

/// Number of a module within a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleId(pub u32);

/// Number of a frame within a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameId(pub u32);

/// Number of a stack within a recording: of its innermost [`StackNode`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StackId(pub u32);

/// A file of machine code, as a recorded process had it mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Its path as the process saw it; for the kernel's own, `[vdso]`.
    pub path: Name,
    /// The GNU build-id (`NT_GNU_BUILD_ID`), empty if it has none.
    pub build_id: Box<[u8]>,
    /// Where it was mapped when it was first met: the process, and the addresses from its first
    /// mapped byte to behind its last.
    pub seen: (Pid, u64, u64),
}

/// A place in the code, and how it was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The module; `None` for code that belongs to no file, such as a JIT compiler's.
    pub module: Option<ModuleId>,
    /// The address as the module's own tables have it (an ELF virtual address); without a module,
    /// as the process had it. Of any frame but the innermost it is a return address: the call is
    /// one byte before it.
    pub address: u64,
    /// How it was found.
    pub trust: Trust,
}

/// How a frame was found, and so how far it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trust {
    /// It is the instruction pointer itself.
    Register,
    /// By call frame information (`.eh_frame`, `.debug_frame`).
    Cfi,
    /// By the frame pointer, where there was no such information.
    FramePointer,
    /// It is no frame of a stack: the address was an argument, as a thread's start routine is.
    Argument,
    /// In a way that this version does not know, by its number in the file.
    Other(u8),
}

impl Trust {
    /// The word in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Trust::Register => "register",
            Trust::Cfi => "cfi",
            Trust::FramePointer => "frame-pointer",
            Trust::Argument => "argument",
            Trust::Other(_) => "unknown",
        }
    }
}

/// One frame of a stack, and the way out of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StackNode {
    /// The caller's node. Its number is lower than this one's.
    pub up: Option<StackId>,
    /// The frame.
    pub frame: FrameId,
    /// Why the stack ends here. Only of an outermost node.
    pub end: StackEnd,
}

/// Why no further frame was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StackEnd {
    /// It is the whole stack: its outermost function has no caller.
    Bottom,
    /// More of the stack is needed than was captured.
    Captured,
    /// There are more frames than were asked for.
    Limit,
    /// There is no unwind information for the code, and no frame pointer led on.
    NoUnwindInfo,
    /// The return address is in no code that is known.
    NoCode,
    /// The process's memory map could not be read.
    NoMap,
    /// The thread's registers or stack could not be read.
    Unreadable,
    /// The thread runs code of another architecture than the recorder's.
    Foreign,
    /// The outermost function was reached, but on the way frames were found by the frame pointer alone.
    /// Code that does not keep one is passed over so, and nothing shows it.
    Unsure,
    /// For a reason that this version does not know, by its number in the file.
    Other(u8),
}

impl StackEnd {
    /// The reason in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            StackEnd::Bottom => "the whole stack",
            StackEnd::Captured => "more of the stack than was captured is needed",
            StackEnd::Limit => "more frames than were asked for",
            StackEnd::NoUnwindInfo => "no unwind information and no frame pointer",
            StackEnd::NoCode => "the return address is in no known code",
            StackEnd::NoMap => "the memory map could not be read",
            StackEnd::Unreadable => "the rest is on another stack, or could not be read",
            StackEnd::Foreign => "code of another architecture",
            StackEnd::Unsure => "by frame pointers alone: frames may be missing in between",
            StackEnd::Other(_) => "unknown reason",
        }
    }
}

/// What a frame's address means to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Where that was found.
    pub source: SymbolSource,
    /// The function, and those that were inlined into it there: the innermost first, so that the
    /// last is the one that the machine knows. Empty if none was found.
    pub functions: Vec<Function>,
}

/// A function, and the line of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name, demangled.
    pub name: Name,
    /// The source file's path, empty if it is not known.
    pub file: Name,
    /// The line, from 1.
    pub line: Option<u32>,
}

/// Where a symbol was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SymbolSource {
    /// Nowhere.
    Nothing,
    /// In the debug information (DWARF).
    DebugInfo,
    /// In the symbol table.
    SymbolTable,
    /// In the list of a JIT compiler (`/tmp/perf-PID.map`).
    JitMap,
    /// In a way that this version does not know, by its number in the file.
    Other(u8),
}

/// Says what a number stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Definition {
    /// A module.
    Module(ModuleId, Module),
    /// A frame.
    Frame(FrameId, Frame),
    /// A stack.
    Stack(StackId, StackNode),
    /// A frame's symbol.
    Symbol(FrameId, Symbol),
}

/// All that is defined. A later definition of a number replaces an earlier one.
#[derive(Clone, Debug, Default)]
pub struct Stacks {
    modules: HashMap<ModuleId, Module>,
    frames: HashMap<FrameId, Frame>,
    nodes: HashMap<StackId, StackNode>,
    symbols: HashMap<FrameId, Symbol>,
}

impl Stacks {
    /// Takes up a definition; but no stack whose caller has no lower number than its own, since it
    /// might never end.
    pub fn define(&mut self, definition: Definition) {
        match definition {
            Definition::Module(id, module) => {
                self.modules.insert(id, module);
            }
            Definition::Frame(id, frame) => {
                self.frames.insert(id, frame);
            }
            Definition::Stack(id, node) => {
                if node.up.is_none_or(|up| up < id) {
                    self.nodes.insert(id, node);
                }
            }
            Definition::Symbol(id, symbol) => {
                self.symbols.insert(id, symbol);
            }
        }
    }

    /// Whether it says the same already.
    #[must_use]
    pub fn has(&self, definition: &Definition) -> bool {
        match definition {
            Definition::Module(id, module) => self.modules.get(id) == Some(module),
            Definition::Frame(id, frame) => self.frames.get(id) == Some(frame),
            Definition::Stack(id, node) => self.nodes.get(id) == Some(node),
            Definition::Symbol(id, symbol) => self.symbols.get(id) == Some(symbol),
        }
    }

    /// Whether nothing is defined.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.frames.is_empty()
    }

    /// A module.
    #[must_use]
    pub fn module(&self, id: ModuleId) -> Option<&Module> {
        self.modules.get(&id)
    }

    /// All modules, by number.
    #[must_use]
    pub fn modules(&self) -> Vec<(ModuleId, &Module)> {
        let mut modules: Vec<_> = self.modules.iter().map(|(id, it)| (*id, it)).collect();
        modules.sort_unstable_by_key(|(id, _)| *id);
        modules
    }

    /// A frame.
    #[must_use]
    pub fn frame(&self, id: FrameId) -> Option<&Frame> {
        self.frames.get(&id)
    }

    /// All frames, by number.
    #[must_use]
    pub fn frames(&self) -> Vec<(FrameId, &Frame)> {
        let mut frames: Vec<_> = self.frames.iter().map(|(id, it)| (*id, it)).collect();
        frames.sort_unstable_by_key(|(id, _)| *id);
        frames
    }

    /// What a frame's address means, if anyone looked it up.
    #[must_use]
    pub fn symbol(&self, id: FrameId) -> Option<&Symbol> {
        self.symbols.get(&id)
    }

    /// All nodes of stacks, by number: each behind those that it is linked to.
    #[must_use]
    pub fn nodes(&self) -> Vec<(StackId, &StackNode)> {
        let mut nodes: Vec<_> = self.nodes.iter().map(|(id, it)| (*id, it)).collect();
        nodes.sort_unstable_by_key(|(id, _)| *id);
        nodes
    }

    /// A node of a stack.
    #[must_use]
    pub fn node(&self, id: StackId) -> Option<&StackNode> {
        self.nodes.get(&id)
    }

    /// A stack's nodes, the innermost first. It stops short where a definition is missing, as
    /// those of a damaged part of a file are, and after [`MAX_FRAMES`].
    pub fn walk(&self, id: StackId) -> impl Iterator<Item = (StackId, &StackNode)> {
        let mut next = Some(id);
        std::iter::from_fn(move || {
            let id = next?;
            let node = self.nodes.get(&id)?;
            next = node.up;
            Some((id, node))
        })
        .take(MAX_FRAMES)
    }

    /// Why a stack ends where it does; `None` where the definition of its outer part is missing.
    #[must_use]
    pub fn end(&self, id: StackId) -> Option<StackEnd> {
        let (_, last) = self.walk(id).last()?;
        last.up.is_none().then_some(last.end)
    }
}
