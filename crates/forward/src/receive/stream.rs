//! One RTP stream of a published track as it arrives.
//!
//! Owns what belongs to the stream alone: its SSRCs, indexes, missing packets, statistics and the wish for a key frame.

use std::time::{Duration, Instant};

use tutti_rtp::Ssrc;

use super::index::Indexer;
use super::keyframe::KeyFrameRequest;
use super::nack::{NackConfig, NackList};
use super::reception::Reception;
use crate::Encoding;

/// Key frames of the smallest layer may be asked for this often …
pub(crate) const KEY_FRAME_INTERVAL_LOW: Duration = Duration::from_millis(500);

/// … and of higher ones, which cost more, this often (docs/operation.md#what-an-attacker-can-do-and-what-bounds-it).
pub(crate) const KEY_FRAME_INTERVAL_HIGH: Duration = Duration::from_secs(1);

/// Packets of an SSRC that was left are late ones for this long; after that it may come into use again.
const RETIRED_FOR: Duration = Duration::from_secs(3);

/// What an SSRC is to its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Own,
    New,
    Late,
}

/// One stream.
#[derive(Debug)]
pub(super) struct ReceiveStream {
    pub section: u8,
    pub rid: Option<String>,
    pub ssrc: Option<Ssrc>,
    pub rtx_ssrc: Option<Ssrc>,
    /// The SSRC before this one, and when it was left: what it still sends is of no use.
    retired: Option<(Ssrc, Instant)>,
    /// Clock rate of the codec it carries, Hz.
    pub rate_hz: u32,
    pub indexer: Indexer,
    pub nack: NackList,
    pub reception: Reception,
    pub key_frame: KeyFrameRequest,
}

impl ReceiveStream {
    pub(super) fn new(section: u8, encoding: &Encoding, rate_hz: u32, nack: NackConfig) -> Self {
        let interval = if encoding.spatial == 0 { KEY_FRAME_INTERVAL_LOW } else { KEY_FRAME_INTERVAL_HIGH };
        Self {
            section,
            rid: encoding.rid.clone(),
            ssrc: encoding.ssrc.map(Ssrc),
            rtx_ssrc: encoding.rtx_ssrc.map(Ssrc),
            retired: None,
            rate_hz,
            indexer: Indexer::default(),
            nack: NackList::new(nack),
            reception: Reception::default(),
            key_frame: KeyFrameRequest::new(interval),
        }
    }

    /// A description of the stream came again: SSRCs it names are known, unless packets told others since.
    pub(super) fn describe(&mut self, encoding: &Encoding) {
        self.ssrc = self.ssrc.or(encoding.ssrc.map(Ssrc));
        self.rtx_ssrc = self.rtx_ssrc.or(encoding.rtx_ssrc.map(Ssrc));
    }

    /// Takes a packet of `ssrc`: the stream's own, a new one with which it begins afresh, or the one before, of which
    /// late packets are not wanted.
    pub(super) fn take_ssrc(&mut self, now: Instant, ssrc: Ssrc) -> Taken {
        let Some(current) = self.ssrc.filter(|&current| current != ssrc) else {
            self.ssrc = Some(ssrc);
            return Taken::Own;
        };
        let is_late = |(retired, at)| retired == ssrc && now.saturating_duration_since(at) < RETIRED_FOR;
        if self.retired.is_some_and(is_late) {
            return Taken::Late;
        }
        self.retired = Some((current, now));
        self.ssrc = Some(ssrc);
        Taken::New
    }

    /// The stream began afresh: what is known of its packets no longer holds.
    pub(super) fn forget_packets(&mut self) {
        self.nack.clear();
        self.reception.restart();
    }
}
