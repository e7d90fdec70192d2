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
use crate::syscall::Stops;

/// How an attach went.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Attached {
    /// Every thread is traced.
    All,
    /// Not every thread is traced; what is missing, in words, as the recording's gap has it.
    Partly(String),
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
    /// Living threads that the kernel does not let us trace, another tracer's for example, and why.
    refused: Vec<(Tid, Errno)>,
    /// Seized, first stop outstanding.
    waiting: Vec<Tid>,
    /// When something last changed.
    moved: Time,
}

/// A thread in uninterruptible sleep is waited for so long, ns. It may be in vfork(2), whose child
/// runs for minutes. It creates nothing meanwhile, so nothing is missed by not holding it.
const D_STATE_WAIT_NS: u64 = 20_000_000;

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
fn seize_if_alive(pid: Pid, tid: Tid, stops: Stops) -> Result<(), Unseized> {
    const ASK: usize = 5;
    let mut refusal = Errno::EPERM;
    for _ in 0..ASK {
        match tracee::seize(tid, stops) {
            Ok(()) => return Ok(()),
            Err(Errno::ESRCH) => return Err(Unseized::Gone),
            Err(error) => refusal = error,
        }
        match proc::thread_state(pid, tid) {
            None => return Err(Unseized::Gone),
            Some(b'Z' | b'X') => return Err(Unseized::Zombie),
            Some(_) => {}
        }
    }
    Err(Unseized::Refused(refusal))
}

impl Engine {
    /// Seizes every thread of `pid`.
    ///
    /// # Errors
    /// If the helper thread cannot be started.
    pub(crate) fn attach(&mut self, pid: Pid, limit: Duration) -> std::io::Result<Attached> {
        let reaper = Reaper::start()?;
        self.note_namespace(pid);
        let started = self.clock.now();
        let mut attach = Attach {
            pid,
            reaper: &reaper,
            started,
            limit: Time(started.0 + limit.as_nanos() as u64),
            seized: 0,
            dead: Vec::new(),
            refused: Vec::new(),
            waiting: Vec::new(),
            moved: started,
        };
        self.tracker.hold();
        let closed = self.close_over(&mut attach);
        let missing = match closed {
            false if attach.seized > 0 => Some(self.record_gap(&attach)),
            _ => None,
        };
        let mut out = std::mem::take(&mut self.out);
        self.tracker.release(self.clock.now(), &mut out);
        self.out = out;
        self.carry_out();
        // The signals that said who stopped meanwhile were taken here.
        self.scan_owed = true;
        let pause = self.clock.now().0 - started.0;
        self.stats.attach_pause_ns = self.stats.attach_pause_ns.max(pause);

        Ok(match (attach.seized, attach.refused.first()) {
            (0, Some((_, error))) => Attached::Refused(*error),
            (0, None) => Attached::Gone,
            _ => missing.map_or(Attached::All, Attached::Partly),
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
                Some(count) => {
                    let known = traced + attach.dead.len() + attach.refused.len();
                    if count == known && attach.waiting.is_empty() {
                        return attach.refused.is_empty();
                    }
                }
            }
            let now = self.clock.now();
            if now >= attach.limit {
                return false;
            }
            if progress {
                attach.moved = now;
            } else {
                self.reap_what_ended(attach.pid);
                if now.0 >= attach.moved.0 + D_STATE_WAIT_NS {
                    self.pass_over_sleepers(attach);
                }
                let _ = sys::take_chld(Duration::from_micros(200));
            }
        }
    }

    /// Seizes and interrupts the threads that are not traced yet; whether there were any.
    fn seize_new(&mut self, attach: &mut Attach<'_>) -> bool {
        let mut any = false;
        let pid = attach.pid;
        let state = |tid: Tid| proc::thread_state(pid, tid);
        attach
            .dead
            .retain(|tid| matches!(state(*tid), Some(b'Z' | b'X')));
        attach.refused.retain(|(tid, _)| state(*tid).is_some());
        for tid in proc::threads(attach.pid) {
            let refused = attach.refused.iter().any(|(refused, _)| *refused == tid);
            if self.tracker.knows(tid) || attach.dead.contains(&tid) || refused {
                continue;
            }
            if self.clock.now() >= attach.limit {
                break;
            }
            let stops = self.watch.stops;
            let seized = attach
                .reaper
                .guard(|| seize_if_alive(attach.pid, tid, stops));
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
                Err(Unseized::Refused(_)) if proc::is_traced_by_us(tid) => {
                    if let Ok(Some(report)) = sys::wait(Some(tid), Take::Peek) {
                        self.handle(report);
                        any = true;
                    }
                }
                Err(Unseized::Refused(error)) => {
                    attach.refused.push((tid, error));
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
        let is_lost = self.tracker.knows(task.tid) && !proc::is_traced_by_us(task.tid);
        let state = proc::thread_state(task.pid, task.tid);
        if !is_lost || matches!(state, None | Some(b'Z' | b'X')) {
            return false;
        }
        let stops = self.watch.stops;
        let seized = attach
            .reaper
            .guard(|| seize_if_alive(task.pid, task.tid, stops));
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
        let tid = match tracee::interrupt(tid) {
            Err(Errno::ESRCH) if proc::thread_state(attach.pid, tid).is_none() => {
                let leader = Tid(attach.pid.0);
                let _ = tracee::interrupt(leader);
                leader
            }
            _ => tid,
        };
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

    /// Lets threads in uninterruptible sleep be: they are traced, and count as existing.
    fn pass_over_sleepers(&mut self, attach: &mut Attach<'_>) {
        let pid = attach.pid;
        let asleep = |tid: Tid| proc::thread_state(pid, tid) == Some(b'D');
        let mut out = std::mem::take(&mut self.out);
        let late = self
            .tracker
            .give_up_waiting(self.clock.now(), pid, asleep, &mut out);
        self.out = out;
        self.carry_out();
        attach.waiting.retain(|tid| !late.contains(tid));
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

    fn record_gap(&mut self, attach: &Attach<'_>) -> String {
        let now = self.clock.now();
        let mut out = std::mem::take(&mut self.out);
        let late = self
            .tracker
            .give_up_waiting(now, attach.pid, |_| true, &mut out);
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
        if let Some((tid, error)) = attach.refused.first() {
            detail += "; ";
            detail += &crate::preflight::explain_thread(*tid, *error);
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
        detail
    }
}
