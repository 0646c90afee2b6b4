//! When to ask the publisher for a key frame of one layer: at once, then not more often than the layer bears, and again
//! until one arrives.
//!
//! A request and a key frame can both be lost, and many subscribers ask at the same time. Writes no RTCP.

use std::time::{Duration, Instant};

/// Requests without an answer before we stop asking; a new wish starts over.
pub(crate) const TRIES_MAX: u32 = 40;

/// The wish for a key frame of one layer.
#[derive(Debug)]
pub(super) struct KeyFrameRequest {
    interval: Duration,
    wanted: Option<Instant>,
    sent: Option<Instant>,
    tries: u32,
}

impl KeyFrameRequest {
    /// One that asks at most once in `interval`.
    pub(super) const fn new(interval: Duration) -> Self {
        Self { interval, wanted: None, sent: None, tries: 0 }
    }

    /// Someone cannot go on without a key frame.
    pub(super) fn want(&mut self, now: Instant) {
        self.wanted.get_or_insert(now);
        self.tries = 0;
    }

    /// A key frame arrived.
    pub(super) const fn arrived(&mut self) {
        self.wanted = None;
        self.tries = 0;
    }

    /// When to ask next.
    pub(super) fn due(&self) -> Option<Instant> {
        let wanted = self.wanted.filter(|_| self.tries < TRIES_MAX)?;
        Some(self.sent.map_or(wanted, |sent| (sent + self.interval).max(wanted)))
    }

    /// Whether to ask now; then it counts as asked.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        let due = self.due().is_some_and(|due| due <= now);
        if due {
            self.sent = Some(now);
            self.tries += 1;
        }
        due
    }
}
