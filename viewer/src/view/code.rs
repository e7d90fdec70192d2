//! What `info` says of a trace's stacks: how many there are, of which code, and how much is missing.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use tidline::model::{EventBody, Frame, FrameId, Module, ModuleId, StackId, Trace};

use super::stacks::{births, dropped, why_none};
use crate::choices;
use crate::page::{Style, Table, Text};
use crate::words::{count, counted, shorten};

/// The contract's object.
#[derive(Debug, Serialize)]
pub(crate) struct Code {
    creations: u64,
    creations_with_stack: u64,
    failed_with_stack: u64,
    /// Stacks that differ.
    stacks: usize,
    frames: usize,
    frames_with_symbol: usize,
    modules: usize,
}

/// The figures; `None` for a trace without stacks.
pub(crate) fn code(trace: &Trace) -> Option<Code> {
    let stacks = trace.stacks();
    if stacks.is_empty() {
        return None;
    }
    let births = births(trace);
    let (differing, failed) = used(trace);
    let frames = stacks.frames();
    let named = frames.iter().filter(|(id, _)| is_named(trace, *id)).count();
    Some(Code {
        creations: births.all,
        creations_with_stack: births.with_stack,
        failed_with_stack: failed,
        stacks: differing,
        frames: frames.len(),
        frames_with_symbol: named,
        modules: stacks.modules().len(),
    })
}

/// How many stacks are used that differ, and how many refused creations have one.
fn used(trace: &Trace) -> (usize, u64) {
    if let Some(part) = trace.part() {
        return (part.stacks.len(), part.totals.refused_with_stack);
    }
    let mut differing: HashSet<StackId> = HashSet::new();
    let mut failed = 0;
    for event in trace.events() {
        let stack = match &event.body {
            EventBody::Birth(birth) => birth.stack,
            EventBody::CreateFailed { stack, .. } => {
                failed += u64::from(stack.is_some());
                *stack
            }
            _ => None,
        };
        differing.extend(stack);
    }
    differing.extend(trace.tasks().iter().filter_map(|task| task.stack));
    (differing.len(), failed)
}

fn is_named(trace: &Trace, frame: FrameId) -> bool {
    let symbol = trace.stacks().symbol(frame);
    symbol.is_some_and(|symbol| !symbol.functions.is_empty())
}

/// The figures in words, and whether nothing is missing.
pub(crate) fn words(trace: &Trace, code: Option<&Code>) -> (String, Style) {
    let Some(code) = code else {
        let words = match choices::is_off(trace.header(), "stacks") {
            true => "off: where tasks were created is not in this file (--stacks)".into(),
            false => format!("on, and none is in this file: {}", why_none(trace)),
        };
        return (words, Style::Plain);
    };
    let words = format!(
        "on: of {} {} have one; {}, {} of which {} have a symbol, {}{}",
        counted(code.creations, "creation"),
        count(code.creations_with_stack),
        counted(code.stacks, "stack"),
        counted(code.frames, "frame"),
        count(code.frames_with_symbol),
        counted(code.modules, "module"),
        dropped(trace)
    );
    let whole = code.creations == code.creations_with_stack && dropped(trace).is_empty();
    (words, if whole { Style::Plain } else { Style::Note })
}

/// A module in JSON.
#[derive(Debug, Serialize)]
pub(crate) struct ModuleRow {
    path: String,
    build_id: Option<String>,
    pid: u32,
    begin: String,
    end: String,
    frames: usize,
    frames_with_symbol: usize,
}

/// The modules, by number.
pub(crate) fn modules(trace: &Trace) -> Vec<ModuleRow> {
    let frames = Frames::of(trace);
    let modules = trace.stacks().modules().into_iter();
    let row = |(id, module): (ModuleId, &Module)| {
        let (pid, begin, end) = module.seen;
        let (frames, named) = frames.of_module(id);
        ModuleRow {
            path: String::from_utf8_lossy(module.path.as_bytes()).into_owned(),
            build_id: (!module.build_id.is_empty()).then(|| hex(&module.build_id)),
            pid: pid.0,
            begin: format!("{begin:#x}"),
            end: format!("{end:#x}"),
            frames,
            frames_with_symbol: named,
        }
    };
    modules.map(row).collect()
}

/// How many frames are of each module, and how many of those have a symbol.
struct Frames(BTreeMap<Option<ModuleId>, (usize, usize)>);

impl Frames {
    fn of(trace: &Trace) -> Frames {
        let mut frames: BTreeMap<Option<ModuleId>, (usize, usize)> = BTreeMap::new();
        for (id, Frame { module, .. }) in trace.stacks().frames() {
            let entry = frames.entry(*module).or_default();
            entry.0 += 1;
            entry.1 += usize::from(is_named(trace, id));
        }
        Frames(frames)
    }

    fn of_module(&self, id: ModuleId) -> (usize, usize) {
        self.0.get(&Some(id)).copied().unwrap_or_default()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The modules as a table.
pub(crate) fn table<'a>(rows: Vec<ModuleRow>) -> Table<'a> {
    let row = |row: &ModuleRow| {
        let path = tidline::text::escape(row.path.as_bytes());
        vec![
            Text::plain(count(row.frames)),
            Text::plain(count(row.frames_with_symbol)),
            Text::plain(row.build_id.as_deref().unwrap_or("-")),
            Text::plain(shorten(&path, 1_000)),
        ]
    };
    Table::new(&[">FRAMES", ">NAMED", "BUILD-ID", "MODULE"], rows, row)
}
