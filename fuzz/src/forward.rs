//! Target for `tutti-forward`: packets and reports of a publisher and complaints of its subscribers, on a virtual clock.
//!
//! The subscribers check by themselves that no index is ever used for two packets and that every repeat is its original.

use std::time::Duration;

use tutti_forward::{LayerMode, LayerTarget};
use tutti_rtp::rtcp::SenderInfo;
use tutti_rtp::{Codec, HeaderExtensions, NtpTime, RtpHeader, RtpPacket, RtpTimestamp, SequenceNumber, Ssrc};

use super::input::Input;
use super::support::camera::packet;
use super::support::{Node, publish_simulcast, publish_single, subscribe};

const CODECS: [Codec; 7] = [Codec::Vp8, Codec::Vp9, Codec::H264, Codec::Av1, Codec::H265, Codec::Opus, Codec::Red];
const RIDS: [&str; 3] = ["q", "h", "f"];
/// Packets to one subscriber for one step, at most: a whole ring for a layer that is switched to.
const BURST_MAX: usize = 2048;

/// The first byte is the track; then packets, reports, complaints, waits.
pub fn forward(data: &[u8]) {
    let mut input = Input::new(data);
    let how = input.byte();
    let codec = CODECS[usize::from(how & 0x0f) % CODECS.len()];
    let simulcast = how & 0x10 != 0;
    let publish = match simulcast {
        true => publish_simulcast(codec, 3),
        false => publish_single(codec, if how & 0x20 == 0 { LayerMode::Simulcast } else { LayerMode::Svc }),
    };
    let mut play =
        Play { node: Node::new(&publish), simulcast, sequences: [0xfff0; 4], timestamp: 0xffff_0000, seen: 0 };
    play.node.add(&subscribe(codec, true), 1);
    play.node.add(&subscribe(codec, false), 2);
    while !input.is_empty() {
        play.step(&mut input);
    }
}

struct Play {
    node: Node,
    simulcast: bool,
    /// Of each stream, and of the retransmissions.
    sequences: [u16; 4],
    timestamp: u32,
    /// Packets that the first subscriber got before this step.
    seen: usize,
}

impl Play {
    fn step(&mut self, input: &mut Input<'_>) {
        let op = input.byte();
        match op {
            0..=159 => self.packet(op, input),
            160..=169 => self.arrive(input.piece()),
            170..=189 => self.node.sleep(Duration::from_millis(5) * u32::from(input.byte())),
            190..=209 => {
                let lost: Vec<u16> = (0..=op & 7).map(|_| input.short()).collect();
                self.node.nack(usize::from(op & 1), &lost);
            }
            210..=224 => {
                let subscriber = usize::from(op & 1);
                let lost: Vec<u16> = self.node.subscribers[subscriber]
                    .media()
                    .iter()
                    .rev()
                    .skip(input.byte().into())
                    .take(8)
                    .map(|got| got.index as u16)
                    .collect();
                self.node.nack(subscriber, &lost);
            }
            225..=234 => {
                let layers = input.byte();
                let target = LayerTarget { paused: layers & 0x80 != 0, spatial: layers & 3, temporal: layers >> 2 & 7 };
                self.node.set_target(usize::from(op & 1), target);
            }
            235..=239 => {
                let (now, layers) = (self.node.now, self.node.receive.layers());
                self.node.subscribers[usize::from(op & 1)].send.handle_key_frame_request(now, layers);
                self.node.settle();
            }
            240..=244 => {
                let ssrc = Ssrc(self.ssrc(op & 3));
                let ntp = NtpTime(u64::from(input.short()) << 32);
                let info = SenderInfo { ssrc, ntp, rtp: RtpTimestamp(self.timestamp), packets: 1, octets: 1 };
                self.node.receive.handle_sender_report(self.node.now, ssrc, &info);
            }
            245..=249 => self.node.receive.handle_bye(self.node.now, Ssrc(self.ssrc(op & 3))),
            250..=252 => self.node.receive.set_muted(self.node.now, op & 1 == 1),
            _ => drop(self.node.asked()),
        }
        let got = self.node.subscribers[0].got.len();
        assert!(got - self.seen <= BURST_MAX, "{} packets at once", got - self.seen);
        self.seen = got;
    }

    fn ssrc(&self, stream: u8) -> u32 {
        match (self.simulcast, stream) {
            (true, _) => 0x1000 + u32::from(stream),
            (false, 3) => 0x2000,
            (false, _) => 0x1000,
        }
    }

    /// A packet that stands where packets stand in a stream, more or less.
    fn packet(&mut self, op: u8, input: &mut Input<'_>) {
        let (stream, flags) = (op & 3, input.byte());
        let next = &mut self.sequences[usize::from(stream)];
        let sequence = if flags & 1 == 0 { next.wrapping_add(1) } else { next.wrapping_add(input.short()) };
        *next = sequence;
        if flags & 2 != 0 {
            self.timestamp = self.timestamp.wrapping_add(if flags & 4 == 0 { 3000 } else { input.short().into() });
        }
        let header = RtpHeader {
            marker: flags & 8 != 0,
            payload_type: if stream == 3 { 97 } else { 96 },
            sequence: SequenceNumber(sequence),
            timestamp: RtpTimestamp(self.timestamp),
            ssrc: Ssrc(self.ssrc(stream)),
            padding: false,
        };
        let rid = RIDS[usize::from(op >> 2) % RIDS.len()];
        let descriptor = input.take(usize::from(flags >> 5) * 3);
        let extensions = HeaderExtensions {
            mid: Some("1"),
            rid: (self.simulcast && stream != 3).then_some(RIDS[usize::from(stream) % RIDS.len()]),
            repaired_rid: (self.simulcast && stream == 3).then_some(rid),
            dependency_descriptor: (!descriptor.is_empty()).then_some(descriptor),
            ..HeaderExtensions::default()
        };
        let mut bytes = packet(&header, &extensions, input.piece());
        if flags & 16 != 0 {
            // Padding: its length is the last byte.
            bytes[0] |= 0x20;
        }
        self.arrive(&bytes);
    }

    fn arrive(&mut self, bytes: &[u8]) {
        if RtpPacket::parse(bytes).is_ok() && bytes.len() <= 1500 {
            self.node.arrive(bytes);
        }
    }
}
