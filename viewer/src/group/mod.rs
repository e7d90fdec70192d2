//! Classes of tasks, and what each class's tasks did: what several views group by.
//!
//! A task's class follows from the task alone (its site, its names, who made it), and not from
//! numbers that differ between recordings, so that two recordings' classes can be compared.

mod stats;

use std::collections::HashMap;

use tidline::model::{EventBody, Name, StackId, TaskId, TaskRecord, Trace};

use crate::fold::class;
use crate::site::{SiteId, Sites};
pub(crate) use stats::{Moments, Stats, Tally, percentile};

/// What tasks are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum By {
    // Where they were created
    Site,
    // All of the creator's stack
    Stack,
    // The function that they began with
    Routine,
    // Their last name; names that differ in digits only are one
    Name,
    // Their creator's name
    Parent,
    // The names of all their creators
    Lineage,
    // The file of machine code that their site is in
    Module,
    // The creator's instruction pointer, which is all that there is without stacks
    Pc,
}

impl By {
    /// The word in JSON and on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            By::Site => "site",
            By::Stack => "stack",
            By::Routine => "routine",
            By::Name => "name",
            By::Parent => "parent",
            By::Lineage => "lineage",
            By::Module => "module",
            By::Pc => "pc",
        }
    }

    /// Whether it needs stacks.
    pub(crate) fn needs_stacks(self) -> bool {
        matches!(self, By::Site | By::Stack | By::Module)
    }
}

/// What a class's tasks have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    /// A site, or a start routine.
    Site(SiteId),
    Stack(StackId),
    /// A class of names, a line of them, or a module's path.
    Name(Name),
    Pc(u64),
    /// It is not known what they have.
    Unknown,
}

/// Finds the class of each task.
pub(crate) struct Classifier<'a> {
    trace: &'a Trace,
    sites: &'a Sites,
    by: By,
    /// For each task the creator's instruction pointer, where classes are made of that.
    pcs: Vec<Option<u64>>,
    /// For each task the names of its creators and its own, where classes are made of that.
    lineages: Vec<Name>,
}

impl<'a> Classifier<'a> {
    pub(crate) fn new(trace: &'a Trace, sites: &'a Sites, by: By) -> Self {
        Classifier {
            trace,
            sites,
            by,
            pcs: if by == By::Pc { pcs(trace) } else { Vec::new() },
            lineages: if by == By::Lineage {
                lineages(trace)
            } else {
                Vec::new()
            },
        }
    }

    /// A task's class.
    pub(crate) fn of(&self, task: &TaskRecord) -> Key {
        let index = task.id.0 as usize;
        match self.by {
            By::Site | By::Stack | By::Module => self.of_stack(task.stack),
            By::Routine => self
                .sites
                .of_start(task.start)
                .map_or(Key::Unknown, Key::Site),
            By::Name => named(class(task.name())),
            By::Parent => task
                .parent
                .map_or(Key::Unknown, |parent| self.of_creator(parent)),
            By::Lineage => named(self.lineages.get(index).cloned().unwrap_or_default()),
            By::Pc => self.of_pc(self.pcs.get(index).copied().flatten()),
        }
    }

    /// The class of what has this stack, where classes are made of stacks.
    pub(crate) fn of_stack(&self, stack: Option<StackId>) -> Key {
        let Some((stack, site)) = stack.zip(self.sites.of_stack(stack)) else {
            return Key::Unknown;
        };
        match self.by {
            By::Stack => Key::Stack(stack),
            By::Module => self
                .sites
                .get(site)
                .module
                .clone()
                .map_or(Key::Unknown, Key::Name),
            _ => Key::Site(site),
        }
    }

    /// The class of what this task made.
    pub(crate) fn of_creator(&self, creator: TaskId) -> Key {
        named(class(self.trace.task(creator).name()))
    }

    /// The class of what was made at this address.
    pub(crate) fn of_pc(&self, pc: Option<u64>) -> Key {
        pc.map_or(Key::Unknown, Key::Pc)
    }
}

fn named(name: Name) -> Key {
    match name.is_empty() {
        true => Key::Unknown,
        false => Key::Name(name),
    }
}

fn pcs(trace: &Trace) -> Vec<Option<u64>> {
    let mut pcs = vec![None; trace.tasks().len()];
    for (index, event) in trace.events().iter().enumerate() {
        if let EventBody::Birth(birth) = &event.body
            && let Some(task) = trace.subject(index)
        {
            pcs[task.id.0 as usize] = birth.pc;
        }
    }
    pcs
}

/// Names of one line at most; a deeper one is cut at its beginning.
const MOST_NAMES: usize = 16;

/// For each task its creators' names and its own, as `main > pool > worker-#`. Creators of one
/// name after the other, as in a chain, count once.
fn lineages(trace: &Trace) -> Vec<Name> {
    let mut known: HashMap<(Option<Name>, Name), Name> = HashMap::new();
    let mut out: Vec<Name> = Vec::with_capacity(trace.tasks().len());
    let mut last: Vec<Name> = Vec::with_capacity(trace.tasks().len());
    for task in trace.tasks() {
        let own = class(task.name());
        // A creator comes before what it made.
        let parent = task.parent.map(|parent| parent.0 as usize);
        let above = parent.and_then(|parent| out.get(parent));
        let same = parent.is_some_and(|parent| last.get(parent) == Some(&own));
        let line = match above {
            Some(above) if same => above.clone(),
            above => {
                let key = (above.cloned(), own.clone());
                let joined = known.entry(key);
                joined
                    .or_insert_with_key(|(above, own)| joined_names(above.as_ref(), own))
                    .clone()
            }
        };
        out.push(line);
        last.push(own);
    }
    out
}

fn joined_names(above: Option<&Name>, own: &Name) -> Name {
    const BETWEEN: &[u8] = b" > ";
    let own: &[u8] = if own.is_empty() { b"?" } else { own.as_bytes() };
    let Some(above) = above else {
        return Name::from(own);
    };
    let above = above.as_bytes();
    let starts = (0..above.len()).filter(|at| above[*at..].starts_with(BETWEEN));
    let starts: Vec<usize> = starts.collect();
    let cut = (starts.len() + 2)
        .checked_sub(MOST_NAMES)
        .filter(|extra| *extra > 0);
    let from = cut.map_or(0, |extra| starts[extra - 1] + BETWEEN.len());
    Name::from(&[&above[from..], BETWEEN, own].concat()[..])
}

/// A class and its tasks' deeds.
pub(crate) struct Group {
    pub(crate) key: Key,
    pub(crate) stats: Stats,
}

/// Tasks by class, in order of their first.
pub(crate) struct Groups {
    groups: Vec<Group>,
    places: HashMap<Key, usize>,
}

impl Groups {
    /// The tasks that `admits` takes, by their class.
    pub(crate) fn of_tasks(
        classifier: &Classifier<'_>,
        end: Moments,
        admits: impl Fn(&TaskRecord) -> bool,
    ) -> Groups {
        let mut groups = Groups {
            groups: Vec::new(),
            places: HashMap::new(),
        };
        for task in classifier.trace.tasks().iter().filter(|task| admits(task)) {
            let place = groups.place(classifier.of(task));
            let start = classifier.sites.of_start(task.start);
            let stats = &mut groups.groups[place].stats;
            stats.add(task, start, end);
            stats.add_span(task, end);
        }
        groups
    }

    /// The tasks that `admits` takes as one group, without their spans; `None` if there are none.
    pub(crate) fn together(
        classifier: &Classifier<'_>,
        end: Moments,
        admits: impl Fn(&TaskRecord) -> bool,
    ) -> Option<Group> {
        let mut stats = Stats::default();
        for task in classifier.trace.tasks().iter().filter(|task| admits(task)) {
            stats.add(task, classifier.sites.of_start(task.start), end);
        }
        stats.sort();
        (!stats.births.is_empty()).then_some(Group {
            key: Key::Unknown,
            stats,
        })
    }

    fn place(&mut self, key: Key) -> usize {
        if let Some(place) = self.places.get(&key) {
            return *place;
        }
        let place = self.groups.len();
        self.places.insert(key.clone(), place);
        self.groups.push(Group {
            key,
            stats: Stats::default(),
        });
        place
    }

    /// The groups, their times in order.
    pub(crate) fn finish(mut self) -> Vec<Group> {
        for group in &mut self.groups {
            group.stats.sort();
        }
        self.groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidline::format::Header;
    use tidline::model::{Birth, End};
    use tidline::model::{Ending, Event, Integrity, Task, Time, TraceBuilder, Via, What};

    /// A trace of births and ends: who made whom, of which name, from when to when.
    fn trace(lives: &[(u32, u32, &str, u64, Option<u64>)]) -> Trace {
        let mut events = Vec::new();
        for (parent, child, name, born, ended) in lives {
            let task = Task::new(1, *child);
            let birth = EventBody::Birth(Birth {
                via: Via::Clone,
                what: What::Thread,
                parent: (*parent > 0).then_some(Task::new(1, *parent)),
                child: task,
                flags: None,
                pc: Some(u64::from(*parent)),
                inner: None,
                stack: None,
                start: None,
            });
            let name = EventBody::Rename {
                task,
                name: Name::from(*name),
            };
            events.extend([(*born, birth), (*born, name)]);
            events.extend(ended.map(|time| {
                (
                    time,
                    EventBody::Exit {
                        task,
                        end: End::Code(0),
                    },
                )
            }));
        }
        events.sort_by_key(|(time, _)| *time);
        let mut builder = TraceBuilder::new(Header::default());
        for (time, body) in events {
            builder.push(Event {
                time: Time(time),
                body,
            });
        }
        builder.reached(Time(100));
        builder.finish(Integrity::new(Ending::CutShort))
    }

    /// Each group as its key and what its tasks did.
    fn grouped(trace: &Trace, by: By) -> Vec<(String, u64, u64, u64)> {
        let sites = Sites::default();
        let classifier = Classifier::new(trace, &sites, by);
        let groups = Groups::of_tasks(&classifier, Moments::of(trace), |_| true);
        let shown = |group: Group| {
            let key = match &group.key {
                Key::Name(name) => name.to_string(),
                key => format!("{key:?}"),
            };
            let stats = group.stats;
            (key, stats.created, stats.alive, stats.peak())
        };
        groups.finish().into_iter().map(shown).collect()
    }

    #[test]
    fn tasks_are_grouped_by_names_and_by_creators() {
        let trace = trace(&[
            (0, 1, "main", 0, None),
            (1, 2, "pool", 10, None),
            (2, 3, "worker-1", 20, Some(40)),
            (2, 4, "worker-2", 30, Some(50)),
            (2, 5, "worker-3", 50, None),
            (1, 6, "worker-9", 60, None),
        ]);
        assert_eq!(
            grouped(&trace, By::Name),
            [
                ("main".into(), 1, 1, 1),
                ("pool".into(), 1, 1, 1),
                ("worker-#".into(), 4, 2, 2),
            ]
        );
        assert_eq!(
            grouped(&trace, By::Parent),
            [
                ("Unknown".into(), 1, 1, 1),
                ("main".into(), 2, 2, 2),
                ("pool".into(), 3, 1, 2),
            ]
        );
        assert_eq!(
            grouped(&trace, By::Lineage),
            [
                ("main".into(), 1, 1, 1),
                ("main > pool".into(), 1, 1, 1),
                ("main > pool > worker-#".into(), 3, 1, 2),
                ("main > worker-#".into(), 1, 1, 1),
            ]
        );
        assert_eq!(
            grouped(&trace, By::Pc)[..2],
            [("Pc(0)".into(), 1, 1, 1), ("Pc(1)".into(), 2, 2, 2)]
        );
        assert_eq!(grouped(&trace, By::Site), [("Unknown".into(), 6, 4, 4)]);
    }

    #[test]
    fn chains_are_one_lineage_and_deep_ones_are_cut() {
        let names: Vec<String> = (0..30).map(|n| ["a", "b"][n % 2].repeat(n)).collect();
        let lives = names
            .iter()
            .zip(1..)
            .map(|(name, n)| (n - 1, n, name.as_str(), 1, None));
        let deep = trace(&lives.collect::<Vec<_>>());
        let lines = lineages(&deep);
        let cut = names[14..].join(" > ");
        assert_eq!(lines[29].to_string(), cut);
        let chain: Vec<_> = (1..50).map(|n| (n - 1, n, "link-7", 1, None)).collect();
        assert_eq!(
            grouped(&trace(&chain), By::Lineage),
            [("link-#".into(), 49, 49, 49)]
        );
    }
}
