//! A line that is being typed at the bottom: a search, a filter or a time.

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Search,
    Filter,
    Time,
}

/// The question, and what is typed so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prompt {
    pub(crate) ask: Ask,
    pub(crate) text: String,
    /// What is wrong with it. It stands in place of the text until the next key.
    pub(crate) problem: Option<String>,
}

/// More than anyone types.
const LONGEST: usize = 200;

impl Prompt {
    pub(crate) fn new(ask: Ask, text: impl Into<String>) -> Prompt {
        let text = text.into();
        Prompt {
            ask,
            text,
            problem: None,
        }
    }

    /// What stands before the text.
    pub(crate) fn label(&self) -> &'static str {
        match self.ask {
            Ask::Search => "search (name or tid): ",
            Ask::Filter => "filter (name, pid N, tid N, kind K): ",
            Ask::Time => "go to (1.5s, 16:13:21): ",
        }
    }

    /// Takes a typed character. Those that a terminal would act on are none.
    pub(crate) fn put(&mut self, c: char) {
        if !c.is_control() && self.text.chars().count() < LONGEST {
            self.text.push(c);
        }
    }

    /// Takes back the last character.
    pub(crate) fn back(&mut self) {
        self.text.pop();
    }

    /// Takes back the last word.
    pub(crate) fn back_word(&mut self) {
        let kept = self.text.trim_end();
        let kept = kept.rfind(' ').map_or(0, |space| space + 1);
        self.text.truncate(kept);
    }
}
