//! One track on this shard, and who gets it: published here, or replicated from another shard.

use tutti_forward::{LayerMask, Layers, PacketAt, ReceiveTrack, TrackKey};
use tutti_id::ShardNumber;
use tutti_rtp::MediaKind;

use super::followers::Followers;
use super::ids::{PeerIndex, SubscriptionIndex, TrackIndex};
use super::table::Entry;
use crate::wheel::Timer;

/// Where the packets come from.
pub(super) enum Origin {
    /// The publisher is on this shard.
    Home {
        peer: PeerIndex,
        receive: Box<ReceiveTrack>,
        /// Other shards with subscribers.
        followers: Followers,
    },
    /// The publisher is on another shard.
    Replica {
        home: ShardNumber,
        layers: Box<Layers>,
        /// What home was last told that is wanted here; `None` = not told yet.
        told: Option<LayerMask>,
        /// Home has answered with the track's state.
        confirmed: bool,
    },
}

impl Origin {
    /// What subscribers read.
    pub(super) fn layers(&self) -> &Layers {
        match self {
            Self::Home { receive, .. } => receive.layers(),
            Self::Replica { layers, .. } => layers,
        }
    }
}

/// A subscription in its track's list: all that a packet which is not for it needs to see.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subscriber {
    pub(super) subscription: SubscriptionIndex,
    pub(super) interest: LayerMask,
}

/// The track.
pub(super) struct Track {
    pub(super) key: TrackKey,
    pub(super) kind: MediaKind,
    pub(super) encrypted: bool,
    pub(super) origin: Origin,
    pub(super) subscribers: Vec<Subscriber>,
    /// Packets that came since the last flush, for the subscribers.
    pub(super) fresh: Vec<PacketAt>,
    /// How many of the subscribers have got them.
    pub(super) fresh_served: usize,
    /// Version of the layers that the subscribers have seen.
    pub(super) version: u32,
    pub(super) timer: Timer,
}

impl Track {
    pub(super) fn layers(&self) -> &Layers {
        self.origin.layers()
    }

    /// Whether the publisher is on this shard.
    pub(super) const fn is_home(&self) -> bool {
        matches!(self.origin, Origin::Home { .. })
    }

    /// The publisher, if it is on this shard.
    pub(super) const fn publisher(&self) -> Option<PeerIndex> {
        match self.origin {
            Origin::Home { peer, .. } => Some(peer),
            Origin::Replica { .. } => None,
        }
    }

    /// Layers that somebody on this shard wants to see.
    pub(super) fn wanted(&self) -> LayerMask {
        LayerMask(self.subscribers.iter().fold(0, |mask, subscriber| mask | subscriber.interest.0))
    }
}

impl Entry for Track {
    type Key = TrackKey;
    type Place = TrackIndex;

    fn key(&self) -> TrackKey {
        self.key
    }
}
