//! A new socket takes up the session: the client's identity, tracks and connections stay (docs/protocol.md#resume).

use std::time::Instant;

use livekit_protocol as proto;
use proto::signal_response::Message;
use tutti_room::Request;

use super::simulate::NextResume;
use super::{Mode, Output, Session};

impl Session {
    /// Says `ReconnectResponse` and has the room tell everything that the client missed. What may name those it missed
    /// waits for that: [`Session::flush`] says it. `last_message_seq` is the last reliable packet that the room took
    /// from this client.
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
            ice_servers: self.start.ice_servers.clone(),
            client_configuration: Some(self.client_configuration()),
            server_info: Some(self.facts.server_info.clone()),
            last_message_seq,
        }));
        self.outputs.push_back(Output::Room(Request::Resumed));
        self.forget_asked();
        self.choose_candidates();
        if self.give_up.is_some() {
            // The client answers with fresh checks; it has as long as a new client's media has.
            self.give_up = Some(now + super::FAILED_MEDIA_GRACE * 3);
        }
        self.token_due = Some(now + super::TOKEN_REFRESH_INTERVAL);
        self.catching_up = Some(simulated);
    }

    /// The rest of a resume, after the room's own words: clients drop media of a participant that they do not know
    /// (docs/protocol.md#resume), so the offer that restarts ICE comes last.
    pub(super) fn catch_up(&mut self) {
        let Some(simulated) = self.catching_up.take().filter(|_| self.attached) else { return };
        self.outputs.push_back(Output::RefreshToken);
        if simulated == NextResume::CloseAfterMessages {
            self.drop_socket();
        } else if self.start.mode == Mode::Dual {
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
