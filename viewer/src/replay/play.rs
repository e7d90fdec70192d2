//! How fast time passes while it is played, and what becomes of the gaps in it.

use crate::time::SECOND;

/// Times as fast as it was, in tenths: 0.1x is 1, 1000x is 10,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Speed(u32);

const SLOWEST: u32 = 1;
const FASTEST: u32 = 10_000;
/// The longest that nothing happens on the screen where idle stretches are skipped.
const IDLE: u64 = SECOND / 2;
/// How long a birth or an end is seen to have just happened.
const FLASH: u64 = SECOND / 2;

impl Speed {
    pub(crate) const REAL: Speed = Speed(10);

    /// `10`, `0.5`, `100x`.
    pub(crate) fn parse(text: &str) -> Result<Speed, String> {
        let number = text.trim().trim_end_matches(['x', 'X']);
        let tenths = number.parse::<f64>().map(|speed| (speed * 10.0).round());
        match tenths {
            Ok(tenths) if (f64::from(SLOWEST)..=f64::from(FASTEST)).contains(&tenths) => {
                Ok(Speed(tenths as u32))
            }
            _ => Err("it is no speed: give a number from 0.1 to 1000, such as 0.5 or 10x".into()),
        }
    }

    /// The next faster of 0.1, 0.2, 0.5, 1, 2, 5, 10, … 1000.
    pub(crate) fn faster(self) -> Speed {
        let next = Speed::round().find(|tenths| *tenths > self.0);
        Speed(next.unwrap_or(FASTEST))
    }

    /// The next slower one.
    pub(crate) fn slower(self) -> Speed {
        let before = Speed::round().filter(|tenths| *tenths < self.0).last();
        Speed(before.unwrap_or(SLOWEST))
    }

    fn round() -> impl Iterator<Item = u32> {
        let digits = (0..5).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u32.pow(power)));
        digits.filter(|tenths| *tenths <= FASTEST)
    }

    /// `0.5x`, `100x`.
    pub(crate) fn words(self) -> String {
        match self.0 % 10 {
            0 => format!("{}x", self.0 / 10),
            tenth => format!("{}.{tenth}x", self.0 / 10),
        }
    }

    /// The trace's time that passes in a time of the watcher's, ns.
    fn of(self, ns: u64) -> u64 {
        let passed = u128::from(ns) * u128::from(self.0) / 10;
        u64::try_from(passed).unwrap_or(u64::MAX)
    }

    /// The trace's time for which a birth or an end is shown as new.
    pub(crate) fn flash(self) -> u64 {
        self.of(FLASH).max(1)
    }

    /// Where time gets to from a moment in `ns` of the watcher's. `next` says when something
    /// happens next behind a moment; without it, gaps take as long as they took.
    pub(crate) fn advance(
        self,
        from: u64,
        ns: u64,
        next: Option<&dyn Fn(u64) -> Option<u64>>,
    ) -> u64 {
        let to = from.saturating_add(self.of(ns));
        let Some(next) = next else {
            return to;
        };
        match next(from) {
            Some(event) if event.saturating_sub(from) > self.of(IDLE) => {
                to.max(event.saturating_sub(self.of(IDLE)))
            }
            _ => to,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_go_from_a_tenth_to_a_thousand_in_round_steps() {
        let mut speed = Speed::parse("0.1").unwrap();
        let mut words = vec![speed.words()];
        while speed.faster() != speed {
            speed = speed.faster();
            words.push(speed.words());
        }
        let up = [
            "0.1x", "0.2x", "0.5x", "1x", "2x", "5x", "10x", "20x", "50x", "100x", "200x", "500x",
            "1000x",
        ];
        assert_eq!(words, up);
        for expected in up.iter().rev().skip(1) {
            speed = speed.slower();
            assert_eq!(speed.words(), *expected);
        }
        assert_eq!(speed.slower(), speed);
        assert_eq!(Speed::parse("30x").unwrap().slower().words(), "20x");
    }

    #[test]
    fn wrong_speeds_are_told() {
        for text in ["", "x", "fast", "0", "0.01", "1001", "-1", "NaN", "inf"] {
            assert!(
                Speed::parse(text)
                    .unwrap_err()
                    .starts_with("it is no speed"),
                "{text}"
            );
        }
    }

    #[test]
    fn idle_stretches_are_cut_to_half_a_second_on_the_screen() {
        let ten = Speed::parse("10").unwrap();
        let (tick, far) = (SECOND / 20, 100 * SECOND);
        assert_eq!(ten.advance(0, tick, None), SECOND / 2);
        let next = |_| Some(far);
        assert_eq!(ten.advance(0, tick, Some(&next)), far - 5 * SECOND);
        let near = |_| Some(SECOND);
        assert_eq!(ten.advance(0, tick, Some(&near)), SECOND / 2);
        assert_eq!(ten.advance(0, tick, Some(&|_| None)), SECOND / 2);
        assert_eq!(ten.advance(u64::MAX - 1, tick, None), u64::MAX);
    }
}
