//! Call stacks as text for other programs: one label for each frame, and where in the program a
//! task was created.

use tidline::model::{Frame, FrameId, Name, StackId, Stacks, Trace};
use tidline::text;

#[cfg(feature = "parquet")]
use crate::site::SiteId;
use crate::site::{Rules, Sites};

/// Frames of one stack that are told at most; a hostile file may have a million in each.
pub(super) const MOST_FRAMES: usize = 500;

/// Columns of an address and its module.
#[cfg(feature = "parquet")]
const WIDTH: usize = 200;

/// A function as other programs are told of it. All text is escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Label {
    /// Its name, or `module+0x1234` where that is not known.
    pub(super) function: String,
    /// The source file, empty if it is not known.
    pub(super) file: String,
    pub(super) line: Option<u32>,
}

/// The functions of a frame, the outermost first: of those that were inlined, the one that the
/// machine knows.
pub(super) fn labels(stacks: &Stacks, frame: FrameId) -> Vec<Label> {
    let functions = stacks.symbol(frame).map(|symbol| &symbol.functions[..]);
    match functions {
        Some(functions) if !functions.is_empty() => {
            let outermost_first = functions.iter().rev().take(MOST_FRAMES);
            let labels = outermost_first.map(|function| Label {
                function: text::escape(function.name.as_bytes()).into_owned(),
                file: text::escape(function.file.as_bytes()).into_owned(),
                line: function.line,
            });
            labels.collect()
        }
        _ => vec![Label {
            function: match stacks.frame(frame) {
                Some(frame) => address(stacks, frame),
                None => "?".into(),
            },
            file: String::new(),
            line: None,
        }],
    }
}

/// The frames of a stack, the outermost first.
pub(super) fn frames(stacks: &Stacks, stack: StackId) -> Vec<FrameId> {
    let inner = stacks.walk(stack).take(MOST_FRAMES);
    let mut frames: Vec<FrameId> = inner.map(|(_, node)| node.frame).collect();
    frames.reverse();
    frames
}

fn address(stacks: &Stacks, frame: &Frame) -> String {
    match frame.module.and_then(|module| stacks.module(module)) {
        Some(module) => {
            let base = text::escape(base(&module.path));
            format!("{base}+{:#x}", frame.address)
        }
        None => format!("{:#x}", frame.address),
    }
}

fn base(path: &Name) -> &[u8] {
    path.as_bytes()
        .rsplit(|byte| *byte == b'/')
        .next()
        .unwrap_or_default()
}

/// Where tasks were created, by tidview's own rules.
pub(super) fn sites(trace: &Trace) -> Sites {
    // Our own list is sound, and a test of it says so.
    Rules::new(None).map_or_else(|_| Sites::default(), |rules| Sites::of(trace, &rules))
}

/// A site by its function, which two builds of a program have in common, or by its address.
#[cfg(feature = "parquet")]
pub(super) fn place(sites: &Sites, id: Option<SiteId>) -> Option<String> {
    let site = sites.get(id?);
    Some(match &site.function {
        Some(function) => String::from_utf8_lossy(function.as_bytes()).into_owned(),
        None => site.shown(WIDTH),
    })
}
