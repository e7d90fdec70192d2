//! What a task was called, or executed, and since when: mostly once, and then without an allocation.

use std::fmt;
use std::ops::Deref;

use super::ids::{Name, Time};

/// Names and since when, oldest first, where there are mostly none: a slice of pairs.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Entries(
    #[allow(clippy::box_collection)] // A vector itself is three times as large, empty or not.
    Option<Box<Vec<(Time, Name)>>>,
);

impl Entries {
    /// Adds a later one.
    pub(super) fn push(&mut self, entry: (Time, Name)) {
        self.0.get_or_insert_default().push(entry);
    }

    /// Forgets all but the last ones.
    pub(super) fn keep_last(&mut self, most: usize) {
        if let Some(entries) = &mut self.0 {
            entries.drain(..entries.len().saturating_sub(most));
        }
    }
}

impl Deref for Entries {
    type Target = [(Time, Name)];

    fn deref(&self) -> &Self::Target {
        self.0.as_deref().map_or(&[], Vec::as_slice)
    }
}

impl fmt::Debug for Entries {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(out)
    }
}

/// Names and since when, oldest first, where there is mostly one: a slice of pairs.
#[derive(Clone, PartialEq, Eq)]
pub struct History(Kept);

/// Traces have millions of these. No larger than one entry: there is one niche, so there are two variants.
#[derive(Clone, PartialEq, Eq)]
enum Kept {
    One((Time, Name)),
    Others(Entries),
}

impl Default for History {
    fn default() -> Self {
        History(Kept::Others(Entries::default()))
    }
}

impl History {
    /// Adds a later one.
    pub(super) fn push(&mut self, entry: (Time, Name)) {
        match &mut self.0 {
            Kept::Others(others) if others.is_empty() => self.0 = Kept::One(entry),
            Kept::Others(others) => others.push(entry),
            Kept::One(first) => {
                let mut others = Entries::default();
                others.push(first.clone());
                others.push(entry);
                self.0 = Kept::Others(others);
            }
        }
    }

    /// Forgets all but the last ones.
    pub(super) fn keep_last(&mut self, most: usize) {
        if let Kept::Others(others) = &mut self.0 {
            others.keep_last(most);
        }
    }
}

impl From<(Time, Name)> for History {
    fn from(entry: (Time, Name)) -> Self {
        History(Kept::One(entry))
    }
}

impl Deref for History {
    type Target = [(Time, Name)];

    fn deref(&self) -> &Self::Target {
        match &self.0 {
            Kept::One(entry) => std::slice::from_ref(entry),
            Kept::Others(others) => others,
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
    fn they_are_what_was_pushed_and_no_larger_than_they_must_be() {
        let (mut history, mut entries) = (History::default(), Entries::default());
        let mut expected = Vec::new();
        for number in 0..5 {
            assert_eq!((&*history, &*entries), (&expected[..], &expected[..]));
            let entry = (Time(number), Name::from(number.to_string().as_str()));
            history.push(entry.clone());
            entries.push(entry.clone());
            expected.push(entry);
        }
        assert_eq!((&*history, &*entries), (&expected[..], &expected[..]));
        assert_eq!(size_of::<History>(), size_of::<(Time, Name)>());
        assert_eq!(size_of::<Entries>(), size_of::<usize>());
    }
}
