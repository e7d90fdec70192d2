//! What the old class was called, of a class that was matched without being the same.

use serde::Serialize;

use super::{LABEL, MOST_ABOVE, lineage};
use crate::diff::change::{Comparison, Row};
use crate::diff::pair::How;
use crate::diff::roles::Book;
use crate::diff::words::{NO_WORD, Word};
use crate::words::shorten;

/// What was otherwise; of that what was not known is null in JSON.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Was {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    routine: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lineage: Option<Vec<String>>,
}

impl Was {
    /// `None` for a class that is in one recording alone, or the same in both.
    pub(crate) fn of(comparison: &Comparison, book: &Book, row: &Row) -> Option<Was> {
        if row.pair.how == How::Exact {
            return None;
        }
        let old = &comparison.old.classes[row.pair.old?];
        let new = &comparison.new.classes[row.pair.new?];
        let [before, after] = [old, new].map(|class| book.get(class.key.node));
        let differs = |old: Word, new: Word| {
            let known = (old != NO_WORD).then(|| book.words.shown(old).to_string());
            (old != new).then_some(known)
        };
        let [above, now] = [before, after].map(|node| lineage(book, node.up).collect::<Vec<_>>());
        Some(Was {
            name: differs(old.shown, new.shown),
            site: differs(before.role.site, after.role.site),
            routine: differs(before.role.routine, after.role.routine),
            lineage: (above != now).then_some(above),
        })
    }

    /// In a few words.
    fn words(&self) -> String {
        let mut words = Vec::new();
        for (what, word) in [
            ("", &self.name),
            ("at ", &self.site),
            ("begins ", &self.routine),
        ] {
            let shown = |word: &Option<String>| {
                let word = word.as_deref().unwrap_or("?");
                format!("{what}{}", shorten(word, LABEL))
            };
            words.extend(word.as_ref().map(shown));
        }
        if let Some(above) = &self.lineage {
            let above = above.iter().take(MOST_ABOVE);
            words.extend(above.map(|it| format!("< {it}")));
        }
        words.join(" ")
    }
}

/// A class's label, and what its old class was.
pub(crate) fn with_was(label: String, comparison: &Comparison, book: &Book, row: &Row) -> String {
    match Was::of(comparison, book, row).map(|was| was.words()) {
        Some(was) if !was.is_empty() => format!("{label} (was {was})"),
        _ => label,
    }
}
