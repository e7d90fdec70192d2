//! The engine: takes the kernel's reports, has the tracker judge them, does what it orders.
//!
//! What is done while a thread stands: its registers are read (and, for `clone3`, forty bytes of
//! its memory), the tracker decides, the event goes into the queue in memory, the thread is
//! resumed. No disk, no allocation that grows, no wall clock. (At an exec, which is rare, `/proc`
//! says what the new program is called: later it might be the next one's name.)

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tidline::model::{End, Event, EventBody, Pid, Task, Tid, Time, Via, What};

use super::sys::{self, Take};
use super::tracee;
use super::wait::{Change, Report};
use crate::ask::{Asker, Question};
use crate::budget::Budget;
use crate::capture::{Capture, Maps, Room};
use crate::clock::Clock;
use crate::doorbell::Doorbell;
use crate::pipeline::queue::{self, Sender};
use crate::proc;
use crate::source::Reason;
use crate::stats::Stats;
use crate::syscall::{Stops, Watch};
use crate::tracker::{Identity, Order, Output, Policy, Stop, Tracker};

/// Up to so many tracees it is cheaper to look at all of them than to be woken by a signal.
const FEW: usize = 256;
/// A sleep that only ends when something happens.
const FOR_LONG_NS: u64 = 60_000_000_000;
/// How often all tracees are looked at while there are many of them, ns. `SIGCHLD` says which
/// one changed, but signals merge: one that merged away is found by this look.
const SCAN_EVERY_NS: u64 = 2_000_000;
/// Names of ended tasks are read at most once per so many ns in the long run, which bounds the cost
/// at half a percent of a processor, and so often at once.
const NAME_INTERVAL_NS: u64 = 1_000_000;
const NAME_BURST: u64 = 500;
/// So many creators are looked at by TID whenever something is reported, 0.2 us each.
const CREATORS: usize = 8;
/// After so many reports in a row the threads at the end of the kernel's list get their turn.
const FAIR_SHARE: usize = 64;
/// How long tracees may take to stop when all are to be let go. Those that do not (in vfork, or
/// asleep where nothing wakes them) are let go by the kernel when we exit.
const DETACH_LIMIT_NS: u64 = 500_000_000;
/// After Ctrl-C at the terminal a launched command, which got it too, may end by itself.
const INTERRUPT_GRACE_NS: u64 = 1_000_000_000;

pub(crate) struct Engine {
    pub(super) tracker: Tracker,
    pub(super) clock: Clock,
    pub(super) stats: Stats,
    pub(super) watch: Watch,
    /// `None` after the recording's end.
    queue: Option<Sender>,
    room: Arc<Room>,
    maps: Maps,
    /// How much of a creator's stack is captured, bytes; `None` for nothing.
    stack_bytes: Option<usize>,
    /// What the registers said at the stop that is being handled, if it is a creation.
    site: Option<tracee::Site>,
    /// The capture that belongs to an event of `out`, by its place.
    captured: Option<(usize, Box<Capture>)>,
    asker: Option<Asker>,
    launched: Option<Pid>,
    launched_end: Option<End>,
    pub(super) out: Output,
    /// Threads to look at first: their report is likely there.
    hot: VecDeque<Tid>,
    /// The last creators, the latest first.
    creators: VecDeque<Tid>,
    /// The last newborn: see [`Engine::serve_the_young`].
    young: Option<Tid>,
    /// Thread groups that live in a pid namespace below ours.
    nested: HashSet<Pid>,
    /// All tracees, in no order, for the fair share; some may have ended.
    roster: VecDeque<Tid>,
    last_scan: Time,
    /// Something may have been reported since all tracees were last looked at.
    pub(super) scan_owed: bool,
    doorbell: Doorbell,
    alarm: Option<Time>,
    names_at_end: Budget,
    /// The recording is over, and the target still needs its tracer.
    staying: bool,
}

impl Engine {
    pub(crate) fn new(
        policy: Policy,
        clock: Clock,
        doorbell: Doorbell,
        queue: Sender,
        asker: Option<Asker>,
    ) -> Self {
        Engine {
            tracker: Tracker::new(policy),
            clock,
            stats: Stats::default(),
            watch: Watch::default(),
            room: queue.room(),
            maps: Maps::default(),
            queue: Some(queue),
            stack_bytes: None,
            site: None,
            captured: None,
            asker,
            launched: None,
            launched_end: None,
            out: Output::default(),
            hot: VecDeque::new(),
            creators: VecDeque::new(),
            young: None,
            nested: HashSet::new(),
            roster: VecDeque::new(),
            last_scan: Time(0),
            scan_owed: true,
            doorbell,
            alarm: None,
            names_at_end: Budget::new(NAME_INTERVAL_NS, NAME_BURST),
            staying: false,
        }
    }

    /// What is watched beside births and ends, from the first thread on.
    pub(crate) fn watch(&mut self, watch: Watch) {
        self.watch = watch;
    }

    /// Captures so many bytes of the stacks of those that create.
    pub(crate) fn capture_stacks(&mut self, bytes: usize) {
        self.stack_bytes = Some(bytes);
    }

    /// How many tasks are traced.
    pub(crate) fn tracees(&self) -> usize {
        self.tracker.len()
    }

    /// How the launched command ended, if it has.
    pub(crate) fn launched_end(&self) -> Option<End> {
        self.launched_end
    }

    /// Ends the queue, and with it the trace: why, and what the recording cost.
    pub(crate) fn end_with(&mut self, reason: String) {
        if let Some(queue) = self.queue.take() {
            let mut counters = self.stats.counters();
            counters.push(("queue_high_water", queue.high_water()));
            let at = self.clock.now();
            queue.end_with(queue::End {
                at,
                reason,
                counters,
            });
        }
    }

    /// Whether the target could create nothing any more if it were let go: it carries our filter.
    pub(crate) fn is_needed(&self) -> bool {
        self.watch.stops == Stops::Creations && !self.tracker.is_empty()
    }

    /// Goes on tracing after the recording's end, for a target that [needs](Engine::is_needed) it,
    /// until it ends. A signal lets it go all the same.
    pub(crate) fn stay(&mut self) {
        self.staying = true;
        self.run(None);
    }

    /// Takes up a command that was forked and is about to exec.
    pub(crate) fn launch(&mut self, pid: Pid) -> Result<(), nix::errno::Errno> {
        let task = Task::leader(pid);
        tracee::seize(task.tid, self.watch.stops)?;
        self.tracker.launch(task);
        self.launched = Some(pid);
        self.roster.push_back(task.tid);
        Ok(())
    }

    /// Records until the target ends, a signal comes, or `until` is reached; lets all go.
    pub(crate) fn run(&mut self, until: Option<Time>) -> Reason {
        let mut until = until.map(|time| (time, Reason::Duration));
        let mut reports = 0usize;
        loop {
            let rang = self.attend(until.map(|(time, _)| time));
            if self.tracker.is_empty() {
                return match self.tracker.let_a_process_go() {
                    true => Reason::FollowedEnded,
                    false => Reason::TargetEnded,
                };
            }
            if rang {
                if let Some((time, reason)) = until
                    && time <= self.clock.now()
                {
                    self.part();
                    return reason;
                }
                if self.doorbell.take_stop() {
                    self.part();
                    return Reason::Asked;
                }
                while let Some(arrived) = self.doorbell.take() {
                    let reason = Reason::Signal(arrived.number);
                    let from_terminal = arrived.by_kernel && arrived.number == libc::SIGINT;
                    let first = until.is_none_or(|(_, reason)| reason == Reason::Duration);
                    if from_terminal && first && self.launched.is_some() {
                        // The command got it too. What it does about it belongs in the recording.
                        let now = self.clock.now();
                        until = Some((Time(now.0 + INTERRUPT_GRACE_NS), reason));
                        // Nobody may be held by a question meanwhile.
                        let mut out = std::mem::take(&mut self.out);
                        self.tracker.stop_asking(now, &mut out);
                        self.out = out;
                        self.carry_out();
                    } else {
                        self.part();
                        return reason;
                    }
                }
                // Before it sleeps again, the alarm must fit what has changed.
                continue;
            }
            if let Some(report) = self.next_report() {
                let is_newborn = self.tracker.is_newborn(report.tid);
                self.handle(report);
                if is_newborn {
                    self.serve_the_young(report.tid);
                }
                reports += 1;
                if reports.is_multiple_of(FAIR_SHARE) {
                    self.serve_the_roster();
                }
            }
        }
    }

    /// The recording is over: the target goes its way, unless it needs us.
    fn part(&mut self) {
        if self.staying || !self.is_needed() {
            self.let_all_go();
        }
    }

    /// Detaches everything, so that it runs on as if we had never been.
    pub(crate) fn let_all_go(&mut self) {
        self.asker = None;
        let start = self.clock.now();
        let limit = Time(start.0 + DETACH_LIMIT_NS);
        let mut out = std::mem::take(&mut self.out);
        self.tracker.end(&mut out);
        self.out = out;
        self.carry_out();
        loop {
            self.attend(Some(limit));
            if self.tracker.is_empty() || self.clock.now() >= limit {
                break;
            }
            if let Some(report) = self.next_report() {
                self.handle(report);
            }
        }
        self.stats.detach_ns = self.clock.now().0 - start.0;
        self.stats.left_to_kernel = self.tracker.len() as u64;
    }

    /// Does what is due apart from reports: answers of the user, waits that are over. Whether the
    /// doorbell rang. Between two reports nothing else is usual, so that is all that is looked at.
    fn attend(&mut self, until: Option<Time>) -> bool {
        let rang = self.doorbell.answer();
        if rang {
            self.take_answers();
        }
        let deadline = self.tracker.deadline();
        if let Some(deadline) = deadline {
            let now = self.clock.now();
            if deadline <= now {
                // Before a newborn is told to have no creator, all that creators have to say is
                // heard: on a loaded machine their reports may have waited in line.
                self.serve_all();
            }
            let now = self.clock.now();
            let mut out = std::mem::take(&mut self.out);
            self.tracker.tick(now, &mut out);
            self.out = out;
            self.carry_out();
        }
        let alarm = match (deadline, until) {
            (Some(deadline), Some(until)) => Some(deadline.min(until)),
            (deadline, until) => deadline.or(until),
        };
        if alarm != self.alarm {
            self.alarm = alarm;
            self.doorbell.set_alarm(alarm);
        }
        rang
    }

    /// The next report, or `None` when it is time to [attend](Engine::attend) to something else.
    ///
    /// With few tracees it sleeps in `waitid(2)`, which looks at all of them, 11 ns each. With many
    /// it sleeps for a `SIGCHLD`, which names one, and waits for that one by TID, in 0.2 us.
    fn next_report(&mut self) -> Option<Report> {
        if self.tracker.len() > FEW {
            return self.next_of_many();
        }
        match sys::wait_for_any() {
            Ok(report) => report,
            Err(error) if error.raw_os_error() == Some(libc::EINTR) => None,
            // Nothing to wait for: what the tracker still waits for comes by its own clock, or
            // has slipped away.
            Err(_) => {
                self.let_slip();
                std::thread::sleep(Duration::from_millis(1));
                None
            }
        }
    }

    /// Looks for tracees that are none any more.
    fn let_slip(&mut self) {
        let gone = self.tracker.tids();
        let gone: Vec<Tid> = gone.filter(|tid| !proc::is_traced_by_us(*tid)).collect();
        if !gone.is_empty() {
            let now = self.clock.now();
            let mut out = std::mem::take(&mut self.out);
            self.tracker.slipped_away(now, &gone, &mut out);
            self.out = out;
            self.carry_out();
        }
    }

    fn next_of_many(&mut self) -> Option<Report> {
        while let Some(tid) = self.hot.pop_front() {
            if let Ok(Some(report)) = sys::wait(Some(tid), Take::PeekOwn) {
                return Some(report);
            }
        }
        let now = self.clock.now();
        if self.scan_owed && now.0 >= self.last_scan.0 + SCAN_EVERY_NS {
            let report = sys::wait(None, Take::PeekOwn).ok().flatten();
            if report.is_none() {
                self.scan_owed = false;
                self.last_scan = now;
            }
            return report;
        }
        let limit = if self.scan_owed {
            SCAN_EVERY_NS
        } else {
            FOR_LONG_NS
        };
        if let Some(arrived) = sys::take_chld(Duration::from_nanos(limit)) {
            self.scan_owed = true;
            // A thread that ends and the creator that waited for it report together, and their
            // two signals merge into one: look at those that create, too.
            self.hot.push_back(Tid(arrived.from));
            self.hot.extend(&self.creators);
        }
        None
    }

    /// The kernel reports its newest tracees first, so under a rush of creations the ends of the
    /// threads before would be reported late, and with a late time. A newborn that has just made
    /// its first stop, and runs on, leaves a moment to look at the newborn before it.
    fn serve_the_young(&mut self, newborn: Tid) {
        let before = self.young.replace(newborn);
        if let Some(tid) = before.filter(|tid| self.tracker.knows(*tid))
            && let Ok(Some(report)) = sys::wait(Some(tid), Take::Peek)
        {
            self.handle(report);
        }
    }

    /// Takes whatever has been reported.
    fn serve_all(&mut self) {
        let tids: Vec<Tid> = self.tracker.tids().collect();
        for tid in tids {
            if let Ok(Some(report)) = sys::wait(Some(tid), Take::Peek) {
                self.handle(report);
            }
        }
    }

    /// The kernel reports its newest tracees first. Under a storm of reports the older ones would
    /// wait for ever: look at some of them by TID, in turn.
    fn serve_the_roster(&mut self) {
        for _ in 0..FAIR_SHARE.min(self.roster.len()) {
            let Some(tid) = self.roster.pop_front() else {
                return;
            };
            if !self.tracker.knows(tid) {
                continue;
            }
            self.roster.push_back(tid);
            if let Ok(Some(report)) = sys::wait(Some(tid), Take::Peek) {
                self.handle(report);
            }
        }
    }

    /// One report, from the kernel's word to the thread's running on.
    pub(super) fn handle(&mut self, report: Report) {
        let now = self.clock.now();
        let tid = report.tid;
        let identity = if self.tracker.knows(tid) {
            None
        } else {
            match self.identify(report) {
                Some(identity) => Some(identity),
                None => return,
            }
        };
        let mut stop = self.read(report);
        if let Stop::Ended { end } = stop
            && self.launched == Some(Pid(tid.0))
        {
            self.launched_end = Some(end);
        }
        let has_ended = matches!(stop, Stop::Ended { .. });
        if has_ended {
            self.read_last_name(now, tid);
        } else {
            self.stats.stops += 1;
        }
        if let Stop::Created { child, .. } = stop
            && self.tracker.was_told(child)
        {
            // Nobody but us reaps a newborn, so one that is gone is the one that was told.
            let is_late = !proc::is_traced_by_us(child);
            self.tracker.forget_orphan(child);
            if is_late {
                stop = Stop::Trap { pc: None };
            }
        }
        let newborn = match stop {
            Stop::Created { child, .. } => Some(child),
            _ => None,
        };
        if let Some(child) = newborn
            && self.tracker.len() > FEW
        {
            self.hot.push_back(child);
            self.note_creator(tid);
        }
        let mut out = std::mem::take(&mut self.out);
        self.tracker.step(now, tid, stop, identity, &mut out);
        self.out = out;
        self.capture(tid);
        self.carry_out();
        if has_ended {
            // What is to be read of a zombie was read: now it is gone.
            let _ = sys::wait(Some(tid), Take::Reap);
            self.nested.remove(&Pid(tid.0));
        }
        let took_ns = self.clock.now().0.saturating_sub(now.0);
        self.stats.reports.add(took_ns);
        if newborn.is_some() {
            self.stats.creations.add(took_ns);
        }
    }

    /// Captures the stack of a thread that stands after a creation, one that worked or one that was
    /// refused.
    fn capture(&mut self, tid: Tid) {
        let site = self.site.take();
        let Some(usual) = self.stack_bytes else {
            return;
        };
        self.maps.follow(&self.out.events);
        let created = |event: &Event| match &event.body {
            EventBody::Birth(birth) => birth.parent.is_some_and(|parent| parent.tid == tid),
            EventBody::CreateFailed { task, .. } => task.tid == tid,
            _ => false,
        };
        let Some(index) = self.out.events.iter().position(created) else {
            return;
        };
        let pid = match &self.out.events[index].body {
            EventBody::Birth(birth) => birth.parent.unwrap_or(birth.child).pid,
            EventBody::CreateFailed { task, .. } => task.pid,
            _ => return,
        };
        let Some(buffer) = self.room.take(pid, usual) else {
            return;
        };
        let site = site.unwrap_or_else(|| tracee::creation_site(tid));
        match site.capture(tid, buffer) {
            Ok(mut capture) => {
                let before = self.clock.now();
                if self.maps.are_wanted(pid, before) {
                    capture.maps = proc::maps(tid).unwrap_or_default();
                    let took = self.clock.now().0.saturating_sub(before.0);
                    self.maps.were_read(pid, before, took);
                    if !self.room.add(capture.maps.len()) {
                        capture.maps = Vec::new();
                    }
                }
                self.captured = Some((index, capture));
            }
            Err(buffer) => self.room.give(buffer),
        }
    }

    /// The name that an ended task had: for one that lived too briefly to be looked at, the only
    /// chance to learn it. It takes 4 us, so a rush of ends goes without.
    fn read_last_name(&mut self, now: Time, tid: Tid) {
        if self.names_at_end.spend(now)
            && let Some(name) = proc::comm(tid)
        {
            self.tracker.named(now, tid, name, &mut self.out);
        }
    }

    fn note_creator(&mut self, tid: Tid) {
        if self.creators.front() != Some(&tid) {
            self.creators.retain(|known| *known != tid);
            self.creators.push_front(tid);
            self.creators.truncate(CREATORS);
        }
    }

    /// An end that the reaper has already taken.
    pub(super) fn handle_reaped(&mut self, report: Report) {
        let Change::Ended(end) = report.what else {
            return;
        };
        let now = self.clock.now();
        let mut out = std::mem::take(&mut self.out);
        let identity = Some(Identity::default());
        self.tracker
            .step(now, report.tid, Stop::Ended { end }, identity, &mut out);
        self.out = out;
        self.carry_out();
    }

    /// What can be said of a task that nobody has announced. It stands in its first stop, with
    /// its creator's registers, or is a zombie. `None` for a child of ours that is no tracee: its
    /// report is taken, and that is all.
    fn identify(&mut self, report: Report) -> Option<Identity> {
        let status = proc::status(report.tid);
        if status
            .as_ref()
            .is_some_and(|status| !status.is_traced_by_us())
        {
            if let Change::Ended(end) = report.what {
                let _ = sys::wait(Some(report.tid), Take::Reap);
                if self.launched == Some(Pid(report.tid.0)) {
                    self.launched_end = Some(end);
                }
            } else {
                // Job control stopped it: a child that we inherited with exec, or were given, or the
                // command after it was let go. The stop is nobody's business here; taken, it is not
                // reported again.
                let _ = sys::wait(Some(report.tid), Take::ConsumeStop);
            }
            return None;
        }
        let site = match report.what {
            Change::Ended(_) => tracee::Site::default(),
            _ => tracee::creation_site(report.tid),
        };
        Some(Identity {
            pid: status.as_ref().map(|status| status.pid),
            parent_pid: status.as_ref().map(|status| status.parent),
            flags: site.flags,
            pc: site.pc,
        })
    }

    /// What has to be read of a thread while it stands.
    fn read(&mut self, report: Report) -> Stop {
        let tid = report.tid;
        let pc = || {
            if self.tracker.wants_pc(tid) {
                tracee::pc(tid)
            } else {
                None
            }
        };
        match report.what {
            Change::Ended(end) => Stop::Ended { end },
            Change::Created(via) => {
                let site = tracee::creation_site(tid);
                self.site = Some(site);
                created(tid, via, site)
            }
            Change::Exec => {
                // After an exec by another thread than the leader the kernel answers every
                // request with ESRCH until this stop's status was taken: the request might mean
                // the old leader (`looks_like_a_spurious_pid`, Linux 5.13). It holds no signal.
                let _ = sys::wait(Some(tid), Take::ConsumeStop);
                let former_tid = tracee::event_message(tid).unwrap_or(tid);
                let (exe, name) = tracee::program(tid);
                Stop::Exec {
                    former_tid,
                    exe,
                    name,
                }
            }
            Change::GroupStop => Stop::Group { pc: pc() },
            Change::Trap => Stop::Trap { pc: pc() },
            Change::Call => tracee::call(tid, &self.watch),
            Change::Signal(number) => Stop::Signal { number, pc: pc() },
            Change::Unknown(_) => Stop::Unknown,
        }
    }

    /// Passes the tracker's events on, and carries out its orders.
    pub(super) fn carry_out(&mut self) {
        let mut events = self.out.events.iter();
        if events.any(|event| self.may_be_nested(event)) {
            // The creator need not wait for what is to be read about its child.
            self.obey();
            self.pass_on();
        } else {
            // First the queue, then the thread: a tracer that sleeps again as soon as the thread
            // runs leaves it the processor. It is faster so, by a fifth, than the other way round.
            self.pass_on();
            self.obey();
        }
    }

    fn obey(&mut self) {
        let mut orders = std::mem::take(&mut self.out.orders);
        for order in orders.drain(..) {
            // A thread may be killed at any moment, and then answers ESRCH. Its end is reported
            // like any other, so there is nothing to do about it here.
            match order {
                Order::Resume { tid, signal } => {
                    let _ = if self.stops_at_calls(tid) {
                        sys::resume_to_call(tid, signal)
                    } else {
                        sys::resume(tid, signal)
                    };
                }
                Order::Listen(tid) => {
                    let _ = sys::listen(tid);
                }
                Order::Detach { tid, signal } => {
                    let done = sys::detach(tid, signal).is_ok();
                    self.tracker.detached(tid, done);
                }
                Order::Hold(tid) => {
                    let _ = sys::wait(Some(tid), Take::ConsumeStop);
                }
                Order::Interrupt(tid) => {
                    let _ = tracee::interrupt(tid);
                }
                Order::Ask { creator, child } => self.ask(creator, child),
            }
        }
        self.out.orders = orders;
        self.stats.unknown_stops += std::mem::take(&mut self.out.unknown_stops);
    }

    /// Whether a thread's next system call, or the end of the one under way, is to stop it.
    fn stops_at_calls(&self, tid: Tid) -> bool {
        match self.watch.stops {
            Stops::None => false,
            Stops::All => true,
            // The filter stops it at the entry; only this way it stops at the exit, too.
            Stops::Creations => self.tracker.is_in_call(tid),
        }
    }

    fn pass_on(&mut self) {
        if self.out.events.is_empty() {
            return;
        }
        self.find_inner();
        for event in &self.out.events {
            if let Some(task) = newcomer(event) {
                self.roster.push_back(task.tid);
            }
        }
        if self.roster.len() > 1024 + 2 * self.tracker.len() {
            let tracker = &self.tracker;
            self.roster.retain(|tid| tracker.knows(*tid));
        }
        match &self.queue {
            Some(queue) => queue.push(&mut self.out.events, self.captured.take()),
            None => self.out.events.clear(),
        }
    }

    /// Whether the new task of an event may know itself by another TID than we do. Threads are in
    /// their process's namespace; a process may have been made in a new one (clone(2),
    /// `CLONE_NEWPID`) or in the one that its creator chose for its children (setns(2)).
    fn may_be_nested(&self, event: &Event) -> bool {
        match &event.body {
            EventBody::Birth(birth) => {
                birth.what == What::Process || self.nested.contains(&birth.child.pid)
            }
            EventBody::Existing { task, .. } => self.nested.contains(&task.pid),
            _ => false,
        }
    }

    /// Finds the TIDs by which new tasks know themselves. One that has ended by now is still there:
    /// nobody but us reaps it. Newborns and their creators do not wait for it. Threads that an
    /// attach finds in such a namespace do, 10 us each: they stand until all are found.
    fn find_inner(&mut self) {
        for index in 0..self.out.events.len() {
            if !self.may_be_nested(&self.out.events[index]) {
                continue;
            }
            let read = |tid| proc::status(tid).and_then(|status| status.inner);
            match &mut self.out.events[index].body {
                EventBody::Birth(birth) => {
                    birth.inner = read(birth.child.tid);
                    if birth.inner.is_some() && birth.what == What::Process {
                        self.nested.insert(birth.child.pid);
                    }
                }
                EventBody::Existing { task, inner, .. } => *inner = read(task.tid),
                _ => {}
            }
        }
    }

    /// Notes whether a process that is about to be attached lives in a pid namespace below ours.
    pub(super) fn note_namespace(&mut self, pid: Pid) {
        if proc::status(Tid(pid.0)).is_some_and(|status| status.inner.is_some()) {
            self.nested.insert(pid);
        }
    }

    fn ask(&mut self, creator: Tid, child: Tid) {
        if let Some(asker) = &self.asker {
            let name = proc::comm(creator).unwrap_or_default();
            asker.ask(Question {
                creator,
                child,
                name,
            });
        }
    }

    fn take_answers(&mut self) {
        let Some(asker) = &self.asker else { return };
        let answers = asker.answers(|child| self.tracker.is_asking(child));
        for (child, choice) in answers {
            let now = self.clock.now();
            let mut out = std::mem::take(&mut self.out);
            self.tracker.answer(now, child, choice, &mut out);
            self.out = out;
            self.carry_out();
        }
    }
}

/// The task that an event brings in.
fn newcomer(event: &Event) -> Option<Task> {
    use tidline::model::EventBody::{Birth, Existing};
    matches!(event.body, Birth(_) | Existing { .. })
        .then(|| event.body.task())
        .flatten()
}

fn created(tid: Tid, via: Via, site: tracee::Site) -> Stop {
    const CLONE_THREAD: u64 = 0x1_0000;
    let Ok(child) = tracee::event_message(tid) else {
        return Stop::Unknown;
    };
    let tracee::Site { pc, flags, .. } = site;
    let thread = match flags {
        Some(flags) => flags & CLONE_THREAD != 0,
        None => proc::status(child).is_some_and(|status| status.pid.0 != child.0),
    };
    let what = if thread { What::Thread } else { What::Process };
    Stop::Created {
        via,
        what,
        child,
        flags,
        pc,
    }
}
