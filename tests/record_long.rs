//! Recordings that go on for long: several files, limits, the flight recorder, and talking to it.

#![cfg(target_os = "linux")]

mod support;
#[path = "support/trace.rs"]
mod trace;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use support::{Child, Made, SmallDisk, TempDir, made, need, program, scale};
use tidline::format::{Segment, Skim, looks_like_trace, read_segments, read_trace};
use tidline::model::{Event, EventBody, TaskRecord, Time, Trace};
use trace::{
    SOON, assert_unbroken, attach, birth_events, births, check, check_prefix, differences,
    existing, may_trace, moments, open, ready, tidrec, tidrec_alone, wait_until,
};

/// The files in a folder, by name.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("read a folder");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
}

fn read(files: &[PathBuf]) -> Trace {
    let segments = files
        .iter()
        .map(|path| Segment::open(File::open(path).expect("a file")).expect("a trace"));
    read_segments(segments.collect()).expect("one recording")
}

fn bytes(files: &[PathBuf]) -> u64 {
    let lengths = files
        .iter()
        .filter_map(|path| Some(path.metadata().ok()?.len()));
    lengths.sum()
}

/// The same, of a folder in which files come and go.
fn bytes_there(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(folder).expect("read a folder").flatten();
    let files = entries.filter_map(|entry| entry.metadata().ok());
    let files = files.filter(std::fs::Metadata::is_file);
    // While a snapshot gets its name it has two.
    let files = files.map(|file| ((file.dev(), file.ino()), file.len()));
    let files: std::collections::HashMap<(u64, u64), u64> = files.collect();
    files.values().sum()
}

/// The snapshots beside a recording.
fn snapshots(folder: &Path) -> Vec<PathBuf> {
    let mut files = files(folder);
    files.retain(|path| path.to_string_lossy().contains("-snapshot-"));
    files
}

fn marks(trace: &Trace) -> Vec<String> {
    let text = |body: &EventBody| match body {
        EventBody::Mark { text } => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        _ => None,
    };
    trace
        .events()
        .iter()
        .filter_map(|event| text(&event.body))
        .collect()
}

/// Records chains, which end by themselves, with a log of what was made.
fn record_chains(folder: &Path, options: &[&str], links: &str) -> (Trace, Vec<PathBuf>, String) {
    let (output, log) = (folder.join("rec.tid"), folder.join("log"));
    let mut command = tidrec();
    command
        .arg("-o")
        .arg(&output)
        .args(options)
        .env("LOG", &log);
    command
        .arg("--")
        .arg(program("chains"))
        .args(["8", "60", links]);
    let mut recorder = Child::spawn(&mut command);
    recorder.expect_exit(0, 2 * SOON);
    let files = files(&output);
    let (said, trace) = (recorder.stderr(), read(&files));
    assert_eq!(events_said(&said), trace.events().len() as u64, "{said}");
    assert_eq!(
        said.contains(" that were given up with their files"),
        trace.begin() > Time(0)
    );
    (trace, files, std::fs::read_to_string(log).expect("the log"))
}

#[test]
fn nothing_is_lost_between_files() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let (trace, files, log) = record_chains(dir.path(), &["--segment-size", "64K"], "4000");
    assert!(files.len() > 3, "{files:?}");
    assert!(trace.is_complete(), "{:?}", trace.integrity());
    let numbers: Vec<u32> = (0..files.len() as u32).collect();
    assert_eq!(trace.integrity().segments, numbers);
    assert_eq!(check(&trace), []);
    assert_eq!(births(&trace), made(&log));
}

/// From here on each task has its beginning in the files, or in the checkpoint before them.
fn assert_end_of_log(trace: &Trace, log: &str) {
    let logged: Vec<Made> = log.lines().filter_map(parse).collect();
    let births: Vec<Made> = birth_events(trace)
        .map(|birth| {
            let parent = birth.parent.expect("a creator").tid.0;
            Made::new("thread", parent, birth.child.tid.0)
        })
        .collect();
    // What is there is the end of what was made: sorted, since lines of threads that run at the
    // same time come in any order; a few around the cut are in one and not in the other.
    let (mut tail, mut kept) = (logged[logged.len() - births.len()..].to_vec(), births);
    tail.sort();
    kept.sort();
    let (missing, added) = differences(&tail, &kept);
    assert!(
        missing.len() <= 16 && added.len() <= 16,
        "{missing:?} {added:?}"
    );
}

fn parse(line: &str) -> Option<Made> {
    made(line).pop()
}

#[test]
fn the_oldest_files_go_and_each_that_is_left_opens_alone() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let options = [
        "--segment-size",
        "64K",
        "--max-disk",
        "256K",
        "--compress",
        "none",
    ];
    let (trace, files, log) = record_chains(dir.path(), &options, "3000");
    assert!(bytes(&files) <= 256 << 10, "{files:?}");
    let first = trace.integrity().segments[0];
    assert!(first > 0, "nothing went: {files:?}");
    assert!(trace.is_complete(), "{:?}", trace.integrity());
    assert!(trace.begin() > Time(0));
    assert_end_of_log(&trace, &log);
    for file in &files {
        let one = read(std::slice::from_ref(file));
        // All but the last say that the recording goes on.
        assert_eq!(one.integrity().damage, [], "{file:?}");
        assert_eq!(one.is_complete(), Some(file) == files.last(), "{file:?}");
        // What it tells of is explained by it; of those that had ended, the creators of the
        // living are there, and not the creators' creators.
        let lived = one
            .tasks()
            .iter()
            .filter(|task| task.ended.is_none_or(|end| end > one.begin()));
        for task in lived {
            assert_ne!(
                task.origin,
                tidline::model::Origin::Inferred,
                "{file:?}: {task:?}"
            );
            assert!(!task.name().is_empty());
            assert!(
                task.task.is_leader() || task.parent.is_some(),
                "{file:?}: {task:?}"
            );
        }
    }
}

#[test]
fn a_small_ring_is_kept_as_full_as_a_large_one() {
    if !may_trace() {
        return;
    }
    for (limit, bytes_of_it, links) in [("128K", 128 << 10, "2000"), ("512K", 512 << 10, "5000")] {
        let dir = TempDir::new();
        let options = ["--ring", limit, "--compress", "none"];
        let (trace, files, log) = record_chains(dir.path(), &options, links);
        assert!(trace.begin() > Time(0), "{limit}: nothing went");
        let there = bytes(&files);
        assert!(there <= bytes_of_it, "{limit}: {there}");
        assert!(there >= bytes_of_it / 3, "{limit}: {there}");
        assert_end_of_log(&trace, &log);
    }
}

#[test]
fn a_flight_recorder_keeps_the_last_seconds_and_a_trigger_has_them_written_out() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let (output, seen) = (dir.join("rec.tid"), dir.join("seen"));
    let mut command = tidrec();
    command.arg("-o").arg(&output);
    command.args(["--ring", "2s", "--before", "500ms", "--after", "200ms"]);
    command.args(["--trigger", "exit-signal", "--trigger", "live-threads>1000"]);
    let then = format!("cp -t {}", seen.display());
    std::fs::create_dir(&seen).expect("a folder");
    command.args(["--on-trigger", &then]);
    // Three seconds of processes; then one is killed.
    let script = "end=$(($(date +%s) + 3)); while [ $(date +%s) -lt $end ]; do (:); done; \
                  sleep 60 & echo killed $!; kill -9 $!; wait; sleep 1";
    command.args(["--", "sh", "-c", script]);
    let mut recorder = Child::spawn(&mut command);
    let killed = recorder.wait_line("killed ", SOON);
    let killed: u32 = killed["killed ".len()..].parse().expect("a pid");
    recorder.expect_exit(0, SOON);

    let kept = read(&files(&output));
    assert!(kept.is_complete(), "{:?}", kept.integrity());
    assert!(kept.begin() > Time(0), "nothing was given up");
    // When the last file began, the first one still had something of the last two seconds.
    let [first, .., last] = &files(&output)[..] else {
        panic!("one file");
    };
    let [first, last] = [first, last].map(|file| read(std::slice::from_ref(file)));
    let apart = last.begin().0.saturating_sub(first.end().0);
    assert!(apart <= 2_000_000_000, "{apart} ns");
    let snapshots = snapshots(dir.path());
    assert_eq!(snapshots.len(), 1, "{snapshots:?}\n{}", recorder.stderr());
    let snapshot = open(&snapshots[0]);
    assert!(snapshot.is_complete(), "{:?}", snapshot.integrity());
    assert_eq!(
        marks(&snapshot),
        [format!("snapshot: exit-signal: SIGKILL ended {killed}")]
    );
    let first = snapshot.events().first().expect("an event").time;
    let last = snapshot.events().last().expect("an event").time;
    assert!(last.0 - first.0 <= 700_000_000);
    // The same events as in the recording, and nothing between them is missing.
    let all = kept.events();
    let at = all
        .iter()
        .position(|event| event == &snapshot.events()[0])
        .expect("the first");
    assert_eq!(snapshot.events(), &all[at..at + snapshot.events().len()]);
    // Who lived when it begins is known by name, with the creator.
    let shell = snapshot
        .tasks()
        .iter()
        .find(|task| task.name().as_bytes() == b"sh");
    assert!(shell.is_some(), "{:?}", snapshot.tasks());
    // The command got the path.
    assert_eq!(files(&seen).len(), 1);
}

/// Two thousand threads live, and others come and go for three seconds; the most bytes of the disk that the
/// recording had at any moment, and what tidrec said.
fn crowded(folder: &Path, options: &[&str]) -> (u64, String, Trace) {
    use std::os::unix::fs::MetadataExt;
    let output = folder.join("rec");
    let mut sleepers = Child::run(program("sleeper"), ["2000"]);
    let mut chains = Child::run(program("chains"), ["8", "600"]);
    let pids = [ready(&mut sleepers), ready(&mut chains)];
    let mut recorder = attach(&output, &pids, options);
    let mut most = 0;
    let until = std::time::Instant::now() + std::time::Duration::from_secs(3);
    while std::time::Instant::now() < until {
        let there = std::fs::read_dir(&output).expect("read a folder").flatten();
        let blocks = there.filter_map(|entry| Some(entry.metadata().ok()?.blocks()));
        most = most.max(512 * blocks.sum::<u64>());
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    recorder.signal("INT");
    recorder.expect_exit(0, SOON);
    for child in [&mut sleepers, &mut chains] {
        child.signal("KILL");
        child.wait_exit(SOON);
    }
    (most, recorder.stderr(), read(&files(&output)))
}

#[test]
fn the_limit_is_kept_while_a_file_begins_with_thousands_of_tasks() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let (most, said, trace) = crowded(dir.path(), &["--max-disk", "128K"]);
    assert!(most <= 128 << 10, "{most}");
    assert!(!said.contains("is not kept"), "{said}");
    assert!(trace.is_complete(), "{:?}", trace.integrity());
    assert!(
        trace
            .tasks()
            .iter()
            .filter(|task| task.ended.is_none())
            .count()
            > 2_000
    );
    // Files are mostly events: ten a second would be mostly beginnings.
    let dir = TempDir::new();
    let options = ["--max-disk", "128K", "--compress", "none"];
    let (_, said, trace) = crowded(dir.path(), &options);
    assert_eq!(
        said.matches("is not kept; give a --max-disk").count(),
        1,
        "{said}"
    );
    let last = trace.integrity().segments.last().expect("a file");
    assert!(*last < 20, "{last} files in three seconds");
    // What it says to give instead is enough.
    let advice = said.split("(or --ring) of ").nth(1).expect("an advice");
    let advice = advice.split(' ').next().expect("a number");
    let dir = TempDir::new();
    let options = ["--max-disk", advice, "--compress", "none"];
    let (most, said, _) = crowded(dir.path(), &options);
    assert!(!said.contains("is not kept"), "{said}");
    assert!(
        most <= advice.parse().expect("a number"),
        "{most} of {advice}"
    );
}

#[test]
fn a_snapshot_names_all_its_triggers_and_reaches_behind_the_last() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let (output, seen) = (dir.join("rec.tid"), dir.join("seen"));
    let mut command = tidrec();
    command
        .arg("-q")
        .arg("-o")
        .arg(&output)
        .args(["--after", "1s"]);
    command.args(["--trigger", "live-threads>2", "--trigger", "exit-signal"]);
    // What is not whole yet has another name.
    let then = format!(
        "(echo \"$TIDREC_TRIGGER\"; ls {}) > {} &",
        dir.path().display(),
        seen.display()
    );
    command.args(["--on-trigger", &then]);
    let script = "exec 2>/dev/null; sleep 60 & a=$!; sleep 60 & b=$!; sleep 0.7; kill -9 $a; wait $a; \
                  sleep 2; kill $b; wait";
    let mut recorder = Child::spawn(command.args(["--", "sh", "-c", script]));
    recorder.expect_exit(0, SOON);
    let written = snapshots(dir.path());
    assert_eq!(written.len(), 1, "{written:?}");
    let (snapshot, recording) = (open(&written[0]), open(&output));
    let told: Vec<String> = marks(&recording);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(marks(&snapshot), told);
    let reasons: Vec<&str> = told
        .iter()
        .map(|mark| mark.strip_prefix("snapshot: ").expect("a reason"))
        .collect();
    assert_eq!(
        snapshot.header().option("snapshot"),
        Some(reasons.join("; ").as_str())
    );
    let is_mark = |event: &&tidline::model::Event| matches!(event.body, EventBody::Mark { .. });
    let last = recording
        .events()
        .iter()
        .rfind(is_mark)
        .expect("a mark")
        .time;
    assert!(
        snapshot.end().0 >= last.0 + 1_000_000_000,
        "{last:?} {:?}",
        snapshot.end()
    );
    let heard = std::fs::read_to_string(&seen).expect("what the command saw");
    assert!(heard.starts_with(&reasons.join("; ")), "{heard}");
    assert!(!heard.contains(".part"), "{heard}");
    assert_eq!(recorder.stderr(), "");
}

#[test]
fn signals_and_ctl_mark_and_snap_and_stop() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("rec.tid");
    let mut target = Child::run(program("pair"), [""; 0]);
    let mut recorder = attach(&file, &[ready(&mut target)], &["--after", "50ms"]);
    let ctl = |words: &[&str]| {
        let mut command = tidrec_alone();
        command
            .arg("ctl")
            .arg(recorder.pid().to_string())
            .args(words);
        let output = command.output().expect("tidrec ctl");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("words")
    };
    ctl(&["mark", "deploy\n\x1b[31m v2"]);
    assert!(ctl(&["status"]).contains("rec.tid"));
    ctl(&["snapshot"]);
    wait_until("a snapshot", SOON, || snapshots(dir.path()).len() == 1);
    let pid = recorder.pid();
    support::send("USR2", &[pid]);
    support::send("USR1", &[pid]);
    recorder.wait_stderr("SIGUSR1", SOON);
    let mut command = tidrec_alone();
    command.arg("ctl").arg(pid.to_string()).arg("stop");
    assert!(command.status().expect("tidrec ctl").success());
    recorder.expect_exit(0, SOON);
    assert!(
        recorder.stderr().contains("tidrec ctl stop"),
        "{}",
        recorder.stderr()
    );
    let trace = open(&file);
    let expected = [
        "deploy\n\x1b[31m v2",
        "snapshot: tidrec ctl",
        "SIGUSR2",
        "snapshot: SIGUSR1",
    ];
    // Two signals that are pending at the same time come in the order of their numbers.
    let (mut told, mut expected) = (marks(&trace), expected.map(String::from).to_vec());
    told.sort();
    expected.sort();
    assert_eq!(told, expected);
    assert!(target.try_exit().is_none(), "the target runs on");
    // It is no recorder any more.
    let mut command = tidrec_alone();
    let late = command
        .arg("ctl")
        .arg(pid.to_string())
        .arg("status")
        .output();
    assert_eq!(late.expect("tidrec ctl").status.code(), Some(2));
    target.signal("TERM");
    target.wait_exit(SOON);
}

/// Where this user's recorders listen.
fn sockets() -> Option<PathBuf> {
    use std::os::unix::fs::MetadataExt;
    let uid = std::fs::metadata("/proc/self").expect("proc").uid();
    let own = match uid {
        0 => "/run/tidline".to_string(),
        uid => format!("/run/user/{uid}/tidline"),
    };
    let folders = [own, format!("/tmp/tidline-{uid}")].map(PathBuf::from);
    folders.into_iter().find(|folder| folder.is_dir())
}

#[test]
fn a_killed_recorders_socket_goes_with_the_next_and_a_living_ones_stays() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let mut target = Child::run(program("pair"), [""; 0]);
    let pid = ready(&mut target);
    let mut killed = attach(&dir.join("killed"), &[pid], &[]);
    let folder = sockets().expect("a folder for sockets");
    let socket = |recorder: &Child| folder.join(format!("{}.sock", recorder.pid()));
    let stale = socket(&killed);
    wait_until("a socket", SOON, || stale.exists());
    killed.signal("KILL");
    killed.wait_exit(SOON);
    assert!(stale.exists());
    let mut first = attach(&dir.join("first"), &[pid], &[]);
    wait_until("its socket", SOON, || socket(&first).exists());
    assert!(!stale.exists());
    let mut other = Child::run(program("pair"), [""; 0]);
    let mut second = attach(&dir.join("second"), &[ready(&mut other)], &[]);
    wait_until("its socket", SOON, || socket(&second).exists());
    let mut command = tidrec_alone();
    let ask = command.args(["ctl", &first.pid().to_string(), "mark", "still there"]);
    assert!(ask.status().expect("tidrec ctl").success());
    for recorder in [&mut first, &mut second] {
        recorder.signal("INT");
        recorder.expect_exit(0, SOON);
    }
    assert_eq!(marks(&open(&dir.join("first"))), ["still there"]);
    for target in [&mut target, &mut other] {
        target.signal("TERM");
        target.wait_exit(SOON);
    }
}

#[test]
fn a_long_file_says_between_its_events_what_lives_and_what_was() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("rec.tid");
    let mut target = Child::run(program("pair"), [""; 0]);
    let mut recorder = attach(&file, &[ready(&mut target)], &[]);
    // More than there is to be between two checkpoints.
    let note = "x".repeat(60_000);
    for number in 0..20 {
        let mut command = tidrec_alone();
        let text = format!("{number} {note}");
        let ask = command.args(["ctl", &recorder.pid().to_string(), "mark", &text]);
        assert!(ask.status().expect("tidrec ctl").success());
    }
    // They are written before the target ends.
    wait_until("the notes are in the file", SOON, || {
        marks_so_far(&file) == 20
    });
    target.signal("TERM");
    target.wait_exit(SOON);
    recorder.expect_exit(0, SOON);

    let whole = open(&file);
    assert_eq!(check(&whole), []);
    let skim = || {
        let file = std::io::BufReader::new(File::open(&file).expect("the file"));
        let skim = Skim::of(Segment::open(file).expect("a trace")).expect("it can be read");
        skim.expect("a checkpoint that says what was")
    };
    let part = skim().extent().part().cloned().expect("its totals");
    assert_eq!(part.totals.events, whole.events().len() as u64);
    assert_eq!(part.totals.tasks(), whole.tasks().len() as u64);
    assert_eq!(part.totals.alive(), 0);
    // Behind the last note only that the target ended.
    let is_mark = |event: &Event| matches!(event.body, EventBody::Mark { .. });
    let last = whole.events().iter().rposition(is_mark).expect("a note");
    let behind = Time(whole.events()[last].time.0 + 1);
    let part = skim().stretch(behind, whole.end()).expect("it can be read");
    let part = part.expect("it can be had alone");
    assert_eq!(part.events(), &whole.events()[last + 1..]);
    assert!(!part.events().is_empty());
    for (place, event) in part.events().iter().enumerate() {
        let [one, other] = [part.subject(place), whole.subject(last + 1 + place)];
        let told = |task: &TaskRecord| (task.task, task.born, task.name_at(event.time).clone());
        assert_eq!(one.map(told), other.map(told));
    }
    for at in [whole.events()[last].time, Time(whole.end().0 / 2)] {
        let part = skim().moment(at).expect("it can be read");
        let part = part.expect("it can be had alone");
        assert_eq!(lived(&part, at), lived(&whole, at));
        assert!(!lived(&part, at).is_empty());
    }
}

/// Who lived at a moment, who made them under which name, and how they ended.
fn lived(trace: &Trace, at: Time) -> Vec<String> {
    let tasks = trace.tasks().iter().filter(|task| task.alive_at(at));
    let told = tasks.map(|task| {
        let parent = task.parent.map(|parent| trace.task(parent));
        let parent = parent.map(|it| (it.task, it.name_at(task.born)));
        let life = (task.born, task.ended, task.how);
        format!("{:?} {:?} {life:?} {parent:?}", task.task, task.name_at(at))
    });
    told.collect()
}

fn marks_so_far(file: &Path) -> usize {
    let file = File::open(file).expect("the file");
    read_trace(std::io::BufReader::new(file)).map_or(0, |trace| marks(&trace).len())
}

#[test]
fn a_note_that_is_too_long_is_refused_and_not_cut() {
    use std::io::Read;
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("rec.tid");
    let mut target = Child::run(program("pair"), [""; 0]);
    let mut recorder = attach(&file, &[ready(&mut target)], &[]);
    let longest = "x".repeat((64 << 10) - "mark ".len());
    let mark = |text: &str| {
        let mut command = tidrec_alone();
        let ask = command.args(["ctl", &recorder.pid().to_string(), "mark", text]);
        let output = ask.output().expect("tidrec ctl");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), said)
    };
    assert_eq!(mark(&longest), (Some(0), String::new()));
    let (code, said) = mark(&(longest.clone() + "x"));
    assert_eq!(code, Some(2));
    assert!(said.contains("longer than 65531 bytes"), "{said}");
    // Another program than ours may ask, too.
    let socket = sockets()
        .expect("a folder")
        .join(format!("{}.sock", recorder.pid()));
    let mut stream = std::os::unix::net::UnixStream::connect(socket).expect("a recorder");
    write!(stream, "mark {longest}x").expect("it reads");
    stream
        .shutdown(std::net::Shutdown::Write)
        .expect("a socket");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert_eq!(answer, "error\na request has at most 65536 bytes\n");
    recorder.signal("INT");
    recorder.expect_exit(0, SOON);
    assert_eq!(marks(&open(&file)), [longest]);
    target.signal("TERM");
    target.wait_exit(SOON);
}

#[test]
fn a_file_begins_where_the_one_before_ends() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let options = ["--segment-size", "64K", "--compress", "none"];
    let (_, files, _) = record_chains(dir.path(), &options, "4000");
    assert!(files.len() > 3, "{files:?}");
    // Were it later, what happened meanwhile would have no time of its own.
    for two in files.windows(2) {
        let [before, file] = two else { unreachable!() };
        let (before, file) = (
            read(std::slice::from_ref(before)),
            read(std::slice::from_ref(file)),
        );
        let last = before.events().last().expect("an event").time;
        assert_eq!(file.begin(), last, "{two:?}");
    }
}

#[test]
fn snapshots_that_were_moved_away_leave_room_for_others() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let (output, seen) = (dir.join("rec"), dir.join("seen"));
    std::fs::create_dir(&seen).expect("a folder");
    // Their names tell seconds.
    let then = format!("sleep 1; mv -t {}", seen.display());
    let options = ["--max-disk", "1M", "--segment-size", "64K", "--compress"];
    // One chain makes enough, and leaves tidrec a processor.
    let mut command = std::process::Command::new(program("chains"));
    let mut target = Child::spawn(command.args(["1", "600"]));
    let pid = ready(&mut target);
    let more = ["none", "--after", "50ms", "--on-trigger", &then];
    let mut recorder = attach(&output, &[pid], &[&options[..], &more].concat());
    let mut most = 0;
    for count in 1..=4 {
        let mut command = tidrec_alone();
        let ask = command.args(["ctl", &recorder.pid().to_string(), "snapshot"]);
        assert!(ask.status().expect("tidrec ctl").success());
        wait_until("a snapshot", SOON, || {
            // While it is written, and while the command looks at it, it counts.
            most = most.max(bytes_there(&output) + bytes_there(dir.path()));
            files(&seen).len() == count
        });
    }
    assert!(most <= 1 << 20, "{most}");
    recorder.signal("INT");
    recorder.expect_exit(0, SOON);
    target.signal("KILL");
    target.wait_exit(SOON);
    assert!(
        !recorder.stderr().contains("no snapshot"),
        "{}",
        recorder.stderr()
    );
    let recording = read(&files(&output));
    assert!(recording.is_complete(), "{:?}", recording.integrity());
    for path in files(&seen) {
        let snapshot = open(&path);
        assert!(snapshot.is_complete(), "{:?}", snapshot.integrity());
        let mut marks = snapshot.events().iter();
        let mark = marks.rfind(|event| matches!(event.body, EventBody::Mark { .. }));
        let at = mark.expect("the mark of its trigger").time;
        // All that it is to reach is in it, and what is near the mark has its own time.
        assert!(
            snapshot.end().0 >= at.0 + 50_000_000,
            "{at:?} {:?}",
            snapshot.end()
        );
        let events = snapshot.events().iter();
        let at_once = events.filter(|event| event.time == at).count();
        assert!(at_once <= 3, "{at_once} events at the mark's time");
    }
}

/// Records into many files with a limit on open files, takes a snapshot of all, and gives what
/// tidrec said and the recording, the snapshot, and the limit that the command had.
fn snapshot_of_many_files(limit: &str) -> (String, Trace, Trace, String) {
    let dir = TempDir::new();
    let output = dir.join("rec");
    let line = format!(
        "{limit}; exec \"$0\" -o {} --segment-time 100ms --after 1ms -- sh -c 'ulimit -n; {}'",
        output.display(),
        "while :; do (:); sleep 0.01; done"
    );
    let mut command = std::process::Command::new("/bin/sh");
    command.args(["-c", &line, env!("CARGO_BIN_EXE_tidrec")]);
    let mut recorder = Child::spawn(&mut command);
    let had = recorder.wait_line("", SOON);
    wait_until("many files", 2 * SOON, || files(&output).len() > 40);
    let mut command = tidrec_alone();
    let ask = command.args(["ctl", &recorder.pid().to_string(), "snapshot"]);
    assert!(ask.status().expect("tidrec ctl").success());
    wait_until("a snapshot", SOON, || snapshots(dir.path()).len() == 1);
    recorder.wait_stderr(" events; tidrec ctl)", SOON);
    recorder.signal("INT");
    recorder.wait_exit(SOON);
    let snapshot = open(&snapshots(dir.path())[0]);
    (recorder.stderr(), read(&files(&output)), snapshot, had)
}

#[test]
fn a_snapshot_of_more_files_than_may_be_open() {
    if !may_trace() {
        return;
    }
    // tidrec raises the limit for itself, and not for the command.
    let (said, recording, snapshot, had) = snapshot_of_many_files("ulimit -Sn 32");
    assert_eq!(had, "32");
    assert!(!said.contains("less far"), "{said}");
    for trace in [&recording, &snapshot] {
        assert!(trace.is_complete(), "{:?}", trace.integrity());
        assert_eq!(trace.begin(), Time(0));
    }
    // Where it may not, the latest files are in the snapshot.
    let (said, recording, snapshot, _) = snapshot_of_many_files("ulimit -n 32");
    assert!(
        said.contains("less far") && said.contains("open 16;"),
        "{said}"
    );
    assert!(!said.contains("cannot be written"), "{said}");
    assert!(recording.is_complete(), "{:?}", recording.integrity());
    let first = &snapshot.events()[0].body;
    assert!(
        matches!(first, EventBody::Gap { since: Time(0), .. }),
        "{first:?}"
    );
    let last = snapshot.events().last().expect("an event");
    assert!(recording.events().contains(last));
}

#[test]
fn snapshots_of_earlier_recordings_count_for_the_limit() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let earlier = dir.join("rec-snapshot-20260101-000000.tid");
    std::fs::write(&earlier, vec![0; 500 << 10]).expect("a file");
    let (output, log) = (dir.join("rec"), dir.join("log"));
    let record = |limit: &str| {
        let mut command = tidrec();
        command.args(["--force", "--compress", "none", "-o"]);
        command
            .arg(&output)
            .args(["--max-disk", limit])
            .env("LOG", &log);
        command.arg("--").arg(program("chains"));
        let run = command.args(["8", "60", "6000"]).output().expect("tidrec");
        (
            run.status.code(),
            String::from_utf8_lossy(&run.stderr).into_owned(),
        )
    };
    let (code, said) = record("512K");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("rec-snapshot-20260101-000000.tid"), "{said}");
    assert!(!output.exists() && !log.exists(), "nothing was begun");
    let (code, said) = record("1M");
    assert_eq!(code, Some(0), "{said}");
    let files = files(&output);
    assert!(read(&files).begin() > Time(0), "nothing went");
    assert!(bytes(&files) + (500 << 10) <= 1 << 20, "{files:?}");
}

#[test]
fn there_is_no_snapshot_of_a_file_that_was_moved_away() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("rec.tid");
    let mut target = Child::run(program("pair"), [""; 0]);
    let mut recorder = attach(&file, &[ready(&mut target)], &["--after", "1ms"]);
    std::fs::rename(&file, dir.join("elsewhere")).expect("moved");
    let mut command = tidrec_alone();
    let ask = command.args(["ctl", &recorder.pid().to_string(), "snapshot"]);
    assert!(ask.status().expect("tidrec ctl").success());
    recorder.wait_stderr(
        "no snapshot (tidrec ctl): the recording cannot be opened",
        SOON,
    );
    recorder.signal("INT");
    recorder.expect_exit(3, SOON);
    assert!(snapshots(dir.path()).is_empty());
    target.signal("TERM");
    target.wait_exit(SOON);
}

#[test]
fn beside_many_threads_the_command_of_a_snapshot_is_waited_for() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let mut target = Child::run(program("sleeper"), ["500"]);
    let pid = ready(&mut target);
    let options = ["--after", "1ms", "--on-trigger", "exit 3;"];
    let mut recorder = attach(&dir.join("rec.tid"), &[pid], &options);
    // The tracer hears of each process that ends, and must leave this one alone.
    for count in 1..=10 {
        let mut command = tidrec_alone();
        let ask = command.args(["ctl", &recorder.pid().to_string(), "snapshot"]);
        assert!(ask.status().expect("tidrec ctl").success());
        wait_until("the command's end", SOON, || {
            recorder.stderr().matches("--on-trigger").count() == count
        });
    }
    let said = recorder.stderr();
    assert_eq!(
        said.matches("--on-trigger: exit status: 3").count(),
        10,
        "{said}"
    );
    recorder.signal("INT");
    recorder.expect_exit(0, SOON);
    target.signal("TERM");
    target.wait_exit(SOON);
}

#[test]
fn a_folder_that_holds_something_is_kept() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let folder = dir.join("rec");
    let record = |force: &[&str]| {
        let mut command = tidrec();
        command
            .arg("-o")
            .arg(&folder)
            .args(["--segment-size", "1M"])
            .args(force);
        command.args(["--", "true"]).output().expect("tidrec")
    };
    assert!(record(&[]).status.success());
    let first = files(&folder);
    let again = record(&[]);
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&again.stderr).contains("holds a recording"));
    let id = read(&first).header().trace_id;
    assert!(record(&["--force"]).status.success());
    assert_ne!(read(&files(&folder)).header().trace_id, id);
    // What is not ours is nobody's to remove.
    std::fs::write(folder.join("thesis.txt"), "precious").expect("a file");
    let other = record(&["--force"]);
    assert_eq!(other.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&other.stderr).contains("thesis.txt"));
    // Not by its name either.
    let named = folder.join("000007.tid");
    std::fs::rename(folder.join("thesis.txt"), &named).expect("renamed");
    let other = record(&["--force"]);
    assert_eq!(other.status.code(), Some(2));
    let said = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(
        said.contains("000007.tid") && said.contains("no trace"),
        "{said}"
    );
    assert_eq!(std::fs::read(&named).expect("it"), b"precious");
    // A recorder that was killed may leave one that it did not begin.
    std::fs::write(&named, "").expect("empty");
    assert!(record(&["--force"]).status.success());
    assert!(!named.exists());
    // A command that cannot run leaves nothing behind.
    let none = dir.join("none");
    let mut command = tidrec();
    command
        .arg("-o")
        .arg(&none)
        .args(["--ring", "1m", "--", "no such command"]);
    assert_eq!(command.status().expect("tidrec").code(), Some(127));
    assert!(!none.exists());
}

#[test]
fn what_somebody_does_to_finished_files_is_told() {
    if !may_trace() {
        return;
    }
    // Of those that are left, at the end; of those that are to be given up, then.
    for (limit, what) in [("64M", "cut"), ("64M", "replaced"), ("512K", "removed")] {
        let dir = TempDir::new();
        let output = dir.join("rec");
        let mut command = std::process::Command::new(program("chains"));
        let mut target = Child::spawn(command.args(["8", "600"]));
        let pid = ready(&mut target);
        let options = [
            "--max-disk",
            limit,
            "--segment-size",
            "64K",
            "--compress",
            "none",
        ];
        let mut recorder = attach(&output, &[pid], &options);
        let name = |number: u32| output.join(format!("{number:06}.tid"));
        wait_until("several files", SOON, || name(2).exists());
        let first = name(1);
        match what {
            "cut" => File::options()
                .write(true)
                .open(&first)
                .expect("it")
                .set_len(99)
                .expect("cut"),
            "replaced" => {
                std::fs::write(dir.join("mine"), vec![b'x'; 100 << 10]).expect("a file");
                std::fs::rename(dir.join("mine"), &first).expect("replaced");
            }
            _ => std::fs::remove_file(&first).expect("removed"),
        }
        let said = format!("somebody {what} 000001.tid while it was recorded");
        if limit == "512K" {
            recorder.wait_stderr(&said, 2 * SOON);
        }
        recorder.signal("INT");
        recorder.expect_exit(3, SOON);
        assert!(recorder.stderr().contains(&said), "{}", recorder.stderr());
        target.signal("KILL");
        target.wait_exit(SOON);
    }
}

#[test]
fn two_recorders_do_not_share_a_folder() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let folder = dir.join("rec");
    let mut target = Child::run(program("pair"), [""; 0]);
    let pid = ready(&mut target);
    let mut first = attach(&folder, &[pid], &["--segment-size", "1M"]);
    let mut command = tidrec();
    command
        .arg("-o")
        .arg(&folder)
        .args(["--segment-size", "1M", "--force", "--", "true"]);
    let second = command.output().expect("tidrec");
    assert_eq!(second.status.code(), Some(2));
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("another tidrec"), "{said}");
    first.signal("INT");
    first.expect_exit(0, SOON);
    assert_eq!(existing(&read(&files(&folder)))[0].pid.0, pid);
    target.signal("TERM");
    target.wait_exit(SOON);
}

#[test]
fn a_flight_recorder_on_a_full_disk_gives_up_its_oldest() {
    if !may_trace() {
        return;
    }
    let Some(disk) = need(SmallDisk::new(512)) else {
        return;
    };
    // The limit is higher than what the disk has.
    let options = [
        "--segment-size",
        "64K",
        "--max-disk",
        "100M",
        "--compress",
        "none",
    ];
    let output = disk.path().join("rec.tid");
    let mut target = Child::run(program("chains"), ["8", "60", "5000"]);
    let mut recorder = attach(&output, &[ready(&mut target)], &options);
    target.expect_exit(0, 2 * SOON);
    recorder.wait_exit(SOON);
    let trace = read(&files(&output));
    assert!(trace.integrity().segments[0] > 0);
    assert_eq!(trace.integrity().damage, [], "{}", recorder.stderr());
    // It ends with the target's end: there was room to the last.
    assert!(trace.is_complete(), "{:?}", trace.integrity());
    assert!(trace.tasks().iter().all(|task| task.ended.is_some()));
    // That it had to is said once, and in the files.
    let said = recorder.stderr();
    assert_eq!(said.matches("before their time").count(), 1, "{said}");
    let first = u64::from(trace.integrity().segments[0]);
    let early = trace.counters().iter();
    let early = early.filter(|(name, _)| name == "files_given_up_early");
    assert_eq!(early.map(|(_, files)| *files).collect::<Vec<_>>(), [first]);
    let told = |mark: &String| mark.starts_with("the disk was full: ");
    assert!(marks(&trace).iter().any(told), "{:?}", marks(&trace));
    assert_eq!(events_said(&said), trace.events().len() as u64, "{said}");
}

/// How many events the last line says are in the files.
fn events_said(said: &str) -> u64 {
    let words = said.split(" events in ").next().expect("a line");
    let number = words.rsplit(' ').next().expect("a number");
    number.parse().unwrap_or_else(|_| panic!("{said}"))
}

#[test]
fn a_full_disk_ends_the_recording_if_that_is_wanted() {
    if !may_trace() {
        return;
    }
    let Some(disk) = need(SmallDisk::new(64)) else {
        return;
    };
    let file = disk.path().join("t");
    let mut target = Child::run(program("chains"), ["4", "60"]);
    let pid = ready(&mut target);
    let mut recorder = attach(&file, &[pid], &["--on-full", "stop"]);
    let mut filler = File::create(disk.path().join("ballast")).expect("a ballast");
    while filler.write_all(&[0; 4096]).is_ok() {}
    recorder.expect_exit(3, SOON);
    let said = recorder.stderr();
    assert!(said.contains("cannot be written"), "{said}");
    assert!(said.contains("the recording ends here"), "{said}");
    assert!(!said.contains("goes on"), "{said}");
    assert!(target.try_exit().is_none(), "the target runs on");
    for (tid, _, tracer) in support::tracers(pid) {
        assert_eq!(tracer, 0, "{tid}");
    }
}

#[test]
fn a_killed_recorder_leaves_all_but_its_last_batch_in_many_files() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let log = dir.join("log");
    let mut command = std::process::Command::new(program("chains"));
    let mut target = Child::spawn(command.args(["8", "600"]).env("LOG", &log));
    let pid = ready(&mut target);
    let mut rotated = 0;
    for (round, moment) in moments().take(scale(10, 200)).enumerate() {
        let output = dir.join(&format!("rec{round}"));
        let options = ["--segment-size", "64K", "--segment-time", "100ms"];
        let mut recorder = attach(&output, &[pid], &options);
        std::thread::sleep(2 * moment);
        recorder.signal("KILL");
        recorder.wait_exit(SOON);
        for (tid, state, tracer) in support::tracers(pid) {
            assert_eq!(tracer, 0, "{tid} after {moment:?}");
            assert!(
                !"tT".contains(state),
                "{tid} is in {state} after {moment:?}"
            );
        }
        // It may have been about to begin another, which is no trace yet.
        let mut files = files(&output);
        files.retain(|path| {
            let start = std::fs::read(path).expect("a file");
            let is_next = path.ends_with("next.tid.part") || start.is_empty();
            looks_like_trace(&start) || !is_next
        });
        rotated += usize::from(files.len() > 1);
        let trace = read(&files);
        assert_eq!(trace.integrity().damage, [], "{files:?}");
        check_prefix(&trace);
        // What is in it is the whole truth up to its end, and nothing but what was logged.
        assert_unbroken(&trace, 8);
        // A newborn logs itself when it gets to run, and the last line may be half written.
        let births = births(&trace);
        wait_until("all that is recorded is logged", SOON, || {
            let text = std::fs::read_to_string(&log).expect("the log");
            let whole = text.rfind('\n').map_or(0, |end| end + 1);
            differences(&made(&text[..whole]), &births).1.is_empty()
        });
        std::fs::remove_dir_all(output).expect("remove a recording");
        // The log of one round is enough, and grows quickly.
        std::fs::write(&log, "").expect("empty the log");
    }
    assert!(rotated > 0, "no moment was behind a rotation");
    target.signal("KILL");
    target.wait_exit(SOON);
}

trace::also_by_perf! {
    the_oldest_files_go_and_each_that_is_left_opens_alone
    a_small_ring_is_kept_as_full_as_a_large_one
    a_snapshot_names_all_its_triggers_and_reaches_behind_the_last
    signals_and_ctl_mark_and_snap_and_stop
    a_killed_recorders_socket_goes_with_the_next_and_a_living_ones_stays
    a_note_that_is_too_long_is_refused_and_not_cut
    snapshots_of_earlier_recordings_count_for_the_limit
    snapshots_that_were_moved_away_leave_room_for_others
    there_is_no_snapshot_of_a_file_that_was_moved_away
    beside_many_threads_the_command_of_a_snapshot_is_waited_for
    a_folder_that_holds_something_is_kept
    what_somebody_does_to_finished_files_is_told
    two_recorders_do_not_share_a_folder
    a_flight_recorder_on_a_full_disk_gives_up_its_oldest
    a_full_disk_ends_the_recording_if_that_is_wanted
    a_killed_recorder_leaves_all_but_its_last_batch_in_many_files
}
