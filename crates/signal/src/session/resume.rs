//! A new socket takes up the session: the client's identity, tracks and connections stay (docs/protocol.md#resume).

use std::time::Instant;

use livekit_protocol as proto;
use proto::signal_response::Message;
use tutti_room::Request;

use super::simulate::NextResume;
use super::{Mode, Output, Session, TOKEN_REFRESH_INTERVAL};

/// What the next resume shall be like, and one under way.
#[derive(Debug)]
pub(super) struct Resuming {
    /// Offer candidates over TCP only from then on.
    pub(super) tcp_only: bool,
    /// What it shall simulate.
    pub(super) simulated: NextResume,
    /// A new socket was taken up, and the room's words come before the rest of ours.
    catching_up: Option<NextResume>,
}

impl Resuming {
    pub(super) fn new(tcp_only: bool) -> Self {
        Self { tcp_only, simulated: NextResume::Normal, catching_up: None }
    }
}

impl Session {
    /// Says `ReconnectResponse` and has the room tell everything that the client missed. What may name those it missed
    /// waits for that: [`Session::flush`] says it. `last_message_seq` is the last reliable packet that the room took
    /// from this client.
    pub fn resume(&mut self, now: Instant, last_message_seq: u32) {
        if self.ended {
            return;
        }
        self.out.attach();
        self.media.came_again();
        let simulated = std::mem::take(&mut self.resuming.simulated);
        if simulated == NextResume::CloseBeforeMessages {
            self.out.close_socket();
            return;
        }
        self.out.respond(Message::Reconnect(proto::ReconnectResponse {
            ice_servers: self.start.ice_servers.clone(),
            client_configuration: Some(self.client_configuration()),
            server_info: Some(self.facts.server_info.clone()),
            last_message_seq,
        }));
        self.out.room(Request::Resumed);
        self.links.forget_asked();
        self.links.choose_candidates(&self.start, &self.peer, self.resuming.tcp_only);
        self.media.resumes(now);
        self.token_due = Some(now + TOKEN_REFRESH_INTERVAL);
        self.resuming.catching_up = Some(simulated);
    }

    /// The rest of a resume, after the room's own words: clients drop media of a participant that they do not know
    /// (docs/protocol.md#resume), so the offer that restarts ICE comes last.
    pub(super) fn catch_up(&mut self) {
        let Some(simulated) = self.resuming.catching_up.take().filter(|_| self.out.is_attached()) else { return };
        self.out.put(Output::RefreshToken);
        if simulated == NextResume::CloseAfterMessages {
            self.out.close_socket();
        } else if self.start.mode == Mode::Dual {
            self.links.restart_subscriber(&mut self.out);
        }
    }
}
