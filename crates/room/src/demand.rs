//! What is asked of publishers: which qualities of their tracks to send, and in which codecs
//! (docs/protocol.md#dynacast).
//!
//! A subscriber that cannot take a track's codec waits for its backup codec, and counts as somebody who wants that. Both
//! codecs then run side by side: nobody is moved from one to the other.

use std::time::Instant;

use livekit_protocol as proto;
use proto::signal_response::Message;

use crate::agenda::Duty;
use crate::dynacast::Announce;
use crate::room::Room;
use crate::subscribe::{Auto, Due};
use crate::{MemberKey, SubscriptionNumber, TrackNumber};

impl Room {
    /// The subscriber cannot take the track. A backup codec is asked for where the publisher has one.
    pub(crate) fn on_subscription_failed(
        &mut self,
        now: Instant,
        key: MemberKey,
        number: SubscriptionNumber,
        error: proto::SubscriptionError,
    ) {
        let Some(subscription) = self.subscriptions.get(&number).filter(|entry| entry.subscriber == key) else {
            return;
        };
        let (number_of_track, codec) = (subscription.track, subscription.codec);
        self.unsubscribe(now, number);
        let Some(track) = self.tracks.get_mut(&number_of_track) else { return };
        let track_sid = track.info.sid.clone();
        let next = (error == proto::SubscriptionError::SeCodecUnsupported && track.has_backup_codec())
            .then_some(codec + 1)
            .filter(|next| *next < track.info.codecs.len());
        if let Some(next) = next {
            track.demand.shift(next, None, Some(proto::VideoQuality::High));
        }
        let negotiated = next.and_then(|next| track.info.codecs.get(next)).is_some_and(|codec| !codec.mid.is_empty());
        if let Some(member) = self.members.get_mut(&key) {
            member.undecodable.insert(number_of_track, next);
        }
        match next {
            Some(next) if negotiated => self.offer_codec(now, number_of_track, next),
            Some(_) => self.reconcile_demand(now, number_of_track),
            None => {
                let response = proto::SubscriptionResponse { track_sid, err: error as i32 };
                self.send_or_owe(key, Message::SubscriptionResponse(response));
            }
        }
    }

    /// Forgets that a member could not take a track.
    pub(crate) fn try_again(&mut self, now: Instant, key: MemberKey, track: TrackNumber) {
        let awaited = self.members.get_mut(&key).and_then(|member| member.undecodable.remove(&track));
        if let Some(awaited) = awaited.flatten() {
            self.forget_awaited(now, track, awaited);
        }
    }

    /// Somebody no longer waits for a codec of a track.
    pub(crate) fn forget_awaited(&mut self, now: Instant, track: TrackNumber, codec: usize) {
        if let Some(track) = self.tracks.get_mut(&track) {
            track.demand.shift(codec, Some(proto::VideoQuality::High), None);
        }
        self.reconcile_demand(now, track);
    }

    /// Gives a track's new codec to those who cannot take the others.
    pub(crate) fn offer_codec(&mut self, now: Instant, track: TrackNumber, codec: usize) {
        let waiting = |key: &MemberKey| {
            let member = self.members.get(key);
            member.is_some_and(|member| member.undecodable.get(&track).is_some_and(Option::is_some))
        };
        let members: Vec<_> = self.members.keys().copied().filter(waiting).collect();
        for key in members {
            // It counted for this codec while it waited; its subscription does from now on.
            let awaited = self.members.get_mut(&key).and_then(|member| member.undecodable.remove(&track)).flatten();
            if let (Some(awaited), Some(track)) = (awaited, self.tracks.get_mut(&track)) {
                track.demand.shift(awaited, Some(proto::VideoQuality::High), None);
            }
            if self.due(key, track, Auto::Always) == Due::Yes {
                self.subscribe(key, track, codec);
            }
        }
        self.reconcile_demand(now, track);
    }

    /// Tells a publisher of changed demand when it is time.
    pub(crate) fn reconcile_demand(&mut self, now: Instant, number: TrackNumber) {
        let delay = self.settings.dynacast_decrease_delay;
        let Some(track) = self.tracks.get_mut(&number).filter(|track| track.visible) else { return };
        let announce = track.demand.reconcile(now, delay);
        match track.demand.deadline(delay) {
            Some(at) => self.agenda.set(Duty::Dynacast(number), at),
            None => self.agenda.cancel(Duty::Dynacast(number)),
        }
        if announce == Announce::Now {
            self.send_demand(number);
        }
    }

    /// Tells a publisher which qualities of its track are wanted, as far as that is settled.
    pub(crate) fn send_demand(&mut self, number: TrackNumber) {
        let Some(track) = self.tracks.get(&number).filter(|track| track.demand.was_told()) else { return };
        let names = track.codec_names();
        let codecs = track.demand.subscribed_codecs(names.iter().map(String::as_str));
        let (publisher, track_sid) = (track.publisher, track.info.sid.clone());
        if !track.is_audio() {
            let qualities = codecs.first().map(|codec| codec.qualities.clone()).unwrap_or_default();
            #[expect(deprecated, reason = "older clients read the qualities of the first codec there")]
            let update = proto::SubscribedQualityUpdate {
                track_sid,
                subscribed_qualities: qualities,
                subscribed_codecs: codecs,
            };
            self.send(publisher, Message::SubscribedQualityUpdate(update));
        } else if track.has_backup_codec() {
            let audio = codecs.into_iter().map(|codec| proto::SubscribedAudioCodec {
                enabled: codec.qualities.iter().any(|quality| quality.enabled),
                codec: codec.codec,
            });
            let update = proto::SubscribedAudioCodecUpdate { track_sid, subscribed_audio_codecs: audio.collect() };
            self.send(publisher, Message::SubscribedAudioCodecUpdate(update));
        }
    }
}
