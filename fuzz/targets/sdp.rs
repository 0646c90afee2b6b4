//! Feeds arbitrary bytes to `tutti_fuzz::sdp::sdp`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tutti_fuzz::sdp::sdp(data));
