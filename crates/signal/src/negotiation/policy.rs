//! What the server allows and what the session decides: enabled codecs, and one policy for each published section.

use tutti_forward::{LayerMode, TrackKey};
use tutti_rtp::{Codec, MediaKind};

/// The codecs that are on, preferred first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodecPolicy {
    enabled: Vec<Codec>,
}

impl CodecPolicy {
    /// Only these, in this order of preference.
    pub fn new(enabled: Vec<Codec>) -> Self {
        Self { enabled }
    }

    /// Whether `codec` is on.
    pub fn allows(&self, codec: Codec) -> bool {
        self.enabled.contains(&codec)
    }

    /// The codecs of `kind`, preferred first.
    pub fn codecs(&self, kind: MediaKind) -> impl Iterator<Item = Codec> + '_ {
        self.enabled.iter().copied().filter(move |codec| codec.kind() == kind)
    }
}

impl Default for CodecPolicy {
    fn default() -> Self {
        use Codec::*;
        Self { enabled: vec![Opus, Red, Pcmu, Pcma, Vp8, H264, Vp9, Av1, H265] }
    }
}

/// How one section on which the client sends is to be answered: it belongs to a track now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionPolicy {
    /// Track that the section carries.
    pub track: TrackKey,
    /// Codec to put first, where the client offers it; else the client's own order stands.
    pub codec: Option<Codec>,
    /// Audio: put RED first, if offered. `false` leaves RED out altogether (`disable_red`, end-to-end encryption).
    pub red: bool,
    /// Audio: `usedtx=1`.
    pub dtx: bool,
    /// Audio: `stereo=1` and the bitrate that goes with it.
    pub stereo: bool,
    /// Payloads are end-to-end encrypted.
    pub encrypted: bool,
    /// Restriction ids in the order of their spatial layers, smallest first, as the request's `layers` state them.
    /// Empty = by name (`q h f`, `2 1 0`), else as offered. Ids that the section lacks are skipped.
    pub rids: Vec<String>,
    /// How the layers arrive, if the request says so; else by the codec that is agreed on.
    pub layer_mode: Option<LayerMode>,
}

impl SectionPolicy {
    /// The policy for a plain track: RED and DTX on, mono, not encrypted, layers by name.
    pub fn new(track: TrackKey) -> Self {
        Self {
            track,
            codec: None,
            red: true,
            dtx: true,
            stereo: false,
            encrypted: false,
            rids: Vec::new(),
            layer_mode: None,
        }
    }
}
