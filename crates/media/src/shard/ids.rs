//! Places in a shard's tables. Only meaningful inside the shard that gave them.

/// A place in a table.
pub(super) trait Place: Copy {
    /// As the slab counts.
    fn slot(self) -> usize;

    fn at(slot: usize) -> Self;
}

/// Place of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PeerIndex(pub(super) u32);

/// Place of a track, published here or replicated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TrackIndex(pub(super) u32);

/// Place of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct SubscriptionIndex(pub(super) u32);

macro_rules! places {
    ($($name:ident),*) => {
        $(impl Place for $name {
            fn slot(self) -> usize {
                self.0 as usize
            }

            /// A shard holds far fewer than 2^32 of anything.
            fn at(slot: usize) -> Self {
                Self(slot as u32)
            }
        })*
    };
}

places!(PeerIndex, TrackIndex, SubscriptionIndex);
