//! A pager between the output and the terminal, as git has one: what is longer than the screen can be
//! looked through, and what is not is just there.

use std::env;
use std::io::{self, IsTerminal};
use std::process::{Child, ChildStdin, Command, Stdio};

/// What a shell takes for more than words.
const FOR_A_SHELL: &str = "|&;<>()$`\\\"'*?[#~=%";
/// How a shell ends that does not find a program, or may not run it (POSIX, 2.8.2).
const NOT_RUN: [i32; 2] = [126, 127];

/// A running pager.
pub(crate) struct Pager(Child);

/// What became of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paged {
    Shown,
    /// There is no such pager, and nothing was shown.
    NotRun,
}

/// Starts the pager that is wanted, if stdout is a terminal that can do with one, and it is there.
pub(crate) fn start() -> Option<Pager> {
    let dumb = env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
    if dumb || !io::stdout().is_terminal() {
        return None;
    }
    let named = |name: &str| env::var(name).ok();
    let wanted = wanted(named("TIDVIEW_PAGER"), named("PAGER"))?;
    let mut command = command(&wanted);
    // -F: what fits the screen is just shown. -R: colours. -X: it stays when less ends.
    for (name, value) in [("LESS", "FRX"), ("LV", "-c")] {
        if env::var_os(name).is_none() {
            command.env(name, value);
        }
    }
    // Ctrl-C at a pager is the pager's.
    #[cfg(unix)]
    let _ = signal_hook::flag::register(
        signal_hook::consts::SIGINT,
        std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false)),
    );
    command.stdin(Stdio::piped()).spawn().ok().map(Pager)
}

/// The pager by what the environment says; `None` where none is wanted.
fn wanted(ours: Option<String>, everyones: Option<String>) -> Option<String> {
    let wanted = ours.or(everyones).unwrap_or_else(|| "less".into());
    let wanted = wanted.trim();
    (!wanted.is_empty() && wanted != "cat").then(|| wanted.to_string())
}

/// The pager's command: words, or for a shell.
fn command(wanted: &str) -> Command {
    if wanted.contains(|c| FOR_A_SHELL.contains(c)) {
        let mut shell = Command::new("sh");
        shell.args(["-c", wanted]);
        return shell;
    }
    let mut words = wanted.split_whitespace();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    command
}

impl Pager {
    /// Where the output goes.
    pub(crate) fn takes(&mut self) -> Option<ChildStdin> {
        self.0.stdin.take()
    }

    /// Waits until the reader has seen enough. The output must have been dropped.
    pub(crate) fn wait(mut self) -> Paged {
        let status = self.0.wait().ok().and_then(|status| status.code());
        match status {
            Some(code) if NOT_RUN.contains(&code) => Paged::NotRun,
            _ => Paged::Shown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_comes_first_and_nothing_is_none() {
        let of = |ours: Option<&str>, everyones: Option<&str>| {
            wanted(ours.map(String::from), everyones.map(String::from))
        };
        assert_eq!(of(None, None).as_deref(), Some("less"));
        assert_eq!(of(None, Some("most -s")).as_deref(), Some("most -s"));
        assert_eq!(
            of(Some("less -S"), Some("most")).as_deref(),
            Some("less -S")
        );
        for none in ["", " ", "cat"] {
            assert_eq!(of(Some(none), Some("most")), None);
            assert_eq!(of(None, Some(none)), None);
        }
    }

    #[test]
    fn words_need_no_shell() {
        let program = |wanted: &str| {
            let command = command(wanted);
            let args = command
                .get_args()
                .map(|it| it.to_string_lossy().into_owned());
            (
                command.get_program().to_string_lossy().into_owned(),
                args.collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            program("less -F  -R"),
            ("less".into(), vec!["-F".into(), "-R".into()])
        );
        assert_eq!(
            program("LESS=F less"),
            ("sh".into(), vec!["-c".into(), "LESS=F less".into()])
        );
    }
}
