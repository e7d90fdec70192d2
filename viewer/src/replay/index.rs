//! What is worked out once for a trace, and once more for each filter, so that a key never looks
//! at all of a trace: charts by bisection, stops to jump to, the tasks in their order.

use std::sync::Arc;

use tidline::model::{End, Ended, EventBody, TaskId, Time, Trace};

use super::filter::Filter;
use super::outline::{Outline, life};
use super::steps::Steps;
use crate::site::{Rules, Sites};
use crate::time::Clock;
use crate::view::timeline::{Layout, layout};
use crate::view::{Options, notices};

/// A trace, and all that is worked out of it as a whole.
#[derive(Debug)]
pub(crate) struct Show {
    pub(crate) trace: Trace,
    pub(crate) index: Arc<Index>,
    /// When a mark was put in, and which event it is.
    pub(crate) marks: Vec<u64>,
    /// Stretches in which something was not seen, not kept or cannot be read: in order, and apart.
    pub(crate) losses: Vec<(u64, u64)>,
    /// What is missing from the file, in words.
    pub(crate) notices: Vec<String>,
    pub(crate) by_task: ByTask,
    /// How the log is laid out on a tiny screen, a narrow one, and a wide one.
    pub(crate) layouts: [Layout; 3],
    /// Where tasks were created.
    pub(crate) sites: Sites,
}

/// The tasks and events that a filter admits.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) steps: Steps,
    /// When a task failed, was killed, or could not be created.
    pub(crate) failures: Vec<u64>,
    /// The events' places in the trace; `None` for all of them.
    pub(crate) events: Option<Vec<u32>>,
    pub(crate) outline: Outline,
    /// Where bursts of creations begin.
    pub(crate) bursts: Vec<u64>,
    /// Tasks that are admitted.
    pub(crate) tasks: usize,
}

impl Show {
    pub(crate) fn new(trace: Trace) -> Show {
        let layouts = [Some(60), Some(100), None].map(|width| {
            let options = Options {
                clock: Clock::new(trace.anchors(), false),
                width,
                limit: 0,
            };
            layout(&trace, None, &options)
        });
        let marks = trace.events().iter();
        let marks = marks.filter(|event| matches!(event.body, EventBody::Mark { .. }));
        // The built-in rules are tested; without any each site is libc's.
        let rules = Rules::new(None).unwrap_or_default();
        let sites = Sites::of(&trace, &rules);
        Show {
            sites,
            index: Arc::new(Index::new(&trace, &Filter::default())),
            marks: marks.map(|event| event.time.0).collect(),
            losses: losses(&trace),
            by_task: ByTask::new(&trace),
            notices: notices(&trace),
            layouts,
            trace,
        }
    }
}

/// The events about each task, in order.
#[derive(Debug)]
pub(crate) struct ByTask {
    /// Where each task's begin in `events`; one more at the end.
    starts: Vec<u32>,
    events: Vec<u32>,
}

impl ByTask {
    fn new(trace: &Trace) -> ByTask {
        let subjects = || (0..trace.events().len()).map(|seq| (seq, trace.subject(seq)));
        let mut starts = vec![0_u32; trace.tasks().len() + 1];
        for task in subjects().filter_map(|(_, task)| task) {
            starts[task.id.0 as usize + 1] += 1;
        }
        for index in 1..starts.len() {
            starts[index] += starts[index - 1];
        }
        let mut next = starts.clone();
        let mut events = vec![0; starts[starts.len() - 1] as usize];
        for (seq, task) in subjects() {
            let Some(task) = task else {
                continue;
            };
            let place = &mut next[task.id.0 as usize];
            events[*place as usize] = seq as u32;
            *place += 1;
        }
        ByTask { starts, events }
    }

    /// The events about a task.
    pub(crate) fn of(&self, id: TaskId) -> &[u32] {
        let index = id.0 as usize;
        &self.events[self.starts[index] as usize..self.starts[index + 1] as usize]
    }

    /// The events about a task, and the births that it caused.
    pub(crate) fn with_births(&self, trace: &Trace, id: TaskId) -> Vec<u32> {
        let is_birth = |seq: &u32| {
            let event = trace.events().get(*seq as usize);
            event.is_some_and(|event| matches!(event.body, EventBody::Birth(_)))
        };
        let children = trace.children(id).iter();
        let births = children.filter_map(|child| self.of(*child).first().copied());
        let mut events = self.of(id).to_vec();
        events.extend(births.filter(is_birth));
        events.sort_unstable();
        events
    }
}

impl Index {
    pub(crate) fn new(trace: &Trace, filter: &Filter) -> Index {
        let all = filter.is_everything();
        let tasks = trace.tasks().iter();
        let admitted: Vec<bool> = tasks
            .map(|task| all || filter.admits_task(trace, task))
            .collect();
        let is_admitted = |id: TaskId| admitted[id.0 as usize];
        let ids = trace.tasks().iter().map(|task| task.id);
        let lives: Vec<(u64, u64)> = ids
            .filter(|id| is_admitted(*id))
            .map(|id| life(trace, id))
            .filter(|(born, _)| *born != u64::MAX)
            .collect();
        let events = trace.events().iter().enumerate();
        let admits = |seq: usize| filter.admits_event(trace, seq, &admitted);
        let kept = (!all).then(|| {
            let kept = (0..trace.events().len()).filter(|seq| admits(*seq));
            kept.map(|seq| seq as u32).collect()
        });
        let failed = events.filter(|(seq, event)| fails(&event.body) && (all || admits(*seq)));
        let steps = Steps::new(&lives);
        Index {
            failures: failed.map(|(_, event)| event.time.0).collect(),
            bursts: bursts(&steps, trace.begin(), trace.end()),
            outline: Outline::new(trace, is_admitted),
            tasks: lives.len(),
            events: kept,
            steps,
        }
    }
}

fn fails(body: &EventBody) -> bool {
    match body {
        EventBody::Exit { end, .. } => is_failure(Ended::Exit(*end)),
        EventBody::CreateFailed { .. } => true,
        _ => false,
    }
}

/// Whether a task did not end as most do.
pub(crate) fn is_failure(how: Ended) -> bool {
    match how {
        Ended::Exit(End::Code(code)) => code != 0,
        Ended::Exit(End::Signal { .. }) => true,
        _ => false,
    }
}

/// The stretches of which something is missing: in order, and apart.
fn losses(trace: &Trace) -> Vec<(u64, u64)> {
    let noted = trace.events().iter().filter_map(|event| match event.body {
        EventBody::Gap { since, .. } | EventBody::Lost { since, .. } => {
            Some((since.0, event.time.0))
        }
        _ => None,
    });
    let damage = trace.integrity().damage.iter();
    let damaged = damage.map(|damage| {
        let before = damage.before.unwrap_or(trace.end());
        (damage.after.0, before.0)
    });
    let mut all: Vec<(u64, u64)> = noted.chain(damaged).collect();
    all.sort_unstable();
    let mut apart: Vec<(u64, u64)> = Vec::new();
    for (from, to) in all {
        match apart.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => apart.push((from, to.max(from))),
        }
    }
    apart
}

/// Where bursts begin: of 500 parts of the trace those with at least eight births, and at least
/// three times as many as the others have, behind one that has fewer.
fn bursts(steps: &Steps, begin: Time, end: Time) -> Vec<u64> {
    const PARTS: u64 = 500;
    let length = end.0.saturating_sub(begin.0).saturating_add(1);
    let part = length.div_ceil(PARTS).max(1);
    let starts = (0..PARTS).map(|number| begin.0.saturating_add(number.saturating_mul(part)));
    let parts: Vec<(u64, u32)> = starts
        .map(|from| (from, steps.changes(from, from.saturating_add(part)).0))
        .collect();
    let all: u64 = parts.iter().map(|(_, births)| u64::from(*births)).sum();
    let least = (all * 3).div_ceil(PARTS).max(8);
    let mut before = 0;
    let mut found = Vec::new();
    for (from, births) in parts {
        let births = u64::from(births);
        if births >= least && before < least {
            found.extend(steps.next_birth(from));
        }
        before = births;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::made::{self, MS, traced};
    use super::*;

    #[test]
    fn losses_are_joined_where_they_overlap() {
        let trace = traced(&made::header(), &made::with_losses(), 100 * MS);
        assert_eq!(losses(&trace), [(95 * MS, 98 * MS)]);
        let show = Show::new(trace);
        assert_eq!(show.marks, [90 * MS]);
        assert_eq!(show.index.failures, [50 * MS, 70 * MS]);
        assert!(
            show.notices[0].starts_with("1,234 events lost"),
            "{:?}",
            show.notices
        );
    }

    #[test]
    fn a_burst_begins_with_its_first_birth() {
        let lone = (0..10).map(|number| number * 100);
        let many = (0..50).map(|number| 523 + number / 10);
        let lives: Vec<(u64, u64)> = lone.chain(many).map(|born| (born, u64::MAX)).collect();
        let steps = Steps::new(&lives);
        assert_eq!(bursts(&steps, Time(0), Time(1_000)), [523]);
        assert!(bursts(&Steps::new(&[]), Time(0), Time(u64::MAX)).is_empty());
    }
}
