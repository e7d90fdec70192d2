//! JSON for programs. A list has one object per line; a tree is nested, however deep.
//!
//! JSON escapes control characters below 0x20 by itself. A trace's names may hold others that
//! drive a terminal (0x9b is CSI) or reorder text; those are written as `\uXXXX` too, which
//! means the same to a parser.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};
use tidline::model::{TaskId, Trace};
use tidline::text;

use crate::select::Selector;
use crate::view::forest::Forest;
use crate::view::tree;

/// Writes an object over several lines.
pub(crate) fn object(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    let formatter = Safe(PrettyFormatter::new());
    value.serialize(&mut Serializer::with_formatter(&mut *out, formatter))?;
    writeln!(out)
}

/// Writes an object on one line, without its end.
pub(crate) fn line(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    let formatter = Safe(CompactFormatter);
    value.serialize(&mut Serializer::with_formatter(out, formatter))?;
    Ok(())
}

/// Writes objects as they come: one per line, or as an array.
pub(crate) struct Stream {
    array: bool,
    written: usize,
}

impl Stream {
    /// One object per line.
    pub(crate) fn lines() -> Self {
        Stream {
            array: false,
            written: 0,
        }
    }

    /// An array.
    pub(crate) fn array() -> Self {
        Stream {
            array: true,
            written: 0,
        }
    }

    pub(crate) fn push(&mut self, out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
        if self.array {
            out.write_all(if self.written == 0 { b"[\n" } else { b",\n" })?;
        }
        self.written += 1;
        line(out, value)?;
        if self.array { Ok(()) } else { writeln!(out) }
    }

    pub(crate) fn finish(self, out: &mut dyn Write) -> io::Result<()> {
        match (self.array, self.written) {
            (false, _) => Ok(()),
            (true, 0) => writeln!(out, "[]"),
            (true, _) => writeln!(out, "\n]"),
        }
    }
}

/// Writes the nested tree, at most `limit` tasks; returns how many it left out.
pub(crate) fn forest(
    out: &mut dyn Write,
    trace: &Trace,
    forest: &Forest,
    selector: &Selector<'_>,
    limit: usize,
) -> io::Result<usize> {
    let (mut written, mut left_out) = (0, 0);
    let mut stack: Vec<Step> = vec![Step::Close];
    push(&mut stack, &forest.roots);
    write!(out, "[")?;
    while let Some(step) = stack.pop() {
        let (id, first) = match step {
            Step::Close => {
                write!(out, "]")?;
                if !stack.is_empty() {
                    write!(out, "}}")?;
                }
                continue;
            }
            Step::Open { id, first } => (id, first),
        };
        if limit > 0 && written == limit {
            left_out += 1 + forest.descendants(&[id]);
            continue;
        }
        written += 1;
        out.write_all(if first { b"\n" } else { b",\n" })?;
        let mut object = Vec::new();
        line(&mut object, &tree::node(trace, selector, id))?;
        // The object's last brace comes behind its children.
        out.write_all(object.strip_suffix(b"}").unwrap_or(&object))?;
        write!(out, ",\"children\":[")?;
        stack.push(Step::Close);
        push(&mut stack, forest.children(id));
    }
    writeln!(out)?;
    Ok(left_out)
}

/// What is still to be written of a tree.
enum Step {
    /// A task, and whether it is the first of its siblings.
    Open { id: TaskId, first: bool },
    /// The end of a list of children, and of the task that they are under.
    Close,
}

fn push(stack: &mut Vec<Step>, siblings: &[TaskId]) {
    for (index, id) in siblings.iter().enumerate().rev() {
        let first = index == 0;
        stack.push(Step::Open { id: *id, first });
    }
}

/// Escapes what must not reach a terminal, and leaves the rest to the formatter inside.
struct Safe<F>(F);

impl<F: Formatter> Formatter for Safe<F> {
    fn write_string_fragment<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if fragment.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut units = [0; 2];
        let mut bytes = [0; 4];
        for c in fragment.chars() {
            let encoded = c.encode_utf8(&mut bytes).as_bytes();
            if c == '\\' || text::escape(encoded).as_bytes() == encoded {
                writer.write_all(encoded)?;
                continue;
            }
            for unit in c.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(
        &mut self,
        writer: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_json_and_safe_on_a_terminal() {
        let hostile = "a\u{1b}[2J\n\u{9b}31m\u{202e}\\\"é\u{7f}\u{e0041}";
        let mut out = Vec::new();
        line(&mut out, &hostile).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            r#""a\u001b[2J\n\u009b31m\u202e\\\"é\u007f\udb40\udc41""#
        );
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), hostile);
    }

    #[test]
    fn streams_are_lines_or_an_array() {
        let written = |mut stream: Stream, values: &[u8]| {
            let mut out = Vec::new();
            for value in values {
                stream.push(&mut out, value).unwrap();
            }
            stream.finish(&mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(Stream::lines(), &[1, 2]), "1\n2\n");
        assert_eq!(written(Stream::array(), &[1, 2]), "[\n1,\n2\n]\n");
        assert_eq!(written(Stream::array(), &[]), "[]\n");
    }
}
