//! tidview: shows traces of the births and deaths of threads and processes, on any system.
//!
//! `main` parses, runs and reports. What reaches stdout, stderr and the exit code is decided
//! here; what is shown is made by the views, and how by the renderers.

mod about;
mod ahead;
mod choices;
mod cli;
mod compare;
mod diff;
mod events;
mod export;
mod fold;
mod group;
mod growth;
mod load;
mod merge;
mod moment;
mod output;
mod page;
mod pager;
mod part;
mod progress;
mod reading;
mod render;
mod replay;
mod report;
mod run;
mod scrub;
mod select;
mod site;
mod stream;
mod symbolize;
mod time;
mod view;
mod words;

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use clap::Parser;

use cli::Cli;
use pager::Paged;
use run::Report;

/// `check` found damage or loss, `repair` something missing, or a condition of `diff` holds.
const DAMAGED: u8 = 1;
/// Wrong usage, or a file that cannot be read.
const UNUSABLE: u8 = 2;

fn main() -> ExitCode {
    if symbolize::worker::is_worker() {
        return symbolize::worker::work();
    }
    let cli = Cli::parse();
    let mut report = Report::default();
    progress::start();
    let result = match cli.command.is_paged() {
        true => paged(&cli, &mut report),
        // What it says must not get into the file that stdout is.
        false if cli.command.makes_stdout() => print(&cli, io::stderr().lock(), &mut report),
        false => print(&cli, io::stdout().lock(), &mut report),
    };
    progress::end();
    let result = result.map_err(explain);
    for aside in &report.asides {
        tell(aside);
    }
    match result {
        Err(error) if !is_closed_pipe(&error) => {
            tell(&format!("{error:#}"));
            ExitCode::from(UNUSABLE)
        }
        _ if report.damaged => ExitCode::from(DAMAGED),
        _ => ExitCode::SUCCESS,
    }
}

/// Runs the command, its output through a pager where there is one.
fn paged(cli: &Cli, report: &mut Report) -> anyhow::Result<()> {
    let mut pager = pager::start();
    let Some(input) = pager.as_mut().and_then(pager::Pager::takes) else {
        return print(cli, io::stdout().lock(), report);
    };
    let result = print(cli, input, report);
    match pager.map(pager::Pager::wait) {
        Some(Paged::NotRun) => {
            *report = Report::default();
            print(cli, io::stdout().lock(), report)
        }
        _ => result,
    }
}

fn print(cli: &Cli, out: impl Write, report: &mut Report) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, progress::Output::new(out));
    run::run(&cli.command, &mut out, report)?;
    Ok(out.flush()?)
}

/// Says something on stderr. Where that is closed there is nobody to tell.
fn tell(words: &str) {
    let _ = writeln!(io::stderr(), "tidview: {words}");
}

/// Says what was being done when all that is known is an I/O error: the views do no I/O, and
/// what goes wrong with the trace file names it.
fn explain(error: anyhow::Error) -> anyhow::Error {
    match output::is_all_that_is_known(&error) {
        true => error.context("cannot write the output"),
        false => error,
    }
}

/// Whoever read the output has seen enough of it.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
