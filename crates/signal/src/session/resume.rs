//! A new socket takes up the session: the client's identity, tracks and connections stay (wire brief 2.10).

use std::time::Instant;

use livekit_protocol as proto;
use proto::signal_response::Message;
use tutti_room::Request;

use super::simulate::NextResume;
use super::{Mode, Session};

impl Session {
    /// Says `ReconnectResponse` first, has the room tell everything else, and restarts ICE on the connection that the
    /// server offers. `last_message_seq` is the last reliable packet that the room took from this client.
    pub fn resume(&mut self, now: Instant, last_message_seq: u32) {
        if self.ended {
            return;
        }
        self.attached = true;
        self.ask_to_resume = None;
        let simulated = std::mem::take(&mut self.simulated_resume);
        if simulated == NextResume::CloseBeforeMessages {
            self.drop_socket();
            return;
        }
        self.respond(Message::Reconnect(proto::ReconnectResponse {
            ice_servers: self.facts.ice_servers.clone(),
            client_configuration: Some(self.client_configuration()),
            server_info: Some(self.facts.server_info.clone()),
            last_message_seq,
        }));
        self.outputs.push_back(super::Output::Room(Request::Resumed));
        self.forget_asked();
        self.choose_candidates();
        self.refresh_token(now);
        if self.give_up.is_some() {
            // The client answers with fresh checks; it has as long as a new client's media has.
            self.give_up = Some(now + super::FAILED_MEDIA_GRACE * 3);
        }
        if simulated == NextResume::CloseAfterMessages {
            self.drop_socket();
            return;
        }
        if self.start.mode == Mode::Dual {
            self.restart_subscriber();
        }
    }

    /// Whether another socket holds the session now.
    pub fn attached(&self) -> bool {
        self.attached
    }

    /// Whether the dialogue is over.
    pub fn ended(&self) -> bool {
        self.ended
    }
}
