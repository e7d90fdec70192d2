//! The tasks as a forest: each under who created it.
//!
//! A thread whose creator is not known goes under its process's leader, a process whose creator
//! is not known is a root. Chains of creators may be 100,000 deep, so nothing here recurses.

use std::collections::HashMap;

use tidline::model::{Pid, TaskId, Trace};

/// What parentheses mean where a forest is shown.
pub(crate) const IN_PARENTHESES: &str = "in parentheses: ancestors of those that are shown";

/// Who is under whom, for the tasks that are to be shown.
#[derive(Debug)]
pub(crate) struct Forest {
    pub(crate) roots: Vec<TaskId>,
    /// Those under each task, one task's behind the other's.
    children: Vec<TaskId>,
    /// For each task where its own begin in `children`, and where the last one's end.
    begins: Vec<u32>,
}

impl Forest {
    /// The forest of the tasks that `shown` admits, and their ancestors.
    pub(crate) fn new(trace: &Trace, shown: impl Fn(TaskId) -> bool) -> Self {
        let parents = parents(trace);
        let mut kept = vec![false; parents.len()];
        for task in trace.tasks().iter().filter(|task| shown(task.id)) {
            let mut next = Some(task.id);
            while let Some(id) = next {
                if std::mem::replace(&mut kept[id.0 as usize], true) {
                    break;
                }
                next = parents[id.0 as usize];
            }
        }
        let kept = || (0..).map(TaskId).zip(&kept).filter(|(_, kept)| **kept);
        let parent = |id: TaskId| parents[id.0 as usize];
        // How many are under each, two places further; then where they begin, one further: where the
        // next is put, so that in the end it is where those of the next task begin.
        let mut begins = vec![0; parents.len() + 2];
        for parent in kept().filter_map(|(id, _)| parent(id)) {
            begins[parent.0 as usize + 2] += 1;
        }
        let mut sum = 0;
        for begin in &mut begins {
            sum += *begin;
            *begin = sum;
        }
        let mut forest = Forest {
            roots: Vec::new(),
            children: vec![TaskId(0); sum as usize],
            begins,
        };
        for (id, _) in kept() {
            let Some(parent) = parent(id) else {
                forest.roots.push(id);
                continue;
            };
            let next = &mut forest.begins[parent.0 as usize + 1];
            forest.children[*next as usize] = id;
            *next += 1;
        }
        forest
    }

    /// How many tasks are in it, ancestors too.
    pub(crate) fn len(&self) -> usize {
        self.roots.len() + self.children.len()
    }

    /// The tasks under a task, oldest first.
    pub(crate) fn children(&self, id: TaskId) -> &[TaskId] {
        let place = id.0 as usize;
        &self.children[self.begins[place] as usize..self.begins[place + 1] as usize]
    }

    /// Tasks under those given, however deep.
    pub(crate) fn descendants(&self, tops: &[TaskId]) -> usize {
        let mut stack: Vec<TaskId> = tops.to_vec();
        let mut found = 0;
        while let Some(id) = stack.pop() {
            found += self.children(id).len();
            stack.extend(self.children(id));
        }
        found
    }
}

/// For each task whether it is one of these, or under one, however deep.
pub(crate) fn under(trace: &Trace, tops: impl Iterator<Item = TaskId>) -> Vec<bool> {
    let parents = parents(trace);
    let mut known = vec![None; parents.len()];
    for top in tops {
        known[top.0 as usize] = Some(true);
    }
    let mut path = Vec::new();
    for task in trace.tasks() {
        let mut next = Some(task.id);
        let mut found = false;
        while let Some(id) = next {
            if let Some(is) = known[id.0 as usize] {
                found = is;
                break;
            }
            // Until more is known: no circle can make it go on for ever.
            known[id.0 as usize] = Some(false);
            path.push(id);
            next = parents[id.0 as usize];
        }
        for id in path.drain(..) {
            known[id.0 as usize] = Some(found);
        }
    }
    known.into_iter().map(|is| is == Some(true)).collect()
}

/// For each task the one it goes under.
fn parents(trace: &Trace) -> Vec<Option<TaskId>> {
    let leaders = Leaders::new(trace);
    let parent = |task: &tidline::model::TaskRecord| {
        task.parent
            .or_else(|| leaders.of(trace, task.task.pid, task.id))
            .filter(|parent| *parent != task.id)
    };
    trace.tasks().iter().map(parent).collect()
}

/// The leaders of each thread group, in order of appearance: the kernel uses a pid again.
#[derive(Debug)]
struct Leaders(HashMap<Pid, Vec<TaskId>>);

impl Leaders {
    fn new(trace: &Trace) -> Self {
        let mut leaders: HashMap<Pid, Vec<TaskId>> = HashMap::new();
        for task in trace.tasks().iter().filter(|task| task.task.is_leader()) {
            leaders.entry(task.task.pid).or_default().push(task.id);
        }
        Leaders(leaders)
    }

    /// The leader that a parentless task goes under: the last one before it, else a root that
    /// was seen later. A later task that has a parent may be below this one: taking it could
    /// close a circle.
    fn of(&self, trace: &Trace, pid: Pid, id: TaskId) -> Option<TaskId> {
        if trace.task(id).task.is_leader() {
            return None;
        }
        let leaders = self.0.get(&pid)?;
        let before = leaders.partition_point(|leader| *leader < id);
        match before.checked_sub(1) {
            Some(index) => leaders.get(index).copied(),
            None => leaders
                .first()
                .copied()
                .filter(|leader| trace.task(*leader).parent.is_none()),
        }
    }
}
