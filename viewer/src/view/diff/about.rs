//! How far two recordings can be compared: what a reader must know before any difference.

use serde::Serialize;
use tidline::model::{Ending, Trace};
use tidline::text;

use super::super::{Losses, losses};
use crate::diff::reduce::main_modules;
use crate::diff::side::Side;
use crate::page::{Column, Table, Text};
use crate::site::{Sites, module_label};
use crate::time;
use crate::words::{command_line, count, counted, shorten};

/// Lengths this many times apart are said.
const TIMES: u64 = 2;

/// What is known of a recording as a whole.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct About {
    pub(crate) file: String,
    pub(crate) command: String,
    pub(crate) launched: bool,
    /// Of what is compared, and so is `tasks`.
    pub(crate) length_ns: u64,
    /// The marks between which it is compared, where that is not all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) between: Option<String>,
    pub(crate) backend: String,
    pub(crate) stacks: bool,
    pub(crate) gaps: u64,
    pub(crate) lost: u64,
    pub(crate) damaged: usize,
    pub(crate) cut_short: bool,
    pub(crate) tasks: usize,
    /// Modules of the program's own places, with their build-ids.
    pub(crate) modules: Vec<(String, String)>,
}

impl About {
    pub(crate) fn of(trace: &Trace, sites: &Sites, file: String) -> About {
        let header = trace.header();
        let Losses { gaps, lost } = losses(trace);
        let hex = |bytes: &[u8]| -> String { bytes.iter().map(|it| format!("{it:02x}")).collect() };
        let modules = main_modules(trace, sites);
        let modules = modules
            .iter()
            .map(|(path, build)| (module_label(path), hex(build)));
        let command = header
            .targets
            .first()
            .map(|target| command_line(&target.command));
        About {
            file,
            command: command.unwrap_or_default(),
            launched: header.launched,
            length_ns: trace.end().0.saturating_sub(trace.begin().0),
            between: None,
            backend: text::escape(header.backend.as_bytes()).into_owned(),
            stacks: !sites.is_empty(),
            gaps,
            lost,
            damaged: trace.integrity().damage.len(),
            cut_short: trace.integrity().ending == Ending::CutShort,
            tasks: trace.tasks().len(),
            modules: modules.collect(),
        }
    }

    /// Only what is between two marks is compared.
    pub(crate) fn cut(&mut self, (from, to): &(String, String), side: &Side) {
        let marks = format!("mark:{from}..mark:{to}");
        self.between = Some(text::escape(marks.as_bytes()).into_owned());
        self.length_ns = side.length;
        self.tasks = side.tasks;
    }

    fn how(&self) -> &'static str {
        match self.launched {
            true => "launched",
            false => "attached",
        }
    }

    /// What is missing from it, in words.
    fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        if self.lost > 0 {
            missing.push(format!("{} lost", counted(self.lost, "event")));
        }
        if self.gaps > 0 {
            missing.push(counted(self.gaps, "gap"));
        }
        if self.damaged > 0 {
            missing.push(format!(
                "{} damaged or missing",
                counted(self.damaged as u64, "part")
            ));
        }
        if self.cut_short {
            missing.push("cut short".into());
        }
        missing
    }

    pub(crate) fn summary(&self) -> String {
        format!(
            "{}, {}{}, {}, stacks {}, {}",
            self.how(),
            time::duration(self.length_ns),
            self.between.as_ref().map_or("", |_| " (--between)"),
            if self.backend.is_empty() {
                "?"
            } else {
                &self.backend
            },
            if self.stacks { "on" } else { "off" },
            counted(self.tasks as u64, "task")
        )
    }

    pub(crate) fn builds(&self) -> String {
        let shown = self
            .modules
            .iter()
            .map(|(name, build)| match build.is_empty() {
                true => format!("{} (no build-id)", shorten(name, 24)),
                false => format!("{} {}", shorten(name, 24), &build[..build.len().min(12)]),
            });
        let shown: Vec<String> = shown.collect();
        shown.join(", ")
    }
}

/// The recordings side by side.
pub(crate) fn table<'a>(old: &[About], new: &About) -> Table<'a> {
    let first = old.first().cloned().unwrap_or_default();
    let of_old = |one: &dyn Fn(&About) -> String| match old.len() {
        1 => one(&first),
        several => format!("{} runs, the first: {}", count(several as u64), one(&first)),
    };
    let file = |about: &About| shorten(&about.file, 60).into_owned();
    let command = |about: &About| shorten(&about.command, 60).into_owned();
    let rows: Vec<[String; 3]> = vec![
        ["OLD".into(), of_old(&file), first.summary()],
        ["".into(), command(&first), first.builds()],
        ["NEW".into(), file(new), new.summary()],
        ["".into(), command(new), new.builds()],
    ];
    Table {
        columns: ["", "RECORDING", "HOW"].map(Column::left).to_vec(),
        spare: &[],
        rows: rows.len(),
        row: Box::new(move |index| {
            let cells = rows[index].iter().cloned().map(Text::plain);
            cells.collect()
        }),
    }
}

/// What makes them less comparable.
pub(crate) fn notices(old: &[About], new: &About, per_second: bool, sites: bool) -> Vec<String> {
    let marks = new.between.as_ref();
    let marks =
        marks.map(|it| format!("only what is between two marks is compared: --between {it}"));
    let mut notices: Vec<String> = marks.into_iter().collect();
    for (which, about) in old.iter().map(|it| ("OLD", it)).chain([("NEW", new)]) {
        let missing = about.missing();
        if !missing.is_empty() {
            notices.push(format!(
                "{which} ({}) is not all there: {}; what seems gone or new may be a hole",
                shorten(&about.file, 40),
                missing.join(", ")
            ));
        }
    }
    let differs = |what: &dyn Fn(&About) -> String| old.iter().find(|it| what(it) != what(new));
    let mut tell = |what: &dyn Fn(&About) -> String, words: &dyn Fn(&str, &str) -> String| {
        if let Some(other) = differs(what) {
            notices.push(words(&what(other), &what(new)));
        }
    };
    tell(&|it| it.how().into(), &|a, b| {
        format!(
            "OLD was {a}, NEW {b}: tasks that were there before an attach were not created, and have no \
             place in the code"
        )
    });
    tell(&|it| it.backend.clone(), &|a, b| {
        format!("OLD was recorded by {a}, NEW by {b}: docs/backends.md has what each can see")
    });
    if !sites && (new.stacks || old.iter().any(|it| it.stacks)) {
        notices.push(
            "only one of them has stacks: classes are compared by names and lineage alone".into(),
        );
    }
    let least = old
        .iter()
        .map(|it| it.length_ns)
        .min()
        .unwrap_or(0)
        .min(new.length_ns);
    let most = old
        .iter()
        .map(|it| it.length_ns)
        .max()
        .unwrap_or(0)
        .max(new.length_ns);
    if most / TIMES > least && !per_second {
        notices.push(format!(
            "they are of different lengths ({} and {}): more were created in the longer one; \
             --per-second compares rates",
            time::duration(least),
            time::duration(most)
        ));
    }
    for (name, build) in &new.modules {
        let other = old.iter().flat_map(|it| &it.modules);
        let mut other = other.filter(|(known, id)| known == name && id != build);
        if let Some((_, id)) = other.next() {
            let shown = |id: &str| match id.is_empty() {
                true => "no build-id".into(),
                false => id[..id.len().min(12)].to_string(),
            };
            notices.push(format!(
                "{} is another build: {}, then {}",
                shorten(name, 40),
                shown(id),
                shown(build)
            ));
        }
    }
    notices
}
