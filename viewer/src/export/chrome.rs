//! Chrome's trace event format, JSON that Perfetto, Speedscope and chrome://tracing read: lives
//! as complete events, creations as flows, the rest as instants. One event is one line.

use std::io::{self, Write};

use anyhow::Result;
use tidline::model::{TaskRecord, Time, Trace};
use tidline::text;

use super::lives::{self, Processes, Step};
use crate::render::json;
use crate::retold::Story;
use crate::view::notices;
use crate::words;

/// Writes a trace.
pub(super) fn write(story: &Story, out: &mut dyn Write) -> Result<()> {
    let trace = story.trace();
    let processes = Processes::new(trace);
    let mut events = Events {
        trace,
        out: &mut *out,
        first: true,
    };
    write!(events.out, "{{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")?;
    lives::tell(story, &processes, |step| events.step(&step, &processes))?;
    let header = trace.header();
    let host = text::escape(header.host.as_bytes()).into_owned();
    let about = [
        ("host", host),
        (
            "recorder",
            text::escape(header.recorder.as_bytes()).into_owned(),
        ),
        ("trace_id", format!("{:032x}", header.trace_id)),
        ("start_wall_ns", header.start_wall_ns.to_string()),
        ("missing", notices(trace).join("; ")),
    ];
    write!(out, "\n],\"otherData\":{{")?;
    for (index, (name, value)) in about.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        write!(out, "{comma}\"{name}\":")?;
        json::line(out, value)?;
    }
    Ok(writeln!(out, "}}}}")?)
}

struct Events<'a> {
    trace: &'a Trace,
    out: &'a mut dyn Write,
    first: bool,
}

impl Events<'_> {
    /// An event of a phase, without its end.
    fn event(&mut self, phase: char, task: Option<&TaskRecord>, time: Time) -> io::Result<()> {
        let comma = if std::mem::take(&mut self.first) {
            ""
        } else {
            ","
        };
        let task = task.map(|task| task.task).unwrap_or_default();
        write!(
            self.out,
            "{comma}\n{{\"ph\":\"{phase}\",\"pid\":{},\"tid\":{},\"ts\":{}",
            task.pid,
            task.tid,
            micros(time.0)
        )
    }

    fn text(&mut self, name: &str, value: &str) -> io::Result<()> {
        write!(self.out, ",\"{name}\":")?;
        json::line(self.out, &value)
    }

    fn close(&mut self) -> io::Result<()> {
        write!(self.out, "}}")
    }

    /// A name of a process or a thread.
    fn named(&mut self, what: &str, task: &TaskRecord, name: &str) -> io::Result<()> {
        self.event('M', Some(task), Time(0))?;
        self.text("name", what)?;
        write!(self.out, ",\"args\":{{\"name\":")?;
        json::line(self.out, &name)?;
        write!(self.out, "}}")?;
        self.close()
    }

    fn step(&mut self, step: &Step<'_, '_>, processes: &Processes) -> io::Result<()> {
        match step {
            // It is named when its first task is.
            Step::Process(_) => Ok(()),
            Step::Begin { task, created } => {
                let process = &processes.all[processes.of(task.id)];
                if process.leader.is_none_or(|leader| leader == task.id) {
                    let name = words::shown_name(&process.name, lives::NAME);
                    self.named("process_name", task, &name)?;
                }
                self.named("thread_name", task, &lives::title(task))?;
                self.life(task)?;
                if *created {
                    self.event('f', Some(task), task.born)?;
                    write!(self.out, ",\"bp\":\"e\",\"id\":{}", task.id.0)?;
                    self.text("cat", "creation")?;
                    self.text("name", "creates")?;
                    self.close()?;
                }
                Ok(())
            }
            Step::Creates {
                creator,
                child,
                birth,
                time,
            } => {
                let title = format!("{} {}", birth.via.as_str(), lives::title(child));
                self.moment(Some(creator), *time, birth.via.as_str(), &title)?;
                self.event('s', Some(creator), *time)?;
                write!(self.out, ",\"id\":{}", child.id.0)?;
                self.text("cat", "creation")?;
                self.text("name", "creates")?;
                self.close()
            }
            Step::Moment {
                task,
                time,
                kind,
                title,
            } => self.moment(*task, *time, kind, title),
            Step::Stretch {
                since,
                until,
                kind,
                title,
            } => {
                self.event('X', None, *since)?;
                write!(self.out, ",\"dur\":{}", micros(until.0 - since.0))?;
                self.text("cat", kind)?;
                self.text("name", title)?;
                self.close()
            }
            // A life is written as a whole.
            Step::End { .. } => Ok(()),
        }
    }

    /// A life that has not ended is begun, and no more.
    fn life(&mut self, task: &TaskRecord) -> io::Result<()> {
        match task.ended {
            Some(_) => {
                self.event('X', Some(task), task.born)?;
                let lived = task.lifetime_ns(self.trace.end());
                write!(self.out, ",\"dur\":{}", micros(lived))?;
            }
            None => self.event('B', Some(task), task.born)?,
        }
        self.text("cat", "life")?;
        self.text("name", &lives::title(task))?;
        write!(self.out, ",\"args\":{{\"end\":")?;
        json::line(self.out, &words::how(task.how))?;
        self.text("what", task.what().as_str())?;
        write!(self.out, "}}")?;
        self.close()
    }

    fn moment(
        &mut self,
        task: Option<&TaskRecord>,
        time: Time,
        kind: &str,
        title: &str,
    ) -> io::Result<()> {
        self.event('i', task, time)?;
        // To a thread, or to all.
        let scope = if task.is_some() { "t" } else { "g" };
        self.text("s", scope)?;
        self.text("cat", kind)?;
        self.text("name", title)?;
        self.close()
    }
}

/// Nanoseconds as microseconds, exactly.
fn micros(ns: u64) -> String {
    match ns % 1_000 {
        0 => (ns / 1_000).to_string(),
        rest => format!("{}.{rest:03}", ns / 1_000),
    }
}
