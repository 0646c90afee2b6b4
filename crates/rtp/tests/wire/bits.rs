//! Writes bits, for building payloads that no sender at hand produces.

/// Bits, most significant first.
#[derive(Debug, Clone, Default)]
pub(crate) struct BitWriter {
    bits: Vec<bool>,
}

impl BitWriter {
    pub(crate) fn put(&mut self, value: u32, count: u32) -> &mut Self {
        self.bits.extend((0..count).rev().map(|place| value >> place & 1 == 1));
        self
    }

    /// `ns(n)` of the AV1 specification, section 4.10.7.
    pub(crate) fn put_non_symmetric(&mut self, value: u32, n: u32) -> &mut Self {
        let width = u32::BITS - n.leading_zeros();
        let short = (1 << width) - n;
        if value < short { self.put(value, width - 1) } else { self.put(value + short, width) }
    }

    /// The bits, zeros added up to the next byte.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.bits
            .chunks(8)
            .map(|byte| byte.iter().enumerate().fold(0, |sum, (place, bit)| sum | u8::from(*bit) << (7 - place)))
            .collect()
    }
}
