//! What waits to be announced, and how urgent an announcement is. Holds; decides nothing.

use std::collections::BTreeSet;
use std::time::Instant;

use livekit_protocol as proto;

use crate::MemberKey;

/// How soon others must hear of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// Now, and the member itself does not need to.
    Now,
    /// Now, and the member itself too.
    NowWithSelf,
    /// With the next batch, unless the member publishes.
    Batch,
}

/// What waits to be announced.
#[derive(Debug)]
pub(crate) struct PendingUpdates {
    pub(crate) changed: BTreeSet<MemberKey>,
    pub(crate) departed: Vec<Departed>,
    /// End of the interval in which `burst` messages were spent.
    pub(crate) interval_end: Instant,
    pub(crate) burst: usize,
    pub(crate) departures_not_before: Instant,
}

/// The end of a session that others must hear of.
#[derive(Debug)]
pub(crate) struct Departed {
    pub(crate) info: proto::ParticipantInfo,
    /// A new session of the identity is announced after it: only clients that do not know identities need to hear of both.
    pub(crate) replaced: bool,
}

impl PendingUpdates {
    pub(crate) fn new(now: Instant) -> Self {
        Self { changed: BTreeSet::new(), departed: Vec::new(), interval_end: now, burst: 0, departures_not_before: now }
    }

    pub(crate) fn forget(&mut self, member: MemberKey) {
        self.changed.remove(&member);
    }

    pub(crate) fn nobody_follows(&mut self, identity: &str) {
        for departed in self.departed.iter_mut().filter(|departed| departed.info.identity == identity) {
            departed.replaced = false;
        }
    }

    pub(crate) fn take_departed(&mut self, identity: &str) -> Vec<Departed> {
        self.departed.extract_if(.., |departed| departed.info.identity == identity).collect()
    }
}
