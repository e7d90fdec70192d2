//! Whose numbers are whose in a file that was merged from recordings of several hosts.
//!
//! A TID means one task on one host. In such a file each host has a range of numbers, wide enough
//! for all that Linux gives (at most 4,194,304): a task of host 2 whose TID was 4711 has the TID
//! 20,004,711 there. So a TID means one living task in this file, too, as in any other.

use super::header::Header;
use crate::model::{Event, EventBody, Pid, Task, Tid};

/// Numbers that a host has: those of host 3 begin at three times this.
pub const HOST_RANGE: u32 = 10_000_000;
/// Hosts that a file may have: their numbers fit 31 bits, which other programs have for a pid.
pub const MOST_HOSTS: usize = 200;

/// A host of a file that was merged from recordings of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its boot's id: another boot is another host, of the same name.
    pub boot_id: String,
    /// How far its own readings of its wall clock are apart, ns: it was set, or the host slept.
    pub clock_apart_ns: u64,
}

impl Header {
    /// The hosts of a file that was merged from recordings of several, in the order of their ranges
    /// of numbers; none in any other file, where all numbers are those of one host.
    #[must_use]
    pub fn hosts(&self) -> Vec<Host> {
        let host = |number: usize| {
            let of = |what: &str| self.option(&format!("{what}-{number}"));
            Some(Host {
                name: of("host")?.into(),
                boot_id: of("boot").unwrap_or_default().into(),
                clock_apart_ns: of("clock-apart")
                    .and_then(|ns| ns.parse().ok())
                    .unwrap_or(0),
            })
        };
        let hosts: Vec<Host> = (0..MOST_HOSTS).map_while(host).collect();
        match hosts.len() {
            1 => Vec::new(),
            _ => hosts,
        }
    }

    /// Notes the hosts that a file is merged from.
    pub fn set_hosts(&mut self, hosts: &[Host]) {
        self.options.retain(|(name, _)| !is_of_a_host(name));
        for (number, host) in hosts.iter().enumerate() {
            for (what, value) in [
                ("host", host.name.clone()),
                ("boot", host.boot_id.clone()),
                ("clock-apart", host.clock_apart_ns.to_string()),
            ] {
                self.options.push((format!("{what}-{number}"), value));
            }
        }
    }
}

/// Whether an option says something of one of several hosts.
#[must_use]
pub fn is_of_a_host(option: &str) -> bool {
    let mut known = ["host-", "boot-", "clock-apart-"].into_iter();
    known.any(|front| {
        option
            .strip_prefix(front)
            .is_some_and(|number| number.parse::<u32>().is_ok())
    })
}

/// Which host a TID or pid of such a file is of, and what it was there.
#[must_use]
pub fn host_of(number: u32) -> (usize, u32) {
    ((number / HOST_RANGE) as usize, number % HOST_RANGE)
}

/// Changes all TIDs and pids of an event.
pub fn renumber(event: &mut Event, number: impl Fn(u32) -> u32) {
    let task = |task: &mut Task| {
        *task = Task::new(number(task.pid.0), number(task.tid.0));
    };
    match &mut event.body {
        EventBody::Existing {
            task: it,
            parent_pid,
            ..
        } => {
            task(it);
            *parent_pid = parent_pid.map(|pid| Pid(number(pid.0)));
        }
        EventBody::Birth(birth) => {
            task(&mut birth.child);
            birth.parent.iter_mut().for_each(task);
        }
        EventBody::Exec {
            task: it,
            former_tid,
            ..
        } => {
            task(it);
            *former_tid = Tid(number(former_tid.0));
        }
        EventBody::Exit { task: it, .. }
        | EventBody::Rename { task: it, .. }
        | EventBody::Detach { task: it, .. }
        | EventBody::CreateFailed { task: it, .. }
        | EventBody::SyscallEnter { task: it, .. }
        | EventBody::SyscallExit { task: it, .. } => task(it),
        EventBody::Gap { .. } | EventBody::Lost { .. } | EventBody::Mark { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hosts_that_are_noted_are_those_that_are_read() {
        let host = |name: &str, clock_apart_ns| Host {
            name: name.into(),
            boot_id: format!("boot of {name}"),
            clock_apart_ns,
        };
        let mut header = Header::default();
        header.options.push(("host-name".into(), "x".into()));
        assert_eq!(header.hosts(), []);
        let hosts = [host("web-3", 0), host("web-4", 2_500)];
        header.set_hosts(&[host("old", 1), host("older", 1), host("oldest", 1)]);
        header.set_hosts(&hosts);
        assert_eq!(header.hosts(), hosts);
        assert_eq!(header.option("host-name"), Some("x"));
        // One that is missing ends the list; one alone is no several.
        header.options.retain(|(name, _)| name != "host-1");
        assert_eq!(header.hosts(), []);
    }

    #[test]
    fn a_number_is_of_one_host() {
        assert_eq!(host_of(4_711), (0, 4_711));
        assert_eq!(host_of(20_004_711), (2, 4_711));
        let last = HOST_RANGE * MOST_HOSTS as u32 - 1;
        assert!(i32::try_from(last).is_ok());
        assert_eq!(host_of(last), (MOST_HOSTS - 1, HOST_RANGE - 1));
    }
}
