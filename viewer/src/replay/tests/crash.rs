//! A crash while the terminal is taken. This program of tests runs itself in a terminal, as a part of
//! it that takes the terminal and crashes as it is told.

use std::{env, hint, io, process, thread};

use tempfile::TempDir;

use crate::replay::term::{Taken, give_back_on_panic, give_back_on_signals};
use terminal::{FREE, TAKEN, terminal};

#[path = "../../../../tests/view/terminal.rs"]
#[allow(dead_code, reason = "it is for more than these tests")]
mod terminal;

/// How it is to crash.
const HOW: &str = "TIDVIEW_TEST_CRASH";
/// When: as soon as this file is there.
const WHEN: &str = "TIDVIEW_TEST_CRASH_WHEN";

#[test]
#[ignore = "run in a terminal, by the test below"]
fn crashes_as_it_is_told() {
    let Some(how) = env::var_os(HOW) else {
        return;
    };
    give_back_on_panic();
    give_back_on_signals().expect("signals can be handled");
    let taken = Taken::take(&mut io::stdout()).expect("the terminal is there");
    let when = env::var_os(WHEN).expect("when to crash");
    while !std::path::Path::new(&when).exists() {
        thread::sleep(std::time::Duration::from_millis(10));
    }
    match how.to_str() {
        Some("panic") => panic!("as it was told"),
        Some("abort") => process::abort(),
        Some("overflow") => assert_eq!(deep(hint::black_box(0)), 1),
        _ => {}
    }
    drop(taken);
}

#[expect(unconditional_recursion, reason = "that is what it is for")]
fn deep(depth: u64) -> u64 {
    hint::black_box(1 + deep(hint::black_box(depth + 1)))
}

#[test]
fn a_crash_gives_the_terminal_back() {
    let Some(terminal) = terminal("crash", 120, 30) else {
        return;
    };
    let folder = TempDir::new().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let before = terminal.settings(&path("before"));
    let program = env::current_exe().expect("this program");
    let test = "replay::tests::crash::crashes_as_it_is_told";
    for (how, words, status) in [
        ("panic", "as it was told", "101"),
        // Rust aborts. What it says is gone with the other screen; and its stack for that is so small that
        // giving the terminal back may overflow it, too, at the end.
        ("overflow", "", "13"),
        ("abort", "", "134"),
    ] {
        let when = path(&format!("when-{how}"));
        // In this program's first thread, and without a core left behind.
        let arguments = "--ignored --exact --nocapture --test-threads 1";
        let script = format!(
            "clear; ulimit -c 0; export {HOW}={how} {WHEN}={when}\n\
             {} {arguments} {test}\necho ended: $?\n",
            program.display()
        );
        std::fs::write(path("script"), script).expect("room");
        terminal.run(&format!("sh {}", path("script")));
        terminal.wait_for(|_| terminal.modes() == TAKEN);
        std::fs::write(when, "").expect("room");
        let screen = terminal.shows(&format!("ended: {status}"));
        assert!(screen.contains(words), "{screen}");
        assert_eq!(terminal.modes(), FREE, "{how}");
        let after = terminal.settings(&path(&format!("after-{how}")));
        assert_eq!(after, before, "{how}");
    }
}
