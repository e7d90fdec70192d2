//! See `tidline_fuzz::read_trace`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| tidline_fuzz::read_trace(bytes));
