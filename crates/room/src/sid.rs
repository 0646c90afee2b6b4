//! Makes sids: a prefix that says of what, and twelve random letters (docs/protocol.md#stream-names).

use livekit_protocol::{TrackSource, TrackType};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Digits and letters without those that are easily mistaken for each other (`0 1 I O l`).
const ALPHABET: &[u8; 57] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// Random letters in a sid.
const LETTERS: usize = 12;

/// Longest sid of a client that is worth remembering, bytes.
pub(crate) const SID_BYTES_MAX: usize = 64;

/// Draws sids from a seed.
#[derive(Debug)]
pub(crate) struct SidSource {
    rng: StdRng,
}

impl SidSource {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: StdRng::seed_from_u64(seed) }
    }

    /// `RM_…`
    pub(crate) fn room(&mut self) -> String {
        self.draw("RM_")
    }

    /// `PA_…`
    pub(crate) fn participant(&mut self) -> String {
        self.draw("PA_")
    }

    /// `DTR_…`
    pub(crate) fn data_track(&mut self) -> String {
        self.draw("DTR_")
    }

    /// `RPC_…`, a call of the server API.
    pub(crate) fn call(&mut self) -> String {
        self.draw("RPC_")
    }

    /// `TR_` and a letter each for kind and source: `TR_VC…` is a camera.
    pub(crate) fn track(&mut self, kind: TrackType, source: TrackSource) -> String {
        let kind = match kind {
            TrackType::Audio => 'A',
            TrackType::Video => 'V',
            TrackType::Data => 'D',
        };
        let source = match source {
            TrackSource::Camera => 'C',
            TrackSource::Microphone => 'M',
            TrackSource::ScreenShare => 'S',
            TrackSource::ScreenShareAudio => 's',
            TrackSource::Unknown => 'U',
        };
        self.draw(&format!("TR_{kind}{source}"))
    }

    fn draw(&mut self, prefix: &str) -> String {
        let mut sid = String::with_capacity(prefix.len() + LETTERS);
        sid.push_str(prefix);
        for _ in 0..LETTERS {
            let at = self.rng.random_range(0..ALPHABET.len());
            sid.push(ALPHABET.get(at).copied().map_or('2', char::from));
        }
        sid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shape_and_repeatability() {
        let mut a = SidSource::new(7);
        let mut b = SidSource::new(7);
        let camera = a.track(TrackType::Video, TrackSource::Camera);
        assert!(camera.starts_with("TR_VC"), "{camera}");
        assert_eq!(camera.len(), 5 + LETTERS);
        assert!(camera.bytes().skip(3).all(|c| ALPHABET.contains(&c)));
        assert_eq!(camera, b.track(TrackType::Video, TrackSource::Camera));
        assert_ne!(a.participant(), a.participant());
        assert!(a.track(TrackType::Audio, TrackSource::ScreenShareAudio).starts_with("TR_As"));
        assert!(a.room().starts_with("RM_"));
        assert!(a.data_track().starts_with("DTR_"));
    }
}
