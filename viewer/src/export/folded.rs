//! Call stacks for flame graph tools.

use std::io::{self, Write};

use tidline::model::Trace;

use crate::select::Selector;
use crate::view::folded;
use crate::words::counted;

/// Writes the stacks that created tasks, or those whose tasks are alive; says what is left out.
pub(super) fn write(
    trace: &Trace,
    selector: &Selector<'_>,
    alive: bool,
    out: &mut dyn Write,
) -> io::Result<Option<String>> {
    let folded = folded::folded(trace, selector, alive);
    for (line, count) in &folded.lines {
        writeln!(out, "{line} {count}")?;
    }
    let without = folded.without;
    Ok((without > 0).then(|| format!("{} without a stack left out", counted(without, "task"))))
}
