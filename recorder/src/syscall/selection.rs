//! The system calls that were asked for by name (`--syscalls`).

use std::collections::{BTreeSet, HashMap};

use tidline::model::Name;

use super::abi::Abi;

/// The word for every call.
const ALL: &str = "all";

/// Calls by their number, and with it their names, made once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    names: HashMap<(Abi, u64), Name>,
    all: bool,
}

impl Selection {
    /// From names that [`parse_name`] has let pass.
    pub(crate) fn new(wanted: &[String]) -> Self {
        let all = wanted.iter().any(|name| name == ALL);
        let mut names = HashMap::new();
        if wanted.is_empty() {
            return Selection { names, all };
        }
        for abi in Abi::HERE {
            for (name, number) in abi.calls() {
                if all || wanted.iter().any(|wanted| wanted == name) {
                    names.insert((abi, number), Name::from(name));
                }
            }
        }
        Selection { names, all }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// A call's name, if it was asked for. One that is newer than our tables gets a name like
    /// strace's when every call is wanted.
    pub(crate) fn name(&self, abi: Abi, number: u64) -> Option<Name> {
        if self.is_empty() {
            return None;
        }
        match self.names.get(&(abi, abi.plain(number))) {
            Some(name) => Some(name.clone()),
            None if self.all => Some(Name::from(format!("syscall_{number:#x}").as_str())),
            None => None,
        }
    }
}

/// A name as typed, if there is such a call on this machine.
///
/// # Errors
/// If not, with the names that are nearest.
pub(crate) fn parse_name(typed: &str) -> Result<String, String> {
    let known: BTreeSet<&str> = Abi::HERE
        .iter()
        .flat_map(|abi| abi.calls())
        .map(|(name, _)| name)
        .collect();
    if typed == ALL || known.contains(typed) {
        return Ok(typed.to_string());
    }
    let mut near: Vec<(usize, &str)> = known
        .iter()
        .map(|name| (distance(typed, name), *name))
        .filter(|(distance, name)| *distance <= 2 || is_part(typed, name))
        .collect();
    near.sort_unstable();
    near.truncate(5);
    let mut words = format!("{typed:?} is no system call that this machine knows");
    if !near.is_empty() {
        let near: Vec<&str> = near.iter().map(|(_, name)| *name).collect();
        words += &format!("; near it: {}", near.join(", "));
    }
    Err(words)
}

/// `signalfd` of `signalfd4`, `stat` of `newfstatat`; three letters are the least that say anything.
fn is_part(typed: &str, name: &str) -> bool {
    typed.len() >= 3 && (name.contains(typed) || (name.len() >= 3 && typed.contains(name)))
}

/// Levenshtein's: letters to add, drop or change.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, a) in one.bytes().enumerate() {
        let mut corner = row[0];
        row[0] = line + 1;
        for (column, b) in other.bytes().enumerate() {
            let change = corner + usize::from(a != b);
            corner = row[column + 1];
            row[column + 1] = change.min(corner + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_every_table_of_the_machine() {
        let some = Selection::new(&["openat".into(), "fork".into()]);
        let name = |abi, number| some.name(abi, number).map(|name| name.to_string());
        for (abi, openat) in Abi::HERE.into_iter().zip(match Abi::HERE[0] {
            Abi::X86_64 => [257, 295],
            _ => [56, 322],
        }) {
            assert_eq!(name(abi, openat).as_deref(), Some("openat"));
            assert_eq!(name(abi, openat + 1), None);
        }
        assert!(Selection::default().is_empty());
        assert_eq!(Selection::default().name(Abi::HERE[0], 0), None);
    }

    #[test]
    fn all_has_a_name_for_numbers_of_the_future() {
        let all = Selection::new(&["all".into()]);
        let name = |number| all.name(Abi::HERE[0], number).expect("a name").to_string();
        assert_eq!(name(435), "clone3");
        assert_eq!(name(4000), "syscall_0xfa0");
    }

    #[test]
    fn a_wrong_name_is_told_with_its_neighbours() {
        assert_eq!(parse_name("futex"), Ok("futex".into()));
        assert_eq!(parse_name("all"), Ok("all".into()));
        assert_eq!(
            parse_name("futx"),
            Err("\"futx\" is no system call that this machine knows; near it: futex".into())
        );
        assert!(parse_name("openta").is_err_and(|words| words.contains(" openat")));
        assert!(parse_name("zzzzzzzzzz").is_err_and(|words| !words.contains("near")));
        assert!(parse_name("").is_err());
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
