//! Feeds arbitrary bytes to `tutti_fuzz::signal::signal`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tutti_fuzz::signal::signal(data));
