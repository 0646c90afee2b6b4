//! One section of a connection that the client offers, as it was answered last.

use tutti_forward::SubscriptionKey;
use tutti_rtp::MediaKind;

use super::SectionPolicy;
use super::received::Received;

/// A section as it was answered last.
#[derive(Debug)]
pub(super) struct Section {
    /// Its name, or the one that we gave to it.
    pub(super) mid: String,
    pub(super) kind: tutti_sdp::MediaKind,
    /// Audio or video that lives.
    pub(super) media: Option<MediaKind>,
    /// The client is ready to receive on it.
    pub(super) receives: bool,
    pub(super) incoming: Incoming,
    /// What we send on it.
    pub(super) outgoing: Option<SubscriptionKey>,
    /// What we sent on it before the last answer.
    pub(super) before: Option<SubscriptionKey>,
    /// We have sent on it.
    pub(super) used: bool,
}

/// What the client sends on a section.
#[derive(Debug, Default)]
pub(super) enum Incoming {
    /// Nothing.
    #[default]
    Silent,
    /// Something that has no track yet.
    Waiting(Received),
    /// A track.
    Attached { policy: SectionPolicy, received: Received },
    /// Something that the server does not want any more.
    Detached { cid: String },
}

impl Section {
    /// A section that nothing is sent on yet.
    pub(super) fn new(mid: String, kind: tutti_sdp::MediaKind) -> Self {
        Self {
            mid,
            kind,
            media: None,
            receives: false,
            incoming: Incoming::Silent,
            outgoing: None,
            before: None,
            used: false,
        }
    }

    /// One more track can be sent on it. `reuses`: also where another one was sent before.
    pub(super) fn is_free(&self, kind: MediaKind, reuses: bool) -> bool {
        self.media == Some(kind) && self.receives && self.outgoing.is_none() && (reuses || !self.used)
    }
}
