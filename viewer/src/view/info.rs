//! `info`: what was recorded, where and how, what it cost, and whether all of it is there.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use tidline::format::GIVEN_UP_EARLY;
use tidline::format::{Header, VERSION, is_of_a_host};
use tidline::model::{Ended, Ending, EventBody, Origin, Time, Totals, Trace, What, errno_name};

use super::code::{self, Code, ModuleRow};
use super::{Losses, Options, hosts, losses, notices};
use crate::choices;
use crate::page::{Block, Fact, Page, Style, Text};
use crate::time;
use crate::words::{command_line, count, counted, counted_what, numbers, shorten, size};

/// The contract's object.
#[derive(Debug, Serialize)]
pub(crate) struct Info {
    format_version: u16,
    complete: bool,
    backend: String,
    recorder: String,
    host: String,
    kernel: String,
    arch: String,
    trace_id: String,
    command: Vec<String>,
    targets: Vec<Target>,
    launched: bool,
    options: Pairs<String>,
    start_wall: String,
    duration_ns: u64,
    /// Where the files begin, and their numbers; not of a recording that is one whole file.
    #[serde(skip_serializing_if = "Option::is_none")]
    begin_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    segments: Option<Vec<u32>>,
    events: usize,
    tasks: Tasks,
    failed_creations: u64,
    /// `None` where no stacks were taken.
    stacks: Option<Code>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modules: Option<Vec<ModuleRow>>,
    lost: u64,
    gaps: u64,
    /// Events left out on purpose, by `--include` and `--exclude`; `None` where it is not known.
    left_out: Option<u64>,
    damaged_chunks: usize,
    unknown_records: u64,
    longer_records: u64,
    trailing_bytes: u64,
    file_bytes: u64,
    ending: &'static str,
    end_reason: Option<String>,
    limits: Vec<String>,
    overhead: Pairs<u64>,
}

#[derive(Debug, Serialize)]
struct Target {
    pid: u32,
    command: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
struct Tasks {
    /// Alive at the beginning, which is later than the recording's.
    #[serde(skip_serializing_if = "is_zero")]
    carried: usize,
    existing: usize,
    created_threads: usize,
    created_processes: usize,
    inferred: usize,
    exited: usize,
    let_go: usize,
    end_missing: usize,
    alive_at_end: usize,
    peak_alive: usize,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Names and values in their order, as an object.
#[derive(Debug)]
struct Pairs<T>(Vec<(String, T)>);

impl<T: Serialize> Serialize for Pairs<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// The facts about a trace.
pub(crate) fn info(trace: &Trace, modules: bool, options: &Options) -> Info {
    let header = trace.header();
    let integrity = trace.integrity();
    let Losses { gaps, lost } = losses(trace);
    let targets: Vec<Target> = header.targets.iter().map(target).collect();
    let (ending, end_reason) = match &integrity.ending {
        Ending::Finished(reason) => ("finished", Some(reason.clone())),
        Ending::CutShort => ("cut short", None),
    };
    let is_part = trace.begin() > Time(0) || integrity.segments != [0];
    Info {
        format_version: VERSION,
        complete: trace.is_complete(),
        backend: header.backend.clone(),
        recorder: header.recorder.clone(),
        host: header.host.clone(),
        kernel: header.kernel.clone(),
        arch: header.arch.clone(),
        trace_id: format!("{:032x}", header.trace_id),
        command: targets
            .first()
            .map(|target| target.command.clone())
            .unwrap_or_default(),
        targets,
        launched: header.launched,
        options: Pairs(header.options.clone()),
        start_wall: options.clock.rfc3339(Time(0)),
        duration_ns: trace.end().0,
        begin_ns: is_part.then_some(trace.begin().0),
        segments: is_part.then(|| integrity.segments.clone()),
        events: trace.event_count(),
        tasks: tasks(trace),
        failed_creations: failed_creations(trace).values().sum(),
        stacks: code::code(trace),
        modules: modules.then(|| code::modules(trace)),
        lost,
        gaps,
        left_out: left_out(trace),
        damaged_chunks: integrity.damage.len(),
        unknown_records: integrity.unknown_records,
        longer_records: integrity.longer_records,
        trailing_bytes: integrity.trailing_bytes,
        file_bytes: integrity.file_bytes,
        ending,
        end_reason,
        limits: limits(trace),
        overhead: Pairs(trace.counters().to_vec()),
    }
}

fn target(target: &tidline::format::Target) -> Target {
    let lossy = |argument: &Vec<u8>| String::from_utf8_lossy(argument).into_owned();
    Target {
        pid: target.pid,
        command: target.command.iter().map(lossy).collect(),
    }
}

fn tasks(trace: &Trace) -> Tasks {
    if let Some(part) = trace.part() {
        return counted_tasks(&part.totals);
    }
    let mut tasks = Tasks {
        peak_alive: trace.peak_alive(),
        ..Tasks::default()
    };
    let begun = begun(trace);
    for task in trace.tasks() {
        // Nothing of a creator that had ended is in these files.
        if super::ended_before(trace, task) {
            continue;
        }
        match task.origin {
            _ if super::is_carried(trace, task) => tasks.carried += 1,
            Origin::Existing if begun[task.id.0 as usize] => tasks.existing += 1,
            Origin::Birth if begun[task.id.0 as usize] => {}
            // Born at that very moment.
            Origin::Existing | Origin::Birth if task.born == trace.begin() => tasks.carried += 1,
            _ => tasks.inferred += 1,
        }
        match task.how {
            Ended::Alive => tasks.alive_at_end += 1,
            Ended::Exit(_) => tasks.exited += 1,
            Ended::Detached(_) => tasks.let_go += 1,
            Ended::Missing => tasks.end_missing += 1,
            Ended::BecameLeader => {}
        }
    }
    for event in trace.events() {
        match &event.body {
            EventBody::Birth(birth) if birth.what == What::Thread => tasks.created_threads += 1,
            EventBody::Birth(_) => tasks.created_processes += 1,
            _ => {}
        }
    }
    tasks
}

/// The same of a recording that counted them itself. It is whole, and here from its beginning.
fn counted_tasks(totals: &Totals) -> Tasks {
    let number = |number: u64| number as usize;
    Tasks {
        carried: 0,
        existing: number(totals.existing),
        created_threads: number(totals.threads),
        created_processes: number(totals.processes),
        inferred: number(totals.inferred),
        exited: number(totals.exited),
        let_go: number(totals.let_go),
        end_missing: number(totals.end_missing),
        alive_at_end: number(totals.alive()),
        peak_alive: number(totals.peak_alive),
    }
}

/// How many creations the kernel refused, by the error's number.
fn failed_creations(trace: &Trace) -> BTreeMap<u16, u64> {
    if let Some(part) = trace.part() {
        return part.totals.refused.clone();
    }
    let mut failed = BTreeMap::new();
    for event in trace.events() {
        if let EventBody::CreateFailed { errno, .. } = event.body {
            *failed.entry(errno).or_default() += 1;
        }
    }
    failed
}

/// Of which tasks an event in the files tells the beginning; of others a checkpoint does.
fn begun(trace: &Trace) -> Vec<bool> {
    let mut begun = vec![false; trace.tasks().len()];
    if trace.begin() == Time(0) && trace.integrity().damage.is_empty() {
        begun.fill(true);
        return begun;
    }
    for (index, event) in trace.events().iter().enumerate() {
        if let EventBody::Existing { .. } | EventBody::Birth(_) = event.body
            && let Some(task) = trace.subject(index)
        {
            begun[task.id.0 as usize] = true;
        }
    }
    begun
}

/// What a recording made in this way cannot show.
fn limits(trace: &Trace) -> Vec<String> {
    let header = trace.header();
    let mut limits = Vec::new();
    limits.extend(choice(trace));
    let mut limit = |name: &str, is_such: &dyn Fn(&str) -> bool, words: &str| {
        limits.extend(choices::limit(header, name, is_such, words));
    };
    limit(
        "no-args",
        &|value| !choices::is_no(value),
        "of command lines only the program was recorded: arguments are not in this file",
    );
    limit(
        "new-threads",
        &|value| value == "detach",
        "new threads were let go at once: what they created, and how they ended, is not in this file",
    );
    limit(
        "follow-fork",
        &|side| side == "parent",
        "new processes were let go at once: what they did, and how they ended, is not in this file",
    );
    limit(
        "follow-fork",
        &|side| side == "child",
        "a process that forked was let go: what it did after that, and how it ended, is not in this \
         file",
    );
    let side = header.option("follow-fork").unwrap_or_default();
    limit(
        "follow-fork",
        &|side| !choices::is_no(side) && !["both", "parent", "child"].contains(&side),
        &format!("of each fork only one side was followed ({side}): the other is not in this file"),
    );
    limit(
        "failures",
        &choices::is_no,
        "refused creations were not watched for (--failures)",
    );
    limit(
        "follow-exec",
        &|value| value == "no",
        "a process that executed a program was let go there: what the program did, and how it ended, \
         is not in this file",
    );
    if !header.launched {
        limits.push(
            "the recording began when the program was running: who created the tasks that were \
             there, and what had ended before, is not in this file"
                .into(),
        );
    }
    limits
}

const LEFT_OUT: &str = "left_out";

/// Events left out by their tasks' names. A file that was cut short does not say.
fn left_out(trace: &Trace) -> Option<u64> {
    let mut counters = trace.counters().iter();
    let counted = counters.find(|(name, _)| name == LEFT_OUT);
    match counted {
        Some((_, count)) => Some(*count),
        None => globs(trace.header()).is_empty().then_some(0),
    }
}

/// The options by which tasks were chosen, as they were typed.
fn globs(header: &Header) -> String {
    let given = ["include", "exclude"].iter().filter_map(|name| {
        let value = header.option(name)?;
        Some(format!("--{name} {value}"))
    });
    given.collect::<Vec<_>>().join(" ")
}

/// What the choice by names makes invisible.
fn choice(trace: &Trace) -> Option<String> {
    let globs = globs(trace.header());
    if globs.is_empty() {
        return None;
    }
    let globs = tidline::text::escape(globs.as_bytes());
    let many = match left_out(trace) {
        Some(events) => counted(events, "event"),
        None => "events (their number is not known)".into(),
    };
    Some(format!(
        "tasks were left out by their names ({globs}): {many} of theirs not in this file; one that \
         came in by a new name is there from then on"
    ))
}

/// The facts as lines for people.
pub(crate) fn page(trace: &Trace, modules: bool, options: &Options) -> Page<'static> {
    let info = info(trace, modules, options);
    let header = trace.header();
    let several = trace.integrity().segments != [0];
    let mut facts = commands(header, options);
    let mut add = |label, value: String, style| {
        facts.push(Fact {
            label,
            value,
            style,
        });
    };
    add("host", host(header), Style::Plain);
    for line in hosts::each(header, true) {
        add("", line, Style::Plain);
    }
    let start = options.clock.date_time(Time(0));
    let length = time::duration(info.duration_ns);
    let here = match info.duration_ns - trace.begin().0.min(info.duration_ns) {
        here if here == info.duration_ns => String::new(),
        here => format!(", of which the last {} are here", time::duration(here)),
    };
    add(
        "recorded",
        format!("{start}, for {length}{here}"),
        Style::Plain,
    );
    add("how", how(header), Style::Plain);
    add("tasks", tasks_in_words(&info.tasks), Style::Plain);
    if info.failed_creations > 0 {
        add("refused", refused(&failed_creations(trace)), Style::Bad);
    }
    let (value, style) = code::words(trace, info.stacks.as_ref());
    add("stacks", value, style);
    let label = if several { "files" } else { "file" };
    add(label, file(&info, several), Style::Plain);
    let (value, style) = ending(&info, trace);
    add("ending", value, style);
    let (value, style) = losses(trace).in_words(trace);
    add("losses", value, style);
    for limit in &info.limits {
        add("limits", limit.clone(), Style::Note);
    }
    if trace.counters().iter().any(is_overhead) {
        add("overhead", overhead(trace.counters()), Style::Plain);
    }
    let mut page = Page {
        notices: notices(trace),
        blocks: vec![Block::Facts(facts)],
        foot: Vec::new(),
    };
    if let Some(mut rows) = info.modules {
        let all = rows.len();
        if options.limit > 0 {
            rows.truncate(options.limit);
        }
        page.foot.extend(super::hidden(all - rows.len(), "module"));
        page.blocks.push(Block::Line(Text::default()));
        page.blocks.push(Block::Table(code::table(rows)));
    }
    page
}

fn commands(header: &Header, options: &Options) -> Vec<Fact> {
    let limit = match options.limit {
        0 => usize::MAX,
        limit => limit,
    };
    let mut facts: Vec<Fact> = header
        .targets
        .iter()
        .take(limit)
        .map(|target| Fact {
            label: "command",
            value: format!(
                "pid {}: {}",
                target.pid,
                shorten(&command_line(&target.command), 1_000)
            ),
            style: Style::Strong,
        })
        .collect();
    if header.targets.len() > facts.len() {
        let more = count((header.targets.len() - facts.len()) as u64);
        facts.push(Fact {
            label: "command",
            value: format!("… {more} more; --limit 0 shows all"),
            style: Style::Faint,
        });
    }
    facts
}

fn host(header: &Header) -> String {
    let escape = |text: &String| tidline::text::escape(text.as_bytes()).into_owned();
    let kernel = format!("Linux {}", escape(&header.kernel));
    let parts = [escape(&header.host), kernel, escape(&header.arch)];
    let known = parts.iter().map(|part| part.trim());
    known
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(", ")
}

fn how(header: &Header) -> String {
    let mut how = format!(
        "{} by {}, {}",
        header.backend,
        header.recorder,
        if header.launched {
            "launched"
        } else {
            "attached"
        }
    );
    let options = header.options.iter();
    for (name, value) in options.filter(|(name, _)| !is_of_a_host(name)) {
        how += &format!(", {name} {value}");
    }
    tidline::text::escape(how.as_bytes()).into_owned()
}

fn tasks_in_words(tasks: &Tasks) -> String {
    let first = match (tasks.carried, tasks.existing) {
        (0, existing) => format!("{} at first", count(existing as u64)),
        (carried, 0) => format!("{} at first, carried on from before", count(carried as u64)),
        (carried, existing) => format!(
            "{} at first, carried on from before, {} found there later",
            count(carried as u64),
            count(existing as u64)
        ),
    };
    let mut words = format!(
        "{first}, {} and {} created, {} exited, {} alive at the end, {} at most at a time",
        counted_what(tasks.created_threads, What::Thread),
        counted_what(tasks.created_processes, What::Process),
        count(tasks.exited as u64),
        count(tasks.alive_at_end as u64),
        count(tasks.peak_alive as u64),
    );
    for (number, what) in [
        (tasks.let_go, "let go"),
        (tasks.inferred, "without a birth in the file"),
        (tasks.end_missing, "whose end was not seen"),
    ] {
        if number > 0 {
            words += &format!(", {} {what}", count(number as u64));
        }
    }
    words
}

/// `3 creations: 2 EAGAIN, 1 ENOMEM`, the most frequent first.
fn refused(failed: &BTreeMap<u16, u64>) -> String {
    let mut kinds: Vec<(u16, u64)> = failed.iter().map(|(errno, n)| (*errno, *n)).collect();
    kinds.sort_by_key(|(errno, number)| (std::cmp::Reverse(*number), *errno));
    let kinds: Vec<String> = kinds
        .iter()
        .map(|(errno, number)| format!("{} {}", count(*number), errno_name(*errno)))
        .collect();
    let all = counted(failed.values().sum::<u64>(), "creation");
    format!("{all}: {}", kinds.join(", "))
}

fn file(info: &Info, several: bool) -> String {
    let bytes = match info.segments.as_deref() {
        Some(segments) if several => format!(
            "{} ({}), {}",
            count(segments.len() as u64),
            numbers(segments, "number"),
            size(info.file_bytes)
        ),
        _ => counted(info.file_bytes, "byte"),
    };
    let mut words = format!("{bytes}, {}", counted(info.events as u64, "event"));
    if info.events > 0 {
        let tenths = info.file_bytes * 10 / info.events as u64;
        words += &format!(", {}.{} bytes an event", count(tenths / 10), tenths % 10);
    }
    words + &format!(", format version {}", info.format_version)
}

fn ending(info: &Info, trace: &Trace) -> (String, Style) {
    match &info.end_reason {
        None => (super::cut_short(trace), Style::Bad),
        Some(reason) => {
            let reason = tidline::text::escape(reason.as_bytes());
            let words = if info.complete {
                format!("complete: {reason}")
            } else {
                format!("finished ({reason}), but parts of the file are damaged")
            };
            let style = if info.complete {
                Style::Good
            } else {
                Style::Bad
            };
            (words, style)
        }
    }
}

/// Whether a counter is about what recording cost.
fn is_overhead((name, _): &(String, u64)) -> bool {
    name != LEFT_OUT && name != GIVEN_UP_EARLY
}

fn overhead(counters: &[(String, u64)]) -> String {
    let costs = counters.iter().filter(|counter| is_overhead(counter));
    let words = costs.map(|(name, value)| {
        let name = tidline::text::escape(name.as_bytes()).replace('_', " ");
        match name.strip_suffix(" ns") {
            Some(name) => format!("{name} {}", time::duration(*value)),
            None => format!("{name} {}", count(*value)),
        }
    });
    words.collect::<Vec<_>>().join(", ")
}
