//! Tracks that the client publishes: the room accepts a request, a media section turns up for it, in either order.

use std::collections::BTreeMap;

use livekit_protocol as proto;
use proto::signal_response::Message;
use tutti_forward::{ForwardCommand, LayerMode, TrackKey};
use tutti_id::RoomKey;
use tutti_room::{Negotiated, Request, TrackNumber};
use tutti_rtp::MediaKind;
use tutti_transport::TransportId;

use super::codec_of;
use super::links::Links;
use super::outbox::Outbox;
use crate::negotiation::{OfferedSection, Published, SectionPolicy};

/// One codec of a track that the room accepted: what a section of the client is expected for.
struct Accepted {
    track: TrackNumber,
    sid: String,
    /// Client id of the request.
    cid: String,
    /// The codec as the room lists it; without a name where the request names none.
    codec: proto::SimulcastCodecInfo,
    /// It stands beside another codec of the same track: a section is for it only if it says so.
    further: bool,
    request: proto::AddTrackRequest,
    /// Its section, once there is one.
    mid: Option<String>,
}

impl Accepted {
    fn kind(&self) -> MediaKind {
        if self.request.r#type == proto::TrackType::Audio as i32 { MediaKind::Audio } else { MediaKind::Video }
    }

    fn names(&self, cid: &str) -> bool {
        !cid.is_empty() && (self.codec.cid == cid || (self.cid == cid && !self.further))
    }

    /// What to agree on for its section.
    fn policy(&self, room: RoomKey) -> SectionPolicy {
        let mut policy = SectionPolicy::new(TrackKey::new(room, self.track.0));
        let request = &self.request;
        policy.encrypted = request.encryption != proto::encryption::Type::None as i32;
        policy.codec = codec_of(&self.codec.mime_type);
        policy.red = !request.disable_red && !policy.encrypted;
        let has = |feature: proto::AudioTrackFeature| request.audio_features.contains(&(feature as i32));
        #[expect(deprecated, reason = "old clients say it with these fields")]
        {
            policy.dtx = !request.disable_dtx && !has(proto::AudioTrackFeature::TfNoDtx);
            policy.stereo = request.stereo || has(proto::AudioTrackFeature::TfStereo);
        }
        let layers = if self.codec.layers.is_empty() { &request.layers } else { &self.codec.layers };
        let mut layers: Vec<_> = layers.iter().filter(|layer| !layer.rid.is_empty()).collect();
        layers.sort_by_key(|layer| layer.quality);
        policy.rids = layers.into_iter().map(|layer| layer.rid.clone()).collect();
        policy.layer_mode = layer_mode(self.codec.video_layer_mode());
        policy
    }
}

/// The tracks that the client publishes, and the sections that it sends them on.
pub(super) struct Publishing {
    room: RoomKey,
    /// The connection on which the client publishes.
    transport: TransportId,
    accepted: Vec<Accepted>,
    /// Sections on which the client sends before it said what track that is.
    unclaimed: Vec<OfferedSection>,
}

impl Publishing {
    pub(super) fn new(room: RoomKey, transport: TransportId) -> Self {
        Self { room, transport, accepted: Vec::new(), unclaimed: Vec::new() }
    }

    /// The room accepted a track: the client hears so, and a section that came first gets it.
    pub(super) fn accept(
        &mut self,
        links: &mut Links,
        out: &mut Outbox,
        track: TrackNumber,
        mut answer: proto::TrackPublishedResponse,
        request: proto::AddTrackRequest,
    ) {
        let again = self.accepted.iter().any(|held| held.track == track && held.cid == answer.cid);
        let mut published = Vec::new();
        if let Some(info) = answer.track.as_mut() {
            if !again {
                self.accepted.extend(expected(track, &answer.cid, info, &request));
                // The section may have come first (docs/protocol.md#publishing).
                for section in std::mem::take(&mut self.unclaimed) {
                    match self.claim(&section) {
                        Some(policy) => published.extend(links.attach(out, &section.mid, policy)),
                        None => self.unclaimed.push(section),
                    }
                }
            }
            // Then the descriptions have chosen the codec already.
            let first = published.iter().find(|it| it.publish.track == TrackKey::new(self.room, track.0));
            if let Some(first) = first.filter(|_| request.sid.is_empty()) {
                name_codec(info, first);
            }
        }
        out.respond(Message::TrackPublished(answer));
        for published in published {
            self.published(out, published);
        }
    }

    /// The client offered these sections for tracks that it does not have yet: what to agree on for those whose track
    /// the room accepted. The others wait for theirs.
    pub(super) fn claim_all(
        &mut self,
        sections: impl IntoIterator<Item = OfferedSection>,
    ) -> BTreeMap<String, SectionPolicy> {
        let mut policies = BTreeMap::new();
        self.unclaimed.clear();
        for section in sections {
            match self.claim(&section) {
                Some(policy) => drop(policies.insert(section.mid, policy)),
                None => self.unclaimed.push(section),
            }
        }
        policies
    }

    /// The answer left only these sections without a track.
    pub(super) fn keep_waiting(&mut self, waiting: &[String]) {
        self.unclaimed.retain(|section| waiting.contains(&section.mid));
    }

    /// Finds the accepted track that a section is for: by client id, else the first of its kind still without a
    /// section, because some clients change ids (docs/protocol.md#stream-names).
    fn claim(&mut self, section: &OfferedSection) -> Option<SectionPolicy> {
        let by_id = self.accepted.iter().position(|held| held.mid.is_none() && held.names(&section.cid));
        let of_kind = |held: &Accepted| held.mid.is_none() && !held.further && held.kind() == section.kind;
        let at = by_id.or_else(|| self.accepted.iter().position(of_kind))?;
        let held = self.accepted.get_mut(at)?;
        held.mid = Some(section.mid.clone());
        Some(held.policy(self.room))
    }

    /// The client cannot send a track in any codec that the server takes: it hears so, and the track is gone.
    pub(super) fn refused(&mut self, out: &mut Outbox, cid: &str) {
        let Some(at) = self.accepted.iter().position(|held| held.mid.is_none() && held.names(cid)) else { return };
        let refused = self.accepted.remove(at);
        out.refused("track", format!("no codec in common for {cid:?}"));
        if !self.accepted.iter().any(|held| held.track == refused.track) {
            let unpublished = proto::TrackUnpublishedResponse { track_sid: refused.sid };
            out.respond(Message::TrackUnpublished(unpublished));
            out.room(Request::Unpublish(refused.track));
        }
    }

    /// Both sides agreed on the section of a track: it flows.
    pub(super) fn published(&mut self, out: &mut Outbox, published: Published) {
        let track = TrackNumber(published.publish.track.index());
        let Some(held) = self.accepted.iter().find(|held| held.mid.as_deref() == Some(&published.publish.mid)) else {
            return;
        };
        let sdp_cid = if held.cid == published.cid { String::new() } else { published.cid };
        let muted = held.request.muted;
        let mid = published.publish.mid.clone();
        let key = published.publish.track;
        out.forward(self.transport, ForwardCommand::Publish(Box::new(published.publish)));
        if muted {
            out.forward(self.transport, ForwardCommand::SetMuted(key, true));
        }
        let negotiated = Negotiated { track, mid, mime_type: published.mime_type, sdp_cid };
        out.room(Request::Negotiated(negotiated));
    }

    /// The client stopped sending on a track's section: that is how it unpublishes (docs/protocol.md#publishing).
    /// A backup codec's section may end alone.
    pub(super) fn ended(&mut self, out: &mut Outbox, mid: &str, key: TrackKey) {
        let track = TrackNumber(key.index());
        self.accepted.retain(|held| held.mid.as_deref() != Some(mid));
        if self.accepted.iter().any(|held| held.track == track && held.mid.is_some()) {
            return;
        }
        out.forward(self.transport, ForwardCommand::Unpublish(key));
        out.room(Request::Unpublish(track));
    }

    /// The room took the track away.
    pub(super) fn remove(&mut self, links: &mut Links, out: &mut Outbox, track: TrackNumber) {
        for removed in self.accepted.extract_if(.., |held| held.track == track) {
            if let Some(mid) = removed.mid {
                links.detach(&mid);
            }
        }
        out.forward(self.transport, ForwardCommand::Unpublish(TrackKey::new(self.room, track.0)));
    }

    /// The room muted a track, or lets it be heard again.
    pub(super) fn set_muted(&mut self, out: &mut Outbox, track: TrackNumber, muted: bool) {
        if let Some(held) = self.accepted.iter_mut().find(|held| held.track == track) {
            held.request.muted = muted;
            let key = TrackKey::new(self.room, track.0);
            out.forward(self.transport, ForwardCommand::SetMuted(key, muted));
        }
    }
}

/// The sections that a request makes expected: one, or one for each codec that has a client id of its own.
fn expected(track: TrackNumber, cid: &str, info: &proto::TrackInfo, request: &proto::AddTrackRequest) -> Vec<Accepted> {
    // A request that adds a codec to a track names it; the list holds those before it as well.
    let named = |codec: &&proto::SimulcastCodecInfo| {
        !codec.cid.is_empty() && request.simulcast_codecs.iter().any(|asked| asked.cid == codec.cid)
    };
    let mut codecs: Vec<_> = info.codecs.iter().filter(named).cloned().collect();
    if codecs.is_empty() {
        let first = info.codecs.first().filter(|_| request.sid.is_empty());
        codecs.push(first.cloned().unwrap_or_default());
    }
    let accepted = codecs.into_iter().enumerate().map(|(index, codec)| Accepted {
        track,
        sid: info.sid.clone(),
        cid: cid.to_owned(),
        codec,
        further: index > 0,
        request: request.clone(),
        mid: None,
    });
    accepted.collect()
}

/// Puts what the descriptions agreed on into a track that is about to be told.
fn name_codec(info: &mut proto::TrackInfo, published: &Published) {
    info.mime_type.clone_from(&published.mime_type);
    info.mid.clone_from(&published.publish.mid);
    if let Some(codec) = info.codecs.first_mut() {
        codec.mime_type.clone_from(&published.mime_type);
        codec.mid.clone_from(&published.publish.mid);
    }
}

/// How layers arrive, as far as the request says (docs/protocol.md#layers-and-codecs).
fn layer_mode(mode: proto::video_layer::Mode) -> Option<LayerMode> {
    use proto::video_layer::Mode;
    match mode {
        Mode::MultipleSpatialLayersPerStream => Some(LayerMode::Svc),
        Mode::OneSpatialLayerPerStream | Mode::OneSpatialLayerPerStreamIncompleteRtcpSr => Some(LayerMode::Simulcast),
        Mode::Unused => None,
    }
}
