//! `threads`: the tasks alive at the end, or at a time, or all there ever were.

use serde::Serialize;
use tidline::model::{TaskRecord, Time, Trace, What};

use super::record::routine;
use super::{Options, born, end, hidden, lived, moment, notices_of};
use crate::page::{Block, Page, Style, Table, Text};
use crate::select::Selector;
use crate::site::Sites;
use crate::words::{self, NAME_WIDTH, count, counted, label, shown_name};

/// Which tasks are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    AliveAtEnd,
    AliveAt(Time),
    All,
}

impl Which {
    pub(crate) fn admits(self, task: &TaskRecord) -> bool {
        match self {
            Which::AliveAtEnd => task.ended.is_none(),
            Which::AliveAt(time) => task.alive_at(time),
            Which::All => true,
        }
    }

    fn moment(self, trace: &Trace) -> Time {
        match self {
            Which::AliveAt(time) => time,
            Which::AliveAtEnd | Which::All => trace.end(),
        }
    }
}

/// The contract's object.
#[derive(Debug, Serialize)]
pub(crate) struct Thread {
    pid: u32,
    tid: u32,
    name: String,
    what: &'static str,
    parent_pid: Option<u32>,
    parent_tid: Option<u32>,
    born_ns: u64,
    ended_ns: Option<u64>,
    how: String,
    site: Option<String>,
    start_routine: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inner_tid: Option<u32>,
}

/// The tasks asked for, each process's together, in the order in which they appeared: a process with
/// the first of its tasks that lived then.
fn tasks<'a>(trace: &'a Trace, which: Which, selector: &Selector<'_>) -> Vec<&'a TaskRecord> {
    let mut first = std::collections::HashMap::new();
    let mut tasks: Vec<&TaskRecord> = Vec::new();
    for task in trace.tasks().iter().filter(|task| which.admits(task)) {
        first.entry(task.task.pid).or_insert(task.id);
        if selector.admits_task(task) {
            tasks.push(task);
        }
    }
    tasks.sort_by_key(|task| (first.get(&task.task.pid), task.id));
    tasks
}

/// The tasks as the contract's objects, and how many `limit` left out.
pub(crate) fn threads(
    trace: &Trace,
    sites: &Sites,
    which: Which,
    selector: &Selector<'_>,
    limit: usize,
) -> (Vec<Thread>, usize) {
    let mut tasks = tasks(trace, which, selector);
    let left_out = cut(&mut tasks, limit);
    let moment = which.moment(trace);
    let threads = tasks.iter().map(|task| {
        let parent = task.parent.map(|parent| trace.task(parent).task);
        let name = name_at(task, moment).as_bytes();
        Thread {
            pid: task.task.pid.0,
            tid: task.task.tid.0,
            name: String::from_utf8_lossy(name).into_owned(),
            what: task.what().as_str(),
            parent_pid: parent.map(|parent| parent.pid.0),
            parent_tid: parent.map(|parent| parent.tid.0),
            born_ns: task.born.0,
            ended_ns: task.ended.map(|time| time.0),
            how: words::how(task.how).into_owned(),
            site: sites
                .of_stack(task.stack)
                .map(|site| sites.get(site).to_string()),
            start_routine: routine(sites, task.start),
            inner_tid: task.inner.map(|inner| inner.0),
        }
    });
    (threads.collect(), left_out)
}

fn name_at(task: &TaskRecord, time: Time) -> &tidline::model::Name {
    task.name_at(time.max(task.born))
}

fn cut<T>(items: &mut Vec<T>, limit: usize) -> usize {
    let all = items.len();
    if limit > 0 {
        items.truncate(limit);
    }
    all - items.len()
}

/// The tasks as a table.
pub(crate) fn page<'a>(
    trace: &'a Trace,
    sites: &'a Sites,
    which: Which,
    selector: &Selector<'_>,
    options: &Options,
) -> Page<'a> {
    let mut tasks = tasks(trace, which, selector);
    let found = tasks.len();
    let left_out = cut(&mut tasks, options.limit);
    let mut page = Page {
        notices: notices_of(trace, selector),
        ..Page::default()
    };
    if found > 0 {
        let (at, narrow) = (which.moment(trace), options.narrow());
        let nested = tasks.iter().any(|task| task.inner.is_some());
        let mut titles = vec![">TID", ">PID", "NAME", ">BORN", ">LIVED", "CREATOR", "END"];
        let site = SiteColumn::new(sites, options);
        if let Some(site) = site {
            site.put(&mut titles, "SITE");
        }
        if nested {
            titles.insert(1, ">INSIDE");
        }
        let table = Table::new(&titles, tasks, move |task| {
            let mut row = row(trace, task, at, narrow);
            if let Some(site) = site {
                site.put(&mut row, Text::plain(site.cell(sites, task)));
            }
            if nested {
                let inner = task.inner.map(|inner| inner.to_string());
                row.insert(1, Text::plain(inner.unwrap_or_default()));
            }
            row
        });
        let spare = &["BORN", "INSIDE", "PID", "CREATOR", "SITE"];
        page.blocks.push(Block::Table(table.sparing(spare)));
    }
    page.foot.extend(hidden(left_out, "task"));
    page.foot
        .extend(selector.tasks_shown(|task| which.admits(task)));
    let found = match selector.is_everything() {
        true => found,
        false => trace
            .tasks()
            .iter()
            .filter(|task| which.admits(task))
            .count(),
    };
    page.foot.push(summary(trace, which, found, options));
    page
}

/// Where the site of a task stands: before its end, and where there is little room in place of
/// its creator.
#[derive(Clone, Copy)]
struct SiteColumn {
    width: usize,
    replaces: bool,
}

impl SiteColumn {
    /// Only a trace with stacks has it.
    fn new(sites: &Sites, options: &Options) -> Option<Self> {
        let width = match options.width {
            Some(width) if width < 80 => 20,
            Some(width) if width < 150 => 30,
            _ => 44,
        };
        (!sites.is_empty()).then_some(SiteColumn {
            width,
            replaces: options.narrow(),
        })
    }

    fn put<T>(self, cells: &mut Vec<T>, cell: T) {
        let last = cells.len() - 1;
        match self.replaces {
            true => cells[last - 1] = cell,
            false => cells.insert(last, cell),
        }
    }

    fn cell(self, sites: &Sites, task: &TaskRecord) -> String {
        let site = sites.of_stack(task.stack);
        site.map_or(String::new(), |site| sites.get(site).shown(self.width))
    }
}

fn row(trace: &Trace, task: &TaskRecord, moment: Time, narrow: bool) -> Vec<Text> {
    let weight = match task.what() {
        What::Process => Style::Strong,
        What::Thread => Style::Plain,
    };
    let creator = task.parent.map_or(Text::default(), |parent| {
        let parent = trace.task(parent);
        let name = parent.name_at(task.born);
        Text::plain(label(name, parent.task.tid, NAME_WIDTH))
    });
    vec![
        Text::plain(task.task.tid.to_string()),
        Text::plain(task.task.pid.to_string()),
        Text::styled(shown_name(name_at(task, moment), NAME_WIDTH), weight),
        Text::plain(born(trace, task)),
        Text::plain(lived(trace, task)),
        creator,
        end(task, narrow),
    ]
}

fn summary(trace: &Trace, which: Which, found: usize, options: &Options) -> String {
    let all = trace.task_count();
    if all == 0 {
        return "no task is in this trace".into();
    }
    let of = format!("{} of {}", count(found as u64), counted(all as u64, "task"));
    match which {
        Which::All => format!("{} in all", counted(all as u64, "task")),
        Which::AliveAt(time) => format!("{of} alive at {}", moment(time, options)),
        Which::AliveAtEnd if found == 0 => format!(
            "everything has ended by {}: {of} alive; --all shows every task, --at TIME those of a \
             moment",
            moment(trace.end(), options)
        ),
        Which::AliveAtEnd => format!(
            "{of} alive at the end, {}; --all shows every task",
            moment(trace.end(), options)
        ),
    }
}
