//! Data packets: who may send what to whom (docs/protocol.md#data). The bytes are patched in [`crate::packet`].

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use livekit_protocol as proto;
use prost::Message as _;

use crate::ledger::{DATA, DATA_BYTES, RELIABLE};
use crate::member::{Held, Member};
use crate::packet::{Envelope, Stamp, announces_text, field, stamped, transcribes_a_track};
use crate::room::Room;
use crate::{AdminError, AdminReply, Delivery, MemberKey, Output};

/// How long a reliable packet waits for a member to become active (docs/protocol.md#data-channels).
const HELD_FOR: Duration = Duration::from_secs(2);

impl Room {
    /// An encoded `DataPacket` from a member. What may not be sent, is not a packet or came before is dropped.
    pub(crate) fn on_data(&mut self, now: Instant, key: MemberKey, delivery: Delivery, payload: Bytes) {
        let Some(member) = self.members.get(&key) else { return };
        let Ok(envelope) = Envelope::read(&payload) else { return };
        let sequenced = delivery == Delivery::Reliable && envelope.sequence > 0;
        if sequenced && envelope.sequence <= member.last_reliable {
            return;
        }
        // Whoever is called may answer.
        if self.takes_rpc(key, envelope.value, &payload) {
            if let Some(member) = self.members.get_mut(&key).filter(|_| sequenced) {
                member.last_reliable = envelope.sequence;
            }
            return;
        }
        let Some(member) = self.members.get(&key).filter(|member| member.permission.can_publish_data) else { return };
        let for_another = !envelope.participant_identity.is_empty() && envelope.participant_identity != member.identity;
        let generated = member.is_agent()
            && for_another
            && match envelope.value {
                field::CHAT_MESSAGE => true,
                field::STREAM_HEADER => announces_text(&payload),
                _ => false,
            };
        let (identity, sid) = member.signature();
        let identity = if generated { envelope.participant_identity } else { identity };
        let lossy = delivery == Delivery::Lossy;
        let Ok(stamped) = stamped(&payload, Stamp { identity, sid, lossy, generated }) else { return };
        let may_pass = match envelope.value {
            field::SPEAKER => false,
            field::TRANSCRIPTION => member.is_agent() && transcribes_a_track(&payload),
            _ => true,
        };
        let to = match envelope.value {
            field::METRICS => self.takers_of_metrics(key),
            _ => self.receivers(Some(key), &envelope.to_identities, &envelope.to_sids),
        };
        let is_new = self.nonces.is_new(envelope.nonce);
        if let Some(member) = self.members.get_mut(&key).filter(|_| sequenced) {
            member.last_reliable = envelope.sequence;
        }
        if may_pass && is_new {
            self.send_out(now, key, to, delivery, stamped);
        }
    }

    /// A message on a channel of the application's own goes to everyone else, as a reliable `user` packet.
    pub(crate) fn on_application_data(&mut self, now: Instant, key: MemberKey, payload: Bytes) {
        let Some(member) = self.members.get(&key).filter(|member| member.permission.can_publish_data) else { return };
        let user = proto::UserPacket { payload: payload.into(), ..Default::default() };
        let packet = proto::DataPacket { value: Some(proto::data_packet::Value::User(user)), ..Default::default() };
        let (identity, sid) = member.signature();
        let stamp = Stamp { identity, sid, lossy: false, generated: false };
        let Ok(stamped) = stamped(&packet.encode_to_vec(), stamp) else { return };
        let to = self.receivers(Some(key), &[], &[]);
        self.send_out(now, key, to, Delivery::Reliable, stamped);
    }

    /// Lossy packets beyond the sender's rate are dropped; reliable ones are sent, and the sender has to wait, see
    /// [`Room::data_ready_at`].
    fn send_out(&mut self, now: Instant, key: MemberKey, to: Vec<MemberKey>, delivery: Delivery, packet: Vec<u8>) {
        match delivery {
            Delivery::Lossy if !self.may_send(now, key, to.len(), packet.len()) => return,
            Delivery::Lossy => {}
            Delivery::Reliable => self.charge(now, key, to.len(), packet.len()),
        }
        self.deliver(now, to, delivery, Bytes::from(packet));
    }

    /// Whether a member may send `bytes` to `receivers` others now. It counts as sent.
    pub(crate) fn may_send(&mut self, now: Instant, key: MemberKey, receivers: usize, bytes: usize) -> bool {
        let Some(member) = self.members.get(&key) else { return false };
        let cost = datagrams(receivers, bytes).min(DATA.burst());
        let may = self.ledger.of(now, &member.identity).data.take(now, DATA, cost);
        self.over_limit.data += u64::from(!may);
        may
    }

    /// A member sends `bytes` to `receivers` others reliably.
    fn charge(&mut self, now: Instant, key: MemberKey, receivers: usize, bytes: usize) {
        let Some(member) = self.members.get(&key) else { return };
        let used = self.ledger.of(now, &member.identity);
        used.reliable.charge(now, RELIABLE, datagrams(receivers, bytes));
        self.over_limit.data_slowed += u64::from(used.reliable.ready_at(now, RELIABLE, 0) > now);
    }

    /// When a member has earned what it sent reliably, if not yet: what it sent last should hold it up until then.
    pub fn data_ready_at(&mut self, now: Instant, key: MemberKey) -> Option<Instant> {
        let member = self.members.get(&key)?;
        let ready = self.ledger.of(now, &member.identity).reliable.ready_at(now, RELIABLE, 0);
        Some(ready).filter(|at| *at > now)
    }

    /// Those a packet is for, but never its sender. No destination = everyone.
    fn receivers(&self, sender: Option<MemberKey>, identities: &[&str], sids: &[&str]) -> Vec<MemberKey> {
        if identities.is_empty() && sids.is_empty() {
            return self.members.keys().copied().filter(|key| Some(*key) != sender).collect();
        }
        let by_identity = identities.iter().filter_map(|identity| self.by_identity.get(*identity));
        let by_sid = sids.iter().filter_map(|sid| self.by_sid.get(*sid));
        let keys: BTreeSet<_> = by_identity.chain(by_sid).copied().filter(|key| Some(*key) != sender).collect();
        keys.into_iter().collect()
    }

    fn takers_of_metrics(&self, sender: MemberKey) -> Vec<MemberKey> {
        let takers = self.members.values().filter(|member| member.permission.can_subscribe_metrics);
        takers.map(|member| member.key).filter(|key| *key != sender).collect()
    }

    /// Sends to active members; keeps reliable packets for a while for those who are about to be.
    pub(crate) fn deliver(&mut self, now: Instant, mut to: Vec<MemberKey>, delivery: Delivery, payload: Bytes) {
        let bytes_max = self.settings.limits.held_data_bytes;
        to.retain(|key| match self.members.get_mut(key) {
            Some(member) if member.is_active() => true,
            Some(member) if delivery == Delivery::Reliable => {
                member.hold(now, payload.clone(), bytes_max);
                false
            }
            _ => false,
        });
        if !to.is_empty() {
            self.put_out(Output::Data { to, delivery, payload });
        }
    }

    /// The member is active: what was kept for it goes out.
    pub(crate) fn release_held(&mut self, now: Instant, key: MemberKey) {
        let Some(member) = self.members.get_mut(&key) else { return };
        member.held_bytes = 0;
        for held in std::mem::take(&mut member.held) {
            if held.at + HELD_FOR >= now {
                self.put_out(Output::Data { to: vec![key], delivery: Delivery::Reliable, payload: held.payload });
            }
        }
    }

    /// Whom the server API sends a packet to.
    pub fn receivers_of(&self, request: &proto::SendDataRequest) -> Vec<MemberKey> {
        let identities: Vec<_> = request.destination_identities.iter().map(String::as_str).collect();
        #[expect(deprecated, reason = "older server SDKs name sids")]
        let sids: Vec<_> = request.destination_sids.iter().map(String::as_str).collect();
        self.receivers(None, &identities, &sids)
    }

    /// The server API sends a packet, in nobody's name and outside of every sequence.
    pub(crate) fn admin_send_data(
        &mut self,
        now: Instant,
        request: proto::SendDataRequest,
    ) -> Result<AdminReply, AdminError> {
        if !self.nonces.is_new(&request.nonce) {
            return Ok(AdminReply::Done);
        }
        let delivery = match request.kind() {
            proto::data_packet::Kind::Reliable => Delivery::Reliable,
            proto::data_packet::Kind::Lossy => Delivery::Lossy,
        };
        let to = self.receivers_of(&request);
        #[expect(deprecated, reason = "older clients read the inner fields")]
        let packet = proto::DataPacket {
            kind: request.kind,
            destination_identities: request.destination_identities.clone(),
            value: Some(proto::data_packet::Value::User(proto::UserPacket {
                payload: request.data,
                destination_identities: request.destination_identities,
                topic: request.topic,
                nonce: request.nonce,
                ..Default::default()
            })),
            ..Default::default()
        };
        self.deliver(now, to, delivery, Bytes::from(packet.encode_to_vec()));
        Ok(AdminReply::Done)
    }
}

/// Datagrams that a message to so many makes.
fn datagrams(receivers: usize, bytes: usize) -> u32 {
    u32::try_from(receivers.max(1) * (1 + bytes / DATA_BYTES)).unwrap_or(u32::MAX)
}

impl Member {
    /// What stands on its packets: nothing where others do not see it.
    fn signature(&self) -> (&str, &str) {
        if self.is_hidden() { ("", "") } else { (&self.identity, &self.sid) }
    }

    /// Keeps a packet; the oldest ones give way.
    fn hold(&mut self, now: Instant, payload: Bytes, bytes_max: usize) {
        self.held_bytes += payload.len();
        self.held.push_back(Held { at: now, payload });
        while self.held_bytes > bytes_max || self.held.front().is_some_and(|held| held.at + HELD_FOR < now) {
            let Some(dropped) = self.held.pop_front() else { break };
            self.held_bytes = self.held_bytes.saturating_sub(dropped.payload.len());
        }
    }
}
