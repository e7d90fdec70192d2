//! What recording costs: ratios measured in one run, in turn, since machines drift.
//!
//! ```text
//! cargo bench -p tidline-recorder --bench overhead [-- ROUNDS]
//! ```
//!
//! Needs a C compiler; rows whose peer (strace) is missing say so. `joiner` creates and joins 4,000
//! threads one after the other and times the loop itself, so that start-up does not count.

#![allow(missing_docs)]
#![cfg(target_os = "linux")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::{Child, TempDir, program, yardstick};

const TIDREC: &str = env!("CARGO_BIN_EXE_tidrec");
const THREADS: &str = "4000";
const PATIENCE: Duration = Duration::from_secs(120);

fn main() {
    let rounds = std::env::args()
        .find_map(|word| word.parse().ok())
        .unwrap_or(9);
    let dir = TempDir::new();
    for idle in ["0", "2000", "8000"] {
        loop_ratios(dir.path(), rounds, idle);
    }
    for threads in [5_000, 10_000] {
        attach(dir.path(), threads, "ptrace");
        if may_use_perf() {
            attach(dir.path(), threads, "perf");
        }
    }
}

fn may_use_perf() -> bool {
    let mut command = Command::new(TIDREC);
    command.args(["--backend", "perf", "--quiet", "--force"]);
    command.args(["-o", "/dev/null", "--", "true"]);
    command.status().is_ok_and(|status| status.success())
}

/// One way to run the loop.
struct Way {
    name: &'static str,
    prefix: Vec<String>,
    loops_ns: Vec<f64>,
    peak_kib: u64,
}

fn loop_ratios(dir: &Path, rounds: usize, idle: &str) {
    let joiner = program("joiner");
    let trace = dir.join("loop.tid").display().to_string();
    let smallest = yardstick().display().to_string();
    let words = |text: &str| text.split(' ').map(str::to_string).collect::<Vec<_>>();
    let mut ways = vec![
        ("untraced", vec![]),
        ("smallest C tracer", vec![smallest, "follow".into()]),
        (
            "tidrec",
            words(&format!("{TIDREC} --quiet --force -o {trace} --")),
        ),
        (
            "… without stacks",
            words(&format!(
                "{TIDREC} --stacks off --quiet --force -o {trace}.bare --"
            )),
        ),
    ];
    if may_use_perf() {
        let perf = format!("{TIDREC} --backend perf --quiet --force -o {trace}.perf --");
        ways.push(("tidrec by perf", words(&perf)));
        let bare =
            format!("{TIDREC} --backend perf --stacks off --quiet --force -o {trace}.perf-bare --");
        ways.push(("… without stacks", words(&bare)));
    }
    // With many idle threads strace takes minutes.
    if idle == "0"
        && Command::new("strace")
            .arg("-V")
            .stdout(Stdio::null())
            .status()
            .is_ok()
    {
        let strace = "strace -f --seccomp-bpf -o /dev/null -e trace=clone,clone3,fork,vfork";
        ways.push(("strace", words(strace)));
    }
    let mut ways: Vec<Way> = ways
        .into_iter()
        .map(|(name, prefix)| Way {
            name,
            prefix,
            loops_ns: Vec::new(),
            peak_kib: 0,
        })
        .collect();
    for round in 0..=rounds {
        for way in &mut ways {
            let (loop_ns, peak_kib) = run_loop(way, &joiner, idle);
            // The first round warms caches.
            if round > 0 {
                way.loops_ns.push(loop_ns);
                way.peak_kib = way.peak_kib.max(peak_kib);
            }
        }
    }
    println!("create and join {THREADS} threads, {idle} idle ones beside; {rounds} rounds in turn");
    let (untraced, smallest) = (ways[0].loops_ns.clone(), ways[1].loops_ns.clone());
    for way in &ways {
        println!(
            "  {:<18} {:>7.1} us a thread   {:>5.2}x untraced   {:>5.2}x smallest   peak {} KiB",
            way.name,
            median(&way.loops_ns) / 4e6,
            median(&ratios(&way.loops_ns, &untraced)),
            median(&ratios(&way.loops_ns, &smallest)),
            way.peak_kib,
        );
    }
    let kept = std::fs::metadata(&trace).map_or(0, |meta| meta.len());
    println!("  trace file: {kept} bytes\n");
}

/// The loop's time, and the peak memory of the tracer.
fn run_loop(way: &Way, joiner: &Path, idle: &str) -> (f64, u64) {
    let line: Vec<String> = way
        .prefix
        .iter()
        .cloned()
        .chain([joiner.display().to_string(), THREADS.into(), idle.into()])
        .collect();
    let mut child = Child::run(&line[0], &line[1..]);
    let mut peak_kib = 0;
    while child.try_exit().is_none() {
        peak_kib = peak_kib.max(peak_of(child.pid()));
        std::thread::sleep(Duration::from_millis(20));
    }
    let said = child.expect_exit(0, PATIENCE);
    let loop_ns = said.split(' ').nth(1).and_then(|word| word.parse().ok());
    (
        loop_ns.unwrap_or_else(|| panic!("no time in {said:?}")),
        peak_kib,
    )
}

fn attach(dir: &Path, threads: u32, backend: &str) {
    let mut target = Child::run(program("sleeper"), [threads.to_string()]);
    target.wait_line("ready", PATIENCE);
    let (mut attached, mut ended) = (Vec::new(), Vec::new());
    for round in 0..5 {
        let trace = dir.join(format!("attach{threads}-{backend}-{round}.tid"));
        let mut recorder = Command::new(TIDREC);
        recorder
            .arg("-o")
            .arg(&trace)
            .args(["--backend", backend])
            .args(["-p", &target.pid().to_string()]);
        let start = Instant::now();
        let mut recorder = Child::spawn(&mut recorder);
        while !recorder.stderr().contains("recording") {
            assert!(recorder.try_exit().is_none(), "{}", recorder.stderr());
            std::thread::sleep(Duration::from_micros(200));
        }
        attached.push(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        recorder.signal("INT");
        recorder.expect_exit(0, PATIENCE);
        ended.push(start.elapsed().as_secs_f64() * 1e3);
    }
    println!(
        "attach to {threads} idle threads by {backend}: {:.0} ms from start to all traced; {:.0} ms to let all go",
        median(&attached),
        median(&ended),
    );
    target.signal("TERM");
    target.expect_exit(0, PATIENCE);
}

/// Peak resident memory of a process so far, KiB.
fn peak_of(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok())
        .unwrap_or(0)
}

fn ratios(of: &[f64], to: &[f64]) -> Vec<f64> {
    of.iter().zip(to).map(|(of, to)| of / to).collect()
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
