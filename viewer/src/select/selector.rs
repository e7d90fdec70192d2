//! The selectors as they are typed, made into one question to events and one to tasks.
//!
//! Of a task is asked who it is, where it came from and how long it lived, and of an event the
//! same of the task that it is about. Two selectors differ: of a stretch of time events must be in
//! it, and tasks must have lived in it; and `--pid` and `--tid` ask an event of its creator, too.

use std::cell::OnceCell;
use std::collections::HashSet;
use std::ops::Range;

use anyhow::{Result, anyhow};
use glob::Pattern;
use tidline::format::host_of;
use tidline::model::{EventBody, Origin, StackId, TaskId, TaskRecord, Time, Trace, What};

use super::Selection;
use super::args::Selectors;
use super::expr::Expr;
use super::facts::{OfEvent, OfTask};
use super::when;
use crate::choices;
use crate::site::{SiteId, Sites};
use crate::time::Clock;
use crate::view::forest;
use crate::view::stacks::why_none;
use crate::words::{count, counted};

const NO_EVENT: u32 = u32::MAX;

/// What is asked for of a trace.
pub(crate) struct Selector<'a> {
    trace: &'a Trace,
    sites: &'a Sites,
    words: String,
    /// `--pid`, `--tid` and `--kind`.
    selection: Selection,
    /// From when to when, both included.
    stretch: Option<(Time, Time)>,
    alive_at: Option<Time>,
    /// Whether each task is of the names, the kind, the creators and the lengths of life.
    tasks: Option<Vec<bool>>,
    sites_asked: Option<HashSet<SiteId>>,
    wheres: Vec<Expr>,
    /// For each task the event of its birth. Only some conditions on tasks need it.
    births: OnceCell<Vec<u32>>,
    /// The names of the hosts, in the order of their numbers.
    hosts: OnceCell<Vec<String>>,
    notices: Vec<String>,
}

impl<'a> Selector<'a> {
    /// Everything.
    pub(crate) fn everything(trace: &'a Trace, sites: &'a Sites) -> Selector<'a> {
        Selector {
            trace,
            sites,
            words: String::new(),
            selection: Selection::default(),
            stretch: None,
            alive_at: None,
            tasks: None,
            sites_asked: None,
            wheres: Vec::new(),
            births: OnceCell::new(),
            hosts: OnceCell::new(),
            notices: Vec::new(),
        }
    }

    /// Works out what was typed; an error names the option.
    pub(crate) fn new(
        args: &Selectors,
        trace: &'a Trace,
        sites: &'a Sites,
        clock: &Clock,
    ) -> Result<Selector<'a>> {
        let wheres = args.wheres.iter().map(|text| wanted(text));
        let wheres = wheres.collect::<Result<Vec<Expr>>>()?;
        let alive_at = args.alive_at.as_deref();
        let alive_at = alive_at.map(|text| when::moment("--alive-at", text, trace, clock));
        let mut selector = Selector {
            trace,
            sites,
            words: args.words(),
            selection: Selection {
                pid: args.pid,
                tid: args.tid,
                kinds: args.kind.clone(),
            },
            stretch: when::stretch(args, trace, clock)?,
            alive_at: alive_at.transpose()?,
            tasks: None,
            sites_asked: None,
            wheres,
            births: OnceCell::new(),
            hosts: OnceCell::new(),
            notices: Vec::new(),
        };
        selector.tasks = selector.tasks_of(args)?;
        selector.sites_asked = sites_asked(args, sites);
        selector.notices = selector.cannot_match(args, !sites.is_empty());
        Ok(selector)
    }

    /// The same question to a part of the trace.
    pub(crate) fn of_part<'b>(
        &self,
        args: &Selectors,
        part: &'b Trace,
        sites: &'b Sites,
    ) -> Result<Selector<'b>> {
        let mut selector = Selector {
            words: self.words.clone(),
            selection: self.selection.clone(),
            stretch: self.stretch,
            alive_at: self.alive_at,
            sites_asked: self.sites_asked.clone(),
            wheres: self.wheres.clone(),
            ..Selector::everything(part, sites)
        };
        selector.tasks = selector.tasks_of(args)?;
        Ok(selector)
    }

    /// Why what is asked for cannot be in a part of a trace that has sites, or is asked for none.
    pub(crate) fn why_nothing(args: &Selectors, part: &Trace) -> Result<Vec<String>> {
        let sites = Sites::default();
        let wheres = args.wheres.iter().map(|text| wanted(text));
        let selector = Selector {
            wheres: wheres.collect::<Result<Vec<Expr>>>()?,
            ..Selector::everything(part, &sites)
        };
        Ok(selector.cannot_match(args, true))
    }

    /// The answer for each task to what does not depend on times; `None` if nothing is asked.
    fn tasks_of(&self, args: &Selectors) -> Result<Option<Vec<bool>>> {
        let names = patterns("--name", &args.name)?;
        let hosts = patterns("--host", &args.host)?;
        let least = when::span("--min-life", args.min_life.as_deref())?;
        let most = when::span("--max-life", args.max_life.as_deref())?;
        let what = args.what.as_deref();
        let asked = !names.is_empty()
            || !hosts.is_empty()
            || least.is_some()
            || most.is_some()
            || what.is_some()
            || args.parent.is_some()
            || args.under.is_some();
        if !asked {
            return Ok(None);
        }
        let under = args.under.map(|tid| self.under(tid));
        let of_name = |task: &TaskRecord| {
            let name = String::from_utf8_lossy(task.name().as_bytes());
            names.is_empty() || names.iter().any(|pattern| pattern.matches(&name))
        };
        let of_host = |task: &TaskRecord| {
            let host = self.host(task);
            hosts.is_empty()
                || hosts
                    .iter()
                    .any(|it| host.is_some_and(|host| it.matches(host)))
        };
        let of_parent = |task: &TaskRecord| {
            let parent = task.parent.map(|parent| self.trace.task(parent).task.tid.0);
            args.parent.is_none_or(|tid| parent == Some(tid))
        };
        let of_life = |task: &TaskRecord| {
            let life = task.lifetime_ns(self.trace.end());
            least.is_none_or(|least| life >= least) && most.is_none_or(|most| life <= most)
        };
        let tasks = self.trace.tasks().iter().map(|task| {
            what.is_none_or(|what| task.what().as_str() == what)
                && of_host(task)
                && of_parent(task)
                && under.as_ref().is_none_or(|under| under[task.id.0 as usize])
                && of_life(task)
                && of_name(task)
        });
        Ok(Some(tasks.collect()))
    }

    /// Which tasks are of this TID, or came of one that is.
    fn under(&self, tid: u32) -> Vec<bool> {
        let tops = self.trace.tasks().iter();
        let tops = tops.filter(|task| task.task.tid.0 == tid);
        forest::under(self.trace, tops.map(|task| task.id))
    }

    /// Why what is asked for cannot be in the trace, of selectors of which that is known.
    fn cannot_match(&self, args: &Selectors, has_sites: bool) -> Vec<String> {
        let trace = self.trace;
        let any = |is: &dyn Fn(&TaskRecord) -> bool| trace.tasks().iter().any(is);
        let mentions = |name: &str| self.wheres.iter().any(|expr| expr.mentions(name));
        let has = |is: &dyn Fn(&EventBody) -> bool| trace.events().iter().any(|it| is(&it.body));
        let mut notices = Vec::new();
        if let Some(pid) = args.pid
            && !any(&|task| task.task.pid.0 == pid)
        {
            notices.push(format!("--pid: no process {pid} is in this recording"));
        }
        for (option, tid) in [
            ("--tid", args.tid),
            ("--parent", args.parent),
            ("--under", args.under),
        ] {
            if let Some(tid) = tid
                && !any(&|task| task.task.tid.0 == tid)
            {
                notices.push(format!("{option}: no thread {tid} is in this recording"));
            }
        }
        if let Ok(hosts) = patterns("--host", &args.host)
            && !hosts.is_empty()
            && !self
                .hosts()
                .iter()
                .any(|host| hosts.iter().any(|it| it.matches(host)))
        {
            let known = tidline::text::escape(self.hosts().join(", ").as_bytes()).into_owned();
            notices.push(format!(
                "--host: no such host is in this recording; there is {known}"
            ));
        }
        let by_site = match (args.site.is_empty(), mentions("site")) {
            (false, _) => Some("--site"),
            (true, true) => Some("--where: site"),
            (true, false) => None,
        };
        if let Some(option) = by_site
            && !has_sites
        {
            notices.push(format!(
                "{option}: no stacks are in this recording, so nothing is known to be created \
                 anywhere; {}",
                why_none(trace)
            ));
        }
        if mentions("start") && !any(&|task| task.start.is_some()) {
            notices.push("--where: start: no thread's first function is in this recording".into());
        }
        if mentions("text") && !has(&|body| matches!(body, EventBody::Mark { .. })) {
            notices.push("--where: text: no mark is in this recording".into());
        }
        let failures = args.kind.iter().any(|kind| kind == "create-failed");
        if (failures || mentions("errno"))
            && !has(&|body| matches!(body, EventBody::CreateFailed { .. }))
            && choices::is_off(trace.header(), "failures")
        {
            notices.push(
                "no refused creation is in this recording: they were not watched for (--failures)"
                    .into(),
            );
        }
        notices
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.words.is_empty()
    }

    /// Why nothing can match, where that is known.
    pub(crate) fn notices(&self) -> &[String] {
        &self.notices
    }

    /// Whether a stretch of time is asked for.
    pub(crate) fn has_stretch(&self) -> bool {
        self.stretch.is_some()
    }

    /// From when to when is asked for, at most from the trace's beginning to its end.
    pub(crate) fn stretch(&self) -> (Time, Time) {
        self.stretch
            .unwrap_or((self.trace.begin(), self.trace.end()))
    }

    /// The events of the stretch that is asked for.
    pub(crate) fn events(&self) -> Range<usize> {
        let events = self.trace.events();
        let Some((from, to)) = self.stretch else {
            return 0..events.len();
        };
        let first = events.partition_point(|event| event.time < from);
        let behind = events.partition_point(|event| event.time <= to);
        first..behind.max(first)
    }

    /// Whether an event is asked for, by its place in the trace.
    pub(crate) fn admits(&self, seq: usize) -> bool {
        let Some(event) = self.trace.events().get(seq) else {
            return false;
        };
        if self.is_everything() {
            return true;
        }
        let subject = self.trace.subject(seq);
        let in_time = |(from, to): (Time, Time)| (from..=to).contains(&event.time);
        let stack = match &event.body {
            EventBody::CreateFailed { stack, .. } => *stack,
            _ => subject.and_then(|task| task.stack),
        };
        self.stretch.is_none_or(in_time)
            && self.selection.admits(event)
            && self
                .alive_at
                .is_none_or(|time| subject.is_some_and(|task| task.alive_at(time)))
            && self
                .tasks
                .as_ref()
                .is_none_or(|tasks| subject.is_some_and(|task| tasks[task.id.0 as usize]))
            && self.of_site(stack)
            && self.wheres.iter().all(|expr| {
                expr.holds(&OfEvent {
                    selector: self,
                    event,
                    subject,
                })
            })
    }

    /// Whether a task is asked for.
    pub(crate) fn admits_task(&self, task: &TaskRecord) -> bool {
        if self.is_everything() {
            return true;
        }
        let in_time = |(from, to): (Time, Time)| {
            task.born <= to && task.ended.is_none_or(|ended| ended >= from)
        };
        self.stretch.is_none_or(in_time)
            && self.selection.admits_task(self.trace, task)
            && self.of_kind(task)
            && self.alive_at.is_none_or(|time| task.alive_at(time))
            && self
                .tasks
                .as_ref()
                .is_none_or(|tasks| tasks[task.id.0 as usize])
            && self.of_site(task.stack)
            && self.wheres.iter().all(|expr| {
                expr.holds(&OfTask {
                    selector: self,
                    task,
                })
            })
    }

    fn of_kind(&self, task: &TaskRecord) -> bool {
        let kinds = &self.selection.kinds;
        let kind = || self.birth_kind(task);
        kinds.is_empty() || kinds.iter().any(|wanted| Some(wanted.as_str()) == kind())
    }

    fn of_site(&self, stack: Option<StackId>) -> bool {
        self.sites_asked.as_ref().is_none_or(|asked| {
            let site = self.sites.of_stack(stack);
            site.is_some_and(|site| asked.contains(&site))
        })
    }

    /// The kind of the event by which a task came into the trace.
    pub(super) fn birth_kind(&self, task: &TaskRecord) -> Option<&'static str> {
        match (self.birth(task), task.origin) {
            (Some(body), _) => Some(body.kind()),
            (None, Origin::Existing) => Some("existing"),
            // It was in a file that is not here any more.
            (None, Origin::Birth) if task.what() == What::Thread => Some("clone"),
            (None, Origin::Birth | Origin::Inferred) => None,
        }
    }

    /// The event by which a task came into the trace, if it is there.
    pub(super) fn birth(&self, task: &TaskRecord) -> Option<&'a EventBody> {
        let births = self.births.get_or_init(|| births(self.trace));
        let event = self.trace.events().get(births[task.id.0 as usize] as usize);
        event.map(|event| &event.body)
    }

    /// The name of the host that a task is of.
    pub(super) fn host(&self, task: &TaskRecord) -> Option<&str> {
        let hosts = self.hosts();
        let number = match hosts.len() {
            1 => 0,
            _ => host_of(task.task.tid.0).0,
        };
        hosts.get(number).map(String::as_str)
    }

    fn hosts(&self) -> &[String] {
        self.hosts.get_or_init(|| {
            let header = self.trace.header();
            let names: Vec<String> = header.hosts().into_iter().map(|host| host.name).collect();
            match names.is_empty() {
                true => vec![header.host.clone()],
                false => names,
            }
        })
    }

    pub(crate) fn trace(&self) -> &'a Trace {
        self.trace
    }

    pub(super) fn sites(&self) -> &'a Sites {
        self.sites
    }

    /// How many are shown of how many, and what hides the others; `None` if everything is asked
    /// for.
    pub(crate) fn shown_of(&self, shown: usize, all: usize, noun: &str) -> Option<String> {
        if self.is_everything() {
            return None;
        }
        let words = format!("{} of {}", count(shown as u64), counted(all as u64, noun));
        let hidden = all.saturating_sub(shown);
        Some(match hidden {
            0 => format!("{words}: {} hides none", self.words),
            _ => format!("{words}; {} hidden by {}", count(hidden as u64), self.words),
        })
    }

    /// The same of tasks, of those that `which` admits.
    pub(crate) fn tasks_shown(&self, which: impl Fn(&TaskRecord) -> bool) -> Option<String> {
        if self.is_everything() {
            return None;
        }
        let (mut shown, mut all) = (0, 0);
        for task in self.trace.tasks().iter().filter(|task| which(task)) {
            all += 1;
            shown += usize::from(self.admits_task(task));
        }
        self.shown_of(shown, all, "task")
    }
}

/// The patterns that an option gives.
fn patterns(option: &str, texts: &[String]) -> Result<Vec<Pattern>> {
    let patterns = texts.iter().map(|text| {
        // Of paths ** is something else: here two stars are any text, as one is.
        let mut pattern = text.clone();
        while pattern.contains("**") {
            pattern = pattern.replace("**", "*");
        }
        Pattern::new(&pattern).map_err(|error| {
            let text = tidline::text::escape(text.as_bytes());
            anyhow!("{option} {text}: it is no pattern of names: {error}")
        })
    });
    patterns.collect()
}

/// What `--where` says.
fn wanted(text: &str) -> Result<Expr> {
    Expr::parse(text).map_err(|problem| anyhow!("--where: {problem}"))
}

fn sites_asked(args: &Selectors, sites: &Sites) -> Option<HashSet<SiteId>> {
    let globs = &args.site;
    let asked = || sites.matching(|text| globs.iter().any(|glob| crate::site::fits(glob, text)));
    (!globs.is_empty()).then(asked)
}

/// For each task the first event that brings it into the trace.
fn births(trace: &Trace) -> Vec<u32> {
    let mut births = vec![NO_EVENT; trace.tasks().len()];
    for (seq, event) in trace.events().iter().enumerate() {
        let brings = matches!(event.body, EventBody::Birth(_) | EventBody::Existing { .. });
        if let Some(TaskId(id)) = trace.subject(seq).filter(|_| brings).map(|task| task.id)
            && births[id as usize] == NO_EVENT
        {
            births[id as usize] = u32::try_from(seq).unwrap_or(NO_EVENT);
        }
    }
    births
}
