//! `export`: a trace in the formats of other programs.
//!
//! Each format is one file here, but for csv and ndjson, which are `timeline`'s. The loaded trace is all
//! that they keep in memory, of which Perfetto's and Chrome's need no more than the tasks; but for Firefox's
//! profiles, which are made as a whole.

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

use crate::cli::{self, Counting, EventFormat};
use crate::events::Events;
use crate::load::{self, Recording};
use crate::output::{Output, is_stdout};
use crate::retold::Story;
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
        Some(folder) if args.to == To::Parquet => {
            let trace = load::load(&args.files)?;
            report.asides = view::notices(&trace);
            parquet::write(&trace, &options(args, &trace), folder, args.force)
        }
        #[cfg(feature = "parquet")]
        None if args.to == To::Parquet => {
            bail!("parquet is written into a folder: name it with -o")
        }
        Some(place) => {
            let recording = Recording::open(&args.files)?;
            let (output, file) = Output::create(place, args.force, recording.paths(), &args.files)?;
            drop(recording);
            let mut file = BufWriter::with_capacity(1 << 16, file);
            written(args, &mut file, report).map_err(|error| match error.is::<io::Error>() {
                true => error.context(format!("cannot write {}", load::shown(place))),
                false => error,
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
    let format = match args.to {
        To::Csv => Some(EventFormat::Csv),
        To::Ndjson => Some(EventFormat::Ndjson),
        _ => None,
    };
    let rules = load::rules(None)?;
    let stream = match format {
        Some(_) => Stream::open(&args.files, &args.select, &rules, None)?,
        None => None,
    };
    if let (Some(format), Some((stream, again))) = (format, stream) {
        let options = options(args, &stream.whole);
        let (whole, sites) = (&stream.whole, &stream.sites);
        let selector = Selector::new(&args.select, whole, sites, &options.clock)?;
        let events = Events::read((&stream, again), &args.select, &selector);
        return records(events, &options, format, out, report);
    }
    let story = match args.to {
        To::Perfetto | To::Chrome => Story::open(&args.files)?,
        _ => Story::Whole(load::load(&args.files)?),
    };
    let trace = story.trace();
    let sites = stacks::sites(trace);
    let selector = selector(args, trace, &sites)?;
    if let Some(format) = format {
        let events = Events::loaded(trace, &sites, &selector);
        return records(events, &options(args, trace), format, out, report);
    }
    report.asides = view::notices_of(trace, &selector);
    report.asides.extend(selected(args, &selector));
    check(args, trace)?;
    let aside = write(args, &story, &selector, out)?;
    report.asides.extend(aside);
    Ok(())
}

fn options(args: &cli::Export, trace: &Trace) -> Options {
    Options {
        clock: Clock::new(trace.anchors(), args.utc),
        width: None,
        limit: 0,
    }
}

/// What is selected. The formats that draw whole lives take no part of a trace: `split` makes one.
fn selector<'a>(args: &cli::Export, trace: &'a Trace, sites: &'a Sites) -> Result<Selector<'a>> {
    let clock = Clock::new(trace.anchors(), args.utc);
    let selector = Selector::new(&args.select, trace, sites, &clock)?;
    let takes = matches!(args.to, To::Csv | To::Ndjson | To::Folded);
    if !takes && !selector.is_everything() {
        bail!(
            "selectors are for csv, ndjson and folded. Of a stretch `tidview split` makes a file, which \
             every format takes; other selections of whole lives are in `tidview tree` and `report`"
        );
    }
    Ok(selector)
}

/// How much of it is written, where that is not all.
fn selected(args: &cli::Export, selector: &Selector<'_>) -> Option<String> {
    let alive = args.count == Counting::Alive;
    let folded = args.to == To::Folded;
    folded.then(|| selector.tasks_shown(|task| view::folded::is_counted(task, alive)))?
}

/// Refuses what would be empty.
fn check(args: &cli::Export, trace: &Trace) -> Result<()> {
    if args.to == To::Folded && trace.stacks().is_empty() {
        bail!(
            "no stacks are in this recording, so there is nothing to export: {}",
            view::stacks::why_none(trace)
        );
    }
    Ok(())
}

/// Writes what is made from the whole trace; returns what there is to tell beside.
fn write(
    args: &cli::Export,
    story: &Story,
    selector: &Selector<'_>,
    out: &mut dyn Write,
) -> Result<Option<String>> {
    let trace = story.trace();
    let most = |default| args.max_nodes.map_or(default, |most| most as usize);
    match args.to {
        To::Folded => {
            let alive = args.count == Counting::Alive;
            return Ok(folded::write(trace, selector, alive, out)?);
        }
        To::Perfetto => perfetto::write(story, out)?,
        To::Chrome => chrome::write(story, out)?,
        To::Firefox => firefox::write(story, most(TRACKS), out)?,
        To::Dot => dot::write(trace, most(NODES), out)?,
        To::Mermaid => mermaid::write(trace, most(NODES), out)?,
        // They are written elsewhere: their events one by one, and what is no stream of bytes.
        To::Csv | To::Ndjson => {}
        #[cfg(feature = "parquet")]
        To::Parquet => {}
    }
    Ok(None)
}
