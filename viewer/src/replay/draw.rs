//! The whole screen of a state.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tidline::model::Time;

use super::layout::{Areas, SMALLEST};
use super::paint::{self, Palette};
use super::state::{Life, State};
use super::{details, log, overlay, strip, tasks};
use crate::page::{Style, Text};
use crate::time;
use crate::words::count;

/// Draws everything.
pub(crate) fn draw(state: &State, palette: Palette, buffer: &mut Buffer) {
    let screen = buffer.area;
    if (screen.width, screen.height) != state.size {
        // It was resized just now, and is drawn again when that is known.
        return;
    }
    if screen.width < SMALLEST.0 || screen.height < SMALLEST.1 {
        too_small(palette, buffer);
        return;
    }
    let areas = state.areas();
    let width = usize::from(areas.status.width);
    paint::line(buffer, palette, areas.status, 0, &status(state, width));
    if areas.notice.height > 0 {
        paint::line(buffer, palette, areas.notice, 0, &notice(state));
    }
    strip::draw(state, palette, &areas, buffer);
    tasks::draw(state, palette, &areas, buffer);
    log::draw(state, palette, &areas, buffer);
    details::draw(state, palette, &areas, buffer);
    footer(state, palette, &areas, buffer);
    overlay::draw(state, palette, buffer);
    palette.finish(buffer);
}

/// Says what is missing, on as many lines as there are.
fn too_small(palette: Palette, buffer: &mut Buffer) {
    let screen = buffer.area;
    let (columns, rows) = SMALLEST;
    let words = format!("too small a screen: {columns} columns, {rows} lines at least; q quits");
    let lines = Text::plain(words).wrapped(usize::from(screen.width).max(1));
    for (row, line) in (0..screen.height).zip(&lines) {
        paint::line(buffer, palette, screen, row, line);
    }
}

/// Whether it plays, how fast, when it is, and how much lives; as far as there is room.
fn status(state: &State, width: usize) -> Text {
    let (sign, style) = match state.playing {
        true => ("▶", Style::Good),
        false => ("‖", Style::Note),
    };
    let now = Time(state.cursor);
    let mut text = Text::styled(format!("{sign} {:<5}", state.speed.words()), style)
        .with(format!(" {}", time::elapsed(now)), Style::Strong);
    let clock = &state.options.clock;
    let at_end = state.cursor >= state.whole().to;
    let life = match state.life {
        Life::Live if at_end => (" live".to_string(), Style::Good),
        Life::Live => (" recording goes on".into(), Style::Good),
        Life::CutShort => (" cut short".into(), Style::Bad),
        Life::Finished => (String::new(), Style::Plain),
    };
    let lost = match state.show.notices.is_empty() {
        true => String::new(),
        false => " !".into(),
    };
    let idle = match state.skip_idle {
        true => "  idle skipped",
        false => "  real gaps",
    };
    let alive = state.index().steps.at(state.cursor);
    let wall = format!("  {} {}", clock.time_of_day(now), clock.zone_name_at(now));
    let parts = [
        (lost, Style::Bad),
        life,
        (format!("  {} alive", count(alive)), Style::Plain),
        (wall, Style::Faint),
        (idle.into(), Style::Faint),
        (format!("  {}", state.name), Style::Faint),
    ];
    for (part, style) in parts {
        let longer = text.clone().with(part, style);
        if longer.width() > width {
            break;
        }
        text = longer;
    }
    text
}

/// What is missing from the file, in one line.
fn notice(state: &State) -> Text {
    let notices = &state.show.notices;
    let more = match notices.len() {
        0 | 1 => String::new(),
        several => format!("(1 of {several}, i shows all) "),
    };
    let first = notices.first().map_or("", String::as_str);
    Text::styled(format!("! {more}{first}"), Style::Bad)
}

fn footer(state: &State, palette: Palette, areas: &Areas, buffer: &mut Buffer) {
    let area = areas.footer;
    if let Some(prompt) = &state.prompt {
        if let Some(problem) = &prompt.problem {
            let line = Text::styled(problem.as_str(), Style::Note);
            paint::line(buffer, palette, area, 0, &line);
            return;
        }
        let text = tidline::text::escape(prompt.text.as_bytes()).into_owned();
        let label = Text::styled(prompt.label(), Style::Faint);
        let room = usize::from(area.width).saturating_sub(label.width() + 1);
        // The end of it is what is being typed.
        let text: Text = Text::plain(text);
        let over = text.width().saturating_sub(room);
        let text: String = text.bare().chars().skip(over).collect();
        let line = label.with(text, Style::Strong);
        let used = paint::line(buffer, palette, area, 0, &line);
        paint::select(
            buffer,
            Rect::new(area.x + used, area.y, 1, 1).intersection(area),
            0,
        );
        return;
    }
    let keys = match area.width {
        112.. => {
            "Space play  ←→ step  z zoom  [ ] marks  / search  f filter  v lanes/tree  Enter fold  \
             Tab pane  ? help  q quit"
        }
        _ => "Space play  ←→ step  z zoom  d details  ? help  q quit",
    };
    let text = match (&state.note, &state.filtering) {
        (_, Some(filter)) => {
            Text::styled(format!("filtering by {} …", filter.words()), Style::Note)
        }
        (Some(note), _) => Text::styled(note.as_str(), Style::Note),
        (None, None) => Text::styled(keys, Style::Faint),
    };
    paint::line(buffer, palette, area, 0, &text);
}
