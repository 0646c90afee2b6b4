//! The session descriptions of one peer connection of one client: which media sections there are, what they carry,
//! with which payload types, extension ids and SSRCs.
//!
//! It reads and writes descriptions and says what follows from them for the transport and for forwarding. It never
//! touches either, knows no rooms, no clock, and draws randomness only from its seed.

mod answer;
mod answering;
mod asking;
mod error;
mod extension;
mod format;
mod local;
mod offered;
mod offering;
mod peer;
mod policy;
mod received;
mod remote;
mod section;
mod sending;
mod values;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use livekit_protocol as proto;
use tutti_forward::SubscriptionKey;
use tutti_transport::IceCredentials;

use answering::Answering;
use asking::Asking;
use local::Local;
use offering::Offering;
use sending::Sending;

pub use error::NegotiationError;
pub use peer::Peer;
pub use policy::{CodecPolicy, SectionPolicy};
pub use values::{
    Answered, Ended, LocalParameters, Need, OfferAnswered, Offered, OfferedSection, Outgoing, Published, Refused, Role,
    Sends,
};

/// The descriptions of one peer connection.
///
/// Where the client offers ([`Role::Publisher`], [`Role::Single`]): [`Self::read_offer`], then [`Self::answer`].
/// Where we offer ([`Role::Subscriber`]): [`Self::offer`], then [`Self::read_answer`].
/// After any change, [`Self::need`] says whether another exchange is due.
#[derive(Debug)]
pub struct Connection {
    shared: Shared,
    side: Side,
}

/// What both sides of the exchange work with.
#[derive(Debug)]
struct Shared {
    role: Role,
    peer: Peer,
    codecs: CodecPolicy,
    local: Local,
    sending: Sending,
}

/// Who offers.
#[derive(Debug)]
enum Side {
    Client(Answering, Asking),
    Us(Offering),
}

impl Connection {
    /// A connection before its first description. `seed` decides its session id and SSRCs.
    pub fn new(role: Role, peer: Peer, codecs: CodecPolicy, local: LocalParameters, seed: u64) -> Self {
        let side = match role {
            Role::Publisher | Role::Single => Side::Client(Answering::default(), Asking::default()),
            Role::Subscriber => Side::Us(Offering::default()),
        };
        let local = Local::new(local, seed);
        Self { shared: Shared { role, peer, codecs, local, sending: Sending::default() }, side }
    }

    /// The role it was made for.
    pub fn role(&self) -> Role {
        self.shared.role
    }

    /// Reads an offer of the client and lists what it wants. Nothing changes until [`Self::answer`]; another
    /// `read_offer` before that replaces this one.
    pub fn read_offer(&mut self, offer: &proto::SessionDescription) -> Result<Offered, NegotiationError> {
        match &mut self.side {
            Side::Client(answering, _) => answering.read_offer(&self.shared, offer),
            Side::Us(_) => Err(self.wrong_role("offers of the client")),
        }
    }

    /// Answers the offer read last. `policies` are by mid; sections that have their track already need none.
    /// Sections without one are accepted all the same and reported as waiting.
    pub fn answer(&mut self, policies: &BTreeMap<String, SectionPolicy>) -> Result<Answered, NegotiationError> {
        match &mut self.side {
            Side::Client(answering, asking) => {
                let answered = answering.answer(&mut self.shared, policies)?;
                asking.answered(answering);
                Ok(answered)
            }
            Side::Us(_) => Err(self.wrong_role("answers of ours")),
        }
    }

    /// Gives a waiting section its track, after the answer. The answer stands as it is: RED, DTX and codec order are
    /// those of a section without policy.
    pub fn attach(&mut self, mid: &str, policy: SectionPolicy) -> Result<Published, NegotiationError> {
        match &mut self.side {
            Side::Client(answering, _) => answering.attach(mid, policy),
            Side::Us(_) => Err(self.wrong_role("media of the client")),
        }
    }

    /// Takes the track off a section whose track was taken away by the server; the client may go on sending until the
    /// next answer tells it to stop. The section is offered as a new one once the client sends another track on it.
    pub fn detach(&mut self, mid: &str) {
        if let Side::Client(answering, _) = &mut self.side {
            answering.detach(mid);
        }
    }

    /// Adds a track to send. The same subscription again changes its codecs, stream or parameters: it comes back as
    /// [`Sends::subscribed`] with another SSRC. Without effect in role [`Role::Publisher`].
    pub fn add_send(&mut self, outgoing: Outgoing) {
        if self.shared.role != Role::Publisher {
            self.shared.sending.add(outgoing);
        }
    }

    /// Takes a track out. Forwarding is to be stopped by the caller at once.
    pub fn remove_send(&mut self, subscription: SubscriptionKey) {
        if let (Some(at), Side::Us(offering)) = (self.shared.sending.remove(subscription), &mut self.side) {
            offering.clear(at);
        }
    }

    /// What must happen next.
    pub fn need(&self) -> Need {
        match &self.side {
            Side::Client(answering, asking) => asking.need(&self.shared, answering),
            Side::Us(offering) if offering.is_due(&self.shared) => Need::Offer,
            Side::Us(_) => Need::Nothing,
        }
    }

    /// `MediaSectionsRequirement` was sent with what [`Self::need`] said: it is not said again.
    pub fn asked(&mut self) {
        if let (Need::Ask { audios, videos }, Side::Client(answering, asking)) = (self.need(), &mut self.side) {
            asking.asked(answering, audios, videos);
        }
    }

    /// What was sent last may have been lost with its socket: sections are asked for again, and one that the last
    /// answer freed is not used before another answer said so. Our own offers are made again by [`Self::offer`] with
    /// new credentials.
    pub fn forget_asked(&mut self) {
        if let Side::Client(answering, asking) = &mut self.side {
            *asking = Asking::default();
            answering.doubt();
        }
    }

    /// An offer of ours. `None` while one is unanswered or nothing is to be said. With `restart` (our new credentials)
    /// there is always one: it restarts ICE and replaces an unanswered one, whose answer is then stale.
    pub fn offer(&mut self, restart: Option<IceCredentials>) -> Option<proto::SessionDescription> {
        match &mut self.side {
            Side::Client(..) => None,
            Side::Us(offering) => offering.offer(&mut self.shared, restart),
        }
    }

    /// Whether an offer of ours waits for its answer.
    pub fn is_offering(&self) -> bool {
        matches!(&self.side, Side::Us(offering) if offering.is_unanswered())
    }

    /// Reads the answer to our offer; `None` if it is stale.
    pub fn read_answer(
        &mut self,
        answer: &proto::SessionDescription,
    ) -> Result<Option<OfferAnswered>, NegotiationError> {
        match &mut self.side {
            Side::Client(..) => Err(self.wrong_role("offers of ours")),
            Side::Us(offering) => offering.read_answer(&mut self.shared, answer),
        }
    }

    /// Our new credentials, for the answer to an ICE restart of the client.
    pub fn restart(&mut self, ice: IceCredentials) {
        self.shared.local.restart(ice);
    }

    /// Other candidates of ours, for the descriptions from now on.
    pub fn set_candidates(&mut self, candidates: Vec<String>) {
        self.shared.local.set_candidates(candidates);
    }

    fn wrong_role(&self, what: &'static str) -> NegotiationError {
        NegotiationError::WrongRole { role: self.shared.role, what }
    }
}
