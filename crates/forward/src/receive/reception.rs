//! How well one stream arrives: what a receiver report says of it, and the same over longer windows.
//!
//! Loss as in RFC 3550, appendix A.3, jitter as in appendix A.8. Repaired packets (RFC 4588) do not count as received
//! in reports, but do in the windows.

use std::time::{Duration, Instant};

use tutti_rtp::rtcp::ReportBlock;
use tutti_rtp::{CompactNtp, ExtendedSequence, RtpTimestamp, Ssrc};

use crate::LegQuality;
use crate::clock::{span, ticks};

/// Counters of one stream since it began, and of the current windows.
#[derive(Debug, Default)]
pub(super) struct Reception {
    base: u64,
    highest: Option<u64>,
    received: u64,
    duplicates: u64,
    repaired: u64,
    bytes: u64,
    /// Interarrival jitter in ticks, times 16.
    jitter_x16: u64,
    last: Option<(Instant, RtpTimestamp)>,
    report: Window,
    quality: Window,
    sender_report: Option<(CompactNtp, Instant)>,
}

/// Values of the counters when a window began.
#[derive(Debug, Clone, Copy, Default)]
struct Window {
    expected: u64,
    received: u64,
    bytes: u64,
}

impl Reception {
    /// A packet of the stream itself arrived at `at`, padding and duplicates included.
    pub(super) fn arrived(
        &mut self,
        at: Instant,
        index: u64,
        timestamp: RtpTimestamp,
        payload_len: usize,
        rate_hz: u32,
    ) {
        if self.highest.is_none() {
            self.base = index;
        }
        self.received += 1;
        self.bytes += payload_len as u64;
        if self.highest.is_some_and(|highest| index <= highest) {
            return;
        }
        self.highest = Some(index);
        self.measure_jitter(at, timestamp, rate_hz);
    }

    /// The packet that arrived last was there already. Reports count it (RFC 3550, appendix A.3), windows do not.
    pub(super) const fn duplicated(&mut self) {
        self.duplicates += 1;
    }

    /// A retransmission brought a packet that was missing.
    pub(super) const fn repaired(&mut self, payload_len: usize) {
        self.repaired += 1;
        self.bytes += payload_len as u64;
    }

    /// A sender report arrived.
    pub(super) const fn sender_report(&mut self, now: Instant, ntp: CompactNtp) {
        self.sender_report = Some((ntp, now));
    }

    /// The stream began afresh: its numbers say nothing about the ones before.
    pub(super) fn restart(&mut self) {
        let quality = Window { bytes: self.quality.bytes, ..Window::default() };
        *self = Self { bytes: self.bytes, quality, ..Self::default() };
    }

    fn measure_jitter(&mut self, at: Instant, timestamp: RtpTimestamp, rate_hz: u32) {
        // The packets of one picture share a timestamp and are paced: only the first of each tells of the network.
        if let Some((arrival, before)) = self.last {
            if timestamp == before {
                return;
            }
            let between = ticks(at.saturating_duration_since(arrival), rate_hz);
            let difference =
                u64::from((between.wrapping_sub(timestamp.distance_from(before) as u32) as i32).unsigned_abs());
            // A jump of the clock (unmute, new source) is no jitter.
            if difference < u64::from(rate_hz) * 4 {
                self.jitter_x16 = (self.jitter_x16 + difference).saturating_sub((self.jitter_x16 + 8) >> 4);
            }
        }
        self.last = Some((at, timestamp));
    }

    fn expected(&self) -> u64 {
        self.highest.map_or(0, |highest| highest - self.base + 1)
    }

    /// Jitter in ticks.
    pub(super) const fn jitter(&self) -> u32 {
        (self.jitter_x16 >> 4) as u32
    }

    /// The report block for the time since the last one. `None` before the first packet.
    pub(super) fn report(&mut self, now: Instant, ssrc: Ssrc) -> Option<ReportBlock> {
        let highest = self.highest?;
        let expected = self.expected();
        let expected_interval = expected - self.report.expected;
        let received_interval = self.received - self.report.received;
        self.report = Window { expected, received: self.received, bytes: 0 };
        let lost_interval = expected_interval.saturating_sub(received_interval);
        let fraction_lost = (lost_interval << 8).checked_div(expected_interval).unwrap_or(0);
        let cumulative_lost = (expected as i64 - self.received as i64).clamp(-(1 << 23), (1 << 23) - 1);
        let (last_sender_report, delay) = match self.sender_report {
            Some((ntp, at)) => (ntp, CompactNtp::from_duration(now.saturating_duration_since(at))),
            None => Default::default(),
        };
        Some(ReportBlock {
            ssrc,
            fraction_lost: fraction_lost.min(255) as u8,
            cumulative_lost: cumulative_lost as i32,
            highest_sequence: cycles_and_sequence(self.base, ExtendedSequence(highest)),
            jitter: self.jitter(),
            last_sender_report,
            delay,
        })
    }

    /// How the stream fared since the last call, over a window that lasted `window`. What was repaired is not lost.
    pub(super) fn quality(&mut self, window: Duration, rate_hz: u32) -> LegQuality {
        let now = Window {
            expected: self.expected(),
            received: self.received + self.repaired - self.duplicates,
            bytes: self.bytes,
        };
        let before = std::mem::replace(&mut self.quality, now);
        let expected = now.expected - before.expected;
        LegQuality {
            window_ms: u32::try_from(window.as_millis()).unwrap_or(u32::MAX),
            packets_expected: u32::try_from(expected).unwrap_or(u32::MAX),
            packets_lost: u32::try_from(expected.saturating_sub(now.received - before.received)).unwrap_or(u32::MAX),
            bytes: now.bytes - before.bytes,
            jitter_ms: span(self.jitter(), rate_hz).as_secs_f32() * 1_000.0,
            rtt_ms: None,
        }
    }
}

/// The extended highest sequence number of a report: wraps since the first packet, then the number itself.
const fn cycles_and_sequence(base: u64, highest: ExtendedSequence) -> u32 {
    let cycles = (highest.0 >> 16) - (base >> 16);
    (cycles as u32) << 16 | highest.sequence().0 as u32
}
