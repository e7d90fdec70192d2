//! What a page has of a trace: a function of the trace, from it to bytes.
//!
//! ```text
//! length u32 LE │ JSON: facts, words, strings, sites, which columns follow │ columns of numbers
//! ```
//!
//! Tasks are rows of columns. What is text is a number of the strings. Times are in `unit`s of
//! nanoseconds, chosen so that the page's numbers (doubles) hold each of them exactly.

use std::collections::HashMap;

use serde_json::{Value, json};
use tidline::model::{Origin, Time, Trace, What};
use tidline::text::escape;

use super::alike::{self, Rows};
use super::chosen::Chosen;
use super::columns::Columns;
use super::curve::Stretches;
use super::points;
use super::stacks::Tree;
use super::strings::Strings;
use crate::diff::side::Person;
use crate::group::{By, Classifier, Key};
use crate::page::{Block, Style};
use crate::select::Selector;
use crate::site::Sites;
use crate::time::Clock;
use crate::view::leaks::Leaks;
use crate::view::sites::{self, Asked};
use crate::view::{self, Options};
use crate::words::{how, style_of};

/// The version of this form: page and data are of one, and it only guards against a mix-up.
pub(crate) const VERSION: u32 = 1;
/// Tasks that a page has a row each for.
pub(crate) const MOST_TASKS: usize = 300_000;
/// Sites and classes that a page has at most.
const MOST_SITES: usize = 5_000;
/// Stretches of the curves where tasks share rows.
const STRETCHES: usize = 8_192;
/// The largest number that a double holds exactly with all below it.
const EXACT: u64 = (1 << 53) - 1;

/// What a page is asked to show, and how.
#[derive(Clone, Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) title: Option<String>,
    pub(crate) utc: bool,
    pub(crate) most: usize,
    /// The tasks of a run that is compared, with their classes; else none.
    pub(crate) people: &'a [Person],
}

/// A trace as a page has it.
#[derive(Debug)]
pub(crate) struct Packed {
    pub(crate) title: String,
    pub(crate) bytes: Vec<u8>,
    /// What is not on the page as it is in the trace.
    pub(crate) asides: Vec<String>,
}

/// The data of a page: of what the selector asks for.
pub(crate) fn pack(
    trace: &Trace,
    sites: &Sites,
    selector: &Selector<'_>,
    asking: &Asking<'_>,
) -> Packed {
    let scale = Scale::of(trace);
    let scaled = |time| scale.of_time(time);
    let mut strings = Strings::default();
    let mut columns = Columns::default();

    let chosen = Chosen::of(trace, selector);
    let asked = Asked::new(trace, sites, By::Site, selector);
    let groups = sites::groups(&asked);
    let of_site = numbers(&asked, groups.iter().map(|group| &group.key));
    let (leaks, of_interpreters) = leaks(trace, sites, selector);
    let of_class = numbers(&leaks.asked, leaks.keys());

    let rows = alike::rows(trace, &chosen, asking.most, &of_site);
    let used = rows.list.iter().map(|row| trace.task(row.task).stack);
    let tree = Tree::of(trace.stacks(), used.flatten(), &mut strings);
    let hows = tasks(
        trace,
        sites,
        (&rows, &chosen),
        (&of_site, &of_class),
        &tree,
        scale,
        &mut strings,
        &mut columns,
    );
    if !asking.people.is_empty() {
        let class = |row: &alike::Row| asking.people.get(row.task.0 as usize)?.class;
        let number = |row| class(row).map_or(0, |class| u64::from(class) + 1);
        columns.plain("compared", rows.list.iter().map(number));
    }
    histories(trace, &rows, scale, &mut strings, &mut columns);
    tree.columns(&mut columns);
    let more_refused = points::refused(selector, &rows, scaled, &mut strings, &mut columns);
    let folded = rows.folded();
    if folded.is_some() {
        curves(trace, &chosen, &mut columns);
    }
    let (points, more_points) = points::points(trace, (chosen.begin, chosen.end), scaled);
    let mut asides = asides(
        &rows,
        asking.most,
        (more_points, more_refused),
        groups.len(),
        trace,
    );
    let selected = selector.shown_of(chosen.tasks(), trace.tasks().len(), "task");
    asides.splice(0..0, selected);
    let title = title(trace, asking.title.as_deref());

    let shown = groups.iter().take(MOST_SITES);
    let shown: Vec<_> = shown.map(|group| sites::row(&asked, group)).collect();
    let classes = leaks.judged.iter().take(MOST_SITES);
    let classes: Vec<_> = classes.map(|it| leaks.row(it)).collect();
    let known = view::notices_of(trace, selector);
    let more = leaks.notices().into_iter();
    let mut more: Vec<String> = more.filter(|words| !known.contains(words)).collect();
    more.extend(of_interpreters);
    let head = json!({
        "version": VERSION,
        "made_by": format!("tidview {}", env!("CARGO_PKG_VERSION")),
        "title": title,
        "unit": scale.unit,
        "begin": scaled(chosen.begin),
        "end": scaled(chosen.end),
        "first": scaled(trace.begin()),
        "last": scaled(trace.end()),
        "selected": !selector.is_everything(),
        "utc": asking.utc,
        "anchors": anchors(trace, scale),
        "facts": facts(trace),
        "notices": known,
        "asides": asides,
        "verdicts": leaks.summary(),
        "doubts": more,
        "sites": { "by": asked.by.as_str(), "noun": sites::noun(asked.by), "rows": shown },
        "leaks": { "by": leaks.asked.by.as_str(), "noun": sites::noun(leaks.asked.by), "alive": leaks.alive(), "rows": classes },
        "points": points,
        "tasks": chosen.tasks(),
        "rows": rows.list.len(),
        "folded": folded.is_some(),
        "frames": tree.frames,
        "hows": hows,
        "strings": strings.into_list(),
        "columns": columns.list,
    });
    let head = head.to_string();
    let mut bytes = u32::try_from(head.len())
        .unwrap_or(u32::MAX)
        .to_le_bytes()
        .to_vec();
    bytes.extend(head.as_bytes());
    bytes.extend(&columns.bytes);
    Packed {
        title,
        bytes,
        asides,
    }
}

/// The verdicts: by site, but by name where what grows is made at one place in an interpreter, whatever
/// the program is; then that is said.
fn leaks<'a>(
    trace: &'a Trace,
    sites: &'a Sites,
    selector: &'a Selector<'a>,
) -> (Leaks<'a>, Option<String>) {
    let by = |by| Leaks::new(Asked::new(trace, sites, by, selector));
    let leaks = by(By::Site);
    match leaks.grow_in_interpreters() {
        false => (leaks, None),
        true => {
            let words = "judged by name: the sites are in the interpreter's own code, and the same \
                         whatever the program does";
            (by(By::Name), Some(words.into()))
        }
    }
}

/// What times are counted in.
#[derive(Clone, Copy, Debug)]
struct Scale {
    unit: u64,
}

impl Scale {
    fn of(trace: &Trace) -> Scale {
        let ends = trace.tasks().iter().filter_map(|task| task.ended);
        let last = ends.fold(trace.end(), Time::max);
        let mut unit = 1;
        while last.0 / unit > EXACT {
            unit *= 10;
        }
        Scale { unit }
    }

    fn of_time(self, time: Time) -> u64 {
        time.0 / self.unit
    }
}

/// For each task the number of its class among these keys plus one; 0 for none of them.
fn numbers<'k>(asked: &Asked<'_>, keys: impl Iterator<Item = &'k Key>) -> Vec<u64> {
    let keys = keys.take(MOST_SITES).zip(1..);
    let mut numbers: HashMap<&Key, u64> = HashMap::new();
    for (key, number) in keys {
        numbers.entry(key).or_insert(number);
    }
    let classifier = Classifier::new(asked.trace, asked.sites, asked.by);
    let number = |task| {
        let is_other = view::was_there_before(asked.trace, task)
            || view::is_launched(asked.trace, task)
            || !asked.selector.admits_task(task);
        if is_other {
            return 0;
        }
        numbers.get(&classifier.of(task)).copied().unwrap_or(0)
    };
    asked.trace.tasks().iter().map(number).collect()
}

/// The rows' columns; returns which ends are what kind.
#[expect(clippy::too_many_arguments, reason = "what rows are made of")]
fn tasks(
    trace: &Trace,
    sites: &Sites,
    (rows, chosen): (&Rows, &Chosen),
    (of_site, of_class): (&[u64], &[u64]),
    tree: &Tree,
    scale: Scale,
    strings: &mut Strings,
    columns: &mut Columns,
) -> HashMap<u64, &'static str> {
    let list = || rows.list.iter().map(|row| (row, trace.task(row.task)));
    columns.differences("pid", list().map(|(_, task)| u64::from(task.task.pid.0)));
    columns.differences("tid", list().map(|(_, task)| u64::from(task.task.tid.0)));
    columns.plain(
        "inner",
        list().map(|(_, task)| task.inner.map_or(0, |inner| u64::from(inner.0))),
    );
    columns.differences(
        "parent",
        list().map(|(_, task)| match task.parent {
            Some(parent) if parent != task.id => {
                rows.of(parent).map_or(0, |row| u64::from(row) + 1)
            }
            _ => 0,
        }),
    );
    columns.plain(
        "kind",
        list().map(|(_, task)| {
            let before = view::was_there_before(trace, task);
            let process = task.what() == What::Process;
            let inferred = task.origin == Origin::Inferred;
            let above = !chosen.is_asked(task);
            u64::from(process)
                | u64::from(before) << 1
                | u64::from(inferred) << 2
                | u64::from(above) << 3
        }),
    );
    columns.differences("born", list().map(|(_, task)| scale.of_time(task.born)));
    columns.plain(
        "life",
        list().map(|(row, task)| {
            row.ended.map_or(0, |ended| {
                let (born, ended) = (scale.of_time(task.born), scale.of_time(ended));
                ended.saturating_sub(born) + 1
            })
        }),
    );
    columns.plain("many", list().map(|(row, _)| row.many - 1));
    columns.plain(
        "last",
        list().map(|(row, task)| {
            let (first, last) = (scale.of_time(task.born), scale.of_time(row.last_born));
            last.saturating_sub(first)
        }),
    );
    columns.differences("name", list().map(|(_, task)| strings.name(task.name())));
    let mut hows = HashMap::new();
    columns.plain(
        "how",
        list().map(|(_, task)| {
            let number = strings.safe(&how(task.how));
            hows.insert(number, style(style_of(task.how)));
            number
        }),
    );
    let index = |task: &tidline::model::TaskRecord| task.id.0 as usize;
    columns.plain("site", list().map(|(_, task)| of_site[index(task)]));
    columns.plain("class", list().map(|(_, task)| of_class[index(task)]));
    columns.plain("stack", list().map(|(_, task)| tree.number(task.stack)));
    columns.plain(
        "start",
        list().map(|(_, task)| {
            let start = sites.of_start(task.start);
            start.map_or(0, |start| strings.safe(&sites.get(start).to_string()))
        }),
    );
    hows
}

/// What else tasks were called, and which programs they became.
fn histories(
    trace: &Trace,
    rows: &Rows,
    scale: Scale,
    strings: &mut Strings,
    columns: &mut Columns,
) {
    let (mut names, mut programs) = (Vec::new(), Vec::new());
    let alone = rows
        .list
        .iter()
        .zip(0u64..)
        .filter(|(row, _)| row.many == 1);
    for (row, number) in alone {
        let task = trace.task(row.task);
        if task.names.len() > 1 {
            let named = task.names.iter();
            names.extend(
                named.map(|(time, name)| (number, scale.of_time(*time), strings.name(name))),
            );
        }
        let became = task.execs.iter();
        programs
            .extend(became.map(|(time, exe)| (number, scale.of_time(*time), strings.name(exe))));
    }
    columns.differences("named.row", names.iter().map(|it| it.0));
    columns.differences("named.time", names.iter().map(|it| it.1));
    columns.plain("named.name", names.iter().map(|it| it.2));
    columns.differences("became.row", programs.iter().map(|it| it.0));
    columns.differences("became.time", programs.iter().map(|it| it.1));
    columns.plain("became.exe", programs.iter().map(|it| it.2));
}

/// The most that lived in each of equal stretches, and how many were created in it, where rows do not
/// tell each birth and end.
fn curves(trace: &Trace, chosen: &Chosen, columns: &mut Columns) {
    let (begin, end) = (chosen.begin, chosen.end);
    let length = end.0.saturating_sub(begin.0);
    let stretches = Stretches::new(begin, length, STRETCHES);
    let mut created = vec![0; STRETCHES];
    let mut changes: Vec<(Time, bool)> = Vec::new();
    let asked = trace.tasks().iter().filter(|it| chosen.is_asked(it));
    for task in asked {
        if view::ended_before(trace, task) {
            continue;
        }
        changes.push((task.born.max(begin), true));
        let ended = task.ended.filter(|ended| *ended <= end);
        changes.extend(ended.map(|ended| (ended, false)));
        if !view::was_there_before(trace, task) && task.born >= begin {
            created[stretches.place(task.born)] += 1;
        }
    }
    columns.plain("curve.most", stretches.most(changes).into_iter());
    columns.plain("curve.created", created.into_iter());
}

/// What the wall clock said: when, ms, the ns behind that, and how far its zone was ahead, s.
fn anchors(trace: &Trace, scale: Scale) -> Vec<Value> {
    let anchors = trace.anchors().iter();
    let anchors = anchors.map(|anchor| {
        let (ms, ns) = (
            anchor.wall_ns.div_euclid(1_000_000),
            anchor.wall_ns.rem_euclid(1_000_000),
        );
        json!([scale.of_time(anchor.time), ms, ns, anchor.utc_offset_s])
    });
    anchors.collect()
}

/// The facts that `tidview info` shows, with wall times of the host and in UTC.
fn facts(trace: &Trace) -> Vec<Value> {
    let page = |utc| {
        let options = Options {
            clock: Clock::new(trace.anchors(), utc),
            width: None,
            limit: 50,
        };
        view::info::page(trace, false, &options)
    };
    let (local, utc) = (page(false), page(true));
    let facts = |page: crate::page::Page<'static>| {
        let blocks = page.blocks.into_iter();
        let facts = blocks.filter_map(|block| match block {
            Block::Facts(facts) => Some(facts),
            _ => None,
        });
        facts.flatten().collect::<Vec<_>>()
    };
    let pairs = facts(local).into_iter().zip(facts(utc));
    let pairs = pairs.map(|(local, utc)| {
        json!({
            "label": local.label,
            "local": local.value,
            "utc": utc.value,
            "style": style(local.style),
        })
    });
    pairs.collect()
}

fn style(style: Style) -> &'static str {
    match style {
        Style::Plain => "plain",
        Style::Faint => "faint",
        Style::Strong => "strong",
        Style::Good => "good",
        Style::Bad => "bad",
        Style::Note => "note",
    }
}

/// What the page leaves out or puts together.
fn asides(
    rows: &Rows,
    most: usize,
    (points, refused): (usize, usize),
    groups: usize,
    trace: &Trace,
) -> Vec<String> {
    use crate::words::{count, counted};
    let mut words = Vec::new();
    if let Some((tasks, folds)) = rows.folded() {
        words.push(format!(
            "more than {} tasks: {} that were short-lived and alike share {} of the page's {}; counts and \
             curves are of all",
            count(most as u64),
            counted(tasks, "task"),
            count(folds),
            counted(rows.list.len() as u64, "row"),
        ));
    }
    for (number, noun) in [(points, "mark, gap or loss"), (refused, "refused creation")] {
        if number > 0 {
            words.push(format!(
                "{} × {noun} left out of the page: too many",
                count(number as u64)
            ));
        }
    }
    if groups > MOST_SITES {
        words.push(format!(
            "only the {} largest of {} places that created tasks are on the page",
            count(MOST_SITES as u64),
            count(groups as u64)
        ));
    }
    let calls = points::system_calls(trace);
    if calls > 0 {
        words.push(format!(
            "{} of system calls left out of the page: `tidview timeline` shows them",
            counted(calls as u64, "event")
        ));
    }
    words
}

/// The page's title: as asked for, or the command and the host.
fn title(trace: &Trace, asked: Option<&str>) -> String {
    if let Some(title) = asked {
        return escape(title.as_bytes()).into_owned();
    }
    let header = trace.header();
    let target = header.targets.first();
    let command = target.and_then(|target| target.command.first());
    let command = command.map_or(&b"tidline"[..], |command| command);
    let name = command
        .rsplit(|byte| *byte == b'/')
        .next()
        .unwrap_or(command);
    let name = crate::words::shorten(&escape(name), 60).into_owned();
    match header.host.is_empty() {
        true => name,
        false => format!("{name} on {}", escape(header.host.as_bytes())),
    }
}
