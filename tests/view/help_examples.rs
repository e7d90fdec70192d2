//! Every `--help` ends with examples, and each of them runs as it stands.

use std::fs;
use std::path::Path;

use tidline::format::{Header, Writer};
use tidline::model::{
    Definition, EventBody, Frame, FrameId, StackEnd, StackId, StackNode, Time, Trust,
};

use crate::made::{everything, header};
use crate::support::{command, prints};

/// A folder with the files that the examples name. Their times are those of a recording of ten minutes.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mut events = everything();
    for event in &mut events {
        event.time.0 *= 6_000;
        if let EventBody::Birth(birth) = &mut event.body {
            birth.stack = Some(StackId(0));
        }
    }
    let frame = Frame {
        module: None,
        address: 0x1234,
        trust: Trust::Register,
    };
    let node = StackNode {
        up: None,
        frame: FrameId(0),
        end: StackEnd::Bottom,
    };
    let code = [
        Definition::Frame(FrameId(0), frame),
        Definition::Stack(StackId(0), node),
    ];
    let recording = |change: fn(&mut Header)| {
        let mut header = header();
        header.boot_id = "b007".into();
        change(&mut header);
        let mut writer = Writer::start(Vec::new(), &header).unwrap();
        for definition in &code {
            writer.define(definition).unwrap();
        }
        for event in &events {
            writer.push(event).unwrap();
        }
        let end = Time(600_000_000_000);
        writer.finish(end, "the target ended", &[]).unwrap()
    };
    let server = recording(|_| {});
    let worker = recording(|header| header.trace_id = 2);
    for (name, bytes) in [
        ("server.tid", &server),
        ("worker.tid", &worker),
        ("front.tid", &server),
        ("back.tid", &server),
        ("later.tid", &server),
        ("more.tid", &server),
        ("most.tid", &server),
    ] {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    dir
}

/// The examples of a command: what is typed, without what it is for.
fn examples(command: &str) -> Vec<String> {
    let args = [command, "--help"];
    let args = if command.is_empty() {
        &args[1..]
    } else {
        &args
    };
    let help = prints(args);
    let examples = help.split("\nExamples:\n").nth(1);
    let examples = examples.unwrap_or_else(|| panic!("{command}: no examples"));
    let lines = examples.lines();
    let lines = lines.take_while(|line| line.starts_with("  "));
    let typed = lines.map(|line| line.trim_start().split("   ").next().unwrap());
    typed.map(str::to_string).collect()
}

/// The commands that `tidview --help` lists.
fn commands() -> Vec<String> {
    let help = prints(&["--help"]);
    let list = help.split("\nCommands:\n").nth(1).unwrap();
    let list = list.split("\n\n").next().unwrap();
    let names = list
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let names = names.filter(|name| *name != "help");
    names.map(str::to_string).collect()
}

/// The words of a command line, as a shell takes them apart.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for (part, quoted) in line.split('\'').zip([false, true].into_iter().cycle()) {
        match quoted {
            true => words.push(part.into()),
            false => words.extend(part.split_whitespace().map(Into::into)),
        }
    }
    words
}

fn runs(dir: &Path, line: &str) {
    // What follows is the shell's.
    let words = words(line).into_iter();
    let words: Vec<String> = words
        .take_while(|word| !["&&", ">"].contains(&word.as_str()))
        .collect();
    assert_eq!(words[0], "tidview", "{line}");
    let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    let output = command(&args).current_dir(dir).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    // Here is no terminal; that it plays on one has tests of its own.
    let is_played = words[1] == "replay" && said.contains("replay draws on a terminal");
    let code = if is_played { 2 } else { 0 };
    assert_eq!(output.status.code(), Some(code), "{line}: {said}");
}

#[test]
fn every_example_runs() {
    let commands = commands();
    assert!(commands.len() >= 7, "{commands:?}");
    for command in [String::new()].iter().chain(&commands) {
        let examples = examples(command);
        assert!(examples.len() >= 3, "{command}: {examples:?}");
        // Each finds what the ones before it wrote, as when they are typed one after the other.
        let dir = folder();
        for example in &examples {
            runs(dir.path(), example);
        }
    }
}

#[test]
fn help_tells_the_exit_codes_and_the_version() {
    assert!(prints(&["--help"]).contains("Exit codes: 0 fine, 1 `check` found damage or loss, `"));
    let version = format!("tidview {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(prints(&["--version"]), version);
}
