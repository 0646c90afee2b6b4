//! How an entry lies in a segment: length and CRC-32 of the payload, 4 bytes each, little-endian, then the payload.

/// First bytes of a segment: the name of the form and its version.
pub(super) const MAGIC: &[u8; 8] = b"TUTTIJ01";
/// Bytes before a payload.
pub(super) const HEAD_BYTES: usize = 8;
/// A payload is not longer, bytes; a longer length is damage.
pub(super) const PAYLOAD_BYTES_MAX: usize = 8 << 20;

/// Puts a payload into its frame. `None` if it is too long.
pub(super) fn frame(payload: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(payload.len()).ok().filter(|length| *length as usize <= PAYLOAD_BYTES_MAX)?;
    let mut frame = Vec::with_capacity(HEAD_BYTES + payload.len());
    frame.extend_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(&crc32fast::hash(payload).to_le_bytes());
    frame.extend_from_slice(payload);
    Some(frame)
}

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Framed<'a> {
    /// A payload.
    Whole(&'a [u8]),
    /// The beginning of a frame; this many bytes are needed in all.
    Partial(usize),
    /// No frame of ours.
    Damaged,
}

/// Reads the first frame.
pub(super) fn read(bytes: &[u8]) -> Framed<'_> {
    let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return Framed::Partial(HEAD_BYTES) };
    let length = u32::from_le_bytes(*length) as usize;
    if length > PAYLOAD_BYTES_MAX {
        return Framed::Damaged;
    }
    let Some((crc, rest)) = rest.split_first_chunk::<4>() else { return Framed::Partial(HEAD_BYTES) };
    match rest.get(..length) {
        None => Framed::Partial(HEAD_BYTES + length),
        // A file that grew without its content reads as zeros, and the CRC of nothing is zero.
        Some([]) => Framed::Damaged,
        Some(payload) if crc32fast::hash(payload) == u32::from_le_bytes(*crc) => Framed::Whole(payload),
        Some(_) => Framed::Damaged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_whole_or_not_at_all() {
        let bytes = frame(b"hello").expect("short");
        assert_eq!(read(&bytes), Framed::Whole(b"hello"));
        for cut in 0..bytes.len() {
            assert!(matches!(read(&bytes[..cut]), Framed::Partial(_)), "{cut}");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x40;
            assert!(!matches!(read(&damaged), Framed::Whole(_)), "{at}");
        }
        assert_eq!(read(&[0; 64]), Framed::Damaged);
        assert_eq!(frame(&vec![0; PAYLOAD_BYTES_MAX + 1]), None);
    }
}
