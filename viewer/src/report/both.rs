//! What a page of two runs has beside the data of each: the comparison, as `diff` makes it.

use serde_json::{Value, json};
use tidline::model::Time;

use super::curve::Stretches;
use crate::compare::Compared;
use crate::diff::side::Side;
use crate::view::diff::about::About;
use crate::view::diff::{json, kind, label_alone, lineage};

/// Classes that a page has at most, the largest changes first.
const MOST_CLASSES: usize = 2_000;
/// Stretches of the curve of a class, and of that of a run.
const OF_CLASS: usize = 48;
const OF_RUN: usize = 256;

/// The comparison for the page, as JSON; and in words what part it is of.
pub(crate) fn compared(compared: &Compared, part: Vec<String>) -> Vec<u8> {
    let mut shown = compared.shown();
    shown.limit = MOST_CLASSES;
    let (comparison, book) = (&compared.comparison, &compared.book);
    let sides = [&comparison.old, &comparison.new];
    let span = sides.map(|side| side.length).into_iter().max().unwrap_or(0);
    let curves = sides.map(|side| curves(side, span));
    let (document, more) = json::document(&shown, None);
    let mut document = json!(document);
    let (rows, _) = shown.rows();
    let values = document["rows"].as_array_mut().into_iter().flatten();
    for (value, row) in values.zip(rows) {
        let places = [row.pair.old, row.pair.new];
        let node = book.get(comparison.key(row).node);
        let above: Vec<String> = lineage(book, node.up).collect();
        let curve = |side: usize| {
            let place = places[side];
            place.and_then(|place| curves[side].get(place))
        };
        value["kind"] = json!(kind(row));
        value["how"] = json!(row.pair.how.word());
        value["label"] = json!(label_alone(comparison, book, row));
        value["above"] = json!(above.join(" < "));
        value["places"] = json!(places.map(|place| place.map_or(0, |place| place + 1)));
        value["curves"] = json!([curve(0), curve(1)]);
    }
    let mut foot = shown.foot(more);
    foot.extend(part);
    let first = compared.old.first().cloned().unwrap_or_default();
    let page = json!({
        "rows": document["rows"],
        "notices": document["notices"],
        "verdict": foot.remove(0),
        "foot": foot,
        "per_second": comparison.per_second,
        "span_ns": span,
        "begins_ns": sides.map(|side| side.begin.0),
        "runs": [about(&first), about(&compared.new)],
        "curves": sides.map(|side| whole(side, span)),
    });
    page.to_string().into_bytes()
}

/// What is compared, where that is not what is shown.
pub(crate) fn part(selected: bool) -> Vec<String> {
    let words = "all tasks of both recordings are compared, whatever is selected";
    selected.then(|| words.into()).into_iter().collect()
}

fn about(about: &About) -> Value {
    json!({
        "file": about.file,
        "command": about.command,
        "how": about.summary(),
        "build": about.builds(),
        "length_ns": about.length_ns,
    })
}

/// Of how many stretches of the longer run a side has something to tell.
fn told(side: &Side, span: u64, many: usize) -> usize {
    let part = u128::from(side.length) * many as u128;
    let told = part.div_ceil(u128::from(span.max(1)));
    usize::try_from(told).unwrap_or(many).clamp(1, many)
}

/// The births and ends of each class of a run.
fn changes(side: &Side) -> Vec<Vec<(Time, bool)>> {
    let mut changes = vec![Vec::new(); side.classes.len()];
    for person in &side.people {
        let of_class = person
            .class
            .and_then(|class| changes.get_mut(class as usize));
        if let Some(changes) = of_class {
            changes.push((person.born.max(side.begin), true));
            changes.extend(person.ended.map(|ended| (ended, false)));
        }
    }
    changes
}

/// How many of each class lived over time, in stretches that are as long on both sides.
fn curves(side: &Side, span: u64) -> Vec<Vec<u64>> {
    let stretches = Stretches::new(side.begin, span, OF_CLASS);
    let told = told(side, span, OF_CLASS);
    let of_class = |changes| {
        let mut most = stretches.most(changes);
        most.truncate(told);
        most
    };
    changes(side).into_iter().map(of_class).collect()
}

/// The same of all.
fn whole(side: &Side, span: u64) -> Vec<u64> {
    let all = changes(side).into_iter().flatten().collect();
    let mut most = Stretches::new(side.begin, span, OF_RUN).most(all);
    most.truncate(told(side, span, OF_RUN));
    most
}
