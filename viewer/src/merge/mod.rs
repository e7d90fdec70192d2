//! `merge`: several recordings of one host and boot as one trace.
//!
//! Their times are of one monotonic clock, and their pids of one kernel: that is what makes it
//! honest, and where it does not hold it is refused. The files are read side by side, in order of
//! time, so that memory is bounded by what lives at a time.

mod numbers;
mod source;
mod twice;

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tidline::format::{Defined, Error, GIVEN_UP_EARLY, Header, Writer};
use tidline::model::{
    Anchor, Carried, Damage, Definition, DetachReason, Ending, Event, EventBody, GapReason,
    Integrity, Live, Name, Stacks, Task, Time,
};
use tidline::text;

use self::numbers::Numbers;
use self::source::{Item, Source};
use self::twice::Twice;
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
    one_boot(&recordings)?;
    recordings.sort_by_key(|(_, recording)| recording.header().start_monotonic_ns);
    let header = header(recordings.iter().map(|(_, recording)| recording.header()));
    let inputs: Vec<PathBuf> = recordings
        .iter()
        .flat_map(|(_, recording)| recording.paths().map(Path::to_path_buf))
        .collect();
    let inputs = inputs.iter().map(PathBuf::as_path);
    let (output, file) = Output::create(&args.output, args.force, inputs, &args.files)?;
    let (file, merged) =
        merge(recordings, &header, file).with_context(|| format!("cannot make {place}"))?;
    output.finish(file)?;
    Ok(merged)
}

/// Refuses what has no clock in common.
fn one_boot(recordings: &[(PathBuf, Recording)]) -> Result<()> {
    let told = |header: &Header| (header.host.clone(), header.boot_id.clone());
    let boots: BTreeSet<(String, String)> = recordings
        .iter()
        .map(|(_, recording)| told(recording.header()))
        .collect();
    let hosts: BTreeSet<&String> = boots.iter().map(|(host, _)| host).collect();
    if hosts.len() > 1 {
        let hosts: Vec<_> = hosts.iter().map(|it| text::escape(it.as_bytes())).collect();
        bail!(
            "these are recordings of {} hosts ({}): their clocks and pids do not compare; export \
             each with --to parquet and ask them together",
            hosts.len(),
            hosts.join(", ")
        );
    }
    if boots.len() > 1 {
        bail!(
            "these are recordings of {} boots of one host: their clocks do not compare, and their \
             pids are others'; export each with --to parquet and ask them together",
            boots.len()
        );
    }
    let ids: BTreeSet<u128> = recordings
        .iter()
        .map(|(_, recording)| recording.header().trace_id)
        .collect();
    if boots.iter().any(|(_, boot)| boot.is_empty()) && ids.len() > 1 {
        bail!(
            "these recordings do not say which boot of the host they are of: they cannot be merged"
        );
    }
    Ok(())
}

/// The header of recordings that are in order of time.
fn header<'a>(headers: impl Iterator<Item = &'a Header>) -> Header {
    let headers: Vec<&Header> = headers.collect();
    let mut merged = headers[0].clone();
    merged.segment = 0;
    let own = |name: &str| !["repaired", "snapshot", "part"].contains(&name);
    merged.options.retain(|option| {
        own(&option.0) && headers.iter().all(|header| header.options.contains(option))
    });
    merged
        .options
        .push(("merged".into(), headers.len().to_string()));
    for header in &headers[1..] {
        if header.trace_id != headers[0].trace_id {
            merged.trace_id = merged.trace_id.rotate_left(1) ^ header.trace_id;
        }
        for target in &header.targets {
            if !merged.targets.contains(target) {
                merged.targets.push(target.clone());
            }
        }
    }
    merged
}

struct Merged {
    events: u64,
    twice: u64,
    end: Time,
    missing: Vec<String>,
}

fn merge(
    recordings: Vec<(PathBuf, Recording)>,
    header: &Header,
    out: File,
) -> Result<(File, Merged)> {
    let zero = header.start_monotonic_ns;
    let mut names = Vec::new();
    let mut sources = Vec::new();
    for (path, recording) in recordings {
        names.push(load::shown(&path));
        sources.push(Source::start(recording, zero));
    }
    for source in &mut sources {
        source.prime();
    }
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
        anchored: Time(0),
        now: Time(0),
        events: 0,
    };
    let mut endings: Vec<Option<Result<Integrity, Error>>> = sources.iter().map(|_| None).collect();
    loop {
        let open = sources.iter().enumerate().filter(|(_, it)| !it.ended());
        let Some((next, _)) = open.min_by_key(|(index, it)| (it.now(), *index)) else {
            break;
        };
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
    let (mut missing, mut reason) = (Vec::new(), String::new());
    for ((integrity, name), source) in endings.into_iter().zip(names).zip(sources) {
        let integrity = integrity.context("a file was not read to its end")??;
        let integrity = source.left_out.added_to(integrity, Time(0), source.reached);
        missing.extend(told(&integrity, &name));
        if let Ending::Finished(words) = integrity.ending {
            reason = words;
        }
    }
    if reason.is_empty() {
        reason = "the recordings were cut short".into();
    }
    let end = merger.now;
    let given_up: u64 = merger.given_up.values().sum();
    let counter = (given_up > 0).then_some((GIVEN_UP_EARLY, given_up));
    let out = merger.writer.finish(end, &reason, counter.as_slice())?;
    let merged = Merged {
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
        told.push(format!("{name} was cut short, or is still being recorded"));
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
                self.stacks.define(definition);
                Ok(())
            }
            Item::Anchor(anchor) => self.anchor(anchor),
            Item::Damaged(damage) => self.damaged(&damage, source),
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
        let known = match &event.body {
            EventBody::Existing { task, .. } => self.lives(*task) && !source.had,
            _ => false,
        };
        if self.twice.is_known(&event, from, source.id) || known {
            self.told_twice += 1;
            return Ok(());
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

    fn damaged(&mut self, damage: &Damage, source: &Source) -> Result<()> {
        self.gap(
            GapReason::Damaged,
            source.shifted(damage.after),
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
        let (mut carried_on, mut hole) = (false, None);
        for (task, born) in left.alive {
            let next = others.iter().find(|other| other.goes_on_with(task, born));
            if let Some(next) = next {
                carried_on = true;
                if next.id == sources[from].id && !next.begun && next.now() > Time(left.time.0 + 1)
                {
                    hole = Some(next.now());
                }
            } else if self.lives(task) {
                self.push(&Event {
                    time: self.now,
                    body: EventBody::Detach {
                        task,
                        reason: DetachReason::RecordingEnded,
                    },
                })?;
            }
        }
        if carried_on && let Some(next) = hole {
            let detail = format!("no file covers the time until {}", time::elapsed(next));
            self.gap(GapReason::Untraced, left.time, Name::from(detail.as_str()))?;
        }
        Ok(())
    }
}
