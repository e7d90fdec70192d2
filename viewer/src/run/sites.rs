//! The commands about places in the code: `sites` and `leaks`.

use std::io::Write;

use anyhow::{Result, bail};

use super::{Opened, Report, open_with_sites};
use crate::cli::{self, RowFormat};
use crate::group::By;
use crate::render::csv::rows::{self, Cells};
use crate::render::json::Stream;
use crate::render::text;
use crate::view;
use crate::view::leaks::{self, Leaks};
use crate::view::sites::{self, Asked};

/// `tidview sites`.
pub(super) fn sites(args: &cli::Sites, out: &mut dyn Write, report: &mut Report) -> Result<()> {
    if args.failed && matches!(args.by, By::Routine | By::Lineage) {
        bail!(
            "--failed: a refused creation made no task, which could have a {}",
            args.by.as_str()
        );
    }
    let opened = open_with_sites(&args.common, &args.frames, None)?;
    let selector = opened.selector(&args.select)?;
    let asked = Asked::new(&opened.trace, &opened.sites, args.by, &selector);
    if args.format == RowFormat::Table {
        let page = match args.failed {
            true => sites::failed_page(&asked, &opened.options),
            false => sites::page(&asked, &opened.options),
        };
        return Ok(text::page(out, &page, opened.look)?);
    }
    if args.failed {
        let failed = sites::failed(&asked);
        report.asides = view::notices_of(&opened.trace, &selector);
        report.asides.extend(sites::failed_selected(&asked));
        let each = |(key, group): &_| sites::failed_row(&asked, key, group);
        return print(args.format, &failed, each, &opened, out, report);
    }
    let groups = sites::groups(&asked);
    let keys: Vec<_> = groups.iter().map(|group| &group.key).collect();
    (report.asides, _) = sites::words(&asked, &keys);
    report.asides.extend(sites::selected(&asked));
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
    let selector = opened.selector(&args.select)?;
    let leaks = Leaks::new(Asked::new(&opened.trace, &opened.sites, args.by, &selector));
    if args.format == RowFormat::Table {
        let page = leaks::page(&leaks, &opened.options);
        return Ok(text::page(out, &page, opened.look)?);
    }
    report.asides = leaks.notices();
    report.asides.extend(leaks.selected());
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
