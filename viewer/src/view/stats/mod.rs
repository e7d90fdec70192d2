//! `stats`: how many were created and ended, when, by whom, and how long they lived.
//!
//! All of it is of the tasks and events that are asked for, in the stretch that is asked for.

mod buckets;
mod page;

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use serde::Serialize;
use tidline::model::{End, Ended, EventBody, Origin, TaskId, Trace, What, errno_name, signal_name};

use super::sites::{Counted, lossy};
use crate::group::{By, Classifier, Groups, Moments, Stats, Tally, percentile};
use crate::select::Selector;
use crate::site::Sites;
use crate::time::SECOND;
use crate::words::label;
pub(crate) use buckets::{Bucket, Buckets};
pub(crate) use page::page;

/// Creators, names and the like that are told at most.
const MOST: usize = 10;
/// Bursts that are told at most.
const MOST_BURSTS: usize = 5;
/// Columns of a name.
const NAME: usize = 40;

/// The contract's object.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
    pub(crate) bucket_ns: u64,
    /// Of all, those that are asked for.
    pub(crate) tasks: u64,
    pub(crate) all_tasks: u64,
    pub(crate) creations: u64,
    pub(crate) threads_created: u64,
    pub(crate) processes_created: u64,
    pub(crate) exits: u64,
    pub(crate) execs: u64,
    pub(crate) failures: u64,
    pub(crate) creations_per_s: f64,
    pub(crate) exits_per_s: f64,
    pub(crate) peak_alive: u64,
    pub(crate) peak_ns: u64,
    pub(crate) alive_at_end: u64,
    pub(crate) life: Life,
    pub(crate) creators: Vec<Creator>,
    pub(crate) names: Vec<Counted>,
    pub(crate) errors: Vec<Counted>,
    pub(crate) failed_sites: Vec<Counted>,
    pub(crate) signals: Vec<Counted>,
    pub(crate) bursts: Vec<Burst>,
    pub(crate) gaps: u64,
    pub(crate) lost: u64,
    /// Of the whole file, whatever is asked for.
    pub(crate) complete: bool,
    pub(crate) damaged_chunks: usize,
    pub(crate) recorder: BTreeMap<String, u64>,
    pub(crate) buckets: Vec<Bucket>,
}

/// How long those lived that ended, ns.
#[derive(Debug, Serialize)]
pub(crate) struct Life {
    pub(crate) count: u64,
    pub(crate) p50_ns: Option<u64>,
    pub(crate) p90_ns: Option<u64>,
    pub(crate) p99_ns: Option<u64>,
    pub(crate) max_ns: Option<u64>,
}

/// A task, and how many it created.
#[derive(Debug, Serialize)]
pub(crate) struct Creator {
    /// `None` where it is not known who created them.
    pub(crate) pid: Option<u32>,
    pub(crate) tid: Option<u32>,
    pub(crate) name: Option<String>,
    pub(crate) created: u64,
}

/// A time in which far more were created than in others.
#[derive(Debug, Serialize)]
pub(crate) struct Burst {
    pub(crate) from_ns: u64,
    pub(crate) to_ns: u64,
    pub(crate) created: u64,
    pub(crate) by: Vec<Counted>,
}

/// The figures; an error says what is wrong with the length of a part.
pub(crate) fn figures(
    trace: &Trace,
    sites: &Sites,
    selector: &Selector<'_>,
    bucket: Option<u64>,
) -> Result<Figures> {
    let (from, to) = selector.stretch();
    let mut buckets =
        Buckets::new(from.0, to.0, bucket).map_err(|problem| anyhow!("--bucket: {problem}"))?;
    let selected: Vec<bool> = trace
        .tasks()
        .iter()
        .map(|task| selector.admits_task(task))
        .collect();
    let admits = |id: TaskId| selected[id.0 as usize];
    let classifier = Classifier::new(trace, sites, By::Name);
    let moments = Moments {
        begin: from,
        end: to,
    };
    let together = Groups::together(&classifier, moments, |task| admits(task.id));
    let stats = together.map_or_else(Stats::default, |group| group.stats);
    let (peak_alive, peak_ns) = buckets.live(&stats.births, &stats.ends);

    let (mut threads, mut processes, mut exits) = (0, 0, 0);
    let mut creators: Tally<Option<TaskId>> = Tally::default();
    let mut signals: Tally<u8> = Tally::default();
    for task in trace.tasks().iter().filter(|task| admits(task.id)) {
        if task.origin == Origin::Birth
            && let Some(bucket) = buckets.at(task.born.0)
        {
            bucket.creations += 1;
            match task.what() {
                What::Thread => threads += 1,
                What::Process => processes += 1,
            }
            creators.add(task.parent);
        }
        if let (Ended::Exit(end), Some(ended)) = (task.how, task.ended)
            && let Some(bucket) = buckets.at(ended.0)
        {
            bucket.exits += 1;
            exits += 1;
            if let End::Signal { number, .. } = end {
                signals.add(number);
            }
        }
    }
    let of_events = events(trace, sites, selector, &mut buckets);
    let seconds = moments.length() as f64 / SECOND as f64;
    let per_s = |number: u64| match seconds > 0.0 {
        true => (number as f64 / seconds * 1e6).round() / 1e6,
        false => 0.0,
    };
    let tasks = selected.iter().filter(|selected| **selected).count();
    Ok(Figures {
        from_ns: from.0,
        to_ns: to.0,
        bucket_ns: buckets.length,
        tasks: tasks as u64,
        all_tasks: trace.tasks().len() as u64,
        creations: threads + processes,
        threads_created: threads,
        processes_created: processes,
        exits,
        execs: of_events.execs,
        failures: of_events.failures,
        creations_per_s: per_s(threads + processes),
        exits_per_s: per_s(exits),
        peak_alive,
        peak_ns,
        alive_at_end: stats.alive,
        life: Life {
            count: stats.lives.len() as u64,
            p50_ns: percentile(&stats.lives, 50),
            p90_ns: percentile(&stats.lives, 90),
            p99_ns: percentile(&stats.lives, 99),
            max_ns: stats.lives.last().copied(),
        },
        creators: top(&creators, |id| id.map(|id| trace.task(id)))
            .into_iter()
            .map(|(task, created)| Creator {
                pid: task.map(|task| task.task.pid.0),
                tid: task.map(|task| task.task.tid.0),
                name: task.map(|task| lossy(task.name())),
                created,
            })
            .collect(),
        names: counted(&stats.names, lossy),
        errors: counted(&of_events.errors, |errno| errno_name(*errno).into_owned()),
        failed_sites: counted(&of_events.failed_sites, |site| match site {
            Some(site) => sites.get(*site).to_string(),
            None => "(no stack)".into(),
        }),
        signals: counted(&signals, |signal| signal_name(*signal).into_owned()),
        bursts: bursts(trace, moments, admits),
        gaps: of_events.gaps,
        lost: of_events.lost,
        complete: trace.is_complete(),
        damaged_chunks: trace.integrity().damage.len(),
        recorder: trace.counters().iter().cloned().collect(),
        buckets: buckets.all,
    })
}

fn top<'t, T: Eq + std::hash::Hash + Ord, R>(
    tally: &'t Tally<T>,
    shown: impl Fn(&'t T) -> R,
) -> Vec<(R, u64)> {
    let sorted = tally.sorted().into_iter().take(MOST);
    sorted.map(|(value, count)| (shown(value), count)).collect()
}

fn counted<T: Eq + std::hash::Hash + Ord>(
    tally: &Tally<T>,
    shown: impl Fn(&T) -> String,
) -> Vec<Counted> {
    let sorted = top(tally, shown).into_iter();
    sorted
        .map(|(value, count)| Counted { value, count })
        .collect()
}

/// What is counted of events. Losses have no task, and count whatever is asked for.
#[derive(Default)]
struct OfEvents {
    execs: u64,
    failures: u64,
    errors: Tally<u16>,
    failed_sites: Tally<Option<crate::site::SiteId>>,
    gaps: u64,
    lost: u64,
}

fn events(
    trace: &Trace,
    sites: &Sites,
    selector: &Selector<'_>,
    buckets: &mut Buckets,
) -> OfEvents {
    let mut found = OfEvents::default();
    for seq in selector.events() {
        let event = &trace.events()[seq];
        match &event.body {
            EventBody::Exec { .. } if selector.admits(seq) => found.execs += 1,
            EventBody::CreateFailed { errno, stack, .. } if selector.admits(seq) => {
                found.failures += 1;
                found.errors.add(*errno);
                found.failed_sites.add(sites.of_stack(*stack));
                if let Some(bucket) = buckets.at(event.time.0) {
                    bucket.failures += 1;
                }
            }
            EventBody::Gap { .. } => found.gaps += 1,
            EventBody::Lost { count, .. } => found.lost = found.lost.saturating_add(*count),
            _ => {}
        }
    }
    found
}

/// Of 500 parts of the stretch those with at least eight creations and at least three times as many
/// as the others have, joined where they touch: the largest, in order of time.
fn bursts(trace: &Trace, moments: Moments, admits: impl Fn(TaskId) -> bool) -> Vec<Burst> {
    const PARTS: u64 = 500;
    let part = moments.length().saturating_add(1).div_ceil(PARTS).max(1);
    let tasks = || {
        let created = trace.tasks().iter().filter(|task| {
            task.origin == Origin::Birth
                && (moments.begin..=moments.end).contains(&task.born)
                && admits(task.id)
        });
        created.map(|task| ((task.born.0 - moments.begin.0) / part, task))
    };
    let mut parts = vec![0_u64; PARTS as usize];
    for (number, _) in tasks() {
        if let Some(part) = parts.get_mut(number as usize) {
            *part += 1;
        }
    }
    let least = (parts.iter().sum::<u64>() * 3).div_ceil(PARTS).max(8);
    // For each part the burst that it is in.
    let mut of_part: Vec<Option<usize>> = Vec::new();
    let mut created: Vec<u64> = Vec::new();
    for number in parts {
        let before = of_part.last().copied().flatten();
        let burst = (number >= least).then(|| {
            before.unwrap_or_else(|| {
                created.push(0);
                created.len() - 1
            })
        });
        if let Some(burst) = burst {
            created[burst] += number;
        }
        of_part.push(burst);
    }
    let mut largest: Vec<usize> = (0..created.len()).collect();
    largest.sort_by_key(|burst| std::cmp::Reverse(created[*burst]));
    largest.truncate(MOST_BURSTS);
    largest.sort_unstable();
    let mut times = vec![(u64::MAX, 0); largest.len()];
    let mut by: Vec<Tally<Option<TaskId>>> = vec![Tally::default(); largest.len()];
    for (number, task) in tasks() {
        let burst = of_part.get(number as usize).copied().flatten();
        let Some(place) = burst.and_then(|burst| largest.iter().position(|other| *other == burst))
        else {
            continue;
        };
        let time = &mut times[place];
        *time = (time.0.min(task.born.0), time.1.max(task.born.0));
        by[place].add(task.parent);
    }
    let name = |id: &Option<TaskId>| {
        id.map_or("(not known)".into(), |id| {
            let task = trace.task(id);
            label(task.name(), task.task.tid, NAME)
        })
    };
    let bursts = largest.iter().zip(times).zip(by);
    bursts
        .map(|((burst, (from_ns, to_ns)), by)| Burst {
            from_ns,
            to_ns,
            created: created[*burst],
            by: counted(&by, name),
        })
        .collect()
}
