//! Synthetic traces for tests, benches and fuzzing: the same seed gives the same trace.
//!
//! ```
//! use tidline::synth::{Plan, events};
//!
//! let plan = Plan { events: 1000, width: 8, seed: 1 };
//! assert_eq!(events(plan), events(plan));
//! assert_ne!(events(plan), events(Plan { seed: 3, ..plan }));
//! ```

mod stacks;

use std::io::Write;

use crate::format::{Error, Header, Target, Writer};
use crate::model::{
    Anchor, Birth, Definition, End, Event, EventBody, Frame, FrameId, Function, Interner, Live,
    Module, ModuleId, Name, Pid, StackEnd, StackId, Symbol, SymbolSource, Task, Time, Trust, Via,
    What,
};

pub use stacks::{Code, creations};

/// What a synthetic trace is like.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Events in all (a few more or less).
    pub events: usize,
    /// Threads that live at a time, at most.
    pub width: usize,
    /// Makes two plans that are otherwise alike differ.
    pub seed: u64,
}

/// A header as a recorder would write it.
#[must_use]
pub fn header() -> Header {
    Header {
        trace_id: 0x0123_4567_89ab_cdef,
        host: "synthetic".into(),
        kernel: "6.18.0".into(),
        arch: "x86_64".into(),
        recorder: "synth".into(),
        backend: "ptrace".into(),
        targets: vec![Target {
            pid: 1000,
            command: vec![b"server".to_vec(), b"--port=80".to_vec()],
        }],
        start_wall_ns: 1_790_000_000_000_000_000,
        utc_offset_s: 7200,
        ..Header::default()
    }
}

/// A server's life: workers that come and go, now and then a child process.
#[must_use]
pub fn events(plan: Plan) -> Vec<Event> {
    let main = Task::new(1000, 1000);
    let mut random = Random(plan.seed | 1);
    let mut out = vec![main_task(main)];
    let mut live: Vec<Task> = Vec::new();
    let (mut time, mut tid) = (0, 1000);
    while out.len() < plan.events {
        time += random.below(40_000) + 1;
        let born = live.len() < plan.width && (live.is_empty() || random.below(2) == 0);
        if born {
            tid = if tid >= 4_194_000 { 2000 } else { tid + 1 };
            let process = random.below(50) == 0;
            let child = if process {
                Task::new(tid, tid)
            } else {
                Task::new(1000, tid)
            };
            out.push(birth(time, main, child, process));
            if random.below(4) == 0 {
                let name = Name::from(format!("worker-{}", tid % 64).as_str());
                out.push(Event {
                    time: Time(time + 1),
                    body: EventBody::Rename { task: child, name },
                });
            }
            live.push(child);
        } else {
            let task = live.swap_remove(random.below(live.len() as u64) as usize);
            out.push(Event {
                time: Time(time),
                body: EventBody::Exit {
                    task,
                    end: End::Code(0),
                },
            });
        }
    }
    out
}

/// Writes events as a recorder does that is told of by [`header`]: with a checkpoint inside the file
/// wherever one is due.
///
/// # Errors
/// If they cannot be written.
pub fn record<W: Write>(
    mut writer: Writer<W>,
    events: impl IntoIterator<Item = Event>,
    is_due: impl Fn(&Writer<W>) -> bool,
) -> Result<W, Error> {
    let (header, mut live) = (header(), Live::default());
    for event in events {
        writer.push(&event)?;
        live.follow(&event);
        if is_due(&writer) {
            let time = live.now();
            let anchor = Anchor {
                time,
                wall_ns: header.start_wall_ns.saturating_add_unsigned(time.0),
                utc_offset_s: header.utc_offset_s,
            };
            let (carried, tally) = (live.checkpoint(), live.tally());
            writer.checkpoint_with(&carried, &tally, anchor)?;
        }
    }
    writer.finish(live.now(), "done", &[])
}

fn main_task(task: Task) -> Event {
    let body = EventBody::Existing {
        task,
        parent_pid: None,
        name: b"server".into(),
        pc: Some(0x40_1000),
        inner: None,
    };
    Event {
        time: Time(0),
        body,
    }
}

fn birth(time: u64, parent: Task, child: Task, process: bool) -> Event {
    let (via, what, flags) = if process {
        (Via::Fork, What::Process, 0x120_0011)
    } else {
        (Via::Clone, What::Thread, 0x3d_0f00)
    };
    let (flags, pc) = (Some(flags), Some(0x7f00_0010_a3b1));
    let body = EventBody::Birth(Birth {
        via,
        what,
        parent: Some(parent),
        child,
        flags,
        pc,
        inner: None,
        stack: None,
        start: None,
    });
    Event {
        time: Time(time),
        body,
    }
}

/// Gives each birth one of so many call stacks of so many frames (five at least), and each thread a
/// start routine; what their numbers stand for, symbols included.
#[must_use]
pub fn with_stacks(events: &mut [Event], places: u32, frames: u32) -> Interner {
    let mut interner = Interner::new(100_000);
    let module = |interner: &mut Interner, path: &str, start| {
        interner.module(Module {
            path: path.into(),
            build_id: path.bytes().rev().cycle().take(20).collect(),
            seen: (Pid(1000), start, start + 0x20_0000),
        })
    };
    let server = module(&mut interner, "/usr/sbin/server", 0x55d0_0040_0000);
    let libc = module(&mut interner, "/usr/lib/libc.so.6", 0x7f00_0000_0000);
    let made: Vec<(Option<StackId>, FrameId)> = (0..places)
        .map(|place| made_at(&mut interner, (server, libc), place, frames))
        .collect();
    for event in events {
        if let EventBody::Birth(birth) = &mut event.body
            && let Some((stack, start)) = made.get((birth.child.tid.0 % places.max(1)) as usize)
        {
            birth.stack = *stack;
            birth.start = (birth.what == What::Thread).then_some(*start);
        }
    }
    interner
}

/// All that an interner knows, each before what uses it.
#[must_use]
pub fn definitions(interner: &Interner) -> Vec<Definition> {
    let stacks = interner.stacks();
    let modules = stacks.modules().into_iter();
    let modules = modules.map(|(id, module)| Definition::Module(id, module.clone()));
    let frames: Vec<(FrameId, Frame)> = stacks
        .frames()
        .into_iter()
        .map(|(id, frame)| (id, *frame))
        .collect();
    let symbols = frames
        .iter()
        .filter_map(|(id, _)| Some((*id, stacks.symbol(*id)?)));
    let symbols = symbols.map(|(id, symbol)| Definition::Symbol(id, symbol.clone()));
    let known = frames
        .iter()
        .map(|(id, frame)| Definition::Frame(*id, *frame));
    let nodes = stacks.nodes().into_iter();
    let nodes = nodes.map(|(id, node)| Definition::Stack(id, *node));
    modules.chain(known).chain(symbols).chain(nodes).collect()
}

/// A stack that begins in the C library, and whose two outermost frames are those of every other.
fn made_at(
    interner: &mut Interner,
    (server, libc): (ModuleId, ModuleId),
    place: u32,
    frames: u32,
) -> (Option<StackId>, FrameId) {
    let mut known = |module, address, trust, name: String| {
        let module = Some(module);
        let frame = Frame {
            module,
            address,
            trust,
        };
        let inlined = address % 7 == 0;
        let line = Some(address as u32 % 900 + 1);
        let function = |name: String| Function {
            name: name.as_str().into(),
            file: "/usr/src/server/workers.c".into(),
            line,
        };
        let mut functions = vec![function(name)];
        if inlined {
            functions.insert(0, function("inlined_into_it".into()));
        }
        let source = SymbolSource::DebugInfo;
        if let Some(id) = interner.frame(frame) {
            interner.symbol(id, Symbol { source, functions });
        }
        frame
    };
    let mut stack = vec![
        known(libc, 0x10_a3b1, Trust::Register, "clone3".into()),
        known(libc, 0x8_8d2c, Trust::Cfi, "pthread_create".into()),
    ];
    for depth in 4..frames {
        let address = 0x1_0000 + u64::from(place) * 0x1000 + u64::from(depth) * 0x35;
        let name = format!("add_worker_{place}_{depth}");
        stack.push(known(server, address, Trust::Cfi, name));
    }
    stack.push(known(server, 0x1234, Trust::Cfi, "main".into()));
    stack.push(known(server, 0x1040, Trust::Cfi, "_start".into()));
    let address = 0x8000 + u64::from(place) * 0x40;
    let start = known(server, address, Trust::Argument, format!("worker_{place}"));
    let start = interner.frame(start).unwrap_or(FrameId(0));
    (interner.stack(&stack, StackEnd::Bottom), start)
}

/// xorshift64*: enough to vary a test.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}
