//! A real terminal: tmux has one, sends keys, and says what is on it.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// The longest that a screen is waited for, on a machine that does much else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A terminal with a shell in it. It ends with the test.
pub(crate) struct Terminal {
    socket: String,
}

/// Says loudly that tmux is missing; in CI that is a failure.
pub(crate) fn terminal(test: &str, columns: u32, rows: u32) -> Option<Terminal> {
    if Command::new("tmux").arg("-V").output().is_err() {
        let missing = format!("{test} cannot run: there is no tmux");
        assert!(
            std::env::var_os("CI").is_none(),
            "{missing}, and in CI it must"
        );
        eprintln!("SKIPPED: {missing}");
        return None;
    }
    let terminal = Terminal {
        socket: format!("tidview-{test}-{}", std::process::id()),
    };
    let size = [columns.to_string(), rows.to_string()];
    let shell = "env -u NO_COLOR -u TMUX PS1='ready> ' LC_ALL=C.UTF-8 sh -i";
    terminal.tmux(&["new-session", "-d", "-x", &size[0], "-y", &size[1], shell]);
    terminal.tmux(&["set-option", "-s", "set-clipboard", "on"]);
    terminal.wait_for(|screen| screen.contains("ready>"));
    Some(terminal)
}

impl Terminal {
    pub(crate) fn tmux(&self, args: &[&str]) -> String {
        let output = self.try_tmux(args);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "tmux {args:?}: {error}");
        String::from_utf8(output.stdout).expect("tmux prints UTF-8")
    }

    fn try_tmux(&self, args: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        command.env("LC_ALL", "C.UTF-8").env_remove("TMUX");
        command.args(["-u", "-L", &self.socket, "-f", "/dev/null"]);
        command.args(args).output().expect("tmux starts")
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// What is on the screen as soon as it is what is waited for.
    #[track_caller]
    pub(crate) fn wait_for(&self, is_it: impl Fn(&str) -> bool) -> String {
        let since = Instant::now();
        loop {
            let screen = self.screen();
            if is_it(&screen) {
                return screen;
            }
            assert!(since.elapsed() < PATIENCE, "it never came:\n{screen}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    #[track_caller]
    pub(crate) fn shows(&self, text: &str) -> String {
        self.wait_for(|screen| screen.contains(text))
    }

    pub(crate) fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Has the shell run a line.
    pub(crate) fn run(&self, line: &str) {
        self.tmux(&["send-keys", "-l", line]);
        self.press(&["Enter"]);
    }

    /// What the terminal's driver is set to.
    pub(crate) fn settings(&self, path: &str) -> String {
        self.run(&format!("stty -a > {path}.part; mv {path}.part {path}"));
        self.waits_for_file(path)
    }

    /// What is in a file as soon as it is there.
    #[track_caller]
    pub(crate) fn waits_for_file(&self, path: &str) -> String {
        let since = Instant::now();
        loop {
            if let Ok(text) = std::fs::read_to_string(path) {
                return text;
            }
            assert!(
                since.elapsed() < PATIENCE,
                "the shell is gone:\n{}",
                self.screen()
            );
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Whether it shows its other screen, reports the mouse, and hides the cursor.
    pub(crate) fn modes(&self) -> String {
        let format = "#{alternate_on} #{mouse_any_flag} #{cursor_flag}";
        self.tmux(&["display-message", "-p", format]).trim().into()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.try_tmux(&["kill-server"]);
    }
}

/// The modes of a terminal that is taken, and of one that is not.
pub(crate) const TAKEN: &str = "1 1 0";
pub(crate) const FREE: &str = "0 0 1";
