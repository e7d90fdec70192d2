//! aarch64: numbers of the ABI's DWARF register mapping (unverified on a machine).

use crate::capture::StackRegisters;

/// The stack pointer.
pub(in crate::unwind) const SP: u16 = 31;
/// The frame pointer, x29.
pub(in crate::unwind) const FP: u16 = 29;
/// The link register, x30: the return address.
pub(in crate::unwind) const RETURN_ADDRESS: u16 = 30;
/// The length of the instruction `svc`.
pub(in crate::unwind) const SYSCALL_LEN: u64 = 4;
/// Whether a call leaves the return address in a register, and not on the stack.
pub(in crate::unwind) const HAS_LINK_REGISTER: bool = true;
/// Whether libc's descriptor of a thread begins where the thread pointer points: here it ends there.
pub(in crate::unwind) const DESCRIPTOR_AT_THREAD_POINTER: bool = false;

/// Other registers that were captured, valid in the innermost frame.
pub(in crate::unwind) fn others(_: &StackRegisters) -> [(u16, u64); 0] {
    []
}

/// A code address without the signature that pointer authentication puts into its upper bits. (With
/// 52-bit addresses, which a program has to ask for, this is wrong.)
pub(in crate::unwind) fn code_address(value: u64) -> u64 {
    value & ((1 << 48) - 1)
}
