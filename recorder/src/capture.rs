//! What is read of a thread while it stands at a creation, for its call stack to be found later.
//!
//! One `process_vm_readv(2)`: nothing is looked up while the thread stands.

/// From here on a thread's descriptor is captured, bytes from where its thread pointer points.
/// (Its first kilobyte is the thread's own; what libc keeps of a start routine comes later.)
pub(crate) const DESCRIPTOR_FROM: u64 = 0x400;
/// So much of it.
pub(crate) const DESCRIPTOR_LEN: usize = 0x300;

/// Registers and memory of a thread that stands in a creating system call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Capture {
    /// What unwinding begins with.
    pub(crate) registers: StackRegisters,
    /// The stack from `registers.sp` on, as far as it could be read; shorter than was asked for
    /// where the stack ends.
    pub(crate) stack: Vec<u8>,
    /// Whether the stack goes on behind what was captured.
    pub(crate) is_cut: bool,
    /// The new thread's descriptor, from [`DESCRIPTOR_FROM`] on: memory behind the thread pointer that
    /// `CLONE_SETTLS` sets. Empty without that flag, or where it could not be read.
    pub(crate) descriptor: Vec<u8>,
}

/// Registers that unwinding needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StackRegisters {
    /// The instruction pointer.
    pub(crate) ip: u64,
    /// The stack pointer.
    pub(crate) sp: u64,
    /// The frame pointer: rbp, x29.
    pub(crate) fp: u64,
    /// The link register, x30; 0 where there is none.
    pub(crate) lr: u64,
    /// The register in which Go's `runtime.clone` keeps the new thread's function: r12 on x86-64
    /// (runtime/sys_linux_amd64.s, Go 1.19); 0 elsewhere.
    pub(crate) kept: u64,
}
