//! Roles: what a task is by where it stands in the program, and not by any number of one run.
//!
//! Roles form one forest for all recordings that are compared, so that a place in it has the same
//! number in each, and two classes are the same if their places and names are:
//!
//! ```text
//!  server (process) ─┬─ start_pool, begins with pool_main ─── add_worker, begins with work
//!                    └─ accept_one, begins with handle
//! ```

use std::collections::HashMap;

use super::words::{NO_WORD, Word, Words};

/// Lineages are cut to so many roles: those below stand side by side.
const DEEPEST: usize = 64;

/// What a task is, beside who made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Role {
    /// A process, or a thread of one.
    pub(crate) process: bool,
    /// Where it was created.
    pub(crate) site: Word,
    /// The function that it began with.
    pub(crate) routine: Word,
    /// Its name, where it is the program's (by an exec), or all that is known. Elsewhere a name is
    /// no part of a lineage: it may be read late, or never.
    pub(crate) name: Word,
}

impl Role {
    /// Whether it is known where it was created, or what it began with.
    pub(crate) fn is_placed(self) -> bool {
        self.site != NO_WORD || self.routine != NO_WORD
    }
}

/// Number of a place in the forest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(u32);

/// A role under the one that made it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node {
    pub(crate) up: Option<NodeId>,
    pub(crate) role: Role,
}

/// A class of tasks: a place, and a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) node: NodeId,
    /// [`NO_WORD`] for tasks of which only their creator's name was ever read.
    pub(crate) name: Word,
}

/// What all recordings that are compared have in common.
#[derive(Debug, Default)]
pub(crate) struct Book {
    pub(crate) words: Words,
    nodes: Vec<Node>,
    places: HashMap<(Option<NodeId>, Role), NodeId>,
}

impl Book {
    pub(crate) fn get(&self, id: NodeId) -> Node {
        self.nodes[id.0 as usize]
    }

    /// The place of a role below another. A lineage that comes back to a role it had, as a chain of
    /// threads does, goes on from there.
    pub(crate) fn place(&mut self, up: Option<NodeId>, role: Role) -> NodeId {
        if let Some(place) = self.places.get(&(up, role)) {
            return *place;
        }
        let above: Vec<NodeId> = self.lineage(up).collect();
        let again = above.iter().copied().find(|id| self.get(*id).role == role);
        let place = match again {
            Some(again) => again,
            None if above.len() >= DEEPEST => self.place(self.get(above[0]).up, role),
            None => {
                let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
                self.nodes.push(Node { up, role });
                id
            }
        };
        self.places.insert((up, role), place);
        place
    }

    /// A place and those above it.
    pub(crate) fn lineage(&self, from: Option<NodeId>) -> impl Iterator<Item = NodeId> + '_ {
        std::iter::successors(from, |id| self.get(*id).up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(name: Word) -> Role {
        Role {
            process: false,
            site: NO_WORD,
            routine: NO_WORD,
            name,
        }
    }

    #[test]
    fn chains_are_one_place_and_deep_lineages_are_cut() {
        let mut book = Book::default();
        let root = book.place(None, role(1));
        let a = book.place(Some(root), role(2));
        let b = book.place(Some(a), role(3));
        assert_eq!(book.place(Some(b), role(2)), a);
        assert_eq!(book.place(Some(a), role(2)), a);
        let mut last = b;
        for name in 10..1_000 {
            last = book.place(Some(last), role(name));
        }
        assert_eq!(book.lineage(Some(last)).count(), DEEPEST);
        assert_eq!(book.lineage(Some(last)).last(), Some(root));
    }
}
