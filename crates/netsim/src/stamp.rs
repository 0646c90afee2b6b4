//! What packets and messages of a simulation carry: who sent them, which they are, and when.

/// Bytes of a stamp; it is the end of a payload, so that rewritten descriptors at its front do not matter.
const LEN: usize = 22;
const MAGIC: u16 = 0x7e57;

/// Kinds of media.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Opus.
    Audio,
    /// VP8.
    Video,
}

/// Names one packet of one track of one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp {
    /// Number of the client in the simulation.
    pub(crate) client: u16,
    /// Number of the track among all that the client ever had.
    pub(crate) track: u16,
    /// Grows with time, over all layers alike.
    pub(crate) frame: u32,
    pub(crate) layer: u8,
    /// Number of the packet in its frame and layer.
    pub(crate) packet: u8,
    /// Packets of the frame in this layer.
    pub(crate) packets: u8,
    /// When it was sent, since the start of the simulation.
    pub(crate) sent_ms: u32,
}

impl Stamp {
    /// The payload of the packet. `picture` is the layer's own count of frames.
    pub(crate) fn payload(&self, kind: Kind, picture: u16, key: bool) -> Vec<u8> {
        let mut bytes = match kind {
            Kind::Audio => vec![0xfc; 16],
            Kind::Video => {
                // RFC 7741: descriptor with a 15-bit picture id, then the frame header in its first packet.
                let [high, low] = (picture & 0x7fff).to_be_bytes();
                let first = self.packet == 0;
                let mut bytes = vec![0x80 | if first { 0x10 } else { 0 }, 0x80, 0x80 | high, low];
                match (first, key) {
                    (true, true) => bytes.extend([0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0xe0, 0x01]),
                    (true, false) => bytes.extend([0x11, 0, 0]),
                    (false, _) => {}
                }
                bytes.extend([0x55; 64]);
                bytes
            }
        };
        bytes.extend(MAGIC.to_be_bytes());
        bytes.extend(self.client.to_be_bytes());
        bytes.extend(self.track.to_be_bytes());
        bytes.extend(self.frame.to_be_bytes());
        bytes.extend([self.layer, self.packet, self.packets, 0]);
        bytes.extend(self.sent_ms.to_be_bytes());
        bytes.extend(self.sum().to_be_bytes());
        bytes
    }

    /// Reads the stamp of a payload; `None` if it is damaged or not of this simulation.
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        let bytes = payload.get(payload.len().checked_sub(LEN)?..)?;
        let short = |at: usize| bytes.get(at..at + 2).and_then(|b| b.try_into().ok()).map(u16::from_be_bytes);
        let long = |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_be_bytes);
        let byte = |at: usize| bytes.get(at).copied();
        let stamp = Self {
            client: short(2)?,
            track: short(4)?,
            frame: long(6)?,
            layer: byte(10)?,
            packet: byte(11)?,
            packets: byte(12)?,
            sent_ms: long(14)?,
        };
        (short(0)? == MAGIC && long(18)? == stamp.sum()).then_some(stamp)
    }

    fn sum(&self) -> u32 {
        let small = u32::from(self.layer) << 16 | u32::from(self.packet) << 8 | u32::from(self.packets);
        let who = u32::from(self.client) << 16 | u32::from(self.track);
        (self.frame ^ who.rotate_left(7) ^ small.rotate_left(13) ^ self.sent_ms.rotate_left(21))
            .wrapping_mul(0x9e37_79b1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_survives_its_payload_and_no_damage() {
        let stamp = Stamp { client: 3, track: 9, frame: 77, layer: 2, packet: 1, packets: 2, sent_ms: 123_456 };
        for kind in [Kind::Audio, Kind::Video] {
            let mut payload = stamp.payload(kind, 5, true);
            assert_eq!(Stamp::read(&payload), Some(stamp));
            let last = payload.len() - 8;
            payload[last] ^= 1;
            assert_eq!(Stamp::read(&payload), None);
        }
    }
}
