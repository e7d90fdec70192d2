//! A folder for one test.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

static SERIAL: AtomicU32 = AtomicU32::new(0);

/// A name that no other test, process or call has at the same time.
pub(super) fn unique(prefix: &str) -> String {
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}-{}-{serial}", std::process::id())
}

/// A new, empty folder, removed with all it holds when this is dropped.
#[derive(Debug)]
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> TempDir {
        let path = std::env::temp_dir().join(unique("tidline-test"));
        // The name holds a process id, which is used again: something may be left from it.
        if path.exists() {
            std::fs::remove_dir_all(&path).expect("remove an old test folder");
        }
        std::fs::create_dir_all(&path).expect("create a test folder");
        TempDir(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("cannot remove {}: {error}", self.0.display());
        }
    }
}
