//! All tasks in one fixed order, each under who created it, with alike siblings under a fold.
//!
//! Which of them are on the screen depends on the moment and on what is folded; where they stand
//! does not. So a screen of rows is found from any place of the order, forwards or backwards, and
//! a million tasks cost no more than those that are shown:
//!
//! ```text
//!  node 0  server[1000]
//!       1    worker-# x 3        a fold: its steps say how many of it live at a moment
//!       2      worker-1[1001]
//!       3      worker-2[1002]    rows: those that live, unless a fold above them is closed;
//!       4      worker-3[1003]    a closed fold stands for all that lives below it
//!       5    io[1010]
//! ```

use std::collections::{HashMap, HashSet};

use tidline::model::{Name, TaskId, Trace, What};

use super::spans::{At, Spans};
use super::steps::Steps;
use crate::fold::{Folded, class, fold};
use crate::view::forest::Forest;

/// Alike siblings that stand each for itself.
const MOST_ALIKE: usize = 3;
const NONE: u32 = u32::MAX;

/// A place in the order.
pub(crate) type Place = u32;

/// What stands at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Task(TaskId),
    /// Alike tasks of one creator: an index into [`Outline::fold`].
    Fold(u32),
}

#[derive(Clone, Copy, Debug)]
struct Node {
    item: Item,
    /// Places from this one to behind all that is below it.
    size: u32,
    parent: Place,
    /// The nearest fold above.
    fold: Place,
    /// The outermost fold above.
    top_fold: Place,
}

/// Alike tasks of one creator.
#[derive(Debug)]
pub(crate) struct Fold {
    pub(crate) class: Name,
    pub(crate) what: What,
    pub(crate) parent: Option<TaskId>,
    pub(crate) place: Place,
    pub(crate) members: u32,
    /// The first and the last of them to be born.
    pub(crate) ends: (TaskId, TaskId),
    pub(crate) steps: Steps,
}

/// Which folds are open, and under which tasks nothing is shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    opened: HashSet<Place>,
    closed: HashSet<Place>,
}

/// The tasks in their order.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    nodes: Vec<Node>,
    folds: Vec<Fold>,
    /// Where each task stands; `NONE` for those that are left out.
    places: Vec<Place>,
    spans: Spans,
}

/// A task or a fold that waits to be given its place.
struct Waiting {
    item: Folded<TaskId>,
    parent: Place,
    fold: Place,
    top_fold: Place,
}

/// Makes an outline: what is alike is decided once for each name.
struct Maker<'a> {
    trace: &'a Trace,
    forest: &'a Forest,
    classes: HashMap<Name, u32>,
    outline: Outline,
    lives: Vec<(u64, u64)>,
}

impl Outline {
    /// The outline of the tasks that are shown, and of those that created them.
    pub(crate) fn new(trace: &Trace, shown: impl Fn(TaskId) -> bool) -> Outline {
        let forest = Forest::new(trace, shown);
        let mut maker = Maker {
            trace,
            forest: &forest,
            classes: HashMap::new(),
            outline: Outline {
                places: vec![NONE; trace.tasks().len()],
                ..Outline::default()
            },
            lives: Vec::new(),
        };
        maker.place_all();
        let Maker {
            mut outline, lives, ..
        } = maker;
        outline.spans = Spans::new(lives);
        for index in (1..outline.nodes.len()).rev() {
            let Node { size, parent, .. } = outline.nodes[index];
            if parent != NONE {
                outline.nodes[parent as usize].size += size;
            }
        }
        outline
    }

    /// What stands at a place.
    pub(crate) fn item(&self, place: Place) -> Option<Item> {
        Some(self.nodes.get(place as usize)?.item)
    }

    pub(crate) fn fold(&self, index: u32) -> &Fold {
        &self.folds[index as usize]
    }

    /// Where a task stands.
    pub(crate) fn place_of(&self, task: TaskId) -> Option<Place> {
        let place = self.places.get(task.0 as usize)?;
        (*place != NONE).then_some(*place)
    }

    /// Whether there is anything below.
    pub(crate) fn has_below(&self, place: Place) -> bool {
        self.nodes
            .get(place as usize)
            .is_some_and(|node| node.size > 1)
    }

    /// Whether what is below a place may be shown.
    pub(crate) fn is_open(&self, place: Place, shape: &Shape) -> bool {
        match self.nodes[place as usize].item {
            Item::Task(_) => !shape.closed.contains(&place),
            Item::Fold(_) => shape.opened.contains(&place),
        }
    }

    /// Opens what is closed, and closes what is open.
    pub(crate) fn toggle(&self, place: Place, shape: &mut Shape) {
        let set = match self.item(place) {
            Some(Item::Fold(_)) => &mut shape.opened,
            _ => &mut shape.closed,
        };
        if !set.remove(&place) {
            set.insert(place);
        }
    }

    /// Opens all that hides a place.
    pub(crate) fn reveal(&self, place: Place, shape: &mut Shape) {
        while let Some(hidden) = self.hidden_by(place, shape) {
            self.toggle(hidden, shape);
        }
    }

    /// The same shape for another outline of the same tasks.
    pub(crate) fn shape_in(&self, shape: &Shape, other: &Outline) -> Shape {
        let task = |place: &Place| match self.item(*place) {
            Some(Item::Task(id)) => other.place_of(id),
            _ => None,
        };
        let opened = shape
            .opened
            .iter()
            .filter_map(|place| match self.item(*place) {
                Some(Item::Fold(index)) => Some(self.fold(index)),
                _ => None,
            });
        let opened: HashSet<_> = opened
            .map(|fold| (fold.parent, fold.what, &fold.class))
            .collect();
        let same = other
            .folds
            .iter()
            .filter(|fold| opened.contains(&(fold.parent, fold.what, &fold.class)));
        Shape {
            closed: shape.closed.iter().filter_map(task).collect(),
            opened: same.map(|fold| fold.place).collect(),
        }
    }

    /// The outermost closed place that a place is below.
    pub(crate) fn hidden_by(&self, place: Place, shape: &Shape) -> Option<Place> {
        let node = self.nodes.get(place as usize)?;
        let mut outer = None;
        if node.top_fold != NONE && !shape.opened.contains(&node.top_fold) {
            outer = Some(node.top_fold);
        } else {
            let mut above = node.fold;
            while above != NONE {
                if !shape.opened.contains(&above) {
                    outer = Some(above);
                }
                above = self.nodes[above as usize].fold;
            }
        }
        let holds = |closed: &&Place| **closed < place && place < self.behind(**closed);
        let closed = shape.closed.iter().filter(holds).min().copied();
        outer.into_iter().chain(closed).min()
    }

    fn behind(&self, place: Place) -> Place {
        place + self.nodes[place as usize].size
    }

    /// The first row at a place or behind it.
    pub(crate) fn next_row(&self, from: Place, at: At, shape: &Shape) -> Option<Place> {
        let mut from = from;
        loop {
            let found = self.spans.next(from as usize, at)? as Place;
            match self.hidden_by(found, shape) {
                Some(closed) if closed >= from => return Some(closed),
                Some(closed) => from = self.behind(closed),
                None if self.is_row(found, at, shape) => return Some(found),
                None => from = found + 1,
            }
        }
    }

    /// The row behind a row.
    pub(crate) fn row_after(&self, row: Place, at: At, shape: &Shape) -> Option<Place> {
        let from = match self.is_open(row, shape) {
            true => row + 1,
            false => self.behind(row),
        };
        self.next_row(from, at, shape)
    }

    /// The last row before a place.
    pub(crate) fn row_before(&self, before: Place, at: At, shape: &Shape) -> Option<Place> {
        let mut before = before;
        loop {
            let found = self.spans.previous(before as usize, at)? as Place;
            match self.hidden_by(found, shape) {
                Some(closed) if closed < before => return Some(closed),
                None if self.is_row(found, at, shape) => return Some(found),
                _ => before = found,
            }
        }
    }

    /// Whether a place that nothing hides, and whose span is on the screen, is a row. A fold's
    /// span goes over times at which none of it lives.
    fn is_row(&self, place: Place, at: At, shape: &Shape) -> bool {
        match self.nodes[place as usize].item {
            Item::Task(_) => true,
            Item::Fold(_) if !self.is_open(place, shape) => self.lives_below(place, at),
            Item::Fold(index) => {
                let steps = &self.fold(index).steps;
                steps.at(at.now) > 0 || steps.since(at.since(), at.now).1 > 0
            }
        }
    }

    /// Whether anything below a place is on the screen.
    fn lives_below(&self, place: Place, at: At) -> bool {
        let (mut from, behind) = (place + 1, self.behind(place));
        while let Some(found) = self.spans.next(from as usize, at) {
            let found = found as Place;
            if found >= behind {
                return false;
            }
            if matches!(self.nodes[found as usize].item, Item::Task(_)) {
                return true;
            }
            from = found + 1;
        }
        false
    }

    /// Whether a place is a row now.
    pub(crate) fn is_shown(&self, place: Place, at: At, shape: &Shape) -> bool {
        self.next_row(place, at, shape) == Some(place)
    }

    /// How many rows stand above a row as its ancestors, up to `most`.
    pub(crate) fn depth(&self, row: Place, at: At, most: usize) -> usize {
        /// Of a chain of 100,000 only so many are looked at.
        const FARTHEST: usize = 1_000;
        let mut above = self.nodes[row as usize].parent;
        let mut depth = 0;
        for _ in 0..FARTHEST {
            if above == NONE || depth == most {
                break;
            }
            let shown = self
                .spans
                .get(above as usize)
                .is_some_and(|span| at.shows(span));
            depth += usize::from(shown);
            above = self.nodes[above as usize].parent;
        }
        depth
    }
}

impl Maker<'_> {
    fn place_all(&mut self) {
        let mut waiting = Vec::new();
        let roots = self.forest.roots.clone();
        self.wait(&mut waiting, roots, (NONE, NONE, NONE));
        while let Some(next) = waiting.pop() {
            let place = self.outline.nodes.len() as Place;
            match next.item {
                Folded::One(id) => {
                    self.add(Item::Task(id), &next);
                    self.outline.places[id.0 as usize] = place;
                    let task = self.trace.task(id);
                    self.lives.push(life(self.trace, id));
                    debug_assert_eq!(task.id, id);
                    let below = self.forest.children(id).to_vec();
                    self.wait(&mut waiting, below, (place, next.fold, next.top_fold));
                }
                Folded::Many(ref ids) => {
                    self.add(Item::Fold(self.outline.folds.len() as u32), &next);
                    self.add_fold(ids, place);
                    let top_fold = match next.top_fold {
                        NONE => place,
                        top_fold => top_fold,
                    };
                    for id in ids.iter().rev() {
                        waiting.push(Waiting {
                            item: Folded::One(*id),
                            parent: place,
                            fold: place,
                            top_fold,
                        });
                    }
                }
            }
        }
    }

    /// Folds siblings and puts them last, so that the first of them comes next.
    fn wait(
        &mut self,
        waiting: &mut Vec<Waiting>,
        siblings: Vec<TaskId>,
        (parent, above, top_fold): (Place, Place, Place),
    ) {
        let item = |item| Waiting {
            item,
            parent,
            fold: above,
            top_fold,
        };
        if siblings.len() <= MOST_ALIKE {
            waiting.extend(siblings.into_iter().rev().map(|id| item(Folded::One(id))));
            return;
        }
        let keys: HashMap<TaskId, (u32, What)> =
            siblings.iter().map(|id| (*id, self.key(*id))).collect();
        let folded = fold(siblings, MOST_ALIKE, |id| keys.get(id).copied());
        waiting.extend(folded.into_iter().rev().map(item));
    }

    fn key(&mut self, id: TaskId) -> (u32, What) {
        let task = self.trace.task(id);
        let next = self.classes.len() as u32;
        let class = *self.classes.entry(class(task.name())).or_insert(next);
        (class, task.what())
    }

    fn add(&mut self, item: Item, waiting: &Waiting) {
        self.outline.nodes.push(Node {
            item,
            size: 1,
            parent: waiting.parent,
            fold: waiting.fold,
            top_fold: waiting.top_fold,
        });
    }

    fn add_fold(&mut self, ids: &[TaskId], place: Place) {
        let lives: Vec<(u64, u64)> = ids.iter().map(|id| life(self.trace, *id)).collect();
        let born = lives.iter().map(|life| life.0).min().unwrap_or(0);
        let ended = lives.iter().map(|life| life.1).max().unwrap_or(0);
        self.lives.push((born, ended));
        let by_birth = |id: &&TaskId| self.trace.task(**id).born;
        let first = ids.iter().min_by_key(by_birth);
        let last = ids.iter().max_by_key(by_birth);
        let (Some(first), Some(last)) = (first, last) else {
            return;
        };
        let task = self.trace.task(*first);
        self.outline.folds.push(Fold {
            class: class(task.name()),
            what: task.what(),
            parent: task.parent,
            place,
            members: ids.len() as u32,
            ends: (*first, *last),
            steps: Steps::new(&lives),
        });
    }
}

/// A task's life as the charts take it. What a file that begins later carries on lived when that
/// file begins; what had ended before never lives.
pub(crate) fn life(trace: &Trace, id: TaskId) -> (u64, u64) {
    let task = trace.task(id);
    let ended = task.ended.map_or(u64::MAX, |ended| ended.0);
    match ended < trace.begin().0 {
        true => (u64::MAX, 0),
        false => (task.born.max(trace.begin()).0, ended),
    }
}

#[cfg(test)]
mod tests {
    use super::super::made::{self, traced};
    use super::*;

    fn rows(outline: &Outline, now: u64, flash: u64, shape: &Shape) -> Vec<Item> {
        let at = At { now, flash };
        let (mut rows, mut next) = (Vec::new(), outline.next_row(0, at, shape));
        while let Some(row) = next {
            assert!(outline.is_shown(row, at, shape));
            rows.push(row);
            next = outline.row_after(row, at, shape);
        }
        let (mut back, mut before) = (Vec::new(), outline.row_before(Place::MAX, at, shape));
        while let Some(row) = before {
            back.push(row);
            before = outline.row_before(row, at, shape);
        }
        back.reverse();
        assert_eq!(back, rows, "backwards as forwards");
        rows.iter().filter_map(|row| outline.item(*row)).collect()
    }

    #[test]
    fn rows_are_what_lives_and_folds_stand_for_what_is_in_them() {
        let trace = traced(&made::header(), &made::workers(5), 200 * made::MS);
        let outline = Outline::new(&trace, |_| true);
        let mut shape = Shape::default();
        let at = |ms: u64, shape: &Shape| rows(&outline, ms * made::MS, 0, shape);
        // Workers 1000.. are born at 10, 20, … ms, and live 25 ms; main is there, io from 5 ms on.
        let (main, io) = (Item::Task(TaskId(0)), Item::Task(TaskId(1)));
        assert_eq!(at(0, &shape), [main]);
        assert_eq!(at(30, &shape), [main, io, Item::Fold(0)]);
        assert_eq!(at(150, &shape), [main, io]);
        let fold = outline.fold(0);
        assert_eq!(
            (fold.members, fold.class.to_string()),
            (5, "worker-#".into())
        );
        assert_eq!(fold.steps.at(30 * made::MS), 3);
        outline.toggle(fold.place, &mut shape);
        let worker = |number: u32| Item::Task(TaskId(2 + number));
        assert_eq!(
            at(30, &shape),
            [main, io, Item::Fold(0), worker(0), worker(1), worker(2)]
        );
        assert_eq!(
            at(60, &shape),
            [main, io, Item::Fold(0), worker(3), worker(4)]
        );
        assert_eq!(
            rows(&outline, 35 * made::MS, 1, &shape),
            [main, io, Item::Fold(0), worker(0), worker(1), worker(2)],
            "what ends just now is still there"
        );
        let main_place = outline.place_of(TaskId(0)).unwrap();
        outline.toggle(main_place, &mut shape);
        assert_eq!(at(30, &shape), [main]);
        outline.reveal(outline.place_of(TaskId(3)).unwrap(), &mut shape);
        assert_eq!(
            at(20, &shape),
            [main, io, Item::Fold(0), worker(0), worker(1)]
        );
    }

    #[test]
    fn a_shape_goes_over_to_another_outline() {
        let trace = traced(&made::header(), &made::workers(9), 200 * made::MS);
        let outline = Outline::new(&trace, |_| true);
        let mut shape = Shape::default();
        outline.toggle(outline.fold(0).place, &mut shape);
        let other = Outline::new(&trace, |id| id.0 != 1);
        let carried = outline.shape_in(&shape, &other);
        assert!(other.is_open(other.fold(0).place, &carried));
        assert_ne!(other.fold(0).place, outline.fold(0).place);
    }

    #[test]
    fn a_deep_chain_is_no_trouble() {
        let count = 50_000;
        let trace = traced(&made::header(), &made::chain(count), 0);
        let outline = Outline::new(&trace, |_| true);
        let at = At {
            now: u64::from(count) * made::MS,
            flash: 0,
        };
        let shape = Shape::default();
        let row = outline.row_before(Place::MAX, at, &shape).unwrap();
        assert_eq!(outline.item(row), Some(Item::Task(TaskId(count))));
        assert_eq!(outline.depth(row, at, 9), 0);
    }
}
