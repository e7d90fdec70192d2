//! `timeline --lanes`: one line per task, its life a bar against a time axis.
//!
//! Threads stand under their process. Alike tasks beyond a handful share one lane, drawn as how
//! many of them lived in each column:
//!
//! ```text
//!                  │0s             │5s
//! server[1000]     ←──────────────────────→
//!   io[1001]       ├──────────────┤
//!   worker-# x 812 ▁▂▅███▇▃▁  ▁▂▂▂▃▅▅▆█▇▅▃▂
//! ```

use std::collections::HashMap;

use tidline::model::{Ended, Name, Pid, TaskId, TaskRecord, Time, Trace};
use unicode_width::UnicodeWidthStr;

use super::bars::{self, Life, Scale};
use super::{Options, ended_before, hidden, is_carried, notices_of, was_there_before};
use crate::fold::{Folded, class, fold, fold_rest};
use crate::page::{Block, Lanes, Page, Text};
use crate::select::Selector;
use crate::words::{self, NAME_WIDTH, count, name_width, shorten, shown_name};

/// Alike tasks that have a lane each.
const MOST_ALIKE: usize = 5;

/// A line: one task, or many alike.
#[derive(Clone, Debug)]
enum Lane {
    One {
        id: TaskId,
        indent: bool,
    },
    Many {
        ids: Vec<TaskId>,
        indent: bool,
        threads: usize,
    },
}

impl Lane {
    /// The task's name, or the class of the names of many.
    fn name(&self, trace: &Trace) -> Name {
        match self {
            Lane::One { id, .. } => trace.task(*id).name().clone(),
            Lane::Many { ids, .. } => ids
                .first()
                .map_or(Name::default(), |id| class(trace.task(*id).name())),
        }
    }
}

/// The lanes of the tasks asked for.
pub(crate) fn page(trace: &Trace, selector: &Selector<'_>, options: &Options) -> Page<'static> {
    let mut lanes = lanes(trace, selector);
    let all = lanes.len();
    if options.limit > 0 {
        lanes.truncate(options.limit);
    }
    let mut page = Page {
        notices: notices_of(trace, selector),
        ..Page::default()
    };
    page.foot.extend(hidden(all - lanes.len(), "lane"));
    if all == 0 {
        page.foot.push("no task to draw".into());
        page.foot.extend(selector.tasks_shown(|_| true));
        return page;
    }
    let drawing = Drawing {
        trace,
        stretch: selector.stretch(),
    };
    let (block, legend) = drawing.draw(&lanes, options.columns());
    page.blocks.push(Block::Lanes(block));
    page.foot.extend(legend);
    page.foot.extend(selector.tasks_shown(|_| true));
    page
}

/// A trace, and what of it the axis shows.
#[derive(Clone, Copy)]
struct Drawing<'a> {
    trace: &'a Trace,
    /// From when to when.
    stretch: (Time, Time),
}

impl Drawing<'_> {
    /// Draws lanes; says what the signs in them mean.
    fn draw(self, lanes: &[Lane], columns: usize) -> (Lanes, Vec<String>) {
        let labels: Vec<String> = lanes
            .iter()
            .map(|lane| self.label(lane, NAME_WIDTH))
            .collect();
        let widest = labels.iter().map(|label| label.width()).max();
        let label_width = widest.unwrap_or(0).min((columns * 2 / 5).max(24));
        let scale = Scale {
            begin: self.stretch.0.0,
            end: self.stretch.1.0,
            columns: columns.saturating_sub(label_width + 1).clamp(10, 10_000),
        };
        let drawn: Vec<(Text, Text)> = lanes
            .iter()
            .zip(labels)
            .map(|(lane, label)| {
                let label = self.fitting(lane, label, label_width);
                (Text::plain(label), self.bar(lane, scale))
            })
            .collect();
        let folded = lanes.iter().any(|lane| matches!(lane, Lane::Many { .. }));
        let whole = self.stretch.1 >= self.trace.end();
        let legend = legend(&drawn, folded, whole, columns);
        let block = Lanes {
            label_width,
            axis: scale.axis(),
            lanes: drawn,
        };
        (block, legend)
    }

    /// A label that fits: of one too wide the name is cut, not its TID or count.
    fn fitting(self, lane: &Lane, label: String, width: usize) -> String {
        let over = label.width().saturating_sub(width);
        if over == 0 {
            return label;
        }
        let name = name_width(&lane.name(self.trace)).min(NAME_WIDTH);
        let label = self.label(lane, name.saturating_sub(over).max(4));
        shorten(&label, width).into_owned()
    }

    fn label(self, lane: &Lane, name_width: usize) -> String {
        let name = shown_name(&lane.name(self.trace), name_width);
        let (indent, rest) = match lane {
            Lane::One { id, indent } => (*indent, format!("[{}]", self.trace.task(*id).task.tid)),
            Lane::Many {
                ids,
                indent,
                threads,
            } => {
                let threads = match *threads {
                    0 => String::new(),
                    threads => format!(" + {}", words::counted(threads as u64, "thread")),
                };
                let (number, peak) = (count(ids.len() as u64), count(self.peak(ids)));
                (*indent, format!(" x {number}{threads}, ≤{peak}"))
            }
        };
        let space = if indent { "  " } else { "" };
        format!("{space}{name}{rest}")
    }

    fn bar(self, lane: &Lane, scale: Scale) -> Text {
        match lane {
            Lane::One { id, .. } => {
                let (trace, task) = (self.trace, self.trace.task(*id));
                let (from, to) = self.stretch;
                let goes_on = task.ended.is_some_and(|ended| ended > to);
                let before = was_there_before(trace, task) || is_carried(trace, task);
                scale.bar(&Life {
                    born: task.born,
                    ended: task.ended.filter(|_| !goes_on),
                    open: before || task.born < from,
                    how: if goes_on { Ended::Alive } else { task.how },
                })
            }
            Lane::Many { ids, .. } => Text::plain(scale.density(&self.lives(ids))),
        }
    }

    fn lives(self, ids: &[TaskId]) -> Vec<(u64, u64)> {
        let ends = |task: &TaskRecord| task.ended.map_or(u64::MAX, |time| time.0);
        ids.iter()
            .map(|id| self.trace.task(*id))
            .map(|task| (task.born.max(self.stretch.0).0, ends(task)))
            .collect()
    }

    /// The most of these tasks that lived at a time.
    fn peak(self, ids: &[TaskId]) -> u64 {
        let steps = bars::steps(&self.lives(ids));
        let shown = steps.iter().filter(|(time, _)| *time <= self.stretch.1.0);
        shown.map(|(_, alive)| *alive).max().unwrap_or(0)
    }
}

/// Says what the signs mean that were drawn, in lines of at most `columns`.
fn legend(lanes: &[(Text, Text)], folded: bool, whole: bool, columns: usize) -> Vec<String> {
    let signs = [
        ('←', "there before"),
        ('├', "birth"),
        ('┤', "exit 0"),
        ('•', "birth and exit 0"),
        ('!', "other exit code"),
        ('╳', "killed"),
        ('↑', "became leader by exec"),
        ('»', "let go"),
        ('?', "end not known"),
        (
            '→',
            if whole {
                "alive at the end"
            } else {
                "lives on"
            },
        ),
    ];
    let drawn: std::collections::HashSet<char> = lanes
        .iter()
        .flat_map(|(_, bar)| bar.0.iter())
        .flat_map(|span| span.text.chars())
        .collect();
    let used = signs.iter().filter(|(sign, _)| drawn.contains(sign));
    let mut words: Vec<String> = used
        .map(|(sign, words)| format!("{sign} {words}"))
        .collect();
    if folded {
        words.push("▁█ how many of alike tasks live (≤ the most at a time)".into());
    }
    let mut lines: Vec<String> = Vec::new();
    for words in words {
        match lines.last_mut() {
            Some(line) if line.width() + 3 + words.width() <= columns => {
                *line += &format!("   {words}");
            }
            _ => lines.push(words),
        }
    }
    lines
}

/// A process's tasks that are asked for.
#[derive(Debug, Default)]
struct Group {
    leader: Option<TaskId>,
    threads: Vec<TaskId>,
}

fn groups(trace: &Trace, selector: &Selector<'_>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut current: HashMap<Pid, usize> = HashMap::new();
    // Nothing of those that ended before is on the axis.
    let asked = |task: &&TaskRecord| selector.admits_task(task) && !ended_before(trace, task);
    for task in trace.tasks().iter().filter(asked) {
        let leads = task.task.is_leader();
        let mut place = current.get(&task.task.pid).copied();
        if leads && place.is_some_and(|place| groups[place].leader.is_some()) {
            // The pid was used again, or the process is another one now.
            place = None;
        }
        let place = place.unwrap_or_else(|| {
            groups.push(Group::default());
            groups.len() - 1
        });
        current.insert(task.task.pid, place);
        if leads {
            groups[place].leader = Some(task.id);
        } else {
            groups[place].threads.push(task.id);
        }
    }
    groups
}

/// The lanes, processes in the order in which they appeared, alike ones folded.
fn lanes(trace: &Trace, selector: &Selector<'_>) -> Vec<Lane> {
    let groups = groups(trace, selector);
    let name = |id: TaskId| class(trace.task(id).name());
    let creator = |id: TaskId| trace.task(id).parent;
    let siblings = fold(groups, MOST_ALIKE, |group| {
        let leader = group.leader?;
        Some((creator(leader), name(leader), group.threads.is_empty()))
    });
    let all = fold_rest(siblings, MOST_ALIKE, |group| {
        Some((name(group.leader?), group.threads.is_empty()))
    });
    let mut lanes = Vec::new();
    for item in all {
        match item {
            Folded::One(group) => {
                let leader = group.leader.map(|id| Lane::One { id, indent: false });
                lanes.extend(leader);
                lanes.extend(thread_lanes(trace, group.threads));
            }
            Folded::Many(groups) => lanes.push(Lane::Many {
                ids: groups.iter().filter_map(|group| group.leader).collect(),
                indent: false,
                threads: groups.iter().map(|group| group.threads.len()).sum(),
            }),
        }
    }
    lanes
}

/// A process's threads: siblings fold first, then what is alike whoever created it, such as a
/// chain in which each thread creates the next.
fn thread_lanes(trace: &Trace, threads: Vec<TaskId>) -> Vec<Lane> {
    let name = |id: TaskId| class(trace.task(id).name());
    let siblings = fold(threads, MOST_ALIKE, |id| {
        Some((trace.task(*id).parent, name(*id)))
    });
    let lane = |item| match item {
        Folded::One(id) => Lane::One { id, indent: true },
        Folded::Many(ids) => Lane::Many {
            ids,
            indent: true,
            threads: 0,
        },
    };
    fold_rest(siblings, MOST_ALIKE, |id| Some(name(*id)))
        .into_iter()
        .map(lane)
        .collect()
}
