//! Every text of a page once, and safe to show: what a program called itself is escaped here.

use std::collections::HashMap;

use tidline::model::Name;
use tidline::text::escape;

/// Texts by number. Number 0 is the empty one.
#[derive(Debug)]
pub(crate) struct Strings {
    list: Vec<String>,
    numbers: HashMap<String, u64>,
    /// Names are met again and again: each is escaped once.
    names: HashMap<Name, u64>,
}

impl Default for Strings {
    fn default() -> Self {
        Strings {
            list: vec![String::new()],
            numbers: HashMap::from([(String::new(), 0)]),
            names: HashMap::new(),
        }
    }
}

impl Strings {
    /// The number of a text that is safe to show.
    pub(crate) fn safe(&mut self, text: &str) -> u64 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.list.len() as u64;
        self.list.push(text.into());
        self.numbers.insert(text.into(), number);
        number
    }

    /// The number of a text as the recorded program or a symbol table has it.
    pub(crate) fn hostile(&mut self, bytes: &[u8]) -> u64 {
        self.safe(&escape(bytes))
    }

    /// The number of a name.
    pub(crate) fn name(&mut self, name: &Name) -> u64 {
        if let Some(number) = self.names.get(name) {
            return *number;
        }
        let number = self.hostile(name.as_bytes());
        self.names.insert(name.clone(), number);
        number
    }

    pub(crate) fn into_list(self) -> Vec<String> {
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_number_and_is_escaped() {
        let mut strings = Strings::default();
        assert_eq!(strings.safe(""), 0);
        let red = strings.name(&b"\x1b[31m".into());
        assert_eq!(strings.safe("\\x1b[31m"), red);
        assert_eq!(strings.hostile("\u{202e}a".as_bytes()), red + 1);
        assert_eq!(strings.into_list(), ["", "\\x1b[31m", "\\u{202e}a"]);
    }
}
