//! The room's time, and the versions that are made of it.

use std::time::Instant;

use livekit_protocol as proto;

/// Counts on from the room's start, so that it never jumps when the machine's clock is set.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    start_unix_ms: i64,
    /// Raised with every change of the room or a track: versions of one microsecond differ.
    ticks: i32,
}

impl Clock {
    /// `start` is `unix_ms` milliseconds after the Unix epoch.
    pub(crate) fn new(start: Instant, unix_ms: i64) -> Self {
        Self { start, start_unix_ms: unix_ms, ticks: 0 }
    }

    /// When the room began, milliseconds since the Unix epoch.
    pub(crate) fn start_unix_ms(&self) -> i64 {
        self.start_unix_ms
    }

    /// Milliseconds since the Unix epoch.
    pub(crate) fn unix_ms(&self, now: Instant) -> i64 {
        let since = now.saturating_duration_since(self.start).as_millis();
        self.start_unix_ms.saturating_add(i64::try_from(since).unwrap_or(i64::MAX))
    }

    /// The room changed.
    pub(crate) fn tick(&mut self) {
        self.ticks = self.ticks.wrapping_add(1);
    }

    /// A version above all earlier ones.
    pub(crate) fn next_version(&mut self, now: Instant) -> proto::TimedVersion {
        self.tick();
        proto::TimedVersion { unix_micro: self.unix_ms(now).saturating_mul(1000), ticks: self.ticks }
    }

    /// The version of the room itself.
    pub(crate) fn room_version(&self) -> proto::TimedVersion {
        proto::TimedVersion { unix_micro: self.start_unix_ms.saturating_mul(1000), ticks: self.ticks }
    }
}
