//! `struct ptrace_syscall_info` (`PTRACE_GET_SYSCALL_INFO`, Linux 5.3), from bytes to words.

/// Its size, bytes.
pub(super) const LEN: usize = 88;

/// What the kernel says of a thread that stands at a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SyscallInfo {
    /// It is about to begin; a filter's stop is one of these.
    Entry(Entry),
    /// It is over: what it returned, -1 to -4095 an error's number, negated.
    Exit { result: i64 },
    /// It stands elsewhere.
    Elsewhere,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// `AUDIT_ARCH_*`: whose table the number is of.
    pub(super) audit_arch: u32,
    pub(super) pc: u64,
    pub(super) number: u64,
    pub(super) args: [u64; 6],
}

const ENTRY: u8 = 1;
const EXIT: u8 = 2;
const SECCOMP: u8 = 3;

/// The fields stand alike on every architecture: op, then at 4 the architecture, at 8 the instruction
/// pointer, at 16 the stack pointer, from 24 on what belongs to the op.
pub(super) fn decode(bytes: &[u8; LEN]) -> SyscallInfo {
    let word = |at: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[at..at + 8]);
        u64::from_ne_bytes(word)
    };
    match bytes[0] {
        ENTRY | SECCOMP => SyscallInfo::Entry(Entry {
            audit_arch: u32::from_ne_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
            pc: word(8),
            number: word(24),
            args: std::array::from_fn(|index| word(32 + 8 * index)),
        }),
        EXIT => SyscallInfo::Exit {
            result: word(24) as i64,
        },
        _ => SyscallInfo::Elsewhere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_exit_and_neither() {
        let mut bytes = [0u8; LEN];
        assert_eq!(decode(&bytes), SyscallInfo::Elsewhere);
        bytes[0] = ENTRY;
        bytes[4..8].copy_from_slice(&0xc000_003eu32.to_ne_bytes());
        for (at, value) in [(8, 0x40u64), (16, 0x50), (24, 56), (32, 0x11), (72, 0x66)] {
            bytes[at..at + 8].copy_from_slice(&value.to_ne_bytes());
        }
        let entry = Entry {
            audit_arch: 0xc000_003e,
            pc: 0x40,
            number: 56,
            args: [0x11, 0, 0, 0, 0, 0x66],
        };
        assert_eq!(decode(&bytes), SyscallInfo::Entry(entry));
        bytes[0] = SECCOMP;
        assert_eq!(decode(&bytes), SyscallInfo::Entry(entry));
        bytes[0] = EXIT;
        bytes[24..32].copy_from_slice(&(-11i64).to_ne_bytes());
        assert_eq!(decode(&bytes), SyscallInfo::Exit { result: -11 });
        bytes[0] = 9;
        assert_eq!(decode(&bytes), SyscallInfo::Elsewhere);
    }
}
