//! The figures for people: a plot over time, and below it what stands out.

use tidline::model::{Name, Time, Trace};

use super::buckets::columns;
use super::{Figures, NAME};
use crate::page::{Block, Fact, Lanes, Page, Style, Table, Text};
use crate::select::Selector;
use crate::time::{self, SECOND, elapsed};
use crate::view::bars::{BLOCKS, Scale};
use crate::view::sites::{Counted, rate};
use crate::view::{Losses, Options, moment, notices_of};
use crate::words::{count, counted, label, shorten, shown_name};

/// The figures as a page.
pub(crate) fn page<'a>(
    trace: &Trace,
    figures: &'a Figures,
    selector: &Selector<'_>,
    options: &Options,
) -> Page<'a> {
    let mut page = Page {
        notices: notices_of(trace, selector),
        ..Page::default()
    };
    page.blocks.push(Block::Lanes(plot(figures, options)));
    page.blocks.push(Block::Line(Text::default()));
    page.blocks
        .push(Block::Facts(facts(trace, figures, options)));
    let narrow = options.columns() < 80;
    if !figures.creators.is_empty() {
        page.blocks.push(Block::Line(Text::default()));
        let rows: Vec<_> = figures.creators.iter().collect();
        let titles = [">CREATED", "BY"];
        page.blocks
            .push(Block::Table(Table::new(&titles, rows, |creator| {
                let name = creator.name.as_deref().unwrap_or("");
                let name = match creator.tid {
                    Some(tid) => label(&Name::from(name), tidline::model::Tid(tid), NAME),
                    None => "(not known)".into(),
                };
                vec![Text::plain(count(creator.created)), Text::plain(name)]
            })));
    }
    if !figures.names.is_empty() {
        page.blocks.push(Block::Line(Text::default()));
        let rows: Vec<_> = figures.names.iter().collect();
        page.blocks
            .push(Block::Table(Table::new(&[">TASKS", "NAME"], rows, |it| {
                let name = shown_name(&Name::from(it.value.as_str()), NAME);
                vec![Text::plain(count(it.count)), Text::plain(name)]
            })));
    }
    if !figures.bursts.is_empty() {
        page.blocks.push(Block::Line(Text::default()));
        let rows: Vec<_> = figures.bursts.iter().collect();
        let titles = [">BURST AT", ">LASTED", ">CREATED", "BY"];
        page.blocks
            .push(Block::Table(Table::new(&titles, rows, move |burst| {
                let by = list(&burst.by, if narrow { 1 } else { 3 });
                vec![
                    Text::plain(elapsed(Time(burst.from_ns))),
                    Text::plain(time::duration(burst.to_ns - burst.from_ns)),
                    Text::plain(count(burst.created)),
                    Text::plain(by),
                ]
            })));
    }
    let shown = selector.shown_of(figures.tasks as usize, figures.all_tasks as usize, "task");
    page.foot.extend(shown);
    page
}

/// Creations, ends and what lived, against time.
fn plot(figures: &Figures, options: &Options) -> Lanes {
    let numbers = |of: fn(&super::Bucket) -> u64| figures.buckets.iter().map(of).collect();
    let rows: [(&str, Vec<u64>); 4] = [
        ("created", numbers(|part| part.creations)),
        ("exited", numbers(|part| part.exits)),
        ("refused", numbers(|part| part.failures)),
        ("alive", numbers(|part| part.alive)),
    ];
    let rows: Vec<_> = rows
        .into_iter()
        .filter(|(name, numbers)| *name != "refused" || numbers.iter().any(|it| *it > 0))
        .map(|(name, numbers)| {
            let most = numbers.iter().copied().max().unwrap_or(0);
            let label = match name {
                "alive" => format!("alive    max {}", count(most)),
                name => {
                    // The only part may be longer than the stretch.
                    let length = figures
                        .bucket_ns
                        .min(figures.to_ns - figures.from_ns)
                        .max(1);
                    let per_s = most as f64 * SECOND as f64 / length as f64;
                    format!("{name:<8} max {}/s", rate(per_s))
                }
            };
            (label, numbers, most)
        })
        .collect();
    let label_width = rows
        .iter()
        .map(|(label, ..)| label.len())
        .max()
        .unwrap_or(0);
    let scale = Scale {
        begin: figures.from_ns,
        end: figures.to_ns,
        columns: options
            .columns()
            .saturating_sub(label_width + 1)
            .clamp(10, 10_000),
    };
    let bar = |numbers: &[u64], most: u64| {
        let sign = |number: u64| match number {
            0 => ' ',
            number => {
                let eighths = (u128::from(number) * 8).div_ceil(u128::from(most.max(1)));
                BLOCKS[(eighths as usize).clamp(1, 8) - 1]
            }
        };
        let columns = columns(numbers, scale.columns).into_iter();
        columns.map(sign).collect::<String>()
    };
    let lanes = rows
        .iter()
        .map(|(label, numbers, most)| (Text::plain(label), Text::plain(bar(numbers, *most))));
    Lanes {
        label_width,
        axis: scale.axis(),
        lanes: lanes.collect(),
    }
}

fn facts(trace: &Trace, figures: &Figures, options: &Options) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut add = |label, value: String, style| {
        facts.push(Fact {
            label,
            value,
            style,
        });
    };
    let length = figures.to_ns.saturating_sub(figures.from_ns);
    add(
        "time",
        format!(
            "from {} for {}, in parts of {}",
            elapsed(Time(figures.from_ns)),
            time::duration(length),
            time::exact(figures.bucket_ns)
        ),
        Style::Plain,
    );
    add(
        "created",
        format!(
            "{}, {} a second: {} and {}",
            count(figures.creations),
            rate(figures.creations_per_s),
            counted(figures.threads_created, "thread"),
            counted(figures.processes_created, "process"),
        ),
        Style::Plain,
    );
    add(
        "exited",
        format!(
            "{}, {} a second",
            count(figures.exits),
            rate(figures.exits_per_s)
        ),
        Style::Plain,
    );
    add(
        "alive",
        format!(
            "{} at most, at {}; {} at the end",
            count(figures.peak_alive),
            moment(Time(figures.peak_ns), options),
            count(figures.alive_at_end)
        ),
        Style::Plain,
    );
    let life = &figures.life;
    let long = |ns: Option<u64>| ns.map_or("-".into(), time::duration);
    add(
        "lives",
        match life.count {
            0 => "none was seen from birth to end".into(),
            number => format!(
                "p50 {}, p90 {}, p99 {}, max {}, of {} that ended",
                long(life.p50_ns),
                long(life.p90_ns),
                long(life.p99_ns),
                long(life.max_ns),
                count(number)
            ),
        },
        Style::Plain,
    );
    add("execs", count(figures.execs), Style::Plain);
    if figures.failures > 0 {
        add(
            "refused",
            format!(
                "{}: {}; at {}",
                counted(figures.failures, "creation"),
                list(&figures.errors, 3),
                list(&figures.failed_sites, 3)
            ),
            Style::Bad,
        );
    }
    if !figures.signals.is_empty() {
        add("killed", list(&figures.signals, 5), Style::Bad);
    }
    let (gaps, lost) = (figures.gaps, figures.lost);
    let (losses, style) = Losses { gaps, lost }.in_words(trace);
    add("losses", losses, style);
    if !figures.recorder.is_empty() {
        let cost = figures.recorder.iter().map(|(name, value)| {
            let name = tidline::text::escape(name.as_bytes()).replace('_', " ");
            match name.strip_suffix(" ns") {
                Some(name) => format!("{name} {}", time::duration(*value)),
                None => format!("{name} {}", count(*value)),
            }
        });
        let cost = cost.collect::<Vec<_>>().join(", ");
        add("recorder", cost, Style::Plain);
    }
    facts
}

/// `EAGAIN x 3, ENOMEM`, and how many more kinds there are.
fn list(counted: &[Counted], most: usize) -> String {
    let words = counted.iter().take(most).map(|it| {
        let value = tidline::text::escape(it.value.as_bytes());
        format!("{} x {}", shorten(&value, 60), count(it.count))
    });
    let mut words: Vec<String> = words.collect();
    if counted.len() > most {
        words.push("…".into());
    }
    words.join(", ")
}
