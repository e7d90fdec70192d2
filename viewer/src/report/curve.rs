//! How many lived at most in each of equal stretches of time.

use tidline::model::Time;

/// Equal stretches, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretches {
    begin: Time,
    length: u64,
    many: usize,
}

impl Stretches {
    /// So many of them, from a time on; together so long, ns.
    pub(crate) fn new(begin: Time, length: u64, many: usize) -> Stretches {
        Stretches {
            begin,
            length: length.max(1),
            many: many.max(1),
        }
    }

    /// The stretch that a time is in; the first or the last, if it is in none.
    pub(crate) fn place(&self, time: Time) -> usize {
        let since = u128::from(time.0.saturating_sub(self.begin.0));
        let place = since * self.many as u128 / u128::from(self.length);
        usize::try_from(place).map_or(self.many - 1, |place| place.min(self.many - 1))
    }

    /// The most that lived at a time in each, of births (`true`) and ends in any order.
    pub(crate) fn most(&self, mut changes: Vec<(Time, bool)>) -> Vec<u64> {
        // Of equal times ends come first.
        changes.sort_unstable();
        let mut changes = changes.into_iter().peekable();
        let mut alive = 0u64;
        let most = (0..self.many).map(|stretch| {
            let mut most = alive;
            while let Some((_, born)) = changes.next_if(|(time, _)| self.place(*time) <= stretch) {
                alive = match born {
                    true => alive + 1,
                    false => alive.saturating_sub(1),
                };
                most = most.max(alive);
            }
            most
        });
        most.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stretch_has_the_most_that_lived_in_it() {
        let stretches = Stretches::new(Time(100), 40, 4);
        // Three that hand over within the first, one of which stays into the third; one at the end.
        let lives = [(100, 103), (103, 105), (104, 125), (139, 140)];
        let changes = lives
            .iter()
            .flat_map(|&(born, ended)| [(Time(born), true), (Time(ended), false)]);
        assert_eq!(stretches.most(changes.collect()), [2, 1, 1, 1]);
        assert_eq!(
            [0, 110, 139, 1_000].map(|time| stretches.place(Time(time))),
            [0, 1, 3, 3]
        );
    }
}
