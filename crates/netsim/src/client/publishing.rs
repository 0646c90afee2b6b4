//! Tracks that a client publishes: asked for, negotiated, muted, ended.

use std::collections::BTreeSet;

use livekit_protocol as proto;

use super::WantedTrack;
use super::peer::RIDS;
use crate::stamp::Kind;

/// A track of the client's own, from the request to its end.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) track: WantedTrack,
    /// Once the server accepted it.
    pub(super) sid: Option<String>,
    /// Its section, once one was offered.
    pub(super) mid: Option<String>,
    /// The answer took the section.
    pub(super) agreed: bool,
    /// The section was offered as ended.
    pub(super) ending: bool,
    pub(super) ended: bool,
    /// Layers that somebody wants.
    pub(super) layers: BTreeSet<usize>,
    pub(super) frame: u32,
    pub(super) pictures: [u16; 3],
    pub(super) key_frame_due: [bool; 3],
}

impl Own {
    pub(super) fn new(track: WantedTrack) -> Self {
        let layers = if track.layered { (0..RIDS.len()).collect() } else { BTreeSet::from([0]) };
        Self {
            track,
            sid: None,
            mid: None,
            agreed: false,
            ending: false,
            ended: false,
            layers,
            frame: 0,
            pictures: [0; 3],
            key_frame_due: [true; 3],
        }
    }

    pub(super) fn is_sending(&self) -> bool {
        self.agreed && !self.ending && !self.track.muted
    }

    pub(super) fn request(&self, cid: &str) -> proto::AddTrackRequest {
        let video = self.track.kind == Kind::Video;
        let layer = |(quality, (rid, width, height)): (i32, (&str, u32, u32))| proto::VideoLayer {
            quality: if self.track.layered { quality } else { proto::VideoQuality::High.into() },
            width,
            height,
            bitrate: 100_000,
            rid: if self.track.layered { rid.to_owned() } else { String::new() },
            spatial_layer: quality,
            ..Default::default()
        };
        let sizes = [(320, 180), (640, 360), (1280, 720)];
        let all = (0..).zip(RIDS.iter().zip(sizes).map(|(rid, (width, height))| (*rid, width, height)));
        let layers: Vec<_> = match (video, self.track.layered) {
            (false, _) => Vec::new(),
            (true, true) => all.map(layer).collect(),
            (true, false) => all.skip(2).map(layer).collect(),
        };
        let (width, height) = layers.last().map_or((0, 0), |layer| (layer.width, layer.height));
        let codec = proto::SimulcastCodec { codec: "vp8".to_owned(), cid: cid.to_owned(), ..Default::default() };
        proto::AddTrackRequest {
            cid: cid.to_owned(),
            name: cid.to_owned(),
            r#type: if video { proto::TrackType::Video } else { proto::TrackType::Audio }.into(),
            source: if video { proto::TrackSource::Camera } else { proto::TrackSource::Microphone }.into(),
            muted: self.track.muted,
            width,
            height,
            layers,
            simulcast_codecs: if video { vec![codec] } else { Vec::new() },
            disable_red: true,
            ..Default::default()
        }
    }

    /// Somebody wants other layers than before.
    pub(super) fn demand(&mut self, update: &proto::SubscribedQualityUpdate) {
        let codec = update.subscribed_codecs.iter().find(|codec| codec.codec.eq_ignore_ascii_case("vp8"));
        let Some(codec) = codec.filter(|_| self.track.layered) else { return };
        let before = self.layers.clone();
        let enabled =
            codec.qualities.iter().filter(|told| told.enabled).filter_map(|told| usize::try_from(told.quality).ok());
        self.layers = enabled.filter(|layer| *layer < RIDS.len()).collect();
        for layer in self.layers.difference(&before) {
            // A browser starts an encoding that was off with a key frame.
            self.key_frame_due[*layer] = true;
        }
    }
}
