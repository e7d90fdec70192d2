//! An event as the commands' contract has it: one flat object, fields by kind.

use std::borrow::Cow;

use serde::Serialize;
use tidline::model::{
    Birth, End, EventBody, FrameId, Name, StackId, Trace, errno_name, signal_name,
};

use super::Options;
use super::timeline::Entry;
use crate::site::{self, Frame, Sites};

/// The contract's object. A doubled `Option` tells "null" from "not of this kind".
#[derive(Debug, Default, Serialize)]
pub(crate) struct Record<'a> {
    pub(crate) seq: usize,
    pub(crate) time_ns: u64,
    pub(crate) wall: String,
    pub(crate) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent_pid: Option<Option<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent_tid: Option<Option<u32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) new_pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) new_tid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) what: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pc: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) flags: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) signal: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) core: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) former_tid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exe: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since_ns: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) inner_tid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) call: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) errno: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) args: Option<[String; 6]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<i64>,
    /// The creator's frames, the innermost first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stack: Option<Option<Vec<Frame<'a>>>>,
    /// Why the stack is not whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stack_end: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) start_routine: Option<Option<String>>,
}

/// An event as the contract's object.
pub(crate) fn record<'a>(
    trace: &'a Trace,
    sites: &Sites,
    entry: &Entry<'a>,
    options: &Options,
) -> Record<'a> {
    let event = entry.event;
    let task = event.body.task();
    let mut record = Record {
        seq: entry.seq,
        time_ns: event.time.0,
        wall: options.clock.rfc3339(event.time),
        kind: event.body.kind(),
        pid: task.map(|task| task.pid.0),
        tid: task.map(|task| task.tid.0),
        name: entry.task.map(|task| lossy(task.name_at(event.time))),
        inner_tid: entry.task.and_then(|task| task.inner).map(|inner| inner.0),
        ..Record::default()
    };
    fill(&mut record, &event.body);
    // Only a trace that has stacks has these fields.
    if !trace.stacks().is_empty() {
        match &event.body {
            EventBody::Birth(birth) => {
                fill_stack(&mut record, trace, birth.stack);
                record.start_routine = Some(routine(sites, birth.start));
            }
            EventBody::CreateFailed { stack, .. } => fill_stack(&mut record, trace, *stack),
            _ => {}
        }
    }
    record
}

fn fill_stack<'a>(record: &mut Record<'a>, trace: &'a Trace, stack: Option<StackId>) {
    let stacks = trace.stacks();
    let Some(stack) = stack else {
        record.stack = Some(None);
        return;
    };
    let (frames, more) = site::frames(stacks, stack);
    record.stack = Some(stacks.node(stack).map(|_| frames));
    record.stack_end = match more {
        false => site::stack_end(stacks, stack),
        true => Some("more frames than are shown"),
    };
}

/// The function that a thread began with, as a site is shown.
pub(crate) fn routine(sites: &Sites, start: Option<FrameId>) -> Option<String> {
    let site = sites.of_start(start)?;
    Some(sites.get(site).to_string())
}

/// Adds what only this kind of event has.
fn fill<'a>(record: &mut Record<'a>, body: &'a EventBody) {
    match body {
        EventBody::Existing { parent_pid, pc, .. } => {
            record.parent_pid = parent_pid.map(|pid| Some(pid.0));
            record.pc = pc.map(|pc| Some(hex(pc)));
        }
        EventBody::Birth(birth) => fill_birth(record, birth),
        EventBody::Exec {
            former_tid, exe, ..
        } => {
            record.former_tid = Some(former_tid.0);
            record.exe = Some(lossy(exe));
        }
        EventBody::Exit { end, .. } => match *end {
            End::Code(code) => record.code = Some(code),
            End::Signal { number, core } => {
                record.signal = Some(signal_name(number));
                record.core = Some(core);
            }
            End::Unknown => {}
        },
        EventBody::Rename { .. } => {}
        EventBody::Detach { reason, .. } => record.reason = Some(reason.as_str().into()),
        EventBody::Gap {
            reason,
            count,
            since,
            detail,
        } => {
            record.reason = Some(reason.as_str().into());
            record.count = Some(*count);
            record.since_ns = Some(since.0);
            record.detail = Some(lossy(detail));
        }
        EventBody::Lost {
            count,
            since,
            reason,
        } => {
            record.reason = Some(lossy(reason));
            record.count = Some(*count);
            record.since_ns = Some(since.0);
        }
        EventBody::CreateFailed {
            call,
            errno,
            flags,
            pc,
            ..
        } => {
            record.call = Some(lossy(call));
            record.errno = Some(errno_name(*errno));
            record.flags = Some(flags.map(hex));
            record.pc = Some(pc.map(hex));
        }
        EventBody::SyscallEnter { name, args, .. } => {
            record.call = Some(lossy(name));
            record.args = Some(args.map(hex));
        }
        EventBody::SyscallExit { name, result, .. } => {
            record.call = Some(lossy(name));
            record.result = Some(*result);
            record.errno = error_of(*result).map(errno_name);
        }
        EventBody::Mark { text } => record.text = Some(lossy(text)),
    }
}

fn fill_birth(record: &mut Record<'_>, birth: &Birth) {
    record.parent_pid = Some(birth.parent.map(|task| task.pid.0));
    record.parent_tid = Some(birth.parent.map(|task| task.tid.0));
    record.new_pid = Some(birth.child.pid.0);
    record.new_tid = Some(birth.child.tid.0);
    record.what = Some(birth.what.as_str());
    record.pc = Some(birth.pc.map(hex));
    record.flags = Some(birth.flags.map(hex));
}

/// The error that a system call's result stands for (syscall(2)).
pub(crate) fn error_of(result: i64) -> Option<u16> {
    (-4095..0).contains(&result).then(|| (-result) as u16)
}

fn hex(number: u64) -> String {
    format!("{number:#x}")
}

fn lossy(name: &Name) -> Cow<'_, str> {
    String::from_utf8_lossy(name.as_bytes())
}
