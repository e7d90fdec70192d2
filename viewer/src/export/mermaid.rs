//! Who created whom, for Mermaid: a flowchart inside a Markdown page.

use std::io::{self, Write};

use tidline::model::Trace;

use super::tree::{self, Kind};
use crate::view::notices;

/// Writes a flowchart of at most so many tasks.
pub(super) fn write(trace: &Trace, most: usize, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "flowchart LR")?;
    for (number, line) in notices(trace).iter().enumerate() {
        writeln!(out, "  missing{number}[\"{}\"]", quoted(line))?;
    }
    for (number, node) in tree::nodes(trace, most).iter().enumerate() {
        let lines: Vec<String> = node.lines.iter().map(|line| quoted(line)).collect();
        let (open, close) = match node.what {
            Kind::Process => ("[", "]"),
            Kind::Thread => ("(", ")"),
            Kind::Rest => (">", "]"),
        };
        writeln!(out, "  n{number}{open}\"{}\"{close}", lines.join("<br/>"))?;
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
