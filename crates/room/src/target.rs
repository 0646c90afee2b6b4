//! From what a client shows to what it is sent: size, quality and frame rate to layers. Pure functions.

use livekit_protocol::{TrackInfo, TrackType, UpdateTrackSettings, VideoLayer, VideoQuality};

use crate::Target;

/// A layer may fall short of the requested size by this factor and still be taken.
const SIZE_SLACK: f64 = 0.9;

/// Frame rate assumed for the full stream; the room does not measure.
const FULL_FPS: f64 = 30.0;

/// All temporal layers.
const ALL_TEMPORAL: u8 = 7;

/// What a member asked for one track (`UpdateTrackSettings`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrackSettings {
    /// Nothing wanted for now.
    pub(crate) disabled: bool,
    /// Used when no size is given.
    pub(crate) quality: VideoQuality,
    /// Shown size, pixels; 0 = not said.
    pub(crate) width: u32,
    /// Shown size, pixels; 0 = not said.
    pub(crate) height: u32,
    /// Frames per second; 0 = all.
    pub(crate) fps: u32,
}

impl TrackSettings {
    /// What a subscription starts with.
    pub(crate) fn start(quality: VideoQuality) -> Self {
        Self { disabled: false, quality, width: 0, height: 0, fps: 0 }
    }

    pub(crate) fn read(update: &UpdateTrackSettings) -> Self {
        Self {
            disabled: update.disabled,
            quality: VideoQuality::try_from(update.quality).unwrap_or(VideoQuality::High),
            width: update.width,
            height: update.height,
            fps: update.fps,
        }
    }

    /// The quality this asks of a track, `None` = nothing. For audio anything but disabled is `High`.
    pub(crate) fn wanted(&self, track: &TrackInfo, codec: usize) -> Option<VideoQuality> {
        if self.disabled {
            return None;
        }
        if track.r#type != TrackType::Video as i32 {
            return Some(VideoQuality::High);
        }
        if self.width > 0 && self.height > 0 {
            return Some(quality_for_size(track, layers(track, codec), self.width.max(self.height)));
        }
        (self.quality != VideoQuality::Off).then_some(self.quality)
    }

    /// The layers to send.
    pub(crate) fn target(&self, track: &TrackInfo, codec: usize) -> Target {
        match self.wanted(track, codec) {
            None => Target { paused: true, spatial: 0, temporal: ALL_TEMPORAL },
            Some(quality) if track.r#type == TrackType::Video as i32 => Target {
                paused: false,
                spatial: spatial_of(layers(track, codec), quality),
                temporal: temporal(self.fps),
            },
            Some(_) => Target { paused: false, spatial: 0, temporal: ALL_TEMPORAL },
        }
    }
}

/// The layers of one codec of a track, ascending by quality.
pub(crate) fn layers(track: &TrackInfo, codec: usize) -> &[VideoLayer] {
    #[expect(deprecated, reason = "clients without codec lists fill this one")]
    match track.codecs.get(codec) {
        Some(codec) if !codec.layers.is_empty() => &codec.layers,
        _ => &track.layers,
    }
}

/// The smallest layer that is large enough, compared on the larger side so that portrait and landscape are alike.
fn quality_for_size(track: &TrackInfo, layers: &[VideoLayer], side: u32) -> VideoQuality {
    let needed = f64::from(side) * SIZE_SLACK;
    let original = track.width.max(track.height);
    for (index, layer) in layers.iter().enumerate() {
        let stated = layer.width.max(layer.height);
        let halvings = u32::try_from(layers.len() - 1 - index).unwrap_or(0).min(31);
        let size = if stated > 0 { stated } else { original >> halvings };
        if f64::from(size) >= needed {
            return VideoQuality::try_from(layer.quality).unwrap_or(VideoQuality::High);
        }
    }
    VideoQuality::High
}

/// Index of the best layer that is no better than `quality`; the smallest if all are better.
fn spatial_of(layers: &[VideoLayer], quality: VideoQuality) -> u8 {
    if layers.is_empty() {
        return match quality {
            VideoQuality::Low | VideoQuality::Off => 0,
            VideoQuality::Medium => 1,
            VideoQuality::High => 2,
        };
    }
    let below = layers.iter().take_while(|layer| layer.quality <= quality as i32).count();
    u8::try_from(below.saturating_sub(1)).unwrap_or(u8::MAX)
}

/// The fewest temporal layers that give `fps`, where each further layer doubles the rate and three are usual.
fn temporal(fps: u32) -> u8 {
    if fps == 0 {
        return ALL_TEMPORAL;
    }
    let needed = f64::from(fps) * SIZE_SLACK;
    match () {
        () if FULL_FPS / 4.0 >= needed => 0,
        () if FULL_FPS / 2.0 >= needed => 1,
        () => ALL_TEMPORAL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn video(qualities: &[(VideoQuality, u32, u32)], width: u32, height: u32) -> TrackInfo {
        let layers = qualities.iter().map(|(q, w, h)| VideoLayer {
            quality: *q as i32,
            width: *w,
            height: *h,
            ..Default::default()
        });
        let codec = livekit_protocol::SimulcastCodecInfo { layers: layers.collect(), ..Default::default() };
        TrackInfo { r#type: TrackType::Video as i32, width, height, codecs: vec![codec], ..Default::default() }
    }

    fn settings(width: u32, height: u32) -> TrackSettings {
        TrackSettings { width, height, ..TrackSettings::start(VideoQuality::High) }
    }

    #[test]
    fn size_to_layer() {
        use VideoQuality::{High, Low, Medium};
        let three = [(Low, 320, 180), (Medium, 640, 360), (High, 1280, 720)];
        let unsized_ = [(Low, 0, 0), (Medium, 0, 0), (High, 0, 0)];
        let two = [(Low, 320, 180), (Medium, 640, 360)];
        let one = [(High, 1280, 720)];
        // (layers, requested size, quality, spatial layer)
        type Row<'a> = (&'a [(VideoQuality, u32, u32)], (u32, u32), VideoQuality, u8);
        let rows: &[Row] = &[
            (&three, (100, 100), Low, 0),
            (&three, (355, 200), Low, 0),
            (&three, (356, 200), Medium, 1),
            (&three, (200, 356), Medium, 1),
            (&three, (700, 400), Medium, 1),
            (&three, (720, 405), High, 2),
            (&three, (4000, 2000), High, 2),
            (&unsized_, (300, 100), Low, 0),
            (&unsized_, (640, 360), Medium, 1),
            (&two, (300, 100), Low, 0),
            (&two, (2000, 1000), High, 1),
            (&one, (10, 10), High, 0),
            (&[], (10, 10), High, 2),
        ];
        for (layers, (w, h), quality, spatial) in rows {
            let track = video(layers, 1280, 720);
            let settings = settings(*w, *h);
            assert_eq!(settings.wanted(&track, 0), Some(*quality), "{layers:?} {w}x{h}");
            assert_eq!(settings.target(&track, 0).spatial, *spatial, "{layers:?} {w}x{h}");
        }
    }

    #[test]
    fn quality_to_layer() {
        use VideoQuality::{High, Low, Medium};
        let three = video(&[(Low, 0, 0), (Medium, 0, 0), (High, 0, 0)], 0, 0);
        let two = video(&[(Low, 0, 0), (Medium, 0, 0)], 0, 0);
        let one = video(&[(High, 0, 0)], 0, 0);
        for (track, quality, spatial) in [
            (&three, Low, 0),
            (&three, Medium, 1),
            (&three, High, 2),
            (&two, Medium, 1),
            (&two, High, 1),
            (&one, Low, 0),
            (&one, High, 0),
        ] {
            assert_eq!(TrackSettings::start(quality).target(track, 0).spatial, spatial, "{quality:?}");
        }
        let off = TrackSettings::start(VideoQuality::Off);
        assert_eq!(off.wanted(&three, 0), None);
        assert!(off.target(&three, 0).paused);
    }

    #[test]
    fn frame_rate_to_layer() {
        for (fps, layer) in [(0, 7), (1, 0), (8, 0), (9, 1), (15, 1), (16, 1), (17, 7), (30, 7), (60, 7)] {
            assert_eq!(temporal(fps), layer, "{fps} fps");
        }
    }

    #[test]
    fn audio_is_all_or_nothing() {
        let audio = TrackInfo { r#type: TrackType::Audio as i32, ..Default::default() };
        let mut settings = TrackSettings::start(VideoQuality::Low);
        assert_eq!(settings.target(&audio, 0), Target { paused: false, spatial: 0, temporal: 7 });
        settings.disabled = true;
        assert!(settings.target(&audio, 0).paused);
    }
}
