//! `report`: one page of HTML with all that a trace has, which needs nothing but a browser.
//!
//! [`data`] makes bytes of a trace, [`html`] puts them into a page beside the code that shows them
//! (`page/`). The page loads nothing and sends nothing: it opens from a disk, on any machine.

mod alike;
mod args;
mod both;
mod chosen;
mod columns;
mod curve;
mod data;
mod html;
mod points;
mod stacks;
mod strings;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

pub(crate) use args::{EXAMPLES, ReportArgs};
use data::{Asking, Packed};
use html::Other;

use crate::compare::{self, Compared, Reader};
use crate::diff::side::Side;
use crate::load;
use crate::output::Output;
use crate::select::Selector;
use crate::site::{Rules, Sites};
use crate::time::Clock;
use crate::words::size;

/// Writes the page; returns what there is to tell on stderr.
pub(crate) fn run(args: &ReportArgs, out: &mut dyn Write) -> Result<Vec<String>> {
    // What is wrong with it is told before a long load.
    rules(args)?;
    let recording = load::Recording::open(&args.files)?;
    let before = args.diff.as_slice();
    let before = match before {
        [] => None,
        old => Some(load::Recording::open(old).context("--diff")?),
    };
    let inputs = recording.paths();
    let inputs = inputs.chain(before.iter().flat_map(load::Recording::paths));
    // Before the work, so that it is not in vain.
    let (output, mut file) = Output::create(&args.output, args.force, inputs, &args.files)?;
    drop(before);
    drop(recording);
    let compared = args.diff.as_deref().map(|old| compared(args, old));
    let (compared, unused) = compared.transpose()?.unzip();
    let new = compared.as_ref().map(|it| &it.comparison.new);
    let (page, mut asides) = packed(args, &args.files, new)?;
    let other = match (&compared, &args.diff) {
        (Some(compared), Some(old)) => {
            let (other, more) = other(args, compared, old)?;
            let shown = load::shown(old);
            asides.extend(more.iter().map(|it| format!("{shown}: {it}")));
            Some(other)
        }
        _ => None,
    };
    let page = html::page(&page, other.as_ref());
    let shown = load::shown(&args.output);
    file.write_all(page.as_bytes())
        .with_context(|| format!("cannot write {shown}"))?;
    output.finish(file)?;
    writeln!(
        out,
        "wrote {shown}, {}: a browser opens it",
        size(page.len() as u64)
    )?;
    if let Some(compared) = &compared {
        let shown = compared.shown();
        writeln!(out, "{}", shown.verdict())?;
        asides.extend(shown.notices());
        asides.extend(unused.unwrap_or_default());
    }
    Ok(asides)
}

fn rules(args: &ReportArgs) -> Result<Rules> {
    load::rules(args.frames.runtime_frames.as_deref())
}

/// What differs from an older recording; and what there is to tell of the list of new names.
fn compared(args: &ReportArgs, old: &Path) -> Result<(Compared, Vec<String>)> {
    let reader = Reader {
        rules: rules(args)?,
        renames: compare::renames(args.renames.as_deref())?,
        between: args.between.as_deref().map(compare::marks).transpose()?,
        people: true,
    };
    let compared = reader.compared(&[vec![old.to_owned()]], &args.files, args.per_second)?;
    Ok((compared, reader.renames.unused()))
}

/// The older run for a page of two, and what there is to tell of it.
fn other(args: &ReportArgs, compared: &Compared, old: &Path) -> Result<(Other, Vec<String>)> {
    let side = Some(&compared.comparison.old);
    let packed = packed(args, &[old.to_owned()], side);
    let (old, _) = packed.with_context(|| format!("--diff {}", load::shown(old)))?;
    let asides = old.asides.clone();
    let selected = !args.select.words().is_empty();
    let part = both::part(selected);
    let compared = both::compared(compared, part);
    Ok((Other { old, compared }, asides))
}

/// The data of one recording, and what there is to tell of it.
fn packed(
    args: &ReportArgs,
    files: &[PathBuf],
    side: Option<&Side>,
) -> Result<(Packed, Vec<String>)> {
    let trace = load::load(files)?;
    let sites = Sites::of(&trace, &rules(args)?);
    let clock = Clock::new(trace.anchors(), args.utc);
    let selector = Selector::new(&args.select, &trace, &sites, &clock)?;
    let asking = Asking {
        title: args.title.clone(),
        utc: args.utc,
        most: data::MOST_TASKS,
        people: side.map_or(&[], |side| &side.people),
    };
    let packed = data::pack(&trace, &sites, &selector, &asking);
    let mut asides = crate::view::notices_of(&trace, &selector);
    asides.extend(packed.asides.iter().cloned());
    Ok((packed, asides))
}
