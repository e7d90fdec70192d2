//! A million tasks: each key, and the screen after it, within 50 ms. Measured in release:
//!
//! ```sh
//! cargo test --release -p tidline-viewer replay::tests::large -- --ignored --nocapture
//! ```

use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use tidline::model::{Event, Task};
use tidline::synth::{self, Plan};

use super::super::made::{self, existing, exit, process, rename, thread, traced};
use super::*;

/// Keys from all over, with what lives, folds and moves in between.
const KEYS: [&str; 41] = [
    "Right", "Right", "Left", "End", "Home", "S-Right", "z", "z", "z", "z", "z", "S-Right", "Left",
    "]", "]", "[", "Down", "Down", "Enter", "Down", "Down", "Up", "v", "C-d", "C-d", "Right", "p",
    "t", "Right", "t", "v", "Z", "Z", "Z", "Z", "Z", "Tab", "PgDn", "Enter", "Tab", "S-Left",
];

const LIMIT: Duration = Duration::from_millis(50);

fn synthetic(events: usize, width: usize) -> Trace {
    let plan = Plan {
        events,
        width,
        seed: 1,
    };
    let events = synth::events(plan);
    let end = events.last().map_or(0, |event| event.time.0);
    traced(&synth::header(), &events, end)
}

/// Creators of creators: 1,000 processes of 1,000 threads each, of which all live at once in the
/// middle.
fn wide(processes: u32, threads: u32) -> Trace {
    let main = Task::new(1, 1);
    let mut events: Vec<Event> = vec![existing(0, main, b"main")];
    let mut ends: Vec<Event> = Vec::new();
    for number in 0..processes {
        let pid = 1_000 + number * (threads + 1);
        let ms = u64::from(number) + 1;
        events.push(process(ms, main, Task::new(pid, pid)));
        events.push(rename(
            ms,
            Task::new(pid, pid),
            format!("job{}", number % 7).as_bytes(),
        ));
        for thread_number in 1..=threads {
            let task = Task::new(pid, pid + thread_number);
            events.push(thread(ms, Task::new(pid, pid), task));
            ends.push(exit(ms + 2_000, task, 0));
        }
    }
    events.extend(ends);
    traced(&made::header(), &events, 4_000 * made::MS)
}

/// How long this thread has been running. Where the system does not say, how long it is since some
/// moment: on a machine that does nothing else, the same.
fn busy(begun: Instant) -> Duration {
    // The kernel counts when it looks whom to run next.
    std::thread::yield_now();
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let ns = stat.and_then(|stat| stat.split(' ').next()?.parse().ok());
    ns.map_or(begun.elapsed(), Duration::from_nanos)
}

/// The slowest key, and all of them in order of how long they took.
fn slowest(what: &str, trace: Trace) -> Duration {
    let tasks = trace.tasks().len();
    let begun = Instant::now();
    let before = busy(begun);
    let mut state = opened(trace, (200, 60));
    let indexed = busy(begun) - before;
    let mut terminal = Terminal::new(TestBackend::new(200, 60)).expect("a backend of memory");
    // What is there before the first key.
    let first = terminal.draw(|frame| draw(&state, PLAIN, frame.buffer_mut()));
    first.expect("memory takes it");
    let mut took: Vec<(Duration, String)> = Vec::new();
    let mut timed = |state: &mut State, name: &str, act: &dyn Fn(&mut State)| {
        let before = busy(begun);
        act(state);
        let drawn = terminal.draw(|frame| draw(state, PLAIN, frame.buffer_mut()));
        drawn.expect("memory takes it");
        took.push((busy(begun) - before, name.into()));
    };
    for at in ["0.1", "0.5", "0.9"] {
        let part: f64 = at.parse().expect("a number");
        let time = (state.whole().to as f64 * part) as u64;
        timed(&mut state, "go", &|state| state.go_to(time));
        for name in KEYS {
            timed(&mut state, name, &|state| state.key(key(name)));
        }
        for c in ["/", "n", "o", "n", "e", "*", "Enter"] {
            timed(&mut state, c, &|state| state.key(key(c)));
        }
        while state.has_work() {
            timed(&mut state, "a part of a search", &State::work);
        }
        timed(&mut state, "play", &|state| state.key(key("Space")));
        for tick in 0..30 {
            timed(&mut state, "tick", &|state| state.tick(tick * 33_000_000));
        }
        timed(&mut state, "pause", &|state| state.key(key("Space")));
    }
    let filter = super::super::filter::Filter::parse("worker-*7").expect("a filter");
    let before = busy(begun);
    let index = Index::new(state.trace(), &filter);
    let filtering = busy(begun) - before;
    drop(index);
    took.sort();
    let median = took[took.len() / 2].0;
    let (most, key) = took.last().cloned().expect("keys");
    eprintln!(
        "{what}: {tasks} tasks, worked out in {indexed:.0?}, a filter in {filtering:.0?} (aside); \
         key and screen: median {median:.1?}, slowest {most:.1?} ({key}) of {}",
        took.len()
    );
    most
}

#[test]
#[ignore = "takes a minute, and is measured in release"]
fn a_key_is_answered_within_50_ms_whatever_the_million() {
    let most = [
        slowest("few at a time", synthetic(2_250_000, 200)),
        slowest("ten thousand at a time", synthetic(2_250_000, 10_000)),
        slowest("all at once, in 1,000 processes", wide(1_000, 1_000)),
        slowest("all at once, in one", wide(1, 1_000_000)),
        slowest("a third of a million processes", wide(333_000, 2)),
        slowest(
            "a chain",
            traced(&made::header(), &made::chain(1_000_000), 0),
        ),
    ];
    assert!(most.iter().all(|most| *most < LIMIT), "{most:?}");
}

#[test]
fn large_traces_are_right_on_the_screen() {
    let mut state = opened(wide(100, 100), (80, 30));
    state.go_to(1_000 * made::MS);
    assert_eq!(rows(&state), [" ▾main[1]", "   ▸job# x 100"]);
    press(&mut state, &["Down", "Enter", "Down"]);
    assert_eq!(
        rows(&state)[2..4],
        ["     ▾job0[1000]", "       ▸job# x 100"]
    );
}
