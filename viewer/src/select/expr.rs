//! The language of `--where`: conditions on fields, joined by `&&`, `||`, `!` and parentheses.
//!
//! ```text
//! kind == clone && name =~ "worker.*" && life > 10s
//! ```
//!
//! Parsing gives an [`Expr`]; what it means for an event or a task is asked through [`Facts`]. A
//! condition on something that is not there (the signal of a task that exited with a code) is false,
//! whichever way it compares.

use std::sync::LazyLock;

use regex_lite::Regex;
use winnow::ascii::{alpha1, dec_uint, multispace0};
use winnow::combinator::{alt, cut_err, delimited, fail, not, preceded, repeat, terminated};
use winnow::error::{StrContext, StrContextValue};
use winnow::prelude::*;
use winnow::token::{any, one_of, take_until, take_while};

use unicode_width::UnicodeWidthStr;

use super::KINDS;
use crate::moment::parse_span;

/// A condition.
#[derive(Clone, Debug)]
pub(crate) enum Expr {
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Number(Field, Order, f64),
    Text(Field, bool, String),
    Matches(Field, bool, Regex),
    Is(Field),
}

/// What can be asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    /// Its name, as it is typed.
    pub(crate) name: &'static str,
    sort: Sort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Number,
    /// A number of nanoseconds: written as `10s`, and a bare number is seconds.
    Span,
    Text,
    Bool,
}

/// All fields, and what each means.
pub(crate) const FIELDS: [(&str, &str); 20] = [
    ("kind", "the kind of event; of a task, that of its birth"),
    ("what", "thread or process"),
    ("pid", "the process"),
    ("tid", "the thread"),
    ("parent", "the creator's tid"),
    ("name", "the name then; of a task, its last"),
    ("site", "where it was created, as the site column shows it"),
    (
        "start",
        "the function that a thread began with, and its place: 'start =~ ^worker'",
    ),
    ("exe", "the executable, of an exec or of its last"),
    ("text", "the text of a mark"),
    ("errno", "why a creation was refused, such as EAGAIN"),
    ("signal", "the signal that ended it, such as SIGKILL"),
    ("code", "its exit code"),
    ("flags", "the clone flags"),
    (
        "time",
        "when it happened, since the recording began; of a task, its birth",
    ),
    ("life", "how long the task lived"),
    ("children", "how many tasks it made"),
    ("alive", "whether the task lives at the end"),
    ("thread", "whether it is a thread"),
    ("host", "its host's name"),
];

const SORTS: [Sort; 20] = {
    use Sort::{Bool, Number, Span, Text};
    [
        Text, Text, Number, Number, Number, Text, Text, Text, Text, Text, Text, Text, Number,
        Number, Span, Span, Number, Bool, Bool, Text,
    ]
};

/// How numbers compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

/// What a field is, of something.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fact {
    /// A number; of a time or a length of time, ns.
    Number(f64),
    Text(String),
    Bool(bool),
}

/// What may stand where a field is expected, and where a kind of event is.
static ANY_FIELD: LazyLock<String> =
    LazyLock::new(|| format!("field ({})", FIELDS.map(|(name, _)| name).join(" ")));
static ANY_KIND: LazyLock<String> =
    LazyLock::new(|| format!("kind of event ({})", KINDS.join(" ")));

/// Something that conditions can be asked of.
pub(crate) trait Facts {
    /// The field of this name, if there is one.
    fn fact(&self, name: &str) -> Option<Fact>;
}

/// More of `(` and `!` than a person writes, which could overflow the stack.
const MOST_NESTED: usize = 200;

impl Expr {
    /// Parses what was typed; else what is wrong with it, and where.
    pub(crate) fn parse(text: &str) -> Result<Expr, String> {
        // Each nests the parser deeper.
        if text.bytes().filter(|byte| b"(!".contains(byte)).count() > MOST_NESTED {
            return Err(format!("it has more than {MOST_NESTED} of ( and !"));
        }
        let mut parser = terminated(either, multispace0);
        parser.parse(text).map_err(|error| {
            let blanks = text[error.offset()..].len() - text[error.offset()..].trim_start().len();
            let offset = error.offset() + blanks;
            let column = text[..offset].chars().count() + 1;
            let wrong = error.inner().to_string().replace('\n', ", ");
            let rest: String = text[offset..].chars().take(20).collect();
            let at = if rest.is_empty() {
                "the end".to_string()
            } else {
                format!("{rest:?}")
            };
            let wrong = if wrong.is_empty() {
                "it cannot go on here".to_string()
            } else {
                wrong
            };
            format!(
                "at column {column}, {at}: {wrong}\n{}",
                pointed(text, offset)
            )
        })
    }

    /// Whether it asks an event only for what is known when it happens.
    pub(crate) fn is_of_now(&self) -> bool {
        const LATER: [&str; 6] = ["exe", "signal", "code", "life", "children", "alive"];
        LATER.iter().all(|name| !self.mentions(name))
    }

    /// Whether it asks a task that lived at a moment only for what is known then, and for its end: not
    /// for the event of its birth, nor for what it did later.
    pub(crate) fn is_of_a_moment(&self) -> bool {
        const OTHER: [&str; 5] = ["kind", "flags", "name", "exe", "children"];
        OTHER.iter().all(|name| !self.mentions(name))
    }

    /// Whether it asks for the field of this name.
    pub(crate) fn mentions(&self, name: &str) -> bool {
        match self {
            Expr::And(one, other) | Expr::Or(one, other) => {
                one.mentions(name) || other.mentions(name)
            }
            Expr::Not(one) => one.mentions(name),
            Expr::Is(field)
            | Expr::Number(field, ..)
            | Expr::Text(field, ..)
            | Expr::Matches(field, ..) => field.name == name,
        }
    }

    /// Whether it holds.
    pub(crate) fn holds(&self, facts: &impl Facts) -> bool {
        match self {
            Expr::And(one, other) => one.holds(facts) && other.holds(facts),
            Expr::Or(one, other) => one.holds(facts) || other.holds(facts),
            Expr::Not(one) => !one.holds(facts),
            Expr::Is(field) => facts.fact(field.name) == Some(Fact::Bool(true)),
            Expr::Number(field, order, wanted) => match facts.fact(field.name) {
                Some(Fact::Number(found)) => order.holds(found, *wanted),
                _ => false,
            },
            Expr::Text(field, equal, wanted) => match facts.fact(field.name) {
                Some(Fact::Text(found)) => (found == *wanted) == *equal,
                _ => false,
            },
            Expr::Matches(field, should, regex) => match facts.fact(field.name) {
                Some(Fact::Text(found)) => regex.is_match(&found) == *should,
                _ => false,
            },
        }
    }
}

/// What was typed, safe to print, and below it a `^` where it is wrong. Of a long one what is
/// around that place.
fn pointed(text: &str, offset: usize) -> String {
    const AROUND: usize = 40;
    let before: Vec<char> = text[..offset].chars().collect();
    let cut = before.len().saturating_sub(AROUND);
    let start: String = before[cut..].iter().collect();
    let rest: String = text[offset..].chars().take(AROUND).collect();
    let [lead, trail] =
        [cut > 0, text[offset..].len() > rest.len()].map(|cut| if cut { "…" } else { "" });
    let start = format!("{lead}{}", tidline::text::escape(start.as_bytes()));
    let rest = tidline::text::escape(rest.as_bytes());
    let blank = " ".repeat(start.width());
    format!("  {start}{rest}{trail}\n  {blank}^")
}

impl Order {
    fn holds(self, found: f64, wanted: f64) -> bool {
        match self {
            Order::Equal => found == wanted,
            Order::Unequal => found != wanted,
            Order::Less => found < wanted,
            Order::AtMost => found <= wanted,
            Order::Greater => found > wanted,
            Order::AtLeast => found >= wanted,
        }
    }
}

fn either(input: &mut &str) -> ModalResult<Expr> {
    let first = both.parse_next(input)?;
    let more: Vec<Expr> = repeat(0.., preceded(symbol("||"), cut_err(both))).parse_next(input)?;
    let join = |one, other| Expr::Or(Box::new(one), Box::new(other));
    Ok(more.into_iter().fold(first, join))
}

fn both(input: &mut &str) -> ModalResult<Expr> {
    let first = single.parse_next(input)?;
    let more: Vec<Expr> = repeat(0.., preceded(symbol("&&"), cut_err(single))).parse_next(input)?;
    let join = |one, other| Expr::And(Box::new(one), Box::new(other));
    Ok(more.into_iter().fold(first, join))
}

fn single(input: &mut &str) -> ModalResult<Expr> {
    let inverted = preceded((symbol("!"), not('=')), cut_err(single));
    let nested = delimited(symbol("("), cut_err(either), cut_err(symbol(")")));
    alt((
        inverted.map(|inner| Expr::Not(Box::new(inner))),
        nested,
        condition,
    ))
    .parse_next(input)
}

fn symbol<'a>(
    symbol: &'static str,
) -> impl ModalParser<&'a str, &'a str, winnow::error::ContextError> {
    preceded(multispace0, symbol)
        .context(StrContext::Expected(StrContextValue::StringLiteral(symbol)))
}

fn condition(input: &mut &str) -> ModalResult<Expr> {
    let field = field.parse_next(input)?;
    match field.sort {
        Sort::Bool => Ok(Expr::Is(field)),
        Sort::Number => {
            let (order, value) = (order, cut_err(number)).parse_next(input)?;
            Ok(Expr::Number(field, order, value))
        }
        Sort::Span => {
            let (order, value) = (order, cut_err(span)).parse_next(input)?;
            Ok(Expr::Number(field, order, value))
        }
        Sort::Text => cut_err(alt((
            (alt((symbol("=="), symbol("!="))), cut_err(known(field)))
                .map(move |(order, text)| Expr::Text(field, order == "==", text)),
            (alt((symbol("=~"), symbol("!~"))), cut_err(pattern))
                .map(move |(order, regex)| Expr::Matches(field, order == "=~", regex)),
        )))
        .context(StrContext::Label("comparison: a text takes == != =~ !~"))
        .parse_next(input),
    }
}

fn field(input: &mut &str) -> ModalResult<Field> {
    preceded(multispace0, alpha1)
        .verify_map(|typed: &str| {
            let at = FIELDS.iter().position(|(name, _)| *name == typed)?;
            Some(Field {
                name: FIELDS[at].0,
                sort: SORTS[at],
            })
        })
        .context(StrContext::Label(&ANY_FIELD))
        .parse_next(input)
}

fn order(input: &mut &str) -> ModalResult<Order> {
    let orders = [
        ("==", Order::Equal),
        ("!=", Order::Unequal),
        ("<=", Order::AtMost),
        (">=", Order::AtLeast),
        ("<", Order::Less),
        (">", Order::Greater),
    ];
    multispace0.parse_next(input)?;
    for (text, order) in orders {
        if let Some(rest) = input.strip_prefix(text) {
            *input = rest;
            return Ok(order);
        }
    }
    cut_err(fail)
        .context(StrContext::Label(
            "comparison: a number takes == != < <= > >=",
        ))
        .parse_next(input)
}

fn number(input: &mut &str) -> ModalResult<f64> {
    let hex = preceded("0x", take_while(1..=16, |c: char| c.is_ascii_hexdigit()))
        .try_map(|digits: &str| u64::from_str_radix(digits, 16));
    preceded(multispace0, alt((hex, dec_uint::<_, u64, _>)))
        .map(|number| number as f64)
        .context(StrContext::Label("number"))
        .parse_next(input)
}

/// A length of time, ns.
fn span(input: &mut &str) -> ModalResult<f64> {
    let word = take_while(1.., |c: char| c.is_ascii_alphanumeric() || c == '.');
    preceded(multispace0, word)
        .verify_map(|word: &str| {
            let seconds = word.parse::<f64>().ok().map(|seconds| seconds * 1e9);
            let ns = seconds.or_else(|| parse_span(word).map(|ns| ns as f64))?;
            ns.is_finite().then_some(ns)
        })
        .context(StrContext::Label(
            "length of time, such as 500ms, 10s or 1h30m",
        ))
        .parse_next(input)
}

fn text(input: &mut &str) -> ModalResult<String> {
    let bare = take_while(1.., |c: char| {
        c.is_alphanumeric() || "_-.:/#+@*".contains(c)
    });
    preceded(multispace0, alt((quoted, bare.map(str::to_string))))
        .context(StrContext::Label("text: a word, or \"…\" or '…'"))
        .parse_next(input)
}

/// A text that such a field may have, where that is known: a misspelt one would select nothing.
fn known<'a>(field: Field) -> impl ModalParser<&'a str, String, winnow::error::ContextError> {
    let (is_known, which): (fn(&str) -> bool, _) = match field.name {
        "kind" => (|kind| KINDS.contains(&kind), &**ANY_KIND),
        "what" => (
            |what| ["thread", "process"].contains(&what),
            "thread or process",
        ),
        "signal" => (
            |signal| signal.starts_with("SIG"),
            "signal, such as SIGKILL",
        ),
        "errno" => (
            |errno| errno.starts_with('E') || errno.starts_with("errno "),
            "error, such as EAGAIN",
        ),
        _ => (|_| true, "text"),
    };
    text.verify(move |text: &String| is_known(text))
        .context(StrContext::Label(which))
}

fn pattern(input: &mut &str) -> ModalResult<Regex> {
    text.try_map(|text| Regex::new(&text))
        .context(StrContext::Label("regular expression"))
        .parse_next(input)
}

/// In double quotes a backslash takes the next quote or backslash as it is, and is itself before
/// anything else, as regular expressions want it; in single quotes nothing is special.
fn quoted(input: &mut &str) -> ModalResult<String> {
    let plain = delimited('\'', take_until(0.., '\''), '\'').map(str::to_string);
    let escaped = preceded('\\', one_of(['"', '\\'])).map(|c: char| match c {
        '"' => "\"".to_string(),
        _ => "\\\\".to_string(),
    });
    let inner = alt((
        escaped,
        any.verify(|c| *c != '"').map(|c: char| c.to_string()),
    ));
    let rich = delimited('"', repeat(0.., inner), '"').map(|parts: Vec<String>| parts.concat());
    alt((plain, rich)).parse_next(input)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Worker;

    impl Facts for Worker {
        fn fact(&self, name: &str) -> Option<Fact> {
            match name {
                "kind" => Some(Fact::Text("clone".into())),
                "name" => Some(Fact::Text("worker-7".into())),
                "tid" => Some(Fact::Number(1007.0)),
                "life" => Some(Fact::Number(12e9)),
                "flags" => Some(Fact::Number(f64::from(0x3d_0f00))),
                "alive" => Some(Fact::Bool(true)),
                "thread" => Some(Fact::Bool(false)),
                _ => None,
            }
        }
    }

    fn holds(text: &str) -> bool {
        let expr = Expr::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        expr.holds(&Worker)
    }

    #[test]
    fn what_holds() {
        for text in [
            "kind == clone && name =~ \"worker.*\" && life > 10s",
            "life>=12s&&life<=12s",
            "life == 12",
            "life < 1h1m",
            "tid == 1007 || tid == 1",
            "!(tid == 1007 && kind == fork)",
            "alive",
            "! thread",
            "name != 'x' && name !~ '^x'",
            "flags == 0x3d0f00",
            "(((name == worker-7)))",
            r#"name =~ "worker-\d$""#,
            "kind == fork || kind == clone && alive",
            "!!alive",
        ] {
            assert!(holds(text), "{text}");
        }
    }

    #[test]
    fn what_does_not_hold() {
        for text in [
            "kind == fork",
            "thread",
            "life > 12s",
            "!(alive)",
            "(kind == fork || kind == clone) && !alive",
            // Not there: neither equal nor unequal.
            "signal == SIGKILL",
            "signal != SIGKILL",
            "code < 1 || code >= 1",
        ] {
            assert!(!holds(text), "{text}");
        }
    }

    #[test]
    fn an_error_points_at_the_column() {
        for (text, column, words) in [
            ("kind = clone", 6, "a text takes"),
            ("nome == x", 1, "field"),
            ("name == x && lif > 1", 14, "field"),
            ("life > soon", 8, "length of time"),
            ("tid > x", 7, "number"),
            ("tid ~ 3", 5, "a number takes"),
            ("name =~ '('", 9, "regular expression"),
            ("(alive", 7, ")"),
            ("alive alive", 7, ""),
            ("", 1, "field"),
            ("alive &&", 9, "field"),
            ("name == 'x", 9, "text"),
            ("alive && kind == exi", 18, "create-failed"),
            ("what != task", 9, "thread or process"),
            ("signal == SEGV", 11, "such as SIGKILL"),
            ("errno == 11", 10, "such as EAGAIN"),
        ] {
            let error = Expr::parse(text).unwrap_err();
            assert!(
                error.starts_with(&format!("at column {column},")),
                "{text}: {error}"
            );
            assert!(error.contains(words), "{text}: {error}");
            let lines: Vec<&str> = error.lines().collect();
            assert_eq!(lines[1], format!("  {text}"));
            assert_eq!(lines[2], format!("  {}^", " ".repeat(column - 1)));
        }
        assert!(Expr::parse(&"(".repeat(100_000)).is_err());
        assert!(Expr::parse(&"! (".repeat(100_000)).is_err());
    }

    #[test]
    fn an_error_names_every_field_there_is() {
        let error = Expr::parse("nome == x").unwrap_err();
        for (field, _) in FIELDS {
            assert!(
                error.contains(&format!(" {field} "))
                    || error.contains(&format!("({field} "))
                    || error.contains(&format!(" {field})")),
                "{field}: {error}"
            );
        }
    }

    proptest! {
        #[test]
        fn nothing_typed_makes_it_panic(text in "[a-z0-9 =~!<>&|()\"'.ß\\\\]{0,60}") {
            let _ = Expr::parse(&text);
        }
    }
}
