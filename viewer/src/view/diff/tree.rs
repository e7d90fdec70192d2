//! `--tree`: who creates whom, with the old and the new numbers side by side.

use std::collections::{HashMap, HashSet};

use super::{Shown, about, band, changes, label_alone, with_was};
use crate::diff::change::Row;
use crate::diff::roles::NodeId;
use crate::diff::side::Figures;
use crate::page::{Block, Page, Style, Table, Text};
use crate::words::count;

/// A row, and how deep it stands.
struct Line {
    row: usize,
    depth: usize,
}

/// Indentation beyond this says nothing more.
const DEEPEST: usize = 16;

/// The tree: what changed, and what stands above it.
pub(crate) fn page<'a>(shown: &'a Shown<'a>) -> Page<'a> {
    let lines = lines(shown);
    let limit = match shown.limit {
        0 => lines.len(),
        limit => limit.min(lines.len()),
    };
    let more = lines.len() - limit;
    let mut page = Page {
        notices: shown.notices(),
        foot: shown.foot(more),
        blocks: vec![Block::Table(about::table(shown.old, shown.new))],
    };
    let lines: Vec<Line> = lines.into_iter().take(limit).collect();
    if lines.is_empty() {
        return page;
    }
    page.blocks.push(Block::Line(Text::default()));
    page.foot
        .push("OLD and NEW: created, and behind / alive at the end".into());
    page.blocks.push(Block::Table(Table::new(
        &[">OLD", ">NEW", "CHANGE", "CLASS"],
        lines,
        move |line| cells(shown, line),
    )));
    page
}

fn cells(shown: &Shown<'_>, line: &Line) -> Vec<Text> {
    let row = &shown.comparison.rows[line.row];
    let (old, new) = shown.comparison.figures(row);
    let side = |it: Option<&Figures>| match it {
        Some(it) => Text::plain(format!(
            "{} / {}",
            band(it.created.shown),
            band(it.alive.shown)
        )),
        None => Text::styled("-", Style::Faint),
    };
    let change = changes(row, shown.comparison.per_second).into_iter().next();
    let change = match (change, row.changed()) {
        (Some(change), _) => Text::styled(format!("{change}{}", how(row)), Style::Strong),
        (None, _) => Text::default(),
    };
    let indent = "  ".repeat(line.depth.min(DEEPEST));
    let deeper = match line.depth > DEEPEST {
        true => format!("({}) ", count(line.depth as u64)),
        false => String::new(),
    };
    let label = label_alone(shown.comparison, shown.book, row);
    let label = with_was(label, shown.comparison, shown.book, row);
    let label = Text::styled(indent + &deeper, Style::Faint).with(label, Style::Plain);
    vec![side(old), side(new), change, label]
}

fn how(row: &Row) -> &'static str {
    use crate::diff::pair::How;
    match row.pair.how {
        How::New => " (new)",
        How::Gone => " (gone)",
        _ => "",
    }
}

/// Rows under their creators' rows, in the new recording's order, what is gone behind.
fn lines(shown: &Shown<'_>) -> Vec<Line> {
    let (comparison, book) = (shown.comparison, shown.book);
    let rows = &comparison.rows;
    let (mut of_new, mut of_old): (HashMap<NodeId, usize>, HashMap<NodeId, usize>) =
        <(HashMap<_, _>, HashMap<_, _>)>::default();
    for (index, row) in rows.iter().enumerate() {
        if let Some(new) = row.pair.new {
            of_new
                .entry(comparison.new.classes[new].key.node)
                .or_insert(index);
        }
        if let Some(old) = row.pair.old {
            of_old
                .entry(comparison.old.classes[old].key.node)
                .or_insert(index);
        }
    }
    // The nearest creator that has a row: of a new class in the new recording, else in the old one.
    let parent = |row: &Row| {
        let up = book.get(comparison.key(row).node).up;
        let known = if row.pair.new.is_some() {
            &of_new
        } else {
            &of_old
        };
        book.lineage(up).find_map(|id| known.get(&id).copied())
    };
    let parents: Vec<Option<usize>> = rows.iter().map(parent).collect();
    let mut wanted: HashSet<usize> = HashSet::new();
    for (index, row) in rows.iter().enumerate() {
        let mut next = (shown.all || row.changed()).then_some(index);
        while let Some(index) = next.filter(|index| wanted.insert(*index)) {
            next = parents[index];
        }
    }
    let mut children: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
    let mut order: Vec<usize> = wanted.into_iter().collect();
    order.sort_by_key(|index| {
        let pair = rows[*index].pair;
        let last = usize::MAX;
        (pair.new.unwrap_or(last), pair.old.unwrap_or(last))
    });
    for &index in &order {
        children.entry(parents[index]).or_default().push(index);
    }
    let mut lines = Vec::with_capacity(order.len());
    let mut waiting: Vec<(usize, usize)> = Vec::new();
    let push = |waiting: &mut Vec<(usize, usize)>, of: Option<usize>, depth| {
        let below = children.get(&of).map_or(&[][..], Vec::as_slice);
        waiting.extend(below.iter().rev().map(|index| (*index, depth)));
    };
    push(&mut waiting, None, 0);
    while let Some((row, depth)) = waiting.pop() {
        lines.push(Line { row, depth });
        push(&mut waiting, Some(row), depth + 1);
    }
    lines
}
