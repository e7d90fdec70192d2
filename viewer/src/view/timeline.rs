//! `timeline`: the events in order, one by one, so that a million take no more memory than one.

use tidline::model::{Event, EventBody, Name, TaskRecord, Time, Trace, Trust, errno_name};

use super::Options;
use super::record::{error_of, routine};
use crate::page::{Style, Text};
use crate::select::Selector;
use crate::site::{self, Sites};
use crate::time;
use crate::words::{self, NAME_WIDTH, label};

/// One event, and whom it is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    /// Its place in the recording.
    pub(crate) seq: usize,
    pub(crate) event: &'a Event,
    pub(crate) task: Option<&'a TaskRecord>,
}

/// The events that are asked for.
pub(crate) fn entries<'a>(
    trace: &'a Trace,
    selector: &'a Selector<'_>,
) -> impl Iterator<Item = Entry<'a>> {
    let admitted = selector.events().filter(|seq| selector.admits(*seq));
    let first = trace.part().map_or(0, |part| part.first as usize);
    admitted.map(move |place| Entry {
        seq: first + place,
        event: &trace.events()[place],
        task: trace.subject(place),
    })
}

/// How the table's columns are laid out: known before the first row, so that rows can stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// Columns of the elapsed time.
    pub(crate) elapsed: usize,
    /// Columns of the wall time.
    pub(crate) wall: usize,
    /// Columns of the task.
    pub(crate) task: usize,
    /// Whether there is only room for what matters most.
    narrow: bool,
    /// Columns of a name at most.
    name: usize,
    /// Whether the recording goes on past midnight.
    dates: bool,
}

/// Columns of what happened without which there are no wall times either.
const WHAT_WIDTH: usize = 12;

/// A terminal of fewer columns has no room for wall times.
const TINY: usize = 72;

/// The widest kind but `create-failed`.
pub(crate) const KIND_WIDTH: usize = 8;

/// The layout for a trace: on a narrow terminal wall times lose their fraction, and births
/// their pc, so that a row still fits a line. On a tiny one there are no wall times, nor where numbers are
/// so wide that nothing would be left for what happened.
pub(crate) fn layout(trace: &Trace, selector: Option<&Selector<'_>>, options: &Options) -> Layout {
    let widest = match selector.filter(|selector| selector.has_stretch()) {
        // Those that are shown: of the others nothing need be known.
        Some(selector) => {
            let shown = entries(trace, selector).map(|entry| columns(&entry, options.width));
            shown.max().unwrap_or(0)
        }
        None => widest(trace, options.width),
    };
    layout_of(trace, widest, options)
}

/// Columns of an event's task at that time.
pub(crate) fn columns(entry: &Entry<'_>, width: Option<usize>) -> usize {
    let of_task = |task: &TaskRecord| {
        let name = words::name_width(task.name_at(entry.event.time));
        label_columns(task, name, width)
    };
    entry.task.map_or(0, of_task)
}

/// Columns of `worker[17]`, whose name has so many.
fn label_columns(task: &TaskRecord, name: usize, width: Option<usize>) -> usize {
    let digits = task.task.tid.0.checked_ilog10().unwrap_or(0) as usize + 3;
    name.clamp(1, name_columns(width)) + digits
}

/// The same for a trace of which not all is at hand, whose widest task has so many columns.
pub(crate) fn layout_of(trace: &Trace, widest: usize, options: &Options) -> Layout {
    let narrow = options.narrow();
    let dates = !options.clock.is_one_day(trace.begin(), trace.end());
    let tiny = options.width.is_some_and(|width| width < TINY);
    let name = name_columns(options.width);
    let elapsed = time::elapsed(trace.end()).len();
    let task = widest.clamp(4, name + 8);
    let mut wall = match (tiny, narrow) {
        (true, _) => 0,
        (_, true) => 8,
        _ => 15,
    } + if dates && !tiny { 11 } else { 0 };
    // Numbers of ten digits, or dates, may leave what happened no room.
    let others = elapsed + wall + KIND_WIDTH + widest.max(task) + 8;
    if options
        .width
        .is_some_and(|width| width < others + WHAT_WIDTH)
    {
        wall = 0;
    }
    Layout {
        elapsed,
        wall,
        task,
        narrow,
        name,
        dates,
    }
}

/// Columns of the widest task, `worker[17]`, where there are so many columns in all.
pub(crate) fn widest(trace: &Trace, width: Option<usize>) -> usize {
    let labels = trace.tasks().iter().map(|task| {
        let names = task.names.iter();
        let name = names.map(|(_, name)| words::name_width(name)).max();
        label_columns(task, name.unwrap_or(0), width)
    });
    labels.max().unwrap_or(0)
}

/// Columns of a name at most.
fn name_columns(width: Option<usize>) -> usize {
    match width {
        Some(width) if width < TINY => 12,
        Some(width) if super::is_narrow(width) => 20,
        _ => NAME_WIDTH,
    }
}

/// A row of the table: its cells are the elapsed and the wall time, the kind, who, and the rest.
pub(crate) fn row(
    trace: &Trace,
    sites: &Sites,
    entry: &Entry<'_>,
    layout: &Layout,
    options: &Options,
) -> [Text; 5] {
    let event = entry.event;
    let who = entry.task.map_or(String::new(), |task| {
        label(task.name_at(event.time), task.task.tid, layout.name)
    });
    [
        Text::plain(time::elapsed(event.time)),
        Text::styled(wall(event.time, layout, options), Style::Faint),
        Text::plain(event.body.kind()),
        Text::plain(who),
        detail(trace, sites, entry, layout.narrow),
    ]
}

fn wall(time: Time, layout: &Layout, options: &Options) -> String {
    if layout.wall == 0 {
        return String::new();
    }
    let clock = &options.clock;
    let mut wall = if layout.dates {
        clock.date(time) + " "
    } else {
        String::new()
    };
    wall += &if layout.narrow {
        clock.short_time_of_day(time)
    } else {
        clock.time_of_day(time)
    };
    wall
}

/// What happened, in words.
fn detail(trace: &Trace, sites: &Sites, entry: &Entry<'_>, narrow: bool) -> Text {
    let site = |stack| match sites.of_stack(stack) {
        Some(site) => format!(
            " at {}",
            sites.get(site).shown(if narrow { 32 } else { 60 })
        ),
        None => String::new(),
    };
    let pc = |pc: Option<u64>| match pc {
        Some(pc) if !narrow => format!(" pc {pc:#x}"),
        _ => String::new(),
    };
    let inside = entry.task.map_or(String::new(), words::inside);
    match &entry.event.body {
        EventBody::Existing { pc: at, .. } => {
            let words = match entry.task {
                Some(task) if super::was_there_before(trace, task) => "was there before",
                _ => "the first task",
            };
            Text::plain(words).with(inside + &pc(*at), Style::Faint)
        }
        EventBody::Birth(birth) => {
            let creator = creator(trace, entry);
            let site = site(birth.stack);
            Text::plain(format!("{} by {creator}{site}", birth.what.as_str()))
                .with(inside + &pc(birth.pc), Style::Faint)
        }
        EventBody::Exec {
            task,
            former_tid,
            exe,
            ..
        } => {
            let was = if *former_tid == task.tid {
                String::new()
            } else {
                format!(" (was tid {former_tid})")
            };
            Text::plain(words::shown_name(exe, 200)).with(was, Style::Faint)
        }
        EventBody::Exit { end, .. } => {
            let ended = tidline::model::Ended::Exit(*end);
            let lived = entry.task.map_or(String::new(), |task| {
                format!(" after {}", super::lived(trace, task))
            });
            Text::styled(words::exit(*end), words::style_of(ended)).with(lived, Style::Faint)
        }
        EventBody::Rename { .. } => Text::plain(former_name(entry)),
        EventBody::Detach { reason, .. } => Text::styled(reason.as_str(), Style::Note),
        EventBody::Gap {
            reason,
            count: number,
            since,
            detail,
        } => loss(reason.as_str(), *number, "task", *since, detail),
        EventBody::Lost {
            count: number,
            since,
            reason,
        } => loss("not kept", *number, "event", *since, reason),
        EventBody::CreateFailed {
            call,
            errno,
            pc: at,
            stack,
            ..
        } => {
            let error = format!("{}: {}", words::shown_name(call, 40), errno_name(*errno));
            let error = Text::styled(error, Style::Bad).with(site(*stack), Style::Plain);
            error.with(pc(*at), Style::Faint)
        }
        EventBody::SyscallEnter { name, args, .. } => {
            let args = args.iter().map(|arg| format!("{arg:#x}"));
            let args = args.collect::<Vec<_>>().join(", ");
            Text::plain(words::shown_name(name, 40)).with(format!("({args})"), Style::Faint)
        }
        EventBody::SyscallExit { name, result, .. } => {
            let call = Text::plain(format!("{} = {result}", words::shown_name(name, 40)));
            match error_of(*result) {
                Some(errno) => call.with(format!(" {}", errno_name(errno)), Style::Note),
                None => call,
            }
        }
        EventBody::Mark { text } => Text::plain(words::shorten(&text.to_string(), 1_000)),
    }
}

/// The stack of whoever created, or tried to: a line for each function, the innermost first.
pub(crate) fn stack(trace: &Trace, sites: &Sites, entry: &Entry<'_>) -> Vec<Text> {
    let (stack, start) = match &entry.event.body {
        EventBody::Birth(birth) => (birth.stack, birth.start),
        EventBody::CreateFailed { stack, .. } => (*stack, None),
        _ => return Vec::new(),
    };
    let line = |text: String| Text::styled(text, Style::Faint);
    let mut lines = Vec::new();
    if let Some(stack) = stack {
        let (frames, more) = site::frames(trace.stacks(), stack);
        lines.extend(frames.iter().map(|frame| {
            let inlined = if frame.inlined { ", inlined" } else { "" };
            let unsure = if frame.trust == Trust::FramePointer.as_str() {
                ", by the frame pointer"
            } else {
                ""
            };
            line(format!("at {}{inlined}{unsure}", frame.shown(200)))
        }));
        let end = match more {
            false => site::stack_end(trace.stacks(), stack),
            true => Some("more frames than are shown"),
        };
        lines.extend(end.map(|end| line(format!("… {end}"))));
    } else if !trace.stacks().is_empty() {
        lines.push(line("no stack was kept of it".into()));
    }
    let start = routine(sites, start);
    lines.extend(start.map(|start| line(format!("begins with {start}"))));
    lines
}

fn loss(what: &str, number: u64, noun: &str, since: Time, detail: &Name) -> Text {
    let number = if number == 0 {
        String::new()
    } else {
        format!("{} ", words::counted(number, noun))
    };
    let since = time::elapsed(since);
    let colon = if detail.is_empty() { "" } else { ": " };
    let detail = words::shorten(&detail.to_string(), 1_000).into_owned();
    Text::styled(
        format!("{number}{what} since {since}{colon}{detail}"),
        Style::Bad,
    )
}

fn creator(trace: &Trace, entry: &Entry<'_>) -> String {
    let parent = entry.task.and_then(|task| task.parent);
    parent.map_or("an unknown task".into(), |parent| {
        let parent = trace.task(parent);
        label(
            parent.name_at(entry.event.time),
            parent.task.tid,
            NAME_WIDTH,
        )
    })
}

/// What a task was called until this event.
fn former_name(entry: &Entry<'_>) -> String {
    let Some(task) = entry.task else {
        return String::new();
    };
    let before = task
        .names
        .partition_point(|(since, _)| *since < entry.event.time);
    match before
        .checked_sub(1)
        .and_then(|index| task.names.get(index))
    {
        Some((_, name)) => format!("was {}", words::shown_name(name, NAME_WIDTH)),
        None => String::new(),
    }
}

/// Says what is not shown, and that nothing is where that is so.
pub(crate) fn foot(
    all: usize,
    selector: &Selector<'_>,
    shown: usize,
    left_out: usize,
) -> Vec<String> {
    let mut foot: Vec<String> = super::hidden(left_out, "event").into_iter().collect();
    match all {
        0 => foot.push("no event is in this trace".into()),
        all => foot.extend(selector.shown_of(shown + left_out, all, "event")),
    }
    foot
}
