//! What a name in a JIT compiler's list (`/tmp/perf-PID.map`) is made of. Such lists have no columns
//! for files and lines, so compilers write them into the name:
//!
//! ```text
//!  JS:~spawnSync node:child_process:1108:19       V8: kind, tier, function, file, line, column
//!  JS:* file:///srv/app.mjs:1:1                   the same of a function without a name
//!  py::Pool.start.<locals>.run:/srv/app.py        Python: function, file
//!  LMain;::run()V                                 Java: a function alone, as many others
//! ```
//!
//! The tiers of V8 say how far it has compiled (`~ ^ + *`, with `'` behind them of one context's own
//! code): they change while a program runs.

/// The parts of a name; one after the other they are the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct JitName<'a> {
    /// Of what kind it is, as `JS:`; empty where that is not told.
    pub(crate) kind: &'a [u8],
    pub(crate) tier: &'a [u8],
    pub(crate) function: &'a [u8],
    /// One byte, where a file follows.
    pub(crate) separator: &'a [u8],
    pub(crate) file: &'a [u8],
    /// `:LINE:COLUMN`, or `:LINE`.
    pub(crate) position: &'a [u8],
}

impl<'a> JitName<'a> {
    pub(crate) fn parse(name: &'a [u8]) -> Self {
        let (rest, position) = name.split_at(without_number(without_number(name)).len());
        let (kind, tier, rest) = kind(rest);
        let separates = |at: &usize| match (kind, tier) {
            (b"py::", _) => rest[*at] == b':',
            (_, b"") => b" :@(".contains(&rest[*at]) && is_path(&rest[at + 1..]),
            // What reads or writes a property has a blank in its name.
            _ if rest.starts_with(b"get ") || rest.starts_with(b"set ") => {
                rest[*at] == b' ' && *at != 3
            }
            _ => rest[*at] == b' ',
        };
        let separator = (0..rest.len()).find(separates);
        let (function, file) = rest.split_at(separator.unwrap_or(rest.len()));
        let (separator, file) = file.split_at(usize::from(separator.is_some()));
        JitName {
            kind,
            tier,
            function,
            separator,
            file,
            position,
        }
    }

    /// Whether its file is one of Node's own, which are on no disk: `node:internal/timers`.
    pub(crate) fn is_of_node(&self) -> bool {
        let plain =
            |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_/-".contains(byte);
        let module = self.file.strip_prefix(b"node:");
        module.is_some_and(|module| module.iter().all(plain))
    }
}

/// Whether it begins as the path of a file from the root, or as an address of the web's kind.
fn is_path(text: &[u8]) -> bool {
    let scheme = text.iter().take_while(|byte| byte.is_ascii_lowercase());
    text.starts_with(b"/") || text[scheme.count()..].starts_with(b"://")
}

/// Without a number and the colon before it.
fn without_number(text: &[u8]) -> &[u8] {
    let digits = text.iter().rev().take_while(|byte| byte.is_ascii_digit());
    let digits = digits.count();
    match text[..text.len() - digits].strip_suffix(b":") {
        Some(rest) if digits > 0 => rest,
        _ => text,
    }
}

/// The kind, the tier and what is behind them.
fn kind(text: &[u8]) -> (&[u8], &[u8], &[u8]) {
    if text.starts_with(b"py::") {
        return (&text[..4], b"", &text[4..]);
    }
    let letters = text.iter().take_while(|byte| byte.is_ascii_alphabetic());
    let letters = letters.count();
    let rest = text[letters..].strip_prefix(b":").unwrap_or_default();
    let tier = match rest {
        [b'~' | b'^' | b'+' | b'*', b'\'', ..] => 2,
        [b'~' | b'^' | b'+' | b'*', ..] => 1,
        _ => return (b"", b"", text),
    };
    let (kind, rest) = text.split_at(letters + 1);
    let (tier, rest) = rest.split_at(tier);
    (kind, tier, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        for parts in [
            [
                "JS:",
                "~",
                "spawnSync",
                " ",
                "node:child_process",
                ":1108:19",
            ],
            ["JS:", "^", "f", " ", "/my dir/x.js", ":2:21"],
            ["JS:", "+'", "get size", " ", "/x.js", ":2:21"],
            ["JS:", "*", "", " ", "file:///srv/app.mjs", ":1:1"],
            ["LazyCompile:", "*", "f", " ", "src/x.js", ":2"],
            ["JS:", "~", "f", " ", "[eval]", ":1:1"],
            ["JS:", "~", "f", "", "", ""],
            [
                "py::",
                "",
                "Pool.run.<locals>.<lambda>",
                ":",
                "dir/app.py",
                "",
            ],
            ["", "", "Script", ":", "/srv/x.js", ":1:1"],
            ["", "", "TRACE_12:", ":", "/srv/x.lua", ":34"],
            ["", "", "f", "@", "https://host/x.js", ":3"],
            ["", "", "LMain;::run()V", "", "", ""],
            ["", "", "Ljava/lang/Thread;::run()V", "", "", ""],
            ["", "", "$lists:foldl/3", "", "", ""],
            ["", "", "Builtin:LoadIC", "", "", ""],
            ["", "", "", "", "", ":1:2"],
            ["", "", ":", "", "", ""],
            ["", "", "", "", "", ""],
        ] {
            let [kind, tier, function, separator, file, position] = parts.map(str::as_bytes);
            let expected = JitName {
                kind,
                tier,
                function,
                separator,
                file,
                position,
            };
            let name = parts.concat();
            assert_eq!(JitName::parse(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn nodes_own_files_are_known() {
        for (file, own) in [
            ("node:fs", true),
            ("node:internal/child_process", true),
            ("node:v8", true),
            ("node:internal/Secret.js", false),
            ("/srv/node:fs", false),
            ("fs", false),
        ] {
            let name = format!("JS:~f {file}:1:1");
            assert_eq!(JitName::parse(name.as_bytes()).is_of_node(), own, "{name}");
        }
    }
}
