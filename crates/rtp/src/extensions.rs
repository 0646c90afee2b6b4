//! What the known header extension elements say: typed values, read from and written to their data bytes.
//!
//! Knows neither ids (that is `ExtensionMap`) nor the element framing (that is `packet` and `header`).

use crate::packet::Element;
use crate::{Extension, ExtensionMap, NtpTime};

/// The longest MID or RID that is read or written, bytes: one element of the one-byte form.
pub const IDENTIFIER_LEN_MAX: usize = 16;

/// The known extensions of one packet, read or to be written. Absent ones are `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeaderExtensions<'a> {
    /// MID of the media section.
    pub mid: Option<&'a str>,
    /// RTP stream id.
    pub rid: Option<&'a str>,
    /// Stream id of the stream that this packet repairs.
    pub repaired_rid: Option<&'a str>,
    /// Audio level.
    pub audio_level: Option<AudioLevel>,
    /// When the packet left its sender.
    pub abs_send_time: Option<AbsSendTime>,
    /// Transport-wide sequence number.
    pub transport_cc: Option<u16>,
    /// When the media was captured.
    pub abs_capture_time: Option<AbsCaptureTime>,
    /// Limits for the receiver's playout delay.
    pub playout_delay: Option<PlayoutDelay>,
    /// AV1 dependency descriptor, unread; see `payload::dependency`.
    pub dependency_descriptor: Option<&'a [u8]>,
    /// How to turn the picture.
    pub video_orientation: Option<VideoOrientation>,
}

impl<'a> HeaderExtensions<'a> {
    /// Sorts `elements` by the ids in `ids`. Elements with unfit data or unknown ids are left out.
    pub fn read(elements: impl Iterator<Item = Element<'a>>, ids: &ExtensionMap) -> Self {
        let mut found = Self::default();
        for Element { id, data } in elements {
            let Some(extension) = ids.extension(id) else { continue };
            match extension {
                Extension::Mid => found.mid = identifier(data),
                Extension::Rid => found.rid = identifier(data),
                Extension::RepairedRid => found.repaired_rid = identifier(data),
                Extension::AudioLevel => found.audio_level = AudioLevel::read(data),
                Extension::AbsSendTime => found.abs_send_time = AbsSendTime::read(data),
                Extension::TransportCc => found.transport_cc = read_transport_cc(data),
                Extension::AbsCaptureTime => found.abs_capture_time = AbsCaptureTime::read(data),
                Extension::PlayoutDelay => found.playout_delay = PlayoutDelay::read(data),
                Extension::DependencyDescriptor => found.dependency_descriptor = Some(data),
                Extension::VideoOrientation => found.video_orientation = VideoOrientation::read(data),
            }
        }
        found
    }
}

/// A MID or RID: 1 to 16 visible ASCII characters. Anything else is no identifier.
pub fn identifier(data: &[u8]) -> Option<&str> {
    if data.is_empty() || data.len() > IDENTIFIER_LEN_MAX || !data.iter().all(u8::is_ascii_graphic) {
        return None;
    }
    std::str::from_utf8(data).ok()
}

/// The transport-wide sequence number. The second version of the extension (4 bytes, feedback on request) starts alike.
pub fn read_transport_cc(data: &[u8]) -> Option<u16> {
    match *data {
        [high, low] | [high, low, _, _] => Some(u16::from_be_bytes([high, low])),
        _ => None,
    }
}

/// Loudness of the audio in the packet, RFC 6464, section 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioLevel {
    /// The sender believes that the packet holds voice.
    pub voice: bool,
    /// Level below overload, in -dBov: 0 = loudest, 127 = digital silence.
    pub dbov: u8,
}

impl AudioLevel {
    /// Reads the data.
    pub const fn read(data: &[u8]) -> Option<Self> {
        match *data {
            [byte] => Some(Self { voice: byte & 0x80 != 0, dbov: byte & 0x7F }),
            _ => None,
        }
    }

    /// The data.
    pub const fn to_bytes(self) -> [u8; 1] {
        [(self.voice as u8) << 7 | self.dbov & 0x7F]
    }
}

/// Time of sending modulo 64 s: 24 bits, 6 for the seconds and 18 for the fraction
/// (<http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AbsSendTime(u32);

impl AbsSendTime {
    /// From the lowest 24 bits of `units` of 2^-18 s.
    pub const fn from_units(units: u32) -> Self {
        Self(units & 0xFF_FFFF)
    }

    /// Units of 2^-18 s, below 2^24.
    pub const fn units(self) -> u32 {
        self.0
    }

    /// The part of an NTP time that the extension carries.
    pub const fn from_ntp(time: NtpTime) -> Self {
        Self::from_units((time.0 >> 14) as u32)
    }

    /// Reads the data.
    pub const fn read(data: &[u8]) -> Option<Self> {
        match *data {
            [a, b, c] => Some(Self(u32::from_be_bytes([0, a, b, c]))),
            _ => None,
        }
    }

    /// The data.
    pub const fn to_bytes(self) -> [u8; 3] {
        let [_, a, b, c] = self.0.to_be_bytes();
        [a, b, c]
    }
}

/// When the media was captured (<http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbsCaptureTime {
    /// Time of capture on the clock of the device that captured it.
    pub captured_at: NtpTime,
    /// What to add to `captured_at` for the clock of the packet's sender, in units of 2^-32 s.
    pub clock_offset: Option<i64>,
}

impl AbsCaptureTime {
    /// Reads the data: 8 bytes, or 16 with the clock offset.
    pub fn read(data: &[u8]) -> Option<Self> {
        let (time, rest) = data.split_first_chunk::<8>()?;
        let clock_offset = match rest.len() {
            0 => None,
            8 => Some(i64::from_be_bytes(rest.try_into().ok()?)),
            _ => return None,
        };
        Some(Self { captured_at: NtpTime(u64::from_be_bytes(*time)), clock_offset })
    }

    /// The data and how many of its bytes count.
    pub fn to_bytes(self) -> ([u8; 16], usize) {
        let mut data = [0; 16];
        let (time, offset) = data.split_at_mut(8);
        time.copy_from_slice(&self.captured_at.0.to_be_bytes());
        match self.clock_offset {
            None => (data, 8),
            Some(value) => {
                offset.copy_from_slice(&value.to_be_bytes());
                (data, 16)
            }
        }
    }
}

/// Limits for the playout delay at the receiver, in units of 10 ms, 12 bits each
/// (<http://www.webrtc.org/experiments/rtp-hdrext/playout-delay>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlayoutDelay {
    min: u16,
    max: u16,
}

impl PlayoutDelay {
    /// The largest delay that fits, ms.
    pub const MS_MAX: u32 = 4095 * 10;

    /// Limits in ms, rounded down to 10 ms and cut at [`Self::MS_MAX`].
    pub const fn from_ms(min_ms: u32, max_ms: u32) -> Self {
        const fn units(ms: u32) -> u16 {
            if ms > PlayoutDelay::MS_MAX { 4095 } else { (ms / 10) as u16 }
        }
        Self { min: units(min_ms), max: units(max_ms) }
    }

    /// Lower limit, ms.
    pub const fn min_ms(self) -> u32 {
        self.min as u32 * 10
    }

    /// Upper limit, ms.
    pub const fn max_ms(self) -> u32 {
        self.max as u32 * 10
    }

    /// Reads the data.
    pub const fn read(data: &[u8]) -> Option<Self> {
        match *data {
            [a, b, c] => Some(Self { min: (a as u16) << 4 | b as u16 >> 4, max: (b as u16 & 0x0F) << 8 | c as u16 }),
            _ => None,
        }
    }

    /// The data.
    pub const fn to_bytes(self) -> [u8; 3] {
        [(self.min >> 4) as u8, (self.min << 4) as u8 | (self.max >> 8) as u8, self.max as u8]
    }
}

/// How the receiver has to turn the picture, 3GPP TS 26.114, section 7.4.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VideoOrientation {
    /// Taken with the back-facing camera.
    pub back_camera: bool,
    /// To be mirrored before it is rotated.
    pub flip: bool,
    /// Clockwise rotation in quarter turns, 0 to 3.
    pub quarter_turns: u8,
}

impl VideoOrientation {
    /// Reads the data.
    pub const fn read(data: &[u8]) -> Option<Self> {
        match *data {
            [byte] => Some(Self { back_camera: byte & 0x08 != 0, flip: byte & 0x04 != 0, quarter_turns: byte & 0x03 }),
            _ => None,
        }
    }

    /// The data.
    pub const fn to_bytes(self) -> [u8; 1] {
        [(self.back_camera as u8) << 3 | (self.flip as u8) << 2 | self.quarter_turns & 0x03]
    }
}
