//! What the control plane asks of forwarding, and what it hears back.
//!
//! Plain values only: they cross a thread boundary through a bounded mailbox. "Track" is one published source;
//! "subscription" is that track on its way to one subscriber.

use tutti_id::RoomKey;
use tutti_rtp::{Codec, ExtensionMap, MediaKind};

/// Names one published track on this node. The upper 32 bits are the key of its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackKey(pub u64);

/// Names one subscription on this node. The upper 32 bits are the key of its room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionKey(pub u64);

impl TrackKey {
    /// The key with number `index` in this room.
    pub const fn new(room: RoomKey, index: u32) -> Self {
        Self(room.with_index(index))
    }

    /// Its room.
    pub const fn room(self) -> RoomKey {
        RoomKey::of(self.0)
    }

    /// Its number in the room.
    pub const fn index(self) -> u32 {
        RoomKey::index_of(self.0)
    }
}

impl SubscriptionKey {
    /// The key with number `index` in this room.
    pub const fn new(room: RoomKey, index: u32) -> Self {
        Self(room.with_index(index))
    }

    /// Its room.
    pub const fn room(self) -> RoomKey {
        RoomKey::of(self.0)
    }

    /// Its number in the room.
    pub const fn index(self) -> u32 {
        RoomKey::index_of(self.0)
    }
}

/// One payload type as negotiated with one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadFormat {
    /// Payload format.
    pub codec: Codec,
    /// Its payload type, 0 to 127.
    pub payload_type: u8,
    /// Payload type of its retransmissions (RFC 4588), where negotiated.
    pub rtx_payload_type: Option<u8>,
    /// What tells formats of one codec apart: VP9 `profile-id`, H.264 `profile-level-id` (profile_idc and
    /// constraint flags, upper 16 bits of the 24) with `packetization-mode` in the lowest byte, AV1 `profile`; else 0.
    pub profile: u32,
    /// The peer sends or wants NACK (RFC 4585) for it.
    pub nack: bool,
}

/// How the layers of a published video track arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerMode {
    /// One stream, or simulcast: one stream for each spatial layer.
    Simulcast,
    /// One stream that holds all spatial layers.
    Svc,
}

/// One RTP stream of a published track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoding {
    /// Restriction id, where the peer uses them. At most 16 ASCII letters or digits.
    pub rid: Option<String>,
    /// SSRC, where the description names it; else learned from MID and RID of the first packets.
    pub ssrc: Option<u32>,
    /// SSRC of its retransmissions, where the description names it.
    pub rtx_ssrc: Option<u32>,
    /// Spatial layer it carries, 0 = smallest. Simulcast encodings are listed in this order.
    pub spatial: u8,
}

/// A media section on which the peer sends a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishTrack {
    /// Name of the track.
    pub track: TrackKey,
    /// Audio or video.
    pub kind: MediaKind,
    /// MID of the section, at most 16 bytes.
    pub mid: String,
    /// Payload types that the peer may send, preferred first. A second `Publish` for the same track with another
    /// `mid` adds a backup codec's section.
    pub formats: Vec<PayloadFormat>,
    /// Extension ids of the section.
    pub extensions: ExtensionMap,
    /// Streams, in the order of their spatial layers. One for audio.
    pub encodings: Vec<Encoding>,
    /// How layers arrive.
    pub layer_mode: LayerMode,
    /// The peer understands transport-wide congestion control feedback.
    pub transport_cc: bool,
    /// Payloads are end-to-end encrypted: read no more of them than their clear first bytes.
    pub encrypted: bool,
}

/// How much of a track one subscriber gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerTarget {
    /// Nothing is sent.
    pub paused: bool,
    /// Highest spatial layer wanted, 0 = smallest. The nearest existing one below (else above) is taken.
    pub spatial: u8,
    /// Highest temporal layer wanted, 0 = base; 7 = all.
    pub temporal: u8,
}

impl LayerTarget {
    /// Everything there is.
    pub const ALL: Self = Self { paused: false, spatial: 7, temporal: 7 };
}

/// A media section on which we send a track to one subscriber, as both sides agreed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendSection {
    /// Name of the subscription.
    pub subscription: SubscriptionKey,
    /// MID of the section, at most 16 bytes.
    pub mid: String,
    /// SSRC we send with; it stands in our description.
    pub ssrc: u32,
    /// SSRC of our retransmissions, where RTX is negotiated.
    pub rtx_ssrc: Option<u32>,
    /// Payload types negotiated with the subscriber. What the publisher sends and this lacks is not sent
    /// (RED is unpacked to Opus when only Opus is here; its copies stand in for what was lost).
    pub formats: Vec<PayloadFormat>,
    /// Extension ids of the section.
    pub extensions: ExtensionMap,
    /// Canonical name of the publisher's clock, as in our description (RFC 7022).
    pub cname: String,
    /// The subscriber shows a track only when RTP arrives: send padding while there is none
    /// (docs/protocol.md#publishing).
    pub needs_padding: bool,
}

/// A track to send to one subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscribeTrack {
    /// Track to send.
    pub track: TrackKey,
    /// Where to send it.
    pub section: SendSection,
    /// What to send at first.
    pub target: LayerTarget,
}

/// What the control plane asks of forwarding. The transport it concerns is named beside it.
#[derive(Debug, Clone)]
pub enum ForwardCommand {
    /// The peer sends a track on this transport.
    Publish(Box<PublishTrack>),
    /// The track is gone; its subscriptions stay but carry nothing until unsubscribed.
    Unpublish(TrackKey),
    /// The publisher muted or unmuted the track: silence is then no sign of bad quality.
    SetMuted(TrackKey, bool),
    /// Send a track to the peer of this transport. Asks the publisher for a key frame.
    Subscribe(Box<SubscribeTrack>),
    /// Stop and forget a subscription.
    Unsubscribe(SubscriptionKey),
    /// Change how much is sent.
    SetTarget(SubscriptionKey, LayerTarget),
}

/// How well a track fared on one leg since the last report.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LegQuality {
    /// Length of the window, ms.
    pub window_ms: u32,
    /// Packets that should have arrived.
    pub packets_expected: u32,
    /// Packets that did not arrive and were not repaired.
    pub packets_lost: u32,
    /// Payload bytes that arrived.
    pub bytes: u64,
    /// Interarrival jitter, ms (RFC 3550, section 6.4.1).
    pub jitter_ms: f32,
    /// Round trip, ms; `None` = not measured yet.
    pub rtt_ms: Option<f32>,
}

/// What forwarding tells the control plane.
#[derive(Debug, Clone, PartialEq)]
pub enum ForwardEvent {
    /// First packet of a published track's codec arrived.
    TrackStarted {
        /// The track.
        track: TrackKey,
        /// What it is sent with.
        codec: Codec,
    },
    /// A speaker's level changed by a visible step, began or ended (docs/protocol.md#speakers).
    Speaker {
        /// Audio track.
        track: TrackKey,
        /// 0.0 to 1.0, in steps of 1/8; always finite.
        level: f32,
        /// Speaking.
        active: bool,
    },
    /// Every 5 s for each published track that is not muted: publisher to us.
    Upstream {
        /// The track.
        track: TrackKey,
        /// How it fared.
        quality: LegQuality,
        /// Spatial layers that carried packets, lowest bit = smallest.
        layers: u8,
    },
    /// Every 5 s for each subscription that carried packets: us to the subscriber, from its receiver reports.
    Downstream {
        /// The subscription.
        subscription: SubscriptionKey,
        /// How it fared.
        quality: LegQuality,
        /// Spatial layer being sent, `None` = nothing.
        spatial: Option<u8>,
    },
    /// The publisher's codec is not among the subscription's formats.
    CodecMismatch {
        /// The subscription.
        subscription: SubscriptionKey,
    },
}
