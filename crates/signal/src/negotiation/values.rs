//! What goes into a connection and what comes out of it, other than policies and errors.

use livekit_protocol as proto;
use tutti_forward::{PublishTrack, SendSection, SubscriptionKey, TrackKey};
use tutti_rtp::{Codec, MediaKind};
use tutti_transport::{Fingerprint, IceCredentials, RemoteParameters};

/// Which peer connection of the client this is (docs/protocol.md#peer-connections).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Dual mode: the client offers, we only receive.
    Publisher,
    /// Dual mode: we offer, we only send.
    Subscriber,
    /// Single mode: the client offers, media flows both ways.
    Single,
}

/// Our side of the transport.
#[derive(Debug, Clone)]
pub struct LocalParameters {
    /// Our credentials.
    pub ice: IceCredentials,
    /// Say `a=ice-lite`.
    pub ice_lite: bool,
    /// Our certificate.
    pub fingerprint: Fingerprint,
    /// `candidate:…` texts. They stand in the first description so that checks begin with it; trickling the same
    /// again does no harm.
    pub candidates: Vec<String>,
}

/// What an offer of the client wants, before anything is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// Id of the offer; the answer echoes it.
    pub id: u32,
    /// The client restarts ICE: call [`super::Connection::restart`] with new credentials before `answer`.
    pub restart: bool,
    /// Sections on which the client sends, in their order.
    pub sections: Vec<OfferedSection>,
    /// Sections on which it sent a track that had been attached, and no longer does.
    pub ended: Vec<Ended>,
}

/// A section on which the client wants to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedSection {
    /// Name of the section.
    pub mid: String,
    /// Audio or video.
    pub kind: MediaKind,
    /// Stream id of its msid; empty if there is none.
    pub stream: String,
    /// Track id of its msid, to be matched with `AddTrackRequest.cid`; empty if there is none.
    pub cid: String,
    /// Restriction ids it sends with, as offered. Empty without simulcast by rid.
    pub rids: Vec<String>,
    /// Codecs that both sides have, in the client's order.
    pub codecs: Vec<Codec>,
    /// Track that was attached to the section in an earlier round and goes on. `None`: it needs a policy.
    pub track: Option<TrackKey>,
}

/// A section on which the client wants to send and that was refused: both sides have no codec in common there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Name of the section.
    pub mid: String,
    /// Track id of its msid; empty if there is none.
    pub cid: String,
}

/// A track that the client no longer sends on a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The section.
    pub mid: String,
    /// The track.
    pub track: TrackKey,
}

/// A published section ready for forwarding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// What forwarding needs. The same track and mid again replace what was said before.
    pub publish: PublishTrack,
    /// MIME type of the first format, such as `video/VP8` or `audio/red`.
    pub mime_type: String,
    /// Track id in the description (`sdp_cid`); empty if there is none.
    pub cid: String,
}

/// A track to send to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Name of the subscription.
    pub subscription: SubscriptionKey,
    /// `TR_…`, the track id in the description and in `mid_to_track_id`.
    pub track_sid: String,
    /// Stream id of the msid: `PA_…|TR_…` or `PA_…|camera` (docs/protocol.md#stream-names).
    pub stream: String,
    /// Audio or video.
    pub kind: MediaKind,
    /// What the publisher sends or may change to, preferred first: `[Red, Opus]`, `[Vp9, Vp8]`. RED is left out for
    /// clients that lack it.
    pub codecs: Vec<Codec>,
    /// Audio: the publisher sends stereo.
    pub stereo: bool,
    /// Video: the room wants playout delays.
    pub playout_delay: bool,
}

/// What an exchange settled on the sections on which we send.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Sends {
    /// Ready to forward: new ones, and running ones whose payload types or extensions changed.
    pub subscribed: Vec<SendSection>,
    /// Lost their section, stop forwarding. They wait for another one; nothing else need be done.
    pub displaced: Vec<SubscriptionKey>,
    /// No codec in common. They stay out until removed, or added again with other codecs.
    pub unsupported: Vec<SubscriptionKey>,
}

/// Our answer to an offer of the client, and what follows from it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// To send to the client.
    pub description: proto::SessionDescription,
    /// For the transport; `None` if no section of the offer was taken.
    pub remote: Option<RemoteParameters>,
    /// The client restarted ICE in this offer.
    pub restart: bool,
    /// `candidate:…` texts that stood in the offer, for the transport.
    pub candidates: Vec<String>,
    /// Sections that a policy attached in this round, and running ones whose formats or streams changed.
    pub published: Vec<Published>,
    /// Tracks whose section ended, as [`Offered::ended`].
    pub ended: Vec<Ended>,
    /// Sections on which the client sends that have no policy yet. They are accepted; [`super::Connection::attach`]
    /// gives them a track without another round.
    pub waiting: Vec<String>,
    /// Sections on which the client wants to send and that were refused.
    pub refused: Vec<Refused>,
    /// Sections on which we send. Empty in role [`Role::Publisher`].
    pub sends: Sends,
}

/// The client's answer to our offer, and what follows from it.
#[derive(Debug, Clone, PartialEq)]
pub struct OfferAnswered {
    /// For the transport; `None` if the client took no section.
    pub remote: Option<RemoteParameters>,
    /// The answered offer restarted ICE.
    pub restart: bool,
    /// `candidate:…` texts that stood in the answer, for the transport.
    pub candidates: Vec<String>,
    /// Sections on which we send.
    pub sends: Sends,
}

/// What must happen so that the client gets what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing, or an exchange under way will tell.
    Nothing,
    /// Make an offer ([`super::Connection::offer`]).
    Offer,
    /// Send `MediaSectionsRequirement` with these **additional** sections (0 and 0 = an offer is all that is needed),
    /// then call [`super::Connection::asked`].
    Ask {
        /// Additional audio sections.
        audios: u32,
        /// Additional video sections.
        videos: u32,
    },
}
