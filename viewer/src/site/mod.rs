//! The spawn site of a stack: the innermost function of the program itself, where the stack has
//! one, and else of the highest runtime that it has.
//!
//! Every node of a stack is looked at once, from the outermost in, and knows its site from the one
//! above it: a million births at the end of deep stacks cost no more than the stacks themselves.

mod glob;
mod jit;
mod rules;
mod show;

use std::collections::{HashMap, HashSet};

use tidline::model::{FrameId, ModuleId, Name, StackId, Stacks, Trace};

pub(crate) use jit::JitName;
use rules::OfModule;
pub(crate) use rules::{Layer, Rules, file_name, module_name};
pub(crate) use show::{Frame, Place, frames, module_label, stack_end, stack_lines};

/// Whether a pattern of `*` and `?` fits all of a text.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    glob::fits(pattern.as_bytes(), text.as_bytes())
}

/// Number of a place in the code, of those that a trace's stacks name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SiteId(u32);

/// A place in the code: a line of a function if that is known, else the function, else an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Site {
    /// `None` where nobody found a symbol.
    pub(crate) function: Option<Name>,
    /// The source file's path, empty if it is not known.
    pub(crate) file: Name,
    pub(crate) line: Option<u32>,
    /// The module's path; `None` for code of no file.
    pub(crate) module: Option<Name>,
    /// The address in the module, where it is all that is known: a function may be called at many.
    pub(crate) address: Option<u64>,
    pub(crate) layer: Layer,
}

/// The sites of a trace's stacks, and the functions that its threads began with.
#[derive(Debug, Default)]
pub(crate) struct Sites {
    sites: Vec<Site>,
    of_stack: HashMap<StackId, SiteId>,
    of_start: HashMap<FrameId, SiteId>,
}

impl Sites {
    /// The sites of a trace.
    pub(crate) fn of(trace: &Trace, rules: &Rules) -> Sites {
        let starts: HashSet<FrameId> = trace.tasks().iter().filter_map(|it| it.start).collect();
        Sites::new(trace.stacks(), starts, rules)
    }

    /// The sites of all stacks that are defined, and the functions at these starts.
    pub(crate) fn new(
        stacks: &Stacks,
        starts: impl IntoIterator<Item = FrameId>,
        rules: &Rules,
    ) -> Sites {
        let mut finder = Finder::new(stacks, rules);
        let mut of_stack: HashMap<StackId, SiteId> = HashMap::new();
        for (id, node) in stacks.nodes() {
            let outer = node.up.and_then(|up| of_stack.get(&up).copied());
            let inner = finder.best(node.frame);
            let higher = |outer: SiteId| finder.rank(outer) > inner.map_or(0, |it| finder.rank(it));
            let site = match (inner, outer) {
                (Some(inner), Some(outer)) if !higher(outer) => Some(inner),
                (inner, outer) => outer.or(inner),
            };
            of_stack.extend(site.map(|site| (id, site)));
        }
        let starts = starts.into_iter();
        let of_start = starts.filter_map(|id| Some((id, finder.start(id)?)));
        Sites {
            of_start: of_start.collect(),
            of_stack,
            sites: finder.sites,
        }
    }

    /// Whether there is none: the trace has no stacks.
    pub(crate) fn is_empty(&self) -> bool {
        self.of_stack.is_empty()
    }

    /// A site by its number.
    pub(crate) fn get(&self, id: SiteId) -> &Site {
        &self.sites[id.0 as usize]
    }

    /// Where a stack was created; `None` if it is not defined, as in a damaged file.
    pub(crate) fn of_stack(&self, stack: Option<StackId>) -> Option<SiteId> {
        self.of_stack.get(&stack?).copied()
    }

    /// The sites that a text fits: as they are shown, or their function alone.
    pub(crate) fn matching(&self, fits: impl Fn(&str) -> bool) -> HashSet<SiteId> {
        let fits = |site: &Site| {
            let function = site.function.as_ref();
            let function = function.map(|name| String::from_utf8_lossy(name.as_bytes()));
            function.is_some_and(|function| fits(&function)) || fits(&site.to_string())
        };
        let numbered = (0..).zip(&self.sites);
        let found = numbered.filter(|(_, site)| fits(site));
        found.map(|(number, _)| SiteId(number)).collect()
    }

    /// The function at a thread's start.
    pub(crate) fn of_start(&self, start: Option<FrameId>) -> Option<SiteId> {
        self.of_start.get(&start?).copied()
    }
}

/// Gives sites their numbers. Each frame's functions are judged once.
struct Finder<'a> {
    stacks: &'a Stacks,
    /// The rules that may fit each module's code.
    modules: HashMap<Option<ModuleId>, OfModule<'a>>,
    rules: &'a Rules,
    sites: Vec<Site>,
    numbers: HashMap<Site, SiteId>,
    /// Each frame's innermost function of its highest layer.
    best: HashMap<FrameId, SiteId>,
}

impl<'a> Finder<'a> {
    fn new(stacks: &'a Stacks, rules: &'a Rules) -> Self {
        Finder {
            stacks,
            modules: HashMap::new(),
            rules,
            sites: Vec::new(),
            numbers: HashMap::new(),
            best: HashMap::new(),
        }
    }

    fn rank(&self, site: SiteId) -> u8 {
        self.sites[site.0 as usize].layer.rank()
    }

    fn best(&mut self, frame: FrameId) -> Option<SiteId> {
        if let Some(site) = self.best.get(&frame) {
            return Some(*site);
        }
        let count = self
            .stacks
            .symbol(frame)
            .map_or(0, |symbol| symbol.functions.len());
        let sites = (0..count.max(1)).filter_map(|index| self.site(frame, Some(index)));
        let sites: Vec<Site> = sites.collect();
        // Of equals the first, which is the innermost.
        let best = sites
            .into_iter()
            .rev()
            .max_by_key(|site| site.layer.rank())?;
        let id = self.number(best);
        self.best.insert(frame, id);
        Some(id)
    }

    /// The function that a thread began with: at its first instruction nothing is inlined.
    fn start(&mut self, frame: FrameId) -> Option<SiteId> {
        let site = self.site(frame, None)?;
        Some(self.number(site))
    }

    /// The place of one of a frame's functions; of the last, which is the machine's, with `None`.
    fn site(&mut self, id: FrameId, index: Option<usize>) -> Option<Site> {
        let frame = self.stacks.frame(id)?;
        let module = frame.module.and_then(|module| self.stacks.module(module));
        let module = module.map(|module| &module.path);
        let functions = self
            .stacks
            .symbol(id)
            .map_or(&[][..], |symbol| &symbol.functions);
        let function = match index {
            Some(index) => functions.get(index),
            None => functions.last(),
        };
        let function = function.filter(|function| !function.name.is_empty());
        let rules = self.rules;
        let known = self.modules.entry(frame.module);
        let known = known.or_insert_with(|| rules.of_module(module.map(Name::as_bytes)));
        Some(Site {
            layer: known.layer(function.map(|function| function.name.as_bytes())),
            function: function.map(|function| function.name.clone()),
            file: function.map_or_else(Name::default, |function| function.file.clone()),
            line: function.and_then(|function| function.line),
            module: module.cloned(),
            address: function.is_none().then_some(frame.address),
        })
    }

    fn number(&mut self, site: Site) -> SiteId {
        if let Some(id) = self.numbers.get(&site) {
            return *id;
        }
        // A trace has at most as many frames as fit into 32 bits, and each at most two sites.
        let id = SiteId(u32::try_from(self.sites.len()).unwrap_or(u32::MAX));
        self.sites.push(site.clone());
        self.numbers.insert(site, id);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidline::model::StackEnd;
    use tidline::synth::Code;

    const LIBC: &str = "/usr/lib/libc.so.6";

    /// The site of a stack of frames, each a module and its functions, the innermost first.
    fn site(frames: &[(&str, &str)]) -> String {
        let mut code = Code::default();
        let frames: Vec<_> = frames
            .iter()
            .map(|(module, functions)| code.frame(module, functions))
            .collect();
        let stack = code.stack(&frames, StackEnd::Bottom);
        let sites = Sites::new(code.stacks(), [], &Rules::new(None).unwrap());
        let id = sites.of_stack(Some(stack)).unwrap();
        sites.get(id).to_string()
    }

    #[test]
    fn the_site_is_the_programs_own_innermost_function() {
        let bin = "/bin/app";
        for (frames, expected) in [
            (
                &[
                    (LIBC, "__clone3"),
                    (LIBC, ""),
                    (bin, "start_pool src/pool.c:12"),
                    (bin, "main"),
                ][..],
                "start_pool (pool.c:12)",
            ),
            // Stripped: of the C library only the module is known, of the program an address.
            (&[(LIBC, ""), (bin, ""), (bin, "")], "app+0x1010"),
            (
                &[
                    (LIBC, "clone3"),
                    ("/usr/lib/libstdc++.so.6", ""),
                    (
                        bin,
                        "std::thread::thread<void (&)(), void>(void (&)()) | Pool::add(int) pool.cc:7",
                    ),
                    (bin, "main"),
                ],
                "Pool::add(int) (pool.cc:7)",
            ),
            (
                &[
                    (bin, "pthread_create"),
                    (bin, "std::sys::thread::unix::Thread::new"),
                    (
                        bin,
                        "std::thread::spawn | tokio::runtime::blocking::pool::spawn_blocking",
                    ),
                    (bin, "app::load src/load.rs:9"),
                    (bin, "tokio::runtime::task::raw::poll"),
                    (bin, "std::sys::backtrace::__rust_begin_short_backtrace"),
                    (LIBC, "start_thread"),
                ],
                "app::load (load.rs:9)",
            ),
            // Nothing of the program: the library, not the language's own thread.
            (
                &[
                    (LIBC, "clone3"),
                    (bin, "std::thread::spawn"),
                    (bin, "rayon_core::registry::Registry::new"),
                    (bin, "rayon_core::registry::global_registry"),
                    (LIBC, "start_thread"),
                ],
                "rayon_core::registry::Registry::new (app)",
            ),
            (&[(LIBC, "clone3"), (LIBC, "")], "clone3 (libc.so.6)"),
            (
                &[
                    (LIBC, "clone3"),
                    ("/usr/bin/python3.11", "do_start_new_thread"),
                    ("/usr/bin/python3.11", "_PyEval_EvalFrameDefault"),
                ],
                "do_start_new_thread (python3.11)",
            ),
            // A JIT compiler's code has no name: the machine that runs it is known.
            (
                &[
                    (LIBC, ""),
                    ("/jdk/libjvm.so", "os::create_thread"),
                    ("", ""),
                    ("/jdk/libjvm.so", "JavaCalls::call"),
                ],
                "os::create_thread (libjvm.so)",
            ),
        ] {
            assert_eq!(site(frames), expected, "{frames:?}");
        }
    }

    #[test]
    fn a_stack_of_a_hundred_thousand_nodes_is_walked_once() {
        let mut code = Code::default();
        let frames: Vec<_> = (0..100_000)
            .map(|address| code.bare(LIBC, address))
            .collect();
        let stack = code.stack(&frames, StackEnd::Bottom);
        let sites = Sites::new(code.stacks(), [], &Rules::new(None).unwrap());
        let site = sites.get(sites.of_stack(Some(stack)).unwrap());
        assert_eq!(site.to_string(), "libc.so.6+0x0");
    }

    #[test]
    fn a_start_routine_is_what_the_machine_calls() {
        let mut code = Code::default();
        let start = code.start("/bin/app", "inlined a.c:1 | run src/run.c:3");
        let bare = code.start("/bin/app", "");
        let sites = Sites::new(code.stacks(), [start, bare], &Rules::new(None).unwrap());
        let shown = |start| sites.get(sites.of_start(Some(start)).unwrap()).to_string();
        assert_eq!(shown(start), "run (run.c:3)");
        assert_eq!(shown(bare), "app+0x1010");
        assert!(sites.is_empty());
    }
}
