//! What keys and the mouse do.

use crossterm::event::{
    Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};
use ratatui::layout::{Position, Rect};

use super::filter::Filter;
use super::layout::rows;
use super::prompt::{Ask, Prompt};
use super::search::Search;
use super::state::{Effect, Overlay, Pane, State, View};
use super::{copy, details, overlay};
use crate::moment;

impl State {
    /// Takes what the terminal says.
    pub(crate) fn input(&mut self, event: &Event) {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(*key),
            Event::Mouse(mouse) => self.mouse(*mouse),
            Event::Resize(width, height) => {
                self.size = (*width, *height);
                self.settle();
            }
            _ => {}
        }
    }

    /// Takes a key.
    pub(crate) fn key(&mut self, key: KeyEvent) {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if control && matches!(key.code, KeyCode::Char('c')) {
            self.effects.push(Effect::Quit);
            return;
        }
        if self.prompt.is_some() {
            self.type_key(key.code, control);
            return;
        }
        if self.overlay.is_some() {
            self.overlay_key(key.code);
            return;
        }
        let said = self.note.take().is_some();
        let shift = key.modifiers.contains(KeyModifiers::SHIFT);
        match key.code {
            KeyCode::Char(c) if control => self.control(c),
            KeyCode::Char(c) => self.letter(c),
            KeyCode::Left if shift => self.move_by_screens(-8),
            KeyCode::Right if shift => self.move_by_screens(8),
            KeyCode::Left => self.step(-1),
            KeyCode::Right => self.step(1),
            KeyCode::Up => self.up_or_down(-1),
            KeyCode::Down => self.up_or_down(1),
            KeyCode::PageUp => self.page(-1),
            KeyCode::PageDown => self.page(1),
            KeyCode::Home => self.go_to_begin(),
            KeyCode::End => self.go_to(self.whole().to),
            KeyCode::Tab | KeyCode::BackTab => {
                self.pane = match self.pane {
                    Pane::Tasks => Pane::Log,
                    Pane::Log => Pane::Tasks,
                };
                self.settle();
            }
            KeyCode::Enter => self.enter(),
            KeyCode::Esc => self.escape(said),
            _ => {}
        }
    }

    /// What lies over the screen is scrolled, and closed by any other key.
    fn overlay_key(&mut self, code: KeyCode) {
        let page = i64::from(self.size.1 / 2);
        let by = match code {
            KeyCode::Up => -1,
            KeyCode::Down => 1,
            KeyCode::PageUp => -page,
            KeyCode::PageDown => page,
            _ => {
                self.overlay = None;
                return;
            }
        };
        let last = overlay::hidden(self);
        let top = (self.overlay_top as i64).saturating_add(by).max(0);
        self.overlay_top = (top as usize).min(last);
    }

    fn letter(&mut self, c: char) {
        match c {
            ' ' => self.play_or_pause(),
            '+' | '=' => self.speed = self.speed.faster(),
            '-' | '_' => self.speed = self.speed.slower(),
            'r' => {
                self.skip_idle = !self.skip_idle;
                self.say(match self.skip_idle {
                    true => "idle stretches are skipped",
                    false => "idle stretches take as long as they took",
                });
            }
            'z' => self.zoom(self.cursor, true),
            'Z' => self.zoom(self.cursor, false),
            ',' => self.pan(-2),
            '.' => self.pan(2),
            '[' => self.jump(false),
            ']' => self.jump(true),
            'v' => {
                self.view = match self.view {
                    View::Lanes => View::Tree,
                    View::Tree => View::Lanes,
                };
            }
            '/' => self.prompt = Some(Prompt::new(Ask::Search, "")),
            'n' => self.search_on(true),
            'N' => self.search_on(false),
            'f' => {
                let typed = self
                    .filter
                    .as_ref()
                    .map_or("", |(filter, _)| filter.typed());
                self.prompt = Some(Prompt::new(Ask::Filter, typed));
            }
            'g' => self.prompt = Some(Prompt::new(Ask::Time, "")),
            't' => self.toggle_follow(),
            'p' => self.go_to_parent(),
            'd' => self.toggle_details(),
            'i' => self.lay(Overlay::Notices),
            'y' => self.copy(),
            '?' | 'h' => self.lay(Overlay::Help),
            'q' => self.effects.push(Effect::Quit),
            _ => {}
        }
    }

    fn control(&mut self, c: char) {
        let half = i64::from(rows(self.areas().tasks).height / 2).max(1);
        match c {
            'd' => self.up_or_down(half),
            'u' => self.up_or_down(-half),
            'z' => self.effects.push(Effect::Suspend),
            _ => {}
        }
    }

    fn play_or_pause(&mut self) {
        self.playing = !self.playing;
        if self.playing && self.cursor >= self.whole().to && self.life != super::state::Life::Live {
            self.go_to_begin();
        }
        self.settle();
    }

    fn zoom(&mut self, about: u64, closer: bool) {
        let whole = self.whole();
        self.window = self.window.zoomed(about, closer, whole);
    }

    /// Moves the window; the cursor stays as long as it is in it.
    fn pan(&mut self, eighths: i64) {
        self.window = self.window.panned(eighths, self.whole());
        let inside = self.cursor.clamp(self.window.from, self.window.to);
        if inside != self.cursor {
            self.go_to(inside);
        }
    }

    /// Moves cursor and window by so many eighths of a screen.
    fn move_by_screens(&mut self, eighths: i64) {
        let before = self.window;
        self.window = self.window.panned(eighths, self.whole());
        let whole = self.whole();
        let by = i128::from(before.length()) * i128::from(eighths) / 8;
        let to = i128::from(self.cursor) + by;
        let to = to.clamp(i128::from(whole.from), i128::from(whole.to));
        self.go_to(u64::try_from(to).unwrap_or(whole.to));
    }

    fn up_or_down(&mut self, by: i64) {
        match self.pane {
            _ if self.details && self.areas().tasks.height == 0 => self.scroll_details(by),
            Pane::Tasks => self.move_selection(by),
            Pane::Log => self.step(by),
        }
    }

    fn page(&mut self, by: i64) {
        match self.pane {
            Pane::Tasks => self.move_by_screens(8 * by),
            Pane::Log => {
                let rows = rows(self.areas().log).height;
                self.step(by * i64::from(rows).max(1));
            }
        }
    }

    fn scroll_details(&mut self, by: i64) {
        let area = self.areas().details;
        let lines = details::lines(self, usize::from(area.width)).len();
        let last = lines.saturating_sub(usize::from(rows(area).height));
        let top = (self.details_top as i64).saturating_add(by).max(0);
        self.details_top = (top as usize).min(last);
    }

    fn toggle_details(&mut self) {
        if super::layout::has_details_beside(self.size.0) {
            self.say("the details are at the right");
        } else {
            self.details = !self.details;
            self.details_top = 0;
        }
        self.settle();
    }

    /// In the tasks folds, in the log selects whom the event is about.
    fn enter(&mut self) {
        if self.pane == Pane::Tasks {
            self.toggle();
            return;
        }
        let subject = self.event.and_then(|event| self.trace().subject(event));
        match subject.map(|task| task.id) {
            Some(id) => self.select_task(id),
            None => self.say("this event is about no task"),
        }
    }

    /// Takes back the last thing that narrows the view; where there is none, quits. Whoever has just
    /// been told something, that nothing is of a filter, say, means that, and not to quit.
    fn escape(&mut self, said: bool) {
        if let Some(search) = self.search.as_mut().filter(|search| search.is_going()) {
            search.stop();
        } else if self.details && self.areas().tasks.height == 0 {
            self.toggle_details();
        } else if self.follow.is_some() {
            self.toggle_follow();
        } else if self.filter.is_some() || self.filtering.is_some() {
            self.unfilter();
            self.say("the filter is gone");
        } else if !said {
            self.effects.push(Effect::Quit);
        }
    }

    fn copy(&mut self) {
        match copy::line(self) {
            Some(text) => {
                self.say(format!("copied: {text}"));
                self.effects.push(Effect::Copy(text));
            }
            None => self.say("nothing is selected"),
        }
    }

    // What is typed at the bottom.

    fn type_key(&mut self, code: KeyCode, control: bool) {
        let Some(prompt) = &mut self.prompt else {
            return;
        };
        prompt.problem = None;
        match code {
            KeyCode::Esc => self.prompt = None,
            KeyCode::Enter => {
                if let Some(prompt) = self.prompt.take() {
                    self.answer(prompt);
                }
            }
            KeyCode::Backspace if prompt.text.is_empty() => self.prompt = None,
            KeyCode::Backspace => prompt.back(),
            KeyCode::Char('u') if control => prompt.text.clear(),
            KeyCode::Char('w') if control => prompt.back_word(),
            KeyCode::Char(c) if !control => prompt.put(c),
            _ => {}
        }
    }

    /// Does what was typed. What is wrong with it can be mended: it stays.
    fn answer(&mut self, prompt: Prompt) {
        self.note = None;
        let text = prompt.text.trim();
        let result = match prompt.ask {
            Ask::Search if text.is_empty() => Ok(()),
            Ask::Search => Search::parse(text).map(|search| {
                self.search = Some(search);
                self.search_on(true);
            }),
            Ask::Filter => Filter::parse(text).map(|filter| self.ask_for(filter)),
            Ask::Time if text.is_empty() => Ok(()),
            Ask::Time => {
                let extent = (self.trace().begin(), self.trace().end());
                let time = moment::parse_at(text, &self.options.clock, extent);
                time.map(|time| self.go_to(time.0))
            }
        };
        if let Err(problem) = result {
            self.prompt = Some(Prompt {
                problem: Some(problem),
                ..prompt
            });
        }
    }

    fn ask_for(&mut self, filter: Filter) {
        if filter.is_everything() {
            self.unfilter();
            return;
        }
        self.filtering = Some(filter.clone());
        self.effects.push(Effect::Filter(filter));
    }

    // The mouse.

    fn mouse(&mut self, mouse: MouseEvent) {
        let at = Position::new(mouse.column, mouse.row);
        let areas = self.areas();
        let closer = match mouse.kind {
            MouseEventKind::ScrollUp => true,
            MouseEventKind::ScrollDown => false,
            MouseEventKind::Down(MouseButton::Left) => {
                self.click(at);
                return;
            }
            MouseEventKind::Drag(MouseButton::Left) if areas.strip.contains(at) => {
                self.click(at);
                return;
            }
            _ => return,
        };
        let by = if closer { -3 } else { 3 };
        if areas.details.contains(at) {
            self.scroll_details(by);
        } else if areas.log.contains(at) {
            self.step(by);
        } else {
            let about = self.time_at(at.x).unwrap_or(self.cursor);
            self.zoom(about, closer);
            self.pan(0);
        }
    }

    fn click(&mut self, at: Position) {
        if self.overlay.take().is_some() || self.prompt.is_some() {
            return;
        }
        self.note = None;
        let areas = self.areas();
        let row_of = |area: Rect| {
            let rows = rows(area);
            rows.contains(at).then(|| usize::from(at.y - rows.y))
        };
        if areas.strip.contains(at) {
            if let Some(time) = self.time_at(at.x) {
                self.go_to(time);
            }
        } else if let Some(row) = row_of(areas.tasks) {
            self.pane = Pane::Tasks;
            self.select_row(row);
        } else if let Some(row) = row_of(areas.log) {
            let event = self.log_event(self.log_top() + row);
            self.pane = Pane::Log;
            if let Some(event) = event {
                self.go_to_event(event);
            }
        }
    }

    /// The moment at a column of the screen.
    fn time_at(&self, x: u16) -> Option<u64> {
        let areas = self.areas();
        let column = usize::from(x.checked_sub(areas.label)?);
        let columns = areas.columns();
        (column < columns).then(|| self.window.edge(column, columns).min(self.window.to))
    }
}
