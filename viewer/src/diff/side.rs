//! One recording, reduced to its classes: what each did, and nothing of single tasks. A recording of
//! millions of tasks becomes as small as the program's list of places.

use std::collections::HashMap;

use tidline::model::{Name, Tid, Time};

use super::roles::Key;
use super::words::Word;
use crate::time::SECOND;

/// The least and the most that a number was, over recordings or by what is not sure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Band {
    pub(crate) least: u64,
    pub(crate) most: u64,
}

impl Band {
    pub(crate) fn of(value: u64) -> Self {
        Band {
            least: value,
            most: value,
        }
    }

    /// Both together.
    pub(crate) fn or(self, other: Band) -> Self {
        Band {
            least: self.least.min(other.least),
            most: self.most.max(other.most),
        }
    }
}

/// A number as it is shown, and what it may have been as well, had the end come a moment sooner
/// or later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) shown: Band,
    pub(crate) sure: Band,
}

impl Number {
    pub(crate) fn of(value: u64) -> Self {
        Number::of_band(Band::of(value))
    }

    /// Of a range that is sure.
    pub(crate) fn of_band(band: Band) -> Self {
        Number {
            shown: band,
            sure: band,
        }
    }

    fn or(self, other: Number) -> Self {
        Number {
            shown: self.shown.or(other.shown),
            sure: self.sure.or(other.sure),
        }
    }
}

/// What the tasks of a class did, in one recording or in several.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) created: Number,
    pub(crate) exited: Number,
    pub(crate) alive: Number,
    pub(crate) peak: Band,
    /// Of how many it is known how long they lived.
    pub(crate) lives: u64,
    pub(crate) life_p50: Option<Band>,
    pub(crate) life_p99: Option<Band>,
    /// Let go by the recorder.
    pub(crate) let_go: u64,
}

impl Figures {
    /// Those of several recordings; one that does not have the class has nothing of it.
    pub(crate) fn or(self, other: Figures) -> Self {
        let both = |a: Option<Band>, b: Option<Band>| match (a, b) {
            (Some(a), Some(b)) => Some(a.or(b)),
            (a, b) => a.or(b),
        };
        Figures {
            created: self.created.or(other.created),
            exited: self.exited.or(other.exited),
            alive: self.alive.or(other.alive),
            peak: self.peak.or(other.peak),
            lives: match (self.lives, other.lives) {
                (0, lives) | (lives, 0) => lives,
                (a, b) => a.min(b),
            },
            life_p50: both(self.life_p50, other.life_p50),
            life_p99: both(self.life_p99, other.life_p99),
            let_go: self.let_go.max(other.let_go),
        }
    }
}

/// A class of one recording.
#[derive(Clone, Debug)]
pub(crate) struct Class {
    pub(crate) key: Key,
    /// The name that its first task ended with, its creator's if it had no other.
    pub(crate) shown: Word,
    pub(crate) figures: Figures,
    /// From the site out.
    pub(crate) stack: Vec<Word>,
}

/// One task, where individuals are compared.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// Its class's place in the recording; `None` for one that is known only as a creator.
    pub(crate) class: Option<u32>,
    pub(crate) parent: Option<u32>,
    pub(crate) name: Name,
    pub(crate) tid: Tid,
    pub(crate) born: Time,
    pub(crate) ended: Option<Time>,
}

/// A recording, reduced.
#[derive(Clone, Debug, Default)]
pub(crate) struct Side {
    /// In the order of their first tasks.
    pub(crate) classes: Vec<Class>,
    pub(crate) places: HashMap<Key, usize>,
    /// When what is compared begins.
    pub(crate) begin: Time,
    /// How long it is that is compared, ns.
    pub(crate) length: u64,
    /// How many tasks are.
    pub(crate) tasks: usize,
    pub(crate) people: Vec<Person>,
}

impl Side {
    /// Several recordings as one: each class with the least and the most of every figure.
    pub(crate) fn band(sides: Vec<Side>) -> Side {
        let count = sides.len();
        let mut seen: Vec<usize> = Vec::new();
        let mut all = Side::default();
        for side in sides {
            all.length = all.length.max(side.length);
            for class in side.classes {
                match all.places.get(&class.key) {
                    Some(&place) => {
                        let known = &mut all.classes[place].figures;
                        *known = known.or(class.figures);
                        seen[place] += 1;
                    }
                    None => {
                        all.places.insert(class.key, all.classes.len());
                        all.classes.push(class);
                        seen.push(1);
                    }
                }
            }
        }
        for (class, seen) in all.classes.iter_mut().zip(seen) {
            if seen < count {
                class.figures = class.figures.or(Figures::default());
            }
        }
        all
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.length as f64 / SECOND as f64
    }
}
