//! Tracks through the crate from end to end, on a virtual clock: one module for each behaviour.

mod access_units;
mod audio;
mod forwarding;
mod random;
mod replay;
mod reports;
mod simulcast;
mod support;
mod svc;
