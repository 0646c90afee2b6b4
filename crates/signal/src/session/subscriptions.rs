//! Tracks that the client gets.

use std::collections::BTreeMap;

use livekit_protocol as proto;
use tutti_forward::{ForwardCommand, LayerTarget, SendSection, SubscribeTrack, SubscriptionKey, TrackKey};
use tutti_id::RoomKey;
use tutti_room::{Request, Subscribe, SubscriptionNumber, Target, TrackNumber};
use tutti_rtp::{Codec, MediaKind};
use tutti_transport::TransportId;

use super::codec_of;
use super::links::Links;
use super::outbox::Outbox;
use crate::negotiation::{Outgoing, Sends};

/// A track on its way to the client.
struct Sent {
    track: TrackNumber,
    target: Target,
    /// Forwarding knows it.
    forwarding: bool,
}

/// The tracks that the client gets.
pub(super) struct Subscriptions {
    room: RoomKey,
    /// The client plays tracks of one stream in step.
    syncs: bool,
    sent: BTreeMap<SubscriptionNumber, Sent>,
}

impl Subscriptions {
    pub(super) fn new(room: RoomKey, syncs: bool) -> Self {
        Self { room, syncs, sent: BTreeMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// The client is to get a track: it flows once both sides agreed on its section.
    pub(super) fn add(&mut self, links: &mut Links, subscribe: Subscribe) {
        let Subscribe { subscription, track, publisher_sid, info, target, sync_stream, .. } = subscribe;
        let kind = if info.r#type == proto::TrackType::Audio as i32 { MediaKind::Audio } else { MediaKind::Video };
        // A client splits at the bar and wants two parts (docs/protocol.md#stream-names).
        let grouped = info.stream.replace('|', "_");
        let stream = if sync_stream && self.syncs { &grouped } else { &info.sid };
        let send = Outgoing {
            subscription: self.key(subscription),
            stream: format!("{publisher_sid}|{stream}"),
            kind,
            codecs: codecs(&info, kind),
            stereo: is_stereo(&info),
            playout_delay: false,
            track_sid: info.sid,
        };
        self.sent.insert(subscription, Sent { track, target, forwarding: false });
        links.sending_mut().add_send(send);
    }

    /// The client is to get a track no more.
    pub(super) fn remove(&mut self, links: &mut Links, out: &mut Outbox, number: SubscriptionNumber) {
        let Some(sent) = self.sent.remove(&number) else { return };
        let subscription = self.key(number);
        links.sending_mut().remove_send(subscription);
        if sent.forwarding {
            out.forward(links.sending(), ForwardCommand::Unsubscribe(subscription));
        }
    }

    /// Which layers the client is to get.
    pub(super) fn set_target(&mut self, links: &Links, out: &mut Outbox, number: SubscriptionNumber, target: Target) {
        let subscription = self.key(number);
        if let Some(sent) = self.sent.get_mut(&number) {
            sent.target = target;
            if sent.forwarding {
                out.forward(links.sending(), ForwardCommand::SetTarget(subscription, layers(target)));
            }
        }
    }

    /// What an exchange of descriptions settled.
    pub(super) fn settle(&mut self, out: &mut Outbox, id: TransportId, sends: Sends) {
        for subscription in sends.displaced {
            out.forward(id, ForwardCommand::Unsubscribe(subscription));
        }
        for subscription in sends.unsupported {
            let number = SubscriptionNumber(subscription.index());
            out.room(Request::SubscriptionFailed(number, proto::SubscriptionError::SeCodecUnsupported));
        }
        for section in sends.subscribed {
            self.agreed(out, id, section);
        }
    }

    /// Both sides agreed on the section of a track: it flows.
    fn agreed(&mut self, out: &mut Outbox, id: TransportId, section: SendSection) {
        let number = SubscriptionNumber(section.subscription.index());
        let Some(sent) = self.sent.get_mut(&number) else { return };
        let first = !std::mem::replace(&mut sent.forwarding, true);
        let (track, target) = (TrackKey::new(self.room, sent.track.0), layers(sent.target));
        let subscribe = SubscribeTrack { track, section, target };
        out.forward(id, ForwardCommand::Subscribe(Box::new(subscribe)));
        if first {
            out.room(Request::Subscribed(number));
        }
    }

    fn key(&self, number: SubscriptionNumber) -> SubscriptionKey {
        SubscriptionKey::new(self.room, number.0)
    }
}

fn layers(target: Target) -> LayerTarget {
    LayerTarget { paused: target.paused, spatial: target.spatial, temporal: target.temporal }
}

/// What the publisher may send, preferred first.
fn codecs(info: &proto::TrackInfo, kind: MediaKind) -> Vec<Codec> {
    let named = std::iter::once(&info.mime_type).chain(info.codecs.iter().map(|codec| &codec.mime_type));
    let mut codecs: Vec<Codec> = Vec::new();
    for codec in named.filter_map(|mime| codec_of(mime)).filter(|codec| codec.kind() == kind) {
        if !codecs.contains(&codec) {
            codecs.push(codec);
        }
    }
    // RED wraps Opus, and a publisher whose answer allowed RED may send either. What stands before them stays there.
    let opus_or_red = |codec: &Codec| matches!(codec, Codec::Opus | Codec::Red);
    if let Some(at) = codecs.iter().position(opus_or_red) {
        codecs.retain(|codec| !opus_or_red(codec));
        let opus = if info.disable_red { vec![Codec::Opus] } else { vec![Codec::Red, Codec::Opus] };
        codecs.splice(at..at, opus);
    }
    codecs
}

fn is_stereo(info: &proto::TrackInfo) -> bool {
    #[expect(deprecated, reason = "old clients say it with this field")]
    let old = info.stereo;
    old || info.audio_features.contains(&(proto::AudioTrackFeature::TfStereo as i32))
}
