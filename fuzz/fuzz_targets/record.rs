//! See `tidline_fuzz::record`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidline_fuzz::record(bytes));
