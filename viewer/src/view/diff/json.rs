//! A comparison for programs.

use serde::Serialize;

use super::about::About;
use super::was::Was;
use super::{Shown, changes, lineage, pairs};
use crate::diff::change::Row;
use crate::diff::pair::How;
use crate::diff::people::Couple;
use crate::diff::side::{Band, Figures};
use crate::diff::words::{NO_WORD, Word};

/// The whole.
#[derive(Debug, Serialize)]
pub(crate) struct Document<'a> {
    old: &'a [About],
    new: &'a About,
    notices: Vec<String>,
    classes: usize,
    changed: usize,
    rows: Vec<Class>,
    failed: &'a [String],
}

#[derive(Debug, Serialize)]
struct Class {
    #[serde(rename = "match")]
    how: &'static str,
    /// From 0 to 1, where stacks were compared.
    likeness: Option<f64>,
    changed: bool,
    changes: Vec<String>,
    created_change: f64,
    exited_change: f64,
    alive_change: f64,
    peak_change: f64,
    name: Option<String>,
    process: bool,
    site: Option<String>,
    routine: Option<String>,
    lineage: Vec<String>,
    /// What of the old class was otherwise, where it was matched without being the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    was: Option<Was>,
    old: Option<Numbers>,
    new: Option<Numbers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pairs: Option<Vec<pairs::Couple>>,
}

/// One number, or the range of several runs.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Range {
    One(u64),
    Several { least: u64, most: u64 },
}

impl From<Band> for Range {
    fn from(Band { least, most }: Band) -> Self {
        match least == most {
            true => Range::One(least),
            false => Range::Several { least, most },
        }
    }
}

#[derive(Debug, Serialize)]
struct Numbers {
    created: Range,
    exited: Range,
    alive: Range,
    /// What it may have been as well: see docs/diff.md.
    alive_sure: Range,
    peak: Range,
    let_go: u64,
    rate_per_s: Option<f64>,
    life_p50_ns: Option<Range>,
    life_p99_ns: Option<Range>,
}

fn numbers(figures: &Figures, seconds: f64) -> Numbers {
    let rate = figures.created.shown.most as f64 / seconds;
    Numbers {
        created: figures.created.shown.into(),
        exited: figures.exited.shown.into(),
        alive: figures.alive.shown.into(),
        alive_sure: figures.alive.sure.into(),
        peak: figures.peak.into(),
        let_go: figures.let_go,
        rate_per_s: rate.is_finite().then(|| (rate * 1e6).round() / 1e6),
        life_p50_ns: figures.life_p50.map(Range::from),
        life_p99_ns: figures.life_p99.map(Range::from),
    }
}

/// The comparison; with the couples of each of its rows, where they are asked for.
pub(crate) fn document<'a>(
    shown: &'a Shown<'a>,
    couples: Option<&[Vec<Couple>]>,
) -> (Document<'a>, usize) {
    let (rows, more) = shown.numbered();
    let all = &shown.comparison.rows;
    let document = Document {
        old: shown.old,
        new: shown.new,
        notices: shown.notices(),
        classes: all.len(),
        changed: all.iter().filter(|row| row.changed()).count(),
        rows: rows
            .into_iter()
            .map(|(index, row)| class(shown, row, couples.map(|all| &all[index][..])))
            .collect(),
        failed: &shown.failed,
    };
    (document, more)
}

fn class(shown: &Shown<'_>, row: &Row, couples: Option<&[Couple]>) -> Class {
    let (comparison, book) = (shown.comparison, shown.book);
    let class = comparison.class(row);
    let node = book.get(class.key.node);
    let word = |word: Word| (word != NO_WORD).then(|| book.words.shown(word).to_string());
    let (old, new) = comparison.figures(row);
    let (how, likeness) = match row.pair.how {
        How::Exact => ("exact", None),
        How::OtherName => ("no name", None),
        How::OtherLineage => ("moved", None),
        How::Near(percent) => ("near", Some(f64::from(percent) / 100.0)),
        How::New => ("new", None),
        How::Gone => ("gone", None),
    };
    Class {
        how,
        likeness,
        changed: row.changed(),
        changes: changes(row, comparison.per_second),
        created_change: row.created,
        exited_change: row.exited,
        alive_change: row.alive,
        peak_change: row.peak,
        name: word(class.shown),
        process: node.role.process,
        site: word(node.role.site),
        routine: word(node.role.routine),
        lineage: lineage(book, node.up).collect(),
        was: Was::of(comparison, book, row),
        old: old.map(|it| numbers(it, comparison.old.seconds())),
        new: new.map(|it| numbers(it, comparison.new.seconds())),
        pairs: couples.map(|all| {
            all.iter()
                .map(|it| pairs::couple(comparison, *it))
                .collect()
        }),
    }
}
