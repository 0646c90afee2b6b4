//! A member without a socket, and its return (docs/protocol.md#resume).

use std::time::{Duration, Instant};

use livekit_protocol as proto;
use proto::signal_response::Message;

use crate::MemberKey;
use crate::member::Member;
use crate::room::Room;

/// From this protocol version on a client wants to hear who left while it was away
/// (docs/protocol.md#protocol-versions).
const HEARS_OF_DEPARTED: i32 = 9;

/// A dead socket is noticed late: departures that long before it count as unheard.
const UNNOTICED: Duration = Duration::from_secs(30);

/// Messages kept for a member without a socket. One that missed more must join anew.
const OWED_MAX: usize = 1024;

impl Member {
    /// Keeps a message until there is a socket. Whoever is owed too much has missed it all.
    pub(crate) fn owe(&mut self, message: Message) {
        if self.missed {
            return;
        }
        if self.owed.len() < OWED_MAX {
            self.owed.push(message);
        } else {
            self.owed = Vec::new();
            self.missed = true;
        }
    }
}

impl Room {
    /// The member's socket is gone; media goes on.
    pub(crate) fn on_detached(&mut self, now: Instant, key: MemberKey) {
        if let Some(member) = self.members.get_mut(&key) {
            member.detached_since.get_or_insert(now);
        }
    }

    /// The member has a socket again, and `ReconnectResponse` was sent on it: brings it up to date. Rust clients drop
    /// every participant that the update does not list, so it lists all. One that missed more than was kept for it
    /// would go on with a hole in what it knows: it is told to join anew.
    pub(crate) fn on_resumed(&mut self, now: Instant, key: MemberKey) {
        let Some(member) = self.members.get_mut(&key) else { return };
        if member.missed {
            let (reason, action) = (proto::DisconnectReason::StateMismatch, proto::leave_request::Action::Reconnect);
            return self.expel(now, key, reason, action, false);
        }
        let away_since = member.detached_since.take().unwrap_or(now);
        let owed = std::mem::take(&mut member.owed);
        let protocol = member.protocol();

        if protocol >= HEARS_OF_DEPARTED {
            let unheard_from = away_since.checked_sub(UNNOTICED).unwrap_or(away_since);
            let departed = self.departures.since(unheard_from);
            let departed = departed.filter(|info| !self.by_identity.contains_key(&info.identity)).cloned().collect();
            self.send_infos(vec![key], departed);
        }
        let mut everyone = self.others(key);
        everyone.extend(self.member_info(key));
        self.send(key, Message::Update(proto::ParticipantUpdate { participants: everyone }));
        self.send(key, Message::RoomUpdate(proto::RoomUpdate { room: Some(self.info()) }));

        self.send_voices(key);
        self.send_qualities(key);
        self.send_data_handles(key);
        for track in self.members.get(&key).map(|member| member.tracks.clone()).unwrap_or_default() {
            self.send_demand(track);
        }
        for message in owed {
            self.send(key, message);
        }
    }

    /// What a resumed client believes. Where it has published what we do not know, only a fresh start helps.
    pub(crate) fn on_sync_state(&mut self, now: Instant, key: MemberKey, state: proto::SyncState) {
        let known_track = |published: &proto::TrackPublishedResponse| {
            let sid = published.track.as_ref().map(|track| &track.sid);
            let number = sid.and_then(|sid| self.by_track_sid.get(sid));
            number.and_then(|number| self.tracks.get(number)).is_some_and(|track| track.publisher == key)
        };
        let known_data_track = |published: &proto::PublishDataTrackResponse| {
            let sid = published.info.as_ref().map(|track| &track.sid);
            let number = sid.and_then(|sid| self.by_data_track_sid.get(sid));
            number.and_then(|number| self.data_tracks.get(number)).is_some_and(|track| track.publisher == key)
        };
        if !state.publish_tracks.iter().all(known_track) || !state.publish_data_tracks.iter().all(known_data_track) {
            let (reason, action) = (proto::DisconnectReason::StateMismatch, proto::leave_request::Action::Reconnect);
            self.expel(now, key, reason, action, false);
            return;
        }
        self.disable_tracks(now, key, &state.track_sids_disabled);
        if let Some(subscription) = &state.subscription {
            self.on_subscription(now, key, subscription);
        }
        if let Some(subscription) = state.data_subscription {
            self.on_data_subscription(key, subscription);
        }
    }
}
