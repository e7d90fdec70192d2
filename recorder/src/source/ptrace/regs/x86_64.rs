//! x86-64 and, by the shorter register set, i386.

use super::{Call, Registers, word};
use crate::capture::StackRegisters;

/// `struct user_regs_struct`: 27 words.
const LEN_64: usize = 27 * 8;
/// i386's: 17 words of 4 bytes.
const LEN_32: usize = 17 * 4;

/// From `NT_PRSTATUS`; `None` for a length that is neither.
pub(crate) fn decode(bytes: &[u8]) -> Option<Registers> {
    match bytes.len() {
        LEN_64 => Some(decode_64(bytes)),
        LEN_32 => Some(decode_32(bytes)),
        _ => None,
    }
}

fn decode_64(bytes: &[u8]) -> Registers {
    /// Set in the number by the x32 ABI.
    const X32: u64 = 0x4000_0000;
    let (rbx, rdi, orig_rax, rip) = (
        word(bytes, 5),
        word(bytes, 14),
        word(bytes, 15),
        word(bytes, 16),
    );
    let call = match orig_rax & !X32 {
        56 => Call::Clone(rdi),
        435 => Call::Clone3(rdi),
        57 => Call::Fork,
        58 => Call::Vfork,
        // `int $0x80` in a 64-bit program: i386's numbers and registers. (2, fork, and 120,
        // clone, are other calls in the 64-bit table, and those make no task.)
        number => call_32(number as u32, rbx & 0xffff_ffff),
    };
    Registers {
        pc: rip,
        call,
        // Words of `struct user_regs_struct`: rbp 4, rsp 19, r12 3, r8 9.
        stack: StackRegisters {
            ip: rip,
            sp: word(bytes, 19),
            fp: word(bytes, 4),
            lr: 0,
            kept: word(bytes, 3),
            vfork: rdi,
        },
        tls: word(bytes, 9),
    }
}

fn decode_32(bytes: &[u8]) -> Registers {
    let word = |index: usize| {
        u32::from_le_bytes(bytes[index * 4..index * 4 + 4].try_into().expect("4 bytes"))
    };
    let (ebx, orig_eax, eip) = (word(0), word(11), word(12));
    Registers {
        pc: u64::from(eip),
        call: call_32(orig_eax, u64::from(ebx)),
        stack: StackRegisters::default(),
        tls: 0,
    }
}

fn call_32(number: u32, ebx: u64) -> Call {
    match number {
        2 => Call::Fork,
        120 => Call::Clone(ebx),
        190 => Call::Vfork,
        435 => Call::Clone3(ebx),
        _ => Call::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_64(values: &[(usize, u64)]) -> Vec<u8> {
        let mut words = [0u64; 27];
        for (index, value) in values {
            words[*index] = *value;
        }
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn set_32(values: &[(usize, u32)]) -> Vec<u8> {
        let mut words = [0u32; 17];
        for (index, value) in values {
            words[*index] = *value;
        }
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn sixty_four_bits() {
        let values = [
            (3, 12),
            (4, 4),
            (9, 0x9000),
            (14, 0x3d_0f00),
            (15, 56),
            (16, 0x1234),
            (19, 19),
        ];
        let clone = decode(&set_64(&values)).unwrap();
        assert_eq!((clone.pc, clone.call), (0x1234, Call::Clone(0x3d_0f00)));
        let stack = StackRegisters {
            ip: 0x1234,
            sp: 19,
            fp: 4,
            lr: 0,
            kept: 12,
            vfork: 0x3d_0f00,
        };
        assert_eq!(clone.stack, stack);
        let wanted = clone.wanted(|_, _| panic!("no memory needed"));
        assert_eq!((wanted.flags, wanted.tls), (Some(0x3d_0f00), Some(0x9000)));
        assert_eq!(
            decode(&set_64(&[(15, 58)]))
                .unwrap()
                .wanted(|_, _| false)
                .flags,
            Some(0x4111)
        );
        assert_eq!(
            decode(&set_64(&[(15, 57)]))
                .unwrap()
                .wanted(|_, _| false)
                .flags,
            Some(17)
        );
        assert_eq!(
            decode(&set_64(&[(15, 0)]))
                .unwrap()
                .wanted(|_, _| false)
                .flags,
            None
        );
    }

    #[test]
    fn clone3_takes_its_flags_from_memory() {
        let clone3 = decode(&set_64(&[(14, 0x7000), (15, 435)])).unwrap();
        let read = |address: u64, bytes: &mut [u8]| {
            assert_eq!(address, 0x7000);
            bytes[..8].copy_from_slice(&0x1_0008_0100u64.to_le_bytes());
            bytes[56..64].copy_from_slice(&0x5000u64.to_le_bytes());
            bytes[32] = 17;
            true
        };
        let wanted = clone3.wanted(read);
        assert_eq!(
            (wanted.flags, wanted.tls),
            (Some(0x1_0008_0111), Some(0x5000))
        );
        assert_eq!(clone3.wanted(|_, _| false), Default::default());
    }

    #[test]
    fn thirty_two_bits_by_length_and_by_int_80() {
        let native = decode(&set_32(&[(0, 0x3d_0f00), (11, 120), (12, 0x805_0000)])).unwrap();
        assert_eq!(
            (native.pc, native.call),
            (0x805_0000, Call::Clone(0x3d_0f00))
        );
        assert_eq!(native.stack, StackRegisters::default());
        let int_80 = decode(&set_64(&[(5, 0x100), (15, 120), (16, 1)])).unwrap();
        assert_eq!(int_80.call, Call::Clone(0x100));
        assert_eq!(decode(&[0; 3]), None);
    }
}
