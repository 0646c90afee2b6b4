//! Fields of TLS messages: a reader whose every step is checked, and a writer of length-prefixed vectors.

/// Reads big-endian fields from the front of a slice. `None` means that the bytes ran out.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether all is read.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next `len` bytes.
    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]: [u8; 1]| byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u24(&mut self) -> Option<usize> {
        self.array().map(|[a, b, c]: [u8; 3]| usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c))
    }

    /// A vector with its length in one byte (RFC 5246, section 4.3).
    pub(super) fn vector8(&mut self) -> Option<Reader<'a>> {
        let len = self.u8()?;
        self.take(len.into()).map(Reader)
    }

    /// A vector with its length in two bytes.
    pub(super) fn vector16(&mut self) -> Option<Reader<'a>> {
        let len = self.u16()?;
        self.take(len.into()).map(Reader)
    }

    /// A vector with its length in three bytes.
    pub(super) fn vector24(&mut self) -> Option<Reader<'a>> {
        let len = self.u24()?;
        self.take(len).map(Reader)
    }

    /// What is left.
    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }

    /// The rest as two-byte values; an odd byte at the end is an error.
    pub(super) fn u16_list(self) -> Option<impl Iterator<Item = u16> + Clone + 'a> {
        let (pairs, odd) = self.0.as_chunks::<2>();
        odd.is_empty().then(|| pairs.iter().map(|pair| u16::from_be_bytes(*pair)))
    }
}

/// Width of a vector's length, bytes.
#[derive(Clone, Copy)]
pub(super) enum Width {
    One = 1,
    Two = 2,
    Three = 3,
}

/// Writes what `contents` writes, behind its length. What we write is far shorter than any such length can say.
pub(super) fn vector(out: &mut Vec<u8>, width: Width, contents: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    let width = width as usize;
    out.extend_from_slice(&[0; 3][..width]);
    contents(out);
    let len = (out.len() - at - width) as u32;
    if let Some(prefix) = out.get_mut(at..at + width) {
        prefix.copy_from_slice(&len.to_be_bytes()[4 - width..]);
    }
}

/// Writes a two-byte value.
pub(super) fn u16(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_nest_and_read_back() {
        let mut out = Vec::new();
        vector(&mut out, Width::Three, |out| {
            vector(out, Width::One, |out| out.push(7));
            vector(out, Width::Two, |out| [1, 2].into_iter().for_each(|value| u16(out, value)));
        });
        assert_eq!(out, [0, 0, 8, 1, 7, 0, 4, 0, 1, 0, 2]);
        let mut reader = Reader::new(&out);
        let mut inner = reader.vector24().unwrap();
        assert!(reader.is_empty());
        assert_eq!(inner.vector8().unwrap().rest(), [7]);
        assert_eq!(inner.vector16().unwrap().u16_list().unwrap().collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn nothing_is_read_past_the_end() {
        assert!(Reader::new(&[2, 1]).vector8().is_none());
        assert!(Reader::new(&[0, 2, 1]).vector16().is_none());
        assert!(Reader::new(&[0, 0]).u24().is_none());
        assert!(Reader::new(&[1, 2, 3]).u16_list().is_none());
    }
}
