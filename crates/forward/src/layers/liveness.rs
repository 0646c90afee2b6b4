//! Which streams of a track carry packets: a publisher stops layers that nobody wants or that its uplink cannot carry.
//!
//! A stream has ended when it is silent while another stream of its section goes on. A track that pauses as a whole (a
//! still screen) ends none of its streams.

use std::time::{Duration, Instant};

use tutti_rtp::RtpTimestamp;

/// A stream this long without packets may have ended …
const SILENCE: Duration = Duration::from_millis(500);

/// … and has, if the others went on for so many pictures.
const PICTURES_MISSED: u32 = 3;

/// How long ago one stream was heard of.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Liveness {
    heard: Option<Instant>,
    timestamp: Option<RtpTimestamp>,
    /// Pictures of other streams of the section since the last packet.
    missed: u32,
}

impl Liveness {
    /// A packet of this stream arrived. Whether it is the first of its picture.
    pub(super) fn heard(&mut self, now: Instant, timestamp: RtpTimestamp) -> bool {
        let picture = self.timestamp != Some(timestamp);
        *self = Self { heard: Some(now), timestamp: Some(timestamp), missed: 0 };
        picture
    }

    /// Another stream of the section began a picture. Whether this stream has ended by now.
    pub(super) fn missed(&mut self, now: Instant) -> bool {
        self.missed = self.missed.saturating_add(1);
        self.missed >= PICTURES_MISSED && self.heard.is_none_or(|heard| now.saturating_duration_since(heard) > SILENCE)
    }
}
