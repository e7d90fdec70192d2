//! The line that says how far the reading is: on a terminal, after a second, and gone before the output.

use tidline::synth::{self, Plan};

use crate::support::{File, Folder, tidview};
use crate::terminal::{Terminal, terminal};

/// All that a command writes to a terminal, and how long it took, ms. What it prints goes to `out`.
fn written(terminal: &Terminal, folder: &Folder, args: &str, out: &str) -> (String, u64) {
    let (tty, done) = (folder.path("tty"), folder.path("done"));
    for old in [&tty, &done] {
        let _ = std::fs::remove_file(old);
    }
    let script = format!(
        "#!/bin/sh\nbegin=$(date +%s%N)\nscript -qec '{} {args} {out}' {tty} > /dev/null\n\
         end=$(date +%s%N)\necho $(((end - begin) / 1000000)) > {done}.part; mv {done}.part {done}\n",
        env!("CARGO_BIN_EXE_tidview")
    );
    let script = folder.put("run.sh", script.as_bytes());
    terminal.run(&format!("sh {script}"));
    let took = terminal.waits_for_file(&done);
    let bytes = std::fs::read(&tty).expect("what was written");
    let text = String::from_utf8(bytes).expect("UTF-8");
    // What `script` says itself is around it.
    let inner = text.lines().filter(|line| !line.starts_with("Script "));
    (
        inner.collect::<Vec<_>>().join("\n"),
        took.trim().parse().expect("a time"),
    )
}

/// What stays on the screen of what was written to it.
fn stays(written: &str) -> String {
    let lines = written.lines().map(|line| {
        let kept = line.rsplit("\r\x1b[K").next().unwrap_or_default();
        kept.trim_end_matches('\r')
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn what_takes_longer_than_a_second_says_how_far_it_is_and_takes_it_back() {
    let Some(terminal) = terminal("progress", 100, 30) else {
        return;
    };
    let folder = Folder::new();
    // Large enough for this machine.
    for events in [200_000, 1_000_000, 5_000_000] {
        let plan = Plan {
            events,
            width: 64,
            seed: 3,
        };
        let events = synth::events(plan);
        let end = events.last().map_or(0, |event| event.time.0);
        let file = File::trace(&synth::header(), &events, end);
        drop(events);
        let args = format!("check {} --color never --no-pager", file.path());
        let (tty, took) = written(&terminal, &folder, &args, "");
        let drawn = tty.contains(" % [") || tty.contains("read, working it out");
        assert!(drawn || took < 3_000, "{took} ms: {tty:?}");
        let expected = tidview(&["check", &file.path()]).out;
        assert_eq!(stays(&tty), expected.trim_end(), "{tty:?}");
        if !drawn {
            continue;
        }
        // Into a file, and through a pipe: those get no byte of it, and nothing of it stays.
        for out in [
            format!("> {}", folder.path("out")),
            format!("| cat > {}", folder.path("out")),
        ] {
            let (tty, _) = written(&terminal, &folder, &args, &out);
            assert_eq!(stays(&tty), "", "{out}: {tty:?}");
            let out = std::fs::read_to_string(folder.path("out")).expect("the output");
            assert_eq!(out, expected);
        }
        return;
    }
}
