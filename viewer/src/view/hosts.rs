//! What there is to say of a trace that was merged from recordings of several hosts.

use tidline::format::{HOST_RANGE, Header, Host};
use tidline::text;

use crate::time;
use crate::words::{count, counted};

/// Hosts that are named where there is no room for all.
const NAMED: usize = 3;

fn escaped(host: &Host) -> String {
    text::escape(host.name.as_bytes()).into_owned()
}

/// Their names, each once, as one.
pub(crate) fn names(hosts: &[Host]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for host in hosts {
        if !names.contains(&host.name.as_str()) {
            names.push(&host.name);
        }
    }
    match names.len() {
        0..=NAMED => names.join(", "),
        more => format!("{} and {} more", names[..NAMED].join(", "), more - NAMED),
    }
}

/// The hosts, a line for each: which numbers are its, and what is to be known of its clock. Where
/// one name is two boots, or `boots` says so, with the boot.
pub(crate) fn each(header: &Header, boots: bool) -> Vec<String> {
    let hosts = header.hosts();
    let line = |(number, host): (usize, &Host)| {
        let twice = hosts.iter().filter(|other| other.name == host.name).count() > 1;
        let boot = match (twice || boots) && !host.boot_id.is_empty() {
            true => format!(", boot {}", text::escape(host.boot_id.as_bytes())),
            false => String::new(),
        };
        let numbers = match number {
            0 => "pids and TIDs as they were there".into(),
            number => format!(
                "pids and TIDs are {} more than there",
                count(number as u64 * u64::from(HOST_RANGE))
            ),
        };
        let clock = match host.clock_apart_ns {
            0 => String::new(),
            ns => format!(
                "; its clock was set, or it slept: what it said differs by {}",
                time::duration(ns)
            ),
        };
        format!("{}{boot}: {numbers}{clock}", escaped(host))
    };
    hosts.iter().enumerate().map(line).collect()
}

/// What every view says first of such a trace.
pub(crate) fn notice(header: &Header) -> Option<String> {
    let hosts = header.hosts();
    if hosts.is_empty() {
        return None;
    }
    let first = HOST_RANGE;
    let named = hosts.iter().take(NAMED).enumerate().map(|(number, host)| {
        let from = count(number as u64 * u64::from(first));
        format!("{} from {from} on", escaped(host))
    });
    let mut named = named.collect::<Vec<_>>().join(", ");
    if hosts.len() > NAMED {
        named += ", …";
    }
    // One boot's monotonic clock is exact, whatever its hosts are called.
    let order = match header.boot_id.is_empty() {
        true => {
            "; what came first of two hosts is as sure as their wall clocks (`tidview info` has more)"
        }
        false => "",
    };
    let hosts = counted(hosts.len() as u64, "host");
    Some(format!(
        "merged from {hosts}, each with its own numbers: {named}{order}"
    ))
}
