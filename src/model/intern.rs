//! Interning: each module, frame and stack gets its number the first time it is met.

use std::collections::HashMap;

use super::ids::Name;
use super::stack::{
    Definition, Frame, FrameId, Module, ModuleId, StackEnd, StackId, StackNode, Stacks, Symbol,
};

/// Gives numbers, up to a limit of memory.
#[derive(Debug)]
pub struct Interner {
    stacks: Stacks,
    modules: HashMap<(Name, Box<[u8]>), ModuleId>,
    frames: HashMap<Frame, FrameId>,
    nodes: HashMap<StackNode, StackId>,
    /// How many frames and nodes there may be.
    limit: usize,
}

impl Interner {
    /// An empty one, that takes so many frames and so many nodes of stacks (about 100 bytes each).
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Interner {
            stacks: Stacks::default(),
            modules: HashMap::new(),
            frames: HashMap::new(),
            nodes: HashMap::new(),
            limit,
        }
    }

    /// What the numbers stand for.
    #[must_use]
    pub fn stacks(&self) -> &Stacks {
        &self.stacks
    }

    /// The number of a module: of its path and build-id.
    pub fn module(&mut self, module: Module) -> ModuleId {
        let key = (module.path.clone(), module.build_id.clone());
        let next = ModuleId(self.modules.len() as u32);
        let id = *self.modules.entry(key).or_insert(next);
        if id == next {
            self.stacks.define(Definition::Module(id, module));
        }
        id
    }

    /// The number of a frame; `None` where the limit is reached.
    pub fn frame(&mut self, frame: Frame) -> Option<FrameId> {
        if let Some(id) = self.frames.get(&frame) {
            return Some(*id);
        }
        if self.frames.len() >= self.limit {
            return None;
        }
        let id = FrameId(self.frames.len() as u32);
        self.frames.insert(frame, id);
        self.stacks.define(Definition::Frame(id, frame));
        Some(id)
    }

    /// The number of a stack, given from the innermost frame out; `None` where the limit is
    /// reached or there is no frame.
    pub fn stack(&mut self, frames: &[Frame], end: StackEnd) -> Option<StackId> {
        let mut up = None;
        for frame in frames.iter().rev() {
            let frame = self.frame(*frame)?;
            // Only the outermost says why it is that.
            let end = if up.is_none() { end } else { StackEnd::Bottom };
            let node = StackNode { up, frame, end };
            up = Some(self.node(node)?);
        }
        up
    }

    fn node(&mut self, node: StackNode) -> Option<StackId> {
        if let Some(id) = self.nodes.get(&node) {
            return Some(*id);
        }
        if self.nodes.len() >= self.limit {
            return None;
        }
        let id = StackId(self.nodes.len() as u32);
        self.nodes.insert(node, id);
        self.stacks.define(Definition::Stack(id, node));
        Some(id)
    }

    /// Notes what a frame's address means.
    pub fn symbol(&mut self, frame: FrameId, symbol: Symbol) {
        self.stacks.define(Definition::Symbol(frame, symbol));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Trust;

    fn frame(address: u64) -> Frame {
        Frame {
            module: None,
            address,
            trust: Trust::Cfi,
        }
    }

    #[test]
    fn stacks_from_one_place_share_their_outer_part() {
        let mut interner = Interner::new(100);
        let [a, b, c, d] = [1, 2, 3, 4].map(frame);
        let first = interner.stack(&[a, c, d], StackEnd::Bottom).unwrap();
        let second = interner.stack(&[b, c, d], StackEnd::Bottom).unwrap();
        let other = interner.stack(&[b, c, d], StackEnd::Captured).unwrap();
        assert_eq!(interner.stack(&[a, c, d], StackEnd::Bottom), Some(first));
        let stacks = interner.stacks();
        let addresses = |id| -> Vec<u64> {
            let frames = stacks.walk(id).map(|(_, node)| node.frame);
            frames.map(|id| stacks.frame(id).unwrap().address).collect()
        };
        assert_eq!(addresses(first), [1, 3, 4]);
        assert_eq!(addresses(second), [2, 3, 4]);
        let outer = |id| stacks.walk(id).nth(1).unwrap().0;
        assert_eq!(outer(first), outer(second));
        assert_eq!(stacks.end(second), Some(StackEnd::Bottom));
        assert_eq!(stacks.end(other), Some(StackEnd::Captured));
    }

    #[test]
    fn the_limit_holds_and_what_was_known_stays_known() {
        let mut interner = Interner::new(3);
        let known = interner.stack(&[frame(1), frame(2)], StackEnd::Bottom);
        assert!(known.is_some());
        let more = [frame(3), frame(4), frame(5)];
        assert_eq!(interner.stack(&more, StackEnd::Bottom), None);
        assert_eq!(
            interner.stack(&[frame(1), frame(2)], StackEnd::Bottom),
            known
        );
    }
}
