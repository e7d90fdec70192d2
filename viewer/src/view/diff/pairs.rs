//! `--pairs`: which task of a class is which.

use serde::Serialize;

use super::{Shown, label, with_was};
use crate::diff::change::Comparison;
use crate::diff::people;
use crate::diff::side::Person;
use crate::page::{Block, Page, Style, Table, Text};
use crate::time;
use crate::words;

/// A couple in JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Couple {
    old: Option<Task>,
    new: Option<Task>,
}

#[derive(Debug, Serialize)]
struct Task {
    name: String,
    tid: u32,
    born_ns: u64,
    ended_ns: Option<u64>,
}

fn task(person: &Person) -> Task {
    Task {
        name: String::from_utf8_lossy(person.name.as_bytes()).into_owned(),
        tid: person.tid.0,
        born_ns: person.born.0,
        ended_ns: person.ended.map(|ended| ended.0),
    }
}

fn of(comparison: &Comparison, couple: people::Couple) -> (Option<&Person>, Option<&Person>) {
    let old = couple.0.and_then(|place| comparison.old.people.get(place));
    let new = couple.1.and_then(|place| comparison.new.people.get(place));
    (old, new)
}

pub(crate) fn couple(comparison: &Comparison, couple: people::Couple) -> Couple {
    let (old, new) = of(comparison, couple);
    Couple {
        old: old.map(task),
        new: new.map(task),
    }
}

/// The classes that are shown, each with its tasks side by side.
pub(crate) fn page<'a>(shown: &'a Shown<'a>, couples: &'a [Vec<people::Couple>]) -> Page<'a> {
    let (rows, more) = shown.numbered();
    let mut page = Page {
        notices: shown.notices(),
        foot: shown.foot(more),
        blocks: vec![Block::Table(super::about::table(shown.old, shown.new))],
    };
    let comparison = shown.comparison;
    for (index, row) in rows {
        let couples = couples.get(index).map_or(&[][..], Vec::as_slice);
        page.blocks.push(Block::Line(Text::default()));
        let heading = format!(
            "{}: {}",
            row.pair.how.word(),
            with_was(
                label(comparison, shown.book, row),
                comparison,
                shown.book,
                row
            )
        );
        let heading = Text::styled(heading, Style::Strong);
        page.blocks.push(Block::Line(match shown.width {
            Some(width) => heading.cut(width),
            None => heading,
        }));
        let cells = move |couple: &people::Couple| {
            let (old, new) = of(comparison, *couple);
            let [a, b] = [old, new].map(|it| it.map_or_else(|| vec!["-".into(); 3], columns));
            a.into_iter().chain(b).map(Text::plain).collect()
        };
        let titles = ["OLD", ">BORN", ">LIVED", "NEW", ">BORN", "LIVED"];
        let titles = match shown.width {
            Some(width) if width < 90 => &["OLD", "NEW"][..],
            _ => &titles[..],
        };
        let few = titles.len() == 2;
        page.blocks.push(Block::Table(Table::new(
            titles,
            couples.to_vec(),
            move |couple| {
                let all: Vec<Text> = cells(couple);
                match few {
                    true => vec![all[0].clone(), all[3].clone()],
                    false => all,
                }
            },
        )));
    }
    page
}

fn columns(person: &Person) -> Vec<String> {
    let lived = match person.ended {
        Some(ended) => time::duration(ended.0.saturating_sub(person.born.0)),
        None => "alive".into(),
    };
    vec![
        words::label(&person.name, person.tid, words::NAME_WIDTH),
        time::elapsed(person.born),
        lived,
    ]
}
