//! The wire formats, seen from outside: one file for each, tables and packets from real senders first.

mod av1;
mod bits;
mod dependency;
mod describe;
mod extensions;
mod feedback;
mod h26x;
mod header;
mod number;
mod packet;
mod promised;
mod red;
mod replay;
mod reports;
mod samples;
mod twcc;
mod vp8;
mod vp9;

use proptest::test_runner::{Config, RngSeed};

/// How property tests run: the same cases every time.
fn cases() -> Config {
    Config { rng_seed: RngSeed::Fixed(8285), failure_persistence: None, ..Config::default() }
}
