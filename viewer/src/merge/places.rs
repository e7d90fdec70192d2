//! The hosts that recordings are of: which have a clock in common, and how their tasks are kept apart.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, bail};
use tidline::format::{HOST_RANGE, Header, Host, MOST_HOSTS, Sink, host_of, scan};
use tidline::model::{Anchor, Carried, Damage, Definition, Event, EventBody, Task, Time};
use tidline::text;

use super::clocks::{Clock, Shift};
use crate::load::{self, Recording};

/// Whose a recording's numbers are in the merged file.
#[derive(Clone, Debug)]
pub(super) struct Ranges {
    /// For each host of the recording the merged file's.
    to: Vec<usize>,
}

impl Ranges {
    /// A TID or a pid as the merged file has it. 0 is no task's, and stays.
    pub(super) fn number(&self, number: u32) -> u32 {
        let (host, own) = match self.to.len() {
            1 => (0, number),
            _ => host_of(number),
        };
        match (number, self.to.get(host)) {
            (0, _) | (_, None) => number,
            (_, Some(to)) => own.saturating_add(*to as u32 * HOST_RANGE),
        }
    }

    /// The recording's hosts, by their numbers in the merged file.
    pub(super) fn hosts(&self) -> &[usize] {
        &self.to
    }

    pub(super) fn task(&self, task: Task) -> Task {
        Task::new(self.number(task.pid.0), self.number(task.tid.0))
    }

    /// Whether a recording can have it.
    fn is_right(&self, number: u32) -> bool {
        match self.to.len() {
            1 => number < HOST_RANGE,
            hosts => host_of(number).0 < hosts,
        }
    }
}

/// What all recordings together are of.
pub(super) struct Places {
    /// Several, or none.
    pub(super) hosts: Vec<Host>,
    /// Whether all are of one boot, and so share its monotonic clock.
    pub(super) one_clock: bool,
    /// For each recording where it stands.
    pub(super) each: Vec<(Shift, Ranges)>,
    /// The offset from UTC that all had all the time.
    pub(super) zone: Option<i32>,
}

/// The hosts of one recording.
fn hosts_of(header: &Header) -> Vec<(String, String)> {
    let hosts = header.hosts();
    match hosts.is_empty() {
        true => vec![(header.host.clone(), header.boot_id.clone())],
        false => hosts.into_iter().map(|it| (it.name, it.boot_id)).collect(),
    }
}

/// Whose clock a recording's times are of.
fn clock_of(header: &Header) -> String {
    match header.boot_id.is_empty() {
        true => format!("{:032x}", header.trace_id),
        false => header.boot_id.clone(),
    }
}

impl Places {
    pub(super) fn of(recordings: &[(PathBuf, Recording)]) -> Result<Places> {
        let headers = || recordings.iter().map(|(_, recording)| recording.header());
        boots_known(headers())?;
        let mut hosts: Vec<(String, String)> = Vec::new();
        for host in headers().flat_map(hosts_of) {
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        if hosts.len() > MOST_HOSTS {
            bail!(
                "these are recordings of {} hosts: a file has at most {MOST_HOSTS}; export each with \
                 --to parquet and ask them together",
                hosts.len()
            );
        }
        let clocks: BTreeSet<String> = headers().map(clock_of).collect();
        let one_clock = clocks.len() == 1;
        let ranges: Vec<Ranges> = headers()
            .map(|header| {
                let own = hosts_of(header).into_iter();
                let place = |own| hosts.iter().position(|host| *host == own).unwrap_or(0);
                Ranges {
                    to: own.map(place).collect(),
                }
            })
            .collect();
        let mut found = BTreeMap::from([(String::new(), Vec::new())]);
        let mut zones = BTreeSet::new();
        if hosts.len() > 1 || !one_clock {
            for ((path, recording), ranges) in recordings.iter().zip(&ranges) {
                let header = recording.header();
                let survey = survey(path)?;
                if let Some(number) = survey.numbers.iter().find(|it| !ranges.is_right(**it)) {
                    bail!(
                        "{} has a TID that Linux gives nobody ({number}): its tasks cannot be kept \
                         apart from another host's",
                        load::shown(path)
                    );
                }
                zones.extend(survey.readings.iter().map(|it| it.utc_offset_s));
                let readings = survey.readings.iter().map(|it| {
                    let monotonic = header.start_monotonic_ns.saturating_add(it.time.0);
                    (monotonic, it.wall_ns)
                });
                let of_clock = found.entry(clock_of(header)).or_default();
                of_clock.extend(readings);
            }
        }
        let clocks: BTreeMap<String, Arc<Clock>> = found
            .into_iter()
            .map(|(boot, readings)| (boot, Arc::new(Clock::by(readings))))
            .collect();
        let shared = Arc::new(Clock::shared());
        let clock = |header: &Header| match one_clock {
            true => Arc::clone(&shared),
            false => Arc::clone(&clocks[&clock_of(header)]),
        };
        let start = |header: &Header| clock(header).at(header.start_monotonic_ns);
        let zero = headers().map(start).min().unwrap_or(0);
        let each = headers().zip(ranges).map(|(header, ranges)| {
            let shift = Shift {
                clock: clock(header),
                start: header.start_monotonic_ns,
                zero,
            };
            (shift, ranges)
        });
        let apart = |boot: &str| match one_clock {
            true => 0,
            false => clocks.get(boot).map_or(0, |clock| clock.apart),
        };
        let known = |(name, boot_id): &(String, String)| {
            let before = headers().flat_map(Header::hosts);
            let before = before.filter(|it| it.name == *name && it.boot_id == *boot_id);
            Host {
                clock_apart_ns: before
                    .map(|it| it.clock_apart_ns)
                    .fold(apart(boot_id), u64::max),
                name: name.clone(),
                boot_id: boot_id.clone(),
            }
        };
        Ok(Places {
            one_clock,
            each: each.collect(),
            zone: match zones.len() {
                1 => zones.first().copied(),
                _ => None,
            },
            hosts: match hosts.len() {
                1 => Vec::new(),
                _ => hosts.iter().map(known).collect(),
            },
        })
    }
}

/// Refuses recordings that do not say of which boot they are: two of them may be of one.
fn boots_known<'a>(headers: impl Iterator<Item = &'a Header> + Clone) -> Result<()> {
    let ids: BTreeSet<u128> = headers.clone().map(|header| header.trace_id).collect();
    let mut unknown = headers.filter(|it| it.boot_id.is_empty() && it.hosts().is_empty());
    if let Some(header) = unknown.next()
        && ids.len() > 1
    {
        bail!(
            "a recording of {} does not say which boot of the host it is of: it cannot be merged \
             with others",
            text::escape(header.host.as_bytes())
        );
    }
    Ok(())
}

/// What is to be known of a recording before it is merged with those of other hosts.
struct Survey {
    readings: Vec<Anchor>,
    /// The highest TID and pid.
    numbers: [u32; 2],
}

fn survey(path: &PathBuf) -> Result<Survey> {
    let recording = Recording::open(std::slice::from_ref(path))?;
    let header = recording.header();
    let mut survey = Survey {
        readings: vec![Anchor {
            time: Time(0),
            wall_ns: header.start_wall_ns,
            utc_offset_s: header.utc_offset_s,
        }],
        numbers: [0; 2],
    };
    // What is wrong with it is told when it is merged.
    scan(recording.into_segments().0, &mut survey)?;
    Ok(survey)
}

impl Survey {
    fn met(&mut self, task: Task) {
        let [tid, pid] = self.numbers;
        self.numbers = [tid.max(task.tid.0), pid.max(task.pid.0)];
    }
}

impl Sink for Survey {
    fn event(&mut self, event: Event) {
        if let EventBody::Birth(birth) = &event.body {
            birth.parent.into_iter().for_each(|task| self.met(task));
        }
        event
            .body
            .task()
            .into_iter()
            .for_each(|task| self.met(task));
    }
    fn checkpoint(&mut self, carried: &[Carried], _: Time) {
        carried.iter().for_each(|it| self.met(it.task));
    }
    fn define(&mut self, _: Definition) {}
    fn anchor(&mut self, anchor: Anchor) {
        self.readings.push(anchor);
    }
    fn counter(&mut self, _: String, _: u64) {}
    fn reached(&mut self, _: Time) {}
    fn damaged(&mut self, _: &Damage) {}
}
