//! A file that appears whole or not at all: written beside its place, and moved there at the end.
//! `-` is stdout, which gets it at the end, too.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Seek};
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};

use crate::load::shown;

/// Whether a place is stdout.
pub(crate) fn is_stdout(place: &Path) -> bool {
    place == Path::new("-")
}

/// Whether all that is known of an error is that something could not be read or written: what concerns a
/// trace's file says so.
pub(crate) fn is_all_that_is_known(error: &anyhow::Error) -> bool {
    let mut all = error.chain();
    matches!(all.next(), Some(first) if first.is::<io::Error>())
}

/// A file on its way to its place. It is removed if it does not get there.
#[derive(Debug)]
pub(crate) struct Output {
    place: PathBuf,
    beside: PathBuf,
    replaces: bool,
}

/// Links that are gone through at most, as the kernel does.
const LINKS: usize = 40;

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
        if is_stdout(place) {
            return Output::for_stdout();
        }
        if place.file_name().is_none() {
            bail!("{name} is no file name");
        }
        match fs::metadata(place) {
            Ok(metadata) if !metadata.is_file() => bail!("{name} is there, and no regular file"),
            Ok(_) if !replaces => return Err(exists(place)),
            _ => {}
        }
        // What a link leads to is written, and the link stays.
        let place = &led_to(place);
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
        let (beside, file) =
            new_beside(parent).map_err(|error| anyhow!("cannot write {name}: {error}"))?;
        let output = Output {
            place: place.into(),
            beside,
            replaces,
        };
        Ok((output, file))
    }

    /// A file for stdout. It is whole before the first byte of it is there.
    fn for_stdout() -> Result<(Output, File)> {
        if io::stdout().is_terminal() {
            bail!("-o - is stdout, a terminal, which this is nothing for: name a file");
        }
        let folder = std::env::temp_dir();
        let (beside, file) = new_beside(&folder)
            .map_err(|error| anyhow!("cannot write into {}: {error}", shown(&folder)))?;
        let output = Output {
            place: "-".into(),
            beside,
            replaces: true,
        };
        Ok((output, file))
    }

    /// Puts the file into its place.
    pub(crate) fn finish(self, mut file: File) -> Result<()> {
        if is_stdout(&self.place) {
            file.rewind()?;
            io::copy(&mut file, &mut io::stdout().lock())?;
            return Ok(());
        }
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

/// Where a link leads, and where that does; what is no link is itself.
fn led_to(place: &Path) -> PathBuf {
    let mut place = place.to_owned();
    for _ in 0..LINKS {
        let Ok(next) = fs::read_link(&place) else {
            break;
        };
        place = place
            .parent()
            .map_or(next.clone(), |folder| folder.join(&next));
    }
    place
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
    options.read(true).write(true).create_new(true);
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
