//! Who is speaking: from the audio levels in a track's packets (RFC 6464) to a level in steps of 1/8
//! (docs/protocol.md#speakers).
//!
//! Owns one track's window and its smoothing. Who hears of a change is for others.

use std::time::{Duration, Instant};

use tutti_rtp::AudioLevel;

/// When a track counts as speaking.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpeakerConfig {
    /// Length of a window.
    pub window: Duration,
    /// A packet is loud at this level or above, in -dBov.
    pub threshold_dbov: u8,
    /// A window counts as speech if this share of it was loud, percent.
    pub loud_percent: u32,
    /// Windows over which the level is smoothed; 0 = not at all.
    pub smooth_windows: u32,
}

impl Default for SpeakerConfig {
    fn default() -> Self {
        Self { window: Duration::from_millis(400), threshold_dbov: 35, loud_percent: 40, smooth_windows: 2 }
    }
}

/// Steps of the level.
const STEPS: f32 = 8.0;

/// What is to be told of a speaker.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpeakerChange {
    /// 0.0 to 1.0, in steps of 1/8.
    pub level: f32,
    /// Speaking.
    pub active: bool,
}

/// Hears one track.
#[derive(Debug)]
pub struct SpeakerDetector {
    config: SpeakerConfig,
    began: Option<Instant>,
    /// Audio heard in this window, and the loud part of it.
    heard: Duration,
    loud: Duration,
    loudest_dbov: u8,
    smoothed: f32,
    told: Option<f32>,
}

impl SpeakerDetector {
    /// One that has heard nothing.
    pub const fn new(config: SpeakerConfig) -> Self {
        Self {
            config,
            began: None,
            heard: Duration::ZERO,
            loud: Duration::ZERO,
            loudest_dbov: 127,
            smoothed: 0.0,
            told: None,
        }
    }

    /// A packet with `length` of audio arrived.
    pub fn hear(&mut self, now: Instant, level: AudioLevel, length: Duration) {
        self.began.get_or_insert(now);
        self.heard += length;
        if level.dbov <= self.config.threshold_dbov {
            self.loud += length;
            self.loudest_dbov = self.loudest_dbov.min(level.dbov);
        }
    }

    /// When [`SpeakerDetector::tick`] is wanted; `None` while there is nothing to hear and nothing to end.
    pub fn due(&self) -> Option<Instant> {
        self.began.map(|began| began + self.config.window)
    }

    /// Ends the window if it is over. A change comes back when the level moved by a step, began or ended.
    pub fn tick(&mut self, now: Instant) -> Option<SpeakerChange> {
        if self.due()? > now {
            return None;
        }
        let level = self.window_level();
        // A silent stream needs no clock: the next packet starts it again.
        self.began = (!self.heard.is_zero()).then_some(now);
        self.reset_window();
        self.smoothed = if level > 0.0 { self.smoothed + (level - self.smoothed) * self.smoothing() } else { 0.0 };
        let active = self.smoothed > 0.0 && self.smoothed >= linear(f32::from(self.config.threshold_dbov));
        self.tell(if active { ((self.smoothed * STEPS).ceil() / STEPS).clamp(0.0, 1.0) } else { 0.0 })
    }

    /// The track was muted or ended: whoever spoke does no longer.
    pub fn silence(&mut self) -> Option<SpeakerChange> {
        self.began = None;
        self.reset_window();
        self.smoothed = 0.0;
        self.tell(0.0)
    }

    const fn reset_window(&mut self) {
        self.heard = Duration::ZERO;
        self.loud = Duration::ZERO;
        self.loudest_dbov = 127;
    }

    /// The level of the window that ends, linear from 0.0 to 1.0: its loudest packet, weakened by the silent part.
    fn window_level(&self) -> f32 {
        let share_needed = self.config.window * self.config.loud_percent / 100;
        if self.loud < share_needed || self.loud.is_zero() {
            return 0.0;
        }
        // Speech that fills half the window is as loud as its loudest packet 6 dB lower.
        let share = (self.loud.as_secs_f32() / self.config.window.as_secs_f32()).min(1.0);
        linear(f32::from(self.loudest_dbov) - 20.0 * share.log10())
    }

    /// Weight of the newest window: an exponential mean with the centre of mass of a mean over `smooth_windows`.
    fn smoothing(&self) -> f32 {
        if self.config.smooth_windows == 0 { 1.0 } else { 2.0 / (self.config.smooth_windows as f32 + 1.0) }
    }

    fn tell(&mut self, level: f32) -> Option<SpeakerChange> {
        let before = self.told.unwrap_or(0.0);
        if level == before {
            return None;
        }
        self.told = Some(level);
        Some(SpeakerChange { level, active: level > 0.0 })
    }
}

/// A level in -dBov as a share of full scale.
fn linear(dbov: f32) -> f32 {
    10f32.powf(-dbov / 20.0).clamp(0.0, 1.0)
}
