//! The terminal: taken, and given back however it ends: at the end, on an error, a panic or a
//! signal.

use std::io::{self, IsTerminal, Write};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Result, bail};
use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use crossterm::execute;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use super::signals::Signals;

/// Whether the terminal is taken just now.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// A terminal that is taken, until this is dropped.
#[derive(Debug)]
pub(crate) struct Taken(());

/// Refuses what is no terminal that a screen can be drawn on.
pub(crate) fn check() -> Result<()> {
    let instead = "`tidview timeline` and `tidview tree` print the same to anywhere";
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        bail!("replay draws on a terminal, and takes keys from it: {instead}");
    }
    if std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
        bail!("replay draws on a terminal, and TERM is dumb: {instead}");
    }
    Ok(())
}

impl Taken {
    /// Takes the terminal: raw, its other screen, with the mouse.
    pub(crate) fn take(out: &mut dyn Write) -> io::Result<Taken> {
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let taken = Taken(());
        enter(out)?;
        Ok(taken)
    }
}

fn enter(mut out: &mut dyn Write) -> io::Result<()> {
    execute!(&mut out, EnterAlternateScreen, EnableMouseCapture, Hide)
}

/// Gives the terminal back, stops the program as Ctrl-Z does, and takes it again.
pub(crate) fn pause(out: &mut dyn Write, signals: &Signals) -> io::Result<()> {
    give_back();
    signals.suspend();
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    enter(out)
}

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives the terminal back, if it is taken. What goes wrong is left: there is nobody to tell.
fn give_back() {
    if gives_back() {
        let _ = leave(&mut io::stdout());
        let _ = disable_raw_mode();
    }
}

/// Whether the terminal is taken, and whoever asks gives it back.
pub(crate) fn gives_back() -> bool {
    TAKEN.swap(false, Ordering::SeqCst)
}

fn leave(out: &mut impl Write) -> io::Result<()> {
    execute!(out, DisableMouseCapture, LeaveAlternateScreen, Show)
}

/// From here on signals give the terminal back before they end the program.
pub(crate) fn give_back_on_signals() -> io::Result<Signals> {
    let mut bytes = Vec::new();
    leave(&mut bytes)?;
    Signals::note(bytes)
}

/// From here on a panic of this thread gives the terminal back before it says what it is about.
/// That of another thread says nothing: this one tells what became of it, when it can be read.
pub(crate) fn give_back_on_panic() {
    let screen = thread::current().id();
    let say = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if thread::current().id() == screen {
            give_back();
            say(panic);
        }
    }));
}

/// How often it is looked whether there is still a terminal.
const LOOK: Duration = Duration::from_millis(250);
/// Looks after which what should have ended is ended.
const PATIENCE: u32 = 4;

/// Ends the program where it cannot end itself: while it waits for keys of a terminal that is gone,
/// or for a terminal that takes nothing any more.
pub(crate) fn watch(signals: Signals) -> io::Result<()> {
    let watch = move || {
        let mut stuck = 0;
        loop {
            thread::sleep(LOOK);
            let is_over = signals.has_come() || !io::stdin().is_terminal();
            stuck = match is_over && TAKEN.load(Ordering::SeqCst) {
                true => stuck + 1,
                false => 0,
            };
            if stuck == PATIENCE {
                // Nothing is written here: that is what may be stuck.
                let _ = disable_raw_mode();
                signals.end();
            }
        }
    };
    let thread = thread::Builder::new().name("watch".into());
    thread.spawn(watch).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_changed_is_changed_back() {
        let mut out = Vec::new();
        leave(&mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains("\x1b[?1000l"), "mouse: {out:?}");
        assert!(out.contains("\x1b[?1049l"), "screen: {out:?}");
        assert!(out.ends_with("\x1b[?25h"), "cursor: {out:?}");
    }
}
