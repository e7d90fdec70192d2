//! Frames and sites for people and for programs. Names of functions and files are as hostile as
//! any other: what is for people is escaped here, JSON's writer escapes the rest.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;
use tidline::model::{Name, StackEnd, StackId, Stacks};
use tidline::text;
use unicode_width::UnicodeWidthStr;

use super::{Site, file_name};
use crate::words::{counted, shorten};

/// Frames of one stack that are shown at most; a hostile file may have a million in each.
const MOST_FRAMES: usize = 1_000;
/// Columns of a function's name that is not cut.
const FUNCTION_WIDTH: usize = 200;
/// With fewer than this for the function, its place is left out.
const LEAST_FUNCTION: usize = 16;

impl Site {
    /// `function (file.c:12)`, or the module in its place, or `module+0x1234`; in at most so many
    /// columns.
    pub(crate) fn shown(&self, width: usize) -> String {
        let module = self.module.as_ref().map(|module| base(module));
        let Some(function) = &self.function else {
            let address = self.address.unwrap_or(0);
            let shown = match module {
                Some(module) => format!("{module}+{address:#x}"),
                None => format!("{address:#x}"),
            };
            return shorten(&shown, width).into_owned();
        };
        let function = text::escape(function.as_bytes());
        let place = match (base(&self.file), self.line) {
            (file, Some(line)) if !file.is_empty() => format!(" ({file}:{line})"),
            (file, None) if !file.is_empty() => format!(" ({file})"),
            _ => module.map_or(String::new(), |module| format!(" ({module})")),
        };
        let whole = format!("{function}{place}");
        if whole.width() <= width {
            return whole;
        }
        match width.checked_sub(place.width()) {
            Some(room) if room >= LEAST_FUNCTION => format!("{}{place}", shorten(&function, room)),
            _ => shorten(&function, width).into_owned(),
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown(FUNCTION_WIDTH))
    }
}

/// The file name of a module, safe to print.
pub(crate) fn module_label(path: &Name) -> String {
    base(path).into_owned()
}

/// The file name of a path, safe to print.
fn base(path: &Name) -> Cow<'_, str> {
    text::escape(file_name(path.as_bytes()))
}

fn lossy(name: &Name) -> Cow<'_, str> {
    String::from_utf8_lossy(name.as_bytes())
}

/// The parts of a site in JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Place {
    pub(crate) function: Option<String>,
    pub(crate) module: Option<String>,
    /// The address in the module, where there is no function.
    pub(crate) offset: Option<String>,
    pub(crate) file: Option<String>,
    pub(crate) line: Option<u32>,
    pub(crate) layer: &'static str,
}

impl From<&Site> for Place {
    fn from(site: &Site) -> Self {
        let owned = |name: &Name| lossy(name).into_owned();
        Place {
            function: site.function.as_ref().map(owned),
            module: site.module.as_ref().map(owned),
            offset: site.address.map(|address| format!("{address:#x}")),
            file: (!site.file.is_empty()).then(|| owned(&site.file)),
            line: site.line,
            layer: site.layer.as_str(),
        }
    }
}

/// A frame in JSON; a function that is inlined is a frame of its own.
#[derive(Debug, Serialize)]
pub(crate) struct Frame<'a> {
    pub(crate) function: Option<Cow<'a, str>>,
    pub(crate) module: Option<Cow<'a, str>>,
    pub(crate) offset: String,
    pub(crate) file: Option<Cow<'a, str>>,
    pub(crate) line: Option<u32>,
    pub(crate) trust: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) inlined: bool,
}

/// The frames of a stack, the innermost first, and whether there are more than are shown. Those are
/// not counted: to walk a million of them for each of a million events would take for ever.
pub(crate) fn frames(stacks: &Stacks, stack: StackId) -> (Vec<Frame<'_>>, bool) {
    let mut out = Vec::new();
    for (_, node) in stacks.walk(stack).take(MOST_FRAMES + 1) {
        if out.len() > MOST_FRAMES {
            break;
        }
        let Some(frame) = stacks.frame(node.frame) else {
            continue;
        };
        let module = frame.module.and_then(|module| stacks.module(module));
        let functions = stacks
            .symbol(node.frame)
            .map_or(&[][..], |symbol| &symbol.functions);
        let shown = |function: Option<&'_ tidline::model::Function>, inlined| Frame {
            function: function.map(|function| owned(&function.name)),
            module: module.map(|module| lossy(&module.path)),
            offset: format!("{:#x}", frame.address),
            file: function
                .filter(|it| !it.file.is_empty())
                .map(|it| owned(&it.file)),
            line: function.and_then(|function| function.line),
            trust: frame.trust.as_str(),
            inlined,
        };
        match functions.split_last() {
            None => out.push(shown(None, false)),
            Some((last, inlined)) => {
                let inlined = inlined.iter().take(MOST_FRAMES);
                out.extend(inlined.map(|function| shown(Some(function), true)));
                out.push(shown(Some(last), false));
            }
        }
    }
    let more = out.len() > MOST_FRAMES;
    out.truncate(MOST_FRAMES);
    (out, more)
}

fn owned(name: &Name) -> Cow<'static, str> {
    lossy(name).into_owned().into()
}

/// Why a stack is not whole, in words; `None` if it is.
pub(crate) fn stack_end(stacks: &Stacks, stack: StackId) -> Option<&'static str> {
    if stacks.node(stack).is_none() {
        return Some("it is missing from the file");
    }
    let known = |id| {
        let module = stacks.frame(id).map(|frame| frame.module);
        module.is_some_and(|module| module.is_none_or(|module| stacks.module(module).is_some()))
    };
    let all_known = stacks.walk(stack).all(|(_, node)| known(node.frame));
    match stacks.end(stack) {
        Some(_) if !all_known => Some("parts of it are missing from the file"),
        Some(StackEnd::Bottom) => None,
        Some(end) => Some(end.as_str()),
        None => Some("the rest is missing from the file"),
    }
}

/// The functions of a stack, the innermost first, each as a site is shown; at most so many, and what is
/// missing behind them.
pub(crate) fn stack_lines(stacks: &Stacks, stack: StackId, most: usize) -> Vec<String> {
    let (frames, endless) = frames(stacks, stack);
    let shown = frames.iter().take(most);
    let mut lines: Vec<String> = shown.map(|frame| frame.shown(FUNCTION_WIDTH)).collect();
    let more = frames.len().saturating_sub(most);
    let end = match (endless, more) {
        (true, _) => Some("more frames".into()),
        (false, 1..) => Some(counted(more, "more frame")),
        (false, 0) => stack_end(stacks, stack).map(str::to_string),
    };
    lines.extend(end.map(|end| format!("… {end}")));
    lines
}

impl Frame<'_> {
    /// Whether it is where a site is.
    pub(crate) fn is_at(&self, site: &Site) -> bool {
        let same = |text: &Option<Cow<'_, str>>, name: Option<&Name>| {
            text.as_deref() == name.map(lossy).as_deref()
        };
        let address = site.address.map(|address| format!("{address:#x}"));
        same(&self.function, site.function.as_ref())
            && same(&self.module, site.module.as_ref())
            && self.line == site.line
            && address.is_none_or(|address| address == self.offset)
    }

    /// The function alone, or `module+0x1234`.
    pub(crate) fn name(&self) -> String {
        match &self.function {
            Some(function) => text::escape(function.as_bytes()).into_owned(),
            None => self.shown(FUNCTION_WIDTH),
        }
    }

    /// `function (file.c:12)`, as a site is shown.
    pub(crate) fn shown(&self, width: usize) -> String {
        let name = |text: &Cow<'_, str>| Name::from(text.as_ref());
        let site = Site {
            function: self.function.as_ref().map(name),
            file: self.file.as_ref().map(name).unwrap_or_default(),
            line: self.line,
            module: self.module.as_ref().map(name),
            address: None,
            layer: super::Layer::Program,
        };
        if site.function.is_some() {
            return site.shown(width);
        }
        let module = site.module.as_ref().map(|module| base(module));
        let module = module.map_or(String::new(), |module| format!("{module}+"));
        shorten(&format!("{module}{}", self.offset), width).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::Layer;

    #[test]
    fn a_site_gives_way_where_there_is_little_room() {
        let site = Site {
            function: Some("Session::open(std::string const&)".into()),
            file: "src/session.cc".into(),
            line: Some(31),
            module: Some("/bin/server".into()),
            address: None,
            layer: Layer::Program,
        };
        for (width, expected) in [
            (60, "Session::open(std::string const&) (session.cc:31)"),
            (40, "Session::ope…ing const&) (session.cc:31)"),
            (20, "Session::o…g const&)"),
            (1, "…"),
        ] {
            let shown = site.shown(width);
            assert!(shown.width() <= width, "{shown}");
            assert_eq!(shown, expected);
        }
        let bare = Site {
            function: None,
            address: Some(0x1234),
            ..site
        };
        assert_eq!(bare.shown(60), "server+0x1234");
    }

    #[test]
    fn a_stack_is_lines_and_says_what_is_missing() {
        let mut code = tidline::synth::Code::default();
        let inner = code.bare("/usr/lib/lib\x1bx.so", 0x10);
        let pool = code.frame("/bin/app", "inlined src/a.rs:7 | outer src/pool.c:12");
        let [whole, cut] =
            [StackEnd::Bottom, StackEnd::NoCode].map(|end| code.stack(&[inner, pool], end));
        let all = [r"lib\x1bx.so+0x10", "inlined (a.rs:7)", "outer (pool.c:12)"];
        let lines = |stack, most| stack_lines(code.stacks(), stack, most);
        assert_eq!(lines(whole, 9), all);
        assert_eq!(lines(whole, 3), all);
        assert_eq!(lines(cut, 1), [all[0], "… 2 more frames"]);
        assert_eq!(lines(cut, 2)[2], "… 1 more frame");
        assert_eq!(lines(cut, 9)[3], "… the return address is in no known code");
        assert_eq!(lines(StackId(99), 9), ["… it is missing from the file"]);
    }

    #[test]
    fn of_an_endless_stack_only_the_inner_part_is_shown() {
        let mut code = tidline::synth::Code::default();
        let frames: Vec<_> = (0..5_000).map(|address| code.bare("/x", address)).collect();
        let [deep, most] = [&frames[..], &frames[..MOST_FRAMES]]
            .map(|frames| code.stack(frames, StackEnd::Bottom));
        let (shown, more) = super::frames(code.stacks(), deep);
        assert_eq!((shown.len(), more), (MOST_FRAMES, true));
        assert_eq!(shown[0].shown(20), "x+0x0");
        let (shown, more) = super::frames(code.stacks(), most);
        assert_eq!((shown.len(), more), (MOST_FRAMES, false));
    }
}
