//! The receive side of a published track.
//!
//! Owns everything between the publisher's packets and the rings in [`Layers`]: which SSRC is which stream, missing
//! packets and their requests, retransmissions (RFC 4588), reports, key-frame requests, the speaker, quality windows.
//! Knows nothing about subscribers: they read [`ReceiveTrack::layers`]. Sends nothing itself: feedback is written into
//! the caller's buffer.

mod demux;
mod feedback;
mod index;
pub(crate) mod keyframe;
mod nack;
mod reception;
pub(crate) mod stream;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub use demux::PacketId;
pub use feedback::FeedbackWritten;
use index::Unwrapped;
use nack::Arrival;
pub use nack::NackConfig;
use stream::{ReceiveStream, Taken};
use tutti_rtp::{MediaKind, RtpPacket, RtpTimestamp, rtx};

use crate::clock::span;
use crate::layers::{Incoming, Layers};
use crate::ring::{SlotExtensions, Stored};
use crate::speaker::{SpeakerChange, SpeakerConfig, SpeakerDetector};
use crate::{ForwardError, ForwardEvent, LayerIndex, LayerMode, PacketAt, PublishTrack, StreamMatch, TrackKey};

/// Round trip to the publisher until one is measured.
const RTT_FIRST: Duration = Duration::from_millis(100);

/// Longest audio that one packet is taken to hold, for the speaker's window.
const AUDIO_LENGTH_MAX: Duration = Duration::from_millis(120);

/// Audio of one packet until two came.
const AUDIO_LENGTH_FIRST: Duration = Duration::from_millis(20);

/// How a track is received.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReceiveConfig {
    /// How missing packets are asked for.
    pub nack: NackConfig,
    /// When the track counts as speaking.
    pub speaker: SpeakerConfig,
    /// Length of a quality window.
    pub quality_window: Duration,
}

impl Default for ReceiveConfig {
    fn default() -> Self {
        Self { nack: NackConfig::default(), speaker: SpeakerConfig::default(), quality_window: Duration::from_secs(5) }
    }
}

/// What was counted since the track was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReceiveCounters {
    /// Media packets taken into a ring.
    pub packets: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Packets that retransmission brought.
    pub recovered: u64,
    /// Packets that were there already.
    pub duplicates: u64,
    /// Packets that came after their place in the ring was gone, or after a doubtful jump.
    pub unusable: u64,
    /// Packets longer than a ring may hold.
    pub too_long: u64,
    /// Retransmissions that name no packet: probes, or malformed.
    pub repairs_empty: u64,
    /// Packets whose payload type was not negotiated.
    pub unknown_format: u64,
    /// Times that a stream began afresh.
    pub restarts: u64,
    /// Packets asked for again, counting each request.
    pub nacked: u64,
    /// Packets given up.
    pub given_up: u64,
    /// Key frames asked for.
    pub key_frame_requests: u64,
    /// Key frames that arrived.
    pub key_frames: u64,
}

/// A published track as it arrives.
#[derive(Debug)]
pub struct ReceiveTrack {
    config: ReceiveConfig,
    layers: Layers,
    streams: Vec<ReceiveStream>,
    speaker: SpeakerDetector,
    audio_timestamp: Option<RtpTimestamp>,
    muted: bool,
    /// The round trip to the publisher, as requests for missing packets show it.
    rtt: Duration,
    /// Sections whose first packet came, lowest bit first.
    started: u8,
    window_began: Option<Instant>,
    /// Spatial layers heard in the window, lowest bit = smallest.
    heard: u8,
    events: VecDeque<ForwardEvent>,
    counters: ReceiveCounters,
}

impl ReceiveTrack {
    /// The receive side of `publish`.
    ///
    /// # Errors
    /// [`ForwardError::TooMany`], [`ForwardError::Missing`].
    pub fn new(_now: Instant, publish: &PublishTrack, config: ReceiveConfig) -> Result<Self, ForwardError> {
        let mut track = Self {
            config,
            layers: Layers::new(publish)?,
            streams: Vec::new(),
            speaker: SpeakerDetector::new(config.speaker),
            audio_timestamp: None,
            muted: false,
            rtt: RTT_FIRST,
            started: 0,
            window_began: None,
            heard: 0,
            events: VecDeque::new(),
            counters: ReceiveCounters::default(),
        };
        track.add_streams(publish);
        Ok(track)
    }

    /// Adds the section of a backup codec, or takes over what changed in a known section.
    ///
    /// # Errors
    /// As [`Layers::add_section`].
    pub fn add_section(&mut self, _now: Instant, publish: &PublishTrack) -> Result<(), ForwardError> {
        self.layers.add_section(publish)?;
        self.add_streams(publish);
        Ok(())
    }

    /// Name of the track.
    pub const fn track(&self) -> TrackKey {
        self.layers.track()
    }

    /// Audio or video.
    pub const fn kind(&self) -> MediaKind {
        self.layers.kind()
    }

    /// What subscribers read.
    pub const fn layers(&self) -> &Layers {
        &self.layers
    }

    /// What was counted.
    pub fn counters(&self) -> ReceiveCounters {
        ReceiveCounters { given_up: self.streams.iter().map(|stream| stream.nack.given_up()).sum(), ..self.counters }
    }

    /// The publisher muted or unmuted. While muted, silence says nothing about quality.
    pub fn set_muted(&mut self, now: Instant, muted: bool) {
        if self.muted == muted {
            return;
        }
        self.muted = muted;
        if muted {
            let change = self.speaker.silence();
            self.tell_speaker(change);
            self.window_began = None;
        } else if self.started != 0 {
            self.begin_window(now);
        }
    }

    /// Changes how missing packets are asked for.
    pub fn set_nack_config(&mut self, config: NackConfig) {
        self.config.nack = config;
        for stream in &mut self.streams {
            stream.nack.configure(config);
        }
    }

    /// Takes a packet of `stream`. What comes back is to be offered to the subscriptions, padding included: they close
    /// the gap it leaves. `None` = nothing to forward: a duplicate, too late, malformed; all counted.
    pub fn receive(&mut self, now: Instant, stream: StreamMatch, packet: &RtpPacket<'_>) -> Option<PacketAt> {
        self.receive_waiting(now, now, stream, packet)
    }

    /// As [`ReceiveTrack::receive`], for a packet that `arrived` before it could be taken: its jitter is the network's,
    /// not this machine's.
    pub fn receive_waiting(
        &mut self,
        now: Instant,
        arrived: Instant,
        stream: StreamMatch,
        packet: &RtpPacket<'_>,
    ) -> Option<PacketAt> {
        if stream.repair {
            return self.receive_repair(now, stream.layer, packet);
        }
        let layer = stream.layer;
        let state = self.streams.get_mut(usize::from(layer.0))?;
        let unwrapped = match state.take_ssrc(now, packet.ssrc()) {
            Taken::Own => state.indexer.unwrap(packet.sequence()),
            Taken::New => Unwrapped::Restarted(state.indexer.restart(packet.sequence())),
            Taken::Late => Unwrapped::Suspect,
        };
        let index = match unwrapped {
            Unwrapped::Index(index) => index,
            Unwrapped::Restarted(index) => {
                state.forget_packets();
                self.counters.restarts += 1;
                index
            }
            Unwrapped::Suspect => {
                self.counters.unusable += 1;
                return None;
            }
        };
        state.reception.arrived(arrived, index, packet.timestamp(), packet.payload().len(), state.rate_hz);
        self.note_arrival(now, layer, index);
        self.store(now, layer, index, packet, packet.payload())
    }

    fn receive_repair(&mut self, now: Instant, layer: LayerIndex, packet: &RtpPacket<'_>) -> Option<PacketAt> {
        let stream = self.streams.get_mut(usize::from(layer.0))?;
        stream.rtx_ssrc = Some(packet.ssrc());
        let original = rtx::original(packet.payload())
            .and_then(|(sequence, payload)| Some((stream.indexer.peek(sequence)?, payload)));
        let Some((index, payload)) = original else {
            self.counters.repairs_empty += 1;
            return None;
        };
        if self.layers.has(PacketAt { layer, index }) {
            self.counters.duplicates += 1;
            return None;
        }
        self.note_arrival(now, layer, index);
        let at = self.store(now, layer, index, packet, payload)?;
        self.counters.recovered += 1;
        if let Some(stream) = self.streams.get_mut(usize::from(layer.0)) {
            stream.reception.repaired(payload.len());
        }
        Some(at)
    }

    /// Tells the list of missing packets, and what it learns from this one.
    fn note_arrival(&mut self, now: Instant, layer: LayerIndex, index: u64) {
        let Some(stream) = self.streams.get_mut(usize::from(layer.0)) else { return };
        match stream.nack.arrived(now, index) {
            // A packet asked for once and then found measures the round trip (Karn's rule).
            Arrival::Found { tries: 1, waited: Some(waited) } => {
                self.rtt = (self.rtt * 3 + waited) / 4;
            }
            Arrival::GaveUp if self.layers.kind() == MediaKind::Video => stream.key_frame.want(now),
            _ => {}
        }
    }

    fn store(
        &mut self,
        now: Instant,
        layer: LayerIndex,
        index: u64,
        packet: &RtpPacket<'_>,
        payload: &[u8],
    ) -> Option<PacketAt> {
        let stream = self.streams.get(usize::from(layer.0))?;
        let section = self.layers.sections().get(usize::from(stream.section))?;
        let extensions = packet.read_extensions(&section.extensions);
        let format = section.carried(packet.payload_type()).map(|carried| carried.format);
        let incoming = Incoming {
            index,
            generation: stream.indexer.restarts(),
            arrival: now,
            timestamp: packet.timestamp(),
            marker: packet.marker(),
            format,
            extensions: SlotExtensions::of(&extensions),
            descriptor: extensions.dependency_descriptor.unwrap_or_default(),
            payload,
        };
        match self.layers.store(layer, &incoming) {
            Stored::New => {}
            Stored::Duplicate => {
                self.counters.duplicates += 1;
                if let Some(stream) = self.streams.get_mut(usize::from(layer.0)) {
                    stream.reception.duplicated();
                }
                return None;
            }
            Stored::TooOld => {
                self.counters.unusable += 1;
                return None;
            }
            Stored::TooLong => {
                self.counters.too_long += 1;
                return None;
            }
        }
        let at = PacketAt { layer, index };
        self.note_stored(now, at);
        Some(at)
    }

    /// What a new packet in a ring means for the track as a whole.
    fn note_stored(&mut self, now: Instant, at: PacketAt) {
        let Some(slot) = self.layers.slot(at) else { return };
        let (frame, codec, level, timestamp) = (slot.frame, slot.codec, slot.extensions.audio_level, slot.timestamp);
        let (len, padding) = (slot.payload_len(), slot.is_padding());
        let section = self.layers.section(at.layer);
        let spatial = match self.layers.mode(section) {
            LayerMode::Simulcast => self.layers.spatial(at.layer),
            LayerMode::Svc => frame.spatial,
        };
        self.counters.packets += 1;
        self.counters.bytes += len as u64;
        let Some(codec) = codec else {
            self.counters.unknown_format += 1;
            return;
        };
        if padding {
            return;
        }
        self.heard |= 1 << (spatial & 7);
        if self.started & 1 << section == 0 {
            self.started |= 1 << section;
            self.events.push_back(ForwardEvent::TrackStarted { track: self.layers.track(), codec });
            self.begin_window(now);
        }
        match self.layers.kind() {
            MediaKind::Video if frame.key => {
                self.counters.key_frames += 1;
                if let Some(stream) = self.streams.get_mut(usize::from(at.layer.0)) {
                    stream.key_frame.arrived();
                }
            }
            MediaKind::Video => {}
            MediaKind::Audio => {
                let length = self.audio_length(timestamp, codec.clock_rate());
                if let Some(level) = level.filter(|_| !self.muted) {
                    self.speaker.hear(now, level, length);
                }
            }
        }
    }

    /// How much audio a packet holds: as much as its timestamp lies ahead of the one before.
    fn audio_length(&mut self, timestamp: RtpTimestamp, rate_hz: u32) -> Duration {
        let before = self.audio_timestamp;
        if before.is_none_or(|before| timestamp.is_newer_than(before)) {
            self.audio_timestamp = Some(timestamp);
        }
        let Some(before) = before else { return AUDIO_LENGTH_FIRST };
        let step = timestamp.distance_from(before);
        let length = span(step.max(0) as u32, rate_hz);
        // After a pause (DTX) the packet holds what packets hold.
        if length > AUDIO_LENGTH_MAX { AUDIO_LENGTH_FIRST } else { length }
    }

    fn add_streams(&mut self, publish: &PublishTrack) {
        let known = self.streams.len();
        let section = self.layers.sections().iter().position(|section| section.mid == publish.mid).unwrap_or(0) as u8;
        let rate_hz = publish.formats.first().map_or(90_000, |format| format.codec.clock_rate());
        let nack = if publish.formats.iter().any(|format| format.nack) {
            self.config.nack
        } else {
            NackConfig { tries_max: 0, ..self.config.nack }
        };
        let streams_new = self.layers.len() - known;
        let first_new = publish.encodings.len() - streams_new.min(publish.encodings.len());
        let streams = publish.encodings.iter().skip(first_new);
        self.streams.extend(streams.map(|encoding| ReceiveStream::new(section, encoding, rate_hz, nack)));
        // A later description may name SSRCs that an earlier one left open.
        let mut encodings = publish.encodings.iter();
        for stream in self.streams.iter_mut().filter(|stream| stream.section == section) {
            if let Some(encoding) = encodings.next() {
                stream.describe(encoding);
            }
        }
    }

    fn tell_speaker(&mut self, change: Option<SpeakerChange>) {
        if let Some(SpeakerChange { level, active }) = change {
            self.events.push_back(ForwardEvent::Speaker { track: self.layers.track(), level, active });
        }
    }

    fn begin_window(&mut self, now: Instant) {
        if self.window_began.is_none() && !self.muted {
            self.window_began = Some(now);
            for stream in &mut self.streams {
                // What came before the window does not count in it.
                stream.reception.quality(Duration::ZERO, stream.rate_hz);
            }
            self.heard = 0;
        }
    }
}
