//! Which events and tasks a view is to show.

mod args;
mod expr;
mod facts;
mod selector;
mod when;

use tidline::model::{Event, EventBody, TaskRecord, Trace};

pub(crate) use args::{Selectors, is_by_mark};
pub(crate) use selector::Selector;
pub(crate) use when::{Frame, between, moment, span, stretch};

/// The kinds of event.
pub(crate) const KINDS: [&str; 14] = [
    "existing",
    "clone",
    "fork",
    "vfork",
    "exec",
    "exit",
    "rename",
    "create-failed",
    "syscall-enter",
    "syscall-exit",
    "detach",
    "gap",
    "lost",
    "mark",
];

/// What is asked for; the default is everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    pub(crate) pid: Option<u32>,
    pub(crate) tid: Option<u32>,
    pub(crate) kinds: Vec<String>,
}

impl Selection {
    /// Whether an event belongs to what is asked for. A thread's events are those about it,
    /// the births it caused, and the exec by which it became its group's leader.
    pub(crate) fn admits(&self, event: &Event) -> bool {
        let body = &event.body;
        let kind = self.kinds.is_empty() || self.kinds.iter().any(|kind| kind == body.kind());
        kind && self.pid.is_none_or(|pid| concerns_pid(body, pid))
            && self.tid.is_none_or(|tid| concerns_tid(body, tid))
    }

    /// Whether a task has its own lane: it is asked for, or was made by a thread that is.
    pub(crate) fn admits_task(&self, trace: &Trace, task: &TaskRecord) -> bool {
        let made_by = |tid: u32| {
            task.parent
                .is_some_and(|parent| trace.task(parent).task.tid.0 == tid)
        };
        self.pid.is_none_or(|pid| task.task.pid.0 == pid)
            && self
                .tid
                .is_none_or(|tid| task.task.tid.0 == tid || made_by(tid))
    }

    /// What was asked for, in words.
    pub(crate) fn words(&self) -> String {
        let mut words = Vec::new();
        if let Some(pid) = self.pid {
            words.push(format!("pid {pid}"));
        }
        if let Some(tid) = self.tid {
            words.push(format!("tid {tid}"));
        }
        if !self.kinds.is_empty() {
            words.push(format!("kind {}", self.kinds.join(" or ")));
        }
        words.join(", ")
    }
}

fn concerns_pid(body: &EventBody, pid: u32) -> bool {
    let creator = match body {
        EventBody::Birth(birth) => birth.parent,
        _ => None,
    };
    [body.task(), creator]
        .into_iter()
        .flatten()
        .any(|task| task.pid.0 == pid)
}

fn concerns_tid(body: &EventBody, tid: u32) -> bool {
    let other = match body {
        EventBody::Birth(birth) => birth.parent.map(|task| task.tid),
        EventBody::Exec { former_tid, .. } => Some(*former_tid),
        _ => None,
    };
    body.task().is_some_and(|task| task.tid.0 == tid) || other.is_some_and(|other| other.0 == tid)
}

#[cfg(test)]
mod tests {
    use tidline::model::{Birth, End, Task, Tid, Time, Via, What};

    use super::*;

    fn event(body: EventBody) -> Event {
        Event {
            time: Time(0),
            body,
        }
    }

    fn tid(tid: u32) -> Selection {
        Selection {
            tid: Some(tid),
            ..Selection::default()
        }
    }

    #[test]
    fn a_thread_s_events_are_its_own_its_births_and_its_exec() {
        let birth = event(EventBody::Birth(Birth {
            via: Via::Clone,
            what: What::Thread,
            parent: Some(Task::new(1, 2)),
            child: Task::new(1, 3),
            flags: None,
            pc: None,
            inner: None,
            stack: None,
            start: None,
        }));
        let exec = event(EventBody::Exec {
            task: Task::new(1, 1),
            former_tid: Tid(3),
            exe: b"/bin/x".into(),
            name: b"x".into(),
        });
        let mark = event(EventBody::Mark { text: b"m".into() });
        let admits = |n| [&birth, &exec, &mark].map(|event| tid(n).admits(event));
        assert_eq!(admits(1), [false, true, false]);
        assert_eq!(admits(2), [true, false, false]);
        assert_eq!(admits(3), [true, true, false]);
        assert_eq!(admits(4), [false, false, false]);
    }

    #[test]
    fn selectors_combine_by_and() {
        let exit = event(EventBody::Exit {
            task: Task::new(1, 2),
            end: End::Code(0),
        });
        let mut selection = Selection {
            pid: Some(1),
            tid: Some(2),
            kinds: vec!["exit".into(), "mark".into()],
        };
        assert!(selection.admits(&exit));
        assert_eq!(selection.words(), "pid 1, tid 2, kind exit or mark");
        selection.pid = Some(2);
        assert!(!selection.admits(&exit));
    }
}
