//! One track of a member, from its request to its end, and one subscription to it. Holds; decides nothing.

use std::collections::BTreeMap;

use livekit_protocol as proto;

use crate::dynacast::Demand;
use crate::score::Scorer;
use crate::target::TrackSettings;
use crate::{MemberKey, SubscriptionNumber, Target, TrackNumber};

/// How loud somebody speaks.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Voice {
    /// 0.0 to 1.0, 0.0 when not active.
    pub(crate) level: f32,
    pub(crate) active: bool,
}

/// One track.
#[derive(Debug)]
pub(crate) struct Track {
    pub(crate) number: TrackNumber,
    pub(crate) publisher: MemberKey,
    /// The track as announced.
    pub(crate) info: proto::TrackInfo,
    /// The request that made it.
    pub(crate) request: proto::AddTrackRequest,
    /// Its section is negotiated: others see it.
    pub(crate) visible: bool,
    /// Others were told of it: their clients know whose it is when its media comes.
    pub(crate) announced: bool,
    pub(crate) subscribers: BTreeMap<MemberKey, SubscriptionNumber>,
    /// The publisher heard that somebody subscribed.
    pub(crate) told_subscribed: bool,
    /// Qualities that subscribers want.
    pub(crate) demand: Demand,
    pub(crate) voice: Voice,
    /// How well it reaches us.
    pub(crate) upstream: Scorer,
}

impl Track {
    pub(crate) fn is_audio(&self) -> bool {
        self.info.r#type == proto::TrackType::Audio as i32
    }

    pub(crate) fn source(&self) -> proto::TrackSource {
        proto::TrackSource::try_from(self.info.source).unwrap_or(proto::TrackSource::Unknown)
    }

    /// Whether the client knows the track by this id.
    pub(crate) fn has_cid(&self, cid: &str) -> bool {
        self.request.cid == cid
            || self.info.codecs.iter().any(|codec| !cid.is_empty() && (codec.cid == cid || codec.sdp_cid == cid))
    }

    /// Whether more than one codec of it may be asked for.
    pub(crate) fn has_backup_codec(&self) -> bool {
        self.info.codecs.len() > 1
    }

    /// Names of its codecs, lower case and without their kind (row 25 of docs/compatibility.md#the-45-rows).
    pub(crate) fn codec_names(&self) -> Vec<String> {
        let primary = self.info.mime_type.as_str();
        let name = |codec: &proto::SimulcastCodecInfo| {
            let mime = if codec.mime_type.is_empty() { primary } else { &codec.mime_type };
            codec_name(mime)
        };
        if self.info.codecs.is_empty() {
            return vec![codec_name(primary)];
        }
        self.info.codecs.iter().map(name).collect()
    }
}

/// `video/VP8` → `vp8`.
pub(crate) fn codec_name(mime_type: &str) -> String {
    mime_type.rsplit('/').next().unwrap_or_default().to_ascii_lowercase()
}

/// One subscription.
#[derive(Debug)]
pub(crate) struct Subscription {
    pub(crate) track: TrackNumber,
    pub(crate) subscriber: MemberKey,
    /// Index in the track's list of codecs.
    pub(crate) codec: usize,
    pub(crate) settings: TrackSettings,
    /// What the subscriber was last told to get.
    pub(crate) target: Target,
    /// What it counts for in the track's demand.
    pub(crate) wanted: Option<proto::VideoQuality>,
    /// How well it reaches the subscriber.
    pub(crate) downstream: Scorer,
}
