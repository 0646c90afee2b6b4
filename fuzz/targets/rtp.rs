//! Feeds arbitrary bytes to `tutti_fuzz::rtp::rtp`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tutti_fuzz::rtp::rtp(data));
