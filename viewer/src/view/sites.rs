//! `sites`: where tasks were created, and what became of them; and where creations failed.

use std::collections::HashMap;

use serde::Serialize;
use tidline::model::{EventBody, Name, Origin, TaskRecord, Trace, errno_name};

use super::stacks::{self, interpreted, label};
use super::{Options, hidden, notices_of};
use crate::choices;
use crate::group::{By, Classifier, Group, Groups, Key, Moments, Stats, Tally, percentile};
use crate::page::{Block, Page, Style, Table, Text};
use crate::select::Selector;
use crate::site::{self, Frame, Place, Site, SiteId, Sites};
use crate::time::{self, SECOND};
use crate::words::{count, counted, shown_name};

/// Names and start routines of a group that are told at most.
const MOST_KINDS: usize = 5;
/// Columns of a label in JSON and CSV.
const WHOLE: usize = 1_000;

/// A group of created tasks in JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Row<'a> {
    pub(crate) by: &'static str,
    pub(crate) label: String,
    pub(crate) site: Option<Place>,
    pub(crate) created: u64,
    pub(crate) alive: u64,
    pub(crate) peak: u64,
    pub(crate) let_go: u64,
    pub(crate) rate_per_s: f64,
    pub(crate) life_p50_ns: Option<u64>,
    pub(crate) life_p99_ns: Option<u64>,
    pub(crate) first_ns: u64,
    pub(crate) last_ns: u64,
    pub(crate) start_routines: Vec<Counted>,
    pub(crate) names: Vec<Counted>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stack: Option<Vec<Frame<'a>>>,
}

/// A group of refused creations in JSON.
#[derive(Debug, Serialize)]
pub(crate) struct FailedRow<'a> {
    pub(crate) by: &'static str,
    pub(crate) label: String,
    pub(crate) site: Option<Place>,
    pub(crate) failed: u64,
    pub(crate) rate_per_s: f64,
    pub(crate) first_ns: u64,
    pub(crate) last_ns: u64,
    pub(crate) errors: Vec<Counted>,
    pub(crate) calls: Vec<Counted>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stack: Option<Vec<Frame<'a>>>,
}

/// A value, and how often it was met.
#[derive(Debug, Serialize)]
pub(crate) struct Counted {
    pub(crate) value: String,
    pub(crate) count: u64,
}

/// What is grouped, and how.
pub(crate) struct Asked<'a> {
    pub(crate) trace: &'a Trace,
    pub(crate) sites: &'a Sites,
    pub(crate) by: By,
    pub(crate) selector: &'a Selector<'a>,
    /// Whether it is grouped by something else than was asked for.
    pub(crate) instead: bool,
}

impl<'a> Asked<'a> {
    /// Without stacks there are no sites: the instruction pointer is all that is left.
    pub(crate) fn new(
        trace: &'a Trace,
        sites: &'a Sites,
        by: By,
        selector: &'a Selector<'a>,
    ) -> Self {
        let instead = sites.is_empty() && by.needs_stacks();
        Asked {
            trace,
            sites,
            by: if instead { By::Pc } else { by },
            instead,
            selector,
        }
    }

    /// What must be known of the stacks first.
    pub(crate) fn notices(&self) -> Vec<String> {
        let instead = self.instead.then_some(self.by);
        let mut words = notices_of(self.trace, self.selector);
        words.extend(stacks::notices(self.trace, self.sites, instead));
        words
    }

    fn rate(&self, number: u64) -> f64 {
        let seconds = Moments::of(self.trace).length() as f64 / SECOND as f64;
        let rate = if seconds > 0.0 {
            number as f64 / seconds
        } else {
            0.0
        };
        (rate * 1e6).round() / 1e6
    }

    pub(crate) fn label(&self, key: &Key, width: usize) -> String {
        label(self.trace, self.sites, self.by, key, width)
    }

    /// The site that a key stands for, if it stands for one.
    pub(crate) fn site(&self, key: &Key) -> Option<&'a Site> {
        let id = match key {
            Key::Site(site) => Some(*site),
            Key::Stack(stack) => self.sites.of_stack(Some(*stack)),
            _ => None,
        };
        id.map(|id| self.sites.get(id))
    }

    fn stack(&self, key: &Key) -> Option<Vec<Frame<'a>>> {
        match key {
            Key::Stack(stack) => Some(site::frames(self.trace.stacks(), *stack).0),
            _ => None,
        }
    }
}

/// The groups of tasks whose birth is in the trace, the largest first.
pub(crate) fn groups(asked: &Asked<'_>) -> Vec<Group> {
    let classifier = Classifier::new(asked.trace, asked.sites, asked.by);
    let moments = Moments::of(asked.trace);
    let admits =
        |task: &TaskRecord| is_created(asked.trace, task) && asked.selector.admits_task(task);
    let mut groups = Groups::of_tasks(&classifier, moments, admits).finish();
    groups.sort_by_key(|group| std::cmp::Reverse((group.stats.created, group.stats.alive)));
    groups
}

/// Whether a task's creation is in the trace.
fn is_created(trace: &Trace, task: &TaskRecord) -> bool {
    task.origin == Origin::Birth && !super::ended_before(trace, task)
}

/// How many creations are among the groups, and what hides the others.
pub(crate) fn selected(asked: &Asked<'_>) -> Option<String> {
    let trace = asked.trace;
    asked.selector.tasks_shown(|task| is_created(trace, task))
}

/// The same of creations that were refused.
pub(crate) fn failed_selected(asked: &Asked<'_>) -> Option<String> {
    let events = asked.trace.events().iter().enumerate();
    let failed = events.filter(|(_, it)| matches!(it.body, EventBody::CreateFailed { .. }));
    let (mut shown, mut all) = (0, 0);
    for (seq, _) in failed {
        all += 1;
        shown += usize::from(asked.selector.admits(seq));
    }
    asked.selector.shown_of(shown, all, "refused creation")
}

/// A group as the contract's object.
pub(crate) fn row<'a>(asked: &Asked<'a>, group: &Group) -> Row<'a> {
    let stats = &group.stats;
    Row {
        by: asked.by.as_str(),
        label: asked.label(&group.key, WHOLE),
        site: asked.site(&group.key).map(Place::from),
        created: stats.created,
        alive: stats.alive,
        peak: stats.peak(),
        let_go: stats.let_go,
        rate_per_s: asked.rate(stats.created),
        life_p50_ns: percentile(&stats.lives, 50),
        life_p99_ns: percentile(&stats.lives, 99),
        first_ns: stats.first().0,
        last_ns: stats.last().0,
        start_routines: counted_list(&stats.routines, |site| routine(asked, *site, WHOLE)),
        names: counted_list(&stats.names, lossy),
        stack: asked.stack(&group.key),
    }
}

pub(crate) fn lossy(name: &Name) -> String {
    String::from_utf8_lossy(name.as_bytes()).into_owned()
}

fn routine(asked: &Asked<'_>, site: SiteId, width: usize) -> String {
    asked.sites.get(site).shown(width)
}

pub(crate) fn counted_list<T: Eq + std::hash::Hash + Ord>(
    tally: &Tally<T>,
    shown: impl Fn(&T) -> String,
) -> Vec<Counted> {
    let sorted = tally.sorted().into_iter().take(MOST_KINDS);
    let counted = sorted.map(|(value, count)| Counted {
        value: shown(value),
        count,
    });
    counted.collect()
}

/// What must be known before the groups, and what below them.
pub(crate) fn words(asked: &Asked<'_>, keys: &[&Key]) -> (Vec<String>, Vec<String>) {
    let above = asked.notices();
    let shown = keys.iter().filter_map(|key| asked.site(key));
    let mut below: Vec<String> = interpreted(shown).into_iter().collect();
    below.extend(unseen(asked.trace));
    (above, below)
}

/// Says how many tasks are in no group, since nobody saw who created them.
fn unseen(trace: &Trace) -> Option<String> {
    let tasks = trace.tasks().iter();
    let unseen = tasks
        .filter(|task| super::was_there_before(trace, task))
        .count();
    (unseen > 0).then(|| {
        format!(
            "not among them: {} whose creation is not in this file, as of those that were there \
             before the recording",
            counted(unseen, "task")
        )
    })
}

/// The groups as a table.
pub(crate) fn page<'a>(asked: &'a Asked<'a>, options: &Options) -> Page<'a> {
    let mut groups = groups(asked);
    let found = groups.len();
    let created: u64 = groups.iter().map(|group| group.stats.created).sum();
    if options.limit > 0 {
        groups.truncate(options.limit);
    }
    let keys: Vec<&Key> = groups.iter().map(|group| &group.key).collect();
    let (notices, below) = words(asked, &keys);
    let shown = groups.len();
    let mut page = Page {
        notices,
        ..Page::default()
    };
    if found > 0 {
        let layout = Layout::new(asked.by, options);
        let titles = layout.titles();
        let row = move |group: &Group| layout.row(asked, group);
        page.blocks
            .push(Block::Table(Table::new(&titles, groups, row)));
    }
    page.foot.extend(hidden(found - shown, "group"));
    page.foot.push(match created {
        0 if !asked.selector.is_everything() => "no creation is of what is asked for".into(),
        0 => "no creation is in this trace".into(),
        _ => format!(
            "{} from {}; lives are of those that ended",
            counted(created, "creation"),
            counted(found, noun(asked.by))
        ),
    });
    page.foot.extend(selected(asked));
    page.foot.extend(below);
    page
}

/// What a class is.
pub(crate) fn noun(by: By) -> &'static str {
    match by {
        By::Site => "site",
        By::Stack => "stack",
        By::Routine => "start routine",
        By::Name => "name",
        By::Parent => "creator",
        By::Lineage => "lineage",
        By::Module => "module",
        By::Pc => "address",
    }
}

/// Which columns there is room for.
#[derive(Clone, Copy)]
struct Layout {
    by: By,
    narrow: bool,
    tiny: bool,
    /// Columns of the group's label.
    label: usize,
}

impl Layout {
    fn new(by: By, options: &Options) -> Self {
        let tiny = options.width.is_some_and(|width| width < 80);
        let columns = options.width.unwrap_or(160);
        Layout {
            by,
            narrow: options.width.is_some_and(|width| width < 130),
            tiny,
            label: if tiny {
                columns.saturating_sub(28).max(16)
            } else {
                (columns / 3).clamp(24, 60)
            },
        }
    }

    fn titles(self) -> Vec<&'static str> {
        let label = match self.by {
            By::Site => "SITE",
            By::Stack => "STACK",
            By::Routine => "START",
            By::Name => "NAME",
            By::Parent => "CREATOR",
            By::Lineage => "LINEAGE",
            By::Module => "MODULE",
            By::Pc => "PC",
        };
        let mut titles = vec![">CREATED", ">ALIVE", ">PEAK"];
        if !self.tiny {
            titles.extend([">PER S", ">P50"]);
        }
        if !self.narrow {
            titles.push(">P99");
        }
        titles.push(label);
        if !self.narrow && self.by != By::Routine {
            titles.push("START");
        }
        if !self.tiny && self.by != By::Name {
            titles.push("NAMES");
        }
        titles
    }

    fn row(self, asked: &Asked<'_>, group: &Group) -> Vec<Text> {
        let stats = &group.stats;
        let alive = if stats.alive > 0 {
            Style::Good
        } else {
            Style::Plain
        };
        let mut row = vec![
            Text::plain(count(stats.created)),
            Text::styled(count(stats.alive), alive),
            Text::plain(count(stats.peak())),
        ];
        if !self.tiny {
            row.push(Text::plain(rate(asked.rate(stats.created))));
            row.push(Text::plain(life(stats, 50)));
        }
        if !self.narrow {
            row.push(Text::plain(life(stats, 99)));
        }
        row.push(Text::plain(asked.label(&group.key, self.label)));
        if !self.narrow && self.by != By::Routine {
            let width = self.label.min(30);
            row.push(kinds(&stats.routines, 1, |site| {
                routine(asked, *site, width)
            }));
        }
        if !self.tiny && self.by != By::Name {
            row.push(kinds(&stats.names, 3, |name| shown_name(name, 20)));
        }
        row
    }
}

fn life(stats: &Stats, percent: usize) -> String {
    percentile(&stats.lives, percent).map_or("-".into(), time::duration)
}

/// A rate with three digits at most: `0.02`, `1.5`, `1,234`.
pub(crate) fn rate(rate: f64) -> String {
    match rate {
        0.0 => "0".into(),
        rate if rate.abs() < 0.01 => format!("{rate:.4}"),
        rate if rate.abs() < 10.0 => format!("{rate:.2}"),
        rate if rate.abs() < 100.0 => format!("{rate:.1}"),
        rate if rate < 0.0 => format!("-{}", count(-rate as u64)),
        rate => count(rate as u64),
    }
}

/// The most frequent values, and how often they were met: `worker-# x 3, main`.
pub(crate) fn kinds<T: Eq + std::hash::Hash + Ord>(
    tally: &Tally<T>,
    most: usize,
    shown: impl Fn(&T) -> String,
) -> Text {
    let sorted = tally.sorted();
    let words = sorted.iter().take(most).map(|(value, number)| {
        let times = match (number, sorted.len()) {
            (1, _) | (_, 1) => String::new(),
            (number, _) => format!(" x {}", count(*number)),
        };
        format!("{}{times}", shown(value))
    });
    let text = Text::plain(words.collect::<Vec<_>>().join(", "));
    match sorted.len().checked_sub(most) {
        Some(more) if more > 0 => text.with(format!(", {} more", count(more)), Style::Faint),
        _ => text,
    }
}

/// Refused creations of one class.
#[derive(Debug, Default)]
pub(crate) struct Failed {
    number: u64,
    first: u64,
    last: u64,
    errors: Tally<u16>,
    calls: Tally<Name>,
}

/// Refused creations by their class, the most frequent first.
pub(crate) fn failed(asked: &Asked<'_>) -> Vec<(Key, Failed)> {
    let classifier = Classifier::new(asked.trace, asked.sites, asked.by);
    let mut places: HashMap<Key, usize> = HashMap::new();
    let mut groups: Vec<(Key, Failed)> = Vec::new();
    for (index, event) in asked.trace.events().iter().enumerate() {
        let EventBody::CreateFailed {
            call,
            errno,
            pc,
            stack,
            ..
        } = &event.body
        else {
            continue;
        };
        if !asked.selector.admits(index) {
            continue;
        }
        let key = stacks::of_failed(&classifier, asked.trace, asked.by, index, (*stack, *pc));
        let place = *places.entry(key.clone()).or_insert_with(|| {
            let first = event.time.0;
            groups.push((
                key,
                Failed {
                    first,
                    ..Failed::default()
                },
            ));
            groups.len() - 1
        });
        let group = &mut groups[place].1;
        group.number += 1;
        group.last = event.time.0;
        group.errors.add(*errno);
        group.calls.add(call.clone());
    }
    groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.number));
    groups
}

/// A group of refused creations as the contract's object.
pub(crate) fn failed_row<'a>(asked: &Asked<'a>, key: &Key, group: &Failed) -> FailedRow<'a> {
    FailedRow {
        by: asked.by.as_str(),
        label: asked.label(key, WHOLE),
        site: asked.site(key).map(Place::from),
        failed: group.number,
        rate_per_s: asked.rate(group.number),
        first_ns: group.first,
        last_ns: group.last,
        errors: counted_list(&group.errors, |errno| errno_name(*errno).into_owned()),
        calls: counted_list(&group.calls, lossy),
        stack: asked.stack(key),
    }
}

/// Refused creations as a table.
pub(crate) fn failed_page<'a>(asked: &'a Asked<'a>, options: &Options) -> Page<'a> {
    let mut groups = failed(asked);
    let found = groups.len();
    let all: u64 = groups.iter().map(|(_, group)| group.number).sum();
    if options.limit > 0 {
        groups.truncate(options.limit);
    }
    let keys: Vec<&Key> = groups.iter().map(|(key, _)| key).collect();
    let mut page = Page {
        notices: match asked.sites.is_empty() {
            true => asked.notices(),
            false => notices_of(asked.trace, asked.selector),
        },
        ..Page::default()
    };
    let interpreted = interpreted(keys.iter().filter_map(|key| asked.site(key)));
    let shown = groups.len();
    if found > 0 {
        let layout = Layout::new(asked.by, options);
        let label = layout
            .titles()
            .into_iter()
            .find(|title| !title.starts_with('>'));
        let titles = [">FAILED", "ERRORS", "CALLS", label.unwrap_or("SITE")];
        let row = move |(key, group): &(Key, Failed)| {
            vec![
                Text::plain(count(group.number)),
                Text::styled(
                    kinds(&group.errors, 3, |it| errno_name(*it).into_owned()).bare(),
                    Style::Bad,
                ),
                kinds(&group.calls, 3, |call| shown_name(call, 20)),
                Text::plain(asked.label(key, layout.label)),
            ]
        };
        page.blocks
            .push(Block::Table(Table::new(&titles, groups, row)));
    }
    page.foot.extend(hidden(found - shown, "group"));
    page.foot.push(none_failed(
        asked.trace,
        all,
        &counted(found, noun(asked.by)),
    ));
    page.foot.extend(failed_selected(asked));
    page.foot.extend(interpreted);
    page
}

fn none_failed(trace: &Trace, all: u64, places: &str) -> String {
    let watched = !choices::is_off(trace.header(), "failures");
    match all {
        0 if watched => "no creation was refused".into(),
        0 => "no refused creation is in this trace: they were not watched for (--failures)".into(),
        _ => format!("{} refused, from {places}", counted(all, "creation")),
    }
}
