//! The queue between the tracer and the writer: bounded, never blocking the tracer.
//!
//! When the writer cannot keep up (a disk that hangs, a full pipe), the queue fills, and what
//! comes then is counted as lost. The count is in the file as soon as the writer goes on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use tidline::model::{Event, EventBody, Name, Time};

use crate::capture::{Capture, Room};

/// Events that fit. At some 100 bytes each the queue's two halves stay below 10 MiB.
const CAPACITY: usize = 32 * 1024;
/// The writer gathers events until the queue is this full, or its time has come.
const WAKE_AT: usize = CAPACITY / 4;

/// An event, and what was captured for its call stack.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) event: Event,
    pub(crate) capture: Option<Box<Capture>>,
}

#[derive(Default)]
struct Shared {
    room: Arc<Room>,
    state: Mutex<State>,
    filled: Condvar,
    /// How many of the events that it took the writer has dealt with.
    done: AtomicU64,
}

#[derive(Default)]
struct State {
    events: Vec<Told>,
    lost: u64,
    lost_since: Time,
    high_water: usize,
    /// How many of the events are of tasks that existed.
    existing: usize,
    /// Notes that wait for the tracer to put them where they belong, if it wants that.
    apart: Option<Vec<Event>>,
    /// All that happened until then is in the queue or was, where the tracer says that.
    reached: Option<Time>,
    /// Reasons for snapshots that were asked for.
    snapshots: Vec<String>,
    closed: bool,
    end: Option<End>,
}

/// What the trace ends with.
#[derive(Clone, Debug)]
pub(crate) struct End {
    /// When: what happened later was not watched.
    pub(crate) at: Time,
    /// Why the recording ended, in words.
    pub(crate) reason: String,
    /// What the recorder counted about itself.
    pub(crate) counters: Vec<(&'static str, u64)>,
}

/// The tracer's end.
pub(crate) struct Sender(Arc<Shared>);

/// The end of others who have something to say, from any thread.
#[derive(Clone)]
pub(crate) struct Desk(Arc<Shared>);

/// The writer's end.
pub(crate) struct Receiver(Arc<Shared>);

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// There may be events.
    Open,
    /// There will be no more than those that are there.
    Closed,
}

pub(crate) fn queue() -> (Sender, Receiver) {
    let shared = Arc::new(Shared::default());
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether nothing waits for the writer.
    fn is_empty(&self) -> bool {
        self.events.is_empty() && self.lost == 0 && self.snapshots.is_empty()
    }

    /// Adds an event, or counts it as lost.
    fn add(&mut self, event: Event, capture: Option<Box<Capture>>) -> Option<Box<Capture>> {
        // Once something is lost, what follows is lost too, until the writer has been here:
        // so the loss is one stretch of time, and its record stands where it happened.
        // What is found at an attach comes all at once, while the target is held. There are no more of
        // these than tasks.
        let is_existing = matches!(event.body, EventBody::Existing { .. });
        if self.lost == 0 && (is_existing || self.events.len() - self.existing < CAPACITY) {
            self.existing += usize::from(is_existing);
            self.events.push(Told { event, capture });
            return None;
        }
        if self.lost == 0 {
            self.lost_since = event.time;
        }
        // The tracer passes on names without knowing whether they are news.
        if !matches!(event.body, EventBody::Rename { .. }) {
            self.lost += 1;
        }
        capture
    }
}

impl Desk {
    /// Puts a note into the recording. `now` gives the time, in order with the other events.
    pub(crate) fn mark(&self, text: &[u8], now: impl FnOnce() -> Time) {
        let mut state = self.0.lock();
        let (text, time) = (Name::from(text), now());
        let event = Event {
            time,
            body: EventBody::Mark { text },
        };
        match &mut state.apart {
            Some(apart) => apart.push(event),
            None => drop(state.add(event, None)),
        }
        drop(state);
        self.0.filled.notify_one();
    }

    /// Asks for a snapshot.
    pub(crate) fn snapshot(&self, reason: String) {
        self.0.lock().snapshots.push(reason);
        self.0.filled.notify_one();
    }
}

impl Sender {
    /// An end for others.
    pub(crate) fn desk(&self) -> Desk {
        Desk(Arc::clone(&self.0))
    }

    /// Moves all events into the queue, or counts those that do not fit. Never waits. `captured` goes
    /// with the event at that place.
    pub(crate) fn push(&self, events: &mut Vec<Event>, captured: Option<(usize, Box<Capture>)>) {
        let mut state = self.0.lock();
        let was_empty = state.is_empty();
        let before = state.events.len();
        let (place, mut capture) = match captured {
            Some((place, capture)) => (place, Some(capture)),
            None => (0, None),
        };
        let mut left = None;
        for (index, event) in events.drain(..).enumerate() {
            let capture = if index == place { capture.take() } else { None };
            left = left.or(state.add(event, capture));
        }
        let length = state.events.len();
        state.high_water = state.high_water.max(length);
        drop(state);
        if let Some(capture) = left {
            self.0.room.give_back(*capture);
        }
        if was_empty || (before < WAKE_AT && length >= WAKE_AT) || self.0.room.is_half_full() {
            self.0.filled.notify_one();
        }
    }

    /// How many events fit in before some are lost.
    pub(crate) fn space(&self) -> usize {
        let state = self.0.lock();
        match state.lost {
            0 => CAPACITY.saturating_sub(state.events.len() - state.existing),
            _ => 0,
        }
    }

    /// How many of the events that it took the writer has dealt with: whether it gets on.
    pub(crate) fn done(&self) -> u64 {
        self.0.done.load(Ordering::Relaxed)
    }

    /// Has notes kept for [`take_marks`](Sender::take_marks): who learns of events with a delay puts
    /// them in order.
    pub(crate) fn keep_marks_apart(&self) {
        let mut state = self.0.lock();
        state.apart.get_or_insert_default();
        state.reached = Some(Time(0));
    }

    /// All that happened until then has been pushed. Who learns of events with a delay says so.
    pub(crate) fn has_reached(&self, time: Time) {
        self.0.lock().reached = Some(time);
    }

    /// Takes the notes that were kept.
    pub(crate) fn take_marks(&self) -> Vec<Event> {
        let mut state = self.0.lock();
        state.apart.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// What captures share.
    pub(crate) fn room(&self) -> Arc<Room> {
        Arc::clone(&self.0.room)
    }

    /// Says what the trace is to end with, once the queue is closed. Without it there is no end mark.
    pub(crate) fn end_with(&self, end: End) {
        self.0.lock().end = Some(end);
    }

    /// The most events that ever waited.
    pub(crate) fn high_water(&self) -> u64 {
        self.0.lock().high_water as u64
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        // Notes that were handed over after the tracer had looked for the last time.
        for mark in state.apart.take().unwrap_or_default() {
            drop(state.add(mark, None));
        }
        state.closed = true;
        drop(state);
        self.0.filled.notify_one();
    }
}

impl Receiver {
    /// Waits until there are events, or `limit` has passed (`None`: for ever).
    pub(crate) fn wait_for_some(&self, limit: Option<Duration>) -> Woken {
        self.wait(limit, State::is_empty)
    }

    /// What captures share.
    pub(crate) fn room(&self) -> Arc<Room> {
        Arc::clone(&self.0.room)
    }

    /// Waits until there is much to do, or `limit` has passed.
    pub(crate) fn wait_for_many(&self, limit: Duration) -> Woken {
        let room = &self.0.room;
        self.wait(Some(limit), |state| {
            state.events.len() < WAKE_AT && !room.is_half_full()
        })
    }

    fn wait(&self, limit: Option<Duration>, too_few: impl Fn(&State) -> bool) -> Woken {
        let mut state = self.0.lock();
        let until = limit.map(|limit| std::time::Instant::now() + limit);
        while too_few(&state) && !state.closed {
            state = match until {
                None => self
                    .0
                    .filled
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(std::time::Instant::now());
                    if left.is_zero() {
                        break;
                    }
                    let waited = self.0.filled.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        if state.closed {
            Woken::Closed
        } else {
            Woken::Open
        }
    }

    /// One of the events that were taken is dealt with.
    pub(crate) fn note_done(&self) {
        self.0.done.fetch_add(1, Ordering::Relaxed);
    }

    /// Until when all that happened is here, where the tracer says that and goes on.
    pub(crate) fn reached(&self) -> Option<Time> {
        let state = self.0.lock();
        state.reached.filter(|_| !state.closed)
    }

    /// Has the tracer put a note where it belongs; gives it back if it does not do that.
    pub(crate) fn hand_over(&self, mark: Event) -> Option<Event> {
        let mut state = self.0.lock();
        let is_open = !state.closed;
        match &mut state.apart {
            Some(apart) if is_open => {
                apart.push(mark);
                None
            }
            _ => Some(mark),
        }
    }

    /// Takes the reasons for snapshots that were asked for.
    pub(crate) fn take_snapshots(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().snapshots)
    }

    /// What the trace is to end with.
    pub(crate) fn end(&self) -> Option<End> {
        self.0.lock().end.take()
    }

    /// Takes all events; `batch` must be empty, and its memory goes into use. A loss is the last.
    pub(crate) fn take(&self, batch: &mut Vec<Told>, now: Time) {
        let mut state = self.0.lock();
        std::mem::swap(batch, &mut state.events);
        state.existing = 0;
        let (lost, since) = (std::mem::take(&mut state.lost), state.lost_since);
        drop(state);
        if lost > 0 {
            let reason = Name::from("the output did not take the events fast enough");
            let body = EventBody::Lost {
                count: lost,
                since,
                reason,
            };
            let (event, capture) = (Event { time: now, body }, None);
            batch.push(Told { event, capture });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(time: usize) -> Event {
        Event {
            time: Time(time as u64),
            body: EventBody::Mark {
                text: Name::default(),
            },
        }
    }

    fn events(batch: &[Told]) -> Vec<Event> {
        batch.iter().map(|told| told.event.clone()).collect()
    }

    #[test]
    fn a_capture_goes_with_its_event_and_one_that_is_lost_gives_its_room_back() {
        let (sender, receiver) = queue();
        let room = sender.room();
        let capture = || {
            Box::new(Capture {
                buffer: room.take(tidline::model::Pid(1), 3 << 20).unwrap(),
                ..Capture::default()
            })
        };
        sender.push(&mut vec![mark(0), mark(1), mark(2)], Some((1, capture())));
        let mut batch = Vec::new();
        receiver.take(&mut batch, Time(3));
        let with: Vec<bool> = batch.iter().map(|told| told.capture.is_some()).collect();
        assert_eq!(with, [false, true, false]);
        room.give_back(*batch.swap_remove(1).capture.unwrap());
        sender.push(&mut (0..CAPACITY).map(mark).collect(), None);
        sender.push(&mut vec![mark(9)], Some((0, capture())));
        assert!(!room.is_half_full());
    }

    #[test]
    fn what_does_not_fit_is_one_counted_stretch() {
        let (sender, receiver) = queue();
        sender.push(&mut (0..CAPACITY + 3).map(mark).collect(), None);
        sender.push(&mut vec![mark(CAPACITY + 3)], None);
        let mut batch = Vec::new();
        receiver.take(&mut batch, Time(u64::MAX));
        let lost = batch.pop().unwrap().event;
        assert_eq!(events(&batch), (0..CAPACITY).map(mark).collect::<Vec<_>>());
        let EventBody::Lost {
            count: 4, since, ..
        } = lost.body
        else {
            panic!("{lost:?}")
        };
        assert_eq!(since, Time(CAPACITY as u64));

        batch.clear();
        sender.push(&mut vec![mark(9)], None);
        receiver.take(&mut batch, Time(10));
        assert_eq!(events(&batch), [mark(9)]);
        assert_eq!(sender.high_water(), CAPACITY as u64);
    }

    #[test]
    fn what_existed_fits_however_much_it_is() {
        let (sender, receiver) = queue();
        let existing = |tid: usize| Event {
            time: Time(0),
            body: EventBody::Existing {
                task: tidline::model::Task::new(1, tid as u32),
                parent_pid: None,
                name: Name::default(),
                pc: None,
                inner: None,
            },
        };
        let mut batch = Vec::new();
        for _ in 0..2 {
            sender.push(&mut (1..3 * CAPACITY).map(existing).collect(), None);
            sender.push(&mut (0..CAPACITY).map(mark).collect(), None);
            batch.clear();
            receiver.take(&mut batch, Time(1));
            assert_eq!(batch.len(), 4 * CAPACITY - 1);
        }
        sender.push(&mut (0..CAPACITY + 1).map(mark).collect(), None);
        batch.clear();
        receiver.take(&mut batch, Time(1));
        assert!(matches!(
            batch.last().unwrap().event.body,
            EventBody::Lost { count: 1, .. }
        ));
    }

    #[test]
    fn closing_wakes_the_writer() {
        let (sender, receiver) = queue();
        sender.push(&mut vec![mark(1)], None);
        assert_eq!(receiver.wait_for_some(None), Woken::Open);
        drop(sender);
        assert_eq!(
            receiver.wait_for_many(Duration::from_secs(60)),
            Woken::Closed
        );
    }

    #[test]
    fn notes_are_the_tracers_to_put_in_order_if_it_wants_that_and_while_it_is_there() {
        let (sender, receiver) = queue();
        assert_eq!(receiver.hand_over(mark(1)), Some(mark(1)));
        assert_eq!(receiver.reached(), None);
        sender.keep_marks_apart();
        assert_eq!(receiver.hand_over(mark(2)), None);
        assert_eq!(sender.take_marks(), [mark(2)]);
        sender.has_reached(Time(7));
        assert_eq!(receiver.reached(), Some(Time(7)));
        assert_eq!(receiver.hand_over(mark(8)), None);
        drop(sender);
        // The tracer has not looked any more.
        let mut batch = Vec::new();
        receiver.take(&mut batch, Time(9));
        let told: Vec<Event> = batch.into_iter().map(|told| told.event).collect();
        assert_eq!(told, [mark(8)]);
        assert_eq!(receiver.hand_over(mark(3)), Some(mark(3)));
        assert_eq!(receiver.reached(), None);
    }
}
