//! x86-64: numbers of the System V ABI's DWARF register mapping.

use crate::capture::StackRegisters;

/// The stack pointer, rsp.
pub(in crate::unwind) const SP: u16 = 7;
/// The frame pointer, rbp.
pub(in crate::unwind) const FP: u16 = 6;
/// The return address; of the innermost frame the instruction pointer.
pub(in crate::unwind) const RETURN_ADDRESS: u16 = 16;
/// The length of the instruction `syscall`.
pub(in crate::unwind) const SYSCALL_LEN: u64 = 2;
/// Whether a call leaves the return address in a register, and not on the stack.
pub(in crate::unwind) const HAS_LINK_REGISTER: bool = false;
/// Whether libc's descriptor of a thread begins where the thread pointer points.
pub(in crate::unwind) const DESCRIPTOR_AT_THREAD_POINTER: bool = true;

/// Other registers that were captured, valid in the innermost frame: r12, rdi.
pub(in crate::unwind) fn others(registers: &StackRegisters) -> [(u16, u64); 2] {
    [(12, registers.kept), (5, registers.vfork)]
}

/// A code address without what else its register or memory may hold.
pub(in crate::unwind) fn code_address(value: u64) -> u64 {
    value
}
