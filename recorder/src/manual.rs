//! What tidrec tells of itself: completions for shells, and its manual page, both made from the
//! command line's definition.

use std::io::{self, Write};

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::cli::Cli;

/// Prints what a shell reads.
pub(crate) fn completions(shell: Shell) -> Result<()> {
    print(&script(shell))
}

fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tidrec", &mut script);
    script
}

/// Prints the manual page.
pub(crate) fn man() -> Result<()> {
    print(&page().context("cannot make the manual page")?)
}

fn page() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    Man::new(Cli::command()).render(&mut page)?;
    Ok(page)
}

/// Whoever stops reading has seen enough.
fn print(bytes: &[u8]) -> Result<()> {
    match io::stdout().write_all(bytes) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write the output")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_and_man_learn_of_every_option() {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let page = text(page().unwrap()).replace("\\-", "-");
        assert!(page.contains(".TH tidrec 1"), "{page}");
        let shells = [Shell::Bash, Shell::Zsh, Shell::Fish].map(|shell| text(script(shell)));
        let command = Cli::command();
        for option in command.get_opts().filter_map(clap::Arg::get_long) {
            assert!(page.contains(&format!("--{option}")), "{option}");
            for script in &shells {
                assert!(script.contains(option), "{option}");
            }
        }
    }
}
