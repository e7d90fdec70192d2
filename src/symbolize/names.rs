//! Which of a function's names is shown, and how: demangled, and as its users write it.
//!
//! A function may have many names. glibc defines `pthread_create` as `__pthread_create_2_1`, which is
//! what its debug information says, and exports it under the name that programs call, with a version
//! behind it (`pthread_create@@GLIBC_2.34`). Stripped, the same library has the exported name alone. So
//! that a stack reads the same with and without debug information, the exported name is taken
//! where there is one, without its version; of several the one with the fewest underscores in front.

use std::fmt::{self, Write};

use super::symbols::Alias;

/// A name of a template may take megabytes. More than this is cut, bytes.
const MAX_NAME: usize = 4096;

/// The name to show for a function, of what the debug information calls it and of its symbols.
pub(super) fn choose(in_debug_info: Option<&str>, aliases: &[Alias]) -> Option<String> {
    let named = in_debug_info.filter(|name| !name.is_empty());
    let Some(named) = named else {
        let best = aliases.iter().min_by_key(|alias| rank(alias));
        return best.map(|alias| demangled(&alias.name));
    };
    if is_mangled(named) {
        return Some(demangled(named));
    }
    let is_alias = aliases.iter().any(|alias| alias.name == named);
    if is_alias && !named.starts_with('_') {
        return Some(named.to_owned());
    }
    let is_public = aliases.iter().any(|it| it.public && it.name == named);
    let public = aliases
        .iter()
        .filter(|alias| alias.public && !is_mangled(&alias.name))
        .min_by_key(|alias| rank(alias));
    if let Some(public) = public
        && (!is_public || underscores(&public.name) < underscores(named))
    {
        return Some(public.name.clone());
    }
    // A function of C++ that no other file knows has its bare name in the debug information.
    let full = aliases.iter().filter(|alias| is_mangled(&alias.name));
    let mut full = full.map(|alias| demangled(&alias.name));
    let full = full.find(|full| has_word(full, named));
    Some(full.unwrap_or_else(|| cut(named)))
}

/// A symbol's name without its version, and without what compilers put behind the names of copies and
/// pieces: `work.constprop.0.cold` is `work`, as the debug information has it.
pub(super) fn plain(symbol: &str) -> &str {
    const MARKS: [&str; 7] = [
        "cold",
        "constprop",
        "isra",
        "llvm",
        "lto_priv",
        "part",
        "clone",
    ];
    let mut name = symbol.split('@').next().unwrap_or_default();
    while let Some((front, last)) = name.rsplit_once('.') {
        let is_number = !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit());
        let is_mark = |word: &str| MARKS.contains(&word);
        name = match front.rsplit_once('.') {
            _ if front.is_empty() => break,
            _ if is_mark(last) => front,
            Some((front, mark)) if is_number && is_mark(mark) && !front.is_empty() => front,
            _ => break,
        };
    }
    name
}

/// Whether a name is part of another one, and not of a longer word in it.
fn has_word(text: &str, word: &str) -> bool {
    let goes_on =
        |byte: Option<&u8>| byte.is_some_and(|it| it.is_ascii_alphanumeric() || *it == b'_');
    text.match_indices(word).any(|(at, _)| {
        let before = text.as_bytes()[..at].last();
        let after = text.as_bytes().get(at + word.len());
        !goes_on(before) && !goes_on(after)
    })
}

/// The lower, the better.
fn rank(alias: &Alias) -> (bool, bool, usize, usize, &str) {
    let name = alias.name.as_str();
    (
        !alias.public,
        is_mangled(name),
        underscores(name),
        name.len(),
        name,
    )
}

fn underscores(name: &str) -> usize {
    name.bytes().take_while(|byte| *byte == b'_').count()
}

fn is_mangled(name: &str) -> bool {
    ["_Z", "__Z", "_R", "__R"]
        .iter()
        .any(|start| name.starts_with(start))
}

/// A name as its language writes it.
pub(super) fn demangled(name: &str) -> String {
    if !is_mangled(name) {
        return cut(name);
    }
    let mut out = Bounded(String::new());
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        // An error is that there is no more room, or that the name is no good.
        let _ = write!(out, "{rust:#}");
    } else if let Ok(cpp) = cpp_demangle::Symbol::new(name) {
        let options = cpp_demangle::DemangleOptions::default();
        let _ = cpp.structured_demangle(&mut out, &options);
    }
    match out.0.is_empty() {
        true => cut(name),
        false => out.0,
    }
}

fn cut(name: &str) -> String {
    let mut out = Bounded(String::new());
    let _ = out.write_str(name);
    out.0
}

/// Text up to [`MAX_NAME`], with a mark where more would follow.
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MAX_NAME.saturating_sub(self.0.len());
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        let mut end = room;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.0.push_str(&text[..end]);
        self.0.push('…');
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aliases(names: &[(&str, bool)]) -> Vec<Alias> {
        let alias = |(name, public): &(&str, bool)| Alias {
            name: (*name).into(),
            public: *public,
        };
        names.iter().map(alias).collect()
    }

    fn chosen(named: &str, all: &[(&str, bool)]) -> String {
        choose(Some(named), &aliases(all)).unwrap()
    }

    #[test]
    fn the_exported_name_comes_before_the_one_inside() {
        let glibc = [("__pthread_create_2_1", false), ("pthread_create", true)];
        assert_eq!(chosen("__pthread_create_2_1", &glibc), "pthread_create");
        let printf = [("_IO_printf", true), ("printf", true), ("__printf", false)];
        assert_eq!(chosen("__printf", &printf), "printf");
        assert_eq!(choose(None, &aliases(&printf)).unwrap(), "printf");
        let main = [
            ("__libc_start_main", true),
            ("__libc_start_main_impl", false),
        ];
        assert_eq!(chosen("__libc_start_main_impl", &main), "__libc_start_main");
    }

    #[test]
    fn a_name_of_its_own_stays() {
        assert_eq!(chosen("work", &[("work", false), ("other", true)]), "work");
        for (symbol, name) in [
            ("work", "work"),
            ("work@@V_2", "work"),
            ("work@V_1", "work"),
            ("work.constprop.0", "work"),
            ("work.part.0.isra.12.cold", "work"),
            ("_ZN4workEv.isra.0", "_ZN4workEv"),
            ("work.llvm.123", "work"),
            ("main.main.func1", "main.main.func1"),
            ("main.1", "main.1"),
            (".part.0", ".part.0"),
            ("", ""),
        ] {
            assert_eq!(plain(symbol), name);
        }
        assert_eq!(chosen("__clone3", &[("__clone3", false)]), "__clone3");
        assert_eq!(chosen("start_thread", &[]), "start_thread");
        assert_eq!(choose(Some(""), &[]), None);
        assert_eq!(choose(None, &[]), None);
    }

    #[test]
    fn mangled_names() {
        for (mangled, name) in [
            ("_ZN4pool6Worker5startEi", "pool::Worker::start(int)"),
            (
                "_ZN3std6thread5spawn17h0123456789abcdefE",
                "std::thread::spawn",
            ),
            ("_RNvC6_123foo3bar", "123foo::bar"),
            ("_Z", "_Z"),
            ("_Znonsense", "_Znonsense"),
            ("plain", "plain"),
        ] {
            assert_eq!(demangled(mangled), name);
        }
        let helper = [("_ZN12_GLOBAL__N_16helperEi", false)];
        assert_eq!(
            chosen("helper", &helper),
            "(anonymous namespace)::helper(int)"
        );
        let lambda = [("_ZZ4mainENKUliE_clEi", false)];
        assert_eq!(
            chosen("operator()", &lambda),
            "main::{lambda(int)#1}::operator()(int) const"
        );
        let longer = [("_ZN12_GLOBAL__N_17helper2Ei", false)];
        assert_eq!(chosen("helper", &longer), "helper");
        // The one in the debug information is this function; another that was folded into it is not.
        assert_eq!(chosen("helper", &[("_Z5otheri", true)]), "helper");
    }

    /// Each `S_` doubles what is before it.
    #[test]
    fn a_name_that_would_fill_the_memory_is_cut() {
        let mut bomb = String::from("_Z1f1AI");
        for _ in 0..40 {
            bomb = format!("{bomb}1BI");
        }
        bomb += "i";
        bomb += &"E".repeat(41);
        bomb += &"S_S0_S1_S2_S3_S4_S5_S6_S7_S8_S9_".repeat(200);
        let name = demangled(&bomb);
        assert!(name.len() <= MAX_NAME + '…'.len_utf8(), "{}", name.len());
        let long = demangled(&"é".repeat(MAX_NAME));
        assert_eq!(long.len(), MAX_NAME + '…'.len_utf8());
        assert!(long.ends_with('…'));
    }
}
