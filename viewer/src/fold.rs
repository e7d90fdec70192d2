//! Which tasks are alike: names that differ in their digits only make one class, so that
//! 10,000 workers can be one line.

use std::collections::HashMap;
use std::hash::Hash;

use tidline::model::Name;

/// The class of a name: each run of digits becomes `#`, so `worker-7` and `worker-812` are both
/// `worker-#`.
pub(crate) fn class(name: &Name) -> Name {
    let bytes = name.as_bytes();
    if !bytes.iter().any(u8::is_ascii_digit) {
        return name.clone();
    }
    let mut out = Vec::with_capacity(bytes.len());
    for byte in bytes {
        if !byte.is_ascii_digit() {
            out.push(*byte);
        } else if out.last() != Some(&b'#') {
            out.push(b'#');
        }
    }
    Name::from(&out[..])
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
pub(crate) fn fold<T, K: Eq + Hash>(
    items: Vec<T>,
    most: usize,
    key: impl Fn(&T) -> Option<K>,
) -> Vec<Folded<T>> {
    // Millions of items have few keys: of each a number is kept.
    let mut known: HashMap<K, usize> = HashMap::new();
    let mut sizes: Vec<usize> = Vec::new();
    let mut number = |key: K| {
        let next = sizes.len();
        let number = *known.entry(key).or_insert(next);
        if number == next {
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
pub(crate) fn fold_rest<T, K: Eq + Hash>(
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
        }
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
