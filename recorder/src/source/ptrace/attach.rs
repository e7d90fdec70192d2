//! Attaching to a running process: every thread of it, or a gap that says which are missing.
//!
//! No list of `/proc/PID/task` is complete while threads create threads: the kernel decides at
//! the entry of clone whether the newborn will be traced, so one in flight when its creator is
//! seized stays outside. Repeating the listing until nothing new appears does not help either
//! (measured on Linux 6.18: up to 5 % of attaches miss a thread for ever). What does: hold every
//! thread that was seized, and list again until the kernel's own count of the process's threads
//! equals the number that we trace:
//!
//! ```text
//!   list ─► seize + interrupt the new ones ─► wait for each one's first stop ─┐
//!    ▲                                                                       ▼
//!    └──────── no ──── num_threads == traced and not reaped? ── yes ──► resume all
//! ```
//!
//! Held threads create nothing, so this ends. A time limit bounds it all the same (a thread in
//! uninterruptible sleep does not stop); then a gap record names what is not known.

use std::time::Duration;

use nix::errno::Errno;
use tidline::model::{EventBody, GapReason, Name, Pid, Task, Tid, Time};

use super::engine::Engine;
use super::reaper::Reaper;
use super::sys::{self, Take};
use super::tracee;
use super::wait::{Change, Report};
use crate::proc;

/// How an attach went.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Attached {
    /// Every thread is traced.
    All,
    /// The time limit passed; the recording has a gap that says what is missing.
    Partly,
    /// Not one thread could be seized; the kernel's reason.
    Refused(Errno),
    /// The process ended meanwhile.
    Gone,
}

/// One pass's worth of facts about the process.
struct Attach<'a> {
    pid: Pid,
    reaper: &'a Reaper,
    started: Time,
    limit: Time,
    seized: usize,
    /// Threads that cannot be seized because they are zombies: an ended leader whose process
    /// lives on. The kernel counts them as threads of the process.
    dead: Vec<Tid>,
    refusal: Option<Errno>,
    /// Seized, first stop outstanding.
    waiting: Vec<Tid>,
}

/// Why a thread was not seized.
enum Unseized {
    Gone,
    /// A zombie can be seized no more.
    Zombie,
    Refused(Errno),
}

/// Seizes a thread. `EPERM` is the kernel's answer for a zombie, too, and the TID of one may mean a
/// living thread a moment later: an exec by another thread gives it the dead leader's. So what is
/// refused and lives is asked again.
fn seize_if_alive(tid: Tid) -> Result<(), Unseized> {
    const ASK: usize = 5;
    let mut refusal = Errno::EPERM;
    for _ in 0..ASK {
        match tracee::seize(tid) {
            Ok(()) => return Ok(()),
            Err(Errno::ESRCH) => return Err(Unseized::Gone),
            Err(error) => refusal = error,
        }
        match proc::stat(tid) {
            None => return Err(Unseized::Gone),
            Some(stat) if matches!(stat.state, b'Z' | b'X') => return Err(Unseized::Zombie),
            Some(_) => {}
        }
    }
    Err(Unseized::Refused(refusal))
}

/// Whether we trace a thread.
fn is_ours(tid: Tid) -> bool {
    proc::status(tid).is_some_and(|status| status.tracer.0 == std::process::id())
}

impl Engine {
    /// Seizes every thread of `pid`.
    ///
    /// # Errors
    /// If the helper thread cannot be started.
    pub(crate) fn attach(&mut self, pid: Pid, limit: Duration) -> std::io::Result<Attached> {
        let reaper = Reaper::start()?;
        let started = self.clock.now();
        let mut attach = Attach {
            pid,
            reaper: &reaper,
            started,
            limit: Time(started.0 + limit.as_nanos() as u64),
            seized: 0,
            dead: Vec::new(),
            refusal: None,
            waiting: Vec::new(),
        };
        self.tracker.hold();
        let closed = self.close_over(&mut attach);
        if !closed && attach.seized > 0 {
            self.record_gap(&attach);
        }
        let mut out = std::mem::take(&mut self.out);
        self.tracker.release(&mut out);
        self.out = out;
        self.carry_out();
        let pause = self.clock.now().0 - started.0;
        self.stats.attach_pause_ns = self.stats.attach_pause_ns.max(pause);

        Ok(match (attach.seized, attach.refusal) {
            (0, Some(error)) => Attached::Refused(error),
            (0, None) => Attached::Gone,
            _ if closed => Attached::All,
            _ => Attached::Partly,
        })
    }

    /// Lists, seizes and waits until every thread is traced; `false` if that cannot be.
    fn close_over(&mut self, attach: &mut Attach<'_>) -> bool {
        loop {
            let mut progress = self.seize_new(attach) | self.await_stops(attach);
            progress = progress || self.seize_replaced_leader(attach);
            let traced = self.tracker.members(attach.pid).count();
            match proc::num_threads(attach.pid) {
                None => return true,
                Some(_) if traced == 0 && attach.seized > 0 => {
                    // All have ended, and what is left is a zombie.
                    return true;
                }
                Some(count) if count == traced + attach.dead.len() && attach.waiting.is_empty() => {
                    return true;
                }
                Some(_) => {}
            }
            if attach.refusal.is_some() && attach.seized == 0 {
                return false;
            }
            if self.clock.now() >= attach.limit {
                return false;
            }
            if !progress {
                self.reap_what_ended(attach.pid);
                let _ = sys::take_chld(Duration::from_micros(200));
            }
        }
    }

    /// Seizes and interrupts the threads that are not traced yet; whether there were any.
    fn seize_new(&mut self, attach: &mut Attach<'_>) -> bool {
        let mut any = false;
        attach.dead.retain(|tid| proc::is_zombie(*tid));
        for tid in proc::threads(attach.pid) {
            if self.tracker.knows(tid) || attach.dead.contains(&tid) {
                continue;
            }
            if self.clock.now() >= attach.limit {
                break;
            }
            let seized = attach.reaper.guard(|| seize_if_alive(tid));
            self.take_reaped(attach.reaper);
            match seized {
                Ok(()) => {
                    any = true;
                    attach.seized += 1;
                    self.take_up(attach, tid);
                }
                Err(Unseized::Gone) => {}
                Err(Unseized::Zombie) => attach.dead.push(tid),
                // One that we have seized already, and that has taken this TID by an exec since.
                Err(Unseized::Refused(_)) if is_ours(tid) => {
                    if let Ok(Some(report)) = sys::wait(Some(tid), Take::Peek) {
                        self.handle(report);
                        any = true;
                    }
                }
                Err(Unseized::Refused(error)) => {
                    attach.refusal.get_or_insert(error);
                }
            }
        }
        any
    }

    /// Notices that an exec by a thread that was not yet seized has replaced the leader, which was:
    /// the kernel gives the caller the leader's TID and drops the old leader without a report
    /// (`de_thread`, Linux 6.18). What has the TID now is traced by nobody. Whether that was so.
    fn seize_replaced_leader(&mut self, attach: &mut Attach<'_>) -> bool {
        let task = Task::leader(attach.pid);
        let is_lost = self.tracker.knows(task.tid) && !is_ours(task.tid);
        if !is_lost || proc::stat(task.tid).is_none_or(|stat| matches!(stat.state, b'Z' | b'X')) {
            return false;
        }
        let seized = attach.reaper.guard(|| seize_if_alive(task.tid));
        self.take_reaped(attach.reaper);
        // The siblings ended before the exec, and so they do in the recording.
        self.reap_what_ended(attach.pid);
        if seized.is_err() || !self.tracker.knows(task.tid) {
            return false;
        }
        self.take_up(attach, task.tid);
        true
    }

    /// A thread was seized: its first stop is asked for, and awaited.
    fn take_up(&mut self, attach: &mut Attach<'_>, tid: Tid) {
        // A seize that had to wait for an exec by this very thread returns when it has the leader's
        // TID already.
        let tid = match proc::stat(tid) {
            Some(_) => tid,
            None => Tid(attach.pid.0),
        };
        let _ = tracee::interrupt(tid);
        let task = Task {
            pid: attach.pid,
            tid,
        };
        if self.tracker.knows(tid) {
            let now = self.clock.now();
            let program = tracee::program(tid);
            let mut out = std::mem::take(&mut self.out);
            self.tracker.replaced(now, task, program, &mut out);
            self.out = out;
            self.carry_out();
        } else {
            let parent = task.is_leader().then(|| proc::parent(attach.pid)).flatten();
            self.tracker.adopt(task, parent);
        }
        attach.reaper.watch_over(tid);
        if !attach.waiting.contains(&tid) {
            attach.waiting.push(tid);
        }
    }

    /// Takes the first stops that are there; whether there were any. Each wait is by TID: a wait
    /// for any tracee looks at all of them, 1.2 s in sum for 10,000.
    fn await_stops(&mut self, attach: &mut Attach<'_>) -> bool {
        let mut any = false;
        let mut waiting = std::mem::take(&mut attach.waiting);
        while !waiting.is_empty() {
            let mut newborns = Vec::new();
            let mut moved = false;
            waiting.retain(|tid| {
                if !self.tracker.awaits_first_stop(*tid) {
                    return false;
                }
                let Ok(Some(report)) = sys::wait(Some(*tid), Take::Peek) else {
                    return true;
                };
                let child = match report.what {
                    Change::Created(_) => tracee::event_message(*tid).ok(),
                    _ => None,
                };
                self.handle(report);
                newborns.extend(child);
                moved = true;
                self.tracker.awaits_first_stop(*tid)
            });
            waiting.extend(newborns);
            any |= moved;
            if !moved {
                break;
            }
        }
        attach.waiting = waiting;
        any
    }

    /// Threads that we hold may be killed, by an exec of one of their siblings above all, which
    /// then waits for us to reap them. Its own stop comes from the leader's TID, which may be held.
    fn reap_what_ended(&mut self, pid: Pid) {
        let members: Vec<Tid> = self.tracker.members(pid).collect();
        for tid in members {
            if let Ok(Some(
                report @ Report {
                    what: Change::Ended(_) | Change::Exec,
                    ..
                },
            )) = sys::wait(Some(tid), Take::Peek)
            {
                self.handle(report);
            }
        }
    }

    fn take_reaped(&mut self, reaper: &Reaper) {
        for report in reaper.reaped() {
            self.handle_reaped(report);
        }
    }

    fn record_gap(&mut self, attach: &Attach<'_>) {
        let now = self.clock.now();
        let mut out = std::mem::take(&mut self.out);
        let late = self.tracker.give_up_waiting(now, attach.pid, &mut out);
        let untraced: Vec<Tid> = proc::threads(attach.pid)
            .filter(|tid| !self.tracker.knows(*tid))
            .collect();
        let list = |tids: &[Tid]| {
            let mut words: Vec<String> = tids.iter().take(20).map(ToString::to_string).collect();
            if tids.len() > 20 {
                words.push(format!("and {} more", tids.len() - 20));
            }
            words.join(" ")
        };
        let mut detail = format!("pid {}", attach.pid);
        if !untraced.is_empty() {
            detail += &format!("; not traced: {}", list(&untraced));
        }
        if !late.is_empty() {
            detail += &format!("; did not stop: {}", list(&late));
        }
        let body = EventBody::Gap {
            reason: GapReason::AttachIncomplete,
            count: untraced.len() as u64,
            since: attach.started,
            detail: Name::from(detail.as_str()),
        };
        out.events.push(tidline::model::Event { time: now, body });
        self.out = out;
        self.carry_out();
    }
}
