//! How good one leg of a track is (docs/protocol.md#connection-quality): a simplified E-model from loss, delay and
//! jitter, then the rate and the layers against what was expected, smoothed. Pure.

use livekit_protocol::ConnectionQuality;

use crate::Leg;

/// Best score of a window.
const SCORE_MAX: f32 = 100.0;
/// Worst score of a window; nothing arriving scores this.
const SCORE_MIN: f32 = 30.0;
/// How fast a worse window pulls the score down.
const FALL: f32 = 0.8;
/// How fast a better window pulls it up.
const RISE: f32 = 0.4;
/// What each missing spatial layer costs.
const MISSING_LAYER: f32 = 35.0;
/// Windows after a start whose rate and layers are not judged: senders need time to ramp up.
const WARM_UP_WINDOWS: u8 = 2;

/// What media a leg carries; decides how much a lost packet hurts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Media {
    Audio,
    /// Audio with redundancy: a single loss is repaired by the next packet.
    RedundantAudio,
    Video,
}

/// What should arrive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Expected {
    pub(crate) media: Media,
    /// Bit/s; 0 = not known.
    pub(crate) bitrate: u64,
    /// Spatial layers; 0 = not known.
    pub(crate) layers: u8,
}

/// A member's connection as others are told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quality {
    pub(crate) grade: ConnectionQuality,
    /// Mean opinion score, 1.0 to 4.5.
    pub(crate) mos: f32,
}

impl Quality {
    pub(crate) const BEST: Self = Self { grade: ConnectionQuality::Excellent, mos: 4.5 };

    /// The worse of two.
    pub(crate) fn worst(self, other: Self) -> Self {
        if rank(other.grade) < rank(self.grade) || (other.grade == self.grade && other.mos < self.mos) {
            other
        } else {
            self
        }
    }
}

fn rank(grade: ConnectionQuality) -> u8 {
    match grade {
        ConnectionQuality::Lost => 0,
        ConnectionQuality::Poor => 1,
        ConnectionQuality::Good => 2,
        ConnectionQuality::Excellent => 3,
    }
}

/// The score of one leg over time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scorer {
    score: f32,
    lost: bool,
    windows: u8,
}

impl Default for Scorer {
    fn default() -> Self {
        Self { score: SCORE_MAX, lost: false, windows: 0 }
    }
}

impl Scorer {
    /// Begins anew, after unmuting for example.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// One window's report.
    pub(crate) fn observe(&mut self, leg: Leg, expected: Expected) {
        let warm = self.windows >= WARM_UP_WINDOWS;
        self.windows = self.windows.saturating_add(1);
        if leg.layers == 0 {
            // Nothing arrived. Right after a start that only means that it has not begun.
            if self.windows >= WARM_UP_WINDOWS {
                self.lost = true;
                self.score = SCORE_MIN;
            }
            return;
        }
        self.lost = false;
        let mut window = packet_score(leg, expected.media);
        if warm {
            window =
                window.min(rate_score(leg.bitrate, expected.bitrate)).min(layer_score(leg.layers, expected.layers));
        }
        let window = window.clamp(SCORE_MIN, SCORE_MAX);
        let factor = if window < self.score { FALL } else { RISE };
        self.score = factor * window + (1.0 - factor) * self.score;
    }

    pub(crate) fn quality(&self) -> Quality {
        let grade = match self.score {
            _ if self.lost => ConnectionQuality::Lost,
            score if score > 80.0 => ConnectionQuality::Excellent,
            score if score > 40.0 => ConnectionQuality::Good,
            _ => ConnectionQuality::Poor,
        };
        Quality { grade, mos: mean_opinion(self.score) }
    }
}

/// ITU-T G.107, Annex B: transmission rating to mean opinion score.
fn mean_opinion(rating: f32) -> f32 {
    let rating = rating.clamp(0.0, 100.0);
    (1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6).clamp(1.0, 4.5)
}

fn packet_score(leg: Leg, media: Media) -> f32 {
    let finite = |value: f32| if value.is_finite() { value.max(0.0) } else { 0.0 };
    let delay_ms = leg.rtt_ms.map_or(0.0, finite) / 2.0 + 2.0 * finite(leg.jitter_ms);
    let delay_effect = if delay_ms > 160.0 { (delay_ms - 120.0) / 10.0 } else { delay_ms / 40.0 };
    let weight = match media {
        Media::Audio => 4.0,
        Media::RedundantAudio => 2.0,
        Media::Video => 10.0,
    };
    SCORE_MAX - delay_effect - weight * 100.0 * finite(leg.loss).min(1.0)
}

/// A third of the expected rate is still a calm picture; less than that is not.
fn rate_score(actual: u64, expected: u64) -> f32 {
    if expected == 0 || actual >= expected {
        return SCORE_MAX;
    }
    let ratio = expected as f32 / actual.max(1) as f32;
    SCORE_MAX - 20.0 * ratio.ln().max(0.0)
}

fn layer_score(seen: u8, expected: u8) -> f32 {
    if expected == 0 {
        return SCORE_MAX;
    }
    let highest = 8 - seen.leading_zeros();
    let missing = u32::from(expected).saturating_sub(highest) as f32;
    SCORE_MAX - MISSING_LAYER * missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use ConnectionQuality::{Excellent, Good, Lost, Poor};

    fn leg(loss: f32, jitter_ms: f32, rtt_ms: f32) -> Leg {
        Leg { loss, jitter_ms, rtt_ms: Some(rtt_ms), bitrate: 1_000_000, layers: 0b111 }
    }

    const VIDEO: Expected = Expected { media: Media::Video, bitrate: 1_000_000, layers: 3 };
    const AUDIO: Expected = Expected { media: Media::Audio, bitrate: 0, layers: 0 };
    const RED: Expected = Expected { media: Media::RedundantAudio, bitrate: 0, layers: 0 };

    #[test]
    fn steady_windows() {
        for (leg, expected, grade) in [
            (leg(0.0, 5.0, 40.0), VIDEO, Excellent),
            (leg(0.01, 10.0, 100.0), VIDEO, Excellent),
            (leg(0.03, 10.0, 100.0), VIDEO, Good),
            (leg(0.08, 10.0, 100.0), VIDEO, Poor),
            (leg(0.03, 10.0, 100.0), AUDIO, Excellent),
            (leg(0.08, 10.0, 100.0), AUDIO, Good),
            (leg(0.08, 10.0, 100.0), RED, Excellent),
            (leg(0.0, 100.0, 900.0), AUDIO, Good),
            (Leg { layers: 0b011, ..leg(0.0, 5.0, 40.0) }, VIDEO, Good),
            (Leg { layers: 0b001, ..leg(0.0, 5.0, 40.0) }, VIDEO, Poor),
            (Leg { bitrate: 400_000, ..leg(0.0, 5.0, 40.0) }, VIDEO, Excellent),
            (Leg { bitrate: 100_000, ..leg(0.0, 5.0, 40.0) }, VIDEO, Good),
            (Leg { layers: 0, ..leg(0.0, 5.0, 40.0) }, VIDEO, Lost),
            (leg(f32::NAN, f32::INFINITY, f32::NAN), VIDEO, Excellent),
        ] {
            let mut scorer = Scorer::default();
            for _ in 0..20 {
                scorer.observe(leg, expected);
            }
            assert_eq!(scorer.quality().grade, grade, "{leg:?} {expected:?} {scorer:?}");
            assert!((1.0..=4.5).contains(&scorer.quality().mos));
        }
    }

    #[test]
    fn falls_faster_than_it_rises_and_begins_mildly() {
        let mut scorer = Scorer::default();
        assert_eq!(scorer.quality(), Quality::BEST);
        scorer.observe(Leg { layers: 0, ..leg(0.0, 0.0, 0.0) }, VIDEO);
        assert_eq!(scorer.quality().grade, Excellent, "it has not begun");
        scorer.observe(leg(0.5, 0.0, 0.0), VIDEO);
        let low = scorer.score;
        assert!(low < 50.0);
        scorer.observe(leg(0.0, 0.0, 0.0), VIDEO);
        assert!(scorer.score - low < 100.0 - low - 20.0, "rises slowly");
        scorer.reset();
        assert_eq!(scorer.quality(), Quality::BEST);
    }

    #[test]
    fn worst_of_two() {
        let good = Quality { grade: Good, mos: 3.0 };
        let lost = Quality { grade: Lost, mos: 1.0 };
        assert_eq!(good.worst(lost), lost);
        assert_eq!(lost.worst(good), lost);
        assert_eq!(Quality::BEST.worst(Quality { mos: 4.2, ..Quality::BEST }).mos, 4.2);
        assert_eq!(Quality { grade: Poor, mos: 2.0 }.worst(good).grade, Poor);
    }
}
