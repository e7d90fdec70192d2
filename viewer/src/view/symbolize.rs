//! `symbolize`: what frames mean now, and which modules could not be found.

use crate::page::{Block, Page, Style, Table, Text};
use crate::symbolize::{Found, OfModule};
use crate::words::{count, counted};

/// What was written where, for people.
pub(crate) fn page<'a>(found: &'a Found, place: &str, damaged: bool, limit: usize) -> Page<'a> {
    let mut page = Page::default();
    if damaged {
        page.notices.push(
            "the trace is not whole: tidview check says what is missing; in the new file it is a gap"
                .into(),
        );
    }
    page.notices.extend(found.remarks.iter().cloned());
    let frames = counted(found.frames, "frame");
    let words = match (found.frames, found.symbols.len()) {
        (0, _) => format!("{place}: there are no stacks in the trace"),
        (_, new) => format!(
            "{place}: {frames}, {} with a name, {} with a line; {} found now",
            count(found.named),
            count(found.with_lines),
            count(new),
        ),
    };
    page.blocks.push(Block::Line(Text::plain(words)));
    if found.modules.is_empty() {
        return page;
    }
    page.blocks.push(Block::Line(Text::default()));
    let mut modules: Vec<&OfModule> = found.modules.iter().collect();
    // What is missing first.
    modules.sort_by_key(|module| module.from.is_ok());
    let shown = match limit {
        0 => modules.len(),
        limit => limit.min(modules.len()),
    };
    let left_out = modules.split_off(shown).len();
    let titles = ["MODULE", ">FRAMES", ">FOUND", "FILE"];
    page.blocks
        .push(Block::Table(Table::new(&titles, modules, |it| {
            vec![
                Text::plain(&it.module),
                Text::plain(count(it.frames)),
                Text::plain(count(it.got)),
                match &it.from {
                    Ok(file) => Text::plain(file),
                    Err(why) => Text::styled(why, Style::Note),
                },
            ]
        })));
    page.foot.extend(super::hidden(left_out, "module"));
    page
}
