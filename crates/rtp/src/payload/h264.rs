//! H.264 payloads, RFC 6184: which NAL units a packet holds or begins. Reads NAL headers and one bit of slices.

use crate::Error;
use crate::bytes::u16_at;

const WHAT: &str = "H.264 payload";

/// NAL unit types, ITU-T H.264, table 7-1, and packet types, RFC 6184, section 5.2.
mod nal {
    pub(super) const SLICE: u8 = 1;
    pub(super) const IDR: u8 = 5;
    pub(super) const SEI: u8 = 6;
    pub(super) const SPS: u8 = 7;
    pub(super) const PPS: u8 = 8;
    pub(super) const DELIMITER: u8 = 9;
    pub(super) const STAP_A: u8 = 24;
    pub(super) const STAP_B: u8 = 25;
    pub(super) const FU_A: u8 = 28;
    pub(super) const FU_B: u8 = 29;
}

/// What a packet holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Contents {
    /// A sequence parameter set begins here.
    pub sequence_parameters: bool,
    /// A picture parameter set begins here.
    pub picture_parameters: bool,
    /// A slice of an IDR picture begins here.
    pub idr: bool,
    /// The packet may be the first of its access unit: it holds something that comes before the first slice, or the
    /// first slice itself. Several packets of one access unit can say so.
    pub may_start: bool,
    /// All NAL units have `nal_ref_idc` 0: nothing refers to them.
    pub non_reference: bool,
}

impl Contents {
    /// Looks at the NAL units of a packet. The inside of a fragmented unit counts for nothing but `non_reference`.
    ///
    /// # Errors
    /// [`Error::Truncated`] for an empty payload or one that ends inside an aggregated unit.
    pub fn parse(payload: &[u8]) -> Result<Self, Error> {
        let short = Error::truncated(WHAT);
        let &head = payload.first().ok_or(short)?;
        let mut contents = Self { non_reference: true, ..Self::default() };
        match head & 0x1F {
            nal::STAP_A => contents.add_aggregate(payload.get(1..).ok_or(short)?)?,
            nal::STAP_B => contents.add_aggregate(payload.get(3..).ok_or(short)?)?,
            fragment @ (nal::FU_A | nal::FU_B) => {
                let &fu = payload.get(1).ok_or(short)?;
                let data_at = if fragment == nal::FU_A { 2 } else { 4 };
                contents.non_reference = head & 0x60 == 0;
                if fu & 0x80 != 0 {
                    contents.add_unit(head & 0x60 | fu & 0x1F, payload.get(data_at..).unwrap_or_default());
                }
            }
            _ => contents.add_unit(head, payload.get(1..).unwrap_or_default()),
        }
        Ok(contents)
    }

    /// Whether decoding can begin with the packet. An IDR slice counts even without parameter sets beside it: they may
    /// have come in the packet before, or with the session description.
    pub const fn is_key_frame(&self) -> bool {
        self.sequence_parameters || self.idr
    }

    fn add_aggregate(&mut self, mut units: &[u8]) -> Result<(), Error> {
        while !units.is_empty() {
            let len = usize::from(u16_at(units, 0).ok_or(Error::truncated(WHAT))?);
            let unit = units.get(2..2 + len).ok_or(Error::truncated(WHAT))?;
            units = units.get(2 + len..).unwrap_or_default();
            if let Some((&head, data)) = unit.split_first() {
                self.add_unit(head, data);
            }
        }
        Ok(())
    }

    fn add_unit(&mut self, head: u8, data: &[u8]) {
        self.non_reference &= head & 0x60 == 0;
        let unit_type = head & 0x1F;
        match unit_type {
            nal::SPS => self.sequence_parameters = true,
            nal::PPS => self.picture_parameters = true,
            nal::IDR => self.idr = true,
            _ => {}
        }
        self.may_start |= match unit_type {
            // first_mb_in_slice is the first field, Exp-Golomb coded: 0 is a single one bit.
            nal::SLICE..=nal::IDR => data.first().is_some_and(|byte| byte & 0x80 != 0),
            nal::SEI | nal::SPS | nal::PPS | nal::DELIMITER => true,
            _ => false,
        };
    }
}
