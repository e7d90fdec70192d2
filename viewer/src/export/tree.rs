//! Who created whom as few boxes: where there are too many tasks, alike ones become one box, and
//! where that is not enough, what is deeper becomes a number. What is only above what is asked for
//! is in boxes of its own, which are drawn faintly.

use std::collections::HashMap;

use tidline::model::{Name, TaskId, Trace, What};

use crate::fold;
use crate::select::Selector;
use crate::view::forest::{Forest, IN_PARENTHESES};
use crate::view::notices_of;
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
    /// One of its tasks created another of them.
    pub(super) recursive: bool,
    /// It is not asked for, and here because of what is below it.
    pub(super) faint: bool,
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

/// What stands beside the boxes: what is missing, and what is not asked for.
pub(super) fn beside(selector: &Selector<'_>, nodes: &[Node]) -> Vec<String> {
    let mut lines = notices_of(selector.trace(), selector);
    lines.extend(selector.tasks_shown(|_| true));
    if nodes.iter().any(|node| node.faint) {
        lines.push(IN_PARENTHESES.into());
    }
    lines
}

/// At most so many boxes, each behind the one that it is under; and one more under each box whose
/// children did not all find room.
pub(super) fn nodes(selector: &Selector<'_>, most: usize) -> Vec<Node> {
    let tasks = Tasks::new(selector, most);
    let mut groups = tasks.grouped(None, &tasks.forest.roots);
    let mut nodes: Vec<Node> = Vec::new();
    // How many tasks under each box are not drawn; the last is of those under none.
    let mut rest: HashMap<Option<usize>, usize> = HashMap::new();
    let mut next = 0;
    while next < groups.len() {
        let Group { parent, tasks: own } = std::mem::replace(
            &mut groups[next],
            Group {
                parent: None,
                tasks: Vec::new(),
            },
        );
        next += 1;
        if nodes.len() >= most {
            *rest.entry(parent).or_default() += tasks.asked_for(own);
            continue;
        }
        let place = nodes.len();
        let (own, children, recursive) = tasks.with_alike(own);
        nodes.push(tasks.node(parent, &own, recursive));
        groups.extend(tasks.grouped(Some(place), &children));
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
        faint: false,
        what: Kind::Rest,
    }));
    nodes
}

/// Tasks that are one box, before it is drawn.
struct Group {
    parent: Option<usize>,
    tasks: Vec<TaskId>,
}

/// The tasks that are drawn: those that are asked for, and their ancestors.
struct Tasks<'a> {
    trace: &'a Trace,
    forest: Forest,
    /// For each task of the trace whether it is asked for.
    selected: Vec<bool>,
    /// Alike ones are one box.
    folds: bool,
}

impl Tasks<'_> {
    fn new<'a>(selector: &Selector<'a>, most: usize) -> Tasks<'a> {
        let trace = selector.trace();
        let tasks = trace.tasks().iter();
        let selected: Vec<bool> = tasks.map(|task| selector.admits_task(task)).collect();
        let forest = Forest::new(trace, |id| selected[id.0 as usize]);
        Tasks {
            trace,
            folds: forest.len() > most,
            forest,
            selected,
        }
    }

    fn is_selected(&self, id: TaskId) -> bool {
        self.selected[id.0 as usize]
    }

    /// What makes tasks alike.
    fn key(&self, id: TaskId) -> (What, Name, bool) {
        let task = self.trace.task(id);
        (task.what(), fold::class(task.name()), self.is_selected(id))
    }

    /// Siblings, one by one or alike ones together, in order of their first.
    fn grouped(&self, parent: Option<usize>, tasks: &[TaskId]) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        let mut places: HashMap<(What, Name, bool), usize> = HashMap::new();
        for id in tasks {
            let place = match self.folds {
                true => *places.entry(self.key(*id)).or_insert(groups.len()),
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
    fn with_alike(&self, mut tasks: Vec<TaskId>) -> (Vec<TaskId>, Vec<TaskId>, bool) {
        let (count, mut children) = (tasks.len(), Vec::new());
        let own = tasks.first().map(|id| self.key(*id));
        let mut next = 0;
        while let Some(id) = tasks.get(next) {
            next += 1;
            for child in self.forest.children(*id) {
                match self.folds && Some(self.key(*child)) == own {
                    true => tasks.push(*child),
                    false => children.push(*child),
                }
            }
        }
        let recursive = tasks.len() > count;
        (tasks, children, recursive)
    }

    /// How many are asked for, of these and of those under them, however deep.
    fn asked_for(&self, mut tasks: Vec<TaskId>) -> usize {
        let mut found = 0;
        while let Some(id) = tasks.pop() {
            found += usize::from(self.is_selected(id));
            tasks.extend(self.forest.children(id));
        }
        found
    }

    fn node(&self, parent: Option<usize>, tasks: &[TaskId], recursive: bool) -> Node {
        let first = self.trace.task(tasks[0]);
        let faint = !self.is_selected(first.id);
        let name = match tasks {
            [_] => words::label(first.name(), first.task.tid, NAME),
            _ => words::shown_name(&fold::class(first.name()), NAME),
        };
        let mut lines = vec![if faint { format!("({name})") } else { name }];
        match tasks {
            [_] => lines.push(words::how(first.how).into_owned()),
            tasks => {
                lines.push(counted_what(tasks.len(), first.what()));
                lines.push(self.living(tasks));
            }
        }
        Node {
            parent,
            lines,
            recursive,
            faint,
            what: match first.what() {
                What::Process => Kind::Process,
                What::Thread => Kind::Thread,
            },
        }
    }

    fn living(&self, tasks: &[TaskId]) -> String {
        let tasks = tasks.iter().map(|id| self.trace.task(*id));
        match tasks.filter(|task| task.ended.is_none()).count() {
            0 => "all ended".into(),
            alive => format!("{} alive", words::count(alive as u64)),
        }
    }
}
