//! Events as they are read, for what shows them one by one: so the largest trace takes no more memory
//! than what lives at a time.
//!
//! The files are read twice: for what must be known before the first event (what is missing, how wide
//! names are, what stacks mean), and for the events. What asks an event of what comes after it, as how
//! long its task will have lived, needs the whole trace.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use tidline::format::Header;
use tidline::model::{Ending, FrameId, Integrity, Origin, Time, Trace, TraceBuilder};

use crate::load::{self, Recording};
use crate::reading::{self, Item};
use crate::select::{Selector, Selectors};
use crate::site::{Rules, Sites};
use crate::view::notices;
use crate::view::timeline::{Entry, entries, widest};

/// Events that are looked at together.
const PART: usize = 1 << 15;

/// A recording that was read once.
pub(crate) struct Stream {
    named: Vec<PathBuf>,
    /// What is known of it as a whole. Of its events it has those that are about no task.
    pub(crate) whole: Trace,
    pub(crate) sites: Sites,
    /// How many events there are.
    pub(crate) all: usize,
    /// What is missing from it, and what cannot match.
    pub(crate) notices: Vec<String>,
    /// Columns of the widest task.
    pub(crate) widest: usize,
    /// Whether a call stack is in it, and whether a creation is.
    pub(crate) has_stacks: bool,
    pub(crate) has_births: bool,
    /// Whether tasks have one number each: who ended in one part is not carried anew in a later one.
    pub(crate) has_numbers: bool,
}

impl Stream {
    /// Reads a recording for the first time, and makes ready for the second. `None` if what is asked for
    /// needs all of it at once.
    pub(crate) fn open(
        named: &[PathBuf],
        select: &Selectors,
        rules: &Rules,
        width: Option<usize>,
    ) -> Result<Option<(Stream, TraceBuilder)>> {
        if !select.ask_of_now_only() {
            return Ok(None);
        }
        let mut survey = load::while_files_vanish(|| Survey::of(named, select, width))?;
        let whole = &mut survey.whole;
        // Its oldest file might be given up before it is read again.
        let may_vanish =
            whole.header().gives_up_files() && whole.integrity().ending == Ending::CutShort;
        let sites = Sites::new(whole.stacks(), survey.starts, rules);
        if may_vanish || survey.named_late || (sites.is_empty() && select.ask_for_sites()) {
            return Ok(None);
        }
        let has_stacks = !whole.stacks().is_empty();
        let again = TraceBuilder::again(whole);
        let mut notices = notices(whole);
        notices.extend(survey.cannot_match.unwrap_or_default());
        let stream = Stream {
            named: named.to_vec(),
            whole: survey.whole,
            sites,
            all: survey.all,
            notices,
            widest: survey.widest,
            has_stacks,
            has_births: survey.has_births,
            has_numbers: !survey.carried_again,
        };
        Ok(Some((stream, again)))
    }

    /// Reads it again, and gives the events that are asked for, each with the trace that it is in.
    pub(crate) fn each(
        &self,
        again: TraceBuilder,
        (select, selector): (&Selectors, &Selector<'_>),
        mut show: impl FnMut(&Trace, Entry<'_>) -> io::Result<()>,
    ) -> Result<()> {
        let mut before = 0;
        self.parts(again, |part| {
            let selector = selector.of_part(select, part, &self.sites)?;
            for entry in entries(part, &selector) {
                let seq = before + entry.seq;
                show(part, Entry { seq, ..entry })?;
            }
            before += part.events().len();
            Ok(())
        })?;
        Ok(())
    }

    /// Reads it again, and gives its parts; then what is known of the tasks that live at the end.
    pub(crate) fn parts(
        &self,
        again: TraceBuilder,
        look: impl FnMut(&Trace) -> Result<()>,
    ) -> Result<Trace> {
        let recording = Recording::open(&self.named)?;
        // It may have grown meanwhile.
        let reading = Reading {
            most: self.all,
            span: (self.whole.begin(), self.whole.end()),
        };
        let (builder, integrity) = reading.read(recording, |_| again, look)?;
        Ok(builder.finish(integrity))
    }
}

/// What the first reading gives.
struct Survey {
    whole: Trace,
    named_late: bool,
    carried_again: bool,
    has_births: bool,
    all: usize,
    /// The functions that threads began with.
    starts: HashSet<FrameId>,
    widest: usize,
    /// Why what is asked for is in no part.
    cannot_match: Option<Vec<String>>,
}

impl Survey {
    fn of(named: &[PathBuf], select: &Selectors, width: Option<usize>) -> Result<Survey> {
        let recording = Recording::open(named)?;
        let mut starts = HashSet::new();
        let mut has_births = false;
        let (mut all, mut widest_of_all) = (0, 0);
        let mut cannot_match: Option<Vec<String>> = None;
        let asked = !select.words().is_empty();
        let reading = Reading {
            most: usize::MAX,
            span: (Time(0), Time(0)),
        };
        let new = |header: &Header| TraceBuilder::new(header.clone());
        let (builder, integrity) = reading.read(recording, new, |part| {
            all += part.events().len();
            has_births |= part.tasks().iter().any(|it| it.origin == Origin::Birth);
            starts.extend(part.tasks().iter().filter_map(|task| task.start));
            widest_of_all = widest_of_all.max(widest(part, width));
            if asked {
                let here = Selector::why_nothing(select, part)?;
                match &mut cannot_match {
                    Some(everywhere) => everywhere.retain(|why| here.contains(why)),
                    None => cannot_match = Some(here),
                }
            }
            Ok(())
        })?;
        Ok(Survey {
            named_late: builder.named_late(),
            carried_again: builder.carried_again(),
            has_births,
            whole: builder.finish(integrity),
            all,
            starts,
            widest: widest_of_all,
            cannot_match,
        })
    }
}

/// How a recording is read in parts.
struct Reading {
    /// Events that are taken at most.
    most: usize,
    /// From when to when the whole trace is.
    span: (Time, Time),
}

impl Reading {
    /// Reads a recording, and looks at each part: at least at one.
    fn read(
        self,
        recording: Recording,
        builder: impl FnOnce(&Header) -> TraceBuilder,
        mut look: impl FnMut(&Trace) -> Result<()>,
    ) -> Result<(TraceBuilder, Integrity)> {
        let mut builder = builder(recording.header());
        let shown = recording.shown().to_string();
        let (segments, left_out) = recording.into_segments();
        let items = reading::ahead(segments).map_err(|(_, problem)| {
            anyhow!("cannot read {shown}: cannot start a thread that reads: {problem}")
        })?;
        let (mut taken, mut beyond) = (0, false);
        for item in items {
            beyond |= taken == self.most && matches!(item, Item::Event(_));
            match item {
                _ if beyond && !matches!(item, Item::End(_)) => {}
                Item::Event(event) => {
                    if builder.held() >= PART && event.time > builder.now() {
                        builder.part(self.span, &mut look)?;
                    }
                    builder.push(event);
                    taken += 1;
                }
                Item::Checkpoint(carried, time) => builder.restore(&carried, time),
                Item::Define(definition) => builder.define(definition),
                Item::Anchor(anchor) => builder.anchor(anchor),
                Item::Counter(name, value) => builder.count(name, value),
                Item::Reached(time) => builder.reached(time),
                Item::Damaged(_) => {}
                Item::End(end) => {
                    if taken < self.most && self.most != usize::MAX {
                        bail!(
                            "cannot read {shown}: somebody cut it meanwhile, it has less than a moment \
                             ago; try again"
                        );
                    }
                    builder.part(self.span, &mut look)?;
                    let end = end.with_context(|| format!("cannot read {shown}"))?;
                    let end = left_out.added_to(end, builder.begin(), builder.now());
                    return Ok((builder, end));
                }
            }
        }
        bail!("cannot read {shown}: the reading ended before the file");
    }
}
