//! `--fail-on`: conditions on what changed, for those who compare by machine.
//!
//! ```text
//!  condition  = change (">" | ">=" | "<" | "<=") ("+" | "-") number ["%"]
//!             | number-of (">" | ">=" | "<" | "<=") number
//!  change     = "alive" | "created" | "exited" | "peak"        of any one class
//!  number-of  = "new-sites" | "gone-sites"                     of the whole recording
//! ```

/// What a condition is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    Alive,
    Created,
    Exited,
    Peak,
    NewSites,
    GoneSites,
}

const MEASURES: [(&str, Measure); 6] = [
    ("alive", Measure::Alive),
    ("created", Measure::Created),
    ("exited", Measure::Exited),
    ("peak", Measure::Peak),
    ("new-sites", Measure::NewSites),
    ("gone-sites", Measure::GoneSites),
];

impl Measure {
    /// Whether it is one number of the whole comparison, and not one of each class.
    pub(crate) fn is_of_all(self) -> bool {
        matches!(self, Measure::NewSites | Measure::GoneSites)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    More,
    AtLeast,
    Less,
    AtMost,
}

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    /// As it was typed.
    pub(crate) text: String,
    pub(crate) measure: Measure,
    operator: Operator,
    amount: f64,
    percent: bool,
}

impl Condition {
    /// Parses a condition. An error says where it is wrong: its column, from 1, and what was expected.
    pub(crate) fn parse(text: &str) -> Result<Condition, (usize, String)> {
        let mut rest = Rest { text, at: 0 };
        rest.spaces();
        let at = rest.column();
        let word = rest.take(|c| c.is_ascii_alphabetic() || c == '-');
        let Some((_, measure)) = MEASURES.iter().find(|(known, _)| *known == word) else {
            let known = MEASURES.map(|(known, _)| known).join(", ");
            return Err((at, format!("one of {known} is expected")));
        };
        rest.spaces();
        let at = rest.column();
        let operator = match rest.take(|c| "<>=!".contains(c)) {
            ">" => Operator::More,
            ">=" => Operator::AtLeast,
            "<" => Operator::Less,
            "<=" => Operator::AtMost,
            _ => return Err((at, "one of > >= < <= is expected".into())),
        };
        rest.spaces();
        let (amount, percent) = rest.amount(*measure)?;
        rest.spaces();
        if rest.at < text.len() {
            return Err((rest.column(), "nothing more is expected".into()));
        }
        Ok(Condition {
            text: text.trim().into(),
            measure: *measure,
            operator,
            amount,
            percent,
        })
    }

    /// Whether it holds of a change from a number, or of a number.
    pub(crate) fn holds(&self, from: f64, change: f64) -> bool {
        let value = match self.percent {
            false => change,
            true if change == 0.0 => 0.0,
            true => change / from * 100.0,
        };
        match self.operator {
            Operator::More => value > self.amount,
            Operator::AtLeast => value >= self.amount,
            Operator::Less => value < self.amount,
            Operator::AtMost => value <= self.amount,
        }
    }
}

/// What is not parsed yet.
struct Rest<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Rest<'a> {
    fn column(&self) -> usize {
        self.text[..self.at].chars().count() + 1
    }

    fn take(&mut self, admits: impl Fn(char) -> bool) -> &'a str {
        let rest = &self.text[self.at..];
        let end = rest.find(|c| !admits(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn spaces(&mut self) {
        self.take(|c| c == ' ' || c == '\t');
    }

    fn amount(&mut self, measure: Measure) -> Result<(f64, bool), (usize, String)> {
        let at = self.column();
        let negative = match (self.text[self.at..].chars().next(), measure.is_of_all()) {
            (Some('+' | '-'), true) => {
                return Err((at, "a number without a sign is expected, as 0".into()));
            }
            (Some(sign @ ('+' | '-')), false) => {
                self.at += 1;
                sign == '-'
            }
            (_, true) => false,
            (_, false) => {
                return Err((at, "a change is expected, as +10, -5 or +20%".into()));
            }
        };
        let at = self.column();
        let digits = self.take(|c| c.is_ascii_digit() || c == '.');
        let Ok(number) = digits.parse::<f64>() else {
            return Err((at, "a number is expected".into()));
        };
        let percent = !measure.is_of_all() && self.text[self.at..].starts_with('%');
        self.at += usize::from(percent);
        Ok((if negative { -number } else { number }, percent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_parsed_and_hold() {
        for (text, from, change, holds) in [
            ("alive > +10", 5.0, 11.0, true),
            ("alive > +10", 5.0, 10.0, false),
            ("alive>=+10", 5.0, 10.0, true),
            (" created < -5 ", 20.0, -6.0, true),
            ("created <= -5", 20.0, -4.0, false),
            ("exited > +20%", 10.0, 3.0, true),
            ("exited > +20%", 10.0, 2.0, false),
            ("exited > +20%", 0.0, 1.0, true),
            ("exited > +20%", 0.0, 0.0, false),
            ("peak < -50.5%", 10.0, -6.0, true),
            ("new-sites > 0", 0.0, 1.0, true),
            ("gone-sites >= 2", 0.0, 1.0, false),
        ] {
            let condition = Condition::parse(text).unwrap();
            assert_eq!(
                condition.holds(from, change),
                holds,
                "{text} {from} {change}"
            );
        }
    }

    #[test]
    fn wrong_conditions_say_where() {
        for (text, column, problem) in [
            (
                "",
                1,
                "one of alive, created, exited, peak, new-sites, gone-sites is expected",
            ),
            ("alife > +1", 1, "one of alive,"),
            ("alive", 6, "one of > >= < <= is expected"),
            ("alive == +1", 7, "one of > >= < <= is expected"),
            ("alive > 10", 9, "a change is expected, as +10, -5 or +20%"),
            ("alive > +", 10, "a number is expected"),
            ("alive > +x", 10, "a number is expected"),
            ("alive > +1.2.3", 10, "a number is expected"),
            ("alive > +10 %", 13, "nothing more is expected"),
            ("alive > +10%%", 13, "nothing more is expected"),
            ("new-sites > +1", 13, "a number without a sign is expected"),
            ("new-sites > 1%", 14, "nothing more is expected"),
            ("ä > +1", 1, "one of alive,"),
            ("alive > +1 ü", 12, "nothing more is expected"),
        ] {
            let (at, words) = Condition::parse(text).unwrap_err();
            assert_eq!(at, column, "{text}: {words}");
            assert!(words.starts_with(problem), "{text}: {words}");
        }
    }
}
