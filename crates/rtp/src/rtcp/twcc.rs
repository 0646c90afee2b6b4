//! Transport-wide congestion control feedback, draft-holmer-rmcat-transport-wide-cc-extensions-01, section 3.1.
//!
//! Here: the format, read and written. `recorder` remembers arrivals and decides what goes into the next message.

mod chunk;
mod recorder;

pub use recorder::{TransportFeedbackBuilder, WINDOW_PACKETS_MAX};

use super::feedback::{SOURCES_LEN, split_sources};
use super::writer::{Body, Writer};
use super::{HEADER_LEN, feedback_type, packet_type};
use crate::bytes::{u16_at, u24_at};
use crate::{Error, SequenceNumber, Ssrc};
use chunk::{Chunk, ChunkEncoder, Symbol};

const WHAT: &str = "RTCP transport feedback";

/// Ticks of arrival time in a millisecond: 250 us each.
pub const TICKS_PER_MS: u32 = 4;

/// Ticks in a unit of the reference time: 64 ms.
const TICKS_PER_REFERENCE: u32 = 64 * TICKS_PER_MS;

/// Bytes between the SSRCs and the chunks.
const FIXED_LEN: usize = 8;

/// A feedback message: which packets of a transport arrived, and when.
#[derive(Debug, Clone)]
pub struct TransportFeedback<'a> {
    /// Who received the packets.
    pub sender: Ssrc,
    /// Some stream of the transport.
    pub media: Ssrc,
    /// Transport-wide sequence number of the first packet told about.
    pub base: SequenceNumber,
    /// How many packets are told about, those lost included.
    pub packet_count: u16,
    /// Reference time in units of 64 ms, modulo 2^24, on a clock of the receiver's choice.
    pub reference_time: u32,
    /// Number of this message, modulo 256.
    pub feedback_count: u8,
    /// Chunks, then deltas.
    statuses: &'a [u8],
    /// Where the deltas start in `statuses`.
    deltas_at: usize,
}

/// What a message says of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketStatus {
    /// Transport-wide sequence number.
    pub sequence: SequenceNumber,
    /// When it arrived, in ticks of 250 us modulo 2^32 on the receiver's clock; `None` = not received.
    pub arrival_ticks: Option<u32>,
}

impl<'a> TransportFeedback<'a> {
    /// Reads the message and checks that the chunks are complete.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Error> {
        let (sender, media) = split_sources(body, WHAT)?;
        let fields = || Some((u16_at(body, 8)?, u16_at(body, 10)?, u24_at(body, 12)?, *body.get(15)?, body.get(16..)?));
        let (base, packet_count, reference_time, feedback_count, statuses) = fields().ok_or(Error::truncated(WHAT))?;
        let mut told = 0;
        let mut deltas_at = 0;
        while told < usize::from(packet_count) {
            let chunk = Chunk(u16_at(statuses, deltas_at).ok_or(Error::truncated(WHAT))?);
            if chunk.len() == 0 {
                return Err(Error::malformed(WHAT, "run of no packets"));
            }
            told += usize::from(chunk.len());
            deltas_at += 2;
        }
        let base = SequenceNumber(base);
        Ok(Self { sender, media, base, packet_count, reference_time, feedback_count, statuses, deltas_at })
    }

    /// Every packet told about, in order. Ends early where the deltas do.
    pub fn packets(&self) -> PacketStatuses<'a> {
        let (chunks, deltas) = self.statuses.split_at_checked(self.deltas_at).unwrap_or_default();
        PacketStatuses {
            chunks,
            deltas,
            chunk: Chunk(0),
            chunk_at: 0,
            next: self.base,
            left: self.packet_count,
            ticks: self.reference_time.wrapping_mul(TICKS_PER_REFERENCE),
        }
    }
}

/// Walks the packets of a feedback message.
#[derive(Debug, Clone)]
pub struct PacketStatuses<'a> {
    chunks: &'a [u8],
    deltas: &'a [u8],
    chunk: Chunk,
    /// Symbols of `chunk` already told.
    chunk_at: u16,
    next: SequenceNumber,
    left: u16,
    ticks: u32,
}

impl PacketStatuses<'_> {
    fn symbol(&mut self) -> Option<Symbol> {
        if self.chunk_at >= self.chunk.len() {
            let (chunk, rest) = self.chunks.split_first_chunk::<2>()?;
            self.chunks = rest;
            self.chunk = Chunk(u16::from_be_bytes(*chunk));
            self.chunk_at = 0;
        }
        let symbol = self.chunk.symbol(self.chunk_at);
        self.chunk_at += 1;
        Some(symbol)
    }

    /// The difference to the arrival before, in ticks.
    fn delta(&mut self, symbol: Symbol) -> Option<Option<u32>> {
        match symbol {
            Symbol::NotReceived => Some(None),
            Symbol::Small => {
                let (&delta, rest) = self.deltas.split_first()?;
                self.deltas = rest;
                Some(Some(u32::from(delta)))
            }
            Symbol::Large => {
                let (delta, rest) = self.deltas.split_first_chunk::<2>()?;
                self.deltas = rest;
                Some(Some(i32::from(i16::from_be_bytes(*delta)) as u32))
            }
        }
    }
}

impl Iterator for PacketStatuses<'_> {
    type Item = PacketStatus;

    fn next(&mut self) -> Option<PacketStatus> {
        self.left = self.left.checked_sub(1)?;
        let delta = self.symbol().and_then(|symbol| self.delta(symbol));
        let Some(delta) = delta else {
            self.left = 0;
            return None;
        };
        let sequence = self.next;
        self.next = sequence.add(1);
        let arrival_ticks = delta.map(|delta| {
            self.ticks = self.ticks.wrapping_add(delta);
            self.ticks
        });
        Some(PacketStatus { sequence, arrival_ticks })
    }
}

impl Writer<'_> {
    /// Transport-wide feedback on the packets from `base` on, one status for each in order: its arrival in ticks of
    /// 250 us modulo 2^32, or `None` if it has not come. Returns how many statuses went in.
    ///
    /// It takes as many as fit the room and the format (at most 65535, and 8.19 s between two arrivals told one after
    /// the other): call again for the rest, with the next `feedback_count`. Statuses that hold no arrival at all are
    /// not worth a message: nothing is written then and 0 returned.
    ///
    /// # Errors
    /// [`Error::NoRoom`] if not even one status fits.
    pub fn transport_feedback(
        &mut self,
        sender: Ssrc,
        media: Ssrc,
        feedback_count: u8,
        base: SequenceNumber,
        statuses: impl Iterator<Item = Option<u32>> + Clone,
    ) -> Result<u16, Error> {
        let Some(first) = statuses.clone().flatten().next() else { return Ok(0) };
        let reference = first / TICKS_PER_REFERENCE;
        let start = reference * TICKS_PER_REFERENCE;
        let symbols = Deltas { statuses, ticks: start };
        let room = (self.room() / 4 * 4).checked_sub(HEADER_LEN + SOURCES_LEN + FIXED_LEN);
        let count = room.map_or(0, |room| fitting(symbols.clone(), room));
        if count == 0 {
            return Err(Error::no_room(WHAT));
        }
        let told = || symbols.clone().take(usize::from(count)).flatten();
        self.packet(WHAT, feedback_type::TRANSPORT_WIDE, packet_type::TRANSPORT_FEEDBACK, |body| {
            body.sources(&[sender, media])?;
            body.u16(base.0)?;
            body.u16(count)?;
            body.u32(reference << 8 | u32::from(feedback_count))?;
            write_chunks(body, told().map(|delta| delta.symbol()))?;
            told().try_for_each(|delta| delta.write(body))
        })?;
        Ok(count)
    }
}

/// One status relative to the arrival before.
#[derive(Debug, Clone, Copy)]
enum Delta {
    NotReceived,
    Small(u8),
    Large(i16),
}

impl Delta {
    const fn symbol(self) -> Symbol {
        match self {
            Self::NotReceived => Symbol::NotReceived,
            Self::Small(_) => Symbol::Small,
            Self::Large(_) => Symbol::Large,
        }
    }

    const fn len(self) -> usize {
        self.symbol().delta_len()
    }

    fn write(self, body: &mut Body<'_>) -> Option<()> {
        match self {
            Self::NotReceived => Some(()),
            Self::Small(delta) => body.bytes(&[delta]),
            Self::Large(delta) => body.bytes(&delta.to_be_bytes()),
        }
    }
}

/// Turns arrivals into deltas. Yields `None` for one too far from the arrival before: the message ends there.
#[derive(Clone)]
struct Deltas<I> {
    statuses: I,
    ticks: u32,
}

impl<I: Iterator<Item = Option<u32>>> Iterator for Deltas<I> {
    type Item = Option<Delta>;

    fn next(&mut self) -> Option<Option<Delta>> {
        let Some(arrival) = self.statuses.next()? else { return Some(Some(Delta::NotReceived)) };
        let delta = arrival.wrapping_sub(self.ticks) as i32;
        self.ticks = arrival;
        Some(match (u8::try_from(delta), i16::try_from(delta)) {
            (Ok(delta), _) => Some(Delta::Small(delta)),
            (_, Ok(delta)) => Some(Delta::Large(delta)),
            _ => None,
        })
    }
}

/// How many statuses fit `room` bytes of chunks and deltas.
fn fitting(deltas: impl Iterator<Item = Option<Delta>>, room: usize) -> u16 {
    let mut encoder = ChunkEncoder::default();
    let mut chunks_len = 0;
    let mut deltas_len = 0;
    let mut count = 0u16;
    for delta in deltas {
        let Some(delta) = delta else { break };
        let symbol = delta.symbol();
        if encoder.push(symbol).is_some() {
            chunks_len += 2;
        }
        deltas_len += delta.len();
        // What the encoder holds takes one more chunk.
        if count == u16::MAX || chunks_len + 2 + deltas_len > room {
            break;
        }
        count += 1;
    }
    count
}

fn write_chunks(body: &mut Body<'_>, symbols: impl Iterator<Item = Symbol>) -> Option<()> {
    let mut encoder = ChunkEncoder::default();
    for symbol in symbols {
        if let Some(chunk) = encoder.push(symbol) {
            body.u16(chunk.0)?;
        }
    }
    encoder.finish().map_or(Some(()), |chunk| body.u16(chunk.0))
}
