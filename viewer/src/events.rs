//! The events that are asked for, one by one: of a trace that is in memory, or as they are read.

use std::io;

use anyhow::Result;
use tidline::model::{Trace, TraceBuilder};

use crate::select::{Selector, Selectors};
use crate::site::Sites;
use crate::stream::Stream;
use crate::view::timeline::{self, Entry, Layout};
use crate::view::{self, Options};

/// Events, and what is known of them all.
pub(crate) struct Events<'a> {
    pub(crate) sites: &'a Sites,
    pub(crate) selector: &'a Selector<'a>,
    /// How many there are, asked for or not.
    pub(crate) all: usize,
    /// What must be known first.
    pub(crate) notices: Vec<String>,
    /// All of the trace, or what is known of it as a whole.
    trace: &'a Trace,
    read: Option<(&'a Stream, TraceBuilder, &'a Selectors)>,
}

impl<'a> Events<'a> {
    /// Those of a trace that is in memory.
    pub(crate) fn loaded(trace: &'a Trace, sites: &'a Sites, selector: &'a Selector<'a>) -> Self {
        Events {
            sites,
            selector,
            all: trace.event_count(),
            notices: view::notices_of(trace, selector),
            trace,
            read: None,
        }
    }

    /// Those of a recording that is read again.
    pub(crate) fn read(
        (stream, again): (&'a Stream, TraceBuilder),
        select: &'a Selectors,
        selector: &'a Selector<'a>,
    ) -> Self {
        Events {
            sites: &stream.sites,
            selector,
            all: stream.all,
            notices: stream.notices.clone(),
            trace: &stream.whole,
            read: Some((stream, again, select)),
        }
    }

    /// How a table of them is laid out.
    pub(crate) fn layout(&self, options: &Options) -> Result<Layout> {
        let Some((stream, _, select)) = &self.read else {
            return Ok(timeline::layout(self.trace, Some(self.selector), options));
        };
        let mut widest = stream.widest;
        // Of a stretch those that are shown count, as where only that is read.
        if self.selector.has_stretch() {
            widest = 0;
            let again = TraceBuilder::new(stream.whole.header().clone());
            stream.each(again, (select, self.selector), |_, entry| {
                widest = widest.max(timeline::columns(&entry, options.width));
                Ok(())
            })?;
        }
        Ok(timeline::layout_of(self.trace, widest, options))
    }

    /// Gives those that are asked for, each with the trace that it is in.
    pub(crate) fn each(
        self,
        mut show: impl FnMut(&Trace, Entry<'_>) -> io::Result<()>,
    ) -> Result<()> {
        if let Some((stream, again, select)) = self.read {
            return stream.each(again, (select, self.selector), show);
        }
        for entry in timeline::entries(self.trace, self.selector) {
            show(self.trace, entry)?;
        }
        Ok(())
    }
}
