//! The time, twice.

use std::time::{Duration, Instant};

/// Now: on the clock that deadlines are measured with, and as others are told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Never goes back.
    pub instant: Instant,
    /// Nanoseconds since the Unix epoch.
    pub unix_ns: i64,
}

impl Moment {
    pub(crate) fn after(self, by: Duration) -> Instant {
        self.instant + by
    }
}
