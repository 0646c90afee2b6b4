//! Coming and going: of members, and of the room itself (docs/protocol.md#lifetimes).

use std::time::Instant;

use livekit_protocol as proto;
use proto::DisconnectReason;
use proto::leave_request::Action;
use proto::participant_info::State;

use crate::agenda::Duty;
use crate::error::BadText;
use crate::member::{Member, is_dependent};
use crate::pending::Urgency;
use crate::room::Room;
use crate::{AdminError, AdminReply, JoinError, Joiner, MemberKey, Notice, Output, RoomEventKind};

/// From this protocol version on a client takes tracks before it is active (docs/protocol.md#protocol-versions).
const TAKES_EARLY_TRACKS: i32 = 8;

impl Room {
    /// Lets somebody in. The newest session of an identity wins: an older one is told to leave first.
    ///
    /// The new member is `JOINED`, others hear of it, and the tracks that it is to get are put out; its own notices are
    /// meant to follow the `JoinResponse`, which is made of [`Room::info`], [`Room::member_info`] and [`Room::others`].
    ///
    /// # Errors
    ///
    /// The room is closed or full, the identity comes too often, or a text of the joiner is empty or too long. Nothing
    /// has changed then.
    pub fn join(&mut self, now: Instant, joiner: Joiner) -> Result<MemberKey, JoinError> {
        self.check(&joiner)?;
        if !self.may_come(now, &joiner.identity) {
            return Err(JoinError::TooOften);
        }
        let key = self.numbers.member();
        let sid = self.sids.participant();
        let mut member = Member::new(key, sid, joiner, self.settings.region.clone(), self.unix_ms(now));
        member.state = State::Joined;
        member.touch();

        let mut urgency = Urgency::Batch;
        if let Some(old) = self.find(&member.identity) {
            let replaced = !member.is_hidden();
            if self.members.get(&old).is_some_and(|old| old.is_publisher) {
                // Its tracks have ended: nobody must wait for that.
                urgency = Urgency::Now;
            }
            self.expel(now, old, DisconnectReason::DuplicateIdentity, Action::Disconnect, replaced);
        }
        let recording_before = self.members.values().any(Member::is_recorder);
        let begins_recording = member.is_recorder() && !recording_before;
        if !member.is_dependent() {
            self.was_joined = true;
            self.agenda.cancel(Duty::Idle);
        }
        let takes_early_tracks = member.protocol() >= TAKES_EARLY_TRACKS;
        self.by_identity.insert(member.identity.clone(), key);
        self.by_sid.insert(member.sid.clone(), key);
        self.members.insert(key, member);
        self.agenda.set(Duty::JoinDeadline(key), now + self.settings.join_timeout);

        self.announce(now, key, urgency);
        if takes_early_tracks {
            self.subscribe_to_existing(now, key, true);
        }
        if begins_recording {
            self.send_room_update(now);
        } else {
            self.room_changed(now);
        }
        Ok(key)
    }

    /// Whether [`Self::join`] would let somebody in who comes seldom enough.
    ///
    /// # Errors
    ///
    /// Those of [`Self::join`].
    pub fn check(&self, joiner: &Joiner) -> Result<(), JoinError> {
        if self.closed {
            return Err(JoinError::Closed);
        }
        if joiner.identity.is_empty() {
            return Err(JoinError::IdentityEmpty);
        }
        let limits = &self.settings.limits;
        BadText::check_name("identity", &joiner.identity, limits.identity_bytes)?;
        BadText::check_name("name", &joiner.name, limits.name_bytes)?;
        BadText::check("metadata", joiner.metadata.len(), limits.metadata_bytes)?;
        BadText::check_attributes(&joiner.attributes, limits.attributes_bytes)?;

        let max = self.settings.max_participants;
        if max > 0 && !is_dependent(joiner.kind, &joiner.permission) {
            let others = self.members.values().filter(|member| member.identity != joiner.identity);
            let counted = others.filter(|member| !member.is_dependent()).count();
            if counted >= max as usize {
                return Err(JoinError::Full { max });
            }
        }
        Ok(())
    }

    /// The member's primary transport is up.
    pub(crate) fn on_active(&mut self, now: Instant, key: MemberKey) {
        let Some(member) = self.members.get_mut(&key) else { return };
        if member.is_active() {
            return;
        }
        member.state = State::Active;
        member.touch();
        self.agenda.cancel(Duty::JoinDeadline(key));
        self.agenda.set_no_later(Duty::Quality, now + self.settings.quality_interval);
        self.announce(now, key, Urgency::Batch);
        if let Some(info) = self.member_info(key) {
            self.event(RoomEventKind::ParticipantJoined(Box::new(info)));
        }
        self.subscribe_to_existing(now, key, false);
        self.release_held(now, key);
    }

    pub(crate) fn on_join_deadline(&mut self, now: Instant, key: MemberKey) {
        if self.members.get(&key).is_some_and(|member| !member.is_active()) {
            self.expel(now, key, DisconnectReason::JoinFailure, Action::Disconnect, false);
        }
    }

    pub(crate) fn on_leave(&mut self, now: Instant, key: MemberKey, reason: DisconnectReason) {
        self.remove(now, key, reason, false);
    }

    /// Tells a member to leave, and removes it.
    pub(crate) fn expel(
        &mut self,
        now: Instant,
        key: MemberKey,
        reason: DisconnectReason,
        action: Action,
        replaced: bool,
    ) {
        self.notify(key, Notice::Leave { reason, action });
        self.remove(now, key, reason, replaced);
    }

    /// Removes a member and everything of it.
    fn remove(&mut self, now: Instant, key: MemberKey, reason: DisconnectReason, replaced: bool) {
        let Some(info) = self.member_info(key) else { return };
        let Some(mut member) = self.members.remove(&key) else { return };
        if self.by_identity.get(&member.identity) == Some(&key) {
            self.by_identity.remove(&member.identity);
        }
        self.by_sid.remove(&member.sid);
        for duty in [Duty::JoinDeadline(key), Duty::Wishes(key), Duty::SimulatedSpeech(key), Duty::Announce(key)] {
            self.agenda.cancel(duty);
        }

        self.hush_departed(&member);
        self.announce_departure(now, &member, reason, replaced);
        for (_, subscription) in std::mem::take(&mut member.subscriptions) {
            self.forget_subscription(now, subscription);
        }
        for (track, awaited) in std::mem::take(&mut member.undecodable) {
            if let Some(codec) = awaited {
                self.forget_awaited(now, track, codec);
            }
        }
        for track in std::mem::take(&mut member.tracks) {
            self.end_track(track, &info);
        }
        self.forget_data_of(&mut member);
        self.fail_calls_to(key);

        let info = Box::new(proto::ParticipantInfo {
            state: State::Disconnected as i32,
            disconnect_reason: reason as i32,
            ..info
        });
        self.event(match member.is_active() {
            true => RoomEventKind::ParticipantLeft(info),
            false => RoomEventKind::ConnectionAborted(info),
        });
        if member.is_recorder() && !self.members.values().any(Member::is_recorder) {
            self.send_room_update(now);
        } else {
            self.room_changed(now);
        }
        self.await_departure(now);
    }

    /// Starts the departure clock when nobody who counts is left.
    pub(crate) fn await_departure(&mut self, now: Instant) {
        let anybody = self.members.values().any(|member| !member.is_dependent());
        if anybody {
            self.agenda.cancel(Duty::Idle);
        } else if self.was_joined && !self.closed && !self.agenda.is_set(Duty::Idle) {
            self.agenda.set(Duty::Idle, now + self.settings.departure_timeout);
        }
    }

    pub(crate) fn on_idle(&mut self, now: Instant) {
        if self.members.values().all(Member::is_dependent) {
            self.close(now, DisconnectReason::RoomClosed, Action::Disconnect);
        }
    }

    pub(crate) fn admin_close(&mut self, now: Instant, reason: DisconnectReason) -> Result<AdminReply, AdminError> {
        // Clients of a node that stops may find another one, or the next start of this one.
        let action = if reason == DisconnectReason::ServerShutdown { Action::Reconnect } else { Action::Disconnect };
        self.close(now, reason, action);
        Ok(AdminReply::Room(Box::new(self.info())))
    }

    /// Ends the room. Nobody hears of the others' going, all are told the same.
    fn close(&mut self, now: Instant, reason: DisconnectReason, action: Action) {
        let everyone: Vec<_> = self.members.keys().copied().collect();
        if !everyone.is_empty() {
            self.put_out(Output::Notify { to: everyone.clone(), notice: Notice::Leave { reason, action } });
        }
        // Nothing follows a `Leave`: without sockets and subscriptions they get none of the notices below.
        for key in &everyone {
            if let Some(member) = self.members.get_mut(key) {
                member.detached_since = Some(now);
                for (_, subscription) in std::mem::take(&mut member.subscriptions) {
                    self.forget_subscription(now, subscription);
                }
            }
        }
        for key in everyone {
            self.remove(now, key, reason, false);
        }
        self.closed = true;
        self.agenda.clear();
        self.put_out(Output::Closed);
    }
}
