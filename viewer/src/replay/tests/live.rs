//! A file that grows while it is looked at.

use tidline::model::{Ending, Event};

use super::super::made::{self, MS, ending};
use super::super::state::Life;
use super::*;

fn unfinished(events: &[Event], end: u64) -> Trace {
    ending(&made::header(), events, end, Ending::CutShort)
}

/// What had been written up to a time.
fn until(ms: u64) -> Trace {
    let mut events = made::workers(60);
    events.retain(|event| event.time.0 <= ms * MS);
    unfinished(&events, ms * MS)
}

fn grow(state: &mut State, trace: Trace) {
    let show = Arc::new(Show::new(trace));
    let filtered = state
        .filter
        .as_ref()
        .map(|(filter, _)| (filter.clone(), Arc::new(Index::new(&show.trace, filter))));
    state.grown(show, filtered);
    done(state);
}

#[test]
fn at_the_end_it_goes_on_with_the_file_and_says_live() {
    let mut state = opened(until(100), (100, 30));
    assert_eq!(state.life, Life::CutShort);
    let status = |state: &State| {
        screen(state, PLAIN)
            .lines()
            .next()
            .map(str::to_string)
            .unwrap()
    };
    assert!(status(&state).contains("cut short"), "{}", status(&state));
    press(&mut state, &["End"]);
    grow(&mut state, until(200));
    assert_eq!((state.cursor, state.life), (200 * MS, Life::Live));
    assert_eq!(state.window, state.whole());
    assert!(
        status(&state).contains("!  live") || status(&state).contains(" live"),
        "{}",
        status(&state)
    );
    press(&mut state, &["Left"]);
    let cursor = state.cursor;
    grow(&mut state, until(300));
    assert_eq!(state.cursor, cursor, "who looks at the past is left there");
    assert!(
        status(&state).contains("recording goes on"),
        "{}",
        status(&state)
    );
    let whole = made::traced(&made::header(), &made::workers(60), 700 * MS);
    press(&mut state, &["End"]);
    grow(&mut state, whole);
    assert_eq!((state.cursor, state.life), (700 * MS, Life::Finished));
}

#[test]
fn selection_folds_filter_and_follow_stay() {
    let mut state = opened(until(100), (100, 30));
    press(&mut state, &["/"]);
    type_in(&mut state, "worker-5");
    press(&mut state, &["t", "Down", "f"]);
    type_in(&mut state, "worker-*");
    press(&mut state, &["Up", "Up"]);
    let before = (state.selected_task(), rows(&state), state.cursor);
    assert_eq!(
        before.1,
        [
            " ▾server[1000]",
            "+  ▾worker-# x 3",
            "      worker-3[2003]",
            "      worker-4[2004]",
            "+     worker-5[2005]"
        ]
    );
    grow(&mut state, until(300));
    assert_eq!((state.selected_task(), rows(&state), state.cursor), before);
    assert_eq!(state.index().tasks, 30);
    assert_eq!(
        state.log_len(),
        3,
        "its birth, its name and, by now, its end"
    );
}

#[test]
fn a_selected_task_is_found_again_under_another_number() {
    let mut state = opened(until(100), (100, 30));
    press(&mut state, &["/"]);
    type_in(&mut state, "worker-5");
    let mut later = made::workers(60);
    later.remove(1);
    later.remove(1);
    grow(&mut state, unfinished(&later, 300 * MS));
    let selected = state
        .selected_task()
        .map(|id| state.trace().task(id).name().to_string());
    assert_eq!(selected.as_deref(), Some("worker-5"));
}
