//! The output, and what can happen to it: nothing that is not ours is touched, and what could not be
//! kept is on the screen, in the file and in the exit status.

#![cfg(target_os = "linux")]

mod support;
#[path = "support/trace.rs"]
mod trace;

use std::io::Write;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::Command;

use support::{Child, SmallDisk, TempDir, need, program, send, thread_states, tracer_of};
use tidline::model::{EventBody, GapReason, Trace};
use trace::{SOON, attach, may_trace, open, ready, tidrec, try_open, wait_until};

/// Runs tidrec on a command; its exit code, and what it said.
fn record(output: &Path, options: &[&str], command: &[&str]) -> (Option<i32>, String) {
    let mut tidrec = tidrec();
    tidrec
        .arg("-o")
        .arg(output)
        .args(options)
        .arg("--")
        .args(command);
    let mut child = Child::spawn(&mut tidrec);
    let status = child.wait_exit(SOON);
    child.wait_output(SOON);
    (status.code(), child.stderr())
}

fn sum_of_losses(trace: &Trace) -> u64 {
    let lost = trace.events().iter().map(|event| match event.body {
        EventBody::Lost { count, .. } => count,
        _ => 0,
    });
    lost.sum()
}

#[test]
fn a_command_that_cannot_run_leaves_the_old_file_as_it_was() {
    let dir = TempDir::new();
    let (old, link) = (dir.join("old"), dir.join("link"));
    std::fs::write(&old, "precious").expect("a file");
    symlink(&old, &link).expect("a link");
    for output in [&old, &link] {
        let (code, said) = record(output, &["--force"], &["no such command"]);
        assert_eq!(code, Some(127), "{said}");
        assert_eq!(
            std::fs::read_to_string(output).expect("the file"),
            "precious"
        );
    }
    assert!(link.is_symlink());
}

#[test]
fn two_recorders_do_not_share_a_file() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("t");
    let mut target = Child::run(program("sleeper"), ["2"]);
    let mut first = attach(&file, &[ready(&mut target)], &[]);
    let (code, said) = record(&file, &["--force"], &["true"]);
    assert_eq!(code, Some(2));
    assert!(
        said.contains("is being written by another tidrec"),
        "{said}"
    );
    first.signal("INT");
    first.expect_exit(0, SOON);
    assert!(open(&file).is_complete());
}

#[test]
fn what_somebody_does_to_the_file_meanwhile_is_told() {
    if !may_trace() {
        return;
    }
    type Deed = fn(&Path);
    let deeds: [(Deed, &str); 3] = [
        (
            |file| std::fs::remove_file(file).expect("remove"),
            "somebody removed it",
        ),
        (
            |file| std::fs::write(file, "").expect("cut"),
            "somebody cut it",
        ),
        (
            |file| std::fs::rename(file, file.with_extension("m")).expect("move"),
            "somebody moved it",
        ),
    ];
    for (deed, words) in deeds {
        let dir = TempDir::new();
        let file = dir.join("t");
        let mut target = Child::run(program("sleeper"), ["2"]);
        let mut recorder = attach(&file, &[ready(&mut target)], &[]);
        wait_until("the first chunk", SOON, || {
            try_open(&file).is_ok_and(|trace| !trace.events().is_empty())
        });
        deed(&file);
        recorder.signal("INT");
        recorder.expect_exit(3, SOON);
        assert!(recorder.stderr().contains(words), "{}", recorder.stderr());
    }
}

#[test]
fn what_a_full_disk_cost_is_counted_everywhere() {
    if !may_trace() {
        return;
    }
    let Some(disk) = need(SmallDisk::new(16 << 10)) else {
        return;
    };
    let (file, ballast) = (disk.path().join("t"), disk.path().join("ballast"));
    let mut target = Child::run(program("chains"), ["4", "3"]);
    let mut recorder = attach(&file, &[ready(&mut target)], &[]);
    // Fill the disk until a chunk does not fit, then make room again.
    let mut filler = std::fs::File::create(&ballast).expect("a ballast");
    while filler.write_all(&[0; 4096]).is_ok() {}
    recorder.wait_stderr("the recording goes on", SOON);
    // What could not be written first may have been no event. All that comes meanwhile are.
    std::thread::sleep(std::time::Duration::from_millis(500));
    drop(filler); // As long as it is open the disk stays full.
    std::fs::remove_file(&ballast).expect("room");
    target.expect_exit(0, SOON);
    recorder.expect_exit(3, SOON);

    let trace = open(&file);
    let lost = sum_of_losses(&trace);
    assert!(lost > 0, "{:?} {}", trace.integrity(), recorder.stderr());
    let said = recorder.stderr();
    assert!(said.contains(&format!("{lost} EVENTS LOST")), "{said}");
    let kept = trace
        .events()
        .iter()
        .filter(|event| !matches!(event.body, EventBody::Lost { .. }));
    assert!(
        said.contains(&format!(" {} events in ", kept.count())),
        "{said}"
    );
}

#[test]
fn an_old_file_on_a_full_disk_costs_the_command_nothing() {
    if !may_trace() {
        return;
    }
    let Some(disk) = need(SmallDisk::new(16)) else {
        return;
    };
    // It holds nothing, so emptying it makes no room for a header.
    let (file, ballast) = (disk.path().join("t"), disk.path().join("ballast"));
    std::fs::write(&file, "").expect("an old file");
    let mut filler = std::fs::File::create(&ballast).expect("a ballast");
    while filler.write_all(&[0; 512]).is_ok() {}
    let (code, said) = record(&file, &["--force"], &["sh", "-c", "exit 4"]);
    assert_eq!(code, Some(4), "{said}");
    assert!(
        said.contains("nothing is recorded") && said.contains("No space left"),
        "{said}"
    );
}

#[test]
fn a_limit_on_file_sizes_ends_no_recording() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("t");
    let line = format!(
        "ulimit -f 8; exec {} -o {} -- sh -c 'i=0; while [ $i -lt 3000 ]; do (:); i=$((i+1)); done; exit 5'",
        env!("CARGO_BIN_EXE_tidrec"),
        file.display()
    );
    let mut child = Child::run("sh", ["-c", &line]);
    child.expect_exit(5, SOON);
    let said = child.stderr();
    assert!(
        said.contains("File too large") && said.contains("EVENTS LOST"),
        "{said}"
    );
    assert!(file.metadata().expect("the file").size() <= 8 * 1024);
}

#[test]
fn a_file_that_was_cut_and_written_further_is_told_too() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("t");
    let mut target = Child::run(program("chains"), ["2", "2"]);
    let mut recorder = attach(&file, &[ready(&mut target)], &[]);
    wait_until("some chunks", SOON, || {
        file.metadata().is_ok_and(|meta| meta.size() > 2000)
    });
    let writer = std::fs::File::options()
        .write(true)
        .open(&file)
        .expect("the file");
    writer.set_len(1500).expect("cut it");
    target.expect_exit(0, SOON);
    recorder.expect_exit(3, SOON);
    assert!(
        recorder.stderr().contains("somebody cut it"),
        "{}",
        recorder.stderr()
    );
    // What is left, and what came after, is read; what is missing is damage.
    let trace = open(&file);
    assert!(!trace.integrity().damage.is_empty());
    assert!(matches!(
        trace.integrity().ending,
        tidline::model::Ending::Finished(_)
    ));
}

#[test]
fn a_queue_that_overflows_counts_every_event_once() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let (fifo, log) = (dir.join("fifo"), dir.join("kept"));
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .expect("mkfifo")
            .success()
    );
    // A reader that begins when the command has long ended.
    let line = format!(
        "exec 3<>{fifo}; echo ready $$; read go; exec cat <&3 >{log}",
        fifo = fifo.display(),
        log = log.display()
    );
    let (mut reader, mut keyboard) = Child::talk(Command::new("sh").args(["-c", &line]));
    reader.wait_line("ready ", SOON);
    let joiner = program("joiner").display().to_string();
    let mut recorder = tidrec();
    recorder.arg("-o").arg(&fifo).args(["--", &joiner, "40000"]);
    let mut recorder = Child::spawn(&mut recorder);
    recorder.wait_stderr("is slow to take the last events", 4 * SOON);
    keyboard.write_all(b"go\n").expect("type");
    recorder.expect_exit(0, SOON);
    let size = || log.metadata().map_or(0, |meta| meta.size());
    wait_until("the reader has it all", SOON, || {
        try_open(&log).is_ok_and(|trace| trace.is_complete())
    });
    reader.signal("KILL");
    assert!(size() > 0);
    let trace = open(&log);
    let kept = trace.events().iter().filter(|event| {
        !matches!(
            event.body,
            EventBody::Lost { .. } | EventBody::Rename { .. }
        )
    });
    let lost = sum_of_losses(&trace);
    // The first task's existing, exec and exit; a birth and an exit for each thread.
    assert_eq!((lost > 0, kept.count() as u64 + lost), (true, 80_003));
}

#[test]
fn a_pipe_that_nobody_reads_is_refused() {
    let dir = TempDir::new();
    let fifo = dir.join("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .expect("mkfifo")
            .success()
    );
    let (code, said) = record(&fifo, &[], &["true"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("a pipe that nobody reads"), "{said}");
}

#[test]
fn a_reader_that_stopped_reading_holds_nobody() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let fifo = dir.join("fifo");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .expect("mkfifo")
            .success()
    );
    // Opens the pipe for both, so that neither open waits, and never reads.
    let line = format!("exec 3<>{}; echo ready $$; exec sleep 60", fifo.display());
    let mut reader = Child::run("sh", ["-c", &line]);
    ready(&mut reader);
    // More than the pipe holds.
    let joiner = program("joiner").display().to_string();
    let mut recorder = tidrec();
    recorder.arg("-o").arg(&fifo).args(["--", &joiner, "20000"]);
    let mut recorder = Child::spawn(&mut recorder);
    recorder.wait_stderr("is slow to take the last events", 4 * SOON);
    recorder.signal("INT");
    // The command's own code: it ended long ago.
    recorder.expect_exit(0, SOON);
    assert!(
        recorder.stderr().contains("did not take the last events"),
        "{}",
        recorder.stderr()
    );
}

#[test]
fn a_thread_of_another_tracer_is_a_gap_and_holds_nobody() {
    if !may_trace() {
        return;
    }
    let version = Command::new("strace").arg("-V").output();
    if need(version.map_err(|error| format!("strace: {error}"))).is_none() {
        return;
    }
    let dir = TempDir::new();
    let mut target = Child::run(program("sleeper"), ["4"]);
    let pid = ready(&mut target);
    let (thread, _) = thread_states(pid)[2];
    let mut strace = Child::run("strace", ["-p", &thread.to_string()]);
    wait_until("strace traces", SOON, || {
        tracer_of(thread) == Some(strace.pid())
    });

    let file = dir.join("t");
    let mut recorder = attach(&file, &[pid], &[]);
    recorder.signal("INT");
    recorder.expect_exit(3, SOON);
    let said = recorder.stderr();
    assert!(
        said.contains(&format!("thread {thread}")) && said.contains("strace"),
        "{said}"
    );
    let trace = open(&file);
    let gaps: Vec<_> = trace
        .events()
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::Gap { reason, count, .. } => Some((*reason, *count)),
            _ => None,
        })
        .collect();
    assert_eq!(gaps, [(GapReason::AttachIncomplete, 1)]);
    let pause = trace
        .counters()
        .iter()
        .find(|(name, _)| name == "attach_pause_ns");
    assert!(
        pause.is_some_and(|(_, ns)| *ns < 10_000_000_000),
        "{pause:?}"
    );
    strace.signal("INT");
    strace.wait_exit(SOON);
}

#[test]
fn ctrl_c_at_the_terminal_ends_the_recording_of_a_command_that_ignores_it() {
    if !may_trace() {
        return;
    }
    let has_script = Command::new("script").arg("--version").output();
    if need(has_script.map_err(|error| format!("script(1): {error}"))).is_none() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("t");
    let line = format!(
        "exec {} -o {} -- sh -c 'trap \"\" INT; echo ready $$; sleep 20; sleep 20'",
        env!("CARGO_BIN_EXE_tidrec"),
        file.display()
    );
    let (mut terminal, mut keyboard) =
        Child::talk(Command::new("script").args(["-qec", &line, "/dev/null"]));
    let pid = terminal.wait_line("ready ", SOON).trim_end()["ready ".len()..]
        .parse()
        .expect("pid");
    keyboard.write_all(b"\x03").expect("type");
    wait_until("the recording ends", SOON, || {
        try_open(&file).is_ok_and(|trace| trace.is_complete())
    });
    // The command runs on, as it was, and nobody traces it.
    wait_until("it is free", SOON, || tracer_of(pid) == Some(0));
    wait_until("it sleeps", SOON, || {
        thread_states(pid).iter().all(|(_, state)| *state == 'S')
    });
    send("KILL", &[pid]);
}

#[test]
fn no_time_is_before_what_was_vouched_for() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("t");
    let joiner = program("joiner").display().to_string();
    let (code, said) = record(&file, &[], &[&joiner, "20000"]);
    assert_eq!(code, Some(0), "{said}");
    let trace = open(&file);
    // A reader raises an event that is earlier than what a chunk before it vouched for, so that
    // many would share one time. The clock has a resolution of nanoseconds: two births never do.
    let births = trace
        .events()
        .iter()
        .filter(|event| matches!(event.body, EventBody::Birth(_)));
    let times: Vec<u64> = births.map(|event| event.time.0).collect();
    let equal = times.windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert_eq!((times.len(), equal), (20_000, 0));
}

trace::also_by_perf! {
    a_command_that_cannot_run_leaves_the_old_file_as_it_was
    two_recorders_do_not_share_a_file
    what_somebody_does_to_the_file_meanwhile_is_told
    what_a_full_disk_cost_is_counted_everywhere
    an_old_file_on_a_full_disk_costs_the_command_nothing
    a_file_that_was_cut_and_written_further_is_told_too
    a_queue_that_overflows_counts_every_event_once
    a_reader_that_stopped_reading_holds_nobody
    a_pipe_that_nobody_reads_is_refused
    no_time_is_before_what_was_vouched_for
}
