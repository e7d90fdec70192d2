//! What each key does.

use crossterm::event::{Event, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use super::super::made::{self, MS, traced};
use super::super::state::{Effect, Overlay, Pane, View};
use super::super::window::Window;
use super::*;

const S: u64 = crate::time::SECOND;

/// 25 events in 100 ms: see `tests/view/made.rs`.
fn everything() -> State {
    opened(
        traced(&made::header(), &made::everything(), 100 * MS),
        (80, 30),
    )
}

/// A server and 60 workers; each is born 10 ms behind the one before, and lives 25.
fn workers() -> State {
    opened(
        traced(&made::header(), &made::workers(60), 700 * MS),
        (80, 30),
    )
}

fn name_of(state: &State) -> String {
    let task = state.selected_task().map(|id| state.trace().task(id));
    task.map_or("?".into(), |task| task.name().to_string())
}

fn mouse(state: &mut State, kind: MouseEventKind, column: u16, row: u16) {
    state.input(&Event::Mouse(MouseEvent {
        kind,
        column,
        row,
        modifiers: KeyModifiers::NONE,
    }));
}

#[test]
fn arrows_step_from_event_to_event_and_back_again() {
    let mut state = everything();
    let count = state.trace().events().len();
    press(&mut state, &["Home"]);
    assert_eq!((state.cursor, state.event), (0, None));
    let mut there = Vec::new();
    for _ in 0..count {
        press(&mut state, &["Right"]);
        there.push((state.cursor, state.event));
    }
    let events = state.trace().events().iter().enumerate();
    let all: Vec<_> = events
        .map(|(seq, event)| (event.time.0, Some(seq)))
        .collect();
    assert_eq!(there, all);
    press(&mut state, &["Right"]);
    assert_eq!(
        state.event,
        Some(count - 1),
        "there is nothing behind the last"
    );
    let mut back = vec![(state.cursor, state.event)];
    for _ in 1..count {
        press(&mut state, &["Left"]);
        back.push((state.cursor, state.event));
    }
    back.reverse();
    assert_eq!(back, all);
    press(&mut state, &["Left"]);
    assert_eq!((state.cursor, state.event), (0, None));
}

#[test]
fn a_step_from_between_two_events_goes_to_the_nearest() {
    let mut state = everything();
    state.go_to(47 * MS);
    press(&mut state, &["Left"]);
    assert_eq!(state.cursor, 46 * MS);
    state.go_to(47 * MS);
    press(&mut state, &["Right"]);
    assert_eq!(state.cursor, 50 * MS);
}

#[test]
fn what_happens_at_the_moment_is_marked() {
    let mut state = workers();
    state.go_to(35 * MS);
    assert_eq!(
        rows(&state),
        [" ▾server[1000]", "    io[1001]", "×  ▸worker-# x 2"]
    );
    press(&mut state, &["Down", "Down", "Enter"]);
    assert_eq!(
        rows(&state)[2..],
        [
            "×  ▾worker-# x 2",
            "×     worker-0[2000]",
            "      worker-1[2001]",
            "      worker-2[2002]"
        ]
    );
    state.go_to(40 * MS);
    assert_eq!(
        rows(&state)[3..],
        [
            "      worker-1[2001]",
            "      worker-2[2002]",
            "+     worker-3[2003]"
        ]
    );
    press(&mut state, &["Enter"]);
    assert_eq!(rows(&state)[2..], ["+  ▸worker-# x 3"]);
}

#[test]
fn while_it_plays_births_and_ends_stay_marked_for_half_a_second() {
    let mut state = workers();
    state.go_to(30 * MS);
    press(&mut state, &["-", "-", "-", "Space"]);
    assert_eq!(state.speed.words(), "0.1x");
    state.tick(0);
    state.tick(S / 10);
    assert_eq!(state.cursor, 40 * MS);
    assert_eq!(rows(&state)[2], "±  ▸worker-# x 3");
    state.tick(2 * S / 10);
    assert_eq!(state.cursor, 50 * MS);
}

#[test]
fn time_passes_only_while_it_plays_and_ends_at_the_end() {
    let mut state = workers();
    state.tick(0);
    state.tick(S);
    assert_eq!(state.cursor, 0);
    press(&mut state, &["r", "Space"]);
    state.tick(S + S / 10);
    assert_eq!(state.cursor, S / 10);
    press(&mut state, &["Space"]);
    state.tick(S + S / 5);
    assert_eq!(state.cursor, S / 10);
    press(&mut state, &["Space"]);
    state.tick(9 * S);
    assert_eq!((state.cursor, state.playing), (700 * MS, false));
    assert_eq!(state.note.as_deref(), Some("the end of the trace"));
    press(&mut state, &["Space"]);
    assert_eq!((state.cursor, state.playing), (0, true), "it begins again");
}

#[test]
fn idle_stretches_are_skipped_unless_they_are_to_be_real() {
    let mut events = made::workers(1);
    events.push(made::at(
        90_000,
        tidline::model::EventBody::Mark { text: "m".into() },
    ));
    let mut state = opened(traced(&made::header(), &events, 90_000 * MS), (80, 30));
    state.go_to(40 * MS);
    press(&mut state, &["Space"]);
    state.tick(0);
    state.tick(S / 100);
    assert_eq!(state.cursor, 90 * S - S / 2);
    press(&mut state, &["Space", "r"]);
    state.go_to(40 * MS);
    press(&mut state, &["Space"]);
    state.tick(S / 50);
    assert_eq!(state.cursor, 50 * MS);
}

#[test]
fn zoom_and_pan_keep_the_cursor_in_the_window() {
    let mut state = workers();
    state.go_to(350 * MS);
    press(&mut state, &["z", "z"]);
    let quarter = Window {
        from: 262_500_000,
        to: 437_500_000,
    };
    assert_eq!(state.window, quarter);
    press(&mut state, &["S-Right"]);
    assert_eq!((state.cursor, state.window.from), (525 * MS, quarter.to));
    press(&mut state, &["PgUp", "Z", "Z", "Z"]);
    assert_eq!((state.cursor, state.window), (350 * MS, state.whole()));
    press(&mut state, &["z", "z", "z", ".", ".", ".", "."]);
    assert_eq!(state.cursor, state.window.from, "the window takes it along");
    press(&mut state, &["Home"]);
    assert_eq!((state.cursor, state.window.from), (0, 0));
    press(&mut state, &["End"]);
    assert_eq!((state.cursor, state.window.to), (700 * MS, 700 * MS));
}

#[test]
fn brackets_go_to_marks_losses_and_bursts() {
    let trace = traced(&made::header(), &made::with_losses(), 100 * MS);
    let mut state = opened(trace, (80, 30));
    press(&mut state, &["]"]);
    assert_eq!(state.cursor, 90 * MS, "the mark");
    press(&mut state, &["]"]);
    assert_eq!(state.cursor, 95 * MS, "the loss");
    press(&mut state, &["]"]);
    assert_eq!(
        state.note.as_deref(),
        Some("no mark, loss or burst behind this moment")
    );
    press(&mut state, &["[", "["]);
    assert_eq!(state.cursor, 90 * MS);
    assert_eq!(
        state.note.as_deref(),
        Some("no mark, loss or burst before this moment")
    );
}

#[test]
fn a_search_opens_the_fold_and_goes_to_the_task_s_life() {
    let mut state = workers();
    press(&mut state, &["/"]);
    type_in(&mut state, "worker-2?");
    assert_eq!(
        (name_of(&state), state.cursor),
        ("worker-20".into(), 210 * MS)
    );
    assert!(
        rows(&state)
            .iter()
            .any(|row| row == "+     worker-20[2020]"),
        "{:?}",
        rows(&state)
    );
    press(&mut state, &["n", "n"]);
    assert_eq!(
        (name_of(&state), state.cursor),
        ("worker-22".into(), 220 * MS + 10 * MS)
    );
    press(&mut state, &["N"]);
    assert_eq!(
        (name_of(&state), state.cursor),
        ("worker-21".into(), 230 * MS),
        "it still lives"
    );
    press(&mut state, &["N", "N"]);
    assert_eq!(name_of(&state), "worker-29", "round the beginning");
    press(&mut state, &["/"]);
    type_in(&mut state, "2003");
    assert_eq!(
        (name_of(&state), state.cursor),
        ("worker-3".into(), 40 * MS)
    );
    press(&mut state, &["/"]);
    type_in(&mut state, "nobody");
    assert_eq!(state.note.as_deref(), Some("no task is nobody"));
    assert_eq!(name_of(&state), "worker-3");
}

#[test]
fn a_filter_leaves_what_is_asked_for_and_who_made_it() {
    let mut state = workers();
    state.go_to(30 * MS);
    press(&mut state, &["f"]);
    type_in(&mut state, "io");
    assert_eq!(rows(&state), [" ▾server[1000]", "    io[1001]"]);
    assert_eq!(state.index().steps.at(30 * MS), 1);
    assert_eq!(state.log_len(), 2, "its birth and its name");
    press(&mut state, &["f"]);
    assert_eq!(
        state.prompt.as_ref().map(|prompt| prompt.text.as_str()),
        Some("io")
    );
    press(&mut state, &["C-u"]);
    type_in(&mut state, "kind exit");
    assert_eq!(state.log_len(), 60);
    press(&mut state, &["Right"]);
    assert_eq!(state.cursor, 35 * MS);
    press(&mut state, &["Esc"]);
    assert!(state.filter.is_none());
    assert_eq!(rows(&state).len(), 3);
    press(&mut state, &["f"]);
    type_in(&mut state, "nobody");
    assert_eq!(state.note.as_deref(), Some("nothing is of name nobody"));
    assert_eq!(rows(&state).len(), 3);
    press(&mut state, &["Esc"]);
    assert_eq!(
        (state.note.as_deref(), state.effects.len()),
        (None, 0),
        "whoever means the filter does not quit"
    );
}

#[test]
fn what_is_wrong_with_what_was_typed_is_told_and_can_be_mended() {
    let mut state = workers();
    press(&mut state, &["f"]);
    type_in(&mut state, "pid 99999999999");
    let last = |state: &State| screen(state, PLAIN).lines().last().map(str::to_string);
    let problem = "pid 99999999999: no pid is larger than 4294967295";
    assert_eq!(last(&state).as_deref(), Some(problem));
    press(&mut state, &["Back"]);
    let typed = last(&state).unwrap_or_default();
    assert!(typed.ends_with("pid 9999999999"), "{typed}");
    press(&mut state, &["Enter"]);
    assert!(last(&state).is_some_and(|line| line.contains("no pid is larger")));
    press(&mut state, &["Esc"]);
    assert!(state.prompt.is_none() && state.effects.is_empty());
    press(&mut state, &["f"]);
    type_in(&mut state, "tid 1001");
    assert_eq!(state.log_len(), 2);
}

#[test]
fn a_filter_that_is_taken_back_never_comes() {
    let mut state = workers();
    press(&mut state, &["f", "i", "o"]);
    state.key(key("Enter"));
    let asked = state.effects.pop();
    let Some(Effect::Filter(filter)) = asked else {
        panic!("{asked:?}");
    };
    press(&mut state, &["Esc"]);
    let index = Index::new(state.trace(), &filter);
    state.filtered(filter, Arc::new(index));
    assert!(state.filter.is_none());
}

#[test]
fn one_thread_can_be_followed() {
    let mut state = everything();
    press(&mut state, &["/"]);
    type_in(&mut state, "pool");
    press(&mut state, &["t"]);
    // Its birth, its name, and the births of four workers.
    assert_eq!(state.log_len(), 6);
    press(&mut state, &["Home", "Right", "Right", "Right", "Right"]);
    assert_eq!(state.cursor, 20 * MS);
    press(&mut state, &["t"]);
    assert_eq!(state.log_len(), 25);
}

#[test]
fn p_goes_to_the_creator_alive_or_not() {
    let mut state = workers();
    press(&mut state, &["/"]);
    type_in(&mut state, "worker-7");
    press(&mut state, &["p"]);
    assert_eq!(name_of(&state), "server");
    press(&mut state, &["p"]);
    assert_eq!(state.note.as_deref(), Some("who created it is not known"));
    let mut state = opened(traced(&made::header(), &made::chain(9), 0), (80, 30));
    press(&mut state, &["End", "/"]);
    type_in(&mut state, "1009");
    press(&mut state, &["p"]);
    assert_eq!(
        state.note.as_deref(),
        Some("its creator ended at +0.009000s")
    );
    assert_eq!(state.cursor, 9 * MS);
}

#[test]
fn times_are_typed_as_everywhere() {
    let mut state = workers();
    press(&mut state, &["g"]);
    type_in(&mut state, "16:13:20.25");
    assert_eq!(state.cursor, 250 * MS);
    press(&mut state, &["g"]);
    type_in(&mut state, "noon");
    let problem = state.prompt.as_ref().and_then(|it| it.problem.as_deref());
    assert!(
        problem.is_some_and(|it| it.starts_with("it is no time: ")),
        "{problem:?}"
    );
    press(&mut state, &["Esc"]);
    press(&mut state, &["g", "1", "Esc"]);
    assert_eq!((state.cursor, state.prompt.is_none()), (250 * MS, true));
}

#[test]
fn rows_are_selected_and_scrolled() {
    let mut state = workers();
    state.size = (80, 15);
    state.go_to(300 * MS);
    press(
        &mut state,
        &["Down", "Down", "Enter", "Down", "Down", "Down"],
    );
    assert_eq!(name_of(&state), "worker-29");
    assert_eq!(
        rows(&state).len(),
        usize::from(state.areas().tasks.height) - 1
    );
    press(&mut state, &["Down"]);
    assert_eq!(name_of(&state), "worker-29", "the last one");
    press(&mut state, &["Up", "Up", "Up", "Up", "Up", "Up"]);
    assert_eq!(name_of(&state), "server");
    assert_eq!(rows(&state)[0], " ▾server[1000]");
    press(&mut state, &["Enter"]);
    assert_eq!(rows(&state), [" ▸server[1000]"]);
}

#[test]
fn the_log_has_keys_of_its_own() {
    let mut state = everything();
    press(&mut state, &["Tab"]);
    assert_eq!(state.pane, Pane::Log);
    press(&mut state, &["Down", "Down"]);
    assert_eq!(state.event, Some(3));
    press(&mut state, &["Enter"]);
    assert_eq!(name_of(&state), "pool");
    press(&mut state, &["PgDn"]);
    let page = usize::from(state.areas().log.height) - 1;
    assert_eq!(state.event, Some(3 + page));
    press(&mut state, &["Tab"]);
    assert_eq!(state.pane, Pane::Tasks);
}

#[test]
fn y_copies_the_selected_line_without_escapes() {
    let main = tidline::model::Task::new(100, 100);
    let events = [made::existing(0, main, b"\x1b]0;owned\x07")];
    let mut state = opened(traced(&made::header(), &events, MS), (80, 30));
    press(&mut state, &["y"]);
    let copied = |state: &mut State| match state.effects.pop() {
        Some(Effect::Copy(text)) => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        copied(&mut state),
        r"\x1b]0;owned\x07[100] process of pid 100, born before, lived >1.00 ms, alive"
    );
    press(&mut state, &["Tab", "y"]);
    assert_eq!(
        copied(&mut state),
        r"+0.000000s 16:13:20.000000 existing \x1b]0;owned\x07[100] was there before pc 0x401000"
    );
}

#[test]
fn clicks_select_and_move_and_the_wheel_zooms() {
    let mut state = workers();
    let areas = state.areas();
    let left = MouseEventKind::Down(MouseButton::Left);
    let middle = areas.label + (areas.strip.width - areas.label) / 2;
    mouse(&mut state, left, middle, areas.strip.y + 1);
    let at = state.cursor;
    assert!((340 * MS..360 * MS).contains(&at), "{at}");
    let drag = MouseEventKind::Drag(MouseButton::Left);
    mouse(&mut state, drag, areas.strip.width - 1, areas.strip.y);
    assert_eq!(state.cursor, 700 * MS);
    mouse(&mut state, left, 3, areas.tasks.y + 2);
    assert_eq!(name_of(&state), "io");
    mouse(&mut state, left, 3, areas.log.y + 1);
    assert_eq!(state.pane, Pane::Log);
    assert_eq!(
        state.event,
        Some(state.log_len() - usize::from(areas.log.height) + 1)
    );
    mouse(&mut state, MouseEventKind::ScrollUp, middle, areas.strip.y);
    assert_eq!(state.window.length(), 350 * MS);
    assert!((state.window.from..=state.window.to).contains(&state.cursor));
    mouse(
        &mut state,
        MouseEventKind::ScrollDown,
        middle,
        areas.strip.y,
    );
    assert_eq!(state.window, state.whole());
}

#[test]
fn the_rest_of_the_keys() {
    let mut state = workers();
    press(&mut state, &["v"]);
    assert_eq!(state.view, View::Tree);
    press(&mut state, &["v", "?"]);
    assert_eq!(
        (state.view, state.overlay),
        (View::Lanes, Some(Overlay::Help))
    );
    press(&mut state, &["q"]);
    assert_eq!(
        (state.overlay, state.effects.len()),
        (None, 0),
        "any key closes the help"
    );
    press(&mut state, &["i"]);
    assert_eq!(state.overlay, Some(Overlay::Notices));
    press(&mut state, &["x", "d"]);
    assert!(state.details && state.areas().tasks.height == 0);
    press(&mut state, &["Esc"]);
    assert!(!state.details);
    for quit in ["q", "Esc", "C-c"] {
        let mut state = workers();
        press(&mut state, &[quit]);
        assert!(matches!(state.effects[..], [Effect::Quit]), "{quit}");
    }
    press(&mut state, &["/", "q", "C-c"]);
    assert!(
        matches!(state.effects[..], [Effect::Quit]),
        "while something is typed, too"
    );
}

#[test]
fn help_that_does_not_fit_is_scrolled() {
    let mut state = workers();
    state.size = (60, 15);
    press(&mut state, &["?"]);
    let last = "≤ the most in a column";
    assert!(!screen(&state, PLAIN).contains(last));
    press(
        &mut state,
        &["Down", "PgDn", "PgDn", "PgDn", "PgDn", "PgDn"],
    );
    let end = screen(&state, PLAIN);
    assert!(
        end.contains(last) && end.contains("any key closes this"),
        "{end}"
    );
    press(&mut state, &["Up", "Up"]);
    assert!(screen(&state, PLAIN).contains("↓ 2 more lines"));
    press(&mut state, &["q"]);
    assert_eq!((state.overlay, state.effects.len()), (None, 0));
}

#[test]
fn no_key_is_too_much_for_an_empty_trace() {
    let keys = [
        "Space", "+", "-", "r", "Left", "Right", "S-Left", "S-Right", "Up", "Down", "PgUp", "PgDn",
        "Home", "End", "z", "Z", ",", ".", "[", "]", "v", "d", "n", "N", "t", "p", "y", "Enter",
        "Tab", "C-d", "C-u", "i", "i", "?", "?",
    ];
    for size in [(80, 30), (20, 6), (1, 1), (250, 7), (21, 200)] {
        for trace in [
            traced(&made::header(), &[], 0),
            traced(&made::header(), &made::with_losses(), 100 * MS),
            traced(&made::header(), &made::chain(40), u64::MAX),
        ] {
            let mut state = opened(trace, size);
            for _ in 0..2 {
                for (tick, name) in (1..).zip(keys) {
                    press(&mut state, &[name]);
                    state.tick(tick * S / 10);
                    let whole = state.whole();
                    assert!((whole.from..=whole.to).contains(&state.cursor), "{name}");
                    assert!(state.window.from <= state.cursor, "{name}");
                    assert!(state.cursor <= state.window.to, "{name}");
                    screen(&state, PLAIN);
                }
                press(&mut state, &["f"]);
                type_in(&mut state, "a");
                press(&mut state, &["/"]);
                type_in(&mut state, "1");
                screen(&state, PLAIN);
            }
        }
    }
}
