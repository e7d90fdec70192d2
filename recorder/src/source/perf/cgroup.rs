//! A control group: which processes are in it, or in one below it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tidline::model::Pid;

/// A control group's folder.
#[derive(Clone, Debug)]
pub(crate) struct Cgroup(PathBuf);

/// Where the hierarchies are mounted.
const ROOT: &str = "/sys/fs/cgroup";
/// The file that lists processes, in each folder.
const PROCS: &str = "cgroup.procs";

impl Cgroup {
    /// By its folder, or by its path below `/sys/fs/cgroup`, as `/proc/PID/cgroup` shows it.
    ///
    /// # Errors
    /// If there is no such group.
    pub(crate) fn find(path: &Path) -> Result<Cgroup> {
        let below = path.strip_prefix("/").unwrap_or(path);
        let places = [path.to_owned(), Path::new(ROOT).join(below)];
        let is_group = |place: &&PathBuf| place.join(PROCS).exists();
        let Some(found) = places.iter().find(is_group) else {
            bail!(
                "there is no control group {}: name its folder, such as {ROOT}/system.slice/ssh.service \
                 (cat /proc/PID/cgroup shows a process's)",
                path.display()
            );
        };
        fs::read(found.join(PROCS)).with_context(|| format!("{}", found.display()))?;
        Ok(Cgroup(found.clone()))
    }

    /// Its last name.
    pub(crate) fn name(&self) -> String {
        let name = self.0.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// The processes that are in it now.
    pub(crate) fn pids(&self) -> Vec<Pid> {
        let mut all = Vec::new();
        // One that goes away meanwhile has no processes.
        let _ = collect(&self.0, &mut all);
        all.sort_unstable();
        all.dedup();
        all
    }
}

fn collect(folder: &Path, all: &mut Vec<Pid>) -> io::Result<()> {
    // A threaded group (cgroups(7)) lists none; the one above it does.
    if let Ok(text) = fs::read_to_string(folder.join(PROCS)) {
        let pids = text.lines().filter_map(|line| line.parse().ok());
        // 0 is one that is outside of our pid namespace.
        all.extend(pids.filter(|pid| *pid != 0).map(Pid));
    }
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            let _ = collect(&entry.path(), all);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_the_processes_of_those_below_it() {
        let folder = std::env::temp_dir().join(format!("tidline-cgroup-{}", std::process::id()));
        fs::create_dir_all(folder.join("a/b")).unwrap();
        fs::write(folder.join(PROCS), "7\n0\n").unwrap();
        fs::write(folder.join("a/b").join(PROCS), "5\n7\n").unwrap();
        let group = Cgroup::find(&folder).unwrap();
        assert_eq!(group.pids(), [Pid(5), Pid(7)]);
        assert!(Cgroup::find(&folder.join("c")).is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
