//! How a recording is told about while it goes: to a service manager, and on a terminal.

#![cfg(target_os = "linux")]

mod support;
#[path = "support/trace.rs"]
mod trace;

use std::io::ErrorKind;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::{Child, TempDir, copy_program, need, program, tracers};
use trace::{SOON, check, may_trace, open, ready, tidrec, wait_until};

/// A service manager's socket, and what was sent to it.
struct Manager {
    socket: UnixDatagram,
    name: String,
}

impl Manager {
    fn at(path: &Path) -> Manager {
        let socket = UnixDatagram::bind(path).expect("bind a socket");
        socket.set_read_timeout(Some(SOON)).expect("a time limit");
        let name = path.to_str().expect("a path of UTF-8").to_owned();
        Manager { socket, name }
    }

    fn abstract_one() -> Manager {
        let name = format!("tidline-test-service-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("an address");
        let socket = UnixDatagram::bind_addr(&address).expect("bind a socket");
        socket.set_read_timeout(Some(SOON)).expect("a time limit");
        let name = format!("@{name}");
        Manager { socket, name }
    }

    fn next(&self) -> String {
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).expect("a word from tidrec");
        String::from_utf8(bytes[..length].to_vec()).expect("UTF-8")
    }

    fn is_silent(&self) -> bool {
        self.socket.set_nonblocking(true).expect("nonblocking");
        let got = self.socket.recv(&mut [0; 4096]);
        self.socket.set_nonblocking(false).expect("blocking");
        got.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    }
}

#[test]
fn a_service_manager_is_told_when_all_is_attached_and_when_it_ends() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    for manager in [Manager::at(&dir.join("notify")), Manager::abstract_one()] {
        let file = dir.join(if manager.name.starts_with('@') {
            "a"
        } else {
            "p"
        });
        let mut child = Child::run(program("sleeper"), ["20"]);
        let pid = ready(&mut child);
        let mut command = tidrec();
        command.env("NOTIFY_SOCKET", &manager.name);
        command
            .args(["--attach-timeout", "25s", "-q", "-o"])
            .arg(&file);
        command.args(["-p", &pid.to_string()]);
        let mut recorder = Child::spawn(&mut command);
        assert_eq!(manager.next(), "READY=1\nSTATUS=recording");
        let traced = tracers(pid);
        assert_eq!(traced.len(), 21);
        assert!(traced.iter().all(|(.., by)| *by == recorder.pid()));
        assert!(manager.is_silent());
        recorder.signal("TERM");
        assert!(manager.next().starts_with("STOPPING=1\n"));
        recorder.expect_exit(0, SOON);
        assert_eq!(recorder.stderr(), "");
        check(&open(&file));
    }
}

#[test]
fn a_service_manager_is_told_how_it_goes() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let manager = Manager::at(&dir.join("notify"));
    let mut command = tidrec();
    command.env("NOTIFY_SOCKET", &manager.name);
    let name = format!("^s{}$", std::process::id());
    command
        .args(["--name", &name, "--wait", "-o"])
        .arg(dir.join("t"));
    let mut recorder = Child::spawn(&mut command);
    assert_eq!(
        manager.next(),
        format!("STATUS=waiting for a process called {name}")
    );
    let copy = dir.join(name.trim_matches(['^', '$']));
    copy_program(program("sleeper"), &copy);
    let mut child = Child::run(copy, ["2"]);
    ready(&mut child);
    assert_eq!(manager.next(), "READY=1\nSTATUS=recording");
    // Every ten seconds.
    let status = manager.next();
    assert!(
        status.starts_with("STATUS=0:1")
            && status.contains(" live, 0")
            && status.contains(" lost, "),
        "{status}"
    );
    recorder.signal("TERM");
    assert!(manager.next().starts_with("STOPPING=1\n"));
    recorder.expect_exit(0, SOON);
}

#[test]
fn a_launched_command_is_not_the_service() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let manager = Manager::at(&dir.join("notify"));
    let mut command = tidrec();
    command.env("NOTIFY_SOCKET", &manager.name);
    command.arg("-o").arg(dir.join("t"));
    command.args(["--", "sh", "-c", "echo \"[${NOTIFY_SOCKET-none}]\""]);
    let mut recorder = Child::spawn(&mut command);
    assert_eq!(recorder.expect_exit(0, SOON), "[none]\n");
    assert_eq!(manager.next(), "READY=1\nSTATUS=recording");
    assert!(manager.next().starts_with("STOPPING=1\n"));
    assert!(manager.is_silent());
}

#[test]
fn a_service_manager_that_is_gone_is_no_reason_not_to_record() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    for (name, said) in [("/no/such/socket", false), ("nonsense", true)] {
        let file = dir.join(name.rsplit('/').next().expect("a word"));
        let mut command = tidrec();
        command.env("NOTIFY_SOCKET", name).arg("-o").arg(&file);
        let mut recorder = Child::spawn(command.args(["--", "true"]));
        recorder.expect_exit(0, SOON);
        check(&open(&file));
        let word = "tidrec: cannot tell the service manager at NOTIFY_SOCKET=nonsense: ";
        assert_eq!(
            recorder.stderr().contains(word),
            said,
            "{}",
            recorder.stderr()
        );
    }
}

#[test]
fn the_unit_is_one_that_systemd_takes() {
    // Not every machine that builds this has systemd, in CI neither.
    if let Err(error) = Command::new("systemd-analyze").arg("--version").output() {
        eprintln!("SKIPPED: systemd-analyze: {error}");
        return;
    }
    let unit = include_str!("../docs/tidrec@.service");
    let installed = "/usr/local/bin/tidrec";
    assert!(unit.contains(&format!("ExecStart={installed} ")));
    let dir = TempDir::new();
    let path = dir.join("tidrec@.service");
    let here = unit.replace(installed, env!("CARGO_BIN_EXE_tidrec"));
    std::fs::write(&path, here).expect("write");
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--recursive-errors=no"]).arg(&path);
    let output = verify.output().expect("run systemd-analyze");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("tidrec@"), "{said}");
}

/// What came out of a terminal on which a shell ran these words.
fn on_terminal(script: &str) -> Option<String> {
    let has_script = Command::new("script").arg("--version").output();
    need(has_script.map_err(|error| format!("script(1): {error}")))?;
    let mut command = Command::new("script");
    command
        .args(["-qec", script, "/dev/null"])
        .env("TERM", "xterm");
    let mut terminal = Child::spawn(&mut command);
    terminal.wait_exit(SOON);
    terminal.wait_output(SOON);
    Some(terminal.stdout())
}

const CLEAR: &str = "\r\x1b[K";

/// The status lines in what a terminal was told.
fn lines(out: &str) -> Vec<&str> {
    out.split(CLEAR)
        .skip(1)
        .map(|rest| rest.split(['\r', '\n']).next().unwrap_or_default())
        .filter(|line| line.starts_with("tidrec: 0:0"))
        .collect()
}

#[test]
fn a_terminal_shows_one_line_that_is_rewritten() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let mut child = Child::run(program("sleeper"), ["3"]);
    let pid = ready(&mut child);
    let tidrec = env!("CARGO_BIN_EXE_tidrec");
    let run = |before: &str, file: &str, options: &str| {
        let file = dir.join(file);
        let script = format!(
            "{before}; {tidrec} -p {pid} -o {} --duration 2500ms {options}",
            file.display()
        );
        on_terminal(&script)
    };
    let Some(out) = run("stty cols 100", "a", "") else {
        return;
    };
    assert_eq!(lines(&out).len(), 2, "{out:?}");
    for (line, second) in lines(&out).iter().zip(1..) {
        let start = format!("tidrec: 0:0{second}, 4 live, 0 created (0/s), 0 lost, ");
        assert!(line.starts_with(&start) && line.ends_with(" B"), "{line:?}");
    }
    // It is taken away before the last word.
    let last = format!("{CLEAR}tidrec: the duration was over; ");
    assert!(out.contains(&last), "{out:?}");
    let first = "tidrec: recording sleeper[";
    assert!(out.find(first) < out.find(CLEAR), "{out:?}");

    let out = run("stty cols 30", "b", "").expect("a terminal");
    assert_eq!(lines(&out).len(), 2, "{out:?}");
    assert!(lines(&out).iter().all(|line| line.len() == 29), "{out:?}");

    for (before, file, options) in [
        ("stty cols 100", "c", "-q"),
        ("TERM=dumb; export TERM", "d", ""),
        ("stty cols 100", "e", "2>&1 | cat"),
    ] {
        let out = run(before, file, options).expect("a terminal");
        assert!(!out.contains('\x1b') && lines(&out).is_empty(), "{out:?}");
        check(&open(&dir.join(file)));
    }
}

#[test]
fn a_launched_command_has_the_terminal_for_itself() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let script = format!(
        "{} -o {} -- sleep 1.5",
        env!("CARGO_BIN_EXE_tidrec"),
        dir.join("t").display()
    );
    if let Some(out) = on_terminal(&script) {
        assert!(!out.contains('\x1b'), "{out:?}");
        assert!(out.contains("tidrec: the target ended; "), "{out:?}");
    }
}

#[test]
fn in_the_background_it_neither_writes_nor_stops() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("t");
    let mut child = Child::run(program("sleeper"), ["1"]);
    let pid = ready(&mut child);
    // A job of its own, on a terminal that stops what writes to it from the background.
    let script = format!(
        "stty tostop; set -m; {} -p {pid} -o {} --duration 2500ms & sleep 1.7; echo between; wait",
        env!("CARGO_BIN_EXE_tidrec"),
        file.display()
    );
    let Some(out) = on_terminal(&script) else {
        return;
    };
    assert!(out.contains("between"), "{out:?}");
    assert!(lines(&out).is_empty(), "{out:?}");
    let trace = open(&file);
    check(&trace);
    assert_eq!(
        trace.integrity().ending,
        tidline::model::Ending::Finished("the duration was over".into())
    );
    wait_until("the target runs on alone", Duration::from_secs(5), || {
        tracers(pid).iter().all(|(.., tracer)| *tracer == 0)
    });
}

trace::also_by_perf! {
    a_service_manager_is_told_how_it_goes
    a_launched_command_is_not_the_service
    a_service_manager_that_is_gone_is_no_reason_not_to_record
}
