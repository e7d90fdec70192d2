//! Who created whom, for Mermaid: a flowchart inside a Markdown page.

use std::io::{self, Write};

use super::tree::{self, Kind};
use crate::select::Selector;

/// How boxes are drawn that are not asked for.
const FAINT: &str = "classDef faint stroke-dasharray:4 4,color:#777";

/// Writes a flowchart of at most so many tasks.
pub(super) fn write(selector: &Selector<'_>, most: usize, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "flowchart LR")?;
    let nodes = tree::nodes(selector, most);
    if nodes.iter().any(|node| node.faint) {
        writeln!(out, "  {FAINT}")?;
    }
    for (number, line) in tree::beside(selector, &nodes).iter().enumerate() {
        writeln!(out, "  beside{number}[\"{}\"]", quoted(line))?;
    }
    for (number, node) in nodes.iter().enumerate() {
        let lines: Vec<String> = node.lines.iter().map(|line| quoted(line)).collect();
        let (open, close) = match node.what {
            Kind::Process => ("[", "]"),
            Kind::Thread => ("(", ")"),
            Kind::Rest => (">", "]"),
        };
        let class = if node.faint { ":::faint" } else { "" };
        let text = lines.join("<br/>");
        writeln!(out, "  n{number}{open}\"{text}\"{close}{class}")?;
        if let Some(parent) = node.parent {
            writeln!(out, "  n{parent} --> n{number}")?;
        }
        if node.recursive {
            writeln!(out, "  n{number} --> n{number}")?;
        }
    }
    Ok(())
}

/// Text that means itself between double quotes: what Mermaid, Markdown or HTML would read in it
/// is written as an entity, in Mermaid's form.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let plain = c.is_alphanumeric() || " -.,:/=+…()[]{}".contains(c);
        match plain {
            true => out.push(c),
            false => out.push_str(&format!("#{};", u32::from(c))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn only_plain_characters_stand_as_they_are() {
        assert_eq!(quoted("worker-# x"), "worker-#35; x");
        assert_eq!(quoted("\"];click"), "#34;]#59;click");
        assert_eq!(quoted("<b>&`\\_*"), "#60;b#62;#38;#96;#92;#95;#42;");
    }
}
