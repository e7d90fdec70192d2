//! A sound file from what is readable of others: a stretch of a recording, or a mended one.

use std::collections::HashMap;
use std::io::{Read, Seek, Write};

use super::define::Defined;
use super::error::Error;
use super::header::Header;
use super::reader::{Segment, Sink, scan};
use super::rewrite::{Rewrite, Rewriting, Unchanged};
use super::writer::Writer;
use crate::model::{
    Anchor, Carried, Damage, Definition, Ending, Event, EventBody, FrameId, GapReason, Integrity,
    Live, Stacks, Symbol, Time,
};

/// What to take.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    /// Events before this are left out; what they leave alive is carried on by a checkpoint.
    pub from: Time,
    /// Events after this are left out.
    pub to: Time,
}

impl Stretch {
    /// All of it.
    pub const WHOLE: Stretch = Stretch {
        from: Time(0),
        to: Time(u64::MAX),
    };
}

/// What became of an extract.
#[derive(Clone, Debug)]
pub struct Extracted {
    /// Events written, and gaps for damage among them.
    pub events: u64,
    /// How many of them are such gaps.
    pub gaps: u64,
    /// The first moment that the new file knows of.
    pub begin: Time,
    /// The last one.
    pub end: Time,
    /// The last moment that the files it was taken from know of.
    pub reached: Time,
    /// What the wall clock said, in order of time; the first is of the recording's start.
    pub anchors: Vec<Anchor>,
    /// What was wrong with the files that it was taken from.
    pub integrity: Integrity,
}

/// Writes a stretch of a recording to `out`, as a file of its own with this header, and gives
/// `out` back. Memory is bounded by what lives at a time and by how many different stacks there
/// are, not by the length of the files.
///
/// Damage becomes gaps ([`GapReason::Damaged`]), so that what could not be read is told by
/// the new file, too; and so does the want of an end, unless the stretch ends before it.
///
/// # Errors
/// If the files cannot be read or are not of one recording, or `out` cannot be written.
pub fn extract<R: Read + Seek, W: Write>(
    segments: Vec<Segment<R>>,
    stretch: Stretch,
    header: &Header,
    out: W,
) -> Result<(W, Extracted), Error> {
    extract_changed(segments, stretch, header, out, &mut Unchanged)
}

/// The same, with these symbols in place of those that the recording has of the same frames.
///
/// # Errors
/// As [`extract`].
pub fn extract_with_symbols<R: Read + Seek, W: Write>(
    segments: Vec<Segment<R>>,
    stretch: Stretch,
    header: &Header,
    symbols: HashMap<FrameId, Symbol>,
    out: W,
) -> Result<(W, Extracted), Error> {
    extract_changed(segments, stretch, header, out, &mut Better(symbols))
}

/// The same, with everything changed on the way but the header, which is as it is given.
///
/// # Errors
/// As [`extract`].
pub fn extract_changed<R: Read + Seek, W: Write>(
    segments: Vec<Segment<R>>,
    stretch: Stretch,
    header: &Header,
    out: W,
    rewrite: &mut impl Rewrite,
) -> Result<(W, Extracted), Error> {
    let begins_later = segments
        .iter()
        .map(|segment| segment.header().segment)
        .min()
        .is_some_and(|first| first > 0);
    let mut copy = Copy {
        writer: Writer::start(out, header)?,
        stretch,
        live: Live::default(),
        anchors: vec![Anchor {
            time: Time(0),
            wall_ns: header.start_wall_ns,
            utc_offset_s: header.utc_offset_s,
        }],
        begun: None,
        restored: false,
        mended: false,
        begins_later,
        events: 0,
        gaps: 0,
        counters: Vec::new(),
        stacks: Stacks::default(),
        defined: Defined::default(),
        needed: Vec::new(),
        now: Time(0),
        failed: None,
    };
    let mut rewriting = Rewriting {
        sink: &mut copy,
        rewrite: &mut *rewrite,
    };
    let integrity = scan(segments, &mut rewriting)?;
    copy.begin();
    let whole = stretch.to >= copy.now;
    let reason = match &integrity.ending {
        Ending::Finished(reason) if whole => rewrite.ending(reason.clone()),
        Ending::CutShort if whole => {
            copy.gap(copy.now, "the recording was cut short here");
            "the recording was cut short".into()
        }
        _ => "the stretch that was asked for ended".into(),
    };
    copy.defined.for_end(&copy.stacks, &mut copy.needed);
    copy.define_needed();
    if let Some(error) = copy.failed {
        return Err(error);
    }
    let end = copy.now.min(stretch.to).max(stretch.from);
    let counters: Vec<(&str, u64)> = copy
        .counters
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    let out = copy.writer.finish(end, &reason, &counters)?;
    let extracted = Extracted {
        events: copy.events,
        gaps: copy.gaps,
        reached: copy.now,
        begin: copy.begun.unwrap_or_default(),
        end,
        anchors: copy.anchors,
        integrity,
    };
    Ok((out, extracted))
}

/// Symbols that are better than the recording's.
struct Better(HashMap<FrameId, Symbol>);

impl Better {
    fn of(&self, frame: FrameId) -> Option<Definition> {
        let symbol = self.0.get(&frame)?;
        Some(Definition::Symbol(frame, symbol.clone()))
    }
}

impl Rewrite for Better {
    fn definition(&mut self, definition: Definition) -> Definition {
        match &definition {
            Definition::Symbol(frame, _) => self.of(*frame).unwrap_or(definition),
            _ => definition,
        }
    }

    fn beside(&mut self, definition: &Definition) -> Option<Definition> {
        match definition {
            Definition::Frame(frame, _) => self.of(*frame),
            _ => None,
        }
    }
}

struct Copy<W> {
    writer: Writer<W>,
    stretch: Stretch,
    /// What lives, until the stretch begins.
    live: Live,
    /// The clock's readings so far; at least the header's.
    anchors: Vec<Anchor>,
    /// Where the stretch began, once it has.
    begun: Option<Time>,
    /// What lives comes from a checkpoint: no event of the stretch tells of it.
    restored: bool,
    /// Something was lost since the last checkpoint, so the next one has news.
    mended: bool,
    begins_later: bool,
    events: u64,
    gaps: u64,
    counters: Vec<(String, u64)>,
    stacks: Stacks,
    defined: Defined,
    /// What is to be defined before the next thing is written.
    needed: Vec<Definition>,
    now: Time,
    failed: Option<Error>,
}

impl<W: Write> Copy<W> {
    /// Writes the checkpoint that stands for all that was before.
    fn begin(&mut self) {
        if self.begun.is_some() {
            return;
        }
        let live = std::mem::take(&mut self.live);
        let carries = self.restored || self.begins_later || self.stretch.from > Time(0);
        let time = self.stretch.from.max(live.now().min(self.stretch.to));
        self.begun = Some(if carries { time } else { Time(0) });
        if carries {
            self.checkpoint_now(&live.checkpoint(), self.clock_at(time));
        } else if self.anchors.len() > 1 {
            let written = self.writer.anchor(self.clock_at(time));
            self.note(written);
        }
    }

    /// What the wall clock said at a time that is not before its last reading.
    fn clock_at(&self, time: Time) -> Anchor {
        let last = self.anchors.last().copied();
        let last = last.unwrap_or(Anchor {
            time,
            wall_ns: 0,
            utc_offset_s: 0,
        });
        let since = time.0.saturating_sub(last.time.0);
        Anchor {
            time,
            wall_ns: last.wall_ns.saturating_add_unsigned(since),
            ..last
        }
    }

    fn checkpoint_now(&mut self, carried: &[Carried], anchor: Anchor) {
        self.defined
            .for_checkpoint(carried, &self.stacks, &mut self.needed);
        self.define_needed();
        let written = self.writer.checkpoint(carried, anchor);
        self.note(written);
    }

    fn push(&mut self, event: &Event) {
        self.begin();
        self.defined
            .for_event(event, &self.stacks, &mut self.needed);
        self.define_needed();
        let written = self.writer.push(event);
        self.note(written);
        self.events += 1;
    }

    fn define_needed(&mut self) {
        for definition in std::mem::take(&mut self.needed) {
            let written = self.writer.define(&definition);
            self.note(written);
        }
    }

    fn gap(&mut self, since: Time, problem: &str) {
        self.gaps += 1;
        self.push(&Event {
            time: self.now,
            body: EventBody::Gap {
                reason: GapReason::Damaged,
                count: 0,
                since,
                detail: problem.into(),
            },
        });
    }

    fn note(&mut self, written: Result<(), Error>) {
        if let Err(error) = written {
            self.failed.get_or_insert(error);
        }
    }
}

impl<W: Write> Sink for Copy<W> {
    fn event(&mut self, event: Event) {
        self.now = self.now.max(event.time);
        if event.time < self.stretch.from {
            self.live.follow(&event);
        } else if event.time <= self.stretch.to {
            self.push(&event);
        }
    }

    fn checkpoint(&mut self, carried: &[Carried], time: Time) {
        self.now = self.now.max(time);
        if self.begun.is_none() {
            self.live = Live::restored(carried, time);
            self.restored = true;
        } else if std::mem::take(&mut self.mended) && time <= self.stretch.to {
            self.checkpoint_now(carried, self.clock_at(time));
        }
    }

    fn define(&mut self, definition: Definition) {
        self.defined
            .take_up(definition, &mut self.stacks, &mut self.needed);
        self.define_needed();
    }

    fn anchor(&mut self, mut anchor: Anchor) {
        // The writer's times do not go back.
        let late = self.now.0.saturating_sub(anchor.time.0);
        anchor.time = anchor.time.max(self.now);
        anchor.wall_ns = anchor.wall_ns.saturating_add_unsigned(late);
        self.anchors.push(anchor);
        if self.begun.is_some() && anchor.time <= self.stretch.to {
            let written = self.writer.anchor(anchor);
            self.note(written);
        }
    }

    fn counter(&mut self, name: String, value: u64) {
        match self.counters.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.counters.push((name, value)),
        }
    }

    fn reached(&mut self, time: Time) {
        self.now = self.now.max(time);
    }

    fn damaged(&mut self, damage: &Damage) {
        self.mended = true;
        let until = damage.before.unwrap_or(self.now);
        if until >= self.stretch.from && damage.after <= self.stretch.to {
            self.now = self.now.max(until.min(self.stretch.to));
            self.gap(damage.after, &damage.problem);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::format::{GIVEN_UP_EARLY, read_segments, read_trace};
    use crate::model::{Ended, Origin, Task, Trace};
    use crate::synth;

    const CHUNK: usize = 50;

    /// The header of a recorder that was to give up its oldest files.
    fn limited() -> Header {
        let mut header = synth::header();
        header.options.push(("max-disk".into(), "1M".into()));
        header
    }

    /// A recording of so many files.
    fn recording(events: &[Event], files: usize) -> Vec<Vec<u8>> {
        let mut live = Live::default();
        let each = events.len().div_ceil(files);
        let parts = events.chunks(each).enumerate();
        parts
            .map(|(number, part)| {
                let header = Header {
                    segment: number as u32,
                    ..limited()
                };
                let mut writer = Writer::start(Vec::new(), &header).unwrap();
                if number > 0 {
                    let anchor = Anchor {
                        time: part[0].time,
                        wall_ns: header.start_wall_ns + part[0].time.0 as i64,
                        utc_offset_s: 3600,
                    };
                    writer.checkpoint(&live.checkpoint(), anchor).unwrap();
                }
                for chunk in part.chunks(CHUNK) {
                    for event in chunk {
                        writer.push(event).unwrap();
                        live.follow(event);
                    }
                    writer.flush(chunk[chunk.len() - 1].time).unwrap();
                }
                let now = part[part.len() - 1].time;
                writer
                    .finish(now, "done", &[("stops", number as u64)])
                    .unwrap()
            })
            .collect()
    }

    fn opened(files: &[Vec<u8>]) -> Vec<Segment<Cursor<&[u8]>>> {
        // In any order.
        let backwards = files.iter().rev();
        backwards
            .map(|file| Segment::open(Cursor::new(&file[..])).unwrap())
            .collect()
    }

    fn synthetic(events: usize) -> Vec<Event> {
        let mut all = synth::events(synth::Plan {
            events,
            width: 30,
            seed: 5,
        });
        all.truncate(events);
        all
    }

    fn tasks(trace: &Trace) -> Vec<String> {
        let tasks = trace.tasks().iter().map(|task| {
            let parent = task.parent.map(|parent| trace.task(parent).task);
            let (task, born, ended, name) = (task.task, task.born, task.ended, task.name());
            format!("{task:?} {born:?} {ended:?} {name:?} {parent:?}")
        });
        let mut tasks: Vec<String> = tasks.collect();
        tasks.sort();
        tasks
    }

    #[test]
    fn several_files_are_one_trace() {
        let events = synthetic(2_000);
        let whole = read_trace(Cursor::new(&recording(&events, 1)[0])).unwrap();
        let files = recording(&events, 7);
        let trace = read_segments(opened(&files)).unwrap();
        assert!(trace.is_complete(), "{:?}", trace.integrity());
        assert_eq!(trace.integrity().segments, [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(trace.events(), whole.events());
        assert_eq!(tasks(&trace), tasks(&whole));
        assert_eq!(trace.counters(), [("stops".to_string(), 6)]);
        assert_eq!(trace.anchors().len(), 7);
    }

    #[test]
    fn a_file_that_is_closed_is_opened_again_and_read_as_long_as_it_was() {
        let events = synthetic(200);
        let files = recording(&events, 1);
        let short = files[0].len() - 100;
        let closed = |again: Vec<u8>| {
            let segment = Segment::open(Cursor::new(files[0][..short].to_vec())).unwrap();
            read_segments(vec![segment.closed(|| Ok(Cursor::new(again)))])
        };
        let as_it_was = read_trace(Cursor::new(&files[0][..short])).unwrap();
        let longer = closed(files[0].clone()).unwrap();
        assert_eq!(longer.integrity(), as_it_was.integrity());
        assert_eq!(longer.events(), as_it_was.events());
        let other = Header {
            trace_id: 77,
            ..synth::header()
        };
        let other = Writer::start(Vec::new(), &other).unwrap().get_mut().clone();
        let error = closed(other).unwrap_err();
        assert!(error.to_string().contains("is another"), "{error}");
    }

    #[test]
    fn a_file_that_was_given_up_leaves_what_lived() {
        let events = synthetic(2_000);
        let whole = read_trace(Cursor::new(&recording(&events, 1)[0])).unwrap();
        let files = recording(&events, 4);
        let trace = read_segments(opened(&files[2..])).unwrap();
        assert!(trace.is_complete(), "{:?}", trace.integrity());
        let begin = events[1_000].time;
        assert_eq!(trace.begin(), begin);
        assert_eq!(trace.events(), &whole.events()[1_000..]);
        // Those that ended before are gone, and nothing else is.
        let later = |trace: &Trace| {
            let ended = |line: &String| {
                let ended = line
                    .split("Some(Time(")
                    .nth(1)
                    .and_then(|rest| rest.split(')').next()?.parse::<u64>().ok());
                ended.is_none_or(|ended| ended >= begin.0)
            };
            tasks(trace).into_iter().filter(ended).collect::<Vec<_>>()
        };
        assert_eq!(tasks(&trace), later(&whole));
    }

    #[test]
    fn files_that_nobody_gave_up_are_missing() {
        let events = synthetic(400);
        let without = |header: &mut Header| header.options.retain(|(name, _)| name != "max-disk");
        let mut files: Vec<Vec<u8>> = Vec::new();
        for file in recording(&events, 4) {
            let segment = Segment::open(Cursor::new(&file[..])).unwrap();
            let mut header = segment.header().clone();
            let behind = header.encode().unwrap().len();
            without(&mut header);
            files.push([&header.encode().unwrap()[..], &file[behind..]].concat());
        }
        let trace = read_segments(opened(&files[2..])).unwrap();
        let damage = &trace.integrity().damage;
        assert_eq!(damage.len(), 1, "{damage:?}");
        assert_eq!((damage[0].segment, damage[0].bytes), (0, 0));
        assert_eq!(
            (damage[0].after, damage[0].before),
            (Time(0), Some(trace.begin()))
        );
        assert!(
            damage[0].problem.contains("and 1 more are missing"),
            "{damage:?}"
        );
        // A copy has a gap for them.
        let header = synth::header();
        let (out, _) = extract(opened(&files[2..]), Stretch::WHOLE, &header, Vec::new()).unwrap();
        let copy = read_trace(Cursor::new(out)).unwrap();
        let gap = &copy.events()[0];
        assert!(
            matches!(gap.body, EventBody::Gap { since: Time(0), .. }),
            "{gap:?}"
        );
        assert_eq!(&copy.events()[1..], trace.events());
        assert_eq!(tasks(&copy), tasks(&trace));
        assert!(read_segments(opened(&files)).unwrap().is_complete());
        // Unless the recorder tells of them later.
        let mut writer = Writer::start(
            Vec::new(),
            &Header {
                segment: 4,
                ..header
            },
        )
        .unwrap();
        writer.flush(events[399].time).unwrap();
        let last = writer
            .finish(events[399].time, "done", &[(GIVEN_UP_EARLY, 2)])
            .unwrap();
        files.push(last);
        let trace = read_segments(opened(&files[2..])).unwrap();
        assert!(trace.is_complete(), "{:?}", trace.integrity());
    }

    #[test]
    fn a_missing_file_in_the_middle_is_damage_and_the_next_checkpoint_mends_what_it_can() {
        let events = synthetic(2_000);
        let files = recording(&events, 4);
        let some = [files[0].clone(), files[1].clone(), files[3].clone()];
        let trace = read_segments(opened(&some)).unwrap();
        assert_eq!(trace.integrity().damage.len(), 1, "{:?}", trace.integrity());
        let damage = &trace.integrity().damage[0];
        assert_eq!((damage.segment, damage.after), (2, events[999].time));
        assert_eq!(damage.before, Some(events[1_500].time));
        let whole = read_segments(opened(&files)).unwrap();
        let alive = |trace: &Trace| -> Vec<_> {
            let alive = trace.tasks().iter().filter(|task| task.ended.is_none());
            alive.map(|task| (task.task, task.born)).collect()
        };
        assert_eq!(alive(&trace), alive(&whole));
        assert!(read_segments(opened(&[files[0].clone(), files[0].clone()])).is_err());
    }

    #[test]
    fn a_stretch_is_a_trace_of_its_own() {
        let events = synthetic(2_000);
        let files = recording(&events, 3);
        let (from, to) = (events[700].time, events[1_200].time);
        let header = synth::header();
        let stretch = Stretch { from, to };
        let (out, extracted) = extract(opened(&files), stretch, &header, Vec::new()).unwrap();
        let trace = read_trace(Cursor::new(&out)).unwrap();
        assert!(trace.is_complete(), "{:?}", trace.integrity());
        assert_eq!(trace.events(), &events[700..=1_200]);
        assert_eq!(extracted.events, 501);
        let mut live = Live::default();
        events[..=1_200].iter().for_each(|event| live.follow(event));
        let alive = trace.tasks().iter().filter(|task| task.ended.is_none());
        assert_eq!(alive.count(), live.len());
        assert_eq!(trace.anchors().last().map(|anchor| anchor.time), Some(from));
    }

    #[test]
    fn a_damaged_file_becomes_a_sound_one_that_says_what_is_missing() {
        let events = synthetic(1_000);
        let mut file = recording(&events, 1).remove(0);
        let middle = file.len() / 2;
        file[middle] ^= 1;
        file.truncate(file.len() - 3);
        let damaged = read_trace(Cursor::new(&file)).unwrap();
        assert_eq!(damaged.integrity().damage.len(), 1);
        let segments = vec![Segment::open(Cursor::new(&file)).unwrap()];
        let (out, extracted) =
            extract(segments, Stretch::WHOLE, damaged.header(), Vec::new()).unwrap();
        let mended = read_trace(Cursor::new(&out)).unwrap();
        assert!(mended.is_complete(), "{:?}", mended.integrity());
        assert_eq!(extracted.integrity.damage, damaged.integrity().damage);
        let is_gap = |event: &&Event| matches!(event.body, EventBody::Gap { .. });
        assert_eq!(mended.events().iter().filter(is_gap).count(), 2);
        let kept: Vec<Event> = mended
            .events()
            .iter()
            .filter(|event| !is_gap(event))
            .cloned()
            .collect();
        assert_eq!(kept, damaged.events());
    }

    #[test]
    fn a_file_that_begins_with_a_checkpoint_keeps_what_lived_before() {
        let events = synthetic(2_000);
        let files = recording(&events, 3);
        let (from, to) = (events[700].time, events[1_200].time);
        let header = synth::header();
        let stretch = Stretch { from, to };
        let (first, _) = extract(opened(&files), stretch, &header, Vec::new()).unwrap();
        let again = opened(std::slice::from_ref(&first));
        let (second, extracted) = extract(again, Stretch::WHOLE, &header, Vec::new()).unwrap();
        let [first, second] = [first, second].map(|file| read_trace(Cursor::new(file)).unwrap());
        assert_eq!(first.events(), second.events());
        assert_eq!(tasks(&first), tasks(&second));
        assert_eq!(first.begin(), second.begin());
        assert_eq!(
            (extracted.begin, extracted.end),
            (second.begin(), second.end())
        );
    }

    #[test]
    fn what_the_wall_clock_said_is_taken_along() {
        let events = synthetic(2_000);
        let files = recording(&events, 4);
        let whole = read_segments(opened(&files)).unwrap();
        let header = synth::header();
        let (out, extracted) =
            extract(opened(&files), Stretch::WHOLE, &header, Vec::new()).unwrap();
        let one = read_trace(Cursor::new(out)).unwrap();
        assert_eq!(one.anchors(), whole.anchors());
        assert_eq!(extracted.anchors, whole.anchors());
        assert_eq!(one.events(), whole.events());
        assert_eq!(tasks(&one), tasks(&whole));
    }

    #[test]
    fn damaged_times_of_a_checkpoint_are_put_in_order() {
        let carried = |tid, parent, born, ended: Option<u64>| Carried {
            task: Task::new(1, tid),
            inner: None,
            origin: Origin::Birth,
            parent,
            creator_name: None,
            born: Time(born),
            name: b"x".into(),
            exe: None,
            ended: ended.map(|time| (Time(time), Ended::Missing)),
            stack: None,
            start: None,
        };
        let mut writer = Writer::start(Vec::new(), &synth::header()).unwrap();
        let anchor = Anchor {
            time: Time(50),
            wall_ns: 0,
            utc_offset_s: 0,
        };
        let tasks = [
            carried(1, None, 40, Some(30)),
            carried(2, Some(0), 10, None),
            carried(3, None, 90, None),
            carried(4, None, 20, Some(99)),
            carried(5, Some(3), 25, None),
        ];
        writer.checkpoint(&tasks, anchor).unwrap();
        let file = writer.finish(Time(60), "done", &[]).unwrap();
        let trace = read_trace(Cursor::new(&file)).unwrap();
        let lives = trace.tasks().iter().map(|task| {
            let ended = task.ended.map(|time| time.0);
            (task.task.tid.0, task.born.0, ended)
        });
        let mut lives: Vec<_> = lives.collect();
        lives.sort_unstable();
        assert_eq!(
            lives,
            [
                (1, 40, Some(40)),
                (2, 40, None),
                (3, 50, None),
                (4, 20, Some(50)),
                (5, 25, None),
            ]
        );
    }
}
