//! What can be typed: commands, options and their help. What it means is worked out elsewhere.

pub(crate) mod diff;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::group::By;
use crate::output::is_stdout;
use crate::select::Selectors;

const EXAMPLES: &str = "\
Examples:
  tidview info server.tid                        what was recorded, and whether all of it is there
  tidview tree server.tid                        who created whom
  tidview threads server.tid --at 1.5s           which tasks lived at a moment
  tidview timeline server.tid --lanes            lives as bars on a time axis
  tidview timeline server.tid --format ndjson    one JSON object per event
  tidview sites server.tid                       where in the code tasks were created
  tidview leaks server.tid                       which of those become more and more
  tidview stats server.tid                       how many, when, by whom, for how long
  tidview report server.tid -o report.html       a page to look through in a browser
  tidview replay server.tid                      played on the terminal, back as well as on
  tidview diff server.tid later.tid              what changed from one run to another

A trace may be one file, a folder of files, or several files of one recording, in any order.

Exit codes: 0 fine, 1 `check` found damage or loss, `repair` or `symbolize` something missing, or a
`--fail-on` of `diff` holds, 2 wrong usage or unreadable file.";

const INFO_EXAMPLES: &str = "\
Examples:
  tidview info server.tid
  tidview info server.tid --format json
  tidview info server.tid --utc
  tidview info server.tid --modules              the machine code of its stacks, with build-ids";

const TIMELINE_EXAMPLES: &str = "\
Examples:
  tidview timeline server.tid
  tidview timeline server.tid --kind clone,exit --limit 20
  tidview timeline server.tid --tid 1000         one thread: its events, and what it created
  tidview timeline server.tid --since 1s+9s --name 'worker-*'
  tidview timeline server.tid --where 'kind == exit && life > 10s'
  tidview timeline server.tid --stack            with the call stacks that created
  tidview timeline server.tid --lanes --width 120
  tidview timeline server.tid --format ndjson
  tidview timeline server.tid --format csv --pid 1000

In CSV a cell that begins with = + - @ or a tab gets a ' in front, so that no spreadsheet takes
a thread's name for a formula; control characters are escaped as in the table.";

const TREE_EXAMPLES: &str = "\
Examples:
  tidview tree server.tid
  tidview tree server.tid --no-fold              every task on its own line
  tidview tree server.tid --at 10s               what lived at a moment, under who created it
  tidview tree server.tid --under 1000           one thread, and all that came of it
  tidview tree server.tid --name 'worker-*'      with their ancestors, which are in parentheses
  tidview tree server.tid --format json          nested, never folded

More than three alike tasks fold into one line: names that differ in digits only are alike.";

const THREADS_EXAMPLES: &str = "\
Examples:
  tidview threads server.tid                     alive at the end
  tidview threads server.tid --at 1.5s           alive 1.5 seconds after the start
  tidview threads server.tid --all               every task of the trace
  tidview threads server.tid --since 1s+9s       what lived in a stretch of time
  tidview threads server.tid --where 'thread && children > 2'
  tidview threads server.tid --format json

TIME is how long after the start (1.5s, 200ms, 2m, 1h2m3s), a time of day (16:13:21.5) in the
recording host's zone (UTC with --utc), a date and time (2026-09-21T16:13:21.5+02:00), or a mark
(mark:deploy: the first that is of this text, or has it in it).";

const SITES_EXAMPLES: &str = "\
Examples:
  tidview sites server.tid                       which places in the code created how many tasks
  tidview sites server.tid --by stack            by the whole call stack
  tidview sites server.tid --since 1s --what thread
  tidview sites server.tid --failed              where creations were refused, and why
  tidview sites server.tid --format csv

A site is the innermost function of the program's own on the stack of whoever created a task: below
it are only the C library, the language's library and the like. FILE of --runtime-frames says what
else is to count as such; docs/sites.md has its form. P50 and P99: half of those that ended, and 99
of 100, lived at most so long.";

const LEAKS_EXAMPLES: &str = "\
Examples:
  tidview leaks server.tid                       what is alive at the end, and what of it piles up
  tidview leaks server.tid --by name
  tidview leaks server.tid --under 1000          of one thread, and all that came of it
  tidview leaks server.tid --format json

LEAK: tasks of one site that live much longer than those of it that end become more and more, up to
the end. pool: it had its size early, and kept to it. churn: most ended, soon. one-shot: made up to
three times. `too short` and `unclear` say what is missing for a verdict; docs/sites.md has the
thresholds.";

const STATS_EXAMPLES: &str = "\
Examples:
  tidview stats server.tid                       how many, when, by whom, for how long
  tidview stats server.tid --since 1s+9s --bucket 100ms
  tidview stats server.tid --name 'worker-*' --what thread
  tidview stats server.tid --format json
  tidview stats server.tid --format csv          the parts: created, exited, refused, most alive

A burst is a time in which at least three times as many were created as usually. Lives are of those
that were seen from birth to end. Names that differ in digits only are one: worker-17 is worker-#.";

const REPLAY_EXAMPLES: &str = "\
Examples:
  tidview replay server.tid                      Space plays, arrows step, ? shows all keys
  tidview replay server.tid --at 1.5s --speed 10
  tidview replay server.tid --ascii --no-color   for terminals that can do little

TIME is as `tidview threads --help` says. A file that is still being written is followed.

Keys: Space play/pause, + - speed, arrows step, z Z zoom, [ ] marks and bursts, / search,
f filter, t one thread, p creator, g go to a time, v lanes or tree, Enter fold, ? all keys, q quit.";

const CHECK_EXAMPLES: &str = "\
Examples:
  tidview check server.tid
  tidview check server.tid --format json
  tidview check server.tid && echo complete

Exit code 0: everything that was recorded is there. 1: damage or loss was found: the file is cut
short or damaged, has records this version does not know, or a checkpoint that does not count the
events before it as they are, or the recorder itself noted a loss.
That the recorder gave up its oldest files to stay within its disk is said, and no damage.";

const REPAIR_EXAMPLES: &str = "\
Examples:
  tidview repair server.tid -o sound.tid         one sound file of all that is readable
  tidview repair server.tid -o part.tid --since 10s --until 1m
  tidview repair server.tid -o sound.tid --force

What is missing is a gap record in the new file, which is readable by its owner only. TIME is as
`tidview threads --help` says.

Exit code 0: nothing was missing. 1: something was, and it is said what.";

const SYMBOLIZE_EXAMPLES: &str = "\
Examples:
  tidview symbolize server.tid                   into server.symbols.tid, by files of this machine
  tidview symbolize server.tid --debug-dir ./debug -o named.tid
  tidview symbolize server.tid --debug-dir /srv/root --debug-dir /srv/debug --force

For each module that stacks lead through, its file is looked for at its own path, at DIR/PATH,
DIR/NAME and DIR/NAME.debug, and by build-id at DIR/.build-id/xx/yyyy and yyyy.debug. Debug
information may be in it or apart, in DIR or /usr/lib/debug. A file of another build-id is another
build's, and is refused. A module without one, and a JIT compiler's list, is taken from DIR only:
nothing tells whether it is the same.

Frames that have a name from a symbol table get another one if debug information has lines.

Exit code 0: fine, whether or not every module was found. 1: the trace itself is damaged, and what is
missing is a gap record in the new file.";

const EXPORT_EXAMPLES: &str = "\
Examples:
  tidview export server.tid --to perfetto -o server.pftrace    for ui.perfetto.dev
  tidview export server.tid --to chrome -o server.json         for chrome://tracing, and Perfetto
  tidview export server.tid --to firefox -o profile.json       for profiler.firefox.com
  tidview export server.tid --to dot -o tree.dot               for Graphviz: who created whom
  tidview export server.tid --to mermaid --max-nodes 50        for a Markdown page
  tidview export server.tid --to dot --name 'worker-*'         the workers, and who led to them
  tidview export server.tid --to perfetto --min-life 1s -o long.pftrace
  tidview export server.tid --to ndjson                        the events, as `timeline` has them
  tidview export server.tid --to folded -o alive.folded --count alive
  tidview export server.tid --to parquet -o fleet              for DuckDB, Spark and ClickHouse

folded is what flame graph tools take: one line for each call stack that created tasks, the
outermost function first, and how many.

Text goes to stdout where no OUT is given. For parquet OUT is a folder, which takes the files of
any number of traces; docs/fleet.md has its columns, and queries.

dot and mermaid draw at most --max-nodes tasks: alike ones become one node, then whole branches.
firefox has at most so many tracks: then tasks of alike names share one. Names are escaped.

Selectors choose tasks, of csv and ndjson events, and of parquet each in its table. Lives that are
selected are shown as a whole, and who made one of them stands in parentheses: in dot and mermaid
all its ancestors, faintly. The trace is in memory then; for csv and ndjson only where what comes
later is asked for.";

const SPLIT_EXAMPLES: &str = "\
Examples:
  tidview split server.tid --since 10s --until 1m -o part.tid
  tidview split server.tid --since 16:20 -o rest.tid
  tidview split server.tid --until 1m -o first.tid --force

The part begins with what lived then: names, creators and times of birth are kept. Times, pids and
the recording's id stay what they are, so that parts compare with the whole. TIME is as
`tidview threads --help` says.

Exit code 0: nothing was missing in that stretch. 1: something was, and it is said what.";

const SCRUB_EXAMPLES: &str = "\
Examples:
  tidview scrub server.tid -o public.tid
  tidview scrub server.tid -o public.tid --key 'a long secret' --force
  tidview scrub server.tid -o names.tid --keep names,paths
  tidview scrub server.tid -o nothing.tid --also functions

Words become others, the same for the same word and key, which nobody can turn back without the
key: scrubbed files still compare. A name keeps its digits and its signs, so that worker-17 and
worker-18 (now nqhzkbvwe-17 and nqhzkbvwe-18) are still alike.

Changed are, unless --keep names them:
  arguments  of the processes that were asked for; whole, digits too
  paths      of programs and modules, part by part; the C library, perf-PID.map and what else
             has a line of its own in the list of runtimes (libjvm.so, python3.11, node) keep their
             files' names
  files      paths of source files, part by part; in names of JIT code, too
  names      of threads and processes
  host       its name, its boot, the recording's id, and the modules' build-ids
  marks      their texts
  details    words of the recorder: about gaps and losses, and patterns that it was given
With --also functions, names of functions, too.

What stays: times and dates, pids and TIDs, addresses, names and numbers of system calls, the
kernel's release, the architecture, exit codes, and who created whom.";

const MERGE_EXAMPLES: &str = "\
Examples:
  tidview merge front.tid back.tid -o whole.tid      what `split` took apart
  tidview merge server.tid worker.tid -o both.tid    two recorders on one host, or on two
  tidview merge server.tid worker.tid -o both.tid --force

Each FILE is a recording: a file, or a folder of files. Time 0 is the earliest one's. What two files
tell of the same task is taken once: files of one recording where it is the same to the nanosecond,
others where it is the same within 10 ms. An exec is the same whatever the file is called; a name
that another recorder gave a task is taken once however late; and what is told of a task within 10
ms of the end that another recorder saw is left out. A task that a recording leaves alive when it
ends is let go there, unless another file goes on with it.

Recordings of one boot of one host share its monotonic clock and its pids. Those of several hosts,
or boots, are put in order by their wall clocks, as each recorder read its own: of two hosts what
came first is as sure as these clocks, and no file says how sure that is. A clock that was set back
is taken to have been wrong before; where one was set forward, or the host slept, nothing before is
changed, and it is said. Each host, in the order in which they were begun to be recorded, has its
own pids and TIDs: those of the second are 10,000,000 more than there, those of the third
20,000,000, up to 200 hosts. Every view says so, and takes such numbers; --host NAME selects what is
of one host. Wall times are shown in UTC unless all hosts are in one zone. As tables, hosts compare
without merging (`tidview export --to parquet`, docs/fleet.md). Nobody can tell from a file that a
recorder ran in a pid namespace of its own under its host's name: do not merge such files.

Where recorders were told different things, info says what each was told, as in `failures syscalls
and tracepoints`, or `ring-kb 4096 and not given`. Of what the recorders counted about themselves
only files given up for a full disk are told. Exit code 1: something is missing from one of the
files, and it is said what.";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  tidview completions bash > ~/.local/share/bash-completion/completions/tidview
  tidview completions zsh > ~/.zfunc/_tidview
  tidview completions fish > ~/.config/fish/completions/tidview.fish

For tidrec: tidrec completions SHELL.";

const MAN_EXAMPLES: &str = "\
Examples:
  tidview man > ~/.local/share/man/man1/tidview.1
  tidview man export > ~/.local/share/man/man1/tidview-export.1
  tidview man timeline

For tidrec: tidrec man.";

/// Shows traces of the births and deaths of threads and processes.
#[derive(Debug, Parser)]
#[command(name = "tidview", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// What was recorded, where, how, and whether all of it is there
    #[command(after_help = INFO_EXAMPLES)]
    Info(Info),
    /// Every event in order, or every life as a bar
    #[command(after_help = TIMELINE_EXAMPLES)]
    Timeline(Timeline),
    /// Processes and threads under who created them
    #[command(after_help = TREE_EXAMPLES)]
    Tree(Tree),
    /// The tasks alive at the end, or at a time
    #[command(after_help = THREADS_EXAMPLES)]
    Threads(Threads),
    /// Where in the code tasks were created, how many, and how long they lived
    #[command(after_help = SITES_EXAMPLES)]
    Sites(Sites),
    /// The tasks alive at the end by where they were created, and which of them pile up
    #[command(after_help = LEAKS_EXAMPLES)]
    Leaks(Leaks),
    /// How many were created and ended, when, by whom, and how long they lived
    #[command(after_help = STATS_EXAMPLES)]
    Stats(Stats),
    /// What changed from one recording to another
    #[command(after_help = diff::EXAMPLES)]
    Diff(diff::Diff),
    /// One page of HTML to look through in a browser, without a network
    #[command(after_help = crate::report::EXAMPLES)]
    Report(crate::report::ReportArgs),
    /// The trace played on the terminal, forwards and backwards
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(Replay),
    /// Whether the file is whole, and what is missing
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Check),
    /// One sound file of all that is readable, or of a part of it
    #[command(after_help = REPAIR_EXAMPLES)]
    Repair(Repair),
    /// A copy in which stacks have the names of functions, files and lines
    #[command(after_help = SYMBOLIZE_EXAMPLES)]
    Symbolize(Symbolize),
    /// The trace in another program's format
    #[command(after_help = EXPORT_EXAMPLES)]
    Export(Export),
    /// A stretch of a trace as a file of its own
    #[command(after_help = SPLIT_EXAMPLES)]
    Split(Split),
    /// A trace without names, paths and arguments, to be given away
    #[command(after_help = SCRUB_EXAMPLES)]
    Scrub(Scrub),
    /// Several recordings, of one host or of several, as one trace
    #[command(after_help = MERGE_EXAMPLES)]
    Merge(Merge),
    /// What a shell needs to complete tidview's commands and options
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(Completions),
    /// The manual page of tidview, or of one of its commands
    #[command(after_help = MAN_EXAMPLES)]
    Man(Man),
}

impl Command {
    /// Whether stdout is the file that it makes.
    pub(crate) fn makes_stdout(&self) -> bool {
        let output = match self {
            Command::Report(args) => Some(&args.output),
            Command::Repair(args) => Some(&args.output),
            Command::Symbolize(args) => args.output.as_ref(),
            Command::Split(args) => Some(&args.output),
            Command::Scrub(args) => Some(&args.output),
            Command::Merge(args) => Some(&args.output),
            _ => None,
        };
        output.is_some_and(|place| is_stdout(place))
    }

    /// Whether its output is for a person, and may be long.
    pub(crate) fn is_paged(&self) -> bool {
        let (common, is_table) = match self {
            Command::Info(args) => (&args.common, args.format == Format::Table),
            Command::Timeline(args) => (&args.common, args.format == EventFormat::Table),
            Command::Tree(args) => (&args.common, args.format == Format::Table),
            Command::Threads(args) => (&args.common, args.format == Format::Table),
            Command::Sites(args) => (&args.common, args.format == RowFormat::Table),
            Command::Leaks(args) => (&args.common, args.format == RowFormat::Table),
            Command::Stats(args) => (&args.common, args.format == RowFormat::Table),
            Command::Check(args) => (&args.common, args.format == Format::Table),
            Command::Diff(args) => return !args.no_pager && args.format == diff::DiffFormat::Table,
            _ => return false,
        };
        is_table && !common.no_pager
    }
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// The trace: a file, a folder of files, or several files of one recording
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Show wall times in UTC, not in the recording host's zone
    #[arg(long)]
    pub(crate) utc: bool,
    /// Use colours; auto: on a terminal, unless NO_COLOR is set
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub(crate) color: Color,
    /// Draw tables with ASCII only; other characters of names are shown as ?
    #[arg(long)]
    pub(crate) ascii: bool,
    /// Do not show what is longer than the screen through $TIDVIEW_PAGER, $PAGER or less
    #[arg(long)]
    pub(crate) no_pager: bool,
    /// Show at most N lines or objects; 0 shows all
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) limit: usize,
}

/// What commands take that show sites.
#[derive(Debug, Args)]
pub(crate) struct RuntimeFrames {
    /// More frames that are not where a task was created, but how: see docs/sites.md
    #[arg(long, value_name = "FILE")]
    pub(crate) runtime_frames: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Sites {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) frames: RuntimeFrames,
    /// For people, for programs, or for spreadsheets
    #[arg(long, value_enum, default_value_t = RowFormat::Table)]
    pub(crate) format: RowFormat,
    /// What tasks are grouped by
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = By::Site)]
    pub(crate) by: By,
    /// Only creations that the kernel refused, with the errors
    #[arg(long)]
    pub(crate) failed: bool,
    #[command(flatten)]
    pub(crate) select: Selectors,
}

#[derive(Debug, Args)]
pub(crate) struct Leaks {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) frames: RuntimeFrames,
    /// For people, for programs, or for spreadsheets
    #[arg(long, value_enum, default_value_t = RowFormat::Table)]
    pub(crate) format: RowFormat,
    /// What tasks are grouped by
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = By::Site)]
    pub(crate) by: By,
    #[command(flatten)]
    pub(crate) select: Selectors,
}

#[derive(Debug, Args)]
pub(crate) struct Stats {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) frames: RuntimeFrames,
    /// For people, for programs, or the parts for spreadsheets
    #[arg(long, value_enum, default_value_t = RowFormat::Table)]
    pub(crate) format: RowFormat,
    /// Count in parts of this length (1s, 100ms) [default: by how long it is]
    #[arg(long, value_name = "SPAN")]
    pub(crate) bucket: Option<String>,
    /// Columns to use [default: the terminal's width, else 100]
    #[arg(long, value_name = "N")]
    pub(crate) width: Option<usize>,
    #[command(flatten)]
    pub(crate) select: Selectors,
}

#[derive(Debug, Args)]
pub(crate) struct Info {
    #[command(flatten)]
    pub(crate) common: Common,
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// List the files of machine code that the stacks are in, with their build-ids
    #[arg(long)]
    pub(crate) modules: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Timeline {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) frames: RuntimeFrames,
    /// For people, as a JSON array, as one JSON object per line, or for spreadsheets
    #[arg(long, value_enum, default_value_t = EventFormat::Table)]
    pub(crate) format: EventFormat,
    /// Show the creator's call stack under each birth
    #[arg(long, conflicts_with = "lanes")]
    pub(crate) stack: bool,
    /// Draw one bar per task against a time axis; alike tasks fold into one lane
    #[arg(long, conflicts_with = "kind")]
    pub(crate) lanes: bool,
    /// Columns that --lanes may use [default: the terminal's width, else 100]
    #[arg(long, value_name = "N", requires = "lanes")]
    pub(crate) width: Option<usize>,
    #[command(flatten)]
    pub(crate) select: Selectors,
}

#[derive(Debug, Args)]
pub(crate) struct Tree {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) frames: RuntimeFrames,
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Only tasks that lived at this time, and their ancestors
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// Show every task, however many are alike
    #[arg(long, visible_alias = "all")]
    pub(crate) no_fold: bool,
    #[command(flatten)]
    pub(crate) select: Selectors,
}

#[derive(Debug, Args)]
pub(crate) struct Threads {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) frames: RuntimeFrames,
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
    /// Tasks that lived at this time
    #[arg(long, value_name = "TIME", conflicts_with = "all")]
    pub(crate) at: Option<String>,
    /// Every task of the trace
    #[arg(long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) select: Selectors,
}

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The trace: a file, a folder of files, or several files of one recording
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Begin at this time
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<String>,
    /// Play so many times as fast as it was, 0.1 to 1000 [default: 1]
    #[arg(long, value_name = "X")]
    pub(crate) speed: Option<String>,
    /// Show wall times in UTC, not in the recording host's zone
    #[arg(long)]
    pub(crate) utc: bool,
    /// Draw without colours, as with NO_COLOR set
    #[arg(long)]
    pub(crate) no_color: bool,
    /// Draw with ASCII only; other characters of names are shown as ?
    #[arg(long)]
    pub(crate) ascii: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) common: Common,
    /// For people, or for programs
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct Repair {
    #[command(flatten)]
    pub(crate) common: Common,
    /// The file to write; - is stdout
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: PathBuf,
    /// Replace that file if it is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Leave out the events before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Leave out the events after this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Symbolize {
    #[command(flatten)]
    pub(crate) common: Common,
    /// Look for modules and for their debug information here, too; may be given several times
    #[arg(long, value_name = "DIR")]
    pub(crate) debug_dir: Vec<PathBuf>,
    /// The file to write; - is stdout [default: NAME.symbols.tid, beside the trace]
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
    /// Replace that file if it is there
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The trace: a file, a folder of files, or several files of one recording
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// The format
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub(crate) to: crate::export::To,
    /// The file to write [default: stdout, as -]; for parquet, the folder
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
    /// Replace what is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Wall times in UTC, not in the recording host's zone (csv, ndjson)
    #[arg(long)]
    pub(crate) utc: bool,
    /// Tasks to draw at most, or tracks [default: 200 in dot and mermaid, 1000 in firefox]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_nodes: Option<u32>,
    /// Which tasks folded stacks count
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = Counting::Created)]
    pub(crate) count: Counting,
    #[command(flatten)]
    pub(crate) select: Selectors,
}

#[derive(Debug, Args)]
pub(crate) struct Split {
    #[command(flatten)]
    pub(crate) common: Common,
    /// The file to write; - is stdout
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: PathBuf,
    /// Replace that file if it is there
    #[arg(long)]
    pub(crate) force: bool,
    /// Leave out the events before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Leave out the events after this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Scrub {
    #[command(flatten)]
    pub(crate) common: Common,
    /// The file to write; - is stdout
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: PathBuf,
    /// Replace that file if it is there
    #[arg(long)]
    pub(crate) force: bool,
    /// What makes the same words of the same text; secret, and 12 bytes or more [default: random, and
    /// printed]
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,
    /// What to leave as it is
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) keep: Vec<crate::scrub::Keep>,
    /// What to change beside
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) also: Vec<crate::scrub::Also>,
}

#[derive(Debug, Args)]
pub(crate) struct Merge {
    /// The recordings: two or more files, or folders of files
    #[arg(required = true, value_name = "FILE", num_args = 2..)]
    pub(crate) files: Vec<PathBuf>,
    /// The file to write; - is stdout
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: PathBuf,
    /// Replace that file if it is there
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The command [default: tidview itself]
    pub(crate) command: Option<String>,
}

// The values have no help of their own: it would make each `--help` three times as long.

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    Auto,
    Always,
    Never,
}

/// How to print a list or an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
}

/// How to print rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowFormat {
    Table,
    Json,
    Csv,
}

/// Which tasks an export counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Counting {
    Created,
    Alive,
}

/// How to print events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EventFormat {
    Table,
    Json,
    Ndjson,
    Csv,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_definitions_agree_with_themselves() {
        super::Cli::command().debug_assert();
    }
}
