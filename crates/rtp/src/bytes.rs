//! Fixed-width big-endian reads and a bit cursor, all of which answer `None` past the end.
//!
//! Knows no format; the modules above it say what a missing byte means.

/// Reads `N` bytes at `at`.
pub(crate) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_be_bytes)
}

pub(crate) fn u24_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_be_bytes)
}

/// Reads bits from the most significant end of each byte.
#[derive(Debug, Clone)]
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bits read so far.
    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    pub(crate) fn flag(&mut self) -> Option<bool> {
        self.bits(1).map(|bit| bit == 1)
    }

    /// The next `count` bits, at most 32.
    pub(crate) fn bits(&mut self, count: u32) -> Option<u32> {
        debug_assert!(count <= 32);
        let mut value = 0u64;
        let mut left = count as usize;
        while left > 0 {
            let byte = *self.bytes.get(self.at / 8)?;
            let offset = self.at % 8;
            let take = left.min(8 - offset);
            let chunk = (byte << offset) >> (8 - take);
            value = value << take | u64::from(chunk);
            self.at += take;
            left -= take;
        }
        Some(value as u32)
    }

    /// `ns(n)` of the AV1 specification, section 4.10.7: a value below `n`, in the fewest bits. `n` at least 1.
    pub(crate) fn non_symmetric(&mut self, n: u32) -> Option<u32> {
        let width = u32::BITS - n.leading_zeros();
        let short = (1u64 << width) - u64::from(n);
        let value = self.bits(width.checked_sub(1)?)?;
        if u64::from(value) < short {
            return Some(value);
        }
        let extra = self.bits(1)?;
        Some(((u64::from(value) << 1) - short + u64::from(extra)) as u32)
    }
}
