//! Where everything stands on a screen of a size. What is clicked is found by the same answer.
//!
//! ```text
//!  status                     │ details
//!  notice                     │ (from 100 columns on; else a key
//!  strip: axis and charts     │  shows them in place of the panes)
//!  ── tasks ───────────────── │
//!  ── log ─────────────────── │
//!  keys, or what is typed
//! ```

use ratatui::layout::Rect;

/// The rows and columns of each part; a part that has no room is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Areas {
    pub(crate) status: Rect,
    pub(crate) notice: Rect,
    /// The axis and the charts below it.
    pub(crate) strip: Rect,
    /// A title, and rows.
    pub(crate) tasks: Rect,
    pub(crate) log: Rect,
    pub(crate) details: Rect,
    pub(crate) footer: Rect,
    /// Columns of labels before the charts and bars.
    pub(crate) label: u16,
}

/// What there is to find room for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wanted {
    /// Whether something is missing from the file.
    pub(crate) notice: bool,
    /// Whether the details are to take the panes' place where there is no room beside them.
    pub(crate) details: bool,
    /// Whether the log is used, where there is room for one pane only.
    pub(crate) log: bool,
}

/// The smallest screen that shows anything.
pub(crate) const SMALLEST: (u16, u16) = (20, 6);
/// From so many columns on details stand beside the rest.
const WIDE: u16 = 100;

/// Whether the details stand beside the panes.
pub(crate) fn has_details_beside(width: u16) -> bool {
    width >= WIDE
}

/// The parts of a screen.
pub(crate) fn areas((width, height): (u16, u16), wanted: Wanted) -> Areas {
    let beside = match has_details_beside(width) {
        true => (width * 3 / 10).clamp(34, 70),
        false => 0,
    };
    let left = width - beside;
    let notice = u16::from(wanted.notice && height >= 18);
    let strip = match height {
        20.. => 5,
        12.. => 4,
        _ => 2,
    };
    let mut areas = Areas {
        label: (left * 2 / 5).clamp(12, 34),
        ..Areas::default()
    };
    let mut top = 0;
    let mut take = |rows: u16| {
        let area = Rect::new(0, top, left, rows);
        top += rows;
        area
    };
    areas.status = take(1);
    areas.notice = take(notice);
    areas.strip = take(strip);
    let panes = height.saturating_sub(1 + notice + strip + 1);
    let log = match panes {
        7.. => (panes * 2 / 5).max(3),
        _ if wanted.log => panes,
        _ => 0,
    };
    if beside == 0 && wanted.details {
        areas.details = take(panes);
    } else {
        areas.tasks = take(panes - log);
        areas.log = take(log);
    }
    if beside > 0 {
        areas.details = Rect::new(left + 1, 0, beside - 1, height.saturating_sub(1));
    }
    areas.footer = Rect::new(0, height.saturating_sub(1), width, 1);
    areas
}

impl Areas {
    /// Columns of the charts and bars.
    pub(crate) fn columns(&self) -> usize {
        usize::from(self.strip.width.saturating_sub(self.label))
    }
}

/// The rows below a part's title.
pub(crate) fn rows(area: Rect) -> Rect {
    let title = area.height.min(1);
    Rect::new(area.x, area.y + title, area.width, area.height - title)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_fill_the_screen_and_never_overlap() {
        for width in [20, 59, 60, 99, 100, 250, 1_000] {
            for height in [6, 7, 11, 12, 15, 18, 24, 60, 300] {
                for wanted in 0..8 {
                    let wanted = Wanted {
                        notice: wanted & 1 > 0,
                        details: wanted & 2 > 0,
                        log: wanted & 4 > 0,
                    };
                    let areas = areas((width, height), wanted);
                    let parts = [
                        areas.status,
                        areas.notice,
                        areas.strip,
                        areas.tasks,
                        areas.log,
                        areas.details,
                        areas.footer,
                    ];
                    let screen = Rect::new(0, 0, width, height);
                    let mut cells = 0;
                    for (index, part) in parts.iter().enumerate() {
                        assert_eq!(part.intersection(screen), *part, "{width}x{height}");
                        cells += part.area();
                        for other in &parts[index + 1..] {
                            assert_eq!(part.intersection(*other).area(), 0, "{width}x{height}");
                        }
                    }
                    // All but the line beside the details.
                    let line = match width {
                        WIDE.. => u32::from(height) - 1,
                        _ => 0,
                    };
                    assert_eq!(cells + line, screen.area(), "{width}x{height} {wanted:?}");
                    assert!(areas.columns() >= 8, "{width}");
                }
            }
        }
    }
}
