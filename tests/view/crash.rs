//! What tidview itself makes of files after a crash. `tests/format_crash.rs` has the library read
//! many more of them; here a few go all the way.

use std::fs::File;

use tidline::format::read_trace;

use crate::made::{everything, header};
use crate::support::{Folder, chunks, finished, several, tidview};

/// Runs `info`, `check` and `repair` on what is at a path. Where its header can be read, says how
/// many problems `check` finds.
fn look(path: &str, readable: bool) -> Option<u64> {
    let to = Folder::new();
    let out = to.path("out.tid");
    let info = tidview(&["info", path]);
    let check = tidview(&["check", path, "--format", "json"]);
    let repair = tidview(&["repair", path, "-o", &out]);
    if !readable {
        for run in [info, check, repair] {
            assert_eq!((run.code, run.out.as_str()), (Some(2), ""));
            assert!(run.err.contains(path), "{run:?}");
        }
        return None;
    }
    let found: serde_json::Value = serde_json::from_str(&check.out).unwrap();
    let problems = found["problems"].as_array().unwrap().len() as u64;
    assert_eq!(info.code, Some(0), "{info:?}");
    assert_eq!(check.code, Some(i32::from(problems > 0)), "{check:?}");
    let mended = read_trace(File::open(&out).unwrap()).unwrap();
    assert!(mended.is_complete(), "{repair:?}");
    Some(problems)
}

#[test]
fn a_file_cut_anywhere_can_be_looked_at_and_mended() {
    let bytes = finished(&header(), &everything(), 100_000_000, &[]);
    let (_, ends) = chunks(&header(), &everything());
    let folder = Folder::new();
    let cuts = (1..bytes.len())
        .step_by(41)
        .chain([ends[0] - 1, ends[0], bytes.len() - 1]);
    for cut in cuts {
        let path = folder.put("t.tid", &bytes[..cut]);
        let problems = look(&path, cut >= ends[0]);
        assert!(problems != Some(0), "cut at {cut}");
    }
    assert_eq!(look(&folder.put("t.tid", &bytes), true), Some(0));
}

#[test]
fn changed_bits_and_holes_are_noticed() {
    let (bytes, ends) = chunks(&header(), &everything());
    let folder = Folder::new();
    for at in (ends[0]..bytes.len()).step_by(211) {
        let mut changed = bytes.clone();
        changed[at] ^= 4;
        assert!(
            look(&folder.put("t.tid", &changed), true) > Some(0),
            "byte {at}"
        );
        let mut holed = bytes.clone();
        let until = (at + 100).min(holed.len());
        holed[at..until].fill(0);
        assert!(
            look(&folder.put("t.tid", &holed), true) > Some(0),
            "byte {at}"
        );
    }
}

#[test]
fn a_folder_of_which_one_file_is_broken_is_still_a_trace() {
    let files = several(&header(), &everything(), 9, 0);
    for index in 0..files.len() {
        for at in (0..files[index].len()).step_by(173) {
            let mut broken = files.clone();
            broken[index][at] ^= 0x40;
            let folder = Folder::of(&broken, &[0, 1, 2]);
            let dir = folder.path("");
            // A file without its first bytes is none, and found missing where others follow.
            let gone = at < 8 && index != 1;
            let problems = look(&dir, true);
            assert!(problems > Some(0) || gone, "byte {at} of file {index}");
        }
    }
}
