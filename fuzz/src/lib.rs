//! What each fuzz target does with its bytes, one module for each crate under test.
//!
//! The crates' own tests replay the corpus through the same functions, so a finding stays found. What reaches for the
//! insides of a crate lies in that crate, as its module `fuzz`.

pub mod call;
pub mod forward;
pub mod input;
pub mod negotiation;
pub mod room;
pub mod rtp;
pub mod sdp;
pub mod signal;
pub mod strict;
pub mod token;

#[path = "../../crates/forward/tests/forward/support/mod.rs"]
pub mod support;
