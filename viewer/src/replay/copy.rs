//! The selected line as text, for the clipboard.

use super::log;
use super::outline::Item;
use super::state::{Pane, State};
use super::tasks::name;
use crate::view;

/// More columns than any line has.
const WIDE: usize = 500;

/// What is selected: an event of the log, or a task and the facts about it.
pub(crate) fn line(state: &State) -> Option<String> {
    if state.pane == Pane::Log {
        let position = state.log_position()?;
        let event = state.log_event(position)?;
        let text = log::entry(state, event, WIDE, true).bare();
        return Some(text.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    let item = state.index().outline.item(state.selected?)?;
    let name = name(state, item, WIDE).bare();
    Some(match item {
        Item::Fold(_) => name,
        Item::Task(id) => {
            let (trace, task) = (state.trace(), state.trace().task(id));
            format!(
                "{name} {} of pid {}, born {}, lived {}, {}",
                task.what().as_str(),
                task.task.pid,
                view::born(trace, task),
                view::lived(trace, task),
                view::end(task, false).bare()
            )
        }
    })
}
