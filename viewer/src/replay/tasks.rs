//! The tasks of the moment, each a lane or a row of the tree.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tidline::model::{Ended, Name, TaskId, TaskRecord, Time};

use super::layout::{Areas, rows};
use super::outline::{Item, Place};
use super::paint::{self, Palette};
use super::state::{Pane, State, View};
use super::strip::{blocks, cursor};
use crate::page::{Style, Text};
use crate::time::elapsed;
use crate::view::bars::Life;
use crate::view::{self, is_carried, was_there_before};
use crate::words::{self, count};

/// Deeper ones stand no further in.
const DEEPEST: usize = 8;

/// Draws the title and the rows.
pub(crate) fn draw(state: &State, palette: Palette, areas: &Areas, buffer: &mut Buffer) {
    let area = areas.tasks;
    if area.height == 0 {
        return;
    }
    let width = usize::from(area.width);
    let active = state.pane == Pane::Tasks;
    paint::line(
        buffer,
        palette,
        area,
        0,
        &paint::title(heading(state), width, active),
    );
    if state.view == View::Tree {
        headings(palette, area, buffer);
    }
    let area = rows(area);
    let places = state.task_rows();
    for (row, place) in places.iter().enumerate() {
        let text = match state.view {
            View::Lanes => lane(state, *place, areas),
            View::Tree => branch(state, *place, width),
        };
        paint::line(buffer, palette, area, row as u16, &text);
        if state.selected == Some(*place) {
            let label = match state.view {
                View::Lanes => Rect {
                    width: areas.label.min(area.width),
                    ..area
                },
                View::Tree => area,
            };
            paint::select(buffer, label, row as u16);
        }
    }
    if state.view == View::Lanes {
        let column = state.window.column(state.cursor, areas.columns()) as u16;
        let x = area.x + areas.label + column;
        let column = Rect::new(x, area.y, 1, places.len() as u16);
        cursor(buffer, column.intersection(area));
    }
    if places.is_empty() {
        let nobody = Text::styled(none_lives(state), Style::Faint);
        paint::line(buffer, palette, area, 0, &nobody);
    }
}

/// That none lives; of a program that has ended, when that was: at the end of its trace there is nothing
/// else to see.
fn none_lives(state: &State) -> String {
    match state.index().steps.last_change(state.cursor) {
        None => "  no task lives at this moment".into(),
        Some(last) => format!(
            "  none lives; the last ended at {}: PgUp goes back",
            elapsed(Time(last))
        ),
    }
}

fn heading(state: &State) -> Text {
    let alive = count(state.index().steps.at(state.cursor));
    let view = match state.view {
        View::Lanes => "lanes",
        View::Tree => "tree",
    };
    let mut text = Text::styled(format!("{view}: {alive} alive"), Style::Strong);
    if let Some((filter, _)) = &state.filter {
        text = text.with(format!(" of {}", filter.words()), Style::Note);
    }
    text
}

/// What precedes a row's name: whether it was born or ended just now, how deep it is, and whether
/// there is more below it.
fn lead(state: &State, place: Place) -> Text {
    let outline = &state.index().outline;
    let (sign, style) = news(state, place);
    let depth = outline.depth(place, state.at(), DEEPEST);
    let fold = match (
        outline.has_below(place),
        outline.is_open(place, &state.shape),
    ) {
        (false, _) => " ",
        (true, true) => "▾",
        (true, false) => "▸",
    };
    Text::styled(sign, style)
        .with("  ".repeat(depth), Style::Plain)
        .with(fold, Style::Faint)
}

/// What happened to a row just now.
fn news(state: &State, place: Place) -> (&'static str, Style) {
    let at = state.at();
    let fresh = |time: u64| at.since() < time && time <= at.now;
    let (born, ended) = match state.index().outline.item(place) {
        Some(Item::Task(id)) => {
            let task = state.trace().task(id);
            let first = state.trace().begin().0;
            let born = fresh(task.born.0) || (at.flash > 0 && task.born.0.max(first) == at.now);
            (born, task.ended.is_some_and(|ended| fresh(ended.0)))
        }
        Some(Item::Fold(index)) => {
            let (born, ended) = state
                .index()
                .outline
                .fold(index)
                .steps
                .since(at.since(), at.now);
            (born > 0, ended > 0)
        }
        None => (false, false),
    };
    match (born, ended) {
        (true, true) => ("±", Style::Note),
        (true, false) => ("+", Style::Good),
        (false, true) => ("×", Style::Bad),
        (false, false) => (" ", Style::Plain),
    }
}

/// What a task is called at a moment. Before its birth it is what it will be known by.
pub(crate) fn called(task: &TaskRecord, time: u64) -> &Name {
    match time < task.born.0 {
        true => task.name(),
        false => task.name_at(Time(time)),
    }
}

/// A row's name, cut so that its TID or count is not.
pub(crate) fn name(state: &State, item: Item, room: usize) -> Text {
    let (name, rest, style) = match item {
        Item::Task(id) => {
            let task = state.trace().task(id);
            let style = match (task.alive_at(Time(state.cursor)), task.task.is_leader()) {
                (false, _) => Style::Faint,
                (true, true) => Style::Strong,
                (true, false) => Style::Plain,
            };
            let name = called(task, state.cursor).clone();
            (name, format!("[{}]", task.task.tid), style)
        }
        Item::Fold(index) => {
            let fold = state.index().outline.fold(index);
            let alive = count(fold.steps.at(state.cursor));
            (fold.class.clone(), format!(" x {alive}"), Style::Plain)
        }
    };
    let room = room.saturating_sub(rest.len()).max(1);
    Text::styled(words::shown_name(&name, room), style).with(rest, style)
}

fn lane(state: &State, place: Place, areas: &Areas) -> Text {
    let label = usize::from(areas.label);
    let Some(item) = state.index().outline.item(place) else {
        return Text::default();
    };
    let lead = lead(state, place);
    let room = label.saturating_sub(lead.width() + 1);
    let text = paint::fitted(
        Text([lead.0, name(state, item, room).0].concat()),
        label - 1,
    );
    let bar = match item {
        Item::Task(id) => bar(state, id, areas.columns()),
        Item::Fold(index) => {
            let steps = &state.index().outline.fold(index).steps;
            let columns = areas.columns();
            let edge = |column| state.window.edge(column, columns);
            let most = |column| steps.most(edge(column), edge(column + 1));
            let most: Vec<u32> = (0..columns).map(most).collect();
            Text::plain(blocks(&most))
        }
    };
    Text([text.with(" ", Style::Plain).0, bar.0].concat())
}

/// A task's life in the window. Where that ends before the window does, so does the bar.
fn bar(state: &State, id: TaskId, columns: usize) -> Text {
    let (trace, task, window) = (state.trace(), state.trace().task(id), state.window);
    let goes_on = task.ended.is_none_or(|ended| ended.0 > window.to);
    let before = was_there_before(trace, task) || is_carried(trace, task);
    window.scale(columns).bar(&Life {
        born: task.born,
        ended: task.ended.filter(|_| !goes_on),
        open: before || task.born.0 < window.from,
        how: if goes_on { Ended::Alive } else { task.how },
    })
}

/// Columns of the tree's facts, and which facts; wide, narrow and tiny screens have room for four,
/// three and one of them.
fn facts(width: usize) -> &'static [(usize, usize)] {
    match width {
        110.. => &[(0, 10), (1, 22), (2, 10), (3, 34)],
        80.. => &[(0, 10), (2, 10), (3, 20)],
        _ => &[(3, 18)],
    }
}

/// Columns of the names before the facts.
fn names_width(width: usize) -> usize {
    let facts: usize = facts(width).iter().map(|(_, columns)| columns + 1).sum();
    width.saturating_sub(facts).min(60)
}

/// What the facts are, over the title's line.
fn headings(palette: Palette, area: Rect, buffer: &mut Buffer) {
    let titles = ["what", "born", "so far", "how it ends"];
    let width = usize::from(area.width);
    let mut x = names_width(width);
    for (fact, columns) in facts(width) {
        let place = Rect {
            x: area.x + x as u16,
            width: area.width.saturating_sub(x as u16),
            ..area
        };
        let title = Text::styled(format!(" {} ", titles[*fact]), Style::Faint);
        paint::line(buffer, palette, place, 0, &title);
        x += columns + 1;
    }
}

/// A row of the tree: who, what, since when, for how long until now, and how it will end.
fn branch(state: &State, place: Place, width: usize) -> Text {
    let Some(item) = state.index().outline.item(place) else {
        return Text::default();
    };
    let trace = state.trace();
    let lead = lead(state, place);
    let found = match item {
        Item::Task(id) => {
            let task = trace.task(id);
            [
                Text::plain(task.what().as_str()),
                Text::plain(view::born(trace, task)),
                Text::plain(lived(state, id)),
                view::end(task, width < 90),
            ]
        }
        Item::Fold(index) => {
            let fold = state.index().outline.fold(index);
            let (first, last) = (trace.task(fold.ends.0), trace.task(fold.ends.1));
            [
                Text::plain(words::counted_what(2, fold.what).trim_start_matches("2 ")),
                Text::plain(view::births(trace, first, last)),
                Text::default(),
                Text::styled(
                    format!(
                        "of {}, most {}",
                        count(fold.members),
                        count(fold.steps.peak())
                    ),
                    Style::Faint,
                ),
            ]
        }
    };
    let label = names_width(width);
    let room = label.saturating_sub(lead.width());
    let mut text = paint::fitted(Text([lead.0, name(state, item, room).0].concat()), label);
    for (fact, columns) in facts(width) {
        let fact = paint::fitted(found[*fact].clone(), *columns);
        text = Text([text.with(" ", Style::Plain).0, fact.0].concat());
    }
    text
}

/// How long a task has lived at the moment.
fn lived(state: &State, id: TaskId) -> String {
    let (trace, task) = (state.trace(), state.trace().task(id));
    let more = if was_there_before(trace, task) {
        ">"
    } else {
        ""
    };
    let until = task
        .ended
        .map_or(state.cursor, |ended| ended.0.min(state.cursor));
    let ns = until.saturating_sub(task.born.0);
    format!("{more}{}", crate::time::duration(ns))
}
