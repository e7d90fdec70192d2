//! What narrows the view, and what is looked for: one thread alone, a filter, a search, jumps.

use std::sync::Arc;

use tidline::model::TaskId;

use super::filter::Filter;
use super::index::Index;
use super::outline::{Item, Shape};
use super::search::Found;
use super::state::{Follow, State};

impl State {
    /// Goes through the events of the selected task only, or through all again.
    pub(crate) fn toggle_follow(&mut self) {
        if self.follow.take().is_some() {
            self.say("all events again");
            return;
        }
        let Some(id) = self.selected_task() else {
            self.say("select one task to follow it");
            return;
        };
        self.follow(id);
    }

    /// Goes through the events of one task only.
    pub(crate) fn follow(&mut self, task: TaskId) {
        let events = self.show.by_task.with_births(self.trace(), task);
        self.follow = Some(Follow { task, events });
    }

    /// Takes a filter that is worked out, where it is still wanted.
    pub(crate) fn filtered(&mut self, filter: Filter, index: Arc<Index>) {
        // It may have been taken back meanwhile.
        let wanted = self.filtering.as_ref().map(Filter::typed);
        if wanted != Some(filter.typed()) {
            return;
        }
        self.filtering = None;
        if index.tasks == 0 && index.events.as_ref().is_some_and(Vec::is_empty) {
            self.say(format!("nothing is of {}", filter.words()));
            return;
        }
        let former = self.selected_task();
        let shape = self.index().outline.shape_in(&self.shape, &index.outline);
        self.filter = (!filter.is_everything()).then_some((filter, index));
        self.reshape(former, shape);
    }

    /// Takes the filter away.
    pub(crate) fn unfilter(&mut self) {
        self.filtering = None;
        let Some((_, index)) = self.filter.take() else {
            return;
        };
        let former = self
            .selected
            .and_then(|place| match index.outline.item(place)? {
                Item::Task(id) => Some(id),
                Item::Fold(_) => None,
            });
        let shape = index
            .outline
            .shape_in(&self.shape, &self.show.index.outline);
        self.reshape(former, shape);
    }

    /// Takes another order of the tasks.
    pub(crate) fn reshape(&mut self, selected: Option<TaskId>, shape: Shape) {
        self.shape = shape;
        self.top = 0;
        let place = selected.and_then(|id| self.index().outline.place_of(id));
        self.select(place.or(Some(0)));
    }

    /// Begins to look for the next task that matches, or the one before.
    pub(crate) fn search_on(&mut self, forward: bool) {
        let from = self.selected_task();
        let count = self.trace().tasks().len();
        match &mut self.search {
            Some(search) => search.start(from, forward, count),
            None => self.say("nothing was looked for: / begins a search"),
        }
    }

    /// Does a part of what there is to do.
    pub(crate) fn work(&mut self) {
        let Some(mut search) = self.search.take() else {
            return;
        };
        let outline = &self.index().outline;
        let found = search.work(self.trace(), |id| outline.place_of(id).is_some());
        let text = tidline::text::escape(search.text.as_bytes()).into_owned();
        self.search = Some(search);
        match found {
            Found::Task(id) => {
                self.note = None;
                self.show_task(id);
            }
            Found::Nothing => self.say(format!("no task is {text}")),
            Found::NotYet => self.say(format!("looking for {text} …")),
        }
    }

    /// Jumps to the next mark, loss or burst, or to the one before.
    pub(crate) fn jump(&mut self, forward: bool) {
        let losses = self.show.losses.iter().map(|(from, _)| *from);
        let bursts = self.index().bursts.iter().copied();
        let stops = self.show.marks.iter().copied().chain(bursts).chain(losses);
        let cursor = self.cursor;
        let found = match forward {
            true => stops.filter(|time| *time > cursor).min(),
            false => stops.filter(|time| *time < cursor).max(),
        };
        match found {
            Some(time) => self.go_to(time),
            None if forward => self.say("no mark, loss or burst behind this moment"),
            None => self.say("no mark, loss or burst before this moment"),
        }
    }
}
