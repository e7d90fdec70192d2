//! Chrome's trace event format, JSON that Perfetto, Speedscope and chrome://tracing read: lives
//! as complete events, creations as flows, the rest as instants. One event is one line.

use std::io::{self, Write};

use anyhow::Result;
use tidline::model::{TaskRecord, Time};
use tidline::text;

use super::About;
use super::lives::{self, Creation, Seen, Source, Step};
use crate::render::json;
use crate::words;

/// Writes a trace.
pub(super) fn write(source: Source<'_>, told: &About<'_>, out: &mut dyn Write) -> Result<()> {
    let header = source.about().header();
    let host = text::escape(header.host.as_bytes()).into_owned();
    let about = [
        ("host", host),
        (
            "recorder",
            text::escape(header.recorder.as_bytes()).into_owned(),
        ),
        ("trace_id", format!("{:032x}", header.trace_id)),
        ("start_wall_ns", header.start_wall_ns.to_string()),
        ("missing", told.missing.join("; ")),
        ("selected", told.selected.to_string()),
    ];
    let about = &about[..about.len() - usize::from(told.selected.is_empty())];
    let mut events = Events {
        out: &mut *out,
        first: true,
    };
    write!(events.out, "{{\"displayTimeUnit\":\"ns\",\"traceEvents\":[")?;
    source.tell(|_, step| events.step(&step))?;
    write!(out, "\n],\"otherData\":{{")?;
    for (index, (name, value)) in about.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        write!(out, "{comma}\"{name}\":")?;
        json::line(out, value)?;
    }
    Ok(writeln!(out, "}}}}")?)
}

struct Events<'a> {
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

    fn step(&mut self, step: &Step<'_>) -> io::Result<()> {
        match step {
            Step::Life {
                task,
                names_process,
                creation,
                ..
            } => {
                let name = lives::title(task.record);
                if names_process.is_some() {
                    self.named("process_name", task.record, &name)?;
                }
                self.named("thread_name", task.record, &name)?;
                self.life(task.record, &name)?;
                match creation {
                    Some(creation) => self.creation(creation, task, &name),
                    None => Ok(()),
                }
            }
            Step::Creator(task) => {
                let name = format!("({})", lives::title(task.record));
                self.named("thread_name", task.record, &name)
            }
            Step::Process { task, .. } => {
                self.named("process_name", task.record, &lives::title(task.record))
            }
            Step::Moment {
                task,
                time,
                kind,
                title,
            } => {
                let task = task.as_ref().map(|task| task.record);
                self.moment(task, *time, kind, title)
            }
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
        }
    }

    /// A flow from the creator to the new life.
    fn creation(
        &mut self,
        creation: &Creation<'_>,
        child: &Seen<'_>,
        name: &str,
    ) -> io::Result<()> {
        let (creator, time) = (creation.creator.record, child.record.born);
        let via = creation.made.via.as_str();
        self.moment(Some(creator), time, via, &format!("{via} {name}"))?;
        for (phase, task) in [('s', creator), ('f', child.record)] {
            self.event(phase, Some(task), time)?;
            if phase == 'f' {
                write!(self.out, ",\"bp\":\"e\"")?;
            }
            write!(self.out, ",\"id\":{}", child.number)?;
            self.text("cat", "creation")?;
            self.text("name", "creates")?;
            self.close()?;
        }
        Ok(())
    }

    /// A life that has not ended is begun, and no more.
    fn life(&mut self, task: &TaskRecord, name: &str) -> io::Result<()> {
        match task.ended {
            Some(ended) => {
                self.event('X', Some(task), task.born)?;
                let lived = task.lifetime_ns(ended);
                write!(self.out, ",\"dur\":{}", micros(lived))?;
            }
            None => self.event('B', Some(task), task.born)?,
        }
        self.text("cat", "life")?;
        self.text("name", name)?;
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
