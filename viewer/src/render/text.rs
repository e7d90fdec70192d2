//! Text for people: calm, borderless tables, and few colours.
//!
//! Widths are those of the text without colour, so that escapes never count. On a terminal the
//! last column wraps inside itself; into a pipe every row is one line. Rows stream: a table of
//! 500,000 tasks held as text would take more than a gigabyte.

use std::io::{self, Write};

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, TableStyle, Width};

use super::ascii::Ascii;
use super::paint::Painter;
use crate::page::{Block, Column, Fact, Lanes, Page, Span, Style, Table, Text};
use crate::view::timeline::{KIND_WIDTH, Layout};

/// How text is to look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) color: bool,
    /// Nothing but ASCII is written.
    pub(crate) ascii: bool,
    /// Columns there are; `None` for no end of them.
    pub(crate) columns: Option<usize>,
}

impl Look {
    /// How what has become ASCII looks.
    fn plain(self) -> Self {
        Look {
            ascii: false,
            ..self
        }
    }

    pub(super) fn paint(self, text: &str, style: Style) -> String {
        let mut out = String::with_capacity(text.len() + 12);
        self.push(&mut out, text, style);
        out
    }

    fn push(self, out: &mut String, text: &str, style: Style) {
        let code = match style {
            _ if !self.color || text.is_empty() => "",
            Style::Plain => "",
            Style::Faint => "2",
            Style::Strong => "1",
            Style::Good => "32",
            Style::Bad => "31",
            Style::Note => "33",
        };
        match code {
            "" => out.push_str(text),
            code => out.extend(["\x1b[", code, "m", text, "\x1b[0m"]),
        }
    }
}

/// Writes a page.
pub(crate) fn page(out: &mut dyn Write, page: &Page<'_>, look: Look) -> io::Result<()> {
    if look.ascii {
        return self::page(&mut Ascii(out), page, look.plain());
    }
    notices(out, &page.notices, look)?;
    for block in &page.blocks {
        match block {
            Block::Facts(facts) => write_facts(out, facts, look)?,
            Block::Table(table) => write_table(out, table, look)?,
            Block::Lanes(lanes) => write_lanes(out, lanes, look)?,
            Block::Line(text) => writeln!(out, "{}", painted(text, look))?,
        }
    }
    foot(out, &page.foot, !page.blocks.is_empty(), look)
}

/// Writes what the reader must know first.
pub(crate) fn notices(out: &mut dyn Write, notices: &[String], look: Look) -> io::Result<()> {
    if look.ascii {
        return self::notices(&mut Ascii(out), notices, look.plain());
    }
    for notice in notices {
        write!(out, "{} ", look.paint("!", Style::Note))?;
        write_last(out, &Text::styled(notice, Style::Note), 2, look)?;
    }
    if !notices.is_empty() {
        writeln!(out)?;
    }
    Ok(())
}

/// Writes what was left out.
pub(crate) fn foot(
    out: &mut dyn Write,
    foot: &[String],
    apart: bool,
    look: Look,
) -> io::Result<()> {
    if look.ascii {
        return self::foot(&mut Ascii(out), foot, apart, look.plain());
    }
    if apart && !foot.is_empty() {
        writeln!(out)?;
    }
    for line in foot {
        write_last(out, &Text::styled(line, Style::Faint), 0, look)?;
    }
    Ok(())
}

/// Writes the last text of a line, which begins at column `at`, and the line's end. Where there
/// is too little room it goes on below itself.
fn write_last(out: &mut dyn Write, text: &Text, at: usize, look: Look) -> io::Result<()> {
    let room = look.columns.map(|columns| columns.saturating_sub(at));
    let (room, below) = match room {
        Some(room) if text.width() > room && room >= LEAST => (room, at),
        // It goes below as a whole.
        Some(room) if text.width() > room && at > BELOW => {
            writeln!(out)?;
            write!(out, "{:BELOW$}", "")?;
            (look.columns.unwrap_or(0).saturating_sub(BELOW), BELOW)
        }
        _ => return writeln!(out, "{}", painted(text, look)),
    };
    for (index, line) in text.wrapped(room.max(LEAST)).iter().enumerate() {
        let indent = if index == 0 { 0 } else { below };
        writeln!(out, "{:indent$}{}", "", painted(line, look))?;
    }
    Ok(())
}

fn painted(text: &Text, look: Look) -> String {
    let mut out = String::new();
    push_painted(&mut out, text, look);
    out
}

fn push_painted(out: &mut String, text: &Text, look: Look) {
    for Span { text, style } in &text.0 {
        look.push(out, text, *style);
    }
}

/// Columns without which wrapping would make it worse.
const LEAST: usize = 8;
/// Where a text begins on the next line that has no such room on its own.
const BELOW: usize = 6;
/// So many rows are laid out at a time.
const BATCH: usize = 256;

/// Writes a table without borders, its columns two spaces apart. Its rows are made twice, the
/// first time for their widths, and laid out in batches, so that they need not fit into memory; the first
/// few are kept, since one row may be of millions of tasks.
fn write_table(out: &mut dyn Write, table: &Table<'_>, look: Look) -> io::Result<()> {
    let titles = table
        .columns
        .iter()
        .map(|column| Text::styled(column.title, Style::Faint));
    let titles: Vec<Text> = titles.collect();
    let mut widths: Vec<usize> = titles.iter().map(Text::width).collect();
    let mut made = Vec::new();
    for index in 0..table.rows {
        let row = (table.row)(index);
        widen(&mut widths, &row);
        if index < BATCH {
            made.push(row);
        }
    }
    let left_out = left_out(&widths, table, look);
    let kept = |index: usize| !left_out.contains(&index);
    let columns = only(&table.columns, kept);
    let mut widths = only(&widths, kept);
    fit(&mut widths, &columns, look);
    let mut batch = vec![only(&titles, kept)];
    for index in 0..table.rows {
        batch.push(match made.get(index) {
            Some(row) => only(row, kept),
            None => only(&(table.row)(index), kept),
        });
        if batch.len() >= BATCH {
            write_rows(out, &columns, &widths, std::mem::take(&mut batch), look)?;
        }
    }
    write_rows(out, &columns, &widths, batch, look)?;
    if left_out.is_empty() {
        return Ok(());
    }
    let titles = left_out.iter().map(|index| table.columns[*index].title);
    let titles = titles.collect::<Vec<_>>().join(", ");
    let words = format!("not shown, for want of room: {titles}");
    write_last(out, &Text::styled(words, Style::Faint), 0, look)
}

/// The columns that a table does without, so that the others fit.
fn left_out(widths: &[usize], table: &Table<'_>, look: Look) -> Vec<usize> {
    let Some(room) = look.columns else {
        return Vec::new();
    };
    let last = widths.len().saturating_sub(1);
    // Columns of words give way, numbers cannot.
    let least = |index: usize| match table.columns[index].right {
        true => widths[index],
        false => widths[index].min(LEAST),
    };
    let gap = |index: usize| if index < last { 2 } else { 0 };
    let mut needed: usize = (0..widths.len()).map(|it| least(it) + gap(it)).sum();
    let mut out = Vec::new();
    for title in table.spare {
        let place = table.columns.iter().position(|it| it.title == *title);
        let Some(index) = place.filter(|_| needed > room) else {
            continue;
        };
        needed = needed.saturating_sub(least(index) + 2);
        out.push(index);
    }
    out
}

fn only<T: Clone>(cells: &[T], kept: impl Fn(usize) -> bool) -> Vec<T> {
    let cells = cells.iter().enumerate().filter(|(index, _)| kept(*index));
    cells.map(|(_, cell)| cell.clone()).collect()
}

/// Writes a few rows.
fn write_grid(
    out: &mut dyn Write,
    columns: &[Column],
    rows: Vec<Vec<Text>>,
    look: Look,
) -> io::Result<()> {
    let mut widths = vec![0; columns.len()];
    for row in &rows {
        widen(&mut widths, row);
    }
    fit(&mut widths, columns, look);
    write_rows(out, columns, &widths, rows, look)
}

fn widen(widths: &mut [usize], row: &[Text]) {
    for (width, cell) in widths.iter_mut().zip(row) {
        *width = cell.width().max(*width);
    }
}

/// Makes a table fit: its widest columns of words give way, one after the other, and the last one
/// takes what room is left, and wraps inside itself.
fn fit(widths: &mut [usize], columns: &[Column], look: Look) {
    let Some(room) = look.columns else { return };
    let Some((last, others)) = widths.split_last_mut() else {
        return;
    };
    let gaps = 2 * others.len();
    let least = (*last).min(LEAST);
    let mut over = (others.iter().sum::<usize>() + gaps + least).saturating_sub(room);
    while over > 0 {
        let words = others
            .iter_mut()
            .zip(columns)
            .filter(|(_, column)| !column.right);
        let Some((widest, _)) = words.max_by_key(|(width, _)| **width) else {
            break;
        };
        if *widest <= LEAST {
            break;
        }
        *widest -= 1;
        over -= 1;
    }
    let rest = room.saturating_sub(others.iter().sum::<usize>() + gaps);
    // Where there is no room at all, the terminal's own wrapping is no worse.
    if rest >= 4 {
        *last = (*last).min(rest);
    }
}

fn write_rows(
    out: &mut dyn Write,
    columns: &[Column],
    widths: &[usize],
    rows: Vec<Vec<Text>>,
    look: Look,
) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    let last = widths.len().saturating_sub(1);
    let cut = |(index, (cell, width)): (usize, (Text, &usize))| {
        if index < last { cell.cut(*width) } else { cell }
    };
    let rows: Vec<Vec<Text>> = rows
        .into_iter()
        .map(|row| row.into_iter().zip(widths).enumerate().map(cut).collect())
        .collect();
    let mut grid = grid();
    for row in &rows {
        grid.add_row(
            row.iter()
                .map(|cell| Cell::new(cell.bare()))
                .collect::<Vec<_>>(),
        );
    }
    for (index, (column, width)) in columns.iter().zip(widths).enumerate() {
        let Some(of_grid) = grid.column_mut(index) else {
            continue;
        };
        let gap = if index < last { 2 } else { 0 };
        of_grid.set_padding((0, gap));
        let width = u16::try_from(width + usize::from(gap))
            .unwrap_or(u16::MAX)
            .max(1);
        of_grid.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
        if column.right {
            of_grid.set_cell_alignment(CellAlignment::Right);
        }
    }
    if !look.color {
        return grid
            .lines()
            .try_for_each(|line| writeln!(out, "{}", line.trim_end()));
    }
    let mut painter = Painter::new(look, widths, rows);
    grid.lines()
        .try_for_each(|line| writeln!(out, "{}", painter.line(&line)))
}

/// A table of comfy-table's without borders.
fn grid() -> comfy_table::Table {
    let mut grid = comfy_table::Table::new();
    grid.load_style(TableStyle::new());
    grid.set_content_arrangement(ContentArrangement::Dynamic);
    grid
}

fn write_facts(out: &mut dyn Write, facts: &[Fact], look: Look) -> io::Result<()> {
    let look = Look {
        columns: look.columns.or(Some(100)),
        ..look
    };
    let mut former = "";
    let rows = facts.iter().map(|fact| {
        let label = if fact.label == former { "" } else { fact.label };
        former = fact.label;
        vec![
            Text::styled(label, Style::Faint),
            Text::styled(&fact.value, fact.style),
        ]
    });
    let rows: Vec<Vec<Text>> = rows.collect();
    write_grid(out, &[Column::left(""), Column::left("")], rows, look)
}

fn write_lanes(out: &mut dyn Write, lanes: &Lanes, look: Look) -> io::Result<()> {
    let space = " ".repeat(lanes.label_width + 1);
    let axis = format!("{space}{}", lanes.axis);
    writeln!(out, "{}", look.paint(&axis, Style::Faint))?;
    for (label, bar) in &lanes.lanes {
        let gap = " ".repeat((lanes.label_width + 1).saturating_sub(label.width()));
        let line = format!("{}{gap}{}", painted(label, look), painted(bar, look));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Writes the timeline's header.
pub(crate) fn timeline_header(
    out: &mut dyn Write,
    layout: &Layout,
    zone: &str,
    look: Look,
) -> io::Result<()> {
    let (elapsed, wall, task) = (layout.elapsed, layout.wall, layout.task);
    let zone = if wall == 0 {
        String::new()
    } else {
        format!("{zone:<wall$}  ")
    };
    let line = format!(
        "{:>elapsed$}  {zone}{:<KIND_WIDTH$}  {:<task$}  WHAT",
        "TIME", "KIND", "TASK"
    );
    writeln!(out, "{}", look.paint(&line, Style::Faint))
}

/// Writes a row of the timeline. Its columns have fixed widths, so that rows can stream.
pub(crate) fn timeline_row(
    out: &mut dyn Write,
    layout: &Layout,
    row: &[Text; 5],
    look: Look,
) -> io::Result<()> {
    if look.ascii {
        return timeline_row(&mut Ascii(out), layout, row, look.plain());
    }
    let [elapsed, wall, kind, task, detail] = row;
    // There may be millions of rows: to write each of their pieces takes longer than to put them together.
    let mut line = String::with_capacity(160);
    for (cell, width, right) in [
        (elapsed, layout.elapsed, true),
        (wall, layout.wall, false),
        (kind, KIND_WIDTH, false),
    ] {
        if width > 0 {
            push_cell(&mut line, cell, width, right, look);
            line.push_str("  ");
        }
    }
    if detail.0.is_empty() {
        line.push_str(painted(task, look).trim_end());
        return writeln!(out, "{line}");
    }
    push_cell(&mut line, task, layout.task, false, look);
    line.push_str("  ");
    if look.columns.is_none() {
        push_painted(&mut line, detail, look);
        line.push('\n');
        return out.write_all(line.as_bytes());
    }
    out.write_all(line.as_bytes())?;
    let wall = if layout.wall == 0 { 0 } else { layout.wall + 2 };
    let (kind, task) = (kind.width().max(KIND_WIDTH), task.width().max(layout.task));
    let at = layout.elapsed + wall + kind + task + 6;
    write_last(out, detail, at, look)
}

/// Writes what belongs to the row above, a line for each.
pub(crate) fn below_row(out: &mut dyn Write, lines: &[Text], look: Look) -> io::Result<()> {
    const INDENT: usize = 6;
    if look.ascii {
        return below_row(&mut Ascii(out), lines, look.plain());
    }
    for line in lines {
        write!(out, "{:INDENT$}", "")?;
        write_last(out, line, INDENT, look)?;
    }
    Ok(())
}

fn push_cell(line: &mut String, cell: &Text, width: usize, right: bool, look: Look) {
    let gap = width.saturating_sub(cell.width());
    let (before, after) = if right { (gap, 0) } else { (0, gap) };
    line.extend(std::iter::repeat_n(' ', before));
    push_painted(line, cell, look);
    line.extend(std::iter::repeat_n(' ', after));
}
