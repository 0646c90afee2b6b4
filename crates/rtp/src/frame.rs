//! What a packet is to its frame, whatever the codec: the one question that forwarding asks of every packet received.
//!
//! Stateless: what only the packets before can tell (a lost packet, a new timestamp) is the caller's to add.

use crate::Codec;
use crate::payload::dependency::{self, Indication};
use crate::payload::{FrameSize, av1, h264, h265, vp8, vp9};

/// What a packet is to its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameInfo {
    /// The packet shows that decoding of its layer can begin with its frame. It opens that frame, except with H.264 and
    /// H.265 without a dependency descriptor: there a delimiter or SEI may come before it, and several packets of one
    /// frame may show it (parameter sets, then the slices).
    /// Audio: every packet.
    pub key_frame: bool,
    /// The packet brings the parameter set that decoding begins with: a sequence parameter set of H.264, a video
    /// parameter set of H.265.
    pub parameters: bool,
    /// The packet opens the frame of its layer. H.264, H.265 and AV1 without a dependency descriptor: it may, as far as
    /// one packet can tell; it does if the timestamp is new as well.
    pub start_of_frame: bool,
    /// The packet closes the frame of its layer.
    pub end_of_frame: bool,
    /// The packet closes the picture, all its spatial layers: the marker bit.
    pub end_of_picture: bool,
    /// Spatial layer, 0 = smallest. Always 0 for codecs without layers inside a stream.
    pub spatial: u8,
    /// Temporal layer, 0 = base.
    pub temporal: u8,
    /// A receiver of lower temporal layers may go up to this frame's layer here.
    pub switch_up: bool,
    /// No other frame refers to this one.
    pub discardable: bool,
    /// Size of the picture, where the packet tells (key frames).
    pub size: Option<FrameSize>,
    /// What the codec's own descriptor said.
    pub descriptor: Descriptor,
}

/// The payload descriptor of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Descriptor {
    /// None, or a malformed one.
    None,
    /// VP8's; it comes with its length, where the frame data begins.
    Vp8(vp8::Descriptor, usize),
    /// VP9's; it comes with its length.
    Vp9(vp9::Descriptor, usize),
}

impl FrameInfo {
    /// A packet of which nothing is known but its marker: no frame opens, no layers.
    pub const fn opaque(marker: bool) -> Self {
        Self {
            key_frame: false,
            parameters: false,
            start_of_frame: false,
            end_of_frame: marker,
            end_of_picture: marker,
            spatial: 0,
            temporal: 0,
            switch_up: false,
            discardable: false,
            size: None,
            descriptor: Descriptor::None,
        }
    }

    /// What the payload told, with what the dependency descriptor tells better.
    fn refined(self, dependency: &dependency::Descriptor) -> Self {
        let start_of_frame = dependency.start_of_frame;
        let key_frame = start_of_frame && (self.key_frame || dependency.is_key_frame());
        let any = |wanted: Indication| dependency.indications.iter().any(|indication| indication == wanted);
        Self {
            key_frame,
            start_of_frame,
            end_of_frame: dependency.end_of_frame,
            spatial: dependency.spatial,
            temporal: dependency.temporal,
            switch_up: any(Indication::Switch),
            discardable: !any(Indication::Switch) && !any(Indication::Required),
            size: if key_frame { self.size.or(dependency.size) } else { None },
            ..self
        }
    }

    /// A packet that is a frame of its own: audio.
    const fn whole() -> Self {
        Self { key_frame: true, start_of_frame: true, end_of_frame: true, ..Self::opaque(true) }
    }
}

/// Reads what a packet is to its frame. Never fails: of a malformed payload nothing is known but the marker.
///
/// `payload` is without padding and, for a retransmission, without the original sequence number. `dependency` is what
/// the stream's [`dependency::Reader`] made of the header extension, if it came: it tells frame bounds and layers more
/// exactly than the payload, and libwebrtc leaves picture ids and layers out of VP8 descriptors when it
/// sends it. No more of the payload is read than end-to-end encryption leaves in the clear.
pub fn describe(codec: Codec, payload: &[u8], marker: bool, dependency: Option<&dependency::Descriptor>) -> FrameInfo {
    let info = match (codec, dependency) {
        (Codec::Opus | Codec::Red | Codec::Pcmu | Codec::Pcma, _) => return FrameInfo::whole(),
        (Codec::Vp8, _) => vp8(payload, marker),
        (Codec::Vp9, _) => vp9(payload, marker),
        (Codec::H264, _) => h264(payload, marker),
        (Codec::H265, _) => h265(payload, marker),
        (Codec::Av1, Some(_)) => None,
        (Codec::Av1, None) => av1(payload, marker),
    }
    .unwrap_or(FrameInfo::opaque(marker));
    match dependency {
        None => info,
        Some(dependency) => info.refined(dependency),
    }
}

fn vp8(payload: &[u8], marker: bool) -> Option<FrameInfo> {
    let (descriptor, len) = vp8::Descriptor::parse(payload).ok()?;
    let frame = payload.get(len..)?;
    let start_of_frame = descriptor.starts_frame();
    let key_frame = start_of_frame && vp8::is_key_frame(frame);
    let layer = descriptor.temporal.unwrap_or_default();
    Some(FrameInfo {
        key_frame,
        start_of_frame,
        temporal: layer.id,
        switch_up: key_frame || layer.layer_sync,
        discardable: descriptor.non_reference,
        size: if key_frame { vp8::key_frame_size(frame) } else { None },
        descriptor: Descriptor::Vp8(descriptor, len),
        ..FrameInfo::opaque(marker)
    })
}

fn vp9(payload: &[u8], marker: bool) -> Option<FrameInfo> {
    let (descriptor, len) = vp9::Descriptor::parse(payload).ok()?;
    let key_frame = descriptor.start_of_frame && descriptor.is_independent();
    Some(FrameInfo {
        key_frame,
        start_of_frame: descriptor.start_of_frame,
        end_of_frame: descriptor.end_of_frame,
        spatial: descriptor.spatial(),
        temporal: descriptor.temporal(),
        switch_up: key_frame || descriptor.layer.is_some_and(|layer| layer.switch_up),
        size: descriptor.structure.and_then(|structure| structure.size(descriptor.spatial())),
        descriptor: Descriptor::Vp9(descriptor, len),
        ..FrameInfo::opaque(marker)
    })
}

fn h264(payload: &[u8], marker: bool) -> Option<FrameInfo> {
    let contents = h264::Contents::parse(payload).ok()?;
    Some(FrameInfo {
        key_frame: contents.is_key_frame(),
        parameters: contents.sequence_parameters,
        start_of_frame: contents.may_start,
        switch_up: contents.is_key_frame(),
        discardable: contents.non_reference,
        ..FrameInfo::opaque(marker)
    })
}

fn h265(payload: &[u8], marker: bool) -> Option<FrameInfo> {
    let contents = h265::Contents::parse(payload).ok()?;
    Some(FrameInfo {
        key_frame: contents.is_key_frame(),
        parameters: contents.video_parameters,
        start_of_frame: contents.may_start,
        temporal: contents.temporal,
        // Of an access picture with several slices the first one counts.
        switch_up: contents.is_key_frame() || (contents.sublayer_access && contents.may_start),
        ..FrameInfo::opaque(marker)
    })
}

fn av1(payload: &[u8], marker: bool) -> Option<FrameInfo> {
    let header = av1::AggregationHeader::parse(payload).ok()?;
    let mut info = FrameInfo {
        key_frame: header.new_sequence,
        start_of_frame: !header.continues,
        switch_up: header.new_sequence,
        ..FrameInfo::opaque(marker)
    };
    if !header.continues
        && let Some((obu, _)) = av1::elements(payload).filter_map(av1::ObuHeader::parse).last()
    {
        // The first OBU may be a sequence header, which belongs to no layer.
        (info.spatial, info.temporal) = (obu.spatial, obu.temporal);
    }
    if header.new_sequence {
        info.size = av1::sequence_size(payload);
    }
    Some(info)
}
