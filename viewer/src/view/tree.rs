//! `tree`: who created whom, with lives and ends.
//!
//! For people, alike siblings fold into one line, and so does a chain in which each task creates
//! the next. For programs the tree is nested and never folded. Neither recurses: a chain of
//! 100,000 creators is walked with an explicit stack, and indented only so far.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use tidline::model::{Name, TaskId, TaskRecord, Time, Trace, What};

use super::forest::{Forest, IN_PARENTHESES};
use super::{Options, births, born, end, hidden, lived, moment, notices_of};
use crate::fold::{Classes, Folded, class, fold, fold_rest};
use crate::page::{Block, Page, Style, Table, Text};
use crate::select::Selector;
use crate::site::Sites;
use crate::time;
use crate::words::{self, NAME_WIDTH, count, counted, label, shown_name};

/// Siblings without children of their own that may be alike and still have a line each.
const MOST_LEAVES: usize = 3;
/// Siblings with children that may be alike and still have a line each.
const MOST_BRANCHES: usize = 20;
/// Links of a chain that may be alike and still have a line each.
const MOST_LINKS: usize = 3;
/// Levels that are indented; deeper lines say how deep they are.
const MOST_LEVELS: usize = 16;

/// The contract's object, without its children.
#[derive(Debug, Serialize)]
pub(crate) struct Node {
    pid: u32,
    tid: u32,
    name: String,
    what: &'static str,
    born_ns: u64,
    ended_ns: Option<u64>,
    how: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    inner_tid: Option<u32>,
    /// False of an ancestor that is shown only for what is below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    selected: Option<bool>,
}

/// A task as the contract's object.
pub(crate) fn node(trace: &Trace, selector: &Selector<'_>, id: TaskId) -> Node {
    let task = trace.task(id);
    Node {
        pid: task.task.pid.0,
        tid: task.task.tid.0,
        name: String::from_utf8_lossy(task.name().as_bytes()).into_owned(),
        what: task.what().as_str(),
        born_ns: task.born.0,
        ended_ns: task.ended.map(|time| time.0),
        how: words::how(task.how).into_owned(),
        inner_tid: task.inner.map(|inner| inner.0),
        selected: (!selector.admits_task(task)).then_some(false),
    }
}

/// One line of the tree.
#[derive(Clone, Debug)]
enum Item {
    Task(TaskId),
    /// Siblings that are alike.
    Alike(Vec<TaskId>),
    /// Tasks of which each created the next, and nothing else.
    Chain(Vec<TaskId>),
}

/// The tree as a table, each line under who created it.
pub(crate) fn page<'a>(
    trace: &'a Trace,
    sites: &'a Sites,
    forest: &'a Forest,
    at: Option<Time>,
    selector: &'a Selector<'a>,
    folds: bool,
    options: &Options,
) -> Page<'a> {
    let walk = Walk {
        trace,
        sites,
        forest,
        selector,
        classes: RefCell::default(),
        folds,
        narrow: options.narrow(),
        site: match options.width {
            Some(width) if width < 80 => 18,
            Some(width) if width < 150 => 28,
            _ => 40,
        },
    };
    let (mut lines, mut left_out, mut folded) = (Vec::new(), 0, false);
    walk.each(|item, branch| {
        if options.limit > 0 && lines.len() >= options.limit {
            left_out += 1;
        } else {
            folded |= !matches!(item, Item::Task(_));
            lines.push((branch.lead(), item));
        }
    });
    let mut page = Page {
        notices: notices_of(trace, selector),
        ..Page::default()
    };
    if lines.is_empty() {
        let nothing = if trace.tasks().is_empty() {
            "no task is in this trace"
        } else if at.is_none() {
            "no task is of what is asked for"
        } else if selector.is_everything() {
            "no task was alive then"
        } else {
            "no task of what is asked for was alive then"
        };
        page.foot.push(nothing.into());
        page.foot.extend(selector.tasks_shown(|_| true));
        return page;
    }
    let mut titles = vec!["TASK", "WHAT", ">BORN", ">LIVED", "SITE", "END"];
    titles.retain(|title| match *title {
        "WHAT" => !walk.narrow,
        "SITE" => !sites.is_empty(),
        _ => true,
    });
    let row = move |(lead, item): &(String, Item)| walk.row(lead, item);
    page.blocks
        .push(Block::Table(Table::new(&titles, lines, row)));
    page.foot.extend(hidden(left_out, "line"));
    if let Some(at) = at {
        let at = moment(at, options);
        page.foot
            .push(format!("alive at {at}, under their ancestors"));
    }
    let shown = |task: &TaskRecord| at.is_none_or(|at| task.alive_at(at));
    if let Some(selected) = selector.tasks_shown(shown) {
        page.foot.push(selected);
        page.foot.push(IN_PARENTHESES.into());
    }
    if folded {
        let lives = if options.narrow() {
            "median life"
        } else {
            "shortest/median/longest life"
        };
        page.foot.push(format!(
            "folded: first and last birth, {lives}; --no-fold shows every task"
        ));
    }
    page
}

/// A walk over the forest, as it is shown.
struct Walk<'a> {
    trace: &'a Trace,
    sites: &'a Sites,
    forest: &'a Forest,
    selector: &'a Selector<'a>,
    classes: RefCell<Classes>,
    folds: bool,
    narrow: bool,
    /// Columns of a site.
    site: usize,
}

impl Walk<'_> {
    /// Visits each line in order, with the lines that lead to it.
    fn each(&self, mut visit: impl FnMut(Item, &Branch)) {
        let mut branch = Branch::default();
        let mut stack: Vec<(usize, bool, Item)> = Vec::new();
        self.push(&mut stack, 0, &self.forest.roots);
        while let Some((depth, last, item)) = stack.pop() {
            branch.descend(depth, last);
            let opens = item.opens();
            visit(item, &branch);
            if let Some(id) = opens {
                self.push(&mut stack, depth + 1, self.forest.children(id));
            }
        }
    }

    fn push(&self, stack: &mut Vec<(usize, bool, Item)>, depth: usize, siblings: &[TaskId]) {
        let mut last = true;
        for item in self.items(siblings).into_iter().rev() {
            stack.push((depth, last, item));
            last = false;
        }
    }

    /// Siblings as lines.
    fn items(&self, siblings: &[TaskId]) -> Vec<Item> {
        if !self.folds {
            return siblings.iter().copied().map(Item::Task).collect();
        }
        let leaf = |id: TaskId| self.forest.children(id).is_empty();
        let key = |id: TaskId| {
            let task = self.trace.task(id);
            let class = self.classes.borrow_mut().number(task.name());
            (class, task.what(), self.selected(id))
        };
        let leaves = fold(siblings.to_vec(), MOST_LEAVES, |id| {
            leaf(*id).then(|| key(*id))
        });
        let all = fold_rest(leaves, MOST_BRANCHES, |id| (!leaf(*id)).then(|| key(*id)));
        let item = |item| match item {
            Folded::One(id) => self.chain(id),
            Folded::Many(ids) => Item::Alike(ids),
        };
        all.into_iter().map(item).collect()
    }

    /// A task, or the chain that it begins.
    fn chain(&self, first: TaskId) -> Item {
        let mut links = vec![first];
        let mut last = first;
        let class = self.class(first);
        let what = self.trace.task(first).what();
        let selected = self.selected(first);
        while let [next] = *self.forest.children(last) {
            let other = self.trace.task(next).what() != what || self.class(next) != class;
            if other || self.selected(next) != selected {
                break;
            }
            links.push(next);
            last = next;
        }
        if links.len() > MOST_LINKS {
            Item::Chain(links)
        } else {
            Item::Task(first)
        }
    }

    /// Whether a task is asked for, and not only an ancestor of one.
    fn selected(&self, id: TaskId) -> bool {
        self.selector.admits_task(self.trace.task(id))
    }

    fn class(&self, id: TaskId) -> Name {
        class(self.trace.task(id).name())
    }

    fn row(&self, lead: &str, item: &Item) -> Vec<Text> {
        let lead = Text::styled(lead, Style::Faint);
        match item {
            Item::Task(id) => self.task_row(lead, *id),
            Item::Alike(ids) => {
                let below = match self.forest.descendants(ids) {
                    0 => String::new(),
                    below => format!(", {} below", count(below as u64)),
                };
                self.fold_row(lead, ids, &below)
            }
            Item::Chain(ids) => self.fold_row(lead, ids, " in a chain"),
        }
    }

    fn task_row(&self, lead: Text, id: TaskId) -> Vec<Text> {
        let task = self.trace.task(id);
        let weight = match task.what() {
            What::Process => Style::Strong,
            What::Thread => Style::Plain,
        };
        let name = label(task.name(), task.task.tid, NAME_WIDTH);
        let mut who = match self.selected(id) {
            true => lead.with(name, weight),
            false => lead.with(format!("({name})"), Style::Faint),
        };
        who = who.with(words::inside(task), Style::Faint);
        if let Some((_, exe)) = task.execs.last()
            && !is_named_after(task.name(), exe)
        {
            who = who.with(format!("  {}", shown_name(exe, 48)), Style::Faint);
        }
        let what = Text::plain(task.what().as_str());
        let born = Text::plain(born(self.trace, task));
        let lived = Text::plain(lived(self.trace, task));
        let mut cells = self.cells(
            who,
            what,
            born,
            lived,
            self.sites_of(&[task]),
            end(task, self.narrow),
        );
        if !self.selected(id) {
            dim(&mut cells);
        }
        cells
    }

    fn fold_row(&self, lead: Text, ids: &[TaskId], more: &str) -> Vec<Text> {
        let tasks: Vec<&TaskRecord> = ids.iter().map(|id| self.trace.task(*id)).collect();
        let Some((first, last)) = tasks.first().zip(tasks.last()) else {
            return vec![lead];
        };
        let name = shown_name(&class(first.name()), NAME_WIDTH);
        let who = format!("{name} x {}{more}", count(tasks.len() as u64));
        let selected = self.selected(first.id);
        let who = if selected { who } else { format!("({who})") };
        let what = match first.what() {
            What::Process => "processes",
            What::Thread => "threads",
        };
        let mut cells = self.cells(
            lead.with(who, Style::Plain),
            Text::plain(what),
            Text::plain(births(self.trace, first, last)),
            Text::plain(self.lives(&tasks)),
            self.sites_of(&tasks),
            ends(&tasks),
        );
        if !selected {
            dim(&mut cells);
        }
        cells
    }

    /// The shortest, the median and the longest life.
    fn lives(&self, tasks: &[&TaskRecord]) -> String {
        let now = self.trace.end();
        let mut lives: Vec<u64> = tasks.iter().map(|task| task.lifetime_ns(now)).collect();
        let shown = |life: Option<u64>| time::duration(life.unwrap_or(0));
        let (shortest, longest) = (lives.iter().copied().min(), lives.iter().copied().max());
        let middle = lives.len() / 2;
        // To sort millions for one of them takes longer than all else.
        let median = match middle < lives.len() {
            true => Some(*lives.select_nth_unstable(middle).1),
            false => None,
        };
        if self.narrow {
            shown(median)
        } else {
            let lives = [shortest, median, longest].map(shown);
            lives.join(" / ")
        }
    }

    /// Where tasks were created: the place, or how many there are.
    fn sites_of(&self, tasks: &[&TaskRecord]) -> Option<Text> {
        if self.sites.is_empty() {
            return None;
        }
        let sites = tasks
            .iter()
            .filter_map(|task| self.sites.of_stack(task.stack));
        let sites: HashSet<_> = sites.collect();
        Some(match sites.iter().next() {
            None => Text::default(),
            Some(site) if sites.len() == 1 => Text::plain(self.sites.get(*site).shown(self.site)),
            Some(_) => Text::plain(counted(sites.len(), "site")),
        })
    }

    /// The cells of a row; where there is little room, what a task is stands in its weight only.
    fn cells(
        &self,
        who: Text,
        what: Text,
        born: Text,
        lived: Text,
        site: Option<Text>,
        end: Text,
    ) -> Vec<Text> {
        let what = (!self.narrow).then_some(what);
        let cells = [Some(who), what, Some(born), Some(lived), site, Some(end)];
        cells.into_iter().flatten().collect()
    }
}

/// Takes the weight from a row of what is shown only because of what is below it.
fn dim(cells: &mut [Text]) {
    let spans = cells.iter_mut().flat_map(|cell| &mut cell.0);
    spans.for_each(|span| span.style = Style::Faint);
}

/// Whether a name is the file name of a path, of which the kernel keeps 15 bytes: then the path
/// says nothing that matters at a glance.
fn is_named_after(name: &Name, path: &Name) -> bool {
    const KEPT: usize = 15;
    let file = path
        .as_bytes()
        .rsplit(|byte| *byte == b'/')
        .next()
        .unwrap_or_default();
    name.as_bytes() == &file[..file.len().min(KEPT)]
}

impl Item {
    /// The task whose children follow the line.
    fn opens(&self) -> Option<TaskId> {
        match self {
            Item::Task(id) => Some(*id),
            Item::Alike(_) => None,
            Item::Chain(ids) => ids.last().copied(),
        }
    }
}

/// How many ended how: `3 alive, 807 exit 0, 2 killed by SIGSEGV`. The living come first.
fn ends(tasks: &[&TaskRecord]) -> Text {
    let mut kinds: BTreeMap<_, usize> = BTreeMap::new();
    // Most end as the one before did.
    for alike in tasks.chunk_by(|one, next| one.how == next.how) {
        *kinds.entry(alike[0].how).or_default() += alike.len();
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(how, number)| {
        let ended = *how != tidline::model::Ended::Alive;
        (ended, std::cmp::Reverse(*number))
    });
    let mut text = Text::default();
    for (index, (how, number)) in kinds.iter().enumerate() {
        if index == 4 {
            let rest: usize = kinds[index..].iter().map(|(_, number)| number).sum();
            return text.with(format!(", {} otherwise", count(rest as u64)), Style::Plain);
        }
        let comma = if index > 0 { ", " } else { "" };
        let words = format!("{} {}", count(*number as u64), words::how(*how));
        text = text
            .with(comma, Style::Plain)
            .with(words, words::style_of(*how));
    }
    text
}

/// The lines that lead to a line: for each level, whether its task has more siblings below.
#[derive(Debug, Default)]
struct Branch {
    open: Vec<bool>,
}

impl Branch {
    fn descend(&mut self, depth: usize, last: bool) {
        self.open.truncate(depth);
        self.open.push(!last);
    }

    /// `│  └─ `; nothing for a root. Only the last levels are drawn of a deep one, behind
    /// its depth.
    fn lead(&self) -> String {
        let Some((here, above)) = self.open.get(1..).and_then(<[bool]>::split_last) else {
            return String::new();
        };
        let mut lead = String::new();
        let skipped = above.len().saturating_sub(MOST_LEVELS);
        if skipped > 0 {
            lead = format!("⋯{} ", count(self.open.len() as u64 - 1));
        }
        for open in &above[skipped..] {
            lead += if *open { "│  " } else { "   " };
        }
        lead + if *here { "├─ " } else { "└─ " }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead(open: &[bool]) -> String {
        let mut branch = Branch::default();
        for (depth, open) in open.iter().enumerate() {
            branch.descend(depth, !open);
        }
        branch.lead()
    }

    #[test]
    fn leads_are_drawn_by_level() {
        assert_eq!(lead(&[false]), "");
        assert_eq!(lead(&[true, true]), "├─ ");
        assert_eq!(lead(&[false, false]), "└─ ");
        assert_eq!(lead(&[false, true, false, true]), "│     ├─ ");
    }

    #[test]
    fn deep_levels_are_cut_and_numbered() {
        let drawn = lead(&[false; 1_235]);
        assert_eq!(drawn, format!("⋯1,234 {}└─ ", "   ".repeat(16)));
    }
}
