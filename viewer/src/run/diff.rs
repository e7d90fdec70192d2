//! `tidview diff`.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use tidline::text::escape;

use super::{Report, terminal_width, wants_color};
use crate::cli::diff::{Diff, DiffFormat};
use crate::compare::{self, Reader};
use crate::diff::change::{Comparison, Row};
use crate::diff::fail::{Condition, Measure};
use crate::diff::pair::How;
use crate::diff::people::couples;
use crate::diff::roles::Book;
use crate::diff::side::{Band, Number};
use crate::diff::words::NO_WORD;
use crate::load;
use crate::render::text::Look;
use crate::render::{json, text};
use crate::view;
use crate::view::diff::{self, Shown, amount, band, label};

/// A range of fewer runs says nothing.
const LEAST_BASELINE: usize = 3;

/// `tidview diff`.
pub(super) fn run(args: &Diff, out: &mut dyn Write, report: &mut Report) -> Result<()> {
    let conditions: Result<Vec<Condition>> = args.fail_on.iter().map(|it| condition(it)).collect();
    let conditions = conditions?;
    let between = args.between.as_deref().map(compare::marks).transpose()?;
    let (old, new) = named(args)?;
    let rules = load::rules(args.frames.runtime_frames.as_deref())?;
    let renames = compare::renames(args.renames.as_deref())?;
    let reader = Reader {
        rules,
        renames,
        between,
        people: args.pairs,
    };
    let compared = reader.compared(&old, &new, args.per_second)?;
    report.asides = reader.renames.unused();
    let failed = failed(&conditions, &compared.comparison, &compared.book);
    let width = args.width.or_else(terminal_width);
    let shown = Shown {
        all: args.all,
        limit: args.limit,
        width,
        failed,
        ..compared.shown()
    };
    report.damaged = !shown.failed.is_empty();
    print(args, &shown, out, report)
}

fn print(args: &Diff, shown: &Shown<'_>, out: &mut dyn Write, report: &mut Report) -> Result<()> {
    let couples = args.pairs.then(|| couples(shown.comparison));
    let look = Look {
        color: wants_color(args.color),
        ascii: args.ascii,
        columns: shown.width,
    };
    let more = match (args.format, &couples) {
        (DiffFormat::Table, Some(couples)) => {
            text::page(out, &diff::pairs::page(shown, couples), look)?;
            0
        }
        (DiffFormat::Table, None) => {
            let page = match args.tree {
                true => diff::tree::page(shown),
                false => diff::page(shown),
            };
            text::page(out, &page, look)?;
            0
        }
        (DiffFormat::Json, couples) => {
            let (document, more) = diff::json::document(shown, couples.as_deref());
            json::object(out, &document)?;
            more
        }
        (DiffFormat::Markdown, _) => {
            let (lines, more) = diff::markdown::lines(shown);
            for line in lines {
                writeln!(out, "{line}")?;
            }
            more
        }
    };
    report.asides.extend(view::hidden(more, "row"));
    if args.format != DiffFormat::Table {
        let failed = shown.failed.iter();
        report
            .asides
            .extend(failed.map(|it| format!("--fail-on {it}")));
    }
    Ok(())
}

/// The old recordings and the new one, each as the files that it is.
fn named(args: &Diff) -> Result<(Vec<Vec<PathBuf>>, Vec<PathBuf>)> {
    if (args.tree || args.pairs) && args.format == DiffFormat::Markdown {
        bail!("--tree and --pairs do not go with --format markdown");
    }
    if args.tree && (args.pairs || args.format != DiffFormat::Table) {
        bail!("--tree draws for people: it does not go with --pairs or --format");
    }
    match (&args.recordings[..], &args.baseline[..]) {
        ([old, new], []) => Ok((vec![vec![old.clone()]], vec![new.clone()])),
        ([_], []) => bail!("two recordings are compared: name the old one and the new one"),
        ([new], baseline) => {
            let mut runs = Vec::new();
            for path in baseline {
                runs.extend(recordings(path)?);
            }
            if runs.len() < LEAST_BASELINE {
                bail!(
                    "--baseline: {} found, and a range needs {LEAST_BASELINE} at least; with fewer, \
                     compare two: tidview diff OLD NEW",
                    crate::words::counted(runs.len() as u64, "run")
                );
            }
            Ok((runs, vec![new.clone()]))
        }
        _ => bail!("with --baseline only the new recording is named beside it"),
    }
}

/// The recordings that a path is: a file is one, a folder may be several.
fn recordings(path: &Path) -> Result<Vec<Vec<PathBuf>>> {
    if !path.is_dir() {
        return Ok(vec![vec![path.to_owned()]]);
    }
    let mut runs: BTreeMap<(PathBuf, u128), Vec<PathBuf>> = BTreeMap::new();
    let mut entries: Vec<PathBuf> = std::fs::read_dir(path)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
        .with_context(|| format!("--baseline: cannot read the folder {}", load::shown(path)))?;
    entries.sort();
    let mut of_ids: BTreeMap<u128, PathBuf> = BTreeMap::new();
    for entry in entries {
        let is_folder = entry.is_dir();
        let looks_so = entry.extension().is_some_and(|it| it == "tid");
        if !is_folder && !looks_so {
            continue;
        }
        let opened = load::Recording::open(std::slice::from_ref(&entry));
        let id = match opened {
            Ok(recording) => recording.header().trace_id,
            // A folder without a trace is none of ours; a trace that cannot be read is.
            Err(_) if is_folder => continue,
            Err(error) => return Err(error.context("--baseline")),
        };
        match is_folder {
            true => runs.entry((entry.clone(), id)).or_default().push(entry),
            false => {
                let first = of_ids.entry(id).or_insert_with(|| entry.clone()).clone();
                runs.entry((first, id)).or_default().push(entry);
            }
        }
    }
    if runs.is_empty() {
        bail!(
            "--baseline: the folder {} has no traces (*.tid)",
            load::shown(path)
        );
    }
    Ok(runs.into_values().collect())
}

fn condition(text: &str) -> Result<Condition> {
    Condition::parse(text).map_err(|(column, problem)| {
        anyhow!(
            "--fail-on '{}': column {column}: {problem}",
            escape(text.as_bytes())
        )
    })
}

/// The conditions that hold, and where.
fn failed(conditions: &[Condition], comparison: &Comparison, book: &Book) -> Vec<String> {
    let mut failed = Vec::new();
    for condition in conditions {
        let words = match condition.measure {
            Measure::NewSites => of_all(condition, sites(comparison, book, How::New)),
            Measure::GoneSites => of_all(condition, sites(comparison, book, How::Gone)),
            _ => of_classes(condition, comparison, book),
        };
        failed.extend(
            words.map(|words| format!("'{}' holds: {words}", escape(condition.text.as_bytes()))),
        );
    }
    failed
}

fn of_all(condition: &Condition, number: u64) -> Option<String> {
    condition.holds(0.0, number as f64).then(|| match number {
        1 => "there is 1".into(),
        number => format!("there are {number}"),
    })
}

/// How many sites only one side has; a class whose site is not known counts as one.
fn sites(comparison: &Comparison, book: &Book, how: How) -> u64 {
    let site = |row| book.get(comparison.key(row).node).role.site;
    let rows = || comparison.rows.iter();
    let elsewhere: std::collections::HashSet<_> =
        rows().filter(|row| row.pair.how != how).map(site).collect();
    let only = rows()
        .filter(|row| row.pair.how == how && row.changed())
        .map(site);
    let only: Vec<_> = only.collect();
    let unknown = only.iter().filter(|site| **site == NO_WORD).count();
    let known: std::collections::HashSet<_> = only.into_iter().collect();
    let known = known
        .difference(&elsewhere)
        .filter(|site| **site != NO_WORD);
    (known.count() + unknown) as u64
}

/// The class in which it surely holds most, and in how many others it does.
fn of_classes(condition: &Condition, comparison: &Comparison, book: &Book) -> Option<String> {
    let value = |row: &Row| value(condition, comparison, row);
    let rows = comparison.rows.iter().filter(|row| {
        let Value { from, sure, .. } = value(row);
        condition.holds(from, sure)
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by(|a, b| value(b).sure.abs().total_cmp(&value(a).sure.abs()));
    let first = rows.first()?;
    let Value {
        old, change, sure, ..
    } = value(first);
    let others = match rows.len() - 1 {
        0 => String::new(),
        others => format!("; and {others} more"),
    };
    let part = match sure == change {
        true => String::new(),
        false => format!(", {} of it sure,", amount(sure)),
    };
    Some(format!(
        "{} from {}{part} in {}{others}",
        amount(change),
        band(old),
        label(comparison, book, first)
    ))
}

/// What a condition asks of a class.
struct Value {
    old: Band,
    change: f64,
    /// What of the change is sure, and the old number that it is from.
    sure: f64,
    from: f64,
}

fn value(condition: &Condition, comparison: &Comparison, row: &Row) -> Value {
    let (old, _) = comparison.figures(row);
    let old = old.copied().unwrap_or_default();
    let (change, sure, old) = match condition.measure {
        Measure::Alive => (row.alive, row.alive_sure, old.alive),
        Measure::Created => (row.created, row.created, old.created),
        Measure::Exited => (row.exited, row.exited_sure, old.exited),
        _ => (row.peak, row.peak, Number::of_band(old.peak)),
    };
    let seconds = match (comparison.per_second, condition.measure) {
        (true, Measure::Created | Measure::Exited) => comparison.old.seconds(),
        _ => 1.0,
    };
    let from = if sure > 0.0 {
        old.sure.most
    } else {
        old.sure.least
    };
    Value {
        old: old.shown,
        change,
        sure,
        from: from as f64 / seconds,
    }
}
