//! Who created whom, for Graphviz.

use std::io::{self, Write};

use super::tree::{self, Kind, Node};
use crate::select::Selector;

/// Writes a graph of at most so many tasks.
pub(super) fn write(selector: &Selector<'_>, most: usize, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "digraph tidline {{")?;
    writeln!(out, "  rankdir=LR;")?;
    writeln!(out, "  node [fontname=\"sans-serif\", fontsize=10];")?;
    let nodes = tree::nodes(selector, most);
    let beside = tree::beside(selector, &nodes);
    if !beside.is_empty() {
        let label = beside.iter().map(|line| format!("{}\\l", quoted(line)));
        writeln!(out, "  label=\"{}\";", label.collect::<String>())?;
    }
    for (number, node) in nodes.iter().enumerate() {
        let lines: Vec<String> = node.lines.iter().map(|line| quoted(line)).collect();
        let shape = match node.what {
            Kind::Process => "box",
            Kind::Thread => "ellipse",
            Kind::Rest => "plaintext",
        };
        writeln!(
            out,
            "  n{number} [shape={shape}, label=\"{}\"{}];",
            lines.join("\\n"),
            style(node)
        )?;
        if let Some(parent) = node.parent {
            writeln!(out, "  n{parent} -> n{number};")?;
        }
        if node.recursive {
            writeln!(out, "  n{number} -> n{number};")?;
        }
    }
    writeln!(out, "}}")
}

/// How a box is drawn that is not asked for.
fn style(node: &Node) -> &'static str {
    match node.faint {
        true => ", style=dashed, color=gray50, fontcolor=gray50",
        false => "",
    }
}

/// Text that means itself between double quotes, where Graphviz knows entities of HTML, too.
fn quoted(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    text.replace('&', "&amp;")
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn no_text_ends_its_string_or_is_an_escape_of_dot() {
        assert_eq!(quoted(r#"a"]; evil ["#), r#"a\"]; evil ["#);
        assert_eq!(quoted(r"\N\x1b"), r"\\N\\x1b");
        assert_eq!(quoted("&quot;"), "&amp;quot;");
        assert_eq!(quoted(r#"\""#), r#"\\\""#);
    }
}
