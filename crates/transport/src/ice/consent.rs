//! Asks a peer that has fallen silent whether it is still there, with a check of our own (RFC 8445, section 7.2).
//!
//! Browsers check their pair every 2 to 5 s for as long as they send (RFC 7675) and are never asked. Agents that only
//! keep their NAT open (libnice, and so GStreamer: an indication every 25 s) say nothing that could be told from a
//! forgery. A lite agent need not check, but a full one answers whoever does, and the answer is authentic.

use std::time::{Duration, Instant};

use super::lite::Generation;
use crate::command::IceCredentials;
use crate::path::Contents;
use crate::stun::{self, IntegrityKey, TransactionId};

/// Silence after which the peer is asked: as long as the slowest checks of browsers are apart.
pub(crate) const ASKED_AFTER: Duration = Duration::from_secs(5);

/// How often it is asked until it answers, so that an answer may be lost before it counts as silent.
pub(crate) const ASKED_EVERY: Duration = Duration::from_millis(2500);

/// Longest halves of USERNAME that a check is written for, bytes (RFC 8839, section 5.4).
const UFRAG_LEN_MAX: usize = 256;

/// The questions to one peer.
#[derive(Default)]
pub(super) struct Consent {
    /// What the peer's description says. Without it nothing can be asked.
    peer: Option<IceCredentials>,
    asked: Option<(TransactionId, Instant)>,
    questions: u64,
}

impl Consent {
    /// The peer under the credentials of its description.
    pub(super) fn set_remote(&mut self, remote: &IceCredentials) {
        let can_be_asked = !remote.pwd.is_empty() && remote.ufrag.len() <= UFRAG_LEN_MAX;
        self.peer = can_be_asked.then(|| remote.clone());
    }

    /// The peer's credentials are void until its next description.
    pub(super) fn forget(&mut self) {
        (self.peer, self.asked) = (None, None);
    }

    /// When to ask a peer that was last heard at `heard_at`.
    pub(super) fn poll_timeout(&self, heard_at: Instant) -> Option<Instant> {
        self.peer.as_ref()?;
        let silent = heard_at + ASKED_AFTER;
        Some(self.asked.map_or(silent, |(_, asked_at)| silent.max(asked_at + ASKED_EVERY)))
    }

    /// The next question, under our credentials `ours`.
    pub(super) fn ask(&mut self, now: Instant, ours: &Generation) -> Option<Contents> {
        let peer = self.peer.as_ref()?;
        self.questions += 1;
        let (transaction, tie_breaker) = ours.key().draw(self.questions);
        self.asked = Some((transaction, now));
        let key = IntegrityKey::new(&peer.pwd);
        Some(stun::request(transaction, (&peer.ufrag, ours.ufrag()), tie_breaker, &key))
    }

    /// Whether the datagram is the peer's authentic answer to the newest question.
    pub(super) fn takes(&mut self, datagram: &[u8]) -> bool {
        let (Some(peer), Some((transaction, _))) = (&self.peer, self.asked) else { return false };
        let is_answer = stun::answers(datagram, transaction, &IntegrityKey::new(&peer.pwd));
        if is_answer {
            self.asked = None;
        }
        is_answer
    }
}
