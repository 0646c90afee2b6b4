//! Sender and receiver reports, RFC 3550, section 6.4.

use crate::bytes::{array_at, u24_at, u32_at};
use crate::{CompactNtp, Error, NtpTime, RtpTimestamp, Ssrc};

/// Bytes of one report block.
const BLOCK_LEN: usize = 24;

/// What a sender says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderInfo {
    /// The stream.
    pub ssrc: Ssrc,
    /// Wall-clock time of the report.
    pub ntp: NtpTime,
    /// The same moment on the stream's clock.
    pub rtp: RtpTimestamp,
    /// Packets sent since the beginning, modulo 2^32.
    pub packets: u32,
    /// Payload bytes sent since the beginning, modulo 2^32.
    pub octets: u32,
}

/// What a receiver says of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportBlock {
    /// The stream.
    pub ssrc: Ssrc,
    /// Packets lost since the last report, in 1/256 of those expected.
    pub fraction_lost: u8,
    /// Packets lost since the beginning, -2^23 to 2^23 - 1; duplicates count against losses.
    pub cumulative_lost: i32,
    /// Highest sequence number, with the count of cycles in the upper 16 bits.
    pub highest_sequence: u32,
    /// Interarrival jitter in units of the stream's clock.
    pub jitter: u32,
    /// When the last sender report left, by the sender's clock; 0 = none came.
    pub last_sender_report: CompactNtp,
    /// Time from its arrival to this report.
    pub delay: CompactNtp,
}

impl ReportBlock {
    fn read(bytes: &[u8]) -> Option<Self> {
        let lost = u24_at(bytes, 5)?;
        Some(Self {
            ssrc: Ssrc(u32_at(bytes, 0)?),
            fraction_lost: *bytes.get(4)?,
            // Sign extension of the 24-bit field.
            cumulative_lost: ((lost << 8) as i32) >> 8,
            highest_sequence: u32_at(bytes, 8)?,
            jitter: u32_at(bytes, 12)?,
            last_sender_report: CompactNtp(u32_at(bytes, 16)?),
            delay: CompactNtp(u32_at(bytes, 20)?),
        })
    }

    pub(super) fn to_bytes(self) -> [u8; BLOCK_LEN] {
        let lost = self.cumulative_lost.clamp(-(1 << 23), (1 << 23) - 1) as u32 & 0xFF_FFFF;
        let words = [
            self.ssrc.0,
            u32::from(self.fraction_lost) << 24 | lost,
            self.highest_sequence,
            self.jitter,
            self.last_sender_report.0,
            self.delay.0,
        ];
        let mut bytes = [0; BLOCK_LEN];
        for (field, word) in bytes.chunks_exact_mut(4).zip(words) {
            field.copy_from_slice(&word.to_be_bytes());
        }
        bytes
    }
}

/// SR: a sender's report with blocks on what it receives itself.
#[derive(Debug, Clone)]
pub struct SenderReport<'a> {
    /// About the sender.
    pub info: SenderInfo,
    blocks: &'a [u8],
}

impl<'a> SenderReport<'a> {
    pub(super) fn read(count: u8, body: &'a [u8]) -> Result<Self, Error> {
        let short = Error::truncated("RTCP sender report");
        let info = (|| {
            Some(SenderInfo {
                ssrc: Ssrc(u32_at(body, 0)?),
                ntp: NtpTime(u64::from_be_bytes(array_at(body, 4)?)),
                rtp: RtpTimestamp(u32_at(body, 12)?),
                packets: u32_at(body, 16)?,
                octets: u32_at(body, 20)?,
            })
        })();
        let blocks = body.get(24..24 + BLOCK_LEN * usize::from(count)).ok_or(short)?;
        Ok(Self { info: info.ok_or(short)?, blocks })
    }

    /// The report blocks, at most 31.
    pub fn blocks(&self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        self.blocks.chunks_exact(BLOCK_LEN).filter_map(ReportBlock::read)
    }
}

/// RR: a receiver's report.
#[derive(Debug, Clone)]
pub struct ReceiverReport<'a> {
    /// The reporting source.
    pub sender: Ssrc,
    blocks: &'a [u8],
}

impl<'a> ReceiverReport<'a> {
    pub(super) fn read(count: u8, body: &'a [u8]) -> Result<Self, Error> {
        let short = Error::truncated("RTCP receiver report");
        let sender = Ssrc(u32_at(body, 0).ok_or(short)?);
        let blocks = body.get(4..4 + BLOCK_LEN * usize::from(count)).ok_or(short)?;
        Ok(Self { sender, blocks })
    }

    /// The report blocks, at most 31.
    pub fn blocks(&self) -> impl Iterator<Item = ReportBlock> + use<'a> {
        self.blocks.chunks_exact(BLOCK_LEN).filter_map(ReportBlock::read)
    }
}
