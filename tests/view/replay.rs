//! `tidview replay` on a real terminal: tmux has one, sends keys, and says what is on it.

use std::io::Write;
use std::process::Command;
use std::time::{Duration, Instant};

use tidline::model::{EventBody, Task};

use crate::made::{at, everything, existing, exit, header, rename, thread};
use crate::support::{File, Folder, chunks, prints, tidview};
use crate::terminal::{FREE, PATIENCE, TAKEN, Terminal, terminal};

fn tidview_on(file: &File, more: &str) -> String {
    let program = env!("CARGO_BIN_EXE_tidview");
    format!("{program} replay {} {more}", file.path())
}

fn trace() -> File {
    File::trace(&header(), &everything(), 100_000_000)
}

#[test]
fn without_a_terminal_it_says_what_to_do_instead() {
    let file = trace();
    let run = tidview(&["replay", &file.path()]);
    let error = "tidview: replay draws on a terminal, and takes keys from it: `tidview timeline` and \
                 `tidview tree` print the same to anywhere\n";
    assert_eq!(
        (run.out.as_str(), run.err.as_str(), run.code),
        ("", error, Some(2))
    );
    let run = tidview(&["replay", &file.path(), "--speed", "fast"]);
    let error = "tidview: --speed fast: it is no speed: give a number from 0.1 to 1000, such as 0.5 \
                 or 10x\n";
    assert_eq!((run.err.as_str(), run.code), (error, Some(2)));
}

#[test]
fn help_reads_like_this() {
    assert_eq!(
        prints(&["replay", "--help"]),
        r"The trace played on the terminal, forwards and backwards

Usage: tidview replay [OPTIONS] <FILE>...

Arguments:
  <FILE>...  The trace: a file, a folder of files, or several files of one recording

Options:
      --at <TIME>  Begin at this time
      --speed <X>  Play so many times as fast as it was, 0.1 to 1000 [default: 1]
      --utc        Show wall times in UTC, not in the recording host's zone
      --no-color   Draw without colours, as with NO_COLOR set
      --ascii      Draw with ASCII only; other characters of names are shown as ?
  -h, --help       Print help

Examples:
  tidview replay server.tid                      Space plays, arrows step, ? shows all keys
  tidview replay server.tid --at 1.5s --speed 10
  tidview replay server.tid --ascii --no-color   for terminals that can do little

TIME is as `tidview threads --help` says. A file that is still being written is followed.

Keys: Space play/pause, + - speed, arrows step, z Z zoom, [ ] marks and bursts, / search,
f filter, t one thread, p creator, g go to a time, v lanes or tree, Enter fold, ? all keys, q quit.
"
    );
}

#[test]
fn times_outside_of_the_trace_are_told_and_the_terminal_is_not_taken() {
    let Some(terminal) = terminal("outside", 200, 24) else {
        return;
    };
    let file = trace();
    terminal.run(&tidview_on(&file, "--at 3s; echo ended: $?"));
    let screen = terminal.shows("ended: 2");
    let error = "tidview: --at 3s: it is outside the trace, which runs from 0s to 100ms, that is";
    assert!(screen.contains(error), "{screen}");
    assert_eq!(terminal.modes(), FREE);
}

#[test]
fn keys_and_clicks_arrive_and_the_terminal_is_as_it_was() {
    let Some(terminal) = terminal("keys", 80, 24) else {
        return;
    };
    let (file, folder) = (trace(), Folder::new());
    terminal.run("echo what was there before");
    let before = terminal.settings(&folder.path("before"));
    terminal.run(&tidview_on(&file, "--at 45ms --speed 10"));
    terminal.shows("10x   +0.045000s");
    assert_eq!(terminal.modes(), TAKEN);
    terminal.press(&["Right"]);
    terminal.shows("+0.046000s");
    terminal.press(&["Left", "Left"]);
    terminal.shows("+0.041000s");
    terminal.press(&["v"]);
    terminal.shows("─ tree: ");
    terminal.press(&["/"]);
    terminal.tmux(&["send-keys", "-l", "worker-2"]);
    terminal.press(&["Enter"]);
    terminal.shows("worker-2[122]");
    terminal.press(&["d"]);
    terminal.shows("killed by SIGSEGV (core) at +0.050000s");
    terminal.press(&["d"]);
    // A click, as terminals report it: button 0 at column 33, row 3.
    terminal.tmux(&["send-keys", "-l", "\x1b[<0;33;3M"]);
    terminal.shows("+0.000000s  ");
    terminal.press(&["y"]);
    terminal.shows("copied: ");
    let copied = terminal.tmux(&["show-buffer"]);
    assert_eq!(
        copied,
        "worker-2[122] thread of pid 100, born +0.030000s, lived 20.0 ms, killed by SIGSEGV (core) \
         at +0.050000s"
    );
    terminal.press(&["?"]);
    terminal.shows("0.1x to 1000x");
    terminal.press(&["x", "q"]);
    let screen = terminal.shows("what was there before");
    assert!(!screen.contains("tree:"), "{screen}");
    assert_eq!(terminal.modes(), FREE);
    assert_eq!(terminal.settings(&folder.path("after")), before);
}

#[test]
fn every_signal_that_ends_it_gives_the_terminal_back() {
    let Some(terminal) = terminal("signals", 100, 30) else {
        return;
    };
    let (file, folder) = (trace(), Folder::new());
    let before = terminal.settings(&folder.path("before"));
    for signal in ending_signals() {
        let pid = folder.path(&format!("pid-{signal}"));
        let program = tidview_on(&file, "");
        // No core is left behind.
        let script = format!(
            "clear; (ulimit -c 0; exec sh -c 'echo $$ > {pid}; exec {program}'); echo ended: $?"
        );
        let script = folder.put("script", script.as_bytes());
        terminal.run(&format!("sh {script}"));
        terminal.shows("lanes: ");
        terminal.press(&["Space"]);
        assert_eq!(terminal.modes(), TAKEN);
        let pid = std::fs::read_to_string(&pid).expect("its pid");
        // Once is enough.
        let killed = Command::new("kill")
            .args(["-s", &signal.to_string(), pid.trim()])
            .status();
        assert!(killed.expect("kill").success());
        let screen = terminal.shows(&format!("ended: {}", 128 + signal));
        assert!(!screen.contains("lanes:"), "{screen}");
        assert_eq!(terminal.modes(), FREE, "{signal}");
        let after = folder.path(&format!("after-{signal}"));
        assert_eq!(terminal.settings(&after), before, "{signal}");
    }
}

/// All that end a program which does not care for them, but for KILL, for PIPE, which programs in Rust
/// ignore, and for SEGV, of which they ignore the first.
fn ending_signals() -> Vec<u32> {
    if cfg!(not(target_os = "linux")) {
        return vec![1, 2, 3, 6, 15];
    }
    let ends = |signal: &u32| !matches!(signal, 9 | 11 | 13 | 17..=23 | 28);
    (1..32).filter(ends).chain([34, 64]).collect()
}

#[test]
fn it_ends_when_its_terminal_is_gone() {
    let Some(terminal) = terminal("gone", 80, 24) else {
        return;
    };
    let (file, folder) = (trace(), Folder::new());
    let path = folder.path("pid");
    let program = tidview_on(&file, "");
    terminal.run(&format!("sh -c 'echo $$ > {path}; exec {program}'"));
    terminal.shows("lanes: ");
    let pid = std::fs::read_to_string(&path).expect("its pid");
    drop(terminal);
    let lives = || {
        let kill = Command::new("kill").args(["-s", "0", pid.trim()]).output();
        kill.expect("kill").status.success()
    };
    let since = Instant::now();
    while lives() {
        assert!(since.elapsed() < PATIENCE, "it still runs: {pid}");
        std::thread::sleep(Duration::from_millis(30));
    }
}

#[test]
fn it_stops_at_ctrl_z_and_goes_on() {
    let Some(terminal) = terminal("suspend", 80, 24) else {
        return;
    };
    let (file, folder) = (trace(), Folder::new());
    let before = terminal.settings(&folder.path("before"));
    let (pid, program) = (folder.path("pid"), tidview_on(&file, "--at 45ms"));
    terminal.run(&format!("sh -c 'echo $$ > {pid}; exec {program}'"));
    terminal.shows("lanes: ");
    terminal.press(&["C-z"]);
    terminal.wait_for(|screen| !screen.contains("lanes: "));
    assert_eq!(terminal.modes(), FREE);
    assert_eq!(terminal.settings(&folder.path("stopped")), before);
    terminal.run("fg");
    terminal.shows("lanes: ");
    assert_eq!(terminal.modes(), TAKEN);
    terminal.press(&["Right"]);
    terminal.shows("+0.046000s");
    // The same by a signal from elsewhere.
    let pid = std::fs::read_to_string(&pid).expect("its pid");
    let stopped = Command::new("kill")
        .args(["-s", "TSTP", pid.trim()])
        .status();
    assert!(stopped.expect("kill").success());
    terminal.wait_for(|screen| !screen.contains("lanes: "));
    assert_eq!(terminal.modes(), FREE);
    terminal.run("fg");
    terminal.shows("lanes: ");
    terminal.press(&["C-c"]);
    terminal.wait_for(|screen| !screen.contains("lanes: "));
    assert_eq!(terminal.settings(&folder.path("after")), before);
}

#[test]
fn a_terminal_that_changes_its_size_is_drawn_anew() {
    let Some(terminal) = terminal("resize", 120, 40) else {
        return;
    };
    let file = trace();
    terminal.run(&tidview_on(&file, "--at 45ms"));
    terminal.shows("│── details ─");
    terminal.tmux(&["resize-window", "-x", "60", "-y", "15"]);
    let screen = terminal.wait_for(|screen| {
        screen.contains("lanes: ") && !screen.contains("details ─") && screen.contains("q quit")
    });
    assert_eq!(screen.lines().count(), 15, "{screen}");
    terminal.tmux(&["resize-window", "-x", "10", "-y", "4"]);
    terminal.shows("too small");
    terminal.tmux(&["resize-window", "-x", "200", "-y", "50"]);
    terminal.shows("│── details ─");
}

#[test]
fn neither_colours_nor_more_than_ascii_where_they_are_not_wanted() {
    let Some(terminal) = terminal("ascii", 100, 30) else {
        return;
    };
    let file = trace();
    let colours = |terminal: &Terminal| {
        let screen = terminal.tmux(&["capture-pane", "-p", "-e"]);
        // All but the terminal's own, which is 39.
        ["\x1b[31", "\x1b[32", "\x1b[33", "\x1b[38;", "\x1b[9"]
            .iter()
            .any(|colour| screen.contains(colour))
    };
    for (before, more, coloured, ascii) in [
        ("", "", true, false),
        ("NO_COLOR=1 ", "", false, false),
        ("", "--no-color --ascii", false, true),
    ] {
        terminal.run(&format!(
            "{before}{}",
            tidview_on(&file, &format!("--at 50ms {more}"))
        ));
        terminal.shows("lanes: ");
        let screen = terminal.shows("q quit");
        assert_eq!(colours(&terminal), coloured, "{before}{more}");
        assert_eq!(screen.is_ascii(), ascii, "{screen}");
        terminal.press(&["q"]);
        terminal.wait_for(|screen| !screen.contains("lanes: "));
    }
}

#[test]
fn a_file_that_is_still_being_written_is_followed() {
    let Some(terminal) = terminal("live", 100, 30) else {
        return;
    };
    let (bytes, ends) = chunks(&header(), &everything());
    let file = File::new("t.tid", &bytes[..ends[10]]);
    terminal.run(&tidview_on(&file, ""));
    terminal.shows("cut short");
    terminal.press(&["End"]);
    terminal.shows("log: event 10 of 10");
    let mut open = std::fs::OpenOptions::new();
    let mut open = open.append(true).open(file.path()).expect("the trace");
    open.write_all(&bytes[ends[10]..ends[20]]).expect("room");
    let screen = terminal.shows("log: event 20 of 20");
    let status = screen.lines().next().unwrap_or("");
    assert!(status.contains(" live "), "{screen}");
    terminal.press(&["Left"]);
    terminal.shows("log: event 19 of 20");
    open.write_all(&bytes[ends[20]..]).expect("room");
    let screen = terminal.shows("log: event 19 of 25");
    assert!(screen.contains("recording goes on"), "{screen}");
}

#[test]
fn hostile_names_do_nothing_to_a_terminal() {
    let Some(terminal) = terminal("hostile", 100, 30) else {
        return;
    };
    let main = Task::new(100, 100);
    let names: [&[u8]; 3] = [
        b"\x1b]0;owned\x07\x1b[?1049l",
        "スレッド".as_bytes(),
        b"\x1bc\x0e",
    ];
    let mut events = vec![existing(0, main, b"main")];
    for (name, number) in names.into_iter().zip(1..) {
        let task = Task::new(100, 100 + number);
        events.push(thread(1, main, task));
        events.push(rename(1, task, name));
        events.push(exit(50, task, 0));
    }
    events.sort_by_key(|event| event.time);
    let text = b"\x1b[2J\x1b]0;owned\x07".into();
    events.push(at(60, EventBody::Mark { text }));
    let file = File::trace(&header(), &events, 100_000_000);
    terminal.tmux(&["select-pane", "-T", "mine"]);
    terminal.run(&tidview_on(&file, "--at 10ms"));
    let screen = terminal.shows(r"\x1bc\x0e[103]");
    assert!(screen.contains("スレッド[102]"), "{screen}");
    terminal.press(&["End", "y"]);
    terminal.shows("copied: ");
    assert_eq!(terminal.modes(), TAKEN);
    let title = terminal.tmux(&["display-message", "-p", "#{pane_title}"]);
    assert_eq!(title.trim(), "mine");
    // The bars stand in one column, whatever the names are.
    terminal.press(&["Home", "Right", "Right", "Right", "Right"]);
    let screen = terminal.shows("‖ 1x    +0.001000s");
    let lanes = screen.lines().filter(|line| line.contains('├'));
    let columns: Vec<usize> = lanes
        .filter_map(|line| line.find('├').map(|at| width(&line[..at])))
        .collect();
    assert!(
        columns.len() >= 2 && columns.windows(2).all(|pair| pair[0] == pair[1]),
        "{screen}"
    );
}

/// Columns of a text in which only kana are wide.
fn width(text: &str) -> usize {
    text.chars()
        .map(|c| 1 + usize::from(('ァ'..='ヶ').contains(&c) || c == 'ー'))
        .sum()
}
