//! What a dialogue starts from, and what it puts out.

use std::sync::Arc;

use livekit_protocol as proto;
use tutti_forward::ForwardCommand;
use tutti_id::{RoomKey, ShardNumber};
use tutti_room::{MemberKey, Request};
use tutti_transport::{Fingerprint, TransportCommand, TransportFailure, TransportId};

use crate::Frame;

/// How many peer connections the client has (docs/protocol.md#peer-connections).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One that it offers and one that we offer.
    Dual,
    /// One for both ways; only the client offers.
    Single,
}

/// What is the same for every client of this node.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Version, region and node, as clients are told. The version is a strict semver.
    pub server_info: proto::ServerInfo,
    /// MIME types that may be published, preferred first; the first video one is VP8.
    pub codecs: Vec<String>,
    /// Clients ping this often, seconds; never 0.
    pub ping_interval_s: i32,
    /// Clients give up after this long without an answer, seconds.
    pub ping_timeout_s: i32,
}

/// Where the media plane put the client.
#[derive(Debug, Clone)]
pub struct Placement {
    /// Shard that runs its transports.
    pub shard: ShardNumber,
    /// Candidates of that shard, each `candidate:…`.
    pub candidates: Vec<String>,
    /// Fingerprint of the node's certificate.
    pub fingerprint: Fingerprint,
}

/// What a dialogue starts from.
#[derive(Debug, Clone)]
pub struct Start {
    /// The room on this node.
    pub room: RoomKey,
    /// The member that the room made of this client.
    pub member: MemberKey,
    /// How many peer connections.
    pub mode: Mode,
    /// The client's `protocol` number.
    pub protocol: u32,
    /// What it says of itself.
    pub client: proto::ClientInfo,
    /// It may subscribe.
    pub can_subscribe: bool,
    /// It may publish.
    pub can_publish: bool,
    /// It wants a full ICE agent.
    pub disable_ice_lite: bool,
    /// Offer it candidates over TCP only.
    pub tcp_only: bool,
    /// Where its media is.
    pub placement: Placement,
    /// STUN and TURN servers for this client; credentials may be its own.
    pub ice_servers: Vec<proto::IceServer>,
    /// End of frames that the server makes up itself, for end-to-end encrypted rooms.
    pub sif_trailer: Vec<u8>,
    /// Seed of everything random that it needs: ICE credentials, SSRCs.
    pub seed: [u8; 32],
}

impl Start {
    /// Whether the server's connection is the one that makes the client connected (docs/protocol.md#peer-connections).
    /// The client is told so when it joins, and it stays so whatever it may do later.
    pub(super) fn subscriber_primary(&self) -> bool {
        self.mode == Mode::Dual && self.protocol >= 3 && self.can_subscribe
    }
}

/// What a dialogue puts out; drained until empty after every input.
#[derive(Debug, Clone)]
pub enum Output {
    /// Send this to the client.
    Respond(Arc<Frame>),
    /// Make a fresh access token for the member and send it to the client.
    RefreshToken,
    /// Ask the room.
    Room(Request),
    /// Command a transport.
    Transport(TransportId, TransportCommand),
    /// Command forwarding on a transport.
    Forward(TransportId, ForwardCommand),
    /// From its next join on the client shall be offered TCP alone, or everything again.
    PreferTcp(bool),
    /// Flush and close the client's socket. The dialogue goes on unless `Ended` follows.
    CloseSocket,
    /// The client said something that cannot be used; for the log, what follows from it comes as other outputs.
    Refused {
        /// What it said.
        what: &'static str,
        /// What was wrong with it.
        why: String,
    },
    /// A transport of the client gave up; for the log, what follows from it comes as other outputs.
    MediaFailed(TransportFailure),
    /// The dialogue is over: nothing follows.
    Ended,
}
