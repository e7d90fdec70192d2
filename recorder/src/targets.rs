//! Which running processes are meant: by name, and with all their descendants.

use std::collections::HashMap;
use std::time::Duration;

use regex_lite::Regex;
use tidline::model::{Pid, Tid};

use crate::preflight;
use crate::proc;

/// How often [`Watch::look`] is to be called.
pub(crate) const INTERVAL: Duration = Duration::from_millis(100);
/// A new process's name is looked at so many times in a row: it becomes what it is by an exec, soon
/// after its birth.
const EAGER_LOOKS: u32 = 10;
/// All names are looked at whenever so many looks have passed.
const LOOK_AT_ALL: u32 = 20;

/// Waits for processes with a name. Reading the names of all processes, 20 us each, would cost some
/// percent of a processor; so each look reads those of new ones, and every twentieth all.
pub(crate) struct Watch<'a> {
    names: &'a [Regex],
    seen: HashMap<Pid, u32>,
    looks: u32,
}

impl<'a> Watch<'a> {
    pub(crate) fn new(names: &'a [Regex]) -> Self {
        Watch {
            names,
            seen: HashMap::new(),
            looks: 0,
        }
    }

    /// The processes that match, by pid.
    pub(crate) fn look(&mut self) -> Found {
        let all = self.looks.is_multiple_of(LOOK_AT_ALL);
        self.looks = self.looks.wrapping_add(1);
        let before = std::mem::take(&mut self.seen);
        let mut found = Vec::new();
        for pid in proc::processes() {
            let looks = before.get(&pid).copied().unwrap_or(0);
            self.seen.insert(pid, looks.saturating_add(1));
            if (all || looks < EAGER_LOOKS) && matches(self.names, pid) {
                found.push(pid);
            }
        }
        if found.is_empty() {
            return Found::default();
        }
        found.sort_unstable();
        let above = preflight::ancestors();
        let own = Pid(std::process::id());
        let mut all = Found::default();
        for pid in found {
            if pid != own && above.contains(&pid) {
                all.above.push(pid);
            } else if preflight::is_candidate(pid) {
                all.pids.push(pid);
            }
        }
        all
    }
}

/// Processes that match.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Those that may be attached.
    pub(crate) pids: Vec<Pid>,
    /// Those that started tidrec: it would wait for itself.
    pub(crate) above: Vec<Pid>,
}

/// The running processes that match.
pub(crate) fn named(names: &[Regex]) -> Found {
    Watch::new(names).look()
}

fn matches(names: &[Regex], pid: Pid) -> bool {
    let is_called = |name: &[u8]| {
        let name = String::from_utf8_lossy(base_name(name));
        names.iter().any(|wanted| wanted.is_match(&name))
    };
    let leader = Tid(pid.0);
    // A name may hold a slash: it is no path.
    let comm = |name: tidline::model::Name| {
        let name = String::from_utf8_lossy(name.as_bytes()).into_owned();
        names.iter().any(|wanted| wanted.is_match(&name))
    };
    proc::comm(leader).is_some_and(comm)
        || proc::command_line(pid)
            .first()
            .is_some_and(|program| is_called(program))
        || proc::exe(leader).is_some_and(|exe| is_called(exe.as_bytes()))
}

fn base_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

/// A process, and who its parent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kin {
    pub(crate) pid: Pid,
    pub(crate) parent: Pid,
    /// Tells two with one pid apart.
    pub(crate) start: u64,
}

/// All processes, as they are now.
pub(crate) fn all_kin() -> Vec<Kin> {
    let kin = |pid: Pid| {
        let stat = proc::stat_of_leader(pid)?;
        Some(Kin {
            pid,
            parent: stat.parent,
            start: stat.start,
        })
    };
    proc::processes().filter_map(kin).collect()
}

/// Processes and all that descend from them, as far as it was ever seen. One whose parent has ended
/// has another parent (or init); that it once belonged to the family is remembered.
#[derive(Debug, Default)]
pub(crate) struct Family {
    /// When each was made.
    members: HashMap<Pid, u64>,
}

impl Family {
    /// A family of these.
    pub(crate) fn of(roots: &[Pid], all: &[Kin]) -> Self {
        let roots = all.iter().filter(|kin| roots.contains(&kin.pid));
        Family {
            members: roots.map(|kin| (kin.pid, kin.start)).collect(),
        }
    }

    /// Takes in the members' children, and theirs. The whole family as it lives now, parents first.
    pub(crate) fn grow(&mut self, all: &[Kin]) -> Vec<Kin> {
        let mut children: HashMap<Pid, Vec<Kin>> = HashMap::new();
        for kin in all {
            children.entry(kin.parent).or_default().push(*kin);
        }
        let is_member = |kin: &&Kin| self.members.get(&kin.pid) == Some(&kin.start);
        let mut family: Vec<Kin> = all.iter().filter(is_member).copied().collect();
        family.sort_unstable_by_key(|kin| (kin.start, kin.pid));
        let mut next = 0;
        while let Some(parent) = family.get(next).copied() {
            next += 1;
            for child in children.remove(&parent.pid).unwrap_or_default() {
                if self.members.insert(child.pid, child.start) != Some(child.start) {
                    family.push(child);
                }
            }
        }
        family
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kin(pid: u32, parent: u32, start: u64) -> Kin {
        Kin {
            pid: Pid(pid),
            parent: Pid(parent),
            start,
        }
    }

    fn pids(kin: &[Kin]) -> Vec<u32> {
        kin.iter().map(|kin| kin.pid.0).collect()
    }

    #[test]
    fn parents_come_before_children_whatever_their_numbers() {
        // Pids wrap: 5 is 900's child, and 3 is its.
        let all = [
            kin(1, 0, 0),
            kin(3, 5, 30),
            kin(5, 900, 20),
            kin(900, 1, 10),
            kin(901, 1, 11),
        ];
        let mut family = Family::of(&[Pid(900)], &all);
        assert_eq!(pids(&family.grow(&all)), [900, 5, 3]);
    }

    #[test]
    fn an_orphan_stays_in_the_family_and_so_does_what_it_makes() {
        let before = [kin(1, 0, 0), kin(10, 1, 1), kin(11, 10, 2), kin(12, 11, 3)];
        let mut family = Family::of(&[Pid(10)], &before);
        assert_eq!(pids(&family.grow(&before)), [10, 11, 12]);
        // 11 has ended, its child is init's; a stranger has its number.
        let after = [
            kin(1, 0, 0),
            kin(10, 1, 1),
            kin(11, 1, 9),
            kin(12, 1, 3),
            kin(13, 12, 8),
        ];
        assert_eq!(pids(&family.grow(&after)), [10, 12, 13]);
    }

    #[test]
    fn a_circle_ends() {
        // As `/proc` may show while it is read: a child of its own child.
        let all = [kin(2, 3, 1), kin(3, 2, 2)];
        let mut family = Family::of(&[Pid(2)], &all);
        assert_eq!(pids(&family.grow(&all)), [2, 3]);
    }

    #[test]
    fn the_file_name_counts_and_not_its_folder() {
        assert_eq!(base_name(b"/usr/sbin/nginx"), b"nginx");
        assert_eq!(base_name(b"-bash"), b"-bash");
        assert_eq!(base_name(b"dir/"), b"");
    }
}
