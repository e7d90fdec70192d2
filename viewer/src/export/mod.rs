//! `export`: a trace in the formats of other programs.
//!
//! Each format is one file here. The loaded trace is all that they keep in memory, but for
//! Firefox's profiles, which are made as a whole.

mod chrome;
mod csv;
mod dot;
mod firefox;
mod folded;
mod lives;
mod mermaid;
mod ndjson;
#[cfg(feature = "parquet")]
mod parquet;
mod perfetto;
mod stacks;
mod tree;

use std::io::{self, BufWriter, IsTerminal, Write};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use tidline::model::Trace;

use crate::cli::{self, Counting};
use crate::load::{self, Recording};
use crate::output::{Output, is_stdout};
use crate::run::Report;
use crate::select::Selector;
use crate::site::Sites;
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
            let trace = load::load(&args.files)?;
            let sites = stacks::sites(&trace);
            let selector = selector(args, &trace, &sites)?;
            report.asides = view::notices_of(&trace, &selector);
            report.asides.extend(selected(args, &trace, &selector));
            let mut file = BufWriter::with_capacity(1 << 16, file);
            check(args, &trace)?;
            let written = write(args, &trace, (&sites, &selector), &mut file);
            let written = written.and_then(|aside| file.flush().map(|()| aside));
            let aside = written.with_context(|| format!("cannot write {}", load::shown(place)))?;
            report.asides.extend(aside);
            let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
            output.finish(file)
        }
        None => {
            if args.to == To::Perfetto && io::stdout().is_terminal() {
                bail!("perfetto's format is nothing for a terminal: name a file with -o");
            }
            let trace = load::load(&args.files)?;
            let sites = stacks::sites(&trace);
            let selector = selector(args, &trace, &sites)?;
            report.asides = view::notices_of(&trace, &selector);
            report.asides.extend(selected(args, &trace, &selector));
            check(args, &trace)?;
            let aside = write(args, &trace, (&sites, &selector), out)?;
            report.asides.extend(aside);
            Ok(())
        }
    }
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
            "selectors are for csv, ndjson and folded: `tidview split` makes a file of a stretch, which              every format takes"
        );
    }
    Ok(selector)
}

/// How much of it is written, where that is not all.
fn selected(args: &cli::Export, trace: &Trace, selector: &Selector<'_>) -> Option<String> {
    if args.to == To::Folded {
        let alive = args.count == Counting::Alive;
        return selector.tasks_shown(|task| view::folded::is_counted(task, alive));
    }
    let shown = selector.events().filter(|seq| selector.admits(*seq));
    let all = trace.events().len();
    (!selector.is_everything()).then(|| selector.shown_of(shown.count(), all, "event"))?
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

/// Writes what is a stream of bytes; returns what there is to tell beside.
fn write(
    args: &cli::Export,
    trace: &Trace,
    (sites, selector): (&Sites, &Selector<'_>),
    out: &mut dyn Write,
) -> io::Result<Option<String>> {
    let options = options(args, trace);
    let most = |default| args.max_nodes.map_or(default, |most| most as usize);
    let written = match args.to {
        To::Folded => return folded::write(trace, selector, args.count == Counting::Alive, out),
        To::Perfetto => perfetto::write(trace, out),
        To::Chrome => chrome::write(trace, out),
        To::Firefox => firefox::write(trace, most(TRACKS), out),
        To::Dot => dot::write(trace, most(NODES), out),
        To::Mermaid => mermaid::write(trace, most(NODES), out),
        To::Csv => csv::write(trace, sites, selector, &options, out),
        To::Ndjson => ndjson::write(trace, sites, selector, &options, out),
        // It is written elsewhere: it is no stream of bytes.
        #[cfg(feature = "parquet")]
        To::Parquet => Ok(()),
    };
    written.map(|()| None)
}
