//! The kernel's events, opened: for each processor one set, for all tasks of the system.
//!
//! They write into two rings on each processor. One has what must not be lost, in small records. The
//! other has the stacks, so that a rush of creations that fills it costs stacks and nothing else.
//!
//! ```text
//!   cpu 0   newtask exit exec rename …  ──► ring of facts   ─┐
//!           fork, with a stack          ──► ring of stacks  ─┤
//!   cpu 1   newtask exit exec rename …  ──► ring of facts   ─┼─► in order of time
//!           fork, with a stack          ──► ring of stacks  ─┘
//! ```

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result, anyhow};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::record::{Decoder, Point, Record, SAMPLE, SAMPLE_REGS_USER, SAMPLE_STACK_USER, Wanted};
use super::sys::{self, Attr, Ring};
use super::tracefs::Tracefs;
use super::{may, registers};
use crate::syscall::abi::Creation;

/// What is to be watched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// The size of each of a processor's two rings, KiB: a power of two. 0 leaves it to us.
    pub(crate) ring_kib: usize,
    /// How much of each creator's stack is captured, bytes; `None` for no stacks.
    pub(crate) stack_bytes: Option<usize>,
    /// Whether refused creations are watched for.
    pub(crate) failures: bool,
}

/// A stack is at most so long in a sample, whose length has to fit 16 bits.
const MOST_STACK: usize = 63 << 10;
/// So much of it is captured where no stacks are asked for: what clone3 is told is found there.
const LEAST_STACK: usize = 1 << 10;
/// A processor's ring of either kind, KiB, where nothing else was asked for: at 50,000 creations and ends
/// a second it holds what happens in a third of a second.
const RING_KIB: usize = 4096;
const LEAST_RING_KIB: usize = 256;
/// All rings of one kind together, KiB, unless that is less for each than the least.
const RINGS_KIB: usize = 256 << 10;

const PERF_TYPE_TRACEPOINT: u32 = 2;
const DISABLED: u64 = 1;
const MMAP: u64 = 1 << 8;
const WATERMARK: u64 = 1 << 14;
const SAMPLE_ID_ALL: u64 = 1 << 18;
const MMAP2: u64 = 1 << 23;
const USE_CLOCKID: u64 = 1 << 25;

/// One processor's events and rings.
struct Cpu {
    number: u32,
    /// For how long its first event had been on when that was last asked, ns.
    on_ns: u64,
    facts_are_off: bool,
    /// Their first is the one whose descriptor tells that there is something to read.
    facts: Vec<OwnedFd>,
    stacks: Vec<OwnedFd>,
    fact_ring: Ring,
    stack_ring: Ring,
}

impl Cpu {
    fn enable(&self) -> io::Result<()> {
        let mut events = self.facts.iter().chain(&self.stacks);
        events.try_for_each(sys::enable)
    }
}

/// All events.
pub(crate) struct Events {
    cpus: Vec<Cpu>,
    kinds: Vec<Kind>,
    decoder: Decoder,
    /// Losses of events that are closed.
    lost_before: u64,
    pub(crate) options: Options,
}

impl Events {
    /// Opens them; they do not run yet.
    ///
    /// # Errors
    /// With the reason, and what would help.
    pub(crate) fn open(options: Options) -> Result<Events> {
        may::check()?;
        let tracefs = Tracefs::find()?;
        let kinds = kinds(&tracefs, options.failures)?;
        let cpus = online().context("/sys/devices/system/cpu/online")?;
        let options = Options {
            ring_kib: match options.ring_kib {
                0 => usual_ring(cpus.len()),
                kib => kib,
            },
            ..options
        };
        raise_file_limit((cpus.len() * (kinds.len() + 2)) as u64);
        let mut events = Events {
            cpus: Vec::new(),
            kinds,
            decoder: Decoder::new(0),
            lost_before: 0,
            options,
        };
        for cpu in cpus {
            let opened = events.open_on(cpu)?;
            events.cpus.extend(opened);
        }
        Ok(events)
    }

    /// `None` if there is no such processor, or no longer.
    fn open_on(&mut self, cpu: u32) -> Result<Option<Cpu>> {
        let (mut facts, mut stacks) = (Vec::new(), Vec::new());
        for kind in &self.kinds {
            let attr = self.attr(kind);
            let event = match open_counting(&attr, cpu) {
                Ok(event) => event,
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return Ok(None),
                Err(error) => return Err(may::explain_open(&error, kind.wanted)),
            };
            if let Wanted::Return(_) | Wanted::ReturnSite(_) = kind.wanted {
                sys::filter(&event, c"ret < 0")
                    .with_context(|| format!("cannot filter {}", kind.wanted.tracepoint()))?;
            }
            let id = sys::id(&event).context("an event without a number")?;
            self.decoder.add(id, kind.wanted, kind.point);
            match kind.wanted.with_stack() {
                true => stacks.push(event),
                false => facts.push(event),
            }
        }
        let bytes = self.options.ring_kib << 10;
        let fact_ring = ring(&facts, bytes)?;
        let stack_ring = ring(&stacks, bytes)?;
        Ok(Some(Cpu {
            number: cpu,
            on_ns: 0,
            facts_are_off: false,
            facts,
            stacks,
            fact_ring,
            stack_ring,
        }))
    }

    fn attr(&self, kind: &Kind) -> Attr {
        let mut sample_type = SAMPLE;
        let mut attr = Attr {
            kind: PERF_TYPE_TRACEPOINT,
            config: kind.id,
            sample_period: 1,
            flags: DISABLED | WATERMARK | SAMPLE_ID_ALL | USE_CLOCKID,
            clock: libc::CLOCK_MONOTONIC,
            // We come by often; should much happen, earlier.
            wakeup: (self.options.ring_kib << 10) as u32 / 4,
            ..Attr::default()
        };
        if kind.wanted.with_registers() {
            sample_type |= SAMPLE_REGS_USER;
            attr.user_registers = registers::MASK;
        }
        if kind.wanted.with_stack() {
            sample_type |= SAMPLE_STACK_USER;
            let wanted = self.options.stack_bytes.unwrap_or(LEAST_STACK);
            attr.user_stack = (wanted.min(MOST_STACK) & !7) as u32;
        }
        // What call stacks are found by.
        if kind.wanted == Wanted::NewTask && self.options.stack_bytes.is_some() {
            attr.flags |= MMAP | MMAP2;
        }
        attr.sample_type = sample_type;
        attr
    }

    /// Lets them run. Their times are relative to `start_ns` of the monotonic clock.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(crate) fn enable(&mut self, start_ns: u64) -> io::Result<()> {
        self.decoder.begin_at(start_ns);
        self.cpus.iter().try_for_each(Cpu::enable)
    }

    /// Whether some processor's events are no longer on: the kernel takes them away when it switches the
    /// processor off (`perf_event_exit_cpu`, Linux 6.18), and does not bring them back; or whether there
    /// is a processor without any. To be asked again no sooner than some milliseconds later.
    pub(crate) fn are_some_off(&mut self) -> bool {
        let mut off = false;
        for cpu in &mut self.cpus {
            let Some(Ok(counts)) = cpu.facts.first().map(sys::counts) else {
                continue;
            };
            if counts.on_ns == cpu.on_ns {
                off = true;
                cpu.facts_are_off = true;
            }
            cpu.on_ns = counts.on_ns;
        }
        off || !self.without_events().is_empty()
    }

    /// The processors that are on and have no events.
    fn without_events(&self) -> Vec<u32> {
        // Without the list nothing is known of new ones.
        let mut online = online().unwrap_or_default();
        online.retain(|number| self.cpus.iter().all(|cpu| cpu.number != *number));
        online
    }

    /// Closes the events that are off, once their rings are read, and opens events on the processors
    /// that have none.
    pub(crate) fn renew(&mut self) -> Renewed {
        for cpu in self.cpus.extract_if(.., |cpu| cpu.facts_are_off) {
            let counts = cpu.facts.iter().filter_map(|event| sys::counts(event).ok());
            self.lost_before += counts.filter_map(|counts| counts.lost).sum::<u64>();
        }
        let mut renewed = Renewed::default();
        for number in self.without_events() {
            match self.begin_on(number) {
                Ok(true) => renewed.opened.push(number),
                Ok(false) => {}
                Err(error) => renewed.refused.push((number, error)),
            }
        }
        renewed
    }

    /// Whether there is such a processor still.
    fn begin_on(&mut self, number: u32) -> Result<bool> {
        let Some(cpu) = self.open_on(number)? else {
            return Ok(false);
        };
        cpu.enable()
            .context("cannot switch the kernel's events on")?;
        self.cpus.push(cpu);
        Ok(true)
    }

    /// Those that tell when a ring has much to read.
    pub(crate) fn ready(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.cpus.iter().flat_map(|cpu| {
            let first = [cpu.facts.first(), cpu.stacks.first()];
            first.into_iter().flatten().map(AsFd::as_fd)
        })
    }

    /// How many records of facts the kernel could not write in all, if it says so (Linux 6.0).
    pub(crate) fn lost(&self) -> Option<u64> {
        let facts = self.cpus.iter().flat_map(|cpu| &cpu.facts);
        let lost: Option<u64> = facts.map(|event| sys::counts(event).ok()?.lost).sum();
        Some(self.lost_before + lost?)
    }

    /// Reads what is in the rings: all facts first, then the stacks, of which every one belongs to a
    /// fact that was given.
    pub(crate) fn read(&mut self, mut each: impl FnMut(InRing, Record<'_>)) {
        let decoder = &self.decoder;
        let stacks: Vec<u64> = self.cpus.iter().map(|cpu| cpu.stack_ring.head()).collect();
        for cpu in &mut self.cpus {
            let number = cpu.number;
            let head = cpu.fact_ring.head();
            cpu.fact_ring.read(head, |record| {
                if let Some(record) = decoder.decode(record) {
                    each(InRing::Facts(number), record);
                }
            });
        }
        for (cpu, head) in self.cpus.iter_mut().zip(stacks) {
            cpu.stack_ring.read(head, |record| {
                if let Some(record) = decoder.decode(record) {
                    each(InRing::Stacks, record);
                }
            });
        }
    }
}

/// The processors that were without events: by number.
#[derive(Debug, Default)]
pub(crate) struct Renewed {
    /// Those that have events now.
    pub(crate) opened: Vec<u32>,
    /// Those that cannot be watched, and why.
    pub(crate) refused: Vec<(u32, anyhow::Error)>,
}

/// Which ring a record was in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InRing {
    /// Of the processor of this number.
    Facts(u32),
    Stacks,
}

/// A tracepoint that is opened on each processor.
struct Kind {
    id: u64,
    wanted: Wanted,
    point: Point,
}

fn kinds(tracefs: &Tracefs, failures: bool) -> Result<Vec<Kind>> {
    use Creation::{Clone, Clone3, Fork, Vfork};
    let mut wanted = vec![
        Wanted::NewTask,
        Wanted::Exit,
        Wanted::Exec,
        Wanted::Rename,
        Wanted::ForkSite,
    ];
    if failures {
        wanted.extend([Clone, Clone3].into_iter().flat_map(both));
        // Architectures of today have no fork and vfork.
        if cfg!(target_arch = "x86_64") {
            wanted.extend([Fork, Vfork].into_iter().flat_map(both));
            wanted.extend([Wanted::Enter(Fork), Wanted::Enter(Vfork)]);
        }
    }
    let kind = |wanted: Wanted| {
        let tracepoint = wanted.tracepoint();
        let format = tracefs.format(tracepoint)?;
        let point = Point::new(wanted, &format).map_err(|field| {
            anyhow!("this kernel's tracepoint {tracepoint} has no field {field}")
        })?;
        Ok(Kind {
            id: format.id,
            wanted,
            point,
        })
    };
    wanted.into_iter().map(kind).collect()
}

fn both(call: Creation) -> [Wanted; 2] {
    [Wanted::Return(call), Wanted::ReturnSite(call)]
}

/// A size that many processors can have, too.
fn usual_ring(cpus: usize) -> usize {
    let mut kib = RING_KIB;
    while kib > LEAST_RING_KIB && kib * cpus > RINGS_KIB {
        kib /= 2;
    }
    kib
}

/// Opens an event, which counts its losses where the kernel can.
fn open_counting(attr: &Attr, cpu: u32) -> io::Result<OwnedFd> {
    let open = |read_format| {
        let attr = Attr {
            read_format,
            ..*attr
        };
        sys::open(&attr, cpu)
    };
    match open(sys::FORMAT_ON_AND_LOST) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => open(sys::FORMAT_ON),
        opened => opened,
    }
}

/// Maps the first event's ring and has the others write there.
fn ring(events: &[OwnedFd], bytes: usize) -> Result<Ring> {
    let (first, others) = events.split_first().context("no event for a ring")?;
    let ring = Ring::map(first, bytes).map_err(|error| may::explain_ring(&error, bytes))?;
    for event in others {
        sys::write_into(event, first).context("cannot share a ring between events")?;
    }
    Ok(ring)
}

/// Each processor takes a dozen descriptors.
fn raise_file_limit(needed: u64) {
    const OTHERS: u64 = 64;
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < needed + OTHERS
    {
        // If that does not go, opening the events says so.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, (needed + OTHERS).min(hard), hard);
    }
}

/// The processors that are there.
fn online() -> io::Result<Vec<u32>> {
    let text = std::fs::read_to_string("/sys/devices/system/cpu/online")?;
    list(text.trim()).ok_or_else(|| io::Error::other(format!("{text:?} is no list")))
}

/// `0-3,6`
fn list(text: &str) -> Option<Vec<u32>> {
    let mut all = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        all.extend(first.parse::<u32>().ok()?..=last.parse().ok()?);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_processors_have_smaller_rings() {
        assert_eq!([1, 64, 65, 128].map(usual_ring), [4096, 4096, 2048, 2048]);
        assert_eq!([1024, 5000].map(usual_ring), [256, 256]);
    }

    #[test]
    fn lists_of_processors() {
        assert_eq!(list("0"), Some(vec![0]));
        assert_eq!(list("0-2,6,8-9"), Some(vec![0, 1, 2, 6, 8, 9]));
        assert_eq!(list(""), None);
        assert_eq!(list("0-x"), None);
    }
}
