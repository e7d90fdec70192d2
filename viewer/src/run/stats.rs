//! The command about numbers: `stats`.

use std::io::Write;

use anyhow::Result;

use super::{Report, open_tasks};
use crate::cli::{self, RowFormat};
use crate::render::csv::rows;
use crate::render::{json, text};
use crate::select;
use crate::view::{self, stats};

/// `tidview stats`.
pub(super) fn stats(args: &cli::Stats, out: &mut dyn Write, report: &mut Report) -> Result<()> {
    let bucket = select::span("--bucket", args.bucket.as_deref())?;
    let opened = open_tasks(&args.common, &args.frames, &args.select, args.width)?;
    let selector = opened.selector(&args.select)?;
    let (trace, options) = (&opened.trace, &opened.options);
    let figures = stats::figures(trace, &opened.sites, &selector, bucket)?;
    if args.format == RowFormat::Table {
        let page = stats::page(trace, &figures, &selector, options);
        let look = text::Look {
            columns: args.width.or(opened.look.columns),
            ..opened.look
        };
        return Ok(text::page(out, &page, look)?);
    }
    report.asides = view::notices_of(trace, &selector);
    let (tasks, all) = (figures.tasks as usize, figures.all_tasks as usize);
    report.asides.extend(selector.shown_of(tasks, all, "task"));
    if args.format == RowFormat::Json {
        return Ok(json::object(out, &figures)?);
    }
    let limit = match options.limit {
        0 => figures.buckets.len(),
        limit => limit.min(figures.buckets.len()),
    };
    let left_out = figures.buckets.len() - limit;
    report.asides.extend(view::hidden(left_out, "part"));
    rows::header::<stats::Bucket>(out)?;
    for bucket in &figures.buckets[..limit] {
        rows::row(out, bucket)?;
    }
    Ok(())
}
