//! A subscriber that checks what it gets: no index twice with two contents, the original payload in every repeat.

use std::collections::BTreeMap;
use std::time::Instant;

use tutti_forward::{Layers, SCRATCH_LEN, SendKind, SendPacket, SendTrack, SubscribeTrack};
use tutti_rtp::rtcp::SenderInfo;
use tutti_rtp::{AbsSendTime, MediaKind, RtpPacket, SequenceNumber, rtx};

use super::camera::read_origin;

/// A packet as it arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Got {
    pub index: u64,
    pub ssrc: u32,
    pub kind: SendKind,
    pub bytes: Vec<u8>,
    /// SSRC and sequence number at the publisher; `None` for padding.
    pub origin: Option<(u32, u16)>,
}

impl Got {
    pub fn packet(&self) -> RtpPacket<'_> {
        RtpPacket::parse(&self.bytes).expect("the node writes sound packets")
    }

    pub fn timestamp(&self) -> u32 {
        self.packet().timestamp().0
    }

    pub fn payload(&self) -> &[u8] {
        self.packet().payload()
    }
}

pub struct Subscriber {
    pub send: SendTrack,
    /// Everything in the order of arrival, repeats included.
    pub got: Vec<Got>,
    /// What each index of each SSRC was sealed with.
    ledger: BTreeMap<(u32, u64), Vec<u8>>,
    pub reports: Vec<SenderInfo>,
    rtx_ssrc: Option<u32>,
    stamp: u16,
}

impl Subscriber {
    pub fn new(now: Instant, subscribe: &SubscribeTrack, kind: MediaKind, seed: u64) -> Self {
        Self {
            send: SendTrack::new(now, subscribe, kind, false, seed),
            got: Vec::new(),
            ledger: BTreeMap::new(),
            reports: Vec::new(),
            rtx_ssrc: subscribe.section.rtx_ssrc,
            stamp: 0,
        }
    }

    /// What a transport does with a packet, up to sealing.
    pub fn deliver(&mut self, layers: &Layers, mut packet: SendPacket) {
        // Whatever is stamped differs every time, as it does on the wire.
        self.stamp = self.stamp.wrapping_add(1);
        packet.set_transport_cc(self.stamp);
        packet.set_abs_send_time(AbsSendTime::from_units(u32::from(self.stamp)));
        let mut scratch = [0; SCRATCH_LEN];
        let payload = packet.payload(layers, &mut scratch).expect("the packet is still in its ring");
        assert_eq!(payload.len(), packet.payload_len());
        let mut bytes = packet.header().to_vec();
        bytes.extend_from_slice(payload);
        let parsed = RtpPacket::parse(&bytes).expect("sound");
        assert_eq!(parsed.ssrc(), packet.ssrc);
        assert_eq!(parsed.sequence(), SequenceNumber(packet.index as u16));
        let sealed = self.ledger.entry((packet.ssrc.0, packet.index)).or_insert_with(|| bytes.clone());
        assert_eq!(*sealed, bytes, "index {} of {} was used for two packets", packet.index, packet.ssrc);
        let origin = read_origin(parsed.payload());
        let ssrc = packet.ssrc.0;
        self.got.push(Got { index: packet.index, ssrc, kind: packet.kind, origin, bytes });
    }

    pub fn catch_up(&mut self, now: Instant, layers: &Layers) {
        if self.send.has_catch_up() {
            let mut packets = Vec::new();
            self.send.catch_up(now, layers, |packet| packets.push(packet));
            packets.into_iter().for_each(|packet| self.deliver(layers, packet));
        }
    }

    pub fn handle_timeout(&mut self, now: Instant, layers: &Layers) {
        let mut packets = Vec::new();
        self.send.handle_timeout(now, layers, |packet| packets.push(packet));
        packets.into_iter().for_each(|packet| self.deliver(layers, packet));
        self.reports.extend(self.send.sender_report(now, layers));
    }

    /// Asks for packets and checks each answer against what was sent at first. Returns how many came.
    pub fn nack(&mut self, now: Instant, layers: &Layers, lost: &[u16]) -> usize {
        let mut packets = Vec::new();
        self.send.handle_nack(now, layers, lost.iter().copied().map(SequenceNumber), |packet| packets.push(packet));
        let count = packets.len();
        for packet in packets {
            assert_eq!(packet.kind, SendKind::Retransmission);
            let repaired = Some(packet.ssrc.0) == self.rtx_ssrc;
            self.deliver(layers, packet);
            if repaired {
                self.check_repair();
            }
        }
        count
    }

    fn check_repair(&self) {
        let repair = self.got.last().expect("just delivered");
        let (original, payload) = rtx::original(repair.payload()).expect("an original number");
        assert!(lost_matches(&self.media(), original, payload, repair), "a repeat differs from its original");
    }

    /// Media and padding of the media SSRC at first transmission, by index.
    pub fn media(&self) -> Vec<&Got> {
        let mut media: Vec<_> = self
            .got
            .iter()
            .filter(|got| Some(got.ssrc) != self.rtx_ssrc && got.kind != SendKind::Retransmission)
            .collect();
        media.sort_by_key(|got| got.index);
        media
    }

    /// The indexes between the first and the last that never came.
    pub fn holes(&self) -> Vec<u64> {
        let media = self.media();
        media.windows(2).flat_map(|pair| pair[0].index + 1..pair[1].index).collect()
    }
}

fn lost_matches(media: &[&Got], original: SequenceNumber, payload: &[u8], repair: &Got) -> bool {
    let found = media.iter().rev().find(|got| SequenceNumber(got.index as u16) == original);
    found.is_some_and(|got| {
        let (first, again) = (got.packet(), repair.packet());
        first.payload() == payload && first.timestamp() == again.timestamp() && first.marker() == again.marker()
    })
}
