//! What is alive at the end, as far as that is sure: a moment sooner or later, and it might be
//! otherwise.

use tidline::model::{DetachReason, Ended, Origin, TaskRecord, Time, Trace};

use crate::time::SECOND;

/// What lives or ends so close to the end might as well have done the other, ns.
const NEAR_END: u64 = SECOND / 5;
/// A program that has ended took its last tasks with it within this, ns.
const LAST_GASP: u64 = SECOND / 100;

/// What counts as alive at the end. Of a program that ended while it was recorded, that is what it
/// took with it: what ended in one go with it, and not before the last birth.
pub(super) struct Alive {
    pub(super) begin: Time,
    pub(super) end: Time,
    /// From when on ends are the program's own; `None` if it did not end.
    shutdown: Option<(Time, Time)>,
}

impl Alive {
    pub(super) fn of(trace: &Trace, begin: Time, end: Time) -> Self {
        let tasks = || trace.tasks().iter();
        let whole = end == trace.end();
        let over = whole && tasks().all(|task| task.ended.is_some());
        let last_birth = tasks().map(|task| task.born).max().unwrap_or_default();
        let mut ends: Vec<Time> = Vec::new();
        let last = tasks().filter_map(|task| task.ended).max();
        if let Some(last) = last.filter(|_| over) {
            let near = Time(last.0.saturating_sub(NEAR_END)).max(last_birth);
            ends.extend(tasks().filter_map(|task| task.ended.filter(|ended| *ended >= near)));
        }
        ends.sort_unstable_by(|a, b| b.cmp(a));
        let shutdown = ends.first().map(|&last| {
            let mut first = last;
            for end in ends.iter().copied() {
                if first.0 - end.0 > LAST_GASP {
                    break;
                }
                first = end;
            }
            (first, last)
        });
        Alive {
            begin,
            end,
            shutdown,
        }
    }

    /// Whether a task counts, is surely alive at the end, and may be; `None` if it does not belong
    /// to what is compared.
    pub(super) fn judge(&self, task: &TaskRecord) -> Option<(bool, bool, bool)> {
        if task.born > self.end || task.ended.is_some_and(|ended| ended < self.begin) {
            return None;
        }
        let ended = match (task.how, task.ended) {
            // It lived when its recording ended; another one, merged with it, went on.
            (Ended::Detached(DetachReason::RecordingEnded), _) => {
                return Some((true, self.is_old(task), true));
            }
            (Ended::Detached(_), Some(ended)) if ended <= self.end => {
                return Some((false, false, false));
            }
            (_, Some(ended)) => ended,
            (_, None) => return Some((true, self.is_old(task), true)),
        };
        Some(match self.shutdown {
            Some((first, last)) => {
                let alive = ended >= first;
                let sure = alive && last.0 - ended.0.min(last.0) <= LAST_GASP;
                (
                    alive,
                    sure,
                    alive || ended.0.saturating_add(NEAR_END) >= last.0,
                )
            }
            None => {
                let alive = ended > self.end;
                let sure = ended.0 > self.end.0.saturating_add(NEAR_END) && self.is_old(task);
                (alive, sure, ended.0.saturating_add(NEAR_END) > self.end.0)
            }
        })
    }

    fn is_old(&self, task: &TaskRecord) -> bool {
        task.origin == Origin::Existing || task.born.0.saturating_add(NEAR_END) <= self.end.0
    }
}
