//! Feeds arbitrary bytes to `tutti_transport::fuzz::dtls`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tutti_transport::fuzz::dtls(std::time::Instant::now(), data));
