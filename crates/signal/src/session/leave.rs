//! The last words to a client, and what happens when its media or its socket goes away first.

use std::time::Instant;

use livekit_protocol as proto;
use proto::leave_request::Action;
use proto::signal_response::Message;
use tutti_room::Request;
use tutti_transport::TransportCommand;

use super::{FAILED_MEDIA_GRACE, LEAVE_OVERTAKEN, Output, Session};

impl Session {
    /// The client's socket is gone. Its media goes on; a client that never had any is gone too
    /// (docs/protocol.md#resume).
    pub fn handle_socket_gone(&mut self) {
        if self.ended || !self.attached {
            return;
        }
        self.attached = false;
        if self.active {
            self.outputs.push_back(Output::Room(Request::Detached));
        } else {
            self.outputs.push_back(Output::Room(Request::Leave(proto::DisconnectReason::SignalClose)));
            self.end();
        }
    }

    /// The node or the room puts the client out, or tells it to come again.
    pub(super) fn leave(&mut self, reason: proto::DisconnectReason, action: Action) {
        self.say_leave(reason, action);
        self.end();
    }

    /// `Leave` and the end of the socket, but not of the session.
    pub(super) fn say_leave(&mut self, reason: proto::DisconnectReason, action: Action) {
        self.respond(Message::Leave(proto::LeaveRequest {
            can_reconnect: action != Action::Disconnect,
            reason: reason as i32,
            action: action as i32,
            regions: None,
        }));
        self.drop_socket();
    }

    /// Closes the socket; what the client does next decides whether the session goes on.
    pub(super) fn drop_socket(&mut self) {
        if self.attached {
            self.attached = false;
            self.outputs.push_back(Output::CloseSocket);
        }
    }

    /// A description broke the rules or the state of both sides differs: the client has to begin anew.
    pub(super) fn give_up_on_state(&mut self) {
        self.say_leave(proto::DisconnectReason::StateMismatch, Action::Reconnect);
        self.outputs.push_back(Output::Room(Request::Leave(proto::DisconnectReason::StateMismatch)));
        self.end();
    }

    /// A transport gave up: if the client is not about to leave it is asked to resume, and given up if it does not.
    pub(super) fn media_failed(&mut self, now: Instant) {
        self.ask_to_resume.get_or_insert(now + LEAVE_OVERTAKEN);
        self.give_up.get_or_insert(now + FAILED_MEDIA_GRACE);
    }

    /// No `Leave` followed the end of the media.
    pub(super) fn media_stays_away(&mut self) {
        if self.attached {
            self.say_leave(proto::DisconnectReason::ConnectionTimeout, Action::Resume);
            self.outputs.push_back(Output::Room(Request::Detached));
        }
    }

    /// Closes everything that is still open.
    pub(super) fn end(&mut self) {
        if self.ended {
            return;
        }
        self.ended = true;
        self.drop_socket();
        self.token_due = None;
        self.ask_to_resume = None;
        self.give_up = None;
        self.held_offer = None;
        let links = [Some(&self.publisher), self.subscriber.as_ref()];
        for link in links.into_iter().flatten().filter(|link| link.opened) {
            self.outputs.push_back(Output::Transport(link.id, TransportCommand::Close));
        }
        self.outputs.push_back(Output::Ended);
    }
}
