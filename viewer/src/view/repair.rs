//! `repair`: what a mended file has, and what it has not.

use tidline::format::{Extracted, Stretch};
use tidline::model::Time;

use super::Options;
use super::check::{self, Problem};
use crate::page::{Block, Page, Style, Text};
use crate::time;
use crate::words::counted;

/// What could not be taken over.
pub(crate) fn missing(extracted: &Extracted, stretch: Stretch) -> Vec<Problem> {
    let mut problems = check::damage(&extracted.integrity, extracted.reached);
    problems.extend(check::longer(&extracted.integrity, extracted.reached));
    problems.retain(|problem| problem.touches(stretch));
    problems
}

/// What was written where, for people.
pub(crate) fn page<'a>(
    extracted: &Extracted,
    stretch: Stretch,
    missing: &'a [Problem],
    place: &str,
    options: &'a Options,
) -> Page<'a> {
    let mut page = Page::default();
    if stretch.from == Time(0) {
        let first = super::files_given_up(&extracted.integrity);
        page.notices
            .extend(super::begins_at(first, extracted.begin));
    }
    let kept = counted(extracted.events - extracted.gaps, "event");
    let (begin, end) = (extracted.begin, extracted.end);
    let range = format!("from {} to {}", time::elapsed(begin), time::elapsed(end));
    let line = format!("{place}: {kept}, {range}");
    if missing.is_empty() {
        let line = Text::plain(line).with("; nothing is missing", Style::Good);
        page.blocks.push(Block::Line(line));
        return page;
    }
    let gaps = match extracted.gaps {
        0 => String::new(),
        gaps => format!(", and {} for what is missing", counted(gaps, "gap")),
    };
    page.blocks.push(Block::Line(Text::plain(line + &gaps)));
    page.blocks.push(Block::Line(Text::default()));
    let shown = match options.limit {
        0 => missing.len(),
        limit => limit.min(missing.len()),
    };
    let table = check::table(&missing[..shown], options);
    page.blocks.push(Block::Table(table));
    page.foot
        .extend(super::hidden(missing.len() - shown, "problem"));
    page
}
