//! A comparison for a report or a pull request: tables in Markdown. What a program calls its threads
//! makes no markup.

use super::{Shown, band, both, changes, label, with_was};
use crate::diff::change::Row;

/// The lines, and how many classes are left out.
pub(crate) fn lines(shown: &Shown<'_>) -> (Vec<String>, usize) {
    let (rows, more) = shown.rows();
    let mut lines = vec![format!("**{}**", plain(&shown.verdict())), String::new()];
    for notice in shown.notices() {
        lines.push(format!("> {}", plain(&notice)));
        lines.push(String::new());
    }
    for failed in &shown.failed {
        lines.push(format!("- failed: {}", plain(failed)));
    }
    if !shown.failed.is_empty() {
        lines.push(String::new());
    }
    if !rows.is_empty() {
        lines.push("| change | match | created | exited | alive | peak | class |".into());
        lines.push("|---|---|---:|---:|---:|---:|---|".into());
        lines.extend(rows.into_iter().map(|row| line(shown, row)));
    }
    if let Some(matches) = shown.matches() {
        lines.extend([String::new(), plain(&matches)]);
    }
    (lines, more)
}

fn line(shown: &Shown<'_>, row: &Row) -> String {
    let comparison = shown.comparison;
    let figures = comparison.figures(row);
    let changes = changes(row, comparison.per_second);
    let change = match changes.is_empty() {
        true => "same".into(),
        false => changes.join(", "),
    };
    let cells = [
        change,
        row.pair.how.word(),
        both(figures, |it| band(it.created.shown)),
        both(figures, |it| band(it.exited.shown)),
        both(figures, |it| band(it.alive.shown)),
        both(figures, |it| band(it.peak)),
        with_was(
            label(comparison, shown.book, row),
            comparison,
            shown.book,
            row,
        ),
    ];
    let cells: Vec<String> = cells.iter().map(|cell| plain(cell)).collect();
    format!("| {} |", cells.join(" | "))
}

/// Text that is no markup.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' | '$' | '@' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_is_markup() {
        assert_eq!(
            super::plain("a|b <script> [x](y) *z* `c` @all"),
            "a\\|b &lt;script&gt; \\[x\\](y) \\*z\\* \\`c\\` \\@all"
        );
    }
}
