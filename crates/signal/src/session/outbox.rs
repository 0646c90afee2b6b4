//! What leaves the dialogue, in the order in which it was decided. Knows whether a socket holds the session, and which
//! messages its client can read.

use std::collections::VecDeque;
use std::sync::Arc;

use livekit_protocol as proto;
use proto::signal_response::Message;
use tutti_forward::ForwardCommand;
use tutti_room::Request;
use tutti_transport::{TransportCommand, TransportId};

use super::{Output, Start};
use crate::Frame;
use crate::negotiation::Peer;

/// The outputs that were not taken yet.
pub(super) struct Outbox {
    queue: VecDeque<Output>,
    /// A socket holds the session: what is said reaches the client.
    attached: bool,
    peer: Peer,
    protocol: u32,
}

impl Outbox {
    /// Nothing was said; the socket of the join holds the session.
    pub(super) fn new(start: &Start, peer: Peer) -> Self {
        Self { queue: VecDeque::new(), attached: true, peer, protocol: start.protocol }
    }

    pub(super) fn poll(&mut self) -> Option<Output> {
        self.queue.pop_front()
    }

    pub(super) fn put(&mut self, output: Output) {
        self.queue.push_back(output);
    }

    pub(super) fn room(&mut self, request: Request) {
        self.put(Output::Room(request));
    }

    pub(super) fn transport(&mut self, id: TransportId, command: TransportCommand) {
        self.put(Output::Transport(id, command));
    }

    pub(super) fn forward(&mut self, id: TransportId, command: ForwardCommand) {
        self.put(Output::Forward(id, command));
    }

    pub(super) fn refused(&mut self, what: &'static str, why: String) {
        self.put(Output::Refused { what, why });
    }

    /// Says something to the client, if it is there and can read it.
    pub(super) fn respond(&mut self, message: Message) {
        self.pass_on(&Arc::new(Frame::new(message)));
    }

    /// As [`Self::respond`], for a message that others get too.
    pub(super) fn pass_on(&mut self, frame: &Arc<Frame>) {
        if self.attached && frame.message().is_some_and(|message| self.understands(message)) {
            self.put(Output::Respond(frame.clone()));
        }
    }

    /// Old clients cannot decode messages that they do not know (docs/protocol.md#client-quirks,
    /// docs/protocol.md#subscribing).
    fn understands(&self, message: &Message) -> bool {
        match message {
            Message::RequestResponse(response) if response.reason == 0 => self.protocol >= 15,
            Message::RequestResponse(_) | Message::TrackSubscribed(_) => self.peer.takes_unknown_messages(),
            Message::Reconnect(_) => self.peer.takes_reconnect_response(),
            _ => true,
        }
    }

    pub(super) fn is_attached(&self) -> bool {
        self.attached
    }

    /// Another socket holds the session.
    pub(super) fn attach(&mut self) {
        self.attached = true;
    }

    /// The socket is gone.
    pub(super) fn detach(&mut self) {
        self.attached = false;
    }

    /// Closes the socket; what the client does next decides whether the session goes on.
    pub(super) fn close_socket(&mut self) {
        if std::mem::take(&mut self.attached) {
            self.put(Output::CloseSocket);
        }
    }
}
