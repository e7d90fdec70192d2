//! The ptrace source: seizes threads, reads what the kernel reports, lets the threads run on.
//!
//! All requests come from the one thread that seized (ptrace(2)): the thread that runs
//! [`engine::Engine`] is the tracer, and does nothing else.

pub(crate) mod attach;
mod between;
pub(crate) mod engine;
mod filter;
pub(crate) mod launch;
mod reaper;
pub(crate) mod regs;
pub(crate) mod sys;
mod syscall_info;
mod tracee;
pub(crate) mod wait;
