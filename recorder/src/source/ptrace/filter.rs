//! The seccomp filter of `--failures seccomp`: it has creations stop their thread.
//!
//! ```text
//!   arch == native? ──yes──► number (x32's bit off) == one of its creations? ──yes──► TRACE
//!   arch == the 32-bit one? ──yes──► number == one of its creations? ────────yes──► TRACE
//!   all else ─────────────────────────────────────────────────────────────────────► ALLOW
//! ```
//!
//! It stays with the program and all that it starts, until their end. `SECCOMP_RET_TRACE` makes the
//! call fail with `ENOSYS` when no tracer is there (seccomp(2)).

use libc::sock_filter;

use crate::syscall::abi::Abi;

/// Where the filter finds what it looks at: `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;

const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// The program for some tables.
pub(super) fn creations(abis: &[Abi]) -> Vec<sock_filter> {
    let mut program = vec![step(LOAD, ARCH)];
    for abi in abis {
        let block = block(*abi);
        program.push(sock_filter {
            jf: block.len() as u8,
            ..step(JUMP_IF_EQUAL, abi.audit_arch())
        });
        program.extend(block);
    }
    program.push(step(RETURN, libc::SECCOMP_RET_ALLOW));
    program
}

/// What is done for one table; it ends with a verdict.
fn block(abi: Abi) -> Vec<sock_filter> {
    let calls = abi.creations();
    let mut block = vec![step(LOAD, NUMBER)];
    if abi == Abi::X86_64 {
        block.push(step(AND, abi.plain(u64::from(u32::MAX)) as u32));
    }
    for (index, (number, _)) in calls.iter().enumerate() {
        block.push(sock_filter {
            // Over the comparisons that are left, and the verdict for none of them.
            jt: (calls.len() - index) as u8,
            ..step(JUMP_IF_EQUAL, *number as u32)
        });
    }
    block.push(step(RETURN, libc::SECCOMP_RET_ALLOW));
    block.push(step(RETURN, libc::SECCOMP_RET_TRACE));
    block
}

fn step(code: u16, k: u32) -> sock_filter {
    sock_filter {
        code,
        jt: 0,
        jf: 0,
        k,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdict, as the kernel would find it.
    fn verdict(program: &[sock_filter], arch: u32, number: u32) -> u32 {
        let (mut at, mut accumulator) = (0, 0);
        loop {
            let step = program[at];
            at += 1;
            match step.code {
                LOAD if step.k == NUMBER => accumulator = number,
                LOAD if step.k == ARCH => accumulator = arch,
                AND => accumulator &= step.k,
                JUMP_IF_EQUAL if accumulator == step.k => at += usize::from(step.jt),
                JUMP_IF_EQUAL => at += usize::from(step.jf),
                RETURN => return step.k,
                code => panic!("{code:#x}"),
            }
        }
    }

    #[test]
    fn creations_are_traced_and_all_else_is_allowed() {
        for pair in [[Abi::X86_64, Abi::I386], [Abi::Aarch64, Abi::Arm]] {
            let program = creations(&pair);
            for abi in pair {
                for number in 0..600 {
                    let expected = match abi.creation(number) {
                        Some(_) => libc::SECCOMP_RET_TRACE,
                        None => libc::SECCOMP_RET_ALLOW,
                    };
                    let found = verdict(&program, abi.audit_arch(), number as u32);
                    assert_eq!(found, expected, "{abi:?} {number}");
                }
            }
            let elsewhere = verdict(&program, 0x1234, 435);
            assert_eq!(elsewhere, libc::SECCOMP_RET_ALLOW);
        }
        let x32 = 0x4000_0000 + 56;
        let found = verdict(&creations(&Abi::HERE), Abi::X86_64.audit_arch(), x32);
        if Abi::HERE[0] == Abi::X86_64 {
            assert_eq!(found, libc::SECCOMP_RET_TRACE);
        }
    }
}
