//! What a view shows, before anything decides how it looks: text with meaning, no escapes.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// What a piece of text means. Colour is chosen from this, and never the only sign of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Style {
    #[default]
    Plain,
    /// Of less weight: tree lines, headings.
    Faint,
    /// Of more weight: processes.
    Strong,
    /// Alive, complete.
    Good,
    /// A failure, damage, a loss.
    Bad,
    /// To be noticed: a limit, something that is not known.
    Note,
}

/// A piece of text of one meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) text: String,
    pub(crate) style: Style,
}

/// A line or a cell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) Vec<Span>);

impl Text {
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Text::styled(text, Style::Plain)
    }

    pub(crate) fn styled(text: impl Into<String>, style: Style) -> Self {
        Text::default().with(text, style)
    }

    /// The same text with more behind it.
    pub(crate) fn with(mut self, text: impl Into<String>, style: Style) -> Self {
        let text = text.into();
        if !text.is_empty() {
            self.0.push(Span { text, style });
        }
        self
    }

    pub(crate) fn width(&self) -> usize {
        let width = |text: &str| match text.is_ascii() {
            true => text.len(),
            false => text.width(),
        };
        self.0.iter().map(|span| width(&span.text)).sum()
    }

    /// The text, cut at its end to at most `width` columns.
    pub(crate) fn cut(self, width: usize) -> Text {
        if self.width() <= width {
            return self;
        }
        let mut out = Text::default();
        let mut used = 1;
        for span in &self.0 {
            for c in span.text.chars() {
                used += c.width().unwrap_or(0);
                if used > width {
                    out.push('…', span.style);
                    return out;
                }
                out.push(c, span.style);
            }
        }
        out
    }

    /// The text in lines of at most `width` columns, broken between words where that can be.
    pub(crate) fn wrapped(&self, width: usize) -> Vec<Text> {
        let mut lines = vec![Text::default()];
        let (mut used, mut after_space) = (0, false);
        for span in &self.0 {
            for word in span.text.split_inclusive(' ') {
                let bare = word.trim_end_matches(' ').width();
                if used + bare > width && after_space {
                    lines.push(Text::default());
                    used = 0;
                }
                for c in word.chars() {
                    let columns = c.width().unwrap_or(0);
                    if used + columns > width && c != ' ' {
                        lines.push(Text::default());
                        used = 0;
                    }
                    used += columns;
                    if let Some(line) = lines.last_mut() {
                        line.push(c, span.style);
                    }
                }
                after_space = word.ends_with(' ');
            }
        }
        for line in &mut lines {
            if let Some(span) = line.0.last_mut() {
                span.text.truncate(span.text.trim_end_matches(' ').len());
            }
        }
        lines
    }

    fn push(&mut self, c: char, style: Style) {
        match self.0.last_mut() {
            Some(span) if span.style == style => span.text.push(c),
            _ => self.0.push(Span {
                text: c.into(),
                style,
            }),
        }
    }

    /// The text without its meaning.
    pub(crate) fn bare(&self) -> String {
        self.0.iter().map(|span| span.text.as_str()).collect()
    }
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    /// Numbers stand at the right.
    pub(crate) right: bool,
}

impl Column {
    /// A column of words.
    pub(crate) const fn left(title: &'static str) -> Self {
        Column {
            title,
            right: false,
        }
    }
}

/// Rows of cells under a header. A row is made when it is asked for: a table of a million rows
/// takes no more memory than what they are made from.
pub(crate) struct Table<'a> {
    pub(crate) columns: Vec<Column>,
    /// Titles of columns to do without where there is no room, the first one first.
    pub(crate) spare: &'static [&'static str],
    pub(crate) rows: usize,
    pub(crate) row: Box<dyn Fn(usize) -> Vec<Text> + 'a>,
}

impl<'a> Table<'a> {
    /// A table of one row for each item; a title that begins with `>` makes a column of numbers.
    pub(crate) fn new<T: 'a>(
        titles: &[&'static str],
        items: Vec<T>,
        row: impl Fn(&T) -> Vec<Text> + 'a,
    ) -> Self {
        let columns = titles.iter().map(|title| match title.strip_prefix('>') {
            Some(title) => Column { title, right: true },
            None => Column {
                title,
                right: false,
            },
        });
        Table {
            columns: columns.collect(),
            spare: &[],
            rows: items.len(),
            row: Box::new(move |index| items.get(index).map(&row).unwrap_or_default()),
        }
    }

    /// Does without these columns where there is no room, the first one first.
    pub(crate) fn sparing(self, spare: &'static [&'static str]) -> Self {
        Table { spare, ..self }
    }
}

/// A named fact.
#[derive(Clone, Debug)]
pub(crate) struct Fact {
    pub(crate) label: &'static str,
    pub(crate) value: String,
    pub(crate) style: Style,
}

/// Bars against an axis, each with its label.
#[derive(Clone, Debug)]
pub(crate) struct Lanes {
    /// Columns for the labels.
    pub(crate) label_width: usize,
    pub(crate) axis: String,
    pub(crate) lanes: Vec<(Text, Text)>,
}

/// A part of a page.
pub(crate) enum Block<'a> {
    Facts(Vec<Fact>),
    Table(Table<'a>),
    Lanes(Lanes),
    Line(Text),
}

/// What a view shows.
#[derive(Default)]
pub(crate) struct Page<'a> {
    /// What the reader must know before anything else: what is missing from the file.
    pub(crate) notices: Vec<String>,
    pub(crate) blocks: Vec<Block<'a>>,
    /// What was left out, and how to read the page.
    pub(crate) foot: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(text: &Text, width: usize) -> Vec<String> {
        text.wrapped(width).iter().map(Text::bare).collect()
    }

    #[test]
    fn text_wraps_between_words_and_long_words_anywhere() {
        let text = Text::plain("34 exit 0").with(", ", Style::Faint);
        let text = text.with("1 killed by SIGSEGV", Style::Bad);
        assert_eq!(wrapped(&text, 40), ["34 exit 0, 1 killed by SIGSEGV"]);
        assert_eq!(wrapped(&text, 14), ["34 exit 0, 1", "killed by", "SIGSEGV"]);
        let long = Text::plain("a 123456789");
        assert_eq!(wrapped(&long, 4), ["a", "1234", "5678", "9"]);
        assert_eq!(wrapped(&Text::plain("スレッド"), 5), ["スレ", "ッド"]);
        assert_eq!(wrapped(&Text::default(), 5), [""]);
    }

    #[test]
    fn cut_text_says_so() {
        let text = Text::plain("ab").with("cdef", Style::Bad);
        assert_eq!(text.clone().cut(6), text);
        assert_eq!(
            text.clone().cut(4),
            Text::plain("ab").with("c…", Style::Bad)
        );
        assert_eq!(Text::plain("スレッド").cut(4).bare(), "ス…");
    }

    #[test]
    fn wrapping_keeps_the_meaning() {
        let text = Text::plain("a b ").with("c d", Style::Bad);
        assert_eq!(
            text.wrapped(5),
            [
                Text::plain("a b ").with("c", Style::Bad),
                Text::styled("d", Style::Bad)
            ]
        );
    }
}
