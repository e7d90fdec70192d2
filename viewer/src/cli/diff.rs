//! What can be typed behind `tidview diff`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Color, RuntimeFrames};

pub(super) const EXAMPLES: &str = "\
Examples:
  tidview diff server.tid later.tid              what changed, the largest change first
  tidview diff server.tid later.tid --tree       the same as a tree of who creates whom
  tidview diff server.tid later.tid --all --pairs
  tidview diff server.tid later.tid --per-second --format markdown
  tidview diff server.tid later.tid --fail-on 'alive > +10' --fail-on 'new-sites > 0'
  tidview diff later.tid --baseline server.tid --baseline more.tid --baseline most.tid

Tasks are compared in classes, never by TIDs: by where in the program they were created, by whom,
what they begin with, and their names without digits. docs/diff.md says what counts as a change.

CONDITION is alive, created, exited or peak, of any class, with > >= < <= and a change, as +10, -5
or +20%; or new-sites or gone-sites with a number. The lines of --renames are `OLD -> NEW`:
functions, modules or names of tasks.

Exit code 0: compared, whatever differs. 1: a --fail-on holds. 2: wrong usage or unreadable file.";

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The old and the new recording, each a file or a folder; with --baseline the new one alone
    #[arg(required = true, value_name = "OLD NEW", num_args = 1..=2)]
    pub(crate) recordings: Vec<PathBuf>,
    /// Compare with these older runs, three at least, and report only what leaves their range; a
    /// folder may hold several
    #[arg(long, value_name = "PATH", conflicts_with_all = ["pairs", "per_second"])]
    pub(crate) baseline: Vec<PathBuf>,
    /// Show classes that did not change, too
    #[arg(long)]
    pub(crate) all: bool,
    /// Show which task of a changed class is which: the first is the first, and so on
    #[arg(long)]
    pub(crate) pairs: bool,
    /// Compare how many were created and exited in a second: for runs of different lengths
    #[arg(long)]
    pub(crate) per_second: bool,
    /// Compare only what is between two marks, as mark:warm..mark:done
    #[arg(long, value_name = "MARKS")]
    pub(crate) between: Option<String>,
    /// What is called otherwise in the new recording
    #[arg(long, value_name = "FILE")]
    pub(crate) renames: Option<PathBuf>,
    /// Exit with 1 if this holds; may be given several times
    #[arg(long, value_name = "CONDITION")]
    pub(crate) fail_on: Vec<String>,
    /// Show who creates whom, old and new side by side
    #[arg(long)]
    pub(crate) tree: bool,
    /// For people, for programs, or for a report
    #[arg(long, value_enum, default_value_t = DiffFormat::Table)]
    pub(crate) format: DiffFormat,
    #[command(flatten)]
    pub(crate) frames: RuntimeFrames,
    /// Columns that may be used [default: the terminal's width, else as many as it takes]
    #[arg(long, value_name = "N")]
    pub(crate) width: Option<usize>,
    /// Use colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub(crate) color: Color,
    /// Draw tables with ASCII only; other characters of names are shown as ?
    #[arg(long)]
    pub(crate) ascii: bool,
    /// Do not show what is longer than the screen through $TIDVIEW_PAGER, $PAGER or less
    #[arg(long)]
    pub(crate) no_pager: bool,
    /// Show at most N classes; 0 shows all
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) limit: usize,
}

/// How to print a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffFormat {
    Table,
    Json,
    Markdown,
}
