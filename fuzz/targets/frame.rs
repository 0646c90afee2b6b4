//! Feeds arbitrary bytes to `tutti_gateway::fuzz::frame`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tutti_gateway::fuzz::frame(data));
