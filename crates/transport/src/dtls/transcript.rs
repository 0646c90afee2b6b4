//! The handshake messages of both sides in order, which signatures and Finished are made over (RFC 6347, section 4.2.6).
//! Kept whole, since each of these hashes it in its own way; a handshake has a few kilobytes.

use super::message::Message;

pub(super) struct Transcript {
    bytes: Vec<u8>,
    /// Number of our next message.
    next: u16,
}

impl Transcript {
    pub(super) fn new() -> Self {
        Self { bytes: Vec::new(), next: 0 }
    }

    /// All messages so far.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds a message of the peer.
    pub(super) fn add(&mut self, message: &Message) {
        self.bytes.extend_from_slice(&message.bytes);
    }

    /// Makes our next message, and adds it.
    pub(super) fn write(&mut self, kind: u8, body: impl FnOnce(&mut Vec<u8>)) -> Message {
        let message = Message::new(kind, self.next, body);
        self.next += 1;
        self.bytes.extend_from_slice(&message.bytes);
        message
    }

    /// Forgets the messages so far, but not their numbers.
    pub(super) fn forget(&mut self) {
        self.bytes.clear();
    }
}
