//! Descriptions and candidates between the client and its transports.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use livekit_protocol as proto;
use proto::signal_response::Message;
use rand::Rng;
use rand::rngs::StdRng;
use tutti_forward::ForwardCommand;
use tutti_id::{RoomKey, ShardNumber};
use tutti_room::{MemberKey, Request, SubscriptionNumber};
use tutti_rtp::Codec;
use tutti_transport::{Channel, IceCredentials, OpenTransport, RemoteParameters, TransportCommand, TransportId};

use super::{Facts, Mode, Output, Session, Start};
use crate::negotiation::{
    Answered, CodecPolicy, Connection, LocalParameters, Need, NegotiationError, Peer, Published, Role, SectionPolicy,
    Sends,
};

/// Candidates that may wait for the description they belong to.
const EARLY_CANDIDATES_MAX: usize = 64;
/// An offer that came inside the join is answered after this long even to a client that gave no sign of readiness.
const HELD_OFFER_MAX: Duration = Duration::from_millis(250);

/// The member that a transport belongs to.
pub fn member_of(id: TransportId) -> MemberKey {
    MemberKey(id.index() >> 1)
}

/// The transports that a member of this room may have.
pub fn transports_of(room: RoomKey, member: MemberKey) -> [TransportId; 2] {
    [0, 1].map(|side| TransportId::new(room, member.0 << 1 | side))
}

/// One peer connection: its descriptions here, its transport on a shard.
pub(super) struct Link {
    pub(super) id: TransportId,
    pub(super) opened: bool,
    /// Its transport gave up, and has not been connected since.
    pub(super) failed: bool,
    connection: Connection,
    ice: IceCredentials,
    ice_lite: bool,
    open_channels: Vec<Channel>,
    described: bool,
    early_candidates: Vec<String>,
}

impl Link {
    /// The connection that the client offers.
    pub(super) fn publisher(facts: &Facts, start: &Start, peer: Peer, rng: &mut StdRng) -> Self {
        let role = if start.mode == Mode::Single { Role::Single } else { Role::Publisher };
        Self::new(role, facts, start, peer, rng)
    }

    /// The connection that we offer.
    pub(super) fn subscriber(facts: &Facts, start: &Start, peer: Peer, rng: &mut StdRng) -> Self {
        Self::new(Role::Subscriber, facts, start, peer, rng)
    }

    fn new(role: Role, facts: &Facts, start: &Start, peer: Peer, rng: &mut StdRng) -> Self {
        let [publisher, subscriber] = transports_of(start.room, start.member);
        let ice = credentials(start.placement.shard, rng);
        let ice_lite = peer.takes_ice_lite() && !start.disable_ice_lite;
        let candidates = candidates(start, &peer, start.tcp_only);
        let local =
            LocalParameters { ice: ice.clone(), ice_lite, fingerprint: start.placement.fingerprint, candidates };
        let policy = CodecPolicy::new(facts.codecs.iter().filter_map(|mime| codec_of(mime)).collect());
        let ours = role == Role::Subscriber;
        Self {
            id: if ours { subscriber } else { publisher },
            opened: false,
            failed: false,
            connection: Connection::new(role, peer, policy, local, rng.random()),
            ice,
            ice_lite,
            open_channels: if ours { vec![Channel::Reliable, Channel::Lossy, Channel::DataTrack] } else { Vec::new() },
            described: false,
            early_candidates: Vec::new(),
        }
    }

    fn open(&mut self) -> Output {
        self.opened = true;
        let open =
            OpenTransport { ice: self.ice.clone(), ice_lite: self.ice_lite, open_channels: self.open_channels.clone() };
        Output::Transport(self.id, TransportCommand::Open(Box::new(open)))
    }

    /// The peer's side is known: tell the transport, with the candidates that came before.
    fn describe(&mut self, remote: Option<RemoteParameters>, candidates: Vec<String>) -> Vec<Output> {
        let Some(remote) = remote else { return Vec::new() };
        self.described = true;
        let early = std::mem::take(&mut self.early_candidates);
        let remote = TransportCommand::SetRemote(Box::new(remote));
        let candidates = candidates.into_iter().chain(early).map(TransportCommand::AddRemoteCandidate);
        std::iter::once(remote).chain(candidates).map(|command| Output::Transport(self.id, command)).collect()
    }
}

impl Session {
    pub(super) fn open_links(&mut self) {
        let publisher = self.publisher.open();
        self.outputs.push_back(publisher);
        if self.subscriber_primary()
            && let Some(link) = &mut self.subscriber
        {
            let subscriber = link.open();
            self.outputs.push_back(subscriber);
        }
    }

    /// The offer that came inside the join request; call it after [`Session::begin`] or [`Session::resume`].
    pub fn handle_embedded_offer(&mut self, now: Instant, offer: proto::SessionDescription) {
        if self.ended {
            return;
        }
        if self.peer.applies_embedded_offer_late() {
            self.held_offer = Some((now + HELD_OFFER_MAX, offer));
        } else {
            self.client_offered(offer);
        }
    }

    /// The client is ready for the answer to the offer that came with its join: its candidates are on their way.
    pub(super) fn answer_held(&mut self) {
        if let Some((_, offer)) = self.held_offer.take() {
            self.client_offered(offer);
        }
    }

    /// The client offers its publishing connection, or its only one.
    pub(super) fn client_offered(&mut self, offer: proto::SessionDescription) {
        match self.answer(&offer) {
            Ok(answered) => self.answered(answered),
            Err(error) => self.bad_description("offer", &error),
        }
    }

    fn answer(&mut self, offer: &proto::SessionDescription) -> Result<Answered, NegotiationError> {
        let offered = self.publisher.connection.read_offer(offer)?;
        if offered.restart {
            let ice = credentials(self.start.placement.shard, &mut self.rng);
            self.publisher.ice = ice.clone();
            self.publisher.connection.restart(ice.clone());
            self.outputs.push_back(Output::Transport(self.publisher.id, TransportCommand::RestartIce(ice)));
        }
        for ended in &offered.ended {
            self.section_ended(&ended.mid, ended.track);
        }
        let mut policies = BTreeMap::new();
        self.unclaimed.clear();
        for section in offered.sections.into_iter().filter(|section| section.track.is_none()) {
            match self.claim(&section) {
                Some(policy) => drop(policies.insert(section.mid, policy)),
                None => self.unclaimed.push(section),
            }
        }
        self.publisher.connection.answer(&policies)
    }

    fn answered(&mut self, answered: Answered) {
        self.unclaimed.retain(|section| answered.waiting.contains(&section.mid));
        self.respond(Message::Answer(answered.description));
        let outputs = self.publisher.describe(answered.remote, answered.candidates);
        self.outputs.extend(outputs);
        for refused in answered.refused {
            self.section_refused(&refused.cid);
        }
        for published in answered.published {
            self.section_published(published);
        }
        self.settle_sends(self.publisher.id, answered.sends);
    }

    /// The client answers the connection that we offered.
    pub(super) fn client_answered(&mut self, answer: proto::SessionDescription) {
        let Some(link) = &mut self.subscriber else { return };
        match link.connection.read_answer(&answer) {
            Ok(Some(answered)) => {
                let id = link.id;
                let outputs = link.describe(answered.remote, answered.candidates);
                self.outputs.extend(outputs);
                self.settle_sends(id, answered.sends);
            }
            Ok(None) => {}
            Err(error) => self.bad_description("answer", &error),
        }
    }

    fn settle_sends(&mut self, id: TransportId, sends: Sends) {
        for subscription in sends.displaced {
            self.outputs.push_back(Output::Forward(id, ForwardCommand::Unsubscribe(subscription)));
        }
        for subscription in sends.unsupported {
            let number = SubscriptionNumber(subscription.index());
            let why = proto::SubscriptionError::SeCodecUnsupported;
            self.outputs.push_back(Output::Room(Request::SubscriptionFailed(number, why)));
        }
        for subscribed in sends.subscribed {
            self.send_agreed(id, subscribed);
        }
    }

    /// A description that breaks the rules leaves both sides in different states: the client begins anew.
    fn bad_description(&mut self, what: &'static str, error: &NegotiationError) {
        self.outputs.push_back(Output::Refused { what, why: error.to_string() });
        self.give_up_on_state();
    }

    /// A candidate of the client: `{"candidate", "sdpMid", "sdpMLineIndex"}` as JSON. One that is not is ignored.
    pub(super) fn client_trickled(&mut self, trickle: &proto::TrickleRequest) {
        #[derive(serde::Deserialize)]
        struct CandidateInit {
            #[serde(default)]
            candidate: String,
        }
        let Ok(init) = serde_json::from_str::<CandidateInit>(&trickle.candidate_init) else { return };
        let ours = trickle.target == proto::SignalTarget::Subscriber as i32;
        let link = if ours { self.subscriber.as_mut() } else { Some(&mut self.publisher) };
        let Some(link) = link.filter(|_| !init.candidate.is_empty()) else { return };
        if link.described {
            let command = TransportCommand::AddRemoteCandidate(init.candidate);
            self.outputs.push_back(Output::Transport(link.id, command));
        } else if link.early_candidates.len() < EARLY_CANDIDATES_MAX {
            link.early_candidates.push(init.candidate);
        }
    }

    /// Offers, or asks the client to offer, if there is something to agree on.
    pub(super) fn negotiate_if_needed(&mut self) {
        if !self.attached {
            return;
        }
        if self.start.mode == Mode::Single {
            if let Need::Ask { audios, videos } = self.publisher.connection.need() {
                self.publisher.connection.asked();
                self.respond(Message::MediaSectionsRequirement(proto::MediaSectionsRequirement {
                    num_audios: audios,
                    num_videos: videos,
                }));
            }
            return;
        }
        let primary = self.subscriber_primary();
        let Some(link) = &mut self.subscriber else { return };
        // A client that does not subscribe gets this connection only once there is something on it.
        if link.connection.need() == Need::Offer && (primary || !self.sent.is_empty()) {
            self.offer(None);
        }
    }

    /// Restarts ICE on the connection that we offer, after a resume; in single mode the client sees to it.
    pub(super) fn restart_subscriber(&mut self) {
        let Some(link) = &mut self.subscriber else { return };
        if !link.opened {
            return;
        }
        let ice = credentials(self.start.placement.shard, &mut self.rng);
        link.ice = ice.clone();
        self.outputs.push_back(Output::Transport(link.id, TransportCommand::RestartIce(ice.clone())));
        self.offer(Some(ice));
    }

    fn offer(&mut self, restart: Option<IceCredentials>) {
        let Some(link) = &mut self.subscriber else { return };
        if !link.opened {
            let open = link.open();
            self.outputs.push_back(open);
        }
        if let Some(description) = link.connection.offer(restart) {
            self.respond(Message::Offer(description));
        }
    }

    /// Which of our candidates the client is told from now on.
    pub(super) fn choose_candidates(&mut self) {
        let chosen = candidates(&self.start, &self.peer, self.tcp_only);
        for link in [Some(&mut self.publisher), self.subscriber.as_mut()].into_iter().flatten() {
            link.connection.set_candidates(chosen.clone());
        }
    }

    /// What was asked for on the old socket may have been lost with it.
    pub(super) fn forget_asked(&mut self) {
        self.publisher.connection.forget_asked();
    }

    pub(super) fn connection(&mut self) -> &mut Connection {
        match &mut self.subscriber {
            Some(link) => &mut link.connection,
            None => &mut self.publisher.connection,
        }
    }

    pub(super) fn attach(&mut self, mid: &str, policy: SectionPolicy) -> Option<Published> {
        let attached = self.publisher.connection.attach(mid, policy);
        attached.map_err(|error| self.outputs.push_back(Output::Refused { what: "track", why: error.to_string() })).ok()
    }

    pub(super) fn detach(&mut self, mid: &str) {
        self.publisher.connection.detach(mid);
    }

    /// The transport on which subscribed tracks leave.
    pub(super) fn sending(&self) -> TransportId {
        self.subscriber.as_ref().map_or(self.publisher.id, |link| link.id)
    }
}

/// Fresh ICE credentials; the user name begins with the shard, so that any shard can tell whose packet it got.
fn credentials(shard: ShardNumber, rng: &mut StdRng) -> IceCredentials {
    let mut text =
        |length: usize| -> String { (0..length).map(|_| char::from(rng.sample(rand::distr::Alphanumeric))).collect() };
    IceCredentials { ufrag: format!("{:04x}{}", shard.0, text(12)), pwd: text(32) }
}

/// The codec of a MIME type such as `video/VP8`.
pub(super) fn codec_of(mime: &str) -> Option<Codec> {
    Codec::from_name(mime.split_once('/').map_or(mime, |(_, name)| name))
}

/// Our candidates that the client can use.
fn candidates(start: &Start, peer: &Peer, tcp_only: bool) -> Vec<String> {
    // Who cannot dial TCP keeps UDP, whatever it asked for: something is better than nothing.
    let tcp = peer.takes_ice_tcp();
    let dials = |text: &&String| if is_tcp(text) { tcp } else { !(tcp_only && tcp) };
    let dialled: Vec<String> = start.placement.candidates.iter().filter(dials).cloned().collect();
    // Only who came over it has a way to `::1`; others would try in vain, and some stacks take it for their best path.
    let over_loopback = is_ipv6_loopback(&start.client.address);
    let (local, reachable): (Vec<_>, Vec<_>) =
        dialled.into_iter().partition(|text| !over_loopback && is_ipv6_loopback(word(text, ADDRESS)));
    if reachable.is_empty() { local } else { reachable }
}

/// Places of words in a candidate (RFC 8839, section 5.1).
const PROTOCOL: usize = 2;
const ADDRESS: usize = 4;

fn word(candidate: &str, place: usize) -> &str {
    candidate.split_ascii_whitespace().nth(place).unwrap_or_default()
}

fn is_tcp(candidate: &str) -> bool {
    word(candidate, PROTOCOL).eq_ignore_ascii_case("tcp")
}

fn is_ipv6_loopback(address: &str) -> bool {
    address.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}
