//! The session descriptions of one peer connection of one client: which media sections there are, what they carry,
//! with which payload types, extension ids and SSRCs.
//!
//! It reads and writes descriptions and says what follows from them for the transport and for forwarding. It never
//! touches either, knows no rooms, no clock, and draws randomness only from its seed.

mod error;
mod peer;
mod policy;
mod values;

use std::collections::BTreeMap;

use livekit_protocol as proto;
use tutti_forward::SubscriptionKey;
use tutti_transport::IceCredentials;

pub use error::NegotiationError;
pub use peer::Peer;
pub use policy::{CodecPolicy, SectionPolicy};
pub use values::{
    Answered, Ended, LocalParameters, Need, OfferAnswered, Offered, OfferedSection, Outgoing, Published, Role, Sends,
    Subscribed,
};

/// The descriptions of one peer connection.
///
/// Where the client offers ([`Role::Publisher`], [`Role::Single`]): [`Self::read_offer`], then [`Self::answer`].
/// Where we offer ([`Role::Subscriber`]): [`Self::offer`], then [`Self::read_answer`].
/// After any change, [`Self::need`] says whether another exchange is due.
#[derive(Debug)]
pub struct Connection {
    role: Role,
}

impl Connection {
    /// A connection before its first description. `seed` decides its session id and SSRCs.
    pub fn new(role: Role, peer: Peer, codecs: CodecPolicy, local: LocalParameters, seed: u64) -> Self {
        let _ = (peer, codecs, local, seed);
        Self { role }
    }

    /// The role it was made for.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Reads an offer of the client and lists what it wants. Nothing changes until [`Self::answer`]; another
    /// `read_offer` before that replaces this one.
    pub fn read_offer(&mut self, offer: &proto::SessionDescription) -> Result<Offered, NegotiationError> {
        let _ = offer;
        Err(NegotiationError::NoOffer)
    }

    /// Answers the offer read last. `policies` are by mid; sections that have their track already need none.
    /// Sections without one are accepted all the same and reported as waiting.
    pub fn answer(&mut self, policies: &BTreeMap<String, SectionPolicy>) -> Result<Answered, NegotiationError> {
        let _ = policies;
        Err(NegotiationError::NoOffer)
    }

    /// Gives a waiting section its track, after the answer. The answer stands as it is: RED, DTX and codec order are
    /// those of a section without policy.
    pub fn attach(&mut self, mid: &str, policy: SectionPolicy) -> Result<Published, NegotiationError> {
        let _ = policy;
        Err(NegotiationError::UnknownSection(mid.to_owned()))
    }

    /// Takes the track off a section whose track was taken away by the server; the client may go on sending.
    pub fn detach(&mut self, mid: &str) {
        let _ = mid;
    }

    /// Adds a track to send. The same subscription again changes its codecs.
    pub fn add_send(&mut self, send: Outgoing) {
        let _ = send;
    }

    /// Takes a track out. Forwarding is to be stopped by the caller at once.
    pub fn remove_send(&mut self, subscription: SubscriptionKey) {
        let _ = subscription;
    }

    /// What must happen next.
    pub fn need(&self) -> Need {
        Need::Nothing
    }

    /// `MediaSectionsRequirement` was sent with what [`Self::need`] said: it is not said again.
    pub fn asked(&mut self) {}

    /// Forgets that sections were asked for, because the message may have been lost with its socket.
    pub fn forget_asked(&mut self) {}

    /// An offer of ours. `None` while one is unanswered or nothing is to be said. With `restart` (our new credentials)
    /// there is always one: it restarts ICE and replaces an unanswered one, whose answer is then stale.
    pub fn offer(&mut self, restart: Option<IceCredentials>) -> Option<proto::SessionDescription> {
        let _ = restart;
        None
    }

    /// Whether an offer of ours waits for its answer.
    pub fn is_offering(&self) -> bool {
        false
    }

    /// Reads the answer to our offer; `None` if it is stale.
    pub fn read_answer(
        &mut self,
        answer: &proto::SessionDescription,
    ) -> Result<Option<OfferAnswered>, NegotiationError> {
        let _ = answer;
        Ok(None)
    }

    /// Our new credentials, for the answer to an ICE restart of the client.
    pub fn restart(&mut self, ice: IceCredentials) {
        let _ = ice;
    }
}
