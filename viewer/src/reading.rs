//! Reading a recording on a thread of its own, so that what was read is taken up here meanwhile: to decode
//! events and to make tasks of them take about as long.

use std::io::{self, Read, Seek};
use std::sync::mpsc;
use std::thread;

use tidline::format::{Error, Segment, Sink, scan, scan_counted};
use tidline::model::{Anchor, Carried, Damage, Definition, Event, Integrity, Time};

use crate::ahead::{Giver, Taker, channel};

/// What is smaller is read before a busy machine gets round to another thread. Bytes.
const WORTH_A_THREAD: u64 = 1 << 20;

/// What the files hold, and at last what is wrong with them.
pub(crate) enum Item {
    Event(Event),
    Checkpoint(Vec<Carried>, Time),
    Define(Definition),
    Anchor(Anchor),
    Counter(String, u64),
    Reached(Time),
    Damaged(Damage),
    End(Box<Result<Integrity, Error>>),
}

/// What becomes of that which checkpoints count.
#[derive(Clone, Copy)]
pub(crate) enum Tallies {
    /// Whoever counts, counts for himself.
    Unread,
    /// Where the events say otherwise, that is damage.
    Compared,
}

impl Tallies {
    fn scan<R: Read + Seek>(
        self,
        segments: Vec<Segment<R>>,
        sink: &mut impl Sink,
    ) -> Result<Integrity, Error> {
        match self {
            Tallies::Unread => scan(segments, sink),
            Tallies::Compared => scan_counted(segments, sink),
        }
    }
}

/// Begins to read. Where there is no thread to be had the files come back, unread, and why.
pub(crate) fn ahead<R: Read + Seek + Send + 'static>(
    segments: Vec<Segment<R>>,
) -> Result<Taker<Item>, (Vec<Segment<R>>, io::Error)> {
    ahead_with(segments, Tallies::Unread)
}

fn ahead_with<R: Read + Seek + Send + 'static>(
    segments: Vec<Segment<R>>,
    tallies: Tallies,
) -> Result<Taker<Item>, (Vec<Segment<R>>, io::Error)> {
    let (giver, items) = channel();
    let (hand_over, handed_over) = mpsc::channel();
    let reader = thread::Builder::new().spawn(move || {
        let Ok(segments) = handed_over.recv() else {
            return;
        };
        let mut items = Items(giver);
        let end = tallies.scan(segments, &mut items);
        items.0.give(Item::End(Box::new(end)));
    });
    match reader {
        Ok(_) => {
            // It waits for them.
            let _ = hand_over.send(segments);
            Ok(items)
        }
        Err(problem) => Err((segments, problem)),
    }
}

/// Does what [`scan`] or [`scan_counted`] does, and decodes ahead of it.
pub(crate) fn scan_ahead<R: Read + Seek + Send + 'static>(
    segments: Vec<Segment<R>>,
    tallies: Tallies,
    sink: &mut impl Sink,
) -> Result<Integrity, Error> {
    let bytes: u64 = segments.iter().map(Segment::bytes).sum();
    if bytes < WORTH_A_THREAD {
        return tallies.scan(segments, sink);
    }
    match ahead_with(segments, tallies) {
        Ok(items) => take_up(items, sink),
        Err((segments, _)) => tallies.scan(segments, sink),
    }
}

/// Gives a sink what was read.
fn take_up(items: Taker<Item>, sink: &mut impl Sink) -> Result<Integrity, Error> {
    for item in items {
        match item {
            Item::Event(event) => sink.event(event),
            Item::Checkpoint(carried, time) => sink.checkpoint(&carried, time),
            Item::Define(definition) => sink.define(definition),
            Item::Anchor(anchor) => sink.anchor(anchor),
            Item::Counter(name, value) => sink.counter(name, value),
            Item::Reached(time) => sink.reached(time),
            Item::Damaged(damage) => sink.damaged(&damage),
            Item::End(end) => return *end,
        }
    }
    Err(Error::Io {
        doing: "reading the trace",
        offset: 0,
        source: io::Error::other("the thread that reads ended before the file"),
    })
}

/// Hands on what is read.
struct Items(Giver<Item>);

impl Sink for Items {
    fn event(&mut self, event: Event) {
        self.0.give(Item::Event(event));
    }
    fn checkpoint(&mut self, carried: &[Carried], time: Time) {
        self.0.give(Item::Checkpoint(carried.to_vec(), time));
        self.0.hand_on();
    }
    fn define(&mut self, definition: Definition) {
        self.0.give(Item::Define(definition));
    }
    fn anchor(&mut self, anchor: Anchor) {
        self.0.give(Item::Anchor(anchor));
    }
    fn counter(&mut self, name: String, value: u64) {
        self.0.give(Item::Counter(name, value));
    }
    fn reached(&mut self, time: Time) {
        self.0.give(Item::Reached(time));
    }
    fn damaged(&mut self, damage: &Damage) {
        self.0.give(Item::Damaged(damage.clone()));
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Cursor;

    use tidline::format::Writer;
    use tidline::synth::{self, Plan};

    use super::*;

    /// A file with all that a file can hold, checkpoints between its events included.
    pub(crate) fn recording(options: &[(&str, &str)]) -> Vec<u8> {
        recording_of(3_000, options)
    }

    /// The same of so many events.
    pub(crate) fn recording_of(events: usize, options: &[(&str, &str)]) -> Vec<u8> {
        let plan = Plan {
            events,
            width: 20,
            seed: 5,
        };
        let mut events = synth::events(plan);
        let mut header = synth::header();
        let options = options.iter().map(|(name, value)| (name, value));
        let options = options.map(|(name, value)| (name.to_string(), value.to_string()));
        header.options.extend(options);
        let mut writer = Writer::start(Vec::new(), &header).expect("a header that fits");
        let interner = synth::with_stacks(&mut events, 5, 8);
        for definition in synth::definitions(&interner) {
            writer.define(&definition).expect("a vector takes it");
        }
        let is_due =
            |writer: &Writer<Vec<u8>>| (writer.events() + writer.pending()).is_multiple_of(300);
        synth::record(writer, events, is_due).expect("a vector takes it")
    }

    /// Notes what it is given.
    #[derive(Default)]
    struct Notes(Vec<String>);

    impl Sink for Notes {
        fn event(&mut self, event: Event) {
            self.0.push(format!("{event:?}"));
        }
        fn checkpoint(&mut self, carried: &[Carried], time: Time) {
            self.0.push(format!("{carried:?} at {time:?}"));
        }
        fn define(&mut self, definition: Definition) {
            self.0.push(format!("{definition:?}"));
        }
        fn anchor(&mut self, anchor: Anchor) {
            self.0.push(format!("{anchor:?}"));
        }
        fn counter(&mut self, name: String, value: u64) {
            self.0.push(format!("{name}: {value}"));
        }
        fn reached(&mut self, time: Time) {
            self.0.push(format!("reached {time:?}"));
        }
        fn damaged(&mut self, damage: &Damage) {
            self.0.push(format!("{damage:?}"));
        }
    }

    fn segments(file: &[u8]) -> Vec<Segment<Cursor<Vec<u8>>>> {
        vec![Segment::open(Cursor::new(file.to_vec())).expect("a sound header")]
    }

    /// Is being read.
    fn begun(file: &[u8]) -> Taker<Item> {
        ahead(segments(file)).unwrap_or_else(|(_, problem)| panic!("{problem}"))
    }

    #[test]
    fn what_is_read_ahead_is_what_is_read() {
        let whole = recording(&[]);
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 0x40;
        for file in [&whole[..], &damaged, &whole[..whole.len() / 3]] {
            let (mut here, mut ahead) = (Notes::default(), Notes::default());
            let expected = scan(segments(file), &mut here).expect("memory can be read");
            let found = take_up(begun(file), &mut ahead).expect("memory can be read");
            assert_eq!(found, expected);
            assert_eq!(ahead.0, here.0);
        }
    }

    #[test]
    fn what_is_wrong_with_the_files_is_told() {
        let file = recording(&[]);
        let twice = || segments(&file).into_iter().chain(segments(&file)).collect();
        let items = ahead(twice()).unwrap_or_else(|(_, problem)| panic!("{problem}"));
        for end in [
            take_up(items, &mut Notes::default()),
            scan_ahead(twice(), Tallies::Unread, &mut Notes::default()),
        ] {
            let error = end.expect_err("one file is no recording of two");
            assert!(matches!(error, Error::NotOneRecording { .. }), "{error}");
        }
    }
}
