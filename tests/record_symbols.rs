//! The process of tidrec's that looks symbols up: it is in nobody's way, and never left behind.

mod support;

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use support::wait_until;

const SOON: Duration = Duration::from_secs(120);

/// The process, as tidrec starts it, and the other end of its socket.
fn start(arguments: &[&str]) -> (Child, UnixStream) {
    let (ours, its) = UnixStream::pair().expect("a socket");
    // The recorder ignores some signals, and what is started inherits that.
    let script = "trap '' TSTP TTIN XFSZ; exec \"$@\"";
    let mut command = Command::new("sh");
    let tidrec = env!("CARGO_BIN_EXE_tidrec");
    command.args(["-c", script, "sh", tidrec, "__symbolize"]);
    command.args(arguments);
    command.stdin(OwnedFd::from(its)).stdout(Stdio::null());
    (command.spawn().expect("tidrec"), ours)
}

fn proc(child: &Child, file: &str) -> String {
    fs::read_to_string(format!("/proc/{}/{file}", child.id())).unwrap_or_default()
}

/// Fields of /proc/PID/stat behind the name, the state first.
fn stat(child: &Child) -> Vec<String> {
    let stat = proc(child, "stat");
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    fields.split_whitespace().map(str::to_owned).collect()
}

fn limit(child: &Child, name: &str) -> String {
    let limits = proc(child, "limits");
    let line = limits.lines().find(|line| line.starts_with(name));
    let rest = line.unwrap_or_default().trim_start_matches(name);
    rest.split_whitespace()
        .take(2)
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn it_stands_back() {
    for (arguments, nice, policy) in [(&[][..], "19", "5"), (&["now"], "10", "0")] {
        let (mut child, socket) = start(arguments);
        wait_until("it begins", SOON, || {
            proc(&child, "oom_score_adj") == "1000\n"
        });
        let fields = stat(&child);
        assert_eq!((fields[16].as_str(), fields[38].as_str()), (nice, policy));
        assert_eq!(proc(&child, "comm"), "tidrec-symbols\n");
        assert_eq!(limit(&child, "Max address space"), "2147483648 2147483648");
        assert_eq!(limit(&child, "Max core file size"), "0 0");
        let status = proc(&child, "status");
        let mask = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            let mask = line.and_then(|line| line.split_whitespace().nth(1));
            u64::from_str_radix(mask.expect(name), 16).expect(name)
        };
        const SIGPIPE: u64 = 1 << 12;
        // The C library keeps two for itself, 32 and 33.
        let ignored = mask("SigIgn:") & !(3 << 31);
        assert_eq!((ignored, mask("SigBlk:")), (SIGPIPE, 0), "{status}");
        drop(socket);
        wait_until("it ends", SOON, || {
            child.try_wait().expect("a child").is_some()
        });
        assert!(child.wait().expect("a child").success());
    }
}

#[test]
fn what_is_no_request_ends_it() {
    use std::io::Write;
    for garbage in [
        &b"\xff\xff\xff\xff"[..],
        b"\x04\0\0\0\xff\xff\xff\xff",
        b"\x10\0",
    ] {
        let (mut child, mut socket) = start(&[]);
        socket.write_all(garbage).expect("a socket");
        socket
            .shutdown(std::net::Shutdown::Write)
            .expect("a socket");
        wait_until("it ends", SOON, || {
            child.try_wait().expect("a child").is_some()
        });
    }
}

#[test]
fn no_help_tells_of_it() {
    for word in ["--help", "-h"] {
        let output = Command::new(env!("CARGO_BIN_EXE_tidrec"))
            .arg(word)
            .output();
        let help = output.expect("tidrec").stdout;
        let help = String::from_utf8(help).expect("UTF-8");
        assert!(help.contains("--symbols <WHEN>"), "{help}");
        assert!(!help.contains("__symbolize"), "{help}");
    }
}
