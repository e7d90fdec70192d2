//! Call stacks as flame graph tools take them: `main;serve;start_pool 42`, the outermost first.

use std::collections::HashMap;
use std::io::Write;

use anyhow::Result;
use tidline::model::{Origin, StackId, Stacks, TaskRecord};

use super::lives::{Source, Step, Teller};
use crate::site;
use crate::words::counted;

/// Whether a task was created in the recording; and lives, if those are counted.
pub(super) fn is_counted(task: &TaskRecord, alive: bool) -> bool {
    task.origin == Origin::Birth && !(alive && task.ended.is_some())
}

/// Writes the stacks that created tasks, or those whose tasks are alive, most frequent first; says what is
/// left out.
pub(super) fn write(
    source: Source<'_>,
    alive: bool,
    out: &mut dyn Write,
) -> Result<Option<String>> {
    let mut counts = Counts::default();
    let mut lines = Vec::new();
    let mut teller = Teller::default();
    source.parts(|part| {
        teller.take(&part, &mut |_, step| {
            match step {
                Step::Life { task, .. } if is_counted(task.record, alive) => {
                    counts.add(task.record);
                }
                _ => {}
            }
            Ok(())
        })?;
        if part.is_rest {
            lines = counts.lines(part.trace.stacks());
        }
        Ok(())
    })?;
    for (line, count) in lines {
        writeln!(out, "{line} {count}")?;
    }
    let without = counts.without;
    Ok((without > 0).then(|| format!("{} without a stack left out", counted(without, "task"))))
}

/// How many tasks each stack created.
#[derive(Default)]
struct Counts {
    of: HashMap<StackId, u64>,
    /// Tasks without a stack.
    without: u64,
}

impl Counts {
    fn add(&mut self, task: &TaskRecord) {
        match task.stack {
            Some(stack) => *self.of.entry(stack).or_default() += 1,
            None => self.without += 1,
        }
    }

    fn lines(&mut self, stacks: &Stacks) -> Vec<(String, u64)> {
        // Two stacks of the same functions, called at other lines, are one.
        let mut lines: HashMap<String, u64> = HashMap::new();
        for (stack, count) in self.of.drain() {
            match stacks.node(stack) {
                Some(_) => *lines.entry(line(stacks, stack)).or_default() += count,
                None => self.without += count,
            }
        }
        let mut lines: Vec<(String, u64)> = lines.into_iter().collect();
        lines.sort_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
        lines
    }
}

/// A stack's functions, the outermost first. What parts functions, and a count from them, is not
/// in a name; a stack that is not whole says so at its root.
fn line(stacks: &Stacks, stack: StackId) -> String {
    let (frames, more) = site::frames(stacks, stack);
    let mut names: Vec<String> = frames
        .iter()
        .rev()
        .map(|it| it.name().replace(';', ":"))
        .collect();
    if more || site::stack_end(stacks, stack).is_some() {
        names.insert(0, "[cut]".into());
    }
    names.join(";")
}
