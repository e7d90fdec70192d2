//! Where a module's file may be on this machine.

use std::path::{Component, Path, PathBuf};

use tidline::model::Module;
use tidline::symbolize::is_jit_map;

/// A file that is there, and may be the module's.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    /// Its build-id will tell.
    pub(super) is_known: bool,
}

/// The files that are there, in the order in which they are asked.
pub(super) fn candidates(module: &Module, dirs: &[PathBuf]) -> Vec<Candidate> {
    let is_known = !module.build_id.is_empty() && !is_jit_map(module.path.as_bytes());
    let mut found: Vec<Candidate> = Vec::new();
    for path in places(module, dirs, is_known) {
        if path.is_file() && found.iter().all(|known| known.path != path) {
            found.push(Candidate { path, is_known });
        }
    }
    found
}

fn places(module: &Module, dirs: &[PathBuf], is_known: bool) -> Vec<PathBuf> {
    // What is no UTF-8 has no path that every system knows.
    let recorded = std::str::from_utf8(module.path.as_bytes()).unwrap_or_default();
    // A file that was replaced while it ran.
    let recorded = recorded.strip_suffix(" (deleted)").unwrap_or(recorded);
    let recorded = Path::new(recorded);
    let is_file = recorded.is_absolute() || recorded.has_root();
    let mut all = Vec::new();
    if is_known && is_file {
        all.push(recorded.to_owned());
    }
    for dir in dirs {
        if is_file {
            let parts = recorded.components();
            let below: PathBuf = parts
                .filter(|it| matches!(it, Component::Normal(_)))
                .collect();
            all.push(dir.join(below));
        }
        if let Some(name) = recorded.file_name().filter(|_| is_file) {
            all.push(dir.join(name));
            let mut debug = name.to_owned();
            debug.push(".debug");
            all.push(dir.join(debug));
        }
        if let (true, Some((first, rest))) = (is_known, module.build_id.split_first()) {
            let hex = |bytes: &[u8]| -> String {
                bytes.iter().map(|byte| format!("{byte:02x}")).collect()
            };
            let folder = dir.join(".build-id").join(hex(&[*first]));
            all.push(folder.join(hex(rest)));
            all.push(folder.join(hex(rest) + ".debug"));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidline::model::Pid;

    fn shown(path: &str, build_id: &[u8], is_known: bool) -> Vec<String> {
        let module = Module {
            path: path.into(),
            build_id: build_id.into(),
            seen: (Pid(1), 0, 0),
        };
        let places = places(&module, &["d".into()], is_known).into_iter();
        places.map(|path| path.display().to_string()).collect()
    }

    #[cfg(unix)]
    #[test]
    fn places_of_a_module() {
        assert_eq!(
            shown("/usr/lib/a.so", &[1, 0xab, 3], true),
            [
                "/usr/lib/a.so",
                "d/usr/lib/a.so",
                "d/a.so",
                "d/a.so.debug",
                "d/.build-id/01/ab03",
                "d/.build-id/01/ab03.debug",
            ]
        );
        let unknown = ["d/usr/lib/a.so", "d/a.so", "d/a.so.debug"];
        assert_eq!(shown("/usr/lib/a.so", &[], false), unknown);
        assert_eq!(shown("/usr/lib/a.so (deleted)", &[], false), unknown);
        // Nothing leads out of the folder.
        assert_eq!(shown("/../../etc/x", &[], false)[0], "d/etc/x");
        assert_eq!(shown("[vdso]", &[], false), [""; 0]);
        assert_eq!(
            shown("relative", &[1, 2], true),
            ["d/.build-id/01/02", "d/.build-id/01/02.debug"]
        );
    }
}
