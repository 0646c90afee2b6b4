//! Feeds arbitrary bytes to `tutti_fuzz::room::data_packet`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tutti_fuzz::room::data_packet(data));
