//! Stacks of real programs, stopped in a known chain of calls, against their own symbol tables.
#![cfg(target_arch = "x86_64")]

#[path = "../../../tests/support/mod.rs"]
mod support;

mod hostile;
mod programs;
mod speed;
mod stopped;
