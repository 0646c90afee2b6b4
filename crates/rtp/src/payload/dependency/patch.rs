//! Changes a dependency descriptor on its way to a receiver: the frame number, and which decode targets are sent.

use super::{FLAGS_LEN, Flags, MANDATORY_LEN, Mandatory, Structure, WHAT, read_frame};
use crate::Error;
use crate::bytes::BitReader;

/// Replaces the frame number, in place. Does nothing if `data` is no descriptor.
pub fn set_frame_number(data: &mut [u8], frame_number: u16) {
    if let [_, high, low, ..] = data {
        [*high, *low] = frame_number.to_be_bytes();
    }
}

/// Writes the descriptor `data` into `out` with `active` as the mask of decode targets being sent (lowest bit = first
/// target), whether it had a mask or not, and returns its length: at most 5 bytes more.
///
/// A receiver that gets fewer layers than the publisher sends has to be told by such a mask, on the first frame after
/// each change and after each new structure. `current` is the structure that holds for `data`; one in `data` itself
/// comes first.
///
/// # Errors
/// As `Reader::read`, and [`Error::NoRoom`] if `out` is too small.
pub fn write_active_targets(
    data: &[u8],
    current: Option<&Structure>,
    active: u32,
    out: &mut [u8],
) -> Result<usize, Error> {
    let short = Error::truncated(WHAT);
    let mut bits = BitReader::new(data);
    let mandatory = Mandatory::read(&mut bits).ok_or(short)?;
    let mut flags = Flags::default();
    if data.len() > MANDATORY_LEN {
        flags = Flags::read(&mut bits).ok_or(short)?;
    }
    let structure_at = bits.position();
    let attached = if flags.structure { Some(Structure::read(&mut bits)?) } else { None };
    let structure_end = bits.position();
    let structure = attached.as_ref().or(current).ok_or(Error::UnknownTemplate)?;
    let targets = u32::from(structure.decode_targets());
    let custom_at = structure_end + if flags.active_targets { targets as usize } else { 0 };
    read_frame(&mut bits, mandatory, flags, structure)?;
    let end = bits.position();

    let mut copy = BitCopy { from: data, out, at: 0 };
    copy.range(0, 8 * MANDATORY_LEN)?;
    copy.put(Flags { active_targets: true, ..flags }.to_bits(), FLAGS_LEN)?;
    copy.range(structure_at, structure_end)?;
    copy.put(active & u32::MAX >> (u32::BITS - targets), targets)?;
    copy.range(custom_at, end)?;
    Ok(copy.at.div_ceil(8))
}

/// Writes bits one behind the other, some of them copied from another place.
struct BitCopy<'a, 'b> {
    from: &'a [u8],
    out: &'b mut [u8],
    at: usize,
}

impl BitCopy<'_, '_> {
    fn range(&mut self, start: usize, end: usize) -> Result<(), Error> {
        for at in start..end {
            let byte = *self.from.get(at / 8).ok_or(Error::truncated(WHAT))?;
            self.bit(byte >> (7 - at % 8) & 1)?;
        }
        Ok(())
    }

    fn put(&mut self, value: u32, count: u32) -> Result<(), Error> {
        (0..count).rev().try_for_each(|place| self.bit((value >> place & 1) as u8))
    }

    fn bit(&mut self, bit: u8) -> Result<(), Error> {
        let byte = self.out.get_mut(self.at / 8).ok_or(Error::no_room(WHAT))?;
        if self.at.is_multiple_of(8) {
            *byte = 0;
        }
        *byte |= bit << (7 - self.at % 8);
        self.at += 1;
        Ok(())
    }
}
