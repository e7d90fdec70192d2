//! Moments and stretches of a trace as options give them: as times, or by the marks in it.

use anyhow::{Result, anyhow, bail};
use tidline::model::{EventBody, Time, Trace};

use super::args::Selectors;
use crate::moment::{parse_at, parse_span};
use crate::time::Clock;
use crate::words::shorten;

const MARK: &str = "mark:";
/// Marks that an error names.
const MOST_MARKS: usize = 5;

/// What times are said of.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) extent: (Time, Time),
    pub(crate) clock: &'a Clock,
    /// Where marks are looked for.
    pub(crate) marks: Option<&'a Trace>,
}

impl<'a> Frame<'a> {
    fn of(trace: &'a Trace, clock: &'a Clock) -> Self {
        Frame {
            extent: (trace.begin(), trace.end()),
            clock,
            marks: Some(trace),
        }
    }
}

/// What an option says of a moment.
pub(crate) fn moment(option: &str, text: &str, trace: &Trace, clock: &Clock) -> Result<Time> {
    moment_of(option, text, Frame::of(trace, clock))
}

fn moment_of(option: &str, text: &str, frame: Frame<'_>) -> Result<Time> {
    found(text, frame).map_err(|problem| wrong(option, text, &problem))
}

fn wrong(option: &str, text: &str, problem: &str) -> anyhow::Error {
    let text = tidline::text::escape(text.as_bytes());
    anyhow!("{option} {text}: {problem}")
}

fn found(text: &str, frame: Frame<'_>) -> Result<Time, String> {
    match (text.strip_prefix(MARK), frame.marks) {
        (Some(mark), Some(trace)) => find_mark(mark, trace),
        _ => parse_at(text, frame.clock, frame.extent),
    }
}

/// When the first mark was of this text; if none is, that has it in it.
fn find_mark(text: &str, trace: &Trace) -> Result<Time, String> {
    let marks = || {
        trace.events().iter().filter_map(|event| match &event.body {
            EventBody::Mark { text } => Some((event.time, text.as_bytes())),
            _ => None,
        })
    };
    let wanted = text.as_bytes();
    let is = |mark: &[u8]| mark == wanted;
    let has =
        |mark: &[u8]| wanted.is_empty() || mark.windows(wanted.len()).any(|part| part == wanted);
    let first = marks().find(|(_, mark)| is(mark));
    if let Some((time, _)) = first.or_else(|| marks().find(|(_, mark)| has(mark))) {
        return Ok(time);
    }
    let mut known: Vec<String> = marks()
        .take(MOST_MARKS)
        .map(|(_, mark)| {
            let mark = tidline::text::escape(mark);
            format!("\"{}\"", shorten(&mark, 60))
        })
        .collect();
    if known.is_empty() {
        return Err(
            "no mark is in this recording; `tidrec ctl PID mark TEXT` puts them there".into(),
        );
    }
    if marks().count() > MOST_MARKS {
        known.push("…".into());
    }
    Err(format!(
        "no mark is of this text, or has it in it; there are {}",
        known.join(", ")
    ))
}

/// From when to when, both included, `--since` and `--until` ask for; `None` where neither does.
pub(crate) fn stretch(
    args: &Selectors,
    trace: &Trace,
    clock: &Clock,
) -> Result<Option<(Time, Time)>> {
    let (since, until) = (args.since.as_deref(), args.until.as_deref());
    let (begin, end) = (trace.begin(), trace.end());
    let asked = between(since, until, Frame::of(trace, clock))?;
    let is_asked = asked != (None, None);
    let (from, to) = (asked.0.unwrap_or(begin), asked.1.unwrap_or(end));
    Ok(is_asked.then_some((from, to.min(end))))
}

/// The same of any two such options, and only what they say.
pub(crate) fn between(
    since: Option<&str>,
    until: Option<&str>,
    frame: Frame<'_>,
) -> Result<(Option<Time>, Option<Time>)> {
    let since = since.map(|text| since_of(text, frame)).transpose()?;
    let until = until.map(|text| moment_of("--until", text, frame));
    let until = until.transpose()?;
    let (from, to) = match (since, until) {
        (Some((_, Some(_))), Some(_)) => {
            bail!("--since says for how long: it does not go with --until")
        }
        (Some((from, to)), until) => (Some(from), to.or(until)),
        (None, until) => (None, until),
    };
    if to.is_some_and(|to| Some(to) < from) {
        bail!("--until is before --since");
    }
    Ok((from, to))
}

/// `1s`, or `1s+9s`: from 1 s for 9 s. A `+` may be of a wall time's zone, or in a mark's text.
fn since_of(text: &str, frame: Frame<'_>) -> Result<(Time, Option<Time>)> {
    let whole = found(text, frame);
    let problem = match whole {
        Ok(time) => return Ok((time, None)),
        Err(problem) => problem,
    };
    let parts = text.rsplit_once('+').filter(|(first, _)| !first.is_empty());
    let length = parts.and_then(|(first, length)| Some((first, parse_span(length)?)));
    let Some((first, length)) = length else {
        return Err(wrong("--since", text, &problem));
    };
    let from = found(first, frame).map_err(|problem| wrong("--since", text, &problem))?;
    let to = Time(from.0.saturating_add(length));
    Ok((from, Some(to)))
}

/// What an option says of a length of time, ns.
pub(crate) fn span(option: &str, text: Option<&str>) -> Result<Option<u64>> {
    let Some(text) = text else {
        return Ok(None);
    };
    match parse_span(text.trim()) {
        Some(ns) => Ok(Some(ns)),
        None => Err(wrong(
            option,
            text,
            "it is no length of time: 500ms, 10s or 1h30m are",
        )),
    }
}
