//! `export`: a trace in the formats of other programs.
//!
//! Each format is one file here, but for csv and ndjson, which are `timeline`'s. What draws tracks or has
//! a row for each task is written as the recording is read, and keeps no more than what lives at a time;
//! of a selection, which may ask for what comes later, the trace is in memory. So it is for Firefox's
//! profiles and for pictures of trees, which are made as a whole.

mod chrome;
mod dot;
mod firefox;
mod folded;
mod lives;
mod mermaid;
#[cfg(feature = "parquet")]
mod parquet;
mod perfetto;
mod stacks;
mod tree;

use std::io::{self, BufWriter, IsTerminal, Write};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use tidline::model::Trace;

use self::lives::Source;
use crate::cli::{self, Counting, EventFormat};
use crate::events::Events;
use crate::load::{self, Recording};
use crate::output::{Output, is_all_that_is_known, is_stdout};
use crate::run::Report;
use crate::run::timeline::records;
use crate::select::Selector;
use crate::site::Sites;
use crate::stream::Stream;
use crate::time::Clock;
use crate::view::{self, Options};

/// The formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum To {
    Perfetto,
    Chrome,
    Firefox,
    Folded,
    Dot,
    Mermaid,
    Csv,
    Ndjson,
    #[cfg(feature = "parquet")]
    Parquet,
}

/// Tasks that a picture of boxes and arrows shows at most, where nothing is said.
const NODES: usize = 200;
/// Tracks of a Firefox profile, where nothing is said.
const TRACKS: usize = 1_000;

/// Exports a trace to a file, or to `out`.
pub(crate) fn run(args: &cli::Export, out: &mut dyn Write, report: &mut Report) -> Result<()> {
    let output = args.output.as_deref();
    match output.filter(|place| !is_stdout(place)) {
        #[cfg(feature = "parquet")]
        Some(folder) if args.to == To::Parquet => told(args, report, |source, about| {
            let options = options(args, source.about());
            parquet::write(source, &about, &options, (folder, args.force))
        }),
        #[cfg(feature = "parquet")]
        None if args.to == To::Parquet => {
            bail!("parquet is written into a folder: name it with -o")
        }
        Some(place) => {
            let recording = Recording::open(&args.files)?;
            let (output, file) = Output::create(place, args.force, recording.paths(), &args.files)?;
            drop(recording);
            let mut file = BufWriter::with_capacity(1 << 16, file);
            written(args, &mut file, report).map_err(|error| {
                match is_all_that_is_known(&error) {
                    true => error.context(format!("cannot write {}", load::shown(place))),
                    false => error,
                }
            })?;
            let file = file.into_inner().map_err(io::IntoInnerError::into_error);
            output.finish(file.with_context(|| format!("cannot write {}", load::shown(place)))?)
        }
        None => {
            if args.to == To::Perfetto && io::stdout().is_terminal() {
                bail!("perfetto's format is nothing for a terminal: name a file with -o");
            }
            written(args, out, report)
        }
    }
}

/// Writes what is a stream of bytes.
fn written(args: &cli::Export, out: &mut dyn Write, report: &mut Report) -> Result<()> {
    match args.to {
        To::Csv => events(args, EventFormat::Csv, out, report),
        To::Ndjson => events(args, EventFormat::Ndjson, out, report),
        To::Firefox | To::Dot | To::Mermaid => whole(args, out, report),
        _ => told(args, report, |source, about| {
            match args.to {
                To::Folded => {
                    if let Some(why) = source.why_no_stacks() {
                        bail!(
                            "no stacks are in this recording, so there is nothing to export: {why}"
                        );
                    }
                    return folded::write(source, args.count == Counting::Alive, out);
                }
                To::Chrome => chrome::write(source, &about, out)?,
                _ => perfetto::write(source, about.selected, out)?,
            }
            Ok(None)
        }),
    }
}

/// Writes events one by one.
fn events(
    args: &cli::Export,
    format: EventFormat,
    out: &mut dyn Write,
    report: &mut Report,
) -> Result<()> {
    let rules = load::rules(None)?;
    if let Some((stream, again)) = Stream::open(&args.files, &args.select, &rules, None)? {
        let options = options(args, &stream.whole);
        let (whole, sites) = (&stream.whole, &stream.sites);
        let selector = Selector::new(&args.select, whole, sites, &options.clock)?;
        let events = Events::read((&stream, again), &args.select, &selector);
        return records(events, &options, format, out, report);
    }
    let trace = load::load(&args.files)?;
    let (sites, options) = (stacks::sites(&trace), options(args, &trace));
    let selector = Selector::new(&args.select, &trace, &sites, &options.clock)?;
    let events = Events::loaded(&trace, &sites, &selector);
    records(events, &options, format, out, report)
}

/// What there is to know before a trace is told.
pub(super) struct About<'a> {
    sites: &'a Sites,
    missing: &'a [String],
    /// What is selected, in words; empty if that is everything.
    selected: &'a str,
}

/// Has a trace told as it is read, or a part of it that is asked for from memory.
fn told(
    args: &cli::Export,
    report: &mut Report,
    write: impl FnOnce(Source<'_>, About<'_>) -> Result<Option<String>>,
) -> Result<()> {
    let rules = load::rules(None)?;
    let everything = args.select.words().is_empty();
    let stream = match everything {
        true => Stream::open(&args.files, &args.select, &rules, None)?,
        false => None,
    };
    if let Some((stream, again)) = stream.filter(|(stream, _)| stream.has_numbers) {
        report.asides.extend_from_slice(&stream.notices);
        let about = About {
            sites: &stream.sites,
            missing: &stream.notices,
            selected: "",
        };
        let aside = write(Source::Read(&stream, Box::new(again)), about)?;
        report.asides.extend(aside);
        return Ok(());
    }
    let trace = load::load(&args.files)?;
    let sites = stacks::sites(&trace);
    let selector = selector(args, &trace, &sites)?;
    let selected = selected(args, &selector);
    report.asides = view::notices_of(&trace, &selector);
    let about = About {
        sites: &sites,
        missing: &view::notices(&trace),
        selected: selected.as_deref().unwrap_or_default(),
    };
    let aside = write(Source::Loaded(&trace, &selector), about)?;
    report.asides.extend(selected);
    report.asides.extend(aside);
    Ok(())
}

/// Writes what is made of the trace as a whole.
fn whole(args: &cli::Export, out: &mut dyn Write, report: &mut Report) -> Result<()> {
    let trace = load::load(&args.files)?;
    let sites = stacks::sites(&trace);
    let selector = selector(args, &trace, &sites)?;
    report.asides = view::notices_of(&trace, &selector);
    report.asides.extend(selected(args, &selector));
    let most = |default| args.max_nodes.map_or(default, |most| most as usize);
    match args.to {
        To::Firefox => firefox::write(&selector, most(TRACKS), out)?,
        To::Dot => dot::write(&selector, most(NODES), out)?,
        _ => mermaid::write(&selector, most(NODES), out)?,
    }
    Ok(())
}

fn options(args: &cli::Export, trace: &Trace) -> Options {
    Options {
        clock: Clock::new(trace.anchors(), args.utc),
        width: None,
        limit: 0,
    }
}

fn selector<'a>(args: &cli::Export, trace: &'a Trace, sites: &'a Sites) -> Result<Selector<'a>> {
    let clock = Clock::new(trace.anchors(), args.utc);
    Selector::new(&args.select, trace, sites, &clock)
}

/// How much of it is written, where that is not all.
fn selected(args: &cli::Export, selector: &Selector<'_>) -> Option<String> {
    let alive = args.count == Counting::Alive;
    let folded = args.to == To::Folded;
    selector.tasks_shown(|task| !folded || folded::is_counted(task, alive))
}
