//! Which class of the old recording is which of the new: in passes, each of which takes what the ones
//! before it left, and is less sure than they are.

use std::collections::{HashMap, HashSet, VecDeque};

use super::near::likeness;
use super::roles::{Book, Key, NodeId, Role};
use super::side::{Class, Side};
use super::words::{NO_WORD, Word};

/// Two classes this alike are one.
const ALIKE: f64 = 0.6;
/// What the stack, the start routine and the name count of that.
const OF_STACK: f64 = 0.6;
const OF_ROUTINE: f64 = 0.2;
const OF_NAME: f64 = 0.2;
/// Pairs of classes whose stacks are compared at most.
const MOST_COMPARED: usize = 250_000;

/// How two classes were found to be one, the surest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum How {
    /// Lineage, site, start routine and name are the same.
    Exact,
    /// All but the name.
    OtherName,
    /// All but who made their creators.
    OtherLineage,
    /// Their stacks are nearly the same, by so many percent.
    Near(u8),
    New,
    Gone,
}

impl How {
    /// The word in tables and JSON.
    pub(crate) fn word(self) -> String {
        match self {
            How::Exact => "exact".into(),
            How::OtherName => "no name".into(),
            How::OtherLineage => "moved".into(),
            How::Near(percent) => format!("near {percent} %"),
            How::New => "new".into(),
            How::Gone => "gone".into(),
        }
    }
}

/// Two classes that are one, or one that has no other; places in their recordings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) old: Option<usize>,
    pub(crate) new: Option<usize>,
    pub(crate) how: How,
}

/// The pairs of two recordings, and whether there were too many to compare the stacks of all.
pub(crate) struct Pairs {
    pub(crate) pairs: Vec<Pair>,
    pub(crate) too_many: bool,
}

/// Finds what belongs together.
pub(crate) fn pair(old: &Side, new: &Side, book: &Book) -> Pairs {
    let mut matcher = Matcher {
        old,
        new,
        book,
        taken: vec![false; new.classes.len()],
        pairs: Vec::with_capacity(new.classes.len()),
        left: Vec::new(),
        nodes: HashMap::new(),
    };
    matcher.exact();
    // A class of no name of its own may be a part of several: see `may_be`.
    matcher.by(How::OtherName, |book, class| {
        let role = book.get(class.key.node).role;
        let known = role.is_placed() && class.key.name != NO_WORD;
        known.then_some((Some(class.key.node), role, NO_WORD))
    });
    matcher.by(How::OtherLineage, |book, class| {
        let role = book.get(class.key.node).role;
        let known = role.is_placed() || class.key.name != NO_WORD;
        known.then_some((None, role, class.key.name))
    });
    let too_many = matcher.near();
    Pairs {
        pairs: matcher.finish(),
        too_many,
    }
}

struct Matcher<'a> {
    old: &'a Side,
    new: &'a Side,
    book: &'a Book,
    /// Of each new class, whether it has been paired.
    taken: Vec<bool>,
    pairs: Vec<Pair>,
    /// Old classes without a pair so far.
    left: Vec<usize>,
    /// Places of the old forest that are known to be others in the new one.
    nodes: HashMap<NodeId, NodeId>,
}

impl Matcher<'_> {
    fn exact(&mut self) {
        for (place, class) in self.old.classes.iter().enumerate() {
            match self.new.places.get(&class.key) {
                Some(&other) => self.take(place, other, How::Exact),
                None => self.left.push(place),
            }
        }
    }

    fn take(&mut self, old: usize, new: usize, how: How) {
        self.taken[new] = true;
        let nodes = (
            self.old.classes[old].key.node,
            self.new.classes[new].key.node,
        );
        self.nodes.entry(nodes.0).or_insert(nodes.1);
        self.pairs.push(Pair {
            old: Some(old),
            new: Some(new),
            how,
        });
    }

    fn untaken(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.taken.len()).filter(|place| !self.taken[*place])
    }

    /// Pairs classes of the same trait: first those under creators that are a pair, then in order.
    fn by(&mut self, how: How, of: impl Fn(&Book, &Class) -> Option<(Option<NodeId>, Role, Word)>) {
        let mut there: HashMap<_, VecDeque<usize>> = HashMap::new();
        for place in self.untaken() {
            if let Some(key) = of(self.book, &self.new.classes[place]) {
                there.entry(key).or_default().push_back(place);
            }
        }
        for strict in [true, false] {
            for old in std::mem::take(&mut self.left) {
                let class = &self.old.classes[old];
                let candidates = of(self.book, class).and_then(|key| there.get_mut(&key));
                let up = self.book.get(class.key.node).up;
                let up = up.map(|up| self.nodes.get(&up).copied().unwrap_or(up));
                let fits = |place: &usize| {
                    let node = self.new.classes[*place].key.node;
                    !strict || self.book.get(node).up == up
                };
                // The first that fits: of many alike, only the first few are looked at.
                let found = candidates.and_then(|all| {
                    let at = all.iter().take(100).position(fits)?;
                    all.remove(at)
                });
                match found {
                    Some(new) => self.take(old, new, how),
                    None => self.left.push(old),
                }
            }
        }
    }

    /// Pairs what is most alike first. Returns whether there is too much to compare.
    fn near(&mut self) -> bool {
        let has_stack = |class: &Class| !class.stack.is_empty();
        let new: Vec<usize> = self.untaken().collect();
        let new: Vec<usize> = new
            .into_iter()
            .filter(|it| has_stack(&self.new.classes[*it]))
            .collect();
        let old = self.left.iter().copied();
        let old: Vec<usize> = old.filter(|it| has_stack(&self.old.classes[*it])).collect();
        if old.len().saturating_mul(new.len()) > MOST_COMPARED {
            return true;
        }
        let mut alike: Vec<(u8, usize, usize)> = Vec::new();
        for &a in &old {
            for &b in &new {
                let score = self.score(&self.old.classes[a], &self.new.classes[b]);
                if score >= ALIKE {
                    alike.push(((score * 100.0).round() as u8, a, b));
                }
            }
        }
        alike.sort_by_key(|(score, a, b)| (std::cmp::Reverse(*score), *a, *b));
        let mut done: HashSet<usize> = HashSet::new();
        for (percent, a, b) in alike {
            if !self.taken[b] && done.insert(a) {
                self.take(a, b, How::Near(percent));
            }
        }
        self.left.retain(|place| !done.contains(place));
        false
    }

    fn score(&self, old: &Class, new: &Class) -> f64 {
        let [a, b] = [old, new].map(|class| self.book.get(class.key.node).role);
        // Of one place, and names apart: that one of them has none says nothing.
        if a.process != b.process || old.key.node == new.key.node {
            return 0.0;
        }
        let same = |a: Word, b: Word| f64::from(u8::from(a != NO_WORD && a == b));
        likeness(&old.stack, &new.stack, &self.book.words) * OF_STACK
            + same(a.routine, b.routine) * OF_ROUTINE
            + same(old.key.name, new.key.name) * OF_NAME
    }

    fn finish(mut self) -> Vec<Pair> {
        let gone = self.left.iter().map(|old| Pair {
            old: Some(*old),
            new: None,
            how: How::Gone,
        });
        let new = self.untaken().map(|new| Pair {
            old: None,
            new: Some(new),
            how: How::New,
        });
        let rest: Vec<Pair> = gone.chain(new).collect();
        self.pairs.extend(rest);
        self.pairs
    }
}

/// Whether tasks of the first class may be of the second as well, for all that was seen of them: a
/// name that was not read in time, a stack that could not be taken.
pub(crate) fn may_be(vague: Key, other: Key, book: &Book) -> bool {
    let [a, b] = [vague, other].map(|key| book.get(key.node).role);
    if a.process != b.process {
        return false;
    }
    let pairs = [
        (vague.name, other.name),
        (a.site, b.site),
        (a.routine, b.routine),
    ];
    let fits = |(a, b): &(Word, Word)| *a == NO_WORD || a == b;
    let vaguer = |(a, b): &(Word, Word)| *a == NO_WORD && *b != NO_WORD;
    pairs.iter().all(fits) && pairs.iter().any(vaguer)
}
