//! Parquet files, so that the traces of a whole fleet can be asked as two tables: one of events,
//! one of tasks. docs/fleet.md has the columns.
//!
//! ```text
//! OUT/events/host=web-3/date=2026-09-21/0000…feed.parquet
//! OUT/tasks/host=web-3/date=2026-09-21/0000…feed.parquet
//! ```
//!
//! A column keeps its name, type and meaning; later versions add columns. All of them may be null.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use chrono::DateTime;
use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use tidline::model::signal_name;
use tidline::model::{Anchor, End, Ended, EventBody, Name, Origin, Time, Trace};

use super::About;
use super::lives::{Seen, Source, Step, Teller};
use super::stacks;
use crate::fold;
use crate::load::shown;
use crate::output::Output;
use crate::site::Sites;
use crate::view::record::{self, Record};
use crate::view::{Options, timeline};
use crate::words;

/// Of the columns' meaning. Columns that are added do not change it.
const SCHEMA: &str = "1";
/// Rows that are kept until they are written.
const GROUP: usize = 1 << 15;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Text,
    Number,
    /// Microseconds since 1970-01-01 UTC.
    Moment,
    Truth,
}

use Type::{Moment, Number, Text, Truth};

/// A table's columns.
type Schema = &'static [(&'static str, Type)];

const EVENTS: Schema = &[
    ("trace", Text),
    ("seq", Number),
    ("time_ns", Number),
    ("wall", Moment),
    ("kind", Text),
    ("task", Number),
    ("pid", Number),
    ("tid", Number),
    ("inner_tid", Number),
    ("name", Text),
    ("parent_pid", Number),
    ("parent_tid", Number),
    ("what", Text),
    ("pc", Text),
    ("flags", Text),
    ("code", Number),
    ("signal", Text),
    ("core", Truth),
    ("former_tid", Number),
    ("exe", Text),
    ("count", Number),
    ("since_ns", Number),
    ("reason", Text),
    ("detail", Text),
    ("text", Text),
    ("call", Text),
    ("errno", Text),
    ("args", Text),
    ("result", Number),
    ("site", Text),
];

const TASKS: Schema = &[
    ("trace", Text),
    ("task", Number),
    ("pid", Number),
    ("tid", Number),
    ("inner_tid", Number),
    ("parent", Number),
    ("what", Text),
    ("name", Text),
    ("class", Text),
    ("exe", Text),
    ("origin", Text),
    ("born_ns", Number),
    ("born", Moment),
    ("ended_ns", Number),
    ("ended", Moment),
    ("lifetime_ns", Number),
    ("how", Text),
    ("code", Number),
    ("signal", Text),
    ("core", Truth),
    ("children", Number),
    ("site", Text),
    ("start", Text),
];

/// A value of a row; `None` is null.
enum Cell {
    Text(Option<ByteArray>),
    Number(Option<i64>),
    Truth(Option<bool>),
}

/// Writes a trace's two files into a folder, both or none.
pub(super) fn write(
    source: Source<'_>,
    told: &About<'_>,
    options: &Options,
    (folder, force): (&Path, bool),
) -> Result<Option<String>> {
    if folder.exists() && !folder.is_dir() {
        bail!(
            "{} is no folder: parquet is written into one, name it with -o",
            shown(folder)
        );
    }
    let about = source.about();
    let events = Place::new(about, folder, "events", force)?;
    let tasks = Place::new(about, folder, "tasks", force)?;
    let host = about.header().host.clone();
    let table = Table {
        id: id(about),
        sites: told.sites,
        anchors: about.anchors(),
        end: about.end(),
    };
    let facts = [
        ("tidline.schema", SCHEMA.to_string()),
        ("tidline.host", host),
        ("tidline.missing", told.missing.join("; ")),
    ];
    let mut event_rows = events.start(EVENTS, &facts)?;
    let mut task_rows = tasks.start(TASKS, &facts)?;
    let mut teller = Teller::default();
    let (mut shown, mut of_events) = (0, None);
    source.parts(|part| {
        let trace = part.trace;
        for entry in part.entries() {
            let record = record::record(trace, told.sites, &entry, options);
            let row = table.event(trace, &entry, &record);
            event_rows.push(row).map_err(|error| events.failed(error))?;
            shown += 1;
        }
        let all = part.before + trace.events().len();
        of_events = part.selector.shown_of(shown, all, "event");
        teller.take(&part, &mut |trace, step| match step {
            Step::Life { task, children, .. } => {
                let row = table.task(trace, &task, children);
                task_rows.push(row).map_err(io::Error::other)
            }
            _ => Ok(()),
        })?;
        Ok(())
    })?;
    let selected = of_events.as_deref().unwrap_or_default();
    let finished = event_rows.finish(selected);
    finished.map_err(|error| events.failed(error))?;
    let finished = task_rows.finish(told.selected);
    finished.map_err(|error| tasks.failed(error))?;
    events.output.finish(events.file)?;
    tasks.output.finish(tasks.file)?;
    Ok(of_events)
}

fn id(trace: &Trace) -> String {
    format!("{:032x}", trace.header().trace_id)
}

/// A file of a table.
struct Place {
    path: PathBuf,
    output: Output,
    file: File,
}

impl Place {
    fn new(trace: &Trace, folder: &Path, table: &str, force: bool) -> Result<Place> {
        let header = trace.header();
        let date = DateTime::from_timestamp_nanos(header.start_wall_ns).format("%Y-%m-%d");
        let folder = folder
            .join(table)
            .join(format!("host={}", partition(&header.host)))
            .join(format!("date={date}"));
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot make the folder {}", shown(&folder)))?;
        // A part of a recording has its id, too.
        let part = match trace.begin() {
            Time(0) => String::new(),
            begin => format!("-{}", begin.0),
        };
        let path = folder.join(format!("{}{part}.parquet", id(trace)));
        let (output, file) = Output::create(&path, force, std::iter::empty(), &[])?;
        Ok(Place { path, output, file })
    }

    /// Begins the table in it.
    fn start(&self, schema: Schema, about: &[(&str, String)]) -> Result<Rows> {
        let file = self.file.try_clone();
        let file = file.with_context(|| format!("cannot write {}", shown(&self.path)))?;
        Rows::start(file, schema, about).map_err(|error| self.failed(error))
    }

    fn failed(&self, error: ParquetError) -> anyhow::Error {
        let error = match error {
            ParquetError::External(error) => anyhow!("{error}"),
            error => error.into(),
        };
        error.context(format!("cannot write {}", shown(&self.path)))
    }
}

/// A host's name as a folder's, as Hive writes it and DuckDB and Spark read it.
fn partition(host: &str) -> String {
    if host.is_empty() {
        return "__HIVE_DEFAULT_PARTITION__".into();
    }
    let mut out = String::with_capacity(host.len());
    for byte in host.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => out.push(byte.into()),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Rows on their way to a file, a group of them at a time.
struct Rows {
    writer: SerializedFileWriter<File>,
    columns: Vec<Column>,
    rows: usize,
}

/// The values of a column that are not null, and for each row whether it has one.
enum Column {
    Text(Vec<ByteArray>, Vec<i16>),
    Number(Vec<i64>, Vec<i16>),
    Truth(Vec<bool>, Vec<i16>),
}

impl Column {
    fn of(kind: Type) -> Column {
        match kind {
            Text => Column::Text(Vec::new(), Vec::new()),
            Number | Moment => Column::Number(Vec::new(), Vec::new()),
            Truth => Column::Truth(Vec::new(), Vec::new()),
        }
    }

    fn push(&mut self, cell: Cell) {
        match (self, cell) {
            (Column::Text(values, there), Cell::Text(value)) => add(values, there, value),
            (Column::Number(values, there), Cell::Number(value)) => add(values, there, value),
            (Column::Truth(values, there), Cell::Truth(value)) => add(values, there, value),
            // A row that does not fit its schema is a fault of this file, and its tests find it.
            (column, _) => column.there().push(0),
        }
    }

    fn there(&mut self) -> &mut Vec<i16> {
        match self {
            Column::Text(_, there) | Column::Number(_, there) | Column::Truth(_, there) => there,
        }
    }
}

fn add<T>(values: &mut Vec<T>, there: &mut Vec<i16>, value: Option<T>) {
    there.push(value.is_some().into());
    values.extend(value);
}

impl Rows {
    fn start(
        file: File,
        schema: Schema,
        about: &[(&str, String)],
    ) -> parquet::errors::Result<Rows> {
        let about = about.iter().filter(|(_, value)| !value.is_empty());
        let about = about.map(|(name, value)| KeyValue::new((*name).to_string(), value.clone()));
        let properties = WriterProperties::builder()
            .set_compression(Compression::LZ4_RAW)
            .set_key_value_metadata(Some(about.collect()))
            .build();
        let fields = schema.iter().map(|(name, kind)| {
            let (physical, logical) = match kind {
                Text => ("BYTE_ARRAY", " (STRING)"),
                Number => ("INT64", ""),
                Moment => ("INT64", " (TIMESTAMP(MICROS,true))"),
                Truth => ("BOOLEAN", ""),
            };
            format!("OPTIONAL {physical} {name}{logical};\n")
        });
        let message = format!("message tidline {{\n{}}}", fields.collect::<String>());
        let message = Arc::new(parse_message_type(&message)?);
        Ok(Rows {
            writer: SerializedFileWriter::new(file, message, Arc::new(properties))?,
            columns: schema.iter().map(|(_, kind)| Column::of(*kind)).collect(),
            rows: 0,
        })
    }

    fn push<const N: usize>(&mut self, row: [Cell; N]) -> parquet::errors::Result<()> {
        for (column, cell) in self.columns.iter_mut().zip(row) {
            column.push(cell);
        }
        self.rows += 1;
        if self.rows == GROUP {
            self.group()?;
        }
        Ok(())
    }

    fn group(&mut self) -> parquet::errors::Result<()> {
        let mut group = self.writer.next_row_group()?;
        for column in &mut self.columns {
            let Some(mut writer) = group.next_column()? else {
                break;
            };
            match column {
                Column::Text(values, there) => {
                    let typed = writer.typed::<ByteArrayType>();
                    typed.write_batch(values, Some(there), None)?;
                    values.clear();
                }
                Column::Number(values, there) => {
                    let typed = writer.typed::<Int64Type>();
                    typed.write_batch(values, Some(there), None)?;
                    values.clear();
                }
                Column::Truth(values, there) => {
                    let typed = writer.typed::<BoolType>();
                    typed.write_batch(values, Some(there), None)?;
                    values.clear();
                }
            }
            column.there().clear();
            writer.close()?;
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }

    /// Ends the table, and says what of it is there, if that is not all.
    fn finish(mut self, selected: &str) -> parquet::errors::Result<()> {
        if self.rows > 0 {
            self.group()?;
        }
        if !selected.is_empty() {
            let name = "tidline.selected".to_string();
            let selected = KeyValue::new(name, selected.to_string());
            self.writer.append_key_value_metadata(selected);
        }
        self.writer.close()?;
        Ok(())
    }
}

fn text(value: Option<impl AsRef<str>>) -> Cell {
    Cell::Text(value.map(|value| ByteArray::from(value.as_ref())))
}

fn name(value: Option<&Name>) -> Cell {
    text(value.map(|name| String::from_utf8_lossy(name.as_bytes())))
}

fn number(value: Option<impl Into<i64>>) -> Cell {
    Cell::Number(value.map(Into::into))
}

/// A number that is no larger than an `i64` wherever it is true.
fn large(value: Option<u64>) -> Cell {
    Cell::Number(value.map(|value| i64::try_from(value).unwrap_or(i64::MAX)))
}

fn wall_ns(anchors: &[Anchor], time: Time) -> i64 {
    let later = anchors.partition_point(|anchor| anchor.time <= time);
    let anchor = anchors.get(later.saturating_sub(1));
    anchor.map_or(0, |anchor| {
        let since = time.0.saturating_sub(anchor.time.0);
        anchor.wall_ns.saturating_add_unsigned(since)
    })
}

/// What rows of one trace have in common.
struct Table<'a> {
    id: String,
    sites: &'a Sites,
    anchors: &'a [Anchor],
    /// When the trace ends.
    end: Time,
}

impl Table<'_> {
    /// When that was by the wall clock.
    fn moment(&self, time: Option<Time>) -> Cell {
        Cell::Number(time.map(|time| wall_ns(self.anchors, time).div_euclid(1_000)))
    }

    fn event(
        &self,
        trace: &Trace,
        entry: &timeline::Entry<'_>,
        record: &Record<'_>,
    ) -> [Cell; EVENTS.len()] {
        let stack = match &entry.event.body {
            EventBody::Birth(birth) => birth.stack,
            EventBody::CreateFailed { stack, .. } => *stack,
            _ => None,
        };
        [
            text(Some(&self.id)),
            large(Some(record.seq as u64)),
            large(Some(record.time_ns)),
            self.moment(Some(entry.event.time)),
            text(Some(record.kind)),
            number(entry.task.map(|task| trace.number(task.id))),
            number(record.pid),
            number(record.tid),
            number(record.inner_tid),
            text(record.name.as_ref()),
            number(record.parent_pid.flatten()),
            number(record.parent_tid.flatten()),
            text(record.what),
            text(record.pc.as_ref().and_then(Option::as_ref)),
            text(record.flags.as_ref().and_then(Option::as_ref)),
            number(record.code),
            text(record.signal.as_ref()),
            Cell::Truth(record.core),
            number(record.former_tid),
            text(record.exe.as_ref()),
            large(record.count),
            large(record.since_ns),
            text(record.reason.as_ref()),
            text(record.detail.as_ref()),
            text(record.text.as_ref()),
            text(record.call.as_ref()),
            text(record.errno.as_ref()),
            text(record.args.as_ref().map(|args| args.join(" "))),
            number(record.result),
            text(stacks::place(self.sites, self.sites.of_stack(stack))),
        ]
    }

    fn task(&self, trace: &Trace, seen: &Seen<'_>, children: u32) -> [Cell; TASKS.len()] {
        let task = seen.record;
        let (code, signal, core) = match task.how {
            Ended::Exit(End::Code(code)) => (Some(code), None, None),
            Ended::Exit(End::Signal { number, core }) => {
                (None, Some(signal_name(number)), Some(core))
            }
            _ => (None, None, None),
        };
        let origin = match task.origin {
            Origin::Existing => "existing",
            Origin::Birth => "birth",
            Origin::Inferred => "inferred",
        };
        let sites = self.sites;
        [
            text(Some(&self.id)),
            number(Some(seen.number)),
            number(Some(task.task.pid.0)),
            number(Some(task.task.tid.0)),
            number(task.inner.map(|inner| inner.0)),
            number(task.parent.map(|parent| trace.number(parent))),
            text(Some(task.what().as_str())),
            name(Some(task.name())),
            name(Some(&fold::class(task.name()))),
            name(task.execs.last().map(|(_, exe)| exe)),
            text(Some(origin)),
            large(Some(task.born.0)),
            self.moment(Some(task.born)),
            large(task.ended.map(|ended| ended.0)),
            self.moment(task.ended),
            large(Some(task.lifetime_ns(self.end))),
            text(Some(words::how(task.how))),
            number(code),
            text(signal),
            Cell::Truth(core),
            number(Some(children)),
            text(stacks::place(sites, sites.of_stack(task.stack))),
            text(stacks::place(sites, sites.of_start(task.start))),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hosts_folder_is_one_folder_whatever_its_name() {
        assert_eq!(partition("web-3.example"), "web-3.example");
        assert_eq!(partition("../a=b\u{7}é"), "..%2Fa%3Db%07%C3%A9");
        assert_eq!(partition(""), "__HIVE_DEFAULT_PARTITION__");
    }

    #[test]
    fn wall_times_follow_the_clock() {
        let anchor = |time, wall_ns| Anchor {
            time: Time(time),
            wall_ns,
            utc_offset_s: 0,
        };
        let anchors = [anchor(0, 1_000), anchor(50, 2_000)];
        let at = |time| wall_ns(&anchors, Time(time));
        assert_eq!(
            [at(0), at(49), at(50), at(60)],
            [1_000, 1_049, 2_000, 2_010]
        );
    }
}
