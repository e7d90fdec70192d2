//! One new trace file from a recording, or from a part of it: what `repair`, `split` and `scrub`
//! have in common.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tidline::format::{Extracted, Header, Rewrite, Stretch, extract_changed};

use crate::load::{self, Recording};
use crate::output::Output;

/// What to take, and where to put it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'a> {
    pub(crate) files: &'a [PathBuf],
    pub(crate) output: &'a Path,
    pub(crate) force: bool,
    pub(crate) stretch: Stretch,
}

impl Part<'_> {
    /// Writes it, the header and the rest changed on the way.
    pub(crate) fn write(
        &self,
        mut change: impl FnMut(&mut Header),
        rewrite: &mut impl Rewrite,
    ) -> Result<Extracted> {
        load::while_files_vanish(|| self.write_once(&mut change, rewrite))
    }

    fn write_once(
        &self,
        change: &mut impl FnMut(&mut Header),
        rewrite: &mut impl Rewrite,
    ) -> Result<Extracted> {
        let recording = Recording::open(self.files)?;
        let mut header = recording.header().clone();
        header.segment = 0;
        change(&mut header);
        let (output, file) =
            Output::create(self.output, self.force, recording.paths(), self.files)?;
        let (segments, left_out) = recording.into_segments();
        let (file, mut extracted) = extract_changed(segments, self.stretch, &header, file, rewrite)
            .with_context(|| format!("cannot make {}", load::shown(self.output)))?;
        output.finish(file)?;
        extracted.integrity =
            left_out.added_to(extracted.integrity, extracted.begin, extracted.reached);
        Ok(extracted)
    }
}

/// Notes in a header what a file is.
pub(crate) fn mark(header: &mut Header, name: &str, value: &str) {
    if header.option(name).is_none() {
        header.options.push((name.into(), value.into()));
    }
}
