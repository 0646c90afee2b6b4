//! Tracks that the client gets.

use livekit_protocol as proto;
use tutti_forward::{ForwardCommand, LayerTarget, SubscriptionKey, TrackKey};
use tutti_room::{Request, Subscribe, SubscriptionNumber, Target, TrackNumber};
use tutti_rtp::{Codec, MediaKind};
use tutti_transport::TransportId;

use super::negotiate::codec_of;
use super::{Output, Session};
use crate::negotiation::{Outgoing, Subscribed};

/// A track on its way to the client.
pub(super) struct Sent {
    track: TrackNumber,
    target: Target,
    /// Forwarding knows it.
    forwarding: bool,
}

impl Session {
    pub(super) fn subscribe(&mut self, subscribe: Subscribe) {
        let Subscribe { subscription, track, publisher_sid, info, target, sync_stream, .. } = subscribe;
        let kind = if info.r#type == proto::TrackType::Audio as i32 { MediaKind::Audio } else { MediaKind::Video };
        // A client splits at the bar and wants two parts (docs/protocol.md#stream-names).
        let grouped = info.stream.replace('|', "_");
        let stream = if sync_stream && self.peer.takes_sync_streams() { &grouped } else { &info.sid };
        let send = Outgoing {
            subscription: self.subscription(subscription),
            stream: format!("{publisher_sid}|{stream}"),
            kind,
            codecs: codecs(&info, kind),
            stereo: is_stereo(&info),
            playout_delay: false,
            track_sid: info.sid,
        };
        self.sent.insert(subscription, Sent { track, target, forwarding: false });
        self.connection().add_send(send);
    }

    pub(super) fn unsubscribe(&mut self, number: SubscriptionNumber) {
        let Some(sent) = self.sent.remove(&number) else { return };
        let subscription = self.subscription(number);
        self.connection().remove_send(subscription);
        if sent.forwarding {
            self.outputs.push_back(Output::Forward(self.sending(), ForwardCommand::Unsubscribe(subscription)));
        }
    }

    pub(super) fn set_target(&mut self, number: SubscriptionNumber, target: Target) {
        let subscription = self.subscription(number);
        let sending = self.sending();
        if let Some(sent) = self.sent.get_mut(&number) {
            sent.target = target;
            if sent.forwarding {
                let command = ForwardCommand::SetTarget(subscription, layers(target));
                self.outputs.push_back(Output::Forward(sending, command));
            }
        }
    }

    /// Both sides agreed on the section of a track: it flows.
    pub(super) fn send_agreed(&mut self, id: TransportId, subscribed: Subscribed) {
        let number = SubscriptionNumber(subscribed.subscription.index());
        let room = self.start.room;
        let Some(sent) = self.sent.get_mut(&number) else { return };
        let first = !std::mem::replace(&mut sent.forwarding, true);
        let subscribe = subscribed.subscribe(TrackKey::new(room, sent.track.0), layers(sent.target));
        self.outputs.push_back(Output::Forward(id, ForwardCommand::Subscribe(Box::new(subscribe))));
        if first {
            self.outputs.push_back(Output::Room(Request::Subscribed(number)));
        }
    }

    fn subscription(&self, number: SubscriptionNumber) -> SubscriptionKey {
        SubscriptionKey::new(self.start.room, number.0)
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
    #[allow(deprecated, reason = "old clients say it with this field")]
    let old = info.stereo;
    old || info.audio_features.contains(&(proto::AudioTrackFeature::TfStereo as i32))
}
