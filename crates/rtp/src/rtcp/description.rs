//! Source descriptions (of which only CNAME is read) and goodbyes, RFC 3550, sections 6.5 and 6.6.

use crate::bytes::u32_at;
use crate::{Error, Ssrc};

/// Item types, RFC 3550, section 12.2.
const ITEM_END: u8 = 0;
pub(super) const ITEM_CNAME: u8 = 1;

/// SDES.
#[derive(Debug, Clone)]
pub struct SourceDescription<'a> {
    count: u8,
    body: &'a [u8],
}

impl<'a> SourceDescription<'a> {
    pub(super) const fn read(count: u8, body: &'a [u8]) -> Self {
        Self { count, body }
    }

    /// The chunks, at most 31. Ends at the first malformed one.
    pub const fn chunks(&self) -> Chunks<'a> {
        Chunks { left: self.count, body: self.body, at: 0 }
    }
}

/// What an SDES packet says of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk<'a> {
    /// The source.
    pub ssrc: Ssrc,
    /// Its canonical name, which ties the streams of one clock together. `None` if absent or not UTF-8.
    pub cname: Option<&'a str>,
}

/// Walks the chunks of an SDES packet.
#[derive(Debug, Clone)]
pub struct Chunks<'a> {
    left: u8,
    body: &'a [u8],
    at: usize,
}

impl<'a> Chunks<'a> {
    fn read(&mut self) -> Option<Chunk<'a>> {
        let ssrc = Ssrc(u32_at(self.body, self.at)?);
        self.at += 4;
        let mut cname = None;
        loop {
            let item = *self.body.get(self.at)?;
            if item == ITEM_END {
                // The list ends with one to four zero bytes, on a 32-bit boundary.
                self.at = (self.at + 1).next_multiple_of(4);
                return Some(Chunk { ssrc, cname });
            }
            let len = usize::from(*self.body.get(self.at + 1)?);
            let text = self.body.get(self.at + 2..self.at + 2 + len)?;
            if item == ITEM_CNAME {
                cname = std::str::from_utf8(text).ok();
            }
            self.at += 2 + len;
        }
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        self.left = self.left.checked_sub(1)?;
        let chunk = self.read();
        if chunk.is_none() {
            self.left = 0;
        }
        chunk
    }
}

/// BYE.
#[derive(Debug, Clone)]
pub struct Goodbye<'a> {
    sources: &'a [u8],
}

impl<'a> Goodbye<'a> {
    pub(super) fn read(count: u8, body: &'a [u8]) -> Result<Self, Error> {
        let sources = body.get(..4 * usize::from(count)).ok_or(Error::truncated("RTCP goodbye"))?;
        Ok(Self { sources })
    }

    /// The sources that end, at most 31.
    pub fn sources(&self) -> impl Iterator<Item = Ssrc> + use<'a> {
        self.sources.chunks_exact(4).filter_map(|bytes| u32_at(bytes, 0).map(Ssrc))
    }
}
