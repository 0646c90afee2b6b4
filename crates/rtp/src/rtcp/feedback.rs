//! Feedback on single streams: NACK, PLI, FIR, and REMB.

use crate::bytes::{u16_at, u24_at, u32_at};
use crate::{Error, SequenceNumber, Ssrc};

/// Bytes in front of the feedback control information: the SSRCs of its sender and of the media.
pub(super) const SOURCES_LEN: usize = 8;

/// The unique identifier of REMB, draft-alvestrand-rmcat-remb-03, section 2.2.
pub(super) const REMB_NAME: [u8; 4] = *b"REMB";

/// Splits the sender and the media source off.
pub(super) fn split_sources(body: &[u8], what: &'static str) -> Result<(Ssrc, Ssrc), Error> {
    let sources = || Some((Ssrc(u32_at(body, 0)?), Ssrc(u32_at(body, 4)?)));
    sources().ok_or(Error::truncated(what))
}

/// Generic NACK, RFC 4585, section 6.2.1.
#[derive(Debug, Clone)]
pub struct Nack<'a> {
    /// Who misses packets.
    pub sender: Ssrc,
    /// The stream they are missing from.
    pub media: Ssrc,
    entries: &'a [u8],
}

impl<'a> Nack<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Error> {
        let (sender, media) = split_sources(body, "RTCP NACK")?;
        Ok(Self { sender, media, entries: body.get(SOURCES_LEN..).unwrap_or_default() })
    }

    /// The missing sequence numbers, in the order of the message: at most 17 for each 4 bytes.
    pub const fn lost(&self) -> LostSequences<'a> {
        LostSequences { entries: self.entries, first: SequenceNumber(0), pending: 0 }
    }
}

/// Walks the sequence numbers of a NACK.
#[derive(Debug, Clone)]
pub struct LostSequences<'a> {
    entries: &'a [u8],
    first: SequenceNumber,
    /// Bit n: `first + n` is still to be told.
    pending: u32,
}

impl Iterator for LostSequences<'_> {
    type Item = SequenceNumber;

    fn next(&mut self) -> Option<SequenceNumber> {
        if self.pending == 0 {
            let (entry, rest) = self.entries.split_first_chunk::<4>()?;
            self.entries = rest;
            let [p0, p1, b0, b1] = *entry;
            self.first = SequenceNumber(u16::from_be_bytes([p0, p1]));
            self.pending = u32::from(u16::from_be_bytes([b0, b1])) << 1 | 1;
        }
        let offset = self.pending.trailing_zeros();
        self.pending &= self.pending - 1;
        Some(self.first.add(offset as u16))
    }
}

/// Picture loss indication, RFC 4585, section 6.3.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pli {
    /// Who lost the picture.
    pub sender: Ssrc,
    /// The stream.
    pub media: Ssrc,
}

impl Pli {
    pub(super) fn read(body: &[u8]) -> Result<Self, Error> {
        let (sender, media) = split_sources(body, "RTCP PLI")?;
        Ok(Self { sender, media })
    }
}

/// Full intra request, RFC 5104, section 4.3.1.
#[derive(Debug, Clone)]
pub struct Fir<'a> {
    /// Who asks.
    pub sender: Ssrc,
    entries: &'a [u8],
}

/// One stream of a full intra request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FirEntry {
    /// The stream that has to send a key frame.
    pub media: Ssrc,
    /// Number of the request: the same number is a repetition, not a new request.
    pub number: u8,
}

impl<'a> Fir<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Error> {
        let (sender, _) = split_sources(body, "RTCP FIR")?;
        Ok(Self { sender, entries: body.get(SOURCES_LEN..).unwrap_or_default() })
    }

    /// The streams asked for.
    pub fn entries(&self) -> impl Iterator<Item = FirEntry> + use<'a> {
        self.entries
            .chunks_exact(8)
            .filter_map(|entry| Some(FirEntry { media: Ssrc(u32_at(entry, 0)?), number: *entry.get(4)? }))
    }
}

/// Whether an application layer feedback message is a REMB.
pub(super) fn is_remb(body: &[u8]) -> bool {
    body.get(SOURCES_LEN..).is_some_and(|fci| fci.starts_with(&REMB_NAME))
}

/// Receiver estimated maximum bit rate, draft-alvestrand-rmcat-remb-03, section 2.2.
#[derive(Debug, Clone)]
pub struct Remb<'a> {
    /// Who estimates.
    pub sender: Ssrc,
    /// The estimate, bit/s; the largest value for what does not fit.
    pub bitrate_bps: u64,
    sources: &'a [u8],
}

impl<'a> Remb<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Error> {
        const WHAT: &str = "RTCP REMB";
        let (sender, _) = split_sources(body, WHAT)?;
        let fields = || {
            let head = u16_at(body, 12)?;
            let count = usize::from(head >> 8);
            let exponent = u32::from(head as u8 >> 2);
            let mantissa = u64::from(u24_at(body, 13)? & 0x3_FFFF);
            let bitrate = mantissa.checked_shl(exponent).filter(|rate| rate >> exponent == mantissa);
            Some((bitrate.unwrap_or(u64::MAX), body.get(16..16 + 4 * count)?))
        };
        let (bitrate_bps, sources) = fields().ok_or(Error::truncated(WHAT))?;
        Ok(Self { sender, bitrate_bps, sources })
    }

    /// The streams that share the estimate, at most 255.
    pub fn sources(&self) -> impl Iterator<Item = Ssrc> + use<'a> {
        self.sources.chunks_exact(4).filter_map(|bytes| u32_at(bytes, 0).map(Ssrc))
    }
}
