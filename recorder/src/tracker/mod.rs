//! The tracker: what the kernel said goes in, events and what to do with the threads come out.
//!
//! It is a pure state machine. It calls nothing, so the orders in which stops can arrive, which
//! a kernel shows once in ten thousand creations, are tests here:
//!
//! ```text
//!  usual:     creator ──Created(child)──►  birth        child ──Trap──►  resume
//!  3 in 10⁴:  child ──Trap──►  hold        creator ──Created(child)──►  birth, resume both
//!  killed:    child ──Trap──►  hold        … no creator for a while ──►  birth, creator unknown
//!  short:     child ──Ended──►  keep       creator ──Created(child)──►  birth, exit
//! ```
//!
//! Every task that is traced is in `tracees`, from its attach or its birth to its end. A task
//! that reported before its creator did is in `early` until then.

mod calls;
mod early;
mod exec;
mod orders;
#[cfg(test)]
mod tests;
mod tid_map;

use std::collections::HashMap;

use tidline::model::{
    Birth, DetachReason, End, Event, EventBody, GapReason, Name, Pid, Task, Tid, Time, Via, What,
};

use calls::Calls;
use early::Early;

pub(crate) use early::via_of_flags;
pub(crate) use tid_map::{TidHasher, TidMap};

pub(crate) use orders::{
    Choice, Creating, Entry, ForkMode, Identity, Listed, NewThreads, Order, Output, Policy, Stop,
};

#[derive(Debug)]
pub(crate) struct Tracker {
    policy: Policy,
    tracees: TidMap<Tracee>,
    early: TidMap<Early>,
    /// Newborns told with an unknown creator, whose report may still come.
    orphans: TidMap<()>,
    /// Those that are to be detached, until that is done.
    let_go: TidMap<Tracee>,
    calls: Calls,
    /// Creator and child of forks about which the user is being asked, by the child.
    questions: HashMap<Tid, Tid>,
    /// While attaching, threads stay where they stopped until all are known.
    holding: bool,
    /// Everything is let go at its next stop.
    ending: bool,
    /// A process was let go while the others were watched on.
    let_a_process_go: bool,
}

#[derive(Clone, Copy, Debug)]
struct Tracee {
    pid: Pid,
    state: State,
    /// To be let go at its next stop, and why.
    leave: Option<DetachReason>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Seized; its first stop will tell where it stands.
    Attaching {
        parent_pid: Option<Pid>,
    },
    /// A launched command that has not yet execed: nothing of it is to be told.
    Launched,
    /// Its birth is told; its own first stop is to come.
    Newborn,
    Running,
    /// In a group-stop that we keep.
    Listening,
    /// Stopped, and to be resumed with this signal when the hold ends.
    Held {
        signal: i32,
    },
    /// That it was let go is told, but it could not be detached, being killed: its end is to come,
    /// and is not told.
    LetGo,
}

impl Tracker {
    pub(crate) fn new(policy: Policy) -> Self {
        Tracker {
            policy,
            tracees: TidMap::default(),
            early: TidMap::default(),
            orphans: TidMap::default(),
            let_go: TidMap::default(),
            calls: Calls::default(),
            questions: HashMap::new(),
            holding: false,
            ending: false,
            let_a_process_go: false,
        }
    }

    /// A thread was seized; its first stop is to come.
    pub(crate) fn adopt(&mut self, task: Task, parent_pid: Option<Pid>) {
        self.insert(task, State::Attaching { parent_pid });
    }

    /// A command was forked and seized; it is going to exec.
    pub(crate) fn launch(&mut self, task: Task) {
        self.insert(task, State::Launched);
    }

    fn insert(&mut self, task: Task, state: State) {
        self.tracees.insert(
            task.tid,
            Tracee {
                pid: task.pid,
                state,
                leave: None,
            },
        );
    }

    /// Whether a report about this TID needs no [`Identity`].
    pub(crate) fn knows(&self, tid: Tid) -> bool {
        self.tracees.contains_key(&tid)
    }

    /// Whether the PC is wanted at the next stop of this thread, whatever it is.
    pub(crate) fn wants_pc(&self, tid: Tid) -> bool {
        self.tracees
            .get(&tid)
            .is_some_and(|tracee| matches!(tracee.state, State::Attaching { .. }))
    }

    /// Whether a traced thread has yet to make its first stop.
    pub(crate) fn awaits_first_stop(&self, tid: Tid) -> bool {
        self.tracees
            .get(&tid)
            .is_some_and(|tracee| matches!(tracee.state, State::Attaching { .. } | State::Newborn))
    }

    /// Whether a task's birth is told, and its own first stop is to come.
    pub(crate) fn is_newborn(&self, tid: Tid) -> bool {
        self.tracees
            .get(&tid)
            .is_some_and(|tracee| tracee.state == State::Newborn)
    }

    /// Whether a thread has entered a system call that is of interest, and has not come back.
    pub(crate) fn is_in_call(&self, tid: Tid) -> bool {
        self.calls.is_under_way(tid)
    }

    /// Traced threads of one process that have not been reaped.
    pub(crate) fn members(&self, pid: Pid) -> impl Iterator<Item = Tid> {
        self.tracees
            .iter()
            .filter(move |(_, tracee)| tracee.pid == pid)
            .map(|(tid, _)| *tid)
    }

    /// All that are traced.
    pub(crate) fn tids(&self) -> impl Iterator<Item = Tid> {
        self.tracees.keys().copied()
    }

    /// How many tasks are traced.
    pub(crate) fn len(&self) -> usize {
        self.tracees.len()
    }

    /// Whether a process was let go: then an end of all that is traced is not the target's end.
    pub(crate) fn let_a_process_go(&self) -> bool {
        self.let_a_process_go
    }

    /// Whether nothing is left to wait for.
    pub(crate) fn is_empty(&self) -> bool {
        self.tracees.is_empty() && self.early.is_empty()
    }

    /// From now on threads stay where they stop.
    pub(crate) fn hold(&mut self) {
        self.holding = true;
    }

    /// Resumes what was held, and lets go what is not to be followed.
    pub(crate) fn release(&mut self, now: Time, out: &mut Output) {
        self.holding = false;
        let held = self.tracees.iter().filter_map(|(tid, tracee)| {
            let State::Held { signal } = tracee.state else {
                return None;
            };
            (!self.is_asked(*tid)).then_some((*tid, signal))
        });
        let held: Vec<(Tid, i32)> = held.collect();
        for (tid, signal) in held {
            self.go_on(now, tid, signal, out);
        }
    }

    /// Threads of a process, those that `which` names, that cannot be waited for any longer: they
    /// count as existing, and run on. Returns those whose first stop is outstanding.
    pub(crate) fn give_up_waiting(
        &mut self,
        now: Time,
        pid: Pid,
        which: impl Fn(Tid) -> bool,
        out: &mut Output,
    ) -> Vec<Tid> {
        let mut late = Vec::new();
        for (tid, tracee) in &mut self.tracees {
            if let State::Attaching { parent_pid } = tracee.state
                && tracee.pid == pid
                && which(*tid)
            {
                let task = Task { pid, tid: *tid };
                out.events.push(existing(now, task, parent_pid, None));
                tracee.state = State::Running;
                late.push(*tid);
            }
        }
        late.sort_unstable();
        late
    }

    /// Takes one report. `identity` is needed where [`Tracker::knows`] is false.
    pub(crate) fn step(
        &mut self,
        now: Time,
        tid: Tid,
        stop: Stop,
        identity: Option<Identity>,
        out: &mut Output,
    ) {
        if let Stop::Exec {
            former_tid,
            exe,
            name,
        } = stop
        {
            self.exec(now, tid, former_tid, (exe, name), out);
            return;
        }
        let Some(tracee) = self.tracees.get_mut(&tid) else {
            self.step_early(now, tid, &stop, identity.unwrap_or_default(), out);
            return;
        };
        if let State::Attaching { parent_pid } = tracee.state {
            let task = Task {
                pid: tracee.pid,
                tid,
            };
            out.events.push(existing(now, task, parent_pid, stop.pc()));
            tracee.state = State::Running;
        }
        match stop {
            Stop::Ended { end } => self.ended(now, tid, end, out),
            Stop::Created {
                via,
                child,
                flags,
                pc,
                what,
            } => {
                self.created(now, tid, (via, what, child), (flags, pc), out);
            }
            Stop::Enters(entry) => {
                let pid = tracee.pid;
                self.calls.enter(now, Task { pid, tid }, entry, out);
                self.go_on(now, tid, 0, out);
            }
            Stop::Leaves { result } => {
                let pid = tracee.pid;
                self.calls.leave(now, Task { pid, tid }, result, out);
                self.go_on(now, tid, 0, out);
            }
            Stop::Group { .. } => self.group_stop(now, tid, out),
            Stop::Trap { .. } => self.go_on(now, tid, 0, out),
            Stop::Signal { number, .. } => self.go_on(now, tid, number, out),
            Stop::Unknown => {
                out.unknown_stops += 1;
                self.go_on(now, tid, 0, out);
            }
            Stop::Exec { .. } => {}
        }
    }

    /// The answer to a question ([`Order::Ask`]).
    pub(crate) fn answer(&mut self, now: Time, child: Tid, choice: Choice, out: &mut Output) {
        let Some(creator) = self.questions.remove(&child) else {
            return;
        };
        self.choose(creator, child, choice, out);
        for tid in [creator, child] {
            if let Some(tracee) = self.tracees.get(&tid)
                && let State::Held { signal } = tracee.state
            {
                self.go_on(now, tid, signal, out);
            }
        }
    }

    /// From now on nobody is asked, and both sides are followed.
    pub(crate) fn stop_asking(&mut self, now: Time, out: &mut Output) {
        if self.policy.fork == ForkMode::Ask {
            self.policy.fork = ForkMode::Fixed(Choice::Both);
        }
        let open: Vec<Tid> = self.questions.keys().copied().collect();
        for child in open {
            self.answer(now, child, Choice::Both, out);
        }
    }

    /// Whether the user still has to be asked about this child.
    pub(crate) fn is_asking(&self, child: Tid) -> bool {
        self.questions.contains_key(&child)
    }

    /// Lets everything go: what stands is detached, what runs is interrupted and detached at its
    /// next stop. All are interrupted before any is waited for: a creator in vfork only stops
    /// once its child, which may stand in a stop of ours, runs on (strace 3cfa90b54).
    pub(crate) fn end(&mut self, out: &mut Output) {
        self.ending = true;
        self.holding = false;
        self.questions.clear();
        let mut gone = Vec::new();
        for (tid, tracee) in &self.tracees {
            match tracee.state {
                State::Held { signal } => {
                    out.orders.push(Order::Detach { tid: *tid, signal });
                    gone.push(*tid);
                }
                // It makes its first stop by itself.
                State::Newborn => {}
                _ => out.orders.push(Order::Interrupt(*tid)),
            }
        }
        for tid in gone {
            self.let_go_of(tid, false);
        }
    }

    /// Takes a thread out that is going to be detached; whether that is told of it.
    fn let_go_of(&mut self, tid: Tid, told: bool) {
        if let Some(mut tracee) = self.tracees.remove(&tid) {
            tracee.state = if told { State::LetGo } else { State::Running };
            self.let_go.insert(tid, tracee);
        }
    }

    /// A thread was detached, or could not be because it was killed: then it is ours until its
    /// end.
    pub(crate) fn detached(&mut self, tid: Tid, done: bool) {
        if let Some(tracee) = self.let_go.remove(&tid)
            && !done
        {
            self.tracees.insert(tid, tracee);
        }
    }

    /// Whether a report that this task was made may come late, its birth being told. Its TID may
    /// also be another's by now.
    pub(crate) fn was_told(&self, child: Tid) -> bool {
        self.orphans.contains_key(&child) && !self.knows(child)
    }

    /// The report about an orphan's birth came, or its TID is another's.
    pub(crate) fn forget_orphan(&mut self, child: Tid) {
        self.orphans.remove(&child);
    }

    /// Threads that are no longer traced, though nothing was reported: an untraced thread of their
    /// process called exec, for example, which drops the leader.
    pub(crate) fn slipped_away(&mut self, now: Time, tids: &[Tid], out: &mut Output) {
        let mut names = Vec::new();
        for tid in tids {
            // While all are let go it is no loss: a thread that runs free already may exec.
            if let Some(tracee) = self.tracees.remove(tid)
                && tracee.state != State::LetGo
                && !self.ending
            {
                names.push(tid.to_string());
                self.let_a_process_go = true;
                let task = Task {
                    pid: tracee.pid,
                    tid: *tid,
                };
                let body = EventBody::Detach {
                    task,
                    reason: DetachReason::SlippedAway,
                };
                out.events.push(Event { time: now, body });
            }
        }
        if !names.is_empty() {
            let body = EventBody::Gap {
                reason: GapReason::TraceeLost,
                count: names.len() as u64,
                since: now,
                detail: Name::from(format!("tid {}", names.join(" ")).as_str()),
            };
            out.events.push(Event { time: now, body });
        }
    }

    /// A task's name was read. Whether it is news, the pipeline knows.
    pub(crate) fn named(&self, now: Time, tid: Tid, name: Name, out: &mut Output) {
        let Some(tracee) = self.tracees.get(&tid) else {
            return;
        };
        if !matches!(tracee.state, State::Launched | State::Attaching { .. }) {
            let task = Task {
                pid: tracee.pid,
                tid,
            };
            let body = EventBody::Rename { task, name };
            out.events.push(Event { time: now, body });
        }
    }

    fn created(
        &mut self,
        now: Time,
        creator: Tid,
        (via, what, child): (Via, What, Tid),
        (flags, pc): (Option<u64>, Option<u64>),
        out: &mut Output,
    ) {
        self.calls.succeeded(creator);
        if self.tracees.contains_key(&child) {
            // Its birth was told, with an unknown creator: this one is late.
            self.orphans.remove(&child);
            self.go_on(now, creator, 0, out);
            return;
        }
        let pid = self.tracees[&creator].pid;
        let parent = Task { pid, tid: creator };
        let child = match what {
            What::Thread => Task { pid, tid: child },
            What::Process => Task::leader(Pid(child.0)),
        };
        let birth = Birth {
            via,
            what,
            parent: Some(parent),
            child,
            flags,
            pc,
            inner: None,
            stack: None,
            start: None,
        };
        let early = self.early.remove(&child.tid);
        self.born(now, birth, Some(creator), early, out);
        self.go_on(now, creator, 0, out);
    }

    /// Records a birth and takes the new task up, with what it has already reported.
    fn born(
        &mut self,
        now: Time,
        birth: Birth,
        creator: Option<Tid>,
        early: Option<Early>,
        out: &mut Output,
    ) {
        let (child, what) = (birth.child, birth.what);
        out.events.push(Event {
            time: now,
            body: EventBody::Birth(birth),
        });
        self.insert(child, State::Newborn);
        match (what, creator) {
            (What::Thread, Some(creator)) => {
                let inherited = self.tracees[&creator].leave;
                let own = (self.policy.new_threads == NewThreads::Detach)
                    .then_some(DetachReason::NewThread);
                self.leave(child.tid, inherited.or(own));
            }
            (What::Process, Some(creator)) if !self.ending => match self.policy.fork {
                ForkMode::Fixed(choice) => self.choose(creator, child.tid, choice, out),
                ForkMode::Ask => {
                    self.questions.insert(child.tid, creator);
                    out.orders.push(Order::Ask {
                        creator,
                        child: child.tid,
                    });
                }
            },
            _ => {}
        }
        match early {
            Some(Early {
                end: Some((_, end)),
                ..
            }) => self.ended(now, child.tid, end, out),
            Some(Early {
                group_stop: true, ..
            }) => self.group_stop(now, child.tid, out),
            Some(_) => self.go_on(now, child.tid, 0, out),
            None => {}
        }
    }

    /// Marks the side of a fork that is not followed.
    fn choose(&mut self, creator: Tid, child: Tid, choice: Choice, out: &mut Output) {
        match choice {
            Choice::Both => {}
            Choice::Parent => self.leave(child, Some(DetachReason::FollowFork)),
            Choice::Child => {
                let Some(pid) = self.tracees.get(&creator).map(|tracee| tracee.pid) else {
                    return;
                };
                let members: Vec<Tid> = self.members(pid).collect();
                for tid in members {
                    self.leave(tid, Some(DetachReason::FollowFork));
                    let state = self.tracees[&tid].state;
                    if tid != creator && matches!(state, State::Running | State::Listening) {
                        out.orders.push(Order::Interrupt(tid));
                    }
                }
            }
        }
    }

    fn leave(&mut self, tid: Tid, reason: Option<DetachReason>) {
        if let (Some(tracee), Some(reason)) = (self.tracees.get_mut(&tid), reason) {
            tracee.leave.get_or_insert(reason);
        }
    }

    /// A stopped thread that nothing more is wanted of: resume it, keep it, or let it go.
    fn go_on(&mut self, now: Time, tid: Tid, signal: i32, out: &mut Output) {
        let asked = self.is_asked(tid);
        let Some(tracee) = self.tracees.get_mut(&tid) else {
            return;
        };
        if self.ending {
            self.let_go_of(tid, false);
            self.calls.forget(tid);
            out.orders.push(Order::Detach { tid, signal });
        } else if self.holding || asked {
            tracee.state = State::Held { signal };
            if !self.holding {
                out.orders.push(Order::Hold(tid));
            }
        } else if let Some(reason) = tracee.leave {
            let task = Task {
                pid: tracee.pid,
                tid,
            };
            self.let_go_of(tid, true);
            self.calls.forget(tid);
            self.let_a_process_go |= task.is_leader();
            out.events.push(Event {
                time: now,
                body: EventBody::Detach { task, reason },
            });
            out.orders.push(Order::Detach { tid, signal });
        } else {
            tracee.state = State::Running;
            out.orders.push(Order::Resume { tid, signal });
        }
    }

    /// Whether a question about this task, as creator or as child, is open.
    fn is_asked(&self, tid: Tid) -> bool {
        !self.questions.is_empty()
            && self
                .questions
                .iter()
                .any(|(child, creator)| *child == tid || *creator == tid)
    }

    fn group_stop(&mut self, now: Time, tid: Tid, out: &mut Output) {
        let asked = self.is_asked(tid);
        let Some(tracee) = self.tracees.get_mut(&tid) else {
            return;
        };
        if self.ending || tracee.leave.is_some() || asked {
            // A detached thread stays in its group-stop: the kernel sees to that.
            self.go_on(now, tid, 0, out);
        } else {
            tracee.state = State::Listening;
            out.orders.push(Order::Listen(tid));
        }
    }

    fn ended(&mut self, now: Time, tid: Tid, end: End, out: &mut Output) {
        let Some(tracee) = self.tracees.remove(&tid) else {
            return;
        };
        self.calls.forget(tid);
        if !matches!(tracee.state, State::Launched | State::LetGo) {
            let task = Task {
                pid: tracee.pid,
                tid,
            };
            if let State::Attaching { parent_pid } = tracee.state {
                out.events.push(existing(now, task, parent_pid, None));
            }
            out.events.push(Event {
                time: now,
                body: EventBody::Exit { task, end },
            });
        }
        self.drop_questions_about(now, tid, out);
    }

    /// An answer is not needed any more when one of the two has ended; the other goes on.
    fn drop_questions_about(&mut self, now: Time, tid: Tid, out: &mut Output) {
        let open: Vec<(Tid, Tid)> = self
            .questions
            .iter()
            .filter(|(child, creator)| **child == tid || **creator == tid)
            .map(|(child, creator)| (*child, *creator))
            .collect();
        for (child, creator) in open {
            self.questions.remove(&child);
            let other = if child == tid { creator } else { child };
            if let Some(tracee) = self.tracees.get(&other)
                && let State::Held { signal } = tracee.state
            {
                self.go_on(now, other, signal, out);
            }
        }
    }
}

fn existing(now: Time, task: Task, parent_pid: Option<Pid>, pc: Option<u64>) -> Event {
    let parent_pid = parent_pid.filter(|_| task.is_leader());
    let body = EventBody::Existing {
        task,
        parent_pid,
        name: Name::default(),
        pc,
        inner: None,
    };
    Event { time: now, body }
}

fn existing_named(now: Time, task: Task, name: Name) -> Event {
    Event {
        time: now,
        body: EventBody::Existing {
            task,
            parent_pid: None,
            name,
            pc: None,
            inner: None,
        },
    }
}
