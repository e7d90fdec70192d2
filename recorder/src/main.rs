//! tidrec: records the births and deaths of threads and processes into a trace file.

#[cfg(target_os = "linux")]
mod about;
#[cfg(target_os = "linux")]
mod ask;
#[cfg(target_os = "linux")]
mod backend;
#[cfg(target_os = "linux")]
mod budget;
#[cfg(target_os = "linux")]
mod capture;
#[cfg(target_os = "linux")]
mod cli;
#[cfg(target_os = "linux")]
mod clock;
#[cfg(target_os = "linux")]
mod config;
#[cfg(target_os = "linux")]
mod control;
#[cfg(target_os = "linux")]
mod doorbell;
#[cfg(target_os = "linux")]
mod gather;
#[cfg(target_os = "linux")]
mod keep;
#[cfg(target_os = "linux")]
mod manual;
#[cfg(target_os = "linux")]
mod notify;
#[cfg(target_os = "linux")]
mod pipeline;
#[cfg(target_os = "linux")]
mod preflight;
#[cfg(target_os = "linux")]
mod proc;
#[cfg(target_os = "linux")]
mod record;
mod say;
#[cfg(target_os = "linux")]
mod signals;
#[cfg(target_os = "linux")]
mod source;
#[cfg(target_os = "linux")]
mod stacks;
#[cfg(target_os = "linux")]
mod stats;
#[cfg(target_os = "linux")]
mod status;
#[cfg(target_os = "linux")]
mod symbols;
#[cfg(target_os = "linux")]
mod syscall;
#[cfg(target_os = "linux")]
mod targets;
#[cfg(target_os = "linux")]
mod thread;
#[cfg(target_os = "linux")]
mod tracker;
#[cfg(target_os = "linux")]
mod unwind;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    if symbols::is_child(std::env::args_os()) {
        return symbols::run_child();
    }
    match config::parse(std::env::args_os()).and_then(|cli| record::record(&cli)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            say::say(format_args!("{error:#}"));
            ExitCode::from(2)
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    say::say(format_args!(
        "recording needs Linux: it watches programs with ptrace(2). tidview shows traces here."
    ));
    ExitCode::from(2)
}
