//! Whole screens, compared with the files in `tests/view/replay`. With `UPDATE_GOLDEN=1` they are
//! written instead: look at what changed before it is committed.

use std::fs;
use std::path::Path;

use tidline::model::{Event, Task};

use super::super::made::{self, MS, existing, exit, rename, thread, traced};
use super::*;

#[test]
fn where_a_program_has_ended_it_is_said_when() {
    let main = Task::new(100, 100);
    let events = [existing(0, main, b"main"), exit(40, main, 0)];
    let mut state = opened(traced(&made::header(), &events, 100 * MS), (60, 15));
    assert!(!screen(&state, PLAIN).contains("none lives"));
    press(&mut state, &["End"]);
    let words = "none lives; the last ended at +0.040000s: PgUp goes back";
    assert!(screen(&state, PLAIN).contains(words));
    press(&mut state, &["PgUp"]);
    assert!(!screen(&state, PLAIN).contains("none lives"));
}

#[test]
fn a_screen_that_is_too_small_says_so_in_as_many_lines_as_there_are() {
    let mut state = opened(trace(), (20, 5));
    let words = "too small a screen:\n20 columns, 6 lines\nat least; q quits";
    assert_eq!(screen(&state, PLAIN).trim_end(), words);
    for size in [(1, 1), (1, 30), (10, 4), (19, 40), (200, 5)] {
        state.size = size;
        let screen = screen(&state, PLAIN);
        let read: String = screen.split_whitespace().collect();
        assert!(
            "toosmallascreen:20columns,6linesatleast;qquits".starts_with(&read),
            "{screen}"
        );
    }
}

/// A little of everything with losses, workers enough to fold, and names of all kinds.
fn trace() -> Trace {
    let mut events = made::with_losses();
    let pool = Task::new(100, 110);
    for number in 0..40u32 {
        let (task, ms) = (Task::new(100, 400 + number), 12 + u64::from(number));
        events.push(thread(ms, pool, task));
        events.push(rename(ms, task, format!("job-{number}").as_bytes()));
        events.push(exit(
            ms + 20 + u64::from(number % 7),
            task,
            u8::from(number % 11 == 0),
        ));
    }
    events.extend(hostile());
    events.sort_by_key(|event| event.time);
    traced(&made::header(), &events, 100 * MS)
}

fn hostile() -> Vec<Event> {
    let names: [&[u8]; 5] = [
        b"\x1b[2J\x1b]0;owned\x07",
        "スレッドプール".as_bytes(),
        "\u{202e}txt.exe".as_bytes(),
        b"\xff\xfe",
        b"two\nlines",
    ];
    let other = Task::new(700, 700);
    let mut events = vec![existing(0, other, b"other")];
    for (name, number) in names.into_iter().zip(1..) {
        let task = Task::new(700, 700 + number);
        events.push(thread(3, other, task));
        events.push(rename(3, task, name));
    }
    events
}

#[track_caller]
fn compare(name: &str, found: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/view/replay");
    let path = folder.join(name).with_extension("txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::create_dir_all(&folder).expect("the golden screens' folder");
        fs::write(&path, found).expect("a golden screen");
        return;
    }
    let expected = fs::read_to_string(&path).expect("a golden screen");
    assert!(
        found == expected,
        "{}:\n{expected}\nis now\n{found}",
        path.display()
    );
}

#[test]
fn lanes_tree_and_details_at_every_size() {
    for (width, height) in [(60, 15), (80, 24), (120, 40), (250, 60)] {
        let mut state = opened(trace(), (width, height));
        let mut shot = |name: &str, keys: &[&str]| {
            press(&mut state, keys);
            compare(&format!("{name}-{width}x{height}"), &screen(&state, PLAIN));
        };
        shot("begin", &[]);
        shot("lanes", &["g", "4", "5", "m", "s", "Enter", "Down", "Down"]);
        shot("tree", &["v"]);
        shot(
            "fold-open",
            &["v", "Down", "Down", "Down", "Down", "Enter", "z"],
        );
        shot("details", &["Up", "Up", "Up", "d"]);
        shot("help", &["?"]);
        shot("notices", &["x", "i"]);
        shot("end", &["x", "d", "End", "Tab"]);
    }
}

#[test]
fn what_is_typed_stands_at_the_bottom() {
    let mut state = opened(trace(), (60, 15));
    press(&mut state, &["f"]);
    for c in "kind exit,clone pid 100 w\u{1b}orker-*".chars() {
        state.key(crossterm::event::KeyEvent::new(
            crossterm::event::KeyCode::Char(c),
            crossterm::event::KeyModifiers::NONE,
        ));
    }
    let last = |state: &State| screen(state, PLAIN).lines().last().map(str::to_string);
    assert_eq!(
        last(&state).as_deref(),
        Some("filter (name, pid N, tid N, kind K): clone pid 100 worker-*")
    );
    press(&mut state, &["Enter"]);
    let screen = screen(&state, PLAIN);
    let heading = "▶─ lanes: 0 alive of pid 100, kind exit or clone, name work…";
    assert!(screen.contains(heading), "{screen}");
}

#[test]
fn ascii_is_all_that_is_drawn_where_it_is_asked_for() {
    let ascii = Palette {
        color: true,
        ascii: true,
    };
    for (width, height) in [(60, 15), (120, 40)] {
        let mut state = opened(trace(), (width, height));
        for keys in [
            &["g", "4", "5", "m", "s", "Enter"][..],
            &["v"],
            &["d"],
            &["?"],
            &["x", "i"],
        ] {
            press(&mut state, keys);
            let screen = screen(&state, ascii);
            assert!(screen.is_ascii(), "{screen}");
        }
        press(&mut state, &["x", "v"]);
        if width == 120 {
            compare("ascii-120x40", &super::screen(&state, ascii));
        }
    }
}

#[test]
fn hostile_names_never_reach_a_cell_and_wide_ones_keep_the_columns() {
    for (width, height) in [(60, 15), (97, 30), (250, 60)] {
        let mut state = opened(trace(), (width, height));
        for keys in [
            &["g", "4", "5", "m", "s", "Enter"][..],
            &["v"],
            &["Tab"],
            &["d"],
            &["?"],
        ] {
            press(&mut state, keys);
            let screen = screen(&state, PLAIN);
            for line in screen.lines() {
                use unicode_width::UnicodeWidthStr;
                assert!(
                    !line.chars().any(|c| c.is_control() || c == '\u{202e}'),
                    "{line:?}"
                );
                assert!(line.width() <= usize::from(width), "{line:?}");
            }
        }
    }
    let state = opened(trace(), (120, 40));
    let screen = screen(&state, PLAIN);
    let column = |line: &&str| {
        use unicode_width::UnicodeWidthStr;
        line.rfind('│').map(|at| line[..at].width())
    };
    // The line beside the details is straight.
    let columns: Vec<_> = screen.lines().take(39).map(|line| column(&line)).collect();
    assert!(
        columns.iter().all(|at| *at == Some(84)),
        "{columns:?}\n{screen}"
    );
}

#[test]
fn colours_are_no_colours_without_them() {
    let state = opened(trace(), (120, 40));
    let colours = |color| {
        let palette = Palette {
            color,
            ascii: false,
        };
        let mut buffer = Buffer::empty(Rect::new(0, 0, 120, 40));
        draw(&state, palette, &mut buffer);
        let reset = ratatui::style::Color::Reset;
        buffer
            .content
            .iter()
            .filter(|cell| cell.fg != reset || cell.bg != reset)
            .count()
    };
    assert_eq!(colours(false), 0);
    assert!(colours(true) > 10);
}
