//! Attaching to everything that is meant: processes by number, by name, and their descendants.
//!
//! A process that was asked for by its number must be there and be traceable, or nothing is
//! recorded. Of those that a name or a family brings, what can be traced is; what cannot is said, and
//! a gap in the file.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::SigSet;
use tidline::model::Pid;

use crate::backend::Backend;
use crate::cli::Cli;
use crate::notify::Notify;
use crate::preflight;
use crate::proc;
use crate::record::NO_THREAD;
use crate::say::say;
use crate::source::Source;
use crate::source::perf::{self, Cgroup, Targets};
use crate::source::ptrace::attach::Attached;
use crate::source::ptrace::engine::Engine;
use crate::source::ptrace::sys;
use crate::targets::{self, Family, Found, INTERVAL, Watch};

/// What is to be attached.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// Asked for by number.
    pub(crate) numbered: Vec<Pid>,
    /// Found by name.
    pub(crate) named: Vec<Pid>,
    /// Found by name, and why they cannot be attached.
    refused: Vec<(Pid, String)>,
    /// A control group.
    cgroup: Option<Cgroup>,
}

impl Wanted {
    /// Finds it. Touches nothing.
    ///
    /// # Errors
    /// If there is nothing to attach, or a process that was asked for by number cannot be.
    pub(crate) fn find(
        cli: &Cli,
        backend: &Backend,
        signals: &SigSet,
        notify: &Notify,
    ) -> Result<Self> {
        let check = match backend {
            Backend::Ptrace => preflight::check,
            Backend::Perf(_) => preflight::check_there,
        };
        let cgroup = cli.cgroup.as_deref().map(Cgroup::find).transpose()?;
        let mut wanted = Wanted {
            cgroup,
            ..Wanted::default()
        };
        for pid in cli.pids.iter().copied().map(Pid) {
            if !wanted.numbered.contains(&pid) {
                check(pid)?;
                wanted.numbered.push(pid);
            }
        }
        if cli.names.is_empty() {
            return Ok(wanted);
        }
        let Found {
            pids: mut found,
            above,
        } = if cli.wait {
            wait_for(cli, signals, notify)?
        } else {
            targets::named(&cli.names)
        };
        for pid in above.into_iter().filter(|_| !cli.quiet) {
            say(format_args!(
                "process {pid} {} started tidrec, and is not recorded",
                preflight::name(pid)
            ));
        }
        if found.is_empty() {
            bail!(
                "no process that can be recorded is called {}: look with ps -e, or have tidrec wait \
                 for one with --wait",
                pattern(cli)
            );
        }
        found.retain(|pid| !wanted.numbered.contains(pid));
        for pid in found {
            match check(pid) {
                Ok(()) => wanted.named.push(pid),
                Err(_) if !preflight::is_candidate(pid) => {} // It has ended.
                Err(error) => wanted.refused.push((pid, error.to_string())),
            }
        }
        if wanted.is_empty()
            && let Some(error) = wanted.refusal()
        {
            return Err(error);
        }
        Ok(wanted)
    }

    /// In the order of attaching.
    pub(crate) fn pids(&self) -> impl Iterator<Item = Pid> {
        self.numbered.iter().chain(&self.named).copied()
    }

    /// What is meant, where that is no list of processes.
    pub(crate) fn name(&self) -> String {
        match &self.cgroup {
            Some(cgroup) => cgroup.name(),
            None => "system".into(),
        }
    }

    /// Whether there is nothing left of what was found.
    pub(crate) fn is_empty(&self) -> bool {
        self.numbered.is_empty() && self.named.is_empty()
    }

    /// Why nothing can be attached, if that is because all were refused.
    pub(crate) fn refusal(&self) -> Option<anyhow::Error> {
        let (_, why) = self.refused.first()?;
        Some(match self.refused.len() {
            1 => anyhow!("{why}"),
            all => anyhow!(
                "{why} ({} more match, and cannot be recorded either)",
                all - 1
            ),
        })
    }
}

/// Waits until a process matches.
fn wait_for(cli: &Cli, signals: &SigSet, notify: &Notify) -> Result<Found> {
    let mut watch = Watch::new(&cli.names);
    let mut said = false;
    loop {
        let found = watch.look();
        if !found.pids.is_empty() {
            return Ok(found);
        }
        if !std::mem::replace(&mut said, true) {
            let words = format!("waiting for a process called {}", pattern(cli));
            notify.send(&format!("STATUS={words}"));
            if !cli.quiet {
                say(format_args!("{words}; Ctrl-C ends the wait"));
            }
        }
        if let Some(arrived) = sys::take_signal(signals, INTERVAL) {
            bail!(
                "got {} while waiting for a process called {}: nothing is recorded",
                tidline::model::signal_name(arrived.number as u8),
                pattern(cli)
            );
        }
    }
}

/// What `--name` says, for a message.
fn pattern(cli: &Cli) -> String {
    let names: Vec<_> = cli
        .names
        .iter()
        .map(|name| tidline::text::escape(name.as_str().as_bytes()))
        .collect();
    names.join(" or ")
}

/// What came of attaching.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    /// The processes that are traced, in order.
    pub(crate) attached: Vec<Pid>,
    /// Why others are not.
    pub(crate) refused: Vec<String>,
}

/// Attaches to all of it.
///
/// # Errors
/// With the reason, if nothing is to be recorded. What was attached until then still is.
pub(crate) fn attach(source: &mut Source, cli: &Cli, wanted: &Wanted) -> Result<Gathered> {
    match source {
        Source::Ptrace(engine) => seize(engine, cli, wanted),
        Source::Perf(engine) => watch(engine, cli, wanted),
    }
}

/// With perf: finds out who is there, and watches.
fn watch(engine: &mut perf::engine::Engine, cli: &Cli, wanted: &Wanted) -> Result<Gathered> {
    let pids: Vec<Pid> = wanted.pids().collect();
    engine.begin(match &wanted.cgroup {
        _ if cli.all => Targets::Everyone,
        Some(cgroup) => Targets::Cgroup(cgroup.clone()),
        None => Targets::Processes {
            pids: pids.clone(),
            with_family: cli.tree,
        },
    })?;
    let (attached, gone): (Vec<Pid>, Vec<Pid>) =
        pids.into_iter().partition(|pid| engine.tracks(*pid));
    if let Some(pid) = gone.iter().find(|pid| wanted.numbered.contains(pid)) {
        bail!("process {pid} ended before it was attached");
    }
    for (_, why) in &wanted.refused {
        say(format_args!("not everything can be recorded: {why}"));
        engine.note_refused(why);
    }
    let refused = wanted.refused.iter().map(|(_, why)| why.clone()).collect();
    Ok(Gathered { attached, refused })
}

/// With ptrace.
fn seize(engine: &mut Engine, cli: &Cli, wanted: &Wanted) -> Result<Gathered> {
    let mut gather = Gather {
        engine,
        limit: cli.attach_timeout,
        gathered: Gathered::default(),
        refused: HashSet::new(),
    };
    // Seen before anything is attached: a parent may end while that goes on.
    let kin = if cli.tree {
        targets::all_kin()
    } else {
        Vec::new()
    };
    for (pid, why) in &wanted.refused {
        gather.refuse(*pid, why);
    }
    for pid in wanted.pids() {
        if gather.engine.traces(pid) {
            continue; // Made meanwhile by one that is traced already.
        }
        let must = wanted.numbered.contains(&pid);
        match gather.attach(pid)? {
            None => {}
            Some(Problem::Gone) if must => {
                bail!("process {pid} ended before it was attached")
            }
            Some(Problem::Gone) => {}
            Some(Problem::Refused(why)) if must => bail!(why),
            Some(Problem::Refused(why)) => gather.refuse(pid, &why),
        }
    }
    if cli.tree {
        let roots: Vec<Pid> = wanted.pids().collect();
        gather.attach_family(Family::of(&roots, &kin), kin)?;
    }
    Ok(gather.gathered)
}

struct Gather<'a> {
    engine: &'a mut Engine,
    limit: Duration,
    gathered: Gathered,
    refused: HashSet<Pid>,
}

/// Why a process is not attached.
enum Problem {
    Gone,
    Refused(String),
}

impl Gather<'_> {
    fn attach(&mut self, pid: Pid) -> Result<Option<Problem>> {
        let attached = self.engine.attach(pid, self.limit).context(NO_THREAD)?;
        let problem = match attached {
            Attached::All => None,
            Attached::Partly(missing) => {
                say(format_args!("not everything can be recorded: {missing}"));
                None
            }
            Attached::Gone => Some(Problem::Gone),
            Attached::Refused(error) => Some(Problem::Refused(preflight::explain(pid, error))),
        };
        if problem.is_none() {
            self.gathered.attached.push(pid);
        }
        self.engine.serve();
        Ok(problem)
    }

    fn refuse(&mut self, pid: Pid, why: &str) {
        say(format_args!("not everything can be recorded: {why}"));
        self.engine.note_refused(pid, why);
        self.gathered.refused.push(why.to_string());
        self.refused.insert(pid);
    }

    /// Attaches to the living members, parents first, and lists again until there is nothing left
    /// to attach: what a traced process makes is traced by itself, so all that a list can miss are
    /// children of those that were not traced when they made them.
    fn attach_family(&mut self, mut family: Family, mut kin: Vec<targets::Kin>) -> Result<()> {
        loop {
            let mut any = false;
            for member in family.grow(&kin) {
                let pid = member.pid;
                let is_it = |stat: proc::Stat| stat.start == member.start;
                if self.engine.traces(pid)
                    || self.refused.contains(&pid)
                    || !proc::stat(tidline::model::Tid(pid.0)).is_some_and(is_it)
                    || !preflight::is_candidate(pid)
                {
                    continue;
                }
                any = true;
                let problem = match preflight::check(pid) {
                    Ok(()) => self.attach(pid)?,
                    Err(_) if !preflight::is_candidate(pid) => Some(Problem::Gone),
                    Err(error) => Some(Problem::Refused(error.to_string())),
                };
                if let Some(Problem::Refused(why)) = problem {
                    self.refuse(pid, &why);
                }
            }
            if !any {
                return Ok(());
            }
            kin = targets::all_kin();
        }
    }
}
