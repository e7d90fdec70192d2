//! The renderers: pages and records as bytes. They know looks, and nothing of traces' meaning.

pub(crate) mod csv;
pub(crate) mod json;
pub(crate) mod text;
