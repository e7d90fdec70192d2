//! What happened at a moment and is no task's life: marks, gaps, losses, damage, refused creations.

use serde::Serialize;
use tidline::model::{EventBody, Time, Trace, errno_name};
use tidline::text::escape;

use super::alike::Rows;
use super::columns::Columns;
use super::strings::Strings;
use crate::select::Selector;
use crate::words::counted;

/// Points and refused creations that a page has at most.
const MOST_POINTS: usize = 10_000;
const MOST_REFUSED: usize = 50_000;

/// A mark, a gap, a loss or a damaged part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Point {
    pub(crate) kind: &'static str,
    pub(crate) time: u64,
    /// From when on it was so.
    pub(crate) since: u64,
    pub(crate) text: String,
}

/// The points of a stretch of a trace in order, as many as a page has, and how many more there are.
pub(crate) fn points(
    trace: &Trace,
    (begin, end): (Time, Time),
    scale: impl Fn(Time) -> u64,
) -> (Vec<Point>, usize) {
    let mut out = Vec::new();
    for event in trace.events() {
        let (since, text) = match &event.body {
            EventBody::Mark { text } => (event.time, escape(text.as_bytes()).into_owned()),
            EventBody::Gap {
                reason,
                count,
                since,
                detail,
            } => {
                let tasks = match count {
                    0 => "an unknown number of tasks".into(),
                    count => counted(*count, "task"),
                };
                let detail = match detail.is_empty() {
                    true => String::new(),
                    false => format!(": {}", escape(detail.as_bytes())),
                };
                (*since, format!("{}, {tasks}{detail}", reason.as_str()))
            }
            EventBody::Lost {
                count,
                since,
                reason,
            } => {
                let reason = escape(reason.as_bytes());
                (
                    *since,
                    format!("{} lost: {reason}", counted(*count, "event")),
                )
            }
            _ => continue,
        };
        if event.time < begin || since > end {
            continue;
        }
        out.push(Point {
            kind: event.body.kind(),
            time: scale(event.time),
            since: scale(since.min(event.time)),
            text,
        });
    }
    let damaged = trace.integrity().damage.iter();
    let inside =
        damaged.filter(|it| it.after <= end && it.before.is_none_or(|before| before >= begin));
    for damage in inside {
        let problem = escape(damage.problem.as_bytes());
        out.push(Point {
            kind: "damage",
            time: scale(damage.before.unwrap_or(trace.end())),
            since: scale(damage.after),
            text: format!(
                "file {}, {}: {problem}",
                damage.segment,
                counted(damage.bytes, "byte")
            ),
        });
    }
    out.sort_by_key(|point| point.time);
    let more = out.len().saturating_sub(MOST_POINTS);
    out.truncate(MOST_POINTS);
    (out, more)
}

/// The refused creations that are asked for as columns; returns how many more there are.
pub(crate) fn refused(
    selector: &Selector<'_>,
    rows: &Rows,
    scale: impl Fn(Time) -> u64,
    strings: &mut Strings,
    columns: &mut Columns,
) -> usize {
    let trace = selector.trace();
    let (mut list, mut more) = (Vec::new(), 0);
    for (index, event) in trace.events().iter().enumerate() {
        let EventBody::CreateFailed { call, errno, .. } = &event.body else {
            continue;
        };
        if !selector.admits(index) {
            continue;
        }
        if list.len() == MOST_REFUSED {
            more += 1;
            continue;
        }
        let row = trace.subject(index).and_then(|task| rows.of(task.id));
        let why = format!("{}: {}", escape(call.as_bytes()), errno_name(*errno));
        list.push((
            scale(event.time),
            row.map_or(0, |row| u64::from(row) + 1),
            strings.safe(&why),
        ));
    }
    columns.differences("refused.time", list.iter().map(|it| it.0));
    columns.plain("refused.row", list.iter().map(|it| it.1));
    columns.plain("refused.why", list.iter().map(|it| it.2));
    more
}

/// How many events of system calls there are, which a page leaves out.
pub(crate) fn system_calls(trace: &Trace) -> usize {
    let calls = trace.events().iter().filter(|event| {
        let body = &event.body;
        matches!(
            body,
            EventBody::SyscallEnter { .. } | EventBody::SyscallExit { .. }
        )
    });
    calls.count()
}
