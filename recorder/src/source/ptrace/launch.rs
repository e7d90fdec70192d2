//! Launching a command so that its first instruction is already recorded.
//!
//! The child waits on a pipe until it is seized, then becomes the command. A second pipe, which a
//! successful exec closes, brings the error of one that fails.

use std::ffi::{CString, OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use tidline::model::Pid;

use super::{filter, sys};
use crate::syscall::Stops;
use crate::syscall::abi::Abi;

/// A child that waits to become its command.
pub(crate) struct Launched {
    pub(crate) pid: Pid,
    go: std::fs::File,
    trouble: std::fs::File,
}

impl Launched {
    /// Forks. `signals_before` is the signal mask that the command gets, `ignored_by_us` are the
    /// signals that it finds at their default. If its creations are to stop, it gets a filter for that.
    pub(crate) fn fork(
        command: &[OsString],
        signals_before: SigSet,
        ignored_by_us: &[Signal],
        stops: Stops,
    ) -> io::Result<Self> {
        let arguments = c_strings(command.iter().map(OsString::as_os_str))?;
        let candidates = candidates(&command[0], std::env::var_os("PATH").as_deref());
        let path_candidates = c_strings(candidates.iter().map(OsString::as_os_str))?;
        let (go_read, go_write) = io_pipe()?;
        let (trouble_read, trouble_write) = io_pipe()?;
        let filter = match stops {
            Stops::Creations => filter::creations(&Abi::HERE),
            Stops::None | Stops::All => Vec::new(),
        };
        let command = sys::Command {
            filter: &filter,
            path_candidates: &path_candidates,
            arguments: &arguments,
            signals_before,
            ignored_by_us,
            go: go_read,
            trouble: trouble_write,
            parents: [go_write.as_raw_fd(), trouble_read.as_raw_fd()],
        };
        let pid = Pid(sys::spawn(&command)?);
        Ok(Launched {
            pid,
            go: go_write.into(),
            trouble: trouble_read.into(),
        })
    }

    /// Lets the child become the command. What comes back tells, later, whether it did.
    pub(crate) fn go(mut self) -> io::Result<Trouble> {
        self.go.write_all(&[1])?;
        Ok(Trouble(self.trouble))
    }
}

/// Tells whether the exec failed: its other end is closed by the exec, or when the child ends.
pub(crate) struct Trouble(std::fs::File);

impl Trouble {
    /// What went wrong, if anything did; waits for it, at most `limit`.
    pub(crate) fn failure(mut self, limit: Duration) -> Option<Failure> {
        let timeout = PollTimeout::try_from(limit).unwrap_or(PollTimeout::ZERO);
        let mut readable = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        poll(&mut readable, timeout)
            .ok()
            .filter(|ready| *ready > 0)?;
        let mut number = [0; 4];
        self.0.read_exact(&mut number).ok()?;
        Some(match i32::from_ne_bytes(number) {
            filter @ ..0 => Failure::Filter(io::Error::from_raw_os_error(-filter)),
            exec => Failure::Exec(io::Error::from_raw_os_error(exec)),
        })
    }
}

/// Why the child did not become the command.
pub(crate) enum Failure {
    /// The kernel did not take the seccomp filter.
    Filter(io::Error),
    Exec(io::Error),
}

fn io_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC)?)
}

fn c_strings<'a>(words: impl Iterator<Item = &'a OsStr>) -> io::Result<Vec<CString>> {
    words
        .map(|word| CString::new(word.as_bytes()).map_err(io::Error::from))
        .collect()
}

/// Where a command may be, as execvp(3) searches: a name with a slash is a path.
fn candidates(name: &OsStr, path: Option<&OsStr>) -> Vec<OsString> {
    if name.as_bytes().contains(&b'/') {
        return vec![name.to_os_string()];
    }
    let path = path.unwrap_or(OsStr::new("/bin:/usr/bin"));
    std::env::split_paths(path)
        .map(|folder| {
            let folder = if folder.as_os_str().is_empty() {
                Path::new(".")
            } else {
                &folder
            };
            folder.join(name).into_os_string()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_searched_and_a_path_is_not() {
        let path = Some(OsStr::new("/a::/b"));
        assert_eq!(candidates(OsStr::new("x"), path), ["/a/x", "./x", "/b/x"]);
        assert_eq!(candidates(OsStr::new("./x"), path), ["./x"]);
        assert_eq!(candidates(OsStr::new("x"), None), ["/bin/x", "/usr/bin/x"]);
    }
}
