//! One track on its way to one peer.

use tutti_forward::{SendTrack, SubscribeTrack, SubscriptionKey, TrackKey};

use super::ids::{PeerIndex, SubscriptionIndex, TrackIndex};
use super::table::Entry;
use crate::wheel::Timer;

/// How far a subscription has come.
pub(super) enum Stage {
    /// Its track is not known here yet.
    Waiting(Box<SubscribeTrack>),
    /// It is served, as far as the peer's transport is ready.
    Attached {
        track: TrackIndex,
        /// Place in the track's list of subscribers.
        position: usize,
        send: Box<SendTrack>,
    },
    /// Its track is gone. Its SSRCs must not be used again, so it stays as it is until it is unsubscribed.
    Detached,
}

/// The subscription.
pub(super) struct Subscription {
    pub(super) key: SubscriptionKey,
    pub(super) peer: PeerIndex,
    pub(super) track_key: TrackKey,
    pub(super) stage: Stage,
    pub(super) timer: Timer,
}

impl Entry for Subscription {
    type Key = SubscriptionKey;
    type Place = SubscriptionIndex;

    fn key(&self) -> SubscriptionKey {
        self.key
    }
}
