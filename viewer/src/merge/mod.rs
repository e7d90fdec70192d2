//! `merge`: several recordings, of one host or of several, as one trace.
//!
//! Those of one boot have a monotonic clock and pids in common. Those of others have only wall clocks
//! in common, and each host its own range of pids; the file and the views say so. The files are read
//! side by side, in order of time, so that memory is bounded by what lives at a time.

mod clocks;
mod numbers;
mod places;
mod source;
mod twice;

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use tidline::format::{Defined, Error, GIVEN_UP_EARLY, Header, Writer, is_of_a_host};
use tidline::model::{
    Anchor, Carried, Damage, Definition, DetachReason, Ending, Event, EventBody, GapReason,
    Integrity, Live, Name, Stacks, Task, Time,
};

use self::numbers::Numbers;
use self::places::Places;
use self::source::{Item, Source};
use self::twice::Twice;
use crate::choices::{choices, joined};
use crate::cli;
use crate::load::{self, Recording};
use crate::output::Output;
use crate::run::Report;
use crate::time;
use crate::words::{counted, numbers as listed};

/// Merges recordings into a file.
pub(crate) fn run(args: &cli::Merge, out: &mut dyn Write, report: &mut Report) -> Result<()> {
    let place = load::shown(&args.output);
    let merged = load::while_files_vanish(|| write(args, &place))?;
    let twice = match merged.twice {
        0 => String::new(),
        twice => format!("; {} told twice", counted(twice, "event")),
    };
    writeln!(
        out,
        "{place}: {} of {}, from {} to {}{twice}",
        counted(merged.events, "event"),
        counted(args.files.len(), "recording"),
        time::elapsed(Time(0)),
        time::elapsed(merged.end)
    )?;
    for line in crate::view::hosts::each(&merged.header, false) {
        writeln!(out, "{line}")?;
    }
    report.damaged = !merged.missing.is_empty();
    report.asides = merged.missing;
    Ok(())
}

/// Writes the merged file.
fn write(args: &cli::Merge, place: &str) -> Result<Merged> {
    let mut recordings = Vec::new();
    for path in &args.files {
        recordings.push((path.clone(), Recording::open(std::slice::from_ref(path))?));
    }
    // However they were named.
    recordings.sort_by_cached_key(|(path, recording)| {
        let header = recording.header();
        let begins = (header.start_wall_ns, header.trace_id, header.segment);
        (begins, path.clone())
    });
    // The earliest first: by the clock that they share.
    let places = Places::of(&recordings)?;
    let starts = places.each.iter().map(|(shift, _)| shift.time(Time(0)));
    let mut order: Vec<(Time, usize)> = starts.zip(0..).collect();
    order.sort_unstable();
    let in_order = order.iter().map(|(_, index)| recordings[*index].1.header());
    let header = header(in_order, &order, &places);
    let inputs: Vec<PathBuf> = recordings
        .iter()
        .flat_map(|(_, recording)| recording.paths().map(Path::to_path_buf))
        .collect();
    let inputs = inputs.iter().map(PathBuf::as_path);
    let (output, file) = Output::create(&args.output, args.force, inputs, &args.files)?;
    let (file, merged) =
        merge(recordings, places, &header, file).with_context(|| format!("cannot make {place}"))?;
    output.finish(file)?;
    Ok(merged)
}

/// The header of recordings that are in order of time.
fn header<'a>(
    headers: impl Iterator<Item = &'a Header>,
    order: &[(Time, usize)],
    places: &Places,
) -> Header {
    let headers: Vec<&Header> = headers.collect();
    let mut merged = headers[0].clone();
    merged.segment = 0;
    merged.options = options(&headers);
    merged.launched = headers.iter().all(|header| header.launched);
    merged.backend = together(&headers, |header| &header.backend);
    merged.recorder = together(&headers, |header| &header.recorder);
    merged
        .options
        .push(("merged".into(), headers.len().to_string()));
    merged.targets.clear();
    for (header, (_, index)) in headers.iter().zip(order) {
        if header.trace_id != headers[0].trace_id {
            merged.trace_id = merged.trace_id.rotate_left(1) ^ header.trace_id;
        }
        for target in &header.targets {
            let mut target = target.clone();
            target.pid = places.each[*index].1.number(target.pid);
            if !merged.targets.contains(&target) {
                merged.targets.push(target);
            }
        }
    }
    if places.hosts.len() > 1 {
        merged.host = crate::view::hosts::names(&places.hosts);
        merged.kernel = together(&headers, |header| &header.kernel);
        merged.arch = together(&headers, |header| &header.arch);
        merged.set_hosts(&places.hosts);
    }
    if !places.one_clock {
        // No monotonic clock has such times.
        merged.boot_id.clear();
        merged.start_monotonic_ns = 0;
        let zero = places.each.first().map_or(0, |(shift, _)| shift.zero);
        merged.start_wall_ns = zero.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
        merged.utc_offset_s = places.zone.unwrap_or(0);
    }
    merged
}

/// The options of all: of one that differs each value, once.
fn options(headers: &[&Header]) -> Vec<(String, String)> {
    // What merging makes of no worth, or says itself.
    const DROPPED: [&str; 4] = ["repaired", "snapshot", "part", "merged"];
    let names = headers.iter().flat_map(|header| &header.options);
    let names = names.map(|(name, _)| name.as_str());
    let mut options: Vec<(String, String)> = Vec::new();
    for name in names.filter(|name| !DROPPED.contains(name) && !is_of_a_host(name)) {
        if options.iter().any(|(known, _)| known == name) {
            continue;
        }
        let mut each = headers.iter().map(|header| choices(header, name));
        let first = each.next().unwrap_or_default();
        let mut add = |value: String| options.push((name.to_string(), value));
        if each.all(|other| other == first) {
            first.into_iter().for_each(|value| add(value.to_string()));
        } else {
            add(joined(
                headers.iter().flat_map(|header| choices(header, name)),
            ));
        }
    }
    options
}

/// What headers have, each once.
fn together(headers: &[&Header], of: impl Fn(&Header) -> &String) -> String {
    let mut each: Vec<&str> = headers.iter().map(|header| of(header).as_str()).collect();
    each.sort_unstable();
    joined(each.into_iter())
}

struct Merged {
    header: Header,
    events: u64,
    twice: u64,
    end: Time,
    missing: Vec<String>,
}

fn merge(
    recordings: Vec<(PathBuf, Recording)>,
    places: Places,
    header: &Header,
    out: File,
) -> Result<(File, Merged)> {
    let wall = (!places.one_clock).then_some(header);
    let mut sources = Vec::new();
    for ((path, recording), place) in recordings.into_iter().zip(places.each) {
        let shown = load::shown(&path);
        // No error of input and output: those are of the file that is written.
        let source = Source::start(recording, place, wall).map_err(|problem| {
            anyhow!("cannot read {shown}: cannot start a thread that reads: {problem}")
        })?;
        sources.push((shown, source));
    }
    for (_, source) in &mut sources {
        source.prime();
    }
    sources.sort_by_key(|(_, source)| source.begins);
    let (names, mut sources): (Vec<String>, Vec<Source>) = sources.into_iter().unzip();
    let mut merger = Merger {
        writer: Writer::start(out, header)?,
        live: Live::default(),
        stacks: Stacks::default(),
        defined: Defined::default(),
        needed: Vec::new(),
        numbers: Numbers::default(),
        twice: Twice::default(),
        told_twice: 0,
        given_up: HashMap::new(),
        holes: Vec::new(),
        anchored: Time(0),
        now: Time(0),
        events: 0,
    };
    let mut endings: Vec<Option<Result<Integrity, Error>>> = sources.iter().map(|_| None).collect();
    loop {
        let open = sources.iter().enumerate().filter(|(_, it)| !it.ended());
        // Who is at the end lets go what nobody goes on with: after all that others tell of then.
        let next = open.map(|(index, it)| (it.now(), it.is_at_its_end(), index));
        let Some((time, _, next)) = next.min() else {
            break;
        };
        merger.tell_holes(time)?;
        let Some(item) = sources[next].take() else {
            continue;
        };
        match item {
            Item::End(integrity) => {
                let left = sources[next].end();
                merger.let_go(left, next, &sources)?;
                endings[next] = Some(*integrity);
            }
            item => merger.item(item, next, &sources[next])?,
        }
    }
    let (mut missing, mut last) = (Vec::new(), None);
    for ((integrity, name), source) in endings.into_iter().zip(names).zip(sources) {
        let now = source.now();
        let integrity = integrity.context("a file was not read to its end")??;
        let integrity = source.left_out.added_to(integrity, Time(0), now);
        missing.extend(told(&integrity, &name));
        if let Ending::Finished(words) = integrity.ending {
            last = last.max(Some((now, words)));
        }
    }
    let reason = match last {
        Some((_, words)) if !words.is_empty() => words,
        _ => "the recordings were cut short".into(),
    };
    // A recorder tells of functions behind what they were met in, some at its very end.
    merger.defined.for_end(&merger.stacks, &mut merger.needed);
    merger.define_needed()?;
    let end = merger.now;
    let given_up: u64 = merger.given_up.values().sum();
    let counter = (given_up > 0).then_some((GIVEN_UP_EARLY, given_up));
    let out = merger.writer.finish(end, &reason, counter.as_slice())?;
    let merged = Merged {
        header: header.clone(),
        twice: merger.told_twice,
        events: merger.events,
        end,
        missing,
    };
    Ok((out, merged))
}

/// What is missing from a recording, in words.
fn told(integrity: &Integrity, name: &str) -> Vec<String> {
    let mut told = Vec::new();
    if integrity.ending == Ending::CutShort {
        told.push(match integrity.goes_on {
            true => format!("{name} went on in a file that is not here"),
            false => format!("{name} was cut short, or is still being recorded"),
        });
    }
    if !integrity.damage.is_empty() {
        let parts = counted(integrity.damage.len(), "part");
        let files: Vec<u32> = integrity
            .damage
            .iter()
            .map(|damage| damage.segment)
            .collect();
        let of = listed(&files, "file");
        told.push(format!(
            "{name}: {parts} of {of} cannot be read; `tidview check` says which"
        ));
    }
    told
}

const NOTHING_COVERS: &str = "no file covers this time";

/// A time that no file covers.
struct Hole {
    since: Time,
    until: Time,
    detail: &'static str,
}

struct Merger {
    writer: Writer<File>,
    /// What lives, of all recordings.
    live: Live,
    stacks: Stacks,
    defined: Defined,
    needed: Vec<Definition>,
    numbers: Numbers,
    twice: Twice,
    told_twice: u64,
    /// Files that a full disk made a recorder give up, by the recording.
    given_up: HashMap<u128, u64>,
    /// What no file covers, and is still to be told where it ends.
    holes: Vec<Hole>,
    /// Up to when the wall clock's readings are written.
    anchored: Time,
    now: Time,
    events: u64,
}

impl Merger {
    fn item(&mut self, item: Item, from: usize, source: &Source) -> Result<()> {
        match item {
            Item::Event(event) => self.event(event, from, source),
            Item::Checkpoint(carried, time) => self.checkpoint(&carried, time, source),
            Item::Define(definition) => {
                let definition = self.numbers.definition(source.id, definition);
                self.defined
                    .take_up(definition, &mut self.stacks, &mut self.needed);
                self.define_needed()
            }
            Item::Anchor(anchor) => self.anchor(anchor),
            Item::Damaged(damage) => self.damaged(&damage),
            Item::Reached(time) => {
                self.now = self.now.max(time);
                Ok(())
            }
            Item::GivenUp(files) => {
                let known = self.given_up.entry(source.id).or_default();
                *known = (*known).max(files);
                Ok(())
            }
            Item::End(_) => Ok(()),
        }
    }

    fn anchor(&mut self, mut anchor: Anchor) -> Result<()> {
        let late = self.now.0.saturating_sub(anchor.time.0);
        anchor.time = anchor.time.max(self.now);
        anchor.wall_ns = anchor.wall_ns.saturating_add_unsigned(late);
        // The header has the first.
        if anchor.time > self.anchored {
            self.anchored = anchor.time;
            self.writer.anchor(anchor)?;
        }
        Ok(())
    }

    fn event(&mut self, mut event: Event, from: usize, source: &Source) -> Result<()> {
        self.numbers.event(source.id, &mut event);
        event.time = event.time.max(self.now);
        let is_over =
            |task: Task| !self.lives(task) && self.twice.has_ended(task, event.time, source.id);
        let known = match &event.body {
            EventBody::Birth(_) => false,
            EventBody::Existing { task, .. } if self.lives(*task) => !source.had,
            // Some recorders look for names now and then only.
            EventBody::Rename { task, name } if self.lives(*task) => {
                source.renamed && self.live.name(task.tid) == Some(name)
            }
            body => body.task().is_some_and(is_over),
        };
        let creator = match &event.body {
            EventBody::Birth(birth) => birth.parent.filter(|task| !is_over(*task)),
            _ => None,
        };
        if self.twice.is_known(&event, from, source.id) || known {
            self.told_twice += 1;
            return Ok(());
        }
        if let EventBody::Birth(birth) = &mut event.body {
            birth.parent = creator;
        }
        self.push(&event)
    }

    /// Whether a task lives now: then whoever meets it there meets the same, since a TID means one
    /// task at a time.
    fn lives(&self, task: Task) -> bool {
        self.live.task(task.tid) == Some(task)
    }

    fn push(&mut self, event: &Event) -> Result<()> {
        self.now = self.now.max(event.time);
        self.live.follow(event);
        self.defined
            .for_event(event, &self.stacks, &mut self.needed);
        self.define_needed()?;
        self.writer.push(event)?;
        self.events += 1;
        Ok(())
    }

    fn define_needed(&mut self) -> Result<()> {
        for definition in std::mem::take(&mut self.needed) {
            self.writer.define(&definition)?;
        }
        Ok(())
    }

    /// Takes up what a recording carries on and nobody told of.
    fn checkpoint(&mut self, carried: &[Carried], time: Time, source: &Source) -> Result<()> {
        let time = time.max(self.now);
        let mut all = self.live.checkpoint();
        let mut places: HashMap<Task, usize> = HashMap::new();
        for (place, task) in all.iter().enumerate() {
            places.insert(task.task, place);
        }
        let mut of: Vec<Option<usize>> = Vec::with_capacity(carried.len());
        let before = all.len();
        for task in carried {
            let known = places.get(&task.task).copied();
            let known = known.filter(|place| {
                all[*place].born == task.born || (task.ended.is_none() && self.lives(task.task))
            });
            let place = known.unwrap_or_else(|| {
                let mut task = task.clone();
                self.numbers.carried(source.id, &mut task);
                task.parent = task
                    .parent
                    .and_then(|parent| of.get(parent).copied().flatten());
                all.push(task);
                all.len() - 1
            });
            of.push(Some(place));
        }
        self.now = time;
        if all.len() == before {
            return Ok(());
        }
        self.live = Live::restored(&all, time);
        self.defined
            .for_checkpoint(&all, &self.stacks, &mut self.needed);
        self.define_needed()?;
        Ok(self.writer.checkpoint(&all, source.clock_at(time))?)
    }

    fn damaged(&mut self, damage: &Damage) -> Result<()> {
        self.gap(
            GapReason::Damaged,
            damage.after,
            Name::from(damage.problem.as_str()),
        )
    }

    fn gap(&mut self, reason: GapReason, since: Time, detail: Name) -> Result<()> {
        self.push(&Event {
            time: self.now,
            body: EventBody::Gap {
                reason,
                count: 0,
                since,
                detail,
            },
        })
    }

    /// A recording has ended: lets go what it leaves alive, unless another goes on with it.
    fn let_go(&mut self, left: source::Left, from: usize, sources: &[Source]) -> Result<()> {
        self.now = self.now.max(left.time);
        let others = sources.iter().enumerate();
        let others: Vec<&Source> = others
            .filter(|(index, source)| *index != from && !source.ended())
            .map(|(_, source)| source)
            .collect();
        // Behind the last one's end nothing is claimed of anybody.
        if others.is_empty() {
            return Ok(());
        }
        for (task, born) in left.alive {
            let goes_on = others.iter().any(|other| other.goes_on_with(task, born));
            if !goes_on && self.lives(task) {
                self.push(&Event {
                    time: self.now,
                    body: EventBody::Detach {
                        task,
                        reason: DetachReason::RecordingEnded,
                    },
                })?;
            }
        }
        self.holes.extend(hole(left.time, &sources[from], &others));
        Ok(())
    }

    /// Tells what no file covered, where that ends by a time.
    fn tell_holes(&mut self, by: Time) -> Result<()> {
        for hole in std::mem::take(&mut self.holes) {
            if hole.until > by {
                self.holes.push(hole);
                continue;
            }
            self.now = self.now.max(hole.until);
            self.gap(GapReason::Untraced, hole.since, Name::from(hole.detail))?;
        }
        Ok(())
    }
}

/// What is not covered when a source has ended: until another file of its recording begins, if there
/// is one; or else one of its host; or else any.
fn hole(since: Time, ended: &Source, others: &[&Source]) -> Option<Hole> {
    let begin = |is_meant: &dyn Fn(&Source) -> bool| {
        let meant = others.iter().filter(|other| is_meant(other));
        meant.map(|other| other.begins).min()
    };
    let any = begin(&|_| true)?;
    let (until, detail) = if let Some(until) = begin(&|other| other.id == ended.id) {
        (until, "no file of a recording covers this time")
    } else if let Some(until) = begin(&|other| other.is_of_host_of(ended)) {
        (until, "no file of a host covers this time")
    } else {
        (any, NOTHING_COVERS)
    };
    let is_covered = |by: Time| by.0 <= since.0.saturating_add(1);
    let detail = match is_covered(any) {
        true => detail,
        false => NOTHING_COVERS,
    };
    (!is_covered(until)).then_some(Hole {
        since,
        until,
        detail,
    })
}
