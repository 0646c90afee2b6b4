//! Feeds arbitrary bytes to `tutti_fuzz::token::token`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tutti_fuzz::token::token(data));
