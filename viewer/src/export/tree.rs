//! Who created whom as few boxes: where there are too many tasks, alike ones become one box, and
//! where that is not enough, what is deeper becomes a number.

use std::collections::HashMap;

use tidline::model::{Name, TaskId, TaskRecord, Trace, What};

use crate::fold;
use crate::view::forest::Forest;
use crate::words::{self, counted_what};

/// Columns of a name in a box.
const NAME: usize = 60;

/// A box of the picture.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// The box that it is under.
    pub(super) parent: Option<usize>,
    /// What stands in it, line by line; escaped for a terminal, not for a format.
    pub(super) lines: Vec<String>,
    /// Its tasks create each other, too.
    pub(super) recursive: bool,
    pub(super) what: Kind,
}

/// What a box is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Process,
    Thread,
    /// Those that are not drawn.
    Rest,
}

/// Tasks that are one box, before it is drawn.
struct Group {
    parent: Option<usize>,
    tasks: Vec<TaskId>,
}

/// At most so many boxes, each behind the one that it is under; and one more under each box whose
/// children did not all find room.
pub(super) fn nodes(trace: &Trace, most: usize) -> Vec<Node> {
    let forest = Forest::new(trace, |_| true);
    let folds = trace.tasks().len() > most;
    let mut groups = grouped(trace, None, &forest.roots, folds);
    let mut nodes: Vec<Node> = Vec::new();
    // How many tasks under each box are not drawn; the last is of those under none.
    let mut rest: HashMap<Option<usize>, usize> = HashMap::new();
    let mut next = 0;
    while next < groups.len() {
        let Group { parent, tasks } = std::mem::replace(
            &mut groups[next],
            Group {
                parent: None,
                tasks: Vec::new(),
            },
        );
        next += 1;
        if nodes.len() >= most {
            *rest.entry(parent).or_default() += tasks.len() + forest.descendants(&tasks);
            continue;
        }
        let place = nodes.len();
        let (tasks, children, recursive) = with_alike(trace, &forest, tasks, folds);
        nodes.push(node(trace, parent, &tasks, recursive));
        groups.extend(grouped(trace, Some(place), &children, folds));
    }
    let mut rest: Vec<(Option<usize>, usize)> = rest.into_iter().collect();
    rest.sort_unstable();
    nodes.extend(rest.into_iter().map(|(parent, tasks)| Node {
        parent,
        lines: vec![match tasks {
            1 => "… 1 more task".into(),
            tasks => format!("… {} more tasks", words::count(tasks as u64)),
        }],
        recursive: false,
        what: Kind::Rest,
    }));
    nodes
}

/// What makes tasks alike.
fn key(task: &TaskRecord) -> (What, Name) {
    (task.what(), fold::class(task.name()))
}

/// Siblings, one by one or alike ones together, in order of their first.
fn grouped(trace: &Trace, parent: Option<usize>, tasks: &[TaskId], folds: bool) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut places: HashMap<(What, Name), usize> = HashMap::new();
    for id in tasks {
        let place = match folds {
            true => *places.entry(key(trace.task(*id))).or_insert(groups.len()),
            false => groups.len(),
        };
        if place == groups.len() {
            groups.push(Group {
                parent,
                tasks: Vec::new(),
            });
        }
        groups[place].tasks.push(*id);
    }
    groups
}

/// Tasks, and with them those that they created and that are alike, however deep; then the
/// children of all of them that are not; and whether there were alike ones.
fn with_alike(
    trace: &Trace,
    forest: &Forest,
    mut tasks: Vec<TaskId>,
    folds: bool,
) -> (Vec<TaskId>, Vec<TaskId>, bool) {
    let (count, mut children) = (tasks.len(), Vec::new());
    let own = tasks.first().map(|id| key(trace.task(*id)));
    let mut next = 0;
    while let Some(id) = tasks.get(next) {
        next += 1;
        for child in forest.children(*id) {
            match folds && Some(key(trace.task(*child))) == own {
                true => tasks.push(*child),
                false => children.push(*child),
            }
        }
    }
    let recursive = tasks.len() > count;
    (tasks, children, recursive)
}

fn node(trace: &Trace, parent: Option<usize>, tasks: &[TaskId], recursive: bool) -> Node {
    let first = trace.task(tasks[0]);
    let alive = tasks.iter().map(|id| trace.task(*id));
    let alive = alive.filter(|task| task.ended.is_none()).count();
    let lines = match tasks {
        [_] => vec![
            words::label(first.name(), first.task.tid, NAME),
            words::how(first.how).into_owned(),
        ],
        tasks => vec![
            words::shown_name(&fold::class(first.name()), NAME),
            counted_what(tasks.len(), first.what()),
            match alive {
                0 => "all ended".into(),
                alive => format!("{} alive", words::count(alive as u64)),
            },
        ],
    };
    Node {
        parent,
        lines,
        recursive,
        what: match first.what() {
            What::Process => Kind::Process,
            What::Thread => Kind::Thread,
        },
    }
}
