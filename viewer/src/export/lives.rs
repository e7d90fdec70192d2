//! A trace as a story for programs that draw tracks: what happens at moments, and lives, each told when
//! it has ended. So the last name of a task is known when it is told of, and whoever writes it down needs
//! no more memory than for what lives at a time.

use std::collections::{HashMap, HashSet};
use std::io;

use anyhow::Result;
use tidline::model::{
    Birth, Event, EventBody, Name, Pid, TaskId, TaskRecord, Time, Trace, TraceBuilder, Via,
    errno_name,
};

use crate::select::Selector;
use crate::stream::Stream;
use crate::view::record::error_of;
use crate::view::stacks::{why_none, why_none_among};
#[cfg(feature = "parquet")]
use crate::view::timeline::Entry;
use crate::words::{self, counted};

/// Columns of a name that is not cut: the kernel's own names have 15 bytes.
pub(super) const NAME: usize = 200;

/// Where a story comes from.
pub(super) enum Source<'a> {
    /// A trace in memory, of which some may be asked for.
    Loaded(&'a Trace, &'a Selector<'a>),
    /// A recording that is read again; all of it is asked for.
    Read(&'a Stream, Box<TraceBuilder>),
}

/// What is in memory at a time.
pub(super) struct Part<'a> {
    pub(super) trace: &'a Trace,
    pub(super) selector: &'a Selector<'a>,
    /// How many events were in the parts before.
    pub(super) before: usize,
    /// All events were told, and this is what else is known of tasks.
    pub(super) is_rest: bool,
}

impl Part<'_> {
    /// The events that are asked for, and in any case what was not seen or not kept: that could be
    /// anybody's.
    #[cfg(feature = "parquet")]
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let (trace, selector) = (self.trace, self.selector);
        let events = if self.is_rest { &[] } else { trace.events() };
        let told = events.iter().enumerate().filter(|(place, event)| {
            matches!(event.body, EventBody::Gap { .. } | EventBody::Lost { .. })
                || selector.admits(*place)
        });
        told.map(|(place, event)| Entry {
            seq: self.before + place,
            event,
            task: trace.subject(place),
        })
    }
}

impl<'a> Source<'a> {
    /// What is known of the trace as a whole; it may have no events or tasks.
    pub(super) fn about(&self) -> &'a Trace {
        match self {
            Source::Loaded(trace, _) => trace,
            Source::Read(stream, _) => &stream.whole,
        }
    }

    /// Why no call stack is in it; `None` if one is.
    pub(super) fn why_no_stacks(&self) -> Option<String> {
        match self {
            Source::Loaded(trace, _) => trace.stacks().is_empty().then(|| why_none(trace)),
            Source::Read(stream, _) => {
                let why = || why_none_among(stream.has_births, &stream.whole);
                (!stream.has_stacks).then(why)
            }
        }
    }

    /// Gives the parts of the trace, in order.
    pub(super) fn parts(self, mut look: impl FnMut(Part<'_>) -> Result<()>) -> Result<()> {
        match self {
            Source::Loaded(trace, selector) => {
                for is_rest in [false, true] {
                    look(Part {
                        trace,
                        selector,
                        before: 0,
                        is_rest,
                    })?;
                }
                Ok(())
            }
            Source::Read(stream, again) => {
                let mut before = 0;
                let mut look = |trace: &Trace, is_rest| {
                    let part = Part {
                        trace,
                        selector: &Selector::everything(trace, &stream.sites),
                        before,
                        is_rest,
                    };
                    before += trace.events().len();
                    look(part)
                };
                let rest = stream.parts(*again, |part| look(part, false))?;
                look(&rest, true)
            }
        }
    }

    /// Tells the story.
    pub(super) fn tell(
        self,
        mut each: impl FnMut(&Trace, Step<'_>) -> io::Result<()>,
    ) -> Result<()> {
        let mut teller = Teller::default();
        self.parts(|part| Ok(teller.take(&part, &mut each)?))
    }
}

/// The processes of a trace: the kernel uses a pid again.
#[derive(Default)]
pub(super) struct Processes {
    /// The last one of each pid.
    last: HashMap<Pid, Process>,
    count: u32,
}

#[derive(Clone, Copy)]
struct Process {
    number: u32,
    has_leader: bool,
    named: bool,
    born: Time,
}

impl Processes {
    /// The number of a task's process, of tasks in order of their first appearance.
    pub(super) fn take(&mut self, task: &TaskRecord) -> u32 {
        let leads = task.task.is_leader();
        let next = Process {
            number: self.count,
            has_leader: false,
            named: false,
            born: task.born,
        };
        let last = self.last.entry(task.task.pid).or_insert(next);
        if leads && last.has_leader {
            *last = next;
        }
        self.count += u32::from(last.number == next.number);
        last.has_leader |= leads;
        last.number
    }

    /// When a process came into sight, if a task that is told of gives it its name: its leader does, or
    /// the first one where no leader was seen.
    fn named_by(&mut self, task: &TaskRecord, process: u32) -> Option<Time> {
        let leads = task.task.is_leader();
        let last = self.last.get_mut(&task.task.pid);
        let Some(last) = last.filter(|last| last.number == process) else {
            return leads.then_some(task.born);
        };
        let names = leads || !(last.has_leader || last.named);
        last.named |= names;
        names.then_some(last.born)
    }

    /// Forgets the processes of which nothing is left, now and then.
    fn forget(&mut self, tasks: &[TaskRecord]) {
        if self.last.len() > 2 * tasks.len() {
            let pids: HashSet<Pid> = tasks.iter().map(|task| task.task.pid).collect();
            self.last.retain(|pid, _| pids.contains(pid));
        }
    }
}

/// A task on its track.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    /// Its number among all tasks.
    pub(super) number: u32,
    /// Its process's number.
    pub(super) process: u32,
    pub(super) record: &'a TaskRecord,
}

/// Who made a task, and how.
pub(super) struct Creation<'a> {
    pub(super) creator: Seen<'a>,
    pub(super) made: Made,
}

/// What the event of a birth has and the task's record has not.
#[derive(Clone, Copy)]
pub(super) struct Made {
    pub(super) via: Via,
    pub(super) flags: Option<u64>,
    pub(super) pc: Option<u64>,
}

impl Made {
    fn by(birth: &Birth) -> Self {
        Made {
            via: birth.via,
            flags: birth.flags,
            pc: birth.pc,
        }
    }
}

/// What is told next. Lives come in no order of time, and neither do they and moments.
pub(super) enum Step<'a> {
    /// A task's whole life.
    Life {
        task: Seen<'a>,
        /// When its process came into sight, if the task has its process's name.
        names_process: Option<Time>,
        /// Its birth, if it is known.
        creation: Option<Creation<'a>>,
        /// How many tasks it made.
        children: u32,
    },
    /// Who is not asked for, and made one who is.
    Creator(Seen<'a>),
    /// A process of which somebody is told, by the task whose name it has: that is not asked for.
    Process { task: Seen<'a>, born: Time },
    /// Something at one moment; to a task, if it is known to which.
    Moment {
        task: Option<Seen<'a>>,
        time: Time,
        /// The kind of event, as in the timeline.
        kind: &'static str,
        title: String,
    },
    /// Something was not seen, or not kept, in a stretch of time.
    Stretch {
        since: Time,
        until: Time,
        kind: &'static str,
        title: String,
    },
}

/// What there is to know of a task until it is told.
#[derive(Default)]
struct Known {
    process: u32,
    /// Whether it is asked for.
    asked: bool,
    /// Its birth, if it was met.
    made: Option<Box<Made>>,
    children: u32,
    told: bool,
    /// It made one that was told of.
    creates: bool,
}

/// Tells parts of a trace as a story.
#[derive(Default)]
pub(super) struct Teller {
    processes: Processes,
    /// Of the tasks of the part, in order, each with its number.
    known: Vec<(u32, Known)>,
    /// Processes of which somebody is told, where not everybody is.
    shown: HashSet<u32>,
    selects: bool,
}

impl Teller {
    /// Tells the next part.
    pub(super) fn take(
        &mut self,
        part: &Part<'_>,
        each: &mut impl FnMut(&Trace, Step<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let trace = part.trace;
        self.selects = !part.selector.is_everything();
        self.know(part);
        if !part.is_rest {
            self.moments(part, each)?;
        }
        for task in trace.tasks() {
            if part.is_rest || task.ended.is_some() {
                self.life(trace, task, each)?;
            }
        }
        if part.is_rest {
            self.others(trace, each)?;
        }
        Ok(())
    }

    /// Takes up the tasks of a part: those that were in the one before, and new ones.
    fn know(&mut self, part: &Part<'_>) {
        let trace = part.trace;
        self.processes.forget(trace.tasks());
        let mut before = std::mem::take(&mut self.known).into_iter().peekable();
        for task in trace.tasks() {
            let number = trace.number(task.id);
            while before.next_if(|(earlier, _)| *earlier < number).is_some() {}
            let known = before.next_if(|(same, _)| *same == number);
            let known = known.unwrap_or_else(|| {
                if let Some(creator) = task.parent {
                    self.known[creator.0 as usize].1.children += 1;
                }
                let process = self.processes.take(task);
                let new = Known {
                    process,
                    asked: part.selector.admits_task(task),
                    ..Known::default()
                };
                (number, new)
            });
            self.known.push(known);
        }
    }

    fn of(&mut self, task: TaskId) -> &mut Known {
        &mut self.known[task.0 as usize].1
    }

    fn seen<'t>(&self, task: &'t TaskRecord) -> Seen<'t> {
        let (number, known) = &self.known[task.id.0 as usize];
        Seen {
            number: *number,
            process: known.process,
            record: task,
        }
    }

    /// Tells of what happened at moments, and notes births.
    fn moments(
        &mut self,
        part: &Part<'_>,
        each: &mut impl FnMut(&Trace, Step<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let (trace, selector) = (part.trace, part.selector);
        for (place, event) in trace.events().iter().enumerate() {
            let task = trace.subject(place);
            if task.is_some_and(|task| !self.of(task.id).asked) {
                continue;
            }
            if let (Some(task), EventBody::Birth(birth)) = (task, &event.body) {
                self.of(task.id).made = Some(Box::new(Made::by(birth)));
            }
            if let Some(step) = step(event, task.map(|task| self.seen(task)))
                && (!selector.has_stretch() || step.is_within(selector.stretch()))
            {
                each(trace, step)?;
            }
        }
        Ok(())
    }

    /// Tells a life, if it is asked for and was not told.
    fn life(
        &mut self,
        trace: &Trace,
        task: &TaskRecord,
        each: &mut impl FnMut(&Trace, Step<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let known = self.of(task.id);
        if std::mem::replace(&mut known.told, true) || !known.asked {
            return Ok(());
        }
        let (process, made, children) = (known.process, known.made.take(), known.children);
        if self.selects {
            self.shown.insert(process);
        }
        let creator = task.parent.map(|id| trace.task(id));
        if let Some(creator) = creator {
            self.of(creator.id).creates = true;
        }
        let creation = made.zip(creator).map(|(made, creator)| Creation {
            creator: self.seen(creator),
            made: *made,
        });
        let names_process = self.processes.named_by(task, process);
        let step = Step::Life {
            task: self.seen(task),
            names_process,
            creation,
            children,
        };
        each(trace, step)
    }

    /// Tells of those who are not asked for, and made one who is; and of the processes whose names
    /// nobody has who is asked for.
    fn others(
        &mut self,
        trace: &Trace,
        each: &mut impl FnMut(&Trace, Step<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let others = || trace.tasks().iter().zip(&self.known);
        for (task, (_, known)) in others().filter(|(_, (_, known))| !known.asked) {
            if known.creates {
                self.shown.insert(known.process);
                each(trace, Step::Creator(self.seen(task)))?;
            }
        }
        for (task, (_, known)) in others().filter(|(_, (_, known))| !known.asked) {
            if (known.creates || task.task.is_leader())
                && self.shown.contains(&known.process)
                && let Some(born) = self.processes.named_by(task, known.process)
            {
                let task = self.seen(task);
                each(trace, Step::Process { task, born })?;
            }
        }
        Ok(())
    }
}

impl Step<'_> {
    /// Whether it belongs to a stretch of time, as all does that is no moment: lives were asked before, and
    /// what was not seen could be anybody's.
    fn is_within(&self, (from, to): (Time, Time)) -> bool {
        match self {
            Step::Moment { time, .. } => (from..=to).contains(time),
            _ => true,
        }
    }
}

/// What an event is beside the beginning or end of a life.
fn step<'a>(event: &Event, task: Option<Seen<'a>>) -> Option<Step<'a>> {
    let title = match &event.body {
        EventBody::Existing { .. } | EventBody::Birth(_) | EventBody::Exit { .. } => return None,
        EventBody::Exec { exe, .. } => format!("exec {}", words::shown_name(exe, NAME)),
        EventBody::Rename { name, .. } => format!("renamed {}", words::shown_name(name, NAME)),
        EventBody::Detach { reason, .. } => format!("let go: {}", reason.as_str()),
        EventBody::Gap {
            reason,
            count,
            since,
            detail,
        } => {
            let tasks = match count {
                0 => String::new(),
                count => format!(", {}", counted(*count, "task")),
            };
            let title = format!("gap: {}{tasks}{}", reason.as_str(), behind_colon(detail));
            return Some(stretch(event, *since, title));
        }
        EventBody::Lost {
            count,
            since,
            reason,
        } => {
            let title = format!("{} lost{}", counted(*count, "event"), behind_colon(reason));
            return Some(stretch(event, *since, title));
        }
        EventBody::CreateFailed { call, errno, .. } => {
            format!(
                "{} failed: {}",
                words::shown_name(call, NAME),
                errno_name(*errno)
            )
        }
        EventBody::SyscallEnter { name, .. } => format!("{}(…)", words::shown_name(name, NAME)),
        EventBody::SyscallExit { name, result, .. } => {
            let error = error_of(*result).map(|errno| format!(" {}", errno_name(errno)));
            let name = words::shown_name(name, NAME);
            format!("{name} = {result}{}", error.unwrap_or_default())
        }
        EventBody::Mark { text } => words::shorten(&text.to_string(), NAME).into_owned(),
    };
    Some(Step::Moment {
        task,
        time: event.time,
        kind: event.body.kind(),
        title,
    })
}

fn behind_colon(detail: &Name) -> String {
    if detail.is_empty() {
        return String::new();
    }
    format!(": {}", words::shorten(&detail.to_string(), NAME))
}

fn stretch(event: &Event, since: Time, title: String) -> Step<'static> {
    Step::Stretch {
        since: since.min(event.time),
        until: event.time,
        kind: event.body.kind(),
        title,
    }
}

/// What a task is called on its track; names are escaped.
pub(super) fn title(task: &TaskRecord) -> String {
    words::shown_name(task.name(), NAME)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::*;
    use crate::load;
    use crate::reading::tests::{recording, recording_of};
    use crate::select::Selectors;
    use crate::site::Sites;

    fn stream(named: &[PathBuf]) -> Option<(Stream, TraceBuilder)> {
        let rules = load::rules(None).expect("our own rules");
        Stream::open(named, &Selectors::default(), &rules, None).expect("a trace")
    }

    /// What is told of a task, but for what a part has forgotten: names and programs before the last.
    fn about(task: &Seen<'_>) -> String {
        let record = task.record;
        let (how, born, ended) = (record.how, record.born.0, record.ended);
        let name = record.name();
        let exe = record.execs.last();
        format!(
            "{} in {}: {:?} {name} {exe:?} {born} {ended:?} {how:?} {:?} {:?} {:?}",
            task.number, task.process, record.task, record.origin, record.stack, record.start
        )
    }

    /// All that is told, in an order of its own.
    fn told(source: Source<'_>) -> Result<Vec<String>> {
        let mut told = Vec::new();
        source.tell(|_, step| {
            told.push(match step {
                Step::Life {
                    task,
                    names_process,
                    creation,
                    children,
                } => {
                    let creation = creation.map(|it| {
                        let made = it.made;
                        (it.creator.number, made.via, made.flags, made.pc)
                    });
                    format!("{} {names_process:?} {creation:?} {children}", about(&task))
                }
                Step::Creator(task) => format!("creator {}", about(&task)),
                Step::Process { task, .. } => format!("process of {}", about(&task)),
                Step::Moment {
                    task, time, title, ..
                } => {
                    let task = task.map(|task| (task.number, task.process));
                    format!("{task:?} {time:?} {title}")
                }
                Step::Stretch {
                    since,
                    until,
                    title,
                    ..
                } => format!("{since:?} {until:?} {title}"),
            });
            Ok(())
        })?;
        told.sort();
        Ok(told)
    }

    fn told_in_parts(named: &[PathBuf]) -> Result<Vec<String>> {
        let (stream, again) = stream(named).expect("it can be read in parts");
        told(Source::Read(&stream, Box::new(again)))
    }

    #[test]
    fn what_is_told_part_by_part_is_what_the_whole_trace_tells() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let named = [folder.path().join("trace.tid")];
        // More than one part.
        let large = recording_of(90_000, &[]);
        let small = recording(&[]);
        let mut damaged = large.clone();
        damaged[large.len() / 2] ^= 0x40;
        for file in [&large[..], &damaged, &large[..large.len() / 3 * 2], &small] {
            fs::write(&named[0], file).expect("a temporary file");
            let trace = load::load(&named).expect("a trace");
            let sites = Sites::default();
            let everything = Selector::everything(&trace, &sites);
            let whole = told(Source::Loaded(&trace, &everything)).expect("nothing to read");
            assert!(whole.len() > trace.tasks().len());
            let parts = told_in_parts(&named).expect("it can be read");
            let differs = parts.iter().zip(&whole).find(|(part, whole)| part != whole);
            assert_eq!(differs, None);
            assert_eq!(parts.len(), whole.len());
        }
    }

    #[test]
    fn a_file_may_grow_meanwhile_but_not_shrink() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let named = [folder.path().join("trace.tid")];
        let whole = recording(&[]);
        let part = &whole[..whole.len() / 2];
        fs::write(&named[0], part).expect("a temporary file");
        let before = told_in_parts(&named).expect("it can be read");
        for now in [&whole[..], &part[..part.len() / 2]] {
            fs::write(&named[0], part).expect("a temporary file");
            let (stream, again) = stream(&named).expect("it can be read in parts");
            fs::write(&named[0], now).expect("a temporary file");
            let told = told(Source::Read(&stream, Box::new(again)));
            match now.len() > part.len() {
                true => assert_eq!(told.expect("it can be read"), before),
                false => {
                    let error = told.expect_err("less is there").to_string();
                    assert!(
                        error.ends_with("it has less than a moment ago; try again"),
                        "{error}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_recording_that_gives_up_files_is_read_once() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let named = [folder.path().join("trace.tid")];
        let file = recording(&[("max-disk", "1G")]);
        fs::write(&named[0], &file[..file.len() / 2]).expect("a temporary file");
        assert!(stream(&named).is_none());
        fs::write(&named[0], &file).expect("a temporary file");
        assert!(stream(&named).is_some());
    }
}
