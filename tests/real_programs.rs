//! Programs that people run, beside the kernel's own account: each creation that the scheduler's
//! tracepoints saw below the command is in the trace, and no other; and the command does what it
//! does without a recorder.

#![cfg(target_os = "linux")]

mod support;
#[path = "support/trace.rs"]
mod trace;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use support::{Child, PerfOracle, TempDir, descendants, need, program};
use trace::{births, check, differences, may_trace, open, tidrec};

/// A JVM beside a recorder on a busy machine takes its time.
const LONG: Duration = Duration::from_secs(120);

/// Runs a command with and without tidrec. What it prints must be the same, except for lines that
/// begin with one of the words.
fn compare(name: &str, command: &[&str], code: i32, folder: &Path, varying: &[&str]) {
    let dir = TempDir::new();
    let (file, log) = (dir.join("trace"), dir.join("log"));
    let run = |front: &mut Command| {
        let mut child = Child::spawn(front.current_dir(folder).env("LOG", &log));
        let stdout = child.expect_exit(code, LONG);
        (stdout, child.stderr())
    };
    let (alone, said) = run(Command::new(command[0]).args(&command[1..]));
    let Some(oracle) = need(PerfOracle::start(dir.path())) else {
        return;
    };
    let (stdout, stderr) = run(tidrec()
        .arg("-q")
        .arg("-o")
        .arg(&file)
        .arg("--")
        .args(command));
    let forks = oracle.stop().expect("a whole recording");

    let same = |text: &str| -> Vec<String> {
        let lines = text.lines();
        let lines = lines.filter(|line| !varying.iter().any(|word| line.starts_with(word)));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(same(&stdout), same(&alone), "{name}");
    assert_eq!(same(&stderr), same(&said), "{name}");

    let trace = open(&file);
    assert_eq!(check(&trace), [], "{name}: alive at the end");
    let (seen, recorded) = (
        descendants(&forks, trace.header().targets[0].pid),
        births(&trace),
    );
    let (missed, invented) = differences(&seen, &recorded);
    assert_eq!((missed, invented), (vec![], vec![]), "{name}");
    let threads = seen.iter().filter(|made| made.kind == "thread").count();
    eprintln!(
        "{name}: {} events; {} creations compared: {threads} threads and {} processes",
        trace.events().len(),
        seen.len(),
        seen.len() - threads
    );
    assert!(!seen.is_empty(), "{name} made nothing");
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("testdata/programs"))
        .find(|folder| folder.is_dir())
        .expect("testdata/programs is in the workspace")
}

/// Whether a program is installed.
fn is_there(words: &[&str]) -> bool {
    let output = Command::new(words[0]).args(&words[1..]).output();
    need(match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{words:?}: {}", output.status)),
        Err(error) => Err(format!("{words:?}: {error}")),
    })
    .is_some()
}

#[test]
fn python() {
    if !may_trace() || !is_there(&["python3", "--version"]) {
        return;
    }
    let script = here().join("pool.py");
    let script = script.to_str().expect("a path");
    compare("python3", &["python3", script], 4, &here(), &[]);
}

#[test]
fn java() {
    if !may_trace() || !is_there(&["javac", "-version"]) || !is_there(&["java", "-version"]) {
        return;
    }
    let dir = TempDir::new();
    let status = Command::new("javac")
        .arg("-d")
        .arg(dir.path())
        .arg(here().join("Threads.java"))
        .status()
        .expect("run javac");
    assert!(status.success());
    let command = ["java", "-cp", ".", "Threads", "200"];
    compare("java", &command, 9, dir.path(), &[]);
}

#[test]
fn make() {
    if !may_trace() || !is_there(&["make", "--version"]) || !is_there(&["cc", "--version"]) {
        return;
    }
    let dir = TempDir::new();
    let write = |name: &str, text: &str| {
        std::fs::write(dir.join(name), text).expect("write a source");
    };
    let mut objects = String::new();
    let mut calls = String::new();
    for part in 0..6 {
        write(
            &format!("part{part}.c"),
            &format!("int part{part}(void) {{ return {part}; }}\n"),
        );
        objects += &format!(" part{part}.o");
        calls += &format!(" + part{part}()");
    }
    let heads: String = (0..6)
        .map(|part| format!("int part{part}(void);\n"))
        .collect();
    let main = format!("{heads}int main(void) {{ return 0{calls}; }}\n");
    write("main.c", &main);
    write(
        "Makefile",
        &format!(
            "all: program\n\t@./program; echo \"it returns $$?\"\n\
             program: main.o{objects}\n\t@cc -o $@ $^\n\
             %.o: %.c\n\t@cc -c -o $@ $<\n\
             clean:\n\t@rm -f program *.o\n"
        ),
    );
    // Each run cleans up before, so that both have all to do.
    let command = ["sh", "-c", "make -s clean && make -s -j2 all"];
    compare("make -j2", &command, 0, dir.path(), &[]);
}

#[test]
fn shell_pipelines() {
    if may_trace() {
        let script = "for i in 1 2 3 4 5; do seq $i 500 | grep 7 | sort -r | head -n 1; done; \
                      (exit 3) | cat; x=$(echo sub | tr a-z A-Z); echo $x; \
                      sleep 0.01 & wait $!; exit 6";
        compare("sh", &["sh", "-c", script], 6, &here(), &[]);
    }
}

#[test]
fn an_exec_from_another_thread() {
    if may_trace() {
        let path = program("execer");
        let command = [path.to_str().expect("a path"), "5"];
        compare("execer", &command, 7, &here(), &["before", "after"]);
    }
}

#[test]
fn thousands_of_threads() {
    if may_trace() {
        let path = program("joiner");
        let command = [path.to_str().expect("a path"), "4000"];
        compare("joiner", &command, 0, &here(), &["loop_ns"]);
    }
}

trace::also_by_perf! {
    python
    java
    make
    shell_pipelines
    an_exec_from_another_thread
    thousands_of_threads
}
