//! The views: each turns a trace into data in the commands' contract's shape, and into a page.
//!
//! They are functions of the trace and of options. They print nothing, and know nothing of a
//! terminal but what they are given.

pub(crate) mod bars;
pub(crate) mod check;
pub(crate) mod forest;
pub(crate) mod info;
pub(crate) mod lanes;
pub(crate) mod record;
pub(crate) mod threads;
pub(crate) mod timeline;
pub(crate) mod tree;

use tidline::model::{Ending, EventBody, Origin, TaskRecord, Time, Trace};

use crate::page::{Style, Text};
use crate::time::{self, Clock};
use crate::words::{self, count, counted};

/// How a view is to look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) clock: Clock,
    /// Columns there are; `None` where the output is no terminal and nothing was asked for.
    pub(crate) width: Option<usize>,
    /// Lines or objects to show at most.
    pub(crate) limit: usize,
}

impl Options {
    /// Columns for what must choose a width.
    pub(crate) fn columns(&self) -> usize {
        self.width.unwrap_or(100)
    }

    /// Whether a table must do without what matters less.
    pub(crate) fn narrow(&self) -> bool {
        self.width.is_some_and(|width| width < 110)
    }
}

/// What the recorder itself noted as missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Losses {
    /// `Gap` events.
    pub(crate) gaps: u64,
    /// Events counted by `Lost` events.
    pub(crate) lost: u64,
}

/// Counts what the recorder noted as missing.
pub(crate) fn losses(trace: &Trace) -> Losses {
    let mut losses = Losses::default();
    for event in trace.events() {
        match event.body {
            EventBody::Gap { .. } => losses.gaps += 1,
            EventBody::Lost { count, .. } => losses.lost = losses.lost.saturating_add(count),
            _ => {}
        }
    }
    losses
}

/// What every view says first where a trace is not all there.
pub(crate) fn notices(trace: &Trace) -> Vec<String> {
    let integrity = trace.integrity();
    let Losses { gaps, lost } = losses(trace);
    let mut notices = Vec::new();
    if integrity.ending == Ending::CutShort {
        notices.push(cut_short(trace));
    }
    if !integrity.damage.is_empty() {
        let parts = counted(integrity.damage.len() as u64, "part");
        let bytes: u64 = integrity.damage.iter().map(|damage| damage.bytes).sum();
        notices.push(format!(
            "damaged: {parts} of the file ({}) cannot be read; `tidview check` says which",
            counted(bytes, "byte")
        ));
    }
    if integrity.unknown_records > 0 {
        notices.push(format!(
            "{} of a later version skipped: a newer tidview shows them",
            counted(integrity.unknown_records, "record")
        ));
    }
    if lost > 0 {
        notices.push(format!(
            "{} lost while recording: tasks may be missing, and ends too",
            counted(lost, "event")
        ));
    }
    if gaps > 0 {
        notices.push(format!(
            "{}: there were tasks that the recorder could not see; `tidview check` says why",
            counted(gaps, "gap")
        ));
    }
    notices
}

/// Says that the end mark is missing.
pub(crate) fn cut_short(trace: &Trace) -> String {
    format!(
        "cut short: the last record is at {}, nothing is known after that (or it is still being \
         recorded)",
        time::elapsed(trace.end())
    )
}

/// Whether a task was there before the recording saw it. The first task of a launched command
/// is `Existing` too, and was not.
pub(crate) fn was_there_before(trace: &Trace, task: &TaskRecord) -> bool {
    match task.origin {
        Origin::Existing => !(trace.header().launched && task.id.0 == 0),
        Origin::Birth => false,
        Origin::Inferred => true,
    }
}

/// When a task was born, in words.
pub(crate) fn born(trace: &Trace, task: &TaskRecord) -> String {
    match task.origin {
        Origin::Existing if was_there_before(trace, task) && task.born == Time(0) => {
            "before".into()
        }
        _ if was_there_before(trace, task) => format!("before {}", time::elapsed(task.born)),
        _ => time::elapsed(task.born),
    }
}

/// How long a task lived, up to the end of the trace.
pub(crate) fn lived(trace: &Trace, task: &TaskRecord) -> String {
    let more = if was_there_before(trace, task) {
        ">"
    } else {
        ""
    };
    format!("{more}{}", time::duration(task.lifetime_ns(trace.end())))
}

/// From the first birth of many to the last, in words.
pub(crate) fn births(trace: &Trace, first: &TaskRecord, last: &TaskRecord) -> String {
    if was_there_before(trace, first) || was_there_before(trace, last) {
        return format!("{}..{}", born(trace, first), born(trace, last));
    }
    time::range(first.born, last.born)
}

/// How a task ended, and when where there is room for it.
pub(crate) fn end(task: &TaskRecord, narrow: bool) -> Text {
    let text = Text::styled(words::how(task.how), words::style_of(task.how));
    match task.ended {
        Some(ended) if !narrow => text.with(format!(" at {}", time::elapsed(ended)), Style::Faint),
        _ => text,
    }
}

/// A moment in words: `+0.100000s (16:13:20.100000 +02:00)`.
pub(crate) fn moment(time: Time, options: &Options) -> String {
    let clock = options.clock;
    let wall = clock.time_of_day(time);
    format!("{} ({wall} {})", time::elapsed(time), clock.zone_name())
}

/// Says how many were left out by `--limit`.
pub(crate) fn hidden(number: usize, noun: &str) -> Option<String> {
    (number > 0).then(|| {
        format!(
            "… {} more {noun}{}; --limit 0 shows all",
            count(number as u64),
            if number == 1 { "" } else { "s" }
        )
    })
}
