//! Call stacks of creations: from real programs, with what the programs' sources say as the oracle.

#![cfg(target_os = "linux")]

mod support;
#[path = "support/trace.rs"]
mod trace;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use support::{Child, TempDir, need, program_with};
use tidline::model::{Birth, EventBody, FrameId, StackEnd, StackId, Trace, What};
use trace::{SOON, birth_events, may_trace, open, patience, tidrec};

/// A function on a stack, as the file names it: inlined ones stand for themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    function: String,
    file: String,
    line: Option<u32>,
    module: String,
}

fn places(trace: &Trace, frame: FrameId) -> Vec<Place> {
    let stacks = trace.stacks();
    let frame_data = stacks.frame(frame).expect("a frame that is defined");
    let module = frame_data.module.and_then(|module| stacks.module(module));
    let module = module.map_or(String::new(), |module| base(&module.path.to_string()));
    let functions = stacks
        .symbol(frame)
        .map_or(&[][..], |symbol| &symbol.functions);
    if functions.is_empty() {
        let function = String::new();
        let (file, line) = (String::new(), None);
        return vec![Place {
            function,
            file,
            line,
            module,
        }];
    }
    let place = |function: &tidline::model::Function| Place {
        function: function.name.to_string(),
        file: base(&function.file.to_string()),
        line: function.line,
        module: module.clone(),
    };
    functions.iter().map(place).collect()
}

fn base(path: &str) -> String {
    path.rsplit('/').next().unwrap_or_default().to_string()
}

/// The stack of a creation, innermost first.
fn stack(trace: &Trace, stack: Option<StackId>) -> Vec<Place> {
    let stack = stack.expect("a stack");
    let nodes = trace.stacks().walk(stack);
    nodes
        .flat_map(|(_, node)| places(trace, node.frame))
        .collect()
}

fn names(stack: &[Place]) -> Vec<&str> {
    stack.iter().map(|place| place.function.as_str()).collect()
}

/// Whether functions stand on a stack in this order, with others between them perhaps.
fn has_in_order(stack: &[Place], wanted: &[&str]) -> bool {
    let mut names = stack.iter().map(|place| place.function.as_str());
    wanted
        .iter()
        .all(|wanted| names.any(|name| name.contains(wanted)))
}

/// The line of a source of `testdata/programs` that ends in `site NAME`.
fn line_of(source: &str, site: &str) -> u32 {
    let path = source_of(source);
    let text = std::fs::read_to_string(&path).expect("a source");
    let marker = format!("site {site}");
    let found = text.lines().position(|line| {
        let line = line.trim_end().trim_end_matches("*/").trim_end();
        line.ends_with(&marker)
    });
    found.unwrap_or_else(|| panic!("{marker} in {source}")) as u32 + 1
}

fn source_of(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace");
    root.join("testdata/programs").join(name)
}

fn thread_births(trace: &Trace) -> Vec<&Birth> {
    birth_events(trace).collect()
}

fn start_name(trace: &Trace, birth: &Birth) -> Option<String> {
    Some(places(trace, birth.start?)[0].function.clone())
}

/// Records a program and gives the trace.
fn record<S: AsRef<std::ffi::OsStr>>(dir: &TempDir, options: &[&str], command: &[S]) -> Trace {
    record_with_code(0, dir, options, command)
}

fn record_with_code<S: AsRef<std::ffi::OsStr>>(
    code: i32,
    dir: &TempDir,
    options: &[&str],
    command: &[S],
) -> Trace {
    let file = dir.join("trace");
    let mut child = Child::spawn(
        tidrec()
            .arg("-q")
            .args(options)
            .arg("-o")
            .arg(&file)
            .arg("--")
            .args(command),
    );
    child.expect_exit(code, patience());
    assert_eq!(child.stderr(), "");
    let trace = open(&file);
    // If a test fails, this says what was lost.
    eprintln!("{:?}", trace.counters());
    trace
}

/// What the three creations of `sites plain` must look like. Without debug information there are
/// no lines, and without a symbol table no names.
fn check_sites(trace: &Trace, is_named: bool, has_lines: bool) {
    let births = thread_births(trace);
    assert_eq!(births.len(), 3);
    let expected = [
        ("start_counter", "counter", Some("count_beans")),
        ("start_sorter", "sorter", Some("sort_mail")),
        ("start_child", "child", None),
    ];
    for (birth, (function, site, routine)) in births.iter().zip(expected) {
        let stack_ = stack(trace, birth.stack);
        assert_eq!(
            trace.stacks().end(birth.stack.unwrap()),
            Some(StackEnd::Bottom),
            "{:?}",
            names(&stack_)
        );
        if !is_named {
            // serve, main and their caller, at least.
            assert!(stack_.len() >= 4, "{stack_:?}");
            assert!(birth.start.is_some() == routine.is_some());
            continue;
        }
        assert!(
            has_in_order(&stack_, &[function, "serve", "main"]),
            "{:?}",
            names(&stack_)
        );
        let place = stack_
            .iter()
            .find(|place| place.function == function)
            .unwrap();
        if has_lines {
            assert_eq!(place.line, Some(line_of("sites.c", site)), "{place:?}");
            assert_eq!(place.file, "sites.c");
        } else {
            assert_eq!(place.line, None);
        }
        assert_eq!(start_name(trace, birth).as_deref(), routine);
    }
}

#[test]
fn c_without_frame_pointers_in_every_kind_of_executable() {
    if !may_trace() {
        return;
    }
    let lean = ["-O2", "-fomit-frame-pointer"];
    let kinds: [(&[&str], bool); 6] = [
        (&["-g"], true),
        (&[], false),
        (&["-g", "-no-pie"], true),
        (&["-g", "-static"], true),
        (&["-g", "-static-pie"], true),
        (&["-no-pie", "-static"], false),
    ];
    for (options, has_lines) in kinds {
        let sites = program_with("sites", &[&lean, options].concat());
        let dir = TempDir::new();
        let trace = record(&dir, &[], &[&sites]);
        eprintln!("{options:?}");
        check_sites(&trace, true, has_lines);
    }
}

fn tool(command: &mut Command) {
    let output = command.output().expect("a tool of binutils");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn stripped_programs_have_stacks_and_separate_debug_files_give_them_names() {
    if !may_trace() {
        return;
    }
    let whole = program_with("sites", &["-O2", "-g", "-fomit-frame-pointer"]);
    let dir = TempDir::new();
    let bare = dir.join("sites");
    tool(Command::new("strip").arg(&whole).arg("-o").arg(&bare));
    check_sites(&record(&dir, &[], &[&bare]), false, false);

    // Found by the name that the program gives, in its own folder.
    let linked = TempDir::new();
    let (bare, debug) = (linked.join("sites"), linked.join("sites.debug"));
    tool(
        Command::new("objcopy")
            .arg("--only-keep-debug")
            .arg(&whole)
            .arg(&debug),
    );
    tool(Command::new("strip").arg(&whole).arg("-o").arg(&bare));
    let link = format!("--add-gnu-debuglink={}", debug.display());
    tool(Command::new("objcopy").arg(link).arg(&bare));
    check_sites(&record(&linked, &[], &[&bare]), true, true);
}

#[test]
fn symbols_may_wait_for_the_end_or_be_left_to_others() {
    if !may_trace() {
        return;
    }
    let sites = program_with("sites", &["-O2", "-g"]);
    let dir = TempDir::new();
    check_sites(&record(&dir, &["--symbols", "end"], &[&sites]), true, true);
    let dir = TempDir::new();
    check_sites(
        &record(&dir, &["--symbols", "none"], &[&sites]),
        false,
        false,
    );
}

/// The process by which a recorder looks up names.
fn helper_of(recorder: u32) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let read = |pid: u32, file: &str| {
        let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    pids.into_iter().find(|pid| {
        read(*pid, "status").contains(&format!("\nPPid:\t{recorder}\n"))
            && read(*pid, "cmdline").contains("__symbolize")
    })
}

#[test]
fn a_recording_ends_when_nothing_is_watched_any_more_however_long_names_are_looked_up() {
    if !may_trace() {
        return;
    }
    let sites = program_with("sites", &["-O2", "-g"]);
    // One that is done before it is stopped shows nothing.
    for _ in 0..20 {
        let dir = TempDir::new();
        let file = dir.join("trace");
        let begun = Instant::now();
        let mut command = tidrec();
        command.args(["--symbols", "end", "-o"]).arg(&file);
        let mut recorder = Child::spawn(command.arg("--").arg(&sites));
        let helper = loop {
            match helper_of(recorder.pid()) {
                Some(helper) => break Some(helper),
                None if recorder.try_exit().is_some() => break None,
                None => {}
            }
        };
        let Some(helper) = helper else { continue };
        support::send("STOP", &[helper]);
        let told = "the target is free; names are looked up";
        while !recorder.stderr().contains(told) && recorder.try_exit().is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        if recorder.try_exit().is_some() {
            continue;
        }
        let free = begun.elapsed();
        std::thread::sleep(free.min(Duration::from_secs(2)));
        support::send("CONT", &[helper]);
        recorder.expect_exit(0, SOON);
        let end = Duration::from_nanos(open(&file).end().0);
        assert!(end <= free, "{end:?} of {free:?}");
        return;
    }
    panic!("names were always found at once");
}

#[test]
fn stacks_can_be_left_out_or_cut() {
    if !may_trace() {
        return;
    }
    let sites = program_with("sites", &["-O2", "-g"]);
    let dir = TempDir::new();
    let trace = record(&dir, &["--stacks", "off"], &[&sites]);
    assert!(trace.stacks().is_empty());
    assert!(
        thread_births(&trace)
            .iter()
            .all(|birth| birth.stack.is_none())
    );
    let dir = TempDir::new();
    let trace = record(&dir, &["--stacks", "2"], &[&sites]);
    for birth in thread_births(&trace) {
        let stack = birth.stack.expect("a stack");
        assert_eq!(trace.stacks().walk(stack).count(), 2);
        assert_eq!(trace.stacks().end(stack), Some(StackEnd::Limit));
    }
}

/// Each level takes some 250 bytes: 150 of them are more than is captured at first.
#[test]
fn what_is_too_deep_at_first_is_captured_whole_from_then_on() {
    if !may_trace() {
        return;
    }
    let sites = program_with("sites", &["-O2", "-g"]);
    let dir = TempDir::new();
    let trace = record(
        &dir,
        &["--stacks", "400"],
        &[sites.as_os_str(), "deep".as_ref()],
    );
    let births = thread_births(&trace);
    let ends: Vec<_> = births
        .iter()
        .map(|birth| trace.stacks().end(birth.stack.unwrap()))
        .collect();
    assert_eq!(
        ends,
        [
            Some(StackEnd::Captured),
            Some(StackEnd::Bottom),
            Some(StackEnd::Bottom)
        ]
    );
    let first = stack(&trace, births[0].stack);
    assert!(has_in_order(&first, &["start_counter", "dig", "dig"]));
    let digs = |birth: &Birth| {
        let stack = stack(&trace, birth.stack);
        stack.iter().filter(|place| place.function == "dig").count()
    };
    assert!(digs(births[0]) < 151);
    assert_eq!(digs(births[2]), 151);
    assert!(has_in_order(
        &stack(&trace, births[2].stack),
        &["start_counter", "dig", "main"]
    ));
}

/// By perf: the kernel captures as much of each, and its records have no room for more than 63 KiB.
fn as_much_of_deep_stacks_as_was_asked_for() {
    let sites = program_with("sites", &["-O2", "-g"]);
    let ends = |options: &[&str]| {
        let dir = TempDir::new();
        let options = [&["--stacks", "400"], options].concat();
        let trace = record(&dir, &options, &[sites.as_os_str(), "deep".as_ref()]);
        let births = thread_births(&trace);
        let end = |birth: &&Birth| trace.stacks().end(birth.stack.expect("a stack"));
        births.iter().map(end).collect::<Vec<_>>()
    };
    assert_eq!(ends(&[]), [Some(StackEnd::Captured); 3]);
    assert_eq!(ends(&["--stack-bytes", "63K"]), [Some(StackEnd::Bottom); 3]);
}

#[test]
fn a_signal_handler_s_stack_goes_on_behind_the_signal() {
    if !may_trace() {
        return;
    }
    let sites = program_with("sites", &["-O2", "-g"]);
    let dir = TempDir::new();
    let trace = record(&dir, &[], &[sites.as_os_str(), "handler".as_ref()]);
    let births = thread_births(&trace);
    let stack_ = stack(&trace, births[0].stack);
    assert!(
        has_in_order(&stack_, &["start_counter", "on_signal", "raise", "main"]),
        "{:?}",
        names(&stack_)
    );
}

#[test]
fn a_refused_creation_has_its_stack() {
    if !may_trace() {
        return;
    }
    let sites = program_with("sites", &["-O2", "-g"]);
    for how in ["syscalls", "seccomp"] {
        let dir = TempDir::new();
        let trace = record(
            &dir,
            &["--failures", how],
            &[sites.as_os_str(), "refused".as_ref()],
        );
        let refused: Vec<_> = trace
            .events()
            .iter()
            .filter_map(|event| match &event.body {
                EventBody::CreateFailed { stack, .. } => Some(*stack),
                _ => None,
            })
            .collect();
        assert_eq!(refused.len(), 1, "{how}");
        let stack_ = stack(&trace, refused[0]);
        assert!(
            has_in_order(&stack_, &["start_sorter", "main"]),
            "{:?}",
            names(&stack_)
        );
        let place = stack_
            .iter()
            .find(|place| place.function == "start_sorter")
            .unwrap();
        assert_eq!(place.line, Some(line_of("sites.c", "sorter")));
    }
}

/// Compiles a source of `testdata/programs` that is not one file of C.
fn build(dir: &TempDir, compiler: &str, options: &[&str], source: &str) -> Option<PathBuf> {
    let output = dir.join(source.split('.').next().unwrap());
    let mut command = Command::new(compiler);
    command
        .args(options)
        .arg("-o")
        .arg(&output)
        .arg(source_of(source));
    match command.output() {
        Ok(done) if done.status.success() => Some(output),
        Ok(done) => panic!("{command:?}: {}", String::from_utf8_lossy(&done.stderr)),
        Err(error) => need(Err(format!("{compiler} does not start: {error}"))),
    }
}

#[test]
fn a_plugin_that_comes_while_recording_goes_on() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let options = ["-O2", "-g", "-shared", "-fPIC", "-pthread"];
    let Some(plugin) = build(&dir, "cc", &options, "plugin_sites.c") else {
        return;
    };
    let copy = dir.join("other.so");
    std::fs::copy(&plugin, &copy).expect("a copy");
    let host = program_with("plughost", &["-O2", "-g", "-ldl"]);
    // They come and go, one where the other was.
    let plugins = [&plugin, &copy].into_iter().cycle().take(8);
    let command: Vec<&PathBuf> = std::iter::once(&host).chain(plugins).collect();
    let trace = record(&dir, &[], &command);
    let births = thread_births(&trace);
    assert_eq!(births.len(), 8);
    let modules = ["plugin_sites", "other.so"].into_iter().cycle();
    for (birth, module) in births.iter().zip(modules) {
        let stack_ = stack(&trace, birth.stack);
        assert!(
            has_in_order(&stack_, &["plugin_run", "host_run", "main"]),
            "{:?}",
            names(&stack_)
        );
        let place = stack_
            .iter()
            .find(|place| place.function == "plugin_run")
            .unwrap();
        assert_eq!(
            (place.line, place.module.as_str()),
            (Some(line_of("plugin_sites.c", "plugin")), module)
        );
        assert_eq!(start_name(&trace, birth).as_deref(), Some("plug"));
    }
}

#[test]
fn cpp_threads_name_who_started_them() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let Some(sites) = build(&dir, "c++", &["-O2", "-g", "-pthread"], "sites.cpp") else {
        return;
    };
    let trace = record(&dir, &[], &[&sites]);
    let births = thread_births(&trace);
    assert_eq!(births.len(), 2);
    let expected = [
        ("post::Office::open(int)", "clerk"),
        ("post::Office::ask(int)", "async"),
    ];
    for (birth, (function, site)) in births.iter().zip(expected) {
        let stack_ = stack(&trace, birth.stack);
        let place = stack_.iter().find(|place| place.function == function);
        let place = place.unwrap_or_else(|| panic!("{function} in {:?}", names(&stack_)));
        assert_eq!(place.line, Some(line_of("sites.cpp", site)));
        assert!(has_in_order(
            &stack_,
            &["pthread_create", "std::thread", function, "main"]
        ));
    }
}

#[test]
fn rust_threads_name_who_started_them() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let Some(sites) = build(&dir, &rustc, &["-O", "-g"], "sites.rs") else {
        return;
    };
    let trace = record(&dir, &[], &[&sites]);
    let births = thread_births(&trace);
    assert_eq!(births.len(), 4);
    let expected = [("sites::hire", "builder"); 3]
        .into_iter()
        .chain([("sites::delegate", "spawn")]);
    for (birth, (function, site)) in births.iter().zip(expected) {
        let stack_ = stack(&trace, birth.stack);
        let place = stack_.iter().find(|place| place.function == function);
        let place = place.unwrap_or_else(|| panic!("{function} in {:?}", names(&stack_)));
        assert_eq!(place.line, Some(line_of("sites.rs", site)));
        assert!(has_in_order(
            &stack_,
            &["pthread_create", "std::", function, "sites::main"]
        ));
    }
    let clerks = trace
        .tasks()
        .iter()
        .filter(|task| task.name().to_string().starts_with("clerk-"));
    assert_eq!(
        clerks.count(),
        3,
        "the names that the threads gave themselves"
    );
}

#[test]
fn cpython_s_threads_show_the_interpreter() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let script = "import threading\nt = threading.Thread(target=print)\nt.start()\nt.join()\n";
    let trace = record(&dir, &[], &["python3", "-c", script]);
    // python3 may be a script that finds the interpreter.
    let births = thread_births(&trace);
    let thread = births.iter().find(|birth| birth.what == What::Thread);
    let stack_ = stack(&trace, thread.expect("a thread").stack);
    assert!(
        has_in_order(&stack_, &["pthread_create", "Py"]),
        "{:?}",
        names(&stack_)
    );
}

#[test]
fn segments_and_snapshots_have_the_stacks_that_their_tasks_need() {
    if !may_trace() {
        return;
    }
    let leaky = program_with("leaky", &["-O2", "-g"]);
    let dir = TempDir::new();
    let folder = dir.join("run");
    let (mut child, stdin) = Child::talk(
        tidrec()
            .args(["-q", "--segment-time", "500ms", "-o"])
            .arg(&folder)
            .arg("--")
            .args([leaky.as_os_str(), "3".as_ref()]),
    );
    child.wait_line("leak_slowly", patience());
    drop(stdin);
    child.expect_exit(1, patience());
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "tid"))
        .collect();
    files.sort();
    assert!(files.len() > 2, "{files:?}");
    for file in files {
        let trace = open(&file);
        for task in trace.tasks() {
            let Some(id) = task.stack else {
                assert!(
                    !matches!(task.origin, tidline::model::Origin::Birth),
                    "{task:?}"
                );
                continue;
            };
            assert_eq!(
                trace.stacks().end(id),
                Some(StackEnd::Bottom),
                "{}",
                file.display()
            );
            let start = task.start.expect("a start routine");
            assert!(trace.stacks().frame(start).is_some());
        }
    }
}

#[test]
fn a_jvm_s_threads_show_the_virtual_machine() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let mut javac = Command::new("javac");
    javac
        .arg("-d")
        .arg(dir.path())
        .arg(source_of("Threads.java"));
    let compiled = match javac.output() {
        Ok(done) => {
            assert!(done.status.success(), "{done:?}");
            Some(())
        }
        Err(error) => need(Err(format!("javac does not start: {error}"))),
    };
    if compiled.is_none() {
        return;
    }
    let class_path = dir.path().to_str().expect("a plain path").to_string();
    let trace = record_with_code(9, &dir, &[], &["java", "-cp", &class_path, "Threads"]);
    let named: Vec<_> = trace
        .tasks()
        .iter()
        .filter(|task| task.name().to_string().starts_with("adder-"))
        .collect();
    assert_eq!(named.len(), 200, "the names that Java gave");
    for task in named {
        let stack_ = stack(&trace, task.stack);
        let order = ["pthread_create", "os::create_thread", "JVM_StartThread"];
        assert!(has_in_order(&stack_, &order), "{:?}", names(&stack_));
        // Behind it is code of the interpreter or of the compiler, which has no tables.
        let end = trace.stacks().end(task.stack.unwrap());
        assert_ne!(end, None);
        let start = places(&trace, task.start.expect("a start routine"));
        assert!(start[0].function.starts_with("thread_native_entry"));
    }
}

#[test]
fn go_s_threads_show_the_runtime() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let Some(program) = build_go(&dir, "frames.go") else {
        return;
    };
    let trace = record(&dir, &[], &[program.as_os_str(), "on".as_ref()]);
    // The runtime may make one while the program ends: its creator is killed before it has told. Then
    // nothing comes behind but ends.
    let mut events = trace.events().iter().map(|event| &event.body);
    let is_of_nobody = |body: &EventBody| match body {
        EventBody::Birth(birth) => birth.parent.is_none(),
        _ => false,
    };
    if events.any(is_of_nobody) {
        let only_ends = |body| matches!(body, &EventBody::Exit { .. }) || is_of_nobody(body);
        assert!(events.all(only_ends));
    }
    let births = thread_births(&trace);
    let threads = births.iter().filter(|birth| birth.what == What::Thread);
    let mut count = 0;
    for birth in threads.filter(|birth| birth.parent.is_some()) {
        let stack_ = stack(&trace, birth.stack);
        let order = ["runtime.clone", "runtime.newosproc", "runtime.newm"];
        assert!(has_in_order(&stack_, &order), "{:?}", names(&stack_));
        let start = start_name(&trace, birth).expect("a start routine");
        assert!(start.starts_with("runtime.mstart"), "{start}");
        count += 1;
    }
    assert!(count >= 2, "{count}");
}

fn build_go(dir: &TempDir, source: &str) -> Option<PathBuf> {
    let output = dir.join("program");
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(&output).arg(source_of(source));
    go.env("GOCACHE", dir.join("cache"))
        .env("GOFLAGS", "-mod=mod")
        .env("GO111MODULE", "off");
    match go.output() {
        Ok(done) if done.status.success() => Some(output),
        Ok(done) => panic!("{go:?}: {}", String::from_utf8_lossy(&done.stderr)),
        Err(error) => need(Err(format!("go does not start: {error}"))),
    }
}

trace::also_by_perf! {
    a_recording_ends_when_nothing_is_watched_any_more_however_long_names_are_looked_up
    stacks_can_be_left_out_or_cut
    as_much_of_deep_stacks_as_was_asked_for
    a_signal_handler_s_stack_goes_on_behind_the_signal
    cpp_threads_name_who_started_them
    rust_threads_name_who_started_them
    cpython_s_threads_show_the_interpreter
    go_s_threads_show_the_runtime
}
