//! How many live, as it changes: each birth one up, each end one down.
//!
//! A million tasks are two million changes. Whatever is asked of a stretch of time is found by
//! bisection, and the most that lived in it by a pyramid of maxima, so that a chart of any stretch
//! costs as much as it has columns:
//!
//! ```text
//!  change   +  +  -  +  +  -  -        births of a stretch: half of (its changes + what it rose by)
//!  live     1  2  1  2  3  2  1
//!  maxima   └────3────┘  ...
//! ```

/// Entries under one entry of the level above.
const ARITY: usize = 64;

/// The changes of a number of live tasks, in order of time.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    times: Vec<u64>,
    /// How many live after each change.
    live: Vec<u32>,
    /// `maxima[0]` has one entry for each `ARITY` of `live`, and so on up.
    maxima: Vec<Vec<u32>>,
}

impl Steps {
    /// From lives: born, and ended or `u64::MAX`.
    pub(crate) fn new(lives: &[(u64, u64)]) -> Steps {
        // At equal times births come first: a life without length counts, too.
        let births = lives.iter().map(|(born, _)| (*born, false));
        let ends = lives.iter().filter(|(_, ended)| *ended != u64::MAX);
        let mut changes: Vec<(u64, bool)> = births
            .chain(ends.map(|(_, ended)| (*ended, true)))
            .collect();
        changes.sort(); // two runs that are nearly in order: a stable sort merges them
        let mut alive = 0_u32;
        let mut steps = Steps::default();
        steps.times.reserve_exact(changes.len());
        steps.live.reserve_exact(changes.len());
        for (time, ended) in changes {
            alive = if ended {
                alive.saturating_sub(1)
            } else {
                alive.saturating_add(1)
            };
            steps.times.push(time);
            steps.live.push(alive);
        }
        let mut below = &steps.live;
        while below.len() > ARITY {
            let level = below.chunks(ARITY);
            let level = level.map(|part| part.iter().copied().max().unwrap_or(0));
            steps.maxima.push(level.collect());
            below = &steps.maxima[steps.maxima.len() - 1];
        }
        steps
    }

    /// Changes that are not later than a time.
    fn until(&self, time: u64) -> usize {
        self.times.partition_point(|at| *at <= time)
    }

    /// Changes before a time.
    fn before(&self, time: u64) -> usize {
        self.times.partition_point(|at| *at < time)
    }

    fn after_changes(&self, changes: usize) -> u32 {
        changes.checked_sub(1).map_or(0, |last| self.live[last])
    }

    /// How many live at a time.
    pub(crate) fn at(&self, time: u64) -> u32 {
        self.after_changes(self.until(time))
    }

    /// The last change that is not later than a time.
    pub(crate) fn last_change(&self, time: u64) -> Option<u64> {
        Some(self.times[self.until(time).checked_sub(1)?])
    }

    /// Births and ends in a stretch without its end.
    pub(crate) fn changes(&self, from: u64, to: u64) -> (u32, u32) {
        self.between(self.before(from), self.before(to))
    }

    /// Births and ends after one time and not after another.
    pub(crate) fn since(&self, after: u64, until: u64) -> (u32, u32) {
        self.between(self.until(after), self.until(until))
    }

    fn between(&self, first: usize, behind: usize) -> (u32, u32) {
        let all = behind.saturating_sub(first) as i64;
        let rise =
            i64::from(self.after_changes(behind.max(first))) - i64::from(self.after_changes(first));
        (((all + rise) / 2) as u32, ((all - rise) / 2) as u32)
    }

    /// The most that lived at a moment of a stretch without its end.
    pub(crate) fn most(&self, from: u64, to: u64) -> u32 {
        let (first, behind) = (self.before(from), self.before(to));
        self.after_changes(first).max(self.most_of(first, behind))
    }

    /// The most that ever lived.
    pub(crate) fn peak(&self) -> u32 {
        self.most_of(0, self.live.len())
    }

    fn most_of(&self, mut first: usize, mut behind: usize) -> u32 {
        let most = |part: &[u32]| part.iter().copied().max().unwrap_or(0);
        let mut found = 0;
        let mut level: &[u32] = &self.live;
        for above in &self.maxima {
            if behind.saturating_sub(first) <= 2 * ARITY {
                break;
            }
            let (inner, outer) = (first.div_ceil(ARITY), behind / ARITY);
            found = found.max(most(&level[first..inner * ARITY]));
            found = found.max(most(&level[outer * ARITY..behind]));
            (first, behind, level) = (inner, outer, above);
        }
        found.max(most(level.get(first..behind).unwrap_or_default()))
    }

    /// The first birth that is not before a time.
    pub(crate) fn next_birth(&self, from: u64) -> Option<u64> {
        let first = self.before(from);
        let rises = |index: &usize| self.live[*index] > self.after_changes(*index);
        let found = (first..self.live.len()).find(rises)?;
        Some(self.times[found])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lives in no order, some at equal times, some without length, some without end.
    fn lives() -> Vec<(u64, u64)> {
        let mut random = 7_u64;
        let mut next = move |below: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (random >> 33) % below
        };
        let mut life = || {
            let born = next(500);
            let ended = match next(10) {
                0 => u64::MAX,
                1 => born,
                _ => born + next(300),
            };
            (born, ended)
        };
        (0..20_000).map(|_| life()).collect()
    }

    #[test]
    fn every_answer_is_what_counting_gives() {
        let lives = lives();
        let steps = Steps::new(&lives);
        let count = |f: &dyn Fn(&(u64, u64)) -> bool| lives.iter().filter(|l| f(l)).count() as u32;
        let alive = |t: u64| count(&|(born, ended)| *born <= t && *ended > t);
        // The moment at `t` at which all that begins at it has begun and nothing has ended.
        let crest = |t: u64| count(&|(born, ended)| *born <= t && *ended >= t);
        for (from, to) in [
            (0, 1),
            (0, 900),
            (3, 4),
            (100, 103),
            (250, 600),
            (799, 2_000),
        ] {
            assert_eq!(steps.at(from), alive(from));
            let births = count(&|(born, _)| (from..to).contains(born));
            let ends = count(&|(_, ended)| (from..to).contains(ended));
            assert_eq!(steps.changes(from, to), (births, ends), "{from}..{to}");
            let births = count(&|(born, _)| (from + 1..=to).contains(born));
            let ends = count(&|(_, ended)| (from + 1..=to).contains(ended));
            assert_eq!(steps.since(from, to), (births, ends), "{from}..={to}");
            let most = (from..to).map(crest).max();
            assert_eq!(Some(steps.most(from, to)), most, "{from}..{to}");
        }
        assert_eq!(Some(steps.peak()), (0..900).map(crest).max());
        let next = lives
            .iter()
            .map(|(born, _)| *born)
            .filter(|born| *born >= 77)
            .min();
        assert_eq!(steps.next_birth(77), next);
        assert_eq!(steps.next_birth(500), None);
    }

    #[test]
    fn nothing_lives_where_nothing_is() {
        let steps = Steps::new(&[]);
        assert_eq!((steps.at(5), steps.most(0, 9), steps.peak()), (0, 0, 0));
        assert_eq!(steps.changes(0, 9), (0, 0));
    }
}
