//! A file that goes on while it is looked at: what is shown stays, and the end moves.

use std::sync::Arc;

use tidline::model::{Ending, Task, TaskId, Time};

use super::filter::Filter;
use super::index::{Index, Show};
use super::state::{Effect, Life, State, whole};
use crate::time::Clock;

impl State {
    /// Takes the same recording as it is by now, and what the filter admits of it.
    pub(crate) fn grown(&mut self, show: Arc<Show>, filtered: Option<(Filter, Arc<Index>)>) {
        let (old, new) = (self.whole(), whole(&show.trace));
        let event = self.event;
        let last = self.trace().events().len().checked_sub(1);
        let was_at_end = self.cursor >= old.to && event == last;
        let known = |id: TaskId| {
            let task = self.trace().task(id);
            (id, task.task, task.born)
        };
        let selected = self.selected_task().map(known);
        let followed = self.follow.as_ref().map(|follow| known(follow.task));
        let former = match self.filter.take() {
            Some((filter, index)) => {
                self.filter = filtered.filter(|(other, _)| other.typed() == filter.typed());
                if self.filter.is_none() {
                    self.filtering = Some(filter.clone());
                    self.effects.push(Effect::Filter(filter));
                }
                index
            }
            None => self.show.index.clone(),
        };
        self.show = show;
        self.options.clock = Clock::new(self.show.trace.anchors(), self.utc);
        self.life = match self.show.trace.integrity().ending {
            Ending::Finished(_) => Life::Finished,
            Ending::CutShort => Life::Live,
        };
        if self.window.to >= old.to {
            self.window.to = new.to;
        }
        self.window.to = self.window.to.clamp(new.from, new.to);
        self.window.from = self.window.from.clamp(new.from, self.window.to);
        self.follow = None;
        let shape = former.outline.shape_in(&self.shape, &self.index().outline);
        self.reshape(selected.and_then(|it| self.same_task(it)), shape);
        if let Some(id) = followed.and_then(|it| self.same_task(it)) {
            self.follow(id);
        }
        self.go_to(if was_at_end { new.to } else { self.cursor });
        // Of several at that time it was one.
        let same = |event: &usize| {
            let found = self.trace().events().get(*event);
            !was_at_end && found.is_some_and(|found| found.time.0 <= self.cursor)
        };
        self.event = event.filter(same).or(self.event);
    }

    /// The task that it was in the trace as it is by now: where oldest files were given up
    /// meanwhile, it has another number.
    fn same_task(&self, (id, task, born): (TaskId, Task, Time)) -> Option<TaskId> {
        let same = |other: &&tidline::model::TaskRecord| other.task == task && other.born == born;
        let tasks = self.trace().tasks();
        let found = tasks.get(id.0 as usize).filter(same);
        found
            .or_else(|| tasks.iter().find(same))
            .map(|task| task.id)
    }
}
