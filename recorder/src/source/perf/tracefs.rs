//! Where tracepoints are described: tracefs, wherever it is mounted, or one that is mounted for tidrec
//! alone and is gone with it.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::format::Format;
use super::sys;

/// Where it is mounted, if it is.
const PLACES: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// A tracefs that can be read.
#[derive(Debug)]
pub(crate) struct Tracefs {
    root: PathBuf,
    /// Held open, where it is mounted for us alone.
    _mount: Option<OwnedFd>,
}

impl Tracefs {
    /// Finds it, or mounts one.
    ///
    /// # Errors
    /// With what would help.
    pub(crate) fn find() -> Result<Tracefs> {
        let mut denied = None;
        for place in PLACES {
            // Some kernels mount it below debugfs only when it is looked at.
            match fs::read_dir(Path::new(place).join("events/sched")) {
                Ok(_) => {
                    return Ok(Tracefs {
                        root: place.into(),
                        _mount: None,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    denied = Some(place);
                }
                Err(_) => {}
            }
        }
        match sys::mount_tracefs() {
            Ok(mount) => Ok(Tracefs {
                root: format!("/proc/self/fd/{}", mount.as_raw_fd()).into(),
                _mount: Some(mount),
            }),
            Err(_) if denied.is_some() => bail!(
                "{} is not ours to read: run tidrec as root, or as root let others read it \
                 (mount -o remount,mode=755 {0})",
                denied.unwrap_or_default()
            ),
            Err(error) => Err(error).context(format!(
                "tracefs, which describes the kernel's tracepoints, is not mounted, and tidrec may not \
                 mount it: mount -t tracefs tracefs {} (as root)",
                PLACES[0]
            )),
        }
    }

    /// The format of a tracepoint, such as `sched/sched_process_exit`.
    ///
    /// # Errors
    /// If the kernel has no such tracepoint, or describes it in no known way.
    pub(crate) fn format(&self, tracepoint: &str) -> Result<Format> {
        let path = self.root.join("events").join(tracepoint).join("format");
        let text = fs::read(path).with_context(|| {
            format!("this kernel does not describe its tracepoint {tracepoint}")
        })?;
        Format::parse(&text).with_context(|| {
            format!("the description of tracepoint {tracepoint} is in no known form")
        })
    }
}
