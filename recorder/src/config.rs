//! Options from a file: `--config FILE`.
//!
//! The file is TOML, its keys are the long options' names. It is turned into arguments that stand
//! before those of the command line, so that there is one definition of what an option may be. An
//! option that the command line gives is not taken from the file, and if the command line names
//! targets, none of the file's are.

use std::ffi::OsString;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};
use toml::de::{DeTable, DeValue};

use crate::cli::Cli;
use crate::pipeline::shown;

/// The file is read whole; more than this is no configuration, bytes.
const MAX_LEN: u64 = 1 << 20;

/// Options that say what is recorded, by their ids.
const TARGETS: [&str; 5] = ["pids", "names", "all", "cgroup", "command"];
/// Options that a file cannot give.
const NOT_IN_A_FILE: [&str; 3] = ["config", "help", "version"];

/// What was typed, with what the file says. Wrong usage ends the program, as clap does it.
///
/// # Errors
/// If the file cannot be read, or says what no option is.
pub(crate) fn parse(typed: impl IntoIterator<Item = OsString>) -> Result<Cli> {
    let typed: Vec<OsString> = typed.into_iter().collect();
    // Its targets may be in the file. For all else that is wrong the whole rules have the words.
    let Ok(alone) = without_rules().try_get_matches_from(&typed) else {
        return Ok(Cli::parse_from_or_exit(&typed));
    };
    let Some(path) = alone.get_one::<std::path::PathBuf>("config") else {
        return Ok(Cli::parse_from_or_exit(&typed));
    };
    let from_file = arguments(path, &alone)?;
    let mut all: Vec<OsString> = typed.first().cloned().into_iter().collect();
    all.extend(from_file);
    all.extend(typed.into_iter().skip(1));
    Ok(Cli::parse_from_or_exit(&all))
}

impl Cli {
    fn parse_from_or_exit(words: &[OsString]) -> Cli {
        let matches = Cli::command().get_matches_from(words);
        Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// The options' definitions, without the rules about which go together.
fn without_rules() -> Command {
    Cli::command()
        .mut_group("target", |group| group.required(false))
        .mut_arg("wait", |_| {
            Arg::new("wait").long("wait").action(ArgAction::SetTrue)
        })
}

/// The file's options as arguments, without those that the command line gives.
fn arguments(path: &Path, typed: &ArgMatches) -> Result<Vec<OsString>> {
    let name = shown(path);
    let text = read(path).with_context(|| format!("cannot read {name}"))?;
    let given = |id: &str| typed.value_source(id) == Some(ValueSource::CommandLine);
    let targets_given = TARGETS.iter().any(|id| given(id));
    let has_no_use = |id: &str| match id {
        "wait" => targets_given && !given("names"),
        "tree" => given("command"),
        id => targets_given && TARGETS.contains(&id),
    };
    let mut all = Vec::new();
    for option in options(&name, &text)? {
        if !given(&option.id) && !has_no_use(&option.id) {
            all.extend(option.words.into_iter().map(OsString::from));
        }
    }
    Ok(all)
}

fn read(path: &Path) -> Result<String> {
    use std::io::Read;
    let mut text = Vec::new();
    std::fs::File::open(path)?
        .take(MAX_LEN + 1)
        .read_to_end(&mut text)?;
    if text.len() as u64 > MAX_LEN {
        bail!("it is larger than {MAX_LEN} bytes");
    }
    String::from_utf8(text).context("it is no UTF-8 text")
}

/// An option of the file.
#[derive(Debug, PartialEq, Eq)]
struct FromFile {
    id: String,
    /// As it would be typed.
    words: Vec<String>,
}

/// Reads a file's text; `name` is for messages.
fn options(name: &str, text: &str) -> Result<Vec<FromFile>> {
    let at = |span: Range<usize>| {
        let before = text.get(..span.start).unwrap_or(text);
        format!("{name}:{}", before.matches('\n').count() + 1)
    };
    let table = match DeTable::parse(text) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            let place = at(error.span().unwrap_or_default());
            bail!("{place}: {}", error.message().trim().replace('\n', "; "));
        }
    };
    let command = without_rules();
    let mut all = Vec::new();
    for (key, value) in &table {
        let place = at(key.span());
        let key = key.get_ref().as_ref();
        let Some(arg) = known(&command).find(|arg| arg.get_long() == Some(key)) else {
            let names: Vec<&str> = known(&command).filter_map(Arg::get_long).collect();
            bail!(
                "{place}: there is no option {}; known are {}",
                tidline::text::escape(key.as_bytes()),
                names.join(", ")
            );
        };
        let words = words(arg, key, value.get_ref()).with_context(|| place.clone())?;
        check(&command, &words).with_context(|| place.clone())?;
        all.push((
            value.span().start,
            FromFile {
                id: arg.get_id().to_string(),
                words,
            },
        ));
    }
    // In the order of the file: the table's is that of the alphabet.
    all.sort_by_key(|(place, _)| *place);
    Ok(all.into_iter().map(|(_, option)| option).collect())
}

/// The options that a file may give.
fn known(command: &Command) -> impl Iterator<Item = &Arg> {
    command
        .get_arguments()
        .filter(|arg| arg.get_long().is_some() && !NOT_IN_A_FILE.contains(&arg.get_id().as_str()))
}

/// One option as it would be typed.
fn words(arg: &Arg, key: &str, value: &DeValue<'_>) -> Result<Vec<String>> {
    let typed = |value: &DeValue<'_>| match value {
        DeValue::String(text) => Some(format!("--{key}={text}")),
        DeValue::Integer(number) => Some(format!("--{key}={number}")),
        _ => None,
    };
    let found = kind(value);
    match (arg.get_action(), value) {
        (ArgAction::SetTrue, DeValue::Boolean(true)) => Ok(vec![format!("--{key}")]),
        (ArgAction::SetTrue, DeValue::Boolean(false)) => Ok(Vec::new()),
        (ArgAction::SetTrue, _) => bail!("{key} is true or false, not {found}"),
        (ArgAction::Append, DeValue::Array(values)) => values
            .iter()
            .map(|value| {
                let found = kind(value.get_ref());
                typed(value.get_ref())
                    .with_context(|| format!("{key} holds strings or numbers, not {found}"))
            })
            .collect(),
        (ArgAction::Append, value) => typed(value).map(|word| vec![word]).with_context(|| {
            format!("{key} is a string or a number, or several in [ ], not {found}")
        }),
        (_, value) => typed(value)
            .map(|word| vec![word])
            .with_context(|| format!("{key} is a string or a number, not {found}")),
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a time of day",
        DeValue::Array(_) => "several values",
        DeValue::Table(_) => "a table",
    }
}

/// Has clap judge one option, in its own words.
fn check(command: &Command, words: &[String]) -> Result<()> {
    for word in words {
        let alone = command.clone().try_get_matches_from(["tidrec", word]);
        if let Err(error) = alone {
            let words = error.to_string();
            let first = words.lines().next().unwrap_or_default();
            bail!("{}", first.trim_start_matches("error: "));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let options = options("f", text).unwrap();
        options
            .into_iter()
            .flat_map(|option| option.words)
            .collect()
    }

    fn error(text: &str) -> String {
        format!("{:#}", options("f.toml", text).unwrap_err())
    }

    #[test]
    fn keys_are_long_options() {
        let text = "output = \"a b\"\nforce = true\nquiet = false\npid = [1, 2]\nduration = 30\n\
                    exclude = \"a*\"\nfollow-fork = \"parent\"\n";
        let words = [
            "--output=a b",
            "--force",
            "--pid=1",
            "--pid=2",
            "--duration=30",
            "--exclude=a*",
            "--follow-fork=parent",
        ];
        assert_eq!(read(text), words);
        assert!(read("# nothing\n").is_empty());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let unknown = error("\nforce = true\nforse = true\n");
        assert!(
            unknown.starts_with(
                "f.toml:3: there is no option forse; known are output, force, pid, name, "
            ),
            "{unknown}"
        );
        assert!(
            !unknown.contains("config") && !unknown.contains("help"),
            "{unknown}"
        );
        for (text, wrong) in [
            (
                "force = 1",
                "f.toml:1: force is true or false, not a number",
            ),
            (
                "\npid = 1.5",
                "f.toml:2: pid is a string or a number, or several in [ ], not a number with a fraction",
            ),
            (
                "output = [\"a\"]",
                "f.toml:1: output is a string or a number, not several values",
            ),
            (
                "exclude = [true]",
                "f.toml:1: exclude holds strings or numbers, not true or false",
            ),
            (
                "[command]\nx = 1",
                "f.toml:1: there is no option command; known are",
            ),
            (
                "[output]\nx = 1",
                "f.toml:1: output is a string or a number, not a table",
            ),
            (
                "duration = \"5 parsecs\"",
                "f.toml:1: invalid value '5 parsecs' for '--duration <TIME>': \"5 parsecs\" is no time",
            ),
            (
                "follow-fork = \"uncle\"",
                "f.toml:1: invalid value 'uncle' for '--follow-fork <SIDE>'",
            ),
            ("pid = 0", "f.toml:1: invalid value '0' for '--pid <PID>'"),
            (
                "name = \"(\"",
                "f.toml:1: invalid value '(' for '--name <REGEX>'",
            ),
            ("force = true\nforce = true", "f.toml:2: duplicate key"),
            ("force", "f.toml:1: "),
        ] {
            let said = error(text);
            assert!(said.starts_with(wrong), "{text:?}: {said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }

    #[test]
    fn the_command_line_comes_first() {
        let dir = std::env::temp_dir().join(format!("tidline-config-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = dir.join("c.toml");
        let text = "pid = [1]\nname = \"x\"\nwait = true\ntree = true\nexclude = [\"a\", \"b\"]\n\
                    duration = \"5s\"\nno-args = true\n";
        std::fs::write(&file, text).unwrap();
        let parse = |line: &str| {
            let words = line.split_whitespace().map(OsString::from);
            let config = OsString::from(format!("--config={}", file.display()));
            super::parse([OsString::from("tidrec"), config].into_iter().chain(words)).unwrap()
        };
        let globs = |cli: &Cli| {
            cli.exclude
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        let all = parse("");
        assert_eq!((all.pids.clone(), all.names.len()), (vec![1], 1));
        assert!(all.wait && all.tree && all.no_args);
        assert_eq!(globs(&all), ["a", "b"]);
        let some = parse("-p 7 --exclude c --duration 1s");
        assert_eq!((some.pids.clone(), some.names.len()), (vec![7], 0));
        assert_eq!(globs(&some), ["c"]);
        assert_eq!(some.duration, Some(std::time::Duration::from_secs(1)));
        let launched = parse("-- true --exclude z");
        assert_eq!(launched.command, ["true", "--exclude", "z"]);
        assert!(launched.pids.is_empty() && launched.names.is_empty());
        assert!(!launched.wait && !launched.tree && launched.no_args);
        std::fs::remove_dir_all(&dir).unwrap();
    }

    /// Every option stands in the example, commented out, and is right when it no longer is.
    #[test]
    fn the_example_has_every_option() {
        let example = include_str!("../../docs/tidrec.toml");
        assert!(read(example).is_empty(), "all of it is commented out");
        let is_option =
            |line: &&str| line.starts_with('#') && line.contains(" = ") && !line.starts_with("# ");
        let lines: Vec<&str> = example
            .lines()
            .filter(is_option)
            .map(|line| &line[1..])
            .collect();
        let mut found: Vec<String> = Vec::new();
        for line in &lines {
            found.push(options("example", line).unwrap()[0].id.clone());
        }
        found.sort();
        let command = without_rules();
        let mut all: Vec<String> = known(&command)
            .map(|arg| arg.get_id().to_string())
            .collect();
        all.sort();
        assert_eq!(found, all);
        assert_eq!(
            options("example", &lines.join("\n")).unwrap().len(),
            all.len()
        );
    }
}
