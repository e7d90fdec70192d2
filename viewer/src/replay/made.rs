//! Traces for the tests, made by hand: those of `tests/view`, and a few that replay is about.

#[path = "../../../tests/view/made.rs"]
mod hand;

use tidline::format::Header;
use tidline::model::{Ending, Event, Integrity, Task, Time, Trace, TraceBuilder};

pub(crate) use hand::*;

pub(crate) const MS: u64 = 1_000_000;

/// A trace of these events that was finished at a time.
pub(crate) fn traced(header: &Header, events: &[Event], end: u64) -> Trace {
    ending(
        header,
        events,
        end,
        Ending::Finished("the target ended".into()),
    )
}

/// The same, which ended so.
pub(crate) fn ending(header: &Header, events: &[Event], end: u64, ending: Ending) -> Trace {
    let mut builder = TraceBuilder::new(header.clone());
    for event in events {
        builder.push(event.clone());
    }
    builder.reached(Time(end));
    builder.finish(Integrity::new(ending))
}

/// A server with a thread from 5 ms on, and workers that are born every 10 ms and live 25.
pub(crate) fn workers(count: u32) -> Vec<Event> {
    let main = Task::new(1_000, 1_000);
    let mut events = vec![
        existing(0, main, b"server"),
        thread(5, main, Task::new(1_000, 1_001)),
        rename(5, Task::new(1_000, 1_001), b"io"),
    ];
    for number in 0..count {
        let worker = Task::new(1_000, 2_000 + number);
        let born = 10 + 10 * u64::from(number);
        events.push(thread(born, main, worker));
        events.push(rename(born, worker, format!("worker-{number}").as_bytes()));
        events.push(exit(born + 25, worker, 0));
    }
    events.sort_by_key(|event| event.time);
    events
}

/// Each thread creates the next, and ends.
pub(crate) fn chain(count: u32) -> Vec<Event> {
    let mut last = Task::new(100, 100);
    let mut events = vec![existing(0, last, b"main")];
    for number in 1..=count {
        let next = Task::new(100, 1_000 + number);
        let ms = u64::from(number);
        events.push(thread(ms, last, next));
        events.push(exit(ms, last, 0));
        last = next;
    }
    events
}
