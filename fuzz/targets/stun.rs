//! Feeds arbitrary bytes to `tutti_transport::fuzz::stun`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tutti_transport::fuzz::stun(std::time::Instant::now(), data));
