//! A joined client's WebSocket (docs/protocol.md#framing): its requests go to the room in order, the room's messages
//! come back in order. Knows nothing of what they mean.
//!
//! | module | owns |
//! |---|---|
//! | [`encoding`] | protobuf or JSON, as the client speaks |
//! | [`allowance`] | how much a client may say |
//! | [`open`] | how many sockets are open |

mod allowance;
mod encoding;
mod open;

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::SinkExt as _;
use livekit_protocol as proto;
use proto::signal_response::Message as Response;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tutti_cluster::{Attached, Outgoing};
use tutti_id::RoomName;
use tutti_limit::Allowance;
use tutti_signal::Frame;

pub(crate) use allowance::{RATE, cost_of_bytes};
pub(crate) use encoding::Encoding;
pub(crate) use open::OpenSockets;

use crate::join::Issuer;
use crate::metrics::Metrics;

/// Largest message of a client, bytes.
pub(crate) const MESSAGE_BYTES_MAX: usize = 2 << 20;
/// A WebSocket ping goes out this often.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(10);
/// A socket on which nothing at all arrived for this long, not even a pong, is dead.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(35);
/// A client that does not take what is written within this time is too slow.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait for the client's half of the closing handshake.
pub(crate) const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
/// Messages written before the socket is flushed.
const WRITE_BATCH: usize = 64;

/// Why a socket ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The session said so, after its last message.
    Session,
    /// Another socket took over the session, its room is over, or it piled up more than its queue holds.
    Detached,
    /// The client closed it.
    Client,
    /// The connection broke.
    Broken,
    /// Nothing arrived for too long.
    Silent,
    /// The client does not read.
    Slow,
    /// A message over the limit.
    TooBig,
    /// More messages than allowed.
    TooMany,
    /// Not a signalling message.
    Garbage,
}

impl End {
    fn name(self) -> &'static str {
        match self {
            Self::Session => "session_end",
            Self::Detached => "detached",
            Self::Client => "client",
            Self::Broken => "broken",
            Self::Silent => "silent",
            Self::Slow => "slow",
            Self::TooBig => "message_too_big",
            Self::TooMany => "too_many_messages",
            Self::Garbage => "invalid_message",
        }
    }

    /// Code (RFC 6455, section 7.4.1) and text of the close frame; `None` if there is no one to tell.
    fn close_frame(self) -> Option<(u16, &'static str)> {
        match self {
            Self::Session => Some((1000, "")),
            Self::Detached => Some((1000, "session continues elsewhere or is over")),
            Self::Silent => Some((1001, "nothing heard from the client")),
            Self::Slow => Some((1008, "the client does not read")),
            Self::TooBig => Some((1009, "message over 2 MiB")),
            Self::TooMany => Some((1008, "message rate limit")),
            Self::Garbage => Some((1007, "not a signalling message")),
            Self::Client | Self::Broken => None,
        }
    }
}

/// A joined client.
pub(crate) struct Client {
    pub(crate) attached: Attached,
    /// Signs the tokens that it reconnects with.
    pub(crate) issuer: Issuer,
    pub(crate) room: RoomName,
    pub(crate) identity: String,
}

/// Runs a socket until it ends. The participant stays in the room: its session decides when it has left.
#[tracing::instrument(name = "socket", skip_all, fields(room = %client.room, participant = %client.identity))]
pub(crate) async fn run(mut socket: WebSocket, client: Client, metrics: &Metrics) {
    let Client { attached, issuer, .. } = client;
    let end = pump(&mut socket, attached, &issuer, metrics).await;
    metrics.closed(end.name());
    tracing::info!(reason = end.name(), "socket closed");
    if let Some((code, reason)) = end.close_frame() {
        let goodbye = async {
            if socket.send(Message::Close(Some(CloseFrame { code, reason: reason.into() }))).await.is_ok() {
                // Closing with unread input would reset the connection, and the client might miss its last messages.
                while let Some(Ok(_)) = socket.recv().await {}
            }
        };
        let _ = timeout(CLOSE_TIMEOUT, goodbye).await;
    }
}

/// Moves messages both ways. Dropping `attached` at the end tells the room that the socket is gone.
async fn pump(socket: &mut WebSocket, attached: Attached, issuer: &Issuer, metrics: &Metrics) -> End {
    let Attached { requests, mut responses } = attached;
    let mut encoding = Encoding::default();
    let mut allowance = Allowance::default();
    let mut heard = Instant::now();
    let mut ping = interval_at(heard + PING_INTERVAL, PING_INTERVAL);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            outgoing = responses.recv() => {
                let Some(outgoing) = outgoing else { return End::Detached };
                let written = write(socket, outgoing, &mut responses, encoding, issuer, metrics);
                match timeout(WRITE_TIMEOUT, written).await {
                    Ok(Ok(())) => {}
                    Ok(Err(end)) => return end,
                    Err(_) => return End::Slow,
                }
            }
            incoming = socket.recv() => {
                let message = match incoming {
                    Some(Ok(Message::Close(_))) | None => return End::Client,
                    Some(Ok(message)) => message,
                    Some(Err(error)) => {
                        tracing::debug!(%error, "the connection broke");
                        return End::Broken;
                    }
                };
                heard = Instant::now();
                let bytes = length(&message);
                if bytes > MESSAGE_BYTES_MAX {
                    return End::TooBig;
                }
                if !allowance.take(heard.into_std(), allowance::RATE, allowance::cost_of_bytes(bytes)) {
                    return End::TooMany;
                }
                match encoding.read(&message) {
                    Ok(Some(request)) => {
                        if let Some(message) = &request.message {
                            metrics.received(message);
                            if !allowance.take(heard.into_std(), allowance::RATE, allowance::cost_of(message)) {
                                return End::TooMany;
                            }
                        }
                        if requests.send(request).await.is_err() {
                            return End::Detached;
                        }
                    }
                    Ok(None) => {}
                    Err(encoding::NotSignalling) => return End::Garbage,
                }
            }
            _ = ping.tick() => {
                if heard.elapsed() > SILENCE_MAX {
                    return End::Silent;
                }
                match timeout(WRITE_TIMEOUT, socket.send(Message::Ping(Default::default()))).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return End::Broken,
                    Err(_) => return End::Slow,
                }
            }
        }
    }
}

/// Writes a message and what has queued up behind it, then flushes once.
async fn write(
    socket: &mut WebSocket,
    first: Outgoing,
    responses: &mut mpsc::Receiver<Outgoing>,
    encoding: Encoding,
    issuer: &Issuer,
    metrics: &Metrics,
) -> Result<(), End> {
    let mut next = Some(first);
    let mut written = 0;
    let mut last = false;
    while let Some(outgoing) = next.take() {
        match outgoing {
            Outgoing::Message(frame) => {
                note(&frame, metrics);
                socket.feed(encoding.write(&frame)).await.map_err(|_| End::Broken)?;
                written += 1;
            }
            Outgoing::RefreshToken(participant) => {
                // Without its key the client keeps the token it has.
                if let Some(token) = issuer.refresh(&participant) {
                    let frame = Frame::new(Response::RefreshToken(token));
                    note(&frame, metrics);
                    socket.feed(encoding.write(&frame)).await.map_err(|_| End::Broken)?;
                    written += 1;
                }
            }
            Outgoing::Close => {
                last = true;
                break;
            }
        }
        if written < WRITE_BATCH {
            next = responses.try_recv().ok();
        }
    }
    socket.flush().await.map_err(|_| End::Broken)?;
    if last { Err(End::Session) } else { Ok(()) }
}

/// Counts a message. What it means is logged by the room; here it helps to follow one socket.
fn note(frame: &Frame, metrics: &Metrics) {
    let Some(message) = frame.message() else { return };
    metrics.sent(message);
    match message {
        Response::Join(join) => {
            let sid = join.participant.as_ref().map_or("", |participant| &participant.sid);
            tracing::debug!(sid, "joined");
        }
        Response::Reconnect(_) => tracing::debug!("resumed"),
        Response::Leave(leave) => tracing::debug!(reason = leave.reason().as_str_name(), "told to leave"),
        _ => {}
    }
}

pub(crate) fn length(message: &Message) -> usize {
    match message {
        Message::Text(text) => text.len(),
        Message::Binary(bytes) | Message::Ping(bytes) | Message::Pong(bytes) => bytes.len(),
        Message::Close(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promised_values() {
        let docs = "docs/operation.md";
        assert_eq!(MESSAGE_BYTES_MAX, 2 * 1024 * 1024, "{docs}");
        assert_eq!(SILENCE_MAX, Duration::from_secs(35), "{docs}");
        assert_eq!(WRITE_TIMEOUT, Duration::from_secs(10), "{docs}");
        assert_eq!(allowance::RATE, tutti_limit::Rate::new(400, 4000), "{docs}");
        assert_eq!(
            [0, 1024, 4096, 40 * 1024].map(allowance::cost_of_bytes),
            [1, 1, 2, 11],
            "{docs}: 1 + n/4 for n KiB"
        );
        assert_eq!(crate::REFUSALS_LOGGED, tutti_limit::Rate::new(10, 100), "{docs}");
    }

    #[test]
    fn every_end_has_the_code_of_the_documentation() {
        let codes = [
            (End::Session, "session_end", Some(1000)),
            (End::Detached, "detached", Some(1000)),
            (End::Client, "client", None),
            (End::Broken, "broken", None),
            (End::Silent, "silent", Some(1001)),
            (End::Garbage, "invalid_message", Some(1007)),
            (End::Slow, "slow", Some(1008)),
            (End::TooMany, "too_many_messages", Some(1008)),
            (End::TooBig, "message_too_big", Some(1009)),
        ];
        for (end, name, code) in codes {
            assert_eq!((end.name(), end.close_frame().map(|(code, _)| code)), (name, code));
        }
    }
}
