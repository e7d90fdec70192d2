//! What there was up to a moment, counted: for those who need no more than the numbers.

use std::collections::{BTreeMap, HashSet};

use super::event::{Event, EventBody, What};
use super::ids::Time;
use super::stack::StackId;

/// Counts from a recording's beginning up to a moment.
///
/// Tasks count by how a [`TraceBuilder`](super::TraceBuilder) came to know of them, and by how it
/// takes them to have ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Events of all kinds.
    pub events: u64,
    /// Tasks that were there when the recording reached their process.
    pub existing: u64,
    /// Threads that were born.
    pub threads: u64,
    /// Processes that were born.
    pub processes: u64,
    /// Tasks of which only later events tell.
    pub inferred: u64,
    /// Tasks that exited, or were killed.
    pub exited: u64,
    /// Tasks that the recorder let go.
    pub let_go: u64,
    /// Tasks whose end was not seen.
    pub end_missing: u64,
    /// Threads that called exec, and live on as their leader.
    pub became_leader: u64,
    /// The most tasks alive at once.
    pub peak_alive: u64,
    /// Gaps.
    pub gaps: u64,
    /// Events that were lost, as `Lost` events count them.
    pub lost: u64,
    /// Births that have a stack.
    pub with_stack: u64,
    /// Refused creations that have a stack.
    pub refused_with_stack: u64,
    /// Refused creations, by the error's number.
    pub refused: BTreeMap<u16, u64>,
}

/// What a checkpoint says of all that was before it, beside what lives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Up to the checkpoint.
    pub totals: Totals,
    /// Stacks that events have since the tally before, and none had earlier.
    pub stacks: Vec<StackId>,
    /// Whether the checkpoint tells by what names creators made tasks; see
    /// [`Carried::creator_name`](super::Carried::creator_name).
    pub tells_creators: bool,
}

/// Of a recording of which only a part was read: what all of it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// How many events there are before the first one that was read.
    pub first: u64,
    /// The last moment that the recording knows of.
    pub end: Time,
    /// What there is in all.
    pub totals: Totals,
    /// The stacks that events have, in all.
    pub stacks: HashSet<StackId>,
}

impl Totals {
    /// All tasks that the recording knows of.
    #[must_use]
    pub fn tasks(&self) -> u64 {
        let made = self.threads.saturating_add(self.processes);
        let others = self.existing.saturating_add(self.inferred);
        made.saturating_add(others)
    }

    /// Tasks that live.
    #[must_use]
    pub fn alive(&self) -> u64 {
        let ended = [
            self.exited,
            self.let_go,
            self.end_missing,
            self.became_leader,
        ];
        let ended = ended.into_iter().fold(0, u64::saturating_add);
        self.tasks().saturating_sub(ended)
    }

    /// All births.
    #[must_use]
    pub fn births(&self) -> u64 {
        self.threads.saturating_add(self.processes)
    }

    /// Counts what an event says of itself; the stack that it has.
    pub(super) fn count(&mut self, event: &Event) -> Option<StackId> {
        add(&mut self.events, 1);
        match &event.body {
            EventBody::Birth(birth) => {
                let made = match birth.what {
                    What::Thread => &mut self.threads,
                    What::Process => &mut self.processes,
                };
                add(made, 1);
                add(&mut self.with_stack, u64::from(birth.stack.is_some()));
                birth.stack
            }
            EventBody::CreateFailed { errno, stack, .. } => {
                add(self.refused.entry(*errno).or_default(), 1);
                add(&mut self.refused_with_stack, u64::from(stack.is_some()));
                *stack
            }
            EventBody::Gap { .. } => {
                add(&mut self.gaps, 1);
                None
            }
            EventBody::Lost { count, .. } => {
                add(&mut self.lost, *count);
                None
            }
            _ => None,
        }
    }
}

/// A file's numbers may be anything.
pub(super) fn add(number: &mut u64, more: u64) {
    *number = number.saturating_add(more);
}
