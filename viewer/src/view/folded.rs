//! Call stacks as flame graph tools take them: `main;serve;start_pool 42`, the outermost first.

use std::collections::HashMap;

use tidline::model::{Origin, StackId, TaskRecord, Trace};

use crate::select::Selector;
use crate::site;

/// What flame graph tools take: the lines, and what there is to tell beside them.
pub(crate) struct Folded {
    /// Most frequent first.
    pub(crate) lines: Vec<(String, u64)>,
    /// Tasks without a stack.
    pub(crate) without: u64,
}

/// Whether a task was created in the recording; and lives, if those are counted.
pub(crate) fn is_counted(task: &TaskRecord, alive: bool) -> bool {
    task.origin == Origin::Birth && !(alive && task.ended.is_some())
}

/// The stacks that created tasks, and how many each; or how many of those are alive.
pub(crate) fn folded(trace: &Trace, selector: &Selector<'_>, alive: bool) -> Folded {
    let mut counts: HashMap<StackId, u64> = HashMap::new();
    let mut without = 0;
    for task in trace.tasks() {
        if !is_counted(task, alive) || !selector.admits_task(task) {
            continue;
        }
        match task.stack {
            Some(stack) if trace.stacks().node(stack).is_some() => {
                *counts.entry(stack).or_default() += 1;
            }
            _ => without += 1,
        }
    }
    // Two stacks of the same functions, called at other lines, are one.
    let mut lines: HashMap<String, u64> = HashMap::new();
    for (stack, count) in counts {
        *lines.entry(line(trace, stack)).or_default() += count;
    }
    let mut lines: Vec<(String, u64)> = lines.into_iter().collect();
    lines.sort_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
    Folded { lines, without }
}

/// A stack's functions, the outermost first. What parts functions, and a count from them, is not
/// in a name; a stack that is not whole says so at its root.
fn line(trace: &Trace, stack: StackId) -> String {
    let (frames, more) = site::frames(trace.stacks(), stack);
    let mut names: Vec<String> = frames
        .iter()
        .rev()
        .map(|it| it.name().replace(';', ":"))
        .collect();
    if more || site::stack_end(trace.stacks(), stack).is_some() {
        names.insert(0, "[cut]".into());
    }
    names.join(";")
}
