//! Encoders whose one stream holds all spatial layers: VP9 with its descriptor, AV1 with the dependency descriptor.

use std::time::Duration;

use tutti_rtp::{HeaderExtensions, RtpHeader, RtpTimestamp, SequenceNumber, Ssrc};

use super::camera::{origin, packet};

/// A stream with three spatial layers.
#[derive(Debug, Clone)]
pub struct SvcEncoder {
    pub ssrc: u32,
    pub sequence: u16,
    pub timestamp_base: u32,
    pub frame_number: u16,
    pub picture_id: u16,
    pub tl0_pic_idx: u8,
    /// Packets of each layer frame.
    pub packets: usize,
    /// VP9 pictures come with dependency descriptors, all of temporal layer 0 then.
    pub described: bool,
    /// VP9 key pictures tell the layers' structure.
    pub structured: bool,
}

/// How the spatial layers depend on each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dependence {
    /// On the next lower one in every picture (L3T1).
    Full,
    /// On the next lower one in key pictures only (L3T1_KEY).
    Key,
}

impl SvcEncoder {
    pub fn new() -> Self {
        Self {
            ssrc: 0x1000,
            sequence: 65_530,
            timestamp_base: 0xFFFF_F000,
            frame_number: 65_530,
            picture_id: 0x7FFE,
            tl0_pic_idx: 254,
            packets: 2,
            described: false,
            structured: false,
        }
    }

    pub fn timestamp(&self, at: Duration) -> u32 {
        self.timestamp_base.wrapping_add((at.as_micros() * 9 / 100) as u32)
    }

    /// A VP9 picture with `layers` spatial layers. Frames above the temporal base are switching points.
    pub fn vp9(&mut self, at: Duration, key: bool, temporal: u8, layers: u8, dependence: Dependence) -> Vec<Vec<u8>> {
        self.picture_id = (self.picture_id + 1) & 0x7FFF;
        if temporal == 0 {
            self.tl0_pic_idx = self.tl0_pic_idx.wrapping_add(1);
        }
        let mut picture = Vec::new();
        for spatial in 0..layers {
            self.frame_number = self.frame_number.wrapping_add(1);
            for part in 0..self.packets {
                let (start, end) = (part == 0, part + 1 == self.packets);
                let [high, low] = self.picture_id.to_be_bytes();
                let inter = !key;
                let inter_layer = spatial > 0 && (key || dependence == Dependence::Full);
                let structured = self.structured && key && start && spatial == 0;
                let mut payload = vec![
                    0xA0 | u8::from(inter) << 6 | u8::from(start) << 3 | u8::from(end) << 2 | u8::from(structured) << 1,
                    high | 0x80,
                    low,
                    temporal << 5 | u8::from(temporal > 0) << 4 | spatial << 1 | u8::from(inter_layer),
                    self.tl0_pic_idx,
                ];
                if structured {
                    payload.push((layers - 1) << 5);
                }
                let descriptor = self.described.then(|| self.descriptor(key, spatial, start, end, dependence));
                picture.push(self.packet(at, end && spatial + 1 == layers, descriptor.as_deref(), payload));
            }
        }
        picture
    }

    /// The dependency descriptor of a packet; key frames are those of the smallest layer with a structure.
    fn descriptor(&self, key: bool, spatial: u8, start: bool, end: bool, dependence: Dependence) -> Vec<u8> {
        let mut bits = Bits::default();
        bits.put(u32::from(start), 1).put(u32::from(end), 1);
        bits.put(u32::from(spatial) * 2 + u32::from(!key), 6);
        bits.put(self.frame_number.into(), 16);
        if key && start && spatial == 0 {
            bits.put(0b10000, 5);
            structure(&mut bits, dependence);
        }
        bits.bytes
    }

    /// An AV1 picture with three spatial layers.
    pub fn av1(&mut self, at: Duration, key: bool, dependence: Dependence) -> Vec<Vec<u8>> {
        let mut picture = Vec::new();
        for spatial in 0..3u8 {
            self.frame_number = self.frame_number.wrapping_add(1);
            for part in 0..self.packets {
                let (start, end) = (part == 0, part + 1 == self.packets);
                let descriptor = self.descriptor(key, spatial, start, end, dependence);
                let header = if key && start && spatial == 0 { 0x18 } else { 0x10 };
                picture.push(self.packet(at, end && spatial == 2, Some(&descriptor), vec![header]));
            }
        }
        picture
    }

    fn packet(&mut self, at: Duration, marker: bool, descriptor: Option<&[u8]>, mut payload: Vec<u8>) -> Vec<u8> {
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        payload.extend(origin(self.ssrc, sequence));
        let header = RtpHeader {
            marker,
            payload_type: 96,
            sequence: SequenceNumber(sequence),
            timestamp: RtpTimestamp(self.timestamp(at)),
            ssrc: Ssrc(self.ssrc),
            padding: false,
        };
        let extensions =
            HeaderExtensions { mid: Some("1"), dependency_descriptor: descriptor, ..HeaderExtensions::default() };
        packet(&header, &extensions, &payload)
    }
}

/// A template structure with three spatial layers, two templates each (key and delta), three decode targets.
fn structure(bits: &mut Bits, dependence: Dependence) {
    const ABSENT: u32 = 0;
    const SWITCH: u32 = 2;
    const REQUIRED: u32 = 3;
    bits.put(0, 6).put(2, 5);
    for next in [0, 2, 0, 2, 0, 3] {
        bits.put(next, 2);
    }
    let above = if dependence == Dependence::Full { REQUIRED } else { ABSENT };
    let indications = [
        [SWITCH, SWITCH, SWITCH],
        [SWITCH, above, above],
        [ABSENT, SWITCH, SWITCH],
        [ABSENT, SWITCH, above],
        [ABSENT, ABSENT, SWITCH],
        [ABSENT, ABSENT, SWITCH],
    ];
    for indication in indications.into_iter().flatten() {
        bits.put(indication, 2);
    }
    let lower: &[u32] = if dependence == Dependence::Full { &[3, 1] } else { &[3] };
    let references: [&[u32]; 6] = [&[], &[3], &[1], lower, &[1], lower];
    for references in references {
        for reference in references {
            bits.put(1, 1).put(reference - 1, 4);
        }
        bits.put(0, 1);
    }
    // No chains, no sizes.
    bits.put(0, 2).put(0, 1);
}

/// Writes bits, the highest first.
#[derive(Debug, Default)]
struct Bits {
    bytes: Vec<u8>,
    len: usize,
}

impl Bits {
    fn put(&mut self, value: u32, count: u32) -> &mut Self {
        for place in (0..count).rev() {
            if self.len.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let last = self.bytes.last_mut().expect("pushed");
            *last |= ((value >> place & 1) as u8) << (7 - self.len % 8);
            self.len += 1;
        }
        self
    }
}
