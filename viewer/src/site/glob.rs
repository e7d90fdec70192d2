//! Patterns of `*` and `?`, for names that anyone may have chosen: no pattern takes more than the
//! two lengths' product.

/// Whether a pattern fits all of a text: `*` stands for any text, `?` for any byte.
pub(super) fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut next) = (0, 0);
    // Where the last `*` is, and up to where it stands for the text.
    let mut star: Option<(usize, usize)> = None;
    while next < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, next));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[next] => {
                at += 1;
                next += 1;
            }
            _ => match &mut star {
                Some((place, until)) => {
                    *until += 1;
                    (at, next) = (*place + 1, *until);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text, expected) in [
            ("libc", "libc", true),
            ("libc", "libcap", false),
            ("std::*", "std::thread::spawn", true),
            ("std::*", "mystd::thread", false),
            ("*", "", true),
            ("", "", true),
            ("?", "", false),
            ("python?.*", "python3.11", true),
            (
                "<* as core::ops::function::Fn*",
                "<F as core::ops::function::FnOnce>::call_once",
                true,
            ),
            ("*ab*ab", "abxabab", true),
            ("*ab*ab", "abxaba", false),
        ] {
            let found = fits(pattern.as_bytes(), text.as_bytes());
            assert_eq!(found, expected, "{pattern} {text}");
        }
    }

    #[test]
    fn no_pattern_takes_for_ever() {
        let text = b"a".repeat(100_000);
        assert!(!fits(b"*a*a*a*a*a*a*a*a*a*b", &text));
    }
}
