//! What payload descriptors tell about frames and layers: one file per codec.
//!
//! Reads descriptors and the few header bytes behind them, never media. Of each format only what forwarding needs.

pub mod av1;
pub mod dependency;
pub mod h264;
pub mod h265;
pub mod vp8;
pub mod vp9;

/// Width and height of a picture, pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FrameSize {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// A picture id in one of its two widths. A stream keeps its width (RFC 7741, section 4.2; RFC 9628, section 4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureId {
    /// 7 bits, one byte.
    Short(u8),
    /// 15 bits, two bytes.
    Long(u16),
}

impl PictureId {
    /// The number: below 128, or below 32768.
    pub const fn value(self) -> u16 {
        match self {
            Self::Short(id) => (id & 0x7F) as u16,
            Self::Long(id) => id & 0x7FFF,
        }
    }

    /// `value` in the width of `self`, cut to fit.
    #[must_use]
    pub const fn with_value(self, value: u16) -> Self {
        match self {
            Self::Short(_) => Self::Short(value as u8 & 0x7F),
            Self::Long(_) => Self::Long(value & 0x7FFF),
        }
    }
}
