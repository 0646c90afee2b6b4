//! A packet ready to be sealed: its header is written, its payload still lies in the ring.
//!
//! Owned and without lifetime, so that it can wait for a pacer; then the ring may have moved on, which
//! [`SendPacket::payload`] tells.

use tutti_rtp::payload::vp8;
use tutti_rtp::{AbsSendTime, Ssrc, WrittenHeader, fill_padding, rtx};

use crate::PacketAt;
use crate::layers::Layers;

/// Bytes that a header may take. What is longer (a dependency descriptor with a very large structure) is not sent.
pub(super) const HEADER_LEN_MAX: usize = 256;

/// Bytes that may stand in front of the payload: an original sequence number and a VP8 descriptor.
const PREFIX_LEN_MAX: usize = rtx::ORIGINAL_LEN + vp8::DESCRIPTOR_LEN_MAX;

/// Room that [`SendPacket::payload`] needs, bytes.
pub const SCRATCH_LEN: usize = 2048;

/// Why a packet is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SendKind {
    /// Forwarded for the first time.
    Media,
    /// Sent again, because the subscriber missed it.
    Retransmission,
    /// Without media.
    Padding,
}

/// Where the payload comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// From a packet in the ring, without its first `skip` bytes.
    Ring { at: PacketAt, skip: u16, len: u16 },
    /// This many bytes of padding.
    Padding(u8),
}

/// Bytes in front of the payload.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Prefix {
    bytes: [u8; PREFIX_LEN_MAX],
    len: u8,
}

impl Prefix {
    /// Appends what `write` writes and returns the length of.
    pub(super) fn append<E>(&mut self, write: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Option<()> {
        let room = self.bytes.get_mut(usize::from(self.len)..)?;
        self.len += write(room).ok()? as u8;
        Some(())
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

/// A packet for one subscriber.
#[derive(Debug, Clone, Copy)]
pub struct SendPacket {
    /// Its source.
    pub ssrc: Ssrc,
    /// Its packet index, rollover counter << 16 | sequence number (RFC 3711, section 3.3.1).
    pub index: u64,
    /// Why it is sent.
    pub kind: SendKind,
    pub(super) written: WrittenHeader,
    pub(super) body: Body,
    pub(super) prefix: Prefix,
    pub(super) header: [u8; HEADER_LEN_MAX],
}

impl SendPacket {
    /// The RTP header with its extensions.
    pub fn header(&self) -> &[u8] {
        self.header.get(..self.written.len).unwrap_or_default()
    }

    /// Whether the header has room for a transport-wide sequence number.
    pub const fn has_transport_cc(&self) -> bool {
        self.written.transport_cc_at.is_some()
    }

    /// Puts the transport-wide sequence number in, where there is room for it.
    pub fn set_transport_cc(&mut self, sequence: u16) {
        self.written.set_transport_cc(&mut self.header, sequence);
    }

    /// Puts the time of sending in, where there is room for it.
    pub fn set_abs_send_time(&mut self, time: AbsSendTime) {
        self.written.set_abs_send_time(&mut self.header, time);
    }

    /// Bytes behind the header, padding included.
    pub fn payload_len(&self) -> usize {
        usize::from(self.prefix.len)
            + match self.body {
                Body::Ring { len, .. } => usize::from(len),
                Body::Padding(len) => usize::from(len),
            }
    }

    /// What comes behind the header: straight from the ring where nothing is changed, else put together in `scratch`,
    /// which has room for [`SCRATCH_LEN`] bytes. `layers` is the track that the packet was made from. `None` if the
    /// ring moved on since, or `scratch` is too small: then the packet cannot be sent.
    pub fn payload<'a>(&'a self, layers: &'a Layers, scratch: &'a mut [u8]) -> Option<&'a [u8]> {
        let prefix = self.prefix.bytes();
        match self.body {
            Body::Padding(len) => {
                let room = scratch.get_mut(..usize::from(len))?;
                fill_padding(room);
                Some(room)
            }
            Body::Ring { len: 0, .. } => Some(prefix),
            Body::Ring { at, skip, len } => {
                let slot = layers.slot(at)?;
                let (start, len) = (usize::from(skip), usize::from(len));
                let rest = layers.payload(at.layer, slot).get(start..start + len)?;
                if prefix.is_empty() {
                    return Some(rest);
                }
                let room = scratch.get_mut(..prefix.len() + len)?;
                let (head, tail) = room.split_at_mut(prefix.len());
                head.copy_from_slice(prefix);
                tail.copy_from_slice(rest);
                Some(room)
            }
        }
    }
}
