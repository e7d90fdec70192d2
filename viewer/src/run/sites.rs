//! The commands about places in the code: `sites`, `leaks` and `export`.

use std::io::{BufWriter, Write};

use anyhow::{Context, Result, bail};

use super::{Opened, Report, open, open_with_sites};
use crate::cli::{self, Counting, Form, RowFormat};
use crate::group::By;
use crate::load;
use crate::output::Output;
use crate::render::csv::rows::{self, Cells};
use crate::render::json::Stream;
use crate::render::text;
use crate::view::leaks::{self, Leaks};
use crate::view::sites::{self, Asked};
use crate::view::{self, folded};
use crate::words::counted;

/// `tidview sites`.
pub(super) fn sites(args: &cli::Sites, out: &mut dyn Write, report: &mut Report) -> Result<()> {
    if args.failed && matches!(args.by, By::Routine | By::Lineage) {
        bail!(
            "--failed: a refused creation made no task, which could have a {}",
            args.by.as_str()
        );
    }
    let opened = open_with_sites(&args.common, &args.frames, None)?;
    let asked = Asked::new(&opened.trace, &opened.sites, args.by);
    if args.format == RowFormat::Table {
        let page = match args.failed {
            true => sites::failed_page(&asked, &opened.options),
            false => sites::page(&asked, &opened.options),
        };
        return Ok(text::page(out, &page, opened.look)?);
    }
    if args.failed {
        let failed = sites::failed(&asked);
        report.asides = view::notices(&opened.trace);
        let each = |(key, group): &_| sites::failed_row(&asked, key, group);
        return print(args.format, &failed, each, &opened, out, report);
    }
    let groups = sites::groups(&asked);
    let keys: Vec<_> = groups.iter().map(|group| &group.key).collect();
    (report.asides, _) = sites::words(&asked, &keys);
    print(
        args.format,
        &groups,
        |group| sites::row(&asked, group),
        &opened,
        out,
        report,
    )
}

/// `tidview leaks`.
pub(super) fn leaks(args: &cli::Leaks, out: &mut dyn Write, report: &mut Report) -> Result<()> {
    let opened = open_with_sites(&args.common, &args.frames, None)?;
    let leaks = Leaks::new(Asked::new(&opened.trace, &opened.sites, args.by));
    if args.format == RowFormat::Table {
        let page = leaks::page(&leaks, &opened.options);
        return Ok(text::page(out, &page, opened.look)?);
    }
    report.asides = leaks.notices();
    print(
        args.format,
        &leaks.judged,
        |it| leaks.row(it),
        &opened,
        out,
        report,
    )
}

/// Prints a row for each item, as many as the limit lets.
fn print<T, R: Cells + serde::Serialize>(
    format: RowFormat,
    items: &[T],
    row: impl Fn(&T) -> R,
    opened: &Opened,
    out: &mut dyn Write,
    report: &mut Report,
) -> Result<()> {
    let shown = match opened.options.limit {
        0 => items.len(),
        limit => limit.min(items.len()),
    };
    report
        .asides
        .extend(view::hidden(items.len() - shown, "group"));
    if format == RowFormat::Csv {
        rows::header::<R>(out)?;
        for item in &items[..shown] {
            rows::row(out, &row(item))?;
        }
        return Ok(());
    }
    let mut stream = Stream::array();
    for item in &items[..shown] {
        stream.push(out, &row(item))?;
    }
    Ok(stream.finish(out)?)
}

/// `tidview export`.
pub(super) fn export(args: &cli::Export, out: &mut dyn Write, report: &mut Report) -> Result<()> {
    let Form::Folded = args.to;
    let opened = open(&args.common, None)?;
    let folded = folded::folded(&opened.trace, args.count == Counting::Alive);
    report.asides = view::notices(&opened.trace);
    if opened.trace.stacks().is_empty() {
        bail!(
            "no stacks are in this recording, so there is nothing to export: `tidrec --stacks on` \
             records them"
        );
    }
    if folded.without > 0 {
        let tasks = counted(folded.without, "task");
        report
            .asides
            .push(format!("{tasks} without a stack left out"));
    }
    let limit = match opened.options.limit {
        0 => folded.lines.len(),
        limit => limit.min(folded.lines.len()),
    };
    let lines = &folded.lines[..limit];
    report
        .asides
        .extend(view::hidden(folded.lines.len() - limit, "stack"));
    let Some(place) = &args.output else {
        return write_lines(out, lines);
    };
    let recording = load::Recording::open(&args.common.files)?;
    let (output, file) = Output::create(place, args.force, recording.paths(), &args.common.files)?;
    let mut file = BufWriter::new(file);
    write_lines(&mut file, lines)
        .with_context(|| format!("cannot write {}", load::shown(place)))?;
    let file = file
        .into_inner()
        .map_err(std::io::IntoInnerError::into_error);
    output.finish(file.with_context(|| format!("cannot write {}", load::shown(place)))?)
}

fn write_lines(out: &mut dyn Write, lines: &[(String, u64)]) -> Result<()> {
    for (line, count) in lines {
        writeln!(out, "{line} {count}")?;
    }
    Ok(())
}
