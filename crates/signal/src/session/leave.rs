//! The last words to a client, and what happens when its media or its socket goes away first.

use livekit_protocol as proto;
use proto::leave_request::Action;
use proto::signal_response::Message;
use tutti_room::Request;

use super::{Output, Session};

impl Session {
    /// The client's socket is gone. Its media goes on; a client that never had any is gone too
    /// (docs/protocol.md#resume).
    pub fn handle_socket_gone(&mut self) {
        if self.ended || !self.out.is_attached() {
            return;
        }
        self.out.detach();
        if self.active {
            self.out.room(Request::Detached);
        } else {
            self.out.room(Request::Leave(proto::DisconnectReason::SignalClose));
            self.end();
        }
    }

    /// The node or the room puts the client out, or tells it to come again.
    pub(super) fn leave(&mut self, reason: proto::DisconnectReason, action: Action) {
        self.say_leave(reason, action);
        self.end();
    }

    /// `Leave` and the end of the socket, but not of the session.
    fn say_leave(&mut self, reason: proto::DisconnectReason, action: Action) {
        self.out.respond(Message::Leave(proto::LeaveRequest {
            can_reconnect: action != Action::Disconnect,
            reason: reason as i32,
            action: action as i32,
            regions: None,
        }));
        self.out.close_socket();
    }

    /// A description broke the rules or the state of both sides differs: the client has to begin anew.
    pub(super) fn give_up_on_state(&mut self) {
        self.say_leave(proto::DisconnectReason::StateMismatch, Action::Reconnect);
        self.out.room(Request::Leave(proto::DisconnectReason::StateMismatch));
        self.end();
    }

    /// No `Leave` followed the end of the media: the client shall resume.
    pub(super) fn ask_to_resume(&mut self) {
        if self.out.is_attached() {
            self.say_leave(proto::DisconnectReason::ConnectionTimeout, Action::Resume);
            self.out.room(Request::Detached);
        }
    }

    /// The media did not come back in time.
    pub(super) fn give_up_on_media(&mut self) {
        self.out.room(Request::Leave(proto::DisconnectReason::ConnectionTimeout));
        self.end();
    }

    /// Closes everything that is still open.
    pub(super) fn end(&mut self) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.out.close_socket();
        self.token_due = None;
        self.media.stop();
        self.held_offer = None;
        self.links.close(&mut self.out);
        self.out.put(Output::Ended);
    }
}
