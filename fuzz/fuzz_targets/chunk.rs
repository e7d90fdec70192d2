//! See `tidline_fuzz::chunk`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidline_fuzz::chunk(bytes));
