//! What is sent: one camera and one microphone, their numbers, and their packets before encryption.

use std::time::{Duration, Instant};

use tutti_forward::{Encoding, LayerMode, LayerTarget, PayloadFormat, PublishTrack, SendSection, SubscribeTrack};
use tutti_forward::{SubscriptionKey, TrackKey};
use tutti_rtp::{
    AbsSendTime, AudioLevel, Codec, Extension, ExtensionMap, HeaderExtensions, MediaKind, RtpHeader, RtpTimestamp,
    SequenceNumber, Ssrc,
};

/// Bytes of a video packet's payload, and packets of a frame.
pub(crate) const VIDEO_LEN: usize = 1100;
pub(crate) const FRAME_PACKETS: usize = 9;
/// Bytes of an audio packet's payload.
pub(crate) const AUDIO_LEN: usize = 100;
/// Frames and audio packets in a second.
pub(crate) const FRAMES: u32 = 30;
pub(crate) const AUDIO_PACKETS: u32 = 50;

const VIDEO: Kind = Kind { media: MediaKind::Video, payload_type: 96, rtx_payload_type: Some(97) };
const AUDIO: Kind = Kind { media: MediaKind::Audio, payload_type: 111, rtx_payload_type: None };

/// One of the two kinds, with str0m's own payload types.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) media: MediaKind,
    pub(crate) payload_type: u8,
    pub(crate) rtx_payload_type: Option<u8>,
}

/// One track as it is sent or received on one transport.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    pub(crate) kind: Kind,
    /// Its number among all tracks; the mid as well.
    pub(crate) number: u32,
    pub(crate) ssrc: u32,
    pub(crate) rtx_ssrc: Option<u32>,
}

impl Stream {
    /// The camera is track 0, the microphone 1; further tracks alternate.
    pub(crate) fn new(number: u32) -> Self {
        let kind = if number.is_multiple_of(2) { VIDEO } else { AUDIO };
        let ssrc = 0x1000 + 2 * number;
        Self { kind, number, ssrc, rtx_ssrc: kind.rtx_payload_type.map(|_| ssrc + 1) }
    }

    pub(crate) fn mid(&self) -> String {
        format!("m{}", self.number)
    }

    fn format(&self) -> PayloadFormat {
        let codec = if self.kind.media == MediaKind::Audio { Codec::Opus } else { Codec::Vp8 };
        let Kind { payload_type, rtx_payload_type, .. } = self.kind;
        PayloadFormat { codec, payload_type, rtx_payload_type, profile: 0, nack: true }
    }

    pub(crate) fn publish(&self, track: TrackKey) -> PublishTrack {
        let encoding = Encoding { rid: None, ssrc: Some(self.ssrc), rtx_ssrc: self.rtx_ssrc, spatial: 0 };
        PublishTrack {
            track,
            kind: self.kind.media,
            mid: self.mid(),
            formats: vec![self.format()],
            extensions: extensions(),
            encodings: vec![encoding],
            layer_mode: LayerMode::Simulcast,
            transport_cc: true,
            encrypted: false,
        }
    }

    pub(crate) fn subscribe(&self, subscription: SubscriptionKey, track: TrackKey) -> SubscribeTrack {
        SubscribeTrack {
            track,
            section: SendSection {
                subscription,
                mid: self.mid(),
                ssrc: self.ssrc,
                rtx_ssrc: self.rtx_ssrc,
                formats: vec![self.format()],
                extensions: extensions(),
                cname: "PA_publisher".to_owned(),
                needs_padding: false,
            },
            target: LayerTarget::ALL,
        }
    }
}

/// The ids that str0m uses without SDP.
pub(crate) fn extensions() -> ExtensionMap {
    let mut ids = ExtensionMap::default();
    for (id, extension) in
        [(1, Extension::AudioLevel), (2, Extension::AbsSendTime), (3, Extension::TransportCc), (4, Extension::Mid)]
    {
        ids.set(extension, id);
    }
    ids
}

/// A packet to seal.
#[derive(Debug)]
pub(crate) struct Plain {
    pub(crate) header: Vec<u8>,
    pub(crate) payload: Vec<u8>,
    pub(crate) index: u64,
}

/// A running source of packets.
#[derive(Debug)]
pub(crate) struct Source {
    stream: Stream,
    interval: Duration,
    due: Option<Instant>,
    index: u64,
    timestamp: u32,
    picture: u16,
    /// The key frames still to come.
    keys: u32,
}

impl Source {
    pub(crate) fn new(stream: Stream) -> Self {
        let rate = if stream.kind.media == MediaKind::Audio { AUDIO_PACKETS } else { FRAMES };
        let interval = Duration::from_secs(1) / rate;
        Self { stream, interval, due: None, index: 1000, timestamp: 5000, picture: 0, keys: FRAMES }
    }

    /// The packets that are due, all at once; `transport_cc` gives their transport-wide numbers.
    pub(crate) fn poll(&mut self, now: Instant, transport_cc: &mut u16) -> Vec<Plain> {
        let due = *self.due.get_or_insert(now);
        if now < due {
            return Vec::new();
        }
        self.due = Some(due + self.interval);
        let video = self.stream.kind.media == MediaKind::Video;
        self.timestamp = self.timestamp.wrapping_add(if video { 3000 } else { 960 });
        self.picture = (self.picture + 1) & 0x7fff;
        let count = if video { FRAME_PACKETS } else { 1 };
        let key = self.keys > 0;
        self.keys = self.keys.saturating_sub(1);
        (0..count).map(|number| self.packet(number, number + 1 == count, key, transport_cc)).collect()
    }

    fn packet(&mut self, number: usize, last: bool, key: bool, transport_cc: &mut u16) -> Plain {
        let video = self.stream.kind.media == MediaKind::Video;
        self.index += 1;
        *transport_cc = transport_cc.wrapping_add(1);
        let header = RtpHeader {
            marker: video && last,
            payload_type: self.stream.kind.payload_type,
            sequence: SequenceNumber(self.index as u16),
            timestamp: RtpTimestamp(self.timestamp),
            ssrc: Ssrc(self.stream.ssrc),
            padding: false,
        };
        let carried = HeaderExtensions {
            audio_level: (!video).then_some(AudioLevel { voice: true, dbov: 30 }),
            abs_send_time: Some(AbsSendTime::default()),
            transport_cc: Some(*transport_cc),
            ..HeaderExtensions::default()
        };
        let mut bytes = vec![0; 64];
        let written = header.write(&extensions(), &carried, &mut bytes).expect("room for a header");
        bytes.truncate(written.len);
        let mut payload = if video { vp8(self.picture, number == 0, key) } else { Vec::new() };
        payload.resize(if video { VIDEO_LEN } else { AUDIO_LEN }, self.index as u8);
        Plain { header: bytes, payload, index: self.index }
    }
}

/// The front of a VP8 payload (RFC 7741): descriptor with a 15-bit picture id, and the frame header.
fn vp8(picture: u16, first: bool, key: bool) -> Vec<u8> {
    let [high, low] = picture.to_be_bytes();
    let mut bytes = vec![0x80 | if first { 0x10 } else { 0 }, 0x80, 0x80 | high, low];
    match (first, key) {
        (true, true) => bytes.extend([0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x01]),
        (true, false) => bytes.extend([0x11, 0, 0]),
        _ => {}
    }
    bytes
}
