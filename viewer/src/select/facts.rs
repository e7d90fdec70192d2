//! What the fields of `--where` are, of an event and of a task.
//!
//! An event has a kind, a time and what only its kind has; all else is of the task that it is about.

use std::borrow::Cow;

use tidline::model::{
    End, Ended, Event, EventBody, Name, StackId, TaskRecord, What, errno_name, signal_name,
};

use super::expr::{Fact, Facts};
use super::selector::Selector;
use crate::view::record::{error_of, routine};

/// A task, to ask conditions of.
pub(super) struct OfTask<'s, 'a> {
    pub(super) selector: &'s Selector<'a>,
    pub(super) task: &'s TaskRecord,
}

impl Facts for OfTask<'_, '_> {
    fn fact(&self, name: &str) -> Option<Fact> {
        let (selector, task) = (self.selector, self.task);
        match name {
            "kind" => selector.birth_kind(task).map(text),
            "name" => Some(lossy(task.name())),
            "exe" => task.execs.last().map(|(_, exe)| lossy(exe)),
            "site" => site(selector, task.stack),
            "flags" => flags(selector.birth(task)?),
            "time" => Some(Fact::Number(task.born.0 as f64)),
            "text" | "errno" => None,
            name => of_task(selector, task, name),
        }
    }
}

/// An event, to ask conditions of.
pub(super) struct OfEvent<'s, 'a> {
    pub(super) selector: &'s Selector<'a>,
    pub(super) event: &'s Event,
    pub(super) subject: Option<&'s TaskRecord>,
}

impl Facts for OfEvent<'_, '_> {
    fn fact(&self, name: &str) -> Option<Fact> {
        let (selector, body) = (self.selector, &self.event.body);
        match name {
            "kind" => Some(text(body.kind())),
            "time" => Some(Fact::Number(self.event.time.0 as f64)),
            "text" => match body {
                EventBody::Mark { text } => Some(lossy(text)),
                _ => None,
            },
            "errno" => errno(body),
            "flags" => flags(body),
            "site" => match body {
                EventBody::CreateFailed { stack, .. } => site(selector, *stack),
                _ => site(selector, self.subject?.stack),
            },
            "exe" => match body {
                EventBody::Exec { exe, .. } => Some(lossy(exe)),
                _ => {
                    let execs = &self.subject?.execs;
                    execs.last().map(|(_, exe)| lossy(exe))
                }
            },
            "name" => Some(lossy(self.subject?.name_at(self.event.time))),
            name => of_task(selector, self.subject?, name),
        }
    }
}

/// What is of a task, whichever of its events is asked.
fn of_task(selector: &Selector<'_>, task: &TaskRecord, name: &str) -> Option<Fact> {
    let trace = selector.trace();
    Some(match name {
        "what" => text(task.what().as_str()),
        "host" => text(selector.host(task)?),
        "pid" => number(task.task.pid.0),
        "tid" => number(task.task.tid.0),
        "parent" => number(trace.task(task.parent?).task.tid.0),
        "start" => Fact::Text(routine(selector.sites(), task.start)?),
        "signal" => match task.how {
            Ended::Exit(End::Signal { number, .. }) => owned(signal_name(number)),
            _ => return None,
        },
        "code" => match task.how {
            Ended::Exit(End::Code(code)) => number(u32::from(code)),
            _ => return None,
        },
        "life" => Fact::Number(task.lifetime_ns(trace.end()) as f64),
        "children" => Fact::Number(trace.children(task.id).len() as f64),
        "alive" => Fact::Bool(task.ended.is_none()),
        "thread" => Fact::Bool(task.what() == What::Thread),
        _ => return None,
    })
}

fn errno(body: &EventBody) -> Option<Fact> {
    match body {
        EventBody::CreateFailed { errno, .. } => Some(owned(errno_name(*errno))),
        EventBody::SyscallExit { result, .. } => {
            error_of(*result).map(|errno| owned(errno_name(errno)))
        }
        _ => None,
    }
}

fn flags(body: &EventBody) -> Option<Fact> {
    let flags = match body {
        EventBody::Birth(birth) => birth.flags,
        EventBody::CreateFailed { flags, .. } => *flags,
        _ => None,
    };
    flags.map(|flags| Fact::Number(flags as f64))
}

fn site(selector: &Selector<'_>, stack: Option<StackId>) -> Option<Fact> {
    let sites = selector.sites();
    let site = sites.of_stack(stack)?;
    Some(Fact::Text(sites.get(site).to_string()))
}

fn text(text: &str) -> Fact {
    Fact::Text(text.into())
}

fn owned(text: Cow<'_, str>) -> Fact {
    Fact::Text(text.into_owned())
}

fn number(number: u32) -> Fact {
    Fact::Number(f64::from(number))
}

fn lossy(name: &Name) -> Fact {
    Fact::Text(String::from_utf8_lossy(name.as_bytes()).into_owned())
}
