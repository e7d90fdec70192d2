//! Symbols of real programs, compared with what binutils' addr2line(1) says of every instruction.
#![cfg(target_os = "linux")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use support::{TempDir, need};
use tidline::model::{Symbol, SymbolSource, Trust};
use tidline::symbolize::{SymbolizeError, Symbolizer};

/// With an inlined function, one in two pieces (DW_AT_ranges), and a static one.
const C: &str = r#"
#include <stdio.h>
#include <stdlib.h>
volatile int sink;
static inline __attribute__((always_inline)) int twice(int x) {
    sink = x;
    return x * 2;
}
static inline __attribute__((always_inline)) int four_times(int x) {
    int y = twice(x);
    sink = y;
    return twice(y);
}
__attribute__((cold, noinline)) void complain(int x) {
    fprintf(stderr, "complain %d\n", x);
}
__attribute__((noinline)) int pieces(int x) {
    if (__builtin_expect(x == 77, 0)) {
        complain(x);
        sink = four_times(x);
        abort();
    }
    return four_times(x) + sink;
}
static __attribute__((noinline)) int hidden(int x) {
    return pieces(x) + pieces(x + sink);
}
int main(int argc, char **argv) {
    (void)argv;
    return hidden(argc) + pieces(argc);
}
"#;

const CPP: &str = r#"
#include <thread>
#include <string>
volatile int sink;
namespace pool {
template <typename T> struct Worker {
    T value;
    __attribute__((noinline)) explicit Worker(T it) : value(it) { sink = (int)it; }
    inline __attribute__((always_inline)) T half() { sink = 1; return value / 2; }
    __attribute__((noinline)) T run(const std::string &name) { sink = (int)name.size(); return half() + half(); }
};
}
namespace {
__attribute__((noinline)) int helper(int x) { sink = x; return x + sink; }
}
static __attribute__((noinline)) int own(int x) { sink = x; return helper(x) + sink; }
int main(int argc, char **) {
    pool::Worker<double> a(argc);
    pool::Worker<long> b(argc);
    std::string name(argc, 'x');
    auto work = [&](int more) __attribute__((noinline)) { return own(more) + (int)b.run(name); };
    return work(argc) + (int)a.run(name);
}
"#;

fn run(command: &mut Command) -> Result<String, String> {
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("{command:?}: {}\n{stderr}", output.status));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn compile(
    dir: &TempDir,
    compiler: &str,
    source: (&str, &str),
    options: &[&str],
) -> Result<PathBuf, String> {
    let path = dir.join(source.0);
    fs::write(&path, source.1).expect("a source");
    let out = path.with_extension("");
    run(Command::new(compiler)
        .args(options)
        .arg(&path)
        .arg("-o")
        .arg(&out))?;
    Ok(out)
}

fn compile_c(dir: &TempDir, options: &[&str]) -> PathBuf {
    let all = [&["-O2", "-Wl,--build-id"], options].concat();
    compile(dir, "cc", ("program.c", C), &all).expect("a C compiler")
}

fn objcopy(args: &[&str]) {
    run(Command::new("objcopy").args(args)).expect("objcopy");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of UTF-8")
}

/// The functions that nm lists: name, address, size.
fn functions(file: &Path) -> BTreeMap<String, (u64, u64)> {
    let listed = run(Command::new("nm").args(["-S", "--defined-only"]).arg(file)).expect("nm");
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let [address, size, kind, name] = words[..] else {
            return None;
        };
        let hex = |digits| u64::from_str_radix(digits, 16).ok();
        let found = (name.to_owned(), (hex(address)?, hex(size)?));
        matches!(kind, "t" | "T" | "w" | "W").then_some(found)
    };
    listed.lines().filter_map(line).collect()
}

fn exactly(address: u64) -> (u64, Trust) {
    (address, Trust::Argument)
}

fn build_id(file: &Path) -> Vec<u8> {
    let notes = run(Command::new("readelf").arg("-n").arg(file)).expect("readelf");
    let id = notes.split("Build ID: ").nth(1).expect("a build-id");
    let id = id.split_whitespace().next().expect("a build-id");
    let byte = |index| u8::from_str_radix(&id[index..index + 2], 16).expect("hexadecimal");
    (0..id.len()).step_by(2).map(byte).collect()
}

/// Function, file and line, the innermost first.
type Told = Vec<(String, String, Option<u32>)>;

fn told(symbol: &Symbol) -> Told {
    let function =
        |it: &tidline::model::Function| (it.name.to_string(), it.file.to_string(), it.line);
    symbol.functions.iter().map(function).collect()
}

fn names(symbols: &[Symbol]) -> Vec<Vec<String>> {
    let all = symbols.iter().map(told);
    all.map(|all| all.into_iter().map(|(name, ..)| name).collect())
        .collect()
}

/// What addr2line says.
fn oracle(file: &Path, addresses: &[u64]) -> Vec<Told> {
    let mut command = Command::new("addr2line");
    command.args(["-a", "-f", "-i", "-C", "-e"]).arg(file);
    command.args(addresses.iter().map(|at| format!("{at:#x}")));
    let printed = run(&mut command).expect("addr2line");
    let mut all: Vec<Told> = Vec::new();
    let mut lines = printed.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("0x") {
            all.push(Told::new());
            continue;
        }
        let place = lines.next().expect("a line for each function");
        let place = place.split(" (").next().unwrap_or_default();
        let (file, number) = place.rsplit_once(':').expect("file:line");
        let told = (line.to_owned(), file.to_owned(), number.parse().ok());
        all.last_mut().expect("an address").push(told);
    }
    all
}

/// Compares what is told of each byte of these functions.
fn compare(file: &Path, ranges: &[(u64, u64)]) {
    let addresses: Vec<u64> = ranges
        .iter()
        .flat_map(|(start, size)| *start..start + size)
        .collect();
    assert!(addresses.len() > 50, "{addresses:?}");
    let places: Vec<_> = addresses.iter().copied().map(exactly).collect();
    let symbols = Symbolizer::new(&[]).module(file, &build_id(file), &places);
    let symbols = symbols.expect("a sound file");
    for ((address, symbol), expected) in
        addresses.iter().zip(&symbols).zip(oracle(file, &addresses))
    {
        assert_eq!(symbol.source, SymbolSource::DebugInfo, "{address:#x}");
        assert_eq!(told(symbol), expected, "{address:#x}");
    }
}

#[test]
fn inlined_functions_and_one_in_two_pieces() {
    for options in [
        &["-g"][..],
        &["-gdwarf-4"],
        &["-g", "-gz"],
        &["-g", "-fno-pie", "-no-pie"],
    ] {
        let dir = TempDir::new();
        let program = compile_c(&dir, options);
        let all = functions(&program);
        let wanted = ["main", "hidden", "pieces", "pieces.cold", "complain"];
        let ranges: Vec<_> = wanted
            .iter()
            .filter_map(|name| all.get(*name).copied())
            .collect();
        assert!(ranges.len() >= 4, "{options:?}: {all:?}");
        compare(&program, &ranges);
    }
}

#[test]
fn names_of_cpp() {
    let dir = TempDir::new();
    let options = ["-g", "-O2", "-Wl,--build-id"];
    let Some(program) = need(compile(&dir, "c++", ("program.cc", CPP), &options)) else {
        return;
    };
    let all = functions(&program);
    let ranges: Vec<_> = all
        .iter()
        .filter(|(name, _)| {
            ["Worker", "helper", "own", "main"]
                .iter()
                .any(|it| name.contains(it))
        })
        .filter(|(name, _)| !name.contains("libc"))
        .map(|(_, range)| *range)
        .collect();
    assert!(ranges.len() >= 6, "{all:?}");
    let starts: Vec<_> = ranges.iter().map(|range| exactly(range.0)).collect();
    let symbols = Symbolizer::new(&[]).module(&program, &[], &starts);
    let mut outer: Vec<String> = names(&symbols.expect("a sound file"))
        .into_iter()
        .filter_map(|mut names| names.pop())
        .collect();
    outer.sort();
    outer.dedup();
    let expected = [
        "(anonymous namespace)::helper(int)",
        "main",
        "main::{lambda(int)#1}::operator()(int) const",
        "own(int)",
        "pool::Worker<double>::Worker(double)",
        "pool::Worker<double>::run(",
        "pool::Worker<long>::Worker(long)",
        "pool::Worker<long>::run(",
    ];
    assert_eq!(outer.len(), expected.len(), "{outer:#?}");
    for (outer, expected) in outer.iter().zip(expected) {
        assert!(outer.starts_with(expected), "{outer} {expected}");
    }
    // Each is the same without debug information.
    let bare = dir.join("bare");
    objcopy(&["--strip-debug", text(&program), text(&bare)]);
    let symbols = Symbolizer::new(&[]).module(&bare, &[], &starts);
    let mut stripped: Vec<String> = names(&symbols.expect("a sound file")).concat();
    stripped.sort();
    stripped.dedup();
    assert_eq!(stripped, outer);
}

#[inline(always)]
fn inlined_here(input: &str) -> usize {
    std::hint::black_box(input).len() // The line of this.
}

#[inline(never)]
fn a_function_of_this_test(input: &str) -> usize {
    inlined_here(input) + std::hint::black_box(1)
}

/// This test is a program in Rust, with debug information.
#[test]
fn names_of_rust() {
    assert_eq!(a_function_of_this_test("four"), 5);
    let this = std::env::current_exe().expect("a program");
    let all = functions(&this);
    let find = |part: &str| {
        let found = all.iter().find(|(name, _)| name.contains(part));
        *found.expect("a function").1
    };
    compare(&this, &[find("a_function_of_this_test")]);
    let (start, _) = find("names_of_rust");
    let symbols = Symbolizer::new(&[]).module(&this, &[], &[exactly(start)]);
    let told = told(&symbols.expect("a sound file")[0]);
    let (name, file, line) = told.last().expect("a function");
    assert!(name.starts_with("symbols::names_of_rust"), "{told:?}");
    assert!(file.ends_with("tests/symbols.rs"), "{told:?}");
    assert!(line.is_some_and(|line| line > 1), "{told:?}");
}

#[test]
fn a_return_address_is_of_the_call_before_it() {
    let dir = TempDir::new();
    let program = compile_c(&dir, &["-g"]);
    let (start, size) = functions(&program)["complain"];
    let at = |address, trust| (address, trust);
    let places = [
        at(start + size, Trust::Cfi),
        at(start + size, Trust::FramePointer),
        at(start, Trust::Register),
        at(start, Trust::Argument),
        at(start, Trust::Cfi),
        at(0, Trust::Cfi),
        at(u64::MAX, Trust::Register),
        at(u64::MAX, Trust::Other(9)),
    ];
    let symbols = Symbolizer::new(&[]).module(&program, &[], &places);
    let names = names(&symbols.expect("a sound file"));
    assert_eq!(&names[..4], vec![vec!["complain"]; 4]);
    assert_ne!(names[4], ["complain"]);
    assert!(names[5..].iter().all(Vec::is_empty), "{names:?}");
}

/// `start` of a library is `__start_2_1` in its source, and was another function before.
#[test]
fn the_exported_name_is_the_one_that_is_shown() {
    const LIBRARY: &str = r#"
__asm__(".symver __start_2_0, start@V_1");
__asm__(".symver __start_2_1, start@@V_2");
int __start_2_0(int x) { return x + 1; }
int __start_2_1(int x) { return x + 2; }
int __other(int x) { return x + 3; }
extern __typeof(__other) other __attribute__((alias("__other")));
extern __typeof(__other) _IO_other __attribute__((alias("__other")));
static __attribute__((noinline, used)) int __inner(int x) { return x + 4; }
"#;
    let dir = TempDir::new();
    fs::write(
        dir.join("map"),
        "V_1 { global: start; other; _IO_other; local: *; };\nV_2 { global: start; } V_1;\n",
    )
    .expect("a version script");
    let script = format!("-Wl,--version-script={}", text(&dir.join("map")));
    let options = ["-shared", "-fPIC", "-O1", "-g", script.as_str()];
    let full = compile(&dir, "cc", ("library.c", LIBRARY), &options).expect("a C compiler");
    let all = functions(&full);
    let place = |name: &str| {
        let found = all
            .iter()
            .find(|(known, _)| known.split('@').next() == Some(name));
        exactly(found.expect(name).1.0)
    };
    let places = [
        place("__start_2_0"),
        place("__start_2_1"),
        place("other"),
        place("__inner"),
    ];
    let look = |file: &Path| {
        let symbols = Symbolizer::new(&[]).module(file, &[], &places);
        names(&symbols.expect("a sound file")).concat()
    };
    let shown = ["start", "start", "other", "__inner"];
    assert_eq!(look(&full), shown);
    let bare = dir.join("bare");
    objcopy(&["--strip-debug", text(&full), text(&bare)]);
    assert_eq!(look(&bare), shown);
    objcopy(&["--strip-all", text(&full), text(&bare)]);
    assert_eq!(look(&bare), shown[..3]);
}

#[test]
fn pthread_create_of_this_system() {
    let maps = fs::read_to_string("/proc/self/maps").expect("maps");
    let libc = maps.lines().find_map(|line| {
        let path = &line[line.find('/')?..];
        path.contains("/libc.so").then(|| PathBuf::from(path))
    });
    let libc = libc.ok_or_else(|| "this program has no libc.so".to_owned());
    let Some(libc) = need(libc) else { return };
    let listed = run(Command::new("nm").arg("-D").arg(&libc)).expect("nm");
    let line = listed
        .lines()
        .find(|line| line.contains(" T pthread_create@@"));
    let Some(line) = need(line.ok_or_else(|| "an older libc".to_owned())) else {
        return;
    };
    let address = u64::from_str_radix(&line[..16], 16).expect("an address");
    let symbols = Symbolizer::new(&[]).module(&libc, &[], &[exactly(address)]);
    let names = names(&symbols.expect("a sound file"));
    assert_eq!(names, [["pthread_create"]]);
}

/// A program without its debug information, and the file with it.
fn separated(dir: &TempDir) -> (PathBuf, PathBuf, PathBuf) {
    let full = compile_c(dir, &["-g"]);
    let (bare, debug) = (dir.join("bare"), dir.join("program.debug"));
    objcopy(&["--only-keep-debug", text(&full), text(&debug)]);
    objcopy(&["--strip-all", text(&full), text(&bare)]);
    (full, bare, debug)
}

fn linked(bare: &Path, debug: &Path) -> PathBuf {
    let linked = bare.with_file_name("linked");
    let link = format!("--add-gnu-debuglink={}", text(debug));
    objcopy(&[&link, text(bare), text(&linked)]);
    linked
}

fn move_to(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
    fs::rename(from, to).expect("a place");
}

/// What a symbolizer of these folders says of two functions in a file.
fn look(file: &Path, dirs: &[PathBuf], places: &[(u64, Trust)]) -> (Vec<Symbol>, Vec<String>) {
    let mut symbolizer = Symbolizer::new(dirs);
    let symbols = symbolizer.module(file, &build_id(file), places);
    (symbols.expect("a sound file"), symbolizer.remarks())
}

#[test]
fn separate_debug_files() {
    let dir = TempDir::new();
    let (full, bare, debug) = separated(&dir);
    let all = functions(&full);
    let places: Vec<_> = ["pieces", "hidden"]
        .map(|name| exactly(all[name].0))
        .to_vec();
    let (expected, _) = look(&full, &[], &places);
    assert!(
        expected
            .iter()
            .all(|it| it.source == SymbolSource::DebugInfo)
    );
    // Without it there is nothing.
    let store = dir.join("store");
    let dirs = [store.clone()];
    let (symbols, remarks) = look(&bare, &dirs, &places);
    let nothing = Symbol {
        source: SymbolSource::Nothing,
        functions: Vec::new(),
    };
    assert_eq!(symbols, [nothing.clone(), nothing.clone()]);
    assert_eq!(remarks, [""; 0]);

    let id = build_id(&full)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>();
    let by_id = store
        .join(".build-id")
        .join(&id[..2])
        .join(format!("{}.debug", &id[2..]));
    let linked = linked(&bare, &debug);
    let folder = fs::canonicalize(dir.path()).expect("a folder");
    let below: PathBuf = folder.components().skip(1).collect();
    for (file, place) in [
        (&bare, by_id),
        (&linked, dir.join("program.debug")),
        (&linked, dir.join(".debug/program.debug")),
        (&linked, store.join("program.debug")),
        (&linked, store.join(below).join("program.debug")),
    ] {
        if place != debug {
            move_to(&debug, &place);
        }
        let found = look(file, &dirs, &places);
        assert_eq!(found, (expected.clone(), vec![]), "{}", place.display());
        // A file that is open has no other name than its number.
        let open = fs::File::open(file).expect("a file");
        let number = std::os::fd::AsRawFd::as_raw_fd(&open);
        let by_number = PathBuf::from(format!("/proc/self/fd/{number}"));
        let mut symbolizer = Symbolizer::new(&dirs);
        let found = symbolizer.module(&by_number, &build_id(file), &places);
        assert_eq!(
            found.expect("a sound file"),
            expected,
            "{}",
            place.display()
        );
        if place != debug {
            move_to(&place, &debug);
        }
    }
    // Of another build: refused, wherever it is.
    let other = TempDir::new();
    let (_, _, wrong) = {
        fs::write(other.join("x"), "").expect("a file");
        let full = compile_c(&other, &["-g", "-DOTHER", "-O1"]);
        let wrong = other.join("program.debug");
        objcopy(&["--only-keep-debug", text(&full), text(&wrong)]);
        (full, 0, wrong)
    };
    fs::copy(&wrong, &debug).expect("a copy");
    let (symbols, remarks) = look(&linked, &dirs, &places);
    assert_eq!(symbols, [nothing.clone(), nothing]);
    let refused = format!(
        "{} is of another build (",
        text(&folder.join("program.debug"))
    );
    assert!(
        remarks.len() == 1 && remarks[0].starts_with(&refused),
        "{remarks:?}"
    );
}

#[test]
fn without_a_build_id_the_checksum_decides() {
    let dir = TempDir::new();
    let (full, bare, debug) = separated(&dir);
    for file in [&bare, &debug] {
        objcopy(&["--remove-section=.note.gnu.build-id", text(file)]);
    }
    let linked = linked(&bare, &debug);
    let place = exactly(functions(&full)["pieces"].0);
    let look = || {
        let mut symbolizer = Symbolizer::new(&[dir.join("none")]);
        let symbols = symbolizer.module(&linked, &[], &[place]);
        symbols.expect("a sound file")[0].source
    };
    assert_eq!(look(), SymbolSource::DebugInfo);
    let mut bytes = fs::read(&debug).expect("a file");
    bytes.push(0);
    fs::write(&debug, bytes).expect("a file");
    assert_eq!(look(), SymbolSource::Nothing);
}

#[test]
fn another_build_is_refused() {
    let dir = TempDir::new();
    let program = compile_c(&dir, &["-g"]);
    let place = exactly(functions(&program)["main"].0);
    let result = Symbolizer::new(&[]).module(&program, &[0xab; 20], &[place]);
    let error = result.expect_err("another build");
    assert!(matches!(error, SymbolizeError::OtherBuild { .. }));
    let words = error.to_string();
    assert!(words.contains("its build-id is "), "{words}");
    assert!(words.ends_with("abab is wanted"), "{words}");
}

#[test]
fn what_is_no_file_or_no_elf_file_is_an_error() {
    let dir = TempDir::new();
    let file = dir.join("file");
    let look = |path: &Path| {
        let result = Symbolizer::new(&[]).module(path, &[], &[exactly(0x1000)]);
        result.expect_err("no symbols").to_string()
    };
    assert!(look(&file).contains("cannot open"));
    assert!(look(dir.path()).contains("no regular file"));
    assert!(look(Path::new("/dev/zero")).contains("no regular file"));
    for bytes in [&b""[..], b"\x7fELF", b"#!/bin/sh\n", &[0; 4096]] {
        fs::write(&file, bytes).expect("a file");
        assert!(look(&file).contains("it is no ELF file"), "{bytes:?}");
    }
}

/// Every length, and thousands of changed bytes: an error, or some symbols.
#[test]
fn damaged_files_end_in_an_error_or_in_fewer_symbols() {
    let dir = TempDir::new();
    let program = compile_c(&dir, &["-g"]);
    let all = functions(&program);
    let places: Vec<_> = ["main", "pieces", "hidden", "complain"]
        .map(|name| exactly(all[name].0))
        .to_vec();
    let sound = fs::read(&program).expect("a file");
    let damaged = dir.join("damaged");
    let mut outcomes = (0, 0, 0);
    let mut look = |bytes: &[u8]| {
        fs::write(&damaged, bytes).expect("a file");
        match Symbolizer::new(&[]).module(&damaged, &[], &places) {
            Ok(symbols) => {
                assert_eq!(symbols.len(), places.len());
                let named = symbols.iter().filter(|it| !it.functions.is_empty());
                match named.count() {
                    4 => outcomes.0 += 1,
                    _ => outcomes.1 += 1,
                }
            }
            Err(SymbolizeError::Elf { .. }) => outcomes.2 += 1,
            Err(error) => panic!("{error}"),
        }
    };
    for length in (0..sound.len()).step_by(97) {
        look(&sound[..length]);
    }
    let mut random = 1u64;
    for _ in 0..1500 {
        let mut bytes = sound.clone();
        for _ in 0..8 {
            random = random
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            let at = (random >> 33) as usize;
            // The headers at the front and at the back matter most.
            let at = match random % 3 {
                0 => at % 64,
                1 => bytes.len() - 1 - at % 2600,
                _ => at % bytes.len(),
            };
            bytes[at] ^= 1 << ((random >> 20) % 8);
        }
        look(&bytes);
    }
    let (all, fewer, errors) = outcomes;
    assert!(all > 50 && fewer > 5 && errors > 50, "{outcomes:?}");
}
