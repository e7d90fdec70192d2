//! From text with a meaning to cells: colours, cut lines, and what is drawn where there is only
//! ASCII.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style as Cells};

use crate::page::{Style, Text};
use crate::render::ascii::nearest;

/// What the terminal can show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Palette {
    pub(crate) color: bool,
    pub(crate) ascii: bool,
}

impl Palette {
    /// How a meaning looks. Without colours weight is left, and no colour is the only sign of
    /// anything.
    pub(crate) fn cells(self, style: Style) -> Cells {
        let (color, modifier) = match style {
            Style::Plain => (None, Modifier::empty()),
            Style::Faint => (None, Modifier::DIM),
            Style::Strong => (None, Modifier::BOLD),
            Style::Good => (Some(Color::Green), Modifier::empty()),
            Style::Bad => (Some(Color::Red), Modifier::empty()),
            Style::Note => (Some(Color::Yellow), Modifier::empty()),
        };
        let cells = Cells::new().add_modifier(modifier);
        match color.filter(|_| self.color) {
            Some(color) => cells.fg(color),
            None => cells,
        }
    }

    /// Of what is drawn all that is not ASCII becomes ASCII.
    pub(crate) fn finish(self, buffer: &mut Buffer) {
        if !self.ascii {
            return;
        }
        for cell in &mut buffer.content {
            if !cell.symbol().is_ascii() {
                let c = cell.symbol().chars().next().map_or(' ', nearest);
                cell.set_char(c);
            }
        }
    }
}

/// Draws text into one line of an area, cut at its end; returns the columns that it took.
pub(crate) fn line(
    buffer: &mut Buffer,
    palette: Palette,
    area: Rect,
    row: u16,
    text: &Text,
) -> u16 {
    if row >= area.height {
        return 0;
    }
    let mut used = 0;
    for span in &text.clone().cut(usize::from(area.width)).0 {
        let room = usize::from(area.width.saturating_sub(used));
        let (x, _) = buffer.set_stringn(
            area.x + used,
            area.y + row,
            &span.text,
            room,
            palette.cells(span.style),
        );
        used = x - area.x;
    }
    used
}

/// Draws over what is there: a line that is selected.
pub(crate) fn select(buffer: &mut Buffer, area: Rect, row: u16) {
    if row < area.height {
        let line = Rect::new(area.x, area.y + row, area.width, 1);
        buffer.set_style(line, Cells::new().add_modifier(Modifier::REVERSED));
    }
}

/// A title with a line behind it: `── tasks ─────`.
pub(crate) fn title(text: Text, width: usize, active: bool) -> Text {
    let style = if active { Style::Plain } else { Style::Faint };
    let title = Text::styled(if active { "▶─ " } else { "── " }, style);
    let mut title = Text([title.0, text.0].concat()).cut(width);
    let rest = width.saturating_sub(title.width() + 1);
    title = title.with(" ", style);
    title.with("─".repeat(rest), style)
}

/// Text filled up with spaces, or cut, to a number of columns.
pub(crate) fn fitted(text: Text, width: usize) -> Text {
    let text = text.cut(width);
    let rest = width.saturating_sub(text.width());
    text.with(" ".repeat(rest), Style::Plain)
}
