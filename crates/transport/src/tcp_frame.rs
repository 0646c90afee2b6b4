//! RFC 4571 framing for ICE-TCP: a two-byte length before every packet. Owns the reassembly of a byte stream
//! into packets; knows no sockets.

/// Bytes of a frame's header.
pub const HEADER_LEN: usize = 2;

/// Largest packet accepted from a peer, bytes.
pub const FRAME_MAX: usize = 8192;

/// A frame announced more than [`FRAME_MAX`] bytes: no peer of ours sends such, so close the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("frame of {length} bytes is larger than the bound")]
pub struct FrameTooLarge {
    /// What the header said, bytes.
    pub length: usize,
}

/// The header to write before a packet of `length` bytes; `None` if no frame can hold it.
pub fn header(length: usize) -> Option<[u8; HEADER_LEN]> {
    u16::try_from(length).ok().map(u16::to_be_bytes)
}

/// Cuts the bytes read from one connection into packets.
#[derive(Debug, Default)]
pub struct Framer {
    /// The beginning of a frame whose rest has not arrived, with its header: never more than one frame.
    partial: Vec<u8>,
}

impl Framer {
    /// A framer for a new connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes as they were read and calls `packet` for each packet they complete, in order.
    /// Keeps at most one unfinished frame. After an error the stream is lost.
    pub fn push(&mut self, mut bytes: &[u8], mut packet: impl FnMut(&mut [u8])) -> Result<(), FrameTooLarge> {
        while !bytes.is_empty() {
            let wanted = frame_len(&self.partial)?.unwrap_or(HEADER_LEN);
            let (now, later) = bytes.split_at(wanted.saturating_sub(self.partial.len()).min(bytes.len()));
            self.partial.extend_from_slice(now);
            bytes = later;
            if frame_len(&self.partial)? == Some(self.partial.len()) {
                if let Some((_, contents)) = self.partial.split_at_mut_checked(HEADER_LEN) {
                    packet(contents);
                }
                self.partial.clear();
            }
        }
        Ok(())
    }
}

/// Length of the frame that begins here, with its header; `None` while the header is incomplete.
fn frame_len(bytes: &[u8]) -> Result<Option<usize>, FrameTooLarge> {
    let Some(header) = bytes.first_chunk::<HEADER_LEN>() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes(*header));
    if length > FRAME_MAX { Err(FrameTooLarge { length }) } else { Ok(Some(HEADER_LEN + length)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(packets: &[&[u8]]) -> Vec<u8> {
        packets.iter().flat_map(|packet| [&header(packet.len()).unwrap()[..], packet].concat()).collect()
    }

    #[test]
    fn packets_come_out_whole_however_the_stream_is_cut() {
        let large = vec![7; FRAME_MAX];
        let packets: [&[u8]; 6] = [b"a", b"", b"bcd", &large, b"", b"e"];
        let stream = stream(&packets);
        for size in [1, 2, 3, 4, 5, 7, 100, 1460, 8191, stream.len()] {
            let mut framer = Framer::new();
            let mut out: Vec<Vec<u8>> = Vec::new();
            for piece in stream.chunks(size) {
                framer.push(piece, |packet| out.push(packet.to_vec())).unwrap();
                assert!(framer.partial.len() < HEADER_LEN + FRAME_MAX);
            }
            assert_eq!(out, packets, "pieces of {size}");
            assert!(framer.partial.is_empty());
        }
    }

    #[test]
    fn a_frame_beyond_the_bound_ends_the_stream() {
        let too_large = FrameTooLarge { length: FRAME_MAX + 1 };
        let mut bytes = stream(&[b"ok"]);
        bytes.extend(header(FRAME_MAX + 1).unwrap());
        let mut seen = 0;
        assert_eq!(Framer::new().push(&bytes, |_| seen += 1), Err(too_large));
        assert_eq!(seen, 1);
        let mut framer = Framer::new();
        let ended = bytes.chunks(1).map(|piece| framer.push(piece, |_| {})).find(Result::is_err);
        assert_eq!(ended, Some(Err(too_large)));
        assert_eq!(header(65_536), None);
    }
}
