//! Appends RTCP packets to a caller's buffer.
//!
//! Every method writes a whole packet or nothing. The order within a compound packet (RFC 3550, section 6.1: a report
//! first, then SDES) is the caller's.

use super::description::ITEM_CNAME;
use super::feedback::REMB_NAME;
use super::{HEADER_LEN, ReportBlock, SenderInfo, feedback_type, packet_type};
use crate::{Error, SequenceNumber, Ssrc};

/// Report blocks and sources that the 5-bit count can tell.
const COUNT_MAX: usize = 31;

/// Writes a compound packet front to back.
#[derive(Debug)]
pub struct Writer<'b> {
    out: &'b mut [u8],
    len: usize,
}

impl<'b> Writer<'b> {
    /// A writer that fills `out` from its start.
    pub const fn new(out: &'b mut [u8]) -> Self {
        Self { out, len: 0 }
    }

    /// Bytes written.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Nothing was written.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What was written.
    pub fn written(&self) -> &[u8] {
        self.out.get(..self.len).unwrap_or_default()
    }

    /// Bytes that are left.
    pub const fn room(&self) -> usize {
        self.out.len() - self.len
    }

    /// SR with up to 31 report blocks.
    ///
    /// # Errors
    /// [`Error::NoRoom`], or [`Error::Unrepresentable`] for more than 31 blocks. The same holds for every method.
    pub fn sender_report(&mut self, info: &SenderInfo, blocks: &[ReportBlock]) -> Result<(), Error> {
        const WHAT: &str = "RTCP sender report";
        let count = count_of(blocks.len(), WHAT)?;
        self.packet(WHAT, count, packet_type::SENDER_REPORT, |body| {
            body.u32(info.ssrc.0)?;
            body.bytes(&info.ntp.0.to_be_bytes())?;
            body.u32(info.rtp.0)?;
            body.u32(info.packets)?;
            body.u32(info.octets)?;
            body.blocks(blocks)
        })
    }

    /// RR with up to 31 report blocks. Without any it still serves as the head of a compound packet.
    pub fn receiver_report(&mut self, sender: Ssrc, blocks: &[ReportBlock]) -> Result<(), Error> {
        const WHAT: &str = "RTCP receiver report";
        let count = count_of(blocks.len(), WHAT)?;
        self.packet(WHAT, count, packet_type::RECEIVER_REPORT, |body| {
            body.u32(sender.0)?;
            body.blocks(blocks)
        })
    }

    /// SDES with the CNAME of one source, at most 255 bytes.
    pub fn sdes_cname(&mut self, ssrc: Ssrc, cname: &str) -> Result<(), Error> {
        const WHAT: &str = "RTCP source description";
        let len = u8::try_from(cname.len()).map_err(|_| Error::unrepresentable(WHAT, "name above 255 bytes"))?;
        self.packet(WHAT, 1, packet_type::SOURCE_DESCRIPTION, |body| {
            body.u32(ssrc.0)?;
            body.bytes(&[ITEM_CNAME, len])?;
            body.bytes(cname.as_bytes())?;
            // At least one zero ends the list; the list fills whole words.
            body.bytes([0; 4].get(body.len % 4..)?)
        })
    }

    /// BYE for up to 31 sources.
    pub fn bye(&mut self, sources: &[Ssrc]) -> Result<(), Error> {
        const WHAT: &str = "RTCP goodbye";
        let count = count_of(sources.len(), WHAT)?;
        self.packet(WHAT, count, packet_type::GOODBYE, |body| body.sources(sources))
    }

    /// NACK for `lost`, which is in ascending (wrapping) order. Numbers close together share an entry, so the packet
    /// takes at most 12 bytes and 4 for each number. Writes nothing for an empty list.
    pub fn nack(&mut self, sender: Ssrc, media: Ssrc, lost: &[SequenceNumber]) -> Result<(), Error> {
        if lost.is_empty() {
            return Ok(());
        }
        self.packet("RTCP NACK", feedback_type::NACK, packet_type::TRANSPORT_FEEDBACK, |body| {
            body.sources(&[sender, media])?;
            let mut rest = lost;
            while let Some((&first, mut others)) = rest.split_first() {
                let mut mask = 0u16;
                while let Some((&next, behind)) = others.split_first() {
                    match next.distance_from(first) {
                        0 => {}
                        offset @ 1..=16 => mask |= 1 << (offset - 1),
                        _ => break,
                    }
                    others = behind;
                }
                body.u32(u32::from(first.0) << 16 | u32::from(mask))?;
                rest = others;
            }
            Some(())
        })
    }

    /// PLI.
    pub fn pli(&mut self, sender: Ssrc, media: Ssrc) -> Result<(), Error> {
        self.packet("RTCP PLI", feedback_type::PLI, packet_type::PAYLOAD_FEEDBACK, |body| {
            body.sources(&[sender, media])
        })
    }

    /// FIR for one stream. `number` goes up by one with every new request and stays for a repetition.
    pub fn fir(&mut self, sender: Ssrc, media: Ssrc, number: u8) -> Result<(), Error> {
        self.packet("RTCP FIR", feedback_type::FIR, packet_type::PAYLOAD_FEEDBACK, |body| {
            // The media source of the head is unused (RFC 5104, section 4.3.1.2).
            body.sources(&[sender, Ssrc(0), media])?;
            body.bytes(&[number, 0, 0, 0])
        })
    }

    /// REMB for up to 255 streams. `bitrate_bps` is rounded down to 18 significant bits.
    pub fn remb(&mut self, sender: Ssrc, bitrate_bps: u64, sources: &[Ssrc]) -> Result<(), Error> {
        const WHAT: &str = "RTCP REMB";
        let count = u8::try_from(sources.len()).map_err(|_| Error::unrepresentable(WHAT, "more than 255 sources"))?;
        let exponent = (u64::BITS - bitrate_bps.leading_zeros()).saturating_sub(18);
        let mantissa = (bitrate_bps >> exponent) as u32;
        self.packet(WHAT, feedback_type::APPLICATION, packet_type::PAYLOAD_FEEDBACK, |body| {
            body.sources(&[sender, Ssrc(0)])?;
            body.bytes(&REMB_NAME)?;
            body.u32(u32::from(count) << 24 | exponent << 18 | mantissa)?;
            body.sources(sources)
        })
    }

    /// Writes header and body of one packet, or nothing. `write` answers `None` when the room ends. A body that does
    /// not fill whole words is padded (RFC 3550, section 6.4.1).
    pub(super) fn packet(
        &mut self,
        what: &'static str,
        count: u8,
        packet_type: u8,
        write: impl FnOnce(&mut Body<'_>) -> Option<()>,
    ) -> Result<(), Error> {
        let no_room = Error::no_room(what);
        let rest = self.out.get_mut(self.len..).ok_or(no_room)?;
        let (head, room) = rest.split_first_chunk_mut::<HEADER_LEN>().ok_or(no_room)?;
        let mut body = Body { out: room, len: 0 };
        write(&mut body).ok_or(no_room)?;
        let padding = body.pad().ok_or(no_room)?;
        let body_len = body.len;
        let words = u16::try_from(body_len / 4).map_err(|_| Error::unrepresentable(what, "above 256 KiB"))?;
        let [w0, w1] = words.to_be_bytes();
        *head = [0x80 | u8::from(padding) << 5 | count, packet_type, w0, w1];
        self.len += HEADER_LEN + body_len;
        Ok(())
    }
}

fn count_of(len: usize, what: &'static str) -> Result<u8, Error> {
    match u8::try_from(len) {
        Ok(count) if len <= COUNT_MAX => Ok(count),
        _ => Err(Error::unrepresentable(what, "more than 31 entries")),
    }
}

/// The part of a packet behind its header. Its methods answer `None` when the room ends.
pub(super) struct Body<'b> {
    out: &'b mut [u8],
    len: usize,
}

impl Body<'_> {
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.len.checked_add(bytes.len())?;
        self.out.get_mut(self.len..end)?.copy_from_slice(bytes);
        self.len = end;
        Some(())
    }

    pub(super) fn u16(&mut self, value: u16) -> Option<()> {
        self.bytes(&value.to_be_bytes())
    }

    pub(super) fn u32(&mut self, value: u32) -> Option<()> {
        self.bytes(&value.to_be_bytes())
    }

    pub(super) fn sources(&mut self, sources: &[Ssrc]) -> Option<()> {
        sources.iter().try_for_each(|source| self.u32(source.0))
    }

    /// Fills the last word, the count of what was filled in its last byte. Says whether it had to.
    fn pad(&mut self) -> Option<bool> {
        let padding: &[u8] = match self.len % 4 {
            0 => return Some(false),
            1 => &[0, 0, 3],
            2 => &[0, 2],
            _ => &[1],
        };
        self.bytes(padding).map(|()| true)
    }

    fn blocks(&mut self, blocks: &[ReportBlock]) -> Option<()> {
        blocks.iter().try_for_each(|block| self.bytes(&block.to_bytes()))
    }
}
