//! What there is to say of a trace's stacks beside them: that it has none, or not all.

use tidline::model::{EventBody, StackId, Trace};
use unicode_width::UnicodeWidthStr;

use crate::choices;
use crate::group::{By, Classifier, Key};
use crate::site::{self, Layer, Site, Sites};
use crate::words::{count, counted, shorten, shown_name};

/// How many births the trace has, and how many of them have a stack that can be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Births {
    pub(crate) all: u64,
    pub(crate) with_stack: u64,
}

/// Counts births.
pub(crate) fn births(trace: &Trace) -> Births {
    if let Some(part) = trace.part() {
        // Those that are not defined make nobody read a part alone.
        return Births {
            all: part.totals.births(),
            with_stack: part.totals.with_stack,
        };
    }
    let stacks = trace.stacks();
    let mut births = Births::default();
    for event in trace.events() {
        if let EventBody::Birth(birth) = &event.body {
            births.all += 1;
            let known = birth
                .stack
                .is_some_and(|stack| stacks.node(stack).is_some());
            births.with_stack += u64::from(known);
        }
    }
    births
}

/// What a reader of sites must know first: whether there are any, and what is missing.
pub(crate) fn notices(trace: &Trace, sites: &Sites, instead: Option<By>) -> Vec<String> {
    let mut notices = Vec::new();
    let births = births(trace);
    if sites.is_empty() {
        let instead = match instead {
            Some(By::Pc) => ". Grouped by the creator's instruction pointer instead",
            Some(_) => ". Grouped by name instead",
            None => "",
        };
        notices.push(format!(
            "no stacks are in this recording: where tasks were created is not known; {}{instead}",
            why_none(trace)
        ));
    } else if births.with_stack < births.all {
        notices.push(format!(
            "{} of {} have no stack{}: they are in the line `(no stack)`",
            count(births.all - births.with_stack),
            counted(births.all, "creation"),
            dropped(trace)
        ));
    }
    notices
}

/// Why a trace has no stacks, or what to do for the next to have some.
pub(crate) fn why_none(trace: &Trace) -> String {
    why_none_among(births(trace).all > 0, trace)
}

/// The same where it is known whether a creation is in the recording.
pub(crate) fn why_none_among(has_births: bool, trace: &Trace) -> String {
    if choices::is_off(trace.header(), "stacks") {
        "`tidrec --stacks on` records them".into()
    } else if !has_births {
        "no creation is in it".into()
    } else {
        format!("of no creation could one be taken{}", dropped(trace))
    }
}

/// What the recorder counted that it had to leave out of stacks: ` (stacks dropped 3)`.
pub(crate) fn dropped(trace: &Trace) -> String {
    let counters = trace.counters().iter();
    let some = counters.filter(|(name, value)| *value > 0 && is_drop(name));
    let words = some.map(|(name, value)| {
        let name = tidline::text::escape(name.as_bytes()).replace('_', " ");
        format!("{name} {}", count(*value))
    });
    let words: Vec<String> = words.collect();
    match words.is_empty() {
        true => String::new(),
        false => format!(" ({})", words.join(", ")),
    }
}

/// Whether a counter is of what is missing from stacks.
fn is_drop(name: &str) -> bool {
    let about = ["stack", "frame", "module", "symbol"];
    about.iter().any(|word| name.starts_with(word)) && name.contains("dropped")
}

/// Says of sites that are in an interpreter's own code what cannot be seen.
pub(crate) fn interpreted<'a>(sites: impl Iterator<Item = &'a Site>) -> Option<String> {
    let own = sites.filter(|site| site.layer == Layer::Interpreter);
    let modules = own.filter_map(|site| site.module.as_ref());
    let mut names: Vec<String> = modules.map(site::module_label).collect();
    names.sort_unstable();
    names.dedup();
    names.truncate(3);
    (!names.is_empty()).then(|| {
        format!(
            "a site in {} is the interpreter's own native code: which line of what it runs \
             created the task is not in a native stack; `tidview leaks --by name` tells tasks apart by \
             their names",
            names.join(", ")
        )
    })
}

/// A class in at most so many columns.
pub(crate) fn label(trace: &Trace, sites: &Sites, by: By, key: &Key, width: usize) -> String {
    match key {
        Key::Site(site) => sites.get(*site).shown(width),
        Key::Stack(stack) => callers(trace, sites, *stack, width),
        Key::Name(name) if by == By::Module => shorten(&site::module_label(name), width).into(),
        Key::Name(name) => shown_name(name, width),
        Key::Pc(pc) => format!("pc {pc:#x}"),
        Key::Unknown => unknown(by).into(),
    }
}

/// What a class is called whose tasks do not have what is asked for.
fn unknown(by: By) -> &'static str {
    match by {
        By::Site | By::Stack | By::Module => "(no stack)",
        By::Routine => "(start not known)",
        By::Name | By::Lineage => "(no name)",
        By::Parent => "(creator not known)",
        By::Pc => "(pc not known)",
    }
}

/// The functions of a stack from its site out: `start_pool < serve < main`.
fn callers(trace: &Trace, sites: &Sites, stack: StackId, width: usize) -> String {
    let (frames, more) = site::frames(trace.stacks(), stack);
    let Some(site) = sites.of_stack(Some(stack)).map(|site| sites.get(site)) else {
        return unknown(By::Stack).into();
    };
    let from = frames
        .iter()
        .position(|frame| frame.is_at(site))
        .unwrap_or(0);
    let names: Vec<String> = frames[from..].iter().map(site::Frame::name).collect();
    let Some(first) = names.first() else {
        return site.shown(width);
    };
    let mut shown = shorten(first, width).into_owned();
    for (index, name) in names.iter().enumerate().skip(1) {
        let whole = index + 1 == names.len() && !more;
        let next = format!("{shown} < {name}");
        // Where it goes on, that is said, and has its place.
        if next.width() + if whole { 0 } else { 4 } > width {
            return shown + " < …";
        }
        shown = next;
    }
    if more { shown + " < …" } else { shown }
}

/// The class of each of a classifier's failed creations.
pub(crate) fn of_failed(
    classifier: &Classifier<'_>,
    trace: &Trace,
    by: By,
    index: usize,
    (stack, pc): (Option<StackId>, Option<u64>),
) -> Key {
    match by {
        By::Pc => classifier.of_pc(pc),
        By::Name | By::Parent => {
            let caller = trace.subject(index);
            caller.map_or(Key::Unknown, |caller| classifier.of_creator(caller.id))
        }
        _ => classifier.of_stack(stack),
    }
}
