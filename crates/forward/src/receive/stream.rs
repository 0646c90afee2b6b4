//! One RTP stream of a published track as it arrives.
//!
//! Owns what belongs to the stream alone: its SSRCs, indexes, missing packets, statistics and the wish for a key frame.

use std::time::Duration;

use tutti_rtp::Ssrc;

use super::index::Indexer;
use super::keyframe::KeyFrameRequest;
use super::nack::{NackConfig, NackList};
use super::reception::Reception;
use crate::Encoding;

/// Key frames of the smallest layer may be asked for this often …
const KEY_FRAME_INTERVAL_LOW: Duration = Duration::from_millis(500);

/// … and of higher ones, which cost more, this often (wire brief, appendix).
const KEY_FRAME_INTERVAL_HIGH: Duration = Duration::from_secs(1);

/// One stream.
#[derive(Debug)]
pub(super) struct ReceiveStream {
    pub section: u8,
    pub rid: Option<String>,
    pub ssrc: Option<Ssrc>,
    pub rtx_ssrc: Option<Ssrc>,
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

    /// The stream began afresh: what is known of its packets no longer holds.
    pub(super) fn forget_packets(&mut self) {
        self.nack.clear();
        self.reception.restart();
    }
}
