//! The targets on their seeds, and on changes of them: a smoke test for any compiler.

use std::fs;
use std::path::{Path, PathBuf};

use tidline::format::{Defined, Header, Writer};
use tidline::model::{Anchor, Definition, Event, Live, Stacks};
use tidline::synth::{self, Plan};

use crate::{KINDS, TARGETS};

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(target)
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder(target)).expect("seeds");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a seed").path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "{target} has no seeds");
    paths
        .iter()
        .map(|path| fs::read(path).expect("a seed"))
        .collect()
}

/// xorshift64*, as in `tidline::synth`.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound.max(1)
    }

    /// Changes a few bytes, or moves, doubles or cuts some.
    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        const EDGES: [u8; 8] = [0, 1, 250, 251, 252, 253, 254, 255];
        for _ in 0..1 + self.below(4) {
            let (at, length) = (self.below(bytes.len()), 1 + self.below(16));
            let until = (at + length).min(bytes.len());
            match self.below(6) {
                _ if bytes.is_empty() => bytes.push(self.below(256) as u8),
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = EDGES[self.below(EDGES.len())],
                2 => bytes[at] = self.below(256) as u8,
                3 => drop(bytes.drain(at..until)),
                4 => drop(bytes.splice(at..at, bytes[at..until].to_vec())),
                _ => {
                    let from = self.below(other.len());
                    let part = &other[from..(from + length).min(other.len())];
                    drop(bytes.splice(at..until, part.iter().copied()));
                }
            }
        }
    }
}

#[test]
fn every_target_runs_on_its_seeds_and_changes_of_them() {
    let rounds = std::env::var("ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok());
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        for seed in &seeds {
            target(seed);
        }
        let mut random = Random(7);
        for _ in 0..rounds.unwrap_or(4_000) {
            let mut bytes = seeds[random.below(seeds.len())].clone();
            let other = &seeds[random.below(seeds.len())];
            random.change(&mut bytes, other);
            let shown = bytes.clone();
            let run = std::panic::catch_unwind(|| target(&bytes));
            assert!(run.is_ok(), "{name} fails on {shown:02x?}");
        }
    }
}

fn events(count: usize, seed: u64) -> Vec<Event> {
    let mut events = synth::events(Plan {
        events: count,
        width: 6,
        seed,
    });
    events.truncate(count);
    events
}

/// The files of a recording, ten events in a chunk.
fn recording(events: &[Event], stacks: &Stacks, per_file: usize) -> Vec<Vec<u8>> {
    let mut live = Live::default();
    let parts = events.chunks(per_file).zip(0..).map(|(part, segment)| {
        let header = Header {
            segment,
            ..synth::header()
        };
        let mut writer = Writer::start(Vec::new(), &header).unwrap();
        let mut defined = Defined::default();
        let define = |needed: &[Definition], writer: &mut Writer<Vec<u8>>| {
            for definition in needed {
                writer.define(definition).unwrap();
            }
        };
        let anchor = Anchor {
            time: part[0].time,
            wall_ns: header.start_wall_ns + 1_000,
            utc_offset_s: 3_600,
        };
        if segment > 0 {
            let (carried, mut needed) = (live.checkpoint(), Vec::new());
            defined.for_checkpoint(&carried, stacks, &mut needed);
            define(&needed, &mut writer);
            writer.checkpoint(&carried, anchor).unwrap();
        }
        for batch in part.chunks(10) {
            for event in batch {
                let mut needed = Vec::new();
                defined.for_event(event, stacks, &mut needed);
                define(&needed, &mut writer);
                writer.push(event).unwrap();
                live.follow(event);
            }
            writer.flush(batch[batch.len() - 1].time).unwrap();
        }
        let now = part[part.len() - 1].time;
        writer.finish(now, "done", &[("stops", 5)]).unwrap()
    });
    parts.collect()
}

/// A file's chunks, each with its header, and the header's body before them.
fn taken_apart(file: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let length = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    let mut at = 20 + length(12);
    let (header, mut chunks) = (file[20..at].to_vec(), Vec::new());
    while at < file.len() {
        let end = at + 48 + length(at + 12);
        chunks.push(file[at..end].to_vec());
        at = end;
    }
    (header, chunks)
}

#[test]
#[ignore = "writes the seeds"]
fn write_the_seeds() {
    let write = |target: &str, name: &str, bytes: &[u8]| {
        fs::create_dir_all(folder(target)).unwrap();
        fs::write(folder(target).join(name), bytes).unwrap();
    };
    let record = |chunk: &[u8]| -> Vec<u8> {
        let kind = KINDS.iter().position(|kind| *kind == chunk[4]);
        let first = chunk[20].min(63) << 2 | kind.expect("a kind of records") as u8;
        [&[first], &chunk[48..]].concat()
    };
    let files = recording(&events(60, 3), &Stacks::default(), 20);
    // Few places, so that chunks of definitions are small enough not to be packed.
    let mut stacked = events(30, 5);
    let interner = synth::with_stacks(&mut stacked, 2, 5);
    let with_stacks = recording(&stacked, interner.stacks(), 15);
    let named = ["file", "stacks"].into_iter().zip([&files, &with_stacks]);
    for (kind, files) in named {
        for (number, file) in files.iter().enumerate() {
            let (header, chunks) = taken_apart(file);
            write("header", &format!("{kind}-{number}"), &header);
            write("read_trace", &format!("{kind}-{number}"), file);
            for (place, chunk) in chunks.iter().enumerate() {
                let name = format!("{kind}-{number}-{place}");
                write("chunk", &name, &[&chunk[4..40], &chunk[48..]].concat());
                // Those that are not packed.
                if chunk[5] == 0 {
                    write("record", &name, &record(chunk));
                }
            }
        }
    }
    // Definitions of each kind, and a few words on which later ones depend.
    let small = [
        &[7 << 2 | 3][..],
        &[5, 0, 10, 0, 2, b'/', b'a', 1, 9, 7, 16, 250, 0],
        &[6, 0, 4, 0, 1, 99, 2],
        &[7, 0, 4, 0, 0, 0, 1],
        &[7, 0, 4, 5, 1, 0, 1],
        &[7, 0, 4, 7, 6, 1, 3],
        &[8, 0, 12, 0, 1, 2, 1, b'f', 0, 7, 1, b'g', 1, b'c', 0],
        &[6, 0, 4, 1, 0, 99, 4],
    ];
    write("record", "definitions", &small.concat());
    let framed = |files: &[&Vec<u8>]| -> Vec<u8> {
        let framed = files.iter().map(|file| {
            let length = (file.len() as u16).to_le_bytes();
            [&length[..], file].concat()
        });
        framed.collect::<Vec<_>>().concat()
    };
    write(
        "segments",
        "all",
        &framed(&files.iter().collect::<Vec<_>>()),
    );
    write(
        "segments",
        "stacks",
        &framed(&with_stacks.iter().collect::<Vec<_>>()),
    );
    write("segments", "given-up", &framed(&[&files[2], &files[1]]));
    write("segments", "missing", &framed(&[&files[0], &files[2]]));
    // All kinds of records, in files that the tests of the library made.
    let traces = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata");
    for name in ["corrupt/no-end-mark.tid", "traces/v1/detached.tid"] {
        let file = fs::read(traces.join(name)).unwrap();
        let name = name.replace('/', "-").replace(".tid", "");
        write("read_trace", &name, &file);
        write("segments", &name, &framed(&[&file]));
        for (place, chunk) in taken_apart(&file).1.iter().enumerate() {
            if chunk[5] == 0 {
                write("record", &format!("{name}-{place}"), &record(chunk));
            }
        }
    }
    write("header", "empty", &[0; 32]);
}
