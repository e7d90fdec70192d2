//! The words and figures that all views share: how a task ended, who it is, how many there are.

use std::borrow::Cow;

use tidline::model::{DetachReason, End, Ended, Name, TaskRecord, Tid, What, signal_name};
use tidline::text;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::page::Style;

/// Columns that a name may take in a table.
pub(crate) const NAME_WIDTH: usize = 24;

/// A number with thousands separated: `1,234,567`.
pub(crate) fn count(number: impl TryInto<u64>) -> String {
    let digits = number.try_into().unwrap_or(u64::MAX).to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number and its noun: `1 event`, `2,000 events`.
pub(crate) fn counted(number: impl TryInto<u64>, noun: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    let plural = match (number, noun) {
        (1, _) => "",
        (_, noun) if noun.ends_with("ss") => "es",
        _ => "s",
    };
    format!("{} {noun}{plural}", count(number))
}

/// How a task ended, in words; the same in tables and in JSON's `how`.
pub(crate) fn how(ended: Ended) -> Cow<'static, str> {
    match ended {
        Ended::Alive => "alive".into(),
        Ended::Exit(end) => exit(end),
        Ended::BecameLeader => "became leader by exec".into(),
        Ended::Detached(DetachReason::NewThread) => "let go at birth".into(),
        Ended::Detached(DetachReason::FollowFork) => "let go at a fork".into(),
        Ended::Detached(DetachReason::LeftOut) => "left out by its name".into(),
        Ended::Detached(DetachReason::FollowExec) => "let go at its exec".into(),
        Ended::Detached(DetachReason::SlippedAway) => "slipped away".into(),
        Ended::Detached(DetachReason::Other(_)) => "let go".into(),
        Ended::Missing => "end not seen".into(),
    }
}

/// An exit in words: `exit 0`, `killed by SIGSEGV (core)`.
pub(crate) fn exit(end: End) -> Cow<'static, str> {
    match end {
        End::Code(0) => "exit 0".into(),
        End::Code(code) => format!("exit {code}").into(),
        End::Signal { number, core } => {
            let core = if core { " (core)" } else { "" };
            format!("killed by {}{core}", signal_name(number)).into()
        }
        End::Unknown => "ended (not known how)".into(),
    }
}

/// The colour of an end: an ordinary one has none.
pub(crate) fn style_of(ended: Ended) -> Style {
    match ended {
        Ended::Alive => Style::Good,
        Ended::Exit(End::Code(0)) | Ended::BecameLeader | Ended::Detached(_) => Style::Plain,
        Ended::Exit(End::Code(_) | End::Signal { .. }) => Style::Bad,
        Ended::Exit(End::Unknown) | Ended::Missing => Style::Note,
    }
}

/// `1 thread`, `812 threads`, `2 processes`.
pub(crate) fn counted_what(number: usize, what: What) -> String {
    counted(number as u64, what.as_str())
}

/// Who a task is, safe to print and not too long: `worker-3[1001]`.
pub(crate) fn label(name: &Name, tid: Tid, width: usize) -> String {
    format!("{}[{tid}]", shown_name(name, width))
}

/// The TID by which a task knows itself, where that is another: in a container.
pub(crate) fn inside(task: &TaskRecord) -> String {
    let inner = task.inner.map(|inner| format!(" ({inner} inside)"));
    inner.unwrap_or_default()
}

/// A name, safe to print and not too long; `?` for one that is not known.
pub(crate) fn shown_name(name: &Name, width: usize) -> String {
    if name.is_empty() {
        return "?".into();
    }
    shorten(&text::escape(name.as_bytes()), width).into_owned()
}

/// The columns of a name that is not cut.
pub(crate) fn name_width(name: &Name) -> usize {
    let bytes = name.as_bytes();
    let plain = |byte: &u8| (b' '..=b'~').contains(byte) && *byte != b'\\';
    if bytes.iter().all(plain) {
        bytes.len().max(1)
    } else {
        text::escape(bytes).width()
    }
}

/// Cuts text in its middle to at most `width` columns: `worker-…-17`.
pub(crate) fn shorten(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    let room = width.saturating_sub(1);
    let head = fitting(text.chars(), room - room / 2);
    let tail = fitting(text.chars().rev(), room / 2);
    let head: String = text.chars().take(head).collect();
    let tail: Vec<char> = text.chars().rev().take(tail).collect();
    Cow::Owned(head + "…" + &tail.into_iter().rev().collect::<String>())
}

/// How many characters fit into `room` columns.
fn fitting(chars: impl Iterator<Item = char>, room: usize) -> usize {
    let mut used = 0;
    chars
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= room
        })
        .count()
}

/// A command line as a shell would take it, safe to print.
pub(crate) fn command_line(arguments: &[Vec<u8>]) -> String {
    let quoted = arguments.iter().map(|argument| {
        let shown = text::escape(argument);
        let plain = !shown.is_empty()
            && !shown.contains([
                ' ', '\'', '"', '$', '`', '*', ';', '&', '|', '<', '>', '(', ')',
            ]);
        if plain {
            shown.into_owned()
        } else {
            format!("'{}'", shown.replace('\'', r"'\''"))
        }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        for (number, text) in [
            (0u64, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(count(number), text);
        }
        assert_eq!(counted(1u64, "event"), "1 event");
        assert_eq!(counted(2_000u64, "event"), "2,000 events");
        assert_eq!(counted(2u64, "process"), "2 processes");
    }

    #[test]
    fn long_names_lose_their_middle_and_keep_their_width() {
        assert_eq!(shorten("worker-17", 9), "worker-17");
        assert_eq!(shorten("worker-17", 8), "work…-17");
        assert_eq!(shorten("ワーカースレッド", 9), "ワー…ッド");
        assert_eq!(shorten("abc", 1), "…");
        let long = Name::from("x".repeat(10_000).as_str());
        assert_eq!(label(&long, Tid(7), 5), "xx…xx[7]");
        assert_eq!(label(&Name::default(), Tid(7), 5), "?[7]");
    }

    #[test]
    fn command_lines_are_quoted_where_a_shell_would_need_it() {
        let arguments = ["a", "b c", "", "it's", "\u{1b}[2J"].map(|text| text.as_bytes().to_vec());
        assert_eq!(command_line(&arguments), r"a 'b c' '' 'it'\''s' \x1b[2J");
    }
}
