//! A profile for the Firefox Profiler: tasks as tracks, lives and events as markers, and where
//! call stacks were taken, creations as samples, so that its call tree counts tasks by creator.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::Duration;

use anyhow::Result;
use fx::{
    CategoryColor, CategoryHandle, CpuDelta, Frame, FrameFlags, FrameInfo, MarkerFieldFlags,
    MarkerFieldFormat, MarkerTiming, ProcessHandle, Profile, ReferenceTimestamp, SamplingInterval,
    StaticSchemaMarker, StaticSchemaMarkerField, StringHandle, ThreadHandle, Timestamp,
};
use fxprof_processed_profile as fx;
use tidline::model::{FrameId, Name, StackId, TaskId, TaskRecord, Time, Trace, What};
use tidline::text;

use super::lives::{self, Creation, Processes, Source, Step};
use super::stacks;
use crate::fold;
use crate::select::Selector;
use crate::words;

/// Writes a profile of at most so many tracks.
pub(super) fn write(selector: &Selector<'_>, most: usize, out: &mut dyn Write) -> Result<()> {
    let trace = selector.trace();
    let story = || Source::Loaded(trace, selector);
    let header = trace.header();
    let product = format!("tidline on {}", text::escape(header.host.as_bytes()));
    let start = Duration::from_nanos(header.start_wall_ns.max(0).cast_unsigned());
    let mut profile = Profile::new(
        &product,
        ReferenceTimestamp::from_duration_since_unix_epoch(start),
        SamplingInterval::from_millis(1),
    );
    profile.set_os_name(&text::escape(
        format!("Linux {} {}", header.kernel, header.arch).as_bytes(),
    ));
    // Nobody needs to look for symbols: what is known is in the names.
    profile.set_symbolicated(true);
    let category = profile.add_category("Tasks", CategoryColor::Blue);
    let tracks = Tracks::new(&Cast::new(trace, story())?, most, &mut profile);
    let mut writer = Writer {
        trace,
        category,
        tracks,
        stacks: HashMap::new(),
        labels: HashMap::new(),
        profile,
    };
    story().tell(|_, step| {
        writer.step(&step);
        Ok(())
    })?;
    writer.end(selector.tasks_shown(|_| true));
    let mut serializer = serde_json::Serializer::new(&mut *out);
    serde::Serialize::serialize(&writer.profile, &mut serializer).map_err(io::Error::from)?;
    Ok(writeln!(out)?)
}

/// Who is told of.
struct Cast<'a> {
    tasks: Vec<&'a TaskRecord>,
    /// What their tracks are called: who is not asked for stands in parentheses.
    names: Vec<Name>,
    /// Of all tasks of the trace, their processes.
    of: Vec<u32>,
    /// The processes, each with its leader if that was seen, or else its first task.
    processes: Vec<&'a TaskRecord>,
    /// When each process came into sight.
    born: Vec<Time>,
    all: usize,
}

impl<'a> Cast<'a> {
    fn new(trace: &'a Trace, story: Source<'_>) -> Result<Self> {
        // Whether each task is told of, and is asked for.
        let mut shown = vec![None; trace.tasks().len()];
        story.tell(|_, step| {
            match step {
                Step::Life { task, .. } => shown[task.number as usize] = Some(true),
                Step::Creator(task) => shown[task.number as usize] = Some(false),
                Step::Process { .. } | Step::Moment { .. } | Step::Stretch { .. } => {}
            }
            Ok(())
        })?;
        let mut cast = Cast {
            tasks: Vec::new(),
            names: Vec::new(),
            of: Vec::with_capacity(shown.len()),
            processes: Vec::new(),
            born: Vec::new(),
            all: shown.len(),
        };
        let mut processes = Processes::default();
        for (task, shown) in trace.tasks().iter().zip(shown) {
            let process = processes.take(task);
            cast.of.push(process);
            match cast.processes.get_mut(process as usize) {
                Some(leader) if task.task.is_leader() => *leader = task,
                Some(_) => {}
                None => {
                    cast.processes.push(task);
                    cast.born.push(task.born);
                }
            }
            if let Some(asked) = shown {
                cast.tasks.push(task);
                cast.names.push(match asked {
                    true => task.name().clone(),
                    false => [b"(", task.name().as_bytes(), b")"]
                        .concat()
                        .as_slice()
                        .into(),
                });
            }
        }
        Ok(cast)
    }

    fn process(&self, task: &TaskRecord) -> u32 {
        self.of[task.id.0 as usize]
    }
}

/// Which track each task is on.
struct Tracks {
    handles: Vec<ThreadHandle>,
    /// By task; of those that are told of.
    of: Vec<u32>,
    /// The track of what concerns no task.
    recording: ThreadHandle,
}

/// What tells the tracks of one level apart.
type Key = (u32, What, Name);

impl Tracks {
    /// One track for each task; where that makes too many, one for alike tasks of a process; then
    /// one for alike tasks of alike processes; then what is left shares one.
    fn new(cast: &Cast<'_>, most: usize, profile: &mut Profile) -> Tracks {
        let zero = Timestamp::from_nanos_since_reference(0);
        let handle = profile.add_process("the recording", 0, zero);
        let recording = profile.add_thread(handle, 0, zero, true);
        profile.set_thread_name(recording, "the recording");
        let (shares, keys) = keys(cast, most);
        let mut tracks = Tracks {
            handles: Vec::new(),
            of: vec![0; cast.all],
            recording,
        };
        let mut known: HashMap<Key, u32> = HashMap::new();
        let mut handles: HashMap<u32, ProcessHandle> = HashMap::new();
        for ((task, name), key) in cast.tasks.iter().zip(&cast.names).zip(keys) {
            let place = task.id.0 as usize;
            if let Some(track) = known.get(&key) {
                tracks.of[place] = *track;
                continue;
            }
            let full = tracks.handles.len() + 1 >= most && shares == Shares::Everything;
            if full && let Some(last) = tracks.handles.len().checked_sub(1) {
                // Everyone else is on the last track.
                let last = last as u32;
                profile.set_thread_name(tracks.handles[last as usize], "all other tasks");
                known.insert(key, last);
                tracks.of[place] = last;
                continue;
            }
            let process = *handles.entry(key.0).or_insert_with(|| {
                let process = cast.process(task) as usize;
                let leader = cast.processes[process];
                let name = match shares {
                    Shares::Everything => fold::class(leader.name()),
                    _ => leader.name().clone(),
                };
                let name = words::shown_name(&name, lives::NAME);
                let born = stamp(cast.born[process]);
                profile.add_process(&name, leader.task.pid.0, born)
            });
            let main = task.task.is_leader();
            let thread = profile.add_thread(process, task.task.tid.0, stamp(task.born), main);
            let name = match shares {
                Shares::Nothing => name.clone(),
                _ => fold::class(name),
            };
            profile.set_thread_name(thread, &words::shown_name(&name, lives::NAME));
            if let (Some(ended), Shares::Nothing) = (task.ended, shares) {
                profile.set_thread_end_time(thread, stamp(ended));
            }
            let track = tracks.handles.len() as u32;
            tracks.handles.push(thread);
            known.insert(key, track);
            tracks.of[place] = track;
        }
        tracks
    }

    fn of(&self, task: TaskId) -> ThreadHandle {
        self.handles[self.of[task.0 as usize] as usize]
    }
}

/// What is on one track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shares {
    Nothing,
    Process,
    Everything,
}

fn keys(cast: &Cast<'_>, most: usize) -> (Shares, Vec<Key>) {
    let tasks = cast.tasks.iter().zip(&cast.names);
    if tasks.len() <= most {
        let own = |(task, _): (&&TaskRecord, &Name)| {
            let number = Name::from(task.id.0.to_string().as_str());
            (cast.process(task), task.what(), number)
        };
        return (Shares::Nothing, tasks.map(own).collect());
    }
    let of_process =
        |(task, name): (&&TaskRecord, &Name)| (cast.process(task), task.what(), fold::class(name));
    let keys: Vec<Key> = tasks.clone().map(of_process).collect();
    let distinct: std::collections::HashSet<&Key> = keys.iter().collect();
    if distinct.len() <= most {
        return (Shares::Process, keys);
    }
    let mut classes: HashMap<Name, u32> = HashMap::new();
    let of_class = |(task, name): (&&TaskRecord, &Name)| {
        let leader = cast.processes[cast.process(task) as usize];
        let next = classes.len() as u32;
        let class = *classes.entry(fold::class(leader.name())).or_insert(next);
        (class, task.what(), fold::class(name))
    };
    (Shares::Everything, tasks.map(of_class).collect())
}

struct Writer<'a> {
    trace: &'a Trace,
    profile: Profile,
    category: CategoryHandle,
    tracks: Tracks,
    /// Stacks as a track knows them.
    stacks: HashMap<(ThreadHandle, StackId), Option<fx::StackHandle>>,
    /// What frames say.
    labels: HashMap<FrameId, Vec<StringHandle>>,
}

impl Writer<'_> {
    fn step(&mut self, step: &Step<'_>) {
        match step {
            Step::Creator(_) | Step::Process { .. } => {}
            Step::Life { task, creation, .. } => {
                let record = task.record;
                if let Some(creation) = creation {
                    self.creation(creation, record);
                }
                let timing = match record.ended {
                    Some(ended) => MarkerTiming::Interval(stamp(record.born), stamp(ended)),
                    None => MarkerTiming::IntervalStart(stamp(record.born)),
                };
                let what = record.what().as_str();
                let text = format!("{what} {}: {}", record.task.tid, words::how(record.how));
                let track = self.tracks.of(record.id);
                self.marker(track, timing, &lives::title(record), &text);
            }
            Step::Moment {
                task,
                time,
                kind,
                title,
            } => {
                let own = task.as_ref().map(|task| self.tracks.of(task.record.id));
                let track = own.unwrap_or(self.tracks.recording);
                self.marker(track, MarkerTiming::Instant(stamp(*time)), kind, title);
            }
            Step::Stretch {
                since,
                until,
                kind,
                title,
            } => {
                let timing = MarkerTiming::Interval(stamp(*since), stamp(*until));
                self.marker(self.tracks.recording, timing, kind, title);
            }
        }
    }

    /// What a task's creator did.
    fn creation(&mut self, creation: &Creation<'_>, child: &TaskRecord) {
        let track = self.tracks.of(creation.creator.record.id);
        let at = stamp(child.born);
        if let Some(stack) = child.stack {
            let stack = self.stack(track, stack);
            self.profile.add_sample(track, at, stack, CpuDelta::ZERO, 1);
        }
        let text = format!("{} [{}]", lives::title(child), child.task.tid);
        let via = creation.made.via.as_str();
        self.marker(track, MarkerTiming::Instant(at), via, &text);
    }

    /// What is missing from the trace as a whole, and what from the profile.
    fn end(&mut self, selected: Option<String>) {
        let timing = MarkerTiming::Interval(stamp(self.trace.begin()), stamp(self.trace.end()));
        for notice in crate::view::notices(self.trace) {
            self.marker(self.tracks.recording, timing.clone(), "missing", &notice);
        }
        if let Some(selected) = selected {
            self.marker(self.tracks.recording, timing, "selected", &selected);
        }
    }

    fn marker(&mut self, track: ThreadHandle, timing: MarkerTiming, name: &str, text: &str) {
        let marker = Words {
            name: self.profile.intern_string(name),
            text: self.profile.intern_string(text),
            category: self.category,
        };
        self.profile.add_marker(track, timing, marker);
    }

    fn stack(&mut self, track: ThreadHandle, id: StackId) -> Option<fx::StackHandle> {
        if let Some(known) = self.stacks.get(&(track, id)) {
            return *known;
        }
        let (mut handle, mut room) = (None, stacks::MOST_FRAMES);
        for frame in stacks::frames(self.trace.stacks(), id) {
            if room == 0 {
                break;
            }
            let labels = self.labels(frame);
            room = room.saturating_sub(labels.len());
            for label in labels {
                let info = FrameInfo {
                    frame: Frame::Label(label),
                    category_pair: self.category.into(),
                    flags: FrameFlags::empty(),
                };
                let frame = self.profile.intern_frame(track, info);
                handle = Some(self.profile.intern_stack(track, handle, frame));
            }
        }
        self.stacks.insert((track, id), handle);
        handle
    }

    fn labels(&mut self, frame: FrameId) -> Vec<StringHandle> {
        let (profile, trace) = (&mut self.profile, self.trace);
        let labels = self.labels.entry(frame).or_insert_with(|| {
            let labels = stacks::labels(trace.stacks(), frame);
            let texts = labels.iter().map(|label| match label.line {
                Some(line) => format!("{} ({}:{line})", label.function, label.file),
                None => label.function.clone(),
            });
            texts.map(|text| profile.intern_string(&text)).collect()
        });
        labels.clone()
    }
}

/// A marker with a text.
struct Words {
    name: StringHandle,
    text: StringHandle,
    category: CategoryHandle,
}

impl StaticSchemaMarker for Words {
    const UNIQUE_MARKER_TYPE_NAME: &'static str = "tidline";
    const CHART_LABEL: Option<&'static str> = Some("{marker.data.text}");
    const TABLE_LABEL: Option<&'static str> = Some("{marker.name}: {marker.data.text}");
    const FIELDS: &'static [StaticSchemaMarkerField] = &[StaticSchemaMarkerField {
        key: "text",
        label: "Details",
        format: MarkerFieldFormat::String,
        flags: MarkerFieldFlags::SEARCHABLE,
    }];

    fn name(&self, _profile: &mut Profile) -> StringHandle {
        self.name
    }

    fn category(&self, _profile: &mut Profile) -> CategoryHandle {
        self.category
    }

    fn string_field_value(&self, _field: u32) -> StringHandle {
        self.text
    }

    fn number_field_value(&self, _field: u32) -> f64 {
        0.0
    }
}

fn stamp(time: Time) -> Timestamp {
    Timestamp::from_nanos_since_reference(time.0)
}
