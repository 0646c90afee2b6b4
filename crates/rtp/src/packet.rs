//! An RTP packet in place: the fixed header, the extension block and the payload, RFC 3550, section 5.1.
//!
//! Owns the bounds of each part. What the extension elements mean is `extensions`; what the payload means is `payload`.

use crate::bytes::{u16_at, u32_at};
use crate::{Error, ExtensionMap, HeaderExtensions, RtpTimestamp, SequenceNumber, Ssrc};

/// Bytes of the fixed header.
pub const FIXED_HEADER_LEN: usize = 12;

/// "defined by profile" of the one-byte form, RFC 8285, section 4.2.
pub(crate) const ONE_BYTE_PROFILE: u16 = 0xBEDE;
/// "defined by profile" of the two-byte form without its application bits, RFC 8285, section 4.3.
pub(crate) const TWO_BYTE_PROFILE: u16 = 0x1000;

const WHAT: &str = "RTP packet";

/// A view of one RTP packet whose parts are known to lie inside it.
#[derive(Debug, Clone, Copy)]
pub struct RtpPacket<'a> {
    bytes: &'a [u8],
    marker: bool,
    payload_type: u8,
    sequence: SequenceNumber,
    timestamp: RtpTimestamp,
    ssrc: Ssrc,
    csrc_count: u8,
    profile: u16,
    extension_start: usize,
    header_len: usize,
    padding_len: u8,
}

impl<'a> RtpPacket<'a> {
    /// Reads the header and checks every length in it.
    ///
    /// # Errors
    /// [`Error::Truncated`] if the header, CSRCs or the extension block reach past the end;
    /// [`Error::Malformed`] for another version than 2 or a padding count of zero or beyond the payload.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let Some((&[first, second, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3], _)) =
            bytes.split_first_chunk::<FIXED_HEADER_LEN>()
        else {
            return Err(Error::truncated(WHAT));
        };
        if first >> 6 != 2 {
            return Err(Error::malformed(WHAT, "version is not 2"));
        }
        let csrc_count = first & 0x0F;
        let mut header_len = FIXED_HEADER_LEN + 4 * usize::from(csrc_count);
        let mut profile = 0;
        let mut extension_start = header_len;
        if first & 0x10 != 0 {
            profile = u16_at(bytes, header_len).ok_or(Error::truncated(WHAT))?;
            let words = u16_at(bytes, header_len + 2).ok_or(Error::truncated(WHAT))?;
            extension_start = header_len + 4;
            header_len = extension_start + 4 * usize::from(words);
        }
        let payload_and_padding = bytes.len().checked_sub(header_len).ok_or(Error::truncated(WHAT))?;
        let mut padding_len = 0;
        if first & 0x20 != 0 {
            padding_len = bytes.last().copied().unwrap_or(0);
            if padding_len == 0 || usize::from(padding_len) > payload_and_padding {
                return Err(Error::malformed(WHAT, "padding count"));
            }
        }
        Ok(Self {
            bytes,
            marker: second & 0x80 != 0,
            payload_type: second & 0x7F,
            sequence: SequenceNumber(u16::from_be_bytes([s0, s1])),
            timestamp: RtpTimestamp(u32::from_be_bytes([t0, t1, t2, t3])),
            ssrc: Ssrc(u32::from_be_bytes([r0, r1, r2, r3])),
            csrc_count,
            profile,
            extension_start,
            header_len,
            padding_len,
        })
    }

    /// The whole packet.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The marker bit: for video, the last packet of a picture.
    pub const fn marker(&self) -> bool {
        self.marker
    }

    /// Payload type, 0 to 127.
    pub const fn payload_type(&self) -> u8 {
        self.payload_type
    }

    /// Sequence number.
    pub const fn sequence(&self) -> SequenceNumber {
        self.sequence
    }

    /// Timestamp in units of the codec's clock.
    pub const fn timestamp(&self) -> RtpTimestamp {
        self.timestamp
    }

    /// Synchronization source.
    pub const fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Contributing sources, at most 15.
    pub fn csrcs(&self) -> impl Iterator<Item = Ssrc> + use<'a> {
        let bytes = self.bytes;
        (0..usize::from(self.csrc_count)).map_while(move |i| u32_at(bytes, FIXED_HEADER_LEN + 4 * i).map(Ssrc))
    }

    /// Bytes of the header with CSRCs and extension block; also where the payload starts.
    pub const fn header_len(&self) -> usize {
        self.header_len
    }

    /// The payload without padding.
    pub fn payload(&self) -> &'a [u8] {
        let end = self.bytes.len() - usize::from(self.padding_len);
        self.bytes.get(self.header_len..end).unwrap_or_default()
    }

    /// Bytes of padding after the payload, 0 without padding.
    pub const fn padding_len(&self) -> u8 {
        self.padding_len
    }

    /// Whether the packet carries padding and nothing else: a bandwidth probe or a keep-alive.
    pub fn is_padding_only(&self) -> bool {
        self.padding_len > 0 && self.payload().is_empty()
    }

    /// The elements of the extension block, RFC 8285. Empty for a block of another profile.
    pub fn elements(&self) -> Elements<'a> {
        let block = self.bytes.get(self.extension_start..self.header_len).unwrap_or_default();
        Elements::of_block(self.profile, block)
    }

    /// The data of the first element with this id.
    pub fn extension(&self, id: u8) -> Option<&'a [u8]> {
        self.elements().find(|element| element.id == id).map(|element| element.data)
    }

    /// Reads every extension that `ids` names, in one pass. An element whose data does not fit its kind is left out.
    pub fn read_extensions(&self, ids: &ExtensionMap) -> HeaderExtensions<'a> {
        HeaderExtensions::read(self.elements(), ids)
    }
}

/// One element of an extension block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// Local identifier: 1 to 14 in the one-byte form, 1 to 255 in the two-byte form.
    pub id: u8,
    /// 1 to 16 bytes in the one-byte form, 0 to 255 in the two-byte form.
    pub data: &'a [u8],
}

/// Walks the elements of an extension block. Ends at the first one that reaches past the block.
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    rest: &'a [u8],
    form: Form,
}

#[derive(Debug, Clone, Copy)]
enum Form {
    OneByte,
    TwoByte,
}

impl<'a> Elements<'a> {
    fn of_block(profile: u16, block: &'a [u8]) -> Self {
        // The low four bits of the two-byte profile are for the application and carry nothing here.
        match (profile, profile & 0xFFF0) {
            (ONE_BYTE_PROFILE, _) => Self { rest: block, form: Form::OneByte },
            (_, TWO_BYTE_PROFILE) => Self { rest: block, form: Form::TwoByte },
            _ => Self { rest: &[], form: Form::OneByte },
        }
    }

    fn split(&mut self) -> Option<(u8, usize)> {
        loop {
            let (&head, rest) = self.rest.split_first()?;
            self.rest = rest;
            // A zero byte between elements is padding in both forms.
            if head == 0 {
                continue;
            }
            match self.form {
                Form::OneByte => {
                    let id = head >> 4;
                    // Id 15, and id 0 with a length, end the block (section 4.2).
                    return (1..=14).contains(&id).then_some((id, usize::from(head & 0x0F) + 1));
                }
                Form::TwoByte => {
                    let (&len, rest) = self.rest.split_first()?;
                    self.rest = rest;
                    return Some((head, usize::from(len)));
                }
            }
        }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let split = self.split();
        let rest = std::mem::take(&mut self.rest);
        let (id, len) = split?;
        let (data, rest) = rest.split_at_checked(len)?;
        self.rest = rest;
        Some(Element { id, data })
    }
}
