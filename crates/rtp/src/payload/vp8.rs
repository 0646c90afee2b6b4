//! The VP8 payload descriptor, RFC 7741, section 4.2, and the start of the VP8 frame header behind it.
//!
//! Reads it, writes it, and replaces its running numbers in place. Decides nothing about layers.

use super::{FrameSize, PictureId};
use crate::Error;

const WHAT: &str = "VP8 payload descriptor";

/// The longest descriptor, bytes.
pub const DESCRIPTOR_LEN_MAX: usize = 6;

/// A VP8 payload descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Descriptor {
    /// N: no other frame refers to this one.
    pub non_reference: bool,
    /// S: the payload begins a partition.
    pub partition_start: bool,
    /// PID: number of the partition, 0 to 7.
    pub partition: u8,
    /// I: picture id.
    pub picture_id: Option<PictureId>,
    /// L: number of the last base-layer frame, modulo 256.
    pub tl0_pic_idx: Option<u8>,
    /// T: temporal layer.
    pub temporal: Option<TemporalLayer>,
    /// K: number of the key frame that this one rests on, 0 to 31.
    pub key_index: Option<u8>,
}

/// The T part of the descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TemporalLayer {
    /// TID: 0 = base layer, to 3.
    pub id: u8,
    /// Y: the frame refers to base-layer frames only, so a receiver may begin with this layer here.
    pub layer_sync: bool,
}

impl Descriptor {
    /// Reads the descriptor at the start of `payload`; the second value is its length.
    ///
    /// # Errors
    /// [`Error::Truncated`] if the payload ends inside it.
    pub fn parse(payload: &[u8]) -> Result<(Self, usize), Error> {
        Self::read(payload).ok_or(Error::truncated(WHAT))
    }

    fn read(payload: &[u8]) -> Option<(Self, usize)> {
        let first = *payload.first()?;
        let mut at = 1;
        let mut next = || {
            let byte = payload.get(at).copied();
            at += 1;
            byte
        };
        let mut descriptor = Self {
            non_reference: first & 0x20 != 0,
            partition_start: first & 0x10 != 0,
            partition: first & 0x07,
            ..Self::default()
        };
        if first & 0x80 == 0 {
            return Some((descriptor, 1));
        }
        let present = next()?;
        if present & 0x80 != 0 {
            let high = next()?;
            descriptor.picture_id = Some(if high & 0x80 == 0 {
                PictureId::Short(high)
            } else {
                PictureId::Long(u16::from_be_bytes([high & 0x7F, next()?]))
            });
        }
        if present & 0x40 != 0 {
            descriptor.tl0_pic_idx = Some(next()?);
        }
        // TID, Y and KEYIDX share a byte, of which T and K say which parts count.
        if present & 0x30 != 0 {
            let byte = next()?;
            if present & 0x20 != 0 {
                descriptor.temporal = Some(TemporalLayer { id: byte >> 6, layer_sync: byte & 0x20 != 0 });
            }
            if present & 0x10 != 0 {
                descriptor.key_index = Some(byte & 0x1F);
            }
        }
        Some((descriptor, at))
    }

    /// Whether the payload begins a frame.
    pub const fn starts_frame(&self) -> bool {
        self.partition_start && self.partition == 0
    }

    /// Bytes that [`Self::write`] takes, 1 to 6.
    pub const fn len(&self) -> usize {
        let picture_id = match self.picture_id {
            None => 0,
            Some(PictureId::Short(_)) => 1,
            Some(PictureId::Long(_)) => 2,
        };
        let tail = picture_id + self.tl0_pic_idx.is_some() as usize + self.has_layer_byte() as usize;
        if tail == 0 { 1 } else { 2 + tail }
    }

    /// A descriptor is never empty.
    pub const fn is_empty(&self) -> bool {
        false
    }

    const fn has_layer_byte(&self) -> bool {
        self.temporal.is_some() || self.key_index.is_some()
    }

    /// Writes the descriptor at the start of `out` and returns its length.
    ///
    /// # Errors
    /// [`Error::NoRoom`] if `out` is too small.
    pub fn write(&self, out: &mut [u8]) -> Result<usize, Error> {
        let len = self.len();
        let mut bytes = [0u8; DESCRIPTOR_LEN_MAX];
        let extended = len > 1;
        bytes[0] = u8::from(extended) << 7
            | u8::from(self.non_reference) << 5
            | u8::from(self.partition_start) << 4
            | self.partition & 0x07;
        if extended {
            bytes[1] = u8::from(self.picture_id.is_some()) << 7
                | u8::from(self.tl0_pic_idx.is_some()) << 6
                | u8::from(self.temporal.is_some()) << 5
                | u8::from(self.key_index.is_some()) << 4;
            self.write_tail(&mut bytes);
        }
        let field = out.get_mut(..len).ok_or(Error::no_room(WHAT))?;
        field.copy_from_slice(bytes.get(..len).unwrap_or_default());
        Ok(len)
    }

    fn write_tail(&self, bytes: &mut [u8; DESCRIPTOR_LEN_MAX]) {
        let mut slots = bytes.iter_mut().skip(2);
        let mut put = |byte: u8| {
            if let Some(slot) = slots.next() {
                *slot = byte;
            }
        };
        match self.picture_id {
            None => {}
            Some(PictureId::Short(id)) => put(id & 0x7F),
            Some(PictureId::Long(id)) => {
                let [high, low] = id.to_be_bytes();
                put(high | 0x80);
                put(low);
            }
        }
        if let Some(index) = self.tl0_pic_idx {
            put(index);
        }
        if self.has_layer_byte() {
            let layer = self.temporal.unwrap_or_default();
            put(layer.id << 6 | u8::from(layer.layer_sync) << 5 | self.key_index.unwrap_or(0) & 0x1F);
        }
    }
}

/// New running numbers for a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rewrite {
    /// Picture id, cut to the width that the descriptor has.
    pub picture_id: u16,
    /// Number of the last base-layer frame.
    pub tl0_pic_idx: u8,
    /// Number of the key frame, cut to 5 bits.
    pub key_index: u8,
}

/// Replaces the running numbers of the descriptor at the start of `payload`, in place, and returns its length.
///
/// The descriptor keeps its form: a part that is absent stays absent, a 7-bit picture id stays 7 bits wide, so the
/// payload behind it does not move. Where the form has to change (a receiver that saw 15-bit ids must go on seeing
/// them), change a parsed [`Descriptor`] and [`Descriptor::write`] it in front of the rest.
///
/// # Errors
/// [`Error::Truncated`] if the payload ends inside the descriptor.
pub fn rewrite_in_place(payload: &mut [u8], numbers: &Rewrite) -> Result<usize, Error> {
    let (mut descriptor, len) = Descriptor::parse(payload)?;
    descriptor.picture_id = descriptor.picture_id.map(|id| id.with_value(numbers.picture_id));
    descriptor.tl0_pic_idx = descriptor.tl0_pic_idx.map(|_| numbers.tl0_pic_idx);
    descriptor.key_index = descriptor.key_index.map(|_| numbers.key_index);
    if descriptor.len() == len {
        descriptor.write(payload)?;
    }
    // Else the X bit is set and no part is present: nothing to replace.
    Ok(len)
}

/// Whether the frame that `frame` begins is a key frame: the P bit of the frame header, RFC 6386, section 9.1.
/// `frame` is the payload behind the descriptor of a packet that [starts a frame](Descriptor::starts_frame).
pub fn is_key_frame(frame: &[u8]) -> bool {
    frame.first().is_some_and(|first| first & 0x01 == 0)
}

/// The size in the header of a key frame, without its scaling bits; `None` if cut short or not a key frame.
pub fn key_frame_size(frame: &[u8]) -> Option<FrameSize> {
    match *frame {
        [tag, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1, ..] if tag & 0x01 == 0 => Some(FrameSize {
            width: u32::from(u16::from_le_bytes([w0, w1]) & 0x3FFF),
            height: u32::from(u16::from_le_bytes([h0, h1]) & 0x3FFF),
        }),
        _ => None,
    }
}
