//! `scrub`: a trace that can be given away. Text becomes words that nobody can turn back without the
//! key, the same for the same text, so that what was alike, is; and nothing else changes.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use anyhow::{Result, bail};
use blake2::digest::{KeyInit, Mac};
use blake2::{Blake2s256, Blake2sMac256, Digest};
use clap::ValueEnum;
use tidline::format::{GIVEN_UP_EARLY, Header, Rewrite, is_of_a_host};
use tidline::model::{Carried, Definition, Event, EventBody, Name, SymbolSource};
use tidline::symbolize::is_jit_map;

use crate::part;
use crate::site::{JitName, Rules, file_name};

/// What may be left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Keep {
    Arguments,
    Paths,
    Files,
    Names,
    Host,
    Marks,
    Details,
}

/// What may be changed beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Also {
    Functions,
}

/// Letters of a word: 26^8 is 2 * 10^11, so that of ten thousand words no two are likely to meet.
const LETTERS: usize = 8;
/// Bytes of the shortest key that is taken: shorter ones are guessed.
const SHORTEST_KEY: usize = 12;
/// Words that are remembered, so that a million events of few names are quick.
const REMEMBERED: usize = 1 << 16;
/// Options of the recorder whose values are choices or numbers.
const PLAIN_OPTIONS: [&str; 22] = [
    "new-threads",
    "follow-fork",
    "follow-exec",
    "failures",
    "syscalls",
    "tree",
    "no-args",
    "stacks",
    "stack-bytes",
    "symbols",
    "segment-size",
    "segment-time",
    "max-disk",
    "ring",
    "trigger",
    "all",
    "ring-kb",
    GIVEN_UP_EARLY,
    "repaired",
    "symbolized",
    "part",
    "merged",
];
/// What tidrec says of an end that nobody else had a word in.
const PLAIN_ENDINGS: [&str; 5] = [
    "the target ended",
    "all that was followed ended",
    "the duration was over",
    "the recording was cut short",
    "the stretch that was asked for ended",
];
/// Folders that are everywhere.
const PUBLIC_FOLDERS: [&str; 8] = ["usr", "lib", "lib64", "bin", "sbin", "opt", "home", "proc"];
/// Files that many programs have, beside those of our list of runtimes.
const PUBLIC_FILES: [&str; 6] = [
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
    "ld-musl-x86_64.so.1",
    "ld-musl-aarch64.so.1",
    "libc.musl-x86_64.so.1",
    "libm.so.6",
];
/// The kernel says that a file is no longer there (proc_pid_maps(5)).
const DELETED: &[u8] = b" (deleted)";

/// Changes text.
#[derive(Clone)]
pub(crate) struct Scrubber {
    key: [u8; 32],
    keep: Vec<Keep>,
    also: Vec<Also>,
    words: HashMap<(Kind, Name), Name>,
    /// They name files of runtimes. Without those no call stack tells the program's own code from what
    /// is below it.
    runtimes: Rules,
}

/// What a text is; it has another word as another kind, so that no file tells that two are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Name,
    Path,
    Argument,
    Host,
    Mark,
    Detail,
    Function,
}

/// A key that nobody knows: the standard library's hash keys are the system's random numbers.
fn random_key() -> String {
    let random = (0..2).map(|part| RandomState::new().hash_one(part));
    random.map(|part| format!("{part:016x}")).collect()
}

/// The key that was given, if it is one that keeps a secret, or a random one.
pub(crate) fn key(given: Option<&str>) -> Result<String> {
    match given {
        None => Ok(random_key()),
        Some(key) if key.len() < SHORTEST_KEY => bail!(
            "--key is too short: whoever guesses it can test which words stood in the file; take one of \
             {SHORTEST_KEY} bytes at least, as `openssl rand -hex 16` makes, or leave it out"
        ),
        Some(key) => Ok(key.into()),
    }
}

impl Scrubber {
    pub(crate) fn new(key: &str, keep: &[Keep], also: &[Also]) -> Self {
        Scrubber {
            key: Blake2s256::digest(key.as_bytes()).into(),
            keep: keep.to_vec(),
            also: also.to_vec(),
            words: HashMap::new(),
            // Nothing is wrong with our own list.
            runtimes: Rules::new(None).unwrap_or_default(),
        }
    }

    /// Changes what the recorder wrote at the start.
    pub(crate) fn header(&mut self, header: &mut Header) {
        if !self.keep.contains(&Keep::Host) {
            let mut hosts = header.hosts();
            for host in &mut hosts {
                host.name = self.host(&host.name);
                host.boot_id = self.word(Kind::Host, host.boot_id.as_bytes());
            }
            header.host = match hosts.is_empty() {
                true => self.host(&header.host),
                false => crate::view::hosts::names(&hosts),
            };
            header.set_hosts(&hosts);
            if !header.boot_id.is_empty() {
                header.boot_id = self.word(Kind::Host, header.boot_id.as_bytes());
            }
            let id = self.hash(Kind::Host, &header.trace_id.to_le_bytes());
            header.trace_id = u128::from_le_bytes(std::array::from_fn(|byte| id[byte]));
        }
        if !self.keep.contains(&Keep::Arguments) {
            for argument in header.targets.iter_mut().flat_map(|it| &mut it.command) {
                *argument = self.word(Kind::Argument, argument).into_bytes();
            }
        }
        if !self.keep.contains(&Keep::Details) {
            for (name, value) in &mut header.options {
                match name.as_str() {
                    plain if PLAIN_OPTIONS.contains(&plain) || is_of_a_host(plain) => {}
                    "snapshot" => "yes".clone_into(value),
                    "name" | "include" | "exclude" | "cgroup" => {
                        *value = self.word(Kind::Detail, value.as_bytes());
                    }
                    _ => {
                        *name = self.word(Kind::Detail, name.as_bytes());
                        *value = self.word(Kind::Detail, value.as_bytes());
                    }
                }
            }
        }
        part::mark(header, "scrubbed", "yes");
    }

    /// A host's name.
    fn host(&self, name: &str) -> String {
        format!("host-{}", self.word(Kind::Host, name.as_bytes()))
    }

    fn hash(&self, kind: Kind, text: &[u8]) -> [u8; 32] {
        let mut mac = <Blake2sMac256 as KeyInit>::new(&self.key.into());
        mac.update(&[kind as u8]);
        mac.update(text);
        mac.finalize().into_bytes().into()
    }

    /// A word for a whole text. It has no digits, so that it is one class with itself alone.
    fn word(&self, kind: Kind, text: &[u8]) -> String {
        let hash = self.hash(kind, text);
        let mut number = u64::from_le_bytes(std::array::from_fn(|byte| hash[byte]));
        let mut word = String::from("n");
        for _ in 0..LETTERS {
            word.push(char::from(b'a' + (number % 26) as u8));
            number /= 26;
        }
        word
    }

    fn remembered(&mut self, kind: Kind, text: &Name, make: fn(&Self, &[u8]) -> Vec<u8>) -> Name {
        if text.is_empty() {
            return text.clone();
        }
        let key = (kind, text.clone());
        if let Some(word) = self.words.get(&key) {
            return word.clone();
        }
        if self.words.len() >= REMEMBERED {
            self.words.clear();
        }
        let word = Name::from(&make(self, text.as_bytes())[..]);
        self.words.insert(key, word.clone());
        word
    }

    /// A thread's name: its digits and signs stay.
    fn name(&mut self, name: &mut Name) {
        if self.keep.contains(&Keep::Names) {
            return;
        }
        *name = self.remembered(Kind::Name, name, |scrubber, text| {
            let mut out = Vec::new();
            let is_letter = |byte: &u8| byte.is_ascii_alphabetic() || !byte.is_ascii();
            for run in text.chunk_by(|a, b| is_letter(a) == is_letter(b)) {
                match is_letter(&run[0]) {
                    true => out.extend(scrubber.word(Kind::Name, run).into_bytes()),
                    false => out.extend(run),
                }
            }
            out
        });
    }

    /// A path: each part of it is a word, but for folders that are everywhere, and for a file that many
    /// programs have.
    fn path(&mut self, path: &mut Name, what: Keep) {
        if self.keep.contains(&what) {
            return;
        }
        *path = self.remembered(Kind::Path, path, |scrubber, text| {
            let file = file_name(text);
            let folders = text[..text.len() - file.len()].split(|byte| *byte == b'/');
            let parts = folders.map(|part| match part.is_empty() || is_public_folder(part) {
                true => part.to_vec(),
                false => scrubber.word(Kind::Path, part).into_bytes(),
            });
            let mut path = parts.collect::<Vec<_>>().join(&b'/');
            path.extend(scrubber.file(file));
            path
        });
    }

    /// The last part of a path.
    fn file(&self, name: &[u8]) -> Vec<u8> {
        let bare = name.strip_suffix(DELETED).unwrap_or(name);
        let is_public = PUBLIC_FILES.iter().any(|file| file.as_bytes() == bare)
            || is_public_folder(bare)
            || is_jit_map(bare)
            || self.runtimes.names_file(bare);
        match name.is_empty() || is_public {
            true => name.to_vec(),
            false => self.word(Kind::Path, name).into_bytes(),
        }
    }

    fn whole(&mut self, text: &mut Name, kind: Kind, what: Keep) {
        if !self.keep.contains(&what) {
            *text = self.remembered(
                kind,
                text,
                match kind {
                    Kind::Mark => |scrubber, text| scrubber.word(Kind::Mark, text).into_bytes(),
                    _ => |scrubber, text| scrubber.word(Kind::Detail, text).into_bytes(),
                },
            );
        }
    }

    fn function(&mut self, name: &mut Name) {
        if self.also.contains(&Also::Functions) {
            *name = self.remembered(Kind::Function, name, |scrubber, text| {
                scrubber.word(Kind::Function, text).into_bytes()
            });
        }
    }

    /// The name of a function that a JIT compiler made, which has the file's path in it.
    fn jit_function(&mut self, name: &mut Name) {
        let parts = JitName::parse(name.as_bytes());
        let [mut function, mut file] = [parts.function, parts.file].map(Name::from);
        self.function(&mut function);
        if !parts.is_of_node() {
            self.path(&mut file, Keep::Files);
        }
        let changed = [
            parts.kind,
            parts.tier,
            function.as_bytes(),
            parts.separator,
            file.as_bytes(),
            parts.position,
        ];
        *name = Name::from(&changed.concat()[..]);
    }

    /// A system call's name, as it is if it can be one.
    fn call(&mut self, call: &mut Name) {
        let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_';
        if call.as_bytes().len() > 32 || !call.as_bytes().iter().all(plain) {
            self.whole(call, Kind::Detail, Keep::Details);
        }
    }
}

fn is_public_folder(part: &[u8]) -> bool {
    let mut folders = PUBLIC_FOLDERS.iter();
    folders.any(|folder| folder.as_bytes() == part)
}

impl Rewrite for Scrubber {
    fn event(&mut self, mut event: Event) -> Event {
        match &mut event.body {
            EventBody::Existing { name, .. } | EventBody::Rename { name, .. } => self.name(name),
            EventBody::Exec { exe, name, .. } => {
                self.path(exe, Keep::Paths);
                self.name(name);
            }
            EventBody::Gap { detail, .. } => self.whole(detail, Kind::Detail, Keep::Details),
            EventBody::Lost { reason, .. } => self.whole(reason, Kind::Detail, Keep::Details),
            EventBody::Mark { text } => self.whole(text, Kind::Mark, Keep::Marks),
            EventBody::CreateFailed { call: name, .. }
            | EventBody::SyscallEnter { name, .. }
            | EventBody::SyscallExit { name, .. } => self.call(name),
            EventBody::Birth(_) | EventBody::Exit { .. } | EventBody::Detach { .. } => {}
        }
        event
    }

    fn carried(&mut self, mut carried: Carried) -> Carried {
        self.name(&mut carried.name);
        if let Some(name) = &mut carried.creator_name {
            self.name(name);
        }
        if let Some(exe) = &mut carried.exe {
            self.path(exe, Keep::Paths);
        }
        carried
    }

    fn definition(&mut self, mut definition: Definition) -> Definition {
        match &mut definition {
            Definition::Module(_, module) => {
                self.path(&mut module.path, Keep::Paths);
                if !self.keep.contains(&Keep::Host) {
                    let hash = self.hash(Kind::Host, &module.build_id);
                    let length = module.build_id.len().min(20);
                    module.build_id = hash[..length].into();
                }
            }
            Definition::Symbol(_, symbol) => {
                let jit = symbol.source == SymbolSource::JitMap;
                for function in &mut symbol.functions {
                    self.path(&mut function.file, Keep::Files);
                    match jit {
                        true => self.jit_function(&mut function.name),
                        false => self.function(&mut function.name),
                    }
                }
            }
            Definition::Frame(..) | Definition::Stack(..) => {}
        }
        definition
    }

    fn counter(&mut self, name: String) -> String {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_- .".contains(&byte);
        match name.len() <= 64 && name.bytes().all(plain) {
            true => name,
            false => self.word(Kind::Detail, name.as_bytes()),
        }
    }

    fn ending(&mut self, reason: String) -> String {
        let signal = reason.strip_prefix("tidrec got SIG");
        let signal = signal.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_uppercase()));
        let plain = PLAIN_ENDINGS.contains(&reason.as_str()) || signal;
        match plain || self.keep.contains(&Keep::Details) {
            true => reason,
            false => self.word(Kind::Detail, reason.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scrubber(key: &str) -> Scrubber {
        Scrubber::new(key, &[], &[])
    }

    fn name(key: &str, text: &[u8]) -> String {
        let mut name = Name::from(text);
        scrubber(key).name(&mut name);
        name.to_string()
    }

    fn path(text: &str) -> String {
        let mut path = Name::from(text);
        scrubber("k").path(&mut path, Keep::Paths);
        path.to_string()
    }

    #[test]
    fn names_keep_digits_and_signs_and_what_was_alike_is() {
        let [a, b, c] = [&b"worker-17"[..], b"worker-18", b"walker-18"].map(|it| name("k", it));
        let stem = a.strip_suffix("-17").unwrap();
        assert_eq!(b, format!("{stem}-18"));
        assert_ne!(c, b);
        assert!(stem.len() == 9 && stem.bytes().all(|byte| byte.is_ascii_lowercase()));
        assert_eq!(name("k", b"worker-17"), a);
        assert_ne!(name("other", b"worker-17"), a);
        assert_eq!(name("k", b"123 [4]"), "123 [4]");
        assert_eq!(name("k", b""), "");
        assert_eq!(
            name("k", "поток-3\u{1b}[".as_bytes()).len(),
            "nabcdefgh-3\\x1b[".len()
        );
    }

    #[test]
    fn paths_keep_how_deep_they_are_and_what_every_program_has() {
        let found = path("/home/jane.doe/app-7/bin/server");
        let parts: Vec<&str> = found.split('/').collect();
        assert_eq!(
            (parts.len(), parts[0], parts[1], parts[4]),
            (6, "", "home", "bin")
        );
        assert!(
            ["jane", "app", "server", "7"]
                .iter()
                .all(|it| !found.contains(it)),
            "{found}"
        );
        for public in [
            "/usr/lib/libc.so.6",
            "[vdso]",
            "/lib64/ld-linux-x86-64.so.2",
            "perf-42.map",
            "/usr/bin/python3.11",
            "/usr/lib/libpython3.11.so.1.0 (deleted)",
            "libm.so.6",
            "node",
        ] {
            assert_eq!(path(public), public);
        }
        for private in [
            "libc.sober",
            "libc.so.6-jane",
            "ld-linux-jane",
            "python3-jane",
            "node/jane",
            "jane/perf-42.map/libc.so.6/jane",
        ] {
            let words = ["lib", "jane", "python", "node", "perf"];
            let found = path(private);
            assert!(words.iter().all(|word| !found.contains(word)), "{found}");
        }
    }

    #[test]
    fn names_of_jit_code_keep_all_but_the_path() {
        let name = |text: &str, also: &[Also]| {
            let mut name = Name::from(text);
            Scrubber::new("k", &[], also).jit_function(&mut name);
            name.to_string()
        };
        let [dir, file] =
            ["dir", "x.js"].map(|part| scrubber("k").word(Kind::Path, part.as_bytes()));
        let run = scrubber("k").word(Kind::Function, b"run");
        for (was, is) in [
            (
                "JS:~run /dir/x.js:2:21",
                format!("JS:~run /{dir}/{file}:2:21"),
            ),
            ("py::run:dir/x.js", format!("py::run:{dir}/{file}")),
            ("JS:~run node:fs:2:21", "JS:~run node:fs:2:21".into()),
            ("LMain;::run()V", "LMain;::run()V".into()),
        ] {
            assert_eq!(name(was, &[]), is);
        }
        assert_eq!(
            name("JS:~run /dir/x.js:2:21", &[Also::Functions]),
            format!("JS:~{run} /{dir}/{file}:2:21")
        );
    }

    #[test]
    fn a_text_has_another_word_as_another_kind() {
        let scrubber = scrubber("k");
        let words: Vec<String> = [Kind::Name, Kind::Path, Kind::Argument, Kind::Mark]
            .map(|kind| scrubber.word(kind, b"server"))
            .to_vec();
        let mut distinct = words.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), words.len());
    }

    #[test]
    fn random_keys_differ() {
        let [a, b] = [random_key(), random_key()];
        assert_eq!((a.len(), b.len()), (32, 32));
        assert_ne!(a, b);
    }
}
