//! The engine of the perf source: reads what the kernel wrote, puts it in order, has the tracker judge
//! it. It stops nobody.
//!
//! It looks at the rings some fifty times a second, and at once when one is a quarter full. What it
//! reads is told when all processors were looked at well behind it (see [`super::order`]), so that
//! events reach the queue some 20 ms after they happened.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use tidline::model::{End, Event, EventBody, Pid, Tid, Time, What};

use super::code::AllCode;
use super::events::{Events, InRing};
use super::fact::{Fact, Saw, SiteOf};
use super::looks::{Looks, Targets};
use super::losses::{Losses, gap};
use super::order::{Order, WINDOW_NS};
use super::outcomes::Outcomes;
use super::patience::{PATIENCE_NS, Patience};
use super::pop_if;
use super::programs::Programs;
use super::record::Record;
use super::registers::Seen;
use super::sites::{Sites, Taken};
use super::tracker::{Details, Tracker};
use crate::capture::{Capture, Room};
use crate::clock::Clock;
use crate::doorbell::Doorbell;
use crate::pipeline::queue::{self, Sender};
use crate::proc;
use crate::source::Reason;
use crate::source::ptrace::sys as processes;
use crate::syscall::abi::Creation;
use crate::tracker::TidMap;

/// Between two looks at the rings: while nothing waits to be told, and while something does.
const IDLE: u16 = 20;
const BUSY: u16 = 10;
/// What belongs to something that was told so long ago belongs to nothing.
const STALE_NS: u64 = 1_000_000_000;
/// So many facts wait for a slow output, 100 bytes each.
const MOST_WAITING: usize = 200_000;
/// Few facts make more events than that.
const EVENTS_OF_A_FACT: usize = 4;
/// How often the kernel is asked how many events it lost, ns.
const COUNT_EVERY_NS: u64 = 250_000_000;
/// After Ctrl-C at the terminal a launched command, which got it too, may end by itself.
const INTERRUPT_GRACE_NS: u64 = 1_000_000_000;
/// The kernel says that a task ends, takes its memory apart, and only then tells how it ended. So long
/// that is waited for, ns; what happened later waits as well.
const HOW_LIMIT_NS: u64 = 1_000_000_000;

pub(crate) struct Engine {
    clock: Clock,
    doorbell: Doorbell,
    /// `None` after the recording's end.
    queue: Option<Sender>,
    room: Arc<Room>,
    events: Events,
    tracker: Tracker,
    order: Order,
    sites: Sites,
    outcomes: Outcomes,
    programs: Programs,
    code: AllCode,
    looks: Looks,
    losses: Losses,
    /// All that happened until then has been read.
    known_until: Time,
    /// From here on every event is on.
    since: Time,
    /// What was found out beside the facts, in order of time, to be told among what happened.
    found: VecDeque<Event>,
    /// Processes that were made and are not told yet.
    young: HashSet<Pid>,
    /// Those that have entered fork or vfork.
    entered: TidMap<Creation>,
    /// Thread groups that live in a pid namespace below ours.
    nested: HashSet<Pid>,
    last_forgotten: Time,
    /// The output was slow to the end: what is left is told, and lost if there is no room.
    is_over: bool,
    out: Vec<Event>,
}

impl Engine {
    pub(crate) fn new(events: Events, clock: Clock, doorbell: Doorbell, queue: Sender) -> Self {
        let room = queue.room();
        let stack_bytes = events.options.stack_bytes;
        queue.keep_marks_apart();
        Engine {
            clock,
            doorbell,
            queue: Some(queue),
            events,
            tracker: Tracker::default(),
            order: Order::default(),
            sites: Sites::new(Arc::clone(&room), stack_bytes),
            room,
            outcomes: Outcomes::listen(clock),
            programs: Programs::default(),
            code: AllCode::default(),
            looks: Looks::default(),
            losses: Losses::default(),
            known_until: Time(0),
            since: Time(0),
            found: VecDeque::new(),
            young: HashSet::new(),
            entered: TidMap::default(),
            nested: HashSet::new(),
            last_forgotten: Time(0),
            is_over: false,
            out: Vec::new(),
        }
    }

    /// How many tasks are recorded.
    pub(crate) fn tasks(&self) -> usize {
        self.tracker.len()
    }

    /// Whether a task of a process is recorded.
    pub(crate) fn tracks(&self, pid: Pid) -> bool {
        self.tracker.tracks(pid)
    }

    /// Begins with a command that was forked and is about to exec.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(crate) fn launch(&mut self, pid: Pid) -> Result<()> {
        self.enable()?;
        self.tracker.track(pid);
        self.outcomes.launch(pid);
        Ok(())
    }

    /// Begins with what is running, and finds out what that is.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(crate) fn begin(&mut self, targets: Targets) -> Result<()> {
        self.enable()?;
        if matches!(targets, Targets::Everyone) {
            self.tracker = Tracker::of_everyone();
        }
        self.looks.begin(self.clock, targets);
        while self.looks.taken.is_some() {
            self.round(BUSY);
        }
        Ok(())
    }

    fn enable(&mut self) -> Result<()> {
        self.events
            .enable(self.clock.start_monotonic_ns)
            .context("cannot switch the kernel's events on")?;
        self.since = self.clock.now();
        // It works little, and has to come in time.
        processes::hurry();
        Ok(())
    }

    /// How the launched command ended, if it has; waits a moment for one that is about to.
    pub(crate) fn launched_end(&mut self) -> Option<End> {
        self.outcomes.of_launched()
    }

    /// Ends the queue, and with it the trace: why, and what the recording cost.
    pub(crate) fn end_with(&mut self, reason: String) {
        if let Some(queue) = self.queue.take() {
            let counters = vec![
                ("queue_high_water", queue.high_water()),
                ("ends_unknown", self.outcomes.unknown),
                ("late_facts", self.order.late),
                ("kernel_lost", self.losses.total),
            ];
            let at = self.clock.now();
            queue.end_with(queue::End {
                at,
                reason,
                counters,
            });
        }
    }

    /// Records until the target ends, a signal comes, or `until` is reached.
    pub(crate) fn run(&mut self, until: Option<Time>) -> Reason {
        let mut until = until.map(|time| (time, Reason::Duration));
        loop {
            if self.tracker.is_empty() && !self.looks.may_find_more() {
                self.tell_rest(self.clock.now());
                return Reason::TargetEnded;
            }
            if self.is_held_by_the_output() {
                self.finish(self.clock.now());
                return Reason::TargetEnded;
            }
            if let Some((time, reason)) = until
                && time <= self.clock.now()
            {
                self.finish(time);
                return reason;
            }
            self.doorbell.answer();
            if self.doorbell.take_stop() {
                self.finish(self.clock.now());
                return Reason::Asked;
            }
            while let Some(arrived) = self.doorbell.take() {
                let reason = Reason::Signal(arrived.number);
                let from_terminal = arrived.by_kernel && arrived.number == libc::SIGINT;
                let first = until.is_none_or(|(_, reason)| reason == Reason::Duration);
                let now = self.clock.now();
                if from_terminal && first && self.outcomes.has_launched() {
                    // The command got it too. What it does about it belongs in the recording.
                    until = Some((Time(now.0 + INTERRUPT_GRACE_NS), reason));
                } else {
                    self.finish(now);
                    return reason;
                }
            }
            self.round(if self.order.is_empty() { IDLE } else { BUSY });
        }
    }

    /// Whether nobody lives any more who is recorded, and what they did only waits for a slow output.
    fn is_held_by_the_output(&mut self) -> bool {
        let old = self.clock.now().0.saturating_sub(PATIENCE_NS);
        let waits = |fact: &Fact| fact.time.0 < old;
        let oldest = self.order.waiting().first();
        if !oldest.is_some_and(waits) || self.most() > 0 || self.looks.may_find_more() {
            return false;
        }
        let lives = |pid: &Pid| proc::stat_of_leader(*pid).is_some_and(|stat| !stat.has_ended());
        loop {
            let pids = self.all_pids();
            if pids.iter().any(lives) {
                return false;
            }
            // The last of them may have made another before it ended.
            self.read();
            if self.all_pids() == pids {
                return true;
            }
        }
    }

    /// The processes that are recorded, and those that will be when what waits is told.
    fn all_pids(&mut self) -> HashSet<Pid> {
        let mut all: HashSet<Pid> = self.tracker.pids().collect();
        for fact in self.order.waiting() {
            if let Saw::Made { child, flags, .. } = fact.what
                && flags & CLONE_THREAD == 0
                && all.contains(&fact.task.pid)
            {
                all.insert(Pid(child.0));
            }
        }
        all
    }

    /// Tells what happened up to a moment that is just past.
    fn finish(&mut self, until: Time) {
        self.looks.end();
        while self.clock.now().0 < until.0 + WINDOW_NS {
            self.round(BUSY);
        }
        self.looks.taken = None;
        let mut patience = Patience::new(self.clock.now());
        loop {
            self.read();
            self.advance(until);
            let waiting = self.order.waiting();
            let left = waiting.partition_point(|fact| fact.time <= until);
            if left == 0 {
                break;
            }
            self.pass_on(None);
            // A slow output is waited for, unless somebody is impatient.
            let done = self.queue.as_ref().map_or(0, Sender::done);
            self.is_over |=
                patience.is_over(self.clock.now(), left, done) || self.doorbell.take().is_some();
            std::thread::sleep(Duration::from_millis(1));
        }
        self.tell_rest(until);
    }

    /// Tells what is known beside the facts when no more of these are told.
    fn tell_rest(&mut self, until: Time) {
        self.count_losses(until);
        self.take_marks();
        self.tell_found(Time(u64::MAX));
        self.pass_on(None);
    }

    /// Asks the kernel how many events it lost.
    fn count_losses(&mut self, now: Time) {
        let lost = self.losses.counted(now, self.events.lost());
        self.note_losses(lost);
    }

    fn note_losses(&mut self, lost: impl IntoIterator<Item = Event>) {
        for event in lost {
            self.doubt();
            self.find([event]);
        }
    }

    /// Sleeps until there is something to read, or some time has passed; reads and tells.
    fn round(&mut self, ms: u16) {
        // Not for the ends: to be woken for each of them would take the target's processor away.
        let fds = self.events.ready();
        let mut fds: Vec<PollFd<'_>> = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        // The doorbell's ring interrupts it.
        let _ = poll(&mut fds, PollTimeout::from(ms));
        drop(fds);
        let begin = self.clock.now();
        self.read();
        self.outcomes.reap();
        if self.looks.is_due(begin) {
            self.looks.again(self.clock, self.tracker.pids());
        }
        self.advance(Time(begin.0.saturating_sub(WINDOW_NS)));
        if begin.0 > self.last_forgotten.0 + STALE_NS {
            // What waits to be told may still want it.
            let oldest = self.order.waiting().first().map_or(begin, |fact| fact.time);
            let stale = Time(oldest.0.saturating_sub(STALE_NS));
            self.sites.forget(stale);
            self.outcomes.ends.forget(stale);
            self.programs.forget(stale);
            self.code.forget(stale, |pid| self.tracker.tracks(pid));
            self.last_forgotten = begin;
        }
        self.pass_on(None);
        if let Some(queue) = &self.queue {
            queue.has_reached(self.order.given());
        }
    }

    /// Empties the rings.
    fn read(&mut self) {
        let mut lost = Vec::new();
        let begin = self.clock.now();
        let Engine {
            clock,
            events,
            tracker,
            order,
            sites,
            programs,
            code,
            young,
            looks,
            losses,
            since,
            ..
        } = self;
        events.read(|ring, record| match record {
            Record::Fact(fact) => {
                if let InRing::Facts(cpu) = ring {
                    losses.read(cpu, fact.time);
                }
                if fact.time < *since {
                    return;
                }
                if let Saw::Made { child, flags, .. } = fact.what
                    && flags & CLONE_THREAD == 0
                    && (tracker.concerns(fact.task) || young.contains(&fact.task.pid))
                {
                    young.insert(Pid(child.0));
                }
                // Who made it may be in a ring that is still to be read.
                if let Saw::Executes { .. } = fact.what {
                    let pid = fact.task.pid;
                    let file = proc::exe(Tid(pid.0));
                    programs.add(pid, fact.time, clock.now(), file);
                }
                order.add(fact);
            }
            Record::Site(site, stack) => {
                // Before the first look is taken up nobody knows who is of interest.
                if looks.taken.is_some()
                    || tracker.concerns(site.task)
                    || young.contains(&site.task.pid)
                {
                    sites.add(&site, stack, begin);
                }
            }
            Record::Mapped(pid, time, mapped) => code.add(pid, time, mapped),
            Record::Lost { time, count } => {
                if let InRing::Facts(cpu) = ring {
                    lost.extend(losses.told(cpu, *since, time, count));
                }
            }
        });
        self.known_until = Time(begin.0.saturating_sub(WINDOW_NS));
        self.outcomes.ends.read();
        self.note_losses(lost);
        let since = self.losses.last_count();
        let now = self.clock.now();
        if now.0 >= since.0 + COUNT_EVERY_NS {
            self.count_losses(now);
            if self.events.are_some_off() {
                self.renew(since);
            }
        }
    }

    /// Watches the processors again that were switched off, or on, since a time. What happened there
    /// meanwhile is not known.
    fn renew(&mut self, since: Time) {
        // What they saw before.
        self.read();
        let renewed = self.events.renew();
        if let Some(words) = self.losses.renewed(&renewed) {
            self.doubt();
            self.find([gap(since, self.clock.now(), &words)]);
        }
    }

    /// Has events told among what happened.
    fn find(&mut self, events: impl IntoIterator<Item = Event>) {
        let before = self.found.len();
        self.found.extend(events);
        if self.found.len() > before {
            self.found.make_contiguous().sort_by_key(|event| event.time);
        }
    }

    /// Something was missed: what is known may be of the past, and who is there is to be looked for.
    fn doubt(&mut self) {
        self.programs.distrust();
        self.code.distrust();
        self.looks.doubt(self.clock.now());
    }

    /// Tells what happened up to a moment behind which nothing comes any more.
    fn advance(&mut self, bound: Time) {
        if let Some(scan) = self.looks.taken.take() {
            self.tell(bound.min(scan.begin));
            if bound < scan.end {
                self.looks.taken = Some(scan);
                return;
            }
            let meanwhile = self.order.waiting();
            let found = self.tracker.take_up(&scan, meanwhile, &mut self.out);
            self.note_nested(&found);
            self.find(found);
        }
        self.tell(bound);
    }

    /// How many facts can be told now. Where the output is slow, what is to be told waits here, up to a
    /// limit, and then in the rings: what is lost then is counted by the kernel, or by the queue.
    fn most(&self) -> usize {
        let space = self.queue.as_ref().map_or(usize::MAX, Sender::space);
        match self.order.len() < MOST_WAITING && !self.is_over {
            true => space / EVENTS_OF_A_FACT,
            false => usize::MAX,
        }
    }

    /// A bound before which it is known of each exec which program it was, and of each end how it was; or
    /// nobody will say it.
    fn without_open(&mut self, bound: Time) -> Time {
        let old = self.clock.now().0.saturating_sub(HOW_LIMIT_NS);
        let Engine {
            order,
            outcomes: Outcomes { ends, .. },
            programs,
            known_until,
            tracker,
            young,
            ..
        } = self;
        let facts = order.waiting().iter();
        let are_told = ends.are_told();
        let is_open = |fact: &&Fact| match fact.what {
            Saw::Ends { .. } => {
                are_told
                    && (tracker.concerns(fact.task) || young.contains(&fact.task.pid))
                    && !ends.knows(fact.task.tid, fact.time)
            }
            Saw::Executes { .. } => {
                let read = programs.read_at(fact.task.pid, fact.time);
                read.is_some_and(|read| read > *known_until)
            }
            _ => false,
        };
        let mut facts = facts.skip_while(|fact| fact.time.0 <= old);
        let open = facts
            .by_ref()
            .take_while(|fact| fact.time <= bound)
            .find(is_open);
        open.map_or(bound, |fact| Time(fact.time.0.saturating_sub(1)))
    }

    fn note_nested(&mut self, found: &[Event]) {
        for event in found {
            if let EventBody::Existing {
                task,
                inner: Some(_),
                ..
            } = &event.body
            {
                self.nested.insert(task.pid);
            }
        }
    }

    fn tell(&mut self, bound: Time) {
        self.take_marks();
        let most = self.most();
        if most == 0 {
            // To look through what waits, at our priority, would take the output's time away.
            return;
        }
        let bound = self.without_open(bound);
        let (facts, bound) = self.order.take(bound, most);
        for fact in facts {
            self.tell_found(fact.time);
            self.handle(&fact);
        }
        self.tell_found(bound);
        if self.order.is_empty() {
            self.young.clear();
        }
    }

    fn take_marks(&mut self) {
        let marks = self.queue.as_ref().map(Sender::take_marks);
        self.find(marks.into_iter().flatten());
    }

    fn tell_found(&mut self, until: Time) {
        while let Some(event) = pop_if(&mut self.found, |event| event.time <= until) {
            self.out.push(event);
        }
    }

    fn handle(&mut self, fact: &Fact) {
        let from = self.out.len();
        let tid = fact.task.tid;
        match &fact.what {
            Saw::Enters(call) => {
                self.entered.insert(tid, *call);
            }
            Saw::Made {
                child,
                flags: flags_of_kernel,
                registers,
            } => {
                let entered = self.entered.remove(&tid);
                if !self.tracker.concerns(fact.task) {
                    self.tracker.step(fact, Details::default(), &mut self.out);
                    return;
                }
                let site = match registers {
                    Some(_) => self.sites.take(SiteOf::Birth(*child), fact.time),
                    None => None,
                };
                let seen = Seen {
                    entered,
                    are_watched: self.events.options.failures,
                    arguments: site.as_ref().and_then(|site| site.arguments),
                };
                let flags = registers.and_then(|registers| registers.flags(*flags_of_kernel, seen));
                self.tracker
                    .step(fact, Details::of_flags(flags), &mut self.out);
                let site = self.with_map(fact, site);
                if flags_of_kernel & CLONE_THREAD == 0 {
                    self.code.made(fact.task.pid, Pid(child.0), fact.time);
                }
                self.born(registers.map(|registers| registers.stack.ip), site);
            }
            Saw::Refused {
                call, registers, ..
            } => {
                self.entered.remove(&tid);
                if !self.tracker.concerns(fact.task) {
                    return;
                }
                let site = match registers {
                    Some(_) => self.sites.take(SiteOf::Refusal(tid), fact.time),
                    None => None,
                };
                let arguments = site.as_ref().and_then(|site| site.arguments);
                let flags =
                    registers.and_then(|registers| registers.flags_of_refused(*call, arguments));
                self.tracker
                    .step(fact, Details::of_flags(flags), &mut self.out);
                let site = self.with_map(fact, site);
                let capture = site.and_then(|site| site.capture);
                self.pass_on(capture);
            }
            Saw::Ends { .. } => {
                self.entered.remove(&tid);
                self.tracker.step(fact, Details::default(), &mut self.out);
                self.ended(fact, from);
                if !self.tracker.tracks(fact.task.pid) {
                    self.code.ended(fact.task.pid);
                }
            }
            Saw::Executes { .. } => {
                let program = self.programs.take(fact.task.pid, fact.time);
                let details = Details {
                    program,
                    ..Details::default()
                };
                self.tracker.step(fact, details, &mut self.out);
                if self.tracker.tracks(fact.task.pid) {
                    self.code.executed(fact.task.pid, fact.time);
                }
            }
            Saw::Renames { .. } => {
                if self.tracker.tracks(fact.task.pid) {
                    self.code.renamed(fact.task.pid, fact.time);
                }
                self.tracker.step(fact, Details::default(), &mut self.out);
            }
        }
    }

    /// Adds where its process has code to what was taken of a task, if that is news.
    fn with_map(&mut self, fact: &Fact, site: Option<Taken>) -> Option<Taken> {
        let mut site = site?;
        if let Some(capture) = &mut site.capture
            && let Some(map) = self.code.map(fact.task.pid, fact.time)
        {
            match self.room.add(map.len()) {
                true => capture.maps = map,
                false => self.code.was_not_told(fact.task.pid),
            }
        }
        Some(site)
    }

    /// Completes a birth, which is the last event.
    fn born(&mut self, pc: Option<u64>, site: Option<Taken>) {
        let Some(Event {
            body: EventBody::Birth(birth),
            ..
        }) = self.out.last_mut()
        else {
            return;
        };
        birth.pc = pc;
        if birth.what == What::Process || self.nested.contains(&birth.child.pid) {
            // Of one that has ended by now nobody knows it. Another with its TID would be of another
            // process, or as young.
            let status = proc::status(birth.child.tid);
            birth.inner = status
                .filter(|status| status.pid == birth.child.pid)
                .and_then(|status| status.inner);
            if birth.inner.is_some() && birth.what == What::Process {
                self.nested.insert(birth.child.pid);
            }
        }
        let capture = site.and_then(|site| site.capture);
        if capture.is_some() {
            self.pass_on(capture);
        }
    }

    /// Says how tasks ended whose ends have just been told, from that place on.
    fn ended(&mut self, fact: &Fact, from: usize) {
        let lives_on = self.tracker.tracks(fact.task.pid);
        let told = self.out.get_mut(from..).unwrap_or_default();
        for event in &*told {
            if let EventBody::Exit { task, .. } = event.body
                && task.is_leader()
            {
                self.nested.remove(&task.pid);
            }
        }
        self.outcomes.complete(fact.task, fact.time, lives_on, told);
    }

    /// Gives the queue what there is to tell; the capture is that of the last event.
    fn pass_on(&mut self, capture: Option<Box<Capture>>) {
        let place = self.out.len().saturating_sub(1);
        match &self.queue {
            Some(queue) if !self.out.is_empty() => {
                queue.push(&mut self.out, capture.map(|capture| (place, capture)));
            }
            _ => {
                self.out.clear();
                if let Some(capture) = capture {
                    self.room.give_back(*capture);
                }
            }
        }
    }

    /// Notes that a process that was found is not recorded.
    pub(crate) fn note_refused(&mut self, why: &str) {
        self.find([gap(Time(0), self.clock.now(), why)]);
    }
}

const CLONE_THREAD: u64 = 0x1_0000;
