//! The raw system calls of the perf source, which with those of the ptrace source's `sys.rs` are all of
//! the recorder's `unsafe`: opening events, their rings in
//! shared memory, and a tracefs that is mounted for nobody else.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::io;
use std::mem::offset_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU64, Ordering};

/// `struct perf_event_attr` up to the fields of `PERF_ATTR_SIZE_VER5` (Linux 4.1).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attr {
    pub(crate) kind: u32,
    pub(crate) size: u32,
    pub(crate) config: u64,
    pub(crate) sample_period: u64,
    pub(crate) sample_type: u64,
    pub(crate) read_format: u64,
    pub(crate) flags: u64,
    pub(crate) wakeup: u32,
    pub(crate) breakpoint: u32,
    pub(crate) config_1: u64,
    pub(crate) config_2: u64,
    pub(crate) branches: u64,
    pub(crate) user_registers: u64,
    pub(crate) user_stack: u32,
    pub(crate) clock: i32,
    pub(crate) kernel_registers: u64,
    pub(crate) aux_watermark: u32,
    pub(crate) max_stack: u16,
    pub(crate) reserved: u16,
}

/// Opens an event on one processor, for all tasks.
pub(crate) fn open(attr: &Attr, cpu: u32) -> io::Result<OwnedFd> {
    const CLOSE_ON_EXEC: libc::c_ulong = 8;
    let attr = Attr {
        size: size_of::<Attr>() as u32,
        ..*attr
    };
    // SAFETY: `attr` is valid for the call, which reads as many bytes as `size` says.
    let result = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attr,
            -1,
            cpu as libc::c_int,
            -1,
            CLOSE_ON_EXEC,
        )
    };
    owned(result)
}

fn owned(result: libc::c_long) -> io::Result<OwnedFd> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(result as libc::c_int) })
}

fn control(event: &OwnedFd, request: libc::c_ulong, argument: usize) -> io::Result<()> {
    // SAFETY: the arguments are plain numbers, or point to what is valid for the call.
    let result = unsafe { libc::ioctl(event.as_raw_fd(), request as _, argument) };
    match result {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Begins to sample.
pub(crate) fn enable(event: &OwnedFd) -> io::Result<()> {
    const PERF_EVENT_IOC_ENABLE: libc::c_ulong = 0x2400;
    control(event, PERF_EVENT_IOC_ENABLE, 0)
}

/// Has an event write into another one's ring.
pub(crate) fn write_into(event: &OwnedFd, other: &OwnedFd) -> io::Result<()> {
    const PERF_EVENT_IOC_SET_OUTPUT: libc::c_ulong = 0x2405;
    control(event, PERF_EVENT_IOC_SET_OUTPUT, other.as_raw_fd() as usize)
}

/// Keeps only what a tracepoint's filter lets pass (the kernel's Documentation/trace/events.rst).
pub(crate) fn filter(event: &OwnedFd, text: &CStr) -> io::Result<()> {
    const PERF_EVENT_IOC_SET_FILTER: libc::c_ulong = 0x4008_2406;
    control(event, PERF_EVENT_IOC_SET_FILTER, text.as_ptr() as usize)
}

/// What [`counts`] needs of `read_format`.
pub(crate) const FORMAT_ON: u64 = 1;
/// The same, and how many records were lost (Linux 6.0).
pub(crate) const FORMAT_ON_AND_LOST: u64 = FORMAT_ON | 1 << 4;

/// What the kernel counts about an event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    /// For how long it was on, ns.
    pub(crate) on_ns: u64,
    /// How many of its records could not be written, if the kernel says so.
    pub(crate) lost: Option<u64>,
}

/// Asks for an event's counts; it was opened with [`FORMAT_ON`] or [`FORMAT_ON_AND_LOST`].
pub(crate) fn counts(event: &OwnedFd) -> io::Result<Counts> {
    let mut bytes = [0u8; 24];
    let read = nix::unistd::read(event, &mut bytes)?;
    let (words, _) = bytes.as_chunks::<8>();
    let [_, on, lost] = [0, 1, 2].map(|place| u64::from_ne_bytes(words[place]));
    match read {
        24 => Ok(Counts {
            on_ns: on,
            lost: Some(lost),
        }),
        16 => Ok(Counts {
            on_ns: on,
            lost: None,
        }),
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// The number by which an event's records name it.
pub(crate) fn id(event: &OwnedFd) -> io::Result<u64> {
    const PERF_EVENT_IOC_ID: libc::c_ulong = 0x8008_2407;
    let mut id = 0u64;
    control(event, PERF_EVENT_IOC_ID, ptr::from_mut(&mut id) as usize)?;
    Ok(id)
}

/// The kernel's side of a ring tells how far it wrote, ours how far we read
/// (`struct perf_event_mmap_page`).
#[repr(C)]
struct Control {
    _unused: [u8; 1024],
    head: AtomicU64,
    tail: AtomicU64,
}

const _: () = assert!(offset_of!(Control, head) == 1024 && offset_of!(Control, tail) == 1032);

/// A ring that the kernel writes records into.
pub(crate) struct Ring {
    /// One page of control, then the data.
    base: NonNull<u8>,
    page: usize,
    /// Of the data: a power of two.
    len: usize,
    /// For records that stand across the end.
    joined: Vec<u8>,
}

impl Ring {
    /// Maps the ring of an event; `len` is a power of two of whole pages.
    pub(crate) fn map(event: &OwnedFd, len: usize) -> io::Result<Ring> {
        // SAFETY: asks for a number.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        debug_assert!(len.is_power_of_two() && len >= page);
        // SAFETY: a new mapping, at a place that the kernel chooses.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                page + len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                event.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        Ok(Ring {
            base: NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?,
            page,
            len,
            joined: Vec::new(),
        })
    }

    fn control(&self) -> &Control {
        // SAFETY: the mapping's first page is the kernel's control page, aligned, and lives as long as
        // `self`. What both sides change in it are two words, which are read and written atomically.
        unsafe { self.base.cast::<Control>().as_ref() }
    }

    /// How far the kernel has written.
    pub(crate) fn head(&self) -> u64 {
        self.control().head.load(Ordering::Acquire)
    }

    /// Gives each record up to `head`, which this ring has said, and makes room for new ones.
    pub(crate) fn read(&mut self, head: u64, mut each: impl FnMut(&[u8])) {
        /// `struct perf_event_header`: a u32, a u16, and the record's length as a u16.
        const HEADER: usize = 8;
        let mut tail = self.control().tail.load(Ordering::Relaxed);
        // SAFETY: the data lies behind the control page, as long as `self`. The kernel writes
        // nothing between the tail and the head, until the tail is moved below, and records are read
        // within those only.
        let data =
            unsafe { std::slice::from_raw_parts(self.base.as_ptr().add(self.page), self.len) };
        while head.wrapping_sub(tail) >= HEADER as u64 {
            let at = (tail % self.len as u64) as usize;
            // Records are padded to eight bytes, so that a header stands in one piece.
            let Some(length) = data.get(at + 6..at + 8) else {
                break;
            };
            let length = usize::from(u16::from_ne_bytes([length[0], length[1]]));
            if length < HEADER || length as u64 > head.wrapping_sub(tail) {
                break; // The kernel writes no such thing.
            }
            match data.get(at..at + length) {
                Some(record) => each(record),
                None => {
                    let first = &data[at..];
                    self.joined.clear();
                    self.joined.extend_from_slice(first);
                    self.joined.extend_from_slice(&data[..length - first.len()]);
                    each(&self.joined);
                }
            }
            tail = tail.wrapping_add(length as u64);
        }
        self.control().tail.store(head, Ordering::Release);
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: our own mapping, of which nothing is borrowed any more.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.page + self.len) };
    }
}

/// A socket for the kernel's connector (netlink(7)), which nix does not know.
pub(crate) fn connector() -> io::Result<OwnedFd> {
    // SAFETY: takes plain numbers.
    owned(libc::c_long::from(unsafe {
        libc::socket(
            libc::AF_NETLINK,
            libc::SOCK_DGRAM | libc::SOCK_CLOEXEC,
            libc::NETLINK_CONNECTOR,
        )
    }))
}

/// Mounts a tracefs that stands in no folder: it is there while the descriptor is open, for who has
/// that (fsopen(2), Linux 5.2).
pub(crate) fn mount_tracefs() -> io::Result<OwnedFd> {
    const FSOPEN_CLOEXEC: libc::c_uint = 1;
    const FSMOUNT_CLOEXEC: libc::c_uint = 1;
    const FSCONFIG_CMD_CREATE: libc::c_uint = 6;
    // SAFETY: the name is NUL-terminated.
    let filesystem =
        owned(unsafe { libc::syscall(libc::SYS_fsopen, c"tracefs".as_ptr(), FSOPEN_CLOEXEC) })?;
    let nothing = ptr::null::<libc::c_char>();
    // SAFETY: this command takes no pointers.
    let result = unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            filesystem.as_raw_fd(),
            FSCONFIG_CMD_CREATE,
            nothing,
            nothing,
            0,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: takes plain numbers.
    owned(unsafe {
        libc::syscall(
            libc::SYS_fsmount,
            filesystem.as_raw_fd(),
            FSMOUNT_CLOEXEC,
            0,
        )
    })
}
