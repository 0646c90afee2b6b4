//! Feeds arbitrary bytes to `tutti_fuzz::negotiation::negotiation`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tutti_fuzz::negotiation::negotiation(data));
