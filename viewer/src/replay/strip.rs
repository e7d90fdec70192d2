//! The timeline as a strip: what happens in each column of the window, and where the cursor is.
//!
//! ```text
//!              │0s          │1s
//!  born  ≤12   ▁  ▂█▁       ▁
//!  ended ≤9       ▁▃█▂      ▁
//!  alive ≤812  ▁▁▂▅███▇▅▅▃▃▂▁
//!  marks       ░  !  ◆
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style as Cells};

use super::layout::Areas;
use super::paint::{self, Palette};
use super::state::State;
use crate::page::{Style, Text};
use crate::words;

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Bars of these heights, of which the highest fills its cell.
pub(crate) fn blocks(values: &[u32]) -> String {
    let top = u64::from(values.iter().copied().max().unwrap_or(0).max(1));
    let block = |value: &u32| match *value {
        0 => ' ',
        value => BLOCKS[((u64::from(value) * 8).div_ceil(top) as usize).clamp(1, 8) - 1],
    };
    values.iter().map(block).collect()
}

/// Draws the axis and the charts.
pub(crate) fn draw(state: &State, palette: Palette, areas: &Areas, buffer: &mut Buffer) {
    let columns = areas.columns();
    let (area, label) = (areas.strip, usize::from(areas.label));
    let edge = |column| state.window.edge(column, columns);
    let steps = &state.index().steps;
    let each = |of: &dyn Fn(u64, u64) -> u32| -> Vec<u32> {
        (0..columns)
            .map(|column| of(edge(column), edge(column + 1)))
            .collect()
    };
    let axis = state.window.scale(columns.max(1)).axis();
    let axis = Text::plain(" ".repeat(label)).with(axis, Style::Faint);
    let mut lines = vec![axis];
    let chart = |name: &str, values: &[u32], style| {
        let most = values.iter().copied().max().unwrap_or(0);
        let name = format!("{name:<5} ≤{}", words::count(most));
        paint::fitted(Text::styled(name, Style::Faint), label).with(blocks(values), style)
    };
    if area.height > 2 {
        let born = each(&|from, to| steps.changes(from, to).0);
        lines.push(chart("born", &born, Style::Good));
    }
    if area.height > 4 {
        let ended = each(&|from, to| steps.changes(from, to).1);
        lines.push(chart("ended", &ended, Style::Plain));
    }
    let alive = each(&|from, to| steps.most(from, to));
    lines.push(chart("alive", &alive, Style::Plain));
    if area.height > 2 {
        lines.push(signs(state, columns, label));
    }
    for (row, text) in lines.iter().enumerate() {
        paint::line(buffer, palette, area, row as u16, text);
    }
    let column = state.window.column(state.cursor, columns) as u16;
    let x = area.x + areas.label + column;
    cursor(
        buffer,
        Rect::new(x, area.y, 1, area.height).intersection(area),
    );
}

/// Marks the cursor's column.
pub(crate) fn cursor(buffer: &mut Buffer, column: Rect) {
    buffer.set_style(column, Cells::new().add_modifier(Modifier::REVERSED));
}

/// Marks, failures and losses in each column, of which the first counts.
fn signs(state: &State, columns: usize, label: usize) -> Text {
    let (marks, failures) = (&state.show.marks, &state.index().failures);
    let has = |times: &[u64], from: u64, to: u64| {
        let first = times.partition_point(|time| *time < from);
        times.get(first).is_some_and(|time| *time < to)
    };
    let losses = &state.show.losses;
    let mut seen = [false; 3];
    let mut line = Text::default();
    for column in 0..columns {
        let (from, to) = (
            state.window.edge(column, columns),
            state.window.edge(column + 1, columns),
        );
        let lost = losses.partition_point(|loss| loss.1 < from);
        let (kind, sign, style) = if has(marks, from, to) {
            (0, "◆", Style::Note)
        } else if has(failures, from, to) {
            (1, "!", Style::Bad)
        } else if losses.get(lost).is_some_and(|loss| loss.0 < to) {
            (2, "░", Style::Bad)
        } else {
            line = line.with(" ", Style::Plain);
            continue;
        };
        seen[kind] = true;
        line = line.with(sign, style);
    }
    // What the signs mean, as far as there is room for it.
    let words = ["◆ mark", "! failed", "░ lost"];
    let used = words.iter().zip(seen).filter(|(_, seen)| *seen);
    let used: Vec<&str> = used.map(|(words, _)| *words).collect();
    let legend = Text::styled(used.join("  "), Style::Faint);
    Text([paint::fitted(legend, label).0, line.0].concat())
}
