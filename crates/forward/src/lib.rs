//! From a published track to a subscribed one: receiving, layers, rewriting, retransmission, speakers.
//!
//! A track is a [`ReceiveTrack`] where its publisher is. What subscribers read of it is [`Layers`]; shards without the
//! publisher hold a copy of those. A subscription is a [`SendTrack`], which sees nothing but `Layers`.
//!
//! | module | owns |
//! |---|---|
//! | [`command`](ForwardCommand) | the values that cross from and to the control plane |
//! | `ring` | the recent packets of one stream |
//! | `layers` | the streams of one track: rings, clocks, signs of life |
//! | `receive` | from a publisher's packets into the rings; feedback to the publisher |
//! | `send` | from the rings to one subscriber; feedback from it |
//! | `speaker` | who is speaking |
//! | `clock` | sender reports as clocks |
//!
//! Must not: know rooms or transports, read a clock, draw randomness, send or seal anything. After warm-up nothing
//! allocates per packet, and a packet costs the same however many tracks and subscriptions there are.

mod clock;
mod command;
mod decode_target;
mod error;
mod layer;
mod layers;
#[cfg(test)]
mod promised;
mod receive;
mod ring;
mod send;
mod speaker;

pub use clock::SourceClock;
pub use command::{
    Encoding, ForwardCommand, ForwardEvent, LayerMode, LayerTarget, LegQuality, PayloadFormat, PublishTrack,
    SendSection, SubscribeTrack, SubscriptionKey, TrackKey,
};
pub use decode_target::{DecodeTarget, DecodeTargetSet};
pub use error::ForwardError;
pub use layer::{LayerIndex, LayerMask, PacketAt, StreamMatch};
pub use layers::{Layers, LayersState, PacketCopy, SourceFormat};
pub use receive::{FeedbackWritten, NackConfig, PacketId, ReceiveConfig, ReceiveCounters, ReceiveTrack};
pub use ring::{Frame, PacketHead, PacketRing, PacketSlot, RingConfig, SlotExtensions, Stored};
pub use send::{LayerLimit, ResendConfig, SCRATCH_LEN, SendCounters, SendKind, SendPacket, SendTrack};
pub use speaker::{SpeakerChange, SpeakerConfig, SpeakerDetector};
