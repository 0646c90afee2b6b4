//! SCTP packets as far as we touch them ourselves (RFC 9260, section 3): the window in acknowledgements, and what of a
//! packet the library should see.

use crate::stun::{crc, crc_table};

/// Bytes of the common header, and of a chunk's.
const HEADER_LEN: usize = 12;
const CHUNK_HEADER_LEN: usize = 4;

const DATA: u8 = 0;
const INIT: u8 = 1;
const SACK: u8 = 3;
const ERROR: u8 = 9;

/// Where an acknowledgement that stands first in its packet says the window.
const WINDOW_AT: std::ops::Range<usize> = 20..24;

/// Where the checksum is (RFC 9260, section 6.8).
const CHECKSUM_AT: std::ops::Range<usize> = 8..12;

/// Chunks that the library handles: DATA to ABORT without HEARTBEAT ACK, the three of a shutdown, ERROR, the two of a
/// cookie, RE-CONFIG, FORWARD TSN and I-FORWARD-TSN.
const HANDLED: [u8; 15] = [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 14, 130, 192, 194];

/// Known, and without meaning for us: HEARTBEAT ACK, since we send none; ECNE and CWR, since we do not speak ECN.
const SILENT: [u8; 3] = [5, 12, 13];

/// The window that a packet tells, if it begins with an acknowledgement.
pub(super) fn window_of(packet: &[u8]) -> Option<u32> {
    let window = packet.get(WINDOW_AT)?.try_into().ok()?;
    (packet.get(HEADER_LEN) == Some(&SACK)).then(|| u32::from_be_bytes(window))
}

/// Writes another window into an acknowledgement.
pub(super) fn set_window(packet: &mut [u8], window: u32) {
    if let Some(place) = packet.get_mut(WINDOW_AT) {
        place.copy_from_slice(&window.to_be_bytes());
    }
    put_checksum(packet);
}

/// Writes the checksum.
fn put_checksum(packet: &mut [u8]) {
    const TABLE: [u32; 256] = crc_table(0x82f6_3b78);
    let Some(place) = packet.get_mut(CHECKSUM_AT) else { return };
    place.fill(0);
    let checksum = crc(&TABLE, packet);
    if let Some(place) = packet.get_mut(CHECKSUM_AT) {
        place.copy_from_slice(&checksum.to_le_bytes());
    }
}

/// Whether the first chunk is INIT (section 3.3.2), which stands alone.
pub(super) fn is_init(packet: &[u8]) -> bool {
    packet.get(HEADER_LEN) == Some(&INIT)
}

/// Whether a packet carries data.
pub(super) fn carries_data(packet: &[u8]) -> bool {
    chunks(packet).any(|(kind, _)| kind == DATA)
}

/// The packet without what is no concern of the library. `None`: it may have it as it is.
///
/// * ERROR "is not considered fatal in and of itself" (section 3.3.10); the library ends an association by it.
/// * Of a chunk of unknown type the upper bits say whether the rest of the packet is to be handled (section 3.2); the
///   library never handles it.
pub(super) fn filtered(packet: &[u8]) -> Option<Vec<u8>> {
    if chunks(packet).all(|(kind, _)| kind != ERROR && HANDLED.contains(&kind)) {
        return None;
    }
    let mut kept = packet.get(..HEADER_LEN)?.to_vec();
    for (kind, chunk) in chunks(packet) {
        let known = HANDLED.contains(&kind);
        if !known && kind & 0x80 == 0 && !SILENT.contains(&kind) {
            break;
        }
        if known && kind != ERROR {
            kept.extend_from_slice(chunk);
        }
    }
    put_checksum(&mut kept);
    Some(kept)
}

/// Type and bytes, padding included, of each chunk; ends at one that is cut off, which is handed out as it is.
fn chunks(packet: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = packet.get(HEADER_LEN..).unwrap_or_default();
    std::iter::from_fn(move || {
        let kind = *rest.first()?;
        let length =
            rest.get(2..CHUNK_HEADER_LEN).and_then(|length| length.try_into().ok()).map_or(0, u16::from_be_bytes);
        let length = usize::from(length).max(CHUNK_HEADER_LEN).next_multiple_of(4).min(rest.len());
        let (chunk, after) = rest.split_at_checked(length)?;
        rest = after;
        Some((kind, chunk))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(chunks: &[&[u8]]) -> Vec<u8> {
        let mut packet = vec![0x13, 0x88, 0x13, 0x88, 1, 2, 3, 4, 0, 0, 0, 0];
        chunks.iter().for_each(|chunk| packet.extend_from_slice(chunk));
        put_checksum(&mut packet);
        packet
    }

    const DATA_CHUNK: [u8; 20] = [0, 3, 0, 17, 0, 0, 0, 9, 0, 1, 0, 0, 0, 0, 0, 53, b'x', 0, 0, 0];
    const ERROR_CHUNK: [u8; 8] = [9, 0, 0, 8, 0, 6, 0, 4];
    const COOKIE_ACK: [u8; 4] = [11, 0, 0, 4];

    #[test]
    fn errors_are_left_out_and_the_rest_goes_on() {
        assert_eq!(filtered(&packet(&[&ERROR_CHUNK, &DATA_CHUNK])), Some(packet(&[&DATA_CHUNK])));
        assert_eq!(filtered(&packet(&[&COOKIE_ACK, &ERROR_CHUNK])), Some(packet(&[&COOKIE_ACK])));
        assert_eq!(filtered(&packet(&[&ERROR_CHUNK])), Some(packet(&[])));
        assert_eq!(filtered(&packet(&[&COOKIE_ACK, &DATA_CHUNK])), None);
    }

    #[test]
    fn the_upper_bits_of_an_unknown_chunk_say_what_becomes_of_the_rest() {
        for (kind, rest) in
            [(0x3f, false), (0x7f, false), (0x84, true), (0xc1, true), (5, true), (12, true), (13, true)]
        {
            let unknown = [kind, 0, 0, 5, 1, 0, 0, 0];
            let expected = if rest { packet(&[&COOKIE_ACK, &DATA_CHUNK]) } else { packet(&[&COOKIE_ACK]) };
            assert_eq!(filtered(&packet(&[&COOKIE_ACK, &unknown, &DATA_CHUNK])), Some(expected), "{kind:#x}");
        }
    }

    #[test]
    fn data_is_found_wherever_it_stands() {
        assert!(carries_data(&packet(&[&COOKIE_ACK, &DATA_CHUNK])));
        assert!(!carries_data(&packet(&[&COOKIE_ACK, &ERROR_CHUNK])));
        for cut in 0..12 + 4 + 20 {
            let whole = packet(&[&COOKIE_ACK, &DATA_CHUNK]);
            // Whatever is cut off, nothing is read beyond it.
            let _ = (carries_data(&whole[..cut]), filtered(&whole[..cut]), window_of(&whole[..cut]));
        }
        assert!(!carries_data(&packet(&[&[7, 0, 0, 0, 7, 0, 0, 0]])), "a length of nothing still ends");
    }
}
