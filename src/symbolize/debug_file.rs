//! Where a module's debug information is: in itself, or in a file of its own.
//!
//! Distributions keep it apart, under `/usr/lib/debug`: by the build-id in `.build-id/xx/yyyy.debug`, or
//! by the name in `.gnu_debuglink`, beside the module or under its path. A file whose build-id is
//! not the module's is another build's, and would give wrong names: it is refused, and that is
//! said. Without a build-id the checksum in the link decides.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::elf::Elf;

/// A file, opened.
pub(super) type Opened = Elf<File>;

/// Where a module's debug information may be.
pub(super) struct Search<'a> {
    pub(super) dirs: &'a [PathBuf],
    /// The module's path.
    pub(super) path: &'a Path,
    /// Its build-id, empty if it has none.
    pub(super) build_id: &'a [u8],
    /// What it says of a file with its debug information.
    pub(super) link: Option<(String, u32)>,
}

impl Search<'_> {
    /// The file, if there is one that belongs to the module. What was refused is told.
    pub(super) fn find(&self, refused: &mut Vec<String>) -> Option<(PathBuf, Opened)> {
        for path in self.candidates() {
            let Ok(mut elf) = open(&path) else { continue };
            let its = elf.build_id();
            let fits = if self.build_id.is_empty() {
                its.is_empty()
                    && self
                        .link
                        .as_ref()
                        .is_some_and(|(_, crc)| has_crc(&path, *crc))
            } else {
                its == self.build_id
            };
            if fits {
                return Some((path, elf));
            }
            if !is_same(&path, self.path) {
                refused.push(format!(
                    "{} is of another build ({})",
                    path.display(),
                    shown(&its)
                ));
            }
        }
        None
    }

    fn candidates(&self) -> Vec<PathBuf> {
        let mut all = Vec::new();
        if let Some(below) = below(self.build_id) {
            all.extend(
                self.dirs
                    .iter()
                    .map(|dir| dir.join(&below).with_extension("debug")),
            );
        }
        let Some((link, _)) = &self.link else {
            return all;
        };
        // What is open by a number (`/proc/self/fd/3`) has a folder, too.
        let real = std::fs::canonicalize(self.path).unwrap_or_else(|_| self.path.to_owned());
        let folder = real.parent().unwrap_or(Path::new("/"));
        all.push(folder.join(link));
        all.push(folder.join(".debug").join(link));
        for dir in self.dirs {
            all.push(join_below(dir, folder).join(link));
            all.push(dir.join(link));
        }
        all
    }
}

/// A build-id's place in a folder of them: `.build-id/xx/yyyy`.
pub(super) fn below(build_id: &[u8]) -> Option<PathBuf> {
    let (first, rest) = build_id.split_first()?;
    if rest.is_empty() {
        return None;
    }
    Some(
        Path::new(".build-id")
            .join(shown(&[*first]))
            .join(shown(rest)),
    )
}

/// An absolute path below a folder.
pub(super) fn join_below(dir: &Path, path: &Path) -> PathBuf {
    let parts = path.components();
    let plain = parts.filter(|part| matches!(part, std::path::Component::Normal(_)));
    dir.join(plain.collect::<PathBuf>())
}

/// A build-id in hexadecimal.
pub(super) fn shown(build_id: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for byte in build_id {
        let _ = write!(text, "{byte:02x}"); // To a String: it cannot fail.
    }
    if text.is_empty() {
        text.push_str("none");
    }
    text
}

/// Opens an ELF file: a regular one, as anything else could wait for ever.
pub(super) fn open(path: &Path) -> Result<Opened, OpenError> {
    let metadata = std::fs::metadata(path).map_err(OpenError::Io)?;
    if !metadata.is_file() {
        return Err(OpenError::Elf("it is no regular file".into()));
    }
    let file = File::open(path).map_err(OpenError::Io)?;
    Elf::open(file).map_err(OpenError::Elf)
}

/// Why a file could not be opened.
pub(super) enum OpenError {
    Io(std::io::Error),
    Elf(String),
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (std::fs::canonicalize(one), std::fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

fn has_crc(path: &Path, wanted: u32) -> bool {
    let mut hasher = crc32fast::Hasher::new();
    let Ok(mut file) = File::open(path) else {
        return false;
    };
    let mut bytes = vec![0; 1 << 16];
    loop {
        match file.read(&mut bytes) {
            Ok(0) => return hasher.finalize() == wanted,
            Ok(count) => hasher.update(&bytes[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return false,
        }
    }
}
