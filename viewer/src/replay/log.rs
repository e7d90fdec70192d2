//! The events around the moment, one a line: what has happened, and what comes next.

use ratatui::buffer::Buffer;

use super::layout::{Areas, rows};
use super::paint::{self, Palette};
use super::state::{Pane, State};
use crate::page::{Style, Text};
use crate::view::timeline::{Entry, KIND_WIDTH, row};
use crate::words::{self, count};

/// Draws the title and the rows.
pub(crate) fn draw(state: &State, palette: Palette, areas: &Areas, buffer: &mut Buffer) {
    let area = areas.log;
    if area.height == 0 {
        return;
    }
    let width = usize::from(area.width);
    let active = state.pane == Pane::Log;
    paint::line(
        buffer,
        palette,
        area,
        0,
        &paint::title(heading(state), width, active),
    );
    let area = rows(area);
    let (top, current) = (state.log_top(), state.log_position());
    for line in 0..area.height {
        let position = top + usize::from(line);
        let Some(event) = state.log_event(position) else {
            break;
        };
        let happened = state.event.is_some_and(|last| event <= last);
        let text = entry(state, event, width, happened);
        paint::line(buffer, palette, area, line, &text);
        if current == Some(position) {
            paint::select(buffer, area, line);
        }
    }
    if state.log_len() == 0 {
        let none = Text::styled("  no event", Style::Faint);
        paint::line(buffer, palette, area, 0, &none);
    }
}

fn heading(state: &State) -> Text {
    let number = state.log_position().map_or(0, |position| position + 1);
    let all = count(state.log_len() as u64);
    let text = Text::styled(
        format!("log: event {} of {all}", count(number as u64)),
        Style::Strong,
    );
    let Some(follow) = &state.follow else {
        return text;
    };
    let task = state.trace().task(follow.task);
    let who = words::label(task.name(), task.task.tid, words::NAME_WIDTH);
    text.with(format!(" of {who} alone"), Style::Note)
}

/// An event in a line.
pub(crate) fn entry(state: &State, event: usize, width: usize, happened: bool) -> Text {
    let trace = state.trace();
    let Some(found) = trace.events().get(event) else {
        return Text::default();
    };
    let layout = &state.show.layouts[match width {
        0..72 => 0,
        72..120 => 1,
        _ => 2,
    }];
    let entry = Entry {
        seq: event,
        event: found,
        task: trace.subject(event),
    };
    let cells = row(trace, &state.show.sites, &entry, layout, &state.options);
    let kind = match width {
        0..72 => KIND_WIDTH,
        _ => "create-failed".len(),
    };
    let widths = [layout.elapsed, layout.wall, kind, layout.task];
    let mut line = Text::default();
    for (index, cell) in cells.into_iter().enumerate() {
        match widths.get(index) {
            Some(0) => continue,
            Some(width) => line.0.extend(paint::fitted(cell, *width).0),
            None => line.0.extend(cell.0),
        }
        if index < widths.len() {
            line = line.with("  ", Style::Plain);
        }
    }
    if !happened {
        // What is yet to come stands back.
        for span in &mut line.0 {
            span.style = Style::Faint;
        }
    }
    line
}
