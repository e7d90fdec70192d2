//! Where events come from. One source today: ptrace.

pub(crate) mod ptrace;
