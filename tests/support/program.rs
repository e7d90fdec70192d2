//! Tracees: the C programs of `testdata/programs`, compiled when a test first needs them.

use std::ffi::OsString;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::temp::unique;

/// The path of the compiled `testdata/programs/NAME.c`.
pub(crate) fn program(name: &str) -> PathBuf {
    program_with(name, &[])
}

/// The same with more options for the compiler, such as `-g` or `-fno-omit-frame-pointer`.
pub(crate) fn program_with(name: &str, options: &[&str]) -> PathBuf {
    let folder = workspace().join("testdata/programs");
    compile(
        &folder.join(format!("{name}.c")),
        &[folder.join("say.h")],
        &[&["-O1", "-Wall", "-Wextra", "-pthread"], options].concat(),
    )
}

/// Copies a program, to be run. By a process of its own: were the file open for writing in this one,
/// another test's thread might fork just then, and its child hold it open until its exec. Nothing
/// that is open for writing can be run (`ETXTBSY`).
pub(crate) fn copy_program(from: impl AsRef<Path>, to: impl AsRef<Path>) {
    run(Command::new("cp").arg(from.as_ref()).arg(to.as_ref()));
}

/// The path of the compiled `benches/smallest_tracer.c`.
pub(crate) fn yardstick() -> PathBuf {
    let source = workspace().join("benches/smallest_tracer.c");
    compile(&source, &[], &["-O2", "-Wall", "-Wextra"])
}

/// Compiles into a folder named by all that the result depends on, unless it is there.
///
/// So a program is never replaced: tests run at the same time, in several processes, and one that
/// executes itself (`/proc/self/exe`) must find itself. The file's name, and with it comm, is the
/// source's.
fn compile(source: &Path, headers: &[PathBuf], options: &[&str]) -> PathBuf {
    let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
    let mut options: Vec<OsString> = options.iter().map(Into::into).collect();
    if std::env::var_os("CI").is_some() {
        options.push("-Werror".into()); // Elsewhere a newer compiler's warning must not stop tests.
    }
    let mut hasher = DefaultHasher::new();
    (&compiler, &options).hash(&mut hasher);
    for path in headers.iter().map(PathBuf::as_path).chain([source]) {
        let content = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        content.hash(&mut hasher);
    }
    let folder = cache().join(format!("{:016x}", hasher.finish()));
    let binary = folder.join(source.file_stem().expect("a source has a name"));
    if !binary.exists() {
        fs::create_dir_all(&folder).expect("create a folder for a tracee");
        let fresh = folder.join(unique("fresh"));
        let mut command = Command::new(&compiler);
        run(command.args(options).arg("-o").arg(&fresh).arg(source));
        // Unlike a rename, a link does not replace what another process has put there meanwhile.
        match fs::hard_link(&fresh, &binary) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                panic!("cannot put {} in place: {error}", binary.display())
            }
            _ => fs::remove_file(&fresh).expect("remove a link"),
        }
    }
    binary
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Cargo's folder for what integration tests and benchmarks make.
fn cache() -> PathBuf {
    option_env!("CARGO_TARGET_TMPDIR")
        .map_or_else(std::env::temp_dir, PathBuf::from)
        .join("tracees")
}

/// The nearest folder above the tested crate that has the tracees.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .find(|folder| folder.join("testdata/programs").is_dir())
        .expect("testdata/programs is in the workspace")
        .to_owned()
}
