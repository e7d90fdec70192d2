//! The events as `timeline --format ndjson` has them.

use std::io::{self, Write};

use tidline::model::Trace;

use super::stacks::sites;
use crate::render::json::Stream;
use crate::select::Selection;
use crate::view::{Options, record, timeline};

pub(super) fn write(trace: &Trace, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let sites = sites(trace);
    let mut stream = Stream::lines();
    for entry in timeline::entries(trace, &Selection::default()) {
        stream.push(out, &record::record(trace, &sites, &entry, options))?;
    }
    stream.finish(out)
}
