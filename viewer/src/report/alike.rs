//! The rows of a page: a task each, or, where they are too many for a page, alike short-lived tasks
//! together in one. Tasks that are not on the page have none.
//!
//! Tasks are alike that the same one created at the same place, whose names differ in digits only and
//! that ended in the same way, with no tasks of their own. They share a row if they were born in the
//! same stretch of time; stretches are made longer until the rows are few enough.

use std::collections::HashMap;

use tidline::model::{Ended, FrameId, Name, Origin, TaskId, TaskRecord, Time, Trace};

use super::chosen::Chosen;
use crate::fold::class;

/// A task, or many that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The task, or the first of them.
    pub(crate) task: TaskId,
    pub(crate) many: u64,
    /// The birth of the last of them.
    pub(crate) last_born: Time,
    /// The last end; `None` if it lives.
    pub(crate) ended: Option<Time>,
}

/// A task that is not on the page.
const NO_ROW: u32 = u32::MAX;

/// All rows, in the order of their first tasks.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) list: Vec<Row>,
    /// The row that each task is in; [`NO_ROW`] for those that are not on the page.
    of_task: Vec<u32>,
}

impl Rows {
    /// The row that a task is in.
    pub(crate) fn of(&self, task: TaskId) -> Option<u32> {
        let row = self.of_task.get(task.0 as usize).copied();
        row.filter(|row| *row != NO_ROW)
    }

    /// How many tasks share a row with others, and how many rows those are.
    pub(crate) fn folded(&self) -> Option<(u64, u64)> {
        let folds = self.list.iter().filter(|row| row.many > 1);
        let (rows, tasks) = folds.fold((0, 0), |(rows, tasks), row| (rows + 1, tasks + row.many));
        (rows > 0).then_some((tasks, rows))
    }
}

/// Stretches that the trace is cut into, one after the other, and the part of the trace that a task
/// may have lived through to be short-lived.
const LEVELS: [(u64, u64); 6] = [
    (10_000, 1_000),
    (1_000, 100),
    (200, 100),
    (100, 10),
    (10, 1),
    (1, 1),
];

/// The rows of what is on a page, if it can be at most so many.
pub(crate) fn rows(trace: &Trace, chosen: &Chosen, most: usize, site: &[u64]) -> Rows {
    let tasks = trace.tasks();
    if tasks.iter().filter(|it| chosen.is_kept(it)).count() <= most {
        return folded(tasks, chosen, |_| None::<()>);
    }
    let classes = classes(tasks);
    let begin = trace.begin();
    let length = trace.end().0.saturating_sub(begin.0).max(1);
    let mut rows = None;
    for (stretches, part) in LEVELS {
        let stretch = (length / stretches).max(1);
        let short = length / part;
        let key = |task: &TaskRecord| -> Option<Key> {
            let lived = task.ended?.0.saturating_sub(task.born.0);
            let folds = lived <= short
                && task.origin == Origin::Birth
                && chosen.is_asked(task)
                && trace.children(task.id).is_empty();
            let index = task.id.0 as usize;
            folds.then(|| Key {
                parent: task.parent,
                class: classes[index],
                site: site.get(index).copied().unwrap_or(0),
                how: task.how,
                start: task.start,
                stretch: task.born.0.saturating_sub(begin.0) / stretch,
            })
        };
        let made = folded(tasks, chosen, key);
        let enough = made.list.len() <= most;
        rows = Some(made);
        if enough {
            break;
        }
    }
    rows.unwrap_or_else(|| folded(tasks, chosen, |_| None::<()>))
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    parent: Option<TaskId>,
    class: u32,
    site: u64,
    how: Ended,
    start: Option<FrameId>,
    stretch: u64,
}

fn folded<K: Eq + std::hash::Hash>(
    tasks: &[TaskRecord],
    chosen: &Chosen,
    key: impl Fn(&TaskRecord) -> Option<K>,
) -> Rows {
    let mut list: Vec<Row> = Vec::new();
    let mut places: HashMap<K, u32> = HashMap::new();
    let mut of_task = Vec::with_capacity(tasks.len());
    for task in tasks {
        if !chosen.is_kept(task) {
            of_task.push(NO_ROW);
            continue;
        }
        let next = list.len() as u32;
        let place = match key(task) {
            Some(key) => *places.entry(key).or_insert(next),
            None => next,
        };
        of_task.push(place);
        match list.get_mut(place as usize) {
            Some(row) => {
                row.many += 1;
                row.last_born = row.last_born.max(task.born);
                row.ended = row.ended.max(task.ended);
            }
            None => list.push(Row {
                task: task.id,
                many: 1,
                last_born: task.born,
                ended: task.ended,
            }),
        }
    }
    Rows { list, of_task }
}

/// A number for each task's class of names.
fn classes(tasks: &[TaskRecord]) -> Vec<u32> {
    let mut numbers: HashMap<Name, u32> = HashMap::new();
    let number = |task: &TaskRecord| {
        let next = numbers.len() as u32;
        *numbers.entry(class(task.name())).or_insert(next)
    };
    tasks.iter().map(number).collect()
}
