//! Who hears when about whom: publishers at once, the others collected (docs/protocol.md#participant-updates). Also the
//! room's own update.
//!
//! As long as an interval's budget of messages lasts, changes are announced at once, so that small rooms never wait; what
//! follows waits for the interval. Departures have a shorter interval of their own, because pending calls to a member
//! fail only when it is seen to be gone.

use std::time::Instant;

use livekit_protocol as proto;
use prost::Message as _;
use proto::signal_response::Message;

use crate::MemberKey;
use crate::agenda::Duty;
use crate::ledger::{UPDATE_BYTES, UPDATES};
use crate::member::Member;
use crate::pending::{Departed, Urgency};
use crate::room::Room;

/// Clients from this protocol version on know that a new session of an identity ends the old one
/// (docs/protocol.md#protocol-versions).
const KNOWS_IDENTITY_REJOIN: i32 = 12;

impl Room {
    /// Announces a member's new state.
    pub(crate) fn announce(&mut self, now: Instant, member: MemberKey, urgency: Urgency) {
        let Some(subject) = self.members.get(&member) else { return };
        let (hidden, publishes, attached) = (subject.is_hidden(), subject.is_publisher, subject.is_attached());
        if hidden {
            if urgency == Urgency::NowWithSelf && attached {
                self.send_infos(vec![member], vec![self.info_of(subject)]);
            }
            return;
        }
        if urgency == Urgency::Batch && !publishes {
            self.updates.changed.insert(member);
            if now >= self.updates.interval_end {
                self.updates.interval_end = now + self.settings.update_batch_interval;
                self.updates.burst = 0;
            }
            let burst = self.updates.burst + self.members.len();
            if self.updates.burst == 0 || burst <= self.settings.update_burst_messages {
                self.updates.burst = burst;
                self.flush_updates(now);
            } else {
                self.agenda.set_no_later(Duty::Updates, self.updates.interval_end);
            }
            return;
        }
        let info = self.info_of(subject);
        let cost = u32::try_from(1 + info.encoded_len() / UPDATE_BYTES).unwrap_or(u32::MAX).min(UPDATES.burst());
        let used = self.ledger.of(now, &info.identity);
        if !used.updates.take(now, UPDATES, cost) {
            let at = used.updates.ready_at(now, UPDATES, cost);
            self.over_limit.updates += 1;
            return self.agenda.set(Duty::Announce(member), at);
        }
        self.agenda.cancel(Duty::Announce(member));
        // An earlier session of the same identity whose end still waits to be told ends first.
        let departed = self.updates.take_departed(&info.identity);
        self.updates.forget(member);
        let to = if urgency == Urgency::NowWithSelf { self.audience() } else { self.audience_without(member) };
        self.send_changes(to, departed, vec![info]);
        self.offer_announced(now, member);
    }

    /// Announces that a member is gone. `replaced`: a visible new session of the same identity follows at once.
    pub(crate) fn announce_departure(
        &mut self,
        now: Instant,
        departed: &Member,
        reason: proto::DisconnectReason,
        replaced: bool,
    ) {
        self.updates.forget(departed.key);
        if departed.is_hidden() {
            return;
        }
        let info = departed.departed_info(reason);
        self.departures.record(now, info.clone());
        // It may go before it was announced itself: then nobody took the place of those before it.
        self.updates.nobody_follows(&info.identity);
        self.updates.departed.push(Departed { info, replaced });
        if departed.is_publisher && !replaced {
            self.flush_updates(now);
        } else if !replaced {
            let at = self.updates.departures_not_before.max(now);
            self.agenda.set_no_later(Duty::Updates, at);
            if at <= now {
                self.flush_updates(now);
            }
        }
    }

    /// A member that has just become hidden is gone for everyone else.
    pub(crate) fn announce_vanished(&mut self, now: Instant, member: MemberKey) {
        self.updates.forget(member);
        let Some(subject) = self.members.get_mut(&member) else { return };
        for number in &subject.tracks {
            if let Some(track) = self.tracks.get_mut(number) {
                track.announced = false;
            }
        }
        subject.touch();
        let info = subject.departed_info(proto::DisconnectReason::UnknownReason);
        subject.touch();
        self.departures.record(now, info.clone());
        self.updates.nobody_follows(&info.identity);
        let departed = self.updates.take_departed(&info.identity);
        let to = self.audience_without(member);
        self.send_changes(to, departed, vec![info]);
    }

    /// Announces everything that waits.
    pub(crate) fn flush_updates(&mut self, now: Instant) {
        self.agenda.cancel(Duty::Updates);
        let departed = std::mem::take(&mut self.updates.departed);
        let changed = std::mem::take(&mut self.updates.changed);
        if now >= self.updates.interval_end && !changed.is_empty() {
            self.updates.interval_end = now + self.settings.update_batch_interval;
            self.updates.burst = self.members.len();
        }
        self.updates.departures_not_before = now + self.settings.departure_batch_interval;
        let members = changed.iter().filter_map(|key| self.members.get(key)).filter(|member| !member.is_hidden());
        let infos = members.map(|member| self.info_of(member)).collect();
        let to = self.audience();
        self.send_changes(to, departed, infos);
        for member in changed {
            self.offer_announced(now, member);
        }
    }

    /// Sends who went and then who changed, so that a new session of an identity follows the end of the old one.
    fn send_changes(&mut self, to: Vec<MemberKey>, departed: Vec<Departed>, infos: Vec<proto::ParticipantInfo>) {
        if departed.iter().any(|departed| departed.replaced) {
            let knows = |key: &MemberKey| {
                self.members.get(key).is_some_and(|member| member.protocol() >= KNOWS_IDENTITY_REJOIN)
            };
            let (new, old): (Vec<_>, Vec<_>) = to.into_iter().partition(knows);
            let gone = departed.iter().filter(|departed| !departed.replaced).map(|departed| departed.info.clone());
            self.send_infos(new, gone.chain(infos.iter().cloned()).collect());
            self.send_infos(old, departed.into_iter().map(|departed| departed.info).chain(infos).collect());
        } else {
            self.send_infos(to, departed.into_iter().map(|departed| departed.info).chain(infos).collect());
        }
    }

    /// Sends infos in messages of limited size.
    pub(crate) fn send_infos(&mut self, to: Vec<MemberKey>, infos: Vec<proto::ParticipantInfo>) {
        if to.is_empty() || infos.is_empty() {
            return;
        }
        let mut chunk = Vec::new();
        let mut chunk_bytes = 0;
        for info in infos {
            let bytes = info.encoded_len();
            if !chunk.is_empty() && chunk_bytes + bytes > self.settings.update_batch_bytes_max {
                let participants = std::mem::take(&mut chunk);
                self.broadcast(to.clone(), Message::Update(proto::ParticipantUpdate { participants }));
                chunk_bytes = 0;
            }
            chunk_bytes += bytes;
            chunk.push(info);
        }
        self.broadcast(to, Message::Update(proto::ParticipantUpdate { participants: chunk }));
    }

    /// Notes that the room's counts changed; they are sent when the interval allows.
    pub(crate) fn room_changed(&mut self, now: Instant) {
        self.clock.tick();
        self.agenda.set_no_later(Duty::RoomUpdate, self.room_update_not_before.max(now));
    }

    /// Sends the room to everyone now.
    pub(crate) fn send_room_update(&mut self, now: Instant) {
        self.agenda.cancel(Duty::RoomUpdate);
        self.room_update_not_before = now + self.settings.room_update_interval;
        let to = self.audience();
        let room = self.info();
        self.broadcast(to, Message::RoomUpdate(proto::RoomUpdate { room: Some(room) }));
    }
}
