//! Retransmission payloads, RFC 4588, section 4: the original sequence number, then the original payload.

use crate::SequenceNumber;

/// Bytes of the original sequence number in front of the payload.
pub const ORIGINAL_LEN: usize = 2;

/// Splits the payload of a retransmission into the original sequence number and the original payload.
/// `None` if it is too short; padding-only probes on the stream look so.
pub fn original(payload: &[u8]) -> Option<(SequenceNumber, &[u8])> {
    let (number, rest) = payload.split_first_chunk::<ORIGINAL_LEN>()?;
    Some((SequenceNumber(u16::from_be_bytes(*number)), rest))
}

/// Writes the original sequence number at the start of `out` and returns its length;
/// `None` if `out` is shorter than that.
pub fn write_original(out: &mut [u8], original: SequenceNumber) -> Option<usize> {
    *out.first_chunk_mut::<ORIGINAL_LEN>()? = original.0.to_be_bytes();
    Some(ORIGINAL_LEN)
}
