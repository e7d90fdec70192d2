//! `report`: one page of HTML with all that a trace has, which needs nothing but a browser.
//!
//! [`data`] makes bytes of a trace, [`html`] puts them into a page beside the code that shows them
//! (`page/`). The page loads nothing and sends nothing: it opens from a disk, on any machine.

mod alike;
mod args;
mod chosen;
mod columns;
mod data;
mod html;
mod points;
mod stacks;
mod strings;
#[cfg(test)]
mod tests;

use std::io::Write;

use anyhow::{Context, Result};

pub(crate) use args::{EXAMPLES, ReportArgs};
use data::Asking;

use crate::load;
use crate::output::Output;
use crate::select::Selector;
use crate::site::Sites;
use crate::time::Clock;
use crate::words::size;

/// Writes the page; returns what there is to tell on stderr.
pub(crate) fn run(args: &ReportArgs, out: &mut dyn Write) -> Result<Vec<String>> {
    let rules = load::rules(args.frames.runtime_frames.as_deref())?;
    let recording = load::Recording::open(&args.files)?;
    // Before the work, so that it is not in vain.
    let (output, mut file) =
        Output::create(&args.output, args.force, recording.paths(), &args.files)?;
    drop(recording);
    let trace = load::load(&args.files)?;
    let sites = Sites::of(&trace, &rules);
    let asking = Asking {
        title: args.title.clone(),
        utc: args.utc,
        most: data::MOST_TASKS,
    };
    let clock = Clock::new(trace.anchors(), args.utc);
    let selector = Selector::new(&args.select, &trace, &sites, &clock)?;
    let packed = data::pack(&trace, &sites, &selector, &asking);
    let page = html::page(&packed);
    let shown = load::shown(&args.output);
    file.write_all(page.as_bytes())
        .with_context(|| format!("cannot write {shown}"))?;
    output.finish(file)?;
    writeln!(
        out,
        "wrote {shown}, {}: a browser opens it",
        size(page.len() as u64)
    )?;
    let mut asides = crate::view::notices_of(&trace, &selector);
    asides.extend(packed.asides);
    Ok(asides)
}
