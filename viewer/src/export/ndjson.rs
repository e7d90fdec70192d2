//! The events as `timeline --format ndjson` has them.

use std::io::{self, Write};

use tidline::model::Trace;

use crate::render::json::Stream;
use crate::select::Selector;
use crate::site::Sites;
use crate::view::{Options, record, timeline};

pub(super) fn write(
    trace: &Trace,
    sites: &Sites,
    selector: &Selector<'_>,
    options: &Options,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut stream = Stream::lines();
    for entry in timeline::entries(trace, selector) {
        stream.push(out, &record::record(trace, sites, &entry, options))?;
    }
    stream.finish(out)
}
