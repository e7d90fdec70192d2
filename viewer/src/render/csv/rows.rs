//! CSV of groups of tasks: the columns are the fields of the JSON objects, lists are in one cell.

use std::borrow::Cow;
use std::io::{self, Write};

use tidline::text;

use super::line;
use crate::site::{Frame, Place};
use crate::view::leaks::Row as Leak;
use crate::view::sites::{Counted, FailedRow, Row};
use crate::view::stats::Bucket;

/// What a row of CSV is made from.
pub(crate) trait Cells {
    /// The columns.
    const COLUMNS: &'static [&'static str];

    /// A cell for each.
    fn cells(&self) -> Vec<Cow<'_, str>>;
}

/// Writes the columns' names.
pub(crate) fn header<T: Cells>(out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{}\r\n", T::COLUMNS.join(","))
}

/// Writes a row.
pub(crate) fn row<T: Cells>(out: &mut dyn Write, row: &T) -> io::Result<()> {
    line(out, &row.cells())
}

impl Cells for Row<'_> {
    const COLUMNS: &'static [&'static str] = &[
        "by",
        "label",
        "function",
        "module",
        "offset",
        "file",
        "line",
        "layer",
        "created",
        "alive",
        "peak",
        "let_go",
        "rate_per_s",
        "life_p50_ns",
        "life_p99_ns",
        "first_ns",
        "last_ns",
        "start_routines",
        "names",
        "stack",
    ];

    fn cells(&self) -> Vec<Cow<'_, str>> {
        let mut cells = vec![self.by.into(), self.label.as_str().into()];
        cells.extend(place(self.site.as_ref()));
        cells.extend([
            number(self.created),
            number(self.alive),
            number(self.peak),
            number(self.let_go),
            number(self.rate_per_s),
            maybe(self.life_p50_ns),
            maybe(self.life_p99_ns),
            number(self.first_ns),
            number(self.last_ns),
            list(&self.start_routines),
            list(&self.names),
            stack(self.stack.as_deref()),
        ]);
        cells
    }
}

impl Cells for FailedRow<'_> {
    const COLUMNS: &'static [&'static str] = &[
        "by",
        "label",
        "function",
        "module",
        "offset",
        "file",
        "line",
        "layer",
        "failed",
        "rate_per_s",
        "first_ns",
        "last_ns",
        "errors",
        "calls",
        "stack",
    ];

    fn cells(&self) -> Vec<Cow<'_, str>> {
        let mut cells = vec![self.by.into(), self.label.as_str().into()];
        cells.extend(place(self.site.as_ref()));
        cells.extend([
            number(self.failed),
            number(self.rate_per_s),
            number(self.first_ns),
            number(self.last_ns),
            list(&self.errors),
            list(&self.calls),
            stack(self.stack.as_deref()),
        ]);
        cells
    }
}

impl Cells for Leak {
    const COLUMNS: &'static [&'static str] = &[
        "verdict",
        "by",
        "label",
        "function",
        "module",
        "offset",
        "file",
        "line",
        "layer",
        "evidence",
        "alive",
        "created",
        "peak",
        "never_ended",
        "per_minute",
        "first_ns",
        "last_ns",
        "life_p50_ns",
        "alive_curve",
        "start_routines",
        "names",
    ];

    fn cells(&self) -> Vec<Cow<'_, str>> {
        let mut cells = vec![
            self.verdict.into(),
            self.by.into(),
            self.label.as_str().into(),
        ];
        cells.extend(place(self.site.as_ref()));
        let curve: Vec<String> = self.alive_curve.iter().map(ToString::to_string).collect();
        cells.extend([
            self.evidence.as_str().into(),
            number(self.alive),
            number(self.created),
            number(self.peak),
            number(self.never_ended),
            maybe(self.per_minute),
            number(self.first_ns),
            number(self.last_ns),
            maybe(self.life_p50_ns),
            curve.join(" ").into(),
            list(&self.start_routines),
            list(&self.names),
        ]);
        cells
    }
}

impl Cells for Bucket {
    const COLUMNS: &'static [&'static str] =
        &["from_ns", "creations", "exits", "failures", "alive"];

    fn cells(&self) -> Vec<Cow<'_, str>> {
        let numbers = [
            self.from_ns,
            self.creations,
            self.exits,
            self.failures,
            self.alive,
        ];
        numbers.map(number).into()
    }
}

fn number<'a>(number: impl ToString) -> Cow<'a, str> {
    number.to_string().into()
}

fn maybe<'a>(number: Option<impl ToString>) -> Cow<'a, str> {
    number.map_or("".into(), |number| number.to_string().into())
}

fn escaped<'a>(text: Option<&str>) -> Cow<'a, str> {
    let text = text.unwrap_or_default();
    text::escape(text.as_bytes()).into_owned().into()
}

/// Function, module, offset, file, line and layer.
fn place<'a>(site: Option<&Place>) -> [Cow<'a, str>; 6] {
    let Some(site) = site else {
        return Default::default();
    };
    [
        escaped(site.function.as_deref()),
        escaped(site.module.as_deref()),
        escaped(site.offset.as_deref()),
        escaped(site.file.as_deref()),
        maybe(site.line),
        site.layer.into(),
    ]
}

/// `worker-# x 3; main x 1`.
fn list<'a>(counted: &[Counted]) -> Cow<'a, str> {
    let words = counted.iter();
    let words = words.map(|it| format!("{} x {}", escaped(Some(&it.value)), it.count));
    words.collect::<Vec<_>>().join("; ").into()
}

/// A stack's functions, the innermost first.
pub(super) fn stack<'a>(frames: Option<&[Frame<'_>]>) -> Cow<'a, str> {
    let names = frames.unwrap_or_default().iter().map(Frame::name);
    names.collect::<Vec<_>>().join("; ").into()
}
