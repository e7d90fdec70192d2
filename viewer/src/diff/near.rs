//! How alike two call stacks are: their edit distance, in which frames weigh less the further out
//! they are. From the site out each weighs half of the one before: where a thread was made says
//! most of what it is for, and every stack of a program ends in `main`.

use super::words::{Word, Words};

/// The cost, of 1, of two frames whose modules are the same and whose functions have no name.
const BARE: f64 = 0.3;

/// From 0 (nothing in common) to 1 (the same).
pub(crate) fn likeness(old: &[Word], new: &[Word], words: &Words) -> f64 {
    if old.is_empty() || new.is_empty() {
        return 0.0;
    }
    let weight = |at: usize| 0.5f64.powi(at as i32);
    let total = |count: usize| (0..count).map(weight).sum::<f64>();
    let mut row: Vec<f64> = (0..=new.len()).map(total).collect();
    for (i, a) in old.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] += weight(i);
        for (j, b) in new.iter().enumerate() {
            let cost = match a == b {
                true if words.is_bare(*a) => BARE,
                true => 0.0,
                false => 1.0,
            };
            let replaced = diagonal + cost * weight(i.min(j));
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + weight(j)).min(row[j + 1] + weight(i));
        }
    }
    let most = total(old.len().max(new.len()));
    (1.0 - row[new.len()] / most).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_site_weighs_most() {
        let mut words = Words::default();
        let mut stack = |names: &str| -> Vec<Word> {
            let names = names.split_whitespace();
            names.map(|name| words.name(name.as_bytes())).collect()
        };
        let base = stack("start serve main begin");
        let same = stack("start serve main begin");
        let other_site = stack("stop serve main begin");
        let inserted = stack("start retry serve main begin");
        let other_end = stack("start serve loop begin");
        let nothing = stack("a b c d");
        let like = |new: &[Word]| (likeness(&base, new, &words) * 100.0).round();
        assert_eq!(like(&same), 100.0);
        assert_eq!(like(&other_end), 87.0);
        assert_eq!(like(&inserted), 74.0);
        assert_eq!(like(&other_site), 47.0);
        assert_eq!(like(&nothing), 0.0);
        assert_eq!(like(&[]), 0.0);
    }
}
