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

/// The best average of many short runs: what a busy machine adds is left out.
fn best(mut work: impl FnMut()) -> Duration {
    const TIMES: u32 = 200;
    let mut run = || {
        let since = Instant::now();
        (0..TIMES).for_each(|_| work());
        since.elapsed() / TIMES
    };
    (0..500).map(|_| run()).min().expect("many runs")
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

    let warm = best(|| {
        unwinder.walk(Time(1), stopped.pid, &capture, DEFAULT_FRAMES);
    });
    let frames = unwinder.found.len();
    println!("warm, {frames} frames: {warm:?}");
    let interned = best(|| {
        unwinder.stack(Time(1), stopped.pid, &capture, &mut interner);
    });
    println!("warm and interned: {interned:?}");
    let cold = best(|| {
        unwinder.shared.modules.forget_rules();
        unwinder.walk(Time(1), stopped.pid, &capture, DEFAULT_FRAMES);
    });
    println!("tables here, no rule looked up yet: {cold:?}");
}
