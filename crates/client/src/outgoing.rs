//! A track that the client sends: synthetic frames at their pace, key frames when asked for, lost packets again.
//!
//! Owns the streams of one section. Time comes in; packets go out through the peer at once.

use std::time::{Duration, Instant};

use tutti_rtp::payload::vp8;
use tutti_rtp::rtcp::{self, SenderInfo, Writer};
use tutti_rtp::{
    AbsSendTime, AudioLevel, ExtensionMap, HeaderExtensions, MediaKind, NtpTime, RtpHeader, RtpTimestamp,
    SequenceNumber, Ssrc, rtx,
};

use crate::description::{Formats, OfferedStream};
use crate::figures::Sent;
use crate::peer::Peer;
use crate::stamp::{self, Stamp, wall_us};
use crate::synthetic::{self, Picture};

/// Largest payload of a packet, bytes: what browsers put into one.
const PAYLOAD_MAX: usize = 1100;
/// Bytes of an Opus-like packet: 32 kbit/s at 50 packets a second.
const OPUS_LEN: usize = 80;
const OPUS_INTERVAL: Duration = Duration::from_millis(20);
const FRAME_INTERVAL: Duration = Duration::from_micros(33_333);
/// How much larger a key frame is.
const KEY_FRAME_FACTOR: usize = 3;
/// Key frames are not nearer to each other, however many are asked for.
const KEY_FRAME_INTERVAL_MIN: Duration = Duration::from_millis(300);
/// Packets of a layer that can be sent again.
const HISTORY: usize = 256;
/// Behind by more than this, time is given up instead of being caught up with.
const LAG_MAX: Duration = Duration::from_millis(200);

/// A track to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackPlan {
    /// Opus-like, 32 kbit/s, 20 ms.
    Audio,
    /// VP8-like, 30 frames a second.
    Video {
        /// Bit rate of the largest layer, kbit/s.
        kbps: u32,
        /// Three layers by RID: 180p, 360p and 720p at 1/9, 1/3 and all of the rate.
        simulcast: bool,
    },
}

impl TrackPlan {
    /// Audio or video.
    pub const fn kind(self) -> MediaKind {
        match self {
            Self::Audio => MediaKind::Audio,
            Self::Video { .. } => MediaKind::Video,
        }
    }
}

/// A packet that can be sent again.
#[derive(Default)]
struct Past {
    sequence: u64,
    timestamp: u32,
    marker: bool,
    payload: Vec<u8>,
}

struct Layer {
    stream: OfferedStream,
    number: u8,
    active: bool,
    key_wanted: bool,
    key_sent_at: Option<Instant>,
    next_at: Instant,
    frame_len: usize,
    picture: Picture,
    frame: u32,
    sequence: u64,
    rtx_sequence: u64,
    timestamp: u32,
    past: Vec<Past>,
    packets: u32,
    octets: u32,
}

/// One frame, cut into packets.
struct Frame {
    video: bool,
    /// It can be decoded alone; audio always can.
    key: bool,
    parts: u16,
    /// Bytes of synthetic media in each part.
    part_len: usize,
}

impl Frame {
    /// Writes the payload of a part; whether its packet has the marker.
    fn write(&self, part: u16, layer: &Layer, payload: &mut Vec<u8>) -> bool {
        let Self { video, key, parts, part_len } = *self;
        let mark = Stamp { sent_us: wall_us(), frame: layer.frame, part, parts, layer: layer.number, key };
        if video {
            synthetic::vp8(layer.picture, mark, part_len + vp8::DESCRIPTOR_LEN_MAX, payload);
            part + 1 == parts
        } else {
            synthetic::opus(mark, OPUS_LEN, payload);
            layer.frame == 1
        }
    }
}

/// What a frame leaves by.
pub(crate) struct WayOut<'a> {
    pub(crate) peer: &'a mut Peer,
    /// Numbers the packets of the connection.
    pub(crate) transport_cc: &'a mut u16,
    pub(crate) sent: &'a mut Sent,
}

/// A track on its way out.
pub(crate) struct OutgoingTrack {
    pub(crate) cid: String,
    pub(crate) plan: TrackPlan,
    pub(crate) mid: String,
    /// Once the server told it.
    pub(crate) sid: Option<String>,
    /// Once the server answered.
    accepted: Option<(Formats, ExtensionMap)>,
    layers: Vec<Layer>,
    payload: Vec<u8>,
    header: [u8; 128],
}

/// Names and sizes of the layers, smallest first, each with the divisor of its rate.
const SIMULCAST: [(Option<&str>, u16, u16, u32); 3] =
    [(Some("q"), 320, 180, 9), (Some("h"), 640, 360, 3), (Some("f"), 1280, 720, 1)];

/// Sizes of the layers of a plan.
pub(crate) fn layers(plan: TrackPlan) -> &'static [(Option<&'static str>, u16, u16, u32)] {
    match plan {
        TrackPlan::Audio => &[(None, 0, 0, 1)],
        TrackPlan::Video { simulcast: false, .. } => &[(None, 1280, 720, 1)],
        TrackPlan::Video { simulcast: true, .. } => &SIMULCAST,
    }
}

impl OutgoingTrack {
    pub(crate) fn new(cid: String, plan: TrackPlan, now: Instant) -> Self {
        let kbps = if let TrackPlan::Video { kbps, .. } = plan { kbps } else { 32 };
        let video = plan.kind() == MediaKind::Video;
        let layer = |(number, (rid, width, height, divisor)): (u8, &(Option<&'static str>, u16, u16, u32))| Layer {
            stream: OfferedStream { rid: *rid, ssrc: rand::random(), rtx_ssrc: video.then(rand::random) },
            number,
            active: true,
            key_wanted: true,
            key_sent_at: None,
            // Not all clients of a process at once.
            next_at: now + FRAME_INTERVAL.mul_f64(rand::random::<f64>()),
            frame_len: (u64::from(kbps / divisor) * FRAME_INTERVAL.as_micros() as u64 / 8000) as usize,
            picture: Picture {
                id: rand::random::<u16>() & 0x7fff,
                base: rand::random(),
                width: *width,
                height: *height,
            },
            frame: 0,
            // Below 32768, so that who joins late guesses the rollover counter right.
            sequence: u64::from(rand::random::<u16>() >> 1),
            rtx_sequence: u64::from(rand::random::<u16>() >> 1),
            timestamp: rand::random(),
            past: Vec::new(),
            packets: 0,
            octets: 0,
        };
        Self {
            cid,
            plan,
            mid: String::new(),
            sid: None,
            accepted: None,
            layers: (0..).zip(layers(plan)).map(layer).collect(),
            payload: Vec::new(),
            header: [0; 128],
        }
    }

    pub(crate) fn streams(&self) -> Vec<OfferedStream> {
        self.layers.iter().map(|layer| layer.stream.clone()).collect()
    }

    pub(crate) fn accept(&mut self, accepted: Option<(Formats, ExtensionMap)>) {
        self.accepted = accepted;
    }

    /// The server says which layers somebody wants; `wanted` is asked with numbers from 0 = smallest, and a track
    /// without layers with that of the largest.
    pub(crate) fn want(&mut self, wanted: impl Fn(u8) -> bool) {
        let alone = self.layers.len() == 1;
        for layer in &mut self.layers {
            let active = wanted(layer.number) || alone && (0..3).any(&wanted);
            layer.key_wanted |= active && !layer.active;
            layer.active = active;
        }
    }

    pub(crate) fn layers_active(&self) -> usize {
        self.layers.iter().filter(|layer| layer.active).count()
    }

    /// When the next frame is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.accepted?;
        self.layers.iter().map(|layer| layer.next_at).min()
    }

    /// Sends the frames that are due.
    pub(crate) fn handle_timeout(&mut self, now: Instant, out: &mut WayOut<'_>) {
        if self.accepted.is_none() {
            return;
        }
        let video = self.plan.kind() == MediaKind::Video;
        let (interval, ticks) = if video { (FRAME_INTERVAL, 3000) } else { (OPUS_INTERVAL, 960) };
        for index in 0..self.layers.len() {
            let Some(layer) = self.layers.get_mut(index) else { return };
            if layer.next_at > now {
                continue;
            }
            layer.next_at += interval;
            if now.saturating_duration_since(layer.next_at) > LAG_MAX {
                layer.next_at = now + interval;
            }
            layer.timestamp = layer.timestamp.wrapping_add(ticks);
            if layer.active && out.peer.is_connected() {
                let frame = layer.begin_frame(now, video);
                self.send_frame(index, &frame, out);
            }
        }
    }

    fn send_frame(&mut self, index: usize, frame: &Frame, out: &mut WayOut<'_>) {
        let Some((formats, ids)) = &self.accepted else { return };
        let (Some(layer), Some(payload_type)) = (self.layers.get_mut(index), formats.payload_type) else { return };
        out.sent.key_frames += u64::from(frame.video && frame.key);
        for part in 0..frame.parts {
            layer.sequence += 1;
            *out.transport_cc = out.transport_cc.wrapping_add(1);
            let marker = frame.write(part, layer, &mut self.payload);
            let extensions = HeaderExtensions {
                mid: Some(&self.mid),
                rid: layer.stream.rid,
                audio_level: (!frame.video).then_some(AudioLevel { voice: true, dbov: 30 }),
                abs_send_time: Some(AbsSendTime::from_ntp(NtpTime::from_unix(stamp::wall()))),
                transport_cc: frame.video.then_some(*out.transport_cc),
                ..HeaderExtensions::default()
            };
            let header = RtpHeader {
                marker,
                payload_type,
                sequence: SequenceNumber(layer.sequence as u16),
                timestamp: RtpTimestamp(layer.timestamp),
                ssrc: Ssrc(layer.stream.ssrc),
                padding: false,
            };
            let Ok(written) = header.write(ids, &extensions, &mut self.header) else { return };
            let head = self.header.get(..written.len).unwrap_or_default();
            if out.peer.send_rtp(head, &self.payload, layer.sequence) {
                out.sent.packets += 1;
                out.sent.bytes += (written.len + self.payload.len()) as u64;
                layer.packets = layer.packets.wrapping_add(1);
                layer.octets = layer.octets.wrapping_add(self.payload.len() as u32);
            }
            if formats.rtx_payload_type.is_some() {
                layer.remember(marker, &self.payload);
            }
        }
    }

    /// Takes one RTCP packet that may be for one of our streams.
    pub(crate) fn handle_rtcp(&mut self, packet: &rtcp::Packet<'_>, peer: &mut Peer, sent: &mut Sent) {
        match packet {
            rtcp::Packet::Pli(pli) => self.request_key_frame(pli.media, sent),
            rtcp::Packet::Fir(fir) => fir.entries().for_each(|entry| self.request_key_frame(entry.media, sent)),
            rtcp::Packet::Nack(nack) => {
                for lost in nack.lost() {
                    self.retransmit(nack.media, lost, peer, sent);
                }
            }
            _ => {}
        }
    }

    fn request_key_frame(&mut self, media: Ssrc, sent: &mut Sent) {
        if let Some(layer) = self.layers.iter_mut().find(|layer| layer.stream.ssrc == media.0) {
            sent.key_frame_requests += 1;
            layer.key_wanted = true;
        }
    }

    fn retransmit(&mut self, media: Ssrc, lost: SequenceNumber, peer: &mut Peer, sent: &mut Sent) {
        let Some((formats, ids)) = &self.accepted else { return };
        let Some(layer) = self.layers.iter_mut().find(|layer| layer.stream.ssrc == media.0) else { return };
        sent.nacked += 1;
        let (Some(payload_type), Some(ssrc)) = (formats.rtx_payload_type, layer.stream.rtx_ssrc) else { return };
        let Some(past) = layer.past.iter().find(|past| past.sequence as u16 == lost.0) else { return };
        layer.rtx_sequence += 1;
        let header = RtpHeader {
            marker: past.marker,
            payload_type,
            sequence: SequenceNumber(layer.rtx_sequence as u16),
            timestamp: RtpTimestamp(past.timestamp),
            ssrc: Ssrc(ssrc),
            padding: false,
        };
        let extensions =
            HeaderExtensions { mid: Some(&self.mid), repaired_rid: layer.stream.rid, ..HeaderExtensions::default() };
        let Ok(written) = header.write(ids, &extensions, &mut self.header) else { return };
        self.payload.clear();
        self.payload.extend(lost.0.to_be_bytes());
        debug_assert_eq!(self.payload.len(), rtx::ORIGINAL_LEN);
        self.payload.extend(&past.payload);
        let head = self.header.get(..written.len).unwrap_or_default();
        if peer.send_rtp(head, &self.payload, layer.rtx_sequence) {
            sent.retransmitted += 1;
        }
    }

    /// Appends a sender report for each stream that sent.
    pub(crate) fn report(&self, writer: &mut Writer<'_>) {
        let ntp = NtpTime::from_unix(stamp::wall());
        for layer in self.layers.iter().filter(|layer| layer.packets > 0) {
            let ssrc = Ssrc(layer.stream.ssrc);
            let (packets, octets) = (layer.packets, layer.octets);
            let info = SenderInfo { ssrc, ntp, rtp: RtpTimestamp(layer.timestamp), packets, octets };
            // What does not fit comes the next time.
            let _ = writer.sender_report(&info, &[]).and_then(|()| writer.sdes_cname(ssrc, "tutti"));
        }
    }
}

impl Layer {
    /// Moves on to the next frame: a key frame if somebody wants one and the last is not too near.
    fn begin_frame(&mut self, now: Instant, video: bool) -> Frame {
        let soon = self.key_sent_at.is_some_and(|at| now.saturating_duration_since(at) < KEY_FRAME_INTERVAL_MIN);
        let key = !video || self.key_wanted && !soon;
        if video && key {
            self.key_wanted = false;
            self.key_sent_at = Some(now);
        }
        self.frame = self.frame.wrapping_add(1);
        self.picture.id = (self.picture.id + 1) & 0x7fff;
        self.picture.base = self.picture.base.wrapping_add(1);
        let whole = if video && key { self.frame_len * KEY_FRAME_FACTOR } else { self.frame_len };
        let parts = if video { whole.div_ceil(PAYLOAD_MAX).clamp(1, HISTORY / 4) as u16 } else { 1 };
        let part_len = (whole / usize::from(parts)).min(PAYLOAD_MAX);
        Frame { video, key, parts, part_len }
    }

    fn remember(&mut self, marker: bool, payload: &[u8]) {
        if self.past.is_empty() {
            self.past.resize_with(HISTORY, Past::default);
        }
        let index = self.sequence as usize % HISTORY;
        if let Some(past) = self.past.get_mut(index) {
            past.sequence = self.sequence;
            past.timestamp = self.timestamp;
            past.marker = marker;
            past.payload.clear();
            past.payload.extend(payload);
        }
    }
}
