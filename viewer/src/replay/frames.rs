//! Stacks in words: `start_pool (pool.rs:41)`, or where the code is when no function is known.

use tidline::model::{FrameId, StackEnd, StackId, Stacks};

use crate::words::{shorten, shown_name};

/// Columns of a function's name or a file's path at most.
const WIDEST: usize = 120;

/// A frame's functions, the innermost first; else the module and the address.
pub(crate) fn frame(stacks: &Stacks, id: FrameId) -> Vec<String> {
    let symbol = stacks.symbol(id).map(|symbol| &symbol.functions);
    if let Some(functions) = symbol.filter(|functions| !functions.is_empty()) {
        let words = functions.iter().map(|function| {
            let name = shown_name(&function.name, WIDEST);
            if function.file.is_empty() {
                return name;
            }
            let file = function.file.to_string();
            let file = file.rsplit('/').next().unwrap_or("");
            let line = function
                .line
                .map_or(String::new(), |line| format!(":{line}"));
            format!("{name} ({}{line})", shorten(file, WIDEST))
        });
        return words.collect();
    }
    let Some(frame) = stacks.frame(id) else {
        return vec!["? (its definition is missing)".into()];
    };
    let module = frame.module.and_then(|id| stacks.module(id));
    vec![match module {
        Some(module) => {
            let path = module.path.to_string();
            let file = path.rsplit('/').next().unwrap_or("");
            format!("{}+{:#x}", shorten(file, WIDEST), frame.address)
        }
        None => format!("{:#x}", frame.address),
    }]
}

/// A stack's functions, the innermost first; at most so many of its frames, and why it ends where
/// it does.
pub(crate) fn stack(stacks: &Stacks, id: StackId, most: usize) -> Vec<String> {
    let frames: Vec<FrameId> = stacks.walk(id).map(|(_, node)| node.frame).collect();
    let shown = frames.iter().take(most);
    let mut lines: Vec<String> = shown.flat_map(|id| frame(stacks, *id)).collect();
    if frames.len() > most {
        lines.push(format!("… {} more frames", frames.len() - most));
    }
    match stacks.end(id) {
        Some(StackEnd::Bottom) => {}
        Some(end) => lines.push(format!("(cut: {})", end.as_str())),
        None => lines.push("(its outer part is missing from the file)".into()),
    }
    lines
}

#[cfg(test)]
mod tests {
    use tidline::model::{
        Definition, Frame, Function, Module, ModuleId, Pid, StackNode, Symbol, SymbolSource, Trust,
    };

    use super::*;

    fn stacks() -> Stacks {
        let mut stacks = Stacks::default();
        stacks.define(Definition::Module(
            ModuleId(0),
            Module {
                path: "/usr/lib/lib\u{1b}x.so".into(),
                build_id: [].into(),
                seen: (Pid(1), 0, 1),
            },
        ));
        for (number, module, address) in [(0, Some(0), 0x10), (1, Some(0), 0x20), (2, None, 0x30)] {
            let frame = Frame {
                module: module.map(ModuleId),
                address,
                trust: Trust::Cfi,
            };
            stacks.define(Definition::Frame(FrameId(number), frame));
        }
        let function = |name: &str, file: &str, line| Function {
            name: name.into(),
            file: file.into(),
            line,
        };
        stacks.define(Definition::Symbol(
            FrameId(1),
            Symbol {
                source: SymbolSource::DebugInfo,
                functions: vec![
                    function("inlined", "/src/a.rs", Some(7)),
                    function("outer", "", None),
                ],
            },
        ));
        let node = |up, frame, end| StackNode {
            up,
            frame: FrameId(frame),
            end,
        };
        let end = StackEnd::NoCode;
        stacks.define(Definition::Stack(StackId(0), node(None, 2, end)));
        let bottom = StackEnd::Bottom;
        stacks.define(Definition::Stack(
            StackId(1),
            node(Some(StackId(0)), 1, bottom),
        ));
        stacks.define(Definition::Stack(
            StackId(2),
            node(Some(StackId(1)), 0, bottom),
        ));
        stacks.define(Definition::Stack(
            StackId(9),
            node(Some(StackId(5)), 9, bottom),
        ));
        stacks
    }

    #[test]
    fn stacks_are_functions_or_addresses_and_end_with_a_reason() {
        let stacks = stacks();
        let all = [
            r"lib\x1bx.so+0x10",
            "inlined (a.rs:7)",
            "outer",
            "0x30",
            "(cut: the return address is in no known code)",
        ];
        assert_eq!(stack(&stacks, StackId(2), 9), all);
        let cut = stack(&stacks, StackId(2), 1);
        assert_eq!(cut, [all[0], "… 2 more frames", all[4]]);
        assert_eq!(
            stack(&stacks, StackId(9), 9),
            [
                "? (its definition is missing)",
                "(its outer part is missing from the file)"
            ]
        );
    }
}
