//! RTCP: the packets of a compound packet as borrowed views, and their writer. RFC 3550, section 6; RFC 4585; RFC 5104.
//!
//! Reduced-size packets (RFC 5506) are accepted: nothing says what the first packet has to be. When to send what is
//! the caller's matter.

mod description;
mod feedback;
mod report;
pub mod twcc;
mod writer;

pub use description::{Chunk, Chunks, Goodbye, SourceDescription};
pub use feedback::{Fir, FirEntry, LostSequences, Nack, Pli, Remb};
pub use report::{ReceiverReport, ReportBlock, SenderInfo, SenderReport};
pub use twcc::TransportFeedback;
pub use writer::Writer;

use crate::Error;
use crate::bytes::u16_at;

/// Packet types, RFC 3550, section 12.1; RFC 4585, section 6.1; RFC 3611, section 2.
mod packet_type {
    pub(super) const SENDER_REPORT: u8 = 200;
    pub(super) const RECEIVER_REPORT: u8 = 201;
    pub(super) const SOURCE_DESCRIPTION: u8 = 202;
    pub(super) const GOODBYE: u8 = 203;
    pub(super) const TRANSPORT_FEEDBACK: u8 = 205;
    pub(super) const PAYLOAD_FEEDBACK: u8 = 206;
    pub(super) const EXTENDED_REPORT: u8 = 207;
}

/// Feedback message types: RFC 4585, sections 6.2 and 6.3; RFC 5104, section 4.3.1; draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1.
mod feedback_type {
    pub(super) const NACK: u8 = 1;
    pub(super) const TRANSPORT_WIDE: u8 = 15;
    pub(super) const PLI: u8 = 1;
    pub(super) const FIR: u8 = 4;
    pub(super) const APPLICATION: u8 = 15;
}

/// Bytes of the common header.
const HEADER_LEN: usize = 4;

const WHAT: &str = "RTCP packet";

/// One packet of a compound packet.
#[derive(Debug, Clone)]
pub enum Packet<'a> {
    /// SR.
    SenderReport(SenderReport<'a>),
    /// RR.
    ReceiverReport(ReceiverReport<'a>),
    /// SDES.
    SourceDescription(SourceDescription<'a>),
    /// BYE.
    Goodbye(Goodbye<'a>),
    /// Generic NACK.
    Nack(Nack<'a>),
    /// Picture loss indication.
    Pli(Pli),
    /// Full intra request.
    Fir(Fir<'a>),
    /// Transport-wide congestion control feedback.
    TransportFeedback(TransportFeedback<'a>),
    /// Receiver estimated maximum bit rate.
    Remb(Remb<'a>),
    /// XR, which is not read.
    ExtendedReport,
    /// Another packet or feedback type.
    Unknown {
        /// Packet type.
        packet_type: u8,
        /// Count or feedback type.
        count: u8,
    },
}

/// Walks the packets of a compound packet.
///
/// A packet whose inside is malformed is an error of its own and the walk goes on behind it; one whose length reaches
/// past the end is the last.
pub const fn packets(compound: &[u8]) -> Packets<'_> {
    Packets { rest: compound }
}

/// See [`packets`].
#[derive(Debug, Clone)]
pub struct Packets<'a> {
    rest: &'a [u8],
}

impl<'a> Packets<'a> {
    fn split(&mut self) -> Result<Frame<'a>, Error> {
        let bytes = std::mem::take(&mut self.rest);
        let (&[first, packet_type, _, _], _) = bytes.split_first_chunk().ok_or(Error::truncated(WHAT))?;
        if first >> 6 != 2 {
            return Err(Error::malformed(WHAT, "version is not 2"));
        }
        let words = u16_at(bytes, 2).ok_or(Error::truncated(WHAT))?;
        let (packet, rest) =
            bytes.split_at_checked(HEADER_LEN + 4 * usize::from(words)).ok_or(Error::truncated(WHAT))?;
        self.rest = rest;
        let mut end = packet.len();
        if first & 0x20 != 0 {
            let padding = usize::from(packet.last().copied().unwrap_or(0));
            if padding == 0 || padding > packet.len() - HEADER_LEN {
                return Err(Error::malformed(WHAT, "padding count"));
            }
            end -= padding;
        }
        let body = packet.get(HEADER_LEN..end).unwrap_or_default();
        Ok(Frame { packet_type, count: first & 0x1F, body })
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<Packet<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        Some(self.split().and_then(Frame::read))
    }
}

/// A packet without its header and padding.
struct Frame<'a> {
    packet_type: u8,
    /// Report count, source count or feedback type.
    count: u8,
    body: &'a [u8],
}

impl<'a> Frame<'a> {
    fn read(self) -> Result<Packet<'a>, Error> {
        let Self { packet_type, count, body } = self;
        Ok(match (packet_type, count) {
            (packet_type::SENDER_REPORT, _) => Packet::SenderReport(SenderReport::read(count, body)?),
            (packet_type::RECEIVER_REPORT, _) => Packet::ReceiverReport(ReceiverReport::read(count, body)?),
            (packet_type::SOURCE_DESCRIPTION, _) => Packet::SourceDescription(SourceDescription::read(count, body)),
            (packet_type::GOODBYE, _) => Packet::Goodbye(Goodbye::read(count, body)?),
            (packet_type::TRANSPORT_FEEDBACK, feedback_type::NACK) => Packet::Nack(Nack::read(body)?),
            (packet_type::TRANSPORT_FEEDBACK, feedback_type::TRANSPORT_WIDE) => {
                Packet::TransportFeedback(TransportFeedback::read(body)?)
            }
            (packet_type::PAYLOAD_FEEDBACK, feedback_type::PLI) => Packet::Pli(Pli::read(body)?),
            (packet_type::PAYLOAD_FEEDBACK, feedback_type::FIR) => Packet::Fir(Fir::read(body)?),
            (packet_type::PAYLOAD_FEEDBACK, feedback_type::APPLICATION) if feedback::is_remb(body) => {
                Packet::Remb(Remb::read(body)?)
            }
            (packet_type::EXTENDED_REPORT, _) => Packet::ExtendedReport,
            _ => Packet::Unknown { packet_type, count },
        })
    }
}
