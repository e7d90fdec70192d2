//! The renderers: pages and records as bytes. They know looks, and nothing of traces' meaning.

pub(crate) mod ascii;
pub(crate) mod csv;
pub(crate) mod json;
mod paint;
pub(crate) mod text;
