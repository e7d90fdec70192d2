//! A file that appears whole or not at all: written beside its place, and moved there at the end.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};

use crate::load::shown;

/// A file on its way to its place. It is removed if it does not get there.
#[derive(Debug)]
pub(crate) struct Output {
    place: PathBuf,
    beside: PathBuf,
    replaces: bool,
}

impl Output {
    /// A new file for `place`, which must not be one of `inputs`, nor lie in one of the `folders`
    /// that they are in because of their folder: it would be read as one of them.
    pub(crate) fn create<'a>(
        place: &Path,
        replaces: bool,
        inputs: impl Iterator<Item = &'a Path>,
        folders: &[PathBuf],
    ) -> Result<(Output, File)> {
        let name = shown(place);
        if place.file_name().is_none() {
            bail!("{name} is no file name");
        }
        for input in inputs {
            if is_same(input, place) {
                bail!("{name} is what is read: name another file to write");
            }
        }
        let parent = match place.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        for folder in folders {
            if folder.is_dir() && is_same(folder, parent) {
                bail!(
                    "{name} is in the folder that is read, and would be taken for a file of the \
                     recording: name one elsewhere"
                );
            }
        }
        match fs::metadata(place) {
            Ok(metadata) if !metadata.is_file() => bail!("{name} is there, and no regular file"),
            _ if !replaces && fs::symlink_metadata(place).is_ok() => return Err(exists(place)),
            _ => {}
        }
        let (beside, file) =
            new_beside(parent).map_err(|error| anyhow!("cannot write {name}: {error}"))?;
        let output = Output {
            place: place.into(),
            beside,
            replaces,
        };
        Ok((output, file))
    }

    /// Puts the file into its place.
    pub(crate) fn finish(self, file: File) -> Result<()> {
        let name = shown(&self.place);
        let failed = |error: io::Error| anyhow!("cannot write {name}: {error}");
        file.sync_all().map_err(failed)?;
        drop(file);
        if !self.replaces {
            // Unlike a rename, a link never replaces what appeared meanwhile.
            match fs::hard_link(&self.beside, &self.place) {
                Ok(()) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return Err(exists(&self.place));
                }
                Err(_) if fs::symlink_metadata(&self.place).is_ok() => {
                    return Err(exists(&self.place));
                }
                // Not every file system has them.
                Err(_) => {}
            }
        }
        fs::rename(&self.beside, &self.place).map_err(failed)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.beside);
    }
}

fn exists(place: &Path) -> anyhow::Error {
    anyhow!("{} is there already: --force replaces it", shown(place))
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// A new file in a folder, for nobody else's eyes: command lines and paths are in it.
fn new_beside(folder: &Path) -> io::Result<(PathBuf, File)> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    for number in 0..100 {
        let path = folder.join(format!(".tidview-{}-{number}.part", std::process::id()));
        match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => return Ok((path, opened?)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
