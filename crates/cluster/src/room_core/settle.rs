//! Handing on: the room's outputs go to the dialogues, theirs to the room, the sockets and the media plane, until all
//! are silent. The heart of a room: whatever follows from an input happens here.

use std::sync::Arc;
use std::time::Instant;

use livekit_protocol as proto;
use tutti_media::MediaCommand;
use tutti_room::{MemberKey, Notice, Output as Said, Request};
use tutti_signal::{Frame, Output as Spoken};
use tutti_transport::{Channel, TransportCommand, data_weight};

use super::RoomCore;
use crate::input::{Answer, Note, Outgoing, RoomOutput, Ticket};

/// Identities of one room remembered for joining over TCP.
const TCP_ONLY_MAX: usize = 1024;

impl RoomCore {
    /// Hands everything on until the room and all touched dialogues are silent.
    pub(super) fn settle(&mut self, now: Instant) {
        self.drain_room(now);
        for key in self.touched.iter().copied().collect::<Vec<_>>() {
            self.drain_session(now, key);
            self.drain_room(now);
        }
    }

    pub(super) fn drain_room(&mut self, now: Instant) {
        while let Some(said) = self.room.poll_output() {
            match said {
                Said::Notify { to, notice } => self.notify(now, &to, notice),
                Said::Data { to, delivery, payload } => {
                    for key in to {
                        if let Some(member) = self.members.get_mut(&key) {
                            member.session.send_data(now, delivery, payload.clone());
                            self.drain_session(now, key);
                        }
                    }
                }
                Said::DataTrackPacket { to, payload } => {
                    if let Some(member) = self.members.get_mut(&to) {
                        member.session.send_data_track(payload);
                        self.drain_session(now, to);
                    }
                }
                Said::Called { call, outcome } => {
                    let (ticket, answer) = (Ticket(call.0), Answer::Called(outcome));
                    self.outputs.push_back(RoomOutput::Answer { ticket, answer });
                }
                Said::Event(kind) => self.record(now, kind),
                Said::Closed => self.end(now, proto::DisconnectReason::RoomClosed),
            }
        }
    }

    fn notify(&mut self, now: Instant, to: &[MemberKey], notice: Notice) {
        match notice {
            Notice::Send(message) => {
                let frame = Arc::new(Frame::new(*message));
                for key in to {
                    if let Some(member) = self.members.get_mut(key) {
                        member.session.pass_on(&frame);
                        self.touched.insert(*key);
                        self.drain_session(now, *key);
                    }
                }
            }
            notice => {
                for key in to {
                    match &notice {
                        Notice::TrackAccepted { track, .. } => {
                            self.publishers.insert(*track, *key);
                        }
                        Notice::TrackRemoved { track, .. } => {
                            self.publishers.remove(track);
                        }
                        Notice::Subscribe(subscribe) => {
                            self.subscribers.insert(subscribe.subscription, *key);
                        }
                        Notice::Unsubscribe(subscription) => {
                            self.subscribers.remove(subscription);
                        }
                        _ => {}
                    }
                    if let Some(member) = self.members.get_mut(key) {
                        member.session.handle_notice(now, notice.clone());
                        self.touched.insert(*key);
                        self.drain_session(now, *key);
                    }
                }
            }
        }
    }

    pub(super) fn drain_session(&mut self, now: Instant, key: MemberKey) {
        loop {
            let Some(member) = self.members.get_mut(&key) else { return };
            let Some(output) = member.session.poll_output() else { return };
            match output {
                Spoken::Respond(frame) => {
                    if let Some(socket) = member.socket {
                        self.outputs.push_back(RoomOutput::Send { socket, outgoing: Outgoing::Message(frame) });
                    }
                }
                Spoken::RefreshToken => {
                    if let (Some(socket), Some(info)) = (member.socket, self.room.member_info(key)) {
                        let outgoing = Outgoing::RefreshToken(Box::new(info));
                        self.outputs.push_back(RoomOutput::Send { socket, outgoing });
                    }
                }
                Spoken::Room(request) => {
                    if let Request::Unpublish(track) = &request {
                        self.publishers.remove(track);
                    }
                    self.room.handle(now, key, request);
                }
                Spoken::Transport(id, command) => {
                    if let TransportCommand::Send { channel: Channel::Reliable, payload } = &command {
                        self.flow.handed(id, data_weight(payload.len()));
                    }
                    let command = MediaCommand::Transport { shard: member.shard, id, command };
                    self.outputs.push_back(RoomOutput::Media(command));
                }
                Spoken::Forward(transport, command) => {
                    self.outputs.push_back(RoomOutput::Media(MediaCommand::Forward { transport, command }));
                }
                Spoken::PreferTcp(tcp) => self.prefer_tcp(key, tcp),
                Spoken::CloseSocket => {
                    if let Some(socket) = member.socket.take() {
                        self.outputs.push_back(RoomOutput::Send { socket, outgoing: Outgoing::Close });
                    }
                }
                Spoken::Refused { what, why } => {
                    let identity = self.room.identity_of(key).unwrap_or_default().to_owned();
                    self.outputs.push_back(RoomOutput::Note(Note::Refused { identity, what, why }));
                }
                Spoken::MediaFailed(reason) => {
                    let identity = self.room.identity_of(key).unwrap_or_default().to_owned();
                    self.outputs.push_back(RoomOutput::Note(Note::MediaFailed { identity, reason }));
                }
                Spoken::Ended => self.remove(now, key),
            }
        }
    }

    fn prefer_tcp(&mut self, key: MemberKey, tcp: bool) {
        let Some(identity) = self.room.identity_of(key) else { return };
        if !tcp {
            self.tcp_only.remove(identity);
        } else if self.tcp_only.len() < TCP_ONLY_MAX {
            self.tcp_only.insert(identity.to_owned());
        }
    }
}
