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

/// Numbers in order, runs of them shortened, and their noun: `numbers 12 to 14 and 16`.
pub(crate) fn numbers(numbers: &[u32], noun: &str) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if number == *last => {}
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => runs.push((number, number)),
        }
    }
    const MOST: usize = 10;
    let mut words: Vec<String> = Vec::new();
    for (first, last) in runs.iter().take(MOST) {
        match last - first {
            0 => words.push(first.to_string()),
            1 => words.extend([first.to_string(), last.to_string()]),
            _ => words.push(format!("{first} to {last}")),
        }
    }
    if runs.len() > MOST {
        words.push("more".into());
    }
    let plural = if numbers.iter().all(|number| *number == numbers[0]) {
        ""
    } else {
        "s"
    };
    let last = words.pop().unwrap_or_default();
    match words.is_empty() {
        true => format!("{noun}{plural} {last}"),
        false => format!("{noun}{plural} {} and {last}", words.join(", ")),
    }
}

/// A number of bytes at a glance, cut to three digits: `691 bytes`, `31.2 MB`.
pub(crate) fn size(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1_000 => return counted(bytes, "byte"),
        1_000..1_000_000 => (1_000, "kB"),
        1_000_000..1_000_000_000 => (1_000_000, "MB"),
        1_000_000_000..1_000_000_000_000 => (1_000_000_000, "GB"),
        _ => (1_000_000_000_000, "TB"),
    };
    format!("{} {name}", crate::time::three_digits(bytes, unit))
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
        Ended::Detached(DetachReason::RecordingEnded) => "its recording ended".into(),
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
    fn runs_of_numbers_are_short() {
        for (some, text) in [
            (&[4][..], "file 4"),
            (&[4, 4], "file 4"),
            (&[0, 1], "files 0 and 1"),
            (&[12, 13, 14], "files 12 to 14"),
            (&[0, 2, 3, 5, 6, 7], "files 0, 2, 3 and 5 to 7"),
            (&[1, u32::MAX], "files 1 and 4294967295"),
        ] {
            assert_eq!(numbers(some, "file"), text);
        }
        let many: Vec<u32> = (0..100).map(|number| number * 2).collect();
        assert_eq!(
            numbers(&many, "file"),
            "files 0, 2, 4, 6, 8, 10, 12, 14, 16, 18 and more"
        );
    }

    #[test]
    fn sizes_have_three_digits() {
        for (bytes, text) in [
            (1, "1 byte"),
            (999, "999 bytes"),
            (1_000, "1.00 kB"),
            (31_299_999, "31.2 MB"),
            (312_000_000_000, "312 GB"),
            (u64::MAX, "18446744 TB"),
        ] {
            assert_eq!(size(bytes), text);
        }
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
