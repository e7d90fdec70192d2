//! Which definitions a file has, and which an event still needs.

use std::collections::{BTreeSet, HashSet};

use crate::model::{Carried, Definition, Event, EventBody, FrameId, ModuleId, StackId, Stacks};

/// Knows what is defined in a file, so that each number is defined in it once, and before its use.
#[derive(Debug, Default)]
pub struct Defined {
    modules: HashSet<ModuleId>,
    frames: HashSet<FrameId>,
    stacks: HashSet<StackId>,
    symbols: HashSet<FrameId>,
    /// What was needed and is not known, or not all of it: it may become known later.
    missing: BTreeSet<(Option<StackId>, Option<FrameId>)>,
}

impl Defined {
    /// Forgets everything: for a new file, or one that lost an unknown part of what was written.
    pub fn clear(&mut self) {
        *self = Defined::default();
    }

    /// What has to be defined before an event can be written.
    pub fn for_event(&mut self, event: &Event, stacks: &Stacks, out: &mut Vec<Definition>) {
        let (stack, start) = match &event.body {
            EventBody::Birth(birth) => (birth.stack, birth.start),
            EventBody::CreateFailed { stack, .. } => (*stack, None),
            _ => return,
        };
        self.needed(stack, start, stacks, out);
    }

    /// What has to be defined before a checkpoint can be written.
    pub fn for_checkpoint(
        &mut self,
        carried: &[Carried],
        stacks: &Stacks,
        out: &mut Vec<Definition>,
    ) {
        for task in carried {
            self.needed(task.stack, task.start, stacks, out);
        }
    }

    /// What a frame's address means, where that is known and not defined. The frame itself may be
    /// defined in an earlier file of the recording.
    pub fn for_symbol(&mut self, frame: FrameId, stacks: &Stacks, out: &mut Vec<Definition>) {
        self.symbol(frame, stacks, out);
    }

    /// Takes up a definition that was met, and what of it is to be defined again. Few change what is
    /// known: those that contradict themselves.
    pub fn take_up(
        &mut self,
        definition: Definition,
        stacks: &mut Stacks,
        out: &mut Vec<Definition>,
    ) {
        if !stacks.has(&definition) {
            stacks.define(definition.clone());
            self.for_change(&definition, stacks, out);
        }
    }

    /// A number that is defined in the file has been given another meaning: it is defined again.
    pub fn for_change(&mut self, changed: &Definition, stacks: &Stacks, out: &mut Vec<Definition>) {
        match *changed {
            Definition::Module(id, ref module) => {
                if self.modules.contains(&id) {
                    out.push(Definition::Module(id, module.clone()));
                }
            }
            Definition::Frame(id, _) => {
                if self.frames.remove(&id) {
                    self.frame(id, stacks, out);
                }
            }
            Definition::Stack(id, _) => {
                if self.stacks.remove(&id) {
                    self.needed(Some(id), None, stacks, out);
                }
            }
            Definition::Symbol(id, _) => {
                if self.symbols.remove(&id) {
                    self.symbol(id, stacks, out);
                }
            }
        }
    }

    /// What was needed before, and was not known then; and what the addresses of all frames that
    /// are defined mean, where that is known and not defined.
    pub fn for_end(&mut self, stacks: &Stacks, out: &mut Vec<Definition>) {
        for (stack, start) in std::mem::take(&mut self.missing) {
            self.needed(stack, start, stacks, out);
        }
        let mut frames: Vec<FrameId> = self.frames.iter().copied().collect();
        frames.sort_unstable();
        for frame in frames {
            self.symbol(frame, stacks, out);
        }
    }

    fn needed(
        &mut self,
        stack: Option<StackId>,
        start: Option<FrameId>,
        stacks: &Stacks,
        out: &mut Vec<Definition>,
    ) {
        if let Some(frame) = start {
            self.frame(frame, stacks, out);
        }
        // All of it, where a reader may stop after some frames: another stack may begin there.
        let (mut new, mut next) = (Vec::new(), stack);
        while let Some(id) = next
            && !self.stacks.contains(&id)
        {
            let Some(node) = stacks.node(id) else {
                self.missing.insert((next, None));
                break;
            };
            new.push((id, *node));
            next = node.up;
        }
        // The outermost first: what a definition refers to comes before it.
        for (id, node) in new.into_iter().rev() {
            self.frame(node.frame, stacks, out);
            self.stacks.insert(id);
            out.push(Definition::Stack(id, node));
        }
    }

    fn frame(&mut self, id: FrameId, stacks: &Stacks, out: &mut Vec<Definition>) {
        let Some(frame) = stacks.frame(id) else {
            self.missing.insert((None, Some(id)));
            return;
        };
        if let Some(number) = frame.module
            && !self.modules.contains(&number)
        {
            if let Some(module) = stacks.module(number) {
                self.modules.insert(number);
                out.push(Definition::Module(number, module.clone()));
            } else {
                self.missing.insert((None, Some(id)));
            }
        }
        if self.frames.insert(id) {
            out.push(Definition::Frame(id, *frame));
            self.symbol(id, stacks, out);
        }
    }

    fn symbol(&mut self, frame: FrameId, stacks: &Stacks, out: &mut Vec<Definition>) {
        if let Some(symbol) = stacks.symbol(frame)
            && self.symbols.insert(frame)
        {
            out.push(Definition::Symbol(frame, symbol.clone()));
        }
    }
}

#[cfg(test)]
mod tests;
