//! AV1 payloads: the aggregation header, OBU elements, OBU headers and the size in a sequence header.
//!
//! RTP Payload Format For AV1, section 4 (<https://aomediacodec.github.io/av1-rtp-spec/>), and the AV1 specification,
//! section 5. Where the dependency descriptor is there, it tells more than all of this; see `dependency`.

use super::FrameSize;
use crate::Error;
use crate::bytes::BitReader;

const WHAT: &str = "AV1 payload";

/// OBU type of a sequence header, AV1 specification, section 6.2.2.
const OBU_SEQUENCE_HEADER: u8 = 1;

/// The first byte of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AggregationHeader {
    /// Z: the first element goes on with an OBU of the packet before.
    pub continues: bool,
    /// Y: the last element goes on in the next packet.
    pub continued: bool,
    /// W: number of elements, of which the last has no length; `None` = all have one.
    pub element_count: Option<u8>,
    /// N: the packet is the first of a coded video sequence, so a key frame begins.
    pub new_sequence: bool,
}

impl AggregationHeader {
    /// Reads the first byte of a payload.
    ///
    /// # Errors
    /// [`Error::Truncated`] for an empty payload, [`Error::Malformed`] if a new sequence begins with the rest of an OBU.
    pub fn parse(payload: &[u8]) -> Result<Self, Error> {
        let &byte = payload.first().ok_or(Error::truncated(WHAT))?;
        let count = byte >> 4 & 0x03;
        let header = Self {
            continues: byte & 0x80 != 0,
            continued: byte & 0x40 != 0,
            element_count: (count > 0).then_some(count),
            new_sequence: byte & 0x08 != 0,
        };
        if header.new_sequence && header.continues {
            return Err(Error::malformed(WHAT, "new sequence that continues an OBU"));
        }
        Ok(header)
    }
}

/// The OBU elements of a payload, each a whole OBU or a part of one. Ends at the first that reaches past the end.
pub fn elements(payload: &[u8]) -> ObuElements<'_> {
    let (head, rest) = payload.split_first().map_or((0, payload), |(head, rest)| (*head, rest));
    ObuElements { rest, without_length_at: (head >> 4 & 0x03).checked_sub(1) }
}

/// Walks the OBU elements of a payload.
#[derive(Debug, Clone)]
pub struct ObuElements<'a> {
    rest: &'a [u8],
    /// How many elements come before the one that has no length; `None` if all have one.
    without_length_at: Option<u8>,
}

impl<'a> Iterator for ObuElements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = std::mem::take(&mut self.rest);
        if rest.is_empty() {
            return None;
        }
        match self.without_length_at.as_mut() {
            Some(0) => return Some(rest),
            Some(left) => *left -= 1,
            None => {}
        }
        let (len, rest) = leb128(rest)?;
        let (element, rest) = rest.split_at_checked(len)?;
        self.rest = rest;
        Some(element)
    }
}

/// The header of an OBU, AV1 specification, section 5.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObuHeader {
    /// Type, 0 to 15.
    pub obu_type: u8,
    /// Temporal layer, 0 without an extension.
    pub temporal: u8,
    /// Spatial layer, 0 without an extension.
    pub spatial: u8,
}

impl ObuHeader {
    /// Reads the header at the start of an OBU; the second value is what follows it and the size field.
    pub fn parse(obu: &[u8]) -> Option<(Self, &[u8])> {
        let (&head, mut rest) = obu.split_first()?;
        let mut header = Self { obu_type: head >> 3 & 0x0F, temporal: 0, spatial: 0 };
        if head & 0x04 != 0 {
            let (&extension, behind) = rest.split_first()?;
            header.temporal = extension >> 5;
            header.spatial = extension >> 3 & 0x03;
            rest = behind;
        }
        if head & 0x02 != 0 {
            (_, rest) = leb128(rest)?;
        }
        Some((header, rest))
    }
}

/// The largest picture size that the sequence header in this payload allows; `None` if it holds no whole one.
pub fn sequence_size(payload: &[u8]) -> Option<FrameSize> {
    if AggregationHeader::parse(payload).ok()?.continues {
        return None;
    }
    elements(payload)
        .filter_map(ObuHeader::parse)
        .find(|(header, _)| header.obu_type == OBU_SEQUENCE_HEADER)
        .and_then(|(_, body)| read_sequence_size(body))
}

/// `leb128()`, AV1 specification, section 4.10.5; `None` above 32 bits.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().enumerate().take(8) {
        value |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((u32::try_from(value).ok()? as usize, bytes.get(index + 1..)?));
        }
    }
    None
}

/// `sequence_header_obu()`, AV1 specification, section 5.5.1, as far as the frame size.
fn read_sequence_size(body: &[u8]) -> Option<FrameSize> {
    let mut bits = BitReader::new(body);
    let _profile_and_still_picture = bits.bits(4)?;
    if bits.flag()? {
        let _level = bits.bits(5)?;
    } else {
        skip_operating_points(&mut bits)?;
    }
    let width_bits = bits.bits(4)? + 1;
    let height_bits = bits.bits(4)? + 1;
    Some(FrameSize { width: bits.bits(width_bits)? + 1, height: bits.bits(height_bits)? + 1 })
}

fn skip_operating_points(bits: &mut BitReader<'_>) -> Option<()> {
    let mut delay_bits = None;
    if bits.flag()? {
        skip_timing(bits)?;
        if bits.flag()? {
            delay_bits = Some(bits.bits(5)? + 1);
            let _decoding_tick = bits.bits(32)?;
            let _lengths = bits.bits(10)?;
        }
    }
    let has_initial_delay = bits.flag()?;
    for _ in 0..=bits.bits(5)? {
        let _idc = bits.bits(12)?;
        if bits.bits(5)? > 7 {
            let _tier = bits.flag()?;
        }
        if let Some(delay_bits) = delay_bits
            && bits.flag()?
        {
            let _decoder_delay = bits.bits(delay_bits)?;
            let _encoder_delay = bits.bits(delay_bits)?;
            let _low_delay = bits.flag()?;
        }
        if has_initial_delay && bits.flag()? {
            let _initial_delay = bits.bits(4)?;
        }
    }
    Some(())
}

/// `timing_info()`, AV1 specification, section 5.5.3.
fn skip_timing(bits: &mut BitReader<'_>) -> Option<()> {
    let _display_tick = bits.bits(32)?;
    let _time_scale = bits.bits(32)?;
    if bits.flag()? {
        let mut leading_zeros = 0;
        while !bits.flag()? {
            leading_zeros += 1;
        }
        // `uvlc()`, section 4.10.3: 32 zeros or more carry no value.
        if leading_zeros < 32 {
            let _ticks_per_picture = bits.bits(leading_zeros)?;
        }
    }
    Some(())
}
