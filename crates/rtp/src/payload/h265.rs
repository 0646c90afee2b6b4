//! H.265 payloads, RFC 7798: which NAL units a packet holds or begins. Reads NAL headers and one bit of slices.
//!
//! Decoding order numbers (`sprop-max-don-diff` above 0) are not supported: no browser sends them.

use crate::Error;
use crate::bytes::u16_at;

const WHAT: &str = "H.265 payload";

/// NAL unit types, ITU-T H.265, table 7-1, and packet types, RFC 7798, section 4.4.
mod nal {
    pub(super) const TSA_N: u8 = 2;
    pub(super) const TSA_R: u8 = 3;
    pub(super) const BLA_W_LP: u8 = 16;
    pub(super) const RSV_IRAP_VCL23: u8 = 23;
    pub(super) const RSV_VCL31: u8 = 31;
    pub(super) const VPS: u8 = 32;
    pub(super) const SPS: u8 = 33;
    pub(super) const PPS: u8 = 34;
    pub(super) const DELIMITER: u8 = 35;
    pub(super) const PREFIX_SEI: u8 = 39;
    pub(super) const AGGREGATION: u8 = 48;
    pub(super) const FRAGMENTATION: u8 = 49;
}

/// What a packet holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Contents {
    /// A video parameter set begins here: the first of the three that decoding needs.
    pub video_parameters: bool,
    /// A video or sequence parameter set begins here.
    pub parameters: bool,
    /// A slice of an intra random access point picture begins here.
    pub random_access: bool,
    /// The packet may be the first of its access unit: it holds something that comes before the first slice, or the
    /// first slice itself. Several packets of one access unit can say so.
    pub may_start: bool,
    /// Temporal sub-layer, 0 = base: the highest among the units of the packet.
    pub temporal: u8,
    /// A temporal sub-layer access picture: from here on this sub-layer and higher ones can be decoded.
    pub sublayer_access: bool,
}

impl Contents {
    /// Looks at the NAL units of a packet. Of a fragmented unit only the first fragment counts.
    ///
    /// # Errors
    /// [`Error::Truncated`] if the payload ends inside a header or an aggregated unit; [`Error::Malformed`] for a
    /// temporal id of 0.
    pub fn parse(payload: &[u8]) -> Result<Self, Error> {
        let short = Error::truncated(WHAT);
        let mut contents = Self::default();
        let (&[first, second], data) = payload.split_first_chunk::<2>().ok_or(short)?;
        contents.temporal = (second & 0x07).checked_sub(1).ok_or(Error::malformed(WHAT, "temporal id"))?;
        match first >> 1 & 0x3F {
            nal::AGGREGATION => contents.add_aggregate(data)?,
            nal::FRAGMENTATION => {
                let (&fu, data) = data.split_first().ok_or(short)?;
                if fu & 0x80 != 0 {
                    contents.add_unit(fu & 0x3F, data);
                }
            }
            unit_type => contents.add_unit(unit_type, data),
        }
        Ok(contents)
    }

    /// Whether decoding can begin with the packet.
    pub const fn is_key_frame(&self) -> bool {
        self.parameters || self.random_access
    }

    fn add_aggregate(&mut self, mut units: &[u8]) -> Result<(), Error> {
        while !units.is_empty() {
            let len = usize::from(u16_at(units, 0).ok_or(Error::truncated(WHAT))?);
            let unit = units.get(2..2 + len).ok_or(Error::truncated(WHAT))?;
            units = units.get(2 + len..).unwrap_or_default();
            if let Some((&[first, second], data)) = unit.split_first_chunk::<2>() {
                self.temporal = self.temporal.max((second & 0x07).saturating_sub(1));
                self.add_unit(first >> 1 & 0x3F, data);
            }
        }
        Ok(())
    }

    fn add_unit(&mut self, unit_type: u8, data: &[u8]) {
        self.video_parameters |= unit_type == nal::VPS;
        self.parameters |= matches!(unit_type, nal::VPS | nal::SPS);
        self.random_access |= (nal::BLA_W_LP..=nal::RSV_IRAP_VCL23).contains(&unit_type);
        self.sublayer_access |= matches!(unit_type, nal::TSA_N | nal::TSA_R);
        self.may_start |= match unit_type {
            // first_slice_segment_in_pic_flag is the first bit behind the header.
            0..=nal::RSV_VCL31 => data.first().is_some_and(|byte| byte & 0x80 != 0),
            nal::VPS | nal::SPS | nal::PPS | nal::DELIMITER | nal::PREFIX_SEI => true,
            _ => false,
        };
    }
}
