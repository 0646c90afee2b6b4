//! The VP9 payload descriptor, RFC 9628, section 4.2.
//!
//! Reads it; the one thing it writes is the picture id, in place. Decides nothing about layers.

use super::{FrameSize, PictureId};
use crate::Error;
use crate::bytes::u16_at;

const WHAT: &str = "VP9 payload descriptor";

/// Spatial layers that a descriptor can tell apart.
pub const SPATIAL_LAYERS_MAX: usize = 8;

/// A VP9 payload descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Descriptor {
    /// I: picture id, shared by the layer frames of a picture.
    pub picture_id: Option<PictureId>,
    /// P: the frame is predicted from earlier pictures.
    pub inter_picture: bool,
    /// F: references are told with every frame.
    pub flexible: bool,
    /// B: the payload begins a layer frame.
    pub start_of_frame: bool,
    /// E: the payload ends a layer frame.
    pub end_of_frame: bool,
    /// Z: no higher spatial layer of the picture refers to this frame.
    pub not_inter_layer_reference: bool,
    /// L: which layer the frame belongs to.
    pub layer: Option<Layer>,
    /// Number of the last base-layer picture, modulo 256; in non-flexible mode with layers only.
    pub tl0_pic_idx: Option<u8>,
    /// V: the scalability structure, on key pictures.
    pub structure: Option<Structure>,
}

/// The L part of the descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Layer {
    /// TID: temporal layer, 0 = base.
    pub temporal: u8,
    /// U: later pictures of this temporal layer do not refer to earlier ones of it, so a receiver may begin here.
    pub switch_up: bool,
    /// SID: spatial layer, 0 = smallest.
    pub spatial: u8,
    /// D: the frame is predicted from the next lower spatial layer of the same picture.
    pub inter_layer: bool,
}

/// The V part of the descriptor, without the picture group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Structure {
    /// Spatial layers, 1 to 8.
    pub spatial_layers: u8,
    /// Widths and heights, where told.
    sizes: Option<[[u16; 2]; SPATIAL_LAYERS_MAX]>,
}

impl Structure {
    /// The size of a spatial layer, where told.
    pub fn size(&self, spatial: u8) -> Option<FrameSize> {
        if spatial >= self.spatial_layers {
            return None;
        }
        let [width, height] = *self.sizes.as_ref()?.get(usize::from(spatial))?;
        Some(FrameSize { width: width.into(), height: height.into() })
    }
}

impl Descriptor {
    /// Reads the descriptor at the start of `payload`; the second value is its length.
    ///
    /// # Errors
    /// [`Error::Truncated`] if the payload ends inside it, [`Error::Malformed`] for more than three references.
    pub fn parse(payload: &[u8]) -> Result<(Self, usize), Error> {
        let mut cursor = Cursor { payload, at: 0 };
        let first = cursor.byte()?;
        let mut descriptor = Self {
            inter_picture: first & 0x40 != 0,
            flexible: first & 0x10 != 0,
            start_of_frame: first & 0x08 != 0,
            end_of_frame: first & 0x04 != 0,
            not_inter_layer_reference: first & 0x01 != 0,
            ..Self::default()
        };
        if first & 0x80 != 0 {
            descriptor.picture_id = Some(cursor.picture_id()?);
        }
        if first & 0x20 != 0 {
            let byte = cursor.byte()?;
            descriptor.layer = Some(Layer {
                temporal: byte >> 5,
                switch_up: byte & 0x10 != 0,
                spatial: byte >> 1 & 0x07,
                inter_layer: byte & 0x01 != 0,
            });
            if !descriptor.flexible {
                descriptor.tl0_pic_idx = Some(cursor.byte()?);
            }
        }
        if descriptor.flexible && descriptor.inter_picture {
            cursor.references()?;
        }
        if first & 0x02 != 0 {
            descriptor.structure = Some(cursor.structure()?);
        }
        Ok((descriptor, cursor.at))
    }

    /// Spatial layer, 0 without layers.
    pub fn spatial(&self) -> u8 {
        self.layer.map_or(0, |layer| layer.spatial)
    }

    /// Temporal layer, 0 without layers.
    pub fn temporal(&self) -> u8 {
        self.layer.map_or(0, |layer| layer.temporal)
    }

    /// Whether the frame needs no other one, neither of an earlier picture nor of this one.
    pub fn is_independent(&self) -> bool {
        !self.inter_picture && !self.layer.is_some_and(|layer| layer.inter_layer)
    }
}

/// Replaces the picture id of the descriptor at the start of `payload`, in place and in the width it has; cut to fit.
/// Without a picture id there is nothing to replace.
pub fn rewrite_picture_id(payload: &mut [u8], picture_id: u16) {
    match payload {
        [first, high, low, ..] if *first & 0x80 != 0 && *high & 0x80 != 0 => {
            let [new_high, new_low] = picture_id.to_be_bytes();
            (*high, *low) = (new_high | 0x80, new_low);
        }
        [first, id, ..] if *first & 0x80 != 0 && *id & 0x80 == 0 => *id = picture_id as u8 & 0x7F,
        _ => {}
    }
}

struct Cursor<'a> {
    payload: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn byte(&mut self) -> Result<u8, Error> {
        let byte = *self.payload.get(self.at).ok_or(Error::truncated(WHAT))?;
        self.at += 1;
        Ok(byte)
    }

    fn skip(&mut self, count: usize) -> Result<(), Error> {
        if self.payload.len() - self.at < count {
            return Err(Error::truncated(WHAT));
        }
        self.at += count;
        Ok(())
    }

    fn picture_id(&mut self) -> Result<PictureId, Error> {
        let high = self.byte()?;
        if high & 0x80 == 0 {
            return Ok(PictureId::Short(high));
        }
        Ok(PictureId::Long(u16::from_be_bytes([high & 0x7F, self.byte()?])))
    }

    /// Up to three P_DIFF bytes; the lowest bit of each says whether another follows.
    fn references(&mut self) -> Result<(), Error> {
        for _ in 0..3 {
            if self.byte()? & 0x01 == 0 {
                return Ok(());
            }
        }
        Err(Error::malformed(WHAT, "more than three references"))
    }

    fn structure(&mut self) -> Result<Structure, Error> {
        let head = self.byte()?;
        let spatial_layers = (head >> 5) + 1;
        let mut structure = Structure { spatial_layers, sizes: None };
        if head & 0x10 != 0 {
            let mut sizes = [[0; 2]; SPATIAL_LAYERS_MAX];
            for size in sizes.iter_mut().take(usize::from(spatial_layers)) {
                let at = self.at;
                self.skip(4)?;
                *size = [u16_at(self.payload, at).unwrap_or(0), u16_at(self.payload, at + 2).unwrap_or(0)];
            }
            structure.sizes = Some(sizes);
        }
        if head & 0x08 != 0 {
            for _ in 0..self.byte()? {
                let references = self.byte()? >> 2 & 0x03;
                self.skip(usize::from(references))?;
            }
        }
        Ok(structure)
    }
}
