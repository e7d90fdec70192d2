//! The views: each turns a trace into data in the commands' contract's shape, and into a page.
//!
//! They are functions of the trace and of options. They print nothing, and know nothing of a
//! terminal but what they are given.

pub(crate) mod bars;
pub(crate) mod check;
pub(crate) mod code;
pub(crate) mod diff;
pub(crate) mod forest;
pub(crate) mod hosts;
pub(crate) mod info;
pub(crate) mod lanes;
pub(crate) mod leaks;
pub(crate) mod record;
pub(crate) mod repair;
pub(crate) mod sites;
pub(crate) mod stacks;
pub(crate) mod stats;
pub(crate) mod symbolize;
pub(crate) mod threads;
pub(crate) mod timeline;
pub(crate) mod tree;

use tidline::format::GIVEN_UP_EARLY;
use tidline::model::{Damage, Ending, EventBody, Integrity, Origin, TaskRecord, Time, Trace};

use crate::page::{Style, Text};
use crate::select::Selector;
use crate::time::{self, Clock};
use crate::words::{self, count, counted};

/// How a view is to look.
#[derive(Clone, Debug)]
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
        self.width.is_some_and(is_narrow)
    }
}

/// Whether so many columns are too few for what matters less.
fn is_narrow(width: usize) -> bool {
    width < 110
}

/// What the recorder itself noted as missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Losses {
    /// `Gap` events.
    pub(crate) gaps: u64,
    /// Events counted by `Lost` events.
    pub(crate) lost: u64,
}

impl Losses {
    /// What is missing, with what the file itself has lost.
    pub(crate) fn in_words(self, trace: &Trace) -> (String, Style) {
        let integrity = trace.integrity();
        let parts = [
            (self.lost, "event"),
            (self.gaps, "gap"),
            (integrity.damage.len() as u64, "damaged part"),
            (integrity.unknown_records, "unknown record"),
        ];
        let some = parts.iter().filter(|(number, _)| *number > 0);
        let words = some.map(|(number, noun)| {
            let mut words = counted(*number, noun);
            if *noun == "damaged part" && several_files(trace) {
                words += &format!(" ({})", files_of(&integrity.damage));
            }
            words
        });
        let words: Vec<String> = words.collect();
        match words.is_empty() {
            true => ("none".into(), Style::Good),
            false => (
                format!("{}: `tidview check` says more", words.join(", ")),
                Style::Bad,
            ),
        }
    }
}

/// Counts what the recorder noted as missing.
pub(crate) fn losses(trace: &Trace) -> Losses {
    if let Some(part) = trace.part() {
        let (gaps, lost) = (part.totals.gaps, part.totals.lost);
        return Losses { gaps, lost };
    }
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
    let mut notices: Vec<String> = hosts::notice(trace.header()).into_iter().collect();
    notices.extend(begins_later(trace));
    notices.extend(given_up_early(trace));
    if integrity.ending == Ending::CutShort {
        notices.push(cut_short(trace));
    }
    notices.extend(damaged(trace));
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

/// The same, and why nothing can be of what is asked for.
pub(crate) fn notices_of(trace: &Trace, selector: &Selector<'_>) -> Vec<String> {
    let mut notices = notices(trace);
    notices.extend(selector.notices().iter().cloned());
    notices
}

/// Says that the trace does not begin where the recording did.
pub(crate) fn begins_later(trace: &Trace) -> Option<String> {
    begins_at(files_given_up(trace.integrity()), trace.begin())
}

/// How many files before the first are not here, and no damage.
pub(crate) fn files_given_up(integrity: &Integrity) -> u32 {
    let first = integrity.segments.first().copied().unwrap_or(0);
    // They go in order: where the first one is damaged or missing, none was given up.
    let mut damage = integrity.damage.iter();
    match damage.any(|damage| damage.segment == 0) {
        true => 0,
        false => first,
    }
}

/// The same of a recording of which so many files were given up.
pub(crate) fn begins_at(first: u32, begin: Time) -> Option<String> {
    if begin == Time(0) && first == 0 {
        return None;
    }
    let gone = match first {
        0 => String::new(),
        1 => "file 0 of the recording is not here; ".into(),
        2 => "files 0 and 1 of the recording are not here; ".into(),
        first => format!("files 0 to {} of the recording are not here; ", first - 1),
    };
    Some(format!(
        "begins at {}: {gone}of what was before, only what still lived then is known",
        time::elapsed(begin)
    ))
}

/// Says that less is here than the recorder was told to keep.
fn given_up_early(trace: &Trace) -> Option<String> {
    let mut counters = trace.counters().iter();
    let (_, files) = counters.find(|(name, _)| name == GIVEN_UP_EARLY)?;
    Some(format!(
        "the disk was full while it was recorded: {} given up before their time",
        counted(*files, "file")
    ))
}

/// Says that parts cannot be read, and of which files where there are several.
fn damaged(trace: &Trace) -> Vec<String> {
    let damage = &trace.integrity().damage;
    let (missing, broken): (Vec<&Damage>, Vec<&Damage>) =
        damage.iter().partition(|damage| is_missing(trace, damage));
    let mut notices = Vec::new();
    if !broken.is_empty() {
        let parts = counted(broken.len() as u64, "part");
        let bytes = broken.iter().map(|damage| damage.bytes);
        let bytes = bytes.fold(0, u64::saturating_add);
        let files = match several_files(trace) {
            true => files_of(broken),
            false => "the file".into(),
        };
        notices.push(format!(
            "damaged: {parts} of {files} ({}) cannot be read; `tidview check` says which",
            counted(bytes, "byte")
        ));
    }
    if !missing.is_empty() {
        notices.push(format!(
            "missing: {} of the recording; `tidview check` says from when to when",
            files_missing(trace)
        ));
    }
    notices
}

/// Whether the recording has, or had, more than one file here.
pub(crate) fn several_files(trace: &Trace) -> bool {
    is_several(trace.integrity())
}

pub(crate) fn is_several(integrity: &Integrity) -> bool {
    let known = &integrity.segments;
    let mut damaged = integrity.damage.iter();
    known.len() > 1 || damaged.any(|damage| !known.contains(&damage.segment))
}

/// Whether a damage is a whole file that is not here.
fn is_missing(trace: &Trace, damage: &Damage) -> bool {
    let known = &trace.integrity().segments;
    damage.bytes == 0 && !known.contains(&damage.segment)
}

/// The numbers of the files that are damaged: `files 3 and 7`.
pub(crate) fn files_of<'a>(damage: impl IntoIterator<Item = &'a Damage>) -> String {
    let mut files: Vec<u32> = damage.into_iter().map(|damage| damage.segment).collect();
    files.sort_unstable();
    words::numbers(&files, "file")
}

/// The numbers that are missing between files that are here.
fn files_missing(trace: &Trace) -> String {
    const MOST: u32 = 1_000;
    let damage = &trace.integrity().damage;
    let pairs = trace.integrity().segments.windows(2);
    let between = pairs.map(|pair| (pair[0].saturating_add(1), pair[1]));
    let integrity = trace.integrity();
    let first = integrity.segments.first().copied().unwrap_or(0);
    let before = (0, first - files_given_up(integrity));
    let between = [before]
        .into_iter()
        .chain(between)
        .flat_map(|(first, end)| {
            // A hostile number is no reason to count to it.
            let cut = first.saturating_add(MOST).min(end);
            (first..cut).chain((cut < end).then(|| end - 1))
        });
    let unreadable = |number: &u32| {
        let mut damage = damage.iter();
        damage.any(|damage| damage.segment == *number && damage.bytes > 0)
    };
    let missing: Vec<u32> = between.filter(|number| !unreadable(number)).collect();
    words::numbers(&missing, "file")
}

/// Says that this is not how the recording ended.
pub(crate) fn cut_short(trace: &Trace) -> String {
    let end = time::elapsed(trace.end());
    if trace.integrity().goes_on {
        return format!("cut short: after {end} the recording went on in a file that is not here");
    }
    format!(
        "cut short: the last record is at {end}, nothing is known after that (or it is still being \
         recorded)"
    )
}

/// Whether a task is the first of a launched command. Where tasks are left out by their names, another
/// may be the first that is in the trace.
pub(crate) fn is_launched(trace: &Trace, task: &TaskRecord) -> bool {
    let header = trace.header();
    let mut targets = header.targets.iter();
    header.launched && task.id.0 == 0 && targets.any(|target| target.pid == task.task.pid.0)
}

/// Whether a task was there before the recording saw it. The first task of a launched command
/// is `Existing` too, and was not.
pub(crate) fn was_there_before(trace: &Trace, task: &TaskRecord) -> bool {
    match task.origin {
        Origin::Existing => !is_launched(trace, task),
        Origin::Birth => false,
        Origin::Inferred => true,
    }
}

/// Whether a task lived when the trace begins, and a checkpoint is all that tells of its beginning.
pub(crate) fn is_carried(trace: &Trace, task: &TaskRecord) -> bool {
    task.born < trace.begin() && !ended_before(trace, task)
}

/// Whether a task had ended when the trace begins, and is known only as a creator.
pub(crate) fn ended_before(trace: &Trace, task: &TaskRecord) -> bool {
    task.ended.is_some_and(|ended| ended < trace.begin())
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
    let clock = &options.clock;
    let (wall, zone) = (clock.time_of_day(time), clock.zone_name_at(time));
    format!("{} ({wall} {zone})", time::elapsed(time))
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
