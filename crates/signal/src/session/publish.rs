//! Tracks that the client publishes: the room accepts a request, a media section turns up for it, in either order.

use livekit_protocol as proto;
use proto::signal_response::Message;
use tutti_forward::{ForwardCommand, LayerMode, TrackKey};
use tutti_room::{Negotiated, Request, TrackNumber};
use tutti_rtp::MediaKind;

use super::negotiate::codec_of;
use super::{Output, Session};
use crate::negotiation::{OfferedSection, Published, SectionPolicy};

/// A track that the room accepted.
pub(super) struct Accepted {
    track: TrackNumber,
    cid: String,
    request: proto::AddTrackRequest,
    mime: String,
    /// Its section, once there is one.
    mid: Option<String>,
}

/// A section on which the client sends before it said what track that is.
pub(super) type Unclaimed = OfferedSection;

impl Accepted {
    fn kind(&self) -> MediaKind {
        if self.request.r#type == proto::TrackType::Audio as i32 { MediaKind::Audio } else { MediaKind::Video }
    }

    fn names(&self, cid: &str) -> bool {
        !cid.is_empty() && (self.cid == cid || self.request.simulcast_codecs.iter().any(|codec| codec.cid == cid))
    }

    /// The codec that this request asks for on a section with that client id.
    fn simulcast_codec(&self, cid: &str) -> Option<&proto::SimulcastCodec> {
        let codecs = &self.request.simulcast_codecs;
        codecs.iter().find(|codec| !cid.is_empty() && codec.cid == cid).or(codecs.first())
    }
}

impl Session {
    pub(super) fn track_accepted(
        &mut self,
        track: TrackNumber,
        cid: String,
        info: proto::TrackInfo,
        request: proto::AddTrackRequest,
    ) {
        let mime = info.mime_type.clone();
        let again = self.accepted.iter().any(|held| held.track == track && held.cid == cid);
        self.respond(Message::TrackPublished(proto::TrackPublishedResponse { cid: cid.clone(), track: Some(info) }));
        if again {
            return;
        }
        self.accepted.push(Accepted { track, cid, request, mime, mid: None });
        // The section may have come first (docs/protocol.md#publishing).
        for section in std::mem::take(&mut self.unclaimed) {
            match self.claim(&section) {
                Some(policy) => self.attach(&section.mid, policy),
                None => self.unclaimed.push(section),
            }
        }
    }

    /// Finds the accepted track that a section is for: by client id, else the first of its kind still without a
    /// section, because some clients change ids (docs/protocol.md#stream-names).
    pub(super) fn claim(&mut self, section: &OfferedSection) -> Option<SectionPolicy> {
        let free = |held: &&mut Accepted| held.mid.is_none();
        let by_id = self.accepted.iter().position(|held| held.mid.is_none() && held.names(&section.cid));
        let held = match by_id {
            Some(index) => self.accepted.get_mut(index),
            None => self.accepted.iter_mut().filter(free).find(|held| held.kind() == section.kind),
        }?;
        held.mid = Some(section.mid.clone());
        let mut policy = SectionPolicy::new(TrackKey::new(self.start.room, held.track.0));
        let request = &held.request;
        let encrypted = request.encryption != proto::encryption::Type::None as i32;
        let codec = held.simulcast_codec(&section.cid);
        let backup = !request.sid.is_empty();
        let mime = if backup { codec.map_or("", |codec| codec.codec.as_str()) } else { held.mime.as_str() };
        policy.codec = codec_of(mime);
        policy.encrypted = encrypted;
        policy.red = !request.disable_red && !encrypted;
        let has = |feature: proto::AudioTrackFeature| request.audio_features.contains(&(feature as i32));
        #[allow(deprecated, reason = "old clients say it with these fields")]
        {
            policy.dtx = !request.disable_dtx && !has(proto::AudioTrackFeature::TfNoDtx);
            policy.stereo = request.stereo || has(proto::AudioTrackFeature::TfStereo);
        }
        let layers = codec.map(|codec| &codec.layers).filter(|layers| !layers.is_empty()).unwrap_or(&request.layers);
        let mut by_quality: Vec<_> = layers.iter().filter(|layer| !layer.rid.is_empty()).collect();
        by_quality.sort_by_key(|layer| layer.quality);
        policy.rids = by_quality.into_iter().map(|layer| layer.rid.clone()).collect();
        policy.layer_mode = layer_mode(codec, policy.codec);
        Some(policy)
    }

    pub(super) fn section_published(&mut self, published: Published) {
        let track = TrackNumber(published.publish.track.index());
        let Some(held) = self.accepted.iter().find(|held| held.mid.as_deref() == Some(&published.publish.mid)) else {
            return;
        };
        let sdp_cid = if held.cid == published.cid { String::new() } else { published.cid };
        let muted = held.request.muted;
        let mid = published.publish.mid.clone();
        let key = published.publish.track;
        self.outputs
            .push_back(Output::Forward(self.publisher.id, ForwardCommand::Publish(Box::new(published.publish))));
        if muted {
            self.outputs.push_back(Output::Forward(self.publisher.id, ForwardCommand::SetMuted(key, true)));
        }
        let negotiated = Negotiated { track, mid, mime_type: published.mime_type, sdp_cid };
        self.outputs.push_back(Output::Room(Request::Negotiated(negotiated)));
    }

    /// The client stopped sending on a track's section: that is how it unpublishes (docs/protocol.md#publishing).
    /// A backup codec's section may end alone.
    pub(super) fn section_ended(&mut self, mid: &str, key: TrackKey) {
        let track = TrackNumber(key.index());
        self.accepted.retain(|held| held.mid.as_deref() != Some(mid));
        if self.accepted.iter().any(|held| held.track == track && held.mid.is_some()) {
            return;
        }
        self.outputs.push_back(Output::Forward(self.publisher.id, ForwardCommand::Unpublish(key)));
        self.outputs.push_back(Output::Room(Request::Unpublish(track)));
    }

    /// The room took the track away.
    pub(super) fn track_removed(&mut self, track: TrackNumber) {
        let (removed, kept) = std::mem::take(&mut self.accepted).into_iter().partition(|held| held.track == track);
        self.accepted = kept;
        for mid in Vec::<Accepted>::into_iter(removed).filter_map(|held| held.mid) {
            self.detach(&mid);
        }
        let key = TrackKey::new(self.start.room, track.0);
        self.outputs.push_back(Output::Forward(self.publisher.id, ForwardCommand::Unpublish(key)));
    }

    pub(super) fn track_muted(&mut self, track: TrackNumber, muted: bool) {
        if let Some(held) = self.accepted.iter_mut().find(|held| held.track == track) {
            held.request.muted = muted;
            let key = TrackKey::new(self.start.room, track.0);
            self.outputs.push_back(Output::Forward(self.publisher.id, ForwardCommand::SetMuted(key, muted)));
        }
    }
}

/// How layers arrive: as the request says, else by the codec (docs/protocol.md#layers-and-codecs).
fn layer_mode(codec: Option<&proto::SimulcastCodec>, chosen: Option<tutti_rtp::Codec>) -> LayerMode {
    use proto::video_layer::Mode;
    match codec.map(|codec| codec.video_layer_mode()) {
        Some(Mode::MultipleSpatialLayersPerStream) => LayerMode::Svc,
        Some(Mode::OneSpatialLayerPerStream | Mode::OneSpatialLayerPerStreamIncompleteRtcpSr) => LayerMode::Simulcast,
        _ if matches!(chosen, Some(tutti_rtp::Codec::Vp9 | tutti_rtp::Codec::Av1)) => LayerMode::Svc,
        _ => LayerMode::Simulcast,
    }
}
