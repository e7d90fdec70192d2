//! A look at `/proc`: who is there. Nobody is stopped for it.

use std::collections::HashSet;

use tidline::model::{Pid, Task, Tid};

use super::tracker::{Listed, Scan};
use crate::clock::Clock;
use crate::proc;
use crate::targets::{Family, all_kin};

/// A thread that executes a program takes its leader's TID: a list from just before has a leader that
/// has ended, and a TID that is gone, or has nobody. So a process of which nobody was found, and which
/// is there, is listed again, and so often at most.
const MOST_LISTS: usize = 100;

/// Who is looked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whom<'a> {
    /// All but the kernel's own threads and tidrec.
    Everyone,
    /// These processes.
    Processes(&'a [Pid]),
    /// These and all their descendants.
    Family(&'a [Pid]),
}

/// Looks. What begins or ends meanwhile is for the events to tell.
pub(crate) fn look(clock: Clock, whom: Whom<'_>) -> Scan {
    let mut scan = Scan {
        begin: clock.now(),
        ..Scan::default()
    };
    match whom {
        Whom::Everyone => everyone(clock, &mut scan),
        Whom::Processes(pids) => {
            for pid in pids {
                list(clock, *pid, &mut scan);
            }
        }
        Whom::Family(pids) => family(clock, pids, &mut scan),
    }
    scan.end = clock.now();
    scan
}

fn everyone(clock: Clock, scan: &mut Scan) {
    for pid in proc::processes() {
        let is_ours = pid.0 == std::process::id();
        if is_ours || proc::stat(Tid(pid.0)).is_some_and(|stat| stat.is_kernel_thread()) {
            scan.strangers.extend(proc::threads(pid));
        } else {
            list(clock, pid, scan);
        }
    }
}

/// What is born below a process that is listed tells of itself, so all that one list can miss are
/// children of those that came too late for it.
fn family(clock: Clock, roots: &[Pid], scan: &mut Scan) {
    // Of one that has ended all tasks are listed, too: none.
    scan.pids.extend(roots);
    let mut kin = all_kin();
    let mut family = Family::of(roots, &kin);
    let mut seen = HashSet::from([Pid(std::process::id())]);
    loop {
        let members = family.grow(&kin);
        let new: Vec<Pid> = members
            .into_iter()
            .map(|member| member.pid)
            .filter(|pid| seen.insert(*pid))
            .collect();
        if new.is_empty() {
            return;
        }
        for pid in new {
            list(clock, pid, scan);
        }
        kin = all_kin();
    }
}

/// The living threads of a process.
fn list(clock: Clock, pid: Pid, scan: &mut Scan) {
    scan.pids.insert(pid);
    for _ in 0..MOST_LISTS {
        let before = scan.listed.len();
        list_once(clock, pid, scan);
        let is_over = || proc::stat_of_leader(pid).is_none_or(|stat| stat.has_ended());
        if scan.listed.len() > before || is_over() {
            return;
        }
    }
}

fn list_once(clock: Clock, pid: Pid, scan: &mut Scan) {
    let is_nested = proc::status(Tid(pid.0)).is_some_and(|status| status.inner.is_some());
    for tid in proc::threads(pid) {
        let (seen, task) = (clock.now(), Task { pid, tid });
        let Some((stat, name)) = proc::thread_stat(pid, tid) else {
            continue;
        };
        if stat.is_ending() {
            // Its end is told, or was before anybody listened.
            if !stat.is_dead() {
                scan.ending.insert(task);
            }
            continue;
        }
        scan.listed.push(Listed {
            seen,
            task,
            parent_pid: Some(stat.parent).filter(|parent| task.is_leader() && parent.0 != 0),
            name,
            inner: match is_nested {
                true => proc::status(tid).and_then(|status| status.inner),
                false => None,
            },
        });
    }
}
