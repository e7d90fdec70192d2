//! All that is known of what is selected.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tidline::model::{TaskId, Time};

use super::layout::{Areas, rows};
use super::outline::Item;
use super::paint::{self, Palette};
use super::state::State;
use super::tasks::called;
use crate::page::{Style, Text};
use crate::site::stack_lines;
use crate::time;
use crate::view::record::routine;
use crate::view::{self, moment};
use crate::words::{self, NAME_WIDTH, count, label};

/// Names, programs and children that are listed.
const MOST: usize = 8;
/// Frames of a stack that are listed.
const FRAMES: usize = 24;

/// Draws the title and the lines, and the line beside them where they stand beside the rest.
pub(crate) fn draw(state: &State, palette: Palette, areas: &Areas, buffer: &mut Buffer) {
    let area = areas.details;
    if area.height == 0 {
        return;
    }
    if area.x > 0 {
        let line = Text::styled("│", Style::Faint);
        for row in 0..area.height {
            let beside = Rect::new(area.x - 1, area.y, 1, area.height);
            paint::line(buffer, palette, beside, row, &line);
        }
    }
    let width = usize::from(area.width);
    let heading = Text::styled("details", Style::Strong);
    paint::line(
        buffer,
        palette,
        area,
        0,
        &paint::title(heading, width, false),
    );
    let lines = lines(state, width);
    let area = rows(area);
    let shown = lines.iter().skip(state.details_top);
    for (row, text) in shown.take(usize::from(area.height)).enumerate() {
        paint::line(buffer, palette, area, row as u16, text);
    }
}

/// The lines, of at most `width` columns.
pub(crate) fn lines(state: &State, width: usize) -> Vec<Text> {
    let item = state
        .selected
        .and_then(|place| state.index().outline.item(place));
    let facts = match item {
        Some(Item::Task(id)) => of_task(state, id),
        Some(Item::Fold(index)) => of_fold(state, index),
        None => vec![Text::styled("nothing is selected", Style::Faint)],
    };
    facts.iter().flat_map(|text| hanging(text, width)).collect()
}

/// A fact in lines; those behind the first stand under its value.
fn hanging(text: &Text, width: usize) -> Vec<Text> {
    let indent = match text.0.as_slice() {
        [label, _, ..] if label.style == Style::Faint => label.text.len().min(width / 2),
        _ => 0,
    };
    let (label, value) = match indent {
        0 => (None, text.clone()),
        _ => (text.0.first().cloned(), Text(text.0[1..].to_vec())),
    };
    let lines = value.wrapped(width.saturating_sub(indent).max(1));
    let lead = |first: bool| match (&label, first) {
        (Some(label), true) => vec![label.clone()],
        _ => Text::plain(" ".repeat(indent)).0,
    };
    let lines = lines.into_iter().enumerate();
    lines
        .map(|(row, line)| Text([lead(row == 0), line.0].concat()))
        .collect()
}

fn fact(name: &str, value: impl Into<String>) -> Text {
    Text::styled(format!("{name:<9}"), Style::Faint).with(value, Style::Plain)
}

fn of_task(state: &State, id: TaskId) -> Vec<Text> {
    let (trace, options) = (state.trace(), &state.options);
    let task = trace.task(id);
    let who = label(called(task, state.cursor), task.task.tid, 64);
    let mut lines = vec![
        Text::styled(who, Style::Strong).with(words::inside(task), Style::Plain),
        fact(
            "what",
            format!("{} of pid {}", task.what().as_str(), task.task.pid),
        ),
    ];
    let born = match view::was_there_before(trace, task) || task.born < trace.begin() {
        true => view::born(trace, task),
        false => moment(task.born, options),
    };
    lines.push(fact("born", born));
    let end = Text::styled(words::how(task.how), words::style_of(task.how)).0;
    let mut ended = Text([fact("ended", "").0, end].concat());
    if let Some(time) = task.ended {
        ended = ended.with(format!(" at {}", moment(time, options)), Style::Plain);
    }
    lines.push(ended);
    lines.push(fact("lived", view::lived(trace, task)));
    let creator = task
        .parent
        .map_or("not known".into(), |parent| who_is(state, parent));
    lines.push(fact("creator", creator));
    lines.extend(history(state, id));
    lines.extend(children(state, id));
    lines.extend(site(state, id));
    lines
}

fn who_is(state: &State, id: TaskId) -> String {
    let task = state.trace().task(id);
    label(called(task, state.cursor), task.task.tid, NAME_WIDTH)
}

/// Its names and programs.
fn history(state: &State, id: TaskId) -> Vec<Text> {
    let task = state.trace().task(id);
    let mut lines = Vec::new();
    let mut list = |title: &str, entries: &[(Time, tidline::model::Name)]| {
        // The last ones are what a person looks for.
        let first = entries.len().saturating_sub(MOST);
        if first > 0 {
            let more = format!("… {} before", count(first as u64));
            lines.push(fact(title, more));
        }
        for (index, (since, name)) in entries.iter().enumerate().skip(first) {
            let title = if index == 0 { title } else { "" };
            let name = words::shown_name(name, 120);
            lines.push(fact(title, format!("{} {name}", time::elapsed(*since))));
        }
    };
    if task.names.len() > 1 {
        list("names", &task.names);
    }
    list("programs", &task.execs);
    lines
}

fn children(state: &State, id: TaskId) -> Vec<Text> {
    let children = state.trace().children(id);
    if children.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![fact(
        "created",
        words::counted(children.len() as u64, "task"),
    )];
    for child in children.iter().take(MOST) {
        let born = time::elapsed(state.trace().task(*child).born);
        lines.push(fact("", format!("{born} {}", who_is(state, *child))));
    }
    if children.len() > MOST {
        lines.push(fact(
            "",
            format!("… {} more", count((children.len() - MOST) as u64)),
        ));
    }
    lines
}

/// Where it was created, and what it began with.
fn site(state: &State, id: TaskId) -> Vec<Text> {
    let task = state.trace().task(id);
    let sites = &state.show.sites;
    let mut lines = Vec::new();
    lines.extend(routine(sites, task.start).map(|start| fact("began in", start)));
    let site = sites.of_stack(task.stack);
    lines.extend(site.map(|site| fact("site", sites.get(site).to_string())));
    if let Some(stack) = task.stack {
        lines.push(Text::styled("created by", Style::Faint));
        let stack = stack_lines(state.trace().stacks(), stack, FRAMES).into_iter();
        lines.extend(stack.map(|words| Text::styled("  ", Style::Faint).with(words, Style::Plain)));
    }
    lines
}

fn of_fold(state: &State, index: u32) -> Vec<Text> {
    let trace = state.trace();
    let fold = state.index().outline.fold(index);
    let (first, last) = (trace.task(fold.ends.0), trace.task(fold.ends.1));
    let creator = fold
        .parent
        .map_or("not known".into(), |parent| who_is(state, parent));
    vec![
        Text::styled(words::shown_name(&fold.class, 64), Style::Strong),
        fact(
            "what",
            words::counted_what(fold.members as usize, fold.what),
        ),
        fact("alive", count(fold.steps.at(state.cursor))),
        fact("most", format!("{} at a time", count(fold.steps.peak()))),
        fact("born", view::births(trace, first, last)),
        fact("creator", creator),
        Text::styled("Enter shows each of them", Style::Faint),
    ]
}
