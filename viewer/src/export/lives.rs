//! A trace as a story for programs that draw tracks: processes and tasks come into sight, make
//! others, and end. Step by step, so that whoever writes it down needs no more memory than that.

use std::collections::HashMap;
use std::io;

use anyhow::Result;
use tidline::model::{
    Birth, Event, EventBody, Name, Pid, TaskId, TaskRecord, Time, Trace, errno_name,
};

use crate::retold::Story;
use crate::view::record::error_of;
use crate::words::{self, counted};

/// Columns of a name that is not cut: the kernel's own names have 15 bytes.
pub(super) const NAME: usize = 200;

/// One process's life: the kernel uses a pid again.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) pid: Pid,
    /// Its leader; `None` where only other threads of it were seen.
    pub(super) leader: Option<TaskId>,
    pub(super) name: Name,
    pub(super) born: Time,
}

/// The processes of a trace, and whose each task is.
#[derive(Debug)]
pub(super) struct Processes {
    pub(super) all: Vec<Process>,
    /// By task.
    of: Vec<u32>,
}

impl Processes {
    pub(super) fn new(trace: &Trace) -> Self {
        let mut all: Vec<Process> = Vec::new();
        let mut of = Vec::with_capacity(trace.tasks().len());
        let mut last: HashMap<Pid, u32> = HashMap::new();
        for task in trace.tasks() {
            let pid = task.task.pid;
            let leads = task.task.is_leader();
            let known = last.get(&pid).copied();
            let known = known.filter(|known| !leads || all[*known as usize].leader.is_none());
            let index = known.unwrap_or_else(|| {
                all.push(Process {
                    pid,
                    leader: None,
                    name: task.name().clone(),
                    born: task.born,
                });
                let index = all.len() as u32 - 1;
                last.insert(pid, index);
                index
            });
            if leads {
                let process = &mut all[index as usize];
                (process.leader, process.name) = (Some(task.id), task.name().clone());
            }
            of.push(index);
        }
        Processes { all, of }
    }

    /// The number of a task's process.
    pub(super) fn of(&self, task: TaskId) -> usize {
        self.of[task.0 as usize] as usize
    }
}

/// What happens next.
pub(super) enum Step<'a, 'e> {
    /// A process comes into sight, before any of its tasks: its number.
    Process(usize),
    /// A task's life begins.
    Begin {
        task: &'a TaskRecord,
        /// Whether the step before tells who made it.
        created: bool,
    },
    /// A task makes another, whose life begins with the next step.
    Creates {
        creator: &'a TaskRecord,
        child: &'a TaskRecord,
        birth: &'e Birth,
        time: Time,
    },
    /// Something at one moment; to a task, if it is known to which.
    Moment {
        task: Option<&'a TaskRecord>,
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
    /// A task's life ends.
    End { task: &'a TaskRecord, time: Time },
}

/// Tells the story. Steps come in order of time, but for what has no event of its own: the lives
/// of tasks that something else tells of, and all ends.
pub(super) fn tell<'a>(
    story: &'a Story,
    processes: &Processes,
    mut each: impl FnMut(Step<'a, '_>) -> io::Result<()>,
) -> Result<()> {
    let trace = story.trace();
    let mut begun = Begun {
        tasks: vec![false; trace.tasks().len()],
        processes: vec![false; processes.all.len()],
        of: processes,
    };
    story.each(|event, task| {
        if let (Some(child), EventBody::Birth(birth)) = (task, &event.body)
            && let Some(creator) = child.parent.map(|id| trace.task(id))
        {
            begun.begin(creator, false, &mut each)?;
            begun.process(child, &mut each)?;
            each(Step::Creates {
                creator,
                child,
                birth,
                time: event.time,
            })?;
            begun.begin(child, true, &mut each)?;
        }
        if let Some(task) = task {
            begun.begin(task, false, &mut each)?;
        }
        match step(event, task) {
            Some(step) => each(step),
            None => Ok(()),
        }
    })?;
    for task in trace.tasks() {
        begun.begin(task, false, &mut each)?;
        if let Some(time) = task.ended {
            each(Step::End { task, time })?;
        }
    }
    Ok(())
}

/// What has come into sight.
struct Begun<'p> {
    tasks: Vec<bool>,
    processes: Vec<bool>,
    of: &'p Processes,
}

impl Begun<'_> {
    fn process<'a>(
        &mut self,
        task: &'a TaskRecord,
        each: &mut impl FnMut(Step<'a, '_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let process = self.of.of(task.id);
        match std::mem::replace(&mut self.processes[process], true) {
            true => Ok(()),
            false => each(Step::Process(process)),
        }
    }

    fn begin<'a>(
        &mut self,
        task: &'a TaskRecord,
        created: bool,
        each: &mut impl FnMut(Step<'a, '_>) -> io::Result<()>,
    ) -> io::Result<()> {
        if std::mem::replace(&mut self.tasks[task.id.0 as usize], true) {
            return Ok(());
        }
        self.process(task, each)?;
        each(Step::Begin { task, created })
    }
}

/// What an event is beside the beginning or end of a life.
fn step<'a>(event: &Event, task: Option<&'a TaskRecord>) -> Option<Step<'a, 'static>> {
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

fn stretch(event: &Event, since: Time, title: String) -> Step<'static, 'static> {
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
