//! The events as `timeline --format csv` has them.

use std::io::{self, Write};

use tidline::model::Trace;

use super::stacks::sites;
use crate::render::csv;
use crate::select::Selection;
use crate::view::{Options, record, timeline};

pub(super) fn write(trace: &Trace, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let sites = sites(trace);
    csv::header(out)?;
    for entry in timeline::entries(trace, &Selection::default()) {
        csv::record(out, &record::record(trace, &sites, &entry, options))?;
    }
    Ok(())
}
