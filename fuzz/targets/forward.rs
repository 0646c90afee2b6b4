//! Feeds arbitrary bytes to `tutti_fuzz::forward::forward`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tutti_fuzz::forward::forward(data));
