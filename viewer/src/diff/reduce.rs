//! How a recording is reduced: each task goes to its class, and is counted there.

use std::collections::HashMap;

use anyhow::{Result, bail};
use tidline::model::{Ended, EventBody, Name, Origin, StackId, TaskRecord, Time, Trace};
use tidline::text;

use super::alive::Alive;
use super::roles::{Book, Key, NodeId, Role};
use super::side::{Band, Class, Figures, Number, Person, Side};
use super::words::{NO_WORD, Renames, Word};
use crate::group::{Stats, percentile};
use crate::site::{Layer, Site, SiteId, Sites};

/// Frames of a stack that are compared, from the site out.
const MOST_FRAMES: usize = 16;
/// Frames that are walked for that, of all classes together: a hostile trace has no end of them.
const MOST_WALKED: usize = 4_000_000;

/// How a recording is read.
pub(crate) struct Reading<'a> {
    /// `None` where sites are not compared, since one of the recordings has none.
    pub(crate) sites: Option<&'a Sites>,
    pub(crate) renames: &'a Renames,
    /// The marks between which it is compared.
    pub(crate) between: Option<&'a (String, String)>,
    /// Whether individuals are asked for.
    pub(crate) people: bool,
}

/// Reduces a recording.
pub(crate) fn reduce(trace: &Trace, reading: &Reading<'_>, book: &mut Book) -> Result<Side> {
    let (begin, end) = match reading.between {
        Some(marks) => between(trace, marks)?,
        None => (trace.begin(), trace.end()),
    };
    let mut reducer = Reducer {
        trace,
        reading,
        book,
        sites: HashMap::new(),
        routines: HashMap::new(),
        alive: Alive::of(trace, begin, end),
        side: Side {
            begin,
            length: end.0.saturating_sub(begin.0),
            ..Side::default()
        },
        working: Vec::new(),
        first_stacks: Vec::new(),
        stacks: HashMap::new(),
        builds: builds(trace),
        walked: 0,
    };
    let mut nodes: Vec<NodeId> = Vec::with_capacity(trace.tasks().len());
    let mut last = None;
    for task in trace.tasks() {
        let (node, class) = reducer.task(task, &nodes, &mut last);
        nodes.push(node);
        if reading.people {
            reducer.side.people.push(Person {
                class,
                parent: task.parent.map(|parent| parent.0),
                name: task.name().clone(),
                tid: task.task.tid,
                born: task.born,
                ended: task.ended,
            });
        }
    }
    Ok(reducer.finish())
}

/// From one mark to the next of the other text.
fn between(trace: &Trace, (from, to): &(String, String)) -> Result<(Time, Time)> {
    let marks = || {
        trace.events().iter().filter_map(|event| match &event.body {
            EventBody::Mark { text } => Some((event.time, text)),
            _ => None,
        })
    };
    let missing = |text: &str| {
        let text = text::escape(text.as_bytes());
        let known: Vec<String> = marks()
            .take(10)
            .map(|(_, mark)| format!("`{}`", text::escape(mark.as_bytes())))
            .collect();
        match known.is_empty() {
            true => format!("it has no mark `{text}`, nor any other"),
            false => format!("it has no mark `{text}`; it has {}", known.join(", ")),
        }
    };
    let Some((begin, _)) = marks().find(|(_, mark)| mark.as_bytes() == from.as_bytes()) else {
        bail!(missing(from));
    };
    let is_end = |mark: &Name| mark.as_bytes() == to.as_bytes();
    let mut after = marks().filter(|(time, _)| *time > begin);
    match after.find(|(_, mark)| is_end(mark)) {
        Some((end, _)) => Ok((begin, end)),
        None if marks().any(|(_, mark)| is_end(mark)) => bail!(
            "its mark `{}` is not behind `{}`",
            text::escape(to.as_bytes()),
            text::escape(from.as_bytes())
        ),
        None => bail!(missing(to)),
    }
}

/// A class while it is counted.
#[derive(Default)]
struct Working {
    stats: Stats,
    all: u64,
    surely_alive: u64,
    maybe_alive: u64,
}

struct Reducer<'a> {
    trace: &'a Trace,
    reading: &'a Reading<'a>,
    book: &'a mut Book,
    sites: HashMap<SiteId, Word>,
    routines: HashMap<SiteId, Word>,
    alive: Alive,
    side: Side,
    /// Beside each of the side's classes.
    working: Vec<Working>,
    first_stacks: Vec<Option<StackId>>,
    stacks: HashMap<StackId, Vec<Word>>,
    /// The build-id of each module, by its path.
    builds: HashMap<Name, Box<[u8]>>,
    walked: usize,
}

impl Reducer<'_> {
    /// Counts a task; returns its place, and its class if it counts. `last` is the class of the task
    /// before, since alike tasks come one after the other.
    fn task(
        &mut self,
        task: &TaskRecord,
        nodes: &[NodeId],
        last: &mut Option<(Key, usize)>,
    ) -> (NodeId, Option<u32>) {
        let parent = task.parent.map(|parent| self.trace.task(parent));
        let name = self.reading.renames.name(task.name());
        let name = self.book.words.name(name.as_bytes());
        let inherited = task.origin == Origin::Birth
            && task.names.len() == 1
            && task.execs.is_empty()
            && parent.is_some_and(|parent| parent.name_at(task.born) == task.name());
        let (site, routine) = self.placed(task);
        let mut role = Role {
            process: task.task.is_leader(),
            site,
            routine,
            name: NO_WORD,
        };
        if !role.is_placed() || !task.execs.is_empty() {
            role.name = name;
        }
        let up = task.parent.and_then(|up| nodes.get(up.0 as usize)).copied();
        let node = self.book.place(up, role);
        let Some(judged) = self.alive.judge(task) else {
            return (node, None);
        };
        let key = Key {
            node,
            name: if inherited { NO_WORD } else { name },
        };
        let place = match last {
            Some((known, place)) if *known == key => *place,
            _ => self.class(key, name, task.stack),
        };
        *last = Some((key, place));
        self.count(place, task, judged);
        (node, u32::try_from(place).ok())
    }

    fn class(&mut self, key: Key, shown: Word, stack: Option<StackId>) -> usize {
        let next = self.side.classes.len();
        let place = *self.side.places.entry(key).or_insert(next);
        if place == next {
            self.side.classes.push(Class {
                key,
                shown,
                figures: Figures::default(),
                stack: Vec::new(),
            });
            self.working.push(Working::default());
            self.first_stacks.push(stack);
        }
        place
    }

    fn count(&mut self, place: usize, task: &TaskRecord, judged: (bool, bool, bool)) {
        self.side.tasks += 1;
        let working = &mut self.working[place];
        let (alive, sure, maybe) = judged;
        let (begin, end) = (self.alive.begin, self.alive.end);
        let stats = &mut working.stats;
        working.all += 1;
        working.surely_alive += u64::from(sure);
        working.maybe_alive += u64::from(maybe);
        stats.alive += u64::from(alive);
        stats.births.push(task.born.max(begin));
        let born = task.origin == Origin::Birth && task.born >= begin;
        stats.created += u64::from(born);
        let Some(ended) = task.ended.filter(|ended| *ended <= end) else {
            return;
        };
        stats.ends.push(ended);
        if matches!(task.how, Ended::Detached(_)) {
            stats.let_go += 1;
        } else if born && matches!(task.how, Ended::Exit(_) | Ended::BecameLeader) {
            stats.lives.push(task.lifetime_ns(ended));
        }
    }

    /// Where it was created and what it began with, as words.
    fn placed(&mut self, task: &TaskRecord) -> (Word, Word) {
        let Some(sites) = self.reading.sites else {
            return (NO_WORD, NO_WORD);
        };
        let builds = &self.builds;
        let renames = self.reading.renames;
        let mut word = |known: &mut HashMap<SiteId, Word>, id: Option<SiteId>| {
            let word = id.map(|id| {
                let made = known.entry(id);
                *made.or_insert_with(|| site_word(sites.get(id), renames, builds, self.book))
            });
            word.unwrap_or(NO_WORD)
        };
        let site = word(&mut self.sites, sites.of_stack(task.stack));
        let routine = word(&mut self.routines, sites.of_start(task.start));
        (site, routine)
    }

    fn finish(mut self) -> Side {
        for place in 0..self.working.len() {
            let figures = figures(std::mem::take(&mut self.working[place]));
            self.side.classes[place].figures = figures;
            self.side.classes[place].stack = self.stack_of(self.first_stacks[place]);
        }
        self.side
    }

    /// The same for classes of one stack, which is walked once.
    fn stack_of(&mut self, stack: Option<StackId>) -> Vec<Word> {
        if let Some(known) = stack.and_then(|stack| self.stacks.get(&stack)) {
            return known.clone();
        }
        let frames = self.stack(stack);
        self.stacks
            .extend(stack.map(|stack| (stack, frames.clone())));
        frames
    }

    /// The frames of a stack from its site out: those below are the same of every stack.
    fn stack(&mut self, stack: Option<StackId>) -> Vec<Word> {
        let (Some(sites), Some(stack)) = (self.reading.sites, stack) else {
            return Vec::new();
        };
        let Some(site) = sites.of_stack(Some(stack)).map(|id| sites.get(id)) else {
            return Vec::new();
        };
        let stacks = self.trace.stacks();
        let (mut out, mut found) = (Vec::new(), false);
        for (_, node) in stacks.walk(stack) {
            self.walked += 1;
            if self.walked > MOST_WALKED {
                return Vec::new();
            }
            let Some(frame) = stacks.frame(node.frame) else {
                continue;
            };
            let module = frame.module.and_then(|module| stacks.module(module));
            let path = module.map(|module| &module.path);
            let renames = self.reading.renames;
            let functions = stacks
                .symbol(node.frame)
                .map_or(&[][..], |it| &it.functions);
            let named: Vec<_> = functions.iter().filter(|it| !it.name.is_empty()).collect();
            if named.is_empty() {
                found |= site.function.is_none() && site.address == Some(frame.address);
                let module = renames.module(path);
                let word = self.book.words.bare(&module);
                out.extend(found.then_some(word));
            }
            for function in named {
                found |= site.function.as_ref() == Some(&function.name);
                if found {
                    out.push(function_word(&function.name, path, renames, self.book));
                }
            }
            if out.len() >= MOST_FRAMES {
                break;
            }
        }
        out.truncate(MOST_FRAMES);
        out
    }
}

fn figures(working: Working) -> Figures {
    let mut stats = working.stats;
    stats.births.sort_unstable();
    stats.ends.sort_unstable();
    stats.lives.sort_unstable();
    let others = working.all - stats.let_go.min(working.all);
    let rest = |alive: u64| others.saturating_sub(alive);
    let life = |percent| percentile(&stats.lives, percent).map(Band::of);
    Figures {
        created: Number::of(stats.created),
        exited: Number {
            shown: Band::of(rest(stats.alive)),
            sure: Band {
                least: rest(working.maybe_alive),
                most: rest(working.surely_alive),
            },
        },
        alive: Number {
            shown: Band::of(stats.alive),
            sure: Band {
                least: working.surely_alive,
                most: working.maybe_alive,
            },
        },
        peak: Band::of(stats.peak()),
        lives: stats.lives.len() as u64,
        life_p50: life(50),
        life_p99: life(99),
        let_go: stats.let_go,
    }
}

/// The word for a site. Without a function it is an address, which says something of one build only.
fn site_word(
    site: &Site,
    renames: &Renames,
    builds: &HashMap<Name, Box<[u8]>>,
    book: &mut Book,
) -> Word {
    let path = site.module.as_ref();
    if let Some(function) = &site.function {
        return function_word(function, path, renames, book);
    }
    let module = renames.module(path);
    let Some(path) = path else {
        return book.words.bare(&module);
    };
    let build = builds.get(path).map_or(&[][..], |build| build);
    let address = site.address.unwrap_or(0);
    let key = [
        b"\0address\0",
        &module[..],
        b"\0",
        build,
        &address.to_le_bytes(),
    ]
    .concat();
    book.words
        .number(&key, || format!("{}+{address:#x}", text::escape(&module)))
}

fn function_word(function: &Name, path: Option<&Name>, renames: &Renames, book: &mut Book) -> Word {
    let function = renames.function(function.as_bytes(), path);
    let module = renames.module(path);
    let key = [b"\0function\0", &module[..], b"\0", &function].concat();
    book.words.number(&key, || {
        format!("{} ({})", text::escape(&function), text::escape(&module))
    })
}

/// The build-id of each module, by its path.
fn builds(trace: &Trace) -> HashMap<Name, Box<[u8]>> {
    let modules = trace.stacks().modules().into_iter();
    let builds = modules.map(|(_, module)| (module.path.clone(), module.build_id.clone()));
    builds.collect()
}

/// Which modules hold the program's own places, and of which build they are.
pub(crate) fn main_modules(trace: &Trace, sites: &Sites) -> Vec<(Name, Box<[u8]>)> {
    let mut found: Vec<(Name, Box<[u8]>)> = Vec::new();
    let modules = trace.stacks().modules();
    let of_task = trace.tasks().iter().take(100_000);
    for id in of_task.filter_map(|task| sites.of_stack(task.stack)) {
        let site = sites.get(id);
        let Some(path) = site
            .module
            .as_ref()
            .filter(|_| site.layer == Layer::Program)
        else {
            continue;
        };
        if found.iter().any(|(known, _)| known == path) || found.len() == 3 {
            continue;
        }
        if let Some((_, module)) = modules.iter().find(|(_, module)| module.path == *path) {
            found.push((path.clone(), module.build_id.clone()));
        }
    }
    found
}
