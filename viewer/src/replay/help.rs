//! What the keys do, and what the signs mean.

use crate::page::{Style, Text};

const KEYS: [(&str, &str); 24] = [
    ("Space", "play, pause"),
    ("+ -", "faster, slower: 0.1x to 1000x"),
    ("r", "idle stretches skipped, or as long as they took"),
    ("← →", "one event back, on"),
    ("Shift-← →, PgUp PgDn", "a screenful back, on"),
    ("Home End", "the beginning, the end"),
    ("z Z, wheel", "zoom in, out"),
    (", .", "move the window"),
    ("[ ]", "the mark, loss or burst before, behind"),
    ("g", "go to a time: 1.5s, 16:13:21"),
    ("↑ ↓, Ctrl-U Ctrl-D", "select"),
    ("Enter", "fold, unfold; in the log select its task"),
    ("Tab", "tasks or log"),
    ("v", "lanes or tree"),
    ("d", "details, where there is no room beside"),
    ("p", "to the creator"),
    ("t", "the events of one thread alone"),
    ("/ n N", "search a name or tid, next, previous"),
    ("f", "filter: worker-* pid N tid N kind exit,clone"),
    ("i", "what is missing from the file"),
    ("y", "copy the selected line"),
    ("click", "go to a moment, select a task or an event"),
    ("Esc", "take back what narrows the view, else quit"),
    ("q, Ctrl-C", "quit"),
];

const SIGNS: [&str; 4] = [
    "+ born just now  × ended just now  ▸ ▾ folded, unfolded",
    "← there before  ├ birth  ┤ exit 0  ! other exit code  ╳ killed",
    "» let go  ↑ became leader by exec  ? end not known  → lives on",
    "≤ the most in a column; alive: at a moment of it",
];

/// The lines.
pub(crate) fn lines() -> Vec<Text> {
    let key = |(key, what): &(&str, &str)| {
        let room = 22_usize.saturating_sub(key.chars().count());
        Text::styled(*key, Style::Strong)
            .with(" ".repeat(room), Style::Plain)
            .with(*what, Style::Plain)
    };
    let signs = SIGNS.iter().map(|line| Text::styled(*line, Style::Faint));
    KEYS.iter().map(key).chain(signs).collect()
}
