//! `symbolize`: names for the stacks of a recording, from files that are surely those that were recorded.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use tidline::format::{Defined, Writer, read_trace};
use tidline::model::{
    Birth, Event, EventBody, Frame, Function, Interner, Module, Pid, StackEnd, Symbol,
    SymbolSource, Task, Time, Trace, Trust, Via, What,
};

use crate::made::{everything, header};
use crate::support::{File, Folder, command, prints, several, tidview};

const PROGRAM: &str = "\
static volatile int sink;
__attribute__((noinline)) int start_pool(int x) {
    sink = x;
    return x + sink;
}
int main(int argc, char **argv) {
    (void)argv;
    return start_pool(argc) + 1;
}
";

fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().expect(program);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {stderr}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// A program in a folder, and what its tools say of it.
struct Program {
    path: String,
    build_id: Vec<u8>,
    /// Where `start_pool` and `main` begin.
    functions: [u64; 2],
}

fn program(folder: &Folder, options: &[&str]) -> Program {
    let source = folder.put("pool.c", PROGRAM.as_bytes());
    let path = folder.path("pool");
    let args = [
        &["-O0", "-g", "-Wl,--build-id", "-o", &path, &source],
        options,
    ]
    .concat();
    run("cc", &args);
    let notes = run("readelf", &["-n", &path]);
    let id = notes.split("Build ID: ").nth(1).unwrap_or_default();
    let id = id.split_whitespace().next().unwrap_or_default();
    let byte = |at| u8::from_str_radix(&id[at..at + 2], 16).expect("hexadecimal");
    let id: Vec<u8> = (0..id.len()).step_by(2).map(byte).collect();
    let listed = run("nm", &[&path]);
    let functions = ["start_pool", "main"].map(|name| {
        let line = listed
            .lines()
            .find(|line| line.ends_with(&format!(" T {name}")));
        u64::from_str_radix(&line.expect(name)[..16], 16).expect("an address")
    });
    Program {
        path,
        build_id: id,
        functions,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn symbol(source: SymbolSource, name: &str) -> Symbol {
    Symbol {
        source,
        functions: vec![Function {
            name: name.into(),
            file: "".into(),
            line: None,
        }],
    }
}

/// A trace of a thread that was created in `start_pool`, called by `main`; then a frame of no file.
fn trace(path: &str, build_id: &[u8], functions: [u64; 2], known: &[Option<Symbol>]) -> Vec<u8> {
    let mut interner = Interner::new(100);
    let module = Some(interner.module(Module {
        path: path.into(),
        build_id: build_id.into(),
        seen: (Pid(100), 0x1000, 0x2000),
    }));
    let frame = |module, address, trust| Frame {
        module,
        address,
        trust,
    };
    // The innermost is where the program counter was; others are behind a call.
    let frames = [
        frame(module, functions[0], Trust::Register),
        frame(module, functions[1] + 8, Trust::Cfi),
        frame(None, 0x1234, Trust::Cfi),
    ];
    let stack = interner.stack(&frames, StackEnd::Bottom).expect("room");
    for (frame, known) in frames.iter().zip(known) {
        let frame = interner.frame(*frame).expect("room");
        if let Some(symbol) = known {
            interner.symbol(frame, symbol.clone());
        }
    }
    let (main, child) = (Task::new(100, 100), Task::new(100, 101));
    let event = Event {
        time: Time(5_000_000),
        body: EventBody::Birth(Birth {
            via: Via::Clone,
            what: What::Thread,
            parent: Some(main),
            child,
            flags: None,
            pc: None,
            inner: None,
            stack: Some(stack),
            start: None,
        }),
    };
    let mut writer = Writer::start(Vec::new(), &header()).expect("a header that fits");
    let mut needed = Vec::new();
    let mut defined = Defined::default();
    defined.for_event(&event, interner.stacks(), &mut needed);
    for definition in &needed {
        writer.define(definition).expect("a vector takes it");
    }
    writer.push(&event).expect("a vector takes it");
    writer
        .finish(Time(9_000_000), "the target ended", &[])
        .expect("a vector takes it")
}

fn read(path: &str) -> Trace {
    let trace = read_trace(fs::File::open(path).expect("a file")).expect("a trace");
    assert!(trace.is_complete(), "{:?}", trace.integrity());
    trace
}

/// The functions of the stack's frames, the innermost first: name, file's name, line.
fn told(trace: &Trace) -> Vec<Vec<(String, String, Option<u32>)>> {
    let birth = trace.events().iter().find_map(|event| match &event.body {
        EventBody::Birth(birth) => birth.stack,
        _ => None,
    });
    let nodes = trace.stacks().walk(birth.expect("a stack"));
    let symbols = nodes.map(|(_, node)| trace.stacks().symbol(node.frame));
    let function = |it: &Function| {
        let file = it.file.to_string();
        let name = Path::new(&file).file_name().unwrap_or_default();
        (
            it.name.to_string(),
            name.to_string_lossy().into_owned(),
            it.line,
        )
    };
    symbols
        .map(|symbol| symbol.map_or(vec![], |it| it.functions.iter().map(function).collect()))
        .collect()
}

fn lines() -> Vec<Vec<(String, String, Option<u32>)>> {
    let at = |name: &str, line| vec![(name.to_string(), "pool.c".to_string(), Some(line))];
    vec![at("start_pool", 2), at("main", 6), vec![]]
}

#[test]
fn names_come_from_the_recorded_path() {
    let folder = Folder::new();
    let program = program(&folder, &[]);
    let bytes = trace(&program.path, &program.build_id, program.functions, &[]);
    let file = folder.put("rec.tid", &bytes);
    let printed = prints(&["symbolize", &file]);
    let out = folder.path("rec.symbols.tid");
    let path = &program.path;
    let width = path.len();
    assert_eq!(
        printed,
        format!(
            "{out}: 3 frames, 2 with a name, 2 with a line; 2 found now\n\n\
             {:width$}  FRAMES  FOUND  FILE\n{path}       2      2  {path}\n",
            "MODULE"
        )
    );
    let (was, is) = (read(&file), read(&out));
    assert_eq!(fs::read(&file).expect("a file"), bytes);
    assert_eq!(is.events(), was.events());
    assert_eq!(is.header().option("symbolized"), Some("yes"));
    assert_eq!(told(&is), lines());
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&out).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // Once more there is nothing to do.
    let again = folder.path("again.tid");
    assert_eq!(
        prints(&["symbolize", &out, "-o", &again]),
        format!("{again}: 3 frames, 2 with a name, 2 with a line; 0 found now\n")
    );
    assert_eq!(told(&read(&again)), lines());
}

#[test]
fn names_come_from_a_folder_of_debug_files() {
    let folder = Folder::new();
    let program = program(&folder, &[]);
    let debug = folder.path("elsewhere");
    run("objcopy", &["--only-keep-debug", &program.path, &debug]);
    run("objcopy", &["--strip-all", &program.path]);
    let known = [
        Some(symbol(SymbolSource::SymbolTable, "start_pool")),
        Some(symbol(SymbolSource::Nothing, "")),
        None,
    ];
    let bytes = trace(&program.path, &program.build_id, program.functions, &known);
    let file = folder.put("rec.tid", &bytes);
    let (dir, out) = (folder.path("store"), folder.path("out.tid"));
    let id = hex(&program.build_id);
    let by_id = format!(".build-id/{}/{}", &id[..2], &id[2..]);
    let below = folder.path("pool").trim_start_matches('/').to_string();
    for place in [
        format!("{by_id}.debug"),
        by_id,
        "pool".into(),
        "pool.debug".into(),
        below,
    ] {
        // With the stripped program there, and with none.
        for is_there in [true, false] {
            let place = Path::new(&dir).join(&place);
            fs::create_dir_all(place.parent().expect("a folder")).expect("a folder");
            fs::copy(&debug, &place).expect("a copy");
            let aside = folder.path("aside");
            if !is_there {
                fs::rename(&program.path, &aside).expect("a place");
            }
            let args = [
                "symbolize",
                &file,
                "--debug-dir",
                &dir,
                "-o",
                &out,
                "--force",
            ];
            let printed = prints(&args);
            assert_eq!(told(&read(&out)), lines(), "{} {printed}", place.display());
            let first = printed.lines().next().unwrap_or_default();
            let words = "out.tid: 3 frames, 2 with a name, 2 with a line; 2 found now";
            assert!(first.ends_with(words), "{printed}");
            if !is_there {
                fs::rename(&aside, &program.path).expect("a place");
            }
            fs::remove_dir_all(&dir).expect("a folder");
        }
    }
    // A name that has its line is left as it is.
    let known = [Some(symbol(SymbolSource::DebugInfo, "mine")), None, None];
    let bytes = trace(&program.path, &program.build_id, program.functions, &known);
    let file = folder.put("rec.tid", &bytes);
    fs::copy(&debug, &program.path).expect("a copy");
    prints(&["symbolize", &file, "-o", &out, "--force"]);
    let told = told(&read(&out));
    assert_eq!((told[0][0].0.as_str(), &told[1]), ("mine", &lines()[1]));
}

#[test]
fn another_build_is_refused_and_said() {
    let folder = Folder::new();
    let program = program(&folder, &[]);
    let mut other = program.build_id.clone();
    other[0] ^= 1;
    let file = folder.put(
        "rec.tid",
        &trace(&program.path, &other, program.functions, &[]),
    );
    let out = folder.path("out.tid");
    let printed = prints(&["symbolize", &file, "-o", &out]);
    let path = &program.path;
    let (found, wanted) = (hex(&program.build_id), hex(&other));
    let why =
        format!("{path} is of another build: its build-id is {found}, and {wanted} is wanted");
    let row = format!("{path}       2      0  {why}");
    assert_eq!(printed.lines().last(), Some(row.as_str()), "{printed}");
    assert!(told(&read(&out)).iter().all(Vec::is_empty));
    fs::remove_file(&program.path).expect("a file");
    let printed = prints(&["symbolize", &file, "-o", &out, "--force"]);
    assert!(
        printed.ends_with(&format!("  not found, build-id {wanted}\n")),
        "{printed}"
    );
    // What is no ELF file is no reason to stop.
    fs::write(&program.path, "#!/bin/sh\n").expect("a file");
    let printed = prints(&["symbolize", &file, "-o", &out, "--force"]);
    assert!(
        printed.ends_with(&format!("cannot read {path}: it is no ELF file\n")),
        "{printed}"
    );
}

#[test]
fn without_a_build_id_only_a_folder_that_is_named_counts() {
    let folder = Folder::new();
    let program = program(&folder, &["-Wl,--build-id=none"]);
    let file = folder.put(
        "rec.tid",
        &trace(&program.path, &[], program.functions, &[]),
    );
    let out = folder.path("out.tid");
    let printed = prints(&["symbolize", &file, "-o", &out]);
    let why = "  without a build-id it is taken from --debug-dir only, and is not there\n";
    assert!(printed.ends_with(why), "{printed}");
    let args = [
        "symbolize",
        &file,
        "-o",
        &out,
        "--debug-dir",
        &folder.path(""),
        "--force",
    ];
    let printed = prints(&args);
    assert!(
        printed.ends_with("/pool (no build-id to tell)\n"),
        "{printed}"
    );
    assert_eq!(told(&read(&out)), lines());
}

#[test]
fn what_a_jit_compiler_lists_comes_from_a_named_folder() {
    let folder = Folder::new();
    let bytes = trace("/tmp/perf-100.map", &[], [0x7000, 0x7100], &[]);
    let file = folder.put("rec.tid", &bytes);
    folder.put(
        "perf-100.map",
        b"7000 40 LPool;::start()V\n7100 40 LMain;::main()V\n",
    );
    let out = folder.path("out.tid");
    prints(&[
        "symbolize",
        &file,
        "-o",
        &out,
        "--debug-dir",
        &folder.path(""),
    ]);
    let names: Vec<_> = told(&read(&out))
        .concat()
        .into_iter()
        .map(|it| it.0)
        .collect();
    assert_eq!(names, ["LPool;::start()V", "LMain;::main()V"]);
}

#[test]
fn nothing_is_overwritten_and_a_place_must_be_named_for_several_files() {
    let folder = Folder::new();
    let file = folder.put("rec.tid", &trace("/nowhere/x", &[], [1, 2], &[]));
    folder.put("rec.symbols.tid", b"precious");
    let out = folder.path("rec.symbols.tid");
    let run = tidview(&["symbolize", &file]);
    assert_eq!((run.out.as_str(), run.code), ("", Some(2)));
    assert_eq!(
        run.err,
        format!("tidview: {out} is there already: --force replaces it\n")
    );
    assert_eq!(fs::read(&out).expect("a file"), b"precious");
    prints(&["symbolize", &file, "--force"]);
    assert_eq!(read(&out).events().len(), 1);

    let parts = Folder::of(&several(&header(), &everything(), 5, 0), &[0, 1, 2, 3, 4]);
    let named = ["000000.tid", "000001.tid"].map(|name| parts.path(name));
    let run = tidview(&["symbolize", &named[0], &named[1]]);
    assert_eq!(
        (run.err.as_str(), run.code),
        (
            "tidview: the trace is several files: say with -o which file to write\n",
            Some(2)
        )
    );
    // Of a folder it is beside it, and is not read as one of its files.
    let beside = format!("{}.symbols.tid", parts.path("").trim_end_matches('/'));
    let printed = prints(&["symbolize", &parts.path("")]);
    assert_eq!(
        printed,
        format!("{beside}: there are no stacks in the trace\n")
    );
    assert_eq!(read(&beside).events().len(), 25);
    fs::remove_file(beside).expect("a file");
}

#[test]
fn where_no_thread_is_to_be_had_it_is_said_and_nothing_is_left() {
    let folder = Folder::new();
    let path = folder.put("x", b"");
    let file = folder.put("rec.tid", &trace(&path, b"id", [1, 2], &[]));
    // No memory is large enough for a thread's stack.
    let output = command(&["symbolize", &file])
        .env("RUST_MIN_STACK", (1_u64 << 62).to_string())
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    let expected = "tidview: cannot start a process that reads symbols: ";
    assert!(err.starts_with(expected), "{err}");
    assert_eq!((err.lines().count(), output.status.code()), (1, Some(2)));
    let left = fs::read_dir(folder.path("")).unwrap();
    let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["rec.tid", "x"]);
}

#[test]
fn a_damaged_trace_is_said_and_what_is_readable_gets_names() {
    let folder = Folder::new();
    let program = program(&folder, &[]);
    let mut bytes = trace(&program.path, &program.build_id, program.functions, &[]);
    bytes.truncate(bytes.len() - 3);
    let file = folder.put("rec.tid", &bytes);
    let run = tidview(&["symbolize", &file]);
    assert_eq!((run.err.as_str(), run.code), ("", Some(1)));
    assert!(
        run.out.starts_with("! the trace is not whole: "),
        "{}",
        run.out
    );
    let is = read(&folder.path("rec.symbols.tid"));
    assert_eq!(told(&is), lines());
    assert!(matches!(is.events()[1].body, EventBody::Gap { .. }));
}

/// The reader of debug information is another process; what is wrong with it is no harm.
#[test]
fn the_worker_answers_requests_and_nothing_else() {
    for garbage in [&b"\xff\xff\xff\xff"[..], b"\x08\0\0\0garbage!"] {
        let mut command = command(&["__symbolize"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut worker = command.spawn().expect("tidview starts");
        let mut stdin = worker.stdin.take().expect("a pipe");
        std::io::Write::write_all(&mut stdin, garbage).expect("a pipe");
        drop(stdin);
        let output = worker.wait_with_output().expect("it ends");
        assert_eq!((output.status.code(), output.stdout), (Some(1), vec![]));
    }
    assert!(!prints(&["--help"]).contains("__symbolize"));
}

#[test]
fn a_file_without_names_of_its_own_is_a_trace_like_any_other() {
    let file = File::trace(&header(), &everything(), 95_000_000);
    let folder = Folder::new();
    let out = folder.path("out.tid");
    prints(&["symbolize", &file.path(), "-o", &out]);
    let events = |path: &str| prints(&["timeline", path, "--format", "ndjson"]);
    assert_eq!(events(&out), events(&file.path()));
}
