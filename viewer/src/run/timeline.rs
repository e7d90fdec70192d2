//! `timeline`: its lanes from the whole trace, its events as they are read where that can be.

use std::io::Write;

use anyhow::{Result, bail};
use tidline::model::Trace;

use super::{Opened, Report, look, open, opened, options, terminal_width};
use crate::cli::{self, EventFormat};
use crate::events::Events;
use crate::load;
use crate::render::json::Stream as Objects;
use crate::render::text::Look;
use crate::render::{csv, text};
use crate::select::{self, Selector};
use crate::site::{Rules, Sites};
use crate::stream::Stream;
use crate::time;
use crate::view::timeline::Entry;
use crate::view::{self, Options};

pub(super) fn run(args: &cli::Timeline, out: &mut dyn Write, report: &mut Report) -> Result<()> {
    if args.lanes && args.format != EventFormat::Table {
        bail!("--lanes draws for people: it does not go with --format");
    }
    if args.stack && args.format != EventFormat::Table {
        bail!("--stack is for people: JSON and CSV have the stacks anyway");
    }
    // A wrong list is told before a long reading.
    let rules = load::rules(args.frames.runtime_frames.as_deref())?;
    if !args.lanes
        && args.select.ask_for_a_stretch()
        && let Some(trace) = stretch(args)?
    {
        return loaded(
            args,
            opened(trace, &args.common, args.width),
            &rules,
            out,
            report,
        );
    }
    let (files, width) = (&args.common.files, args.width.or_else(terminal_width));
    let stream = match args.lanes {
        true => None,
        false => Stream::open(files, &args.select, &rules, width)?,
    };
    if let Some((stream, again)) = stream {
        let options = options(&args.common, stream.whole.anchors(), args.width);
        let selector = Selector::new(&args.select, &stream.whole, &stream.sites, &options.clock)?;
        let events = Events::read((&stream, again), &args.select, &selector);
        return events_shown(args, events, &options, out, report);
    }
    loaded(args, open(&args.common, args.width)?, &rules, out, report)
}

/// The stretch that is asked for, if it can be had without the rest.
fn stretch(args: &cli::Timeline) -> Result<Option<Trace>> {
    // What is wrong with the times is told by who has read everything.
    let asked = |extent: &Trace| {
        let clock = time::Clock::new(extent.anchors(), args.common.utc);
        select::stretch(&args.select, extent, &clock).ok().flatten()
    };
    load::stretch(&args.common.files, asked)
}

/// Shows what is in memory.
pub(super) fn loaded(
    args: &cli::Timeline,
    mut opened: Opened,
    rules: &Rules,
    out: &mut dyn Write,
    report: &mut Report,
) -> Result<()> {
    opened.sites = Sites::of(&opened.trace, rules);
    let selector = opened.selector(&args.select)?;
    let Opened { trace, options, .. } = &opened;
    if args.lanes {
        let page = view::lanes::page(trace, &selector, options);
        return Ok(text::page(out, &page, opened.look)?);
    }
    let events = Events::loaded(trace, &opened.sites, &selector);
    events_shown(args, events, options, out, report)
}

fn events_shown(
    args: &cli::Timeline,
    events: Events<'_>,
    options: &Options,
    out: &mut dyn Write,
    report: &mut Report,
) -> Result<()> {
    match args.format {
        EventFormat::Table => table(events, options, look(&args.common), args.stack, out),
        format => records(events, options, format, out, report),
    }
}

/// How many events were shown, and how many were not for a limit.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    shown: usize,
    left_out: usize,
}

impl Counts {
    /// Whether the next one is shown.
    fn next(&mut self, limit: usize) -> bool {
        let is_shown = limit == 0 || self.shown < limit;
        match is_shown {
            true => self.shown += 1,
            false => self.left_out += 1,
        }
        is_shown
    }
}

fn table(
    events: Events<'_>,
    options: &Options,
    look: Look,
    stacks: bool,
    out: &mut dyn Write,
) -> Result<()> {
    let layout = events.layout(options)?;
    text::notices(out, &events.notices, look)?;
    let mut header = Some(options.clock.zone_name());
    let mut counts = Counts::default();
    let (sites, selector, all) = (events.sites, events.selector, events.all);
    events.each(|trace, entry| {
        if !counts.next(options.limit) {
            return Ok(());
        }
        if let Some(zone) = header.take() {
            text::timeline_header(out, &layout, &zone, look)?;
        }
        let row = view::timeline::row(trace, sites, &entry, &layout, options);
        text::timeline_row(out, &layout, &row, look)?;
        match stacks {
            true => text::below_row(out, &view::timeline::stack(trace, sites, &entry), look),
            false => Ok(()),
        }
    })?;
    let foot = view::timeline::foot(all, selector, counts.shown, counts.left_out);
    Ok(text::foot(out, &foot, counts.shown > 0, look)?)
}

/// Writes events as the contract's objects, or their cells; tells how many of them were asked for.
pub(crate) fn records(
    events: Events<'_>,
    options: &Options,
    format: EventFormat,
    out: &mut dyn Write,
    report: &mut Report,
) -> Result<()> {
    let mut objects = match format {
        EventFormat::Json => Objects::array(),
        _ => Objects::lines(),
    };
    let is_csv = format == EventFormat::Csv;
    if is_csv {
        csv::header(out)?;
    }
    report.asides.extend_from_slice(&events.notices);
    let (sites, selector, all) = (events.sites, events.selector, events.all);
    let mut counts = Counts::default();
    events.each(|trace: &Trace, entry: Entry<'_>| {
        if !counts.next(options.limit) {
            return Ok(());
        }
        let record = view::record::record(trace, sites, &entry, options);
        match is_csv {
            true => csv::record(out, &record),
            false => objects.push(out, &record),
        }
    })?;
    report.asides.extend(view::hidden(counts.left_out, "event"));
    let selected = selector.shown_of(counts.shown + counts.left_out, all, "event");
    report.asides.extend(selected);
    Ok(objects.finish(out)?)
}
