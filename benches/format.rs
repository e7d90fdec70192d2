//! What a million events cost: nanoseconds to write and to read one, bytes in the file, and bytes
//! in memory once the trace is loaded.
//!
//! `cargo bench -p tidline --features synth`. The divisions by a million are done in the head:
//! a run of 250 ms is 250 ns per event.

use std::io::Cursor;

use divan::{AllocProfiler, Bencher, black_box};
use tidline::format::{Writer, read_trace};
use tidline::model::{Event, Time, Trace};
use tidline::synth::{self, Plan};

/// The "max alloc" column is what a loaded trace needs at its peak.
#[global_allocator]
static ALLOC: AllocProfiler<std::alloc::System> = AllocProfiler::system();

const PLAN: Plan = Plan {
    events: 1_000_000,
    width: 64,
    seed: 1,
};

/// A recorder's batches: it writes what it has after this many events (the larger number: or
/// when a batch is full, which comes sooner).
const FLUSH_EVERY: [usize; 2] = [64, 100_000];

fn main() {
    let events = synth::events(PLAN);
    println!("events: {}", events.len());
    for batch in FLUSH_EVERY {
        let bytes = encode(&events, batch).len() as f64 / events.len() as f64;
        println!("batches of {batch}: {bytes:.2} bytes per event");
    }
    divan::main();
}

#[divan::bench(args = FLUSH_EVERY, sample_count = 10)]
fn encode_a_million(bencher: Bencher<'_, '_>, batch: usize) {
    let events = synth::events(PLAN);
    bencher.bench_local(|| encode(black_box(&events), batch));
}

#[divan::bench(args = FLUSH_EVERY, sample_count = 10)]
fn read_a_million(bencher: Bencher<'_, '_>, batch: usize) {
    let file = encode(&synth::events(PLAN), batch);
    bencher.bench_local(|| read(black_box(&file)));
}

/// Files that an adversary made: none may take longer than its length explains.
#[divan::bench(args = ["claims more", "wrong checksum", "markers"], sample_count = 5)]
fn read_20_mb_of_fake_headers(bencher: Bencher<'_, '_>, what: &str) {
    let file = hostile(what);
    bencher.bench_local(|| read(black_box(&file)));
}

/// 20 MB of chunk headers that are right in themselves and have no payload.
fn hostile(what: &str) -> Vec<u8> {
    let length: u32 = if what == "claims more" {
        16 << 20
    } else {
        8 << 20
    };
    let mut header = b"\xf5TDC\x01\0\0\0\0\0\0\0".to_vec();
    header.extend(length.to_le_bytes());
    header.extend(length.to_le_bytes());
    header.extend([0; 24]);
    header.extend(crc32fast::hash(&header).to_le_bytes());
    let pattern = if what == "markers" {
        &header[..4]
    } else {
        &header
    };
    let mut writer = Writer::start(Vec::new(), &synth::header()).expect("the header fits");
    let mut file = std::mem::take(writer.get_mut());
    file.extend(pattern.iter().copied().cycle().take(20_000_000));
    file
}

fn encode(events: &[Event], batch: usize) -> Vec<u8> {
    let mut writer = Writer::start(Vec::new(), &synth::header()).expect("the header fits");
    let mut now = Time(0);
    for event in events {
        now = event.time;
        writer.push(event).expect("a Vec takes all");
        if writer.pending() >= batch as u64 {
            writer.flush(now).expect("a Vec takes all");
        }
    }
    writer.finish(now, "done", &[]).expect("a Vec takes all")
}

fn read(file: &[u8]) -> Trace {
    read_trace(Cursor::new(file)).expect("the file is whole")
}
