//! A publisher, a node and subscribers on a virtual clock: what the integration tests are made of.
//!
//! Every packet's payload ends in its origin (stream and sequence number), so that a test can tell what it got.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

pub mod camera;
pub mod microphone;
pub mod subscriber;
pub mod svc;

use std::time::{Duration, Instant};

use tutti_forward::{
    Encoding, LayerMode, LayerTarget, PacketAt, PacketId, PayloadFormat, PublishTrack, ReceiveConfig, ReceiveTrack,
    SendSection, SubscribeTrack, SubscriptionKey, TrackKey,
};
use tutti_id::RoomKey;
use tutti_rtp::rtcp::{self, Packet, Writer};
use tutti_rtp::{Codec, Extension, ExtensionMap, MediaKind, RtpPacket, Ssrc};

use subscriber::Subscriber;

/// SplitMix64: small, seeded, good enough to throw dice.
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

pub const TRACK: TrackKey = TrackKey::new(RoomKey(7), 1);

pub fn extensions(list: &[(Extension, u8)]) -> ExtensionMap {
    let mut map = ExtensionMap::default();
    for (extension, id) in list {
        map.set(*extension, *id);
    }
    map
}

/// Ids as a publisher gave them.
pub fn publisher_extensions() -> ExtensionMap {
    extensions(&[
        (Extension::Mid, 1),
        (Extension::Rid, 2),
        (Extension::RepairedRid, 3),
        (Extension::AudioLevel, 4),
        (Extension::AbsSendTime, 5),
        (Extension::TransportCc, 6),
        (Extension::AbsCaptureTime, 7),
        (Extension::DependencyDescriptor, 8),
        (Extension::VideoOrientation, 9),
    ])
}

/// Ids as a subscriber's description has them: different ones.
pub fn subscriber_extensions() -> ExtensionMap {
    extensions(&[
        (Extension::Mid, 9),
        (Extension::AbsSendTime, 8),
        (Extension::TransportCc, 7),
        (Extension::AbsCaptureTime, 6),
        (Extension::DependencyDescriptor, 5),
        (Extension::VideoOrientation, 4),
    ])
}

pub fn format(codec: Codec, payload_type: u8, rtx_payload_type: Option<u8>, nack: bool) -> PayloadFormat {
    PayloadFormat { codec, payload_type, rtx_payload_type, profile: 0, nack }
}

/// A camera with `layers` simulcast encodings whose SSRCs are learned from RIDs.
pub fn publish_simulcast(codec: Codec, layers: u8) -> PublishTrack {
    let rids = ["q", "h", "f"];
    PublishTrack {
        track: TRACK,
        kind: MediaKind::Video,
        mid: "1".to_owned(),
        formats: vec![format(codec, 96, Some(97), true)],
        extensions: publisher_extensions(),
        encodings: (0..layers)
            .map(|spatial| Encoding {
                rid: Some(rids[usize::from(spatial)].to_owned()),
                ssrc: None,
                rtx_ssrc: None,
                spatial,
            })
            .collect(),
        layer_mode: LayerMode::Simulcast,
        transport_cc: true,
        encrypted: false,
    }
}

/// A track with one stream whose SSRC stands in the description.
pub fn publish_single(codec: Codec, mode: LayerMode) -> PublishTrack {
    let rtx = codec.kind() == MediaKind::Video;
    PublishTrack {
        track: TRACK,
        kind: codec.kind(),
        mid: "1".to_owned(),
        formats: vec![format(codec, 96, rtx.then_some(97), true)],
        extensions: publisher_extensions(),
        encodings: vec![Encoding { rid: None, ssrc: Some(0x1000), rtx_ssrc: rtx.then_some(0x2000), spatial: 0 }],
        layer_mode: mode,
        transport_cc: true,
        encrypted: false,
    }
}

pub fn subscribe(codec: Codec, rtx: bool) -> SubscribeTrack {
    SubscribeTrack {
        track: TRACK,
        section: SendSection {
            subscription: SubscriptionKey::new(RoomKey(7), 1),
            mid: "3".to_owned(),
            ssrc: 0xABCD,
            rtx_ssrc: rtx.then_some(0xABCE),
            formats: vec![format(codec, 100, rtx.then_some(101), true)],
            extensions: subscriber_extensions(),
            cname: "PA_publisher".to_owned(),
            needs_padding: false,
        },
        target: LayerTarget::ALL,
    }
}

/// What the node asked of the publisher.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// Missing packets: SSRC and sequence number.
    pub missing: Vec<(u32, u16)>,
    /// Streams whose key frame is wanted.
    pub key_frames: Vec<u32>,
}

/// The receive side and its subscribers, joined as a shard joins them.
pub struct Node {
    pub now: Instant,
    pub began: Instant,
    pub receive: ReceiveTrack,
    pub subscribers: Vec<Subscriber>,
    version: u32,
}

impl Node {
    pub fn new(publish: &PublishTrack) -> Self {
        let now = Instant::now();
        let receive = ReceiveTrack::new(now, publish, ReceiveConfig::default()).expect("a sound track");
        Self { now, began: now, receive, subscribers: Vec::new(), version: 0 }
    }

    pub fn elapsed(&self) -> Duration {
        self.now - self.began
    }

    pub fn add(&mut self, subscribe: &SubscribeTrack, seed: u64) {
        let kind = self.receive.kind();
        let mut subscriber = Subscriber::new(self.now, subscribe, kind, seed);
        subscriber.send.refresh(self.now, self.receive.layers());
        self.subscribers.push(subscriber);
        self.settle();
    }

    /// A packet of the publisher arrives.
    pub fn arrive(&mut self, bytes: &[u8]) -> Option<PacketAt> {
        let packet = RtpPacket::parse(bytes).expect("the publisher writes sound packets");
        let extensions = packet.read_extensions(&publisher_extensions());
        let id = PacketId {
            mid: extensions.mid,
            rid: extensions.rid,
            repaired_rid: extensions.repaired_rid,
            ssrc: packet.ssrc(),
            payload_type: packet.payload_type(),
        };
        let stream = self.receive.match_packet(&id)?;
        let at = self.receive.receive(self.now, stream, &packet)?;
        self.offer(at);
        Some(at)
    }

    fn offer(&mut self, at: PacketAt) {
        self.refresh();
        let layers = self.receive.layers();
        let Some(slot) = layers.slot(at) else { return };
        for subscriber in &mut self.subscribers {
            if !subscriber.send.interest().contains(at.layer) {
                continue;
            }
            if let Some(packet) = subscriber.send.forward(self.now, layers, at.layer, slot) {
                subscriber.deliver(layers, packet);
            }
        }
        self.settle();
    }

    fn refresh(&mut self) {
        let layers = self.receive.layers();
        if self.version != layers.version() {
            self.version = layers.version();
            for subscriber in &mut self.subscribers {
                subscriber.send.refresh(self.now, layers);
            }
        }
    }

    /// What follows from any change of a subscription.
    pub fn settle(&mut self) {
        let layers = self.receive.layers();
        let mut wanted = Vec::new();
        for subscriber in &mut self.subscribers {
            subscriber.catch_up(self.now, layers);
            wanted.extend(subscriber.send.take_key_frame_request());
        }
        for layer in wanted {
            self.receive.request_key_frame(self.now, layer);
        }
    }

    pub fn set_target(&mut self, subscriber: usize, target: LayerTarget) {
        self.subscribers[subscriber].send.set_target(self.now, self.receive.layers(), target);
        self.settle();
    }

    /// Lets time pass and does what becomes due.
    pub fn sleep(&mut self, span: Duration) {
        self.now += span;
        self.receive.handle_timeout(self.now);
        self.refresh();
        let layers = self.receive.layers();
        for subscriber in &mut self.subscribers {
            subscriber.handle_timeout(self.now, layers);
        }
        self.settle();
    }

    /// A subscriber misses packets.
    pub fn nack(&mut self, subscriber: usize, lost: &[u16]) {
        self.subscribers[subscriber].nack(self.now, self.receive.layers(), lost);
    }

    /// What the node asks of the publisher by now.
    pub fn asked(&mut self) -> Asked {
        let mut bytes = [0; 1200];
        let mut writer = Writer::new(&mut bytes);
        self.receive.write_feedback(self.now, Ssrc(1), &mut writer);
        let mut asked = Asked::default();
        for packet in rtcp::packets(writer.written()) {
            match packet.expect("the node writes sound packets") {
                Packet::Nack(nack) => asked.missing.extend(nack.lost().map(|lost| (nack.media.0, lost.0))),
                Packet::Pli(pli) => asked.key_frames.push(pli.media.0),
                other => panic!("unexpected {other:?}"),
            }
        }
        asked
    }
}
