//! The text of `/proc` files to values: pure, from bytes, testable anywhere.

use tidline::model::{Pid, Tid};

/// What we want of `/proc/PID/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    /// `R`, `S`, `D`, `T`, `t`, `Z`, `X` …
    pub(crate) state: u8,
    pub(crate) parent: Pid,
    pub(crate) flags: u64,
    pub(crate) num_threads: usize,
    /// When it was made, in clock ticks since boot: tells two with one pid apart.
    pub(crate) start: u64,
}

impl Stat {
    /// Whether it is a thread of the kernel (`PF_KTHREAD`).
    pub(crate) fn is_kernel_thread(&self) -> bool {
        self.flags & 0x20_0000 != 0
    }

    /// Whether it has ended, and so have all other threads of its process: it is a zombie, or on its way
    /// out of the list.
    pub(crate) fn has_ended(&self) -> bool {
        self.is_dead() && self.num_threads <= 1
    }

    /// Whether it has ended, whatever its other threads do.
    pub(crate) fn is_dead(&self) -> bool {
        matches!(self.state, b'Z' | b'X')
    }

    /// Whether it has begun to end (`PF_EXITING`): it does nothing any more that others could see.
    pub(crate) fn is_ending(&self) -> bool {
        self.flags & 0x4 != 0
    }
}

/// What we want of `/proc/TID/status`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    /// Its thread group.
    pub(crate) pid: Pid,
    /// Its parent process.
    pub(crate) parent: Pid,
    /// Its tracer, 0 for none.
    pub(crate) tracer: Pid,
    /// Real, effective, saved and file system user id.
    pub(crate) uids: [u32; 4],
    /// Effective capabilities.
    pub(crate) capabilities: u64,
    /// Its TID as it knows itself, if it lives in a pid namespace below ours.
    pub(crate) inner: Option<Tid>,
}

impl Status {
    pub(crate) fn is_traced_by_us(&self) -> bool {
        self.tracer.0 == std::process::id()
    }

    /// Whether it has `CAP_SYS_PTRACE` in its own user namespace.
    pub(crate) fn may_ptrace_others(&self) -> bool {
        const CAP_SYS_PTRACE: u32 = 19;
        self.capabilities & 1 << CAP_SYS_PTRACE != 0
    }
}

/// The name stands in parentheses and may hold anything, parentheses and spaces included: the
/// last `)` ends it, since no field behind it has one.
pub(super) fn stat(bytes: &[u8]) -> Option<Stat> {
    let end = bytes.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(&bytes[end + 1..]).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // Counting from the state, which is field 3 in proc(5).
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        state: *fields.first()?.as_bytes().first()?,
        parent: Pid(number(4)? as u32),
        flags: number(9)?,
        num_threads: number(20)? as usize,
        start: number(22)?,
    })
}

/// The name in it.
pub(super) fn stat_name(bytes: &[u8]) -> Option<&[u8]> {
    let begin = bytes.iter().position(|byte| *byte == b'(')?;
    let end = bytes.iter().rposition(|byte| *byte == b')')?;
    bytes.get(begin + 1..end)
}

pub(super) fn status(bytes: &[u8]) -> Option<Status> {
    let mut status = Status::default();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let Ok(value) = std::str::from_utf8(&line[colon + 1..]) else {
            continue;
        };
        let value = value.trim();
        match &line[..colon] {
            b"Tgid" => status.pid = Pid(value.parse().ok()?),
            b"PPid" => status.parent = Pid(value.parse().ok()?),
            b"TracerPid" => status.tracer = Pid(value.parse().ok()?),
            b"CapEff" => status.capabilities = u64::from_str_radix(value, 16).ok()?,
            // One number for each pid namespace, from that of the mounted `/proc` inwards.
            b"NSpid" => {
                let mut numbers = value.split_ascii_whitespace();
                numbers.next()?;
                status.inner = match numbers.next_back() {
                    Some(inner) => Some(Tid(inner.parse().ok()?)),
                    None => None,
                };
            }
            b"Uid" => {
                let mut ids = value.split_ascii_whitespace().map(str::parse);
                for id in &mut status.uids {
                    *id = ids.next()?.ok()?;
                }
            }
            _ => {}
        }
    }
    (status.pid.0 != 0).then_some(status)
}

/// Arguments end with NUL. A program may have overwritten them, with or without one.
pub(super) fn command_line(bytes: &[u8]) -> Vec<Vec<u8>> {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
    bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_forge_the_fields_behind_it() {
        let line = b"42 (a) R 1) S 7 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 13 0 99 0 0\n";
        let expected = Stat {
            state: b'S',
            parent: Pid(7),
            flags: 4_194_560,
            num_threads: 13,
            start: 99,
        };
        assert_eq!(stat(line), Some(expected));
        assert!(!expected.is_kernel_thread());
        assert!(!expected.is_ending());
        assert_eq!(stat_name(line), Some(&b"a) R 1"[..]));
        assert_eq!(stat_name(b")("), None);
        assert_eq!(stat(b"42 (a"), None);
        assert_eq!(stat(b"42 (a) S 7"), None);
    }

    #[test]
    fn status_lines() {
        let text = b"Name:\ta\\nTgid:\t9\nTgid:\t100\nPid:\t101\nPPid:\t7\nTracerPid:\t5\n\
            Uid:\t1000\t1001\t1002\t1003\nCapEff:\t0000000000080000\n";
        let status = status(text).unwrap();
        assert_eq!(
            (status.pid, status.parent, status.tracer),
            (Pid(100), Pid(7), Pid(5))
        );
        assert_eq!(status.uids, [1000, 1001, 1002, 1003]);
        assert!(status.may_ptrace_others());
        assert_eq!(super::status(b"Name:\tx\n"), None);
    }

    #[test]
    fn the_tid_inside_is_that_of_the_innermost_namespace() {
        let inner = |nspid: &str| {
            let text = format!("Tgid:\t9\nNSpid:\t{nspid}\n");
            super::status(text.as_bytes()).unwrap().inner
        };
        assert_eq!(inner("9"), None);
        assert_eq!(inner("9\t1"), Some(Tid(1)));
        assert_eq!(inner("9\t207\t1"), Some(Tid(1)));
    }

    #[test]
    fn command_lines() {
        assert_eq!(command_line(b"a\0b c\0\0"), [&b"a"[..], b"b c", b""]);
        assert_eq!(command_line(b"nginx: master"), [b"nginx: master"]);
        assert!(command_line(b"").is_empty());
    }
}
