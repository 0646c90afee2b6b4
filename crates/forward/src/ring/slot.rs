//! One packet in a ring: what was parsed once, for all subscribers.

use std::time::Instant;

use tutti_rtp::payload::vp8;
use tutti_rtp::{
    AbsCaptureTime, AudioLevel, Codec, Descriptor, FrameInfo, PlayoutDelay, RtpTimestamp, VideoOrientation,
};

use super::arena::Place;
use crate::decode_target::DecodeTargetSet;

/// Header extension values that are passed on to subscribers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SlotExtensions {
    /// Audio level.
    pub audio_level: Option<AudioLevel>,
    /// When the media was captured, by the publisher's clock.
    pub abs_capture_time: Option<AbsCaptureTime>,
    /// Limits for the playout delay.
    pub playout_delay: Option<PlayoutDelay>,
    /// How to turn the picture.
    pub video_orientation: Option<VideoOrientation>,
}

/// What a packet is to its frame: the part of [`FrameInfo`] that subscriptions ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// With the packet it is known that decoding of its stream can begin with its frame. Set on one packet of the frame:
    /// the first, but for access units that a delimiter or SEI opens.
    pub key: bool,
    /// How many packets before this one the frame opens, where `key` is set.
    pub lead: u8,
    /// The packet holds part of what a decoder can begin with, be it the first such part of its frame or not.
    pub intra: bool,
    /// It brings the parameter set that decoding begins with.
    pub parameters: bool,
    /// The packet opens a frame of its layer.
    pub start: bool,
    /// The packet closes the frame of its layer.
    pub end: bool,
    /// Spatial layer inside the stream, 0 = smallest.
    pub spatial: u8,
    /// Temporal layer, 0 = base.
    pub temporal: u8,
    /// A receiver of lower temporal layers may go up to this one here.
    pub switch_up: bool,
    /// VP9: the frame refers to earlier pictures.
    pub inter_picture: bool,
    /// VP8's descriptor and its length.
    pub vp8: Option<(vp8::Descriptor, u8)>,
}

impl From<&FrameInfo> for Frame {
    fn from(info: &FrameInfo) -> Self {
        Self {
            key: info.key_frame,
            lead: 0,
            intra: info.key_frame,
            parameters: info.parameters,
            start: info.start_of_frame,
            end: info.end_of_frame,
            spatial: info.spatial,
            temporal: info.temporal,
            switch_up: info.switch_up,
            inter_picture: matches!(info.descriptor, Descriptor::Vp9(descriptor, _) if descriptor.inter_picture),
            vp8: match info.descriptor {
                Descriptor::Vp8(descriptor, len) => Some((descriptor, len as u8)),
                _ => None,
            },
        }
    }
}

/// What is known about a packet.
#[derive(Debug, Clone, Copy)]
pub struct PacketHead {
    /// The publisher's extended sequence.
    pub index: u64,
    /// When it arrived at this node.
    pub arrival: Instant,
    /// The publisher's timestamp.
    pub timestamp: RtpTimestamp,
    /// The publisher's marker.
    pub marker: bool,
    /// Index of its payload format in [`crate::Layers`]; `None` = a payload type that was not negotiated.
    pub format: Option<u8>,
    /// Codec of that format.
    pub codec: Option<Codec>,
    /// Its place in its frame.
    pub frame: Frame,
    /// Decode targets of its frame, from the dependency descriptor.
    pub targets: Option<DecodeTargetSet>,
    /// Header extensions.
    pub extensions: SlotExtensions,
}

/// A packet in a ring.
#[derive(Debug, Clone, Copy)]
pub struct PacketSlot {
    head: PacketHead,
    place: Place,
    descriptor_len: u8,
    payload_len: u16,
}

impl std::ops::Deref for PacketSlot {
    type Target = PacketHead;

    fn deref(&self) -> &PacketHead {
        &self.head
    }
}

impl PacketSlot {
    pub(super) fn new(head: PacketHead, place: Place, descriptor_len: usize) -> Self {
        Self { head, descriptor_len: descriptor_len as u8, payload_len: (place.len() - descriptor_len) as u16, place }
    }

    /// Bytes of payload, padding not counted.
    pub const fn payload_len(&self) -> usize {
        self.payload_len as usize
    }

    /// Whether it carries nothing: padding, sent to probe or to keep a path alive.
    pub const fn is_padding(&self) -> bool {
        self.payload_len == 0
    }

    pub(super) const fn descriptor_len(&self) -> usize {
        self.descriptor_len as usize
    }

    pub(super) const fn place(&self) -> Place {
        self.place
    }
}
