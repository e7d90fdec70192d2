//! Perfetto's trace format, for ui.perfetto.dev and trace_processor: protocol buffers, of which
//! few messages are needed (protos/perfetto/trace/trace_packet.proto names the fields).
//!
//! Each task is a track of its own, its life a slice on it; a creation is an instant on the
//! creator's track, and a flow leads from there to the new life. Times are the recording host's
//! monotonic clock, with what the wall clock said beside.
//!
//! Packets are in no order of time: readers sort them. A track that is needed before its task's life is
//! told is described without a name first, and with it then.

use std::collections::HashSet;
use std::io::{self, Write};

use anyhow::Result;
use tidline::format::Header;
use tidline::model::{Anchor, FrameId, StackId, Stacks, Time};
use tidline::text;

use super::lives::{self, Creation, Seen, Source, Step};
use super::stacks;
use crate::words;

/// Field numbers, by message.
mod field {
    pub(super) const PACKET: u32 = 1; // Trace
    pub(super) mod packet {
        pub(in super::super) const CLOCK_SNAPSHOT: u32 = 6;
        pub(in super::super) const TIMESTAMP: u32 = 8;
        pub(in super::super) const SEQUENCE: u32 = 10;
        pub(in super::super) const TRACK_EVENT: u32 = 11;
        pub(in super::super) const INTERNED_DATA: u32 = 12;
        pub(in super::super) const SEQUENCE_FLAGS: u32 = 13;
        pub(in super::super) const CLOCK_ID: u32 = 58;
        pub(in super::super) const TRACK_DESCRIPTOR: u32 = 60;
    }
    pub(super) mod track {
        pub(in super::super) const UUID: u32 = 1;
        pub(in super::super) const NAME: u32 = 2;
        pub(in super::super) const PROCESS: u32 = 3;
        pub(in super::super) const THREAD: u32 = 4;
        pub(in super::super) const PARENT_UUID: u32 = 5;
    }
    pub(super) mod process {
        pub(in super::super) const PID: u32 = 1;
        pub(in super::super) const CMDLINE: u32 = 2;
        pub(in super::super) const NAME: u32 = 6;
        pub(in super::super) const START: u32 = 7;
    }
    pub(super) mod thread {
        pub(in super::super) const PID: u32 = 1;
        pub(in super::super) const TID: u32 = 2;
        pub(in super::super) const NAME: u32 = 5;
    }
    pub(super) mod event {
        pub(in super::super) const DEBUG: u32 = 4;
        pub(in super::super) const TYPE: u32 = 9;
        pub(in super::super) const TRACK: u32 = 11;
        pub(in super::super) const CATEGORIES: u32 = 22;
        pub(in super::super) const NAME: u32 = 23;
        pub(in super::super) const FLOW_IDS: u32 = 47;
        pub(in super::super) const TERMINATING_FLOW_IDS: u32 = 48;
        pub(in super::super) const CALLSTACK_IID: u32 = 56;
    }
    pub(super) mod debug {
        pub(in super::super) const UINT: u32 = 3;
        pub(in super::super) const STRING: u32 = 6;
        pub(in super::super) const NAME: u32 = 10;
    }
    pub(super) mod interned {
        pub(in super::super) const FUNCTION_NAMES: u32 = 5;
        pub(in super::super) const FRAMES: u32 = 6;
        pub(in super::super) const CALLSTACKS: u32 = 7;
        pub(in super::super) const SOURCE_PATHS: u32 = 18;
    }
    pub(super) mod frame {
        pub(in super::super) const FUNCTION: u32 = 2;
        pub(in super::super) const SOURCE_PATH: u32 = 5;
        pub(in super::super) const LINE: u32 = 6;
    }
    /// Of all that is interned.
    pub(super) const IID: u32 = 1;
    /// An interned string's text, a call stack's frames.
    pub(super) const CONTENT: u32 = 2;
}

const SLICE_BEGIN: u64 = 1;
const SLICE_END: u64 = 2;
const INSTANT: u64 = 3;
const CLOCK_REALTIME: u64 = 1;
const CLOCK_MONOTONIC: u64 = 3;
const STATE_CLEARED: u64 = 1;
const NEEDS_STATE: u64 = 2;
/// The track of what concerns no task. Those of processes have even numbers, of tasks odd ones.
const RECORDING: u64 = 1;

/// A message of protocol buffers.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn number(mut self, field: u32, value: u64) -> Self {
        self.varint(u64::from(field) << 3);
        self.varint(value);
        self
    }

    /// A field of type `fixed64`.
    fn fixed(mut self, field: u32, value: u64) -> Self {
        self.varint(u64::from(field) << 3 | 1);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn text(self, field: u32, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    fn message(self, field: u32, value: &Message) -> Self {
        self.bytes(field, &value.0)
    }

    fn bytes(mut self, field: u32, value: &[u8]) -> Self {
        self.varint(u64::from(field) << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// Writes a trace.
pub(super) fn write(source: Source<'_>, selected: &str, out: &mut dyn Write) -> Result<()> {
    let about = source.about();
    let mut writer = Writer {
        header: about.header().clone(),
        out,
        processes: Described::default(),
        tasks: Described::default(),
        frames: HashSet::new(),
        stacks: HashSet::new(),
    };
    writer.clocks(about.anchors())?;
    writer.recording(selected)?;
    source.tell(|trace, step| writer.step(trace.stacks(), &step))
}

struct Writer<'a> {
    header: Header,
    out: &'a mut dyn Write,
    processes: Described,
    tasks: Described,
    /// What was interned.
    frames: HashSet<FrameId>,
    stacks: HashSet<StackId>,
}

/// Of which numbers a track was described.
#[derive(Default)]
struct Described(Vec<bool>);

impl Described {
    /// Whether that is the first time.
    fn first(&mut self, number: u32) -> bool {
        let place = number as usize;
        if self.0.len() <= place {
            self.0.resize(place + 1, false);
        }
        !std::mem::replace(&mut self.0[place], true)
    }
}

impl Writer<'_> {
    fn packet(&mut self, packet: &Message) -> io::Result<()> {
        let trace = Message::default().message(field::PACKET, packet);
        self.out.write_all(&trace.0)
    }

    /// A time as the host's monotonic clock told it.
    fn clock(&self, time: Time) -> u64 {
        let start = self.header.start_monotonic_ns;
        start.saturating_add(time.0)
    }

    fn clocks(&mut self, anchors: &[Anchor]) -> io::Result<()> {
        let clock = |id, time| Message::default().number(1, id).number(2, time);
        let mut first = true;
        for anchor in anchors {
            let snapshot = Message::default()
                .message(1, &clock(CLOCK_MONOTONIC, self.clock(anchor.time)))
                .message(1, &clock(CLOCK_REALTIME, anchor.wall_ns.max(0) as u64))
                .number(2, CLOCK_MONOTONIC);
            let mut packet = Message::default()
                .number(field::packet::SEQUENCE, 1)
                .number(field::packet::TIMESTAMP, self.clock(anchor.time))
                .number(field::packet::CLOCK_ID, CLOCK_MONOTONIC)
                .message(field::packet::CLOCK_SNAPSHOT, &snapshot);
            if std::mem::take(&mut first) {
                packet = packet.number(field::packet::SEQUENCE_FLAGS, STATE_CLEARED);
            }
            self.packet(&packet)?;
        }
        Ok(())
    }

    /// Describes a track from a time on: who has a pid or a TID is the last one of that time.
    fn describe(&mut self, since: Time, track: &Message) -> io::Result<()> {
        let packet = Message::default()
            .number(field::packet::SEQUENCE, 1)
            .number(field::packet::TIMESTAMP, self.clock(since))
            .number(field::packet::CLOCK_ID, CLOCK_MONOTONIC)
            .message(field::packet::TRACK_DESCRIPTOR, track);
        self.packet(&packet)
    }

    /// The track of what concerns no task.
    fn recording(&mut self, selected: &str) -> io::Result<()> {
        let host = text::escape(self.header.host.as_bytes());
        let selected = match selected {
            "" => String::new(),
            selected => format!(": {selected}"),
        };
        let track = Message::default()
            .number(field::track::UUID, RECORDING)
            .text(
                field::track::NAME,
                &format!("the recording, on {host}{selected}"),
            );
        self.describe(Time(0), &track)
    }

    /// Describes a process's track, by the task that it has its name from if that is told of.
    fn process(&mut self, task: &Seen<'_>, named: Option<(Time, &str)>) -> io::Result<()> {
        if !self.processes.first(task.process) && named.is_none() {
            return Ok(());
        }
        let pid = task.record.task.pid;
        let mut descriptor = Message::default().number(field::process::PID, int32(pid.0));
        if let Some((born, name)) = named {
            descriptor = descriptor
                .text(field::process::NAME, name)
                .number(field::process::START, self.clock(born));
            let targets = &self.header.targets;
            let target = targets.iter().find(|target| target.pid == pid.0);
            for argument in target.iter().flat_map(|target| &target.command) {
                descriptor = descriptor.text(field::process::CMDLINE, &text::escape(argument));
            }
        }
        let track = Message::default()
            .number(field::track::UUID, process_track(task.process))
            .message(field::track::PROCESS, &descriptor);
        let since = named.map_or(task.record.born, |(born, _)| born);
        self.describe(since, &track)
    }

    /// Describes a task's track; with its name when it is told of.
    fn thread(&mut self, task: &Seen<'_>, name: Option<&str>) -> io::Result<()> {
        if !self.tasks.first(task.number) && name.is_none() {
            return Ok(());
        }
        let ids = task.record.task;
        let mut descriptor = Message::default()
            .number(field::thread::PID, int32(ids.pid.0))
            .number(field::thread::TID, int32(ids.tid.0));
        if let Some(name) = name {
            descriptor = descriptor.text(field::thread::NAME, name);
        }
        let track = Message::default()
            .number(field::track::UUID, task_track(task.number))
            .number(field::track::PARENT_UUID, process_track(task.process))
            .message(field::track::THREAD, &descriptor);
        self.describe(task.record.born, &track)
    }

    /// What a track needs before something is on it.
    fn track(&mut self, task: &Seen<'_>) -> io::Result<u64> {
        self.process(task, None)?;
        self.thread(task, None)?;
        Ok(task_track(task.number))
    }

    /// A track with its name, and its process's if it is that.
    fn named_track(
        &mut self,
        task: &Seen<'_>,
        names_process: Option<Time>,
        name: &str,
    ) -> io::Result<u64> {
        self.process(task, names_process.map(|born| (born, name)))?;
        self.thread(task, Some(name))?;
        Ok(task_track(task.number))
    }

    fn event(&mut self, time: Time, event: &Message, interned: Option<Message>) -> io::Result<()> {
        let mut packet = Message::default()
            .number(field::packet::SEQUENCE, 1)
            .number(field::packet::SEQUENCE_FLAGS, NEEDS_STATE)
            .number(field::packet::TIMESTAMP, self.clock(time))
            .number(field::packet::CLOCK_ID, CLOCK_MONOTONIC);
        if let Some(interned) = interned {
            packet = packet.message(field::packet::INTERNED_DATA, &interned);
        }
        self.packet(&packet.message(field::packet::TRACK_EVENT, event))
    }

    fn step(&mut self, stacks: &Stacks, step: &Step<'_>) -> io::Result<()> {
        match step {
            Step::Life {
                task,
                names_process,
                creation,
                ..
            } => {
                let name = lives::title(task.record);
                let track = self.named_track(task, *names_process, &name)?;
                if let Some(creation) = creation {
                    self.creation(stacks, task, creation)?;
                }
                let record = task.record;
                let mut event = event(SLICE_BEGIN, track, "life", &name);
                if creation.is_some() {
                    event = event.fixed(field::event::TERMINATING_FLOW_IDS, flow(task.number));
                }
                let event = word(event, "what", record.what().as_str());
                let event = word(event, "end", &words::how(record.how));
                let event = number(event, "tid", u64::from(record.task.tid.0));
                self.event(record.born, &event, None)?;
                match record.ended {
                    Some(time) => self.end(track, time),
                    None => Ok(()),
                }
            }
            Step::Creator(task) => {
                let name = format!("({})", lives::title(task.record));
                self.named_track(task, None, &name).map(drop)
            }
            Step::Process { task, born } => {
                let name = lives::title(task.record);
                self.process(task, Some((*born, &name)))
            }
            Step::Moment {
                task,
                time,
                kind,
                title,
            } => {
                let track = match task {
                    Some(task) => self.track(task)?,
                    None => RECORDING,
                };
                self.event(*time, &event(INSTANT, track, kind, title), None)
            }
            Step::Stretch {
                since,
                until,
                kind,
                title,
            } => {
                self.event(*since, &event(SLICE_BEGIN, RECORDING, kind, title), None)?;
                self.end(RECORDING, *until)
            }
        }
    }

    fn end(&mut self, track: u64, time: Time) -> io::Result<()> {
        let end = Message::default()
            .number(field::event::TYPE, SLICE_END)
            .number(field::event::TRACK, track);
        self.event(time, &end, None)
    }

    /// What a task's creator did.
    fn creation(
        &mut self,
        stacks: &Stacks,
        child: &Seen<'_>,
        creation: &Creation<'_>,
    ) -> io::Result<()> {
        let (track, made) = (self.track(&creation.creator)?, creation.made);
        let via = made.via.as_str();
        let title = format!("{via} {}", lives::title(child.record));
        let mut event =
            event(INSTANT, track, via, &title).fixed(field::event::FLOW_IDS, flow(child.number));
        if let Some(flags) = made.flags {
            event = word(event, "flags", &format!("{flags:#x}"));
        }
        if let Some(pc) = made.pc {
            event = word(event, "pc", &format!("{pc:#x}"));
        }
        let mut interned = None;
        if let Some(stack) = child.record.stack {
            interned = self.intern(stacks, stack);
            event = event.number(field::event::CALLSTACK_IID, u64::from(stack.0) + 1);
        }
        self.event(child.record.born, &event, interned)
    }

    /// What is to be known of a stack before its first use.
    fn intern(&mut self, stacks: &Stacks, stack: StackId) -> Option<Message> {
        if !self.stacks.insert(stack) {
            return None;
        }
        let mut interned = Message::default();
        let mut callstack = Message::default().number(field::IID, u64::from(stack.0) + 1);
        let mut room = stacks::MOST_FRAMES;
        for frame in stacks::frames(stacks, stack) {
            if room == 0 {
                break;
            }
            let labels = stacks::labels(stacks, frame);
            room = room.saturating_sub(labels.len());
            let first = self.frames.insert(frame);
            for (index, label) in labels.iter().enumerate() {
                let iid = u64::from(frame.0) * stacks::MOST_FRAMES as u64 + index as u64 + 1;
                callstack = callstack.number(field::CONTENT, iid);
                if first {
                    interned = with_frame(interned, iid, label);
                }
            }
        }
        Some(interned.message(field::interned::CALLSTACKS, &callstack))
    }
}

/// Interned data and one more frame.
fn with_frame(interned: Message, iid: u64, label: &stacks::Label) -> Message {
    let string = |text: &str| {
        Message::default()
            .number(field::IID, iid)
            .text(field::CONTENT, text)
    };
    let mut frame = Message::default()
        .number(field::IID, iid)
        .number(field::frame::FUNCTION, iid);
    let mut interned = interned.message(field::interned::FUNCTION_NAMES, &string(&label.function));
    if !label.file.is_empty() {
        frame = frame.number(field::frame::SOURCE_PATH, iid);
        interned = interned.message(field::interned::SOURCE_PATHS, &string(&label.file));
    }
    if let Some(line) = label.line {
        frame = frame.number(field::frame::LINE, u64::from(line));
    }
    interned.message(field::interned::FRAMES, &frame)
}

fn event(kind: u64, track: u64, category: &str, name: &str) -> Message {
    Message::default()
        .number(field::event::TYPE, kind)
        .number(field::event::TRACK, track)
        .text(field::event::CATEGORIES, category)
        .text(field::event::NAME, name)
}

/// An event with one more fact.
fn word(event: Message, name: &str, value: &str) -> Message {
    let fact = Message::default()
        .text(field::debug::NAME, name)
        .text(field::debug::STRING, value);
    event.message(field::event::DEBUG, &fact)
}

fn number(event: Message, name: &str, value: u64) -> Message {
    let fact = Message::default()
        .text(field::debug::NAME, name)
        .number(field::debug::UINT, value);
    event.message(field::event::DEBUG, &fact)
}

fn process_track(number: u32) -> u64 {
    2 + 2 * u64::from(number)
}

fn task_track(number: u32) -> u64 {
    3 + 2 * u64::from(number)
}

fn flow(number: u32) -> u64 {
    1 + u64::from(number)
}

/// A number as a field of type `int32` has it.
fn int32(number: u32) -> u64 {
    i64::from(number.cast_signed()).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_as_protocol_buffers_have_them() {
        // The examples of the encoding's documentation.
        assert_eq!(Message::default().number(1, 150).0, [0x08, 0x96, 0x01]);
        let testing = [0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67];
        assert_eq!(Message::default().text(2, "testing").0, testing);
        let inner = Message::default().number(1, 150);
        let outer = Message::default().message(3, &inner);
        assert_eq!(outer.0, [0x1a, 0x03, 0x08, 0x96, 0x01]);
        let fixed = Message::default().fixed(47, 0x0102);
        assert_eq!(fixed.0, [0xf9, 0x02, 0x02, 0x01, 0, 0, 0, 0, 0, 0]);
        let negative = Message::default().number(1, int32(u32::MAX));
        assert_eq!(negative.0.len(), 11);
    }
}
