//! `repair`: one sound file of what is readable, never in place of anything that was not asked for.

use std::fs;

use tidline::format::read_trace;
use tidline::model::{Event, EventBody, Trace};

use crate::made::{everything, header};
use crate::support::{Folder, chunks, prints, several, tidview};

fn read(path: &str) -> Trace {
    read_trace(fs::File::open(path).unwrap()).unwrap()
}

fn without_gaps(trace: &Trace) -> Vec<Event> {
    let events = trace.events().iter();
    events
        .filter(|event| !matches!(event.body, EventBody::Gap { .. }))
        .cloned()
        .collect()
}

/// A folder with a trace in it, one chunk for each event; the chunk of the 5th is damaged, and the
/// file is cut in that of the last.
fn damaged() -> (Folder, String) {
    let (mut bytes, ends) = chunks(&header(), &everything());
    bytes[ends[4] + 50] ^= 1;
    bytes.truncate(ends[25] - 2);
    let folder = Folder::new();
    let path = folder.put("t.tid", &bytes);
    (folder, path)
}

#[test]
fn a_damaged_file_is_mended_and_what_is_missing_is_said() {
    let (folder, path) = damaged();
    let out = folder.path("sound.tid");
    let run = tidview(&["repair", &path, "-o", &out]);
    assert_eq!((run.err.as_str(), run.code), ("", Some(1)));
    let (_, ends) = chunks(&header(), &everything());
    let (at, bytes) = (ends[4].to_string(), (ends[5] - ends[4]).to_string());
    let expected = format!(
        r#"{out}: 23 events, from +0.000000s to +0.090000s, and 2 gaps for what is missing

PROBLEM     AT BYTE  BYTES  FROM                 TO                   DETAIL
damage        {at:>5}  {bytes:>5}  +0.006000s 16:13:20  +0.011000s 16:13:20  a damaged chunk: its checksum does not match
cut short     {:>5}         +0.090000s 16:13:20  not known            no end mark: it was cut short, or is still being recorded
unfinished    {:>5}  {:>5}  +0.090000s 16:13:20  not known            bytes after the last readable chunk
"#,
        thousands(ends[25] - 2),
        thousands(ends[24]),
        ends[25] - 2 - ends[24],
    );
    assert_eq!(run.out, expected);

    let (was, is) = (read(&path), read(&out));
    assert!(is.is_complete(), "{:?}", is.integrity());
    assert_eq!(without_gaps(&is), was.events());
    assert_eq!(is.events().len(), was.events().len() + 2);
    assert_eq!(is.header().option("repaired"), Some("yes"));
    let info = prints(&["info", &out]);
    assert!(info.contains("! 2 gaps: "), "{info}");
    assert!(
        info.contains("ending    complete: the recording was cut short"),
        "{info}"
    );
    // Once more, nothing is missing that could be had.
    let again = folder.path("again.tid");
    let run = tidview(&["repair", &out, "-o", &again]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(fs::read(&out).unwrap(), fs::read(&again).unwrap());
}

fn thousands(number: usize) -> String {
    match number / 1_000 {
        0 => number.to_string(),
        thousands => format!("{thousands},{:03}", number % 1_000),
    }
}

#[test]
fn several_files_become_one() {
    let mut limited = header();
    limited.options.push(("ring".into(), "600s".into()));
    let folder = Folder::of(
        &several(&limited, &everything(), 5, 1_000),
        &[0, 1, 2, 3, 4],
    );
    let to = Folder::new();
    let out = to.path("one.tid");
    assert_eq!(
        prints(&["repair", &folder.path(""), "-o", &out]),
        format!("{out}: 25 events, from +0.000000s to +0.095000s; nothing is missing\n")
    );
    for args in [
        &["timeline"][..],
        &["tree"],
        &["threads", "--all"],
        &["check"],
    ] {
        let [several, one] = [folder.path(""), out.clone()].map(|path| {
            let args = [args, &[path.as_str()]].concat();
            prints(&args)
        });
        assert_eq!(several, one, "{args:?}");
    }
    // Files that were given up are said, and no damage.
    for gone in ["000000.tid", "000001.tid"] {
        fs::remove_file(folder.path(gone)).unwrap();
    }
    let part = to.path("part.tid");
    let printed = prints(&["repair", &folder.path(""), "-o", &part]);
    assert_eq!(
        printed,
        format!(
            "! begins at +0.040000s: files 0 and 1 of the recording are not here; of what was \
             before, only what still lived then is known\n\n{part}: 15 events, from +0.040000s to \
             +0.095000s; nothing is missing\n"
        )
    );
    let timeline = |path: &str| {
        let printed = prints(&["timeline", path]);
        printed.split_once("\n\n").unwrap().1.to_string()
    };
    assert_eq!(timeline(&part), timeline(&folder.path("")));
    let tree = prints(&["tree", &part]);
    assert!(
        tree.starts_with(
            "! begins at +0.040000s: of what was before, only what still lived then is known\n\n"
        ),
        "{tree}"
    );
    // A missing one is.
    fs::remove_file(folder.path("000003.tid")).unwrap();
    let run = tidview(&["repair", &folder.path(""), "-o", &part, "--force"]);
    assert_eq!(run.code, Some(1));
    assert!(run.out.contains("\nmissing     3  "), "{}", run.out);
}

#[test]
fn a_stretch_can_be_taken() {
    let folder = Folder::of(&several(&header(), &everything(), 5, 0), &[0, 1, 2, 3, 4]);
    let to = Folder::new();
    let out = to.path("part.tid");
    let dir = folder.path("");
    let repair = |since: &str, until: &str| {
        let times = ["--since", since, "--until", until, "--force"];
        tidview(&[&["repair", &dir, "-o", &out], &times[..]].concat())
    };
    for (since, until) in [("20ms", "56ms"), ("16:13:20.020", "16:13:20.056")] {
        let run = repair(since, until);
        assert_eq!((run.err.as_str(), run.code), ("", Some(0)));
        let trace = read(&out);
        assert_eq!(trace.events(), &everything()[6..17]);
        assert_eq!(trace.begin().0, 20_000_000);
    }
    let run = repair("3s", "4s");
    assert_eq!(run.code, Some(2));
    assert!(
        run.err
            .starts_with("tidview: --since 3s: it is outside the trace")
    );
    assert_eq!(
        repair("30ms", "20ms").err,
        "tidview: --until is before --since\n"
    );
}

#[test]
fn nothing_is_overwritten_unless_it_is_asked_for() {
    let (folder, path) = damaged();
    let there = folder.put("there.tid", b"precious");
    let repair = |args: &[&str]| tidview(&[&["repair", &path, "-o"], args].concat());
    let fails = |args: &[&str], problem: &str| {
        let run = repair(args);
        assert_eq!((run.out.as_str(), run.code), ("", Some(2)), "{args:?}");
        assert_eq!(run.err, format!("tidview: {problem}\n"));
    };
    fails(
        &[&there],
        &format!("{there} is there already: --force replaces it"),
    );
    assert_eq!(fs::read(&there).unwrap(), b"precious");
    let before = fs::read(&path).unwrap();
    let same = format!("{}/./t.tid", folder.path(""));
    for same in [&path, &same] {
        fails(
            &[same, "--force"],
            &format!("{same} is what is read: name another file to write"),
        );
    }
    assert_eq!(fs::read(&path).unwrap(), before);
    let dir = folder.path("");
    fails(
        &[&dir, "--force"],
        &format!("{dir} is there, and no regular file"),
    );
    let nowhere = folder.path("no/where.tid");
    let run = repair(&[&nowhere]);
    assert_eq!(run.code, Some(2));
    assert!(
        run.err
            .starts_with(&format!("tidview: cannot write {nowhere}: ")),
        "{run:?}"
    );
    let inside = folder.path("new.tid");
    let run = tidview(&["repair", &dir, "-o", &inside]);
    assert_eq!(
        run.err,
        format!(
            "tidview: {inside} is in the folder that is read, and would be taken for a file of the \
             recording: name one elsewhere\n"
        )
    );
    assert_eq!(repair(&[&there, "--force"]).code, Some(1));
    assert_eq!(read(&there).events().len(), 25);
    // Nothing else was left behind.
    let mut left: Vec<_> = fs::read_dir(folder.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["t.tid", "there.tid"]);
}

#[test]
fn what_cannot_be_read_leaves_nothing() {
    let folder = Folder::new();
    let path = folder.put("t.tid", b"hello");
    let out = folder.path("out.tid");
    let run = tidview(&["repair", &path, "-o", &out]);
    assert_eq!((run.out.as_str(), run.code), ("", Some(2)));
    assert!(run.err.contains("not a tidline trace"), "{}", run.err);
    assert_eq!(fs::read_dir(folder.path("")).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn the_new_file_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, path) = damaged();
    let out = folder.path("out.tid");
    tidview(&["repair", &path, "-o", &out]);
    let mode = fs::metadata(&out).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
