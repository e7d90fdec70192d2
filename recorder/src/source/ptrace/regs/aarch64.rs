//! aarch64 and, by the shorter register set, 32-bit Arm.

use super::{Call, Registers, word};
use crate::capture::StackRegisters;

/// `struct user_pt_regs`: x0 to x30, sp, pc, pstate.
const LEN_64: usize = 34 * 8;
/// Arm's: r0 to r15, cpsr, orig_r0.
const LEN_32: usize = 18 * 4;

/// From `NT_PRSTATUS`; `None` for a length that is neither.
pub(crate) fn decode(bytes: &[u8]) -> Option<Registers> {
    match bytes.len() {
        LEN_64 => Some(decode_64(bytes)),
        LEN_32 => Some(decode_32(bytes)),
        _ => None,
    }
}

/// At the event the call has not returned, so x0 still holds the first argument and x8 the
/// number (unverified on a machine; from arch/arm64/kernel/ptrace.c, Linux 6.18).
fn decode_64(bytes: &[u8]) -> Registers {
    let (x0, x8, pc) = (word(bytes, 0), word(bytes, 8), word(bytes, 32));
    let (x3, fp, lr, sp) = (
        word(bytes, 3),
        word(bytes, 29),
        word(bytes, 30),
        word(bytes, 31),
    );
    let call = match x8 {
        220 => Call::Clone(x0),
        435 => Call::Clone3(x0),
        _ => Call::Other,
    };
    Registers {
        pc,
        call,
        stack: StackRegisters {
            ip: pc,
            sp,
            fp,
            lr,
            kept: 0,
            vfork: 0,
        },
        // clone(flags, stack, parent_tid, tls, child_tid): CLONE_BACKWARDS.
        tls: x3,
    }
}

fn decode_32(bytes: &[u8]) -> Registers {
    let word = |index: usize| {
        u64::from(u32::from_le_bytes(
            bytes[index * 4..index * 4 + 4].try_into().expect("4 bytes"),
        ))
    };
    let call = match word(7) {
        2 => Call::Fork,
        120 => Call::Clone(word(17)),
        190 => Call::Vfork,
        435 => Call::Clone3(word(17)),
        _ => Call::Other,
    };
    Registers {
        pc: word(15),
        call,
        stack: StackRegisters::default(),
        tls: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clone_and_clone3() {
        let set = |x0: u64, x8: u64| {
            let mut words = [0u64; 34];
            (words[0], words[8], words[32]) = (x0, x8, 0xffff_8000);
            words
                .iter()
                .flat_map(|word| word.to_le_bytes())
                .collect::<Vec<u8>>()
        };
        let clone = decode(&set(0x3d_0f00, 220)).unwrap();
        assert_eq!(
            (clone.pc, clone.call),
            (0xffff_8000, Call::Clone(0x3d_0f00))
        );
        assert_eq!(
            decode(&set(0x1000, 435)).unwrap().call,
            Call::Clone3(0x1000)
        );
        assert_eq!(decode(&set(0, 64)).unwrap().call, Call::Other);
    }
}
