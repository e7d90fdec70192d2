//! What lies over the screen for a while: the keys, or what is missing from the file.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

use super::help;
use super::paint::{self, Palette};
use super::state::{Overlay, State};
use crate::page::{Style, Text};

/// The most columns that it takes.
const WIDEST: u16 = 78;

/// The title and the lines, of at most `width` columns.
fn content(state: &State, width: usize) -> Option<(&'static str, Vec<Text>)> {
    Some(match state.overlay? {
        Overlay::Help => ("keys", help::lines()),
        Overlay::Notices if state.show.notices.is_empty() => (
            "what is missing",
            vec![Text::plain("nothing: all that was recorded is here")],
        ),
        Overlay::Notices => {
            let notices = state.show.notices.iter();
            let wrapped = notices.flat_map(|notice| Text::plain(notice.as_str()).wrapped(width));
            ("what is missing", wrapped.collect())
        }
    })
}

/// Columns and rows of the lines.
fn room((width, height): (u16, u16)) -> (u16, u16) {
    let width = width.saturating_sub(8).clamp(1, WIDEST);
    (width, height.saturating_sub(2))
}

/// Lines that there is no room for.
pub(crate) fn hidden(state: &State) -> usize {
    let (width, height) = room(state.size);
    let lines = content(state, usize::from(width)).map_or(0, |(_, lines)| lines.len());
    lines.saturating_sub(usize::from(height))
}

/// Draws it, with a space and a line around it.
pub(crate) fn draw(state: &State, palette: Palette, buffer: &mut Buffer) {
    let (most, height) = room(state.size);
    let Some((title, lines)) = content(state, usize::from(most)) else {
        return;
    };
    let hidden = hidden(state).saturating_sub(state.overlay_top);
    let widest = lines.iter().map(Text::width).max().unwrap_or(0);
    let width = (widest as u16).max(20).min(most);
    let height = (lines.len() as u16).min(height);
    let screen = buffer.area;
    let area = Rect::new(
        screen.x + screen.width.saturating_sub(width + 4) / 2,
        screen.y + screen.height.saturating_sub(height + 2) / 2,
        width + 4,
        height + 2,
    )
    .intersection(screen);
    clear(buffer, area);
    let rule = |text: Text| paint::title(text, usize::from(area.width), false);
    let heading = rule(Text::styled(title, Style::Strong));
    paint::line(buffer, palette, area, 0, &heading);
    let lines = lines.iter().skip(state.overlay_top);
    for (row, text) in (1..).zip(lines.take(usize::from(height))) {
        let line = Text::styled("│ ", Style::Faint);
        let line = Text([line.0, paint::fitted(text.clone(), usize::from(width)).0].concat());
        paint::line(buffer, palette, area, row, &line.with(" │", Style::Faint));
    }
    let foot = match hidden {
        0 => Text::styled("any key closes this", Style::Faint),
        more => Text::styled(format!("↓ {more} more lines"), Style::Note),
    };
    paint::line(
        buffer,
        palette,
        area,
        area.height.saturating_sub(1),
        &rule(foot),
    );
}

/// Makes room. A wide character that the edge would cut through goes.
fn clear(buffer: &mut Buffer, area: Rect) {
    for y in area.top()..area.bottom() {
        if area.x > buffer.area.x && buffer[(area.x - 1, y)].symbol().width() > 1 {
            buffer[(area.x - 1, y)].reset();
        }
        for x in area.left()..area.right() {
            buffer[(x, y)].reset();
        }
    }
}
