//! What a stack costs: `cargo test --release -p tidline-recorder speed -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use tidline::model::{Interner, Time};

use super::super::{DEFAULT_FRAMES, DEFAULT_MEMORY, Unwinder};
use super::stopped::{ENOUGH, Stopped};
use super::support::program_with;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
#[ignore = "measures"]
fn speed() {
    let program = program_with("frames", &["-O2"]);
    let stopped = Stopped::run(&program, &["stop"]);
    let capture = stopped.capture(ENOUGH);
    let mut interner = Interner::new(10_000);
    let mut unwinder = Unwinder::new(DEFAULT_FRAMES, DEFAULT_MEMORY);

    let mut cold = Vec::new();
    for _ in 0..50 {
        let mut fresh = Unwinder::new(DEFAULT_FRAMES, DEFAULT_MEMORY);
        let since = Instant::now();
        fresh.stack(Time(1), stopped.pid, &capture, &mut interner);
        cold.push(since.elapsed());
    }
    println!("first stack of all (map, two files): {:?}", median(cold));

    unwinder.stack(Time(1), stopped.pid, &capture, &mut interner);
    let mut other = Vec::new();
    for _ in 0..50 {
        let stopped = Stopped::run(&program, &["stop"]);
        let capture = stopped.capture(ENOUGH);
        let since = Instant::now();
        unwinder.stack(Time(1), stopped.pid, &capture, &mut interner);
        other.push(since.elapsed());
    }
    println!(
        "first of another process with the same files: {:?}",
        median(other)
    );

    let count = 200_000;
    let since = Instant::now();
    for _ in 0..count {
        unwinder.walk(Time(1), stopped.pid, &capture, DEFAULT_FRAMES);
    }
    let frames = unwinder.found.len();
    println!("warm, {frames} frames: {:?}", since.elapsed() / count);
    let since = Instant::now();
    for _ in 0..count {
        unwinder.stack(Time(1), stopped.pid, &capture, &mut interner);
    }
    println!("warm and interned: {:?}", since.elapsed() / count);

    let count = 2000;
    let mut spent = Duration::ZERO;
    for _ in 0..count {
        unwinder.shared.modules.forget_rules();
        let since = Instant::now();
        unwinder.walk(Time(1), stopped.pid, &capture, DEFAULT_FRAMES);
        spent += since.elapsed();
    }
    println!("tables here, no rule looked up yet: {:?}", spent / count);
}
