//! What each fuzz target does with its bytes, one module for each crate under test.
//!
//! The crates' own tests replay the corpus through the same functions, so a finding stays found.

pub mod rtp;
