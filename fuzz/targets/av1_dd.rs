//! Feeds arbitrary bytes to `tutti_fuzz::rtp::av1_dd`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tutti_fuzz::rtp::av1_dd(data));
