//! See `tidline_fuzz::segments`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidline_fuzz::segments(bytes));
