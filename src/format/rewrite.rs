//! Changes on the way: what an extract takes passes through here, piece by piece.

use super::reader::Sink;
use crate::model::{Anchor, Carried, Damage, Definition, Event, Time};

/// Changes what is taken from a recording. What a method is not written for stays as it is.
///
/// Times must stay in order, and a number must go on meaning one thing.
///
/// ```
/// use std::io::Cursor;
/// use tidline::format::{Header, Rewrite, Segment, Stretch, Writer, extract_changed, read_trace};
/// use tidline::model::{Event, EventBody, Time};
///
/// struct WithoutMarks;
/// impl Rewrite for WithoutMarks {
///     fn event(&mut self, mut event: Event) -> Event {
///         if let EventBody::Mark { text } = &mut event.body {
///             *text = b"a mark".into();
///         }
///         event
///     }
/// }
///
/// let mut writer = Writer::start(Vec::new(), &Header::default())?;
/// writer.push(&Event { time: Time(5), body: EventBody::Mark { text: b"secret".into() } })?;
/// let file = writer.finish(Time(9), "done", &[])?;
///
/// let segments = vec![Segment::open(Cursor::new(file))?];
/// let (changed, _) = extract_changed(
///     segments, Stretch::WHOLE, &Header::default(), Vec::new(), &mut WithoutMarks,
/// )?;
/// let trace = read_trace(Cursor::new(changed))?;
/// assert_eq!(trace.events()[0].body, EventBody::Mark { text: b"a mark".into() });
/// # Ok::<(), tidline::format::Error>(())
/// ```
pub trait Rewrite {
    /// An event.
    fn event(&mut self, event: Event) -> Event {
        event
    }
    /// A task that a checkpoint carries on.
    fn carried(&mut self, carried: Carried) -> Carried {
        carried
    }
    /// What a number stands for.
    fn definition(&mut self, definition: Definition) -> Definition {
        definition
    }
    /// What is to be known beside that, and is defined behind it.
    fn beside(&mut self, _: &Definition) -> Option<Definition> {
        None
    }
    /// The name of something that the recorder counted.
    fn counter(&mut self, name: String) -> String {
        name
    }
    /// Why the recording ended.
    fn ending(&mut self, reason: String) -> String {
        reason
    }
}

/// Changes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unchanged;

impl Rewrite for Unchanged {}

/// A sink that is given everything changed.
pub(super) struct Rewriting<'a, S, R> {
    pub(super) sink: &'a mut S,
    pub(super) rewrite: &'a mut R,
}

impl<S: Sink, R: Rewrite> Sink for Rewriting<'_, S, R> {
    fn event(&mut self, event: Event) {
        self.sink.event(self.rewrite.event(event));
    }

    fn checkpoint(&mut self, carried: &[Carried], time: Time) {
        let carried = carried.iter().cloned();
        let changed: Vec<Carried> = carried.map(|it| self.rewrite.carried(it)).collect();
        self.sink.checkpoint(&changed, time);
    }

    fn define(&mut self, definition: Definition) {
        let changed = self.rewrite.definition(definition);
        let beside = self.rewrite.beside(&changed);
        self.sink.define(changed);
        if let Some(beside) = beside {
            self.sink.define(beside);
        }
    }

    fn anchor(&mut self, anchor: Anchor) {
        self.sink.anchor(anchor);
    }

    fn counter(&mut self, name: String, value: u64) {
        self.sink.counter(self.rewrite.counter(name), value);
    }

    fn reached(&mut self, time: Time) {
        self.sink.reached(time);
    }

    fn damaged(&mut self, damage: &Damage) {
        self.sink.damaged(damage);
    }
}
