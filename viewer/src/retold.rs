//! A recording as a story of whole lives, for what names a task by its last name when it is born: read once
//! for its tasks, which stay in memory, and again for its events, which do not.

use std::io;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail};
use tidline::model::{Ending, Event, TaskRecord, Time, Trace};

use crate::load::{self, Recording, Subject};
use crate::reading::{self, Item};

/// A recording, and where its events are.
pub(crate) enum Story {
    /// In memory, all of them.
    Whole(Trace),
    /// In the file.
    Retold(Retold),
}

impl Story {
    /// Reads a recording for the first time. Where its oldest file might be given up before it is read
    /// again, it is read whole.
    pub(crate) fn open(named: &[PathBuf]) -> Result<Story> {
        let (trace, subjects) = load::load_tasks_and_subjects(named)?;
        if trace.header().gives_up_files() && trace.integrity().ending == Ending::CutShort {
            drop((trace, subjects));
            return Ok(Story::Whole(load::load(named)?));
        }
        Ok(Story::Retold(Retold {
            named: named.to_vec(),
            trace,
            subjects,
        }))
    }

    /// Its tasks, and all else but its events.
    pub(crate) fn trace(&self) -> &Trace {
        match self {
            Story::Whole(trace) => trace,
            Story::Retold(retold) => &retold.trace,
        }
    }

    /// Gives each event with the task that it is about. What goes wrong in writing is an error of `io`.
    pub(crate) fn each<'a>(
        &'a self,
        mut tell: impl FnMut(&Event, Option<&'a TaskRecord>) -> io::Result<()>,
    ) -> Result<()> {
        match self {
            Story::Whole(trace) => {
                for (index, event) in trace.events().iter().enumerate() {
                    tell(event, trace.subject(index))?;
                }
                Ok(())
            }
            Story::Retold(retold) => retold.each(tell),
        }
    }
}

/// A recording that was read once.
pub(crate) struct Retold {
    named: Vec<PathBuf>,
    /// Of its events it has few.
    trace: Trace,
    /// Of each event.
    subjects: Vec<Subject>,
}

impl Retold {
    /// Reads it again, and gives each event with the task that it is about.
    fn each<'a>(
        &'a self,
        mut tell: impl FnMut(&Event, Option<&'a TaskRecord>) -> io::Result<()>,
    ) -> Result<()> {
        let recording = Recording::open(&self.named)?;
        let shown = recording.shown().to_string();
        let (segments, _) = recording.into_segments();
        let items = reading::ahead(segments).map_err(|(_, problem)| {
            anyhow!("cannot read {shown}: cannot start a thread that reads: {problem}")
        })?;
        let mut subjects = self.subjects.iter();
        let mut now = Time(0);
        for item in items {
            match item {
                Item::Event(mut event) => {
                    // It may have grown meanwhile.
                    let Some(subject) = subjects.next() else {
                        continue;
                    };
                    now = now.max(event.time);
                    event.time = now;
                    let task = subject.task().map(|id| self.trace.task(id));
                    tell(&event, task)?;
                }
                Item::Checkpoint(_, time) | Item::Reached(time) => now = now.max(time),
                Item::Define(_) | Item::Anchor(_) | Item::Counter(..) | Item::Damaged(_) => {}
                Item::End(end) => {
                    end.with_context(|| format!("cannot read {shown}"))?;
                    if subjects.next().is_some() {
                        break;
                    }
                    return Ok(());
                }
            }
        }
        bail!("cannot read {shown}: it has less than a moment ago");
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::reading::tests::recording;

    /// Each event, and the task that it is about.
    fn told(story: &Story) -> Result<Vec<String>> {
        let mut told = Vec::new();
        story.each(|event, task| {
            told.push(format!("{event:?} {task:?}"));
            Ok(())
        })?;
        Ok(told)
    }

    #[test]
    fn what_is_told_again_is_what_was_there() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let named = [folder.path().join("trace.tid")];
        let whole = recording(&[]);
        let mut damaged = whole.clone();
        damaged[whole.len() / 2] ^= 0x40;
        for file in [&whole[..], &damaged, &whole[..whole.len() / 3]] {
            fs::write(&named[0], file).expect("a temporary file");
            let story = Story::open(&named).expect("a trace");
            assert!(matches!(story, Story::Retold(_)));
            let loaded = Story::Whole(load::load(&named).expect("a trace"));
            let expected = told(&loaded).expect("nothing to read");
            assert_eq!(told(&story).expect("it can be read"), expected);
        }
    }

    #[test]
    fn a_file_may_grow_meanwhile_but_not_shrink() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let named = [folder.path().join("trace.tid")];
        let whole = recording(&[]);
        let part = &whole[..whole.len() / 2];
        fs::write(&named[0], part).expect("a temporary file");
        let story = Story::open(&named).expect("a trace");
        let before = told(&story).expect("it can be read");
        fs::write(&named[0], &whole).expect("a temporary file");
        assert_eq!(told(&story).expect("it can be read"), before);
        fs::write(&named[0], &part[..part.len() / 2]).expect("a temporary file");
        let error = told(&story).expect_err("less is there").to_string();
        assert!(error.ends_with("it has less than a moment ago"), "{error}");
    }

    #[test]
    fn a_recording_that_gives_up_files_is_read_once() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let named = [folder.path().join("trace.tid")];
        let file = recording(&[("max-disk", "1G")]);
        fs::write(&named[0], &file[..file.len() / 2]).expect("a temporary file");
        let story = Story::open(&named).expect("a trace");
        assert!(matches!(story, Story::Whole(_)));
        fs::write(&named[0], &file).expect("a temporary file");
        let story = Story::open(&named).expect("a trace");
        assert!(matches!(story, Story::Retold(_)));
    }
}
