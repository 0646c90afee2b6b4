//! The outgoing timestamps: one clock for the subscriber, whichever stream the packets come from.
//!
//! Owns the offset from the current stream's clock to the subscriber's. At a switch the publisher's sender reports tell
//! how far the streams are apart; without them the arrival times do.

use std::time::{Duration, Instant};

use tutti_rtp::RtpTimestamp;

use crate::LayerIndex;
use crate::clock::{SourceClock, ticks};

/// Sender reports that disagree with the arrival times by more than this are not believed.
const DISAGREEMENT_MAX: Duration = Duration::from_secs(2);

/// The stream that the timestamps come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    pub layer: LayerIndex,
    /// Counts how often the publisher began the stream afresh.
    pub generation: u32,
    pub rate_hz: u32,
    pub clock: Option<SourceClock>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    origin: Origin,
    incoming: RtpTimestamp,
    outgoing: RtpTimestamp,
    arrival: Instant,
}

/// The subscriber's clock.
#[derive(Debug)]
pub(super) struct Timeline {
    offset: u32,
    last: Option<Last>,
}

impl Timeline {
    /// A clock that begins anywhere: `offset` is random (RFC 3550, section 5.1).
    pub(super) const fn new(offset: u32) -> Self {
        Self { offset, last: None }
    }

    /// What to add to the current stream's timestamps.
    pub(super) const fn offset(&self) -> u32 {
        self.offset
    }

    /// A timestamp for a packet without media: the newest one.
    pub(super) fn idle(&self) -> RtpTimestamp {
        self.last.map_or(RtpTimestamp(self.offset), |last| last.outgoing)
    }

    /// The newest timestamp of the current stream.
    pub(super) fn incoming(&self) -> Option<RtpTimestamp> {
        self.last.map(|last| last.incoming)
    }

    /// Rate of the current stream's clock, Hz.
    pub(super) fn rate_hz(&self) -> Option<u32> {
        self.last.map(|last| last.origin.rate_hz)
    }

    /// The stream of the newest picture, and when it arrived.
    pub(super) fn newest(&self) -> Option<(LayerIndex, Instant)> {
        self.last.map(|last| (last.origin.layer, last.arrival))
    }

    /// Packets come from `origin` from now on; the first is from `timestamp` and arrived at `arrival`.
    pub(super) fn switch(&mut self, origin: Origin, timestamp: RtpTimestamp, arrival: Instant) {
        let Some(last) = self.last else { return };
        if last.origin.layer == origin.layer && last.origin.generation == origin.generation {
            // The stream's own clock ran on while nothing was forwarded.
            return;
        }
        let by_arrival = i64::from(ticks(arrival.saturating_duration_since(last.arrival), origin.rate_hz));
        let by_report = self.by_report(&last, &origin, timestamp);
        let limit = i64::from(ticks(DISAGREEMENT_MAX, origin.rate_hz));
        let step = by_report.filter(|step| (step - by_arrival).abs() <= limit).unwrap_or(by_arrival);
        // A frame later in order is later in time, if only by one tick.
        let step = step.clamp(1, i64::from(i32::MAX)) as u32;
        self.offset = last.outgoing.add(step).0.wrapping_sub(timestamp.0);
    }

    fn by_report(&self, last: &Last, origin: &Origin, timestamp: RtpTimestamp) -> Option<i64> {
        if last.origin.rate_hz != origin.rate_hz {
            return None;
        }
        let before = last.origin.clock?.capture_ticks(last.incoming, origin.rate_hz);
        Some(origin.clock?.capture_ticks(timestamp, origin.rate_hz) - before)
    }

    /// Whether `timestamp` lies less than a second ahead of the newest one: that of padding may be anything.
    pub(super) fn is_plausible(&self, timestamp: RtpTimestamp) -> bool {
        self.last.is_some_and(|last| {
            u32::try_from(timestamp.distance_from(last.incoming)).is_ok_and(|step| step < last.origin.rate_hz)
        })
    }

    /// The next packet in order came, be it forwarded or not: late ones before it are older than what follows.
    pub(super) fn advance(&mut self, origin: Origin, timestamp: RtpTimestamp, arrival: Instant) {
        let outgoing = timestamp.add(self.offset);
        // Packets of one picture, and late ones, leave the reference where it is.
        if self.last.is_none_or(|last| last.origin != origin || outgoing.is_newer_than(last.outgoing)) {
            self.last = Some(Last { origin, incoming: timestamp, outgoing, arrival });
        }
    }
}
