//! The dialogue with one client, from its join to its leave, over any number of sockets.
//!
//! Owns the client's peer connections' descriptions and what it was told. Decides nothing about the room: requests go
//! to the room as values, and what the room decides comes back as [`Notice`]s. The order of what leaves is the order
//! in which it was decided (docs/protocol.md#order-of-messages).

mod data;
mod leave;
mod negotiate;
mod publish;
mod requests;
mod resume;
mod simulate;
mod start;
mod subscribe;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use proto::signal_response::Message;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tutti_forward::ForwardCommand;
use tutti_id::{RoomKey, ShardNumber};
use tutti_room::{MemberKey, Notice, Request, SubscriptionNumber};
use tutti_transport::{Fingerprint, TransportCommand, TransportEvent, TransportFailure, TransportId};

use crate::Frame;
use crate::negotiation::Peer;
use data::PendingData;
use negotiate::Link;
pub use negotiate::{member_of, transports_of};
use publish::{Accepted, Unclaimed};
use subscribe::Sent;

/// A fresh token goes out this often (docs/protocol.md#token-refresh).
const TOKEN_REFRESH_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// A client whose media failed has this long to resume (docs/protocol.md#resume).
const FAILED_MEDIA_GRACE: Duration = Duration::from_secs(5);
/// A client that leaves ends its media too, and the end of its media may be here before its `Leave`: it is waited for
/// this long before the client is asked to resume.
const LEAVE_OVERTAKEN: Duration = Duration::from_millis(500);

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

/// The dialogue with one client.
pub struct Session {
    facts: Arc<Facts>,
    start: Start,
    peer: Peer,
    rng: StdRng,
    outputs: VecDeque<Output>,
    /// The connection on which the client publishes; in single mode the only one.
    publisher: Link,
    /// The connection that we offer; dual mode only.
    subscriber: Option<Link>,
    accepted: Vec<Accepted>,
    unclaimed: Vec<Unclaimed>,
    sent: BTreeMap<SubscriptionNumber, Sent>,
    data: PendingData,
    active: bool,
    attached: bool,
    ended: bool,
    /// Offer candidates over TCP only from the next resume on.
    tcp_only: bool,
    /// What the next resume shall simulate.
    simulated_resume: simulate::NextResume,
    /// A new socket was taken up, and the room's words come before the rest of ours.
    catching_up: Option<simulate::NextResume>,
    token_due: Option<Instant>,
    /// When a client with failed media is asked to resume.
    ask_to_resume: Option<Instant>,
    /// When a client with failed media is given up.
    give_up: Option<Instant>,
    /// An offer that is answered when the client can take the answer, at the latest then.
    held_offer: Option<(Instant, proto::SessionDescription)>,
}

impl Session {
    /// A dialogue that has said nothing yet; call [`Session::begin`] next.
    pub fn new(facts: Arc<Facts>, start: Start) -> Self {
        let mut rng = StdRng::from_seed(start.seed);
        let peer = Peer::from_client(&start.client);
        let publisher = Link::publisher(&facts, &start, peer.clone(), &mut rng);
        let subscriber = (start.mode == Mode::Dual).then(|| Link::subscriber(&facts, &start, peer.clone(), &mut rng));
        Self {
            facts,
            tcp_only: start.tcp_only,
            start,
            peer,
            rng,
            outputs: VecDeque::new(),
            publisher,
            subscriber,
            accepted: Vec::new(),
            unclaimed: Vec::new(),
            sent: BTreeMap::new(),
            data: PendingData::default(),
            active: false,
            attached: true,
            ended: false,
            simulated_resume: simulate::NextResume::Normal,
            catching_up: None,
            token_due: None,
            ask_to_resume: None,
            give_up: None,
            held_offer: None,
        }
    }

    /// The member that this dialogue speaks for.
    pub fn member(&self) -> MemberKey {
        self.start.member
    }

    /// Whether the server's connection is the one that makes the client connected (docs/protocol.md#peer-connections).
    pub fn subscriber_primary(&self) -> bool {
        self.start.mode == Mode::Dual && self.start.protocol >= 3 && self.start.can_subscribe
    }

    /// What to do next, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Session::handle_timeout`] wants to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let held = self.held_offer.as_ref().map(|(due, _)| *due);
        [self.token_due, self.ask_to_resume, self.give_up, held].into_iter().flatten().min()
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.token_due.is_some_and(|due| due <= now) {
            self.refresh_token(now);
        }
        if self.held_offer.as_ref().is_some_and(|(due, _)| *due <= now) {
            self.answer_held();
        }
        if self.ask_to_resume.is_some_and(|due| due <= now) {
            self.ask_to_resume = None;
            self.media_stays_away();
        }
        if self.give_up.is_some_and(|due| due <= now) {
            self.give_up = None;
            self.outputs.push_back(Output::Room(Request::Leave(proto::DisconnectReason::ConnectionTimeout)));
            self.end();
        }
    }

    /// The room decided something.
    pub fn handle_notice(&mut self, now: Instant, notice: Notice) {
        if self.ended {
            return;
        }
        match notice {
            Notice::Send(message) => self.pass_on(&Arc::new(Frame::new(*message))),
            Notice::TrackAccepted { track, cid, info, request } => self.track_accepted(track, cid, *info, *request),
            Notice::TrackRemoved { track, .. } => self.track_removed(track),
            Notice::TrackMuted { track, muted } => self.track_muted(track, muted),
            Notice::Subscribe(subscribe) => self.subscribe(*subscribe),
            Notice::Unsubscribe(subscription) => self.unsubscribe(subscription),
            Notice::SetTarget(subscription, target) => self.set_target(subscription, target),
            Notice::IdentityChanged(info) => {
                if let Some(permission) = &info.permission {
                    self.start.can_subscribe = permission.can_subscribe;
                    self.start.can_publish = permission.can_publish;
                }
                self.refresh_token(now);
            }
            Notice::Leave { reason, action } => self.leave(reason, action),
        }
    }

    /// Passes on a message of the room that other members get too.
    pub fn pass_on(&mut self, frame: &Arc<Frame>) {
        if self.ended || !self.attached || !frame.message().is_some_and(|message| self.understands(message)) {
            return;
        }
        self.outputs.push_back(Output::Respond(frame.clone()));
    }

    /// Old clients cannot decode messages that they do not know (docs/protocol.md#client-quirks,
    /// docs/protocol.md#subscribing).
    fn understands(&self, message: &Message) -> bool {
        match message {
            Message::RequestResponse(response) if response.reason == 0 => self.start.protocol >= 15,
            Message::RequestResponse(_) | Message::TrackSubscribed(_) => self.peer.takes_unknown_messages(),
            Message::Reconnect(_) => self.peer.takes_reconnect_response(),
            _ => true,
        }
    }

    /// A transport of this client reported.
    pub fn handle_transport(&mut self, now: Instant, id: TransportId, event: TransportEvent) {
        if self.ended {
            return;
        }
        let subscriber = self.subscriber.as_ref().is_some_and(|link| link.id == id);
        let Some(link) = self.links().find(|link| link.id == id) else { return };
        match event {
            TransportEvent::Connected { .. } => {
                link.failed = false;
                // One connection that works does not make up for another that is gone.
                if !self.links().any(|link| link.failed) {
                    self.ask_to_resume = None;
                    self.give_up = None;
                }
                if subscriber == self.subscriber_primary() && !self.active {
                    self.active = true;
                    self.outputs.push_back(Output::Room(Request::Active));
                }
            }
            TransportEvent::Disconnected => {}
            TransportEvent::Failed { reason } => {
                link.failed = true;
                self.outputs.push_back(Output::MediaFailed(reason));
                self.media_failed(now);
            }
            TransportEvent::ChannelOpen(channel) => self.channel_open(now, id, channel),
            TransportEvent::Message { channel, payload } => self.data_arrived(channel, payload),
            TransportEvent::DataStalled => self.data_stalled(),
            TransportEvent::DataUndelivered { bytes } => self.data_undelivered(bytes),
            // Who may send how fast is the room's owner's matter.
            TransportEvent::DataProgress { .. } => {}
        }
    }

    /// Everything that one round of inputs wanted negotiated goes out as one description. Call it when the inputs of
    /// a round are handled, the outputs drained, and the room's answers handed back: a description may name only what
    /// the client was told of before.
    pub fn flush(&mut self) {
        if !self.ended {
            self.catch_up();
            self.negotiate_if_needed();
        }
    }

    fn links(&mut self) -> impl Iterator<Item = &mut Link> {
        std::iter::once(&mut self.publisher).chain(self.subscriber.as_mut())
    }

    fn respond(&mut self, message: Message) {
        self.pass_on(&Arc::new(Frame::new(message)));
    }

    fn refresh_token(&mut self, now: Instant) {
        self.token_due = Some(now + TOKEN_REFRESH_INTERVAL);
        if self.attached {
            self.outputs.push_back(Output::RefreshToken);
        }
    }

    /// The primary connection: data goes down on it, and it makes the client active.
    fn primary(&self) -> TransportId {
        match &self.subscriber {
            Some(link) if self.subscriber_primary() => link.id,
            _ => self.publisher.id,
        }
    }
}
