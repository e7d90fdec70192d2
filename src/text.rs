//! Escaping of hostile text: what a recorded program called itself must not drive a terminal.
//!
//! ```
//! use tidline::text::escape;
//!
//! assert_eq!(escape("réseau-1".as_bytes()), "réseau-1");
//! assert_eq!(escape(b"\x1b]0;owned\x07"), r"\x1b]0;owned\x07");
//! ```

use std::borrow::Cow;
use std::fmt::Write as _;

/// Makes bytes safe to show on a terminal, on one line.
///
/// Printable text of any script stays as it is. Control characters, invalid UTF-8, the
/// characters that reorder or hide text (bidirectional controls, zero-width characters, line
/// separators) and the backslash become escapes such as `\x1b`, `\u{202e}` and `\\`.
///
/// ```
/// assert_eq!(tidline::text::escape(b"worker-1"), "worker-1");
/// assert_eq!(tidline::text::escape(b"\x1b[2Jgone"), r"\x1b[2Jgone");
/// assert_eq!(tidline::text::escape(b"\xff"), r"\xff");
/// ```
#[must_use]
pub fn escape(bytes: &[u8]) -> Cow<'_, str> {
    // Almost all names are of such letters.
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'\\';
    if let Ok(text) = std::str::from_utf8(bytes)
        && (bytes.iter().all(is_plain) || !text.chars().any(is_hostile))
    {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(bytes.len() + 16);
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            push_escaped(&mut out, c);
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    Cow::Owned(out)
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '\\' => out.push_str("\\\\"),
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        '\r' => out.push_str("\\r"),
        c if is_hostile(c) && u32::from(c) < 0x100 => {
            let _ = write!(out, "\\x{:02x}", u32::from(c));
        }
        c if is_hostile(c) => {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        }
        c => out.push(c),
    }
}

/// Whether a character must not reach a terminal as it is.
fn is_hostile(c: char) -> bool {
    c == '\\'
        || c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn plain_text_of_any_script_is_borrowed() {
        for text in ["pool-1-thread-7", "naïve", "поток", "スレッド", ""] {
            assert!(matches!(escape(text.as_bytes()), std::borrow::Cow::Borrowed(t) if t == text));
        }
    }

    #[test]
    fn controls_bidi_and_bad_utf8_become_escapes() {
        assert_eq!(escape(b"a\x1b]0;x\x07b"), r"a\x1b]0;x\x07b");
        assert_eq!(escape("a\u{202e}b".as_bytes()), r"a\u{202e}b");
        assert_eq!(escape("a\u{9b}2Jb".as_bytes()), r"a\x9b2Jb");
        assert_eq!(escape(b"a\nb\tc\r"), r"a\nb\tc\r");
        assert_eq!(escape(b"\xf0\x9f"), r"\xf0\x9f");
        assert_eq!(escape(b"C:\\x"), r"C:\\x");
    }

    #[test]
    fn escaped_text_never_holds_a_control_character() {
        for byte in 0..=255u8 {
            assert!(!escape(&[byte, b'a', byte]).chars().any(char::is_control));
        }
    }
}
