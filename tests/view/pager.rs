//! The pager on a real terminal: what it gets, what is shown without one, and that nothing else has one.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::made::{everything, header};
use crate::support::{File, tidview};
use crate::terminal::{Terminal, terminal};

fn trace() -> File {
    File::trace(&header(), &everything(), 95_000_000)
}

/// Runs tidview under this pager, and returns what is on the screen behind it.
fn shown(terminal: &Terminal, pager: &str, args: &str) -> String {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let program = env!("CARGO_BIN_EXE_tidview");
    terminal.run(&format!(
        "clear; env {pager} {program} {args}; echo \"end {run} code $?\""
    ));
    let end = format!("end {run} code ");
    terminal.wait_for(|screen| screen.lines().any(|line| line.starts_with(&end)))
}

#[test]
fn what_is_for_people_goes_through_the_pager_that_is_named() {
    let Some(terminal) = terminal("pager", 120, 60) else {
        return;
    };
    let file = trace();
    let path = file.path();
    let marked = "TIDVIEW_PAGER='sed s/^/paged:/' PAGER=false";
    for view in [
        "threads",
        "timeline",
        "timeline --lanes",
        "tree",
        "info",
        "stats",
        "check",
    ] {
        let screen = shown(&terminal, marked, &format!("{view} {path}"));
        assert!(screen.contains("paged:"), "{view}: {screen}");
    }
    let screen = shown(&terminal, marked, &format!("threads {path}"));
    assert!(screen.contains("code 0"), "{screen}");
    // PAGER, where ours is not named; and its own code is not ours.
    let screen = shown(
        &terminal,
        "-u TIDVIEW_PAGER PAGER='sed s/^/other:/;exit 3'",
        &format!("threads {path}"),
    );
    assert!(
        screen.contains("other:") && screen.contains("code 0"),
        "{screen}"
    );
    // A pager that has colours passed on shows them.
    let screen = shown(&terminal, "TIDVIEW_PAGER='cat -v'", &format!("tree {path}"));
    assert!(screen.contains("^[["), "{screen}");
    for args in [
        format!("threads {path} --no-pager"),
        format!("threads {path} --format json"),
        format!("timeline {path} --format csv"),
        format!("export {path} --to dot"),
        "--help".into(),
    ] {
        let screen = shown(&terminal, marked, &args);
        assert!(
            !screen.contains("paged:") && screen.contains("code 0"),
            "{args}: {screen}"
        );
    }
    // Nobody asked for one.
    for none in [
        "TIDVIEW_PAGER= PAGER=false",
        "TIDVIEW_PAGER=cat",
        "TERM=dumb TIDVIEW_PAGER=false",
    ] {
        let screen = shown(&terminal, none, &format!("threads {path}"));
        assert!(
            screen.contains("server[") || screen.contains("TID"),
            "{none}: {screen}"
        );
    }
}

#[test]
fn a_pager_that_is_not_there_or_ends_early_is_no_failure() {
    let Some(terminal) = terminal("no-pager", 120, 60) else {
        return;
    };
    let file = trace();
    let whole = tidview(&["threads", &file.path()]).out;
    let last = whole.lines().last().unwrap().trim_end();
    for missing in ["/nowhere/less -R", "/nowhere/less | /nowhere/more"] {
        let pager = format!("TIDVIEW_PAGER='{missing}'");
        let screen = shown(&terminal, &pager, &format!("threads {}", file.path()));
        assert!(
            screen.contains(last) && screen.contains("code 0"),
            "{missing}: {screen}"
        );
    }
    let events = (0..20_000).map(|ms| crate::made::exit(ms, tidline::model::Task::new(7, 8), 0));
    let long = File::trace(&header(), &events.collect::<Vec<_>>(), 30_000_000_000);
    // More than a pipe holds, and a reader that has seen enough.
    let wide = format!("timeline {}", long.path());
    let screen = shown(&terminal, "TIDVIEW_PAGER=true", &wide);
    assert!(
        !screen.contains("tidview:") && screen.contains("code 0"),
        "{screen}"
    );
    // What `check` finds is its code, whatever shows it.
    let cut = crate::support::chunks(&header(), &everything()).0;
    let folder = crate::support::Folder::new();
    let cut = folder.put("cut.tid", &cut);
    let screen = shown(
        &terminal,
        "TIDVIEW_PAGER='head -n 1'",
        &format!("check {cut}"),
    );
    assert!(
        screen.contains("not complete") && screen.contains("code 1"),
        "{screen}"
    );
}
