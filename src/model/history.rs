//! What a task was called, or executed, and since when: mostly once, and then without an allocation.

use std::fmt;
use std::ops::Deref;

use super::ids::{Name, Time};

/// Names and since when, oldest first: a slice of pairs.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct History(Entries);

/// Traces have millions of these. No larger than one entry: there is one niche, so there are two variants.
#[derive(Clone, PartialEq, Eq)]
enum Entries {
    One((Time, Name)),
    #[allow(clippy::box_collection)] // A vector itself would not fit beside the niche.
    Others(Option<Box<Vec<(Time, Name)>>>),
}

impl Default for Entries {
    fn default() -> Self {
        Entries::Others(None)
    }
}

impl History {
    /// Adds a later one.
    pub(super) fn push(&mut self, entry: (Time, Name)) {
        self.0 = match std::mem::take(&mut self.0) {
            Entries::Others(None) => Entries::One(entry),
            Entries::One(first) => Entries::Others(Some(Box::new(vec![first, entry]))),
            Entries::Others(Some(mut entries)) => {
                entries.push(entry);
                Entries::Others(Some(entries))
            }
        };
    }

    /// Forgets all but the last ones.
    pub(super) fn keep_last(&mut self, most: usize) {
        if let Entries::Others(Some(entries)) = &mut self.0 {
            entries.drain(..entries.len().saturating_sub(most));
        }
    }
}

impl From<(Time, Name)> for History {
    fn from(entry: (Time, Name)) -> Self {
        History(Entries::One(entry))
    }
}

impl Deref for History {
    type Target = [(Time, Name)];

    fn deref(&self) -> &Self::Target {
        match &self.0 {
            Entries::Others(None) => &[],
            Entries::One(entry) => std::slice::from_ref(entry),
            Entries::Others(Some(entries)) => entries,
        }
    }
}

impl fmt::Debug for History {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_was_pushed_and_no_larger_than_one() {
        let mut history = History::default();
        let mut expected = Vec::new();
        for number in 0..5 {
            assert_eq!(*history, expected[..]);
            let entry = (Time(number), Name::from(number.to_string().as_str()));
            history.push(entry.clone());
            expected.push(entry);
        }
        assert_eq!(*history, expected[..]);
        assert_eq!(size_of::<History>(), size_of::<(Time, Name)>());
    }
}
