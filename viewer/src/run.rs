//! The commands: each opens the trace, makes its view, and has it rendered.

mod diff;
mod sites;
mod stats;
pub(crate) mod timeline;

use std::io::{self, IsTerminal, Write};
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tidline::format::{Extracted, Header, Stretch, Unchanged, extract_with_symbols};
use tidline::model::{Anchor, TaskRecord, Time, Trace};

use crate::cli::{self, Color, Command, Common, Format, RuntimeFrames};
use crate::load::Recording;
use crate::output::Output;
use crate::part::{self, Part};
use crate::render::json::Stream;
use crate::render::text::Look;
use crate::render::{json, text};
use crate::scrub::{self, Scrubber};
use crate::select::{self, Selector, Selectors};
use crate::site::{Rules, Sites};
use crate::view::forest::Forest;
use crate::view::threads::Which;
use crate::view::{self, Options};
use crate::{about, export, load, merge, symbolize as symbols, time};

/// What there is to tell beside the output itself.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Lines for stderr, where the output is for programs.
    pub(crate) asides: Vec<String>,
    /// Whether `check` found damage or loss, `repair` something missing, or a condition of `diff` holds.
    pub(crate) damaged: bool,
}

/// Runs a command: opens the trace, makes the view, and renders it into `out`.
pub(crate) fn run(command: &Command, out: &mut dyn Write, report: &mut Report) -> Result<()> {
    match command {
        Command::Info(args) => info(args, out, report),
        Command::Timeline(args) => timeline::run(args, out, report),
        Command::Tree(args) => tree(args, out, report),
        Command::Threads(args) => threads(args, out, report),
        Command::Sites(args) => sites::sites(args, out, report),
        Command::Leaks(args) => sites::leaks(args, out, report),
        Command::Stats(args) => stats::stats(args, out, report),
        Command::Diff(args) => diff::run(args, out, report),
        Command::Report(args) => {
            report.asides = crate::report::run(args, out)?;
            Ok(())
        }
        Command::Replay(args) => crate::replay::run(args, out),
        Command::Check(args) => check(args, out, report),
        Command::Repair(args) => repair(args, out, report),
        Command::Symbolize(args) => symbolize(args, out, report),
        Command::Export(args) => export::run(args, out, report),
        Command::Split(args) => split(args, out, report),
        Command::Scrub(args) => scrub(args, out, report),
        Command::Merge(args) => merge::run(args, out, report),
        Command::Completions(args) => about::completions(args.shell, out),
        Command::Man(args) => about::man(args.command.as_deref(), out),
    }
}

/// The trace, and how to show it.
struct Opened {
    trace: Trace,
    /// Empty for commands that show none.
    sites: Sites,
    options: Options,
    look: Look,
}

fn open(common: &Common, width: Option<usize>) -> Result<Opened> {
    Ok(opened(load::load(&common.files)?, common, width))
}

fn opened(trace: Trace, common: &Common, width: Option<usize>) -> Opened {
    Opened {
        options: options(common, trace.anchors(), width),
        look: look(common),
        sites: Sites::default(),
        trace,
    }
}

/// The same for a command that shows sites. A wrong list of frames is told before a long load.
fn open_with_sites(
    common: &Common,
    frames: &RuntimeFrames,
    width: Option<usize>,
) -> Result<Opened> {
    let rules = load::rules(frames.runtime_frames.as_deref())?;
    let trace = load::load(&common.files)?;
    Ok(opened_with_sites(trace, common, &rules, width))
}

fn opened_with_sites(trace: Trace, common: &Common, rules: &Rules, width: Option<usize>) -> Opened {
    Opened {
        sites: Sites::of(&trace, rules),
        ..opened(trace, common, width)
    }
}

/// The same for a command that needs the events of births only where a selector asks for them. To take
/// millions of tasks apart at its end takes a while: that is left to the end of the process.
fn open_tasks(
    common: &Common,
    frames: &RuntimeFrames,
    select: &Selectors,
    width: Option<usize>,
) -> Result<ManuallyDrop<Opened>> {
    let rules = load::rules(frames.runtime_frames.as_deref())?;
    let trace = match select.ask_for_births() {
        true => load::load(&common.files)?,
        false => load::load_tasks(&common.files)?,
    };
    Ok(ManuallyDrop::new(Opened {
        options: options(common, trace.anchors(), width),
        look: look(common),
        sites: Sites::of(&trace, &rules),
        trace,
    }))
}

fn options(common: &Common, anchors: &[Anchor], width: Option<usize>) -> Options {
    Options {
        clock: time::Clock::new(anchors, common.utc),
        width: width.or_else(terminal_width),
        limit: common.limit,
    }
}

fn look(common: &Common) -> Look {
    Look {
        color: wants_color(common.color),
        ascii: common.ascii,
        columns: terminal_width(),
    }
}

fn terminal_width() -> Option<usize> {
    let size = terminal_size::terminal_size_of(io::stdout());
    size.map(|(width, _)| usize::from(width.0))
}

pub(crate) fn wants_color(color: Color) -> bool {
    let unwanted = || {
        std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb")
    };
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => io::stdout().is_terminal() && !unwanted(),
    }
}

impl Opened {
    /// What is asked for of the trace.
    fn selector(&self, args: &Selectors) -> Result<Selector<'_>> {
        Selector::new(args, &self.trace, &self.sites, &self.options.clock)
    }

    /// What `--at` says.
    fn at(&self, text: Option<&str>) -> Result<Option<Time>> {
        let at = text.map(|text| select::moment("--at", text, &self.trace, &self.options.clock));
        at.transpose()
    }
}

fn info(args: &cli::Info, out: &mut dyn Write, report: &mut Report) -> Result<()> {
    let trace = load::outline(&args.common.files)?;
    show_info(&opened(trace, &args.common, None), args, out, report)
}

fn show_info(
    opened: &Opened,
    args: &cli::Info,
    out: &mut dyn Write,
    report: &mut Report,
) -> Result<()> {
    let (trace, options) = (&opened.trace, &opened.options);
    match args.format {
        Format::Table => {
            let page = view::info::page(trace, args.modules, options);
            text::page(out, &page, opened.look)?;
        }
        Format::Json => {
            json::object(out, &view::info::info(trace, args.modules, options))?;
            report.asides = view::notices(trace);
        }
    }
    Ok(())
}

fn tree(args: &cli::Tree, out: &mut dyn Write, report: &mut Report) -> Result<()> {
    let opened = open_tasks(&args.common, &args.frames, &args.select, None)?;
    let at = opened.at(args.at.as_deref())?;
    let selector = opened.selector(&args.select)?;
    let Opened {
        trace,
        sites,
        options,
        look,
    } = &*opened;
    let shown = |task: &TaskRecord| at.is_none_or(|at| task.alive_at(at));
    let forest = Forest::new(trace, |id| {
        let task = trace.task(id);
        shown(task) && selector.admits_task(task)
    });
    match args.format {
        Format::Table => {
            let page =
                view::tree::page(trace, sites, &forest, at, &selector, !args.no_fold, options);
            text::page(out, &page, *look)?;
        }
        Format::Json => {
            report.asides = view::notices_of(trace, &selector);
            let left_out = json::forest(out, trace, &forest, &selector, options.limit)?;
            report.asides.extend(view::hidden(left_out, "task"));
            report.asides.extend(selector.tasks_shown(shown));
        }
    }
    Ok(())
}

fn threads(args: &cli::Threads, out: &mut dyn Write, report: &mut Report) -> Result<()> {
    let rules = load::rules(args.frames.runtime_frames.as_deref())?;
    if let Some(trace) = threads_of_a_moment(args)? {
        let opened = opened_with_sites(trace, &args.common, &rules, None);
        // That there is no such task at all is known by who has read everything.
        if opened.selector(&args.select)?.notices().is_empty() {
            return show_threads(args, &opened, out, report);
        }
    }
    let opened = open_tasks(&args.common, &args.frames, &args.select, None)?;
    show_threads(args, &opened, out, report)
}

/// The tasks of the moment that is asked for, if they can be had without the rest.
fn threads_of_a_moment(args: &cli::Threads) -> Result<Option<Trace>> {
    let select = &args.select;
    let is_of_moment = match &args.at {
        Some(at) => !select::is_by_mark(at),
        None => !args.all && !select.ask_for_times(),
    };
    if !is_of_moment || !select.ask_of_a_moment() {
        return Ok(None);
    }
    // What is wrong with the time is told by who has read everything.
    load::moment(&args.common.files, |extent| match &args.at {
        Some(at) => {
            let clock = time::Clock::new(extent.anchors(), args.common.utc);
            select::moment("--at", at, extent, &clock).ok()
        }
        None => Some(extent.end()),
    })
}

fn show_threads(
    args: &cli::Threads,
    opened: &Opened,
    out: &mut dyn Write,
    report: &mut Report,
) -> Result<()> {
    let selector = opened.selector(&args.select)?;
    let which = match opened.at(args.at.as_deref())? {
        Some(time) => Which::AliveAt(time),
        None if args.all || args.select.ask_for_times() => Which::All,
        None => Which::AliveAtEnd,
    };
    let Opened {
        trace,
        sites,
        options,
        look,
    } = opened;
    match args.format {
        Format::Table => {
            let page = view::threads::page(trace, sites, which, &selector, options);
            text::page(out, &page, *look)?;
        }
        Format::Json => {
            report.asides = view::notices_of(trace, &selector);
            let (threads, left_out) =
                view::threads::threads(trace, sites, which, &selector, options.limit);
            let mut stream = Stream::array();
            for thread in &threads {
                stream.push(out, thread)?;
            }
            stream.finish(out)?;
            report.asides.extend(view::hidden(left_out, "task"));
            let selected = selector.tasks_shown(|task| which.admits(task));
            report.asides.extend(selected);
        }
    }
    Ok(())
}

fn check(args: &cli::Check, out: &mut dyn Write, report: &mut Report) -> Result<()> {
    let trace = load::load_compared(&args.common.files)?;
    let Opened {
        trace,
        options,
        look,
        ..
    } = opened(trace, &args.common, None);
    let found = view::check::report(&trace, options.limit);
    report.damaged = !found.ok;
    match args.format {
        Format::Table => text::page(out, &view::check::page(&found, &options), look)?,
        Format::Json => {
            json::object(out, &found)?;
            report.asides = view::begins_later(&trace).into_iter().collect();
            report.asides.extend(view::hidden(found.hidden, "problem"));
        }
    }
    Ok(())
}

fn repair(args: &cli::Repair, out: &mut dyn Write, report: &mut Report) -> Result<()> {
    let common = &args.common;
    let part = Part {
        files: &common.files,
        output: &args.output,
        force: args.force,
        stretch: stretch(common, args.since.as_deref(), args.until.as_deref())?,
    };
    let marked = |header: &mut Header| part::mark(header, "repaired", "yes");
    let extracted = part.write(marked, &mut Unchanged)?;
    told(&part, &extracted, common, out, report)
}

fn split(args: &cli::Split, out: &mut dyn Write, report: &mut Report) -> Result<()> {
    let common = &args.common;
    if args.since.is_none() && args.until.is_none() {
        bail!("split takes a part: say from when (--since), until when (--until), or both");
    }
    let part = Part {
        files: &common.files,
        output: &args.output,
        force: args.force,
        stretch: stretch(common, args.since.as_deref(), args.until.as_deref())?,
    };
    let marked = |header: &mut Header| part::mark(header, "part", "yes");
    let extracted = part.write(marked, &mut Unchanged)?;
    told(&part, &extracted, common, out, report)
}

fn scrub(args: &cli::Scrub, out: &mut dyn Write, report: &mut Report) -> Result<()> {
    let common = &args.common;
    let part = Part {
        files: &common.files,
        output: &args.output,
        force: args.force,
        stretch: Stretch::WHOLE,
    };
    let key = scrub::key(args.key.as_deref())?;
    let mut scrubber = Scrubber::new(&key, &args.keep, &args.also);
    let mut headers = scrubber.clone();
    let extracted = part.write(|header| headers.header(header), &mut scrubber)?;
    told(&part, &extracted, common, out, report)?;
    if args.key.is_none() {
        writeln!(
            out,
            "--key {key} gives the same words again; whoever has it can test what they were"
        )?;
    }
    Ok(())
}

fn symbolize(args: &cli::Symbolize, out: &mut dyn Write, report: &mut Report) -> Result<()> {
    let common = &args.common;
    let place = match (&args.output, &common.files[..]) {
        (Some(place), _) => place.clone(),
        (None, [file]) => beside(file)?,
        (None, _) => bail!("the trace is several files: say with -o which file to write"),
    };
    let recording = Recording::open(&common.files)?;
    let mut header = recording.header().clone();
    header.segment = 0;
    part::mark(&mut header, "symbolized", "yes");
    // Before the work, so that it is not in vain.
    let (output, file) = Output::create(&place, args.force, recording.paths(), &common.files)?;
    let stacks = symbols::stacks_of(Recording::open(&common.files)?)?;
    let found = symbols::look_up(&stacks, &args.debug_dir)?;
    let shown = load::shown(&place);
    let (segments, left_out) = recording.into_segments();
    let (file, mut extracted) = extract_with_symbols(
        segments,
        Stretch::WHOLE,
        &header,
        found.symbols.clone(),
        file,
    )
    .with_context(|| format!("cannot make {shown}"))?;
    output.finish(file)?;
    extracted.integrity =
        left_out.added_to(extracted.integrity, extracted.begin, extracted.reached);
    report.damaged = !view::repair::missing(&extracted, Stretch::WHOLE).is_empty();
    let page = view::symbolize::page(&found, &shown, report.damaged, common.limit);
    Ok(text::page(out, &page, look(common))?)
}

/// Says what was written, and what is missing from it.
fn told(
    part: &Part<'_>,
    extracted: &Extracted,
    common: &Common,
    out: &mut dyn Write,
    report: &mut Report,
) -> Result<()> {
    let missing = view::repair::missing(extracted, part.stretch);
    report.damaged = !missing.is_empty();
    let options = options(common, &extracted.anchors, None);
    let place = load::shown(part.output);
    let page = view::repair::page(extracted, part.stretch, &missing, &place, &options);
    Ok(text::page(out, &page, look(common))?)
}

/// The file that is written where none is named.
fn beside(trace: &Path) -> Result<PathBuf> {
    let full = std::fs::canonicalize(trace);
    let named = trace.file_name().is_some();
    let trace = if named {
        trace.to_owned()
    } else {
        full.unwrap_or_default()
    };
    let stem = trace.file_stem();
    let stem = stem.context("the trace has no name: say with -o which file to write")?;
    let mut name = stem.to_owned();
    name.push(".symbols.tid");
    Ok(trace.with_file_name(name))
}

/// The stretch that is asked for. Where times are given, the files are read once only for where
/// they begin and end, and for what the wall clock said.
fn stretch(common: &Common, since: Option<&str>, until: Option<&str>) -> Result<Stretch> {
    if since.is_none() && until.is_none() {
        return Ok(Stretch::WHOLE);
    }
    let found = load::while_files_vanish(|| Recording::open(&common.files)?.outline())?;
    let clock = time::Clock::new(&found.anchors, common.utc);
    let mut asked = [since, until].into_iter().flatten();
    let marks = asked
        .any(select::is_by_mark)
        .then(|| load::load_tasks(&common.files));
    let marks = marks.transpose()?;
    let frame = select::Frame {
        extent: (found.begin, found.end),
        clock: &clock,
        marks: marks.as_ref(),
    };
    // What is not asked for has no end: a file that is being written has more meanwhile.
    let (from, to) = select::between(since, until, frame)?;
    Ok(Stretch {
        from: from.unwrap_or(Stretch::WHOLE.from),
        to: to.unwrap_or(Stretch::WHOLE.to),
    })
}

#[cfg(test)]
mod tests;
