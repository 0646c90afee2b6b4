//! The mark in every synthetic payload: when it was sent, and which part of which frame it is.
//!
//! Behind the codec's own descriptor, which servers rewrite, so it arrives as it left. Reads the machine's clock, which
//! sender and receiver share; knows nothing of codecs.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Begins a stamp.
const MAGIC: [u8; 4] = *b"tuti";

/// Bytes of a stamp: magic, time, frame, part, parts, layer, key, two of padding.
pub(crate) const STAMP_LEN: usize = 24;

/// What a payload says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// When it was sent, microseconds since the Unix epoch.
    pub(crate) sent_us: u64,
    /// Number of the frame in its layer.
    pub(crate) frame: u32,
    /// Number of the packet in its frame.
    pub(crate) part: u16,
    /// Packets of the frame.
    pub(crate) parts: u16,
    /// Simulcast layer, 0 = smallest.
    pub(crate) layer: u8,
    /// The frame is a key frame.
    pub(crate) key: bool,
}

impl Stamp {
    pub(crate) fn to_bytes(self) -> [u8; STAMP_LEN] {
        let mut bytes = [0; STAMP_LEN];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4..12].copy_from_slice(&self.sent_us.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.frame.to_be_bytes());
        bytes[16..18].copy_from_slice(&self.part.to_be_bytes());
        bytes[18..20].copy_from_slice(&self.parts.to_be_bytes());
        bytes[20] = self.layer;
        bytes[21] = u8::from(self.key);
        bytes
    }

    /// The stamp at the start of `bytes`, if there is one.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<STAMP_LEN>()?;
        let [m0, m1, m2, m3, t0, t1, t2, t3, t4, t5, t6, t7, f0, f1, f2, f3, p0, p1, n0, n1, layer, key, ..] = *bytes;
        ([m0, m1, m2, m3] == MAGIC).then_some(Self {
            sent_us: u64::from_be_bytes([t0, t1, t2, t3, t4, t5, t6, t7]),
            frame: u32::from_be_bytes([f0, f1, f2, f3]),
            part: u16::from_be_bytes([p0, p1]),
            parts: u16::from_be_bytes([n0, n1]),
            layer,
            key: key != 0,
        })
    }

    /// Time on the way until `now_us`; zero if the clock was set back.
    pub(crate) fn age(&self, now_us: u64) -> Duration {
        Duration::from_micros(now_us.saturating_sub(self.sent_us))
    }
}

/// The machine's clock, microseconds since the Unix epoch.
pub(crate) fn wall_us() -> u64 {
    wall().as_micros() as u64
}

/// The machine's clock, since the Unix epoch.
pub(crate) fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let stamp = Stamp { sent_us: 1 << 50, frame: 70_000, part: 3, parts: 7, layer: 2, key: true };
        let mut bytes = stamp.to_bytes().to_vec();
        assert_eq!(Stamp::read(&bytes), Some(stamp));
        assert_eq!(stamp.age((1 << 50) + 1500), Duration::from_micros(1500));
        assert_eq!(stamp.age(0), Duration::ZERO);
        assert_eq!(Stamp::read(&bytes[..STAMP_LEN - 1]), None, "cut");
        bytes[0] = 0;
        assert_eq!(Stamp::read(&bytes), None, "another payload");
    }
}
