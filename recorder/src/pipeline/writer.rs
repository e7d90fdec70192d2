//! The writer's thread: takes events from the queue, watches names, writes chunks.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tidline::format::{Error, Header, Writer};
use tidline::model::{Event, EventBody, Live, Time};

use super::choose::{Choose, Globs};
use super::folder::Folder;
use super::names::Names;
use super::output::{Output, shown};
use super::place;
use super::progress::{Counts, Progress};
use super::queue::{End, Receiver, Told, Woken};
use super::snapshot::Snapshots;
use super::stacks::Stacks;
use super::trigger::Triggers;
use crate::capture::Room;
use crate::cli::SymbolMode;
use crate::clock::Clock;
use crate::doorbell::Doorbell;
use crate::keep::{Keep, OnFull};
use crate::proc;
use crate::say::say;
use crate::stacks::{self, Frames};
use crate::thread;

/// Events are gathered so long before they are written. `kill -9` costs at most these.
const GATHER: Duration = Duration::from_millis(100);
/// So soon after an event stacks are made of what was captured.
const SOON: Duration = Duration::from_millis(5);
/// What was written reaches the disk itself so often, ns.
const SYNC_EVERY_NS: u64 = 5_000_000_000;
/// An event that is older than this, ns, has come through the queue.
/// (By ptrace that is a matter of microseconds, by perf of how long a task takes to end.)
pub(super) const ON_ITS_WAY_NS: u64 = 300_000_000;
/// While nothing happens, a chunk without events says so often that nothing did, ns.
const HEARTBEAT_NS: u64 = 60_000_000_000;

/// What the writer did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Summary {
    /// Events that are in the file, or the files.
    pub(crate) events: u64,
    /// Events of files that were given up.
    pub(crate) given_up: u64,
    pub(crate) threads: u64,
    pub(crate) processes: u64,
    pub(crate) exits: u64,
    pub(crate) lost: u64,
    pub(crate) gaps: u64,
    /// Events of tasks that were left out by their names.
    pub(crate) left_out: u64,
    /// What is wrong with the file, in words.
    pub(crate) problem: Option<String>,
}

/// The thread, from its start until the queue is closed.
pub(crate) struct WriterThread(JoinHandle<Option<Summary>>);

/// What the thread writes to.
pub(crate) struct Opened {
    pub(crate) writer: Writer<Output>,
    /// If the recording is several files.
    pub(crate) folder: Option<Folder>,
}

/// What the thread works with.
pub(crate) struct Setup {
    pub(crate) clock: Clock,
    pub(crate) doorbell: Doorbell,
    pub(crate) keep: Keep,
    /// Only what went wrong is said.
    pub(crate) quiet: bool,
    /// Of the recording, for its snapshots.
    pub(crate) header: Header,
    pub(crate) globs: Globs,
    pub(crate) stacks: stacks::Stacks,
    pub(crate) symbols: SymbolMode,
    pub(crate) progress: Arc<Progress>,
    /// Each new name of a task comes as an event.
    pub(crate) names_are_told: bool,
}

struct Work {
    writer: Writer<Output>,
    folder: Option<Folder>,
    clock: Clock,
    doorbell: Doorbell,
    header: Header,
    on_full: OnFull,
    live: Live,
    triggers: Triggers,
    snapshots: Snapshots,
    /// Events that could not be written to files that are finished.
    lost_before: u64,
    /// Bytes in files that are finished, those that were given up included.
    bytes_before: u64,
    names: Names,
    /// `None` where none are taken.
    stacks: Option<Stacks>,
    /// What was noted since the last batch was taken.
    found: Vec<Event>,
    /// All that happened until then was taken, where the tracer says that.
    reached: Option<Time>,
    /// `None` where every task is kept.
    choose: Option<Choose>,
    chosen: Vec<Event>,
    progress: Arc<Progress>,
    summary: Summary,
    last_sync: Time,
    last_write: Time,
    last_flush: Time,
    /// Up to here all is written, or about to be: nothing that comes is earlier.
    told: Time,
    complained: bool,
    /// Files that were given up early, as far as the recording tells of them, and in which file it does.
    told_early: (u64, Option<u32>),
    /// That somebody else did something to finished files was said.
    told_touched: bool,
}

impl WriterThread {
    /// Starts it. `open` gives the trace's file, in the thread: no disk may hold the tracer. It
    /// gives `None` if there is to be no recording after all.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub(crate) fn start(
        open: impl FnOnce() -> Option<anyhow::Result<Opened>> + Send + 'static,
        receiver: Receiver,
        setup: Setup,
    ) -> io::Result<Self> {
        let work = move || match open() {
            None => Summary::default(),
            Some(Ok(opened)) => Work::new(opened, setup, receiver.room()).run(&receiver),
            Some(Err(error)) => {
                say(format_args!("nothing is recorded: {error:#}"));
                Summary {
                    problem: Some("there is no recording".into()),
                    ..Summary::default()
                }
            }
        };
        Ok(WriterThread(thread::start("tidrec-writer", work)?))
    }

    /// Whether everything that was queued is written.
    pub(crate) fn is_done(&self) -> bool {
        self.0.is_finished()
    }

    /// Waits for it.
    pub(crate) fn join(self) -> io::Result<Summary> {
        let summary = self.0.join().ok().flatten();
        summary.ok_or_else(|| io::Error::other("the writer's thread failed"))
    }
}

impl Work {
    fn new(opened: Opened, setup: Setup, room: Arc<Room>) -> Self {
        let keep = &setup.keep;
        let stacks = match setup.stacks.stacks {
            Frames::Off => None,
            Frames::AtMost(frames) => Some(Stacks::new(frames, setup.symbols, room)),
        };
        let limited = opened.folder.as_ref();
        let limited = limited.filter(|folder| folder.max_bytes().is_some());
        let earlier = limited.map(|folder| place::earlier(folder.path()));
        Work {
            writer: opened.writer,
            folder: opened.folder,
            clock: setup.clock,
            doorbell: setup.doorbell,
            header: setup.header,
            on_full: keep.on_full,
            live: Live::default(),
            triggers: Triggers::new(&keep.triggers, keep.trigger_pause),
            snapshots: Snapshots::new(keep, earlier.unwrap_or_default(), setup.quiet),
            lost_before: 0,
            bytes_before: 0,
            names: Names::new(setup.names_are_told),
            stacks,
            found: Vec::new(),
            reached: None,
            choose: Choose::new(setup.globs, proc::comm),
            chosen: Vec::new(),
            progress: setup.progress,
            summary: Summary::default(),
            last_sync: Time(0),
            last_write: Time(0),
            last_flush: Time(0),
            told: Time(0),
            complained: false,
            told_early: (0, None),
            told_touched: false,
        }
    }

    fn run(mut self, receiver: &Receiver) -> Summary {
        let mut batch = Vec::new();
        loop {
            let mut woken = receiver.wait_for_some(Some(self.time_to_sleep()));
            if woken == Woken::Open {
                woken = receiver.wait_for_many(self.time_to_gather());
            }
            batch.clear();
            let now = self.clock.now();
            // Before the queue is emptied: what comes afterwards may be older than it says then.
            self.reached = receiver.reached();
            receiver.take(&mut batch, now);
            self.push_all(&mut batch, receiver);
            // Captured stacks may have called for room long before it is time to write.
            if woken == Woken::Open && now.0 < self.last_flush.0 + GATHER.as_nanos() as u64 {
                continue;
            }
            self.last_flush = now;
            self.write(now);
            for reason in receiver.take_snapshots() {
                self.snapshot_now(reason, receiver);
            }
            self.tend_snapshots(false);
            if woken == Woken::Closed {
                // The queue was closed before it was emptied: this was the last batch.
                self.push_all(&mut Vec::new(), receiver);
                self.write(self.clock.now());
                self.tend_snapshots(true);
                return match receiver.end() {
                    Some(end) => self.finish(&end),
                    None => self.summary,
                };
            }
        }
    }

    /// With stacks it looks sooner: what they are made of may be gone a moment later.
    fn time_to_gather(&self) -> Duration {
        match self.stacks {
            Some(_) => SOON,
            None => GATHER,
        }
    }

    fn time_to_sleep(&self) -> Duration {
        let now = self.clock.now();
        if !self.found.is_empty() || self.writer.pending() > 0 {
            return GATHER;
        }
        let heartbeat = Time(self.last_write.0 + HEARTBEAT_NS);
        let symbols = self.stacks.as_ref().and_then(|stacks| stacks.next(now));
        let next = [self.names.next(), self.snapshots.next(), symbols]
            .into_iter()
            .flatten()
            .fold(heartbeat, Time::min);
        // Names that are due at different moments are looked at together.
        Duration::from_nanos(next.0.saturating_sub(now.0)).max(GATHER)
    }

    /// Writes a batch. What is noted on the way, renames and marks, waits for the next one: an event
    /// with an earlier time may still be on its way through the queue.
    fn push_all(&mut self, batch: &mut Vec<Told>, receiver: &Receiver) {
        let mut read = |tid| proc::comm(tid);
        let found = std::mem::take(&mut self.found);
        let mut found = found.into_iter().peekable();
        for told in batch.drain(..) {
            let mut event = match &mut self.stacks {
                Some(stacks) => stacks.follow(told),
                None => told.event,
            };
            while let Some(found) = found.next_if(|found| found.time < event.time) {
                self.push_found(found);
            }
            if let Some(rename) = self.names.last_rename(&event) {
                self.pass(rename);
            }
            if self.names.follow(&mut event, &mut read) {
                self.pass(event);
            }
            receiver.note_done();
        }
        for found in found {
            self.push_found(found);
        }
    }

    /// Writes what was pushed, and looks for what else there is to tell.
    fn write(&mut self, taken: Time) {
        let defined = self.define_symbols();
        self.flush(taken, defined);
        self.report();
        let now = self.clock.now();
        let mut read = |tid| proc::comm(tid);
        let mut renames = std::mem::take(&mut self.found);
        self.names.look(now, &mut read, &mut renames);
        self.found = renames;
    }

    fn push_found(&mut self, found: Event) {
        if matches!(found.body, EventBody::Mark { .. }) || self.names.concern(&found) {
            self.pass(found);
        }
    }

    /// Pushes an event, or what is left of it where not every task is kept.
    fn pass(&mut self, event: Event) {
        let Some(choose) = &mut self.choose else {
            return self.push(&event);
        };
        let mut chosen = std::mem::take(&mut self.chosen);
        choose.pass(event, &mut chosen);
        for event in chosen.drain(..) {
            self.push(&event);
        }
        self.chosen = chosen;
    }

    fn report(&self) {
        let summary = &self.summary;
        let lost = self.writer.lost() + self.lost_before;
        self.progress.store(Counts {
            events: summary.events.saturating_sub(lost),
            live: self.live.len() as u64,
            threads: summary.threads,
            processes: summary.processes,
            exits: summary.exits,
            lost: summary.lost + lost,
            gaps: summary.gaps,
            bytes: self.bytes_before + self.writer.offset(),
        });
    }

    fn push(&mut self, event: &Event) {
        let summary = &mut self.summary;
        summary.events += 1;
        match &event.body {
            // It is about events, and none.
            EventBody::Lost { count, .. } => {
                summary.events -= 1;
                summary.lost += count;
            }
            EventBody::Birth(birth) => match birth.what {
                tidline::model::What::Thread => summary.threads += 1,
                tidline::model::What::Process => summary.processes += 1,
            },
            EventBody::Exit { .. } => summary.exits += 1,
            EventBody::Gap { .. } => summary.gaps += 1,
            _ => {}
        }
        self.told = self.told.max(event.time);
        if let Some(stacks) = &mut self.stacks {
            let result = stacks.define(event, &mut self.writer);
            self.note(result);
        }
        let result = self.writer.push(event);
        self.note(result);
        self.live.follow(event);
        for reason in self.triggers.follow(event, self.live.len()) {
            self.snapshot(event.time, reason);
        }
        if let Some(folder) = &self.folder
            && folder.is_batch_full(&self.writer)
        {
            self.write_out(event.time);
            self.rotate(event.time);
        }
    }

    /// A snapshot is wanted of what is around an event, which was just pushed.
    fn snapshot(&mut self, at: Time, reason: String) {
        if let Some(mark) = self.ask_for_snapshot(at, reason) {
            self.summary.events += 1;
            let result = self.writer.push(&mark);
            self.note(result);
            self.live.follow(&mark);
        }
    }

    /// A snapshot is wanted of what is around now.
    fn snapshot_now(&mut self, reason: String, receiver: &Receiver) {
        let mark = self.ask_for_snapshot(self.clock.now(), reason);
        self.found
            .extend(mark.and_then(|mark| receiver.hand_over(mark)));
    }

    /// The mark by which the recording says so.
    fn ask_for_snapshot(&mut self, at: Time, reason: String) -> Option<Event> {
        let text = format!("snapshot: {reason}").as_str().into();
        self.snapshots.ask(at, reason);
        if !self.writer.get_mut().is_file() {
            self.snapshots
                .refuse("the recording is not a file, and cannot be read back");
            return None;
        }
        let body = EventBody::Mark { text };
        Some(Event { time: at, body })
    }

    /// Begins the snapshot that is due, if there is one.
    fn tend_snapshots(&mut self, ending: bool) {
        // At the end there may be one that is being written, and one that waits for it.
        while self.snapshots.is_due(self.known_now(), ending) {
            // What came before this moment is in the file.
            let vouched = match ending {
                true => self.clock.now(),
                false => self.vouched(self.known_now()),
            };
            self.told = self.told.max(vouched);
            self.write_out(vouched);
            let output = self.writer.get_mut().path().to_owned();
            let Some(folder) = &self.folder else {
                let files = [output.clone()];
                self.snapshots
                    .begin(&files, 0, &self.header, &output, vouched);
                continue;
            };
            // Who moved the last one away a moment ago made room for this one.
            self.snapshots.look_again();
            // Else snapshots would take the place of what they are to be made of.
            let room = folder
                .max_bytes()
                .map_or(u64::MAX, |max| max / 2)
                .saturating_sub(self.snapshots.bytes());
            let (files, bytes) = folder.files_since(self.snapshots.begins(), &self.writer, room);
            if files.is_empty() {
                self.snapshots
                    .refuse("those that are there fill half of --max-disk; move them elsewhere");
                continue;
            }
            let output = folder.path().to_owned();
            self.snapshots
                .begin(&files, bytes, &self.header, &output, vouched);
            // Room for it. The files that it is made of are open.
            let needed = self.snapshots.needed();
            let others = self.snapshots.bytes();
            folder.evict(&self.writer, 0, others, needed, self.clock.now());
        }
    }

    /// Before when all that happened has been pushed, if the queue was emptied then.
    fn vouched(&self, taken: Time) -> Time {
        let vouched = Time(taken.0.saturating_sub(ON_ITS_WAY_NS));
        self.reached.map_or(vouched, |reached| reached.min(vouched))
    }

    /// Now, or as much later than what is known as now usually is.
    fn known_now(&self) -> Time {
        let now = self.clock.now();
        self.reached.map_or(now, |reached| {
            now.min(Time(reached.0.saturating_add(ON_ITS_WAY_NS)))
        })
    }

    /// Writes what was pushed. `taken` is when the queue was emptied: an event that is older may
    /// still be on its way into it, by some microseconds.
    fn flush(&mut self, taken: Time, defined: bool) {
        let quiet = self.writer.pending() == 0;
        if quiet && !defined && taken.0 < self.last_write.0 + HEARTBEAT_NS {
            return;
        }
        self.last_write = taken;
        let vouched = if quiet { self.vouched(taken) } else { Time(0) };
        self.told = self.told.max(vouched);
        self.write_out(vouched);
        self.rotate(taken);
        self.checkpoint();
        if taken.0 >= self.last_sync.0 + SYNC_EVERY_NS {
            self.last_sync = taken;
            let _ = self.writer.get_mut().sync();
        }
    }

    /// Names for frames, where they were found since; whether there were any.
    fn define_symbols(&mut self) -> bool {
        let now = self.clock.now();
        let Some(stacks) = &mut self.stacks else {
            return false;
        };
        let result = stacks.define_symbols(now, &mut self.writer);
        let any = *result.as_ref().unwrap_or(&false);
        self.note(result.map(|_| ()));
        any
    }

    /// Writes the batch, once there is room for it.
    fn write_out(&mut self, vouched: Time) {
        self.make_room();
        let result = self.writer.flush(vouched);
        self.note(result);
        // As a reader takes an event that comes later, and is older all the same.
        self.live.reached(vouched);
        self.tell_of_a_full_disk();
        if let Some(folder) = self.folder.as_ref()
            && !self.told_touched
            && folder.was_touched()
            && let Some(problem) = folder.problem()
        {
            self.told_touched = true;
            say(format_args!("{}: {problem}", shown(folder.path())));
        }
    }

    /// Says, and notes in each file, that older ones had to go for the sake of a full disk.
    fn tell_of_a_full_disk(&mut self) {
        let Some(folder) = &self.folder else { return };
        let (early, number) = (folder.given_up_early(), folder.number());
        let (told, told_in) = self.told_early;
        if early == told || told_in == Some(number) {
            return;
        }
        self.told_early = (early, Some(number));
        if told == 0 {
            say(format_args!(
                "{}: the disk is full, and the oldest files are given up before their time",
                shown(folder.path())
            ));
        }
        let s = if early == 1 { "" } else { "s" };
        let text = format!("the disk was full: {early} file{s} given up before their time");
        let body = EventBody::Mark {
            text: text.as_str().into(),
        };
        let time = self.clock.now();
        self.found.push(Event { time, body });
    }

    /// Gives up the oldest files, for the sake of what is about to be written.
    fn make_room(&mut self) {
        if let Some(folder) = &self.folder {
            let (others, needed) = (self.snapshots.bytes(), self.snapshots.needed());
            let adding = Folder::batch(&self.writer);
            folder.evict(&self.writer, adding, others, needed, self.clock.now());
        }
    }

    /// Begins the next file when it is time to.
    fn rotate(&mut self, now: Time) {
        let Some(folder) = &mut self.folder else {
            return;
        };
        let others = self.snapshots.bytes();
        if !folder.is_due(&self.writer, now, self.live.len() as u64, others) {
            return;
        }
        let carried = self.live.checkpoint();
        let bytes = self.writer.offset();
        // Meanwhile there may have been events, which are not to be later than the next file's begin.
        let anchor = self.clock.anchor_at(self.told);
        let stacks = self.stacks.as_ref();
        let (defined, needed) = stacks
            .map(|stacks| stacks.for_new_file(&carried))
            .unwrap_or_default();
        let rotated = folder.rotate(&mut self.writer, (&needed, &carried), anchor, others);
        match rotated {
            Ok(lost) => {
                if let Some(stacks) = &mut self.stacks {
                    stacks.new_file(defined);
                }
                self.lost_before += lost;
                self.bytes_before += bytes;
            }
            Err(error) => self.note(Err(error)),
        }
    }

    /// Writes a checkpoint inside the file when one is due. Where the recording is several files, each
    /// begins with one.
    fn checkpoint(&mut self) {
        if self.folder.is_some() || self.writer.is_behind() || !self.writer.is_checkpoint_due() {
            return;
        }
        let (carried, tally) = (self.live.checkpoint(), self.live.tally());
        let anchor = self.clock.anchor_at(self.told);
        let result = self.writer.checkpoint_with(&carried, &tally, anchor);
        self.note(result);
    }

    /// Says once what is wrong with the output. The recording goes on, unless that is not wanted: when
    /// writing works again, the file tells how much is missing.
    fn note(&mut self, result: Result<(), Error>) {
        let Err(error) = result else { return };
        if let Some(stacks) = &mut self.stacks {
            stacks.write_failed();
        }
        if error.is_about_definitions() {
            return; // They are written again with the next event that needs them.
        }
        if self.on_full == OnFull::Stop {
            let path = shown(self.writer.get_mut().path());
            self.doorbell
                .ask_to_stop(format!("{path} cannot be written"));
        }
        if std::mem::replace(&mut self.complained, true) {
            return;
        }
        let path = shown(self.writer.get_mut().path());
        let hope = match &error {
            Error::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe => {
                "its reader is gone, and nothing more is kept"
            }
            _ if self.on_full == OnFull::Stop => "the recording ends here (--on-full stop)",
            _ => "the recording goes on, what is lost is counted in the file",
        };
        say(format_args!(
            "{path}: {:#}; {hope}",
            anyhow::Error::from(error)
        ));
    }

    /// Writes the end mark. What was done, and what is wrong with the file.
    fn finish(mut self, end: &End) -> Summary {
        self.make_room();
        let problem = self.writer.get_mut().problem();
        let mut of_stacks = Vec::new();
        if let Some(stacks) = self.stacks.take() {
            let (written, counters) = stacks.finish(&mut self.writer, &self.progress);
            of_stacks = counters;
            self.note(written);
        }
        let mut summary = self.summary;
        let lost = self.writer.lost() + self.lost_before;
        summary.lost += lost;
        let mut counters = end.counters.clone();
        counters.extend(of_stacks);
        if self.snapshots.written() > 0 {
            counters.push(("snapshots", self.snapshots.written()));
        }
        if let Some(choose) = &self.choose {
            summary.left_out = choose.left_out();
            counters.push(("left_out", summary.left_out));
        }
        if let Some(folder) = &self.folder {
            counters.extend(folder.counters());
        }
        // Not now: names may have been looked up for a long while.
        let ended = end.at.max(self.told);
        let result = self.writer.finish(ended, &end.reason, &counters);
        let written = match result {
            Ok(output) => output
                .sync()
                .err()
                .map(|error| format!("not on the disk: {error}")),
            Err(error) if error.is_about_definitions() => Some(format!(
                "{:#}; some of its stacks are missing",
                anyhow::Error::from(error)
            )),
            Err(error) => Some(format!(
                "{:#}; it has no end mark",
                anyhow::Error::from(error)
            )),
        };
        // The last write may have cost a file, too.
        summary.given_up = self.folder.as_ref().map_or(0, Folder::events_given_up);
        summary.events = summary.events.saturating_sub(lost + summary.given_up);
        let files = self.folder.as_ref().and_then(Folder::problem);
        let problems: Vec<String> = [problem.or(written), files].into_iter().flatten().collect();
        summary.problem = (!problems.is_empty()).then(|| problems.join("; "));
        summary
    }
}
