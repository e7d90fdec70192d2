//! Which tasks are alike: names that differ in their digits only make one class, so that
//! 10,000 workers can be one line.

use std::collections::HashMap;
use std::hash::Hash;

use tidline::model::Name;

/// The class of a name: each run of digits becomes `#`, so `worker-7` and `worker-812` are both
/// `worker-#`.
pub(crate) fn class(name: &Name) -> Name {
    let changed = changed(name.as_bytes());
    changed.map_or_else(|| name.clone(), |class| Name::from(&class[..]))
}

/// Looks at the class of a name, without making a name of it.
pub(crate) fn with_class<T>(name: &Name, look: impl FnOnce(&[u8]) -> T) -> T {
    let changed = changed(name.as_bytes());
    look(changed.as_deref().unwrap_or(name.as_bytes()))
}

/// A name's class where it is another than the name.
fn changed(name: &[u8]) -> Option<Vec<u8>> {
    if !name.iter().any(u8::is_ascii_digit) {
        return None;
    }
    let mut out = Vec::with_capacity(name.len());
    for byte in name {
        if !byte.is_ascii_digit() {
            out.push(*byte);
        } else if out.last() != Some(&b'#') {
            out.push(b'#');
        }
    }
    Some(out)
}

/// Numbers of classes: millions of tasks have few.
#[derive(Debug, Default)]
pub(crate) struct Classes(HashMap<Name, usize>);

impl Classes {
    /// The number of a name's class.
    pub(crate) fn number(&mut self, name: &Name) -> usize {
        with_class(name, |class| match self.0.get(class) {
            Some(number) => *number,
            None => {
                let next = self.0.len();
                *self.0.entry(class.into()).or_insert(next)
            }
        })
    }
}

/// Of an item without a key.
const NO_KEY: u32 = u32::MAX;

/// One item as it is, or many that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Folded<T> {
    One(T),
    Many(Vec<T>),
}

/// Folds items of the same key where there are more than `most`. A fold stands where its first
/// item stood. Items without a key are never folded.
pub(crate) fn fold<T, K: Clone + Eq + Hash>(
    items: Vec<T>,
    most: usize,
    key: impl Fn(&T) -> Option<K>,
) -> Vec<Folded<T>> {
    // Millions of items have few keys: of each a number is kept. Often the next is as the last.
    let mut known: HashMap<K, usize> = HashMap::new();
    let mut sizes: Vec<usize> = Vec::new();
    let mut last: Option<(K, usize)> = None;
    let mut number = |key: K| {
        let number = match &last {
            Some((same, number)) if *same == key => *number,
            _ => {
                let number = *known.entry(key.clone()).or_insert(sizes.len());
                last = Some((key, number));
                number
            }
        };
        if number == sizes.len() {
            sizes.push(0);
        }
        sizes[number] += 1;
        number as u32
    };
    let keys: Vec<u32> = items
        .iter()
        .map(|item| key(item).map_or(NO_KEY, &mut number))
        .collect();
    let mut places = vec![usize::MAX; sizes.len()];
    let mut out: Vec<Folded<T>> = Vec::new();
    for (item, key) in items.into_iter().zip(keys) {
        let key = key as usize;
        if sizes.get(key).is_none_or(|size| *size <= most) {
            out.push(Folded::One(item));
            continue;
        }
        let place = &mut places[key];
        if *place == usize::MAX {
            *place = out.len();
        }
        match out.get_mut(*place) {
            Some(Folded::Many(many)) => many.push(item),
            _ => out.push(Folded::Many(vec![item])),
        }
    }
    out
}

/// Folds what an earlier fold left single, by another key.
pub(crate) fn fold_rest<T, K: Clone + Eq + Hash>(
    items: Vec<Folded<T>>,
    most: usize,
    key: impl Fn(&T) -> Option<K>,
) -> Vec<Folded<T>> {
    let of_one = |item: &Folded<T>| match item {
        Folded::One(item) => key(item),
        Folded::Many(_) => None,
    };
    let flat = |item| match item {
        Folded::One(item) => item,
        Folded::Many(items) => Folded::Many(items.into_iter().flat_map(Folded::into_vec).collect()),
    };
    fold(items, most, of_one).into_iter().map(flat).collect()
}

impl<T> Folded<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Folded::One(item) => vec![item],
            Folded::Many(items) => items,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_forgets_the_digits_only() {
        for (name, expected) in [
            ("worker-7", "worker-#"),
            ("pool-12-thread-345", "pool-#-thread-#"),
            ("main", "main"),
            ("123", "#"),
            ("", ""),
            ("a1b22c", "a#b#c"),
        ] {
            assert_eq!(class(&name.into()), Name::from(expected));
            with_class(&name.into(), |class| {
                assert_eq!(class, expected.as_bytes());
            });
        }
    }

    #[test]
    fn a_class_has_one_number() {
        let mut classes = Classes::default();
        let names = ["worker-7", "main", "worker-812", "main", "worker-"];
        let numbers = names.map(|name| classes.number(&name.into()));
        assert_eq!(numbers, [0, 1, 0, 1, 2]);
    }

    #[test]
    fn only_what_exceeds_the_limit_is_folded_in_place_of_its_first() {
        let items = vec!["a1", "b1", "a2", "c1", "b2", "a3", "none"];
        let key = |item: &&str| (*item != "none").then(|| item.as_bytes()[0]);
        assert_eq!(
            fold(items, 2, key),
            [
                Folded::Many(vec!["a1", "a2", "a3"]),
                Folded::One("b1"),
                Folded::One("c1"),
                Folded::One("b2"),
                Folded::One("none"),
            ]
        );
    }

    #[test]
    fn a_second_fold_leaves_the_first_s_folds_alone() {
        let once = fold(vec!["a1", "a2", "b1", "c1", "b2"], 1, |item| {
            item.starts_with('a').then_some(0)
        });
        assert_eq!(
            fold_rest(once, 2, |_| Some(0)),
            [
                Folded::Many(vec!["a1", "a2"]),
                Folded::Many(vec!["b1", "c1", "b2"]),
            ]
        );
    }
}
