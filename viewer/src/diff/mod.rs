//! Two recordings of a program, compared: class by class, and never by TIDs.
//!
//! Each recording is [reduced](reduce) to classes of tasks, which are [roles] in the program and a name,
//! in [words] that mean the same in both. Classes are [paired](pair), and of each pair it is
//! [judged](change) what differs, and whether that says anything.

mod alive;
pub(crate) mod change;
pub(crate) mod fail;
pub(crate) mod near;
pub(crate) mod pair;
pub(crate) mod people;
pub(crate) mod reduce;
pub(crate) mod roles;
pub(crate) mod side;
pub(crate) mod words;
