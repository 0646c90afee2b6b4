//! A joined client's end of its session.

use std::sync::Arc;

use livekit_protocol as proto;
use proto::leave_request::Action;
use proto::signal_response::Message;
use tokio::sync::mpsc;
use tutti_signal::Frame;

use crate::input::{Outgoing, RoomInput, SocketAddress};
use crate::lanes::WayBack;
use crate::shared::Directory;

/// A joined client's end of its session.
pub struct Attached {
    /// Where its requests go. Dropping it tells the room that the socket is gone.
    pub requests: RequestSender,
    /// What to send it; ends when the session ends or another socket takes over. The first message is a
    /// `JoinResponse`, a `ReconnectResponse` or a `LeaveRequest`.
    pub responses: mpsc::Receiver<Outgoing>,
}

impl Attached {
    /// The end of a session that a room has begun or taken up.
    pub(crate) fn new(directory: Arc<Directory>, address: SocketAddress, responses: mpsc::Receiver<Outgoing>) -> Self {
        Self { requests: RequestSender { to: Some((directory, address)) }, responses }
    }

    /// A socket that only ever hears why it was refused.
    pub(crate) fn refused(reason: proto::DisconnectReason, action: Action) -> Self {
        let leave = proto::LeaveRequest {
            can_reconnect: action != Action::Disconnect,
            reason: reason as i32,
            action: action as i32,
            regions: None,
        };
        let (queue, responses) = mpsc::channel(2);
        for outgoing in [Outgoing::Message(Arc::new(Frame::new(Message::Leave(leave)))), Outgoing::Close] {
            let _ = queue.try_send(outgoing);
        }
        Self { requests: RequestSender { to: None }, responses }
    }
}

/// Sends one client's requests to its room, wherever that is.
pub struct RequestSender {
    /// `None`: nobody.
    to: Option<(Arc<Directory>, SocketAddress)>,
}

/// The room is over; the socket should close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the room is over")]
pub struct RoomOver;

impl RequestSender {
    /// Hands a request over, waiting while the room is busy.
    ///
    /// # Errors
    /// The room is over.
    pub async fn send(&self, request: proto::SignalRequest) -> Result<(), RoomOver> {
        let (directory, address) = self.to.as_ref().ok_or(RoomOver)?;
        let SocketAddress { room, member, socket } = *address;
        let lanes = directory.by_key(room).ok_or(RoomOver)?;
        let input = RoomInput::Request { member, socket, request: Box::new(request) };
        if lanes.post(input, WayBack::Nobody).await { Ok(()) } else { Err(RoomOver) }
    }
}

impl Drop for RequestSender {
    fn drop(&mut self) {
        let Some((directory, SocketAddress { room, member, socket })) = self.to.take() else { return };
        let Some(lanes) = directory.by_key(room) else { return };
        // It must not overtake the client's last requests: it takes the same way.
        if let Some(input) = lanes.try_post(RoomInput::SocketGone { member, socket })
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move { lanes.post(input, WayBack::Nobody).await });
        }
    }
}
