//! What cannot be recorded: each message says what is wrong, why, and what helps; nothing was
//! touched, and no empty file is left.

#![cfg(target_os = "linux")]

mod support;
#[path = "support/trace.rs"]
mod trace;

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use support::{
    Child, TempDir, comm, copy_program, need, need_of_kernel, program, thread_states, tracer_of,
    tracers, yardstick,
};
use trace::{SOON, attach, may_trace, ready, tidrec, wait_until};

/// Runs a command that must fail with 2 and a message on one line of stderr, which is returned.
fn refused(command: &mut Command) -> String {
    let mut child = Child::spawn(command);
    assert_eq!(child.expect_exit(2, SOON), "", "{command:?}");
    let said = child.stderr();
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("tidrec: "), "{said}");
    said
}

/// Tries to attach, in vain. Returns the message.
fn refused_attach(pid: u32) -> String {
    let dir = TempDir::new();
    let file = dir.join("t");
    let said = refused(tidrec().arg("-o").arg(&file).args(["-p", &pid.to_string()]));
    assert!(!file.exists(), "an output is left: {said}");
    said
}

fn assert_says(said: &str, parts: &[&str]) {
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in {said:?}");
    }
}

/// A process that sleeps, and is never touched.
struct Bystander {
    child: Child,
    pid: u32,
}

impl Bystander {
    fn start() -> Bystander {
        Bystander::of(Child::run(program("sleeper"), ["3"]))
    }

    fn of(mut child: Child) -> Bystander {
        let pid = ready(&mut child);
        wait_until("it sleeps", SOON, || {
            thread_states(pid).iter().all(|(_, state)| *state == 'S')
        });
        Bystander { child, pid }
    }

    fn assert_untouched(mut self) {
        for (tid, state, tracer) in tracers(self.pid) {
            assert_eq!((state, tracer), ('S', 0), "thread {tid}");
        }
        self.child.signal("TERM");
        self.child.expect_exit(0, SOON);
    }
}

#[test]
fn no_such_process() {
    let mut child = Command::new("true").spawn().expect("run true");
    child.wait().expect("wait");
    let said = refused_attach(child.id());
    assert_says(
        &said,
        &[&format!("no process {}: it has ended", child.id()), "ps"],
    );
}

#[test]
fn a_zombie() {
    let mut child = Command::new("true").spawn().expect("run true");
    wait_until("a zombie", SOON, || {
        thread_states(child.id())
            .iter()
            .any(|(_, state)| *state == 'Z')
    });
    let said = refused_attach(child.id());
    let parent = format!("its parent {} ", std::process::id());
    assert_says(
        &said,
        &[
            "(true) has ended already: it is a zombie",
            &parent,
            "tidrec -- CMD",
        ],
    );
    child.wait().expect("wait");
}

#[test]
fn a_kernel_thread() {
    let has_one = if comm(2).as_deref() == Some(b"kthreadd") {
        Ok(())
    } else {
        Err("no kernel threads are visible here".to_owned())
    };
    if need(has_one).is_some() {
        assert_says(
            &refused_attach(2),
            &["process 2 (kthreadd) is a kernel thread", "perf"],
        );
    }
}

#[test]
fn a_thread_that_is_no_process() {
    let bystander = Bystander::start();
    let tid = thread_states(bystander.pid)[1].0;
    let said = refused_attach(tid);
    assert_says(
        &said,
        &[&format!(
            "{tid} is a thread of process {0}: record that with -p {0}",
            bystander.pid
        )],
    );
    bystander.assert_untouched();
}

#[test]
fn itself_and_what_started_it() {
    let dir = TempDir::new();
    let file = dir.join("t");
    let said = refused_attach(std::process::id());
    assert_says(
        &said,
        &["is tidrec itself or started it", "another terminal"],
    );
    let script = "exec \"$0\" -o \"$1\" -p $$";
    let mut command = Command::new("sh");
    command
        .args(["-c", script, env!("CARGO_BIN_EXE_tidrec")])
        .arg(&file);
    assert_says(&refused(&mut command), &["(tidrec) is tidrec itself"]);
    assert!(!file.exists());
}

#[test]
fn traced_already_by_another_recorder() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let bystander = Bystander::start();
    let mut first = attach(&dir.join("first"), &[bystander.pid], &[]);
    let said = refused_attach(bystander.pid);
    let tracer = format!("is traced already, by process {} (tidrec)", first.pid());
    assert_says(
        &said,
        &[
            &format!("process {} (sleeper) ", bystander.pid),
            &tracer,
            "detach it",
        ],
    );
    assert_eq!(tracer_of(bystander.pid), Some(first.pid()));
    first.signal("TERM");
    first.expect_exit(0, SOON);
    bystander.assert_untouched();
}

#[test]
fn traced_already_by_another_program() {
    if !may_trace() {
        return;
    }
    let mut tracer = Child::spawn(
        Command::new(yardstick())
            .arg("follow")
            .arg(program("sleeper"))
            .arg("2"),
    );
    let pid = ready(&mut tracer);
    let said = refused_attach(pid);
    let named = format!("by process {} (smallest_tracer)", tracer.pid());
    assert_says(&said, &["is traced already", &named, "only one tracer"]);
    assert_eq!(tracer_of(pid), Some(tracer.pid()));
}

#[test]
fn one_of_two_that_cannot_be_attached_spares_the_other() {
    if !may_trace() {
        return;
    }
    let dir = TempDir::new();
    let file = dir.join("t");
    let bystander = Bystander::start();
    let mut ended = Command::new("true").spawn().expect("run true");
    ended.wait().expect("wait");
    let mut command = tidrec();
    command.arg("-o").arg(&file);
    for pid in [bystander.pid, ended.id()] {
        command.args(["-p", &pid.to_string()]);
    }
    assert_says(&refused(&mut command), &["no process"]);
    assert!(!file.exists());
    bystander.assert_untouched();
}

/// Nobody, by number.
const NOBODY: &str = "65534";

/// Whether this test may become another user.
fn may_switch_user() -> bool {
    let output = Command::new("setpriv")
        .args([
            "--reuid",
            NOBODY,
            "--regid",
            NOBODY,
            "--clear-groups",
            "true",
        ])
        .output();
    need(match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(format!("setpriv(1): {error}")),
    })
    .is_some()
}

/// A folder that anyone may use, with copies of programs that anyone may run.
struct Public {
    dir: TempDir,
}

impl Public {
    fn new() -> Public {
        let dir = TempDir::new();
        set_permissions(dir.path(), Permissions::from_mode(0o777)).expect("chmod");
        Public { dir }
    }

    fn copy(&self, program: &Path, mode: u32) -> PathBuf {
        let copy = self.dir.path().join(program.file_name().expect("a name"));
        copy_program(program, &copy);
        set_permissions(&copy, Permissions::from_mode(mode)).expect("chmod");
        copy
    }

    fn tidrec(&self) -> PathBuf {
        self.copy(Path::new(env!("CARGO_BIN_EXE_tidrec")), 0o755)
    }
}

fn as_nobody(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"]);
    command.arg(program);
    command
}

#[test]
fn another_users_process() {
    if !may_switch_user() {
        return;
    }
    let public = Public::new();
    let file = public.dir.join("t");
    let bystander = Bystander::start();
    let mut command = as_nobody(&public.tidrec());
    command
        .arg("-o")
        .arg(&file)
        .args(["-p", &bystander.pid.to_string()]);
    let said = refused(&mut command);
    assert_says(
        &said,
        &[
            &format!("not permitted to trace process {} (sleeper)", bystander.pid),
            "it belongs to uid 0, and tidrec runs as uid 65534",
            "CAP_SYS_PTRACE",
            "sudo",
        ],
    );
    assert!(!file.exists());
    bystander.assert_untouched();
}

#[test]
fn root_without_the_capability() {
    if !may_switch_user() {
        return;
    }
    let public = Public::new();
    let sleeper = public.copy(&program("sleeper"), 0o755);
    let bystander = Bystander::of(Child::spawn(as_nobody(&sleeper).arg("3")));
    let file = public.dir.join("t");
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"]);
    command
        .arg(env!("CARGO_BIN_EXE_tidrec"))
        .arg("-o")
        .arg(&file);
    command.args(["-p", &bystander.pid.to_string()]);
    let said = refused(&mut command);
    assert_says(
        &said,
        &[
            "it belongs to uid 65534, and tidrec runs as uid 0",
            "CAP_SYS_PTRACE",
        ],
    );
    assert!(!file.exists());
    bystander.assert_untouched();
}

#[test]
fn a_protected_process_of_the_same_user() {
    if !may_switch_user() {
        return;
    }
    let public = Public::new();
    let protected = public.copy(&program("protected"), 0o755);
    let bystander = Bystander::of(Child::spawn(&mut as_nobody(&protected)));
    let file = public.dir.join("t");
    let mut command = as_nobody(&public.tidrec());
    command
        .arg("-o")
        .arg(&file)
        .args(["-p", &bystander.pid.to_string()]);
    let said = refused(&mut command);
    assert_says(
        &said,
        &[
            "not permitted to trace",
            "it is protected",
            "CAP_SYS_PTRACE",
        ],
    );
    assert!(!file.exists());
    bystander.assert_untouched();
}

#[test]
fn ones_own_process_needs_no_privilege() {
    if !may_trace() || !may_switch_user() {
        return;
    }
    let _lock = SCOPE.lock().unwrap_or_else(PoisonError::into_inner);
    let scope = std::fs::read_to_string(PtraceScope::PATH);
    let open = match scope.as_deref().map(str::trim) {
        Ok("1" | "2" | "3") => Err("Yama restricts tracing here".to_owned()),
        _ => Ok(()),
    };
    if need(open).is_none() {
        return;
    }
    let public = Public::new();
    let sleeper = public.copy(&program("sleeper"), 0o755);
    let bystander = Bystander::of(Child::spawn(as_nobody(&sleeper).arg("3")));
    let file = public.dir.join("t");
    let mut command = as_nobody(&public.tidrec());
    command
        .arg("-o")
        .arg(&file)
        .args(["-p", &bystander.pid.to_string()]);
    let mut recorder = Child::spawn(&mut command);
    recorder.wait_stderr("tidrec: recording ", SOON);
    recorder.signal("TERM");
    recorder.expect_exit(0, SOON);
    assert_eq!(file.metadata().expect("a trace").uid().to_string(), NOBODY);
    bystander.assert_untouched();
}

/// Whether a user that is nobody may make user namespaces.
fn may_make_user_namespaces() -> bool {
    let output = as_nobody(Path::new("unshare"))
        .args(["-U", "true"])
        .output();
    need(match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) => Err(error.to_string()),
    })
    .is_some()
}

#[test]
fn a_process_outside_of_ones_user_namespace() {
    if !may_switch_user() || !may_make_user_namespaces() {
        return;
    }
    let public = Public::new();
    let (recorder, file) = (public.tidrec(), public.dir.join("t"));
    let sleeper = public.copy(&program("sleeper"), 0o755);
    let attempt = |mapping: &[&str], bystander: Bystander| {
        let mut command = as_nobody(Path::new("unshare"));
        command.arg("--user").args(mapping).arg(&recorder);
        command.arg("-o").arg(&file);
        command.args(["-p", &bystander.pid.to_string()]);
        let said = refused(&mut command);
        assert!(!file.exists(), "{said}");
        bystander.assert_untouched();
        said
    };
    // One's own user outside, and another: the root of a namespace has no power over either.
    let of_nobody = || Bystander::of(Child::spawn(as_nobody(&sleeper).arg("3")));
    for said in [
        attempt(&["--map-root-user"], of_nobody()),
        attempt(&["--map-root-user"], Bystander::start()),
        attempt(&[], of_nobody()),
    ] {
        let parts = ["tidrec is in a user namespace", "run tidrec outside"];
        assert_says(
            &said,
            &["not permitted to trace process", parts[0], parts[1]],
        );
    }
}

/// Attaches and launches in vain under a filter like a container's. Returns the two messages.
fn refused_by_a_filter(recorder: &mut dyn FnMut() -> Command, bystander: Bystander) -> [String; 2] {
    let dir = Public::new().dir;
    let (file, witness) = (dir.join("t"), dir.join("started"));
    let pid = bystander.pid.to_string();
    let attach = refused(recorder().arg("-o").arg(&file).args(["-p", &pid]));
    bystander.assert_untouched();
    let mut command = recorder();
    command
        .arg("-o")
        .arg(&file)
        .args(["--", "touch"])
        .arg(&witness);
    let launch = refused(&mut command);
    assert!(!file.exists(), "an output is left: {launch}");
    assert!(!witness.exists(), "the command ran: {launch}");
    [attach, launch]
}

#[test]
fn a_seccomp_filter_that_forbids_ptrace() {
    let assert_explained = |said: [String; 2], pid: u32| {
        let mend = ["a seccomp filter", "--cap-add SYS_PTRACE", "on the host"];
        for said in &said {
            assert_says(said, &mend);
        }
        let [attach, launch] = said;
        let named = format!("not permitted to trace process {pid} (sleeper)");
        assert_says(&attach, &[&named]);
        assert_says(&launch, &["the command that it launches"]);
    };
    let bystander = Bystander::start();
    let pid = bystander.pid;
    let mut recorder = || {
        let mut command = Command::new(program("noptrace"));
        command.arg(env!("CARGO_BIN_EXE_tidrec"));
        command
    };
    assert_explained(refused_by_a_filter(&mut recorder, bystander), pid);

    if !may_switch_user() {
        return;
    }
    let public = Public::new();
    let sleeper = public.copy(&program("sleeper"), 0o755);
    let filter = public.copy(&program("noptrace"), 0o755);
    let tidrec = public.tidrec();
    let bystander = Bystander::of(Child::spawn(as_nobody(&sleeper).arg("3")));
    let pid = bystander.pid;
    let mut recorder = || {
        let mut command = as_nobody(&filter);
        command.arg(&tidrec);
        command
    };
    assert_explained(refused_by_a_filter(&mut recorder, bystander), pid);
}

/// The host's setting, for a while. Tests that depend on it are not run at the same time.
struct PtraceScope {
    before: String,
    _lock: MutexGuard<'static, ()>,
}

static SCOPE: Mutex<()> = Mutex::new(());

impl PtraceScope {
    const PATH: &str = "/proc/sys/kernel/yama/ptrace_scope";

    fn set(value: &str) -> Result<PtraceScope, String> {
        let lock = SCOPE.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = |error: std::io::Error| format!("{}: {error}", Self::PATH);
        let before = std::fs::read_to_string(Self::PATH).map_err(failed)?;
        std::fs::write(Self::PATH, value).map_err(failed)?;
        Ok(PtraceScope {
            before,
            _lock: lock,
        })
    }
}

impl Drop for PtraceScope {
    fn drop(&mut self) {
        std::fs::write(Self::PATH, &self.before).expect("the setting from before");
    }
}

/// The other scopes' messages are tested in `preflight.rs`: the third can be undone by a reboot only.
#[test]
fn yama_that_lets_only_ancestors_trace() {
    if !may_switch_user() {
        return;
    }
    let Some(_scope) = need_of_kernel(PtraceScope::set("1")) else {
        return;
    };
    let public = Public::new();
    let sleeper = public.copy(&program("sleeper"), 0o755);
    let bystander = Bystander::of(Child::spawn(as_nobody(&sleeper).arg("3")));
    let (recorder, file) = (public.tidrec(), public.dir.join("t"));
    let mut command = as_nobody(&recorder);
    command.arg("-o").arg(&file);
    command.args(["-p", &bystander.pid.to_string()]);
    let said = refused(&mut command);
    assert_says(&said, &["kernel.yama.ptrace_scope is 1", "tidrec -- CMD"]);
    bystander.assert_untouched();
    // The mend that needs no privilege.
    let mut command = as_nobody(&recorder);
    command.arg("-o").arg(&file).args(["--", "true"]);
    Child::spawn(&mut command).expect_exit(0, SOON);
}

/// Tries to write to an output, attaching and launching, in vain. Returns the two messages.
fn refused_output(output: &Path) -> [String; 2] {
    let bystander = Bystander::start();
    let pid = bystander.pid.to_string();
    let attach = refused(tidrec().arg("-o").arg(output).args(["-p", &pid]));
    bystander.assert_untouched();
    let dir = TempDir::new();
    let witness = dir.join("started");
    let mut command = tidrec();
    command
        .arg("-o")
        .arg(output)
        .args(["--", "touch"])
        .arg(&witness);
    let launch = refused(&mut command);
    assert!(!witness.exists(), "the command ran: {launch}");
    [attach, launch]
}

#[test]
fn an_output_in_a_missing_folder() {
    let dir = TempDir::new();
    let file = dir.join("missing").join("t");
    for said in refused_output(&file) {
        let shown = file.display().to_string();
        assert_says(
            &said,
            &[
                "cannot write ",
                &shown,
                "No such file or directory",
                "another place with -o",
            ],
        );
    }
    assert!(!dir.join("missing").exists());
}

#[test]
fn an_output_that_is_a_folder() {
    let dir = TempDir::new();
    for said in refused_output(dir.path()) {
        let shown = dir.path().display().to_string();
        assert_says(&said, &[&shown, "is a folder", "name a file in it"]);
    }
}

#[test]
fn an_output_that_exists() {
    let dir = TempDir::new();
    let file = dir.join("t");
    std::fs::write(&file, "precious").expect("write a file");
    for said in refused_output(&file) {
        assert_says(&said, &["exists, and is kept", "-o", "--force"]);
    }
    assert_eq!(std::fs::read(&file).expect("the file"), b"precious");
}

#[test]
fn an_output_where_one_may_not_write() {
    if !may_switch_user() {
        return;
    }
    let public = Public::new();
    let recorder = public.tidrec();
    let private = public.dir.join("private");
    std::fs::create_dir(&private).expect("a folder");
    set_permissions(&private, Permissions::from_mode(0o755)).expect("chmod");
    let existing = private.join("existing");
    std::fs::write(&existing, "precious").expect("write a file");
    set_permissions(&existing, Permissions::from_mode(0o644)).expect("chmod");
    for file in [private.join("new"), existing.clone()] {
        let mut command = as_nobody(&recorder);
        command
            .arg("--force")
            .arg("-o")
            .arg(&file)
            .args(["--", "true"]);
        let said = refused(&mut command);
        let shown = file.display().to_string();
        let parts = [
            "cannot write ",
            &shown,
            "Permission denied",
            "another place with -o",
        ];
        assert_says(&said, &parts);
    }
    assert_eq!(std::fs::read(&existing).expect("the file"), b"precious");
    assert!(!private.join("new").exists());
}

#[test]
fn a_full_disk_is_told_and_the_command_goes_on() {
    if !may_trace() {
        return;
    }
    let output = tidrec()
        .args(["-o", "/dev/full", "--", "sh", "-c", "echo done; exit 4"])
        .output()
        .expect("run tidrec");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_says(&said, &["/dev/full", "No space left on device"]);
    // Either nothing was begun, or the command ran to its end with its own code.
    match output.status.code() {
        Some(2) => assert_eq!(output.stdout, b"", "{said}"),
        code => assert_eq!(
            (code, &output.stdout[..]),
            (Some(4), &b"done\n"[..]),
            "{said}"
        ),
    }
}

#[test]
fn wrong_usage() {
    for (args, part) in [
        (&["-p", "0"][..], "0"),
        (&["-p", "1", "--", "true"], "cannot be used with"),
        (&[], "required"),
        (&["--duration", "5 parsecs", "--", "true"], "is no time"),
        (&["--follow-fork", "uncle", "--", "true"], "possible values"),
    ] {
        let output = tidrec()
            .args(args)
            .stdin(Stdio::null())
            .output()
            .expect("run tidrec");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert_eq!(output.stdout, b"", "{args:?}");
        assert_says(&String::from_utf8_lossy(&output.stderr), &[part]);
    }
}
