//! CSV for spreadsheets, as RFC 4180 has it.
//!
//! A spreadsheet takes a cell that begins with `=`, `+`, `-`, `@` or a tab for a formula, and a
//! program under observation may call its threads what it likes. Such a cell gets a `'` in
//! front. Control characters are escaped as in the tables, so a record is always one line.

use std::borrow::Cow;
use std::io::{self, Write};

use tidline::text;

use crate::view::record::Record;

pub(crate) mod rows;

/// The columns: the fields of the JSON objects.
const COLUMNS: [&str; 32] = [
    "seq",
    "time_ns",
    "wall",
    "kind",
    "pid",
    "tid",
    "name",
    "parent_pid",
    "parent_tid",
    "new_pid",
    "new_tid",
    "what",
    "pc",
    "flags",
    "code",
    "signal",
    "core",
    "former_tid",
    "exe",
    "count",
    "reason",
    "since_ns",
    "detail",
    "text",
    "inner_tid",
    "call",
    "errno",
    "args",
    "result",
    "stack",
    "stack_end",
    "start_routine",
];

/// Writes the header.
pub(crate) fn header(out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{}\r\n", COLUMNS.join(","))
}

/// Writes a record; a field that it does not have is an empty cell.
pub(crate) fn record(out: &mut dyn Write, record: &Record<'_>) -> io::Result<()> {
    fn number<T: ToString>(number: Option<T>) -> Cow<'static, str> {
        number.map_or("".into(), |number| number.to_string().into())
    }
    fn escaped<'a>(text: &'a Option<Cow<'_, str>>) -> Cow<'a, str> {
        text.as_ref()
            .map_or("".into(), |text| text::escape(text.as_bytes()))
    }
    fn plain(text: &Option<Option<String>>) -> Cow<'_, str> {
        text.as_ref()
            .and_then(Option::as_deref)
            .unwrap_or("")
            .into()
    }
    let cells: [Cow<'_, str>; COLUMNS.len()] = [
        number(Some(record.seq)),
        number(Some(record.time_ns)),
        record.wall.as_str().into(),
        record.kind.into(),
        number(record.pid),
        number(record.tid),
        escaped(&record.name),
        number(record.parent_pid.flatten()),
        number(record.parent_tid.flatten()),
        number(record.new_pid),
        number(record.new_tid),
        record.what.unwrap_or("").into(),
        plain(&record.pc),
        plain(&record.flags),
        number(record.code),
        escaped(&record.signal),
        number(record.core),
        number(record.former_tid),
        escaped(&record.exe),
        number(record.count),
        escaped(&record.reason),
        number(record.since_ns),
        escaped(&record.detail),
        escaped(&record.text),
        number(record.inner_tid),
        escaped(&record.call),
        escaped(&record.errno),
        record
            .args
            .as_ref()
            .map_or("".into(), |args| args.join(" ").into()),
        number(record.result),
        rows::stack(record.stack.as_ref().and_then(Option::as_deref)),
        record.stack_end.unwrap_or("").into(),
        plain(&record.start_routine),
    ];
    line(out, &cells)
}

/// Writes cells as one line.
fn line(out: &mut dyn Write, cells: &[Cow<'_, str>]) -> io::Result<()> {
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            write!(out, ",")?;
        }
        out.write_all(quoted(cell).as_bytes())?;
    }
    write!(out, "\r\n")
}

/// A cell as it is written.
fn quoted(cell: &str) -> Cow<'_, str> {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guard = if formula { "'" } else { "" };
    if cell.contains(['"', ',', '\n', '\r']) {
        format!("\"{guard}{}\"", cell.replace('"', "\"\"")).into()
    } else if formula {
        format!("{guard}{cell}").into()
    } else {
        cell.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_rfc_4180_says_so() {
        assert_eq!(quoted("worker-1"), "worker-1");
        assert_eq!(quoted("a,b"), "\"a,b\"");
        assert_eq!(quoted("say \"hi\""), "\"say \"\"hi\"\"\"");
        assert_eq!(quoted("a\r\nb"), "\"a\r\nb\"");
        assert_eq!(quoted(""), "");
    }

    #[test]
    fn no_cell_is_a_formula() {
        assert_eq!(quoted("=1+1"), "'=1+1");
        assert_eq!(quoted("+1"), "'+1");
        assert_eq!(quoted("-bash"), "'-bash");
        assert_eq!(quoted("@x"), "'@x");
        assert_eq!(quoted("\t=1"), "'\t=1");
        assert_eq!(
            quoted("=HYPERLINK(\"x\",1)"),
            "\"'=HYPERLINK(\"\"x\"\",1)\""
        );
        assert_eq!(quoted("a=1"), "a=1");
    }

    #[test]
    fn every_record_has_every_column() {
        let mut out = Vec::new();
        header(&mut out).unwrap();
        record(&mut out, &Record::default()).unwrap();
        let text = String::from_utf8(out).unwrap();
        let commas = |line: &str| line.matches(',').count();
        let lines: Vec<usize> = text.lines().map(commas).collect();
        assert_eq!(lines, [COLUMNS.len() - 1; 2]);
    }
}
