//! From a published track to a subscribed one: receiving, layers, rewriting, retransmission, speakers.

mod command;

pub use command::{
    Encoding, ForwardCommand, ForwardEvent, LayerMode, LayerTarget, LegQuality, PayloadFormat, PublishTrack,
    SubscribeTrack, SubscriptionKey, TrackKey,
};
