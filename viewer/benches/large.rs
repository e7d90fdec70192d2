//! What views cost on a trace of ten million events: time and peak memory of each, in turn.
//!
//! ```text
//! cargo bench -p tidline-viewer --bench large [-- ROUNDS [EVENTS]]
//! ```
//!
//! The trace is synthetic: a server with up to 1,000 threads at a time, half of all events births.
//! It is written once as a recorder writes it, and shown by the release binary, whose output goes
//! into a pipe that is read and thrown away. Peaks are read from `/proc`, where there is one.

#![allow(missing_docs)]

use std::fs::File;
use std::io::{BufWriter, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tidline::format::Writer;
use tidline::synth::{self, Plan};

const TIDVIEW: &str = env!("CARGO_BIN_EXE_tidview");

fn main() {
    let mut numbers = std::env::args().filter_map(|word| word.parse::<usize>().ok());
    let rounds = numbers.next().unwrap_or(5);
    let events = numbers.next().unwrap_or(10_000_000);
    let dir = tempfile::tempdir().expect("a place for the trace");
    let paths = [dir.path().join("old.tid"), dir.path().join("new.tid")];
    let mut length = 0;
    for (seed, path) in [1, 3].into_iter().zip(&paths) {
        length = write(
            path,
            Plan {
                events,
                width: 1_000,
                seed,
            },
        );
    }
    let [old, new] = [&paths[0], &paths[1]].map(|path| path.display().to_string());
    println!("{events} events in {length} bytes; {rounds} rounds in turn, medians");
    // In the middle: half a million events are some ten seconds.
    let middle = events as u64 / 100_000 + 3;
    let (since, until) = (format!("{middle}s"), format!("{}s", middle + 1));
    let views: Vec<(&str, Vec<&str>)> = vec![
        ("info", vec!["info", &old]),
        (
            "timeline, one second",
            vec![
                "timeline", &old, "--since", &since, "--until", &until, "--limit", "0",
            ],
        ),
        (
            "threads --at",
            vec!["threads", &old, "--at", &since, "--limit", "0"],
        ),
        ("tree", vec!["tree", &old]),
        ("stats", vec!["stats", &old]),
        ("diff", vec!["diff", &old, &new]),
        (
            "timeline, all of it",
            vec!["timeline", &old, "--format", "ndjson", "--limit", "0"],
        ),
        ("export --to csv", vec!["export", &old, "--to", "csv"]),
        (
            "export --to perfetto",
            vec!["export", &old, "--to", "perfetto", "-o", "-"],
        ),
    ];
    let mut runs: Vec<Vec<Run>> = views.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for ((_, words), runs) in views.iter().zip(&mut runs) {
            runs.push(run(words));
        }
    }
    for ((name, _), mut runs) in views.iter().zip(runs) {
        runs.sort_by_key(|run| run.time);
        let (median, least) = (runs[runs.len() / 2].time, runs[0].time);
        let peak = runs.iter().map(|run| run.peak_kib).max().unwrap_or(0);
        println!(
            "  {name:22} {median:>9.0?}  (least {least:.0?}), peak {} MiB",
            peak >> 10
        );
    }
}

/// Writes a trace as a recorder does, and returns its length.
fn write(path: &Path, plan: Plan) -> u64 {
    let file = BufWriter::new(File::create(path).expect("a file"));
    let writer = Writer::start(file, &synth::header()).expect("the header fits");
    synth::record(writer, synth::events(plan), Writer::is_checkpoint_due)
        .expect("the disk has room");
    std::fs::metadata(path).expect("it is there").len()
}

struct Run {
    time: Duration,
    peak_kib: u64,
}

fn run(words: &[&str]) -> Run {
    let begun = Instant::now();
    let mut child = Command::new(TIDVIEW)
        .args(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("tidview runs");
    let mut out = child.stdout.take().expect("a pipe");
    let (pid, is_over) = (child.id(), AtomicBool::new(false));
    let peak_kib = std::thread::scope(|scope| {
        // A process that has ended cannot be asked any more.
        let sampler = scope.spawn(|| {
            let mut peak_kib = 0;
            while !is_over.load(Ordering::Relaxed) {
                peak_kib = high_water(pid).max(peak_kib);
                std::thread::sleep(Duration::from_millis(2));
            }
            peak_kib
        });
        let mut buffer = vec![0; 1 << 16];
        while out.read(&mut buffer).expect("the pipe reads") > 0 {}
        is_over.store(true, Ordering::Relaxed);
        sampler.join().expect("it only reads")
    });
    let status = child.wait().expect("it ends");
    assert!(status.success(), "{words:?}: {status}");
    Run {
        time: begun.elapsed(),
        peak_kib,
    }
}

/// The most memory that a process had, KiB; 0 where that cannot be known.
fn high_water(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    number
        .and_then(|number| number.trim().parse().ok())
        .unwrap_or(0)
}
