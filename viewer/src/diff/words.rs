//! What two recordings have in common to say: names, functions and modules, written so that those of
//! two builds are the same where a person would say so, each with one number for both recordings.

use std::cell::Cell;
use std::collections::HashMap;

use anyhow::{Result, bail};
use tidline::model::Name;
use tidline::symbolize::is_jit_map;
use tidline::text;

use crate::fold::class;
use crate::site::{JitName, file_name, module_name};

/// Number of a word; [`NO_WORD`] where nothing is known.
pub(crate) type Word = u32;
/// Not known.
pub(crate) const NO_WORD: Word = 0;

/// The module of all code that a JIT compiler made, in whatever process.
const JIT_MODULE: &[u8] = b"perf-#.map";

/// Rules that are told of at most, where nothing has their old names.
const MOST_UNUSED: usize = 10;

/// What compilers add to a function's name when they make another of it.
const SUFFIXES: [&str; 8] = [
    "constprop",
    "isra",
    "part",
    "cold",
    "llvm",
    "lto_priv",
    "ipa",
    "localalias",
];

/// All words of all recordings that are compared.
#[derive(Debug)]
pub(crate) struct Words {
    numbers: HashMap<Box<[u8]>, Word>,
    /// For people; safe to print.
    shown: Vec<String>,
    /// Whether it is a module alone, in place of a function of it that has no name.
    bare: Vec<bool>,
}

impl Default for Words {
    fn default() -> Self {
        Words {
            numbers: HashMap::new(),
            shown: vec![String::new()],
            bare: vec![false],
        }
    }
}

impl Words {
    /// The number of a word by its key, which may hold more than is shown.
    pub(crate) fn number(&mut self, key: &[u8], shown: impl FnOnce() -> String) -> Word {
        if let Some(word) = self.numbers.get(key) {
            return *word;
        }
        let word = u32::try_from(self.shown.len()).unwrap_or(NO_WORD);
        self.numbers.insert(key.into(), word);
        self.shown.push(shown());
        self.bare.push(false);
        word
    }

    /// The number of a task's name.
    pub(crate) fn name(&mut self, name: &[u8]) -> Word {
        match name.is_empty() {
            true => NO_WORD,
            false => self.number(name, || text::escape(name).into_owned()),
        }
    }

    /// The number of a frame whose module is all that is known.
    pub(crate) fn bare(&mut self, module: &[u8]) -> Word {
        let key = [b"\0module\0", module].concat();
        let word = self.number(&key, || text::escape(module).into_owned());
        self.bare[word as usize] = true;
        word
    }

    /// A word for people.
    pub(crate) fn shown(&self, word: Word) -> &str {
        self.shown.get(word as usize).map_or("", String::as_str)
    }

    /// Whether it is a module alone.
    pub(crate) fn is_bare(&self, word: Word) -> bool {
        self.bare.get(word as usize).copied().unwrap_or(false)
    }
}

/// What is called otherwise in the new recording.
#[derive(Clone, Debug, Default)]
pub(crate) struct Renames {
    rules: Vec<Rule>,
    /// Rules by their old names.
    names: HashMap<Box<[u8]>, usize>,
    /// The first rule for each class of old names: names of tasks do not keep their digits.
    classes: HashMap<Box<[u8]>, usize>,
}

/// A line `OLD -> NEW`.
#[derive(Clone, Debug)]
struct Rule {
    line: usize,
    old: Box<[u8]>,
    new: Box<[u8]>,
    /// Whether anything had the old name.
    used: Cell<bool>,
}

impl Renames {
    /// Lines `OLD -> NEW`; empty ones and those that begin with `#` say nothing.
    pub(crate) fn parse(list: &[u8]) -> Result<Renames> {
        let mut renames = Renames::default();
        for (text, line) in list.split(|byte| *byte == b'\n').zip(1..) {
            let text = text.trim_ascii();
            if text.is_empty() || (text.starts_with(b"#") && !contains_arrow(text)) {
                continue;
            }
            let Some(at) = arrow(text) else {
                bail!("line {line}: it has no ` -> ` between an old and a new name");
            };
            renames.add(line, text[..at].trim_ascii(), text[at + 2..].trim_ascii())?;
        }
        Ok(renames)
    }

    fn add(&mut self, line: usize, old: &[u8], new: &[u8]) -> Result<()> {
        let rule = self.rules.len();
        if let Some(first) = self.names.insert(old.into(), rule) {
            bail!(
                "line {line}: `{}` has a new name already, in line {}",
                text::escape(old),
                self.rules[first].line
            );
        }
        let of_tasks = class(&Name::from(old));
        self.classes
            .entry(of_tasks.as_bytes().into())
            .or_insert(rule);
        self.rules.push(Rule {
            line,
            old: old.into(),
            new: new.into(),
            used: Cell::new(false),
        });
        Ok(())
    }

    /// What to tell of rules whose old names nothing had; of the first few.
    pub(crate) fn unused(&self) -> Vec<String> {
        let unused = || self.rules.iter().filter(|rule| !rule.used.get());
        let told = unused().take(MOST_UNUSED).map(|rule| {
            let old = text::escape(&rule.old);
            let line = rule.line;
            format!("--renames: line {line}: nothing in the old recording is called `{old}`")
        });
        let more = unused().count().saturating_sub(MOST_UNUSED);
        let more = (more > 0).then(|| format!("--renames: and so of {more} more"));
        told.chain(more).collect()
    }

    /// The new word for an old one.
    fn of<'a>(&'a self, word: &'a [u8]) -> &'a [u8] {
        self.names.get(word).map_or(word, |rule| self.used(*rule))
    }

    /// What a rule that is used makes of it.
    fn used(&self, rule: usize) -> &[u8] {
        self.rules[rule].used.set(true);
        &self.rules[rule].new
    }

    /// A task's name class.
    pub(crate) fn name(&self, name: &Name) -> Name {
        let own = class(name);
        let rule = self.names.get(own.as_bytes());
        match rule.or_else(|| self.classes.get(own.as_bytes())) {
            None => own,
            Some(rule) => class(&Name::from(self.used(*rule))),
        }
    }

    /// The name that a module's function has in every build.
    pub(crate) fn function(&self, name: &[u8], path: Option<&Name>) -> Vec<u8> {
        let plain = match path.is_some_and(|path| is_jit_map(path.as_bytes())) {
            true => function(&jit_function(name)),
            false => function(name),
        };
        self.of(&plain).to_vec()
    }

    /// A module's name on every machine.
    pub(crate) fn module(&self, path: Option<&Name>) -> Vec<u8> {
        let name = match path.map(Name::as_bytes) {
            None => b"?",
            Some(path) if is_jit_map(path) => JIT_MODULE,
            Some(path) => module_name(path),
        };
        self.of(name).to_vec()
    }
}

fn arrow(line: &[u8]) -> Option<usize> {
    let spaced = line.windows(4).position(|part| part == b" -> ");
    spaced.map(|at| at + 1)
}

fn contains_arrow(line: &[u8]) -> bool {
    // `# -> x` would be a name that consists of digits.
    line.starts_with(b"# -> ")
}

/// A JIT compiler's name for a function without how far it is compiled and where its file and line are.
fn jit_function(name: &[u8]) -> Vec<u8> {
    let parts = JitName::parse(name);
    // `node:fs` is not `fs` of the program.
    let file = match parts.is_of_node() {
        true => parts.file,
        false => file_name(parts.file),
    };
    [parts.kind, parts.function, parts.separator, file].concat()
}

/// A function's name without what differs between two builds of it: Rust's hash, a compiler's
/// suffixes, and the numbers of closures.
fn function(name: &[u8]) -> Vec<u8> {
    let mut name = name;
    loop {
        let before = name.len();
        if let Some(at) = name.iter().position(|byte| *byte == b'[')
            && name[at..].starts_with(b"[clone ")
        {
            name = name[..at].trim_ascii_end();
        }
        if let Some(cut) = name.len().checked_sub(19)
            && cut > 0
            && name[cut..].starts_with(b"::h")
            && name[cut + 3..].iter().all(u8::is_ascii_hexdigit)
        {
            name = &name[..cut];
        }
        if let Some(dot) = name
            .iter()
            .rposition(|byte| *byte == b'.')
            .filter(|dot| *dot > 0)
        {
            let last = &name[dot + 1..];
            let known = SUFFIXES.iter().any(|suffix| suffix.as_bytes() == last);
            let number = !last.is_empty() && last.iter().all(u8::is_ascii_digit);
            if known || number {
                name = &name[..dot];
            }
        }
        if name.len() == before {
            break;
        }
    }
    without_closure_numbers(name)
}

/// `{closure#3}` and `{lambda(int)#2}` without their numbers.
fn without_closure_numbers(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut at = 0;
    while at < name.len() {
        out.push(name[at]);
        if name[at] == b'#' {
            let digits = name[at + 1..]
                .iter()
                .take_while(|byte| byte.is_ascii_digit());
            let digits = digits.count();
            if name.get(at + 1 + digits) == Some(&b'}') {
                at += digits;
            }
        }
        at += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_two_builds_are_the_same() {
        for (name, expected) in [
            ("serve", "serve"),
            ("app::load::h0123456789abcdef", "app::load"),
            ("app::load::hello", "app::load::hello"),
            ("work.constprop.0.isra.3", "work"),
            ("work.cold", "work"),
            ("work.llvm.123456789", "work"),
            ("work [clone .part.0]", "work"),
            ("app::run::{closure#12}", "app::run::{closure#}"),
            (
                "f()::{lambda(int)#2}::operator()",
                "f()::{lambda(int)#}::operator()",
            ),
            ("main.main.func1", "main.main.func1"),
            (".0", ".0"),
            ("", ""),
        ] {
            let plain = String::from_utf8(function(name.as_bytes())).unwrap();
            assert_eq!(plain, expected, "{name}");
        }
    }

    #[test]
    fn code_of_jit_compilers_is_the_same_wherever_it_lies_and_however_far_it_is_compiled() {
        let list = Name::from(&b"/tmp/perf-42.map"[..]);
        let renames = Renames::parse(b"JS:old x.js -> JS:new x.js").unwrap();
        assert_eq!(renames.module(Some(&list)), b"perf-#.map");
        for (name, expected) in [
            ("JS:~f /a/x.js:2:21", "JS:f x.js"),
            ("JS:^f /b/x.js:3:1", "JS:f x.js"),
            ("JS:*' file:///b/x.mjs:3:1", "JS: x.mjs"),
            (
                "JS:~spawn node:internal/child_process:1:2",
                "JS:spawn node:internal/child_process",
            ),
            ("JS:*old /a/x.js:1:1", "JS:new x.js"),
            ("py::run:/a/x.py", "py::run:x.py"),
            ("LMain;::run()V", "LMain;::run()V"),
            ("app::load::h0123456789abcdef", "app::load"),
        ] {
            let plain = renames.function(name.as_bytes(), Some(&list));
            assert_eq!(String::from_utf8(plain).unwrap(), expected, "{name}");
        }
        // Elsewhere these signs are a function's own.
        assert_eq!(renames.function(b"JS:~f /x:2", None), b"JS:~f /x:2");
    }

    #[test]
    fn renames_are_lines() {
        let renames =
            Renames::parse(b"# a comment\n\nstart_pool -> begin_pool\r\nworker-1 -> job-1\n");
        let renames = renames.unwrap();
        assert_eq!(renames.function(b"start_pool.cold", None), b"begin_pool");
        assert_eq!(renames.name(&"worker-77".into()).to_string(), "job-#");
        assert_eq!(renames.name(&"other".into()).to_string(), "other");
        let wrong = |list: &[u8]| Renames::parse(list).unwrap_err().to_string();
        assert_eq!(
            wrong(b"a -> b\nc"),
            "line 2: it has no ` -> ` between an old and a new name"
        );
        assert_eq!(
            wrong(b" -> b"),
            "line 1: it has no ` -> ` between an old and a new name"
        );
        assert_eq!(
            wrong(b"a -> b\n\n a-> c\na -> d"),
            "line 3: it has no ` -> ` between an old and a new name"
        );
        assert_eq!(
            wrong(b"a -> b\n\nb -> c\na -> b"),
            "line 4: `a` has a new name already, in line 1"
        );
    }

    #[test]
    fn rules_that_nothing_needs_are_told() {
        let list =
            b"# which\nstart -> begin\nlib.so -> other.so\nworker-1 -> job-1\nnone\x1b -> x\n";
        let renames = Renames::parse(list).unwrap();
        renames.function(b"start.cold", None);
        renames.name(&"worker-2".into());
        assert_eq!(
            renames.unused(),
            [
                "--renames: line 3: nothing in the old recording is called `lib.so`",
                "--renames: line 5: nothing in the old recording is called `none\\x1b`",
            ]
        );
        let many: String = (0..13).map(|number| format!("f{number} -> g\n")).collect();
        let told = Renames::parse(many.as_bytes()).unwrap().unused();
        assert_eq!(
            (told.len(), &*told[10]),
            (11, "--renames: and so of 3 more")
        );
    }
}
