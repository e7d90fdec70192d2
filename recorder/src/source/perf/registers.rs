//! The registers that a sample carries: those of the task in user space, in the order of the
//! architecture's `perf_regs.h`, as many as the mask has bits.
//!
//! Of the system call under way they say less than ptrace does: on x86-64 its number is not among
//! them. What it was is found by holding its arguments against the flags that the kernel names:
//!
//! ```text
//!   clone(flags | signal, …)   the first argument is the flags, and the exit signal
//!   clone3(&args, size)        it points to a struct, mostly in the captured stack
//!   fork(), vfork()            it is anything: seen when they are entered
//! ```

use crate::capture::StackRegisters;
use crate::syscall::abi::Creation;

/// What is wanted of a sample's registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Registers {
    /// What unwinding begins with; of a 32-bit program only `ip`.
    pub(crate) stack: StackRegisters,
    /// The system call's first two arguments.
    pub(crate) first: u64,
    pub(crate) second: u64,
    /// What clone is told, of where the new task's TID is to be written.
    parent_tid: u64,
    /// What clone is told, of where the new thread's descriptor is.
    tls: u64,
    /// The first argument as a 32-bit program passes it.
    first_32: u64,
    /// The system call's number, where a register holds it.
    number: Option<u64>,
    is_64: bool,
}

/// `PERF_SAMPLE_REGS_ABI_64`
const ABI_64: u64 = 2;

#[cfg(not(target_arch = "aarch64"))]
mod here {
    /// BX, DX, SI, DI, BP, SP, IP, R8, R12 of `enum perf_event_x86_regs`.
    pub(super) const ORDER: [u32; 9] = [1, 3, 4, 5, 6, 7, 8, 16, 20];

    pub(super) fn decode(words: [u64; 9], is_64: bool) -> super::Registers {
        let [bx, dx, si, di, bp, sp, ip, r8, r12] = words;
        let stack = super::stack(is_64, ip, sp, bp, 0, r12);
        super::Registers {
            stack: super::StackRegisters { vfork: di, ..stack },
            first: di,
            second: si,
            parent_tid: dx,
            tls: r8,
            first_32: bx,
            number: None,
            is_64,
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod here {
    /// x0 to x3, x8, x29, x30, sp, pc of `enum perf_event_arm_regs`. (Unverified on a machine.)
    pub(super) const ORDER: [u32; 9] = [0, 1, 2, 3, 8, 29, 30, 31, 32];

    pub(super) fn decode(words: [u64; 9], is_64: bool) -> super::Registers {
        let [x0, x1, x2, x3, x8, fp, lr, sp, pc] = words;
        super::Registers {
            stack: super::stack(is_64, pc, sp, fp, lr, 0),
            first: x0,
            second: x1,
            parent_tid: x2,
            tls: x3,
            first_32: x0,
            number: is_64.then_some(x8),
            is_64,
        }
    }
}

fn stack(is_64: bool, ip: u64, sp: u64, fp: u64, lr: u64, kept: u64) -> StackRegisters {
    if is_64 {
        StackRegisters {
            ip,
            sp,
            fp,
            lr,
            kept,
            vfork: 0,
        }
    } else {
        StackRegisters {
            ip,
            ..StackRegisters::default()
        }
    }
}

/// Which registers a sample is to carry.
pub(crate) const MASK: u64 = {
    let (mut mask, mut index) = (0, 0);
    while index < here::ORDER.len() {
        mask |= 1 << here::ORDER[index];
        index += 1;
    }
    mask
};

/// How many that are.
pub(crate) const COUNT: usize = here::ORDER.len();

/// From a sample's words, which are in the order of the mask's bits.
pub(crate) fn decode(abi: u64, words: [u64; COUNT]) -> Registers {
    here::decode(words, abi == ABI_64)
}

const CLONE_THREAD: u64 = 0x1_0000;
const CLONE_PARENT: u64 = 0x8000;
const CLONE_SETTLS: u64 = 0x8_0000;
const CLONE_PARENT_SETTID: u64 = 0x10_0000;
const SIGNAL: u64 = 0xff;
const SIGCHLD: u64 = 17;
/// `CLONE_VM | CLONE_VFORK`.
const VFORK: u64 = 0x100 | 0x4000;

/// What was seen of the call, beside its registers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// That it was fork or vfork, if it was.
    pub(crate) entered: Option<Creation>,
    /// Whether such entries are watched at all.
    pub(crate) are_watched: bool,
    /// The struct of a clone3, if the first argument points into the captured stack.
    pub(crate) arguments: Option<Arguments>,
}

/// What a `struct clone_args` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) flags: u64,
    pub(crate) exit_signal: u64,
    parent_tid: u64,
    tls: u64,
}

/// What a creation says of the new thread's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NewThread {
    /// Here the kernel writes its TID.
    pub(crate) tid_at: u64,
    /// Its thread pointer.
    pub(crate) tls: u64,
}

impl Registers {
    /// The struct that clone3 was given, if it lies in a part of the stack, captured from the stack
    /// pointer on. (clone3(2): eight-byte fields, flags the first, parent_tid the fourth, exit_signal the
    /// fifth, tls the eighth; never fewer.)
    pub(crate) fn arguments(&self, stack: &[u8]) -> Option<Arguments> {
        const LEAST: usize = 64;
        let at = usize::try_from(self.first.checked_sub(self.stack.sp)?).ok()?;
        let bytes = stack.get(at..at.checked_add(LEAST)?)?;
        let word = |index: usize| {
            let word = bytes[index * 8..].first_chunk();
            word.copied().map(u64::from_ne_bytes)
        };
        (self.is_64 && self.second >= LEAST as u64).then_some(Arguments {
            flags: word(0)?,
            exit_signal: word(4)?,
            parent_tid: word(3)?,
            tls: word(7)?,
        })
    }

    /// Where the new thread keeps its TID and its descriptor, if its creator says both. `arguments` is
    /// the struct, if it may be a clone3.
    pub(crate) fn new_thread(&self, arguments: Option<Arguments>) -> Option<NewThread> {
        const NEEDED: u64 = CLONE_THREAD | CLONE_SETTLS | CLONE_PARENT_SETTID;
        let by_clone = self
            .is_64
            .then_some((self.first, self.parent_tid, self.tls));
        let by_clone3 = arguments.map(|it| (it.flags, it.parent_tid, it.tls));
        let mut told = [by_clone3, by_clone].into_iter().flatten();
        let (_, tid_at, tls) = told.find(|(flags, ..)| flags & NEEDED == NEEDED)?;
        Some(NewThread { tid_at, tls })
    }

    /// The flags of a creation with the exit signal in the lowest byte, from those without that the
    /// kernel names; `None` where the signal cannot be known.
    pub(crate) fn flags(&self, kernel: u64, seen: Seen) -> Option<u64> {
        if seen.entered.is_some() {
            return Some(kernel | SIGCHLD);
        }
        let first = if self.is_64 {
            self.first
        } else {
            self.first_32
        };
        let may_be_clone = self.number.is_none_or(|number| number == 220);
        if may_be_clone && kernel <= 0xffff_ffff && (first & 0xffff_ffff) & !SIGNAL == kernel {
            let signal = first & SIGNAL;
            // A fork that is not watched leaves there whatever was there.
            let is_sure =
                kernel != 0 || signal == SIGCHLD || seen.are_watched || self.number.is_some();
            return is_sure.then_some(kernel | signal);
        }
        if let Some(arguments) = seen.arguments
            && arguments.flags & !SIGNAL == kernel
        {
            return Some(kernel | arguments.exit_signal & SIGNAL);
        }
        // By a 64-bit program's `int $0x80`.
        if (self.first_32 & 0xffff_ffff) & !SIGNAL == kernel && kernel != 0 {
            return Some(kernel | self.first_32 & SIGNAL);
        }
        // clone3 takes no signal with these (`clone3_args_valid`), and a worker that the kernel makes
        // for a process has none.
        (kernel & (CLONE_THREAD | CLONE_PARENT) != 0).then_some(kernel)
    }

    /// The flags of a creation that was refused; `None` where they cannot be known.
    pub(crate) fn flags_of_refused(
        &self,
        call: Creation,
        arguments: Option<Arguments>,
    ) -> Option<u64> {
        match call {
            // The result has taken the place of the first argument there.
            Creation::Clone if cfg!(target_arch = "aarch64") => None,
            Creation::Clone => Some(self.first & 0xffff_ffff),
            Creation::Fork => Some(SIGCHLD),
            Creation::Vfork => Some(VFORK | SIGCHLD),
            Creation::Clone3 => {
                arguments.map(|arguments| arguments.flags | arguments.exit_signal & SIGNAL)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registers(first: u64) -> Registers {
        Registers {
            stack: StackRegisters {
                sp: 0x7000,
                ..StackRegisters::default()
            },
            first,
            second: 88,
            is_64: true,
            ..Registers::default()
        }
    }

    const WATCHED: Seen = Seen {
        entered: None,
        are_watched: true,
        arguments: None,
    };

    #[test]
    fn clone_has_its_signal_in_the_first_argument() {
        let flags = |first, kernel| registers(first).flags(kernel, WATCHED);
        assert_eq!(flags(0x120_0011, 0x120_0000), Some(0x120_0011));
        assert_eq!(flags(0x3d_0f00, 0x3d_0f00), Some(0x3d_0f00));
        assert_eq!(flags(0xffff_ffff_0000_4111, 0x4100), Some(0x4111));
        assert_eq!(flags(10, 0), Some(10));
    }

    #[test]
    fn what_may_be_a_fork_is_not_guessed() {
        let unwatched = Seen::default();
        assert_eq!(registers(10).flags(0, unwatched), None);
        assert_eq!(registers(17).flags(0, unwatched), Some(17));
        assert_eq!(registers(0xabcd).flags(VFORK, unwatched), None);
        let seen = Seen {
            entered: Some(Creation::Vfork),
            ..WATCHED
        };
        assert_eq!(registers(0xabcd).flags(VFORK, seen), Some(0x4111));
    }

    #[test]
    fn clone3_has_it_in_a_struct_on_the_stack() {
        let mut stack = vec![0; 256];
        stack[16..24].copy_from_slice(&0x1_0000_4100u64.to_ne_bytes());
        stack[40..48].copy_from_slice(&0x9000u64.to_ne_bytes());
        stack[48] = 17;
        stack[72..80].copy_from_slice(&0x9990u64.to_ne_bytes());
        let call = registers(0x7010);
        let arguments = call.arguments(&stack);
        let expected = Arguments {
            flags: 0x1_0000_4100,
            exit_signal: 17,
            parent_tid: 0x9000,
            tls: 0x9990,
        };
        assert_eq!(arguments, Some(expected));
        assert_eq!(call.new_thread(arguments), None, "no thread");
        let seen = Seen {
            arguments,
            ..WATCHED
        };
        assert_eq!(call.flags(0x1_0000_4100, seen), Some(0x1_0000_4111));
        // Of another call's flags it is not the struct.
        assert_eq!(call.flags(0x4100, seen), None);
        // Cut off, too short, or elsewhere.
        assert_eq!(call.arguments(&stack[..70]), None);
        assert_eq!(registers(0x6ff8).arguments(&stack), None);
        let short = Registers { second: 8, ..call };
        assert_eq!(short.arguments(&stack), None);
        // A thread has no exit signal there.
        assert_eq!(call.flags(0x3d_0f00, WATCHED), Some(0x3d_0f00));
    }

    #[test]
    fn a_thread_is_told_where_its_tid_and_its_descriptor_are() {
        let flags = 0x3d_0f00;
        let by_clone = Registers {
            parent_tid: 0x9000,
            tls: 0x9990,
            ..registers(flags)
        };
        let new = NewThread {
            tid_at: 0x9000,
            tls: 0x9990,
        };
        assert_eq!(by_clone.new_thread(None), Some(new));
        let arguments = Arguments {
            flags,
            exit_signal: 0,
            parent_tid: 0x9000,
            tls: 0x9990,
        };
        assert_eq!(registers(0x7010).new_thread(Some(arguments)), Some(new));
        // Without `CLONE_SETTLS`, or in a program whose registers are others.
        assert_eq!(registers(0x35_0f00).new_thread(None), None);
        let is_64 = false;
        assert_eq!(Registers { is_64, ..by_clone }.new_thread(None), None);
    }

    #[test]
    fn thirty_two_bits() {
        let call = Registers {
            first_32: 0x120_0011,
            ..Registers::default()
        };
        assert_eq!(call.flags(0x120_0000, WATCHED), Some(0x120_0011));
        let int_80 = Registers {
            first_32: 0x120_0011,
            ..registers(5)
        };
        assert_eq!(int_80.flags(0x120_0000, WATCHED), Some(0x120_0011));
    }

    #[test]
    fn refusals() {
        let call = registers(0x3d_0f00);
        assert_eq!(call.flags_of_refused(Creation::Fork, None), Some(17));
        assert_eq!(call.flags_of_refused(Creation::Vfork, None), Some(0x4111));
        assert_eq!(call.flags_of_refused(Creation::Clone3, None), None);
        if cfg!(not(target_arch = "aarch64")) {
            let flags = call.flags_of_refused(Creation::Clone, None);
            assert_eq!(flags, Some(0x3d_0f00));
        }
    }
}
