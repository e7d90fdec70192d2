//! What is kept of a recording, and where: limits, rotation, the flight recorder and its triggers.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use tidline::format::MAX_BATCH_BYTES;

use crate::cli::parse_duration;
use crate::pipeline::command::parse_command;
use crate::pipeline::trigger::Trigger;

/// Options for recordings that go on for long.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Long recordings")]
pub(crate) struct Keep {
    /// Begin a new file after SIZE (such as 512K, 64M, 1G); FILE is then a folder of files, each of
    /// which opens alone
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) segment_size: Option<u64>,

    /// Begin a new file after TIME
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) segment_time: Option<Duration>,

    /// Keep all files together, snapshots included, below SIZE: the oldest go
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) max_disk: Option<u64>,

    /// Flight recorder: keep only the last TIME or SIZE (10m is minutes, 256M is megabytes), in a
    /// folder of files
    #[arg(long, value_name = "TIME|SIZE", value_parser = parse_ring)]
    pub(crate) ring: Option<Ring>,

    /// How the files are packed
    #[arg(long, value_enum, default_value_t = Compress::Lz4, value_name = "HOW")]
    pub(crate) compress: Compress,

    /// When this happens, write what was recorded around it into a file of its own, a snapshot; may
    /// be given several times: live-threads>N, create-rate>N/s, create-failed (with --failures), exit-signal. SIGUSR1
    /// to tidrec and `tidrec ctl PID snapshot` do so, too
    #[arg(long = "trigger", value_name = "WHAT", value_parser = Trigger::parse)]
    pub(crate) triggers: Vec<Trigger>,

    /// A snapshot begins so long before its trigger [default: with what is there]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) before: Option<Duration>,

    /// A snapshot ends so long after its trigger
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "10s")]
    pub(crate) after: Duration,

    /// A trigger rests so long before it may snap again
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "60s")]
    pub(crate) trigger_pause: Duration,

    /// Run CMD by sh, with a snapshot's path as its last argument (only as $1 if CMD ends with ; or &), when
    /// the snapshot is written
    #[arg(long, value_name = "CMD", value_parser = parse_command)]
    pub(crate) on_trigger: Option<String>,

    /// What to do when the trace cannot be written, the disk being full or gone: go on, and count
    /// what is lost, or end the recording
    #[arg(long, value_enum, default_value_t = OnFull::GoOn, value_name = "HOW")]
    pub(crate) on_full: OnFull,
}

/// How much a flight recorder keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ring {
    Time(Duration),
    Bytes(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compress {
    None,
    Lz4,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnFull {
    GoOn,
    Stop,
}

/// When a new file begins, and when an old one goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// A file ends at so many bytes, a batch more or less.
    pub(crate) segment_bytes: u64,
    /// A file ends after so many ns.
    pub(crate) segment_ns: u64,
    /// All files together, bytes.
    pub(crate) max_bytes: Option<u64>,
    /// So many bytes of events are written at once, an event more or less.
    pub(crate) batch_bytes: usize,
    /// A file whose end is so many ns ago goes.
    pub(crate) keep_ns: Option<u64>,
}

/// Where nothing else is said a file is so large, bytes.
const SEGMENT_BYTES: u64 = 64 << 20;
/// A smaller file would be mostly checkpoint, bytes.
const LEAST_BYTES: u64 = 64 << 10;
/// A shorter file would be mostly checkpoint.
const LEAST_TIME: Duration = Duration::from_millis(100);
/// Of a limit on all files one file takes this part, so that giving one up costs little.
const PARTS: u64 = 8;
/// What is written at once takes this part of such a limit, and not less than `LEAST_BATCH`: room for
/// it is made before. It stays so far below what the format's writer takes in that this never writes of
/// its own accord.
const BATCHES: u64 = 32;
const LEAST_BATCH: u64 = 4 << 10;
const MOST_BATCH: usize = MAX_BATCH_BYTES / 2;

impl Keep {
    /// The limits; `None` if the trace is to be one file without any.
    ///
    /// # Errors
    /// If they contradict each other.
    pub(crate) fn limits(&self) -> Result<Option<Limits>> {
        let (ring_time, ring_bytes) = match self.ring {
            Some(Ring::Time(time)) => (Some(time), None),
            Some(Ring::Bytes(bytes)) => (None, Some(bytes)),
            None => (None, None),
        };
        let max_bytes = match (self.max_disk, ring_bytes) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let any = self.segment_size.is_some()
            || self.segment_time.is_some()
            || max_bytes.is_some()
            || ring_time.is_some();
        if !any {
            return Ok(None);
        }
        let part = max_bytes.map_or(SEGMENT_BYTES, |max| (max / PARTS).min(SEGMENT_BYTES));
        let segment_bytes = self.segment_size.unwrap_or(part.max(LEAST_BYTES));
        if segment_bytes < LEAST_BYTES {
            bail!("--segment-size is below 64K: a file would be mostly its own beginning");
        }
        if let Some(max) = max_bytes
            && max < 2 * segment_bytes
        {
            bail!(
                "a limit of {max} bytes has no room for two files of {segment_bytes} bytes: give a \
                 higher --max-disk (or --ring), at least 128K, or a lower --segment-size"
            );
        }
        let part = ring_time.map(|time| (time / PARTS as u32).max(LEAST_TIME));
        let segment_time = self.segment_time.or(part).unwrap_or(Duration::MAX);
        if segment_time < LEAST_TIME {
            bail!("--segment-time is below 100ms: a file would be mostly its own beginning");
        }
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Ok(Some(Limits {
            segment_bytes,
            segment_ns: ns(segment_time),
            max_bytes,
            batch_bytes: max_bytes.map_or(MAX_BATCH_BYTES, |max| {
                let part = (max / BATCHES).max(LEAST_BATCH);
                usize::try_from(part).map_or(MOST_BATCH, |part| part.min(MOST_BATCH))
            }),
            keep_ns: ring_time.map(ns),
        }))
    }

    /// The options that were given, for the trace's header: names and values.
    pub(crate) fn told(&self) -> Vec<(String, String)> {
        let mut told = Vec::new();
        let mut tell = |name: &str, value: Option<String>| {
            told.extend(value.map(|value| (name.to_string(), value)));
        };
        let bytes = |bytes: u64| format!("{bytes} bytes");
        let time = |time: Duration| format!("{}s", time.as_secs_f64());
        tell("segment-size", self.segment_size.map(bytes));
        tell("segment-time", self.segment_time.map(time));
        tell("max-disk", self.max_disk.map(bytes));
        tell(
            "ring",
            self.ring.map(|ring| match ring {
                Ring::Time(length) => time(length),
                Ring::Bytes(length) => bytes(length),
            }),
        );
        for trigger in &self.triggers {
            tell("trigger", Some(trigger.to_string()));
        }
        told
    }
}

/// A number of bytes, with `K`, `M`, `G` or `T` (and `iB` or `B` behind it), each 1,024 times the
/// one before.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no size: write 512K, 64M or 1G");
    let unit_at = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let shift = match unit.strip_suffix("iB").or(unit.strip_suffix('B')) {
        Some("") if unit != "B" => return Err(wrong()),
        plain => match plain.unwrap_or(unit) {
            "" => 0,
            "K" | "k" => 10,
            "M" => 20,
            "G" => 30,
            "T" => 40,
            _ => return Err(wrong()),
        },
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let bytes = number * (1u64 << shift) as f64;
    if bytes >= 1.0 && bytes < (1u64 << 60) as f64 {
        Ok(bytes as u64)
    } else {
        Err(wrong())
    }
}

/// A time if the unit is one of time, else a size. `m` is minutes, `M` is megabytes.
fn parse_ring(text: &str) -> Result<Ring, String> {
    let is_size = text.ends_with(['K', 'M', 'G', 'T', 'B']);
    if is_size {
        return parse_size(text).map(Ring::Bytes);
    }
    if !text.ends_with(|c: char| c.is_ascii_alphabetic()) {
        return Err(format!(
            "{text:?} may be a time or a size: write 10m (minutes) or 256M (megabytes)"
        ));
    }
    parse_duration(text).map(Ring::Time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        keep: Keep,
    }

    fn limits(line: &str) -> Result<Option<Limits>> {
        let words = std::iter::once("x").chain(line.split_whitespace());
        Line::try_parse_from(words)?.keep.limits()
    }

    #[test]
    fn sizes() {
        assert_eq!(parse_size("512K"), Ok(512 << 10));
        assert_eq!(parse_size("1.5M"), Ok(3 << 19));
        assert_eq!(parse_size("1GiB"), Ok(1 << 30));
        assert_eq!(parse_size("77"), Ok(77));
        assert_eq!(parse_size("77B"), Ok(77));
        assert_eq!(parse_size("1KB"), Ok(1024));
        for wrong in [
            "", "M", "-1M", "0", "1m", "1 parsec", "1e30T", "nanK", "1KBB", "1KiiB", "1Ki", "1i",
            "1iB",
        ] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_ring_is_of_time_or_of_bytes() {
        assert_eq!(parse_ring("10m"), Ok(Ring::Time(Duration::from_secs(600))));
        assert_eq!(parse_ring("256M"), Ok(Ring::Bytes(256 << 20)));
        assert!(parse_ring("10").is_err());
        assert!(parse_ring("10x").is_err());
    }

    #[test]
    fn limits_follow_from_what_was_said() {
        assert_eq!(limits("").unwrap(), None);
        let max = limits("--max-disk 1G").unwrap().unwrap();
        assert_eq!(
            (max.segment_bytes, max.max_bytes),
            (64 << 20, Some(1 << 30))
        );
        let ring = limits("--ring 256M").unwrap().unwrap();
        assert_eq!(
            (ring.segment_bytes, ring.max_bytes),
            (32 << 20, Some(256 << 20))
        );
        assert_eq!(ring.batch_bytes, MAX_BATCH_BYTES / 2);
        let least = limits("--ring 128K").unwrap().unwrap();
        assert_eq!((least.segment_bytes, least.batch_bytes), (64 << 10, 4096));
        let ring = limits("--ring 8m --max-disk 1M").unwrap().unwrap();
        assert_eq!(ring.segment_ns, 60_000_000_000);
        assert_eq!(ring.keep_ns, Some(480_000_000_000));
        assert_eq!(ring.segment_bytes, 128 << 10);
        assert!(limits("--segment-size 1M --max-disk 1M").is_err());
        assert!(limits("--segment-size 1K").is_err());
        assert!(limits("--segment-time 1ms").is_err());
        assert!(limits("--max-disk 100K").is_err());
    }
}
