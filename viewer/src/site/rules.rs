//! Which frames are a runtime's, and of what kind: a list of patterns, ours behind the user's.

use anyhow::{Result, bail};
use tidline::text;

use super::glob::fits;

/// Who a frame belongs to. The site of a stack is its innermost frame of the highest layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Layer {
    /// The C library and what is below it.
    System,
    /// A language's own library; and code of no file and without a name.
    Language,
    /// A library that makes threads for whoever asks.
    Library,
    /// An interpreter or a virtual machine: as high as a library.
    Interpreter,
    /// The program's own.
    Program,
}

/// The sections of a list.
const SECTIONS: [(&str, Layer); 5] = [
    ("system", Layer::System),
    ("language", Layer::Language),
    ("library", Layer::Library),
    ("interpreter", Layer::Interpreter),
    ("program", Layer::Program),
];

impl Layer {
    /// The word in JSON.
    pub(crate) fn as_str(self) -> &'static str {
        let mut sections = SECTIONS.iter();
        let found = sections.find(|(_, layer)| *layer == self);
        found.map_or("program", |(name, _)| name)
    }

    /// Its height.
    pub(super) fn rank(self) -> u8 {
        match self {
            Layer::System => 0,
            Layer::Language => 1,
            Layer::Library | Layer::Interpreter => 2,
            Layer::Program => 3,
        }
    }
}

#[derive(Clone, Debug)]
struct Rule {
    module: Box<[u8]>,
    /// `None`: all code of the module, with and without a name.
    function: Option<Box<[u8]>>,
    layer: Layer,
}

/// Lists of patterns, of which the first that fits counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules(Vec<Rule>);

const OURS: &[u8] = include_bytes!("runtime-frames.txt");

impl Rules {
    /// Our list, behind the user's. What is wrong with that names its line.
    pub(crate) fn new(users: Option<&[u8]>) -> Result<Rules> {
        let mut rules = match users {
            Some(list) => parse(list)?,
            None => Vec::new(),
        };
        rules.extend(parse(OURS)?);
        Ok(Rules(rules))
    }

    /// Whether a rule names the file of a module as a whole, and the file's name tells no more than that
    /// and its version.
    pub(crate) fn names_file(&self, file: &[u8]) -> bool {
        let name = module_name(file);
        let behind = file.strip_prefix(name).unwrap_or_default();
        // Without `.so` the name is all of it; of libc-2.31.so it ends before the version.
        let behind = match behind.windows(3).position(|part| part == b".so") {
            Some(at) if behind[..at].iter().all(is_of_version) => &behind[at + 3..],
            _ => behind,
        };
        let mut modules = self.0.iter().filter(|rule| rule.function.is_none());
        behind.iter().all(is_of_version)
            && modules.any(|rule| fits_but_for_version(&rule.module, name))
    }

    /// The rules that may fit a module's code.
    pub(super) fn of_module(&self, path: Option<&[u8]>) -> OfModule<'_> {
        let name = path.map(module_name);
        let fitting = self.0.iter().filter(|rule| match name {
            Some(name) => fits(&rule.module, name),
            None => *rule.module == *b"*",
        });
        OfModule {
            rules: fitting.collect(),
            known: name.is_some(),
        }
    }
}

/// The rules that may fit one module's code.
#[derive(Debug)]
pub(super) struct OfModule<'a> {
    rules: Vec<&'a Rule>,
    /// Whether there is a module.
    known: bool,
}

impl OfModule<'_> {
    /// The layer of a function of the module, or of code without a name.
    pub(super) fn layer(&self, function: Option<&[u8]>) -> Layer {
        let bare = function.map(plain_name);
        let mut rules = self.rules.iter();
        let found = rules.find(|rule| match (&rule.function, bare) {
            (None, _) => true,
            (Some(pattern), Some(name)) => fits(pattern, name),
            (Some(_), None) => false,
        });
        match found {
            Some(rule) => rule.layer,
            None if self.known || bare.is_some() => Layer::Program,
            None => Layer::Language,
        }
    }
}

fn is_of_version(byte: &u8) -> bool {
    byte.is_ascii_digit() || b".-".contains(byte)
}

/// Whether a pattern fits all of a module's name, and its signs stand for a version only: `*` at its
/// end for digits, dots and hyphens, `?` for one digit.
fn fits_but_for_version(pattern: &[u8], name: &[u8]) -> bool {
    let (front, goes_on) = match pattern.strip_suffix(b"*") {
        Some(front) => (front, true),
        None => (pattern, false),
    };
    let Some((head, rest)) = name.split_at_checked(front.len()) else {
        return false;
    };
    let mut pairs = front.iter().zip(head);
    pairs.all(|(sign, byte)| match sign {
        b'?' => byte.is_ascii_digit(),
        sign => sign == byte,
    }) && (rest.is_empty() || goes_on && rest.iter().all(is_of_version))
}

fn parse(list: &[u8]) -> Result<Vec<Rule>> {
    let mut rules = Vec::new();
    let mut layer = Layer::Library;
    for (line, number) in list.split(|byte| *byte == b'\n').zip(1..) {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        if let Some(section) = section(line) {
            layer = match SECTIONS.iter().find(|(name, _)| name.as_bytes() == section) {
                Some((_, layer)) => *layer,
                None => bail!("line {number}: {}", unknown_section(section)),
            };
            continue;
        }
        let mut words = line.splitn(2, u8::is_ascii_whitespace);
        let module = words.next().unwrap_or_default();
        let function = words.next().map(<[u8]>::trim_ascii);
        rules.push(Rule {
            module: module.into(),
            function: function.map(Into::into),
            layer,
        });
    }
    Ok(rules)
}

/// `[name]`, but not `[vdso]`, which is a module.
fn section(line: &[u8]) -> Option<&[u8]> {
    let name = line.strip_prefix(b"[")?.strip_suffix(b"]")?;
    (name != b"vdso").then_some(name)
}

fn unknown_section(name: &[u8]) -> String {
    let known = SECTIONS.map(|(name, _)| format!("[{name}]"));
    let known = known.join(", ");
    format!("[{}] is no section: {known} are", text::escape(name))
}

/// The file name of a module without its version: `libc` for `/lib/libc.so.6` and `libc-2.31.so`.
pub(crate) fn module_name(path: &[u8]) -> &[u8] {
    let path = path.strip_suffix(b" (deleted)").unwrap_or(path);
    let name = file_name(path);
    let shared = name.windows(3).position(|part| part == b".so");
    let Some(end) = shared.filter(|end| matches!(name.get(end + 3), None | Some(b'.'))) else {
        return name;
    };
    let name = &name[..end];
    let digits = name.iter().rev();
    let digits = digits.take_while(|byte| byte.is_ascii_digit() || **byte == b'.');
    let version = digits.count();
    match name[..name.len() - version].strip_suffix(b"-") {
        // As libc-2.31, and not libglib-2.0, which is a name.
        Some(bare) if version > 0 && matches!(bare, b"libc" | b"libpthread" | b"ld") => bare,
        _ => name,
    }
}

/// What is behind the last `/`.
pub(crate) fn file_name(path: &[u8]) -> &[u8] {
    let mut parts = path.rsplit(|byte| *byte == b'/');
    parts.next().unwrap_or_default()
}

/// A function's name without what it returns and without a symbol's version: `std::async<f>()` for
/// `std::future<void> std::async<f>()`, `pthread_create` for `pthread_create@GLIBC_2.34`.
fn plain_name(name: &[u8]) -> &[u8] {
    let version = name.iter().skip(1).position(|byte| *byte == b'@');
    let name = version.map_or(name, |at| &name[..=at]);
    let (mut depth, mut start, mut before) = (0u32, 0, b' ');
    for (index, &byte) in name.iter().enumerate() {
        match byte {
            b'(' if depth == 0 && (before.is_ascii_alphanumeric() || b"_>".contains(&before)) => {
                return &name[start..];
            }
            b'<' | b'(' | b'[' | b'{' => depth += 1,
            b'>' if before == b'-' => {}
            b'>' | b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b' ' if depth == 0 => start = index + 1,
            _ => {}
        }
        before = byte;
    }
    // It has no arguments, so it does not say what it returns.
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(module: &str, function: &str) -> Layer {
        let rules = Rules::new(None).unwrap();
        let module = (!module.is_empty()).then_some(module.as_bytes());
        let function = (!function.is_empty()).then_some(function.as_bytes());
        rules.of_module(module).layer(function)
    }

    #[test]
    fn modules_lose_their_versions() {
        for (path, name) in [
            ("/usr/lib/x86_64-linux-gnu/libc.so.6", "libc"),
            ("/lib/libc-2.31.so", "libc"),
            ("/lib/libpthread-2.31.so", "libpthread"),
            ("/lib/ld-2.31.so", "ld"),
            ("/lib64/ld-linux-x86-64.so.2 (deleted)", "ld-linux-x86-64"),
            ("/usr/lib/libglib-2.0.so.0.7400.6", "libglib-2.0"),
            ("/usr/lib/libstdc++.so.6.0.30", "libstdc++"),
            ("/usr/bin/python3.11", "python3.11"),
            ("/x/lib.sources/app", "app"),
            ("/x/app.source", "app.source"),
            ("[vdso]", "[vdso]"),
            ("", ""),
        ] {
            let found = module_name(path.as_bytes());
            assert_eq!(String::from_utf8_lossy(found), name, "{path}");
        }
    }

    #[test]
    fn functions_lose_their_versions_and_what_they_return() {
        for (name, plain) in [
            ("pthread_create@@GLIBC_2.34", "pthread_create"),
            ("pthread_create@plt", "pthread_create"),
            ("start_pool", "start_pool"),
            (
                "std::future<void> std::async<void (&)()>(void (&)())",
                "std::async<void (&)()>(void (&)())",
            ),
            (
                "(anonymous namespace)::go(int)",
                "(anonymous namespace)::go(int)",
            ),
            ("net/http.(*Server).Serve", "net/http.(*Server).Serve"),
            ("<A as B<C, D>>::poll", "<A as B<C, D>>::poll"),
            ("foo [clone .part.0]", "foo [clone .part.0]"),
            ("Foo::operator()(int) const", "Foo::operator()(int) const"),
            ("x->y z(int)", "z(int)"),
            ("@", "@"),
            ("", ""),
        ] {
            let found = plain_name(name.as_bytes());
            assert_eq!(String::from_utf8_lossy(found), plain, "{name}");
        }
    }

    #[test]
    fn runtimes_are_known_by_module_and_by_name() {
        let libc = "/lib/x86_64-linux-gnu/libc.so.6";
        for (module, function, expected) in [
            (libc, "", Layer::System),
            (libc, "anything", Layer::System),
            ("/lib/ld-linux-x86-64.so.2", "", Layer::System),
            // Linked into the program.
            ("/bin/app", "__pthread_create_2_1", Layer::System),
            ("/bin/app", "pthread_create@GLIBC_2.2.5", Layer::System),
            ("/bin/app", "clone3", Layer::System),
            ("/bin/app", "cloner", Layer::Program),
            ("/usr/lib/libstdc++.so.6", "", Layer::Language),
            (
                "/bin/app",
                "std::thread::thread<void (&)(), void>(void (&)())",
                Layer::Language,
            ),
            (
                "/bin/app",
                "void std::vector<std::thread>::_M_realloc_insert<F>(F&&)",
                Layer::Language,
            ),
            (
                "/bin/app",
                "run(std::vector<int>, std::string)",
                Layer::Program,
            ),
            (
                "/bin/app",
                "std::thread::Builder::spawn_unchecked_::h0123456789abcdef",
                Layer::Language,
            ),
            (
                "/bin/app",
                "std::sys::pal::unix::thread::Thread::new",
                Layer::Language,
            ),
            (
                "/bin/app",
                "<alloc::boxed::Box<F,A> as core::ops::function::FnOnce<Args>>::call_once",
                Layer::Language,
            ),
            (
                "/bin/app",
                "<my::Task as core::future::Future>::poll",
                Layer::Program,
            ),
            ("/bin/app", "std::process::Command::spawn", Layer::Language),
            (
                "/bin/app",
                "rayon_core::registry::Registry::new",
                Layer::Library,
            ),
            (
                "/bin/app",
                "tokio::runtime::blocking::pool::spawn_blocking",
                Layer::Library,
            ),
            ("/bin/app", "my::tokio::start", Layer::Program),
            ("/usr/lib/libgomp.so.1", "", Layer::Library),
            ("/usr/lib/libtbbmalloc.so.2", "", Layer::Library),
            ("/bin/app", "runtime.newosproc.abi0", Layer::Language),
            ("/bin/app", "runtime.startm", Layer::Library),
            ("/bin/app", "runtime.startTheWorldWithSema", Layer::Library),
            ("/bin/app", "main.main", Layer::Program),
            ("/jdk/lib/server/libjvm.so", "", Layer::Interpreter),
            (
                "/bin/app",
                "JavaThread::JavaThread(void (*)(JavaThread*), unsigned long)",
                Layer::Interpreter,
            ),
            ("/usr/bin/python3.11", "", Layer::Interpreter),
            (
                "/opt/lib/libpython3.12.so.1.0",
                "_PyEval_EvalFrameDefault",
                Layer::Interpreter,
            ),
            ("/opt/python-tools", "main", Layer::Program),
            ("/bin/app", "", Layer::Program),
            // A JIT compiler's code.
            ("", "", Layer::Language),
            ("", "Lorg/example/Pool;::start", Layer::Program),
        ] {
            assert_eq!(layer(module, function), expected, "{module} {function}");
        }
    }

    #[test]
    fn a_file_that_is_named_tells_no_more_than_its_version() {
        let rules = Rules::new(None).unwrap();
        for (file, named) in [
            ("libc.so.6", true),
            ("libc-2.31.so", true),
            ("ld-linux.so.2", true),
            ("[vdso]", true),
            ("libstdc++.so.6.0.30", true),
            ("python3", true),
            ("python3.11", true),
            ("libpython3.12.so.1.0", true),
            ("libjvm.so", true),
            ("java", true),
            ("node", true),
            ("libQt5Core.so.5.15.8", true),
            ("libevent-2.1.so.7", true),
            ("beam.smp", true),
            ("python3-jane", false),
            ("libpython3.12-jane.so", false),
            ("libpython3.12.so.jane", false),
            ("libc-jane.so", false),
            ("libc.so.6-jane", false),
            ("libc.sober", false),
            ("libQtJCore.so.5", false),
            ("node-jane", false),
            ("jane", false),
            ("*", false),
            ("", false),
        ] {
            assert_eq!(rules.names_file(file.as_bytes()), named, "{file}");
        }
    }

    #[test]
    fn a_users_rules_come_first() {
        let list = b"# ours\nlibwrap\n  * my_spawn*\r\n[program]\n* tokio::special*\n[system]\n* low level(*\n";
        let rules = Rules::new(Some(list)).unwrap();
        let layer = |module: &str, function: &str| {
            rules
                .of_module(Some(module.as_bytes()))
                .layer(Some(function.as_bytes()))
        };
        assert_eq!(layer("/x/libwrap.so.1", "f"), Layer::Library);
        assert_eq!(layer("/x/app", "my_spawn_it"), Layer::Library);
        assert_eq!(layer("/x/app", "tokio::special::x"), Layer::Program);
        assert_eq!(layer("/x/app", "tokio::task::x"), Layer::Library);
        assert_eq!(layer("/x/app", "main"), Layer::Program);
        let error = Rules::new(Some(b"\n[runtime]\n")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 2: [runtime] is no section: [system], [language], [library], [interpreter], \
             [program] are"
        );
    }
}
