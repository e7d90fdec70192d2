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

use crate::format::{Header, Target};
use crate::model::{Birth, End, Event, EventBody, Name, Task, Time, Via, What};

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
