//! What the server API may do to a room and its members (docs/protocol.md#changes-of-participants, docs/server-api/README.md).

use std::time::Instant;

use livekit_protocol as proto;
use proto::DisconnectReason;
use proto::leave_request::Action;
use proto::signal_response::Message;

use crate::error::BadText;
use crate::identity::IdentityChange;
use crate::member::is_recorder;
use crate::pending::Urgency;
use crate::permission::may_publish;
use crate::room::Room;
use crate::track::Track;
use crate::{AdminError, MemberKey};

/// What the server API is answered.
#[derive(Debug, Clone, PartialEq)]
pub enum AdminReply {
    /// Done, nothing to say.
    Done,
    /// The track as it is now.
    Track(Box<proto::TrackInfo>),
    /// The member as it is now.
    Participant(Box<proto::ParticipantInfo>),
    /// The room as it is now.
    Room(Box<proto::Room>),
}

impl Room {
    fn identified(&self, identity: &str) -> Result<MemberKey, AdminError> {
        self.find(identity).ok_or_else(|| AdminError::NoSuchMember { identity: identity.to_owned() })
    }

    pub(crate) fn admin_remove(&mut self, now: Instant, identity: &str) -> Result<AdminReply, AdminError> {
        let key = self.identified(identity)?;
        self.expel(now, key, DisconnectReason::ParticipantRemoved, Action::Disconnect, false);
        Ok(AdminReply::Done)
    }

    /// Mutes a track: the publisher is told by `Mute`, the others by an update.
    pub(crate) fn admin_mute(
        &mut self,
        now: Instant,
        identity: &str,
        track_sid: &str,
        muted: bool,
    ) -> Result<AdminReply, AdminError> {
        let key = self.identified(identity)?;
        let missing = || AdminError::NoSuchTrack { sid: track_sid.to_owned() };
        let number = self.own_track(key, track_sid).ok_or_else(missing)?;
        let was_muted = self.tracks.get(&number).is_some_and(|track| track.info.muted);
        if was_muted != muted {
            if !muted && !self.settings.remote_unmute {
                return Err(AdminError::UnmuteDisabled);
            }
            let sid = track_sid.to_owned();
            self.send_or_owe(key, Message::Mute(proto::MuteTrackRequest { sid, muted }));
            self.set_muted(now, number, muted);
        }
        let track = self.tracks.get(&number).ok_or_else(missing)?;
        Ok(AdminReply::Track(Box::new(track.info.clone())))
    }

    pub(crate) fn admin_update(
        &mut self,
        now: Instant,
        request: proto::UpdateParticipantRequest,
    ) -> Result<AdminReply, AdminError> {
        let key = self.identified(&request.identity)?;
        let missing = || AdminError::NoSuchMember { identity: request.identity.clone() };
        let member = self.members.get_mut(&key).ok_or_else(missing)?;
        let change =
            IdentityChange { name: &request.name, metadata: &request.metadata, attributes: &request.attributes };
        let attributes = change.check(member, &self.settings.limits)?;
        change.apply(member, attributes);
        let old = request.permission.clone().and_then(|permission| self.set_permission(now, key, permission));
        self.announce(now, key, Urgency::NowWithSelf);
        if let Some(old) = old {
            self.apply_permission(now, key, &old);
        }
        self.identity_changed(key);
        let info = self.member_info(key).ok_or_else(missing)?;
        Ok(AdminReply::Participant(Box::new(info)))
    }

    /// Gives a member new rights and takes away what it publishes without right. Returns the old rights. Others must hear
    /// of the member before [`Room::apply_permission`] moves media.
    fn set_permission(
        &mut self,
        now: Instant,
        key: MemberKey,
        permission: proto::ParticipantPermission,
    ) -> Option<proto::ParticipantPermission> {
        let member = self.members.get_mut(&key)?;
        let old = std::mem::replace(&mut member.permission, permission.clone());
        let tracks = member.tracks.clone();
        if permission.hidden && !old.hidden {
            self.announce_vanished(now, key);
        }
        for number in tracks {
            let source = self.tracks.get(&number).map(Track::source);
            if source.is_some_and(|source| !may_publish(&permission, source)) {
                self.revoke_track(now, key, number);
            }
        }
        if !permission.can_publish_data {
            self.revoke_data_tracks(now, key);
        }
        Some(old)
    }

    /// Ends and begins what new rights forbid and allow.
    fn apply_permission(&mut self, now: Instant, key: MemberKey, old: &proto::ParticipantPermission) {
        let Some(member) = self.members.get(&key) else { return };
        let hidden_changed = member.is_hidden() != old.hidden;
        let recording_changed = member.is_recorder() != is_recorder(member.kind, old);
        if hidden_changed {
            self.reconcile_publisher(now, key);
            self.reconcile_data_publisher(key);
        }
        self.reconcile_subscriber(now, key);
        self.subscribe_to_existing_data_tracks(key);
        if recording_changed {
            self.send_room_update(now);
        } else {
            self.room_changed(now);
        }
        self.await_departure(now);
    }

    pub(crate) fn admin_subscriptions(
        &mut self,
        now: Instant,
        request: proto::UpdateSubscriptionsRequest,
    ) -> Result<AdminReply, AdminError> {
        let key = self.identified(&request.identity)?;
        let update = proto::UpdateSubscription {
            track_sids: request.track_sids,
            subscribe: request.subscribe,
            participant_tracks: request.participant_tracks,
        };
        self.on_subscription(now, key, &update);
        Ok(AdminReply::Done)
    }

    pub(crate) fn admin_metadata(&mut self, now: Instant, metadata: String) -> Result<AdminReply, AdminError> {
        BadText::check("metadata", metadata.len(), self.settings.limits.metadata_bytes)?;
        self.metadata = metadata;
        self.clock.tick();
        self.send_room_update(now);
        Ok(AdminReply::Room(Box::new(self.info())))
    }
}
