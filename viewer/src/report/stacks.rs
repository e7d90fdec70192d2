//! The stacks that tasks were created by, as a tree: each node is a function and its caller's node.
//!
//! A stack's nodes have rising numbers in the trace, and so one pass makes all of them, however
//! deep they are and however many end in the same callers.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use tidline::model::{FrameId, StackEnd, StackId, Stacks};

use super::columns::Columns;
use super::strings::Strings;

/// A function on a stack, its texts as numbers of strings.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Shown(u64, u64, String, u64, u32, u64, u8);

/// The nodes, and where each of a trace's stacks is among them.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) frames: Vec<Shown>,
    /// For each node its caller's number plus one, its frame, and why its stack ends, a string.
    nodes: Vec<(u64, u64, u64)>,
    places: HashMap<StackId, u64>,
}

impl Tree {
    /// The stacks that are asked for.
    pub(crate) fn of(
        stacks: &Stacks,
        wanted: impl Iterator<Item = StackId>,
        strings: &mut Strings,
    ) -> Tree {
        let mut tree = Tree::default();
        let mut functions: HashMap<FrameId, Vec<u64>> = HashMap::new();
        for id in needed(stacks, wanted) {
            let Some(node) = stacks.node(id) else {
                continue;
            };
            let above = node.up.and_then(|up| tree.places.get(&up).copied());
            let inherited = above.map(|place| tree.nodes[place as usize].2);
            let mut end = match (node.up, inherited) {
                (_, Some(end)) => end,
                (Some(_), None) => strings.safe("the rest is missing from the file"),
                (None, None) if node.end == StackEnd::Bottom => 0,
                (None, None) => strings.safe(node.end.as_str()),
            };
            let shown = functions
                .entry(node.frame)
                .or_insert_with(|| tree.functions(stacks, node.frame, strings));
            if shown.is_empty() {
                end = strings.safe("parts of it are missing from the file");
                tree.frames.push(Shown(0, 0, String::new(), 0, 0, 0, 0));
                shown.push(tree.frames.len() as u64 - 1);
            }
            let mut up = above.map_or(0, |place| place + 1);
            for frame in shown.iter() {
                tree.nodes.push((up, *frame, end));
                up = tree.nodes.len() as u64;
            }
            tree.places.insert(id, up - 1);
        }
        tree
    }

    /// The functions at a frame's address, the outermost first; none if it is not defined.
    fn functions(&mut self, stacks: &Stacks, id: FrameId, strings: &mut Strings) -> Vec<u64> {
        const MOST_INLINED: usize = 64;
        let Some(frame) = stacks.frame(id) else {
            return Vec::new();
        };
        let module = frame.module.and_then(|module| stacks.module(module));
        let module = module.map_or(0, |module| strings.name(&module.path));
        let address = format!("{:#x}", frame.address);
        let trust = strings.safe(frame.trust.as_str());
        let symbol = stacks.symbol(id);
        let functions = symbol.map_or(&[][..], |symbol| &symbol.functions);
        let begin = self.frames.len() as u64;
        if functions.is_empty() {
            self.frames
                .push(Shown(0, module, address.clone(), 0, 0, trust, 0));
        }
        for (index, function) in functions.iter().rev().take(MOST_INLINED).enumerate() {
            self.frames.push(Shown(
                strings.name(&function.name),
                module,
                address.clone(),
                strings.name(&function.file),
                function.line.unwrap_or(0),
                trust,
                u8::from(index > 0),
            ));
        }
        (begin..self.frames.len() as u64).collect()
    }

    /// A stack's number plus one; 0 where it is not known.
    pub(crate) fn number(&self, stack: Option<StackId>) -> u64 {
        let place = stack.and_then(|stack| self.places.get(&stack));
        place.map_or(0, |place| place + 1)
    }

    pub(crate) fn columns(&self, columns: &mut Columns) {
        let nodes = || self.nodes.iter();
        columns.differences("node.up", nodes().map(|node| node.0));
        columns.differences("node.frame", nodes().map(|node| node.1));
        columns.plain("node.end", nodes().map(|node| node.2));
    }
}

/// The nodes of these stacks, each behind its caller.
fn needed(stacks: &Stacks, wanted: impl Iterator<Item = StackId>) -> Vec<StackId> {
    let mut seen: HashSet<StackId> = HashSet::new();
    for stack in wanted {
        let mut next = Some(stack);
        while let Some(id) = next.filter(|id| seen.insert(*id)) {
            next = stacks.node(id).and_then(|node| node.up);
        }
    }
    let mut needed: Vec<StackId> = seen.into_iter().collect();
    needed.sort_unstable();
    needed
}
