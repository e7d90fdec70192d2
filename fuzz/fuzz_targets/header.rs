//! See `tidline_fuzz::header`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidline_fuzz::header(bytes));
