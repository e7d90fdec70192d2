//! Colour for a table that is already laid out.
//!
//! The layout sees text without colour, so that widths never count an escape. Afterwards each
//! column's characters are met again in their order, and get the meaning that they had.

use std::collections::VecDeque;

use unicode_width::UnicodeWidthChar;

use super::text::Look;
use crate::page::{Style, Text};

/// Paints the lines of rows, in order. A row goes on over as many lines as its cells need.
pub(super) struct Painter<'a> {
    look: Look,
    widths: &'a [usize],
    rows: VecDeque<Vec<Text>>,
    /// What is left of the row that is being painted, cell by cell: its characters but spaces.
    row: Vec<VecDeque<(char, Style)>>,
}

impl<'a> Painter<'a> {
    /// Columns of these widths, two spaces apart.
    pub(super) fn new(look: Look, widths: &'a [usize], rows: Vec<Vec<Text>>) -> Self {
        Painter {
            look,
            widths,
            rows: rows.into(),
            row: Vec::new(),
        }
    }

    /// The next line, with its colours, without spaces at its end.
    pub(super) fn line(&mut self, line: &str) -> String {
        if self.row.iter().all(VecDeque::is_empty) {
            let row = self.rows.pop_front().unwrap_or_default();
            self.row = row.iter().map(characters).collect();
        }
        let mut out = String::new();
        let mut run = (String::new(), Style::Plain);
        let mut at = 0;
        for c in line.trim_end().chars() {
            let style = match c {
                ' ' => None,
                _ => self.take(at).or(Some(Style::Plain)),
            };
            // A space goes with what is before it, unless a column ends there.
            let style = style.unwrap_or(if self.begins(at + 1) {
                Style::Plain
            } else {
                run.1
            });
            if style != run.1 {
                self.put(&mut out, &mut run);
                run.1 = style;
            }
            run.0.push(c);
            at += c.width().unwrap_or(0);
        }
        self.put(&mut out, &mut run);
        out
    }

    /// The meaning of the next character of the column at a place.
    fn take(&mut self, at: usize) -> Option<Style> {
        let column = (0..self.widths.len())
            .rev()
            .find(|index| self.start(*index) <= at)?;
        Some(self.row.get_mut(column)?.pop_front()?.1)
    }

    /// Whether only the space between two columns is left until a place.
    fn begins(&self, at: usize) -> bool {
        (1..self.widths.len())
            .any(|index| (self.start(index) - 2..=self.start(index)).contains(&at))
    }

    fn start(&self, column: usize) -> usize {
        self.widths[..column].iter().map(|width| width + 2).sum()
    }

    /// Writes a run: spaces around its text have no colour.
    fn put(&self, out: &mut String, run: &mut (String, Style)) {
        let text = std::mem::take(&mut run.0);
        let inner = text.trim_matches(' ');
        let Some(start) = text.find(inner).filter(|_| !inner.is_empty()) else {
            out.push_str(&text);
            return;
        };
        out.push_str(&text[..start]);
        out.push_str(&self.look.paint(inner, run.1));
        out.push_str(&text[start + inner.len()..]);
    }
}

fn characters(cell: &Text) -> VecDeque<(char, Style)> {
    let spans = cell.0.iter();
    spans
        .flat_map(|span| span.text.chars().map(|c| (c, span.style)))
        .filter(|(c, _)| *c != ' ')
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paint(widths: &[usize], rows: Vec<Vec<Text>>, lines: &[&str]) -> Vec<String> {
        let look = Look {
            color: true,
            ascii: false,
            columns: None,
        };
        let mut painter = Painter::new(look, widths, rows);
        lines.iter().map(|line| painter.line(line)).collect()
    }

    #[test]
    fn cells_keep_their_meaning_over_spaces_and_lines() {
        let first = vec![
            Text::plain("├ ").with("a b", Style::Strong),
            Text::styled("5 of 6", Style::Faint),
            Text::styled("gone for ever", Style::Bad),
        ];
        let second = vec![Text::plain("x"), Text::default(), Text::plain("alive")];
        let lines = [
            "├ a b  5 of 6  gone for   ",
            "               ever",
            "x              alive",
        ];
        assert_eq!(
            paint(&[5, 6, 10], vec![first, second], &lines),
            [
                "├ \x1b[1ma b\x1b[0m  \x1b[2m5 of 6\x1b[0m  \x1b[31mgone for\x1b[0m",
                "               \x1b[31mever\x1b[0m",
                "x              alive",
            ]
        );
    }

    #[test]
    fn a_row_without_text_takes_a_line_of_its_own() {
        let rows = vec![
            vec![Text::default()],
            vec![Text::styled("スレ", Style::Good)],
        ];
        assert_eq!(
            paint(&[4], rows, &["", "スレ"]),
            ["", "\x1b[32mスレ\x1b[0m"]
        );
    }
}
