//! Redundant audio, RFC 2198: splitting a payload into its blocks, and building one.
//!
//! Knows nothing of the codec inside and keeps no earlier frames: which blocks to send is the caller's choice.

use crate::Error;

const WHAT: &str = "RED payload";

/// Bytes in front of the data for each redundant block.
const BLOCK_HEAD_LEN: usize = 4;

/// How far back a redundant block can lie, in ticks of the clock: 14 bits.
pub const TIMESTAMP_OFFSET_MAX: u16 = (1 << 14) - 1;

/// Longest data of a redundant block, bytes: 10 bits.
pub const BLOCK_LEN_MAX: usize = (1 << 10) - 1;

/// One block of a redundant payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block<'a> {
    /// Payload type of the data.
    pub payload_type: u8,
    /// How far the block lies before the packet's timestamp, in ticks of the clock; 0 for the primary block.
    pub timestamp_offset: u16,
    /// The encoded frame. May be empty.
    pub data: &'a [u8],
    /// The block is the packet's own frame, the last of the payload.
    pub primary: bool,
}

/// Splits a payload into its blocks: the redundant ones in the order of the payload, oldest first by custom, then
/// the primary one.
///
/// # Errors
/// [`Error::Truncated`] if the headers or the redundant data reach past the end; nothing is told then.
pub fn blocks(payload: &[u8]) -> Result<Blocks<'_>, Error> {
    let mut heads_len = 0;
    let mut data_len = 0;
    loop {
        match payload.get(heads_len..) {
            Some([head, ..]) if head & 0x80 == 0 => break,
            Some([_, _, b, c, ..]) => data_len += usize::from(u16::from_be_bytes([*b, *c]) & 0x3FF),
            _ => return Err(Error::truncated(WHAT)),
        }
        heads_len += BLOCK_HEAD_LEN;
    }
    let (heads, data) = payload.split_at_checked(heads_len + 1).ok_or(Error::truncated(WHAT))?;
    if data.len() < data_len {
        return Err(Error::truncated(WHAT));
    }
    Ok(Blocks { heads, data })
}

/// The primary block of a payload: what is left of it for a receiver without RED.
///
/// # Errors
/// As [`blocks`].
pub fn primary(payload: &[u8]) -> Result<Block<'_>, Error> {
    blocks(payload)?.last().ok_or(Error::truncated(WHAT))
}

/// Walks the blocks of a redundant payload.
#[derive(Debug, Clone)]
pub struct Blocks<'a> {
    heads: &'a [u8],
    data: &'a [u8],
}

impl<'a> Iterator for Blocks<'a> {
    type Item = Block<'a>;

    fn next(&mut self) -> Option<Block<'a>> {
        let (&[a, b, c, d], heads) = match self.heads.split_first_chunk::<BLOCK_HEAD_LEN>() {
            Some(split) => split,
            None => {
                let payload_type = *self.heads.first()?;
                self.heads = &[];
                return Some(Block { payload_type, timestamp_offset: 0, data: self.data, primary: true });
            }
        };
        let (data, rest) = self.data.split_at_checked(usize::from(u16::from_be_bytes([c, d]) & 0x3FF))?;
        self.heads = heads;
        self.data = rest;
        let timestamp_offset = u16::from_be_bytes([b, c]) >> 2;
        Some(Block { payload_type: a & 0x7F, timestamp_offset, data, primary: false })
    }
}

/// Bytes that [`write()`] takes for these blocks.
pub fn encoded_len(redundant: &[Block<'_>], primary: &[u8]) -> usize {
    let blocks: usize = redundant.iter().map(|block| BLOCK_HEAD_LEN + block.data.len()).sum();
    blocks + 1 + primary.len()
}

/// Writes a payload of `redundant` blocks (their `primary` flag is not read) and the primary frame at the start of
/// `out`, and returns its length.
///
/// # Errors
/// [`Error::NoRoom`] if `out` is too small; [`Error::Unrepresentable`] for a redundant block with more than
/// [`BLOCK_LEN_MAX`] bytes or an offset above [`TIMESTAMP_OFFSET_MAX`].
pub fn write(redundant: &[Block<'_>], payload_type: u8, primary: &[u8], out: &mut [u8]) -> Result<usize, Error> {
    let len = encoded_len(redundant, primary);
    let out = out.get_mut(..len).ok_or(Error::no_room(WHAT))?;
    let (heads, mut data) = out.split_at_mut(BLOCK_HEAD_LEN * redundant.len() + 1);
    let (heads, primary_head) = heads.split_at_mut(BLOCK_HEAD_LEN * redundant.len());
    for (head, block) in heads.chunks_exact_mut(BLOCK_HEAD_LEN).zip(redundant) {
        if block.data.len() > BLOCK_LEN_MAX {
            return Err(Error::unrepresentable(WHAT, "a redundant block is longer than 1023 bytes"));
        }
        if block.timestamp_offset > TIMESTAMP_OFFSET_MAX {
            return Err(Error::unrepresentable(WHAT, "a redundant block lies more than 16383 ticks back"));
        }
        let word = 1 << 31
            | u32::from(block.payload_type & 0x7F) << 24
            | u32::from(block.timestamp_offset) << 10
            | block.data.len() as u32;
        head.copy_from_slice(&word.to_be_bytes());
        let (field, rest) = data.split_at_mut_checked(block.data.len()).ok_or(Error::no_room(WHAT))?;
        field.copy_from_slice(block.data);
        data = rest;
    }
    primary_head.fill(payload_type & 0x7F);
    data.copy_from_slice(primary);
    Ok(len)
}
