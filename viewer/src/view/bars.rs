//! Lives against time: bars for one task, blocks for many, and the axis above them.

use tidline::model::{End, Ended, Time};

use crate::page::{Style, Text};
use crate::time;

/// The least columns between two labels of the axis.
const TICK_GAP: u64 = 12;
pub(crate) const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What a bar is drawn from.
pub(crate) struct Life {
    pub(crate) born: Time,
    pub(crate) ended: Option<Time>,
    /// Whether it began before it was seen.
    pub(crate) open: bool,
    pub(crate) how: Ended,
}

/// Maps times to columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    pub(crate) begin: u64,
    pub(crate) end: u64,
    pub(crate) columns: usize,
}

impl Scale {
    fn column(self, time: u64) -> usize {
        let last = self.columns.saturating_sub(1);
        let (since, length) = (time.saturating_sub(self.begin), self.length());
        if length == 0 {
            return 0;
        }
        let column = u128::from(since) * last as u128 / u128::from(length);
        (column as usize).min(last)
    }

    fn length(self) -> u64 {
        self.end.saturating_sub(self.begin)
    }

    pub(crate) fn bar(self, life: &Life) -> Text {
        let first = self.column(life.born.0);
        let last = self.column(life.ended.map_or(self.end, |time| time.0));
        let (sign, style) = end_sign(life.how);
        let before = " ".repeat(first);
        if last <= first {
            let sign = if sign == '┤' { '•' } else { sign };
            return Text::plain(before).with(sign, style);
        }
        let begin = if life.open { "←" } else { "├" };
        let body = before + begin + &"─".repeat(last - first - 1);
        Text::plain(body).with(sign, style)
    }

    /// How many lived in each column, the most of any moment in it, as blocks.
    pub(crate) fn density(self, lives: &[(u64, u64)]) -> String {
        let mut most = vec![0; self.columns];
        let (mut column, mut alive) = (0, 0);
        let mut raise = |from: usize, to: usize, value: u64| {
            for slot in most.iter_mut().take(to + 1).skip(from) {
                *slot = value.max(*slot);
            }
        };
        for (time, now) in steps(lives) {
            if time > self.end {
                break;
            }
            let next = self.column(time);
            raise(column, next, alive);
            raise(next, next, now);
            (column, alive) = (next, now);
        }
        raise(column, self.columns, alive);
        let top = most.iter().copied().max().unwrap_or(0).max(1);
        let block = |alive: &u64| match alive {
            0 => ' ',
            alive => BLOCKS[((alive * 8).div_ceil(top) as usize).clamp(1, 8) - 1],
        };
        most.iter().map(block).collect()
    }

    /// Labels at round times: `│0s         │1s`.
    pub(crate) fn axis(self) -> String {
        let step = self.step();
        let mut axis = String::new();
        let mut used = 0;
        let first = self.begin.div_ceil(step);
        for number in first..=first.saturating_add(self.columns as u64) {
            let time = step.saturating_mul(number);
            if time > self.end || (number > first && self.length() == 0) {
                break;
            }
            let label = format!("│{}", time::exact(time));
            let column = self.column(time);
            if column < used || column + label.chars().count() > self.columns {
                continue;
            }
            axis += &" ".repeat(column - used);
            used = column + label.chars().count();
            axis += &label;
        }
        axis
    }

    /// The least round time whose ticks are far enough apart.
    fn step(self) -> u64 {
        const SECOND: u64 = 1_000_000_000;
        let least = u128::from(self.length()) * u128::from(TICK_GAP) / self.columns as u128;
        let decimals = (0..10).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u64.pow(power)));
        let clock = [
            10, 20, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200,
        ]
        .map(|seconds| seconds * SECOND);
        let days = (0..6).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_u64.pow(power)));
        let days = days.map(|days: u64| days.saturating_mul(86_400 * SECOND));
        decimals
            .chain(clock)
            .filter(|step| *step <= 43_200 * SECOND)
            .chain(days)
            .find(|step| u128::from(*step) >= least)
            .unwrap_or(u64::MAX)
    }
}

fn end_sign(how: Ended) -> (char, Style) {
    match how {
        Ended::Alive => ('→', Style::Good),
        Ended::Exit(End::Code(0)) => ('┤', Style::Plain),
        Ended::Exit(End::Code(_)) => ('!', Style::Bad),
        Ended::Exit(End::Signal { .. }) => ('╳', Style::Bad),
        Ended::Exit(End::Unknown) | Ended::Missing => ('?', Style::Note),
        Ended::BecameLeader => ('↑', Style::Plain),
        Ended::Detached(_) => ('»', Style::Note),
    }
}

/// How many live from each moment on at which that changes.
pub(crate) fn steps(lives: &[(u64, u64)]) -> Vec<(u64, u64)> {
    // At equal times births come first: a life without length counts too.
    let births = lives.iter().map(|(born, _)| (*born, false));
    let ends = lives.iter().map(|(_, ended)| (*ended, true));
    let mut changes: Vec<(u64, bool)> = births.chain(ends).collect();
    changes.sort_unstable();
    let mut alive: u64 = 0;
    let step = |(time, end)| {
        alive = if end {
            alive.saturating_sub(1)
        } else {
            alive + 1
        };
        (time, alive)
    };
    changes.into_iter().map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCALE: Scale = Scale {
        begin: 0,
        end: 1_000,
        columns: 21,
    };

    fn bar(born: u64, ended: Option<u64>, open: bool, how: Ended) -> String {
        let life = Life {
            born: Time(born),
            ended: ended.map(Time),
            open,
            how,
        };
        SCALE.bar(&life).bare()
    }

    #[test]
    fn bars_show_birth_life_and_end() {
        let code = |code| Ended::Exit(End::Code(code));
        let killed = Ended::Exit(End::Signal {
            number: 9,
            core: false,
        });
        assert_eq!(bar(0, None, true, Ended::Alive), "←───────────────────→");
        assert_eq!(bar(100, Some(500), false, code(0)), "  ├───────┤");
        assert_eq!(bar(100, Some(500), false, code(1)), "  ├───────!");
        assert_eq!(
            bar(100, Some(1_000), false, killed),
            "  ├─────────────────╳"
        );
        assert_eq!(bar(0, Some(50), false, Ended::BecameLeader), "├↑");
        assert_eq!(bar(0, Some(100), false, Ended::Missing), "├─?");
        assert_eq!(bar(500, Some(501), false, code(0)), "          •");
        assert_eq!(bar(500, Some(501), false, killed), "          ╳");
        assert_eq!(
            bar(1_000, None, false, Ended::Alive),
            "                    →"
        );
    }

    #[test]
    fn density_is_the_most_alive_in_each_column() {
        let lives = [
            (0, 500),
            (250, 500),
            (250, 750),
            (250, u64::MAX),
            (900, 900),
        ];
        assert_eq!(SCALE.density(&lives), "▂▂▂▂▂██████▄▄▄▄▄▂▂▄▂▂");
        assert_eq!(SCALE.density(&[]), " ".repeat(21));
    }

    #[test]
    fn the_axis_has_round_times() {
        let at = |begin, end, columns| {
            Scale {
                begin,
                end,
                columns,
            }
            .axis()
        };
        let axis = |end, columns| at(0, end, columns);
        assert_eq!(axis(1_000, 31), "│0s            │500ns");
        assert_eq!(
            axis(12_345_678_901, 60),
            "│0s                    │5s                     │10s"
        );
        assert_eq!(
            axis(3_600_000_000_000, 60),
            "│0s           │15m           │30m           │45m"
        );
        assert_eq!(axis(0, 20), "│0s");
        assert_eq!(axis(u64::MAX, 30), "│0s          │100000d");
        let s = crate::time::SECOND;
        assert_eq!(at(3_599 * s, 3_609 * s, 40), "   │1h                 │1h5s");
        assert_eq!(at(s, s, 20), "│1s");
        assert_eq!(at(5, u64::MAX, 30), "             │100000d");
        assert_eq!(at(5, u64::MAX, 8), "");
        assert_eq!(at(u64::MAX, u64::MAX, 20), "");
    }
}
