//! What two files tell of: files of one recording have the same events to the nanosecond, those of
//! two recorders learned of them at about the same time.

use std::collections::HashMap;

use tidline::model::{Event, EventBody, Task, Time};

/// How far apart two recorders may have learned of one thing, ns.
const TOLERANCE: u64 = 10_000_000;
/// Entries after which the old ones are looked for.
const MANY: usize = 1 << 16;

/// An event, who told of it, and of what recording.
struct Told {
    event: Event,
    from: usize,
    recording: u128,
    /// Who told of it, too: each tells of it once.
    also: Vec<usize>,
}

/// The last events, by task and kind.
#[derive(Default)]
pub(super) struct Twice {
    last: HashMap<(Option<Task>, &'static str), Vec<Told>>,
    entries: usize,
}

impl Twice {
    /// Whether another file told of this event; if not, it is remembered.
    pub(super) fn is_known(&mut self, event: &Event, from: usize, recording: u128) -> bool {
        if self.entries >= MANY {
            self.forget(event.time);
        }
        let key = (event.body.task(), event.body.kind());
        let told = self.last.entry(key).or_default();
        let before = told.len();
        told.retain(|told| is_recent(told, event.time));
        self.entries -= before - told.len();
        let same = told.iter_mut().find(|told| {
            told.from != from
                && !told.also.contains(&from)
                && match told.recording == recording {
                    true => told.event == *event,
                    false => is_alike(&told.event.body, &event.body),
                }
        });
        if let Some(same) = same {
            same.also.push(from);
            return true;
        }
        self.entries += 1;
        told.push(Told {
            event: event.clone(),
            from,
            recording,
            also: Vec::new(),
        });
        false
    }

    /// Whether another recorder has just seen a task end: what is told of it now was before that.
    pub(super) fn has_ended(&self, task: Task, now: Time, recording: u128) -> bool {
        let exits = self.last.get(&(Some(task), "exit"));
        let mut exits = exits.into_iter().flatten();
        exits.any(|told| told.recording != recording && is_recent(told, now))
    }

    fn forget(&mut self, now: Time) {
        self.last.retain(|_, told| {
            told.retain(|told| is_recent(told, now));
            !told.is_empty()
        });
        self.entries = self.last.values().map(Vec::len).sum();
    }
}

fn is_recent(told: &Told, now: Time) -> bool {
    now.0 - told.event.time.0.min(now.0) <= TOLERANCE
}

/// Whether two recorders' events are one.
fn is_alike(one: &EventBody, other: &EventBody) -> bool {
    match (one, other) {
        (EventBody::Birth(one), EventBody::Birth(other)) => {
            one.child == other.child && one.what == other.what
        }
        // The path may be as it was called, or the file's own.
        (EventBody::Exec { task: one, .. }, EventBody::Exec { task: other, .. }) => one == other,
        // Each recorder has its own notes, losses and tasks to let go.
        (
            EventBody::Mark { .. }
            | EventBody::Gap { .. }
            | EventBody::Lost { .. }
            | EventBody::Detach { .. },
            _,
        ) => false,
        (one, other) => one == other,
    }
}
