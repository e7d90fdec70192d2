//! `replay`: a trace played on a terminal, forwards and backwards.
//!
//! ```text
//!  keys, mouse ─┐                          ┌─► draw ─► cells ─► terminal
//!  time ────────┼─► State (pure) ──────────┤
//!  worker ──────┘     └─ Index: bisection  └─► effects: quit, copy, filter
//! ```
//!
//! [`state::State`] is all that is shown; keys, ticks and news change it, and nothing else does.
//! [`index::Index`] is worked out once, so that no key looks at a whole trace. Only [`term`] and
//! the loop below know that there is a terminal.

mod copy;
mod details;
mod draw;
mod filter;
mod grow;
mod help;
mod index;
mod keys;
mod layout;
mod log;
#[cfg(test)]
mod made;
mod narrow;
mod outline;
mod overlay;
mod paint;
mod play;
mod prompt;
mod rows;
mod search;
mod signals;
mod spans;
mod state;
mod steps;
mod strip;
mod tasks;
mod term;
#[cfg(test)]
mod tests;
mod window;
mod worker;

use std::io::Write;
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use crossterm::clipboard::CopyToClipboard;
use crossterm::{event, execute};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use tidline::model::Time;

use crate::cli::{self, Color};
use crate::time::Clock;
use crate::{load, moment, progress, run};
use draw::draw;
use paint::Palette;
use play::Speed;
use signals::Signals;
use state::{Effect, Start, State};
use term::Taken;
use worker::{News, Worker};

/// How long nothing is drawn while time passes on the screen.
const FRAME: Duration = Duration::from_millis(33);
/// How long a key is waited for where nothing moves.
const IDLE: Duration = Duration::from_millis(150);
/// Keys that are taken before the screen is drawn again.
const KEYS_AT_ONCE: usize = 64;

/// Plays a trace until whoever watches has seen enough.
pub(crate) fn run(args: &cli::Replay, out: &mut dyn Write) -> Result<()> {
    let speed = match &args.speed {
        None => Speed::REAL,
        Some(text) => match Speed::parse(text) {
            Ok(speed) => speed,
            Err(problem) => {
                let text = tidline::text::escape(text.as_bytes());
                bail!("--speed {text}: {problem}");
            }
        },
    };
    term::check()?;
    let (show, extent) = worker::open(&args.files)?;
    progress::end();
    let at = at(args, &show.trace)?;
    let start = Start {
        at,
        speed,
        utc: args.utc,
        size: crossterm::terminal::size().context("cannot learn the terminal's size")?,
    };
    let palette = Palette {
        color: run::wants_color(match args.no_color {
            true => Color::Never,
            false => Color::Auto,
        }),
        ascii: args.ascii,
    };
    let state = State::new(show.clone(), name(args), &start);
    let worker = Worker::start(args.files.clone(), show, extent)?;
    play(state, worker, palette, out)
}

/// The moment that is asked for.
fn at(args: &cli::Replay, trace: &tidline::model::Trace) -> Result<Option<Time>> {
    let Some(text) = &args.at else {
        return Ok(None);
    };
    let clock = Clock::new(trace.anchors(), args.utc);
    match moment::parse_at(text, &clock, (trace.begin(), trace.end())) {
        Ok(time) => Ok(Some(time)),
        Err(problem) => {
            let text = tidline::text::escape(text.as_bytes());
            bail!("--at {text}: {problem}");
        }
    }
}

/// What the trace is called on the screen.
fn name(args: &cli::Replay) -> String {
    let first = args.files.first();
    let name = first.map_or(String::new(), |path| load::shown(path));
    match args.files.len() {
        0 | 1 => name,
        more => format!("{name} and {} more", more - 1),
    }
}

/// How the loop ended.
enum Played {
    Enough,
    Signal,
    /// The worker is gone.
    Alone,
}

fn play(mut state: State, worker: Worker, palette: Palette, out: &mut dyn Write) -> Result<()> {
    term::give_back_on_panic();
    let signals = term::give_back_on_signals().context("cannot watch for signals")?;
    term::watch(signals.clone()).context("cannot watch the terminal")?;
    let taken = Taken::take(out).context("cannot take the terminal")?;
    let ended = screen(&mut state, &worker, palette, &signals, out);
    drop(taken);
    if signals.has_come() {
        signals.end();
    }
    match ended? {
        Played::Alone => bail!("reading the trace failed: {}", worker.why()),
        Played::Enough | Played::Signal => Ok(()),
    }
}

/// Draws, and takes keys, news and time, until it is over.
fn screen(
    state: &mut State,
    worker: &Worker,
    palette: Palette,
    signals: &Signals,
    out: &mut dyn Write,
) -> Result<Played> {
    let began = Instant::now();
    let mut terminal = Terminal::new(CrosstermBackend::new(out))?;
    let mut changed = true;
    loop {
        if signals.has_come() {
            return Ok(Played::Signal);
        }
        if signals.is_to_stop() {
            state.effects.push(Effect::Suspend);
        }
        let size = terminal
            .size()
            .context("cannot learn the terminal's size")?;
        if (size.width, size.height) != state.size {
            state.input(&event::Event::Resize(size.width, size.height));
            changed = true;
        }
        if changed {
            let drawn = terminal.draw(|frame| draw(state, palette, frame.buffer_mut()));
            drawn.context("cannot draw on the terminal")?;
        }
        changed = keys(state, wait(state))?;
        loop {
            match worker.news.try_recv() {
                Ok(news) => take(state, worker, news),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Ok(Played::Alone),
            }
            changed = true;
        }
        if state.has_work() {
            state.work();
            changed = true;
        }
        state.tick(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
        changed |= state.is_animated();
        for effect in std::mem::take(&mut state.effects) {
            match effect {
                Effect::Quit => return Ok(Played::Enough),
                Effect::Filter(filter) => worker.filter(filter),
                Effect::Copy(text) => {
                    let copy = CopyToClipboard::to_clipboard_from(text);
                    execute!(terminal.backend_mut(), copy)?;
                }
                Effect::Suspend => {
                    suspend(&mut terminal, signals)?;
                    changed = true;
                }
            }
        }
    }
}

fn wait(state: &State) -> Duration {
    match (state.has_work(), state.is_animated()) {
        (true, _) => Duration::ZERO,
        (_, true) => FRAME,
        _ => IDLE,
    }
}

/// Takes the keys that come within a time; whether there were any.
fn keys(state: &mut State, mut wait: Duration) -> Result<bool> {
    for taken in 0..KEYS_AT_ONCE {
        if !event::poll(wait).context("cannot read keys from the terminal")? {
            return Ok(taken > 0);
        }
        state.input(&event::read().context("cannot read keys from the terminal")?);
        if state.has_work() || !state.effects.is_empty() {
            // The next key is about what comes of this one.
            break;
        }
        wait = Duration::ZERO;
    }
    Ok(true)
}

fn take(state: &mut State, worker: &Worker, news: News) {
    match news {
        News::Filtered(filter, index) => state.filtered(filter, index),
        News::Grown(show, filtered) => {
            let former = state.show.clone();
            state.grown(show, filtered);
            worker.let_go(former);
        }
        News::Failed(problem) => state.say(format!("cannot be read again: {problem}")),
    }
}

/// Gives the terminal back until the shell says `fg`.
fn suspend<W: Write>(
    terminal: &mut Terminal<CrosstermBackend<W>>,
    signals: &Signals,
) -> Result<()> {
    term::pause(terminal.backend_mut(), signals).context("cannot take the terminal again")?;
    Ok(terminal.clear()?)
}
