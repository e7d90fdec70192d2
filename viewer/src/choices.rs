//! What a recorder was told to do. A file that was merged from several recordings has what each was told.

use tidline::format::Header;

/// Between the values of several recordings.
const AND: &str = " and ";
/// The value of a recording that has no such option, where others have it.
const NOT_GIVEN: &str = "not given";

/// The values of an option: one at least. Some options can be given several times.
pub(crate) fn choices<'a>(header: &'a Header, name: &str) -> Vec<&'a str> {
    let given = header.options.iter().filter(|(known, _)| known == name);
    let values: Vec<&str> = given.flat_map(|(_, value)| value.split(AND)).collect();
    match values.is_empty() {
        true => vec![NOT_GIVEN],
        false => values,
    }
}

/// Values of several recordings as one, each once.
pub(crate) fn joined<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let mut each: Vec<&str> = Vec::new();
    for value in values.flat_map(|value| value.split(AND)) {
        if !each.contains(&value) {
            each.push(value);
        }
    }
    each.join(AND)
}

/// Whether nobody was told to do what an option is about.
pub(crate) fn is_off(header: &Header, name: &str) -> bool {
    choices(header, name).into_iter().all(is_no)
}

/// Whether a value says no more than none.
pub(crate) fn is_no(value: &str) -> bool {
    matches!(value, NOT_GIVEN | "off")
}

/// What follows of an option, if a value is such; of some of several recordings, if not all are.
pub(crate) fn limit(
    header: &Header,
    name: &str,
    is_such: impl Fn(&str) -> bool,
    words: &str,
) -> Option<String> {
    let (such, others): (Vec<&str>, Vec<&str>) = choices(header, name)
        .into_iter()
        .partition(|value| is_such(value));
    match (such.is_empty(), others.is_empty()) {
        (true, _) => None,
        (false, true) => Some(words.into()),
        (false, false) => Some(format!("in some of the recordings {words}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(failures: Option<&str>) -> Header {
        let options = failures.map(|it| ("failures".into(), it.into()));
        Header {
            options: options.into_iter().collect(),
            ..Header::default()
        }
    }

    #[test]
    fn what_follows_of_some_is_told_of_some() {
        for (value, off, told) in [
            (None, true, Some("it was not watched for")),
            (Some("off"), true, Some("it was not watched for")),
            (
                Some("off and not given"),
                true,
                Some("it was not watched for"),
            ),
            (Some("syscalls"), false, None),
            (Some("syscalls and tracepoints"), false, None),
            (
                Some("off and syscalls"),
                false,
                Some("in some of the recordings it was not watched for"),
            ),
        ] {
            let header = header(value);
            assert_eq!(is_off(&header, "failures"), off, "{value:?}");
            let limit = limit(&header, "failures", is_no, "it was not watched for");
            assert_eq!(limit.as_deref(), told, "{value:?}");
        }
    }
}
