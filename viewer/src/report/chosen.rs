//! Which tasks are on a page: those that are asked for, and, to show whose they are, who created them.

use tidline::model::{TaskRecord, Time, Trace};

use crate::select::Selector;

/// What of a trace is on a page.
#[derive(Debug)]
pub(crate) struct Chosen {
    /// For each task whether it is asked for.
    asked: Vec<bool>,
    /// For each task whether it is on the page: those above one that is asked for are, too.
    kept: Vec<bool>,
    /// From when to when, within the trace.
    pub(crate) begin: Time,
    pub(crate) end: Time,
}

impl Chosen {
    pub(crate) fn of(trace: &Trace, selector: &Selector<'_>) -> Chosen {
        let tasks = trace.tasks();
        let asked: Vec<bool> = tasks.iter().map(|it| selector.admits_task(it)).collect();
        let mut kept = vec![false; asked.len()];
        for task in tasks.iter().filter(|it| asked[it.id.0 as usize]) {
            let mut next = Some(task.id);
            while let Some(id) = next {
                if std::mem::replace(&mut kept[id.0 as usize], true) {
                    break;
                }
                next = trace.task(id).parent;
            }
        }
        let (from, to) = selector.stretch();
        let begin = from.clamp(trace.begin(), trace.end());
        let end = to.clamp(begin, trace.end());
        Chosen {
            asked,
            kept,
            begin,
            end,
        }
    }

    pub(crate) fn is_asked(&self, task: &TaskRecord) -> bool {
        self.asked[task.id.0 as usize]
    }

    pub(crate) fn is_kept(&self, task: &TaskRecord) -> bool {
        self.kept[task.id.0 as usize]
    }

    /// How many tasks are asked for.
    pub(crate) fn tasks(&self) -> usize {
        self.asked.iter().filter(|asked| **asked).count()
    }
}
