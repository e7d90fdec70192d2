//! Keys in, what is shown out: the state and the screen, without a terminal.

#[cfg(unix)]
mod crash;
mod keys;
mod large;
mod live;
mod screens;

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tidline::model::Trace;

use super::draw::draw;
use super::index::{Index, Show};
use super::paint::Palette;
use super::play::Speed;
use super::state::{Effect, Start, State};

const PLAIN: Palette = Palette {
    color: false,
    ascii: false,
};

/// A trace on a screen of a size, before any key.
fn opened(trace: Trace, size: (u16, u16)) -> State {
    let start = Start {
        at: None,
        speed: Speed::REAL,
        utc: false,
        size,
    };
    State::new(Arc::new(Show::new(trace)), "t.tid".into(), &start)
}

/// A key by its name: a character, or `Left`, `S-Left`, `C-u`.
fn key(name: &str) -> KeyEvent {
    let (modifiers, name) = match name.split_once('-') {
        Some(("S", name)) => (KeyModifiers::SHIFT, name),
        Some(("C", name)) if !name.is_empty() => (KeyModifiers::CONTROL, name),
        _ => (KeyModifiers::NONE, name),
    };
    let code = match name {
        "Left" => KeyCode::Left,
        "Right" => KeyCode::Right,
        "Up" => KeyCode::Up,
        "Down" => KeyCode::Down,
        "PgUp" => KeyCode::PageUp,
        "PgDn" => KeyCode::PageDown,
        "Home" => KeyCode::Home,
        "End" => KeyCode::End,
        "Tab" => KeyCode::Tab,
        "Enter" => KeyCode::Enter,
        "Esc" => KeyCode::Esc,
        "Back" => KeyCode::Backspace,
        "Space" => KeyCode::Char(' '),
        name => KeyCode::Char(name.chars().next().expect("a key's name")),
    };
    KeyEvent::new(code, modifiers)
}

/// Presses keys, one after the other, and does what they ask for.
fn press(state: &mut State, keys: &[&str]) {
    for name in keys {
        state.key(key(name));
        done(state);
    }
}

/// Types text and Enter.
fn type_in(state: &mut State, text: &str) {
    for c in text.chars() {
        state.key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
    }
    press(state, &["Enter"]);
}

/// Does what the worker would do, and all the work there is.
fn done(state: &mut State) {
    while state.has_work() {
        state.work();
    }
    let effects = std::mem::take(&mut state.effects);
    for effect in effects {
        match effect {
            Effect::Filter(filter) => {
                let index = Index::new(state.trace(), &filter);
                state.filtered(filter, Arc::new(index));
            }
            other => state.effects.push(other),
        }
    }
}

/// The screen as text, without spaces at the ends of lines.
fn screen(state: &State, palette: Palette) -> String {
    let (width, height) = state.size;
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    draw(state, palette, &mut buffer);
    text(&buffer)
}

fn text(buffer: &Buffer) -> String {
    use unicode_width::UnicodeWidthStr;
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut covered = 0;
        for x in 0..buffer.area.width {
            // Behind a wide character there is a cell that it covers.
            if covered > 0 {
                covered -= 1;
                continue;
            }
            let symbol = buffer[(x, y)].symbol();
            covered = symbol.width().saturating_sub(1);
            line.push_str(symbol);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// The rows of tasks, each with what is before its bar.
fn rows(state: &State) -> Vec<String> {
    let areas = state.areas();
    let (top, label) = (usize::from(areas.tasks.y) + 1, usize::from(areas.label));
    let count = state.task_rows().len();
    let screen = screen(state, PLAIN);
    let lines = screen.lines().skip(top).take(count);
    lines
        .map(|line| {
            line.chars()
                .take(label)
                .collect::<String>()
                .trim_end()
                .into()
        })
        .collect()
}
