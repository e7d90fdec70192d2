//! What tidview tells of itself: completions for shells, and manual pages, both made from the
//! command line's definition.

use std::io::Write;

use anyhow::{Result, bail};
use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;
use tidline::text;

use crate::cli::Cli;

/// Writes what a shell reads.
pub(crate) fn completions(shell: Shell, out: &mut dyn Write) -> Result<()> {
    // It panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tidview", &mut script);
    Ok(out.write_all(&script)?)
}

/// Writes a manual page, of tidview or of one command.
pub(crate) fn man(name: Option<&str>, out: &mut dyn Write) -> Result<()> {
    let mut command = Cli::command();
    command.build();
    let Some(name) = name else {
        return Ok(Man::new(command).render(out)?);
    };
    let Some(page) = command.find_subcommand(name) else {
        let names = command.get_subcommands().map(clap::Command::get_name);
        bail!(
            "there is no command {}; there are {}",
            text::escape(name.as_bytes()),
            names.collect::<Vec<_>>().join(", ")
        );
    };
    // A page's title is what `man` is asked for.
    let title = format!("tidview-{}", page.get_name());
    Ok(Man::new(page.clone()).title(title).render(out)?)
}
