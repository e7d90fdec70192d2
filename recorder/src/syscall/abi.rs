//! Which table a system call's number belongs to, and the names in those tables.
//!
//! One program may use several: a 64-bit one i386's by `int $0x80`, so the number alone says nothing.

/// A table of system calls that a program on one of our machines may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Abi {
    /// x32 is in here: its numbers have a bit of their own, [`Abi::plain`] takes it off.
    X86_64,
    I386,
    Aarch64,
    Arm,
}

/// The names and numbers of one table.
macro_rules! table {
    ($module:ident) => {
        syscalls::$module::Sysno::iter().map(|call| (call.name(), call as u64))
    };
}

impl Abi {
    /// Those of this machine, its own first.
    #[cfg(not(target_arch = "aarch64"))]
    pub(crate) const HERE: [Abi; 2] = [Abi::X86_64, Abi::I386];
    /// Those of this machine, its own first.
    #[cfg(target_arch = "aarch64")]
    pub(crate) const HERE: [Abi; 2] = [Abi::Aarch64, Abi::Arm];

    const ALL: [Abi; 4] = [Abi::X86_64, Abi::I386, Abi::Aarch64, Abi::Arm];

    /// The kernel's number for it: `AUDIT_ARCH_*` of linux/audit.h.
    pub(crate) const fn audit_arch(self) -> u32 {
        match self {
            Abi::X86_64 => 0xc000_003e,
            Abi::I386 => 0x4000_0003,
            Abi::Aarch64 => 0xc000_00b7,
            Abi::Arm => 0x4000_0028,
        }
    }

    pub(crate) fn from_audit_arch(number: u32) -> Option<Abi> {
        Abi::ALL.into_iter().find(|abi| abi.audit_arch() == number)
    }

    /// A number without the bit that marks x32 (`__X32_SYSCALL_BIT`).
    pub(crate) fn plain(self, number: u64) -> u64 {
        match self {
            Abi::X86_64 => number & !0x4000_0000,
            _ => number,
        }
    }

    /// Every call of the table.
    pub(crate) fn calls(self) -> Vec<(&'static str, u64)> {
        match self {
            Abi::X86_64 => table!(x86_64).collect(),
            Abi::I386 => table!(x86).collect(),
            Abi::Aarch64 => table!(aarch64).collect(),
            Abi::Arm => table!(arm).collect(),
        }
    }

    /// The calls that create tasks, as far as the table has them: (clone, clone3, fork, vfork).
    pub(crate) const fn creations(self) -> &'static [(u64, Creation)] {
        use Creation::{Clone, Clone3, Fork, Vfork};
        match self {
            Abi::X86_64 => &[(56, Clone), (435, Clone3), (57, Fork), (58, Vfork)],
            Abi::Aarch64 => &[(220, Clone), (435, Clone3)],
            Abi::I386 | Abi::Arm => &[(120, Clone), (435, Clone3), (2, Fork), (190, Vfork)],
        }
    }

    /// Whether a call creates tasks, and which it is.
    pub(crate) fn creation(self, number: u64) -> Option<Creation> {
        let number = self.plain(number);
        let all = self.creations().iter();
        all.copied()
            .find_map(|(known, call)| (known == number).then_some(call))
    }
}

/// A call that creates tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Creation {
    Clone,
    Clone3,
    Fork,
    Vfork,
}

impl Creation {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Creation::Clone => "clone",
            Creation::Clone3 => "clone3",
            Creation::Fork => "fork",
            Creation::Vfork => "vfork",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn creations_are_those_of_the_tables() {
        for abi in Abi::ALL {
            let mut named: Vec<(u64, &str)> = abi
                .calls()
                .into_iter()
                .filter(|(name, _)| ["clone", "clone3", "fork", "vfork"].contains(name))
                .map(|(name, number)| (number, name))
                .collect();
            let mut ours: Vec<(u64, &str)> = abi
                .creations()
                .iter()
                .map(|(number, call)| (*number, call.as_str()))
                .collect();
            named.sort_unstable();
            ours.sort_unstable();
            assert_eq!(ours, named, "{abi:?}");
            assert_eq!(Abi::from_audit_arch(abi.audit_arch()), Some(abi));
        }
        assert_eq!(Abi::from_audit_arch(0), None);
    }

    #[test]
    fn the_same_number_means_another_call_elsewhere() {
        assert_eq!(Abi::X86_64.creation(56), Some(Creation::Clone));
        assert_eq!(Abi::I386.creation(56), None);
        assert_eq!(Abi::X86_64.creation(2), None, "open");
        assert_eq!(Abi::I386.creation(2), Some(Creation::Fork));
        // x32
        assert_eq!(
            Abi::X86_64.creation(0x4000_0000 + 58),
            Some(Creation::Vfork)
        );
    }
}
