//! `diff`: what changed between two recordings, as a table, and the words that all forms of it share.

pub(crate) mod about;
pub(crate) mod json;
pub(crate) mod markdown;
pub(crate) mod pairs;
pub(crate) mod tree;
mod was;

use crate::diff::change::{Comparison, Row};
use crate::diff::pair::How;
use crate::diff::roles::{Book, NodeId};
use crate::diff::side::{Band, Figures};
use crate::diff::words::NO_WORD;
use crate::page::{Block, Page, Style, Table, Text};
use crate::time;
use crate::words::{count, counted, shorten};
use about::About;
use was::with_was;

/// Creators that a label names at most.
const MOST_ABOVE: usize = 3;
/// Columns that a name, a site or a routine may take.
const LABEL: usize = 60;

/// What is shown.
pub(crate) struct Shown<'a> {
    pub(crate) comparison: &'a Comparison,
    pub(crate) book: &'a Book,
    pub(crate) old: &'a [About],
    pub(crate) new: &'a About,
    /// Whether sites are compared.
    pub(crate) sites: bool,
    /// Whether what did not change is shown.
    pub(crate) all: bool,
    pub(crate) limit: usize,
    pub(crate) width: Option<usize>,
    /// The `--fail-on` that hold, and where.
    pub(crate) failed: Vec<String>,
}

impl<'a> Shown<'a> {
    /// The rows that are shown, and how many more there are.
    pub(crate) fn rows(&self) -> (Vec<&'a Row>, usize) {
        let (rows, more) = self.numbered();
        (rows.into_iter().map(|(_, row)| row).collect(), more)
    }

    /// The same with their places in the comparison.
    pub(crate) fn numbered(&self) -> (Vec<(usize, &'a Row)>, usize) {
        let rows = self.comparison.rows.iter().enumerate();
        let rows: Vec<(usize, &Row)> = rows.filter(|(_, row)| self.all || row.changed()).collect();
        let shown = match self.limit {
            0 => rows.len(),
            limit => limit.min(rows.len()),
        };
        let more = rows.len() - shown;
        (rows.into_iter().take(shown).collect(), more)
    }

    pub(crate) fn notices(&self) -> Vec<String> {
        let per_second = self.comparison.per_second;
        let mut notices = about::notices(self.old, self.new, per_second, self.sites);
        if self.comparison.too_many {
            notices.push(
                "too many classes have no other for all their stacks to be compared: they are new \
                 or gone"
                    .into(),
            );
        }
        notices
    }

    /// What changed in a few words; the verdict of the whole.
    pub(crate) fn verdict(&self) -> String {
        let rows = &self.comparison.rows;
        let changed: Vec<&Row> = rows.iter().filter(|row| row.changed()).collect();
        let of = |how: How| changed.iter().filter(|row| row.pair.how == how).count();
        let (new, gone) = (of(How::New), of(How::Gone));
        let total = counted(rows.len() as u64, "class");
        match changed.len() {
            0 => format!("no difference in {total}"),
            all => format!(
                "{} of {total} changed: {} new, {} gone, {} otherwise",
                count(all as u64),
                count(new as u64),
                count(gone as u64),
                count((all - new - gone) as u64)
            ),
        }
    }

    /// How classes were found to be the same, where that is not plain.
    pub(crate) fn matches(&self) -> Option<String> {
        let rows = &self.comparison.rows;
        let of = |fits: &dyn Fn(How) -> bool| rows.iter().filter(|row| fits(row.pair.how)).count();
        let found = [
            (of(&|how| how == How::OtherName), "under another name"),
            (of(&|how| how == How::OtherLineage), "under another creator"),
            (
                of(&|how| matches!(how, How::Near(_))),
                "by nearly the same stack",
            ),
        ];
        let words: Vec<String> = found
            .iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, words)| format!("{} {words}", count(*number as u64)))
            .collect();
        (!words.is_empty()).then(|| format!("matched {}: no change by itself", words.join(", ")))
    }

    pub(crate) fn foot(&self, more: usize) -> Vec<String> {
        let mut foot = vec![self.verdict()];
        foot.extend(self.matches());
        foot.extend(super::hidden(more, "row"));
        foot.extend(self.failed.iter().map(|it| format!("failed: {it}")));
        foot
    }
}

/// The name, place and start of a class, and who made it, in a few words.
pub(crate) fn label(comparison: &Comparison, book: &Book, row: &Row) -> String {
    let mut out = label_alone(comparison, book, row);
    let node = book.get(comparison.key(row).node);
    let above: Vec<String> = lineage(book, node.up).take(MOST_ABOVE + 1).collect();
    if !above.is_empty() {
        let shown = &above[..above.len().min(MOST_ABOVE)];
        let more = if above.len() > MOST_ABOVE {
            " < …"
        } else {
            ""
        };
        out += &format!(" < {}{more}", shown.join(" < "));
    }
    out
}

/// The same without who made it.
pub(crate) fn label_alone(comparison: &Comparison, book: &Book, row: &Row) -> String {
    let class = comparison.class(row);
    let node = book.get(class.key.node);
    let word = |word| shorten(book.words.shown(word), LABEL);
    let mut out = match class.shown {
        NO_WORD => "?".to_string(),
        shown => word(shown).into_owned(),
    };
    if node.role.site != NO_WORD {
        out += &format!(" at {}", word(node.role.site));
    }
    if node.role.routine != NO_WORD {
        out += &format!(" begins {}", word(node.role.routine));
    }
    out
}

/// The roles above a class, its creator first, in words.
pub(crate) fn lineage(book: &Book, from: Option<NodeId>) -> impl Iterator<Item = String> + '_ {
    book.lineage(from).map(|id| {
        let role = book.get(id).role;
        let known = [role.name, role.site, role.routine];
        let word = known.into_iter().find(|word| *word != NO_WORD);
        match word {
            Some(word) => shorten(book.words.shown(word), LABEL).into_owned(),
            None if role.process => "process".into(),
            None => "thread".into(),
        }
    })
}

/// A number or a range of them.
pub(crate) fn band(band: Band) -> String {
    match band.least == band.most {
        true => count(band.least),
        false => format!("{}..{}", count(band.least), count(band.most)),
    }
}

/// The old number and the new; one where they are the same.
pub(crate) fn both(
    (old, new): (Option<&Figures>, Option<&Figures>),
    of: impl Fn(&Figures) -> String,
) -> String {
    let [old, new] = [old, new].map(|it| it.map_or_else(|| "-".into(), &of));
    match old == new {
        true => new,
        false => format!("{old} → {new}"),
    }
}

/// Whole numbers, or a few digits of a rate.
pub(crate) fn amount(number: f64) -> String {
    let size = number.abs();
    let sign = if number < 0.0 { "-" } else { "+" };
    match size.fract() == 0.0 {
        true => format!("{sign}{}", count(size as u64)),
        false => format!("{sign}{size:.2}"),
    }
}

/// The numbers of a row that changed, the largest change first.
fn amounts(row: &Row) -> Vec<(f64, &'static str)> {
    let mut all = vec![
        (row.alive, "alive"),
        (row.created, "created"),
        (row.exited, "exited"),
    ];
    if row.peak_counts {
        all.push((row.peak, "peak"));
    }
    all.retain(|(change, _)| *change != 0.0);
    all.sort_by(|(a, _), (b, _)| b.abs().total_cmp(&a.abs()));
    all
}

/// What became of a class, in a word.
pub(crate) fn kind(row: &Row) -> &'static str {
    let largest = amounts(row).first().map(|(change, _)| *change);
    match (row.changed(), row.pair.how, largest) {
        (false, ..) => "same",
        (true, How::New, _) => "new",
        (true, How::Gone, _) => "gone",
        (true, _, Some(change)) if change > 0.0 => "grown",
        (true, _, Some(_)) => "shrunk",
        (true, _, None) => "otherwise",
    }
}

/// All that counts of a row, the largest first.
pub(crate) fn changes(row: &Row, per_second: bool) -> Vec<String> {
    let words = amounts(row).into_iter().map(|(change, what)| {
        let unit = match what {
            "created" | "exited" if per_second => "/s",
            _ => "",
        };
        format!("{what} {}{unit}", amount(change))
    });
    words
        .chain(row.life_counts.then(|| "lives".into()))
        .collect()
}

fn life(band: Option<Band>) -> String {
    match band {
        None => "-".into(),
        Some(Band { least, most }) if least == most => time::duration(least),
        Some(Band { least, most }) => {
            format!("{}..{}", time::duration(least), time::duration(most))
        }
    }
}

/// How many a second, at three digits.
pub(crate) fn per_s(number: u64, seconds: f64) -> String {
    match seconds > 0.0 {
        true => {
            let rate = number as f64 / seconds;
            match rate {
                rate if rate >= 100.0 => format!("{rate:.0}"),
                rate if rate >= 1.0 => format!("{rate:.1}"),
                rate => format!("{rate:.3}"),
            }
        }
        false => "-".into(),
    }
}

/// The table.
pub(crate) fn page<'a>(shown: &'a Shown<'a>) -> Page<'a> {
    let (rows, more) = shown.rows();
    let mut page = Page {
        notices: shown.notices(),
        foot: shown.foot(more),
        blocks: vec![Block::Table(about::table(shown.old, shown.new))],
    };
    if !rows.is_empty() {
        page.blocks.push(Block::Line(Text::default()));
        page.blocks.push(Block::Table(table(shown, rows)));
    }
    page
}

fn table<'a>(shown: &'a Shown<'a>, rows: Vec<&'a Row>) -> Table<'a> {
    let width = shown.width.unwrap_or(usize::MAX);
    let wanted: &[&'static str] = match width {
        0..80 => &["CHANGE", ">CREATED", ">ALIVE", "CLASS"],
        80..120 => &["CHANGE", "MATCH", ">CREATED", ">EXITED", ">ALIVE", "CLASS"],
        120..150 => &[
            "CHANGE", "MATCH", ">CREATED", ">EXITED", ">ALIVE", ">PEAK", "CLASS",
        ],
        _ => &[
            "CHANGE", "MATCH", ">CREATED", ">EXITED", ">ALIVE", ">PEAK", ">PER S", ">P50", ">P99",
            "CLASS",
        ],
    };
    Table::new(wanted, rows, move |row| {
        wanted.iter().map(|title| cell(shown, row, title)).collect()
    })
}

fn cell(shown: &Shown<'_>, row: &Row, title: &str) -> Text {
    let comparison = shown.comparison;
    let figures = comparison.figures(row);
    let (before, after) = (comparison.old.seconds(), comparison.new.seconds());
    let plain = match title {
        "CHANGE" => {
            let first = changes(row, comparison.per_second).into_iter().next();
            let style = match row.pair.how {
                How::New => Style::Note,
                How::Gone => Style::Bad,
                _ => Style::Strong,
            };
            let first = first.unwrap_or_else(|| "same".into());
            return Text::styled(first, if row.changed() { style } else { Style::Faint });
        }
        "MATCH" => row.pair.how.word(),
        ">CREATED" => both(figures, |it| band(it.created.shown)),
        ">EXITED" => both(figures, |it| band(it.exited.shown)),
        ">ALIVE" => both(figures, |it| band(it.alive.shown)),
        ">PEAK" => both(figures, |it| band(it.peak)),
        ">P50" => both(figures, |it| life(it.life_p50)),
        ">P99" => both(figures, |it| life(it.life_p99)),
        ">PER S" => {
            let rate = |it: Option<&Figures>, seconds| {
                it.map_or_else(|| "-".into(), |it| per_s(it.created.shown.most, seconds))
            };
            let (old, new) = (rate(figures.0, before), rate(figures.1, after));
            if old == new {
                new
            } else {
                format!("{old} → {new}")
            }
        }
        _ => {
            let class = label(comparison, shown.book, row);
            let class = with_was(class, comparison, shown.book, row);
            match shown.width.is_some_and(|width| width < 80) {
                true => format!("({}) {class}", row.pair.how.word()),
                false => class,
            }
        }
    };
    Text::plain(plain)
}
