//! Joins and resumes.

use std::time::Instant;

use livekit_protocol as proto;
use proto::leave_request::Action;
use proto::signal_request::Message as Ask;
use tutti_room::MemberKey;
use tutti_signal::{Session, Start};

use super::{Member, RoomCore};
use crate::input::{Note, Outgoing, Refusal, RoomOutput, Seat, SocketNumber};
use crate::join::{JoinError, JoinRequest};

impl RoomCore {
    /// Someone joins over a new socket, which is told nothing if this is refused.
    pub(super) fn join(
        &mut self,
        now: Instant,
        unix_ms: i64,
        request: JoinRequest,
        socket: SocketNumber,
        seat: &mut dyn FnMut(usize) -> Seat,
    ) -> Result<MemberKey, Refusal> {
        let client = request.joiner.client.clone();
        let permission = request.joiner.permission.clone();
        let identity = request.joiner.identity.clone();
        let key = self.room.join(now, request.joiner)?;
        let info = self.room.member_info(key).ok_or(Refusal::Error(JoinError::RoomFailed))?;
        let Seat { placement, ice_servers, seed } = seat(self.members.len());
        let shard = placement.shard;
        let session = Session::new(
            self.facts.clone(),
            Start {
                room: self.key,
                member: key,
                mode: request.mode,
                protocol: request.protocol,
                client,
                can_subscribe: permission.can_subscribe,
                can_publish: permission.can_publish,
                disable_ice_lite: request.disable_ice_lite,
                tcp_only: self.tcp_only.contains(&identity),
                placement,
                ice_servers,
                sif_trailer: self.sif_trailer.clone(),
                seed,
            },
        );
        let mut member = Member { session, socket: Some(socket), shard, deadline: None };
        self.note(Note::Joined { sid: info.sid.clone(), identity, mode: request.mode });
        member.session.begin(now, self.room.info(), info, self.room.others(key));
        self.members.insert(key, member);
        self.touched.insert(key);
        self.settle(now);
        for add_track in request.add_tracks {
            self.ask(now, unix_ms, key, Ask::AddTrack(add_track));
        }
        if let Some(offer) = request.publisher_offer {
            self.embedded_offer(now, key, offer);
        }
        Ok(key)
    }

    /// A client takes up its session over a new socket; the one it had is closed. If there is no such session, the new
    /// socket was told nothing.
    pub(super) fn resume(
        &mut self,
        now: Instant,
        unix_ms: i64,
        request: JoinRequest,
        socket: SocketNumber,
    ) -> Result<MemberKey, Refusal> {
        let sid = request.resume.map(|resume| resume.sid).unwrap_or_default();
        let identity = request.joiner.identity;
        let key = self.room.find(&identity).filter(|key| {
            let same = self.room.sid_of(*key).is_some_and(|known| sid.is_empty() || known == sid);
            same && self.members.get(key).is_some_and(|member| !member.session.ended())
        });
        let reason = proto::DisconnectReason::StateMismatch;
        let key = key.ok_or(Refusal::Leave { reason, action: Action::Reconnect })?;
        if !self.room.may_come(now, &identity) {
            return Err(tutti_room::JoinError::TooOften.into());
        }
        let last = self.room.last_reliable_sequence(key);
        if let Some(member) = self.members.get_mut(&key) {
            if let Some(old) = member.socket.replace(socket) {
                self.outputs.push_back(RoomOutput::Send { socket: old, outgoing: Outgoing::Close });
            }
            member.session.resume(now, last);
            self.outputs.push_back(RoomOutput::Note(Note::Resumed { sid, identity }));
        }
        self.touched.insert(key);
        self.settle(now);
        if let Some(offer) = request.publisher_offer {
            self.embedded_offer(now, key, offer);
        }
        if let Some(state) = request.sync_state {
            self.ask(now, unix_ms, key, Ask::SyncState(state));
        }
        Ok(key)
    }

    fn embedded_offer(&mut self, now: Instant, key: MemberKey, offer: proto::SessionDescription) {
        if let Some(member) = self.members.get_mut(&key) {
            member.session.handle_embedded_offer(now, offer);
            self.touched.insert(key);
            self.settle(now);
        }
    }

    fn ask(&mut self, now: Instant, unix_ms: i64, key: MemberKey, message: Ask) {
        if let Some(member) = self.members.get_mut(&key) {
            member.session.handle_request(unix_ms, proto::SignalRequest { message: Some(message) });
            self.touched.insert(key);
            self.settle(now);
        }
    }
}
