//! Feeds arbitrary bytes to `tutti_fuzz::rtp::h265`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tutti_fuzz::rtp::h265(data));
