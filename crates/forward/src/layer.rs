//! Names of a track's RTP streams and of the packets in their rings.
//!
//! Plain values; knows nothing about what a stream carries.

use std::fmt;

/// One RTP stream of a published track: a simulcast encoding, the only stream of an SVC or audio track, or a stream of
/// a backup codec. Counts over all sections of the track, below [`LayerIndex::COUNT_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LayerIndex(pub u8);

impl LayerIndex {
    /// Streams that one track may have over all its sections.
    pub const COUNT_MAX: usize = 16;
}

impl fmt::Display for LayerIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A set of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct LayerMask(pub u32);

impl LayerMask {
    /// No layer.
    pub const NONE: Self = Self(0);

    /// Just `layer`.
    pub const fn of(layer: LayerIndex) -> Self {
        Self(1 << (layer.0 & 31))
    }

    /// Whether `layer` is in the set.
    pub const fn contains(self, layer: LayerIndex) -> bool {
        self.0 & Self::of(layer).0 != 0
    }

    /// The set with `layer`.
    #[must_use]
    pub const fn with(self, layer: LayerIndex) -> Self {
        Self(self.0 | Self::of(layer).0)
    }

    /// The set without `layer`.
    #[must_use]
    pub const fn without(self, layer: LayerIndex) -> Self {
        Self(self.0 & !Self::of(layer).0)
    }

    /// Whether no layer is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The layers in it, lowest first.
    pub fn iter(self) -> impl Iterator<Item = LayerIndex> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            if rest == 0 {
                return None;
            }
            let lowest = rest.trailing_zeros() as u8;
            rest &= rest - 1;
            Some(LayerIndex(lowest))
        })
    }
}

/// Names one packet of a published track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PacketAt {
    /// Its stream.
    pub layer: LayerIndex,
    /// The publisher's sequence number, extended so that it never wraps and never runs back, not even when the
    /// publisher starts the stream afresh.
    pub index: u64,
}

/// What an SSRC of the publisher carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamMatch {
    /// The stream.
    pub layer: LayerIndex,
    /// Retransmissions of it (RFC 4588), not the stream itself.
    pub repair: bool,
}
