//! Drawing for terminals that can do little: what is not ASCII becomes ASCII, as wide as it was.

use std::io::{self, Write};

use unicode_width::UnicodeWidthChar;

/// The ASCII character nearest to one.
pub(crate) fn nearest(c: char) -> char {
    match c {
        '▁' => '.',
        '▂' => ':',
        '▃' => '-',
        '▄' => '=',
        '▅' => '+',
        '▆' => '*',
        '▇' => '#',
        '█' => '@',
        '░' => '/',
        '─' => '-',
        '└' | '╰' => '`',
        '│' | '├' | '┤' | '‖' => '|',
        '←' | '◀' => '<',
        '→' | '▶' | '»' => '>',
        '▸' => '+',
        '▾' => '-',
        '↓' => 'v',
        '↑' => '^',
        '•' | '·' => '.',
        '◆' => 'M',
        '╳' | '×' => 'x',
        '…' | '⋯' => '~',
        '≤' => '<',
        'µ' => 'u',
        '±' => '*',
        _ => '?',
    }
}

/// Passes on whole texts, in ASCII.
pub(super) struct Ascii<'a>(pub(super) &'a mut dyn Write);

impl Write for Ascii<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if text.is_ascii() {
            return self.0.write(text);
        }
        let plain = |c: char| match c {
            c if c.is_ascii() => c.to_string(),
            c => nearest(c).to_string().repeat(c.width().unwrap_or(0)),
        };
        let plain: String = String::from_utf8_lossy(text).chars().map(plain).collect();
        self.0.write_all(plain.as_bytes())?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
