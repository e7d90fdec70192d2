//! What of two classes differs, and which differences count.
//!
//! Counts do: how many were created, ended, and are alive at the end. What the scheduler decides (how
//! many lived at a time, how long) is shown, and counts only where it is far apart. What is not sure
//! does not count at all: whether a task that ends when the recording does is alive then, and of
//! which name one is that ended before its name could be read.

use std::collections::HashMap;

use super::pair::{How, Pair, Pairs, may_be};
use super::roles::{Book, Key};
use super::side::{Band, Class, Figures, Number, Side};
use super::words::NO_WORD;
use crate::time::SECOND;

/// A peak counts that is so many times another, and so much more.
const PEAK_TIMES: u64 = 4;
const PEAK_MORE: u64 = 16;
/// A median life counts that is so many times another, so much longer (ns), of so many lives each.
const LIFE_TIMES: u64 = 10;
const LIFE_MORE: u64 = SECOND;
const LIFE_LEAST: u64 = 5;
/// A rate counts that is this part apart from another, and more than chance explains.
const RATE_PART: f64 = 0.2;
const RATE_CHANCE: f64 = 3.0;

/// A class in both recordings, or in one of them.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) pair: Pair,
    /// The changes that count, 0 where there is none; rates where that was asked for.
    pub(crate) created: f64,
    pub(crate) exited: f64,
    pub(crate) alive: f64,
    /// What of the two is sure at least; what was created is known.
    pub(crate) exited_sure: f64,
    pub(crate) alive_sure: f64,
    pub(crate) peak: f64,
    pub(crate) peak_counts: bool,
    pub(crate) life_counts: bool,
}

impl Row {
    /// Whether anything counts.
    pub(crate) fn changed(&self) -> bool {
        self.weight() > 0.0 || self.life_counts
    }

    /// How large the change is.
    pub(crate) fn weight(&self) -> f64 {
        let peak = if self.peak_counts { self.peak } else { 0.0 };
        let all = [self.created, self.exited, self.alive, peak];
        all.into_iter().map(f64::abs).fold(0.0, f64::max)
    }
}

/// Two recordings, compared.
pub(crate) struct Comparison {
    pub(crate) old: Side,
    pub(crate) new: Side,
    /// The largest change first, then what did not change, in the new recording's order.
    pub(crate) rows: Vec<Row>,
    pub(crate) per_second: bool,
    /// Classes without a pair whose stacks were not compared, since there are too many.
    pub(crate) too_many: bool,
}

impl Comparison {
    pub(crate) fn new(
        old: Side,
        new: Side,
        Pairs { pairs, too_many }: Pairs,
        book: &Book,
        per_second: bool,
    ) -> Comparison {
        let seconds = (old.seconds(), new.seconds());
        let rows = pairs.into_iter().map(|pair| {
            let figures =
                |class: Option<&Class>| class.map_or_else(Figures::default, |it| it.figures);
            let old = figures(pair.old.map(|place| &old.classes[place]));
            let new = figures(pair.new.map(|place| &new.classes[place]));
            row(pair, &old, &new, per_second.then_some(seconds))
        });
        let mut comparison = Comparison {
            rows: rows.collect(),
            old,
            new,
            per_second,
            too_many,
        };
        if !per_second {
            comparison.explain(book);
        }
        comparison.rows.sort_by(|a, b| {
            let weights = b.weight().total_cmp(&a.weight());
            let counts = b.changed().cmp(&a.changed());
            counts.then(weights).then_with(|| order(a).cmp(&order(b)))
        });
        comparison
    }

    /// The key of a row: that of the new class, where there is one.
    pub(crate) fn key(&self, row: &Row) -> Key {
        self.class(row).key
    }

    /// The new class of a row, else the old one.
    pub(crate) fn class(&self, row: &Row) -> &Class {
        let pair = row.pair;
        match (pair.new, pair.old) {
            (Some(new), _) => &self.new.classes[new],
            (None, old) => &self.old.classes[old.unwrap_or(0)],
        }
    }

    /// The figures of a row; none where it has no class on that side.
    pub(crate) fn figures(&self, row: &Row) -> (Option<&Figures>, Option<&Figures>) {
        let old = row.pair.old.map(|place| &self.old.classes[place].figures);
        let new = row.pair.new.map(|place| &self.new.classes[place].figures);
        (old, new)
    }

    /// What tasks of an unknown name or stack explain is no change: where there is one less of a class
    /// and one more of unknown name beside it, that is the same task, seen less well.
    fn explain(&mut self, book: &Book) {
        let mut beside: HashMap<_, Vec<usize>> = HashMap::new();
        for (index, row) in self.rows.iter().enumerate() {
            let up = book.get(self.key(row).node).up;
            beside.entry(up).or_default().push(index);
        }
        for group in beside.values() {
            let vague = |index: &usize| {
                let key = self.key(&self.rows[*index]);
                let role = book.get(key.node).role;
                [key.name, role.site, role.routine].contains(&NO_WORD)
            };
            let differs = |index: &usize| self.rows[*index].weight() > 0.0;
            let differing: Vec<usize> = group.iter().copied().filter(differs).collect();
            let vague: Vec<usize> = differing.iter().copied().filter(vague).collect();
            // A hostile trace has no end of them.
            for &vague in vague.iter().take(1_000) {
                for &other in differing.iter().take(1_000) {
                    let keys = [vague, other].map(|index| self.key(&self.rows[index]));
                    if vague != other && may_be(keys[0], keys[1], book) {
                        self.offset(vague, other);
                    }
                }
            }
        }
    }

    /// Takes opposite changes of two rows off each other.
    fn offset(&mut self, one: usize, other: usize) {
        let [mut a, mut b] = [one, other].map(|index| self.rows[index].clone());
        if a.created * b.created >= 0.0 {
            return;
        }
        let number = a.created.abs().min(b.created.abs());
        let less = |a: &mut f64, b: &mut f64| {
            if *a * *b >= 0.0 {
                return 0.0;
            }
            let part = a.abs().min(b.abs()).min(number);
            *a -= part.copysign(*a);
            *b -= part.copysign(*b);
            part
        };
        less(&mut a.created, &mut b.created);
        let exited = less(&mut a.exited, &mut b.exited);
        let alive = less(&mut a.alive, &mut b.alive);
        let nearer = |sure: f64, part: f64| (sure.abs() - part).max(0.0).copysign(sure);
        for row in [&mut a, &mut b] {
            row.exited_sure = nearer(row.exited_sure, exited);
            row.alive_sure = nearer(row.alive_sure, alive);
            if row.created == 0.0 && row.exited == 0.0 && row.alive == 0.0 {
                (row.peak_counts, row.life_counts) = (false, false);
            }
        }
        (self.rows[one], self.rows[other]) = (a, b);
    }
}

/// Rows without a change go as the recordings do.
fn order(row: &Row) -> (usize, usize) {
    let last = usize::MAX;
    (row.pair.new.unwrap_or(last), row.pair.old.unwrap_or(last))
}

fn row(pair: Pair, old: &Figures, new: &Figures, seconds: Option<(f64, f64)>) -> Row {
    let rate = |old: Number, new: Number| match seconds {
        Some(seconds) => rate_change(old.shown, new.shown, seconds),
        None => change(old, new),
    };
    let both = !matches!(pair.how, How::New | How::Gone);
    let peak = band_change(old.peak, new.peak);
    let far =
        |a: Band, b: Band| b.least >= a.most.saturating_mul(PEAK_TIMES).max(a.most + PEAK_MORE);
    Row {
        pair,
        created: rate(old.created, new.created),
        exited: rate(old.exited, new.exited),
        alive: change(old.alive, new.alive),
        exited_sure: match seconds {
            Some(seconds) => sure_rate_change(old.exited, new.exited, seconds),
            None => sure_change(old.exited, new.exited),
        },
        alive_sure: sure_change(old.alive, new.alive),
        peak,
        peak_counts: both && (far(old.peak, new.peak) || far(new.peak, old.peak)),
        life_counts: both && life_counts(old, new),
    }
}

fn life_counts(old: &Figures, new: &Figures) -> bool {
    let far = |a: Band, b: Band| {
        b.least
            >= a.most
                .saturating_mul(LIFE_TIMES)
                .max(a.most.saturating_add(LIFE_MORE))
    };
    let enough = old.lives >= LIFE_LEAST && new.lives >= LIFE_LEAST;
    let both = old.life_p50.zip(new.life_p50);
    enough && both.is_some_and(|(old, new)| far(old, new) || far(new, old))
}

/// By how much a number left what it was; 0 where that is not sure.
fn change(old: Number, new: Number) -> f64 {
    if new.sure.least > old.sure.most {
        new.shown.most as f64 - old.shown.most as f64
    } else if new.sure.most < old.sure.least {
        new.shown.least as f64 - old.shown.least as f64
    } else {
        0.0
    }
}

/// By how much it surely left what it was: as little as both ranges allow.
fn sure_change(old: Number, new: Number) -> f64 {
    let (old, new) = (old.sure, new.sure);
    let more = new.least.saturating_sub(old.most);
    let less = old.least.saturating_sub(new.most);
    more as f64 - less as f64
}

fn band_change(old: Band, new: Band) -> f64 {
    change(Number::of_band(old), Number::of_band(new))
}

/// The same of rates, which chance moves too.
fn rate_change(old: Band, new: Band, (before, after): (f64, f64)) -> f64 {
    if before <= 0.0 || after <= 0.0 {
        return 0.0;
    }
    let new_count = new.most as f64;
    // The nearer edge of what it was.
    let edge = |count: u64| count as f64;
    let new_rate = new_count / after;
    let (least, most) = (edge(old.least) / before, edge(old.most) / before);
    let old_rate = new_rate.clamp(least, most);
    let apart = new_rate - old_rate;
    let chance = (old_rate * before).sqrt() / before + new_count.sqrt() / after;
    let counts =
        apart.abs() > RATE_PART * old_rate.max(new_rate) && apart.abs() > RATE_CHANCE * chance;
    if counts { apart } else { 0.0 }
}

/// The same of what is sure: the smaller change of those that the new range allows.
fn sure_rate_change(old: Number, new: Number, seconds: (f64, f64)) -> f64 {
    let to = |number| rate_change(old.sure, Band::of(number), seconds);
    let (least, most) = (to(new.sure.least), to(new.sure.most));
    match least * most > 0.0 {
        true => least.abs().min(most.abs()).copysign(least),
        false => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(shown: u64, least: u64, most: u64) -> Number {
        Number {
            shown: Band::of(shown),
            sure: Band { least, most },
        }
    }

    #[test]
    fn only_what_is_sure_is_a_change() {
        assert_eq!(change(Number::of(3), Number::of(5)), 2.0);
        assert_eq!(change(Number::of(3), Number::of(3)), 0.0);
        assert_eq!(change(number(3, 1, 4), number(5, 4, 6)), 0.0);
        assert_eq!(change(number(3, 1, 4), number(9, 5, 9)), 6.0);
        assert_eq!(change(number(9, 8, 9), number(2, 2, 7)), -7.0);
        let band = Number {
            shown: Band { least: 3, most: 8 },
            sure: Band { least: 3, most: 8 },
        };
        assert_eq!(
            [2, 3, 8, 10].map(|it| change(band, Number::of(it))),
            [-1.0, 0.0, 0.0, 2.0]
        );
    }

    #[test]
    fn of_a_change_that_much_is_sure_that_both_ranges_allow() {
        for (old, new, sure) in [
            (Number::of(3), Number::of(5), 2.0),
            (number(0, 0, 0), number(10, 3, 10), 3.0),
            (number(3, 1, 4), number(5, 4, 6), 0.0),
            (number(9, 8, 9), number(2, 2, 7), -1.0),
        ] {
            assert_eq!(sure_change(old, new), sure, "{old:?} {new:?}");
        }
        let rate = |new| sure_rate_change(Number::of(1_000), new, (10.0, 10.0));
        assert_eq!(rate(Number::of(2_000)), 100.0);
        assert_eq!(rate(number(2_000, 1_500, 2_000)), 50.0);
        assert_eq!(rate(number(2_000, 1_050, 2_000)), 0.0);
    }

    #[test]
    fn rates_change_by_more_than_chance() {
        let change =
            |old, before, new, after| rate_change(Band::of(old), Band::of(new), (before, after));
        assert_eq!(change(1_000, 10.0, 2_000, 20.0), 0.0);
        assert_eq!(change(1_000, 10.0, 1_050, 10.0), 0.0);
        assert_eq!(change(1_000, 10.0, 2_000, 10.0), 100.0);
        assert_eq!(change(1, 10.0, 3, 10.0), 0.0);
        assert_eq!(change(1, 0.0, 3, 10.0), 0.0);
    }

    #[test]
    fn peaks_and_lives_change_only_by_far() {
        let figures = |peak, life_ms: u64, lives| Figures {
            peak: Band::of(peak),
            lives,
            life_p50: Some(Band::of(life_ms * 1_000_000)),
            ..Figures::default()
        };
        let pair = Pair {
            old: Some(0),
            new: Some(0),
            how: How::Exact,
        };
        let counts = |old: Figures, new: Figures| {
            let row = row(pair, &old, &new, None);
            (row.peak_counts, row.life_counts)
        };
        let base = figures(4, 100, 9);
        assert_eq!(counts(base, figures(15, 900, 9)), (false, false));
        assert_eq!(counts(base, figures(20, 1_100, 9)), (true, true));
        assert_eq!(counts(figures(20, 1_100, 9), base), (true, true));
        assert_eq!(counts(base, figures(19, 1_100, 4)), (false, false));
    }
}
