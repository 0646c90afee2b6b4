//! Feeds arbitrary bytes to `tutti_transport::fuzz::tcp_frame`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tutti_transport::fuzz::tcp_frame(data));
