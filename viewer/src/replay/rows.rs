//! The rows of tasks: which are on the screen, which one is selected, and what is folded.

use tidline::model::{TaskId, Time};

use super::layout::rows;
use super::outline::{Item, Place};
use super::state::State;

impl State {
    /// The task that is selected; of a fold none.
    pub(crate) fn selected_task(&self) -> Option<TaskId> {
        match self.index().outline.item(self.selected?)? {
            Item::Task(id) => Some(id),
            Item::Fold(_) => None,
        }
    }

    /// The rows of tasks on the screen.
    pub(crate) fn task_rows(&self) -> Vec<Place> {
        self.rows_from(self.top)
    }

    /// As many rows from a place on as there is room for.
    fn rows_from(&self, top: Place) -> Vec<Place> {
        let height = usize::from(rows(self.areas().tasks).height);
        let (at, outline) = (self.at(), &self.index().outline);
        let first = outline.next_row(top, at, &self.shape);
        let next = |row: &Place| outline.row_after(*row, at, &self.shape);
        std::iter::successors(first, next).take(height).collect()
    }

    /// Selects a task, opens what hides it, and goes to a time at which it lives.
    pub(crate) fn show_task(&mut self, id: TaskId) {
        let (born, ended) = super::outline::life(self.trace(), id);
        if born <= ended && !(born..ended).contains(&self.cursor) {
            self.go_to(born);
        }
        self.select_task(id);
    }

    /// Selects a task and opens what hides it.
    pub(crate) fn select_task(&mut self, id: TaskId) {
        let mut shape = std::mem::take(&mut self.shape);
        let outline = &self.index().outline;
        let place = outline.place_of(id);
        if let Some(place) = place {
            outline.reveal(place, &mut shape);
        }
        self.shape = shape;
        if place.is_some() {
            self.select(place);
        } else {
            self.say("the filter leaves that task out");
        }
    }

    /// Selects what stands at a place.
    pub(crate) fn select(&mut self, place: Option<Place>) {
        self.selected = place;
        self.details_top = 0;
        self.settle();
    }

    /// Selects a row of the screen.
    pub(crate) fn select_row(&mut self, row: usize) {
        if let Some(place) = self.task_rows().get(row) {
            self.select(Some(*place));
        }
    }

    /// Selects so many rows further down, or up.
    pub(crate) fn move_selection(&mut self, by: i64) {
        let at = self.at();
        let outline = &self.index().outline;
        let mut place = self.selected;
        for _ in 0..by.unsigned_abs() {
            let next = match (place, by > 0) {
                (None, _) => outline.next_row(self.top, at, &self.shape),
                (Some(place), false) => outline.row_before(place, at, &self.shape),
                (Some(place), true) if outline.is_shown(place, at, &self.shape) => {
                    outline.row_after(place, at, &self.shape)
                }
                (Some(place), true) => outline.next_row(place, at, &self.shape),
            };
            if next.is_none() {
                break;
            }
            place = next;
        }
        self.select(place);
    }

    /// Folds or unfolds what is selected.
    pub(crate) fn toggle(&mut self) {
        let Some(place) = self.selected else {
            return;
        };
        let mut shape = std::mem::take(&mut self.shape);
        let outline = &self.index().outline;
        if outline.has_below(place) {
            outline.toggle(place, &mut shape);
        }
        self.shape = shape;
        self.settle();
    }

    /// Selects who created what is selected.
    pub(crate) fn go_to_parent(&mut self) {
        let outline = &self.index().outline;
        let parent = match self.selected.and_then(|place| outline.item(place)) {
            Some(Item::Task(id)) => self.trace().task(id).parent,
            Some(Item::Fold(index)) => outline.fold(index).parent,
            None => return,
        };
        let Some(parent) = parent else {
            self.say("who created it is not known");
            return;
        };
        self.select_task(parent);
        let task = self.trace().task(parent);
        if !task.alive_at(Time(self.cursor)) {
            let ended = task.ended.map_or(String::new(), |ended| {
                format!(" at {}", crate::time::elapsed(ended))
            });
            self.say(format!("its creator ended{ended}"));
        }
    }

    /// Brings the selection onto the screen.
    pub(crate) fn settle(&mut self) {
        self.top = self.settled();
    }

    /// The first row with which the selection is on the screen, and no room is left below while
    /// there is something above.
    fn settled(&self) -> Place {
        let height = usize::from(rows(self.areas().tasks).height);
        let (at, outline) = (self.at(), &self.index().outline);
        if height == 0 {
            return self.top;
        }
        let before = |row: &Place| outline.row_before(*row, at, &self.shape);
        // Up from a row by so many, as far as there are any.
        let above = |row: Place, count: usize| {
            let rows = std::iter::successors(Some(row), before).take(count + 1);
            rows.last().unwrap_or(row)
        };
        let mut rows = self.rows_from(self.top);
        let mut top = rows.first().copied().unwrap_or(self.top);
        let shown = |place: &Place| outline.is_shown(*place, at, &self.shape);
        let selected = self.selected.filter(shown);
        if let Some(selected) = selected.filter(|selected| !rows.contains(selected)) {
            top = match selected < top {
                true => selected,
                false => above(selected, height - 1),
            };
            rows = self.rows_from(top);
        }
        if rows.len() < height {
            let last = rows.last().copied();
            let last = last.or_else(|| outline.row_before(Place::MAX, at, &self.shape));
            top = last.map_or(0, |last| above(last, height - 1));
        }
        top
    }
}
