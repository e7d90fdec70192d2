//! The cases.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use tidline::model::{
    Birth, End, Event, EventBody, Interner, Name, Pid, StackEnd, Task, Tid, Time, Trust, Via, What,
};

use super::super::loader::Question;
use super::super::{DEFAULT_FRAMES, DEFAULT_MEMORY, MOST_FRAMES, Unwinder};
use super::stopped::{ENOUGH, Names, Stopped, Told};
use super::support::{TempDir, copy_program, need, program_with, workspace};
use crate::capture::Capture;
use crate::proc;

const CHAIN: [&str; 7] = [
    "stop_here",
    "fifth",
    "fourth",
    "third",
    "second",
    "first",
    "main",
];

fn unwinder() -> Unwinder {
    Unwinder::new(DEFAULT_FRAMES, DEFAULT_MEMORY)
}

fn frames(options: &[&str]) -> PathBuf {
    program_with("frames", &[&["-O2"], options].concat())
}

fn tell_with(names: &Names, program: &Path, arguments: &[&str]) -> Told {
    let stopped = Stopped::run(program, arguments);
    let mut interner = Interner::new(10_000);
    let capture = stopped.capture(ENOUGH);
    let stack = unwinder().stack(Time(1), stopped.pid, &capture, &mut interner);
    names.tell(&interner, stack.unwrap())
}

fn tell(program: &Path, arguments: &[&str]) -> Told {
    tell_with(&Names::default(), program, arguments)
}

#[track_caller]
fn check_chain(told: &Told) {
    assert_eq!(told.between("stop_here", "main"), CHAIN, "{told:?}");
    assert_eq!(told.end, StackEnd::Bottom, "{told:?}");
    assert_eq!(told.trust[0], Trust::Register);
    let others = &told.trust[1..];
    assert!(others.iter().all(|it| *it == Trust::Cfi), "{told:?}");
}

#[test]
fn a_program_without_frame_pointers() {
    let program = frames(&["-fomit-frame-pointer"]);
    let told = tell(&program, &["stop"]);
    check_chain(&told);
    assert_eq!(told.names.last().unwrap(), "_start");
    assert_eq!(told.modules.last().map(Path::new), Some(&*program));
}

#[test]
fn a_program_at_fixed_addresses() {
    check_chain(&tell(&frames(&["-fno-pie", "-no-pie"]), &["stop"]));
}

#[test]
fn static_programs() {
    check_chain(&tell(&frames(&["-static", "-w"]), &["stop"]));
    check_chain(&tell(&frames(&["-static-pie", "-fpie", "-w"]), &["stop"]));
}

#[test]
fn a_stripped_program() {
    let (whole, stripped) = (frames(&["-fpie"]), frames(&["-fpie", "-s"]));
    let mut names = Names::default();
    assert!(!tell(&stripped, &["stop"]).names.contains(&"fifth".into()));
    names.instead.insert(stripped.clone(), whole);
    check_chain(&tell_with(&names, &stripped, &["stop"]));
}

#[test]
fn a_program_without_section_headers() {
    let whole = frames(&["-fpie"]);
    let folder = TempDir::new();
    let copy = folder.join("frames");
    let mut bytes = std::fs::read(&whole).unwrap();
    bytes[0x28..0x30].fill(0); // e_shoff
    bytes[0x3c..0x40].fill(0); // e_shnum, e_shstrndx
    std::fs::write(folder.join("bytes"), bytes).unwrap();
    copy_program(&whole, &copy);
    copy_program(folder.join("bytes"), &copy);
    let mut names = Names::default();
    names.instead.insert(copy.clone(), whole);
    check_chain(&tell_with(&names, &copy, &["stop"]));
}

#[test]
fn a_program_with_frame_pointers_and_no_tables() {
    let program = frames(&[
        "-fno-omit-frame-pointer",
        "-fno-asynchronous-unwind-tables",
        "-fno-unwind-tables",
    ]);
    let told = tell(&program, &["stop"]);
    // libc's part is unwound by its tables, and what has none by the frame pointer.
    assert_eq!(told.between("stop_here", "main"), CHAIN, "{told:?}");
    let at = |name: &str| told.names.iter().position(|it| it == name).unwrap();
    assert_eq!(told.trust[at("stop_here")], Trust::Cfi, "{told:?}");
    let pointed = &told.trust[at("fifth")..=at("main")];
    assert!(
        pointed.iter().all(|it| *it == Trust::FramePointer),
        "{told:?}"
    );
}

#[test]
fn a_program_with_debug_frame_only() {
    let options = [
        "-g",
        "-fno-asynchronous-unwind-tables",
        "-fno-unwind-tables",
    ];
    let told = tell(&frames(&options), &["stop"]);
    // The program's startup files have .eh_frame, so .debug_frame is not looked at: a frame
    // pointer is not there either.
    assert_eq!(told.between("stop_here", "stop_here"), ["stop_here"]);
}

#[test]
fn a_plugin() {
    let plugin = program_with("plugin", &["-O2", "-shared", "-fPIC"]);
    let told = tell(&frames(&["-ldl"]), &["plugin", plugin.to_str().unwrap()]);
    let expected = [
        "stop_here",
        "plugin_inner",
        "plugin_enter",
        "by_plugin",
        "fifth",
    ];
    assert_eq!(told.between("stop_here", "fifth"), expected, "{told:?}");
    assert_eq!(told.end, StackEnd::Bottom);
}

#[test]
fn a_signal_in_the_middle() {
    let told = tell(&frames(&[]), &["signal"]);
    let between = told.between("stop_here", "fifth");
    // glibc has no public name for what the handler returns to.
    assert_eq!(between.len(), 5, "{told:?}");
    assert_eq!(
        (between[1], &between[3..]),
        ("on_signal", &["interrupted", "fifth"][..])
    );
    assert_eq!(told.end, StackEnd::Bottom);
    assert!(told.trust[1..].iter().all(|it| *it == Trust::Cfi));
}

#[test]
fn the_kernels_own_code() {
    let told = tell(&frames(&[]), &["vdso"]);
    assert!(told.modules.contains(&"[vdso]".into()), "{told:?}");
    let vdso = told.modules.iter().rposition(|it| it == "[vdso]").unwrap();
    let outer: Vec<_> = told.names[vdso + 1..].iter().collect();
    assert!(outer.iter().any(|it| *it == "in_vdso"), "{told:?}");
    assert_eq!(told.end, StackEnd::Bottom, "{told:?}");
}

#[test]
fn code_that_was_made_without_a_frame_pointer_ends_a_stack() {
    let told = tell(&frames(&["-fomit-frame-pointer"]), &["jit"]);
    let made = told.names.iter().position(|it| it == "stop_here").unwrap() + 1;
    assert_eq!(told.modules[made], "", "{told:?}");
    assert_eq!(told.names.len(), made + 1, "{told:?}");
    assert_eq!(told.end, StackEnd::NoUnwindInfo);
}

#[test]
fn code_that_was_made_with_a_frame_pointer_is_walked_through() {
    let told = tell(&frames(&[]), &["jitfp"]);
    let between = told.between("stop_here", "fifth");
    assert_eq!(
        between,
        ["stop_here", "?", "made_code", "fifth"],
        "{told:?}"
    );
    let made = told.names.iter().position(|it| it == "made_code").unwrap();
    assert_eq!(told.trust[made], Trust::FramePointer);
    assert_eq!(told.trust[made + 1], Trust::Cfi);
    assert_eq!(
        (told.end, told.modules[made - 1].as_str()),
        (StackEnd::Unsure, "")
    );
}

#[test]
fn code_with_a_list_in_tmp_belongs_to_it() {
    let stopped = Stopped::run(&frames(&[]), &["jitmap"]);
    let mut interner = Interner::new(1000);
    let capture = stopped.capture(ENOUGH);
    let stack = unwinder().stack(Time(1), stopped.pid, &capture, &mut interner);
    let told = Names::default().tell(&interner, stack.unwrap());
    let list = format!("/tmp/perf-{}.map", stopped.pid);
    std::fs::remove_file(&list).unwrap();
    let made = told.names.iter().position(|it| it == "made_code").unwrap();
    assert_eq!(told.modules[made - 1], list, "{told:?}");
    let (_, node) = interner
        .stacks()
        .walk(stack.unwrap())
        .nth(made - 1)
        .unwrap();
    let frame = interner.stacks().frame(node.frame).unwrap();
    let module = interner.stacks().module(frame.module.unwrap()).unwrap();
    let (pid, low, high) = module.seen;
    assert_eq!(
        (pid, (low..high).contains(&frame.address)),
        (stopped.pid, true)
    );
}

#[test]
fn a_stack_that_is_longer_than_what_was_captured() {
    let program = frames(&[]);
    let stopped = Stopped::run(&program, &["deep", "200"]);
    let (mut unwinder, mut interner) = (
        Unwinder::new(MOST_FRAMES, DEFAULT_MEMORY),
        Interner::new(10_000),
    );
    let mut tell = |len: usize| {
        let capture = stopped.capture(len);
        let stack = unwinder.stack(Time(1), stopped.pid, &capture, &mut interner);
        let told = Names::default().tell(&interner, stack.unwrap());
        (told, unwinder.wants_more(stopped.pid))
    };
    let (cut, wants_more) = tell(4096);
    assert_eq!((cut.end, wants_more), (StackEnd::Captured, true), "{cut:?}");
    assert_eq!(cut.names.last().unwrap(), "deeper");
    let (whole, _) = tell(64 << 10);
    assert_eq!(whole.end, StackEnd::Bottom);
    let deep = whole.names.iter().filter(|it| *it == "deeper").count();
    assert_eq!(deep, 201, "{whole:?}");
    assert_eq!(unwinder.counts().cut, 1);
    assert!(!unwinder.wants_more(Pid(1)));
}

#[test]
fn no_more_frames_than_were_asked_for() {
    let stopped = Stopped::run(&frames(&[]), &["deep", "50"]);
    let (mut unwinder, mut interner) = (Unwinder::new(10, DEFAULT_MEMORY), Interner::new(1000));
    let capture = stopped.capture(64 << 10);
    let stack = unwinder.stack(Time(1), stopped.pid, &capture, &mut interner);
    let told = Names::default().tell(&interner, stack.unwrap());
    assert_eq!((told.names.len(), told.end), (10, StackEnd::Limit));
}

#[test]
fn a_thread_with_its_start_routine() {
    for options in [&["-fno-pie", "-no-pie"][..], &["-static", "-w"]] {
        let stopped = Stopped::run(&frames(options), &["thread"]);
        assert_eq!(stopped.to_event(), libc::PTRACE_EVENT_CLONE);
        let capture = stopped.capture(ENOUGH);
        let (mut unwinder, mut interner) = (unwinder(), Interner::new(1000));
        let stack = unwinder.stack(Time(1), stopped.pid, &capture, &mut interner);
        let names = Names::default();
        let told = names.tell(&interner, stack.unwrap());
        let expected = [
            "make_thread",
            "fifth",
            "fourth",
            "third",
            "second",
            "first",
            "main",
        ];
        assert_eq!(told.between("make_thread", "main"), expected, "{told:?}");
        assert_eq!(told.end, StackEnd::Bottom, "{told:?}");
        let start = unwinder.start_routine(Time(1), stopped.pid, &capture, &mut interner);
        let start = start.unwrap_or_else(|| panic!("no start routine: {options:?}"));
        assert_eq!(names.frame(&interner, start, false).0, "start_routine");
        assert_eq!(
            interner.stacks().frame(start).unwrap().trust,
            Trust::Argument
        );
    }
}

#[test]
fn a_start_routine_is_not_guessed() {
    let stopped = Stopped::run(&frames(&[]), &["thread"]);
    stopped.to_event();
    let whole = stopped.capture(ENOUGH);
    let (mut unwinder, mut interner) = (unwinder(), Interner::new(1000));
    let mut start =
        |capture: &Capture| unwinder.start_routine(Time(1), stopped.pid, capture, &mut interner);
    assert!(start(&whole).is_some());
    let mut other = whole.clone();
    other.descriptor.fill(0x7f); // No code is there.
    assert_eq!(start(&other), None);
    other.descriptor = whole.descriptor[..0x100].to_vec();
    assert_eq!(start(&other), None);
    // A register that is kept says something of Go alone.
    other.descriptor = Vec::new();
    other.registers.kept = whole.registers.ip;
    assert_eq!(start(&other), None);
}

#[test]
fn a_fork_a_spawn_and_a_vfork() {
    for (what, event) in [
        ("fork", libc::PTRACE_EVENT_FORK),
        ("spawn", libc::PTRACE_EVENT_VFORK),
        ("vfork", libc::PTRACE_EVENT_VFORK),
    ] {
        let stopped = Stopped::run(&frames(&[]), &[what]);
        assert_eq!(stopped.to_event(), event, "{what}");
        let capture = stopped.capture(ENOUGH);
        let (mut unwinder, mut interner) = (unwinder(), Interner::new(1000));
        let stack = unwinder.stack(Time(1), stopped.pid, &capture, &mut interner);
        let told = Names::default().tell(&interner, stack.unwrap());
        let from = format!("{what}_child");
        assert_eq!(told.between(&from, "main")[1..], CHAIN[1..], "{told:?}");
        assert_eq!(told.end, StackEnd::Bottom, "{told:?}");
        let start = unwinder.start_routine(Time(1), stopped.pid, &capture, &mut interner);
        assert_eq!(start, None);
    }
}

fn birth(parent: Pid, child: Pid) -> Event {
    Event {
        time: Time(1),
        body: EventBody::Birth(Birth {
            via: Via::Fork,
            what: What::Process,
            parent: Some(Task::leader(parent)),
            child: Task::leader(child),
            flags: None,
            pc: None,
            inner: None,
            stack: None,
            start: None,
        }),
    }
}

fn exec(pid: Pid, exe: &Path) -> Event {
    Event {
        time: Time(1),
        body: EventBody::Exec {
            task: Task::leader(pid),
            former_tid: Tid(pid.0),
            exe: Name::from(exe.to_str().unwrap()),
            name: Name::default(),
        },
    }
}

#[test]
fn a_child_that_has_ended_has_its_parents_map() {
    let stopped = Stopped::run(&frames(&[]), &["stop"]);
    let capture = stopped.capture(ENOUGH);
    let (mut unwinder, mut interner) = (unwinder(), Interner::new(1000));
    let known = unwinder.stack(Time(1), stopped.pid, &capture, &mut interner);
    let gone = Pid(0x7fff_fff0); // No kernel gives such a pid.
    unwinder.follow(&birth(stopped.pid, gone));
    let childs = unwinder.stack(Time(2), gone, &capture, &mut interner);
    assert_eq!((childs, known.is_some()), (known, true));
    // Of one that nothing is known of, the place is all that there is.
    let unknown = unwinder.stack(Time(2), Pid(0x7fff_fff1), &capture, &mut interner);
    let told = Names::default().tell(&interner, unknown.unwrap());
    assert_eq!((told.names.len(), told.end), (1, StackEnd::NoMap));
    let stacks = interner.stacks();
    let (_, node) = stacks.walk(unknown.unwrap()).next().unwrap();
    let frame = stacks.frame(node.frame).unwrap();
    assert_eq!((frame.module, frame.address), (None, capture.registers.ip));
    assert_eq!(unwinder.counts().without_map, 1);
    // When it has ended, it is forgotten.
    unwinder.follow(&Event {
        time: Time(3),
        body: EventBody::Exit {
            task: Task::leader(gone),
            end: End::Code(0),
        },
    });
    let after = unwinder.stack(Time(3), gone, &capture, &mut interner);
    assert_eq!(stacks_end(&interner, after), StackEnd::NoMap);
}

fn stacks_end(interner: &Interner, stack: Option<tidline::model::StackId>) -> StackEnd {
    interner.stacks().end(stack.unwrap()).unwrap()
}

#[test]
fn a_map_is_never_that_of_another_program() {
    let (before, after) = (frames(&["-fno-pie", "-no-pie"]), frames(&["-fpie", "-O1"]));
    let stopped = Stopped::run(&before, &["exec", after.to_str().unwrap()]);
    let early = stopped.capture(ENOUGH);
    stopped.to_stop();
    let late = stopped.capture(ENOUGH);
    let mut interner = Interner::new(1000);

    // The event of the exec was not seen yet, and what the unwinder can read is behind it.
    let mut behind = unwinder();
    let stack = behind.stack(Time(1), stopped.pid, &early, &mut interner);
    assert_eq!(stacks_end(&interner, stack), StackEnd::NoMap);

    // It was told of another program than the process executes now.
    let mut unwinder = unwinder();
    unwinder.follow(&exec(stopped.pid, &before));
    let stack = unwinder.stack(Time(1), stopped.pid, &late, &mut interner);
    assert_eq!(stacks_end(&interner, stack), StackEnd::NoMap);

    unwinder.follow(&exec(stopped.pid, &after));
    let stack = unwinder.stack(Time(2), stopped.pid, &late, &mut interner);
    let told = Names::default().tell(&interner, stack.unwrap());
    assert_eq!(told.between("stop_here", "main"), CHAIN);
}

#[test]
fn a_deleted_program_and_its_open_file() {
    let folder = TempDir::new();
    let copy = folder.join("frames");
    let whole = frames(&[]);
    copy_program(&whole, &copy);
    let stopped = Stopped::run(&copy, &["stop"]);
    std::fs::remove_file(&copy).unwrap();
    let own = proc::status(Tid(std::process::id())).unwrap();
    let is_root = own.uids[1] == 0;
    let root = is_root
        .then_some(())
        .ok_or("only root can open a deleted file");
    let Some(()) = need(root.map_err(Into::into)) else {
        return;
    };
    let (mut unwinder, mut interner) = (unwinder(), Interner::new(1000));
    let capture = stopped.capture(ENOUGH);
    let stack = unwinder.stack(Time(1), stopped.pid, &capture, &mut interner);
    let mut names = Names::default();
    names.instead.insert(copy.clone(), whole.clone());
    check_chain(&names.tell(&interner, stack.unwrap()));
    drop(stopped);
    let modules = interner.stacks().modules();
    let is_it = |path: &Name| path.as_bytes() == copy.to_str().unwrap().as_bytes();
    let (id, module) = modules.iter().find(|(_, it)| is_it(&it.path)).unwrap();
    let mut file = unwinder.file(*id).unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut file, &mut bytes).unwrap();
    assert!(bytes == std::fs::read(&whole).unwrap());
    // What readelf says of it.
    let notes = Command::new("readelf")
        .arg("-n")
        .arg(&whole)
        .output()
        .unwrap();
    let id: String = module
        .build_id
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let notes = String::from_utf8_lossy(&notes.stdout).into_owned();
    assert!(
        notes.contains(&format!("Build ID: {id}")) && id.len() == 40,
        "{id}: {notes}"
    );
}

#[test]
fn a_module_is_one_in_all_processes() {
    let program = frames(&[]);
    let (mut unwinder, mut interner) = (unwinder(), Interner::new(1000));
    let mut stacks = Vec::new();
    for _ in 0..3 {
        let stopped = Stopped::run(&program, &["stop"]);
        let capture = stopped.capture(ENOUGH);
        stacks.push(unwinder.stack(Time(1), stopped.pid, &capture, &mut interner));
    }
    // Mapped elsewhere each time, and yet the same.
    assert!(stacks[0].is_some() && stacks.iter().all(|it| *it == stacks[0]));
    assert_eq!(
        (unwinder.counts().modules, unwinder.counts().stacks),
        (2, 3)
    );
}

#[test]
fn tables_are_given_up_for_others_and_read_again() {
    let program = frames(&[]);
    let stopped = Stopped::run(&program, &["stop"]);
    let capture = stopped.capture(ENOUGH);
    let mut interner = Interner::new(1000);
    let mut roomy = unwinder();
    let expected = roomy.stack(Time(1), stopped.pid, &capture, &mut interner);
    let all = roomy.counts().table_bytes as usize;
    // Room for libc's tables, and not for the program's beside them.
    let mut tight = Unwinder::new(DEFAULT_FRAMES, all - 1);
    let found = tight.stack(Time(1), stopped.pid, &capture, &mut interner);
    assert_eq!(found, expected);
    assert!(tight.counts().evicted > 0);
    assert!(tight.counts().table_bytes < all as u64);
    // And for none of them: without frame pointers there is nothing to go by.
    let mut none = Unwinder::new(DEFAULT_FRAMES, 1000);
    let found = none.stack(Time(1), stopped.pid, &capture, &mut interner);
    assert_eq!(stacks_end(&interner, found), StackEnd::NoUnwindInfo);
    assert_eq!(none.counts().table_bytes, 0);
}

#[test]
fn an_interner_that_is_full_gives_none() {
    let stopped = Stopped::run(&frames(&[]), &["stop"]);
    let capture = stopped.capture(ENOUGH);
    let mut interner = Interner::new(3);
    let stack = unwinder().stack(Time(1), stopped.pid, &capture, &mut interner);
    assert_eq!(stack, None);
    let nothing = Capture::default();
    assert_eq!(
        unwinder().stack(Time(1), stopped.pid, &nothing, &mut interner),
        None
    );
}

#[test]
fn registers_without_a_stack() {
    let stopped = Stopped::run(&frames(&[]), &["stop"]);
    let mut capture = stopped.capture(ENOUGH);
    capture.stack_len = 0;
    capture.is_cut = false;
    let mut interner = Interner::new(100);
    let stack = unwinder().stack(Time(1), stopped.pid, &capture, &mut interner);
    let told = Names::default().tell(&interner, stack.unwrap());
    assert_eq!((told.names.len(), told.end), (1, StackEnd::Unreadable));
}

#[test]
fn a_slow_disk_holds_nobody_up() {
    let stopped = Stopped::run(&frames(&[]), &["stop"]);
    let capture = stopped.capture(ENOUGH);
    let (mut unwinder, mut interner) = (unwinder(), Interner::new(1000));
    let (done, disk) = channel();
    unwinder.shared.loader.ask(Question::Pause(disk)).unwrap();
    for _ in 0..3 {
        let stack = unwinder.stack(Time(1), stopped.pid, &capture, &mut interner);
        // By the frame pointer it may have come some way, and that is said.
        assert_ne!(stacks_end(&interner, stack), StackEnd::Bottom);
    }
    // None of them has waited for the disk. What they asked for is there in the end.
    done.send(()).unwrap();
    let begin = Instant::now();
    let stack = loop {
        let stack = unwinder.stack(Time(1), stopped.pid, &capture, &mut interner);
        if stacks_end(&interner, stack) == StackEnd::Bottom
            || begin.elapsed() > Duration::from_secs(120)
        {
            break stack;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    check_chain(&Names::default().tell(&interner, stack.unwrap()));
}

#[test]
fn a_thread_of_a_go_program() {
    let folder = TempDir::new();
    let program = folder.join("frames");
    let source = workspace().join("testdata/programs/frames.go");
    let mut go = Command::new("go");
    go.arg("build").arg("-o").arg(&program).arg(source);
    go.env("CGO_ENABLED", "0").env("GOFLAGS", "-mod=mod");
    let built = go.current_dir(folder.path()).output();
    let built = built.map_err(|error| format!("no Go compiler (Debian: golang-go): {error}"));
    let Some(built) = need(built) else { return };
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );

    let stopped = Stopped::run(&program, &[]);
    // Which thread makes one is up to Go's scheduler.
    assert_eq!(stopped.all_to_event(), libc::PTRACE_EVENT_CLONE);
    let capture = stopped.capture(ENOUGH);
    let (mut unwinder, mut interner) = (unwinder(), Interner::new(1000));
    let stack = unwinder.stack(Time(1), stopped.pid, &capture, &mut interner);
    let names = Names::default();
    let told = names.tell(&interner, stack.unwrap());
    // By .debug_frame, which Go's linker compresses; the names may end with the ABI's.
    let is = |index: usize, name: &str| {
        told.names[index]
            .strip_suffix(".abi0")
            .unwrap_or(&told.names[index])
            == name
    };
    assert!(
        is(0, "runtime.clone") && is(1, "runtime.newosproc") && is(2, "runtime.newm1"),
        "{told:?}"
    );
    assert!(
        told.trust[1..3].iter().all(|it| *it == Trust::Cfi),
        "{told:?}"
    );
    let start = unwinder.start_routine(Time(1), stopped.pid, &capture, &mut interner);
    let (name, _) = names.frame(&interner, start.unwrap(), false);
    assert!(name.starts_with("runtime.mstart"), "{name}");
}
