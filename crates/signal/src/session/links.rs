//! A client's peer connections: one that it offers, and in dual mode one that we offer.

use std::collections::BTreeMap;

use livekit_protocol as proto;
use proto::signal_response::Message;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tutti_id::ShardNumber;
use tutti_transport::{IceCredentials, TransportId};

use super::candidates::{credentials, usable};
use super::link::{Link, candidate_text};
use super::outbox::Outbox;
use super::{Facts, Mode, Start};
use crate::negotiation::{
    Answered, Connection, Need, NegotiationError, Offered, Peer, Published, Role, SectionPolicy, Sends,
};

/// The peer connections.
pub(super) struct Links {
    /// The connection on which the client publishes; in single mode the only one.
    publisher: Link,
    /// The connection that we offer; dual mode only.
    subscriber: Option<Link>,
    subscriber_primary: bool,
    shard: ShardNumber,
    rng: StdRng,
}

impl Links {
    pub(super) fn new(facts: &Facts, start: &Start, peer: &Peer) -> Self {
        let mut rng = StdRng::from_seed(start.seed);
        let single = start.mode == Mode::Single;
        let role = if single { Role::Single } else { Role::Publisher };
        let publisher = Link::new(role, facts, start, peer, &mut rng);
        let subscriber = (!single).then(|| Link::new(Role::Subscriber, facts, start, peer, &mut rng));
        let subscriber_primary = start.subscriber_primary();
        Self { publisher, subscriber, subscriber_primary, shard: start.placement.shard, rng }
    }

    /// The connection on which the client publishes.
    pub(super) fn publisher(&self) -> TransportId {
        self.publisher.id
    }

    /// The connection on which subscribed tracks leave.
    pub(super) fn sending(&self) -> TransportId {
        self.subscriber.as_ref().map_or(self.publisher.id, |link| link.id)
    }

    /// The connection that makes the client active; data goes down on it.
    pub(super) fn primary(&self) -> TransportId {
        match &self.subscriber {
            Some(link) if self.subscriber_primary => link.id,
            _ => self.publisher.id,
        }
    }

    pub(super) fn get_mut(&mut self, id: TransportId) -> Option<&mut Link> {
        self.all().find(|link| link.id == id)
    }

    /// Some transport gave up, and has not been connected since.
    pub(super) fn any_failed(&mut self) -> bool {
        self.all().any(|link| link.failed)
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Link> {
        std::iter::once(&mut self.publisher).chain(self.subscriber.as_mut())
    }

    /// Opens the transports that a new client needs at once.
    pub(super) fn open(&mut self, out: &mut Outbox) {
        self.publisher.open(out);
        if self.subscriber_primary
            && let Some(link) = &mut self.subscriber
        {
            link.open(out);
        }
    }

    /// Ends every transport.
    pub(super) fn close(&mut self, out: &mut Outbox) {
        self.all().for_each(|link| link.close(out));
    }

    /// Reads an offer of the client; new credentials of its own are answered with new ones of ours.
    pub(super) fn read_offer(
        &mut self,
        out: &mut Outbox,
        offer: &proto::SessionDescription,
    ) -> Result<Offered, NegotiationError> {
        let offered = self.publisher.connection.read_offer(offer)?;
        if offered.restart {
            let ice = credentials(self.shard, &mut self.rng);
            self.publisher.connection.restart(ice.clone());
            self.publisher.restart(out, ice);
        }
        Ok(offered)
    }

    /// Answers the offer that was read last.
    pub(super) fn answer(&mut self, policies: &BTreeMap<String, SectionPolicy>) -> Result<Answered, NegotiationError> {
        self.publisher.connection.answer(policies)
    }

    /// The answer was said: the transport hears of the client's side.
    pub(super) fn answered(&mut self, out: &mut Outbox, answered: &mut Answered) {
        let candidates = std::mem::take(&mut answered.candidates);
        self.publisher.describe(out, answered.remote.take(), candidates);
    }

    /// Reads the client's answer to our offer: what was settled, and on which transport. `None`: it answers nothing.
    pub(super) fn read_answer(
        &mut self,
        out: &mut Outbox,
        answer: &proto::SessionDescription,
    ) -> Result<Option<(TransportId, Sends)>, NegotiationError> {
        let Some(link) = &mut self.subscriber else { return Ok(None) };
        let Some(answered) = link.connection.read_answer(answer)? else { return Ok(None) };
        link.describe(out, answered.remote, answered.candidates);
        Ok(Some((link.id, answered.sends)))
    }

    /// A candidate of the client. One that cannot be read is ignored.
    pub(super) fn trickled(&mut self, out: &mut Outbox, trickle: &proto::TrickleRequest) {
        let Some(candidate) = candidate_text(trickle) else { return };
        let ours = trickle.target == proto::SignalTarget::Subscriber as i32;
        let link = if ours { self.subscriber.as_mut() } else { Some(&mut self.publisher) };
        if let Some(link) = link {
            link.add_candidate(out, candidate);
        }
    }

    /// Offers, or asks the client to offer, if there is something to agree on. `sends`: the client is to get tracks.
    pub(super) fn negotiate(&mut self, out: &mut Outbox, sends: bool) {
        let Some(link) = &self.subscriber else { return self.ask_for_sections(out) };
        // A client that does not subscribe gets this connection only once there is something on it.
        if link.connection.need() == Need::Offer && (self.subscriber_primary || sends) {
            self.offer(out, None);
        }
    }

    /// In single mode the client offers; it is asked to when it should have more sections.
    fn ask_for_sections(&mut self, out: &mut Outbox) {
        let connection = &mut self.publisher.connection;
        if let Need::Ask { audios, videos } = connection.need() {
            connection.asked();
            let requirement = proto::MediaSectionsRequirement { num_audios: audios, num_videos: videos };
            out.respond(Message::MediaSectionsRequirement(requirement));
        }
    }

    /// Restarts ICE on the connection that we offer, after a resume; in single mode the client sees to it.
    pub(super) fn restart_subscriber(&mut self, out: &mut Outbox) {
        let Some(link) = self.subscriber.as_mut().filter(|link| link.opened) else { return };
        let ice = credentials(self.shard, &mut self.rng);
        link.restart(out, ice.clone());
        self.offer(out, Some(ice));
    }

    fn offer(&mut self, out: &mut Outbox, restart: Option<IceCredentials>) {
        let Some(link) = &mut self.subscriber else { return };
        link.open(out);
        if let Some(description) = link.connection.offer(restart) {
            out.respond(Message::Offer(description));
        }
    }

    /// Which of our candidates the client is told from now on.
    pub(super) fn choose_candidates(&mut self, start: &Start, peer: &Peer, tcp_only: bool) {
        let chosen = usable(start, peer, tcp_only);
        self.all().for_each(|link| link.connection.set_candidates(chosen.clone()));
    }

    /// What was asked for on the old socket may have been lost with it.
    pub(super) fn forget_asked(&mut self) {
        self.publisher.connection.forget_asked();
    }

    /// The descriptions in which subscribed tracks stand.
    pub(super) fn sending_mut(&mut self) -> &mut Connection {
        match &mut self.subscriber {
            Some(link) => &mut link.connection,
            None => &mut self.publisher.connection,
        }
    }

    /// Gives a section of the client, after the answer, the track that it is for.
    pub(super) fn attach(&mut self, out: &mut Outbox, mid: &str, policy: SectionPolicy) -> Option<Published> {
        let attached = self.publisher.connection.attach(mid, policy);
        attached.map_err(|error| out.refused("track", error.to_string())).ok()
    }

    /// Takes the track off a section of the client.
    pub(super) fn detach(&mut self, mid: &str) {
        self.publisher.connection.detach(mid);
    }
}
