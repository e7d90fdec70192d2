//! The files in `testdata/corrupt`: one for each thing that happens to files. They stay as they
//! are, so that what a reader says of them stays too; viewers can be tried on them.
//!
//! A new one is made by a line in `files()` and
//! `cargo test -p tidline --test format_corrupt -- --ignored`, which writes what is not there yet.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use tidline::format::{Header, read_trace};
use tidline::model::Ending;

mod format_files;
use format_files::{Claim, boundaries, file_of, parts, small};

/// What a reader says: of a whole file, or why there is none.
#[derive(Debug, PartialEq)]
enum Verdict {
    /// Events, damages, unknown records, bytes in the tail, and whether there is an end mark.
    Trace(usize, usize, u64, u64, bool),
    /// The beginning of the error.
    Refused(&'static str),
}
use Verdict::{Refused, Trace};

struct File {
    name: &'static str,
    verdict: Verdict,
    bytes: Vec<u8>,
}

fn files() -> Vec<File> {
    let (file, events) = small();
    let all = events.len();
    let whole = parts(&file);
    let ends = boundaries(&file);
    let with = |at: usize, value: u8| {
        let mut file = file.clone();
        file[at] = value;
        file
    };
    let unknown = Claim {
        kind: 9,
        number: 5,
        ..Claim::of(b"later", 3)
    };
    let huge = Claim {
        stored: 16 << 20,
        raw: 16 << 20,
        ..Claim::of(b"", u32::MAX)
    };
    let other = file_of(&Header::default(), &events[..4], 2);
    let text_mode: Vec<u8> = file.iter().copied().filter(|byte| *byte != b'\r').collect();
    let file_of = |name, verdict, bytes| File {
        name,
        verdict,
        bytes,
    };
    vec![
        file_of("empty", Refused("the file is empty"), vec![]),
        file_of(
            "not-a-trace",
            Refused("not a tidline trace"),
            b"\x7fELF\x02\x01\x01".to_vec(),
        ),
        file_of(
            "text-mode-copy",
            Refused("a tidline trace that was copied in text"),
            text_mode,
        ),
        file_of(
            "newer-version",
            Refused("format version 2 is newer"),
            with(8, 2),
        ),
        file_of(
            "header-cut",
            Refused("the file's header ends here"),
            file[..30].to_vec(),
        ),
        file_of(
            "header-damaged",
            Refused("the file's header is damaged"),
            with(25, 0xee),
        ),
        file_of("header-only", Trace(0, 0, 0, 0, false), whole[0].clone()),
        file_of(
            "no-end-mark",
            Trace(all, 0, 0, 0, false),
            file[..ends[5]].to_vec(),
        ),
        file_of(
            "cut-in-a-chunk",
            Trace(10, 0, 0, 60, false),
            file[..ends[2] + 60].to_vec(),
        ),
        file_of(
            "chunk-damaged",
            Trace(all - 5, 1, 0, 0, true),
            with(ends[1] + 60, 0xee),
        ),
        file_of(
            "chunk-header-damaged",
            Trace(all - 5, 1, 0, 0, true),
            with(ends[1] + 9, 0xee),
        ),
        file_of("chunk-missing", Trace(all - 5, 1, 0, 0, true), {
            [&whole[..2], &whole[3..]].concat().concat()
        }),
        file_of("chunk-twice", Trace(all, 1, 0, 0, true), {
            [&whole[..3], &whole[2..]].concat().concat()
        }),
        file_of("chunk-torn", Trace(all - 5, 1, 0, 0, true), {
            [&file[..ends[1] + 60], &file[ends[2]..]].concat()
        }),
        file_of("garbage-between-chunks", Trace(all, 1, 0, 0, true), {
            [&file[..ends[2]], b"\xf5TDC garbage", &file[ends[2]..]].concat()
        }),
        file_of("unknown-chunk", Trace(all, 0, 3, 0, false), {
            [&file[..ends[5]], &unknown.followed_by(b"later")].concat()
        }),
        file_of("two-traces", Trace(all, 1, 0, other.len() as u64, true), {
            [&file[..], &other].concat()
        }),
        file_of(
            "zeros-behind",
            Trace(all, 0, 0, 512, true),
            [&file[..], &[0; 512]].concat(),
        ),
        file_of("huge-claim", Trace(0, 0, 0, 48, false), {
            [whole[0].clone(), huge.followed_by(b"")].concat()
        }),
    ]
}

fn path(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/corrupt");
    folder.join(format!("{name}.tid"))
}

fn verdict_on(bytes: &[u8], expected: &Verdict) -> Verdict {
    match (read_trace(Cursor::new(bytes)), expected) {
        (Ok(trace), _) => {
            let integrity = trace.integrity();
            Trace(
                trace.events().len(),
                integrity.damage.len(),
                integrity.unknown_records,
                integrity.trailing_bytes,
                integrity.ending != Ending::CutShort,
            )
        }
        (Err(error), Refused(start)) if error.to_string().starts_with(start) => Refused(start),
        (Err(error), _) => panic!("refused: {error}"),
    }
}

#[test]
fn each_broken_file_is_judged_as_ever() {
    for File { name, verdict, .. } in files() {
        let bytes = std::fs::read(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(verdict_on(&bytes, &verdict), verdict, "{name}");
    }
}

#[test]
fn no_broken_file_is_without_a_verdict() {
    let known: Vec<PathBuf> = files().iter().map(|file| path(file.name)).collect();
    for entry in std::fs::read_dir(path("").parent().unwrap()).unwrap() {
        let found = entry.unwrap().path();
        let is_trace = found
            .extension()
            .is_some_and(|extension| extension == "tid");
        assert!(!is_trace || known.contains(&found), "{}", found.display());
    }
}

#[test]
#[ignore = "writes files; only for adding one"]
fn write_those_that_are_not_there() {
    for File { name, bytes, .. } in files() {
        let path = path(name);
        if !path.exists() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }
}
