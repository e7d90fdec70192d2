//! The look-up beside children of all kinds: this test program, as tidrec would be, and worse ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tidline::model::{ModuleId, Pid, SymbolSource, Trust};

use super::*;

const SOON: Duration = Duration::from_secs(60);

/// What the child is: not a test.
#[test]
#[ignore = "it is the child of the others"]
fn child_of_these_tests() {
    let stdin = fs::read_link("/proc/self/fd/0").unwrap_or_default();
    if stdin.to_string_lossy().starts_with("socket:") {
        let _ = run_child();
    }
}

const CHILD: &str = "symbols::tests::child_of_these_tests";

fn this() -> PathBuf {
    std::env::current_exe().expect("a program")
}

fn child() -> Program {
    Program::of(
        this().as_os_str(),
        &["--ignored", "--exact", CHILD, "--nocapture"],
    )
}

fn shell(script: &str) -> Program {
    Program::of("/bin/sh".as_ref(), &["-c", script])
}

fn module(path: &Path) -> Module {
    Module {
        path: path.to_str().expect("UTF-8").into(),
        build_id: Box::default(),
        seen: (Pid(1), 0, 0),
    }
}

fn at(address: u64) -> Frame {
    Frame {
        module: Some(ModuleId(0)),
        address,
        trust: Trust::Argument,
    }
}

fn open(path: &Path) -> Option<Arc<File>> {
    Some(Arc::new(File::open(path).expect("a file")))
}

#[inline(never)]
fn first_marked_function() -> u32 {
    std::hint::black_box(1)
}

#[inline(never)]
fn second_marked_function() -> u32 {
    std::hint::black_box(2)
}

/// Where two functions of this program are.
fn places() -> [u64; 2] {
    assert_eq!(first_marked_function() + second_marked_function(), 3);
    let listed = Command::new("nm").arg(this()).output().expect("nm");
    let listed = String::from_utf8(listed.stdout).expect("UTF-8");
    ["first_marked_function", "second_marked_function"].map(|name| {
        let line = listed.lines().find(|line| line.contains(name));
        let address = line.expect(name).split(' ').next().unwrap_or_default();
        u64::from_str_radix(address, 16).expect("an address")
    })
}

/// Wants both functions of this program.
fn want_both(symbols: &mut Symbols) {
    for (number, address) in places().into_iter().enumerate() {
        let file = open(&this());
        symbols.want(FrameId(number as u32), at(address), &module(&this()), file);
    }
}

fn expect_both(mut found: Vec<(FrameId, Symbol)>) {
    found.sort_by_key(|(frame, _)| *frame);
    let names = ["first_marked_function", "second_marked_function"];
    assert_eq!(found.len(), names.len(), "{found:?}");
    for ((number, name), (frame, symbol)) in names.into_iter().enumerate().zip(found) {
        assert_eq!(frame, FrameId(number as u32));
        assert_eq!(symbol.source, SymbolSource::DebugInfo, "{symbol:?}");
        let function = symbol.functions.last().expect("a function");
        assert!(function.name.to_string().ends_with(name), "{function:?}");
        assert!(function.file.to_string().ends_with("symbols/tests.rs"));
    }
}

fn wait_for(symbols: &mut Symbols, count: usize) -> Vec<(FrameId, Symbol)> {
    let since = Instant::now();
    let mut found = Vec::new();
    while found.len() < count {
        assert!(since.elapsed() < SOON, "{found:?}");
        std::thread::sleep(Duration::from_millis(5));
        found.extend(symbols.take());
    }
    found
}

#[test]
fn symbols_come_while_recording_goes_on() {
    let mut symbols = Symbols::with(SymbolMode::Record, child());
    want_both(&mut symbols);
    expect_both(wait_for(&mut symbols, 2));
    assert_eq!(symbols.finish((SOON, SOON), || false), (vec![], 0));
}

#[test]
fn symbols_come_at_the_end() {
    for mode in [SymbolMode::Record, SymbolMode::End] {
        let mut symbols = Symbols::with(mode, child());
        want_both(&mut symbols);
        if mode == SymbolMode::End {
            assert!(!symbols.started);
            assert_eq!(symbols.take(), []);
        }
        let (found, left) = symbols.finish((SOON, SOON), || false);
        assert_eq!(left, 0);
        expect_both(found);
    }
}

#[test]
fn without_being_wanted_none_comes() {
    let mut symbols = Symbols::with(SymbolMode::None, shell("exit 1"));
    want_both(&mut symbols);
    assert_eq!(symbols.finish((SOON, SOON), || false), (vec![], 0));
    let symbols = Symbols::with(SymbolMode::Record, shell("exit 1"));
    assert_eq!(symbols.finish((SOON, SOON), || false), (vec![], 0));
}

#[test]
fn what_is_no_file_has_no_symbol() {
    let mut symbols = Symbols::with(SymbolMode::Record, child());
    let elsewhere = module(Path::new("/nowhere/lib.so"));
    let mut known = elsewhere.clone();
    known.build_id = [1, 2, 3].into();
    symbols.want(FrameId(0), at(1), &module(Path::new("[vdso]")), None);
    symbols.want(FrameId(1), at(1), &elsewhere, None);
    symbols.want(FrameId(2), at(1), &known, None);
    let text = open(Path::new("/proc/self/mounts"));
    symbols.want(FrameId(3), at(1), &elsewhere, text);
    let (mut found, left) = symbols.finish((SOON, SOON), || false);
    found.sort_by_key(|(frame, _)| *frame);
    let nothing = Symbol {
        source: SymbolSource::Nothing,
        functions: Vec::new(),
    };
    let expected: Vec<_> = (0..4)
        .map(|number| (FrameId(number), nothing.clone()))
        .collect();
    assert_eq!((found, left), (expected, 0));
}

#[test]
fn a_child_that_comes_to_harm_harms_nobody() {
    for script in [
        "kill -9 $$",
        "exit 0",
        "printf 'This is no answer at all.' >&0; sleep 100",
        "exec /nowhere/at/all",
    ] {
        let mut symbols = Symbols::with(SymbolMode::Record, shell(script));
        want_both(&mut symbols);
        let since = Instant::now();
        // Another module is not the same harm.
        symbols.want(
            FrameId(7),
            at(1),
            &module(Path::new("/other")),
            open(&this()),
        );
        let (found, left) = symbols.finish((SOON, SOON), || false);
        assert_eq!((found, left), (vec![], 3), "{script}");
        assert!(since.elapsed() < Duration::from_secs(20), "{script}");
    }
    let mut symbols = Symbols::with(SymbolMode::Record, Program::of("/no/program".as_ref(), &[]));
    want_both(&mut symbols);
    assert_eq!(symbols.finish((SOON, SOON), || false), (vec![], 2));
}

/// As a whole control group gets SIGTERM when its service is stopped.
#[test]
fn a_child_that_is_killed_in_the_middle_is_started_again() {
    let flag = std::env::temp_dir().join(format!("tidline-symbols-{}", std::process::id()));
    let _ = fs::remove_file(&flag);
    let script = format!(
        "if [ -e {flag} ]; then exec {this} --ignored --exact {CHILD} --nocapture; \
         else : > {flag}; kill -TERM $$; fi",
        flag = flag.display(),
        this = this().display(),
    );
    let mut symbols = Symbols::with(SymbolMode::Record, shell(&script));
    want_both(&mut symbols);
    let found = wait_for(&mut symbols, 2);
    fs::remove_file(&flag).expect("the first child's mark");
    expect_both(found);
}

fn command_lines_with(word: &str) -> usize {
    let entries = fs::read_dir("/proc").expect("/proc").flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines
        .filter(|line| String::from_utf8_lossy(line).contains(word))
        .count()
}

#[test]
fn a_child_that_never_answers_is_left_and_ended() {
    let word = format!("98765.{}", std::process::id());
    let mut symbols = Symbols::with(SymbolMode::Record, shell(&format!("exec sleep {word}")));
    want_both(&mut symbols);
    let since = Instant::now();
    while command_lines_with(&word) == 0 {
        assert!(since.elapsed() < SOON);
    }
    let since = Instant::now();
    assert_eq!(
        symbols.finish(
            (Duration::from_millis(300), Duration::from_millis(400)),
            || false
        ),
        (vec![], 2)
    );
    assert!(since.elapsed() < Duration::from_secs(5));
    while command_lines_with(&word) > 0 {
        assert!(since.elapsed() < SOON, "it still runs");
    }
}

#[test]
fn names_that_a_jit_compiler_lists_later_come_at_the_end() {
    let folder = std::env::temp_dir().join(format!("tidline-jit-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("perf-77.map");
    fs::write(&path, "1000 10 early\n").expect("a file");
    let mut symbols = Symbols::with(SymbolMode::Record, child());
    symbols.want(FrameId(0), at(0x1004), &module(&path), open(&path));
    symbols.want(FrameId(1), at(0x2004), &module(&path), open(&path));
    let name = |symbol: &Symbol| symbol.functions[0].name.to_string();
    let found = wait_for(&mut symbols, 1);
    assert_eq!(
        (found[0].0, name(&found[0].1).as_str()),
        (FrameId(0), "early")
    );
    fs::write(&path, "1000 10 early\n2000 10 late\n").expect("a file");
    // The process has ended, and its list is gone; the file is open.
    fs::remove_file(&path).expect("a file");
    fs::remove_dir(&folder).expect("a folder");
    let (found, left) = symbols.finish((SOON, SOON), || false);
    assert_eq!((found.len(), left), (1, 0));
    assert_eq!(
        (found[0].0, name(&found[0].1).as_str()),
        (FrameId(1), "late")
    );
    assert_eq!(found[0].1.source, SymbolSource::JitMap);
}
