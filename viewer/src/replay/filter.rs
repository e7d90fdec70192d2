//! What is to be shown of a trace, as it is typed: `kind exit pid 1000 worker-*`.

use std::num::{IntErrorKind, ParseIntError};

use glob::Pattern;
use tidline::model::{Name, TaskRecord, Trace};

use crate::select::{KINDS, Selection};

/// A pattern of names: with `*`, `?` or `[a-z]` of the whole name, else of any part of it.
#[derive(Clone, Debug)]
pub(crate) struct Glob(Pattern);

impl Glob {
    pub(crate) fn parse(text: &str) -> Result<Glob, String> {
        let pattern = match text.contains(['*', '?', '[']) {
            true => text.to_string(),
            false => format!("*{}*", Pattern::escape(text)),
        };
        let pattern = Pattern::new(&pattern);
        pattern
            .map(Glob)
            .map_err(|error| format!("{text} is no pattern of names: {error}"))
    }

    pub(crate) fn matches(&self, name: &Name) -> bool {
        self.0.matches(&String::from_utf8_lossy(name.as_bytes()))
    }

    /// Whether one of a task's names is of the pattern.
    pub(crate) fn matches_task(&self, task: &TaskRecord) -> bool {
        task.names.iter().any(|(_, name)| self.matches(name))
    }
}

/// What is asked for; the default is everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    typed: String,
    selection: Selection,
    name: Option<(String, Glob)>,
}

impl Filter {
    /// `pid N`, `tid N`, `kind K,K` and a pattern of names, in any order, each at most once; `=`
    /// and `:` do for the space.
    pub(crate) fn parse(text: &str) -> Result<Filter, String> {
        let mut filter = Filter {
            typed: text.trim().into(),
            ..Filter::default()
        };
        let text = text.replace(['=', ':'], " ");
        let mut words = text.split_whitespace();
        while let Some(word) = words.next() {
            match word {
                "pid" => filter.selection.pid = Some(number(word, words.next())?),
                "tid" => filter.selection.tid = Some(number(word, words.next())?),
                "kind" => filter.selection.kinds = kinds(words.next())?,
                name if filter.name.is_none() => {
                    filter.name = Some((name.into(), Glob::parse(name)?));
                }
                name => return Err(format!("{name}: one pattern of names is all it takes")),
            }
        }
        Ok(filter)
    }

    /// What was typed.
    pub(crate) fn typed(&self) -> &str {
        &self.typed
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.name.is_none() && self.selection.words().is_empty()
    }

    /// Whether a task is asked for. Of kinds of event every task is.
    pub(crate) fn admits_task(&self, trace: &Trace, task: &TaskRecord) -> bool {
        let name = self.name.as_ref();
        self.selection.admits_task(trace, task)
            && name.is_none_or(|(_, glob)| glob.matches_task(task))
    }

    /// Whether an event is asked for: by what it is, and by the task that it is about.
    pub(crate) fn admits_event(&self, trace: &Trace, seq: usize, tasks: &[bool]) -> bool {
        let Some(event) = trace.events().get(seq) else {
            return false;
        };
        let by_name = || {
            let subject = trace.subject(seq);
            subject.is_some_and(|task| tasks.get(task.id.0 as usize) == Some(&true))
        };
        self.selection.admits(event) && (self.name.is_none() || by_name())
    }

    /// What is asked for, in words.
    pub(crate) fn words(&self) -> String {
        let mut words = self.selection.words();
        if let Some((text, _)) = &self.name {
            if !words.is_empty() {
                words += ", ";
            }
            words += &format!("name {}", tidline::text::escape(text.as_bytes()));
        }
        words
    }
}

fn number(word: &str, text: Option<&str>) -> Result<u32, String> {
    let Some(text) = text else {
        return Err(format!("{word} wants a number behind it: {word} 1000"));
    };
    text.parse().map_err(|error: ParseIntError| {
        let text = tidline::text::escape(text.as_bytes());
        match error.kind() {
            IntErrorKind::PosOverflow => {
                format!("{word} {text}: no {word} is larger than {}", u32::MAX)
            }
            _ => format!("{word} {text}: {text} is no number, such as 1000"),
        }
    })
}

fn kinds(text: Option<&str>) -> Result<Vec<String>, String> {
    let kinds = text.unwrap_or("").split(',').map(str::to_string);
    let kinds: Vec<String> = kinds.collect();
    match kinds.iter().find(|kind| !KINDS.contains(&kind.as_str())) {
        Some(wrong) => {
            let wrong = tidline::text::escape(wrong.as_bytes());
            Err(format!("{wrong} is no kind of event: {}", KINDS.join(", ")))
        }
        None => Ok(kinds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_words_in_any_order() {
        for (text, words) in [
            ("", ""),
            ("worker-*", "name worker-*"),
            ("tid=12 kind exit,clone", "tid 12, kind exit or clone"),
            ("gc pid:7", "pid 7, name gc"),
        ] {
            let filter = Filter::parse(text).unwrap();
            assert_eq!(filter.words(), words);
            assert_eq!(filter.is_everything(), text.is_empty());
        }
        for (text, error) in [
            ("pid", "pid wants a number behind it: pid 1000"),
            ("tid x", "tid x: x is no number, such as 1000"),
            ("pid -1", "pid -1: -1 is no number, such as 1000"),
            (
                "pid 4294967296",
                "pid 4294967296: no pid is larger than 4294967295",
            ),
            ("a b", "b: one pattern of names is all it takes"),
        ] {
            assert_eq!(Filter::parse(text).unwrap_err(), error);
        }
        let error = Filter::parse("kind born").unwrap_err();
        assert!(
            error.starts_with("born is no kind of event: existing, clone, "),
            "{error}"
        );
        let error = Filter::parse("[").unwrap_err();
        assert!(error.starts_with("[ is no pattern of names: "), "{error}");
    }

    #[test]
    fn a_name_without_signs_is_found_in_any_part() {
        let matches = |glob: &str, name: &str| Glob::parse(glob).unwrap().matches(&name.into());
        assert!(matches("ork", "worker-1") && !matches("ork", "io"));
        assert!(matches("w*1", "worker-1") && !matches("w*", "a w"));
        assert!(matches("worker-[0-3]", "worker-2") && !matches("worker-[0-3]", "worker-5"));
    }
}
