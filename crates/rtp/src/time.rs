//! Wall-clock time as RTCP and the header extensions carry it. Reads no clock.

use std::ops::{Add, Sub};
use std::time::Duration;

/// Seconds from the NTP epoch (1900) to the Unix epoch (1970), RFC 868.
const UNIX_EPOCH_S: u64 = 2_208_988_800;

/// An NTP timestamp, RFC 3550, section 4: seconds since 1900 in the upper 32 bits, fraction in the lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct NtpTime(pub u64);

/// The middle 32 bits of an [`NtpTime`]: units of 1/65536 s, which wrap after 18 hours. LSR and DLSR use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct CompactNtp(pub u32);

impl NtpTime {
    /// The time `since_epoch` after the Unix epoch. Exact to a quarter nanosecond.
    pub const fn from_unix(since_epoch: Duration) -> Self {
        Self((UNIX_EPOCH_S << 32).wrapping_add(ticks(since_epoch)))
    }

    /// Time since the Unix epoch; zero for what lies before it.
    pub const fn to_unix(self) -> Duration {
        match (self.0 >> 32).checked_sub(UNIX_EPOCH_S) {
            Some(seconds) => Duration::new(seconds, nanos(self.0 & 0xFFFF_FFFF)),
            None => Duration::ZERO,
        }
    }

    /// The middle 32 bits.
    pub const fn compact(self) -> CompactNtp {
        CompactNtp((self.0 >> 16) as u32)
    }

    /// How far this time lies after `earlier`; zero if it does not.
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        let ticks = self.0.saturating_sub(earlier.0);
        Duration::new(ticks >> 32, nanos(ticks & 0xFFFF_FFFF))
    }
}

impl Add<Duration> for NtpTime {
    type Output = Self;

    fn add(self, span: Duration) -> Self {
        Self(self.0.wrapping_add(ticks(span)))
    }
}

impl Sub<Duration> for NtpTime {
    type Output = Self;

    fn sub(self, span: Duration) -> Self {
        Self(self.0.wrapping_sub(ticks(span)))
    }
}

impl CompactNtp {
    /// `span` in units of 1/65536 s, as DLSR wants it; the largest value for what does not fit.
    pub fn from_duration(span: Duration) -> Self {
        let units = span.as_secs().saturating_mul(1 << 16).saturating_add(fraction(span.subsec_nanos()) >> 16);
        Self(u32::try_from(units).unwrap_or(u32::MAX))
    }

    /// As a length of time.
    pub const fn to_duration(self) -> Duration {
        Duration::new((self.0 >> 16) as u64, nanos((self.0 as u64 & 0xFFFF) << 16))
    }

    /// The round trip that a report block tells (RFC 3550, section 6.4.1): arrival - LSR - DLSR.
    /// `None` if no sender report was received yet (LSR 0) or the report contradicts the clock.
    pub fn round_trip(arrival: Self, last_sender_report: Self, delay: Self) -> Option<Duration> {
        if last_sender_report.0 == 0 {
            return None;
        }
        let units = arrival.0.wrapping_sub(last_sender_report.0).wrapping_sub(delay.0);
        (units < 1 << 31).then(|| Self(units).to_duration())
    }
}

/// A length of time in units of 2^-32 s, modulo 2^64.
const fn ticks(span: Duration) -> u64 {
    span.as_secs() << 32 | fraction(span.subsec_nanos())
}

/// Nanoseconds below one second as a 32-bit fraction.
const fn fraction(nanos: u32) -> u64 {
    ((nanos as u64) << 32) / 1_000_000_000
}

/// A 32-bit fraction as nanoseconds, rounded to the nearest.
const fn nanos(fraction: u64) -> u32 {
    let nanos = (fraction * 1_000_000_000 + (1 << 31)) >> 32;
    if nanos > 999_999_999 { 999_999_999 } else { nanos as u32 }
}
