//! The events as `timeline --format csv` has them.

use std::io::{self, Write};

use tidline::model::Trace;

use crate::render::csv;
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
    csv::header(out)?;
    for entry in timeline::entries(trace, selector) {
        csv::record(out, &record::record(trace, sites, &entry, options))?;
    }
    Ok(())
}
