//! Recordings read and compared: what `diff` and a page of `report` of two runs have in common.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use tidline::text::escape;

use crate::diff::change::Comparison;
use crate::diff::pair::pair;
use crate::diff::reduce::{Reading, reduce};
use crate::diff::roles::Book;
use crate::diff::side::Side;
use crate::diff::words::Renames;
use crate::load;
use crate::site::{Rules, Sites};
use crate::view::diff::Shown;
use crate::view::diff::about::About;

/// Reads recordings, one after the other, so that there is one at a time in memory.
pub(crate) struct Reader {
    pub(crate) rules: Rules,
    pub(crate) renames: Renames,
    pub(crate) between: Option<(String, String)>,
    /// Whether single tasks are asked for.
    pub(crate) people: bool,
}

/// Recordings, compared, and what is known of each as a whole.
pub(crate) struct Compared {
    pub(crate) comparison: Comparison,
    pub(crate) book: Book,
    pub(crate) old: Vec<About>,
    pub(crate) new: About,
    /// Whether sites are compared.
    pub(crate) sites: bool,
}

impl Compared {
    /// All of it, to be shown.
    pub(crate) fn shown(&self) -> Shown<'_> {
        Shown {
            comparison: &self.comparison,
            book: &self.book,
            old: &self.old,
            new: &self.new,
            sites: self.sites,
            all: true,
            limit: 0,
            width: None,
            failed: Vec::new(),
        }
    }
}

/// Recordings, the new one last; and whether their sites are compared.
type Read = (Vec<(About, Side)>, Book, bool);

impl Reader {
    /// Compares a recording with an older one, or with the range of several.
    pub(crate) fn compared(
        &self,
        old: &[Vec<PathBuf>],
        new: &[PathBuf],
        per_second: bool,
    ) -> Result<Compared> {
        let (mut sides, book, sites) = self.all(old, new)?;
        let (about, new) = sides.pop().context("no recording is named")?;
        let (abouts, mut olds): (Vec<About>, Vec<Side>) = sides.into_iter().unzip();
        let old = match olds.len() {
            1 => olds.remove(0),
            _ => Side::band(olds),
        };
        let pairs = pair(&old, &new, &book);
        Ok(Compared {
            comparison: Comparison::new(old, new, pairs, &book, per_second),
            book,
            old: abouts,
            new: about,
            sites,
        })
    }

    fn all(&self, old: &[Vec<PathBuf>], new: &[PathBuf]) -> Result<Read> {
        let files: Vec<&[PathBuf]> = old.iter().map(Vec::as_slice).chain([new]).collect();
        let mut book = Book::default();
        let mut sides: Vec<(About, Side)> = Vec::new();
        for (index, files) in files.iter().enumerate() {
            let is_old = index < old.len();
            sides.push(self.one(files, is_old, true, &mut book)?);
        }
        let stacks = sides.iter().filter(|(about, _)| about.stacks).count();
        if stacks == 0 || stacks == sides.len() {
            return Ok((sides, book, stacks > 0));
        }
        // Some have no stacks: then nobody's are compared.
        let mut book = Book::default();
        let mut bare: Vec<(About, Side)> = Vec::new();
        for (index, (files, (about, _))) in files.iter().zip(&sides).enumerate() {
            let is_old = index < old.len();
            let (mut read, side) = self.one(files, is_old, false, &mut book)?;
            read.clone_from(about);
            bare.push((read, side));
        }
        Ok((bare, book, false))
    }

    fn one(
        &self,
        files: &[PathBuf],
        is_old: bool,
        with_sites: bool,
        book: &mut Book,
    ) -> Result<(About, Side)> {
        let trace = load::load_tasks(files)?;
        let sites = match with_sites {
            true => Sites::of(&trace, &self.rules),
            false => Sites::default(),
        };
        let file = load::shown(&files[0]);
        let mut about = About::of(&trace, &sites, file.clone());
        let none = Renames::default();
        let reading = Reading {
            sites: (!sites.is_empty()).then_some(&sites),
            renames: if is_old { &self.renames } else { &none },
            between: self.between.as_ref(),
            people: self.people,
        };
        let side = reduce(&trace, &reading, book).with_context(|| format!("--between: {file}"))?;
        if let Some(marks) = &self.between {
            about.cut(marks, &side);
        }
        Ok((about, side))
    }
}

/// The marks of `--between mark:A..mark:B`.
pub(crate) fn marks(text: &str) -> Result<(String, String)> {
    let parts = text
        .strip_prefix("mark:")
        .and_then(|rest| rest.split_once("..mark:"));
    match parts {
        Some((from, to)) if !from.is_empty() && !to.is_empty() => Ok((from.into(), to.into())),
        _ => bail!(
            "--between '{}': two marks are expected, as mark:warm..mark:done",
            escape(text.as_bytes())
        ),
    }
}

/// What is called otherwise in the new recording, of `--renames FILE`.
pub(crate) fn renames(path: Option<&Path>) -> Result<Renames> {
    let Some(path) = path else {
        return Ok(Renames::default());
    };
    let shown = load::shown(path);
    let list = std::fs::read(path).map_err(|it| anyhow!("cannot read --renames {shown}: {it}"))?;
    Renames::parse(&list).with_context(|| format!("--renames {shown}"))
}
