//! Where snapshots are: each gets a name that none of this recording has had, once it is whole.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};

use super::output::shown;

/// The names that a recording has given to snapshots. One that was moved elsewhere keeps its name: no
/// later one may be taken for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(Arc<Mutex<HashSet<PathBuf>>>);

/// A snapshot on its way to its place, under another name. It is removed unless it gets there.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    part: PathBuf,
}

impl Places {
    /// A new file for `STEM-snapshot-DATE-TIME.tid`, with a number where there was one of that second.
    pub(super) fn begin(&self, stem: &Path) -> Result<(Place, File)> {
        let now = chrono::Local::now().format("%Y%m%d-%H%M%S");
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for number in 1..1_000 {
            let more = match number {
                1 => String::new(),
                number => format!("-{number}"),
            };
            let mut name = stem.as_os_str().to_owned();
            name.push(format!("-snapshot-{now}{more}.tid"));
            let path = PathBuf::from(&name);
            if taken.contains(&path) || path.symlink_metadata().is_ok() {
                continue;
            }
            name.push(".part");
            let part = PathBuf::from(name);
            let mut options = OpenOptions::new();
            match options.write(true).create_new(true).mode(0o600).open(&part) {
                Ok(file) => {
                    taken.insert(path.clone());
                    return Ok((Place { path, part }, file));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot write {}", shown(&part)));
                }
            }
        }
        anyhow::bail!("a thousand snapshots in one second")
    }
}

impl Place {
    /// Where it will be.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts the file, which is whole and on the disk, into its place.
    pub(super) fn finish(self) -> io::Result<PathBuf> {
        // Unlike a rename, a link never replaces what appeared meanwhile.
        match fs::hard_link(&self.part, &self.path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            // Not every file system has them.
            Err(_) => fs::rename(&self.part, &self.path)?,
        }
        let _ = File::open(folder_of(&self.path)).and_then(|folder| folder.sync_all());
        Ok(self.path.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.part);
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Snapshots that earlier recordings into this output have left beside it, with their bytes.
pub(crate) fn earlier(output: &Path) -> Vec<(PathBuf, u64)> {
    let stem = output.with_extension("");
    let folder = folder_of(&stem);
    let mut begin = stem.file_name().unwrap_or_default().as_bytes().to_vec();
    begin.extend(b"-snapshot-");
    let is_one = |name: &OsStr| {
        let name = name.as_bytes();
        name.starts_with(&begin) && (name.ends_with(b".tid") || name.ends_with(b".tid.part"))
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let found = entries.filter(|entry| is_one(&entry.file_name()));
    found
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?.len())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stem() -> PathBuf {
        let name = format!("tidline-places-{}", std::process::id());
        std::env::temp_dir().join(name)
    }

    #[test]
    fn a_name_is_given_once_and_only_to_what_is_whole() {
        let (places, stem) = (Places::default(), stem());
        let (given_up, _) = places.begin(&stem).expect("a place");
        let never = given_up.path().to_owned();
        drop(given_up);
        let mut names = vec![never.clone()];
        for _ in 0..3 {
            let (place, _) = places.begin(&stem).expect("a place");
            assert!(!place.path().exists());
            assert_eq!(earlier(&stem).len(), 1, "that which is not whole counts");
            let path = place.finish().expect("in its place");
            assert_eq!(earlier(&stem), [(path.clone(), 0)]);
            // Whoever moves it away makes no room for its name.
            fs::remove_file(&path).expect("there");
            names.push(path);
        }
        let all: HashSet<&PathBuf> = names.iter().collect();
        assert_eq!(all.len(), names.len(), "{names:?}");
        assert!(!never.exists());
    }
}
