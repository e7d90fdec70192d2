//! `symbolize`: finds the files of a recording's modules on this machine, and has symbols looked up.
//!
//! The file must be the one that was recorded, or names would be wrong: its build-id says so. The
//! work is done by a [`worker`], which such a file may break.

mod files;
pub(crate) mod worker;

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use tidline::format::{Sink, scan};
use tidline::model::{
    Anchor, Carried, Damage, Definition, Event, FrameId, Module, Stacks, Symbol, SymbolSource,
    Time, Trust,
};
use tidline::symbolize::is_jit_map;
use tidline::symbolize::protocol::{MAX_PLACES, Request};
use tidline::text;

use crate::load::Recording;
use worker::{Trouble, Worker};

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Symbols that the recording has not, or not so good.
    pub(crate) symbols: HashMap<FrameId, Symbol>,
    /// Frames of which somebody wanted to know more, by module.
    pub(crate) modules: Vec<OfModule>,
    /// All frames of the recording; those that have a name now, and those that have lines.
    pub(crate) frames: usize,
    pub(crate) named: usize,
    pub(crate) with_lines: usize,
    /// What else is to be told.
    pub(crate) remarks: Vec<String>,
}

/// What was found of one module.
#[derive(Debug)]
pub(crate) struct OfModule {
    /// Its path.
    pub(crate) module: String,
    /// Frames that were looked up, and those of them that have got a name, or lines, by that.
    pub(crate) frames: usize,
    pub(crate) got: usize,
    /// The file that was read; or why there is none.
    pub(crate) from: Result<String, String>,
}

/// What a recording defines, without its events.
pub(crate) fn stacks_of(recording: Recording) -> Result<Stacks> {
    let mut definitions = Definitions(Stacks::default());
    let (segments, _) = recording.into_segments();
    scan(segments, &mut definitions).context("cannot read the trace")?;
    Ok(definitions.0)
}

struct Definitions(Stacks);

impl Sink for Definitions {
    fn event(&mut self, _: Event) {}
    fn checkpoint(&mut self, _: &[Carried], _: Time) {}
    fn define(&mut self, definition: Definition) {
        self.0.define(definition);
    }
    fn anchor(&mut self, _: Anchor) {}
    fn counter(&mut self, _: String, _: u64) {}
    fn reached(&mut self, _: Time) {}
    fn damaged(&mut self, _: &Damage) {}
}

/// How much a symbol says.
fn worth(symbol: Option<&Symbol>) -> u8 {
    let Some(symbol) = symbol.filter(|symbol| !symbol.functions.is_empty()) else {
        return 0;
    };
    match symbol.source {
        SymbolSource::DebugInfo => 3,
        SymbolSource::JitMap => 2,
        _ => 1,
    }
}

/// Looks up what is not known, with the files of this machine and of these folders.
///
/// # Errors
/// If no process for it can be started.
pub(crate) fn look_up(stacks: &Stacks, dirs: &[PathBuf]) -> Result<Found> {
    let mut found = Found::default();
    let mut worker = Worker::new(dirs);
    let frames = stacks.frames();
    for (id, module) in stacks.modules() {
        let is_wanted = |frame: &FrameId| worth(stacks.symbol(*frame)) < 2;
        let places: Vec<(FrameId, u64, Trust)> = frames
            .iter()
            .filter(|(frame, its)| its.module == Some(id) && is_wanted(frame))
            .map(|(frame, its)| (*frame, its.address, its.trust))
            .collect();
        if places.is_empty() {
            continue;
        }
        let mut of_module = Lookup {
            module,
            places,
            worker: &mut worker,
            remarks: &mut found.remarks,
        };
        let (symbols, from) = of_module.run(dirs)?;
        let frames = of_module.places.len();
        let mut got = 0;
        for (frame, symbol) in symbols {
            if worth(Some(&symbol)) > worth(stacks.symbol(frame)) {
                got += 1;
                found.symbols.insert(frame, symbol);
            }
        }
        found.modules.push(OfModule {
            module: module.path.to_string(),
            frames,
            got,
            from,
        });
    }
    found.frames = frames.len();
    for (frame, _) in &frames {
        let symbol = found.symbols.get(frame).or(stacks.symbol(*frame));
        found.named += usize::from(worth(symbol) > 0);
        found.with_lines += usize::from(worth(symbol) == 3);
    }
    found.remarks.sort();
    found.remarks.dedup();
    Ok(found)
}

/// One module's look-up.
struct Lookup<'a> {
    module: &'a Module,
    places: Vec<(FrameId, u64, Trust)>,
    worker: &'a mut Worker,
    remarks: &'a mut Vec<String>,
}

type Symbols = Vec<(FrameId, Symbol)>;

impl Lookup<'_> {
    /// The symbols, and the file that they are from; or why there are none.
    fn run(&mut self, dirs: &[PathBuf]) -> Result<(Symbols, Result<String, String>)> {
        let mut problems = Vec::new();
        let mut best: Option<(Symbols, String)> = None;
        let worth_of = |symbols: &Symbols| -> u64 {
            let symbols = symbols.iter();
            symbols.map(|(_, it)| u64::from(worth(Some(it)))).sum()
        };
        for candidate in files::candidates(self.module, dirs) {
            let Some(path) = candidate.path.to_str() else {
                continue;
            };
            match self.ask(path)? {
                Ok(symbols) => {
                    let shown = text::escape(path.as_bytes()).into_owned();
                    let unsure = if candidate.is_known {
                        ""
                    } else {
                        " (no build-id to tell)"
                    };
                    let better = best
                        .as_ref()
                        .is_none_or(|(others, _)| worth_of(&symbols) > worth_of(others));
                    if better {
                        best = Some((symbols, shown + unsure));
                    }
                    let most = 3 * self.places.len() as u64;
                    let (symbols, _) = best.as_ref().context("there is one")?;
                    if worth_of(symbols) == most {
                        break;
                    }
                }
                Err(problem) => problems.push(problem),
            }
        }
        Ok(match best {
            Some((symbols, from)) => (symbols, Ok(from)),
            None => (Vec::new(), Err(self.in_words(problems))),
        })
    }

    fn in_words(&self, mut problems: Vec<String>) -> String {
        problems.dedup();
        if !problems.is_empty() {
            return problems.join("; ");
        }
        let build_id: String = self
            .module
            .build_id
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        match (self.module.path.as_bytes(), build_id.as_str()) {
            ([b'[', ..], _) => "the kernel's own".into(),
            (path, _) if is_jit_map(path) => {
                "a JIT compiler's list is taken from --debug-dir only, and is not there".into()
            }
            (_, "") => {
                "without a build-id it is taken from --debug-dir only, and is not there".into()
            }
            (_, id) => format!("not found, build-id {id}"),
        }
    }

    /// Asks one file; an inner error is about that file.
    fn ask(&mut self, path: &str) -> Result<Result<Symbols, String>> {
        let jit = is_jit_map(self.module.path.as_bytes());
        let mut all = Vec::new();
        for places in self.places.chunks(MAX_PLACES) {
            let asked: Vec<_> = places.iter().map(|place| (place.1, place.2)).collect();
            let request = Request::new(path.into(), jit, &self.module.build_id, &asked);
            let answer = match self.worker.ask(&request) {
                Ok(answer) => answer,
                Err(Trouble::Start(error)) => {
                    // No error of input and output: those are of the file that is written.
                    bail!("cannot start a process that reads symbols: {error}");
                }
                Err(Trouble::Harm(what)) => {
                    let path = text::escape(path.as_bytes());
                    return Ok(Err(format!("{path}: the process that read it {what}")));
                }
            };
            let escaped = answer.remarks.iter().map(|it| text::escape(it.as_bytes()));
            self.remarks
                .extend(escaped.map(std::borrow::Cow::into_owned));
            match answer.symbols() {
                Ok(symbols) if symbols.len() == places.len() => {
                    let frames = places.iter().map(|place| place.0);
                    all.extend(frames.zip(symbols));
                }
                Ok(_) => {
                    return Ok(Err(
                        "the process that read it answered something else".into()
                    ));
                }
                Err(problem) => return Ok(Err(text::escape(problem.as_bytes()).into_owned())),
            }
        }
        Ok(Ok(all))
    }
}
