//! Traces of every format version that there was are read as they were read then.

use std::path::{Path, PathBuf};

use crate::support::tidview;

/// The golden traces of a version, with what they say.
fn golden(version: &str) -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../testdata/traces")
        .join(version);
    let mut traces: Vec<PathBuf> = std::fs::read_dir(&folder)
        .expect("the golden traces")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "tid"))
        .collect();
    traces.sort();
    let said = |path: &PathBuf| std::fs::read_to_string(path.with_extension("ndjson"));
    traces
        .into_iter()
        .map(|path| (path.clone(), said(&path).expect("its events")))
        .collect()
}

#[test]
fn version_1() {
    let traces = golden("v1");
    let names: Vec<_> = traces
        .iter()
        .filter_map(|(path, _)| path.file_stem())
        .collect();
    assert_eq!(names, ["cut-short", "detached", "launched", "stacks"]);
    for (path, said) in traces {
        let shown = path.display().to_string();
        assert_eq!(
            tidview(&["timeline", &shown, "--format", "ndjson"]).out,
            said,
            "{shown}"
        );
    }
}
