//! The output file: created with care, and never left with half a chunk in it.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// A trace's file. After a write that failed half-way it stands where the last whole one ended.
#[derive(Debug)]
pub(crate) struct Output {
    file: File,
    path: PathBuf,
    /// Where the last whole write ended; `None` for what cannot be cut, such as a pipe.
    good: Option<u64>,
}

impl Output {
    /// Creates the file, readable by its owner only: it tells what runs on this machine.
    ///
    /// # Errors
    /// If it exists and `force` is not given, or cannot be written.
    pub(crate) fn create(path: &Path, force: bool) -> Result<Self> {
        let shown = shown(path);
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600);
        match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => bail!("{shown} is a folder: name a file in it"),
            // A pipe or a device is there to be written to.
            Ok(found) if !found.is_file() => {
                let file = open_special(path).with_context(|| format!("cannot write {shown}"))?;
                let good = found.file_type().is_block_device().then_some(0);
                return Ok(Output {
                    file,
                    path: path.into(),
                    good,
                });
            }
            Ok(_) if !force => bail!(
                "{shown} exists, and is kept: choose another name with -o, or overwrite it with --force"
            ),
            Ok(_) => options.truncate(true),
            Err(_) => options.create_new(true),
        };
        let file = options
            .open(path)
            .with_context(|| format!("cannot write {shown}"))?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))
            .with_context(|| format!("cannot make {shown} readable by its owner only"))?;
        Ok(Output {
            file,
            path: path.into(),
            good: Some(0),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file has a size that can be cut, and so can be removed too.
    pub(crate) fn is_regular(&self) -> bool {
        self.good.is_some()
    }

    /// Brings what was written to the disk itself.
    pub(crate) fn sync(&self) -> io::Result<()> {
        if self.good.is_some() {
            self.file.sync_data()
        } else {
            Ok(())
        }
    }
}

impl Write for Output {
    /// All or nothing.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.file.write_all(bytes) {
            Ok(()) => {
                if let Some(good) = &mut self.good {
                    *good += bytes.len() as u64;
                }
                Ok(bytes.len())
            }
            Err(error) => {
                if let Some(good) = self.good {
                    self.file
                        .set_len(good)
                        .and_then(|()| self.file.seek(SeekFrom::Start(good)))?;
                }
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens a pipe or a device. A pipe that nobody reads is an error, not a wait without an end.
fn open_special(path: &Path) -> Result<File> {
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
