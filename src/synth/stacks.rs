//! Stacks with symbols, made by hand: a line of source for each frame, as a debugger would show it.

use std::collections::HashMap;

use super::Random;
use crate::model::{
    Definition, End, Event, EventBody, Frame, FrameId, Function, Interner, Module, Name, Pid,
    StackEnd, StackId, Stacks, Symbol, SymbolSource, Task, Time, Trust,
};

/// So many frames, and nodes of stacks, a made-up recording may have.
const LIMIT: usize = 1 << 20;

/// Makes modules, frames and stacks, and gives them their symbols.
#[derive(Debug)]
pub struct Code {
    interner: Interner,
    /// Where each place in the source is: made up, and the same whenever it is asked for.
    places: HashMap<String, u64>,
}

impl Default for Code {
    fn default() -> Self {
        Code {
            interner: Interner::new(LIMIT),
            places: HashMap::new(),
        }
    }
}

impl Code {
    /// A frame at a line, as `function file:line`; the file may be left out. Several, parted by
    /// `|`, are functions of which each is inlined into the next. Without any, a frame that
    /// nobody found a symbol for.
    ///
    /// ```
    /// use tidline::synth::Code;
    ///
    /// let mut code = Code::default();
    /// let frame = code.frame("/bin/server", "start_pool src/pool.c:12 | serve src/main.c:40");
    /// assert_eq!(frame, code.frame("/bin/server", "start_pool src/pool.c:12 | serve src/main.c:40"));
    /// ```
    pub fn frame(&mut self, module: &str, functions: &str) -> Frame {
        let next = 0x1000 + 0x10 * self.places.len() as u64;
        let place = format!("{module} {functions}");
        let address = *self.places.entry(place).or_insert(next);
        let frame = self.bare(module, address);
        if let Some(id) = self.interner.frame(frame) {
            self.symbol(id, functions);
        }
        frame
    }

    fn symbol(&mut self, frame: FrameId, functions: &str) {
        let functions: Vec<Function> = functions.split(" | ").filter_map(function).collect();
        if !functions.is_empty() {
            let source = SymbolSource::DebugInfo;
            self.interner.symbol(frame, Symbol { source, functions });
        }
    }

    /// A frame at an address of a module that nobody found a symbol for; of no module with "".
    pub fn bare(&mut self, module: &str, address: u64) -> Frame {
        let module = (!module.is_empty()).then(|| {
            self.interner.module(Module {
                path: module.into(),
                build_id: Box::new([0xb1, 0xd0]),
                seen: (Pid(1000), 0x40_0000, 0x50_0000),
            })
        });
        Frame {
            module,
            address,
            trust: Trust::Cfi,
        }
    }

    /// The function that a thread begins with.
    ///
    /// # Panics
    /// If there are too many frames.
    pub fn start(&mut self, module: &str, function: &str) -> FrameId {
        let Frame {
            module, address, ..
        } = self.frame(module, function);
        let start = Frame {
            module,
            address,
            trust: Trust::Argument,
        };
        let id = self.interner.frame(start);
        let id = id.expect("there is room for a frame");
        self.symbol(id, function);
        id
    }

    /// A stack of frames, the innermost first.
    ///
    /// # Panics
    /// If there is no frame, or there are too many.
    pub fn stack(&mut self, frames: &[Frame], end: StackEnd) -> StackId {
        let stack = self.interner.stack(frames, end);
        stack.expect("there is room for a stack of at least one frame")
    }

    /// A stack that creates a thread with `pthread_create`, below these frames of a program: the
    /// innermost first, each as in [`Code::frame`].
    pub fn creator(&mut self, module: &str, frames: &[&str]) -> StackId {
        const LIBC: &str = "/usr/lib/libc.so.6";
        let inner = ["__clone3", "pthread_create"].map(|name| self.frame(LIBC, name));
        let own = frames.iter().map(|frame| self.frame(module, frame));
        let own: Vec<Frame> = own.collect();
        let outer = [
            self.frame(module, "main src/main.c:5"),
            self.frame(LIBC, "__libc_start_main"),
            self.frame(module, "_start"),
        ];
        let frames = [&inner[..], &own, &outer].concat();
        self.stack(&frames, StackEnd::Bottom)
    }

    /// What the numbers stand for.
    #[must_use]
    pub fn stacks(&self) -> &Stacks {
        self.interner.stacks()
    }

    /// All definitions, each behind those that it needs.
    #[must_use]
    pub fn definitions(&self) -> Vec<Definition> {
        let stacks = self.stacks();
        let modules = stacks.modules().into_iter();
        let modules = modules.map(|(id, module)| Definition::Module(id, module.clone()));
        let frames = stacks.frames().into_iter().flat_map(|(id, frame)| {
            let symbol = stacks.symbol(id).cloned();
            let symbol = symbol.map(|symbol| Definition::Symbol(id, symbol));
            [Some(Definition::Frame(id, *frame)), symbol]
        });
        let nodes = stacks.nodes().into_iter();
        let nodes = nodes.map(|(id, node)| Definition::Stack(id, *node));
        modules.chain(frames.flatten()).chain(nodes).collect()
    }
}

/// `name file:line`, or `name` alone.
fn function(text: &str) -> Option<Function> {
    let text = text.trim();
    let (name, file, line) = match text.rsplit_once(' ').zip(text.rsplit_once(':')) {
        Some(((name, _), (rest, line))) if rest.len() > name.len() => {
            (name, &rest[name.len() + 1..], line.parse().ok())
        }
        _ => (text, "", None),
    };
    let unknown = line.is_none();
    let (name, file) = if unknown { (text, "") } else { (name, file) };
    (!name.is_empty()).then(|| Function {
        name: Name::from(name),
        file: Name::from(file),
        line,
    })
}

/// A server's life with its stacks: so many threads, made one after the other at so many places,
/// each of which lives as long as a hundred births take; at every tenth place they never end.
#[must_use]
pub fn creations(count: u32, sites: u32, seed: u64) -> (Code, Vec<Event>) {
    const LIVES: u32 = 100;
    let (mut code, mut random) = (Code::default(), Random(seed | 1));
    let places: Vec<(StackId, FrameId)> = (0..sites)
        .map(|site| {
            let own = format!("start_{site} src/site{site}.c:{}", site + 10);
            let stack = code.creator("/usr/bin/server", &[&own, "serve src/main.c:70"]);
            (stack, code.start("/usr/bin/server", &format!("run_{site}")))
        })
        .collect();
    let main = Task::new(1000, 1000);
    let mut out = vec![super::main_task(main)];
    let task = |number: u32| Task::new(1000, 2000 + number);
    let mut time = 0;
    for number in 0..count {
        time += random.below(40_000) + 1;
        let site = number % sites;
        let (stack, start) = places[site as usize];
        let mut birth = super::birth(time, main, task(number), false);
        if let EventBody::Birth(birth) = &mut birth.body {
            (birth.stack, birth.start) = (Some(stack), Some(start));
        }
        out.push(birth);
        if let Some(old) = number.checked_sub(LIVES)
            && !(old % sites).is_multiple_of(10)
        {
            let body = EventBody::Exit {
                task: task(old),
                end: End::Code(0),
            };
            out.push(Event {
                time: Time(time),
                body,
            });
        }
    }
    (code, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_source_are_told_from_names() {
        let parts = |text| {
            let function = function(text)?;
            Some((function.name, function.file, function.line))
        };
        assert_eq!(
            parts("start_pool src/pool.c:12"),
            Some(("start_pool".into(), "src/pool.c".into(), Some(12)))
        );
        for name in ["std::thread::spawn", "void f(int, long)", "std::x<a b>::y"] {
            assert_eq!(parts(name), Some((name.into(), "".into(), None)));
        }
        assert_eq!(parts(""), None);
    }

    #[test]
    fn definitions_are_whole_and_in_order() {
        let (code, events) = creations(30, 3, 1);
        let mut stacks = Stacks::default();
        for definition in code.definitions() {
            stacks.define(definition);
        }
        let EventBody::Birth(birth) = &events[1].body else {
            panic!("{:?}", events[1]);
        };
        let functions = |stacks: &Stacks| -> Vec<String> {
            let walked = stacks.walk(birth.stack.unwrap());
            let symbols = walked.map(|(_, node)| stacks.symbol(node.frame).unwrap());
            symbols.map(|it| it.functions[0].name.to_string()).collect()
        };
        let expected = [
            "__clone3",
            "pthread_create",
            "start_0",
            "serve",
            "main",
            "__libc_start_main",
            "_start",
        ];
        assert_eq!(functions(&stacks), expected);
        assert_eq!(functions(code.stacks()), expected);
    }
}
