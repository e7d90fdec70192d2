//! What replay shows at a moment, and how that changes: by a key, a click, time that passes, a
//! file that has grown. It knows no terminal and no clock; both are given to it.

use std::sync::Arc;

use tidline::model::{Ending, TaskId, Time, Trace};

use super::filter::Filter;
use super::index::{Index, Show};
use super::layout::{Areas, Wanted, areas, rows};
use super::outline::{Place, Shape};
use super::play::Speed;
use super::prompt::Prompt;
use super::search::Search;
use super::spans::At;
use super::window::Window;
use crate::time::Clock;
use crate::view::Options;

/// How the tasks are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    Lanes,
    Tree,
}

/// The part that up, down and page go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pane {
    Tasks,
    Log,
}

/// What lies over the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overlay {
    Help,
    Notices,
}

/// What has to be done outside of the state.
#[derive(Clone, Debug)]
pub(crate) enum Effect {
    Quit,
    /// Give the terminal back until the shell says `fg`.
    Suspend,
    /// Text for the terminal's clipboard.
    Copy(String),
    /// Work out what this filter admits, and give it to [`State::filtered`].
    Filter(Filter),
}

/// Whether the file goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It has its end.
    Finished,
    /// It has none, and has not grown while it was looked at.
    CutShort,
    /// It has grown.
    Live,
}

/// One thread whose events are gone through.
#[derive(Clone, Debug)]
pub(crate) struct Follow {
    pub(crate) task: TaskId,
    pub(crate) events: Vec<u32>,
}

/// What can be chosen before it starts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) at: Option<Time>,
    pub(crate) speed: Speed,
    pub(crate) utc: bool,
    pub(crate) size: (u16, u16),
}

/// All that is shown.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) show: Arc<Show>,
    /// The filter, and what it admits.
    pub(crate) filter: Option<(Filter, Arc<Index>)>,
    /// A filter that is being worked out.
    pub(crate) filtering: Option<Filter>,
    pub(crate) options: Options,
    pub(crate) utc: bool,
    /// The file, safe to print.
    pub(crate) name: String,
    pub(crate) life: Life,
    pub(crate) cursor: u64,
    /// The last event that has happened; of several at one time it is one of them.
    pub(crate) event: Option<usize>,
    pub(crate) window: Window,
    pub(crate) size: (u16, u16),
    pub(crate) playing: bool,
    pub(crate) speed: Speed,
    pub(crate) skip_idle: bool,
    pub(crate) view: View,
    pub(crate) pane: Pane,
    /// Whether the details take the panes' place on a narrow screen.
    pub(crate) details: bool,
    /// Lines of the details that are above the screen.
    pub(crate) details_top: usize,
    pub(crate) selected: Option<Place>,
    /// The first row of the tasks.
    pub(crate) top: Place,
    pub(crate) shape: Shape,
    pub(crate) follow: Option<Follow>,
    pub(crate) search: Option<Search>,
    pub(crate) prompt: Option<Prompt>,
    pub(crate) overlay: Option<Overlay>,
    /// Lines of it that are above the screen.
    pub(crate) overlay_top: usize,
    /// What there is to say about the last key.
    pub(crate) note: Option<String>,
    pub(crate) effects: Vec<Effect>,
    /// When the last tick was, ns of the watcher's clock.
    ticked: Option<u64>,
}

impl State {
    pub(crate) fn new(show: Arc<Show>, name: String, start: &Start) -> State {
        let options = Options {
            clock: Clock::new(show.trace.anchors(), start.utc),
            width: None,
            limit: 0,
        };
        let window = whole(&show.trace);
        let life = match show.trace.integrity().ending {
            Ending::Finished(_) => Life::Finished,
            Ending::CutShort => Life::CutShort,
        };
        let mut state = State {
            filter: None,
            filtering: None,
            options,
            utc: start.utc,
            name,
            life,
            cursor: window.from,
            event: None,
            window,
            size: start.size,
            playing: false,
            speed: start.speed,
            skip_idle: true,
            view: View::Lanes,
            pane: Pane::Tasks,
            details: false,
            details_top: 0,
            selected: Some(0),
            top: 0,
            shape: Shape::default(),
            follow: None,
            search: None,
            prompt: None,
            overlay: None,
            overlay_top: 0,
            note: None,
            effects: Vec::new(),
            ticked: None,
            show,
        };
        state.go_to(start.at.map_or(window.from, |time| time.0));
        state
    }

    pub(crate) fn trace(&self) -> &Trace {
        &self.show.trace
    }

    /// What is admitted by the filter, or all.
    pub(crate) fn index(&self) -> &Index {
        match &self.filter {
            Some((_, index)) => index,
            None => &self.show.index,
        }
    }

    /// All of the trace.
    pub(crate) fn whole(&self) -> Window {
        whole(&self.show.trace)
    }

    /// The moment, and how long before it something counts as new. While nothing is played that
    /// is the moment itself, where an event is at it.
    pub(crate) fn at(&self) -> At {
        let at_event = || {
            let event = self
                .event
                .and_then(|event| self.trace().events().get(event));
            event.is_some_and(|event| event.time.0 == self.cursor)
        };
        let flash = match self.playing {
            true => self.speed.flash(),
            false => u64::from(at_event()),
        };
        At {
            now: self.cursor,
            flash,
        }
    }

    pub(crate) fn areas(&self) -> Areas {
        let wanted = Wanted {
            notice: !self.show.notices.is_empty(),
            details: self.details,
            log: self.pane == Pane::Log,
        };
        areas(self.size, wanted)
    }

    /// Whether time passes on the screen. At the end of a file that goes on it waits.
    pub(crate) fn is_animated(&self) -> bool {
        self.playing && self.cursor < self.whole().to
    }

    /// Whether there is more to do before the next key.
    pub(crate) fn has_work(&self) -> bool {
        self.search.as_ref().is_some_and(Search::is_going)
    }

    // Time.

    /// Goes to a moment: the last event that is not later is the current one.
    pub(crate) fn go_to(&mut self, time: u64) {
        let whole = self.whole();
        self.cursor = time.clamp(whole.from, whole.to);
        let events = self.trace().events();
        let happened = events.partition_point(|event| event.time.0 <= self.cursor);
        self.event = happened.checked_sub(1);
        self.window = self.window.showing(self.cursor, whole);
        self.settle();
    }

    /// Goes to an event.
    pub(crate) fn go_to_event(&mut self, event: usize) {
        let Some(found) = self.trace().events().get(event) else {
            return;
        };
        let time = found.time.0;
        self.go_to(time);
        self.event = Some(event);
    }

    /// Goes on or back by so many of the events that are shown.
    pub(crate) fn step(&mut self, by: i64) {
        let count = self.log_len();
        let current = self.log_position();
        let between = current.is_some_and(|position| {
            let event = self.log_event(position);
            event.is_some_and(|event| self.trace().events()[event].time.0 < self.cursor)
        });
        // Back from between two events is to the one before; the position counts from 1, and
        // 0 is before all.
        let position = current.map_or(0, |position| position as i64 + 1);
        let by = if between && by < 0 { by + 1 } else { by };
        let position = position.saturating_add(by).clamp(0, count as i64);
        match position {
            0 => self.go_to_begin(),
            position => {
                if let Some(event) = self.log_event(position as usize - 1) {
                    self.go_to_event(event);
                }
            }
        }
    }

    /// Goes before all that happens.
    pub(crate) fn go_to_begin(&mut self) {
        self.go_to(self.whole().from);
        let first = self.trace().events().first();
        if first.is_some_and(|event| event.time.0 == self.cursor) {
            self.event = None;
        }
    }

    /// The next event that is shown behind a moment.
    fn next_event(&self, time: u64) -> Option<u64> {
        let events = self.trace().events();
        let position = match self.log() {
            Some(some) => {
                let later = some.partition_point(|seq| events[*seq as usize].time.0 <= time);
                *some.get(later)? as usize
            }
            None => events.partition_point(|event| event.time.0 <= time),
        };
        Some(events.get(position)?.time.0)
    }

    /// Lets time pass up to a moment of the watcher's clock, ns.
    pub(crate) fn tick(&mut self, now: u64) {
        let passed = self.ticked.map_or(0, |before| now.saturating_sub(before));
        self.ticked = Some(now);
        if !self.playing || passed == 0 {
            return;
        }
        // A terminal that was stopped for an hour has not been watched for an hour.
        let passed = passed.min(crate::time::SECOND);
        let next = |time| self.next_event(time);
        let next: Option<&dyn Fn(u64) -> Option<u64>> = match self.skip_idle {
            true => Some(&next),
            false => None,
        };
        let to = self.speed.advance(self.cursor, passed, next);
        let end = self.whole().to;
        self.go_to(to);
        if to >= end && self.life != Life::Live {
            self.playing = false;
            self.say("the end of the trace");
        }
    }

    // The log.

    /// The events that are shown, by their places in the trace; `None` for all.
    pub(crate) fn log(&self) -> Option<&[u32]> {
        match (&self.follow, &self.index().events) {
            (Some(follow), _) => Some(&follow.events),
            (None, Some(events)) => Some(events),
            (None, None) => None,
        }
    }

    pub(crate) fn log_len(&self) -> usize {
        self.log().map_or(self.trace().events().len(), <[u32]>::len)
    }

    /// The event at a place of the log.
    pub(crate) fn log_event(&self, position: usize) -> Option<usize> {
        match self.log() {
            Some(some) => some.get(position).map(|seq| *seq as usize),
            None => (position < self.trace().events().len()).then_some(position),
        }
    }

    /// The place in the log of the last event that has happened.
    pub(crate) fn log_position(&self) -> Option<usize> {
        let event = self.event?;
        match self.log() {
            Some(some) => some
                .partition_point(|seq| *seq as usize <= event)
                .checked_sub(1),
            None => Some(event),
        }
    }

    /// The first of the log's rows.
    pub(crate) fn log_top(&self) -> usize {
        let rows = usize::from(rows(self.areas().log).height);
        let current = self.log_position().unwrap_or(0);
        let last = self.log_len().saturating_sub(rows);
        current.saturating_sub(rows / 2).min(last)
    }

    /// Lays something over the screen.
    pub(crate) fn lay(&mut self, overlay: Overlay) {
        self.overlay = Some(overlay);
        self.overlay_top = 0;
    }

    pub(crate) fn say(&mut self, words: impl Into<String>) {
        self.note = Some(words.into());
    }
}

/// All of a trace.
pub(crate) fn whole(trace: &Trace) -> Window {
    Window {
        from: trace.begin().0,
        to: trace.end().0.max(trace.begin().0),
    }
}
