//! Streams that tests send: Opus and VP8 with contents that can be told apart, numbered as a browser does.

use std::time::{Duration, Instant};

use tutti_forward::{
    Encoding, LayerMode, LayerTarget, PayloadFormat, PublishTrack, SendSection, SubscribeTrack, SubscriptionKey,
    TrackKey,
};
use tutti_rtp::{Codec, Extension, ExtensionMap, MediaKind};

use super::World;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Audio,
    Video,
}

impl Kind {
    /// str0m's own numbers.
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Audio => 111,
            Self::Video => 96,
        }
    }

    fn format(self) -> PayloadFormat {
        PayloadFormat {
            codec: if self == Self::Audio { Codec::Opus } else { Codec::Vp8 },
            payload_type: self.payload_type(),
            rtx_payload_type: (self == Self::Video).then_some(97),
            profile: 0,
            nack: true,
        }
    }

    const fn media(self) -> MediaKind {
        match self {
            Self::Audio => MediaKind::Audio,
            Self::Video => MediaKind::Video,
        }
    }
}

/// The ids that str0m uses without SDP.
pub fn extensions() -> ExtensionMap {
    let mut ids = ExtensionMap::default();
    for (id, extension) in [
        (1, Extension::AudioLevel),
        (2, Extension::AbsSendTime),
        (3, Extension::TransportCc),
        (4, Extension::Mid),
        (10, Extension::Rid),
        (11, Extension::RepairedRid),
    ] {
        ids.set(extension, id);
    }
    ids
}

/// One stream of a source.
#[derive(Debug, Clone)]
pub struct Layer {
    pub rid: Option<&'static str>,
    pub ssrc: u32,
    pub rtx_ssrc: Option<u32>,
    sequence: u64,
    timestamp: u32,
    picture: u16,
}

/// A track that a client sends.
#[derive(Debug, Clone)]
pub struct Source {
    pub mid: String,
    pub kind: Kind,
    pub layers: Vec<Layer>,
    /// Whether the description names the SSRCs; else they are learned from MID and RID.
    pub named: bool,
    /// Requests for key frames that were answered.
    answered: usize,
}

/// A packet to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    pub ssrc: u32,
    pub sequence: u64,
    pub timestamp: u32,
    pub marker: bool,
    pub payload: Vec<u8>,
}

impl Source {
    pub fn audio(world: &mut World, mid: &str) -> Self {
        let layers = vec![Layer::new(world, None, Kind::Audio)];
        Self { mid: mid.into(), kind: Kind::Audio, layers, named: true, answered: 0 }
    }

    pub fn video(world: &mut World, mid: &str) -> Self {
        let layers = vec![Layer::new(world, None, Kind::Video)];
        Self { mid: mid.into(), kind: Kind::Video, layers, named: true, answered: 0 }
    }

    /// Three layers, whose SSRCs no description names.
    pub fn simulcast(world: &mut World, mid: &str) -> Self {
        let layers = ["q", "h", "f"].map(|rid| Layer::new(world, Some(rid), Kind::Video)).to_vec();
        Self { mid: mid.into(), kind: Kind::Video, layers, named: false, answered: 0 }
    }

    pub fn section(&self, track: TrackKey) -> PublishTrack {
        let encoding = |(spatial, layer): (u8, &Layer)| Encoding {
            rid: layer.rid.map(Into::into),
            ssrc: self.named.then_some(layer.ssrc),
            rtx_ssrc: layer.rtx_ssrc.filter(|_| self.named),
            spatial,
        };
        PublishTrack {
            track,
            kind: self.kind.media(),
            mid: self.mid.clone(),
            formats: vec![self.kind.format()],
            extensions: extensions(),
            encodings: (0u8..).zip(&self.layers).map(encoding).collect(),
            layer_mode: LayerMode::Simulcast,
            transport_cc: true,
            encrypted: false,
        }
    }

    /// The packets of the next frame of a layer. The payloads of no two packets of a test are alike.
    pub fn frame(&mut self, layer: usize, packets: usize, key: bool) -> Vec<Packet> {
        let kind = self.kind;
        let layer = &mut self.layers[layer];
        layer.timestamp = layer.timestamp.wrapping_add(if kind == Kind::Audio { 960 } else { 3000 });
        layer.picture = (layer.picture + 1) & 0x7fff;
        (0..packets)
            .map(|number| {
                layer.sequence += 1;
                let payload = match kind {
                    Kind::Audio => contents(layer.ssrc, layer.sequence, 80),
                    Kind::Video => vp8(layer, number == 0, key, 1000),
                };
                let marker = kind == Kind::Video && number + 1 == packets;
                Packet { ssrc: layer.ssrc, sequence: layer.sequence, timestamp: layer.timestamp, marker, payload }
            })
            .collect()
    }
}

impl Layer {
    fn new(world: &mut World, rid: Option<&'static str>, kind: Kind) -> Self {
        let ssrc = world.new_ssrc();
        let rtx_ssrc = (kind == Kind::Video).then(|| world.new_ssrc());
        Self { rid, ssrc, rtx_ssrc, sequence: 1000, timestamp: 5000, picture: 0 }
    }
}

/// Bytes that depend on the stream and the packet.
fn contents(ssrc: u32, sequence: u64, length: usize) -> Vec<u8> {
    let mut bytes = ssrc.to_be_bytes().to_vec();
    bytes.extend(sequence.to_be_bytes());
    bytes.resize(length, sequence as u8);
    bytes
}

/// A VP8 payload (RFC 7741): descriptor with a 15-bit picture id, and for the first packet of a frame its header.
fn vp8(layer: &Layer, first: bool, key: bool, length: usize) -> Vec<u8> {
    let [high, low] = layer.picture.to_be_bytes();
    let mut bytes = vec![0x80 | if first { 0x10 } else { 0 }, 0x80, 0x80 | high, low];
    if first && key {
        bytes.extend([0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x01]);
    } else if first {
        bytes.extend([0x11, 0, 0]);
    }
    bytes.extend(contents(layer.ssrc, layer.sequence, length));
    bytes
}

/// What comes behind the descriptor: descriptors are rewritten, the rest is not. For audio, everything.
pub fn body(kind: Kind, payload: &[u8]) -> &[u8] {
    if kind == Kind::Audio {
        return payload;
    }
    // X, then I/L/T/K, then a picture id of one or two bytes, and what the flags say.
    let mut at = 1;
    if payload[0] & 0x80 != 0 {
        let flags = payload[1];
        at = 2;
        if flags & 0x80 != 0 {
            at += if payload[2] & 0x80 != 0 { 2 } else { 1 };
        }
        at += usize::from(flags & 0x40 != 0) + usize::from(flags & 0x30 != 0);
    }
    &payload[at..]
}

/// A section in which a client gets a track.
#[derive(Debug, Clone)]
pub struct Sink {
    pub mid: String,
    pub kind: Kind,
    pub ssrc: u32,
    pub rtx_ssrc: Option<u32>,
    pub target: LayerTarget,
}

impl Sink {
    pub fn section(&self, subscription: SubscriptionKey, track: TrackKey) -> SubscribeTrack {
        SubscribeTrack {
            track,
            section: SendSection {
                subscription,
                mid: self.mid.clone(),
                ssrc: self.ssrc,
                rtx_ssrc: self.rtx_ssrc,
                formats: vec![self.kind.format()],
                extensions: extensions(),
                cname: "PA_publisher".to_owned(),
                needs_padding: false,
            },
            target: self.target,
        }
    }
}

impl World {
    /// The client sends packets of a source.
    pub fn write(&mut self, client: usize, kind: Kind, packets: &[Packet]) {
        let now = self.now;
        for packet in packets {
            self.clients[client].write(now, kind, packet);
        }
    }

    /// The client sends audio for `span`: a packet every 20 ms. What it sent comes back.
    pub fn talk(&mut self, client: usize, source: &mut Source, span: Duration) -> Vec<Packet> {
        let end = self.now + span;
        let mut sent = Vec::new();
        while self.now < end {
            let packets = source.frame(0, 1, false);
            self.write(client, source.kind, &packets);
            sent.extend(packets);
            self.run_for(Duration::from_millis(20));
        }
        sent
    }

    /// The client sends video on all its layers for `span`: 30 frames a second of `packets` packets each, the first one
    /// of each layer a key frame, further ones when they are asked for.
    pub fn film(&mut self, client: usize, source: &mut Source, packets: usize, span: Duration) -> Vec<Packet> {
        let end = self.now + span;
        let mut sent = Vec::new();
        let mut first = source.layers[0].picture == 0;
        while self.now < end {
            for layer in 0..source.layers.len() {
                let rid = source.layers[layer].rid;
                let asked = self.clients[client].key_frame_requests[source.answered..].iter().any(|request| {
                    request.mid.to_string() == source.mid && request.rid.map(|rid| rid.to_string()).as_deref() == rid
                });
                let packets = source.frame(layer, packets, first || asked);
                self.write(client, source.kind, &packets);
                sent.extend(packets);
            }
            first = false;
            source.answered = self.clients[client].key_frame_requests.len();
            self.run_for(Duration::from_micros(33_333));
        }
        sent
    }
}
