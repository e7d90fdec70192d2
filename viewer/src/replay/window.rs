//! The stretch of time that is on the screen, and its columns: zoom, pan, and which column a
//! moment is in.

use crate::view::bars::Scale;

/// A stretch of time, its ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) from: u64,
    pub(crate) to: u64,
}

/// The shortest stretch to zoom into: ten nanoseconds.
const SHORTEST: u64 = 10;

impl Window {
    pub(crate) fn length(self) -> u64 {
        self.to.saturating_sub(self.from)
    }

    /// The same stretch for the views that draw bars and axes.
    pub(crate) fn scale(self, columns: usize) -> Scale {
        Scale {
            begin: self.from,
            end: self.to,
            columns,
        }
    }

    /// The column of a moment, as [`Scale`] has it: the last column is the end's alone.
    pub(crate) fn column(self, time: u64, columns: usize) -> usize {
        let last = columns.saturating_sub(1);
        if self.length() == 0 {
            return 0;
        }
        let since = u128::from(time.saturating_sub(self.from));
        let column = since * last as u128 / u128::from(self.length());
        usize::try_from(column).unwrap_or(last).min(last)
    }

    /// The first moment of a column; of one behind the last, the first moment behind all.
    pub(crate) fn edge(self, column: usize, columns: usize) -> u64 {
        let last = columns.saturating_sub(1);
        if column > last || (self.length() == 0 && column > 0) {
            return self.to.saturating_add(1);
        }
        if last == 0 {
            return self.from;
        }
        let since = (u128::from(self.length()) * column as u128).div_ceil(last as u128);
        self.from
            .saturating_add(u64::try_from(since).unwrap_or(u64::MAX))
    }

    /// Half as long, or twice, about a moment that stays in its column; inside of `whole`.
    pub(crate) fn zoomed(self, about: u64, closer: bool, whole: Window) -> Window {
        let length = if closer {
            (self.length() / 2).max(SHORTEST)
        } else {
            self.length().saturating_mul(2)
        };
        let length = length.min(whole.length());
        let part = u128::from(about.saturating_sub(self.from)) * u128::from(length);
        let before = part / u128::from(self.length().max(1));
        let before = u64::try_from(before).unwrap_or(u64::MAX).min(length);
        Window::placed(about.saturating_sub(before), length, whole)
    }

    /// As long as it is, moved by its length times `eighths` / 8; inside of `whole`.
    pub(crate) fn panned(self, eighths: i64, whole: Window) -> Window {
        let by = i128::from(self.length()) * i128::from(eighths) / 8;
        let from = (i128::from(self.from) + by).max(0);
        let from = u64::try_from(from).unwrap_or(u64::MAX);
        Window::placed(from, self.length(), whole)
    }

    /// Moved no farther than needed, so that a moment is in it.
    pub(crate) fn showing(self, time: u64, whole: Window) -> Window {
        if (self.from..=self.to).contains(&time) {
            return self;
        }
        // A little of what comes next is shown, too.
        let length = self.length();
        let from = if time < self.from {
            time.saturating_sub(length / 4)
        } else {
            time.saturating_sub(length - length / 4)
        };
        Window::placed(from, length, whole)
    }

    fn placed(from: u64, length: u64, whole: Window) -> Window {
        let length = length.min(whole.length());
        let from = from.clamp(whole.from, whole.to - length);
        Window {
            from,
            to: from + length,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Window = Window { from: 0, to: 1_000 };

    fn window(from: u64, to: u64) -> Window {
        Window { from, to }
    }

    #[test]
    fn edges_and_columns_agree() {
        for window in [WHOLE, window(0, 0), window(7, 20), window(5, u64::MAX)] {
            for columns in [1, 2, 33, 200] {
                for column in 0..columns {
                    let (first, behind) = (
                        window.edge(column, columns),
                        window.edge(column + 1, columns),
                    );
                    if first < behind {
                        assert_eq!(window.column(first, columns), column, "{window:?}");
                        assert_eq!(window.column(behind - 1, columns), column, "{window:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn zoom_keeps_the_moment_where_it_is() {
        let closer = WHOLE.zoomed(200, true, WHOLE);
        assert_eq!(closer, window(100, 600));
        assert_eq!(closer.zoomed(200, false, WHOLE), WHOLE);
        assert_eq!(
            window(990, 1_000).zoomed(995, true, WHOLE),
            window(990, 1_000)
        );
        assert_eq!(
            window(800, 1_000).zoomed(1_000, false, WHOLE),
            window(600, 1_000)
        );
        assert_eq!(WHOLE.zoomed(0, false, WHOLE), WHOLE);
        let endless = window(0, u64::MAX);
        assert_eq!(endless.zoomed(u64::MAX, true, endless).to, u64::MAX);
    }

    #[test]
    fn pan_and_show_stay_inside() {
        let part = window(100, 300);
        assert_eq!(part.panned(8, WHOLE), window(300, 500));
        assert_eq!(part.panned(-2, WHOLE), window(50, 250));
        assert_eq!(part.panned(-80, WHOLE), window(0, 200));
        assert_eq!(part.panned(80, WHOLE), window(800, 1_000));
        assert_eq!(part.showing(300, WHOLE), part);
        assert_eq!(part.showing(301, WHOLE), window(151, 351));
        assert_eq!(part.showing(99, WHOLE), window(49, 249));
    }
}
