//! `tidview report`: the page as a file. What a browser makes of it is tested by
//! `tests/report/run.sh`, for which these pages are kept in the folder that `TIDLINE_REPORT_PAGES` names.

use std::fs;

use tidline::model::{Event, EventBody, GapReason, StackEnd, Task, Time};
use tidline::synth::{self, Code, Plan};

use crate::made::{at, everything, existing, exit, header, rename, thread};
use crate::support::{File, Folder, finished, prints, tidview, with_stacks};

/// Makes a page, keeps it where the browser's tests look for it, and returns it.
fn made(name: &str, trace: &File, more: &[&str]) -> String {
    let folder = Folder::new();
    let place = folder.path(name);
    let run = tidview(&[&["report", &trace.path(), "-o", &place], more].concat());
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.out.starts_with(&format!("wrote {place}, ")), "{run:?}");
    let page = fs::read_to_string(&place).unwrap();
    if let Some(kept) = std::env::var_os("TIDLINE_REPORT_PAGES") {
        fs::write(std::path::Path::new(&kept).join(name), &page).unwrap();
    }
    page
}

fn without_data(page: &str) -> String {
    let mut rest = page.to_string();
    for name in ["data", "old", "compared"] {
        let block = format!("id=\"{name}\">");
        if let Some(begin) = rest.find(&block) {
            let end = begin + rest[begin..].find("</script>").unwrap();
            rest.replace_range(begin..end, "");
        }
    }
    rest
}

#[test]
fn a_page_is_one_file_that_names_nothing_outside() {
    let page = made(
        "plain.html",
        &File::trace(&header(), &everything(), 100_000_000),
        &[],
    );
    assert!(page.starts_with("<!DOCTYPE html>"));
    assert!(page.contains("<title>server on web-3</title>"));
    let rest = without_data(&page);
    for word in [
        "http://",
        "https://",
        "src=",
        "@import",
        "url(",
        "innerHTML",
    ] {
        assert!(!rest.contains(word), "{word}");
    }
    assert!(rest.contains("default-src 'none'; script-src 'sha256-"));
}

#[test]
fn two_runs_are_compared_between_marks_and_by_what_was_renamed() {
    let folder = Folder::new();
    let runs = [3, 9].map(|early| {
        let main = Task::new(100, 100);
        let mark = |ms, text: &str| at(ms, EventBody::Mark { text: text.into() });
        let mut events = vec![existing(0, main, b"server"), mark(100, "warm")];
        for number in 0..early + 5 {
            let task = Task::new(100, 200 + number);
            let ms = if number < early {
                10 + u64::from(number)
            } else {
                150
            };
            let name: &[u8] = if early == 3 { b"request" } else { b"query" };
            events.extend([
                thread(ms, main, task),
                rename(ms, task, name),
                exit(ms + 5, task, 0),
            ]);
        }
        events.push(mark(200, "done"));
        events.sort_by_key(|event| event.time);
        File::trace(&header(), &events, 300_000_000)
    });
    let [old, new] = [runs[0].path(), runs[1].path()];
    let renames = folder.put("renames", b"request -> query\n");
    let page = folder.path("r.html");
    let marks = ["--between", "mark:warm..mark:done"];
    let renamed = ["--renames", &renames];
    for more in [&[][..], &marks, &renamed, &[marks, renamed].concat()] {
        let report = ["report", &new, "-o", &page, "--force", "--diff", &old];
        let run = tidview(&[&report[..], more].concat());
        assert_eq!(run.code, Some(0), "{run:?}");
        let diff = prints(&[&["diff", &old, &new][..], more].concat());
        let verdict = run.out.lines().last().unwrap();
        assert!(
            diff.lines().any(|line| line == verdict),
            "{verdict}:\n{diff}"
        );
        let nothing = more.len() == 4;
        assert_eq!(verdict.starts_with("no difference"), nothing, "{verdict}");
    }
    let other = folder.path("other.html");
    let report = ["report", &new, "-o", &other, "--diff", &old];
    let run = tidview(&[&report[..], &["--between", "mark:cold..mark:done"]].concat());
    let problem =
        format!("tidview: --between: {old}: it has no mark `cold`; it has `warm`, `done`\n");
    assert_eq!((run.err, run.code), (problem, Some(2)));
    assert!(fs::metadata(&other).is_err());
    let run = tidview(&["report", &new, "-o", &other, "--renames", &renames]);
    assert!(run.err.contains("--diff <OLD>"), "{run:?}");
}

#[test]
fn selectors_are_for_both_runs() {
    let (code, events) = leaking();
    let file = |events: &[Event]| {
        let bytes = with_stacks(&header(), &code, events, 4_100_000_000, &[]);
        File::new("t.tid", &bytes)
    };
    let (old, new) = (file(&events[..events.len() / 2]), file(&events));
    let more = ["--name", "request-*", "--diff", &old.path()];
    made("selected-two.html", &new, &more);
    let folder = Folder::new();
    let place = folder.path("r.html");
    let run = tidview(&[&["report", &new.path(), "-o", &place], &more[..]].concat());
    let words = "tidview: 100 of 401 tasks; 301 hidden by --name request-*\n";
    assert!(run.err.contains(words), "{run:?}");
    let words = format!("tidview: {}: 50 of ", old.path());
    assert!(run.err.contains(&words), "{run:?}");
}

/// A trace of testdata/diff: two versions of a program.
fn variant(name: &str) -> String {
    format!("{}/../testdata/diff/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_page_of_two_runs_says_what_diff_says() {
    let folder = Folder::new();
    let (old, new) = (variant("old.tid"), variant("new.tid"));
    let place = folder.path("r.html");
    let run = tidview(&["report", &new, "-o", &place, "--diff", &old]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let verdict = "3 of 5 classes changed: 1 new, 1 gone, 1 otherwise\n";
    assert!(run.out.ends_with(verdict), "{run:?}");
    assert!(prints(&["diff", &old, &new]).ends_with(verdict));
    assert!(run.err.contains("variant is another build"), "{run:?}");
    let page = fs::read_to_string(&place).unwrap();
    if let Some(kept) = std::env::var_os("TIDLINE_REPORT_PAGES") {
        fs::write(std::path::Path::new(&kept).join("two.html"), &page).unwrap();
    }
    let rest = without_data(&page);
    for word in ["http://", "https://", "src=", "handle_request"] {
        assert!(!rest.contains(word), "{word}");
    }
}

#[test]
fn the_older_recording_of_a_page_is_not_written_over_and_must_be_one() {
    let folder = Folder::new();
    let new = variant("new.tid");
    let old = folder.put("old.tid", &fs::read(variant("old.tid")).unwrap());
    let run = tidview(&["report", &new, "-o", &old, "--diff", &old, "--force"]);
    assert_eq!(run.code, Some(2));
    assert!(run.err.contains("is what is read"), "{run:?}");
    let none = folder.path("none.tid");
    let place = folder.path("r.html");
    let run = tidview(&["report", &new, "-o", &place, "--diff", &none]);
    assert_eq!(run.code, Some(2));
    assert!(run.err.starts_with("tidview: --diff: "), "{run:?}");
    assert!(!std::path::Path::new(&place).exists());
    let run = tidview(&["report", &new, "-o", &place, "--per-second"]);
    assert!(run.err.contains("--diff <OLD>"), "{run:?}");
}

#[test]
fn names_of_hostile_programs_are_no_part_of_the_page_itself() {
    let long = "long".repeat(2_500);
    let names: [&[u8]; 6] = [
        b"<script>document.title='owned'</script>",
        b"\"><img src=x onerror=alert(1)>",
        b"\x1b[31mred\x1b]0;owned\x07",
        "\u{202e}txt.exe".as_bytes(),
        long.as_bytes(),
        b"</script><h1>gone</h1><!--",
    ];
    let main = Task::new(100, 100);
    let mut code = Code::default();
    let frame = code.frame("/bin/<b>app</b>", "<i>grow</i> </script>.c:12");
    let stack = code.stack(&[frame], StackEnd::Bottom);
    let mut events = vec![existing(0, main, b"main")];
    for (name, number) in names.iter().zip(1..) {
        let task = Task::new(100, 100 + number);
        let mut event = thread(u64::from(number), main, task);
        if let EventBody::Birth(birth) = &mut event.body {
            birth.stack = Some(stack);
        }
        events.push(event);
        events.push(rename(u64::from(number), task, name));
    }
    let text = b"<u>mark</u>\x1b[0m".into();
    events.push(at(20, EventBody::Mark { text }));
    events.push(at(
        30,
        EventBody::Gap {
            reason: GapReason::Untraced,
            count: 1,
            since: Time(25_000_000),
            detail: b"<b>tid</b> 9".into(),
        },
    ));
    let file = File::new(
        "t.tid",
        &with_stacks(&header(), &code, &events, 60_000_000, &[]),
    );
    let title = "</title><script>document.title='owned'</script>\u{202e}";
    let page = made("hostile.html", &file, &["--title", title]);
    let calm = File::trace(&header(), &[existing(0, main, b"main")], 60_000_000);
    let more = ["--title", title, "--diff", &calm.path()];
    let both = made("hostile-two.html", &file, &more);
    assert!(!without_data(&both).contains("owned</"));
    let rest = without_data(&page);
    for word in [
        "owned</", "<img", "<h1>gone", "<u>mark", "<b>tid", "\u{202e}", "\x1b",
    ] {
        assert!(!rest.contains(word), "{word}");
    }
    assert!(rest.contains("&lt;/title&gt;&lt;script&gt;"));
}

/// Threads that come and go, and those of one place that stay.
fn leaking() -> (Code, Vec<Event>) {
    let mut code = Code::default();
    let outer = code.frame("/bin/server", "main src/main.c:5");
    let [stays, ends] = ["handle_request src/handle.c:74", "work src/pool.c:12"]
        .map(|function| code.frame("/bin/server", function));
    let [stays, ends] = [stays, ends].map(|frame| code.stack(&[frame, outer], StackEnd::Bottom));
    let main = Task::new(100, 100);
    let mut events = vec![existing(0, main, b"server")];
    for number in 0..400 {
        let (task, stack) = (
            Task::new(100, 1_000 + number),
            if number % 4 == 0 { stays } else { ends },
        );
        let ms = u64::from(number) * 10 + 1;
        let mut event = thread(ms, main, task);
        if let EventBody::Birth(birth) = &mut event.body {
            birth.stack = Some(stack);
        }
        events.push(event);
        let name = if number % 4 == 0 { "request" } else { "pool" };
        events.push(rename(ms, task, format!("{name}-{number}").as_bytes()));
        if number % 4 != 0 {
            events.push(exit(ms + 7, task, u8::from(number % 50 == 3)));
        }
    }
    (code, events)
}

#[test]
fn what_the_page_says_of_a_leak_is_what_leaks_says() {
    let (code, events) = leaking();
    let file = File::new(
        "t.tid",
        &with_stacks(&header(), &code, &events, 4_100_000_000, &[]),
    );
    made("leaking.html", &file, &["--utc"]);
    let leaks = prints(&["leaks", &file.path(), "--format", "json"]);
    assert!(
        leaks.contains(r#""verdict":"leak""#) && leaks.contains("handle_request (handle.c:74)")
    );
}

#[test]
fn a_page_has_what_is_selected_and_says_how_much_it_hides() {
    let (code, events) = leaking();
    let file = File::new(
        "t.tid",
        &with_stacks(&header(), &code, &events, 4_100_000_000, &[]),
    );
    let more = ["--name", "request-*", "--since", "1s", "--until", "3s"];
    made("selected.html", &file, &more);
    let folder = Folder::new();
    let place = folder.path("r.html");
    let run = tidview(&[&["report", &file.path(), "-o", &place], &more[..]].concat());
    let words = "75 of 401 tasks; 326 hidden by --since 1s --until 3s --name request-*";
    assert!(run.err.contains(words), "{run:?}");
    let run = tidview(&[
        "report",
        &file.path(),
        "-o",
        &folder.path("s.html"),
        "--since",
        "soon",
    ]);
    assert_eq!(run.code, Some(2));
    assert!(run.err.contains("--since soon: "), "{run:?}");
}

#[test]
fn a_hundred_thousand_tasks_are_one_page_of_few_megabytes() {
    let [old, new] = [12, 11].map(|seed| {
        let events = synth::events(Plan {
            events: 225_000,
            width: 12_000,
            seed,
        });
        File::trace(&synth::header(), &events, 10_000_000_000)
    });
    let page = made("large.html", &new, &[]);
    assert!(page.len() < 5_000_000, "{}", page.len());
    let page = made("large-two.html", &new, &["--diff", &old.path()]);
    assert!(page.len() < 5_000_000, "{}", page.len());
}

#[test]
fn losses_are_told_on_stderr_too() {
    let bytes = finished(&header(), &everything(), 100_000_000, &[]);
    let file = File::new("t.tid", &bytes[..bytes.len() - 20]);
    let folder = Folder::new();
    let run = tidview(&["report", &file.path(), "-o", &folder.path("r.html")]);
    assert_eq!(run.code, Some(0));
    assert!(
        run.err
            .contains("tidview: cut short: the last record is at"),
        "{}",
        run.err
    );
}

#[test]
fn a_file_that_is_there_is_replaced_by_force_only() {
    let file = File::trace(&header(), &everything(), 100_000_000);
    let folder = Folder::new();
    let place = folder.put("r.html", b"mine");
    let run = tidview(&["report", &file.path(), "-o", &place]);
    assert_eq!(
        (run.err, run.code),
        (
            format!("tidview: {place} is there already: --force replaces it\n"),
            Some(2)
        )
    );
    assert_eq!(fs::read(&place).unwrap(), b"mine");
    let run = tidview(&["report", &file.path(), "-o", &place, "--force"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(fs::read(&place).unwrap().starts_with(b"<!DOCTYPE html>"));
    let run = tidview(&["report", &file.path(), "-o", &file.path(), "--force"]);
    assert!(
        run.err
            .contains("is what is read: name another file to write"),
        "{run:?}"
    );
}
