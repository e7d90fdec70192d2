//! `leaks`: the tasks alive at the end by where they were created, and which of those become more
//! and more.

use serde::Serialize;
use tidline::model::{Ending, TaskRecord, Time};

use super::bars::BLOCKS;
use super::sites::{Asked, Counted, counted_list, kinds, lossy, noun, rate};
use super::stacks::interpreted;
use super::{Options, hidden, losses};
use crate::group::{By, Classifier, Group, Groups, Key, Moments, percentile};
use crate::growth::{Growth, Verdict, judge, moments};
use crate::page::{Block, Page, Style, Table, Text};
use crate::site::{Layer, Place};
use crate::time::{self, elapsed};
use crate::words::{count, counted, shorten, shown_name};

/// Points of a curve in JSON, and columns of it in a table.
const POINTS: usize = 20;
const COLUMNS: usize = 10;

/// A class whose tasks are alive, in JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) verdict: &'static str,
    pub(crate) by: &'static str,
    pub(crate) label: String,
    pub(crate) site: Option<Place>,
    pub(crate) evidence: String,
    pub(crate) alive: u64,
    pub(crate) created: u64,
    pub(crate) peak: u64,
    /// Of all its tasks.
    pub(crate) never_ended: f64,
    pub(crate) per_minute: Option<f64>,
    pub(crate) first_ns: u64,
    pub(crate) last_ns: u64,
    pub(crate) life_p50_ns: Option<u64>,
    pub(crate) alive_curve: Vec<u64>,
    pub(crate) start_routines: Vec<Counted>,
    pub(crate) names: Vec<Counted>,
}

/// A class whose tasks are alive.
pub(crate) struct Judged {
    group: Group,
    /// `None` for the tasks that were there before the recording.
    growth: Option<Growth>,
}

impl Judged {
    fn verdict(&self) -> Option<Verdict> {
        self.growth.as_ref().map(|growth| growth.verdict)
    }

    fn shown(&self) -> &'static str {
        self.verdict().map_or("before", Verdict::shown)
    }

    fn evidence(&self) -> &str {
        const BEFORE: &str = "there when the recording began: who created them, and how many had \
                              ended by then, is not known";
        self.growth
            .as_ref()
            .map_or(BEFORE, |growth| &growth.evidence)
    }

    fn curve(&self, points: usize) -> Vec<u64> {
        let Some(growth) = &self.growth else {
            return Vec::new();
        };
        let last = growth.curve.len().saturating_sub(1);
        let at = |point: usize| point * last / points.saturating_sub(1).max(1);
        let curve = (0..points).filter_map(|point| growth.curve.get(at(point)));
        curve.copied().collect()
    }
}

/// The classes of a trace, judged.
pub(crate) struct Leaks<'a> {
    pub(crate) asked: Asked<'a>,
    /// Those with alive tasks: leaks first, then the largest.
    pub(crate) judged: Vec<Judged>,
    /// How many classes have none.
    ended: usize,
    /// From when to when all was shut down, if it was.
    shutdown: Option<(Time, Time)>,
}

impl<'a> Leaks<'a> {
    /// Judges a trace's classes. Without stacks their names are all that tells sites apart.
    pub(crate) fn new(asked: Asked<'a>) -> Self {
        let by = match asked.by {
            _ if asked.instead => By::Name,
            by => by,
        };
        let asked = Asked { by, ..asked };
        let (moments, shutdown) = moments(asked.trace);
        let trace = asked.trace;
        let classifier = Classifier::new(trace, asked.sites, asked.by);
        // The first task of a launched command is nobody's leak.
        let seen = |task: &TaskRecord| {
            !super::ended_before(trace, task)
                && !super::is_launched(trace, task)
                && asked.selector.admits_task(task)
        };
        let is_new = |task: &TaskRecord| seen(task) && !super::was_there_before(trace, task);
        let is_old = |task: &TaskRecord| seen(task) && super::was_there_before(trace, task);
        let groups = Groups::of_tasks(&classifier, moments, is_new).finish();
        let all = groups.len();
        let alive = groups.into_iter().filter(|group| group.stats.alive > 0);
        let mut judged: Vec<Judged> = alive
            .map(|group| Judged {
                growth: Some(judge(&group.stats, moments)),
                group,
            })
            .collect();
        judged.sort_by_key(|it| {
            let leaks = it.verdict() == Some(Verdict::Leak);
            (!leaks, std::cmp::Reverse(it.group.stats.alive))
        });
        let ended = all - judged.len();
        judged.extend(before(&classifier, moments, is_old));
        Leaks {
            asked,
            judged,
            ended,
            shutdown,
        }
    }

    /// Whether what grows does so at a place in an interpreter, which says nothing of the program.
    pub(crate) fn grow_in_interpreters(&self) -> bool {
        let leaks = |it: &&Judged| it.verdict() == Some(Verdict::Leak);
        let mut sites = self.judged.iter().filter(leaks);
        sites.any(|it| {
            let site = self.asked.site(&it.group.key);
            site.is_some_and(|site| site.layer == Layer::Interpreter)
        })
    }

    /// What the classes are told apart by, in their order; not that of the tasks that were there before.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        let new = self.judged.iter().filter(|it| it.growth.is_some());
        new.map(|it| &it.group.key)
    }

    /// A class as the contract's object.
    pub(crate) fn row(&self, it: &Judged) -> Row {
        let stats = &it.group.stats;
        let asked = &self.asked;
        let all = stats.births.len().max(1) as f64;
        Row {
            verdict: it.verdict().map_or("before", Verdict::as_str),
            by: asked.by.as_str(),
            label: self.label(it, 1_000),
            site: asked.site(&it.group.key).map(Place::from),
            evidence: it.evidence().into(),
            alive: stats.alive,
            created: stats.created,
            peak: stats.peak(),
            never_ended: (stats.alive as f64 / all * 1e6).round() / 1e6,
            per_minute: it.growth.as_ref().map(|growth| growth.per_minute),
            first_ns: stats.first().0,
            last_ns: stats.last().0,
            life_p50_ns: percentile(&stats.lives, 50),
            alive_curve: it.curve(POINTS),
            start_routines: counted_list(&stats.routines, |site| {
                asked.sites.get(*site).to_string()
            }),
            names: counted_list(&stats.names, lossy),
        }
    }

    fn label(&self, it: &Judged, width: usize) -> String {
        match it.growth {
            Some(_) => self.asked.label(&it.group.key, width),
            None => shorten("(before the recording)", width).into_owned(),
        }
    }

    /// What must be known before the verdicts.
    pub(crate) fn notices(&self) -> Vec<String> {
        let trace = self.asked.trace;
        let mut words = self.asked.notices();
        if losses(trace).lost > 0 || !trace.integrity().damage.is_empty() {
            words.push(
                "an end that is missing makes a task look alive: a LEAK here may be a loss".into(),
            );
        }
        if trace.integrity().ending == Ending::CutShort {
            words.push("judged up to the last record: what came after that is not known".into());
        }
        if let Some((from, to)) = self.shutdown {
            let long = time::duration(to.0.saturating_sub(from.0));
            words.push(format!(
                "everything ended within {long} from {} on: what lived until then counts as alive",
                elapsed(from)
            ));
        }
        words
    }

    /// How many tasks are judged of how many, and what hides the others.
    pub(crate) fn selected(&self) -> Option<String> {
        let trace = self.asked.trace;
        self.asked.selector.tasks_shown(|task| {
            !super::ended_before(trace, task) && !super::is_launched(trace, task)
        })
    }

    /// What is counted as alive: at the end nothing may be, where the program ended.
    pub(crate) fn alive(&self) -> &'static str {
        match self.shutdown {
            None => "alive",
            Some(_) => "alive until everything ended",
        }
    }

    /// What the verdicts come to, in words.
    pub(crate) fn summary(&self) -> Vec<String> {
        let is_leak = |it: &&Judged| it.verdict() == Some(Verdict::Leak);
        let leaks: Vec<&Judged> = self.judged.iter().filter(is_leak).collect();
        let tasks: u64 = leaks.iter().map(|it| it.group.stats.alive).sum();
        let mut words = vec![match (leaks.len(), self.judged.len()) {
            (0, 0) => "nothing was alive at the end".into(),
            (0, _) => format!("no {} grows through the recording", noun(self.asked.by)),
            (number, _) => format!(
                "{} {} through the recording, and {} {} {}",
                counted(number, noun(self.asked.by)),
                if number == 1 { "grows" } else { "grow" },
                counted(tasks, "task"),
                match (self.shutdown, tasks) {
                    (None, 1) => "is",
                    (None, _) => "are",
                    (Some(_), 1) => "was",
                    (Some(_), _) => "were",
                },
                self.alive(),
            ),
        }];
        if self.ended > 0 {
            words.push(format!(
                "not shown: {} of which nothing is alive; `tidview sites` has them",
                counted(self.ended, noun(self.asked.by))
            ));
        }
        words.extend(self.selected());
        let keys = self.judged.iter().map(|it| &it.group.key);
        words.extend(interpreted(keys.filter_map(|key| self.asked.site(key))));
        words
    }
}

/// The tasks that were there before the recording and live, as one class.
fn before(
    classifier: &Classifier<'_>,
    moments: Moments,
    is_old: impl Fn(&TaskRecord) -> bool,
) -> Option<Judged> {
    let group = Groups::together(classifier, moments, is_old)?;
    (group.stats.alive > 0).then_some(Judged {
        group,
        growth: None,
    })
}

/// The classes as a table.
pub(crate) fn page<'a>(leaks: &'a Leaks<'a>, options: &Options) -> Page<'a> {
    let mut shown: Vec<&Judged> = leaks.judged.iter().collect();
    let found = shown.len();
    if options.limit > 0 {
        shown.truncate(options.limit);
    }
    let mut page = Page {
        notices: leaks.notices(),
        ..Page::default()
    };
    let left_out = found - shown.len();
    if found > 0 {
        let layout = Layout::new(leaks.asked.by, options);
        let row = move |it: &&Judged| layout.row(leaks, it);
        page.blocks
            .push(Block::Table(Table::new(&layout.titles(), shown, row)));
    }
    page.foot.extend(hidden(left_out, "group"));
    page.foot.extend(leaks.summary());
    page
}

/// Which columns there is room for.
#[derive(Clone, Copy)]
struct Layout {
    by: By,
    narrow: bool,
    tiny: bool,
    label: usize,
}

impl Layout {
    fn new(by: By, options: &Options) -> Self {
        let columns = options.width.unwrap_or(200);
        Layout {
            by,
            narrow: columns < 140,
            tiny: columns < 90,
            label: (columns / 4).clamp(18, 44),
        }
    }

    fn titles(self) -> Vec<&'static str> {
        let mut titles = vec!["VERDICT", ">ALIVE"];
        if !self.narrow {
            titles.extend([">CREATED", ">KEPT", ">FIRST"]);
        }
        if !self.tiny {
            titles.extend([">PER MIN", "OVER TIME"]);
        }
        titles.push(match self.by {
            By::Name => "NAME",
            by if by.needs_stacks() => "SITE",
            _ => "CLASS",
        });
        if !self.narrow && self.by != By::Name {
            titles.push("NAMES");
        }
        titles.push("EVIDENCE");
        titles
    }

    fn row(self, leaks: &Leaks<'_>, it: &Judged) -> Vec<Text> {
        let stats = &it.group.stats;
        let style = match it.verdict() {
            Some(Verdict::Leak) => Style::Bad,
            Some(Verdict::TooShort | Verdict::Unclear | Verdict::LetGo) => Style::Note,
            Some(_) => Style::Good,
            None => Style::Faint,
        };
        let mut row = vec![
            Text::styled(it.shown(), style),
            Text::plain(count(stats.alive)),
        ];
        if !self.narrow {
            let all = stats.births.len().max(1) as u64;
            row.push(Text::plain(count(stats.created)));
            row.push(Text::plain(format!("{} %", stats.alive * 100 / all)));
            row.push(Text::plain(match it.growth {
                Some(_) => elapsed(stats.first()),
                None => "before".into(),
            }));
        }
        if !self.tiny {
            let slope = it.growth.as_ref().map(|growth| growth.per_minute);
            row.push(Text::plain(slope.map_or(String::new(), signed)));
            row.push(Text::plain(blocks(&it.curve(COLUMNS))));
        }
        row.push(Text::plain(leaks.label(it, self.label)));
        if !self.narrow && self.by != By::Name {
            row.push(kinds(&stats.names, 2, |name| shown_name(name, 20)));
        }
        row.push(Text::plain(it.evidence()));
        row
    }
}

fn signed(per_minute: f64) -> String {
    let sign = if per_minute > 0.0 { "+" } else { "" };
    format!("{sign}{}", rate(per_minute))
}

/// Numbers as blocks, the highest of them full.
fn blocks(numbers: &[u64]) -> String {
    let most = numbers.iter().copied().max().unwrap_or(0).max(1);
    let block = |number: &u64| match number {
        0 => '·',
        number => {
            let eighths = (u128::from(*number) * BLOCKS.len() as u128).div_ceil(u128::from(most));
            BLOCKS[eighths as usize - 1]
        }
    };
    numbers.iter().map(block).collect()
}

#[cfg(test)]
mod tests {
    use super::blocks;

    #[test]
    fn blocks_are_relative_to_the_most() {
        assert_eq!(blocks(&[0, 1, 4, 8]), "·▁▄█");
        assert_eq!(blocks(&[0, 1, 1]), "·██");
        assert_eq!(blocks(&[u64::MAX, 1, 0]), "█▁·");
        assert_eq!(blocks(&[]), "");
    }
}
