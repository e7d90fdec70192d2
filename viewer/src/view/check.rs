//! `check`: whether the file is whole, and if not, what is missing and when.

use serde::Serialize;
use tidline::format::Stretch;
use tidline::model::{Ended, Ending, EventBody, Integrity, Origin, TaskRecord, Time, Trace};

use super::Options;
use crate::page::{Block, Page, Style, Table, Text};
use crate::time;
use crate::words::{count, counted};

/// What was found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Nothing at all is missing.
    pub(crate) ok: bool,
    complete: bool,
    events: usize,
    ending: &'static str,
    end_reason: Option<String>,
    end_ns: u64,
    lost: u64,
    gaps: u64,
    damaged_chunks: usize,
    unknown_records: u64,
    longer_records: u64,
    trailing_bytes: u64,
    births_missing: usize,
    ends_missing: usize,
    /// One entry for each thing that is wrong.
    pub(crate) problems: Vec<Problem>,
    /// That the recording's first files are not here: no problem, they were given up.
    #[serde(skip)]
    begins_later: Option<String>,
    /// Problems that `--limit` left out.
    #[serde(skip)]
    pub(crate) hidden: usize,
}

/// One thing that is wrong.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    problem: &'static str,
    /// The number of the file, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
    /// The last moment known before it.
    since_ns: u64,
    /// The first moment known after it; null where there is none.
    until_ns: Option<u64>,
    detail: String,
}

impl Problem {
    fn new(problem: &'static str, since: Time, until: Option<Time>, detail: String) -> Self {
        Problem {
            problem,
            file: None,
            offset: None,
            bytes: None,
            count: None,
            since_ns: since.0,
            until_ns: until.map(|time| time.0),
            detail,
        }
    }
}

impl Problem {
    /// Whether it may have cost something of a stretch.
    pub(crate) fn touches(&self, stretch: Stretch) -> bool {
        let until = self.until_ns.unwrap_or(u64::MAX);
        until >= stretch.from.0 && self.since_ns <= stretch.to.0
    }
}

/// Everything that is wrong with a trace.
pub(crate) fn report(trace: &Trace, limit: usize) -> Report {
    let integrity = trace.integrity();
    let losses = super::losses(trace);
    let (births_missing, ends_missing) = (births_missing(trace), ends_missing(trace));
    let mut problems = damage(integrity, trace.end());
    problems.extend(noted_by_recorder(trace));
    problems.extend(unexplained(trace, births_missing, ends_missing));
    let (ending, end_reason) = match &integrity.ending {
        Ending::Finished(reason) => ("finished", Some(reason.clone())),
        Ending::CutShort => ("cut short", None),
    };
    let ok = problems.is_empty();
    let shown = if limit == 0 { problems.len() } else { limit };
    let hidden = problems.len().saturating_sub(shown);
    problems.truncate(shown);
    Report {
        ok,
        complete: trace.is_complete(),
        events: trace.events().len(),
        ending,
        end_reason,
        end_ns: trace.end().0,
        lost: losses.lost,
        gaps: losses.gaps,
        damaged_chunks: integrity.damage.len(),
        unknown_records: integrity.unknown_records,
        longer_records: integrity.longer_records,
        trailing_bytes: integrity.trailing_bytes,
        births_missing,
        ends_missing,
        problems,
        begins_later: super::begins_later(trace),
        hidden,
    }
}

/// What is wrong with the files.
pub(crate) fn damage(integrity: &Integrity, end: Time) -> Vec<Problem> {
    let several = super::is_several(integrity);
    let last = integrity.segments.last().copied().filter(|_| several);
    let mut problems = Vec::new();
    for damage in &integrity.damage {
        // A file that is not here has no bytes.
        let is_here = damage.bytes > 0 || integrity.segments.contains(&damage.segment);
        problems.push(Problem {
            file: several.then_some(damage.segment),
            offset: is_here.then_some(damage.offset),
            bytes: is_here.then_some(damage.bytes),
            ..Problem::new(
                if is_here { "damage" } else { "missing" },
                damage.after,
                damage.before,
                damage.problem.clone(),
            )
        });
    }
    let at_end = integrity
        .last_file_bytes
        .saturating_sub(integrity.trailing_bytes);
    if integrity.ending == Ending::CutShort {
        let detail = match integrity.goes_on {
            true => "the recording went on in a file that is not here",
            false => "no end mark: it was cut short, or is still being recorded",
        };
        problems.push(Problem {
            file: last,
            offset: Some(integrity.last_file_bytes),
            ..Problem::new("cut short", end, None, detail.into())
        });
    }
    if integrity.trailing_bytes > 0 {
        let detail = "bytes after the last readable chunk".into();
        problems.push(Problem {
            file: last,
            offset: Some(at_end),
            bytes: Some(integrity.trailing_bytes),
            ..Problem::new("unfinished", end, None, detail)
        });
    }
    if integrity.unknown_records > 0 {
        let detail = "records of a later version: a newer tidview shows them".into();
        problems.push(Problem {
            count: Some(integrity.unknown_records),
            ..Problem::new("unknown", Time(0), Some(end), detail)
        });
    }
    problems
}

/// Fields of records that this version does not know: a copy does not have them.
pub(crate) fn longer(integrity: &Integrity, end: Time) -> Option<Problem> {
    let detail = "records with fields of a later version, which are not taken over".into();
    (integrity.longer_records > 0).then(|| Problem {
        count: Some(integrity.longer_records),
        ..Problem::new("longer", Time(0), Some(end), detail)
    })
}

/// What the recorder said that it could not see or keep.
fn noted_by_recorder(trace: &Trace) -> Vec<Problem> {
    let mut problems = Vec::new();
    for event in trace.events() {
        let (word, count, since, detail) = match &event.body {
            EventBody::Gap {
                reason,
                count,
                since,
                detail,
            } => {
                let detail = String::from_utf8_lossy(detail.as_bytes()).into_owned();
                let colon = if detail.is_empty() { "" } else { ": " };
                let detail = format!("{}{colon}{detail}", reason.as_str());
                ("gap", *count, *since, detail)
            }
            EventBody::Lost {
                count,
                since,
                reason,
            } => {
                let reason = String::from_utf8_lossy(reason.as_bytes()).into_owned();
                ("lost", *count, *since, reason)
            }
            _ => continue,
        };
        problems.push(Problem {
            count: Some(count),
            ..Problem::new(word, since, Some(event.time), detail)
        });
    }
    problems
}

/// What the events themselves tell of: tasks that appear or vanish without an event.
fn unexplained(trace: &Trace, births: usize, ends: usize) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, word, detail) in [
        (births, "no birth", "tasks that appear without a birth"),
        (
            ends,
            "no end",
            "tasks whose TID or process was used again without an end",
        ),
    ] {
        if number > 0 {
            problems.push(Problem {
                count: Some(number as u64),
                ..Problem::new(word, Time(0), Some(trace.end()), detail.into())
            });
        }
    }
    problems
}

/// Tasks that only later events name. A leader that had ended and comes back by another
/// thread's exec is none: the kernel gives its TID to that thread (execve(2)). Neither is one that
/// was left out on purpose (`--include`, `--exclude`), and that the birth of another names.
fn births_missing(trace: &Trace) -> usize {
    let option = |name| trace.header().option(name).is_some();
    let some_left_out = option("include") || option("exclude");
    let left_out = |task: &TaskRecord| {
        let first = trace.children(task.id).first().map(|id| trace.task(*id));
        some_left_out && first.is_some_and(|child| child.born == task.born)
    };
    let missing = trace.tasks().iter().filter(|task| {
        let by_exec = task
            .execs
            .first()
            .is_some_and(|(time, _)| *time == task.born);
        task.origin == Origin::Inferred && !by_exec && !left_out(task) && task.born >= trace.begin()
    });
    missing.count()
}

fn ends_missing(trace: &Trace) -> usize {
    let missing = trace.tasks().iter();
    missing
        .filter(|task| task.how == Ended::Missing && !super::ended_before(trace, task))
        .count()
}

/// The report for people.
pub(crate) fn page<'a>(report: &'a Report, options: &'a Options) -> Page<'a> {
    let mut page = Page {
        notices: report.begins_later.clone().into_iter().collect(),
        ..Page::default()
    };
    let events = counted(report.events as u64, "event");
    if report.ok {
        let line = format!("complete: {events}, nothing lost");
        page.blocks
            .push(Block::Line(Text::styled(line, Style::Good)));
        return page;
    }
    let found = counted((report.problems.len() + report.hidden) as u64, "problem");
    let line = format!("not complete: {events} readable, {found}");
    page.blocks
        .push(Block::Line(Text::styled(line, Style::Bad)));
    page.blocks.push(Block::Line(Text::default()));
    page.blocks
        .push(Block::Table(table(&report.problems, options)));
    page.foot.extend(super::hidden(report.hidden, "problem"));
    page
}

/// The problems, in the columns of which any problem has something to say.
pub(crate) fn table<'a>(problems: &'a [Problem], options: &'a Options) -> Table<'a> {
    let any = |has: fn(&Problem) -> bool| problems.iter().any(has);
    let columns = [
        ("PROBLEM", true),
        (">FILE", any(|problem| problem.file.is_some())),
        (">COUNT", any(|problem| problem.count.is_some())),
        (">AT BYTE", any(|problem| problem.offset.is_some())),
        (">BYTES", any(|problem| problem.bytes.is_some())),
        ("FROM", true),
        ("TO", true),
        ("DETAIL", true),
    ];
    let said = columns.map(|(_, said)| said);
    let titles: Vec<&str> = columns.iter().filter(|c| c.1).map(|c| c.0).collect();
    let table = Table::new(&titles, problems.iter().collect(), move |problem| {
        let cells = row(problem, options).into_iter().zip(said);
        cells
            .filter(|(_, said)| *said)
            .map(|(cell, _)| cell)
            .collect()
    });
    table.sparing(&["BYTES", "AT BYTE", "TO"])
}

fn row(problem: &Problem, options: &Options) -> [Text; 8] {
    let number = |number: Option<u64>| number.map_or(Text::default(), |n| Text::plain(count(n)));
    let when = |ns: u64| {
        let wall = match options.narrow() {
            true => String::new(),
            false => format!(" {}", options.clock.short_time_of_day(Time(ns))),
        };
        Text::plain(time::elapsed(Time(ns))).with(wall, Style::Faint)
    };
    let detail = tidline::text::escape(problem.detail.as_bytes());
    [
        Text::styled(problem.problem, Style::Bad),
        problem
            .file
            .map_or(Text::default(), |file| Text::plain(file.to_string())),
        number(problem.count),
        number(problem.offset),
        number(problem.bytes),
        when(problem.since_ns),
        problem.until_ns.map_or(Text::plain("not known"), when),
        Text::plain(crate::words::shorten(&detail, 200)),
    ]
}
