//! What a sender report says: which moment of a stream's clock is which moment of the publisher's wall clock.
//!
//! The layers of one simulcast track have unrelated timestamps, and so have a participant's audio and video; their
//! sender reports put them on one clock (RFC 3550, section 6.4.1). Reads no clock itself.

use std::time::{Duration, Instant};

use tutti_rtp::{NtpTime, RtpTimestamp};

/// A pair of times that belong together, from a sender report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceClock {
    /// The publisher's wall clock.
    pub ntp: NtpTime,
    /// The stream's clock at that moment.
    pub rtp: RtpTimestamp,
    /// When the report arrived.
    pub at: Instant,
}

impl SourceClock {
    /// The stream's clock and the publisher's wall clock at `now`, as far as can be told from here.
    pub fn at(&self, now: Instant, rate_hz: u32) -> (NtpTime, RtpTimestamp) {
        let elapsed = now.saturating_duration_since(self.at);
        (self.ntp + elapsed, self.rtp.add(ticks(elapsed, rate_hz)))
    }

    /// When a packet with `timestamp` was captured, in ticks of 1/`rate_hz` s of the publisher's wall clock.
    /// Differences of this value between streams of one publisher are differences in time.
    pub fn capture_ticks(&self, timestamp: RtpTimestamp, rate_hz: u32) -> i64 {
        let base = (u128::from(self.ntp.0) * u128::from(rate_hz)) >> 32;
        base as i64 + i64::from(timestamp.distance_from(self.rtp))
    }
}

/// `span` in ticks of a clock of `rate_hz`, rounded down, modulo 2^32.
pub(crate) fn ticks(span: Duration, rate_hz: u32) -> u32 {
    (span.as_nanos() * u128::from(rate_hz) / 1_000_000_000) as u32
}

/// `count` ticks of a clock of `rate_hz` as a time.
pub(crate) fn span(count: u32, rate_hz: u32) -> Duration {
    Duration::from_nanos(u64::from(count) * 1_000_000_000 / u64::from(rate_hz.max(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_of_one_publisher_meet_on_its_wall_clock() {
        let at = Instant::now();
        let ntp = NtpTime::from_unix(Duration::from_secs(1_700_000_000));
        let low = SourceClock { ntp, rtp: RtpTimestamp(1_000), at };
        let high = SourceClock { ntp: ntp + Duration::from_secs(2), rtp: RtpTimestamp(u32::MAX - 10), at };
        // (timestamp of the low layer, timestamp of the high layer, ticks between them)
        let cases = [
            (1_000 + 180_000, u32::MAX - 10, 0),
            (1_000, u32::MAX - 10, 180_000),
            (1_000 + 180_000, 89, 100),
            (1_000 + 270_000, u32::MAX - 10, -90_000),
        ];
        for (low_timestamp, high_timestamp, expected) in cases {
            let low = low.capture_ticks(RtpTimestamp(low_timestamp), 90_000);
            let high = high.capture_ticks(RtpTimestamp(high_timestamp), 90_000);
            assert_eq!(high - low, expected, "{low_timestamp} {high_timestamp}");
        }
    }

    #[test]
    fn a_clock_runs_on_from_its_report() {
        let at = Instant::now();
        let ntp = NtpTime::from_unix(Duration::from_secs(1_700_000_000));
        let clock = SourceClock { ntp, rtp: RtpTimestamp(u32::MAX), at };
        let (later, timestamp) = clock.at(at + Duration::from_millis(500), 48_000);
        assert_eq!(later, ntp + Duration::from_millis(500));
        assert_eq!(timestamp, RtpTimestamp(23_999));
    }
}
