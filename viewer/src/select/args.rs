//! What can be typed to select events and tasks: the same options for every view.

use clap::Args;

use super::KINDS;
use super::expr::Expr;

/// What is asked for; the default is everything. What each means is in docs/select.md.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Selectors")]
pub(crate) struct Selectors {
    /// From this time on; 1s+9s: from 1 s for 9 s; mark:TEXT: from the first such mark
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Up to this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Only this process: events about its tasks, and births where one is the creator
    #[arg(long, value_name = "N")]
    pub(crate) pid: Option<u32>,
    /// Only this thread: events about it, and births where it is the creator
    #[arg(long, value_name = "N")]
    pub(crate) tid: Option<u32>,
    /// Only tasks of this host, of those that were merged (*, ?, [a-z])
    #[arg(long, value_name = "GLOB")]
    pub(crate) host: Vec<String>,
    /// Only tasks whose last name matches (*, ?, [a-z]); several times: any of them
    #[arg(long, value_name = "GLOB")]
    pub(crate) name: Vec<String>,
    /// Only these kinds of event, separated by commas; of tasks, by their birth's
    #[arg(
        long,
        value_name = "KIND",
        value_delimiter = ',',
        value_parser = clap::builder::PossibleValuesParser::new(KINDS)
    )]
    pub(crate) kind: Vec<String>,
    /// Only threads, or only processes
    #[arg(long, value_name = "WHAT", value_parser = ["thread", "process"])]
    pub(crate) what: Option<String>,
    /// Only what this thread created
    #[arg(long, value_name = "TID")]
    pub(crate) parent: Option<u32>,
    /// Only this thread and all that came of it
    #[arg(long, value_name = "TID")]
    pub(crate) under: Option<u32>,
    /// Only what was created there: a function, or the site as it is shown (*, ?)
    #[arg(long, value_name = "GLOB")]
    pub(crate) site: Vec<String>,
    /// Only tasks that lived at this time
    #[arg(long, value_name = "TIME")]
    pub(crate) alive_at: Option<String>,
    /// Only tasks that lived at least so long (10s, 500ms)
    #[arg(long, value_name = "SPAN")]
    pub(crate) min_life: Option<String>,
    /// Only tasks that lived at most so long
    #[arg(long, value_name = "SPAN")]
    pub(crate) max_life: Option<String>,
    /// Only what this holds for: 'kind == clone && life > 10s'; see docs/select.md
    #[arg(long = "where", value_name = "EXPR")]
    pub(crate) wheres: Vec<String>,
}

impl Selectors {
    /// Whether tasks are asked for the events of their births.
    pub(crate) fn ask_for_births(&self) -> bool {
        let of_births = |text: &String| {
            // What is wrong with it is told later.
            Expr::parse(text).is_ok_and(|it| it.mentions("kind") || it.mentions("flags"))
        };
        !self.kind.is_empty() || self.wheres.iter().any(of_births)
    }

    /// Whether events are asked for what is known when they are read: nothing that comes later, and of
    /// their tasks' ancestors only the creator.
    pub(crate) fn ask_of_now_only(&self) -> bool {
        let now = |text: &String| Expr::parse(text).is_ok_and(|it| it.is_of_now());
        self.name.is_empty()
            && self.under.is_none()
            && self.alive_at.is_none()
            && self.min_life.is_none()
            && self.max_life.is_none()
            && self.wheres.iter().all(now)
    }

    /// Whether anything is asked of sites.
    pub(crate) fn ask_for_sites(&self) -> bool {
        let of_sites = |text: &String| Expr::parse(text).is_ok_and(|it| it.mentions("site"));
        !self.site.is_empty() || self.wheres.iter().any(of_sites)
    }

    /// Whether a time is asked for: then those alive at the end are not all that is meant.
    pub(crate) fn ask_for_times(&self) -> bool {
        self.since.is_some() || self.until.is_some() || self.alive_at.is_some()
    }

    /// Whether no more is asked for than a stretch of time, by times, and kinds that are in it.
    pub(crate) fn ask_for_a_stretch(&self) -> bool {
        let ends = || self.since.iter().chain(&self.until);
        // Why there is no refused creation is known by all events.
        let is_by_marks = ends().any(|text| is_by_mark(text));
        let is_of_failures = self.kind.iter().any(|kind| kind == "create-failed");
        let more = Selectors {
            since: None,
            until: None,
            kind: Vec::new(),
            ..self.clone()
        };
        ends().count() > 0 && !is_by_marks && !is_of_failures && more.words().is_empty()
    }

    /// Whether tasks of a moment are asked for no more than what is known of them without the others, and
    /// without what they did later, but for their ends.
    pub(crate) fn ask_of_a_moment(&self) -> bool {
        let of_moment = |text: &String| Expr::parse(text).is_ok_and(|it| it.is_of_a_moment());
        let mut times = [&self.since, &self.until, &self.alive_at]
            .into_iter()
            .flatten();
        self.name.is_empty()
            && self.kind.is_empty()
            && self.under.is_none()
            && self.wheres.iter().all(of_moment)
            && !times.any(|text| is_by_mark(text))
    }

    /// What was typed, safe to print: `--pid 200 --kind fork,exec`.
    pub(crate) fn words(&self) -> String {
        let text = |value: &Option<String>| value.iter().cloned().collect::<Vec<_>>();
        let number = |value: Option<u32>| value.iter().map(u32::to_string).collect::<Vec<_>>();
        let kinds = match self.kind.is_empty() {
            true => Vec::new(),
            false => vec![self.kind.join(",")],
        };
        let typed = [
            ("--since", text(&self.since)),
            ("--until", text(&self.until)),
            ("--pid", number(self.pid)),
            ("--tid", number(self.tid)),
            ("--host", self.host.clone()),
            ("--name", self.name.clone()),
            ("--kind", kinds),
            ("--what", text(&self.what)),
            ("--parent", number(self.parent)),
            ("--under", number(self.under)),
            ("--site", self.site.clone()),
            ("--alive-at", text(&self.alive_at)),
            ("--min-life", text(&self.min_life)),
            ("--max-life", text(&self.max_life)),
            ("--where", self.wheres.clone()),
        ];
        let each = typed.into_iter().flat_map(|(option, values)| {
            let words = move |value: String| format!("{option} {}", quoted(&value));
            values.into_iter().map(words)
        });
        each.collect::<Vec<_>>().join(" ")
    }
}

/// Whether a time is given by a mark, which must be found first.
pub(crate) fn is_by_mark(time: &str) -> bool {
    time.contains("mark:")
}

/// A value in quotes where it has blanks, cut where it is long.
fn quoted(value: &str) -> String {
    let value = tidline::text::escape(value.as_bytes());
    let value = crate::words::shorten(&value, 200);
    match value.contains(' ') {
        true => format!("'{value}'"),
        false => value.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_was_typed() {
        let selectors = Selectors {
            pid: Some(200),
            kind: vec!["fork".into(), "exec".into()],
            name: vec!["a*".into(), "b\x1b[2J".into()],
            wheres: vec!["life > 1s".into()],
            ..Selectors::default()
        };
        assert_eq!(
            selectors.words(),
            "--pid 200 --name a* --name b\\x1b[2J --kind fork,exec --where 'life > 1s'"
        );
        assert_eq!(Selectors::default().words(), "");
    }
}
