//! The output file: created with care, and never left with half a chunk in it.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Error, Result, anyhow, bail};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, Flock, FlockArg, OFlag, fcntl};

use tidline::format::looks_like_trace;

use super::folder::Shelf;

/// A trace's file. After a write that failed half-way it stands where the last whole one ended.
#[derive(Debug)]
pub(crate) struct Output {
    file: File,
    path: PathBuf,
    kind: Kind,
    /// What may be given up for it.
    shelf: Option<Arc<Shelf>>,
    /// Its first byte, as long as another stands there.
    hidden: Hidden,
    /// Held as long as the file is written.
    _lock: Option<Flock<File>>,
}

/// Whether a file is to be no trace yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hidden {
    No,
    FromStart,
    /// What its first byte is to be.
    By(u8),
}

/// The first byte of a file that is no trace yet.
const HIDDEN: u8 = 0;

/// Whether a file is a trace, or is to become one, by its first bytes.
pub(super) fn looks_like_ours(start: &[u8]) -> bool {
    let mut revealed = start.to_vec();
    if let Some(first @ &mut HIDDEN) = revealed.first_mut() {
        *first = 0x89; // What a trace begins with.
    }
    looks_like_trace(&revealed)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A regular file, where the last whole write ended, and whether somebody else has cut it.
    File { good: u64, cut: bool },
    /// A pipe or a device: it cannot be cut.
    Stream,
}

/// Says that nothing can be recorded there, why, and what to do.
pub(crate) fn unwritable(path: &Path, error: impl Into<Error>) -> Error {
    let (shown, error) = (shown(path), error.into());
    anyhow!("cannot write {shown}: {error:#}: choose another place with -o")
}

/// An output that can be written, and has not been touched yet.
#[derive(Debug)]
pub(crate) struct Ready {
    file: File,
    lock: Option<Flock<File>>,
    path: PathBuf,
    /// A regular file.
    regular: bool,
    /// It was not there before.
    created: bool,
}

impl Ready {
    /// Opens the file. What is in it stays until [`Ready::begin`].
    ///
    /// # Errors
    /// If it exists and `force` is not given, if another tidrec writes it, or if it cannot be
    /// written.
    pub(crate) fn open(path: &Path, force: bool) -> Result<Self> {
        let shown = shown(path);
        let found = std::fs::metadata(path);
        if let Ok(found) = &found {
            let kind = found.file_type();
            if kind.is_dir() {
                bail!("{shown} is a folder: name a file in it");
            }
            if kind.is_socket() {
                bail!("{shown} is a socket: name a file");
            }
            if kind.is_block_device() {
                bail!("{shown} is a disk: name a file on it");
            }
            if !kind.is_file() {
                // A pipe or a device is there to be written to.
                let file = open_stream(path).map_err(|error| unwritable(path, error))?;
                let path = path.into();
                return Ok(Ready {
                    file,
                    lock: None,
                    path,
                    regular: false,
                    created: false,
                });
            }
            if !force {
                bail!(
                    "{shown} exists, and is kept: choose another name with -o, or overwrite it \
                     with --force"
                );
            }
        }
        let created = found.is_err();
        let mut options = OpenOptions::new();
        // For its owner only: it tells what runs on this machine.
        // A link that leads nowhere is made to lead somewhere.
        let is_link = path.is_symlink();
        options
            .write(true)
            .create(created)
            .create_new(created && !is_link)
            .mode(0o600);
        let file = options
            .open(path)
            .map_err(|error| unwritable(path, error))?;
        let copy = file
            .try_clone()
            .with_context(|| format!("cannot write {shown}"))?;
        let lock = match Flock::lock(copy, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Some(lock),
            Err((_, Errno::EWOULDBLOCK)) => bail!("{shown} is being written by another tidrec"),
            Err(_) => None, // A file system without locks.
        };
        Ok(Ready {
            file,
            lock,
            path: path.into(),
            regular: true,
            created,
        })
    }

    /// Whether there is something in it that beginning would destroy.
    pub(crate) fn holds_something(&self) -> bool {
        self.regular && !self.created
    }

    /// What to remove if nothing is recorded.
    pub(crate) fn made(&self) -> Option<PathBuf> {
        self.created.then(|| self.path.clone())
    }

    /// Empties the file: from here on it is the trace's.
    ///
    /// # Errors
    /// If that is not possible.
    pub(crate) fn begin(self) -> Result<Output> {
        let Ready {
            file,
            lock,
            path,
            regular,
            ..
        } = self;
        if !regular {
            return Ok(Output {
                file,
                path,
                kind: Kind::Stream,
                shelf: None,
                hidden: Hidden::No,
                _lock: lock,
            });
        }
        let shown = shown(&path);
        file.set_len(0)
            .with_context(|| format!("cannot empty {shown}"))?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))
            .with_context(|| format!("cannot make {shown} readable by its owner only"))?;
        Ok(Output {
            file,
            path,
            kind: Kind::File {
                good: 0,
                cut: false,
            },
            shelf: None,
            hidden: Hidden::No,
            _lock: lock,
        })
    }
}

impl Output {
    /// Makes a new file, for its owner only; on a full disk those on the shelf make room. One that is
    /// hidden is a trace for nobody until it is revealed.
    pub(super) fn create(path: &Path, shelf: Arc<Shelf>, hidden: bool) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)?;
        Ok(Output {
            file,
            path: path.into(),
            kind: Kind::File {
                good: 0,
                cut: false,
            },
            shelf: Some(shelf),
            hidden: match hidden {
                true => Hidden::FromStart,
                false => Hidden::No,
            },
            _lock: None,
        })
    }

    /// From here on it is a trace.
    pub(super) fn reveal(&mut self) -> io::Result<()> {
        if let Hidden::By(first) = self.hidden {
            self.file.write_all_at(&[first], 0)?;
        }
        self.hidden = Hidden::No;
        Ok(())
    }

    /// It was renamed, by us.
    pub(super) fn set_path(&mut self, path: PathBuf) {
        self.path = path;
    }

    /// Which file it is, and how long.
    pub(super) fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// Whether it can be read again, as a pipe cannot.
    pub(super) fn is_file(&self) -> bool {
        matches!(self.kind, Kind::File { .. })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Brings what was written to the disk itself.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match self.kind {
            Kind::File { .. } => self.file.sync_data(),
            Kind::Stream => Ok(()),
        }
    }

    /// A file that is shorter than what was written would get a hole: go on at its end instead, so
    /// that what is left of it, and what follows, can be read.
    fn notice_a_cut(&mut self) -> io::Result<()> {
        if let Kind::File { good, cut } = &mut self.kind {
            let len = self.file.metadata()?.len();
            if len < *good {
                *cut = true;
                *good = self.file.seek(SeekFrom::Start(len))?;
            }
        }
        Ok(())
    }

    /// What somebody else did to the file meanwhile.
    pub(crate) fn problem(&self) -> Option<String> {
        let Kind::File { good, cut } = self.kind else {
            return None;
        };
        let now = self.file.metadata().ok()?;
        if now.nlink() == 0 {
            return Some("somebody removed it while it was written: the recording is gone".into());
        }
        if cut || now.len() < good {
            return Some("somebody cut it while it was written: a part is gone".into());
        }
        let named = std::fs::metadata(&self.path).ok();
        let same = named.is_some_and(|named| (named.dev(), named.ino()) == (now.dev(), now.ino()));
        (!same).then(|| "somebody moved it while it was written: look for it elsewhere".into())
    }
}

impl Write for Output {
    /// All or nothing.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.notice_a_cut()?;
        let starts = self.hidden == Hidden::FromStart;
        let hides = bytes.first().copied().filter(|_| starts);
        let covered = hides.map(|_| [&[HIDDEN], &bytes[1..]].concat());
        loop {
            let Err(error) = self.file.write_all(covered.as_deref().unwrap_or(bytes)) else {
                self.hidden = hides.map_or(self.hidden, Hidden::By);
                if let Kind::File { good, .. } = &mut self.kind {
                    *good += bytes.len() as u64;
                }
                return Ok(bytes.len());
            };
            if let Kind::File { good, .. } = self.kind {
                self.file
                    .set_len(good)
                    .and_then(|()| self.file.seek(SeekFrom::Start(good)))?;
            }
            let full = matches!(
                error.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            );
            let room = self
                .shelf
                .as_ref()
                .is_some_and(|shelf| full && shelf.evict_early());
            if !room {
                return Err(error);
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens a pipe or a device. A pipe that nobody reads is an error, not a wait without an end.
fn open_stream(path: &Path) -> Result<File> {
    let nonblocking = OFlag::O_NONBLOCK.bits();
    let opened = OpenOptions::new()
        .write(true)
        .custom_flags(nonblocking)
        .open(path);
    let file = match opened {
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => {
            bail!("it is a pipe that nobody reads: start its reader first")
        }
        opened => opened?,
    };
    // From here on a full pipe makes the writer's thread wait, and nobody else.
    let flags = OFlag::from_bits_retain(fcntl(&file, FcntlArg::F_GETFL)?);
    fcntl(&file, FcntlArg::F_SETFL(flags - OFlag::O_NONBLOCK))?;
    Ok(file)
}

/// A path for a message: on one line, without what would drive a terminal.
pub(crate) fn shown(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    tidline::text::escape(path.as_os_str().as_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_file_is_a_trace_once_it_is_revealed() {
        let folder = std::env::temp_dir().join(format!("tidrec-hidden-{}", std::process::id()));
        std::fs::create_dir(&folder).expect("a folder");
        let path = folder.join("next");
        let written = |hidden, revealed| {
            let file = Output::create(&path, Arc::new(Shelf::of(&folder)), hidden);
            let mut output = file.expect("a file");
            let whole = b"\x89TID\r\n\x1a\n and more";
            output.write_all(&whole[..9]).expect("written");
            output.write_all(&whole[9..]).expect("written");
            if revealed {
                output.reveal().expect("revealed");
            }
            let found = std::fs::read(&path).expect("a file");
            std::fs::remove_file(&path).expect("removed");
            assert!(looks_like_ours(&found));
            assert_eq!(found[1..], whole[1..]);
            looks_like_trace(&found)
        };
        assert_eq!([written(false, false), written(false, true)], [true, true]);
        assert_eq!([written(true, false), written(true, true)], [false, true]);
        std::fs::remove_dir(&folder).expect("removed");
        assert!(!looks_like_ours(b"\0ID\r\n\x1a\n"));
        assert!(!looks_like_ours(b""));
    }
}
