//! What a tracee says it made: the `made` lines of `testdata/programs/say.h`.

/// One creation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Made {
    /// `thread` or `process`.
    pub(crate) kind: String,
    /// The TID that called.
    pub(crate) parent: u32,
    /// The new TID.
    pub(crate) child: u32,
}

impl Made {
    pub(crate) fn new(kind: &str, parent: u32, child: u32) -> Made {
        Made {
            kind: kind.to_owned(),
            parent,
            child,
        }
    }
}

/// One creation by `kinds`, which also tells how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) made: Made,
    /// Its name.
    pub(crate) name: String,
    /// The flags as passed, with the exit signal in the lowest byte.
    pub(crate) flags: u64,
}

/// The creations in a log, sorted. TIDs are used again, so one may be in it twice.
pub(crate) fn made(log: &str) -> Vec<Made> {
    let mut all = made_in_order(log);
    all.sort();
    all
}

/// The creations in a log, in its order.
pub(crate) fn made_in_order(log: &str) -> Vec<Made> {
    log.lines()
        .filter(|line| line.starts_with("made "))
        .map(|line| {
            parse(line)
                .unwrap_or_else(|| panic!("not a made line: {line:?}"))
                .0
        })
        .collect()
}

/// The creations with a case, in the order of the log.
pub(crate) fn cases(log: &str) -> Vec<Case> {
    log.lines()
        .filter_map(parse)
        .filter_map(|(made, rest)| match rest[..] {
            ["case", name, "flags", flags] => Some(Case {
                made,
                name: name.to_owned(),
                flags: u64::from_str_radix(flags.strip_prefix("0x")?, 16).ok()?,
            }),
            _ => None,
        })
        .collect()
}

fn parse(line: &str) -> Option<(Made, Vec<&str>)> {
    match line.split(' ').collect::<Vec<_>>()[..] {
        [
            "made",
            kind @ ("thread" | "process"),
            "parent",
            parent,
            "child",
            child,
            ref rest @ ..,
        ] => {
            let made = Made::new(kind, parent.parse().ok()?, child.parse().ok()?);
            Some((made, rest.to_vec()))
        }
        _ => None,
    }
}
