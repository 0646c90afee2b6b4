//! Session descriptions as typed values, read by a line walker.

mod error;

pub use error::Error;
