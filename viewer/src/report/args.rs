//! What `tidview report` takes.

use std::path::PathBuf;

use clap::Args;

use crate::cli::RuntimeFrames;
use crate::select::Selectors;

pub(crate) const EXAMPLES: &str = "\
Examples:
  tidview report server.tid -o report.html       one page: open it in a browser
  tidview report server.tid -o report.html --force --utc
  tidview report later.tid -o report.html --force --diff server.tid
  tidview report server.tid -o report.html --force --title Friday
  tidview report server.tid -o report.html --force --since 1s+2s --name 'worker-*'

The page needs no network, now or later: it can be kept, copied and mailed. What is zoomed to,
selected and searched for is in its address, so that a link leads to the same view. Names, command
lines and paths of the trace are in it. Of more than 300,000 tasks, short-lived ones that are alike
share rows. With --diff it has both runs, class by class as `tidview diff` compares them; selectors
say what is shown of both, and what is compared is all of them.";

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The trace: a file, a folder of files, or several files of one recording
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The page to write; - is stdout
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: PathBuf,
    /// Show what changed since this older recording, and both of them
    #[arg(long, value_name = "OLD")]
    pub(crate) diff: Option<PathBuf>,
    /// Compare how many were created and exited in a second: for runs of different lengths
    #[arg(long, requires = "diff")]
    pub(crate) per_second: bool,
    /// Compare only what is between two marks, as mark:warm..mark:done
    #[arg(long, value_name = "MARKS", requires = "diff")]
    pub(crate) between: Option<String>,
    /// What is called otherwise in the new recording, as `tidview diff` takes it
    #[arg(long, value_name = "FILE", requires = "diff")]
    pub(crate) renames: Option<PathBuf>,
    /// Replace that file if it is there
    #[arg(long)]
    pub(crate) force: bool,
    /// The page's title, in place of the command and the host
    #[arg(long, value_name = "TEXT")]
    pub(crate) title: Option<String>,
    /// Begin with wall times in UTC, not in the recording host's zone
    #[arg(long)]
    pub(crate) utc: bool,
    #[command(flatten)]
    pub(crate) frames: RuntimeFrames,
    #[command(flatten)]
    pub(crate) select: Selectors,
}
