//! Where the commands that make a file put it: `-o -`, links, and what is there already. Nothing that
//! was not asked for is replaced.

use std::fs;
use std::process::{Command, Output};

use crate::made::{everything, header};
use crate::support::{Folder, command, finished, tidview};

/// A folder with two recordings in it, of two hosts.
fn folder() -> Folder {
    let folder = Folder::new();
    for (name, id) in [("t.tid", 7), ("u.tid", 8)] {
        let mut header = header();
        header.trace_id = id;
        header.boot_id = format!("boot-{id}");
        folder.put(name, &finished(&header, &everything(), 100_000_000, &[]));
    }
    folder
}

fn in_folder(folder: &Folder, args: &[&str]) -> Output {
    let mut command: Command = command(args);
    command
        .current_dir(folder.path(""))
        .output()
        .expect("tidview starts")
}

#[test]
fn minus_is_stdout_and_what_is_said_goes_to_stderr() {
    let folder = folder();
    for args in [
        &["repair", "t.tid"][..],
        &["symbolize", "t.tid"],
        &["split", "t.tid", "--until", "50ms"],
        &["scrub", "t.tid", "--key", "a long secret"],
        &["merge", "t.tid", "u.tid"],
        &["report", "t.tid"],
        &["report", "t.tid", "--diff", "u.tid"],
        &["export", "t.tid", "--to", "perfetto"],
    ] {
        let made = in_folder(&folder, &[args, &["-o", "made", "--force"]].concat());
        let told = in_folder(&folder, &[args, &["-o", "-"]].concat());
        assert_eq!(made.status.code(), told.status.code(), "{args:?}");
        let file = fs::read(folder.path("made")).expect("the file");
        assert!(file == told.stdout, "{args:?}: another file");
        let words = |output: &Output, bytes: &[u8]| {
            let words = [&output.stderr[..], bytes].concat();
            let words = String::from_utf8(words).expect("words");
            let mut words: Vec<String> = words.lines().map(str::to_string).collect();
            words.sort();
            words
        };
        let before = words(&made, &made.stdout).join("\n").replace("made", "-");
        assert_eq!(words(&told, &[]).join("\n"), before, "{args:?}");
        assert!(fs::metadata(folder.path("-")).is_err(), "{args:?}");
    }
    let run = in_folder(&folder, &["export", "t.tid", "--to", "parquet", "-o", "-"]);
    let words = "tidview: parquet is written into a folder: name it with -o\n";
    assert_eq!(String::from_utf8_lossy(&run.stderr), words);
}

#[cfg(unix)]
#[test]
fn a_link_stays_and_what_it_leads_to_is_written() {
    use std::os::unix::fs::symlink;
    let folder = folder();
    let elsewhere = Folder::new();
    let there = elsewhere.put("there", b"precious");
    let link = folder.path("link");
    symlink(&there, folder.path("between")).expect("a link");
    symlink("between", &link).expect("a link");
    let split = |place: &str, more: &[&str]| {
        let source = folder.path("t.tid");
        let args = ["split", &source, "--until", "50ms", "-o", place];
        tidview(&[&args[..], more].concat())
    };
    let run = split(&link, &[]);
    let words = format!("tidview: {link} is there already: --force replaces it\n");
    assert_eq!((run.err, run.code), (words, Some(2)));
    assert_eq!(fs::read(&there).expect("it"), b"precious");
    let run = split(&link, &["--force"]);
    assert_eq!((run.err.as_str(), run.code), ("", Some(0)));
    assert_eq!(
        fs::read_link(&link).expect("a link").to_str(),
        Some("between")
    );
    assert!(fs::read(&there).expect("it").len() > 100);

    // One that leads nowhere is made to lead somewhere, as tidrec makes it.
    let nowhere = folder.path("nowhere");
    symlink(elsewhere.path("new"), &nowhere).expect("a link");
    assert_eq!(split(&nowhere, &[]).code, Some(0));
    assert!(fs::read(elsewhere.path("new")).is_ok());

    // One that leads to what is read is refused.
    let own = folder.path("own");
    symlink("t.tid", &own).expect("a link");
    let run = split(&own, &["--force"]);
    let words = format!("tidview: {own} is what is read: name another file to write\n");
    assert_eq!((run.err, run.code), (words, Some(2)));
    let left = fs::read_dir(elsewhere.path(""))
        .expect("the folder")
        .count();
    assert_eq!(left, 2, "nothing else is left behind");
}
