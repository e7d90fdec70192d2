//! Which of many lives a moment falls into: the next one, and the one before, in a fixed order.
//!
//! Blocks of 64 know the first birth and the last end in them, and blocks of blocks the same, so
//! that what has ended long ago or is not born yet is passed over without being looked at.

const ARITY: usize = 64;

/// A moment, and how long before it an end still counts as new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At {
    pub(crate) now: u64,
    pub(crate) flash: u64,
}

impl At {
    /// The time after which an end is new.
    pub(crate) fn since(self) -> u64 {
        self.now.saturating_sub(self.flash)
    }

    /// Whether a life is on the screen.
    pub(crate) fn shows(self, (born, ended): (u64, u64)) -> bool {
        born <= self.now && ended > self.since()
    }
}

/// Lives in a fixed order: born, and ended or `u64::MAX`.
#[derive(Debug, Default)]
pub(crate) struct Spans {
    /// `levels[0]` are the lives; an entry of a level spans `ARITY` of the level below.
    levels: Vec<Vec<(u64, u64)>>,
}

impl Spans {
    pub(crate) fn new(lives: Vec<(u64, u64)>) -> Spans {
        let mut levels = vec![lives];
        while levels[levels.len() - 1].len() > ARITY {
            let below = levels[levels.len() - 1].chunks(ARITY);
            let hull = |part: &[(u64, u64)]| {
                let born = part.iter().map(|span| span.0).min();
                let ended = part.iter().map(|span| span.1).max();
                (born.unwrap_or(u64::MAX), ended.unwrap_or(0))
            };
            let level = below.map(hull).collect();
            levels.push(level);
        }
        Spans { levels }
    }

    pub(crate) fn get(&self, index: usize) -> Option<(u64, u64)> {
        self.levels[0].get(index).copied()
    }

    /// The first place from one on whose life is on the screen.
    pub(crate) fn next(&self, from: usize, at: At) -> Option<usize> {
        let top = self.levels.len() - 1;
        self.first_in(top, 0, self.levels[top].len(), from, at)
    }

    /// The first one of a part of a level that stands at `from` or behind, a place of the lowest.
    fn first_in(
        &self,
        level: usize,
        first: usize,
        end: usize,
        from: usize,
        at: At,
    ) -> Option<usize> {
        let unit = ARITY.pow(level as u32);
        (first.max(from / unit)..end).find_map(|place| {
            if !at.shows(self.levels[level][place]) {
                None
            } else if level == 0 {
                Some(place)
            } else {
                let (first, end) = self.below(level, place);
                self.first_in(level - 1, first, end, from, at)
            }
        })
    }

    /// The places of the level below that an entry spans.
    fn below(&self, level: usize, place: usize) -> (usize, usize) {
        let count = self.levels[level - 1].len();
        (place * ARITY, ((place + 1) * ARITY).min(count))
    }

    /// The last place before one whose life is on the screen.
    pub(crate) fn previous(&self, before: usize, at: At) -> Option<usize> {
        let top = self.levels.len() - 1;
        let behind = before.min(self.levels[0].len());
        self.last_in(top, 0, self.levels[top].len(), behind, at)
    }

    /// The last one of a part of a level that stands before `behind`, a place of the lowest.
    fn last_in(
        &self,
        level: usize,
        first: usize,
        end: usize,
        behind: usize,
        at: At,
    ) -> Option<usize> {
        let unit = ARITY.pow(level as u32);
        let end = end.min(behind.div_ceil(unit));
        (first..end).rev().find_map(|place| {
            if !at.shows(self.levels[level][place]) {
                None
            } else if level == 0 {
                Some(place)
            } else {
                let (first, end) = self.below(level, place);
                self.last_in(level - 1, first, end, behind, at)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_find_what_looking_at_each_finds() {
        for count in [0, 1, 63, 64, 65, 4_096, 9_001] {
            let life = |index: u64| {
                let born = index * 7_919 % 1_000;
                let length = index * 104_729 % 60;
                (born, if length == 0 { u64::MAX } else { born + length })
            };
            let lives: Vec<(u64, u64)> = (0..count).map(life).collect();
            let spans = Spans::new(lives.clone());
            for now in [0, 1, 500, 999, 5_000] {
                let at = At {
                    now,
                    flash: now % 3,
                };
                let shown: Vec<usize> = (0..lives.len()).filter(|i| at.shows(lives[*i])).collect();
                let (mut forward, mut next) = (Vec::new(), spans.next(0, at));
                while let Some(place) = next {
                    forward.push(place);
                    next = spans.next(place + 1, at);
                }
                assert_eq!(forward, shown, "{count} at {now}");
                let (mut back, mut previous) = (Vec::new(), spans.previous(usize::MAX, at));
                while let Some(place) = previous {
                    back.push(place);
                    previous = spans.previous(place, at);
                }
                back.reverse();
                assert_eq!(back, shown, "{count} at {now}");
                assert_eq!(
                    spans.next(100, at),
                    shown.iter().copied().find(|i| *i >= 100)
                );
            }
        }
    }
}
