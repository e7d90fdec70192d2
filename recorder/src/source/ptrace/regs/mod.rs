//! Registers at a creation: from the bytes of `NT_PRSTATUS` to what a recorder wants of them.
//!
//! The architectures are siblings behind one face. They decode plain bytes, so that captured
//! register sets test them on any machine.

#[cfg(any(target_arch = "aarch64", test))]
pub(crate) mod aarch64;
#[cfg(any(target_arch = "x86_64", test))]
pub(crate) mod x86_64;

#[cfg(target_arch = "aarch64")]
pub(crate) use aarch64::decode;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86_64::decode;

use crate::capture::StackRegisters;
use crate::syscall::abi::Creation;

/// Off the architectures that are known, registers say nothing: no flags, no PC.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn decode(_: &[u8]) -> Option<Registers> {
    None
}

/// The largest register set that is known, bytes (aarch64: 272).
pub(crate) const MAX_LEN: usize = 288;

/// What the registers say while a creating system call is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Registers {
    /// The instruction pointer, behind the system call's instruction.
    pub(crate) pc: u64,
    pub(crate) call: Call,
    /// What unwinding begins with; all 0 for a register set of another architecture's.
    pub(crate) stack: StackRegisters,
    /// The thread pointer of the new thread, if the call is `clone(2)` with `CLONE_SETTLS`.
    pub(crate) tls: u64,
}

/// The system call under way, as far as it creates tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// `clone(2)` with its flags, the exit signal in the lowest byte.
    Clone(u64),
    /// `clone3(2)`: its `struct clone_args` stands at this address of the tracee.
    Clone3(u64),
    Fork,
    Vfork,
    Other,
}

/// `CLONE_VM | CLONE_VFORK | SIGCHLD`.
const VFORK_FLAGS: u64 = 0x100 | 0x4000 | SIGCHLD;
const SIGCHLD: u64 = 17;

/// What a creating call was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The clone flags with the exit signal in the lowest byte.
    pub(crate) flags: Option<u64>,
    /// The new thread's thread pointer, if the call sets it.
    pub(crate) tls: Option<u64>,
}

impl Registers {
    /// What the call was asked for; see [`Call::wanted`].
    pub(crate) fn wanted(&self, read: impl FnOnce(u64, &mut [u8]) -> bool) -> Wanted {
        self.call.wanted(self.tls, read)
    }
}

impl Call {
    /// A creation with its first argument.
    pub(crate) fn new(creation: Creation, first: u64) -> Self {
        match creation {
            Creation::Clone => Call::Clone(first),
            Creation::Clone3 => Call::Clone3(first),
            Creation::Fork => Call::Fork,
            Creation::Vfork => Call::Vfork,
        }
    }

    /// What the call is asked for. `tls` is `clone(2)`'s argument of that name; `read` reads the
    /// tracee's memory.
    pub(crate) fn wanted(self, tls: u64, read: impl FnOnce(u64, &mut [u8]) -> bool) -> Wanted {
        const CLONE_SETTLS: u64 = 0x8_0000;
        let (flags, tls) = match self {
            Call::Clone(flags) => (Some(flags & 0xffff_ffff), tls),
            Call::Fork => (Some(SIGCHLD), 0),
            Call::Vfork => (Some(VFORK_FLAGS), 0),
            Call::Clone3(address) => {
                // struct clone_args: eight-byte fields, flags the first, exit_signal the fifth, tls
                // the eighth. There are never fewer (CLONE_ARGS_SIZE_VER0).
                let mut arguments = [0; 64];
                if read(address, &mut arguments) {
                    let [flags, signal, tls] = [0, 4, 7].map(|index| word(&arguments, index));
                    (Some(flags | (signal & 0xff)), tls)
                } else {
                    (None, 0)
                }
            }
            Call::Other => (None, 0),
        };
        let sets = flags.is_some_and(|flags| flags & CLONE_SETTLS != 0);
        Wanted {
            flags,
            tls: sets.then_some(tls),
        }
    }
}

/// A word of a register set.
fn word(bytes: &[u8], index: usize) -> u64 {
    let at = index * 8;
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}
