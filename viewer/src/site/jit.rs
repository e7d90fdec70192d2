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
    /// With what parts it from the file.
    pub(crate) function: &'a [u8],
    pub(crate) file: &'a [u8],
    /// `:LINE:COLUMN`, or `:LINE`.
    pub(crate) position: &'a [u8],
}

impl<'a> JitName<'a> {
    pub(crate) fn parse(name: &'a [u8]) -> Self {
        let (rest, position) = name.split_at(without_number(without_number(name)).len());
        let (kind, tier, rest) = kind(rest);
        let file = match (kind, tier) {
            (b"py::", _) => after(rest, |at| rest[at] == b':'),
            (_, b"") => after(rest, |at| {
                b" :@(".contains(&rest[at]) && is_path(&rest[at + 1..])
            }),
            _ => {
                // What reads a property has a blank in its name.
                let accessor = [b"get ", b"set "].iter().any(|it| rest.starts_with(*it));
                after(rest, |at| rest[at] == b' ' && !(accessor && at == 3))
            }
        };
        let (function, file) = rest.split_at(file.unwrap_or(rest.len()));
        JitName {
            kind,
            tier,
            function,
            file,
            position,
        }
    }
}

/// Where it goes on behind the first separator.
fn after(text: &[u8], separates: impl Fn(usize) -> bool) -> Option<usize> {
    (0..text.len()).find(|at| separates(*at)).map(|at| at + 1)
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
            ["JS:", "~", "spawnSync ", "node:child_process", ":1108:19"],
            ["JS:", "^", "f ", "/my dir/x.js", ":2:21"],
            ["JS:", "+'", "get size ", "/x.js", ":2:21"],
            ["JS:", "*", " ", "file:///srv/app.mjs", ":1:1"],
            ["LazyCompile:", "*", "f ", "src/x.js", ":2"],
            ["JS:", "~", "f ", "[eval]", ":1:1"],
            ["JS:", "~", "f", "", ""],
            ["py::", "", "Pool.run.<locals>.<lambda>:", "dir/app.py", ""],
            ["", "", "Script:", "/srv/x.js", ":1:1"],
            ["", "", "TRACE_12::", "/srv/x.lua", ":34"],
            ["", "", "f@", "https://host/x.js", ":3"],
            ["", "", "LMain;::run()V", "", ""],
            ["", "", "Ljava/lang/Thread;::run()V", "", ""],
            ["", "", "$lists:foldl/3", "", ""],
            ["", "", "Builtin:LoadIC", "", ""],
            ["", "", "", "", ":1:2"],
            ["", "", ":", "", ""],
            ["", "", "", "", ""],
        ] {
            let [kind, tier, function, file, position] = parts.map(str::as_bytes);
            let expected = JitName {
                kind,
                tier,
                function,
                file,
                position,
            };
            let name = parts.concat();
            assert_eq!(JitName::parse(name.as_bytes()), expected, "{name}");
        }
    }
}
