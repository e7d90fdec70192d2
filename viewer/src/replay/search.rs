//! Looking for a task by its name or TID, a part of a large trace at a time.

use tidline::model::{TaskId, TaskRecord, Trace};

use super::filter::Glob;

/// Tasks that are looked at in one go: some milliseconds.
const SLICE: usize = 20_000;

/// What is looked for.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    pub(crate) text: String,
    glob: Glob,
    tid: Option<u32>,
    /// Where it goes on: the next task to look at, and how many are left.
    going: Option<Going>,
}

#[derive(Clone, Copy, Debug)]
struct Going {
    next: usize,
    left: usize,
    forward: bool,
}

/// What came of a part of the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Task(TaskId),
    Nothing,
    /// There is more to look at.
    NotYet,
}

impl Search {
    pub(crate) fn parse(text: &str) -> Result<Search, String> {
        Ok(Search {
            text: text.into(),
            glob: Glob::parse(text)?,
            tid: text.parse().ok(),
            going: None,
        })
    }

    fn matches(&self, task: &TaskRecord) -> bool {
        self.tid == Some(task.task.tid.0) || self.glob.matches_task(task)
    }

    /// Begins behind a task, or before it; at the first one, or the last, without one.
    pub(crate) fn start(&mut self, from: Option<TaskId>, forward: bool, count: usize) {
        let next = match from {
            Some(id) => stepped(id.0 as usize, forward, count),
            None if forward => 0,
            None => count.saturating_sub(1),
        };
        let left = count;
        self.going = Some(Going {
            next,
            left,
            forward,
        });
    }

    pub(crate) fn is_going(&self) -> bool {
        self.going.is_some()
    }

    pub(crate) fn stop(&mut self) {
        self.going = None;
    }

    /// Looks at the next part of the tasks, and begins again at the other end of them.
    pub(crate) fn work(&mut self, trace: &Trace, admits: impl Fn(TaskId) -> bool) -> Found {
        let Some(mut going) = self.going.take() else {
            return Found::Nothing;
        };
        for _ in 0..SLICE {
            let task = trace.tasks().get(going.next).filter(|_| going.left > 0);
            let Some(task) = task else {
                return Found::Nothing;
            };
            if admits(task.id) && self.matches(task) {
                return Found::Task(task.id);
            }
            going.next = stepped(going.next, going.forward, trace.tasks().len());
            going.left -= 1;
        }
        self.going = Some(going);
        Found::NotYet
    }
}

fn stepped(index: usize, forward: bool, count: usize) -> usize {
    match forward {
        true if index + 1 < count => index + 1,
        true => 0,
        false if index > 0 => index - 1,
        false => count.saturating_sub(1),
    }
}
