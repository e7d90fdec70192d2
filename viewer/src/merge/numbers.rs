//! Numbers of modules, frames and stacks: each recording has its own, and the merged file one set.

use std::collections::HashMap;

use tidline::model::{Carried, Definition, Event, EventBody, FrameId, ModuleId, StackId};

/// New numbers for old ones. Files of one recording have theirs in common.
#[derive(Default)]
pub(super) struct Numbers {
    modules: HashMap<(u128, u32), u32>,
    frames: HashMap<(u128, u32), u32>,
    stacks: HashMap<(u128, u32), u32>,
}

fn of(numbers: &mut HashMap<(u128, u32), u32>, recording: u128, number: u32) -> u32 {
    let next = numbers.len() as u32;
    *numbers.entry((recording, number)).or_insert(next)
}

impl Numbers {
    /// A definition comes before whatever refers to it, so that new numbers, too, grow with what
    /// they refer to.
    pub(super) fn definition(&mut self, recording: u128, definition: Definition) -> Definition {
        let frame =
            |numbers: &mut Self, id: FrameId| FrameId(of(&mut numbers.frames, recording, id.0));
        match definition {
            Definition::Module(id, module) => {
                Definition::Module(ModuleId(of(&mut self.modules, recording, id.0)), module)
            }
            Definition::Frame(id, mut content) => {
                let module = content.module;
                content.module = module.map(|it| ModuleId(of(&mut self.modules, recording, it.0)));
                Definition::Frame(frame(self, id), content)
            }
            Definition::Stack(id, mut node) => {
                node.up = node
                    .up
                    .map(|up| StackId(of(&mut self.stacks, recording, up.0)));
                node.frame = frame(self, node.frame);
                Definition::Stack(StackId(of(&mut self.stacks, recording, id.0)), node)
            }
            Definition::Symbol(id, symbol) => Definition::Symbol(frame(self, id), symbol),
        }
    }

    pub(super) fn event(&mut self, recording: u128, event: &mut Event) {
        match &mut event.body {
            EventBody::Birth(birth) => {
                self.site(recording, &mut birth.stack, &mut birth.start);
            }
            EventBody::CreateFailed { stack, .. } => self.site(recording, stack, &mut None),
            _ => {}
        }
    }

    pub(super) fn carried(&mut self, recording: u128, carried: &mut Carried) {
        self.site(recording, &mut carried.stack, &mut carried.start);
    }

    fn site(&mut self, recording: u128, stack: &mut Option<StackId>, start: &mut Option<FrameId>) {
        if let Some(StackId(number)) = stack {
            *number = of(&mut self.stacks, recording, *number);
        }
        if let Some(FrameId(number)) = start {
            *number = of(&mut self.frames, recording, *number);
        }
    }
}
