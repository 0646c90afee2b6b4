//! Tracks through the crate from end to end, on a virtual clock: one module for each behaviour.

mod forwarding;
mod simulcast;
mod support;
mod svc;
