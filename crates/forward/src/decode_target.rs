//! Decode targets as forwarding needs them: which layers each is made of, and what a packet is to them.

/// The layers that a decode target is made of: all up to these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeTarget {
    /// Spatial layer, 0 = smallest.
    pub spatial: u8,
    /// Temporal layer, 0 = base.
    pub temporal: u8,
}

/// What the dependency descriptor of a packet says; bit n of a mask is decode target n.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DecodeTargetSet {
    /// Targets that the frame is part of.
    pub present: u32,
    /// Targets that a receiver may switch to with this frame.
    pub switch: u32,
    /// Targets that the publisher sends.
    pub active: u32,
    /// A new structure came with the packet.
    pub structure: bool,
    /// Number of the frame.
    pub frame_number: u16,
    /// Frames that it refers to: bit n is the frame n + 1 before it.
    pub references: u64,
    /// It refers to frames further back than that.
    pub refers_far: bool,
}
