//! Opening a trace file, and saying what is wrong with it and what to do when that fails.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use tidline::format::{Error, read_trace};
use tidline::model::Trace;
use tidline::text;

/// Reads the trace at a path, as long as the file is now.
pub(crate) fn load(path: &Path) -> Result<Trace> {
    let shown = shown(path);
    let metadata = fs::metadata(path).map_err(|error| explain(error, &shown))?;
    if metadata.is_dir() {
        bail!("{shown} is a folder: name one trace file in it");
    }
    if !metadata.is_file() {
        bail!("{shown} is not a regular file: write what comes from it to a file first");
    }
    let file = File::open(path).map_err(|error| explain(error, &shown))?;
    match read_trace(BufReader::new(file)) {
        Ok(trace) => Ok(trace),
        Err(error @ Error::NotATrace { .. }) => {
            bail!("cannot read {shown}: {error}; name a file that tidrec wrote")
        }
        Err(error @ Error::Empty) => bail!("cannot read {shown}: {error}; record again"),
        Err(error) => Err(error).with_context(|| format!("cannot read {shown}")),
    }
}

/// A path that is safe to print.
fn shown(path: &Path) -> String {
    text::escape(path.to_string_lossy().as_bytes()).into_owned()
}

fn explain(error: io::Error, shown: &str) -> anyhow::Error {
    let mend = match error.kind() {
        io::ErrorKind::NotFound => {
            "; tidrec names its files tidline-NAME-PID-DATE-TIME.tid where it is not told otherwise"
        }
        io::ErrorKind::PermissionDenied => {
            "; it may belong to whoever recorded it: become its owner, or ask for a copy"
        }
        _ => "",
    };
    anyhow!("cannot open {shown}: {error}{mend}")
}
