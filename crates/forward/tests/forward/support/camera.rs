//! Encoders that write RTP packets as browsers do, without a picture in them.

use std::time::Duration;

use tutti_rtp::payload::PictureId;
use tutti_rtp::payload::vp8::{Descriptor, TemporalLayer};
use tutti_rtp::{HeaderExtensions, RtpHeader, RtpPacket, RtpTimestamp, SequenceNumber, Ssrc, rtx};

use super::publisher_extensions;

/// One frame to encode.
#[derive(Debug, Clone, Copy)]
pub struct Shot {
    pub key: bool,
    pub temporal: u8,
    pub packets: usize,
}

impl Shot {
    pub const KEY: Self = Self { key: true, temporal: 0, packets: 3 };
    pub const DELTA: Self = Self { key: false, temporal: 0, packets: 2 };
}

/// One simulcast encoding in VP8.
#[derive(Debug, Clone)]
pub struct Vp8Encoder {
    pub rid: Option<&'static str>,
    pub ssrc: u32,
    pub rtx_ssrc: u32,
    pub sequence: u16,
    pub rtx_sequence: u16,
    pub timestamp_base: u32,
    pub picture_id: u16,
    pub tl0_pic_idx: u8,
    pub key_index: u8,
    /// Leave all running numbers out.
    pub bare: bool,
}

impl Vp8Encoder {
    pub fn new(rid: Option<&'static str>, number: u32) -> Self {
        Self {
            rid,
            ssrc: 0x1000 + number,
            rtx_ssrc: 0x2000 + number,
            sequence: 65_500u16.wrapping_add(number as u16 * 1_000),
            rtx_sequence: 7,
            timestamp_base: 0xFFFF_0000u32.wrapping_mul(number + 1),
            picture_id: 0x7FF0u16.wrapping_add(number as u16 * 100) & 0x7FFF,
            tl0_pic_idx: 250 + number as u8,
            key_index: 30,
            bare: false,
        }
    }

    pub fn timestamp(&self, at: Duration) -> u32 {
        self.timestamp_base.wrapping_add((at.as_micros() * 9 / 100) as u32)
    }

    /// The packets of a frame captured at `at`.
    pub fn encode(&mut self, at: Duration, shot: Shot) -> Vec<Vec<u8>> {
        self.picture_id = (self.picture_id + 1) & 0x7FFF;
        if shot.temporal == 0 {
            self.tl0_pic_idx = self.tl0_pic_idx.wrapping_add(1);
        }
        if shot.key {
            self.key_index = (self.key_index + 1) % 32;
        }
        let timestamp = self.timestamp(at);
        (0..shot.packets).map(|part| self.packet(timestamp, shot, part)).collect()
    }

    fn packet(&mut self, timestamp: u32, shot: Shot, part: usize) -> Vec<u8> {
        let mut descriptor = Descriptor { partition_start: part == 0, ..Descriptor::default() };
        if !self.bare {
            descriptor.picture_id = Some(PictureId::Long(self.picture_id));
            descriptor.tl0_pic_idx = Some(self.tl0_pic_idx);
            // Frames above the base refer to base frames only.
            descriptor.temporal = Some(TemporalLayer { id: shot.temporal, layer_sync: shot.temporal > 0 });
            descriptor.key_index = Some(self.key_index);
        }
        let mut payload = [0; 64];
        let mut len = descriptor.write(&mut payload).expect("room");
        if part == 0 {
            payload[len] = u8::from(!shot.key);
            len += 1;
        }
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        let origin = origin(self.ssrc, sequence);
        payload[len..len + origin.len()].copy_from_slice(&origin);
        len += origin.len();
        let header = RtpHeader {
            marker: part + 1 == shot.packets,
            payload_type: 96,
            sequence: SequenceNumber(sequence),
            timestamp: RtpTimestamp(timestamp),
            ssrc: Ssrc(self.ssrc),
            padding: false,
        };
        let extensions = HeaderExtensions { mid: Some("1"), rid: self.rid, ..HeaderExtensions::default() };
        packet(&header, &extensions, &payload[..len])
    }

    /// The retransmission of one of its packets.
    pub fn repair(&mut self, original: &[u8]) -> Vec<u8> {
        let original = RtpPacket::parse(original).expect("an own packet");
        let mut payload = vec![0; rtx::ORIGINAL_LEN];
        rtx::write_original(&mut payload, original.sequence());
        payload.extend_from_slice(original.payload());
        let header = RtpHeader {
            marker: original.marker(),
            payload_type: 97,
            sequence: SequenceNumber(self.rtx_sequence),
            timestamp: original.timestamp(),
            ssrc: Ssrc(self.rtx_ssrc),
            padding: false,
        };
        self.rtx_sequence = self.rtx_sequence.wrapping_add(1);
        let extensions = HeaderExtensions { mid: Some("1"), repaired_rid: self.rid, ..HeaderExtensions::default() };
        packet(&header, &extensions, &payload)
    }

    /// A probe on the media stream.
    pub fn padding(&mut self, at: Duration) -> Vec<u8> {
        let header = RtpHeader {
            marker: false,
            payload_type: 96,
            sequence: SequenceNumber(self.sequence),
            timestamp: RtpTimestamp(self.timestamp(at)),
            ssrc: Ssrc(self.ssrc),
            padding: true,
        };
        self.sequence = self.sequence.wrapping_add(1);
        let extensions = HeaderExtensions { mid: Some("1"), rid: self.rid, ..HeaderExtensions::default() };
        packet(&header, &extensions, &[0, 0, 0, 4])
    }
}

/// The end of a payload: where the packet comes from.
pub fn origin(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut bytes = b"origin".to_vec();
    bytes.extend(ssrc.to_be_bytes());
    bytes.extend(sequence.to_be_bytes());
    bytes
}

/// Reads the end of a payload.
pub fn read_origin(payload: &[u8]) -> Option<(u32, u16)> {
    let at = payload.len().checked_sub(12)?;
    let [b'o', b'r', b'i', b'g', b'i', b'n', a, b, c, d, e, f] = *payload.get(at..)? else { return None };
    Some((u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([e, f])))
}

/// A whole packet with the publisher's extension ids.
pub fn packet(header: &RtpHeader, extensions: &HeaderExtensions<'_>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 1500];
    let written = header.write(&publisher_extensions(), extensions, &mut bytes).expect("room");
    bytes.truncate(written.len);
    bytes.extend_from_slice(payload);
    bytes
}
