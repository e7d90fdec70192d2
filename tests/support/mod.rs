//! What the end-to-end tests share: tracees, processes that do not outlive a test, facts from
//! `/proc`, and oracles that know what a recorder should have seen.
//!
//! A plain module, included with `mod support;`. It uses nothing but the standard library, so
//! that what judges the recorder shares no code with it.

#![allow(dead_code)] // Each test uses a part.
#![allow(unused_imports)]

mod child;
mod disk;
mod made;
mod perf;
mod proc;
mod program;
mod scale;
mod temp;
mod wait;

pub(crate) use child::{Child, send};
pub(crate) use disk::SmallDisk;
pub(crate) use made::{Case, Made, cases, made, made_in_order};
pub(crate) use perf::{
    CLONE_THREAD, Fork, PerfOracle, check_losses, descendants, descendants_of_existing,
    parse_script,
};
pub(crate) use proc::{comm, num_threads, thread_states, tracer_of, tracers};
pub(crate) use program::{copy_program, program, program_with, workspace, yardstick};
pub(crate) use scale::scale;
pub(crate) use temp::TempDir;
pub(crate) use wait::wait_until;

/// What a test cannot do without. Where it is missing, the test says so loudly and ends without
/// a verdict; in CI (`CI` is set) that is a failure, so that nothing is ever silently untested.
///
/// ```ignore
/// let Some(oracle) = need(PerfOracle::start(dir.path())) else { return };
/// ```
pub(crate) fn need<T>(what: Result<T, String>) -> Option<T> {
    match what {
        Ok(value) => Some(value),
        Err(why) => {
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            assert!(
                std::env::var_os("CI").is_none(),
                "{test} cannot run, and in CI it must: {why}"
            );
            eprintln!("SKIPPED: {test}: {why}");
            None
        }
    }
}

/// What only another kernel would have, such as a security module. No package brings it, so that CI
/// has to do without, too; the test says so as loudly.
pub(crate) fn need_of_kernel<T>(what: Result<T, String>) -> Option<T> {
    what.map_err(|why| {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        eprintln!("SKIPPED: {test}: {why}");
    })
    .ok()
}
