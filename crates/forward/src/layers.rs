//! What subscribers read of a published track: its streams with their packets, clocks and signs of life.
//!
//! The publisher's shard owns one inside [`crate::ReceiveTrack`]; every other shard with a subscriber owns a copy that
//! is fed with [`Layers::copy_of`] and [`Layers::state`]. Decides nothing about subscribers.

mod access_unit;
mod copy;
mod liveness;
mod section;
mod spatial;
mod targets;
#[cfg(test)]
mod tests;

use std::time::Instant;

pub use copy::{LayersState, PacketCopy};
use liveness::Liveness;
pub(crate) use section::Section;
pub use section::SourceFormat;
use spatial::SpatialReader;
use targets::TargetReader;
use tutti_rtp::payload::dependency::Structure;
use tutti_rtp::{Codec, Descriptor, FrameInfo, HeaderExtensions, MediaKind, RtpTimestamp, describe};

use crate::clock::SourceClock;
use crate::decode_target::DecodeTarget;
use crate::ring::{Frame, PacketHead, PacketRing, PacketSlot, RingConfig, SlotExtensions, Stored};
use crate::{ForwardError, LayerIndex, LayerMask, LayerMode, PacketAt, PublishTrack, TrackKey};

/// Sections that one track may have: its codec and its backups.
const SECTIONS_MAX: usize = 4;

/// Payload formats that one track may have over all its sections.
const FORMATS_MAX: usize = 64;

/// One stream of a track.
#[derive(Debug)]
struct Layer {
    section: u8,
    spatial: u8,
    ring: PacketRing,
    targets: TargetReader,
    spatial_reader: SpatialReader,
    clock: Option<SourceClock>,
    generation: Generation,
    liveness: Liveness,
}

/// A stretch of a stream without a restart of the publisher's encoder or sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Generation {
    /// Counts restarts.
    pub(crate) number: u32,
    /// Index of its first packet.
    pub(crate) first: u64,
    pub(crate) key_frame: Option<KeyFrame>,
}

/// The newest key frame of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyFrame {
    /// Its first packet.
    pub(crate) first: u64,
    /// The packet that shows what it is.
    pub(crate) shown: u64,
}

/// A packet as it comes in, from the publisher or from another shard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Incoming<'a> {
    pub(crate) index: u64,
    /// Counts restarts of the stream.
    pub(crate) generation: u32,
    pub(crate) arrival: Instant,
    pub(crate) timestamp: RtpTimestamp,
    pub(crate) marker: bool,
    pub(crate) format: Option<u8>,
    pub(crate) extensions: SlotExtensions,
    pub(crate) descriptor: &'a [u8],
    pub(crate) payload: &'a [u8],
}

/// The streams of one published track.
#[derive(Debug)]
pub struct Layers {
    track: TrackKey,
    kind: MediaKind,
    encrypted: bool,
    sections: Vec<Section>,
    formats: Vec<SourceFormat>,
    layers: Vec<Layer>,
    live: LayerMask,
    /// Signs of life come from another shard.
    replica: bool,
    version: u32,
    state_version: u32,
}

impl Layers {
    /// The streams of `publish`, fed by its publisher.
    pub(crate) fn new(publish: &PublishTrack) -> Result<Self, ForwardError> {
        let mut layers = Self {
            track: publish.track,
            kind: publish.kind,
            encrypted: publish.encrypted,
            sections: Vec::new(),
            formats: Vec::new(),
            layers: Vec::new(),
            live: LayerMask::NONE,
            replica: false,
            version: 1,
            state_version: 1,
        };
        layers.add_section(publish)?;
        Ok(layers)
    }

    /// The streams of `publish` on a shard that does not hear the publisher itself.
    ///
    /// # Errors
    /// As [`Layers::add_section`].
    pub fn replica(publish: &PublishTrack) -> Result<Self, ForwardError> {
        Ok(Self { replica: true, ..Self::new(publish)? })
    }

    /// Adds the section of a further codec. Streams and formats keep their indexes. The same section once more
    /// replaces its extensions and adds formats and streams that are new.
    ///
    /// # Errors
    /// [`ForwardError::OtherTrack`], [`ForwardError::TooMany`], [`ForwardError::Missing`].
    pub fn add_section(&mut self, publish: &PublishTrack) -> Result<(), ForwardError> {
        if publish.track != self.track {
            return Err(ForwardError::OtherTrack { own: self.track, given: publish.track });
        }
        let track = self.track;
        let known = self.sections.iter().position(|section| section.mid == publish.mid);
        let streams_known = known.map_or(0, |section| self.streams_of(section));
        let streams = publish.encodings.get(streams_known..).unwrap_or_default();
        check(!publish.encodings.is_empty(), ForwardError::Missing { track, what: "stream" })?;
        check(!publish.formats.is_empty(), ForwardError::Missing { track, what: "payload type" })?;
        let too_many = |what, max| ForwardError::TooMany { track, what, max };
        check(known.is_some() || self.sections.len() < SECTIONS_MAX, too_many("sections", SECTIONS_MAX))?;
        check(self.formats.len() + publish.formats.len() <= FORMATS_MAX, too_many("payload types", FORMATS_MAX))?;
        check(self.layers.len() + streams.len() <= LayerIndex::COUNT_MAX, too_many("streams", LayerIndex::COUNT_MAX))?;

        let number = known.unwrap_or(self.sections.len()) as u8;
        // Old formats of a section stay where they are: packets in the rings refer to them.
        let unchanged = known.is_some() && self.formats_of(number).eq(publish.formats.iter().copied());
        let first_format = if unchanged { self.first_format_of(number) } else { self.formats.len() as u8 };
        let section = Section::new(publish, first_format);
        if !unchanged {
            self.formats.extend(publish.formats.iter().map(|&format| SourceFormat { section: number, format }));
        }
        match self.sections.get_mut(usize::from(number)) {
            Some(place) => *place = section,
            None => self.sections.push(section),
        }
        let config = RingConfig::of(self.kind);
        self.layers.extend(streams.iter().map(|encoding| Layer {
            section: number,
            spatial: encoding.spatial,
            ring: PacketRing::new(config),
            targets: TargetReader::default(),
            spatial_reader: SpatialReader::default(),
            clock: None,
            generation: Generation::default(),
            liveness: Liveness::default(),
        }));
        self.changed();
        Ok(())
    }

    /// Name of the track.
    pub const fn track(&self) -> TrackKey {
        self.track
    }

    /// Audio or video.
    pub const fn kind(&self) -> MediaKind {
        self.kind
    }

    /// Whether payloads are end-to-end encrypted.
    pub const fn encrypted(&self) -> bool {
        self.encrypted
    }

    /// How many streams there are; their indexes are 0 to this.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// A track has at least one stream.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// All streams.
    pub fn all(&self) -> impl Iterator<Item = LayerIndex> + use<> {
        (0..self.layers.len() as u8).map(LayerIndex)
    }

    /// The streams that carry packets.
    pub const fn live(&self) -> LayerMask {
        self.live
    }

    /// Changes whenever sections or signs of life do: subscriptions want [`crate::SendTrack::refresh`] then.
    pub const fn version(&self) -> u32 {
        self.version
    }

    /// Changes whenever [`Layers::state`] does: copies on other shards want it then.
    pub const fn state_version(&self) -> u32 {
        self.state_version
    }

    /// Payload formats of all sections, in the order of their publishing.
    pub fn formats(&self) -> &[SourceFormat] {
        &self.formats
    }

    /// Spatial layer that a stream carries, 0 = smallest.
    pub fn spatial(&self, layer: LayerIndex) -> u8 {
        self.layer(layer).map_or(0, |layer| layer.spatial)
    }

    /// Number of the section that a stream belongs to.
    pub fn section(&self, layer: LayerIndex) -> u8 {
        self.layer(layer).map_or(0, |layer| layer.section)
    }

    /// How the layers of a section arrive.
    pub fn mode(&self, section: u8) -> LayerMode {
        self.sections.get(usize::from(section)).map_or(LayerMode::Simulcast, |section| section.mode)
    }

    /// What a stream's sender reports say of its clock.
    pub fn clock(&self, layer: LayerIndex) -> Option<SourceClock> {
        self.layer(layer)?.clock
    }

    /// A packet, while it is kept.
    pub fn slot(&self, at: PacketAt) -> Option<&PacketSlot> {
        self.layer(at.layer)?.ring.get(at.index)
    }

    /// The payload of a packet of `layer`; empty for padding and for packets that are no longer kept.
    pub fn payload(&self, layer: LayerIndex, slot: &PacketSlot) -> &[u8] {
        self.layer(layer).map_or(&[], |layer| layer.ring.payload(slot))
    }

    /// The dependency descriptor of a packet of `layer`.
    pub fn descriptor(&self, layer: LayerIndex, slot: &PacketSlot) -> Option<&[u8]> {
        self.layer(layer)?.ring.descriptor(slot)
    }

    /// The newest packet of a stream.
    pub fn newest(&self, layer: LayerIndex) -> Option<u64> {
        self.layer(layer)?.ring.newest()
    }

    /// Decode targets of a stream with dependency descriptors, as its newest structure tells.
    pub fn decode_targets(&self, layer: LayerIndex) -> &[DecodeTarget] {
        self.layer(layer).map_or(&[], |layer| layer.targets.targets())
    }

    /// Those of them that the publisher sends, as its newest descriptor tells; bit n is target n.
    pub(crate) fn active_targets(&self, layer: LayerIndex) -> u32 {
        self.layer(layer).map_or(0, |layer| layer.targets.active())
    }

    /// The highest spatial layer inside a VP9 stream without dependency descriptors, if between key pictures each layer
    /// can be decoded without those below.
    pub(crate) fn separate(&self, layer: LayerIndex) -> Option<u8> {
        self.layer(layer)?.spatial_reader.separate()
    }

    /// The newest dependency descriptor structure of a stream.
    pub(crate) fn structure(&self, layer: LayerIndex) -> Option<&Structure> {
        self.layer(layer)?.targets.structure()
    }

    /// Bytes allocated for packets.
    pub fn memory(&self) -> usize {
        self.layers.iter().map(|layer| layer.ring.memory()).sum()
    }

    pub(crate) fn generation(&self, layer: LayerIndex) -> Generation {
        self.layer(layer).map_or_else(Generation::default, |layer| layer.generation)
    }

    pub(crate) fn sections(&self) -> &[Section] {
        &self.sections
    }

    pub(crate) fn codec(&self, format: u8) -> Option<Codec> {
        self.formats.get(usize::from(format)).map(|source| source.format.codec)
    }

    /// What `payload_type` is in the section of the format with this index.
    pub(crate) fn codec_of(&self, format: Option<u8>, payload_type: u8) -> Option<Codec> {
        let source = self.formats.get(usize::from(format?))?;
        let carried = self.sections.get(usize::from(source.section))?.carried(payload_type)?;
        if carried.repair { None } else { self.codec(carried.format) }
    }

    pub(crate) fn has(&self, at: PacketAt) -> bool {
        self.layer(at.layer).is_some_and(|layer| layer.ring.contains(at.index))
    }

    /// The publisher says that a stream ended.
    pub(crate) fn end(&mut self, layer: LayerIndex) {
        if self.live.contains(layer) {
            self.live = self.live.without(layer);
            self.changed();
        }
    }

    pub(crate) fn set_clock(&mut self, layer: LayerIndex, clock: SourceClock) {
        if let Some(layer) = self.layer_mut(layer) {
            layer.clock = Some(clock);
            self.state_version = self.state_version.wrapping_add(1);
        }
    }

    /// Takes a packet into its ring.
    pub(crate) fn store(&mut self, index: LayerIndex, incoming: &Incoming<'_>) -> Stored {
        let codec = incoming.format.and_then(|format| self.codec(format));
        let Some(layer) = self.layer_mut(index) else { return Stored::TooOld };
        let active = layer.targets.active();
        let (targets, descriptor) = layer.targets.read(incoming.descriptor);
        let info = match codec {
            Some(codec) => describe(codec, incoming.payload, incoming.marker, descriptor.as_ref()),
            None => FrameInfo::opaque(incoming.marker),
        };
        if incoming.generation != layer.generation.number || layer.generation.first == 0 {
            layer.generation = Generation { number: incoming.generation, first: incoming.index, key_frame: None };
        }
        let frame = layer.place_in_frame(&info, codec, targets.is_some(), incoming);
        let head = PacketHead {
            index: incoming.index,
            arrival: incoming.arrival,
            timestamp: incoming.timestamp,
            marker: incoming.marker,
            format: incoming.format,
            codec,
            frame,
            targets,
            extensions: incoming.extensions,
        };
        let stored = layer.ring.store(head, incoming.descriptor, incoming.payload);
        if stored == Stored::New {
            if frame.key {
                layer.generation.note_key_frame(incoming.index, frame.lead);
            }
            // Layers that begin or stop inside the stream: subscriptions may have to choose anew.
            let mut changed = layer.targets.active() != active;
            if let (Descriptor::Vp9(descriptor, _), None) = (&info.descriptor, &targets) {
                changed |= layer.spatial_reader.read(descriptor, incoming.marker);
            }
            if changed {
                self.changed();
            }
            self.note_life(index, incoming.arrival, incoming.timestamp);
        }
        stored
    }

    /// A packet of `heard` came: it lives, and another stream of its section may have ended.
    fn note_life(&mut self, heard: LayerIndex, now: Instant, timestamp: RtpTimestamp) {
        if self.replica {
            return;
        }
        let Some(layer) = self.layer_mut(heard) else { return };
        let section = layer.section;
        let picture = layer.liveness.heard(now, timestamp);
        let mut live = self.live.with(heard);
        if picture {
            for (other, index) in self.layers.iter_mut().zip(0u8..) {
                let index = LayerIndex(index);
                if index != heard && other.section == section && other.liveness.missed(now) {
                    live = live.without(index);
                }
            }
        }
        if live != self.live {
            self.live = live;
            self.changed();
        }
    }

    fn changed(&mut self) {
        self.version = self.version.wrapping_add(1);
        self.state_version = self.state_version.wrapping_add(1);
    }

    fn layer(&self, layer: LayerIndex) -> Option<&Layer> {
        self.layers.get(usize::from(layer.0))
    }

    fn layer_mut(&mut self, layer: LayerIndex) -> Option<&mut Layer> {
        self.layers.get_mut(usize::from(layer.0))
    }

    fn streams_of(&self, section: usize) -> usize {
        self.layers.iter().filter(|layer| usize::from(layer.section) == section).count()
    }

    fn formats_of(&self, section: u8) -> impl Iterator<Item = crate::PayloadFormat> {
        self.formats.iter().filter(move |source| source.section == section).map(|source| source.format)
    }

    fn first_format_of(&self, section: u8) -> u8 {
        self.formats.iter().position(|source| source.section == section).unwrap_or(0) as u8
    }
}

impl Layer {
    /// What the packet is to its frame, with what only the packets around it can tell.
    fn place_in_frame(&self, info: &FrameInfo, codec: Option<Codec>, exact: bool, incoming: &Incoming<'_>) -> Frame {
        let frame = Frame::from(info);
        match codec {
            // A dependency descriptor tells bounds exactly.
            Some(Codec::H264 | Codec::H265) if !exact => {
                access_unit::place(&self.ring, self.generation.first, frame, incoming)
            }
            _ => frame,
        }
    }
}

impl Generation {
    fn note_key_frame(&mut self, shown: u64, lead: u8) {
        let first = shown - u64::from(lead);
        if self.key_frame.is_none_or(|newest| newest.first < first) {
            self.key_frame = Some(KeyFrame { first, shown });
        }
    }
}

impl SlotExtensions {
    /// What is passed on of a packet's extensions.
    pub(crate) fn of(extensions: &HeaderExtensions<'_>) -> Self {
        Self {
            audio_level: extensions.audio_level,
            abs_capture_time: extensions.abs_capture_time,
            playout_delay: extensions.playout_delay,
            video_orientation: extensions.video_orientation,
        }
    }
}

fn check(holds: bool, otherwise: ForwardError) -> Result<(), ForwardError> {
    if holds { Ok(()) } else { Err(otherwise) }
}
